/* Writes to a Tensor's own memory that are done when they are written (lines.c says from which lines), or to places of it
 * that are chosen one by one: by NumPy's operator, ufunc or indexing on the memory itself.
 */
#include "hot.h"

enum { UNDISTURBED = 500 };   /* elements up to which NumPy lets no other thread run meanwhile */

/* ---- in place --------------------------------------------------------------------------------------------------------- */

/* Whether a Tensor's memory may be written to at once, as no pending work reads it (handle.own_memory), if the array is to be
 * written to at all. */
int may_be_written(PyObject *tensor) {
    PyObject *root = realized_root(tensor), *node = root == NULL ? NULL : slot_or_none(root, T._value);
    return node != NULL && Py_REFCNT(node) == 1 && sole(slot_or_none(node, N.buffer), 1)
        && (root == tensor || slot_or_none(slot_or_none(tensor, T._value), V.writeable) == Py_True);
}

/* That memory, a new reference; NULL without an error where it is not so. */
PyObject *memory_at_hand(PyObject *tensor, Py_ssize_t most) {
    PyObject *memory = may_be_written(tensor) ? array_at_hand(tensor, most) : NULL;
    if (memory != NULL && !PyArray_ISWRITEABLE((PyArrayObject *)memory))
        Py_CLEAR(memory);
    return memory;
}

/* The same, and its root's lock, taken, if NumPy lets other threads run while it writes: so it does if places are `chosen`,
 * for they may be many times as many as there are elements. NULL without an error where it is not so. */
PyObject *memory_locked(PyObject *tensor, Py_ssize_t most, int chosen, PyObject **lock) {
    PyObject *memory = memory_at_hand(tensor, most);
    *lock = NULL;
    if (memory == NULL || (!chosen && PyArray_SIZE((PyArrayObject *)memory) <= UNDISTURBED))
        return memory;
    Py_DECREF(memory);
    *lock = Py_NewRef(lock_of(root_of(tensor)));
    if (take_lock(*lock) < 0) {
        Py_CLEAR(*lock);
        return NULL;
    }
    if ((memory = memory_at_hand(tensor, most)) == NULL) {
        give_lock(*lock);
        Py_CLEAR(*lock);
    }
    return memory;
}

/* Gives the lock back; an error that there is stays. -1 if there is one. */
int unlocked(PyObject *lock) {
    PyObject *kind, *value, *trace;
    if (lock == NULL)
        return 0;
    PyErr_Fetch(&kind, &value, &trace);
    int failed = give_lock(lock) < 0;
    Py_DECREF(lock);
    if (kind != NULL)
        PyErr_Restore(kind, value, trace);
    return failed ? -1 : 0;
}

/* What writes to memory: a call of it, with operands that are there; a new reference, or NULL for an error. */
typedef PyObject *(*Write)(const void *what, PyObject *memory, PyObject **given, Py_ssize_t count);

enum { MOST_OPERANDS = 8 };

/* Whether all operands of a write are there, those that are small and pending computed by now. */
static int all_ready(PyObject *const *operands, Py_ssize_t count, Py_ssize_t most) {
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *x = ready(operands[i], most);
        if (x == NULL)
            return 0;
        Py_DECREF(x);
    }
    return 1;
}

/* Has it written to a Tensor's own memory, if it may be and the operands are there. The memory comes first: operands may be
 * views of it. 1: done, `result` NULL for an error; 0: not so. */
static int write_now_to(PyObject *self, PyObject *const *operands, Py_ssize_t count, Write write, const void *what,
                        int chosen, PyObject **result) {
    PyObject *given[MOST_OPERANDS], *lock, *memory = memory_locked(self, PY_SSIZE_T_MAX, chosen, &lock);
    Py_ssize_t n = 0;
    *result = NULL;
    if (memory == NULL)
        return PyErr_Occurred() != NULL;
    while (n < count && (given[n] = at_hand(operands[n], PY_SSIZE_T_MAX)) != NULL)
        n++;
    int done = n == count;
    if (done) {
        long long began = work_begins();
        *result = write(what, memory, given, count);
        note_work(began);
    }
    Py_DECREF(memory);
    while (n)
        Py_DECREF(given[--n]);
    if (unlocked(lock) < 0) {
        Py_CLEAR(*result);
        return 1;
    }
    return done || PyErr_Occurred();
}

static PyObject *write_operator(const void *what, PyObject *memory, PyObject **given, Py_ssize_t count) {
    return (*(binaryfunc const *)what)(memory, given[0]);
}

/* Whether what the line that is being written does to a Tensor's own memory runs at once; `most`: with what large operands,
 * in bytes. */
int writes_steadily(PyObject *self, Py_ssize_t *most) {
    *most = most_bytes();
    PyObject *memory = may_run_at_once() ? memory_at_hand(self, PY_SSIZE_T_MAX) : NULL;
    Py_ssize_t bytes = memory == NULL ? 0 : bytes_at_hand(memory);
    Py_XDECREF(memory);
    if (memory == NULL || bytes <= *most)
        return memory != NULL && runs_now(bytes);
    *most = PY_SSIZE_T_MAX;
    return writes_large_now();
}

/* Has it written to a Tensor's own memory from a line that runs at once, and gives that Tensor. 1: done, `result` NULL for an
 * error; 0: it is to be written. */
static int into_at_once(PyObject *self, PyObject *const *operands, Py_ssize_t count, Write write, const void *what,
                        PyObject **result) {
    Py_ssize_t most;
    if (!writes_steadily(self, &most) || !all_ready(operands, count, most))
        return has_failed(result);
    int done = write_now_to(self, operands, count, write, what, 0, result);
    if (*result != NULL)
        Py_SETREF(*result, Py_NewRef(self));   /* NumPy gives the array that it was given, or an error */
    return done;
}

/* ``self <op>= other`` by the operator of NumPy's arrays. 1: done, `result` NULL for an error; 0: it is to be written. */
int in_place_at_once(binaryfunc fn, PyObject *self, PyObject *other, PyObject **result) {
    if (!may_run_at_once() || Py_TYPE(self) != tensor_type)
        return 0;
    if (few_in_place(fn, self, other)) {
        *result = Py_NewRef(self);
        return 1;
    }
    if (!is_settled(self, most_awaited()) && PyErr_Occurred())
        return has_failed(result);
    return into_at_once(self, &other, 1, write_operator, &fn, result);
}

static PyObject *write_ufunc(const void *what, PyObject *memory, PyObject **given, Py_ssize_t count) {
    static PyObject *names;
    PyObject *stack[MOST_OPERANDS + 1];
    if (names == NULL && (names = Py_BuildValue("(s)", "out")) == NULL)
        return NULL;
    memcpy(stack, given, count * sizeof(PyObject *));
    stack[count] = memory;
    return PyObject_Vectorcall((PyObject *)what, stack, count, names);
}

/* ``ufunc(*operands, out=target)``, the ufunc NumPy's. 1: done, `result` NULL for an error; 0: it is to be written. */
int call_into_at_once(PyObject *ufunc, PyObject *const *operands, Py_ssize_t count, PyObject *target, PyObject **result) {
    if (Py_TYPE(target) != tensor_type || count > 3)
        return 0;
    return into_at_once(target, operands, count, write_ufunc, ufunc, result);
}

/* ---- places ----------------------------------------------------------------------------------------------------------- */

/* A part of an index, a new reference; NULL without an error where Python has to look. Masks of more bytes than `most` are
 * left to it: it has quicker ways than NumPy (run/masking.py). */
static PyObject *place_at_hand(PyObject *part, Py_ssize_t most, int *chooses) {
    if (Py_TYPE(part) == tensor_type) {
        PyObject *array = array_at_hand(part, PY_SSIZE_T_MAX);
        int number = array == NULL ? NPY_VOID : PyArray_DESCR((PyArrayObject *)array)->type_num;
        if (!PyTypeNum_ISINTEGER(number) && !(PyTypeNum_ISBOOL(number) && PyArray_NBYTES((PyArrayObject *)array) <= most))
            Py_CLEAR(array);
        *chooses = 1;
        return array;
    }
    PyObject *listed = plain_list(part);
    if (listed != NULL) {
        *chooses = 1;
        return listed;
    }
    return PyErr_Occurred() ? NULL : plain_part(part);
}

/* An index that chooses elements one by one, as NumPy may have it, a new reference; NULL without an error where Python has
 * to look. */
PyObject *index_at_hand(PyObject *index, Py_ssize_t most) {
    int chooses = 0;
    PyObject *made;
    if (PyTuple_CheckExact(index)) {
        made = PyTuple_New(PyTuple_GET_SIZE(index));
        for (Py_ssize_t i = 0; made != NULL && i < PyTuple_GET_SIZE(index); i++) {
            PyObject *part = place_at_hand(PyTuple_GET_ITEM(index, i), most, &chooses);
            if (part == NULL)
                Py_CLEAR(made);
            else
                PyTuple_SET_ITEM(made, i, part);
        }
    } else
        made = place_at_hand(index, most, &chooses);
    if (made != NULL && !chooses)
        Py_CLEAR(made);
    return made;
}

/* Has a value computed that a write, or a choice of elements, asks for. -1 for an error. */
int has_no_wait(PyObject *value) {
    PyObject *node = waited_for(value, PY_SSIZE_T_MAX);
    return node == NULL ? 0 : compute_node(node);
}

static PyObject *write_places(const void *what, PyObject *memory, PyObject **given, Py_ssize_t count) {
    return PyObject_SetItem(memory, (PyObject *)what, given[0]) < 0 ? NULL : Py_NewRef(Py_None);
}

/* Writes a value to places of a Tensor's own memory. 1: done; 0: the memory is not its own; -1: an error. */
static int put_at_once(PyObject *self, PyObject *places, PyObject *value) {
    PyObject *result;
    if (!write_now_to(self, &value, 1, write_places, places, !is_basic(places), &result))
        return 0;
    Py_XDECREF(result);
    return result == NULL ? -1 : 1;
}

/* Whether a basic index is of no more than `MIDDLING` bytes of an array. */
static int is_middling_part(PyObject *memory, PyObject *index) {
    if (PyArray_NBYTES((PyArrayObject *)memory) <= MIDDLING)
        return 1;
    PyObject *part = PyObject_GetItem(memory, index);
    int found = part != NULL && bytes_at_hand(part) <= MIDDLING;
    if (part == NULL)
        PyErr_Clear();   /* the write says it */
    Py_XDECREF(part);
    return found;
}

/* ``self[index] = value`` for places chosen one by one, or at a line that runs at once. 1: done; 0: it is to be written;
 * -1: an error. */
int store_at_once(PyObject *self, PyObject *index, PyObject *value) {
    Py_ssize_t most = small_bytes();
    int done = 0, basic = is_basic(index);
    if (watched() || held_up == Py_True || (basic && !may_run_at_once()))
        return 0;
    if (basic && few_stored(self, index, value))
        return 1;
    PyObject *memory = memory_at_hand(self, PY_SSIZE_T_MAX), *places = NULL;
    if (memory == NULL)
        return 0;
    Py_ssize_t bytes = bytes_at_hand(memory);
    if (basic)
        done = all_ready(&value, 1, most_bytes()) && runs_now(bytes <= most ? bytes : most + 1)
            && is_middling_part(memory, index);
    else if (most > 0 && (places = index_at_hand(index, bytes <= most ? most : 0)) != NULL)
        done = is_users_line();
    Py_DECREF(memory);
    if (done && !basic && has_no_wait(value) < 0)
        done = -1;
    if (done == 1)
        done = put_at_once(self, basic ? index : places, value);
    Py_XDECREF(places);
    return done == 0 && PyErr_Occurred() ? -1 : done;
}
