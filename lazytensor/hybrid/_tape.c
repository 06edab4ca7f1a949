/* Stretches of small steps as a tape: elements read and written, arithmetic between scalars, products of vectors, short
 * rows, under loops whose indices move offsets and lengths. One native call runs it, without Python.
 *
 * A tape is a list of words. An instruction is its head (operation, kind, bytes of an element, a, b, c, loops around it),
 * then its numbers, each as a constant and a coefficient for the index of each loop around it, outermost first.
 * `stretches.py` writes tapes and says what each means; every step is what NumPy would compute, by IEEE 754 or by NumPy's
 * own loop. A new tape is walked once without computing, and refused if it leaves the memory of an array.
 */
#define PY_SSIZE_T_CLEAN
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define PY_ARRAY_UNIQUE_SYMBOL lazytensor_tape_array
#include <Python.h>
#include "_steps.h"
#include <fenv.h>
#include <float.h>
#include <math.h>
#include <numpy/arrayobject.h>
#include <string.h>
#include <structmember.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

enum Operation { LOOP, END, LOAD, STORE, SCALAR, DOT, MAP, COPY, FILL, INDEX, MOVE, QUOTIENT, WEAK, MATH, CALL, CALLS,
                 OPERATIONS };
enum Kind { ADD, SUBTRACT, MULTIPLY, DIVIDE, POWER, NEGATE, ABSOLUTE, SQUARE_ROOT, KINDS };
enum Function { SIN, COS, TAN, EXP, LOG, SQRT, TANH, POW, FUNCTIONS };
enum { HEAD = 7, DEEPEST = 8, PYTHON = 1 };      /* PYTHON: instead of a size, of a float of Python's that is given or taken */
static const int numbers_of[OPERATIONS] = {1, 0, 1, 1, 0, 5, 7, 5, 3, 1, 0, 0, 0, 0, 0, 7};

typedef int64_t word;
typedef int (*Inner)(void *, char **, const npy_intp *, const npy_intp *, void *);

typedef struct {
    Inner loop;
    void *context, *auxdata;
    int inputs, size;            /* of a ufunc's loop, with one output: what it reads, and the bytes of each element */
} NumPy;

typedef struct {
    PyObject_HEAD
    Py_ssize_t words, arrays, slots, inputs, outputs;
    word *code, *low, *high, *bytes, *written;
    double *start;               /* what the slots hold at the beginning: constants */
    word *input, *output;        /* slots, and for outputs the bytes of each */
    NumPy dot[2];                /* of float32 and float64 */
    NumPy *called;               /* loops of ufuncs */
    Py_ssize_t calls;
    int mask;
    PyObject *keep;
    vectorcallfunc call;
} Tape;

static word number(const word *at, int loops, const word *index) {
    word found = at[0];
    for (int i = 0; i < loops; i++)
        found += at[i + 1] * index[i];
    return found;
}

/* ---- arithmetic ---- */

#define ARITHMETIC(TYPE, ROOT, ABS, POW)                                                                                \
    static TYPE scalar_##TYPE(word kind, TYPE x, TYPE y) {                                                              \
        switch (kind) {                                                                                                 \
        case ADD: return x + y;                                                                                         \
        case SUBTRACT: return x - y;                                                                                    \
        case MULTIPLY: return x * y;                                                                                    \
        case DIVIDE: return x / y;                                                                                      \
        case POWER: return POW(x, y);                                                                                   \
        case NEGATE: return -x;                                                                                         \
        case ABSOLUTE: return ABS(x);                                                                                   \
        default: return ROOT(x);                                                                                        \
        }                                                                                                               \
    }                                                                                                                   \
    static void map_##TYPE(word kind, const char *a, word sa, const char *b, word sb, char *c, word sc, word n) {       \
        if (sa == sizeof(TYPE) && sb == sizeof(TYPE) && sc == sizeof(TYPE)) {                                           \
            const TYPE *x = (const TYPE *)a, *y = (const TYPE *)b;                                                      \
            TYPE *z = (TYPE *)c;                                                                                        \
            switch (kind) {                                                                                             \
            case ADD: for (word i = 0; i < n; i++) z[i] = x[i] + y[i]; return;                                          \
            case SUBTRACT: for (word i = 0; i < n; i++) z[i] = x[i] - y[i]; return;                                     \
            case MULTIPLY: for (word i = 0; i < n; i++) z[i] = x[i] * y[i]; return;                                     \
            case DIVIDE: for (word i = 0; i < n; i++) z[i] = x[i] / y[i]; return;                                       \
            }                                                                                                           \
        }                                                                                                               \
        if (sa == 0 && sb == sizeof(TYPE) && sc == sizeof(TYPE) && kind == MULTIPLY) {                                  \
            const TYPE x = *(const TYPE *)a, *y = (const TYPE *)b;                                                      \
            TYPE *z = (TYPE *)c;                                                                                        \
            for (word i = 0; i < n; i++) z[i] = x * y[i];                                                               \
            return;                                                                                                     \
        }                                                                                                               \
        for (word i = 0; i < n; i++, a += sa, b += sb, c += sc)                                                         \
            *(TYPE *)c = scalar_##TYPE(kind, *(const TYPE *)a, *(const TYPE *)b);                                       \
    }
ARITHMETIC(double, sqrt, fabs, pow)
ARITHMETIC(float, sqrtf, fabsf, powf)

static void copy(const char *a, word sa, char *c, word sc, word n, word size) {
    if (sa == size && sc == size)
        memcpy(c, a, n * size);
    else if (size == 8)
        for (word i = 0; i < n; i++, a += sa, c += sc)
            *(int64_t *)c = *(const int64_t *)a;
    else
        for (word i = 0; i < n; i++, a += sa, c += sc)
            *(int32_t *)c = *(const int32_t *)a;
}

/* NumPy's product of two vectors, as its matmul calls its own loop for them. */
static void dot(const NumPy *numpy, char *a, word sa, char *b, word sb, word n, char *out) {
    char *data[3] = {a, b, out};
    const npy_intp sizes[4] = {1, 1, n, 1};
    const npy_intp strides[9] = {0, 0, 0, 0, n == 1 ? 0 : sa, n == 1 ? 0 : sb, 0, 0, 0};
    numpy->loop(numpy->context, data, sizes, strides, numpy->auxdata);
}

/* NumPy's loop of a ufunc. Of numbers it is called with no strides for what it reads, as for arrays without axes. */
static void call(const NumPy *numpy, char *a, word sa, char *b, word sb, char *out, word sout, word n) {
    char *data[3] = {a, numpy->inputs == 2 ? b : out, out};
    const npy_intp sizes[1] = {n}, strides[3] = {sa, numpy->inputs == 2 ? sb : sout, sout};
    numpy->loop(numpy->context, data, sizes, strides, numpy->auxdata);
}

/* ---- numbers of Python's ---- */

/* Python's `x ** y`, where it is a float without more ado; else 0. */
static int power_of(double x, double y, double *out) {
    if (x == 0 || !isfinite(x) || !isfinite(y) || (x < 0 && y != floor(y)))
        return 0;
    double found = pow(fabs(x), y);
    *out = x < 0 && fmod(fabs(y), 2) == 1 ? -found : found;
    return isfinite(found) && found >= DBL_MIN;
}

/* A function of `math`, where it gives a finite number of a finite one; else 0: Python has errors of its own. */
static int of_math(word kind, double x, double y, double *out) {
    if (!isfinite(x))
        return 0;
    switch (kind) {
    case SIN: *out = sin(x); break;
    case COS: *out = cos(x); break;
    case TAN: *out = tan(x); break;
    case EXP: *out = exp(x); break;
    case LOG: *out = x > 0 ? log(x) : NAN; break;
    case SQRT: *out = x >= 0 ? sqrt(x) : NAN; break;
    case TANH: *out = tanh(x); break;
    default: return power_of(x, y, out);
    }
    return isfinite(*out);
}

/* A number of Python's beside float32, where it is one of those without a warning; else 0. */
static int weak(double x, float *out) {
    double size = fabs(x);
    *out = (float)x;
    return x == 0 || !isfinite(x) || (size >= FLT_MIN && size <= FLT_MAX);
}

/* ---- flags ---- */

static int bits_of(int raised) {
    return (raised & FE_INVALID ? 1 : 0) | (raised & FE_DIVBYZERO ? 4 : 0) | (raised & FE_OVERFLOW ? 8 : 0) |
           (raised & FE_UNDERFLOW ? 16 : 0);
}

/* Flags of the loops for float32 and float64, which none but MXCSR has on x86-64; fenv's functions look at the x87's, too. */
#if defined(__x86_64__)
#define SSE_FLAGS 63
static void clear_flags(void) { _mm_setcsr(_mm_getcsr() & ~SSE_FLAGS); }
static int flags_raised(void) { return (int)_mm_getcsr() & (1 | 4 | 8 | 16); }
#else
static void clear_flags(void) { feclearexcept(FE_ALL_EXCEPT); }
static int flags_raised(void) { return bits_of(fetestexcept(FE_ALL_EXCEPT)); }
#endif

/* ---- running ---- */

#define NUMBER(i) number(at + HEAD + (i) * (1 + loops), loops, index)
#define PLACE(x, i) ((x) < 0 ? (char *)(slots + ~(x)) : data[x] + NUMBER(i))

/* Whether it came to the end: if not, there is a number that only Python knows what to do with. `raised` gets the flags that
 * came up before loops of NumPy's, of which some clear them: those of the rest are still there. */
static int run(const Tape *tape, char **data, double *slots, int *raised) {
    word index[DEEPEST], limit[DEEPEST];
    const word *code = tape->code, *at = code, *end = code + tape->words;
    while (at < end) {
        const word op = at[0], kind = at[1], size = at[2], a = at[3], b = at[4], c = at[5];
        const int loops = (int)at[6];
        switch (op) {
        case LOOP:
            index[loops] = 0;
            limit[loops] = NUMBER(0);
            if (limit[loops] <= 0) {
                at = code + c;
                continue;
            }
            break;
        case END:
            if (++index[loops] < limit[loops])
                at = code + c;
            else
                at += HEAD;
            continue;
        case LOAD:
            if (size == 8)
                slots[c] = *(double *)(data[a] + NUMBER(0));
            else
                *(float *)(slots + c) = *(float *)(data[a] + NUMBER(0));
            break;
        case STORE:
            if (size == 8)
                *(double *)(data[c] + NUMBER(0)) = slots[a];
            else
                *(float *)(data[c] + NUMBER(0)) = *(float *)(slots + a);
            break;
        case SCALAR:
            if (size == 8)
                slots[c] = scalar_double(kind, slots[a], slots[b]);
            else
                *(float *)(slots + c) = scalar_float(kind, *(float *)(slots + a), *(float *)(slots + b));
            break;
        case DOT:
            *raised |= flags_raised();
            dot(&tape->dot[size == 8], data[a] + NUMBER(0), NUMBER(1), data[b] + NUMBER(2), NUMBER(3), NUMBER(4),
                (char *)(slots + c));
            break;
        case MAP:
            (size == 8 ? map_double : map_float)(kind, PLACE(a, 0), NUMBER(1), PLACE(b, 2), NUMBER(3),
                                                 data[c] + NUMBER(4), NUMBER(5), NUMBER(6));
            break;
        case COPY:
            copy(data[a] + NUMBER(0), NUMBER(1), data[c] + NUMBER(2), NUMBER(3), NUMBER(4), size);
            break;
        case FILL:
            copy((char *)(slots + a), 0, data[c] + NUMBER(0), NUMBER(1), NUMBER(2), size);
            break;
        case INDEX:
            if (size == 8)
                slots[c] = (double)NUMBER(0);
            else
                *(float *)(slots + c) = (float)NUMBER(0);
            break;
        case MOVE:
            memcpy(slots + c, slots + a, sizeof(double));
            break;
        case QUOTIENT:
            if (slots[b] == 0)
                return 0;
            slots[c] = slots[a] / slots[b];
            break;
        case WEAK:
            if (!weak(slots[a], (float *)(slots + c)))
                return 0;
            break;
        case MATH:
            if (!of_math(kind, slots[a], slots[b], slots + c))
                return 0;
            break;
        case CALL:
            *raised |= flags_raised();
            call(&tape->called[kind], (char *)(slots + a), 0, (char *)(slots + b), 0, (char *)(slots + c), size, 1);
            break;
        case CALLS:
            *raised |= flags_raised();
            call(&tape->called[kind], PLACE(a, 0), NUMBER(1), PLACE(b, 2), NUMBER(3), data[c] + NUMBER(4), NUMBER(5),
                 NUMBER(6));
            break;
        }
        at += HEAD + numbers_of[op] * (1 + loops);
    }
    return 1;
}

/* ---- a new tape is walked once ---- */

static int outside(const Tape *tape, word array, word offset, word stride, word n, word size) {
    word low = offset + (stride < 0 ? stride * (n - 1) : 0), high = offset + (stride > 0 ? stride * (n - 1) : 0) + size;
    return array < 0 || array >= tape->arrays || n < 0 ||
           (n > 0 && (low < tape->low[array] || high > tape->high[array] || offset % size || stride % size));
}

/* Whether what is written shares memory with what is read, without being the very same elements in the same order. */
static int clash(word x, word ox, word sx, word y, word oy, word sy, word n, word size) {
    if (x != y || x < 0 || (ox == oy && sx == sy))
        return 0;
    word lx = ox + (sx < 0 ? sx * (n - 1) : 0), ly = oy + (sy < 0 ? sy * (n - 1) : 0);
    word hx = ox + (sx > 0 ? sx * (n - 1) : 0) + size, hy = oy + (sy > 0 ? sy * (n - 1) : 0) + size;
    return lx < hy && ly < hx;
}

#define SLOT(x) ((x) < 0 || (x) >= tape->slots)
#define OPERAND(x, i, n) ((x) < 0 ? SLOT(~(x)) || NUMBER((i) + 1) != 0 : outside(tape, x, NUMBER(i), NUMBER((i) + 1), n, size))

static int wrong(const Tape *tape, const word *at, int loops, const word *index) {
    const word kind = at[1], size = at[2], a = at[3], b = at[4], c = at[5];
    switch (at[0]) {
    case LOAD:
        return SLOT(c) || outside(tape, a, NUMBER(0), 0, 1, size);
    case STORE:
        return SLOT(a) || outside(tape, c, NUMBER(0), 0, 1, size) || !tape->written[c];
    case SCALAR:
    case QUOTIENT:
    case WEAK:
    case MATH:
        return SLOT(a) || SLOT(b) || SLOT(c);
    case DOT:
        return SLOT(c) || outside(tape, a, NUMBER(0), NUMBER(1), NUMBER(4), size) ||
               outside(tape, b, NUMBER(2), NUMBER(3), NUMBER(4), size) || tape->dot[size == 8].loop == NULL;
    case CALL:
        return SLOT(a) || SLOT(b) || SLOT(c) || tape->called[kind].size != size;
    case CALLS:
        if (tape->called[kind].size != size)
            return 1;
        /* fall through */
    case MAP: {
        word n = NUMBER(6);
        return (at[0] == MAP && kind > DIVIDE) || OPERAND(a, 0, n) || OPERAND(b, 2, n) ||
               outside(tape, c, NUMBER(4), NUMBER(5), n, size) ||
               (n > 0 && (!tape->written[c] || clash(a, NUMBER(0), NUMBER(1), c, NUMBER(4), NUMBER(5), n, size) ||
                          clash(b, NUMBER(2), NUMBER(3), c, NUMBER(4), NUMBER(5), n, size)));
    }
    case COPY: {
        word n = NUMBER(4);
        return outside(tape, a, NUMBER(0), NUMBER(1), n, size) || outside(tape, c, NUMBER(2), NUMBER(3), n, size) ||
               (n > 0 && (!tape->written[c] || clash(a, NUMBER(0), NUMBER(1), c, NUMBER(2), NUMBER(3), n, size)));
    }
    case INDEX: {
        word most = size == 8 ? (word)1 << 53 : (word)1 << 24;  /* what is exact */
        return SLOT(c) || NUMBER(0) > most || NUMBER(0) < -most;
    }
    case MOVE:
        return SLOT(a) || SLOT(c);
    default: {
        word n = NUMBER(2);
        return SLOT(a) || outside(tape, c, NUMBER(0), NUMBER(1), n, size) || (n > 0 && !tape->written[c]);
    }
    }
}

static int walk(const Tape *tape) {
    word index[DEEPEST], limit[DEEPEST];
    const word *code = tape->code, *at = code, *end = code + tape->words;
    int open = 0;
    while (at < end) {
        if (end - at < HEAD || at[0] < 0 || at[0] >= OPERATIONS || at[1] < 0 ||
            at[1] >= (at[0] >= CALL ? tape->calls : at[0] == MATH ? (word)FUNCTIONS : (word)KINDS) || (at[2] != 4 && at[2] != 8) || at[6] < 0 || at[6] >= DEEPEST)
            return -1;
        const int loops = (int)at[6];
        const word length = HEAD + numbers_of[at[0]] * (1 + loops);
        if (end - at < length || loops != open - (at[0] == END))
            return -1;
        if (at[0] == LOOP) {
            index[loops] = 0;
            limit[loops] = NUMBER(0);
            if (at[5] < at - code + length + HEAD || at[5] > tape->words || code[at[5] - HEAD] != END)
                return -1;
            if (limit[loops] <= 0) {  /* what is in it is not seen now, and does not run then */
                at = code + at[5];
                continue;
            }
            open++;
        }
        else if (at[0] == END) {
            if (at[5] < 0 || at[5] >= at - code)
                return -1;
            if (++index[loops] < limit[loops]) {
                at = code + at[5];
                continue;
            }
            open--;
        }
        else if (wrong(tape, at, loops, index))
            return -1;
        at += length;
    }
    return open ? -1 : 0;
}

/* ---- the object ---- */

static PyObject *outputs(const Tape *tape, double *slots) {
    PyObject *result = PyTuple_New(tape->outputs);
    for (Py_ssize_t i = 0; result != NULL && i < tape->outputs; i++) {
        const word size = tape->output[2 * i + 1];
        double *slot = slots + tape->output[2 * i];
        PyObject *value;
        if (size == PYTHON) {
            value = PyFloat_FromDouble(*slot);
        } else {
            PyArray_Descr *dtype = PyArray_DescrFromType(size == 8 ? NPY_DOUBLE : NPY_FLOAT);
            value = PyArray_Scalar(slot, dtype, NULL);
            Py_DECREF(dtype);
        }
        if (value == NULL)
            Py_CLEAR(result);
        else
            PyTuple_SET_ITEM(result, i, value);
    }
    return result;
}

static PyObject *tape_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names) {
    Tape *tape = (Tape *)self;
    if (PyVectorcall_NARGS(nargsf) != tape->arrays + tape->inputs || names != NULL) {
        PyErr_SetString(PyExc_TypeError, "a tape takes its arrays and its numbers");
        return NULL;
    }
    char **data = PyMem_Malloc(tape->arrays * sizeof(char *) + (tape->slots + 1) * sizeof(double));
    if (data == NULL)
        return PyErr_NoMemory();
    double *slots = (double *)(data + tape->arrays);
    memcpy(slots, tape->start, tape->slots * sizeof(double));
    for (Py_ssize_t i = 0; i < tape->arrays; i++) {
        PyArrayObject *array = (PyArrayObject *)args[i];
        if (!PyArray_CheckExact(args[i]) || PyArray_NBYTES(array) != tape->bytes[i] || !PyArray_ISALIGNED(array) ||
            (tape->written[i] && !PyArray_ISWRITEABLE(array)))
            goto none;
        data[i] = PyArray_BYTES(array);
    }
    for (Py_ssize_t i = 0; i < tape->inputs; i++) {
        PyObject *value = args[tape->arrays + i];
        word size = tape->input[2 * i + 1];
        if (size == PYTHON) {
            if (!PyFloat_CheckExact(value))
                goto none;
            slots[tape->input[2 * i]] = PyFloat_AS_DOUBLE(value);
            continue;
        }
        if (!(size == 8 ? PyArray_IsScalar(value, Double) : PyArray_IsScalar(value, Float)))
            goto none;
        PyArray_ScalarAsCtype(value, slots + tape->input[2 * i]);
    }
    int raised = 0, ended;
    Py_BEGIN_ALLOW_THREADS
    feclearexcept(FE_ALL_EXCEPT);
    ended = run(tape, data, slots, &raised);
    raised |= bits_of(fetestexcept(FE_ALL_EXCEPT));
    feclearexcept(FE_ALL_EXCEPT);
    Py_END_ALLOW_THREADS
    PyObject *result = !ended || raised & tape->mask ? Py_NewRef(Py_None) : outputs(tape, slots);
    PyMem_Free(data);
    return result;
none:
    PyMem_Free(data);
    Py_RETURN_NONE;
}

static void tape_dealloc(PyObject *self) {
    Tape *tape = (Tape *)self;
    PyMem_Free(tape->code);
    PyMem_Free(tape->low);
    PyMem_Free(tape->start);
    PyMem_Free(tape->input);
    PyMem_Free(tape->called);
    Py_XDECREF(tape->keep);
    Py_TYPE(self)->tp_free(self);
}

/* Bytes as words, copied; NULL with an exception. */
static word *words_of(PyObject *bytes, Py_ssize_t *count) {
    *count = PyBytes_GET_SIZE(bytes) / (Py_ssize_t)sizeof(word);
    word *found = PyMem_Malloc((*count + 1) * sizeof(word));
    if (found == NULL)
        PyErr_NoMemory();
    else
        memcpy(found, PyBytes_AS_STRING(bytes), *count * sizeof(word));
    return found;
}

static PyObject *tape_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    PyObject *code, *arrays, *start, *input, *output, *called, *keep;
    Py_ssize_t count, of_input, of_output;
    int mask;
    unsigned long long loops[6];
    if (!PyArg_ParseTuple(args, "O!O!O!O!O!i(KKKKKK)O!O", &PyBytes_Type, &code, &PyBytes_Type, &arrays, &PyBytes_Type,
                          &start, &PyBytes_Type, &input, &PyBytes_Type, &output, &mask, loops, loops + 1, loops + 2,
                          loops + 3, loops + 4, loops + 5, &PyTuple_Type, &called, &keep))
        return NULL;
    Tape *tape = (Tape *)type->tp_alloc(type, 0);
    if (tape == NULL)
        return NULL;
    tape->call = tape_call;
    tape->keep = Py_NewRef(keep);
    tape->mask = mask;
    for (int i = 0; i < 2; i++)
        tape->dot[i] = (NumPy){(Inner)(uintptr_t)loops[3 * i], (void *)(uintptr_t)loops[3 * i + 1],
                               (void *)(uintptr_t)loops[3 * i + 2], 2, i ? 8 : 4};
    tape->calls = PyTuple_GET_SIZE(called);
    if ((tape->called = PyMem_Malloc((tape->calls + 1) * sizeof(NumPy))) == NULL) {
        Py_DECREF(tape);
        return PyErr_NoMemory();
    }
    for (Py_ssize_t i = 0; i < tape->calls; i++) {
        NumPy *one = &tape->called[i];
        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(called, i), "KKKii", loops, loops + 1, loops + 2, &one->inputs,
                              &one->size)) {
            Py_DECREF(tape);
            return NULL;
        }
        one->loop = (Inner)(uintptr_t)loops[0], one->context = (void *)(uintptr_t)loops[1];
        one->auxdata = (void *)(uintptr_t)loops[2];
    }
    PyObject *ends = PySequence_Concat(input, output);
    if (ends == NULL || (tape->code = words_of(code, &tape->words)) == NULL || (tape->low = words_of(arrays, &count)) == NULL ||
        (tape->input = words_of(ends, &of_output)) == NULL ||
        (tape->start = (double *)words_of(start, &tape->slots)) == NULL) {
        Py_XDECREF(ends);
        Py_DECREF(tape);
        return NULL;
    }
    Py_DECREF(ends);
    of_input = PyBytes_GET_SIZE(input) / (Py_ssize_t)sizeof(word);
    tape->arrays = count / 4;
    tape->high = tape->low + tape->arrays;
    tape->bytes = tape->high + tape->arrays;
    tape->written = tape->bytes + tape->arrays;
    tape->inputs = of_input / 2;
    tape->output = tape->input + of_input;
    tape->outputs = (of_output - of_input) / 2;
    int bad = 0;
    for (Py_ssize_t i = 0; i < tape->calls; i++)
        bad |= tape->called[i].loop == NULL || tape->called[i].inputs < 1 || tape->called[i].inputs > 2;
    bad |= walk(tape);
    for (Py_ssize_t i = 0; i < of_output; i += 2)
        bad |= SLOT(tape->input[i]) ||
               (tape->input[i + 1] != 4 && tape->input[i + 1] != 8 && tape->input[i + 1] != PYTHON);
    if (bad) {
        Py_DECREF(tape);
        PyErr_SetString(PyExc_ValueError, "not a tape, or one that leaves its arrays");
        return NULL;
    }
    return (PyObject *)tape;
}

static PyMemberDef tape_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Tape, call), READONLY, NULL},
    {"words", T_PYSSIZET, offsetof(Tape, words), READONLY, "how long it is"},
    {NULL},
};

static PyTypeObject Tape_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "lazytensor.hybrid._tape.Tape",
    .tp_doc = "Tape(code, arrays, start, inputs, outputs, mask, loops, called, keep): called with its arrays and numbers, "
              "gives the outputs in one tuple; None if a floating-point flag of the mask came up, or an array is not as it "
              "was.",
    .tp_basicsize = sizeof(Tape),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_vectorcall_offset = offsetof(Tape, call),
    .tp_call = PyVectorcall_Call,
    .tp_new = tape_new,
    .tp_dealloc = tape_dealloc,
    .tp_members = tape_members,
};

/* ---- a product of matrices, without the way to it ---- */

enum { FREE_FROM = 1 << 17 };    /* multiplications from which on the GIL is released: some 5 us */

typedef struct {
    PyObject_HEAD
    NumPy numpy;
    npy_intp sizes[4], strides[9], bytes[3];
    double work;
    int mask;
    PyObject *keep;
    vectorcallfunc call;
} Product;

static PyObject *product_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names) {
    Product *product = (Product *)self;
    if (PyVectorcall_NARGS(nargsf) != 3 || names != NULL) {
        PyErr_SetString(PyExc_TypeError, "a product takes two arrays and the one for the result");
        return NULL;
    }
    char *data[3];
    for (int i = 0; i < 3; i++) {
        PyArrayObject *array = (PyArrayObject *)args[i];
        if (!PyArray_CheckExact(args[i]) || PyArray_NBYTES(array) != product->bytes[i] || !PyArray_ISALIGNED(array) ||
            (i == 2 && !PyArray_ISWRITEABLE(array)))
            Py_RETURN_TRUE;
        data[i] = PyArray_BYTES(array);
    }
    PyThreadState *state = product->work >= FREE_FROM ? PyEval_SaveThread() : NULL;
    clear_flags();
    product->numpy.loop(product->numpy.context, data, product->sizes, product->strides, product->numpy.auxdata);
    int raised = flags_raised() & product->mask;
    if (raised)
        clear_flags();
    if (state != NULL)
        PyEval_RestoreThread(state);
    return PyBool_FromLong(raised);
}

static PyObject *product_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    unsigned long long loop[3];
    long long n[3], s[6], bytes[3];
    int mask;
    PyObject *keep;
    if (!PyArg_ParseTuple(args, "(KKK)(LLL)(LLLLLL)(LLL)iO", loop, loop + 1, loop + 2, n, n + 1, n + 2, s, s + 1, s + 2, s + 3,
                          s + 4, s + 5, bytes, bytes + 1, bytes + 2, &mask, &keep))
        return NULL;
    if (loop[0] == 0 || n[0] < 0 || n[1] < 0 || n[2] < 0) {
        PyErr_SetString(PyExc_ValueError, "not a product");
        return NULL;
    }
    Product *product = (Product *)type->tp_alloc(type, 0);
    if (product == NULL)
        return NULL;
    product->numpy = (NumPy){(Inner)(uintptr_t)loop[0], (void *)(uintptr_t)loop[1], (void *)(uintptr_t)loop[2]};
    product->sizes[0] = 1;
    product->work = (double)n[0] * (double)n[1] * (double)n[2];
    for (int i = 0; i < 3; i++) {
        product->sizes[i + 1] = (npy_intp)n[i];
        product->bytes[i] = (npy_intp)bytes[i];
    }
    for (int i = 0; i < 6; i++)
        product->strides[i + 3] = (npy_intp)s[i];
    product->mask = mask;
    product->keep = Py_NewRef(keep);
    product->call = product_call;
    return (PyObject *)product;
}

static void product_dealloc(PyObject *self) {
    Py_XDECREF(((Product *)self)->keep);
    Py_TYPE(self)->tp_free(self);
}

static PyMemberDef product_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Product, call), READONLY, NULL},
    {NULL},
};

static PyTypeObject Product_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "lazytensor.hybrid._tape.Product",
    .tp_doc = "Product(loop, sizes, strides, bytes, mask, keep): called with two arrays and one for the result, runs NumPy's "
              "loop; True if a floating-point flag of the mask came up, or an array is not as it was.",
    .tp_basicsize = sizeof(Product),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_vectorcall_offset = offsetof(Product, call),
    .tp_call = PyVectorcall_Call,
    .tp_new = product_new,
    .tp_dealloc = product_dealloc,
    .tp_members = product_members,
};

static PyMethodDef functions[] = {
    {"taken", taken, METH_VARARGS, "taken(books, records, after, i, slots): as Stretch.take, from record i on; gives the first "
                                   "record that it did not take, and the slots there are."},
    {NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_tape", "See _tape.c.", -1, functions};

PyMODINIT_FUNC PyInit__tape(void) {
    PyObject *m;
    import_array();
    if (setup_steps() < 0 || PyType_Ready(&Tape_Type) < 0 || PyType_Ready(&Product_Type) < 0 || (m = PyModule_Create(&module)) == NULL)
        return NULL;
    if (PyModule_AddObjectRef(m, "Tape", (PyObject *)&Tape_Type) < 0 ||
        PyModule_AddObjectRef(m, "Product", (PyObject *)&Product_Type) < 0) {
        Py_DECREF(m);
        return NULL;
    }
    return m;
}
