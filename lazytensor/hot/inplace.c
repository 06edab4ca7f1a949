/* ``self <op>= other`` in C (api/inplace.py): a root's node, under its lock, becomes that of an operation on its value. */
#include "hot.h"

/* The lock that is held while a root's node is swapped (api/handle.lock_of), borrowed. */
PyObject *lock_of(PyObject *root) {
    return PyList_GET_ITEM(locks, (Py_ssize_t)(((size_t)root >> 5) & 63));
}

/* Calls a method of a lock. Its name is made once: that takes longer than the lock. */
static int call_lock(PyObject *lock, PyObject **name, const char *text) {
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);  /* it may be released because of one */
    if (*name == NULL && (*name = PyUnicode_InternFromString(text)) == NULL)
        return -1;
    PyObject *result = PyObject_CallMethodNoArgs(lock, *name);
    Py_XDECREF(result);
    if (type != NULL)
        PyErr_Restore(type, error, traceback);
    return result == NULL ? -1 : 0;
}

int take_lock(PyObject *lock) {
    static PyObject *name;
    return call_lock(lock, &name, "acquire");
}

int give_lock(PyObject *lock) {
    static PyObject *name;
    return call_lock(lock, &name, "release");
}

/* The second operand of an in-place operator: its node or itself, if it is a number, in `b`, a new reference. What the table
 * `row` (UfuncRecord.fast) gives for it, borrowed; NULL without an error where Python has to look: also at what is laid out
 * in another order, and at a part of the value that is written over. */
static PyObject *in_place_operand(PyObject *a, PyObject *right, PyObject *row, PyObject **b) {
    *b = NULL;
    if (Py_TYPE(right) != tensor_type) {
        if ((*b = Py_XNewRef(scalar_node(right))) != NULL)
            return by_number(row, slot_or_none(*b, N.dtype));
        *b = Py_NewRef(right);
        return by_plain(row, right, slot_or_none(a, N.dtype));
    }
    if ((*b = node_of(right)) == NULL || (SLOT(*b, N.op) == view_operation && SLOT(*b, N.a) == a))
        return NULL;
    if (slot_or_none(*b, N.strides) != Py_None || !same_shape(slot_or_none(a, N.shape), slot_or_none(*b, N.shape))) {
        PyObject *shape = c_ordered_shape(a, *b);
        int same = shape != NULL && same_shape(shape, slot_or_none(a, N.shape));
        Py_XDECREF(shape);
        if (!same)
            return NULL;
    }
    return by_number(row, slot_or_none(*b, N.dtype));
}

/* Gives a root the node of an operation on its present value, under its lock. 1: done; 0: Python has to do it. */
static int give(Method *method, PyObject *root, PyObject *b, int twice, PyObject *capsule, PyObject **made) {
    PyObject *old = slot_or_none(root, T._value), *frame = (PyObject *)PyEval_GetFrame();
    if (Py_TYPE(old) != node_type || slot_or_none(root, T._state) != Py_None)
        return 0;
    Py_ssize_t deepest = depth_of(old), other = Py_TYPE(b) == node_type ? depth_of(b) : 0;
    PyObject *inputs = PyTuple_Pack(2, old, twice ? old : b);
    *made = inputs == NULL ? NULL
        : made_node(method->op, inputs, Py_None, slot_or_none(old, N.shape), slot_or_none(old, N.dtype), Py_None,
                    capsule, 1 + (other > deepest ? other : deepest), frame == NULL ? Py_None : frame);
    Py_XDECREF(inputs);
    if (*made == NULL)
        return -1;
    put(root, T._value, *made);
    return 1;
}

/* Gives a view's root the node of an operation into that view, under its lock (inplace.write_ufunc). 1: done; 0: Python
 * has to do it. */
static int give_part(PyObject *op, PyObject *self, PyObject *other, PyObject *capsule, PyObject **made) {
    PyObject *view = slot_or_none(self, T._value), *root = slot_or_none(view, V.root), *old = slot_or_none(root, T._value);
    PyObject *scalar = scalar_node(other), *a = node_of(self);
    PyObject *b = Py_TYPE(other) == tensor_type ? node_of(other) : Py_NewRef(scalar == NULL ? other : scalar);
    PyObject *frame = (PyObject *)PyEval_GetFrame(), *inputs = NULL, *attrs = NULL;
    int done = 0;
    if (a != NULL && b != NULL && Py_TYPE(old) == node_type) {
        Py_ssize_t deepest = depth_of(old), more = Py_TYPE(b) == node_type ? depth_of(b) : 0;
        deepest = more > deepest ? more : deepest;
        if (deepest < AT_ONCE - 1) {
            inputs = PyTuple_Pack(3, old, a, b);
            attrs = Py_BuildValue("(O(iO))", slot_or_none(view, V.steps), 0, empty_tuple);
            *made = inputs == NULL || attrs == NULL ? NULL
                : made_node(op, inputs, attrs, slot_or_none(old, N.shape), slot_or_none(old, N.dtype),
                            slot_or_none(old, N.strides), capsule, 1 + deepest, frame == NULL ? Py_None : frame);
            done = *made == NULL ? -1 : 1;
        }
    }
    if (done == 1)
        put(root, T._value, *made);
    Py_XDECREF(a);
    Py_XDECREF(b);
    Py_XDECREF(inputs);
    Py_XDECREF(attrs);
    return done;
}

/* ``self <op>= other`` where a view takes a value of its own dtype, of its shape or stretched to it, or a number; NULL
 * without an error where Python has to do it. */
static PyObject *quick_part(Method *method, PyObject *self, PyObject *other) {
    PyObject *view = slot_or_none(self, T._value), *root = slot_or_none(view, V.root), *dtype = slot_or_none(view, V.dtype);
    PyObject *row = by_number(method->fast, dtype), *found, *node = NULL, *scalar, *capsule = NULL;
    PyObject *op = PyDict_GetItemWithError(part_operations, slot_or_none(method->op, O.fn));
    if (row == NULL || op == NULL || PyTypeNum_ISCOMPLEX(((PyArray_Descr *)dtype)->type_num)
        || Py_TYPE(root) != tensor_type || slot_or_none(root, T._state) != Py_None
        || slot_or_none(view, V.writeable) != Py_True)
        return NULL;
    if (Py_TYPE(other) == tensor_type) {
        PyObject *value = slot_or_none(other, T._value);
        if ((Py_TYPE(value) != node_type && Py_TYPE(value) != view_type)
            || (!same_shape(slot_or_none(view, V.shape), shape_in(value))
                && !stretches(shape_in(value), slot_or_none(view, V.shape))))
            return NULL;
        found = by_number(row, dtype_in(value));
    } else if ((scalar = scalar_node(other)) != NULL)
        found = by_number(row, slot_or_none(scalar, N.dtype));
    else
        found = by_plain(row, other, dtype);
    if (found != dtype || found == NULL)
        return NULL;
    Py_INCREF(root);
    int done = may_be_pending(&capsule);
    if (done == 1 && tell_of_write(root) < 0)
        done = -1;
    PyObject *lock = Py_NewRef(lock_of(root));
    if (done == 1 && (done = take_lock(lock) < 0 ? -1 : 1) == 1) {
        done = give_part(op, self, other, capsule, &node);
        if (give_lock(lock) < 0)
            done = -1;
    }
    Py_DECREF(lock);
    Py_DECREF(root);
    Py_XDECREF(capsule);
    if (done == 1 && bound_node(node) < 0)
        done = -1;
    Py_XDECREF(node);
    return done == 1 ? Py_NewRef(self) : NULL;
}

/* ``self <op>= other`` where the whole of a root takes a value of its own dtype; NULL without an error where Python has
 * to do it. */
PyObject *quick_in_place(Method *method, PyObject *self, PyObject *other) {
    PyObject *a = slot_or_none(self, T._value), *b, *node = NULL, *capsule = NULL;
    if (Py_TYPE(self) == tensor_type && Py_TYPE(a) == view_type)
        return quick_part(method, self, other);
    if (Py_TYPE(self) != tensor_type || Py_TYPE(a) != node_type || slot_or_none(self, T._state) != Py_None
        || slot_or_none(a, N.strides) != Py_None || PyTuple_GET_SIZE(slot_or_none(a, N.shape)) == 0
        || PyTypeNum_ISCOMPLEX(((PyArray_Descr *)slot_or_none(a, N.dtype))->type_num))
        return NULL;
    PyObject *row = by_number(method->fast, slot_or_none(a, N.dtype));
    if (row == NULL)
        return NULL;
    PyObject *dtype = in_place_operand(a, other, row, &b);
    if (dtype == NULL || dtype != slot_or_none(a, N.dtype)) {
        Py_XDECREF(b);
        return NULL;
    }
    int is_node = Py_TYPE(b) == node_type, twice = b == a;
    int large = (depth_of(a) == 0 && is_large_memory(a))
        || (is_node && depth_of(b) == 0 && is_large_memory(b));
    int done = may_be_pending(&capsule);
    if (done == 1 && tell_of_write(self) < 0)
        done = -1;
    PyObject *lock = Py_NewRef(lock_of(self));
    if (done == 1 && (done = take_lock(lock) < 0 ? -1 : 1) == 1) {
        done = give(method, self, b, twice, capsule, &node);
        if (give_lock(lock) < 0)
            done = -1;
    }
    Py_DECREF(lock);
    Py_DECREF(b);
    Py_XDECREF(capsule);
    if (done == 1 && (large || depth_of(node) > ssize_of(slot_or_none(current, C.depth)))) {
        if (bound_node(node) < 0)
            done = -1;
    }
    Py_XDECREF(node);
    return done == 1 ? Py_NewRef(self) : NULL;
}
