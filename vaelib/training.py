"""fit: train a VAE in place, and keep the history of its bound."""

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from tqdm.auto import tqdm

from vaelib import _checks as checks
from vaelib._state import mode, seeded
from vaelib.devices import device as find_device
from vaelib.model import VAE, Elbo

REFRESH_SECONDS = 0.3  # between two updates of the progress bar's numbers
# On a CPU every loss is checked; on a GPU each look waits for the device.
CHECK_EVERY = {"cpu": 1}
CHECK_EVERY_ON_GPU = 50


@dataclass
class History:
    """What training did: a row an epoch, terms in nats an image.

    Rows hold epoch, elbo, reconstruction and kl (means over the epoch's batches),
    beta, seconds, images_per_second and, when there are test images, test_elbo,
    test_reconstruction and test_kl after the epoch. history["elbo"] is a column. The
    ELBO is that of beta = 1, whatever beta the model was trained with.
    """

    rows: list[dict] = field(default_factory=list)
    interrupted: bool = False

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self):
        return iter(self.rows)

    def __getitem__(self, name: str) -> list:
        known = list(self.rows[0]) if self.rows else []
        if name not in known:
            raise KeyError(f"no column {name!r}; there are: {', '.join(known)}")
        return [row.get(name, math.nan) for row in self.rows]

    def plot(self):
        """A figure of the bound and its two terms over the epochs."""
        from vaelib.plots import losses

        return losses(self)

    def __repr__(self) -> str:
        if not self.rows:
            return "History of no epoch" + " (interrupted)" * self.interrupted
        names = list(self.rows[0])
        widths = [max(len(name), 8) for name in names]
        columns = list(zip(names, widths, strict=True))
        lines = ["  ".join(f"{name:>{width}}" for name, width in columns)]
        for row in self.rows:
            values = [(row.get(name, math.nan), width) for name, width in columns]
            lines.append("  ".join(f"{value:>{width}.6g}" for value, width in values))
        return "\n".join(lines + ["(interrupted)"] * self.interrupted)


def fit(
    vae: VAE,
    data,
    epochs: int = 10,
    batch_size: int = 128,
    lr: float = 1e-3,
    beta: float | Callable[[float], float] = 1.0,
    seed: int = 0,
    device=None,
    progress: bool = True,
) -> History:
    """Train vae in place with Adam on the negative ELBO, mean over the batch.

    data is what vaelib.load returns (its test images are evaluated after each epoch)
    or a tensor of images (N, C, H, W). beta may be a schedule, a function of the
    fraction of training done (see vaelib.schedules). The model moves to device, by
    default the best one here, and stays there. The same seed on the same device gives
    the same result, and torch's own random state is left as it was.

    Interrupting (Ctrl-C, the notebook's stop button) returns the history so far, the
    last row that of a part of an epoch, and leaves the model as trained until then.
    A loss or weight that is not finite raises FloatingPointError, whose .history
    holds the epochs so far, and leaves the model as it was when an epoch last began
    with a finite loss.
    """
    epochs = checks.count("epochs", epochs)
    batch_size = checks.count("batch_size", batch_size)
    lr, seed = checks.positive("lr", lr), checks.count("seed", seed, least=0)
    train, test = _images(data, vae)
    device = find_device(device)
    vae.to(device)
    train = vae.prepared(train).detach()
    adam = torch.optim.Adam(vae.parameters(), lr=lr, fused=True)
    history, meter, good = History(), None, _snapshot(vae)
    # tqdm's own switch, which its notebook bar does not look at.
    hidden = not progress or os.environ.get("TQDM_DISABLE", "0") not in ("", "0")
    bar = tqdm(
        total=epochs * len(train), unit=" images", unit_scale=True, disable=hidden
    )
    with seeded(seed), bar:
        try:
            for epoch in range(1, epochs + 1):
                meter = Meter(epoch, epochs, len(train), device, bar)
                with mode(vae, training=True):
                    train_epoch(vae, train, adam, batch_size, beta, meter, good)
                row = meter.row()
                if test is not None:
                    terms = evaluate(vae, test)
                    row |= {f"test_{name}": value for name, value in terms.items()}
                history.rows.append(row)
        except KeyboardInterrupt:
            history.interrupted = True
            if meter and meter.images and len(history) < meter.epoch:
                history.rows.append(meter.row())
        except FloatingPointError as error:
            vae.load_state_dict(good)
            error.history = history
            raise
        finally:
            adam.zero_grad()
    return history


def train_epoch(vae, x, adam, batch_size, beta, meter, good) -> None:
    """One pass over x in random batches. Fills good with the weights it starts from."""
    batches = torch.randperm(len(x), device=x.device).split(batch_size)
    every = CHECK_EVERY.get(x.device.type, CHECK_EVERY_ON_GPU)
    for step, batch in enumerate(batches, start=1):
        done = (meter.epoch - 1 + (step - 1) / len(batches)) / meter.epochs
        elbo = vae.elbo(x[batch], beta=_beta_at(beta, done), validate=False)
        adam.zero_grad()
        (-elbo.value.mean()).backward()
        meter.add(elbo)
        if step == 1 or step % every == 0:
            _require(meter.is_finite(), meter.epoch, step, len(batches))
        if step == 1:  # these weights have just given a finite loss
            good.update(_snapshot(vae))
        adam.step()
    finite = torch.stack([p.isfinite().all() for p in vae.parameters()]).all()
    _require(meter.is_finite() and finite, meter.epoch, len(batches), len(batches))


def _snapshot(vae) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in vae.state_dict().items()}


def _beta_at(beta, done: float) -> float:
    """The weight of the KL when this fraction of training is done."""
    value = beta(done) if callable(beta) else beta
    try:
        value = float(value)
    except (TypeError, ValueError):
        pass
    if not isinstance(value, float) or not math.isfinite(value):
        raise ValueError(
            "beta must be a finite number, or a function that gives one for the "
            f"fraction of training done, such as vaelib.schedules.linear(); at "
            f"{done:.3f} it is {value!r}."
        )
    return value


def _require(finite: bool, epoch: int, step: int, steps: int) -> None:
    if not finite:
        raise FloatingPointError(
            f"The loss stopped being finite in epoch {epoch}, at or shortly before "
            f"step {step} of {steps}. Try a learning rate ten times smaller, or look "
            "at the last layers for exploding values; the model is back where an "
            "epoch last began with a finite loss."
        )


class Meter:
    """Running sums of the bound's terms over an epoch, kept on the device."""

    def __init__(self, epoch: int, epochs: int, size: int, device, bar):
        self.epoch, self.epochs, self.size, self.bar = epoch, epochs, size, bar
        self.sums = torch.zeros(2, device=device)  # reconstruction, kl
        self.images, self.beta = 0, 1.0
        self.start = self.shown = time.perf_counter()
        bar.set_description(f"epoch {epoch}/{epochs}")

    def add(self, elbo: Elbo) -> None:
        terms = torch.stack([elbo.reconstruction.detach(), elbo.kl.detach()])
        new = terms.shape[1]
        # Together, so that an interrupt cannot come between the sum and its count.
        self.sums, self.images = self.sums + terms.sum(1), self.images + new
        self.beta = elbo.beta
        self.bar.update(new)
        now = time.perf_counter()
        if not self.bar.disable and now - self.shown > REFRESH_SECONDS:
            self.shown = now
            reconstruction, kl = self.means()
            self.bar.set_postfix_str(
                f"ELBO {reconstruction - kl:.1f}, "
                f"reconstruction {reconstruction:.1f}, KL {kl:.1f}",
                refresh=False,
            )

    def is_finite(self) -> bool:
        return bool(self.sums.isfinite().all())

    def means(self) -> list[float]:
        return (self.sums / self.images).tolist()

    def row(self) -> dict:
        """Means over the images seen; epoch is a fraction when it was cut short."""
        reconstruction, kl = self.means()
        seconds = time.perf_counter() - self.start
        done = self.images / self.size
        return {
            "epoch": self.epoch if done == 1 else self.epoch - 1 + done,
            "elbo": reconstruction - kl,
            "reconstruction": reconstruction,
            "kl": kl,
            "beta": self.beta,
            "seconds": seconds,
            "images_per_second": self.images / seconds,
        }


@torch.no_grad()
def evaluate(vae: VAE, x: Tensor, batch_size: int = 1000) -> dict[str, float]:
    """Mean elbo, reconstruction and kl over images x (N, C, H, W), in nats an image.

    One draw of z an image, in batches. The elbo is that of beta = 1.
    """
    checks.images(x, vae.shape)
    sums = torch.zeros(2, device=vae.device)
    with mode(vae, training=False):
        for batch in x.split(checks.count("batch_size", batch_size)):
            elbo = vae.elbo(vae.prepared(batch), validate=False)
            sums += torch.stack([elbo.reconstruction, elbo.kl]).sum(1)
    reconstruction, kl = (sums / len(x)).tolist()
    return {"elbo": reconstruction - kl, "reconstruction": reconstruction, "kl": kl}


def _images(data, vae: VAE) -> tuple[Tensor, Tensor | None]:
    """Training and test images, checked; test is None where there is none."""
    if hasattr(data, "train") and hasattr(data, "test"):
        train, test = data.train.x, data.test.x
    else:
        train, test = getattr(data, "x", data), None
    for x in (train, test):
        if x is not None:
            checks.images(x, vae.shape)
    return train, test
