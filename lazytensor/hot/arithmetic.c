/* Arithmetic on few floats that are there, from lines that run at once (lines.c).
 *
 * NumPy's operators find out dtypes, shapes and loops at each call, which takes far longer than the arithmetic on ten
 * elements. Sums, differences, products, quotients and roots are what IEEE 754 says, and comparisons are plain: so they are
 * computed here, into new arrays or into memory that may be written to. Where a floating-point error comes up nothing has
 * been done, and NumPy's operator does it all, with its warnings.
 */
#include "hot.h"
#include <math.h>
#include <numpy/arrayscalars.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#else
#include <fenv.h>
#endif

enum { MOST = 500 };   /* elements; up to as many NumPy lets no other thread run meanwhile */

/* An operand: elements that are `step` bytes apart, or a number, whose step is 0 and which has no shape. */
typedef struct {
    const char *data;
    npy_intp count, step;
    int type;           /* NPY_DOUBLE or NPY_FLOAT; NPY_NOTYPE for Python's numbers, which take the other's */
    PyObject *shape;    /* borrowed */
    double number;
    float small;
} Few;

/* ---- floating-point errors -------------------------------------------------------------------------------------------- */

#if defined(__x86_64__)
static int errors(void) {
    return _mm_getcsr() & (_MM_EXCEPT_INVALID | _MM_EXCEPT_DIV_ZERO | _MM_EXCEPT_OVERFLOW | _MM_EXCEPT_UNDERFLOW);
}

static void forget_errors(void) {
    if (errors())
        _mm_setcsr(_mm_getcsr() & ~_MM_EXCEPT_MASK);
}
#else
static int errors(void) {
    return fetestexcept(FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW | FE_UNDERFLOW);
}

static void forget_errors(void) {
    feclearexcept(FE_ALL_EXCEPT);
}
#endif

/* ---- loops ------------------------------------------------------------------------------------------------------------ */

/* They are called by address, so that no compiler moves them to the other side of what is asked of the processor. Each gives
 * whether NumPy has to say what comes of some elements. */
typedef int (*Loop)(const char *x, npy_intp by, const char *y, npy_intp step, void *to, npy_intp n);

#if defined(__GNUC__) && !defined(__clang__)
#define VECTORS __attribute__((optimize("O3")))
#else
#define VECTORS
#endif

#define LOOP(NAME, TYPE, RESULT, VALUE) \
    VECTORS static int NAME##_##TYPE(const char *x, npy_intp by, const char *y, npy_intp step, void *to, npy_intp n) { \
        RESULT *restrict z = to; \
        if (by == sizeof(TYPE) && step == sizeof(TYPE)) { \
            const TYPE *p = (const TYPE *)x, *q = (const TYPE *)y; \
            for (npy_intp i = 0; i < n; i++) { TYPE a = p[i], b = q[i]; (void)b; z[i] = VALUE; } \
        } else if (by == sizeof(TYPE) && step == 0) { \
            const TYPE *p = (const TYPE *)x, b = *(const TYPE *)y; (void)b; \
            for (npy_intp i = 0; i < n; i++) { TYPE a = p[i]; z[i] = VALUE; } \
        } else if (by == 0 && step == sizeof(TYPE)) { \
            const TYPE a = *(const TYPE *)x, *q = (const TYPE *)y; \
            for (npy_intp i = 0; i < n; i++) { TYPE b = q[i]; (void)b; z[i] = VALUE; } \
        } else { \
            for (npy_intp i = 0; i < n; i++, x += by, y += step) { \
                TYPE a = *(const TYPE *)x, b = *(const TYPE *)y; (void)b; z[i] = VALUE; \
            } \
        } \
        return 0; \
    }
/* The larger or smaller of two. Which zero, or NaN, NumPy's loop gives depends on where it is. */
#define EXTREME(NAME, TYPE, BITS, OPERATOR) \
    VECTORS static int NAME##_##TYPE(const char *x, npy_intp by, const char *y, npy_intp step, void *to, npy_intp n) { \
        TYPE *restrict z = to; \
        int open = 0; \
        for (npy_intp i = 0; i < n; i++, x += by, y += step) { \
            TYPE a = *(const TYPE *)x, b = *(const TYPE *)y; \
            BITS p = *(const BITS *)x, q = *(const BITS *)y; \
            open |= !(a < b) & !(a > b) & (p != q); \
            z[i] = a OPERATOR b ? a : b; \
        } \
        return open; \
    }
#define BOTH(NAME, VALUE) LOOP(NAME, double, double, VALUE) LOOP(NAME, float, float, VALUE)
#define COMPARED(NAME, VALUE) LOOP(NAME, double, npy_bool, VALUE) LOOP(NAME, float, npy_bool, VALUE)
BOTH(add, a + b)
BOTH(subtract, a - b)
BOTH(multiply, a * b)
BOTH(divide, a / b)
BOTH(negative, -a)
COMPARED(less, a < b)
COMPARED(less_equal, a <= b)
COMPARED(equal, a == b)
COMPARED(not_equal, a != b)
COMPARED(greater, a > b)
COMPARED(greater_equal, a >= b)
LOOP(absolute, double, double, fabs(a))
LOOP(absolute, float, float, fabsf(a))
BOTH(square, a * a)
BOTH(reciprocal, 1 / a)
EXTREME(maximum, double, npy_uint64, >)
EXTREME(maximum, float, npy_uint32, >)
EXTREME(minimum, double, npy_uint64, <)
EXTREME(minimum, float, npy_uint32, <)
LOOP(square_root, double, double, sqrt(a))
LOOP(square_root, float, float, sqrtf(a))

enum { ADD, SUBTRACT, MULTIPLY, DIVIDE, MAXIMUM, MINIMUM, NEGATIVE, ABSOLUTE, SQUARE, RECIPROCAL, SQUARE_ROOT, COMPARISONS,
       NONE = -1 };
/* comparisons by Py_LT and so on */
static const Loop loops[][2] = {
    {add_double, add_float}, {subtract_double, subtract_float}, {multiply_double, multiply_float},
    {divide_double, divide_float}, {maximum_double, maximum_float}, {minimum_double, minimum_float},
    {negative_double, negative_float}, {absolute_double, absolute_float}, {square_double, square_float},
    {reciprocal_double, reciprocal_float}, {square_root_double, square_root_float}, {less_double, less_float},
    {less_equal_double, less_equal_float}, {equal_double, equal_float}, {not_equal_double, not_equal_float}, {greater_double, greater_float},
    {greater_equal_double, greater_equal_float}};

/* ---- which operation -------------------------------------------------------------------------------------------------- */

static int of_operator(binaryfunc fn) {
    const PyNumberMethods *own = PyArray_Type.tp_as_number;
    return fn == own->nb_multiply || fn == own->nb_inplace_multiply ? MULTIPLY
        : fn == own->nb_add || fn == own->nb_inplace_add ? ADD
        : fn == own->nb_subtract || fn == own->nb_inplace_subtract ? SUBTRACT
        : fn == own->nb_true_divide || fn == own->nb_inplace_true_divide ? DIVIDE : NONE;
}

static int of_ufunc(PyObject *ufunc) {
    static const char *const names[] = {
        "add", "subtract", "multiply", "divide", "maximum", "minimum", "negative", "absolute", "square", "reciprocal", "sqrt",
        "less", "less_equal", "equal", "not_equal", "greater", "greater_equal"};
    enum { COUNT = sizeof names / sizeof *names };
    static PyObject *ufuncs[COUNT];
    if (ufuncs[COUNT - 1] == NULL) {
        PyObject *numpy = PyImport_ImportModule("numpy");
        for (int i = 0; numpy != NULL && i < COUNT; i++)
            Py_XSETREF(ufuncs[i], PyObject_GetAttrString(numpy, names[i]));
        Py_XDECREF(numpy);
        PyErr_Clear();
    }
    for (int i = 0; i < COUNT; i++)
        if (ufuncs[i] == ufunc)
            return i;
    return NONE;
}

/* Whether few floats are computed here by a ufunc of NumPy's. */
int is_arithmetic(PyObject *ufunc) {
    return of_ufunc(ufunc) != NONE;
}

/* ---- operands --------------------------------------------------------------------------------------------------------- */

/* Where the elements of a box lie, if they are a row with one step. */
static int is_row(Few *x, const Box *box, npy_intp size) {
    npy_intp count = 1;
    x->data = box->data;
    x->step = box->nd == 1 ? box->strides[0] : size;
    for (int i = box->nd - 1; i >= 0; i--) {
        if (box->nd > 1 && box->shape[i] != 1 && box->strides[i] != count * size)
            return 0;
        count *= box->shape[i];
        if (count > MOST)
            return 0;
    }
    x->count = count;
    return count > 0 && x->step > 0 && x->step % size == 0 && (size_t)x->data % size == 0;
}

/* A Tensor that is there: 0 where it is not of few floats in a row. `array` is set to the whole memory, borrowed. */
static int few_of_tensor(Few *x, PyObject *tensor, PyArrayObject **array) {
    PyObject *root = realized_root(tensor), *node = root == NULL ? NULL : slot_or_none(root, T._value), *view;
    Box box;
    if (node == NULL)
        return 0;
    *array = (PyArrayObject *)slot_or_none(node, N.buffer);
    x->type = PyArray_TYPE(*array);
    if ((x->type != NPY_DOUBLE && x->type != NPY_FLOAT) || !PyArray_ISNBO(PyArray_DESCR(*array)->byteorder))
        return 0;
    npy_intp size = x->type == NPY_DOUBLE ? 8 : 4;
    if (root == tensor) {
        x->shape = slot_or_none(node, N.shape);
        x->count = PyArray_SIZE(*array);
        x->data = PyArray_BYTES(*array);
        x->step = size;
        if (PyArray_NDIM(*array) > 0 && x->count > 0 && x->count <= MOST && PyArray_ISCARRAY_RO(*array)
            && PyTuple_GET_SIZE(x->shape) == PyArray_NDIM(*array))
            return 1;
        return PyArray_NDIM(*array) == 1 && PyTuple_GET_SIZE(x->shape) == 1 && box_of(&box, (PyObject *)*array)
            && is_row(x, &box, size);
    }
    view = slot_or_none(tensor, T._value);
    x->shape = slot_or_none(view, V.shape);
    return is_current(view, node) && box_of(&box, (PyObject *)*array) && box_through(&box, slot_or_none(view, V.steps))
        && PyTuple_GET_SIZE(x->shape) == box.nd && is_row(x, &box, size);
}

static int few_of(Few *x, PyObject *operand) {
    PyTypeObject *type = Py_TYPE(operand);
    PyArrayObject *array;
    if (type == tensor_type)
        return few_of_tensor(x, operand, &array);
    *x = (Few){.count = 1, .type = NPY_NOTYPE};
    if (type == &PyFloat_Type) {
        x->number = PyFloat_AS_DOUBLE(operand);
        return 1;
    }
    if (type == &PyLong_Type) {
        int overflow;
        long value = PyLong_AsLongAndOverflow(operand, &overflow);
        x->number = (double)value;
        return !overflow && labs(value) <= 1 << 24;   /* which both types hold */
    }
    if (PyType_IsSubtype(type, scalar_type))
        operand = slot_or_none(slot_or_none(operand, S._node), N.buffer);
    if (Py_TYPE(operand) == &PyDoubleArrType_Type) {
        x->type = NPY_DOUBLE;
        x->number = PyArrayScalar_VAL(operand, Double);
        return 1;
    }
    if (Py_TYPE(operand) == &PyFloatArrType_Type) {
        x->type = NPY_FLOAT;
        x->number = PyArrayScalar_VAL(operand, Float);
        return 1;
    }
    return 0;
}

/* A number as one of that type. 0 where NumPy has to warn of that. */
static int settle_number(Few *x, int type) {
    if (x->shape != NULL)
        return x->type == type;
    if (x->type != NPY_NOTYPE && x->type != type)
        return 0;
    x->small = (float)x->number;
    x->data = type == NPY_DOUBLE ? (const char *)&x->number : (const char *)&x->small;
    return type == NPY_DOUBLE || isfinite(x->small) || !isfinite(x->number);
}

/* Whether two operands go together, the elements of arrays one by one; the array is the first, or else the second. */
static int go_together(Few *x, Few *y) {
    const Few *array = x->shape != NULL ? x : y;
    return array->shape != NULL && settle_number(x, array->type) && settle_number(y, array->type)
        && (x->shape == NULL || y->shape == NULL || same_shape(x->shape, y->shape));
}

/* ---- computing -------------------------------------------------------------------------------------------------------- */

/* Whether one operand is a number that is NaN, of a sum or product: which of two NaNs that gives depends on where in NumPy's
 * loop they are. Differences and quotients are always the first; two arrays are not looked through. */
static int is_with_nan(int which, const Few *x, const Few *y) {
    const Few *number = x->shape == NULL ? x : y;
    return (which == ADD || which == MULTIPLY) && number->shape == NULL && isnan(number->number);
}

/* Computes it; 0 where NumPy has to do it. */
static int compute(int which, const Few *x, const Few *y, void *to) {
    const Few *array = x->shape != NULL ? x : y;
    if (is_with_nan(which, x, y))
        return 0;
    forget_errors();
    int open = loops[which][array->type == NPY_FLOAT](x->data, x->step, y->data, y->step, to, array->count);
    if (which < COMPARISONS)
        return !open && !errors();
    forget_errors();   /* that a NaN was compared is none */
    return 1;
}

/* A new Tensor of what is computed; NULL without an error where NumPy has to do it. */
static PyObject *computed_anew(int which, const Few *x, const Few *y) {
    const Few *array = x->shape != NULL ? x : y;
    PyArray_Descr *dtype = PyArray_DescrFromType(which < COMPARISONS ? array->type : NPY_BOOL);
    PyObject *made = dtype == NULL ? NULL : new_result(array->shape, (PyObject *)dtype, Py_None), *result = NULL;
    Py_XDECREF(dtype);
    if (made != NULL && compute(which, x, y, PyArray_DATA((PyArrayObject *)made)))
        result = tensor_over(made, array->shape, Py_None);
    Py_XDECREF(made);
    return result;
}

static int is_small_enough(const Few *x) {
    return runs_now(x->count * (x->type == NPY_FLOAT ? 4 : 8));
}

static PyObject *pair_of_few(int which, PyObject *left, PyObject *right) {
    Few x, y;
    if (which == NONE || !few_of(&x, left) || !few_of(&y, right) || !go_together(&x, &y)
        || !is_small_enough(x.shape != NULL ? &x : &y))
        return NULL;
    return computed_anew(which, &x, &y);
}

static PyObject *one_of_few(int which, PyObject *operand) {
    Few x;
    if (which == NONE || Py_TYPE(operand) != tensor_type || !few_of(&x, operand) || !is_small_enough(&x))
        return NULL;
    return computed_anew(which, &x, &x);
}

/* ``left <op> right``, by the operator of NumPy's arrays, or the comparison `which` where `fn` is NULL, on few floats that are
 * there; NULL without an error where it is not so. */
PyObject *few_by_operator(binaryfunc fn, int which, PyObject *left, PyObject *right) {
    if (fn == raised) {
        int special = special_power(right);
        return one_of_few(special < 0 ? NONE : SQUARE + special, left);
    }
    return pair_of_few(fn == NULL ? COMPARISONS + which : of_operator(fn), left, right);
}

PyObject *few_by_unary(unaryfunc fn, PyObject *operand) {
    const PyNumberMethods *own = PyArray_Type.tp_as_number;
    int which = fn == own->nb_negative ? NEGATIVE : fn == own->nb_absolute ? ABSOLUTE : NONE;
    return one_of_few(which, operand);
}

/* The same for ``ufunc(*operands)``. */
PyObject *few_by_ufunc(PyObject *ufunc, PyObject *const *operands, Py_ssize_t count) {
    int which = count > 2 ? NONE : of_ufunc(ufunc), unary = which >= NEGATIVE && which < COMPARISONS;
    if (which == NONE || unary != (count == 1))
        return NULL;
    return unary ? one_of_few(which, operands[0]) : pair_of_few(which, operands[0], operands[1]);
}

/* ---- into memory ------------------------------------------------------------------------------------------------------ */

static void put_row(const Few *to, const void *from) {
    char *at = (char *)to->data;
    npy_intp size = to->type == NPY_FLOAT ? 4 : 8;
    if (to->step == size)
        memcpy(at, from, to->count * size);
    else if (size == 8)
        for (npy_intp i = 0; i < to->count; i++, at += to->step)
            memcpy(at, (const char *)from + 8 * i, 8);
    else
        for (npy_intp i = 0; i < to->count; i++, at += to->step)
            memcpy(at, (const char *)from + 4 * i, 4);
}

/* ``self <op>= other`` in memory that may be written to, by the operator of NumPy's arrays; whether it is done. */
int few_in_place(binaryfunc fn, PyObject *self, PyObject *other) {
    Few x, y;
    double found[MOST];
    PyArrayObject *array;
    int which = of_operator(fn);
    if (which == NONE || !may_be_written(self) || !few_of_tensor(&x, self, &array) || !PyArray_ISWRITEABLE(array)
        || !few_of(&y, other) || !go_together(&x, &y) || !runs_now(PyArray_NBYTES(array)) || !compute(which, &x, &y, found))
        return 0;
    put_row(&x, found);
    return 1;
}

/* Elements of a row, one after the other. */
static void take_row(const Few *from, void *to) {
    const char *at = from->data;
    npy_intp size = from->type == NPY_FLOAT ? 4 : 8;
    if (from->step == size)
        memcpy(to, at, from->count * size);
    else
        for (npy_intp i = 0; i < from->count; i++, at += from->step)
            memcpy((char *)to + size * i, at, size);
}

/* Whether two rows lie apart: NumPy copies elements of one row that overlap in an order of its own. */
static int lie_apart(const Few *x, const Few *y) {
    return x->data > y->data + y->step * (y->count - 1) || y->data > x->data + x->step * (x->count - 1);
}

/* ``self[index] = value`` for an index of slices and integers and as many floats of the same dtype, in memory that may be
 * written to; whether it is done. */
int few_stored(PyObject *self, PyObject *index, PyObject *value) {
    PyObject *root = realized_root(self), *buffer;
    Few x, y;
    Box box;
    double found[MOST];
    if (root == NULL || Py_TYPE(value) != tensor_type || !few_of(&y, value) || !may_be_written(self))
        return 0;
    buffer = slot_or_none(slot_or_none(root, T._value), N.buffer);
    x = (Few){.type = PyArray_TYPE((PyArrayObject *)buffer)};
    if (x.type != y.type || !PyArray_ISNBO(PyArray_DESCR((PyArrayObject *)buffer)->byteorder)
        || !PyArray_ISWRITEABLE((PyArrayObject *)buffer) || !box_of(&box, buffer)
        || (root != self && !box_through(&box, slot_or_none(slot_or_none(self, T._value), V.steps))) || !box_step(&box, index)
        || !is_row(&x, &box, x.type == NPY_FLOAT ? 4 : 8) || x.count != y.count || box.nd != PyTuple_GET_SIZE(y.shape))
        return 0;
    for (int i = 0; i < box.nd; i++)
        if (box.shape[i] != ssize_of(PyTuple_GET_ITEM(y.shape, i)))
            return 0;
    if (!lie_apart(&x, &y) || !runs_now(PyArray_NBYTES((PyArrayObject *)buffer)))
        return 0;
    take_row(&y, found);
    put_row(&x, found);
    return 1;
}
