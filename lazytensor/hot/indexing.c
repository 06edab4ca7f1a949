/* ``self[index]`` of a root with basic indices (api/indexing.getitem). */
#include "hot.h"

static int is_bound(PyObject *x) {
    return x == Py_None || PyLong_CheckExact(x);
}

/* Bounds of a slice that are no plain numbers are Python's business: a watcher may hide their values. */
static int is_part(PyObject *x) {
    if (PySlice_Check(x)) {
        PySliceObject *slice = (PySliceObject *)x;
        return is_bound(slice->start) && is_bound(slice->stop) && is_bound(slice->step);
    }
    return PyLong_CheckExact(x) || x == Py_None || x == Py_Ellipsis;
}

/* Whether an index is basic. */
int is_basic(PyObject *index) {
    if (!PyTuple_CheckExact(index))
        return is_part(index);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(index); i++)
        if (!is_part(PyTuple_GET_ITEM(index, i)))
            return 0;
    return 1;
}

/* Whether a basic index leaves an axis, as far as can be said without the array. */
int gives_array(PyObject *index, Py_ssize_t axes) {
    if (!PyTuple_CheckExact(index))
        return PySlice_Check(index) || (PyLong_CheckExact(index) && axes > 1);
    Py_ssize_t ints = 0, parts = PyTuple_GET_SIZE(index);
    for (Py_ssize_t i = 0; i < parts; i++) {
        PyObject *part = PyTuple_GET_ITEM(index, i);
        if (part == Py_Ellipsis)
            return 1;
        ints += PyLong_CheckExact(part);
    }
    return ints < axes || ints < parts;
}

/* Whether an index is whole numbers, one for each axis and within it (indexing._is_element). */
int is_element(PyObject *index, PyObject *shape) {
    Py_ssize_t axes = PyTuple_GET_SIZE(shape), parts = PyTuple_CheckExact(index) ? PyTuple_GET_SIZE(index) : 1;
    if (parts != axes || parts == 0)
        return 0;
    for (Py_ssize_t i = 0; i < parts; i++) {
        PyObject *part = PyTuple_CheckExact(index) ? PyTuple_GET_ITEM(index, i) : index;
        int overflow = 0;
        if (!PyLong_CheckExact(part))
            return 0;
        long at = PyLong_AsLongAndOverflow(part, &overflow), n = PyLong_AsLong(PyTuple_GET_ITEM(shape, i));
        if (overflow || at < -n || at >= n)
            return 0;
    }
    return 1;
}

static PyObject *tuple_of(const npy_intp *numbers, int count) {
    PyObject *result = PyTuple_New(count);
    for (int i = 0; result != NULL && i < count; i++)
        PyTuple_SET_ITEM(result, i, PyLong_FromSsize_t(numbers[i]));
    return result;
}

/* Strides as nodes have them: None where they are those of a fresh array in C order (ir/layout.canonical). */
static PyObject *strides_of(PyArrayObject *array, PyObject *shape) {
    npy_intp expected = PyArray_ITEMSIZE(array);
    int odd = 0, fresh = 1;
    for (int i = PyArray_NDIM(array) - 1; i >= 0; i--) {
        odd |= PyArray_DIM(array, i) < 2;
        fresh &= PyArray_STRIDE(array, i) == expected;
        expected *= PyArray_DIM(array, i);
    }
    if (fresh && !odd)
        Py_RETURN_NONE;
    PyObject *strides = tuple_of(PyArray_STRIDES(array), PyArray_NDIM(array));
    if (strides == NULL || !odd)
        return strides;
    PyObject *size = PyLong_FromSsize_t(PyArray_ITEMSIZE(array)), *args[3] = {strides, shape, size};
    PyObject *result = size == NULL ? NULL : PyObject_Vectorcall(canonical, args, 3, NULL);
    Py_XDECREF(size);
    Py_DECREF(strides);
    return result;
}

/* A view over a root whose geometry an array has (api/handle.view_tensor). */
static PyObject *view_tensor(PyObject *root, PyObject *index, PyArrayObject *array) {
    PyObject *node = slot_or_none(root, T._value), *shape = tuple_of(PyArray_DIMS(array), PyArray_NDIM(array));
    PyObject *strides = shape == NULL ? NULL : strides_of(array, shape), *steps = NULL, *view = NULL, *result = NULL;
    PyObject *args = strides == NULL ? NULL : PyTuple_Pack(1, index);
    PyObject *step = args == NULL ? NULL : PyTuple_Pack(2, getitem_function, args);
    Py_XDECREF(args);
    if (step != NULL && (steps = PyTuple_Pack(1, step)) != NULL && (view = view_type->tp_alloc(view_type, 0)) != NULL) {
        SLOT(view, V.root) = Py_NewRef(root);
        SLOT(view, V.steps) = Py_NewRef(steps);
        SLOT(view, V.shape) = Py_NewRef(shape);
        SLOT(view, V.dtype) = Py_NewRef((PyObject *)PyArray_DESCR(array));
        SLOT(view, V.strides) = Py_NewRef(strides);
        SLOT(view, V.writeable) = Py_NewRef(Py_True);
        SLOT(view, V.locked) = Py_NewRef(Py_False);
        SLOT(view, V.of) = Py_NewRef(slot_or_none(node, N.shape));
        SLOT(view, V.laid) = Py_NewRef(slot_or_none(node, N.strides));
        SLOT(view, V.given) = Py_NewRef(slot_or_none(node, N.dtype));
        result = new_tensor(view);
    }
    Py_XDECREF(step);
    Py_XDECREF(steps);
    Py_XDECREF(view);
    Py_XDECREF(shape);
    Py_XDECREF(strides);
    return result;
}

/* An array over no memory of a pending node's geometry, borrowed, if there is one (ir/layout.shadow). */
PyObject *shadow_of(PyObject *node) {
    PyObject *dtype = slot_or_none(node, N.dtype);
    PyObject *key = PyTuple_Pack(3, slot_or_none(node, N.shape), slot_or_none(node, N.strides), dtype);
    PyObject *found = key == NULL ? NULL : PyDict_GetItemWithError(shadows, key);
    Py_XDECREF(key);
    return found != NULL && (PyObject *)PyArray_DESCR((PyArrayObject *)found) == dtype ? found : NULL;
}

/* An element of a root's present value, pending (indexing._watched_getitem); NULL without an error where Python has to do
 * it. */
static PyObject *pending_element(PyObject *node, PyObject *index) {
    PyArray_Descr *dtype = (PyArray_Descr *)slot_or_none(node, N.dtype);
    if (!is_element(index, slot_or_none(node, N.shape)) || !PyArray_ISNBO(dtype->byteorder)
        || !(PyTypeNum_ISNUMBER(dtype->type_num) || PyTypeNum_ISBOOL(dtype->type_num)))
        return NULL;
    PyTypeObject *type = (PyTypeObject *)PyDict_GetItemWithError(scalar_classes, (PyObject *)dtype->typeobj);
    PyObject *attrs = type == NULL ? NULL : Py_BuildValue("((sO))", "index", index);
    PyObject *inputs = attrs == NULL ? NULL : PyTuple_Pack(1, node), *frame = (PyObject *)PyEval_GetFrame(), *made = NULL;
    if (inputs != NULL) {
        frame = outside(frame == NULL ? Py_None : frame);
        PyObject *element = recorded(element_operation, inputs, attrs, empty_tuple, (PyObject *)dtype, Py_None, frame, 1);
        Py_DECREF(frame);
        made = element == NULL ? NULL : new_scalar(type, element);
        Py_XDECREF(element);
    }
    Py_XDECREF(attrs);
    Py_XDECREF(inputs);
    return made;
}

/* NULL without an error where Python has to do it. */
static PyObject *quick_getitem(PyObject *self, PyObject *index) {
    PyObject *node = slot_or_none(self, T._value), *array, *found, *result;
    if (Py_TYPE(self) != tensor_type || Py_TYPE(node) != node_type || slot_or_none(self, T._state) != Py_None
        || !is_basic(index))
        return NULL;
    array = slot_or_none(node, N.buffer);
    if (array == Py_None || watched()) {  /* no element is to be looked at */
        if (!gives_array(index, PyTuple_GET_SIZE(slot_or_none(node, N.shape))))
            return my_watcher() == NULL ? NULL : pending_element(node, index);
        if (array == Py_None && (array = shadow_of(node)) == NULL)
            return NULL;
    }
    if (!PyArray_CheckExact(array) || PyDataType_REFCHK(PyArray_DESCR((PyArrayObject *)array)))
        return NULL;
    Py_INCREF(array);
    found = PyObject_GetItem(array, index);
    Py_DECREF(array);
    if (found == NULL)
        return NULL;
    if (!PyArray_CheckExact(found)) {
        if (!PyArray_IsScalar(found, Void))
            return found;
        Py_DECREF(found);
        return NULL;
    }
    result = view_tensor(self, index, (PyArrayObject *)found);
    Py_DECREF(found);
    return result;
}

PyObject *getter_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names) {
    PyObject *result = NULL;
    if (names == NULL && PyVectorcall_NARGS(nargsf) == 2)
        result = quick_getitem(args[0], args[1]);
    return or_slow(result, (Method *)self, args, nargsf, names);
}
