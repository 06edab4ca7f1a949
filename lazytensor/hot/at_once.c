/* Operators on small arrays that run when they are written, from lines whose results have been asked for one by one.
 *
 * To write an operation down and to run it later costs three times NumPy's own call on ten elements, unless several
 * become one kernel. So runs of small arrays are counted for the lines that wrote their operations: up where the run was
 * shorter than what a kernel pays for, down where it was longer. An operation of a line that has come up to
 * ``config(eager_after=)`` and whose operands are there is NumPy's operator on the arrays as they are. So its errors and
 * warnings are NumPy's, on that line.
 */
#include "hot.h"

enum { SITES = 1 << 12, LONGEST = 16, WORTH = 3, PENALTY = 4 };

/* An instruction of a program. The code object is compared and never looked into: it may have been freed. */
typedef struct {
    PyCodeObject *code;
    int lasti, score;
} Site;

static Site sites[SITES];
static Py_ssize_t eager_after = -1;   /* -1: never */

static Site *site_of(PyCodeObject *code, int lasti) {
    size_t print = ((size_t)code >> 4 ^ (size_t)lasti * 0x9E3779B1u) * 0x9E3779B97F4A7C15ull;
    return &sites[print >> 40 & (SITES - 1)];
}

/* eager_after(n): from how many short runs on lines compute at once; None for never. What was counted is forgotten. */
PyObject *hot_eager_after(PyObject *self, PyObject *limit) {
    Py_ssize_t given = limit == Py_None ? -1 : PyLong_AsSsize_t(limit);
    if (given == -1 && PyErr_Occurred())
        return NULL;
    eager_after = given < INT_MAX / 2 ? given : -1;
    memset(sites, 0, sizeof sites);
    Py_RETURN_NONE;
}

/* ---- which lines ------------------------------------------------------------------------------------------------------ */

static Py_ssize_t small_bytes(void) {
    Py_ssize_t most = PyLong_AsSsize_t(slot_or_none(current, C.small));
    if (most < 0)
        PyErr_Clear();   /* more bytes than a machine word holds */
    return most < 0 ? PY_SSIZE_T_MAX : most;
}

static void count(PyObject *node, int up) {
    PyObject *code = slot_or_none(node, N.code), *lasti = slot_or_none(node, N.lasti);
    if (!PyCode_Check(code) || !PyLong_CheckExact(lasti))
        return;
    int at = (int)PyLong_AsLong(lasti);
    Site *site = site_of((PyCodeObject *)code, at);
    if (site->code != (PyCodeObject *)code || site->lasti != at)
        *site = (Site){(PyCodeObject *)code, at, 0};
    if (up)
        site->score += site->score < eager_after;
    else
        site->score = site->score > PENALTY ? site->score - PENALTY : 0;
}

/* Nodes are about to run together: counts it for their lines, if all are small. */
void count_run(PyObject *nodes) {
    Py_ssize_t n = PyList_GET_SIZE(nodes), fusible = 0, most;
    if (eager_after <= 0 || n > LONGEST)
        return;
    most = small_bytes();
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *node = PyList_GET_ITEM(nodes, i), *a = slot_or_none(node, N.a);
        if (bytes_of(node) > most || (Py_TYPE(a) == node_type && bytes_of(a) > most))
            return;
        fusible += slot_or_none(slot_or_none(node, N.op), O.kind) == text_elementwise;
    }
    int is_short = fusible < WORTH + (n - fusible) / 2;
    for (Py_ssize_t i = 0; i < n; i++)
        count(PyList_GET_ITEM(nodes, i), is_short);
}

/* Whether the operation that is being written is to run at once. */
int runs_at_once(void) {
    if (eager_after < 0 || watched() || held_up == Py_True || slot_or_none(current, C.debug) == Py_True)
        return 0;
    if (eager_after == 0)
        return is_users_line();
    PyFrameObject *frame = PyEval_GetFrame();
    if (frame == NULL)
        return 0;
    PyCodeObject *code = PyFrame_GetCode(frame);
    int lasti = PyFrame_GetLasti(frame);
    Site *site = site_of(code, lasti);
    Py_DECREF(code);
    return site->score >= eager_after && site->code == code && site->lasti == lasti && is_users_line();
}

/* ---- operands --------------------------------------------------------------------------------------------------------- */

static int is_plain(PyObject *array, Py_ssize_t most) {
    int number = PyArray_DESCR((PyArrayObject *)array)->type_num;
    return (PyTypeNum_ISNUMBER(number) || PyTypeNum_ISBOOL(number)) && PyArray_NBYTES((PyArrayObject *)array) <= most
        && PyArray_ISNBO(PyArray_DESCR((PyArrayObject *)array)->byteorder);
}

/* The realized root whose memory a Tensor has, itself or its view's, borrowed; NULL where Python has to look. */
static PyObject *realized_root(PyObject *tensor) {
    PyObject *root = root_of(tensor), *node = root == NULL ? Py_None : slot_or_none(root, T._value);
    return root != NULL && PyArray_CheckExact(slot_or_none(node, N.buffer)) ? root : NULL;
}

/* The array of a Tensor that is there and small, a new reference; NULL where it is not so, without an error. */
PyObject *array_at_hand(PyObject *tensor, Py_ssize_t most) {
    PyObject *root = realized_root(tensor), *array;
    if (root == NULL)
        return NULL;
    array = slot_or_none(slot_or_none(root, T._value), N.buffer);
    if (root == tensor)
        Py_INCREF(array);
    else if ((array = apply_steps(slot_or_none(slot_or_none(tensor, T._value), V.steps), array)) == NULL)
        PyErr_Clear();
    if (array != NULL && (!PyArray_CheckExact(array) || !is_plain(array, most)))
        Py_CLEAR(array);
    return array;
}

/* What stands for an operand, a new reference; NULL without an error where Python has to look. */
static PyObject *at_hand(PyObject *x, Py_ssize_t most) {
    PyTypeObject *type = Py_TYPE(x);
    if (type == tensor_type)
        return array_at_hand(x, most);
    if (type == &PyFloat_Type || type == &PyLong_Type || type == &PyBool_Type || type == &PyComplex_Type)
        return Py_NewRef(x);
    if (PyType_IsSubtype(type, scalar_type)) {
        PyObject *value = slot_or_none(slot_or_none(x, S._node), N.buffer);
        return PyArray_IsScalar(value, Number) || PyArray_IsScalar(value, Bool) ? Py_NewRef(value) : NULL;
    }
    return !PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE) && (PyArray_IsScalar(x, Number) || PyArray_IsScalar(x, Bool))
        ? Py_NewRef(x) : NULL;
}

static int has_axes(PyObject *x) {
    return PyArray_CheckExact(x) && PyArray_NDIM((PyArrayObject *)x) > 0;
}

/* ---- results ---------------------------------------------------------------------------------------------------------- */

/* A Tensor of an array, with that shape and strides, which nobody else holds. */
static PyObject *tensor_of(PyObject *array, PyObject *shape, PyObject *strides) {
    PyObject *node = node_type->tp_alloc(node_type, 0), *made = NULL;
    if (node == NULL)
        return NULL;
    SLOT(node, N.op) = Py_NewRef(leaf_operation);
    SLOT(node, N.a) = Py_NewRef(Py_None);
    SLOT(node, N.b) = Py_NewRef(Py_None);
    SLOT(node, N.rest) = Py_NewRef(empty_tuple);
    SLOT(node, N.attrs) = Py_NewRef(Py_None);
    SLOT(node, N.shape) = Py_NewRef(shape);
    SLOT(node, N.dtype) = Py_NewRef((PyObject *)PyArray_DESCR((PyArrayObject *)array));
    SLOT(node, N.strides) = Py_NewRef(strides);
    SLOT(node, N.code) = Py_NewRef(Py_None);
    SLOT(node, N.lasti) = PyLong_FromLong(-1);
    SLOT(node, N.errstate) = Py_NewRef(Py_None);
    SLOT(node, N.depth) = Py_NewRef(zero);
    SLOT(node, N.seq) = tick();
    SLOT(node, N.buffer) = Py_NewRef(array);
    SLOT(node, N.claim) = Py_NewRef(Py_None);
    if (SLOT(node, N.seq) != NULL)
        made = new_tensor(node);
    Py_DECREF(node);
    return made;
}

/* Whether a new array has the lengths that a tuple says, and lies in C order. */
static int is_like(PyArrayObject *array, PyObject *shape) {
    npy_intp expected = PyArray_ITEMSIZE(array);
    int n = PyArray_NDIM(array);
    if (n != PyTuple_GET_SIZE(shape))
        return 0;
    for (int i = n - 1; i >= 0; i--) {
        PyObject *length = PyTuple_GET_ITEM(shape, i);
        if (PyArray_STRIDE(array, i) != expected || PyLong_AsSsize_t(length) != PyArray_DIM(array, i))
            return 0;
        expected *= PyArray_DIM(array, i);
    }
    return 1;
}

/* The result of an operation on `operand` as the user's, which it takes over; NULL without an error where Python has to
 * do it again. */
static PyObject *given_out(PyObject *result, PyObject *operand) {
    PyObject *made = NULL, *value = Py_TYPE(operand) == tensor_type ? slot_or_none(operand, T._value) : Py_None;
    if (result == NULL)
        return NULL;
    if (Py_TYPE(value) == node_type && PyArray_CheckExact(result) && PyArray_BASE((PyArrayObject *)result) == NULL
        && Py_REFCNT(result) == 1 && is_like((PyArrayObject *)result, slot_or_none(value, N.shape)))
        made = tensor_of(result, slot_or_none(value, N.shape), Py_None);
    else if (PyArray_CheckExact(result))
        made = wrapped(result);
    Py_DECREF(result);
    return made;
}

/* ``left <op> right`` by the operator of NumPy's arrays. 1: done, `result` NULL for an error; 0: it is to be written. */
int binary_at_once(binaryfunc fn, PyObject *left, PyObject *right, PyObject **result) {
    if (eager_after < 0)
        return 0;
    Py_ssize_t most = small_bytes();
    PyObject *a = at_hand(left, most), *b = a == NULL ? NULL : at_hand(right, most);
    int now = b != NULL && (has_axes(a) || has_axes(b)) && runs_at_once();
    if (now) {
        *result = given_out(fn(a, b), Py_TYPE(left) == tensor_type ? left : right);
        now = *result != NULL || PyErr_Occurred();
    }
    Py_XDECREF(a);
    Py_XDECREF(b);
    return now;
}

int compare_at_once(PyObject *left, PyObject *right, int which, PyObject **result) {
    if (eager_after < 0)
        return 0;
    Py_ssize_t most = small_bytes();
    PyObject *a = at_hand(left, most), *b = a == NULL ? NULL : at_hand(right, most);
    int now = b != NULL && has_axes(a) && runs_at_once();
    if (now) {
        *result = given_out(PyArray_Type.tp_richcompare(a, b, which), left);
        now = *result != NULL || PyErr_Occurred();
    }
    Py_XDECREF(a);
    Py_XDECREF(b);
    return now;
}

int power_at_once(PyObject *left, PyObject *right, PyObject **result) {
    if (eager_after < 0)
        return 0;
    Py_ssize_t most = small_bytes();
    PyObject *a = at_hand(left, most), *b = a == NULL ? NULL : at_hand(right, most);
    int now = b != NULL && (has_axes(a) || has_axes(b)) && runs_at_once();
    if (now) {
        *result = given_out(PyArray_Type.tp_as_number->nb_power(a, b, Py_None), left);
        now = *result != NULL || PyErr_Occurred();
    }
    Py_XDECREF(a);
    Py_XDECREF(b);
    return now;
}

int unary_at_once(unaryfunc fn, PyObject *operand, PyObject **result) {
    if (eager_after < 0)
        return 0;
    PyObject *a = array_at_hand(operand, small_bytes());
    int now = a != NULL && has_axes(a) && runs_at_once();
    if (now) {
        *result = given_out(fn(a), operand);
        now = *result != NULL || PyErr_Occurred();
    }
    Py_XDECREF(a);
    return now;
}

/* ---- in place --------------------------------------------------------------------------------------------------------- */

/* The memory of a Tensor that may be written to at once, as no pending work reads it (handle.own_memory): a new reference;
 * NULL without an error where it is not so. */
PyObject *memory_at_hand(PyObject *tensor, Py_ssize_t most) {
    PyObject *root = realized_root(tensor), *node = root == NULL ? NULL : slot_or_none(root, T._value);
    if (node == NULL || Py_REFCNT(node) != 1 || !sole(slot_or_none(node, N.buffer), 1)
        || (root != tensor && slot_or_none(slot_or_none(tensor, T._value), V.writeable) != Py_True))
        return NULL;
    PyObject *memory = array_at_hand(tensor, most);
    if (memory != NULL && !PyArray_ISWRITEABLE((PyArrayObject *)memory))
        Py_CLEAR(memory);
    return memory;
}

/* ``self <op>= other`` by the operator of NumPy's arrays. 1: done, `result` NULL for an error; 0: it is to be written. */
int in_place_at_once(binaryfunc fn, PyObject *self, PyObject *other, PyObject **result) {
    if (eager_after < 0 || Py_TYPE(self) != tensor_type)
        return 0;
    Py_ssize_t most = small_bytes();
    PyObject *memory = memory_at_hand(self, most), *b = memory == NULL ? NULL : at_hand(other, most);
    int now = b != NULL && runs_at_once();
    if (now) {
        PyObject *done = fn(memory, b);
        now = done == NULL || done == memory;
        *result = done == NULL ? NULL : Py_NewRef(self);
        Py_XDECREF(done);
    }
    Py_XDECREF(memory);
    Py_XDECREF(b);
    return now;
}
