"""Exercises and questions of chapter 7, on the reparameterisation trick."""

import math

import sympy as sp
import torch

from vaelib.exercises import probes
from vaelib.exercises.exercise import Exercise, compare
from vaelib.exercises.questions import Choice, Question
from vaelib.exercises.report import Finding

# The trick

LARGE, AGAIN = "a large batch", "the same large batch once more"


def encodings(generator):
    torch.rand(999, generator=generator)  # an answer's own draws are to be others
    mu = torch.randn(400, 50, generator=generator)
    logvar = 0.5 * torch.randn(400, 50, generator=generator)
    return {
        LARGE: (mu, logvar),
        AGAIN: (mu, logvar),
        "a single image": (mu[:1, :3], logvar[:1, :3]),
        "a sure encoder, sigma = 0.05": (mu[:6, :4], torch.full((6, 4), -5.99)),
        "an unsure encoder, sigma = 4": (mu[:6, :4], torch.full((6, 4), 2.77)),
    }


def reparameterize(mu, logvar):
    eps = torch.randn_like(mu)
    return mu + torch.exp(logvar / 2) * eps


def draws_and_gradients(out, given, due):
    """A draw is right when its distribution and its gradients are: no two need be
    the same."""
    for case, (mu, logvar) in given.items():
        z = out.get(case)
        if z is None or z.shape != mu.shape:
            got = "missing" if z is None else f"shape {tuple(z.shape)}"
            yield Finding(False, f"{case}: {got}, should be {tuple(mu.shape)}")
            continue
        eps = noise_in(z, mu, logvar)
        ok, seen = is_standard_normal(eps)
        if ok and case == AGAIN and out[LARGE].shape == mu.shape:
            eps = torch.cat([eps, noise_in(out[LARGE], mu, logvar)])
            ok = are_new(eps)
            seen = "the same draws as the first time; is a seed set inside, or ε kept?"
        yield Finding(ok, case if ok else f"{case}: {seen}")
        gradients = (torch.ones_like(mu), (z.double() - mu) / 2)
        for number, (name, right) in enumerate(
            zip(("mu", "logvar"), gradients, strict=True), 1
        ):
            key = f"{case}: gradient by argument {number}"
            got = out.get(key, torch.zeros_like(mu))
            yield gradient_finding(f"{case}: the gradient by {name}", got, right)


def noise_in(z, mu, logvar):
    return (z.double() - mu) / torch.exp(logvar.double() / 2)


def gradient_finding(name, got, right):
    found = compare(name, got, right, 1e-3, 1e-5)
    if found.ok and got.isfinite().all():
        return found
    nothing = got.shape == right.shape and not got.any()
    return Finding(False, f"{name}: nothing reaches it" if nothing else found.text)


def is_standard_normal(eps):
    """Whether these numbers look like independent draws from N(0, 1), and how not."""
    if not eps.isfinite().all():
        return False, "not all numbers are finite"
    if not eps.any():
        return False, "z is mu itself, nothing was drawn"
    if eps.abs().max() < 1e-3:
        return False, "(z - mu) / sigma stays below 0.001"
    if eps.shape[1] > 1 and (eps.std(1) < 1e-3).any():
        return False, "all dimensions of an image got the same draw"
    if eps.shape[0] > 1 and (eps.std(0) < 1e-3).any():
        return False, "all images got the same draw"
    if eps.numel() < 1000:  # too few to judge a distribution by
        far = eps.abs().max() > 6
        return not bool(far), "(z - mu) / sigma is larger than draws ever are"
    levels = torch.linspace(-2.5, 2.5, 11, dtype=torch.float64)
    share = (eps.flatten()[:, None] < levels).double().mean(0)
    due = torch.special.ndtr(levels)
    error = (due * (1 - due) / eps.numel()).sqrt()
    if not ((share - due).abs() < 6 * error).all():
        text = f"(z - mu) / sigma has mean {eps.mean():.2f} and standard deviation"
        return False, f"{text} {eps.std():.2f}; it should be standard normal"
    # Means over independent draws have a variance of 1/n.
    shared = [eps.mean(axis).square().mean() * eps.shape[axis] for axis in (0, 1)]
    if not are_new(eps) or max(shared) > 3:
        return False, "draws are repeated within the batch, or depend on each other"
    return True, ""


def are_new(eps):
    """Whether hardly any two of many draws are the same, or differ by a sign only."""
    gaps = eps.abs().flatten().sort().values.diff()
    return bool((gaps < 1e-6).double().mean() < 0.1)


def variance_for_sigma(mu, logvar):
    """The noise is multiplied by the variance σ² = exp(logvar). The standard deviation
    is called for: it is the root of that."""
    return mu + torch.exp(logvar) * torch.randn_like(mu)


def logvar_for_sigma(mu, logvar):
    """The noise is multiplied by logvar itself. This is the logarithm of the variance,
    and often negative; the standard deviation has to be made from it."""
    return mu + logvar * torch.randn_like(mu)


def root_of_logvar(mu, logvar):
    """The noise is multiplied by the root of logvar. This is a logarithm, and negative
    as soon as σ < 1: its root is nan there."""
    return mu + logvar.sqrt() * torch.randn_like(mu)


def detached(mu, logvar):
    """The draws are right, but no gradient comes back through them: for autograd they
    are constants. So it is with `sample()`, `torch.normal`, `detach()` and
    `no_grad()`. The encoder would not learn from the reconstruction."""
    return reparameterize(mu, logvar).detach()


def spread_detached(mu, logvar):
    """The gradient reaches mu and not logvar: the factor σ was cut off from it. The
    encoder could never learn how sure to be."""
    return mu + torch.exp(logvar / 2).detach() * torch.randn_like(mu)


def without_noise(mu, logvar):
    """This returns the mean. Nothing was drawn, so logvar has no effect on the
    reconstruction."""
    return mu.clone()


def one_draw(mu, logvar):
    """One number was drawn for all entries. Each dimension of each image needs an ε of
    its own."""
    return mu + torch.exp(logvar / 2) * torch.randn(1)


def always_the_same(mu, logvar):
    """It draws the same noise whenever it is called: a seed is set inside, or ε was
    drawn once and kept. Each call, and each step of a training, needs new draws."""
    generator = torch.Generator().manual_seed(0)
    return mu + torch.exp(logvar / 2) * torch.randn(mu.shape, generator=generator)


def pairs_of_draws(mu, logvar):
    """Draws come more than once within a batch, as they are or with the other sign.
    Each dimension of each image needs an ε of its own."""
    eps = torch.randn_like(mu[: (len(mu) + 1) // 2])
    return mu + torch.exp(logvar / 2) * torch.cat([eps, -eps])[: len(mu)]


def uniform_noise(mu, logvar):
    """The noise is uniform on (0, 1): `rand` draws that. A standard normal has mean 0
    and variance 1: `randn`."""
    return mu + torch.exp(logvar / 2) * torch.rand_like(mu)


def noise_on_noise(mu, logvar):
    """The mean is missing: this is the noise alone, around zero."""
    return torch.exp(logvar / 2) * torch.randn_like(mu)


# Other dice


def uniforms(generator):
    torch.rand(999, generator=generator)  # an answer's own draws are to be others
    u = torch.rand(200, generator=generator).clamp(0.001, 0.999)
    p = 0.5 + 2 * torch.rand(3, generator=generator)
    return {
        "anywhere": (u, p[0]),
        "a parameter below one": (u, p[1] / 4),
        "near both ends of (0, 1)": (torch.tensor([0.001, 0.01, 0.5, 0.999]), p[2]),
    }


def dice(u, p):
    exponential = -torch.log1p(-u) / p  # log(1 - u)
    logistic = p * (u / (1 - u)).log()
    uniform = p * u
    return exponential, logistic, uniform


def turned_round(u, p):
    """The exponential is turned round: this is the map for 1 - u. Its draws have the
    right distribution, but the inverse of a distribution function rises with u."""
    return -torch.log(u) / p, *dice(u, p)[1:]


def scale_for_rate(u, p):
    """The exponential has the mean p, and should have the rate p: the larger the rate,
    the shorter one waits."""
    return -torch.log1p(-u) * p, *dice(u, p)[1:]


def logistic_reversed(u, p):
    """The logistic falls with u: its odds are upside down. The inverse of a
    distribution function rises."""
    exponential, logistic, uniform = dice(u, p)
    return exponential, -logistic, uniform


def density_inverted(u, p):
    """For the exponential, u was set equal to the density p exp(-p z) and solved for z.
    It is the distribution function that has to be inverted."""
    return -(u / p).log() / p, *dice(u, p)[1:]


def normal_quantiles(u, p):
    """The second is the quantile of a normal. The logistic looks like it, but its
    distribution function is 1 / (1 + exp(-z / p))."""
    exponential, _, uniform = dice(u, p)
    return exponential, p * torch.special.ndtri(u), uniform


# A sure encoder


def draws_needed(mu, sigma):
    pathwise = 4 * sigma**2
    best = 8 * mu**2 + 6 * sigma**2
    none = best + (mu**2 + 3 * sigma**2) ** 2 / sigma**2
    return best / pathwise, none / pathwise, 8 * mu**2


def vanishes(mu, sigma):
    """You say that the variance with the best baseline vanishes as σ → 0, because f
    hardly varies. But f - b is multiplied by the score ε/σ, which grows as fast as
    f - b shrinks."""
    return *draws_needed(mu, sigma)[:2], 0.0


def by_deviations(mu, sigma):
    """You compared standard deviations. The variance of a mean of K draws is 1/K of
    that of one, so the number of draws is the ratio of the variances."""
    best, none, limit = draws_needed(mu, sigma)
    return best**0.5, none**0.5, limit


def turned_ratio(mu, sigma):
    """The ratio is upside down: this many pathwise draws would do for one of the score
    function. It needs more than one draw, not less."""
    best, none, limit = draws_needed(mu, sigma)
    return 1 / best, 1 / none, limit


def variances_themselves(mu, sigma):
    """These are variances. How many draws it takes is their ratio to the variance of
    one pathwise draw."""
    best, none, limit = draws_needed(mu, sigma)
    return best * 4 * sigma**2, none * 4 * sigma**2, limit


def only_the_rest(mu, sigma):
    """The variance without a baseline lacks V*: the square that b = 0 adds is not all
    of it."""
    best, _, limit = draws_needed(mu, sigma)
    return best, (mu**2 + 3 * sigma**2) ** 2 / (4 * sigma**4), limit


def other_codes(rng):
    return {"mu": rng.choice([0.5, 1, 1.5, 2]), "sigma": rng.choice([0.1, 0.2])}


# Pairs


def places(generator):
    def draw():
        return (0.2 + 3 * torch.rand(6, generator=generator)).tolist()

    return {
        "anywhere": ({"mu": draw(), "sigma": draw()},),
        "near mu = 0, where pairs lose most": ({"mu": [1e-4] * 6, "sigma": draw()},),
    }


def variance_ratio(mu, sigma):
    pair = 8 * sigma**2  # of 2 sigma eps^2
    one = 4 * mu**2 + 8 * sigma**2  # of 2 (mu + sigma eps) eps
    return pair / (one / 2)


def against_one(mu, sigma):
    """The pair is compared with a single draw. It costs two, so compare it with the
    mean of two independent ones."""
    return 8 * sigma**2 / (4 * mu**2 + 8 * sigma**2)


def turned_over(mu, sigma):
    """The ratio is upside down: independent draws over the pair."""
    return 1 / variance_ratio(mu, sigma)


def second_moment(mu, sigma):
    """The mean square of the pair was taken for its variance: its squared mean was not
    taken off."""
    return 12 * sigma**2 / (2 * mu**2 + 4 * sigma**2)


def only_the_pair(mu, sigma):
    """This is the variance of the pair. Divide it by that of the mean of two
    independent estimates."""
    return 8 * sigma**2


def by_the_mean(mu, sigma):
    """Zero is right for the derivative by μ, for which the pair is exact. Asked for is
    the derivative by σ, where what is left is even in ε."""
    return sp.Integer(0)


def antithetic_is_free(mu, sigma):
    """This says that a pair is as good as two independent draws. The two halves of the
    pair are not independent: what is even in ε is the same in both."""
    return sp.Integer(1)


# Can the score function win?


def crossing(sigma):
    def pathwise_minus_score(t):  # second moments times 2 sigma^2, at t = (k sigma)^2
        wave = math.exp(-2 * t)
        return t * (1 + wave) - (1 - (1 - 4 * t) * wave)

    low, high = 0.5, 3.0
    for _ in range(60):
        middle = (low + high) / 2
        if pathwise_minus_score(middle) < 0:
            low = middle
        else:
            high = middle
    return math.sqrt(low) / sigma, (10 * sigma) ** 2


def limits_cross(sigma):
    """You set the limits for large kσ equal. At the crossing kσ is about 1, and there
    the terms with the exponential still count."""
    return 1 / sigma, (10 * sigma) ** 2


def crossing_of_one(sigma):
    """This is the crossing for σ = 1. What decides is the product kσ, how often f goes
    up and down within the width of q: for another σ, k is another."""
    return crossing(1.0)[0], (10 * sigma) ** 2


def ratio_of_deviations(sigma):
    """The second number is a ratio of standard deviations. The variances were asked
    for."""
    return crossing(sigma)[0], 10 * sigma


def ratio_turned(sigma):
    """The second number is upside down: at k = 10 the pathwise estimate is the noisier
    one."""
    return crossing(sigma)[0], 1 / (10 * sigma) ** 2


def other_widths(rng):
    return {"sigma": rng.choice([0.4, 0.6, 0.8, 1.5, 2.0])}


EXERCISES = [
    Exercise(
        name="reparameterize",
        title="The line that lets it learn",
        kind="implement",
        points=2,
        task=r"""
Write the reparameterisation trick. `mu` and `logvar` $= \log \sigma^2$ come from the
encoder and have one shape, an image a row. Return a draw $z \sim \mathcal{N}(\mu,
\sigma^2)$ of that shape through which gradients reach both, other draws at each call.
The check looks at the distribution of your draws *and* at both gradients, so use
`torch`, and neither `vaelib` nor `rsample`.
""",
        start='''
def reparameterize(mu, logvar):
    """A draw z ~ N(mu, sigma^2), of the shape of mu."""
    ...
''',
        hints=(
            "Where must the randomness come from, so that autograd may take it for a "
            "constant?",
            "Draw ε from N(0, 1), one for each entry: `torch.randn_like`. Then move "
            "and scale it.",
            "σ² is exp(logvar). What is σ?",
        ),
        reference=reparameterize,
        probe=probes.draws,
        given=encodings,
        verify=draws_and_gradients,
        mistakes=(
            variance_for_sigma,
            logvar_for_sigma,
            root_of_logvar,
            detached,
            spread_detached,
            without_noise,
            one_draw,
            always_the_same,
            pairs_of_draws,
            uniform_noise,
            noise_on_noise,
        ),
        discussion=r"""
For fixed $\epsilon$ the code is a smooth function of its two arguments, with $\partial
z/\partial\mu = 1$ and $\partial z/\partial\log\sigma^2 = (z - \mu)/2$. That is what the
check compares with. It accepts any draws that are distributed as they should be and are
new at each call: whether `randn_like` or another source made $\epsilon$ does not
matter, as long as no parameter is in it.

Mistakes here are quiet. With $\sigma^2$ for $\sigma$ a model trains; only the KL is
then that of a distribution from which nothing was drawn. With a detached draw it trains
too, towards the average picture.
""",
    ),
    Exercise(
        name="reparam-inverse",
        title="Other dice",
        kind="implement",
        points=2,
        task=r"""
If $F$ is a distribution function and $u$ is uniform on $(0, 1)$, then $F^{-1}(u)$ has
the distribution $F$. So any distribution whose $F$ can be inverted can be
reparameterised. Do it for (a) the exponential with rate $p$, (b) the logistic with mean
0 and scale $p$, whose $F(z)$ is $1/(1 + e^{-z/p})$, (c) the uniform on $(0, p)$. Return
the three draws for a tensor `u`, each of its shape.
""",
        start='''
def dice(u, p):
    """F^-1(u) for the exponential, the logistic and the uniform."""
    exponential = ...
    logistic = ...
    uniform = ...
    return exponential, logistic, uniform
''',
        hints=(
            "Write u = F(z) and solve for z.",
            "The exponential with rate p has F(z) = 1 - exp(-p z) for z > 0.",
            "Solve u = 1/(1 + e^(-z/p)) for the odds u/(1 - u) first.",
        ),
        reference=dice,
        given=uniforms,
        mistakes=(
            turned_round,
            scale_for_rate,
            logistic_reversed,
            density_inverted,
            normal_quantiles,
        ),
        discussion=r"""
With draws that are smooth in $p$ one can differentiate averages by $p$. Try it for
$\mathbb{E}[z^2]$ at $p = 2$, pathwise and by the score function. One of the six
estimates is wrong:

```python
from torch.nn.functional import softplus

u = torch.rand(400_000, dtype=torch.float64)
p = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
log_q = [
    lambda z: p.log() - p * z,
    lambda z: -z / p - p.log() - 2 * softplus(-z / p),
    lambda z: -p.log().expand_as(z),
]
exact = [-4 / 2**3, 2 * math.pi**2 * 2 / 3, 2 * 2 / 3]
for z, log_density, right in zip(dice(u, p), log_q, exact):
    path = torch.autograd.grad(z.square().mean(), p)[0]
    z = z.detach()
    surrogate = (z.square() * log_density(z)).mean()
    score = torch.autograd.grad(surrogate, p)[0]
    print(f"exact {right:.3f}, pathwise {path:.3f}, score {score:.3f}")
```

The score function fails for the uniform: it gives $-2/3$ for $4/3$, wrong in sign. The
support $(0, p)$ moves with $p$, and the first step of its derivation, the gradient
under the integral, forgets the edge. The edge's part is $f(p)/p = 2$.
""",
    ),
    Exercise(
        name="reparam-small-sigma",
        title="A sure encoder",
        kind="predict",
        points=2,
        task=r"""
In one dimension, for $f(z) = z^2$ and the derivative of $\mathbb{E}[f]$ by $\mu$, the
variances of single estimates were: pathwise $4\sigma^2$; score function with the best
baseline $V^\star = 8\mu^2 + 6\sigma^2$; without a baseline
$V^\star + (\mu^2 + 3\sigma^2)^2/\sigma^2$. An encoder says $\mu = [[mu]]$ and
$\sigma = [[sigma]]$.

(a) How many draws of the score function with the best baseline, averaged, are as
accurate as *one* pathwise draw? (b) And without a baseline? (c) What does the variance
with the best baseline tend to as $\sigma \to 0$ at this $\mu$? Three digits will do.
""",
        start="""
draws_best = ...  # (a)
draws_none = ...  # (b)
limit = ...  # (c)
answers = (draws_best, draws_none, limit)
""",
        hints=(
            "The mean of K independent draws has 1/K of the variance of one.",
            "For (c), put σ = 0 into the formula. Are you surprised? f(z) hardly "
            "varies any more.",
        ),
        reference=draws_needed,
        values={"mu": 1, "sigma": 0.1},
        vary=other_codes,
        probe=probes.numbers,
        rtol=0.01,
        mistakes=(
            vanishes,
            by_deviations,
            variances_themselves,
            turned_ratio,
            only_the_rest,
        ),
        discussion=r"""
Divide by $4\sigma^2$ for (a) and (b). At $\mu = 1$ and $\sigma = 0.1$ these are 201.5
and 2854 draws. (c) is $8\mu^2$.

For small $\sigma$, $f(z) - b \approx 2\mu\sigma\epsilon$, which does go to zero. But
the score $\epsilon/\sigma$ grows at the same rate, and the product tends to
$2\mu\epsilon^2$: mean $2\mu$, variance $4\mu^2 \cdot 2 = 8\mu^2$. Without a baseline
the variance even grows, like $\mu^4/\sigma^2$. The score function measures a slope by
comparing the values at nearby points, with a random side and distance. The trick reads
the slope off. The surer the encoder, the larger its advantage, and many encoders end
with a small $\sigma$.
""",
    ),
    Exercise(
        name="reparam-antithetic",
        title="Pairs",
        kind="derive",
        points=2,
        task=r"""
If $\epsilon$ is a draw from $\mathcal{N}(0, 1)$, so is $-\epsilon$. An *antithetic*
estimate averages the two. For $f(z) = z^2$ and the pathwise estimate of the derivative
by $\mu$ the pair is exact: $\tfrac12[2(\mu + \sigma\epsilon) + 2(\mu - \sigma\epsilon)]
= 2\mu$. It does not always help. Take the derivative by $\sigma$, whose single estimate
is $2z\,\epsilon$. Derive the variance of the pair divided by the variance of the mean
of two *independent* estimates. Think about: when is it larger than one?
""",
        start="""
import sympy as sp

mu, sigma = sp.symbols("mu sigma", positive=True)

ratio = ...  # variance of a pair / variance of two independent ones
""",
        hints=(
            "Write both halves out, z = μ + σε and z = μ - σε, and average. What "
            "cancels?",
            "The variance of ε² is 2. In 2με + 2σε² the two terms are uncorrelated.",
        ),
        reference=variance_ratio,
        values={
            "mu": sp.Symbol("mu", positive=True),
            "sigma": sp.Symbol("sigma", positive=True),
        },
        probe=probes.expression,
        given=places,
        mistakes=(
            against_one,
            turned_over,
            second_moment,
            only_the_pair,
            by_the_mean,
            antithetic_is_free,
        ),
        discussion=r"""
The pair is $\tfrac12[2(\mu + \sigma\epsilon)\epsilon - 2(\mu - \sigma\epsilon)\epsilon]
= 2\sigma\epsilon^2$, with variance $4\sigma^2 \cdot 2 = 8\sigma^2$. A single estimate
$2\mu\epsilon + 2\sigma\epsilon^2$ has $4\mu^2 + 8\sigma^2$, the mean of two independent
ones half of it. The ratio is $4\sigma^2/(\mu^2 + 2\sigma^2)$, and the pair loses when
$\mu^2 < 2\sigma^2$; at $\mu = 0$ it is twice as noisy. What is odd in $\epsilon$
cancels, but what is even is counted twice.

With `mean`, `z1` and `eps` of the chapter:

```python
def var(expr):
    return sp.factor(mean(expr**2) - mean(expr) ** 2)


one = 2 * z1 * eps
pair = (one + one.subs(eps, -eps)) / 2
print(var(one) / 2, "independent;", var(pair), "antithetic")
```
""",
    ),
    Exercise(
        name="reparam-wiggle",
        title="Can the score function win?",
        kind="predict",
        points=3,
        task=r"""
Let $f(z) = \sin(kz)$ with $z \sim \mathcal{N}(0, \sigma^2)$. The derivative of
$\mathbb{E}[f]$ by the mean is estimated by $k \cos(kz)$, pathwise, and by
$\sin(kz)\,z/\sigma^2$, the score function without a baseline. Take $\sigma =
[[sigma]]$.

(a) For small $k$ the pathwise estimate has the smaller variance. From which $k$ on does
the score function have it? Compute or measure; two digits will do. (b) At $k = 10$, how
many times the variance of the score function is the pathwise one?
""",
        start="""
crossing = ...  # (a), the k where the variances are equal
times = ...  # (b)
answers = (crossing, times)
""",
        hints=(
            "Draw a million z and compare the two sample variances for a few k.",
            "Both estimates have the same mean, so the variances meet where the mean "
            "squares do. E[cos(2kz)] = exp(-2k²σ²).",
            "For large kσ the variances tend to k²/2 and 1/(2σ²).",
        ),
        reference=crossing,
        values={"sigma": 0.5},
        vary=other_widths,
        probe=probes.numbers,
        rtol=0.035,
        mistakes=(limits_cross, crossing_of_one, ratio_of_deviations, ratio_turned),
        discussion=r"""
The pathwise estimate has the second moment $\tfrac{k^2}{2}(1 + e^{-2k^2\sigma^2})$, the
score function's is $\tfrac{1}{2\sigma^2}\bigl(1 - (1 - 4k^2\sigma^2)\,
e^{-2k^2\sigma^2}\bigr)$. Both have the mean $k e^{-k^2\sigma^2/2}$. The second moments
meet at $k\sigma = 1.11$. Far beyond, the ratio is $k^2\sigma^2$.

```python
sigma = [[sigma]]
eps = torch.randn(1_000_000, dtype=torch.float64)
for k_sigma in [0.5, 1.0, 1.1, 1.2, 1.5, 3.0]:
    k = k_sigma / sigma
    path = (k * (k_sigma * eps).cos()).var()
    score = ((k_sigma * eps).sin() * eps / sigma).var()
    print(f"k = {k:.2f}: pathwise {path:.3f}, score {score:.3f}")
```

Beyond the crossing $f$ goes up and down within the width of $q$. Its slope says little
about the average, and its values are bounded. A decoder that changes its mind many
times within one $\sigma$ would be such an $f$.
""",
    ),
    Exercise(
        name="reparam-gumbel",
        title="Small project: a discrete code, softened",
        kind="open",
        points=4,
        task=r"""
Let $G_k = -\log(-\log u_k)$ with $u_k$ uniform (Gumbel noise). Then $\arg\max_k(a_k +
G_k)$ is a draw from the categorical distribution with logits $a_k$. (i) Check the
frequencies. (ii) The parameters and the noise are now apart, as in the trick. Why is
there still no gradient? (iii) Replace $\arg\max$ by $y = \mathrm{softmax}((a +
G)/\tau)$ and let $f(y) = (c^\top y)^2$ with $a = (0.5, 0, -1)$ and $c = (1, -2, 3)$.
Compare the mean and the variance of its pathwise gradient with the exact gradient of
the discrete average, and with the score function, for $\tau = 1$, $0.3$, $0.1$.
""",
        hints=(
            "How does the index of the largest change when one logit moves a little?",
            "On a one-hot y, f is c_k². So the exact average is a sum over three "
            "values, and autograd gives its gradient.",
            "The score of a categorical by its logits is the one-hot draw minus the "
            "probabilities.",
        ),
        rubric=(
            (1, "The frequencies agree with softmax(a) to within their noise."),
            (1, "(ii) says that arg max is constant almost everywhere and jumps."),
            (1, "Mean and variance of both estimators beside the exact gradient."),
            (1, "The trade is named: a colder softmax has less bias and more noise."),
        ),
        discussion=r"""
(ii) The $\arg\max$ is constant almost everywhere and jumps in between. The condition
under which the gradient may go inside the average fails, as for the sign.

```python
torch.manual_seed(0)
a = torch.tensor([0.5, 0.0, -1.0], dtype=torch.float64)
c = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
noise = -(-torch.rand(200_000, 3, dtype=torch.float64).log()).log()
hard = (a + noise).argmax(1)
print(torch.bincount(hard) / len(hard), a.softmax(0))

leaf = a.clone().requires_grad_()
exact = torch.autograd.grad((leaf.softmax(0) * c**2).sum(), leaf)[0]
one_hot = torch.eye(3, dtype=torch.float64)[hard]
score = c[hard, None] ** 2 * (one_hot - a.softmax(0))
print("exact", exact, "score", score.mean(0), score.var(0).sum())
for tau in [1.0, 0.3, 0.1]:
    each = a.expand(200_000, 3).clone().requires_grad_()
    y = ((each + noise) / tau).softmax(1)
    g = torch.autograd.grad((y @ c).square().sum(), each)[0]
    print(tau, "soft", g.mean(0), g.var(0).sum())
```

The exact gradient is $(-1.08, 0.34, 0.74)$, and the score function agrees, with a total
variance of 14. The soft draws answer another question: their mean is $(-0.19, -0.17,
0.36)$ at $\tau = 1$ with variance 1.8, $(-0.70, 0.12, 0.58)$ at $0.3$ with 12, $(-0.95,
0.28, 0.67)$ at $0.1$ with 44. A colder softmax is less biased and more noisy, and in
the end noisier than the score function, which has no bias. (No baseline was used; it
would help here too.)
""",
    ),
]

QUESTIONS = [
    Question(
        "You wrote <code>q.sample()</code> where <code>q.rsample()</code> belongs, and "
        "train with the whole bound. What do you see?",
        (
            Choice(
                "PyTorch raises an error, because the encoder has no gradient.",
                "The KL is a formula in μ and σ and still reaches the encoder, so "
                "every parameter has a gradient and nothing is raised.",
            ),
            Choice(
                "The loss falls, the KL goes to zero, and all reconstructions become "
                "the average picture.",
                "The encoder hears the KL only and makes q the prior; the decoder "
                "still learns, and without a code its best is the average.",
                right=True,
            ),
            Choice(
                "The loss stays where it was: nothing can learn.",
                "The decoder's gradient does not pass the draw, so the decoder learns. "
                "That is why the mistake is easy to overlook.",
            ),
            Choice(
                "Training is noisier and slower, but ends at the same place.",
                "The gradient is not noisy but wrong: the reconstruction's part for "
                "the encoder is exactly zero, and no number of steps mends that.",
            ),
        ),
    ),
    Question(
        "The encoder says μ = 0.3 and σ = 0.1. The draw is z = 0.18, and the decoder "
        "would have liked a smaller z. What does the pathwise gradient of this one "
        "draw ask of σ?",
        (
            Choice(
                "A larger σ.",
                "ε = -1.2, so a larger σ moves this z further down: dz/dσ = ε. On a "
                "draw above the mean the same wish would ask for a smaller one.",
                right=True,
            ),
            Choice(
                "A smaller σ: less noise is always better for the reconstruction.",
                "On average it often is, but the gradient of one draw asks how "
                "<i>this</i> z would have moved, and with ε below zero it moves down "
                "as σ grows.",
            ),
            Choice(
                "Nothing: the wish concerns the mean, and the noise is luck.",
                "z = μ + σε depends on σ as soon as ε is not zero. Luck is not taken "
                "out of a single answer; it averages out.",
            ),
        ),
    ),
    Question(
        "Which baseline b may be taken off f(z) in the score-function estimator "
        "without making it biased?",
        (
            Choice(
                "Only b = E[f], so that f - b has mean zero.",
                "The score has mean zero by itself, so any b that does not depend on z "
                "will do. E[f] is not even the best one.",
            ),
            Choice(
                "Any b that does not depend on this draw of z.",
                "The mean of b times the score is b times zero. So b may depend on the "
                "image, or on a second, independent draw.",
                right=True,
            ),
            Choice(
                "The value f(z) of the draw itself: then nothing noisy is left.",
                "Then nothing at all is left: the estimate is zero every time, and "
                "the gradient is not.",
            ),
        ),
    ),
    Question(
        "A code is discrete: z is drawn from a categorical distribution. Can its "
        "gradient be taken by writing z = g(ε) with noise ε that has no parameters?",
        (
            Choice(
                "Yes: parameters and noise are apart, and that is all it takes.",
                "They can be kept apart, but g must also move smoothly with the "
                "parameters. A discrete g stands still or jumps, and its slope is "
                "zero wherever there is one.",
            ),
            Choice(
                "No, and there is no other unbiased way.",
                "The score function needs no slope of f or of g, and is unbiased here. "
                "It pays with variance.",
            ),
            Choice(
                "No: g jumps. The score function is unbiased here, a softened draw "
                "has a slope but a bias.",
                "A gradient through a jump misses the probability that is carried over "
                "the edge. These are the ways that remain.",
                right=True,
            ),
        ),
    ),
]
