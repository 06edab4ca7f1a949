/* Nodes, Tensors and views come and go with every operation: here they are made and freed. What was freed is kept for the next
 * ones, as CPython keeps tuples and lists; a chain of nodes, however long, is freed without recursion.
 */
#include "hot.h"
#include <structmember.h>

/* What nodes have besides their slots (hot.h: Marked) that Python sees. */
static PyMemberDef marked_members[] = {
    {"lasti", T_PYSSIZET, offsetof(Marked, lasti), 0, "the caller's instruction offset"},
    {"depth", T_PYSSIZET, offsetof(Marked, depth), 0, "the length of the longest chain of pending nodes behind it"},
    {"seq", T_PYSSIZET, offsetof(Marked, seq), 0, "program order"},
    {NULL}};

PyTypeObject Marked_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "lazytensor.hot._hot.Marked", .tp_basicsize = sizeof(Marked), .tp_members = marked_members,
    .tp_doc = "What a node's class is derived from: room for the number that a node has while a graph is captured.",
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
};

/* ---- what was freed -------------------------------------------------------------------------------------------------- */

enum { KEPT = 1024 };
typedef struct { PyObject *items[KEPT]; int count; } Kept;
static Kept nodes, tensors, views;

static PyObject *again(Kept *kept, PyTypeObject *type, Py_ssize_t items) {
    if (kept->count == 0)
        return PyType_GenericAlloc(type, items);
    PyObject *made = kept->items[--kept->count];
    memset((char *)made + sizeof(PyObject), 0, type->tp_basicsize - sizeof(PyObject));
    PyObject_Init(made, type);
    PyObject_GC_Track(made);
    return made;
}

static PyObject *node_alloc(PyTypeObject *type, Py_ssize_t items) {
    return type == node_type ? again(&nodes, type, items) : PyType_GenericAlloc(type, items);
}

static PyObject *tensor_alloc(PyTypeObject *type, Py_ssize_t items) {
    return type == tensor_type ? again(&tensors, type, items) : PyType_GenericAlloc(type, items);
}

static PyObject *view_alloc(PyTypeObject *type, Py_ssize_t items) {
    return type == view_type ? again(&views, type, items) : PyType_GenericAlloc(type, items);
}

/* Frees the object itself, whose slots have been emptied. */
static void give_back(Kept *kept, PyTypeObject *own, PyObject *object) {
    PyTypeObject *type = Py_TYPE(object);
    if (type == own && kept->count < KEPT)
        kept->items[kept->count++] = object;
    else
        type->tp_free(object);
    Py_DECREF(type);
}

/* ---- freeing --------------------------------------------------------------------------------------------------------- */

enum { DEEP = 40 };
/* How many nodes are being freed within each other in this thread, and those that wait for them, linked by `Mark`. */
static _Thread_local int deep;
static _Thread_local PyObject *waiting;

static void forget(PyObject *object, Py_ssize_t offset) {
    PyObject *value = SLOT(object, offset);
    if (value != NULL) {
        SLOT(object, offset) = NULL;
        Py_DECREF(value);
    }
}

static void node_forget(PyObject *node) {
#define FORGET(name) forget(node, N.name);
    NODE_SLOTS(FORGET)
#undef FORGET
    give_back(&nodes, node_type, node);
}

static void forget_references(PyObject *object, Py_ssize_t weak) {
    PyObject_GC_UnTrack(object);
    if (SLOT(object, weak) != NULL)
        PyObject_ClearWeakRefs(object);
}

static void node_dealloc(PyObject *node) {
    pins_forget((Marked *)node);
    forget_references(node, node_type->tp_weaklistoffset);
    if (deep >= DEEP) {
        ((Marked *)node)->next = waiting;
        waiting = node;
        return;
    }
    deep++;
    node_forget(node);
    while (deep == 1 && waiting != NULL) {
        PyObject *next = waiting;
        waiting = ((Marked *)next)->next;
        node_forget(next);
    }
    deep--;
}

static void tensor_dealloc(PyObject *tensor) {
    forget_references(tensor, tensor_type->tp_weaklistoffset);
    forget(tensor, T._value);
    forget(tensor, T._state);
    give_back(&tensors, tensor_type, tensor);
}

/* Roots and views may be in each other: so CPython says how deep this is. */
static void view_dealloc(PyObject *view) {
    PyObject_GC_UnTrack(view);
    Py_TRASHCAN_BEGIN(view, view_dealloc)
#define FORGET(name) forget(view, V.name);
    VIEW_SLOTS(FORGET)
#undef FORGET
    give_back(&views, view_type, view);
    Py_TRASHCAN_END
}

/* From now on objects of the classes that were learnt are made and freed here. */
void nodes_learnt(void) {
    if (PyType_IsSubtype(node_type, &Marked_Type)) {
        node_type->tp_alloc = node_alloc;
        node_type->tp_dealloc = node_dealloc;
    }
}

void views_learnt(void) {
    view_type->tp_alloc = view_alloc;
    view_type->tp_dealloc = view_dealloc;
}

void tensors_learnt(void) {
    tensor_type->tp_alloc = tensor_alloc;
    tensor_type->tp_dealloc = tensor_dealloc;
}
