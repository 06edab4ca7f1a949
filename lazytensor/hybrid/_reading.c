/* The text of a compiled function read into a tree: names and expressions, as `source.py` writes them.
 *
 * Python's own compiler takes 25 us for such a line, and compiles what runs once. Here a name that is assigned is a
 * slot, and any other stands for what the names given have for it at the time of reading. What is not known here (a
 * slice, a comprehension) is a ValueError, and Python compiles the text.
 */
#include "_reading.h"

/* ---- memory ---- */

void *piece(Reader *reader, size_t size) {
    return piece_of(reader->program, size);
}

void *piece_of(Program *program, size_t size) {
    Block *block = program->memory;
    size = (size + 15) & ~(size_t)15;
    if (block == NULL || block->size - block->used < size) {
        size_t room = size > 4096 ? size : 4096;
        Block *more = PyMem_Malloc(sizeof(Block) + room + 16);
        if (more == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
        more->before = block;
        more->used = 0;
        more->size = room;
        block = program->memory = more;
    }
    void *found = block->bytes + block->used;
    block->used += size;
    memset(found, 0, size);
    return found;
}

static Expression *expression_of(Reader *reader, int kind) {
    Expression *e = piece(reader, sizeof(Expression));
    if (e != NULL)
        e->kind = kind;
    return e;
}

/* A constant; takes the reference to its value. */
static Expression *constant(Reader *reader, PyObject *value) {
    Expression *e = value == NULL ? NULL : expression_of(reader, CONSTANT);
    if (e == NULL || PyList_Append(reader->program->owned, value) < 0)
        e = NULL;
    else
        e->value = value;
    Py_XDECREF(value);
    return e;
}

static Expression *with_parts(Reader *reader, int kind, Expression **parts, Py_ssize_t count) {
    Expression *e = expression_of(reader, kind);
    if (e == NULL || (e->parts = piece(reader, (count + 1) * sizeof(Expression *))) == NULL)
        return NULL;
    memcpy(e->parts, parts, count * sizeof(Expression *));
    e->count = count;
    return e;
}

void *unknown(Reader *reader, const char *what) {
    if (!PyErr_Occurred()) {
        const char *end = strchr(reader->at, '\n');
        int length = end == NULL ? (int)strlen(reader->at) : (int)(end - reader->at);
        PyErr_Format(PyExc_ValueError, "%s, at character %zd: %.80s", what, (Py_ssize_t)(reader->at - reader->text),
                     length ? reader->at : "the end of a line");
    }
    return NULL;
}

/* ---- names ---- */

static int letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

int is_figure(char c) {
    return c >= '0' && c <= '9';
}

Py_ssize_t name_length(const char *at) {
    const char *end = at;
    if (letter(*end))
        while (letter(*end) || is_figure(*end))
            end++;
    return end - at;
}

static int is_word(const char *at, const char *word) {
    if (*at != *word)
        return 0;
    size_t length = strlen(word);
    return !strncmp(at, word, length) && !letter(at[length]) && !is_figure(at[length]);
}

static Symbol *symbol_cell(Symbol *symbols, size_t mask, const char *start, Py_ssize_t length) {
    size_t hash = 14695981039346656037ull;
    for (Py_ssize_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)start[i]) * 1099511628211ull;
    size_t at = hash ^ hash >> 29;
    while (symbols[at & mask].start != NULL && (symbols[at & mask].length != length ||
                                                memcmp(symbols[at & mask].start, start, length)))
        at++;
    return &symbols[at & mask];
}

Symbol *symbol_of(Reader *reader, const char *start, Py_ssize_t length) {
    if (2 * (reader->used + 1) > reader->mask) {
        size_t mask = reader->symbols == NULL ? 255 : 2 * reader->mask + 1;
        Symbol *more = PyMem_Calloc(mask + 1, sizeof(Symbol));
        if (more == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
        for (size_t i = 0; reader->symbols != NULL && i <= reader->mask; i++)
            if (reader->symbols[i].start != NULL)
                *symbol_cell(more, mask, reader->symbols[i].start, reader->symbols[i].length) = reader->symbols[i];
        PyMem_Free(reader->symbols);
        reader->symbols = more;
        reader->mask = mask;
    }
    Symbol *found = symbol_cell(reader->symbols, reader->mask, start, length);
    if (found->start == NULL) {
        found->start = start;
        found->length = length;
        reader->used++;
    }
    return found;
}

Expression *local_of(Reader *reader, const char *start, Py_ssize_t length) {
    Symbol *known = symbol_of(reader, start, length);
    if (known == NULL)
        return NULL;
    if (known->expression == NULL) {
        if ((known->expression = expression_of(reader, LOCAL)) == NULL)
            return NULL;
        known->expression->number = (int)reader->program->locals++;
    }
    else if (known->expression->kind != LOCAL)
        return unknown(reader, "a name that was read before it is assigned");
    return known->expression;
}

static Expression *name(Reader *reader) {
    static const char *reserved[] = {"lambda", "if", "else", "for", "await", "yield", "is", "in", "and", "or", "not"};
    Py_ssize_t length = name_length(reader->at);
    const char *start = reader->at;
    Symbol *known = symbol_of(reader, start, length);
    if (known == NULL)
        return NULL;
    if (known->expression == NULL)
        for (size_t i = 0; i < sizeof(reserved) / sizeof(*reserved); i++)
            if (is_word(start, reserved[i]))
                return unknown(reader, "no expression");
    reader->at += length;
    if (known->expression != NULL)
        return known->expression;
    PyObject *word = PyUnicode_FromStringAndSize(start, length);
    PyObject *found = word == NULL ? NULL : PyDict_GetItemWithError(reader->names, word);
    if (found == NULL && word != NULL && !PyErr_Occurred())
        found = PyDict_GetItemWithError(reader->builtins, word);
    if (is_word(start, "None"))
        found = Py_None;
    else if (is_word(start, "True"))
        found = Py_True;
    else if (is_word(start, "False"))
        found = Py_False;
    Py_XDECREF(word);
    if (found == NULL)
        return unknown(reader, "a name that nothing is known of");
    return known->expression = constant(reader, Py_NewRef(found));
}

/* ---- expressions ---- */

void skip_spaces(Reader *reader) {
    while (*reader->at == ' ')
        reader->at++;
}

int taken(Reader *reader, char c) {
    skip_spaces(reader);
    if (*reader->at != c)
        return 0;
    reader->at++;
    return 1;
}

int taken_word(Reader *reader, const char *word) {
    skip_spaces(reader);
    if (!is_word(reader->at, word))
        return 0;
    reader->at += strlen(word);
    return 1;
}

/* A string, or bytes; with a backslash in it, it is what Python says it is. */
static Expression *text_of(Reader *reader) {
    const char *start = reader->at, *end = start + letter(*start);
    char quote = *end++;
    int plain = !letter(*start);
    for (; *end && *end != quote && *end != '\n'; end++)
        if (*end == '\\') {
            plain = 0;
            end += end[1] != 0;
        }
    if (*end != quote || end[1] == quote)
        return unknown(reader, "no plain string");
    reader->at = end + 1;
    if (plain)
        return constant(reader, PyUnicode_DecodeUTF8(start + 1, end - start - 1, NULL));
    PyObject *value = NULL, *space = PyDict_New(), *literal = PyBytes_FromStringAndSize(start, end + 1 - start);
    if (space != NULL && literal != NULL)
        value = PyRun_String(PyBytes_AS_STRING(literal), Py_eval_input, space, space);
    Py_XDECREF(space);
    Py_XDECREF(literal);
    return constant(reader, value);
}

static Expression *number(Reader *reader, int negative) {
    const char *end = reader->at;
    int whole = 1;
    while (is_figure(*end) || *end == '.' || *end == 'e' || ((*end == '-' || *end == '+') && end[-1] == 'e')) {
        whole &= is_figure(*end);
        end++;
    }
    char own[400];
    Py_ssize_t length = end - reader->at;
    if (letter(*end) || length >= (Py_ssize_t)sizeof(own) - 1)
        return unknown(reader, "no plain number");
    own[0] = '-';
    memcpy(own + 1, reader->at, length);
    own[length + 1] = 0;
    char *text = negative ? own : own + 1;
    reader->at = end;
    if (whole)
        return constant(reader, PyLong_FromString(text, NULL, 10));
    double value = PyOS_string_to_double(text, NULL, NULL);
    return PyErr_Occurred() ? NULL : constant(reader, PyFloat_FromDouble(value));
}

void parts_begin(Parts *parts) {
    parts->parts = parts->few;
    parts->count = 0;
    parts->room = 16;
}

int parts_add(Parts *parts, Expression *e) {
    if (e == NULL)
        return -1;
    if (parts->count == parts->room) {
        Expression **more = PyMem_Malloc(2 * parts->room * sizeof(Expression *));
        if (more == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        memcpy(more, parts->parts, parts->count * sizeof(Expression *));
        if (parts->parts != parts->few)
            PyMem_Free(parts->parts);
        parts->parts = more;
        parts->room *= 2;
    }
    parts->parts[parts->count++] = e;
    return 0;
}

Expression *parts_end(Reader *reader, Parts *parts, int kind, int good) {
    Expression *e = good ? with_parts(reader, kind, parts->parts, parts->count) : NULL;
    if (parts->parts != parts->few)
        PyMem_Free(parts->parts);
    return e;
}

/* A tuple of constants is one. */
static Expression *folded(Reader *reader, Expression *e) {
    if (e == NULL)
        return NULL;
    for (Py_ssize_t i = 0; i < e->count; i++)
        if (e->parts[i]->kind != CONSTANT)
            return e;
    PyObject *value = PyTuple_New(e->count);
    for (Py_ssize_t i = 0; value != NULL && i < e->count; i++)
        PyTuple_SET_ITEM(value, i, Py_NewRef(e->parts[i]->value));
    return constant(reader, value);
}

/* What stands between brackets, or in a line, with commas; one part alone is itself. */
Expression *read_listed(Reader *reader, char close) {
    Parts parts;
    parts_begin(&parts);
    int good = 1, comma = 0;
    skip_spaces(reader);
    while (good && *reader->at != close) {
        good = parts_add(&parts, read_expression(reader)) == 0;
        comma = good && taken(reader, ',');
        skip_spaces(reader);
        if (!comma)
            break;
    }
    if (good && parts.count == 1 && !comma) {
        Expression *alone = parts.parts[0];
        parts_end(reader, &parts, TUPLE, 0);
        return alone;
    }
    if (good && !parts.count && close == '\n')
        return unknown(reader, "no value");
    return folded(reader, parts_end(reader, &parts, TUPLE, good));
}

static Expression *enclosed(Reader *reader, int kind, char close) {
    Parts parts;
    parts_begin(&parts);
    int good = 1;
    while (good && !taken(reader, close)) {
        good = parts_add(&parts, read_expression(reader)) == 0;
        if (good && kind != LIST && taken(reader, ':')) {
            good = (kind == DICT || parts.count == 1) && parts_add(&parts, read_expression(reader)) == 0;
            kind = DICT;
        }
        else if (good && kind == DICT && parts.count % 2)
            good = 0;
        if (good && !taken(reader, ',') && *reader->at != close)
            good = 0;
    }
    if (!parts.count && kind == SET)
        kind = DICT;
    Expression *e = parts_end(reader, &parts, kind, good);
    return e == NULL ? unknown(reader, "no list, set or dict") : e;
}

static Expression *atom(Reader *reader) {
    skip_spaces(reader);
    char c = *reader->at;
    if (letter(c)) {
        Py_ssize_t length = name_length(reader->at);
        if (reader->at[length] == '\'' || reader->at[length] == '"')
            return c == 'b' && length == 1 ? text_of(reader) : unknown(reader, "no plain string");
        return name(reader);
    }
    if (is_figure(c))
        return number(reader, 0);
    if (c == '-' && is_figure(reader->at[1])) {
        reader->at++;
        return number(reader, 1);
    }
    if (c == '\'' || c == '"')
        return text_of(reader);
    reader->at++;
    if (c == '(') {
        Expression *e = read_listed(reader, ')');
        return e == NULL || taken(reader, ')') ? e : unknown(reader, "no end of a tuple");
    }
    if (c == '[')
        return enclosed(reader, LIST, ']');
    if (c == '{')
        return enclosed(reader, SET, '}');
    reader->at--;
    return unknown(reader, "no expression");
}

static Expression *call(Reader *reader, Expression *called) {
    Parts parts;
    parts_begin(&parts);
    int good = parts_add(&parts, called) == 0, spread = 0;
    PyObject *names = PyList_New(0);
    while (good && names != NULL && !taken(reader, ')')) {
        skip_spaces(reader);
        Py_ssize_t length = name_length(reader->at);
        if (reader->at[0] == '*') {
            reader->at++;
            good = !spread && !PyList_GET_SIZE(names) && reader->at[0] != '*';
            spread = 1;
        }
        else if (length && reader->at[length] == '=' && reader->at[length + 1] != '=') {
            PyObject *word = PyUnicode_FromStringAndSize(reader->at, length);
            if (word != NULL)
                PyUnicode_InternInPlace(&word);
            good = word != NULL && !spread && PyList_Append(names, word) == 0;
            Py_XDECREF(word);
            reader->at += length + 1;
        }
        else
            good = !spread && !PyList_GET_SIZE(names);
        good = good && parts_add(&parts, read_expression(reader)) == 0 && (taken(reader, ',') || *reader->at == ')');
    }
    Expression *e = parts_end(reader, &parts, spread ? SPREAD : CALL, good && names != NULL);
    if (e == NULL)
        unknown(reader, "no arguments of a call");
    else if (PyList_GET_SIZE(names)) {
        e->value = PyList_AsTuple(names);
        if (e->value == NULL || PyList_Append(reader->program->owned, e->value) < 0)
            e = NULL;
        else
            Py_DECREF(e->value);
    }
    Py_XDECREF(names);
    return e;
}

static Expression *attribute(Reader *reader, Expression *of) {
    Py_ssize_t length = name_length(reader->at);
    if (!length)
        return unknown(reader, "no attribute");
    PyObject *word = PyUnicode_FromStringAndSize(reader->at, length);
    reader->at += length;
    if (word == NULL)
        return NULL;
    PyUnicode_InternInPlace(&word);
    int good = PyList_Append(reader->program->owned, word) == 0;
    Py_DECREF(word);
    Expression *e = good ? with_parts(reader, ATTRIBUTE_OF, &of, 1) : NULL;
    if (e != NULL)
        e->value = word;
    return e;
}

Expression *read_postfix(Reader *reader) {
    Expression *e = atom(reader);
    while (e != NULL) {
        char c = *reader->at;
        if (c != '(' && c != '[' && c != '.')
            return e;
        reader->at++;
        if (c == '(')
            e = call(reader, e);
        else if (c == '.')
            e = attribute(reader, e);
        else {
            Expression *pair[2] = {e, read_listed(reader, ']')};
            e = pair[1] == NULL ? NULL : taken(reader, ']') ? with_parts(reader, ITEM, pair, 2) :
                unknown(reader, "no end of an index");
        }
    }
    return NULL;
}

static Expression *binary(Reader *reader, int kind, Expression *left, Expression *right) {
    Expression *pair[2] = {left, right};
    return left == NULL || right == NULL ? NULL : with_parts(reader, kind, pair, 2);
}

static Expression *sum(Reader *reader) {
    Expression *e = read_postfix(reader);
    while (e != NULL && taken(reader, '+'))
        e = binary(reader, ADD, e, read_postfix(reader));
    return e;
}

static Expression *bits(Reader *reader) {
    Expression *e = sum(reader);
    while (e != NULL && taken(reader, '&'))
        e = binary(reader, BIT_AND, e, sum(reader));
    return e;
}

static int comparison_at(Reader *reader, int *how) {
    static const struct { const char *sign; int how; } signs[] = {
        {"==", Py_EQ}, {"!=", Py_NE}, {"<=", Py_LE}, {">=", Py_GE}, {"<", Py_LT}, {">", Py_GT}};
    if (taken_word(reader, "is"))
        return taken_word(reader, "not") ? IS_NOT : IS;
    if (taken_word(reader, "in"))
        return IN;
    if (is_word(reader->at, "not")) {
        reader->at += 3;
        return taken_word(reader, "in") ? NOT_IN : -2;
    }
    for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++)
        if (!strncmp(reader->at, signs[i].sign, strlen(signs[i].sign))) {
            reader->at += strlen(signs[i].sign);
            *how = signs[i].how;
            return COMPARE;
        }
    return -1;
}

static Expression *comparison(Reader *reader) {
    Expression *e = bits(reader);
    int how = 0, kind = e == NULL ? -1 : comparison_at(reader, &how);
    if (kind < 0)
        return kind == -1 ? e : unknown(reader, "no comparison");
    e = binary(reader, kind, e, bits(reader));
    if (e != NULL) {
        e->number = how;
        if (comparison_at(reader, &how) != -1)
            return unknown(reader, "a chain of comparisons");
    }
    return e;
}

static Expression *negation(Reader *reader) {
    if (!taken_word(reader, "not"))
        return comparison(reader);
    Expression *e = negation(reader);
    return e == NULL ? NULL : with_parts(reader, NOT, &e, 1);
}

static Expression *joined(Reader *reader, int kind, const char *word, Expression *(*part)(Reader *)) {
    Parts parts;
    parts_begin(&parts);
    int good = parts_add(&parts, part(reader)) == 0;
    while (good && taken_word(reader, word))
        good = parts_add(&parts, part(reader)) == 0;
    if (good && parts.count > 1)
        return parts_end(reader, &parts, kind, 1);
    Expression *alone = parts.parts[0];
    parts_end(reader, &parts, kind, 0);
    return good ? alone : NULL;
}

static Expression *conjunction(Reader *reader) {
    return joined(reader, AND, "and", negation);
}

Expression *read_expression(Reader *reader) {
    if (reader->deep >= DEEPEST)
        return unknown(reader, "expressions too deep within each other");
    reader->deep++;
    Expression *e = joined(reader, OR, "or", conjunction);
    reader->deep--;
    return e;
}
