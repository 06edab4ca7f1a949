"""Native workers: every chunk once, in every kind of trouble. Nothing here depends on how long things take."""

import ctypes
import multiprocessing
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import lazytensor as lt
from lazytensor.errors import SettingError
from lazytensor.lower import native
from lazytensor.run import workers

needs_native = pytest.mark.skipif(not native.available(), reason=str(native.why_not()))

# A job is an array: address of counts, turns to spin in each chunk, address of `parallel` or 0, chunks of a nested
# job, its array's address, the floating-point control words seen (or-ed), flags: chunk k raises bit k % 8 of them.
CHUNKS = """
declare void @llvm.x86.sse.stmxcsr(ptr)
declare i64 @syscall(i64, ...)
define i32 @work(ptr %job, i64 %chunk) nounwind {
  %word = alloca i32
  %counts = load ptr, ptr %job
  %place = getelementptr i64, ptr %counts, i64 %chunk
  %a = atomicrmw add ptr %place, i64 1 seq_cst
  %pt = getelementptr i64, ptr %job, i64 1
  %turns = load i64, ptr %pt
  br label %spin
spin:
  %i = phi i64 [ 0, %0 ], [ %j, %spin ]
  %j = add i64 %i, 1
  store volatile i32 0, ptr %word
  %more = icmp slt i64 %j, %turns
  br i1 %more, label %spin, label %note
note:
  call void @llvm.x86.sse.stmxcsr(ptr %word)
  %state = load i32, ptr %word
  %state64 = zext i32 %state to i64
  %ps = getelementptr i64, ptr %job, i64 5
  %b = atomicrmw or ptr %ps, i64 %state64 seq_cst
  %pp = getelementptr i64, ptr %job, i64 2
  %parallel = load ptr, ptr %pp
  %nested = icmp ne ptr %parallel, null
  br i1 %nested, label %nest, label %end
nest:
  %pn = getelementptr i64, ptr %job, i64 3
  %n = load i64, ptr %pn
  %pj = getelementptr i64, ptr %job, i64 4
  %inner = load ptr, ptr %pj
  call i32 %parallel(ptr @work, ptr %inner, i64 %n)
  br label %end
end:
  %pf = getelementptr i64, ptr %job, i64 6
  %flags = load i64, ptr %pf
  %turn = and i64 %chunk, 7
  %bit = shl i64 1, %turn
  %own = and i64 %flags, %bit
  %answer = trunc i64 %own to i32
  ret i32 %answer
}
define i32 @set_control(i32 %new) nounwind {
  %word = alloca i32
  %old = alloca i32
  call void @llvm.x86.sse.stmxcsr(ptr %old)
  store i32 %new, ptr %word
  call void @llvm.x86.sse.ldmxcsr(ptr %word)
  %before = load i32, ptr %old
  ret i32 %before
}
declare void @llvm.x86.sse.ldmxcsr(ptr)
"""


class Job:
    """Counts of how often each chunk ran."""

    def __init__(self, chunks, turns=0, parallel=0, inner=None):
        self.counts = np.zeros(max(chunks, 1), np.int64)
        self.inner = inner
        self.array = np.array([self.counts.ctypes.data, turns, parallel, len(inner.counts) if inner else 0,
                               inner.array.ctypes.data if inner else 0, 0, 0], np.int64)


@pytest.fixture(scope="module")
def machine():
    if not workers.has_workers():
        pytest.skip("x86-64 Linux only")
    return native.load(CHUNKS, ["work", "set_control"], {})


@pytest.fixture(scope="module")
def run(machine):
    prototype = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)  # without the GIL

    def run(threads, job, chunks):
        return prototype(workers.entry(threads))(machine["work"], job.array.ctypes.data, chunks)
    return run


pytestmark = needs_native


@pytest.mark.parametrize("threads", [1, 2, 3, 5])
@pytest.mark.parametrize("chunks", [0, 1, 2, 3, 100, 10_000])
def test_every_chunk_runs_once(run, threads, chunks):
    job = Job(chunks)
    run(threads, job, chunks)
    assert (job.counts[:chunks] == 1).all() and (chunks or job.counts[0] == 0)


def test_no_chunks_at_all(run):
    job = Job(1)
    run(2, job, -5)
    assert job.counts[0] == 0


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_flags_of_all_chunks(run, threads):
    for k in range(300):
        job = Job(16, turns=k % 50 * 20)
        job.array[6] = k
        assert run(threads, job, k % 17) == k & (1 << min(8, k % 17)) - 1


def _many(run, rounds=3000, chunks=17):
    job = Job(chunks)
    for k in range(rounds):
        job.array[1] = (k % 7) ** 3
        run(2 + k % 2, job, k % (chunks + 1))
    wanted = [sum(k % (chunks + 1) > c for k in range(rounds)) for c in range(chunks)]
    assert job.counts.tolist() == wanted


def test_thousands_of_small_jobs_from_several_threads(run):
    failed = []

    def work():
        try:
            _many(run)
        except BaseException as error:
            failed.append(error)
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not failed and not any(thread.is_alive() for thread in threads)


def test_workers_that_slept_wake(run):
    for _ in range(50):
        job = Job(8, turns=2000)
        run(3, job, 8)
        assert (job.counts == 1).all()
        threading.Event().wait(0.002)


def _started(number):
    """Waits until so many workers have begun, which may be long after the job that they were started for."""
    for _ in range(2000):
        names = [open(f"/proc/self/task/{task}/comm").read().strip() for task in os.listdir("/proc/self/task")]
        if names.count("lazytensor") >= number:
            return True
        time.sleep(0.005)
    return False


def test_workers_are_unknown_to_python(run):
    run(3, Job(8), 8)
    assert all("lazytensor" not in thread.name for thread in threading.enumerate())
    assert _started(2)


def test_signals_are_left_to_python(run):
    run(3, Job(8), 8)
    assert _started(2)
    for task in os.listdir("/proc/self/task"):
        status = open(f"/proc/self/task/{task}/status").read()
        if "Name:\tlazytensor" in status:
            blocked = int(status.partition("SigBlk:")[2].split()[0], 16)
            assert blocked >> 1 & 1 and blocked >> 14 & 1  # SIGINT, SIGTERM
            assert not blocked >> 10 & 1  # SIGSEGV


def test_nested_calls_run_serially(run):
    for threads in (1, 2, 3):
        inner = Job(50)
        outer = Job(20, turns=100, parallel=workers.entry(threads), inner=inner)
        for _ in range(50):
            run(threads, outer, 20)
        assert (outer.counts == 50).all() and (inner.counts == 1000).all()


def test_workers_have_the_callers_rounding(run, machine):
    set_control = ctypes.PYFUNCTYPE(ctypes.c_uint32, ctypes.c_uint32)(machine["set_control"])
    for control in (0x1F80, 0x9FC0):  # default; flush to zero and denormals are zero
        job = Job(64, turns=3000)
        before = set_control(control)
        try:
            run(3, job, 64)
        finally:
            set_control(before)
        assert job.array[5] & 0xFFC0 == control and (job.counts == 1).all()


def _in_child(run, deep):
    _many(run, 300)
    if deep:
        child = multiprocessing.get_context("fork").Process(target=_in_child, args=(run, deep - 1))
        child.start()
        child.join(60)
        assert child.exitcode == 0
    assert _started(1)


def test_forked_children_start_their_own(run):
    _many(run, 100)
    stop = threading.Event()

    def busy():
        while not stop.is_set():
            run(2, Job(30, turns=500), 30)
    thread = threading.Thread(target=busy)
    thread.start()
    try:
        for _ in range(5):
            child = multiprocessing.get_context("fork").Process(target=_in_child, args=(run, 1))
            child.start()
            child.join(60)
            assert child.exitcode == 0
    finally:
        stop.set()
        thread.join()
    _many(run, 100)


@pytest.mark.parametrize("when", ["import time; time.sleep(0.05)", "pass"])
@pytest.mark.parametrize("kind", ["main", "daemon"])
def test_exit_while_workers_spin_sleep_or_run(machine, when, kind):
    script = f"""
import ctypes, threading
from tests.test_workers import CHUNKS, Job, native, workers
work = native.load(CHUNKS, ["work"], {{}})["work"]
parallel = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)(workers.entry(3))
job = Job(1000, turns=10000)
def go():
    while True: parallel(work, job.array.ctypes.data, 1000)
parallel(work, job.array.ctypes.data, 10)
if {kind!r} == "daemon": threading.Thread(target=go, daemon=True).start()
{when}
print("end", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "end\n"), done.stderr


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_workers_leave_the_callers_core(machine):
    """Wherever the caller goes, and never where they were told not to be."""
    script = """
import ctypes, os, time
from tests.test_workers import CHUNKS, Job, native, workers
work = native.load(CHUNKS, ["work"], {})["work"]
parallel = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)(workers.entry(2))
job, ran = Job(2), 0

def until(wanted):
    for _ in range(3000):
        parallel(work, job.array.ctypes.data, 2)
        global ran
        ran += 1
        if os.sched_getaffinity(worker) == wanted:
            return True
        time.sleep(0.01)

parallel(work, job.array.ctypes.data, 2)
named = []
while not named:
    named = [int(task) for task in os.listdir("/proc/self/task")
             if open(f"/proc/self/task/{task}/comm").read().strip() == "lazytensor"]
worker, = named
everywhere = os.sched_getaffinity(0)
one, other, *_ = sorted(everywhere)
for core in (one, other, one):
    os.sched_setaffinity(0, {core})
    assert until(everywhere - {core}), core
os.sched_setaffinity(worker, {one})  # from outside: that is all it may be on
os.sched_setaffinity(0, {other})
for core in (other, one, other):
    os.sched_setaffinity(0, {core})
    for _ in range(5):
        until({one})
        time.sleep(0.02)
    assert os.sched_getaffinity(worker) == {one}
assert job.counts.tolist() == [ran + 1] * 2
print("end", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "end\n"), done.stderr


def test_the_portable_version(run, monkeypatch):
    monkeypatch.setattr(workers, "has_workers", lambda: False)
    assert workers.entry(4) == workers.entry(1)
    job = Job(10)
    run(4, job, 10)
    assert (job.counts == 1).all()


@pytest.mark.parametrize("variables, wanted", [
    ({"LAZYTENSOR_NUM_THREADS": "3", "OMP_NUM_THREADS": "2"}, 3), ({"OMP_NUM_THREADS": "4,2"}, 4),
    ({"OMP_NUM_THREADS": "dynamic"}, None), ({"LAZYTENSOR_NUM_THREADS": ""}, None), ({}, None)])
def test_how_many(monkeypatch, variables, wanted):
    for name in ("LAZYTENSOR_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert workers.automatic() == (wanted or len(os.sched_getaffinity(0)))


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", "²"])
def test_wrong_numbers_are_refused(monkeypatch, value):
    monkeypatch.setenv("LAZYTENSOR_NUM_THREADS", value)
    with pytest.raises(SettingError, match="LAZYTENSOR_NUM_THREADS"):
        workers.automatic()


def test_a_wrong_number_is_refused_on_import():
    run = subprocess.run([sys.executable, "-c", "import lazytensor"], capture_output=True, text=True,
                         env={**os.environ, "LAZYTENSOR_NUM_THREADS": "two"})
    assert "LAZYTENSOR_NUM_THREADS cannot be 'two'" in run.stderr


def test_the_setting():
    assert workers.count() == workers._automatic
    with lt.config(threads=7):
        assert workers.count() == 7 and lt.config.settings()["threads"] == 7
    assert lt.config.settings()["threads"] is None
    with pytest.raises(SettingError):
        lt.config(threads=0)
