/* What the parts of the extension share: the places of the slots of lazytensor's Python classes, and a few helpers.
 *
 * The classes are Python's (ir/node.py and others say what they mean); only the code that every operation and every run
 * goes through is written again here. The Python functions that it stands for remain the reference, do whatever this
 * code leaves to them, and all the work where the extension is not there.
 */
#ifndef LAZYTENSOR_HOT_H
#define LAZYTENSOR_HOT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>

#ifdef Py_GIL_DISABLED
#error "the hot path relies on the GIL"
#endif

#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define NPY_TARGET_VERSION NPY_2_0_API_VERSION
#define PY_ARRAY_UNIQUE_SYMBOL lazytensor_array_api
#ifndef HOT_MODULE
#define NO_IMPORT_ARRAY
#endif
#include <numpy/arrayobject.h>


/* A slot of an object, by the offset that its member descriptor has. */
#define SLOT(object, offset) (*(PyObject **)((char *)(object) + (offset)))

static inline PyObject *slot_or_none(PyObject *object, Py_ssize_t offset) {
    PyObject *value = SLOT(object, offset);
    return value == NULL ? Py_None : value;
}

/* PyLong_AsSsize_t, without a call where the int has one digit: lengths, depths and numbers of slots have. */
static inline Py_ssize_t ssize_of(PyObject *x) {
#if PY_VERSION_HEX < 0x030C0000
    if (PyLong_CheckExact(x) && (size_t)Py_SIZE(x) <= 1)
        return Py_SIZE(x) ? (Py_ssize_t)((PyLongObject *)x)->ob_digit[0] : 0;
#else
    if (PyLong_CheckExact(x) && PyUnstable_Long_IsCompact((PyLongObject *)x))
        return PyUnstable_Long_CompactValue((PyLongObject *)x);
#endif
    return PyLong_AsSsize_t(x);
}

static inline void put_owned(PyObject *object, Py_ssize_t offset, PyObject *value) {
    PyObject *old = SLOT(object, offset);
    SLOT(object, offset) = value;
    Py_XDECREF(old);
}

static inline void put(PyObject *object, Py_ssize_t offset, PyObject *value) {
    Py_INCREF(value);
    put_owned(object, offset, value);
}

#define NODE_SLOTS(X) X(op) X(a) X(b) X(rest) X(attrs) X(shape) X(dtype) X(strides) X(code) X(errstate) X(buffer) \
    X(claim)
#define OPERATION_SLOTS(X) X(name) X(kind) X(fn) X(label) X(ufunc)
#define TENSOR_SLOTS(X) X(_value) X(_state)
#define SCALAR_SLOTS(X) X(_node)
#define VIEW_SLOTS(X) X(root) X(steps) X(shape) X(dtype) X(strides) X(writeable) X(locked) X(of) X(laid) X(given)
#define WATCHER_SLOTS(X) X(ident) X(start) X(waits)
#define WATCH_SLOTS(X) X(capsule) X(filters) X(show) X(showwarning)
#define CURRENT_SLOTS(X) X(engine) X(depth) X(threads) X(debug) X(plan_nodes) X(pinned) X(small)
#define GRAPH_SLOTS(X) X(nodes) X(leaves) X(views) X(exact) X(bound)
#define SIZED_SLOTS(X) X(entry) X(bound)
#define ENTRY_SLOTS(X) X(used) X(program)
#define PROGRAM_SLOTS(X) X(guarded) X(alone) X(needless) X(spare_slots) X(rows)
#define RECORD_SLOTS(X) X(simple) X(wait) X(penalty) X(slots) X(plain) X(arrays) X(numbers) X(reads) X(results) \
    X(members) X(restless) X(live) X(empties) X(last) X(span) X(over) X(paths)
#define LAUNCH_SLOTS(X) X(address) X(block) X(numbers) X(threads) X(outputs) X(last) X(call)
#define READY_SLOTS(X) X(launch) X(threads) X(call) X(extra) X(count) X(errstate) X(mask) X(targets) X(templates) \
    X(relations) X(pieces)

#define OFFSET(name) Py_ssize_t name;
typedef struct { NODE_SLOTS(OFFSET) } NodeSlots;
typedef struct { OPERATION_SLOTS(OFFSET) } OperationSlots;
typedef struct { TENSOR_SLOTS(OFFSET) } TensorSlots;
typedef struct { SCALAR_SLOTS(OFFSET) } ScalarSlots;
typedef struct { VIEW_SLOTS(OFFSET) } ViewSlots;
typedef struct { WATCHER_SLOTS(OFFSET) } WatcherSlots;
typedef struct { WATCH_SLOTS(OFFSET) } WatchSlots;
typedef struct { CURRENT_SLOTS(OFFSET) } CurrentSlots;
typedef struct { GRAPH_SLOTS(OFFSET) } GraphSlots;
typedef struct { SIZED_SLOTS(OFFSET) } SizedSlots;
typedef struct { ENTRY_SLOTS(OFFSET) } EntrySlots;
typedef struct { PROGRAM_SLOTS(OFFSET) } ProgramSlots;
typedef struct { RECORD_SLOTS(OFFSET) } RecordSlots;
typedef struct { LAUNCH_SLOTS(OFFSET) } LaunchSlots;
typedef struct { READY_SLOTS(OFFSET) } ReadySlots;
#undef OFFSET

extern NodeSlots N;
extern OperationSlots O;
extern TensorSlots T;
extern ScalarSlots S;
extern ViewSlots V;
extern WatcherSlots H;
extern WatchSlots W;
extern CurrentSlots C;
extern GraphSlots G;
extern SizedSlots Z;
extern EntrySlots E;
extern ProgramSlots P;
extern RecordSlots R;
extern LaunchSlots L;
extern ReadySlots Y;

/* The classes, and objects of lazytensor's modules, handed over by `learn`. */
extern PyTypeObject *node_type, *tensor_type, *view_type, *graph_type, *launch_type, *long_type, *scalar_type;

/* What nodes and views both have, borrowed. */
static inline PyObject *dtype_in(PyObject *value) {
    return slot_or_none(value, Py_TYPE(value) == node_type ? N.dtype : V.dtype);
}

static inline PyObject *shape_in(PyObject *value) {
    return slot_or_none(value, Py_TYPE(value) == node_type ? N.shape : V.shape);
}

static inline PyObject *strides_in(PyObject *value) {
    return slot_or_none(value, Py_TYPE(value) == node_type ? N.strides : V.strides);
}
extern PyTypeObject *watcher_type, *ready_type;
extern PyObject *leaf_operation, *store_operation, *element_operation, *copy_operation, *pool_ids, *pool_blocks, *pool_busy;
extern PyObject *part_operations;
extern PyObject *view_operation, *negative_kind, *extobj, *watch, *warnings_dict, *may_wait, *bound_check;
extern PyObject *current, *watchers, *hooks, *exact_plans, *pool_empty, *launch_run;
extern PyObject *realize_slowly, *run_nodes, *warn_of, *active_runs, *views_class, *no_views, *held_up;
extern PyObject *run_kernel, *settle_kernel, *general, *forget_operands, *rescue, *explained, *reported, *execute;
extern PyObject *running_state, *own_state, *leave_filters, *ufunc_type, *refused_launch, *locks, *taken_claim, *with_numbers, *repaired, *loss, *flags_of;
extern PyObject *matmul, *matrix_operator, *product_loop;
extern PyObject *scalar_classes, *shadows, *getitem_function, *shared, *reducers, *sums, *returned, *picked, *relative_view;
extern PyObject *zero, *empty_tuple, *text_mutate, *text_llvm, *text_elementwise, *text_call, *text_scalar;

/* What a lazy scalar holds, borrowed: its node; NULL for anything else. */
static inline PyObject *scalar_node(PyObject *x) {
    return !PyFloat_CheckExact(x) && !PyLong_CheckExact(x) && PyType_IsSubtype(Py_TYPE(x), scalar_type) ? slot_or_none(x, S._node) : NULL;
}

/* Whether a view is one of a node's value, or of one of that shape and dtype (api/handle._steps_from). */
static inline int is_current(PyObject *view, PyObject *node) {
    return slot_or_none(view, V.of) == slot_or_none(node, N.shape) && slot_or_none(view, V.given) == slot_or_none(node, N.dtype);
}

/* Whether somebody watches what programs do (run/watching.py): then Python's functions, which tell, do the work. */
static inline int watched(void) { return watchers != NULL && PyList_GET_SIZE(watchers) > 0; }
PyObject *this_threads_watcher(void);

/* This thread's watcher, borrowed, or NULL. */
static inline PyObject *my_watcher(void) { return watched() ? this_threads_watcher() : NULL; }

/* Tells this thread's watcher that a root is about to get another value, if it does not know. -1 for an error. */
int tell_of_write(PyObject *root);

/* What a node is besides its slots. `lasti`, `depth` and `seq` are what ir/node.py says, as numbers: ints would be made and
 * freed for each operation. The others are the number that it has in the graph that is being captured (capture.c), if `mark` is
 * that graph's; or the next one that waits to be freed (objects.c). Those that pin memory are in a list (pins.c). */
typedef struct Marked {
    PyObject_HEAD
    union {
        size_t mark;
        PyObject *next;
    };
    Py_ssize_t number;
    struct Marked *pin_before, *pin_after;
    Py_ssize_t lasti, depth, seq;
} Marked;

#define LASTI(node) (((Marked *)(node))->lasti)
#define DEPTH(node) (((Marked *)(node))->depth)
#define SEQ(node) (((Marked *)(node))->seq)

/* What every operation asks is here, where each file has it without a call. */

static inline Py_ssize_t depth_of(PyObject *node) {
    return DEPTH(node);
}

enum { PINS_LARGE = 1 << 20 };

/* Whether a realized operand is so large that memory that it pins is counted (run/pins.py). */
static inline int is_large_memory(PyObject *node) {
    PyObject *buffer = slot_or_none(node, N.buffer);
    if (buffer == Py_None) {
        PyObject *base = slot_or_none(node, N.a);
        buffer = Py_TYPE(base) == node_type ? slot_or_none(base, N.buffer) : Py_None;
    }
    return PyArray_Check(buffer) && PyArray_NBYTES((PyArrayObject *)buffer) >= PINS_LARGE;
}

/* Whether two tuples are of the same lengths, or strides. */
static inline int same_shape(PyObject *a, PyObject *b) {
    if (a == b)
        return 1;
    Py_ssize_t n = PyTuple_GET_SIZE(a);
    if (n != PyTuple_GET_SIZE(b))
        return 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *x = PyTuple_GET_ITEM(a, i), *y = PyTuple_GET_ITEM(b, i);
        if (x != y && ssize_of(x) != ssize_of(y))
            return 0;
    }
    return 1;
}

static inline int same_strides(PyObject *a, PyObject *b) {
    return a == b || (a != Py_None && b != Py_None && same_shape(a, b));
}

/* Whether it is one of Python's own numbers. */
static inline int is_pythons_number(PyObject *x) {
    return PyFloat_CheckExact(x) || PyLong_CheckExact(x) || PyBool_Check(x) || PyComplex_CheckExact(x);
}

extern PyTypeObject Marked_Type;
void nodes_learnt(void);

void tensors_learnt(void);
void views_learnt(void);

/* ---- pins.c ---- */

Py_ssize_t pins_since(void);
void pins_note(PyObject *node, Py_ssize_t bytes);
void pins_forget(Marked *node);
PyObject *hot_note(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *hot_noted(PyObject *self, PyObject *unused);

/* A growing list of borrowed or owned pointers. */
typedef struct {
    PyObject **items;
    Py_ssize_t count, room;
    PyObject *local[64];
} Vector;

static inline void vector_start(Vector *v) {
    v->items = v->local;
    v->count = 0;
    v->room = 64;
}

int vector_grow(Vector *v);

static inline int vector_push(Vector *v, PyObject *item) {
    if (v->count == v->room && vector_grow(v) < 0)
        return -1;
    v->items[v->count++] = item;
    return 0;
}

static inline void vector_end(Vector *v) {
    if (v->items != v->local)
        PyMem_Free(v->items);
    vector_start(v);
}

/* A run in progress (run/claims.py). `gate` is made by the first thread that waits for it. */
typedef struct {
    PyObject_HEAD
    PyObject *gate;
    unsigned long owner;
    char ended;
} Run;

extern PyTypeObject Run_Type;
void run_finish(Run *run);

typedef struct {
    size_t *items;
    Py_ssize_t count, room;
    size_t local[512];
} Words;

/* What was captured of pending nodes (ir/capture.py). `words` say what `exact` does, which is made where it is needed,
 * and from `flags` on which nodes and leaves are held. `through` has a node's number, a position and a view by threes,
 * `seen` how often each of these views is an operand. */
typedef struct {
    PyObject *nodes, *exact, *shape;   /* shape: the last that was written down, or, then owned, read */
    Words words;
    Py_ssize_t flags;
    Vector leaves, through, seen, uses;
    Vector owned;   /* objects whose addresses are among the words */
} Capture;

int capture_nodes(Capture *c, PyObject *nodes);
void capture_end(Capture *c);
PyObject *capture_exact(Capture *c);
PyObject *capture_graph(Capture *c);
PyObject *claimed_nodes(PyObject *targets, PyObject *run, int *blocked);
void release_nodes(PyObject *nodes, PyObject *run);
PyObject *apply_steps(PyObject *steps, PyObject *array);

/* ---- turns.c ---- */

PyObject *hot_returns(PyObject *self, PyObject *const *args, Py_ssize_t given);

/* ---- memory.c ---- */

enum { LINED_FROM = 1 << 14 };  /* bytes; run/pool.LINED */
PyObject *aligned_array(PyArray_Descr *dtype, int nd, npy_intp *dims);
PyObject *new_result(PyObject *shape, PyObject *dtype, PyObject *strides);
PyObject *product_of(PyObject *node, PyObject **operands);
PyObject *product_at_once(PyObject **operands);
long flags_under(PyObject *errstate);
PyObject *hot_empty(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *hot_reused(PyObject *self, PyObject *unused);
PyObject *hot_aligned(PyObject *self, PyObject *const *args, Py_ssize_t count);

/* What a kernel reads: the nodes of a graph, the values in the slots, and the views of the operands, as captured
 * (`through`) or as Python has them (`views`). */
typedef struct {
    PyObject *nodes, **values;
    Vector *through;
    PyObject *views;
} Source;

/* ---- boxes.c ---- */

enum { MOST_BOX_AXES = 8 };

/* A part of an array. */
typedef struct {
    char *data;
    int nd;
    npy_intp shape[MOST_BOX_AXES], strides[MOST_BOX_AXES];
} Box;

/* Stands for an array where nothing but its address is read: in the call of a launch, as in `PyArray_BYTES`. */
typedef struct {
    PyObject_HEAD
    char *data;
} Place;

int box_of(Box *box, PyObject *array);
int box_step(Box *box, PyObject *index);
int box_through(Box *box, PyObject *steps);
int box_is_laid_as(const Box *box, PyObject *array);
int copy_box(PyObject *to, PyObject *from, PyObject *index);

/* A kernel's arguments: its block's address, its inputs, its outputs. `owned` are those to be given up afterwards. With
 * `placed`, what is read through views may be a place in the stead of an array: no argument may go to Python then. */
typedef struct {
    PyObject *args[64], *owned[64];
    Py_ssize_t count, owns, made;   /* made: where the outputs begin */
    int placed;
    Place places[64];
} Arguments;

PyObject *view_through(Source *source, Py_ssize_t node, Py_ssize_t position);
PyObject *ready_launch(PyObject *record, PyObject *bounds, int *never);
int launch_kernel(Arguments *a, Source *source, PyObject *record, PyObject *bound);
void arguments_end(Arguments *a);
int put_inputs(Arguments *a, Source *source, PyObject *record);
PyObject *block_with(Source *source, PyObject *record, PyObject *bound);
PyObject *numbers_of(Source *source, PyObject *record);
int to_be_told(long flags, Source *source, PyObject *record);
int is_llvm(PyObject *engine);
void count_kernel(void);

/* The array of which a kernel has just made another one, with the same around the part that it wrote: the next step of a
 * time loop writes into it, and need not copy that. Nobody else has either; `made` is not held, and only compared with what
 * the next record reads. */
typedef struct {
    PyObject *from, *made, *boxes;
} Spare;

void spare_end(Spare *spare);
int launch_writing(Arguments *a, Source *source, PyObject *record, PyObject *ready, PyObject *graph, PyObject *values,
                   Spare *spare);
int is_write(PyObject *op);
int may_write(PyObject *graph, PyObject *values, PyObject *number, Py_ssize_t slot);
PyObject *write_into(PyObject *graph, PyObject *values, PyObject *node, Py_ssize_t slot, PyObject **operands,
                     Py_ssize_t count);
int may_write_directly(PyObject *node);
PyObject *write_directly(PyObject *node, PyObject **operands, Py_ssize_t count);
int sole(PyObject *array, Py_ssize_t references);
void settle_launched(Arguments *a, PyObject *nodes, PyObject *record);

/* The floating-point state of one run (run/interpreter.Floating). */
typedef struct {
    PyObject_HEAD
    PyObject *errors, *node, *interrupt, *filters;
    PyObject *capsule, *token, *outer;
    char own;
} Floating;

extern PyTypeObject Floating_Type, Noted_Type;
Floating *floating_begin(void);
int floating_at(Floating *state, PyObject *node, int again);
PyObject *floating_end(Floating *state);
PyObject *enter_state(PyObject *capsule);

PyObject *run_program_rows(PyObject *program, PyObject *nodes, PyObject *graph);
PyObject *run_nodes_directly(PyObject *nodes);
int may_go_over_operand(PyObject *node);
PyObject *hot_run_program(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *hot_run_directly(PyObject *self, PyObject *nodes);

/* A method of Tensors or scalars: `slow` is the Python function that it stands for, `fast` what that has learnt. */
typedef struct {
    PyObject_HEAD
    PyObject *op, *fast, *slow, *fn;
    int swapped;
    vectorcallfunc call;
} Method;

extern PyTypeObject Binary_Type, Unary_Type, Caller_Type, ScalarMethod_Type, InPlace_Type, Reflected_Type, Power_Type;
extern PyTypeObject Reducer_Type, Getter_Type, Setter_Type, Direct_Type, Viewer_Type, Chooser_Type, Caster_Type, Clipper_Type, Drawer_Type,
    Attribute_Type, Multiplier_Type;
extern PyTypeObject ClassOf_Type, Overrider_Type;
#define AT_ONCE (PY_SSIZE_T_MAX / 2)
int may_be_pending(PyObject **capsule);
int bound_node(PyObject *node);
PyObject *lock_of(PyObject *root);
int take_lock(PyObject *lock);
int give_lock(PyObject *lock);
PyObject *made_node(PyObject *op, PyObject *inputs, PyObject *attrs, PyObject *shape, PyObject *dtype, PyObject *strides,
                    PyObject *errstate, Py_ssize_t depth, PyObject *frame);
int is_basic(PyObject *index);
int is_element(PyObject *index, PyObject *shape);
int gives_array(PyObject *index, Py_ssize_t axes);

/* ---- direct.c ---- */

PyObject *small_array(PyObject *tensor);
PyObject *tensor_over(PyObject *array, PyObject *shape, PyObject *strides);
PyObject *wrapped(PyObject *result);
PyObject *wrapped_view(PyObject *result, int owns);
int call_middling(Method *method, PyObject *fn, PyObject *const *args, Py_ssize_t count, PyObject *names,
                  PyObject **result);
int is_users_line(void);
PyObject *several_at_once(PyObject *ufunc, PyObject *const *operands, Py_ssize_t count);

/* ---- lines.c, at_once.c, writes_at_once.c ---- */

enum { FEW_AT_ONCE = 4000 };   /* bytes up to which lines that run at once on few elements do so */
enum { SUMMED = 1 << 16 };     /* bytes from which a mean or deviation of all elements is a kernel (compile.SUMMED) */
enum { MIDDLING = 1 << 19 };   /* bytes up to which what is alone runs at once: threads may share the larger */
enum { ELIDED_BYTES = 1 << 18 };   /* from which on NumPy writes into temporaries (operators.ELIDED_BYTES) */

/* What counting found of a structure: in a run of it all operations count the same. */
typedef struct {
    Py_ssize_t most;   /* the setting `small` of then */
    char known, middling, up, few, few_up;
} Counting;

void count_run(PyObject *nodes, Counting *known);
void count_alone(PyObject *node, int up, int over);
int lines_may_run_at_once(void);
int runs_at_once(void);
int may_run_at_once(void);
int calls_at_once(int *large);
int writes_large_now(void);
Py_ssize_t most_bytes(void);
Py_ssize_t bytes_at_hand(PyObject *x);
PyObject *realized_root(PyObject *tensor);
PyObject *waited_for(PyObject *x, Py_ssize_t most);
int is_settled(PyObject *x, Py_ssize_t most);
PyObject *ready(PyObject *x, Py_ssize_t most);
int has_failed(PyObject **result);
PyObject *hot_ran_when_written(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *array_at_hand(PyObject *tensor, Py_ssize_t most);
PyObject *memory_at_hand(PyObject *tensor, Py_ssize_t most);
int may_be_written(PyObject *tensor);
PyObject *raised(PyObject *base, PyObject *exponent);
int binary_at_once(binaryfunc fn, PyObject *left, PyObject *right, PyObject **result);
int compare_at_once(PyObject *left, PyObject *right, int which, PyObject **result);
int power_at_once(PyObject *left, PyObject *right, PyObject **result);
int unary_at_once(unaryfunc fn, PyObject *operand, PyObject **result);
int in_place_at_once(binaryfunc fn, PyObject *self, PyObject *other, PyObject **result);
int call_at_once(PyObject *ufunc, PyObject *const *operands, Py_ssize_t count, PyObject **result);
int reduce_at_once(PyObject *fn, PyObject *const *args, Py_ssize_t count, PyObject *names, PyObject **result);
int call_into_at_once(PyObject *ufunc, PyObject *const *operands, Py_ssize_t count, PyObject *target, PyObject **result);
int writes_steadily(PyObject *self, Py_ssize_t *most);
PyObject *memory_locked(PyObject *tensor, Py_ssize_t most, int chosen, PyObject **lock);
int unlocked(PyObject *lock);
int is_elementwise(PyObject *real, Py_ssize_t count);
int store_at_once(PyObject *self, PyObject *index, PyObject *value);
int runs_now(Py_ssize_t bytes);
Py_ssize_t most_awaited(void);
long long work_begins(void);
void note_work(long long began);
Py_ssize_t small_bytes(void);
PyObject *at_hand(PyObject *x, Py_ssize_t most);
int is_numpys_number(PyObject *x);
PyObject *scalar_of(PyObject *value);
PyObject *index_at_hand(PyObject *index, Py_ssize_t most);
int has_no_wait(PyObject *value);

/* ---- arithmetic.c ---- */

PyObject *few_by_operator(binaryfunc fn, int which, PyObject *left, PyObject *right);
PyObject *few_by_unary(unaryfunc fn, PyObject *operand);
PyObject *few_by_ufunc(PyObject *ufunc, PyObject *const *operands, Py_ssize_t count);
int is_arithmetic(PyObject *ufunc);
int few_stored(PyObject *self, PyObject *index, PyObject *value);
int few_in_place(binaryfunc fn, PyObject *self, PyObject *other);

/* ---- places.c ---- */

PyObject *plain_part(PyObject *part);
PyObject *plain_index(PyObject *index);
PyObject *plain_list(PyObject *x);
int is_same_index(PyObject *one, PyObject *other);
PyObject *hot_eager_after(PyObject *self, PyObject *limit);
PyObject *hot_young(PyObject *self, PyObject *ask);

/* ---- stores.c, filling.c ---- */

int goes_in_silently(PyObject *value, PyObject *dtype);
int fill_at_once(PyObject *self, PyObject *index, PyObject *number);

/* ---- views.c ---- */

PyObject *strides_of(PyArrayObject *array);
PyObject *root_of(PyObject *tensor);
PyObject *geometry_of(PyObject *value);
PyObject *viewed_by(PyObject *tensor, PyObject *root, PyObject *alone, PyObject *shape, PyObject *dtype, PyObject *strides);
PyObject *viewed(PyObject *tensor, PyObject *root, PyObject *fn, PyObject *args, PyArrayObject *array);
PyObject *view_given(PyObject *tensor, PyObject *root, PyArrayObject *array, PyObject *found);
PyObject *part_by_step(PyObject *array, PyObject *args);
PyObject *views_given(PyObject *fn, PyObject *const *args, Py_ssize_t count, PyObject *names);
PyObject *viewer_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names);

/* ---- layouts.c, operators.c, inplace.c ---- */

int same_layout(PyObject *a, PyObject *b);
int stretches(PyObject *small, PyObject *large);
PyObject *c_ordered_shape(PyObject *a, PyObject *b);
PyObject *strides_like(PyObject *like, PyObject *dtype);
PyObject *by_number(PyObject *table, PyObject *dtype);
PyObject *by_plain(PyObject *row, PyObject *x, PyObject *dtype);
PyObject *quick_binary(Method *method, PyObject *left, PyObject *right, int up);
PyObject *quick_unary(Method *method, PyObject *operand, int up);
PyObject *quick_reflected(Method *method, PyObject *self, PyObject *left);
int special_power(PyObject *exponent);
PyObject *quick_power(Method *method, PyObject *self, PyObject *exponent);
PyObject *quick_scalar(Method *method, PyObject *self, PyObject *other);
PyObject *quick_in_place(Method *method, PyObject *self, PyObject *other);

/* ---- build.c, methods.c ---- */

PyObject *node_of(PyObject *tensor);
PyObject *new_tensor(PyObject *value);
PyObject *new_scalar(PyTypeObject *type, PyObject *node);
PyObject *or_slow(PyObject *result, Method *method, PyObject *const *args, size_t nargsf, PyObject *names);
PyObject *outside(PyObject *frame);
PyObject *written_node(PyObject *op, PyObject *a, PyObject *b, PyObject *attrs, PyObject *shape, PyObject *dtype,
                       PyObject *strides, Py_ssize_t depth, int large, int up);
int may_pin(PyObject *x);
PyObject *written_here(PyObject *op, PyObject *inputs, PyObject *attrs, PyObject *shape, PyObject *dtype,
                       PyObject *strides, PyTypeObject *type);
PyObject *reducer_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names);
PyObject *chooser_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names);
PyObject *attribute_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names);
PyObject *clipper_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names);
PyObject *caster_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names);
PyObject *multiplier_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names);
PyObject *getter_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names);
PyObject *setter_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names);
PyObject *drawer_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names);
PyObject *direct_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names);
Py_ssize_t bytes_of(PyObject *node);
PyObject *hot_make(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *hot_record(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *hot_add_stretches(PyObject *self, PyObject *const *args, Py_ssize_t nargs);
extern const char add_stretches_doc[];
Py_ssize_t next_tick(void);
PyObject *tick(void);
PyObject *hot_tick(PyObject *self, PyObject *unused);
PyObject *hot_capture(PyObject *self, PyObject *nodes);
PyObject *hot_claimed(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *hot_taken(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *hot_realize(PyObject *self, PyObject *targets);
int compute_node(PyObject *node);
PyObject *hot_run_part(PyObject *self, PyObject *nodes);
PyObject *hot_realize_values(PyObject *self, PyObject *values);
PyObject *hot_forget_plans(PyObject *self, PyObject *unused);
PyObject *hot_fill_call(PyObject *self, PyObject *type);
PyObject *real_of(PyObject *ufunc, PyObject **quick);
PyObject *quick_call(PyObject *quick, PyObject *const *operands, Py_ssize_t count);
PyObject *hot_fill_slots(PyObject *self, PyObject *unused);
PyObject *run_new(PyTypeObject *type, PyObject *args, PyObject *kwargs);
PyObject *hot_counts(PyObject *self, PyObject *unused);
PyObject *hot_gemm(PyObject *self, PyObject *unused);
PyObject *hot_commit(PyObject *self, PyObject *writes);
PyObject *hot_gemv(PyObject *self, PyObject *unused);

#endif
