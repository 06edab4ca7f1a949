/* The records of a trace, in C: what tracing.py does for operations. Its Python is the reference, and does the work where
 * the extension is not there. Loops among them are in `_repeating.c`, the class that keeps them in `_book.c`. */
#include "_book.h"

/* ---- records ---- */

static const char *record_names[RECORD_NAMES] = {"kind", "name", "operands", "op", "attrs", "shape", "dtype", "strides",
                                                 "errstate", "code", "lasti", "fn", "args", "kwargs", "results", "outcome",
                                                 "how"};
Py_ssize_t record_at[RECORD_NAMES];
PyTypeObject *record_type, *operand_type;
PyObject *view_operation, *element_operation, *text_operation;

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
int are_same(PyObject *a, PyObject *b, PyObject *same) {
    int found = alike_values(a, b);
    if (found >= 0 || PyErr_Occurred())
        return found;
    PyObject *answer = PyObject_CallFunctionObjArgs(same, a, b, NULL);
    found = answer == NULL ? -1 : PyObject_IsTrue(answer);
    Py_XDECREF(answer);
    return found;
}

/* ---- the names of values ---- */

Cell *book_cell(Cell *cells, size_t mask, long long seq) {
    size_t at = (size_t)seq * 0x9E3779B97F4A7C15ull >> 20;
    while (cells[at & mask].seq != 0 && cells[at & mask].seq != seq)
        at++;
    return &cells[at & mask];
}

Py_ssize_t number_at(Book *book, long long seq) {
    Cell *cell = seq > 0 ? book_cell(book->cells, book->mask, seq) : NULL;
    return cell == NULL || cell->seq == 0 ? -1 : cell->number;
}

int book_grow(Book *book) {
    if (2 * book->used >= book->mask) {
        size_t mask = 2 * book->mask + 1;
        Cell *cells = PyMem_Calloc(mask + 1, sizeof(Cell));
        if (cells == NULL)
            goto failed;
        for (size_t i = 0; i <= book->mask; i++)
            if (book->cells[i].seq)
                *book_cell(cells, mask, book->cells[i].seq) = book->cells[i];
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
int number_next(Book *book, long long seq, int changes, PyObject *name) {
    if (book_grow(book) < 0)
        return -1;
    if (seq > 0) {
        Cell *cell = book_cell(book->cells, book->mask, seq);
        book->used += cell->seq == 0;
        cell->seq = seq;
        cell->number = book->count;
    }
    book->changes[book->count] = (char)changes;
    book->names[book->count++] = Py_XNewRef(name);
    return 0;
}

PyObject *name_at(Book *book, Py_ssize_t number) {
    if (book->names[number] == NULL)
        book->names[number] = PyUnicode_FromFormat("r%zd", number);
    return Py_XNewRef(book->names[number]);
}

/* The number of a node's record, or -1 and its name, a new reference; -2 for an error. */
Py_ssize_t find_value(Book *book, PyObject *trace, PyObject *node, PyObject **name) {
    Py_ssize_t number = number_at(book, node_number(node, NODE_SEQ));
    *name = NULL;
    if (number >= 0)
        return number;
    PyObject *seq = node_int(node, NODE_SEQ), *known = seq == NULL ? NULL : PyDict_GetItemWithError(book->slots, seq);
    Py_XDECREF(seq);
    *name = known != NULL ? Py_NewRef(known) : PyErr_Occurred() ? NULL
        : PyObject_CallMethod(trace, "slot_of", "O", node);
    return *name == NULL ? -2 : -1;
}

/* ---- one record ---- */

int is_pending(PyObject *x) {
    return Py_TYPE(x) == node_type && (NODE(x, NODE_BUFFER) == NULL || NODE(x, NODE_BUFFER) == Py_None);
}

/* An Operand; the parts are borrowed. */
PyObject *operand_from(PyObject *name, PyObject *steps, PyObject *value, PyObject *laid) {
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
PyObject *inputs_of(PyObject *node) {
    PyObject *a = NODE(node, NODE_A), *b = NODE(node, NODE_B), *rest = NODE(node, NODE_REST);
    if (a != Py_None && PyTuple_Check(rest) && PyTuple_GET_SIZE(rest) == 0)
        return b == Py_None ? PyTuple_Pack(1, a) : PyTuple_Pack(2, a, b);
    PyObject *inputs = PyObject_GetAttrString(node, "inputs");
    if (inputs != NULL && !PyTuple_Check(inputs))
        Py_CLEAR(inputs);
    return inputs;
}

/* As Trace._operation. 1: done; 0: another thread has computed the node; -1: an error. */
int write_one(Book *book, PyObject *trace, PyObject *node) {
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
    PyObject *lasti = bad ? NULL : node_int(node, NODE_LASTI);
    bad = bad || lasti == NULL;
    if (!bad) {
        PyObject *values[RECORD_NAMES] = {text_operation, name, operands, NODE(node, NODE_OP), attrs,
                                          NODE(node, NODE_SHAPE), NODE(node, NODE_DTYPE), NODE(node, NODE_STRIDES),
                                          NODE(node, NODE_ERRSTATE), NODE(node, NODE_CODE), lasti,
                                          Py_None, Py_None, Py_None, Py_None, Py_None, Py_None};
        for (int i = 0; i < RECORD_NAMES; i++)
            SLOT(record, record_at[i]) = Py_NewRef(values[i] == NULL ? Py_None : values[i]);
        bad = PyList_Append(book->parts, record) < 0
            || (NODE(node, NODE_OP) == element_operation && PySet_Add(book->real, name) < 0)
            || number_next(book, node_number(node, NODE_SEQ), changes, name) < 0;
    }
    Py_XDECREF(lasti);
    Py_XDECREF(inputs);
    Py_XDECREF(operands);
    Py_XDECREF(record);
    Py_XDECREF(name);
    Py_DECREF(attrs);
    return bad ? -1 : 1;
}

/* ---- sizes ---- */

/* The bytes of a shape of elements of a dtype, whose size is kept from the last call; -1 for an error. */
static double bytes_of(PyObject *shape, PyObject *dtype, PyObject **last, double *size) {
    if (dtype != *last) {
        PyObject *itemsize = PyObject_GetAttrString(dtype, "itemsize");
        *size = itemsize == NULL ? -1 : PyLong_AsDouble(itemsize);
        Py_XDECREF(itemsize);
        *last = dtype;
    }
    double bytes = *size;
    for (Py_ssize_t i = 0; PyTuple_Check(shape) && i < PyTuple_GET_SIZE(shape); i++)
        bytes *= PyLong_AsDouble(PyTuple_GET_ITEM(shape, i));
    return PyErr_Occurred() ? -1 : bytes;
}

/* exceeds(records, bytes): whether an operation gives so many, or reads a view that has. */
PyObject *exceeds(PyObject *self, PyObject *args) {
    PyObject *records, *last = NULL;
    double most, size = 0, bytes = 0;
    if (!PyArg_ParseTuple(args, "O!d", &PyList_Type, &records, &most))
        return NULL;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(records); i++) {
        PyObject *record = PyList_GET_ITEM(records, i);
        if (Py_TYPE(record) != record_type) {
            PyErr_SetString(PyExc_TypeError, "records are wanted");
            return NULL;
        }
        if (RECORD(record, KIND) != text_operation)
            continue;
        bytes = bytes_of(RECORD(record, SHAPE), RECORD(record, DTYPE), &last, &size);
        PyObject *operands = RECORD(record, OPERANDS);
        for (Py_ssize_t k = 0; 0 <= bytes && bytes < most && k < PyTuple_GET_SIZE(operands); k++) {
            PyObject *laid = PyTuple_GET_ITEM(PyTuple_GET_ITEM(operands, k), 3);
            if (laid != Py_None)
                bytes = bytes_of(PyTuple_GET_ITEM(laid, 0), PyTuple_GET_ITEM(laid, 1), &last, &size);
        }
        if (bytes < 0)
            return NULL;
        if (bytes >= most)
            Py_RETURN_TRUE;
    }
    Py_RETURN_FALSE;
}

/* ---- which nodes are to be written down ---- */

int by_number(const void *a, const void *b) {
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
int walk_from(Found *found, Book *book, long long start, PyObject *stack) {
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
            long long seq = node_number(node, NODE_SEQ);
            int new = seq > start && number_at(book, seq) < 0;
            if (new) {
                PyObject *key = node_int(node, NODE_SEQ);
                new = key == NULL ? -1 : PyDict_Contains(book->slots, key) ? 0 : find(found, node, seq);
                Py_XDECREF(key);
            }
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
