/* The records of a trace, and loops among them: what tracing.py and repeating.py do, for operations.
 *
 * Their Python is the reference, and does the work where the extension is not there. A `Book` has no records of a loop's
 * turns but the first three while it goes on, and two when it has ended: the others are compared, node by node, with
 * what a turn before did, and counted.
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

/* ---- plain values ---- */

/* Whether two values are one object, or numbers, strings, slices or tuples that are equal to the bit, of the same types;
 * -1 if that takes more to find out. */
int alike_values(PyObject *a, PyObject *b) {
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
    if (PyLong_CheckExact(a) || PyUnicode_CheckExact(a))
        return PyObject_RichCompareBool(a, b, Py_EQ);
    if (PyFloat_CheckExact(a) && !memcmp(&((PyFloatObject *)a)->ob_fval, &((PyFloatObject *)b)->ob_fval, sizeof(double)))
        return 1;
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

/* ---- the book ---- */

/* What a record of a loop's turn reads: what was written so many records `back`, or record `number`, or the value called
 * `name`; or a number, `value`. The objects are the record's. */
typedef struct { Py_ssize_t back, number; PyObject *name, *steps, *value; } Reference;
typedef struct { PyObject *record; Py_ssize_t count; Reference *references; } Model;

/* For each place in the program the index of the record that it wrote last, and how many before that the one before. */
typedef struct { PyObject *code; Py_ssize_t lasti, before, distance; } Site;
typedef struct { long long seq; Py_ssize_t number; } Cell;

typedef struct {
    PyObject_HEAD
    PyObject *slots, *real, *dynamic, *same;  /* the trace's */
    PyObject *parts, *loops;                  /* records, and loops in their places; where these are */
    Py_ssize_t count, shift, first;           /* records; numbers less indices of `parts`; the index after the last loop */
    Cell *cells;                              /* the numbers of nodes, by open addressing */
    size_t mask, used;
    char *changes;                            /* for each number whether its value depends on what is not constant, */
    PyObject **names;                         /* and its name, or NULL */
    Py_ssize_t room;
    Site *sites;                              /* codes are borrowed: the records hold them */
    size_t sites_mask, sites_used;
    Py_ssize_t start, period, wait;           /* the loop that goes on */
    Model *turn;
} Book;

enum { LONGEST = 2048, LEAST = 14 };          /* as in repeating.py */

static Cell *cell_of(Cell *cells, size_t mask, long long seq) {
    size_t at = (size_t)seq * 0x9E3779B97F4A7C15ull >> 20;
    while (cells[at & mask].seq != 0 && cells[at & mask].seq != seq)
        at++;
    return &cells[at & mask];
}

static Py_ssize_t number_at(Book *book, long long seq) {
    Cell *cell = seq > 0 ? cell_of(book->cells, book->mask, seq) : NULL;
    return cell == NULL || cell->seq == 0 ? -1 : cell->number;
}

static int grow(Book *book) {
    if (2 * book->used >= book->mask) {
        size_t mask = 2 * book->mask + 1;
        Cell *cells = PyMem_Calloc(mask + 1, sizeof(Cell));
        if (cells == NULL)
            goto failed;
        for (size_t i = 0; i <= book->mask; i++)
            if (book->cells[i].seq)
                *cell_of(cells, mask, book->cells[i].seq) = book->cells[i];
        PyMem_Free(book->cells);
        book->cells = cells;
        book->mask = mask;
    }
    if (book->count == book->room) {
        Py_ssize_t room = 2 * book->room;
        char *changes = PyMem_Realloc(book->changes, room);
        if (changes != NULL)
            book->changes = changes;
        PyObject **names = PyMem_Realloc(book->names, room * sizeof(PyObject *));
        if (names != NULL)
            book->names = names;
        if (changes == NULL || names == NULL)
            goto failed;
        book->room = room;
    }
    return 0;
failed:
    PyErr_NoMemory();
    return -1;
}

/* Gives the next number to a node (seq 0: to none). */
static int number_next(Book *book, long long seq, int changes, PyObject *name) {
    if (grow(book) < 0)
        return -1;
    if (seq > 0) {
        Cell *cell = cell_of(book->cells, book->mask, seq);
        book->used += cell->seq == 0;
        cell->seq = seq;
        cell->number = book->count;
    }
    book->changes[book->count] = (char)changes;
    book->names[book->count++] = Py_XNewRef(name);
    return 0;
}

static PyObject *name_at(Book *book, Py_ssize_t number) {
    if (book->names[number] == NULL)
        book->names[number] = PyUnicode_FromFormat("r%zd", number);
    return Py_XNewRef(book->names[number]);
}

/* The number of a node's record, or -1 and its name, a new reference; -2 for an error. */
static Py_ssize_t find_value(Book *book, PyObject *trace, PyObject *node, PyObject **name) {
    Py_ssize_t number = number_at(book, PyLong_AsLongLong(NODE(node, NODE_SEQ)));
    *name = NULL;
    if (number >= 0)
        return number;
    PyObject *known = PyDict_GetItemWithError(book->slots, NODE(node, NODE_SEQ));
    *name = known != NULL ? Py_NewRef(known) : PyErr_Occurred() ? NULL
        : PyObject_CallMethod(trace, "slot_of", "O", node);
    return *name == NULL ? -2 : -1;
}

/* ---- one record ---- */

static int is_pending(PyObject *x) {
    return Py_TYPE(x) == node_type && (NODE(x, NODE_BUFFER) == NULL || NODE(x, NODE_BUFFER) == Py_None);
}

/* An Operand; the parts are borrowed. */
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

/* As Trace.operand; `changes` becomes 1 if its value depends on what is not constant. */
static PyObject *operand_of(Book *book, PyObject *trace, PyObject *x, int *changes) {
    if (Py_TYPE(x) != node_type)
        return operand_from(Py_None, Py_None, x, Py_None);
    PyObject *buffer = NODE(x, NODE_BUFFER), *name, *laid = Py_NewRef(Py_None), *steps = Py_None, *made = NULL;
    int view = NODE(x, NODE_OP) == view_operation && (buffer == NULL || buffer == Py_None);
    Py_ssize_t number = find_value(book, trace, view ? NODE(x, NODE_A) : x, &name);
    if (number >= 0)
        name = name_at(book, number);
    if (view) {
        steps = NODE(x, NODE_ATTRS);
        Py_SETREF(laid, PyTuple_Pack(3, NODE(x, NODE_SHAPE), NODE(x, NODE_DTYPE), NODE(x, NODE_STRIDES)));
    }
    if (name != NULL && laid != NULL) {
        int dynamic = number >= 0 ? book->changes[number] : PySet_Contains(book->dynamic, name);
        *changes |= dynamic > 0;
        made = dynamic < 0 ? NULL : operand_from(name, steps, Py_None, laid);
    }
    Py_XDECREF(name);
    Py_XDECREF(laid);
    return made;
}

/* What a node reads, as a new tuple. */
static PyObject *inputs_of(PyObject *node) {
    PyObject *a = NODE(node, NODE_A), *b = NODE(node, NODE_B), *rest = NODE(node, NODE_REST);
    if (a != Py_None && PyTuple_Check(rest) && PyTuple_GET_SIZE(rest) == 0)
        return b == Py_None ? PyTuple_Pack(1, a) : PyTuple_Pack(2, a, b);
    PyObject *inputs = PyObject_GetAttrString(node, "inputs");
    if (inputs != NULL && !PyTuple_Check(inputs))
        Py_CLEAR(inputs);
    return inputs;
}

/* As Trace._operation. 1: done; 0: another thread has computed the node; -1: an error. */
static int write_one(Book *book, PyObject *trace, PyObject *node) {
    PyObject *inputs = inputs_of(node), *attrs = Py_NewRef(NODE(node, NODE_ATTRS));
    if (inputs != NULL && !is_pending(node)) {
        Py_DECREF(inputs);
        Py_DECREF(attrs);
        return 0;
    }
    PyObject *name = PyUnicode_FromFormat("r%zd", book->count);
    PyObject *operands = inputs == NULL ? NULL : PyTuple_New(PyTuple_GET_SIZE(inputs));
    PyObject *record = operands == NULL || name == NULL ? NULL : record_type->tp_alloc(record_type, 0);
    int bad = record == NULL, changes = 0;
    for (Py_ssize_t i = 0; !bad && i < PyTuple_GET_SIZE(inputs); i++) {
        PyObject *one = operand_of(book, trace, PyTuple_GET_ITEM(inputs, i), &changes);
        bad = one == NULL;
        if (!bad)
            PyTuple_SET_ITEM(operands, i, one);
    }
    if (!bad) {
        PyObject *values[RECORD_NAMES] = {text_operation, name, operands, NODE(node, NODE_OP), attrs,
                                          NODE(node, NODE_SHAPE), NODE(node, NODE_DTYPE), NODE(node, NODE_STRIDES),
                                          NODE(node, NODE_ERRSTATE), NODE(node, NODE_CODE), NODE(node, NODE_LASTI),
                                          Py_None, Py_None, Py_None, Py_None, Py_None, Py_None};
        for (int i = 0; i < RECORD_NAMES; i++)
            SLOT(record, record_at[i]) = Py_NewRef(values[i] == NULL ? Py_None : values[i]);
        bad = PyList_Append(book->parts, record) < 0
            || (NODE(node, NODE_OP) == element_operation && PySet_Add(book->real, name) < 0)
            || number_next(book, PyLong_AsLongLong(NODE(node, NODE_SEQ)), changes, name) < 0;
    }
    Py_XDECREF(inputs);
    Py_XDECREF(operands);
    Py_XDECREF(record);
    Py_XDECREF(name);
    Py_DECREF(attrs);
    return bad ? -1 : 1;
}

/* ---- which nodes are to be written down ---- */

typedef struct { long long seq; PyObject *node; } Numbered;

/* Nodes that have been met, and where they are looked up: by open addressing. All are owned. */
typedef struct {
    Numbered *items;
    Py_ssize_t count, room;
    PyObject **met;
    size_t mask;
    int busy;                    /* whether another thread is computing one of them: then it forgets its operands */
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

/* A node that is read, itself or through a view; NULL for anything else. */
static PyObject *looked_through(PyObject *x) {
    while (is_pending(x) && NODE(x, NODE_OP) == view_operation)
        x = NODE(x, NODE_A);
    return is_pending(x) ? x : NULL;
}

/* Finds the pending nodes from `start` on that a target needs and that have no name. Operands that are to be followed
 * later lie on a stack, which is a list; the first operands are followed at once. */
static int walk(Found *found, Book *book, long long start, PyObject *stack) {
    found->busy = 0;
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
            int new = seq > start && number_at(book, seq) < 0;
            if (new)
                new = PyDict_Contains(book->slots, NODE(node, NODE_SEQ)) ? 0 : find(found, node, seq);
            if (new <= 0) {
                Py_DECREF(held);
                if (new < 0 || PyErr_Occurred())
                    return -1;
                goto next;
            }
            found->busy |= NODE(node, NODE_CLAIM) != NULL && NODE(node, NODE_CLAIM) != Py_None;
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

/* ---- repetition ---- */

enum { KIND, NAME, OPERANDS, OP, ATTRS, SHAPE, DTYPE, STRIDES, ERRSTATE, CODE, LASTI };
#define RECORD(record, i) SLOT(record, record_at[i])
static const int ALIKE[][2] = {{LASTI, NODE_LASTI}, {SHAPE, NODE_SHAPE}, {STRIDES, NODE_STRIDES}, {ATTRS, NODE_ATTRS}};
static const int ONE[][2] = {{OP, NODE_OP}, {CODE, NODE_CODE}, {ERRSTATE, NODE_ERRSTATE}, {DTYPE, NODE_DTYPE}};

/* Whether two records, or a record and a node, do the same, but for what they read: 1, 0, or -1 for an error. */
static int does_the_same(PyObject *record, PyObject *other, int node, PyObject *same) {
    for (int i = 0; i < 4; i++)
        if (RECORD(record, ONE[i][0]) != (node ? NODE(other, ONE[i][1]) : RECORD(other, ONE[i][0])))
            return 0;
    for (int i = 0; i < 4; i++) {
        int found = are_same(RECORD(record, ALIKE[i][0]), node ? NODE(other, ALIKE[i][1]) : RECORD(other, ALIKE[i][0]),
                             same);
        if (found != 1)
            return found;
    }
    return 1;
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

/* Whether a value is the one that record i reads in every turn. `number` is its record's, or -1 and it has a name; or it
 * is a number, without a name. */
static int reads_the_same(Reference *of, Py_ssize_t i, Py_ssize_t number, PyObject *name, PyObject *steps, PyObject *value,
                          PyObject *same) {
    if (of->back ? number != i - of->back : number != of->number)
        return 0;
    if (number < 0 && name != of->name
        && (name == Py_None || of->name == Py_None || PyUnicode_Compare(name, of->name) != 0))
        return 0;
    int found = are_same(steps, of->steps, same);
    if (found != 1 || number >= 0 || name != Py_None || value == of->value)
        return found;
    if (PyFloat_CheckExact(value) && PyFloat_CheckExact(of->value)) {
        double x = PyFloat_AS_DOUBLE(value), y = PyFloat_AS_DOUBLE(of->value);
        return memcmp(&x, &y, sizeof x) == 0;
    }
    return are_same(value, of->value, same);
}

static int record_reads_the_same(Model *model, PyObject *record, Py_ssize_t i, PyObject *same) {
    PyObject *operands = RECORD(record, OPERANDS);
    int found = PyTuple_GET_SIZE(operands) == model->count;
    for (Py_ssize_t k = 0; found == 1 && k < model->count; k++) {
        PyObject *x = PyTuple_GET_ITEM(operands, k), *name = PyTuple_GET_ITEM(x, 0);
        found = reads_the_same(&model->references[k], i, number_of(name), name, PyTuple_GET_ITEM(x, 1),
                               PyTuple_GET_ITEM(x, 2), same);
    }
    return found;
}

/* Whether a node would be written as the next record of the loop; then it has its number. */
static int goes_on(Book *book, PyObject *trace, PyObject *node) {
    Model *model = &book->turn[(book->count - book->start) % book->period];
    PyObject *inputs = inputs_of(node);
    if (inputs == NULL)
        return -1;
    int found = PyTuple_GET_SIZE(inputs) == model->count, changes = 0;
    found = found ? does_the_same(model->record, node, 1, book->same) : 0;
    for (Py_ssize_t k = 0; found == 1 && k < model->count; k++) {
        PyObject *x = PyTuple_GET_ITEM(inputs, k), *steps = Py_None;
        if (Py_TYPE(x) != node_type) {
            found = reads_the_same(&model->references[k], book->count, -1, Py_None, Py_None, x, book->same);
            continue;
        }
        PyObject *name;
        if (is_pending(x) && NODE(x, NODE_OP) == view_operation) {
            steps = NODE(x, NODE_ATTRS);
            x = NODE(x, NODE_A);
        }
        Py_ssize_t number = find_value(book, trace, x, &name);
        int dynamic = number == -2 ? -1 : number >= 0 ? book->changes[number] : PySet_Contains(book->dynamic, name);
        changes |= dynamic > 0;
        found = dynamic < 0 ? -1
            : reads_the_same(&model->references[k], book->count, number, name, steps, Py_None, book->same);
        Py_XDECREF(name);
    }
    Py_DECREF(inputs);
    if (found == 1 && number_next(book, PyLong_AsLongLong(NODE(node, NODE_SEQ)), changes, NULL) < 0)
        return -1;
    return found;
}

static void forget_turn(Book *book) {
    for (Py_ssize_t k = 0; book->turn != NULL && k < book->period; k++) {
        Py_XDECREF(book->turn[k].record);
        PyMem_Free(book->turn[k].references);
    }
    PyMem_Free(book->turn);
    book->turn = NULL;
    book->period = 0;
}

/* What a record reads, beside the record a turn before (repeating.model). 1, 0: not the same; -1: an error. */
static int refer(Model *model, PyObject *record, PyObject *before, Py_ssize_t i, Py_ssize_t period, PyObject *same) {
    PyObject *x = RECORD(record, OPERANDS), *y = RECORD(before, OPERANDS);
    Py_ssize_t n = PyTuple_GET_SIZE(x);
    if (PyTuple_GET_SIZE(y) != n)
        return 0;
    model->references = PyMem_Calloc(n + 1, sizeof(Reference));
    if (model->references == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    model->record = Py_NewRef(record);
    model->count = n;
    int found = 1;
    for (Py_ssize_t k = 0; found == 1 && k < n; k++) {
        PyObject *now = PyTuple_GET_ITEM(x, k), *then = PyTuple_GET_ITEM(y, k);
        Py_ssize_t number = number_of(PyTuple_GET_ITEM(now, 0)), old = number_of(PyTuple_GET_ITEM(then, 0));
        Reference of = {number == old ? 0 : i - number, number, PyTuple_GET_ITEM(then, 0), PyTuple_GET_ITEM(then, 1),
                        PyTuple_GET_ITEM(then, 2)};
        if (number != old && (number < 0 || old < 0 || number != old + period))
            return 0;
        Reference alone = of;
        alone.back = 0;
        alone.number = number;
        found = reads_the_same(&alone, i, number, PyTuple_GET_ITEM(now, 0), PyTuple_GET_ITEM(now, 1),
                               PyTuple_GET_ITEM(now, 2), same);
        of.name = PyTuple_GET_ITEM(now, 0);
        of.steps = PyTuple_GET_ITEM(now, 1);
        of.value = PyTuple_GET_ITEM(now, 2);
        model->references[k] = of;
    }
    return found;
}

/* Begins to follow a loop whose third turn ends with the last record, if there is one. 1, 0, or -1 for an error. */
static int begin_loop(Book *book, Py_ssize_t period) {
    Py_ssize_t end = PyList_GET_SIZE(book->parts), begin = end - 3 * period, found = begin >= book->first;
    PyObject **parts = ((PyListObject *)book->parts)->ob_item;
    for (Py_ssize_t k = begin + period; found == 1 && k < begin + 2 * period; k++) {
        if (RECORD(parts[k], KIND) != text_operation || RECORD(parts[k - period], KIND) != text_operation
            || RECORD(parts[k], OP) == element_operation)
            found = 0;
        else
            found = does_the_same(parts[k], parts[k - period], 0, book->same);
    }
    if (found != 1)
        return (int)found;
    book->turn = PyMem_Calloc(period, sizeof(Model));
    if (book->turn == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    book->period = period;
    book->start = begin + book->shift;
    for (Py_ssize_t k = 0; found == 1 && k < period; k++)
        found = refer(&book->turn[k], parts[begin + period + k], parts[begin + k], book->start + period + k, period,
                      book->same);
    for (Py_ssize_t k = 0; found == 1 && k < period; k++) {
        PyObject *record = parts[begin + 2 * period + k];
        found = RECORD(record, KIND) == text_operation;
        found = found ? does_the_same(book->turn[k].record, record, 0, book->same) : 0;
        if (found == 1)
            found = record_reads_the_same(&book->turn[k], record, book->start + 2 * period + k, book->same);
    }
    if (found != 1)
        forget_turn(book);
    return (int)found;
}

static Site *site_of(Site *sites, size_t mask, PyObject *code, Py_ssize_t lasti) {
    size_t at = (((size_t)code >> 4) + (size_t)lasti * 7919) * 0x9E3779B97F4A7C15ull >> 20;
    while (sites[at & mask].code != NULL && (sites[at & mask].code != code || sites[at & mask].lasti != lasti))
        at++;
    return &sites[at & mask];
}

static int grow_sites(Book *book) {
    size_t mask = 2 * book->sites_mask + 1;
    Site *sites = PyMem_Calloc(mask + 1, sizeof(Site));
    if (sites == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i <= book->sites_mask; i++)
        if (book->sites[i].code != NULL)
            *site_of(sites, mask, book->sites[i].code, book->sites[i].lasti) = book->sites[i];
    PyMem_Free(book->sites);
    book->sites = sites;
    book->sites_mask = mask;
    return 0;
}

/* Looks whether the record that has just been written ends the third turn of a loop (repeating._search). */
static int search(Book *book) {
    Py_ssize_t i = PyList_GET_SIZE(book->parts) - 1;
    PyObject *record = PyList_GET_ITEM(book->parts, i);
    if (2 * book->sites_used >= book->sites_mask && grow_sites(book) < 0)
        return -1;
    Py_ssize_t lasti = PyLong_AsSsize_t(RECORD(record, LASTI)), distance = i + 1, period = 0;
    Site *site = site_of(book->sites, book->sites_mask, RECORD(record, CODE), lasti);
    if (site->code != NULL) {
        distance = i - site->before;
        period = site->distance;
    } else
        book->sites_used++;
    *site = (Site){RECORD(record, CODE), lasti, i, distance};
    if (distance != period || i < book->wait || 3 * period > i + 1 - book->first || period > LONGEST)
        return 0;
    int found = begin_loop(book, period);
    if (found == 0)
        book->wait = i + period / 2;
    return found < 0 ? -1 : 0;
}

/* The same record under another name, of other operands; takes the references to both. */
static PyObject *copy_of(PyObject *of, PyObject *name, PyObject *operands) {
    PyObject *record = name == NULL || operands == NULL ? NULL : record_type->tp_alloc(record_type, 0);
    if (record != NULL)
        for (int i = 0; i < RECORD_NAMES; i++)
            RECORD(record, i) = Py_NewRef(i == NAME ? name : i == OPERANDS ? operands : RECORD(of, i));
    Py_XDECREF(operands);
    Py_XDECREF(name);
    return record;
}

/* An operand of a record of that number, like x, which is of as many records back; x itself for 0. */
static PyObject *operand_again(PyObject *x, Py_ssize_t number, Py_ssize_t back) {
    if (!back)
        return Py_NewRef(x);
    PyObject *name = PyUnicode_FromFormat("r%zd", number - back);
    PyObject *made = name == NULL ? NULL : operand_from(name, PyTuple_GET_ITEM(x, 1), PyTuple_GET_ITEM(x, 2),
                                                        PyTuple_GET_ITEM(x, 3));
    Py_XDECREF(name);
    return made;
}

/* The record of a later turn, made of its model. */
static PyObject *made_again(Model *model, Py_ssize_t number) {
    PyObject *of = RECORD(model->record, OPERANDS), *operands = PyTuple_New(model->count);
    for (Py_ssize_t k = 0; operands != NULL && k < model->count; k++) {
        PyObject *one = operand_again(PyTuple_GET_ITEM(of, k), number, model->references[k].back);
        if (one == NULL)
            Py_CLEAR(operands);
        else
            PyTuple_SET_ITEM(operands, k, one);
    }
    return copy_of(model->record, PyUnicode_FromFormat("r%zd", number), operands);
}

/* The same of a model as repeating.py has it: again(record, references, number). */
PyObject *again(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    if (count != 3 || Py_TYPE(args[0]) != record_type || !PyList_Check(args[1]) || !PyLong_Check(args[2])) {
        PyErr_SetString(PyExc_TypeError, "again(record, references, number)");
        return NULL;
    }
    Py_ssize_t number = PyLong_AsSsize_t(args[2]), size = PyList_GET_SIZE(args[1]);
    PyObject *operands = PyTuple_New(size);
    for (Py_ssize_t k = 0; operands != NULL && k < size; k++) {
        PyObject *x, *one = NULL;
        Py_ssize_t back;
        if (PyArg_ParseTuple(PyList_GET_ITEM(args[1], k), "nO!", &back, operand_type, &x))
            one = operand_again(x, number, back);
        if (one == NULL)
            Py_CLEAR(operands);
        else
            PyTuple_SET_ITEM(operands, k, one);
    }
    return copy_of(args[0], PyUnicode_FromFormat("r%zd", number), operands);
}

/* A loop as repeating.py has it: the records of a turn, the turns, and for each record of the second its model. */
static PyObject *loop_of(Book *book, Py_ssize_t turns) {
    PyObject *models = PyList_New(0), *made = NULL;
    for (Py_ssize_t k = 0; models != NULL && k < book->period; k++) {
        Model *model = &book->turn[k];
        PyObject *references = PyList_New(0), *one = NULL;
        for (Py_ssize_t j = 0; references != NULL && j < model->count; j++) {
            PyObject *pair = Py_BuildValue("(nO)", model->references[j].back,
                                           PyTuple_GET_ITEM(RECORD(model->record, OPERANDS), j));
            if (pair == NULL || PyList_Append(references, pair) < 0)
                Py_CLEAR(references);
            Py_XDECREF(pair);
        }
        if (references == NULL || (one = PyTuple_Pack(2, model->record, references)) == NULL
            || PyList_Append(models, one) < 0)
            Py_CLEAR(models);
        Py_XDECREF(references);
        Py_XDECREF(one);
    }
    if (models != NULL)
        made = Py_BuildValue("(nnO)", book->period, turns, models);
    Py_XDECREF(models);
    return made;
}

/* Ends the loop that goes on: it stands in its place if it has turns enough, else its records do. */
static int end_loop(Book *book) {
    if (!book->period)
        return 0;
    Py_ssize_t period = book->period, turns = (book->count - book->start) / period, number = book->start + 3 * period;
    int bad = 0;
    if (turns >= LEAST) {
        PyObject *loop = loop_of(book, turns), *where = Py_BuildValue("(nnn)", book->start, period, turns);
        Py_ssize_t end = PyList_GET_SIZE(book->parts);
        bad = loop == NULL || where == NULL || PyList_SetSlice(book->parts, end - period, end, NULL) < 0
            || PyList_Append(book->parts, loop) < 0 || PyList_Append(book->loops, where) < 0;
        Py_XDECREF(loop);
        Py_XDECREF(where);
        number = book->start + turns * period;
        book->first = PyList_GET_SIZE(book->parts);
        book->shift = number - book->first;
        memset(book->sites, 0, (book->sites_mask + 1) * sizeof(Site));
        book->sites_used = 0;
    }
    for (; !bad && number < book->count; number++) {
        PyObject *record = made_again(&book->turn[(number - book->start) % period], number);
        bad = record == NULL || PyList_Append(book->parts, record) < 0;
        Py_XDECREF(record);
    }
    forget_turn(book);  /* a few turns may be part of a longer one */
    book->wait = 0;
    return bad ? -1 : 0;
}

/* ---- methods ---- */

static int write_all(Book *book, PyObject *trace, Found *found) {
    PyObject *last = PyObject_GetAttrString(trace, "errstate");
    for (Py_ssize_t i = 0; last != NULL && i < found->count; i++) {
        PyObject *node = found->items[i].node, *state = NODE(node, NODE_ERRSTATE);
        int done = found->busy ? 0 : book->period ? goes_on(book, trace, node) : 0;
        if (done == 0 && !found->busy) {
            done = end_loop(book) < 0 ? -1 : write_one(book, trace, node);
            found->busy = done == 0;
            done = done == 1 && search(book) < 0 ? -1 : done;
        }
        if (found->busy)
            break;
        if (done < 0)
            Py_CLEAR(last);
        else if (state != NULL && state != last) {
            PyObject *noted = PyObject_CallMethod(trace, "_note_state", "O", state);
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

static PyObject *book_write(PyObject *self, PyObject *args) {
    Book *book = (Book *)self;
    PyObject *trace, *targets, *depth = Py_None, *stack = NULL;
    long long start;
    Found found = {.room = 64, .mask = 255};
    if (!PyArg_ParseTuple(args, "OLO!|O", &trace, &start, &PyList_Type, &targets, &depth))
        return NULL;
    found.items = PyMem_Malloc(found.room * sizeof(Numbered));
    found.met = PyMem_Calloc(found.mask + 1, sizeof(PyObject *));
    stack = PyList_GetSlice(targets, 0, PyList_GET_SIZE(targets));
    int failed = stack == NULL;
    if (found.items == NULL || found.met == NULL) {
        PyErr_NoMemory();
        failed = 1;
    }
    failed = failed || walk(&found, book, start, stack) < 0;
    if (!failed) {
        qsort(found.items, found.count, sizeof(Numbered), by_number);
        failed = write_all(book, trace, &found) < 0;
    }
    if (!failed && found.busy) {
        PyObject *refused = PyObject_CallMethod(trace, "another_thread", NULL);
        failed = refused == NULL;
        Py_XDECREF(refused);
    }
    for (Py_ssize_t i = 0; i < found.count; i++) {
        if (depth != Py_None && is_pending(found.items[i].node))
            Py_SETREF(NODE(found.items[i].node, NODE_DEPTH), Py_NewRef(depth));
        Py_DECREF(found.items[i].node);
    }
    PyMem_Free(found.items);
    PyMem_Free(found.met);
    Py_XDECREF(stack);
    if (failed)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *book_append(PyObject *self, PyObject *record) {
    Book *book = (Book *)self;
    if (Py_TYPE(record) != record_type) {
        PyErr_SetString(PyExc_TypeError, "a book has records");
        return NULL;
    }
    if (end_loop(book) < 0 || PyList_Append(book->parts, record) < 0 || number_next(book, 0, 0, NULL) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *book_name(PyObject *self, PyObject *seq) {
    Py_ssize_t number = number_at((Book *)self, PyLong_AsLongLong(seq));
    if (PyErr_Occurred())
        return NULL;
    if (number < 0)
        Py_RETURN_NONE;
    return name_at((Book *)self, number);
}

static PyObject *book_changes(PyObject *self, PyObject *name) {
    Py_ssize_t number = number_of(name);
    return PyBool_FromLong(number >= 0 && number < ((Book *)self)->count && ((Book *)self)->changes[number]);
}

static PyObject *book_finish(PyObject *self, PyObject *unused) {
    Book *book = (Book *)self;
    return end_loop(book) < 0 ? NULL : PyTuple_Pack(2, book->parts, book->loops);
}

static PyObject *book_loop(PyObject *self, PyObject *unused) {
    return Py_BuildValue("nn", ((Book *)self)->start, ((Book *)self)->period);
}

static PyObject *book_skip(PyObject *self, PyObject *number) {
    Book *book = (Book *)self;
    Py_ssize_t count = PyLong_AsSsize_t(number);
    if (count == -1 && PyErr_Occurred())
        return NULL;
    if (!book->period || book->count < book->start + book->period) {
        PyErr_SetString(PyExc_ValueError, "no loop goes on");
        return NULL;
    }
    while (count-- > 0)
        if (number_next(book, 0, book->changes[book->count - book->period], NULL) < 0)
            return NULL;
    Py_RETURN_NONE;
}

static PyObject *book_rename(PyObject *self, PyObject *args) {
    Book *book = (Book *)self;
    long long seq;
    Py_ssize_t number;
    int changes;
    if (!PyArg_ParseTuple(args, "Lnp", &seq, &number, &changes))
        return NULL;
    if (seq <= 0 || number < 0 || number >= book->count) {
        PyErr_SetString(PyExc_ValueError, "no such record");
        return NULL;
    }
    if (grow(book) < 0)
        return NULL;
    Cell *cell = cell_of(book->cells, book->mask, seq);
    book->used += cell->seq == 0;
    *cell = (Cell){seq, number};
    book->changes[number] |= (char)changes;
    Py_RETURN_NONE;
}

static Py_ssize_t book_length(PyObject *self) {
    return ((Book *)self)->count;
}

static int book_traverse(PyObject *self, visitproc visit, void *arg) {
    Book *book = (Book *)self;
    Py_VISIT(book->slots);
    Py_VISIT(book->real);
    Py_VISIT(book->dynamic);
    Py_VISIT(book->same);
    Py_VISIT(book->parts);
    Py_VISIT(book->loops);
    return 0;
}

static int book_clear(PyObject *self) {
    Book *book = (Book *)self;
    Py_CLEAR(book->slots);
    Py_CLEAR(book->real);
    Py_CLEAR(book->dynamic);
    Py_CLEAR(book->same);
    Py_CLEAR(book->parts);
    Py_CLEAR(book->loops);
    return 0;
}

static void book_dealloc(PyObject *self) {
    Book *book = (Book *)self;
    PyObject_GC_UnTrack(self);
    book_clear(self);
    forget_turn(book);
    for (Py_ssize_t i = 0; i < book->count; i++)
        Py_XDECREF(book->names[i]);
    PyMem_Free(book->names);
    PyMem_Free(book->changes);
    PyMem_Free(book->cells);
    PyMem_Free(book->sites);
    Py_TYPE(self)->tp_free(self);
}

static PyObject *book_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    PyObject *slots, *real, *dynamic, *same;
    if (!PyArg_ParseTuple(args, "O!O!O!O", &PyDict_Type, &slots, &PySet_Type, &real, &PySet_Type, &dynamic, &same))
        return NULL;
    if (record_type == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "setup_records first");
        return NULL;
    }
    Book *book = (Book *)type->tp_alloc(type, 0);
    if (book == NULL)
        return NULL;
    book->slots = Py_NewRef(slots);
    book->real = Py_NewRef(real);
    book->dynamic = Py_NewRef(dynamic);
    book->same = Py_NewRef(same);
    book->parts = PyList_New(0);
    book->loops = PyList_New(0);
    book->mask = 255;
    book->cells = PyMem_Calloc(book->mask + 1, sizeof(Cell));
    book->sites_mask = 63;
    book->sites = PyMem_Calloc(book->sites_mask + 1, sizeof(Site));
    book->room = 64;
    book->changes = PyMem_Malloc(book->room);
    book->names = PyMem_Malloc(book->room * sizeof(PyObject *));
    if (book->parts == NULL || book->loops == NULL || book->cells == NULL || book->sites == NULL || book->changes == NULL
        || book->names == NULL) {
        Py_DECREF(book);
        return PyErr_NoMemory();
    }
    return (PyObject *)book;
}

static PyMethodDef book_methods[] = {
    {"write", book_write, METH_VARARGS, "write(trace, start, targets, depth=None): as Trace.record; depth is what their nodes' becomes."},
    {"append", book_append, METH_O, "append(record): any other record."},
    {"name", book_name, METH_O, "name(seq): what records call a node's value; None if there is no record of it."},
    {"changes", book_changes, METH_O, "changes(name): whether a record's value depends on what is not constant."},
    {"loop", book_loop, METH_NOARGS, "loop(): where the loop that goes on began, and its period; 0 if none does."},
    {"skip", book_skip, METH_O, "skip(count): the loop that goes on does so for that many records more."},
    {"rename", book_rename, METH_VARARGS, "rename(seq, number, changes): a node's value is that of a record."},
    {"finish", book_finish, METH_NOARGS, "finish(): records, with loops (`repeating.compacted`); and where these are."},
    {NULL},
};
static PySequenceMethods book_sequence = {.sq_length = book_length};

PyTypeObject Book_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "lazytensor.hybrid._replay.Book",
    .tp_doc = "Book(slots, real, dynamic, same): the records of a trace.",
    .tp_basicsize = sizeof(Book),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_as_sequence = &book_sequence,
    .tp_new = book_new,
    .tp_traverse = book_traverse,
    .tp_clear = book_clear,
    .tp_dealloc = book_dealloc,
    .tp_methods = book_methods,
};
