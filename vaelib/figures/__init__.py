"""Figures that move: on the book's website without a kernel, in notebooks with one.

`from vaelib import figures`, then for instance `figures.gaussian_kl()`. Needs the
package anywidget. How it works is in `vaelib/figures/live.py`.
"""

from vaelib.figures.closed_form import (
    bayes,
    elbo_gap,
    gaussian_kl,
    reparameterization,
)
from vaelib.figures.film import Film
from vaelib.figures.live import LiveFigure
from vaelib.figures.models import (
    draw_digit,
    interpolation,
    latent_explorer,
    loss_scales,
)
from vaelib.figures.quiz import Quiz

__all__ = [
    "Film",
    "LiveFigure",
    "Quiz",
    "bayes",
    "draw_digit",
    "elbo_gap",
    "gaussian_kl",
    "interpolation",
    "latent_explorer",
    "loss_scales",
    "reparameterization",
]
