/* The module lazytensor.hot._hot: what it is told of lazytensor's classes, and its methods. */
#define HOT_MODULE
#include "hot.h"
#include <structmember.h>
#include <pythread.h>

NodeSlots N;
OperationSlots O;
TensorSlots T;
ScalarSlots S;
ViewSlots V;
WatcherSlots H;
WatchSlots W;
CurrentSlots C;
GraphSlots G;
SizedSlots Z;
EntrySlots E;
ProgramSlots P;
RecordSlots R;
LaunchSlots L;
ReadySlots Y;

PyTypeObject *node_type, *tensor_type, *view_type, *graph_type, *launch_type, *long_type, *scalar_type;
PyTypeObject *watcher_type, *ready_type;
PyObject *leaf_operation, *store_operation, *element_operation, *copy_operation, *pool_ids, *pool_blocks, *pool_busy, *part_operations;
PyObject *view_operation, *negative_kind, *extobj, *watch, *warnings_dict, *may_wait, *bound_check;
PyObject *current, *watchers, *hooks, *exact_plans, *pool_empty, *launch_run;
PyObject *realize_slowly, *run_nodes, *warn_of, *active_runs, *views_class, *no_views, *held_up;
PyObject *run_kernel, *settle_kernel, *general, *forget_operands, *rescue, *explained, *reported, *execute;
PyObject *running_state, *own_state, *leave_filters, *ufunc_type, *refused_launch, *locks, *taken_claim, *with_numbers, *repaired, *loss, *flags_of;
PyObject *matmul, *matrix_operator, *product_loop;
PyObject *scalar_classes, *shadows, *getitem_function, *shared, *reducers, *sums, *returned, *picked, *relative_view;
PyObject *zero, *empty_tuple, *text_mutate, *text_llvm, *text_elementwise, *text_call, *text_scalar;

int vector_grow(Vector *v) {
    Py_ssize_t room = 2 * v->room;
    PyObject **items = v->items == v->local ? PyMem_Malloc(room * sizeof(PyObject *))
                                            : PyMem_Realloc(v->items, room * sizeof(PyObject *));
    if (items == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (v->items == v->local)
        memcpy(items, v->local, v->count * sizeof(PyObject *));
    v->items = items;
    v->room = room;
    return 0;
}

/* ---- what lazytensor's modules hand over ------------------------------------------------------------------------ */

static int offset_of(PyObject *type, const char *name, Py_ssize_t *offset) {
    PyObject *descriptor = PyObject_GetAttrString(type, name);
    if (descriptor == NULL)
        return -1;
    if (Py_TYPE(descriptor) != &PyMemberDescr_Type) {
        PyErr_Format(PyExc_TypeError, "%R.%s is no slot", type, name);
        Py_DECREF(descriptor);
        return -1;
    }
    *offset = ((PyMemberDescrObject *)descriptor)->d_member->offset;
    Py_DECREF(descriptor);
    return 0;
}

#define LEARN(name) if (offset_of(type, #name, &table->name) < 0) return -1;
#define LEARNER(function, Slots, LIST) \
    static int function(PyObject *type, Slots *table) { LIST(LEARN) return 0; }
LEARNER(learn_node, NodeSlots, NODE_SLOTS)
LEARNER(learn_operation, OperationSlots, OPERATION_SLOTS)
LEARNER(learn_tensor, TensorSlots, TENSOR_SLOTS)
LEARNER(learn_scalar, ScalarSlots, SCALAR_SLOTS)
LEARNER(learn_view, ViewSlots, VIEW_SLOTS)
LEARNER(learn_watcher, WatcherSlots, WATCHER_SLOTS)
LEARNER(learn_watch, WatchSlots, WATCH_SLOTS)
LEARNER(learn_current, CurrentSlots, CURRENT_SLOTS)
LEARNER(learn_graph, GraphSlots, GRAPH_SLOTS)
LEARNER(learn_sized, SizedSlots, SIZED_SLOTS)
LEARNER(learn_entry, EntrySlots, ENTRY_SLOTS)
LEARNER(learn_program, ProgramSlots, PROGRAM_SLOTS)
LEARNER(learn_record, RecordSlots, RECORD_SLOTS)
LEARNER(learn_launch, LaunchSlots, LAUNCH_SLOTS)
LEARNER(learn_ready, ReadySlots, READY_SLOTS)

static const struct { const char *name; PyObject **place; } OBJECTS[] = {
    {"leaf_operation", &leaf_operation}, {"store_operation", &store_operation},
    {"element_operation", &element_operation}, {"copy_operation", &copy_operation}, {"pool_ids", &pool_ids},
    {"pool_blocks", &pool_blocks}, {"pool_busy", &pool_busy},
    {"part_operations", &part_operations},
    {"view_operation", &view_operation}, {"negative_kind", &negative_kind}, {"extobj", &extobj},
    {"watch", &watch}, {"warnings_dict", &warnings_dict}, {"may_wait", &may_wait}, {"bound_check", &bound_check},
    {"current", &current}, {"watchers", &watchers}, {"hooks", &hooks}, {"exact_plans", &exact_plans},
    {"pool_empty", &pool_empty}, {"launch_run", &launch_run},
    {"realize_slowly", &realize_slowly}, {"run_nodes", &run_nodes}, {"warn_of", &warn_of},
    {"active_runs", &active_runs}, {"views_class", &views_class}, {"no_views", &no_views}, {"held_up", &held_up},
    {"run_kernel", &run_kernel}, {"settle_kernel", &settle_kernel}, {"general", &general},
    {"forget_operands", &forget_operands}, {"rescue", &rescue}, {"explained", &explained}, {"reported", &reported},
    {"execute", &execute}, {"running_state", &running_state}, {"own_state", &own_state}, {"leave_filters", &leave_filters},
    {"ufunc_type", &ufunc_type}, {"refused_launch", &refused_launch}, {"locks", &locks},
    {"taken_claim", &taken_claim}, {"with_numbers", &with_numbers}, {"repaired", &repaired}, {"loss", &loss}, {"flags_of", &flags_of},
    {"scalar_classes", &scalar_classes}, {"matmul", &matmul}, {"matrix_operator", &matrix_operator}, {"product_loop", &product_loop},
    {"shadows", &shadows}, {"getitem_function", &getitem_function}, {"shared", &shared}, {"reducers", &reducers}, {"sums", &sums},
    {"returned", &returned}, {"picked", &picked}, {"relative_view", &relative_view},
};

static int learn_slots(const char *name, PyObject *type) {
#define CLASS(word, function, table) if (strcmp(name, word) == 0) return function(type, &table);
#define KEPT(word, function, table, variable) \
    if (strcmp(name, word) == 0) { Py_INCREF(type); variable = (PyTypeObject *)type; return function(type, &table); }
    KEPT("Node", learn_node, N, node_type)
    KEPT("Tensor", learn_tensor, T, tensor_type)
    KEPT("View", learn_view, V, view_type)
    KEPT("Scalar", learn_scalar, S, scalar_type)
    KEPT("Graph", learn_graph, G, graph_type)
    KEPT("Launch", learn_launch, L, launch_type)
    if (strcmp(name, "LongRow") == 0) {  /* has the slots of a launch */
        Py_INCREF(type);
        long_type = (PyTypeObject *)type;
        return 0;
    }
    KEPT("Ready", learn_ready, Y, ready_type)
    KEPT("Watcher", learn_watcher, H, watcher_type)
    CLASS("Operation", learn_operation, O)
    CLASS("Watch", learn_watch, W)
    CLASS("Current", learn_current, C)
    CLASS("Sized", learn_sized, Z)
    CLASS("Entry", learn_entry, E)
    CLASS("Program", learn_program, P)
    CLASS("KernelRecord", learn_record, R)
    PyErr_Format(PyExc_ValueError, "nothing is to be learnt of %s", name);
    return -1;
}

static int learn_class(const char *name, PyObject *type) {
    int known = learn_slots(name, type);
    if (known == 0 && strcmp(name, "Node") == 0)
        nodes_learnt();
    if (known == 0 && strcmp(name, "Tensor") == 0)
        tensors_learnt();
    if (known == 0 && strcmp(name, "View") == 0)
        views_learnt();
    return known;
}

PyDoc_STRVAR(learn_doc, "learn(**things): takes in classes (places of their slots) and objects, by their names here.");

static PyObject *hot_learn(PyObject *self, PyObject *args, PyObject *kwargs) {
    PyObject *key, *value;
    Py_ssize_t at = 0;
    while (kwargs != NULL && PyDict_Next(kwargs, &at, &key, &value)) {
        const char *name = PyUnicode_AsUTF8(key);
        size_t i, count = sizeof OBJECTS / sizeof *OBJECTS;
        if (name == NULL)
            return NULL;
        for (i = 0; i < count && strcmp(OBJECTS[i].name, name) != 0; i++)
            ;
        if (i < count) {
            PyObject *old = *OBJECTS[i].place;
            Py_INCREF(value);
            *OBJECTS[i].place = value;
            Py_XDECREF(old);
        } else if (learn_class(name, value) < 0)
            return NULL;
    }
    Py_RETURN_NONE;
}

/* ---- runs --------------------------------------------------------------------------------------------------------- */

PyObject *run_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    Run *run = (Run *)type->tp_alloc(type, 0);
    if (run != NULL)
        run->owner = PyThread_get_thread_ident();
    return (PyObject *)run;
}

static void run_dealloc(Run *run) {
    Py_XDECREF(run->gate);
    Py_TYPE(run)->tp_free((PyObject *)run);
}

/* Ends the run, and lets those in who wait for it. */
void run_finish(Run *run) {
    run->ended = 1;
    if (run->gate != NULL) {
        PyObject *gate = run->gate, *result;
        run->gate = NULL;
        result = PyObject_CallMethod(gate, "release", NULL);
        if (result == NULL)
            PyErr_WriteUnraisable(gate);
        Py_XDECREF(result);
        Py_DECREF(gate);
    }
}

static PyObject *run_finish_method(PyObject *self, PyObject *unused) {
    run_finish((Run *)self);
    Py_RETURN_NONE;
}

static PyObject *run_door(PyObject *self, PyObject *unused) {
    Run *run = (Run *)self;
    if (run->ended)
        Py_RETURN_NONE;
    if (run->gate == NULL) {
        PyObject *module = PyImport_ImportModule("_thread"), *gate, *result;
        if (module == NULL)
            return NULL;
        gate = PyObject_CallMethod(module, "allocate_lock", NULL);
        Py_DECREF(module);
        if (gate == NULL)
            return NULL;
        result = PyObject_CallMethod(gate, "acquire", NULL);
        if (result == NULL) {
            Py_DECREF(gate);
            return NULL;
        }
        Py_DECREF(result);
        if (run->ended || run->gate != NULL) {  /* another thread was quicker */
            Py_DECREF(gate);
            return run_door(self, unused);
        }
        run->gate = gate;
    }
    return Py_NewRef(run->gate);
}

static PyMemberDef run_members[] = {
    {"ended", T_BOOL, offsetof(Run, ended), 0, "whether it is over"},
    {"owner", T_ULONG, offsetof(Run, owner), READONLY, "the thread that runs it"},
    {NULL}};
static PyMethodDef run_methods[] = {
    {"finish", run_finish_method, METH_NOARGS, "Ends it; those who wait go on."},
    {"door", run_door, METH_NOARGS, "A lock that is held until it ends; None if it has."},
    {NULL}};

PyTypeObject Run_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "lazytensor.hot._hot.Run",
    .tp_doc = "One run in progress.",
    .tp_basicsize = sizeof(Run),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = run_new,
    .tp_dealloc = (destructor)run_dealloc,
    .tp_members = run_members,
    .tp_methods = run_methods,
};

/* ---- the module --------------------------------------------------------------------------------------------------- */

/* CPython's errors call a class that was made in Python by its `__name__`, one made in C by its full name. */
static PyObject *hot_called(PyObject *self, PyObject *const *args, Py_ssize_t given) {
    const char *name = given == 2 && PyType_Check(args[0]) && PyUnicode_Check(args[1]) ? PyUnicode_AsUTF8(args[1]) : NULL;
    char *kept = name == NULL ? NULL : strdup(name);    /* as long as the process, like the class */
    if (kept == NULL) {
        PyErr_SetString(PyExc_TypeError, "called(class, name)");
        return NULL;
    }
    ((PyTypeObject *)args[0])->tp_name = kept;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"called", (PyCFunction)(void (*)(void))hot_called, METH_FASTCALL, "What errors call a class from now on."},
    {"learn", (PyCFunction)(void (*)(void))hot_learn, METH_VARARGS | METH_KEYWORDS, learn_doc},
    {"add_stretches", (PyCFunction)(void (*)(void))hot_add_stretches, METH_FASTCALL, add_stretches_doc},
    {"tick", hot_tick, METH_NOARGS, "The next number in program order."},
    {"make", (PyCFunction)(void (*)(void))hot_make, METH_FASTCALL, "ir.node.make"},
    {"record", (PyCFunction)(void (*)(void))hot_record, METH_FASTCALL, "api.build.record"},
    {"capture", hot_capture, METH_O, "ir.capture.capture"},
    {"claimed", (PyCFunction)(void (*)(void))hot_claimed, METH_FASTCALL,
     "claimed(targets, run): as ir.capture.claimed; None where another run has claimed a node."},
    {"taken", (PyCFunction)(void (*)(void))hot_taken, METH_FASTCALL, "taken(nodes, run): as run.claims._taken."},
    {"realize", hot_realize, METH_O, "compile.realize"},
    {"realize_values", hot_realize_values, METH_O, "realize_values(values: tuple): as fallback.realize_values."},
    {"fill_slots", hot_fill_slots, METH_NOARGS, "Operators of Tensors come here without looking their methods up."},
    {"fill_call", hot_fill_call, METH_O, "The same for the calls of ufuncs, whose class is given."},
    {"forget_plans", hot_forget_plans, METH_NOARGS, "The cache of plans has been cleared."},
    {"run_program", (PyCFunction)(void (*)(void))hot_run_program, METH_FASTCALL,
     "run_program(program, graph): as run.table.run_program, of a program whose guards hold."},
    {"run_part", hot_run_part, METH_O, "run_part(nodes: list): compile.run_nodes of a segment of claimed nodes."},
    {"run_directly", hot_run_directly, METH_O, "run.interpreter.run_directly"},
    {"aligned", (PyCFunction)(void (*)(void))hot_aligned, METH_FASTCALL,
     "aligned(shape, dtype): an uninitialised array in C order whose memory begins at a cache line."},
    {"empty", (PyCFunction)(void (*)(void))hot_empty, METH_FASTCALL, "run.pool.empty"},
    {"reused", hot_reused, METH_NOARGS, "How many blocks of the pool were given out again here."},
    {"eager_after", hot_eager_after, METH_O, "eager_after(n): how often a line's operations run alone before they do at once."},
    {"young", hot_young, METH_O, "young(ask): lines run at once until ``ask(nanoseconds)`` is true; None ends that."},
    {"commit", hot_commit, METH_O, "hybrid.effects.commit"},
    {"ran_when_written", (PyCFunction)(void (*)(void))hot_ran_when_written, METH_FASTCALL,
     "ran_when_written(code, lasti): a line's call of a function of NumPy's has run when it was written."},
    {"note", (PyCFunction)(void (*)(void))hot_note, METH_FASTCALL, "run.pins._note"},
    {"returns", (PyCFunction)(void (*)(void))hot_returns, METH_FASTCALL, "run.turns._returns"},
    {"noted", hot_noted, METH_NOARGS, "run.pins._alive"},
    {"gemv", hot_gemv, METH_NOARGS, "The address of a loop for products of a row and a matrix (gemv.c); 0 if this CPU has none."},
    {"gemm", hot_gemm, METH_NOARGS,
     "The addresses of loops for products of matrices of float32 and float64 (gemm.c); 0 if this CPU has none."},
    {"counts", hot_counts, METH_NOARGS, "Counts of what ran here: runs, those without a plan, hits, nodes, kernels."},
    {NULL}};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_hot", "The hot path in C; see lazytensor/hot/hot.h.", -1, methods};

PyMODINIT_FUNC PyInit__hot(void) {
    PyTypeObject *types[] = {&Marked_Type, &Run_Type, &Floating_Type, &Noted_Type, &Binary_Type, &Unary_Type, &Caller_Type,
                             &ScalarMethod_Type, &InPlace_Type, &Reflected_Type, &Power_Type, &Reducer_Type,
                             &Getter_Type, &Setter_Type, &Direct_Type, &Viewer_Type, &Chooser_Type, &Caster_Type,
                             &Multiplier_Type, &Clipper_Type, &Drawer_Type, &ClassOf_Type, &Overrider_Type, &Attribute_Type};
    const char *names[] = {"Marked", "Run", "Floating", "Noted", "Binary", "Unary", "Caller", "ScalarMethod", "InPlace",
                           "Reflected", "Power", "Reducer", "Getter", "Setter", "Direct", "Viewer", "Chooser",
                           "Caster", "Multiplier", "Clipper", "Drawer", "ClassOf", "Overrider", "Attribute"};
    import_array();
    Marked_Type.tp_new = PyBaseObject_Type.tp_new;  /* so that `object.__new__` may make nodes */
    PyObject *made = PyModule_Create(&module);
    if (made == NULL)
        return NULL;
    zero = PyLong_FromLong(0);
    empty_tuple = PyTuple_New(0);
    text_mutate = PyUnicode_InternFromString("mutate");
    text_llvm = PyUnicode_InternFromString("llvm");
    text_elementwise = PyUnicode_InternFromString("elementwise");
    text_call = PyUnicode_InternFromString("call");
    text_scalar = PyUnicode_InternFromString("scalar");
    if (PyErr_Occurred())
        return NULL;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (PyType_Ready(types[i]) < 0)
            return NULL;
        Py_INCREF(types[i]);
        if (PyModule_AddObject(made, names[i], (PyObject *)types[i]) < 0)
            return NULL;
    }
    return made;
}
