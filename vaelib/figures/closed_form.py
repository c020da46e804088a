"""Figures of Part I whose every number is a formula: no model, no weights."""

import math

import traitlets

from vaelib.figures import stills
from vaelib.figures.live import LiveFigure, fixed, number, numbers


class Bayes(LiveFigure):
    """What `bayes` shows. prior, likelihoods and observations are its state."""

    modules = ("kit.js", "bayes.js")
    height = 500
    prior = number(0.01, 0.99)
    likelihoods = numbers(minlen=2, maxlen=2)
    observations = fixed(traitlets.List(traitlets.Int(min=0, max=1)))
    hypotheses = fixed(traitlets.List(traitlets.Unicode(), minlen=2, maxlen=2))
    evidence = fixed(traitlets.List(traitlets.Unicode(), minlen=2, maxlen=2))

    @property
    def beliefs(self) -> list[float]:
        """P(first hypothesis) before and after each observation."""
        beliefs = [self.prior]
        for seen in self.observations:
            first, second = (p if seen else 1 - p for p in self.likelihoods)
            joint = beliefs[-1] * first
            beliefs.append(joint / (joint + (1 - beliefs[-1]) * second))
        return beliefs

    def still(self) -> str:
        side, p = 200, self.beliefs[-1]
        first, second = self.likelihoods
        split = side * p
        orange = stills.ORANGE
        return stills.drawing(
            stills.rectangle(0, 0, side, side, stills.GREY, 0.15),
            stills.rectangle(0, side * (1 - first), split, side * first, orange),
            stills.rectangle(
                split, side * (1 - second), side - split, side * second, orange, 0.5
            ),
            stills.text(side + 16, 20, f"{self.hypotheses[0]}: {p:.2f}"),
            stills.text(
                side + 16,
                44,
                f"after {self.evidence[0]}: "
                f"{p * first / (p * first + (1 - p) * second):.3f}",
            ),
            alt="A unit square of probabilities; the evidence is its orange part.",
        )


def bayes(
    prior: float = 0.5,
    likelihoods: tuple[float, float] = (0.6, 0.1),
    hypotheses: tuple[str, str] = ("late", "on time"),
    evidence: tuple[str, str] = ("a call", "no call"),
    prompt: str = (
        "Add a call: the orange parts of the square become its new columns. How many "
        "silences does it take to undo one call?"
    ),
) -> Bayes:
    """Bayes' rule for two hypotheses as areas, with evidence counted up.

    prior is P(first hypothesis); likelihoods are the probabilities of the sign under
    the first and the second; evidence names the sign and its absence. Each button adds
    one observation, independent of the others given the hypothesis.

    Read `.prior`, `.likelihoods`, `.observations` and `.beliefs` afterwards.
    """
    for name, p in [("prior", prior), *(("likelihoods", p) for p in likelihoods)]:
        if not 0.01 <= p <= 0.99:
            raise ValueError(f"{name} must lie between 0.01 and 0.99, got {p}.")
    return Bayes(
        label="Bayes' rule as areas of a unit square",
        prompt=prompt,
        prior=prior,
        likelihoods=list(likelihoods),
        hypotheses=list(hypotheses),
        evidence=list(evidence),
    )


class GaussianKL(LiveFigure):
    """What `gaussian_kl` shows. q and p are (mean, log variance)."""

    modules = ("kit.js", "gaussian_kl.js")
    height = 550
    q = numbers(minlen=2, maxlen=2)
    p = numbers(minlen=2, maxlen=2)
    direction = fixed(traitlets.Enum(["forward", "reverse"], "forward"))

    @property
    def kl(self) -> float:
        """KL(q || p) in nats, or KL(p || q) when that direction is chosen."""
        pair = (self.q, self.p) if self.direction == "forward" else (self.p, self.q)
        (mu_q, logvar_q), (mu_p, logvar_p) = pair
        distance = math.exp(logvar_q) + (mu_q - mu_p) ** 2
        return 0.5 * (logvar_p - logvar_q - 1 + distance * math.exp(-logvar_p))

    def still(self) -> str:
        normal_q = stills.normal(self.q[0], math.exp(self.q[1]))
        normal_p = stills.normal(self.p[0], math.exp(self.p[1]))
        top = max(0.45, normal_q(self.q[0]), normal_p(self.p[0]))
        box = (0, 480, 160, 10)
        return stills.drawing(
            stills.curve(normal_p, -6, 6, box, top, stills.ORANGE),
            stills.curve(normal_q, -6, 6, box, top, stills.BLUE),
            stills.text(
                240, 188, f"KL(q ‖ p) = {self.kl:.3f} nats (q blue, p orange)", "middle"
            ),
            alt="The densities of two Gaussians.",
        )


def gaussian_kl(
    q: tuple[float, float] = (-1.0, -1.0),
    p: tuple[float, float] = (0.0, 0.0),
    prompt: str = (
        "Make q much wider than p, then much narrower: which direction of the KL "
        "explodes, and which stays modest?"
    ),
) -> GaussianKL:
    """The divergence between two Gaussians: integrand, both directions, Monte Carlo.

    q and p are (mean, log variance), each between -3 and 3. The estimates are averages
    of log q(x)/p(x) over 100 draws; the line is the closed form.

    Read `.q`, `.p` and `.kl` afterwards.
    """
    for name, pair in [("q", q), ("p", p)]:
        if len(pair) != 2 or not all(-3 <= value <= 3 for value in pair):
            raise ValueError(
                f"{name} must be (mean, log variance), both between -3 and 3, got "
                f"{pair}."
            )
    return GaussianKL(
        label="The Kullback-Leibler divergence between two Gaussians",
        prompt=prompt,
        q=list(q),
        p=list(p),
    )


class ElboGap(LiveFigure):
    """What `elbo_gap` shows. mean and log_width of q are its state."""

    modules = ("kit.js", "elbo_gap.js")
    height = 410
    mean = number(-3, 3)
    log_width = number(-2, 0.7)
    x = fixed(traitlets.Float())
    a = fixed(traitlets.Float())
    s = fixed(traitlets.Float())

    @property
    def evidence(self) -> float:
        """log p(x), nats."""
        total = self.a**2 + self.s**2
        return -0.5 * (math.log(2 * math.pi * total) + self.x**2 / total)

    @property
    def gap(self) -> float:
        """KL(q || p(z|x)), nats."""
        total = self.a**2 + self.s**2
        mean, variance = self.a * self.x / total, self.s**2 / total
        ratio = math.exp(2 * self.log_width) / variance
        return 0.5 * (ratio - 1 - math.log(ratio) + (self.mean - mean) ** 2 / variance)

    @property
    def elbo(self) -> float:
        """E_q[log p(x|z)] - KL(q || p(z)), nats."""
        variance = math.exp(2 * self.log_width)
        squares = (self.x - self.a * self.mean) ** 2 + self.a**2 * variance
        likelihood = -0.5 * (math.log(2 * math.pi * self.s**2) + squares / self.s**2)
        kl = 0.5 * (variance + self.mean**2 - 1) - self.log_width
        return likelihood - kl

    def still(self) -> str:
        total = self.a**2 + self.s**2
        exact = stills.normal(self.a * self.x / total, self.s**2 / total)
        q = stills.normal(self.mean, math.exp(2 * self.log_width))
        top = 1.1 * max(exact(self.a * self.x / total), q(self.mean))
        box = (0, 480, 150, 10)
        return stills.drawing(
            stills.curve(exact, -4, 4, box, top, stills.GREY),
            stills.curve(q, -4, 4, box, top, stills.BLUE),
            stills.text(0, 172, f"q (blue), posterior (grey): ELBO {self.elbo:.3f}"),
            stills.text(
                0, 192, f"+ KL(q ‖ posterior) {self.gap:.3f} = {self.evidence:.3f} nats"
            ),
            alt="q and the exact posterior.",
        )


def elbo_gap(
    x: float = 3.0,
    a: float = 2.0,
    s: float = 1.0,
    mean: float = 0.6,
    width: float = 0.6,
    prompt: str = (
        "Move q until the pink gap is gone. Then make q too wide, and too narrow: log "
        "p(x) does not care, the ELBO pays."
    ),
) -> ElboGap:
    """ELBO + KL(q || posterior) stacked to a log p(x) that does not move.

    The model is z ~ N(0, 1), x|z ~ N(a z, s^2), whose evidence and posterior are known.
    q = N(mean, width^2) starts where you put it: mean in [-3, 3], width in [0.14, 2].

    Read `.mean`, `.log_width`, `.elbo`, `.gap` and `.evidence` afterwards.
    """
    if not s > 0:
        raise ValueError(f"s must be positive, got {s}.")
    if not (-3 <= mean <= 3 and 0.14 <= width <= 2):
        raise ValueError(
            "mean must lie between -3 and 3 and width between 0.14 and 2, got "
            f"{mean} and {width}."
        )
    return ElboGap(
        label="The gap between the ELBO and log p(x)",
        prompt=prompt,
        x=x,
        a=a,
        s=s,
        mean=mean,
        log_width=math.log(width),
    )


class Reparameterization(LiveFigure):
    """What `reparameterization` shows. mu, sigma and seed are its state."""

    modules = ("kit.js", "reparameterization.js")
    height = 540
    mu = number(-3, 3)
    sigma = number(0.05, 2.5)
    seed = fixed(traitlets.Int(1))

    def still(self) -> str:
        box = (0, 480, 80, 10)
        below = (0, 480, 180, 110)
        return stills.drawing(
            stills.curve(stills.normal(0, 1), -6, 6, box, 0.42, stills.GREY),
            stills.curve(
                stills.normal(self.mu, self.sigma**2), -6, 6, below, 0.6, stills.BLUE
            ),
            stills.text(0, 30, "ε ~ N(0, 1)"),
            stills.text(0, 130, "z = μ + σε"),
            alt="Draws of a standard normal, moved and scaled.",
        )


def reparameterization(
    mu: float = -1.0,
    sigma: float = 0.8,
    prompt: str = (
        "Move σ: every sample slides on its own rail, and none is drawn anew. Now step "
        "downhill until the loss is small: what becomes of σ?"
    ),
) -> Reparameterization:
    """z = mu + sigma * epsilon with fixed draws of epsilon, and the gradient's path.

    The loss is (z - 2)^2 / 2, averaged over twelve draws; its gradients reach mu and
    sigma through z. mu lies in [-3, 3], sigma in [0.05, 2.5].

    Read `.mu` and `.sigma` afterwards.
    """
    if not (-3 <= mu <= 3 and 0.05 <= sigma <= 2.5):
        raise ValueError(
            "mu must lie between -3 and 3 and sigma between 0.05 and 2.5, got "
            f"{mu} and {sigma}."
        )
    return Reparameterization(
        label="The reparameterisation trick", prompt=prompt, mu=mu, sigma=sigma
    )
