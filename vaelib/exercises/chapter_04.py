"""Exercises and questions of chapter 4, on the evidence lower bound.

Most are about its toy model, z ~ N(0, 1) and x given z ~ N(a z, s^2).
"""

import math

import sympy as sp
import torch

from vaelib.exercises import probes
from vaelib.exercises.exercise import Exercise
from vaelib.exercises.questions import Choice, Question
from vaelib.exercises.report import Finding


def log_evidence(a, s, x):
    total = a * a + s * s
    return -0.5 * (math.log(2 * math.pi * total) + x * x / total)


# The laziest q


def lazy(a, s, x):
    return terms_for(s, x**2 + a**2, log_evidence(a, s, x))


def terms_for(s, mean_square, evidence):
    """The four numbers, when (x - a z)^2 has this mean."""
    reconstruction = -0.5 * (math.log(2 * math.pi * s**2) + mean_square / s**2)
    return reconstruction, 0.0, reconstruction, evidence - reconstruction


def lazy_plugged_in(a, s, x):
    """You put the mean code z = 0 into the square. The mean of a square also has the
    variance of a z in it.
    """
    return terms_for(s, x**2, log_evidence(a, s, x))


def lazy_subtracted(a, s, x):
    """The variance of a z has been subtracted in the mean square. It is added: an
    uncertain code makes the error larger.
    """
    return terms_for(s, x**2 - a**2, log_evidence(a, s, x))


def lazy_variance_of_z(a, s, x):
    """In the mean square stands the variance of z. What is needed is that of a z."""
    return terms_for(s, x**2 + 1, log_evidence(a, s, x))


def lazy_no_constant(a, s, x):
    """The constant of the normal density is missing from the reconstruction. It is
    part of log p(x|z), and log p(x) has one too.
    """
    reconstruction = -0.5 * (x**2 + a**2) / s**2
    return reconstruction, 0.0, reconstruction, log_evidence(a, s, x) - reconstruction


def lazy_loss(a, s, x):
    """The reconstruction has its sign turned over: it is the mean of a log-density, as
    the bound is, and not a loss.
    """
    reconstruction, _, _, gap = lazy(a, s, x)
    evidence = reconstruction + gap
    return -reconstruction, 0.0, -reconstruction, evidence + reconstruction


def lazy_flipped(a, s, x):
    """The gap has its sign turned over. It is the evidence less the bound, and never
    negative.
    """
    *others, gap = lazy(a, s, x)
    return *others, -gap


def lazy_other_gap(a, s, x):
    """The gap is the divergence from the posterior to q. The other order is wanted: q
    stands first, and the average is over q.
    """
    variance, mean = s**2 / (a**2 + s**2), a * x / (a**2 + s**2)
    gap = 0.5 * (mean**2 + variance - 1 - math.log(variance))
    return *lazy(a, s, x)[:3], gap


def lazy_wrong_divergence(a, s, x):
    """The divergence that belongs into the bound is the one to the prior. The one to
    the posterior is the gap.
    """
    reconstruction, _, _, gap = lazy(a, s, x)
    return reconstruction, gap, reconstruction - gap, gap


def another_model(rng):
    a, s, x = rng.choice([(2, 1, 2), (2, 1, 4), (3, 1, 2), (3, 2, 5), (2, 2, 4)])
    return {"a": a, "s": s, "x": x}


# Is it still a bound?


def breaking_q(beta, x):
    return 2 * x / 5, 1 / 5  # the posterior, for every beta


def narrow(beta, x):
    """A very narrow q around the perfect code x/2 breaks the bound when the divergence
    hardly counts. Nearer to beta = 1 its divergence costs more than it gains: look for
    one that works for every beta.
    """
    return x / 2, 0.01


def the_prior(beta, x):
    """At the prior the divergence is zero, so beta does not matter there, and the
    objective is the bound itself.
    """
    return 0.0, 1.0


def deviation(beta, x):
    """You gave back the standard deviation. The second number is the variance."""
    return 2 * x / 5, math.sqrt(1 / 5)


def mean_code(beta, x):
    """The width is that of the posterior, the mean the perfect code x/2. Nearer to
    beta = 1 that is too far from the prior.
    """
    return x / 2, 1 / 5


def weights(generator):
    beta = torch.rand((), generator=generator).item()
    x = 2 * torch.randn((), generator=generator).item()
    return {
        "beta = 0.1, x = 3": (0.1, 3.0),
        "beta = 0.9, x = -4": (0.9, -4.0),
        "beta = 0.99, x = 0": (0.99, 0.0),
        "beta and x at random": (0.1 + 0.85 * beta, x),
        "beta = 0.99, x = 3": (0.99, 3.0),
    }


def above_the_evidence(out, given, due):
    for case, (beta, x) in given.items():
        pair = [out[f"{case}, output {i}"] for i in (1, 2)]
        if any(number.numel() != 1 for number in pair):
            yield Finding(False, f"{case}: return two numbers, (mean, variance)")
            continue
        m, v = (number.double().item() for number in pair)
        if not 0 < v < math.inf:
            yield Finding(False, f"{case}: {v:.4g} is no variance")
            continue
        squares = (x - 2 * m) * (x - 2 * m) + 4 * v
        reconstruction = -0.5 * (math.log(2 * math.pi) + squares)
        objective = reconstruction - beta * 0.5 * (m * m + v - 1 - math.log(v))
        evidence = log_evidence(2, 1, x)
        text = f"{case}: the objective is {objective:.4f}, log p(x) {evidence:.4f}"
        yield Finding(objective > evidence + 1e-6, text)


# Too sure, or not sure enough

SHARE = 0.2  # the variance of the posterior in the live figure


def widths(gap):
    """The two widths at which a q with the right mean has this gap, by bisection."""
    return tuple(
        math.sqrt(SHARE * ratio) for ratio in (bisect(gap, 0, 1), bisect(gap, 1, 99))
    )


def bisect(gap, low, high):
    rising = low == 1
    for _ in range(60):
        ratio = (low + high) / 2
        if (0.5 * (ratio - 1 - math.log(ratio)) > gap) == rising:
            high = ratio
        else:
            low = ratio
    return ratio


def widths_exchanged(gap):
    """A width stands in the other's place: the narrow one comes first."""
    return widths(gap)[::-1]


def widths_by_symmetry(gap):
    """The wide one is right. You took the narrow one to be as many times too narrow;
    the figure is not so symmetric: read it off.
    """
    wide = widths(gap)[1]
    return SHARE / wide, wide


def widths_as_variances(gap):
    """These are the variances. The figure shows the width, which is the standard
    deviation.
    """
    narrow, wide = widths(gap)
    return narrow**2, wide**2


def widths_as_factors(gap):
    """These are the factors by which q is narrower and wider than the posterior. Give
    the widths themselves.
    """
    narrow, wide = widths(gap)
    return narrow / math.sqrt(SHARE), wide / math.sqrt(SHARE)


# A log that is too good


def reasons():
    return {"a", "b", "c"}


def without_noise():
    """The estimate from one sample is right on average, but a single value can lie
    above the evidence: where does the histogram of the log-weights end?
    """
    return {"b", "c"}


def without_mean():
    """Of (c): the log-likelihood of an image is a sum of many negative numbers. Is
    their mean above it or below?
    """
    return {"a", "b"}


def without_sign():
    """Of (b): put in mu = 1 and sigma = 1. A divergence is never negative; is this?"""
    return {"a", "c"}


def only_sign():
    """A sign is not the only way to make a loss small by mistake. Look again at (a) and
    (c).
    """
    return {"b"}


def with_overfitting():
    """The data have no part in it: the inequality holds for every x and every model,
    overfitted or not. (d) is no reason.
    """
    return {"a", "b", "c", "d"}


def with_narrow_q():
    """A q that is too narrow may gain in the reconstruction and pays for it in the
    divergence: whatever q is, the mean of the log-weights stays below. (e) is no
    reason.
    """
    return {"a", "b", "c", "e"}


def everything():
    """Two of these are no reason: the bound holds for every q, and for every model
    whatever it was trained on.
    """
    return {"a", "b", "c", "d", "e"}


# Climb in turns


def em_step(a, s, xs):
    mean = a * xs / (a**2 + s**2)  # of the posterior, at the present a
    variance = s**2 / (a**2 + s**2)
    return (xs * mean).sum() / (mean**2 + variance).sum()


def em_hard(a, s, xs):
    """Only the posterior means are in it, as if the codes were known. E[z^2] is the
    squared mean plus the variance.
    """
    mean = a * xs / (a**2 + s**2)
    return (xs * mean).sum() / (mean**2).sum()


def em_variance_once(a, s, xs):
    """The variance of the posterior has been added once. Each of the data has its own
    code, so it comes once for each.
    """
    mean, variance = a * xs / (a**2 + s**2), s**2 / (a**2 + s**2)
    return (xs * mean).sum() / ((mean**2).sum() + variance)


def em_wrong_regression(a, s, xs):
    """This predicts the codes from the data. The decoder predicts x from z: divide by
    the sum of E[z^2].
    """
    return (xs * a * xs / (a**2 + s**2)).sum() / (xs**2).sum()


def em_deviation(a, s, xs):
    """s is the standard deviation of the noise; you used it as the variance."""
    return em_step(a, math.sqrt(s), xs)


def em_precision(a, s, xs):
    """In the place of the posterior's variance stands its inverse, the precision."""
    mean, variance = a * xs / (a**2 + s**2), (a**2 + s**2) / s**2
    return (xs * mean).sum() / (mean**2 + variance).sum()


def em_maximum(a, s, xs):
    """This is the maximum of the evidence itself. One round is wanted: the posteriors
    at the present a, held fixed, and then the a that is best for them.
    """
    return math.copysign((xs.square().mean() - s**2).clamp(min=0).sqrt().item(), a)


def starts(generator):
    xs = 2 * torch.randn(500, generator=generator)
    xs = xs + torch.randn(500, generator=generator)
    best = (xs.square().mean() - 1).sqrt().item()
    return {
        "far from the maximum, a = 0.5": (0.5, 1.0, xs),
        "at the maximum, where nothing moves": (best, 1.0, xs),
        "little noise, s = 0.1": (1.0, 0.1, xs),
        "a negative a": (-3.0, 0.5, xs[:50]),
        "a single datum": (1.0, 1.0, xs[:1] + 3),
    }


# A gap that cannot close


def remaining_gap(sigma):
    precision = 1 + 1 / sigma**2  # each diagonal entry of Lambda
    determinant = 1 + 2 / sigma**2
    return sp.log(precision) - sp.log(determinant) / 2


def gap_of_marginals(sigma):
    """The variances are those of the posterior's marginals. These are best for the
    other direction of the divergence; the gap averages over q.
    """
    variance = (1 + sigma**2) / (2 + sigma**2)
    log_determinant = sp.log(1 + 2 / sigma**2)
    precision = 1 + 1 / sigma**2
    return precision * variance - 1 - log_determinant / 2 - sp.log(variance)


def gap_of_the_prior(sigma):
    """The variances are still those of the prior, one. Minimise over them."""
    return 1 / sigma**2 - sp.log(1 + 2 / sigma**2) / 2


def gap_no_half(sigma):
    """The factor one half is missing: this is twice the gap."""
    return 2 * remaining_gap(sigma)


def gap_flipped(sigma):
    """The sign is turned over: a gap is a divergence, and never negative."""
    return -remaining_gap(sigma)


def gap_one_dimension(sigma):
    """Only one of the two dimensions of q is in it. This is negative, which no gap can
    be.
    """
    return sp.log(1 + 1 / sigma**2) / 2 - sp.log(1 + 2 / sigma**2) / 2


def noises(generator):
    sigma = 0.05 + 3 * torch.rand(6, generator=generator, dtype=torch.float64)
    return {
        "for standard deviations between 0.05 and 3": ({"sigma": sigma.tolist()},),
        "at sigma = 1 and 0.1": ({"sigma": [1.0, 0.1]},),
    }


EXERCISES = [
    Exercise(
        name="elbo-prior",
        title="The laziest q",
        kind="predict",
        points=1,
        task=r"""
Take $q(z|x) = p(z)$ in the toy model $z \sim \mathcal{N}(0, 1)$,
$x \,|\, z \sim \mathcal{N}(a z, s^2)$ with $a = [[a]]$, $s = [[s]]$ and $x = [[x]]$. By
hand: what are the two terms of the bound (the reconstruction, and the divergence that
is subtracted from it), the bound, and the gap to $\log p(x)$, all in nats? Two decimal
places will do. Think about: which form of the bound did you use?
""",
        start="""
reconstruction = ...
divergence = ...
bound = ...
gap = ...
answers = (reconstruction, divergence, bound, gap)
""",
        hints=(
            "One of the four needs no calculation at all.",
            r"The reconstruction is $-\tfrac12 \log(2\pi s^2) - "
            r"\mathbb{E}[(x - a z)^2] / (2 s^2)$. Under the prior, what are the mean "
            "and the variance of $x - a z$?",
            r"The evidence is $\mathcal{N}(x; 0, a^2 + s^2)$. You need no divergence "
            "to the posterior: the gap is what is missing.",
        ),
        reference=lazy,
        discussion=r"""
With $a = 2$, $s = 1$ and $x = 3$: the divergence to the prior is zero. The
reconstruction is $-\tfrac12\log(2\pi) - \tfrac12\,\mathbb{E}[(3 - 2z)^2]$ with
$z \sim \mathcal{N}(0, 1)$, and $\mathbb{E}[(3 - 2z)^2] = 9 + 4 = 13$. So
$\mathcal{L} = -0.919 - 6.5 = -7.419$ nats, by the first form. The evidence is $-2.624$
nats, so the gap is $4.795$ nats: the posterior is far from the prior because the datum
says much.

In general the mean square is $x^2 + a^2$, and the reconstruction
$-\tfrac12\log(2\pi s^2) - \frac{x^2 + a^2}{2 s^2}$.
""",
        mistakes=(
            lazy_plugged_in,
            lazy_subtracted,
            lazy_variance_of_z,
            lazy_no_constant,
            lazy_loss,
            lazy_flipped,
            lazy_other_gap,
            lazy_wrong_divergence,
        ),
        probe=probes.numbers,
        values={"a": 2, "s": 1, "x": 3},
        vary=another_model,
        rtol=2e-3,
        atol=6e-3,
    ),
    Exercise(
        name="elbo-beta",
        title="Is it still a bound?",
        kind="implement",
        points=2,
        task=r"""
The objective $\mathcal{L}_\beta = \mathbb{E}_q[\log p(x|z)] - \beta\,
\mathrm{KL}(q \,\|\, p(z))$ weighs the divergence. For $\beta$ below 1 it is no bound: a
$q$ exists with $\mathcal{L}_\beta > \log p(x)$. Find one in the toy model
$z \sim \mathcal{N}(0, 1)$, $x \,|\, z \sim \mathcal{N}(2 z, 1)$, for every $x$ and
every $\beta$ between 0 and 1: write a function that returns the mean and the variance
of such a $q = \mathcal{N}(m, v)$. The check computes both sides. Think about: why is
$\mathcal{L}_\beta \le \log p(x)$ guaranteed for $\beta \ge 1$?
""",
        start='''
def breaking_q(beta, x):
    """A tuple (mean, variance) of a q with L_beta > log p(x); 0 < beta < 1."""
    ...
''',
        hints=(
            r"Write $\mathcal{L}_\beta$ as the bound $\mathcal{L}$ plus something. "
            "When is that something positive?",
            r"$\mathcal{L}_\beta = \mathcal{L} + (1 - \beta)\,\mathrm{KL}(q \,\|\, "
            r"p(z))$. You win for certain where $\mathcal{L}$ loses nothing.",
            "For which $q$ is the gap zero?",
        ),
        reference=breaking_q,
        discussion=r"""
$\mathcal{L}_\beta = \mathcal{L} - (\beta - 1)\,\mathrm{KL}(q \,\|\, p(z))$. For
$\beta \ge 1$ something non-negative is taken away from a lower bound, so it is still
one, only looser. For $\beta < 1$ something is added, and
one $q$ breaks it for every such $\beta$: the posterior itself. There
$\mathcal{L} = \log p(x)$, so $\mathcal{L}_\beta = \log p(x) + (1 - \beta)\,
\mathrm{KL}(p(z|x) \,\|\, p(z))$, which is larger unless the posterior is the prior. For
$\beta = 0.5$ and $x = 3$ it is larger by 0.562 nats.

For small $\beta$ a $q$ that is very narrow around the perfect code $x/2$ goes further:
at $\beta = 0$ its reconstruction tends to $-\tfrac12\log 2\pi = -0.919$, far above
$\log p(x) = -2.624$ at $x = 3$. The best $q$ of all has the variance
$\beta / (4 + \beta)$ and the mean $2x/(4 + \beta)$: the posterior that comes out when
the likelihood counts $1/\beta$ times.

Values of $\mathcal{L}_\beta$ for different $\beta$ are therefore not comparable.
""",
        mistakes=(narrow, the_prior, deviation, mean_code),
        given=weights,
        verify=above_the_evidence,
    ),
    Exercise(
        name="elbo-widths",
        title="Too sure, or not sure enough",
        kind="explore",
        points=1,
        task=r"""
In the live figure of chapter 4, put the mean of $q$ on that of the posterior, 1.2, so
that only the width is left. Then find the two widths at which the gap is [[gap]] nats,
one on each side of the posterior's own width, which is 0.447. Two decimals will do.
Think about: by which factor is each of them off, and which is the dearer mistake, a $q$
that is too narrow or one that is too wide?
""",
        start="""
# the figure: from vaelib import figures; figures.elbo_gap()
too_narrow = ...  # width of q, the standard deviation
too_wide = ...
answers = (too_narrow, too_wide)
""",
        hints=(
            "With the mean at 1.2 the gap is zero, to three places, at a width of "
            "about 0.45. If yours is not, the mean is still off.",
            "Move the width down from 0.447 until the pink part says [[gap]], and read "
            "the width beside the slider. Then the same upwards.",
        ),
        reference=widths,
        discussion=r"""
For a gap of half a nat the widths are 0.178 and 0.793: a $q$ may be 2.5 times too
narrow or 1.8 times too wide for the same loss. To be too sure is the cheaper mistake.

With the right mean and the ratio $r$ of the variances, the gap is
$\tfrac12(r - 1 - \log r)$. Upwards it grows like $r$ itself, downwards only like
$-\log r$. It is the mode-seeking direction of chapter 3: where $q$ is wide, it has
draws that the posterior holds to be nearly impossible; where it is narrow, it only
fails to visit what is possible. So when a Gaussian $q$ cannot match the posterior,
expect it to report too little uncertainty.
""",
        mistakes=(
            widths_exchanged,
            widths_by_symmetry,
            widths_as_variances,
            widths_as_factors,
        ),
        probe=probes.numbers,
        values={"gap": 0.5},
        vary=lambda rng: {"gap": rng.choice([0.3, 0.4, 0.6])},
        rtol=0.03,
        atol=6e-3,
    ),
    Exercise(
        name="elbo-too-good",
        title="A log that is too good",
        kind="diagnose",
        points=2,
        task=r"""
Someone trains a model whose evidence $\log p_\theta(x)$ is known at every step, and
logs an "ELBO" that lies *above* it, for the same model and the same data. Which of
these can be the reason? Answer with a set of letters. Think about: how would you tell?

- (a) One sample of $z$ was used for each datum, and a single datum was logged.
- (b) The divergence was coded as $\tfrac12 \sum (1 + \log\sigma^2 - \sigma^2 - \mu^2)$.
- (c) The log-likelihood of the binary pixels was averaged over the pixels, the
  divergence summed over the dimensions.
- (d) The training set is too small, and the model has learned it by heart.
- (e) The encoder is far too sure of itself: its $q$ is much narrower than the
  posterior.
""",
        start="""
reasons = ...  # for instance {"a", "d"}
""",
        hints=(
            "Which of them make another number out of the bound, and which only "
            "another model or another $q$?",
            r"The inequality $\mathcal{L} \le \log p(x)$ holds for every $x$, every "
            "model and every $q$; but it is one between means.",
        ),
        reference=reasons,
        discussion=r"""
- (a) Yes, for a single datum: $\log w$ at one draw may lie above $\log p(x)$ (the right
  part of the chapter's histogram does). It cannot on average: log the mean over many
  draws with its standard error.
- (b) Yes: this is *minus* the divergence, so subtracting it adds the divergence. It
  gets worse as training goes on, because the objective now rewards a $q$ far from the
  prior, without limit. Evaluate at $q = p(z)$: correct there, too high everywhere else.
- (c) Yes, often: a mean over 784 pixels is 784 times closer to zero than the sum, and
  log-likelihoods of binary pixels are negative. Compare with a computation by hand on
  one image.
- (d) No: the inequality holds for every $x$ and every $\theta$, overfitted or not.
- (e) No: a narrow $q$ may reconstruct better, and pays for it in the divergence. The
  bound of a bad $q$ is lower, never too high.
""",
        mistakes=(
            without_noise,
            without_mean,
            without_sign,
            only_sign,
            with_overfitting,
            with_narrow_q,
            everything,
        ),
        probe=probes.choices,
        values={},
    ),
    Exercise(
        name="elbo-em",
        title="Climb in turns",
        kind="implement",
        points=2,
        task=r"""
Instead of a gradient, take turns: set every $q_i$ to the posterior of $x_i$ (gap zero),
then maximise $\sum_i \mathcal{L}$ over $a$ with the $q_i$ held fixed, and repeat. Write
one such round for the toy model, $z \sim \mathcal{N}(0, 1)$ and
$x \,|\, z \sim \mathcal{N}(a z, s^2)$: from numbers `a` and `s` and data `xs` of shape
(N,) to the next $a$. Think about: let it run on 500 draws from $a = 2$, $s = 1$; why
does the evidence never fall, and what is this algorithm called?
""",
        start='''
def em_step(a, s, xs):
    """The next a, a number."""
    ...
''',
        hints=(
            r"The posterior of $x_i$ has the mean $m_i = a x_i/(a^2 + s^2)$ and the "
            r"variance $v = s^2/(a^2 + s^2)$. From here on these are fixed numbers.",
            r"Only $-\frac{1}{2s^2}\sum_i [(x_i - a m_i)^2 + a^2 v]$ contains the new "
            "$a$. Where is its derivative zero?",
        ),
        reference=em_step,
        discussion=r"""
Only $-\tfrac{1}{2s^2}[(x_i - a m_i)^2 + a^2 v]$ contains $a$. Its sum has the
derivative zero at $a = \sum_i x_i m_i / \sum_i (m_i^2 + v)$. To let it run:

```python
xs = 2.0 * torch.randn(500) + torch.randn(500)
a_em = 0.5
for step in range(30):
    if step % 5 == 0:
        p_x = torch.distributions.Normal(0.0, (a_em**2 + 1) ** 0.5)
        log_p = p_x.log_prob(xs).mean()
        print(f"step {step:2d}: a = {a_em:.4f}, log p(x) = {log_p:.5f}")
    a_em = float(em_step(a_em, 1.0, xs))
print("maximum likelihood:", (xs.square().mean() - 1).sqrt())
```

After the first half-step the bound touches the evidence. The second half-step raises
the bound, and the evidence lies above the bound, so the evidence has risen at least as
much. This is the EM algorithm, which Neal and Hinton (1998) describe as one objective
climbed in turns. A VAE climbs the same objective with both feet at once.
""",
        mistakes=(
            em_hard,
            em_variance_once,
            em_wrong_regression,
            em_deviation,
            em_precision,
            em_maximum,
        ),
        given=starts,
        rtol=1e-3,
    ),
    Exercise(
        name="elbo-mean-field",
        title="Small project: a gap that cannot close",
        kind="derive",
        points=4,
        task=r"""
Let $z$ be two-dimensional, $z \sim \mathcal{N}(0, I)$, and $x = z_1 + z_2$ plus noise
of variance $\sigma^2$. The posterior has the precision matrix
$\Lambda = I + \mathbf{1}\mathbf{1}^\top / \sigma^2$, so its dimensions are correlated.
Let $q$ be a Gaussian with *independent* dimensions. Find the best one and the gap that
remains, first as numbers with `vaelib.kl_gaussian`, for $\sigma = 1$ and
$\sigma = 0.1$, and then as an expression in `sigma`.
""",
        start="""
import sympy as sp

sigma = sp.Symbol("sigma", positive=True)
remaining_gap = ...
""",
        hints=(
            "The means can agree, so only the two variances of $q$ matter, and by "
            "symmetry they are equal. Try a few with `vaelib.kl_gaussian`.",
            r"For the variances $v_j$ the divergence is $\tfrac12[\sum_j \Lambda_{jj} "
            r"v_j - 2 - \log\det\Lambda - \sum_j \log v_j]$. Where is its derivative "
            "zero?",
            r"$\Lambda$ has $1 + 1/\sigma^2$ on its diagonal and $1/\sigma^2$ beside "
            "it. What is its determinant?",
        ),
        reference=remaining_gap,
        discussion=r"""
The means can agree. For the variances $v_j$, the divergence is
$\tfrac12[\sum_j \Lambda_{jj} v_j - 2 - \log\det\Lambda - \sum_j \log v_j]$, with the
minimum at $v_j = 1/\Lambda_{jj}$ and the value
$\tfrac12\bigl[\sum_j \log\Lambda_{jj} - \log\det\Lambda\bigr]$. Here
$\det\Lambda = (1 + 1/\sigma^2)^2 - 1/\sigma^4 = 1 + 2/\sigma^2$.

```python
for noise in [1.0, 0.1]:
    precision = torch.eye(2) + torch.ones(2, 2) / noise**2
    best = torch.diag(1 / precision.diagonal())
    zero = torch.zeros(2)
    covariance = precision.inverse()
    number = vaelib.kl_gaussian(zero, best, zero, covariance)
    logs = precision.diagonal().log().sum()
    formula = 0.5 * (logs - precision.logdet())
    print(f"sigma = {noise}: {number:.3f}, formula {formula:.3f} nats")
```

The gap is 0.14 nats at $\sigma = 1$ and 1.96 nats at $\sigma = 0.1$: the better the
data determine the *sum*, the stronger the correlation that $q$ cannot express. Note
also that the best variance $1/\Lambda_{jj}$ is smaller than the true marginal variance
$(\Lambda^{-1})_{jj}$: the mode-seeking direction of chapter 3 again.
""",
        mistakes=(
            gap_of_marginals,
            gap_of_the_prior,
            gap_no_half,
            gap_flipped,
            gap_one_dimension,
        ),
        probe=probes.expression,
        given=noises,
        values={"sigma": sp.Symbol("sigma", positive=True)},
        rtol=1e-9,
        atol=1e-9,
    ),
]

QUESTIONS = [
    Question(
        "You change only the encoder, and the ELBO of an image rises by 2 nats. What "
        "else has happened?",
        (
            Choice(
                "log p(x) has risen by 2 nats as well",
                "The evidence belongs to the decoder and the prior. No encoder can "
                "change it.",
            ),
            Choice(
                "KL(q(z|x) ‖ p(z)) has fallen by 2 nats",
                "That is the divergence to the prior, one of the terms inside the "
                "bound. It may have fallen or risen: the reconstruction moves too.",
            ),
            Choice(
                "KL(q(z|x) ‖ p(z|x)) has fallen by 2 nats",
                "Bound and gap add up to log p(x), which did not move. What one "
                "gains the other loses.",
                right=True,
            ),
            Choice(
                "the reconstruction has improved by 2 nats",
                "The bound is the reconstruction less a divergence. Only their "
                "difference is known to have risen by 2.",
            ),
        ),
    ),
    Question(
        "On the same test images, model A has an ELBO of −95 nats and model B one of "
        "−98. What is certain?",
        (
            Choice(
                "log p(x) of A is at least −95 nats on average",
                "That, and no more than that. B may have the higher evidence and a gap "
                "that is larger still.",
                right=True,
            ),
            Choice(
                "A gives the data a higher probability than B",
                "The two gaps are unknown. If that of B is 6 nats wide and that of A "
                "1, B is the better model.",
            ),
            Choice(
                "the encoder of A is nearer to its posterior",
                "A lower bound that lies higher says nothing about its own gap: the "
                "evidence may lie higher too.",
            ),
            Choice(
                "A reconstructs better",
                "The bound also contains the divergence to the prior. A may "
                "reconstruct worse with much cheaper codes.",
            ),
        ),
    ),
    Question(
        "A thousand draws from q(z|x) give log-weights that are all equal. What "
        "follows?",
        (
            Choice(
                "q is the posterior, and the common value is log p(x)",
                "It may be. But if the posterior has a second hump that q never "
                "visits, no draw could tell, and the value is too low.",
            ),
            Choice(
                "wherever q puts its draws, it is proportional to the posterior",
                "Here log w is log p(x) less log q(z|x)/p(z|x), so the ratio is "
                "constant there. Of other places the draws say nothing.",
                right=True,
            ),
            Choice(
                "the decoder ignores z",
                "Then q would have to be proportional to the prior where it goes. "
                "That is one case; a q that has found the posterior is another.",
            ),
            Choice(
                "the random numbers are not random",
                "The draws can differ while their log-weights agree: with the exact "
                "posterior they always do.",
            ),
        ),
    ),
    Question(
        "For the number to be logged you replace one draw of z by 50, and take the "
        "logarithm of the mean of the 50 weights. What have you changed?",
        (
            Choice(
                "only the noise: it is the same bound, measured better",
                "That would be the mean of the 50 logarithms. The logarithm of the "
                "mean has another expectation.",
            ),
            Choice(
                "the bound itself: it is another one, at least as tight",
                "Jensen's inequality loses less when the average inside the "
                "logarithm varies less. Do not compare it with an ELBO of one draw.",
                right=True,
            ),
            Choice(
                "it is now an unbiased estimate of log p(x)",
                "The mean of the weights is unbiased for p(x). Its logarithm is still "
                "too low on average, only less so.",
            ),
            Choice(
                "it is no bound any more, because it can exceed log p(x)",
                "A single estimate can, as it can with one draw. Its expectation "
                "cannot.",
            ),
        ),
    ),
]
