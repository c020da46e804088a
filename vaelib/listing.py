"""Show the library's own source code in a notebook, so that page and code agree."""

import ast
import inspect
import textwrap


class Source:
    """Source code that a notebook shows highlighted and a terminal as plain text."""

    def __init__(self, code: str):
        self.code = code

    def __repr__(self) -> str:
        return self.code

    def _repr_markdown_(self) -> str:
        return f"```python\n{self.code}\n```"


def source(obj, docstring: bool = True) -> Source:
    """The source of a function, class or module, read from the installed library.

    docstring=False leaves the docstrings out, for where the text around has already
    said it. Raises TypeError for what has no Python source (a number, a built-in).
    """
    try:
        code = textwrap.dedent(inspect.getsource(obj)).rstrip()
    except (TypeError, OSError) as error:
        raise TypeError(
            f"source() needs a function, class or module written in Python, got "
            f"{obj!r} of type {type(obj).__name__}."
        ) from error
    return Source(code if docstring else _without_docstrings(code))


def _without_docstrings(code: str) -> str:
    lines = code.splitlines()
    for node in ast.walk(ast.parse(code)):
        kinds = (ast.FunctionDef, ast.ClassDef, ast.Module)
        if isinstance(node, kinds) and ast.get_docstring(node) is not None:
            doc = node.body[0]
            for number in range(doc.lineno - 1, doc.end_lineno):
                lines[number] = None
            if len(node.body) > 1 and not (lines[doc.end_lineno] or "").strip():
                lines[doc.end_lineno] = None  # the blank line under a docstring
    return "\n".join(line for line in lines if line is not None)
