/* Indices that say places by lazy scalars and NumPy's integers, as programs have them that go by what `argmin` or an array
 * of places gives (api/indexing.plain). */
#include "hot.h"

/* Whether it is an integer of NumPy's own, and no timedelta, which is one by its class. */
static int is_numpys_integer(PyObject *x) {
    return PyArray_IsScalar(x, Integer) && !PyArray_IsScalar(x, Timedelta)
        && !PyType_HasFeature(Py_TYPE(x), Py_TPFLAGS_HEAPTYPE);
}

/* Python's int for a lazy scalar, computed if it is not there, or an integer of NumPy's, a new reference; NULL without an
 * error for all else. */
static PyObject *whole_number(PyObject *x) {
    PyObject *value = x;
    if (PyType_IsSubtype(Py_TYPE(x), scalar_type)) {
        PyObject *node = slot_or_none(x, S._node);
        if (Py_TYPE(node) != node_type || !PyTypeNum_ISINTEGER(((PyArray_Descr *)slot_or_none(node, N.dtype))->type_num))
            return NULL;
        if (slot_or_none(node, N.buffer) == Py_None && compute_node(node) < 0)
            return NULL;
        value = slot_or_none(node, N.buffer);
    }
    return is_numpys_integer(value) ? PyNumber_Index(value) : NULL;
}

static PyObject *plain_bound(PyObject *x) {
    return x == Py_None || PyLong_CheckExact(x) ? Py_NewRef(x) : whole_number(x);
}

static PyObject *plain_slice(PySliceObject *slice) {
    PyObject *step = plain_bound(slice->step), *start = step == NULL ? NULL : plain_bound(slice->start);
    PyObject *stop = start == NULL ? NULL : plain_bound(slice->stop), *made = NULL;
    if (stop != NULL)
        made = PySlice_New(start, stop, step);
    Py_XDECREF(step);
    Py_XDECREF(start);
    Py_XDECREF(stop);
    return made;
}

/* A part of an index as Python's own, a new reference; NULL without an error where it is none. */
PyObject *plain_part(PyObject *part) {
    if (PyTuple_CheckExact(part))
        return NULL;
    if (is_basic(part))
        return Py_NewRef(part);
    return PySlice_Check(part) ? plain_slice((PySliceObject *)part) : whole_number(part);
}

/* A basic index with Python's ints in the place of what stands for them, a new reference; NULL without an error where it is
 * no basic index. */
PyObject *plain_index(PyObject *index) {
    if (watched())   /* may hide values */
        return NULL;
    if (!PyTuple_CheckExact(index))
        return plain_part(index);
    PyObject *made = PyTuple_New(PyTuple_GET_SIZE(index));
    for (Py_ssize_t i = 0; made != NULL && i < PyTuple_GET_SIZE(index); i++) {
        PyObject *part = plain_part(PyTuple_GET_ITEM(index, i));
        if (part == NULL)
            Py_CLEAR(made);
        else
            PyTuple_SET_ITEM(made, i, part);
    }
    return made;
}

static int same_bound(PyObject *one, PyObject *other) {
    return one == other || (PyLong_CheckExact(one) && PyLong_CheckExact(other)
                            && PyObject_RichCompareBool(one, other, Py_EQ) == 1);
}

static int same_part(PyObject *one, PyObject *other) {
    if (!PySlice_Check(one) || !PySlice_Check(other))
        return same_bound(one, other);
    PySliceObject *a = (PySliceObject *)one, *b = (PySliceObject *)other;
    return same_bound(a->start, b->start) && same_bound(a->stop, b->stop) && same_bound(a->step, b->step);
}

/* Whether two basic indices are of the same part (indexing._is_same_index): they are made anew where they were not plain. */
int is_same_index(PyObject *one, PyObject *other) {
    if (one == other)
        return 1;
    if (!PyTuple_CheckExact(one) || !PyTuple_CheckExact(other))
        return same_part(one, other);
    Py_ssize_t parts = PyTuple_GET_SIZE(one);
    for (Py_ssize_t i = 0; i < parts && parts == PyTuple_GET_SIZE(other); i++)
        if (!same_part(PyTuple_GET_ITEM(one, i), PyTuple_GET_ITEM(other, i)))
            return 0;
    return parts == PyTuple_GET_SIZE(other);
}

/* Whether it is of the integers that NumPy does not put into one array with others: uint64 and a signed one give floats. */
static int is_of_long_unsigned(PyObject *x) {
    PyObject *node = scalar_node(x);
    if (node == NULL)
        return PyArray_IsScalar(x, ULong) || PyArray_IsScalar(x, ULongLong);
    int number = Py_TYPE(node) == node_type ? ((PyArray_Descr *)slot_or_none(node, N.dtype))->type_num : NPY_VOID;
    return number == NPY_ULONG || number == NPY_ULONGLONG;
}

/* A short list of whole numbers with Python's ints in it, a new reference; NULL without an error where it is none. */
PyObject *plain_list(PyObject *x) {
    Py_ssize_t count = PyList_CheckExact(x) ? PyList_GET_SIZE(x) : 0, plain = 0;
    if (count == 0 || count > 64)
        return NULL;
    while (plain < count && PyLong_CheckExact(PyList_GET_ITEM(x, plain)))
        plain++;
    if (plain == count)
        return Py_NewRef(x);
    PyObject *made = PyList_New(count);
    for (Py_ssize_t i = 0; made != NULL && i < count; i++) {
        PyObject *given = Py_NewRef(PyList_GET_ITEM(x, i));   /* to compute one may change the list */
        PyObject *part = PyLong_CheckExact(given) ? Py_NewRef(given) : is_of_long_unsigned(given) ? NULL : whole_number(given);
        Py_DECREF(given);
        if (part == NULL || PyList_GET_SIZE(x) != count) {
            Py_XDECREF(part);
            Py_CLEAR(made);
        } else
            PyList_SET_ITEM(made, i, part);
    }
    return made;
}
