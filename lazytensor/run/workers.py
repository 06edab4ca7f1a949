"""Native worker threads: a C function that runs a kernel's chunks on several cores, called without the GIL.

Whoever calls it claims chunks like any worker, so it never waits for a worker that has not begun; a worker that finds
nothing spins for a while and then sleeps on a futex. Workers are plain threads that Python does not know. One caller at
a time has them: whoever finds them busy, a nested call too, runs its chunks alone.

Each thread has a range of chunks of its own, the same at every run of a kernel, and takes from its front: what it wrote
at one run it finds at the next in its own core's cache. When its range is empty it takes from the ends of others.

Why this is right in every interleaving. A range is one word, `first` and `end` in its halves; it loses one chunk per
claim, in one compare-and-exchange, and is raised only by the caller that holds `busy`, when all are empty. A successful
claim is therefore one of the job in force, however old the value that it was compared with, and `fn`, `arg`, `chunks`
stay put until that claim is counted in `finished`. The last to be counted sets `done`, and only then does the caller
give up `busy`. Sleep and wake-up (of workers by `turn` and `asleep`, of the caller by `done` and `waiting`) write their
own word before they read the other's, with the kernel comparing once more, so none is missed.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import threading

from ..config import UNBOUNDED, current
from ..errors import SettingError
from ..lower import native

SPIN = 100_000
"""Ticks of the time stamp counter that a thread spins before it sleeps: 25 to 50 us."""

_SERIAL = """
define internal void @alone(ptr %fn, ptr %arg, i64 %chunks) nounwind {
  %some = icmp sgt i64 %chunks, 0
  br i1 %some, label %each, label %end
each:
  %chunk = phi i64 [ 0, %0 ], [ %next, %each ]
  call void %fn(ptr %arg, i64 %chunk)
  %next = add i64 %chunk, 1
  %more = icmp slt i64 %next, %chunks
  br i1 %more, label %each, label %end
end:
  ret void
}
"""

_ONE_THREAD = _SERIAL + """
define void @parallel(ptr %fn, ptr %arg, i64 %chunks) nounwind {
  call void @alone(ptr %fn, ptr %arg, i64 %chunks)
  ret void
}
"""

# Linux and x86-64: futex is system call 202 (wait 128, wake 129, both private), sigset_t has 128 bytes.
_POOL = _SERIAL + """
@busy = internal global i32 0, align 64
@ranges = internal global [THREADS x [8 x i64]] zeroinitializer, align 64
@finished = internal global i64 0, align 64
@turn = internal global i32 0, align 64
@asleep = internal global i32 0, align 64
@done = internal global i32 0, align 64
@waiting = internal global i32 0
@started = internal global i32 0, align 64
@fn = internal global ptr null
@arg = internal global ptr null
@chunks = internal global i64 0
@control = internal global i32 0
@name = internal constant [11 x i8] c"lazytensor\\00"
declare i64 @syscall(i64, ...) nounwind
declare i32 @sched_yield() nounwind
declare i32 @prctl(i32, ...) nounwind
declare i32 @pthread_create(ptr, ptr, ptr, ptr) nounwind
declare i32 @pthread_detach(i64) nounwind
declare i32 @pthread_sigmask(i32, ptr, ptr) nounwind
declare i32 @sigfillset(ptr) nounwind
declare i32 @sigdelset(ptr, i32) nounwind
declare void @llvm.x86.sse2.pause()
declare void @llvm.x86.sse.ldmxcsr(ptr)
declare void @llvm.x86.sse.stmxcsr(ptr)
declare i64 @llvm.readcyclecounter()
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)

; Claims and runs chunks until none is left; whether it got any. %mine is the thread's present control word, %own the
; number of its range.
define internal i1 @drain(ptr %mine, i64 %own) noinline nounwind {
  br label %look
look:
  %any = phi i1 [ false, %0 ], [ %any, %beyond ], [ true, %run ]
  %whose = phi i64 [ %own, %0 ], [ %wrapped, %beyond ], [ %whose, %run ]
  %tried = phi i64 [ 0, %0 ], [ %tried1, %beyond ], [ %tried, %run ]
  %range = getelementptr [8 x i64], ptr @ranges, i64 %whose
  br label %again
again:
  %w = load atomic i64, ptr %range acquire, align 8
  %from = and i64 %w, 4294967295
  %end_of = lshr i64 %w, 32
  %some = icmp ult i64 %from, %end_of
  br i1 %some, label %claim, label %beyond
beyond:
  %whose1 = add i64 %whose, 1
  %round = icmp eq i64 %whose1, THREADS
  %wrapped = select i1 %round, i64 0, i64 %whose1
  %tried1 = add i64 %tried, 1
  %all = icmp eq i64 %tried1, THREADS
  br i1 %all, label %end, label %look
claim:
  %mine_too = icmp eq i64 %whose, %own
  %run_number = load atomic i32, ptr @turn monotonic, align 4
  %odd = trunc i32 %run_number to i1
  %front = xor i1 %mine_too, %odd
  %shorter = add i64 %w, 1
  %cut = sub i64 %w, 4294967296
  %less = select i1 %front, i64 %shorter, i64 %cut
  %back = sub i64 %end_of, 1
  %chunk = select i1 %front, i64 %from, i64 %back
  %pair = cmpxchg ptr %range, i64 %w, i64 %less seq_cst seq_cst, align 8
  %ok = extractvalue { i64, i1 } %pair, 1
  br i1 %ok, label %claimed, label %again
claimed:
  %fn = load ptr, ptr @fn
  %arg = load ptr, ptr @arg
  %chunks = load i64, ptr @chunks
  %control = load i32, ptr @control
  %old = load i32, ptr %mine
  %same = icmp eq i32 %control, %old
  br i1 %same, label %run, label %set
set:
  store i32 %control, ptr %mine
  call void @llvm.x86.sse.ldmxcsr(ptr %mine)
  br label %run
run:
  call void %fn(ptr %arg, i64 %chunk)
  %before = atomicrmw add ptr @finished, i64 1 seq_cst
  %now = add i64 %before, 1
  %last = icmp eq i64 %now, %chunks
  br i1 %last, label %tell, label %look
tell:
  store atomic i32 1, ptr @done seq_cst, align 4
  %waits = load atomic i32, ptr @waiting seq_cst, align 4
  %wake = icmp ne i32 %waits, 0
  br i1 %wake, label %rouse, label %end
rouse:
  call i64 (i64, ...) @syscall(i64 202, ptr @done, i64 129, i64 1)
  br label %end
end:
  %got = phi i1 [ %any, %beyond ], [ true, %tell ], [ true, %rouse ]
  ret i1 %got
}

define internal ptr @worker(ptr %number) nounwind {
  %own = ptrtoint ptr %number to i64
  %mine = alloca i32
  store i32 -1, ptr %mine
  call i32 (i32, ...) @prctl(i32 15, ptr @name)
  br label %again
again:
  %seen = phi i32 [ 0, %0 ], [ %turn, %work ]
  %useful = phi i1 [ true, %0 ], [ %got, %work ]
  br i1 %useful, label %awake, label %sleep  ; who came too late may be in the way of a caller: no spinning
awake:
  %from = call i64 @llvm.readcyclecounter()
  br label %spin
spin:
  %k = phi i32 [ 0, %awake ], [ %k1, %rest ]
  %turn = load atomic i32, ptr @turn acquire, align 4
  %new = icmp ne i32 %turn, %seen
  br i1 %new, label %work, label %idle
idle:
  call void @llvm.x86.sse2.pause()
  %k1 = add i32 %k, 1
  %low = and i32 %k1, 31
  %due = icmp eq i32 %low, 0
  br i1 %due, label %yield, label %rest
yield:
  call i32 @sched_yield()  ; the caller may be waiting for this very core
  br label %rest
rest:
  %at = call i64 @llvm.readcyclecounter()
  %spun = sub i64 %at, %from
  %enough = icmp ugt i64 %spun, SPIN
  br i1 %enough, label %sleep, label %spin
sleep:
  %a = atomicrmw add ptr @asleep, i32 1 seq_cst
  call i64 (i64, ...) @syscall(i64 202, ptr @turn, i64 128, i32 %seen, ptr null)
  %b = atomicrmw sub ptr @asleep, i32 1 seq_cst
  br label %awake
work:
  %got = call i1 @drain(ptr %mine, i64 %own)
  br label %again
}

; Starts the workers; every signal that is no fault of their own is left to Python's threads.
define internal void @start() noinline nounwind {
  %all = alloca [32 x i64], align 16
  %old = alloca [32 x i64], align 16
  %thread = alloca i64
  call i32 @sigfillset(ptr %all)
  call i32 @sigdelset(ptr %all, i32 4)
  call i32 @sigdelset(ptr %all, i32 5)
  call i32 @sigdelset(ptr %all, i32 6)
  call i32 @sigdelset(ptr %all, i32 7)
  call i32 @sigdelset(ptr %all, i32 8)
  call i32 @sigdelset(ptr %all, i32 11)
  call i32 @pthread_sigmask(i32 0, ptr %all, ptr %old)
  br label %each
each:
  %k = phi i64 [ 0, %0 ], [ %k1, %next ]
  %k1 = add i64 %k, 1
  %number = inttoptr i64 %k1 to ptr
  %failed = call i32 @pthread_create(ptr %thread, ptr null, ptr @worker, ptr %number)
  %made = icmp eq i32 %failed, 0
  br i1 %made, label %let, label %next
let:
  %id = load i64, ptr %thread
  call i32 @pthread_detach(i64 %id)
  br label %next
next:
  %more = icmp ult i64 %k1, WORKERS
  br i1 %more, label %each, label %end
end:
  call i32 @pthread_sigmask(i32 2, ptr %old, ptr null)
  store i32 1, ptr @started
  ret void
}

define void @parallel(ptr %fn, ptr %arg, i64 %chunks) nounwind {
  %mine = alloca i32
  %several = icmp sgt i64 %chunks, 1
  br i1 %several, label %ask, label %alone
ask:
  %pair = cmpxchg ptr @busy, i32 0, i32 1 seq_cst seq_cst, align 4
  %free = extractvalue { i32, i1 } %pair, 1
  br i1 %free, label %have, label %alone
alone:
  call void @alone(ptr %fn, ptr %arg, i64 %chunks)
  ret void
have:
  %started = load i32, ptr @started
  %fresh = icmp eq i32 %started, 0
  br i1 %fresh, label %begin, label %post
begin:
  call void @start()
  br label %post
post:
  store ptr %fn, ptr @fn
  store ptr %arg, ptr @arg
  store i64 %chunks, ptr @chunks
  call void @llvm.x86.sse.stmxcsr(ptr %mine)
  %state = load i32, ptr %mine
  %control = and i32 %state, 65472
  store i32 %control, ptr %mine
  store i32 %control, ptr @control
  store atomic i64 0, ptr @finished seq_cst, align 8
  store atomic i32 0, ptr @done seq_cst, align 4
  br label %raise
raise:
  %i = phi i64 [ 0, %post ], [ %i1, %raise ]
  %start = phi i64 [ 0, %post ], [ %stop, %raise ]
  %i1 = add i64 %i, 1
  %scaled = mul i64 %chunks, %i1
  %stop = udiv i64 %scaled, THREADS
  %high = shl i64 %stop, 32
  %both = or i64 %high, %start
  %at_range = getelementptr [8 x i64], ptr @ranges, i64 %i
  store atomic i64 %both, ptr %at_range seq_cst, align 8
  %raised = icmp eq i64 %i1, THREADS
  br i1 %raised, label %call, label %raise
call:
  %t = atomicrmw add ptr @turn, i32 1 seq_cst
  %sleepers = load atomic i32, ptr @asleep seq_cst, align 4
  %any = icmp ne i32 %sleepers, 0
  br i1 %any, label %rouse, label %help
rouse:
  %others = sub i64 %chunks, 1
  %fewer = icmp ult i64 %others, WORKERS
  %many = select i1 %fewer, i64 %others, i64 WORKERS
  call i64 (i64, ...) @syscall(i64 202, ptr @turn, i64 129, i64 %many)
  br label %help
help:
  call i1 @drain(ptr %mine, i64 0)
  %from = call i64 @llvm.readcyclecounter()
  br label %spin
spin:
  %k = phi i32 [ 0, %help ], [ %k1, %rest ]
  %d = load atomic i32, ptr @done acquire, align 4
  %over = icmp ne i32 %d, 0
  br i1 %over, label %end, label %wait
wait:
  call void @llvm.x86.sse2.pause()
  %k1 = add i32 %k, 1
  %low = and i32 %k1, 31
  %due = icmp eq i32 %low, 0
  br i1 %due, label %yield, label %rest
yield:
  call i32 @sched_yield()
  br label %rest
rest:
  %at = call i64 @llvm.readcyclecounter()
  %spun = sub i64 %at, %from
  %enough = icmp ugt i64 %spun, SPIN
  br i1 %enough, label %sleep, label %spin
sleep:
  store atomic i32 1, ptr @waiting seq_cst, align 4
  %d2 = load atomic i32, ptr @done seq_cst, align 4
  %over2 = icmp ne i32 %d2, 0
  br i1 %over2, label %awake, label %doze
doze:
  call i64 (i64, ...) @syscall(i64 202, ptr @done, i64 128, i32 0, ptr null)
  br label %sleep
awake:
  store atomic i32 0, ptr @waiting seq_cst, align 4
  br label %end
end:
  store atomic i32 0, ptr @busy seq_cst, align 4
  ret void
}

; In a forked child: no workers, nobody busy.
define void @reset() nounwind {
  store atomic i32 0, ptr @busy seq_cst, align 4
  call void @llvm.memset.p0.i64(ptr align 64 @ranges, i8 0, i64 RANGES, i1 false)
  store atomic i32 0, ptr @turn seq_cst, align 4
  store atomic i32 0, ptr @asleep seq_cst, align 4
  store atomic i32 0, ptr @waiting seq_cst, align 4
  store i32 0, ptr @started
  ret void
}
"""

_lock = threading.RLock()
_entries: dict[int, int] = {}
_resets: list[int] = []


def has_workers() -> bool:
    """Whether there are native workers on this kind of machine; else `parallel` runs every chunk in its caller."""
    return sys.platform == "linux" and platform.machine() in ("x86_64", "AMD64")


def entry(threads: int) -> int:
    """Address of ``void parallel(void (*fn)(void *arg, int64_t chunk), void *arg, int64_t chunks)``.

    It runs ``fn`` once for each chunk from 0 to ``chunks - 1``, on the calling thread and up to ``threads - 1``
    workers, and returns when all have run. Chunks are fewer than 2**32. Call it without the GIL, from any thread, also
    from a chunk. Workers have the caller's floating-point control word; flags are the chunks' own business.

    Parameters
    ----------
    threads
        At least 1, callers included. The workers start at the first call that has something for them.

    Raises
    ------
    RuntimeError
        If there is no machine code here (`native.available`).
    """
    workers = threads - 1 if has_workers() else 0
    with _lock:
        if workers not in _entries:
            if workers < 1:
                _entries[workers] = native.load(_ONE_THREAD, ["parallel"])["parallel"]
            else:
                text = _POOL
                for word, value in (("WORKERS", workers), ("THREADS", workers + 1), ("RANGES", 64 * (workers + 1)),
                                    ("SPIN", SPIN)):
                    text = text.replace(word, str(value))
                found = native.load(text, ["parallel", "reset"])
                _resets.append(found["reset"])
                _entries[workers] = found["parallel"]
        return _entries[workers]


def count() -> int:
    """How many threads a kernel may use: the setting `threads`, or what `automatic` says."""
    threads = current.threads
    return threads if threads < UNBOUNDED else _automatic


def automatic() -> int:
    """LAZYTENSOR_NUM_THREADS, else OMP_NUM_THREADS, else the number of cores that this process may use.

    Raises
    ------
    SettingError
        If LAZYTENSOR_NUM_THREADS is there and no int of at least 1.
    """
    given = os.environ.get("LAZYTENSOR_NUM_THREADS", "").strip()
    if given:
        if not (given.isascii() and given.isdecimal() and int(given)):
            raise SettingError(f"LAZYTENSOR_NUM_THREADS cannot be {given!r}: it takes an int of at least 1")
        return int(given)
    usual = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()  # a list is for nested regions
    if usual.isascii() and usual.isdecimal() and int(usual):
        return int(usual)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_automatic = automatic()


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.RLock()
    for reset in _resets:
        ctypes.PYFUNCTYPE(None)(reset)()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
