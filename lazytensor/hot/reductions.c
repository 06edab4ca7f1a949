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
    Py_ssize_t count = given + (names == NULL ? 0 : PyTuple_GET_SIZE(names));
    for (Py_ssize_t i = 0; i < count; i++)
        if (!is_plain(args[i]))
            return NULL;
    PyObject *dtype = dtype_in(value);
    PyObject *key = PyTuple_New(5 + 2 * count), *number = PyLong_FromLong(((PyArray_Descr *)dtype)->type_num);
    if (key == NULL || number == NULL) {
        Py_XDECREF(key);
        Py_XDECREF(number);
        return NULL;
    }
    PyTuple_SET_ITEM(key, 0, Py_NewRef(dtype));
    PyTuple_SET_ITEM(key, 1, number);
    PyTuple_SET_ITEM(key, 2, Py_NewRef(shape_in(value)));
    PyTuple_SET_ITEM(key, 3, Py_NewRef(strides_in(value)));
    PyTuple_SET_ITEM(key, 4, Py_NewRef(names == NULL ? empty_tuple : names));
    for (Py_ssize_t i = 0; i < count; i++) {
        PyTuple_SET_ITEM(key, 5 + i, Py_NewRef(args[i]));
        PyTuple_SET_ITEM(key, 5 + count + i, Py_NewRef((PyObject *)Py_TYPE(args[i])));
    }
    return key;
}

/* What reductions met lately: arguments are compared by their addresses, which the table keeps, and the array's shape and
 * strides by value, for they may be another array's. */
enum { MET = 128 };
typedef struct {
    PyObject *method, *dtype, *names, *args[MOST], *shape, *strides, *found;
    Py_ssize_t count;
} Met;
static Met met[MET];

static Met *place_of(PyObject *method, PyObject *dtype, PyObject *const *args, Py_ssize_t count) {
    size_t print = (size_t)method >> 4 ^ (size_t)dtype >> 5;
    for (Py_ssize_t i = 0; i < count; i++)
        print = print * 31 + ((size_t)args[i] >> 4);
    return &met[print * 0x9E3779B97F4A7C15ull >> 57];
}

static int is_met(const Met *m, PyObject *method, PyObject *value, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    if (m->method != method || m->names != names || m->count != count
        || m->dtype != dtype_in(value) || memcmp(m->args, args, count * sizeof *args))
        return 0;
    return same_shape(m->shape, shape_in(value))
        && same_strides(m->strides, strides_in(value));
}

static void meet(Met *m, PyObject *method, PyObject *value, PyObject *const *args, Py_ssize_t count, PyObject *names,
                 PyObject *found) {
    Met before = *m;
    *m = (Met){Py_NewRef(method), Py_NewRef(dtype_in(value)), Py_XNewRef(names), {NULL},
               Py_NewRef(shape_in(value)),
               Py_NewRef(strides_in(value)), Py_NewRef(found), count};
    for (Py_ssize_t i = 0; i < count; i++)
        m->args[i] = Py_NewRef(args[i]);
    PyObject *owned[6] = {before.method, before.dtype, before.names, before.shape, before.strides, before.found};
    for (int i = 0; i < 6; i++)
        Py_XDECREF(owned[i]);
    for (int i = 0; i < MOST; i++)
        Py_XDECREF(before.args[i]);
}

/* What the result is like, a new reference; NULL with or without an error where that is not known. */
static PyObject *known_result(Method *method, PyObject *value, PyObject *const *args, Py_ssize_t given, PyObject *names) {
    int node = Py_TYPE(value) == node_type;
    Py_ssize_t count = given + (names == NULL ? 0 : PyTuple_GET_SIZE(names));
    if ((!node && Py_TYPE(value) != view_type) || count > MOST)
        return NULL;
    Met *m = place_of((PyObject *)method, dtype_in(value), args, count);
    if (is_met(m, (PyObject *)method, value, args, count, names))
        return Py_NewRef(m->found);
    PyObject *key = key_of(value, args, given, names);
    PyObject *found = key == NULL ? NULL : Py_XNewRef(PyDict_GetItemWithError(method->fast, key));
    Py_XDECREF(key);
    if (found != NULL)
        meet(m, (PyObject *)method, value, args, count, names, found);
    return found;
}

/* The result of the reduction `found`: (attrs, shape, dtype, strides). */
static PyObject *reduced(Method *method, PyObject *self, PyObject *found) {
    PyObject *shape = PyTuple_GET_ITEM(found, 1), *dtype = PyTuple_GET_ITEM(found, 2);
    PyTypeObject *type = tensor_type;
    if (PyTuple_GET_SIZE(shape) == 0) {
        type = (PyTypeObject *)PyDict_GetItemWithError(scalar_classes, (PyObject *)((PyArray_Descr *)dtype)->typeobj);
        if (type == NULL)
            return NULL;
    }
    PyObject *input = node_of(self), *node, *made;
    if (input == NULL)
        return NULL;
    node = written_node(method->op, input, NULL, PyTuple_GET_ITEM(found, 0), shape, dtype, PyTuple_GET_ITEM(found, 3),
                        depth_of(input), may_pin(input), 0);
    made = node == NULL ? NULL : type == tensor_type ? new_tensor(node) : new_scalar(type, node);
    Py_XDECREF(node);
    Py_DECREF(input);
    return made;
}

PyObject *reducer_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names) {
    Method *method = (Method *)self;
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    PyObject *result = NULL, *found = NULL;
    if (count > 0 && Py_TYPE(args[0]) == tensor_type) {
        found = known_result(method, slot_or_none(args[0], T._value), args + 1, count - 1, names);
        if (found != NULL && !reduce_at_once(slot_or_none(method->op, O.fn), args, count, names, &result))
            result = reduced(method, args[0], found);
        else if (found == NULL && names != NULL && !PyErr_Occurred())   /* `initial`, `where` */
            call_middling(method, slot_or_none(method->op, O.fn), args, count, names, &result);
        Py_XDECREF(found);
    }
    return or_slow(result, method, args, nargsf, names);
}
