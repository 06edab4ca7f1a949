/* Operators of Tensors, from the slots of their class: CPython's own slots look the method up by its name each time. A
 * method that the program sets replaces the slot, as for any class, with CPython's own.
 */
#include "hot.h"
#define PY_UFUNC_UNIQUE_SYMBOL lazytensor_ufunc_api
#define NO_IMPORT_UFUNC
#include <numpy/ufuncobject.h>

static int is_method(PyObject *x) {
    PyTypeObject *type = Py_TYPE(x);
    return type == &Binary_Type || type == &Unary_Type || type == &InPlace_Type || type == &Reflected_Type
        || type == &Power_Type || type == &Getter_Type || type == &Setter_Type;
}

static PyObject *call(PyObject *method, PyObject *self, PyObject *other) {
    PyObject *args[2] = {self, other};
    return PyObject_Vectorcall(method, args, other == NULL ? 1 : 2, NULL);
}

static PyObject *call_method(Method *method, PyObject *self, PyObject *other) {
    PyObject *args[2] = {self, other};
    return method->call((PyObject *)method, args, other == NULL ? 1 : 2, NULL);
}

/* ``left <op> right``, of which one is a Tensor: what CPython's slot does, which leaves it to CPython to ask the other
 * one where the first declines. */
static PyObject *either(Method *own, PyObject *reflected, PyObject *left, PyObject *right) {
    return Py_TYPE(left) == tensor_type ? call_method(own, left, right) : call(reflected, right, left);
}

/* name of the slot and of the method */
#define BINARY(X) X(add, add) X(subtract, sub) X(multiply, mul) X(true_divide, truediv) X(floor_divide, floordiv) X(remainder, mod) \
    X(lshift, lshift) X(rshift, rshift) X(and, and) X(or, or) X(xor, xor)
#define UNARY(X) X(negative, neg) X(positive, pos) X(absolute, abs) X(invert, invert)

#define KEEP(slot, name) static PyObject *own_##name, *reflected_##name, *in_place_##name;
BINARY(KEEP)
#undef KEEP
#define KEEP(slot, name) static PyObject *own_##name;
UNARY(KEEP)
#undef KEEP
static PyObject *own_pow, *reflected_pow, *own_getitem, *own_setitem, *own_len, *comparisons[6];

#define MADE(slot, name) \
    static PyObject *slot_##name(PyObject *left, PyObject *right) { \
        PyObject *now; \
        return binary_at_once(PyArray_Type.tp_as_number->nb_##slot, left, right, &now) ? now \
            : either((Method *)own_##name, reflected_##name, left, right); \
    } \
    static PyObject *slot_in_place_##name(PyObject *self, PyObject *other) { \
        PyObject *now; \
        return in_place_at_once(PyArray_Type.tp_as_number->nb_inplace_##slot, self, other, &now) ? now \
            : call_method((Method *)in_place_##name, self, other); \
    }
BINARY(MADE)
#undef MADE
#define MADE(slot, name) \
    static PyObject *slot_##name(PyObject *self) { \
        PyObject *now; \
        return unary_at_once(PyArray_Type.tp_as_number->nb_##slot, self, &now) ? now \
            : call_method((Method *)own_##name, self, NULL); \
    }
UNARY(MADE)
#undef MADE

static PyObject *slot_pow(PyObject *left, PyObject *right, PyObject *modulus) {
    PyObject *now;
    if (modulus == Py_None)
        return power_at_once(left, right, &now) ? now : either((Method *)own_pow, reflected_pow, left, right);
    if (Py_TYPE(left) != tensor_type)
        Py_RETURN_NOTIMPLEMENTED;
    PyObject *args[3] = {left, right, modulus};
    return PyObject_Vectorcall(own_pow, args, 3, NULL);
}

static PyObject *slot_compare(PyObject *self, PyObject *other, int which) {
    PyObject *now;
    return compare_at_once(self, other, which, &now) ? now : call_method((Method *)comparisons[which], self, other);
}

static PyObject *slot_getitem(PyObject *self, PyObject *index) {
    return call_method((Method *)own_getitem, self, index);
}

static int slot_setitem(PyObject *self, PyObject *index, PyObject *value) {
    PyObject *args[3] = {self, index, value};
    if (value == NULL) {
        PyErr_SetString(PyExc_ValueError, "cannot delete array elements");
        return -1;
    }
    PyObject *done = ((Method *)own_setitem)->call(own_setitem, args, 3, NULL);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* The length of the first axis; Python's method says of a Tensor without axes what is wrong, and tells who watches. */
static Py_ssize_t slot_length(PyObject *self) {
    PyObject *value = Py_TYPE(self) == tensor_type && !watched() ? slot_or_none(self, T._value) : Py_None;
    if (Py_TYPE(value) == node_type || Py_TYPE(value) == view_type) {
        PyObject *shape = shape_in(value);
        if (PyTuple_GET_SIZE(shape))
            return PyLong_AsSsize_t(PyTuple_GET_ITEM(shape, 0));
    }
    PyObject *said = call(own_len, self, NULL);
    Py_ssize_t length = said == NULL ? -1 : PyLong_AsSsize_t(said);
    Py_XDECREF(said);
    return length;
}

/* A method that the class itself has, kept; NULL if it is none of ours. */
static PyObject *own_method(const char *format, const char *name) {
    char text[32];
    PyOS_snprintf(text, sizeof text, format, name);
    PyObject *found = PyDict_GetItemString(tensor_type->tp_dict, text);
    return found != NULL && is_method(found) ? Py_NewRef(found) : NULL;
}

/* The same of any kind. */
static PyObject *any_method(const char *format, const char *name) {
    char text[32];
    PyOS_snprintf(text, sizeof text, format, name);
    return Py_XNewRef(PyDict_GetItemString(tensor_type->tp_dict, text));
}

static void fill_numbers(PyNumberMethods *numbers) {
#define FILL(slot, name) \
    own_##name = own_method("__%s__", #name); \
    reflected_##name = any_method("__r%s__", #name); \
    in_place_##name = own_method("__i%s__", #name); \
    if (own_##name != NULL && reflected_##name != NULL) \
        numbers->nb_##slot = slot_##name; \
    if (in_place_##name != NULL) \
        numbers->nb_inplace_##slot = slot_in_place_##name;
    BINARY(FILL)
#undef FILL
#define FILL(slot, name) \
    own_##name = own_method("__%s__", #name); \
    if (own_##name != NULL) \
        numbers->nb_##slot = slot_##name;
    UNARY(FILL)
#undef FILL
    own_pow = own_method("__%s__", "pow");
    reflected_pow = any_method("__%s__", "rpow");
    if (own_pow != NULL && reflected_pow != NULL)
        numbers->nb_power = slot_pow;
}

/* Once the class has its methods. */
PyObject *hot_fill_slots(PyObject *self, PyObject *unused) {
    static const char *names[6] = {"lt", "le", "eq", "ne", "gt", "ge"};   /* Py_LT to Py_GE */
    int all = 1;
    fill_numbers(tensor_type->tp_as_number);
    for (int i = 0; i < 6; i++)
        all &= (comparisons[i] = own_method("__%s__", names[i])) != NULL;
    if (all)
        tensor_type->tp_richcompare = slot_compare;
    own_getitem = own_method("__%s__", "getitem");
    if (own_getitem != NULL)
        tensor_type->tp_as_mapping->mp_subscript = slot_getitem;
    own_setitem = own_method("__%s__", "setitem");
    if (own_setitem != NULL)
        tensor_type->tp_as_mapping->mp_ass_subscript = slot_setitem;
    own_len = any_method("__%s__", "len");
    if (own_len != NULL)
        tensor_type->tp_as_sequence->sq_length = tensor_type->tp_as_mapping->mp_length = slot_length;
    Py_RETURN_NONE;
}

/* ---- ufuncs ---------------------------------------------------------------------------------------------------------- */

static ternaryfunc usual_call;

/* Whether a ufunc gives one array of numbers for so many, element by element. */
int is_elementwise(PyObject *real, Py_ssize_t count) {
    if (real == NULL || (PyObject *)Py_TYPE(real) != ufunc_type)
        return 0;
    PyUFuncObject *ufunc = (PyUFuncObject *)real;
    return ufunc->nin == count && ufunc->nout == 1 && !ufunc->core_enabled && ufunc->ntypes > 1;
}

/* The same where it gives several arrays. */
static int gives_several(PyObject *real, Py_ssize_t count) {
    if ((PyObject *)Py_TYPE(real) != ufunc_type)
        return 0;
    PyUFuncObject *ufunc = (PyUFuncObject *)real;
    return ufunc->nin == count && ufunc->nout > 1 && !ufunc->core_enabled && ufunc->ntypes > 1;
}

static PyObject *slot_call(PyObject *ufunc, PyObject *args, PyObject *kwargs) {
    PyObject *result = NULL, *target, *quick, *real = real_of(ufunc, &quick), *const *operands = ((PyTupleObject *)args)->ob_item;
    Py_ssize_t count = PyTuple_GET_SIZE(args);
    if (real == NULL)
        return NULL;
    if (kwargs == NULL || PyDict_GET_SIZE(kwargs) == 0) {
        if (is_elementwise(real, count) && call_at_once(real, operands, count, &result))
            return result;
        result = gives_several(real, count) ? several_at_once(real, operands, count) : quick_call(quick, operands, count);
    } else if (PyDict_GET_SIZE(kwargs) == 1 && (target = PyDict_GetItemString(kwargs, "out")) != NULL) {
        if (is_elementwise(real, count) && call_into_at_once(real, operands, count, target, &result))
            return result;
    }
    return result != NULL || PyErr_Occurred() ? result : usual_call(ufunc, args, kwargs);
}

/* The class of ufuncs, once it has its `__call__`. */
PyObject *hot_fill_call(PyObject *self, PyObject *type) {
    if (!PyType_Check(type) || ((PyTypeObject *)type)->tp_call == NULL || usual_call != NULL) {
        PyErr_SetString(PyExc_TypeError, "fill_call(the class of ufuncs), once");
        return NULL;
    }
    usual_call = ((PyTypeObject *)type)->tp_call;
    ((PyTypeObject *)type)->tp_call = slot_call;
    Py_RETURN_NONE;
}
