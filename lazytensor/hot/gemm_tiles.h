/* Tiles of a product of matrices, for one kind of floats: included by gemm.c with FLOAT, VECTOR, LANES, SUFFIX (of
 * intrinsics), WORD (of an instruction) and NAME (of functions). */

#define SUFFIXED(name) JOINED(name, SUFFIX)
#define EACH _Pragma("GCC unroll 8") for

/* sum + x * row, the factor of the left matrix first: of two NaNs OpenBLAS gives its. */
#define TIMES(sum, x, row) __asm__("vfmadd231" WORD " %2, %1, %0" : "+v"(sum) : "v"(x), "v"(row))

/* R rows of a result and K vectors of its columns. `add` says whether they are added to what is there; else they are added
 * to 0 if that is the order, which makes -0 of an underflow 0. */
#define TILE(R, K)                                                                                                      \
    AVX512 static void NAME(R, K)(const Tile *t, const FLOAT *a, const FLOAT *b, FLOAT *c, npy_intp depth, int add) {   \
        VECTOR sums[R][K];                                                                                              \
        EACH (int i = 0; i < R; i++)                                                                                    \
            EACH (int k = 0; k < K; k++) sums[i][k] = SUFFIXED(_mm512_setzero_)();                                      \
        for (npy_intp p = 0; p < depth; p++, a += t->step, b += t->width) {                                             \
            VECTOR row[K];                                                                                              \
            EACH (int k = 0; k < K; k++) row[k] = SUFFIXED(_mm512_loadu_)(b + LANES * k);                               \
            EACH (int i = 0; i < R; i++) {                                                                              \
                VECTOR x = SUFFIXED(_mm512_set1_)(a[i * t->row]);                                                       \
                EACH (int k = 0; k < K; k++) TIMES(sums[i][k], x, row[k]);                                              \
            }                                                                                                           \
        }                                                                                                               \
        EACH (int i = 0; i < R; i++, c += t->out)                                                                       \
            EACH (int k = 0; k < K; k++) {                                                                              \
                FLOAT *to = c + LANES * k;                                                                              \
                if (add)                                                                                                \
                    sums[i][k] = SUFFIXED(_mm512_add_)(SUFFIXED(_mm512_loadu_)(to), sums[i][k]);                        \
                else if (t->begins)                                                                                     \
                    sums[i][k] = SUFFIXED(_mm512_add_)(SUFFIXED(_mm512_setzero_)(), sums[i][k]);                        \
                SUFFIXED(_mm512_storeu_)(to, sums[i][k]);                                                               \
            }                                                                                                           \
    }
TILE(8, 3)
TILE(4, 3)
TILE(2, 3)
TILE(1, 3)
TILE(8, 2)
TILE(4, 2)
TILE(2, 2)
TILE(1, 2)
TILE(8, 1)
TILE(4, 1)
TILE(2, 1)
TILE(1, 1)

/* All tiles of so many rows and K vectors of columns. */
#define ROWS(K)                                                                                                         \
    {                                                                                                                   \
        npy_intp i = 0;                                                                                                 \
        for (; i + 8 <= rows; i += 8)                                                                                   \
            NAME(8, K)(t, a + i * t->row, from, c + i * t->out, depth, add);                               \
        if (rows & 4) {                                                                                                 \
            NAME(4, K)(t, a + i * t->row, from, c + i * t->out, depth, add);                               \
            i += 4;                                                                                                     \
        }                                                                                                               \
        if (rows & 2) {                                                                                                 \
            NAME(2, K)(t, a + i * t->row, from, c + i * t->out, depth, add);                               \
            i += 2;                                                                                                     \
        }                                                                                                               \
        if (rows & 1)                                                                                                   \
            NAME(1, K)(t, a + i * t->row, from, c + i * t->out, depth, add);                               \
    }

/* A panel: K vectors of the columns of a right matrix whose columns lie in memory as rows. */
AVX512 static void NAME(panel, of)(const FLOAT *b, npy_intp across, npy_intp depth, int K, FLOAT *to) {
    enum { TOGETHER = 16 / sizeof(FLOAT) };
    for (int k = 0; k < K; k++, b += LANES * across, to += LANES) {
        npy_intp p = 0;
        for (; p + TOGETHER <= depth; p += TOGETHER)
            NAME(transposed, rows)(b + p, across, to + p * K * LANES, K * LANES);
        for (; p < depth; p++)
            for (int i = 0; i < LANES; i++)
                to[p * K * LANES + i] = b[p + i * across];
    }
}

static void NAME(columns, of)(const Tile *whole, const FLOAT *a, const FLOAT *b, FLOAT *c, npy_intp rows, npy_intp columns,
                              npy_intp depth, int add, FLOAT *panel) {
    for (npy_intp left = columns / LANES, K; left > 0; left -= K) {
        Tile tile = *whole, *t = &tile;
        const FLOAT *from = b;
        K = left < 3 ? left : 3;
        if (panel != NULL) {
            NAME(panel, of)(b, t->across, depth, (int)K, panel);
            from = panel;
            t->width = K * LANES;
        }
        if (K == 3)
            ROWS(3)
        else if (K == 2)
            ROWS(2)
        else
            ROWS(1)
        b += K * LANES * t->across;
        c += K * LANES;
    }
}

/* A part of the rows of a product, or of its columns: a job for a worker. Gives the flags that it raised. */
static int NAME(part, of)(void *arg, int64_t number) {
    const Job *job = arg;
    const ProductLoop *own = job->own;
    const npy_intp size = (npy_intp)sizeof(FLOAT), *steps = own->strides;
    npy_intp rows = own->sizes[1], depth = own->sizes[2], columns = own->sizes[3], first = number * own->together;
    Tile t = {steps[3] / size, steps[4] / size, steps[5] / size, steps[6] / size, columns, (int)own->begins};
    const FLOAT *a = (const FLOAT *)job->data[0], *b = (const FLOAT *)job->data[1];
    FLOAT *c = (FLOAT *)job->data[2], *panel = NULL;
    if (is_transposed(own)) {
        b += first * t.across;
        c += first;
        columns = columns - first < own->together ? columns - first : own->together;
        panel = (FLOAT *)(job->panels + number * bytes_of_panel(own));
    } else {
        a += first * t.row;
        c += first * t.out;
        rows = rows - first < own->together ? rows - first : own->together;
    }
    unsigned before = _mm_getcsr(), raised;
    _mm_setcsr(before & ~63u);
    for (npy_intp done = 0, here; done < depth; done += here) {
        here = block_of(own, depth - done);
        NAME(columns, of)(&t, a + done * t.step, b + done * t.width, c, rows, columns, here, done > 0, panel);
    }
    raised = _mm_getcsr() & 63u;
    _mm_setcsr(before);
    return (int)raised;
}

static int NAME(loop, of)(void *context, char **data, const npy_intp *sizes, const npy_intp *strides, void *auxdata) {
    return multiplied(context, data, sizes, strides, NAME(part, of));
}

#undef SUFFIXED
#undef EACH
#undef TIMES
#undef TILE
#undef ROWS
