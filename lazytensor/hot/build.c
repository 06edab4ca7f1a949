/* Nodes of operations (api/build.py): what is asked before one is written, the writing itself, and the Tensors and lazy scalars
 * that have them. */
#include "hot.h"
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

/* What `warnings` has for its filters and its functions that show a warning (`showwarning` is what programs replace),
 * borrowed: looked up when its dict is another than at the last look. */
static void warning_state(PyObject **filters, PyObject **show, PyObject **showwarning) {
    static PyObject *filters_name, *show_name, *showwarning_name, *known_filters, *known_show, *known_showwarning;
    if (filters_name == NULL) {
        filters_name = PyUnicode_InternFromString("filters");
        show_name = PyUnicode_InternFromString("_showwarnmsg_impl");
        showwarning_name = PyUnicode_InternFromString("showwarning");
    }
#if PY_VERSION_HEX < 0x030C0000
    static uint64_t version;
    if (((PyDictObject *)warnings_dict)->ma_version_tag != version) {
#else
    {
#endif
        known_filters = PyDict_GetItemWithError(warnings_dict, filters_name);
        known_show = PyDict_GetItemWithError(warnings_dict, show_name);
        known_showwarning = PyDict_GetItemWithError(warnings_dict, showwarning_name);
    }
#if PY_VERSION_HEX < 0x030C0000
    version = ((PyDictObject *)warnings_dict)->ma_version_tag;
#endif
    *filters = known_filters;
    *show = known_show;
    *showwarning = known_showwarning;
}

/* Whether floating-point errors may wait, quickly: error state and warning filters are as at the last look
 * (run/floating.unchanged). 1, 0, or -1 for an error. `capsule` is the error state in force, a new reference. */
int may_be_pending(PyObject **capsule) {
    if (PyContextVar_Get(extobj, NULL, capsule) < 0)
        return -1;
    if (*capsule == SLOT(watch, W.capsule)) {
        PyObject *filters, *show, *showwarning, *known = SLOT(watch, W.filters);
        warning_state(&filters, &show, &showwarning);
        if (show == SLOT(watch, W.show) && showwarning == SLOT(watch, W.showwarning) && filters != NULL && known != NULL) {
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

enum { PINS_SMALL = 1 << 12 };

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
    return size >= PINS_LARGE || (size >= PINS_SMALL && size > 4 * own) ? size : 0;
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

/* ---- handles and views ----------------------------------------------------------------------------------------------- */

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

/* What a node says of its operation, borrowed. */
typedef struct {
    PyObject *op, *a, *b, *rest, *attrs, *shape, *dtype, *strides, *errstate;
} Said;

/* Fills the slots of a new node, which `frame` (NULL for nobody) writes. */
static inline Py_ALWAYS_INLINE void fill(PyObject *node, Said said, PyFrameObject *frame, Py_ssize_t depth, Py_ssize_t seq) {
    SLOT(node, N.op) = Py_NewRef(said.op);
    SLOT(node, N.a) = Py_NewRef(said.a);
    SLOT(node, N.b) = Py_NewRef(said.b);
    SLOT(node, N.rest) = Py_NewRef(said.rest);
    SLOT(node, N.attrs) = Py_NewRef(said.attrs);
    SLOT(node, N.shape) = Py_NewRef(said.shape);
    SLOT(node, N.dtype) = Py_NewRef(said.dtype);
    SLOT(node, N.strides) = Py_NewRef(said.strides);
    SLOT(node, N.code) = frame == NULL ? Py_NewRef(Py_None) : (PyObject *)PyFrame_GetCode(frame);
    LASTI(node) = frame == NULL ? -1 : PyFrame_GetLasti(frame);
    SLOT(node, N.errstate) = Py_NewRef(said.errstate);
    DEPTH(node) = depth;
    SEQ(node) = seq;
    SLOT(node, N.buffer) = Py_NewRef(Py_None);
    SLOT(node, N.claim) = Py_NewRef(Py_None);
}

/* A view's node on its root's present value (api/handle.read); NULL without an error where Python has to look. */
static PyObject *view_node(PyObject *view) {
    PyObject *root = slot_or_none(view, V.root);
    if (Py_TYPE(root) != tensor_type || slot_or_none(root, T._state) != Py_None)
        return NULL;
    PyObject *node = slot_or_none(root, T._value);
    if (Py_TYPE(node) != node_type || !is_current(view, node))
        return NULL;
    PyObject *made = new_node();
    if (made != NULL)
        fill(made, (Said){view_operation, node, Py_None, empty_tuple, slot_or_none(view, V.steps), slot_or_none(view, V.shape),
                          slot_or_none(view, V.dtype), slot_or_none(view, V.strides), Py_None}, NULL, DEPTH(node), 0);
    return made;
}

/* The node of a Tensor's value, a new reference; NULL without an error where Python has to look. */
PyObject *node_of(PyObject *tensor) {
    PyObject *value = slot_or_none(tensor, T._value);
    if (Py_TYPE(value) == node_type)
        return slot_or_none(tensor, T._state) == Py_None ? Py_NewRef(value) : NULL;
    return Py_TYPE(value) == view_type ? view_node(value) : NULL;
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
    fill(node, (Said){op, a, b == NULL ? Py_None : b, empty_tuple, attrs, shape, dtype, strides, capsule}, frame, depth + 1,
         next_tick());
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

PyObject *made_node(PyObject *op, PyObject *inputs, PyObject *attrs, PyObject *shape, PyObject *dtype, PyObject *strides,
                    PyObject *errstate, Py_ssize_t depth, PyObject *frame) {
    Py_ssize_t count = PyTuple_GET_SIZE(inputs);
    PyObject *rest = count > 2 ? PyTuple_GetSlice(inputs, 2, count) : Py_NewRef(empty_tuple);
    PyObject *node = rest == NULL ? NULL : new_node();
    if (node == NULL) {
        Py_XDECREF(rest);
        return NULL;
    }
    PyObject *first = count ? PyTuple_GET_ITEM(inputs, 0) : Py_None;
    PyObject *second = count > 1 ? PyTuple_GET_ITEM(inputs, 1) : Py_None;
    fill(node, (Said){op, first, second, rest, attrs, shape, dtype, strides, errstate},
         PyFrame_Check(frame) ? (PyFrameObject *)frame : NULL, depth, next_tick());
    Py_DECREF(rest);
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
    return Py_TYPE(x) == node_type && (bytes_of(x) >= 1 << 12 || is_large_memory(x));
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
