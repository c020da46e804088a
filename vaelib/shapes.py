"""Small pictures whose true factors are known: what shape, how large, turned, where.

Five numbers make an image: shape (0 square, 1 ellipse, 2 heart), scale in (0, 1],
orientation in degrees, and x and y in [0, 1], x rightwards and y downwards. At
scale 1 a shape just fits its place, at x or y of 0 or 1 it just touches the border,
so every combination stays inside the image.

Orientation is only defined up to the symmetry of the shape: a square looks the same
after 90 degrees, an ellipse after 180, a heart after 360 (`PERIOD`). `VALUES` stays
below a quarter turn, so that each image has one set of factors and a perfect score
on a disentanglement metric can be reached. The square's 80 degrees and its 0 remain
neighbours, ten degrees apart: for it, orientation is a circle.

After dSprites (Matthey et al., 2017), whose orientations run through 360 degrees.
"""

import math

import torch
from torch import Tensor

SHAPES = ("square", "ellipse", "heart")
PERIOD = (90.0, 180.0, 360.0)  # degrees after which each shape repeats

VALUES = {
    "shape": torch.arange(3.0),
    "scale": torch.tensor([0.4, 0.6, 0.8, 1.0]),
    "orientation": torch.arange(0.0, 90.0, 10.0),
    "x": torch.linspace(0.0, 1.0, 12),
    "y": torch.linspace(0.0, 1.0, 12),
}
# Whatever torch's default precision is when this module is first imported.
VALUES = {name: values.float() for name, values in VALUES.items()}
FACTORS = tuple(VALUES)


def grid() -> Tensor:
    """All combinations of `VALUES`, shape (15552, 5), y changing fastest."""
    return torch.cartesian_prod(*VALUES.values())


def sample(n: int, generator: torch.Generator | None = None, **fixed: float) -> Tensor:
    """n random rows of the grid, shape (n, 5), with some factors held fixed.

    sample(64, scale=0.8) gives 64 rows that share their scale and nothing else; a
    fixed value need not be one of `VALUES`. Raises ValueError for an unknown factor.
    """
    if unknown := set(fixed) - set(FACTORS):
        raise ValueError(
            f"sample() can hold fixed only {', '.join(FACTORS)}, got "
            f"{', '.join(sorted(unknown))}: use one of these names."
        )
    columns = []
    for name, values in VALUES.items():
        column = values[torch.randint(len(values), (n,), generator=generator)]
        columns.append(column.fill_(fixed[name]) if name in fixed else column)
    return torch.stack(columns, 1)


def draw(factors: Tensor, size: int = 28) -> Tensor:
    """The images of rows of factors: shape (N, 5) to (N, 1, size, size), in [0, 1].

    A pixel holds the share of it that the shape covers, read from the distance to
    the outline, so that edges are smooth and images change smoothly with the
    factors. Any real scale, orientation and position will do; values outside the
    ranges above draw shapes that are cut off at the border.

    Raises ValueError when the rows do not hold five finite numbers or the shape is
    none of 0, 1, 2.
    """
    factors = torch.as_tensor(factors, dtype=torch.float32)
    if factors.dim() != 2 or factors.shape[1] != len(FACTORS):
        raise ValueError(
            f"factors must have shape (N, 5) for {', '.join(FACTORS)}, got "
            f"{tuple(factors.shape)}; for one image pass factors[None]."
        )
    if not factors.isfinite().all() or (factors[:, 1] <= 0).any():
        raise ValueError(
            "factors must be finite with scale above 0, and some are not: see "
            "vaelib.shapes.VALUES for the usual range of each."
        )
    if not torch.isin(factors[:, 0], VALUES["shape"].to(factors.device)).all():
        raise ValueError(
            f"the first factor must be 0 (square), 1 (ellipse) or 2 (heart), got "
            f"{factors[:, 0].unique().tolist()}."
        )
    images = factors.new_empty(len(factors), 1, size, size)
    for index, outline in enumerate((_square, _ellipse, _heart)):
        for rows in torch.where(factors[:, 0] == index)[0].split(1024):
            images[rows, 0] = _cover(outline, factors[rows, 1:], size)
    return images


def _cover(outline, factors: Tensor, size: int) -> Tensor:
    """The share of each pixel inside the outline, (N, size, size)."""
    scale, angle, x, y = factors.T[:, :, None, None]
    radius = scale * size / 4  # pixels
    angle = torch.deg2rad(angle)
    pixel = torch.arange(size, device=factors.device, dtype=factors.dtype) + 0.5
    across = (pixel[None, :] - size / 4 * (1 + 2 * x)) / radius
    down = (pixel[:, None] - size / 4 * (1 + 2 * y)) / radius
    # Turning the pixels one way turns the shape the other: clockwise on the page.
    u = angle.cos() * across + angle.sin() * down
    v = angle.cos() * down - angle.sin() * across
    return (0.5 - radius * outline(u, v)).clamp(0, 1)


# The outlines: distance to the edge, negative inside, for shapes that are centred at
# their centre of mass and fit the unit circle. u points right and v down.

# Where the heart's centre of mass lies along each axis of its square, in half sides.
HEART_CENTRE = (math.pi / 2 + 2 / 3) / (4 + math.pi)


def _square(u: Tensor, v: Tensor, half: float = math.sqrt(0.5)) -> Tensor:
    u, v = u.abs() - half, v.abs() - half
    outside = torch.hypot(u.clamp(min=0), v.clamp(min=0))
    return outside + torch.maximum(u, v).clamp(max=0)


def _ellipse(u: Tensor, v: Tensor, a: float = 1.0, b: float = 0.5) -> Tensor:
    # Not the exact distance, which has no simple form, but right near the edge:
    # the function that is zero there, divided by the length of its gradient.
    level = torch.hypot(u / a, v / b)
    slope = torch.hypot(u / a**2, v / b**2).clamp(min=1e-6)
    return level * (level - 1) / slope


def _heart(u: Tensor, v: Tensor) -> Tensor:
    # A square standing on its corner, with half a disc on each of its upper sides.
    half = 1 / (math.sqrt(2) * (1 + HEART_CENTRE))
    right = math.sqrt(0.5) * (u - v) + HEART_CENTRE * half
    left = math.sqrt(0.5) * (-u - v) + HEART_CENTRE * half
    discs = torch.minimum(
        torch.hypot(right - half, left), torch.hypot(right, left - half)
    )
    return torch.minimum(_square(right, left, half), discs - half)
