/* Loops among the records of a trace: what repeating.py does, for operations.
 *
 * A `Book` has no records of a loop's turns but the first three while it goes on, and two when it has ended: the others
 * are compared, node by node, with what a turn before did, and counted.
 */
#include "_book.h"

static const int ALIKE[][2] = {{SHAPE, NODE_SHAPE}, {STRIDES, NODE_STRIDES}, {ATTRS, NODE_ATTRS}};
static const int ONE[][2] = {{OP, NODE_OP}, {CODE, NODE_CODE}, {ERRSTATE, NODE_ERRSTATE}, {DTYPE, NODE_DTYPE}};

/* Whether two records, or a record and a node, do the same, but for what they read: 1, 0, or -1 for an error. */
static int does_the_same(PyObject *record, PyObject *other, int node, PyObject *same) {
    for (int i = 0; i < 4; i++)
        if (RECORD(record, ONE[i][0]) != (node ? NODE(other, ONE[i][1]) : RECORD(other, ONE[i][0])))
            return 0;
    PyObject *lasti = node ? node_int(other, NODE_LASTI) : Py_NewRef(RECORD(other, LASTI));
    int here = lasti == NULL ? -1 : are_same(RECORD(record, LASTI), lasti, same);
    Py_XDECREF(lasti);
    if (here != 1)
        return here;
    for (int i = 0; i < 3; i++) {
        int found = are_same(RECORD(record, ALIKE[i][0]), node ? NODE(other, ALIKE[i][1]) : RECORD(other, ALIKE[i][0]),
                             same);
        if (found != 1)
            return found;
    }
    return 1;
}

/* The number of the record that a name is of, ``r7``; -1 for other names. */
Py_ssize_t number_of(PyObject *name) {
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
int loop_goes_on(Book *book, PyObject *trace, PyObject *node) {
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
    if (found == 1 && number_next(book, node_number(node, NODE_SEQ), changes, NULL) < 0)
        return -1;
    return found;
}

void forget_turn(Book *book) {
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

static void share_object(PyObject **own, PyObject *other) {
    if (*own != other && alike_values(*own, other) == 1)
        Py_SETREF(*own, Py_NewRef(other));
    PyErr_Clear();
}

/* Has a record hold another one's objects for its own where they are equal: a loop's turns then have them once, and the
 * collector of garbage has less to look through. */
static void share_objects(PyObject *record, PyObject *with) {
    share_object(&RECORD(record, LASTI), RECORD(with, LASTI));
    for (int i = 0; i < 3; i++)
        share_object(&RECORD(record, ALIKE[i][0]), RECORD(with, ALIKE[i][0]));
    PyObject *own = RECORD(record, OPERANDS), *other = RECORD(with, OPERANDS);
    if (PyTuple_GET_SIZE(own) != PyTuple_GET_SIZE(other))
        return;
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(own); k++)
        for (int part = 1; part < 4; part += 2)  /* the steps of a view, and its layout */
            share_object(&((PyTupleObject *)PyTuple_GET_ITEM(own, k))->ob_item[part],
                         PyTuple_GET_ITEM(PyTuple_GET_ITEM(other, k), part));
}

static void share_turns(Book *book, Py_ssize_t begin, Py_ssize_t period) {
    PyObject **parts = ((PyListObject *)book->parts)->ob_item;
    for (Py_ssize_t k = 0; k < period; k++) {
        Model *model = &book->turn[k];
        share_objects(model->record, parts[begin + k]);
        share_objects(parts[begin + 2 * period + k], parts[begin + k]);
        if (begin - period >= book->first && RECORD(parts[begin - period + k], KIND) == text_operation)
            share_objects(parts[begin - period + k], parts[begin + k]);  /* most often a turn, too, of other values */
        for (Py_ssize_t j = 0; j < model->count; j++)
            model->references[j].steps = PyTuple_GET_ITEM(PyTuple_GET_ITEM(RECORD(model->record, OPERANDS), j), 1);
    }
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
    else
        share_turns(book, begin, period);
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
int search_loop(Book *book) {
    if (book->least == NEVER)
        return 0;
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
int end_loop(Book *book) {
    if (!book->period)
        return 0;
    Py_ssize_t period = book->period, turns = (book->count - book->start) / period, number = book->start + 3 * period;
    int bad = 0;
    if (turns >= book->least) {
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
