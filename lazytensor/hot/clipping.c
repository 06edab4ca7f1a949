/* ``clip(a, low, high)`` of arrays in C order between small numbers, for dtypes that were seen before (api/methods.clip). */
#include "hot.h"

enum { SMALL = 1 << 15 };   /* methods._SMALL */

/* Whether a bound is a small number, and one that bounds something: NumPy drops ints that do not. */
static int is_bound(PyObject *x, int number, int low, Py_ssize_t size) {
    if (PyFloat_CheckExact(x))
        return PyFloat_AS_DOUBLE(x) > -SMALL && PyFloat_AS_DOUBLE(x) < SMALL;
    if (!PyLong_CheckExact(x))
        return 0;
    int overflow;
    long value = PyLong_AsLongAndOverflow(x, &overflow);
    if (overflow || value <= -SMALL || value >= SMALL)
        return 0;
    if (!PyTypeNum_ISINTEGER(number))
        return 1;
    int without_sign = PyTypeNum_ISUNSIGNED(number);
    long most = size > 2 ? 1L << 30 : (1L << (8 * size - !without_sign)) - 1, least = without_sign ? 0 : -most - 1;
    return low ? value > least && value <= most : value < most && value >= least;
}

/* Whether clipping of that dtype between bounds of these types gives the same dtype, as far as is known. */
static int is_known(PyObject *table, int number, PyObject *low, PyObject *high) {
    PyObject *key = Py_BuildValue("(iOO)", number, Py_TYPE(low), Py_TYPE(high));
    int known = key == NULL ? -1 : PyDict_Contains(table, key);
    Py_XDECREF(key);
    return known == 1;
}

/* The pending result; NULL without an error where Python has to do it. */
static PyObject *quick_clip(Method *method, PyObject *const *args) {
    PyObject *self = args[0], *node = slot_or_none(self, T._value), *result = NULL;
    if (Py_TYPE(node) != node_type || slot_or_none(self, T._state) != Py_None || slot_or_none(node, N.strides) != Py_None
        || PyTuple_GET_SIZE(slot_or_none(node, N.shape)) == 0)
        return NULL;
    PyArray_Descr *dtype = (PyArray_Descr *)slot_or_none(node, N.dtype);
    Py_ssize_t size = PyDataType_ELSIZE(dtype);
    if (!PyArray_ISNBO(dtype->byteorder) || !is_bound(args[1], dtype->type_num, 1, size)
        || !is_bound(args[2], dtype->type_num, 0, size) || !is_known(method->fast, dtype->type_num, args[1], args[2]))
        return NULL;
    PyObject *inputs = PyTuple_Pack(3, node, args[1], args[2]);
    if (inputs != NULL)
        result = written_here(method->op, inputs, Py_None, slot_or_none(node, N.shape), (PyObject *)dtype, Py_None,
                              tensor_type);
    Py_XDECREF(inputs);
    return result;
}

PyObject *clipper_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names) {
    PyObject *result = NULL;
    if (names == NULL && PyVectorcall_NARGS(nargsf) == 3 && Py_TYPE(args[0]) == tensor_type)
        result = quick_clip((Method *)self, args);
    return or_slow(result, (Method *)self, args, nargsf, names);
}
