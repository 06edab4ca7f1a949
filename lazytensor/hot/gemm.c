/* Products of matrices of float32 and float64 in the order of additions that OpenBLAS has for AVX-512, without the copies
 * that it makes of both: of matrices that lie in the L2 cache it takes as long to make these as to multiply a few rows. Of a
 * right matrix that is transposed three vectors of columns at a time are copied as rows, once for all rows of the left one.
 *
 * OpenBLAS adds up the products of an element of the result in turn, by fused multiplications that begin with 0, but not
 * more of them than a block has; the sums of blocks are added up. Which blocks these are depends on the kind of floats, on
 * the number of its threads, and for small products on the size: `lower/products.py` finds it out for each geometry. Of
 * columns that fill no vector it also multiplies what lies beside them, which may raise flags: those are left to it.
 */
#include "product_loop.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(_WIN32)
#include <immintrin.h>
#define AVX512 __attribute__((target("avx512f")))

/* How matrices lie, in elements: the steps from row to row and along a row of the left one and of the right one, and from row
 * to row of the result. */
typedef struct { npy_intp row, step, width, across, out; int begins; } Tile;

/* `panels` has memory for each part of a product whose right matrix is transposed. */
typedef struct {
    const ProductLoop *own;
    char **data, *panels;
} Job;

enum { PANEL = 3 * 64 };        /* bytes of three vectors: what a panel has of each row */

/* How much of the depth is added up at once, of what is left. */
static npy_intp block_of(const ProductLoop *own, npy_intp left) {
    if (left >= 2 * own->block)
        return own->block;
    return left > own->block ? ((left + 1) / 2 + own->round - 1) / own->round * own->round : left;
}

static npy_intp bytes_of_panel(const ProductLoop *own) {
    return block_of(own, own->sizes[2]) * PANEL;   /* the first block is the largest */
}

/* Whether the right matrix is the transpose of one in C order. */
static int is_transposed(const ProductLoop *own) {
    return own->strides[6] > own->strides[5];
}

static int multiplied(const ProductLoop *own, char **data, const npy_intp *sizes, const npy_intp *strides,
                      int (*part)(void *, int64_t)) {
    int transposed = is_transposed(own), raised = 0;
    int64_t parts = (own->sizes[transposed ? 3 : 1] + own->together - 1) / own->together;
    char *memory = NULL;
    if (data[0] == data[1] || !is_as_compared(own, sizes, strides)   /* x.T @ x has a routine of its own */
        || (transposed && (memory = malloc((size_t)(parts * bytes_of_panel(own)) + 63)) == NULL))
        return own->loop(own->context, data, sizes, strides, own->auxdata);
    Job job = {own, data, (char *)(((uintptr_t)memory + 63) & ~(uintptr_t)63)};
    if (own->parallel != NULL && parts > 1)
        raised = own->parallel(part, &job, parts);
    else
        for (int64_t i = 0; i < parts; i++)
            raised |= part(&job, i);
    free(memory);
    _mm_setcsr(_mm_getcsr() | (unsigned)raised);
    return 0;
}

/* 16 bytes of each of four rows. */
AVX512 static inline __m512 four_rows(const char *from, npy_intp stride) {
    __m512 found = _mm512_castps128_ps512(_mm_loadu_ps((const float *)from));
    found = _mm512_mask_broadcast_f32x4(found, 0x00f0, _mm_loadu_ps((const float *)(from + stride)));
    found = _mm512_mask_broadcast_f32x4(found, 0x0f00, _mm_loadu_ps((const float *)(from + 2 * stride)));
    return _mm512_mask_broadcast_f32x4(found, 0xf000, _mm_loadu_ps((const float *)(from + 3 * stride)));
}

/* 16 rows of 4 floats as columns, which lie `width` floats apart. */
AVX512 static inline void single_transposed_rows(const float *from, npy_intp across, float *to, npy_intp width) {
    npy_intp row = across * (npy_intp)sizeof(float);
    __m512 a = four_rows((const char *)from, 4 * row), b = four_rows((const char *)from + row, 4 * row);
    __m512 c = four_rows((const char *)from + 2 * row, 4 * row), d = four_rows((const char *)from + 3 * row, 4 * row);
    __m512d ab = _mm512_castps_pd(_mm512_unpacklo_ps(a, b)), cd = _mm512_castps_pd(_mm512_unpacklo_ps(c, d));
    __m512d ab_high = _mm512_castps_pd(_mm512_unpackhi_ps(a, b)), cd_high = _mm512_castps_pd(_mm512_unpackhi_ps(c, d));
    _mm512_store_pd(to, _mm512_unpacklo_pd(ab, cd));
    _mm512_store_pd(to + width, _mm512_unpackhi_pd(ab, cd));
    _mm512_store_pd(to + 2 * width, _mm512_unpacklo_pd(ab_high, cd_high));
    _mm512_store_pd(to + 3 * width, _mm512_unpackhi_pd(ab_high, cd_high));
}

/* 8 rows of 2 doubles as columns. */
AVX512 static inline void double_transposed_rows(const double *from, npy_intp across, double *to, npy_intp width) {
    npy_intp row = across * (npy_intp)sizeof(double);
    __m512d a = _mm512_castps_pd(four_rows((const char *)from, 2 * row));
    __m512d b = _mm512_castps_pd(four_rows((const char *)from + row, 2 * row));
    _mm512_store_pd(to, _mm512_unpacklo_pd(a, b));
    _mm512_store_pd(to + width, _mm512_unpackhi_pd(a, b));
}

#define JOINED_(a, b) a##b
#define JOINED(a, b) JOINED_(a, b)

#define FLOAT float
#define VECTOR __m512
#define LANES 16
#define SUFFIX ps
#define WORD "ps"
#define NAME(a, b) single_##a##_##b
#include "gemm_tiles.h"
#undef FLOAT
#undef VECTOR
#undef LANES
#undef SUFFIX
#undef WORD
#undef NAME

#define FLOAT double
#define VECTOR __m512d
#define LANES 8
#define SUFFIX pd
#define WORD "pd"
#define NAME(a, b) double_##a##_##b
#include "gemm_tiles.h"

PyObject *hot_gemm(PyObject *self, PyObject *unused) {
    int has = __builtin_cpu_supports("avx512f");
    return Py_BuildValue("(NN)", PyLong_FromVoidPtr(has ? (void *)single_loop_of : NULL),
                         PyLong_FromVoidPtr(has ? (void *)double_loop_of : NULL));
}
#else
PyObject *hot_gemm(PyObject *self, PyObject *unused) {
    return Py_BuildValue("(ii)", 0, 0);
}
#endif
