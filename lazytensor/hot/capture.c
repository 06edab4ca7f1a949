/* ir/capture.py in C: which pending nodes are needed, claimed for a run, and their structure with its sizes. */
#include "hot.h"

/* ---- claiming ------------------------------------------------------------------------------------------------------ */

typedef struct { Py_ssize_t seq; PyObject *node; } Numbered;

static int by_number(const void *a, const void *b) {
    Py_ssize_t x = ((const Numbered *)a)->seq, y = ((const Numbered *)b)->seq;
    return x < y ? -1 : x > y;
}

static PyObject *in_program_order(Vector *found, int one_chain) {
    Py_ssize_t n = found->count;
    PyObject *nodes = PyList_New(n);
    if (nodes == NULL)
        return NULL;
    if (one_chain) {
        for (Py_ssize_t i = 0; i < n; i++)
            PyList_SET_ITEM(nodes, i, Py_NewRef(found->items[n - 1 - i]));
        return nodes;
    }
    Numbered local[64], *order = n <= 64 ? local : PyMem_Malloc(n * sizeof(Numbered));
    if (order == NULL) {
        Py_DECREF(nodes);
        return PyErr_NoMemory();
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        order[i].node = found->items[i];
        order[i].seq = PyLong_AsSsize_t(slot_or_none(found->items[i], N.seq));
    }
    if (PyErr_Occurred())
        Py_CLEAR(nodes);
    else {
        qsort(order, n, sizeof(Numbered), by_number);
        for (Py_ssize_t i = 0; i < n; i++)
            PyList_SET_ITEM(nodes, i, Py_NewRef(order[i].node));
    }
    if (order != local)
        PyMem_Free(order);
    return nodes;
}

static inline int is_pending(PyObject *x) {
    return Py_TYPE(x) == node_type && slot_or_none(x, N.buffer) == Py_None;
}

static inline int is_view(PyObject *node) {
    return SLOT(node, N.op) == view_operation;
}

/* The pending nodes that the targets need, in program order and claimed. NULL without an error and `blocked` set where
 * a node is claimed already: then nothing is claimed. No Python code runs in between, so no lock is needed. */
PyObject *claimed_nodes(PyObject *targets, PyObject *run, int *blocked) {
    Vector found, stack;
    PyObject *nodes = NULL;
    int chains = 0;
    vector_start(&found);
    vector_start(&stack);
    *blocked = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(targets); i++) {
        PyObject *target = PyList_GET_ITEM(targets, i);
        if (Py_TYPE(target) == node_type && is_view(target) && slot_or_none(target, N.buffer) == Py_None)
            target = slot_or_none(target, N.a);
        if (vector_push(&stack, target) < 0)
            goto undo;
    }
    while (stack.count) {
        PyObject *node = stack.items[--stack.count];
        chains++;
        while (Py_TYPE(node) == node_type) {
            PyObject *claim = slot_or_none(node, N.claim);
            if (slot_or_none(node, N.buffer) != Py_None || claim == run)
                break;
            if (claim != Py_None) {
                *blocked = 1;
                goto undo;
            }
            if (!is_view(node)) {
                PyObject *b = slot_or_none(node, N.b), *rest = slot_or_none(node, N.rest);
                put(node, N.claim, run);
                if (vector_push(&found, node) < 0)
                    goto undo;
                if (is_pending(b) && vector_push(&stack, b) < 0)
                    goto undo;
                if (PyTuple_CheckExact(rest))
                    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(rest); k++)
                        if (vector_push(&stack, PyTuple_GET_ITEM(rest, k)) < 0)
                            goto undo;
            }
            node = slot_or_none(node, N.a);
        }
    }
    nodes = in_program_order(&found, chains == 1);
undo:
    if (nodes == NULL)
        for (Py_ssize_t i = 0; i < found.count; i++)
            put(found.items[i], N.claim, Py_None);
    vector_end(&found);
    vector_end(&stack);
    return nodes;
}

PyObject *hot_claimed(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    int blocked;
    if (count != 2 || !PyList_CheckExact(args[0])) {
        PyErr_SetString(PyExc_TypeError, "claimed(targets: list, run)");
        return NULL;
    }
    PyObject *nodes = claimed_nodes(args[0], args[1], &blocked);
    if (nodes == NULL && blocked)
        Py_RETURN_NONE;
    return nodes;
}

/* No Python code runs in between, so that no other run can claim a node meanwhile. */
PyObject *hot_taken(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    if (count != 2 || !PyList_CheckExact(args[0])) {
        PyErr_SetString(PyExc_TypeError, "taken(nodes: list, run)");
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(args[0]); i++) {
        PyObject *node = PyList_GET_ITEM(args[0], i);
        if (!is_pending(node) || slot_or_none(node, N.claim) != Py_None)
            Py_RETURN_FALSE;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(args[0]); i++)
        put(PyList_GET_ITEM(args[0], i), N.claim, args[1]);
    Py_RETURN_TRUE;
}

/* Nodes that a run did not finish are pending again. */
void release_nodes(PyObject *nodes, PyObject *run) {
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(nodes); i++) {
        PyObject *node = PyList_GET_ITEM(nodes, i);
        if (Py_TYPE(node) == node_type && SLOT(node, N.claim) == run)
            put(node, N.claim, Py_None);
    }
}

/* ---- capturing ----------------------------------------------------------------------------------------------------- */

/* What is under way: the numbers of nodes and leaves, how many references to each are our own or a captured node's
 * (-1 for what is never ours alone), what describes leaves and views, and how often each view is an operand. */
typedef struct {
    Capture *out;
    Map number, seen;
    Vector kinds;       /* owned */
    Vector uses;        /* counts, as pointers */
} Work;

#define NEVER_ALONE ((PyObject *)-1)
#define USES(w, i) (*(Py_ssize_t *)&(w)->uses.items[i])

static PyObject *four(PyObject *first, PyObject *of) {
    PyObject *kind = PyTuple_New(4);
    if (kind != NULL) {
        PyTuple_SET_ITEM(kind, 0, Py_NewRef(first));
        PyTuple_SET_ITEM(kind, 1, Py_NewRef(slot_or_none(of, N.dtype)));
        PyTuple_SET_ITEM(kind, 2, Py_NewRef(slot_or_none(of, N.shape)));
        PyTuple_SET_ITEM(kind, 3, Py_NewRef(slot_or_none(of, N.strides)));
    }
    return kind;
}

static int push_kind(Work *w, PyObject *kind) {
    if (kind == NULL)
        return -1;
    if (vector_push(&w->kinds, kind) < 0) {
        Py_DECREF(kind);
        return -1;
    }
    return 0;
}

static Py_ssize_t new_leaf(Work *w, PyObject *leaf, PyObject *uses) {
    if (PyList_Append(w->out->leaves, leaf) < 0 || vector_push(&w->uses, uses) < 0)
        return -1;
    return w->uses.count - 1;
}

static int is_number_type(PyTypeObject *type) {
    return type == &PyFloat_Type || type == &PyLong_Type || type == &PyBool_Type || type == &PyComplex_Type;
}

/* The number of an operand: of a node, of a known leaf, of a new one, or of what a view looks at. -1 for an error. */
static Py_ssize_t place(Work *w, PyObject *operand, Py_ssize_t node, Py_ssize_t position) {
    if (Py_TYPE(operand) != node_type) {
        PyObject *kind = is_number_type(Py_TYPE(operand)) ? Py_NewRef((PyObject *)Py_TYPE(operand))
                                                          : PyObject_GetAttrString(operand, "dtype");
        return push_kind(w, kind) < 0 ? -1 : new_leaf(w, operand, NEVER_ALONE);
    }
    Cell *cell = map_cell(&w->number, operand);
    if (cell->key != NULL) {
        USES(w, cell->value)++;
        return cell->value;
    }
    if (is_view(operand) && slot_or_none(operand, N.buffer) == Py_None) {
        PyObject *where = Py_BuildValue("(nn)", node, position);
        if (where == NULL)
            return -1;
        int failed = push_kind(w, four(where, operand)) < 0 || vector_push(&w->out->through, (PyObject *)node) < 0
            || vector_push(&w->out->through, (PyObject *)position) < 0 || vector_push(&w->out->through, operand) < 0;
        Py_DECREF(where);
        if (failed)
            return -1;
        Cell *before = map_cell(&w->seen, operand);
        int again = before->key != NULL;
        if (again)
            before->value++;
        else if (map_put(&w->seen, operand, 1) < 0)
            return -1;
        operand = slot_or_none(operand, N.a);
        cell = map_cell(&w->number, operand);
        if (cell->key != NULL) {
            USES(w, cell->value) += !again;
            return cell->value;
        }
        if (Py_TYPE(operand) != node_type) {
            PyErr_SetString(PyExc_SystemError, "a view of what is no node");
            return -1;
        }
    }
    if (push_kind(w, four(Py_None, operand)) < 0)
        return -1;
    Py_ssize_t at = new_leaf(w, operand, (PyObject *)1);
    return at < 0 || map_put(&w->number, operand, at) < 0 ? -1 : at;
}

static int put_number(Work *w, PyObject *flat, Py_ssize_t *at, PyObject *operand, Py_ssize_t node, Py_ssize_t position) {
    Py_ssize_t found = place(w, operand, node, position);
    PyObject *number = found < 0 ? NULL : PyLong_FromSsize_t(found);
    if (number == NULL)
        return -1;
    PyTuple_SET_ITEM(flat, (*at)++, number);
    return 0;
}

static PyObject *records(Work *w, PyObject *nodes) {
    Py_ssize_t n = PyList_GET_SIZE(nodes), size = 0, at = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *node = PyList_GET_ITEM(nodes, i), *rest = slot_or_none(node, N.rest);
        size += 6;
        if (slot_or_none(node, N.b) != Py_None)
            size += 1 + (PyTuple_CheckExact(rest) ? PyTuple_GET_SIZE(rest) : 0);
    }
    PyObject *flat = PyTuple_New(size);
    if (flat == NULL)
        return NULL;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *node = PyList_GET_ITEM(nodes, i), *op = slot_or_none(node, N.op);
        PyObject *attrs = slot_or_none(node, N.attrs), *b = slot_or_none(node, N.b);
        if (attrs != Py_None && slot_or_none(op, O.kind) == text_mutate)
            attrs = Py_None;
        PyTuple_SET_ITEM(flat, at++, Py_NewRef(op));
        PyTuple_SET_ITEM(flat, at++, Py_NewRef(slot_or_none(node, N.dtype)));
        PyTuple_SET_ITEM(flat, at++, Py_NewRef(slot_or_none(node, N.shape)));
        PyTuple_SET_ITEM(flat, at++, Py_NewRef(slot_or_none(node, N.strides)));
        PyTuple_SET_ITEM(flat, at++, Py_NewRef(attrs));
        if (put_number(w, flat, &at, slot_or_none(node, N.a), i, 0) < 0)
            goto failed;
        if (b == Py_None)
            continue;
        if (put_number(w, flat, &at, b, i, 1) < 0)
            goto failed;
        PyObject *rest = slot_or_none(node, N.rest);
        for (Py_ssize_t k = 0; PyTuple_CheckExact(rest) && k < PyTuple_GET_SIZE(rest); k++)
            if (put_number(w, flat, &at, PyTuple_GET_ITEM(rest, k), i, k + 2) < 0)
                goto failed;
    }
    return flat;
failed:
    Py_DECREF(flat);
    return NULL;
}

/* For each node and leaf, whether something besides the captured nodes holds it. */
static PyObject *held(Work *w, PyObject *nodes) {
    PyObject *leaves = w->out->leaves;
    Py_ssize_t n = PyList_GET_SIZE(nodes), count = n + PyList_GET_SIZE(leaves);
    PyObject *flags = PyTuple_New(count);
    if (flags == NULL)
        return NULL;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *item = i < n ? PyList_GET_ITEM(nodes, i) : PyList_GET_ITEM(leaves, i - n);
        int more = USES(w, i) < 0 || Py_REFCNT(item) > USES(w, i) + 1;  /* 1: the list's */
        PyTuple_SET_ITEM(flags, i, Py_NewRef(more ? Py_True : Py_False));
    }
    Vector *through = &w->out->through;
    for (Py_ssize_t i = 0; i < through->count; i += 3) {  /* what work outside reads through a view is held */
        PyObject *view = through->items[i + 2];
        if (Py_REFCNT(view) > map_cell(&w->seen, view)->value) {
            Py_ssize_t at = map_cell(&w->number, slot_or_none(view, N.a))->value;
            Py_SETREF(PyTuple_GET_ITEM(flags, at), Py_NewRef(Py_True));
        }
    }
    return flags;
}

int capture_nodes(Capture *c, PyObject *nodes) {
    Work w = {.out = c};
    PyObject *flat = NULL, *kinds = NULL, *flags = NULL;
    Py_ssize_t n = PyList_GET_SIZE(nodes);
    c->nodes = Py_NewRef(nodes);
    c->exact = NULL;
    c->leaves = PyList_New(0);
    vector_start(&c->through);
    vector_start(&w.kinds);
    vector_start(&w.uses);
    w.number.cells = w.number.local;
    w.seen.cells = w.seen.local;
    if (c->leaves == NULL || map_start(&w.number, 2 * n) < 0 || map_start(&w.seen, 0) < 0)
        goto end;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *node = PyList_GET_ITEM(nodes, i);
        if (Py_TYPE(node) != node_type) {
            PyErr_SetString(PyExc_TypeError, "only nodes can be captured");
            goto end;
        }
        if (map_put(&w.number, node, i) < 0 || vector_push(&w.uses, NULL) < 0)
            goto end;
    }
    flat = records(&w, nodes);
    if (flat == NULL || (flags = held(&w, nodes)) == NULL)
        goto end;
    kinds = PyTuple_New(w.kinds.count);
    if (kinds == NULL)
        goto end;
    for (Py_ssize_t i = 0; i < w.kinds.count; i++)
        PyTuple_SET_ITEM(kinds, i, w.kinds.items[i]);
    w.kinds.count = 0;
    c->exact = PyTuple_Pack(3, flat, kinds, flags);
end:
    for (Py_ssize_t i = 0; i < w.kinds.count; i++)
        Py_DECREF(w.kinds.items[i]);
    Py_XDECREF(flat);
    Py_XDECREF(kinds);
    Py_XDECREF(flags);
    vector_end(&w.kinds);
    vector_end(&w.uses);
    map_end(&w.number);
    map_end(&w.seen);
    if (c->exact == NULL) {
        capture_end(c);
        return -1;
    }
    return 0;
}

void capture_end(Capture *c) {
    vector_end(&c->through);
    Py_CLEAR(c->exact);
    Py_CLEAR(c->leaves);
    Py_CLEAR(c->nodes);
}

static Py_ssize_t operand_count(PyObject *node) {
    if (slot_or_none(node, N.b) == Py_None)
        return slot_or_none(node, N.a) == Py_None ? 0 : 1;
    PyObject *rest = slot_or_none(node, N.rest);
    return 2 + (PyTuple_CheckExact(rest) ? PyTuple_GET_SIZE(rest) : 0);
}

/* By a node's number the views of its operands, as capture.py's `_Views`. */
static PyObject *views_of(Capture *c) {
    PyObject *views = PyObject_CallNoArgs(views_class);
    Vector *t = &c->through;
    for (Py_ssize_t i = 0; views != NULL && i < t->count;) {
        Py_ssize_t node = (Py_ssize_t)t->items[i];
        PyObject *key = PyLong_FromSsize_t(node);
        PyObject *row = PyTuple_New(operand_count(PyList_GET_ITEM(c->nodes, node)));
        if (key == NULL || row == NULL)
            goto failed;
        for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(row); k++)
            PyTuple_SET_ITEM(row, k, Py_NewRef(Py_None));
        for (; i < t->count && (Py_ssize_t)t->items[i] == node; i += 3)
            Py_SETREF(PyTuple_GET_ITEM(row, (Py_ssize_t)t->items[i + 1]), Py_NewRef(t->items[i + 2]));
        if (PyDict_SetItem(views, key, row) < 0)
            goto failed;
        Py_DECREF(key);
        Py_DECREF(row);
        continue;
    failed:
        Py_XDECREF(key);
        Py_XDECREF(row);
        Py_CLEAR(views);
    }
    return views;
}

/* The captured graph as Python knows it. */
PyObject *capture_graph(Capture *c) {
    PyObject *graph = graph_type->tp_alloc(graph_type, 0), *bound = PyDict_New();
    PyObject *views = c->through.count ? views_of(c) : Py_NewRef(no_views);
    if (graph == NULL || bound == NULL || views == NULL) {
        Py_XDECREF(graph);
        Py_XDECREF(bound);
        Py_XDECREF(views);
        return NULL;
    }
    put(graph, G.nodes, c->nodes);
    put(graph, G.leaves, c->leaves);
    put(graph, G.exact, c->exact);
    put_owned(graph, G.views, views);
    put_owned(graph, G.bound, bound);
    return graph;
}

PyObject *hot_capture(PyObject *self, PyObject *nodes) {
    Capture c;
    if (!PyList_CheckExact(nodes)) {
        PyErr_SetString(PyExc_TypeError, "capture(nodes: list)");
        return NULL;
    }
    if (capture_nodes(&c, nodes) < 0)
        return NULL;
    PyObject *graph = capture_graph(&c);
    capture_end(&c);
    return graph;
}
