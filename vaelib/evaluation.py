"""How good is the model? The evidence log p(x), by importance sampling."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from vaelib import _checks as checks
from vaelib._state import mode
from vaelib.model import VAE

# Decoded at once, at most: so many values of x (2^23 floats are 32 MB, and a decoder
# needs a few times that) and so many codes, whose hidden layers may be wider than x.
VALUES = 2**23
CODES = 2**15
BATCH = 100


class LogLikelihood(NamedTuple):
    """Estimates of log p(x), one an image, in nats, shape (N,) each."""

    value: Tensor  # log of the mean weight
    standard_error: Tensor  # of value, from the spread of the weights
    effective_samples: Tensor  # (sum w)^2 / sum w^2, between 1 and samples

    @property
    def mean(self) -> float:
        """The mean of value over the images."""
        return self.value.mean().item()

    @property
    def mean_standard_error(self) -> float:
        """Of mean, given these images: the noise of the sampling, not of the choice."""
        return self.standard_error.square().sum().sqrt().item() / len(self.value)


@torch.no_grad()
def log_likelihood(vae: VAE, x: Tensor, samples: int = 1000) -> LogLikelihood:
    """Estimate log p(x) as the log of the mean of importance weights p(x, z) / q(z|x).

    x has shape (N, C, H, W). Memory is bounded whatever samples is: weights are
    folded into running sums, chunk by chunk. The estimate is low on average by about
    standard_error^2 / 2 (Jensen), so a large standard error or a handful of effective
    samples means: more samples, or do not trust it.
    Source: Burda et al. (2016), section 3; standard error by the delta method.
    """
    samples = checks.count("samples", samples, least=2)
    checks.images(x, vae.shape)
    batches = x.split(max(1, min(BATCH, VALUES // x[0].numel())))
    with mode(vae, training=False):
        parts = [_batch_log_likelihood(vae, batch, samples) for batch in batches]
    return LogLikelihood(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _batch_log_likelihood(vae, x, samples) -> tuple[Tensor, Tensor, Tensor]:
    chunk = max(1, min(VALUES // x.numel(), CODES // len(x)))
    # log of sum w and of sum w^2, in float64: weights span hundreds of nats.
    log_sum = log_sum_squares = None
    for start in range(0, samples, chunk):
        log_w = vae.log_weights(x, min(chunk, samples - start)).cpu().double()
        first, second = log_w.logsumexp(0), (2 * log_w).logsumexp(0)
        if log_sum is None:
            log_sum, log_sum_squares = first, second
        else:
            log_sum = torch.logaddexp(log_sum, first)
            log_sum_squares = torch.logaddexp(log_sum_squares, second)
    effective = torch.exp(2 * log_sum - log_sum_squares)
    # Var[w] / E[w]^2 = K sum w^2 / (sum w)^2 - 1, hence the relative error of the mean.
    spread = (samples / effective - 1).clamp(min=0)
    standard_error = (spread / (samples - 1)).sqrt()
    return log_sum - math.log(samples), standard_error, effective
