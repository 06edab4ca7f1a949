/* The commonest records of a loop over elements as steps of a tape: what `stretches.Stretch.take` does, which is the
 * reference, and takes whatever is refused here. */
#include "_steps.h"
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define NO_IMPORT_ARRAY
#define PY_ARRAY_UNIQUE_SYMBOL lazytensor_tape_array
#include <numpy/arrayobject.h>

enum Code { SCALARS = 8, LOAD = 8, STORE, DOT };
enum { STEP_LOAD = 2, STEP_STORE, STEP_SCALAR, STEP_DOT, NEGATE = 5 };
enum Found { ERROR = -1, NO, YES };

static struct {
    PyObject *op, *operands, *name, *shape, *dtype, *strides, *attrs, *text, *array, *offset, *character;
    PyObject *chars[2];
} names;

/* A stretch's books, borrowed. */
typedef struct {
    PyObject *scalars, *unused, *places, *text, *held, *fresh, *numbers, *shapes, *steps, *written, *escaping, *codes,
        *getitem;
    PyObject *geometry;          /* shape, dtype and strides of the last record; owned */
    Py_ssize_t slots;
} Stretch;

/* An array, or a part of one; shape and strides are borrowed from its Place. */
typedef struct {
    Py_ssize_t array, offset;
    PyObject *shape, *strides;
    Py_UCS4 character;
} Place;

/* A record: what is asked of it, borrowed from it, and the slot size of its dtype. */
typedef struct {
    PyObject *record, *name, *operands, *shape, *dtype;
    Py_UCS4 character;
    int size;
} Line;

int setup_steps(void) {
    const char *const text[] = {"op", "operands", "name", "shape", "dtype", "strides", "attrs", "text", "array", "offset",
                                "char"};
    PyObject **to = &names.op;
    for (size_t i = 0; i < sizeof(text) / sizeof(*text); i++)
        if ((to[i] = PyUnicode_InternFromString(text[i])) == NULL)
            return -1;
    names.chars[0] = PyUnicode_InternFromString("f");
    names.chars[1] = PyUnicode_InternFromString("d");
    return names.chars[0] == NULL || names.chars[1] == NULL ? -1 : 0;
}

/* An attribute that its object keeps alive, borrowed. */
static PyObject *kept(PyObject *of, PyObject *name) {
    PyObject *found = PyObject_GetAttr(of, name);
    Py_XDECREF(found);
    return found;
}

static int number_of(PyObject *of, PyObject *name, Py_ssize_t *number) {
    PyObject *found = kept(of, name);
    *number = found == NULL ? -1 : PyLong_AsSsize_t(found);
    return *number == -1 && PyErr_Occurred() ? ERROR : YES;
}

/* ---- where values are ---- */

static int place_of(Stretch *s, PyObject *name, Place *out) {
    PyObject *place = PyDict_GetItemWithError(s->places, name), *text = PyDict_GetItemWithError(s->text, name);
    PyObject *own, *character;
    if (place == NULL || text == NULL)
        return PyErr_Occurred() ? ERROR : NO;
    if ((own = kept(place, names.text)) == NULL || (out->shape = kept(place, names.shape)) == NULL ||
        (out->strides = kept(place, names.strides)) == NULL || (character = kept(place, names.character)) == NULL ||
        number_of(place, names.array, &out->array) < 0 || number_of(place, names.offset, &out->offset) < 0)
        return ERROR;
    out->character = PyUnicode_READ_CHAR(character, 0);
    return own == text || PyUnicode_Compare(own, text) == 0 ? YES : PyErr_Occurred() ? ERROR : NO;
}

static Py_ssize_t axis(PyObject *of, Py_ssize_t i) {
    return PyLong_AsSsize_t(PyTuple_GET_ITEM(of, i));
}

/* Takes an index of whole numbers and slices; gives the axes that are left, of which the last one is `*stride` and
 * `*length`; -1 if the index is another, -2 with an exception. */
static Py_ssize_t indexed(Place *place, PyObject *index, Py_ssize_t *stride, Py_ssize_t *length) {
    Py_ssize_t dimensions = PyTuple_GET_SIZE(place->shape), left = 0;
    int many = index != NULL && PyTuple_CheckExact(index);
    Py_ssize_t given = index == NULL ? 0 : many ? PyTuple_GET_SIZE(index) : 1;
    if (given > dimensions)
        return -1;
    for (Py_ssize_t i = 0; i < dimensions; i++) {
        PyObject *x = i >= given ? NULL : many ? PyTuple_GET_ITEM(index, i) : index;
        Py_ssize_t n = axis(place->shape, i), step = axis(place->strides, i);
        if (x == NULL) {
            *stride = step, *length = n, left++;
        } else if (PyLong_CheckExact(x)) {
            Py_ssize_t k = PyLong_AsSsize_t(x);
            if (k == -1 && PyErr_Occurred())
                return -2;
            place->offset += (k < 0 ? k + n : k) * step;
        } else if (PySlice_Check(x)) {
            Py_ssize_t start, stop, by;
            if (PySlice_Unpack(x, &start, &stop, &by) < 0)
                return -2;
            *length = PySlice_AdjustIndices(n, &start, &stop, by);
            *stride = step * by, left++;
            place->offset += start * step;
        } else {
            return -1;
        }
    }
    return left;
}

static int slot_of(Stretch *s, PyObject *operand, Line *line, Py_ssize_t *slot) {
    PyObject *name = PyTuple_GET_ITEM(operand, 0), *known;
    if (name == Py_None || PyTuple_GET_ITEM(operand, 1) != Py_None)
        return NO;
    if ((known = PyDict_GetItemWithError(s->scalars, name)) == NULL)
        return PyErr_Occurred() ? ERROR : NO;
    *slot = axis(known, 0);
    return PyUnicode_READ_CHAR(PyTuple_GET_ITEM(known, 1), 0) == line->character ? YES : NO;
}

/* ---- slots ---- */

static int free_slot(Stretch *s, PyObject *slot) {
    Py_ssize_t i = PyList_GET_SIZE(s->unused), own = PyLong_AsSsize_t(slot);
    while (i > 0 && PyLong_AsSsize_t(PyList_GET_ITEM(s->unused, i - 1)) > own)
        i--;
    return PyList_Insert(s->unused, i, slot);
}

/* A slot for a record's result, noted: the lowest that is free. */
static int give(Stretch *s, Line *line, Py_ssize_t *slot) {
    if (PyList_GET_SIZE(s->unused)) {
        *slot = PyLong_AsSsize_t(PyList_GET_ITEM(s->unused, 0));
        if (PySequence_DelItem(s->unused, 0) < 0)
            return ERROR;
    } else {
        *slot = s->slots++;
    }
    PyObject *known = Py_BuildValue("(nO)", *slot, names.chars[line->size == 8]);
    int bad = known == NULL || PySet_Add(s->numbers, line->name) < 0 || PyDict_SetItem(s->scalars, line->name, known) < 0 ||
              PyDict_SetItem(s->text, line->name, line->name) < 0 || PyDict_SetItem(s->held, line->name, line->name) < 0;
    Py_XDECREF(known);
    return bad ? ERROR : YES;
}

static int emit(Stretch *s, PyObject *step) {
    int bad = step == NULL || PyList_Append(s->steps, step) < 0;
    Py_XDECREF(step);
    return bad ? ERROR : YES;
}

/* Whether all that dies with a record are scalars, its own result, and `other`. */
static int plain_deaths(Stretch *s, PyObject *dies, PyObject *own, PyObject *other) {
    PyObject *names_ = PyObject_GetIter(dies), *name;
    int found = names_ == NULL ? ERROR : YES;
    while (found == YES && (name = PyIter_Next(names_)) != NULL) {
        if (name != own && name != other)
            found = PyDict_Contains(s->scalars, name);
        if (found == NO && own != NULL)
            found = PyObject_RichCompareBool(name, own, Py_EQ);
        if (found == NO && other != NULL)
            found = PyObject_RichCompareBool(name, other, Py_EQ);
        Py_DECREF(name);
    }
    Py_XDECREF(names_);
    return PyErr_Occurred() ? ERROR : found;
}

static int forget(PyObject *dict, PyObject *name) {
    int there = PyDict_Contains(dict, name);
    return there > 0 ? PyDict_DelItem(dict, name) : there;
}

/* Forgets what nobody reads any more, so that the books stay small. */
static int bury(Stretch *s, PyObject *dies) {
    PyObject *names_ = PyObject_GetIter(dies), *name, *known;
    int bad = names_ == NULL;
    while (!bad && (name = PyIter_Next(names_)) != NULL) {
        if ((known = PyDict_GetItemWithError(s->scalars, name)) != NULL) {
            bad = free_slot(s, PyTuple_GET_ITEM(known, 0)) < 0 || forget(s->scalars, name) < 0 ||
                  forget(s->text, name) < 0 || forget(s->held, name) < 0 || forget(s->shapes, name) < 0 || PySet_Discard(s->numbers, name) < 0;
        } else {
            bad = PyErr_Occurred() != NULL;
        }
        Py_DECREF(name);
    }
    Py_XDECREF(names_);
    return bad || PyErr_Occurred() ? ERROR : YES;
}

/* ---- records ---- */

static int load(Stretch *s, Line *line) {
    PyObject *operand = PyTuple_GET_ITEM(line->operands, 0), *attrs = kept(line->record, names.attrs);
    Place place;
    Py_ssize_t slot, stride, length;
    int found = PyTuple_GET_ITEM(operand, 1) != Py_None ? NO : place_of(s, PyTuple_GET_ITEM(operand, 0), &place);
    if (attrs == NULL || found != YES)
        return attrs == NULL ? ERROR : found;
    Py_ssize_t left = indexed(&place, PyTuple_GET_ITEM(PyTuple_GET_ITEM(attrs, 0), 1), &stride, &length);
    if (left != 0 || place.character != line->character)
        return left == -2 ? ERROR : NO;
    if (give(s, line, &slot) < 0)
        return ERROR;
    return emit(s, Py_BuildValue("((iiinin)(n))", STEP_LOAD, 0, line->size, place.array, 0, slot, place.offset));
}

static int scalar(Stretch *s, Line *line, int kind) {
    Py_ssize_t a, b, slot;
    int found = slot_of(s, PyTuple_GET_ITEM(line->operands, 0), line, &a);
    b = a;
    if (found == YES && kind < NEGATE)
        found = slot_of(s, PyTuple_GET_ITEM(line->operands, 1), line, &b);
    if (found != YES)
        return found;
    if (give(s, line, &slot) < 0)
        return ERROR;
    return emit(s, Py_BuildValue("((iiinnn)())", STEP_SCALAR, kind, line->size, a, b, slot));
}

/* A vector that a product reads: its first element, stride and length. */
static int row_of(Stretch *s, PyObject *operand, Line *line, Place *place, Py_ssize_t *stride, Py_ssize_t *length) {
    PyObject *name = PyTuple_GET_ITEM(operand, 0), *steps = PyTuple_GET_ITEM(operand, 1), *index = NULL;
    int found = name == Py_None ? NO : place_of(s, name, place);
    if (found != YES)
        return found;
    if (steps != Py_None && PyTuple_GET_SIZE(steps) > 0) {
        PyObject *step = PyTuple_GET_ITEM(steps, 0);
        if (PyTuple_GET_SIZE(steps) != 1 || PyTuple_GET_ITEM(step, 0) != s->getitem)
            return NO;
        index = PyTuple_GET_ITEM(PyTuple_GET_ITEM(step, 1), 0);
    }
    Py_ssize_t left = indexed(place, index, stride, length);
    return left == -2 ? ERROR : left == 1 && place->character == line->character ? YES : NO;
}

static int product(Stretch *s, Line *line) {
    Place a, b;
    Py_ssize_t stride[2], length[2], slot;
    PyObject *attrs = kept(line->record, names.attrs);
    if (attrs == NULL || PyTuple_GET_SIZE(line->operands) != 2 || (attrs != Py_None && PyObject_Size(attrs) != 0))
        return PyErr_Occurred() ? ERROR : NO;
    int found = row_of(s, PyTuple_GET_ITEM(line->operands, 0), line, &a, &stride[0], &length[0]);
    if (found == YES)
        found = row_of(s, PyTuple_GET_ITEM(line->operands, 1), line, &b, &stride[1], &length[1]);
    if (found != YES)
        return found;
    if (give(s, line, &slot) < 0)
        return ERROR;
    return emit(s, Py_BuildValue("((iiinnn)(nnnnn))", STEP_DOT, 0, line->size, a.array, b.array, slot, a.offset, stride[0],
                                 b.offset, stride[1], length[0]));
}

/* Whether a value's memory may be written to, as `Writer._owns`. */
static int owns(Stretch *s, PyObject *old, PyObject *text, PyObject *name, PyObject *dies) {
    int found = PySet_Contains(dies, old);
    if (found != YES)
        return found;
    if (PyUnicode_READ_CHAR(text, 0) == 'b' && (found = PySet_Contains(s->escaping, name)) != YES)
        return found == NO ? YES : ERROR;
    return PySet_Contains(s->fresh, old);
}

/* An element is written, and the memory of the array's old value is that of the new one. */
static int store(Stretch *s, Line *line, PyObject *dies) {
    PyObject *attrs = kept(line->record, names.attrs), *first = PyTuple_GET_ITEM(line->operands, 0);
    PyObject *old = PyTuple_GET_ITEM(first, 0), *text, *place_object;
    Place place;
    Py_ssize_t slot, stride, length;
    if (attrs == NULL)
        return ERROR;
    if (PyTuple_GET_SIZE(line->operands) != 2 || old == Py_None || PyTuple_GET_ITEM(first, 1) != Py_None ||
        PyTuple_GET_SIZE(PyTuple_GET_ITEM(attrs, 0)) != 0)
        return NO;
    int found = slot_of(s, PyTuple_GET_ITEM(line->operands, 1), line, &slot);
    if (found == YES)
        found = place_of(s, old, &place);
    if (found == YES)
        found = PySet_Contains(dies, line->name) == NO ? plain_deaths(s, dies, NULL, old) : NO;
    if (found != YES)
        return found;
    text = PyDict_GetItemWithError(s->text, old);
    place_object = PyDict_GetItemWithError(s->places, old);
    found = owns(s, old, text, line->name, dies);
    if (found != YES)
        return found;
    Py_ssize_t left = indexed(&place, PyTuple_GET_ITEM(PyTuple_GET_ITEM(attrs, 1), 0), &stride, &length);
    if (left != 0 || place.character != line->character)
        return left == -2 ? ERROR : NO;
    PyObject *held = PyDict_GetItemWithError(s->held, old), *array = PyLong_FromSsize_t(place.array);
    int is_fresh = PySet_Contains(s->fresh, old);
    int bad = array == NULL || is_fresh < 0 || PyDict_SetItem(s->text, line->name, text) < 0 ||
              PyDict_SetItem(s->held, line->name, held == NULL ? text : held) < 0 ||
              PyDict_SetItem(s->places, line->name, place_object) < 0 || PyDict_DelItem(s->text, old) < 0 ||
              PyDict_DelItem(s->places, old) < 0 || PySet_Add(s->written, array) < 0;
    if (!bad && is_fresh)
        bad = PySet_Add(s->fresh, line->name) < 0 || PySet_Discard(s->fresh, old) < 0;
    Py_XDECREF(array);
    if (bad)
        return ERROR;
    return emit(s, Py_BuildValue("((iiinin)(n))", STEP_STORE, 0, line->size, slot, 0, place.array, place.offset));
}

static int take(Stretch *s, PyObject *record, PyObject *dies) {
    PyObject *op = kept(record, names.op), *code, *strides;
    if (op == NULL || (code = PyDict_GetItemWithError(s->codes, op)) == NULL)
        return PyErr_Occurred() ? ERROR : NO;
    Line line = {.record = record, .name = kept(record, names.name), .operands = kept(record, names.operands),
                 .shape = kept(record, names.shape), .dtype = kept(record, names.dtype)};
    if (line.name == NULL || line.operands == NULL || line.shape == NULL || line.dtype == NULL ||
        (strides = kept(record, names.strides)) == NULL)
        return ERROR;
    line.character = (Py_UCS4)((PyArray_Descr *)line.dtype)->type;
    line.size = line.character == 'd' ? 8 : 4;
    long kind = PyLong_AsLong(code);
    int found;
    if (kind == STORE) {
        found = store(s, &line, dies);
    } else {
        found = PyTuple_GET_SIZE(line.shape) ? NO : plain_deaths(s, dies, line.name, NULL);
        if (found == YES)
            found = kind < SCALARS ? scalar(s, &line, (int)kind) : kind == LOAD ? load(s, &line) : product(s, &line);
    }
    if (found != YES)
        return found;
    if (s->geometry == NULL || PyTuple_GET_ITEM(s->geometry, 0) != line.shape ||
        PyTuple_GET_ITEM(s->geometry, 1) != line.dtype || PyTuple_GET_ITEM(s->geometry, 2) != strides) {
        Py_XSETREF(s->geometry, PyTuple_Pack(3, line.shape, line.dtype, strides));
        if (s->geometry == NULL)
            return ERROR;
    }
    return PyDict_SetItem(s->shapes, line.name, s->geometry) < 0 ? ERROR : bury(s, dies);
}

PyObject *taken(PyObject *self, PyObject *args) {
    PyObject *records, *after;
    Py_ssize_t i;
    Stretch s;
    if (!PyArg_ParseTuple(args, "(O!O!O!O!O!O!O!O!O!O!O!O!O)O!O!nn", &PyDict_Type, &s.scalars, &PyList_Type, &s.unused,
                          &PyDict_Type, &s.places, &PyDict_Type, &s.text, &PyDict_Type, &s.held, &PySet_Type, &s.fresh,
                          &PySet_Type, &s.numbers, &PyDict_Type, &s.shapes, &PyList_Type, &s.steps, &PySet_Type, &s.written,
                          &PySet_Type, &s.escaping, &PyDict_Type, &s.codes, &s.getitem, &PyList_Type, &records, &PyList_Type,
                          &after, &i, &s.slots))
        return NULL;
    if (PyList_Sort(s.unused) < 0)
        return NULL;
    s.geometry = NULL;
    int found = YES;
    for (; i < PyList_GET_SIZE(records) && i < PyList_GET_SIZE(after); i++) {
        found = take(&s, PyList_GET_ITEM(records, i), PyList_GET_ITEM(after, i));
        if (found != YES)
            break;
    }
    Py_XDECREF(s.geometry);
    if (found == ERROR)
        return NULL;
    return Py_BuildValue("nn", i, s.slots);
}
