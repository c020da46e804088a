"""How good is the model? The evidence log p(x), by importance sampling."""

import math
import os
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm.auto import tqdm

from vaelib import _checks as checks
from vaelib._state import mode
from vaelib.devices import autocast, fast_float32
from vaelib.model import VAE

# Decoded at once, at most: so many values of x, and so many codes, whose hidden layers
# may be wider than x. On a CPU 2^21 floats, 8 MB, stay near the caches: four times as
# many took 1.3 times as long in float32, and twice as long in bfloat16. On a GPU more
# at once keep it busy. A decoder needs a few times that memory.
VALUES = {"cpu": 2**21}
VALUES_ON_GPU = 2**24
CODES = 2**15
TOGETHER = 128  # samples of an image, at most: the encoder runs once for so many
PATIENCE = 2.0  # seconds until a progress bar appears


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
def log_likelihood(
    vae: VAE,
    x: Tensor,
    samples: int = 1000,
    precision: str = "float32",
    progress: bool = True,
) -> LogLikelihood:
    """Estimate log p(x) as the log of the mean of importance weights p(x, z) / q(z|x).

    x has shape (N, C, H, W). Memory is bounded whatever samples is: weights are
    folded into running sums, chunk by chunk. The estimate is low on average by about
    standard_error^2 / 2 (Jensen), so a large standard error or a handful of effective
    samples means: more samples, or do not trust it.

    precision is that of the networks, as in vaelib.fit. bfloat16 moves each log w a
    little: for MNIST's images and FAST's model by less than 0.1 nats (root mean
    square), and the mean of 100 estimates, with the same noise, by 0.001.
    Source: Burda et al. (2016), section 3; standard error by the delta method.
    """
    samples = checks.count("samples", samples, least=2)
    checks.images(x, vae.shape)
    codes = _codes(x[0].numel(), vae.device)
    batches = x.split(max(1, codes // min(samples, TOGETHER)))
    hidden = not progress or os.environ.get("TQDM_DISABLE", "0") not in ("", "0")
    bar = tqdm(
        desc="log-likelihood",
        total=len(x) * samples,
        unit=" samples",
        unit_scale=True,
        delay=PATIENCE,
        disable=hidden,
    )
    fast = fast_float32(vae.device)
    with mode(vae, training=False), autocast(precision, vae.device), fast, bar:
        parts = [_batch_log_likelihood(vae, x, samples, codes, bar) for x in batches]
    return LogLikelihood(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _codes(values: int, device: torch.device) -> int:
    """How many images of so many values are decoded at once."""
    return max(1, min(CODES, VALUES.get(device.type, VALUES_ON_GPU) // values))


def _batch_log_likelihood(vae, x, samples, codes, bar) -> tuple[Tensor, Tensor, Tensor]:
    chunk = max(1, codes // len(x))
    # log of sum w and of sum w^2, in float64: weights span hundreds of nats. A GPU
    # keeps them, so that nothing waits for it; Apple's has no float64.
    where = "cpu" if vae.device.type == "mps" else vae.device
    log_sum = torch.full((len(x),), -math.inf, dtype=torch.float64, device=where)
    log_sum_squares = log_sum
    for start in range(0, samples, chunk):
        log_w = vae.log_weights(x, min(chunk, samples - start)).to(where).double()
        log_sum = torch.logaddexp(log_sum, log_w.logsumexp(0))
        log_sum_squares = torch.logaddexp(log_sum_squares, (2 * log_w).logsumexp(0))
        bar.update(log_w.numel())
    log_sum, log_sum_squares = log_sum.cpu(), log_sum_squares.cpu()
    effective = torch.exp(2 * log_sum - log_sum_squares)
    # Var[w] / E[w]^2 = K sum w^2 / (sum w)^2 - 1, hence the relative error of the mean.
    spread = (samples / effective - 1).clamp(min=0)
    standard_error = (spread / (samples - 1)).sqrt()
    return log_sum - math.log(samples), standard_error, effective
