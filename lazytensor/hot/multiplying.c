/* Products of matrices that are no part of a compiled function: what comes up often has a loop of lazytensor's own, if there is
 * one for its geometry (lower/products.py). To compare that with NumPy's takes 2 to 50 ms, so geometries have to take about as
 * long before. The rest, and what raised flags of which somebody is to be warned, is NumPy's own call. */
#include "product_loop.h"
#include <fenv.h>

enum { SETS = 32, WAYS = 4, ENOUGH = 1 << 30, FREE_FROM = 1 << 18 };
enum { LEAST_ROW = 1 << 12, LEAST = 1 << 15 };   /* multiplications; below, it is not worth a look at the table */

typedef struct { npy_intp type, sizes[3], strides[4]; } Geometry;

/* How many multiplications products of a geometry have made; from ENOUGH on `keep` holds the loop, and is NULL if there is
 * none. */
typedef struct {
    Geometry geometry;
    double made;
    Inner loop;
    void *context, *auxdata;
    PyObject *keep;
} Known;

static Known table[SETS][WAYS];

static double work_of(const Geometry *g) {
    return (double)g->sizes[0] * (double)g->sizes[1] * (double)g->sizes[2];
}

/* The place of a geometry in the table. A new one takes that of one that has not come up for long; NULL if there is none. */
static Known *place_of(const Geometry *g) {
    const npy_intp *words = (const npy_intp *)g;
    size_t hash = 0;
    for (size_t i = 0; i < sizeof *g / sizeof *words; i++)
        hash = (hash ^ (size_t)words[i]) * 0x9E3779B97F4A7C15u;
    Known *set = table[(hash >> 40) % SETS], *least = set;
    for (int i = 0; i < WAYS; i++) {
        if (memcmp(&set[i].geometry, g, sizeof *g) == 0)
            return set + i;
        if (set[i].made < least->made)
            least = set + i;
    }
    for (int i = 0; i < WAYS; i++)
        if (set[i].made < ENOUGH)
            set[i].made /= 2;
    if (least->made >= ENOUGH || least->made > work_of(g))
        return NULL;
    *least = (Known){.geometry = *g};
    return least;
}

/* Asks Python for the loop; -1 for an interrupt. The table may be another afterwards. */
static int ask(const Geometry *g) {
    const npy_intp *n = g->sizes, *s = g->strides, size = g->type == NPY_FLOAT ? 4 : 8;
    PyObject *found = PyObject_CallFunction(product_loop, "s(nnn)(nnnnnn)", g->type == NPY_FLOAT ? "f" : "d", n[0], n[1], n[2],
                                            s[0], s[1], s[2], s[3], n[0] > 1 ? n[2] * size : 0, n[2] > 1 ? size : 0);
    if (found == NULL && PyErr_ExceptionMatches(PyExc_Exception))
        PyErr_Clear();   /* products are NumPy's then */
    if (found == NULL)
        return PyErr_Occurred() ? -1 : 0;
    Known *known = place_of(g);
    unsigned long long loop, context, auxdata;
    PyObject *keep;
    if (known != NULL && known->keep == NULL && found != Py_None
        && PyArg_ParseTuple(found, "KKKO", &loop, &context, &auxdata, &keep)) {
        known->loop = (Inner)(uintptr_t)loop;
        known->context = (void *)(uintptr_t)context;
        known->auxdata = (void *)(uintptr_t)auxdata;
        known->keep = Py_NewRef(keep);
        known->made = ENOUGH;
    }
    Py_DECREF(found);
    PyErr_Clear();
    return 0;
}

/* The geometry of a product; 0 if it is none of two matrices of the same kind of floats, or too small. */
static int read_geometry(PyObject **operands, Geometry *g) {
    PyArrayObject *a = (PyArrayObject *)operands[0], *b = (PyArrayObject *)operands[1];
    if (!PyArray_CheckExact(operands[0]) || !PyArray_CheckExact(operands[1]))
        return 0;
    g->type = PyArray_TYPE(a);
    if ((g->type != NPY_FLOAT && g->type != NPY_DOUBLE) || PyArray_TYPE(b) != g->type || PyArray_NDIM(a) != 2
        || PyArray_NDIM(b) != 2 || PyArray_DIM(a, 1) != PyArray_DIM(b, 0) || !PyArray_ISBEHAVED_RO(a) || !PyArray_ISBEHAVED_RO(b))
        return 0;
    g->sizes[0] = PyArray_DIM(a, 0), g->sizes[1] = PyArray_DIM(a, 1), g->sizes[2] = PyArray_DIM(b, 1);
    for (int i = 0; i < 2; i++) {
        g->strides[i] = PyArray_DIM(a, i) > 1 ? PyArray_STRIDE(a, i) : 0;
        g->strides[2 + i] = PyArray_DIM(b, i) > 1 ? PyArray_STRIDE(b, i) : 0;
    }
    return work_of(g) >= (g->sizes[0] == 1 ? LEAST_ROW : LEAST);
}

/* Whether there is a loop for two operands: then `own` is a copy of its entry, whose `keep` is a new reference; 0, perhaps
 * with an error, if it is NumPy's. */
static int finds_loop(PyObject **operands, Geometry *g, Known *own) {
    Known *known;
    if (product_loop == NULL || !read_geometry(operands, g) || (known = place_of(g)) == NULL)
        return 0;
    if (known->made < ENOUGH && (known->made += work_of(g)) >= ENOUGH && (ask(g) < 0 || (known = place_of(g)) == NULL))
        return 0;
    *own = *known;
    return Py_XNewRef(own->keep) != NULL;
}

/* Takes `out` over, and gives it with the product in it; NULL, perhaps with an error, where NumPy has to make it: flags were
 * raised of which the error state warns. Ends `own`. */
static PyObject *multiplied(Known *own, const Geometry *g, PyObject **operands, PyObject *out, PyObject *errstate) {
    long told = out == NULL ? -1 : flags_under(errstate);
    if (told < 0) {
        Py_XDECREF(out);
        Py_DECREF(own->keep);
        return NULL;
    }
    const npy_intp *n = g->sizes, *s = g->strides, size = g->type == NPY_FLOAT ? 4 : 8;
    npy_intp sizes[4] = {1, n[0], n[1], n[2]};
    npy_intp strides[9] = {0, 0, 0, s[0], s[1], s[2], s[3], n[0] > 1 ? n[2] * size : 0, n[2] > 1 ? size : 0};
    char *data[3] = {PyArray_BYTES((PyArrayObject *)operands[0]), PyArray_BYTES((PyArrayObject *)operands[1]),
                     PyArray_BYTES((PyArrayObject *)out)};
    PyThreadState *state = work_of(g) >= FREE_FROM ? PyEval_SaveThread() : NULL;
    feclearexcept(FE_ALL_EXCEPT);
    own->loop(own->context, data, sizes, strides, own->auxdata);
    int raised = fetestexcept(FE_DIVBYZERO | FE_OVERFLOW | FE_UNDERFLOW | FE_INVALID);
    feclearexcept(FE_ALL_EXCEPT);
    if (state != NULL)
        PyEval_RestoreThread(state);
    Py_DECREF(own->keep);
    if (raised & told)
        Py_CLEAR(out);
    return out;
}

/* The value of a node that is a product; NULL, perhaps with an error, where NumPy has to make it. */
PyObject *product_of(PyObject *node, PyObject **operands) {
    Geometry g;
    Known own;
    if (slot_or_none(node, N.strides) != Py_None || !finds_loop(operands, &g, &own))
        return NULL;
    PyObject *out = new_result(slot_or_none(node, N.shape), slot_or_none(node, N.dtype), Py_None);
    return multiplied(&own, &g, operands, out, slot_or_none(node, N.errstate));
}

/* The product of two arrays, by the error state in force; NULL, perhaps with an error, where NumPy has to make it. */
PyObject *product_at_once(PyObject **operands) {
    Geometry g;
    Known own;
    PyObject *errstate = NULL;
    if (!finds_loop(operands, &g, &own))
        return NULL;
    if (PyContextVar_Get(extobj, NULL, &errstate) < 0 || errstate == NULL) {
        Py_DECREF(own.keep);
        return NULL;
    }
    npy_intp dims[2] = {g.sizes[0], g.sizes[2]};
    PyObject *out = multiplied(&own, &g, operands, PyArray_EMPTY(2, dims, (int)g.type, 0), errstate);
    Py_DECREF(errstate);
    return out;
}
