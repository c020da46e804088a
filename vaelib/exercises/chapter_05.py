"""Exercises and questions of chapter 5, on the divergence between Gaussians."""

import math

import sympy as sp
import torch

from vaelib.exercises import probes
from vaelib.exercises.exercise import Exercise
from vaelib.exercises.questions import Choice, Question
from vaelib.exercises.report import Finding

# By hand


def both_ways(m, v):
    there = 0.5 * (m**2 + v - 1 - math.log(v))
    back = 0.5 * ((m**2 + 1) / v - 1 + math.log(v))
    return there, back


def log_sigma(m, v):
    """You took log sigma where the formula has log sigma^2: the standard deviation is
    the root of the second argument.
    """
    there = 0.5 * (m**2 + v - 1 - math.log(v) / 2)
    back = 0.5 * ((m**2 + 1) / v - 1 + math.log(v) / 2)
    return there, back


def squared_variance(m, v):
    """The second argument of N(., .) is the variance already; you squared it once
    more.
    """
    return both_ways(m, v**2)


def one_way_twice(m, v):
    """This is the same direction twice. Exchange the two normals for the second number:
    the divergence is not symmetric.
    """
    there, _ = both_ways(m, v)
    return there, there


def other_way_twice(m, v):
    """This is the same direction twice. Exchange the two normals for the first number:
    the divergence is not symmetric.
    """
    _, back = both_ways(m, v)
    return back, back


def exchanged(m, v):
    """These are the two numbers in exchanged order: the first asks for samples of the
    wide normal.
    """
    return both_ways(m, v)[::-1]


def printed(m, v):
    """The sign is turned over, as one of the source documents prints it. A divergence
    is never negative.
    """
    there, back = both_ways(m, v)
    return -there, -back


def no_half(m, v):
    """The factor one half in front is missing."""
    there, back = both_ways(m, v)
    return 2 * there, 2 * back


def narrower(rng):
    m, v = rng.choice([(1, 2), (2, 4), (2, 9), (1, 9), (3, 4), (3, 2), (2, 3)])
    return {"m": m, "v": v}


# Cross-entropy


def cross_entropy(mu, sigma):
    return sp.log(2 * sp.pi) / 2 + (mu**2 + sigma**2) / 2


def entropy(mu, sigma):
    """This is the entropy of q: the logarithm averaged was that of q, and it should be
    that of p.
    """
    return sp.log(2 * sp.pi * sigma**2) / 2 + sp.Rational(1, 2)


def no_constant(mu, sigma):
    """The constant of the normal density has been left out. It cancels in the
    divergence, but not here.
    """
    return (mu**2 + sigma**2) / 2


def negative(mu, sigma):
    """This is the average of log p; the cross-entropy is minus that."""
    return -cross_entropy(mu, sigma)


def of_the_mean(mu, sigma):
    """This is -log p at the mean of q. The average of z^2 is larger than the square of
    the mean: which moment is missing?
    """
    return sp.log(2 * sp.pi) / 2 + mu**2 / 2


def at_random(generator):
    mu = 2 * torch.randn(6, generator=generator, dtype=torch.float64)
    sigma = 0.2 + 2 * torch.rand(6, generator=generator, dtype=torch.float64)
    return {
        "at random points": ({"mu": mu.tolist(), "sigma": sigma.tolist()},),
        "for a narrow q, sigma = 0.001": ({"mu": [0.0, 1.0], "sigma": [1e-3] * 2},),
    }


# In code


def kl(mu, logvar):
    return 0.5 * (mu**2 + torch.expm1(logvar) - logvar).sum(1)


def flipped(mu, logvar):
    """The sign is turned over: this is minus the divergence, as one of the source
    documents prints it.
    """
    return -kl(mu, logvar)


def double(mu, logvar):
    """The factor one half is missing: this is twice the divergence."""
    return 2 * kl(mu, logvar)


def half_lost(mu, logvar):
    """The one half belongs to the logarithm too; here it multiplies the other terms
    only.
    """
    return (0.5 * (mu**2 + logvar.exp() - 1) - logvar).sum(1)


def logvar_for_sigma(mu, logvar):
    """You took logvar for log sigma. It is log sigma^2 already."""
    return kl(mu, 2 * logvar)


def variance_for_logvar(mu, logvar):
    """You took logvar for the variance itself."""
    return 0.5 * (mu**2 + logvar - 1 - logvar.log()).sum(1)


def over_the_batch(mu, logvar):
    """You summed over the batch and kept the dimensions: sum over the last axis."""
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(0)


def over_everything(mu, logvar):
    """You summed over the batch as well: one number is wanted for each row."""
    return kl(mu, logvar).sum()


def mean_of_dimensions(mu, logvar):
    """You averaged over the dimensions. Divergences of independent dimensions add
    up.
    """
    return kl(mu, logvar) / mu.shape[1]


def per_dimension(mu, logvar):
    """Not summed yet: this is the divergence of each dimension."""
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar)


def rows(generator):
    mu = torch.randn(16, 5, generator=generator)
    logvar = torch.randn(16, 5, generator=generator)
    return {
        "at the prior, mu = 0 and logvar = 0": (torch.zeros(4, 3), torch.zeros(4, 3)),
        "away from it": (mu, logvar),
        "a single row": (mu[:1], logvar[:1]),
        "a shift only, logvar = 0": (3 + mu[:, :2], torch.zeros(16, 2)),
    }


# Find the wrong step


def a_negative_place():
    return 0.8


def at_one():
    """At sigma = 1 both logarithms vanish, and the wrong formula is right."""
    return 1.0


def far_out():
    """There the wrong formula is positive, only too large. Where is its minimum?"""
    return 2.0


def no_width():
    """A standard deviation is greater than zero."""
    return -0.8


def is_negative(out, given, due):
    sigma = out["the number"].item()
    if not sigma > 0:
        yield Finding(False, f"sigma = {sigma:.4g} is no standard deviation")
        return
    value = 0.5 * (sigma**2 - 1 - math.log(sigma))
    yield Finding(value < 0, f"at sigma = {sigma:.4g} her formula gives {value:.4f}")


# What correlation costs


def best_variance(rho):
    return 1 - rho**2


def marginal(rho):
    """This is the variance of one coordinate when nothing is known of the other, and
    what the divergence the other way round would give. The fit is narrower:
    differentiate the divergence from N(0, s^2 I) to r by s.
    """
    return sp.Integer(1)


def root(rho):
    """This is s; the variance is asked for."""
    return sp.sqrt(1 - rho**2)


def precision(rho):
    """You read the diagonal of the inverse of Sigma as a variance: it is a precision,
    one over the variance that is wanted.
    """
    return 1 / (1 - rho**2)


def correlations(generator):
    rho = 1.9 * torch.rand(8, generator=generator, dtype=torch.float64) - 0.95
    return {"for correlations between -1 and 1": ({"rho": rho.tolist()},)}


EXERCISES = [
    Exercise(
        name="gaussian-kl-by-hand",
        title="By hand",
        kind="predict",
        points=1,
        task=r"""
Compute $\mathrm{KL}(\mathcal{N}([[m]], [[v]]) \,\|\, \mathcal{N}(0, 1))$, and then the
divergence with the two swapped, in nats; two decimals will do. Guess from the two
densities which is larger. (The second argument is the variance, as everywhere in this
book.)
""",
        start="""
there = ...  # from N([[m]], [[v]]) to N(0, 1)
back = ...  # from N(0, 1) to N([[m]], [[v]])
divergences = (there, back)
""",
        hints=(
            "Both are cases of the formula for two normals in one dimension: write "
            "down which of the two is q, and which is p.",
            r"The first needs $\mu$, $\sigma^2$ and $\log \sigma^2$ of the wide normal "
            "and nothing else. In the second, the wide normal is p, and its variance "
            "divides.",
        ),
        reference=both_ways,
        discussion=r"""
With $\mu$ and $\sigma^2$ of the wide normal: there, $\frac12(\mu^2 + \sigma^2 - 1 -
\log\sigma^2)$; back, $\frac12\bigl(\frac{1 + \mu^2}{\sigma^2} - 1 +
\log\sigma^2\bigr)$. For $\mu = 1$, $\sigma^2 = 4$ these are 1.307 and 0.443 nats. The
first is larger: samples of the wide normal often fall where the narrow one has hardly
any density, and each of them has a large log-ratio.
""",
        mistakes=(
            log_sigma,
            squared_variance,
            one_way_twice,
            other_way_twice,
            exchanged,
            printed,
            no_half,
        ),
        probe=probes.numbers,
        values={"m": 1, "v": 4},
        vary=narrower,
        rtol=5e-3,
        atol=6e-3,
        partial=True,
    ),
    Exercise(
        name="gaussian-kl-entropy",
        title="Entropy, and what is left",
        kind="derive",
        points=2,
        task=r"""
The divergence is cross-entropy less entropy: $-\mathbb{E}_q[\log p]$ less
$-\mathbb{E}_q[\log q]$. Find the cross-entropy $-\mathbb{E}_q[\log p(z)]$ for
$q = \mathcal{N}(\mu, \sigma^2)$ and $p = \mathcal{N}(0, 1)$, as an expression in `mu`
and `sigma`, on paper or with `sym.expectation`. Think about: which of the four terms of
the divergence belongs to which of the two, and which constants cancel?
""",
        start="""
import sympy as sp

from vaelib import symbolic as sym

mu = sp.Symbol("mu", real=True)
sigma = sp.Symbol("sigma", positive=True)
cross_entropy = ...
""",
        hints=(
            r"Write out $\log p(z)$ first. It has a constant and a square.",
            r"What is $\mathbb{E}_q[z^2]$, if $z$ has mean $\mu$ and variance "
            r"$\sigma^2$?",
        ),
        reference=cross_entropy,
        discussion=r"""
$-\log p(z) = \frac12 \log 2\pi + \frac12 z^2$, and $\mathbb{E}_q[z^2] = \mu^2 +
\sigma^2$. The entropy is $\frac12 \log 2\pi + \frac12 \log \sigma^2 + \frac12$: it
depends on the width only and gives $-\log\sigma^2$ and $-1$ in the divergence. The
cross-entropy gives the other two terms. The $\log 2\pi$ is in both and cancels.

SymPy finds the same:

```python
z = sp.Symbol("z", real=True)
q = sym.gaussian(z, mu, sigma**2)
print(-sym.expectation(sym.log_gaussian(z), z, q))
```
""",
        mistakes=(entropy, no_constant, negative, of_the_mean),
        probe=probes.expression,
        given=at_random,
        values={
            "mu": sp.Symbol("mu", real=True),
            "sigma": sp.Symbol("sigma", positive=True),
        },
        rtol=1e-9,
        atol=1e-9,
    ),
    Exercise(
        name="gaussian-kl",
        title="In code",
        kind="implement",
        points=2,
        task=r"""
Write the divergence that every variational autoencoder computes,
$\mathrm{KL}(\mathcal{N}(\mu, \operatorname{diag}\sigma^2) \,\|\, \mathcal{N}(0, I))$,
for a batch: `mu` and `logvar`, which is $\log\sigma^2$, have shape (N, d), and one
number in nats is wanted for each row. Use neither `vaelib` nor `torch.distributions`.
""",
        start='''
def kl(mu, logvar):
    """Divergence of each row from the prior, shape (N,), in nats."""
    ...
''',
        hints=(
            "Write it for one dimension, and put in the prior itself: is it zero?",
            r"$\sigma^2$ is `logvar.exp()`, and $\log\sigma^2$ is `logvar`: no other "
            "logarithm is needed.",
            "Independent dimensions add up. Over which axis?",
        ),
        reference=kl,
        discussion=r"""
`torch.expm1(logvar)` is $\sigma^2 - 1$ without the cancellation near the prior;
`logvar.exp() - 1` passes too.
""",
        mistakes=(
            flipped,
            double,
            half_lost,
            logvar_for_sigma,
            variance_for_logvar,
            over_the_batch,
            over_everything,
            mean_of_dimensions,
            per_dimension,
        ),
        given=rows,
    ),
    Exercise(
        name="gaussian-kl-wrong-step",
        title="Find the wrong step",
        kind="predict",
        points=2,
        task=r"""
A colleague writes $\mathrm{KL} = \frac12(\mu^2 + \sigma^2 - 1 - \log\sigma)$ and is
sure of it: it is zero for the prior, and positive for every $(\mu, \sigma)$ that she
tried. Refute it: at $\mu = 0$, find a $\sigma$ for which her formula is *negative*.
Think about: why did her test at the prior not help?
""",
        start="""
sigma = ...
""",
        hints=(
            r"Set $\mu = 0$ and draw the formula as a function of $\sigma$, near 1.",
            r"Its slope at $\sigma = 1$ is not zero. On which side does it go down?",
        ),
        reference=a_negative_place,
        discussion=r"""
Any $\sigma$ from 0.46 to just below 1 will do: at 0.8 the formula gives $-0.068$. Where
$\sigma = 1$ both $\log\sigma$ and $\log\sigma^2$ vanish, so the prior cannot tell them
apart. The derivative at $\mu = 0$ is $\sigma - \frac{1}{2\sigma}$, and it vanishes at
$\sigma = 1/\sqrt2$, not at 1: a formula for a divergence must have zero *gradient* at
equality, too. This makes a third test to go with the two of the text. SymPy finds the
step as well:

```python
right = sym.derive_gaussian_kl()
wrong = (mu**2 + sigma**2 - 1 - sp.log(sigma)) / 2
steps = [*right[:-1], sym.Step("collect", wrong)]
sym.Derivation("KL(q || p)", steps, right.given)  # raises: log(sigma)/2
```
""",
        mistakes=(at_one, far_out, no_width),
        probe=probes.numbers,
        verify=is_negative,
        values={},
    ),
    Exercise(
        name="gaussian-kl-correlation",
        title="What correlation costs",
        kind="derive",
        points=3,
        task=r"""
Suppose that a true posterior is $r = \mathcal{N}(0, \Sigma)$ in two dimensions, with
unit variances and correlation $\rho$, and that the encoder can only answer
$\mathcal{N}(0, s^2 I)$. Find the *variance* $s^2$ for which
$\mathrm{KL}(\mathcal{N}(0, s^2 I) \,\|\, r)$ is least, as an expression in `rho`. Think
about: what happens as $\rho$ approaches 1?
""",
        start="""
import sympy as sp

rho = sp.Symbol("rho", real=True)
best_variance = ...
""",
        hints=(
            "The divergence between two normals in many dimensions has a trace and two "
            "determinants. Which of these depend on s?",
            r"$\operatorname{tr}(\Sigma^{-1} s^2 I) = s^2 \operatorname{tr}"
            r"\Sigma^{-1}$, and $\log\det(s^2 I) = 4 \log s$.",
        ),
        reference=best_variance,
        discussion=r"""
What depends on $s$ is $\frac12\bigl(s^2 \operatorname{tr}\Sigma^{-1} - 4\log s\bigr)$
with $\operatorname{tr}\Sigma^{-1} = 2/(1-\rho^2)$; its derivative vanishes at
$s^2 = 1 - \rho^2$. That is the variance of one coordinate when the *other is known*,
not its variance 1. As $\rho \to 1$ the fit shrinks to a point. An encoder with a
diagonal covariance understates its uncertainty for this reason; only a richer family
of $q$ would mend it. (The price of calling $r$ itself a standard normal is
$\mathrm{KL}(r \,\|\, \mathcal{N}(0, I)) = -\frac12 \log(1 - \rho^2)$: both marginals
agree, and what is paid for is their mutual information.)
""",
        mistakes=(marginal, root, precision),
        probe=probes.expression,
        given=correlations,
        values={"rho": sp.Symbol("rho", real=True)},
        rtol=1e-9,
        atol=1e-9,
    ),
    Exercise(
        name="gaussian-kl-laplace",
        title="Small project: another prior",
        kind="open",
        points=4,
        task=r"""
Take the Laplace prior $p(z) = \frac12 e^{-|z|}$, which favours values near zero. Derive
$\mathrm{KL}(\mathcal{N}(\mu, \sigma^2) \,\|\, p)$ with SymPy, hold it against
quadrature, and plot its contours over $\mu$ and $\sigma$. Where is the minimum now, and
what does the divergence cost there? Is zero still attainable?
""",
        hints=(
            r"Only one average is new: $\mathbb{E}_q|z|$. `sym.expectation` knows it.",
            r"By symmetry the minimum has $\mu = 0$; one variable is left.",
        ),
        discussion=r"""
```python
q = sym.gaussian(z, mu, sigma**2)
log_ratio = sym.log_gaussian(z, mu, sigma**2) + sp.log(2) + sp.Abs(z)
kl = sym.expectation(log_ratio, z, q)
```

The average of $|z|$ is $\sigma \sqrt{2/\pi}\, e^{-\mu^2 / 2\sigma^2} + \mu\,
\mathrm{erf}\big(\mu / (\sqrt{2}\, \sigma)\big)$; the rest is
$\log 2 - \frac12 \log(2\pi e \sigma^2)$. At $\mu = 0$ the derivative with respect to
$\sigma$ is $\sqrt{2/\pi} - 1/\sigma$, so the minimum is at
$\sigma = \sqrt{\pi/2} \approx 1.25$, and there the divergence is
$\log 2 - \log \pi + \frac12 \approx 0.048$ nats. Zero is out of reach, since no
normal equals a Laplace distribution.
""",
        rubric=(
            (1, r"The average of $|z|$, derived or found by SymPy."),
            (1, "The formula is held against quadrature at several points."),
            (1, r"The minimum, $\sigma = \sqrt{\pi/2}$ at $\mu = 0$, 0.048 nats."),
            (1, "A legible plot, and why zero cannot be reached."),
        ),
    ),
]

QUESTIONS = [
    Question(
        "An encoder answers μ = 0 and σ = 1 for every image. What is its divergence "
        "to the standard normal prior?",
        (
            Choice(
                "One half for each dimension",
                "Put it in: ½(0 + 1 − 1 − log 1). The 1 of σ² and the −1 cancel.",
            ),
            Choice(
                "Zero, and that is what training aims at",
                "Zero it is, but then every image has the same code. Training weighs "
                "this price against reconstruction; at zero the decoder is blind.",
            ),
            Choice(
                "Zero, and the code says nothing about the image",
                "Zero divergence means q(z|x) = p(z): the code does not depend on x.",
                right=True,
            ),
            Choice(
                "It cannot be known without samples",
                "Between two normals the divergence has a closed form; nothing is "
                "sampled.",
            ),
        ),
    ),
    Question(
        "Somebody's formula for the divergence to the prior, in μ and σ, comes out at "
        "−3.1 nats. What can be said at once?",
        (
            Choice(
                "The posterior is narrower than the prior",
                "A narrow posterior makes the divergence larger. No q makes it "
                "negative.",
            ),
            Choice(
                "The code has a bug",
                "A divergence is never negative, by Jensen's inequality. A turned "
                "sign is the usual reason.",
                right=True,
            ),
            Choice(
                "Too few samples were drawn",
                "A mean over samples may come out below zero by chance. A formula in "
                "μ and σ has no samples, and no such excuse.",
            ),
        ),
    ),
    Question(
        "A shift of μ from 0 to 2, with σ = 1: what does it cost?",
        (
            Choice(
                "2 nats",
                "Half the square of the shift: ½ · 2² = 2.",
                right=True,
            ),
            Choice("4 nats", "That is the square; there is a ½ in front."),
            Choice(
                "1 nat",
                "The cost grows with the square of the shift, not in proportion: "
                "a shift of 1 costs ½, a shift of 2 four times as much.",
            ),
        ),
    ),
    Question(
        "The network's second output is named <code>logvar</code>. Which σ does it "
        "stand for?",
        (
            Choice(
                "σ = exp(logvar)",
                "That is the variance σ². Its root is the standard deviation.",
            ),
            Choice(
                "σ = exp(logvar / 2)",
                "logvar = log σ² = 2 log σ.",
                right=True,
            ),
            Choice(
                "σ = log(1 + exp(logvar))",
                "That is softplus, another way to make a positive number. It would "
                "have to be used everywhere, in the divergence too.",
            ),
        ),
    ),
]
