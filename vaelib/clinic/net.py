"""The network of the clinic, and a right loss for it."""

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from vaelib.model import VAE

SHAPE = (1, 28, 28)


class Net(nn.Module):
    """encode(x) -> mu, logvar and decode(z) -> logits, over the weights of `vae`."""

    def __init__(self, shape=SHAPE, hidden=(200,), latent_dim=10):
        super().__init__()
        self.shape = tuple(shape)
        self.vae = VAE.mlp(self.shape, hidden, latent_dim)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.vae.encoder.features(x)
        return self.vae.encoder.mu(h), self.vae.encoder.logvar(h)

    def decode(self, z: Tensor) -> Tensor:
        return self.vae.decoder.logits(z).reshape(-1, *self.shape)


def healthy(net, x):
    """Minus the bound of images x (N, C, H, W), mean over the batch, in nats."""
    mu, logvar = net.encode(x)
    z = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)
    logits = net.decode(z)
    bce = binary_cross_entropy_with_logits(logits, x, reduction="none")
    reconstruction = bce.flatten(1).sum(1)
    kl = 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(1)
    return (reconstruction + kl).mean()
