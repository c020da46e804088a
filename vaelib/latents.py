"""Codes seen from above: roads between them, where they lie, which numbers they use."""

import math

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from vaelib import _checks as checks
from vaelib._state import evaluating
from vaelib.model import VAE

PARALLEL = 1e-6  # sine below which two codes have no arc between them


def slerp(a: Tensor, b: Tensor, t) -> Tensor:
    """From code a (t = 0) to code b (t = 1) along the arc, not the straight line.

    [ sin((1 - t) omega) a + sin(t omega) b ] / sin(omega), with omega the angle
    between a and b. Codes of one length keep that length all the way. Where they
    point along one line there is no arc to follow, and the way is straight.

    a and b have shape (..., d); t is a number, or a tensor that broadcasts with
    (..., 1), such as torch.linspace(0, 1, 9)[:, None] for nine stops between two codes
    of shape (d,).
    Source: Shoemake (1985); for codes, White (2016).
    """
    a, b = _codes("a", a), _codes("b", b)
    if a.shape[-1] != b.shape[-1]:
        raise ValueError(
            "a and b must be codes of one space, got "
            f"{a.shape[-1]} and {b.shape[-1]} dimensions."
        )
    t = torch.as_tensor(t, dtype=a.dtype, device=a.device)
    if t.dim() and t.shape[-1] != 1:
        raise ValueError(
            f"t must be a number or have shape (..., 1), got {tuple(t.shape)}; "
            "t[:, None] walks through a list of them."
        )
    length_a, length_b = (v.norm(dim=-1, keepdim=True) for v in (a, b))
    u, v = a / length_a.clamp(min=1e-30), b / length_b.clamp(min=1e-30)
    # The arc cosine of u . v would lose half of the digits near 0 and 180 degrees.
    across, along = (w.norm(dim=-1, keepdim=True) for w in (u - v, u + v))
    omega = 2 * torch.atan2(across, along)
    sine = omega.sin()
    straight = (sine <= PARALLEL) | (length_a == 0) | (length_b == 0)
    sine = torch.where(straight, 1.0, sine)
    weight_a = torch.where(straight, 1 - t, ((1 - t) * omega).sin() / sine)
    weight_b = torch.where(straight, t, (t * omega).sin() / sine)
    return weight_a * a + weight_b * b


@evaluating
def active_units(vae: VAE, x: Tensor, threshold: float = 0.01) -> Tensor:
    """Which latent dimensions the encoder uses, a boolean for each, shape (d,).

    A unit is active when the posterior mean varies over the images x (N, C, H, W):
    Var_x(E_q[z_j]) > threshold. Count them with .sum(); pass hundreds of images.
    Source: Burda et al. (2016), section 5.1.
    """
    if len(x) < 2:
        raise ValueError(
            f"x must hold two images at least, got {len(x)}: a unit is active when its "
            "mean differs between images."
        )
    return vae.encode(x).mean.var(0) > checks.positive("threshold", threshold)


def log_aggregate(q: Distribution, z: Tensor) -> Tensor:
    """log q(z) of the aggregate posterior, the mean of the N distributions in q.

    q is what vae.encode(x) returns for N images, diagonal Gaussians; z has shape
    (..., d), the result (...). Exact, in float64: a sum over all N for each code,
    (codes x N) numbers in memory.
    Source: Hoffman and Johnson (2016); derived in chapter 10.
    """
    if not (isinstance(q, Independent) and isinstance(q.base_dist, Normal)):
        raise TypeError(
            f"q must be the diagonal Gaussians of vae.encode(x), got {q!r}."
        )
    mu, sigma = q.base_dist.loc.double(), q.base_dist.scale.double()
    if mu.dim() != 2 or z.shape[-1:] != mu.shape[-1:]:
        raise ValueError(
            "q must hold a distribution an image, (N, d), and z codes (..., d); got "
            f"{tuple(mu.shape)} and {tuple(z.shape)}."
        )
    flat = z.double().reshape(-1, mu.shape[1])
    # The square (z - mu)^2 / sigma^2 written out, so that two matrix products give
    # all pairs: nothing of size codes x N x d is ever made.
    precision = sigma**-2
    square = flat.square() @ precision.T - 2 * flat @ (mu * precision).T
    constant = (mu.square() * precision + 2 * sigma.log()).sum(1)
    constant = constant + mu.shape[1] * math.log(2 * math.pi)
    log_q = torch.logsumexp(-0.5 * (square + constant), 1) - math.log(len(mu))
    return log_q.reshape(z.shape[:-1])


def _codes(name: str, z) -> Tensor:
    if not isinstance(z, Tensor) or z.dim() == 0 or not z.is_floating_point():
        raise TypeError(
            f"{name} must be a tensor of codes, (..., d) floating-point numbers, got "
            f"{z!r}."
        )
    return z
