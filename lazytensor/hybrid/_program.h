/* What the parts of `Program` share: the tree that text is read into, and how it is run. */
#ifndef LAZYTENSOR_PROGRAM_H
#define LAZYTENSOR_PROGRAM_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

enum Kind { LOCAL, CONSTANT, CALL, SPREAD, ATTRIBUTE_OF, ITEM, TUPLE, LIST, SET, DICT, IS, IS_NOT, IN, NOT_IN, COMPARE,
            AND, OR, NOT, ADD, BIT_AND, STEADY, NEW_ARRAY };

typedef struct Expression Expression;
struct Expression {
    int kind, number;            /* the slot of a local; how a comparison compares */
    Py_ssize_t count;            /* of the parts: those of a call begin with what is called */
    Expression **parts;
    PyObject *value;             /* a constant; the name of an attribute; the names of a call's last arguments or NULL */
    PyTypeObject *type;          /* of an attribute: whose slot it was found to be, */
    Py_ssize_t offset;           /* and where that is */
    const Py_ssize_t *sizes;     /* of a new array, how many axes and how long they are */
};

enum Act { EVALUATE, ASSIGN, IF, FOR, TRY, RETURN, RAISE, DELETE, BREAK, PASS };
enum Group { NO_GROUP, GUARD, COUNT, LAUNCH, INNER };   /* lines that are done at once, `_grouping.c`, or in loops */

typedef struct Statement Statement;
struct Statement {
    int act;
    Py_ssize_t count;            /* turns of a loop; targets of an assignment; */
    Expression *expression;      /* of a loop, the local that has its number of turns, or NULL */
    Expression **targets;
    Statement *body;
    Expression *caught;          /* what a `try` catches, or NULL */
    Statement *handler, *finally;    /* the handler of an `if` is what follows its `else` */
    Statement *next;
    int group;                   /* what this line begins, */
    Statement *after;            /* and the line after it */
};

typedef struct Block Block;      /* memory that a tree lies in */
struct Block {
    Block *before;
    size_t used, size;
    char bytes[];
};

typedef struct {
    PyObject_HEAD
    Statement *body;
    Block *memory;
    PyObject *owned;             /* a list: constants, names */
    Py_ssize_t locals, arguments;
    vectorcallfunc call;
} Program;

typedef struct {
    PyObject **slots, *result;
    int lines, ending;           /* `ending`: how many `finally` are being run, which nothing interrupts */
    long long since;
} Frame;

/* ---- _reading.c ---- */

void *piece_of(Program *program, size_t size);

/* ---- _statements.c ---- */

int read_program(Program *program, const char *text, PyObject *names);


/* ---- _launches.c ---- */

enum { A_WHILE = 1 << 15,        /* elements between two looks at the clock */
       FREE_FROM = 1 << 13 };    /* elements in all from which on the GIL is released */

/* Launches a kernel that keeps the GIL: 1; 0 if it is to be called as it is written, -1 with an exception. */
int launched_at_once(PyObject **slots, Statement *s);

/* Runs a loop of nothing but launches of kernels: 1; 0 if it is none, -1 with an exception. */
int launched_turns(PyObject **slots, Statement *loop, Py_ssize_t turns);
int look_around(PyThreadState **state, long long *since);

/* ---- _inner.c ---- */

int is_inner(Statement *s);

/* The same of a loop of nothing but calls of ufuncs into memory, and copies. */
int inner_turns(Frame *frame, Statement *loop, Py_ssize_t turns);

/* ---- _running.c ---- */

PyObject **slot_of(Expression *e, PyObject *object);

/* ---- _grouping.c ---- */

int group_lines(Program *program, Statement *first);
int run_group(Frame *frame, Statement *s);
PyObject *new_array(Expression *e);
int is_number_in(PyObject *array, PyObject *index);
PyObject *number_in(PyObject *array);

#endif
