"""Answers one may expect: half-cures, and cures of another kind.

The docstring of each is what a check says of it.
"""

import math

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from vaelib.clinic.net import healthy


def log_sigma(net, x):
    """A right bound too, if the encoder's second output is read as log sigma
    throughout. Rename it, and convert saved models.
    """
    mu, log_sigma = net.encode(x)
    z = mu + torch.exp(log_sigma) * torch.randn_like(mu)
    bce = binary_cross_entropy_with_logits(net.decode(z), x, reduction="none")
    kl = 0.5 * (mu.square() + (2 * log_sigma).exp() - 1 - 2 * log_sigma).sum(1)
    return (bce.flatten(1).sum(1) + kl).mean()


def standard_input(net, x):
    """The encoder may see the image in any form, as long as the target of the cross-
    entropy lies in [0, 1].
    """
    mu, logvar = net.encode((x - 0.1307) / 0.3081)
    z = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)
    bce = binary_cross_entropy_with_logits(net.decode(z), x, reduction="none")
    kl = 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(1)
    return (bce.flatten(1).sum(1) + kl).mean()


def minus_softplus(net, x):
    """Now sigma is never above 1; a log-variance takes either sign."""
    return healthy(_Head(net, lambda h: -softplus(h)), x)


def relu_head(net, x):
    """A ReLU keeps sigma from falling below 1, as softplus did."""
    return healthy(_Head(net, torch.relu), x)


class _Head:
    """A net whose log-variance goes through one more function."""

    def __init__(self, net, head):
        self.net, self.head = net, head
        self.decode, self.training = net.decode, net.training

    def encode(self, x):
        mu, h = self.net.encode(x)
        return mu, self.head(h)


def both_means(net, x):
    """Two means do not cancel: 784 pixels and 10 dimensions make a weight of 78.4. Sum
    over both.
    """
    mu, logvar = net.encode(x)
    z = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)
    reconstruction = binary_cross_entropy_with_logits(net.decode(z), x)
    kl = 0.5 * (mu.square() + logvar.exp() - 1 - logvar)
    return reconstruction + kl.mean()


def plus_logvar(net, x):
    """Nearly: log sigma^2 still has the wrong sign. A narrow code is dear."""
    mu, logvar = net.encode(x)
    return healthy(net, x) + logvar.sum(1).mean()


def bound(net, x):
    """This is the bound itself; a loss is minus the bound."""
    return -healthy(net, x)


def half_path(net, x):
    """The gradient reaches mu, and logvar only through the KL: sigma is still
    detached.
    """
    mu, logvar = net.encode(x)
    z = mu + torch.exp(0.5 * logvar).detach() * torch.randn_like(mu)
    bce = binary_cross_entropy_with_logits(net.decode(z), x, reduction="none")
    kl = 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(1)
    return (bce.flatten(1).sum(1) + kl).mean()


def no_noise(net, x):
    """Without noise it is no bound: z must be drawn from q(z|x)."""
    mu, logvar = net.encode(x)
    bce = binary_cross_entropy_with_logits(net.decode(mu), x, reduction="none")
    kl = 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(1)
    return (bce.flatten(1).sum(1) + kl).mean()


def uniform_noise(net, x):
    """rand_like is uniform on [0, 1]; the noise is normal, randn_like."""
    mu, logvar = net.encode(x)
    z = mu + torch.exp(0.5 * logvar) * torch.rand_like(mu)
    bce = binary_cross_entropy_with_logits(net.decode(z), x, reduction="none")
    kl = 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(1)
    return (bce.flatten(1).sum(1) + kl).mean()


def double_kl(net, x):
    """Now the factor 1/2 is missing from the whole KL: that is a beta of 2."""
    mu, logvar = net.encode(x)
    kl = 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(1)
    return healthy(net, x) + kl.mean()


def mean_of_logs(log_w):
    """The mean of the logarithms is the plain bound, however many samples; take the
    logarithm of the mean.
    """
    return log_w.mean(0)


def sum_of_weights(log_w):
    """The sum of the weights, not their mean: log K is missing."""
    return torch.logsumexp(log_w, 0)


def over_images(log_w):
    """Reduced over the images; the samples are the first axis."""
    return torch.logsumexp(log_w, 1) - math.log(log_w.shape[1])


def overflowing(log_w):
    """Right on paper, but exp(-1000) is 0 in floating point: use torch.logsumexp."""
    return log_w.exp().mean(0).log()
