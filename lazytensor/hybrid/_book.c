/* `Book`: the records of a trace, written down node by node, with its loops (repeating.Book). */
#include "_book.h"

static int write_all(Book *book, PyObject *trace, Found *found) {
    PyObject *last = PyObject_GetAttrString(trace, "errstate");
    for (Py_ssize_t i = 0; last != NULL && i < found->count; i++) {
        PyObject *node = found->items[i].node, *state = NODE(node, NODE_ERRSTATE);
        int done = found->busy ? 0 : book->period ? loop_goes_on(book, trace, node) : 0;
        if (done == 0 && !found->busy) {
            done = end_loop(book) < 0 ? -1 : write_one(book, trace, node);
            found->busy = done == 0;
            done = done == 1 && search_loop(book) < 0 ? -1 : done;
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
    failed = failed || walk_from(&found, book, start, stack) < 0;
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
            put_number(found.items[i].node, NODE_DEPTH, PyLong_AsSsize_t(depth));
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
    if (book_grow(book) < 0)
        return NULL;
    Cell *cell = book_cell(book->cells, book->mask, seq);
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
    Py_ssize_t least;
    if (!PyArg_ParseTuple(args, "O!O!O!On", &PyDict_Type, &slots, &PySet_Type, &real, &PySet_Type, &dynamic, &same, &least))
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
    book->least = least;
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
    .tp_doc = "Book(slots, real, dynamic, same, least): the records of a trace.",
    .tp_basicsize = sizeof(Book),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_as_sequence = &book_sequence,
    .tp_new = book_new,
    .tp_traverse = book_traverse,
    .tp_clear = book_clear,
    .tp_dealloc = book_dealloc,
    .tp_methods = book_methods,
};
