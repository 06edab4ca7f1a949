/* The pending nodes that pin memory (run/pins.py), in a list that goes through the nodes themselves: a weak reference to each
 * would be an object more, made and freed for every reduction.
 */
#include "hot.h"

static Marked *first, *last;
static Py_ssize_t since;   /* bytes noted since they were last counted */

Py_ssize_t pins_since(void) {
    return since;
}

/* Notes a node that is not in the list, which `pins_forget` takes it out of when it is freed. */
void pins_note(PyObject *object, Py_ssize_t bytes) {
    Marked *node = (Marked *)object;
    since = bytes > PY_SSIZE_T_MAX - since ? PY_SSIZE_T_MAX : since + bytes;
    if (node == first || node->pin_before != NULL)
        return;
    node->pin_before = last;
    node->pin_after = NULL;
    *(last == NULL ? &first : &last->pin_after) = node;
    last = node;
}

void pins_forget(Marked *node) {
    if (node != first && node->pin_before == NULL)
        return;
    *(node->pin_before == NULL ? &first : &node->pin_before->pin_after) = node->pin_after;
    *(node->pin_after == NULL ? &last : &node->pin_after->pin_before) = node->pin_before;
    node->pin_before = node->pin_after = NULL;
}

/* note(node, nbytes): gives the bytes noted since they were last counted. */
PyObject *hot_note(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    Py_ssize_t bytes = count == 2 ? PyLong_AsSsize_t(args[1]) : -1;
    if (bytes == -1 || Py_TYPE(args[0]) != node_type) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError, "note(node, nbytes)");
        return NULL;
    }
    pins_note(args[0], bytes);
    return PyLong_FromSsize_t(since);
}

/* Whether the garbage collector has begun to empty a node. */
static int is_whole(PyObject *node) {
#define IS_THERE(name) && SLOT(node, N.name) != NULL
    return 1 NODE_SLOTS(IS_THERE);
#undef IS_THERE
}

/* Those of the nodes noted that are pending still, which stay noted. From now on bytes are counted anew. */
PyObject *hot_noted(PyObject *self, PyObject *unused) {
    PyObject *alive = PyList_New(0);
    since = 0;
    for (Marked *node = first, *next; alive != NULL && node != NULL; node = next) {
        next = node->pin_after;
        if (!is_whole((PyObject *)node) || SLOT(node, N.buffer) != Py_None)
            pins_forget(node);
        else if (PyList_Append(alive, (PyObject *)node) < 0)
            Py_CLEAR(alive);
    }
    return alive;
}
