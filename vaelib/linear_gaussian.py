"""A VAE whose answer is known: everything linear, everything Gaussian.

z ~ N(0, I) and x | z ~ N(W z + mu, sigma^2 I), known as probabilistic PCA. The
evidence, the posterior, the best parameters and the best factorised encoder all have
closed forms, so that bounds can be held against the truth. Chapter 11 derives them.
"""

import math

import torch
from torch import Tensor, nn
from torch.distributions import (
    Distribution,
    Independent,
    LowRankMultivariateNormal,
    MultivariateNormal,
    Normal,
)

from vaelib import _checks as checks
from vaelib.model import VAE
from vaelib.networks import StandardNormal, diagonal_normal


class LinearGaussian(nn.Module):
    """p(x|z) = N(W z + mu, sigma^2 I): a decoder that knows its own evidence.

    W has shape (D, d), mu (D,) and sigma is a positive number; data x have shape
    (N, D) and codes z (..., d). All three are parameters: training may move them, and
    every method answers for the values they have now. The prior is N(0, I).
    Source: Tipping and Bishop (1999); derived in chapter 11.
    """

    def __init__(self, W: Tensor, mu: Tensor, sigma: float):
        super().__init__()
        if W.dim() != 2 or mu.shape != W.shape[:1]:
            raise ValueError(
                "W must have shape (D, d) and mu shape (D,), got "
                f"{tuple(W.shape)} and {tuple(mu.shape)}."
            )
        self.W = nn.Parameter(W.detach().clone())
        self.mu = nn.Parameter(mu.detach().clone())
        log_sigma = math.log(checks.positive("sigma", sigma))
        self.log_sigma = nn.Parameter(torch.tensor(log_sigma, dtype=W.dtype))

    @classmethod
    def random(
        cls, dim: int, latent_dim: int, sigma: float = 1.0, scale: float = 1.0, seed=0
    ) -> "LinearGaussian":
        """W of normal entries with standard deviation scale, and mu = 0."""
        dim = checks.count("dim", dim)
        latent_dim = checks.count("latent_dim", latent_dim)
        generator = torch.Generator().manual_seed(checks.count("seed", seed, least=0))
        W = scale * torch.randn(dim, latent_dim, generator=generator)
        return cls(W, torch.zeros(dim), sigma)

    @classmethod
    @torch.no_grad()
    def maximum_likelihood(cls, x: Tensor, latent_dim: int) -> "LinearGaussian":
        """The parameters with the largest mean log p(x) over data x, (N, D).

        mu is the mean of x. The columns of W are the first eigenvectors of the
        covariance of x, each scaled by sqrt(eigenvalue - sigma^2), and sigma^2 is the
        mean of the other eigenvalues. Rotating W gives the same likelihood.
        Source: Tipping and Bishop (1999), section 3.2.
        """
        _require_data(x)
        dim, latent_dim = x.shape[1], checks.count("latent_dim", latent_dim)
        if latent_dim >= dim:
            raise ValueError(
                f"latent_dim must be less than the {dim} dimensions of x, got "
                f"{latent_dim}: sigma^2 is the mean of the eigenvalues that are left."
            )
        # In double precision: sigma^2 is made of the smallest eigenvalues.
        covariance = x.double().T.cov(correction=0)
        values, vectors = torch.linalg.eigh(covariance)  # in rising order
        values, vectors = values.flip(0).clamp(min=0), vectors.flip(1)
        noise = values[latent_dim:].mean()
        if noise <= 1e-12 * values[0] or values[0] == 0:
            raise ValueError(
                f"x lies in a space of {latent_dim} dimensions, so its likelihood has "
                "no maximum (sigma would be 0): take a smaller latent_dim or more data."
            )
        W = vectors[:, :latent_dim] * (values[:latent_dim] - noise).sqrt()
        return cls(W.to(x), x.mean(0), noise.sqrt().item())

    @property
    def sigma(self) -> Tensor:
        """The standard deviation of the noise."""
        return self.log_sigma.exp()

    @property
    def precision(self) -> Tensor:
        """Of the posterior: I + W^T W / sigma^2, shape (d, d), the same for all x."""
        eye = torch.eye(self.W.shape[1]).to(self.W)
        return eye + self.W.T @ self.W / self.sigma.square()

    def forward(self, z: Tensor) -> Distribution:
        """p(x|z)."""
        mean = z @ self.W.T + self.mu
        return Independent(
            Normal(mean, self.sigma, validate_args=False), 1, validate_args=False
        )

    def marginal(self) -> Distribution:
        """p(x) = N(mu, W W^T + sigma^2 I)."""
        noise = self.sigma.square().expand_as(self.mu)
        return LowRankMultivariateNormal(self.mu, self.W, noise)

    def log_evidence(self, x: Tensor) -> Tensor:
        """log p(x), exact, in nats, shape (N,)."""
        return self.marginal().log_prob(x)

    def posterior_mean(self, x: Tensor) -> Tensor:
        """The mean of p(z|x), shape (N, d); linear in x."""
        evidence = (x - self.mu) @ self.W / self.sigma.square()
        return torch.linalg.solve(self.precision, evidence.mT).mT

    def posterior(self, x: Tensor) -> Distribution:
        """p(z|x), with a full covariance: as an encoder it leaves no gap."""
        return MultivariateNormal(
            self.posterior_mean(x),
            precision_matrix=self.precision,
            validate_args=False,  # else one Cholesky factor for each of the images
        )

    def factorised(self, x: Tensor, widen: float = 1.0) -> Distribution:
        """Of all Gaussians with independent dimensions, the nearest to p(z|x).

        Nearest in KL(q || p(z|x)): the exact mean, and one over the diagonal of the
        precision as variances. widen multiplies the standard deviations.
        Source: Bishop (2006), section 10.1.2.
        """
        mean = self.posterior_mean(x)
        logvar = -self.precision.diagonal().log() + 2 * math.log(widen)
        return diagonal_normal(mean, logvar.expand_as(mean))

    def vae(self, encoder) -> VAE:
        """The VAE with this decoder, the prior N(0, I) and that encoder.

        encoder may be one of this model's own, vae(model.posterior).
        """
        return VAE(encoder, self, StandardNormal(self.W.shape[1]).to(self.W))

    @torch.no_grad()
    def rotated(self, R: Tensor) -> "LinearGaussian":
        """The same p(x) with codes turned by the orthogonal matrix R, (d, d)."""
        d = self.W.shape[1]
        eye = torch.eye(d).to(self.W)
        if R.shape != (d, d) or (R @ R.T - eye).abs().max() > 1e-4:
            raise ValueError(f"R must be an orthogonal matrix of shape ({d}, {d}).")
        return LinearGaussian(self.W @ R, self.mu, self.sigma.item())


class LinearEncoder(nn.Module):
    """q(z|x) = N(A x + b, S), with one covariance S for all x.

    S is diagonal, or with full=True any covariance. The exact posterior of a
    LinearGaussian has this form. At the start q is N(0, I) for all x.
    """

    def __init__(self, dim: int, latent_dim: int, full: bool = False):
        super().__init__()
        self.mean = nn.Linear(
            checks.count("dim", dim), checks.count("latent_dim", latent_dim)
        )
        nn.init.zeros_(self.mean.weight)
        nn.init.zeros_(self.mean.bias)
        self.logvar = nn.Parameter(torch.zeros(latent_dim))
        self.lower = nn.Parameter(torch.zeros(latent_dim, latent_dim)) if full else None

    def forward(self, x: Tensor) -> Distribution:
        mean = self.mean(x)
        if self.lower is None:
            return diagonal_normal(mean, self.logvar.expand_as(mean))
        root = self.lower.tril(-1) + torch.diag(torch.exp(self.logvar / 2))
        return MultivariateNormal(mean, scale_tril=root, validate_args=False)


def _require_data(x: Tensor) -> None:
    checks.images(x, None)
    if x.dim() != 2 or len(x) < 2:
        raise ValueError(
            "x must have shape (N, D) with at least two rows, got "
            f"{tuple(x.shape)}; for images pass x.flatten(1)."
        )
