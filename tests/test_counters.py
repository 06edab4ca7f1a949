"""Loop counters are hidden from LLVM's optimizer, and count as before."""

import ctypes
import re

import pytest

from lazytensor.lower import native, routines
from lazytensor.lower.counters import hidden

SUM = """define i64 @sums(i64 %from, i64 %n) nounwind {
entry:
  %twice = mul i64 %n, 2
  br label %rows
rows:
  %i = phi i64 [%from, %entry], [%i1, %next]
  %s = phi i64 [0, %entry], [%t, %next]
  %more = icmp slt i64 %i, %n
  br i1 %more, label %row, label %done
row:
  br label %along
along:
  %t = phi i64 [%s, %row], [%t1, %add]
  %j = phi i64 [3, %row], [%j1, %add]
  %left = icmp slt i64 %j, %twice
  br i1 %left, label %add, label %next
add:
  %x = mul i64 %i, %j
  %t1 = add i64 %t, %x
  %j1 = add nsw i64 %j, 2
  br label %along
next:
  %i1 = add i64 %i, 1
  br label %rows
done:
  ret i64 %s
}
"""


def test_only_what_goes_on_by_a_step_is_a_counter():
    text = hidden(SUM)
    assert set(re.findall(r"(%\S+) = phi <1 x i64>", text)) == {"%i.held", "%j.held", "%t.held"}
    assert "%s = phi i64 [0, %entry]" in text
    assert text.replace("\n", "").count("bitcast") == 3 * 2 + 2  # those that begin at a number need none for that


@pytest.mark.skipif(not native.available(), reason="needs llvmlite")
def test_loops_count_as_before():
    address = native.load(SUM, ("sums",))["sums"]
    function = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(address)
    for first, n in ((0, 0), (2, 9), (-3, 4), (5, 5)):
        assert function(first, n) == sum(i * j for i in range(first, n) for j in range(3, 2 * n, 2))


@pytest.mark.parametrize("name", ["sum_d", "extent_f", "products_d", "over_rows", "over_parts", "copy8", "transpose16"])
def test_routines_have_no_other_counters(name):
    text, _ = routines._module(name)
    counters = set()
    for function in re.split(r"(?m)^(?=define )", hidden(text)):
        for name, following in re.findall(r"(%\S+) = phi i64 \[.*?\], \[(%\S+), ", function):
            counters |= set(re.findall(rf"{following} = add (?:nsw )?i64 {name}, ", function))
    assert not counters


def test_text_without_loops_is_left_as_it_is():
    text = "declare void @f()\ndefine i32 @g() {\nentry:\n  ret i32 0\n}\n"
    assert hidden(text) == text
