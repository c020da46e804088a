"""Exercises and questions of chapter 12, a clinic of broken VAEs."""

from dataclasses import replace

import torch

from vaelib import clinic
from vaelib.exercises import probes
from vaelib.exercises.exercise import Exercise
from vaelib.exercises.questions import Choice, Question
from vaelib.listing import source

# Predict, then run


def failing():
    return {"ignorance", "copy", "price"}


def coin_forgotten():
    """You look at the decoder that is certain. What does one cost that says one half,
    a logit of 0: is it still log 2 for every pixel, black or white?
    """
    return {"copy"}


def coin_forgotten_at_a_price():
    """A code is charged on top of the coin, and its own price is right here. So ask
    what the coin costs.
    """
    return {"copy", "price"}


def price_forgotten():
    """Two of them, yes. But one more examination has the picture's cost in its sum,
    and cannot come out right where that is wrong.
    """
    return {"ignorance", "copy"}


def wrong_slope():
    """The slope is held against the loss's own values. A loss with a wrong value may
    well have the slope that belongs to it.
    """
    return {"ignorance", "copy", "price", "slope"}


def only_the_slope():
    """The slope is held against the loss's own values, and both come from the same
    wrong function here. Ask what a pixel costs.
    """
    return {"slope"}


def everything():
    """Not all five: which codes reach the decoder has nothing to do with the
    cross-entropy, and the slope is held against the loss's own values.
    """
    return {"ignorance", "copy", "price", "noise", "slope"}


# Patients


def bed(name, symptom, **words):
    """A patient of the clinic, as an exercise that stands on its own."""
    task = rf"""
{symptom} One line of its loss is wrong: find it, and mend it in the cell.

`net.encode(x)` gives $\mu$ and $\log\sigma^2$ of $q(z \mid x)$, each of shape (N, d),
and `net.decode(z)` the logits of the pixels, in the shape of `x`. The loss is to be
minus the bound in nats, averaged over the batch. Any code that computes it will do.
"""
    return replace(clinic.patient(name), task=task, **words)


# Mend a loop


def anneal(epochs, steps, cycle, rate):
    """Two lines stand one level too deep."""
    weights, weight = [], 0.0
    for epoch in range(epochs):
        for _ in range(steps):
            weight = min(1.0, weight + rate)
            if epoch % cycle == 0:
                weight = 0.0
            weights.append(weight)
    return torch.tensor(weights)


def cyclical(epochs, steps, cycle, rate):
    weights, weight = [], 0.0
    for epoch in range(epochs):
        if epoch % cycle == 0:
            weight = 0.0
        for _ in range(steps):
            weight = min(1.0, weight + rate)
            weights.append(weight)
    return torch.tensor(weights)


def never_again(epochs, steps, cycle, rate):
    """The weight rises once and stays: it never starts again."""
    return cyclical(epochs, steps, epochs, rate)


def every_epoch(epochs, steps, cycle, rate):
    """The weight starts again in every epoch, whatever `cycle` says."""
    return cyclical(epochs, steps, 1, rate)


def one_step_late(epochs, steps, cycle, rate):
    """A cycle begins with a weight of 0, so that everything is late by one step. Reset
    before the weight is raised, not after it.
    """
    weights, weight = [], 0.0
    for epoch in range(epochs):
        for step in range(steps):
            weight = min(1.0, weight + rate)
            if epoch % cycle == 0 and step == 0:
                weight = 0.0
            weights.append(weight)
    return torch.tensor(weights)


def one_epoch_early(epochs, steps, cycle, rate):
    """The new start comes one epoch too early: epochs are counted from 0."""
    weights, weight = [], 0.0
    for epoch in range(epochs):
        if (epoch + 1) % cycle == 0:
            weight = 0.0
        for _ in range(steps):
            weight = min(1.0, weight + rate)
            weights.append(weight)
    return torch.tensor(weights)


def runs(generator):
    rate = 0.02 + 0.08 * torch.rand((), generator=generator).item()
    return {
        "8 epochs of 60 steps, cycle = 4, rate = 1/60": (8, 60, 4, 1 / 60),
        "a cycle that does not divide the epochs": (7, 20, 3, rate),
        "a new start in each epoch, cycle = 1": (3, 20, 1, rate),
        "a rate too small to reach 1": (6, 10, 3, rate / 20),
    }


EXERCISES = [
    Exercise(
        name="clinic-swapped",
        title="Predict, then run",
        kind="predict",
        points=1,
        task=r"""
In
[autonomousvision/sledge, issue 4](https://github.com/autonomousvision/sledge/issues/4)
the two arguments of the cross-entropy had changed places: in the place of
`(logits, x, reduction="none")`, `binary_cross_entropy_with_logits` got
`(x, logits, reduction="none")`. Put that into `clinic.healthy`, and predict which of
the five examinations of `clinic.examine` fail: give the set of their names. Think
about: what does this reward the decoder for, on a white pixel and on a black one, and
what do `clinic.examine` and `clinic.train` make of it?
""",
        start="""
from vaelib import clinic

# of "ignorance", "copy", "price", "noise" and "slope"
failing = ...  # a set, such as {"noise", "slope"}
""",
        hints=(
            r"With logit $a$ and target $t$ the function is $\log(1 + e^a) - t a$. "
            "Now exchange the two.",
            "The phantom of the first examination answers $a = 0$ for each pixel. What "
            "does a white pixel cost there now, and what a black one?",
        ),
        reference=failing,
        discussion=r"""
`{"ignorance", "copy", "price"}`. With the arguments exchanged the function is linear in
the logits, $-x\,a$ plus a constant. On a white pixel every further bit of $a$ is
rewarded, without end. On a black one, $x = 0$, the logits do not appear at all. So the
decoder is paid for white and never charged for it. The constant is $\log(1 + e^x)$,
which is $\log 2$ for a black pixel only: for the grey images of the examinations the
coin costs 771 nats. In training the loss is negative within some ten steps and runs
away, and samples are mostly white.
""",
        mistakes=(
            coin_forgotten,
            coin_forgotten_at_a_price,
            price_forgotten,
            wrong_slope,
            only_the_slope,
            everything,
        ),
        probe=probes.choices,
        values={},
    ),
    bed(
        "B",
        "This patient's training loss falls below zero and does not stop.",
        title="Below zero",
        points=1,
        discussion=r"""
`1 + logvar - mu.square() - logvar.exp()` is *minus* twice the KL. A loss with this sign
pays for codes far from the prior, and the farther the better: it has no lowest point.
One line of mental arithmetic finds it. At $\mu = 1$, $\sigma = 1$ a KL has to be
$+\frac12$, and this one is $-\frac12$.
""",
    ),
    bed(
        "E",
        "This patient's training loss falls smoothly, but the KL goes to zero, and all "
        "reconstructions are alike.",
        title="A deaf encoder",
        discussion=r"""
`torch.normal(mu, sigma)` draws from the right distribution, and passes a gradient of
zero on. So the encoder never learns what the decoder needs, hears of the KL alone, and
does what that asks: it says nothing. The value of the loss is right at every step, and
only a look at its slope shows the bug. `mu + sigma * torch.randn_like(mu)` lets the
gradient through to both.
""",
    ),
    bed(
        "H",
        "This patient trains like the healthy one, shows good digits, and reports a "
        "loss that is some nats too good for its weights.",
        title="Too good by some nats",
        discussion=r"""
`torch.exp(logvar)` is $\sigma^2$, and the noise is multiplied by $\sigma$, which is
`torch.exp(0.5 * logvar)`. With the patient's line the decoder meets codes of spread
$\sigma^2$ while the KL is paid for a spread of $\sigma$, so the sum is no bound. To
read the second output as $\log\sigma$ in *both* lines is right as well, and the check
says so.
""",
    ),
    Exercise(
        name="clinic-anneal",
        title="Mend a loop",
        kind="implement",
        points=2,
        task=r"""
In [valdersoul/bn-vae, issue 1](https://github.com/valdersoul/bn-vae/issues/1) the
weight of the KL rises by `rate` each step up to 1, and is to start again from 0 every
`cycle` epochs, beginning with epoch 0; the first step of a cycle has the weight `rate`.
The function gives the weight of each step of a run, a tensor of `epochs * steps`
numbers, but two of its lines stand one level too deep. Mend it. Think about: for 8
epochs of 60 steps with `cycle = 4` and `rate = 1 / 60`, with which weights did the
model train in epochs 0 and 4, and what would you have seen with `cycle = 1`?
""",
        start="import torch\n\n\n" + source(anneal, docstring=False).code,
        hints=(
            "In epoch 0, how often is the weight reset?",
            "What has to happen once an epoch stands outside the loop over steps.",
        ),
        reference=cyclical,
        broken=anneal,
        discussion=r"""
In epochs 0 and 4 the weight was reset after *every* step: 60 steps with a weight of 0,
then a rise in the next epoch and 1 from there on. With `cycle = 1` the KL is never
charged at all, and the symptoms are those of bed G, only worse. The test stands before
the inner loop, and then the mean weight over the 8 epochs rises from 0.63 to 0.88. Or
write the schedule as a function of the fraction of training done, as in
`vaelib.schedules`: then there is nothing to reset.
""",
        mistakes=(never_again, every_epoch, one_step_late, one_epoch_early),
        given=runs,
    ),
    Exercise(
        name="clinic-admit",
        title="Admit a patient",
        kind="open",
        points=4,
        task=r"""
In
[dferendo/RecommendationSystem, issue 3](https://github.com/dferendo/RecommendationSystem/issues/3)
the noise is drawn by `torch.rand_like`. Or take a closed issue of a repository that you
use yourself. Write the broken loss, predict which examination finds it and with which
numbers, and look. Train it with `clinic.train` beside the healthy one, and compare what
each reports with what the right loss says of its weights. Then admit it: give the
function a docstring that names the mistake, append a `clinic.Patient(...)` to
`clinic.PATIENTS` with bed, broken function, hints and source, and ask
`clinic.check("A", your_loss)`.
""",
        hints=(
            "Which mean has uniform noise on [0, 1], and which standard deviation?",
            "The phantom of the fourth examination has a mean of 3 and a standard "
            "deviation of one half.",
        ),
        discussion=r"""
Uniform noise on $[0, 1]$ has mean $\frac12$ and standard deviation
$1/\sqrt{12} \approx 0.29$, so *noise* fails: z has mean 3.25 and spread 0.14 where
3.00 and 0.50 are due. In training it is bed I again, only less so: with the settings of
this chapter it reported 122 nats on MNIST where the right loss says 171, and 91 on the
built-in digits where it says 131. The mean does no harm, the encoder corrects it; the
missing spread does.

```python
clinic.PATIENTS.append(clinic.Patient(
    bed="M", broken=uniform_noise,
    hints=("Look at the spread of the codes.",),
    met=("dferendo/RecommendationSystem#3",),
))
```

`clinic.check("H", uniform_noise)` knew this one already, as a half-cure of bed H. Now
it is recognised for every other bed, as the bug of bed M.
""",
        rubric=(
            (1, "The loss has one bug, the one that its source describes."),
            (1, "Examination and numbers are predicted before they are computed."),
            (1, "Reported and right loss of a trained net are compared and explained."),
            (1, "The patient is admitted, and recognised by the check of another bed."),
        ),
    ),
]

QUESTIONS = [
    Question(
        "A training run on images of 28 × 28 pixels prints 0.70 as its first loss. The "
        "cross-entropy has a logit for each pixel. What do you think?",
        (
            Choice(
                "A good start: the weights were initialised well.",
                "No initial weights know the digits. A decoder that knows nothing pays "
                "log 2 for each pixel, 543 nats an image.",
            ),
            Choice(
                "The unit does not matter: Adam takes no notice of a constant factor.",
                "Of a factor before the whole loss, yes. But the KL is a sum over the "
                "dimensions and did not get this factor.",
            ),
            Choice(
                "The cross-entropy is a mean over the pixels; see what the KL weighs.",
                "0.69 is log 2, once. Beside such a mean an ordinary KL "
                "weighs 784 times too much, and the model collapses.",
                right=True,
            ),
            Choice(
                "The KL has been left out.",
                "At the start the KL is small either way. What is missing here is a "
                "factor of 784 before the reconstruction.",
            ),
        ),
    ),
    Question(
        "You take 20 images and train on them alone until the model draws them nearly "
        "by heart. A healthy loss passes. Which of these bugs passes as well?",
        (
            Choice(
                "The sigmoid is applied twice.",
                "It is found: no pixel gets a probability below one half, so 20 images "
                "cost above 500 nats however long one trains.",
            ),
            Choice(
                "The noise is multiplied by the variance, not by its root.",
                "It passes: the images are drawn as well as by the healthy loss. "
                "Overfitting cannot find a loss whose value is wrong.",
                right=True,
            ),
            Choice(
                "The sample is drawn by torch.normal, which cuts the gradient.",
                "It is found: the encoder sends no message, and all 20 reconstructions "
                "are close to the average image.",
            ),
            Choice(
                "The cross-entropy is averaged over pixels, and the KL is not.",
                "It is found: a nat of code costs more than it can save, and all 20 "
                "reconstructions are close to the average image.",
            ),
        ),
    ),
    Question(
        "In the healthy loss somebody writes <code>bce.flatten(1).sum(1, "
        "keepdim=True)</code>, so that shapes (100, 1) and (100,) are added before the "
        "mean is taken. What happens?",
        (
            Choice(
                "PyTorch refuses to add the two shapes.",
                "It broadcasts them to (100, 100), without a word: each image's "
                "cross-entropy plus each image's KL.",
            ),
            Choice(
                "The loss is 100 times too large.",
                "A sum over the table would be. The mean over 100 × 100 entries "
                "divides by their number.",
            ),
            Choice(
                "Value and gradient are right; it hurts once something other than a "
                "mean is taken.",
                "The mean of the table is the mean of the one term plus the mean of "
                "the other. A sum, a weight for each image or a log-sum-exp would go "
                "wrong. An assertion on the shape costs nothing.",
                right=True,
            ),
            Choice(
                "The value is right, but the gradient mixes the images.",
                "Where the value is right for all weights, so is its gradient. Here "
                "they are the same function.",
            ),
        ),
    ),
    Question(
        "A colleague sums both terms of the loss over the batch in place of averaging "
        "them, and trains with Adam. Is this a bug?",
        (
            Choice(
                "No: both terms got the same factor, and their balance is what it was.",
                "The factor also goes through Adam almost unnoticed, since it divides "
                "a gradient by its usual size. Only one term summed is bed G.",
                right=True,
            ),
            Choice(
                "Yes: the KL now weighs more, by the size of the batch.",
                "It would if it alone were summed. Here both terms are larger by the "
                "same factor.",
            ),
            Choice(
                "Yes: the learning rate has to be divided by the size of the batch.",
                "For plain gradient descent that is true. Adam divides each gradient "
                "by its usual size, so the factor cancels.",
            ),
        ),
    ),
]
