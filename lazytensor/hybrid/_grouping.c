/* Lines of a program that are met at every call, each group of them done at once: the guard, the count of calls, the
 * launch of a kernel; and expressions that need not go through Python's calls. Each does what its lines say (`texts.py`,
 * `launching.py` write them); where that is more than is known here, it does nothing, and the lines run one by one.
 */
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define NPY_TARGET_VERSION NPY_2_0_API_VERSION
#define PY_ARRAY_UNIQUE_SYMBOL lazytensor_replay_array
#include "_program.h"
#include "_replay.h"
#include <numpy/arrayobject.h>

enum { MOST_GIVEN = 96, MOST_ARRAYS = 60 };

int setup_grouping(void) {
    import_array1(-1);
    return 0;
}

/* ---- what lines look like ---- */

static int is_local(Expression *e, Expression *of) {
    return e->kind == LOCAL && e->number == of->number;
}

static int is_attribute(Expression *e, PyObject *of, const char *name) {
    return e->kind == ATTRIBUTE_OF && e->parts[0]->kind == CONSTANT && (of == NULL || e->parts[0]->value == of) &&
        PyUnicode_CompareWithASCIIString(e->value, name) == 0;
}

/* `x = G(args, kwargs)`, `if x is None: ...`, `t1, n1, a1, ... = x`: an array's handle, node and memory in their slots. */
static int is_guard(Statement *s) {
    Expression *e = s->expression;
    Statement *test = s->next, *put = test == NULL ? NULL : test->next;
    if (s->act != ASSIGN || s->count != 1 || s->targets[0]->kind != LOCAL || e->kind != CALL || e->count != 3 ||
        e->value != NULL || e->parts[0]->kind != CONSTANT || !Py_IS_TYPE(e->parts[0]->value, &Guard_Type) ||
        e->parts[1]->kind != LOCAL || e->parts[2]->kind != LOCAL || put == NULL || test->act != IF ||
        test->expression->kind != IS || !is_local(test->expression->parts[0], s->targets[0]) ||
        test->expression->parts[1]->kind != CONSTANT || test->expression->parts[1]->value != Py_None)
        return 0;
    Py_ssize_t given = guard_outputs(e->parts[0]->value);
    if (given == 0) {
        s->after = put;
        return 1;
    }
    if (given > MOST_GIVEN || put->act != ASSIGN || put->count != 1 || put->targets[0]->kind != TUPLE ||
        put->targets[0]->count != given || !is_local(put->expression, s->targets[0]) || put->next == NULL)
        return 0;
    for (Py_ssize_t i = 0; i < given; i++)
        if (put->targets[0]->parts[i]->kind != LOCAL)
            return 0;
    s->after = put->next;
    return 1;
}

/* `E.calls = calls = E.calls + 1`, `if calls >= E.due: ...` */
static int is_count(Statement *s) {
    Expression *e = s->expression;
    Statement *test = s->next;
    if (s->act != ASSIGN || s->count != 2 || !is_attribute(s->targets[0], NULL, "calls") || s->targets[1]->kind != LOCAL ||
        e->kind != ADD || e->parts[1]->kind != CONSTANT || test == NULL || test->act != IF || test->next == NULL)
        return 0;
    PyObject *of = s->targets[0]->parts[0]->value;
    Expression *least = test->expression;
    if (!is_attribute(e->parts[0], of, "calls") || least->kind != COMPARE || least->number != Py_GE ||
        !is_local(least->parts[0], s->targets[1]) || !is_attribute(least->parts[1], of, "due") ||
        slot_of(s->targets[0], of) == NULL || slot_of(least->parts[1], of) == NULL ||
        !PyLong_CheckExact(e->parts[1]->value) || PyLong_AsLong(e->parts[1]->value) != 1) {
        PyErr_Clear();
        return 0;
    }
    s->after = test->next;
    return 1;
}

/* `if launch(address, a, b, ...) & mask: raise Abandon` */
static int is_launch(Statement *s) {
    Expression *e = s->expression;
    if (s->act != IF || e->kind != BIT_AND || e->parts[0]->kind != CALL || e->parts[1]->kind != CONSTANT ||
        !PyLong_CheckExact(e->parts[1]->value) || s->body->act != RAISE || s->body->next != NULL || s->handler != NULL)
        return 0;
    Expression *call = e->parts[0];
    PyObject *f = call->parts[0]->kind == CONSTANT ? call->parts[0]->value : NULL;
    if (f == NULL || !PyCFunction_CheckExact(f) || PyCFunction_GET_FLAGS(f) != METH_FASTCALL || call->value != NULL ||
        call->count < 3 || call->count > MOST_ARRAYS || strcmp(((PyCFunctionObject *)f)->m_ml->ml_name, "launch"))
        return 0;
    for (Py_ssize_t i = 1; i < call->count; i++)
        if (call->parts[i]->kind != LOCAL && call->parts[i]->kind != CONSTANT)
            return 0;
    s->after = s->next;
    return 1;
}

/* `ndarray(shape, dtype)` of numbers, and `steady(CAP)`. */
static int make_quick(Program *program, Expression *e) {
    PyObject *f = e != NULL && e->kind == CALL && e->parts[0]->kind == CONSTANT && e->value == NULL ? e->parts[0]->value : NULL;
    if (f != NULL && e->count == 2 && PyCFunction_CheckExact(f) && PyCFunction_GET_FUNCTION(f) == steady)
        e->kind = STEADY;
    if (f != (PyObject *)&PyArray_Type || e->count != 3 || e->parts[1]->kind != CONSTANT || e->parts[2]->kind != CONSTANT)
        return 0;
    PyObject *shape = e->parts[1]->value, *dtype = e->parts[2]->value;
    Py_ssize_t n = PyTuple_CheckExact(shape) ? PyTuple_GET_SIZE(shape) : 32;
    if (n >= 32 || !PyArray_DescrCheck(dtype) || !(PyDataType_ISNUMBER((PyArray_Descr *)dtype) ||
                                                   PyDataType_ISBOOL((PyArray_Descr *)dtype)))
        return 0;
    Py_ssize_t *sizes = piece_of(program, (n + 1) * sizeof(Py_ssize_t));
    if (sizes == NULL)
        return -1;
    sizes[0] = n;
    for (Py_ssize_t i = 0; i < n; i++)
        if ((sizes[i + 1] = PyLong_AsSsize_t(PyTuple_GET_ITEM(shape, i))) < 0) {
            PyErr_Clear();
            return 0;
        }
    e->sizes = sizes;
    e->kind = NEW_ARRAY;
    return 0;
}

/* Finds the groups among lines and in the blocks within them. */
int group_lines(Program *program, Statement *s) {
    for (; s != NULL; s = s->next) {
        s->group = is_guard(s) ? GUARD : is_count(s) ? COUNT : is_launch(s) ? LAUNCH :
            is_inner(s) ? INNER : NO_GROUP;
        Expression *e = s->expression;
        if (make_quick(program, e != NULL && e->kind == NOT ? e->parts[0] : e) < 0 || group_lines(program, s->body) < 0 ||
            group_lines(program, s->handler) < 0 || group_lines(program, s->finally) < 0)
            return -1;
    }
    return 0;
}

/* ---- what they do ---- */

static void put_slot(Frame *frame, Expression *local, PyObject *owned) {
    Py_XSETREF(frame->slots[local->number], owned);
}

static int run_guard(Frame *frame, Statement *s) {
    Expression *e = s->expression;
    PyObject *given[MOST_GIVEN], *args = frame->slots[e->parts[1]->number], *kwargs = frame->slots[e->parts[2]->number];
    if (args == NULL || kwargs == NULL || !PyTuple_Check(args) || !PyDict_Check(kwargs))
        return 0;
    int holds = guard_fill(e->parts[0]->value, args, kwargs, given);
    if (holds <= 0)
        return holds;
    Py_ssize_t count = guard_outputs(e->parts[0]->value);
    Expression **targets = count ? s->next->next->targets[0]->parts : NULL;
    for (Py_ssize_t i = 0; i < count; i++)
        put_slot(frame, targets[i], given[i]);
    return 1;
}

static int run_count(Statement *s) {
    PyObject *of = s->targets[0]->parts[0]->value;
    PyObject **calls = slot_of(s->targets[0], of), **due = slot_of(s->next->expression->parts[1], of);
    if (calls == NULL || due == NULL || *calls == NULL || *due == NULL || !PyLong_CheckExact(*calls) ||
        !PyLong_CheckExact(*due))
        return 0;
    int much = 0, more = 0;
    long long now = PyLong_AsLongLongAndOverflow(*calls, &much), later = PyLong_AsLongLongAndOverflow(*due, &more);
    if (much || more || now + 1 >= later)
        return 0;
    PyObject *next = PyLong_FromLongLong(now + 1);
    if (next == NULL)
        return -1;
    Py_SETREF(*calls, next);
    return 1;
}

static int run_launch(Frame *frame, Statement *s) {
    Expression *e = s->expression, *call = e->parts[0];
    PyObject *args[MOST_ARRAYS], *f = call->parts[0]->value;
    for (Py_ssize_t i = 1; i < call->count; i++) {
        Expression *part = call->parts[i];
        args[i - 1] = part->kind == CONSTANT ? part->value : frame->slots[part->number];
        if (args[i - 1] == NULL || (i > 1 && !PyArray_Check(args[i - 1])))
            return 0;
    }
    int done = launched_at_once(frame->slots, s);
    if (done)
        return done;
    _PyCFunctionFast launch = (_PyCFunctionFast)(void (*)(void))PyCFunction_GET_FUNCTION(f);
    PyObject *flags = launch(PyCFunction_GET_SELF(f), args, call->count - 1);
    long raised = flags == NULL ? -1 : PyLong_AsLong(flags);
    Py_XDECREF(flags);
    if (flags == NULL)
        return -1;
    if (raised & PyLong_AsLong(e->parts[1]->value)) {
        PyErr_SetNone(s->body->expression->value);
        return -1;
    }
    return 1;
}

/* 1: done; 0: nothing is done, the lines are to be run; -1: an exception. */
int run_group(Frame *frame, Statement *s) {
    return s->group == GUARD ? run_guard(frame, s) : s->group == COUNT ? run_count(s) :
        s->group == LAUNCH ? run_launch(frame, s) : 0;
}

PyObject *new_array(Expression *e) {
    return PyArray_NewFromDescr(&PyArray_Type, (PyArray_Descr *)Py_NewRef(e->parts[2]->value), (int)e->sizes[0],
                                (npy_intp *)e->sizes + 1, NULL, NULL, 0, NULL);
}

/* Whether `array[index]` is the number in an array without axes. */
int is_number_in(PyObject *array, PyObject *index) {
    return PyArray_CheckExact(array) && PyTuple_CheckExact(index) && PyTuple_GET_SIZE(index) == 0 &&
        PyArray_NDIM((PyArrayObject *)array) == 0;
}

int is_aligned_array(PyObject *array) {
    return PyArray_CheckExact(array) && PyArray_ISALIGNED((PyArrayObject *)array);
}

PyObject *number_in(PyObject *array) {
    return PyArray_ToScalar(PyArray_DATA((PyArrayObject *)array), (PyArrayObject *)array);
}

/* The dtype of one of NumPy's numbers or bools, a new reference; NULL for another object. A timedelta64 is an integer to
 * NumPy, but its class does not say its unit. */
PyObject *number_dtype(PyObject *value) {
    if ((!PyArray_IsScalar(value, Number) && !PyArray_IsScalar(value, Bool)) || PyArray_IsScalar(value, Timedelta))
        return NULL;
    return (PyObject *)PyArray_DescrFromTypeObject((PyObject *)Py_TYPE(value));
}
