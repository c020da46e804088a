"""What runs here: the lines that a report of a problem should carry."""

import platform
from importlib import metadata

import torch

from vaelib._missing import name_of, requirements
from vaelib.devices import device

# What a notebook depends on, beside what the library asks for.
NOTEBOOK = ("ipython", "ipykernel", "ipywidgets", "jupyterlab", "notebook")


def versions() -> None:
    """Print the versions of what vaelib and its notebooks stand on, and the device.

    Paste the lines into a report of a problem.
    """
    lines = _found()
    width = max(map(len, lines))
    for name, version in lines.items():
        print(f"{name:{width}}  {version}")


def _found() -> dict[str, str]:
    """The same as a dictionary, in the order of the lines, without what is absent."""
    try:
        asked = [name_of(line) for line in requirements()]
    except metadata.PackageNotFoundError:  # a copy that was never installed
        asked = ["torch", "numpy", "matplotlib"]
    from vaelib import __version__

    lines = {"vaelib": __version__, "python": platform.python_version()}
    for name in (*asked, *NOTEBOOK):
        try:
            lines[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    where = device()
    lines["device"] = str(where)
    if where.type == "cuda":
        lines["device"] = (
            f"{torch.cuda.get_device_name(where)}, CUDA {torch.version.cuda}"
        )
    lines["system"] = platform.platform()
    return lines
