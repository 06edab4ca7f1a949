/* The hot paths of api/operators.py and of plain ufunc calls in C: which dtype an operation gives, and the operation written
 * down. */
#include "hot.h"
#include <math.h>

/* ---- dtypes ----------------------------------------------------------------------------------------------------------- */

/* What a table of dtypes (`UfuncRecord.fast`) has for a number, or for a kind that is no int; borrowed. Tables only grow: what
 * was found lately is kept by its address, with them. */
static PyObject *looked_up(PyObject *table, int number, PyObject *kind) {
    enum { FOUND = 512 };
    static struct { PyObject *table, *found; size_t key; } known[FOUND];
    size_t key = kind == NULL ? 2 * (size_t)number + 1 : (size_t)kind;
    size_t at = (((size_t)table >> 4) * 31 + key) * 0x9E3779B97F4A7C15ull >> 55;
    if (known[at].table == table && known[at].key == key)
        return known[at].found;
    PyObject *object = kind == NULL ? PyLong_FromLong(number) : Py_NewRef(kind);
    PyObject *found = object == NULL ? NULL : PyDict_GetItemWithError(table, object);
    Py_XDECREF(object);
    if (found != NULL) {
        PyObject *before = known[at].table, *gave = known[at].found;
        known[at].table = Py_NewRef(table);
        known[at].found = Py_NewRef(found);
        known[at].key = key;
        Py_XDECREF(before);
        Py_XDECREF(gave);
    }
    return found;
}

/* What a table has for a dtype; nothing for those of another byte order: a result may take it from a temporary. */
PyObject *by_number(PyObject *table, PyObject *dtype) {
    int native = PyArray_ISNBO(((PyArray_Descr *)dtype)->byteorder);
    return native ? looked_up(table, ((PyArray_Descr *)dtype)->type_num, NULL) : NULL;
}

/* What it has for what stands for a number: a type, or the number of a dtype. */
static PyObject *by_kind(PyObject *table, PyObject *kind) {
    return PyLong_CheckExact(kind) ? looked_up(table, (int)ssize_of(kind), NULL) : looked_up(table, 0, kind);
}

/* Whether a number stays finite in that dtype, or may at least (build._grows_infinite): if not, NumPy warns of the cast,
 * not in the operation. */
static int stays_finite(double x, int number) {
    double most = number == NPY_HALF ? 65520 : number == NPY_FLOAT || number == NPY_CFLOAT ? 0x1.ffffffp127 : INFINITY;
    return fabs(x) < most || !isfinite(x);
}

/* What stands for the second operand of a binary operation in `fast`, borrowed; NULL if Python has to look. Every
 * floating dtype holds ints of less than 16 bits. */
static PyObject *kind_of_number(PyObject *x, PyObject *dtype) {
    if (PyFloat_CheckExact(x))
        return stays_finite(PyFloat_AS_DOUBLE(x), ((PyArray_Descr *)dtype)->type_num) ? (PyObject *)Py_TYPE(x) : NULL;
    if (PyComplex_CheckExact(x)) {
        Py_complex value = PyComplex_AsCComplex(x);
        int number = ((PyArray_Descr *)dtype)->type_num;
        return stays_finite(value.real, number) && stays_finite(value.imag, number) ? (PyObject *)Py_TYPE(x) : NULL;
    }
    if (PyBool_Check(x))
        return (PyObject *)Py_TYPE(x);
    if (PyLong_CheckExact(x)) {
        int overflow;
        long value = PyLong_AsLongAndOverflow(x, &overflow);
        if (overflow)
            return NULL;
        int number = ((PyArray_Descr *)dtype)->type_num;
        if ((PyTypeNum_ISFLOAT(number) || PyTypeNum_ISCOMPLEX(number)) && value > -(1 << 15) && value < 1 << 15)
            return value < 0 ? negative_kind : (PyObject *)&PyLong_Type;
        long most = 127, least = -128;  /* what any dtype holds, if it is signed */
        if (PyTypeNum_ISSIGNED(number) && PyTypeNum_ISINTEGER(number)) {
            most = LONG_MAX >> (64 - 8 * (int)PyDataType_ELSIZE((PyArray_Descr *)dtype));
            least = -most - 1;
        } else if (PyTypeNum_ISUNSIGNED(number))
            most = (int)PyDataType_ELSIZE((PyArray_Descr *)dtype) == 8
                ? LONG_MAX : (1L << 8 * (int)PyDataType_ELSIZE((PyArray_Descr *)dtype)) - 1;
        return value >= 0 && value <= most ? (PyObject *)&PyLong_Type : value < 0 && value >= least ? negative_kind
                                                                                                   : NULL;
    }
    return NULL;
}

/* The same for one of NumPy's scalars too, a new reference: the number of its dtype. */
static PyObject *kind_of_scalar(PyObject *x, PyObject *dtype) {
    if (is_pythons_number(x) || PyType_HasFeature(Py_TYPE(x), Py_TPFLAGS_HEAPTYPE) || !(PyArray_IsScalar(x, Number) || PyArray_IsScalar(x, Bool)))
        return Py_XNewRef(kind_of_number(x, dtype));
    PyArray_Descr *own = PyArray_DescrFromScalar(x);
    int number = own == NULL ? NPY_VOID : own->type_num;
    Py_XDECREF(own);
    return PyTypeNum_ISNUMBER(number) || PyTypeNum_ISBOOL(number) ? PyLong_FromLong(number) : NULL;
}

/* What a row of `fast` has for such a number as the second operand, borrowed. */
PyObject *by_plain(PyObject *row, PyObject *x, PyObject *dtype) {
    PyObject *kind = kind_of_scalar(x, dtype), *found = kind == NULL ? NULL : by_kind(row, kind);
    Py_XDECREF(kind);
    return found;
}

/* ---- arrays ----------------------------------------------------------------------------------------------------------- */

/* The Tensor of an operation whose result is laid out like `like`, or in C order if that is NULL; NULL without an error
 * where Python has to do it. */
static PyObject *written(Method *method, PyObject *a, PyObject *b, PyObject *like, PyObject *shape, PyObject *dtype,
                         Py_ssize_t depth, int large, int up) {
    int fresh = like == NULL || slot_or_none(like, N.strides) == Py_None;
    PyObject *strides = fresh ? Py_NewRef(Py_None) : strides_like(like, dtype);
    PyObject *node = strides == NULL ? NULL : written_node(method->op, a, b, Py_None, shape, dtype, strides, depth,
                                                            large, up);
    PyObject *result = node == NULL ? NULL : new_tensor(node);
    Py_XDECREF(strides);
    Py_XDECREF(node);
    return result;
}

/* Whether Python has to see if NumPy would write into the second operand: then it is the first one of a product, and
 * those of complex numbers are rounded otherwise (operators._turns). */
static int order_shows(Method *method, PyObject *b) {
    return Py_TYPE(b) == node_type && PyTypeNum_ISCOMPLEX(((PyArray_Descr *)slot_or_none(b, N.dtype))->type_num)
        && bytes_of(b) >= ELIDED_BYTES
        && PyUnicode_CompareWithASCIIString(slot_or_none(method->op, O.name), "multiply") == 0;
}

/* Whether two arrays are of one shape in C order, as most are: so is the result. */
static int both_fresh(PyObject *a, PyObject *b) {
    return slot_or_none(a, N.strides) == Py_None && slot_or_none(b, N.strides) == Py_None
        && same_shape(slot_or_none(a, N.shape), slot_or_none(b, N.shape));
}

/* The result of a binary operation; NULL without an error where Python has to do it. */
PyObject *quick_binary(Method *method, PyObject *left, PyObject *right, int up) {
    PyObject *a = NULL, *b = NULL, *result = NULL, *row, *dtype = NULL, *shape, *like = NULL;
    if (Py_TYPE(left) != tensor_type || (a = node_of(left)) == NULL)
        return NULL;
    shape = Py_NewRef(slot_or_none(a, N.shape));
    row = by_number(method->fast, slot_or_none(a, N.dtype));
    if (row == NULL || PyTuple_GET_SIZE(shape) == 0)
        goto end;
    Py_ssize_t depth = depth_of(a);
    int large = depth == 0 && is_large_memory(a);
    if (Py_TYPE(right) == tensor_type) {
        if ((b = node_of(right)) == NULL)
            goto end;
        if (both_fresh(a, b))
            like = NULL;
        else if (same_layout(a, b))
            like = a;
        else {
            Py_SETREF(shape, c_ordered_shape(a, b));
            if (shape == NULL)
                goto end;
        }
        Py_ssize_t other = depth_of(b);
        large = large || (other == 0 && is_large_memory(b));
        depth = other > depth ? other : depth;
        dtype = by_number(row, slot_or_none(b, N.dtype));
    } else if ((b = Py_XNewRef(scalar_node(right))) != NULL) {
        like = a;
        Py_ssize_t other = depth_of(b);
        depth = other > depth ? other : depth;
        dtype = by_number(row, slot_or_none(b, N.dtype));
    } else {
        b = Py_NewRef(right);
        like = a;
        dtype = by_plain(row, right, slot_or_none(a, N.dtype));
    }
    if (dtype != NULL && dtype != Py_None && !order_shows(method, b))
        result = written(method, a, b, like, shape, dtype, depth, large, up);
end:
    Py_XDECREF(shape);
    Py_XDECREF(a);
    Py_XDECREF(b);
    return result;
}

PyObject *quick_unary(Method *method, PyObject *operand, int up) {
    PyObject *a, *result = NULL, *dtype;
    if (Py_TYPE(operand) != tensor_type || (a = node_of(operand)) == NULL)
        return NULL;
    if (PyTuple_GET_SIZE(slot_or_none(a, N.shape))) {
        dtype = by_number(method->fast, slot_or_none(a, N.dtype));
        Py_ssize_t depth = depth_of(a);
        if (dtype != NULL)
            result = written(method, a, NULL, a, slot_or_none(a, N.shape), dtype, depth, depth == 0 && is_large_memory(a), up);
    }
    Py_DECREF(a);
    return result;
}

/* ``left <op> self`` with a number, a NumPy scalar or a lazy one on the left; NULL without an error where Python has to do
 * it. */
PyObject *quick_reflected(Method *method, PyObject *self, PyObject *left) {
    PyObject *node, *result = NULL, *row, *dtype = NULL, *scalar = scalar_node(left);
    if (Py_TYPE(self) != tensor_type || (node = node_of(self)) == NULL)
        return NULL;
    row = by_number(method->fast, slot_or_none(node, N.dtype));
    if (row != NULL && PyTuple_GET_SIZE(slot_or_none(node, N.shape)))
        dtype = scalar != NULL ? by_number(row, slot_or_none(scalar, N.dtype)) : by_plain(row, left, slot_or_none(node, N.dtype));
    if (dtype != NULL) {
        Py_ssize_t depth = depth_of(node), other = scalar == NULL ? 0 : depth_of(scalar);
        result = written(method, scalar == NULL ? left : scalar, node, node, slot_or_none(node, N.shape), dtype,
                         other > depth ? other : depth, depth == 0 && is_large_memory(node), 0);
    }
    Py_DECREF(node);
    return result;
}

/* Which of square, reciprocal and square root NumPy computes for a power of floats with that exponent
 * (operators._fast_power); -1 for none. */
int special_power(PyObject *exponent) {
    int overflow = 0;
    if (PyFloat_CheckExact(exponent))
        return PyFloat_AS_DOUBLE(exponent) == 0.5 ? 2 : -1;
    long n = PyLong_CheckExact(exponent) ? PyLong_AsLongAndOverflow(exponent, &overflow) : 0;
    return n == 2 ? 0 : n == -1 && !overflow ? 1 : -1;
}

/* ``self ** exponent`` of floats, `fn` having the methods of those three; NULL without an error where Python has to do
 * it. */
PyObject *quick_power(Method *method, PyObject *self, PyObject *exponent) {
    PyObject *value = slot_or_none(self, T._value);
    if (Py_TYPE(self) != tensor_type || (Py_TYPE(value) != node_type && Py_TYPE(value) != view_type))
        return NULL;
    PyObject *dtype = dtype_in(value);
    int number = ((PyArray_Descr *)dtype)->type_num, special = special_power(exponent);
    if (!PyTypeNum_ISFLOAT(number) && !PyTypeNum_ISCOMPLEX(number))
        return NULL;
    if (special >= 0)
        return quick_unary((Method *)PyTuple_GET_ITEM(method->fn, special), self, 0);
    return quick_binary(method, self, exponent, 0);
}

/* ---- scalars ---------------------------------------------------------------------------------------------------------- */

/* The value of an operand that needs no run, a new reference; NULL without an error for anything else. */
static PyObject *ready_scalar(PyObject *x, PyObject *node) {
    if (node == NULL)
        return PyFloat_CheckExact(x) || PyLong_CheckExact(x) || PyArray_CheckScalar(x) ? Py_NewRef(x) : NULL;
    PyObject *value = slot_or_none(node, N.buffer);
    if (value == Py_None)
        return NULL;
    Py_INCREF(value);
    return PyArray_CheckExact(value) ? PyArray_Return((PyArrayObject *)value) : value;
}

/* NumPy's scalar arithmetic on lazy scalars and numbers (operators.scalar_operation); NULL without an error where Python
 * has to do it. */
PyObject *quick_scalar(Method *method, PyObject *self, PyObject *other) {
    PyObject *mine = scalar_node(self), *theirs = other == NULL ? NULL : scalar_node(other);
    if (mine == NULL)
        return NULL;
    int pending = slot_or_none(mine, N.buffer) == Py_None || (theirs != NULL && slot_or_none(theirs, N.buffer) == Py_None);
    if (!pending && my_watcher() == NULL) {  /* else its value is not to be seen */
        PyObject *a = ready_scalar(self, mine), *b = a == NULL || other == NULL ? NULL : ready_scalar(other, theirs);
        PyObject *operands[2] = {method->swapped ? b : a, method->swapped ? a : b}, *result = NULL;
        if (a != NULL && (other == NULL || b != NULL))
            result = PyObject_Vectorcall(method->fn, operands, other == NULL ? 1 : 2, NULL);
        Py_XDECREF(a);
        Py_XDECREF(b);
        return result;
    }
    PyObject *row = by_number(method->fast, slot_or_none(mine, N.dtype)), *found = row;
    if (row == NULL)
        return NULL;
    Py_ssize_t depth = depth_of(mine);
    if (other != NULL && theirs != NULL) {
        Py_ssize_t d = depth_of(theirs);
        depth = d > depth ? d : depth;
        found = by_number(row, slot_or_none(theirs, N.dtype));
    } else if (other != NULL)
        found = by_plain(row, other, slot_or_none(mine, N.dtype));
    if (found == NULL || !PyTuple_CheckExact(found))
        return NULL;
    PyObject *a = mine, *b = other == NULL ? NULL : theirs != NULL ? theirs : other;
    PyObject *node = written_node(PyTuple_GET_ITEM(found, 0), method->swapped ? b : a, method->swapped ? a : b, Py_None,
                                  empty_tuple, PyTuple_GET_ITEM(found, 1), Py_None, depth, 0, 1);
    if (node == NULL)
        return NULL;
    PyObject *made = new_scalar((PyTypeObject *)PyTuple_GET_ITEM(found, 2), node);
    Py_DECREF(node);
    return made;
}
