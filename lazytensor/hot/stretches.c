/* Sums of rows where a mask is true, as NumPy's `add.reduce` with `where=` gives them.
 *
 * NumPy calls its loop for each stretch of true elements, which gives the stretch's pairwise sum, and adds these up in
 * order. Where stretches are short its time goes into the calls, and into branches that no processor foresees. Here a
 * stretch of fewer than eight elements is summed without a branch for each: what is behind it is read, too, and taken as
 * -0.0, which changes no sum. What raises floating-point flags is left to NumPy, which warns of them.
 */
#include "hot.h"
#include <fenv.h>
#include <string.h>

enum { BLOCK = 128, SHORT = 8 };   /* NumPy's PW_BLOCKSIZE, and what it adds up one by one */

#if defined(__GNUC__)
#define NEXT(bits) __builtin_ctzll(bits)
#else
static int NEXT(uint64_t bits) {
    int n = 0;
    while (!(bits >> n & 1))
        n++;
    return n;
}
#endif

static int how_many(uint64_t bits) {
    bits -= bits >> 1 & 0x5555555555555555ull;
    bits = (bits & 0x3333333333333333ull) + (bits >> 2 & 0x3333333333333333ull);
    return (int)(((bits + (bits >> 4)) & 0x0f0f0f0f0f0f0f0full) * 0x0101010101010101ull >> 56);
}

/* A bit for each of up to 64 bytes of a mask. */
static uint64_t bits_of(const unsigned char *mask, npy_intp n) {
    uint64_t bits = 0;
    if (n < 64) {
        for (npy_intp i = 0; i < n; i++)
            bits |= (uint64_t)(mask[i] != 0) << i;
        return bits;
    }
    for (int i = 0; i < 8; i++) {
        uint64_t eight;
        memcpy(&eight, mask + 8 * i, 8);
        eight = (((eight & 0x7f7f7f7f7f7f7f7full) + 0x7f7f7f7f7f7f7f7full) | eight) >> 7 & 0x0101010101010101ull;
        bits |= (eight * 0x0102040810204080ull >> 56) << 8 * i;   /* each byte is 0 or 1 now */
    }
    return bits;
}

#define STRETCHES(type, word, sign) \
    static type pairwise_##type(const type *a, npy_intp n) { \
        if (n < SHORT) { \
            type sum = -0.0f; \
            for (npy_intp i = 0; i < n; i++) \
                sum += a[i]; \
            return sum; \
        } \
        if (n <= BLOCK) { \
            type r[8]; \
            npy_intp i; \
            for (int k = 0; k < 8; k++) \
                r[k] = a[k]; \
            for (i = 8; i < n - n % 8; i += 8) \
                for (int k = 0; k < 8; k++) \
                    r[k] += a[i + k]; \
            type sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7])); \
            for (; i < n; i++) \
                sum += a[i]; \
            return sum; \
        } \
        npy_intp half = n / 2; \
        half -= half % 8; \
        return pairwise_##type(a, half) + pairwise_##type(a + half, n - half); \
    } \
    \
    /* The k-th element of a stretch of n, or -0.0 behind it. */ \
    static inline type element_##type(const type *a, npy_intp k, npy_intp n) { \
        word bits, inside = (word)0 - (word)(k < n); \
        type value; \
        memcpy(&bits, a + k, sizeof bits); \
        bits = (bits & inside) | (sign & ~inside); \
        memcpy(&value, &bits, sizeof bits); \
        return value; \
    } \
    \
    static inline type stretch_##type(const type *a, npy_intp n, npy_intp left) { \
        if (n >= SHORT || left < SHORT) \
            return pairwise_##type(a, n); \
        type sum = element_##type(a, 0, n); \
        for (int k = 1; k < 4; k++) \
            sum += element_##type(a, k, n); \
        if (n > 4) \
            for (int k = 4; k < SHORT; k++) \
                sum += element_##type(a, k, n); \
        return sum; \
    } \
    \
    static type row_##type(const type *a, const unsigned char *mask, npy_intp n, type sum, npy_intp *count) { \
        npy_intp begin = -1;   /* of a stretch that has not ended */ \
        for (npy_intp at = 0; at < n; at += 64) { \
            uint64_t bits = bits_of(mask + at, n - at < 64 ? n - at : 64); \
            *count += how_many(bits); \
            uint64_t turns = bits ^ (bits << 1 | (begin >= 0)); \
            while (turns) { \
                npy_intp i = at + NEXT(turns); \
                turns &= turns - 1; \
                if (begin < 0) { \
                    if (!turns) { \
                        begin = i; \
                        break; \
                    } \
                    begin = i; \
                    i = at + NEXT(turns); \
                    turns &= turns - 1; \
                } \
                sum += stretch_##type(a + begin, i - begin, n - begin); \
                begin = -1; \
            } \
        } \
        if (begin >= 0) \
            sum += pairwise_##type(a + begin, n - begin); \
        return sum; \
    } \
    \
    static void rows_##type(const type *a, const unsigned char *mask, npy_intp rows, npy_intp n, type *sums, \
                            npy_intp *counts) { \
        for (npy_intp i = 0; i < rows; i++) \
            sums[i] = row_##type(a + i * n, mask + i * n, n, sums[i], counts + i); \
    }

STRETCHES(double, uint64_t, 0x8000000000000000ull)
STRETCHES(float, uint32_t, 0x80000000u)

const char add_stretches_doc[] =
    "add_stretches(array, mask, sums, counts): adds to each of the sums the elements of its part of the array where the\n"
    "mask is true, as NumPy does, and to its count how many they are; False if flags were raised, so that the sums are\n"
    "worth nothing. Arrays in C order: an array of float32 or float64, a mask of its shape, sums of its dtype, of which\n"
    "each has as many elements, and intp for each.";

PyObject *hot_add_stretches(PyObject *self, PyObject *const *args, Py_ssize_t nargs) {
    for (Py_ssize_t i = 0; i < 4; i++)
        if (nargs != 4 || !PyArray_Check(args[i]) || !PyArray_IS_C_CONTIGUOUS((PyArrayObject *)args[i]))
            return PyErr_Format(PyExc_TypeError, "add_stretches takes four arrays in C order");
    PyArrayObject *array = (PyArrayObject *)args[0], *mask = (PyArrayObject *)args[1], *sums = (PyArrayObject *)args[2];
    PyArrayObject *counts = (PyArrayObject *)args[3];
    int type = PyArray_TYPE(array);
    npy_intp rows = PyArray_SIZE(sums), size = PyArray_SIZE(array);
    if ((type != NPY_DOUBLE && type != NPY_FLOAT) || PyArray_TYPE(sums) != type || PyArray_TYPE(mask) != NPY_BOOL ||
        PyArray_SIZE(mask) != size || rows == 0 || size % rows || !PyArray_ISBEHAVED(sums) ||
        PyArray_TYPE(counts) != NPY_INTP || PyArray_SIZE(counts) != rows || !PyArray_ISBEHAVED(counts) ||
        !PyArray_ISBEHAVED_RO(array))
        return PyErr_Format(PyExc_TypeError, "add_stretches takes floats, a mask of their shape, a sum and a count a row");
    const unsigned char *bytes = PyArray_DATA(mask);
    int raised;
    Py_BEGIN_ALLOW_THREADS
    feclearexcept(FE_ALL_EXCEPT);
    if (type == NPY_DOUBLE)
        rows_double(PyArray_DATA(array), bytes, rows, size / rows, PyArray_DATA(sums), PyArray_DATA(counts));
    else
        rows_float(PyArray_DATA(array), bytes, rows, size / rows, PyArray_DATA(sums), PyArray_DATA(counts));
    raised = fetestexcept(FE_OVERFLOW | FE_INVALID | FE_UNDERFLOW | FE_DIVBYZERO);
    feclearexcept(FE_ALL_EXCEPT);
    Py_END_ALLOW_THREADS
    return PyBool_FromLong(!raised);
}
