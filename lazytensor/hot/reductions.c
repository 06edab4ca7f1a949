/* Reductions as methods (api/reductions.py) with arguments that were seen before. */
#include "hot.h"

/* Whether an argument is what it is equal to: True is no axis 1, and an array no number. */
static int is_plain(PyObject *x) {
    if (x == Py_None || PyLong_CheckExact(x) || PyBool_Check(x) || PyType_CheckExact(x))
        return 1;
    if (!PyTuple_CheckExact(x))
        return 0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(x); i++)
        if (!PyLong_CheckExact(PyTuple_GET_ITEM(x, i)))
            return 0;
    return 1;
}

enum { MOST = 6 };

/* (dtype, its number, shape, strides, names, *values, *their types), as `reductions.key_of` makes it; NULL without an
 * error where there is none. */
static PyObject *key_of(PyObject *value, PyObject *const *args, Py_ssize_t given, PyObject *names) {
    int node = Py_TYPE(value) == node_type;
    Py_ssize_t count = given + (names == NULL ? 0 : PyTuple_GET_SIZE(names));
    if ((!node && Py_TYPE(value) != view_type) || count > MOST)
        return NULL;
    for (Py_ssize_t i = 0; i < count; i++)
        if (!is_plain(args[i]))
            return NULL;
    PyObject *dtype = slot_or_none(value, node ? N.dtype : V.dtype);
    PyObject *key = PyTuple_New(5 + 2 * count), *number = PyLong_FromLong(((PyArray_Descr *)dtype)->type_num);
    if (key == NULL || number == NULL) {
        Py_XDECREF(key);
        Py_XDECREF(number);
        return NULL;
    }
    PyTuple_SET_ITEM(key, 0, Py_NewRef(dtype));
    PyTuple_SET_ITEM(key, 1, number);
    PyTuple_SET_ITEM(key, 2, Py_NewRef(slot_or_none(value, node ? N.shape : V.shape)));
    PyTuple_SET_ITEM(key, 3, Py_NewRef(slot_or_none(value, node ? N.strides : V.strides)));
    PyTuple_SET_ITEM(key, 4, Py_NewRef(names == NULL ? empty_tuple : names));
    for (Py_ssize_t i = 0; i < count; i++) {
        PyTuple_SET_ITEM(key, 5 + i, Py_NewRef(args[i]));
        PyTuple_SET_ITEM(key, 5 + count + i, Py_NewRef((PyObject *)Py_TYPE(args[i])));
    }
    return key;
}

/* The result of the reduction `found`: (attrs, shape, dtype, strides). */
static PyObject *reduced(Method *method, PyObject *self, PyObject *found) {
    PyObject *shape = PyTuple_GET_ITEM(found, 1), *dtype = PyTuple_GET_ITEM(found, 2), *result = NULL;
    PyTypeObject *type = tensor_type;
    if (PyTuple_GET_SIZE(shape) == 0) {
        type = (PyTypeObject *)PyDict_GetItemWithError(scalar_classes, (PyObject *)((PyArray_Descr *)dtype)->typeobj);
        if (type == NULL)
            return NULL;
    }
    PyObject *input = node_of(self), *inputs = input == NULL ? NULL : PyTuple_Pack(1, input);
    Py_XDECREF(input);
    if (inputs == NULL)
        return NULL;
    result = written_here(method->op, inputs, PyTuple_GET_ITEM(found, 0), shape, dtype, PyTuple_GET_ITEM(found, 3), type);
    Py_DECREF(inputs);
    return result;
}

PyObject *reducer_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names) {
    Method *method = (Method *)self;
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    PyObject *result = NULL, *found = NULL;
    if (count > 0 && Py_TYPE(args[0]) == tensor_type) {
        PyObject *key = key_of(slot_or_none(args[0], T._value), args + 1, count - 1, names);
        if (key != NULL)
            found = PyDict_GetItemWithError(method->fast, key);
        Py_XINCREF(found);
        Py_XDECREF(key);
        if (found != NULL && !reduce_at_once(slot_or_none(method->op, O.fn), args, count, names, &result))
            result = reduced(method, args[0], found);
        else if (found == NULL && names != NULL && !PyErr_Occurred())   /* `initial`, `where` */
            call_middling(method, slot_or_none(method->op, O.fn), args, count, names, &result);
        Py_XDECREF(found);
    }
    return or_slow(result, method, args, nargsf, names);
}
