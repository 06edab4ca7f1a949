/* ``t.astype(dtype)`` of arrays in C order, from and to dtypes that were seen before, and ``t.copy()`` (api/methods.py). */
#include "hot.h"

/* The dtype that is asked for, borrowed from the table of (dtype, its number, what is asked for); NULL without an error if
 * that is not known. */
static PyObject *known_cast(PyObject *table, PyObject *dtype, PyObject *asked) {
    PyObject *number = PyLong_FromLong(((PyArray_Descr *)dtype)->type_num);
    PyObject *key = number == NULL ? NULL : PyTuple_Pack(3, dtype, number, asked);
    PyObject *found = key == NULL ? NULL : PyDict_GetItemWithError(table, key);
    Py_XDECREF(number);
    Py_XDECREF(key);
    return found;
}

/* The pending result; NULL without an error where Python has to do it. */
static PyObject *quick_cast(Method *method, PyObject *self, PyObject *asked) {
    PyObject *node = node_of(self), *found = NULL, *result = NULL;
    if (node == NULL)
        return NULL;
    if (slot_or_none(node, N.strides) == Py_None && (PyType_CheckExact(asked) || PyUnicode_CheckExact(asked)))
        found = Py_XNewRef(known_cast(method->fast, slot_or_none(node, N.dtype), asked));
    PyObject *inputs = found == NULL ? NULL : PyTuple_Pack(1, node);
    if (inputs != NULL)
        result = written_here(method->op, inputs, empty_tuple, slot_or_none(node, N.shape), found, Py_None, tensor_type);
    Py_XDECREF(inputs);
    Py_XDECREF(found);
    Py_DECREF(node);
    return result;
}

/* The pending copy in C order; NULL without an error where Python has to do it. */
static PyObject *quick_copy(Method *method, PyObject *self) {
    PyObject *node = node_of(self), *dtype = node == NULL ? NULL : slot_or_none(node, N.dtype), *result = NULL;
    PyObject *inputs = node == NULL || PyDataType_REFCHK((PyArray_Descr *)dtype) ? NULL : PyTuple_Pack(1, node);
    if (inputs != NULL)
        result = written_here(method->op, inputs, empty_tuple, slot_or_none(node, N.shape), dtype, Py_None, tensor_type);
    Py_XDECREF(inputs);
    Py_XDECREF(node);
    return result;
}

PyObject *caster_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names) {
    PyObject *result = NULL;
    Method *method = (Method *)self;
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    if (names == NULL && count > 0 && Py_TYPE(args[0]) == tensor_type) {
        if (method->op == copy_operation)
            result = count == 1 ? quick_copy(method, args[0]) : NULL;
        else if (count == 2)
            result = quick_cast(method, args[0], args[1]);
    }
    return or_slow(result, method, args, nargsf, names);
}
