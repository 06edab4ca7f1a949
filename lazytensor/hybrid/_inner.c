/* Loops that do nothing but call NumPy's ufuncs into memory and copy, by the ufuncs' own inner loops.
 *
 * In a text they are `for _ in range(n):` over lines `add(x, y, out)` and `copyto(to, of, 'unsafe')`. Where nothing has to
 * be cast, buffered or copied out of the way, NumPy's call of a ufunc is an inner loop over rows (lower/loops.py). What
 * it finds out before that at each call (dtypes, shapes, strides, overlap) is found out once here. A loop that is exact
 * on every path (lower/fidelity.py) may go over any rows; another one only over contiguous arrays, in one call as NumPy's.
 * Short rows of sums, differences, products and quotients are computed here: IEEE 754 says what they are.
 */
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define NPY_TARGET_VERSION NPY_2_0_API_VERSION
#define NO_IMPORT_ARRAY
#define NO_IMPORT_UFUNC
#define PY_ARRAY_UNIQUE_SYMBOL lazytensor_replay_array
#define PY_UFUNC_UNIQUE_SYMBOL lazytensor_replay_ufunc
#include "_program.h"
#include "_replay.h"
#include <fenv.h>
#include <math.h>
#include <numpy/arrayobject.h>
#include <numpy/ufuncobject.h>

enum { OPERANDS = 4, AXES = 8, MOST_LINES = 64, KNOWN = 256 };
enum { ROW = 16, SHORT = 32 };        /* what the call of an inner loop takes, in elements; and rows that are computed here */
enum { A_FLOAT = -1, AN_INT = -2 };   /* instead of a type's number: Python's own numbers */
enum { QUIET = 1, EXACT = 2 };        /* flags of a loop: leaves no floating-point flags; may go over any rows */

typedef int (*Inner)(void *context, char **data, const npy_intp *sizes, const npy_intp *strides, void *auxdata);

/* What NumPy runs for a ufunc and operands of these types; `loop` is NULL if that is not to be called here. For short rows
 * there may be another loop, `quick`. */
typedef struct {
    PyObject *ufunc;
    int types[OPERANDS], flags;
    Inner loop, quick;
    void *context, *auxdata;
    PyArray_Descr *dtypes[OPERANDS];
} Known;

/* A line; `loop` is NULL if it copies elements of `size` bytes. Its last axis is the row, and strides are by axis. */
typedef struct {
    Inner loop;
    void *context, *auxdata;
    int flags, count, axes;
    npy_intp size, sizes[AXES], strides[AXES][OPERANDS];
    char *data[OPERANDS];
    double numbers[OPERANDS][2];      /* where operands lie that are numbers */
} Line;

static PyTypeObject *ufunc_type;
static PyObject *copyto, *loop_of, *mask_of, *error_state, *abandon;
static Known known[KNOWN];
static long long loops_run;

PyObject *setup_inner(PyObject *self, PyObject *args) {
    PyObject *ufunc, *copy, *loops, *masks, *state, *gone;
    if (!PyArg_ParseTuple(args, "OOOOO!O", &ufunc, &copy, &loops, &masks, &PyContextVar_Type, &state, &gone))
        return NULL;
    Py_XSETREF(ufunc_type, (PyTypeObject *)Py_NewRef(ufunc));
    Py_XSETREF(copyto, Py_NewRef(copy));
    Py_XSETREF(loop_of, Py_NewRef(loops));
    Py_XSETREF(mask_of, Py_NewRef(masks));
    Py_XSETREF(error_state, Py_NewRef(state));
    Py_XSETREF(abandon, Py_NewRef(gone));
    Py_RETURN_NONE;
}

PyObject *inner_loops(PyObject *self, PyObject *unused) {
    return PyLong_FromLongLong(loops_run);
}

/* ---- short rows ---- */

#define LOOP(NAME, TYPE, OPERATOR)                                                                                       \
    static int NAME##_##TYPE(void *context, char **data, const npy_intp *sizes, const npy_intp *strides, void *auxdata) { \
        const npy_intp n = *sizes, size = sizeof(TYPE), by = strides[0], step = strides[1], to = strides[2];             \
        if (by == size && step == size && to == size) {                                                                  \
            const TYPE *x = (const TYPE *)data[0], *y = (const TYPE *)data[1];                                           \
            TYPE *z = (TYPE *)data[2];                                                                                   \
            npy_intp i = 0;                                                                                              \
            for (; i + 4 <= n; i += 4) {                                                                                 \
                const TYPE a = x[i] OPERATOR y[i], b = x[i + 1] OPERATOR y[i + 1];                                       \
                const TYPE c = x[i + 2] OPERATOR y[i + 2], d = x[i + 3] OPERATOR y[i + 3];                               \
                z[i] = a, z[i + 1] = b, z[i + 2] = c, z[i + 3] = d;                                                      \
            }                                                                                                            \
            for (; i < n; i++)                                                                                           \
                z[i] = x[i] OPERATOR y[i];                                                                               \
            return 0;                                                                                                    \
        }                                                                                                                \
        const char *x = data[0], *y = data[1];                                                                           \
        char *z = data[2];                                                                                               \
        for (npy_intp i = 0; i < n; i++, x += by, y += step, z += to)                                                    \
            *(TYPE *)z = *(const TYPE *)x OPERATOR *(const TYPE *)y;                                                     \
        return 0;                                                                                                        \
    }
LOOP(add, double, +)
LOOP(add, float, +)
LOOP(subtract, double, -)
LOOP(subtract, float, -)
LOOP(multiply, double, *)
LOOP(multiply, float, *)
LOOP(divide, double, /)
LOOP(divide, float, /)

/* The loop for short rows of two operands and a result, all of one type; NULL if there is none. */
static Inner quick_loop(PyObject *ufunc, PyArray_Descr *const *dtypes, int count) {
    static const struct { const char *name; Inner loops[2]; } table[] = {
        {"add", {add_double, add_float}}, {"subtract", {subtract_double, subtract_float}},
        {"multiply", {multiply_double, multiply_float}}, {"divide", {divide_double, divide_float}}};
    int type = dtypes[0]->type_num;
    if (count != 3 || (type != NPY_DOUBLE && type != NPY_FLOAT) || dtypes[1]->type_num != type || dtypes[2]->type_num != type)
        return NULL;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (!strcmp(((PyUFuncObject *)ufunc)->name, table[i].name))
            return table[i].loops[type == NPY_FLOAT];
    return NULL;
}

/* ---- which lines ---- */

/* `ufunc(x, out)`, `ufunc(x, y, out)`, `ufunc(x, y, out=out)`, `copyto(to, of)`, `copyto(to, of, 'unsafe')` */
int is_inner(Statement *s) {
    Expression *e = s->expression;
    if (s->act != EVALUATE || e->kind != CALL || e->parts[0]->kind != CONSTANT || ufunc_type == NULL)
        return 0;
    PyObject *f = e->parts[0]->value;
    Py_ssize_t given = e->count - 1;
    if (f == copyto) {
        if (e->value != NULL || given < 2 || given > 3 || (given == 3 && (e->parts[3]->kind != CONSTANT ||
                                                                          !PyUnicode_CheckExact(e->parts[3]->value))))
            return 0;
        given = 2;
    } else if (!Py_IS_TYPE(f, ufunc_type) || given != ((PyUFuncObject *)f)->nargs || ((PyUFuncObject *)f)->nout != 1 ||
               ((PyUFuncObject *)f)->core_enabled || given > OPERANDS ||
               (e->value != NULL && (PyTuple_GET_SIZE(e->value) != 1 ||
                                     PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(e->value, 0), "out"))))
        return 0;
    for (Py_ssize_t i = 1; i <= given; i++)
        if (e->parts[i]->kind != LOCAL && e->parts[i]->kind != CONSTANT)
            return 0;
    return 1;
}

/* ---- what NumPy runs ---- */

/* The type's number of an array, whose elements are numbers in the machine's order; one of Python's; NPY_NOTYPE for any
 * other operand. */
static int type_of(PyObject *x) {
    if (PyArray_CheckExact(x)) {
        PyArray_Descr *dtype = PyArray_DESCR((PyArrayObject *)x);
        int fits = (PyTypeNum_ISNUMBER(dtype->type_num) || PyTypeNum_ISBOOL(dtype->type_num)) &&
            PyArray_ISALIGNED((PyArrayObject *)x) && PyArray_ISNOTSWAPPED((PyArrayObject *)x);
        return fits ? dtype->type_num : NPY_NOTYPE;
    }
    return PyFloat_CheckExact(x) ? A_FLOAT : PyLong_CheckExact(x) ? AN_INT : NPY_NOTYPE;
}

/* Asks Python for the loop; -1 for an error. */
static int find_out(Known *one, PyObject *const *given, int count) {
    PyObject *types = PyTuple_New(count);
    for (int i = 0; types != NULL && i < count; i++)
        PyTuple_SET_ITEM(types, i, Py_NewRef(one->types[i] == A_FLOAT ? (PyObject *)&PyFloat_Type :
                                             one->types[i] == AN_INT ? (PyObject *)&PyLong_Type :
                                             (PyObject *)PyArray_DESCR((PyArrayObject *)given[i])));
    PyObject *found = types == NULL ? NULL : PyObject_CallFunctionObjArgs(loop_of, one->ufunc, types, NULL), *dtypes;
    unsigned long long loop, context, auxdata;
    int done = found == NULL ? -1 : found == Py_None;
    if (done == 0) {
        done = PyArg_ParseTuple(found, "KKKiO!", &loop, &context, &auxdata, &one->flags, &PyTuple_Type, &dtypes) &&
            PyTuple_GET_SIZE(dtypes) == count ? 1 : -1;
        for (int i = 0; done > 0 && i < count; i++)
            one->dtypes[i] = (PyArray_Descr *)Py_NewRef(PyTuple_GET_ITEM(dtypes, i));
        if (done > 0) {
            one->loop = (Inner)(uintptr_t)loop;
            one->context = (void *)(uintptr_t)context;
            one->auxdata = (void *)(uintptr_t)auxdata;
            one->quick = quick_loop(one->ufunc, one->dtypes, count);
        }
    }
    Py_XDECREF(found);
    Py_XDECREF(types);
    return done;
}

/* What NumPy runs for operands, borrowed, or NULL: there is none that can be called here, or an error. */
static Known *known_of(PyObject *ufunc, PyObject *const *given, int count) {
    int types[OPERANDS] = {0};
    size_t hash = (size_t)ufunc >> 4;
    for (int i = 0; i < count; i++) {
        if ((types[i] = type_of(given[i])) == NPY_NOTYPE)
            return NULL;
        hash = hash * 31 + types[i];
    }
    Known *one = &known[(hash * 0x9E3779B97F4A7C15ull >> 40) % KNOWN];
    if (one->ufunc != ufunc || memcmp(one->types, types, sizeof types)) {
        Known made = {.ufunc = Py_NewRef(ufunc)};
        memcpy(made.types, types, sizeof types);
        if (find_out(&made, given, count) < 0) {
            Py_DECREF(ufunc);
            return NULL;
        }
        Known before = *one;
        *one = made;
        Py_XDECREF(before.ufunc);
        for (int i = 0; i < OPERANDS; i++)
            Py_XDECREF(before.dtypes[i]);
    }
    return one->loop == NULL ? NULL : one;
}

/* ---- where operands lie ---- */

/* A Python number as an element, in memory of the line. 0: NumPy's call has to do that, and may warn. */
static int number(Line *l, int i, PyObject *value, PyArray_Descr *dtype) {
    int type = dtype->type_num, real = type == NPY_DOUBLE || type == NPY_FLOAT;
    if (!real && !(PyLong_CheckExact(value) && PyTypeNum_ISINTEGER(type)))
        return 0;
    if (PyArray_Pack(dtype, (char *)l->numbers[i], value) < 0) {
        PyErr_Clear();
        return 0;
    }
    l->data[i] = (char *)l->numbers[i];
    double found = type == NPY_DOUBLE ? l->numbers[i][0] : 0;
    if (type == NPY_FLOAT) {
        float small;
        memcpy(&small, l->numbers[i], sizeof small);
        found = small;
    }
    return isfinite(found) || (PyFloat_CheckExact(value) && !isfinite(PyFloat_AS_DOUBLE(value)));
}

/* An array's address and its strides along the axes of the line, of which it may have fewer. */
static int lay(Line *l, int i, PyArrayObject *array) {
    int missing = l->axes - PyArray_NDIM(array);
    if (missing < 0)
        return 0;
    l->data[i] = PyArray_BYTES(array);
    for (int k = 0; k < l->axes; k++) {
        npy_intp length = k < missing ? 1 : PyArray_DIM(array, k - missing);
        if (length != 1 && length != l->sizes[k])
            return 0;
        l->strides[k][i] = length == 1 ? 0 : PyArray_STRIDE(array, k - missing);
    }
    return 1;
}

static int can_join(const Line *l, int k, int next) {
    for (int i = 0; i < l->count; i++)
        if (l->strides[k][i] != l->strides[next][i] * l->sizes[next])
            return 0;
    return 1;
}

/* Leaves out axes of one element, and joins those that are one; a single element is a row. */
static void join_axes(Line *l) {
    int left = 0;
    for (int k = 0; k < l->axes; k++) {
        if (l->sizes[k] == 1)
            continue;
        int joins = left && can_join(l, left - 1, k), to = joins ? left - 1 : left;
        l->sizes[to] = joins ? l->sizes[to] * l->sizes[k] : l->sizes[k];
        memmove(l->strides[to], l->strides[k], sizeof l->strides[k]);
        left = to + 1;
    }
    if (left == 0) {
        l->sizes[0] = 1;
        memset(l->strides[0], 0, sizeof l->strides[0]);
        left = 1;
    }
    l->axes = left;
}

static void extent(const Line *l, int i, npy_intp size, uintptr_t *low, uintptr_t *high) {
    *low = *high = (uintptr_t)l->data[i];
    for (int k = 0; k < l->axes; k++) {
        npy_intp reach = l->strides[k][i] * (l->sizes[k] - 1);
        *(reach < 0 ? low : high) += reach;
    }
    *high += size;
}

/* Whether what operand `out` is written to lies apart from what is read, or is the very same elements. */
static int apart(const Line *l, int out, const npy_intp *bytes) {
    uintptr_t low, high, from, to;
    extent(l, out, bytes[out], &low, &high);
    for (int k = 0; k < l->axes; k++)  /* its own elements, too */
        if (labs(l->strides[k][out]) < (k + 1 < l->axes ? labs(l->strides[k + 1][out]) * l->sizes[k + 1] : bytes[out]) &&
            l->sizes[k] > 1)
            return 0;
    for (int i = 0; i < l->count; i++) {
        extent(l, i, bytes[i], &from, &to);
        if (i == out || from >= high || low >= to)
            continue;
        if (l->data[i] != l->data[out] || bytes[i] != bytes[out])
            return 0;
        for (int k = 0; k < l->axes; k++)
            if (l->strides[k][i] != l->strides[k][out])
                return 0;
    }
    return 1;
}

/* Whether NumPy's call is one of its inner loop: contiguous arrays, and numbers. */
static int one_row(const Line *l, const npy_intp *bytes) {
    if (l->axes != 1 || l->sizes[0] < 2)
        return 0;
    for (int i = 0; i < l->count; i++)
        if (l->strides[0][i] != bytes[i] && (i == l->count - 1 || l->strides[0][i] != 0))
            return 0;
    return 1;
}

/* ---- lines ---- */

static int lay_all(Line *l, PyObject *const *given, int out, PyArray_Descr *const *dtypes) {
    npy_intp bytes[OPERANDS];
    PyArrayObject *to = (PyArrayObject *)given[out];
    l->axes = PyArray_NDIM(to);
    if (l->axes > AXES || PyArray_SIZE(to) == 0 || !PyArray_ISWRITEABLE(to))
        return 0;
    memcpy(l->sizes, PyArray_DIMS(to), l->axes * sizeof(npy_intp));
    for (int i = 0; i < l->count; i++) {
        bytes[i] = PyDataType_ELSIZE(dtypes[i]);
        if (PyArray_CheckExact(given[i])) {
            if (!lay(l, i, (PyArrayObject *)given[i]))
                return 0;
            continue;
        }
        if (!number(l, i, given[i], dtypes[i]))
            return 0;
    }
    join_axes(l);
    return apart(l, out, bytes) && (l->flags & EXACT || one_row(l, bytes));
}

/* What a line does, now that its operands are known. 1; 0 if that is not done here; -1 for an error. */
static int take_line(Frame *frame, Statement *s, Line *l) {
    Expression *e = s->expression;
    PyObject *given[OPERANDS], *f = e->parts[0]->value;
    memset(l->data, 0, sizeof l->data);
    memset(l->strides, 0, sizeof l->strides);
    l->count = f == copyto ? 2 : (int)e->count - 1;
    for (int i = 0; i < l->count; i++) {
        Expression *part = e->parts[i + 1];
        given[i] = part->kind == CONSTANT ? part->value : frame->slots[part->number];
        if (given[i] == NULL)
            return 0;
    }
    if (f == copyto) {
        int type = type_of(given[0]);
        if (type < 0 || type == NPY_NOTYPE || type_of(given[1]) != type)
            return 0;
        PyArray_Descr *dtype = PyArray_DESCR((PyArrayObject *)given[0]), *dtypes[2] = {dtype, dtype};
        l->loop = NULL;
        l->flags = EXACT | QUIET;
        l->size = PyDataType_ELSIZE(dtype);
        return lay_all(l, given, 0, dtypes);
    }
    Known *one = PyArray_CheckExact(given[l->count - 1]) ? known_of(f, given, l->count) : NULL;
    if (one == NULL)
        return PyErr_Occurred() ? -1 : 0;
    l->loop = one->loop;
    l->context = one->context;
    l->auxdata = one->auxdata;
    l->flags = one->flags;
    int fits = lay_all(l, given, l->count - 1, one->dtypes);
    if (fits && one->quick != NULL && l->sizes[l->axes - 1] <= SHORT)
        l->loop = one->quick;
    return fits;
}

/* ---- running ---- */

#define COPY(TYPE)                                                                                                       \
    for (npy_intp i = 0; i < n; i++, to += step, of += by)                                                               \
        *(TYPE *)to = *(const TYPE *)of

static void copy_row(char *to, npy_intp step, const char *of, npy_intp by, npy_intp n, npy_intp size) {
    if (step == size && by == size)
        memcpy(to, of, n * size);
    else if (size == 8)
        COPY(int64_t);
    else if (size == 4)
        COPY(int32_t);
    else
        for (npy_intp i = 0; i < n; i++, to += step, of += by)
            memcpy(to, of, size);
}

/* So many rows, from one to the next by `steps`. */
static void run_rows(const Line *l, npy_intp rows, const npy_intp *steps, char *const *data) {
    const npy_intp *n = &l->sizes[l->axes - 1], *strides = l->strides[l->axes - 1];
    char *at[OPERANDS] = {data[0], data[1], data[2], data[3]};
    for (; rows > 0; rows--) {
        if (l->loop != NULL)
            l->loop(l->context, at, n, strides, l->auxdata);
        else
            copy_row(at[0], strides[0], at[1], strides[1], *n, l->size);
        for (int i = 0; i < OPERANDS; i++)
            at[i] += steps[i];
    }
}

static void run_axes(const Line *l, int axis, char *const *data) {
    static const npy_intp none[OPERANDS] = {0};
    int rest = l->axes - axis;
    if (rest <= 2) {
        run_rows(l, rest == 2 ? l->sizes[axis] : 1, rest == 2 ? l->strides[axis] : none, data);
        return;
    }
    char *at[OPERANDS] = {data[0], data[1], data[2], data[3]};
    for (npy_intp turn = 0; turn < l->sizes[axis]; turn++) {
        run_axes(l, axis + 1, at);
        for (int i = 0; i < OPERANDS; i++)
            at[i] += l->strides[axis][i];
    }
}

static int64_t effort_of(const Line *l) {
    int64_t rows = 1;
    for (int k = 0; k < l->axes - 1; k++)
        rows *= l->sizes[k];
    return rows * (l->sizes[l->axes - 1] + ROW);
}

/* The floating-point flags that a line leaves, with those that were up before. */
static int run_line(const Line *l, int raised) {
    if (l->loop == NULL && l->data[0] == l->data[1])
        return raised;
    run_axes(l, 0, l->data);
    if (l->loop == NULL)
        return raised;
    int now = fetestexcept(FE_ALL_EXCEPT);
    if (now && l->flags & QUIET)
        feclearexcept(FE_ALL_EXCEPT);
    return l->flags & QUIET ? raised : raised | now;
}

static int bits_of(int raised) {
    return (raised & FE_INVALID ? 1 : 0) | (raised & FE_DIVBYZERO ? 4 : 0) | (raised & FE_OVERFLOW ? 8 : 0) |
        (raised & FE_UNDERFLOW ? 16 : 0);
}

/* Runs the turns until they are done, flags of the mask are raised or a signal raises: -1 then. */
static int run_turns(const Line *lines, int count, Py_ssize_t turns, long mask, int *bits) {
    int64_t effort = 0, done = 0;
    long long since = 0;
    int answer = 0, raised = 0;
    for (int i = 0; i < count; i++)
        effort += effort_of(&lines[i]);
    PyThreadState *state = effort >= FREE_FROM / turns ? PyEval_SaveThread() : NULL;
    feclearexcept(FE_ALL_EXCEPT);
    for (Py_ssize_t turn = 0; turn < turns && answer == 0 && !(bits_of(raised) & mask); turn++) {
        for (int i = 0; i < count; i++)
            raised = run_line(&lines[i], raised);
        if ((done += effort) < A_WHILE || state == NULL)
            continue;
        done = 0;
        answer = look_around(&state, &since);
    }
    feclearexcept(FE_ALL_EXCEPT);
    if (state != NULL)
        PyEval_RestoreThread(state);
    *bits = bits_of(raised);
    return answer;
}

/* The flags that are to end the call under the error state in force; -1 if this is none that leaves calls to the Python,
 * or for an error. */
static long mask_in_force(void) {
    static PyObject *last;
    static long last_mask;
    PyObject *now;
    if (PyContextVar_Get(error_state, NULL, &now) < 0)
        return -1;
    if (now != last) {
        PyObject *mask = now == NULL ? NULL : PyObject_CallOneArg(mask_of, now);
        if (mask == NULL) {
            Py_XDECREF(now);
            return -1;
        }
        last_mask = PyLong_AsLong(mask);
        Py_DECREF(mask);
        Py_XSETREF(last, Py_NewRef(now));
    }
    Py_DECREF(now);
    return last_mask;
}

int inner_turns(Frame *frame, Statement *loop, Py_ssize_t turns) {
    int count = 0, answer = 0, bits = 0;
    for (Statement *s = loop->body; s != NULL; s = s->next)
        if (++count > MOST_LINES || s->group != INNER)
            return 0;
    if (count == 0 || turns < 2)
        return 0;
    long mask = mask_in_force();
    Line *lines = mask < 0 ? NULL : PyMem_Malloc(count * sizeof(Line));
    if (lines == NULL)
        return PyErr_Occurred() ? -1 : mask < 0 ? 0 : (PyErr_NoMemory(), -1);
    int i = 0;
    for (Statement *s = loop->body; s != NULL; s = s->next, i++)
        if ((answer = take_line(frame, s, &lines[i])) <= 0)
            goto end;
    loops_run++;
    answer = run_turns(lines, count, turns, mask, &bits) < 0 ? -1 : 1;
    if (answer > 0 && bits & mask) {
        PyErr_SetNone(abandon);
        answer = -1;
    }
end:
    PyMem_Free(lines);
    return answer;
}
