"""A VAE is a prior p(z) and two conditional distributions, q(z|x) and p(x|z)."""

import json
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.distributions import Distribution, kl_divergence

from vaelib import _checks as checks
from vaelib._state import evaluating, seeded
from vaelib.networks import (
    ConvDecoder,
    ConvEncoder,
    MLPDecoder,
    MLPEncoder,
    StandardNormal,
)


class Elbo(NamedTuple):
    """The evidence lower bound and its terms, one number an example, in nats."""

    reconstruction: Tensor  # log p(x|z) at one draw of z, shape (N,)
    kl: Tensor  # KL(q(z|x) || p(z)), shape (N,)
    kl_per_dim: Tensor | None  # shape (N, d), where the KL is a sum over dimensions
    beta: float = 1.0

    @property
    def value(self) -> Tensor:
        """reconstruction - beta * kl, shape (N,). With beta = 1, the ELBO."""
        if type(self.beta) is not float:
            _check_number("beta", self.beta)
        return self.reconstruction - self.beta * self.kl


class VAE(nn.Module):
    """A prior and two conditional distributions; everything else follows from them.

    encoder(x) returns q(z|x), decoder(z) returns p(x|z) and prior() returns p(z), all
    torch distributions. Images have shape (N, C, H, W) and pixels in [0, 1]; codes z
    have shape (..., d).

    The builders VAE.mlp and VAE.conv make the usual ones; any three modules, or
    functions, that return distributions make another.
    Source: Kingma and Welling (2014); derived in chapter 4.
    """

    def __init__(self, encoder, decoder, prior):
        super().__init__()
        for name, part in [
            ("encoder", encoder),
            ("decoder", decoder),
            ("prior", prior),
        ]:
            if isinstance(part, Distribution) or not callable(part):
                raise TypeError(
                    f"{name} must be a module or function that returns a distribution, "
                    f"got {type(part).__name__}; for a fixed prior use "
                    "vaelib.StandardNormal(latent_dim)."
                )
        self.encoder = encoder
        self.decoder = decoder
        self.prior = prior
        self.shape = getattr(decoder, "shape", None)
        self.config = None

    @classmethod
    def mlp(
        cls, shape, hidden=(400,), latent_dim=20, likelihood="bernoulli", **options
    ) -> "VAE":
        """Fully connected, with ReLU; the decoder mirrors the encoder.

        shape is (C, H, W); hidden gives the widths of the encoder's hidden layers;
        options go to the likelihood (sigma=0.1 for "gaussian").
        The defaults are the model of document 002.
        """
        vae = cls(
            MLPEncoder(shape, hidden, latent_dim),
            MLPDecoder(shape, hidden, latent_dim, likelihood, **options),
            StandardNormal(latent_dim),
        )
        vae.config = {
            "builder": "mlp",
            "shape": [int(n) for n in shape],
            "hidden": [int(n) for n in hidden],
            "latent_dim": int(latent_dim),
            "likelihood": likelihood,
            **options,
        }
        return vae

    @classmethod
    def conv(
        cls, shape, channels=(32, 64), latent_dim=20, likelihood="bernoulli", **options
    ) -> "VAE":
        """Strided convolutions down, transposed ones up, with ReLU.

        Each entry of channels halves the height and width, which must divide evenly.
        """
        vae = cls(
            ConvEncoder(shape, channels, latent_dim),
            ConvDecoder(shape, channels, latent_dim, likelihood, **options),
            StandardNormal(latent_dim),
        )
        vae.config = {
            "builder": "conv",
            "shape": [int(n) for n in shape],
            "channels": [int(n) for n in channels],
            "latent_dim": int(latent_dim),
            "likelihood": likelihood,
            **options,
        }
        return vae

    def encode(self, x: Tensor) -> Distribution:
        """q(z|x) for images of shape (N, C, H, W)."""
        return self.encoder(self._checked(x))

    def decode(self, z: Tensor) -> Distribution:
        """p(x|z) for codes of shape (..., d); its mean has shape (..., C, H, W)."""
        if not isinstance(z, Tensor):
            raise TypeError(f"z must be a tensor, got {type(z).__name__}.")
        d = self.prior().event_shape[-1]
        if z.shape[-1:] != (d,):
            raise ValueError(
                f"z must have shape (..., {d}), one code of {d} numbers an image, got "
                f"{tuple(z.shape)}."
            )
        return self.decoder(self.prepared(z))

    @evaluating
    def sample(self, n: int = 1) -> Tensor:
        """n images from the model: draw z from the prior, take the mean of p(x|z)."""
        return self.decode(self.prior().sample((checks.count("n", n),))).mean

    @evaluating
    def reconstruct(self, x: Tensor) -> Tensor:
        """The mean of p(x|z) at the mean of q(z|x), shape of x."""
        return self.decode(self.encode(x).mean).mean

    def log_weights(self, x: Tensor, samples: int = 1) -> Tensor:
        """log w = log p(x|z) + log p(z) - log q(z|x) at z ~ q(z|x), in nats.

        Shape (samples, N). The mean over samples estimates the ELBO, the
        logmeanexp the importance-weighted bound, and with many samples log p(x).
        Source: Burda et al. (2016), equation 8.
        """
        x = self._checked(x)
        q, p = self.encoder(x), self.prior()
        _one_an_image("encoder", q, (len(x),), p.event_shape)
        z = q.rsample((checks.count("samples", samples),))
        likelihood = self.decoder(z)
        _one_an_image("decoder", likelihood, (samples, len(x)), x.shape[1:])
        return likelihood.log_prob(x) + p.log_prob(z) - q.log_prob(z)

    def elbo(self, x: Tensor, beta: float = 1.0, validate: bool = True) -> Elbo:
        """The evidence lower bound of each image, and its terms, in nats.

        The expectation of log p(x|z) is taken at one draw of z, the KL in closed
        form where torch knows one, else at the same draw.

        x has shape (N, C, H, W); beta weighs the KL in .value. validate=False
        skips the check of x, for a training loop that has checked its data.
        Source: Kingma and Welling (2014), equation 10; beta: Higgins et al.
        (2017).
        """
        x = self._checked(x) if validate else x
        q, p = self.encoder(x), self.prior()
        _one_an_image("encoder", q, (len(x),), p.event_shape)
        z = q.rsample()
        likelihood = self.decoder(z)
        _one_an_image("decoder", likelihood, (len(x),), x.shape[1:])
        reconstruction = likelihood.log_prob(x)
        kl_per_dim = _kl_per_dim(q, p)
        kl = _kl(q, p, z) if kl_per_dim is None else kl_per_dim.sum(-1)
        return Elbo(reconstruction, kl, kl_per_dim, beta)

    def forward(self, x: Tensor):
        raise NotImplementedError(
            "A VAE has no single output: call vae.elbo(x) for the bound, "
            "vae.reconstruct(x) for images, vae.encode(x) for q(z|x)."
        )

    @property
    def device(self) -> torch.device:
        return next((p.device for p in self.parameters()), torch.device("cpu"))

    def save(self, path) -> None:
        """Write weights and configuration to one safetensors file, atomically."""
        if self.config is None:
            raise ValueError(
                "This VAE was put together by hand, so its file could not rebuild it: "
                "save its state_dict() with safetensors.torch.save_file, and build it "
                "again before loading."
            )
        path = Path(path)
        if not path.parent.is_dir():
            raise FileNotFoundError(
                f"The folder {path.parent} does not exist; create it before saving."
            )
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a folder; give a file name in it.")
        config = json.dumps(self.config, default=float)
        weights = {k: v.contiguous() for k, v in self.state_dict().items()}
        rebuilt = _build(type(self), config)
        expected = {k: v.shape for k, v in rebuilt.state_dict().items()}
        changed = {k: v.shape for k, v in weights.items()} != expected
        if changed or repr(rebuilt) != repr(self):  # layers without weights count, too
            raise ValueError(
                "This VAE has been changed since it was built, so its file could not "
                "rebuild it: save its state_dict() with safetensors.torch.save_file."
            )
        metadata = {"format": "vaelib", "config": config}
        # Written beside its place and moved: a reader sees the old file or the new.
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder:
            partial = Path(folder) / path.name
            safetensors.torch.save_file(weights, partial, metadata)
            os.replace(partial, path)

    @classmethod
    def load(cls, path) -> "VAE":
        """Rebuild a VAE that save() wrote. On the CPU; move it with .to(device)."""
        if not Path(path).is_file():
            raise FileNotFoundError(
                f"There is no file {path}; vae.save(path) makes one."
            )
        try:
            with safetensors.safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                weights = {name: file.get_tensor(name) for name in file.keys()}
        except safetensors.SafetensorError as error:
            raise ValueError(
                f"{path} is not a complete safetensors file ({error}); save it again "
                "or copy it again."
            ) from error
        if "vaelib-checkpoint" in metadata:
            raise ValueError(
                f"{path} is a checkpoint of vaelib.fit, not a model: fit with "
                "checkpoint= this file gives the model back, and vae.save keeps it."
            )
        if metadata.get("format") != "vaelib":
            raise ValueError(
                f"{path} holds weights but no vaelib configuration; build the model "
                "and call load_state_dict instead."
            )
        try:
            # In the weights' precision first: copying into float32 would round them.
            vae = _build(cls, metadata["config"]).to(next(iter(weights.values())).dtype)
            vae.load_state_dict(weights)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ValueError(
                f"The weights in {path} do not fit its configuration ({error}); if it "
                "comes from another version of vaelib, train and save the model again."
            ) from error
        return vae

    def prepared(self, values: Tensor) -> Tensor:
        """values on the model's device and in its precision."""
        reference = next(self.parameters(), None)
        return values if reference is None else values.to(reference)

    def _checked(self, x: Tensor) -> Tensor:
        checks.images(x, self.shape)
        return self.prepared(x)


def _build(cls, config: str) -> VAE:
    """The VAE of a saved configuration, with fresh weights."""
    config = json.loads(config)
    builder = {"mlp": cls.mlp, "conv": cls.conv}[config.pop("builder")]
    with seeded(0):  # initial weights are drawn, and nobody's random state should move
        return builder(**config)


def _one_an_image(name: str, given, batch: tuple, event: torch.Size) -> None:
    """Anything else would broadcast somewhere, and train on a wrong bound."""
    if not isinstance(given, Distribution):
        raise TypeError(
            f"{name} must return a torch distribution, got {type(given).__name__}; a "
            "mean and a log-variance make one with "
            "vaelib.networks.diagonal_normal(mu, logvar)."
        )
    if given.batch_shape != batch or given.event_shape != event:
        raise ValueError(
            f"{name} must give one distribution an image, batch shape {tuple(batch)} "
            f"and event shape {tuple(event)}, got {tuple(given.batch_shape)} and "
            f"{tuple(given.event_shape)}; wrap it, and the prior, in "
            "torch.distributions.Independent over all axes of one image or code."
        )


def _check_number(name: str, value) -> None:
    try:
        float(value)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(
            f"{name} must be a number, got {type(value).__name__}; labels are not "
            "asked for, and schedules belong into vaelib.fit."
        ) from None


def _kl_per_dim(q: Distribution, p: Distribution) -> Tensor | None:
    """KL(q || p) of each dimension, (N, d), where both factorise; None elsewhere."""
    independent = torch.distributions.Independent
    if not (isinstance(q, independent) and isinstance(p, independent)):
        return None
    if not q.reinterpreted_batch_ndims == p.reinterpreted_batch_ndims == 1:
        return None
    try:
        return kl_divergence(q.base_dist, p.base_dist)
    except NotImplementedError:
        return None


def _kl(q: Distribution, p: Distribution, z: Tensor) -> Tensor:
    """KL(q || p) in closed form where torch has one, else estimated at z ~ q."""
    try:
        return kl_divergence(q, p)
    except NotImplementedError:
        return q.log_prob(z) - p.log_prob(z)
