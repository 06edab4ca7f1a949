/* The floating-point state of a run (run/interpreter.Floating) and who is running (run/floating.noted), in C. */
#include "hot.h"
#include <structmember.h>

static _Thread_local PyObject *noted_run;   /* owned */

/* ---- noted: `run` is the floating-point state of the run in this thread, or None ------------------------------------ */

typedef struct { PyObject_HEAD } Noted;

static PyObject *noted_get(PyObject *self, void *unused) {
    return Py_NewRef(noted_run == NULL ? Py_None : noted_run);
}

static int noted_set(PyObject *self, PyObject *value, void *unused) {
    Py_XSETREF(noted_run, Py_XNewRef(value == Py_None ? NULL : value));
    return 0;
}

static PyGetSetDef noted_attributes[] = {{"run", noted_get, noted_set, "the run in this thread, or None", NULL}, {NULL}};

PyTypeObject Noted_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "lazytensor.hot._hot.Noted", .tp_basicsize = sizeof(Noted), .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "Which run is going on in this thread.", .tp_new = PyType_GenericNew, .tp_getset = noted_attributes,
};

/* ---- the state of a run ---------------------------------------------------------------------------------------------- */

static void floating_dealloc(Floating *state) {
    PyObject_GC_UnTrack(state);
    Py_XDECREF(state->errors);
    Py_XDECREF(state->node);
    Py_XDECREF(state->interrupt);
    Py_XDECREF(state->filters);
    Py_XDECREF(state->capsule);
    Py_XDECREF(state->token);
    Py_XDECREF(state->outer);
    Py_TYPE(state)->tp_free((PyObject *)state);
}

static int floating_traverse(Floating *state, visitproc visit, void *arg) {
    Py_VISIT(state->errors);
    Py_VISIT(state->node);
    Py_VISIT(state->interrupt);
    Py_VISIT(state->filters);
    Py_VISIT(state->outer);
    return 0;
}

static int floating_clear(Floating *state) {
    Py_CLEAR(state->node);
    Py_CLEAR(state->interrupt);
    Py_CLEAR(state->filters);
    Py_CLEAR(state->outer);
    return 0;
}

static void begin(Floating *state) {
    Py_XSETREF(state->outer, Py_XNewRef(noted_run));
    Py_XSETREF(noted_run, Py_NewRef((PyObject *)state));
}

Floating *floating_begin(void) {
    Floating *state = (Floating *)Floating_Type.tp_alloc(&Floating_Type, 0);
    if (state != NULL)
        begin(state);
    return state;
}

/* CPython 3.11 crashes when the collector calls code that sets a context variable while that is being set, so the
 * collector waits. */
PyObject *enter_state(PyObject *capsule) {
    int collects = PyGC_Disable();
    PyObject *token = PyContextVar_Set(extobj, capsule);
    if (collects)
        PyGC_Enable();
    return token;
}

static int leave(Floating *state) {
    PyObject *token = state->token;
    if (token == NULL)
        return 0;
    state->token = NULL;
    int collects = PyGC_Disable();
    int failed = PyContextVar_Reset(extobj, token);
    if (collects)
        PyGC_Enable();
    Py_DECREF(token);
    return failed;
}

/* The capsule under which a node runs that was written under `capsule`: the last answer is the likely one. */
static PyObject *running(PyObject *capsule) {
    static PyObject *known, *answer;
    if (capsule == known)
        return Py_NewRef(answer);
    PyObject *found = PyObject_CallOneArg(running_state, capsule);
    if (found != NULL) {
        Py_XSETREF(known, Py_NewRef(capsule));
        Py_XSETREF(answer, Py_NewRef(found));
    }
    return found;
}

/* The node runs next: enters its error state, anew after an operation that warns by other means (`again`). */
int floating_at(Floating *state, PyObject *node, int again) {
    Py_XSETREF(state->node, Py_NewRef(node));
    PyObject *errstate = slot_or_none(node, N.errstate);
    int own = slot_or_none(slot_or_none(node, N.op), O.label) == Py_None;
    if (!again && !own && !state->own && errstate == state->capsule)
        return 0;
    PyObject *wanted = own ? PyObject_CallOneArg(own_state, node) : Py_NewRef(errstate);
    if (wanted == NULL)
        return -1;
    if (wanted == Py_None || (!again && wanted == state->capsule && own == state->own)) {
        Py_DECREF(wanted);
        return 0;
    }
    PyObject *entered = own ? Py_NewRef(wanted) : running(wanted);
    Py_XSETREF(state->capsule, wanted);
    state->own = (char)own;
    if (entered == NULL || leave(state) < 0) {
        Py_XDECREF(entered);
        return -1;
    }
    state->token = enter_state(entered);
    Py_DECREF(entered);
    return state->token == NULL ? -1 : 0;
}

/* Ends the state, keeping an error that is set; gives the floating-point errors that were noted, a new reference, or
 * NULL with an error set. */
PyObject *floating_end(Floating *state) {
    PyObject *kind, *value, *trace, *errors;
    PyErr_Fetch(&kind, &value, &trace);
    if (leave(state) < 0)
        PyErr_Clear();
    PyObject *outer = state->outer;
    state->outer = NULL;
    Py_XSETREF(noted_run, outer);
    if (state->filters != NULL) {
        PyObject *left = PyObject_CallOneArg(leave_filters, state->filters);
        if (left == NULL && kind == NULL)
            PyErr_Fetch(&kind, &value, &trace);  /* somebody interrupts the program */
        else if (left == NULL)
            PyErr_Clear();
        Py_XDECREF(left);
        Py_CLEAR(state->filters);
    }
    errors = state->errors != NULL ? Py_NewRef(state->errors) : kind == NULL ? PyList_New(0) : NULL;
    if (kind != NULL) {
        Py_XDECREF(errors);
        errors = NULL;
        PyErr_Restore(kind, value, trace);
    }
    return errors;
}

/* ---- for Python ------------------------------------------------------------------------------------------------------ */

static PyObject *floating_enter_method(PyObject *self, PyObject *unused) {
    begin((Floating *)self);
    return Py_NewRef(self);
}

static PyObject *floating_exit_method(PyObject *self, PyObject *args) {
    PyObject *errors = floating_end((Floating *)self);
    if (errors == NULL)
        return NULL;
    Py_DECREF(errors);
    Py_RETURN_NONE;
}

static PyObject *floating_at_method(PyObject *self, PyObject *node) {
    if (Py_TYPE(node) != node_type) {
        PyErr_SetString(PyExc_TypeError, "at(node)");
        return NULL;
    }
    if (floating_at((Floating *)self, node, 0) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *floating_errors(PyObject *self, void *unused) {
    Floating *state = (Floating *)self;
    if (state->errors == NULL && (state->errors = PyList_New(0)) == NULL)
        return NULL;
    return Py_NewRef(state->errors);
}

static PyMemberDef floating_members[] = {
    {"node", T_OBJECT, offsetof(Floating, node), 0, "the node that runs"},
    {"interrupt", T_OBJECT, offsetof(Floating, interrupt), 0, "raised when the step in hand is done"},
    {"filters", T_OBJECT, offsetof(Floating, filters), 0, "the warning filters to which own_state has added some"},
    {"capsule", T_OBJECT, offsetof(Floating, capsule), 0, "the error state that the node was written under"},
    {NULL}};
static PyGetSetDef floating_attributes[] = {
    {"errors", floating_errors, NULL, "(node, kind) of each floating-point error", NULL}, {NULL}};
static PyMethodDef floating_methods[] = {
    {"__enter__", floating_enter_method, METH_NOARGS, ""},
    {"__exit__", floating_exit_method, METH_VARARGS, ""},
    {"at", floating_at_method, METH_O, "The node runs next."},
    {NULL}};

PyTypeObject Floating_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "lazytensor.hot._hot.Floating", .tp_basicsize = sizeof(Floating),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_doc = "The floating-point state of one run, as run.interpreter.Floating.", .tp_new = PyType_GenericNew,
    .tp_dealloc = (destructor)floating_dealloc, .tp_traverse = (traverseproc)floating_traverse,
    .tp_clear = (inquiry)floating_clear, .tp_members = floating_members, .tp_methods = floating_methods,
    .tp_getset = floating_attributes,
};
