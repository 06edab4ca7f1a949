/* Products of matrices and vectors (api/matrix.py) written down where both are of one dtype: the others are Python's. */
#include "hot.h"

/* Whether it is a vector or a matrix of numbers. */
static int is_factor(PyObject *node) {
    PyArray_Descr *dtype = (PyArray_Descr *)slot_or_none(node, N.dtype);
    Py_ssize_t n = PyTuple_GET_SIZE(slot_or_none(node, N.shape));
    return (n == 1 || n == 2) && (PyTypeNum_ISNUMBER(dtype->type_num) || PyTypeNum_ISBOOL(dtype->type_num))
        && PyArray_ISNBO(dtype->byteorder);
}

/* The shape of the product, a new reference; NULL without an error where the lengths do not fit: Python says so. */
static PyObject *shape_of_product(PyObject *left, PyObject *right) {
    Py_ssize_t n = PyTuple_GET_SIZE(left), m = PyTuple_GET_SIZE(right);
    if (ssize_of(PyTuple_GET_ITEM(left, n - 1)) != ssize_of(PyTuple_GET_ITEM(right, 0)) || n + m == 2)
        return NULL;   /* of two vectors it is a number */
    if (n + m == 4)
        return PyTuple_Pack(2, PyTuple_GET_ITEM(left, 0), PyTuple_GET_ITEM(right, 1));
    return PyTuple_Pack(1, PyTuple_GET_ITEM(n == 2 ? left : right, n == 2 ? 0 : 1));
}

/* The pending product; NULL without an error where Python has to do it. */
static PyObject *quick_product(Method *method, PyObject *left, PyObject *right) {
    PyObject *a = node_of(left), *b = a == NULL ? NULL : node_of(right), *shape = NULL, *inputs = NULL, *result = NULL;
    if (b != NULL && slot_or_none(a, N.dtype) == slot_or_none(b, N.dtype) && is_factor(a) && is_factor(b))
        shape = shape_of_product(slot_or_none(a, N.shape), slot_or_none(b, N.shape));
    if (shape != NULL && (inputs = PyTuple_Pack(2, a, b)) != NULL)
        result = written_here(method->op, inputs, Py_None, shape, slot_or_none(a, N.dtype), Py_None, tensor_type);
    Py_XDECREF(inputs);
    Py_XDECREF(shape);
    Py_XDECREF(a);
    Py_XDECREF(b);
    return result;
}

PyObject *multiplier_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names) {
    PyObject *result = NULL;
    if (names == NULL && PyVectorcall_NARGS(nargsf) == 2 && Py_TYPE(args[0]) == tensor_type
        && Py_TYPE(args[1]) == tensor_type)
        result = quick_product((Method *)self, args[0], args[1]);
    return or_slow(result, (Method *)self, args, nargsf, names);
}
