"""Exercises and questions of chapter 6, on autoencoders and what they lack."""

import math

import sympy as sp
import torch

from vaelib.exercises import probes
from vaelib.exercises.exercise import Exercise
from vaelib.exercises.questions import Choice, Question

# The average cheats: the lines of a table, in the order that is asked for.


def lines():
    return "cadb"


def average_is_honest():
    """You gave the average picture and the unseen digits each other's line. Distances
    from drawn to real do not tell these two apart. Look at the other column: to
    which generator's pictures is each test digit near, and to which is none?"""
    return "badc"


def copies_are_one():
    """You gave the single digit and the copies each other's line. Both draw nothing
    but training images, so both are at distance 0. Which of them leaves most test
    digits without a picture nearby?"""
    return "cdab"


def zeros_are_unseen():
    """You gave the copies and the unseen digits each other's line. What has been in the
    training set has distance 0 to it; what has not, has not."""
    return "cabd"


def average_is_zero():
    """You gave the average picture the line of the single digit. The average is no
    training image, so it is not at distance 0 from all of them."""
    return "acdb"


# How many straight numbers?


def images(generator):
    def draw(count, size):
        # Some directions matter more than others, and the mean is far from zero.
        mix = torch.randn(size * size, size * size, generator=generator)
        noise = torch.randn(count, size * size, generator=generator)
        return 0.6 + (0.1 * noise @ mix).view(count, 1, size, size)

    x = draw(60, 4)
    return {
        "one number": (x, 1),
        "three numbers": (x, 3),
        "no number, k = 0": (x, 0),
        "as many numbers as pixels": (x, 16),
        "fewer images than pixels": (draw(7, 5), 2),
    }


def left_over(x, k):
    covariance = x.flatten(1).double().T.cov(correction=0)
    eigenvalues = torch.linalg.eigvalsh(covariance)  # in rising order
    return eigenvalues[: len(eigenvalues) - k].sum()


def second_moments(x, k):
    """The mean image was not taken off. Eigenvalues of the mean of x xᵀ describe planes
    through the origin; the autoencoder starts from the mean image."""
    rows = x.flatten(1).double()
    return torch.linalg.eigvalsh(rows.T @ rows / len(x))[: rows.shape[1] - k].sum()


def what_is_kept(x, k):
    """This is the variance that the k numbers keep. Asked for is what they lose."""
    covariance = x.flatten(1).double().T.cov(correction=0)
    return torch.linalg.eigvalsh(covariance).flip(0)[:k].sum()


def smallest_first(x, k):
    """This keeps the directions of the k smallest eigenvalues and loses the large ones.
    `eigvalsh` returns eigenvalues in rising order."""
    covariance = x.flatten(1).double().T.cov(correction=0)
    return torch.linalg.eigvalsh(covariance)[k:].sum()


def mean_over_pixels(x, k):
    """The error is averaged over the pixels. It should be summed over them, and
    averaged over the images only."""
    return left_over(x, k) / x[0].numel()


def sum_over_images(x, k):
    """The error is summed over the images. Asked for is the mean of an image."""
    return left_over(x, k) * len(x)


def one_image_less(x, k):
    """The covariance divides by N - 1. The mean squared error of N images divides
    by N: see the argument `correction`."""
    return left_over(x, k) * len(x) / (len(x) - 1)


def nothing_at_zero(x, k):
    """Right, except for k = 0: in Python, `[:-0]` is empty. Without a single number
    every image becomes the mean image, and all the variance is lost."""
    return left_over(x, k) if k else torch.zeros((), dtype=torch.float64)


# A prior of another width


def points(generator):
    def draw(low, high):
        return (low + (high - low) * torch.rand(6, generator=generator)).tolist()

    anywhere = {"h": draw(-9, -0.2), "beta": draw(0.2, 6), "tau": draw(0.4, 3)}
    return {
        "anywhere": (anywhere,),
        "with the usual prior, tau = 1": (anywhere | {"tau": [1.0] * 6},),
        "on a nearly flat summit": (anywhere | {"h": [-1e-4] * 6},),
    }


def width(h, beta, tau):
    return beta / (beta / tau**2 - h)


def standard_prior(h, beta, tau):
    """This is the result for the prior N(0, 1). With N(0, τ²) the term of the KL that
    is linear in σ² has another factor."""
    return beta / (beta - h)


def curvature_turned(h, beta, tau):
    """The sign of h is turned over: h is negative at a summit, and a sharper summit
    must make q narrower."""
    return beta / (beta / tau**2 + h)


def root(h, beta, tau):
    """This is the standard deviation σ. Asked for is the variance σ²."""
    return sp.sqrt(width(h, beta, tau))


def tau_is_variance(h, beta, tau):
    """τ is taken for the variance of the prior. It is the standard deviation; the
    variance is τ²."""
    return beta / (beta / tau - h)


def beta_forgotten(h, beta, tau):
    """This is the result for β = 1: the weight of the KL is missing."""
    return 1 / (1 / tau**2 - h)


def prior_half_forgotten(h, beta, tau):
    """Of the KL only the logarithm of σ² is left; the part with σ² itself is missing.
    It is what keeps the width finite on a flat summit."""
    return -beta / h


# Does the KL prevent memorising?


def price(count, saved):
    nats = math.log(count)
    return nats, saved - nats, saved / nats


def in_bits(count, saved):
    """Part of this is in bits, a logarithm to the base 2. The bound is in nats:
    natural logarithms."""
    bits = math.log2(count)
    return bits, saved - bits, saved / bits


def to_base_ten(count, saved):
    """Part of this is a logarithm to the base 10. The bound is in nats: natural
    logarithms."""
    tens = math.log10(count)
    return tens, saved - tens, saved / tens


def for_nothing(count, saved):
    """The gain leaves out what the code costs: the bound also loses the nats of the
    KL that name the picture."""
    nats = math.log(count)
    return nats, saved, saved / nats


def one_each(count, saved):
    """This takes a nat for each picture. A name among M equally frequent pictures needs
    far less: each nat divides the candidates by e."""
    return count, saved - count, saved / count


def inverse(count, saved):
    """The weight is upside down. Memorising pays as long as β times the cost stays
    below the saving."""
    nats = math.log(count)
    return nats, saved - nats, nats / saved


def other_pictures(rng):
    return {
        "count": rng.choice([20, 50, 200, 500, 1000]),
        "saved": rng.choice([20, 25, 35, 45, 60]),
    }


EXERCISES = [
    Exercise(
        name="ae-average",
        title="The average cheats",
        kind="predict",
        points=1,
        task=r"""
Four generators drew 1000 pictures each. One always draws the **average** of all
training images. One always draws the same **single** training image, a seven. One draws
training images at random, **copies** all. And one draws **unseen** digits: real images
that were held back. On MNIST their mean distances were these (to the nearest of 10 000
training images, and from 1000 test images to the nearest drawn one):

| line | drawn to real | test to drawn |
|---|---|---|
| A | 0.00 | 10.06 |
| B | 4.73 | 6.10 |
| C | 5.28 | 7.08 |
| D | 0.00 | 5.60 |

Which line is which? Answer with a text of four letters: the line of the average, of the
single seven, of the copies, of the unseen digits, in this order.
""",
        start='order = ...  # a text of four letters, such as "ABCD"',
        hints=(
            "Two of the four draw nothing but training images. What is their distance "
            "to the nearest one?",
            "The second column asks whether each test digit finds a drawn picture "
            "nearby. Whose pictures are varied, and whose are not?",
        ),
        reference=lines,
        values={},
        probe=probes.ordered,
        mistakes=(
            average_is_honest,
            copies_are_one,
            zeros_are_unseen,
            average_is_zero,
        ),
        discussion=r"""
C, A, D, B. The average picture cheats "drawn to real": it is no digit, and on MNIST it
is nearly as near to a real image as an unseen digit is, because its greys are a
compromise and squared errors like compromises. The other way it is caught. The single
seven has a perfect first column and the worst second one.

The copies are caught by neither distance. They have 0 where an honest generator has
5 or so, and in the second column they are as good as unseen digits. (Better, even: the
unseen ones were a stretch of the data set, the copies a random choice.) A generator
that replays its training set passes for a perfect model. The nats expose it: it gives
probability to exact copies only, so $-\log p(x)$ of a new image is infinite. Theis, van
den Oord and Bethge (2016) collect such examples.
""",
    ),
    Exercise(
        name="ae-dimensions",
        title="How many straight numbers?",
        kind="implement",
        points=2,
        task=r"""
How good can a *linear* autoencoder be? Write the function that tells: the least mean
squared error that $\hat x = m + D E (x - m)$ can have on images `x` of shape
(N, C, H, W) with codes of `k` numbers, where $m$ is their mean image. Sum over pixels,
take the mean over images, and let `k` be anything from 0 to the number of pixels. No
training is needed. Think about: the curved autoencoder of chapter 6 has two numbers;
how many does a linear one need to be as good?
""",
        start='''
def left_over(x, k):
    """The least mean squared error with k numbers, shape ()."""
    ...
''',
        hints=(
            "What is lost is a sum of eigenvalues, as in chapter 6 with two numbers.",
            "Of which matrix? Its trace is what is lost with k = 0. Compare it with "
            "the mean squared distance to the mean image.",
            "Flatten the images to rows; `tensor.T.cov(correction=0)` and "
            "`torch.linalg.eigvalsh` do the rest. Mind k = 0.",
        ),
        reference=left_over,
        given=images,
        rtol=1e-3,
        mistakes=(
            second_moments,
            what_is_kept,
            smallest_first,
            mean_over_pixels,
            sum_over_images,
            one_image_less,
            nothing_at_zero,
        ),
        discussion=r"""
The chapter's formula with $k$ in the place of 2: lost are all eigenvalues of the
covariance but the $k$ largest. With $k = 0$ that is the trace, the mean squared
distance to the mean image; with as many numbers as pixels it is zero.

Compare with the curved pair on the same images, the test images, in the plane that
belongs to the training images. With the names of the chapter:

```python
centred = (test_x - mean_image).flatten(1)
for k in range(1, 20):
    plane = eigenvectors[:, -k:].float()
    lost = centred - centred @ plane @ plane.T
    print(k, round(lost.square().sum(1).mean().item(), 1), squared[1])
```

Six on MNIST, four on the scikit-learn digits. Bending is worth a few dimensions, not
many: two numbers remain two numbers.
""",
    ),
    Exercise(
        name="ae-width",
        title="A prior of another width",
        kind="derive",
        points=2,
        task=r"""
How wide should $q$ be? Chapter 6 answers for the prior $\mathcal{N}(0, 1)$. Let the
prior be $\mathcal{N}(0, \tau^2)$. Near a summit the log-likelihood is
$c + \tfrac12 h\,(z - \mu)^2$ with $h < 0$, and the objective is its mean under
$q = \mathcal{N}(\mu, \sigma^2)$ minus $\beta$ times $\mathrm{KL}(q \,\|\, p)$. Which
*variance* $\sigma^2$ is best? Think about, before you compute: what must come out when
the summit is flat, $h \to 0$?
""",
        start="""
import sympy as sp

h = sp.Symbol("h", negative=True)
beta, tau = sp.symbols("beta tau", positive=True)

best_variance = ...  # sigma^2, of h, beta and tau
""",
        hints=(
            "On a flat summit nothing but the KL speaks. Which q has the KL zero to "
            "its prior?",
            "The part of the KL that contains the variance v is "
            "½ (v/τ² − log v). The mean of (z − μ)² is v.",
            "Differentiate ½ h v − ½ β (v/τ² − log v) by v. Where is that zero?",
        ),
        reference=width,
        values={
            "h": sp.Symbol("h", negative=True),
            "beta": sp.Symbol("beta", positive=True),
            "tau": sp.Symbol("tau", positive=True),
        },
        probe=probes.expression,
        given=points,
        mistakes=(
            standard_prior,
            curvature_turned,
            root,
            tau_is_variance,
            beta_forgotten,
            prior_half_forgotten,
        ),
        discussion=r"""
The part of the objective that contains $v = \sigma^2$ is
$\tfrac12 h v - \tfrac{\beta}{2}\bigl(v/\tau^2 - \log v\bigr)$. Its derivative is zero
where $h - \beta/\tau^2 + \beta/v = 0$. For $h = 0$ the answer is $\tau^2$, the prior's
own variance; for $\tau = 1$ it is the chapter's formula.

Divide by $\tau^2$, the unit in which this plane is measured: $\sigma^2/\tau^2 =
\beta/(\beta - h\tau^2)$. A decoder whose input is stretched by $\tau$ has an $h$ that
is $\tau^2$ times smaller, so nothing has changed: the width of the prior only sets the
scale of the plane, and one may as well take 1.
""",
    ),
    Exercise(
        name="ae-memorise",
        title="Does the KL prevent memorising?",
        kind="predict",
        points=2,
        task=r"""
A VAE with $\beta = 1$ is trained on [[count]] images, all different and equally
frequent. Suppose that the decoder could learn them by heart: told *which* picture it
is, it would save [[saved]] nats of cross-entropy an image. Then $q(z|x)$ would have to
say which one it is.

(a) How large must the KL be at least, in nats, as a mean over the images? (It is never
smaller than the information that the code has about the image.) (b) If the code has
said nothing before, and then says just this at that least cost, by how many nats does
the bound rise? (c) Above which $\beta$ would memorising no longer pay? Two decimals
will do.
""",
        start="""
least_kl = ...  # (a), nats
gain = ...  # (b), nats
beta_limit = ...  # (c)
answers = (least_kl, gain, beta_limit)
""",
        hints=(
            "How many yes-or-no questions single out one of 16 pictures? What is that "
            "in nats?",
            "The bound is the reconstruction minus β times the KL. One rises, the "
            "other costs.",
        ),
        reference=price,
        values={"count": 100, "saved": 40},
        vary=other_pictures,
        probe=probes.numbers,
        rtol=0.01,
        atol=0.006,
        mistakes=(in_bits, to_base_ten, one_each, for_nothing, inverse),
        discussion=r"""
To name one of $M$ equally frequent pictures takes $\log M$ nats, for [[count]] pictures
a few only. The bound rises by [[saved]] nats minus these, and $\beta$ would have to be
$[[saved]] / \log [[count]]$ before it no longer pays. So it pays, and the VAE
memorises. With the names of the chapter:

```python
torch.manual_seed(0)
careful = vaelib.VAE.mlp(data.shape, **sizes)
vaelib.fit(careful, few, epochs=600, batch_size=100, lr=2e-3)
careful.cpu()
print(vaelib.evaluate(careful, few))
print(vaelib.evaluate(careful, test_x[:100]))
```

| a hundred images | training | test | KL |
|---|---|---|---|
| autoencoder, MNIST | 101 | 311 | |
| VAE, MNIST | 95 to 98 | 226 to 242 | 7.6 to 8.2 |
| autoencoder, digits | 83 | 166 | |
| VAE, digits | 85 to 89 | 134 to 147 | 6.1 to 6.6 |

(Cross-entropy in nats, without the KL; the KL is that of the training images. The VAE
with three seeds.) The training error is about as low as the parrot's, at a KL of a few
nats more than the name costs. The error on images never seen is below the
parrot's, and still larger than on the hundred, by a factor of 2.3 to 2.5 on MNIST and
of 1.5 to 1.7 on the digits. The KL restrains the *code*, and what has learned the
pictures by heart is the decoder, which nothing restrains.
""",
    ),
    Exercise(
        name="ae-sixteen",
        title="Small project: sixteen numbers",
        kind="open",
        points=4,
        task=r"""
Repeat the comparison of chapter 6, in its notebook, with 16 latent dimensions: an
autoencoder, the same with a standardised plane (`standard_plane` needs `nn.Linear(16,
16)`), and a VAE with $\beta = 1$. The grid is out of reach now; use the two distances,
and look at samples. Write down what you expected, the table, and what it says about the
need for a prior.
""",
        hints=(
            "`mirror_pair()` makes codes of two numbers in its last and first layer. "
            "Which two layers have to be exchanged?",
            "Draw the same `torch.randn(1000, 16)` for all three, and compare with "
            "`nearest` both ways.",
        ),
        rubric=(
            (1, "The three models are trained alike, on the same images."),
            (1, "The codes are standardised with training images, not with test ones."),
            (1, "Both distances, for all three, from as many draws of N(0, I)."),
            (1, "A conclusion that the numbers bear out, and samples that were seen."),
        ),
        discussion=r"""
```python
def standard_plane(codes):
    layer = nn.Linear(16, 16)
    layer.weight.data = torch.linalg.cholesky(codes.T.cov())
    layer.bias.data = codes.mean(0)
    return layer


torch.manual_seed(0)
into, back = mirror_pair()
into[-1], back[0] = nn.Linear(50, 16), nn.Linear(16, 50)
losses = list(passes(into, back, train_x, epochs))
torch.manual_seed(0)
vae = vaelib.VAE.mlp(data.shape, hidden=(200, 50), latent_dim=16)
vaelib.fit(vae, train_x, **settings)
vae.cpu()
with torch.no_grad():
    layer = standard_plane(into(train_x[:10_000]))
    straight = nn.Sequential(layer, *back)
    for network in (back, straight, vae.decoder.logits):
        made = torch.sigmoid(network(torch.randn(1000, 16)))
        print(nearest(made, real).mean(), nearest(test_x, made).mean())
```

| | drawn to real | test to drawn |
|---|---|---|
| autoencoder, MNIST | 4.58 | 6.86 |
| standardised | 4.81 | 5.46 |
| VAE | 4.56 | 5.25 |
| autoencoder, digits | 5.37 | 6.92 |
| standardised | 4.34 | 4.61 |
| VAE | 4.23 | 4.51 |

Without the repair the second distance is ruined, and on MNIST the first one does not
notice: it draws the same few tame pictures. The VAE is now ahead of the standardised
autoencoder both ways. The margin is modest, and a better density than one normal would
narrow it: that is the point of Ghosh and others (2020).
""",
    ),
]

QUESTIONS = [
    Question(
        "You double every code of a trained autoencoder, and halve it again before it "
        "enters the decoder. What happens to the loss?",
        (
            Choice(
                "It rises: codes far from zero are penalised.",
                "Nothing in the loss of an autoencoder looks at the codes. A penalty "
                "on codes far from zero is what the KL of a VAE adds.",
            ),
            Choice(
                "It falls: the codes are farther apart and easier to tell apart.",
                "The decoder is handed the very numbers it was handed before, so it "
                "can tell nothing apart that it could not tell apart before.",
            ),
            Choice(
                "Nothing at all.",
                "Every image comes back as before. This is why the loss cannot settle "
                "the scale of the plane, and gives no rule for drawing new codes.",
                right=True,
            ),
        ),
    ),
    Question(
        "A linear autoencoder with two numbers is trained to the smallest squared "
        "error. What has it found?",
        (
            Choice(
                "The plane of the first two principal components, in coordinates that "
                "chance has chosen.",
                "The product of the two matrices is the projection of PCA. For any "
                "invertible A the encoder may be multiplied by A and the decoder by "
                "its inverse, at the same error.",
                right=True,
            ),
            Choice(
                "The first two principal components, in order of their variance.",
                "The plane is theirs, but the loss sees only the plane. Nothing makes "
                "the two coordinates orthogonal or puts the larger variance first.",
            ),
            Choice(
                "One of many local minima: another start gives another plane.",
                "There is no local minimum to be caught in. Other starts give other "
                "coordinates, but the same plane.",
            ),
        ),
    ),
    Question(
        "A VAE is trained with the reconstruction term alone, β = 0. What becomes of "
        "the width σ of q(z|x)?",
        (
            Choice(
                "It stays near its start, because only the KL contains σ.",
                "The draw z = μ + σε goes into the decoder, so the reconstruction "
                "depends on σ too, and wants it small.",
            ),
            Choice(
                "It shrinks towards zero, relative to the spread of the means.",
                "An average of log p(x|z) over a width never exceeds its maximum, so "
                "an encoder that may choose its width chooses none. That is the plain "
                "autoencoder again.",
                right=True,
            ),
            Choice(
                "It becomes 1, the width of the prior.",
                "The prior occurs in the KL only. With the KL alone the width would "
                "become 1; without it, nothing knows of the prior.",
            ),
            Choice(
                "It grows, because noise makes the decoder smoother.",
                "Noise does force neighbours to decode alike, but the encoder is asked "
                "for a good reconstruction and avoids the noise if it may.",
            ),
        ),
    ),
    Question(
        "In two dimensions a plain autoencoder with a standardised plane was at least "
        "as good a model of digits as the VAE, in nats. What follows?",
        (
            Choice(
                "A prior is not needed to draw new digits.",
                "Standardising the codes <i>is</i> fitting a prior, only after "
                "training. Without it the draws of the autoencoder were poor.",
            ),
            Choice(
                "A prior may be fitted afterwards; a VAE has other merits.",
                "Its bound can be read and trained in any number of dimensions, and "
                "its plane needs no repair. The claim that an autoencoder cannot draw "
                "is too strong.",
                right=True,
            ),
            Choice(
                "The bound was computed wrongly: a VAE maximises log p(x).",
                "It maximises a bound below log p(x). The gap is the price of "
                "Gaussian widths parallel to the axes, and here the autoencoder did "
                "not pay it.",
            ),
        ),
    ),
]
