"""What an answer does on fixed inputs, and whether two answers do the same."""

import torch
from torch import Tensor

from vaelib._state import seeded
from vaelib.clinic.examinations import grey_noise
from vaelib.clinic.net import Net


class NotAttempted(Exception):
    """The function gave None."""


def probe_loss(loss) -> list[Tensor]:
    """Values and encoder gradients on three nets: two in training, one not."""
    out = []
    for seed, training in ((1, True), (2, True), (3, False)):
        with seeded(seed):
            net = Net().train(training)
            x = grey_noise(8)
            value = loss(net, x)
        if value is None:
            raise NotAttempted
        if not isinstance(value, Tensor) or value.dim() > 0:
            got = getattr(value, "shape", type(value).__name__)
            raise TypeError(f"a loss is one number, a tensor of shape (), got {got}.")
        slopes = torch.autograd.grad(
            value, list(net.vae.encoder.parameters()), allow_unused=True
        )
        weights = net.vae.encoder.parameters()
        pairs = zip(slopes, weights, strict=True)
        flat = [torch.zeros(w.numel()) if s is None else s.flatten() for s, w in pairs]
        out += [value.detach(), torch.cat(flat)]
    return out


def probe_bound(bound) -> list[Tensor]:
    """Bounds of seven images from five log-weights each, moderate and far from 0."""
    generator = torch.Generator().manual_seed(0)
    log_w = 3 * torch.randn(5, 7, generator=generator)
    out = []
    for shift in (0.0, -1000.0):
        value = bound(log_w + shift)
        if value is None:
            raise NotAttempted
        if not isinstance(value, Tensor) or value.shape not in ((7,), (5,)):
            got = tuple(getattr(value, "shape", ())) or type(value).__name__
            raise TypeError(
                f"of log-weights (5, 7) come bounds of shape (7,), got {got}."
            )
        out.append(value.detach())
    return out


PROBES = {"loss": probe_loss, "bound": probe_bound}


def same(out: list[Tensor], other: list[Tensor]) -> bool:
    """Equal to rounding, or by the factor of a sum over the batch of 8 throughout."""
    if [o.shape for o in out] != [o.shape for o in other]:
        return False
    for factor in (1.0, 8.0):
        if all(
            torch.allclose(a, factor * b, rtol=1e-5, atol=1e-5 * factor, equal_nan=True)
            for a, b in zip(out, other, strict=True)
        ):
            return True
    return False


def same_on_average(loss, other, draws=100) -> bool:
    """Equal in the mean over the noise, to four standard errors."""
    with seeded(5):
        net, x = Net(), grey_noise(16)
        with torch.no_grad():
            a = torch.stack([loss(net, x) for _ in range(draws)])
            b = torch.stack([other(net, x) for _ in range(draws)])
    for factor in (1, len(x)):  # a mean, or a sum, over the batch
        error = ((a.var() + factor**2 * b.var()) / draws).sqrt()
        if abs(a.mean() - factor * b.mean()) < 4 * error + factor * 1e-4:
            return True
    return False


def difference(out: list[Tensor], due: list[Tensor]) -> str:
    """What is wrong with these bounds, in a sentence."""
    if out[0].shape != due[0].shape:
        return "It gives a number a sample, not a number an image."
    if not all(o.isfinite().all() for o in out):
        return "It overflows for log-weights near -1000: use torch.logsumexp."
    return f"The first bound should be {due[0][0]:.3f}, and is {out[0][0]:.3f}."
