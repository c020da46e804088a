"""The networks of the two builders: encoders give q(z|x), decoders give p(x|z)."""

from math import prod

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from vaelib import _checks as checks
from vaelib.likelihoods import likelihood as make_likelihood


def diagonal_normal(mu: Tensor, logvar: Tensor) -> Distribution:
    """N(mu, diag sigma^2) over the last axis, with logvar = log sigma^2."""
    sigma = torch.exp(0.5 * logvar)
    return Independent(Normal(mu, sigma, validate_args=False), 1, validate_args=False)


class StandardNormal(nn.Module):
    """The prior N(0, I) in latent_dim dimensions."""

    def __init__(self, latent_dim: int):
        super().__init__()
        checks.count("latent_dim", latent_dim)
        # Buffers follow the model to its device; they are no weights to be saved.
        self.register_buffer("mu", torch.zeros(latent_dim), persistent=False)
        self.register_buffer("logvar", torch.zeros(latent_dim), persistent=False)

    def forward(self) -> Distribution:
        return diagonal_normal(self.mu, self.logvar)


class GaussianEncoder(nn.Module):
    """q(z|x) = N(mu(x), diag sigma^2(x)): two linear heads on shared features."""

    def __init__(self, features: nn.Module, width: int, latent_dim: int):
        super().__init__()
        checks.count("latent_dim", latent_dim)
        self.features = features
        self.mu = nn.Linear(width, latent_dim)
        self.logvar = nn.Linear(width, latent_dim)

    def forward(self, x: Tensor) -> Distribution:
        h = self.features(x)
        # Under autocast networks compute in bfloat16, distributions in x's precision.
        return diagonal_normal(self.mu(h).to(x.dtype), self.logvar(h).to(x.dtype))


class ImageDecoder(nn.Module):
    """p(x|z): a network from codes to logits, and a likelihood over the pixels."""

    def __init__(self, logits: nn.Module, shape, likelihood: str, **options):
        super().__init__()
        self.logits = logits
        self.likelihood = make_likelihood(likelihood, **options)
        self.shape = tuple(shape)

    def forward(self, z: Tensor) -> Distribution:
        batch = z.shape[:-1]
        logits = self.logits(z.reshape(-1, z.shape[-1])).to(z.dtype)
        return self.likelihood(logits.reshape(*batch, *self.shape))


class MLPEncoder(GaussianEncoder):
    def __init__(self, shape, hidden, latent_dim: int):
        widths = [prod(_image_shape(shape)), *_widths("hidden", hidden)]
        features = nn.Sequential(nn.Flatten(), *_layers(widths))
        super().__init__(features, widths[-1], latent_dim)


class MLPDecoder(ImageDecoder):
    def __init__(self, shape, hidden, latent_dim: int, likelihood: str, **options):
        widths = [latent_dim, *reversed(_widths("hidden", hidden))]
        head = nn.Linear(widths[-1], prod(_image_shape(shape)))
        logits = nn.Sequential(*_layers(widths), head)
        super().__init__(logits, shape, likelihood, **options)


class ConvEncoder(GaussianEncoder):
    def __init__(self, shape, channels, latent_dim: int):
        size = _smallest_size(shape, channels)
        layers, above = [], shape[0]
        for width in channels:
            layers += [nn.Conv2d(above, width, 4, stride=2, padding=1), nn.ReLU()]
            above = width
        features = nn.Sequential(*layers, nn.Flatten())
        super().__init__(features, above * prod(size), latent_dim)


class ConvDecoder(ImageDecoder):
    def __init__(self, shape, channels, latent_dim: int, likelihood: str, **options):
        size = _smallest_size(shape, channels)
        above, *below = [*reversed(channels), shape[0]]
        layers = [
            nn.Linear(latent_dim, above * prod(size)),
            nn.Unflatten(1, (above, *size)),
        ]
        for width in below:
            up = nn.ConvTranspose2d(above, width, 4, stride=2, padding=1)
            layers += [nn.ReLU(), up]
            above = width
        super().__init__(nn.Sequential(*layers), shape, likelihood, **options)


def _layers(widths: list[int]) -> list[nn.Module]:
    layers = []
    for width, following in zip(widths[:-1], widths[1:], strict=True):
        layers += [nn.Linear(width, following), nn.ReLU()]
    return layers


def _image_shape(shape) -> tuple[int, int, int]:
    if not isinstance(shape, tuple | list) or len(shape) != 3:
        raise ValueError(
            f"shape must be (channels, height, width), got {shape!r}; use data.shape."
        )
    for name, size in zip(("channels", "height", "width"), shape, strict=True):
        checks.count(name, size)
    return tuple(shape)


def _smallest_size(shape, channels) -> tuple[int, int]:
    _, height, width = _image_shape(shape)
    factor = 2 ** len(_widths("channels", channels))
    if height % factor or width % factor:
        raise ValueError(
            f"{len(channels)} layers halve the image {len(channels)} times, so height "
            f"and width must be multiples of {factor}, got {height} x {width}; use "
            "fewer channels or pad the images."
        )
    return height // factor, width // factor


def _widths(name: str, widths) -> tuple[int, ...]:
    if not isinstance(widths, tuple | list) or not widths:
        raise ValueError(
            f"{name} must be a list of widths such as (400,), got {widths!r}."
        )
    for width in widths:
        checks.count(name, width)
    return tuple(widths)
