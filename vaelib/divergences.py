"""The reparameterisation trick and the Gaussian divergences, in nats."""

import torch
from torch import Tensor


def reparameterize(mu: Tensor, logvar: Tensor) -> Tensor:
    """Draw z ~ N(mu, sigma^2) so that gradients reach mu and logvar.

    z = mu + sigma * eps with eps ~ N(0, 1) and sigma = exp(logvar / 2): the
    randomness enters from outside, and z is a smooth function of mu and logvar.

    Shapes: mu and logvar alike, any shape; the result has the shape of mu.
    Source: Kingma and Welling (2014), section 2.4.
    """
    _same_shape(mu, logvar)
    eps = torch.randn_like(mu)
    return mu + torch.exp(0.5 * logvar) * eps


def kl_standard_normal(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL( N(mu, sigma^2) || N(0, 1) ) of each dimension, in nats.

    1/2 (mu^2 + sigma^2 - 1 - log sigma^2) with logvar = log sigma^2. Never
    negative, and zero only at mu = 0, logvar = 0. Sum over the last axis for the
    divergence of a diagonal Gaussian.

    Shapes: mu and logvar alike, any shape; the result has the shape of mu.
    Source: Kingma and Welling (2014), appendix B; derived in chapter 5.
    """
    _same_shape(mu, logvar)
    # expm1 keeps the digits of sigma^2 - 1 that exp(logvar) - 1 would cancel.
    return 0.5 * (mu.square() + torch.expm1(logvar) - logvar)


def kl_gaussian(mu_q: Tensor, cov_q: Tensor, mu_p: Tensor, cov_p: Tensor) -> Tensor:
    """KL( N(mu_q, cov_q) || N(mu_p, cov_p) ) with full covariances, in nats.

    1/2 [ tr(cov_p^-1 cov_q) + (mu_p - mu_q)^T cov_p^-1 (mu_p - mu_q)
          - d + log det cov_p - log det cov_q ]

    Computed from Cholesky factors, so that nothing is inverted.

    Shapes: means (..., d), covariances (..., d, d); the leading axes broadcast
    and are the shape of the result.
    Raises ValueError when shapes disagree or a covariance is not symmetric
    positive definite.
    Source: document 002, section 2.2.2; derived in chapter 5.
    """
    _tensors(mu_q=mu_q, cov_q=cov_q, mu_p=mu_p, cov_p=cov_p)
    chol_q = _cholesky("cov_q", mu_q, cov_q)
    chol_p = _cholesky("cov_p", mu_p, cov_p)
    d = mu_q.shape[-1]
    if mu_p.shape[-1] != d:
        raise ValueError(
            f"mu_q and mu_p must have one length, got {d} and {mu_p.shape[-1]}: "
            "the divergence compares distributions over the same space."
        )
    ratio = torch.linalg.solve_triangular(chol_p, chol_q, upper=False)
    shift = (mu_p - mu_q).unsqueeze(-1)
    shift = torch.linalg.solve_triangular(chol_p, shift, upper=False)
    return 0.5 * (
        ratio.square().sum((-2, -1))
        + shift.square().sum((-2, -1))
        - d
        + _logdet(chol_p)
        - _logdet(chol_q)
    )


def _logdet(chol: Tensor) -> Tensor:
    return 2 * chol.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def _cholesky(name: str, mu: Tensor, cov: Tensor) -> Tensor:
    d = mu.shape[-1] if mu.dim() else 0
    if mu.dim() == 0 or cov.shape[-2:] != (d, d):
        raise ValueError(
            f"{name} must have shape (..., {d}, {d}) to go with a mean of shape "
            f"{tuple(mu.shape)}, got {tuple(cov.shape)}; for a diagonal covariance "
            "pass torch.diag_embed(variance)."
        )
    # Relative to the two standard deviations, so that units do not matter.
    sigma = cov.detach().diagonal(dim1=-2, dim2=-1).sqrt()
    tolerance = 1e-4 * sigma.unsqueeze(-1) * sigma.unsqueeze(-2)
    symmetric = ((cov - cov.mT).abs() <= tolerance).all()
    chol, info = torch.linalg.cholesky_ex(cov)
    if not symmetric or info.any():
        raise ValueError(
            f"{name} must be symmetric positive definite, and it is not: check that "
            "it holds variances (not standard deviations or their logarithm), or add "
            "a small multiple of the identity."
        )
    return chol


def _tensors(**given) -> None:
    for name, value in given.items():
        if not isinstance(value, Tensor):
            raise TypeError(
                f"{name} must be a tensor, got {type(value).__name__}; "
                "torch.as_tensor(...) makes one of numbers, lists and arrays."
            )


def _same_shape(mu: Tensor, logvar: Tensor) -> None:
    _tensors(mu=mu, logvar=logvar)
    if mu.shape != logvar.shape:
        raise ValueError(
            f"mu and logvar must have the same shape, got {tuple(mu.shape)} and "
            f"{tuple(logvar.shape)}: the encoder gives one log-variance per mean."
        )
