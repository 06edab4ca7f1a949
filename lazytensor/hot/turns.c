/* Where code objects go back among pending nodes (run/turns.py): all of them in one way through the nodes. */
#include "hot.h"

enum { MOST_CODES = 32 };

/* A code object, borrowed; where its last node was in it, -1 before the first; and where it went back, in its list. */
typedef struct {
    PyObject *code, *marks;
    Py_ssize_t last;
} Course;

static int went_back(Course *course, Py_ssize_t lasti, Py_ssize_t at) {
    int failed = 0;
    if (lasti < course->last) {
        PyObject *mark = PyLong_FromSsize_t(at);
        failed = mark == NULL ? -1 : PyList_Append(course->marks, mark);
        Py_XDECREF(mark);
    }
    course->last = lasti;
    return failed;
}

static int all_marked(PyObject *nodes, Course *courses, Py_ssize_t count) {
    Py_ssize_t last = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(nodes); i++) {
        PyObject *node = PyList_GET_ITEM(nodes, i), *code = Py_TYPE(node) == node_type ? slot_or_none(node, N.code) : NULL;
        Py_ssize_t k = last;   /* mostly that of the node before */
        if (courses[k].code != code)
            for (k = 0; k < count && courses[k].code != code; k++)
                ;
        if (k == count)
            continue;
        last = k;
        if (went_back(&courses[k], LASTI(node), i) < 0)
            return -1;
    }
    return 0;
}

/* returns(nodes, marks): fills the lists of `marks`, by the code objects. False: Python has to do it. */
PyObject *hot_returns(PyObject *self, PyObject *const *args, Py_ssize_t given) {
    Course courses[MOST_CODES];
    Py_ssize_t count = 0, place = 0;
    PyObject *code, *marks;
    if (given != 2 || !PyList_CheckExact(args[0]) || !PyDict_CheckExact(args[1])) {
        PyErr_SetString(PyExc_TypeError, "returns(nodes: list, marks: dict)");
        return NULL;
    }
    if (PyDict_GET_SIZE(args[1]) > MOST_CODES)
        Py_RETURN_FALSE;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(args[0]); i++)
        if (Py_TYPE(PyList_GET_ITEM(args[0], i)) != node_type)
            Py_RETURN_FALSE;
    while (PyDict_Next(args[1], &place, &code, &marks)) {
        if (!PyList_CheckExact(marks))
            Py_RETURN_FALSE;
        courses[count++] = (Course){code, marks, -1};
    }
    if (count && all_marked(args[0], courses, count) < 0)
        return NULL;
    Py_RETURN_TRUE;
}
