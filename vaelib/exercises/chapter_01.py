"""Exercises and questions of chapter 1, on Bayes' rule."""

import math

import torch
from torch.distributions import Normal

from vaelib.exercises import probes
from vaelib.exercises.exercise import Exercise
from vaelib.exercises.questions import Choice, Question

# A punctual friend


def base_rate(mornings, late, punctual):
    odds = late / punctual / (mornings - 1)
    return odds / (1 + odds)


def other_friends(rng):
    return {
        "mornings": rng.choice([15, 20, 25]),
        "late": rng.choice([0.5, 0.6, 0.7]),
        "punctual": rng.choice([0.05, 0.1, 0.15]),
    }


def no_prior(mornings, late, punctual):
    """The prior is missing, and you answer as if he were late half the time: the
    base-rate fallacy. Start from the odds of a morning about which you know nothing."""
    return late / (late + punctual)


def likelihood_for_posterior(mornings, late, punctual):
    """This is the likelihood, the share of calls among his late mornings. Wanted is the
    share of late mornings among those with a call."""
    return late


def joint_for_posterior(mornings, late, punctual):
    """This is the joint probability, a share of all mornings. You have heard him call,
    so take it as a share of the mornings with a call."""
    return late / mornings


def odds_for_probability(mornings, late, punctual):
    """These are the odds, late mornings to punctual ones. A probability is the share of
    the late ones among both."""
    return late / punctual / (mornings - 1)


def one_to_all(mornings, late, punctual):
    """One time in n was taken for odds of 1 to n. Odds compare with the other mornings,
    and there is one less of those."""
    odds = late / punctual / mornings
    return odds / (1 + odds)


# Silence


def silence(prior, late, punctual):
    called, silent = both(prior, late, punctual)
    call = prior * late + (1 - prior) * punctual
    return silent, call * called + (1 - call) * silent


def both(prior, late, punctual):
    """P(L|B) and P(L|not B)."""
    joint, rival = prior * late, (1 - prior) * punctual
    rest, rest_rival = prior - joint, (1 - prior) - rival
    return joint / (joint + rival), rest / (rest + rest_rival)


def other_silences(rng):
    return {
        "prior": rng.choice([0.45, 0.5, 0.55]),
        "late": rng.choice([0.6, 0.7, 0.75]),
        "punctual": rng.choice([0.05, 0.1]),
    }


def complement(prior, late, punctual):
    """You took P(L|no B) to be 1 - P(L|B). Those two need not add up to one: what does
    is P(L|no B) and P(not L|no B), under one and the same condition."""
    called, _ = both(prior, late, punctual)
    call = prior * late + (1 - prior) * punctual
    return 1 - called, call * called + (1 - call) * (1 - called)


def silence_says_nothing(prior, late, punctual):
    """Silence has left the belief at the prior here, as if it said nothing. It is an
    observation like any other, with two likelihoods of its own."""
    called, _ = both(prior, late, punctual)
    call = prior * late + (1 - prior) * punctual
    return prior, call * called + (1 - call) * prior


def silent_likelihood(prior, late, punctual):
    """In the place of P(L|no B) stands the likelihood P(no B|L), how often she is
    silent when late. Bayes' rule still has to turn it round."""
    called, _ = both(prior, late, punctual)
    call = prior * late + (1 - prior) * punctual
    return 1 - late, call * called + (1 - call) * (1 - late)


def evidence_for_posterior(prior, late, punctual):
    """The first number is the evidence, how probable silence is, all told. It belongs
    under the fraction."""
    silent = 1 - prior * late - (1 - prior) * punctual
    return silent, silence(prior, late, punctual)[1]


def silent_joint(prior, late, punctual):
    """The first number is the joint probability of late and silent, a share of all
    mornings. Take it as a share of the silent ones."""
    return prior * (1 - late), silence(prior, late, punctual)[1]


def unweighted(prior, late, punctual):
    """The two posteriors were averaged as if a call and no call came equally often.
    Weigh each by how probable it is to happen."""
    called, silent = both(prior, late, punctual)
    return silent, (called + silent) / 2


# One call against many silences


def weights_of_signs():
    return 4, 3, math.log(0.9 / 0.4)


def more_likely_than_not():
    """With two calls she is more likely late than not, but not yet at 95 per cent."""
    return 2, 3, math.log(0.9 / 0.4)


def nearly_sure():
    """Three calls take the belief above 0.9, but not yet above 0.95."""
    return 3, 3, math.log(0.9 / 0.4)


def one_for_one():
    """One silence does not undo one call. What undoes it is its weight: look at the two
    terms in the sum under the trace."""
    return 4, 1, math.log(0.9 / 0.4)


def two_silences():
    """After two silences the belief is close to one half, but still above it: read the
    sum under the trace."""
    return 4, 2, math.log(0.9 / 0.4)


def negative_weight():
    """The third number has a minus. Asked is by how much a silence lowers the log-odds,
    which is a positive number."""
    return 4, 3, math.log(0.4 / 0.9)


def silence_in_bits():
    """The third number is right in bits. Take the natural logarithm, for nats."""
    return 4, 3, math.log2(0.9 / 0.4)


# When evidence overlaps


def overlap(chair):
    odds = 6 / chair
    return odds / (1 + odds), math.log(chair / 0.25)


def other_chairs(rng):
    return {"chair": rng.choice([0.35, 0.4, 0.5, 0.6, 0.8])}


def as_before(chair):
    """You used P(E|not L) = 1/4, the empty chair of any punctual morning. This is a
    punctual morning with a call, and there the chair is empty more often."""
    return 24 / 25, 0.0


def without_call(chair):
    """The chair has been counted and the call has not. Start from the odds after the
    call, which are 6."""
    odds = 1 / chair
    return odds / (1 + odds), math.log(chair / 0.25)


def odds_again(chair):
    """The first number is the posterior odds. Wanted is the probability: the share of
    the late mornings among both kinds."""
    return 6 / chair, math.log(chair / 0.25)


def overlap_in_bits(chair):
    """The second number is right in bits. Take the natural logarithm, for nats."""
    return overlap(chair)[0], math.log2(chair / 0.25)


def difference(chair):
    """The second number is a difference of two probabilities. Evidence is counted in
    nats: compare the two weights of the chair, each the log of a ratio."""
    right = overlap(chair)[0]
    return right, 24 / 25 - right


# She calls again


def calls(generator):
    many = 8 + 5 * torch.randn(100, generator=generator)
    return {
        "one call, x = 12": (torch.tensor([12.0]), 10.0, 5.0),
        "two calls, x = 12 and 7": (torch.tensor([12.0, 7.0]), 10.0, 5.0),
        "a hundred calls": (many, 10.0, 5.0),
        "a narrow prior, tau = 1": (many[:3], 1.0, 5.0),
        "no call at all, an empty x": (torch.empty(0), 10.0, 5.0),
    }


def delay(x, tau, sigma):
    precision = 1 / tau**2 + len(x) / sigma**2
    v = 1 / precision
    return v * x.sum() / sigma**2, v


def as_one_call(x, tau, sigma):
    """However many calls there are, they count as one: the average is shrunk by the
    kappa of a single call. Each call adds a precision of its own."""
    kappa = tau**2 / (tau**2 + sigma**2)
    return kappa * x.mean(), kappa * sigma**2


def prior_every_time(x, tau, sigma):
    """The prior has been multiplied in once for every call. It belongs in once; after
    that, each posterior is the prior of the next call."""
    n = torch.tensor(float(len(x)))
    v = 1 / (n / tau**2 + n / sigma**2)
    return v * x.sum() / sigma**2, v


def no_prior_at_all(x, tau, sigma):
    """The prior is missing: this is the average of the calls and its variance. The
    prior's precision adds to that of the calls, and pulls the mean towards zero."""
    return x.mean(), torch.tensor(sigma**2) / len(x)


def mean_of_none(x, tau, sigma):
    """Right as long as there are calls. With none, the mean of an empty x is not a
    number; its sum is zero, and the posterior is then the prior."""
    m, v = delay(x, tau, sigma)
    return v * len(x) * x.mean() / sigma**2, v


def deviation_for_variance(x, tau, sigma):
    """The second output is the standard deviation; wanted is the variance."""
    m, v = delay(x, tau, sigma)
    return m, v**0.5


def precision_for_variance(x, tau, sigma):
    """The second output is the precision; the variance is its inverse."""
    m, v = delay(x, tau, sigma)
    return m, 1 / v


def not_squared(x, tau, sigma):
    """tau and sigma are standard deviations, and have been used as if they were
    variances."""
    return delay(x, tau**0.5, sigma**0.5)


# When the model is wrong about the error


def statements(generator):
    some = 70 * torch.rand(6, generator=generator)
    return {
        "a single x = 12": (torch.tensor([12.0]),),
        "x = 60": (torch.tensor([60.0]),),
        "x = 60 and x = -60": (torch.tensor([60.0, -60.0]),),
        "several between 0 and 70": (some,),
    }


def density(error, deviation):
    return Normal(0, deviation).log_prob(error).exp()


def masses(x, likelihood):
    """The posterior masses on a grid, under this likelihood of the error."""
    z = torch.linspace(-80, 80, 1001)
    mass = density(z, 10) * likelihood(x[:, None] - z)
    return z, mass / mass.sum(1, keepdim=True)


def mean_and_deviation(z, mass):
    mean = mass @ z
    return mean, (mass @ z**2 - mean**2).sqrt()


def moments(x):
    z = torch.linspace(-80, 80, 1001)  # minutes
    error = x[:, None] - z  # (N, 1001): a row for each x
    near = Normal(0, 5).log_prob(error).exp()
    wide = Normal(0, 40).log_prob(error).exp()
    mass = Normal(0, 10).log_prob(z).exp() * (0.9 * near + 0.1 * wide)
    mass = mass / mass.sum(1, keepdim=True)
    mean = mass @ z
    return mean, (mass @ z**2 - mean**2).sqrt()


def narrow_only(x):
    """The wide error does not come in: these are the numbers of the first model, whose
    error always has a standard deviation of 5 minutes."""
    return mean_and_deviation(*masses(x, lambda error: density(error, 5)))


def likelihood_alone(x):
    """The prior does not come in: this is the likelihood, scaled to a sum of one over
    the grid. Multiply each mass by the prior first."""
    z = torch.linspace(-80, 80, 1001)
    error = x[:, None] - z
    mass = 0.9 * density(error, 5) + 0.1 * density(error, 40)
    return mean_and_deviation(z, mass / mass.sum(1, keepdim=True))


def swapped(x):
    """The two shares are exchanged: she misreads the clock one time in ten, not nine
    times in ten."""
    return mean_and_deviation(
        *masses(x, lambda error: 0.1 * density(error, 5) + 0.9 * density(error, 40))
    )


def one_normal(x):
    """The two errors have become one normal with their average variance. A mixture of
    normals is no normal: add the densities, not the variances."""
    deviation = (0.9 * 5**2 + 0.1 * 40**2) ** 0.5
    return mean_and_deviation(*masses(x, lambda error: density(error, deviation)))


def mixed_posteriors(x):
    """You found a posterior for each kind of error and mixed the two 9 to 1. But x says
    something about which kind it was: mix the likelihoods, and normalise once, at the
    end."""
    z, near = masses(x, lambda error: density(error, 5))
    z, wide = masses(x, lambda error: density(error, 40))
    return mean_and_deviation(z, 0.9 * near + 0.1 * wide)


def variance_returned(x):
    """The second output is the variance; wanted is the standard deviation."""
    mean, deviation = moments(x)
    return mean, deviation**2


EXERCISES = [
    Exercise(
        name="bayes-base-rate",
        title="A punctual friend",
        kind="predict",
        points=1,
        task=r"""
Another friend is late one time in [[mornings]]. When he is late, he has called
with probability [[late]]; when he comes on time, with probability [[punctual]].
Now he calls. How probable is it that he will be late? Guess first. Then find it
with odds, in the head if you can, and give it to three decimals or as a fraction.
""",
        start="""
p_late = ...  # P(late | call)
""",
        reference=base_rate,
        values={"mornings": 20, "late": 0.6, "punctual": 0.1},
        vary=other_friends,
        probe=probes.numbers,
        atol=6e-4,
        mistakes=(
            no_prior,
            likelihood_for_posterior,
            joint_for_posterior,
            odds_for_probability,
            one_to_all,
        ),
        hints=(
            "Imagine a year of his mornings. How many are late with a call, and how "
            "many are on time with a call?",
            "Posterior odds are prior odds times the likelihood ratio. One late "
            "morning in five, say, would be prior odds of 1 to 4.",
            "From odds of $a$ to $b$, the probability is $a / (a + b)$.",
        ),
        discussion=r"""
Take one time in twenty, with likelihoods $\tfrac35$ and $\tfrac1{10}$. The prior
odds are $1 : 19$, and the call multiplies them by 6: posterior odds $6 : 19$, so
$P(L|B) = \tfrac6{25} = 0.24$. The same call and the same likelihoods as for the
friend of the chapter, and he is probably on time. Answering $\tfrac67$ is the
*base-rate fallacy*: it leaves out how rarely he is late. Answering $\tfrac35$ takes
the likelihood for the posterior.
""",
    ),
    Exercise(
        name="bayes-weights",
        title="One call against many silences",
        kind="explore",
        points=1,
        task=r"""
Go to the figure under *Try it* in chapter 1 (anywhere else, run
`from vaelib import figures; figures.bayes()` in a cell of its own). Leave the two
likelihoods at 0.6 and 0.1.

(a) Set the prior to 0.05. How many calls, one after another, does it take until
you believe with more than 0.95 that she will be late? (b) Put the prior back to
0.5, start again, and add one call. How many silences must follow until lateness
is less probable than it was before anything was seen? (c) By how many nats does
each silence lower the log-odds? Two decimals are enough.
""",
        start="""
until_sure = ...  # (a)
silences = ...  # (b)
nats = ...  # (c)
answer = (until_sure, silences, nats)
""",
        reference=weights_of_signs,
        values={},
        probe=probes.numbers,
        atol=0.006,
        mistakes=(
            more_likely_than_not,
            nearly_sure,
            one_for_one,
            two_silences,
            negative_weight,
            silence_in_bits,
        ),
        hints=(
            "The buttons under the trace add observations. The line between them "
            "writes out the sum of the log-odds.",
            "Each silence adds the same term to that sum. Its size is what (c) asks.",
        ),
        discussion=r"""
(a) Four. From 0.05 to 0.95 the log-odds have to climb from $-2.94$ to $2.94$, by
5.89 nats, and each call brings $\log 6 = 1.79$; three calls end at 0.919.
(b) Three. A silence brings $\log\frac{0.4}{0.9} = -0.81$ nats, less than half of
what a call brings: after two of them $1.79 - 1.62 = 0.17$ nats are left, a
probability of 0.54, and the third turns it. (c) 0.81.

A call is strong evidence because it is rare on punctual mornings. A silence is
weaker, because late mornings have it often too. What an observation weighs never
depends on what was believed before; how far it moves the *probability* does.
""",
    ),
    Exercise(
        name="bayes-silence",
        title="Silence",
        kind="predict",
        points=2,
        task=r"""
Your friend is late with probability [[prior]]. When late, she has called with
probability [[late]]; when on time, with probability [[punctual]]. Today she has
*not* called. (a) Find $P(L|\bar B)$. (b) Earlier, before the phone could ring,
you could ask what posterior to expect on average, over calling and not calling.
Compute it. Numbers to three decimals or as fractions. Think about: the result of
(b) is no accident; can you prove it in two lines?
""",
        start="""
silent = ...  # (a) P(late | no call)
expected = ...  # (b) the average posterior
answer = (silent, expected)
""",
        reference=silence,
        values={"prior": 0.5, "late": 0.6, "punctual": 0.1},
        vary=other_silences,
        probe=probes.numbers,
        atol=6e-4,
        mistakes=(
            complement,
            silence_says_nothing,
            silent_likelihood,
            evidence_for_posterior,
            silent_joint,
            unweighted,
        ),
        hints=(
            "Not calling is an observation like any other. What are its two "
            "likelihoods?",
            "For (b) you need both posteriors, the one after a call too, and how "
            "probable a call is, all told.",
            "For the proof: what is $P(L|B)\\,P(B)$, by the chain rule?",
        ),
        discussion=r"""
Take the friend of the chapter, with $\tfrac12$, $\tfrac35$ and $\tfrac1{10}$.

(a) $P(\bar B|L) = \tfrac25$ and $P(\bar B|\bar L) = \tfrac9{10}$, so the odds are
$\tfrac{0.4}{0.9} = \tfrac49$ and $P(L|\bar B) = \tfrac4{13} \approx 0.308$.
Silence is evidence too.

(b) $0.35 \cdot \tfrac67 + 0.65 \cdot \tfrac4{13} = 0.5$: the prior.

The proof: by the chain rule $P(B)\,P(L|B) = P(L, B)$, and
$P(\bar B)\,P(L|\bar B) = P(L, \bar B)$. Their sum is $P(L)$, because every
morning has a call or has none. Nobody can expect to be convinced of anything; if
some outcome would raise the probability, the others must lower it. For densities
the same reads $\int p(z|x)\,p(x)\,dx = p(z)$: posteriors, averaged over the data
the model produces, give back the prior. It will serve as a test of trained
encoders.
""",
    ),
    Exercise(
        name="bayes-dependent",
        title="When evidence overlaps",
        kind="predict",
        points=2,
        task=r"""
The prior odds that a friend will be late are 1. A call $B$ from her multiplies
them by 6, and her empty chair $E$ by 4, since $P(E|L) = 1$ and
$P(E|\bar L) = \tfrac14$. That takes call and chair to be independent, given
lateness or its opposite. Now suppose that on punctual mornings with traffic, when
she calls, she arrives at the last minute, so that $P(E|\bar L, B) = [[chair]]$;
$P(E|L, B)$ is still 1. What is $P(L|B, E)$? And by how many nats did the factor 4
overstate the evidence of the chair? Three decimals, or an expression with
`math.log`.
""",
        start="""
import math

p_late = ...  # P(late | call, empty chair)
overstated = ...  # nats
answer = (p_late, overstated)
""",
        reference=overlap,
        values={"chair": 0.5},
        vary=other_chairs,
        probe=probes.numbers,
        atol=6e-4,
        mistakes=(as_before, without_call, odds_again, overlap_in_bits, difference),
        hints=(
            "The posterior after the call is the prior for the chair. Which "
            "likelihood of the chair belongs to a morning that had a call?",
            "The weight of the chair is the log of the ratio of its two likelihoods. "
            "Find it with the new numbers and with the old ones.",
        ),
        discussion=r"""
Take $P(E|\bar L, B) = \tfrac12$. The odds after the call are 6. The chair now
multiplies by $1 / \tfrac12 = 2$: odds 12, and
$P(L|B, E) = \tfrac{12}{13} \approx 0.923$ instead of $0.96$. The chair weighs
$\log 2$ instead of $\log 4$: overstated by $\log 2 \approx 0.693$ nats, one bit.

When pieces of evidence overlap, treating them as independent looks like this: the
conclusion has the right sign and too much confidence. (Dependence can also work
the other way, and then evidence is understated.)
""",
    ),
    Exercise(
        name="bayes-two-calls",
        title="She calls again, and again",
        kind="implement",
        points=2,
        task=r"""
Her delay in minutes has the prior $p(z) = \mathcal{N}(z;\, 0, \tau^2)$. She calls
$n$ times and says $x_1, \dots, x_n$, with
$p(x_i|z) = \mathcal{N}(x_i;\, z, \sigma^2)$ and errors that are independent of
each other. Derive $p(z|x_1, \dots, x_n)$, and write a function that returns its
mean and its *variance*. `x` holds all calls, shape `(n,)`; it may hold none. Think
about: what becomes of the posterior as $n$ grows, and of the influence of the
prior?
""",
        start='''
def delay(x, tau, sigma):
    """Mean and variance of z given all calls; () each."""
    ...
''',
        reference=delay,
        given=calls,
        mistakes=(
            as_one_call,
            prior_every_time,
            no_prior_at_all,
            mean_of_none,
            deviation_for_variance,
            precision_for_variance,
            not_squared,
        ),
        hints=(
            "The likelihood of all calls is a product. What is its logarithm?",
            "Collect the coefficients of $z^2$ and of $z$ in the log-posterior, and "
            "compare with those of $\\log \\mathcal{N}(z;\\, m, v)$: $-\\frac{1}{2v}$ "
            "and $\\frac{m}{v}$.",
            "Precisions add: one of the prior, and one of each call.",
        ),
        discussion=r"""
The logarithm of a product is a sum, so the coefficients of $z^2$ and $z$ add up:
$\frac1v = \frac1{\tau^2} + \frac{n}{\sigma^2}$ and
$\frac{m}{v} = \frac{1}{\sigma^2}\sum_i x_i$. The posterior is
$\mathcal{N}(m, v)$. Without a call it is the prior.

For $\tau = 10$, $\sigma = 5$ and the calls 12 and 7,
$\frac1v = \frac1{100} + \frac2{25} = 0.09$, so $v = 11.11$ and
$m = 11.11 \cdot \tfrac{19}{25} = 8.44$. The grid says the same. In the chapter,
after its own cells:

```python
x2 = torch.tensor(7.0)
both, _ = update(posterior_mass, Normal(z, sigma).log_prob(x2).exp())
print((both * z).sum())
```

As $n$ grows, $v \to 0$ like $\sigma^2 / n$, and $m$ approaches the average of the
$x_i$: the prior contributes a fixed precision $1/\tau^2$, the data one that grows.
(If all her errors share a part, say because she misjudges the traffic by the same
unknown amount each time, this is false: more calls still help, but $v$ never falls
below what the shared part leaves.)
""",
    ),
    Exercise(
        name="bayes-robust",
        title="When the model is wrong about the error",
        kind="implement",
        points=3,
        task=r"""
A friend calls to say that she will be $x = 60$ minutes late. A model of her delay
$z$ in minutes, with prior $\mathcal{N}(z;\, 0, 10^2)$ and error
$\mathcal{N}(x;\, z, 5^2)$, believes most of it. But one time in ten she has misread
the clock, and then the error is wide:

$$\begin{aligned}
p(x|z) = {} & 0.9\;\mathcal{N}(x;\, z, 5^2) \\
& + 0.1\;\mathcal{N}(x;\, z, 40^2) .
\end{aligned}$$

No simple formula for the posterior is at hand, but a grid is. Write a function
that takes several $x$ at once, shape `(N,)`, and returns the mean and the standard
deviation of $p(z|x)$ for each, in minutes; an error of a hundredth is allowed.
Think about: draw the mean against $x$ from 0 to 70; what does this model do that
no normal model can?
""",
        start='''
from torch.distributions import Normal


def moments(x):
    """Mean and standard deviation of z given x; (N,) each."""
    ...
''',
        reference=moments,
        given=statements,
        rtol=0.0,
        atol=0.01,
        mistakes=(
            narrow_only,
            likelihood_alone,
            swapped,
            one_normal,
            mixed_posteriors,
            variance_returned,
        ),
        hints=(
            "Take a grid of delays, `z = torch.linspace(-80, 80, 1001)`. Each "
            "$x$ needs its own posterior masses on it, so that they have the shape "
            "`(N, 1001)`.",
            "`x[:, None] - z` is the error of each $x$ at each $z$. `Normal` takes "
            "the standard deviation.",
            "Prior times likelihood, divided by its sum over the grid; then sums of "
            "$z$ and of $z^2$ with these masses.",
        ),
        discussion=r"""
At $x = 12$ the two models nearly agree: $9.6 \pm 4.5$ minutes under the normal
one, $9.2 \pm 5.2$ under the mixture. At $x = 60$ the normal model says
$48 \pm 4.5$ minutes, as sure as ever: its variance does not depend on $x$. The
mixture says $3.5 \pm 9.7$ minutes. An error of the wide kind explains sixty
minutes better than a delay of almost five prior standard deviations, so it
discards most of what she said.

The posterior mean first rises with $x$, to nearly 16 minutes at $x = 25$, falls
to 3 near $x = 49$, and from there creeps up along the line of the wide error
alone. A normal model shrinks every $x$ by the same factor. A likelihood with
heavy tails can decide that a measurement is not one.

The posterior stays exact; it is the *model* that changed. Under a wrong model,
exact inference is exactly wrong.
""",
    ),
]

QUESTIONS = [
    Question(
        "A test finds 99 per cent of those who are ill. Yours is positive. How "
        "probable is it that you are ill?",
        (
            Choice(
                "99 per cent.",
                "That is the likelihood, P(positive|ill). The question is for "
                "P(ill|positive), and only Bayes’ rule leads from one to the other.",
            ),
            Choice(
                "It depends on how common the illness is, and on nothing else.",
                "The prior is needed, but it is not enough. If the test is positive "
                "for 99 per cent of the healthy too, it tells you nothing.",
            ),
            Choice(
                "It depends on how common the illness is, and on how often the test "
                "is positive in the healthy.",
                "Posterior odds are prior odds times the ratio of the two likelihoods. "
                "How well illness explains the result says little without its rival.",
                right=True,
            ),
            Choice(
                "Less than 99 per cent: a test that misses some of the ill must have "
                "false alarms, too.",
                "What it misses among the ill says nothing about false alarms among "
                "the healthy. A test that has none would make you certain.",
            ),
        ),
    ),
    Question(
        "P(call|late) = 0.6 and P(call|on time) = 0.1. Together they make 0.7. What "
        "is wrong?",
        (
            Choice(
                "Nothing. A likelihood need not sum to one over what is hidden.",
                "The two are shares among different mornings. What sums to one is "
                "P(call|late) + P(no call|late), over what can be seen.",
                right=True,
            ),
            Choice(
                "Probabilities add up to one, so a third case is missing.",
                "They add up to one over all outcomes under one condition. These two "
                "are the same outcome under two conditions.",
            ),
            Choice(
                "They have yet to be divided by 0.7.",
                "Then they sum to one, but they are posterior probabilities only if "
                "both hypotheses have the same prior.",
            ),
        ),
    ),
    Question(
        "Call and empty chair are conditionally independent, given late and given on "
        "time. Both are more probable when she is late. Which follows?",
        (
            Choice(
                "Of all mornings, those with a call have an empty chair no more often "
                "than the others.",
                "That would be independence without any condition. But a call makes "
                "lateness more probable, and lateness empties the chair.",
            ),
            Choice(
                "Once you know of the call, the chair says nothing more about "
                "lateness.",
                "It brings its whole weight. It would say nothing more if the chair "
                "told of lateness only by way of the call.",
            ),
            Choice(
                "The call must be counted before the chair, because it came first.",
                "The order never matters: the joint does not know of one, and the "
                "log-odds are a sum.",
            ),
            Choice(
                "The chair adds the same number of nats whether or not there was a "
                "call.",
                "P(E|L, B) = P(E|L), and likewise on time. So the ratio of the two, "
                "and its logarithm, does not change with the call.",
                right=True,
            ),
        ),
    ),
    Question(
        "For one fixed x you compute log p(x|z) + log p(z) − log q(z|x) at two values "
        "of z, and get −4.2 and −5.0, without a slip. What have you found?",
        (
            Choice(
                "That the first z is the more probable one, given x.",
                "This difference is no measure of that: q has been divided out. With "
                "the true posterior for q, probable and improbable z give the same.",
            ),
            Choice(
                "That q is not the posterior.",
                "With the posterior in the place of q, this is log p(x) at every z, by "
                "Bayes’ rule read backwards. One difference is proof enough.",
                right=True,
            ),
            Choice(
                "That log p(x) depends on z, and has to be averaged.",
                "In the evidence z has been summed out, so there is one log p(x) for "
                "this x. What varies with z is the error of q.",
            ),
            Choice(
                "That q has not been normalised.",
                "A wrong constant in q would shift both numbers alike. It cannot make "
                "a difference between them.",
            ),
        ),
    ),
]
