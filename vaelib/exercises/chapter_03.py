"""Exercises and questions of chapter 3, on the Kullback-Leibler divergence."""

import math

import sympy as sp
import torch

from vaelib.exercises import probes
from vaelib.exercises.exercise import Exercise
from vaelib.exercises.questions import Choice, Question

# A coin, both ways


def of_coins(truth, belief):
    """KL between two coins, in nats, from their probabilities of heads."""
    heads = truth * math.log(truth / belief)
    return heads + (1 - truth) * math.log((1 - truth) / (1 - belief))


def coin(p, throws):
    fair_coin, loaded_coin = of_coins(0.5, p), of_coins(p, 0.5)
    return fair_coin, loaded_coin, throws * fair_coin / math.log(2)


def coin_exchanged(p, throws):
    """Truth and belief are exchanged: the average is over the coin that is really
    thrown, so the truth stands first.
    """
    fair_coin, loaded_coin, bits = coin(p, throws)
    return loaded_coin, fair_coin, bits


def coin_symmetric(p, throws):
    """The second number is the first once more. The divergence is not symmetric: when
    the loaded coin is thrown, heads and tails have other weights in the average.
    """
    fair_coin, _, bits = coin(p, throws)
    return fair_coin, fair_coin, bits


def coin_flipped(p, throws):
    """The sign is turned over: an excess surprise is never negative on average. Inside
    the logarithm the truth stands above, the belief below.
    """
    return tuple(-number for number in coin(p, throws))


def coin_heads(p, throws):
    """Only heads were counted. Tails come up too, and give some of the surprise back:
    the average needs both.
    """
    fair_coin = 0.5 * math.log(0.5 / p)
    return fair_coin, p * math.log(p / 0.5), throws * fair_coin / math.log(2)


def coin_bits(p, throws):
    """These are bits a throw. The first two numbers were asked for in nats: use the
    natural logarithm.
    """
    fair_coin, loaded_coin, bits = coin(p, throws)
    return fair_coin / math.log(2), loaded_coin / math.log(2), bits


def coin_units(p, throws):
    """The units are exchanged: the losses a throw are in bits, that of the whole game
    is in nats.
    """
    fair_coin, loaded_coin, _ = coin(p, throws)
    return fair_coin / math.log(2), loaded_coin / math.log(2), throws * fair_coin


def coin_nats(p, throws):
    """The loss of the whole game is in nats. A bit is log 2 = 0.693 nats, so there are
    more bits than nats.
    """
    fair_coin, loaded_coin, _ = coin(p, throws)
    return fair_coin, loaded_coin, throws * fair_coin


def coin_times(p, throws):
    """To go from nats to bits you multiplied by log 2. A bit is 0.693 nats, so there
    are more bits than nats: divide.
    """
    fair_coin, loaded_coin, _ = coin(p, throws)
    return fair_coin, loaded_coin, throws * fair_coin * math.log(2)


def coin_smaller(p, throws):
    """The loss of the whole game is that of the better case; the worse one is the one
    with the larger divergence.
    """
    fair_coin, loaded_coin, _ = coin(p, throws)
    return fair_coin, loaded_coin, throws * loaded_coin / math.log(2)


def another_coin(rng):
    return {
        "p": rng.choice([0.1, 0.15, 0.2, 0.3, 0.35]),
        "throws": rng.choice([500, 1000, 2000, 5000]),
    }


# A shorter way round


def ways(c, n):
    return c**2 / 2, c**2 / 4, c**2 / (2 * n)


def ways_as_distance(c, n):
    """You added up the pieces as one does with distances, so that every way costs the
    same. The divergence is half the square of a distance: compute each leg by itself.
    """
    return c**2 / 2, c**2 / 2, c**2 / 2


def ways_no_half(c, n):
    """The factor one half is missing: these are the squares of the distances."""
    return c**2, c**2 / 2, c**2 / n


def ways_no_square(c, n):
    """The distance has not been squared, and so every way costs the same. What has the
    triangle inequality is the distance, not the divergence.
    """
    return c / 2, c / 2, c / 2


def ways_one_leg(c, n):
    """A detour has several legs, and you have counted one of them. Add them all up."""
    return c**2 / 2, c**2 / 8, c**2 / (2 * n**2)


def another_way(rng):
    return {"c": rng.choice([3, 4, 5, 6]), "n": rng.choice([5, 10, 20])}


# The estimator in the middle


def mean_k2(mu):
    return mu**2 / 2 + mu**4 / 8


def k2_unbiased(mu):
    """This is the divergence itself, so it says that the estimator is unbiased. The
    mean of a square is the variance plus the squared mean; the mean of log r is not
    zero.
    """
    return mu**2 / 2


def k2_mean_only(mu):
    """This is half of the squared mean of log r. The mean of a square also contains
    the variance.
    """
    return mu**4 / 8


def k2_no_half(mu):
    """The factor one half of the definition is missing: this is the mean of the square
    of log r.
    """
    return mu**2 + mu**4 / 4


def k2_half_once(mu):
    """The variance of log r enters as it should, the squared mean twice too large. The
    one half multiplies both.
    """
    return mu**2 / 2 + mu**4 / 4


def distances(generator):
    mu = 4 * torch.rand(8, generator=generator, dtype=torch.float64) - 2
    return {"for distances between -2 and 2": ({"mu": mu.tolist()},)}


# What marginals cannot see


def missed(cov):
    return 0.5 * (cov.diagonal().log().sum() - torch.logdet(cov))


def marginals_only(cov):
    """Summed over the dimensions, the divergence is zero, whatever the correlation.
    That sum is the divergence only when the dimensions are independent under both.
    """
    return 0 * cov.trace()


def missed_to_prior(cov):
    """This is the divergence from N(0, I). The belief here has the same variances as
    the truth, and lacks the correlations only.
    """
    return 0.5 * (cov.trace() - len(cov) - torch.logdet(cov))


def missed_no_half(cov):
    """The factor one half is missing: this is twice the divergence."""
    return 2 * missed(cov)


def missed_flipped(cov):
    """The sign is turned over: a divergence is never negative."""
    return -missed(cov)


def missed_other_way(cov):
    """This is the divergence the other way round, averaged over the independent
    distribution. The truth is the correlated one, and stands first.
    """
    inverse = torch.linalg.inv(cov)
    return 0.5 * ((inverse.diagonal() * cov.diagonal()).sum() - len(cov)) - missed(cov)


def missed_in_two(cov):
    """This is right for two dimensions with unit variances only. With other variances
    an entry beside the diagonal is no correlation, and in more dimensions there are
    more of them.
    """
    return -0.5 * torch.log1p(-(cov[0, 1] ** 2))


def missed_pairs(cov):
    """You added up one term for each pair of dimensions. That is right for two
    dimensions; in more, pairs share information, and what is needed is the determinant
    of the whole matrix.
    """
    deviation = cov.diagonal().sqrt()
    rho = cov / deviation / deviation[:, None]
    return -0.5 * torch.log1p(-(rho.tril(-1) ** 2)).sum()


def covariances(generator):
    # Small enough for a formula in one entry of cov to be computed, and to be wrong.
    five = torch.randn(5, 5, generator=generator)
    three = torch.randn(3, 3, generator=generator)
    return {
        "no correlation, variances 1/4, 1 and 9": (
            torch.diag(torch.tensor([0.25, 1.0, 9.0])),
        ),
        "unit variances, rho = 0.9": (torch.tensor([[1.0, 0.9], [0.9, 1.0]]),),
        "variances 9 and 1/4, rho = 0.5": (torch.tensor([[9.0, 0.75], [0.75, 0.25]]),),
        "three dimensions": (three @ three.T / 9 + 0.05 * torch.eye(3),),
        "five dimensions": (five @ five.T / 25 + 0.02 * torch.eye(5),),
    }


# Where the bell changes its mind


def changes():
    # Where the costs of the two best bells cross: found by bisection on fits to 1e-10.
    return 2.8001, 1.0


def first_appearance():
    """At this distance a second minimum appears, on the hump. The middle is still the
    cheaper of the two: compare the costs.
    """
    return 2.42, 1.0


def with_the_density():
    """The bell does not change its mind where the density gets its two humps: while
    they overlap, one bell over both is the cheaper.
    """
    return 1.0, 1.0


def never():
    """A descent that starts in the middle never leaves it: it stays in a local
    minimum. Start another one near a hump, and compare the two costs.
    """
    return math.inf, 1.0


def between_humps():
    """This is the distance between the humps; d is that of a hump from the middle, half
    as much.
    """
    return 5.6, 2.0


EXERCISES = [
    Exercise(
        name="kl-coin",
        title="A coin, both ways",
        kind="predict",
        points=1,
        task=r"""
A coin is fair; you believe that heads come up with probability [[p]]. How large is your
excess surprise a throw, in nats? And if the coin really is the loaded one and you
believe it fair? In a game of [[throws]] throws, how many *bits* do you lose in the
worse of the two cases? Three decimals for the nats and whole bits will do. Guess first
which case is the worse.
""",
        start="""
fair_coin = ...  # nats a throw: the coin is fair, you believe [[p]]
loaded_coin = ...  # nats a throw: heads come with [[p]], you believe 1/2
bits = ...  # lost in [[throws]] throws, in the worse case
losses = (fair_coin, loaded_coin, bits)
""",
        hints=(
            "A throw has two outcomes, so each divergence is a sum of two terms.",
            "Each term is the true probability times the logarithm of truth over "
            "belief. A bit is $\\log 2$ nats: divide.",
        ),
        reference=coin,
        discussion=r"""
For a belief in 1/4. Fair truth, loaded belief: $\tfrac12\log\frac{1/2}{1/4} +
\tfrac12\log\frac{1/2}{3/4}$, which is $\tfrac12\log 2 + \tfrac12\log\tfrac23$ or
$\tfrac12\log\tfrac43 \approx 0.144$ nats.

Loaded truth, fair belief: $\tfrac14\log\tfrac12 + \tfrac34\log\tfrac32 \approx 0.131$
nats. They differ: the divergence is not symmetric. In bits, divided by $\log 2$: 0.208
and 0.189 a throw. You lose more in the first case, about 208 bits in 1,000 throws
against 189.

It is the same for every loaded coin. To take what is common for rare costs more than to
take what is rare for common: let the belief in heads go to zero, and the first number
grows without bound, while the second only tends to $\log 2$.
""",
        mistakes=(
            coin_symmetric,  # before the next, which has the same second number
            coin_exchanged,
            coin_flipped,
            coin_heads,
            coin_bits,
            coin_nats,
            coin_units,
            coin_times,
            coin_smaller,
        ),
        probe=probes.numbers,
        values={"p": 0.25, "throws": 1000},
        vary=another_coin,
        rtol=5e-3,
        atol=6e-4,
    ),
    Exercise(
        name="kl-triangle",
        title="A shorter way round",
        kind="predict",
        points=1,
        task=r"""
For unit normals, $\mathrm{KL}(\mathcal{N}(a, 1) \,\|\, \mathcal{N}(b, 1)) = (a-b)^2/2$.
Go from $\mathcal{N}(0, 1)$ to $\mathcal{N}([[c]], 1)$: straight; with one stop on the
way, $\mathcal{N}(b, 1)$, for the $b$ that makes the sum of the two divergences
smallest; and in [[n]] equal steps, the divergences again added up. What does each way
cost, in nats? Think about: is the detour longer, as it would be on a map?
""",
        start="""
straight = ...
one_stop = ...  # the sum of the two legs, for the best b
many_steps = ...  # the sum of [[n]] equal legs
costs = (straight, one_stop, many_steps)
""",
        hints=(
            "Compute each leg by itself. What does a leg of half the length cost?",
            "The best stop is in the middle. With $n$ equal steps each leg has the "
            "length $c/n$, and there are $n$ of them.",
        ),
        reference=ways,
        discussion=r"""
Take the means 0, 1 and 2. Straight: $(0-2)^2/2 = 2$ nats. Through the middle:
$\tfrac12 + \tfrac12 = 1$ nat, and the middle is the best stop, since
$b^2 + (2-b)^2$ has its minimum at $b = 1$. The divergence grows like the *square* of a
distance, and squares do not obey the triangle inequality.

With $n$ equal steps the cost is $n \cdot \frac12 (2/n)^2 = 2/n$: 0.2 nats for ten, and
as little as you like for many. So never measure how far something has drifted by adding
up the divergences from day to day: each of them can be next to nothing, and their sum
too, while the divergence from the first day is large.
""",
        mistakes=(ways_as_distance, ways_no_half, ways_no_square, ways_one_leg),
        probe=probes.numbers,
        values={"c": 2, "n": 10},
        vary=another_way,
    ),
    Exercise(
        name="kl-k2",
        title="The estimator in the middle",
        kind="derive",
        points=2,
        task=r"""
Two estimates of $\mathrm{KL}(q \,\|\, p)$ from draws $z \sim q$, with
$r(z) = p(z)/q(z)$, are $k_1 = -\log r$ and $k_3 = (r - 1) - \log r$. A colleague
proposes $k_2 = \tfrac12 (\log r)^2$: never negative, and with no huge values of $r$ in
it. Find its mean under $q$, as an expression in `mu`, for $q = \mathcal{N}(\mu, 1)$ and
$p = \mathcal{N}(0, 1)$. The divergence is $\mu^2/2$. Think about: when would you still
use $k_2$?
""",
        start="""
import sympy as sp

mu = sp.Symbol("mu", real=True)
mean_k2 = ...
""",
        hints=(
            r"Write out $\log r(z) = \log p(z) - \log q(z)$. Which distribution "
            "does it have when $z$ is drawn from $q$?",
            r"$\log r = -\mu z + \mu^2/2$ is normal, with mean $-\mu^2/2$ and variance "
            r"$\mu^2$.",
            "The mean of a square is the variance plus the square of the mean.",
        ),
        reference=mean_k2,
        discussion=r"""
$\log r \sim \mathcal{N}(-\mu^2/2, \mu^2)$ under $q$, so
$\mathbb{E}_q[(\log r)^2] = \mu^2 + \mu^4/4$ (variance plus squared mean) and
$\mathbb{E}_q[k_2] = \mu^2/2 + \mu^4/8$. The exact value is $\mu^2/2$: the estimator is
biased, by $\mu^4/8$. At $\mu = 0.2$ the bias is 1% of the divergence, at $\mu = 2$ it
is 100%. It is of use as a quick reading when the two are known to be close.
""",
        mistakes=(k2_unbiased, k2_mean_only, k2_no_half, k2_half_once),
        probe=probes.expression,
        given=distances,
        values={"mu": sp.Symbol("mu", real=True)},
        rtol=1e-9,
        atol=1e-9,
    ),
    Exercise(
        name="kl-correlation",
        title="What marginals cannot see",
        kind="implement",
        points=3,
        task=r"""
Let $q = \mathcal{N}(0, \Sigma)$ in $d$ dimensions, and let $p$ have the same variances
but independent dimensions. The marginals agree exactly, so the sum over dimensions of
their divergences is zero. Write the true $\mathrm{KL}(q \,\|\, p)$, in nats, for a
`cov` of shape (d, d). Find it for $d = 2$ with unit variances and correlation $\rho$
first: use `vaelib.kl_gaussian` to guess, and the chain rule to prove it. (Given $a$,
$b$ is $\mathcal{N}(\rho a, 1 - \rho^2)$; the divergence from $\mathcal{N}(m, v)$ to
$\mathcal{N}(0, 1)$ is $\tfrac12(m^2 + v - 1 - \log v)$.)
""",
        start='''
def missed(cov):
    """KL from N(0, cov) to N(0, the diagonal of cov), in nats."""
    ...
''',
        hints=(
            r"`vaelib.kl_gaussian(mu_q, cov_q, mu_p, cov_p)` takes full covariances. "
            "Which matrix is that of $p$?",
            "In two dimensions the first term of the chain rule is zero, and the "
            r"second an average over $a$ in which $\mathbb{E}[a^2] = 1$.",
            "In general the divergence is half a difference of two log-determinants; "
            "that of a diagonal matrix is a sum.",
        ),
        reference=missed,
        discussion=r"""
In two dimensions with unit variances, by the chain rule: the first term is
$\mathrm{KL}(q(a) \,\|\, p(a)) = 0$. The second is the average over $a$ of
$\tfrac12(\rho^2 a^2 - \rho^2 - \log(1 - \rho^2))$, with $\mathbb{E}[a^2] = 1$, in which
everything cancels but $-\tfrac12\log(1-\rho^2)$. The cell compares it with the function
of the library:

```python
rho, zero = 0.9, torch.zeros(2)
cov = torch.tensor([1, rho, rho, 1]).reshape(2, 2)
print(vaelib.kl_gaussian(zero, cov, zero, torch.eye(2)))
print(-0.5 * math.log(1 - rho**2))  # both 0.83 nats
```

In $d$ dimensions, write $D$ for the diagonal of $\Sigma$. In the formula for two
Gaussians $\operatorname{tr}(D^{-1}\Sigma) = d$ cancels against $-d$, and
$\tfrac12(\log\det D - \log\det\Sigma)$ is left. So
`vaelib.kl_gaussian(zero, cov, zero, torch.diag(cov.diagonal()))` is an answer too.

Additivity needs independence under *both*. This divergence between a joint and the
product of its marginals has a name, total correlation.
""",
        mistakes=(
            marginals_only,
            missed_to_prior,
            missed_no_half,
            missed_flipped,
            missed_other_way,
            missed_in_two,
            missed_pairs,
        ),
        given=covariances,
        rtol=1e-3,
        atol=1e-4,
    ),
    Exercise(
        name="kl-split",
        title="Small project: where the bell changes its mind",
        kind="predict",
        points=4,
        task=r"""
Let $p = \tfrac12\mathcal{N}(-d, 1) + \tfrac12\mathcal{N}(d, 1)$. For small $d$ the bell
$q = \mathcal{N}(\mu, \sigma^2)$ that minimises $\mathrm{KL}(q \,\|\, p)$ sits at
$\mu = 0$; for large $d$ on one hump. Find the $d$ at which the middle stops being the
best answer, to within one per cent. For comparison: at which $d$ does $p$ itself begin
to have two humps?
""",
        start="""
from torch.distributions import Normal


def two_humps(d, points):
    left, right = (Normal(m, 1.0).log_prob(points) for m in (-d, d))
    return torch.logaddexp(left, right) - math.log(2)  # log p


bell_moves = ...  # from this d on, the best bell sits on a hump
p_splits = ...  # from this d on, p has two humps
answers = (bell_moves, p_splits)
""",
        hints=(
            r"For one $d$, fit $\mu$ and $\log\sigma$ by gradient descent on a fine "
            "grid of points, as in the section on the two directions. Does it matter "
            "where the descent starts?",
            "Two descents, one from the middle and one from near a hump, can end in "
            "two minima. Plot both costs against $d$: where do they cross?",
            r"For the density: what is the sign of its second derivative at 0? The "
            r"second derivative of $\mathcal{N}(z; d, 1)$ is $(z - d)^2 - 1$ times the "
            "density.",
        ),
        reference=changes,
        discussion=r"""
The density itself has two humps from $d = 1$ on: its second derivative at 0 is
proportional to $d^2 - 1$. For the bell, start both near the middle and on a hump:

```python
points = torch.linspace(-12, 12, 961)


def best_bell(d, mu, steps=600):
    # mu and log sigma
    params = torch.tensor([mu, 0.1], requires_grad=True)
    optimiser = torch.optim.Adam([params], lr=0.03)
    for _ in range(steps):
        log_q = Normal(params[0], params[1].exp()).log_prob(points)
        log_ratio = log_q - two_humps(d, points)
        cost = torch.trapezoid(log_q.exp() * log_ratio, points)
        optimiser.zero_grad()
        cost.backward()
        optimiser.step()
    return params[0].item(), params[1].exp().item(), cost.item()


for d in [1.0, 2.0, 2.4, 2.5, 2.7, 2.8, 2.9, 3.2]:
    for start in [0.3, d]:
        mu, sigma, cost = best_bell(d, start)
        print(f"d = {d}  mu = {mu:.2f}, sigma = {sigma:.2f}: {cost:.3f}")
```

Up to $d \approx 2.4$ both starts end in the middle. Then a second answer on the hump
appears, at first the dearer one; from $d \approx 2.80$ on it is the cheaper, because it
costs about $\log 2 = 0.69$ nats whatever the distance, while the cost of the middle
grows. A descent that starts in the middle stays there even so: it has found a local
minimum, and knows of no other.
""",
        mistakes=(first_appearance, with_the_density, never, between_humps),
        probe=probes.numbers,
        values={},
        rtol=1e-2,
    ),
]

QUESTIONS = [
    Question(
        "<i>q</i> is the truth and <i>p</i> the belief. When is KL(q ‖ p) infinite for "
        "certain?",
        (
            Choice(
                "when p allows something that never happens under q",
                "That costs a little probability and no more: outcomes with q(x) = 0 "
                "add nothing to the average.",
            ),
            Choice(
                "when something happens under q that p holds to be impossible",
                "The surprise −log 0 is infinite, and it is met with a positive "
                "probability.",
                right=True,
            ),
            Choice(
                "when q and p are densities and not tables",
                "The widths of the bins cancel in the ratio, so a divergence of "
                "densities is usually finite. The entropy is what has no such limit.",
            ),
            Choice(
                "never, if p is greater than zero everywhere",
                "Not even then: from a Cauchy to a normal distribution it is infinite, "
                "because the surprise grows too fast in the tails.",
            ),
        ),
    ),
    Question(
        "The true posterior has two equal humps far apart. A Gaussian encoder "
        "minimises KL(q(z|x) ‖ p(z|x)). What do you expect to see?",
        (
            Choice(
                "a wide bell over both humps",
                "That is the answer of the other direction, which averages over the "
                "posterior. Here the average is over q, and the empty valley is dear.",
            ),
            Choice(
                "a bell in the valley between the humps, as a compromise",
                "A narrow bell there would have all its mass where the posterior has "
                "almost none: a dear place for an average over q.",
            ),
            Choice(
                "a bell on one hump, with less uncertainty than there is",
                "The hump that is left out is never visited, and forgetting it "
                "costs only about log 2.",
                right=True,
            ),
        ),
    ),
    Question(
        "You estimate KL(q ‖ p) by the mean of log q(z) − log p(z) over 100 draws from "
        "q, and get −0.02 nats. What follows?",
        (
            Choice(
                "Nothing yet: q and p may be close, and the mean of 100 draws has an "
                "error.",
                "Single terms have both signs. Look at the standard error, or "
                "use an estimator whose terms are never negative.",
                right=True,
            ),
            Choice(
                "There is a bug, because a divergence is never negative.",
                "The divergence is not, but this estimate of it can be. Only with a "
                "standard error far below 0.02 would it point to a bug.",
            ),
            Choice(
                "p describes these data better than q does.",
                "On average no belief beats the truth, and the draws come from q. A "
                "negative estimate is luck.",
            ),
            Choice(
                "q and p were exchanged.",
                "The other direction is never negative either, so the sign says "
                "nothing about the order.",
            ),
        ),
    ),
    Question(
        "A latent variable was measured in metres. You now measure it in centimetres, "
        "under q and p alike. What becomes of KL(q ‖ p)?",
        (
            Choice(
                "it is multiplied by 100",
                "The divergence is a mean of log-ratios of densities. It carries no "
                "unit of length; its unit, the nat, is that of the logarithm.",
            ),
            Choice(
                "it grows by log 100",
                "That happens to the entropy of a density. In the divergence both "
                "log-densities change by the same amount, and it cancels.",
            ),
            Choice(
                "it does not change",
                "Both densities are divided by 100, and the ratio stays what it was.",
                right=True,
            ),
            Choice(
                "it depends on which of the two is wider",
                "The widths decide how large the divergence is, but both scale alike, "
                "so it stays as it was.",
            ),
        ),
    ),
]
