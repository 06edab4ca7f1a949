/* A program that was read (`_reading.c`), run: the same calls in the same order as Python's interpreter would make.
 *
 * `Program(text, names)` is called like the function `call` of the text. Arguments of calls are borrowed from slots and
 * constants. Every few lines it looks for signals and lets other threads go on, as Python's interpreter does.
 */
#include "_program.h"
#include "_replay.h"
#include <structmember.h>
#include <time.h>

#define FEW 24                   /* locals, and arguments of a call, that lie on the stack */
#define LINES_A_LOOK 32
#define TURN_NS 2000000          /* how long other threads wait, at least */

typedef enum { FAILED = -1, GOES_ON, RETURNED, LEFT } Outcome;

static PyObject *pop_name, *append_name;

static PyObject *value_of(Frame *frame, Expression *e);

/* ---- expressions ---- */

static PyObject *unbound(void) {
    PyErr_SetString(PyExc_NameError, "a value that is not there");
    return NULL;
}

/* A value; `owned` says whether it must be given back. */
static inline PyObject *lent(Frame *frame, Expression *e, int *owned) {
    *owned = 0;
    if (e->kind == CONSTANT)
        return e->value;
    if (e->kind == LOCAL) {
        PyObject *value = frame->slots[e->number];
        return value != NULL ? value : unbound();
    }
    *owned = 1;
    return value_of(frame, e);
}

/* `list.pop()` and `list.append(x)`, which a workspace is taken from and goes back to; NULL without an exception if it
 * is another call. */
static PyObject *of_list(Frame *frame, Expression *e) {
    Expression *what = e->parts[0], *of = what->parts[0];
    PyObject *list = of->kind == CONSTANT ? of->value : NULL;
    if (list == NULL || !PyList_CheckExact(list) || e->value != NULL || e->count > 2)
        return NULL;
    Py_ssize_t size = PyList_GET_SIZE(list);
    if (what->value == pop_name && e->count == 1 && size) {
        PyObject *last = PyList_GET_ITEM(list, size - 1);
        Py_SET_SIZE(list, size - 1);  /* the room stays for what is appended next */
        return last;
    }
    int own;
    PyObject *value = what->value == append_name && e->count == 2 ? lent(frame, e->parts[1], &own) : NULL;
    if (value == NULL)
        return NULL;
    int answer = PyList_Append(list, value);
    if (own)
        Py_DECREF(value);
    return answer < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *called(Frame *frame, Expression *e) {
    PyObject *few[FEW + 1], **args = few, *result = NULL;
    char few_owned[FEW], *owned = few_owned;
    Expression *what = e->parts[0];
    int method = what->kind == ATTRIBUTE_OF, own = 0;
    if (method && ((result = of_list(frame, e)) != NULL || PyErr_Occurred()))
        return result;
    Py_ssize_t count = e->count - 1 + method, done = 0;
    if (count > FEW) {
        args = PyMem_Malloc((count + 1) * sizeof(PyObject *) + count);
        if (args == NULL)
            return PyErr_NoMemory();
        owned = (char *)(args + count + 1);
    }
    args++;
    PyObject *function = method ? what->value : lent(frame, what, &own);
    if (function == NULL)
        goto end;
    for (; done < count; done++) {
        int mine;
        Expression *part = !method ? e->parts[done + 1] : done ? e->parts[done] : what->parts[0];
        if ((args[done] = lent(frame, part, &mine)) == NULL)
            goto end;
        owned[done] = (char)mine;
    }
    size_t named = e->value == NULL ? 0 : PyTuple_GET_SIZE(e->value);
    result = method ? PyObject_VectorcallMethod(function, args, (count - named) | PY_VECTORCALL_ARGUMENTS_OFFSET, e->value) :
        PyObject_Vectorcall(function, args, (count - named) | PY_VECTORCALL_ARGUMENTS_OFFSET, e->value);
end:
    for (Py_ssize_t i = 0; i < done; i++)
        if (owned[i])
            Py_DECREF(args[i]);
    if (own)
        Py_DECREF(function);
    if (args != few + 1)
        PyMem_Free(args - 1);
    return result;
}

/* A call whose last part is a sequence of arguments. */
static PyObject *spread(Frame *frame, Expression *e) {
    PyObject *result = NULL, *args = PyList_New(0);
    for (Py_ssize_t i = 1; args != NULL && i < e->count; i++) {
        PyObject *value = value_of(frame, e->parts[i]);
        PyObject *more = value == NULL || i < e->count - 1 ? NULL : PySequence_List(value);
        if (value == NULL || (i < e->count - 1 ? PyList_Append(args, value) :
                              more == NULL ? -1 : PyList_SetSlice(args, i - 1, i - 1, more)) < 0)
            Py_CLEAR(args);
        Py_XDECREF(value);
        Py_XDECREF(more);
    }
    PyObject *function = args == NULL ? NULL : value_of(frame, e->parts[0]);
    PyObject *tuple = function == NULL ? NULL : PyList_AsTuple(args);
    if (tuple != NULL)
        result = PyObject_Call(function, tuple, NULL);
    Py_XDECREF(args);
    Py_XDECREF(function);
    Py_XDECREF(tuple);
    return result;
}

/* The classes, a tuple, whose slots stay what they are: they are read and written where they lie. */
static PyObject *settled_classes;

PyObject *setup_programs(PyObject *self, PyObject *classes) {
    if (!PyTuple_Check(classes)) {
        PyErr_SetString(PyExc_TypeError, "setup_programs(classes)");
        return NULL;
    }
    Py_XSETREF(settled_classes, Py_NewRef(classes));
    pop_name = PyUnicode_InternFromString("pop");
    append_name = PyUnicode_InternFromString("append");
    Py_RETURN_NONE;
}

/* The place of an object's attribute, if that is a slot of such a class; else NULL. */
PyObject **slot_of(Expression *e, PyObject *object) {
    PyTypeObject *type = Py_TYPE(object);
    if (type == e->type)
        return &SLOT(object, e->offset);
    if (e->type != NULL || settled_classes == NULL)
        return NULL;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(settled_classes); i++)
        if (PyTuple_GET_ITEM(settled_classes, i) == (PyObject *)type) {
            PyObject *found = PyDict_GetItemWithError(type->tp_dict, e->value);
            if (found != NULL && Py_IS_TYPE(found, &PyMemberDescr_Type) &&
                ((PyMemberDescrObject *)found)->d_member->type == T_OBJECT_EX) {
                e->offset = ((PyMemberDescrObject *)found)->d_member->offset;
                e->type = type;
                return &SLOT(object, e->offset);
            }
        }
    return NULL;
}

static inline PyObject *attribute_of(Expression *e, PyObject *object) {
    PyObject **slot = slot_of(e, object);
    if (slot != NULL && *slot != NULL)
        return Py_NewRef(*slot);
    if (PyModule_CheckExact(object)) {
        PyObject *found = PyDict_GetItemWithError(PyModule_GetDict(object), e->value);
        if (found != NULL)
            return Py_NewRef(found);
    }
    return PyObject_GetAttr(object, e->value);
}

static PyObject *listed(Frame *frame, Expression *e) {
    PyObject *found = e->kind == TUPLE ? PyTuple_New(e->count) : e->kind == LIST ? PyList_New(e->count) :
        e->kind == SET ? PySet_New(NULL) : PyDict_New();
    for (Py_ssize_t i = 0; found != NULL && i < e->count; i++) {
        PyObject *value = value_of(frame, e->parts[i]);
        if (value == NULL)
            Py_CLEAR(found);
        else if (e->kind == TUPLE)
            PyTuple_SET_ITEM(found, i, value);
        else if (e->kind == LIST)
            PyList_SET_ITEM(found, i, value);
        else if (e->kind == SET) {
            if (PySet_Add(found, value) < 0)
                Py_CLEAR(found);
            Py_DECREF(value);
        }
        else {
            PyObject *second = value_of(frame, e->parts[++i]);
            if (second == NULL || PyDict_SetItem(found, value, second) < 0)
                Py_CLEAR(found);
            Py_DECREF(value);
            Py_XDECREF(second);
        }
    }
    return found;
}

/* 1 or 0, or -1 with an exception. */
static int truth(Frame *frame, Expression *e) {
    switch (e->kind) {
    case NOT: {
        int answer = truth(frame, e->parts[0]);
        return answer < 0 ? -1 : !answer;
    }
    case AND: case OR:
        for (Py_ssize_t i = 0; i < e->count; i++) {
            int answer = truth(frame, e->parts[i]);
            if (answer < 0 || answer == (e->kind == OR))
                return answer;
        }
        return e->kind == AND;
    case IS: case IS_NOT: case IN: case NOT_IN: case COMPARE: {
        int own, second, answer;
        PyObject *a = lent(frame, e->parts[0], &own);
        if (a == NULL)
            return -1;
        PyObject *b = lent(frame, e->parts[1], &second);
        if (b == NULL)
            answer = -1;
        else if (e->kind == IS || e->kind == IS_NOT)
            answer = (a == b) == (e->kind == IS);
        else if (e->kind == COMPARE) {
            PyObject *found = PyObject_RichCompare(a, b, e->number);
            answer = found == NULL ? -1 : found == Py_True ? 1 : found == Py_False ? 0 : PyObject_IsTrue(found);
            Py_XDECREF(found);
        }
        else {
            answer = PySequence_Contains(b, a);
            if (answer >= 0 && e->kind == NOT_IN)
                answer = !answer;
        }
        if (own)
            Py_DECREF(a);
        if (b != NULL && second)
            Py_DECREF(b);
        return answer;
    }
    case STEADY: {
        int own;
        PyObject *capsule = lent(frame, e->parts[1], &own);
        int answer = capsule == NULL ? -1 : is_steady(capsule);
        if (own)
            Py_XDECREF(capsule);
        return answer;
    }
    default: {
        int own;
        PyObject *value = lent(frame, e, &own);
        if (value == NULL)
            return -1;
        int answer = PyObject_IsTrue(value);
        if (own)
            Py_DECREF(value);
        return answer;
    }
    }
}

static PyObject *binary(Frame *frame, Expression *e) {
    int own, second = 0;
    PyObject *a = lent(frame, e->parts[0], &own), *b = a == NULL ? NULL : lent(frame, e->parts[1], &second), *result = NULL;
    if (b != NULL)
        result = e->kind == ITEM ? (is_number_in(a, b) ? number_in(a) : PyObject_GetItem(a, b)) :
            e->kind == ADD ? PyNumber_Add(a, b) :
            e->kind == BIT_AND ? PyNumber_And(a, b) : PyObject_RichCompare(a, b, e->number);
    if (a != NULL && own)
        Py_DECREF(a);
    if (b != NULL && second)
        Py_DECREF(b);
    return result;
}

/* `a and b`, `a or b`: the operand that decides. */
static PyObject *deciding(Frame *frame, Expression *e) {
    for (Py_ssize_t i = 0;; i++) {
        PyObject *value = value_of(frame, e->parts[i]);
        int answer = value == NULL || i == e->count - 1 ? -1 : PyObject_IsTrue(value);
        if (value == NULL || i == e->count - 1 || answer == (e->kind == OR))
            return value;
        Py_DECREF(value);
        if (answer < 0)
            return NULL;
    }
}

/* A new reference. */
static PyObject *value_of(Frame *frame, Expression *e) {
    switch (e->kind) {
    case LOCAL:
        return frame->slots[e->number] == NULL ? unbound() : Py_NewRef(frame->slots[e->number]);
    case CONSTANT:
        return Py_NewRef(e->value);
    case CALL:
        return called(frame, e);
    case SPREAD:
        return spread(frame, e);
    case NEW_ARRAY:
        return new_array(e);
    case ATTRIBUTE_OF: {
        int own;
        PyObject *object = lent(frame, e->parts[0], &own);
        PyObject *value = object == NULL ? NULL : attribute_of(e, object);
        if (object != NULL && own)
            Py_DECREF(object);
        return value;
    }
    case ITEM: case ADD: case BIT_AND: case COMPARE:
        return binary(frame, e);
    case TUPLE: case LIST: case SET: case DICT:
        return listed(frame, e);
    case AND: case OR:
        return deciding(frame, e);
    default: {
        int answer = truth(frame, e);
        return answer < 0 ? NULL : PyBool_FromLong(answer);
    }
    }
}

/* ---- statements ---- */

static int put(Frame *frame, Expression *target, PyObject *value);

static inline void put_local(Frame *frame, Expression *target, PyObject *owned) {
    PyObject **slot = &frame->slots[target->number], *before = *slot;
    *slot = owned;
    Py_XDECREF(before);
}

static int put_each(Frame *frame, Expression *target, PyObject *value) {
    PyObject *parts = PyTuple_CheckExact(value) ? Py_NewRef(value) : PySequence_Tuple(value);
    if (parts == NULL)
        return -1;
    int answer = 0;
    if (PyTuple_GET_SIZE(parts) != target->count) {
        PyErr_Format(PyExc_ValueError, "%zd values for %zd names", PyTuple_GET_SIZE(parts), target->count);
        answer = -1;
    }
    for (Py_ssize_t i = 0; answer == 0 && i < target->count; i++)
        if (target->parts[i]->kind == LOCAL)
            put_local(frame, target->parts[i], Py_NewRef(PyTuple_GET_ITEM(parts, i)));
        else
            answer = put(frame, target->parts[i], PyTuple_GET_ITEM(parts, i));
    Py_DECREF(parts);
    return answer;
}

static int put(Frame *frame, Expression *target, PyObject *value) {
    if (target->kind == LOCAL) {
        put_local(frame, target, Py_NewRef(value));
        return 0;
    }
    if (target->kind == TUPLE)
        return put_each(frame, target, value);
    int own, second = 0, answer = -1;
    PyObject *object = lent(frame, target->parts[0], &own);
    if (object == NULL)
        return -1;
    PyObject **slot = target->kind == ATTRIBUTE_OF ? slot_of(target, object) : NULL;
    if (slot != NULL) {
        Py_XSETREF(*slot, Py_NewRef(value));
        answer = 0;
    }
    else if (target->kind == ATTRIBUTE_OF)
        answer = PyObject_SetAttr(object, target->value, value);
    else {
        PyObject *key = lent(frame, target->parts[1], &second);
        answer = key == NULL ? -1 : PyObject_SetItem(object, key, value);
        if (key != NULL && second)
            Py_DECREF(key);
    }
    if (own)
        Py_DECREF(object);
    return answer;
}

static int assigned(Frame *frame, Statement *s) {
    PyObject *value = value_of(frame, s->expression);
    if (value == NULL)
        return -1;
    if (s->count == 1 && s->targets[0]->kind == LOCAL) {
        put_local(frame, s->targets[0], value);
        return 0;
    }
    int answer = 0;
    for (Py_ssize_t i = 0; answer == 0 && i < s->count; i++)
        answer = put(frame, s->targets[i], value);
    Py_DECREF(value);
    return answer;
}

static int deleted(Frame *frame, Statement *s) {
    for (Py_ssize_t i = 0; i < s->count; i++) {
        PyObject **slot = &frame->slots[s->targets[i]->number];
        if (*slot == NULL) {
            unbound();
            return -1;
        }
        Py_CLEAR(*slot);
    }
    return 0;
}

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* Signals, and other threads. */
static int looked(Frame *frame) {
    long long time = now();
    frame->lines = 0;
    if (frame->since == 0)
        frame->since = time;
    else if (time - frame->since > TURN_NS) {
        Py_BEGIN_ALLOW_THREADS
        Py_END_ALLOW_THREADS
        frame->since = now();
    }
    return PyErr_CheckSignals();
}

static Outcome run(Frame *frame, Statement *s);

static Outcome turned(Frame *frame, Statement *s) {
    Py_ssize_t turns = s->count;
    if (s->expression != NULL) {
        PyObject *number = frame->slots[s->expression->number];
        turns = number == NULL ? -1 : PyNumber_AsSsize_t(number, PyExc_OverflowError);
        if (turns == -1 && (number == NULL || PyErr_Occurred())) {
            if (number == NULL)
                unbound();
            return FAILED;
        }
    }
    int launched = frame->ending ? 0 : launched_turns(frame->slots, s, turns);
    if (!launched && !frame->ending)
        launched = inner_turns(frame, s, turns);
    if (launched)
        return launched < 0 ? FAILED : GOES_ON;
    for (Py_ssize_t i = 0; i < turns; i++) {
        Outcome outcome = run(frame, s->body);
        if (outcome != GOES_ON)
            return outcome == LEFT ? GOES_ON : outcome;
    }
    return GOES_ON;
}

static Outcome attempted(Frame *frame, Statement *s) {
    Outcome outcome = run(frame, s->body);
    if (outcome == FAILED && s->caught != NULL && PyErr_ExceptionMatches(s->caught->value)) {
        PyErr_Clear();
        outcome = run(frame, s->handler);
    }
    if (s->finally == NULL)
        return outcome;
    PyObject *type = NULL, *value = NULL, *traceback = NULL;
    if (outcome == FAILED)
        PyErr_Fetch(&type, &value, &traceback);
    frame->ending++;
    Outcome last = run(frame, s->finally);
    frame->ending--;
    if (last == GOES_ON && outcome == FAILED) {
        PyErr_Restore(type, value, traceback);
        return FAILED;
    }
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    return last == GOES_ON ? outcome : last;
}

static Outcome run(Frame *frame, Statement *s) {
    for (; s != NULL; s = s->next) {
        while (s->group) {
            int done = run_group(frame, s);
            if (done == 0)
                break;
            if (done < 0 || (++frame->lines >= LINES_A_LOOK && !frame->ending && looked(frame) < 0))
                return FAILED;
            if ((s = s->after) == NULL)
                return GOES_ON;
        }
        /* Not between a line and the `try` after it, whose `finally` takes back what the line did. */
        if (++frame->lines >= LINES_A_LOOK && s->act != TRY && !frame->ending && looked(frame) < 0)
            return FAILED;
        Outcome outcome = GOES_ON;
        switch (s->act) {
        case EVALUATE: {
            PyObject *value = value_of(frame, s->expression);
            if (value == NULL)
                return FAILED;
            Py_DECREF(value);
            break;
        }
        case ASSIGN:
            if (assigned(frame, s) < 0)
                return FAILED;
            break;
        case IF: {
            int answer = truth(frame, s->expression);
            outcome = answer < 0 ? FAILED : run(frame, answer ? s->body : s->handler);
            break;
        }
        case FOR:
            outcome = turned(frame, s);
            break;
        case TRY:
            outcome = attempted(frame, s);
            break;
        case RETURN: {
            PyObject *value = value_of(frame, s->expression);
            if (value == NULL)
                return FAILED;
            Py_XSETREF(frame->result, value);
            return RETURNED;
        }
        case BREAK:
            return LEFT;
        case PASS:
            break;
        case RAISE:
            PyErr_SetNone(s->expression->value);
            return FAILED;
        case DELETE:
            if (deleted(frame, s) < 0)
                return FAILED;
            break;
        }
        if (outcome != GOES_ON)
            return outcome;
    }
    return GOES_ON;
}

static PyObject *run_program(Program *program, PyObject *const *args) {
    PyObject *few[FEW];
    Frame frame = {few, NULL, 0, 0, 0};
    if (program->locals > FEW && (frame.slots = PyMem_Malloc(program->locals * sizeof(PyObject *))) == NULL)
        return PyErr_NoMemory();
    memset(frame.slots, 0, program->locals * sizeof(PyObject *));
    for (Py_ssize_t i = 0; i < program->arguments; i++)
        frame.slots[i] = Py_NewRef(args[i]);
    Outcome outcome = run(&frame, program->body);
    for (Py_ssize_t i = 0; i < program->locals; i++)
        Py_XDECREF(frame.slots[i]);
    if (frame.slots != few)
        PyMem_Free(frame.slots);
    if (outcome == FAILED)
        Py_CLEAR(frame.result);
    else if (frame.result == NULL)
        return Py_NewRef(Py_None);
    return frame.result;
}

/* ---- the class ---- */

static PyObject *program_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names) {
    Program *program = (Program *)self;
    if (PyVectorcall_NARGS(nargsf) != program->arguments || (names != NULL && PyTuple_GET_SIZE(names))) {
        PyErr_Format(PyExc_TypeError, "a program of %zd arguments was given others", program->arguments);
        return NULL;
    }
    if (Py_EnterRecursiveCall(" in a compiled function"))
        return NULL;
    Py_INCREF(self);  /* it may be replaced meanwhile */
    PyObject *result = run_program(program, args);
    Py_DECREF(self);
    Py_LeaveRecursiveCall();
    return result;
}

static PyObject *program_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    PyObject *text, *names;
    if (!PyArg_ParseTuple(args, "UO!", &text, &PyDict_Type, &names))
        return NULL;
    const char *utf8 = PyUnicode_AsUTF8(text);
    Program *program = utf8 == NULL ? NULL : (Program *)type->tp_alloc(type, 0);
    if (program == NULL)
        return NULL;
    program->call = program_call;
    program->owned = PyList_New(0);
    if (program->owned == NULL || read_program(program, utf8, names) < 0)
        Py_CLEAR(program);
    return (PyObject *)program;
}

static int program_traverse(PyObject *self, visitproc visit, void *arg) {
    Py_VISIT(((Program *)self)->owned);
    return 0;
}

/* Only what is not running is garbage: a call holds the program. */
static int program_clear(PyObject *self) {
    Program *program = (Program *)self;
    program->body = NULL;
    Py_CLEAR(program->owned);
    return 0;
}

static void program_dealloc(PyObject *self) {
    Program *program = (Program *)self;
    PyObject_GC_UnTrack(self);
    program_clear(self);
    for (Block *block = program->memory; block != NULL;) {
        Block *before = block->before;
        PyMem_Free(block);
        block = before;
    }
    Py_TYPE(self)->tp_free(self);
}

static PyMemberDef program_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Program, call), READONLY, NULL},
    {NULL},
};

PyTypeObject Program_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "lazytensor.hybrid._replay.Program",
    .tp_doc = "Program(text, names): the function `call` of a text as `source.py` writes it; ValueError for another.",
    .tp_basicsize = sizeof(Program),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_vectorcall_offset = offsetof(Program, call),
    .tp_call = PyVectorcall_Call,
    .tp_new = program_new,
    .tp_traverse = program_traverse,
    .tp_clear = program_clear,
    .tp_dealloc = program_dealloc,
    .tp_members = program_members,
};
