"""Which operations become one kernel, and why not more.

Groups grow in program order: an operation joins the groups of the operations whose results it reads, if all of them
work on one space (the same class of shape, laid out in the same order) and the groups stay free of cycles. Nothing is
computed twice. What a group gives to others is written once; what it uses itself stays in registers and small buffers.

A group may reduce its space over some of its axes, each group in one way: what lies along them is called a row. Sums
and the like are values of a whole row, which further operations of the group may read, for each row or for each of its
elements.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from ..ir.dag import Dag

MOST_STEPS = 64
"""A kernel of more steps gains nothing, and its registers run out."""
MOST_ARRAYS = 24
STORES = ("store", "part")
"""The steps of operations that write into a part of an array."""
OTHER_SHAPE = "it works on another shape"
VIEWED = "it reads a view of the array: elements at other places than those it makes meanwhile"
TWO_PASSES = ("var", "std")
"""Reductions of what is more than the mean of the elements."""
MOST_REPEATED = 32
"""Steps that a kernel may compute again and again, for each view of a result: less than a pass over memory costs."""


class Group(NamedTuple):
    """Operations that run together, in program order.

    Attributes
    ----------
    members : tuple of int
    reasons : tuple of str
        Why the group ends where it does: a line for each operation that could have joined and did not.
    rows : tuple of int
        The members of which each row of the space has one element.
    inlined : tuple of int
        The members that are computed anew wherever another reads them, through views.
    refusal : str
        Why its one operation can be part of no kernel, or "".
    """

    members: tuple[int, ...]
    reasons: tuple[str, ...] = ()
    rows: tuple[int, ...] = ()
    inlined: tuple[int, ...] = ()
    refusal: str = ""


Before = dict[int, list[int]]
"""For each operation those that run before it."""


class Role(NamedTuple):
    """What an operation would be in a kernel.

    Attributes
    ----------
    refusal : str
        Why it cannot be part of one, or "".
    kind : str
        'map', 'store', 'reduce', or 'scan' for running totals.
    axes : tuple of int
        For 'reduce': the axes that it reduces, in ascending order. For 'scan': the axis along which it goes.
    whole : bool
        Whether it must not be done for one row's value at a time: NumPy's loop differs for single elements.
    quiet : bool
        Whether it costs little and raises no floating-point flags, so that it may be computed for some elements alone.
    space : tuple or None
        For 'store': the class of shape and the layout of what it writes; for 'reduce' of what it reduces.
    dear : bool
        Whether it takes longer to compute than to write and to read again.
    """

    refusal: str
    kind: str = "map"
    axes: tuple[int, ...] = ()
    whole: bool = False
    quiet: bool = False
    space: Any = None
    dear: bool = False


class Roles(Protocol):
    """Says what the operations of a dag would be in a kernel."""

    def role(self, number: int) -> Role:
        """Of one operation."""
        ...

    def sliced(self, number: int, position: int) -> bool:
        """Whether the view through which an operand is read is made of slices alone."""
        ...

    def part(self, number: int, position: int) -> str:
        """'real' or 'imag' if an operand is the parts of complex elements, which a kernel that has them may take."""
        ...


def fuse(dag: Dag, before: Before, roles: Roles) -> list[Group]:
    """Every operation in one group, the groups in an order in which they can run."""
    maker = _Groups(dag, before, roles)
    for number in dag.operations():
        maker.place(number)
    absorb(maker)
    return maker.finish()


class _Space(NamedTuple):
    """What a group works on: the class of shape, the layout, and which axes it reduces, as in `Role`, if any."""

    shape: Any
    layout: Any
    axes: tuple[int, ...] = ()


class _Groups:
    def __init__(self, dag: Dag, before: Before, roles: Roles) -> None:
        self.dag, self.before, self.roles = dag, before, roles
        self.home = {number: number for number in before}
        self.members = {number: [number] for number in before}
        self.reasons: dict[int, list[str]] = {number: [] for number in before}
        self.space: dict[int, _Space | None] = dict.fromkeys(before)
        self.row_values: set[int] = set()
        self.reductions: set[int] = set()
        self.refusals: dict[int, str] = {}
        self.inlined: set[int] = set()
        self.reducing: dict[tuple[int, _Space], int] = {}

    def place(self, number: int) -> None:
        """Puts an operation into a group: of its own, or that of what it reads."""
        role = self.roles.role(number)
        value, operands = self.dag.value(number), self.dag.operands(number)
        if role.refusal:
            self.refusals[number] = role.refusal
            for operand, _ in operands:
                if self.space.get(self.home.get(operand, -1)) is not None:
                    self.reasons[self.home[operand]].append(f"%{number}: {role.refusal}")
            return
        if role.kind == "reduce":
            self.place_reduction(number, role)
            return
        stored = role.kind == "store"
        shape, layout = role.space if stored else (value.shape, value.layout)
        if not stored and not role.whole and self.is_row_value(number, operands):
            self.row_values.add(number)
            home = self.home[next(n for n, _ in operands if n in self.row_values)]
            self.space[number] = self.space[home]
        else:
            self.space[number] = _Space(shape, layout, role.axes)
        for k, (operand, view) in enumerate(operands):
            other = self.home.get(operand)
            if other is None or other == self.home[number]:
                continue
            reason = ("it reads what no kernel makes" if self.space[other] is None else "") or (
                VIEWED if view is not None and not self.roles.part(number, k) else "") or (
                "it writes into the array, which has to be there" if stored and not k else "") or (
                self.mismatches(other, number)) or self.obstacle(other, self.home[number])
            if reason:
                self.reasons[other].append(f"%{number}: {reason}")
            else:
                self.merge(other, self.home[number])
        if number in self.row_values and self.home[number] == number and len(self.members[number]) == 1:
            self.row_values.discard(number)
            self.space[number] = _Space(value.shape, value.layout)

    def place_reduction(self, number: int, role: Role) -> None:
        (operand, view), *_ = self.dag.operands(number)
        shape, layout = role.space
        space = _Space(shape, layout, role.axes)
        self.space[number] = space
        self.row_values.add(number)
        self.reductions.add(number)
        other = self.home.get(operand)
        if view is None and other is not None and self.space[other] is not None and operand not in self.row_values:
            reason = self.mismatch(operand, number) or self.obstacle(other, number)
            if reason:
                self.reasons[other].append(f"%{number}: {reason}")
            else:
                self.merge(other, number)
        elif view is None and (operand, space) in self.reducing:
            twin = self.home[self.reducing[operand, space]]
            if not self.obstacle(twin, number):
                self.merge(twin, number)
        self.reducing.setdefault((operand, space), number)

    def is_row_value(self, number: int, operands: list[Any]) -> bool:
        """Whether an operation computes something of rows: all that it reads of groups is such, of one shape."""
        value = self.dag.value(number)
        rows = [n for n, view in operands if n in self.row_values and view is None]
        return bool(rows) and all(self.dag.value(n).shape == value.shape for n in rows) and all(
            n in rows or self.dag.value(n).shape in (None, (), value.shape) for n, _ in operands) and all(
            view is None for _, view in operands) and (
            self.space[self.home[rows[0]]].shape != value.shape)  # type: ignore[union-attr]

    def mismatches(self, home: int, number: int) -> str:
        """As `mismatch`, of all results of a group that an operation reads: once in the group it is not asked again."""
        return next(filter(None, (self.mismatch(n, number) for n, _ in self.dag.operands(number)
                                  if self.home.get(n) == home)), "")

    def mismatch(self, operand: int, number: int) -> str:
        """Why the space of an operation is not that of the group whose result it reads."""
        mine, theirs = self.space[self.home[number]], self.space[self.home[operand]]
        assert mine is not None and theirs is not None
        if mine.shape != theirs.shape:
            return OTHER_SHAPE
        if mine.layout != theirs.layout:
            return "its elements lie in another order in memory"
        if mine.axes and theirs.axes and mine.axes != theirs.axes:
            return "it reduces other axes, so its rows are others"
        if operand in self.row_values and number not in self.row_values:
            shape = self.dag.value(operand).shape
            if shape and theirs.axes and theirs.axes[-1] >= len(theirs.axes) and len(shape) != len(theirs.shape):
                return "it goes over rows that are no axis any more (keepdims= keeps it)"
        elif operand not in self.row_values and self.dag.value(operand).shape != mine.shape:
            return OTHER_SHAPE
        return ""

    def obstacle(self, one: int, other: int) -> str:
        """Why two groups cannot be one."""
        both = self.members[one] + self.members[other]
        if len(both) > MOST_STEPS:
            return f"together they have more than {MOST_STEPS} steps"
        inside = set(both)
        reads = {n for m in both for n, _ in self.dag.operands(m) if n not in inside and self.dag.value(n).shape}
        if len(reads) > MOST_ARRAYS:
            return f"together they read more than {MOST_ARRAYS} arrays"
        if any(n in inside and view is not None and not self.roles.part(m, k) for m in both
               for k, (n, view) in enumerate(self.dag.operands(m))):
            return VIEWED
        apart = next(filter(None, (self.mismatch(n, m) for m in both for n, _ in self.dag.operands(m)
                                   if n in inside and self.home[n] != self.home[m])), "")
        if apart:  # of others that read across, too: each may have been put into a group of its own for that
            return apart
        stores = [m for m in both if self.dag.value(m).op.step in STORES]
        written = [self.dag.operands(m)[0].number for m in stores]
        if any(n in inside for n in written) or any(
                n in stores for m in both for n, _ in self.dag.operands(m)):
            return "it reads the array that is written into"
        if len(set(written)) < len(written):
            return "it writes into an array that is written into already"
        if self.reduces_results(both):
            return "it reduces what each row has one of"
        if self.computes_again(one, other):
            return "columns are gone over anew after a reduction, and something dear would be computed again"
        stack = [n for m in both for n in self.before[m] if n not in inside]
        seen: set[int] = set()
        while stack:
            home = self.home[stack.pop()]
            if home in (one, other):
                return "something else that it reads needs the array first"
            if home not in seen:
                seen.add(home)
                stack += [n for m in self.members[home] for n in self.before[m]]
        return ""

    def reduces_results(self, both: list[int]) -> bool:
        """Whether what would be one group reduces what it computes of results of rows alone: rows of one element can be
        reduced again, but no kernel does that."""
        if len(self.reductions.intersection(both)) < 2:
            return False
        of_rows: set[int] = set()
        for m in sorted(both):
            operands = [n for n, _ in self.dag.operands(m)]
            if m in self.reductions:
                if operands[0] in of_rows:
                    return True
                of_rows.add(m)
            elif any(n in of_rows for n in operands) and all(
                    n in of_rows or self.dag.value(n).shape in (None, ()) for n in operands):
                of_rows.add(m)
        return False

    def computes_again(self, one: int, other: int) -> bool:
        """Whether two groups that reduce columns would as one compute something dear in several passes over them. (Of a
        row it is kept for the next pass.)"""
        spaces = [space for space in (self.space[one], self.space[other]) if space is not None and space.axes]
        if not spaces or not spaces[0].shape or spaces[0].axes[-1] == len(spaces[0].shape) - 1:
            return False
        both = sorted(self.members[one] + self.members[other])
        inside, read = set(both), {n for m in both for n, _ in self.dag.operands(m)}
        level: dict[int, int] = {}
        needs: dict[int, frozenset[int]] = {}
        passes: set[tuple[int, int]] = set()
        for m in both:
            operands = [n for n, _ in self.dag.operands(m) if n in inside]
            of_rows = m in self.row_values
            level[m] = max((level[n] + (n in self.row_values and not of_rows) for n in operands), default=0)
            below = frozenset().union(*[needs[n] for n in operands if n not in self.row_values])
            needs[m] = below | {m} if not of_rows and self.roles.role(m).dear else below
            if of_rows or m not in read:
                passes |= {(n, level[m]) for n in needs[m]}
            if of_rows and self.dag.value(m).op.name in TWO_PASSES:
                level[m] += 1
                passes |= {(n, level[m]) for n in needs[m]}
        return len(passes) > len({n for n, _ in passes})

    def merge(self, one: int, other: int) -> None:
        mine, theirs = self.space[one], self.space[other]
        assert mine is not None and theirs is not None
        self.members[one] = sorted(self.members[one] + self.members.pop(other))
        self.reasons[one] += self.reasons.pop(other)
        self.space[one] = mine._replace(axes=mine.axes or theirs.axes)
        for number in self.members[one]:
            self.home[number] = one

    def finish(self) -> list[Group]:
        return [Group(tuple(members), tuple(self.reasons[home]), tuple(n for n in members if n in self.row_values),
                      tuple(n for n in members if n in self.inlined), self.refusals.get(home, ""))
                for home, members in sorted(self.members.items())]


# ---- results that are read through views -----------------------------------------------------------------------------

Path = tuple[tuple[int, int], ...]
"""Operands that are read through views, from the innermost out: operation and position."""


def absorb(groups: _Groups) -> None:
    """Takes groups that only one other reads, through slices, into that one, where computing them anew for each view is
    cheaper than an array."""
    for home in sorted(groups.members, reverse=True):
        inside = groups.members[home]
        readers = {groups.home[u] for m in inside for u in groups.dag.users(m)} - {home}
        if len(readers) == 1 and groups.space[home] is not None:
            (other,) = readers
            if groups.space[other] is not None and _may_inline(groups, inside, other):
                _inline(groups, home, other)


def _may_inline(groups: _Groups, inside: list[int], other: int) -> bool:
    dag, space = groups.dag, groups.space[other]
    assert space is not None
    for m in inside:
        if dag.value(m).kept or not groups.roles.role(m).quiet:
            return False
        for user in dag.users(m):
            for k, (operand, view) in enumerate(dag.operands(user)):
                if operand == m and user not in inside and user not in groups.inlined and (
                        view is None or view.shape != space.shape or user in groups.row_values
                        or groups.roles.role(user).kind != "map"):
                    return False
                if operand == m and view is not None and not groups.roles.sliced(user, k):
                    return False
    both = {*groups.members[other], *inside}
    return _expansion(dag, both, groups.inlined | set(inside)) and not _circular(groups, both)


def _expansion(dag: Dag, members: set[int], inlined: set[int]) -> bool:
    """Whether a kernel of these members stays within bounds."""
    seen: set[tuple[int, Path]] = set()
    reads: set[tuple[int, Path]] = set()
    stack: list[tuple[int, Path]] = [(m, ()) for m in members if m not in inlined]
    while stack:
        number, path = stack.pop()
        for k, (operand, view) in enumerate(dag.operands(number)):
            further = ((number, k), *path) if view is not None else path
            if operand not in members:
                reads.add((operand, further))
            elif operand in inlined and (operand, further) not in seen:
                seen.add((operand, further))
                stack.append((operand, further))
    return len(seen) <= MOST_REPEATED and len(seen) + len(members) <= MOST_STEPS and len(reads) <= MOST_ARRAYS


def _circular(groups: _Groups, both: set[int]) -> bool:
    """Whether what the members need needs one of them."""
    stack = [n for m in both for n in groups.before[m] if n not in both]
    seen: set[int] = set()
    while stack:
        number = stack.pop()
        if number in both:
            return True
        if groups.home[number] not in seen:
            seen.add(groups.home[number])
            stack += [n for m in groups.members[groups.home[number]] for n in groups.before[m]]
    return False


def _inline(groups: _Groups, home: int, other: int) -> None:
    inside = groups.members.pop(home)
    groups.reasons.pop(home)
    groups.inlined.update(inside)
    groups.members[other] = sorted(groups.members[other] + inside)
    for number in inside:
        groups.home[number] = other
