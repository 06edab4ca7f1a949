/* Calls of NumPy's functions and methods that run when they are written, with realized arrays of their own for arguments
 * (api/direct.py): the arrays are handed on as they are, from the user's own line, and a new array is wrapped. */
#include "hot.h"

enum { MOST = 8, LONGEST = 16, ROOM = 60 };
enum { SMALL_ONLY = 1, AS_THEY_ARE = 2, REALIZED_ONLY = 4, OF_NUMBERS = 8, IF_STEADY = 16, OF_UFUNC = 32,
       WRITES = 64, VIEWS = 128, NO_NAMES = 256, TAKEN_IN = 512 };   /* Method.swapped */
enum { NEAR = 16 };   /* how many operations away from its value an argument of a line that runs at once may be */

/* What a call is lent: how large arrays may be (in bytes; -1 for any size), and what has to live until it returns. */
typedef struct {
    Py_ssize_t small, deepest;   /* deepest: how many operations away from its value an array may be */
    int large;                   /* whether larger arrays will do, too, if they are there */
    PyObject *kept[64];
    Py_ssize_t count;
} Lent;

static void forget(Lent *l) {
    while (l->count)
        Py_DECREF(l->kept[--l->count]);
}

static PyObject *keep(Lent *l, PyObject *owned) {
    if (owned != NULL)
        l->kept[l->count++] = owned;
    return owned;
}

/* The array, borrowed, of a Tensor that is small, there, and its own; NULL without an error where that is not so. */
PyObject *small_array(PyObject *tensor) {
    PyObject *node = Py_TYPE(tensor) == tensor_type ? slot_or_none(tensor, T._value) : Py_None;
    if (Py_TYPE(node) != node_type || slot_or_none(tensor, T._state) != Py_None || watched())
        return NULL;
    PyObject *array = slot_or_none(node, N.buffer);
    Py_ssize_t most = ssize_of(slot_or_none(current, C.small));
    if (most < 0)
        PyErr_Clear();
    if (most == 0 || !PyArray_CheckExact(array) || PyDataType_REFCHK(PyArray_DESCR((PyArrayObject *)array))
        || (most > 0 && PyArray_NBYTES((PyArrayObject *)array) > most))
        return NULL;
    return array;
}

/* Has a pending node's value computed; 0 if it is to wait, -1 for an error. A line that runs at once waits for none. */
static int settled(PyObject *node, Py_ssize_t deepest) {
    if (depth_of(node) > deepest && !runs_at_once())
        return 0;
    return compute_node(node) < 0 ? -1 : 1;
}

/* The array of a Tensor that is its own, borrowed from `kept`; NULL without an error where Python has to look. */
static PyObject *array_of(Lent *l, PyObject *tensor) {
    PyObject *node = slot_or_none(tensor, T._value);
    if (Py_TYPE(node) == view_type && slot_or_none(node, V.writeable) != Py_True)
        return NULL;   /* nor is what it gives a view of, which the array itself may not know */
    if (Py_TYPE(node) == view_type)
        return keep(l, array_at_hand(tensor, l->small < 0 || l->large ? PY_SSIZE_T_MAX : l->small));
    if (slot_or_none(tensor, T._state) != Py_None || Py_TYPE(node) != node_type
        || PyDataType_REFCHK((PyArray_Descr *)slot_or_none(node, N.dtype))
        || ((PyArray_Descr *)slot_or_none(node, N.dtype))->type_num == NPY_VOID   /* whose elements may be views */
        || (l->small >= 0 && bytes_of(node) > l->small && !(l->large && slot_or_none(node, N.buffer) != Py_None)))
        return NULL;
    keep(l, Py_NewRef(node));
    if (slot_or_none(node, N.buffer) == Py_None && settled(node, l->deepest) <= 0)
        return NULL;
    PyObject *buffer = slot_or_none(node, N.buffer);
    return PyArray_CheckExact(buffer) ? keep(l, Py_NewRef(buffer)) : NULL;
}

static int is_atom(PyObject *x) {
    return x == Py_None || PyLong_CheckExact(x) || PyFloat_CheckExact(x) || PyBool_Check(x) || PyUnicode_CheckExact(x)
        || PyBytes_CheckExact(x) || is_numpys_number(x) || PyComplex_CheckExact(x) || PyArray_DescrCheck(x)
        || (PyType_Check(x) && x != (PyObject *)tensor_type);
}

/* A number that is there: one of Python's or NumPy's. */
static int is_plain_number(PyObject *x) {
    return PyFloat_CheckExact(x) || PyLong_CheckExact(x) || Py_TYPE(x) == &PyDoubleArrType_Type || PyBool_Check(x)
        || PyComplex_CheckExact(x) || is_numpys_number(x);
}

static int are_plain_numbers(PyObject *const *items, Py_ssize_t n) {
    for (Py_ssize_t i = 0; i < n; i++)
        if (!is_plain_number(items[i]))
            return 0;
    return 1;
}

/* What stands for an argument; NULL without an error where Python has to look. */
static PyObject *lent(Lent *l, PyObject *x, int depth) {
    if (l->count > ROOM)
        return NULL;
    if (PyFloat_CheckExact(x) || PyLong_CheckExact(x) || Py_TYPE(x) == &PyDoubleArrType_Type)
        return x;
    if (Py_TYPE(x) == tensor_type)
        return array_of(l, x);
    if (PyType_IsSubtype(Py_TYPE(x), scalar_type))
        return keep(l, at_hand(x, 0));
    if (is_atom(x))
        return x;
    if (depth == 0 || !(PyList_CheckExact(x) || PyTuple_CheckExact(x)) || Py_SIZE(x) > LONGEST)
        return NULL;
    Py_ssize_t n = Py_SIZE(x), same = 0;
    if (are_plain_numbers(PySequence_Fast_ITEMS(x), n))
        return x;
    PyObject *made = PyTuple_CheckExact(x) ? PyTuple_New(n) : PyList_New(n);
    if (made == NULL)
        return NULL;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *own = PySequence_Fast_GET_ITEM(x, i);
        PyObject *other = Py_SIZE(x) == n ? lent(l, own, depth - 1) : NULL;
        if (other == NULL) {
            Py_DECREF(made);
            return NULL;
        }
        PySequence_Fast_ITEMS(made)[i] = Py_NewRef(other);
        same += own == other;
    }
    if (same < n)
        return keep(l, made);
    Py_DECREF(made);
    return x;
}

/* Whether a name is of an argument that NumPy writes to, that says who answers, that NumPy has not, or that has it give a
 * view of what it makes. */
static int is_refused(PyObject *name) {
    static const char *const refused[] = {"out", "overwrite_input", "like", "descending", "ndmin"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (PyUnicode_CompareWithASCIIString(name, refused[i]) == 0)
            return 1;
    return 0;
}

/* A Tensor of an array, with that shape and strides, which nobody else holds. */
PyObject *tensor_over(PyObject *array, PyObject *shape, PyObject *strides) {
    PyObject *dtype = (PyObject *)PyArray_DESCR((PyArrayObject *)array), *made = NULL;
    PyObject *node = made_node(leaf_operation, empty_tuple, Py_None, shape, dtype, strides, Py_None, 0, Py_None);
    if (node != NULL) {
        put(node, N.buffer, array);
        made = new_tensor(node);
        Py_DECREF(node);
    }
    return made;
}

/* A new array of NumPy's as a Tensor of its own; NULL without an error where it is not so simple (handle.wrap). */
PyObject *wrapped(PyObject *result) {
    PyArrayObject *array = (PyArrayObject *)result;
    int flags = NPY_ARRAY_WRITEABLE | NPY_ARRAY_OWNDATA;
    if (PyArray_BASE(array) != NULL || Py_REFCNT(result) != 1 || (PyArray_FLAGS(array) & flags) != flags)
        return NULL;
    PyObject *shape = PyArray_IntTupleFromIntp(PyArray_NDIM(array), PyArray_DIMS(array));
    PyObject *strides = shape == NULL ? NULL : strides_of(array);
    PyObject *made = strides == NULL ? NULL : tensor_over(result, shape, strides);
    Py_XDECREF(shape);
    Py_XDECREF(strides);
    return made;
}

/* New arrays that are views of one that nobody else has (what `nonzero` counts, what is picked with its axes in another
 * order), as Tensors, one of all of it as an array of its own if it `owns` (so are the pending results of `tensordot` and
 * `tile`), but an empty one; whether that was done. */
static int views_of_new(PyObject **parts, Py_ssize_t n, PyObject **made, int owns) {
    PyObject *base = n > 0 && PyArray_CheckExact(parts[0]) ? PyArray_BASE((PyArrayObject *)parts[0]) : NULL;
    PyArrayObject *whole = (PyArrayObject *)base;
    if (base == NULL || !PyArray_CheckExact(base) || Py_REFCNT(base) != n || PyArray_BASE(whole) != NULL
        || !PyArray_CHKFLAGS(whole, NPY_ARRAY_OWNDATA | NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_WRITEABLE)
        || PyArray_NDIM(whole) == 0 || PyDataType_REFCHK(PyArray_DESCR(whole)))
        return 0;
    for (Py_ssize_t i = 0; i < n; i++)
        if (!PyArray_CheckExact(parts[i]) || PyArray_BASE((PyArrayObject *)parts[i]) != base || Py_REFCNT(parts[i]) != 1
            || PyArray_NDIM((PyArrayObject *)parts[i]) == 0
            || (PyArray_SIZE((PyArrayObject *)parts[i]) == 0) != (PyArray_SIZE(whole) == 0)
            || !PyArray_ISWRITEABLE((PyArrayObject *)parts[i])
            || PyArray_DESCR((PyArrayObject *)parts[i]) != PyArray_DESCR(whole))
            return 0;
    PyArrayObject *first = (PyArrayObject *)parts[0];
    int all = owns && n == 1 && PyArray_SIZE(whole) && PyArray_IS_C_CONTIGUOUS(first) && PyArray_ISWRITEABLE(first)
        && PyArray_NBYTES(first) == PyArray_NBYTES(whole);
    PyArrayObject *laid = all ? first : whole;
    PyObject *shape = PyArray_IntTupleFromIntp(PyArray_NDIM(laid), PyArray_DIMS(laid));
    PyObject *strides = shape == NULL ? NULL : strides_of(laid);
    if (all) {
        made[0] = strides == NULL ? NULL : tensor_over(parts[0], shape, strides);
        Py_XDECREF(shape);
        Py_XDECREF(strides);
        return made[0] != NULL;
    }
    PyObject *root = strides == NULL ? NULL : tensor_over(base, shape, strides);
    Py_ssize_t i = 0;
    while (root != NULL && i < n && (made[i] = view_given(root, root, whole, parts[i])) != NULL)
        i++;
    Py_XDECREF(shape);
    Py_XDECREF(strides);
    Py_XDECREF(root);
    if (i == n)
        return 1;
    while (i--)
        Py_CLEAR(made[i]);
    return 0;
}

/* A new array of NumPy's, or a view of one (`views_of_new`), as a Tensor; NULL without an error where it is not so
 * simple. */
PyObject *wrapped_view(PyObject *result, int owns) {
    PyObject *made = wrapped(result);
    if (made == NULL && !PyErr_Occurred())
        views_of_new(&result, 1, &made, owns);
    return made;
}

/* Each array of a new tuple as a Tensor of its own, and what is no array as it is; NULL without an error where they are
 * not so simple. */
static PyObject *all_wrapped(PyObject *result) {
    Py_ssize_t n = PyTuple_GET_SIZE(result);
    PyObject *made = PyTuple_New(n);
    if (made != NULL && views_of_new(((PyTupleObject *)result)->ob_item, n, ((PyTupleObject *)made)->ob_item, 0))
        return made;
    for (Py_ssize_t i = 0; made != NULL && i < n; i++) {
        PyObject *part = PyTuple_GET_ITEM(result, i), *own = NULL;
        if (PyArray_CheckExact(part))
            own = wrapped_view(part, 0);
        else if (is_atom(part))
            own = Py_NewRef(part);
        if (own == NULL)
            Py_CLEAR(made);
        else
            PyTuple_SET_ITEM(made, i, own);
    }
    return made;
}

/* Whether an array may hold objects that are what was lent: all but numbers, texts and the like may. */
static int may_hold_lent(PyArrayObject *array) {
    if (!PyDataType_REFCHK(PyArray_DESCR(array)))
        return 0;
    if (PyArray_TYPE(array) != NPY_OBJECT || !PyArray_ISCARRAY(array))
        return 1;
    PyObject **objects = PyArray_DATA(array);
    for (npy_intp i = 0; i < PyArray_SIZE(array); i++)
        if (objects[i] != NULL && !is_atom(objects[i]) && !PyArray_IsScalar(objects[i], Generic))
            return 1;
    return 0;
}

/* What the user gets for a result of a call with these arguments, which it takes over; NULL without an error where Python
 * has to make the call again, since an array holds objects that may be what was lent. */
static PyObject *given_back(Method *method, int lazily, PyObject *result, PyObject *const *given, PyObject **arrays,
                            Py_ssize_t count) {
    if (PyArray_CheckExact(result) && may_hold_lent((PyArrayObject *)result)) {
        Py_DECREF(result);
        return NULL;
    }
    if (PyArray_CheckExact(result) || PyTuple_CheckExact(result)) {
        PyObject *made = PyTuple_CheckExact(result) ? all_wrapped(result) : wrapped_view(result, 1);
        if (made != NULL || PyErr_Occurred()) {
            Py_DECREF(result);
            return made;
        }
    } else if (lazily && PyArray_IsScalar(result, Generic)) {
        Py_SETREF(result, scalar_of(result));
        return result;
    } else if (method->swapped & AS_THEY_ARE || PyArray_IsScalar(result, Generic) || is_atom(result))
        return result;
    PyObject *own = PyTuple_New(count), *real = PyTuple_New(count), *made = NULL;
    if (own != NULL && real != NULL) {
        for (Py_ssize_t i = 0; i < count; i++) {
            PyTuple_SET_ITEM(own, i, Py_NewRef(given[i]));
            PyTuple_SET_ITEM(real, i, Py_NewRef(arrays[i]));
        }
        PyObject *args[3] = {result, own, real};
        made = PyObject_Vectorcall(returned, args, 3, NULL);
    }
    Py_XDECREF(own);
    Py_XDECREF(real);
    Py_DECREF(result);
    return made;
}

/* Whether the innermost frame is not of lazytensor: its line is the one that warnings are to name. */
int is_users_line(void) {
    PyFrameObject *frame = PyEval_GetFrame();
    if (frame == NULL)
        return 0;
    PyObject *out = outside((PyObject *)frame);
    Py_DECREF(out);
    return out == (PyObject *)frame;
}

/* What stands for all arguments; whether all do. */
static int all_lent(Lent *l, PyObject *const *args, Py_ssize_t count, PyObject **arrays) {
    for (Py_ssize_t i = 0; i < count; i++)
        if ((arrays[i] = lent(l, args[i], 2)) == NULL)
            return 0;
    return 1;
}

/* Whether no argument by keyword is one that Python has to look at. */
static int all_taken(PyObject *names) {
    for (Py_ssize_t i = 0; names != NULL && i < PyTuple_GET_SIZE(names); i++)
        if (is_refused(PyTuple_GET_ITEM(names, i)))
            return 0;
    return 1;
}

/* ``fn(*args)`` for arrays that need not be small, from a line whose calls run at once: of any size where no kernel takes
 * the function in. 1: done, `result` NULL for an error;
 * 0: it is to be written, perhaps with an error set. */
int call_middling(Method *method, PyObject *fn, PyObject *const *args, Py_ssize_t count, PyObject *names, PyObject **result) {
    Py_ssize_t all = count + (names == NULL ? 0 : PyTuple_GET_SIZE(names));
    Py_ssize_t most = small_bytes();
    PyObject *arrays[MOST];
    Lent l = {.small = MIDDLING, .deepest = NEAR};
    if (most == 0 || most >= MIDDLING || all > MOST || held_up == Py_True || !all_taken(names))
        return 0;
    if (!calls_at_once(&l.large)) {   /* what no kernel takes in costs less at once than to be written down, if all is there */
        if (method->swapped & (TAKEN_IN | IF_STEADY) || Py_TYPE(method) != &Direct_Type || !lines_may_run_at_once())
            return 0;
        l.deepest = 0;
    }
    if (most_awaited() > most)   /* a young process: as operators do, and large ones wait for plans, which pay at once */
        l.small = method->swapped & TAKEN_IN ? most_awaited() : MIDDLING;
    else
        l.large = (l.large || !(method->swapped & IF_STEADY)) && Py_TYPE(method) == &Direct_Type;
    int done = all_lent(&l, args, all, arrays) && l.count;
    if (done) {
        long long began = work_begins();
        *result = fn == matrix_operator && all == 2 ? product_at_once(arrays) : NULL;
        if (*result == NULL && !PyErr_Occurred())
            *result = PyObject_Vectorcall(fn, arrays, count, names);
        note_work(began);
        if (*result != NULL)
            *result = given_back(method, 1, *result, args, arrays, all);
        done = *result != NULL || PyErr_Occurred();
    }
    forget(&l);
    return done;
}

/* The function that a method calls, a new reference: for a ufunc's methods that of NumPy's ufunc, the first argument's, if
 * it is one of arrays of numbers. NULL without an error where Python has to look. */
static PyObject *function_of(Method *method, PyObject *first) {
    static PyObject *name;
    if (!(method->swapped & OF_UFUNC))
        return Py_NewRef(method->fn);
    if (name == NULL && (name = PyUnicode_InternFromString("_real")) == NULL)
        return NULL;
    PyObject *real = PyObject_GetAttr(first, name);
    PyObject *found = is_elementwise(real, 2) ? PyObject_GetAttr(real, method->fn) : NULL;
    Py_XDECREF(real);
    if (found == NULL)
        PyErr_Clear();
    return found;
}

static PyObject *direct_read(Method *method, PyObject *fn, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    Py_ssize_t all = count + (names == NULL ? 0 : PyTuple_GET_SIZE(names));
    int small = method->swapped & SMALL_ONLY, steady = method->swapped & IF_STEADY, done = 0;
    int may = !(method->swapped & (IF_STEADY | TAKEN_IN)) || may_run_at_once();
    Lent l = {.small = small ? small_bytes() : -1,
              .deepest = method->swapped & REALIZED_ONLY ? 0 : small ? 1 : PY_SSIZE_T_MAX};
    PyObject *arrays[MOST], *result = NULL;
    if (l.small == 0)
        return NULL;
    done = all_lent(&l, args, all, arrays);
    if (done && l.count == 0)   /* nothing is ours, and nothing waits */
        done = method->swapped & OF_NUMBERS || (all > 0 && are_plain_numbers(args, all)), steady = 0;
    else
        done = done && (!steady || (may && runs_at_once()));
    if (done) {
        long long began = work_begins();
        result = PyObject_Vectorcall(fn, arrays, count, names);
        note_work(began);
        if (result != NULL)
            result = given_back(method, steady, result, args, arrays, all);
    } else if (!PyErr_Occurred() && small && may)
        call_middling(method, fn, args, count, names, &result);
    forget(&l);
    return result;
}

/* ``fn(self, *args)``, which writes to the memory of `self` and gives None. Arguments that are views of that memory hold it,
 * so that Python has to look. */
static PyObject *direct_write(Method *method, PyObject *fn, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    Py_ssize_t all = count + (names == NULL ? 0 : PyTuple_GET_SIZE(names));
    Lent l = {.small = PY_SSIZE_T_MAX, .deepest = PY_SSIZE_T_MAX};
    Py_ssize_t most;
    PyObject *arrays[MOST + 1], *result = NULL, *lock = NULL;
    if (small_bytes() == 0 || count < 1 || Py_TYPE(args[0]) != tensor_type
        || (method->swapped & IF_STEADY && !writes_steadily(args[0], &most)))
        return NULL;
    if (all_lent(&l, args + 1, all - 1, arrays + 1)
        && (arrays[0] = memory_locked(args[0], PY_SSIZE_T_MAX, 1, &lock)) != NULL) {
        result = PyObject_Vectorcall(fn, arrays, count, names);
        Py_DECREF(arrays[0]);
        if (unlocked(lock) < 0)
            Py_CLEAR(result);
    }
    forget(&l);
    return result;
}

/* ``ufunc(*operands)``, the ufunc NumPy's and of several results: at once as calls of functions are, else NULL without an
 * error. */
PyObject *several_at_once(PyObject *ufunc, PyObject *const *operands, Py_ssize_t count) {
    static Method calls = {PyObject_HEAD_INIT(&Direct_Type) .swapped = SMALL_ONLY};
    if (count > MOST || held_up == Py_True || watched() || !is_users_line())
        return NULL;
    return direct_read(&calls, ufunc, operands, count, NULL);
}

PyObject *direct_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names) {
    Method *method = (Method *)self;
    Py_ssize_t count = PyVectorcall_NARGS(nargsf), all = count + (names == NULL ? 0 : PyTuple_GET_SIZE(names));
    int first = method->swapped & OF_UFUNC ? 1 : 0;
    PyObject *result = NULL;
    if (count > first && all - first <= MOST && count - first <= PyLong_AsLong(method->op) && held_up != Py_True
        && !watched() && is_users_line() && all_taken(names) && !(names != NULL && method->swapped & NO_NAMES)) {
        PyObject *fn = function_of(method, args[0]);
        if (fn != NULL && method->swapped & VIEWS)
            result = views_given(fn, args, count, names);
        else if (fn != NULL)
            result = (method->swapped & WRITES ? direct_write : direct_read)(method, fn, args + first, count - first, names);
        Py_XDECREF(fn);
    }
    return or_slow(result, method, args, nargsf, names);
}

/* ---- draws ------------------------------------------------------------------------------------------------------------ */

enum { OF_GENERATOR = 1 };   /* Method.swapped: the first argument is the generator, which NumPy gets as it is */

/* Whether an argument of a draw is a plain one: in a list there may be nothing but numbers, so that no result holds what was
 * lent, for a draw is not to be made again. */
static int is_plain_in_draw(PyObject *x) {
    if (!PyTuple_CheckExact(x) && !PyList_CheckExact(x))
        return 1;
    for (Py_ssize_t i = 0; i < Py_SIZE(x); i++)
        if (!PyLong_CheckExact(PySequence_Fast_GET_ITEM(x, i)) && !PyFloat_CheckExact(PySequence_Fast_GET_ITEM(x, i)))
            return 0;
    return 1;
}

/* NULL without an error where Python has to do it, and nothing has been drawn. */
static PyObject *drawn(Method *method, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    Py_ssize_t all = count + (names == NULL ? 0 : PyTuple_GET_SIZE(names)), first = method->swapped & OF_GENERATOR;
    Lent l = {.small = -1, .deepest = PY_SSIZE_T_MAX};
    PyObject *arrays[MOST], *result = NULL;
    if (count < first || all > MOST || count > PyLong_AsLong(method->op) || held_up == Py_True || watched()
        || !is_users_line() || !all_taken(names))
        return NULL;
    for (Py_ssize_t i = first; i < all; i++)
        if (!is_plain_in_draw(args[i]))
            return NULL;
    if (first)
        arrays[0] = args[0];
    if (all_lent(&l, args + first, all - first, arrays + first)) {
        result = PyObject_Vectorcall(method->fn, arrays, count, names);
        PyObject *made = result != NULL && PyArray_CheckExact(result) ? wrapped(result) : NULL;
        if (made != NULL)
            Py_SETREF(result, made);
        else if (PyErr_Occurred())
            Py_CLEAR(result);
        else if (!PyArray_IsScalar(result, Generic) && !is_atom(result)) {
            PyObject *given[3] = {result, empty_tuple, empty_tuple};
            Py_SETREF(result, PyObject_Vectorcall(returned, given, 3, NULL));
        }
    }
    forget(&l);
    return result;
}

/* A method of a generator (api/random.py), or a function of numpy.random. NumPy's own methods ask others of the generator, as
 * `choice` does for integers: these are NumPy's then. */
PyObject *drawer_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names) {
    static _Thread_local PyObject *drawing;   /* of which generator a method is running in this thread, borrowed */
    Method *method = (Method *)self;
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    PyObject *outer = drawing, *own = method->swapped & OF_GENERATOR && count > 0 ? args[0] : NULL;
    if (own != NULL && own == outer)
        return PyObject_Vectorcall(method->fn, args, nargsf, names);
    drawing = own;
    PyObject *result = or_slow(drawn(method, args, count, names), method, args, nargsf, names);
    drawing = outer;
    return result;
}
