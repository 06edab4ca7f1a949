/* What a compiled call leaves in arrays that were there before: their new values, all together (hybrid/effects.commit). */
#include "hot.h"

enum { LOCKS = 64 };   /* that there are (api/handle.lock_of) */

/* The locks of the roots, each once, borrowed, in the order in which they are taken; how many. */
static int locks_of(PyObject *writes, PyObject **found) {
    int count = 0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(writes); i++) {
        PyObject *lock = lock_of(PyTuple_GET_ITEM(PyTuple_GET_ITEM(writes, i), 0));
        int at = count;
        while (at > 0 && found[at - 1] > lock)
            at--;
        if (at > 0 && found[at - 1] == lock)
            continue;
        memmove(found + at + 1, found + at, (count - at) * sizeof *found);
        found[at] = lock;
        count++;
    }
    return count;
}

/* A node of the array that is the new value of a root, whose node before that often has the same shape. */
static PyObject *leaf_of(PyObject *buffer, PyObject *strides, PyObject *before) {
    PyArrayObject *array = (PyArrayObject *)buffer;
    PyObject *shape = slot_or_none(before, N.shape);
    int same = PyTuple_GET_SIZE(shape) == PyArray_NDIM(array);
    for (int i = 0; same && i < PyArray_NDIM(array); i++)
        same = ssize_of(PyTuple_GET_ITEM(shape, i)) == PyArray_DIM(array, i);
    shape = same ? Py_NewRef(shape) : PyArray_IntTupleFromIntp(PyArray_NDIM(array), PyArray_DIMS(array));
    PyObject *node = shape == NULL ? NULL : made_node(leaf_operation, empty_tuple, Py_None, shape, (PyObject *)PyArray_DESCR(array),
                                                      strides, Py_None, 0, Py_None);
    Py_XDECREF(shape);
    if (node != NULL)
        put(node, N.buffer, buffer);
    return node;
}

/* Whether roots still have the nodes that they had before. */
static int are_unchanged(PyObject *writes) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(writes); i++) {
        PyObject *write = PyTuple_GET_ITEM(writes, i), *root = PyTuple_GET_ITEM(write, 0);
        if (slot_or_none(root, T._value) != PyTuple_GET_ITEM(write, 1) || slot_or_none(root, T._state) != Py_None)
            return 0;
    }
    return 1;
}

/* Gives them their new nodes. -1 for an error, with nothing done. */
static int give_all(PyObject *writes) {
    Py_ssize_t n = PyTuple_GET_SIZE(writes), made = 0;
    PyObject *nodes = PyTuple_New(n);
    for (; nodes != NULL && made < n; made++) {
        PyObject *write = PyTuple_GET_ITEM(writes, made), *buffer = PyTuple_GET_ITEM(write, 2);
        PyObject *node = Py_TYPE(buffer) == node_type ? Py_NewRef(buffer)
            : leaf_of(buffer, PyTuple_GET_ITEM(write, 3), PyTuple_GET_ITEM(write, 1));
        if (node == NULL)
            Py_CLEAR(nodes);
        else
            PyTuple_SET_ITEM(nodes, made, node);
    }
    for (Py_ssize_t i = 0; nodes != NULL && i < n; i++)
        put(PyTuple_GET_ITEM(PyTuple_GET_ITEM(writes, i), 0), T._value, PyTuple_GET_ITEM(nodes, i));
    Py_XDECREF(nodes);
    return nodes == NULL ? -1 : 0;
}

/* Whether it is as generated code has it: (root, node before, array or node, strides) each. */
static int is_plain_commit(PyObject *writes) {
    if (!PyTuple_CheckExact(writes))
        return 0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(writes); i++) {
        PyObject *write = PyTuple_GET_ITEM(writes, i);
        if (!PyTuple_CheckExact(write) || PyTuple_GET_SIZE(write) != 4
            || !PyType_IsSubtype(Py_TYPE(PyTuple_GET_ITEM(write, 0)), tensor_type)
            || Py_TYPE(PyTuple_GET_ITEM(write, 1)) != node_type
            || (Py_TYPE(PyTuple_GET_ITEM(write, 2)) != node_type && !PyArray_CheckExact(PyTuple_GET_ITEM(write, 2))))
            return 0;
    }
    return 1;
}

/* commit(writes): hybrid.effects.commit. */
PyObject *hot_commit(PyObject *self, PyObject *writes) {
    PyObject *found[LOCKS + 1];
    int taken = 0, done = 0;
    if (!is_plain_commit(writes)) {
        PyErr_SetString(PyExc_TypeError, "commit(((root, node before, array or node, strides), ...))");
        return NULL;
    }
    int count = locks_of(writes, found);
    for (int i = 0; i < count; i++)
        Py_INCREF(found[i]);   /* a fork makes new ones */
    while (taken < count && take_lock(found[taken]) == 0)
        taken++;
    if (taken == count)
        done = !are_unchanged(writes) ? 0 : give_all(writes) < 0 ? -1 : 1;
    else
        done = -1;
    while (taken)
        if (give_lock(found[--taken]) < 0)
            done = -1;
    for (int i = 0; i < count; i++)
        Py_DECREF(found[i]);
    return done < 0 ? NULL : PyBool_FromLong(done);
}
