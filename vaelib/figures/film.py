"""A film of training: what the model knew after a step, ten steps, an epoch, all."""

from collections.abc import Callable

import torch
import traitlets

from vaelib import _checks as checks
from vaelib._state import evaluating, seeded
from vaelib.data import Images
from vaelib.figures import stills
from vaelib.figures.live import LiveFigure, fixed
from vaelib.figures.models import extent_of, first, scatter
from vaelib.figures.networks import latent_dim
from vaelib.model import VAE
from vaelib.plots import tile

POINTS = 500
GRID = 7  # the decoded plane: 7 x 7 images


class TrainingFilm(LiveFigure):
    """What `Film.figure` shows. frame is its state."""

    modules = ("kit.js", "network.js", "plane.js", "training_film.js")
    height = 560
    frame = fixed(traitlets.Int(0))
    moments = fixed(traitlets.List())
    extent = fixed(traitlets.Float(3.5))
    points = fixed(traitlets.Bytes())
    point_labels = fixed(traitlets.Bytes())
    names = fixed(traitlets.List(traitlets.Unicode()))
    shape = fixed(traitlets.List())
    pictures = fixed(traitlets.Bytes())


class Film:
    """Looks on while a model with two latent dimensions trains.

    A film is a schedule for beta that remembers what it sees when it is asked:

        film = figures.Film(plane, data.test, epochs=5)
        vaelib.fit(plane, data, epochs=5, beta=film)
        film.figure()

    Frames lie close together at the start, where most happens. `beta` is the schedule
    or number that training gets, `frames` how many pictures the film has, and epochs
    what fit is told, so that frames can be named. images beyond the first 500 are left
    out. Weights and torch's random numbers are not touched.
    """

    def __init__(
        self,
        vae: VAE,
        images: Images,
        epochs: float = 1.0,
        frames: int = 16,
        beta: float | Callable[[float], float] = 1.0,
    ):
        checks.model(vae)
        d = latent_dim(vae)
        if d != 2:
            raise ValueError(
                f"a film needs a model with latent_dim=2, this one has {d}."
            )
        if frames < 2:
            raise ValueError(f"frames must be at least 2, got {frames}.")
        self.vae = vae
        self.images = first(images, POINTS)
        self.epochs = epochs
        self.schedule = beta if callable(beta) else lambda fraction: beta
        # Fractions of training 0, then growing by the same factor up to 1.
        grown = torch.logspace(-2.7, 0, frames - 1).tolist()
        self.moments = [0.0, *grown]
        self.seen: list[dict] = []
        self.begun = self.done = 0.0  # this step of training, as fractions of it

    def __call__(self, fraction: float) -> float:
        """The schedule's beta; a frame is taken when its moment has come."""
        if fraction == 0:
            self.seen.clear()
        # This step ends as far from its begin as the one before, unless it is cut off.
        self.begun, self.done = fraction, 2 * fraction - self.begun
        if len(self.seen) < len(self.moments) - 1:
            if fraction >= self.moments[len(self.seen)]:
                self.take(fraction)
        return self.schedule(fraction)

    def take(self, fraction: float) -> None:
        """Keep what the model does now, at this fraction of training."""
        frame = _frame(self.vae, self.images)
        self.seen.append({"epoch": fraction * self.epochs, **frame})

    def figure(
        self,
        names: list[str] | None = None,
        prompt: str = (
            "Play it. The clusters part early, long before the pictures are sharp: in "
            "which order do the digits become readable?"
        ),
    ) -> TrainingFilm:
        """The film as a live figure, with the model as it is now as the last frame."""
        if not self.seen:
            raise ValueError(
                "the film has seen no training: pass it to fit as its schedule, "
                "vaelib.fit(vae, data, beta=film)."
            )
        if self.seen[-1]["epoch"] < self.done * self.epochs:
            self.take(min(1.0, self.done))  # less when training was interrupted
        known = scatter(self.vae, self.images, names)
        pictures = torch.stack([frame["picture"] for frame in self.seen])
        if pictures.ndim == 4:  # colours last, and the page wants them first
            pictures = pictures.permute(0, 3, 1, 2)
        else:
            pictures = pictures.unsqueeze(1)
        figure = TrainingFilm(
            label="The latent plane while the model trains",
            prompt=prompt,
            frame=len(self.seen) - 1,
            moments=[
                {"epoch": round(f["epoch"], 4), "elbo": round(f["elbo"], 2)}
                for f in self.seen
            ],
            extent=extent_of(self.vae, self.images),
            points=b"".join(frame["points"] for frame in self.seen),
            point_labels=known["point_labels"],
            names=known["names"],
            shape=list(pictures.shape[1:]),
            pictures=(pictures * 255).round().to(torch.uint8).numpy().tobytes(),
        )
        chosen = [0, len(pictures) // 2, len(pictures) - 1]
        figure.picture = stills.images(
            pictures[chosen], 3, "The decoded plane early, halfway and at the end."
        )
        return figure


@evaluating
def _frame(vae: VAE, images: Images) -> dict:
    """What a model does: its bound, its codes, its plane as one picture."""
    with seeded(0):
        elbo = vae.elbo(images.x).value.mean().item()
    levels = torch.linspace(0.04, 0.96, GRID)
    quantiles = torch.special.ndtri(levels)
    z2, z1 = torch.meshgrid(quantiles.flip(0), quantiles, indexing="ij")
    decoded = vae.decode(torch.stack([z1, z2], -1).reshape(-1, 2)).mean
    return {
        "elbo": elbo,
        "points": scatter(vae, images)["points"],
        "picture": tile(decoded, columns=GRID, gap=0),
    }
