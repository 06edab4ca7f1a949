/* Loops that do nothing but launch kernels, without Python between one launch and the next.
 *
 * In a text they are `for _ in range(n):` over lines `if launch(address, arrays...) & mask: raise Abandon`. What the
 * builtin `launch` (run/launch.py) does at each call is done once here: the arrays' addresses are read and looked at, the
 * GIL is released, floating-point flags are cleared, and at the end tested.
 */
#include "_program.h"
#include "_replay.h"
#include <stdint.h>
#include <time.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

/* The words of a launch's header (run/launch.py). */
#define MOST_ARRAYS 56
enum { KERNEL, ROWS, LENGTH, CHUNKS, PART, PARALLEL, NOGIL, MASKS, NEXT = MASKS + MOST_ARRAYS };

#define MOST_LINES 64
#define ARRAY_DATA 16            /* where an array has its address: PyArrayObject_fields.data */
#define FLAGS 63                 /* the flags of MXCSR */
#define TURN_NS 2000000          /* how long signals wait, at least */

typedef int32_t (*Kernel)(void **data, int64_t *block, int64_t row0, int64_t row1, int64_t start, int64_t stop);

typedef struct {
    Kernel kernel;
    int64_t *block, rows, length, frees;    /* `frees`: whether the GIL is released */
    void *data[MOST_ARRAYS];
} Launch;

static PyObject *launch_builtin;
static long long loops_run;
static Py_ssize_t header_words;  /* how many words the header has: the kernel's own block begins there */

PyObject *setup_launches(PyObject *self, PyObject *args) {
    PyObject *builtin;
    if (!PyArg_ParseTuple(args, "On", &builtin, &header_words))
        return NULL;
    Py_XSETREF(launch_builtin, Py_NewRef(builtin));
    Py_RETURN_NONE;
}

PyObject *launched_loops(PyObject *self, PyObject *unused) {
    return PyLong_FromLongLong(loops_run);
}

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* Signals, if the last look, at `since`, was a while ago; the GIL is released before and after it. -1 if one raises. */
int look_around(PyThreadState **state, long long *since) {
    long long time = now();
    if (*since == 0)
        *since = time;
    if (time - *since <= TURN_NS)
        return 0;
    PyEval_RestoreThread(*state);
    int answer = PyErr_CheckSignals();
    *state = PyEval_SaveThread();
    *since = now();
    return answer;
}

#if defined(__x86_64__)
/* Whether a line that launches a kernel (`_grouping.c`) launches one that one thread runs; with the arrays' addresses. */
static int takes_launch(PyObject **slots, Statement *s, Launch *launch, long *mask) {
    if (s->group != LAUNCH)
        return 0;
    Expression *call = s->expression->parts[0], *bits = s->expression->parts[1];
    if (call->parts[0]->value != launch_builtin || call->count > MOST_ARRAYS + 2 || call->parts[1]->kind != CONSTANT ||
        !PyLong_CheckExact(call->parts[1]->value))
        return 0;
    int64_t *header = PyLong_AsVoidPtr(call->parts[1]->value);
    *mask = PyLong_AsLong(bits->value);
    if (header == NULL || (*mask == -1 && PyErr_Occurred())) {
        PyErr_Clear();
        return 0;
    }
    if (header[CHUNKS] != 1 || header[NEXT] != 0)
        return 0;
    for (Py_ssize_t i = 2; i < call->count; i++) {
        Expression *part = call->parts[i];
        PyObject *array = part->kind == LOCAL ? slots[part->number] : NULL;
        if (array == NULL)
            return 0;
        void *data = launch->data[i - 2] = *(void **)((char *)array + ARRAY_DATA);
        if ((intptr_t)data & header[MASKS + i - 2])
            return 0;
    }
    launch->kernel = (Kernel)(intptr_t)header[KERNEL];
    launch->block = header + header_words;
    launch->rows = header[ROWS];
    launch->length = header[LENGTH];
    launch->frees = header[NOGIL];
    return 1;
}

/* Runs the turns until they are done, flags of the mask are raised or a signal raises: -1 then. */
static int run_turns(Launch *launches, int count, Py_ssize_t turns, long mask, int64_t elements, int *raised) {
    long long since = 0;
    int64_t done = 0;
    unsigned before = _mm_getcsr();
    PyThreadState *state = elements >= FREE_FROM / turns ? PyEval_SaveThread() : NULL;
    int answer = 0, flags = 0;
    _mm_setcsr(before & ~FLAGS);
    for (Py_ssize_t turn = 0; turn < turns && answer == 0 && !(flags & mask); turn++) {
        for (int i = 0; i < count; i++) {
            Launch *l = &launches[i];
            flags |= l->kernel(l->data, l->block, 0, l->rows, 0, l->length);
            flags |= (int)_mm_getcsr() & FLAGS;  /* at once: a kernel may clear them when it begins */
        }
        if ((done += elements) < A_WHILE || state == NULL)
            continue;
        done = 0;
        answer = look_around(&state, &since);
    }
    if (state != NULL)
        PyEval_RestoreThread(state);
    _mm_setcsr(before);
    *raised = flags;
    return answer;
}

int launched_at_once(PyObject **slots, Statement *s) {
    Launch launch;
    long mask;
    if (launch_builtin == NULL || !takes_launch(slots, s, &launch, &mask) || launch.frees)
        return 0;
    unsigned before = _mm_getcsr();
    _mm_setcsr(before & ~FLAGS);
    int raised = launch.kernel(launch.data, launch.block, 0, launch.rows, 0, launch.length);
    raised |= (int)_mm_getcsr() & FLAGS;
    if (!(raised & mask))
        return 1;
    PyErr_SetNone(s->body->expression->value);
    return -1;
}

int launched_turns(PyObject **slots, Statement *loop, Py_ssize_t turns) {
    Launch few[4], *launches = few;
    int count = 0, answer = 0, raised = 0;
    long mask = 0;
    int64_t elements = 0;
    for (Statement *s = loop->body; s != NULL; s = s->next)
        if (++count > MOST_LINES || s->group != LAUNCH)
            return 0;
    if (launch_builtin == NULL || count == 0 || turns < 2)
        return 0;
    if (count > 4 && (launches = PyMem_Malloc(count * sizeof(Launch))) == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    int i = 0;
    for (Statement *s = loop->body; s != NULL; s = s->next, i++) {
        long own;
        if (!takes_launch(slots, s, &launches[i], &own) || (i && own != mask))
            goto end;
        mask = own;
        elements += launches[i].rows * launches[i].length;
    }
    loops_run++;
    answer = run_turns(launches, count, turns, mask, elements, &raised) < 0 ? -1 : 1;
    if (answer > 0 && raised & mask) {
        PyErr_SetNone(loop->body->body->expression->value);
        answer = -1;
    }
end:
    if (launches != few)
        PyMem_Free(launches);
    return answer;
}
#else
int launched_at_once(PyObject **slots, Statement *s) {
    return 0;
}

int launched_turns(PyObject **slots, Statement *loop, Py_ssize_t turns) {
    return 0;
}
#endif
