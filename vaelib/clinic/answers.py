"""What a loss gives, as named tensors, and what they say of it."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from vaelib._state import seeded
from vaelib.clinic.examinations import EXAMINATIONS, grey_noise
from vaelib.clinic.net import Net
from vaelib.exercises.exercise import same
from vaelib.exercises.probes import Given, attempted, function
from vaelib.exercises.report import Finding

BATCH, REPEATS, DRAWS = 8, 8, 25
NOISE = "average over the noise"
SUMMED = " (a sum over the batch, where a mean is due; right but for that)"


def networks(generator: torch.Generator) -> Given:
    """New networks, by their seeds, and what they see; and one look closer."""
    modes = {"a network": True, "another": True, "one in evaluation mode": False}
    cases = {}
    for case, training in modes.items():
        seed = torch.randint(2**31, (), generator=generator).item()
        cases[case] = seed, grey_noise(BATCH, generator), training
    return cases | {"examined": ()}


def ask(loss, given: Given) -> dict[str, Tensor]:
    """The numbers of a loss: on each network, and where it is to be examined."""
    function(loss)
    out = {}
    for case, arguments in given.items():
        out |= on_network(loss, case, *arguments) if arguments else examined(loss)
    return out


def on_network(loss, case: str, seed: int, x: Tensor, training: bool) -> dict:
    """Value, and gradient by the weights of the encoder."""
    with seeded(seed):
        net = Net().train(training)
        value = loss(net, x.clone())
    attempted(value)
    if not isinstance(value, Tensor) or value.dim() > 0:
        got = getattr(value, "shape", type(value).__name__)
        raise TypeError(f"a loss is one number, a tensor of shape (), got {got}.")
    weights = list(net.vae.encoder.parameters())
    slopes = [torch.zeros_like(w) for w in weights]
    if value.requires_grad:
        slopes = torch.autograd.grad(value, weights, materialize_grads=True)
    gradient = torch.cat([s.flatten() for s in slopes])
    return {f"value on {case}": value.detach(), f"gradient on {case}": gradient}


def examined(loss) -> dict[str, Tensor]:
    """What each examination measures, one nan where it cannot; and the mean over the
    noise of a larger batch, with the variance of that mean.
    """
    out = {}
    for exam in EXAMINATIONS:
        try:
            numbers = exam.measure(loss)
        except Exception:
            numbers = math.nan
        out[exam.__name__] = torch.tensor(numbers, dtype=torch.float64)
    with seeded(0), torch.no_grad():
        net, x = Net(), grey_noise(BATCH).repeat(REPEATS, 1, 1, 1)
        draws = torch.stack([loss(net, x) for _ in range(DRAWS)])
    return out | {NOISE: torch.stack([draws.mean(), draws.var() / DRAWS])}


def alike(out: dict, other: dict, names, rtol: float, atol: float) -> bool:
    """Whether value and gradient are the same on each network, or all of them larger
    by the size of the batch: a sum over it.
    """
    return times(out, other, names, rtol, atol) is not None


def times(out: dict, other: dict, names, rtol: float, atol: float) -> int | None:
    """By which of the two factors value and gradient are larger, if by either."""
    names = [name for name in names if name.split()[0] in ("value", "gradient")]
    for by in (1, BATCH):
        if same(out, {n: by * other[n] for n in names}, names, rtol, by * atol):
            return by
    return None


def verdict(out: dict, given: Given, due: dict) -> Iterator[Finding]:
    """Right where value and gradient are; or else, for a loss with noise of its own,
    where all examinations are passed and the average over the noise is right.
    """
    by = times(out, due, due, rtol=1e-5, atol=1e-5)
    if by:
        text = "values and gradients, on three networks"
        yield Finding(True, text + SUMMED * (by > 1))
        return
    for exam in EXAMINATIONS:
        name = exam.__name__
        found = Finding(False, "cannot be made; of `net`, call `encode` and `decode`")
        if out[name].shape == due[name].shape:
            found = exam.verdict(*out[name].tolist())
        yield Finding(found.ok, f"{name}: {found.text}")
    (mean, doubt), (right, also) = out[NOISE].tolist(), due[NOISE].tolist()
    close = []
    for by in (1, BATCH * REPEATS):  # a mean, or a sum, over the batch
        scale = by**2 * also
        # Other noise may be louder, but nobody can buy tolerance with it.
        error = math.sqrt(min(max(doubt, 0.0), 25 * scale) + scale)
        close.append(abs(mean - by * right) < 4 * error + by * 1e-4)
    text = f"{NOISE}: {mean:.2f}; due {right:.2f} nats an image"
    yield Finding(any(close), text + SUMMED * close[1])
