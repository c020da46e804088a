"""Figures of a trained model: its very weights decode in the browser."""

import math

import torch
import traitlets
from torch import Tensor

from vaelib import _checks as checks
from vaelib._state import evaluating, seeded
from vaelib.data import Images
from vaelib.figures import stills
from vaelib.figures.live import LiveFigure, fixed, number, numbers
from vaelib.figures.networks import half_bytes, latent_dim, pack_decoder, pack_encoder
from vaelib.model import VAE
from vaelib.plots import tile

POINTS = 2000  # encoded images behind the latent plane
SLIDERS = 8  # shown at once when there are more than two dimensions


class LatentExplorer(LiveFigure):
    """What `latent_explorer` shows. z is its state."""

    modules = ("kit.js", "network.js", "plane.js", "latent_explorer.js")
    height = 380
    z = numbers()
    extent = fixed(traitlets.Float(3.5))
    order = fixed(traitlets.List(traitlets.Int()))
    sliders = fixed(traitlets.Int(SLIDERS))
    decoder = fixed(traitlets.Dict())
    weights = fixed(traitlets.Bytes())
    points = fixed(traitlets.Bytes())
    point_labels = fixed(traitlets.Bytes())
    names = fixed(traitlets.List(traitlets.Unicode()))


@evaluating
def latent_explorer(
    vae: VAE,
    images: Images | None = None,
    names: list[str] | None = None,
    prompt: str | None = None,
) -> LatentExplorer:
    """Move z and see p(x|z): a plane for two latent dimensions, sliders for more.

    images (`data.test`) are encoded: with two dimensions up to 2000 of them are shown
    as points behind the plane, coloured by label (names gives the labels' names); with
    more, they decide which dimensions come first, by the KL that each one carries.
    The plane reaches as far as nearly all codes do, though at least to 3 and at most to
    5: codes farther out are not shown. Without images, and for sliders, it is 3.

    The figure holds the decoder's weights as 16-bit floats. It knows VAE.mlp and
    VAE.conv; for other models see `vaelib.explore`. Read and set `.z` from Python.
    """
    decoder, weights = pack_decoder(vae)
    d = latent_dim(vae)
    state = {"points": b"", "point_labels": b"", "names": [], "order": list(range(d))}
    extent = 3.0
    if images is not None:
        some = first(images, POINTS)
        if d == 2:
            state |= scatter(vae, some, names)
            extent = extent_of(vae, some)
        else:
            with seeded(0):
                kl = vae.elbo(some.x).kl_per_dim
            if kl is not None:
                state["order"] = kl.mean(0).argsort(descending=True).tolist()
    if prompt is None and d == 2:
        prompt = (
            "Drag slowly from one class into its neighbour: where does one digit "
            "become the other, and what lies in the empty places?"
        )
    elif prompt is None:
        prompt = (
            "The most active dimensions come first. Which slider changes the slant, "
            "and which ones change nothing at all?"
        )
    figure = LatentExplorer(
        label="The latent space, decoded",
        prompt=prompt,
        z=[0.0] * d,
        extent=extent,
        decoder=decoder,
        weights=weights,
        **state,
    )
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(25, d, generator=generator)
    figure.picture = stills.images(
        vae.decode(z).mean.cpu(), 5, "Images decoded at 25 codes drawn from the prior."
    )
    return figure


def first(images: Images, n: int) -> Images:
    """The first n of the images, or all."""
    checks.labelled(images)
    return images[torch.arange(min(len(images), n))]


@evaluating
def extent_of(vae: VAE, images: Images) -> float:
    """How far the plane reaches: nearly all codes, between 3 and 5."""
    reach = vae.encode(images.x).mean.abs().flatten().quantile(0.995).item()
    return round(min(5.0, max(3.0, reach)), 1)


@evaluating
def scatter(vae: VAE, images: Images, names: list[str] | None = None) -> dict:
    """Posterior means and labels of images, as the module plane.js reads them."""
    classes = int(images.y.max()) + 1
    names = [str(k) for k in range(classes)] if names is None else list(names)
    if classes > len(names) or classes > 255:
        raise ValueError(
            f"names must name all {classes} classes (255 at most), got {len(names)}."
        )
    return {
        "points": half_bytes(vae.encode(images.x).mean),
        "point_labels": bytes(images.y.tolist()),
        "names": names,
    }


class Interpolation(LiveFigure):
    """What `interpolation` shows. first, second (images) and t are its state."""

    modules = ("kit.js", "network.js", "interpolation.js")
    height = 520
    first = fixed(traitlets.Int(0))
    second = fixed(traitlets.Int(1))
    t = number(0, 1, default_value=0.5)
    codes = fixed(traitlets.List())
    pixels = fixed(traitlets.Bytes())
    decoder = fixed(traitlets.Dict())
    weights = fixed(traitlets.Bytes())


@evaluating
def interpolation(
    vae: VAE,
    images: Images,
    prompt: str = (
        "Walk slowly from t = 0 to t = 1. Where does the straight way leave the "
        "lengths that the prior makes likely, and does the picture suffer?"
    ),
) -> Interpolation:
    """Walk between the codes of two images, straight and along the arc, side by side.

    The reader chooses both among (up to) ten of the images: one of each class, in the
    order of their labels. Codes are posterior means. Read `.first`, `.second`, `.t`.
    """
    checks.labelled(images)
    if len(images) < 2:
        raise ValueError(f"images must hold two images at least, got {len(images)}.")
    shown = _one_of_each(images, 10)
    x = images.x[shown]
    codes = vae.encode(x).mean
    decoder, weights = pack_decoder(vae)
    figure = Interpolation(
        label="Interpolation between two images",
        prompt=prompt,
        second=len(shown) - 1,
        codes=[[round(v, 5) for v in code] for code in codes.tolist()],
        pixels=(x.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy().tobytes(),
        decoder=decoder,
        weights=weights,
    )
    t = torch.linspace(0, 1, 9).to(codes).unsqueeze(1)
    way = vae.decode((1 - t) * codes[0] + t * codes[-1]).mean.cpu()
    figure.picture = stills.images(way, 9, "Nine images on the straight way.")
    return figure


def _one_of_each(images: Images, count: int) -> list[int]:
    """Where the first image of each label stands, then others, count in all."""
    labels = images.y.tolist()
    first = [labels.index(label) for label in sorted(set(labels))]
    others = [k for k in range(len(labels)) if k not in first]
    return (first + others)[: min(count, len(labels))]


class DrawDigit(LiveFigure):
    """What `draw_digit` shows. strokes is its state; image is what the encoder gets."""

    modules = ("kit.js", "network.js", "plane.js", "draw_digit.js")
    height = 420
    strokes = fixed(traitlets.List())
    image = fixed(traitlets.List(traitlets.Float()))
    draws = fixed(traitlets.Int(16))
    latent_dim = fixed(traitlets.Int())
    extent = fixed(traitlets.Float(3.5))
    encoder = fixed(traitlets.Dict())
    encoder_weights = fixed(traitlets.Bytes())
    decoder = fixed(traitlets.Dict())
    weights = fixed(traitlets.Bytes())
    points = fixed(traitlets.Bytes())
    point_labels = fixed(traitlets.Bytes())
    names = fixed(traitlets.List(traitlets.Unicode()))


# A three, so that the figure has something to show before anything is drawn.
THREE = [
    [[0.33, 0.22], [0.42, 0.15], [0.54, 0.14], [0.64, 0.2], [0.66, 0.3], [0.59, 0.41]]
    + [[0.46, 0.47], [0.6, 0.5], [0.69, 0.59], [0.69, 0.71], [0.6, 0.82], [0.45, 0.85]]
    + [[0.31, 0.79]]
]


@evaluating
def draw_digit(
    vae: VAE,
    images: Images | None = None,
    names: list[str] | None = None,
    prompt: str = (
        "Draw a seven, then cross it with a bar: which of the two terms moves more? "
        "Then draw something that is no digit."
    ),
) -> DrawDigit:
    """A paper to draw on: posterior, reconstruction and the ELBO's terms in the page.

    The model must take images of shape (1, 28, 28), and its likelihood be bernoulli,
    continuous_bernoulli or gaussian. With two latent dimensions and `images`, the
    posterior's mean and its two-sigma ellipse are shown among their codes.
    E[log p(x|z)] is an average over 16 fixed draws of z (4 for convolutions).

    Read `.strokes`, and `.image`: the 784 pixels that the encoder got.
    """
    if tuple(vae.shape or ()) != (1, 28, 28):
        raise ValueError(
            f"draw_digit needs a model of images (1, 28, 28), this one has {vae.shape}."
        )
    decoder, weights = pack_decoder(vae)
    encoder, encoder_weights = pack_encoder(vae)
    if decoder["likelihood"]["name"] == "discretized_logistic":
        raise ValueError(
            "draw_digit does not know the likelihood discretized_logistic: train with "
            "bernoulli, continuous_bernoulli or gaussian."
        )
    d = latent_dim(vae)
    state = {"points": b"", "point_labels": b"", "names": []}
    if images is not None and d == 2:
        some = first(images, POINTS)
        state = {**scatter(vae, some, names), "extent": extent_of(vae, some)}
    has_convolutions = any("conv" in layer["kind"] for layer in decoder["layers"])
    figure = DrawDigit(
        label="Draw a digit and see its posterior",
        prompt=prompt,
        strokes=THREE,
        draws=4 if has_convolutions else 16,
        latent_dim=d,
        encoder=encoder,
        encoder_weights=encoder_weights,
        decoder=decoder,
        weights=weights,
        **state,
    )
    if images is not None:
        x = images.x[_one_of_each(images, 10)]
        both = torch.cat([x.cpu(), vae.reconstruct(x).cpu()])
        figure.picture = stills.images(
            both, len(x), "Ten digits and, below them, their reconstructions."
        )
    return figure


class LossScales(LiveFigure):
    """What `loss_scales` shows; its state is how the loss is reduced and of what."""

    modules = ("kit.js", "network.js", "loss_scales.js")
    height = 430
    reduction = fixed(traitlets.Enum(["sum", "pixels", "everything"], "sum"))
    log_pixels = number(1.8, 5.4, default_value=math.log10(784))
    latent = number(1, 128, default_value=20)
    log_variance = number(-4, 0.5, default_value=math.log10(0.5))
    betas = fixed(traitlets.List(traitlets.Float()))
    kls = fixed(traitlets.List(traitlets.Float()))
    shape = fixed(traitlets.List())
    pictures = fixed(traitlets.Bytes())

    @property
    def beta(self) -> float:
        """The beta that the loss implies."""
        pixels = round(10**self.log_pixels)
        averages = {"sum": 1, "pixels": pixels, "everything": pixels / self.latent}
        return averages[self.reduction] / (2 * 10**self.log_variance)

    def still(self) -> str:
        words = f"Implied beta: {self.beta:.3g}"
        return self.picture or stills.drawing(stills.text(0, 20, words), height=30)


def loss_scales(
    models: dict[float, VAE] | None = None,
    images: Images | None = None,
    prompt: str = (
        "Switch from sums to means without touching anything else: how large does β "
        "become, and what is left of the code?"
    ),
) -> LossScales:
    """The beta implied by a loss (x - x')^2 + KL: its averages, pixels and variance.

    With "sums" and a pixel variance of 1/2 the loss is the negative ELBO up to a
    constant. A mean over pixels multiplies beta by their number, a mean over everything
    by pixels / latent dimensions, and a variance s^2 other than 1/2 by 1 / (2 s^2).

    models maps beta to a VAE trained with it (at most eight); the one whose beta is
    nearest shows what that does: eight of the images, their reconstructions, and
    samples. Read `.beta` afterwards.
    """
    state, picture = {}, ""
    if models:
        checks.labelled(images)
        if len(images) < 8:
            raise ValueError(f"images must hold at least 8 images, got {len(images)}.")
        if len(models) > 8 or min(models) <= 0:
            raise ValueError(
                "models must map at most eight positive betas to models, got "
                f"{list(models)}."
            )
        betas = sorted(models)
        x = images.x[_one_of_each(images, 8)]
        sheets = torch.stack([_sheet(models[beta], x) for beta in betas])
        state = {
            "betas": [float(beta) for beta in betas],
            "kls": [_mean_kl(models[beta], images.x[:500]) for beta in betas],
            "shape": list(sheets.shape[1:]),
            "pictures": (sheets * 255).round().to(torch.uint8).numpy().tobytes(),
        }
        picture = stills.images(
            sheets[[0, -1]], 2, "Models trained with the smallest and the largest beta."
        )
    figure = LossScales(label="The beta that a loss implies", prompt=prompt, **state)
    figure.picture = picture
    return figure


@evaluating
def _sheet(vae: VAE, x: Tensor) -> Tensor:
    """One picture (C, H, W): images x, their reconstructions, and 16 samples."""
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(16, latent_dim(vae), generator=generator)
    rows = [x.cpu(), vae.reconstruct(x).cpu(), vae.decode(z).mean.cpu()]
    sheet = tile(torch.cat(rows), 8, gap=0)
    return sheet.unsqueeze(0) if sheet.ndim == 2 else sheet.movedim(-1, 0)


@evaluating
def _mean_kl(vae: VAE, x: Tensor) -> float:
    with seeded(0):
        return vae.elbo(x).kl.mean().item()
