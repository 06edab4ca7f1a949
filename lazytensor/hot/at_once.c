/* Operators on small arrays that run when they are written, from lines whose results have been asked for one by one.
 *
 * To write an operation down and to run it later costs three times NumPy's own call on ten elements, unless several
 * become one kernel. So runs of small arrays are counted for the lines that wrote their operations: up where the
 * run had fewer operations for a kernel than it pays for, down where it had more. An operation of a line that has come up
 * to ``config(eager_after=)`` is NumPy's operator on the arrays as they are. So its errors and warnings are NumPy's, on
 * that line.
 */
#include "hot.h"

enum { SITES = 1 << 12, PENALTY = 2 };
enum { WORTH = 3, BETWEEN = 8 };   /* operations from which on a kernel pays, if all are joined; for each that is not */
enum { TINY = 1 << 10 };           /* bytes up to which a sum costs as much alone as at the end of a kernel */
enum { UNDISTURBED = 500 };   /* elements up to which NumPy lets no other thread run meanwhile */

/* An instruction of a program. The code object is compared and never looked into: it may have been freed. */
typedef struct {
    PyCodeObject *code;
    int lasti, score;
} Site;

static Site sites[SITES];
static Site calls[SITES];   /* the same of calls of NumPy's functions on arrays that are not small */
static Py_ssize_t eager_after = -1;   /* -1: never */

static Site *site_of(Site *table, PyCodeObject *code, int lasti) {
    size_t print = ((size_t)code >> 4 ^ (size_t)lasti * 0x9E3779B1u) * 0x9E3779B97F4A7C15ull;
    return &table[print >> 40 & (SITES - 1)];
}

/* eager_after(n): from how many short runs on lines compute at once; None for never. What was counted is forgotten. */
PyObject *hot_eager_after(PyObject *self, PyObject *limit) {
    Py_ssize_t given = limit == Py_None ? -1 : PyLong_AsSsize_t(limit);
    if (given == -1 && PyErr_Occurred())
        return NULL;
    eager_after = given < INT_MAX / 2 ? given : -1;
    memset(sites, 0, sizeof sites);
    memset(calls, 0, sizeof calls);
    Py_RETURN_NONE;
}

/* ---- which lines ------------------------------------------------------------------------------------------------------ */

Py_ssize_t small_bytes(void) {
    Py_ssize_t most = PyLong_AsSsize_t(slot_or_none(current, C.small));
    if (most < 0)
        PyErr_Clear();   /* more bytes than a machine word holds */
    return most < 0 ? PY_SSIZE_T_MAX : most;
}

static void count_at(Site *table, PyObject *code, PyObject *lasti, int up) {
    if (!PyCode_Check(code) || !PyLong_CheckExact(lasti))
        return;
    int at = (int)PyLong_AsLong(lasti);
    Site *site = site_of(table, (PyCodeObject *)code, at);
    if (site->code != (PyCodeObject *)code || site->lasti != at)
        *site = (Site){(PyCodeObject *)code, at, 0};
    if (up)
        site->score += site->score < eager_after;
    else
        site->score = site->score > PENALTY ? site->score - PENALTY : 0;
}

/* Whether a node is computed in one kernel with others: element by element, or a reduction of it all. */
static int is_joined(PyObject *node, PyObject *a) {
    if (PyTuple_GET_SIZE(slot_or_none(node, N.shape)) == 0)
        return Py_TYPE(a) == node_type && bytes_of(a) > TINY;
    return slot_or_none(slot_or_none(node, N.op), O.kind) == text_elementwise;
}

static void count(Site *table, PyObject *node, int up) {
    count_at(table, slot_or_none(node, N.code), slot_or_none(node, N.lasti), up);
}

/* Whether a node is one call of a function of NumPy's (lazy.Rule), which no kernel takes in. */
static int is_function(PyObject *node) {
    PyObject *attrs = slot_or_none(node, N.attrs);
    if (slot_or_none(slot_or_none(node, N.op), O.kind) != text_call || !PyTuple_CheckExact(attrs) || !PyTuple_GET_SIZE(attrs))
        return 0;
    PyObject *first = PyTuple_GET_ITEM(attrs, 0);
    return PyTuple_CheckExact(first) && PyTuple_GET_SIZE(first) == 2 && PyUnicode_CheckExact(PyTuple_GET_ITEM(first, 0))
        && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(first, 0), "form") == 0;
}

/* Counts calls of functions in a run: up where all else in it is elementwise or a number, so that no kernel would have been
 * another had they run when they were written. */
static void count_functions(PyObject *nodes) {
    Py_ssize_t n = PyList_GET_SIZE(nodes), functions = 0, others = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *node = PyList_GET_ITEM(nodes, i), *kind = slot_or_none(slot_or_none(node, N.op), O.kind);
        int counts = is_function(node);
        functions += counts;
        others += !counts && kind != text_elementwise && kind != text_scalar;
    }
    for (Py_ssize_t i = 0; functions && i < n; i++)
        if (is_function(PyList_GET_ITEM(nodes, i)))
            count(calls, PyList_GET_ITEM(nodes, i), !others);
}

/* ran_when_written(code, lasti): a line's call has run when it was written, as its result or its errors need values. */
PyObject *hot_ran_when_written(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    if (count == 2 && eager_after > 0)
        count_at(calls, args[0], args[1], 1);
    Py_RETURN_NONE;
}

/* Nodes are about to run together: counts it for their lines, if all are small (what no kernel has splits the others),
 * and for calls of functions. */
void count_run(PyObject *nodes) {
    Py_ssize_t n = PyList_GET_SIZE(nodes), joined = 0, most;
    if (eager_after <= 0)
        return;
    most = small_bytes();
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *node = PyList_GET_ITEM(nodes, i), *a = slot_or_none(node, N.a);
        if (bytes_of(node) > most || (Py_TYPE(a) == node_type && bytes_of(a) > most)) {
            count_functions(nodes);
            return;
        }
        joined += is_joined(node, a);
    }
    int is_short = joined < WORTH || joined < BETWEEN * (n - joined);
    for (Py_ssize_t i = 0; i < n; i++)
        count(sites, PyList_GET_ITEM(nodes, i), is_short);
}

/* Whether the operation that is being written is to run at once. */
static int is_steady(Site *table) {
    if (eager_after < 0 || watched() || held_up == Py_True || slot_or_none(current, C.debug) == Py_True)
        return 0;
    if (eager_after == 0)
        return is_users_line();
    PyFrameObject *frame = PyEval_GetFrame();
    if (frame == NULL)
        return 0;
    PyCodeObject *code = PyFrame_GetCode(frame);
    int lasti = PyFrame_GetLasti(frame);
    Site *site = site_of(table, code, lasti);
    Py_DECREF(code);
    return site->score >= eager_after && site->code == code && site->lasti == lasti && is_users_line();
}

int runs_at_once(void) {
    return is_steady(sites);
}

/* Whether the call of a function of NumPy's that is being written is to run at once, its arrays small or not. */
int calls_at_once(void) {
    return is_steady(calls);
}

/* ---- operands --------------------------------------------------------------------------------------------------------- */

static int is_plain(PyObject *array, Py_ssize_t most) {
    int number = PyArray_DESCR((PyArrayObject *)array)->type_num;
    return (PyTypeNum_ISNUMBER(number) || PyTypeNum_ISBOOL(number)) && PyArray_NBYTES((PyArrayObject *)array) <= most
        && PyArray_ISNBO(PyArray_DESCR((PyArrayObject *)array)->byteorder);
}

/* The realized root whose memory a Tensor has, itself or its view's, borrowed; NULL where Python has to look. */
static PyObject *realized_root(PyObject *tensor) {
    PyObject *root = root_of(tensor), *node = root == NULL ? Py_None : slot_or_none(root, T._value);
    return root != NULL && PyArray_CheckExact(slot_or_none(node, N.buffer)) ? root : NULL;
}

/* The array of a Tensor that is there and small, a new reference; NULL where it is not so, without an error. */
PyObject *array_at_hand(PyObject *tensor, Py_ssize_t most) {
    PyObject *root = realized_root(tensor), *array;
    if (root == NULL)
        return NULL;
    array = slot_or_none(slot_or_none(root, T._value), N.buffer);
    if (root == tensor)
        Py_INCREF(array);
    else if ((array = apply_steps(slot_or_none(slot_or_none(tensor, T._value), V.steps), array)) == NULL)
        PyErr_Clear();
    if (array != NULL && (!PyArray_CheckExact(array) || !is_plain(array, most)))
        Py_CLEAR(array);
    return array;
}

/* Whether it is one of NumPy's numbers. */
int is_numpys_number(PyObject *x) {
    return !PyType_HasFeature(Py_TYPE(x), Py_TPFLAGS_HEAPTYPE)
        && (PyArray_IsScalar(x, Number) || PyArray_IsScalar(x, Bool));
}

/* What stands for an operand, a new reference; NULL without an error where Python has to look. */
PyObject *at_hand(PyObject *x, Py_ssize_t most) {
    PyTypeObject *type = Py_TYPE(x);
    if (type == tensor_type)
        return array_at_hand(x, most);
    if (type == &PyFloat_Type || type == &PyLong_Type || type == &PyBool_Type || type == &PyComplex_Type)
        return Py_NewRef(x);
    if (PyType_IsSubtype(type, scalar_type)) {
        PyObject *value = slot_or_none(slot_or_none(x, S._node), N.buffer);
        return PyArray_IsScalar(value, Number) || PyArray_IsScalar(value, Bool) ? Py_NewRef(value) : NULL;
    }
    return is_numpys_number(x) ? Py_NewRef(x) : NULL;
}

/* The node that a Tensor or a lazy scalar waits for, small, borrowed; NULL where there is none. */
static PyObject *waited_for(PyObject *x, Py_ssize_t most) {
    PyObject *root = Py_TYPE(x) == tensor_type ? root_of(x) : NULL, *node = Py_None;
    if (root != NULL)
        node = slot_or_none(root, T._value);
    else if (PyType_IsSubtype(Py_TYPE(x), scalar_type))
        node = slot_or_none(x, S._node);
    int waits = Py_TYPE(node) == node_type && slot_or_none(node, N.buffer) == Py_None;
    return waits && bytes_of(node) <= most ? node : NULL;
}

/* Has what an operand waits for computed, if the line runs at once: or all that is computed of it would wait, too. 0 if
 * not; an exception may be set then. */
static int is_settled(PyObject *x, Py_ssize_t most) {
    PyObject *node = waited_for(x, most);
    PyObject *targets = node != NULL && runs_at_once() ? PyList_New(1) : NULL;
    if (targets == NULL)
        return 0;
    PyList_SET_ITEM(targets, 0, Py_NewRef(node));
    PyObject *done = hot_realize(NULL, targets);
    Py_DECREF(targets);
    Py_XDECREF(done);
    return done != NULL;
}

/* The same as `at_hand`, and an operand that is pending is computed where the line runs at once. */
static PyObject *ready(PyObject *x, Py_ssize_t most) {
    PyObject *found = at_hand(x, most);
    return found == NULL && is_settled(x, most) ? at_hand(x, most) : found;
}

static int has_axes(PyObject *x) {
    return PyArray_CheckExact(x) && PyArray_NDIM((PyArrayObject *)x) > 0;
}

/* ---- results ---------------------------------------------------------------------------------------------------------- */

/* The class of lazy scalars of a kind, borrowed, made if there is none yet (scalar.class_for). */
static PyTypeObject *class_of(PyObject *value, PyArray_Descr *dtype) {
    PyTypeObject *type = (PyTypeObject *)PyDict_GetItemWithError(scalar_classes, (PyObject *)Py_TYPE(value));
    if (type != NULL || PyErr_Occurred())
        return type;
    PyObject *module = PyImport_ImportModule("lazytensor.api.scalar");
    PyObject *made = module == NULL ? NULL : PyObject_CallMethod(module, "class_for", "O", dtype);
    Py_XDECREF(module);
    Py_XDECREF(made);   /* the table has it */
    return (PyTypeObject *)made;
}

/* One of NumPy's scalars as a lazy one that is there. */
PyObject *scalar_of(PyObject *value) {
    PyArray_Descr *dtype = PyArray_DescrFromScalar(value);
    PyTypeObject *type = dtype == NULL ? NULL : class_of(value, dtype);
    if (type == NULL) {
        Py_XDECREF(dtype);
        return NULL;
    }
    PyObject *node = made_node(leaf_operation, empty_tuple, Py_None, empty_tuple, (PyObject *)dtype, Py_None, Py_None, zero,
                               Py_None), *made = NULL;
    if (node != NULL) {
        put(node, N.buffer, value);
        made = new_scalar(type, node);
        Py_DECREF(node);
    }
    Py_XDECREF(dtype);
    return made;
}

/* Whether a new array has the lengths that a tuple says, and lies in C order. */
static int is_like(PyArrayObject *array, PyObject *shape) {
    npy_intp expected = PyArray_ITEMSIZE(array);
    int n = PyArray_NDIM(array);
    if (n != PyTuple_GET_SIZE(shape))
        return 0;
    for (int i = n - 1; i >= 0; i--) {
        PyObject *length = PyTuple_GET_ITEM(shape, i);
        if (PyArray_STRIDE(array, i) != expected || PyLong_AsSsize_t(length) != PyArray_DIM(array, i))
            return 0;
        expected *= PyArray_DIM(array, i);
    }
    return 1;
}

/* The result of an operation on `operand` as the user's, which it takes over; NULL without an error where Python has to
 * do it again. */
static PyObject *given_out(PyObject *result, PyObject *operand) {
    PyObject *made = NULL, *value = Py_TYPE(operand) == tensor_type ? slot_or_none(operand, T._value) : Py_None;
    if (result == NULL)
        return NULL;
    if (Py_TYPE(value) == node_type && PyArray_CheckExact(result) && PyArray_BASE((PyArrayObject *)result) == NULL
        && Py_REFCNT(result) == 1 && is_like((PyArrayObject *)result, slot_or_none(value, N.shape)))
        made = tensor_over(result, slot_or_none(value, N.shape), Py_None);
    else if (PyArray_CheckExact(result))
        made = wrapped(result);
    Py_DECREF(result);
    return made;
}

/* Whether a pending operand could not be computed: its error is the outcome. */
static int failed(PyObject **result) {
    *result = NULL;
    return PyErr_Occurred() != NULL;
}

/* ``left <op> right`` by the operator of NumPy's arrays, `fn`, or the comparison `which` where that is NULL. 1: done, `result`
 * NULL for an error; 0: it is to be written. */
static int pair_at_once(binaryfunc fn, int which, PyObject *left, PyObject *right, PyObject **result) {
    if (eager_after < 0)
        return 0;
    Py_ssize_t most = small_bytes();
    PyObject *a = ready(left, most), *b = a == NULL ? NULL : ready(right, most);
    int now = b != NULL && (has_axes(a) || (fn != NULL && has_axes(b))) && runs_at_once();
    if (now) {
        PyObject *found = fn != NULL ? fn(a, b) : PyArray_Type.tp_richcompare(a, b, which);
        *result = given_out(found, Py_TYPE(left) == tensor_type ? left : right);
        now = *result != NULL || PyErr_Occurred();
    }
    Py_XDECREF(a);
    Py_XDECREF(b);
    return now || failed(result);
}

int binary_at_once(binaryfunc fn, PyObject *left, PyObject *right, PyObject **result) {
    return pair_at_once(fn, 0, left, right, result);
}

int compare_at_once(PyObject *left, PyObject *right, int which, PyObject **result) {
    return pair_at_once(NULL, which, left, right, result);
}

static PyObject *raised(PyObject *base, PyObject *exponent) {
    return PyArray_Type.tp_as_number->nb_power(base, exponent, Py_None);
}

int power_at_once(PyObject *left, PyObject *right, PyObject **result) {
    return pair_at_once(raised, 0, left, right, result);
}

int unary_at_once(unaryfunc fn, PyObject *operand, PyObject **result) {
    if (eager_after < 0)
        return 0;
    PyObject *a = ready(operand, small_bytes());
    int now = a != NULL && has_axes(a) && runs_at_once();
    if (now) {
        *result = given_out(fn(a), operand);
        now = *result != NULL || PyErr_Occurred();
    }
    Py_XDECREF(a);
    return now || failed(result);
}

/* ---- in place --------------------------------------------------------------------------------------------------------- */

/* The memory of a Tensor that may be written to at once, as no pending work reads it (handle.own_memory): a new reference;
 * NULL without an error where it is not so. */
PyObject *memory_at_hand(PyObject *tensor, Py_ssize_t most) {
    PyObject *root = realized_root(tensor), *node = root == NULL ? NULL : slot_or_none(root, T._value);
    if (node == NULL || Py_REFCNT(node) != 1 || !sole(slot_or_none(node, N.buffer), 1)
        || (root != tensor && slot_or_none(slot_or_none(tensor, T._value), V.writeable) != Py_True))
        return NULL;
    PyObject *memory = array_at_hand(tensor, most);
    if (memory != NULL && (!PyArray_ISWRITEABLE((PyArrayObject *)memory)
                           || PyArray_SIZE((PyArrayObject *)memory) > UNDISTURBED))
        Py_CLEAR(memory);
    return memory;
}

/* ``self <op>= other`` by the operator of NumPy's arrays. 1: done, `result` NULL for an error; 0: it is to be written. */
int in_place_at_once(binaryfunc fn, PyObject *self, PyObject *other, PyObject **result) {
    if (eager_after < 0 || Py_TYPE(self) != tensor_type)
        return 0;
    Py_ssize_t most = small_bytes();
    PyObject *memory = memory_at_hand(self, most), *b;
    if (memory == NULL && is_settled(self, most))
        memory = memory_at_hand(self, most);
    b = memory == NULL ? NULL : ready(other, most);
    int now = b != NULL && runs_at_once();
    if (now) {
        PyObject *done = fn(memory, b);
        now = done == NULL || done == memory;
        *result = done == NULL ? NULL : Py_NewRef(self);
        Py_XDECREF(done);
    }
    Py_XDECREF(memory);
    Py_XDECREF(b);
    return now || failed(result);
}

/* ---- ufuncs and reductions -------------------------------------------------------------------------------------------- */

/* ``ufunc(*operands)``, the ufunc NumPy's. 1: done, `result` NULL for an error; 0: it is to be written. */
int call_at_once(PyObject *ufunc, PyObject *const *operands, Py_ssize_t count, PyObject **result) {
    PyObject *lent[3];
    Py_ssize_t most = small_bytes(), n = 0;
    int axes = 0, arrays = 0, now = 0;
    if (count < 1 || count > 3)
        return 0;
    PyObject *first = operands[0];
    while (n < count && (lent[n] = ready(operands[n], most)) != NULL) {
        if (!axes && has_axes(lent[n])) {
            axes = 1;
            first = operands[n];
        }
        arrays |= PyArray_Check(lent[n++]);
    }
    if (n == count && axes && runs_at_once()) {
        *result = given_out(PyObject_Vectorcall(ufunc, lent, count, NULL), first);
        now = *result != NULL || PyErr_Occurred();
    } else if (n == count && !arrays && !watched() && is_users_line()) {  /* numbers never wait */
        *result = PyObject_Vectorcall(ufunc, lent, count, NULL);
        now = 1;
    }
    while (n)
        Py_DECREF(lent[--n]);
    return now || failed(result);
}

/* A reduction's method of an array. 1: done, `result` NULL for an error; 0: it is to be written. */
int reduce_at_once(PyObject *fn, PyObject *const *args, Py_ssize_t count, PyObject *names, PyObject **result) {
    enum { MOST = 8 };
    PyObject *stack[MOST];
    Py_ssize_t all = count + (names == NULL ? 0 : PyTuple_GET_SIZE(names));
    int now = 0;
    if (eager_after < 0 || all > MOST)
        return 0;
    PyObject *array = ready(args[0], small_bytes());
    if (array != NULL && runs_at_once()) {
        memcpy(stack, args, all * sizeof(PyObject *));
        stack[0] = array;
        PyObject *found = PyObject_Vectorcall(fn, stack, count, names);
        *result = found == NULL ? NULL : PyArray_CheckExact(found) ? wrapped(found)
            : PyArray_IsScalar(found, Generic) ? scalar_of(found) : NULL;
        Py_XDECREF(found);
        now = *result != NULL || PyErr_Occurred();
    }
    Py_XDECREF(array);
    return now || failed(result);
}

/* ---- places ----------------------------------------------------------------------------------------------------------- */

static int is_list_of_ints(PyObject *x) {
    if (!PyList_CheckExact(x) || PyList_GET_SIZE(x) > 64)
        return 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(x); i++)
        if (!PyLong_CheckExact(PyList_GET_ITEM(x, i)))
            return 0;
    return PyList_GET_SIZE(x) > 0;
}

/* A part of an index, a new reference; NULL without an error where Python has to look. */
static PyObject *place_at_hand(PyObject *part, Py_ssize_t most, int *chooses) {
    if (Py_TYPE(part) == tensor_type) {
        PyObject *array = array_at_hand(part, most);
        int number = array == NULL ? NPY_VOID : PyArray_DESCR((PyArrayObject *)array)->type_num;
        if (!PyTypeNum_ISINTEGER(number) && !PyTypeNum_ISBOOL(number))
            Py_CLEAR(array);
        *chooses = 1;
        return array;
    }
    if (is_list_of_ints(part)) {
        *chooses = 1;
        return Py_NewRef(part);
    }
    return is_basic(part) && !PyTuple_CheckExact(part) ? Py_NewRef(part) : NULL;
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

/* ``self[index] = value`` for places chosen one by one, or at a line that runs at once. 1: done; 0: it is to be written;
 * -1: an error. */
int store_at_once(PyObject *self, PyObject *index, PyObject *value) {
    Py_ssize_t most = small_bytes();
    PyObject *memory = watched() || held_up == Py_True ? NULL : memory_at_hand(self, most), *places = NULL, *given = NULL;
    int done = 0;
    if (memory == NULL)
        return 0;
    int basic = is_basic(index);
    if (basic ? eager_after >= 0 : (places = index_at_hand(index, most)) != NULL)
        given = ready(value, most);
    if (given != NULL && (basic ? runs_at_once() : is_users_line()))
        done = PyObject_SetItem(memory, basic ? index : places, given) < 0 ? -1 : 1;
    Py_DECREF(memory);
    Py_XDECREF(places);
    Py_XDECREF(given);
    return done == 0 && PyErr_Occurred() ? -1 : done;
}
