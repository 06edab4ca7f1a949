/* compile.realize in C: a structure whose whole plan is one kernel, bound to these sizes, runs here from end to end.
 * Anything else is handed to Python (`run_nodes`) with its nodes claimed and captured. */
#include "hot.h"
#include <math.h>
#include <numpy/arrayscalars.h>

static Py_ssize_t counted_runs, counted_direct, counted_hits, counted_nodes, counted_kernels;

enum { INEXACT = 32, DENORMAL = 2, AMBIGUOUS = 64 };
enum { ALONE = 1 << 19,     /* bytes from which one operation may be a kernel (compile.ALONE) */
       REDUCED = 1 << 14 }; /* the same if it makes several numbers of many (compile.REDUCED) */
enum { LONG = 128 };        /* nodes from which on turns of loops are looked for (run/turns.LONG) */

void count_kernel(void) {
    counted_kernels++;
}

PyObject *hot_counts(PyObject *self, PyObject *unused) {
    return Py_BuildValue("(nnnnn)", counted_runs, counted_direct, counted_hits, counted_nodes, counted_kernels);
}

/* The view of a real array that a view's steps describe (run/interpreter.apply_view). */
PyObject *apply_steps(PyObject *steps, PyObject *array) {
    Py_INCREF(array);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(steps); i++) {
        PyObject *step = PyTuple_GET_ITEM(steps, i), *args = PyTuple_GET_ITEM(step, 1), *stack[9];
        Py_ssize_t count = PyTuple_GET_SIZE(args);
        PyObject *next;
        if (count > 8) {
            PyErr_SetString(PyExc_SystemError, "a step of a view with many arguments");
            next = NULL;
        } else {
            stack[0] = array;
            for (Py_ssize_t k = 0; k < count; k++)
                stack[k + 1] = PyTuple_GET_ITEM(args, k);
            next = PyTuple_GET_ITEM(step, 0) == relative_view ? part_by_step(array, args) : NULL;
            if (next == NULL && !PyErr_Occurred())
                next = PyObject_Vectorcall(PyTuple_GET_ITEM(step, 0), stack, count + 1, NULL);
        }
        Py_DECREF(array);
        if (next == NULL)
            return NULL;
        array = next;
    }
    return array;
}

/* ---- one kernel ---------------------------------------------------------------------------------------------------- */

/* The view through which a node reads an operand, borrowed, or NULL. */
PyObject *view_through(Source *source, Py_ssize_t node, Py_ssize_t position) {
    if (source->through != NULL) {
        Vector *t = source->through;
        for (Py_ssize_t i = 0; i < t->count; i += 3)
            if ((Py_ssize_t)t->items[i] == node && (Py_ssize_t)t->items[i + 1] == position)
                return t->items[i + 2];
        return NULL;
    }
    if (source->views == no_views)
        return NULL;
    PyObject *key = PyLong_FromSsize_t(node);
    PyObject *row = key == NULL ? NULL : PyDict_GetItemWithError(source->views, key);
    Py_XDECREF(key);
    if (row == NULL || PyTuple_GET_ITEM(row, position) == Py_None)
        return NULL;
    return PyTuple_GET_ITEM(row, position);
}

void arguments_end(Arguments *a) {
    for (Py_ssize_t i = 0; i < a->owns; i++)
        Py_DECREF(a->owned[i]);
}

/* Whether a view is made by slices alone, so that it fits any array of the shape (lower/fused.sliced). */
static int is_sliced(PyObject *view) {
    PyObject *steps = view == NULL ? NULL : slot_or_none(view, N.attrs);
    if (steps == NULL || !PyTuple_CheckExact(steps))
        return 0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(steps); i++) {
        PyObject *step = PyTuple_GET_ITEM(steps, i);
        if (PyTuple_GET_ITEM(step, 0) != getitem_function || PyTuple_GET_SIZE(PyTuple_GET_ITEM(step, 1)) != 1)
            return 0;
    }
    return 1;
}

/* What one of an operation's operands sees of an array, for which `owned` has a place. 1, 0 if Python is to look, -1 for
 * an error. */
static int seen_through(PyObject *view, PyObject **value, PyObject **owned) {
    if (!PyArray_CheckExact(*value))
        return 0;
    PyObject *seen = apply_steps(slot_or_none(view, N.attrs), *value);
    if (seen == NULL)
        return -1;
    Py_XSETREF(*owned, seen);
    *value = seen;
    return 1;
}

/* What the views of results that are not made see of an operand of theirs (run/kernels._along). */
static int along(PyObject *path, Source *source, PyObject **value, PyObject **owned) {
    int done = 1;
    for (Py_ssize_t i = 0; done == 1 && i < PyTuple_GET_SIZE(path); i++) {
        PyObject *read = PyTuple_GET_ITEM(path, i);
        PyObject *view = view_through(source, ssize_of(PyTuple_GET_ITEM(read, 0)),
                                      ssize_of(PyTuple_GET_ITEM(read, 1)));
        done = is_sliced(view) ? seen_through(view, value, owned) : 0;
    }
    return done;
}

/* The same as a place, if slices and the like are all that leads there. */
static int placed(Source *source, PyObject *view, PyObject *path, PyObject *value, Place *place) {
    Box box;
    if (!box_of(&box, value) || (view != NULL && !box_through(&box, slot_or_none(view, N.attrs))))
        return 0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(path); i++) {
        PyObject *read = PyTuple_GET_ITEM(path, i);
        view = view_through(source, ssize_of(PyTuple_GET_ITEM(read, 0)),
                            ssize_of(PyTuple_GET_ITEM(read, 1)));
        if (!is_sliced(view) || !box_through(&box, slot_or_none(view, N.attrs)))
            return 0;
    }
    place->data = box.data;
    return 1;
}

/* The arrays that a kernel reads. 1, 0 if one is none, -1 for an error. */
int put_inputs(Arguments *a, Source *source, PyObject *record) {
    PyObject *slots = slot_or_none(record, R.slots), *reads = slot_or_none(record, R.reads);
    PyObject *arrays = slot_or_none(record, R.arrays), *paths = slot_or_none(record, R.paths);
    int plain = slot_or_none(record, R.plain) == Py_True;
    Py_ssize_t n = PyTuple_GET_SIZE(slots);
    if (n > 56)
        return 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *value = source->values[ssize_of(PyTuple_GET_ITEM(slots, i))];
        if (!plain) {
            PyObject *read = PyTuple_GET_ITEM(reads, ssize_of(PyTuple_GET_ITEM(arrays, i))), *owned = NULL;
            PyObject *view = view_through(source, ssize_of(PyTuple_GET_ITEM(read, 1)),
                                          ssize_of(PyTuple_GET_ITEM(read, 2)));
            PyObject *path = PyTuple_GET_ITEM(paths, i);
            if (a->placed && (view != NULL || PyTuple_GET_SIZE(path))
                && placed(source, view, path, value, &a->places[a->count])) {
                a->args[a->count] = (PyObject *)&a->places[a->count];
                a->count++;
                continue;
            }
            int done = view == NULL ? 1 : seen_through(view, &value, &owned);
            if (done == 1)
                done = along(path, source, &value, &owned);
            if (owned != NULL)
                a->owned[a->owns++] = owned;
            if (done != 1)
                return done;
        }
        if (!PyArray_CheckExact(value))
            return 0;
        a->args[a->count++] = value;
    }
    return 1;
}

/* New arrays for the results, as `Launch.outputs` describes them: (node, whether large or of other strides, shape,
 * strides). */
static int put_outputs(Arguments *a, Source *source, PyObject *bound) {
    PyObject *outputs = slot_or_none(bound, L.outputs);
    a->made = a->count;
    if (!PyList_CheckExact(outputs) || a->count + PyList_GET_SIZE(outputs) > 60)
        return 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(outputs); i++) {
        PyObject *of = PyList_GET_ITEM(outputs, i), *shape = PyTuple_GET_ITEM(of, 2), *made;
        PyObject *node = PyList_GET_ITEM(source->nodes, ssize_of(PyTuple_GET_ITEM(of, 0)));
        PyObject *dtype = slot_or_none(node, N.dtype);
        made = new_result(shape, dtype, PyTuple_GET_ITEM(of, 3));
        if (made == NULL)
            return -1;
        a->args[a->count++] = a->owned[a->owns++] = made;
    }
    return 1;
}

/* Puts a number into a cell of a block as ``cell[0] = number`` does. 0 where Python has to look if it fits. */
static int put_number(char *cell, PyArray_Descr *dtype, PyObject *number) {
    if (dtype->type_num == NPY_DOUBLE || dtype->type_num == NPY_FLOAT) {
        double x;
        if (PyFloat_CheckExact(number) || PyArray_IsScalar(number, Double))
            x = PyFloat_AS_DOUBLE(number);
        else if (PyArray_IsScalar(number, Float))
            x = PyArrayScalar_VAL(number, Float);
        else if (PyLong_CheckExact(number)) {
            int overflow;
            long n = PyLong_AsLongAndOverflow(number, &overflow);
            if (overflow || n > 1L << 24 || n < -(1L << 24))
                return 0;
            x = (double)n;
        } else
            return 0;
        if (dtype->type_num == NPY_DOUBLE)
            memcpy(cell, &x, sizeof x);
        else {
            float rounded = (float)x;
            if (isinf(rounded) && !isinf(x))   /* NumPy warns of that */
                return 0;
            memcpy(cell, &rounded, sizeof rounded);
        }
        return PyArray_ISNBO(dtype->byteorder);
    }
    if (PyLong_CheckExact(number) && PyTypeNum_ISSIGNED(dtype->type_num) && PyTypeNum_ISINTEGER(dtype->type_num)
        && PyDataType_ELSIZE(dtype) == sizeof(npy_int64)) {
        int overflow;
        npy_int64 n = PyLong_AsLongAndOverflow(number, &overflow);
        memcpy(cell, &n, sizeof n);
        return !overflow && PyArray_ISNBO(dtype->byteorder);
    }
    if (Py_TYPE(number) != dtype->typeobj || !PyTypeNum_ISINTEGER(dtype->type_num) || !PyArray_ISNBO(dtype->byteorder))
        return 0;
    PyArray_ScalarAsCtype(number, cell);
    return 1;
}

/* Gives a launch a copy of its block with these numbers as the one that it keeps (launch._filled). 0 where Python has to do
 * it. */
static int fill_block(PyObject *bound, PyObject *numbers) {
    PyObject *cells = slot_or_none(bound, L.numbers), *block = slot_or_none(bound, L.block), *address = NULL, *last = NULL;
    Py_ssize_t count = PyTuple_GET_SIZE(numbers);
    if (!PyTuple_CheckExact(cells) || !PyArray_CheckExact(block))
        return 0;
    PyObject *made = PyArray_NewCopy((PyArrayObject *)block, NPY_CORDER);
    int fits = made != NULL;
    for (Py_ssize_t i = 0; fits && i < PyTuple_GET_SIZE(cells); i++) {
        PyObject *cell = PyTuple_GET_ITEM(cells, i);
        char *place = PyArray_BYTES((PyArrayObject *)made) + 8 * ssize_of(PyTuple_GET_ITEM(cell, 0));
        fits = put_number(place, (PyArray_Descr *)PyTuple_GET_ITEM(cell, 1), PyTuple_GET_ITEM(numbers, i % count));
    }
    if (fits && (address = PyLong_FromVoidPtr(PyArray_DATA((PyArrayObject *)made))) != NULL
        && (last = PyTuple_Pack(3, numbers, made, address)) != NULL)
        put(bound, L.last, last);
    fits = last != NULL;
    Py_XDECREF(last);
    Py_XDECREF(address);
    Py_XDECREF(made);
    if (!fits)
        PyErr_Clear();
    return fits;
}

/* The same with the numbers of a record. */
static int fill_anew(Source *source, PyObject *record, PyObject *bound) {
    PyObject *list = numbers_of(source, record), *numbers = list == NULL ? NULL : PyList_AsTuple(list);
    int done = numbers != NULL && fill_block(bound, numbers);
    Py_XDECREF(list);
    Py_XDECREF(numbers);
    PyErr_Clear();
    return done;
}

/* The address of a block that holds these numbers, borrowed from the launch's `last`; NULL if Python has to fill it. */
PyObject *block_with(Source *source, PyObject *record, PyObject *bound) {
    PyObject *numbers = slot_or_none(record, R.numbers), *reads = slot_or_none(record, R.reads);
    Py_ssize_t n = PyTuple_GET_SIZE(numbers);
    if (n == 0)
        return slot_or_none(bound, L.address);
    PyObject *last = slot_or_none(bound, L.last), *known = PyTuple_GET_ITEM(last, 0);
    int same = PyTuple_GET_SIZE(known) == n;
    for (Py_ssize_t i = 0; same && i < n; i++) {
        PyObject *read = PyTuple_GET_ITEM(reads, ssize_of(PyTuple_GET_ITEM(numbers, i)));
        PyObject *number = source->values[ssize_of(PyTuple_GET_ITEM(read, 0))];
        PyObject *before = PyTuple_GET_ITEM(known, i);
        same = number == before || (PyFloat_CheckExact(number) && PyFloat_CheckExact(before)
                                    && memcmp(&((PyFloatObject *)number)->ob_fval, &((PyFloatObject *)before)->ob_fval,
                                              sizeof(double)) == 0);
    }
    if (!same && !fill_anew(source, record, bound))
        return NULL;
    return PyTuple_GET_ITEM(slot_or_none(bound, L.last), 2);
}

PyObject *numbers_of(Source *source, PyObject *record) {
    PyObject *numbers = slot_or_none(record, R.numbers), *reads = slot_or_none(record, R.reads);
    PyObject *list = PyList_New(PyTuple_GET_SIZE(numbers));
    for (Py_ssize_t i = 0; list != NULL && i < PyTuple_GET_SIZE(numbers); i++) {
        PyObject *read = PyTuple_GET_ITEM(reads, ssize_of(PyTuple_GET_ITEM(numbers, i)));
        PyList_SET_ITEM(list, i, Py_NewRef(source->values[ssize_of(PyTuple_GET_ITEM(read, 0))]));
    }
    return list;
}

/* Runs the kernel with a block that has its numbers, or NULL; gives the floating-point flags or REFUSED (a negative
 * number), -2 with an error set. */
static long launched(Arguments *a, Source *source, PyObject *record, PyObject *bound, PyObject *block) {
    PyObject *flags;
    if (block != NULL) {
        a->args[0] = block;
        flags = PyObject_Vectorcall(slot_or_none(bound, L.call), a->args, a->count, NULL);
    } else {
        PyObject *arrays = PyList_New(a->count - 1), *numbers = numbers_of(source, record);
        if (arrays == NULL || numbers == NULL) {
            Py_XDECREF(arrays);
            Py_XDECREF(numbers);
            return -2;
        }
        for (Py_ssize_t i = 1; i < a->count; i++)
            PyList_SET_ITEM(arrays, i - 1, Py_NewRef(a->args[i]));
        PyObject *args[3] = {bound, arrays, numbers};
        flags = PyObject_Vectorcall(launch_run, args, 3, NULL);
        Py_DECREF(arrays);
        Py_DECREF(numbers);
    }
    if (flags == NULL)
        return -2;
    long bits = PyLong_AsLong(flags);
    Py_DECREF(flags);
    return bits;
}

/* The flags of which an error state warns; -1 for an error. The last answer is the likely one. */
long flags_under(PyObject *errstate) {
    static PyObject *known;
    static long bits;
    if (errstate == known)
        return bits;
    PyObject *found = PyObject_CallOneArg(flags_of, errstate);
    long own = found == NULL ? -1 : PyLong_AsLong(found);
    Py_XDECREF(found);
    if (own >= 0) {
        bits = own;
        Py_XSETREF(known, Py_NewRef(errstate));
    }
    return own;
}

/* Whether somebody is to be warned of flags that were raised (kernels.flags_matter); -1 for an error. */
int to_be_told(long flags, Source *source, PyObject *record) {
    if (flags < 0 || flags & AMBIGUOUS)
        return 1;
    if (!(flags & ~(long)(INEXACT | DENORMAL)))
        return 0;
    PyObject *members = slot_or_none(record, R.members);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(members); i++) {
        PyObject *node = PyList_GET_ITEM(source->nodes, ssize_of(PyTuple_GET_ITEM(members, i)));
        long own = flags_under(slot_or_none(node, N.errstate));
        if (own < 0 || flags & own)
            return own < 0 ? -1 : 1;
    }
    return 0;
}

/* The arrays made to those who hold them, operands forgotten (run/table._settle). */
void settle_launched(Arguments *a, PyObject *nodes, PyObject *record) {
    PyObject *results = slot_or_none(record, R.results), *members = slot_or_none(record, R.members);
    PyObject *restless = slot_or_none(record, R.restless);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(results); i++) {
        PyObject *pair = PyTuple_GET_ITEM(results, i);
        PyObject *node = PyList_GET_ITEM(nodes, ssize_of(PyTuple_GET_ITEM(pair, 0)));
        PyObject *made = a->args[a->made + ssize_of(PyTuple_GET_ITEM(pair, 1))];
        Py_INCREF(made);
        if (PyArray_NDIM((PyArrayObject *)made) == 0)
            made = PyArray_Return((PyArrayObject *)made);
        if (made == NULL) {  /* no memory for a scalar: the array is as good a value */
            PyErr_Clear();
            made = Py_NewRef(a->args[a->made + ssize_of(PyTuple_GET_ITEM(pair, 1))]);
        }
        put_owned(node, N.buffer, made);
        put(node, N.attrs, Py_None);
        put(node, N.claim, Py_None);
        DEPTH(node) = 0;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(members); i++) {
        PyObject *node = PyList_GET_ITEM(nodes, ssize_of(PyTuple_GET_ITEM(members, i)));
        put(node, N.a, Py_None);
        put(node, N.b, Py_None);
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(restless); i++)
        put(PyList_GET_ITEM(nodes, ssize_of(PyTuple_GET_ITEM(restless, i))), N.rest, empty_tuple);
}

int is_llvm(PyObject *engine) {
    return engine == text_llvm || (PyUnicode_Check(engine) && PyUnicode_Compare(engine, text_llvm) == 0);
}

/* Whether a result is so large that it may be written over an operand, which is for Python to look at. */
static int may_go_over(PyObject *record, PyObject *bound) {
    PyObject *outputs = slot_or_none(bound, L.outputs);
    if (slot_or_none(record, R.over) == Py_None)
        return 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(outputs); i++)
        if (PyTuple_GET_ITEM(PyList_GET_ITEM(outputs, i), 1) == Py_True)
            return 1;
    return 0;
}

/* The launch to which a simple kernel is bound, borrowed; NULL without an error where Python has to look. `never` is set
 * where these shapes are not for the kernel. */
PyObject *ready_launch(PyObject *record, PyObject *bounds, int *never) {
    *never = 0;
    if (slot_or_none(record, R.simple) != Py_True || slot_or_none(record, R.wait) != zero
        || !is_llvm(slot_or_none(current, C.engine)))
        return NULL;
    PyObject *bound = PyDict_GetItemWithError(bounds, record);
    *never = bound == refused_launch;
    if (bound == NULL || (Py_TYPE(bound) != launch_type && Py_TYPE(bound) != long_type)
        || slot_or_none(bound, L.threads) != slot_or_none(current, C.threads) || may_go_over(record, bound))
        return NULL;
    return bound;
}

/* 1: done, the arrays made are in `a`; 0: Python is to do it; -1: an error. */
int launch_kernel(Arguments *a, Source *source, PyObject *record, PyObject *bound) {
    PyObject *block = block_with(source, record, bound);
    PyObject *last = Py_NewRef(slot_or_none(bound, L.last));  /* no other thread frees the block so */
    a->count = 1;
    a->owns = 0;
    a->placed = block != NULL;
    Py_INCREF(bound);
    int told_of = 0, done = put_inputs(a, source, record);
    if (done == 1)
        done = put_outputs(a, source, bound);
    if (done == 1) {
        long flags = launched(a, source, record, bound, block);
        int told = flags == -2 ? -1 : to_be_told(flags, source, record);
        done = told < 0 ? -1 : !told;
        told_of = told > 0;
    }
    if (done == 0 && told_of) {  /* as kernels._launched: the next runs pass it by */
        Py_ssize_t penalty = ssize_of(slot_or_none(record, R.penalty));
        penalty = 2 * penalty + 1 < 1 << 10 ? 2 * penalty + 1 : 1 << 10;
        put_owned(record, R.penalty, PyLong_FromSsize_t(penalty));
        put_owned(record, R.wait, PyLong_FromSsize_t(penalty));
    }
    if (done == 1) {
        counted_kernels++;
        if (slot_or_none(record, R.penalty) != zero)
            put(record, R.penalty, zero);
    }
    Py_DECREF(bound);
    Py_DECREF(last);
    return done;
}

/* A plan that is one simple kernel: 1: done and settled; 0: Python is to run it; -1: an error. */
static int launch_alone(Capture *c, PyObject *program, PyObject *bounds) {
    PyObject *record = slot_or_none(program, P.alone);
    int never;
    PyObject *bound = record == Py_None ? NULL : ready_launch(record, bounds, &never);
    Py_ssize_t n = c->leaves.count;
    if (bound == NULL || n > 60)
        return PyErr_Occurred() ? -1 : 0;
    PyObject *values[60];
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *leaf = c->leaves.items[i];
        values[i] = Py_TYPE(leaf) == node_type ? slot_or_none(leaf, N.buffer) : leaf;
    }
    Source source = {.nodes = c->nodes, .values = values, .through = &c->through};
    Arguments a;
    Py_INCREF(record);
    int done = launch_kernel(&a, &source, record, bound);
    if (done == 1)
        settle_launched(&a, c->nodes, record);
    arguments_end(&a);
    Py_DECREF(record);
    return done;
}

/* ---- the way through ------------------------------------------------------------------------------------------------ */

/* Runs what Python has to run; gives the floating-point errors to warn of, a list. */
static PyObject *by_python(PyObject *nodes, PyObject *graph) {
    PyObject *args[2] = {nodes, graph};
    return PyObject_Vectorcall(run_nodes, args, 2, NULL);
}

static int touched(PyObject *sized) {
    PyObject *now = tick();
    if (now == NULL)
        return -1;
    put_owned(slot_or_none(sized, Z.entry), E.used, now);
    return 0;
}

/* Runs a captured graph whose plan is known; NULL without an error where Python is to look. */
static PyObject *run_planned(Capture *c, PyObject *sized) {
    PyObject *program = slot_or_none(slot_or_none(sized, Z.entry), E.program), *errors = NULL;
    if (program == Py_None || slot_or_none(program, P.guarded) == Py_True)
        return NULL;
    Py_INCREF(program);
    int done = launch_alone(c, program, slot_or_none(sized, Z.bound));
    if (done == 0) {
        PyObject *graph = capture_graph(c);
        if (graph != NULL) {
            put(graph, G.bound, slot_or_none(sized, Z.bound));
            PyObject *nodes = Py_NewRef(c->nodes);
            capture_end(c);
            errors = run_program_rows(program, nodes, graph);
            Py_DECREF(graph);
            Py_DECREF(nodes);
        }
        done = errors == NULL ? -1 : 1;
    } else if (done == 1)
        errors = Py_NewRef(Py_None);
    Py_DECREF(program);
    if (done == 1 && touched(sized) < 0)
        Py_CLEAR(errors);
    return errors;
}

/* What `compile.shared` has said of single operations, by all that it looks at; of an operand that is no node it looks at
 * more. */
enum { ASKED = 64, LOOKED_AT = 9, OVER_NONE = 2, NOT_YET = 3 };   /* compile.OVER_NONE; None */
static struct { PyObject *key[LOOKED_AT]; int answer; } asked[ASKED];

static void looked_at(PyObject *node, PyObject *operand, PyObject **key) {
    int call = slot_or_none(SLOT(node, N.op), O.kind) == text_call;   /* whose axis counts; no other attributes do */
    PyObject *found[LOOKED_AT] = {
        slot_or_none(node, N.op), call ? slot_or_none(node, N.attrs) : Py_None,
        slot_or_none(node, N.dtype), slot_or_none(operand, N.dtype),
        slot_or_none(current, C.engine), slot_or_none(current, C.threads), slot_or_none(node, N.shape),
        slot_or_none(operand, N.shape), slot_or_none(operand, N.strides)};
    memcpy(key, found, sizeof found);
}

/* Whether two keys are of the same: shapes and strides may be other tuples that are equal. */
static int are_alike(PyObject *const *one, PyObject *const *other) {
    enum { SHAPE = 6, OF_OPERAND, STRIDES };
    return memcmp(one, other, SHAPE * sizeof *one) == 0 && same_shape(one[SHAPE], other[SHAPE])
        && same_shape(one[OF_OPERAND], other[OF_OPERAND]) && same_strides(one[STRIDES], other[STRIDES]);
}

/* Whether what an operation takes besides operands is plain, so that to keep it keeps no array alive. */
static int takes_plain(PyObject *node) {
    PyObject *attrs = slot_or_none(node, N.attrs);
    return attrs == Py_None || attrs == empty_tuple || PySet_Contains(reducers, slot_or_none(SLOT(node, N.op), O.name)) == 1;
}

/* The answer of `compile.shared`, which is not asked the same twice unless that was NOT_YET; -1 for an error. */
static int may_pay(PyObject *node, PyObject *operand) {
    PyObject *key[LOOKED_AT];
    size_t at = 0;
    if (Py_TYPE(operand) == node_type) {
        looked_at(node, operand, key);
        Py_hash_t lengths = PyObject_Hash(key[LOOKED_AT - 2]);
        if (lengths == -1)
            return -1;
        at = (((size_t)key[0] >> 4 ^ (size_t)lengths) * 0x9E3779B97F4A7C15ull) >> 58;
        if (asked[at].key[0] != NULL && are_alike(asked[at].key, key))
            return asked[at].answer;
    }
    PyObject *answer = PyObject_CallOneArg(shared, node);
    if (answer == NULL)
        return -1;
    int yes = answer == Py_None ? NOT_YET : (int)PyLong_AsLong(answer);
    if (yes >= 0 && Py_TYPE(operand) == node_type && answer != Py_None && takes_plain(node)) {
        PyObject *old[LOOKED_AT];
        memcpy(old, asked[at].key, sizeof old);
        memcpy(asked[at].key, key, sizeof key);
        asked[at].answer = yes;
        for (int i = 0; i < LOOKED_AT; i++) {
            Py_INCREF(key[i]);
            Py_XDECREF(old[i]);
        }
    }
    Py_DECREF(answer);
    return yes;
}

/* Whether one operation is large or a reduction, and if so, whether a kernel of it alone may pay (compile.shared); -1 for
 * an error. */
static int may_share(PyObject *node) {
    PyObject *first = slot_or_none(node, N.a);
    Py_ssize_t read = slot_or_none(SLOT(node, N.op), O.kind) == text_call && Py_TYPE(first) == node_type
                      ? bytes_of(first) : 0;
    int one = PyTuple_GET_SIZE(slot_or_none(node, N.shape)) == 0;
    if (bytes_of(node) < ALONE && read < ALONE
        && (read < (one ? SUMMED : REDUCED)
            || PySet_Contains(one ? sums : reducers, slot_or_none(SLOT(node, N.op), O.name)) != 1))
        return PyErr_Occurred() ? -1 : 0;
    return may_pay(node, first);
}

static PyObject *run_one(PyObject *nodes) {
    counted_runs++;
    counted_nodes++;
    counted_direct++;
    return run_nodes_directly(nodes);
}

/* ---- plans by the words of their structures ----------------------------------------------------------------------------- */

/* Plans that were found lately, by what `capture_nodes` wrote down. The key keeps the objects whose addresses are in it. */
enum { MET = 256 };
typedef struct { size_t print, *words; Py_ssize_t count; PyObject *exact, *sized; Counting counting; } Met;
static Met met[MET];

static size_t print_of(const Words *words) {
    size_t print = 0;
    for (Py_ssize_t i = 0; i < words->count; i++) {
        print = (print ^ words->items[i]) * 0x9E3779B97F4A7C15ull;
        print ^= print >> 32;
    }
    return print;
}

static void meet(size_t print, Capture *c, PyObject *sized) {
    size_t *words = PyMem_Malloc(c->words.count * sizeof *words), at = print % MET;
    if (words == NULL)
        return;  /* it will be looked for again */
    memcpy(words, c->words.items, c->words.count * sizeof *words);
    PyObject *exact = met[at].exact, *before = met[at].sized;
    PyMem_Free(met[at].words);
    met[at] = (Met){print, words, c->words.count, Py_NewRef(c->exact), Py_NewRef(sized), {0}};
    Py_XDECREF(exact);
    Py_XDECREF(before);
}

/* The cache of plans is cleared: those found lately are not to be found any more. */
PyObject *hot_forget_plans(PyObject *self, PyObject *unused) {
    for (size_t at = 0; at < MET; at++) {
        PyObject *exact = met[at].exact, *sized = met[at].sized;
        PyMem_Free(met[at].words);
        memset(&met[at], 0, sizeof met[at]);
        Py_XDECREF(exact);
        Py_XDECREF(sized);
    }
    Py_RETURN_NONE;
}

/* What is known of a structure (compile._exact), a new reference; NULL with or without an exception. `counting` is what
 * counting found of it, or NULL. */
static PyObject *plan_of(Capture *c, Counting **counting) {
    size_t print = print_of(&c->words), at = print % MET;
    *counting = NULL;
    if (met[at].print == print && met[at].count == c->words.count
        && memcmp(met[at].words, c->words.items, c->words.count * sizeof(size_t)) == 0) {
        c->exact = Py_NewRef(met[at].exact);
        *counting = &met[at].counting;
        return Py_NewRef(met[at].sized);
    }
    PyObject *exact = capture_exact(c);
    PyObject *sized = exact == NULL ? NULL : Py_XNewRef(PyDict_GetItemWithError(exact_plans, exact));
    if (sized != NULL)
        meet(print, c, sized);
    return sized;
}

/* Runs claimed nodes, not too many for one plan, and counts them if they are `counted`; gives the floating-point errors to
 * warn of. */
static PyObject *run_together(PyObject *nodes, int counted) {
    Py_ssize_t n = PyList_GET_SIZE(nodes);
    PyObject *result = NULL;
    Counting *counting;
    if (n < 2) {
        PyObject *node = PyList_GET_ITEM(nodes, 0);
        if (counted)
            count_run(nodes, NULL);
        int share = may_share(node), over = share == OVER_NONE && may_go_over_operand(node);
        if (share < 0)
            return NULL;
        if (share == NOT_YET)   /* nor is it counted, or its line would run at once before it could be a kernel */
            return run_one(nodes);
        share = share && !over;
        count_alone(node, !share, over);
        if (!share)  /* not captured: that would hold the arrays that it may write over */
            return run_one(nodes);
    }
    Capture c;
    if (capture_nodes(&c, nodes) < 0)
        return NULL;
    PyObject *sized = plan_of(&c, &counting);
    if (counted)
        count_run(nodes, counting);
    if (sized != NULL) {
        result = run_planned(&c, sized);
        Py_DECREF(sized);
        if (result != NULL) {
            counted_runs++;
            counted_hits++;
            counted_nodes += n;
        }
    }
    if (result == NULL && !PyErr_Occurred()) {
        PyObject *graph = capture_graph(&c);
        capture_end(&c);
        if (graph != NULL) {
            result = by_python(nodes, graph);
            Py_DECREF(graph);
        }
        return result;
    }
    capture_end(&c);
    return result;
}

/* Runs claimed nodes, which are not captured: together, or by Python if they run in another way than by plans or are too
 * many for one. */
static PyObject *run_part(PyObject *nodes, int counted) {
    Py_ssize_t n = PyList_GET_SIZE(nodes);
    int by_plan = slot_or_none(current, C.debug) != Py_True && PyList_GET_SIZE(hooks) == 0 && n <= LONG
        && n <= ssize_of(slot_or_none(current, C.plan_nodes));
    if (by_plan)
        return run_together(nodes, counted);
    if (counted)
        count_run(nodes, NULL);
    return by_python(nodes, Py_None);
}

/* run_part(nodes: list): as compile.run_nodes of claimed nodes, a segment of many. */
PyObject *hot_run_part(PyObject *self, PyObject *nodes) {
    if (!PyList_CheckExact(nodes) || PyList_GET_SIZE(nodes) == 0) {
        PyErr_SetString(PyExc_TypeError, "run_part(nodes: list)");
        return NULL;
    }
    return run_part(nodes, 0);
}

/* Puts the floating-point error state back, should an interrupt have come before Python could. */
static int put_back(PyObject *state) {
    PyObject *now = NULL, *kind, *value, *trace;
    PyErr_Fetch(&kind, &value, &trace);
    int failed = PyContextVar_Get(extobj, NULL, &now) < 0;
    if (!failed && now != state) {
        PyObject *token = enter_state(state);
        failed = token == NULL;
        Py_XDECREF(token);
    }
    Py_XDECREF(now);
    if (failed)
        PyErr_Clear();
    PyErr_Restore(kind, value, trace);
    return failed;
}

PyObject *hot_realize(PyObject *self, PyObject *targets) {
    int blocked;
    PyObject *state = NULL;
    if (!PyList_CheckExact(targets)) {
        PyErr_SetString(PyExc_TypeError, "realize(targets: list)");
        return NULL;
    }
    if (held_up == Py_True || watched())
        return PyObject_CallOneArg(realize_slowly, targets);
    Run *run = (Run *)run_new(&Run_Type, NULL, NULL);
    if (run == NULL)
        return NULL;
    PyObject *nodes = claimed_nodes(targets, (PyObject *)run, &blocked);
    if (nodes == NULL || PyList_GET_SIZE(nodes) == 0) {
        Py_DECREF(run);
        if (nodes == NULL)
            return blocked ? PyObject_CallOneArg(realize_slowly, targets) : NULL;
        Py_DECREF(nodes);
        Py_RETURN_NONE;
    }
    PyObject *errors = NULL;
    if (PySet_Add(active_runs, (PyObject *)run) == 0 && PyContextVar_Get(extobj, NULL, &state) == 0)
        errors = run_part(nodes, 1);
    if (state != NULL)
        put_back(state);
    release_nodes(nodes, (PyObject *)run);
    PyObject *kind, *value, *trace;
    PyErr_Fetch(&kind, &value, &trace);
    if (PySet_Discard(active_runs, (PyObject *)run) < 0)
        PyErr_Clear();
    run_finish(run);
    PyErr_Restore(kind, value, trace);
    Py_DECREF(run);
    Py_DECREF(nodes);
    Py_XDECREF(state);
    if (errors != NULL && PyList_CheckExact(errors) && PyList_GET_SIZE(errors) > 0)
        Py_SETREF(errors, PyObject_CallOneArg(warn_of, errors));
    if (errors == NULL)
        return NULL;
    Py_DECREF(errors);
    Py_RETURN_NONE;
}

/* Has a node's value computed. -1 for an error. */
int compute_node(PyObject *node) {
    PyObject *targets = PyList_New(1);
    if (targets == NULL)
        return -1;
    PyList_SET_ITEM(targets, 0, Py_NewRef(node));
    PyObject *done = hot_realize(NULL, targets);
    Py_DECREF(targets);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* The node of what a Tensor or a lazy scalar stands for, borrowed; NULL for anything else. */
static PyObject *node_behind(PyObject *x) {
    PyObject *node = NULL;
    if (Py_TYPE(x) == tensor_type) {
        node = slot_or_none(x, T._value);
        if (Py_TYPE(node) == view_type) {
            PyObject *root = slot_or_none(node, V.root);
            node = Py_TYPE(root) == tensor_type ? slot_or_none(root, T._value) : Py_None;
        }
    } else if (PyType_IsSubtype(Py_TYPE(x), scalar_type))
        node = slot_or_none(x, S._node);
    return node != NULL && Py_TYPE(node) == node_type ? node : NULL;
}

PyObject *hot_realize_values(PyObject *self, PyObject *values) {
    if (!PyTuple_CheckExact(values)) {
        PyErr_SetString(PyExc_TypeError, "realize_values(values: tuple)");
        return NULL;
    }
    PyObject *pending = PyList_New(0), *result;
    for (Py_ssize_t i = 0; pending != NULL && i < PyTuple_GET_SIZE(values); i++) {
        PyObject *node = node_behind(PyTuple_GET_ITEM(values, i));
        if (node != NULL && slot_or_none(node, N.buffer) == Py_None && PyList_Append(pending, node) < 0)
            Py_CLEAR(pending);
    }
    if (pending == NULL || PyList_GET_SIZE(pending) == 0)
        result = pending == NULL ? NULL : Py_NewRef(Py_None);
    else
        result = hot_realize(NULL, pending);
    Py_XDECREF(pending);
    return result;
}
