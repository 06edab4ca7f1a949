/* The statements of the text of a compiled function, read into a tree; their expressions are `_reading.c`'s. */
#include "_reading.h"

static Statement *suite(Reader *reader, Py_ssize_t indent);

static Statement *statement_of(Reader *reader, int act) {
    Statement *s = piece(reader, sizeof(Statement));
    if (s != NULL)
        s->act = act;
    return s;
}

/* Whether a statement assigns. */
static int assigns(const char *at) {
    int within = 0;
    for (; *at && *at != '\n' && *at != ';'; at++) {
        if (*at == '\'' || *at == '"') {
            char quote = *at++;
            while (*at && *at != quote && *at != '\n')
                at += at[0] == '\\' && at[1] ? 2 : 1;
            if (*at != quote)
                return 0;
        }
        within += *at == '(' || *at == '[' || *at == '{';
        within -= *at == ')' || *at == ']' || *at == '}';
        if (*at == '=' && !within)
            return at[1] != '=' && at[-1] != '!' && at[-1] != '<' && at[-1] != '>';
    }
    return 0;
}

static Expression *target(Reader *reader) {
    skip_spaces(reader);
    Py_ssize_t length = name_length(reader->at);
    char after = reader->at[length];
    if (length && (after == ' ' || after == ',' || after == ';' || after == '\n')) {
        const char *start = reader->at;
        reader->at += length;
        return local_of(reader, start, length);
    }
    Expression *e = read_postfix(reader);
    return e == NULL || e->kind == ATTRIBUTE_OF || e->kind == ITEM ? e : unknown(reader, "nothing that can be assigned");
}

static Expression *targets(Reader *reader) {
    Parts parts;
    parts_begin(&parts);
    int good = 1, comma = 0;
    do {
        skip_spaces(reader);
        if (comma && *reader->at == '=')
            break;
        good = parts_add(&parts, target(reader)) == 0;
    } while (good && (comma = taken(reader, ',')));
    if (good && parts.count == 1 && !comma) {
        Expression *alone = parts.parts[0];
        parts_end(reader, &parts, TUPLE, 0);
        return alone;
    }
    return parts_end(reader, &parts, TUPLE, good);
}

static Statement *assignment(Reader *reader) {
    Parts parts;
    parts_begin(&parts);
    int good = 1;
    while (good && assigns(reader->at)) {
        good = parts_add(&parts, targets(reader)) == 0 && taken(reader, '=');
        skip_spaces(reader);
    }
    Expression *e = parts_end(reader, &parts, TUPLE, good);
    Statement *s = e == NULL ? NULL : statement_of(reader, ASSIGN);
    if (s == NULL)
        return unknown(reader, "no assignment");
    s->targets = e->parts;
    s->count = e->count;
    s->expression = read_listed(reader, '\n');
    return s->expression == NULL ? NULL : s;
}

static Statement *simple(Reader *reader) {
    skip_spaces(reader);
    Statement *s;
    if (assigns(reader->at))
        return assignment(reader);
    if (taken_word(reader, "return")) {
        if ((s = statement_of(reader, RETURN)) == NULL || (s->expression = read_listed(reader, '\n')) == NULL)
            return NULL;
        return s;
    }
    if (taken_word(reader, "raise")) {
        if ((s = statement_of(reader, RAISE)) == NULL || (s->expression = read_expression(reader)) == NULL)
            return NULL;
        return s->expression->kind == CONSTANT ? s : unknown(reader, "nothing that can be raised");
    }
    if (taken_word(reader, "break"))
        return reader->loops ? statement_of(reader, BREAK) : unknown(reader, "no loop that is left");
    if (taken_word(reader, "pass"))
        return statement_of(reader, PASS);
    if (taken_word(reader, "del")) {
        Expression *e = (s = statement_of(reader, DELETE)) == NULL ? NULL : targets(reader);
        if (e == NULL)
            return NULL;
        s->targets = e->kind == LOCAL ? piece(reader, sizeof(Expression *)) : e->parts;
        if (s->targets == NULL || (e->kind != LOCAL && e->kind != TUPLE))
            return unknown(reader, "nothing that can be deleted");
        if (e->kind == LOCAL)
            s->targets[0] = e;
        s->count = e->kind == LOCAL ? 1 : e->count;
        for (Py_ssize_t i = 0; i < s->count; i++)
            if (s->targets[i]->kind != LOCAL)
                return unknown(reader, "nothing that can be deleted");
        return s;
    }
    if ((s = statement_of(reader, EVALUATE)) == NULL || (s->expression = read_listed(reader, '\n')) == NULL)
        return NULL;
    return s;
}

static Py_ssize_t indent_at(Reader *reader) {
    while (*reader->at == '\n')
        reader->at++;
    const char *end = reader->at;
    while (*end == ' ')
        end++;
    return *end ? end - reader->at : -1;
}

/* What follows a colon: statements in the line, or a block that is indented further. */
static Statement *inner(Reader *reader, Py_ssize_t indent) {
    if (!taken(reader, ':'))
        return unknown(reader, "no colon");
    skip_spaces(reader);
    if (*reader->at == '\n') {
        Py_ssize_t further = indent_at(reader);
        return further > indent ? suite(reader, further) : unknown(reader, "no block");
    }
    Statement *first = NULL, **last = &first;
    do {
        if ((*last = simple(reader)) == NULL)
            return NULL;
        last = &(*last)->next;
    } while (taken(reader, ';'));
    if (*reader->at == '\n')
        reader->at++;
    else if (*reader->at)
        return unknown(reader, "no end of a line");
    return first;
}

/* Whether the next line, of that indent, begins with a word; that is taken then. */
static int continues(Reader *reader, Py_ssize_t indent, const char *word) {
    const char *before = reader->at;
    if (indent_at(reader) == indent && taken_word(reader, word))
        return 1;
    reader->at = before;
    return 0;
}

static Statement *attempt(Reader *reader, Py_ssize_t indent) {
    Statement *s = statement_of(reader, TRY);
    if (s == NULL || (s->body = inner(reader, indent)) == NULL)
        return NULL;
    if (continues(reader, indent, "except") &&
        ((s->caught = read_expression(reader)) == NULL || (s->handler = inner(reader, indent)) == NULL))
        return NULL;
    if (s->caught != NULL && s->caught->kind != CONSTANT)
        return unknown(reader, "nothing that can be caught");
    if (continues(reader, indent, "finally") && (s->finally = inner(reader, indent)) == NULL)
        return NULL;
    if (continues(reader, indent, "except") || continues(reader, indent, "else"))
        return unknown(reader, "another clause of a try statement");
    return s;
}

static Statement *loop(Reader *reader, Py_ssize_t indent) {
    Statement *s = statement_of(reader, FOR);
    skip_spaces(reader);
    if (s == NULL || strncmp(reader->at, "_ in range(", 11))
        return unknown(reader, "no loop of a number of turns");
    reader->at += 11;
    s->count = 0;
    if (!is_figure(*reader->at) && ((s->expression = read_expression(reader)) == NULL || s->expression->kind != LOCAL))
        return unknown(reader, "no number of turns");
    for (; is_figure(*reader->at); reader->at++)
        if ((s->count = 10 * s->count + (*reader->at - '0')) > PY_SSIZE_T_MAX / 16)
            return unknown(reader, "too many turns");
    if (!taken(reader, ')'))
        return unknown(reader, "no number of turns");
    reader->loops++;
    s->body = inner(reader, indent);
    reader->loops--;
    return s->body == NULL ? NULL : s;
}

static Statement *suite(Reader *reader, Py_ssize_t indent) {
    Statement *first = NULL, **last = &first;
    if (reader->deep >= DEEPEST)
        return unknown(reader, "blocks too deep within each other");
    reader->deep++;
    Py_ssize_t here;
    while ((here = indent_at(reader)) == indent) {
        Statement *s;
        if (taken_word(reader, "if")) {
            if ((s = statement_of(reader, IF)) != NULL && ((s->expression = read_expression(reader)) == NULL ||
                                                           (s->body = inner(reader, indent)) == NULL))
                s = NULL;
            if (s != NULL && continues(reader, indent, "else") && (s->handler = inner(reader, indent)) == NULL)
                s = NULL;
            if (s != NULL && continues(reader, indent, "elif"))
                return unknown(reader, "another branch");
        }
        else if (taken_word(reader, "for"))
            s = loop(reader, indent);
        else if (taken_word(reader, "try"))
            s = attempt(reader, indent);
        else {
            s = simple(reader);
            while (s != NULL && taken(reader, ';')) {
                *last = s;
                last = &s->next;
                s = simple(reader);
            }
            if (s != NULL && *reader->at && *reader->at != '\n')
                return unknown(reader, "no end of a line");
        }
        if (s == NULL)
            return NULL;
        *last = s;
        last = &s->next;
    }
    reader->deep--;
    return here > indent ? unknown(reader, "a line too far to the right") : first;
}

static int function(Reader *reader) {
    if (!taken_word(reader, "def") || !taken_word(reader, "call") || !taken(reader, '('))
        return -1;
    Symbol *known;
    while (!taken(reader, ')')) {
        Py_ssize_t length = name_length(reader->at);
        if (!length || (known = symbol_of(reader, reader->at, length)) == NULL || known->expression != NULL ||
            local_of(reader, reader->at, length) == NULL)
            return -1;
        reader->at += length;
        if (!taken(reader, ',') && *reader->at != ')')
            return -1;
    }
    reader->program->arguments = reader->program->locals;
    return (reader->program->body = inner(reader, 0)) == NULL || indent_at(reader) >= 0 ? -1 : 0;
}

int read_program(Program *program, const char *text, PyObject *names) {
    Reader reader = {program, text, text, names, PyEval_GetBuiltins(), NULL, 0, 0, 0, 0};
    int answer = function(&reader);
    if (answer < 0)
        unknown(&reader, "no function");
    else
        answer = group_lines(program, program->body);
    PyMem_Free(reader.symbols);
    return answer;
}
