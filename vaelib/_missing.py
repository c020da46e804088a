"""Install what vaelib needs and this Python lacks; never move what is there.

Run as a file, by the first cell of a chapter, right after vaelib was installed without
its dependencies: with one of those missing, vaelib cannot be imported yet. So this
imports nothing but the standard library.
"""

import re
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path


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
