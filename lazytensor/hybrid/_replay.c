/* The guard of a compiled function in C: one call that asks whether all is as it was traced and binds the arrays.
 *
 * Its Python twin is the text that `source.guard_lines` writes, which is the reference, decides wherever this code says
 * no, and does all the work where the extension is not there. A guard is a table of steps, each of which loads an
 * object (an argument, an entry of a dict, an element of a list, the content of a cell, an attribute of a function, a part
 * of a container among the arguments that an earlier step has met) and
 * compares it: with the very object that it was, or with an array's geometry; or asks that a dict still has no such entry. `made` makes a Tensor of an array.
 */
#include "_replay.h"
#include <structmember.h>

enum Load { ARGUMENT, ENTRY, ELEMENT, CELL, CONSTANT, CODE, DEFAULTS, KEYWORD_DEFAULTS, CLASS_ENTRY, ATTRIBUTE,
            ABSENT, KEYWORD, PART_ENTRY, PART_ELEMENT, PART_ATTRIBUTE, LOADS };
enum { MOST_PARTS = 64, CONTAINER = 2, LENT = 3 };

typedef struct {
    int load;
    Py_ssize_t index;
    PyObject *holder, *key;      /* owned, or NULL */
    PyObject *expected;          /* what it must be; None for an array */
    PyObject *shape, *dtype, *strides;  /* of a view of one (`expected`: whether it may be written to) its own */
    int gives;                   /* of an array, whether its value is wanted, besides the handle; of another object,
                                  * whether one that is the same to any program will do; LENT: an array whose memory
                                  * is only read, so somebody outside may have it; or CONTAINER: `expected` is (type,
                                  * keys of a dict or of its own attributes, its number among the parts, whether it
                                  * has attributes of its own) */
    Py_ssize_t length;           /* instead: how long the loaded list or dict must be; or -1 */
} Step;

typedef struct {
    PyObject_HEAD
    Py_ssize_t arguments, count, outputs;
    int distinct;                /* whether the arrays that it gives must be different ones */
    PyObject *names;             /* a tuple: the keywords of the call, in order */
    Step *steps;
    vectorcallfunc call;
} Guard;

PyTypeObject *node_type;
Py_ssize_t node_at[NODE_NAMES];
static PyTypeObject *tensor_type;
static PyObject *leaf_operation, *tick, *empty_tuple;
static Py_ssize_t value_at, state_at, shape_at, dtype_at, strides_at, buffer_at;
enum { VIEW_ROOT, VIEW_STEPS, VIEW_SHAPE, VIEW_DTYPE, VIEW_STRIDES, VIEW_WRITEABLE, VIEW_OF, VIEW_LAID, VIEW_GIVEN,
       VIEW_NAMES, MOST_STEP = 8 };
static const char *view_names[VIEW_NAMES] = {"root", "steps", "shape", "dtype", "strides", "writeable", "of", "laid",
                                             "given"};
static PyTypeObject *view_type;
static Py_ssize_t view_at[VIEW_NAMES];
static PyObject *getitem_function;
static const char *node_names[NODE_NAMES] = {"op", "a", "b", "rest", "attrs", "shape", "dtype", "strides", "code", "lasti",
                                             "errstate", "depth", "seq", "buffer", "claim"};

Py_ssize_t offset_of(PyTypeObject *type, const char *name) {
    PyObject *found = PyDict_GetItemString(type->tp_dict, name);
    if (found == NULL || !Py_IS_TYPE(found, &PyMemberDescr_Type) ||
        ((PyMemberDescrObject *)found)->d_member->type != T_OBJECT_EX) {
        PyErr_Format(PyExc_TypeError, "%s has no slot %s", type->tp_name, name);
        return -1;
    }
    return ((PyMemberDescrObject *)found)->d_member->offset;
}

static int numbers;   /* whether the ints of a node are numbers */

/* The place of an int of a node. */
static Py_ssize_t number_at_of(PyTypeObject *node, const char *name) {
    PyObject *found = PyObject_GetAttrString((PyObject *)node, name);
    Py_ssize_t offset = -1;
    if (found != NULL && Py_IS_TYPE(found, &PyMemberDescr_Type)) {
        numbers = ((PyMemberDescrObject *)found)->d_member->type == T_PYSSIZET;
        offset = ((PyMemberDescrObject *)found)->d_member->offset;
    } else if (found != NULL)
        PyErr_Format(PyExc_TypeError, "%s has no slot %s", node->tp_name, name);
    Py_XDECREF(found);
    return offset;
}

long long node_number(PyObject *node, int i) {
    return numbers ? *(Py_ssize_t *)((char *)node + node_at[i]) : PyLong_AsLongLong(NODE(node, i));
}

/* The same as an int, a new reference. */
PyObject *node_int(PyObject *node, int i) {
    return numbers ? PyLong_FromSsize_t(*(Py_ssize_t *)((char *)node + node_at[i])) : Py_NewRef(NODE(node, i));
}

/* Gives a node an int; it may be without one. */
void put_number(PyObject *node, int i, Py_ssize_t number) {
    if (numbers)
        *(Py_ssize_t *)((char *)node + node_at[i]) = number;
    else
        Py_XSETREF(NODE(node, i), PyLong_FromSsize_t(number));
}

static PyObject *setup(PyObject *self, PyObject *args) {
    PyTypeObject *tensor, *node;
    PyObject *leaf, *counter;
    if (!PyArg_ParseTuple(args, "O!O!OO", &PyType_Type, &tensor, &PyType_Type, &node, &leaf, &counter))
        return NULL;
    if ((value_at = offset_of(tensor, "_value")) < 0 || (state_at = offset_of(tensor, "_state")) < 0)
        return NULL;
    for (int i = 0; i < NODE_NAMES; i++)
        if ((node_at[i] = (IS_NUMBER(i) ? number_at_of : offset_of)(node, node_names[i])) < 0)
            return NULL;
    shape_at = node_at[5];
    dtype_at = node_at[6];
    strides_at = node_at[7];
    buffer_at = node_at[13];
    tensor_type = (PyTypeObject *)Py_NewRef(tensor);
    node_type = (PyTypeObject *)Py_NewRef(node);
    leaf_operation = Py_NewRef(leaf);
    tick = Py_NewRef(counter);
    Py_RETURN_NONE;
}

static PyObject *setup_views(PyObject *self, PyObject *args) {
    PyTypeObject *view;
    PyObject *getitem;
    if (!PyArg_ParseTuple(args, "O!O", &PyType_Type, &view, &getitem))
        return NULL;
    for (int i = 0; i < VIEW_NAMES; i++)
        if ((view_at[i] = offset_of(view, view_names[i])) < 0)
            return NULL;
    view_type = (PyTypeObject *)Py_NewRef(view);
    getitem_function = Py_NewRef(getitem);
    Py_RETURN_NONE;
}

/* ---- steps ---- */

static PyObject *loaded(Step *step, PyObject *args, PyObject *kwargs, PyObject **parts) {
    PyObject *holder = step->holder;
    switch (step->load) {
    case ARGUMENT:
        return PyTuple_GET_ITEM(args, step->index);
    case KEYWORD:
        return PyDict_GetItemWithError(kwargs, step->key);
    case ENTRY:
        return PyDict_GetItemWithError(holder, step->key);
    case CLASS_ENTRY:
        return PyDict_GetItemWithError(((PyTypeObject *)holder)->tp_dict, step->key);
    case ELEMENT:
        return step->index < PyList_GET_SIZE(holder) ? PyList_GET_ITEM(holder, step->index) : NULL;
    case ATTRIBUTE: {
        PyObject *own = PyObject_GenericGetDict(holder, NULL);
        PyObject *found = own == NULL ? NULL : PyDict_GetItemWithError(own, step->key);
        Py_XDECREF(own);  /* the object has it, and it has what was found */
        return found;
    }
    case PART_ENTRY:
        return PyDict_GetItemWithError(parts[step->index], step->key);
    case PART_ELEMENT: {
        Py_ssize_t at = PyLong_AsSsize_t(step->key);
        return PyList_CheckExact(parts[step->index]) ? PyList_GET_ITEM(parts[step->index], at)
                                                     : PyTuple_GET_ITEM(parts[step->index], at);
    }
    case PART_ATTRIBUTE: {
        PyObject *found = PyObject_GetAttr(parts[step->index], step->key);
        if (found == NULL && PyErr_ExceptionMatches(PyExc_Exception))
            PyErr_Clear();
        int held = found != NULL && Py_REFCNT(found) > 1;  /* else a property has made it just now */
        Py_XDECREF(found);
        return held ? found : NULL;
    }
    case CELL:
        return PyCell_GET(holder);
    case CODE:
        return ((PyFunctionObject *)holder)->func_code;
    case DEFAULTS: {
        PyObject *found = ((PyFunctionObject *)holder)->func_defaults;
        return found == NULL ? Py_None : found;
    }
    case KEYWORD_DEFAULTS: {
        PyObject *found = ((PyFunctionObject *)holder)->func_kwdefaults;
        return found == NULL ? Py_None : found;
    }
    default:
        return holder;
    }
}

static int equal(PyObject *a, PyObject *b) {
    return a == b || (a != NULL && a != Py_None && b != Py_None && PyObject_RichCompareBool(a, b, Py_EQ) == 1);
}

/* Whether the memory of a root is as a step wants it (lending.readable): its own, or else aligned and only read. */
static int may_have(Step *step, PyObject *root, PyObject *buffer) {
    return SLOT(root, state_at) == Py_None || (step->gives == LENT && is_aligned_array(buffer));
}

/* Whether an object is an array of its own with the geometry of a step; its node. */
static PyObject *bound(Step *step, PyObject *object) {
    if (Py_TYPE(object) != tensor_type)
        return NULL;
    PyObject *node = SLOT(object, value_at);
    if (node == NULL || Py_TYPE(node) != node_type)
        return NULL;
    PyObject *buffer = SLOT(node, buffer_at);
    if (buffer == NULL || buffer == Py_None || !may_have(step, object, buffer) || SLOT(node, dtype_at) != step->dtype ||
        !equal(SLOT(node, shape_at), step->shape) || !equal(SLOT(node, strides_at), step->strides))
        return NULL;
    return node;
}

/* The view of a real array that a view's steps describe (run/interpreter.apply_view). */
static PyObject *seen_through(PyObject *steps, PyObject *array) {
    Py_INCREF(array);
    for (Py_ssize_t i = 0; array != NULL && i < PyTuple_GET_SIZE(steps); i++) {
        PyObject *step = PyTuple_GET_ITEM(steps, i), *args = PyTuple_GET_ITEM(step, 1), *stack[MOST_STEP + 1], *seen = NULL;
        Py_ssize_t count = PyTuple_GET_SIZE(args);
        if (PyTuple_GET_ITEM(step, 0) == getitem_function && count == 1)
            seen = PyObject_GetItem(array, PyTuple_GET_ITEM(args, 0));
        else if (count <= MOST_STEP) {
            stack[0] = array;
            for (Py_ssize_t k = 0; k < count; k++)
                stack[k + 1] = PyTuple_GET_ITEM(args, k);
            seen = PyObject_Vectorcall(PyTuple_GET_ITEM(step, 0), stack, count + 1, NULL);
        }
        Py_SETREF(array, seen);
    }
    return array;
}

/* The same for a view of an array of its own: its root's node, and a new reference to the view of that memory. */
static PyObject *bound_view(Step *step, PyObject *object, PyObject **seen) {
    PyObject *view = Py_TYPE(object) == tensor_type ? SLOT(object, value_at) : NULL;
    if (view == NULL || view_type == NULL || Py_TYPE(view) != view_type ||
        SLOT(view, view_at[VIEW_DTYPE]) != step->dtype || !equal(SLOT(view, view_at[VIEW_SHAPE]), step->shape) ||
        !equal(SLOT(view, view_at[VIEW_STRIDES]), step->strides) || !equal(SLOT(view, view_at[VIEW_WRITEABLE]), step->expected))
        return NULL;
    PyObject *root = SLOT(view, view_at[VIEW_ROOT]);
    PyObject *node = Py_TYPE(root) == tensor_type ? SLOT(root, value_at) : NULL;
    if (node == NULL || Py_TYPE(node) != node_type || SLOT(node, dtype_at) != SLOT(view, view_at[VIEW_GIVEN]) ||
        !equal(SLOT(node, shape_at), SLOT(view, view_at[VIEW_OF])) ||
        !equal(SLOT(node, strides_at), SLOT(view, view_at[VIEW_LAID])))
        return NULL;
    PyObject *buffer = SLOT(node, buffer_at), *steps = SLOT(view, view_at[VIEW_STEPS]);
    if (buffer == NULL || buffer == Py_None || !may_have(step, root, buffer) ||
        (*seen = seen_through(steps, buffer)) == NULL) {
        PyErr_Clear();
        return NULL;
    }
    if (is_aligned_array(*seen))
        return node;
    Py_CLEAR(*seen);
    return NULL;
}

/* How many objects a guard gives. */
Py_ssize_t guard_outputs(PyObject *guard) {
    return ((Guard *)guard)->outputs;
}

/* Whether a call has these keywords, in this order. */
static int has_keywords(PyObject *names, PyObject *kwargs) {
    Py_ssize_t at = 0, i = 0;
    PyObject *name, *value;
    if (PyDict_GET_SIZE(kwargs) != PyTuple_GET_SIZE(names))
        return 0;
    while (PyDict_Next(kwargs, &at, &name, &value)) {
        PyObject *known = PyTuple_GET_ITEM(names, i++);
        if (name != known && !(PyUnicode_CheckExact(name) && PyUnicode_Compare(name, known) == 0))
            return 0;
    }
    return 1;
}

/* Whether an object is a container as a step has it. */
static int is_container(Step *step, PyObject *object) {
    PyObject *keys = PyTuple_GET_ITEM(step->expected, 1);
    if ((PyObject *)Py_TYPE(object) != PyTuple_GET_ITEM(step->expected, 0))
        return 0;
    if (PyDict_CheckExact(object))
        return has_keywords(keys, object);
    if (PyList_CheckExact(object))
        return PyList_GET_SIZE(object) == step->length;
    if (PyTuple_Check(object) && PyTuple_GET_SIZE(object) != step->length)
        return 0;
    if (PyTuple_GET_ITEM(step->expected, 3) != Py_True)
        return 1;
    PyObject *own = PyObject_GenericGetDict(object, NULL);  /* of a dataclass, or a named tuple's subclass */
    int answer = own != NULL && PyDict_Check(own) && has_keywords(keys, own);
    Py_XDECREF(own);
    return answer;
}

static int guard_fails(PyObject **given, Py_ssize_t count) {
    while (count)
        Py_DECREF(given[--count]);
    return PyErr_Occurred() ? -1 : 0;
}

/* Whether a guard holds; puts what it gives, new references, into `given`. -1: an exception. */
int guard_fill(PyObject *self, PyObject *args, PyObject *kwargs, PyObject **given) {
    Guard *guard = (Guard *)self;
    if (PyTuple_GET_SIZE(args) != guard->arguments || !has_keywords(guard->names, kwargs))
        return 0;
    Py_ssize_t count = 0;
    PyObject *parts[MOST_PARTS];  /* containers that were met, which the arguments hold */
    for (Py_ssize_t i = 0; i < guard->count; i++) {
        Step *step = &guard->steps[i];
        if (step->load == ABSENT) {
            if (PyDict_GetItemWithError(step->holder, step->key) != NULL || PyErr_Occurred())
                return guard_fails(given, count);
            continue;
        }
        PyObject *object = loaded(step, args, kwargs, parts);
        if (object == NULL)
            return guard_fails(given, count);
        if (step->gives == CONTAINER) {
            if (!is_container(step, object))
                return guard_fails(given, count);
            parts[PyLong_AsSsize_t(PyTuple_GET_ITEM(step->expected, 2))] = object;
            for (int k = 0; k < 3; k++)
                given[count++] = Py_NewRef(object);
            continue;
        }
        if (step->length >= 0) {
            if ((PyList_Check(object) ? PyList_GET_SIZE(object) : -1) != step->length)
                return guard_fails(given, count);
        }
        else if (step->shape == NULL) {
            if (object != step->expected && !(step->gives && alike_values(object, step->expected) == 1))
                return guard_fails(given, count);
        }
        else {
            PyObject *seen = NULL, *node = step->expected == Py_None ? bound(step, object) : bound_view(step, object, &seen);
            if (node == NULL)
                return guard_fails(given, count);
            if (step->gives) {
                given[count++] = Py_NewRef(object);
                given[count++] = Py_NewRef(node);
                given[count++] = seen == NULL ? Py_NewRef(SLOT(node, buffer_at)) : seen;
            }
            else
                Py_XDECREF(seen);
        }
    }
    for (Py_ssize_t i = 3; guard->distinct && i < count; i += 3)
        for (Py_ssize_t j = 0; j < i; j += 3)
            if (given[i] == given[j])
                return guard_fails(given, count);
    return 1;
}

static PyObject *guard_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names) {
    Guard *guard = (Guard *)self;
    if (PyVectorcall_NARGS(nargsf) != 2 || !PyTuple_Check(args[0]) || !PyDict_Check(args[1])) {
        PyErr_SetString(PyExc_TypeError, "a guard takes the tuple and the dict of arguments");
        return NULL;
    }
    PyObject *few[48], **given = few, *result = NULL;
    if (guard->outputs > 48 && (given = PyMem_Malloc(guard->outputs * sizeof(PyObject *))) == NULL)
        return PyErr_NoMemory();
    int holds = guard_fill(self, args[0], args[1], given);
    if (holds == 0)
        result = Py_NewRef(Py_None);
    else if (holds > 0 && (result = PyTuple_New(guard->outputs)) != NULL)
        for (Py_ssize_t i = 0; i < guard->outputs; i++)
            PyTuple_SET_ITEM(result, i, given[i]);
    else if (holds > 0)
        guard_fails(given, guard->outputs);
    if (given != few)
        PyMem_Free(given);
    return result;
}

static void guard_clear_steps(Guard *guard) {
    for (Py_ssize_t i = 0; i < guard->count; i++) {
        Step *step = &guard->steps[i];
        Py_XDECREF(step->holder);
        Py_XDECREF(step->key);
        Py_XDECREF(step->expected);
        Py_XDECREF(step->shape);
        Py_XDECREF(step->dtype);
        Py_XDECREF(step->strides);
    }
    guard->count = 0;
}

static int guard_clear(PyObject *self) {
    guard_clear_steps((Guard *)self);
    return 0;
}

static int guard_traverse(PyObject *self, visitproc visit, void *arg) {
    Guard *guard = (Guard *)self;
    for (Py_ssize_t i = 0; i < guard->count; i++) {
        Py_VISIT(guard->steps[i].holder);
        Py_VISIT(guard->steps[i].expected);
    }
    return 0;
}

static void guard_dealloc(PyObject *self) {
    PyObject_GC_UnTrack(self);
    guard_clear_steps((Guard *)self);
    PyMem_Free(((Guard *)self)->steps);
    Py_XDECREF(((Guard *)self)->names);
    Py_TYPE(self)->tp_free(self);
}

static int holder_fits(int load, PyObject *holder) {
    switch (load) {
    case ENTRY: case ABSENT:
        return PyDict_Check(holder);
    case ELEMENT:
        return PyList_Check(holder);
    case CELL:
        return PyCell_Check(holder);
    case CLASS_ENTRY:
        return PyType_Check(holder);
    case CODE: case DEFAULTS: case KEYWORD_DEFAULTS:
        return PyFunction_Check(holder);
    default:
        return 1;
    }
}

/* A step from (load, index, holder, key, expected, geometry, gives, length); geometry is (shape, dtype, strides) or None. */
static int step_from(Step *step, PyObject *row, Py_ssize_t arguments, unsigned long long *parts) {
    PyObject *holder, *key, *expected, *geometry;
    if (!PyArg_ParseTuple(row, "inOOOOin", &step->load, &step->index, &holder, &key, &expected, &geometry, &step->gives,
                          &step->length))
        return -1;
    if (step->load < 0 || step->load >= LOADS || !holder_fits(step->load, holder) || step->index < 0 ||
        (step->load == ARGUMENT && step->index >= arguments) ||
        (geometry != Py_None && (!PyTuple_Check(geometry) || PyTuple_GET_SIZE(geometry) != 3))) {
        PyErr_SetString(PyExc_ValueError, "not a step of a guard");
        return -1;
    }
    int part = step->load == PART_ENTRY || step->load == PART_ELEMENT || step->load == PART_ATTRIBUTE, good = 1;
    if (part)  /* of a container that an earlier step has met */
        good = step->index < MOST_PARTS && (*parts >> step->index & 1) && (step->load == PART_ELEMENT ? PyLong_Check(key) : PyUnicode_Check(key));
    if (good && step->gives == CONTAINER) {
        PyObject *type, *keys, *own;
        Py_ssize_t number;
        good = PyTuple_Check(expected) && PyArg_ParseTuple(expected, "O!O!nO", &PyType_Type, &type, &PyTuple_Type, &keys,
                                                           &number, &own) && number >= 0 && number < MOST_PARTS;
        *parts |= good ? 1ULL << number : 0;
    }
    if (!good) {
        PyErr_SetString(PyExc_ValueError, "not a container of a guard");
        return -1;
    }
    step->holder = Py_NewRef(holder);
    step->key = Py_NewRef(key);
    step->expected = Py_NewRef(expected);
    if (geometry != Py_None) {
        step->shape = Py_NewRef(PyTuple_GET_ITEM(geometry, 0));
        step->dtype = Py_NewRef(PyTuple_GET_ITEM(geometry, 1));
        step->strides = Py_NewRef(PyTuple_GET_ITEM(geometry, 2));
    }
    return 0;
}

static PyObject *guard_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    Py_ssize_t arguments;
    PyObject *rows, *names = empty_tuple;
    int distinct = 0;
    unsigned long long parts = 0;
    if (!PyArg_ParseTuple(args, "nO!|pO!", &arguments, &PyList_Type, &rows, &distinct, &PyTuple_Type, &names))
        return NULL;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); i++)
        if (!PyUnicode_CheckExact(PyTuple_GET_ITEM(names, i))) {
            PyErr_SetString(PyExc_TypeError, "keywords are strings");
            return NULL;
        }
    if (tensor_type == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "setup first");
        return NULL;
    }
    Guard *guard = (Guard *)type->tp_alloc(type, 0);
    if (guard == NULL)
        return NULL;
    guard->arguments = arguments;
    guard->distinct = distinct;
    guard->names = Py_NewRef(names);
    guard->call = guard_call;
    guard->steps = PyMem_Calloc(PyList_GET_SIZE(rows) + 1, sizeof(Step));
    if (guard->steps == NULL) {
        Py_DECREF(guard);
        return PyErr_NoMemory();
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(rows); i++) {
        if (step_from(&guard->steps[i], PyList_GET_ITEM(rows, i), arguments, &parts) < 0) {
            Py_DECREF(guard);
            return NULL;
        }
        guard->count++;
        guard->outputs += 3 * (guard->steps[i].gives && (guard->steps[i].shape != NULL || guard->steps[i].gives == CONTAINER));
    }
    return (PyObject *)guard;
}

static PyMemberDef guard_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Guard, call), READONLY, NULL},
    {NULL},
};

PyTypeObject Guard_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "lazytensor.hybrid._replay.Guard",
    .tp_doc = "Guard(arguments, rows, distinct=False, names=()): called with the tuple and the dict of arguments, gives for each array that is "
              "wanted the handle, its node and its buffer, in one tuple; None if something is not as it was.",
    .tp_basicsize = sizeof(Guard),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_vectorcall_offset = offsetof(Guard, call),
    .tp_call = PyVectorcall_Call,
    .tp_new = guard_new,
    .tp_traverse = guard_traverse,
    .tp_clear = guard_clear,
    .tp_dealloc = guard_dealloc,
    .tp_members = guard_members,
};

/* ---- the error state ---- */

static PyObject *watch, *warnings_dict, *error_state, *filters_name, *show_name, *showwarning_name;
static Py_ssize_t watch_at[4];

static PyObject *setup_state(PyObject *self, PyObject *args) {
    PyObject *seen, *names, *state;
    if (!PyArg_ParseTuple(args, "OO!O!", &seen, &PyDict_Type, &names, &PyContextVar_Type, &state))
        return NULL;
    static const char *slots[] = {"capsule", "filters", "show", "showwarning"};
    for (int i = 0; i < 4; i++)
        if ((watch_at[i] = offset_of(Py_TYPE(seen), slots[i])) < 0)
            return NULL;
    watch = Py_NewRef(seen);
    warnings_dict = Py_NewRef(names);
    error_state = Py_NewRef(state);
    Py_RETURN_NONE;
}

/* Whether two lists hold the same objects: most often they do, which is quickly seen. */
static int same_items(PyObject *a, PyObject *b) {
    if (a == b)
        return 1;
    if (!PyList_CheckExact(a) || !PyList_CheckExact(b) || PyList_GET_SIZE(a) != PyList_GET_SIZE(b))
        return 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(a); i++)
        if (PyList_GET_ITEM(a, i) != PyList_GET_ITEM(b, i))
            return 0;
    return 1;
}

/* What `warnings` has for its filters and its functions that show a warning, borrowed. */
static void warning_state(PyObject **filters, PyObject **show, PyObject **showwarning) {
#if PY_VERSION_HEX < 0x030C0000
    static uint64_t version;     /* of the dict when these were looked up */
    static PyObject *known_filters, *known_show, *known_showwarning;
    if (((PyDictObject *)warnings_dict)->ma_version_tag != version) {
        known_filters = PyDict_GetItemWithError(warnings_dict, filters_name);
        known_show = PyDict_GetItemWithError(warnings_dict, show_name);
        known_showwarning = PyDict_GetItemWithError(warnings_dict, showwarning_name);
        version = ((PyDictObject *)warnings_dict)->ma_version_tag;
    }
    *filters = known_filters;
    *show = known_show;
    *showwarning = known_showwarning;
#else
    *filters = PyDict_GetItemWithError(warnings_dict, filters_name);
    *show = PyDict_GetItemWithError(warnings_dict, show_name);
    *showwarning = PyDict_GetItemWithError(warnings_dict, showwarning_name);
#endif
}

/* Whether the error state is that one, and it and the warning filters are as at the last look (`floating.unchanged`). */
int is_steady(PyObject *capsule) {
    PyObject *now;
    if (watch == NULL || PyContextVar_Get(error_state, NULL, &now) < 0)
        return -1;
    int answer = now == capsule && now == SLOT(watch, watch_at[0]);
    Py_XDECREF(now);  /* the variable has it */
    PyObject *filters, *show, *showwarning, *known = SLOT(watch, watch_at[1]);
    warning_state(&filters, &show, &showwarning);
    if (answer)
        answer = show == SLOT(watch, watch_at[2]) && showwarning == SLOT(watch, watch_at[3]) && filters != NULL &&
            known != NULL && (same_items(filters, known) || PyObject_RichCompareBool(filters, known, Py_EQ));
    return PyErr_Occurred() ? -1 : answer;
}

PyObject *steady(PyObject *self, PyObject *capsule) {
    int answer = is_steady(capsule);
    return answer < 0 ? NULL : PyBool_FromLong(answer);
}

/* ---- results ---- */

static Py_ssize_t scalar_node_at;
static PyObject *scalar_classes, *any_scalar;

static PyObject *setup_scalars(PyObject *self, PyObject *args) {
    PyTypeObject *scalar;
    PyObject *classes, *make;
    if (!PyArg_ParseTuple(args, "O!O!O", &PyType_Type, &scalar, &PyDict_Type, &classes, &make) ||
        (scalar_node_at = offset_of(scalar, "_node")) < 0)
        return NULL;
    scalar_classes = Py_NewRef(classes);
    any_scalar = Py_NewRef(make);
    Py_RETURN_NONE;
}

/* A node that is its buffer. */
static PyObject *leaf_node(PyObject *buffer, PyObject *shape, PyObject *dtype, PyObject *strides) {
    PyObject *seq = PyObject_CallNoArgs(tick);
    PyObject *node = seq == NULL ? NULL : node_type->tp_alloc(node_type, 0);
    if (node == NULL) {
        Py_XDECREF(seq);
        return NULL;
    }
    PyObject *values[NODE_NAMES] = {leaf_operation, Py_None, Py_None, empty_tuple, Py_None, shape, dtype, strides,
                                    Py_None, NULL, Py_None, NULL, NULL, buffer, Py_None};
    for (int i = 0; i < NODE_NAMES; i++)
        if (!IS_NUMBER(i))
            SLOT(node, node_at[i]) = Py_NewRef(values[i]);
    put_number(node, NODE_LASTI, -1);
    put_number(node, NODE_DEPTH, 0);
    put_number(node, NODE_SEQ, PyLong_AsSsize_t(seq));
    Py_DECREF(seq);
    return node;
}

static PyObject *made(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    if (count != 4 || tensor_type == NULL) {
        PyErr_SetString(PyExc_TypeError, "made(buffer, shape, dtype, strides)");
        return NULL;
    }
    PyObject *node = leaf_node(args[0], args[1], args[2], args[3]);
    PyObject *tensor = node == NULL ? NULL : tensor_type->tp_alloc(tensor_type, 0);
    if (tensor == NULL) {
        Py_XDECREF(node);
        return NULL;
    }
    SLOT(tensor, value_at) = node;
    SLOT(tensor, state_at) = Py_NewRef(Py_None);
    return tensor;
}

/* A lazy scalar of one of NumPy's, as effects.made_scalar, which makes those that are met for the first time. */
static PyObject *made_scalar(PyObject *self, PyObject *value) {
    PyObject *kind = scalar_classes == NULL ? NULL : PyDict_GetItemWithError(scalar_classes, (PyObject *)Py_TYPE(value));
    PyObject *dtype = kind == NULL || !PyType_Check(kind) ? NULL : number_dtype(value);
    if (dtype == NULL)
        return PyErr_Occurred() || any_scalar == NULL ? NULL : PyObject_CallOneArg(any_scalar, value);
    PyObject *node = leaf_node(value, empty_tuple, dtype, Py_None);
    Py_DECREF(dtype);
    PyObject *scalar = node == NULL ? NULL : ((PyTypeObject *)kind)->tp_alloc((PyTypeObject *)kind, 0);
    if (scalar == NULL) {
        Py_XDECREF(node);
        return NULL;
    }
    SLOT(scalar, scalar_node_at) = node;
    return scalar;
}

/* ---- functions that are entered ---- */

#if PY_VERSION_HEX < 0x030C0000
/* The profiler of a traced call (entering.py), from 3.12 on `sys.monitoring`: calls `found` with the frame of each code
 * object that is entered for the first time. Codes are known by their addresses: to hash one takes microseconds. */
typedef struct {
    PyObject_HEAD
    PyObject *found;
    PyObject **codes;            /* owned; open addressing */
    size_t mask, used;
} Entries;

static PyObject **code_cell(PyObject **codes, size_t mask, PyObject *code) {
    size_t at = ((size_t)code >> 5) * 0x9E3779B97F4A7C15ull >> 20;
    while (codes[at & mask] != NULL && codes[at & mask] != code)
        at++;
    return &codes[at & mask];
}

static int entries_grow(Entries *entries) {
    size_t mask = 2 * entries->mask + 1;
    PyObject **codes = PyMem_Calloc(mask + 1, sizeof(PyObject *));
    if (codes == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i <= entries->mask; i++)
        if (entries->codes[i] != NULL)
            *code_cell(codes, mask, entries->codes[i]) = entries->codes[i];
    PyMem_Free(entries->codes);
    entries->codes = codes;
    entries->mask = mask;
    return 0;
}

static int entered(PyObject *self, PyFrameObject *frame, int what, PyObject *arg) {
    Entries *entries = (Entries *)self;
    if (what != PyTrace_CALL)
        return 0;
    PyObject *code = (PyObject *)PyFrame_GetCode(frame);
    PyObject **cell = code_cell(entries->codes, entries->mask, code);
    if (*cell == code) {
        Py_DECREF(code);
        return 0;
    }
    *cell = code;
    if (2 * ++entries->used > entries->mask && entries_grow(entries) < 0)
        return -1;
    PyObject *answer = PyObject_CallOneArg(entries->found, (PyObject *)frame);
    Py_XDECREF(answer);
    return answer == NULL ? -1 : 0;
}

static void entries_dealloc(PyObject *self) {
    Entries *entries = (Entries *)self;
    PyObject_GC_UnTrack(self);
    for (size_t i = 0; entries->codes != NULL && i <= entries->mask; i++)
        Py_XDECREF(entries->codes[i]);
    PyMem_Free(entries->codes);
    Py_XDECREF(entries->found);
    Py_TYPE(self)->tp_free(self);
}

static int entries_traverse(PyObject *self, visitproc visit, void *arg) {
    Py_VISIT(((Entries *)self)->found);
    return 0;
}

static int entries_clear(PyObject *self) {
    Py_CLEAR(((Entries *)self)->found);
    return 0;
}

static PyTypeObject Entries_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "lazytensor.hybrid._replay.Entries",
    .tp_doc = "A profiler that tells of functions when they are first entered.",
    .tp_basicsize = sizeof(Entries),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_traverse = entries_traverse,
    .tp_clear = entries_clear,
    .tp_dealloc = entries_dealloc,
};

/* Sets this thread's profiler; `sys.setprofile(None)` takes it away. */
static PyObject *profile(PyObject *self, PyObject *found) {
    Entries *entries = (Entries *)Entries_Type.tp_alloc(&Entries_Type, 0);
    if (entries == NULL)
        return NULL;
    entries->found = Py_NewRef(found);
    entries->codes = PyMem_Calloc(64, sizeof(PyObject *));
    entries->mask = 63;
    if (entries->codes == NULL) {
        Py_DECREF(entries);
        return PyErr_NoMemory();
    }
    PyEval_SetProfile(entered, (PyObject *)entries);
    Py_DECREF(entries);
    Py_RETURN_NONE;
}
#endif

static PyMethodDef methods[] = {
#if PY_VERSION_HEX < 0x030C0000
    {"profile", profile, METH_O, "profile(found): calls it with the frame of each function that is first entered."},
#endif
    {"setup", setup, METH_VARARGS, "setup(Tensor, Node, leaf, tick): the classes and objects that this works on."},
    {"setup_views", setup_views, METH_VARARGS, "setup_views(View, getitem): views that arguments may be."},
    {"made", (PyCFunction)(void (*)(void))made, METH_FASTCALL, "made(buffer, shape, dtype, strides): a Tensor."},
    {"setup_scalars", setup_scalars, METH_VARARGS, "setup_scalars(Scalar, classes, made_scalar)"},
    {"made_scalar", made_scalar, METH_O, "made_scalar(value): a lazy scalar of one of NumPy's."},
    {"setup_state", setup_state, METH_VARARGS, "setup_state(watch, vars(warnings), variable)"},
    {"steady", steady, METH_O, "steady(capsule): whether it is in force, and nothing has changed since the last look."},
    {"setup_records", setup_records, METH_VARARGS, "setup_records(Record, Operand, view, element)"},
    {"again", (PyCFunction)(void (*)(void))again, METH_FASTCALL,
     "again(record, references, number): the record of a later turn of a loop (repeating.again)."},
    {"exceeds", exceeds, METH_VARARGS, "exceeds(records, bytes): whether an operation gives so many, or reads a view that has."},
    {"setup_programs", setup_programs, METH_O, "setup_programs(classes): those whose slots programs may read directly."},
    {"setup_launches", setup_launches, METH_VARARGS, "setup_launches(launch, words of a header)"},
    {"launched_loops", launched_loops, METH_NOARGS, "How many loops of nothing but kernels ran at one go so far."},
    {"setup_inner", setup_inner, METH_VARARGS, "setup_inner(ufunc, copyto, loop_of, mask_of, variable, Abandon)"},
    {"inner_loops", inner_loops, METH_NOARGS, "How many loops of nothing but ufuncs' inner loops ran so far."},
    {"setup_caller", setup_caller, METH_VARARGS, "setup_caller(watchers, MISS, Compiled)"},
    {"alike", (PyCFunction)(void (*)(void))alike, METH_FASTCALL,
     "alike(a, b): whether two plain values are the same; None if it cannot tell."},
    {NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_replay", "See _replay.c.", -1, methods};

PyMODINIT_FUNC PyInit__replay(void) {
    PyObject *m;
#if PY_VERSION_HEX < 0x030C0000
    if (PyType_Ready(&Entries_Type) < 0)
        return NULL;
#endif
    if (setup_grouping() < 0 || PyType_Ready(&Guard_Type) < 0 || PyType_Ready(&Book_Type) < 0 ||
        PyType_Ready(&Program_Type) < 0 || PyType_Ready(&Caller_Type) < 0 || (m = PyModule_Create(&module)) == NULL)
        return NULL;
    filters_name = PyUnicode_InternFromString("filters");
    show_name = PyUnicode_InternFromString("_showwarnmsg_impl");
    showwarning_name = PyUnicode_InternFromString("showwarning");
    empty_tuple = PyTuple_New(0);
    if (PyModule_AddObjectRef(m, "Guard", (PyObject *)&Guard_Type) < 0
        || PyModule_AddObjectRef(m, "Book", (PyObject *)&Book_Type) < 0
        || PyModule_AddObjectRef(m, "Caller", (PyObject *)&Caller_Type) < 0
        || PyModule_AddObjectRef(m, "Program", (PyObject *)&Program_Type) < 0) {
        Py_DECREF(m);
        return NULL;
    }
    return m;
}
