/* Which lines' operations run when they are written.
 *
 * To write an operation down and to run it later costs three times NumPy's own call on ten elements, and some 5 us more
 * than it on any number, unless several become one kernel. So runs of small arrays are counted for the lines that wrote
 * their operations: up where the run had fewer operations for a kernel than it pays for, down where it had more. So are
 * runs of middling ones (up to 512 KB): up where the operation was alone, or what a kernel has not to write and to read
 * again takes less time than that. And so are runs on few elements, for lines that run at once on as few: arithmetic on
 * floats takes no longer so than in a kernel (arithmetic.c), however many such operations there are. What a line that has
 * come up to ``config(eager_after=)`` then does is in at_once.c and writes_at_once.c.
 *
 * As long as a process is young, which is until plans pay (run/startup.py), nothing is gained by waiting: what is pending
 * runs operation by operation anyway. So every line runs at once then, from its second time on, and the first time, too,
 * where it calls a function of NumPy's that no kernel takes in.
 */
#include "hot.h"
#include <time.h>

enum { SETS = 1 << 12, WAYS = 4, PENALTY = 2 };
enum { WORTH = 3, BETWEEN = 8 };   /* operations from which on a kernel pays, if all are joined; for each that is not */
enum { FEW = 1 << 11 };            /* bytes up to which arithmetic on floats is as quick at once */
enum { TINY = 1 << 10 };           /* bytes up to which a sum costs as much alone as at the end of a kernel */
enum { FEW_BYTES = 32 };   /* of one number */
enum { SAVED_BYTES = 15000 };   /* that are written and read again in as much time as it takes to write an operation down */
enum { TRIAL = 64 };   /* of so many operations of a line on middling arrays one waits: others may join it by now */

/* What is counted of a line: runs of small arrays, of others, and of few elements. */
typedef enum { SMALL, CALLS, FEWS, TABLES } Table;

/* An instruction of a program. The code object is compared and never looked into: it may have been freed. */
typedef struct {
    PyCodeObject *code;
    int lasti, score[TABLES], large;   /* large: what CALLS counted last was NumPy's on a larger array than middling ones */
    unsigned turns;
} Site;

static Site sites[SETS][WAYS];   /* in each set the one that was used last comes first, and the last one gives way */
static Py_ssize_t eager_after = -1;   /* -1: never */

static PyObject *grown_up;   /* startup.grown_up, as long as the process is young; else NULL */
static double worked, asked_at;   /* nanoseconds that operations took since it was asked, and after how many it is again */

static Site *set_of(PyCodeObject *code, int lasti) {
    size_t print = ((size_t)code >> 4 ^ (size_t)lasti * 0x9E3779B1u) * 0x9E3779B97F4A7C15ull;
    return sites[print >> 40 & (SETS - 1)];
}

static void move_to_front(Site *set, int way, Site moved) {
    memmove(set + 1, set, way * sizeof *set);
    set[0] = moved;
}

/* NULL if nothing is known of it. */
static Site *site_of(PyCodeObject *code, int lasti) {
    Site *set = set_of(code, lasti);
    for (int way = 0; way < WAYS; way++)
        if (set[way].code == code && set[way].lasti == lasti) {
            if (way)
                move_to_front(set, way, set[way]);
            return set;
        }
    return NULL;
}

static Site *new_site(PyCodeObject *code, int lasti) {
    Site *set = set_of(code, lasti);
    move_to_front(set, WAYS - 1, (Site){.code = code, .lasti = lasti});
    return set;
}

/* eager_after(n): from how many short runs on lines compute at once; None for never. What was counted is forgotten. */
PyObject *hot_eager_after(PyObject *self, PyObject *limit) {
    Py_ssize_t given = limit == Py_None ? -1 : ssize_of(limit);
    if (given == -1 && PyErr_Occurred())
        return NULL;
    eager_after = given < INT_MAX / 2 ? given : -1;
    memset(sites, 0, sizeof sites);
    Py_CLEAR(grown_up);
    Py_RETURN_NONE;
}

/* ---- young processes -------------------------------------------------------------------------------------------------- */

enum { WRITING = 200, ASKING = 5000000 };   /* nanoseconds: what an operation takes besides NumPy, and between two questions */

/* young(ask): lines run at once from now on, until ``ask(ns)`` is true, given what they took since it was asked last. None
 * ends that. */
PyObject *hot_young(PyObject *self, PyObject *ask) {
    worked = 0;
    asked_at = ASKING;
    Py_XSETREF(grown_up, ask == Py_None ? NULL : Py_NewRef(ask));
    Py_RETURN_NONE;
}

static int is_young(void) {
    return grown_up != NULL && small_bytes() > 0;
}

/* When an operation begins that runs at once, for `note_work`; 0 where nobody asks any more. */
long long work_begins(void) {
    struct timespec now;
    if (grown_up == NULL)
        return 0;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* An operation has run that began then. Nothing that was raised by it is touched. */
void note_work(long long began) {
    if (began == 0 || grown_up == NULL || (worked += (double)(work_begins() - began)) < asked_at)
        return;
    PyObject *kind, *value, *trace, *ask = Py_NewRef(grown_up);
    PyErr_Fetch(&kind, &value, &trace);
    PyObject *took = PyFloat_FromDouble(worked), *old = took == NULL ? NULL : PyObject_CallOneArg(ask, took);
    worked = 0;
    if (old == NULL && PyErr_ExceptionMatches(PyExc_KeyboardInterrupt))
        PyErr_SetInterrupt();   /* comes again where it may end the program's line */
    PyErr_Clear();
    if (old != Py_False)
        Py_CLEAR(grown_up);
    Py_XDECREF(old);
    Py_XDECREF(took);
    Py_DECREF(ask);
    PyErr_Restore(kind, value, trace);
}

/* ---- counting --------------------------------------------------------------------------------------------------------- */

Py_ssize_t small_bytes(void) {
    Py_ssize_t most = ssize_of(slot_or_none(current, C.small));
    if (most < 0)
        PyErr_Clear();   /* more bytes than a machine word holds */
    return most < 0 ? PY_SSIZE_T_MAX : most;
}

static void count_at(Table table, PyObject *code, int at, int up, int large) {
    if (!PyCode_Check(code))
        return;
    Site *site = site_of((PyCodeObject *)code, at);
    if (site == NULL)
        site = new_site((PyCodeObject *)code, at);
    int *score = &site->score[table];
    if (table == CALLS)
        site->large = up && large;
    if (up)
        *score += *score < eager_after;
    else
        *score = *score > PENALTY ? *score - PENALTY : 0;
}

/* What counting asks of an operation: its kind, and whether kernels reduce by it. */
enum { OF_ELEMENTS = 1, OF_SCALARS = 2, OF_CALLS = 4, OF_WRITES = 8, REDUCES = 16, SUMS = 32, TAKES_IN = 64, ARITHMETIC = 128 };

/* Whether a kernel may compute what an operation is given in the same pass. */
static int takes_in(PyObject *op, PyObject *kind, PyObject *name) {
    if (kind == text_call)
        return PySet_Contains(reducers, name) == 1 || PyUnicode_CompareWithASCIIString(name, "any") == 0
            || PyUnicode_CompareWithASCIIString(name, "all") == 0;
    return kind != text_mutate || op == store_operation;
}

/* Remembered for operations that were asked of lately, which are kept as long. */
static int traits_of(PyObject *node) {
    enum { OPERATIONS = 256 };
    static struct { PyObject *op; int traits; } known[OPERATIONS];
    PyObject *op = slot_or_none(node, N.op);
    size_t at = ((size_t)op >> 4) * 0x9E3779B97F4A7C15ull >> 56;
    if (known[at].op == op)
        return known[at].traits;
    PyObject *kind = slot_or_none(op, O.kind), *name = slot_or_none(op, O.name);
    int traits = (kind == text_elementwise ? OF_ELEMENTS : 0) | (kind == text_scalar ? OF_SCALARS : 0)
        | (kind == text_call ? OF_CALLS : 0) | (kind == text_mutate ? OF_WRITES : 0)
        | (PySet_Contains(reducers, name) == 1 ? REDUCES : 0) | (PySet_Contains(sums, name) == 1 ? SUMS : 0)
        | (takes_in(op, kind, name) ? TAKES_IN : 0)
        | (kind == text_elementwise && is_arithmetic(slot_or_none(op, O.fn)) ? ARITHMETIC : 0);
    Py_XSETREF(known[at].op, Py_NewRef(op));
    known[at].traits = traits;
    return traits;
}

/* Whether a node is computed in one kernel with others: element by element, or a reduction of it all or of its rows. */
static int is_joined(PyObject *node, PyObject *a) {
    if (PyTuple_GET_SIZE(slot_or_none(node, N.shape)) == 0)
        return Py_TYPE(a) == node_type && bytes_of(a) > TINY;
    return (traits_of(node) & (OF_ELEMENTS | REDUCES)) != 0;
}

/* The bytes that an operation writes, or reads, if it is a call or a write. */
static Py_ssize_t weight_of(PyObject *node) {
    int writes = traits_of(node) & OF_WRITES;
    PyObject *read = slot_or_none(node, writes ? N.b : N.a);
    Py_ssize_t own = writes ? 0 : bytes_of(node), given = Py_TYPE(read) == node_type ? bytes_of(read) : 0;
    return own > given ? own : given;
}

/* Whether NumPy's call is all there is for an operation. */
static int is_by_numpy(PyObject *node) {
    int traits = traits_of(node);
    return traits & (OF_CALLS | OF_WRITES) && !(traits & TAKES_IN);
}

static void count(Table table, PyObject *node, int up, int over) {
    count_at(table, slot_or_none(node, N.code), (int)LASTI(node), up,
             (over || is_by_numpy(node)) && weight_of(node) > MIDDLING);
}

/* Whether a node is one call of a function of NumPy's (lazy.Rule), which no kernel takes in. */
static int is_function(PyObject *node) {
    PyObject *attrs = slot_or_none(node, N.attrs);
    if (!(traits_of(node) & OF_CALLS) || !PyTuple_CheckExact(attrs) || !PyTuple_GET_SIZE(attrs))
        return 0;
    PyObject *first = PyTuple_GET_ITEM(attrs, 0);
    return PyTuple_CheckExact(first) && PyTuple_GET_SIZE(first) == 2 && PyUnicode_CheckExact(PyTuple_GET_ITEM(first, 0))
        && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(first, 0), "form") == 0;
}

/* Counts calls of functions in a run: up where all else in it is elementwise or a number, so that no kernel would have been
 * another had they run when they were written. */
static Py_ssize_t count_functions(PyObject *nodes) {
    Py_ssize_t n = PyList_GET_SIZE(nodes), functions = 0, others = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *node = PyList_GET_ITEM(nodes, i);
        if (traits_of(node) & (OF_ELEMENTS | OF_SCALARS))
            continue;
        int counts = is_function(node);
        functions += counts;
        others += !counts;
    }
    for (Py_ssize_t i = 0; functions && i < n; i++)
        if (is_function(PyList_GET_ITEM(nodes, i)))
            count(CALLS, PyList_GET_ITEM(nodes, i), !others, 0);
    return functions;
}

static int is_pending(PyObject *x) {
    return Py_TYPE(x) == node_type && depth_of(x) > 0 && slot_or_none(x, N.buffer) == Py_None;
}

/* Whether NumPy's own reduction is slower than a kernel's: of rows or columns, which it takes one by one, in another dtype
 * than that of the elements, or in several calls. */
static int is_slow_reduction(PyObject *node, PyObject *a) {
    int traits = traits_of(node);
    if (!(traits & REDUCES))
        return 0;
    if (traits & SUMS && Py_TYPE(a) == node_type && bytes_of(a) >= SUMMED)
        return 1;
    int number = Py_TYPE(a) == node_type ? ((PyArray_Descr *)slot_or_none(a, N.dtype))->type_num : NPY_VOID;
    return PyTuple_GET_SIZE(slot_or_none(node, N.shape)) > 0 || !(PyTypeNum_ISFLOAT(number) || PyTypeNum_ISCOMPLEX(number));
}

/* Whether nodes are of a number stored where a mask is true, and of what makes the mask. A kernel would read and write all
 * elements, of which `fill_at_once` takes those that are chosen. */
static int is_one_fill(PyObject *nodes, Py_ssize_t from, Py_ssize_t end) {
    Py_ssize_t target = 0;
    for (Py_ssize_t i = from; i < end; i++) {
        PyObject *node = PyList_GET_ITEM(nodes, i), *op = slot_or_none(node, N.op), *b = slot_or_none(node, N.b);
        int fills = traits_of(node) & OF_WRITES && Py_TYPE(b) == node_type && bytes_of(b) <= FEW_BYTES
            && PyUnicode_CompareWithASCIIString(slot_or_none(op, O.name), "setitem_where") == 0;
        if (fills ? i < end - 1 : i == end - 1)
            return 0;
        target += fills ? bytes_of(node) : 0;
    }
    for (Py_ssize_t i = from; i < end - 1; i++)
        target -= 2 * bytes_of(PyList_GET_ITEM(nodes, i));
    return target > 0;
}

/* Whether a node is a product of matrices or the like: how large its operands are says nothing of the kernels after it. */
static int is_call_alone(PyObject *node) {
    return traits_of(node) & OF_CALLS && is_by_numpy(node);
}

/* Whether several operations are worth a kernel: one takes what NumPy has no quick call for, arrays that threads
 * share, or they save more memory traffic than it takes to write them down. */
static int is_worth_a_kernel(PyObject *nodes, Py_ssize_t from, Py_ssize_t end) {
    Py_ssize_t saved = 0;
    PyObject *before = NULL;
    if (is_one_fill(nodes, from, end))
        return 0;
    for (Py_ssize_t i = from; i < end; i++) {
        PyObject *node = PyList_GET_ITEM(nodes, i), *a = slot_or_none(node, N.a), *b = slot_or_none(node, N.b);
        if (!is_call_alone(node) && (weight_of(node) > MIDDLING || is_slow_reduction(node, a)))
            return 1;
        if (traits_of(node) & TAKES_IN)
            saved += (is_pending(a) ? bytes_of(a) : a == before && Py_TYPE(a) == node_type ? bytes_of(a) / 2 : 0)
                     + (is_pending(b) ? bytes_of(b) : 0);
        before = a;
    }
    return saved > SAVED_BYTES * (end - from + 4);
}

/* An operation is run by itself: counts it for its line, if it is middling or NumPy's own, for instance as it goes `over` an
 * operand; up where it is no kernel. */
void count_alone(PyObject *node, int up, int over) {
    if (eager_after > 0 && !is_function(node) && (over || is_by_numpy(node) || weight_of(node) <= MIDDLING))
        count(CALLS, node, up, over);
}

/* ran_when_written(code, lasti): a line's call has run when it was written, as its result or its errors need values. */
PyObject *hot_ran_when_written(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    if (count == 2 && eager_after > 0 && PyLong_CheckExact(args[1]))
        count_at(CALLS, args[0], (int)PyLong_AsLong(args[1]), 1, 0);
    Py_RETURN_NONE;
}

static void count_all(Table table, PyObject *nodes, int up) {
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(nodes); i++)
        count(table, PyList_GET_ITEM(nodes, i), up, 0);
}

/* Whether a node and what it reads are small. */
static int is_small(PyObject *node, Py_ssize_t most) {
    PyObject *a = slot_or_none(node, N.a);
    return bytes_of(node) <= most && !(Py_TYPE(a) == node_type && bytes_of(a) > most);
}

/* Whether an operation is computed by arithmetic.c when it is written. */
static int is_quick(PyObject *node) {
    PyObject *a = slot_or_none(node, N.a);
    int number = ((PyArray_Descr *)slot_or_none(Py_TYPE(a) == node_type ? a : node, N.dtype))->type_num;
    return traits_of(node) & ARITHMETIC && (number == NPY_DOUBLE || number == NPY_FLOAT);
}

/* Whether small operations cost less one by one than in kernels; of `few` elements only calls of NumPy's cost more so, and a
 * reduction as much as several others. */
static int is_short(PyObject *nodes, Py_ssize_t from, Py_ssize_t end, int few) {
    Py_ssize_t joined = 0, calls = 0;
    for (Py_ssize_t i = from; i < end; i++) {
        PyObject *node = PyList_GET_ITEM(nodes, i);
        if (!is_joined(node, slot_or_none(node, N.a)))
            continue;
        joined++;
        calls += traits_of(node) & REDUCES ? WORTH : !is_quick(node);
    }
    return joined < WORTH || joined < BETWEEN * (end - from - joined) || (few && calls < WORTH);
}

static int all_are_few(PyObject *nodes, Py_ssize_t from, Py_ssize_t end) {
    for (Py_ssize_t i = from; i < end; i++)
        if (!is_small(PyList_GET_ITEM(nodes, i), FEW))
            return 0;
    return from < end;
}

/* Counts operations between two products in a run in which not all arrays are small; whether that is up. */
static int count_between(PyObject *nodes, Py_ssize_t from, Py_ssize_t end, Py_ssize_t most, int *small) {
    *small = from < end;
    for (Py_ssize_t i = from; *small && i < end; i++)
        *small = is_small(PyList_GET_ITEM(nodes, i), most);
    int up = *small ? is_short(nodes, from, end, 0) : from == end || !is_worth_a_kernel(nodes, from, end);
    int few = *small && all_are_few(nodes, from, end), few_up = few && is_short(nodes, from, end, 1);
    for (Py_ssize_t i = from; i < end; i++)
        if (!is_function(PyList_GET_ITEM(nodes, i))) {
            count(*small ? SMALL : CALLS, PyList_GET_ITEM(nodes, i), up, 0);
            if (few)
                count(FEWS, PyList_GET_ITEM(nodes, i), few_up, 0);
        }
    return up;
}

/* Counts a run in which not all arrays are small. No kernel goes over a product or the like: so what is between two is
 * looked at by itself, and a product goes with what is before and after it. 0 or 1 if all were counted so as middling
 * ones, else -1. */
static int count_middling(PyObject *nodes, Py_ssize_t most) {
    Py_ssize_t n = PyList_GET_SIZE(nodes), from = 0;
    int verdict = -2, up = 1;
    PyObject *product = NULL;
    for (Py_ssize_t i = 0; i <= n; i++) {
        PyObject *node = i < n ? PyList_GET_ITEM(nodes, i) : NULL;
        if (node != NULL && !is_call_alone(node))
            continue;
        int small, before = up;
        up = count_between(nodes, from, i, most, &small);
        if (product != NULL && !is_function(product))
            count(CALLS, product, before && up, 0);
        if (from < i)
            verdict = small || (verdict >= 0 && verdict != up) ? -1 : verdict == -2 ? up : verdict;
        product = node;
        from = i + 1;
    }
    return verdict;
}

/* Nodes are about to run together: counts it for their lines, if all are small (what no kernel has splits the others),
 * and for calls of functions. `known` has what was found of their structure before, or is NULL. */
void count_run(PyObject *nodes, Counting *known) {
    Py_ssize_t n = PyList_GET_SIZE(nodes), most;
    if (eager_after <= 0)
        return;
    most = small_bytes();
    if (known != NULL && known->known && known->most == most) {
        count_all(known->middling ? CALLS : SMALL, nodes, known->up);
        if (known->few)
            count_all(FEWS, nodes, known->few_up);
        return;
    }
    for (Py_ssize_t i = 0; i < n; i++)
        if (!is_small(PyList_GET_ITEM(nodes, i), most)) {
            int up = n > 1 ? count_middling(nodes, most) : -1;   /* `count_alone` has others */
            if (count_functions(nodes) == 0 && known != NULL && up >= 0)
                *known = (Counting){.most = most, .known = 1, .middling = 1, .up = up};
            return;
        }
    int up = is_short(nodes, 0, n, 0), few = all_are_few(nodes, 0, n), few_up = few && is_short(nodes, 0, n, 1);
    count_all(SMALL, nodes, up);
    if (few)
        count_all(FEWS, nodes, few_up);
    if (known != NULL)
        *known = (Counting){.most = most, .known = 1, .up = up, .few = few, .few_up = few_up};
}

/* ---- choosing --------------------------------------------------------------------------------------------------------- */

/* Whether the operation that is being written is to run at once; not so now and then, if it is on trial. */
static int is_steady(Table table, int on_trial, int *large) {
    if (eager_after < 0 || watched() || held_up == Py_True || slot_or_none(current, C.debug) == Py_True)
        return 0;
    if (eager_after == 0 || is_young())
        return is_users_line();
    PyFrameObject *frame = PyEval_GetFrame();
    if (frame == NULL)
        return 0;
    PyCodeObject *code = PyFrame_GetCode(frame);
    int lasti = PyFrame_GetLasti(frame);
    Site *site = site_of(code, lasti);
    Py_DECREF(code);
    if (site == NULL || site->score[table] < eager_after || !is_users_line())
        return 0;
    if (large != NULL)
        *large = site->large;
    return !(on_trial || (table == CALLS && site->large)) || ++site->turns % TRIAL;
}

/* Whether any line may: nothing says that all wait. */
int lines_may_run_at_once(void) {
    return eager_after >= 0 && !watched() && held_up != Py_True && slot_or_none(current, C.debug) != Py_True && is_users_line();
}

int runs_at_once(void) {
    return is_steady(SMALL, 0, NULL);
}

/* Whether an operation that is being written may run at once at all, its operands not looked at: the line has come up to
 * that for small arrays or for middling ones, or has been met before in a young process. Most lines have not, and are asked
 * nothing else. */
int may_run_at_once(void) {
    if (eager_after <= 0)
        return eager_after == 0;
    PyFrameObject *frame = PyEval_GetFrame();
    if (frame == NULL)
        return 0;
    PyCodeObject *code = PyFrame_GetCode(frame);
    int lasti = PyFrame_GetLasti(frame);
    Site *site = site_of(code, lasti);
    int young = is_young(), met = site != NULL;
    if (young) {
        worked += WRITING;
        if (!met)
            new_site(code, lasti);
    }
    Py_DECREF(code);
    if (young)
        return met;
    for (int table = 0; site != NULL && table < TABLES; table++)
        if (site->score[table] >= eager_after)
            return 1;
    return 0;
}

/* Whether the call of a function of NumPy's that is being written is to run at once, its arrays small or not; `large`:
 * whether it has so been found on arrays that are larger than middling ones, though kernels take the function in elsewhere. */
int calls_at_once(int *large) {
    *large = 0;
    return is_steady(CALLS, 0, large);
}

/* The bytes up to which operands may be for an operation that runs at once. */
Py_ssize_t most_bytes(void) {
    Py_ssize_t most = small_bytes();
    return most > 0 && most < MIDDLING ? MIDDLING : most;
}

/* The bytes up to which an operand that is pending is computed for such an operation. */
Py_ssize_t most_awaited(void) {
    return is_young() ? ELIDED_BYTES - 1 : small_bytes();
}

/* Whether the operation that is being written, on so many bytes, is to run at once; in a young process not where NumPy
 * writes into temporaries: so does a run, but for what runs at once. */
int runs_now(Py_ssize_t bytes) {
    if (is_young())
        return bytes < ELIDED_BYTES && is_steady(SMALL, 0, NULL);
    if (bytes > small_bytes())
        return is_steady(CALLS, 1, NULL);
    return runs_at_once() || (bytes <= FEW_AT_ONCE && is_steady(FEWS, 0, NULL));
}

/* The same for one that writes to an array of more bytes than operands may have: the line has so been found on large ones. */
int writes_large_now(void) {
    int large = 0;
    return is_steady(CALLS, 1, &large) && large;
}
