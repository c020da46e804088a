"""Pictures for where nothing can move: small SVG drawings and PNGs, as HTML."""

import base64
import html
import io
import math

BLUE, ORANGE, GREEN, PINK, GREY = "#3a7fc1", "#d1701f", "#2e9b68", "#c4528c", "#8a8a8a"


def drawing(*shapes: str, width: int = 480, height: int = 200, alt: str = "") -> str:
    """SVG shapes as one drawing that shrinks with the page."""
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{html.escape(alt)}" style="width:100%;'
        f'max-width:{width}px;font:13px sans-serif" '
        f'fill="currentColor">{"".join(shapes)}</svg>'
    )


def curve(function, low, high, box, top, colour, points=121) -> str:
    """The graph of a function in box = (left, right, base, ceiling)."""
    left, right, base, ceiling = box
    path = []
    for i in range(points):
        t = i / (points - 1)
        y = base - (base - ceiling) * function(low + t * (high - low)) / top
        path.append(f"{left + t * (right - left):.1f} {y:.1f}")
    return (
        f'<path d="M{"L".join(path)}" fill="{colour}" fill-opacity=".12" '
        f'stroke="{colour}" stroke-width="2"/>'
    )


def rectangle(x, y, width, height, colour, opacity=0.8) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'fill="{colour}" fill-opacity="{opacity}"/>'
    )


def text(x, y, words: str, anchor="start") -> str:
    words = html.escape(words)
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>'


def normal(mean: float, variance: float):
    """The density of N(mean, variance)."""
    top = 1 / math.sqrt(2 * math.pi * variance)
    return lambda x: top * math.exp(-0.5 * (x - mean) ** 2 / variance)


def images(x, columns: int, alt: str) -> str:
    """Images (N, C, H, W) in rows, as a PNG inside an <img>."""
    data = base64.b64encode(png(x, columns)).decode()
    return (
        f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{data}" '
        'style="width:100%;max-width:320px;image-rendering:pixelated;background:none;padding:0">'
    )


def png(x, columns: int) -> bytes:
    """Images (N, C, H, W) in rows, as a PNG; empty places in the last row are black."""
    from matplotlib import image

    from vaelib.plots import tile

    file = io.BytesIO()
    # One colour axis always, so that no colour map is applied to grey images.
    picture = tile(x, columns, gap=0).nan_to_num(0)
    picture = picture if picture.ndim == 3 else picture[..., None].expand(-1, -1, 3)
    image.imsave(file, picture.numpy(), format="png")
    return file.getvalue()
