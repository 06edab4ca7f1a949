/* The hot paths of api/operators.py and of plain ufunc calls in C: arrays of one shape whose result is C-ordered. */
#include "hot.h"
#include <math.h>
#include <pythread.h>


static Py_ssize_t ticks;

Py_ssize_t next_tick(void) {
    return ++ticks;
}

PyObject *tick(void) {
    return PyLong_FromSsize_t(next_tick());
}

PyObject *hot_tick(PyObject *self, PyObject *unused) {
    return tick();
}

/* ---- what an operation asks before it is written -------------------------------------------------------------------- */

/* What `warnings` has for its filters and its function that shows a warning, borrowed: looked up when its dict is another
 * than at the last look. */
static void warning_state(PyObject **filters, PyObject **show) {
    static PyObject *filters_name, *show_name, *known_filters, *known_show;
    if (filters_name == NULL) {
        filters_name = PyUnicode_InternFromString("filters");
        show_name = PyUnicode_InternFromString("_showwarnmsg_impl");
    }
#if PY_VERSION_HEX < 0x030C0000
    static uint64_t version;
    if (((PyDictObject *)warnings_dict)->ma_version_tag != version) {
#else
    {
#endif
        known_filters = PyDict_GetItemWithError(warnings_dict, filters_name);
        known_show = PyDict_GetItemWithError(warnings_dict, show_name);
    }
#if PY_VERSION_HEX < 0x030C0000
    version = ((PyDictObject *)warnings_dict)->ma_version_tag;
#endif
    *filters = known_filters;
    *show = known_show;
}

/* Whether floating-point errors may wait, quickly: error state and warning filters are as at the last look
 * (run/floating.unchanged). 1, 0, or -1 for an error. `capsule` is the error state in force, a new reference. */
int may_be_pending(PyObject **capsule) {
    if (PyContextVar_Get(extobj, NULL, capsule) < 0)
        return -1;
    if (*capsule == SLOT(watch, W.capsule)) {
        PyObject *filters, *show, *known = SLOT(watch, W.filters);
        warning_state(&filters, &show);
        if (show == SLOT(watch, W.show) && filters != NULL && known != NULL) {
            int same = filters == known;
            if (!same && PyList_CheckExact(filters) && PyList_CheckExact(known)
                && PyList_GET_SIZE(filters) == PyList_GET_SIZE(known)) {
                size_t bytes = PyList_GET_SIZE(known) * sizeof(PyObject *);
                same = memcmp(((PyListObject *)filters)->ob_item, ((PyListObject *)known)->ob_item, bytes) == 0;
            }
            if (same)
                return 1;
        }
    }
    PyErr_Clear();
    PyObject *answer = PyObject_CallNoArgs(may_wait);
    if (answer == NULL)
        return -1;
    int may = answer != Py_False;
    Py_DECREF(answer);
    return may;
}

enum { LARGE = 1 << 20, PINS_SMALL = 1 << 12 };

Py_ssize_t depth_of(PyObject *node) {
    return DEPTH(node);
}

/* Whether a realized operand is so large that memory that it pins is counted (run/pins.py). */
static int is_large(PyObject *node) {
    PyObject *buffer = slot_or_none(node, N.buffer);
    if (buffer == Py_None) {
        PyObject *base = slot_or_none(node, N.a);
        buffer = Py_TYPE(base) == node_type ? slot_or_none(base, N.buffer) : Py_None;
    }
    return PyArray_Check(buffer) && PyArray_NBYTES((PyArrayObject *)buffer) >= LARGE;
}

/* Bytes of realized memory that a new node keeps alive through one operand, or that pending ones would (build.bound). */
static Py_ssize_t pinned_by(PyObject *x, Py_ssize_t own) {
    if (Py_TYPE(x) != node_type)
        return 0;
    if (DEPTH(x) != 0) {
        Py_ssize_t size = bytes_of(x);
        return size >= PINS_SMALL && size > own ? size : 0;
    }
    PyObject *buffer = slot_or_none(x, N.buffer);
    if (buffer == Py_None) {
        PyObject *base = slot_or_none(x, N.a);
        buffer = Py_TYPE(base) == node_type ? slot_or_none(base, N.buffer) : Py_None;
    }
    if (!PyArray_CheckExact(buffer))
        return 0;
    Py_ssize_t size = PyArray_NBYTES((PyArrayObject *)buffer);
    return size >= LARGE || (size >= PINS_SMALL && size > 4 * own) ? size : 0;
}

/* Notes a new node that reads large memory (run/pins.note), and lets Python run what pins too much or is too deep
 * (build.bound). -1 for an error. */
int bound_node(PyObject *node) {
    if (depth_of(node) <= ssize_of(slot_or_none(current, C.depth))) {
        Py_ssize_t own = bytes_of(node), pinned;
        PyObject *watcher = my_watcher();
        if (watcher != NULL && SLOT(watcher, H.waits) == Py_True)
            return 0;  /* it holds what its nodes read */
        PyObject *rest = slot_or_none(node, N.rest);
        pinned = pinned_by(slot_or_none(node, N.a), own) + pinned_by(slot_or_none(node, N.b), own);
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(rest); i++)
            pinned += pinned_by(PyTuple_GET_ITEM(rest, i), own);
        if (pinned == 0)
            return 0;
        if (pinned <= ssize_of(slot_or_none(current, C.pinned)) / 4 - pins_since()) {
            pins_note(node, pinned);
            return 0;
        }
    }
    PyErr_Clear();  /* a limit beyond what a machine word holds: Python counts */
    PyObject *done = PyObject_CallOneArg(bound_check, node);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* ---- watchers -------------------------------------------------------------------------------------------------------- */

PyObject *this_threads_watcher(void) {
    unsigned long ident = PyThread_get_thread_ident();
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(watchers); i++) {
        PyObject *watcher = PyList_GET_ITEM(watchers, i);
        if (PyObject_TypeCheck(watcher, watcher_type)
            && PyLong_AsUnsignedLong(slot_or_none(watcher, H.ident)) == ident)
            return watcher;
    }
    return NULL;
}

int tell_of_write(PyObject *root) {
    PyObject *watcher = my_watcher(), *node = slot_or_none(root, T._value);
    if (watcher == NULL)
        return 0;
    if (Py_TYPE(node) == node_type && SEQ(node) > PyLong_AsLongLong(slot_or_none(watcher, H.start)))
        return 0;  /* it has been told */
    PyObject *told = PyObject_CallMethod(watcher, "writes", "O", root);
    Py_XDECREF(told);
    return told == NULL ? -1 : 0;
}

/* ---- operands ------------------------------------------------------------------------------------------------------- */

/* A Tensor of a node or view. */
PyObject *new_tensor(PyObject *value) {
    PyObject *made = tensor_type->tp_alloc(tensor_type, 0);
    if (made != NULL) {
        SLOT(made, T._value) = Py_NewRef(value);
        SLOT(made, T._state) = Py_NewRef(Py_None);
    }
    return made;
}

/* A lazy scalar of a node without axes. */
PyObject *new_scalar(PyTypeObject *type, PyObject *node) {
    PyObject *made = type->tp_alloc(type, 0);
    if (made != NULL)
        SLOT(made, S._node) = Py_NewRef(node);
    return made;
}

static PyObject *new_node(void) {
    return node_type->tp_alloc(node_type, 0);
}

/* A view's node on its root's present value (api/handle.read); NULL without an error where Python has to look. */
static PyObject *view_node(PyObject *view) {
    PyObject *root = slot_or_none(view, V.root);
    if (Py_TYPE(root) != tensor_type || slot_or_none(root, T._state) != Py_None)
        return NULL;
    PyObject *node = slot_or_none(root, T._value);
    if (Py_TYPE(node) != node_type || slot_or_none(view, V.of) != slot_or_none(node, N.shape))
        return NULL;
    PyObject *made = new_node();
    if (made == NULL)
        return NULL;
    SLOT(made, N.op) = Py_NewRef(view_operation);
    SLOT(made, N.a) = Py_NewRef(node);
    SLOT(made, N.b) = Py_NewRef(Py_None);
    SLOT(made, N.rest) = Py_NewRef(empty_tuple);
    SLOT(made, N.attrs) = Py_NewRef(slot_or_none(view, V.steps));
    SLOT(made, N.shape) = Py_NewRef(slot_or_none(view, V.shape));
    SLOT(made, N.dtype) = Py_NewRef(slot_or_none(view, V.dtype));
    SLOT(made, N.strides) = Py_NewRef(slot_or_none(view, V.strides));
    SLOT(made, N.code) = Py_NewRef(Py_None);
    LASTI(made) = -1;
    SLOT(made, N.errstate) = Py_NewRef(Py_None);
    DEPTH(made) = DEPTH(node);
    SLOT(made, N.buffer) = Py_NewRef(Py_None);
    SLOT(made, N.claim) = Py_NewRef(Py_None);
    return made;
}

/* The node of a Tensor's value, a new reference; NULL without an error where Python has to look. */
PyObject *node_of(PyObject *tensor) {
    PyObject *value = slot_or_none(tensor, T._value);
    if (Py_TYPE(value) == node_type)
        return slot_or_none(tensor, T._state) == Py_None ? Py_NewRef(value) : NULL;
    return Py_TYPE(value) == view_type ? view_node(value) : NULL;
}

/* What a lazy scalar holds, borrowed: its node; NULL for anything else. */
static PyObject *scalar_node(PyObject *x) {
    return PyType_IsSubtype(Py_TYPE(x), scalar_type) ? slot_or_none(x, S._node) : NULL;
}

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

/* Whether a shape is stretched to a larger one that has elements. */
static int stretches(PyObject *small, PyObject *large) {
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

int same_shape(PyObject *a, PyObject *b) {
    if (a == b)
        return 1;
    Py_ssize_t n = PyTuple_GET_SIZE(a);
    if (n != PyTuple_GET_SIZE(b))
        return 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *x = PyTuple_GET_ITEM(a, i), *y = PyTuple_GET_ITEM(b, i);
        if (x != y && ssize_of(x) != ssize_of(y))
            return 0;
    }
    return 1;
}

int same_strides(PyObject *a, PyObject *b) {
    return a == b || (a != Py_None && b != Py_None && same_shape(a, b));
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
static PyObject *c_ordered_shape(PyObject *a, PyObject *b) {
    PyObject *x = slot_or_none(a, N.shape), *y = slot_or_none(b, N.shape);
    if (same_shape(x, y))
        return gives_c_order(a) && gives_c_order(b) ? Py_NewRef(x) : NULL;
    if (stretches(y, x))
        return gives_c_order(a) && stretches_in_c_order(b) ? Py_NewRef(x) : NULL;
    if (stretches(x, y))
        return gives_c_order(b) && stretches_in_c_order(a) ? Py_NewRef(y) : NULL;
    return stretches_in_c_order(a) && stretches_in_c_order(b) ? both_stretched(x, y) : NULL;
}

/* What a table of dtypes (`UfuncRecord.fast`) has for a number, or for a kind that is no int; borrowed. Tables only grow: what
 * was found lately is kept by its address, with them. */
static PyObject *looked_up(PyObject *table, int number, PyObject *kind) {
    enum { FOUND = 512 };
    static struct { PyObject *table, *found; size_t key; } known[FOUND];
    size_t key = kind == NULL ? 2 * (size_t)number + 1 : (size_t)kind;
    size_t at = (((size_t)table >> 4) * 31 + key) * 0x9E3779B97F4A7C15ull >> 55;
    if (known[at].table == table && known[at].key == key)
        return known[at].found;
    PyObject *object = kind == NULL ? PyLong_FromLong(number) : Py_NewRef(kind);
    PyObject *found = object == NULL ? NULL : PyDict_GetItemWithError(table, object);
    Py_XDECREF(object);
    if (found != NULL) {
        PyObject *before = known[at].table, *gave = known[at].found;
        known[at].table = Py_NewRef(table);
        known[at].found = Py_NewRef(found);
        known[at].key = key;
        Py_XDECREF(before);
        Py_XDECREF(gave);
    }
    return found;
}

/* What a table has for a dtype; nothing for those of another byte order: a result may take it from a temporary. */
static PyObject *by_number(PyObject *table, PyObject *dtype) {
    int native = PyArray_ISNBO(((PyArray_Descr *)dtype)->byteorder);
    return native ? looked_up(table, ((PyArray_Descr *)dtype)->type_num, NULL) : NULL;
}

/* What it has for what stands for a number: a type, or the number of a dtype. */
static PyObject *by_kind(PyObject *table, PyObject *kind) {
    return PyLong_CheckExact(kind) ? looked_up(table, (int)ssize_of(kind), NULL) : looked_up(table, 0, kind);
}

/* ---- writing an operation ------------------------------------------------------------------------------------------- */

/* Whether a frame is of this package's namespace. A program has few packages: the text that was another's name lately is
 * compared by its address. */
static int is_ours(PyObject *frame) {
    static PyObject *name, *api, *top, *another;
    if (name == NULL) {
        name = PyUnicode_InternFromString("__package__");
        api = PyUnicode_InternFromString("lazytensor.api");
        top = PyUnicode_InternFromString("lazytensor");
    }
    PyObject *globals = PyFrame_GetGlobals((PyFrameObject *)frame);
    PyObject *package = PyDict_GetItemWithError(globals, name);
    Py_DECREF(globals);   /* the frame has it */
    if (package == another || package == NULL || !PyUnicode_Check(package))
        return 0;
    if (PyUnicode_Compare(package, api) == 0 || PyUnicode_Compare(package, top) == 0)
        return 1;
    if (PyUnicode_CheckExact(package))
        Py_XSETREF(another, Py_NewRef(package));
    return 0;
}

/* The first frame from `frame` on that is not of this package's namespace, a new reference or None. */
PyObject *outside(PyObject *frame) {
    Py_INCREF(frame);
    while (PyFrame_Check(frame) && is_ours(frame)) {
        PyObject *back = (PyObject *)PyFrame_GetBack((PyFrameObject *)frame);
        Py_SETREF(frame, back == NULL ? Py_NewRef(Py_None) : back);
    }
    return frame;
}

/* The pending node of an operation on `a` and `b` (NULL if there is one operand), run already if it may not wait. `up`
 * frames above the innermost Python frame is the user's; 0 for the first that is not of this package. */
PyObject *written_node(PyObject *op, PyObject *a, PyObject *b, PyObject *attrs, PyObject *shape, PyObject *dtype,
                       PyObject *strides, Py_ssize_t depth, int large, int up) {
    PyObject *capsule = NULL, *node = NULL;
    PyFrameObject *frame = PyEval_GetFrame();
    int may = may_be_pending(&capsule);
    Py_XINCREF(frame);
    if (up == 0 && frame != NULL) {
        PyObject *users = outside((PyObject *)frame);
        Py_DECREF(frame);
        frame = PyFrame_Check(users) ? (PyFrameObject *)users : NULL;
        if (frame == NULL)
            Py_DECREF(users);
    }
    for (; up > 1 && frame != NULL; up--)
        Py_SETREF(frame, PyFrame_GetBack(frame));
    if (may < 0 || (node = new_node()) == NULL)
        goto end;
    if (!may)
        depth = AT_ONCE;
    SLOT(node, N.op) = Py_NewRef(op);
    SLOT(node, N.a) = Py_NewRef(a);
    SLOT(node, N.b) = Py_NewRef(b == NULL ? Py_None : b);
    SLOT(node, N.rest) = Py_NewRef(empty_tuple);
    SLOT(node, N.attrs) = Py_NewRef(attrs);
    SLOT(node, N.shape) = Py_NewRef(shape);
    SLOT(node, N.dtype) = Py_NewRef(dtype);
    SLOT(node, N.strides) = Py_NewRef(strides);
    SLOT(node, N.code) = frame == NULL ? Py_NewRef(Py_None) : (PyObject *)PyFrame_GetCode(frame);
    LASTI(node) = frame == NULL ? -1 : PyFrame_GetLasti(frame);
    SLOT(node, N.errstate) = Py_NewRef(capsule);
    DEPTH(node) = depth + 1;
    SEQ(node) = next_tick();
    SLOT(node, N.buffer) = Py_NewRef(Py_None);
    SLOT(node, N.claim) = Py_NewRef(Py_None);
    if (PyErr_Occurred())
        Py_CLEAR(node);
    else if (large || depth >= ssize_of(slot_or_none(current, C.depth))) {
        if (bound_node(node) < 0)
            Py_CLEAR(node);
    }
end:
    Py_XDECREF(capsule);
    Py_XDECREF(frame);
    return node;
}

/* The strides of a result of operands that all have those of `like`, a new reference: None for C order, else its axes in
 * the same order (K order, where each stride is another and positive). NULL where Python has to look; without an error
 * also for what is so large that NumPy might write into it. */
static PyObject *strides_like(PyObject *like, PyObject *dtype) {
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
static int same_layout(PyObject *a, PyObject *b) {
    PyObject *x = slot_or_none(a, N.strides), *y = slot_or_none(b, N.strides);
    return x != Py_None && y != Py_None && same_shape(slot_or_none(a, N.shape), slot_or_none(b, N.shape)) && same_shape(x, y)
        && ((PyArray_Descr *)slot_or_none(a, N.dtype))->type_num == ((PyArray_Descr *)slot_or_none(b, N.dtype))->type_num;
}

/* The Tensor of an operation whose result is laid out like `like`, or in C order if that is NULL; NULL without an error
 * where Python has to do it. */
static PyObject *written(Method *method, PyObject *a, PyObject *b, PyObject *like, PyObject *shape, PyObject *dtype,
                         Py_ssize_t depth, int large, int up) {
    PyObject *strides = like == NULL ? Py_NewRef(Py_None) : strides_like(like, dtype);
    PyObject *node = strides == NULL ? NULL : written_node(method->op, a, b, Py_None, shape, dtype, strides, depth,
                                                            large, up);
    PyObject *result = node == NULL ? NULL : new_tensor(node);
    Py_XDECREF(strides);
    Py_XDECREF(node);
    return result;
}

/* Whether a number stays finite in that dtype, or may at least (build._grows_infinite): if not, NumPy warns of the cast,
 * not in the operation. */
static int stays_finite(double x, int number) {
    double most = number == NPY_HALF ? 65520 : number == NPY_FLOAT || number == NPY_CFLOAT ? 0x1.ffffffp127 : INFINITY;
    return fabs(x) < most || !isfinite(x);
}

/* What stands for the second operand of a binary operation in `fast`, borrowed; NULL if Python has to look. Every
 * floating dtype holds ints of less than 16 bits. */
static PyObject *kind_of_number(PyObject *x, PyObject *dtype) {
    if (PyFloat_CheckExact(x))
        return stays_finite(PyFloat_AS_DOUBLE(x), ((PyArray_Descr *)dtype)->type_num) ? (PyObject *)Py_TYPE(x) : NULL;
    if (PyComplex_CheckExact(x)) {
        Py_complex value = PyComplex_AsCComplex(x);
        int number = ((PyArray_Descr *)dtype)->type_num;
        return stays_finite(value.real, number) && stays_finite(value.imag, number) ? (PyObject *)Py_TYPE(x) : NULL;
    }
    if (PyBool_Check(x))
        return (PyObject *)Py_TYPE(x);
    if (PyLong_CheckExact(x)) {
        int overflow;
        long value = PyLong_AsLongAndOverflow(x, &overflow);
        if (overflow)
            return NULL;
        int number = ((PyArray_Descr *)dtype)->type_num;
        if ((PyTypeNum_ISFLOAT(number) || PyTypeNum_ISCOMPLEX(number)) && value > -(1 << 15) && value < 1 << 15)
            return value < 0 ? negative_kind : (PyObject *)&PyLong_Type;
        long most = 127, least = -128;  /* what any dtype holds, if it is signed */
        if (PyTypeNum_ISSIGNED(number) && PyTypeNum_ISINTEGER(number)) {
            most = LONG_MAX >> (64 - 8 * (int)PyDataType_ELSIZE((PyArray_Descr *)dtype));
            least = -most - 1;
        } else if (PyTypeNum_ISUNSIGNED(number))
            most = (int)PyDataType_ELSIZE((PyArray_Descr *)dtype) == 8
                ? LONG_MAX : (1L << 8 * (int)PyDataType_ELSIZE((PyArray_Descr *)dtype)) - 1;
        return value >= 0 && value <= most ? (PyObject *)&PyLong_Type : value < 0 && value >= least ? negative_kind
                                                                                                   : NULL;
    }
    return NULL;
}

/* The same for one of NumPy's scalars too, a new reference: the number of its dtype. */
static PyObject *kind_of_scalar(PyObject *x, PyObject *dtype) {
    if (PyType_HasFeature(Py_TYPE(x), Py_TPFLAGS_HEAPTYPE) || !(PyArray_IsScalar(x, Number) || PyArray_IsScalar(x, Bool)))
        return Py_XNewRef(kind_of_number(x, dtype));
    PyArray_Descr *own = PyArray_DescrFromScalar(x);
    int number = own == NULL ? NPY_VOID : own->type_num;
    Py_XDECREF(own);
    return PyTypeNum_ISNUMBER(number) || PyTypeNum_ISBOOL(number) ? PyLong_FromLong(number) : NULL;
}

/* Whether Python has to see if NumPy would write into the second operand: then it is the first one of a product, and
 * those of complex numbers are rounded otherwise (operators._turns). */
static int order_shows(Method *method, PyObject *b) {
    return Py_TYPE(b) == node_type && PyTypeNum_ISCOMPLEX(((PyArray_Descr *)slot_or_none(b, N.dtype))->type_num)
        && bytes_of(b) >= ELIDED_BYTES
        && PyUnicode_CompareWithASCIIString(slot_or_none(method->op, O.name), "multiply") == 0;
}

/* The result of a binary operation; NULL without an error where Python has to do it. */
static PyObject *quick_binary(Method *method, PyObject *left, PyObject *right, int up) {
    PyObject *a = NULL, *b = NULL, *result = NULL, *row, *dtype = NULL, *shape, *like = NULL;
    if (Py_TYPE(left) != tensor_type || (a = node_of(left)) == NULL)
        return NULL;
    shape = Py_NewRef(slot_or_none(a, N.shape));
    row = by_number(method->fast, slot_or_none(a, N.dtype));
    if (row == NULL || PyTuple_GET_SIZE(shape) == 0)
        goto end;
    Py_ssize_t depth = depth_of(a);
    int large = depth == 0 && is_large(a);
    if (Py_TYPE(right) == tensor_type) {
        if ((b = node_of(right)) == NULL)
            goto end;
        if (same_layout(a, b))
            like = a;
        else {
            Py_SETREF(shape, c_ordered_shape(a, b));
            if (shape == NULL)
                goto end;
        }
        Py_ssize_t other = depth_of(b);
        large = large || (other == 0 && is_large(b));
        depth = other > depth ? other : depth;
        dtype = by_number(row, slot_or_none(b, N.dtype));
    } else if ((b = Py_XNewRef(scalar_node(right))) != NULL) {
        like = a;
        Py_ssize_t other = depth_of(b);
        depth = other > depth ? other : depth;
        dtype = by_number(row, slot_or_none(b, N.dtype));
    } else {
        PyObject *kind = kind_of_scalar(right, slot_or_none(a, N.dtype));
        if (kind == NULL)
            goto end;
        b = Py_NewRef(right);
        like = a;
        dtype = by_kind(row, kind);
        Py_DECREF(kind);
    }
    if (dtype != NULL && dtype != Py_None && !order_shows(method, b))
        result = written(method, a, b, like, shape, dtype, depth, large, up);
end:
    Py_XDECREF(shape);
    Py_XDECREF(a);
    Py_XDECREF(b);
    return result;
}

static PyObject *quick_unary(Method *method, PyObject *operand, int up) {
    PyObject *a, *result = NULL, *dtype;
    if (Py_TYPE(operand) != tensor_type || (a = node_of(operand)) == NULL)
        return NULL;
    if (PyTuple_GET_SIZE(slot_or_none(a, N.shape))) {
        dtype = by_number(method->fast, slot_or_none(a, N.dtype));
        Py_ssize_t depth = depth_of(a);
        if (dtype != NULL)
            result = written(method, a, NULL, a, slot_or_none(a, N.shape), dtype, depth, depth == 0 && is_large(a), up);
    }
    Py_DECREF(a);
    return result;
}

/* ``left <op> self`` with a number, a NumPy scalar or a lazy one on the left; NULL without an error where Python has to do
 * it. */
static PyObject *quick_reflected(Method *method, PyObject *self, PyObject *left) {
    PyObject *node, *result = NULL, *row, *kind = NULL, *dtype = NULL, *scalar = scalar_node(left);
    if (Py_TYPE(self) != tensor_type || (node = node_of(self)) == NULL)
        return NULL;
    row = by_number(method->fast, slot_or_none(node, N.dtype));
    if (row != NULL && PyTuple_GET_SIZE(slot_or_none(node, N.shape))) {
        if (scalar != NULL)
            dtype = by_number(row, slot_or_none(scalar, N.dtype));
        else if ((kind = kind_of_scalar(left, slot_or_none(node, N.dtype))) != NULL)
            dtype = by_kind(row, kind);
    }
    if (dtype != NULL) {
        Py_ssize_t depth = depth_of(node), other = scalar == NULL ? 0 : depth_of(scalar);
        result = written(method, scalar == NULL ? left : scalar, node, node, slot_or_none(node, N.shape), dtype,
                         other > depth ? other : depth, depth == 0 && is_large(node), 0);
    }
    Py_XDECREF(kind);
    Py_DECREF(node);
    return result;
}

/* Which of square, reciprocal and square root NumPy computes for a power of floats with that exponent
 * (operators._fast_power); -1 for none. */
static int special_power(PyObject *exponent) {
    int overflow = 0;
    if (PyFloat_CheckExact(exponent))
        return PyFloat_AS_DOUBLE(exponent) == 0.5 ? 2 : -1;
    long n = PyLong_CheckExact(exponent) ? PyLong_AsLongAndOverflow(exponent, &overflow) : 0;
    return n == 2 ? 0 : n == -1 && !overflow ? 1 : -1;
}

/* ``self ** exponent`` of floats, `fn` having the methods of those three; NULL without an error where Python has to do
 * it. */
static PyObject *quick_power(Method *method, PyObject *self, PyObject *exponent) {
    PyObject *value = slot_or_none(self, T._value);
    if (Py_TYPE(self) != tensor_type || (Py_TYPE(value) != node_type && Py_TYPE(value) != view_type))
        return NULL;
    PyObject *dtype = dtype_in(value);
    int number = ((PyArray_Descr *)dtype)->type_num, special = special_power(exponent);
    if (!PyTypeNum_ISFLOAT(number) && !PyTypeNum_ISCOMPLEX(number))
        return NULL;
    if (special >= 0)
        return quick_unary((Method *)PyTuple_GET_ITEM(method->fn, special), self, 0);
    return quick_binary(method, self, exponent, 0);
}

/* ---- any node --------------------------------------------------------------------------------------------------------- */

PyObject *made_node(PyObject *op, PyObject *inputs, PyObject *attrs, PyObject *shape, PyObject *dtype, PyObject *strides,
                    PyObject *errstate, Py_ssize_t depth, PyObject *frame) {
    Py_ssize_t count = PyTuple_GET_SIZE(inputs);
    PyObject *rest = count > 2 ? PyTuple_GetSlice(inputs, 2, count) : Py_NewRef(empty_tuple);
    PyObject *node = rest == NULL ? NULL : new_node();
    if (node == NULL) {
        Py_XDECREF(rest);
        return NULL;
    }
    int placed = PyFrame_Check(frame);
    SLOT(node, N.op) = Py_NewRef(op);
    SLOT(node, N.a) = Py_NewRef(count ? PyTuple_GET_ITEM(inputs, 0) : Py_None);
    SLOT(node, N.b) = Py_NewRef(count > 1 ? PyTuple_GET_ITEM(inputs, 1) : Py_None);
    SLOT(node, N.rest) = rest;
    SLOT(node, N.attrs) = Py_NewRef(attrs);
    SLOT(node, N.shape) = Py_NewRef(shape);
    SLOT(node, N.dtype) = Py_NewRef(dtype);
    SLOT(node, N.strides) = Py_NewRef(strides);
    SLOT(node, N.code) = placed ? (PyObject *)PyFrame_GetCode((PyFrameObject *)frame) : Py_NewRef(Py_None);
    LASTI(node) = placed ? PyFrame_GetLasti((PyFrameObject *)frame) : -1;
    SLOT(node, N.errstate) = Py_NewRef(errstate);
    DEPTH(node) = depth;
    SEQ(node) = next_tick();
    SLOT(node, N.buffer) = Py_NewRef(Py_None);
    SLOT(node, N.claim) = Py_NewRef(Py_None);
    if (PyErr_Occurred())
        Py_CLEAR(node);
    return node;
}

PyObject *hot_make(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    if (count < 8 || count > 9 || !PyTuple_CheckExact(args[1])) {
        PyErr_SetString(PyExc_TypeError, "make(op, inputs: tuple, attrs, shape, dtype, strides, errstate, depth, frame=None)");
        return NULL;
    }
    return made_node(args[0], args[1], args[2], args[3], args[4], args[5], args[6], ssize_of(args[7]),
                     count > 8 ? args[8] : Py_None);
}

/* Whether an operand holds so much memory that what pins it is counted (build.bound). */
int may_pin(PyObject *x) {
    return Py_TYPE(x) == node_type && (bytes_of(x) >= 1 << 12 || is_large(x));
}

/* A pending node of that operation, run already if it may not wait (`lazy`) or if too much would (build.record). */
static PyObject *recorded(PyObject *op, PyObject *inputs, PyObject *attrs, PyObject *shape, PyObject *dtype,
                          PyObject *strides, PyObject *frame, int lazy) {
    PyObject *capsule = NULL, *node = NULL;
    Py_ssize_t deepest = 0;
    int may = may_be_pending(&capsule), pins = 0;
    if (may < 0)
        goto end;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(inputs); i++) {
        PyObject *x = PyTuple_GET_ITEM(inputs, i);
        if (Py_TYPE(x) == node_type) {
            Py_ssize_t d = depth_of(x);
            deepest = d > deepest ? d : deepest;
            pins |= may_pin(x);
        }
    }
    deepest = may && lazy ? deepest + 1 : AT_ONCE;
    node = made_node(op, inputs, attrs, shape, dtype, strides, capsule, deepest, frame);
    if (node != NULL && (pins || deepest > ssize_of(slot_or_none(current, C.depth)))) {
        if (bound_node(node) < 0)
            Py_CLEAR(node);
    }
end:
    Py_XDECREF(capsule);
    return node;
}

/* The pending result of an operation that the user's line writes, of a class: a Tensor, or a lazy scalar. */
PyObject *written_here(PyObject *op, PyObject *inputs, PyObject *attrs, PyObject *shape, PyObject *dtype,
                       PyObject *strides, PyTypeObject *type) {
    PyObject *innermost = (PyObject *)PyEval_GetFrame(), *frame = outside(innermost == NULL ? Py_None : innermost);
    PyObject *node = recorded(op, inputs, attrs, shape, dtype, strides, frame, 1);
    Py_DECREF(frame);
    PyObject *made = node == NULL ? NULL : type == tensor_type ? new_tensor(node) : new_scalar(type, node);
    Py_XDECREF(node);
    return made;
}

PyObject *hot_record(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    if (count < 7 || count > 8 || !PyTuple_CheckExact(args[1])) {
        PyErr_SetString(PyExc_TypeError, "record(op, inputs: tuple, attrs, shape, dtype, strides, frame, lazy=True)");
        return NULL;
    }
    int lazy = count > 7 ? PyObject_IsTrue(args[7]) : 1;
    PyObject *frame = lazy < 0 ? NULL : outside(args[6]);
    if (frame == NULL)
        return NULL;
    PyObject *node = recorded(args[0], args[1], args[2], args[3], args[4], args[5], frame, lazy);
    Py_DECREF(frame);
    return node;
}

/* ---- scalars ---------------------------------------------------------------------------------------------------------- */

/* The value of an operand that needs no run, a new reference; NULL without an error for anything else. */
static PyObject *ready_scalar(PyObject *x, PyObject *node) {
    if (node == NULL)
        return PyFloat_CheckExact(x) || PyLong_CheckExact(x) || PyArray_CheckScalar(x) ? Py_NewRef(x) : NULL;
    PyObject *value = slot_or_none(node, N.buffer);
    if (value == Py_None)
        return NULL;
    Py_INCREF(value);
    return PyArray_CheckExact(value) ? PyArray_Return((PyArrayObject *)value) : value;
}

/* NumPy's scalar arithmetic on lazy scalars and numbers (operators.scalar_operation); NULL without an error where Python
 * has to do it. */
static PyObject *quick_scalar(Method *method, PyObject *self, PyObject *other) {
    PyObject *mine = scalar_node(self), *theirs = other == NULL ? NULL : scalar_node(other);
    if (mine == NULL)
        return NULL;
    int pending = slot_or_none(mine, N.buffer) == Py_None || (theirs != NULL && slot_or_none(theirs, N.buffer) == Py_None);
    if (!pending && my_watcher() == NULL) {  /* else its value is not to be seen */
        PyObject *a = ready_scalar(self, mine), *b = a == NULL || other == NULL ? NULL : ready_scalar(other, theirs);
        PyObject *operands[2] = {method->swapped ? b : a, method->swapped ? a : b}, *result = NULL;
        if (a != NULL && (other == NULL || b != NULL))
            result = PyObject_Vectorcall(method->fn, operands, other == NULL ? 1 : 2, NULL);
        Py_XDECREF(a);
        Py_XDECREF(b);
        return result;
    }
    PyObject *row = by_number(method->fast, slot_or_none(mine, N.dtype)), *found = row;
    if (row == NULL)
        return NULL;
    Py_ssize_t depth = depth_of(mine);
    if (other != NULL && theirs != NULL) {
        Py_ssize_t d = depth_of(theirs);
        depth = d > depth ? d : depth;
        found = by_number(row, slot_or_none(theirs, N.dtype));
    } else if (other != NULL) {
        PyObject *kind = kind_of_scalar(other, slot_or_none(mine, N.dtype));
        found = kind == NULL ? NULL : by_kind(row, kind);
        Py_XDECREF(kind);
    }
    if (found == NULL || !PyTuple_CheckExact(found))
        return NULL;
    PyObject *a = mine, *b = other == NULL ? NULL : theirs != NULL ? theirs : other;
    PyObject *node = written_node(PyTuple_GET_ITEM(found, 0), method->swapped ? b : a, method->swapped ? a : b, Py_None,
                                  empty_tuple, PyTuple_GET_ITEM(found, 1), Py_None, depth, 0, 1);
    if (node == NULL)
        return NULL;
    PyObject *made = new_scalar((PyTypeObject *)PyTuple_GET_ITEM(found, 2), node);
    Py_DECREF(node);
    return made;
}

/* ---- in place --------------------------------------------------------------------------------------------------------- */

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

/* The second operand of an in-place operator as what stands for it in `fast`: its node or number in `b` (borrowed), a
 * new reference to its kind; NULL where Python has to look. */
static PyObject *in_place_operand(PyObject *a, PyObject *right, PyObject **b) {
    if (Py_TYPE(right) != tensor_type) {
        *b = right;
        return kind_of_scalar(right, slot_or_none(a, N.dtype));
    }
    PyObject *node = *b = slot_or_none(right, T._value);
    if (Py_TYPE(node) != node_type || slot_or_none(right, T._state) != Py_None
        || slot_or_none(node, N.strides) != Py_None || !same_shape(slot_or_none(a, N.shape), slot_or_none(node, N.shape)))
        return NULL;
    return PyLong_FromLong(((PyArray_Descr *)slot_or_none(node, N.dtype))->type_num);
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
    PyObject *a = node_of(self), *b = Py_TYPE(other) == tensor_type ? node_of(other) : Py_NewRef(other);
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

/* ``self <op>= other`` where a view takes a value of its own dtype and shape, or a number; NULL without an error where
 * Python has to do it. */
static PyObject *quick_part(Method *method, PyObject *self, PyObject *other) {
    PyObject *view = slot_or_none(self, T._value), *root = slot_or_none(view, V.root), *dtype = slot_or_none(view, V.dtype);
    PyObject *row = by_number(method->fast, dtype), *kind, *found, *node = NULL, *capsule = NULL;
    PyObject *op = PyDict_GetItemWithError(part_operations, slot_or_none(method->op, O.fn));
    if (row == NULL || op == NULL || PyTypeNum_ISCOMPLEX(((PyArray_Descr *)dtype)->type_num)
        || Py_TYPE(root) != tensor_type || slot_or_none(root, T._state) != Py_None
        || slot_or_none(view, V.writeable) != Py_True)
        return NULL;
    if (Py_TYPE(other) == tensor_type) {
        PyObject *value = slot_or_none(other, T._value);
        if ((Py_TYPE(value) != node_type && Py_TYPE(value) != view_type)
            || !same_shape(slot_or_none(view, V.shape), shape_in(value)))
            return NULL;
        found = by_number(row, dtype_in(value));
    } else
        found = (kind = kind_of_number(other, dtype)) == NULL ? NULL : by_kind(row, kind);
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
static PyObject *quick_in_place(Method *method, PyObject *self, PyObject *other) {
    PyObject *a = slot_or_none(self, T._value), *b, *node = NULL, *capsule = NULL;
    if (Py_TYPE(self) == tensor_type && Py_TYPE(a) == view_type)
        return quick_part(method, self, other);
    if (Py_TYPE(self) != tensor_type || Py_TYPE(a) != node_type || slot_or_none(self, T._state) != Py_None
        || slot_or_none(a, N.strides) != Py_None || PyTuple_GET_SIZE(slot_or_none(a, N.shape)) == 0
        || PyTypeNum_ISCOMPLEX(((PyArray_Descr *)slot_or_none(a, N.dtype))->type_num))
        return NULL;
    PyObject *kind = in_place_operand(a, other, &b), *row = by_number(method->fast, slot_or_none(a, N.dtype));
    PyObject *dtype = kind == NULL || row == NULL ? NULL : by_kind(row, kind);
    Py_XDECREF(kind);
    if (dtype == NULL || dtype != slot_or_none(a, N.dtype))
        return NULL;
    int large = (depth_of(a) == 0 && is_large(a)) || (Py_TYPE(b) == node_type && depth_of(b) == 0 && is_large(b));
    int done = may_be_pending(&capsule), twice = b == a;
    if (done == 1 && tell_of_write(self) < 0)
        done = -1;
    PyObject *lock = lock_of(self);
    Py_INCREF(b);
    Py_INCREF(lock);
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

/* ---- methods as objects --------------------------------------------------------------------------------------------- */

static int how_far_up(PyObject *const *args, Py_ssize_t count, Py_ssize_t usual) {
    return count > usual ? (int)PyLong_AsLong(args[usual]) : 1;
}

/* What was done quickly, an error, or else what the Python function does. */
PyObject *or_slow(PyObject *result, Method *method, PyObject *const *args, size_t nargsf, PyObject *names) {
    return result != NULL || PyErr_Occurred() ? result : PyObject_Vectorcall(method->slow, args, nargsf, names);
}

static PyObject *binary_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names) {
    Method *method = (Method *)self;
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    PyObject *result = NULL;
    if (names == NULL && (count == 2 || count == 3))
        result = quick_binary(method, args[0], args[1], how_far_up(args, count, 2));
    return or_slow(result, method, args, nargsf, names);
}

static PyObject *unary_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names) {
    Method *method = (Method *)self;
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    PyObject *result = NULL;
    if (names == NULL && (count == 1 || count == 2))
        result = quick_unary(method, args[0], how_far_up(args, count, 1));
    return or_slow(result, method, args, nargsf, names);
}

static PyObject *scalar_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names) {
    Method *method = (Method *)self;
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    PyObject *result = NULL;
    if (names == NULL && (count == 1 || count == 2))
        result = quick_scalar(method, args[0], count == 2 ? args[1] : NULL);
    return or_slow(result, method, args, nargsf, names);
}

static PyObject *in_place_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names) {
    Method *method = (Method *)self;
    PyObject *result = NULL;
    if (names == NULL && PyVectorcall_NARGS(nargsf) == 2 && Py_TYPE(args[0]) == tensor_type)
        result = quick_in_place(method, args[0], args[1]);
    return or_slow(result, method, args, nargsf, names);
}

static PyObject *reflected_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names) {
    PyObject *result = NULL;
    if (names == NULL && PyVectorcall_NARGS(nargsf) == 2)
        result = quick_reflected((Method *)self, args[0], args[1]);
    return or_slow(result, (Method *)self, args, nargsf, names);
}

static PyObject *power_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names) {
    PyObject *result = NULL;
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    if (names == NULL && (count == 2 || (count == 3 && args[2] == Py_None)))
        result = quick_power((Method *)self, args[0], args[1]);
    return or_slow(result, (Method *)self, args, nargsf, names);
}

/* NumPy's ufunc behind one of ours (api/ufuncs.ufunc), and the method that does its plain calls or None; both borrowed. NULL
 * for an error. They are set when it is made; asking for an attribute takes longer than all else that is asked. */
PyObject *real_of(PyObject *ufunc, PyObject **quick) {
    enum { MET = 64 };
    static struct { PyObject *ufunc, *real, *quick; } met[MET];
    static PyObject *real_name, *quick_name;
    if (quick_name == NULL && ((real_name = PyUnicode_InternFromString("_real")) == NULL
                               || (quick_name = PyUnicode_InternFromString("_quick")) == NULL))
        return NULL;
    size_t at = ((size_t)ufunc >> 4) * 0x9E3779B97F4A7C15ull >> 58;
    if (met[at].ufunc != ufunc) {
        PyObject *real = PyObject_GetAttr(ufunc, real_name), *own = real == NULL ? NULL : PyObject_GetAttr(ufunc, quick_name);
        if (own == NULL) {
            Py_XDECREF(real);
            return NULL;
        }
        if (Py_TYPE(own) != &Unary_Type && Py_TYPE(own) != &Binary_Type) {   /* a program's own, perhaps: not kept alive */
            Py_DECREF(real);   /* the ufunc has both */
            Py_DECREF(own);
            *quick = Py_None;
            return real;
        }
        PyObject *before[3] = {met[at].ufunc, met[at].real, met[at].quick};
        met[at].ufunc = Py_NewRef(ufunc);
        met[at].real = real;
        met[at].quick = own;
        for (int i = 0; i < 3; i++)
            Py_XDECREF(before[i]);
    }
    *quick = met[at].quick;
    return met[at].real;
}

/* ``ufunc(*operands)`` by its `quick` method; NULL without an error where Python has to do it. */
PyObject *quick_call(PyObject *quick, PyObject *const *operands, Py_ssize_t count) {
    if (count == 1 && Py_TYPE(quick) == &Unary_Type)
        return quick_unary((Method *)quick, operands[0], 1);
    if (count == 2 && Py_TYPE(quick) == &Binary_Type)
        return quick_binary((Method *)quick, operands[0], operands[1], 1);
    return NULL;
}

/* A ufunc's __call__: (ufunc, *operands). */
static PyObject *caller_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names) {
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    PyObject *result = NULL, *quick;
    if (names == NULL && count > 1 && real_of(args[0], &quick) != NULL)
        result = quick_call(quick, args + 1, count - 1);
    return or_slow(result, (Method *)self, args, nargsf, names);
}

/* What NumPy's operator, or ufunc, on one of its numbers asks of the other operand (ufuncs.array_ufunc); NULL without an error
 * where Python has to do it. */
static PyObject *quick_override(Method *method, PyObject *ufunc, PyObject *number, PyObject *other) {
    PyObject *ways = PyDict_GetItemWithError(method->fast, ufunc), *operands[2] = {number, other}, *result;
    if (ways == NULL)
        return NULL;
    if (PyType_IsSubtype(Py_TYPE(other), scalar_type))
        return quick_scalar((Method *)PyTuple_GET_ITEM(ways, 1), other, number);
    if (Py_TYPE(other) != tensor_type)
        return NULL;
    return call_at_once(ufunc, operands, 2, &result) ? result
        : quick_reflected((Method *)PyTuple_GET_ITEM(ways, 0), other, number);
}

static PyObject *override_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names) {
    PyObject *result = NULL;
    if (names == NULL && PyVectorcall_NARGS(nargsf) == 5 && is_numpys_number(args[3]) && PyUnicode_Check(args[2])
        && PyUnicode_CompareWithASCIIString(args[2], "__call__") == 0)
        result = quick_override((Method *)self, args[1], args[3], args[4]);
    return or_slow(result, (Method *)self, args, nargsf, names);
}

static PyObject *method_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    PyObject *op, *fast, *slow, *fn = Py_None;
    int swapped = 0;
    if (!PyArg_ParseTuple(args, "OO!O|Oi", &op, &PyDict_Type, &fast, &slow, &fn, &swapped))
        return NULL;
    Method *method = (Method *)type->tp_alloc(type, 0);
    if (method != NULL) {
        method->op = Py_NewRef(op);
        method->fast = Py_NewRef(fast);
        method->slow = Py_NewRef(slow);
        method->fn = Py_NewRef(fn);
        method->swapped = swapped;
        method->call = type == &Binary_Type ? binary_call : type == &Unary_Type ? unary_call
            : type == &ScalarMethod_Type ? scalar_call : type == &InPlace_Type ? in_place_call
            : type == &Reflected_Type ? reflected_call : type == &Power_Type ? power_call
            : type == &Reducer_Type ? reducer_call : type == &Getter_Type ? getter_call
            : type == &Setter_Type ? setter_call : type == &Direct_Type ? direct_call : type == &Viewer_Type ? viewer_call
            : type == &Chooser_Type ? chooser_call : type == &Caster_Type ? caster_call
            : type == &Clipper_Type ? clipper_call : type == &Overrider_Type ? override_call : caller_call;
    }
    return (PyObject *)method;
}

static int method_traverse(Method *method, visitproc visit, void *arg) {
    Py_VISIT(method->op);
    Py_VISIT(method->fast);
    Py_VISIT(method->slow);
    Py_VISIT(method->fn);
    return 0;
}

static int method_clear(Method *method) {
    Py_CLEAR(method->op);
    Py_CLEAR(method->fast);
    Py_CLEAR(method->slow);
    Py_CLEAR(method->fn);
    return 0;
}

static void method_dealloc(Method *method) {
    PyObject_GC_UnTrack(method);
    method_clear(method);
    Py_TYPE(method)->tp_free((PyObject *)method);
}

static PyObject *method_bound(PyObject *self, PyObject *instance, PyObject *type) {
    return instance == NULL || instance == Py_None ? Py_NewRef(self) : PyMethod_New(self, instance);
}

/* Name, text and signature are those of the Python function that stands behind it. */
static PyObject *method_attribute(PyObject *self, PyObject *name) {
    if (PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, "slow") == 0)
        return Py_NewRef(((Method *)self)->slow);
    if (PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, "__class__") != 0) {
        PyObject *found = PyObject_GetAttr(((Method *)self)->slow, name);
        if (found != NULL || !PyErr_ExceptionMatches(PyExc_AttributeError))
            return found;
        PyErr_Clear();
    }
    return PyObject_GenericGetAttr(self, name);
}

static PyObject *method_text(PyObject *self) {
    return PyObject_Repr(((Method *)self)->slow);
}

#define METHOD_TYPE(type, name, doc) \
    PyTypeObject type = { \
        PyVarObject_HEAD_INIT(NULL, 0) \
        .tp_name = "lazytensor.hot._hot." name, .tp_doc = doc, .tp_basicsize = sizeof(Method), \
        .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL \
            | Py_TPFLAGS_METHOD_DESCRIPTOR, \
        .tp_new = method_new, .tp_dealloc = (destructor)method_dealloc, .tp_traverse = (traverseproc)method_traverse, \
        .tp_clear = (inquiry)method_clear, .tp_call = PyVectorcall_Call, \
        .tp_vectorcall_offset = offsetof(Method, call), .tp_descr_get = method_bound, \
        .tp_getattro = method_attribute, .tp_repr = method_text, \
    }

METHOD_TYPE(Binary_Type, "Binary", "Binary(op, fast, slow): a binary method; `slow` is the Python function behind it.");
METHOD_TYPE(Unary_Type, "Unary", "Unary(op, fast, slow): a unary method; `slow` is the Python function behind it.");
METHOD_TYPE(Caller_Type, "Caller", "Caller(None, {}, slow): a ufunc's call; `slow` is the Python function behind it.");
METHOD_TYPE(ScalarMethod_Type, "ScalarMethod",
            "ScalarMethod(None, fast, slow, fn, swapped): a scalar's method; `fn` is the operator of NumPy's scalars.");
METHOD_TYPE(InPlace_Type, "InPlace", "InPlace(op, fast, slow): an in-place method; `slow` is the Python function behind it.");
METHOD_TYPE(Reflected_Type, "Reflected",
            "Reflected(op, fast, slow): a binary method with the operands exchanged; `slow` is the Python function behind it.");
METHOD_TYPE(Power_Type, "Power",
            "Power(op, fast, slow, fn): `fn` has the Unary methods of square, reciprocal and square root.");
METHOD_TYPE(Reducer_Type, "Reducer",
            "Reducer(op, fast, slow): a reduction's method; `fast` has what results of such arguments are like.");
METHOD_TYPE(Getter_Type, "Getter", "Getter(None, {}, slow): ``self[index]``; `slow` is the Python function behind it.");
METHOD_TYPE(Setter_Type, "Setter",
            "Setter(None, {}, slow): ``self[index] = value``; `slow` is the Python function behind it.");
METHOD_TYPE(Direct_Type, "Direct",
            "Direct(places, {}, slow, fn, flags): NumPy's `fn` on realized arrays; so many arguments may be positional.");
METHOD_TYPE(Viewer_Type, "Viewer",
            "Viewer(step, {}, slow, fn, flags): the method `fn` that gives views; a view's step is `step` of its arguments.");
METHOD_TYPE(Chooser_Type, "Chooser",
            "Chooser(op, fast, slow): `where`; `fast` has what results of such operands are like.");
METHOD_TYPE(Clipper_Type, "Clipper",
            "Clipper(op, fast, slow): `clip`; `fast` has the dtypes and types of bounds for which results have the same.");
METHOD_TYPE(Caster_Type, "Caster",
            "Caster(op, fast, slow): `astype`; `fast` has the dtype that is meant, by that of an array and what is given.");
METHOD_TYPE(Overrider_Type, "Overrider",
            "Overrider(None, ways, slow): `__array_ufunc__`; for a number of NumPy's on the left, `ways` has by its ufunc the "
            "Reflected method of Tensors and the ScalarMethod of lazy scalars.");
