/* What those who read a text share. */
#ifndef LAZYTENSOR_READING_H
#define LAZYTENSOR_READING_H

#include "_program.h"

typedef struct {
    const char *start;
    Py_ssize_t length;
    Expression *expression;
} Symbol;

typedef struct {
    Program *program;
    const char *at, *text;
    PyObject *names, *builtins;
    Symbol *symbols;
    size_t mask, used;
    int deep, loops;             /* how many blocks and loops are around */
} Reader;

#define DEEPEST 100

/* A list of parts in growing memory. */
typedef struct {
    Expression **parts, *few[16];
    Py_ssize_t count, room;
} Parts;

/* ---- _reading.c ---- */

Expression *read_expression(Reader *reader);
int is_figure(char c);
Expression *read_listed(Reader *reader, char close);
Expression *local_of(Reader *reader, const char *start, Py_ssize_t length);
Py_ssize_t name_length(const char *at);
int parts_add(Parts *parts, Expression *e);
void parts_begin(Parts *parts);
Expression *parts_end(Reader *reader, Parts *parts, int kind, int good);
void *piece(Reader *reader, size_t size);
Expression *read_postfix(Reader *reader);
void skip_spaces(Reader *reader);
Symbol *symbol_of(Reader *reader, const char *start, Py_ssize_t length);
int taken(Reader *reader, char c);
int taken_word(Reader *reader, const char *word);
void *unknown(Reader *reader, const char *what);

#endif
