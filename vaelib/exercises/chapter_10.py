"""Exercises and questions of chapter 10, on walking through the latent space."""

import math

import torch

from vaelib.exercises import probes
from vaelib.exercises.exercise import Exercise, sentence
from vaelib.exercises.questions import Choice, Question
from vaelib.exercises.report import Finding

# The middle of the road


def weights(d, t):
    turn = t * math.pi / 2
    return 1 / d, math.cos(turn), math.sin(turn)


def deviation(d, t):
    """This is the standard deviation of the cosine; the variance is its square."""
    return 1 / math.sqrt(d), *weights(d, t)[1:]


def of_the_product(d, t):
    """This is the variance of the product of a and b. The cosine is the product divided
    by both lengths.
    """
    return d, *weights(d, t)[1:]


def straight(d, t):
    """These are the weights of the straight road."""
    return 1 / d, 1 - t, t


def exchanged(d, t):
    """A weight stands at the wrong end: at t = 0 the road is at a, so b has the weight
    0 there.
    """
    variance, a, b = weights(d, t)
    return variance, b, a


def whole_turn(d, t):
    """The road turns by the angle between a and b only, which is near 90 degrees."""
    return 1 / d, math.cos(t * math.pi), math.sin(t * math.pi)


def degrees(d, t):
    """`math.sin` and `math.cos` take their angle in radians."""
    return 1 / d, math.cos(90 * t), math.sin(90 * t)


def always_half(d, t):
    """These weights are those of the middle. What replaces them at other t?"""
    return 1 / d, 0.5**0.5, 0.5**0.5


def other_road(rng):
    t = rng.choice([0.1, 0.2, 0.3, 0.4, 0.7, 0.8])
    return {"d": rng.choice([50, 100, 400, 1000]), "t": t}


# The folk rule


def folk_arrow(codes, a):
    high = a >= a.quantile(0.75)
    low = a <= a.quantile(0.25)
    arrow = codes[high].mean(0) - codes[low].mean(0)
    return arrow, a[high].mean() - a[low].mean()


def backwards(codes, a):
    """The arrow points from much of the attribute to little."""
    arrow, promised = folk_arrow(codes, a)
    return -arrow, -promised


def arrow_backwards(codes, a):
    """The promise is right, but the arrow points from much of the attribute to
    little.
    """
    arrow, promised = folk_arrow(codes, a)
    return -arrow, promised


def promise_backwards(codes, a):
    """The arrow is right, but the promise is that of the way back."""
    arrow, promised = folk_arrow(codes, a)
    return arrow, -promised


def halves(codes, a):
    """You split at the median; the highest and the lowest quarter are asked for."""
    high = a >= a.quantile(0.5)
    arrow = codes[high].mean(0) - codes[~high].mean(0)
    return arrow, a[high].mean() - a[~high].mean()


def unsorted(codes, a):
    """You took the first and the last quarter of the rows as they come. Sort by the
    attribute first.
    """
    quarter = len(a) // 4
    arrow = codes[-quarter:].mean(0) - codes[:quarter].mean(0)
    return arrow, a[-quarter:].mean() - a[:quarter].mean()


def of_length_one(codes, a):
    """You scaled the arrow to length one. The promise is for the whole arrow."""
    arrow, promised = folk_arrow(codes, a)
    return arrow / arrow.norm(), promised


def sums(codes, a):
    """You subtracted sums; the rule subtracts means."""
    quarter = len(a) // 4
    arrow, promised = folk_arrow(codes, a)
    return quarter * arrow, quarter * promised


def length_as_promise(codes, a):
    """The promise is the arrow's length here. It is a difference of the attribute, not
    of codes.
    """
    arrow, _ = folk_arrow(codes, a)
    return arrow, arrow.norm()


def range_as_promise(codes, a):
    """The promise is the whole range of the attribute here. The arrow joins two means,
    so the promise does, too.
    """
    return folk_arrow(codes, a)[0], a.max() - a.min()


def many_codes(generator):
    codes = torch.randn(400, 5, generator=generator)
    slope = torch.randn(5, generator=generator)
    noise = torch.randn(400, generator=generator)
    few = codes[:12]
    return {
        "for an attribute that is linear in z": (codes, codes @ slope + 3),
        "for one that is not": (codes, codes[:, 0] ** 3 - codes[:, 1].abs() + noise),
        "for twelve codes": (few, few @ slope),
    }


# Islands of nothing


def readable():
    return {"a"}


def and_sizes():
    """Not (b): t-SNE scales each point's neighbourhood to hold about as many
    neighbours, so a tight island may be a wide cloud.
    """
    return {"a", "b"}


def and_gaps():
    """Not (c): you have just seen knots with gaps between them in pure noise."""
    return {"a", "c"}


def and_distances():
    """Not (d): t-SNE keeps neighbours together and gives up distances between
    islands.
    """
    return {"a", "d"}


def all_of_it():
    """A map that kept sizes, gaps and distances would be a faithful one, and no map of
    20 dimensions on paper can be.
    """
    return {"a", "b", "c", "d"}


def letter_by_letter(out, given, due):
    words = bytes(out["the choice"].tolist()).decode().split(",")
    chosen = {word.strip("() ") for word in words}
    for letter in sorted(chosen):
        ok = letter in readable()
        text = f"({letter})" if ok else f"({letter}) is not to be read off the map"
        yield Finding(ok, text)
    if not readable() <= chosen:
        yield Finding(False, "one that may be read off is missing")


# An angle from three lengths


def angle(a=4.25, b=3.92, middle=2.66):
    cosine = (4 * middle**2 - a**2 - b**2) / (2 * a * b)
    return a, b, middle, math.degrees(math.acos(max(-1.0, min(1.0, cosine))))


def radians(a=4.25, b=3.92, middle=2.66):
    """This is the angle in radians; give degrees."""
    return a, b, middle, math.radians(angle(a, b, middle)[3])


def of_the_difference(a=4.25, b=3.92, middle=2.66):
    """This is 180 degrees less the angle: the middle holds the sum of the two codes,
    and the law of cosines for a triangle is about their difference.
    """
    return a, b, middle, 180 - angle(a, b, middle)[3]


def without_the_half(a=4.25, b=3.92, middle=2.66):
    """You took the length of the middle for that of a + b; the middle is half of it."""
    return angle(a, b, middle / 2)[:2] + (middle, angle(a, b, middle / 2)[3])


def fits_the_lengths(out, given, due):
    if set(out) != set(due):
        yield Finding(False, "four numbers are wanted: three lengths and an angle")
        return
    a, b, middle, degrees = (out[name].item() for name in due)
    if min(a, b, middle) <= 0:
        yield Finding(False, "lengths are greater than zero")
        return
    if a == b == middle or not abs(a - b) / 2 < middle < (a + b) / 2:
        text = "no two codes have these three lengths: read them again, the middle "
        yield Finding(False, text + "on the straight road at t = 0.5")
        return
    yield Finding(True, f"lengths {a:.2f} and {b:.2f}, half way {middle:.2f}")
    wanted = angle(a, b, middle)[3]
    text = f"an angle of {degrees:.4g} degrees"
    if abs(degrees - wanted) < 2:
        yield Finding(True, text)
        return
    for slip in (radians, of_the_difference, without_the_half):
        if abs(degrees - slip(a, b, middle)[3]) < 0.02 * abs(degrees):
            yield Finding(False, f"{text}? {sentence(slip)}")
            return
    yield Finding(False, f"{text} does not fit these lengths")


EXERCISES = [
    Exercise(
        name="latent-middle",
        title="The middle of the road",
        kind="predict",
        points=2,
        task=r"""
$a$ and $b$ are independent draws from $\mathcal{N}(0, I)$ in [[d]] dimensions. What is
the variance of their cosine? It is small, so that the angle between them is near 90°
and half way on the spherical road one is near $(a + b)/\sqrt2$. Which weights of $a$
and of $b$ replace $1/\sqrt2$ at $t = [[t]]$, if the angle is 90°? Three digits will do.
Think about: is the point half way distributed like the prior again?
""",
        start="""
variance = ...  # of the cosine
weight_a = ...  # at t = [[t]]
weight_b = ...
road = (variance, weight_a, weight_b)
""",
        hints=(
            r"The product $a \cdot b$ is a sum of $d$ independent terms. What are the "
            r"mean and the variance of one of them? And how long are $a$ and $b$?",
            r"Put $\Omega = 90°$ into the formula of the spherical road.",
        ),
        reference=weights,
        discussion=r"""
The product $a \cdot b$ has mean 0 and variance $d$ and the lengths are near $\sqrt d$,
so the cosine is near 0 with variance $1/d$ (exactly $1/d$, because a direction drawn
evenly has $d$ squared coordinates that sum to 1). So $\Omega \approx 90°$, and the
weights are $\cos(90° \cdot t)$ and $\sin(90° \cdot t)$. Their squares sum to 1, and
$\alpha a + \beta b$ is normal with variance $\alpha^2 + \beta^2 = 1$: at every $t$ the
point is distributed like the prior.
""",
        mistakes=(
            deviation,
            of_the_product,
            straight,
            exchanged,
            whole_turn,
            degrees,
            always_half,
        ),
        probe=probes.numbers,
        values={"d": 200, "t": 0.2},
        vary=other_road,
        rtol=1e-2,
        atol=1e-6,
        partial=True,
    ),
    Exercise(
        name="latent-folk",
        title="The folk rule",
        kind="implement",
        points=2,
        task=r"""
Write the arrow of the folk rule. `codes` has shape (N, d) and `a` holds the attribute
of each, shape (N,). Return two things: the mean code of the quarter with the highest
`a` less that of the quarter with the lowest, shape (d,), and what a step along the
*whole* arrow would add to the attribute if it were linear in $z$. You need `codes` and
`a` for it, and no slope.

Think about: for the slant of digits, the whole arrow really adds one half to two thirds
of what it promises, and a quarter of the arrow as small a share of its quarter. Why is
selecting by the attribute itself too optimistic?
""",
        start='''
def folk_arrow(codes, a):
    """The arrow, shape (d,), and what it promises, a number.

    codes has the shape (N, d) and a the shape (N,); N is a multiple of 4.
    """
    ...
''',
        hints=(
            r"If $a(z) = w \cdot z + c$, what is $a(z + v) - a(z)$? And what is "
            r"$w \cdot v$, when $v$ is a difference of two mean codes?",
            "`a.quantile(0.75)` is the value above which the highest quarter lies.",
        ),
        reference=folk_arrow,
        discussion=r"""
If $a(z) = w \cdot z + c$, then $a(z + v) - a(z) = w \cdot v$, and with
$v = \bar z_H - \bar z_L$ that is $\bar a_H - \bar a_L$.

In the notebook of chapter 10:

```python
start = codes[:2000]
a = attributes(start)["slant"]
v, promised = folk_arrow(start, a)
for step in (0.25, 1.0):
    change = (attributes(start + step * v)["slant"] - a).mean().item()
    print(f"{step:.2f} v: promised {step * promised:.3f}, got {change:.3f}")
```

On MNIST the whole arrow gave about half of what it promised (0.31 of 0.58), on the
scikit-learn digits about two thirds (0.21 of 0.31). A quarter of the arrow does no
better, so it is not the length. Selecting by $a$ selects codes whose $w \cdot z$ is
high, but also codes for which the part of $a$ that is *not* linear in $z$ happens to be
high. That part counts in $\bar a_H - \bar a_L$ and does not come along with the arrow:
regression to the mean. And part of the difference is between digits, as in the text.
""",
        mistakes=(
            backwards,
            arrow_backwards,
            promise_backwards,
            halves,
            unsorted,
            of_length_one,
            sums,
            length_as_promise,
            range_as_promise,
        ),
        given=many_codes,
    ),
    Exercise(
        name="latent-impatient",
        title="Impatience",
        kind="open",
        points=2,
        task=r"""
In the notebook of chapter 10, train 20 and 40 dimensions with `images=48_000`, a
quarter of what they had there. How many of the 40 are active, and what does the surplus
cost on test images? Guess first, and say what follows for the sentence "surplus
dimensions cost nothing".
""",
        hints=(
            'The chapter\'s `train(part, d, **(bold | {"images": 48_000}))` does it.',
            "`vaelib.active_units` counts, `vaelib.evaluate` has the bound.",
        ),
        discussion=r"""
```python
for d in (20, 40):
    hasty = train(part, d, **(bold | {"images": 48_000}))
    loss = -vaelib.evaluate(hasty, data.test.x)["elbo"]
    used = vaelib.active_units(hasty, data.test.x).sum().item()
    print(d, round(loss, 1), used)
```

All 40 count as active, and the 40 dimensions are worse than the 20: by 5 nats on MNIST
(126.7 against 121.6) and by 3 on the scikit-learn digits. After four times as much
training about 18 are left and the two models are about a nat apart. "Surplus
dimensions cost nothing" is a statement about the end of training.
""",
        rubric=(
            (1, "Both models, with the active dimensions and the loss on test images."),
            (1, "The sentence holds at the end of training only, and why."),
        ),
    ),
    Exercise(
        name="latent-noise",
        title="Islands of nothing",
        kind="diagnose",
        points=2,
        task=r"""
Give t-SNE 500 draws of pure noise, with a perplexity of 3 and with the usual 30. Think
about: would you have called the result clusters?

```python
from sklearn.manifold import TSNE

noise = torch.randn(500, 20).numpy()
fig, axes = plt.subplots(1, 2, figsize=(5.8, 3.2))
for ax, perplexity in zip(axes, (3, 30)):
    tsne = TSNE(perplexity=perplexity, init="pca", random_state=0)
    ax.scatter(*tsne.fit_transform(noise).T, s=4)
    ax.set_title(f"perplexity {perplexity}")
plt.show()
```

Then take a t-SNE map of the codes of test images, as in chapter 10: islands, each
mostly of one colour, which stands for the digit. Which of these may be read off it?

- (a) Most codes on an island of one colour have neighbours of the same digit in the 20
  dimensions, too.
- (b) The island of a digit is small, so its codes vary less than those of the others.
- (c) There are gaps between the islands, so no codes lie between the digits.
- (d) The islands of two digits are at opposite ends, so their codes are farther apart
  than those of islands side by side.
""",
        start="""
from_the_map = ...  # a set of letters, such as {"b", "c"}
""",
        hints=(
            "What does t-SNE try to keep, and what does it give up?",
            "Where a statement would be true of the knots in pure noise as well, the "
            "map cannot be its witness.",
        ),
        reference=readable,
        discussion=r"""
Only (a). With perplexity 3 one sees dozens of small tight knots in the noise, with the
usual 30 an even disc. The knots are chance: some of the 500 draws are nearer to each
other than to the rest, and a small perplexity makes much of it.

Neighbours are what t-SNE keeps, and the table under the map confirms (a) in the 20
dimensions themselves. The size of an island (b) says little, because each point's
neighbourhood is scaled to hold about as many neighbours. Gaps (c) appear in noise. And
of the distances (d) little is left, as their rank correlation with those in 20
dimensions shows.
""",
        mistakes=(and_sizes, and_gaps, and_distances, all_of_it),
        probe=probes.choices,
        verify=letter_by_letter,
        values={},
    ),
    Exercise(
        name="latent-angle",
        title="An angle from three lengths",
        kind="explore",
        points=2,
        task=r"""
In the live figure of the two roads, in chapter 10, choose two different digits. Read
$\|z\|$ at $t = 0$, at $t = 1$, and half way on the *straight* road. These three lengths
fix the angle between the two codes: compute it, to within a degree. Think about, with a
few pairs: are the codes of two digits about as far from each other as two draws from
the prior, or do you find pairs that are nearer?
""",
        start="""
length_a = ...  # at t = 0
length_b = ...  # at t = 1
middle = ...  # at t = 0.5 on the straight road
angle = ...  # between the two codes, in degrees
walk = (length_a, length_b, middle, angle)
""",
        hints=(
            r"Half way the straight road is at $\tfrac12(a + b)$. Square its length.",
            r"$\|a + b\|^2 = \|a\|^2 + \|b\|^2 + 2\,\|a\|\,\|b\| \cos\Omega$.",
        ),
        reference=angle,
        discussion=r"""
With $m$ the length half way, $4m^2 = \|a\|^2 + \|b\|^2 + 2\,\|a\|\,\|b\| \cos\Omega$,
so $\Omega = \arccos\frac{4m^2 - \|a\|^2 - \|b\|^2}{2\,\|a\|\,\|b\|}$. From the 0 to the
9 our run on MNIST showed 4.25, 3.92 and 2.66 half way, which makes 99 degrees.

Draws from the prior in 20 dimensions have 90 degrees, give or take 13 (the deviation of
the cosine is $1/\sqrt{20} = 0.22$). Five thousand pairs of test images of different
digits had 91 ± 13 degrees on MNIST and 88 ± 14 on the scikit-learn digits: as far from
each other as chance would have it. Codes of the *same* digit are nearer, but only by
some 20 degrees: 74 on average on MNIST. To name the digit takes no more than
$\log 10 = 2.3$ nats; the code has more to say.
""",
        mistakes=(radians, of_the_difference, without_the_half),
        probe=probes.numbers,
        verify=fits_the_lengths,
        values={},
        rtol=1e-3,
    ),
    Exercise(
        name="latent-prior",
        title="Small project: a better prior",
        kind="open",
        points=4,
        task=r"""
Fit mixtures of $1, 3, 10, 30, 100$ and $300$ Gaussians with full covariance to the
codes of 3000 training images only, and draw the gain on training codes and on test
codes against the number of parts. Where is the best, and what happens beyond? What does
the exact aggregate of 3000 images, in the table of chapter 10, have to do with the
right-hand end?
""",
        hints=(
            "The gain is the mean of $\\log r(z) - \\log p(z)$; "
            "`GaussianMixture(...).score` has the mean of the first.",
            "How many codes has each of 300 parts to learn its 20 by 20 covariance "
            "from?",
        ),
        discussion=r"""
```python
few = vae.encode(data.train.x[:3000]).sample().double().numpy()
new = test_z.double().numpy()
normal_few = vae.prior().log_prob(torch.from_numpy(few).float()).mean().item()
normal_new = vae.prior().log_prob(test_z).mean().item()
for parts in (1, 3, 10, 30, 100, 300):
    r = GaussianMixture(parts, tol=0.01, random_state=0).fit(few)
    print(parts, round(r.score(few) - normal_few, 1),
          round(r.score(new) - normal_new, 1))
```

On training codes the gain rises without end. On test codes it is best near ten parts on
MNIST (2.8 nats) and near thirty on the scikit-learn digits (4.1), and with 100 it is
*negative* on both: the mixture begins to name its images. The exact aggregate, one part
for each image, is the extreme of this road, and the last column of the table shows
where it leads. (With 300 parts, each covariance has ten codes to be estimated from and
collapses; it is even worse than the aggregate, whose parts have at least the width
$\sigma$.)
""",
        rubric=(
            (1, "The gain on training codes and on test codes for all six mixtures."),
            (1, "Both curves in one legible figure, and the best number of parts."),
            (1, "Why the gain on new codes falls: parts begin to name images."),
            (1, "The aggregate as the extreme of one part an image."),
        ),
    ),
]

QUESTIONS = [
    Question(
        "Draw z from the standard normal in 200 dimensions. Where do you land?",
        (
            Choice(
                "Near the origin, where the density is highest",
                "Probability is density times volume, and near the origin there is "
                "next to no volume.",
            ),
            Choice(
                "At a length near 14, nearly always within 2 of it",
                "The length is near √200 = 14.1, and its variance is about ½ whatever "
                "the dimension.",
                right=True,
            ),
            Choice(
                "Anywhere between 0 and 28: the length spreads as it grows",
                "The mean length grows with √d. Its spread does not grow at all.",
            ),
        ),
    ),
    Question(
        "For 1,000 training images in 20 dimensions the information "
        "I<sub>q</sub>(n; z) comes out at log 1000, which is 7 nats. The mean KL is 25 "
        "nats. What does the rest, 18 nats, say?",
        (
            Choice(
                "The prior is bad by 18 nats for new images",
                "The rest counts the sea between 1,000 islands, and codes of new "
                "images lie in that sea. What a better prior gains has to be measured "
                "on them.",
            ),
            Choice(
                "The code holds no more than log 1000 nats about an image",
                "That is the ceiling for telling 1,000 images apart. With more images "
                "it rises.",
            ),
            Choice(
                "That 1,000 images are too few to see how codes lie: their posteriors "
                "hardly overlap",
                "Each code names its image, so the mixture is an archipelago. Nothing "
                "can be concluded about images that are not in it.",
                right=True,
            ),
        ),
    ),
    Question(
        "The slant arrow yields what Stein’s identity promises from draws of the "
        "prior, and less from codes of real images, even for tiny steps. Why?",
        (
            Choice(
                "The identity is an average over the prior, and images do not live "
                "there on average",
                "In the settled regions the decoder is flatter; part of the slope lies "
                "in the seams between digits.",
                right=True,
            ),
            Choice(
                "The steps leave the range where the first order holds",
                "Long steps do. But these are tiny, and from the prior the same steps "
                "keep the promise.",
            ),
            Choice(
                "The arrow was estimated from too few draws",
                "A noisy arrow would fail from draws of the prior as well.",
            ),
        ),
    ),
    Question(
        "After a long training 18 of 40 dimensions are active. What do the other 22 "
        "cost?",
        (
            Choice(
                "About half of the KL",
                "The KL is paid where the posterior differs from the prior, not for "
                "each dimension alike.",
            ),
            Choice(
                "Next to nothing: there the posterior has gone back to the prior",
                "The same for all images, such a dimension says nothing and costs "
                "nothing. After a short training that is not yet so.",
                right=True,
            ),
            Choice(
                "Overfitting: they memorise training images",
                "A dimension whose posterior is the prior knows nothing of any image. "
                "Going from 20 to 40 moved neither loss by much.",
            ),
        ),
    ),
]
