"""The sick: each function is `healthy` with one bug, written as it was met.

The docstring of each names its mistake, and is what a check says of it.
"""

import math

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, softplus


def bed_a(net, x):
    """The cross-entropy is averaged over the pixels, and the KL is not, so that the KL
    weighs 784 times too much.
    """
    mu, logvar = net.encode(x)
    z = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)
    logits = net.decode(z)
    reconstruction = binary_cross_entropy_with_logits(logits, x)
    kl = 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(1)
    return reconstruction + kl.mean()


def bed_b(net, x):
    """The sign of the KL is turned over, so that the loss rewards codes far from the
    prior.
    """
    mu, logvar = net.encode(x)
    z = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)
    logits = net.decode(z)
    bce = binary_cross_entropy_with_logits(logits, x, reduction="none")
    reconstruction = bce.flatten(1).sum(1)
    kl = 0.5 * (1 + logvar - mu.square() - logvar.exp()).sum(1)
    return (reconstruction + kl).mean()


def bed_c(net, x):
    """The sigmoid is applied twice, so that no pixel can be predicted below 0.5 or
    above 0.73.
    """
    mu, logvar = net.encode(x)
    z = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)
    x_hat = torch.sigmoid(net.decode(z))
    bce = binary_cross_entropy_with_logits(x_hat, x, reduction="none")
    reconstruction = bce.flatten(1).sum(1)
    kl = 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(1)
    return (reconstruction + kl).mean()


def bed_d(net, x):
    """The target of the cross-entropy has been standardised and lies outside the
    interval from 0 to 1, where the cross-entropy has no floor.
    """
    x = (x - 0.1307) / 0.3081
    mu, logvar = net.encode(x)
    z = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)
    logits = net.decode(z)
    bce = binary_cross_entropy_with_logits(logits, x, reduction="none")
    reconstruction = bce.flatten(1).sum(1)
    kl = 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(1)
    return (reconstruction + kl).mean()


def bed_e(net, x):
    """Torch.normal passes no gradient on, so that the encoder hears of the KL only and
    never of the picture.
    """
    mu, logvar = net.encode(x)
    z = torch.normal(mu, torch.exp(0.5 * logvar))
    logits = net.decode(z)
    bce = binary_cross_entropy_with_logits(logits, x, reduction="none")
    reconstruction = bce.flatten(1).sum(1)
    kl = 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(1)
    return (reconstruction + kl).mean()


def bed_f(net, x):
    """Softplus makes the log-variance positive, so that sigma is never below 1 and no
    code can be precise.
    """
    mu, h = net.encode(x)
    logvar = softplus(h)
    z = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)
    logits = net.decode(z)
    bce = binary_cross_entropy_with_logits(logits, x, reduction="none")
    reconstruction = bce.flatten(1).sum(1)
    kl = 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(1)
    return (reconstruction + kl).mean()


def bed_g(net, x):
    """The cross-entropy is summed over the batch and the KL is averaged over it, so
    that the KL counts a hundredth in a batch of 100.
    """
    mu, logvar = net.encode(x)
    z = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)
    logits = net.decode(z)
    bce = binary_cross_entropy_with_logits(logits, x, reduction="none")
    reconstruction = bce.sum()
    kl = 0.5 * (mu.square() + logvar.exp() - logvar - 1).sum(1).mean()
    return reconstruction + kl


def bed_h(net, x):
    """The noise is multiplied by the variance exp(logvar), where it needs the standard
    deviation exp(logvar / 2).
    """
    mu, logvar = net.encode(x)
    z = mu + torch.exp(logvar) * torch.randn_like(mu)
    logits = net.decode(z)
    bce = binary_cross_entropy_with_logits(logits, x, reduction="none")
    reconstruction = bce.flatten(1).sum(1)
    kl = 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(1)
    return (reconstruction + kl).mean()


def bed_i(net, x):
    """The noise is a hundred times too small, and the KL does not know of it, so that
    the loss is no bound on anything.
    """
    mu, logvar = net.encode(x)
    eps = 0.01 * torch.randn_like(mu)
    z = mu + torch.exp(0.5 * logvar) * eps
    logits = net.decode(z)
    bce = binary_cross_entropy_with_logits(logits, x, reduction="none")
    reconstruction = bce.flatten(1).sum(1)
    kl = 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(1)
    return (reconstruction + kl).mean()


def bed_j(net, x):
    """The log-variance has lost its factor 1/2, so that this KL is smallest at a
    variance of 2 and negative there.
    """
    mu, logvar = net.encode(x)
    z = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)
    logits = net.decode(z)
    bce = binary_cross_entropy_with_logits(logits, x, reduction="none")
    reconstruction = bce.flatten(1).sum(1)
    kl = (0.5 * (mu.square() + logvar.exp() - 1) - logvar).sum(1)
    return (reconstruction + kl).mean()


def bed_k(net, x):
    """In evaluation mode z is the mean, so that the test loss is not the bound."""
    mu, logvar = net.encode(x)
    z = mu
    if net.training:
        z = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)
    logits = net.decode(z)
    bce = binary_cross_entropy_with_logits(logits, x, reduction="none")
    reconstruction = bce.flatten(1).sum(1)
    kl = 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(1)
    return (reconstruction + kl).mean()


def bed_l(log_w):
    """The log-sum-exp runs over losses, so that the worst sample counts most; it
    belongs over the log-weights.
    """
    losses = -log_w
    return -(torch.logsumexp(losses, 0) - math.log(len(log_w)))


def importance_weighted(log_w):
    """log of the mean weight of each image, from log-weights (samples, images)."""
    return torch.logsumexp(log_w, 0) - math.log(len(log_w))
