"""The examinations. Each takes a loss and gives a Finding; none of them needs data.

Most use a phantom: a net with known answers, so that the loss has a known value.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from vaelib._state import seeded
from vaelib.clinic.net import SHAPE, Net
from vaelib.divergences import kl_standard_normal


class Phantom:
    """A net that answers what it is told, and keeps the codes it has to decode."""

    def __init__(self, mu=0.0, logvar=0.0, logits=0.0, dims=10, training=True):
        self.mu, self.logvar, self.logits = mu, logvar, torch.as_tensor(logits)
        self.dims, self.training = dims, training

    def encode(self, x):
        full = torch.zeros(len(x), self.dims).to(x)
        return full + self.mu, full + self.logvar

    def decode(self, z):
        self.z = z
        return self.logits.expand(len(z), *SHAPE)


@dataclass(frozen=True)
class Finding:
    """Whether an examination was passed, and a sentence with its numbers."""

    ok: bool
    text: str


def ignorance(loss) -> Finding:
    """A decoder that always says one half, a code that says nothing: 784 log 2."""
    x = grey_noise(16)
    expected = math.prod(SHAPE) * math.log(2)
    return _value(loss, Phantom(), x, expected, "the coin")


def copy(loss) -> Finding:
    """A perfect copy at no cost of code still pays the entropy of the grey pixels."""
    x = grey_noise(16)
    entropy = torch.special.entr(x) + torch.special.entr(1 - x)
    expected = entropy.flatten(1).sum(1).mean().item()
    return _value(loss, Phantom(logits=torch.logit(x)), x, expected, "a perfect copy")


def price(loss) -> Finding:
    """A code away from the prior costs its KL on top of the coin."""
    mu, logvar = torch.tensor(0.5), torch.tensor(-1.0)
    kl = 10 * kl_standard_normal(mu, logvar).item()
    expected = math.prod(SHAPE) * math.log(2) + kl
    return _value(
        loss, Phantom(mu, logvar), grey_noise(16), expected, f"{kl:.2f} of code"
    )


def noise(loss) -> Finding:
    """The codes that reach the decoder are spread as q(z|x) says, in both modes."""
    for training in (True, False):
        phantom = Phantom(mu=3.0, logvar=math.log(0.25), training=training)
        with seeded(0):
            loss(phantom, grey_noise(400))
        centre, spread = phantom.z.mean().item(), phantom.z.std().item()
        ok = abs(centre - 3) < 0.05 and abs(spread - 0.5) < 0.05
        if not ok:
            break
    where = "" if ok or training else " in evaluation mode"
    return Finding(
        ok, f"z has mean {centre:.2f}, spread {spread:.2f}{where}; due 3.00 and 0.50"
    )


def slope(loss) -> Finding:
    """Autograd's slope against a finite difference, along one direction.

    The noise is frozen by its seed. Only the encoder's weights move.
    """
    x = grey_noise(8).double()
    with seeded(1):
        net = Net().double()
        weights = list(net.vae.encoder.parameters())
        ways = [torch.randn_like(w) for w in weights]

    def value(step=0.0):
        with torch.no_grad():
            for w, way in zip(weights, ways, strict=True):
                w += step * way
        with seeded(2):
            return loss(net, x)

    here = value()
    if not here.requires_grad:
        return Finding(False, "the loss carries no gradient at all")
    slopes = torch.autograd.grad(here, weights, allow_unused=True)
    pairs = zip(slopes, ways, strict=True)
    autograd = sum((s * way).sum().item() for s, way in pairs if s is not None)
    finite = (value(1e-6) - value(-2e-6)).item() / 2e-6  # from 1e-6 to -1e-6
    ok = math.isclose(autograd, finite, rel_tol=1e-3, abs_tol=1e-6)
    text = f"slope {autograd:.4g} by autograd, {finite:.4g} by difference"
    return Finding(ok, text)


EXAMINATIONS = (ignorance, copy, price, noise, slope)


def examine(loss) -> "Examination":
    """All examinations of a loss(net, x)."""
    return Examination({exam.__name__: exam(loss) for exam in EXAMINATIONS})


@dataclass(frozen=True)
class Examination:
    """The findings of all examinations, by name."""

    findings: dict[str, Finding]

    @property
    def failed(self) -> list[str]:
        return [name for name, finding in self.findings.items() if not finding.ok]

    def __repr__(self) -> str:
        return "\n".join(
            f"{'ok  ' if finding.ok else 'FAIL'} {name:<9}  {finding.text}"
            for name, finding in self.findings.items()
        )

    def _repr_markdown_(self) -> str:
        rows = [
            f"| {name} | {'ok' if finding.ok else '**fails**'} | {finding.text} |"
            for name, finding in self.findings.items()
        ]
        return "\n".join(["| examination | | finding |", "|---|---|---|", *rows])


def _value(loss, phantom, x, expected, what) -> Finding:
    with seeded(0):
        value = loss(phantom, x).item()
    close = [math.isclose(value, c * expected, rel_tol=1e-4) for c in (1, len(x))]
    batch = " (over the batch)" if close[1] else ""
    return Finding(
        any(close), f"{what}: {value:.2f}{batch}; due {expected:.2f} nats an image"
    )


def grey_noise(n: int) -> Tensor:
    """Grey noise: no examination needs more."""
    grey = torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(0))
    return 0.02 + 0.96 * grey
