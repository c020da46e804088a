"""The examinations. Each takes a loss and gives a Finding; none of them needs data.

Most use a phantom: a net with known answers, so that the loss has a known value.
"""

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from vaelib._state import seeded
from vaelib.clinic.net import SHAPE, Net
from vaelib.divergences import kl_standard_normal
from vaelib.exercises.report import Finding


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


def judged_by(verdict):
    """Make a measurement of a loss an examination, which gives a Finding on it.

    The two can be had apart, as `measure` and `verdict`, so that what a stranger wrote
    is measured in a sandbox and judged outside it.
    """

    def examination_by(measure):
        @functools.wraps(measure)
        def examination(loss) -> Finding:
            return verdict(*measure(loss))

        examination.measure, examination.verdict = measure, verdict
        return examination

    return examination_by


def pays(nats: float, what: str):
    """The verdict on a value: nats an image, or their sum over a batch of 16."""

    def verdict(value) -> Finding:
        close = [math.isclose(value, c * nats, rel_tol=1e-5) for c in (1, 16)]
        batch = " (over the batch)" if close[1] else ""
        text = f"{what}: {value:.2f}{batch}; due {nats:.2f} nats an image"
        return Finding(any(close), text)

    return verdict


def grey_noise(n: int, generator: torch.Generator | None = None) -> Tensor:
    """Grey noise: no examination needs more."""
    generator = generator or torch.Generator().manual_seed(0)
    return 0.02 + 0.96 * torch.rand(n, *SHAPE, generator=generator)


GREY = grey_noise(16)
ENTROPY = torch.special.entr(torch.stack([GREY, 1 - GREY])).sum().item() / len(GREY)
COIN = math.prod(SHAPE) * math.log(2)
CODE = 10 * kl_standard_normal(torch.tensor(0.5), torch.tensor(-1.0)).item()


def charge(loss, phantom) -> tuple[float]:
    with seeded(0):
        return (loss(phantom, GREY.clone()).item(),)


@judged_by(pays(COIN, "the coin"))
def ignorance(loss):
    """A decoder that always says one half, a code that says nothing: 784 log 2."""
    return charge(loss, Phantom())


@judged_by(pays(ENTROPY, "a perfect copy"))
def copy(loss):
    """A perfect copy at no cost of code still pays the entropy of the grey pixels."""
    return charge(loss, Phantom(logits=torch.logit(GREY)))


def above_the_coin(coin, mean, doubt) -> Finding:
    """The verdict on what a code costs. Beside the coin a KL is small, so what is above
    the coin is looked at. `doubt` is the standard error of a mean over draws.
    """
    paid = pays(COIN + CODE, f"{CODE:.2f} of code")(mean)
    factor = 16 if mean > 4 * COIN else 1
    above, doubt = (mean - coin) / factor, doubt / factor
    right = abs(above - CODE) < 1e-3 + 4 * doubt
    if doubt > 1e-3:  # the KL is estimated at the draws of z
        text = f"{above:.2f} of code, give or take {doubt:.2f}; due {CODE:.2f} nats"
        return Finding(right and abs(coin / factor - COIN) < 0.01, text)
    if paid.ok and not right:
        text = f"{above:.4f} nats of code above the coin; due {CODE:.4f}"
        return Finding(False, text)
    return paid


@judged_by(above_the_coin)
def price(loss):
    """A code away from the prior costs its KL on top of the coin: at every draw, or as
    a mean over many.
    """
    phantom = Phantom(mu=0.5, logvar=-1.0)

    def draw():
        return loss(phantom, GREY.clone()).item()

    with seeded(0):
        values = [draw(), draw()]
        if not math.isclose(*values, rel_tol=1e-6):
            values += [draw() for _ in range(398)]
    values = torch.tensor(values, dtype=torch.float64)
    doubt = values.std() / math.sqrt(len(values))
    return *charge(loss, Phantom()), values.mean().item(), doubt.item()


def spread(*numbers) -> Finding:
    """The verdict on mean and spread of the codes, in training and in evaluation."""
    pairs = zip(numbers, (3, 0.5, 3, 0.5), strict=True)
    text = "mean {:.2f}, spread {:.2f}; in evaluation {:.2f}, {:.2f}; due 3, 0.5"
    return Finding(all(abs(a - b) < 0.05 for a, b in pairs), text.format(*numbers))


@judged_by(spread)
def noise(loss):
    """The codes that reach the decoder are spread as q(z|x) says, in both modes."""
    numbers = []
    for training in (True, False):
        phantom = Phantom(mu=3.0, logvar=math.log(0.25), training=training)
        with seeded(0):
            loss(phantom, grey_noise(400))
        numbers += [phantom.z.mean().item(), phantom.z.std().item()]
    return numbers


def agreement(autograd, finite) -> Finding:
    """The verdict on two slopes."""
    ok = math.isclose(autograd, finite, rel_tol=1e-3, abs_tol=1e-6)
    text = f"slope {autograd:.4g} by autograd, {finite:.4g} by difference"
    return Finding(ok, text)


@judged_by(agreement)
def slope(loss):
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

    here, autograd = value(), 0.0
    if here.requires_grad:
        slopes = torch.autograd.grad(here, weights, materialize_grads=True)
        pairs = zip(slopes, ways, strict=True)
        autograd = sum((s * way).sum().item() for s, way in pairs)
    finite = (value(1e-6) - value(-2e-6)).item() / 2e-6  # from 1e-6 to -1e-6
    return autograd, finite


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
