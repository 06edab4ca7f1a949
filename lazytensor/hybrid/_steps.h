/* Records as steps of a tape: see `_steps.c`. */
#ifndef LAZYTENSOR_STEPS_H
#define LAZYTENSOR_STEPS_H
#define PY_SSIZE_T_CLEAN
#include <Python.h>

int setup_steps(void);
PyObject *taken(PyObject *self, PyObject *args);

#endif
