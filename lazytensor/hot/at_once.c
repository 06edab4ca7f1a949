/* Operators, ufuncs and reductions on arrays that are not large that run when they are written, from lines whose results
 * have been asked for one by one (lines.c): NumPy's operator on the arrays as they are. So its errors and warnings are
 * NumPy's, on that line.
 */
#include "hot.h"

/* The bytes of what stands for an operand. */
Py_ssize_t bytes_at_hand(PyObject *x) {
    return PyArray_Check(x) ? PyArray_NBYTES((PyArrayObject *)x) : 0;
}

/* ---- operands --------------------------------------------------------------------------------------------------------- */

static int is_plain(PyObject *array, Py_ssize_t most) {
    int number = PyArray_DESCR((PyArrayObject *)array)->type_num;
    return (PyTypeNum_ISNUMBER(number) || PyTypeNum_ISBOOL(number)) && PyArray_NBYTES((PyArrayObject *)array) <= most
        && PyArray_ISNBO(PyArray_DESCR((PyArrayObject *)array)->byteorder);
}

/* The realized root whose memory a Tensor has, itself or its view's, borrowed; NULL where Python has to look. */
PyObject *realized_root(PyObject *tensor) {
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
PyObject *waited_for(PyObject *x, Py_ssize_t most) {
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
int is_settled(PyObject *x, Py_ssize_t most) {
    PyObject *node = waited_for(x, most);
    return node != NULL && runs_now(bytes_of(node)) && compute_node(node) == 0;
}

/* The same as `at_hand`, and an operand that is pending and small is computed where the line runs at once. */
PyObject *ready(PyObject *x, Py_ssize_t most) {
    PyObject *found = at_hand(x, most);
    return found == NULL && is_settled(x, most_awaited()) ? at_hand(x, most) : found;
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
    PyObject *node = made_node(leaf_operation, empty_tuple, Py_None, empty_tuple, (PyObject *)dtype, Py_None, Py_None, 0,
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
        if (PyArray_STRIDE(array, i) != expected || ssize_of(length) != PyArray_DIM(array, i))
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
int has_failed(PyObject **result) {
    *result = NULL;
    return PyErr_Occurred() != NULL;
}

/* Whether NumPy's result does not tell if an operand is a temporary, into which it writes from 256 KB on: the result has its
 * layout then, and products of complex numbers are rounded otherwise. */
static int is_as_alone(PyObject *operand, PyObject *array) {
    if (!PyArray_CheckExact(array) || PyArray_NBYTES((PyArrayObject *)array) < ELIDED_BYTES || Py_REFCNT(operand) > 1)
        return 1;
    return PyArray_IS_C_CONTIGUOUS((PyArrayObject *)array) && !PyTypeNum_ISCOMPLEX(PyArray_TYPE((PyArrayObject *)array));
}

/* The bytes of the larger operand, or of what both make of different axes. */
static Py_ssize_t result_bytes(PyObject *a, PyObject *b) {
    Py_ssize_t one = bytes_at_hand(a), other = bytes_at_hand(b), most = one > other ? one : other;
    if (!has_axes(a) || !has_axes(b) || PyArray_SIZE((PyArrayObject *)a) == PyArray_SIZE((PyArrayObject *)b)
        || PyArray_SIZE((PyArrayObject *)a) == 1 || PyArray_SIZE((PyArrayObject *)b) == 1)
        return most;
    npy_intp size = 1;
    int n = PyArray_NDIM((PyArrayObject *)a), m = PyArray_NDIM((PyArrayObject *)b);
    for (int i = 1; i <= n || i <= m; i++) {
        npy_intp own = i > n ? 1 : PyArray_DIM((PyArrayObject *)a, n - i);
        npy_intp its = i > m ? 1 : PyArray_DIM((PyArrayObject *)b, m - i);
        if (size > MIDDLING)
            break;
        size *= own == 1 ? its : own;
    }
    size *= 8;
    return size > most ? size : most;
}

/* ``left <op> right`` by the operator of NumPy's arrays, `fn`, or the comparison `which` where that is NULL. 1: done, `result`
 * NULL for an error; 0: it is to be written. */
static int pair_at_once(binaryfunc fn, int which, PyObject *left, PyObject *right, PyObject **result) {
    if (!may_run_at_once())
        return 0;
    if ((*result = few_by_operator(fn, which, left, right)) != NULL || PyErr_Occurred())
        return 1;
    Py_ssize_t most = most_bytes();
    PyObject *a = ready(left, most), *b = a == NULL ? NULL : ready(right, most);
    int now = b != NULL && (has_axes(a) || (fn != NULL && has_axes(b))) && is_as_alone(left, a) && is_as_alone(right, b);
    if (now && (now = runs_now(result_bytes(a, b)))) {
        long long began = work_begins();
        PyObject *found = fn != NULL ? fn(a, b) : PyArray_Type.tp_richcompare(a, b, which);
        note_work(began);
        *result = given_out(found, Py_TYPE(left) == tensor_type ? left : right);
        now = *result != NULL || PyErr_Occurred();
    }
    Py_XDECREF(a);
    Py_XDECREF(b);
    return now || has_failed(result);
}

int binary_at_once(binaryfunc fn, PyObject *left, PyObject *right, PyObject **result) {
    return pair_at_once(fn, 0, left, right, result);
}

int compare_at_once(PyObject *left, PyObject *right, int which, PyObject **result) {
    return pair_at_once(NULL, which, left, right, result);
}

/* ``base ** exponent``, as NumPy's operator does it. */
PyObject *raised(PyObject *base, PyObject *exponent) {
    return PyArray_Type.tp_as_number->nb_power(base, exponent, Py_None);
}

int power_at_once(PyObject *left, PyObject *right, PyObject **result) {
    return pair_at_once(raised, 0, left, right, result);
}

int unary_at_once(unaryfunc fn, PyObject *operand, PyObject **result) {
    if (!may_run_at_once())
        return 0;
    if ((*result = few_by_unary(fn, operand)) != NULL || PyErr_Occurred())
        return 1;
    PyObject *a = ready(operand, most_bytes());
    int now = a != NULL && has_axes(a) && is_as_alone(operand, a) && runs_now(bytes_at_hand(a));
    if (now) {
        long long began = work_begins();
        PyObject *found = fn(a);
        note_work(began);
        *result = given_out(found, operand);
        now = *result != NULL || PyErr_Occurred();
    }
    Py_XDECREF(a);
    return now || has_failed(result);
}

/* ---- ufuncs and reductions -------------------------------------------------------------------------------------------- */

static int has_tensor(PyObject *const *operands, Py_ssize_t count) {
    for (Py_ssize_t i = 0; i < count; i++)
        if (Py_TYPE(operands[i]) == tensor_type)
            return 1;
    return 0;
}

/* ``ufunc(*operands)``, the ufunc NumPy's. 1: done, `result` NULL for an error; 0: it is to be written. */
int call_at_once(PyObject *ufunc, PyObject *const *operands, Py_ssize_t count, PyObject **result) {
    PyObject *lent[3];
    Py_ssize_t most = most_bytes(), n = 0, bytes = 0;
    int axes = 0, arrays = 0, now = 0;
    if (count < 1 || count > 3 || (has_tensor(operands, count) && !may_run_at_once()))
        return 0;
    if (has_tensor(operands, count) && ((*result = few_by_ufunc(ufunc, operands, count)) != NULL || PyErr_Occurred()))
        return 1;
    PyObject *first = operands[0];
    while (n < count && (lent[n] = ready(operands[n], most)) != NULL) {
        if (!axes && has_axes(lent[n])) {
            axes = 1;
            first = operands[n];
        }
        Py_ssize_t own = n ? result_bytes(lent[n], lent[n - 1]) : bytes_at_hand(lent[n]);
        bytes = own > bytes ? own : bytes;
        arrays |= PyArray_Check(lent[n++]);
    }
    if (n == count && axes && runs_now(bytes)) {
        long long began = work_begins();
        PyObject *found = PyObject_Vectorcall(ufunc, lent, count, NULL);
        note_work(began);
        *result = given_out(found, first);
        now = *result != NULL || PyErr_Occurred();
    } else if (n == count && !arrays && !watched() && is_users_line()) {  /* numbers never wait */
        *result = PyObject_Vectorcall(ufunc, lent, count, NULL);
        now = 1;
    }
    while (n)
        Py_DECREF(lent[--n]);
    return now || has_failed(result);
}

/* A reduction's method of an array. 1: done, `result` NULL for an error; 0: it is to be written. */
int reduce_at_once(PyObject *fn, PyObject *const *args, Py_ssize_t count, PyObject *names, PyObject **result) {
    enum { MOST = 8 };
    PyObject *stack[MOST];
    Py_ssize_t all = count + (names == NULL ? 0 : PyTuple_GET_SIZE(names));
    int now = 0;
    if (all > MOST || !may_run_at_once())
        return 0;
    PyObject *array = ready(args[0], most_bytes());
    if (array != NULL && runs_now(bytes_at_hand(array))) {
        memcpy(stack, args, all * sizeof(PyObject *));
        stack[0] = array;
        long long began = work_begins();
        PyObject *found = PyObject_Vectorcall(fn, stack, count, names);
        note_work(began);
        *result = found == NULL ? NULL : PyArray_CheckExact(found) ? wrapped(found)
            : PyArray_IsScalar(found, Generic) ? scalar_of(found) : NULL;
        Py_XDECREF(found);
        now = *result != NULL || PyErr_Occurred();
    }
    Py_XDECREF(array);
    return now || has_failed(result);
}
