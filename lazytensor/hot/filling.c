/* A number put where a mask is true, in memory of a Tensor's own, from a line that runs at once.
 *
 * NumPy asks of each element whether it is chosen; a kernel that stores one number reads and writes them all. Here the mask
 * is read, eight elements at a time, and only where one of them is chosen are these read and written.
 */
#include "hot.h"
#include <string.h>

enum { WIDEST = 16 };   /* bytes of an element */

/* No branch for each element, which a processor could not foresee. */
#define FILL(name, type, width) \
    static void name(type *data, const unsigned char *mask, npy_intp n, const type *value) { \
        for (npy_intp i = 0; i < n; i += 8) { \
            npy_intp end = n - i < 8 ? n : i + 8; \
            uint64_t eight = 1; \
            if (end - i == 8) \
                memcpy(&eight, mask + i, 8); \
            if (eight == 0) \
                continue; \
            for (npy_intp j = i; j < end; j++) { \
                type all = (type)-(type)(mask[j] != 0); \
                for (npy_intp k = width * j; k < width * (j + 1); k++) \
                    data[k] = (type)((data[k] & ~all) | (value[k - width * j] & all)); \
            } \
        } \
    }

FILL(fill_bytes, uint8_t, 1)
FILL(fill_shorts, uint16_t, 1)
FILL(fill_words, uint32_t, 1)
FILL(fill_longs, uint64_t, 1)
FILL(fill_pairs, uint64_t, 2)

static void fill(void *data, const unsigned char *mask, npy_intp n, int width, const void *value) {
    if (width == 1)
        fill_bytes(data, mask, n, value);
    else if (width == 2)
        fill_shorts(data, mask, n, value);
    else if (width == 4)
        fill_words(data, mask, n, value);
    else if (width == 8)
        fill_longs(data, mask, n, value);
    else
        fill_pairs(data, mask, n, value);
}

static int is_width(npy_intp width) {
    return width == 1 || width == 2 || width == 4 || width == 8 || width == WIDEST;
}

static int overlap(PyArrayObject *a, PyArrayObject *b) {
    char *first = PyArray_BYTES(a), *second = PyArray_BYTES(b);
    return first < second + PyArray_NBYTES(b) && second < first + PyArray_NBYTES(a);
}

/* Fills it, if both lie in C order and apart; whether it did. */
static int filled(PyObject *memory, PyObject *mask, PyObject *number) {
    PyArrayObject *array = (PyArrayObject *)memory, *where = (PyArrayObject *)mask;
    uint64_t value[WIDEST / 8];
    if (!is_width(PyArray_ITEMSIZE(array)) || !PyArray_IS_C_CONTIGUOUS(array) || !PyArray_ISALIGNED(array)
        || !PyArray_IS_C_CONTIGUOUS(where) || PyArray_TYPE(where) != NPY_BOOL || overlap(array, where)
        || !PyArray_SAMESHAPE(array, where))
        return 0;
    if (PyArray_SETITEM(array, (char *)value, number) < 0) {
        PyErr_Clear();   /* NumPy says it */
        return 0;
    }
    Py_BEGIN_ALLOW_THREADS
    fill(PyArray_DATA(array), PyArray_DATA(where), PyArray_SIZE(array), (int)PyArray_ITEMSIZE(array), value);
    Py_END_ALLOW_THREADS
    return 1;
}

/* ``self[mask] = number`` for arrays that are not small. 1: done; 0: it is to be written; -1: an error. */
int fill_at_once(PyObject *self, PyObject *index, PyObject *number) {
    PyObject *own = Py_TYPE(self) == tensor_type ? slot_or_none(self, T._value) : Py_None, *lock;
    PyObject *mask = Py_TYPE(index) == tensor_type ? slot_or_none(index, T._value) : Py_None;
    if (Py_TYPE(own) != node_type || Py_TYPE(mask) != node_type || slot_or_none(index, T._state) != Py_None
        || ((PyArray_Descr *)slot_or_none(mask, N.dtype))->type_num != NPY_BOOL
        || !goes_in_silently(number, slot_or_none(own, N.dtype)) || bytes_of(own) <= small_bytes()
        || !runs_now(bytes_of(own)))
        return 0;
    if (slot_or_none(mask, N.buffer) == Py_None) {
        Py_INCREF(mask);
        int failed = compute_node(mask) < 0;
        Py_DECREF(mask);
        if (failed)
            return -1;
    }
    PyObject *memory = memory_locked(self, PY_SSIZE_T_MAX, 1, &lock);
    if (memory == NULL)
        return PyErr_Occurred() ? -1 : 0;
    PyObject *where = array_at_hand(index, PY_SSIZE_T_MAX);
    int done = where != NULL && filled(memory, where, number);
    Py_XDECREF(where);
    Py_DECREF(memory);
    return unlocked(lock) < 0 ? -1 : done;
}
