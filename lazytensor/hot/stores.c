/* ``self[index] = value`` of a root with basic indices (api/indexing.setitem). */
#include "hot.h"
#include <math.h>

/* ---- what is written ------------------------------------------------------------------------------------------------ */

/* Whether it is certain that NumPy does not warn when it stores a number (indexing._goes_in_silently). */
int goes_in_silently(PyObject *value, PyObject *dtype) {
    int number = ((PyArray_Descr *)dtype)->type_num;
    if (Py_TYPE(value) == ((PyArray_Descr *)dtype)->typeobj && (PyTypeNum_ISNUMBER(number) || PyTypeNum_ISBOOL(number)))
        return 1;
    if (PyBool_Check(value) || PyLong_CheckExact(value)) {
        if (PyTypeNum_ISINTEGER(number) || PyTypeNum_ISBOOL(number))
            return 1;
    } else if (!PyFloat_CheckExact(value))
        return 0;
    else if (number == NPY_DOUBLE)
        return 1;
    if (number != NPY_FLOAT && number != NPY_DOUBLE && number != NPY_CFLOAT && number != NPY_CDOUBLE)
        return 0;
    double size = fabs(PyFloat_AsDouble(value));
    if (PyErr_Occurred()) {  /* an int too large for a float */
        PyErr_Clear();
        return 0;
    }
    return size == 0 || (1e-30 < size && size < 1e30);
}

/* A number as a node without axes of that dtype (indexing._element_value). */
static PyObject *number_node(PyObject *value, PyObject *dtype) {
    Py_INCREF(dtype);
    PyObject *cell = PyArray_NewFromDescr(&PyArray_Type, (PyArray_Descr *)dtype, 0, NULL, NULL, NULL, 0, NULL);
    if (cell == NULL || PyArray_SETITEM((PyArrayObject *)cell, PyArray_BYTES((PyArrayObject *)cell), value) < 0) {
        Py_XDECREF(cell);
        return NULL;
    }
    PyObject *node = made_node(leaf_operation, empty_tuple, Py_None, empty_tuple, dtype, Py_None, Py_None, 0, Py_None);
    if (node == NULL)
        Py_DECREF(cell);
    else
        put_owned(node, N.buffer, cell);
    return node;
}

static int has_shape(int nd, const npy_intp *lengths, PyObject *shape) {
    if (nd != PyTuple_GET_SIZE(shape))
        return 0;
    for (int i = 0; i < nd; i++)
        if (lengths[i] != ssize_of(PyTuple_GET_ITEM(shape, i)))
            return 0;
    return 1;
}

/* Whether the index is of a part whose shape a value has (NULL: any number goes everywhere). 1, 0, or -1: NumPy's error. */
static int fits(PyObject *node, PyObject *index, PyObject *shape) {
    PyObject *array = slot_or_none(node, N.buffer);
    if (shape == NULL || PyTuple_GET_SIZE(shape) == 0) {
        if (is_element(index, slot_or_none(node, N.shape)))
            return 1;
        if (shape != NULL)
            return 0;
    }
    if (!gives_array(index, PyTuple_GET_SIZE(slot_or_none(node, N.shape))))
        return 0;
    if (array == Py_None && (array = geometry_of(node)) == NULL)
        return PyErr_Occurred() ? -1 : 0;
    if (!PyArray_CheckExact(array))
        return 0;
    Box box;
    if (box_of(&box, array) && box_step(&box, index))   /* as most parts are: no array is made of it */
        return shape == NULL || has_shape(box.nd, box.shape, shape);
    Py_INCREF(array);
    PyObject *target = PyObject_GetItem(array, index);
    Py_DECREF(array);
    if (target == NULL)
        return -1;
    int found = PyArray_Check(target) && (shape == NULL || has_shape(PyArray_NDIM((PyArrayObject *)target),
                                                                       PyArray_DIMS((PyArrayObject *)target), shape));
    Py_DECREF(target);
    return found;
}

/* The node of the value, a new reference, if it is of the root's dtype and fits; NULL without an error where Python has
 * to look. */
static PyObject *value_node(PyObject *node, PyObject *index, PyObject *value) {
    PyObject *dtype = slot_or_none(node, N.dtype), *made = NULL;
    if (Py_TYPE(value) == tensor_type)
        made = node_of(value);
    else if (PyType_IsSubtype(Py_TYPE(value), scalar_type))
        made = Py_NewRef(slot_or_none(value, S._node));
    else
        return goes_in_silently(value, dtype) && fits(node, index, NULL) == 1 ? number_node(value, dtype) : NULL;
    if (made != NULL && (Py_TYPE(made) != node_type || slot_or_none(made, N.dtype) != dtype
                         || depth_of(made) >= AT_ONCE - 1 || fits(node, index, slot_or_none(made, N.shape)) != 1))
        Py_CLEAR(made);
    return made;
}

/* ---- now ------------------------------------------------------------------------------------------------------------ */

/* Whether nobody uses the memory of an array but those who hold so many references to it (run/pool.sole). */
int sole(PyObject *buffer, Py_ssize_t references) {
    if (Py_REFCNT(buffer) != references)
        return 0;
    PyObject *base = PyArray_BASE((PyArrayObject *)buffer);
    if (base == NULL)
        return 1;
    if (!PyArray_CheckExact(base) || PyArray_BASE((PyArrayObject *)base) != NULL)
        return 0;
    PyObject *identity = PyLong_FromVoidPtr(base);
    int block = identity == NULL ? -1 : PySet_Contains(pool_ids, identity);
    Py_XDECREF(identity);
    return block >= 0 && Py_REFCNT(base) == 1 + block;
}

/* Whether nobody but a root holds its node and the memory (handle.alone). */
static int alone(PyObject *node, PyObject *buffer) {
    return Py_REFCNT(node) == 1 && sole(buffer, 1);
}

/* Writes a number to the memory of a realized root whose present value no pending work reads. 1: done; 0: it is not so. */
static int write_now(PyObject *root, PyObject *index, PyObject *value) {
    PyObject *node = slot_or_none(root, T._value), *buffer = slot_or_none(node, N.buffer);
    if (Py_TYPE(node) != node_type || slot_or_none(root, T._state) != Py_None || !PyArray_CheckExact(buffer)
        || !alone(node, buffer))
        return 0;
    Py_INCREF(buffer);
    int failed = PyObject_SetItem(buffer, index, value);
    Py_DECREF(buffer);
    return failed < 0 ? -1 : 1;
}

/* The same, under the root's lock. -1 for an error. */
static int write_locked(PyObject *root, PyObject *index, PyObject *value) {
    PyObject *lock = Py_NewRef(lock_of(root));
    int done = take_lock(lock);
    if (done == 0) {
        done = write_now(root, index, value);
        if (give_lock(lock) < 0)
            done = -1;
    }
    Py_DECREF(lock);
    return done;
}

/* ---- later ---------------------------------------------------------------------------------------------------------- */

/* Gives a root the node of a store into its present value, under its lock. 1: done; 0: Python has to do it. */
static int store(PyObject *root, PyObject *index, PyObject *value, PyObject *capsule, PyObject **made) {
    PyObject *old = slot_or_none(root, T._value), *frame = (PyObject *)PyEval_GetFrame();
    if (Py_TYPE(old) != node_type || slot_or_none(root, T._state) != Py_None)
        return 0;
    Py_ssize_t deepest = depth_of(old), other = depth_of(value);
    PyObject *inputs = PyTuple_Pack(2, old, value), *extra = PyTuple_Pack(1, index);
    PyObject *attrs = extra == NULL ? NULL : PyTuple_Pack(2, empty_tuple, extra);
    *made = inputs == NULL || attrs == NULL ? NULL
        : made_node(store_operation, inputs, attrs, slot_or_none(old, N.shape), slot_or_none(old, N.dtype),
                    slot_or_none(old, N.strides), capsule, 1 + (other > deepest ? other : deepest),
                    frame == NULL ? Py_None : frame);
    Py_XDECREF(inputs);
    Py_XDECREF(extra);
    Py_XDECREF(attrs);
    if (*made == NULL)
        return -1;
    put(root, T._value, *made);
    return 1;
}

/* The store of a node, pending. 1: done; 0: Python has to do it. */
static int store_later(PyObject *root, PyObject *index, PyObject *value) {
    PyObject *capsule = NULL, *node = NULL;
    int done = may_be_pending(&capsule);
    if (done == 1 && tell_of_write(root) < 0)
        done = -1;
    PyObject *lock = Py_NewRef(lock_of(root));
    if (done == 1 && (done = take_lock(lock) < 0 ? -1 : 1) == 1) {
        done = store(root, index, value, capsule, &node);
        if (give_lock(lock) < 0)
            done = -1;
    }
    Py_DECREF(lock);
    Py_XDECREF(capsule);
    if (done == 1 && (depth_of(value) == 0 || depth_of(node) > ssize_of(slot_or_none(current, C.depth)))
        && bound_node(node) < 0)
        done = -1;
    Py_XDECREF(node);
    return done;
}

/* ---- the method ----------------------------------------------------------------------------------------------------- */

/* Whether the value is the very part that is assigned to, as after ``a[index] += 1`` (indexing._is_itself), of an array that
 * may be written to. */
static int is_itself(PyObject *root, PyObject *index, PyObject *value) {
    PyObject *view = Py_TYPE(value) == tensor_type ? slot_or_none(value, T._value) : Py_None;
    if (Py_TYPE(view) != view_type || slot_or_none(view, V.root) != root || slot_or_none(root, T._state) != Py_None
        || !is_current(view, slot_or_none(root, T._value)))
        return 0;
    PyObject *steps = slot_or_none(view, V.steps), *step = PyTuple_GET_SIZE(steps) == 1 ? PyTuple_GET_ITEM(steps, 0) : NULL;
    return step != NULL && PyTuple_GET_ITEM(step, 0) == getitem_function
        && is_same_index(PyTuple_GET_ITEM(PyTuple_GET_ITEM(step, 1), 0), index);
}

/* Writes a number or a small array to the places that an array of indices, or a mask, gives of a small array whose
 * present value no pending work reads. 1: done; 0: it is not so; -1: an error. */
static int scatter_now(PyObject *self, PyObject *index, PyObject *value) {
    PyObject *places = small_array(self) == NULL ? NULL : small_array(index), *values = value;
    if (Py_TYPE(value) == tensor_type)
        values = small_array(value);
    else if (!PyFloat_CheckExact(value) && !PyLong_CheckExact(value) && !PyBool_Check(value))
        return 0;
    if (places == NULL || values == NULL || !is_users_line())
        return 0;
    Py_INCREF(places);
    Py_INCREF(values);
    int done = write_locked(self, places, values);
    Py_DECREF(places);
    Py_DECREF(values);
    return done;
}

/* 1: done; 0: Python has to do it; -1: an error. */
static int quick_setitem(PyObject *self, PyObject *index, PyObject *value) {
    PyObject *node = slot_or_none(self, T._value);
    if (Py_TYPE(self) == tensor_type && (Py_TYPE(value) == tensor_type || !is_basic(index))) {
        if (is_basic(index) && is_itself(self, index, value))
            return 1;
        int done = store_at_once(self, index, value);
        if (done == 0)
            done = fill_at_once(self, index, value);
        if (done != 0)
            return done;
    }
    if (Py_TYPE(index) == tensor_type)
        return scatter_now(self, index, value);
    if (Py_TYPE(self) != tensor_type || Py_TYPE(node) != node_type || slot_or_none(self, T._state) != Py_None
        || PyDataType_REFCHK((PyArray_Descr *)slot_or_none(node, N.dtype)) || !is_basic(index))
        return 0;
    if (is_itself(self, index, value))
        return 1;
    if (slot_or_none(node, N.buffer) != Py_None && my_watcher() == NULL
        && goes_in_silently(value, slot_or_none(node, N.dtype))) {
        /* NumPy lets no other thread run while it writes one element */
        int alone = is_element(index, slot_or_none(node, N.shape));
        int done = alone ? write_now(self, index, value) : write_locked(self, index, value);
        if (done != 0)
            return done;
        node = slot_or_none(self, T._value);
        if (Py_TYPE(node) != node_type)
            return 0;
    }
    Py_INCREF(node);
    PyObject *given = value_node(node, index, value);
    Py_DECREF(node);
    if (given == NULL)
        return PyErr_Occurred() ? -1 : 0;
    int done = store_later(self, index, given);
    Py_DECREF(given);
    return done;
}

PyObject *setter_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names) {
    if (names == NULL && PyVectorcall_NARGS(nargsf) == 3) {
        PyObject *index = args[1], *plain = NULL;
        if (Py_TYPE(args[0]) == tensor_type && !is_basic(index) && (plain = plain_index(index)) == NULL && PyErr_Occurred())
            return NULL;
        int done = quick_setitem(args[0], plain == NULL ? index : plain, args[2]);
        Py_XDECREF(plain);
        if (done != 0)
            return done < 0 ? NULL : Py_NewRef(Py_None);
    }
    return PyObject_Vectorcall(((Method *)self)->slow, args, nargsf, names);
}
