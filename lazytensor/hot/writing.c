/* Kernels that write into parts of arrays, or over one that they read, once they are bound (run/kernels.py: `_run_into`,
 * `_run_storing` and `_run_over`). What is not as it was when they were bound is left to those. */
#include "hot.h"

enum { INEXACT = 32, DENORMAL = 2, AMBIGUOUS = 64, MOST_VIEWS = 32 };
enum { MASK = 5, MARKS = 6 };                            /* words of the block of pieces (run/pieces.py) */
enum { NUMBER, SLOT_OF, INDEXED, BOXES, OFFSET };        /* of an output (run/parts.Ready) */
enum { MOST_OUTPUTS = 8, MOST_WRITTEN = 16 };

#define INDEX(tuple, place) ssize_of(PyTuple_GET_ITEM(tuple, place))

/* ---- whose memory it is ----------------------------------------------------------------------------------------------- */

static int is_view_of(PyObject *operand, PyObject *leaf) {
    return Py_TYPE(operand) == node_type && slot_or_none(operand, N.op) == view_operation
        && slot_or_none(operand, N.a) == leaf;
}

/* The views of a leaf that operations read it through, each once, and how often they have it as an operand. */
typedef struct {
    PyObject *views[MOST_VIEWS];
    Py_ssize_t count, direct;
} References;

/* Adds those of one node; -1 if there are too many. */
static int add_references(References *found, PyObject *node, PyObject *leaf) {
    PyObject *rest = slot_or_none(node, N.rest);
    Py_ssize_t more = PyTuple_Check(rest) ? PyTuple_GET_SIZE(rest) : 0;
    for (Py_ssize_t k = 0; k < 2 + more; k++) {
        PyObject *x = k == 0 ? slot_or_none(node, N.a) : k == 1 ? slot_or_none(node, N.b) : PyTuple_GET_ITEM(rest, k - 2);
        found->direct += x == leaf;
        if (!is_view_of(x, leaf))
            continue;
        Py_ssize_t j = 0;
        while (j < found->count && found->views[j] != x)
            j++;
        if (j == MOST_VIEWS)
            return -1;
        if (j == found->count)
            found->views[found->count++] = x;
    }
    return 0;
}

/* How often the operations refer to a leaf, each view once (run/taking._references); -1 if there are too many. */
static Py_ssize_t references(PyObject *nodes, PyObject *members, PyObject *leaf) {
    References found = {.count = 0};
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(members); i++)
        if (add_references(&found, PyList_GET_ITEM(nodes, INDEX(members, i)), leaf) < 0)
            return -1;
    return found.direct + found.count;
}

/* Whether the run of these operations alone holds the array in a slot (run/taking.held_here). */
static int held(PyObject *graph, PyObject *values, PyObject *members, Py_ssize_t slot) {
    PyObject *leaves = slot_or_none(graph, G.leaves), *array = PyList_GET_ITEM(values, slot);
    if (!PyArray_CheckExact(array) || !PyArray_ISWRITEABLE((PyArrayObject *)array))
        return 0;
    if (slot >= PyList_GET_SIZE(leaves))
        return sole(array, 1);
    PyObject *leaf = PyList_GET_ITEM(leaves, slot);
    if (Py_TYPE(leaf) != node_type || slot_or_none(leaf, N.buffer) != array)
        return 0;
    Py_ssize_t known = references(slot_or_none(graph, G.nodes), members, leaf);
    return known >= 0 && Py_REFCNT(leaf) <= 1 + known && sole(array, 2);
}

/* The slot of the array into which an output is written; -1 if its memory is new. */
static Py_ssize_t slot_written(PyObject *of) {
    return PyTuple_GET_ITEM(of, BOXES) == Py_None ? INDEX(of, SLOT_OF) : -1;
}

/* Takes the memory of leaves, or gives it back. */
static void take(PyObject *graph, PyObject *values, PyObject *targets, int back) {
    PyObject *leaves = slot_or_none(graph, G.leaves);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(targets); i++) {
        Py_ssize_t slot = slot_written(PyTuple_GET_ITEM(targets, i));
        if (slot < 0 || slot >= PyList_GET_SIZE(leaves))
            continue;
        PyObject *leaf = PyList_GET_ITEM(leaves, slot);
        put(leaf, N.buffer, back ? PyList_GET_ITEM(values, slot) : Py_None);
        put(leaf, N.claim, back ? Py_None : taken_claim);
    }
}

/* ---- what it runs on -------------------------------------------------------------------------------------------------- */

/* The part of an array that a node writes, a new reference: the whole if `indexed` is None. */
static PyObject *part_of(PyObject *node, PyObject *array, PyObject *indexed) {
    if (indexed == Py_None)
        return Py_NewRef(array);
    PyObject *attrs = slot_or_none(node, N.attrs), *view = apply_steps(PyTuple_GET_ITEM(attrs, 0), array);
    if (view == NULL || indexed != Py_True)
        return view;
    PyObject *part = PyObject_GetItem(view, PyTuple_GET_ITEM(PyTuple_GET_ITEM(attrs, 1), 0));
    Py_DECREF(view);
    return part;
}

static int is_laid_as(PyObject *found, PyObject *known) {
    PyArrayObject *a = (PyArrayObject *)found, *b = (PyArrayObject *)known;
    if (!PyArray_CheckExact(found) || PyArray_NDIM(a) != PyArray_NDIM(b))
        return 0;
    size_t bytes = PyArray_NDIM(a) * sizeof(npy_intp);
    return memcmp(PyArray_DIMS(a), PyArray_DIMS(b), bytes) == 0 && memcmp(PyArray_STRIDES(a), PyArray_STRIDES(b), bytes) == 0
        && PyArray_EquivTypes(PyArray_DESCR(a), PyArray_DESCR(b));
}

/* New memory for an array of which a part is written: the rest, in these boxes, is copied (run/parts.renewed). NULL
 * without an error where Python has to do it. */
static PyObject *renewed(PyObject *old, PyObject *boxes) {
    PyArrayObject *from = (PyArrayObject *)old;
    if (!PyArray_CheckExact(old) || !PyArray_IS_C_CONTIGUOUS(from))
        return NULL;
    PyObject *shape = PyArray_IntTupleFromIntp(PyArray_NDIM(from), PyArray_DIMS(from));
    PyObject *made = shape == NULL ? NULL : new_result(shape, (PyObject *)PyArray_DESCR(from), Py_None);
    Py_XDECREF(shape);
    for (Py_ssize_t i = 0; made != NULL && i < PyTuple_GET_SIZE(boxes); i++) {
        PyObject *box = PyTuple_GET_ITEM(boxes, i), *there;
        if (copy_box(made, old, box))
            continue;
        there = PyObject_GetItem(made, box);
        PyObject *here = there == NULL ? NULL : PyObject_GetItem(old, box);
        if (here == NULL || PyArray_CopyInto((PyArrayObject *)there, (PyArrayObject *)here) < 0)
            Py_CLEAR(made);
        Py_XDECREF(there);
        Py_XDECREF(here);
    }
    return made;
}

void spare_end(Spare *spare) {
    Py_CLEAR(spare->from);
    Py_CLEAR(spare->boxes);
    spare->made = NULL;
}

/* The same, or the array before the old one, if that has the same around the part already. `own` says whether the run alone
 * holds the old one. */
static PyObject *renewed_or_spare(Spare *spare, PyObject *old, PyObject *boxes, int own) {
    int fits = own && spare->made == old && sole(spare->from, 1);
    if (fits)
        fits = spare->boxes == boxes || PyObject_RichCompareBool(spare->boxes, boxes, Py_EQ) == 1;
    PyObject *made = fits ? Py_NewRef(spare->from) : PyErr_Occurred() ? NULL : renewed(old, boxes);
    spare_end(spare);
    if (own && made != NULL)
        *spare = (Spare){Py_NewRef(old), made, Py_NewRef(boxes)};
    return made;
}

/* The same as a place, if it is laid out as known. */
static int part_placed(PyObject *node, PyObject *array, PyObject *indexed, PyObject *known, Place *place) {
    PyObject *attrs = slot_or_none(node, N.attrs);
    Box box;
    if (!box_of(&box, array) || (indexed != Py_None && !box_through(&box, PyTuple_GET_ITEM(attrs, 0)))
        || (indexed == Py_True && !box_step(&box, PyTuple_GET_ITEM(PyTuple_GET_ITEM(attrs, 1), 0)))
        || !box_is_laid_as(&box, known)
        || !PyArray_EquivTypes(PyArray_DESCR((PyArrayObject *)array), PyArray_DESCR((PyArrayObject *)known)))
        return 0;
    place->data = box.data;
    return 1;
}

/* Makes arrays of the outputs that are places. -1 for an error. */
static int make_parts(Arguments *a, Source *source, PyObject *ready, PyObject **wholes) {
    PyObject *targets = slot_or_none(ready, Y.targets);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(targets); i++) {
        PyObject *of = PyTuple_GET_ITEM(targets, i), **made = &a->args[a->made + i];
        if (*made != (PyObject *)&a->places[a->made + i])
            continue;
        PyObject *node = PyList_GET_ITEM(source->nodes, INDEX(of, NUMBER));
        PyObject *part = part_of(node, wholes[i], PyTuple_GET_ITEM(of, INDEXED));
        if (part == NULL)
            return -1;
        *made = a->owned[a->owns++] = part;
    }
    return 0;
}

/* The outputs: parts of arrays, in `wholes` the arrays, or new ones. 1, 0 if they are not as when the kernel was bound,
 * -1 for an error. */
static int put_parts(Arguments *a, Source *source, PyObject *members, PyObject *ready, PyObject *graph, PyObject *values,
                     PyObject **wholes, Spare *spare) {
    PyObject *targets = slot_or_none(ready, Y.targets), *known = slot_or_none(ready, Y.templates);
    a->made = a->count;
    if (a->count + 2 * PyTuple_GET_SIZE(targets) > 60)
        return 0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(targets); i++) {
        PyObject *of = PyTuple_GET_ITEM(targets, i), *node = PyList_GET_ITEM(source->nodes, INDEX(of, NUMBER)), *made;
        PyObject *boxes = PyTuple_GET_ITEM(of, BOXES);
        Py_ssize_t slot = INDEX(of, SLOT_OF);
        PyObject *whole = slot < 0
            ? new_result(slot_or_none(node, N.shape), slot_or_none(node, N.dtype), slot_or_none(node, N.strides))
            : boxes == Py_None ? Py_NewRef(PyList_GET_ITEM(values, slot))
            : PyTuple_GET_SIZE(targets) > 1 ? renewed(PyList_GET_ITEM(values, slot), boxes)
            : renewed_or_spare(spare, PyList_GET_ITEM(values, slot), boxes, held(graph, values, members, slot));
        if (whole == NULL)
            return PyErr_Occurred() ? -1 : 0;
        wholes[i] = a->owned[a->owns++] = whole;
        PyObject *indexed = PyTuple_GET_ITEM(of, INDEXED);
        int placed = 0;
        if (slot >= 0)
            placed = part_placed(node, whole, indexed, PyTuple_GET_ITEM(known, i), &a->places[a->count]);
        if (placed)
            made = (PyObject *)&a->places[a->count];
        else if ((made = slot < 0 ? Py_NewRef(whole) : part_of(node, whole, indexed)) == NULL)
            return -1;
        else
            a->owned[a->owns++] = made;
        a->args[a->count++] = made;
        if (slot >= 0 && ((!placed && !is_laid_as(made, PyTuple_GET_ITEM(known, i))) || (
                boxes != Py_None && PyArray_BYTES((PyArrayObject *)made) - PyArray_BYTES((PyArrayObject *)whole)
                != INDEX(of, OFFSET))))
            return 0;
    }
    return 1;
}

/* Whether inputs lie beside the parts as when it was found that the kernel may read them. */
static int lie_as_known(Arguments *a, PyObject *relations, Py_ssize_t first) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(relations); i += 3) {
        PyObject *input = a->args[first + INDEX(relations, i)], *part = a->args[a->made + INDEX(relations, i + 1)];
        if (PyArray_BYTES((PyArrayObject *)input) - PyArray_BYTES((PyArrayObject *)part) != INDEX(relations, i + 2))
            return 0;
    }
    return 1;
}

/* The flags of which somebody is to be warned; -1 for an error. */
static long flags_told(Source *source, PyObject *record, PyObject *ready) {
    PyObject *members = slot_or_none(record, R.members), *last = slot_or_none(ready, Y.errstate);
    long bits = PyLong_AsLong(slot_or_none(ready, Y.mask)), own = 0;
    int known = 1;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(members); i++)
        known &= slot_or_none(PyList_GET_ITEM(source->nodes, INDEX(members, i)), N.errstate) == last;
    for (Py_ssize_t i = 0; !known && i < PyTuple_GET_SIZE(members); i++) {
        PyObject *errstate = slot_or_none(PyList_GET_ITEM(source->nodes, INDEX(members, i)), N.errstate), *found;
        if (i && errstate == last)
            continue;
        last = errstate;
        if ((found = PyObject_CallOneArg(flags_of, errstate)) == NULL)
            return -1;
        own |= PyLong_AsLong(found);
        Py_DECREF(found);
    }
    return known ? bits : own;
}

/* ---- the run ---------------------------------------------------------------------------------------------------------- */

/* The address of a block with the kernel's numbers, a new reference; `keep` keeps it. NULL without an error: none fits. */
static PyObject *block_of(Source *source, PyObject *record, PyObject *launch, PyObject **keep) {
    PyObject *block = block_with(source, record, launch);
    if (block != NULL) {
        *keep = Py_NewRef(slot_or_none(launch, L.last));  /* so that no other thread frees it */
        return Py_NewRef(block);
    }
    PyObject *numbers = numbers_of(source, record), *args[2] = {launch, numbers};
    PyObject *found = numbers == NULL ? NULL : PyObject_Vectorcall(with_numbers, args, 2, NULL);
    Py_XDECREF(numbers);
    if (found == NULL || found == Py_None) {
        Py_XDECREF(found);
        return NULL;
    }
    *keep = found;
    return Py_NewRef(PyTuple_GET_ITEM(found, 0));
}

/* Runs the kernel; gives its flags, REFUSED, or -2 with an error set; in `marks` which pieces raised some. */
static long call_kernel(Arguments *a, PyObject *ready, PyObject *block, long mask, PyObject **marks) {
    PyObject *extra = slot_or_none(ready, Y.extra), *address = NULL, *own = NULL;
    Py_ssize_t pieces = ssize_of(slot_or_none(ready, Y.count));
    a->args[0] = block;
    if (extra != Py_None) {
        npy_intp count = pieces;
        if (pieces > 1 || mask != PyLong_AsLong(slot_or_none(ready, Y.mask))) {
            *marks = PyArray_ZEROS(1, &count, NPY_UINT8, 0);
            own = *marks == NULL ? NULL : PyArray_NewCopy((PyArrayObject *)extra, NPY_CORDER);
            if (own == NULL)
                return -2;
            npy_int64 *words = PyArray_DATA((PyArrayObject *)own);
            words[MASK] = mask;
            words[MARKS] = (npy_int64)PyArray_DATA((PyArrayObject *)*marks);
            extra = own;
        }
        address = PyLong_FromVoidPtr(PyArray_DATA((PyArrayObject *)extra));
        if (address == NULL) {
            Py_XDECREF(own);
            return -2;
        }
        a->args[1] = address;
    }
    PyObject *flags = PyObject_Vectorcall(slot_or_none(ready, Y.call), a->args, a->count, NULL);
    Py_XDECREF(address);
    Py_XDECREF(own);
    if (flags == NULL)
        return -2;
    long bits = PyLong_AsLong(flags);
    Py_DECREF(flags);
    return bits;
}

/* The operations run again on the pieces that raised flags (run/in_place.repaired). */
static int repair(Arguments *a, PyObject *record, PyObject *ready, PyObject *graph, PyObject *values, PyObject *marks) {
    PyObject *outputs = PyList_New(a->count - a->made), *result = NULL;
    for (Py_ssize_t i = a->made; outputs != NULL && i < a->count; i++)
        PyList_SET_ITEM(outputs, i - a->made, Py_NewRef(a->args[i]));
    if (outputs != NULL) {
        PyObject *args[6] = {slot_or_none(ready, Y.pieces), record, graph, values, outputs, marks == NULL ? Py_None : marks};
        result = PyObject_Vectorcall(repaired, args, 6, NULL);
        Py_DECREF(outputs);
    }
    Py_XDECREF(result);
    return result == NULL ? -1 : 1;
}

static void pass_by(PyObject *record) {
    Py_ssize_t penalty = ssize_of(slot_or_none(record, R.penalty));
    penalty = 2 * penalty + 1 < 1 << 10 ? 2 * penalty + 1 : 1 << 10;
    put_owned(record, R.penalty, PyLong_FromSsize_t(penalty));
    put_owned(record, R.wait, PyLong_FromSsize_t(penalty));
}

/* 1: done, the arrays made are in `a`; 0: Python is to do it; -1: an error. */
int launch_writing(Arguments *a, Source *source, PyObject *record, PyObject *ready, PyObject *graph, PyObject *values,
                   Spare *spare) {
    PyObject *targets = slot_or_none(ready, Y.targets), *extra = slot_or_none(ready, Y.extra);
    PyObject *wholes[MOST_OUTPUTS];
    Py_ssize_t first = extra == Py_None ? 1 : 2;
    a->count = first;
    a->owns = a->made = 0;
    a->placed = 1;
    if (PyTuple_GET_SIZE(targets) != 1 || PyTuple_GET_ITEM(PyTuple_GET_ITEM(targets, 0), BOXES) == Py_None)
        spare_end(spare);   /* no step of such a loop */
    if (slot_or_none(ready, Y.threads) != slot_or_none(current, C.threads)
        || !is_llvm(slot_or_none(current, C.engine)))
        return 0;
    long mask = extra == Py_None ? 0 : flags_told(source, record, ready);
    if (mask < 0)
        return -1;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(targets); i++) {
        Py_ssize_t slot = slot_written(PyTuple_GET_ITEM(targets, i));
        if (slot >= 0 && !held(graph, values, slot_or_none(record, R.members), slot))
            return 0;
    }
    int done = put_inputs(a, source, record);
    if (done == 1)
        done = put_parts(a, source, slot_or_none(record, R.members), ready, graph, values, wholes, spare);
    if (done != 1 || !lie_as_known(a, slot_or_none(ready, Y.relations), first))
        return done < 0 ? -1 : 0;
    PyObject *keep = NULL, *marks = NULL, *block = block_of(source, record, slot_or_none(ready, Y.launch), &keep);
    if (block == NULL)
        return PyErr_Occurred() ? -1 : 0;
    take(graph, values, targets, 0);
    long flags = call_kernel(a, ready, block, mask, &marks);
    Py_DECREF(block);
    Py_XDECREF(keep);
    int told = flags == -2 ? -1 : extra != Py_None ? flags < 0 : to_be_told(flags, source, record);
    if (told) {
        take(graph, values, targets, 1);
        if (told > 0 && flags >= 0)
            pass_by(record);
        Py_XDECREF(marks);
        return told < 0 ? -1 : 0;
    }
    if (extra != Py_None && flags > 0)
        done = make_parts(a, source, ready, wholes) < 0 ? -1 : repair(a, record, ready, graph, values, marks);
    else if (slot_or_none(record, R.penalty) != zero)
        put(record, R.penalty, zero);
    Py_XDECREF(marks);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(targets); i++)  /* what was made are the whole arrays */
        a->args[a->made + i] = wholes[i];
    count_kernel();
    return done;
}

/* ---- one operation ---------------------------------------------------------------------------------------------------- */

/* Whether `put_part` can do an operation: a store, or a ufunc into a part. */
int is_write(PyObject *op) {
    return op == store_operation || slot_or_none(op, O.ufunc) != Py_None;
}

/* The view into which a node writes, a new reference; NULL without an error if Python has to look. */
static PyObject *writeable_view(PyObject *node, PyObject *array) {
    PyObject *attrs = slot_or_none(node, N.attrs), *view = apply_steps(PyTuple_GET_ITEM(attrs, 0), array);
    if (view != NULL && (!PyArray_CheckExact(view) || !PyArray_ISWRITEABLE((PyArrayObject *)view)))
        Py_CLEAR(view);
    return view;
}

/* A node's operation on the view and on its other operands' values. -1 for an error. */
static int put_part(PyObject *node, PyObject *view, PyObject **operands, Py_ssize_t count) {
    static PyObject *only_out;
    PyObject *op = slot_or_none(node, N.op), *stack[MOST_WRITTEN + 1];
    if (op == store_operation)
        return PyObject_SetItem(view, PyTuple_GET_ITEM(PyTuple_GET_ITEM(slot_or_none(node, N.attrs), 1), 0), operands[0]);
    if (only_out == NULL && (only_out = Py_BuildValue("(s)", "out")) == NULL)
        return -1;
    memcpy(stack, operands, count * sizeof(PyObject *));
    stack[count] = view;
    PyObject *result = PyObject_Vectorcall(slot_or_none(op, O.ufunc), stack, count, only_out);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* Whether a run alone holds the array in a slot, of which an operation writes a part. */
int may_write(PyObject *graph, PyObject *values, PyObject *number, Py_ssize_t slot) {
    PyObject *members = PyTuple_Pack(1, number);
    int ours = members != NULL && held(graph, values, members, slot);
    Py_XDECREF(members);
    return ours;
}

/* A node's operation on that array and the values of its other operands: the array after it (run/table._mutated). NULL
 * without an error where Python has to do it. */
PyObject *write_into(PyObject *graph, PyObject *values, PyObject *node, Py_ssize_t slot, PyObject **operands,
                     Py_ssize_t count) {
    PyObject *leaves = slot_or_none(graph, G.leaves), *memory = PyList_GET_ITEM(values, slot);
    PyObject *view = writeable_view(node, memory);
    if (view == NULL)
        return NULL;
    if (slot < PyList_GET_SIZE(leaves)) {
        put(PyList_GET_ITEM(leaves, slot), N.buffer, Py_None);
        put(PyList_GET_ITEM(leaves, slot), N.claim, taken_claim);
    }
    Py_INCREF(memory);
    PyList_SetItem(values, slot, Py_NewRef(Py_None));  /* what was there is lost, also if it fails */
    if (put_part(node, view, operands, count) < 0)
        Py_CLEAR(memory);
    Py_DECREF(view);
    return memory;
}

/* The same for a node that runs without a plan, whose operands have values, as interpreter.mutate: whether nobody else
 * holds what it writes into. */
int may_write_directly(PyObject *node) {
    PyObject *old = slot_or_none(node, N.a), *array;
    References found = {.count = 0};
    if (Py_TYPE(old) != node_type || !is_write(slot_or_none(node, N.op)) || add_references(&found, node, old) < 0)
        return 0;
    array = slot_or_none(old, N.buffer);
    return PyArray_CheckExact(array) && PyArray_ISWRITEABLE((PyArrayObject *)array)
        && Py_REFCNT(old) <= found.direct + found.count && sole(array, 1);
}

PyObject *write_directly(PyObject *node, PyObject **operands, Py_ssize_t count) {
    PyObject *old = slot_or_none(node, N.a), *memory = Py_NewRef(slot_or_none(old, N.buffer));
    PyObject *view = writeable_view(node, memory);
    if (view == NULL) {
        Py_DECREF(memory);
        return NULL;
    }
    put(old, N.buffer, Py_None);
    put(old, N.claim, taken_claim);
    if (put_part(node, view, operands, count) < 0) {
        PyObject *kind, *error, *trace;
        Py_CLEAR(memory);
        PyErr_Fetch(&kind, &error, &trace);
        PyErr_NormalizeException(&kind, &error, &trace);
        PyObject *lost = PyObject_CallOneArg(loss, error);
        if (lost == NULL)
            PyErr_Clear();
        else
            put_owned(old, N.claim, lost);
        PyErr_Restore(kind, error, trace);
    }
    Py_DECREF(view);
    return memory;
}
