/* Arrays whose memory begins at a cache line: products of a matrix and a vector, and kernels over what lies in the
 * caches, are up to a third quicker on them than on what the system's allocator gives (16 bytes beyond one, as a rule).
 * Large ones begin at a large page, and the system is asked for such: an array of two of them that begins elsewhere has
 * one, and the rest of it in small pages.
 * They own their memory as any array does, and know the allocator that it is from. Larger ones lie in blocks of the pool
 * (run/pool.py), of which a free one is found here.
 */
#include "hot.h"
#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

enum { LINE = 64, LARGE = 1 << 21, SMALL = 1 << 12 };

/* How many bytes so many more times are; -1 for too many. */
static npy_intp times(npy_intp size, npy_intp count) {
    return count < 0 || size < 0 || (count && size > NPY_MAX_INTP / count) ? -1 : size * count;
}

#if defined(_WIN32)
PyObject *aligned_array(PyArray_Descr *dtype, int nd, npy_intp *dims) {
    Py_INCREF(dtype);
    return PyArray_NewFromDescr(&PyArray_Type, dtype, nd, dims, NULL, NULL, 0, NULL);
}
#else
static void *lines_malloc(void *unused, size_t size) {
    void *found = NULL;
    if (posix_memalign(&found, size < LARGE ? LINE : LARGE, size ? size : 1))
        return NULL;
#if defined(MADV_HUGEPAGE)
    if (size >= LARGE)
        madvise(found, size & ~(size_t)(SMALL - 1), MADV_HUGEPAGE);  /* advice: what it answers does not matter */
#endif
    return found;
}

static void *lines_calloc(void *unused, size_t count, size_t size) {
    if (size && count > (size_t)-1 / size)
        return NULL;
    void *found = lines_malloc(unused, count * size);
    return found == NULL ? NULL : memset(found, 0, count * size);
}

static void *lines_realloc(void *unused, void *memory, size_t size) {
    return realloc(memory, size ? size : 1);
}

static void lines_free(void *unused, void *memory, size_t size) {
    free(memory);
}

static PyDataMem_Handler lines = {"lazytensor_lines", 1, {NULL, lines_malloc, lines_calloc, lines_realloc, lines_free}};

/* Has tracemalloc know of memory as it knows of NumPy's. */
static void noted(void *memory, size_t size) {
    enum { NUMPYS = 389047 };   /* NumPy's domain */
    PyTraceMalloc_Track(NUMPYS, (uintptr_t)memory, size);
}

/* Bytes of an array; 0 where NumPy has more to say about it: no elements, a dtype that it changes, or too many. */
static size_t simple_size(PyArray_Descr *dtype, int nd, npy_intp *dims) {
    npy_intp size = PyDataType_HASSUBARRAY(dtype) ? 0 : PyDataType_ELSIZE(dtype);
    for (int i = 0; i < nd; i++)
        size = times(size, dims[i]);
    return size > 0 ? size : 0;
}

PyObject *aligned_array(PyArray_Descr *dtype, int nd, npy_intp *dims) {
    static PyObject *handler;
    if (handler == NULL && (handler = PyCapsule_New(&lines, "mem_handler", NULL)) == NULL)
        return NULL;
    size_t size = simple_size(dtype, nd, dims);
    void *memory = size ? lines_malloc(NULL, size) : NULL;
    Py_INCREF(dtype);
    PyObject *made = PyArray_NewFromDescr(&PyArray_Type, dtype, nd, dims, NULL, memory,
                                          memory == NULL ? 0 : NPY_ARRAY_CARRAY, NULL);
    if (memory == NULL)   /* NumPy's own memory, or its error */
        return made;
    if (made == NULL) {
        free(memory);
        return NULL;
    }
    noted(memory, size);
    PyArray_ENABLEFLAGS((PyArrayObject *)made, NPY_ARRAY_OWNDATA);
    ((PyArrayObject_fields *)made)->mem_handler = Py_NewRef(handler);
    return made;
}
#endif

/* ---- the pool -------------------------------------------------------------------------------------------------------- */

enum { POOLED = 1 << 18 };   /* bytes; run/pool.SMALL */
static Py_ssize_t reused;

/* A free block of the pool, of exactly the size that it has for so many bytes, a new reference; NULL without an error where
 * Python has to look. Nothing comes between these instructions, so no lock is needed where no other thread is in the
 * pool. */
static PyObject *free_block(size_t size) {
    if (PyList_GET_ITEM(pool_busy, 0) != Py_False)
        return NULL;
    size_t step = 1;
    while (size / step >= 16)
        step *= 2;
    PyObject *key = PyLong_FromSize_t((size + step - 1) / step * step);
    PyObject *blocks = key == NULL ? NULL : PyDict_GetItemWithError(pool_blocks, key);
    Py_XDECREF(key);
    for (Py_ssize_t i = 0; blocks != NULL && i < PyList_GET_SIZE(blocks); i++)
        if (Py_REFCNT(PyList_GET_ITEM(blocks, i)) == 1) {
            reused++;
            return Py_NewRef(PyList_GET_ITEM(blocks, i));
        }
    return NULL;
}

/* An array in C order over a block, which it takes over. */
static PyObject *over_block(PyObject *block, PyObject *dtype, int nd, npy_intp *dims) {
    Py_INCREF(dtype);
    PyObject *made = PyArray_NewFromDescr(&PyArray_Type, (PyArray_Descr *)dtype, nd, dims, NULL,
                                          PyArray_DATA((PyArrayObject *)block), NPY_ARRAY_WRITEABLE, NULL);
    if (made == NULL)
        Py_DECREF(block);
    else if (PyArray_SetBaseObject((PyArrayObject *)made, block) < 0)   /* it takes the block in any case */
        Py_CLEAR(made);
    return made;
}

/* An uninitialised array with those strides (None: C order), as run/pool.empty. */
PyObject *new_result(PyObject *shape, PyObject *dtype, PyObject *strides) {
    npy_intp dims[32], size = PyDataType_ELSIZE((PyArray_Descr *)dtype);
    Py_ssize_t nd = PyTuple_GET_SIZE(shape);
    int plain = strides == Py_None && nd <= 32 && !PyDataType_REFCHK((PyArray_Descr *)dtype);
    for (Py_ssize_t i = 0; plain && i < nd; i++) {
        dims[i] = ssize_of(PyTuple_GET_ITEM(shape, i));
        size = times(size, dims[i]);
    }
    plain = plain && size >= 0;
    if (plain && size >= POOLED) {
        PyObject *block = free_block(size);
        if (block != NULL)
            return over_block(block, dtype, (int)nd, dims);
    } else if (plain && size >= LINED_FROM)
        return aligned_array((PyArray_Descr *)dtype, (int)nd, dims);
    else if (plain) {
        Py_INCREF(dtype);
        return PyArray_NewFromDescr(&PyArray_Type, (PyArray_Descr *)dtype, (int)nd, dims, NULL, NULL, 0, NULL);
    }
    PyErr_Clear();
    PyObject *args[3] = {shape, dtype, strides};
    return PyObject_Vectorcall(pool_empty, args, 3, NULL);
}

/* empty(shape, dtype, strides=None): as run/pool.empty. */
PyObject *hot_empty(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    if (count < 2 || count > 3 || !PyTuple_Check(args[0]) || !PyArray_DescrCheck(args[1])) {
        PyErr_SetString(PyExc_TypeError, "empty(shape: tuple, dtype, strides=None)");
        return NULL;
    }
    return new_result(args[0], args[1], count == 3 ? args[2] : Py_None);
}

/* How many blocks of the pool were given out again here. */
PyObject *hot_reused(PyObject *self, PyObject *unused) {
    return PyLong_FromSsize_t(reused);
}

/* aligned(shape, dtype): an uninitialised array in C order; the dtype holds no objects. */
PyObject *hot_aligned(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    npy_intp dims[NPY_MAXDIMS_LEGACY_ITERS];
    if (count != 2 || !PyTuple_Check(args[0]) || PyTuple_GET_SIZE(args[0]) > NPY_MAXDIMS_LEGACY_ITERS ||
        !PyArray_DescrCheck(args[1]) || PyDataType_REFCHK((PyArray_Descr *)args[1])) {
        PyErr_SetString(PyExc_TypeError, "aligned(shape, dtype)");
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args[0]); i++) {
        dims[i] = ssize_of(PyTuple_GET_ITEM(args[0], i));
        if (dims[i] < 0) {
            if (!PyErr_Occurred())
                PyErr_SetString(PyExc_ValueError, "a length is negative");
            return NULL;
        }
    }
    return aligned_array((PyArray_Descr *)args[1], (int)PyTuple_GET_SIZE(args[0]), dims);
}
