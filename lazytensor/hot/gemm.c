/* Products of matrices of float32 and float64 in the order of additions that OpenBLAS has for AVX-512, without the copies
 * that it makes of both: of matrices that lie in the L2 cache it takes as long to make these as to multiply a few rows.
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

/* How matrices lie, in elements: the steps from row to row and along a row of the left one, from row to row of the right
 * one, and of the result. */
typedef struct { npy_intp row, step, width, out; int begins; } Tile;

typedef struct {
    const ProductLoop *own;
    char **data;
} Job;

/* How much of the depth is added up at once, of what is left. */
static npy_intp block_of(const ProductLoop *own, npy_intp left) {
    if (left >= 2 * own->block)
        return own->block;
    return left > own->block ? ((left + 1) / 2 + own->round - 1) / own->round * own->round : left;
}

static int multiplied(const ProductLoop *own, char **data, const npy_intp *sizes, const npy_intp *strides,
                      int (*part)(void *, int64_t)) {
    if (data[0] == data[1] || !is_as_compared(own, sizes, strides))   /* x.T @ x has a routine of its own */
        return own->loop(own->context, data, sizes, strides, own->auxdata);
    Job job = {own, data};
    int64_t parts = (own->sizes[1] + own->rows - 1) / own->rows;
    int raised = 0;
    if (own->parallel != NULL && parts > 1)
        raised = own->parallel(part, &job, parts);
    else
        for (int64_t i = 0; i < parts; i++)
            raised |= part(&job, i);
    _mm_setcsr(_mm_getcsr() | (unsigned)raised);
    return 0;
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
