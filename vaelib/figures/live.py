"""One figure, two hosts: a widget with a kernel, plain HTML without.

A live figure computes everything in the browser, in an ES module without imports.
With a kernel it is an ordinary Jupyter widget, and what the reader moves can be read
in Python. While the website is built (VAELIB_STATIC=1 in the kernel's environment) it
opens no connection: its output is HTML that carries its state, its weights and the
module, and `static/boot.js` offers the module the same get, set and on.
"""

import base64
import hashlib
import html
import json
import os
from pathlib import Path

import traitlets

try:
    import anywidget
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "Live figures need the package anywidget: install it with "
        "pip install anywidget, then restart the kernel."
    ) from error

STATIC = Path(__file__).with_name("static")


def is_static() -> bool:
    """Whether figures are to be plain HTML: VAELIB_STATIC=1 in the environment."""
    return os.environ.get("VAELIB_STATIC") == "1"


def part(name: str) -> str:
    """The text of one of the files in `static/`."""
    return (STATIC / name).read_text(encoding="utf-8")


class LiveFigure(anywidget.AnyWidget):
    """What all live figures share. A subclass names its module and its state.

    `modules` are files of `static/`, joined in this order into one ES module. State
    is every trait tagged `live=True`: numbers, lists and texts travel as JSON, bytes
    as they are.
    """

    modules: tuple[str, ...] = ()
    height = 420  # CSS pixels kept free on a page until the figure is drawn
    promise = "This figure moves"  # what a still picture of it cannot
    picture = ""  # HTML, set by those that are drawn in Python

    label = traitlets.Unicode().tag(sync=True, live=True)
    prompt = traitlets.Unicode().tag(sync=True, live=True)

    _css = part("figure.css")
    # ipywidgets 7 displays through this method, which would pass over the static page.
    _ipython_display_ = None

    def __init_subclass__(cls, **options):
        if "modules" in cls.__dict__:
            cls._esm = "\n".join(part(name) for name in cls.modules)
        super().__init_subclass__(**options)

    def open(self):
        """Connect to the front end; not while the website is built."""
        if not is_static():
            super().open()

    def still(self) -> str:
        """HTML of a picture that shows the idea where nothing can move."""
        return self.picture

    def state(self) -> dict:
        """The figure's state: what Python and the browser share."""
        return {name: getattr(self, name) for name in self.trait_names(live=True)}

    def to_html(self) -> str:
        """The figure as HTML that needs no kernel and no other file."""
        blobs: dict[str, str] = {}

        def blob(content: str | bytes) -> str:
            raw = content if isinstance(content, bytes) else content.encode()
            name = hashlib.sha256(raw).hexdigest()[:16]
            if isinstance(content, bytes):
                content = base64.b64encode(content).decode()
            blobs[name] = json.dumps(content).replace("<", "\\u003c")
            return name

        state = self.state()
        figure = {
            "modules": [blob(part(name)) for name in self.modules],
            "style": blob(str(self._css)),
            "bytes": {k: blob(v) for k, v in state.items() if isinstance(v, bytes)},
            "state": {k: v for k, v in state.items() if not isinstance(v, bytes)},
        }
        sentence = (
            f"<p>{html.escape(self.label)}. {self.promise} with JavaScript on.</p>"
        )
        return "\n".join(
            [
                f'<div class="vf-host" style="min-height:{self.height}px" '
                f'data-live-promise="{self.promise}" '
                f'data-live-figure="{html.escape(json.dumps(figure))}">'
                f"<noscript>{self.still()}{sentence}</noscript></div>",
                *(
                    f'<script type="application/json" data-live-blob="{name}">'
                    f"{content}</script>"
                    for name, content in blobs.items()
                ),
                f"<script data-live-boot>{part('boot.js')}</script>",
            ]
        )

    def __repr__(self) -> str:
        return (
            f"{self.label}: a live figure. To move it, open this notebook where "
            "Jupyter widgets are shown (JupyterLab, VS Code, Colab), or read the "
            "book's website."
        )

    def _repr_mimebundle_(self, **options):
        if is_static():
            return {"text/html": self.to_html(), "text/plain": repr(self)}
        return super()._repr_mimebundle_(**options)


def number(low: float, high: float, **options) -> traitlets.Float:
    """A number that the reader can move between low and high."""
    return traitlets.Float(min=low, max=high, **options).tag(sync=True, live=True)


def numbers(**options) -> traitlets.List:
    """A list of numbers that the reader can move."""
    return traitlets.List(traitlets.Float(), **options).tag(sync=True, live=True)


def fixed(trait):
    """State that Python sends once: data, names, weights."""
    return trait.tag(sync=True, live=True)
