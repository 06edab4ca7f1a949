/* ``t.astype(dtype)`` of arrays in C order, from and to dtypes that were seen before (api/methods.astype). */
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

PyObject *caster_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names) {
    PyObject *result = NULL;
    if (names == NULL && PyVectorcall_NARGS(nargsf) == 2 && Py_TYPE(args[0]) == tensor_type)
        result = quick_cast((Method *)self, args[0], args[1]);
    return or_slow(result, (Method *)self, args, nargsf, names);
}
