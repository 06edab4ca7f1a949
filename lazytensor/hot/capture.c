/* ir/capture.py in C: which pending nodes are needed, claimed for a run, and their structure with its sizes. */
#include "hot.h"

/* ---- claiming ------------------------------------------------------------------------------------------------------ */

typedef struct { Py_ssize_t seq; PyObject *node; } Numbered;

static int compare_numbers(const void *a, const void *b) {
    Py_ssize_t x = ((const Numbered *)a)->seq, y = ((const Numbered *)b)->seq;
    return x < y ? -1 : x > y;
}

/* Sorts numbered nodes of which the numbers are close together: each to the place that its number says. 0 if they are not,
 * or two have one number. */
static int placed_by_number(Numbered *order, Py_ssize_t n) {
    enum { SPAN = 1024 };
    Py_ssize_t least = order[0].seq, most = least, next = 0;
    PyObject *places[SPAN];
    for (Py_ssize_t i = 1; i < n; i++) {
        least = order[i].seq < least ? order[i].seq : least;
        most = order[i].seq > most ? order[i].seq : most;
    }
    if (most - least >= SPAN || most - least > 8 * n)
        return 0;
    memset(places, 0, (most - least + 1) * sizeof *places);
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject **place = &places[order[i].seq - least];
        if (*place != NULL)
            return 0;
        *place = order[i].node;
    }
    for (Py_ssize_t at = 0; at <= most - least; at++)
        if (places[at] != NULL)
            order[next++] = (Numbered){least + at, places[at]};
    return 1;
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
        order[i].seq = SEQ(found->items[i]);
    }
    if (n && !placed_by_number(order, n))
        qsort(order, n, sizeof(Numbered), compare_numbers);
    for (Py_ssize_t i = 0; i < n; i++)
        PyList_SET_ITEM(nodes, i, Py_NewRef(order[i].node));
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

/* The structure is written down as words, which are compared and hashed where Python would make and look through tuples:
 * objects as their addresses, which are even, and by value what is made anew for every array, numbers and tuples. */
enum { OBJECT, NUMBER, TUPLE, INTEGER, SAME_SHAPE, TAG_BITS = 4, TAG_MASK = (1 << TAG_BITS) - 1 };
enum { DEEPEST = 4, LONGEST = 64 };   /* tuples that are looked into */
#define TAGGED(value, tag) ((size_t)(value) << TAG_BITS | (tag))
#define UNTAGGED(word) ((Py_ssize_t)(word) >> TAG_BITS)

/* The last graph that was captured: nodes have its number as their mark, and with it one of their own. */
static size_t captured;

#define MARKED(node) (((Marked *)(node))->mark == captured)
#define NUMBER_OF(node) (((Marked *)(node))->number)

static void mark(PyObject *node, Py_ssize_t number) {
    ((Marked *)node)->mark = captured;
    ((Marked *)node)->number = number;
}

static int words_grow(Words *w) {
    Py_ssize_t room = 2 * w->room;
    size_t *items = PyMem_Realloc(w->items == w->local ? NULL : w->items, room * sizeof(size_t));
    if (items == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (w->items == w->local)
        memcpy(items, w->local, sizeof w->local);
    w->items = items;
    w->room = room;
    return 0;
}

static inline int put_word(Capture *c, size_t word) {
    if (c->words.count == c->words.room && words_grow(&c->words) < 0)
        return -1;
    c->words.items[c->words.count++] = word;
    return 0;
}

/* An object that no node holds: it is kept as long as the words. */
static int put_owned_word(Capture *c, PyObject *object) {
    if (object == NULL || vector_push(&c->owned, object) < 0) {
        Py_XDECREF(object);
        return -1;
    }
    return put_word(c, (size_t)object);
}

/* Describes a shape, strides, attributes: what is equal to another of the same words. */
static int put_value(Capture *c, PyObject *value, int deep) {
    if (PyLong_CheckExact(value)) {
        int overflow;
        long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
        if (!overflow && number < 1LL << 58 && number > -(1LL << 58))
            return put_word(c, TAGGED(number, INTEGER));
    } else if (PyTuple_CheckExact(value) && deep && PyTuple_GET_SIZE(value) <= LONGEST) {
        Py_ssize_t n = PyTuple_GET_SIZE(value);
        if (put_word(c, TAGGED(n, TUPLE)) < 0)
            return -1;
        for (Py_ssize_t i = 0; i < n; i++)
            if (put_value(c, PyTuple_GET_ITEM(value, i), deep - 1) < 0)
                return -1;
        return 0;
    }
    return put_word(c, (size_t)value);
}

/* Dtype, shape and strides. Most results have the very tuple for a shape that what they are made of has: it is written down
 * once. */
static inline int put_geometry(Capture *c, PyObject *of) {
    PyObject *shape = slot_or_none(of, N.shape), *strides = slot_or_none(of, N.strides);
    if (put_word(c, (size_t)slot_or_none(of, N.dtype)) < 0
        || (shape == c->shape ? put_word(c, TAGGED(0, SAME_SHAPE)) : put_value(c, shape, 1)) < 0)
        return -1;
    c->shape = shape;
    return strides == Py_None ? put_word(c, (size_t)Py_None) : put_value(c, strides, 1);
}

enum { BITS = 8 * sizeof(size_t) };   /* of a word */
#define NEVER_ALONE ((PyObject *)-1)
/* How many references to a node or leaf are a captured node's; -1 for what is never theirs alone. */
#define USES(c, i) (*(Py_ssize_t *)&(c)->uses.items[i])

/* A leaf's number is the next one; its description follows. */
static int put_leaf(Capture *c, PyObject *leaf, PyObject *uses) {
    Py_ssize_t number = c->uses.count;
    return vector_push(&c->leaves, leaf) < 0 || vector_push(&c->uses, uses) < 0
        || put_word(c, TAGGED(number, NUMBER)) < 0 ? -1 : 0;
}

static int is_number_type(PyTypeObject *type) {
    return type == &PyFloat_Type || type == &PyLong_Type || type == &PyBool_Type || type == &PyComplex_Type;
}

/* What a view is: where it is read, and for one step without arguments which it is, as the real part (capture.py's
 * `_where`). */
static int put_view(Capture *c, PyObject *view, Py_ssize_t node, Py_ssize_t position) {
    PyObject *steps = slot_or_none(view, N.attrs), *step, *arguments;
    int named = PyTuple_CheckExact(steps) && PyTuple_GET_SIZE(steps) == 1
        && PyTuple_CheckExact(step = PyTuple_GET_ITEM(steps, 0)) && PyTuple_GET_SIZE(step) == 2
        && PyTuple_CheckExact(arguments = PyTuple_GET_ITEM(step, 1)) && PyTuple_GET_SIZE(arguments) == 0;
    if (put_word(c, TAGGED(2 + named, TUPLE)) < 0 || put_word(c, TAGGED(node, INTEGER)) < 0
        || put_word(c, TAGGED(position, INTEGER)) < 0
        || (named && put_word(c, (size_t)PyTuple_GET_ITEM(step, 0)) < 0) || put_geometry(c, view) < 0)
        return -1;
    return vector_push(&c->through, (PyObject *)node) < 0 || vector_push(&c->through, (PyObject *)position) < 0
        || vector_push(&c->through, view) < 0 ? -1 : 0;
}

/* An operand: the number of a node, of a known leaf, of a new one, or of what a view looks at, after the view. */
static int put_operand(Capture *c, PyObject *operand, Py_ssize_t node, Py_ssize_t position) {
    if (Py_TYPE(operand) != node_type) {
        if (put_leaf(c, operand, NEVER_ALONE) < 0)
            return -1;
        if (is_number_type(Py_TYPE(operand)))
            return put_word(c, (size_t)Py_TYPE(operand));
        return put_owned_word(c, PyObject_GetAttrString(operand, "dtype"));
    }
    int again = 0;
    if (is_view(operand) && slot_or_none(operand, N.buffer) == Py_None) {
        if (put_view(c, operand, node, position) < 0)
            return -1;
        again = MARKED(operand);
        if (again)
            ++*(Py_ssize_t *)&c->seen.items[NUMBER_OF(operand)];
        else {
            mark(operand, c->seen.count);
            if (vector_push(&c->seen, (PyObject *)1) < 0)
                return -1;
        }
        operand = slot_or_none(operand, N.a);
        if (Py_TYPE(operand) != node_type) {
            PyErr_SetString(PyExc_SystemError, "a view of what is no node");
            return -1;
        }
    }
    if (MARKED(operand)) {
        USES(c, NUMBER_OF(operand)) += !again;
        return put_word(c, TAGGED(NUMBER_OF(operand), NUMBER));
    }
    mark(operand, c->uses.count);
    return put_leaf(c, operand, (PyObject *)1) < 0 || put_word(c, (size_t)Py_None) < 0 || put_geometry(c, operand) < 0
        ? -1 : 0;
}

static int put_node(Capture *c, PyObject *node, Py_ssize_t i) {
    PyObject *op = slot_or_none(node, N.op), *attrs = slot_or_none(node, N.attrs);
    PyObject *b = slot_or_none(node, N.b), *rest = slot_or_none(node, N.rest);
    if (attrs != Py_None && slot_or_none(op, O.kind) == text_mutate)
        attrs = Py_None;
    if (put_word(c, (size_t)op) < 0 || put_geometry(c, node) < 0 || put_value(c, attrs, DEEPEST) < 0
        || put_operand(c, slot_or_none(node, N.a), i, 0) < 0)
        return -1;
    if (b == Py_None)
        return 0;
    if (put_operand(c, b, i, 1) < 0)
        return -1;
    for (Py_ssize_t k = 0; PyTuple_CheckExact(rest) && k < PyTuple_GET_SIZE(rest); k++)
        if (put_operand(c, PyTuple_GET_ITEM(rest, k), i, k + 2) < 0)
            return -1;
    return 0;
}

/* For each node and leaf, whether something besides the captured nodes holds it: a bit of a word. */
static int put_held(Capture *c) {
    Py_ssize_t n = PyList_GET_SIZE(c->nodes), count = c->uses.count;
    c->flags = c->words.count;
    for (Py_ssize_t i = 0; i < count; i += BITS) {
        size_t bits = 0;
        for (Py_ssize_t k = i; k < count && k < i + BITS; k++) {
            Py_ssize_t uses = USES(c, k);   /* a node has the list's, too */
            size_t more = uses < 0
                || (k < n ? Py_REFCNT(PyList_GET_ITEM(c->nodes, k)) > uses + 1 : Py_REFCNT(c->leaves.items[k - n]) > uses);
            bits |= more << (k - i);
        }
        if (put_word(c, bits) < 0)
            return -1;
    }
    Vector *through = &c->through;
    for (Py_ssize_t i = 0; i < through->count; i += 3) {  /* what work outside reads through a view is held */
        PyObject *view = through->items[i + 2];
        if (Py_REFCNT(view) > *(Py_ssize_t *)&c->seen.items[NUMBER_OF(view)]) {
            Py_ssize_t at = NUMBER_OF(slot_or_none(view, N.a));
            c->words.items[c->flags + at / BITS] |= (size_t)1 << at % BITS;
        }
    }
    return 0;
}

/* Describes claimed nodes. No Python code runs meanwhile, so the marks are this graph's. */
int capture_nodes(Capture *c, PyObject *nodes) {
    Py_ssize_t n = PyList_GET_SIZE(nodes);
    c->nodes = Py_NewRef(nodes);
    c->exact = c->shape = NULL;
    c->words.items = c->words.local;
    c->words.count = 0;
    c->words.room = sizeof c->words.local / sizeof *c->words.local;
    vector_start(&c->owned);
    vector_start(&c->leaves);
    vector_start(&c->through);
    vector_start(&c->uses);
    vector_start(&c->seen);
    size_t own = ++captured;
    int failed = put_word(c, TAGGED(n, NUMBER)) < 0;
    for (Py_ssize_t i = 0; !failed && i < n; i++) {
        PyObject *node = PyList_GET_ITEM(nodes, i);
        if (Py_TYPE(node) != node_type) {
            PyErr_SetString(PyExc_TypeError, "only nodes can be captured");
            failed = 1;
        } else {
            mark(node, i);
            failed = vector_push(&c->uses, NULL) < 0;
        }
    }
    for (Py_ssize_t i = 0; !failed && i < n; i++)
        failed = put_node(c, PyList_GET_ITEM(nodes, i), i) < 0;
    failed = failed || put_held(c) < 0;
    c->shape = NULL;
    if (!failed && captured != own) {
        PyErr_SetString(PyExc_SystemError, "a graph was captured while another one was");
        failed = 1;
    }
    if (failed) {
        capture_end(c);
        return -1;
    }
    return 0;
}

void capture_end(Capture *c) {
    vector_end(&c->leaves);
    vector_end(&c->through);
    vector_end(&c->uses);
    vector_end(&c->seen);
    if (c->words.items != c->words.local)
        PyMem_Free(c->words.items);
    c->words.items = c->words.local;
    while (c->owned.count)
        Py_DECREF(c->owned.items[--c->owned.count]);
    vector_end(&c->owned);
    Py_CLEAR(c->exact);
    Py_CLEAR(c->nodes);
}

/* ---- the key as Python has it ---------------------------------------------------------------------------------------- */

#define WORD(c, at) ((c)->words.items[at])

/* The value that begins at a word. */
static PyObject *value_at(Capture *c, Py_ssize_t *at) {
    size_t word = WORD(c, (*at)++);
    if ((word & TAG_MASK) == OBJECT)
        return Py_NewRef((PyObject *)word);
    if ((word & TAG_MASK) != TUPLE)
        return PyLong_FromSsize_t(UNTAGGED(word));
    PyObject *tuple = PyTuple_New(UNTAGGED(word));
    for (Py_ssize_t i = 0; tuple != NULL && i < UNTAGGED(word); i++) {
        PyObject *item = value_at(c, at);
        if (item == NULL)
            Py_CLEAR(tuple);
        else
            PyTuple_SET_ITEM(tuple, i, item);
    }
    return tuple;
}

/* The value that begins at a word, number i of what describes a node, a leaf or a view: shapes are the third. */
static PyObject *value_of(Capture *c, Py_ssize_t *at, int i) {
    enum { SHAPE = 2 };
    if ((WORD(c, *at) & TAG_MASK) == SAME_SHAPE) {
        ++*at;
        return Py_NewRef(c->shape);
    }
    PyObject *value = value_at(c, at);
    if (i == SHAPE && value != NULL)
        Py_XSETREF(c->shape, Py_NewRef(value));
    return value;
}

static int append_values(PyObject *list, Capture *c, Py_ssize_t *at, int count) {
    for (int i = 0; i < count; i++) {
        PyObject *value = value_of(c, at, i);
        if (value == NULL || PyList_Append(list, value) < 0) {
            Py_XDECREF(value);
            return -1;
        }
        Py_DECREF(value);
    }
    return 0;
}

/* Appends a tuple of values: what describes a leaf or a view. */
static int append_kind(PyObject *kinds, Capture *c, Py_ssize_t *at) {
    PyObject *kind = PyTuple_New(4);
    int failed = kind == NULL;
    for (int i = 0; !failed && i < 4; i++) {
        PyObject *value = value_of(c, at, i);
        failed = value == NULL;
        PyTuple_SET_ITEM(kind, i, value);
    }
    failed = failed || PyList_Append(kinds, kind) < 0;
    Py_XDECREF(kind);
    return failed ? -1 : 0;
}

/* Takes the records of nodes apart from the kinds of leaves and views, which words have among them. */
static int take_apart(Capture *c, PyObject *flat, PyObject *kinds) {
    Py_ssize_t at = 1, next = PyList_GET_SIZE(c->nodes);
    while (at < c->flags) {
        if (append_values(flat, c, &at, 5) < 0)
            return -1;
        while (at < c->flags && (WORD(c, at) & TAG_MASK) != OBJECT) {
            if ((WORD(c, at) & TAG_MASK) == TUPLE && append_kind(kinds, c, &at) < 0)
                return -1;
            Py_ssize_t number = UNTAGGED(WORD(c, at));
            if (append_values(flat, c, &at, 1) < 0)
                return -1;
            if (number != next)
                continue;
            next++;
            int leaf = WORD(c, at) == (size_t)Py_None;
            if ((leaf ? append_kind(kinds, c, &at) : append_values(kinds, c, &at, 1)) < 0)
                return -1;
        }
    }
    return 0;
}

static PyObject *held(Capture *c) {
    PyObject *flags = PyTuple_New(c->uses.count);
    for (Py_ssize_t i = 0; flags != NULL && i < c->uses.count; i++)
        PyTuple_SET_ITEM(flags, i, Py_NewRef(c->words.items[c->flags + i / BITS] >> i % BITS & 1 ? Py_True : Py_False));
    return flags;
}

/* `Graph.exact`, borrowed: made when it is asked for. */
PyObject *capture_exact(Capture *c) {
    if (c->exact != NULL)
        return c->exact;
    PyObject *flat = PyList_New(0), *kinds = PyList_New(0), *flags = held(c);
    int done = flat != NULL && kinds != NULL && flags != NULL && take_apart(c, flat, kinds) == 0;
    Py_CLEAR(c->shape);
    if (done) {
        PyObject *first = PyList_AsTuple(flat), *second = PyList_AsTuple(kinds);
        if (first != NULL && second != NULL)
            c->exact = PyTuple_Pack(3, first, second, flags);
        Py_XDECREF(first);
        Py_XDECREF(second);
    }
    Py_XDECREF(flat);
    Py_XDECREF(kinds);
    Py_XDECREF(flags);
    return c->exact;
}

/* ---- the graph ------------------------------------------------------------------------------------------------------- */

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
    PyObject *exact = capture_exact(c), *leaves = PyList_New(c->leaves.count);
    for (Py_ssize_t i = 0; leaves != NULL && i < c->leaves.count; i++)
        PyList_SET_ITEM(leaves, i, Py_NewRef(c->leaves.items[i]));
    PyObject *graph = graph_type->tp_alloc(graph_type, 0), *bound = PyDict_New();
    PyObject *views = c->through.count ? views_of(c) : Py_NewRef(no_views);
    if (exact == NULL || leaves == NULL || graph == NULL || bound == NULL || views == NULL) {
        Py_XDECREF(leaves);
        Py_XDECREF(graph);
        Py_XDECREF(bound);
        Py_XDECREF(views);
        return NULL;
    }
    put(graph, G.nodes, c->nodes);
    put_owned(graph, G.leaves, leaves);
    put(graph, G.exact, exact);
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
