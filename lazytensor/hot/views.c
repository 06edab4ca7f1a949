/* Views: what indexing, `reshape`, `transpose` and the like give (api/handle.apply_steps). */
#include "hot.h"

enum { MOST_STEPS = 12 };   /* as handle._MANY_STEPS */
enum { BY_SHAPE = 1 };      /* Method.swapped: the step is (fn, (shape, "C")), whatever the arguments were */

static PyObject *tuple_of(const npy_intp *numbers, int count) {
    PyObject *result = PyTuple_New(count);
    for (int i = 0; result != NULL && i < count; i++)
        PyTuple_SET_ITEM(result, i, PyLong_FromSsize_t(numbers[i]));
    return result;
}

/* Strides as nodes have them: None where they are those of a fresh array in C order, which are 0 if it is empty
 * (ir/layout.canonical). */
PyObject *strides_of(PyArrayObject *array) {
    npy_intp expected = PyArray_SIZE(array) ? PyArray_ITEMSIZE(array) : 0;
    int fresh = 1;
    for (int i = PyArray_NDIM(array) - 1; i >= 0; i--) {
        fresh &= PyArray_STRIDE(array, i) == expected;
        expected *= PyArray_DIM(array, i);
    }
    return fresh ? Py_NewRef(Py_None) : tuple_of(PyArray_STRIDES(array), PyArray_NDIM(array));
}

/* The Tensor whose memory a Tensor without further state has: itself, or its view's root; NULL where Python has to look. */
PyObject *root_of(PyObject *tensor) {
    PyObject *value = slot_or_none(tensor, T._value), *root = tensor;
    if (Py_TYPE(value) == view_type) {
        root = slot_or_none(value, V.root);
        PyObject *node = Py_TYPE(root) == tensor_type ? slot_or_none(root, T._value) : Py_None;
        if (Py_TYPE(node) != node_type || !is_current(value, node)
            || slot_or_none(value, V.laid) != slot_or_none(node, N.strides)
            || slot_or_none(value, V.locked) != Py_False
            || PyTuple_GET_SIZE(slot_or_none(value, V.steps)) >= MOST_STEPS)
            return NULL;
    } else if (Py_TYPE(value) != node_type)
        return NULL;
    return slot_or_none(root, T._state) == Py_None && slot_or_none(tensor, T._state) == Py_None ? root : NULL;
}

/* An array of a Tensor's geometry, borrowed, whose elements may not be looked at; NULL where Python has to make one. */
PyObject *geometry_of(PyObject *value) {
    int node = Py_TYPE(value) == node_type;
    PyObject *dtype = dtype_in(value), *buffer = node ? slot_or_none(value, N.buffer) : Py_None;
    if (PyDataType_REFCHK((PyArray_Descr *)dtype))
        return NULL;
    if (PyArray_CheckExact(buffer))
        return buffer;
    PyObject *key = PyTuple_Pack(3, shape_in(value),
                                 strides_in(value), dtype);
    PyObject *found = key == NULL ? NULL : PyDict_GetItemWithError(shadows, key);
    Py_XDECREF(key);
    return found != NULL && (PyObject *)PyArray_DESCR((PyArrayObject *)found) == dtype ? found : NULL;
}

/* Those steps and one more, which a tuple has alone, a new reference. */
static PyObject *with_step(PyObject *before, PyObject *alone) {
    Py_ssize_t n = PyTuple_GET_SIZE(before);
    if (n == 0)
        return Py_NewRef(alone);
    PyObject *steps = PyTuple_New(n + 1);
    for (Py_ssize_t i = 0; steps != NULL && i <= n; i++)
        PyTuple_SET_ITEM(steps, i, Py_NewRef(i < n ? PyTuple_GET_ITEM(before, i) : PyTuple_GET_ITEM(alone, 0)));
    return steps;
}

/* A view of a Tensor by one more step, which a tuple has alone, with its geometry. */
PyObject *viewed_by(PyObject *tensor, PyObject *root, PyObject *alone, PyObject *shape, PyObject *dtype, PyObject *strides) {
    PyObject *value = slot_or_none(tensor, T._value), *node = slot_or_none(root, T._value), *result = NULL;
    PyObject *steps = with_step(tensor == root ? empty_tuple : slot_or_none(value, V.steps), alone);
    PyObject *view = steps == NULL ? NULL : view_type->tp_alloc(view_type, 0);
    if (view != NULL) {
        SLOT(view, V.root) = Py_NewRef(root);
        SLOT(view, V.steps) = Py_NewRef(steps);
        SLOT(view, V.shape) = Py_NewRef(shape);
        SLOT(view, V.dtype) = Py_NewRef(dtype);
        SLOT(view, V.strides) = Py_NewRef(strides);
        SLOT(view, V.writeable) = Py_NewRef(tensor == root ? Py_True : slot_or_none(value, V.writeable));
        SLOT(view, V.locked) = Py_NewRef(Py_False);
        SLOT(view, V.of) = Py_NewRef(slot_or_none(node, N.shape));
        SLOT(view, V.laid) = Py_NewRef(slot_or_none(node, N.strides));
        SLOT(view, V.given) = Py_NewRef(slot_or_none(node, N.dtype));
        result = new_tensor(view);
        Py_DECREF(view);
    }
    Py_XDECREF(steps);
    return result;
}

/* The same, the step being fn(array, *args), with the geometry of an array. */
PyObject *viewed(PyObject *tensor, PyObject *root, PyObject *fn, PyObject *args, PyArrayObject *array) {
    PyObject *shape = tuple_of(PyArray_DIMS(array), PyArray_NDIM(array)), *result = NULL;
    PyObject *strides = shape == NULL ? NULL : strides_of(array);
    PyObject *step = strides == NULL ? NULL : PyTuple_Pack(2, fn, args);
    PyObject *alone = step == NULL ? NULL : PyTuple_Pack(1, step);
    if (alone != NULL)
        result = viewed_by(tensor, root, alone, shape, (PyObject *)PyArray_DESCR(array), strides);
    Py_XDECREF(alone);
    Py_XDECREF(step);
    Py_XDECREF(shape);
    Py_XDECREF(strides);
    return result;
}

static int has_shape_of(PyArrayObject *a, PyArrayObject *b) {
    return PyArray_NDIM(a) == PyArray_NDIM(b)
        && memcmp(PyArray_DIMS(a), PyArray_DIMS(b), PyArray_NDIM(a) * sizeof(npy_intp)) == 0;
}

static int are_axes(PyObject *const *args, Py_ssize_t count) {
    for (Py_ssize_t i = 0; i < count; i++) {
        int tuple = PyTuple_CheckExact(args[i]);
        if (!tuple && !PyLong_CheckExact(args[i]))
            return 0;
        for (Py_ssize_t k = 0; tuple && k < PyTuple_GET_SIZE(args[i]); k++)
            if (!PyLong_CheckExact(PyTuple_GET_ITEM(args[i], k)))
                return 0;
    }
    return 1;
}

/* NULL without an error where Python has to do it. */
static PyObject *quick_view(Method *method, PyObject *const *args, Py_ssize_t count) {
    PyObject *self = args[0], *root = root_of(self), *array = root == NULL ? NULL : geometry_of(slot_or_none(self, T._value));
    if (array == NULL || !are_axes(args + 1, count - 1)
        || (method->swapped & BY_SHAPE && !PyArray_IS_C_CONTIGUOUS((PyArrayObject *)array)))  /* else elements may be read */
        return NULL;
    PyObject *stack[8] = {Py_NewRef(array)}, *result = NULL, *given = NULL;
    memcpy(stack + 1, args + 1, (count - 1) * sizeof(PyObject *));
    PyObject *found = PyObject_Vectorcall(method->fn, stack, count, NULL);
    if (found == NULL && !PyErr_ExceptionMatches(PyExc_ValueError) && !PyErr_ExceptionMatches(PyExc_TypeError)) {
        Py_DECREF(array);
        return NULL;
    }
    PyErr_Clear();   /* Python says what is wrong */
    if (found != NULL && PyArray_CheckExact(found) && PyArray_BASE((PyArrayObject *)found) != NULL) {
        if (!(method->swapped & BY_SHAPE)) {
            given = PyTuple_New(count - 1);
            for (Py_ssize_t i = 1; given != NULL && i < count; i++)
                PyTuple_SET_ITEM(given, i - 1, Py_NewRef(args[i]));
        } else if (!has_shape_of((PyArrayObject *)found, (PyArrayObject *)array)) {
            PyObject *shape = tuple_of(PyArray_DIMS((PyArrayObject *)found), PyArray_NDIM((PyArrayObject *)found));
            given = shape == NULL ? NULL : Py_BuildValue("(Ns)", shape, "C");
        }
        if (given != NULL)
            result = viewed(self, root, method->op, given, (PyArrayObject *)found);
    }
    Py_XDECREF(given);
    Py_XDECREF(found);
    Py_DECREF(array);
    return result;
}

/* ---- of any geometry ------------------------------------------------------------------------------------------------- */

/* Where an array's elements begin and end, in bytes from its first one. */
static void extent(PyArrayObject *array, npy_intp *low, npy_intp *high) {
    *low = 0;
    *high = PyArray_ITEMSIZE(array);
    for (int i = 0; i < PyArray_NDIM(array); i++) {
        npy_intp along = (PyArray_DIM(array, i) - 1) * PyArray_STRIDE(array, i);
        *(along < 0 ? low : high) += along;
    }
}

/* What the step `relative_view` gives of an array in C order (api/relative.py), a new reference; NULL without an error where
 * Python has to do it. */
PyObject *part_by_step(PyObject *array, PyObject *args) {
    PyArrayObject *whole = (PyArrayObject *)array;
    npy_intp dims[NPY_MAXDIMS], strides[NPY_MAXDIMS], low, high;
    PyObject *shape = PyTuple_GET_ITEM(args, 1), *along = PyTuple_GET_ITEM(args, 2), *dtype = PyTuple_GET_ITEM(args, 3);
    if (!PyArray_CheckExact(array) || !PyArray_IS_C_CONTIGUOUS(whole)
        || !PyTuple_CheckExact(shape) || !PyTuple_CheckExact(along) || !PyArray_DescrCheck(dtype)
        || PyDataType_REFCHK((PyArray_Descr *)dtype) || PyDataType_ELSIZE((PyArray_Descr *)dtype) == 0
        || PyTuple_GET_SIZE(shape) != PyTuple_GET_SIZE(along) || PyTuple_GET_SIZE(shape) > NPY_MAXDIMS)
        return NULL;
    int n = (int)PyTuple_GET_SIZE(shape);
    npy_intp offset = ssize_of(PyTuple_GET_ITEM(args, 0)), empty = 0;
    for (int i = 0; i < n; i++) {
        dims[i] = ssize_of(PyTuple_GET_ITEM(shape, i));
        strides[i] = ssize_of(PyTuple_GET_ITEM(along, i));
        empty |= dims[i] <= 0;
    }
    if (PyErr_Occurred() || empty != (PyArray_SIZE(whole) == 0) || (empty && offset != 0))
        return NULL;   /* an empty part may be anywhere, but for one that has all of nothing */
    Py_INCREF(dtype);
    PyArrayObject *made = (PyArrayObject *)PyArray_NewFromDescr(
        &PyArray_Type, (PyArray_Descr *)dtype, n, dims, strides, PyArray_BYTES(whole) + offset,
        PyArray_FLAGS(whole) & NPY_ARRAY_WRITEABLE, NULL);
    if (made == NULL)
        return NULL;
    extent(made, &low, &high);
    if (!empty && (offset + low < 0 || offset + high > PyArray_NBYTES(whole))) {   /* beyond the array, as `as_strided` allows */
        Py_DECREF(made);
        return NULL;
    }
    Py_INCREF(array);
    if (PyArray_SetBaseObject(made, array) < 0)
        Py_CLEAR(made);
    return (PyObject *)made;
}

/* A view that a function of NumPy's gave of a Tensor's array, as a Tensor; NULL without an error where Python has to look. */
PyObject *view_given(PyObject *tensor, PyObject *root, PyArrayObject *array, PyObject *found) {
    PyArrayObject *view = (PyArrayObject *)found;
    if (found == (PyObject *)array)
        return Py_NewRef(tensor);
    if (!PyArray_CheckExact(found) || (PyArray_SIZE(view) == 0) != (PyArray_SIZE(array) == 0) || PyArray_NDIM(view) == 0
        || PyArray_FLAGS(view) < 0)
        return NULL;   /* an empty view may be anywhere; the last: NumPy warns of a write to it */
    PyObject *base = PyArray_BASE(view);
    if (base == NULL || (base != (PyObject *)array && base != PyArray_BASE(array))
        || !(PyArray_ISWRITEABLE(view) || PyArray_CheckExact(base)))
        return NULL;
    PyObject *shape = tuple_of(PyArray_DIMS(view), PyArray_NDIM(view)), *result = NULL;
    PyObject *strides = shape == NULL ? NULL : tuple_of(PyArray_STRIDES(view), PyArray_NDIM(view));
    PyObject *args = strides == NULL ? NULL
        : Py_BuildValue("(nOOO)", (Py_ssize_t)(PyArray_BYTES(view) - PyArray_BYTES(array)), shape, strides, PyArray_DESCR(view));
    if (args != NULL)
        result = viewed(tensor, root, relative_view, args, view);
    if (result != NULL && !PyArray_ISWRITEABLE(view))
        put(slot_or_none(result, T._value), V.writeable, Py_False);
    Py_XDECREF(shape);
    Py_XDECREF(strides);
    Py_XDECREF(args);
    return result;
}

/* The same for each of a list or tuple of views. */
static PyObject *all_views_given(PyObject *tensor, PyObject *root, PyArrayObject *array, PyObject *found) {
    Py_ssize_t n = Py_SIZE(found);
    PyObject *made = PyTuple_CheckExact(found) ? PyTuple_New(n) : PyList_New(n);
    for (Py_ssize_t i = 0; made != NULL && i < n; i++) {
        PyObject *own = view_given(tensor, root, array, PySequence_Fast_GET_ITEM(found, i));
        if (own == NULL)
            Py_CLEAR(made);
        else
            PySequence_Fast_ITEMS(made)[i] = own;
    }
    return made;
}

/* Whether an argument says places, lengths or nothing. */
static int is_place(PyObject *x) {
    if (PyTuple_CheckExact(x) || PyList_CheckExact(x)) {
        for (Py_ssize_t i = 0; i < Py_SIZE(x); i++)
            if (!PyLong_CheckExact(PySequence_Fast_GET_ITEM(x, i)))
                return 0;
        return 1;
    }
    return PyLong_CheckExact(x) || x == Py_None;
}

/* ``fn(*args)``, a function that gives views of its first argument and looks at no element; NULL without an error where
 * Python has to do it. */
PyObject *views_given(PyObject *fn, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    enum { MOST = 6 };
    Py_ssize_t all = count + (names == NULL ? 0 : PyTuple_GET_SIZE(names));
    PyObject *root = count > 0 && all <= MOST && Py_TYPE(args[0]) == tensor_type ? root_of(args[0]) : NULL, *stack[MOST];
    PyObject *value = root == NULL ? NULL : slot_or_none(args[0], T._value), *array = value == NULL ? NULL : geometry_of(value);
    if (array == NULL || PyArray_SIZE((PyArrayObject *)array) == 0 || !PyArray_ISWRITEABLE((PyArrayObject *)array)
        || PyArray_NDIM((PyArrayObject *)array) == 0
        || (Py_TYPE(value) == view_type && slot_or_none(value, V.writeable) != Py_True))
        return NULL;
    for (Py_ssize_t i = 1; i < all; i++)
        if (!is_place(args[i]))
            return NULL;
    memcpy(stack + 1, args + 1, (all - 1) * sizeof(PyObject *));
    stack[0] = Py_NewRef(array);
    PyObject *found = PyObject_Vectorcall(fn, stack, count, names), *result = NULL;
    if (found == NULL) {
        if (PyErr_ExceptionMatches(PyExc_ValueError) || PyErr_ExceptionMatches(PyExc_TypeError))
            PyErr_Clear();   /* Python says what is wrong */
    } else
        result = (PyTuple_CheckExact(found) || PyList_CheckExact(found) ? all_views_given : view_given)(
            args[0], root, (PyArrayObject *)array, found);
    Py_XDECREF(found);
    Py_DECREF(stack[0]);
    return result;
}

PyObject *viewer_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names) {
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    PyObject *result = NULL;
    if (names == NULL && count > 0 && count <= 8 && Py_TYPE(args[0]) == tensor_type && !watched())
        result = quick_view((Method *)self, args, count);
    if (result == NULL && !PyErr_Occurred() && ((Method *)self)->swapped & BY_SHAPE && !watched() && count > 0)
        call_middling((Method *)self, ((Method *)self)->fn, args, count, names, &result);   /* a copy */
    return or_slow(result, (Method *)self, args, nargsf, names);
}
