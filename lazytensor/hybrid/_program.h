/* What the parts of `Program` share: the tree that text is read into, and how it is run. */
#ifndef LAZYTENSOR_PROGRAM_H
#define LAZYTENSOR_PROGRAM_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

enum Kind { LOCAL, CONSTANT, CALL, SPREAD, ATTRIBUTE_OF, ITEM, TUPLE, LIST, SET, DICT, IS, IS_NOT, IN, NOT_IN, COMPARE,
            AND, OR, NOT, ADD, BIT_AND };

typedef struct Expression Expression;
struct Expression {
    int kind, number;            /* the slot of a local; how a comparison compares */
    Py_ssize_t count;            /* of the parts: those of a call begin with what is called */
    Expression **parts;
    PyObject *value;             /* a constant; the name of an attribute; the names of a call's last arguments or NULL */
    PyTypeObject *type;          /* of an attribute: whose slot it was found to be, */
    Py_ssize_t offset;           /* and where that is */
};

enum Act { EVALUATE, ASSIGN, IF, FOR, TRY, RETURN, RAISE, DELETE };

typedef struct Statement Statement;
struct Statement {
    int act;
    Py_ssize_t count;            /* turns of a loop; targets of an assignment; */
    Expression *expression;      /* of a loop, the local that has its number of turns, or NULL */
    Expression **targets;
    Statement *body;
    Expression *caught;          /* what a `try` catches, or NULL */
    Statement *handler, *finally;
    Statement *next;
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

int read_program(Program *program, const char *text, PyObject *names);

/* Runs a loop of nothing but launches of kernels (`_launches.c`): 1; 0 if it is none, -1 with an exception. */
int launched_turns(PyObject **slots, Statement *loop, Py_ssize_t turns);

#endif
