"""Matplotlib figures, inlined as SVG so that their ink follows the page's theme.

The kernels of the build draw on a transparent background (see `execution`). Here what
is black becomes the text's colour, ids become unique on the page, and the alternative
text of the cell's metadata becomes the figure's name for screen readers.
"""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

from docutils import nodes
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
BLACK = re.compile(
    r"((?:^|[;\s])(?:fill|stroke)\s*:\s*)(?:#000000|#000|black)(?=\s*;|$)"
)
REFERENCE = re.compile(r"url\(#([^)]+)\)")
PIXELS_PER_POINT = 96 / 72
LARGE = 1_000_000


def inline_svg(text: str, prefix: str, alt: str) -> str:
    """One SVG document as an element of the page.

    `prefix` makes its ids unique; `alt` is what a screen reader says.
    """
    root = ET.fromstring(text)
    drop(root)
    for element in root.iter():
        for key in ("fill", "stroke"):
            if element.get(key) in ("#000000", "#000", "black"):
                element.set(key, "currentColor")
        if "style" in element.attrib:
            element.set("style", BLACK.sub(r"\1currentColor", element.get("style")))
        if f"{{{XLINK}}}href" in element.attrib:
            element.set("href", element.attrib.pop(f"{{{XLINK}}}href"))
    rename(root, prefix)
    width = natural_width(root)
    root.attrib.pop("width", None)
    root.attrib.pop("height", None)
    root.attrib.update(
        {
            "class": "vb-figure",
            "role": "img",
            "aria-label": alt,
            "fill": "currentColor",
            "stroke-linejoin": "round",
        }
    )
    if width:
        root.set("style", f"width:{width:.0f}px")
    ET.register_namespace("", SVG)
    return ET.tostring(root, encoding="unicode", short_empty_elements=True)


def drop(root: ET.Element) -> None:
    """Remove metadata, and style sheets, which would apply to the whole page."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style"):
                parent.remove(child)


def rename(root: ET.Element, prefix: str) -> None:
    """Give the ids that something refers to a prefix, and remove the others."""
    used = set()
    for element in root.iter():
        for key, value in element.attrib.items():
            used.update(REFERENCE.findall(value))
            if key == "href" and value.startswith("#"):
                used.add(value[1:])
    for element in root.iter():
        for key, value in list(element.attrib.items()):
            if key == "id":
                if value in used:
                    element.set("id", prefix + value)
                else:
                    del element.attrib["id"]
            elif key == "href" and value.startswith("#"):
                element.set("href", f"#{prefix}{value[1:]}")
            elif "url(#" in value:
                element.set(key, REFERENCE.sub(rf"url(#{prefix}\1)", value))


def natural_width(root: ET.Element) -> float | None:
    """The width in CSS pixels that the drawing asks for."""
    size = re.fullmatch(r"([\d.]+)(pt|px)?", root.get("width", ""))
    if not size:
        return None
    return float(size[1]) * (PIXELS_PER_POINT if size[2] == "pt" else 1)


class InlineFigures(SphinxTransform):
    """Replace each SVG output by the drawing itself, before images are collected."""

    default_priority = 400

    def apply(self, **kwargs):
        outputs = [
            node
            for node in self.document.findall(nodes.container)
            if node.get("mime_type") == "image/svg+xml"
        ]
        for count, output in enumerate(outputs, 1):
            image = next(iter(output.findall(nodes.image)))
            # myst-nb gives a path from the source folder, with a leading slash.
            path = Path(self.app.srcdir) / image["uri"].lstrip("/")
            text = path.read_text(encoding="utf-8")
            alt = image.get("alt", "")
            if not alt:
                LOGGER.warning(
                    "a figure without alternative text: put it into the cell's "
                    'metadata, {"mystnb": {"image": {"alt": "..."}}}',
                    location=output,
                )
            if len(text) > LARGE:
                LOGGER.warning(
                    f"a figure of {len(text) / 1e6:.1f} MB: pass rasterized=True to "
                    "the scatter or mesh that has so many points",
                    location=output,
                )
            svg = inline_svg(text, f"fig{count}-", alt)
            image.parent.replace(
                image,
                nodes.raw("", f'<div class="vb-drawing">{svg}</div>', format="html"),
            )


def setup(app):
    app.add_transform(InlineFigures)
