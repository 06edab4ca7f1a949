/* Products of a row and a matrix of float32 in the order of additions that OpenBLAS has for AVX-512, but on whole cache lines
 * and with the sums in registers: a matrix that lies in the L2 cache is read at nearly the speed of that.
 *
 * OpenBLAS (`sgemv_n` of its kernels for SkylakeX) takes eight rows of the matrix at a time, adds up their products by fused
 * multiplications, beginning with 0, and adds that sum to the result; then four, two and one of those that are left.
 * Of at most 48 rows, but 4, it adds up all. Whether NumPy's BLAS is one that does so is found out for each shape by
 * `lower/products.py`, which makes a `ProductLoop`.
 */
#include "product_loop.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(_WIN32)
#include <immintrin.h>
#define AVX512 __attribute__((target("avx512f")))

enum { ANYWHERE = 1 << 14 };     /* elements of a matrix that need not begin at a cache line: it lies in the L1 cache */

/* x times 16 columns of a row: what is in memory comes second, so that of two NaNs it gives the one that OpenBLAS does. */
#define TIMES(sum, x, from) __asm__("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(x), "m"(*(const __m512 *)(from)))

/* A block of rows that are added up together, for K vectors of columns. The address is not to be known: GCC would keep one
 * for each vector. */
#define BLOCK(K, ROWS)                                                                                                  \
    {                                                                                                                   \
        __m512 own[K];                                                                                                  \
        _Pragma("GCC unroll 8") for (int k = 0; k < K; k++) own[k] = _mm512_setzero_ps();                               \
        _Pragma("GCC unroll 8") for (npy_intp row = 0; row < ROWS; row++) {                                             \
            __m512 factor = _mm512_set1_ps(x[row]);                                                                     \
            __asm__("" : "+r"(a));                                                                                      \
            _Pragma("GCC unroll 8") for (int k = 0; k < K; k++) TIMES(own[k], factor, a + 16 * k);                      \
            a += columns;                                                                                               \
        }                                                                                                               \
        x += ROWS;                                                                                                      \
        _Pragma("GCC unroll 8") for (int k = 0; k < K; k++) all[k] = _mm512_add_ps(own[k], all[k]);                     \
    }

#define COLUMNS(K)                                                                                                      \
    AVX512 static void columns_##K(const float *x, const float *a, npy_intp rows, npy_intp columns, float *y) {         \
        __m512 all[K];                                                                                                  \
        _Pragma("GCC unroll 8") for (int k = 0; k < K; k++) all[k] = _mm512_setzero_ps();                               \
        if (rows <= 48 && rows != 4)                                                                                    \
            BLOCK(K, rows)                                                                                              \
        else {                                                                                                          \
            for (npy_intp left = rows >> 3; left > 0; left--)                                                           \
                BLOCK(K, 8)                                                                                             \
            if (rows & 4)                                                                                               \
                BLOCK(K, 4)                                                                                             \
            if (rows & 2)                                                                                               \
                BLOCK(K, 2)                                                                                             \
            if (rows & 1)                                                                                               \
                BLOCK(K, 1)                                                                                             \
        }                                                                                                               \
        _Pragma("GCC unroll 8") for (int k = 0; k < K; k++) _mm512_storeu_ps(y + 16 * k, all[k]);                       \
    }
COLUMNS(8)
COLUMNS(4)
COLUMNS(2)
COLUMNS(1)

static void gemv(const float *x, const float *a, npy_intp rows, npy_intp columns, float *y) {
    npy_intp i = 0;
    for (; i + 128 <= columns; i += 128)
        columns_8(x, a + i, rows, columns, y + i);
    if (columns & 64) {
        columns_4(x, a + i, rows, columns, y + i);
        i += 64;
    }
    if (columns & 32) {
        columns_2(x, a + i, rows, columns, y + i);
        i += 32;
    }
    if (columns & 16)
        columns_1(x, a + i, rows, columns, y + i);
}

static int gemv_loop(void *context, char **data, const npy_intp *sizes, const npy_intp *strides, void *auxdata) {
    const ProductLoop *own = context;
    if (((uintptr_t)data[1] & 63 && sizes[2] * sizes[3] > ANYWHERE) || !is_as_compared(own, sizes, strides))
        return own->loop(own->context, data, sizes, strides, own->auxdata);
    gemv((const float *)data[0], (const float *)data[1], sizes[2], sizes[3], (float *)data[2]);
    return 0;
}

PyObject *hot_gemv(PyObject *self, PyObject *unused) {
    return PyLong_FromVoidPtr(__builtin_cpu_supports("avx512f") ? (void *)gemv_loop : NULL);
}
#else
PyObject *hot_gemv(PyObject *self, PyObject *unused) {
    return PyLong_FromLong(0);
}
#endif
