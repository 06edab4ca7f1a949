"""Machine code from LLVM text: linking, the disk cache, builtins, threads and forks."""

import ctypes
import multiprocessing
import os
import struct
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from lazytensor.lower import compiler, native, objects

needs_native = pytest.mark.skipif(not native.available(), reason=str(native.why_not()))

TWICE = """
define i64 @twice(i64 %x) nounwind {
  %y = mul i64 %x, 2
  ret i64 %y
}
"""
FIVE = """
define void @kernel(ptr noalias %x, ptr noalias %y, ptr noalias %o, i64 %n) nounwind {
  br label %loop
loop:
  %i = phi i64 [ 0, %0 ], [ %j, %loop ]
  %px = getelementptr float, ptr %x, i64 %i
  %py = getelementptr float, ptr %y, i64 %i
  %po = getelementptr float, ptr %o, i64 %i
  %a = load <16 x float>, ptr %px, align 4
  %b = load <16 x float>, ptr %py, align 4
  %c = fmul <16 x float> %a, %b
  %d = fadd <16 x float> %c, %a
  %e = fmul <16 x float> %b, splat (float 0.5)
  %f = fsub <16 x float> %d, %e
  %g = fadd <16 x float> %f, %b
  store <16 x float> %g, ptr %po, align 4
  %j = add i64 %i, 16
  %more = icmp slt i64 %j, %n
  br i1 %more, label %loop, label %end
end:
  ret void
}
"""


def call(address, *args):
    return ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * len(args))(address)(*args)


def entries(cache):
    """The objects in a folder."""
    return sorted(path for path in cache.iterdir() if len(path.name) == 40) if cache.exists() else []


@pytest.fixture
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "objects"
    monkeypatch.setenv("LAZYTENSOR_CACHE", str(folder))
    monkeypatch.setattr(native, "_counts", dict.fromkeys(native._counts, 0))
    monkeypatch.setattr(native, "_room", 0)
    return folder


@needs_native
def test_exports_are_found_and_each_load_has_its_own_data(cache):
    text = """
    @count = global i64 0
    define i64 @next() nounwind {
      %old = load i64, ptr @count
      %new = add i64 %old, 1
      store i64 %new, ptr @count
      ret i64 %new
    }"""
    first, second = (native.load(text, ["next", "count"], {}) for _ in range(2))
    assert [call(first["next"]), call(first["next"]), call(second["next"])] == [1, 2, 1]
    assert ctypes.c_int64.from_address(first["count"]).value == 2


@needs_native
def test_imports_are_functions_and_data_anywhere_in_memory(cache):
    text = """
    @number = external global i64
    declare i64 @function(i64)
    declare double @cos(double)
    define i64 @f(i64 %x) nounwind {
      %a = call i64 @function(i64 %x)
      %b = load i64, ptr @number
      %c = call double @cos(double 0.0)
      %d = fptosi double %c to i64
      %e = add i64 %a, %b
      %f = add i64 %e, %d
      ret i64 %f
    }"""
    number, function = ctypes.c_int64(1000), ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(lambda x: 3 * x)
    imports = {"number": ctypes.addressof(number), "function": ctypes.cast(function, ctypes.c_void_p).value}
    assert call(native.load(text, ["f"], imports)["f"], 5) == 1016
    other = ctypes.c_int64(2000)  # the same object code, linked to something else
    assert call(native.load(text, ["f"], {**imports, "number": ctypes.addressof(other)})["f"], 5) == 2016
    assert native.cache_info()["hits"] == 1


@needs_native
@pytest.mark.parametrize("text, exports, imports, says", [
    ("define void @f() { oops }", ["f"], {}, "parsing"),
    ("define void @f() { ret void }", ["g"], {}, "g"),
    ("declare void @nowhere() define void @f() { call void @nowhere() ret void }", ["f"], {}, "f"),
    ("declare void @z() define void @f() { call void @z() ret void }", ["f"], {"z": 0}, "address 0"),
])
def test_what_cannot_be_loaded_is_an_error(cache, text, exports, imports, says):
    with pytest.raises(RuntimeError, match=says):
        native.load(text, exports, imports)
    assert call(native.load(TWICE, ["twice"], {})["twice"], 4) == 8


@needs_native
def test_products_and_sums_are_rounded_separately(cache):
    function = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, ctypes.c_int64)(
        native.load(FIVE, ["kernel"], {})["kernel"])
    x, y = (np.random.default_rng(k).uniform(0.5, 2, 1 << 12).astype("f") for k in (0, 1))
    out = np.empty_like(x)
    function(x.ctypes.data, y.ctypes.data, out.ctypes.data, len(x))
    np.testing.assert_array_equal(out, x * y + x - np.float32(0.5) * y + y)


@needs_native
def test_code_that_is_not_to_be_optimized_is_the_same_from_the_machine_that_makes_it_quickly():
    import llvmlite.binding as llvm
    engine = native._engine.compiler
    if engine.quick_machine is engine.machine:
        pytest.skip("not with this LLVM")
    text = FIVE.replace(" nounwind {", " nounwind noinline optnone {")
    with llvm.parse_assembly(engine.facts.header + text) as module:
        made = [machine.emit_object(module) for machine in (engine.machine, engine.quick_machine)]
    assert made[0] == made[1]  # with registers allocated badly it would be a third longer


PLAIN = TWICE.replace("nounwind", "noinline optnone")


@needs_native
@pytest.mark.parametrize("text, quick", [(TWICE, False), (PLAIN, True), (TWICE + PLAIN.replace("@", "@x"), False)])
def test_only_what_is_not_to_be_optimized_is_made_quickly(monkeypatch, text, quick):
    made = []

    class Noted:
        def __init__(self, machine, name):
            self.machine, self.name = machine, name

        def emit_object(self, module):
            made.append(self.name)
            return self.machine.emit_object(module)
    engine = native._engine.compiler
    monkeypatch.setattr(engine, "machine", Noted(engine.machine, False))
    monkeypatch.setattr(engine, "quick_machine", Noted(engine.quick_machine, True))
    assert native.compiled(text) and made == [quick]


@needs_native
def test_options_of_an_llvm_that_is_not_known_are_left_alone(monkeypatch):
    import llvmlite.binding as llvm
    monkeypatch.setattr(compiler, "_TRIED", ((15,), (16,)))
    monkeypatch.setattr(llvm, "set_option", None)
    assert not compiler._registers_allocated_well(llvm)


@needs_native
def test_builtins():
    text = """
    @_Py_NoneStruct = external global i8
    @PyExc_ValueError = external global ptr
    @why = internal constant [5 x i8] c"none\\00"
    declare void @Py_IncRef(ptr)
    declare void @PyErr_SetString(ptr, ptr)
    define ptr @first(ptr %self, ptr %args, i64 %n) nounwind {
      %some = icmp sgt i64 %n, 0
      br i1 %some, label %give, label %fail
    give:
      %a = load ptr, ptr %args
      call void @Py_IncRef(ptr %a)
      ret ptr %a
    fail:
      %e = load ptr, ptr @PyExc_ValueError
      call void @PyErr_SetString(ptr %e, ptr @why)
      ret ptr null
    }
    define ptr @same(ptr %self, ptr %arg) nounwind {
      call void @Py_IncRef(ptr %arg)
      ret ptr %arg
    }"""
    found = native.load(text, ["first", "same"], {})
    first = native.builtin("first", found["first"])
    thing = object()
    before = sys.getrefcount(thing)
    for _ in range(100):
        assert first(thing, 1, 2) is thing
    assert sys.getrefcount(thing) == before
    assert first.__name__ == "first" and type(first) is type(len)
    with pytest.raises(ValueError, match="none"):
        first()
    assert native.builtin("same", found["same"], native.METH_O)(thing) is thing


@needs_native
def test_second_process_finds_the_object_code(cache):
    script = (f"from lazytensor.lower import native; native.load({FIVE!r}, ['kernel'], {{}}); "
              "i = native.cache_info(); print(i['hits'], i['misses'], i['written'])")
    run = lambda: subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert [run(), run()] == ["0 1 1\n", "1 0 0\n"]
    assert native.cache_info()["bytes"] > 100
    native.clear_disk_cache()
    assert native.cache_info()["bytes"] == 0 and not os.listdir(cache)


@needs_native
@pytest.mark.parametrize("damage", [
    lambda held: held[:-1], lambda held: b"", lambda held: held[:100] + b"x" + held[101:], lambda held: held + b"x"])
def test_damaged_entries_are_dropped_and_rebuilt(cache, damage):
    native.load(TWICE, ["twice"], {})
    entry = entries(cache)[0]
    good = entry.read_bytes()
    entry.write_bytes(damage(good))
    assert call(native.load(TWICE, ["twice"], {})["twice"], 21) == 42
    assert native.cache_info()["dropped"] == 1 and entry.read_bytes() == good


@needs_native
def test_an_entry_under_the_wrong_name_is_damaged(cache):
    native.load(TWICE, ["twice"], {})
    entry = entries(cache)[0]
    native.load(FIVE, ["kernel"], {})
    other = next(path for path in entries(cache) if path != entry)
    other.write_bytes(entry.read_bytes())
    assert native.load(FIVE, ["kernel"], {}) and native.cache_info()["dropped"] == 1


@needs_native
@pytest.mark.parametrize("where", ["", "file/objects", "/proc/nowhere"])
def test_without_a_folder_there_is_no_cache(cache, tmp_path, monkeypatch, where):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LAZYTENSOR_CACHE", where if where.startswith("/") or not where else str(tmp_path / where))
    for _ in range(2):
        assert call(native.load(TWICE, ["twice"], {})["twice"], 2) == 4
    assert native.cache_info() == {"hits": 0, "misses": 2, "written": 0, "dropped": 0, "bytes": 0}
    native.clear_disk_cache()


@needs_native
def test_a_folder_that_anybody_may_write_is_not_trusted(cache):
    cache.mkdir()
    cache.chmod(0o777)
    native.load(TWICE, ["twice"], {})
    assert not entries(cache)


@needs_native
def test_the_usual_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("LAZYTENSOR_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    native.load(TWICE + f"; {tmp_path}", ["twice"], {})
    assert len(entries(tmp_path / "lazytensor" / "objects")) == 1


@needs_native
def test_the_least_recently_used_goes_first(cache, monkeypatch):
    monkeypatch.setattr(native, "CACHE_LIMIT", 1200)
    kept = None
    for k in range(20):
        before = set(entries(cache))
        native.load(TWICE + f"; {k}", ["twice"], {})
        kept = kept or (set(entries(cache)) - before).pop()
        os.utime(kept, (time.time() + 1000, time.time() + 1000))  # used again and again
    assert 0 < native.cache_info()["bytes"] <= 1200 and kept.exists()


@needs_native
def test_there_are_not_too_many(cache, monkeypatch):
    monkeypatch.setattr(native, "MOST_ENTRIES", 8)
    for k in range(30):
        native.load(TWICE + f"; {k}", ["twice"], {})
        monkeypatch.setattr(native, "_room", 0)
    assert 0 < len(entries(cache)) <= 9


@needs_native
def test_what_another_process_saw_lately_is_believed(cache, monkeypatch):
    native.load(TWICE, ["twice"], {})
    looked = []
    monkeypatch.setattr(native, "_trim", lambda folder, limit: looked.append(folder) or limit)
    monkeypatch.setitem(native._counts, "written", 0)
    for age, looks in ((0, 0), (7200, 1)):
        monkeypatch.setattr(native, "_room", 0)
        os.utime(cache / "looked", (time.time() - age,) * 2)
        monkeypatch.setitem(native._counts, "written", 0)
        native.load(TWICE + f"; {age}", ["twice"], {})
        assert len(looked) == looks


@needs_native
def test_what_a_killed_process_left_half_written_is_removed(cache):
    cache.mkdir(mode=0o700)
    old, new = (cache / f"{c * 40}.1.2.new" for c in "ab")
    foreign = cache / "notes.txt"
    for path in (old, new, foreign):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    native.load(TWICE, ["twice"], {})
    assert [path.exists() for path in (old, new, foreign)] == [False, True, True]


def _load_many(seed):
    for k in range(seed, seed + 30):
        assert call(native.load(TWICE + f"; {k % 40}", ["twice"], {})["twice"], k) == 2 * k


@needs_native
def test_many_processes_and_threads_at_once(cache):
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_load_many, args=(k,)) for k in range(4)]
    failed = []

    def work(k):
        try:
            _load_many(k)
        except BaseException as error:
            failed.append(error)
    threads = [threading.Thread(target=work, args=(k,)) for k in range(3)]
    for one in (*processes, *threads):
        one.start()
    for one in (*processes, *threads):
        one.join(60)
    # a child that was forked in the middle of a compilation would have to go without; the handlers avoid that
    assert not failed and [p.exitcode for p in processes] == [0] * 4
    assert not [path for path in cache.iterdir() if path.name.endswith(".new")]
    for path in entries(cache):
        magic, held = native._MAGIC, path.read_bytes()
        assert held.startswith(magic) and held[len(magic):][:32] == native._sealed(path.name, held[len(magic) + 32:])


@needs_native
def test_a_child_forked_in_the_middle_of_a_compilation_goes_without(monkeypatch):
    read, write = os.pipe()
    monkeypatch.setattr(native, "_compiling", True)
    child = os.fork()
    if child == 0:
        os.write(write, struct.pack("?", native.available()))
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 1) == b"\0" and native.available()


def test_without_llvmlite():
    script = ("import sys; sys.modules['llvmlite'] = None; from lazytensor.lower import native\n"
              "assert not native.available() and 'llvmlite' in native.why_not()\n"
              "try: native.load('', [], {})\nexcept RuntimeError as e: print(e)")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "llvmlite" in done.stdout


STARTED = """
import sys, numpy, lazytensor as lt
from lazytensor.lower import native
lt.config(plan_after=1, compile_after=0)
x = lt.array(numpy.arange(1 << 16, dtype="d")).realize()
for _ in range(4):
    y = float(lt.sum((x * 2 + 1) * x))
print("llvmlite.binding" in sys.modules, native._counts["hits"] > 2, y)
"""


def started(folder, script=STARTED):
    """Whether a process started LLVM, found several kernels on disk, and its result."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True,
                          env={**os.environ, "LAZYTENSOR_CACHE": str(folder), "LAZYTENSOR_ENGINE": "llvm"})
    return done.stdout.split()


@needs_native
def test_a_process_that_finds_its_code_on_disk_starts_no_llvm(tmp_path):
    if compiler.seen() is None or not objects.known(native._engine.facts.triple):
        pytest.skip("other systems have LLVM's linker")
    first, second = started(tmp_path), started(tmp_path)
    assert first[:2] == ["True", "False"] and second[:2] == ["False", "True"] and first[2] == second[2]
    other = "from lazytensor.lower import native, compiler; native.seen = lambda: b'another machine'\n" + STARTED
    assert started(tmp_path, other) == ["True", "True", first[2]]  # it asks LLVM
    new = STARTED.replace("x * 2 + 1", "x * 2 - 1")
    assert started(tmp_path, new)[0] == "True" and started(tmp_path, new)[0] == "False"


@needs_native
def test_what_llvm_says_of_the_machine_is_kept_whole():
    facts = native._engine.compiler.facts
    assert compiler.unpacked(facts.packed()) == facts == native._engine.facts
    assert native.features() >= {"sse2"} or "x86_64" not in facts.triple


@needs_native
def test_an_llvm_that_does_not_start_is_an_error_that_says_why(monkeypatch):
    def failing():
        raise OSError("no such library")
    monkeypatch.setattr(native._engine, "_compiler", None)
    monkeypatch.setattr(native, "Compiler", failing)
    with pytest.raises(RuntimeError, match="llvmlite cannot be used: no such library"):
        native.compiled(TWICE)


def test_importing_does_not_import_llvmlite():
    script = "import sys; import lazytensor.lower.native, lazytensor.lower.loops; print('llvmlite' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "False\n"
