"""Where notebooks run during the build, and when a cached run is still good.

jupyter-cache recognises a notebook by its code alone. What a run depends on beside
that (the library, Python, torch, the device, the images in use) is folded into the
name of the cache folder, so that a change in any of them runs the notebooks again.
"""

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat

# The library looks for MNIST when no other data set is named.
LOADS_MNIST = re.compile(
    r"""\bvaelib\.load\((?!\s*(?:name\s*=\s*)?["'](?!mnist["']))"""
)

# What the kernels of the build see, and a reader's own kernel does not.
KERNEL_CONFIG = """\
c = get_config()  # noqa: F821
c.InlineBackend.figure_formats = {"svg"}
# The dpi is that of pixels inside a figure: twice the screen's, for sharp ones.
c.InlineBackend.print_figure_kwargs = {"bbox_inches": "tight", "dpi": 200}
c.HistoryManager.enabled = False
c.Application.log_level = "ERROR"
"""
MATPLOTLIBRC = """\
figure.facecolor: none
axes.facecolor: none
savefig.facecolor: none
"""

# A progress bar in a notebook is a widget, and one widget brings two libraries from
# a CDN into the page. tqdm's notebook bar does not look at TQDM_DISABLE.
STARTUP = """\
import tqdm.notebook

def _without_bar(self, *arguments, **options):
    _with_bar(self, *arguments, **{**options, "disable": True})

_with_bar = tqdm.notebook.tqdm_notebook.__init__
tqdm.notebook.tqdm_notebook.__init__ = _without_bar
del tqdm
"""

# How long each cell took, for the table of costs: (hash of its code, seconds). Beside
# it the most memory, in bytes, that the kernel has held and that torch has on a GPU.
STOPWATCH = """\
def _stopwatch():
    import hashlib, json, os, pathlib, sys, time
    if "VAEBOOK_SECONDS" not in os.environ:
        return
    folder = pathlib.Path(os.environ["VAEBOOK_SECONDS"])
    folder.mkdir(parents=True, exist_ok=True)
    path, noted, begun = folder / f"{os.getpid()}.json", [], []

    def before(info):
        begun[:] = [time.perf_counter()]

    def held():
        try:  # not getrusage, which on Linux remembers the parent's peak, too
            status = pathlib.Path("/proc/self/status").read_text()
            return 1024 * int(status.split("VmHWM:")[1].split()[0])
        except (OSError, IndexError):
            return None

    def on_card():
        cuda = getattr(sys.modules.get("torch"), "cuda", None)
        used = cuda is not None and cuda.is_initialized()
        return cuda.max_memory_allocated() if used else None

    def after(result):
        if begun and result.info.raw_cell.strip():
            code = hashlib.sha256(result.info.raw_cell.encode()).hexdigest()
            noted.append((code, round(time.perf_counter() - begun[0], 3)))
            path.write_text(json.dumps(noted))
            memory = json.dumps({"held": held(), "card": on_card()})
            path.with_suffix(".memory").write_text(memory)

    get_ipython().events.register("pre_run_cell", before)
    get_ipython().events.register("post_run_cell", after)

_stopwatch()
del _stopwatch
"""

PROBE = """\
import json, sys
import torch, vaelib
device = vaelib.device()
name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
budget = vaelib.budget(cpu="cpu", gpu="gpu")
data = vaelib.load().name if sys.argv[1] == "data" else None
print(json.dumps({"device": name, "budget": budget, "data": data}))
"""


def code_of(path: Path) -> str:
    """The code of a notebook (all text of a page that is not one)."""
    if path.suffix != ".ipynb":
        return path.read_text(encoding="utf-8")
    cells = nbformat.read(path, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "code")


def loads_mnist(path: Path) -> bool:
    return bool(LOADS_MNIST.search(code_of(path)))


def has_budget(path: Path) -> bool:
    return "vaelib.budget(" in code_of(path)


def facts(root: Path) -> dict:
    """What a run depends on beside the notebook's own code."""
    notebooks = [*root.glob("notebooks/*.ipynb"), *root.glob("book/*.md")]
    found = {
        "python": platform.python_version(),
        "torch": importlib.metadata.version("torch"),
        "device": None,
        "budget": None,
        "data": None,
    }
    if notebooks:
        needs = "data" if any(loads_mnist(path) for path in notebooks) else "none"
        # A process of its own: torch stays out of the build, and a download that
        # the library tries is tried once here, before any chapter needs it.
        probe = subprocess.run(
            [sys.executable, "-c", PROBE, needs],
            capture_output=True,
            text=True,
            cwd=root,
        )
        if probe.returncode:
            reason = probe.stderr.strip().splitlines()
            raise RuntimeError(reason[-1] if reason else "vaelib cannot be imported.")
        found.update(json.loads(probe.stdout.splitlines()[-1]))
    return found


def cache_folder(build: Path, found: dict) -> Path:
    """The folder of cached runs that go with the library and these facts."""
    digest = hashlib.sha256(json.dumps(found, sort_keys=True).encode())
    digest.update(tree_hash(library()).encode())
    digest.update((KERNEL_CONFIG + MATPLOTLIBRC + STARTUP).encode())
    return build / ".jupyter_cache" / digest.hexdigest()[:16]


def library() -> Path:
    return Path(importlib.util.find_spec("vaelib").submodule_search_locations[0])


def tree_hash(folder: Path) -> str:
    """A hash of the files below a folder, their names and their bytes."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def kernel_environment(build: Path) -> dict[str, str]:
    """The variables for kernels of the build, whose configuration goes to `build`."""
    profile = build / "ipython" / "profile_default"
    (profile / "startup").mkdir(parents=True, exist_ok=True)
    (profile / "startup" / "quiet.py").write_text(STARTUP)
    (profile / "startup" / "stopwatch.py").write_text(STOPWATCH)
    (profile / "ipython_kernel_config.py").write_text(KERNEL_CONFIG)
    style = build / "ipython" / "matplotlibrc"
    style.write_text(MATPLOTLIBRC)
    return {
        "IPYTHONDIR": str(build / "ipython"),
        "MATPLOTLIBRC": str(style),
        "TQDM_DISABLE": "1",
        "VAELIB_STATIC": "1",
        # The kernel named python3 is this environment's, not another of the user's.
        "JUPYTER_PREFER_ENV_PATH": "1",
    }


def prepare(app, config):
    build = Path(app.outdir).resolve().parent
    os.environ.update(kernel_environment(build))
    config.vaebook_facts = facts(Path(app.srcdir))
    config.vaebook_source = tree_hash(Path(__file__).parent)
    cache = cache_folder(build, config.vaebook_facts)
    config.nb_execution_cache_path = str(cache)
    os.environ["VAEBOOK_SECONDS"] = str(cache / "seconds")
    if cache.parent.exists():
        for old in cache.parent.iterdir():
            if old != cache:
                shutil.rmtree(old, ignore_errors=True)


def finish(app, exception):
    """Mark a good build; make the next one look again at what this one warned of.

    Sphinx does not read an unchanged page twice, so a strict build that failed on a
    warning would pass when it is repeated.
    """
    stamp = Path(app.outdir) / ".built"
    if exception is None and not app._warncount:
        stamp.touch()
    else:
        stamp.unlink(missing_ok=True)
        (Path(app.doctreedir) / "environment.pickle").unlink(missing_ok=True)


def setup(app):
    # "env": a change in any of these reads every page again.
    app.add_config_value("vaebook_facts", {}, "env")
    app.add_config_value("vaebook_source", "", "env")
    app.connect("config-inited", prepare)
    app.connect("build-finished", finish, priority=900)
