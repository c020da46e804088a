"""Exercises and questions of chapter 9, on training a VAE and reading its loss."""

import math

import torch

import vaelib
from vaelib.exercises import probes
from vaelib.exercises.exercise import Exercise
from vaelib.exercises.questions import Choice, Question
from vaelib.exercises.report import Finding

PIXELS, DIMENSIONS = 784, 20

# A loss in bits


def bits(loss):
    return loss / PIXELS / math.log(2), 1.0


def still_nats(loss):
    """These are nats per pixel. A bit is log 2 = 0.69 nats, so in bits the number is
    larger.
    """
    return loss / PIXELS, math.log(2)


def times_log_2(loss):
    """You multiplied by log 2. A bit is less than a nat, so a loss has more bits than
    nats.
    """
    return loss / PIXELS * math.log(2), math.log(2) ** 2


def per_image(loss):
    """These are bits per image; an image has 784 pixels."""
    return loss / math.log(2), PIXELS


def other_loss(rng):
    return {"loss": rng.choice([89.9, 98.4, 101.2, 110.5, 126.7])}


# Which beta is it?


def implied_betas(batch):
    return 1 / batch, PIXELS, PIXELS / DIMENSIONS


def inverted(batch):
    """This is the weight of the reconstruction beside a KL of weight 1. Divide the loss
    by it: what then stands before the KL?
    """
    return batch, 1 / PIXELS, DIMENSIONS / PIXELS


def batch_cancelled(batch):
    """In (a) the KL is divided by the batch and the reconstruction is not, so the batch
    does not cancel.
    """
    return 1, PIXELS, PIXELS / DIMENSIONS


def over_dimensions_too(batch):
    """In (a) the KL is summed over its dimensions: only the batch divides it."""
    return 1 / (batch * DIMENSIONS), PIXELS, PIXELS / DIMENSIONS


def batch_counted(batch):
    """In (b) the batch divides both terms, and cancels."""
    return 1 / batch, PIXELS * batch, PIXELS / DIMENSIONS


def dimensions_forgotten(batch):
    """In (c) the KL is a mean as well, over the 20 dimensions and the batch."""
    return 1 / batch, PIXELS, PIXELS


def means_are_fair(batch):
    """In (c) both are means, but over different numbers of things: 784 pixels and 20
    dimensions.
    """
    return 1 / batch, PIXELS, 1


def other_batch(rng):
    return {"batch": rng.choice([16, 32, 64, 100, 256])}


# A weight that rises


def beta(fraction):
    return min(1.0, fraction / 0.5)


def not_held(fraction):
    """It goes on rising beyond 1 in the second half of training."""
    return fraction / 0.5


def to_the_end(fraction):
    """It reaches 1 only at the end of training; half of the way was asked for."""
    return fraction


def falling(fraction):
    """It falls where it should rise: training would begin with the full weight."""
    return max(0.0, 1 - fraction / 0.5)


def in_one_jump(fraction):
    """It jumps from 0 to 1 half way, and should rise on a straight line."""
    return float(fraction >= 0.5)


def only_the_rise(fraction):
    """In the second half it returns to 0, where it should stay at 1."""
    return fraction / 0.5 if fraction <= 0.5 else 0.0


def moments(generator):
    early, late = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
    return {
        "before the first step": (0.0,),
        "in the first half": (0.05 + 0.4 * early,),
        "half way": (0.5,),
        "in the second half": (0.55 + 0.4 * late,),
    }


# Five lines


def train(x, new):
    vae = vaelib.VAE.mlp((1, 4, 4), hidden=(64,), latent_dim=4)
    adam = torch.optim.Adam(vae.parameters(), lr=1e-2)
    for _ in range(15):
        for batch in torch.randperm(len(x)).split(40):
            loss = -vae.elbo(x[batch]).value.mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
    with torch.no_grad():
        bound = vae.elbo(new)
    return bound.reconstruction.mean(), bound.kl.mean()


def trained_on(loss_of, x, new, clear=True):
    """As `train`, with another loss of the bound's terms."""
    vae = vaelib.VAE.mlp((1, 4, 4), hidden=(64,), latent_dim=4)
    adam = torch.optim.Adam(vae.parameters(), lr=1e-2)
    for _ in range(15):
        for batch in torch.randperm(len(x)).split(40):
            if clear:
                adam.zero_grad()
            loss_of(vae.elbo(x[batch])).backward()
            adam.step()
    with torch.no_grad():
        bound = vae.elbo(new)
    return bound.reconstruction.mean(), bound.kl.mean()


def without_kl(x, new):
    """It learned to copy, at any price: this is what comes out when the KL is left out
    of the loss.
    """
    return trained_on(lambda bound: -bound.reconstruction.mean(), x, new)


def kl_divided(x, new):
    """The code costs far more nats than it should: this is what comes out when the KL
    is divided by the batch and the reconstruction is not.
    """
    return trained_on(
        lambda bound: bound.kl.mean() - bound.reconstruction.sum(), x, new
    )


def pixels_averaged(x, new):
    """The code is empty and the model knows the average picture only: this is what
    comes out when the reconstruction is averaged over the pixels, so that the KL
    weighs too much.
    """
    return trained_on(
        lambda bound: (bound.kl - bound.reconstruction / 16).mean(), x, new
    )


def gradients_piled_up(x, new):
    """It ends worse than it began: this is what comes out when gradients are not set
    to zero before each step, so that old ones pile up.
    """
    return trained_on(lambda bound: -bound.value.mean(), x, new, clear=False)


FLOOR, COIN = 4 * math.log(2), 16 * math.log(2)


def bars(generator):
    on = torch.randint(2, (800, 1, 4, 1), generator=generator)
    images = on.to(torch.get_default_dtype()).expand(800, 1, 4, 4).clone()
    return {"on new images": (images[:400], images[400:])}


def between_floor_and_coin(out, given, due):
    names = list(due)
    if any(name not in out or out[name].numel() != 1 for name in names):
        yield Finding(False, "it should return two numbers: reconstruction and KL")
        return
    reconstruction, kl = (out[name].item() for name in names)
    loss = kl - reconstruction
    if not math.isfinite(loss) or loss > 1e4:
        text = f"a loss of {loss:.4g} nats: do the steps go up, not down?"
        yield Finding(False, text)
        return
    signs = reconstruction <= 0 <= kl
    text = f"reconstruction {reconstruction:.2f} nats, KL {kl:.2f} nats"
    if reconstruction > 0 > kl:
        text += ": are the two exchanged?"
    elif reconstruction > 0:
        text += ": log p(x|z) of black-or-white pixels is never positive"
    elif kl < 0:
        text += ": a divergence is never negative"
    yield Finding(signs, text)
    text = f"a loss of {loss:.2f} nats on new images; the coin pays {COIN:.2f}"
    yield Finding(loss < 6, text + (", and below 6 was asked for" * (loss >= 6)))
    if signs:
        text = f"not below the floor of {FLOOR:.2f} nats, which no model can beat"
        yield Finding(loss > FLOOR - 0.2, text)


EXERCISES = [
    Exercise(
        name="training-bits",
        title="A loss in bits",
        kind="predict",
        points=1,
        task=r"""
A VAE has a test loss of [[loss]] nats per image of 784 pixels. How many *bits per
pixel* is that? And how many bits per pixel does the coin pay, which says of each pixel
that it is white with probability one half? Does the first number make sense beside the
second?
""",
        start="""
this_vae = ...
coin = ...
bits_per_pixel = (this_vae, coin)
""",
        hints=(
            "There are two units to change: the image into pixels, the nat into bits.",
            "The coin pays log 2 nats a pixel, and that is what a bit is.",
        ),
        reference=bits,
        discussion=r"""
Divide by the number of pixels and by $\log 2$: `[[loss]] / 784 / math.log(2)`. For a
loss of 105.3 it is 0.19. The coin pays exactly 1 bit a pixel, for black-or-white pixels
the price of storing them raw. For your own model take `-history["test_elbo"][-1]`.
""",
        mistakes=(still_nats, times_log_2, per_image),
        probe=probes.numbers,
        values={"loss": 105.3},
        vary=other_loss,
        rtol=0.03,
    ),
    Exercise(
        name="training-mean",
        title="Which beta is it?",
        kind="predict",
        points=3,
        task=r"""
Every sum that is taken as a mean hides a weight. Three losses for batches of
[[batch]] images with 784 pixels, and codes of 20 dimensions; `bce` holds the
cross-entropy of each pixel, `kl` the divergence of each dimension:

- (a) `bce.sum() + kl.sum(1).mean()`
- (b) `bce.mean() + kl.sum(1).mean()`
- (c) `bce.mean() + kl.mean()`

Which `beta` in `vaelib.fit` does each amount to? (A factor that is left before the
whole loss does not count: Adam does not mind it.) Then think about (a), which is
document 003's mean beside a sum. What will the KL, the reconstructions and the samples
look like, and which lines of the checklist notice? Train for three epochs with it.
""",
        start="""
beta_a = ...
beta_b = ...
beta_c = ...
betas = (beta_a, beta_b, beta_c)
""",
        hints=(
            "The ELBO weighs a nat of code like a nat of picture: all pixels of an "
            "image summed, all dimensions of its code summed. By what is each term "
            "divided?",
            "If the reconstruction is divided by R and the KL by K, multiply the loss "
            "by R. What stands before the KL?",
        ),
        reference=implied_betas,
        discussion=r"""
If the reconstruction is divided by $R$ and the KL by $K$, then $\beta = R / K$.

- (a) $R = 1$, $K$ is the batch: $\beta = 1/[[batch]]$.
- (b) $R = 784$ times the batch, $K$ is the batch: $\beta = 784$, the slip that the
  checklist was tried on.
- (c) $R = 784$ times the batch, $K = 20$ times the batch: $\beta = 784/20 = 39.2$. Two
  means look fair and are not.

With (a) and batches of 128, `beta=1/128`, a nat of code costs less than a hundredth of
a nat of picture. So the encoder buys about 150 of them, in place of 25 or fewer. Three
epochs give reconstructions about as good as the ten of the chapter. Few samples are
digits: the codes are narrow, and a draw from the prior lands between them, where the
decoder was hardly trained. The code is used, the reconstruction improves, training and
test agree; one line of the checklist notices. As a bound, with `beta` back at 1, the
loss is worse than that of the average picture: 221 nats against 206 on MNIST, 226
against 160 on the built-in digits.
""",
        mistakes=(
            inverted,
            batch_cancelled,
            over_dimensions_too,
            batch_counted,
            dimensions_forgotten,
            means_are_fair,
        ),
        probe=probes.numbers,
        values={"batch": 128},
        vary=other_batch,
        rtol=1e-2,
        atol=1e-6,
        partial=True,
    ),
    Exercise(
        name="training-warmup",
        title="A weight that rises",
        kind="implement",
        points=2,
        task=r"""
Document 002 advises to raise the weight of the KL from 0 to 1 over the first epochs.
Write the schedule: `beta(fraction)` rises on a straight line from 0 at the start of
training to 1 half way, and stays there. `fraction` is the part of training that is
done, a number in [0, 1), and `fit` asks before each step.

Then train with `vaelib.fit(model, data, epochs=10, beta=beta)` and draw the KL curve in
one figure with that of the chapter. Which model ends better? Why does the KL overshoot?
""",
        start='''
def beta(fraction):
    """The weight of the KL when this fraction of training is done."""
    ...
''',
        hints=(
            "Draw it: a ramp, then a level. Where does the ramp end?",
            "`min` joins the two.",
        ),
        reference=beta,
        discussion=r"""
The library has it as `vaelib.schedules.linear(until=0.5)`. After the training plot
`warm["test_kl"]` and `history["test_kl"]`.

While the KL is cheap the code grows to far more nats than it keeps later; as the price
rises the model gives back what does not pay. On this small model both end within about
a nat of each other; on MNIST the warmed-up one is even half a nat behind. Warm-up earns
its keep where a model would otherwise never start to use its code.
""",
        mistakes=(not_held, to_the_end, falling, in_one_jump, only_the_rise),
        given=moments,
    ),
    Exercise(
        name="training-fast",
        title="What makes it fast?",
        kind="open",
        points=3,
        task=r"""
Which of the ingredients of `vaelib.FAST` matters most? Take out one at a time, for
instance with `vaelib.fit(model, data, **(vaelib.FAST | {"lr": 1e-3}))`: the one cycle,
the batch of 256 (take 128), the start at the mean image, the precision. Note loss and
seconds of each. Write your guess down first.
""",
        hints=(
            "Change one thing at a time, and build a new model from the same seed for "
            "each run.",
            "A constant learning rate can be chosen badly: try two before you blame "
            "its being constant.",
        ),
        discussion=r"""
On MNIST all four together reach 105.0 nats. With a constant rate of $10^{-3}$ it is
110.5, and still 107.8 with $3 \cdot 10^{-3}$: the cycle is worth most. Without the
start at the mean image it is 107.1. In `float32` it is 105.0 again, and only the
seconds change. Batches of 128 end lower, at 104.8, and take longer. On the built-in
digits, with far fewer steps, the start at the mean image is the most important: 100.7
without it instead of 89.9, and 96.5 with the constant rate of $10^{-3}$.
""",
        rubric=(
            (1, "Four runs or more, that differ from the recipe in one thing each."),
            (1, "Loss and seconds of each, beside those of the whole recipe."),
            (1, "A ranking that the numbers support, and a word on the guess."),
        ),
    ),
    Exercise(
        name="training-loop",
        title="Five lines of your own",
        kind="implement",
        points=3,
        task=r"""
Here are images so simple that the best possible loss is known: 4 by 4 pixels, each row
white or black by the toss of a fair coin. A model that knew this would pay $4 \log 2 =
2.77$ nats an image, and nothing can pay less; the coin for each pixel pays
$16 \log 2 = 11.09$. Write `train(x, new)`. It builds
`vaelib.VAE.mlp((1, 4, 4), hidden=(64,), latent_dim=4)`, goes 15 times through the 400
images `x`, shuffled, in batches of 40, with Adam at a learning rate of 0.01, and
returns two numbers: the mean reconstruction term $\log p(x|z)$ and the mean KL of the
images `new`, which it has not trained on. On these the loss should come below 6 nats.
The check trains your model, in a second or so.
""",
        start='''
def train(x, new):
    """Mean reconstruction term and mean KL of new images, in nats.

    x and new have the shape (400, 1, 4, 4).
    """
    ...
''',
        hints=(
            "Five lines do a step: the batch, the loss, and three calls to Adam and "
            "autograd. What must happen to the gradients of the step before?",
            "`vae.elbo(images)` has `.reconstruction`, `.kl` and `.value`, a number an "
            "image each. Which of them is to rise?",
            "For new images nothing is to be learned: `with torch.no_grad():`.",
        ),
        reference=train,
        discussion=r"""
Over twenty seeds the loss came to between 4.4 and 4.9 nats: about 3.7 for the code and
1 for what is lost of the picture. The floor is 2.77. To name one of 16 pictures takes
$\log 16 = 2.77$ nats, so a code of 2.77 and a perfect picture would touch it. For that
the codes of the 16 pictures would have to share out the prior among them, without a gap
and without an overlap, and Gaussians cannot do that.
""",
        mistakes=(without_kl, kl_divided, pixels_averaged, gradients_piled_up),
        given=bars,
        verify=between_floor_and_coin,
        rtol=0.5,  # to know a mistake again: training is never quite the same
        atol=0.05,
    ),
    Exercise(
        name="training-gap",
        title="The gap, measured (small project)",
        kind="open",
        points=4,
        task=r"""
The bound is below $\log p(x)$ by
$\mathrm{KL}(q_\phi(z \mid x) \,\|\, p_\theta(z \mid x))$. Estimate the gap on 100
test images with `vaelib.log_likelihood(vae, x, samples=1000)`. Look at the standard
errors and the effective number of samples: do you believe the estimate? Which images
have the largest gaps?
""",
        hints=(
            "The estimate and the bound are both numbers an image: subtract, and keep "
            "the images apart.",
            "Is the logarithm of a mean of few, very unequal weights too high or too "
            "low on average? See Jensen's inequality.",
        ),
        discussion=r"""
`estimate = vaelib.log_likelihood(vae, data.test.x[:100], samples=1000)`, and
`estimate.mean - vae.elbo(data.test.x[:100]).value.mean()` is a gap of several nats. The
effective number of samples is small: on MNIST half of the images have fewer than about
ten of 1000, and a standard error above 0.3 nats. So the estimates are noisy and still
low, and the true gap is larger. The largest gaps belong to unusual digits, for which
one Gaussian, chosen in one pass of a network, fits the posterior badly.
""",
        rubric=(
            (1, "The gap on 100 test images, several nats, with its noise."),
            (1, "Standard errors and effective numbers of samples are looked at."),
            (1, "The estimate is low on average, so the true gap is larger, and why."),
            (1, "The images with the largest gaps are shown, and a reason is given."),
        ),
    ),
]

QUESTIONS = [
    Question(
        "A test loss lies below the entropy of the grey values of the test images. "
        "What is the likeliest reason?",
        (
            Choice(
                "The model is better than a perfect copy",
                "Nothing is. The floor is what remains when every pixel is predicted "
                "exactly, with a code that costs nothing.",
            ),
            Choice(
                "Pixels outside [0, 1], or a turned sign",
                "For pixels in [0, 1] the cross-entropy cannot be less than the "
                "entropy, and the KL cannot be negative. One of the two has been "
                "broken.",
                right=True,
            ),
            Choice(
                "The model has memorised its training images",
                "Memory makes the training loss better than the test loss. Neither "
                "gets below the floor of its own images.",
            ),
            Choice(
                "The learning rate is too low",
                "That keeps a loss too high, and never makes it impossible.",
            ),
        ),
    ),
    Question(
        "In the first epochs the loss falls and the KL <i>rises</i>. What is going on?",
        (
            Choice(
                "Training goes wrong: both terms are losses and both should fall",
                "It is their sum that falls. At the start the KL is small because the "
                "code says nothing.",
            ),
            Choice(
                "The encoder overfits",
                "Overfitting shows as a gap between training and test. The KL rises "
                "on both.",
            ),
            Choice(
                "The code starts to speak of the picture, and that saves more than it "
                "costs",
                "A nat spent on the code pays when it saves more than a nat in the "
                "reconstruction.",
                right=True,
            ),
        ),
    ),
    Question(
        "A step sees 128 images of 60,000, with one draw of the noise for each. The "
        "error of its gradient is larger than the gradient. Why does training work?",
        (
            Choice(
                "With 128 images the errors cancel out within the step",
                "They do not: this error is what is left after averaging over the "
                "batch.",
            ),
            Choice(
                "The gradient is right on average, and a great many small steps are "
                "taken",
                "Unbiased is what the argument needs. The noise averages out over the "
                "steps, not within one.",
                right=True,
            ),
            Choice(
                "Adam knows which part of a gradient is noise",
                "It averages over the last steps and scales. If the gradient were "
                "wrong on average, Adam would follow it to the wrong place.",
            ),
        ),
    ),
    Question(
        "A model was trained with a KL that weighs 784 times too much. Its KL is 0.00 "
        "on every image. What do its samples look like?",
        (
            Choice(
                "Very good: the codes match the prior perfectly",
                "They match it because they do not depend on the image. A decoder "
                "whose code says nothing cannot know which digit to draw.",
            ),
            Choice(
                "Like noise",
                "The decoder still learned the brightness of each pixel, for which it "
                "needs no code.",
            ),
            Choice(
                "All alike: the average picture",
                "The decoder does not hear the code, so it paints what is best for all "
                "images at once.",
                right=True,
            ),
        ),
    ),
]
