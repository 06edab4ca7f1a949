"""The house has floors, and imports go down only: DESIGN.md, section 11, read off the syntax of every file."""

import ast
import functools
import pathlib
import subprocess
import sys

import networkx
import pytest

import lazytensor

ROOT = pathlib.Path(lazytensor.__file__).parent
FLOORS = ("release", "hot", "config", "errors", "ir", "optimise", "schedule", "lower", "run", "compile", "api",
          "hybrid", "see", "command", "__init__", "nn", "__main__")
SAME_HEIGHT = {"config": "errors", "errors": "config"}  # a setting's error is one of the errors
LATE = {
    ("compile", "run.plans"),  # plans and kernels, 30 ms: at the first plan
    ("run.startup", "lower.native"),  # when there may be a first plan
    ("run.interpreter", "lower.products"),  # when a product has come up often
    ("run.masking", "run.moving"),  # LLVM with it: when a large array is first picked from
    ("hybrid.inner", "lower.loops"), ("hybrid.inner", "lower.fidelity"),  # when a loop of calls is first run
    ("lower.products", "lower.fidelity"),  # when a shape is first compared
    ("hybrid.called", "lower.fidelity"),  # when a tape first has a function of a number
    ("config", "difflib"), ("api.namespace", "difflib"),  # for messages about unknown names
    ("ir.dag", "networkx"),  # costs 100 to 240 ms: when somebody asks for a dag as its graph
    ("lower.compiler", "llvmlite"), ("lower.compiler", "llvmlite.binding"),  # 50 ms: when a kernel is compiled
    ("lower.native", "hashlib"),  # OpenSSL with it, 3 ms
    ("api.namespace", "api.series"),  # numpy.polynomial: when a class of it is first used
    ("api.namespace", "api.random"),  # numpy.random: when lazytensor.random is first used
    ("__init__", "importlib"),  # explain and verify, when they are first used
}
OUTSIDE = {"numpy", "networkx", "llvmlite"}
"""What the package may import besides the standard library and itself."""


def modules():
    """Every module of the package: its name without the package's, and its syntax."""
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
        yield name, path, ast.parse(path.read_text(), str(path))


TREES = {name: (path, tree) for name, path, tree in modules()}
NAMES = set(TREES)


def floor(name):
    return FLOORS.index(name.partition(".")[0])


def imports(tree, late=False):
    """(statement, whether it is in a function) of each import; those for type checkers alone are left out."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child, late
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        else:
            function = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            yield from imports(child, late=late or function)


def targets(name, statement):
    """What an import statement of a module imports: names in the package without the package's, others as they are."""
    if isinstance(statement, ast.Import):
        return [inner(alias.name) for alias in statement.names]
    base = statement.module or ""
    if statement.level:
        path, _ = TREES[name]
        parts = path.relative_to(ROOT).parts[:-1]
        here = parts[: len(parts) - (statement.level - 1)]
        base = ".".join(("lazytensor", *here, *([base] if base else [])))
    return [inner(f"{base}.{alias.name}") if inner(f"{base}.{alias.name}") in NAMES else inner(base)
            for alias in statement.names]


def inner(dotted):
    """The name of a module of this package without the package's name; the package itself is `__init__`."""
    first, _, rest = dotted.partition(".")
    return dotted if first != "lazytensor" else rest or "__init__"


@functools.cache
def all_imports(late=None):
    """(module, imported) pairs, of imports in functions, outside of them, or both."""
    return {(name, target) for name, (_, tree) in TREES.items() for statement, is_late in imports(tree)
            if late in (None, is_late) for target in targets(name, statement)}


def test_every_module_has_a_floor():
    assert {name.partition(".")[0] for name in NAMES} == set(FLOORS)
    assert len(NAMES) > 40


@pytest.mark.parametrize("name", sorted(NAMES))
def test_imports_go_down(name):
    for importer, target in all_imports():
        if importer == name and target in NAMES:
            same = SAME_HEIGHT.get(name) == target or name.partition(".")[0] == target.partition(".")[0]
            assert same or floor(target) < floor(name), f"{name} imports {target}, which is above it"


def test_every_relative_import_was_understood():
    for name, target in all_imports():
        first = target.partition(".")[0]
        assert target in NAMES or first in sys.stdlib_module_names or first in OUTSIDE, f"{name} imports {target}"


def test_there_is_no_cycle():
    graph = networkx.DiGraph((a, b) for a, b in all_imports() if b in NAMES and a != b)
    assert list(networkx.simple_cycles(graph)) == []


def test_one_module_knows_networkx_and_one_llvmlite():
    known = {(name, target.partition(".")[0]) for name, target in all_imports()}
    assert {name for name, target in known if target == "networkx"} == {"ir.dag"}
    assert ("ir.dag", "networkx") not in all_imports(late=False)
    assert {name for name, target in known if target == "llvmlite"} == {"lower.compiler"}
    assert not any(target.partition(".")[0] == "llvmlite" for _, target in all_imports(late=False))


def test_imports_in_functions_are_those_that_are_listed():
    assert all_imports(late=True) == LATE


def test_importing_loads_no_heavy_library():
    script = ("import sys, numpy; before = set(sys.modules); import lazytensor as np; x = np.arange(3.0) + 1; x[0]; "
              "new = {m.partition('.')[0] for m in set(sys.modules) - before}; "
              "print(*sorted(new & {'networkx', 'llvmlite', 'scipy', 'pandas'}), np.__name__)")
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["lazytensor"]


def test_this_test_would_notice():
    tree = ast.parse("if a:\n import os\ndef f():\n def g():\n  from ..api import handle\n")
    assert [(ast.unparse(s), late) for s, late in imports(tree)] == [
        ("import os", False), ("from ..api import handle", True)]
    assert targets("ir.node", list(imports(tree))[1][0]) == ["api.handle"]
    assert floor("api.handle") > floor("ir.node")
