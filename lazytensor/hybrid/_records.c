/* The records of a trace, and loops among them: what tracing.py and repeating.py do, for operations.
 *
 * Their Python is the reference, and does the work where the extension is not there.
 */
#include "_replay.h"

/* ---- records ---- */

#define RECORD_NAMES 17
static const char *record_names[RECORD_NAMES] = {"kind", "name", "operands", "op", "attrs", "shape", "dtype", "strides",
                                                 "errstate", "code", "lasti", "fn", "args", "kwargs", "results", "outcome",
                                                 "how"};
static Py_ssize_t record_at[RECORD_NAMES];
static PyTypeObject *record_type, *operand_type;
static PyObject *view_operation, *element_operation, *text_operation;

PyObject *setup_records(PyObject *self, PyObject *args) {
    PyTypeObject *record, *operand;
    PyObject *view, *element;
    if (!PyArg_ParseTuple(args, "O!O!OO", &PyType_Type, &record, &PyType_Type, &operand, &view, &element))
        return NULL;
    for (int i = 0; i < RECORD_NAMES; i++)
        if ((record_at[i] = offset_of(record, record_names[i])) < 0)
            return NULL;
    record_type = (PyTypeObject *)Py_NewRef(record);
    operand_type = (PyTypeObject *)Py_NewRef(operand);
    view_operation = Py_NewRef(view);
    element_operation = Py_NewRef(element);
    text_operation = PyUnicode_InternFromString("operation");
    Py_RETURN_NONE;
}

/* What a trace writes to, borrowed. */
typedef struct {
    PyObject *trace, *slots, *plain, *records, *dynamic, *real;
} Trace;

/* The name of a node's value, borrowed from the trace. */
static PyObject *name_of(Trace *trace, PyObject *node) {
    PyObject *known = PyDict_GetItemWithError(trace->slots, NODE(node, NODE_SEQ));
    if (known != NULL || PyErr_Occurred())
        return known;
    PyObject *name = PyObject_CallMethod(trace->trace, "slot_of", "O", node);
    if (name == NULL)
        return NULL;
    Py_DECREF(name);
    return PyDict_GetItemWithError(trace->slots, NODE(node, NODE_SEQ));
}

/* An Operand of these four, which are borrowed. */
static PyObject *operand_from(PyObject *name, PyObject *steps, PyObject *value, PyObject *laid) {
    PyObject *made = operand_type->tp_alloc(operand_type, 4);
    if (made == NULL)
        return NULL;
    PyTuple_SET_ITEM(made, 0, Py_NewRef(name));
    PyTuple_SET_ITEM(made, 1, Py_NewRef(steps));
    PyTuple_SET_ITEM(made, 2, Py_NewRef(value));
    PyTuple_SET_ITEM(made, 3, Py_NewRef(laid));
    return made;
}

/* As Trace.operand. */
static PyObject *operand_of(Trace *trace, PyObject *x) {
    if (Py_TYPE(x) != node_type)
        return operand_from(Py_None, Py_None, x, Py_None);
    PyObject *buffer = NODE(x, NODE_BUFFER), *name;
    if (NODE(x, NODE_OP) == view_operation && (buffer == NULL || buffer == Py_None)) {
        if ((name = name_of(trace, NODE(x, NODE_A))) == NULL)
            return NULL;
        PyObject *laid = PyTuple_Pack(3, NODE(x, NODE_SHAPE), NODE(x, NODE_DTYPE), NODE(x, NODE_STRIDES));
        if (laid == NULL)
            return NULL;
        PyObject *made = operand_from(name, NODE(x, NODE_ATTRS), Py_None, laid);
        Py_DECREF(laid);
        return made;
    }
    if ((name = name_of(trace, x)) == NULL)
        return NULL;
    PyObject *known = PyDict_GetItemWithError(trace->plain, name);
    if (known != NULL || PyErr_Occurred())
        return Py_XNewRef(known);
    PyObject *made = operand_from(name, Py_None, Py_None, Py_None);
    if (made != NULL && PyDict_SetItem(trace->plain, name, made) < 0)
        Py_CLEAR(made);
    return made;
}

/* The operands of a node's record. */
static PyObject *operands_of(Trace *trace, PyObject *node) {
    PyObject *given[2] = {NODE(node, NODE_A), NODE(node, NODE_B)}, *rest = NODE(node, NODE_REST), *inputs = NULL;
    Py_ssize_t n = given[0] == Py_None ? 0 : given[1] == Py_None ? 1 : 2;
    if (n == 0 || !PyTuple_Check(rest) || PyTuple_GET_SIZE(rest)) {
        inputs = PyObject_GetAttrString(node, "inputs");
        if (inputs == NULL || !PyTuple_Check(inputs)) {
            Py_XDECREF(inputs);
            return NULL;
        }
        n = PyTuple_GET_SIZE(inputs);
    }
    PyObject *made = PyTuple_New(n);
    for (Py_ssize_t i = 0; made != NULL && i < n; i++) {
        PyObject *one = operand_of(trace, inputs == NULL ? given[i] : PyTuple_GET_ITEM(inputs, i));
        if (one == NULL)
            Py_CLEAR(made);
        else
            PyTuple_SET_ITEM(made, i, one);
    }
    Py_XDECREF(inputs);
    return made;
}

/* As Trace._operation. */
static int write_one(Trace *trace, PyObject *node) {
    PyObject *operands = operands_of(trace, node);
    if (operands == NULL)
        return -1;
    PyObject *name = PyUnicode_FromFormat("r%zd", PyList_GET_SIZE(trace->records));
    PyObject *record = name == NULL ? NULL : record_type->tp_alloc(record_type, 0);
    if (record == NULL) {
        Py_XDECREF(name);
        Py_DECREF(operands);
        return -1;
    }
    PyObject *values[RECORD_NAMES] = {text_operation, name, operands, NODE(node, NODE_OP), NODE(node, NODE_ATTRS),
                                      NODE(node, NODE_SHAPE), NODE(node, NODE_DTYPE), NODE(node, NODE_STRIDES),
                                      NODE(node, NODE_ERRSTATE), NODE(node, NODE_CODE), NODE(node, NODE_LASTI), Py_None,
                                      Py_None, Py_None, Py_None, Py_None, Py_None};
    for (int i = 0; i < RECORD_NAMES; i++)
        SLOT(record, record_at[i]) = Py_NewRef(values[i] == NULL ? Py_None : values[i]);
    int bad = PyDict_SetItem(trace->slots, NODE(node, NODE_SEQ), name) < 0 || PyList_Append(trace->records, record) < 0 ||
              (NODE(node, NODE_OP) == element_operation && PySet_Add(trace->real, name) < 0);
    for (Py_ssize_t i = 0; !bad && i < PyTuple_GET_SIZE(operands); i++) {
        PyObject *of = PyTuple_GET_ITEM(PyTuple_GET_ITEM(operands, i), 0);
        int there = of == Py_None ? 0 : PySet_Contains(trace->dynamic, of);
        if (there) {
            bad = there < 0 || PySet_Add(trace->dynamic, name) < 0;
            break;
        }
    }
    Py_DECREF(operands);
    Py_DECREF(record);
    Py_DECREF(name);
    return bad ? -1 : 0;
}

/* ---- which nodes are to be written down ---- */

typedef struct { long long seq; PyObject *node; } Numbered;

/* Nodes that have been met, and where they are looked up: by open addressing. All are owned. */
typedef struct {
    Numbered *items;
    Py_ssize_t count, room;
    PyObject **met;
    size_t mask;
} Found;

static int by_number(const void *a, const void *b) {
    long long x = ((const Numbered *)a)->seq, y = ((const Numbered *)b)->seq;
    return x < y ? -1 : x > y;
}

static PyObject **met_cell(PyObject **met, size_t mask, PyObject *node) {
    size_t at = ((size_t)node >> 4) * 0x9E3779B97F4A7C15ull >> 20;
    while (met[at & mask] != NULL && met[at & mask] != node)
        at++;
    return &met[at & mask];
}

/* Notes a node. 1: it is new; 0: it has been met; -1: an error. */
static int find(Found *found, PyObject *node, long long seq) {
    PyObject **cell = met_cell(found->met, found->mask, node);
    if (*cell != NULL)
        return 0;
    if (found->count == found->room) {
        size_t mask = 4 * found->room - 1;
        Numbered *items = PyMem_Realloc(found->items, 2 * found->room * sizeof(Numbered));
        PyObject **met = PyMem_Calloc(mask + 1, sizeof(PyObject *));
        if (items != NULL)
            found->items = items;
        if (items == NULL || met == NULL) {
            PyMem_Free(met);
            PyErr_NoMemory();
            return -1;
        }
        for (Py_ssize_t i = 0; i < found->count; i++)
            *met_cell(met, mask, found->items[i].node) = found->items[i].node;
        PyMem_Free(found->met);
        found->met = met;
        found->mask = mask;
        found->room *= 2;
        cell = met_cell(met, mask, node);
    }
    *cell = node;
    found->items[found->count].seq = seq;
    found->items[found->count++].node = Py_NewRef(node);
    return 1;
}

static int is_pending(PyObject *x) {
    return Py_TYPE(x) == node_type && (NODE(x, NODE_BUFFER) == NULL || NODE(x, NODE_BUFFER) == Py_None);
}

/* A node that is read, itself or through a view; NULL for anything else. */
static PyObject *looked_through(PyObject *x) {
    while (is_pending(x) && NODE(x, NODE_OP) == view_operation)
        x = NODE(x, NODE_A);
    return is_pending(x) ? x : NULL;
}

/* Finds the pending nodes from `start` on that a target needs and that have no name. Operands that are to be followed
 * later lie on a stack, which is a list; the first operands are followed at once. */
static int walk(Found *found, PyObject *slots, long long start, PyObject *stack) {
    for (Py_ssize_t n; (n = PyList_GET_SIZE(stack)) > 0;) {
        PyObject *node = looked_through(PyList_GET_ITEM(stack, n - 1));
        Py_XINCREF(node);
        if (PyList_SetSlice(stack, n - 1, n, NULL) < 0) {
            Py_XDECREF(node);
            return -1;
        }
        PyObject *held = node;
        while (node != NULL) {
            long long seq = PyLong_AsLongLong(NODE(node, NODE_SEQ));
            int new = seq <= start ? 0 : PyDict_Contains(slots, NODE(node, NODE_SEQ));
            new = seq <= start || new > 0 ? 0 : new < 0 ? -1 : find(found, node, seq);
            if (new <= 0) {
                Py_DECREF(held);
                if (new < 0 || PyErr_Occurred())
                    return -1;
                goto next;
            }
            PyObject *b = looked_through(NODE(node, NODE_B)), *rest = NODE(node, NODE_REST);
            int failed = b != NULL && PyList_Append(stack, b) < 0;
            for (Py_ssize_t k = 0; !failed && PyTuple_Check(rest) && k < PyTuple_GET_SIZE(rest); k++)
                failed = PyList_Append(stack, PyTuple_GET_ITEM(rest, k)) < 0;
            if (failed) {
                Py_DECREF(held);
                return -1;
            }
            node = looked_through(NODE(node, NODE_A));
        }
        Py_XDECREF(held);
    next:;
    }
    return 0;
}

static int write_all(Trace *trace, Found *found) {
    PyObject *last = PyObject_GetAttrString(trace->trace, "errstate");
    for (Py_ssize_t i = 0; last != NULL && i < found->count; i++) {
        PyObject *node = found->items[i].node, *state = NODE(node, NODE_ERRSTATE);
        if (write_one(trace, node) < 0)
            Py_CLEAR(last);
        else if (state != NULL && state != last) {
            PyObject *noted = PyObject_CallMethod(trace->trace, "_note_state", "O", state);
            if (noted == NULL)
                Py_CLEAR(last);
            else
                Py_SETREF(last, Py_NewRef(state));
            Py_XDECREF(noted);
        }
    }
    Py_XDECREF(last);
    return last == NULL ? -1 : 0;
}

PyObject *write_down(PyObject *self, PyObject *args) {
    Trace trace;
    PyObject *targets, *stack = NULL;
    long long start;
    Found found = {.room = 64, .mask = 255};
    if (!PyArg_ParseTuple(args, "OLO!O!O!O!O!O!", &trace.trace, &start, &PyList_Type, &targets, &PyDict_Type, &trace.slots,
                          &PyDict_Type, &trace.plain, &PyList_Type, &trace.records, &PySet_Type, &trace.dynamic,
                          &PySet_Type, &trace.real))
        return NULL;
    found.items = PyMem_Malloc(found.room * sizeof(Numbered));
    found.met = PyMem_Calloc(found.mask + 1, sizeof(PyObject *));
    stack = PyList_GetSlice(targets, 0, PyList_GET_SIZE(targets));
    int failed = stack == NULL;
    if (found.items == NULL || found.met == NULL) {
        PyErr_NoMemory();
        failed = 1;
    }
    failed = failed || walk(&found, trace.slots, start, stack) < 0;
    if (!failed) {
        qsort(found.items, found.count, sizeof(Numbered), by_number);
        failed = write_all(&trace, &found) < 0;
    }
    for (Py_ssize_t i = 0; i < found.count; i++)
        Py_DECREF(found.items[i].node);
    PyMem_Free(found.items);
    PyMem_Free(found.met);
    Py_XDECREF(stack);
    return failed ? NULL : PyLong_FromSsize_t(found.count);
}

/* ---- plain values ---- */

/* Whether two values are one object, or whole numbers, slices or tuples that are equal, of the same types; -1 if that
 * takes more to find out. */
static int alike_values(PyObject *a, PyObject *b) {
    if (a == b)
        return 1;
    if (Py_TYPE(a) != Py_TYPE(b))
        return 0;
    if (PyTuple_CheckExact(a)) {
        Py_ssize_t n = PyTuple_GET_SIZE(a);
        if (n != PyTuple_GET_SIZE(b))
            return 0;
        for (Py_ssize_t i = 0; i < n; i++) {
            int found = alike_values(PyTuple_GET_ITEM(a, i), PyTuple_GET_ITEM(b, i));
            if (found != 1)
                return found;
        }
        return 1;
    }
    if (PySlice_Check(a)) {
        PySliceObject *x = (PySliceObject *)a, *y = (PySliceObject *)b;
        int found = alike_values(x->start, y->start);
        found = found == 1 ? alike_values(x->stop, y->stop) : found;
        return found == 1 ? alike_values(x->step, y->step) : found;
    }
    if (PyLong_CheckExact(a))
        return PyObject_RichCompareBool(a, b, Py_EQ);
    return -1;
}

PyObject *alike(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "alike(a, b)");
        return NULL;
    }
    int found = alike_values(args[0], args[1]);
    if (found < 0 && !PyErr_Occurred())
        Py_RETURN_NONE;
    return found < 0 ? NULL : PyBool_FromLong(found);
}

/* `alike`, asking `same` where that cannot tell (repeating._alike). */
static int are_same(PyObject *a, PyObject *b, PyObject *same) {
    int found = alike_values(a, b);
    if (found >= 0 || PyErr_Occurred())
        return found;
    PyObject *answer = PyObject_CallFunctionObjArgs(same, a, b, NULL);
    found = answer == NULL ? -1 : PyObject_IsTrue(answer);
    Py_XDECREF(answer);
    return found;
}

/* ---- repetition ---- */

enum { KIND, NAME, OPERANDS, OP, ATTRS, SHAPE, DTYPE, STRIDES, ERRSTATE, CODE, LASTI };
#define RECORD(record, i) SLOT(record, record_at[i])

/* Whether two records are alike, but for what their operands are called: 1, 0, or -1 for an error. */
static int alike_records(PyObject *a, PyObject *b, PyObject *same) {
    PyObject *x = RECORD(a, OPERANDS), *y = RECORD(b, OPERANDS);
    if (RECORD(a, OP) != RECORD(b, OP) || RECORD(a, CODE) != RECORD(b, CODE) || RECORD(a, ERRSTATE) != RECORD(b, ERRSTATE)
        || RECORD(a, DTYPE) != RECORD(b, DTYPE) || !PyTuple_Check(x) || !PyTuple_Check(y)
        || PyTuple_GET_SIZE(x) != PyTuple_GET_SIZE(y))
        return 0;
    int found = are_same(RECORD(a, LASTI), RECORD(b, LASTI), same);
    found = found == 1 ? are_same(RECORD(a, SHAPE), RECORD(b, SHAPE), same) : found;
    found = found == 1 ? are_same(RECORD(a, STRIDES), RECORD(b, STRIDES), same) : found;
    return found == 1 ? are_same(RECORD(a, ATTRS), RECORD(b, ATTRS), same) : found;
}

/* The number of the record that a name is of, ``r7``; -1 for other names. */
static Py_ssize_t number_of(PyObject *name) {
    if (!PyUnicode_Check(name) || !PyUnicode_IS_COMPACT_ASCII(name) || PyUnicode_GET_LENGTH(name) < 2)
        return -1;
    const char *text = (const char *)PyUnicode_1BYTE_DATA(name);
    Py_ssize_t number = 0;
    if (*text != 'r')
        return -1;
    for (text++; *text; text++) {
        if (*text < '0' || *text > '9')
            return -1;
        number = 10 * number + (*text - '0');
    }
    return number;
}

/* Whether record i reads what a model of it reads (`references`: how many records back, and the model's operand). */
static int reads_alike(PyObject *operands, PyObject *references, Py_ssize_t i, PyObject *same) {
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(operands); k++) {
        PyObject *x = PyTuple_GET_ITEM(operands, k), *reference = PyList_GET_ITEM(references, k);
        Py_ssize_t back = PyLong_AsSsize_t(PyTuple_GET_ITEM(reference, 0));
        PyObject *model = PyTuple_GET_ITEM(reference, 1), *name = PyTuple_GET_ITEM(x, 0), *known = PyTuple_GET_ITEM(model, 0);
        if (back ? number_of(name) != i - back
            : name != known && (name == Py_None || known == Py_None || PyUnicode_Compare(name, known) != 0))
            return 0;
        int found = are_same(PyTuple_GET_ITEM(x, 1), PyTuple_GET_ITEM(model, 1), same);
        if (found == 1 && name == Py_None) {
            PyObject *answer = PyObject_CallFunctionObjArgs(same, PyTuple_GET_ITEM(x, 2), PyTuple_GET_ITEM(model, 2), NULL);
            found = answer == NULL ? -1 : PyObject_IsTrue(answer);
            Py_XDECREF(answer);
        }
        if (found != 1)
            return found;
    }
    return 1;
}

PyObject *matched(PyObject *self, PyObject *args) {
    PyObject *records, *turn, *same;
    Py_ssize_t start, period, i, n;
    if (!PyArg_ParseTuple(args, "O!O!nnnnO", &PyList_Type, &records, &PyList_Type, &turn, &start, &period, &i, &n, &same))
        return NULL;
    if (i < start || period < 1 || PyList_GET_SIZE(turn) != period || n > PyList_GET_SIZE(records)) {
        PyErr_SetString(PyExc_ValueError, "no turn of a loop");
        return NULL;
    }
    for (; i < n; i++) {
        PyObject *record = PyList_GET_ITEM(records, i), *of = PyList_GET_ITEM(turn, (i - start) % period);
        PyObject *model = PyTuple_GET_ITEM(of, 0), *references = PyTuple_GET_ITEM(of, 1);
        if (Py_TYPE(record) != record_type || Py_TYPE(model) != record_type)
            break;
        int found = alike_records(record, model, same);
        if (found == 1)
            found = PyList_GET_SIZE(references) != PyTuple_GET_SIZE(RECORD(record, OPERANDS)) ? 0
                : reads_alike(RECORD(record, OPERANDS), references, i, same);
        if (found < 0)
            return NULL;
        if (found == 0)
            break;
    }
    return PyLong_FromSsize_t(i);
}

/* For each place in the program the record that it wrote last, and how many records before that the one before. */
typedef struct { PyObject *code; Py_ssize_t lasti, before, distance; } Site;
typedef struct {
    PyObject_HEAD
    Site *sites;                 /* codes are borrowed: the records hold them */
    size_t mask, used;
} Sites;

static Site *site_of(Site *sites, size_t mask, PyObject *code, Py_ssize_t lasti) {
    size_t at = (((size_t)code >> 4) + (size_t)lasti * 7919) * 0x9E3779B97F4A7C15ull >> 20;
    for (;; at++) {
        Site *site = &sites[at & mask];
        if (site->code == NULL || (site->code == code && site->lasti == lasti))
            return site;
    }
}

static int sites_grow(Sites *self) {
    size_t mask = self->sites == NULL ? 63 : 2 * self->mask + 1;
    Site *sites = PyMem_Calloc(mask + 1, sizeof(Site));
    if (sites == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; self->sites != NULL && i <= self->mask; i++)
        if (self->sites[i].code != NULL)
            *site_of(sites, mask, self->sites[i].code, self->sites[i].lasti) = self->sites[i];
    PyMem_Free(self->sites);
    self->sites = sites;
    self->mask = mask;
    return 0;
}

/* Whether the last two turns of that many records, up to record i, are alike but for names, and of operations that a
 * loop may have. */
static int may_be_turns(PyObject *records, Py_ssize_t i, Py_ssize_t period, PyObject *same) {
    for (Py_ssize_t k = i - 2 * period + 1; k <= i - period; k++) {
        PyObject *record = PyList_GET_ITEM(records, k), *before = PyList_GET_ITEM(records, k - period);
        if (RECORD(record, KIND) != text_operation || RECORD(record, OP) == element_operation)
            return 0;
        int found = alike_records(record, before, same);
        if (found != 1)
            return found;
    }
    return 1;
}

/* search(records, i, n, wait, longest, same): (the first record from i on at which a third turn may end, its period), or
 * (n, 0). Records before `wait` are noted alone. */
static PyObject *sites_search(PyObject *of, PyObject *args) {
    Sites *self = (Sites *)of;
    PyObject *records, *same;
    Py_ssize_t i, n, wait, longest;
    if (!PyArg_ParseTuple(args, "O!nnnnO", &PyList_Type, &records, &i, &n, &wait, &longest, &same))
        return NULL;
    if (n > PyList_GET_SIZE(records) || i < 0) {
        PyErr_SetString(PyExc_ValueError, "no such records");
        return NULL;
    }
    for (; i < n; i++) {
        PyObject *record = PyList_GET_ITEM(records, i);
        if (Py_TYPE(record) != record_type) {
            PyErr_SetString(PyExc_TypeError, "search wants records");
            return NULL;
        }
        if (2 * self->used >= self->mask && sites_grow(self) < 0)
            return NULL;
        Site *site = site_of(self->sites, self->mask, RECORD(record, CODE), PyLong_AsSsize_t(RECORD(record, LASTI)));
        Py_ssize_t distance = i + 1, period = 0;
        if (site->code == NULL) {
            self->used++;
            site->code = RECORD(record, CODE);
            site->lasti = PyLong_AsSsize_t(RECORD(record, LASTI));
        } else {
            distance = i - site->before;
            period = site->distance;
        }
        site->before = i;
        site->distance = distance;
        if (distance != period || i < wait || 3 * period > i + 1 || period > longest)
            continue;
        int may = may_be_turns(records, i, period, same);
        if (may < 0)
            return NULL;
        if (may)
            return Py_BuildValue("(nn)", i, period);
        wait = i + period / 2;
    }
    return Py_BuildValue("(nn)", n, (Py_ssize_t)0);
}

static PyObject *sites_clear(PyObject *of, PyObject *unused) {
    Sites *self = (Sites *)of;
    if (self->sites != NULL)
        memset(self->sites, 0, (self->mask + 1) * sizeof(Site));
    self->used = 0;
    Py_RETURN_NONE;
}

static void sites_dealloc(PyObject *self) {
    PyMem_Free(((Sites *)self)->sites);
    Py_TYPE(self)->tp_free(self);
}

static PyObject *sites_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    Sites *self = (Sites *)type->tp_alloc(type, 0);
    if (self != NULL && sites_grow(self) < 0)
        Py_CLEAR(self);
    return (PyObject *)self;
}

static PyMethodDef sites_methods[] = {
    {"search", sites_search, METH_VARARGS,
     "search(records, i, n, wait, longest, same): where a third turn of a loop may end, and its period; or (n, 0)."},
    {"clear", sites_clear, METH_NOARGS, "Forgets all."},
    {NULL},
};

PyTypeObject Sites_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "lazytensor.hybrid._replay.Sites",
    .tp_doc = "Where in the program records were written last.",
    .tp_basicsize = sizeof(Sites),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = sites_new,
    .tp_dealloc = sites_dealloc,
    .tp_methods = sites_methods,
};
