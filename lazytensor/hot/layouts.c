/* Shapes and layouts of elementwise results, where they need no look at more than the operands' (ir/layout.py has them all). */
#include "hot.h"

/* Whether axes of these strides, from the first to the last, each lie in the one before: an elementwise result of such
 * operands alone is C-ordered. A temporary of another order is left out, for NumPy writes into large ones. */
static int gives_c_order(PyObject *node) {
    PyObject *strides = slot_or_none(node, N.strides), *shape = slot_or_none(node, N.shape);
    if (strides == Py_None)
        return 1;
    if (SLOT(node, N.op) != view_operation)
        return 0;
    Py_ssize_t before = PY_SSIZE_T_MAX;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(strides); i++) {
        Py_ssize_t stride = ssize_of(PyTuple_GET_ITEM(strides, i));
        if (stride <= 0 || stride >= before || ssize_of(PyTuple_GET_ITEM(shape, i)) < 2)
            return 0;
        before = stride;
    }
    return 1;
}

/* The same of an operand that is stretched to the result's shape, whose axes of length 1 do not count. */
static int stretches_in_c_order(PyObject *node) {
    PyObject *strides = slot_or_none(node, N.strides), *shape = slot_or_none(node, N.shape);
    Py_ssize_t before = PY_SSIZE_T_MAX;
    for (Py_ssize_t i = 0; strides != Py_None && i < PyTuple_GET_SIZE(strides); i++) {
        Py_ssize_t stride = ssize_of(PyTuple_GET_ITEM(strides, i));
        if (ssize_of(PyTuple_GET_ITEM(shape, i)) == 1)
            continue;
        if (stride <= 0 || stride >= before)
            return 0;
        before = stride;
    }
    return 1;
}

/* Whether a shape is stretched to a larger one, that has elements. */
int stretches(PyObject *small, PyObject *large) {
    Py_ssize_t n = PyTuple_GET_SIZE(large), missing = n - PyTuple_GET_SIZE(small);
    if (missing < 0)
        return 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_ssize_t length = ssize_of(PyTuple_GET_ITEM(large, i));
        Py_ssize_t own = i < missing ? 1 : ssize_of(PyTuple_GET_ITEM(small, i - missing));
        if (length < 1 || (own != length && own != 1))
            return 0;
    }
    return 1;
}

/* The shape to which two that differ are both stretched; NULL without an error if there is none, or one that an empty or a
 * large array has. */
static PyObject *both_stretched(PyObject *x, PyObject *y) {
    Py_ssize_t m = PyTuple_GET_SIZE(x), n = PyTuple_GET_SIZE(y), most = m > n ? m : n, size = 1;
    PyObject *lengths[NPY_MAXDIMS];
    for (Py_ssize_t i = 1; i <= most; i++) {
        PyObject *p = i <= m ? PyTuple_GET_ITEM(x, m - i) : NULL, *q = i <= n ? PyTuple_GET_ITEM(y, n - i) : NULL;
        Py_ssize_t own = p == NULL ? 1 : ssize_of(p), other = q == NULL ? 1 : ssize_of(q);
        if ((own != other && own != 1 && other != 1) || own < 1 || other < 1)
            return NULL;
        lengths[most - i] = p == NULL || (own == 1 && q != NULL) ? q : p;
        size *= own == 1 ? other : own;
        if (size > 1 << 30)
            return NULL;
    }
    PyObject *shape = PyTuple_New(most);
    for (Py_ssize_t i = 0; shape != NULL && i < most; i++)
        PyTuple_SET_ITEM(shape, i, Py_NewRef(lengths[i]));
    return shape;
}

/* The shape of a result of two operands that is C-ordered, a new reference; NULL where Python has to look. */
PyObject *c_ordered_shape(PyObject *a, PyObject *b) {
    PyObject *x = slot_or_none(a, N.shape), *y = slot_or_none(b, N.shape);
    if (same_shape(x, y))
        return gives_c_order(a) && gives_c_order(b) ? Py_NewRef(x) : NULL;
    if (stretches(y, x))
        return gives_c_order(a) && stretches_in_c_order(b) ? Py_NewRef(x) : NULL;
    if (stretches(x, y))
        return gives_c_order(b) && stretches_in_c_order(a) ? Py_NewRef(y) : NULL;
    return stretches_in_c_order(a) && stretches_in_c_order(b) ? both_stretched(x, y) : NULL;
}

/* The strides of a result of operands that all have those of `like`, a new reference: None for C order, else its axes in
 * the same order (K order, where each stride is another and positive). NULL where Python has to look; without an error
 * also for what is so large that NumPy might write into it. */
PyObject *strides_like(PyObject *like, PyObject *dtype) {
    enum { MOST_AXES = 8 };
    if (gives_c_order(like))
        return Py_NewRef(Py_None);
    PyObject *strides = slot_or_none(like, N.strides), *shape = slot_or_none(like, N.shape);
    Py_ssize_t n = PyTuple_GET_SIZE(strides), size = PyDataType_ELSIZE((PyArray_Descr *)dtype), along[MOST_AXES];
    int order[MOST_AXES], sorted = 1;
    if (n > MOST_AXES || bytes_of(like) >= ELIDED_BYTES)
        return NULL;
    for (int i = 0; i < n; i++) {
        int k = i;
        along[i] = ssize_of(PyTuple_GET_ITEM(strides, i));
        if (along[i] <= 0 || ssize_of(PyTuple_GET_ITEM(shape, i)) < 2)
            return NULL;
        for (; k > 0 && along[order[k - 1]] <= along[i]; k--) {
            if (along[order[k - 1]] == along[i])
                return NULL;
            order[k] = order[k - 1];
            sorted = 0;
        }
        order[k] = i;
    }
    if (sorted)
        return Py_NewRef(Py_None);
    PyObject *made = PyTuple_New(n);
    for (Py_ssize_t i = n - 1; made != NULL && i >= 0; i--) {
        PyObject *stride = PyLong_FromSsize_t(size);
        if (stride == NULL)
            Py_CLEAR(made);
        else
            PyTuple_SET_ITEM(made, order[i], stride);
        size *= ssize_of(PyTuple_GET_ITEM(shape, order[i]));
    }
    if (size >= ELIDED_BYTES)
        Py_CLEAR(made);
    return made;
}

/* Whether two arrays of one shape are laid out alike. */
int same_layout(PyObject *a, PyObject *b) {
    PyObject *x = slot_or_none(a, N.strides), *y = slot_or_none(b, N.strides);
    return x != Py_None && y != Py_None && same_shape(slot_or_none(a, N.shape), slot_or_none(b, N.shape)) && same_shape(x, y)
        && ((PyArray_Descr *)slot_or_none(a, N.dtype))->type_num == ((PyArray_Descr *)slot_or_none(b, N.dtype))->type_num;
}
