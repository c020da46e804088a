"""p(x|z) for images: what turns a decoder's logits into a distribution over pixels.

Every likelihood takes one number per pixel, the logit of the pixel's location, and
gives a distribution whose event is the whole image: log_prob sums over the pixels, in
nats. Pixels are in [0, 1]. Chapter 8 compares them.
"""

import math

import torch
from torch import Tensor, nn
from torch.distributions import (
    Bernoulli as BernoulliDistribution,
)
from torch.distributions import (
    ContinuousBernoulli as ContinuousBernoulliDistribution,
)
from torch.distributions import Distribution, Independent, Normal, constraints
from torch.nn.functional import logsigmoid

from vaelib import _checks as checks

# torch.distributions validates every argument on every call, which costs time and, on
# a GPU, a synchronisation. Inputs are checked once, in VAE.elbo and in fit.
IMAGE_AXES = 3


class Bernoulli(nn.Module):
    """Black-or-white pixels: log p(x|z) is minus the binary cross-entropy.

    On grey pixels this is still a usable loss, but no longer the logarithm of a
    probability density: see ContinuousBernoulli.
    """

    def forward(self, logits: Tensor) -> Distribution:
        pixels = FastBernoulli(logits=logits, validate_args=False)
        return Independent(pixels, IMAGE_AXES, validate_args=False)


class ContinuousBernoulli(nn.Module):
    """Grey pixels in [0, 1]: the Bernoulli formula with the constant it lacks.

    Source: Loaiza-Ganem and Cunningham (2019).
    """

    def forward(self, logits: Tensor) -> Distribution:
        pixels = ExactContinuousBernoulli(logits=logits, validate_args=False)
        return Independent(pixels, IMAGE_AXES, validate_args=False)


class Gaussian(nn.Module):
    """Real-valued pixels: N(mean, sigma^2), the same sigma for every pixel.

    log p(x|z) = -||x - mean||^2 / (2 sigma^2) - D log(sigma) - D/2 log(2 pi), so that
    a smaller sigma weighs the squared error more against the KL. With
    learn_sigma=True, sigma is a parameter that training fits to the data; sigma is
    then only where it starts.
    Source: Kingma and Welling (2014), appendix C.2; learned sigma: Rybkin et al.
    (2021), "Simple and effective VAE training with calibrated decoders".
    """

    def __init__(self, sigma: float = 1.0, learn_sigma: bool = False):
        super().__init__()
        log_sigma = torch.tensor(math.log(checks.positive("sigma", sigma)))
        if learn_sigma:
            self.log_sigma = nn.Parameter(log_sigma)
        else:
            self.register_buffer("log_sigma", log_sigma)

    def forward(self, logits: Tensor) -> Distribution:
        mean = torch.sigmoid(logits)
        sigma = self.log_sigma.exp().expand_as(mean)
        pixels = Normal(mean, sigma, validate_args=False)
        return Independent(pixels, IMAGE_AXES, validate_args=False)


def bernoulli_log_prob(logits: Tensor, value: Tensor) -> Tensor:
    """value log s(l) + (1 - value) log s(-l) of each pixel, with the sigmoid s."""
    return BernoulliLogProb.apply(*torch.broadcast_tensors(logits, value))


class BernoulliLogProb(torch.autograd.Function):
    """The cross-entropy of pixels, in few passes over them, and its short derivative.

    torch's is the same number by log1p, which takes a CPU ten times as long as log: a
    tenth of training. s(|l|) is at least 1/2, so its logarithm is exact to 6e-8 nats
    in float32 however large the logit. Steps are in place and the backward pass keeps
    nothing but its two inputs: with large batches memory is what takes the time.
    """

    generate_vmap_rule = True  # for torch.func

    @staticmethod
    def forward(logits: Tensor, value: Tensor) -> Tensor:
        size = logits.abs()
        log_prob = (value - 0.5) * logits
        log_prob.add_(size, alpha=-0.5)
        return log_prob.add_(size.sigmoid_().log_())

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx, grad: Tensor):
        logits, value = ctx.saved_tensors
        by_logits = (value - logits.sigmoid()) * grad
        return by_logits, logits * grad if ctx.needs_input_grad[1] else None

    @staticmethod
    def jvp(ctx, logits_t: Tensor, value_t: Tensor) -> Tensor:
        logits, value = ctx.saved_tensors
        return (value - logits.sigmoid()) * logits_t + logits * value_t


class FastBernoulli(BernoulliDistribution):
    """torch's, with a faster log_prob."""

    def log_prob(self, value: Tensor) -> Tensor:
        return bernoulli_log_prob(self.logits, value)


class ExactContinuousBernoulli(ContinuousBernoulliDistribution):
    """torch's, without its clamp of the probability.

    In float32 torch loses the normalising constant beyond |logit| = 16, where most
    pixels of a black background end up. In the logit l the constant is
    l / tanh(l / 2), the mean 1/2 + 1/2 coth(l / 2) - 1 / l and the variance its
    derivative; near l = 0, where these are differences of large numbers, stand their
    series.
    """

    def log_prob(self, value: Tensor) -> Tensor:
        return bernoulli_log_prob(self.logits, value) + self._cont_bern_log_norm()

    def _cont_bern_log_norm(self) -> Tensor:
        logit, near, far = self._split(0.1)
        series = math.log(2) + logit.square() / 12 - 7 * logit**4 / 1440
        return torch.where(near, series, (far / torch.tanh(far / 2)).log())

    @property
    def mean(self) -> Tensor:
        logit, near, far = self._split(0.1)
        series = 0.5 + logit / 12 - logit**3 / 720
        return torch.where(near, series, 0.5 + 0.5 / torch.tanh(far / 2) - 1 / far)

    @property
    def variance(self) -> Tensor:
        logit, near, far = self._split(0.5)
        square = logit.square()
        series = (1 / 6048 - square / 172_800 + square.square() / 5_322_240) * square
        series = 1 / 12 + (series - 1 / 240) * square
        # 1 / (4 sinh^2(l / 2)), without a sinh that overflows
        tail = torch.exp(-far.abs()) / torch.expm1(-far.abs()).square()
        return torch.where(near, series, far**-2 - tail)

    def entropy(self) -> Tensor:
        return -self.log_prob(self.mean)  # log_prob is linear in its value

    def cdf(self, value: Tensor) -> Tensor:
        logit, near, far = self._split(1e-3)
        value = value.clamp(0, 1)
        # The mirror image for positive logits, so that nothing overflows.
        mirrored = torch.where(far < 0, value, 1 - value)
        below = torch.expm1(-far.abs() * mirrored) / torch.expm1(-far.abs())
        below = torch.where(far < 0, below, 1 - below)
        return torch.where(near, value - logit * value * (1 - value) / 2, below)

    def icdf(self, value: Tensor) -> Tensor:
        logit, near, far = self._split(1e-3)
        mirrored = torch.where(far < 0, value, 1 - value)
        x = torch.log1p(mirrored * torch.expm1(-far.abs())) / -far.abs()
        x = torch.where(far < 0, x, 1 - x).clamp(0, 1)
        return torch.where(near, value + logit * value * (1 - value) / 2, x)

    def _split(self, bound: float) -> tuple[Tensor, Tensor, Tensor]:
        """The logit, whether it is near zero, and one that is not, to divide by."""
        near = self.logits.abs() < bound
        return self.logits, near, torch.where(near, 1.0, self.logits)

    def rsample(self, sample_shape=torch.Size()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        dtype = self.logits.dtype
        uniform = torch.rand(shape, dtype=dtype, device=self.logits.device)
        # Not zero, whose image is the far end of the interval.
        return self.icdf(uniform.clamp(min=torch.finfo(dtype).eps / 2))

    @torch.no_grad()
    def sample(self, sample_shape=torch.Size()) -> Tensor:
        return self.rsample(sample_shape)


class DiscretizedLogistic(nn.Module):
    """Pixels of 8 bits: a logistic density integrated over each of 256 levels.

    A true probability for every level, so that -log2 p(x) is a number of bits. The
    scale is one learned parameter.
    Source: Kingma et al. (2016), "Improving variational inference with inverse
    autoregressive flow", appendix; Salimans et al. (2017).
    """

    def __init__(self, scale: float = 0.1):
        super().__init__()
        log_scale = torch.tensor(math.log(checks.positive("scale", scale)))
        self.log_scale = nn.Parameter(log_scale)

    def forward(self, logits: Tensor) -> Distribution:
        scale = self.log_scale.exp().expand_as(logits)
        pixels = DiscretizedLogisticDistribution(torch.sigmoid(logits), scale)
        return Independent(pixels, IMAGE_AXES, validate_args=False)


class DiscretizedLogisticDistribution(Distribution):
    """A logistic variable rounded to the 256 levels 0, 1/255, ..., 1.

    The two end levels take the tails, so that the 256 probabilities sum to one.
    Values given to log_prob are rounded to the nearest level.
    """

    arg_constraints = {
        "loc": constraints.real,
        "scale": constraints.positive,
    }
    support = constraints.unit_interval
    levels = 256

    def __init__(self, loc: Tensor, scale: Tensor, validate_args: bool = False):
        self.loc, self.scale = torch.broadcast_tensors(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def log_prob(self, value: Tensor) -> Tensor:
        step = 1 / (self.levels - 1)
        value = (value / step).round() * step
        upper = (value + step / 2 - self.loc) / self.scale
        lower = (value - step / 2 - self.loc) / self.scale
        # s(a) - s(b) = s(a) s(-b) (1 - exp(b - a)): no small difference of large
        # numbers, even far out in the tails.
        inside = torch.log(-torch.expm1(-step / self.scale))
        above = torch.where(value > 1 - step / 2, 0.0, logsigmoid(upper))
        below = torch.where(value < step / 2, 0.0, logsigmoid(-lower))
        is_end = (value < step / 2) | (value > 1 - step / 2)
        return above + below + torch.where(is_end, 0.0, inside)

    @property
    def mean(self) -> Tensor:
        # E[x] = step * sum over levels k of P(x > k): exact, tails included.
        step = 1 / (self.levels - 1)
        total = torch.zeros_like(self.loc)
        for k in range(self.levels - 1):
            total += torch.sigmoid((self.loc - (k + 0.5) * step) / self.scale)
        return step * total

    @torch.no_grad()
    def sample(self, sample_shape=torch.Size()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        uniform = torch.rand(shape, dtype=self.loc.dtype, device=self.loc.device)
        uniform = uniform.clamp(1e-7, 1 - 1e-7)
        value = self.loc + self.scale * torch.logit(uniform)
        return (value.clamp(0, 1) * (self.levels - 1)).round() / (self.levels - 1)


LIKELIHOODS = {
    "bernoulli": Bernoulli,
    "continuous_bernoulli": ContinuousBernoulli,
    "gaussian": Gaussian,
    "discretized_logistic": DiscretizedLogistic,
}


def likelihood(name: str, **options) -> nn.Module:
    """The likelihood of that name, for instance likelihood("gaussian", sigma=0.1)."""
    if name not in LIKELIHOODS:
        known = ", ".join(LIKELIHOODS)
        raise ValueError(f"likelihood must be one of {known}, got {name!r}.")
    try:
        return LIKELIHOODS[name](**options)
    except TypeError as error:
        raise TypeError(
            f"likelihood {name!r} does not take these options: {options}."
        ) from error
