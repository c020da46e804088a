"""Exercises and questions of chapter 11, on the model whose answer is known."""

import math
from functools import cache

import sympy as sp
import torch

import vaelib
from vaelib.exercises import probes
from vaelib.exercises.exercise import Exercise
from vaelib.exercises.questions import Choice, Question

# The price of a template


def gain(lam, s, n):
    rest = (n * s - lam) / (n - 1)  # what the noise is after it
    return (n * sp.log(s) - (n - 1) * sp.log(rest) - sp.log(lam)) / 2


def a_loss(lam, s, n):
    """The sign is turned over: one template more never lowers the best score."""
    return -gain(lam, s, n)


def no_half(lam, s, n):
    """The factor one half in front is missing."""
    return 2 * gain(lam, s, n)


def noise_kept(lam, s, n):
    """You left the noise as it was. It is the mean of the variances left out, and one
    of these has gone.
    """
    return (sp.log(s) - sp.log(lam)) / 2


def wrong_mean(lam, s, n):
    """The new noise is a mean of n - 1 variances; you divided their sum by n."""
    rest = (n * s - lam) / n
    return (n * sp.log(s) - (n - 1) * sp.log(rest) - sp.log(lam)) / 2


def still_n(lam, s, n):
    """After the step n - 1 dimensions are left to the noise, and each has its
    logarithm.
    """
    rest = (n * s - lam) / (n - 1)
    return (n * sp.log(s) - n * sp.log(rest) - sp.log(lam)) / 2


def template_free(lam, s, n):
    """The new template has a variance as well, and its logarithm is missing."""
    rest = (n * s - lam) / (n - 1)
    return (n * sp.log(s) - (n - 1) * sp.log(rest)) / 2


def spectra(generator):
    s = (0.01 + torch.rand(6, generator=generator, dtype=torch.float64)).tolist()
    share = torch.rand(6, generator=generator, dtype=torch.float64).tolist()
    n = [8.0, 10.0, 20.0, 30.0, 56.0, 60.0]
    # lam is the largest of n variances with the mean s, so s <= lam < n s.
    out = [v * (1 + 0.9 * (k - 1) * u) for v, k, u in zip(s, n, share, strict=True)]
    return {
        "when all the variances are equal": ({"lam": s, "s": s, "n": n},),
        "when one stands out": ({"lam": out, "s": s, "n": n},),
    }


# A noise fixed by hand

# The first eight eigenvalues of the covariance of the digits, 8 pixels by 8.
VARIANCES = (0.7010, 0.6353, 0.5632, 0.3790, 0.2715, 0.2310, 0.2050, 0.1746)


def survivors(variance):
    lengths = [math.sqrt(v - variance) for v in VARIANCES if v > variance]
    return len(lengths), lengths[0], lengths[-1]


def squares(variance):
    """These are the eigenvalues of W W^T. A template's length is the root of one."""
    count, longest, shortest = survivors(variance)
    return count, longest**2, shortest**2


def with_the_noise(variance):
    """These are the roots of the variances of the data. The noise has its share of
    them, and the template need only bring the rest.
    """
    count = survivors(variance)[0]
    return count, math.sqrt(VARIANCES[0]), math.sqrt(VARIANCES[count - 1])


def against_the_deviation(variance):
    """You held the variances of the data against sigma. They belong beside sigma^2."""
    lengths = [math.sqrt(v - variance) for v in VARIANCES if v > math.sqrt(variance)]
    return len(lengths), lengths[0], lengths[-1]


def all_of_them(variance):
    """You counted all eight. Can c_j follow an eigenvalue that is below the noise?"""
    return len(VARIANCES), *survivors(variance)[1:]


def other_noise(rng):
    return {"variance": rng.choice([0.22, 0.3, 0.4])}


# How many templates?


@cache
def curves(images, largest):
    """Mean log p(x) of the best model for each d, on few images and on new ones."""
    data = vaelib.load("digits8")
    few = data.train.x[:images].flatten(1).double()
    new = data.test.x.flatten(1).double()
    rows = []
    for d in range(1, largest + 1):
        model = vaelib.LinearGaussian.maximum_likelihood(few, d)
        with torch.no_grad():
            rows.append([model.log_evidence(v).mean().item() for v in (few, new)])
    return torch.tensor(rows)


def best_dimensions(images, largest):
    return tuple((curves(images, largest).argmax(0) + 1).tolist())


def same_for_both(images, largest):
    """You chose on the images that the model was fitted to, both times."""
    here, _ = best_dimensions(images, largest)
    return here, here


def places_exchanged(images, largest):
    """In the first place stands the best d for the new images. On its own images the
    larger model is never worse.
    """
    return best_dimensions(images, largest)[::-1]


def counted_from_zero(images, largest):
    """You gave the place in a list, which starts at 0; the first d is 1."""
    here, elsewhere = best_dimensions(images, largest)
    return here - 1, elsewhere - 1


def fewer_images(rng):
    images = rng.choice([60, 80])
    return {"images": images, "largest": images // 2 - 1}


# Two gaps


def gaps(precision, shift, variance):
    diagonal = precision.diagonal()
    approximation = 0.5 * (diagonal.log().sum() - precision.logdet())
    ratio = variance * diagonal  # to the best variance, 1 / diagonal
    width = (ratio - 1 - ratio.log()).sum(1)
    place = (shift @ precision * shift).sum(1)
    return approximation, 0.5 * (width + place)


def not_subtracted(precision, shift, variance):
    """Your second gap is the whole of it. What the family costs anyway belongs to the
    first and has to be subtracted.
    """
    approximation, amortisation = gaps(precision, shift, variance)
    return approximation, approximation + amortisation


def marginal_variances(precision, shift, variance):
    """You took the posterior's marginal variances for the best ones. The best are
    smaller: one over the diagonal of the precision.
    """
    diagonal, best = precision.diagonal(), precision.inverse().diagonal()
    bracket = (diagonal * best - best.log() - 1).sum() - precision.logdet()
    approximation, amortisation = gaps(precision, shift, variance)
    total = approximation + amortisation
    return 0.5 * bracket, total - 0.5 * bracket


def other_direction(precision, shift, variance):
    """Your first gap is what the posterior's marginals miss of it, a divergence the
    other way round: KL(p || q) in place of KL(q || p).
    """
    covariance = precision.inverse()
    reverse = 0.5 * (covariance.diagonal().log().sum() - covariance.logdet())
    return reverse, gaps(precision, shift, variance)[1]


def precision_forgotten(precision, shift, variance):
    """The shift of the mean is not weighed by the precision: a shift costs more where
    the posterior is narrow.
    """
    approximation, amortisation = gaps(precision, shift, variance)
    weighed = (shift @ precision * shift).sum(1)
    return approximation, amortisation + 0.5 * (shift.square().sum(1) - weighed)


def no_half_gaps(precision, shift, variance):
    """The factor one half in front is missing."""
    approximation, amortisation = gaps(precision, shift, variance)
    return 2 * approximation, 2 * amortisation


def over_the_batch(precision, shift, variance):
    """You summed over the images: the second gap is one number for each."""
    approximation, amortisation = gaps(precision, shift, variance)
    return approximation, amortisation.sum()


def posteriors(generator):
    root = torch.randn(4, 4, generator=generator)
    precision = torch.eye(4) + root @ root.T
    diagonal = torch.diag(precision.diagonal())
    shift = torch.randn(5, 4, generator=generator)
    best = 1 / precision.diagonal().expand(5, 4).clone()
    wide = best * (0.3 + 2 * torch.rand(5, 4, generator=generator))
    zero = torch.zeros(5, 4)
    return {
        "for the best factorised q": (precision, zero, best),
        "for a wrong mean": (precision, shift, best),
        "for wrong variances": (precision, zero, wide),
        "for both": (precision, shift, wide),
        "for a posterior with independent dimensions": (diagonal, shift, wide),
        "for a single image": (precision, shift[:1], wide[:1]),
    }


# Climb in turns


def em_round(W, sigma, S):
    eye = torch.eye(W.shape[1]).to(W)
    covariance = torch.inverse(eye + W.T @ W / sigma**2)
    A = covariance @ W.T / sigma**2
    W = S @ A.T @ torch.inverse(covariance + A @ S @ A.T)
    variance = torch.trace(S - S @ A.T @ W.T) / len(S)
    return W, variance


def parts(W, sigma, S):
    """The posterior's covariance, A, and the new W."""
    covariance = torch.inverse(torch.eye(W.shape[1]).to(W) + W.T @ W / sigma**2)
    A = covariance @ W.T / sigma**2
    return covariance, A, em_round(W, sigma, S)[0]


def means_only(W, sigma, S):
    """You put the posterior's mean in the place of z. The average of z z^T has the
    posterior's covariance in it as well.
    """
    _, A, _ = parts(W, sigma, S)
    W = S @ A.T @ torch.inverse(A @ S @ A.T)
    return W, torch.trace(S - S @ A.T @ W.T) / len(S)


def old_templates(W, sigma, S):
    """The variance was computed with the old W. Maximise over W first, and put the new
    one in.
    """
    _, A, new = parts(W, sigma, S)
    return new, torch.trace(S - S @ A.T @ W.T) / len(S)


def deviation_returned(W, sigma, S):
    """You returned sigma; the variance sigma^2 was asked for."""
    W, variance = em_round(W, sigma, S)
    return W, variance.sqrt()


def not_divided(W, sigma, S):
    """The trace is the noise of all pixels together; sigma^2 is that of one."""
    W, variance = em_round(W, sigma, S)
    return W, variance * len(S)


def nothing_kept(W, sigma, S):
    """All of S was left to the noise. The templates explain a part of it."""
    return em_round(W, sigma, S)[0], torch.trace(S) / len(S)


def without_the_prior(W, sigma, S):
    """The precision of the posterior has a part from the prior, the identity; it is
    missing.
    """
    covariance = torch.inverse(W.T @ W / sigma**2)
    A = covariance @ W.T / sigma**2
    W = S @ A.T @ torch.inverse(covariance + A @ S @ A.T)
    return W, torch.trace(S - S @ A.T @ W.T) / len(S)


def variance_for_sigma(W, sigma, S):
    """You took sigma for the variance; it is the standard deviation."""
    return em_round(W, sigma**0.5, S)


def starts(generator):
    W = torch.randn(6, 2, generator=generator)
    axes = torch.linalg.qr(torch.randn(6, 6, generator=generator))[0]
    values = torch.tensor([4.0, 2.0, 0.5, 0.4, 0.3, 0.2])
    S = axes @ torch.diag(values) @ axes.T
    noise = values[2:].mean()
    top = axes[:, :2] * (values[:2] - noise).sqrt()
    return {
        "from a random start": (W, 0.8, S),
        "with a single template": (W[:, :1], 0.5, S),
        "at the maximum of the likelihood, where nothing moves": (
            top,
            noise.sqrt().item(),
            S,
        ),
    }


EXERCISES = [
    Exercise(
        name="known-price",
        title="The price of a template",
        kind="derive",
        points=2,
        task=r"""
With $d$ templates and the variances $\lambda_1 \ge \dots \ge \lambda_D$ of the data,
the mean $\log p(x)$ of the linear model is at most

$$
\begin{aligned}
-\tfrac12 \Bigl( & \textstyle\sum_{j \le d} \log\lambda_j \\
& + (D - d) \log\sigma^2 + D \log(2\pi e) \Bigr) ,
\end{aligned}
$$

where $\sigma^2$ is the mean of the variances left out. You have this optimum and add
one template more. How much is gained? Give it as an expression in `n`, the number $D -
d$ of variances that were left to the noise; `s`, their mean, which was $\sigma^2$; and
`lam`, the largest of them, $\lambda_{d+1}$, which gets the template. Think about: what
is the gain if all the variances left out are *equal*, and when is it large?
""",
        start="""
import sympy as sp

lam, s = sp.symbols("lam s", positive=True)
n = sp.Symbol("n", positive=True)
gain = ...
""",
        hints=(
            r"In the formula only $\sum \log\lambda_j$ over the templates and "
            r"$(D - d) \log\sigma^2$ change. Write both down before and after.",
            "The n variances sum to n s. What is the mean of those that are left when "
            "lam has gone?",
        ),
        reference=gain,
        discussion=r"""
If all are equal, `lam = s`, nothing: the sum of logarithms gets one more
$\log\sigma^2$ and loses one. The noise had described these directions perfectly
already. The gain is large when $\lambda_{d+1}$ stands out from the mean of those after
it. A direction is worth a template not because its variance is large, but because it is
larger than the noise. For the digits of this chapter the ninth template gains 1.61 nats
and the twenty-first 0.73.
""",
        mistakes=(
            a_loss,
            no_half,
            noise_kept,
            wrong_mean,
            still_n,
            template_free,
        ),
        probe=probes.expression,
        given=spectra,
        values={
            "lam": sp.Symbol("lam", positive=True),
            "s": sp.Symbol("s", positive=True),
            "n": sp.Symbol("n", positive=True),
        },
        rtol=1e-9,
        atol=1e-9,
    ),
    Exercise(
        name="known-sigma",
        title="A noise fixed by hand",
        kind="predict",
        points=2,
        task=r"""
A linear model has the covariance $C = W W^\top + \sigma^2 I$. Its best axes are those
of the data, with variances $\lambda_j$, and its variances $c_j$ along them are those
that make $\sum_j (\log c_j + \lambda_j / c_j)$ smallest. Now fix $\sigma^2 =
[[variance]]$ and do not learn it: what is the best $c_j$ when $\lambda_j < \sigma^2$?
The start has the eight largest variances $\lambda_j$ of the digits. How many of eight
templates, the columns of $W$, survive with a length above zero? And how long are the
longest and the shortest of the survivors? Two decimals will do.
""",
        start="""
variances = [0.7010, 0.6353, 0.5632, 0.3790]
variances += [0.2715, 0.2310, 0.2050, 0.1746]
count = ...
longest = ...
shortest = ...
templates_left = (count, longest, shortest)
""",
        hints=(
            r"$\log c + \lambda / c$ falls until $c = \lambda$ and rises after it. "
            r"Which $c$ are allowed?",
            r"$W W^\top = C - \sigma^2 I$, so its eigenvalues are "
            r"$c_j - \sigma^2$. How long is a column of $W$?",
        ),
        reference=survivors,
        discussion=r"""
$\log c + \lambda/c$ rises for $c > \lambda$, and $c_j \ge \sigma^2$ is a constraint
now, so below the noise the best is $c_j = \sigma^2$: a template of length zero. The
others have the length $\sqrt{\lambda_j - [[variance]]}$. At $\sigma^2 = 0.25$ five
survive, with the lengths 0.67, 0.62, 0.56, 0.36 and 0.15.

To see it happen, in the notebook of chapter 11:

```python
fixed = linear_vae(x, full=True)
fixed.decoder.log_sigma.data.fill_(math.log([[variance]]) / 2)
fixed.decoder.log_sigma.requires_grad_(False)
train(fixed, x, lr=0.05, epochs=(300, 200, 100))
print(torch.linalg.svdvals(fixed.decoder.W.detach()))
```

With 0.25 our run printed five lengths within 0.01 of these, and three of about 0.01.
The model has collapsed in three dimensions, and the *likelihood* asked for it, not the
bound, not the encoder and not the optimiser: $\log p$ itself has its maximum there.
Learn $\sigma$, and they come back. This is the argument of Lucas and others (2019).
""",
        mistakes=(squares, with_the_noise, against_the_deviation, all_of_them),
        probe=probes.numbers,
        values={"variance": 0.25},
        vary=other_noise,
        rtol=0.03,
        atol=6e-3,
        partial=True,
    ),
    Exercise(
        name="known-dimension",
        title="How many templates?",
        kind="predict",
        points=2,
        task=r"""
PCA is often advised as a guide in choosing the latent dimension. Suppose we had only
the first [[images]] images of the digits, `few`. Fit the library's `LinearGaussian` to
them, by its `maximum_likelihood(few, d)`, for $d$ from 1 to [[largest]]. Plot the exact
mean $\log p(x)$ against $d$, which the model's `log_evidence` gives: on these images,
and on the test images, `new`. Guess the curves first. Which $d$ is the best on `few`,
and which on `new`?
""",
        start="""
data = vaelib.load("digits8")
few = data.train.x[:[[images]]].flatten(1).double()
new = data.test.x.flatten(1).double()
best_on_few = ...
best_on_new = ...
dimensions = (best_on_few, best_on_new)
""",
        hints=(
            "Build a model for each d in a loop, and keep both means in a list.",
            "Can a larger model be worse on the very images it was fitted to?",
        ),
        reference=best_dimensions,
        discussion=r"""
```python
curve = {}
for d in range(1, [[largest]] + 1):
    model = vaelib.LinearGaussian.maximum_likelihood(few, d)
    curve[d] = [model.log_evidence(v).mean().item() for v in (few, new)]
print([max(curve, key=lambda d: curve[d][k]) for k in (0, 1)])
```

Take 100 images. On these the curve climbs all the way, from $-2.0$ nats at $d = 1$ to
67.1 at $d = 49$: each further template can only help to fit them. On the test images it
climbs, with small steps back, to 16.2 at $d = 19$ and then falls, unevenly, to 0.3 at
$d = 49$.
The later templates describe these 100 images and nobody else's, and $\sigma$, the mean
of what they left over, is too small for new images. With all 1,437 images both curves
climb throughout this range: there is enough data for every template.
""",
        mistakes=(same_for_both, places_exchanged, counted_from_zero),
        probe=probes.numbers,
        values={"images": 100, "largest": 49},
        vary=fewer_images,
    ),
    Exercise(
        name="known-gaps",
        title="Whose fault, in code",
        kind="implement",
        points=3,
        task=r"""
The posterior of every image has the precision matrix $\Lambda$, shape (d, d). An
encoder with independent dimensions answers, for each of N images, with a mean that is
off by `shift` and with the variances `variance`, both of shape (N, d). Write
`gaps(precision, shift, variance)`. It returns the approximation gap, one number that no
such encoder can avoid, and the amortisation gap of this encoder, a number for each
image, shape (N,), both exact and in nats.
""",
        start='''
def gaps(precision, shift, variance):
    """Approximation gap, a number, and amortisation gap, shape (N,)."""
    ...
''',
        hints=(
            "Chapter 11 has the divergence of any factorised Gaussian from the "
            "posterior, and its minimum. Which of the two gaps is the minimum?",
            "The two sum to the divergence. Subtract, and see what cancels: is what is "
            "left zero for the best encoder?",
        ),
        reference=gaps,
        discussion=r"""
$\log\det\Lambda$ cancels in the difference. With $r_j = \Lambda_{jj} v_j$, the ratio of
a variance to the best one, the amortisation gap is

$$
\begin{aligned}
&\tfrac12 \textstyle\sum_j (r_j - 1 - \log r_j) \\
&\quad + \tfrac12 (m' - m)^\top \Lambda\, (m' - m) .
\end{aligned}
$$

No term is negative, and all are zero for the best encoder. To compute the whole
divergence with `vaelib.kl_gaussian` and to subtract passes, too.

A better encoder can only lower the second number; for the first there must be another
family of $q$, or another decoder.
""",
        mistakes=(
            not_subtracted,
            marginal_variances,
            other_direction,
            precision_forgotten,
            no_half_gaps,
            over_the_batch,
        ),
        given=posteriors,
        rtol=1e-3,
        atol=1e-4,
    ),
    Exercise(
        name="known-em",
        title="Small project: climb in turns, again",
        kind="implement",
        points=4,
        task=r"""
The model is $z \sim \mathcal{N}(0, I)$, $x = \mu + W z$ plus noise of variance
$\sigma^2$. Climb in turns, as in chapter 4: set $q_n$ to the exact posterior of each
image, then maximise $\sum_n \mathcal{L}$ over $W$ and $\sigma^2$ with the $q_n$ held
fixed (and with $\mu$ at the mean image). Both maxima have closed forms, and all that
they need of the data is its covariance $S$, shape (D, D). Write one round, `em_round(W,
sigma, S)`, which returns the new $W$, shape (D, d), and the new *variance* $\sigma^2$,
a number.

Think about: how many rounds does it take to come within 0.1 nat of the optimum, from
`vaelib.LinearGaussian.random(64, 8, sigma=0.3, scale=0.1)`, in the notebook of chapter
11, where Adam took 1,680 steps?
""",
        start='''
def em_round(W, sigma, S):
    """The next W, shape (D, d), and the next sigma^2, a number.

    W has the shape (D, d), sigma is a number, and S is (D, D).
    """
    ...
''',
        hints=(
            r"The posterior means are $m_n = A (x_n - \mu)$ with "
            r"$A = \Lambda^{-1} W^\top / \sigma^2$, so the mean of "
            r"$(x_n - \mu)\, m_n^\top$ is $S A^\top$. What is the mean of "
            r"$\mathbb{E}[z z^\top]$?",
            r"What depends on $W$ is the mean of $\|x - \mu - W z\|^2$. Set its "
            r"derivative to zero, as in least squares with $z$ as the input.",
            r"$\sigma^2$ is that mean square at the new $W$, divided by $D$.",
        ),
        reference=em_round,
        discussion=r"""
The mean of $\mathbb{E}[z z^\top]$ is $\Lambda^{-1} + A S A^\top$. The derivative by $W$
is zero at $W = S A^\top (\Lambda^{-1} + A S A^\top)^{-1}$. With this $W$ the mean
square shortens to $\operatorname{tr}(S - S A^\top W^\top)$, and a $D$-th of it is
$\sigma^2$.

With `x`, `optimum` and `LinearGaussian` of chapter 11:

```python
S = x.T.cov(correction=0)
m = LinearGaussian.random(64, 8, sigma=0.3, scale=0.1)
m.requires_grad_(False).mu.copy_(x.mean(0))
for step in range(1, 301):
    W, variance = em_round(m.W, m.sigma, S)
    m.W.copy_(W)
    m.log_sigma.copy_(variance.log() / 2)
    distance = optimum - m.log_evidence(x).mean().item()
    if distance < 0.1:
        break
print(step, distance)
```

Ten rounds, from a distance of 27.5 nats to 0.085. Each round is a few multiplications
of small matrices. It knows the exact posterior and the exact maximum, and Adam knows a
noisy gradient. The point of the VAE is that its way still works where neither has a
formula.

Put the posterior's mean in the place of $z$, and forget its covariance: nothing then
keeps the codes from being small and the templates long, and thirty rounds end 7.2 nats
below the optimum.
""",
        mistakes=(
            means_only,
            old_templates,
            deviation_returned,
            not_divided,
            nothing_kept,
            without_the_prior,
            variance_for_sigma,
        ),
        given=starts,
        rtol=1e-3,
        atol=1e-4,
    ),
]

QUESTIONS = [
    Question(
        "The ELBO of a deep VAE has not moved for fifty epochs. Is this its top?",
        (
            Choice(
                "Yes: where the curve is flat the gradient is zero",
                "A flat curve may also mean steps so large that Adam shakes around "
                "the top. In this chapter the curve lay flat twice before.",
            ),
            Choice(
                "The curve cannot say",
                "It was the known optimum that told the last rest from the others. "
                "Without one, try a smaller step, other seeds, more data.",
                right=True,
            ),
            Choice(
                "No: a lower bound always has local optima in which one gets stuck",
                "For the linear model the bound adds none to those of the likelihood, "
                "and the likelihood has none. In general it is not known.",
            ),
        ),
    ),
    Question(
        "Most of a VAE’s gap is approximation gap. Which of these makes it smaller?",
        (
            Choice(
                "A deeper encoder",
                "It comes nearer to the best q of the family for each image. What the "
                "family cannot express remains.",
            ),
            Choice(
                "More training images for the encoder",
                "They lower the amortisation gap, which comes from one function for "
                "all images.",
            ),
            Choice(
                "An encoder whose q has correlated dimensions",
                "The approximation gap is the price of the family, here of independent "
                "dimensions. A richer family lowers it.",
                right=True,
            ),
        ),
    ),
    Question(
        "log p(x) does not change when the codes are rotated. Why do the templates of "
        "a linear VAE with a diagonal q turn towards the principal axes?",
        (
            Choice(
                "The likelihood is largest there",
                "It is the same for every rotation: W enters through WWᵀ only.",
            ),
            Choice(
                "The prior N(0, I) has independent dimensions",
                "A standard normal looks the same from all sides. It prefers no axis.",
            ),
            Choice(
                "Only for orthogonal templates can a diagonal q be exact; elsewhere "
                "the bound pays a gap",
                "Λ = I + WᵀW/σ² is diagonal when the templates are orthogonal. So the "
                "family of q shapes the model.",
                right=True,
            ),
        ),
    ),
    Question(
        "In this chapter’s example two encoders have the exact mean. One has the "
        "variances that are best for the ELBO, the other is wider by a fifth. Which "
        "gives the tighter bound with K = 256 samples?",
        (
            Choice(
                "The wider one",
                "Its weights have a finite variance, so its gap falls like χ²/2K. The "
                "narrow one has rare, enormous weights, and falls more slowly.",
                right=True,
            ),
            Choice(
                "The one that is best for the ELBO: a better bound is better for all K",
                "The best for one sample need not be the best for hundreds: a narrow q "
                "seldom reaches the tails, where its weights are enormous.",
            ),
            Choice(
                "Both the same: at K = 256 any q has reached log p(x)",
                "At K = ∞ they have. How fast depends on the variance of the weights, "
                "and that of the narrow one is infinite.",
            ),
        ),
    ),
]
