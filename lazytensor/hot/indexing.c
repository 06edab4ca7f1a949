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

/* An element of a root's present value, pending (indexing._watched_getitem); NULL without an error where Python has to do
 * it. */
static PyObject *pending_element(PyObject *node, PyObject *index) {
    PyArray_Descr *dtype = (PyArray_Descr *)slot_or_none(node, N.dtype);
    if (!is_element(index, slot_or_none(node, N.shape)) || !PyArray_ISNBO(dtype->byteorder)
        || !(PyTypeNum_ISNUMBER(dtype->type_num) || PyTypeNum_ISBOOL(dtype->type_num)))
        return NULL;
    PyTypeObject *type = (PyTypeObject *)PyDict_GetItemWithError(scalar_classes, (PyObject *)dtype->typeobj);
    PyObject *attrs = type == NULL ? NULL : Py_BuildValue("((sO))", "index", index);
    PyObject *inputs = attrs == NULL ? NULL : PyTuple_Pack(1, node), *made = NULL;
    if (inputs != NULL)
        made = written_here(element_operation, inputs, attrs, empty_tuple, (PyObject *)dtype, Py_None, type);
    Py_XDECREF(attrs);
    Py_XDECREF(inputs);
    return made;
}

/* ---- parts that were met lately ------------------------------------------------------------------------------------------ */

/* Programs take the same parts of arrays alike again and again: what a basic index gives of a geometry is kept, by the
 * addresses of what the index is made of (None, the ints that Python has once, a constant of the program). */
enum { MOST_PARTS = 4, MET = 256 };
typedef struct {
    PyObject *words[3 * MOST_PARTS];
    Py_ssize_t parts;   /* -1 for an index that is no tuple */
    size_t print;
} Signature;
typedef struct {
    Signature given;
    PyObject *dtype, *shape, *strides;   /* of what is indexed */
    PyObject *part_shape, *part_dtype, *part_strides;
    PyObject *step;   /* the view's, alone in a tuple, for all such parts: so that nothing is made but the view */
    size_t missed;   /* the print of what was asked for last and not found: at the second time it is kept */
} Met;
static Met met[MET];

static void put_part(Signature *s, Py_ssize_t i, PyObject *part) {
    PySliceObject *slice = (PySliceObject *)part;
    int sliced = PySlice_Check(part);
    s->words[3 * i] = sliced ? slice->start : part;
    s->words[3 * i + 1] = sliced ? slice->stop : NULL;
    s->words[3 * i + 2] = sliced ? slice->step : NULL;
}

/* Where a part of a node's or view's value is kept, and what is given of the index; NULL where it is not. An array with an
 * axis of length 1 may have other strides along it than its node says. */
static Met *place_of(PyObject *value, PyObject *index, Signature *s) {
    int tuple = PyTuple_CheckExact(index), node = Py_TYPE(value) == node_type;
    Py_ssize_t parts = tuple ? PyTuple_GET_SIZE(index) : 1;
    PyObject *shape = shape_in(value);
    if (parts < 1 || parts > MOST_PARTS || !gives_array(index, PyTuple_GET_SIZE(shape)) || watched())
        return NULL;
    size_t print = (size_t)dtype_in(value) >> 4;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(shape); i++) {
        Py_ssize_t length = ssize_of(PyTuple_GET_ITEM(shape, i));
        if (node && length < 2)
            return NULL;
        print = print * 31 + length;
    }
    memset(s, 0, sizeof *s);
    s->parts = tuple ? parts : -1;
    for (Py_ssize_t i = 0; i < parts; i++)
        put_part(s, i, tuple ? PyTuple_GET_ITEM(index, i) : index);
    for (Py_ssize_t i = 0; i < 3 * parts; i++)
        print = print * 31 + ((size_t)s->words[i] >> 4);
    s->print = print * 0x9E3779B97F4A7C15ull;
    return &met[s->print >> 56];
}

static int is_met(const Met *m, PyObject *value, const Signature *s) {
    return m->part_shape != NULL && m->dtype == dtype_in(value)
        && memcmp(&m->given, s, sizeof *s) == 0 && same_shape(m->shape, shape_in(value))
        && same_strides(m->strides, strides_in(value));
}

static void met_end(Met *m) {
    PyObject *owned[7] = {m->dtype, m->shape, m->strides, m->part_shape, m->part_dtype, m->part_strides, m->step};
    for (int i = 0; i < 7; i++)
        Py_XDECREF(owned[i]);
    for (int i = 0; i < 3 * MOST_PARTS; i++)
        Py_XDECREF(m->given.words[i]);
}

/* Keeps what an index gives of a value: the geometry and the last step of the view `part`. A program that takes each part
 * once does not pay for that. */
static void meet(Met *m, PyObject *value, const Signature *s, PyObject *part) {
    if (m->missed != s->print) {
        m->missed = s->print;
        return;
    }
    PyObject *view = slot_or_none(part, T._value), *steps = slot_or_none(view, V.steps);
    PyObject *step = PyTuple_GET_SIZE(steps) ? PyTuple_Pack(1, PyTuple_GET_ITEM(steps, PyTuple_GET_SIZE(steps) - 1)) : NULL;
    if (step == NULL) {
        PyErr_Clear();
        return;
    }
    Met before = *m;
    *m = (Met){*s, Py_NewRef(dtype_in(value)),
               Py_NewRef(shape_in(value)),
               Py_NewRef(strides_in(value)), Py_NewRef(slot_or_none(view, V.shape)),
               Py_NewRef(slot_or_none(view, V.dtype)), Py_NewRef(slot_or_none(view, V.strides)), step, s->print};
    for (int i = 0; i < 3 * MOST_PARTS; i++)
        Py_XINCREF(m->given.words[i]);
    met_end(&before);
}

/* The part of a Tensor that an index gives, which has an array's geometry. */
static PyObject *part_of(PyObject *tensor, PyObject *root, PyObject *index, PyObject *array, Met *m, const Signature *s) {
    PyObject *args = PyTuple_Pack(1, index), *result = NULL;
    if (args != NULL)
        result = viewed(tensor, root, getitem_function, args, (PyArrayObject *)array);
    Py_XDECREF(args);
    if (result != NULL && m != NULL)
        meet(m, slot_or_none(tensor, T._value), s, result);
    return result;
}

/* The same, which was met. Its step has an equal index: ``a[index] += 1`` puts back what `index` gave. */
static PyObject *part_met(PyObject *tensor, PyObject *root, const Met *m) {
    PyObject *held[4] = {m->step, m->part_shape, m->part_dtype, m->part_strides};
    for (int i = 0; i < 4; i++)
        Py_INCREF(held[i]);   /* to make something may run a program's code, which takes parts */
    PyObject *result = viewed_by(tensor, root, held[0], held[1], held[2], held[3]);
    for (int i = 0; i < 4; i++)
        Py_DECREF(held[i]);
    return result;
}

/* ---- parts and elements -------------------------------------------------------------------------------------------------- */

/* An element of a Tensor's value, which is computed if it waits, as indexing._general_getitem looks at it; NULL without an
 * error where Python has to do it. */
static PyObject *element_of(PyObject *self, PyObject *index) {
    PyObject *root = root_of(self), *node = root == NULL ? NULL : slot_or_none(root, T._value), *array, *found;
    if (!is_element(index, shape_in(slot_or_none(self, T._value))) || node == NULL || Py_TYPE(node) != node_type)
        return NULL;
    Py_INCREF(node);
    int failed = slot_or_none(node, N.buffer) == Py_None && compute_node(node) < 0;
    Py_DECREF(node);
    if (failed || (array = array_at_hand(self, PY_SSIZE_T_MAX)) == NULL)
        return NULL;
    found = PyObject_GetItem(array, index);
    Py_DECREF(array);
    return found;
}

/* A part of a view; NULL without an error where Python has to do it. */
static PyObject *part_of_view(PyObject *self, PyObject *index) {
    PyObject *view = slot_or_none(self, T._value), *root = root_of(self), *result = NULL;
    if (root == NULL || watched() || index == empty_tuple)
        return NULL;
    if (!gives_array(index, PyTuple_GET_SIZE(slot_or_none(view, V.shape))))
        return element_of(self, index);
    Signature s;
    Met *m = place_of(view, index, &s);
    if (m != NULL && is_met(m, view, &s))
        return part_met(self, root, m);
    PyObject *array = geometry_of(view);
    if (array == NULL)
        return NULL;
    Py_INCREF(array);
    PyObject *found = PyObject_GetItem(array, index);
    Py_DECREF(array);
    if (found != NULL && PyArray_CheckExact(found))
        result = part_of(self, root, index, found, m, &s);
    Py_XDECREF(found);
    return result;
}

/* What was chosen of an array, whose axes may be in another order (indexing._as_picked); takes it over. */
static PyObject *as_picked(PyObject *found) {
    PyObject *result = PyArray_CheckExact(found) ? wrapped_view(found, 0) : Py_NewRef(found);
    PyObject *held = result != NULL || PyErr_Occurred() ? NULL : PyList_New(1);
    if (held == NULL) {
        Py_DECREF(found);
        return result;
    }
    PyList_SET_ITEM(held, 0, found);   /* that has it alone, for those who hold it are counted */
    result = PyObject_CallOneArg(picked, held);
    Py_DECREF(held);
    return result;
}

enum { LEAST_MASK = 1 << 11 };   /* elements from which on Python has quicker ways to choose by a mask (masking.LEAST) */

/* The bytes up to which NumPy is to choose by a mask from an array of so many. */
static Py_ssize_t most_of_mask(Py_ssize_t bytes, Py_ssize_t small) {
    return bytes <= small ? small : most_awaited() > small ? PY_SSIZE_T_MAX : LEAST_MASK - 1;
}

/* What arrays of indices, or a small mask, choose of an array, now; NULL without an error where Python has to do it. */
static PyObject *chosen(PyObject *self, PyObject *index) {
    Py_ssize_t most = small_bytes();
    PyObject *array = watched() || most == 0 || Py_TYPE(self) != tensor_type ? NULL : array_at_hand(self, PY_SSIZE_T_MAX);
    PyObject *places = NULL, *found = NULL, *result = NULL;
    if (array != NULL && has_no_wait(index) == 0)
        places = index_at_hand(index, most_of_mask(PyArray_NBYTES((PyArrayObject *)array), most));
    if (places != NULL && is_users_line()) {
        long long began = work_begins();
        found = PyObject_GetItem(array, places);
        note_work(began);
    }
    if (found != NULL)
        result = as_picked(found);
    Py_XDECREF(array);
    Py_XDECREF(places);
    return result;
}

/* NULL without an error where Python has to do it. */
static PyObject *quick_getitem(PyObject *self, PyObject *index) {
    PyObject *node = slot_or_none(self, T._value), *array, *found, *result;
    if (Py_TYPE(self) != tensor_type)
        return NULL;
    if (!is_basic(index)) {
        PyObject *plain = plain_index(index);
        if (plain == NULL)
            return PyErr_Occurred() ? NULL : chosen(self, index);
        result = quick_getitem(self, plain);
        Py_DECREF(plain);
        return result;
    }
    if (Py_TYPE(node) == view_type)
        return part_of_view(self, index);
    if (Py_TYPE(node) != node_type || slot_or_none(self, T._state) != Py_None)
        return NULL;
    Signature s;
    Met *m = place_of(node, index, &s);
    if (m != NULL && is_met(m, node, &s))
        return part_met(self, self, m);
    array = slot_or_none(node, N.buffer);
    if (array == Py_None || watched()) {  /* no element is to be looked at */
        if (!gives_array(index, PyTuple_GET_SIZE(slot_or_none(node, N.shape))))
            return my_watcher() != NULL ? pending_element(node, index) : watched() ? NULL : element_of(self, index);
        if ((array = geometry_of(node)) == NULL)
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
    result = part_of(self, self, index, found, m, &s);
    Py_DECREF(found);
    return result;
}

PyObject *getter_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names) {
    PyObject *result = NULL;
    if (names == NULL && PyVectorcall_NARGS(nargsf) == 2)
        result = quick_getitem(args[0], args[1]);
    return or_slow(result, (Method *)self, args, nargsf, names);
}
