/* What a Tensor says of its shape and dtype (api/attributes.py), where nobody watches the program. */
#include "hot.h"

enum { SHAPE, DTYPE, NDIM, SIZE, NBYTES, TRANSPOSED };   /* Method.swapped */

static PyObject *size_of(PyObject *shape, Py_ssize_t size) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(shape); i++)
        size *= PyLong_AsSsize_t(PyTuple_GET_ITEM(shape, i));
    return PyLong_FromSsize_t(size);
}

/* NULL without an error where Python has to do it. */
static PyObject *quick_attribute(int which, PyObject *self) {
    static PyObject *transpose;
    PyObject *value = slot_or_none(self, T._value);
    if (which == TRANSPOSED) {
        if (transpose == NULL && (transpose = PyUnicode_InternFromString("transpose")) == NULL)
            return NULL;
        return PyObject_CallMethodNoArgs(self, transpose);
    }
    if (watched() || (Py_TYPE(value) != node_type && Py_TYPE(value) != view_type))
        return NULL;
    PyObject *shape = shape_in(value), *dtype = dtype_in(value);
    switch (which) {
    case SHAPE:
        return Py_NewRef(shape);
    case DTYPE:
        return Py_NewRef(dtype);
    case NDIM:
        return PyLong_FromSsize_t(PyTuple_GET_SIZE(shape));
    case SIZE:
        return size_of(shape, 1);
    default:
        return size_of(shape, PyDataType_ELSIZE((PyArray_Descr *)dtype));
    }
}

PyObject *attribute_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names) {
    PyObject *result = NULL;
    if (names == NULL && PyVectorcall_NARGS(nargsf) == 1 && Py_TYPE(args[0]) == tensor_type)
        result = quick_attribute(((Method *)self)->swapped, args[0]);
    return or_slow(result, (Method *)self, args, nargsf, names);
}
