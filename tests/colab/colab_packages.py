"""The versions that packages.txt names, as Colab has them today.

    python tests/colab/colab_packages.py FREEZE > today.txt

FREEZE is Colab's own `pip freeze`, pip-freeze.txt of googlecolab/backend-info. What it
does not name is left out; "+cu128" and the like, builds that PyPI does not have, too.
"""

import re
import sys
from pathlib import Path

PACKAGES = Path(__file__).with_name("packages.txt")
PINNED = re.compile(r"([\w.-]+)==([\w.!]+)")
# How torch comes in Colab's list: torch @ https://.../torch-2.11.0%2Bcu128-...
FROM_WHEEL = re.compile(r"([\w.-]+) @ \S*/[\w.]+-(\d[\w.]*)(?:%2B|\+|-)")


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(freeze: str) -> dict[str, str]:
    """The versions in a freeze: name -> version, without local labels."""
    found = {}
    for line in freeze.splitlines():
        match = PINNED.match(line) or FROM_WHEEL.match(line)
        if match:
            found[canonical(match[1])] = match[2]
    return found


def current(freeze: str, packages: str) -> list[str]:
    """The lines of a requirements file: our packages at the versions of the freeze."""
    there = pins(freeze)
    return [f"{name}=={there[name]}" for name in pins(packages) if name in there]


if __name__ == "__main__":
    lines = current(Path(sys.argv[1]).read_text("utf-8"), PACKAGES.read_text("utf-8"))
    if not any(line.startswith("torch==") for line in lines):
        sys.exit("torch is not in that list: has its format changed?")
    print("\n".join(lines))
