"""The page of vaelib's public names, from the library's own docstrings.

The docstrings are plain text, written to be read in a terminal. Paragraphs stay
paragraphs and indented blocks stay blocks; nothing in them is markup.
"""

import importlib
import inspect
import pkgutil
import re
import textwrap

DOCNAME = "book/api"
SPECIAL = re.compile(r"([\\*`|_])")
LITERAL = re.compile(r"`([^`]+)`")
LABEL = re.compile(r"(Shapes|Source|Raises|Returns)\b")


def modules(package) -> list:
    names = sorted(found.name for found in pkgutil.iter_modules(package.__path__))
    return [
        importlib.import_module(f"{package.__name__}.{name}")
        for name in names
        if not name.startswith("_")
    ]


def public(module) -> list[str]:
    """The functions and classes that a module, or a package, defines for others."""
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isfunction(value) or inspect.isclass(value))
        and f"{value.__module__}.".startswith(f"{module.__name__}.")
    ]


def listing(package) -> str:
    """The page's text: a section for each module, a directive for each name.

    What the package offers itself is listed under its short name, the rest under its
    module's.
    """
    lines = []
    for module in modules(package):
        names = public(module)
        if not names:
            continue
        summary = (module.__doc__ or "").strip().splitlines()[:1]
        lines += ["", f"## {module.__name__}", "", *summary, ""]
        for name in names:
            value = getattr(module, name)
            offered = getattr(package, name, None) is value
            place = package.__name__ if offered else module.__name__
            kind = "class" if inspect.isclass(value) else "function"
            lines += ["```{eval-rst}", f".. auto{kind}:: {place}.{name}"]
            if kind == "class":
                lines += ["   :members:", "   :member-order: bysource"]
            lines += ["```", ""]
    return "\n".join(lines)


def append(app, docname, source):
    if docname == DOCNAME:
        source[0] += "\n" + listing(importlib.import_module("vaelib"))


def plain(app, what, name, obj, options, lines):
    """Turn a plain-text docstring into reStructuredText that reads the same."""
    text = []
    for block in re.split(r"\n\s*\n", textwrap.dedent("\n".join(lines)).strip("\n")):
        rows = block.splitlines()
        bullets = bool(rows) and rows[0].startswith("- ")
        while rows and (bullets or not rows[0].startswith(" ")):
            if LABEL.match(rows[0]):
                text.append("")
            text.append(escaped(rows.pop(0)))
        if rows:  # from the first indented line on, keep the shape
            text += ["", "::", "", *("    " + row for row in rows)]
        text.append("")
    lines[:] = text


def escaped(row: str) -> str:
    """The row as it reads: `names` in backticks are code, all else is text."""
    parts = LITERAL.split(row)  # text and code in turn
    parts[::2] = [SPECIAL.sub(r"\\\1", text) for text in parts[::2]]
    parts[1::2] = [f"``{code}``" for code in parts[1::2]]
    return "".join(parts)


def setup(app):
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("source-read", append)
    app.connect("autodoc-process-docstring", plain)
