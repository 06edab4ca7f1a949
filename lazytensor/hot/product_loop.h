/* A loop of NumPy's signature that stands for NumPy's own loop of `matmul`, for one geometry (lower/products.py). */
#ifndef LAZYTENSOR_PRODUCT_LOOP_H
#define LAZYTENSOR_PRODUCT_LOOP_H
#include "hot.h"
#include <stdint.h>

typedef int (*Inner)(void *, char **, const npy_intp *, const npy_intp *, void *);

/* As `lower/products.py` has it: NumPy's loop, what tells how many threads BLAS has, how many these were when the two were
 * compared, and the sizes and strides that they were compared for. Of matrices also: what shares work among threads or
 * NULL (run/workers.py), the order of additions, and how many rows, or columns of a right matrix that is transposed, are
 * computed together. */
typedef struct {
    Inner loop;
    void *context, *auxdata;
    int (*threads)(void);
    int64_t compared;
    npy_intp sizes[4], strides[9];
    int (*parallel)(int (*)(void *, int64_t), void *, int64_t);
    int64_t block, round, begins, together;
} ProductLoop;

static inline int is_as_compared(const ProductLoop *own, const npy_intp *sizes, const npy_intp *strides) {
    for (int i = 0; i < 4; i++)
        if (sizes[i] != own->sizes[i])
            return 0;
    for (int i = 3; i < 9; i++)
        if (strides[i] != own->strides[i])
            return 0;
    return own->threads() == own->compared;
}
#endif
