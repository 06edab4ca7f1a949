"""Native worker threads: a C function that runs a kernel's chunks on several cores, called without the GIL.

Whoever calls it claims chunks like any worker, so it never waits for a worker that has not begun; a worker that finds
nothing spins for a while and then sleeps on a futex. Workers are plain threads that Python does not know. One caller at
a time has them: whoever finds them busy, a nested call too, runs its chunks alone.

A worker spins for an eighth of the time that its last job took: a job on much memory leaves nothing of its caller's
program in the caches, so it takes 100 to 250 us until the next one comes, and to wake a sleeping core another 70.

Each thread has a range of chunks of its own, the same at every run of a kernel, and takes from its front: what it wrote
at one run it finds at the next in its own core's cache. When its range is empty it takes from the ends of others. A
worker that keeps finding nothing left sleeps at once: it may be on a core that somebody else needs.

Linux may wake a worker on its caller's own core though another is idle, and leave it there until a tick of 4 ms: where
cores share no cache it looks no further. So a caller that ran every chunk of a job itself takes its core from those
that its workers may be on, if they are allowed others, and only when it has moved since. Whose affinity somebody else
has set keeps to that.

A cache line that another core has written takes 100 to 200 ns to come, so a job is handed over in three: `job`, which
workers watch, has all that they need to know; each has its range, and its report, in a line of its own, which it asks
for as soon as it sees a job. Nobody else writes to its report: how many chunks it ever ran, and the last job's flags.

Why this is right in every interleaving. A range is one word, `first` and `end` in its halves; it loses one chunk per
claim, in one compare-and-exchange, and is raised only by the caller that holds `busy`, when all are empty. A successful
claim is therefore one of the job in force, however old the value that it was compared with, and `job` stays put until
that claim is reported: the caller knows how many it ran itself, and gives up `busy` when reports have grown by what is
left. Sleep and wake-up (of workers by the job's number and `asleep`, of the caller by `done` and `waiting`) write
their own word before they read the other's, with the kernel comparing once more, so none is missed.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import threading

from ..config import UNBOUNDED, current, threads_given
from ..lower import native

SPIN = 100_000
"""Ticks of the time stamp counter that a thread spins at least before it sleeps: 25 to 50 us."""
MOST_SPIN = 1_000_000
"""And at most, after a long job: 250 to 500 us."""
REST = 20_000_000
"""Ticks of it between two looks at where the workers are: 5 to 10 ms."""

_SERIAL = """
define internal i32 @alone(ptr %fn, ptr %arg, i64 %chunks) nounwind {
  %some = icmp sgt i64 %chunks, 0
  br i1 %some, label %each, label %end
each:
  %chunk = phi i64 [ 0, %0 ], [ %next, %each ]
  %flags = phi i32 [ 0, %0 ], [ %gathered, %each ]
  %raised = call i32 %fn(ptr %arg, i64 %chunk)
  %gathered = or i32 %flags, %raised
  %next = add i64 %chunk, 1
  %more = icmp slt i64 %next, %chunks
  br i1 %more, label %each, label %end
end:
  %all = phi i32 [ 0, %0 ], [ %gathered, %each ]
  ret i32 %all
}
"""

_ONE_THREAD = _SERIAL + """
define i32 @parallel(ptr %fn, ptr %arg, i64 %chunks) nounwind {
  %flags = call i32 @alone(ptr %fn, ptr %arg, i64 %chunks)
  ret i32 %flags
}
"""

# Linux and x86-64: futex is system call 202 (wait 128, wake 129, both private), sigset_t has 128 bytes; gettid is 186,
# sched_setaffinity 203, sched_getaffinity 204, getcpu 309. A set of cores has 128 bytes: 1,024 cores.
_POOL = _SERIAL + """
%job_line = type { i32, i32, ptr, ptr, [5 x i64] }  ; its number, the control word, fn, arg
%report_line = type { i64, i32, i32, i64, [5 x i64] }  ; chunks ever run, the last job's number, its flags, the thread
@busy = internal global i32 0, align 64
@total = internal global i64 0
@started = internal global i32 0
@job = internal global %job_line zeroinitializer, align 64
@ranges = internal global [THREADS x [8 x i64]] zeroinitializer, align 64
@reports = internal global [THREADS x %report_line] zeroinitializer, align 64
@asleep = internal global i32 0, align 64
@waiting = internal global i32 0, align 64
@done = internal global i32 0
@home = internal global i32 -1                      ; the core that workers were last kept from
@looked = internal global i64 0                     ; when
@allowed = internal global [THREADS x [16 x i64]] zeroinitializer  ; the cores of each by others' choice
@kept = internal global [THREADS x [16 x i64]] zeroinitializer     ; those that it has by ours
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
declare i64 @llvm.umin.i64(i64, i64)
declare void @llvm.prefetch.p0(ptr, i32, i32, i32)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)

; Claims and runs the chunks left of a range; how many, and the flags of all. %mine is the thread's present control
; word, %own the number of its range.
define internal { i64, i32 } @drain(ptr %mine, i64 %own, i64 %whose) noinline nounwind {
  %range = getelementptr [8 x i64], ptr @ranges, i64 %whose
  %fn_at = getelementptr %job_line, ptr @job, i64 0, i32 2
  %arg_at = getelementptr %job_line, ptr @job, i64 0, i32 3
  %control_at = getelementptr %job_line, ptr @job, i64 0, i32 1
  %mine_too = icmp eq i64 %whose, %own
  br label %again
again:
  %ran = phi i64 [ 0, %0 ], [ %ran, %claim ], [ %ran1, %run ]
  %flags = phi i32 [ 0, %0 ], [ %flags, %claim ], [ %gathered, %run ]
  %w = load atomic i64, ptr %range acquire, align 8
  %from = and i64 %w, 4294967295
  %end_of = lshr i64 %w, 32
  %some = icmp ult i64 %from, %end_of
  br i1 %some, label %claim, label %end
claim:
  %number = load atomic i32, ptr @job monotonic, align 4
  %odd = trunc i32 %number to i1
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
  %fn = load ptr, ptr %fn_at
  %arg = load ptr, ptr %arg_at
  %control = load i32, ptr %control_at
  %old = load i32, ptr %mine
  %same = icmp eq i32 %control, %old
  br i1 %same, label %run, label %set
set:
  store i32 %control, ptr %mine
  call void @llvm.x86.sse.ldmxcsr(ptr %mine)
  br label %run
run:
  %raised = call i32 %fn(ptr %arg, i64 %chunk)
  %gathered = or i32 %flags, %raised
  %ran1 = add i64 %ran, 1
  br label %again
end:
  %one = insertvalue { i64, i32 } poison, i64 %ran, 0
  %both = insertvalue { i64, i32 } %one, i32 %flags, 1
  ret { i64, i32 } %both
}

; A worker takes what is left of a range, and reports it before it looks elsewhere; whether it got any.
define internal i1 @work(ptr %mine, i64 %own, i64 %whose) nounwind {
  %both = call { i64, i32 } @drain(ptr %mine, i64 %own, i64 %whose)
  %ran = extractvalue { i64, i32 } %both, 0
  %raised = extractvalue { i64, i32 } %both, 1
  %any = icmp ne i64 %ran, 0
  br i1 %any, label %tell, label %end
tell:
  %report = getelementptr %report_line, ptr @reports, i64 %own
  %number_at = getelementptr %report_line, ptr %report, i64 0, i32 1
  %flags_at = getelementptr %report_line, ptr %report, i64 0, i32 2
  %number = load atomic i32, ptr @job monotonic, align 4
  %known = load i32, ptr %number_at
  %known_flags = load i32, ptr %flags_at
  %same = icmp eq i32 %known, %number
  %before = select i1 %same, i32 %known_flags, i32 0
  %flags = or i32 %before, %raised
  store i32 %number, ptr %number_at
  store i32 %flags, ptr %flags_at
  %ever = load i64, ptr %report
  %now = add i64 %ever, %ran
  store atomic i64 %now, ptr %report seq_cst, align 8
  %waits = load atomic i32, ptr @waiting seq_cst, align 4
  %wake = icmp ne i32 %waits, 0
  br i1 %wake, label %rouse, label %end
rouse:
  store atomic i32 1, ptr @done seq_cst, align 4
  call i64 (i64, ...) @syscall(i64 202, ptr @done, i64 129, i64 1)
  br label %end
end:
  ret i1 %any
}

define internal ptr @worker(ptr %number) nounwind {
  %own = ptrtoint ptr %number to i64
  %mine = alloca i32
  store i32 -1, ptr %mine
  call i32 (i32, ...) @prctl(i32 15, ptr @name)
  %range = getelementptr [8 x i64], ptr @ranges, i64 %own
  %report = getelementptr %report_line, ptr @reports, i64 %own
  %thread = call i64 (i64, ...) @syscall(i64 186)
  %thread_at = getelementptr %report_line, ptr %report, i64 0, i32 3
  store atomic i64 %thread, ptr %thread_at release, align 8
  %arg_at = getelementptr %job_line, ptr @job, i64 0, i32 3
  br label %again
again:
  %seen = phi i32 [ 0, %0 ], [ %turn, %ready ]
  %late = phi i32 [ 0, %0 ], [ %late1, %ready ]
  %patience = phi i64 [ SPIN, %0 ], [ %patience1, %ready ]
  ; Who keeps coming too late may be in the way of a caller: no spinning then, but for a try at times.
  %seldom = icmp ult i32 %late, 4
  %eighth = and i32 %late, 7
  %try = icmp eq i32 %eighth, 0
  %spins = or i1 %seldom, %try
  br i1 %spins, label %awake, label %sleep
awake:
  %from = call i64 @llvm.readcyclecounter()
  br label %spin
spin:
  %k = phi i32 [ 0, %awake ], [ %k1, %idle ], [ %k1, %yield ]
  %turn = load atomic i32, ptr @job acquire, align 4
  %new = icmp ne i32 %turn, %seen
  br i1 %new, label %begin, label %idle
idle:
  call void @llvm.x86.sse2.pause()
  %k1 = add i32 %k, 1
  %low = and i32 %k1, 255
  %due = icmp eq i32 %low, 0
  br i1 %due, label %yield, label %spin
yield:
  call i32 @sched_yield()  ; the caller may be waiting for this very core
  %at = call i64 @llvm.readcyclecounter()
  %spun = sub i64 %at, %from
  %enough = icmp ugt i64 %spun, %patience
  br i1 %enough, label %sleep, label %spin
sleep:
  %a = atomicrmw add ptr @asleep, i32 1 seq_cst
  call i64 (i64, ...) @syscall(i64 202, ptr @job, i64 128, i32 %seen, ptr null)
  %b = atomicrmw sub ptr @asleep, i32 1 seq_cst
  br label %awake
begin:
  %began = call i64 @llvm.readcyclecounter()
  %arg = load ptr, ptr %arg_at  ; perhaps another job's by now: it is but asked for
  %further = getelementptr i8, ptr %arg, i64 64
  call void @llvm.prefetch.p0(ptr %range, i32 1, i32 3, i32 1)
  call void @llvm.prefetch.p0(ptr %arg, i32 0, i32 3, i32 1)
  call void @llvm.prefetch.p0(ptr %further, i32 0, i32 3, i32 1)
  call void @llvm.prefetch.p0(ptr %report, i32 1, i32 3, i32 1)
  br label %others
others:
  %whose = phi i64 [ %own, %begin ], [ %wrapped, %others ]
  %any = phi i1 [ false, %begin ], [ %got, %others ]
  %here = call i1 @work(ptr %mine, i64 %own, i64 %whose)
  %got = or i1 %any, %here
  %whose1 = add i64 %whose, 1
  %round = icmp eq i64 %whose1, THREADS
  %wrapped = select i1 %round, i64 0, i64 %whose1
  %all = icmp eq i64 %wrapped, %own
  br i1 %all, label %ready, label %others
ready:
  %later = add i32 %late, 1
  %late1 = select i1 %got, i32 0, i32 %later
  %ended = call i64 @llvm.readcyclecounter()
  %worked = sub i64 %ended, %began
  %part = lshr i64 %worked, 3
  %longer = add i64 %part, SPIN
  %patience1 = call i64 @llvm.umin.i64(i64 %longer, i64 MOST_SPIN)
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

; How many chunks workers ever reported, and the flags of those of the present job.
define internal { i64, i32 } @reported() nounwind {
  %number = load i32, ptr @job
  br label %each
each:
  %k = phi i64 [ 1, %0 ], [ %k1, %each ]
  %sum = phi i64 [ 0, %0 ], [ %sum1, %each ]
  %flags = phi i32 [ 0, %0 ], [ %flags1, %each ]
  %report = getelementptr %report_line, ptr @reports, i64 %k
  %number_at = getelementptr %report_line, ptr %report, i64 0, i32 1
  %flags_at = getelementptr %report_line, ptr %report, i64 0, i32 2
  %ran = load atomic i64, ptr %report seq_cst, align 8
  %job = load i32, ptr %number_at
  %raised = load i32, ptr %flags_at
  %same = icmp eq i32 %job, %number
  %own = select i1 %same, i32 %raised, i32 0
  %flags1 = or i32 %flags, %own
  %sum1 = add i64 %sum, %ran
  %k1 = add i64 %k, 1
  %more = icmp ult i64 %k1, THREADS
  br i1 %more, label %each, label %end
end:
  %one = insertvalue { i64, i32 } poison, i64 %sum1, 0
  %both = insertvalue { i64, i32 } %one, i32 %flags1, 1
  ret { i64, i32 } %both
}

; Keeps a worker from a core, if it may be on others; false if it has not begun yet.
define internal i1 @keep(i64 %k, i32 %core) nounwind {
  %now = alloca [16 x i64], align 16
  %report = getelementptr %report_line, ptr @reports, i64 %k, i32 3
  %thread = load atomic i64, ptr %report acquire, align 8
  %runs = icmp ne i64 %thread, 0
  br i1 %runs, label %ask, label %end
ask:
  call void @llvm.memset.p0.i64(ptr align 16 %now, i8 0, i64 128, i1 false)
  %got = call i64 (i64, ...) @syscall(i64 204, i64 %thread, i64 128, ptr %now)
  %known = icmp sgt i64 %got, 0
  br i1 %known, label %compare, label %end
compare:
  %allowed = getelementptr [16 x i64], ptr @allowed, i64 %k
  %kept = getelementptr [16 x i64], ptr @kept, i64 %k
  %before = load i1024, ptr %now, align 8
  %ours = load i1024, ptr %kept, align 8
  %own_choice = load i1024, ptr %allowed, align 8
  %as_we_left_it = icmp eq i1024 %before, %ours
  %all = select i1 %as_we_left_it, i1024 %own_choice, i1024 %before
  store i1024 %all, ptr %allowed, align 8
  store i1024 %all, ptr %now, align 8
  %index = lshr i32 %core, 3
  %bit = and i32 %core, 7
  %bit_of_byte = trunc i32 %bit to i8
  %mask = shl i8 1, %bit_of_byte
  %others = xor i8 %mask, -1
  %byte_at = getelementptr i8, ptr %now, i32 %index
  %byte = load i8, ptr %byte_at
  %without = and i8 %byte, %others
  store i8 %without, ptr %byte_at
  %rest = load i1024, ptr %now, align 8
  %none = icmp eq i1024 %rest, 0
  %wanted = select i1 %none, i1024 %all, i1024 %rest
  store i1024 %wanted, ptr %now, align 8
  call i64 (i64, ...) @syscall(i64 203, i64 %thread, i64 128, ptr %now)
  call void @llvm.memset.p0.i64(ptr align 8 %kept, i8 0, i64 128, i1 false)
  call i64 (i64, ...) @syscall(i64 204, i64 %thread, i64 128, ptr %kept)
  br label %end
end:
  ret i1 %runs
}

; Keeps all from the caller's core, if it is another than the last time; seldom. Called by who holds `busy`.
define internal void @part() noinline nounwind {
  %core_at = alloca i32
  %now = call i64 @llvm.readcyclecounter()
  %last = load i64, ptr @looked
  %since = sub i64 %now, %last
  %rested = icmp ugt i64 %since, REST
  br i1 %rested, label %look, label %end
look:
  store i64 %now, ptr @looked
  %failed = call i64 (i64, ...) @syscall(i64 309, ptr %core_at, ptr null, ptr null)
  %core = load i32, ptr %core_at
  %home = load i32, ptr @home
  %known = icmp eq i64 %failed, 0
  %moved = icmp ne i32 %core, %home
  %few = icmp ult i32 %core, 1024
  %other = and i1 %known, %moved
  %go = and i1 %other, %few
  br i1 %go, label %begin, label %end
begin:
  br label %each
each:
  %k = phi i64 [ 1, %begin ], [ %k1, %each ]
  %kept = phi i1 [ true, %begin ], [ %kept1, %each ]
  %runs = call i1 @keep(i64 %k, i32 %core)
  %kept1 = and i1 %kept, %runs
  %k1 = add i64 %k, 1
  %more = icmp ult i64 %k1, THREADS
  br i1 %more, label %each, label %note
note:
  %now_home = select i1 %kept1, i32 %core, i32 -1
  store i32 %now_home, ptr @home
  br label %end
end:
  ret void
}

define i32 @parallel(ptr %fn, ptr %arg, i64 %chunks) nounwind {
  %mine = alloca i32
  %several = icmp sgt i64 %chunks, 1
  br i1 %several, label %ask, label %alone
ask:
  %pair = cmpxchg ptr @busy, i32 0, i32 1 seq_cst seq_cst, align 4
  %free = extractvalue { i32, i1 } %pair, 1
  br i1 %free, label %have, label %alone
alone:
  %serial = call i32 @alone(ptr %fn, ptr %arg, i64 %chunks)
  ret i32 %serial
have:
  %started = load i32, ptr @started
  %fresh = icmp eq i32 %started, 0
  br i1 %fresh, label %begin, label %post
begin:
  call void @start()
  br label %post
post:
  call void @llvm.x86.sse.stmxcsr(ptr %mine)
  %state = load i32, ptr %mine
  %control = and i32 %state, 65472
  store i32 %control, ptr %mine
  %control_at = getelementptr %job_line, ptr @job, i64 0, i32 1
  %fn_at = getelementptr %job_line, ptr @job, i64 0, i32 2
  %arg_at = getelementptr %job_line, ptr @job, i64 0, i32 3
  store i32 %control, ptr %control_at
  store ptr %fn, ptr %fn_at
  store ptr %arg, ptr %arg_at
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
  store atomic i64 %both, ptr %at_range release, align 8
  %raised = icmp eq i64 %i1, THREADS
  br i1 %raised, label %call, label %raise
call:
  %t = atomicrmw add ptr @job, i32 1 seq_cst
  %sleepers = load atomic i32, ptr @asleep seq_cst, align 4
  %any = icmp ne i32 %sleepers, 0
  br i1 %any, label %rouse, label %help
rouse:
  %others = sub i64 %chunks, 1
  %fewer = icmp ult i64 %others, WORKERS
  %many = select i1 %fewer, i64 %others, i64 WORKERS
  call i64 (i64, ...) @syscall(i64 202, ptr @job, i64 129, i64 %many)
  br label %help
help:
  %whose = phi i64 [ 0, %call ], [ 0, %rouse ], [ %whose1, %help ]
  %ran = phi i64 [ 0, %call ], [ 0, %rouse ], [ %ran1, %help ]
  %flags = phi i32 [ 0, %call ], [ 0, %rouse ], [ %flags1, %help ]
  %some = call { i64, i32 } @drain(ptr %mine, i64 0, i64 %whose)
  %count = extractvalue { i64, i32 } %some, 0
  %noted = extractvalue { i64, i32 } %some, 1
  %ran1 = add i64 %ran, %count
  %flags1 = or i32 %flags, %noted
  %whose1 = add i64 %whose, 1
  %helped = icmp eq i64 %whose1, THREADS
  br i1 %helped, label %look, label %help
look:
  %total = load i64, ptr @total
  %theirs = sub i64 %chunks, %ran1
  %wanted = add i64 %total, %theirs
  %late = icmp eq i64 %theirs, 0
  br i1 %late, label %part, label %wait_for
part:
  call void @part()
  br label %wait_for
wait_for:
  %from = call i64 @llvm.readcyclecounter()
  br label %spin
spin:
  %k = phi i32 [ 0, %wait_for ], [ %k1, %wait ], [ %k1, %yield ]
  %r = call { i64, i32 } @reported()
  %sum = extractvalue { i64, i32 } %r, 0
  %over = icmp eq i64 %sum, %wanted
  br i1 %over, label %end, label %wait
wait:
  call void @llvm.x86.sse2.pause()
  %k1 = add i32 %k, 1
  %low = and i32 %k1, 255
  %due = icmp eq i32 %low, 0
  br i1 %due, label %yield, label %spin
yield:
  call i32 @sched_yield()
  %at = call i64 @llvm.readcyclecounter()
  %spun = sub i64 %at, %from
  %enough = icmp ugt i64 %spun, SPIN
  br i1 %enough, label %settle, label %spin
settle:
  store atomic i32 1, ptr @waiting seq_cst, align 4
  br label %doze
doze:
  store atomic i32 0, ptr @done seq_cst, align 4
  %r2 = call { i64, i32 } @reported()
  %sum2 = extractvalue { i64, i32 } %r2, 0
  %over2 = icmp eq i64 %sum2, %wanted
  br i1 %over2, label %awake, label %sleep
sleep:
  call i64 (i64, ...) @syscall(i64 202, ptr @done, i64 128, i32 0, ptr null)
  br label %doze
awake:
  store atomic i32 0, ptr @waiting seq_cst, align 4
  br label %end
end:
  %last = phi { i64, i32 } [ %r, %spin ], [ %r2, %awake ]
  %their_flags = extractvalue { i64, i32 } %last, 1
  %all = or i32 %flags1, %their_flags
  store i64 %wanted, ptr @total
  store atomic i32 0, ptr @busy release, align 4
  ret i32 %all
}

; In a forked child: no workers, nobody busy.
define void @reset() nounwind {
  store atomic i32 0, ptr @busy seq_cst, align 4
  store i64 0, ptr @total
  call void @llvm.memset.p0.i64(ptr align 64 @ranges, i8 0, i64 LINES, i1 false)
  call void @llvm.memset.p0.i64(ptr align 64 @reports, i8 0, i64 LINES, i1 false)
  store atomic i32 0, ptr @job seq_cst, align 4
  store atomic i32 0, ptr @asleep seq_cst, align 4
  store atomic i32 0, ptr @waiting seq_cst, align 4
  store i32 0, ptr @started
  store i32 -1, ptr @home
  call void @llvm.memset.p0.i64(ptr align 8 @kept, i8 0, i64 SETS, i1 false)
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
    """Address of ``int32_t parallel(int32_t (*fn)(void *arg, int64_t chunk), void *arg, int64_t chunks)``.

    It runs ``fn`` once for each chunk from 0 to ``chunks - 1``, on the calling thread and up to ``threads - 1``
    workers, and returns when all have run, with the flags that any of them gave. Chunks are fewer than 2**32. Call it
    without the GIL, from any thread, also from a chunk. Workers have the caller's floating-point control word.

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
                for word, value in (("WORKERS", workers), ("THREADS", workers + 1), ("LINES", 64 * (workers + 1)),
                                    ("SETS", 128 * (workers + 1)), ("MOST_SPIN", MOST_SPIN),
                                    ("SPIN", SPIN), ("REST", REST)):
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
    given = threads_given()
    if given is not None:
        return given
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
