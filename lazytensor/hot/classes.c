/* What a Tensor's `__class__` is (api/handle.py): every `isinstance` that does not know its type asks. */
#include "hot.h"

/* A property, and its answers for modules by their name and how many names they have (handle._answers). */
typedef struct {
    PyObject_HEAD
    PyObject *property, *answers;
} ClassOf;

static PyObject *class_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    PyObject *property, *answers;
    if (!PyArg_ParseTuple(args, "O!O!", &PyProperty_Type, &property, &PyDict_Type, &answers))
        return NULL;
    ClassOf *made = (ClassOf *)type->tp_alloc(type, 0);
    if (made != NULL) {
        made->property = Py_NewRef(property);
        made->answers = Py_NewRef(answers);
    }
    return (PyObject *)made;
}

static int class_traverse(ClassOf *own, visitproc visit, void *arg) {
    Py_VISIT(own->property);
    Py_VISIT(own->answers);
    return 0;
}

static int class_clear(ClassOf *own) {
    Py_CLEAR(own->property);
    Py_CLEAR(own->answers);
    return 0;
}

static void class_dealloc(ClassOf *own) {
    PyObject_GC_UnTrack(own);
    class_clear(own);
    Py_TYPE(own)->tp_free((PyObject *)own);
}

/* The answer for a namespace, a new reference; NULL without an error where there is none yet. */
static PyObject *known_class(ClassOf *own, PyObject *scope) {
    static PyObject *name_key;
    if (name_key == NULL && (name_key = PyUnicode_InternFromString("__name__")) == NULL)
        return NULL;
    PyObject *name = PyDict_GetItemWithError(scope, name_key);
    if (name == NULL || !PyUnicode_CheckExact(name))
        return NULL;
    PyObject *count = PyLong_FromSsize_t(PyDict_GET_SIZE(scope)), *key = count == NULL ? NULL : PyTuple_Pack(2, name, count);
    PyObject *found = key == NULL ? NULL : Py_XNewRef(PyDict_GetItemWithError(own->answers, key));
    Py_XDECREF(count);
    Py_XDECREF(key);
    return found;
}

static PyObject *class_get(PyObject *self, PyObject *instance, PyObject *type) {
    ClassOf *own = (ClassOf *)self;
    PyObject *scope = instance == NULL ? NULL : PyEval_GetGlobals(), *found = NULL;
    if (scope != NULL && PyDict_CheckExact(scope))
        found = known_class(own, scope);
    if (found != NULL || PyErr_Occurred())
        return found;
    return Py_TYPE(own->property)->tp_descr_get(own->property, instance, type);
}

static int class_set(PyObject *self, PyObject *instance, PyObject *value) {
    PyObject *property = ((ClassOf *)self)->property;
    return Py_TYPE(property)->tp_descr_set(property, instance, value);
}

/* A property keeps its name for errors. */
static PyObject *class_named(PyObject *self, PyObject *args) {
    PyObject *name = PyObject_GetAttrString(((ClassOf *)self)->property, "__set_name__");
    if (name == NULL) {
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    PyObject *result = PyObject_Call(name, args, NULL);
    Py_DECREF(name);
    return result;
}

static PyMethodDef class_methods[] = {{"__set_name__", class_named, METH_VARARGS, "As a property's."}, {NULL}};

/* All else is the property's. */
static PyObject *class_attribute(PyObject *self, PyObject *name) {
    return PyObject_GetAttr(((ClassOf *)self)->property, name);
}

PyTypeObject ClassOf_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "lazytensor.hot._hot.ClassOf", .tp_basicsize = sizeof(ClassOf),
    .tp_doc = "ClassOf(property, answers): `__class__`, with what `property` said for a module by its name and size.",
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, .tp_new = class_new, .tp_dealloc = (destructor)class_dealloc,
    .tp_traverse = (traverseproc)class_traverse, .tp_clear = (inquiry)class_clear,
    .tp_methods = class_methods, .tp_getattro = class_attribute, .tp_descr_get = class_get, .tp_descr_set = class_set,
};
