/* Where a view lies: what a launch needs of it is an address, which is known in a tenth of the time that an array takes
 * to be made. Views by slices, integers, None and an ellipsis are followed by NumPy's rules; for others arrays are made.
 */
#include "hot.h"

_Static_assert(offsetof(Place, data) == offsetof(PyArrayObject_fields, data), "launches read addresses from arrays");

static int put_axis(Box *box, npy_intp length, npy_intp stride) {
    if (box->nd == MOST_BOX_AXES)
        return 0;
    box->shape[box->nd] = length;
    box->strides[box->nd++] = stride;
    return 1;
}

/* The whole of an array. 0 if it has too many axes. */
int box_of(Box *box, PyObject *array) {
    PyArrayObject *x = (PyArrayObject *)array;
    if (!PyArray_CheckExact(array) || PyArray_NDIM(x) > MOST_BOX_AXES)
        return 0;
    box->data = PyArray_BYTES(x);
    box->nd = PyArray_NDIM(x);
    for (int i = 0; i < box->nd; i++) {
        box->shape[i] = PyArray_DIM(x, i);
        box->strides[i] = PyArray_STRIDE(x, i);
    }
    return 1;
}

static int is_bound(PyObject *x) {
    return x == Py_None || PyLong_CheckExact(x);
}

static int put_slice(Box *box, PyObject *index, npy_intp length, npy_intp stride) {
    PySliceObject *slice = (PySliceObject *)index;
    Py_ssize_t start, stop, step, count;
    if (!is_bound(slice->start) || !is_bound(slice->stop) || !is_bound(slice->step))
        return 0;
    if (PySlice_Unpack(index, &start, &stop, &step) < 0) {
        PyErr_Clear();
        return 0;
    }
    count = PySlice_AdjustIndices(length, &start, &stop, step);
    box->data += start * stride;
    return count > 0 && put_axis(box, count, step * stride);
}

static int take_element(Box *box, PyObject *index, npy_intp length, npy_intp stride) {
    Py_ssize_t at = ssize_of(index);
    if (at == -1 && PyErr_Occurred()) {
        PyErr_Clear();
        return 0;
    }
    at += at < 0 ? length : 0;
    box->data += at * stride;
    return at >= 0 && at < length;
}

/* Narrows a box as ``[index]`` does. 0 if that is not simple, or no view; the box is no good then. */
int box_step(Box *box, PyObject *index) {
    Box from = *box;
    int several = PyTuple_CheckExact(index), axis = 0, done = 1;
    PyObject **items = several ? ((PyTupleObject *)index)->ob_item : &index;
    Py_ssize_t count = several ? PyTuple_GET_SIZE(index) : 1, taken = 0, dots = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        taken += items[i] != Py_None && items[i] != Py_Ellipsis;
        dots += items[i] == Py_Ellipsis;
    }
    if (taken > from.nd || dots > 1)
        return 0;
    box->nd = 0;
    for (Py_ssize_t i = 0; done && i < count; i++) {
        if (items[i] == Py_None)
            done = put_axis(box, 1, 0);
        else if (items[i] == Py_Ellipsis)
            for (Py_ssize_t more = from.nd - taken; done && more > 0; more--, axis++)
                done = put_axis(box, from.shape[axis], from.strides[axis]);
        else {
            npy_intp length = from.shape[axis], stride = from.strides[axis];
            done = PySlice_Check(items[i]) ? put_slice(box, items[i], length, stride)
                : PyLong_CheckExact(items[i]) ? take_element(box, items[i], length, stride) : 0;
            axis++;
        }
    }
    for (; done && axis < from.nd; axis++)
        done = put_axis(box, from.shape[axis], from.strides[axis]);
    return done && box->nd > 0;
}

/* The same as `relative_view` does. */
static int box_relative(Box *box, PyObject *args) {
    PyObject *shape = PyTuple_GET_ITEM(args, 1), *strides = PyTuple_GET_ITEM(args, 2);
    Py_ssize_t n = PyTuple_CheckExact(shape) ? PyTuple_GET_SIZE(shape) : 0;
    int done = n > 0 && PyTuple_CheckExact(strides) && PyTuple_GET_SIZE(strides) == n;
    box->data += ssize_of(PyTuple_GET_ITEM(args, 0));
    box->nd = 0;
    for (Py_ssize_t i = 0; done && i < n; i++) {
        Py_ssize_t length = ssize_of(PyTuple_GET_ITEM(shape, i));
        done = length > 0 && put_axis(box, length, ssize_of(PyTuple_GET_ITEM(strides, i)));
    }
    return done;
}

/* The same for the steps of a view. */
int box_through(Box *box, PyObject *steps) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(steps); i++) {
        PyObject *step = PyTuple_GET_ITEM(steps, i), *args = PyTuple_GET_ITEM(step, 1);
        if (PyTuple_GET_ITEM(step, 0) == relative_view && PyTuple_GET_SIZE(args) == 4) {
            if (!box_relative(box, args))
                return 0;
            continue;
        }
        if (PyTuple_GET_ITEM(step, 0) != getitem_function || PyTuple_GET_SIZE(args) != 1
            || !box_step(box, PyTuple_GET_ITEM(args, 0)))
            return 0;
    }
    return 1;
}

/* Whether a box has the axes of an array. */
int box_is_laid_as(const Box *box, PyObject *array) {
    PyArrayObject *x = (PyArrayObject *)array;
    size_t bytes = box->nd * sizeof(npy_intp);
    return box->nd == PyArray_NDIM(x) && memcmp(box->shape, PyArray_DIMS(x), bytes) == 0
        && memcmp(box->strides, PyArray_STRIDES(x), bytes) == 0;
}

/* ---- copies ---------------------------------------------------------------------------------------------------------- */

static void copy_elements(char *to, npy_intp step, const char *from, npy_intp from_step, npy_intp count, npy_intp size) {
    if (step == size && from_step == size)
        memcpy(to, from, count * size);
    else if (size == 8)
        for (; count; count--, to += step, from += from_step)
            memcpy(to, from, 8);
    else if (size == 4)
        for (; count; count--, to += step, from += from_step)
            memcpy(to, from, 4);
    else
        for (; count; count--, to += step, from += from_step)
            memcpy(to, from, size);
}

static void copy_axes(const Box *to, char *here, const Box *from, const char *there, int axis, npy_intp size) {
    npy_intp step = to->strides[axis], from_step = from->strides[axis];
    if (axis == to->nd - 1) {
        copy_elements(here, step, there, from_step, to->shape[axis], size);
        return;
    }
    for (npy_intp i = 0; i < to->shape[axis]; i++)
        copy_axes(to, here + i * step, from, there + i * from_step, axis + 1, size);
}

/* Leaves out the axes of length 1, all but the last one. */
static void squeeze(Box *box) {
    int kept = 0;
    for (int i = 0; i < box->nd; i++)
        if (box->shape[i] != 1 || (kept == 0 && i == box->nd - 1)) {
            box->shape[kept] = box->shape[i];
            box->strides[kept++] = box->strides[i];
        }
    box->nd = kept;
}

/* Copies a part of an array to the same part of another one of its shape and dtype. 0 if it is left to NumPy. */
int copy_box(PyObject *to, PyObject *from, PyObject *index) {
    Box target, source;
    if (PyDataType_REFCHK(PyArray_DESCR((PyArrayObject *)to)) || !box_of(&target, to) || !box_of(&source, from)
        || !box_step(&target, index) || !box_step(&source, index))
        return 0;
    squeeze(&target);
    squeeze(&source);
    copy_axes(&target, target.data, &source, source.data, 0, PyArray_ITEMSIZE((PyArrayObject *)to));
    return 1;
}
