/* What the parts of the extension `_replay` share: the classes that it works on, and the places of their slots. */
#ifndef LAZYTENSOR_REPLAY_H
#define LAZYTENSOR_REPLAY_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#ifdef Py_GIL_DISABLED
#error "the guard relies on the GIL"
#endif

#define SLOT(object, offset) (*(PyObject **)((char *)(object) + (offset)))
#define NODE_NAMES 15
enum { NODE_OP, NODE_A, NODE_B, NODE_REST, NODE_ATTRS, NODE_SHAPE, NODE_DTYPE, NODE_STRIDES, NODE_CODE, NODE_LASTI,
       NODE_ERRSTATE, NODE_DEPTH, NODE_SEQ, NODE_BUFFER, NODE_CLAIM };
#define NODE(node, i) SLOT(node, node_at[i])
/* Of the slots above, those that are ints: numbers where `hot` has been built, else objects. */
#define IS_NUMBER(i) ((i) == NODE_LASTI || (i) == NODE_DEPTH || (i) == NODE_SEQ)

extern PyTypeObject *node_type;
extern Py_ssize_t node_at[NODE_NAMES];

Py_ssize_t offset_of(PyTypeObject *type, const char *name);
long long node_number(PyObject *node, int i);
PyObject *node_int(PyObject *node, int i);
void put_number(PyObject *node, int i, Py_ssize_t number);

/* ---- _replay.c ---- */

extern PyTypeObject Guard_Type;
Py_ssize_t guard_outputs(PyObject *guard);
int guard_fill(PyObject *guard, PyObject *args, PyObject *kwargs, PyObject **given);
PyObject *steady(PyObject *self, PyObject *capsule);
int is_steady(PyObject *capsule);

/* ---- _book.c, _records.c, _repeating.c ---- */

extern PyTypeObject Book_Type;
PyObject *setup_records(PyObject *self, PyObject *args);
int alike_values(PyObject *a, PyObject *b);
PyObject *alike(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *again(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *exceeds(PyObject *self, PyObject *args);

/* ---- _running.c ---- */

extern PyTypeObject Program_Type;
PyObject *setup_programs(PyObject *self, PyObject *classes);

/* ---- _launches.c ---- */

PyObject *setup_launches(PyObject *self, PyObject *args);
PyObject *launched_loops(PyObject *self, PyObject *unused);

/* ---- _inner.c ---- */

PyObject *setup_inner(PyObject *self, PyObject *args);
PyObject *inner_loops(PyObject *self, PyObject *unused);

/* ---- _grouping.c ---- */

int setup_grouping(void);
int is_aligned_array(PyObject *array);
PyObject *number_dtype(PyObject *value);

/* ---- _calling.c ---- */

extern PyTypeObject Caller_Type;
PyObject *setup_caller(PyObject *self, PyObject *args);

#endif
