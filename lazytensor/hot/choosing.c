/* ``where(condition, x, y)`` of arrays and numbers that were seen before (api/functions.where). */
#include "hot.h"
#include <math.h>

enum { OPERANDS = 3 };
static const double ANY_FLOAT = 65504.0;   /* functions._ANY_FLOAT */

/* What a node holds for an operand, a new reference; NULL without an error where Python has to look. */
static PyObject *operand_of(PyObject *x) {
    if (Py_TYPE(x) == tensor_type)
        return node_of(x);
    if (PyType_IsSubtype(Py_TYPE(x), scalar_type)) {
        PyObject *node = slot_or_none(x, S._node);
        return Py_TYPE(node) == node_type ? Py_NewRef(node) : NULL;
    }
    if (PyLong_CheckExact(x) || PyBool_Check(x) || (PyFloat_CheckExact(x) && fabs(PyFloat_AS_DOUBLE(x)) < ANY_FLOAT))
        return Py_NewRef(x);
    return NULL;
}

/* An operand's part of the key that `functions._pending_where` makes. */
static PyObject *kind_of(PyObject *operand) {
    if (Py_TYPE(operand) != node_type)
        return PyTuple_Pack(2, Py_TYPE(operand), PyLong_CheckExact(operand) ? operand : Py_None);
    PyObject *dtype = slot_or_none(operand, N.dtype);
    PyObject *number = PyLong_FromLong(((PyArray_Descr *)dtype)->type_num), *made = NULL;
    if (number != NULL)
        made = PyTuple_Pack(4, dtype, number, slot_or_none(operand, N.shape), slot_or_none(operand, N.strides));
    Py_XDECREF(number);
    return made;
}

/* What the result of such operands is like, (shape, dtype, strides), borrowed from the table; NULL without an error if that
 * is not known. */
static PyObject *known_result(PyObject *table, PyObject *operands) {
    PyObject *key = PyTuple_New(OPERANDS), *found = NULL;
    int failed = key == NULL;
    for (Py_ssize_t i = 0; !failed && i < OPERANDS; i++) {
        PyObject *kind = kind_of(PyTuple_GET_ITEM(operands, i));
        failed = kind == NULL;
        PyTuple_SET_ITEM(key, i, kind);
    }
    if (!failed)
        found = PyDict_GetItemWithError(table, key);
    Py_XDECREF(key);
    return found;
}

/* The pending result; NULL without an error where Python has to do it. */
static PyObject *quick_where(Method *method, PyObject *const *args) {
    PyObject *operands = PyTuple_New(OPERANDS), *result = NULL, *found = NULL;
    int plain = operands != NULL;
    for (Py_ssize_t i = 0; plain && i < OPERANDS; i++) {
        PyObject *operand = operand_of(args[i]);
        plain = operand != NULL && (i > 0 || Py_TYPE(operand) == node_type);
        PyTuple_SET_ITEM(operands, i, operand);
    }
    if (plain)
        found = Py_XNewRef(known_result(method->fast, operands));
    if (found != NULL)
        result = written_here(method->op, operands, Py_None, PyTuple_GET_ITEM(found, 0), PyTuple_GET_ITEM(found, 1),
                              PyTuple_GET_ITEM(found, 2), tensor_type);
    Py_XDECREF(found);
    Py_XDECREF(operands);
    return result;
}

PyObject *chooser_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names) {
    PyObject *result = NULL;
    if (names == NULL && PyVectorcall_NARGS(nargsf) == OPERANDS)
        result = quick_where((Method *)self, args);
    return or_slow(result, (Method *)self, args, nargsf, names);
}
