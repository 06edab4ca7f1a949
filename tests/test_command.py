"""The command line: ``run`` does what Python does with the script, and mistakes in the words are named."""

import os
import pathlib
import subprocess
import sys
import textwrap

import numpy
import pytest

import lazytensor
from lazytensor.command import main
from lazytensor.command.run import parse
from lazytensor.command.serve import SiblingFinder, compile_served, served_name

HOME = str(pathlib.Path(lazytensor.__file__).parents[1])


def write(folder, files):
    """Write each of ``files``, a dict of a path under ``folder`` to its text."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))


def python(folder, *words, **environment):
    """Run Python in ``folder`` with the lazytensor under test importable."""
    places = [HOME, *filter(None, [environment.pop("PYTHONPATH", ""), os.environ.get("PYTHONPATH", "")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(places)} | environment
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )


def run(folder, *words, **environment):
    """``python -m lazytensor run`` in ``folder``."""
    return python(folder, "-m", "lazytensor", "run", *words, **environment)


def test_every_form_of_import_is_served(tmp_path):
    checks = [
        "numpy is lazytensor",
        "np is lazytensor",
        "la is lazytensor.linalg",
        "la2 is lazytensor.linalg",
        "rnd is lazytensor.random",
        "numpy.linalg is lazytensor.linalg",
        "linspace is lazytensor.linspace",
        "norm is lazytensor.linalg.norm",
        "local() is lazytensor",
        "arange is lazytensor.arange",
        "by_name is lazytensor",
        "by_name2 is lazytensor.linalg",
        "by_name3 is lazytensor",
        "handled is lazytensor",
        "Holder.held is lazytensor",
        "npt.NDArray is not None",
        "math.__name__ == 'math'",
    ]
    script = """\
        '''The docstring.'''
        from __future__ import annotations
        import numpy
        import numpy as np, math
        import numpy.linalg
        import numpy.linalg as la, numpy.random as rnd
        import numpy.typing as npt
        from numpy import linspace, linalg as la2
        from numpy.linalg import norm
        from numpy import *
        import importlib
        from importlib import import_module
        import lazytensor

        by_name = importlib.import_module("numpy")
        by_name2 = import_module("numpy.linalg", None)
        by_name3 = __import__("numpy")

        def local():
            import numpy.fft
            return numpy

        try:
            import no_such_module
        except ImportError:
            import numpy as handled

        class Holder:
            match 1:
                case 1:
                    import numpy as held

        assert __doc__ == "The docstring."
        """
    evaluate = f"for check in {checks!r}:\n    print(eval(check), check)\n"
    write(tmp_path, {"script.py": textwrap.dedent(script) + evaluate})
    done = run(tmp_path, "script.py")
    assert done.stdout.splitlines() == [f"True {check}" for check in checks], done.stderr


def test_siblings_are_served_and_libraries_are_not(tmp_path):
    kind = "import numpy as np\nkind = np.__name__\n"
    write(
        tmp_path,
        {
            "program/script.py": """\
                import sys
                sys.path += [f"{sys.path[0]}/env/lib/site-packages", f"{sys.path[0]}/vendor"]
                import beside, package.deep.inner, spread.part, library, in_environment, vendored
                for module in (beside, package, package.deep.inner, spread.part, library, in_environment, vendored):
                    print(module.__name__, module.kind)
                """,
            "program/beside.py": kind,
            "program/package/__init__.py": "from .deep.inner import kind\n",
            "program/package/deep/__init__.py": "",
            "program/package/deep/inner.py": kind,
            "program/spread/part.py": kind,
            "program/env/pyvenv.cfg": "",
            "program/env/lib/site-packages/in_environment.py": kind,
            "program/vendor/vendored.py": kind,
            "program/vendor/vendored-1.0.dist-info/METADATA": "",
            "elsewhere/library.py": kind,
        },
    )
    # Bytecode of a plain run must not be taken for that of a served one, nor the other way round.
    for served in ("numpy", "lazytensor", "numpy"):
        words = ["script.py"] if served == "numpy" else ["-m", "lazytensor", "run", "script.py"]
        done = python(tmp_path / "program", *words, PYTHONPATH=str(tmp_path / "elsewhere"))
        assert done.stdout.splitlines() == [
            f"beside {served}", f"package {served}", f"package.deep.inner {served}", f"spread.part {served}",
            "library numpy", "in_environment numpy", "vendored numpy",
        ], done.stderr  # fmt: skip


AS_PYTHON = {
    "surroundings": """\
        import pickle, sys
        import numpy as np
        class Point:
            pass
        def double(x):
            return 2 * x
        print(sys.argv, __name__, __file__, __package__, __spec__, __doc__, sys.path[0])
        print(sys.modules["__main__"].__dict__ is globals(), __builtins__.len([1]), sorted(globals()))
        print(type(pickle.loads(pickle.dumps(Point()))) is Point, pickle.loads(pickle.dumps(double)) is double)
        """,
    "error": """\
        import numpy as np
        def f(x):
            try:
                return np.arange(3)[x]
            except IndexError:
                raise ValueError("after") from None
        (f(0),
         f(7))
        """,
    "error_in_sibling": "import sibling\nsibling.fail(0)\n",
    "error_while_importing": "import numpy as np\nimport broken\n",
    "sibling_missing": "import numpy as np\nimport package_that_is_missing.part\n",
    "syntax_error": "import numpy as np\nx = = 1\n",
    "syntax_error_in_sibling": "import numpy as np\nimport misspelt\n",
    "chained": "import sibling\ntry:\n    sibling.fail(0)\nexcept ZeroDivisionError:\n    import broken\n",
    "own_hook": """\
        import sys, traceback
        import numpy as np
        sys.excepthook = lambda kind, error, trace: print(kind, traceback.extract_tb(trace))
        raise KeyError(1)
        """,
    "exit_status": "import sys\nprint('out')\nsys.exit(3)\n",
    "exit_message": "import sys\nsys.exit('because')\n",
    "exit_none": "import sys\nsys.exit()\n",
    "interrupted": "raise KeyboardInterrupt\n",
    "at_exit": """\
        import atexit, threading
        atexit.register(print, "last")
        threading.Timer(0.1, print, ["thread"]).start()
        """,
    "warning": "import warnings\nwarnings.warn('mind')\nimport sibling\nsibling.warn()\n",
}


@pytest.mark.parametrize("name", AS_PYTHON)
def test_a_script_runs_as_python_runs_it(tmp_path, name):
    write(
        tmp_path,
        {
            "folder/script.py": AS_PYTHON[name],
            "folder/sibling.py": """\
                import warnings
                import numpy as np
                def fail(x):
                    return 1 // x
                def warn():
                    warnings.warn("of the caller", stacklevel=2)
                """,
            "folder/broken.py": "import numpy as np\nraise RuntimeError('while importing')\n",
            "folder/misspelt.py": "import numpy as np\nfor x in\n",
        },
    )
    words = ["folder/script.py", "one", "-o", "--two=2"]
    expected, got = python(tmp_path, *words), run(tmp_path, *words)
    assert (got.stdout, got.stderr, got.returncode) == (expected.stdout, expected.stderr, expected.returncode)


def test_processes_started_by_the_script(tmp_path):
    write(
        tmp_path,
        {
            "script.py": """\
                import multiprocessing
                import numpy as np

                def total(n):
                    return float(np.arange(n).sum())

                if __name__ == "__main__":
                    for method in ("fork", "spawn"):
                        with multiprocessing.get_context(method).Pool(1) as pool:
                            print(method, pool.map(total, [3, 4]))
                """
        },
    )
    done = run(tmp_path, "script.py")
    assert done.stdout == "fork [3.0, 6.0]\nspawn [3.0, 6.0]\n", done.stderr


def test_a_long_expression_compiles():
    source = b"import numpy as np\ntotal = " + b" + ".join([b"np.int64(1)"] * 900)
    space = {}
    exec(compile_served(source, "long.py"), space)
    assert space["total"] == 900


def test_names_are_served_where_lazytensor_has_them():
    assert served_name("numpy") == "lazytensor"
    assert served_name("numpy.linalg") == "lazytensor.linalg"
    assert served_name("numpyro") == "numpyro"
    assert served_name("numpy.no.such") == "numpy.no.such"


def test_the_package_itself_and_the_standard_library_are_no_siblings(tmp_path):
    assert not SiblingFinder(HOME).owns(lazytensor.__file__)
    assert not SiblingFinder("/").owns(os.__file__)
    assert SiblingFinder(str(tmp_path)).owns(str(tmp_path / "folder" / "module.py"))
    assert not SiblingFinder(str(tmp_path / "folder")).owns(str(tmp_path / "module.py"))


def test_explain_follows_what_the_script_prints(tmp_path):
    write(tmp_path, {"script.py": "import numpy as np\nprint(np.arange(3) + 1)\nraise SystemExit(4)\n"})
    for words in (["--explain", "script.py"], ["script.py", "--compare", "--explain"]):
        done = run(tmp_path, *words)
        assert done.stdout.startswith("[1 2 3]\n") and len(done.stdout) > len("[1 2 3]\n\n")
        assert done.returncode == (0 if "--compare" in words else 4)


@pytest.mark.parametrize(
    "words, expected",
    [
        (["s.py"], ("s.py", [], set())),
        (["--explain", "s.py", "-v", "--compare", "x"], ("s.py", ["-v", "x"], {"--explain", "--compare"})),
        (["s.py", "--", "--compare", "--"], ("s.py", ["--compare", "--"], set())),
        (["--compare", "--", "--odd.py", "--explain"], ("--odd.py", ["--explain"], {"--compare"})),
        (["s.py", "--help"], ("s.py", ["--help"], set())),
    ],
)
def test_words_of_the_script_and_of_the_command(words, expected):
    request = parse(words)
    assert (request.script, request.arguments, request.options) == expected


@pytest.mark.parametrize(
    "words, message",
    [
        ([], "required: COMMAND"),
        (["rnu"], "invalid choice: 'rnu'"),
        (["run"], "no script: name the Python file to run"),
        (["run", "--compare", "--"], "no script"),
        (["run", "--comapre", "s.py"], "unknown option '--comapre'"),
        (["run", "missing.py"], "no such script: 'missing.py'"),
        (["run", "."], "'.' is a folder"),
        (["info", "numpy"], "unrecognized arguments: numpy"),
    ],
)
def test_mistakes_are_named(words, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_help_and_version(capsys):
    for words, shown in ([["--help"], "COMMAND"], [["run", "--help"], "--compare"], [["--version"], "\n"]):
        with pytest.raises(SystemExit) as stop:
            main(words)
        assert stop.value.code == 0
        assert shown in capsys.readouterr().out


def test_info_states_versions_and_settings(capsys):
    assert main(["info"]) == 0
    rows = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert rows["numpy"] == numpy.__version__
    assert {"python", "lazytensor", "networkx", "llvmlite", "engine"} <= set(rows)


def test_info_says_why_no_kernels_are_kept(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "everybodys"
    folder.mkdir()
    folder.chmod(0o777)
    for given, said in ((folder, f"not on disk: {folder} cannot be made, is another user's, or may be written to by"),
                        ("", "not on disk: no folder for it is given"), (tmp_path / "own", " bytes on disk")):
        monkeypatch.setenv("LAZYTENSOR_CACHE", str(given))
        assert main(["info"]) == 0
        assert said in capsys.readouterr().out
