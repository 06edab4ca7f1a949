/* run/table._run_rows and run/interpreter.run_directly in C: a program's records, or nodes without a plan, one by one.
 * Kernels that are bound, and plain calls of functions, are done here; what takes memory over or writes into it is left
 * to Python's `_general` and `execute`. */
#include "hot.h"

enum { DIRECT1, DIRECT2, MAP1, MAP2, GENERAL, KERNEL };
enum { POSITION, CODE, FN, NUMBER, A, B, OUT, GAUGE, LIMIT, KEPT, EMPTIES, SWITCH, RECORD };
enum { R_OPERANDS = 3, R_OVER = 5, R_VIEWED = 10, R_TWINS = 11, R_KIND = 13 };   /* places in lower/table.Record */
enum { MOST_OPERANDS = 16 };

#define ROW(row, place) PyTuple_GET_ITEM(row, place)
#define INDEX(row, place) ssize_of(PyTuple_GET_ITEM(row, place))

/* ---- one node's value ------------------------------------------------------------------------------------------------ */

/* fn(*operands, **attrs), `attrs` pairs of names and values or None; with the keyword `out` if that is given. */
static PyObject *called(PyObject *fn, PyObject **operands, Py_ssize_t count, PyObject *attrs, PyObject *out) {
    static PyObject *only_out;
    PyObject *stack[2 * MOST_OPERANDS + 2], *names = NULL;
    Py_ssize_t more = attrs == Py_None ? 0 : PyTuple_GET_SIZE(attrs);
    if (only_out == NULL && (only_out = Py_BuildValue("(s)", "out")) == NULL)
        return NULL;
    memcpy(stack, operands, count * sizeof(PyObject *));
    if (out != NULL)
        stack[count] = out;
    if (more) {
        Py_ssize_t at = out != NULL;
        names = PyTuple_New(more + at);
        if (names == NULL)
            return NULL;
        if (at)
            PyTuple_SET_ITEM(names, 0, Py_NewRef(PyTuple_GET_ITEM(only_out, 0)));
        for (Py_ssize_t i = 0; i < more; i++, at++) {
            PyObject *pair = PyTuple_GET_ITEM(attrs, i);
            PyTuple_SET_ITEM(names, at, Py_NewRef(PyTuple_GET_ITEM(pair, 0)));
            stack[count + at] = PyTuple_GET_ITEM(pair, 1);
        }
    } else if (out != NULL)
        names = Py_NewRef(only_out);
    PyObject *result = PyObject_Vectorcall(fn, stack, count, names);
    Py_XDECREF(names);
    return result;
}

/* A copy of an array of the node's own dtype, NULL without an error for anything else: a cast is a Python function. */
static PyObject *copied(PyObject *node, PyObject *array) {
    PyObject *dtype = slot_or_none(node, N.dtype);
    if (!PyArray_CheckExact(array) || (PyObject *)PyArray_DESCR((PyArrayObject *)array) != dtype)
        return NULL;
    PyObject *out = new_result(slot_or_none(node, N.shape), dtype, slot_or_none(node, N.strides));
    if (out != NULL && PyArray_CopyInto((PyArrayObject *)out, (PyArrayObject *)array) < 0)
        Py_CLEAR(out);
    return out;
}

/* The value of a node that makes an array of its own, from its operands' values (interpreter.compute); NULL without an error
 * where Python is to make it. */
static PyObject *computed(PyObject *node, PyObject *op, PyObject **operands, Py_ssize_t count) {
    PyObject *kind = slot_or_none(op, O.kind), *fn = slot_or_none(op, O.fn), *attrs = slot_or_none(node, N.attrs);
    if (kind == text_call) {
        PyObject *result = fn == matmul && count == 2 && attrs == Py_None ? product_of(node, operands) : NULL;
        return result != NULL || PyErr_Occurred() ? result : called(fn, operands, count, attrs, NULL);
    }
    if (op == copy_operation)
        return copied(node, operands[0]);
    if (kind == text_scalar) {
        PyObject *scalars[MOST_OPERANDS] = {NULL}, *result = NULL;
        Py_ssize_t made = 0;
        for (; made < count; made++) {
            PyObject *x = Py_NewRef(operands[made]);
            if (PyArray_CheckExact(x) && (x = PyArray_Return((PyArrayObject *)x)) == NULL)
                break;
            scalars[made] = x;
        }
        if (made == count)
            result = PyObject_Vectorcall(fn, scalars, count, NULL);
        while (made)
            Py_DECREF(scalars[--made]);
        return result;
    }
    PyObject *shape = slot_or_none(node, N.shape);
    if (PyTuple_GET_SIZE(shape) == 0 && attrs == Py_None)
        return called(fn, operands, count, attrs, NULL);
    PyObject *out = new_result(shape, slot_or_none(node, N.dtype), slot_or_none(node, N.strides));
    PyObject *result = out == NULL ? NULL : called(fn, operands, count, attrs, out);
    if (result == NULL) {
        Py_XDECREF(out);
        return NULL;
    }
    Py_DECREF(result);
    return out;
}

/* Whether `computed` can do an operation: calls, scalar arithmetic, copies, and NumPy's ufuncs, in whose call no Ctrl-C
 * comes. */
static int is_plain(PyObject *op, PyObject *attrs, Py_ssize_t operands) {
    PyObject *kind = slot_or_none(op, O.kind);
    if (operands > MOST_OPERANDS || (attrs != Py_None && (!PyTuple_CheckExact(attrs)
                                                          || PyTuple_GET_SIZE(attrs) > MOST_OPERANDS)))
        return 0;
    return kind == text_call || kind == text_scalar || op == copy_operation
        || (kind == text_elementwise && (PyObject *)Py_TYPE(slot_or_none(op, O.fn)) == ufunc_type);
}

/* ---- programs -------------------------------------------------------------------------------------------------------- */

typedef struct {
    PyObject *program, *nodes, *graph, *leaves, *values, *bounds, *views;
    Floating *state;
    Py_ssize_t leaf_count, done;
    int again;              /* the error state is to be entered anew */
    Spare spare;
} Rows;

static void empty(Rows *r, PyObject *slots) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(slots); i++) {
        Py_ssize_t slot = ssize_of(PyTuple_GET_ITEM(slots, i));
        PyList_SetItem(r->values, slot, Py_NewRef(Py_None));
        if (slot < r->leaf_count)
            PyList_SetItem(r->leaves, slot, Py_NewRef(Py_None));
    }
}

/* The values of a general record's operands from one on; how many of them there are, in the end as many as asked for. */
static Py_ssize_t put_operands(Rows *r, PyObject *record, Py_ssize_t number, Py_ssize_t first, PyObject **operands) {
    PyObject *slots = ROW(record, R_OPERANDS), *viewed = ROW(record, R_VIEWED);
    Source source = {.views = r->views};
    Py_ssize_t made = 0;
    for (Py_ssize_t k = first; k < PyTuple_GET_SIZE(slots); k++, made++) {
        PyObject *value = PyList_GET_ITEM(r->values, INDEX(slots, k));
        PyObject *view = PyTuple_GET_SIZE(viewed) ? view_through(&source, number, k) : NULL;
        if (view != NULL && !PyArray_CheckExact(value))
            break;
        value = view == NULL ? Py_NewRef(value) : apply_steps(slot_or_none(view, N.attrs), value);
        if (value == NULL)
            break;
        operands[made] = value;
    }
    return made;
}

/* The array after a record that writes into a part of it, or NULL without an error where Python is to do that. */
static PyObject *written(Rows *r, PyObject *record, PyObject *node, PyObject *number) {
    PyObject *slots = ROW(record, R_OPERANDS), *operands[MOST_OPERANDS], *result = NULL;
    Py_ssize_t count = PyTuple_GET_SIZE(slots) - 1, slot = INDEX(slots, 0), made;
    if (count < 1 || count > MOST_OPERANDS || INDEX(record, R_OVER) != slot || PyTuple_GET_SIZE(ROW(record, R_TWINS))
        || !may_write(r->graph, r->values, number, slot))
        return NULL;
    made = put_operands(r, record, ssize_of(number), 1, operands);
    if (made == count)
        result = write_into(r->graph, r->values, node, slot, operands, count);
    while (made)
        Py_DECREF(operands[--made]);
    return result;
}

/* The value of a general record, or NULL without an error where Python is to make it. */
static PyObject *general_value(Rows *r, PyObject *record, PyObject *node, PyObject *number) {
    PyObject *op = slot_or_none(node, N.op), *operands[MOST_OPERANDS], *result = NULL;
    Py_ssize_t count = PyTuple_GET_SIZE(ROW(record, R_OPERANDS)), over = INDEX(record, R_OVER);
    if (ROW(record, R_KIND) != slot_or_none(op, O.kind) || slot_or_none(node, N.claim) == NULL
        || PyExceptionInstance_Check(slot_or_none(node, N.claim)))
        return NULL;
    if (is_write(op))
        return written(r, record, node, number);
    if (!is_plain(op, slot_or_none(node, N.attrs), count))
        return NULL;
    if (over >= 0) {  /* a large operand's memory may be taken over: Python looks whether it may */
        PyObject *value = PyList_GET_ITEM(r->values, over);
        if (!PyArray_CheckExact(value) || PyArray_NBYTES((PyArrayObject *)value) >= 1 << 18)
            return NULL;
    }
    Py_ssize_t made = put_operands(r, record, ssize_of(number), 0, operands);
    if (made == count)
        result = computed(node, op, operands, count);
    while (made)
        Py_DECREF(operands[--made]);
    return result;
}

static PyObject *general_by_python(Rows *r, PyObject *record, PyObject *node) {
    PyObject *args[4] = {record, node, r->graph, r->values};
    return PyObject_Vectorcall(general, args, 4, NULL);
}

/* Whether a map's result is so large that its memory is looked for elsewhere. */
static int is_large(Rows *r, PyObject *row) {
    PyObject *gauge = PyList_GET_ITEM(r->values, INDEX(row, GAUGE));
    return PyArray_Check(gauge) && PyArray_NBYTES((PyArrayObject *)gauge) >= INDEX(row, LIMIT);
}

static int forget(Rows *r, PyObject *record, PyObject *node, PyObject *number) {
    put(node, N.rest, empty_tuple);
    if (PyTuple_GET_SIZE(ROW(record, R_VIEWED)) && r->views != no_views && PyDict_DelItem(r->views, number) < 0)
        PyErr_Clear();
    if (PyTuple_GET_SIZE(ROW(record, R_TWINS))) {
        PyObject *args[2] = {ROW(record, R_TWINS), r->graph};
        PyObject *result = PyObject_Vectorcall(forget_operands, args, 2, NULL);
        if (result == NULL)
            return -1;
        Py_DECREF(result);
    }
    return 0;
}

/* -1 with the interrupt that came during the step that is done. */
static int interrupted(Floating *state) {
    if (state->interrupt == NULL || state->interrupt == Py_None)
        return 0;
    PyErr_SetObject((PyObject *)Py_TYPE(state->interrupt), state->interrupt);
    return -1;
}

static int run_row(Rows *r, PyObject *row, PyObject *node) {
    Py_ssize_t code = INDEX(row, CODE), out = INDEX(row, OUT);
    PyObject *value, *record = ROW(row, RECORD);
    int direct = code == DIRECT1 || code == DIRECT2;
    if (direct || ((code == MAP1 || code == MAP2) && !is_large(r, row))) {
        PyObject *operands[2] = {PyList_GET_ITEM(r->values, INDEX(row, A)), NULL};
        int two = code == DIRECT2 || code == MAP2;
        if (two)
            operands[1] = PyList_GET_ITEM(r->values, INDEX(row, B));
        Py_INCREF(operands[0]);
        Py_XINCREF(operands[1]);
        value = PyObject_Vectorcall(ROW(row, FN), operands, 1 + two, NULL);
        Py_DECREF(operands[0]);
        Py_XDECREF(operands[1]);
    } else {
        value = general_value(r, record, node, ROW(row, NUMBER));
        if (value == NULL && !PyErr_Occurred())
            value = general_by_python(r, record, node);
    }
    if (value == NULL)
        return -1;
    PyList_SetItem(r->values, out, value);
    if (ROW(row, KEPT) == Py_True) {
        put(node, N.buffer, value);
        put(node, N.attrs, Py_None);
        put(node, N.claim, Py_None);
        DEPTH(node) = 0;
    }
    put(node, N.a, Py_None);
    put(node, N.b, Py_None);
    r->done = INDEX(row, POSITION);
    if (code == GENERAL && forget(r, record, node, ROW(row, NUMBER)) < 0)
        return -1;
    empty(r, ROW(row, EMPTIES));
    return interrupted(r->state);
}

/* What a kernel that Python ran has made, at the end of the values: settled by Python, too. */
static int kernel_by_python(Rows *r, PyObject *record) {
    PyObject *args[5] = {record, r->graph, r->values};
    PyObject *answer = PyObject_Vectorcall(run_kernel, args, 3, NULL);
    if (answer == NULL)
        return -1;
    int done = answer == Py_True;
    Py_DECREF(answer);
    if (!done)
        return 0;
    Py_ssize_t last = PyList_GET_SIZE(r->values) - 1;
    PyObject *made = Py_NewRef(PyList_GET_ITEM(r->values, last)), *count = PyLong_FromSsize_t(r->leaf_count);
    if (count == NULL || PyList_SetSlice(r->values, last, last + 1, NULL) < 0) {
        Py_DECREF(made);
        Py_XDECREF(count);
        return -1;
    }
    args[3] = count, args[4] = made;
    PyObject *settled = PyObject_Vectorcall(settle_kernel, args, 5, NULL);
    if (settled == NULL) {  /* an interrupt: once more, since half of it is worse than none */
        PyObject *kind, *error, *trace;
        PyErr_Fetch(&kind, &error, &trace);
        PyObject *again = PyObject_Vectorcall(settle_kernel, args, 5, NULL);
        Py_XDECREF(again);
        r->done = ssize_of(slot_or_none(record, R.last));
        PyErr_Restore(kind, error, trace);
    }
    Py_DECREF(made);
    Py_DECREF(count);
    Py_XDECREF(settled);
    return settled == NULL ? -1 : 1;
}

/* 1 if a kernel did the work of the operations that follow it, 0 if they are to run, -1 for an error. */
static int run_kernel_row(Rows *r, PyObject *record) {
    int never, done;
    PyObject *bound = ready_launch(record, r->bounds, &never), *ready = NULL;
    if (bound == NULL && !PyErr_Occurred() && !never && slot_or_none(record, R.wait) == zero)
        ready = PyDict_GetItemWithError(r->bounds, record);
    Spare spare = r->spare;
    r->spare = (Spare){NULL};
    if (bound != NULL || ready == NULL || Py_TYPE(ready) != ready_type)
        spare_end(&spare);
    if (bound == NULL && (ready == NULL || Py_TYPE(ready) != ready_type))
        return PyErr_Occurred() ? -1 : never ? 0 : kernel_by_python(r, record);
    Source source = {r->nodes, ((PyListObject *)r->values)->ob_item, NULL, r->views};
    Arguments a;
    if (bound != NULL)
        done = launch_kernel(&a, &source, record, bound);
    else {
        Py_INCREF(ready);
        done = launch_writing(&a, &source, record, ready, r->graph, r->values, &spare);
        Py_DECREF(ready);
    }
    if (done == 1) {
        settle_launched(&a, r->nodes, record);
        PyObject *general_nodes = slot_or_none(record, R.restless), *live = slot_or_none(record, R.live);
        for (Py_ssize_t i = 0; r->views != no_views && i < PyTuple_GET_SIZE(general_nodes); i++)
            if (PyDict_DelItem(r->views, PyTuple_GET_ITEM(general_nodes, i)) < 0)
                PyErr_Clear();
        empty(r, slot_or_none(record, R.empties));
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(live); i++) {
            PyObject *pair = PyTuple_GET_ITEM(live, i), *made = Py_NewRef(a.args[a.made + INDEX(pair, 1)]);
            if (PyArray_NDIM((PyArrayObject *)made) == 0)
                made = PyArray_Return((PyArrayObject *)made);
            if (made == NULL) {
                done = -1;
                break;
            }
            PyList_SetItem(r->values, INDEX(pair, 0), made);
        }
    }
    if (done == 1 && spare.made != NULL && Py_REFCNT(spare.made) == 2)   /* its slot's, and here */
        r->spare = spare;
    else
        spare_end(&spare);
    arguments_end(&a);
    return done == 0 && slot_or_none(record, R.wait) == zero ? kernel_by_python(r, record) : done;
}

/* Puts an error back that `explained` may have given a longer traceback. */
static void raise_again(PyObject *kind, PyObject *error, PyObject *trace) {
    Py_XDECREF(trace);
    PyErr_Restore(kind, error, PyException_GetTraceback(error));
}

static PyObject *failed(Rows *r, PyObject *node) {
    PyObject *kind, *error, *trace;
    PyErr_Fetch(&kind, &error, &trace);
    PyErr_NormalizeException(&kind, &error, &trace);
    if (trace != NULL)
        PyException_SetTraceback(error, trace);
    PyObject *done = PyLong_FromSsize_t(r->done);
    PyObject *args[5] = {r->program, r->graph, r->values, done, error}, *result;
    result = done == NULL ? NULL : PyObject_Vectorcall(rescue, args, 5, NULL);
    Py_XDECREF(done);
    Py_XDECREF(result);
    if (result != NULL && node != NULL) {
        PyObject *two[2] = {error, node};
        result = PyObject_Vectorcall(explained, two, 2, NULL);
        Py_XDECREF(result);
    }
    if (result != NULL)
        raise_again(kind, error, trace);
    else {
        Py_XDECREF(kind);
        Py_XDECREF(error);
        Py_XDECREF(trace);
    }
    return NULL;
}

static PyObject *first_values(PyObject *program, PyObject *leaves) {
    PyObject *spare = slot_or_none(program, P.spare_slots);
    Py_ssize_t n = PyList_GET_SIZE(leaves), more = PyList_GET_SIZE(spare);
    PyObject *values = PyList_New(n + more);
    for (Py_ssize_t i = 0; values != NULL && i < n + more; i++) {
        PyObject *leaf = i < n ? PyList_GET_ITEM(leaves, i) : Py_None;
        PyList_SET_ITEM(values, i, Py_NewRef(Py_TYPE(leaf) == node_type ? slot_or_none(leaf, N.buffer) : leaf));
    }
    return values;
}

static int run_all(Rows *r, PyObject **node) {
    PyObject *rows = slot_or_none(r->program, P.rows), *needless = slot_or_none(r->program, P.needless);
    if (PyTuple_GET_SIZE(needless)) {
        PyObject *args[2] = {needless, r->graph};
        PyObject *result = PyObject_Vectorcall(forget_operands, args, 2, NULL);
        if (result == NULL)
            return -1;
        Py_DECREF(result);
    }
    for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(rows); at++) {
        PyObject *row = PyTuple_GET_ITEM(rows, at);
        if (PyErr_CheckSignals() < 0)
            return -1;
        *node = PyList_GET_ITEM(r->nodes, INDEX(row, NUMBER));
        r->again |= ROW(row, SWITCH) == Py_True;
        if (INDEX(row, CODE) == KERNEL) {
            PyObject *record = ROW(row, RECORD);
            int done = run_kernel_row(r, record);
            if (done < 0)
                return -1;
            if (done) {
                r->done = ssize_of(slot_or_none(record, R.last));
                at += ssize_of(slot_or_none(record, R.span));
                if (interrupted(r->state) < 0)
                    return -1;
            }
            continue;
        }
        spare_end(&r->spare);
        if (floating_at(r->state, *node, r->again) < 0)
            return -1;
        r->again = 0;
        if (run_row(r, row, *node) < 0)
            return -1;
    }
    return 0;
}

/* Runs a program whose guards hold on a graph (table.run_program); gives the floating-point errors to warn of. */
PyObject *run_program_rows(PyObject *program, PyObject *nodes, PyObject *graph) {
    Rows r = {.program = program, .nodes = nodes, .graph = graph, .leaves = slot_or_none(graph, G.leaves),
              .bounds = slot_or_none(graph, G.bound), .views = slot_or_none(graph, G.views), .done = -1};
    PyObject *node = NULL, *errors;
    r.leaf_count = PyList_GET_SIZE(r.leaves);
    r.values = first_values(program, r.leaves);
    r.state = r.values == NULL ? NULL : floating_begin();
    if (r.state == NULL) {
        Py_XDECREF(r.values);
        return NULL;
    }
    int failed_at = run_all(&r, &node) < 0;
    spare_end(&r.spare);
    if (failed_at)
        failed(&r, node);
    errors = floating_end(r.state);
    Py_DECREF(r.state);
    Py_DECREF(r.values);
    if (errors != NULL && PyList_GET_SIZE(errors)) {
        PyObject *args[3] = {errors, program, graph};
        Py_SETREF(errors, PyObject_Vectorcall(reported, args, 3, NULL));
    }
    return errors;
}

PyObject *hot_run_program(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    if (count != 2 || Py_TYPE(args[1]) != graph_type) {
        PyErr_SetString(PyExc_TypeError, "run_program(program, graph)");
        return NULL;
    }
    return run_program_rows(args[0], slot_or_none(args[1], G.nodes), args[1]);
}

/* ---- without a plan --------------------------------------------------------------------------------------------------- */

/* The value of an operand, a new reference; NULL without an error where Python has to look. */
static PyObject *operand_value(PyObject *operand) {
    if (Py_TYPE(operand) != node_type)
        return Py_NewRef(operand);
    PyObject *value = slot_or_none(operand, N.buffer);
    if (value != Py_None)
        return Py_NewRef(value);
    PyObject *base = slot_or_none(operand, N.a);
    if (SLOT(operand, N.op) != view_operation || Py_TYPE(base) != node_type)
        return NULL;
    value = slot_or_none(base, N.buffer);
    return PyArray_CheckExact(value) ? apply_steps(slot_or_none(operand, N.attrs), value) : NULL;
}

Py_ssize_t bytes_of(PyObject *node) {
    PyObject *shape = slot_or_none(node, N.shape);
    Py_ssize_t size = PyDataType_ELSIZE((PyArray_Descr *)slot_or_none(node, N.dtype));
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(shape); i++)
        size *= ssize_of(PyTuple_GET_ITEM(shape, i));
    return size;
}

/* Whether a node may write its result over an operand, which is for Python to look at (interpreter._spare_operand): large,
 * of its dtype, and nobody else's. */
int may_go_over_operand(PyObject *node) {
    PyObject *operands[2] = {slot_or_none(node, N.a), slot_or_none(node, N.b)};
    if (slot_or_none(SLOT(node, N.op), O.kind) != text_elementwise || bytes_of(node) < ELIDED_BYTES)
        return 0;
    for (int k = 0; k < 2; k++) {
        PyObject *x = operands[k];
        if (Py_TYPE(x) == node_type && slot_or_none(x, N.dtype) == slot_or_none(node, N.dtype)
            && PyArray_CheckExact(slot_or_none(x, N.buffer)) && Py_REFCNT(x) <= 1 + (operands[0] == operands[1])
            && bytes_of(x) == bytes_of(node))
            return 1;
    }
    return 0;
}

/* A node's value, or NULL without an error where Python is to execute it. */
static PyObject *direct_value(PyObject *node) {
    PyObject *op = slot_or_none(node, N.op), *b = slot_or_none(node, N.b), *rest = slot_or_none(node, N.rest);
    PyObject *operands[MOST_OPERANDS], *result = NULL;
    Py_ssize_t first = slot_or_none(node, N.a) == Py_None ? 0 : b == Py_None ? 1 : 2, more = PyTuple_GET_SIZE(rest);
    Py_ssize_t made = 0, writes = is_write(op), count = first + more - writes;
    if (writes ? count < 1 || count > MOST_OPERANDS || !may_write_directly(node)
               : !is_plain(op, slot_or_none(node, N.attrs), count)
                 || (slot_or_none(op, O.kind) == text_elementwise && may_go_over_operand(node)))
        return NULL;
    for (; made < count; made++) {
        Py_ssize_t k = made + writes;
        PyObject *operand = k >= first ? PyTuple_GET_ITEM(rest, k - first) : k ? b : slot_or_none(node, N.a);
        if ((operands[made] = operand_value(operand)) == NULL)
            break;
    }
    if (made == count)
        result = writes ? write_directly(node, operands, count) : computed(node, op, operands, count);
    while (made)
        Py_DECREF(operands[--made]);
    return result;
}

static int run_directly(PyObject *node, Floating *state) {
    if (floating_at(state, node, 0) < 0)
        return -1;
    PyObject *value = direct_value(node);
    if (value != NULL) {
        put_owned(node, N.buffer, value);
        put(node, N.a, Py_None);
        put(node, N.b, Py_None);
        put(node, N.attrs, Py_None);
        put(node, N.claim, Py_None);
        put(node, N.rest, empty_tuple);
        DEPTH(node) = 0;
        return 0;
    }
    if (PyErr_Occurred())
        return -1;
    PyObject *done = PyObject_CallOneArg(execute, node);
    if (done == NULL)
        return -1;
    Py_DECREF(done);
    return interrupted(state) < 0 ? -2 : 0;
}

static void explain(PyObject *node) {
    PyObject *kind, *error, *trace;
    PyErr_Fetch(&kind, &error, &trace);
    PyErr_NormalizeException(&kind, &error, &trace);
    if (trace != NULL)
        PyException_SetTraceback(error, trace);
    PyObject *args[2] = {error, node};
    PyObject *result = PyObject_Vectorcall(explained, args, 2, NULL);
    if (result == NULL)
        PyErr_Clear();
    Py_XDECREF(result);
    raise_again(kind, error, trace);
}

/* Executes pending nodes in the order given (interpreter.run_directly); empties the list. */
PyObject *run_nodes_directly(PyObject *nodes) {
    Floating *state = floating_begin();
    if (state == NULL)
        return NULL;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(nodes); i++) {
        PyObject *node = Py_NewRef(PyList_GET_ITEM(nodes, i));
        PyList_SetItem(nodes, i, Py_NewRef(Py_None));
        if (Py_TYPE(node) == node_type && slot_or_none(node, N.buffer) == Py_None) {
            int result = PyErr_CheckSignals() < 0 ? -1 : run_directly(node, state);
            if (result < 0) {
                if (result == -1) {
                    PyList_SetItem(nodes, i, Py_NewRef(node));
                    explain(node);
                }
                Py_DECREF(node);
                break;
            }
        }
        Py_DECREF(node);
    }
    PyObject *errors = floating_end(state);
    Py_DECREF(state);
    return errors;
}

PyObject *hot_run_directly(PyObject *self, PyObject *nodes) {
    if (!PyList_CheckExact(nodes)) {
        PyErr_SetString(PyExc_TypeError, "run_directly(nodes: list)");
        return NULL;
    }
    return run_nodes_directly(nodes);
}
