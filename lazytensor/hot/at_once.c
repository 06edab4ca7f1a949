/* Operators on arrays that are not large that run when they are written, from lines whose results have been asked for one
 * by one.
 *
 * To write an operation down and to run it later costs three times NumPy's own call on ten elements, and some 5 us more
 * than it on any number, unless several become one kernel. So runs of small arrays are counted for the lines that wrote
 * their operations: up where the run had fewer operations for a kernel than it pays for, down where it had more. So are
 * runs of middling ones (up to 512 KB): up where the operation was alone, or what a kernel has not to write and to read
 * again takes less time than that. An operation of a line that has come up to ``config(eager_after=)`` is NumPy's operator
 * on the arrays as they are. So its errors and warnings are NumPy's, on that line.
 */
#include "hot.h"

enum { SITES = 1 << 12, PENALTY = 2 };
enum { WORTH = 3, BETWEEN = 8 };   /* operations from which on a kernel pays, if all are joined; for each that is not */
enum { TINY = 1 << 10 };           /* bytes up to which a sum costs as much alone as at the end of a kernel */
enum { FEW_BYTES = 32 };   /* of one number */
enum { UNDISTURBED = 500 };   /* elements up to which NumPy lets no other thread run meanwhile */
enum { SAVED_BYTES = 15000 };   /* that are written and read again in as much time as it takes to write an operation down */
enum { TRIAL = 64 };   /* of so many operations of a line on middling arrays one waits: others may join it by now */

/* An instruction of a program. The code object is compared and never looked into: it may have been freed. */
typedef struct {
    PyCodeObject *code;
    int lasti, score, large;   /* large: what was counted last was NumPy's call on a larger array than middling ones */
    unsigned turns;
} Site;

static Site sites[SITES];
static Site calls[SITES];   /* the same where arrays are not small */
static Py_ssize_t eager_after = -1;   /* -1: never */

static Site *site_of(Site *table, PyCodeObject *code, int lasti) {
    size_t print = ((size_t)code >> 4 ^ (size_t)lasti * 0x9E3779B1u) * 0x9E3779B97F4A7C15ull;
    return &table[print >> 40 & (SITES - 1)];
}

/* eager_after(n): from how many short runs on lines compute at once; None for never. What was counted is forgotten. */
PyObject *hot_eager_after(PyObject *self, PyObject *limit) {
    Py_ssize_t given = limit == Py_None ? -1 : ssize_of(limit);
    if (given == -1 && PyErr_Occurred())
        return NULL;
    eager_after = given < INT_MAX / 2 ? given : -1;
    memset(sites, 0, sizeof sites);
    memset(calls, 0, sizeof calls);
    Py_RETURN_NONE;
}

/* ---- which lines ------------------------------------------------------------------------------------------------------ */

Py_ssize_t small_bytes(void) {
    Py_ssize_t most = ssize_of(slot_or_none(current, C.small));
    if (most < 0)
        PyErr_Clear();   /* more bytes than a machine word holds */
    return most < 0 ? PY_SSIZE_T_MAX : most;
}

static void count_at(Site *table, PyObject *code, int at, int up, int large) {
    if (!PyCode_Check(code))
        return;
    Site *site = site_of(table, (PyCodeObject *)code, at);
    if (site->code != (PyCodeObject *)code || site->lasti != at)
        *site = (Site){(PyCodeObject *)code, at, 0, 0, 0};
    site->large = up && large;
    if (up)
        site->score += site->score < eager_after;
    else
        site->score = site->score > PENALTY ? site->score - PENALTY : 0;
}

/* What counting asks of an operation: its kind, and whether kernels reduce by it. */
enum { OF_ELEMENTS = 1, OF_SCALARS = 2, OF_CALLS = 4, OF_WRITES = 8, REDUCES = 16, SUMS = 32, TAKES_IN = 64 };

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
        | (takes_in(op, kind, name) ? TAKES_IN : 0);
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

static void count(Site *table, PyObject *node, int up, int over) {
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
            count(calls, PyList_GET_ITEM(nodes, i), !others, 0);
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

/* Whether a run is of a number stored where a mask is true, and of what makes the mask. A kernel would read and write all
 * elements, of which `fill_at_once` takes those that are chosen. */
static int is_one_fill(PyObject *nodes) {
    Py_ssize_t n = PyList_GET_SIZE(nodes), target = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *node = PyList_GET_ITEM(nodes, i), *op = slot_or_none(node, N.op), *b = slot_or_none(node, N.b);
        int fills = traits_of(node) & OF_WRITES && Py_TYPE(b) == node_type && bytes_of(b) <= FEW_BYTES
            && PyUnicode_CompareWithASCIIString(slot_or_none(op, O.name), "setitem_where") == 0;
        if (fills ? i < n - 1 : i == n - 1)
            return 0;
        target += fills ? bytes_of(node) : 0;
    }
    for (Py_ssize_t i = 0; i < n - 1; i++)
        target -= 2 * bytes_of(PyList_GET_ITEM(nodes, i));
    return target > 0;
}

/* Whether a run of several operations is worth a kernel: it takes what NumPy has no quick call for, arrays that threads
 * share, or it saves more memory traffic than it takes to write it down. */
static int is_worth_a_kernel(PyObject *nodes) {
    Py_ssize_t n = PyList_GET_SIZE(nodes), saved = 0;
    PyObject *before = NULL;
    if (is_one_fill(nodes))
        return 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *node = PyList_GET_ITEM(nodes, i), *a = slot_or_none(node, N.a), *b = slot_or_none(node, N.b);
        if (weight_of(node) > MIDDLING || is_slow_reduction(node, a))
            return 1;
        if (traits_of(node) & TAKES_IN)
            saved += (is_pending(a) ? bytes_of(a) : a == before && Py_TYPE(a) == node_type ? bytes_of(a) / 2 : 0)
                     + (is_pending(b) ? bytes_of(b) : 0);
        before = a;
    }
    return saved > SAVED_BYTES * (n + 4);
}

/* An operation is run by itself: counts it for its line, if it is middling or NumPy's own, for instance as it goes `over` an
 * operand; up where it is no kernel. */
void count_alone(PyObject *node, int up, int over) {
    if (eager_after > 0 && !is_function(node) && (over || is_by_numpy(node) || weight_of(node) <= MIDDLING))
        count(calls, node, up, over);
}

/* ran_when_written(code, lasti): a line's call has run when it was written, as its result or its errors need values. */
PyObject *hot_ran_when_written(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    if (count == 2 && eager_after > 0 && PyLong_CheckExact(args[1]))
        count_at(calls, args[0], (int)PyLong_AsLong(args[1]), 1, 0);
    Py_RETURN_NONE;
}

static void count_all(Site *table, PyObject *nodes, int up) {
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(nodes); i++)
        count(table, PyList_GET_ITEM(nodes, i), up, 0);
}

/* Counts operations for kernels in a run in which not all arrays are small; gives how many are calls of functions. */
static Py_ssize_t count_middling(PyObject *nodes, int up) {
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(nodes); i++)
        if (!is_function(PyList_GET_ITEM(nodes, i)))
            count(calls, PyList_GET_ITEM(nodes, i), up, 0);
    return count_functions(nodes);
}

/* Nodes are about to run together: counts it for their lines, if all are small (what no kernel has splits the others),
 * and for calls of functions. `known` has what was found of their structure before, or is NULL. */
void count_run(PyObject *nodes, Counting *known) {
    Py_ssize_t n = PyList_GET_SIZE(nodes), joined = 0, most;
    if (eager_after <= 0)
        return;
    most = small_bytes();
    if (known != NULL && known->known && known->most == most) {
        count_all(known->middling ? calls : sites, nodes, known->up);
        return;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *node = PyList_GET_ITEM(nodes, i), *a = slot_or_none(node, N.a);
        if (bytes_of(node) > most || (Py_TYPE(a) == node_type && bytes_of(a) > most)) {
            int up = n > 1 && !is_worth_a_kernel(nodes);
            Py_ssize_t functions = n > 1 ? count_middling(nodes, up) : count_functions(nodes);   /* `count_alone` has others */
            if (known != NULL)
                *known = (Counting){most, !functions, 1, up};
            return;
        }
        joined += is_joined(node, a);
    }
    int is_short = joined < WORTH || joined < BETWEEN * (n - joined);
    count_all(sites, nodes, is_short);
    if (known != NULL)
        *known = (Counting){most, 1, 0, is_short};
}

/* Whether the operation that is being written is to run at once; not so now and then, if it is on trial. */
static int is_steady(Site *table, int on_trial, int *large) {
    if (eager_after < 0 || watched() || held_up == Py_True || slot_or_none(current, C.debug) == Py_True)
        return 0;
    if (eager_after == 0)
        return is_users_line();
    PyFrameObject *frame = PyEval_GetFrame();
    if (frame == NULL)
        return 0;
    PyCodeObject *code = PyFrame_GetCode(frame);
    int lasti = PyFrame_GetLasti(frame);
    Site *site = site_of(table, code, lasti);
    Py_DECREF(code);
    if (site->score < eager_after || site->code != code || site->lasti != lasti || !is_users_line())
        return 0;
    if (large != NULL)
        *large = site->large;
    return !(on_trial || site->large) || ++site->turns % TRIAL;
}

int runs_at_once(void) {
    return is_steady(sites, 0, NULL);
}

/* Whether an operation that is being written may run at once at all, its operands not looked at: the line has come up to
 * that for small arrays or for middling ones. Most lines have not, and are asked nothing else. */
static int may_run_at_once(void) {
    if (eager_after <= 0)
        return eager_after == 0;
    PyFrameObject *frame = PyEval_GetFrame();
    if (frame == NULL)
        return 0;
    PyCodeObject *code = PyFrame_GetCode(frame);
    int lasti = PyFrame_GetLasti(frame);
    const Site *small = site_of(sites, code, lasti), *middling = site_of(calls, code, lasti);
    Py_DECREF(code);
    return (small->score >= eager_after && small->code == code && small->lasti == lasti)
        || (middling->score >= eager_after && middling->code == code && middling->lasti == lasti);
}

/* Whether the call of a function of NumPy's that is being written is to run at once, its arrays small or not; `large`:
 * whether it has so been found on arrays that are larger than middling ones, though kernels take the function in elsewhere. */
int calls_at_once(int *large) {
    *large = 0;
    return is_steady(calls, 0, large);
}

/* The bytes up to which operands may be for an operation that runs at once. */
static Py_ssize_t most_bytes(void) {
    Py_ssize_t most = small_bytes();
    return most > 0 && most < MIDDLING ? MIDDLING : most;
}

/* Whether the operation that is being written, on so many bytes, is to run at once. */
int runs_now(Py_ssize_t bytes) {
    return bytes <= small_bytes() ? runs_at_once() : is_steady(calls, 1, NULL);
}

/* The bytes of what stands for an operand. */
static Py_ssize_t bytes_at_hand(PyObject *x) {
    return PyArray_Check(x) ? PyArray_NBYTES((PyArrayObject *)x) : 0;
}

/* ---- operands --------------------------------------------------------------------------------------------------------- */

static int is_plain(PyObject *array, Py_ssize_t most) {
    int number = PyArray_DESCR((PyArrayObject *)array)->type_num;
    return (PyTypeNum_ISNUMBER(number) || PyTypeNum_ISBOOL(number)) && PyArray_NBYTES((PyArrayObject *)array) <= most
        && PyArray_ISNBO(PyArray_DESCR((PyArrayObject *)array)->byteorder);
}

/* The realized root whose memory a Tensor has, itself or its view's, borrowed; NULL where Python has to look. */
static PyObject *realized_root(PyObject *tensor) {
    PyObject *root = root_of(tensor), *node = root == NULL ? Py_None : slot_or_none(root, T._value);
    return root != NULL && PyArray_CheckExact(slot_or_none(node, N.buffer)) ? root : NULL;
}

/* The array of a Tensor that is there and small, a new reference; NULL where it is not so, without an error. */
PyObject *array_at_hand(PyObject *tensor, Py_ssize_t most) {
    PyObject *root = realized_root(tensor), *array;
    if (root == NULL)
        return NULL;
    array = slot_or_none(slot_or_none(root, T._value), N.buffer);
    if (root == tensor)
        Py_INCREF(array);
    else if ((array = apply_steps(slot_or_none(slot_or_none(tensor, T._value), V.steps), array)) == NULL)
        PyErr_Clear();
    if (array != NULL && (!PyArray_CheckExact(array) || !is_plain(array, most)))
        Py_CLEAR(array);
    return array;
}

/* Whether it is one of NumPy's numbers. */
int is_numpys_number(PyObject *x) {
    return !PyType_HasFeature(Py_TYPE(x), Py_TPFLAGS_HEAPTYPE)
        && (PyArray_IsScalar(x, Number) || PyArray_IsScalar(x, Bool));
}

/* What stands for an operand, a new reference; NULL without an error where Python has to look. */
PyObject *at_hand(PyObject *x, Py_ssize_t most) {
    PyTypeObject *type = Py_TYPE(x);
    if (type == tensor_type)
        return array_at_hand(x, most);
    if (type == &PyFloat_Type || type == &PyLong_Type || type == &PyBool_Type || type == &PyComplex_Type)
        return Py_NewRef(x);
    if (PyType_IsSubtype(type, scalar_type)) {
        PyObject *value = slot_or_none(slot_or_none(x, S._node), N.buffer);
        return PyArray_IsScalar(value, Number) || PyArray_IsScalar(value, Bool) ? Py_NewRef(value) : NULL;
    }
    return is_numpys_number(x) ? Py_NewRef(x) : NULL;
}

/* The node that a Tensor or a lazy scalar waits for, small, borrowed; NULL where there is none. */
static PyObject *waited_for(PyObject *x, Py_ssize_t most) {
    PyObject *root = Py_TYPE(x) == tensor_type ? root_of(x) : NULL, *node = Py_None;
    if (root != NULL)
        node = slot_or_none(root, T._value);
    else if (PyType_IsSubtype(Py_TYPE(x), scalar_type))
        node = slot_or_none(x, S._node);
    int waits = Py_TYPE(node) == node_type && slot_or_none(node, N.buffer) == Py_None;
    return waits && bytes_of(node) <= most ? node : NULL;
}

/* Has what an operand waits for computed, if the line runs at once: or all that is computed of it would wait, too. 0 if
 * not; an exception may be set then. */
static int is_settled(PyObject *x, Py_ssize_t most) {
    PyObject *node = waited_for(x, most);
    return node != NULL && runs_at_once() && compute_node(node) == 0;
}

/* The same as `at_hand`, and an operand that is pending and small is computed where the line runs at once. */
static PyObject *ready(PyObject *x, Py_ssize_t most) {
    PyObject *found = at_hand(x, most);
    return found == NULL && is_settled(x, small_bytes()) ? at_hand(x, most) : found;
}

static int has_axes(PyObject *x) {
    return PyArray_CheckExact(x) && PyArray_NDIM((PyArrayObject *)x) > 0;
}

/* ---- results ---------------------------------------------------------------------------------------------------------- */

/* The class of lazy scalars of a kind, borrowed, made if there is none yet (scalar.class_for). */
static PyTypeObject *class_of(PyObject *value, PyArray_Descr *dtype) {
    PyTypeObject *type = (PyTypeObject *)PyDict_GetItemWithError(scalar_classes, (PyObject *)Py_TYPE(value));
    if (type != NULL || PyErr_Occurred())
        return type;
    PyObject *module = PyImport_ImportModule("lazytensor.api.scalar");
    PyObject *made = module == NULL ? NULL : PyObject_CallMethod(module, "class_for", "O", dtype);
    Py_XDECREF(module);
    Py_XDECREF(made);   /* the table has it */
    return (PyTypeObject *)made;
}

/* One of NumPy's scalars as a lazy one that is there. */
PyObject *scalar_of(PyObject *value) {
    PyArray_Descr *dtype = PyArray_DescrFromScalar(value);
    PyTypeObject *type = dtype == NULL ? NULL : class_of(value, dtype);
    if (type == NULL) {
        Py_XDECREF(dtype);
        return NULL;
    }
    PyObject *node = made_node(leaf_operation, empty_tuple, Py_None, empty_tuple, (PyObject *)dtype, Py_None, Py_None, 0,
                               Py_None), *made = NULL;
    if (node != NULL) {
        put(node, N.buffer, value);
        made = new_scalar(type, node);
        Py_DECREF(node);
    }
    Py_XDECREF(dtype);
    return made;
}

/* Whether a new array has the lengths that a tuple says, and lies in C order. */
static int is_like(PyArrayObject *array, PyObject *shape) {
    npy_intp expected = PyArray_ITEMSIZE(array);
    int n = PyArray_NDIM(array);
    if (n != PyTuple_GET_SIZE(shape))
        return 0;
    for (int i = n - 1; i >= 0; i--) {
        PyObject *length = PyTuple_GET_ITEM(shape, i);
        if (PyArray_STRIDE(array, i) != expected || ssize_of(length) != PyArray_DIM(array, i))
            return 0;
        expected *= PyArray_DIM(array, i);
    }
    return 1;
}

/* The result of an operation on `operand` as the user's, which it takes over; NULL without an error where Python has to
 * do it again. */
static PyObject *given_out(PyObject *result, PyObject *operand) {
    PyObject *made = NULL, *value = Py_TYPE(operand) == tensor_type ? slot_or_none(operand, T._value) : Py_None;
    if (result == NULL)
        return NULL;
    if (Py_TYPE(value) == node_type && PyArray_CheckExact(result) && PyArray_BASE((PyArrayObject *)result) == NULL
        && Py_REFCNT(result) == 1 && is_like((PyArrayObject *)result, slot_or_none(value, N.shape)))
        made = tensor_over(result, slot_or_none(value, N.shape), Py_None);
    else if (PyArray_CheckExact(result))
        made = wrapped(result);
    Py_DECREF(result);
    return made;
}

/* Whether a pending operand could not be computed: its error is the outcome. */
static int failed(PyObject **result) {
    *result = NULL;
    return PyErr_Occurred() != NULL;
}

/* Whether NumPy's result does not tell if an operand is a temporary, into which it writes from 256 KB on: the result has its
 * layout then, and products of complex numbers are rounded otherwise. */
static int is_as_alone(PyObject *operand, PyObject *array) {
    if (!PyArray_CheckExact(array) || PyArray_NBYTES((PyArrayObject *)array) < ELIDED_BYTES || Py_REFCNT(operand) > 1)
        return 1;
    return PyArray_IS_C_CONTIGUOUS((PyArrayObject *)array) && !PyTypeNum_ISCOMPLEX(PyArray_TYPE((PyArrayObject *)array));
}

/* The bytes of the larger operand, or of what both make of different axes. */
static Py_ssize_t result_bytes(PyObject *a, PyObject *b) {
    Py_ssize_t one = bytes_at_hand(a), other = bytes_at_hand(b), most = one > other ? one : other;
    if (!has_axes(a) || !has_axes(b) || PyArray_SIZE((PyArrayObject *)a) == PyArray_SIZE((PyArrayObject *)b)
        || PyArray_SIZE((PyArrayObject *)a) == 1 || PyArray_SIZE((PyArrayObject *)b) == 1)
        return most;
    npy_intp size = 1;
    int n = PyArray_NDIM((PyArrayObject *)a), m = PyArray_NDIM((PyArrayObject *)b);
    for (int i = 1; i <= n || i <= m; i++) {
        npy_intp own = i > n ? 1 : PyArray_DIM((PyArrayObject *)a, n - i);
        npy_intp its = i > m ? 1 : PyArray_DIM((PyArrayObject *)b, m - i);
        if (size > MIDDLING)
            break;
        size *= own == 1 ? its : own;
    }
    size *= 8;
    return size > most ? size : most;
}

/* ``left <op> right`` by the operator of NumPy's arrays, `fn`, or the comparison `which` where that is NULL. 1: done, `result`
 * NULL for an error; 0: it is to be written. */
static int pair_at_once(binaryfunc fn, int which, PyObject *left, PyObject *right, PyObject **result) {
    if (!may_run_at_once())
        return 0;
    Py_ssize_t most = most_bytes();
    PyObject *a = ready(left, most), *b = a == NULL ? NULL : ready(right, most);
    int now = b != NULL && (has_axes(a) || (fn != NULL && has_axes(b))) && is_as_alone(left, a) && is_as_alone(right, b);
    if (now && (now = runs_now(result_bytes(a, b)))) {
        PyObject *found = fn != NULL ? fn(a, b) : PyArray_Type.tp_richcompare(a, b, which);
        *result = given_out(found, Py_TYPE(left) == tensor_type ? left : right);
        now = *result != NULL || PyErr_Occurred();
    }
    Py_XDECREF(a);
    Py_XDECREF(b);
    return now || failed(result);
}

int binary_at_once(binaryfunc fn, PyObject *left, PyObject *right, PyObject **result) {
    return pair_at_once(fn, 0, left, right, result);
}

int compare_at_once(PyObject *left, PyObject *right, int which, PyObject **result) {
    return pair_at_once(NULL, which, left, right, result);
}

static PyObject *raised(PyObject *base, PyObject *exponent) {
    return PyArray_Type.tp_as_number->nb_power(base, exponent, Py_None);
}

int power_at_once(PyObject *left, PyObject *right, PyObject **result) {
    return pair_at_once(raised, 0, left, right, result);
}

int unary_at_once(unaryfunc fn, PyObject *operand, PyObject **result) {
    if (!may_run_at_once())
        return 0;
    PyObject *a = ready(operand, most_bytes());
    int now = a != NULL && has_axes(a) && is_as_alone(operand, a) && runs_now(bytes_at_hand(a));
    if (now) {
        *result = given_out(fn(a), operand);
        now = *result != NULL || PyErr_Occurred();
    }
    Py_XDECREF(a);
    return now || failed(result);
}

/* ---- in place --------------------------------------------------------------------------------------------------------- */

/* The memory of a Tensor that may be written to at once, as no pending work reads it (handle.own_memory): a new reference;
 * NULL without an error where it is not so. */
PyObject *memory_at_hand(PyObject *tensor, Py_ssize_t most) {
    PyObject *root = realized_root(tensor), *node = root == NULL ? NULL : slot_or_none(root, T._value);
    if (node == NULL || Py_REFCNT(node) != 1 || !sole(slot_or_none(node, N.buffer), 1)
        || (root != tensor && slot_or_none(slot_or_none(tensor, T._value), V.writeable) != Py_True))
        return NULL;
    PyObject *memory = array_at_hand(tensor, most);
    if (memory != NULL && !PyArray_ISWRITEABLE((PyArrayObject *)memory))
        Py_CLEAR(memory);
    return memory;
}

/* The same, and its root's lock, taken, if NumPy lets other threads run while it writes: so it does if places are `chosen`,
 * for they may be many times as many as there are elements. NULL without an error where it is not so. */
PyObject *memory_locked(PyObject *tensor, Py_ssize_t most, int chosen, PyObject **lock) {
    PyObject *memory = memory_at_hand(tensor, most);
    *lock = NULL;
    if (memory == NULL || (!chosen && PyArray_SIZE((PyArrayObject *)memory) <= UNDISTURBED))
        return memory;
    Py_DECREF(memory);
    *lock = Py_NewRef(lock_of(root_of(tensor)));
    if (take_lock(*lock) < 0) {
        Py_CLEAR(*lock);
        return NULL;
    }
    if ((memory = memory_at_hand(tensor, most)) == NULL) {
        give_lock(*lock);
        Py_CLEAR(*lock);
    }
    return memory;
}

/* Gives the lock back; an error that there is stays. -1 if there is one. */
int unlocked(PyObject *lock) {
    PyObject *kind, *value, *trace;
    if (lock == NULL)
        return 0;
    PyErr_Fetch(&kind, &value, &trace);
    int failed = give_lock(lock) < 0;
    Py_DECREF(lock);
    if (kind != NULL)
        PyErr_Restore(kind, value, trace);
    return failed ? -1 : 0;
}

/* What writes to memory: a call of it, with operands that are there; a new reference, or NULL for an error. */
typedef PyObject *(*Write)(const void *what, PyObject *memory, PyObject **given, Py_ssize_t count);

enum { MOST_OPERANDS = 8 };

/* Whether all operands of a write are there, those that are small and pending computed by now. */
static int all_ready(PyObject *const *operands, Py_ssize_t count, Py_ssize_t most) {
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *x = ready(operands[i], most);
        if (x == NULL)
            return 0;
        Py_DECREF(x);
    }
    return 1;
}

/* Has it written to a Tensor's own memory, if it may be and the operands are there. The memory comes first: operands may be
 * views of it. 1: done, `result` NULL for an error; 0: not so. */
static int write_now_to(PyObject *self, PyObject *const *operands, Py_ssize_t count, Write write, const void *what,
                        int chosen, PyObject **result) {
    PyObject *given[MOST_OPERANDS], *lock, *memory = memory_locked(self, PY_SSIZE_T_MAX, chosen, &lock);
    Py_ssize_t n = 0;
    *result = NULL;
    if (memory == NULL)
        return PyErr_Occurred() != NULL;
    while (n < count && (given[n] = at_hand(operands[n], PY_SSIZE_T_MAX)) != NULL)
        n++;
    int done = n == count;
    if (done)
        *result = write(what, memory, given, count);
    Py_DECREF(memory);
    while (n)
        Py_DECREF(given[--n]);
    if (unlocked(lock) < 0) {
        Py_CLEAR(*result);
        return 1;
    }
    return done || PyErr_Occurred();
}

static PyObject *write_operator(const void *what, PyObject *memory, PyObject **given, Py_ssize_t count) {
    return (*(binaryfunc const *)what)(memory, given[0]);
}

/* Whether what the line that is being written does to a Tensor's own memory runs at once; `most`: with what large operands,
 * in bytes. */
int writes_steadily(PyObject *self, Py_ssize_t *most) {
    int large = 0;
    *most = most_bytes();
    PyObject *memory = may_run_at_once() ? memory_at_hand(self, PY_SSIZE_T_MAX) : NULL;
    Py_ssize_t bytes = memory == NULL ? 0 : bytes_at_hand(memory);
    Py_XDECREF(memory);
    if (memory == NULL || bytes <= *most)
        return memory != NULL && runs_now(bytes);
    *most = PY_SSIZE_T_MAX;
    return is_steady(calls, 1, &large) && large;
}

/* Has it written to a Tensor's own memory from a line that runs at once, and gives that Tensor. 1: done, `result` NULL for an
 * error; 0: it is to be written. */
static int into_at_once(PyObject *self, PyObject *const *operands, Py_ssize_t count, Write write, const void *what,
                        PyObject **result) {
    Py_ssize_t most;
    if (!writes_steadily(self, &most) || !all_ready(operands, count, most))
        return failed(result);
    int done = write_now_to(self, operands, count, write, what, 0, result);
    if (*result != NULL)
        Py_SETREF(*result, Py_NewRef(self));   /* NumPy gives the array that it was given, or an error */
    return done;
}

/* ``self <op>= other`` by the operator of NumPy's arrays. 1: done, `result` NULL for an error; 0: it is to be written. */
int in_place_at_once(binaryfunc fn, PyObject *self, PyObject *other, PyObject **result) {
    if (!may_run_at_once() || Py_TYPE(self) != tensor_type)
        return 0;
    if (!is_settled(self, small_bytes()) && PyErr_Occurred())
        return failed(result);
    return into_at_once(self, &other, 1, write_operator, &fn, result);
}

static PyObject *write_ufunc(const void *what, PyObject *memory, PyObject **given, Py_ssize_t count) {
    static PyObject *names;
    PyObject *stack[MOST_OPERANDS + 1];
    if (names == NULL && (names = Py_BuildValue("(s)", "out")) == NULL)
        return NULL;
    memcpy(stack, given, count * sizeof(PyObject *));
    stack[count] = memory;
    return PyObject_Vectorcall((PyObject *)what, stack, count, names);
}

/* ``ufunc(*operands, out=target)``, the ufunc NumPy's. 1: done, `result` NULL for an error; 0: it is to be written. */
int call_into_at_once(PyObject *ufunc, PyObject *const *operands, Py_ssize_t count, PyObject *target, PyObject **result) {
    if (eager_after < 0 || Py_TYPE(target) != tensor_type || count > 3)
        return 0;
    return into_at_once(target, operands, count, write_ufunc, ufunc, result);
}

/* ---- ufuncs and reductions -------------------------------------------------------------------------------------------- */

static int has_tensor(PyObject *const *operands, Py_ssize_t count) {
    for (Py_ssize_t i = 0; i < count; i++)
        if (Py_TYPE(operands[i]) == tensor_type)
            return 1;
    return 0;
}

/* ``ufunc(*operands)``, the ufunc NumPy's. 1: done, `result` NULL for an error; 0: it is to be written. */
int call_at_once(PyObject *ufunc, PyObject *const *operands, Py_ssize_t count, PyObject **result) {
    PyObject *lent[3];
    Py_ssize_t most = most_bytes(), n = 0, bytes = 0;
    int axes = 0, arrays = 0, now = 0;
    if (count < 1 || count > 3 || (has_tensor(operands, count) && !may_run_at_once()))
        return 0;
    PyObject *first = operands[0];
    while (n < count && (lent[n] = ready(operands[n], most)) != NULL) {
        if (!axes && has_axes(lent[n])) {
            axes = 1;
            first = operands[n];
        }
        Py_ssize_t own = n ? result_bytes(lent[n], lent[n - 1]) : bytes_at_hand(lent[n]);
        bytes = own > bytes ? own : bytes;
        arrays |= PyArray_Check(lent[n++]);
    }
    if (n == count && axes && runs_now(bytes)) {
        *result = given_out(PyObject_Vectorcall(ufunc, lent, count, NULL), first);
        now = *result != NULL || PyErr_Occurred();
    } else if (n == count && !arrays && !watched() && is_users_line()) {  /* numbers never wait */
        *result = PyObject_Vectorcall(ufunc, lent, count, NULL);
        now = 1;
    }
    while (n)
        Py_DECREF(lent[--n]);
    return now || failed(result);
}

/* A reduction's method of an array. 1: done, `result` NULL for an error; 0: it is to be written. */
int reduce_at_once(PyObject *fn, PyObject *const *args, Py_ssize_t count, PyObject *names, PyObject **result) {
    enum { MOST = 8 };
    PyObject *stack[MOST];
    Py_ssize_t all = count + (names == NULL ? 0 : PyTuple_GET_SIZE(names));
    int now = 0;
    if (all > MOST || !may_run_at_once())
        return 0;
    PyObject *array = ready(args[0], most_bytes());
    if (array != NULL && runs_now(bytes_at_hand(array))) {
        memcpy(stack, args, all * sizeof(PyObject *));
        stack[0] = array;
        PyObject *found = PyObject_Vectorcall(fn, stack, count, names);
        *result = found == NULL ? NULL : PyArray_CheckExact(found) ? wrapped(found)
            : PyArray_IsScalar(found, Generic) ? scalar_of(found) : NULL;
        Py_XDECREF(found);
        now = *result != NULL || PyErr_Occurred();
    }
    Py_XDECREF(array);
    return now || failed(result);
}

/* ---- places ----------------------------------------------------------------------------------------------------------- */

/* A part of an index, a new reference; NULL without an error where Python has to look. Masks of more bytes than `most` are
 * left to it: it has quicker ways than NumPy (run/masking.py). */
static PyObject *place_at_hand(PyObject *part, Py_ssize_t most, int *chooses) {
    if (Py_TYPE(part) == tensor_type) {
        PyObject *array = array_at_hand(part, PY_SSIZE_T_MAX);
        int number = array == NULL ? NPY_VOID : PyArray_DESCR((PyArrayObject *)array)->type_num;
        if (!PyTypeNum_ISINTEGER(number) && !(PyTypeNum_ISBOOL(number) && PyArray_NBYTES((PyArrayObject *)array) <= most))
            Py_CLEAR(array);
        *chooses = 1;
        return array;
    }
    PyObject *listed = plain_list(part);
    if (listed != NULL) {
        *chooses = 1;
        return listed;
    }
    return PyErr_Occurred() ? NULL : plain_part(part);
}

/* An index that chooses elements one by one, as NumPy may have it, a new reference; NULL without an error where Python has
 * to look. */
PyObject *index_at_hand(PyObject *index, Py_ssize_t most) {
    int chooses = 0;
    PyObject *made;
    if (PyTuple_CheckExact(index)) {
        made = PyTuple_New(PyTuple_GET_SIZE(index));
        for (Py_ssize_t i = 0; made != NULL && i < PyTuple_GET_SIZE(index); i++) {
            PyObject *part = place_at_hand(PyTuple_GET_ITEM(index, i), most, &chooses);
            if (part == NULL)
                Py_CLEAR(made);
            else
                PyTuple_SET_ITEM(made, i, part);
        }
    } else
        made = place_at_hand(index, most, &chooses);
    if (made != NULL && !chooses)
        Py_CLEAR(made);
    return made;
}

/* Has the value of a write computed. -1 for an error. */
static int has_no_wait(PyObject *value) {
    PyObject *node = waited_for(value, PY_SSIZE_T_MAX);
    return node == NULL ? 0 : compute_node(node);
}

static PyObject *write_places(const void *what, PyObject *memory, PyObject **given, Py_ssize_t count) {
    return PyObject_SetItem(memory, (PyObject *)what, given[0]) < 0 ? NULL : Py_NewRef(Py_None);
}

/* Writes a value to places of a Tensor's own memory. 1: done; 0: the memory is not its own; -1: an error. */
static int put_at_once(PyObject *self, PyObject *places, PyObject *value) {
    PyObject *result;
    if (!write_now_to(self, &value, 1, write_places, places, !is_basic(places), &result))
        return 0;
    Py_XDECREF(result);
    return result == NULL ? -1 : 1;
}

/* Whether a basic index is of no more than `MIDDLING` bytes of an array. */
static int is_middling_part(PyObject *memory, PyObject *index) {
    if (PyArray_NBYTES((PyArrayObject *)memory) <= MIDDLING)
        return 1;
    PyObject *part = PyObject_GetItem(memory, index);
    int found = part != NULL && bytes_at_hand(part) <= MIDDLING;
    if (part == NULL)
        PyErr_Clear();   /* the write says it */
    Py_XDECREF(part);
    return found;
}

/* ``self[index] = value`` for places chosen one by one, or at a line that runs at once. 1: done; 0: it is to be written;
 * -1: an error. */
int store_at_once(PyObject *self, PyObject *index, PyObject *value) {
    Py_ssize_t most = small_bytes();
    int done = 0, basic = is_basic(index);
    if (watched() || held_up == Py_True || (basic && !may_run_at_once()))
        return 0;
    PyObject *memory = memory_at_hand(self, PY_SSIZE_T_MAX), *places = NULL;
    if (memory == NULL)
        return 0;
    Py_ssize_t bytes = bytes_at_hand(memory);
    if (basic)
        done = all_ready(&value, 1, most_bytes()) && runs_now(bytes <= most ? bytes : most + 1)
            && is_middling_part(memory, index);
    else if (most > 0 && (places = index_at_hand(index, bytes <= most ? most : 0)) != NULL)
        done = is_users_line();
    Py_DECREF(memory);
    if (done && !basic && has_no_wait(value) < 0)
        done = -1;
    if (done == 1)
        done = put_at_once(self, basic ? index : places, value);
    Py_XDECREF(places);
    return done == 0 && PyErr_Occurred() ? -1 : done;
}
