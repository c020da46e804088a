"""A VAE whose evidence and posterior are exact: the known answer for the bounds.

z ~ N(0, I), x | z ~ N(W z + b, s^2 I), hence x ~ N(b, W W^T + s^2 I) and
z | x ~ N(m, S) with S = (I + W^T W / s^2)^-1 and m = S W^T (x - b) / s^2.
"""

import torch
from torch import nn
from torch.distributions import Independent, MultivariateNormal, Normal

import vaelib


class LinearGaussian:
    def __init__(self, dim=6, latent_dim=2, noise=0.5, seed=0):
        g = torch.Generator().manual_seed(seed)
        self.W = torch.randn(dim, latent_dim, generator=g)
        self.b = torch.randn(dim, generator=g)
        self.noise = noise
        eye = torch.eye(latent_dim)
        self.covariance = torch.linalg.inv(eye + self.W.T @ self.W / noise**2)

    def decoder(self, z):
        mean = z @ self.W.T + self.b
        return Independent(Normal(mean, self.noise), 1)

    def posterior_mean(self, x):
        return (x - self.b) @ self.W @ self.covariance / self.noise**2

    def posterior(self, x):
        return MultivariateNormal(self.posterior_mean(x), self.covariance)

    def log_evidence(self, x):
        marginal = self.W @ self.W.T + self.noise**2 * torch.eye(len(self.b))
        return MultivariateNormal(self.b, marginal).log_prob(x)

    def data(self, n, seed=1):
        g = torch.Generator().manual_seed(seed)
        z = torch.randn(n, self.W.shape[1], generator=g)
        noise = torch.randn(n, len(self.b), generator=g)
        return z @ self.W.T + self.b + self.noise * noise

    def vae(self, encoder):
        return vaelib.VAE(encoder, self.decoder, vaelib.StandardNormal(self.W.shape[1]))


class DiagonalEncoder(nn.Module):
    """The exact posterior mean with a diagonal covariance, wider by a factor."""

    def __init__(self, model, widen=1.3):
        super().__init__()
        self.model, self.widen = model, widen

    def forward(self, x):
        sigma = self.widen * self.model.covariance.diagonal().sqrt()
        mean = self.model.posterior_mean(x)
        return Independent(Normal(mean, sigma.expand_as(mean)), 1)
