"""The figures of the book. Each function draws one and returns it.

They look best after plt.style.use("vaelib.style"), and say in their labels what they
show. Images are drawn at their own resolution, pixels as pixels. What needs a single
axis is drawn into `ax` when one is given.
"""

import math

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor

from vaelib import _checks as checks
from vaelib._state import evaluating
from vaelib.model import VAE


def tile(images: Tensor, columns: int, gap: int = 1) -> Tensor:
    """Images (N, C, H, W) as one picture of N / columns rows, (H', W', C or none).

    The gap between two images is NaN, and not drawn. Values are clipped to [0, 1].
    """
    _check(images)
    n, c, h, w = images.shape
    columns = checks.count("columns", columns)
    rows = math.ceil(n / columns)
    canvas = torch.full(
        (c, rows * (h + gap) - gap, columns * (w + gap) - gap), math.nan
    )
    for i, image in enumerate(images.detach().cpu().float()):
        top, left = i // columns * (h + gap), i % columns * (w + gap)
        canvas[:, top : top + h, left : left + w] = image.clamp(0, 1)
    return canvas[0] if c == 1 else canvas.permute(1, 2, 0)


def image_grid(images: Tensor, columns: int | None = None, ax=None) -> Figure:
    """Images (N, C, H, W) side by side."""
    _check(images)
    columns = columns or min(len(images), 10)
    picture = tile(images, columns)
    if ax is None:
        height, width = picture.shape[:2]
        size = min(6.4, 0.64 * columns)
        _, ax = plt.subplots(figsize=(size, size * height / width))
    _show(ax, picture)
    ax.set_axis_off()
    return ax.figure


@evaluating
def samples(vae: VAE, n: int = 40, columns: int = 10, ax=None) -> Figure:
    """Images drawn from the model: z from the prior, the mean of p(x|z) shown."""
    return image_grid(vae.sample(n), columns, ax)


@evaluating
def reconstructions(vae: VAE, x: Tensor, ax=None) -> Figure:
    """Images (N, C, H, W) above, their reconstructions below."""
    return rows({"data": x, "model": vae.reconstruct(x)}, ax)


def rows(pictures: dict[str, Tensor], ax=None) -> Figure:
    """Rows of N images each, (N, C, H, W), every row with its name on the left."""
    for x in pictures.values():
        _check(x)
    images = [x.detach().cpu() for x in pictures.values()]
    shapes = {tuple(x.shape) for x in images}
    if len(shapes) != 1:
        raise ValueError(
            "pictures must hold rows of images of one shape, got "
            f"{sorted(shapes) or 'no row'}."
        )
    figure = image_grid(torch.cat(images), len(images[0]), ax)
    ax = figure.axes[0] if ax is None else ax
    height = images[0].shape[2]
    middles = [k * (height + 1) + (height - 1) / 2 for k in range(len(images))]
    ax.set_axis_on()
    ax.set_xticks([])
    ax.set_yticks(middles, list(pictures))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return figure


@evaluating
def manifold(vae: VAE, n: int = 20, tail: float = 0.01, ax=None) -> Figure:
    """A model with two latent dimensions, decoded over its whole plane.

    The grid is even in probability: coordinates are quantiles of N(0, 1) from tail to
    1 - tail, so that each image stands for the same share of the prior.
    Source: Kingma and Welling (2014), figure 4.
    """
    d = vae.prior().event_shape[-1]
    if d != 2:
        raise ValueError(f"manifold needs a model with latent_dim=2, this one has {d}.")
    if not 0 < tail < 0.5:
        raise ValueError(f"tail must lie between 0 and 0.5, got {tail}.")
    levels = torch.linspace(tail, 1 - tail, checks.count("n", n, least=2))
    quantiles = torch.special.ndtri(levels)
    z2, z1 = torch.meshgrid(quantiles.flip(0), quantiles, indexing="ij")
    images = vae.decode(torch.stack([z1, z2], -1).reshape(-1, 2)).mean
    if ax is None:
        _, ax = plt.subplots(figsize=(5.6, 5.6))
    picture = tile(images, columns=n, gap=0)
    _show(ax, picture)
    height, width = (size / n for size in picture.shape[:2])
    shown = range(0, n, max(1, (n - 1) // 4))
    names = [f"{quantiles[i]:.1f}" for i in shown]
    ax.set_xticks([(i + 0.5) * width - 0.5 for i in shown], names)
    ax.set_yticks([(n - i - 0.5) * height - 0.5 for i in shown], names)
    ax.set(xlabel="$z_1$", ylabel="$z_2$")
    return ax.figure


@evaluating
def latent_scatter(vae: VAE, x: Tensor, y: Tensor, dims=(0, 1), ax=None) -> Figure:
    """Posterior means of images x (N, C, H, W), coloured by their labels y (N,).

    dims names the two latent dimensions shown.
    """
    if len(y) != len(x):
        raise ValueError(f"y must have a label an image, {len(x)}, got {len(y)}.")
    mean = vae.encode(x).mean.float().cpu()
    first, second = mean[:, dims[0]], mean[:, dims[1]]
    if ax is None:
        _, ax = plt.subplots(figsize=(5.6, 5.2))
    colours = plt.get_cmap("tab10")
    for k, label in enumerate(y.unique().tolist()):
        members = y.cpu() == label
        a, b = first[members], second[members]
        ax.scatter(
            a, b, s=4, color=colours(k % 10), alpha=0.5, linewidths=0, rasterized=True
        )
        ax.text(
            a.median(),
            b.median(),
            str(label),
            ha="center",
            va="center",
            weight="bold",
            color="white",
            bbox=dict(boxstyle="circle", facecolor=colours(k % 10), linewidth=0),
        )
    ax.set(
        xlabel=f"posterior mean of $z_{{{dims[0] + 1}}}$",
        ylabel=f"posterior mean of $z_{{{dims[1] + 1}}}$",
        aspect="equal",
    )
    return ax.figure


def losses(history) -> Figure:
    """The negative ELBO over the epochs, and its two terms, in nats an image."""
    if not hasattr(history, "rows"):
        raise TypeError(
            f"history must be what vaelib.fit returns, got {type(history).__name__}."
        )
    if not history.rows:
        raise ValueError("This history holds no epoch yet; train first.")
    has_test = any("test_elbo" in row for row in history)
    panels = [
        ("elbo", "negative ELBO"),
        ("reconstruction", "-log p(x|z)"),
        ("kl", "KL"),
    ]
    figure, axes = plt.subplots(1, 3, figsize=(6.4, 2.5), sharex=True)
    for ax, (name, title) in zip(axes, panels, strict=True):
        sign = 1 if name == "kl" else -1
        for prefix, label, line in [("", "training", "o-"), ("test_", "test", "s--")]:
            if prefix and not has_test:
                continue
            values = [sign * value for value in history[prefix + name]]
            ax.plot(history["epoch"], values, line, markersize=3, label=label)
        ax.set(title=title, xlabel="epoch")
    axes[0].set_ylabel("nats per image")
    axes[0].legend()
    return figure


def _check(images) -> None:
    if not isinstance(images, Tensor):
        raise TypeError(
            f"images must be a tensor, got {type(images).__name__}; of a data set "
            "take data.test.x."
        )
    if not images.is_floating_point() and images.numel() and images.max() > 1:
        raise TypeError(
            f"images must hold numbers in [0, 1], got {images.dtype}; use "
            "images.float() / 255."
        )
    if images.dim() != 4 or images.shape[1] not in (1, 3):
        raise ValueError(
            "images must have shape (N, 1, H, W) or (N, 3, H, W), got "
            f"{tuple(images.shape)}."
        )


def _show(ax, picture: Tensor) -> None:
    ax.imshow(picture.numpy(), cmap="gray", vmin=0, vmax=1, interpolation="none")
