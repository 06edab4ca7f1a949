/* Methods as objects: what the extension does quickly, with the Python function behind it that does the rest. */
#include "hot.h"

static int how_far_up(PyObject *const *args, Py_ssize_t count, Py_ssize_t usual) {
    return count > usual ? (int)PyLong_AsLong(args[usual]) : 1;
}

/* What was done quickly, an error, or else what the Python function does. */
PyObject *or_slow(PyObject *result, Method *method, PyObject *const *args, size_t nargsf, PyObject *names) {
    return result != NULL || PyErr_Occurred() ? result : PyObject_Vectorcall(method->slow, args, nargsf, names);
}

static PyObject *binary_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names) {
    Method *method = (Method *)self;
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    PyObject *result = NULL;
    if (names == NULL && (count == 2 || count == 3))
        result = quick_binary(method, args[0], args[1], how_far_up(args, count, 2));
    return or_slow(result, method, args, nargsf, names);
}

static PyObject *unary_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names) {
    Method *method = (Method *)self;
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    PyObject *result = NULL;
    if (names == NULL && (count == 1 || count == 2))
        result = quick_unary(method, args[0], how_far_up(args, count, 1));
    return or_slow(result, method, args, nargsf, names);
}

static PyObject *scalar_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names) {
    Method *method = (Method *)self;
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    PyObject *result = NULL;
    if (names == NULL && (count == 1 || count == 2))
        result = quick_scalar(method, args[0], count == 2 ? args[1] : NULL);
    return or_slow(result, method, args, nargsf, names);
}

static PyObject *in_place_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names) {
    Method *method = (Method *)self;
    PyObject *result = NULL;
    if (names == NULL && PyVectorcall_NARGS(nargsf) == 2 && Py_TYPE(args[0]) == tensor_type)
        result = quick_in_place(method, args[0], args[1]);
    return or_slow(result, method, args, nargsf, names);
}

static PyObject *reflected_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names) {
    PyObject *result = NULL;
    if (names == NULL && PyVectorcall_NARGS(nargsf) == 2)
        result = quick_reflected((Method *)self, args[0], args[1]);
    return or_slow(result, (Method *)self, args, nargsf, names);
}

static PyObject *power_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names) {
    PyObject *result = NULL;
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    if (names == NULL && (count == 2 || (count == 3 && args[2] == Py_None)))
        result = quick_power((Method *)self, args[0], args[1]);
    return or_slow(result, (Method *)self, args, nargsf, names);
}

/* NumPy's ufunc behind one of ours (api/ufuncs.ufunc), and the method that does its plain calls or None; both borrowed. NULL
 * for an error. They are set when it is made; asking for an attribute takes longer than all else that is asked. */
PyObject *real_of(PyObject *ufunc, PyObject **quick) {
    enum { MET = 64 };
    static struct { PyObject *ufunc, *real, *quick; } met[MET];
    static PyObject *real_name, *quick_name;
    if (quick_name == NULL && ((real_name = PyUnicode_InternFromString("_real")) == NULL
                               || (quick_name = PyUnicode_InternFromString("_quick")) == NULL))
        return NULL;
    size_t at = ((size_t)ufunc >> 4) * 0x9E3779B97F4A7C15ull >> 58;
    if (met[at].ufunc != ufunc) {
        PyObject *real = PyObject_GetAttr(ufunc, real_name), *own = real == NULL ? NULL : PyObject_GetAttr(ufunc, quick_name);
        if (own == NULL) {
            Py_XDECREF(real);
            return NULL;
        }
        if (Py_TYPE(own) != &Unary_Type && Py_TYPE(own) != &Binary_Type) {   /* a program's own, perhaps: not kept alive */
            Py_DECREF(real);   /* the ufunc has both */
            Py_DECREF(own);
            *quick = Py_None;
            return real;
        }
        PyObject *before[3] = {met[at].ufunc, met[at].real, met[at].quick};
        met[at].ufunc = Py_NewRef(ufunc);
        met[at].real = real;
        met[at].quick = own;
        for (int i = 0; i < 3; i++)
            Py_XDECREF(before[i]);
    }
    *quick = met[at].quick;
    return met[at].real;
}

/* ``ufunc(*operands)`` by its `quick` method; NULL without an error where Python has to do it. */
PyObject *quick_call(PyObject *quick, PyObject *const *operands, Py_ssize_t count) {
    if (count == 1 && Py_TYPE(quick) == &Unary_Type)
        return quick_unary((Method *)quick, operands[0], 1);
    if (count == 2 && Py_TYPE(quick) == &Binary_Type)
        return quick_binary((Method *)quick, operands[0], operands[1], 1);
    return NULL;
}

/* A ufunc's __call__: (ufunc, *operands). */
static PyObject *caller_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names) {
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    PyObject *result = NULL, *quick;
    if (names == NULL && count > 1 && real_of(args[0], &quick) != NULL)
        result = quick_call(quick, args + 1, count - 1);
    return or_slow(result, (Method *)self, args, nargsf, names);
}

/* What NumPy's operator, or ufunc, on one of its numbers asks of the other operand (ufuncs.array_ufunc); NULL without an error
 * where Python has to do it. */
static PyObject *quick_override(Method *method, PyObject *ufunc, PyObject *number, PyObject *other) {
    PyObject *ways = PyDict_GetItemWithError(method->fast, ufunc), *operands[2] = {number, other}, *result;
    if (ways == NULL)
        return NULL;
    if (PyType_IsSubtype(Py_TYPE(other), scalar_type))
        return quick_scalar((Method *)PyTuple_GET_ITEM(ways, 1), other, number);
    if (Py_TYPE(other) != tensor_type)
        return NULL;
    return call_at_once(ufunc, operands, 2, &result) ? result
        : quick_reflected((Method *)PyTuple_GET_ITEM(ways, 0), other, number);
}

static PyObject *override_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names) {
    PyObject *result = NULL;
    if (names == NULL && PyVectorcall_NARGS(nargsf) == 5 && is_numpys_number(args[3]) && PyUnicode_Check(args[2])
        && PyUnicode_CompareWithASCIIString(args[2], "__call__") == 0)
        result = quick_override((Method *)self, args[1], args[3], args[4]);
    return or_slow(result, (Method *)self, args, nargsf, names);
}

static PyObject *method_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    PyObject *op, *fast, *slow, *fn = Py_None;
    int swapped = 0;
    if (!PyArg_ParseTuple(args, "OO!O|Oi", &op, &PyDict_Type, &fast, &slow, &fn, &swapped))
        return NULL;
    Method *method = (Method *)type->tp_alloc(type, 0);
    if (method != NULL) {
        method->op = Py_NewRef(op);
        method->fast = Py_NewRef(fast);
        method->slow = Py_NewRef(slow);
        method->fn = Py_NewRef(fn);
        method->swapped = swapped;
        method->call = type == &Binary_Type ? binary_call : type == &Unary_Type ? unary_call
            : type == &ScalarMethod_Type ? scalar_call : type == &InPlace_Type ? in_place_call
            : type == &Reflected_Type ? reflected_call : type == &Power_Type ? power_call
            : type == &Reducer_Type ? reducer_call : type == &Getter_Type ? getter_call
            : type == &Setter_Type ? setter_call : type == &Direct_Type ? direct_call : type == &Viewer_Type ? viewer_call
            : type == &Chooser_Type ? chooser_call : type == &Caster_Type ? caster_call
            : type == &Multiplier_Type ? multiplier_call : type == &Clipper_Type ? clipper_call : type == &Drawer_Type ? drawer_call
            : type == &Attribute_Type ? attribute_call : type == &Overrider_Type ? override_call : caller_call;
    }
    return (PyObject *)method;
}

static int method_traverse(Method *method, visitproc visit, void *arg) {
    Py_VISIT(method->op);
    Py_VISIT(method->fast);
    Py_VISIT(method->slow);
    Py_VISIT(method->fn);
    return 0;
}

static int method_clear(Method *method) {
    Py_CLEAR(method->op);
    Py_CLEAR(method->fast);
    Py_CLEAR(method->slow);
    Py_CLEAR(method->fn);
    return 0;
}

static void method_dealloc(Method *method) {
    PyObject_GC_UnTrack(method);
    method_clear(method);
    Py_TYPE(method)->tp_free((PyObject *)method);
}

static PyObject *method_bound(PyObject *self, PyObject *instance, PyObject *type) {
    return instance == NULL || instance == Py_None ? Py_NewRef(self) : PyMethod_New(self, instance);
}

/* Name, text and signature are those of the Python function that stands behind it. */
static PyObject *method_attribute(PyObject *self, PyObject *name) {
    if (PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, "slow") == 0)
        return Py_NewRef(((Method *)self)->slow);
    if (PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, "__class__") != 0) {
        PyObject *found = PyObject_GetAttr(((Method *)self)->slow, name);
        if (found != NULL || !PyErr_ExceptionMatches(PyExc_AttributeError))
            return found;
        PyErr_Clear();
    }
    return PyObject_GenericGetAttr(self, name);
}

static PyObject *method_text(PyObject *self) {
    return PyObject_Repr(((Method *)self)->slow);
}

#define METHOD_TYPE(type, name, doc) \
    PyTypeObject type = { \
        PyVarObject_HEAD_INIT(NULL, 0) \
        .tp_name = "lazytensor.hot._hot." name, .tp_doc = doc, .tp_basicsize = sizeof(Method), \
        .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL \
            | Py_TPFLAGS_METHOD_DESCRIPTOR, \
        .tp_new = method_new, .tp_dealloc = (destructor)method_dealloc, .tp_traverse = (traverseproc)method_traverse, \
        .tp_clear = (inquiry)method_clear, .tp_call = PyVectorcall_Call, \
        .tp_vectorcall_offset = offsetof(Method, call), .tp_descr_get = method_bound, \
        .tp_getattro = method_attribute, .tp_repr = method_text, \
    }

METHOD_TYPE(Binary_Type, "Binary", "Binary(op, fast, slow): a binary method; `slow` is the Python function behind it.");
METHOD_TYPE(Unary_Type, "Unary", "Unary(op, fast, slow): a unary method; `slow` is the Python function behind it.");
METHOD_TYPE(Caller_Type, "Caller", "Caller(None, {}, slow): a ufunc's call; `slow` is the Python function behind it.");
METHOD_TYPE(ScalarMethod_Type, "ScalarMethod",
            "ScalarMethod(None, fast, slow, fn, swapped): a scalar's method; `fn` is the operator of NumPy's scalars.");
METHOD_TYPE(InPlace_Type, "InPlace", "InPlace(op, fast, slow): an in-place method; `slow` is the Python function behind it.");
METHOD_TYPE(Reflected_Type, "Reflected",
            "Reflected(op, fast, slow): a binary method with the operands exchanged; `slow` is the Python function behind it.");
METHOD_TYPE(Power_Type, "Power",
            "Power(op, fast, slow, fn): `fn` has the Unary methods of square, reciprocal and square root.");
METHOD_TYPE(Reducer_Type, "Reducer",
            "Reducer(op, fast, slow): a reduction's method; `fast` has what results of such arguments are like.");
METHOD_TYPE(Getter_Type, "Getter", "Getter(None, {}, slow): ``self[index]``; `slow` is the Python function behind it.");
METHOD_TYPE(Setter_Type, "Setter",
            "Setter(None, {}, slow): ``self[index] = value``; `slow` is the Python function behind it.");
METHOD_TYPE(Direct_Type, "Direct",
            "Direct(places, {}, slow, fn, flags): NumPy's `fn` on realized arrays; so many arguments may be positional.");
METHOD_TYPE(Viewer_Type, "Viewer",
            "Viewer(step, {}, slow, fn, flags): the method `fn` that gives views; a view's step is `step` of its arguments.");
METHOD_TYPE(Chooser_Type, "Chooser",
            "Chooser(op, fast, slow): `where`; `fast` has what results of such operands are like.");
METHOD_TYPE(Overrider_Type, "Overrider",
            "Overrider(None, ways, slow): `__array_ufunc__`; for a number of NumPy's on the left, `ways` has by its ufunc the "
            "Reflected method of Tensors and the ScalarMethod of lazy scalars.");
METHOD_TYPE(Clipper_Type, "Clipper",
            "Clipper(op, fast, slow): `clip`; `fast` has the dtypes and types of bounds for which results have the same.");
METHOD_TYPE(Caster_Type, "Caster",
            "Caster(op, fast, slow): `astype`; `fast` has the dtype that is meant, by that of an array and what is given.");
METHOD_TYPE(Multiplier_Type, "Multiplier", "Multiplier(op, {}, slow): a product of matrices; `slow` is the Python function.");
METHOD_TYPE(Drawer_Type, "Drawer",
            "Drawer(places, {}, slow, fn, of_generator): NumPy's method or function `fn` that draws; so many arguments may be "
            "positional.");
METHOD_TYPE(Attribute_Type, "Attribute",
            "Attribute(None, {}, slow, None, which): the function of a property; `slow` is the Python function behind it.");
