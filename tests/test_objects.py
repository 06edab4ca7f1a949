"""Machine code put at its place without LLVM's linker, and with it."""

import ctypes
import sys

import pytest

from lazytensor.lower import native, objects

pytestmark = pytest.mark.skipif(
    not native.available() or sys.platform != "linux" or not objects.known(native._engine.facts.triple),
    reason="objects of this kind are left to LLVM")

EVERYTHING = """
@seen = global i64 0
@private = internal global [3 x i64] [i64 7, i64 8, i64 9], align 64
@to = global ptr @private
@table = internal constant [2 x ptr] [ptr @twice, ptr @labs]
@outside = external global i64
declare i64 @labs(i64)
declare i64 @given(i64)
declare double @cos(double)

define i64 @twice(i64 %x) nounwind noinline optnone {
  %y = add i64 %x, %x
  ret i64 %y
}

define i64 @all(i64 %x) nounwind noinline optnone {
  %old = load i64, ptr @seen
  %new = add i64 %old, 1
  store i64 %new, ptr @seen
  %p = load ptr, ptr @to
  %q = getelementptr i64, ptr %p, i64 2
  %nine = load i64, ptr %q
  %at = getelementptr ptr, ptr @table, i64 1
  %abs = load ptr, ptr %at
  %a = call i64 %abs(i64 %x)
  %b = call i64 @twice(i64 %a)
  %c = call i64 @given(i64 %b)
  %d = load i64, ptr @outside
  %e = call double @cos(double 0.0)
  %f = fmul double %e, 2.5e1
  %g = fptosi double %f to i64
  %h = add i64 %nine, %c
  %i = add i64 %h, %d
  %j = add i64 %i, %g
  %k = mul i64 %j, 100
  %l = add i64 %k, %new
  ret i64 %l
}
"""


def loaded():
    given = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(lambda x: x + 1)
    outside = ctypes.c_int64(1000)
    found = native.load(EVERYTHING, ["all", "seen"], {"given": ctypes.cast(given, ctypes.c_void_p).value,
                                                      "outside": ctypes.addressof(outside)})
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(found["all"]), found, (given, outside)


@pytest.mark.parametrize("linker", ["ours", "LLVM's"])
def test_code_data_and_what_lies_outside(monkeypatch, linker):
    monkeypatch.setenv("LAZYTENSOR_CACHE", "")
    if linker != "ours":
        monkeypatch.setattr(objects, "image_of", lambda held: None)
    first, found, _alive = loaded()
    second, _, _also_alive = loaded()
    value = (9 + 11 + 1000 + 25) * 100
    assert [first(-5), first(-5), second(-5)] == [value + 1, value + 2, value + 1]
    assert ctypes.c_int64.from_address(found["seen"]).value == 2


def made(text):
    held = native.compiled(text)
    return objects.unpacked(held[1:]) if held[:1] == native._IMAGE else None


def test_an_image_is_linked_within_itself():
    image = made(EVERYTHING)
    assert {name for _, name, _ in image.slots} == {"", "labs", "given", "cos", "outside"}
    assert {"all", "twice", "seen", "to"} <= image.exports.keys() and image.blank == 8
    assert objects.unpacked(image.packed()) == image


def test_code_is_not_to_be_written_and_data_not_to_be_executed():
    found = native.load(EVERYTHING, ["all", "to"], {"given": 1, "outside": 1})
    with open("/proc/self/maps") as lines:
        ranges = [(*(int(x, 16) for x in line.split()[0].split("-")), line.split()[1]) for line in lines]
    modes = [next(mode for low, high, mode in ranges if low <= address < high) for address in found.values()]
    assert modes == ["r-xp", "rw-p"]


@pytest.mark.parametrize("text", [
    "@mine = thread_local global i64 0 define ptr @f() { ret ptr @mine }",
    "@all = common global i64 0 define ptr @f() { ret ptr @all }",
])
def test_what_is_not_known_is_left_to_llvm(text):
    assert made(text) is None


def test_other_files_are_no_objects():
    start = b"\x7fELF\x02\x01"
    files = b"", start, b"MZ" * 100, start + bytes(80), start + bytes(10) + b"\x01\x00\x3e\x00" + bytes(80)
    assert [objects.image_of(held) for held in files] == [None] * 5


def test_a_symbol_that_is_nowhere_is_named():
    with pytest.raises(RuntimeError, match="no symbol nowhere_at_all .* imports"):
        native.load("declare void @nowhere_at_all() define void @f() { call void @nowhere_at_all() ret void }", ["f"])
    with pytest.raises(RuntimeError, match="machine code has no symbol g"):
        native.load("define void @f() { ret void }", ["g"])
