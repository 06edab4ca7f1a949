/* What the parts of `Book` share: the records of a trace and the loops among them. */
#ifndef LAZYTENSOR_BOOK_H
#define LAZYTENSOR_BOOK_H

#include "_replay.h"

#define RECORD_NAMES 17
enum { KIND, NAME, OPERANDS, OP, ATTRS, SHAPE, DTYPE, STRIDES, ERRSTATE, CODE, LASTI };
#define RECORD(record, i) SLOT(record, record_at[i])

extern Py_ssize_t record_at[RECORD_NAMES];
extern PyTypeObject *record_type, *operand_type;
extern PyObject *view_operation, *element_operation, *text_operation;

/* What a record of a loop's turn reads: what was written so many records `back`, or record `number`, or the value called
 * `name`; or a number, `value`. The objects are the record's. */
typedef struct { Py_ssize_t back, number; PyObject *name, *steps, *value; } Reference;
typedef struct { PyObject *record; Py_ssize_t count; Reference *references; } Model;

/* For each place in the program the index of the record that it wrote last, and how many before that the one before. */
typedef struct { PyObject *code; Py_ssize_t lasti, before, distance; } Site;
typedef struct { long long seq; Py_ssize_t number; } Cell;

typedef struct {
    PyObject_HEAD
    PyObject *slots, *real, *dynamic, *same;  /* the trace's */
    PyObject *parts, *loops;                  /* records, and loops in their places; where these are */
    Py_ssize_t count, shift, first;           /* records; numbers less indices of `parts`; the index after the last loop */
    Cell *cells;                              /* the numbers of nodes, by open addressing */
    size_t mask, used;
    char *changes;                            /* for each number whether its value depends on what is not constant, */
    PyObject **names;                         /* and its name, or NULL */
    Py_ssize_t room;
    Site *sites;                              /* codes are borrowed: the records hold them */
    size_t sites_mask, sites_used;
    Py_ssize_t start, period, wait;           /* the loop that goes on */
    Py_ssize_t least;                         /* turns of a loop that is worth while */
    Model *turn;
} Book;

enum { LONGEST = 2048, NEVER = 1 << 30 };     /* as in repeating.py */

typedef struct { long long seq; PyObject *node; } Numbered;

/* Nodes that have been met, and where they are looked up: by open addressing. All are owned. */
typedef struct {
    Numbered *items;
    Py_ssize_t count, room;
    PyObject **met;
    size_t mask;
    int busy;                    /* whether another thread is computing one of them: then it forgets its operands */
} Found;

/* ---- _records.c ---- */

int are_same(PyObject *a, PyObject *b, PyObject *same);
int by_number(const void *a, const void *b);
Cell *book_cell(Cell *cells, size_t mask, long long seq);
Py_ssize_t find_value(Book *book, PyObject *trace, PyObject *node, PyObject **name);
int book_grow(Book *book);
PyObject *inputs_of(PyObject *node);
int is_pending(PyObject *x);
PyObject *name_at(Book *book, Py_ssize_t number);
Py_ssize_t number_at(Book *book, long long seq);
int number_next(Book *book, long long seq, int changes, PyObject *name);
PyObject *operand_from(PyObject *name, PyObject *steps, PyObject *value, PyObject *laid);
int walk_from(Found *found, Book *book, long long start, PyObject *stack);
int write_one(Book *book, PyObject *trace, PyObject *node);

/* ---- _repeating.c ---- */

int end_loop(Book *book);
void forget_turn(Book *book);
int loop_goes_on(Book *book, PyObject *trace, PyObject *node);
Py_ssize_t number_of(PyObject *name);
int search_loop(Book *book);

#endif
