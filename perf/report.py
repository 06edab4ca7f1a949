"""What `compare.py` measured, as lines of text, as docs/benchmarks.md and as plots."""

from __future__ import annotations

import datetime
import importlib
import os
import pathlib
import platform
import statistics
import subprocess
from typing import Any

PEERS = ("numexpr", "Numba", "JAX", "torch.compile")
COLUMNS = ("NumPy", "lazytensor", "lazytensor jit", *PEERS)
Case = dict[str, Any]
SLOWER = 1.1


# ---- figures ---------------------------------------------------------------------------------------------------------


def median(case: Case, name: str) -> float | None:
    """Seconds, or None if it did not run."""
    found = case["times"].get(name)
    return None if found is None else float(found["median"])


def fastest_peer(case: Case) -> tuple[str, float] | None:
    """The fastest peer besides NumPy, and its seconds."""
    times = [(t, name) for name in PEERS if (t := median(case, name)) is not None]
    return (min(times)[1], min(times)[0]) if times else None


def ratios(case: Case) -> tuple[float, float | None, float]:
    """How many times as fast as NumPy and as the fastest peer lazytensor is, and how many copies it takes."""
    ours, peer = case["times"]["lazytensor"]["median"], fastest_peer(case)
    return (case["times"]["NumPy"]["median"] / ours, peer and peer[1] / ours, ours / case["times"]["copy"]["median"])


def jitted(case: Case) -> float | None:
    """How many times as fast as the fastest peer the compiled function is."""
    own, peer = median(case, "lazytensor jit"), fastest_peer(case)
    return None if own is None or peer is None else peer[1] / own


def geometric_mean(values: list[float]) -> float:
    """Of positive numbers; 1 of none."""
    return statistics.geometric_mean(values) if values else 1.0


def shown(seconds: float | None) -> str:
    """Three digits and a unit.

    >>> shown(1.234e-5), shown(0.5)
    ('12.3 us', '500 ms')
    """
    if seconds is None:
        return ""
    for factor, unit in ((1e6, "us"), (1e3, "ms")):
        if seconds * factor < 1000:
            digits = 2 if seconds * factor < 10 else 1 if seconds * factor < 100 else 0
            return f"{seconds * factor:.{digits}f} {unit}"
    return f"{seconds:.2f} s"


def ratio(value: float | None) -> str:
    """Two decimals, or nothing."""
    return "" if value is None else f"{value:.2f}"


def spread(case: Case, name: str) -> str:
    """The interquartile range in percent of the median."""
    times = case["times"].get(name)
    return "" if times is None else f"{100 * times['iqr'] / times['median']:.0f}%"


# ---- the machine -----------------------------------------------------------------------------------------------------


def machine() -> dict[str, str]:
    """What this is measured on, when, and of which state of the tree."""
    about = {"processor": platform.processor() or platform.machine(), "cores": str(os.cpu_count())}
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        about["memory"] = f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / (1 << 30):.0f} GiB"
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        about["processor"] = next(x.split(":")[1].strip() for x in lines if x.startswith("model name"))
        for index in pathlib.Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
            level, kind = ((index / name).read_text().strip() for name in ("level", "type"))
            if kind != "Instruction":
                about[f"L{level}"] = (index / "size").read_text().strip()
    except (OSError, StopIteration):
        pass
    about["system"] = " ".join(filter(None, (platform.system(), platform.release(), *platform.libc_ver())))
    return about | {"date": datetime.date.today().isoformat(), "commit": commit()}


def commit() -> str:
    """The commit that is checked out, and whether files differ from it; "unknown" outside of a repository."""
    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=pathlib.Path(__file__).parent, capture_output=True, text=True,
                              check=True).stdout.strip()

    try:
        return git("rev-parse", "--short=10", "HEAD") + (" with changes" if git("status", "-s", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def versions(found: dict[str, Any]) -> dict[str, str]:
    """Of Python, NumPy, lazytensor and what it runs on, and the peers."""
    names = {"NumPy": "numpy", "llvmlite": "llvmlite", "lazytensor": "lazytensor.release"}
    known = {"Python": platform.python_version()}
    for name, module in names.items():
        try:
            imported = importlib.import_module(module)
            known[name] = getattr(imported, "VERSION", None) or imported.__version__
        except ImportError:
            known[name] = "absent"
    return known | {name: peer.VERSION for name, peer in found.items()}


# ---- text ------------------------------------------------------------------------------------------------------------


def heading(known: dict[str, Any]) -> list[str]:
    """The lines before the table."""
    lines = [", ".join(f"{k} {v}" for k, v in {**known["machine"], **known["versions"]}.items())]
    lines += [f"left out: {name} ({why})" for name, why in known["missing"].items()]
    columns = "".join(f"{name:>17}" for name in COLUMNS)
    return [*lines, f"{'':38}{columns} {'x NumPy':>8} {'x peer':>7} {'jit':>7} {'copies':>7} "
            f"{'first call':>11}"]


def line(case: Case) -> str:
    """A row: medians and spreads, ratios, and lazytensor's first call in a fresh process."""
    numpys, peers, copies = ratios(case)
    cells = [f"{shown(median(case, name))} {spread(case, name):>4}".strip() for name in COLUMNS]
    text = f"{case['workload']:21} {case['size']:>7} {case['dtype']:>8}" + "".join(f"{cell:>17}" for cell in cells)
    text += f" {numpys:8.2f} {ratio(peers):>7} {ratio(jitted(case)):>7} {copies:7.1f}"
    text += f" {shown(case['first calls'][1]):>11}"
    if case["wrong"]:
        text += f"\n  WRONG: {case['wrong']}"
    odd = {name: why for name, why in case["left_out"].items() if why != "has no form of it"}
    return text + "".join(f"\n  {name} left out: {why}" for name, why in odd.items())


def slower(cases: list[Case]) -> list[str]:
    """Where lazytensor is behind NumPy or a peer by more than a tenth."""
    lines = []
    for case in cases:
        numpys, peers, _ = ratios(case)
        name = f"{case['workload']}, {case['size']}, {case['dtype']}"
        if numpys * SLOWER < 1:
            lines.append(f"slower than NumPy: {name}: {1 / numpys:.2f} times the time")
        if peers is not None and peers * SLOWER < 1:
            lines.append(f"slower than {fastest_peer(case)[0]}: {name}: {1 / peers:.2f} times the time")  # type: ignore
    return lines


def reused(cases: list[Case]) -> list[str]:
    """Against loops that write into memory that is there already, where these take long enough to say something: those
    of microseconds wait for their threads, for milliseconds."""
    found = [(case, case["times"]["lazytensor"]["median"] / t) for case in cases
             if (t := median(case, "Numba, reused memory"))]
    return [f"{case['workload']}, {case['size']}, {case['dtype']}: {times:.2f} times the time of a Numba loop into "
            "reused memory" for case, times in found if times >= 0.1]


def threads(rows: list[dict[str, Any]]) -> list[str]:
    """One thread against two."""
    return [f"transcendental chain, float64, {row['elements']} elements: one thread "
            f"{shown(row['times']['1']['median'])}, two {shown(row['times']['2']['median'])}: "
            f"{row['times']['1']['median'] / row['times']['2']['median']:.2f} times as fast" for row in rows]


def compiling(known: dict[str, Any]) -> list[str]:
    """What kernels cost."""
    lines = [f"{len(known[k]['ms'])} kernels, {words}: median {statistics.median(known[k]['ms']):.2f} ms "
             f"(processor time {statistics.median(known[k]['cpu ms']):.2f} ms), most "
             f"{max(known[k]['ms']):.1f} ms; starting LLVM {known[k]['starting']:.0f} ms"
             for k, words in (("cold", "compiled"), ("second", "from the disk cache in a second process"))
             if known[k]["ms"]]
    return [*lines, f"first run of three operations on 10 elements: {known['first small']:.2f} ms more than NumPy's"]


def summary(known: dict[str, Any]) -> list[str]:
    """The lines after the table."""
    cases = known["cases"]
    lines = [f"WRONG: {c['workload']}, {c['size']}, {c['dtype']}: {c['wrong']}" for c in cases if c["wrong"]]
    lines += slower(cases) + reused(cases)
    if cases:
        against = [r for case in cases if (r := ratios(case)[1]) is not None]
        compiled = [r for case in cases if (r := jitted(case)) is not None]
        lines.append(f"geometric mean: {geometric_mean([ratios(case)[0] for case in cases]):.2f} times as fast as "
                     f"NumPy, {geometric_mean(against):.2f} times as the fastest peer of each; in compiled functions "
                     f"{geometric_mean(compiled):.2f} times")
    lines += threads(known["threads"]) if "threads" in known else []
    return lines + (compiling(known["compiling"]) if "compiling" in known else [])


# ---- the page --------------------------------------------------------------------------------------------------------

PAGE = """# Benchmarks

Written by `python perf/compare.py --docs`; do not edit.

The programs are those of `perf/workloads.py`: NumPy source, unchanged. The peers have their own idiom
(`perf/peers/`): `jax.jit`, Numba's `@njit(parallel=True)`, `numexpr.evaluate`, `torch.compile`. Results are compared
first: lazytensor's equal NumPy's bit for bit, those of the peers to a tolerance. Then those of a row are timed in one
process, in interleaved rounds, with a fresh result each time and a pause between, in which the threads of others go
to sleep; what takes less than 20 ms is called some more before it is timed. Figures are medians; the interquartile
range stands behind them in percent. `x NumPy` and `x peer` say how many times as fast as NumPy and as the fastest
peer lazytensor is, `jit x peer` the same of its compiled functions (`lt.jit` of the same source, `lazytensor jit`);
`copies` how many times as long as a plain copy (one thread, into memory that is there) of as many
bytes as the program has to read and write. `first call` is lazytensor's in a fresh process, with what it plans and
compiles.

A peer's median of about 4 ms for work of microseconds, or a spread of hundreds of percent, is its threads' waiting:
where cores share no cache Linux may wake a thread on the core of the one that wakes it, and move it at the next tick of
4 ms. lazytensor keeps its workers off their caller's core; rows with such figures say that and little of the code.
"""


def row(cells: list[str]) -> str:
    """A row of a table."""
    return "| " + " | ".join(cells) + " |"


def table(cases: list[Case]) -> list[str]:
    """Of the page."""
    head = ["program", "size", "dtype", *COLUMNS, "x NumPy", "x peer", "jit x peer", "copies", "first call"]
    lines = [row(head), row(["---"] * 3 + ["---:"] * (len(head) - 3))]
    for case in cases:
        numpys, peers, copies = ratios(case)
        cells = [f"{shown(median(case, name))} ({spread(case, name)})" if name in case["times"] else ""
                 for name in COLUMNS]
        lines.append(row([case["workload"], case["size"], case["dtype"], *cells, f"{numpys:.2f}",
                          ratio(peers), ratio(jitted(case)), f"{copies:.1f}", shown(case["first calls"][1])]))
    return lines


def write(known: dict[str, Any], folder: pathlib.Path) -> None:
    """docs/benchmarks.md, and the plots where matplotlib is there."""
    plots = draw(known["cases"], folder)
    lines = [PAGE, "Machine: " + ", ".join(f"{k} {v}" for k, v in known["machine"].items()) + ".",
             "Versions: " + ", ".join(f"{k} {v}" for k, v in known["versions"].items()) + ".", ""]
    lines += [f"Left out: {name} ({why})." for name, why in known["missing"].items()]
    lines += [*[f"![{title}]({name})" for title, name in plots], "", *table(known["cases"]), "", "## In short", ""]
    lines += [f"* {text}" for text in summary(known)]
    odd = {(c["workload"], name, why) for c in known["cases"] for name, why in c["left_out"].items()}
    lines += ["", "## Without figures", "", *[f"* {w}: {name}: {why}" for w, name, why in sorted(odd)]]
    (folder / "benchmarks.md").write_text("\n".join(lines) + "\n")


# ---- plots -----------------------------------------------------------------------------------------------------------


def draw(cases: list[Case], folder: pathlib.Path) -> list[tuple[str, str]]:
    """Ratio bars and the roofline of the largest versions; titles and file names, none without matplotlib."""
    try:
        import matplotlib
    except ImportError:
        return []
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "lazytensor"
    largest = {(c["workload"], c["dtype"]): c for c in cases}  # the last of each
    chosen = [c for (_, dtype), c in largest.items() if dtype != "float32"]
    names = [f"{c['workload']} ({c['size']})" for c in chosen]
    bars = {name: [_over(median(c, "NumPy"), median(c, name)) for c in chosen] for name in COLUMNS[1:]}
    roof = {name: [_over(median(c, name), median(c, "copy")) for c in chosen] for name in ("NumPy", *COLUMNS[1:])}
    return [_bars(folder, "benchmarks_ratios.svg", "times as fast as NumPy", names, bars),
            _bars(folder, "benchmarks_roofline.svg", "times as long as a plain copy of the same bytes", names, roof)]


def _over(a: float | None, b: float | None) -> float:
    return float("nan") if a is None or b is None else a / b


def _bars(folder: pathlib.Path, file: str, title: str, names: list[str],
          values: dict[str, list[float]]) -> tuple[str, str]:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 0.55 * len(names) + 1.5), layout="constrained")
    height = 0.85 / len(values)
    for k, (name, widths) in enumerate(values.items()):
        axes.barh([i + k * height for i in range(len(names))], widths, height, label=name)
    axes.set_yticks([i + 0.4 for i in range(len(names))], names)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel(title + " (float64 where there are two)")
    axes.legend(fontsize="small")
    figure.savefig(folder / file, metadata={"Date": None})
    pyplot.close(figure)
    return title, file
