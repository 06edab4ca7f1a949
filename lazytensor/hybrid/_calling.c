/* How a jitted function is called (calling.py): what is compiled is asked, without a frame of Python. */
#include "_replay.h"
#include <structmember.h>

/* What `jit.Jitted` is: `compiled`, a tuple, has what is compiled for calls of one structure each. */
typedef struct {
    PyObject_HEAD
    PyObject *compiled;
} Caller;

static PyObject *watchers, *missed, *no_names, *left_name;
static Py_ssize_t replay_at;

PyObject *setup_caller(PyObject *self, PyObject *args) {
    PyObject *list, *miss, *kind;
    if (!PyArg_ParseTuple(args, "O!OO!", &PyList_Type, &list, &miss, &PyType_Type, &kind) ||
        (replay_at = offset_of((PyTypeObject *)kind, "replay")) < 0)
        return NULL;
    watchers = Py_NewRef(list);
    missed = Py_NewRef(miss);
    no_names = PyDict_New();
    left_name = PyUnicode_InternFromString("_left");
    Py_RETURN_NONE;
}

/* The first answer that is a result; what is not to be had from what is compiled is left to the method `_left`,
 * with None in the place of an answer if not all were asked. */
static PyObject *caller_call(PyObject *self, PyObject *args, PyObject *kwargs) {
    PyObject *answer = NULL, *one = NULL, *compiled = Py_XNewRef(((Caller *)self)->compiled);
    if (watchers == NULL || compiled == NULL || !PyTuple_Check(compiled)) {
        PyErr_SetString(PyExc_TypeError, "a jitted function that is not set up");
        Py_XDECREF(compiled);
        return NULL;
    }
    PyObject *given[3] = {NULL, args, kwargs == NULL ? no_names : kwargs};
    Py_ssize_t i = 0;
    for (; !PyList_GET_SIZE(watchers) && i < PyTuple_GET_SIZE(compiled); i++) {
        PyObject *replay = SLOT(PyTuple_GET_ITEM(compiled, i), replay_at);
        Py_XINCREF(replay);
        answer = replay == NULL ? NULL : PyObject_Vectorcall(replay, given + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
        Py_XDECREF(replay);
        if (answer == NULL) {
            Py_DECREF(compiled);
            return replay == NULL ? PyErr_Format(PyExc_AttributeError, "replay") : NULL;
        }
        if (Py_TYPE(answer) != Py_TYPE(missed)) {
            Py_DECREF(compiled);
            return answer;
        }
        one = PyTuple_GET_ITEM(compiled, i);
        if (answer != missed)
            break;
        Py_CLEAR(answer);
        one = NULL;
    }
    PyObject *none_does = i < PyTuple_GET_SIZE(compiled) || PyList_GET_SIZE(watchers) ? Py_None : missed;
    PyObject *result = PyObject_CallMethodObjArgs(self, left_name, args, given[2], one == NULL ? Py_None : one,
                                                  answer == NULL ? none_does : answer, NULL);
    Py_XDECREF(answer);
    Py_DECREF(compiled);
    return result;
}

static int caller_traverse(PyObject *self, visitproc visit, void *arg) {
    Py_VISIT(((Caller *)self)->compiled);
    return 0;
}

static int caller_clear(PyObject *self) {
    Py_CLEAR(((Caller *)self)->compiled);
    return 0;
}

static void caller_dealloc(PyObject *self) {
    PyObject_GC_UnTrack(self);
    caller_clear(self);
    Py_TYPE(self)->tp_free(self);
}

static PyMemberDef caller_members[] = {
    {"_compiled", T_OBJECT_EX, offsetof(Caller, compiled), 0, "What is compiled, for calls of one structure each."},
    {NULL},
};

PyTypeObject Caller_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "lazytensor.hybrid._replay.Caller",
    .tp_doc = "What is called by calling what is compiled.",
    .tp_basicsize = sizeof(Caller),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .tp_call = caller_call,
    .tp_new = PyType_GenericNew,
    .tp_traverse = caller_traverse,
    .tp_clear = caller_clear,
    .tp_dealloc = caller_dealloc,
    .tp_members = caller_members,
};
