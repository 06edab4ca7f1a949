"""An unmodified NumPy program in which ``import numpy`` means lazytensor, run the way Python runs a script.

The imports of the script, and of the modules under its folder, are rewritten in their syntax trees. Nothing of the
process is patched: libraries keep the real NumPy, tracebacks and warnings show the script's own lines, and an import
that cannot be seen in the source (``exec``, a computed name) gives the real NumPy: correct, and merely not lazy.

Only the standard library is imported here: the plain NumPy side of a comparison loads this file without the package.
"""

from __future__ import annotations

import ast
import builtins
import functools
import importlib
import os
import pathlib
import site
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, FrameType, ModuleType, TracebackType
from typing import Any

PACKAGE = "lazytensor"


def served_name(name: str) -> str:
    """The module that a program gets for the module ``name``: lazytensor's where it has one, else ``name`` itself.

    >>> served_name("numpy"), served_name("math"), served_name("numpy.no_such_module")
    ('lazytensor', 'math', 'numpy.no_such_module')
    """
    first, *rest = name.split(".")
    if first != "numpy":
        return name
    module, served, real = importlib.import_module(PACKAGE), PACKAGE, first
    for part in rest:
        served, real = f"{served}.{part}", f"{real}.{part}"
        found = sys.modules.get(served) or getattr(module, part, None)
        # A submodule that lazytensor merely passes on must keep NumPy's name, or its own would be imported twice.
        if not isinstance(found, ModuleType) or found is sys.modules.get(real):
            return name
        module = sys.modules.setdefault(served, found)
    return served


def _import(node: ast.Import) -> list[ast.stmt]:
    """``import a, numpy.b as c, numpy.d`` as one statement a name."""
    out: list[ast.stmt] = []
    for alias in node.names:
        name, given = alias.name, alias.asname
        if name.split(".")[0] != "numpy":
            out.append(ast.Import([alias]))
        elif given or "." not in name:
            out.append(ast.Import([ast.alias(served_name(name), given or name)]))
        else:
            # `import numpy.d` loads numpy.d and binds the name numpy to the package.
            out += [ast.Import([ast.alias(served_name(name), "numpy")]), ast.Import([ast.alias(PACKAGE, "numpy")])]
    return out


def _statement(node: ast.stmt) -> list[ast.stmt]:
    """The statements to run in place of ``node``, at its position in the source."""
    if isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "numpy" for alias in node.names):
        return [ast.fix_missing_locations(ast.copy_location(new, node)) for new in _import(node)]
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        node.module = served_name(node.module)
    return [node]


def _dynamic_import(call: ast.Call) -> None:
    """Rewrite the literal name in ``importlib.import_module("numpy")`` and ``__import__("numpy")``."""
    match call:
        case ast.Call(
            func=ast.Attribute(ast.Name("importlib"), "import_module") | ast.Name("import_module" | "__import__"),
            args=[ast.Constant(str(name)) as literal, *_],
        ):
            literal.value = served_name(name)


def compile_served(source: bytes, filename: str) -> CodeType:
    """The code of a module with its imports of NumPy served by lazytensor; positions are those of the source.

    >>> space = {}
    >>> exec(compile_served(b"import numpy as np; import numpy.typing", "example.py"), space)
    >>> space["np"].__name__, space["numpy"].__name__
    ('lazytensor', 'lazytensor')
    """
    # Not ast.parse: it would add its frame to the traceback of a syntax error.
    tree = compile(source, filename, "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
    assert isinstance(tree, ast.Module)
    # A flat walk: a visitor recurses, and long sums nest deeper than Python's recursion limit.
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            _dynamic_import(node)
        for block in ("body", "orelse", "finalbody"):
            statements = getattr(node, block, None)
            if isinstance(statements, list):
                statements[:] = [new for old in statements for new in _statement(old)]
    return compile(tree, filename, "exec", dont_inherit=True)


class SiblingLoader(SourceFileLoader):
    """Loads a module of the program; one that mentions NumPy is compiled afresh: cached bytecode imports NumPy."""

    def get_code(self, fullname: str) -> CodeType | None:
        """The module's code, with its imports of NumPy served by lazytensor."""
        path = self.get_filename(fullname)
        source = self.get_data(path)
        return compile_served(source, path) if b"numpy" in source else super().get_code(fullname)


@functools.cache
def _installed(folder: pathlib.Path) -> bool:
    """Whether ``folder`` holds installed libraries: a virtual environment, or the target of an installer."""
    if folder.name in ("site-packages", "dist-packages") or (folder / "pyvenv.cfg").exists():
        return True
    return folder.is_dir() and any(entry.endswith(".dist-info") for entry in os.listdir(folder))


class SiblingFinder:
    """Finds what Python's own path finder finds, and gives the modules under ``folder`` a loader that serves NumPy."""

    def __init__(self, folder: str) -> None:
        self.folder = pathlib.Path(folder)
        places = [os.path.dirname(os.__file__), *site.getsitepackages(), site.getusersitepackages()]
        self.foreign = {os.path.realpath(place) for place in places}
        self.foreign.add(os.path.realpath(importlib.import_module(PACKAGE).__path__[0]))

    def owns(self, filename: str) -> bool:
        """Whether the file is the program's own: under its folder, and in no folder of installed libraries."""
        path = pathlib.Path(os.path.realpath(filename))
        if self.folder not in path.parents:
            return False
        for parent in path.parents:
            if str(parent) in self.foreign or _installed(parent):
                return False
            if parent == self.folder:
                break
        return True

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec that the path finder would give, with the loader changed where the module is the program's own."""
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader and self.owns(spec.loader.path):
            spec.loader = SiblingLoader(fullname, spec.loader.path)
        return spec


def _own_frame(frame: FrameType) -> bool:
    return frame.f_code.co_filename == __file__ or frame.f_code.co_filename.startswith("<frozen importlib")


def script_traceback(trace: TracebackType | None, namespace: dict[str, Any]) -> TracebackType | None:
    """The traceback as Python would give it for a script: from the script's first frame, and without ours.

    None where no frame is the script's, as for a syntax error in it.
    """
    while trace is not None and trace.tb_frame.f_globals is not namespace:
        trace = trace.tb_next
    entry = trace
    while entry is not None:
        while entry.tb_next is not None and _own_frame(entry.tb_next.tb_frame):
            entry.tb_next = entry.tb_next.tb_next
        entry = entry.tb_next
    return trace


def _show_script_frames_alone(namespace: dict[str, Any]) -> None:
    """Have the uncaught exception now on its way shown without the frames that started the script."""
    show = sys.excepthook

    def shown(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        error.__traceback__ = script_traceback(trace, namespace)
        show(kind, error, error.__traceback__)

    sys.excepthook = shown


def main_module(script: str) -> ModuleType:
    """A fresh ``__main__`` with the attributes that Python gives the module of the file ``script``.

    >>> main_module("program.py").__name__
    '__main__'
    """
    path = os.path.abspath(script)
    module = ModuleType("__main__")
    loader = SourceFileLoader("__main__", path)
    vars(module).update(
        __builtins__=builtins, __file__=path, __cached__=None, __loader__=loader, __package__=None, __spec__=None
    )
    if sys.version_info < (3, 14):
        module.__annotations__ = {}
    return module


def execute(module: ModuleType, script: str, arguments: Sequence[str], lazy: bool) -> None:
    """Run the file ``script`` in ``module`` as ``__main__``; its exceptions, SystemExit too, are the caller's.

    With ``lazy`` its imports of NumPy, and those of the modules under its folder, are served by lazytensor.
    """
    path = os.path.abspath(script)
    folder = os.path.dirname(os.path.realpath(script))
    sys.argv = [script, *arguments]
    if not sys.flags.safe_path:
        sys.path[0] = folder
    sys.modules["__main__"] = module
    if lazy:
        # Just before the path finder, which it asks: what is built in or frozen still comes first.
        at = sys.meta_path.index(PathFinder) if PathFinder in sys.meta_path else len(sys.meta_path)
        sys.meta_path.insert(at, SiblingFinder(folder))
    try:
        with open(path, "rb") as file:
            source = file.read()
        code = compile_served(source, path) if lazy else compile(source, path, "exec", dont_inherit=True)
        exec(code, vars(module))
    except BaseException:
        _show_script_frames_alone(vars(module))
        raise
