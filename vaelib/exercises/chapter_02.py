"""Exercises and questions of chapter 2, on latent variables."""

import math

import sympy as sp
import torch
from torch.distributions import Normal

from vaelib.exercises import probes
from vaelib.exercises.exercise import Exercise
from vaelib.exercises.questions import Choice, Question

# A latent variable you know already


def mixtures(generator):
    weights = torch.tensor([0.5, 0.3, 0.2])
    means, sds = torch.tensor([-2.0, 0.0, 3.0]), torch.tensor([0.5, 2.0, 1.0])
    x = 3 * torch.randn(6, generator=generator)
    single = torch.ones(1), torch.tensor([1.0]), torch.tensor([2.0])
    return {
        "six points, three normals": (x, weights, means, sds),
        "as many points as normals": (x[:3], weights, means, sds),
        "a single point": (x[:1], weights, means, sds),
        "a single normal": (x, *single),
        "far from all, where densities underflow": (
            torch.tensor([300.0, -400.0]),
            weights,
            means,
            sds,
        ),
    }


def infer(x, weights, means, sds):
    log_lik = Normal(means, sds).log_prob(x[:, None])  # (N, M)
    log_joint = weights.log() + log_lik
    log_evidence = log_joint.logsumexp(1)
    return log_evidence, (log_joint - log_evidence[:, None]).exp()


def unweighted(x, weights, means, sds):
    """The probabilities of the components do not come in: the prior is missing, as if
    each of the M had probability 1."""
    return infer(x, torch.ones_like(weights), means, sds)


def underflow(x, weights, means, sds):
    """Right where the densities can be written as numbers. Far from all components
    they underflow to zero, and zero over zero is not a number: stay in logarithms."""
    joint = weights * Normal(means, sds).log_prob(x[:, None]).exp()
    evidence = joint.sum(1)
    return evidence.log(), joint / evidence[:, None]


def over_points(x, weights, means, sds):
    """The posterior has been normalised over the points. For each point, the M
    probabilities of its component have to sum to one."""
    log_joint = weights.log() + Normal(means, sds).log_prob(x[:, None])
    return log_joint.logsumexp(1), log_joint.softmax(0)


def mean_of_logs(x, weights, means, sds):
    """The evidence is the weighted mean of the log-densities. It should be the log of
    the weighted mean density; by Jensen's inequality yours is never larger."""
    log_lik = Normal(means, sds).log_prob(x[:, None])
    return (weights * log_lik).sum(1), infer(x, weights, means, sds)[1]


def no_constant(x, weights, means, sds):
    """A constant is missing from the evidence, ½ log 2π: it belongs to the density of a
    normal. In the posterior it cancels."""
    log_evidence, posterior = infer(x, weights, means, sds)
    return log_evidence + 0.5 * math.log(2 * math.pi), posterior


def joint_for_posterior(x, weights, means, sds):
    """The second output is the joint density. Divided by the evidence it becomes the
    posterior, whose probabilities sum to one for each point."""
    log_joint = weights.log() + Normal(means, sds).log_prob(x[:, None])
    return log_joint.logsumexp(1), log_joint.exp()


def logarithm_of_posterior(x, weights, means, sds):
    """The second output is the logarithm of the posterior. Wanted are probabilities."""
    log_joint = weights.log() + Normal(means, sds).log_prob(x[:, None])
    log_evidence = log_joint.logsumexp(1)
    return log_evidence, log_joint - log_evidence[:, None]


def variances_for_sds(x, weights, means, sds):
    """The standard deviations have been used as variances."""
    return infer(x, weights, means, sds**0.5)


# The bead in the mirror


def mirror(a, sigma):
    return 0.0, -a, a / sigma


def other_wires(rng):
    return {
        "a": rng.choice([1.5, 2, 2.5, 3]),
        "sigma": rng.choice([0.1, 0.125, 0.2, 0.25]),
    }


def one_peak(a, sigma):
    """This normal sits on one of the two peaks. The best normal has the mean of the
    whole posterior, and there are two equal peaks."""
    return math.pi / 2.5, 0.0, 0.0


def other_peak(a, sigma):
    """This normal sits on one of the two peaks. The best normal has the mean of the
    whole posterior, and there are two equal peaks."""
    return -math.pi / 2.5, 0.0, 0.0


def mean_of_decoded(a, sigma):
    """Your mean is decoded to B, as both peaks are. But decode the mean itself: f of a
    mean is not the mean of f."""
    return 0.0, 0.0, 0.0


def wrong_end(a, sigma):
    """The first coordinate has the wrong sign: the cosine of zero is one, and there is
    a minus before it."""
    return 0.0, a, a / sigma


def in_variances(a, sigma):
    """The third number is a distance divided by the variance. In standard deviations,
    it is divided by sigma."""
    return 0.0, -a, a / sigma**2


def in_units(a, sigma):
    """The third number is the distance itself. Divide it by the standard deviation of
    the noise, to see how improbable such a miss is."""
    return 0.0, -a, a


# Too wide, too narrow


def widths(generator):
    near = 0.52 + 0.4 * torch.rand(4, generator=generator)
    wide = 1 + 3 * torch.rand(4, generator=generator)
    return {
        "q = p, c = 1": ({"c": [1.0]},),
        "q too narrow, c between 1/2 and 1": ({"c": near.tolist()},),
        "q too wide, c above 1": ({"c": wide.tolist()},),
    }


def factor(c):
    return c / sp.sqrt(2 * c - 1)


def exponents_added(c):
    """The two exponents have been added. Dividing by q subtracts its exponent."""
    return c / sp.sqrt(2 * c + 1)


def constant_of_q(c):
    """A factor is missing, the square root of c. The variance cv stands in two places:
    in the normalising constant of q, and in its exponent."""
    return sp.sqrt(c / (2 * c - 1))


def deviation_for_variance(c):
    """Here c multiplies the standard deviation of q. It belongs to the variance."""
    return factor(c**2)


def one_subtracted(c):
    """One has been subtracted, as for a relative variance. Asked is the integral
    itself; at c = 1 it is 1."""
    return factor(c) - 1


def roles_exchanged(c):
    """This is the integral of q squared over p. The posterior is squared, and q
    stands below."""
    return factor(1 / c)


# How low does it lean?


def relative_variances(generator):
    def draw(low, high):
        unit = torch.rand(4, generator=generator)
        return (low + (high - low) * unit).tolist()

    r, K, d = draw(1.1, 3), draw(10, 1000), draw(2, 20)
    return {
        "in one dimension": ({"r": r, "d": [1.0] * 4, "K": K},),
        "in several dimensions": ({"r": r, "d": d, "K": K},),
        "where all terms are nearly equal": ({"r": [1.001] * 4, "d": d, "K": K},),
    }


def bias(r, d, K):
    return -(r**d - 1) / (2 * K)


def upwards(r, d, K):
    """The sign is turned over: the logarithm leans down, so the bias is negative."""
    return -bias(r, d, K)


def no_half(r, d, K):
    """A factor is missing: the second term of the series of log(1 + e) is not the
    square of e, but half of it."""
    return 2 * bias(r, d, K)


def error_for_variance(r, d, K):
    """This has the relative error in it, a square root. The second-order term is the
    expectation of a square, so the relative variance itself belongs here."""
    return -sp.sqrt((r**d - 1) / K) / 2


def no_draws(r, d, K):
    """The number of draws is missing: this is for a single draw. The variance of an
    average of K independent terms is K times smaller."""
    return K * bias(r, d, K)


def linear_in_d(r, d, K):
    """The dimensions have been added up. Expectations of products of independent
    factors multiply: the second moment is r to the power d."""
    return -d * (r - 1) / (2 * K)


# Weights that warn


def weights(generator):
    def draw(K, N, spread=1.0):
        lik, prior, q = spread * torch.randn(3, K, N, generator=generator)
        return lik - 3, prior - 1, q - 1

    lik, prior, q = draw(50, 3)
    dominant = torch.zeros(50, 3)
    dominant[7] = 20.0
    return {
        "fifty draws, three images": (lik, prior, q),
        "as many draws as images": draw(4, 4),
        "one draw outweighs the rest": (lik + dominant, prior, q),
        "of images, where the likelihood underflows": (lik - 1500, prior, q),
        "of a sharp density, which overflows": (lik + 1500, prior, q),
        "a single draw": (lik[:1], prior[:1], q[:1]),
    }


def estimate(log_lik, log_prior, log_q):
    log_w = log_lik + log_prior - log_q
    value = log_w.logsumexp(0) - math.log(len(log_w))
    share = log_w.softmax(0)  # each weight, as a part of their sum
    return value, 1 / share.square().sum(0)


def average_of_logs(log_lik, log_prior, log_q):
    """The first output is the mean of the log-weights. Wanted is the log of the mean
    weight; by Jensen's inequality yours lies below it. (It will be famous, though: it
    is the bound of chapter 4.)"""
    log_w = log_lik + log_prior - log_q
    return log_w.mean(0), estimate(log_lik, log_prior, log_q)[1]


def sum_for_mean(log_lik, log_prior, log_q):
    """The first output is the log of the sum of the weights, and grows with K. The
    evidence is estimated by their mean."""
    value, effective = estimate(log_lik, log_prior, log_q)
    return value + math.log(len(log_lik)), effective


def q_forgotten(log_lik, log_prior, log_q):
    """The weights have not been divided by q. The draws come from q, and what is
    drawn often would count twice."""
    return estimate(log_lik, log_prior, torch.zeros_like(log_q))


def q_multiplied(log_lik, log_prior, log_q):
    """The sign of log q is turned over: a weight is divided by q."""
    return estimate(log_lik, log_prior, -log_q)


def likelihood_only(log_lik, log_prior, log_q):
    """This averages the likelihood alone, as if the draws came from the prior. They
    come from q, and p(z)/q(z) corrects for it."""
    return estimate(log_lik, log_q, log_q)


def exponentials_first(log_lik, log_prior, log_q):
    """Right for weights of ordinary size. A likelihood of an image is smaller than any
    floating-point number, and a sharp density can be larger: stay in logarithms."""
    w = (log_lik + log_prior - log_q).exp()
    return w.mean(0).log(), w.sum(0) ** 2 / w.square().sum(0)


def over_images(log_lik, log_prior, log_q):
    """This averages over the images. The first axis holds the draws; each image has an
    evidence of its own."""
    return estimate(log_lik.T, log_prior.T, log_q.T)


def effective_of_logs(log_lik, log_prior, log_q):
    """The second output has the log-weights in the place of the weights. What counts
    is how unequal the weights themselves are."""
    log_w = log_lik + log_prior - log_q
    value = estimate(log_lik, log_prior, log_q)[0]
    return value, log_w.sum(0) ** 2 / log_w.square().sum(0)


def effective_share(log_lik, log_prior, log_q):
    """The second output is a share of the K draws. Wanted is their number, between 1
    and K."""
    value, effective = estimate(log_lik, log_prior, log_q)
    return value, effective / len(log_lik)


EXERCISES = [
    Exercise(
        name="latent-symmetric",
        title="The bead in the mirror",
        kind="predict",
        points=1,
        task=r"""
Take the wire $f(z) = \big(-[[a]]\cos(1.25\,z),\; \sin(2.5\,z)\big)$, the prior
$p(z) = \mathcal{N}(z;\, 0, 1)$ and $p(x|z) = \mathcal{N}(x;\, f(z), \sigma^2 I)$
with $\sigma = [[sigma]]$. A bead on it is seen where the wire crosses itself,
$B = (0, 0)$. (a) What is the mean of the best normal $q$, the one with the smallest
average of $-\log q(z)$ over the posterior? (b) Decode that mean: what is the first
coordinate of the point? (c) How far is this point from $B$, in standard deviations
$\sigma$ of the noise? Think about: why is the posterior of every photograph with
$x_2 = 0$ symmetric, $p(z|x) = p(-z|x)$?
""",
        start="""
best_mean = ...  # (a)
first = ...  # (b) the first coordinate
miss = ...  # (c)
answer = (best_mean, first, miss)
""",
        reference=mirror,
        values={"a": 2, "sigma": 0.25},
        vary=other_wires,
        probe=probes.numbers,
        atol=6e-3,
        mistakes=(
            mean_of_decoded,
            one_peak,
            other_peak,
            wrong_end,
            in_variances,
            in_units,
        ),
        hints=(
            "The cosine is even and the sine is odd. Where is $f(-z)$, seen from "
            "$f(z)$?",
            "The best normal has the mean of the posterior. What is the mean of a "
            "density that is symmetric about zero?",
            "Put that mean into $f$, without asking whether the bead could be there.",
        ),
        discussion=r"""
The cosine is even and the sine is odd, so $f(-z)$ is $f(z)$ mirrored in the
horizontal axis. A point with $x_2 = 0$ is its own mirror image, so it has the same
distance to $f(z)$ and to $f(-z)$, and $p(x|z) = p(x|{-z})$. The prior is even.
Hence the joint is even in $z$, and so is the posterior.

The mean of a symmetric density is 0. With the numbers of the chapter, 2 and 0.25,
it is decoded to $f(0) = (-2, 0)$: the leftmost point of the wire, two units from
$B$, which is eight standard deviations of the noise. The mean of a posterior with
two peaks need not be a good guess at anything.
""",
    ),
    Exercise(
        name="latent-mixture",
        title="A latent variable you know already",
        kind="implement",
        points=2,
        task=r"""
Let $z \in \{1, \dots, M\}$ have the probabilities $\pi_m$, and let
$p(x|z{=}m) = \mathcal{N}(x;\, \mu_m, s_m^2)$. Write a function that takes $N$
numbers $x$ and returns two things: $\log p(x)$ of each, shape `(N,)`, and the
posterior $p(z{=}m|x)$ of each, shape `(N, M)`. `weights`, `means` and `sds` hold
$\pi_m$, $\mu_m$ and $s_m$, shape `(M,)`. It has to work for an $x$ far from
everything, too. Think about: what is this model called, why does nobody speak of
intractable integrals there, and when would they have to?
""",
        start='''
from torch.distributions import Normal


def infer(x, weights, means, sds):
    """log p(x), shape (N,), and p(z|x), shape (N, M)."""
    ...
''',
        reference=infer,
        given=mixtures,
        mistakes=(
            unweighted,
            underflow,
            over_points,
            mean_of_logs,
            no_constant,
            joint_for_posterior,
            logarithm_of_posterior,
            variances_for_sds,
        ),
        hints=(
            "Write down the joint $p(x, z{=}m)$ first. The evidence is its sum over "
            "$m$, and the posterior is the joint divided by the evidence.",
            "`x[:, None]` has the shape `(N, 1)`; against something of shape `(M,)` "
            "it gives a table of shape `(N, M)`.",
            "Keep the logarithm of the joint. `logsumexp` adds what belongs to one "
            "$x$, and the division becomes a difference before the exponential.",
        ),
        discussion=r"""
$p(x) = \sum_m \pi_m\, \mathcal{N}(x; \mu_m, s_m^2)$ is a mixture of normals, and
$p(z{=}m|x) = \pi_m\, \mathcal{N}(x; \mu_m, s_m^2) / p(x)$ is `update` from chapter
1 with $M$ hypotheses, in logarithms. (In clustering these posteriors are called
responsibilities.) `log_joint.softmax(1)` gives them in one call.

The integral over what is hidden is a sum of $M$ terms here, and that is why nobody
complains. With $d$ such variables at once it is a sum of $M^d$ terms, and the
trouble of this chapter is back.
""",
    ),
    Exercise(
        name="latent-width",
        title="Too wide, too narrow",
        kind="derive",
        points=2,
        task=r"""
Let the posterior be $p(z|x) = \mathcal{N}(z;\, m, v)$ and
$q(z) = \mathcal{N}(z;\, m, cv)$: right in its mean, and off in its variance by a
factor $c$. Derive the factor that each dimension contributes to the error of
importance sampling,

$$\int \frac{p(z|x)^2}{q(z)}\, dz ,$$

as an expression in $c$ alone, for the $c$ for which the integral is finite. Think
about: which are they, and how many dimensions can a $q$ with $c = 1.5$ serve, if a
thousand draws are to give a relative error of a tenth?
""",
        start="""
import sympy as sp

c = sp.Symbol("c", positive=True)
factor = ...  # the integral, an expression in c
""",
        reference=factor,
        values={"c": sp.Symbol("c", positive=True)},
        probe=probes.expression,
        given=widths,
        rtol=1e-9,
        atol=1e-9,
        mistakes=(
            exponents_added,
            constant_of_q,
            deviation_for_variance,
            one_subtracted,
            roles_exchanged,
        ),
        hints=(
            "Put $u = z - m$, and collect the factors before the exponential and the "
            "exponent. Check with $c = 1$: what must the integral be?",
            "The exponent is $-\\frac{u^2}{2v'}$ for some $v'$. If $v' > 0$ this is a "
            "normal without its constant, and integrates to $\\sqrt{2\\pi v'}$.",
            "The exponent is $-\\frac{u^2}{v} + \\frac{u^2}{2cv}$, and the factor "
            "before it is $\\frac{\\sqrt{2\\pi cv}}{2\\pi v}$.",
        ),
        discussion=r"""
With $u = z - m$ the integrand is
$\frac{\sqrt{2\pi cv}}{2\pi v} \exp\left(-\frac{u^2}{v} + \frac{u^2}{2cv}\right)$,
and the exponent is $-\frac{u^2}{2v'}$ with $v' = \frac{cv}{2c - 1}$. For
$c > \frac12$ it is a normal without its constant, and integrates to
$\frac{\sqrt{2\pi cv}\,\sqrt{2\pi v'}}{2\pi v} = \frac{c}{\sqrt{2c - 1}}$. For
$c \le \frac12$ the exponent does not fall, and the integral diverges.

For $c = 1.5$ the factor is 1.0607. A relative variance of $0.01$ with a thousand
draws means $1.0607^d - 1 \le 10$, so $d \le \log 11 / \log 1.0607 \approx 40.7$:
forty dimensions.

Now change the 1.5 of `wide` in the chapter to 0.4 (its checks will rightly fail)
and look at the figure again. Would you have noticed? Hardly. In twenty dimensions
the median run is about 0.6 nats low, and eight of ten lie between one nat low and
0.2 nats high; nothing says that the variance is infinite. What makes it infinite
are draws far out, which this $q$ hardly ever makes. That is why a proposal should be
too wide rather than too narrow.
""",
    ),
    Exercise(
        name="latent-bias",
        title="How low does it lean?",
        kind="derive",
        points=2,
        task=r"""
An average of $K$ independent draws is $\hat p = p\,(1 + \epsilon)$, with
$\mathbb{E}[\epsilon] = 0$ and the relative variance
$\mathbb{E}[\epsilon^2] = (r^d - 1)/K$, as it is for $d$ equal dimensions. Expand
the logarithm to second order and find the bias $\mathbb{E}[\log \hat p] - \log p$
as an expression in $r$, $d$ and $K$. Think about: for $r = 2.6$ and $K = 100$, runs
forty times as long as the one on the page give biases of $-0.008$, $-0.030$, $-0.24$
and $-2.52$ nats in $d = 1$, 2, 4 and 8 dimensions. Where does your expression fail,
and why?
""",
        start="""
import sympy as sp

r, d, K = sp.symbols("r d K", positive=True)
bias = ...  # in nats, to second order
""",
        reference=bias,
        values={s: sp.Symbol(s, positive=True) for s in ("r", "d", "K")},
        probe=probes.expression,
        given=relative_variances,
        rtol=1e-9,
        atol=1e-9,
        mistakes=(upwards, no_half, error_for_variance, no_draws, linear_in_d),
        hints=(
            "What are the first two terms of the series of $\\log(1 + \\epsilon)$?",
            "Take the expectation term by term. The first one vanishes; which given "
            "quantity is the second?",
        ),
        discussion=r"""
$\log(1 + \epsilon) = \epsilon - \frac12\epsilon^2 + \dots$, so the bias is

$$\mathbb{E}[\log \hat p] - \log p \approx -\frac12\, \mathbb{E}[\epsilon^2]
= -\frac{r^d - 1}{2K} .$$

With $r = 2.6$ and $K = 100$ this gives $-0.008$ nats for $d = 1$ and $-0.029$ for
$d = 2$, nearly as measured; $-0.22$ for $d = 4$, a little less than the measured
$-0.24$; and $-10$ for $d = 8$, where long runs give $-2.5$. The expansion holds for
small $\epsilon$ only. Where the relative variance is not small, $\epsilon$ is
usually near $-1$ and rarely enormous, and no two terms of a series describe that.
""",
    ),
    Exercise(
        name="latent-weights",
        title="An estimate that warns",
        kind="implement",
        points=3,
        task=r"""
You have drawn $z_1, \dots, z_K$ from $q(z|x)$ for each of $N$ images, and have the
logarithms of likelihood, prior and $q$ at these draws, each of shape `(K, N)`.
Write the function that makes an estimate of them. It returns $\log \hat p(x)$ of
each image, in nats, where $\hat p$ is the mean importance weight; and the effective
sample size $(\sum_k w_k)^2 / \sum_k w_k^2$ of each. Log-likelihoods of images can
be $-1500$, and those of a sharp density $+1500$: neither may break it.
""",
        start='''
import math


def estimate(log_lik, log_prior, log_q):
    """log of the mean weight, effective sample size; (N,) each."""
    ...
''',
        reference=estimate,
        given=weights,
        mistakes=(
            average_of_logs,
            sum_for_mean,
            q_forgotten,
            q_multiplied,
            likelihood_only,
            exponentials_first,
            over_images,
            effective_of_logs,
            effective_share,
        ),
        hints=(
            "The logarithm of a weight is a sum and a difference. Which?",
            "`logsumexp` adds up what is given as logarithms, without leaving the "
            "range. What is missing from a sum to be a mean?",
            "The effective sample size does not change when all weights are "
            "multiplied by one number. So multiply them by one that makes them "
            "harmless: divide each by their sum, which is what `softmax` does.",
        ),
        discussion=r"""
`logsumexp` takes the largest log-weight out before it exponentiates, so the
largest term in its sum is 1, whatever the scale. The effective sample size is the
same for $w_k$ and for $w_k / \sum_j w_j$; the latter are between 0 and 1 and sum to
one, so that it is $1 / \sum_k (w_k / \sum_j w_j)^2$.

With a single draw it is 1, and the estimate is the weight itself. With equal
weights it is $K$. When one weight outweighs all others it is close to 1, however
many draws there were: then the estimate rests on a single draw, and should not be
trusted. This is what `vaelib.log_likelihood` computes, image by image, in portions
that fit into memory.
""",
    ),
    Exercise(
        name="latent-two-peaks",
        title="Project: an encoder with two peaks",
        kind="open",
        points=4,
        task=r"""
At the end of chapter 2, one normal for each photograph falls short of the posterior,
because at the crossing the posterior has two peaks. Give the encoder two: let it
output five numbers, two means, two log-variances and the log-odds of the first of
two normals. Train it with the same loss, $-\log q_\phi(z|x)$, on pairs from the
model, in the notebook of chapter 2. How much of the approximation gap does it win
back? Draw its density over $z$ at A, B and C beside the exact posteriors, and say
where it still falls short, and why.
""",
        rubric=(
            (
                1,
                "The density is right: its weights sum to one, and it is added up in "
                "logarithms.",
            ),
            (1, "It is trained on pairs from the model, and compared on fresh ones."),
            (1, "The part of the gap won back is measured, with more than one seed."),
            (
                1,
                "The densities at A, B and C are drawn, and what is still missing is "
                "explained: C has three peaks, and one network serves all photographs.",
            ),
        ),
        hints=(
            "Only the density and the size of the last layer change.",
            "`torch.nn.functional.logsigmoid(a)` is the log of the first weight, and "
            "`logsigmoid(-a)` that of the second; `torch.logaddexp` adds.",
            "The cell that measures the gaps has the exact posterior on a grid, "
            "`mass`. Average your log-density over it, instead of the closed form.",
        ),
        discussion=r"""
Only the density and the size of the last layer change:

```python
def log_q(out, z):
    m1, m2, s1, s2, a = out.unbind(-1)
    first = Normal(m1, (s1 / 2).exp()).log_prob(z)
    second = Normal(m2, (s2 / 2).exp()).log_prob(z)
    log_a = torch.nn.functional.logsigmoid
    return torch.logaddexp(log_a(a) + first, log_a(-a) + second)
```

with `loss = -log_q(encoder(x), z).mean()` and `torch.nn.Linear(32, 5)`. Trained
for as long as the one of the chapter, it comes within 0.14 to 0.21 nats of the
exact posterior (seven seeds), where even a perfect encoder with one normal stays
0.65 to 0.68 behind: it wins back 69 to 79 per cent of the approximation gap. At B
its means are near $\pm 1.25$, with nearly equal weights. The means have to start
apart, or the two normals would stay together for ever; the random initial weights
see to that. At C, three places explain the photograph, and two normals cannot have
three peaks.
""",
    ),
]

QUESTIONS = [
    Question(
        "In twenty dimensions you average p(x|z) over a thousand draws from the prior. "
        "You repeat this two hundred times, and in the median run log p̂(x) is eleven "
        "nats below log p(x). What does that show?",
        (
            Choice(
                "That p̂(x) is biased: its expectation is too low.",
                "It is unbiased for every number of draws and in every dimension. But "
                "its expectation is not what one usually sees.",
            ),
            Choice(
                "That most runs miss the rare draws which carry the expectation.",
                "A few enormous terms make up for all the small ones, and most runs of "
                "a thousand have none. An average cannot warn of what it did not draw.",
                right=True,
            ),
            Choice(
                "That rounding errors have added up.",
                "With logsumexp the sum is accurate to many digits. It is the draws "
                "that are missing, not the digits.",
            ),
            Choice(
                "That the computed standard error must be large, as a warning.",
                "It is computed from the draws that were made, and knows nothing of "
                "those that were missed.",
            ),
        ),
    ),
    Question(
        "You estimate log p(x) by log p̂(x) with K = 10 draws, and average a million "
        "such estimates. What do you get?",
        (
            Choice(
                "log p(x), since p̂(x) is unbiased and errors average out.",
                "The errors of p̂(x) do. Of their logarithms, that of 0.5 p(x) is 0.69 "
                "too low and that of 1.5 p(x) only 0.41 too high; no averaging undoes "
                "that.",
            ),
            Choice(
                "A number above log p(x), because the logarithm is concave.",
                "Concave it is, and so it lies below its tangents. The mean of the "
                "logarithm is at most the logarithm of the mean.",
            ),
            Choice(
                "A number below log p(x), and more repetitions bring it no nearer.",
                "That is Jensen’s inequality. Averaging a million estimates removes "
                "their noise, and leaves the bias that K = 10 has.",
                right=True,
            ),
        ),
    ),
    Question(
        "The posterior is normal. You may choose a normal q with the same mean for "
        "importance sampling. Which variance is the most dangerous?",
        (
            Choice(
                "0.4 times that of the posterior.",
                "Far out, the posterior is thin and q is far thinner, so the weights "
                "are enormous there. Below one half, their variance is infinite.",
                right=True,
            ),
            Choice(
                "Exactly that of the posterior.",
                "This is the best of all: all weights are equal to p(x), and a single "
                "draw is enough.",
            ),
            Choice(
                "2.5 times that of the posterior.",
                "Some draws are wasted where the posterior is thin, but no weight is "
                "large: the error stays finite.",
            ),
        ),
    ),
    Question(
        "For each photograph of the bead an encoder outputs one mean and one variance. "
        "You make its network a hundred times larger and train it until nothing "
        "improves. Which shortfall is certain to remain?",
        (
            Choice(
                "None: a large network can represent any function of x.",
                "So it can find the best two numbers for each x. They still describe "
                "one normal, and no normal has two peaks.",
            ),
            Choice(
                "The amortisation gap, because one network serves all photographs.",
                "This is the one that a larger network and longer training narrow: it "
                "compares with the best normal for each photograph.",
            ),
            Choice(
                "The approximation gap, because not every posterior is normal.",
                "Even the best normal for each photograph falls short of the exact "
                "posterior. Only a richer family of q can close that gap.",
                right=True,
            ),
            Choice(
                "Both in equal measure, since they come from the same training.",
                "They have different causes. The sharing is repaired by capacity and "
                "training, the shape only by another family of q.",
            ),
        ),
    ),
]
