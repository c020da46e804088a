"""Install what vaelib needs and this Python lacks; never move what is there.

Run as a file, by the first cell of a notebook (CELL), right after vaelib was installed
without its dependencies: with one of those missing, vaelib cannot be imported yet. So
this imports nothing but the standard library.
"""

import json
import re
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

CELL = """\
# @title Install vaelib, if it is missing
# On Colab, say. Of what it needs, too, only what is missing is installed:
# nothing that is there already is moved to another version.
import subprocess
import sys
from glob import glob
from importlib.util import find_spec

if find_spec("vaelib") is None:
    found = glob("vaelib-*-any.whl")
    found += glob("../pyproject.toml") and glob("../vaelib/..")
    found += [{address}]
    assert found, "Put the file vaelib-...-any.whl beside this notebook."
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--no-deps"]
    subprocess.run([*pip, found[0]], check=True)
    needs = find_spec("vaelib").origin.replace("__init__", "_missing")
    subprocess.run([sys.executable, needs], check=True)"""


def first_cell(address: str | None) -> str:
    """The cell by which a notebook fetches a vaelib that is missing."""
    return CELL.format(address=f'"{pip_address(address)}"' if address else "")


def pip_address(address: str) -> str:
    """What pip is to install: a git address, or a wheel."""
    if address.startswith("git+") or address.endswith(".whl"):
        return address
    return f"git+{address}"


def origin() -> str | None:
    """The repository that vaelib was installed from, where it was one."""
    try:
        text = metadata.distribution("vaelib").read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return None
    about = json.loads(text or "{}")
    return about["url"] if "vcs_info" in about else None


def canonical(name: str) -> str:
    """The one spelling of a package's name: scikit_learn and Scikit-Learn are one."""
    return re.sub(r"[-_.]+", "-", name).lower()


def name_of(requirement: str) -> str:
    """ "torch>=2.6" -> "torch"."""
    return canonical(re.match(r"[\w.-]+", requirement)[0])


def present() -> dict[str, str]:
    """The packages that are installed: name -> version."""
    return {
        canonical(found.name): found.version
        for found in metadata.distributions()
        if found.name  # a broken installation has none
    }


def requirements(package: str = "vaelib") -> list[str]:
    """What the installed package asks for, its extras left out."""
    asked = metadata.requires(package) or []
    return [line for line in asked if not re.search(r";.*\bextra\b", line)]


def missing(asked: list[str], there: dict[str, str]) -> list[str]:
    """The requirements of which no version is there. An old one counts as there."""
    return [line for line in asked if name_of(line) not in there]


def install(wanted: list[str], there: dict[str, str]) -> None:
    """Install, and hold everything that is there at the version it has."""
    pins = [
        f"{name}=={version}"
        for name, version in there.items()
        if version and re.fullmatch(r"\d[\w.!+]*", version)
    ]
    with tempfile.TemporaryDirectory() as folder:
        held = Path(folder) / "held.txt"
        held.write_text("\n".join(pins), encoding="utf-8")
        pip = [sys.executable, "-m", "pip", "install", "-qq"]
        subprocess.run([*pip, "--constraint", str(held), *wanted], check=True)


if __name__ == "__main__":
    here = present()
    wanted = missing(requirements(), here)
    if wanted:
        print("vaelib also needs", ", ".join(map(name_of, wanted)))
        install(wanted, here)
