"""Exercises and questions of chapter 8, on likelihoods for pixels."""

import math

import torch

from vaelib.exercises import probes
from vaelib.exercises.exercise import Exercise
from vaelib.exercises.questions import Choice, Question

# One pixel, three opinions

DEVIATIONS = (0.1, 0.3, 1.0)


def opinions(missed):
    nats = [
        missed**2 / (2 * s**2) + 0.5 * math.log(2 * math.pi * s**2) for s in DEVIATIONS
    ]
    return *nats, missed


def without_constant(missed):
    """The constant is missing, ½ log(2πs²). It depends on s, so without it the largest
    noise would always seem the best."""
    return *(missed**2 / (2 * s**2) for s in DEVIATIONS), missed


def log_density(missed):
    """The sign is turned over: this is log p, and minus log p was asked for."""
    return *(-v for v in opinions(missed)[:3]), missed


def without_half(missed):
    """The square is divided by s². In the density of a normal it is divided by twice
    the variance."""
    return *(
        missed**2 / s**2 + 0.5 * math.log(2 * math.pi * s**2) for s in DEVIATIONS
    ), missed


def deviation_for_variance(missed):
    """s was put in for the variance. Here s is the standard deviation; the variance
    is s²."""
    return *(
        missed**2 / (2 * s) + 0.5 * math.log(2 * math.pi * s) for s in DEVIATIONS
    ), missed


def best_is_variance(missed):
    """The last number is the best variance s². Asked for is its root, s."""
    return *opinions(missed)[:3], missed**2


def smallest_is_best(missed):
    """You take the smallest s for the best. It would be if the error were tiny: too
    small a noise is punished by the square."""
    return *opinions(missed)[:3], 0.1


def other_errors(rng):
    return {"missed": rng.choice([0.2, 0.25, 0.35, 0.4, 0.5])}


# A weight from the wild


def hidden(side, weight):
    pixels = 3 * side * side
    beta = weight * pixels
    return beta, math.sqrt(beta / 2), 2 * 0.1**2 / pixels


def as_it_stands(side, weight):
    """You took the weight for β. It stands beside a mean over all pixels, and the bound
    has their sum."""
    return weight, math.sqrt(weight / 2), 2 * 0.1**2


def one_channel(side, weight):
    """A colour image has three numbers a pixel, and `mse_loss` averages over them,
    too."""
    pixels = side * side
    beta = weight * pixels
    return beta, math.sqrt(beta / 2), 2 * 0.1**2 / pixels


def divided(side, weight):
    """You divided by the number of pixels. A mean over pixels makes the error small
    beside the KL, so the KL weighs more, not less."""
    pixels = 3 * side * side
    beta = weight / pixels
    return beta, math.sqrt(beta / 2), 2 * 0.1**2 * pixels


def noise_without_half(side, weight):
    """The factor 2 between β and the variance is missing: a squared error with the
    factor one is Gaussian noise of variance ½."""
    beta = hidden(side, weight)[0]
    return beta, math.sqrt(beta), 0.1**2 / (3 * side * side)


def noise_as_variance(side, weight):
    """The second number is the variance s² of the noise. Asked for is s."""
    beta, _, wanted = hidden(side, weight)
    return beta, beta / 2, wanted


def other_weights(rng):
    return {
        "side": rng.choice([32, 48, 96, 128]),
        "weight": rng.choice([0.0001, 0.0005, 0.001, 0.002]),
    }


# Absolute errors


def pictures(generator):
    def pair(*shape):
        x = torch.rand(*shape, generator=generator)
        return x, (x + 0.2 * torch.randn(*shape, generator=generator)).clamp(0, 1)

    x, recon = pair(5, 1, 6, 6)
    return {
        "five grey images": (x, recon),
        "one image": pair(1, 1, 4, 4),
        "colour images": pair(3, 3, 4, 4),
        "large errors, in units of 0 to 255": (255 * x, 255 * recon),
    }


def laplace(x, recon):
    error = (x - recon).abs()
    scale = error.mean()
    nats = (error / scale + torch.log(2 * scale)).flatten(1).sum(1)
    return nats, scale


def log_likelihood(x, recon):
    """The sign of the nats is turned over: minus log p was asked for."""
    nats, scale = laplace(x, recon)
    return -nats, scale


def no_constant(x, recon):
    """The constant is missing, log 2b a pixel. With a scale that is learned it is what
    keeps b from growing without end."""
    _, scale = laplace(x, recon)
    return ((x - recon).abs() / scale).flatten(1).sum(1), scale


def constant_once(x, recon):
    """The constant log 2b is added once an image. There is one for each pixel, since
    each pixel has a density of its own."""
    nats, scale = laplace(x, recon)
    return nats - (x[0].numel() - 1) * torch.log(2 * scale), scale


def gaussian_scale(x, recon):
    """The scale is the root of the mean squared error. That is the best one for a
    Gaussian; for absolute errors set the derivative by b to zero again."""
    error = (x - recon).abs()
    scale = error.square().mean().sqrt()
    return (error / scale + torch.log(2 * scale)).flatten(1).sum(1), scale


def median_scale(x, recon):
    """The scale is the median of the absolute errors. The median is the best
    *location*; the best scale is another average of the errors."""
    error = (x - recon).abs()
    scale = error.median()
    return (error / scale + torch.log(2 * scale)).flatten(1).sum(1), scale


def scale_of_one(x, recon):
    """The scale is left at 1. It is free, and the likelihood itself can choose it."""
    scale = torch.ones(())
    return ((x - recon).abs() + math.log(2)).flatten(1).sum(1), scale


def without_two(x, recon):
    """The constant is log b. The density exp(-|x| / b) / b integrates to two: it has
    two sides."""
    nats, scale = laplace(x, recon)
    return nats - x[0].numel() * math.log(2), scale


def mean_of_pixels(x, recon):
    """The nats are averaged over the pixels. Independence gives their sum."""
    nats, scale = laplace(x, recon)
    return nats / x[0].numel(), scale


def sum_of_batch(x, recon):
    """All images are summed into one number. Each image has its own."""
    nats, scale = laplace(x, recon)
    return nats.sum(), scale


def own_scales(x, recon):
    """Each image has a scale of its own here. One scale is to serve all of them."""
    error = (x - recon).abs().flatten(1)
    scale = error.mean(1, keepdim=True)
    return (error / scale + torch.log(2 * scale)).sum(1), scale.squeeze(1)


# Means everywhere


def batches(generator):
    def batch(count, channels, size, latent):
        x = torch.rand(count, channels, size, size, generator=generator)
        recon = torch.rand(count, channels, size, size, generator=generator)
        mu = torch.randn(count, latent, generator=generator)
        logvar = torch.randn(count, latent, generator=generator)
        return recon, x, mu, logvar

    return {
        "eight images, s = 0.1": (*batch(8, 1, 6, 4), 0.1),
        "s = 1": (*batch(8, 1, 6, 4), 1.0),
        "a batch of one": (*batch(1, 1, 5, 3), 0.5),
        "colour images, and one latent dimension": (*batch(4, 3, 4, 1), 0.3),
    }


def mended(recon, x, mu, logvar, s):
    pixels = x[0].numel()
    error = (recon - x).square().flatten(1).sum(1)
    kl = 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)
    constant = pixels / 2 * math.log(2 * math.pi * s**2)
    return (error / (2 * s**2) + constant + kl).mean()


def terms(recon, x, mu, logvar):
    """Squared error and KL of each image, as sums, and the number of pixels."""
    error = (recon - x).square().flatten(1).sum(1)
    kl = 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)
    return error, kl, x[0].numel()


def as_found(recon, x, mu, logvar, s):
    """This is the loss as it was found: means everywhere, and no variance in it."""
    error, kl, pixels = terms(recon, x, mu, logvar)
    return error.mean() / pixels + kl.mean() / mu.shape[1]


def the_bound(recon, x, mu, logvar, s):
    """This is the bound itself. A loss is minus the bound."""
    return -mended(recon, x, mu, logvar, s)


def sums_without_noise(recon, x, mu, logvar, s):
    """The sums are right, and s is not in it: a plain squared error assumes the
    variance ½, whatever s is."""
    error, kl, _ = terms(recon, x, mu, logvar)
    return (error + kl).mean()


def constant_left_out(recon, x, mu, logvar, s):
    """Right up to the constant D/2 log(2πs²). With s fixed it does not matter to
    training, but minus the bound has it."""
    error, kl, _ = terms(recon, x, mu, logvar)
    return (error / (2 * s**2) + kl).mean()


def half_left_out(recon, x, mu, logvar, s):
    """The error is divided by s² and not by 2s²."""
    error, kl, pixels = terms(recon, x, mu, logvar)
    constant = pixels / 2 * math.log(2 * math.pi * s**2)
    return (error / s**2 + constant + kl).mean()


def summed_batch(recon, x, mu, logvar, s):
    """The images are summed. The bound of a batch is the mean over its images."""
    return mended(recon, x, mu, logvar, s) * len(x)


def sign_of_kl(recon, x, mu, logvar, s):
    """The sign of the KL is turned over. This rewards the encoder for leaving the
    prior."""
    _, kl, _ = terms(recon, x, mu, logvar)
    return mended(recon, x, mu, logvar, s) - 2 * kl.mean()


def mean_of_dimensions(recon, x, mu, logvar, s):
    """The KL is still a mean over the latent dimensions. The divergence of a diagonal
    Gaussian is their sum."""
    _, kl, _ = terms(recon, x, mu, logvar)
    less = kl.mean() * (1 - 1 / mu.shape[1])
    # With one latent dimension, mean and sum are the same.
    return mended(recon, x, mu, logvar, s) - less


def mean_of_errors(recon, x, mu, logvar, s):
    """The reconstruction is still a mean over the pixels. Beside a summed KL that is a
    β as large as their number."""
    error, kl, pixels = terms(recon, x, mu, logvar)
    each = error / pixels / (2 * s**2) + 0.5 * math.log(2 * math.pi * s**2)
    return (each + kl).mean()


# The continuous Bernoulli in bits


def logits_and_levels(generator):
    logits = 6 * torch.randn(40, generator=generator)
    levels = torch.randint(256, (40,), generator=generator)
    ends = torch.tensor([0, 255, 0, 255, 128])
    sure = torch.tensor([30.0, 30.0, -30.0, -30.0, 30.0])
    return {
        "anywhere": (logits, levels),
        "sure of black or white, logits of ±30": (sure, ends),
        "very sure, logits of ±6000": (200 * sure, ends),
        "logits of exactly 0": (torch.zeros(5), ends),
        "logits near 0": (1e-3 * logits[:5], ends),
    }


def log_level(logit, level):
    below = torch.where(logit < 0, level, 255 - level)  # the mirror image
    down = -logit.abs().clamp(min=1e-6)  # never positive, and never 0 by 0
    share = torch.expm1(down / 256) / torch.expm1(down)
    return down * below / 256 + share.log()


def overflows(logit, level):
    """The formula is right, and the arithmetic is not: for large logits exp overflows,
    and at 0 it is zero by zero. There is a mirror image, level 255 - k at minus the
    logit, and a limit."""
    grow = torch.exp(logit * level / 256)
    return (grow * torch.expm1(logit / 256) / torch.expm1(logit)).log()


def overflows_far_out(logit, level):
    """The formula is right and 0 is taken care of. But exp overflows for large logits;
    there is a mirror image, level 255 - k at minus the logit."""
    small = torch.where(logit.abs() < 1e-6, 1e-6, logit)
    return overflows(small, level)


def zero_by_zero(logit, level):
    """Right for every logit but 0, where it is zero divided by zero. The limit is the
    uniform distribution over the levels."""
    below = torch.where(logit < 0, level, 255 - level)
    down = -logit.abs()
    share = torch.expm1(down / 256) / torch.expm1(down)
    return down * below / 256 + share.log()


def in_bits(logit, level):
    """This is in bits, a logarithm to the base 2. Asked for are nats."""
    return log_level(logit, level) / math.log(2)


def density_times_width(logit, level):
    """This is the density at the middle of the bin times the width of the bin. Where
    the density falls steeply within one bin, that is not its integral."""
    middle = (level + 0.5) / 256
    below = torch.where(logit < 0, middle, 1 - middle)
    down = -logit.abs().clamp(min=1e-6)
    return down * below + (down / torch.expm1(down)).log() - math.log(256)


def density_only(logit, level):
    """This is a log density: the width of a bin is missing. So it does not sum to one
    over the 256 levels."""
    return density_times_width(logit, level) + math.log(256)


def constant_forgotten(logit, level):
    """The normalising constant C is missing. Without it the 256 probabilities do not
    sum to one."""
    size = logit.abs().clamp(min=1e-6)
    constant = (size / torch.tanh(size / 2)).log()
    return log_level(logit, level) - constant


def not_mirrored(logit, level):
    """Levels and logits are mirrored in the wrong place: a positive logit should make
    the high levels probable."""
    return log_level(-logit, level)


EXERCISES = [
    Exercise(
        name="likelihoods-pixel",
        title="One pixel, three opinions",
        kind="predict",
        points=1,
        task=r"""
A decoder misses a pixel by [[missed]]. By hand or with a calculator: what is $-\log p$,
in nats, under Gaussian noise of standard deviation (a) $s = 0.1$, (b) $s = 0.3$ and (c)
$s = 1$? (d) Which $s$, of all, is the best for this error? Two decimals will do. Think
about: how can $-\log p$ be negative?
""",
        start="""
nats_01 = ...  # (a), s = 0.1
nats_03 = ...  # (b), s = 0.3
nats_1 = ...  # (c), s = 1
best_s = ...  # (d)
answers = (nats_01, nats_03, nats_1, best_s)
""",
        hints=(
            "The density of a normal has two places where s occurs.",
            "The error enters as its square over 2s², and the width as ½ log(2πs²).",
        ),
        reference=opinions,
        values={"missed": 0.3},
        vary=other_errors,
        probe=probes.numbers,
        rtol=0.01,
        atol=0.006,
        mistakes=(
            without_constant,
            log_density,
            without_half,
            deviation_for_variance,
            best_is_variance,
            smallest_is_best,
        ),
        discussion=r"""
$-\log p = \frac{e^2}{2s^2} + \frac12\log(2\pi s^2)$ with $e = [[missed]]$. For an error
of 0.3 these are $4.5 - 1.38 = 3.12$ for $s = 0.1$, $0.5 - 0.29 = 0.21$ for $s = 0.3$
and $0.045 + 0.92 = 0.96$ for $s = 1$. The best of all is $s = e$, the size of the
error: the best variance is the mean squared error, here of one pixel. Too small a noise
is punished by the first term, too large a one by the second.

It is a density, and may exceed one: an error of $0.01$ at $s = 0.1$ gives
$0.005 - 1.38 = -1.38$ nats.
""",
    ),
    Exercise(
        name="likelihoods-weight",
        title="A weight from the wild",
        kind="predict",
        points=2,
        task=r"""
A much-used collection of VAEs (AntixK/PyTorch-VAE) trains with `F.mse_loss(recons,
input)`, a mean over everything, plus a weight times the KL, which is summed over
dimensions and averaged over the batch. Say that the images are $3 \times [[side]]
\times [[side]]$ and the weight is [[weight]]. (a) What is $\beta$, measured at $s^2 =
\tfrac12$? (b) Read the other way, with $\beta = 1$: noise of which standard deviation
$s$ does this loss assume? (c) Which weight would assume $s = 0.1$? Three digits will
do.
""",
        start="""
beta = ...  # (a)
noise = ...  # (b), a standard deviation
weight = ...  # (c)
answers = (beta, noise, weight)
""",
        hints=(
            "How many numbers does the mean run over, for one image?",
            "β = b / (2 s² c), where b is the factor of the true KL and c that of the "
            "summed squared error.",
            "A squared error plus β times the KL is minus the bound for s² = β/2.",
        ),
        reference=hidden,
        values={"side": 64, "weight": 0.00025},
        vary=other_weights,
        probe=probes.numbers,
        rtol=0.02,
        atol=0.0,
        mistakes=(
            noise_as_variance,
            noise_without_half,
            as_it_stands,
            one_channel,
            divided,
        ),
        discussion=r"""
The mean runs over $D = 3 \cdot [[side]]^2$ numbers, so the squared error has the
factor $1/D$ and $\beta = [[weight]]\, D$. As a noise it is $s = \sqrt{\beta/2}$.
For $s = 0.1$ one needs $\beta = 2s^2 = 0.02$ and so the weight $0.02/D$.

Images of $64 \times 64$ and the weight 0.00025 are what its users' settings have. Then
$D = 12288$ and $\beta = 3.07$: that small number is *not* a weak KL. The noise is $s =
1.24$, more than the whole range from black, 0, to white, 1. For $s = 0.1$ the weight
would be $1.6 \cdot 10^{-6}$.

```python
pixels = 3 * 64 * 64
beta = 0.00025 * pixels
print(f"beta {beta:.2f}, s {math.sqrt(beta / 2):.2f}")
print(f"weight for s = 0.1: {2 * 0.1**2 / pixels:.2g}")
```
""",
    ),
    Exercise(
        name="likelihoods-laplace",
        title="Absolute errors",
        kind="implement",
        points=3,
        task=r"""
Which likelihood has the sum of absolute errors $\sum_i |x_i - \hat x_i|$ as its loss?
It has a scale $b$, as the Gaussian has $s$. Write a function of images `x` and their
reconstructions `recon`, both of shape (N, C, H, W), that returns two things: $-\log p$
of each image, in nats, shape (N,), at the best scale; and this scale, shape (), one for
all pixels of all images, which makes the mean of the first as small as possible. Think
about: are pictures trained with it sharper or softer than with squared errors?
""",
        start='''
def laplace(x, recon):
    """-log p of each image at the best scale, (N,), and the scale, ()."""
    nats = ...
    scale = ...
    return nats, scale
''',
        hints=(
            "A density proportional to exp(-|e| / b). What does it integrate to?",
            "The Laplace distribution: -log p = |e| / b + log 2b for a pixel.",
            "For the best b, set the derivative of mean|e| / b + log 2b by b to zero.",
        ),
        reference=laplace,
        given=pictures,
        mistakes=(
            log_likelihood,
            no_constant,
            constant_once,
            gaussian_scale,
            median_scale,
            scale_of_one,
            without_two,
            mean_of_pixels,
            sum_of_batch,
            own_scales,
        ),
        discussion=r"""
It is the Laplace distribution. The factor of the error is one at $b = 1$, with the
constant $D \log 2$. The best $b$ is the mean absolute error, by the same derivation as
for the variance. The best $\hat x$ for images that share a code is the *median* of each
pixel: one that is white in four of ten images becomes black, not grey. To train with
it, take the names of the chapter and

```python
from torch.distributions import Independent, Laplace


class LaplacePixels(torch.nn.Module):
    def __init__(self, scale=0.1):
        super().__init__()
        start = torch.tensor(math.log(scale))
        self.log_scale = torch.nn.Parameter(start)

    def forward(self, logits):
        loc = torch.sigmoid(logits)
        scale = self.log_scale.exp().expand_as(loc)
        return Independent(Laplace(loc, scale, validate_args=False), 3)


torch.manual_seed(0)
model = vaelib.VAE.mlp(data.shape, hidden=(200,))
model.decoder.likelihood = LaplacePixels()
vaelib.fit(model, images, epochs=4, lr=3e-3)
between = (model.reconstruct(test) - 0.5).abs() < 0.3
print("b:", model.decoder.likelihood.log_scale.exp().item())
print("sharpness:", sharpness(model.reconstruct(test)) / crisp)
print("grey pixels:", between.float().mean().item())
```

| | sharpness (data: 1) | grey pixels |
|---|---|---|
| absolute errors, MNIST | 0.80 | 4.6 % |
| squared errors, MNIST | 0.56 | 10.2 % |
| absolute errors, digits | 1.04 | 4.0 % |
| squared errors, digits | 0.75 | 7.0 % |

(Squared errors: the chapter's model with a learned $s^2$. In both sets of images 6 % of
the pixels are grey, between 0.2 and 0.8.) Sharper, because a median decides where a
mean hedges. The price is paid by rare strokes: what fewer than half of the images at
this code have is left out.
""",
    ),
    Exercise(
        name="likelihoods-means",
        title="Means everywhere",
        kind="diagnose",
        points=2,
        task=r"""
This loss was found in a repository. It runs, it falls, and the reconstructions are one
grey cloud:

```python
def loss(recon, x, mu, logvar):
    error = F.mse_loss(recon, x)
    kl = -0.5 * torch.mean(1 + logvar - mu**2 - logvar.exp())
    return error + kl
```

Mend it: write minus the bound of a model with Gaussian pixels of standard deviation
`s`, at this one draw of the code, constant included, as a mean over the images, in
nats. `recon` and `x` have the shape (N, C, H, W), `mu` and `logvar` (N, d); `s` is a
number. Think about: what was the $\beta$ of the loss as it was found, at
$s^2 = \tfrac12$, for 784 pixels and 20 latent dimensions?
""",
        start='''
import torch.nn.functional as F


def mended(recon, x, mu, logvar, s):
    """Minus the bound, mean over the images, in nats, shape ()."""
    ...
''',
        hints=(
            "Over what does each of the two means run? Over which of these does the "
            "bound have a sum?",
            "The KL has the right sign. Only the reductions are wrong, and the noise "
            "is not stated.",
            "-log p(x|z) is the summed squared error over 2s², plus D/2 log(2πs²).",
        ),
        reference=mended,
        given=batches,
        mistakes=(
            as_found,
            the_bound,
            sums_without_noise,
            constant_left_out,
            half_left_out,
            summed_batch,
            sign_of_kl,
            mean_of_dimensions,
            mean_of_errors,
        ),
        discussion=r"""
No sign and no formula is wrong; the means are. The error has the factor $1/D$ and the
KL $1/d$, so $\beta = D/d$ at $s^2 = \tfrac12$: for 784 pixels and 20 dimensions 39. The
chapter's model with $\beta = 10$ has already stopped using its code (a KL of 0.02 nats
on MNIST), and with 39 all reconstructions are the same picture. This $\beta$ also falls
when the code gets more dimensions, so a larger code seems to train better. That is the
reduction at work and not the model.

The mended loss names its noise. `s` may then be chosen or learned, and the value of the
loss is a number of nats that can be compared with that of another `s`, which is what
the constant is for.
""",
    ),
    Exercise(
        name="likelihoods-bits",
        title="Small project: the continuous Bernoulli in bits",
        kind="implement",
        points=4,
        task=r"""
Put the continuous Bernoulli into the table of bits per dimension. Divide $[0, 1]$ into
256 equal bins and give level $k$ the bin from $k/256$ to $(k+1)/256$. Integrate the
density $C(\ell)\, e^{\ell x}/(1 + e^\ell)$ over it in closed form, with $C(\ell) =
\ell/\tanh(\ell/2)$, and write the log-probability of levels `level` (whole numbers from
0 to 255) for logits `logit`, both of one shape, in nats. A trained decoder's logits
reach into the thousands, and one may be 0; they are 32-bit floats. Think about: use it
on the continuous Bernoulli of chapter 8; is its huge log density worth anything here?
""",
        start='''
def log_level(logit, level):
    """log P(level), nats, of the shape of logit."""
    ...
''',
        hints=(
            "C(ℓ)/(1 + e^ℓ) simplifies: the density is ℓ e^(ℓx) / (e^ℓ - 1).",
            "Its integral over bin k, with w = 1/256: "
            "e^(ℓkw) (e^(ℓw) - 1) / (e^ℓ - 1). Which factors overflow for ℓ = 1000?",
            "Level k at logit ℓ is as probable as level 255 - k at -ℓ. So nobody ever "
            "has to compute at a positive logit. Use `torch.expm1`.",
        ),
        reference=log_level,
        given=logits_and_levels,
        rtol=1e-3,
        mistakes=(
            overflows,
            overflows_far_out,
            zero_by_zero,
            in_bits,
            density_times_width,
            density_only,
            constant_forgotten,
            not_mirrored,
        ),
        discussion=r"""
The density is $\ell\, e^{\ell x}/(e^\ell - 1)$, so with $w = 1/256$

$$
P(k) = \frac{e^{\ell (k+1) w} - e^{\ell k w}}{e^\ell - 1}
= e^{\ell k w} \, \frac{e^{\ell w} - 1}{e^{\ell} - 1} .
$$

For $\ell > 0$ the mirror image, $k \to 255 - k$ and $\ell \to -\ell$, keeps every
exponential below one. At $\ell = 0$ all levels have $1/256$. With the names of the
chapter:

```python
with torch.no_grad():
    x = (255 * test).round() / 255
    z = continuous.encode(x).rsample()
    logit = continuous.decode(z).base_dist.logits.cpu()
    divergence = continuous.elbo(x).kl.mean().item()
log_P = log_level(logit, (255 * x).round().long())
bits = (divergence - log_P.sum((1, 2, 3)).mean().item()) * to_bits
print(f"continuous Bernoulli: {bits:.2f} bits per dimension")
```

It needs 3.3 bits on MNIST, more than the Gaussian and the logistic (2.9 and 2.5), and
2.8 on the scikit-learn digits (2.3 and 1.9). Its thousands of nats came from being
sharper and sharper about pixels that are exactly 0. Integrated over a bin, sharper than
the bin is worth nothing, while the large code that this training bought still has to be
paid.
""",
    ),
]

QUESTIONS = [
    Question(
        "A loss is <code>F.mse_loss(recon, x)</code> plus the KL, summed over "
        "dimensions and averaged over the batch. The reconstructions are one grey "
        "cloud. Why?",
        (
            Choice(
                "The squared error is the wrong likelihood for images.",
                "With its variance stated it is a proper one, and trained well in this "
                "chapter. What is wrong here is its weight.",
            ),
            Choice(
                "The mean over D pixels makes the KL weigh D times as much: β = D.",
                "That is at s² = ½. Saving a little code is then worth more than any "
                "picture, and the code is abandoned.",
                right=True,
            ),
            Choice(
                "The learning rate is too small for a mean; a larger one mends it.",
                "A factor before the <i>whole</i> loss would be a matter of the "
                "learning rate. This one stands before one of two terms and moves the "
                "optimum.",
            ),
            Choice(
                "The average over the batch makes the KL too small.",
                "The error is averaged over the batch as well. It is the mean over the "
                "pixels that has no counterpart in the KL.",
            ),
        ),
    ),
    Question(
        "A Gaussian model of grey images reports log p(x) = +1200 nats an image. What "
        "can be said?",
        (
            Choice(
                "It is wrong: a probability is at most 1, so its logarithm is never "
                "positive.",
                "It is a density, probability per unit of brightness. Densities may "
                "exceed 1, and a narrow one does.",
            ),
            Choice(
                "It is a better model than a Bernoulli model with -80 nats.",
                "One number is a log density, the other a log probability. They have "
                "different units, and their difference means nothing.",
            ),
            Choice(
                "Little, until one knows the unit of brightness.",
                "Measured from 0 to 255 the same model would have D log 255 nats "
                "less. Integrated over the 256 levels it could be compared with "
                "anything.",
                right=True,
            ),
        ),
    ),
    Question(
        "For images that share a code, a decoder is trained with squared errors, "
        "another with cross-entropy. Which gives the sharper picture at this code?",
        (
            Choice(
                "Neither: the best output is the average of these images under both.",
                "Both losses are smallest at E[x|z]. They may lead to different codes, "
                "and a more precise code has less to average over.",
                right=True,
            ),
            Choice(
                "Cross-entropy: it punishes grey.",
                "It punishes being sure and wrong without limit. Where three of ten "
                "images are white, its best answer is the grey 0.3.",
            ),
            Choice(
                "Squared errors: they are made for real-valued pixels.",
                "Their best answer for a pixel is the mean, and a mean of sharp "
                "images is a blurred one.",
            ),
        ),
    ),
    Question(
        "Cross-entropy is used on grey pixels, as if it were minus a log-likelihood. "
        "What does it lack to be one?",
        (
            Choice(
                "Nothing: the formula takes x = 0.4 as gladly as x = 1.",
                "It takes it, but the expression integrates to at most ½ over the "
                "greys, so it is no density.",
            ),
            Choice(
                "A constant, which does not matter to training.",
                "The missing factor depends on the decoder's output, so leaving it out "
                "moves the optimum: it hides the reward for being sure.",
            ),
            Choice(
                "A factor that depends on what the decoder says.",
                "With C(ℓ) = ℓ / tanh(ℓ/2) the expression integrates to one: the "
                "continuous Bernoulli.",
                right=True,
            ),
        ),
    ),
]
