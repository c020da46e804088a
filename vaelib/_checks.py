"""Arguments checked once, and answered in a sentence: what, got what, do what."""

import math
import operator
from math import prod

import torch
from torch import Tensor


def count(name: str, value, least: int = 1) -> int:
    """value as a whole number of at least `least`."""
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < least:
        raise ValueError(
            f"{name} must be a whole number of at least {least}, got {value!r}."
        )
    return number


def positive(name: str, value) -> float:
    """value as a finite number above zero."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"{name} must be a positive number, got {value!r}.")
    return number


def model(vae) -> None:
    """Raise unless vae can be asked for p(x|z) and p(z)."""
    if not (hasattr(vae, "decode") and hasattr(vae, "prior")):
        raise TypeError(
            "vae must be a model, such as vaelib.VAE.mlp(data.shape), and comes first; "
            f"got {type(vae).__name__}."
        )


def labelled(images) -> None:
    """Raise unless these are images with labels, as vaelib.load gives them."""
    if not (hasattr(images, "x") and hasattr(images, "y")):
        raise TypeError(
            "images must be vaelib.Images, with pixels x and labels y, such as "
            f"data.test; got {type(images).__name__}."
        )


def images(x, shape: tuple | None) -> None:
    """Raise one clear sentence unless x is a batch of images with pixels in [0, 1].

    shape is (C, H, W), or None for data that are no images: then only finite values
    are asked for.
    """
    if not isinstance(x, Tensor):
        hint = "torch.from_numpy turns an array into one"
        if hasattr(x, "x"):
            hint = "take the images' .x"
        elif hasattr(x, "test"):
            hint = "take data.train.x or data.test.x"
        raise TypeError(f"x must be a tensor, got {type(x).__name__}; {hint}.")
    if shape is not None and (x.dim() != 4 or x.shape[1:] != tuple(shape)):
        wanted = ", ".join(map(str, shape))
        raise ValueError(
            f"x must have shape (N, {wanted}), got {tuple(x.shape)}; "
            f"{_remedy(x, tuple(shape))}."
        )
    if x.numel() == 0:
        raise ValueError("x holds no images.")
    if not x.is_floating_point():
        remedy = "x.float()" if x.max() <= 1 else "x.float() / 255"
        raise TypeError(
            f"x must hold floating-point numbers, got {x.dtype}; use {remedy}."
        )
    low, high = (bound.item() for bound in torch.aminmax(x.detach()))
    if not (low > -math.inf and high < math.inf):
        raise ValueError("x holds NaN or infinite values; clean the data first.")
    if shape is not None and (low < 0 or high > 1):
        remedy = "divide 8-bit pixels by 255, and do not standardise"
        if -0.3 < low and high < 1.3:  # as bicubic resizing leaves them
            remedy = "x.clamp(0, 1) cuts off what resizing has added"
        raise ValueError(
            f"Pixels must lie in [0, 1], got values from {low:.6g} to {high:.6g}; "
            f"{remedy}."
        )


def bytes_are_grey(x: Tensor) -> None:
    """Raise when 8-bit images hold 0 and 1, which are no grey values to be scaled."""
    if x.max() == 1:
        raise ValueError(
            "8-bit images are divided by 255, but these hold nothing above 1; give "
            "x.float() when 1 is white."
        )


def _remedy(x: Tensor, shape: tuple) -> str:
    """What turns x into images of this shape; never a reshape that scrambles them."""
    c, h, w = shape
    if x.dim() == 4 and x.shape[1:] == (h, w, c):
        return "move the channels to the front with x.permute(0, 3, 1, 2)"
    one_image = x.numel() == prod(shape)
    flat = x.dim() in (2, 3) and x[:1].numel() == prod(shape)
    if one_image or flat:
        return f"reshape it with x.reshape(-1, {c}, {h}, {w})"
    return "resize the images, or build the model with shape=tuple(x.shape[1:])"
