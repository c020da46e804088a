"""fit: train a VAE in place, and keep the history of its bound."""

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from tqdm.auto import tqdm

from vaelib.devices import device as find_device
from vaelib.model import VAE, Elbo, check_images

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
    A loss that is not finite raises FloatingPointError and leaves the model as it was
    at the start of the epoch.
    """
    _check_arguments(epochs, batch_size, lr)
    train, test = _images(data, vae)
    device = find_device(device)
    vae.to(device)
    train = train.to(device)
    schedule = beta if callable(beta) else lambda fraction: beta
    adam = torch.optim.Adam(vae.parameters(), lr=lr, fused=True)
    history, meter, was_training = History(), None, vae.training
    # tqdm's own switch, which its notebook bar does not look at.
    hidden = not progress or bool(os.environ.get("TQDM_DISABLE"))
    bar = tqdm(
        total=epochs * len(train), unit=" images", unit_scale=True, disable=hidden
    )
    forked = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(forked), bar:
        torch.manual_seed(seed)
        try:
            for epoch in range(1, epochs + 1):
                vae.train()
                meter = Meter(epoch, epochs, len(train), device, bar)
                train_epoch(vae, train, adam, batch_size, schedule, meter)
                row = meter.row()
                if test is not None:
                    terms = evaluate(vae, test)
                    row |= {f"test_{name}": value for name, value in terms.items()}
                history.rows.append(row)
                meter = None
        except KeyboardInterrupt:
            history.interrupted = True
            if meter is not None and meter.images:
                history.rows.append(meter.row())
        finally:
            vae.train(was_training)
    return history


def train_epoch(vae, x, adam, batch_size, schedule, meter) -> None:
    before = {name: value.clone() for name, value in vae.state_dict().items()}
    batches = torch.randperm(len(x), device=x.device).split(batch_size)
    check_every = CHECK_EVERY.get(x.device.type, CHECK_EVERY_ON_GPU)
    for step, batch in enumerate(batches, start=1):
        fraction = (meter.epoch - 1 + (step - 1) / len(batches)) / meter.epochs
        elbo = vae.elbo(x[batch], beta=schedule(fraction), validate=False)
        adam.zero_grad()
        (-elbo.value.mean()).backward()
        meter.add(elbo)
        look = step % check_every == 0 or step == len(batches)
        if look and not meter.is_finite():
            vae.load_state_dict(before)
            raise FloatingPointError(_explosion(meter.epoch, step, len(batches)))
        adam.step()


def _explosion(epoch: int, step: int, steps: int) -> str:
    return (
        f"The loss stopped being finite in epoch {epoch}, at or shortly before step "
        f"{step} of {steps}. Try a learning rate ten times smaller, or look at the "
        "last layers for exploding values; the model is back where this epoch began."
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
        self.sums += terms.sum(1)
        self.images += terms.shape[1]
        self.beta = float(elbo.beta)
        self.bar.update(terms.shape[1])
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
    check_images(x, vae.shape)
    was_training = vae.training
    vae.eval()
    sums = torch.zeros(2, device=vae.device)
    for batch in x.split(batch_size):
        elbo = vae.elbo(batch.to(vae.device), validate=False)
        sums += torch.stack([elbo.reconstruction, elbo.kl]).sum(1)
    vae.train(was_training)
    reconstruction, kl = (sums / len(x)).tolist()
    return {"elbo": reconstruction - kl, "reconstruction": reconstruction, "kl": kl}


def _images(data, vae: VAE) -> tuple[Tensor, Tensor | None]:
    """Training and test images as checked tensors; test is None where there is none."""
    if isinstance(data, Tensor):
        train, test = data, None
    elif hasattr(data, "train") and hasattr(data, "test"):
        train, test = data.train.x, data.test.x
    else:
        raise TypeError(
            "data must be what vaelib.load returns, or a tensor of images "
            f"(N, C, H, W), got {type(data).__name__}."
        )
    for x in (train, test):
        if x is not None:
            check_images(x, vae.shape)
    return train, test


def _check_arguments(epochs: int, batch_size: int, lr: float) -> None:
    for name, value in [("epochs", epochs), ("batch_size", batch_size)]:
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a whole number from 1 on, got {value!r}.")
    if not 0 < lr < math.inf:
        raise ValueError(f"lr must be a positive number, got {lr!r}.")
