"""fit: train a VAE in place, and keep the history of its bound."""

import contextlib
import math
import os
import random
import time
from dataclasses import dataclass, field

import torch
from torch import Tensor
from tqdm.auto import tqdm

from vaelib import _checks as checks
from vaelib._state import mode, seeded, uninterrupted
from vaelib.batches import Batches
from vaelib.checkpoint import Checkpoint
from vaelib.devices import autocast, fast_float32
from vaelib.devices import device as find_device
from vaelib.model import VAE, Elbo
from vaelib.processes import Processes
from vaelib.schedules import Schedule, one_cycle
from vaelib.threads import Threads

REFRESH_SECONDS = 0.3  # between two updates of the progress bar's numbers
# One process on a CPU checks every loss; on a GPU each look waits for the device, and
# in several processes for the slowest.
CHECK_EVERY = {"cpu": 1}
CHECK_SELDOM = 50

# fit(vae, data, **FAST) reaches on MNIST what the defaults reach in ten epochs, in a
# fraction of the time: chapter 9 and the benchmark say how small a one.
FAST = {
    "epochs": 4,
    "batch_size": 256,
    "lr": one_cycle(peak=8e-3),
    "precision": "fastest",
    "start_at_mean": True,
}


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
        known = self._columns()
        if name not in known:
            raise KeyError(f"no column {name!r}; there are: {', '.join(known)}")
        return [row.get(name, math.nan) for row in self.rows]

    def _columns(self) -> list[str]:
        """In the order of their first appearance: not each row need have all."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def plot(self):
        """A figure of the bound and its two terms over the epochs."""
        from vaelib.plots import losses

        return losses(self)

    def __repr__(self) -> str:
        if not self.rows:
            return "History of no epoch" + " (interrupted)" * self.interrupted
        names = self._columns()
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
    lr: float | Schedule = 1e-3,
    beta: float | Schedule = 1.0,
    seed: int = 0,
    device=None,
    progress: bool = True,
    precision: str = "float32",
    start_at_mean: bool = False,
    checkpoint=None,
) -> History:
    """Train vae in place with Adam on the negative ELBO, mean over the batch.

    data is what vaelib.load returns (its test images are evaluated after each epoch)
    or images (N, C, H, W): a tensor, or a memory-mapped array, which streams (see
    vaelib.batches). lr and beta may be schedules, functions of the fraction of
    training done (see vaelib.schedules). The model moves to device, by default the
    best one here, and stays there. The same seed on the same device gives the same
    result, and torch's own random state is left as it was. On a CPU whose cores are
    busy with something else fewer threads are used (see vaelib.threads).

    precision is "float32", "bfloat16" or "fastest" (see vaelib.devices.autocast).
    With start_at_mean the decoder's last bias is first set so that it begins at the
    mean image (as in the code of Burda et al. (2016)).

    checkpoint names a file to be written after each epoch. If it is there already,
    with the same settings, training goes on after its last epoch and ends where it
    would have ended without a break; a finished training is loaded, not repeated.

    In processes that torchrun has started (see vaelib.train) each trains on its part
    of every batch, and all end with the same model and history.

    Interrupting (Ctrl-C, the notebook's stop button) returns the history so far, the
    last row that of a part of an epoch, and leaves the model as trained until then;
    .interrupted says so, for a loop of trainings that should end, too.
    A loss or weight that is not finite raises FloatingPointError, whose .history
    holds the epochs so far, and leaves the model as it was when an epoch last began
    with a finite loss. Any other error has the .history so far, too; ConnectionError
    says that another process has died.
    """
    epochs = checks.count("epochs", epochs)
    batch_size = checks.count("batch_size", batch_size)
    seed = checks.count("seed", seed, least=0)
    device = find_device(device)
    processes = Processes.here(device)
    checks.model(vae)
    if not any(p.requires_grad for p in vae.parameters()):
        raise ValueError(
            "There is nothing to train: no weight of vae asks for a gradient; "
            "vae.requires_grad_() makes all of them ask."
        )
    train, test = _images(data, vae)
    vae.to(device)
    batches = Batches(train, batch_size, vae, processes)
    networks = autocast(precision, device)
    history, meter = History(), None
    try:
        with uninterrupted():  # the first optimizer imports much of torch
            adam = torch.optim.Adam(vae.parameters(), fused=True)
    except KeyboardInterrupt:
        history.interrupted = True
        return history
    if checkpoint is not None:
        settings = _settings(vae, batches, epochs, lr, beta, seed, precision)
        settings["start_at_mean"] = start_at_mean
        checkpoint = Checkpoint(checkpoint, settings, epochs, processes)
        history.rows += checkpoint.read(vae, adam)
    if start_at_mean and not history.rows:
        _start_at_mean(vae, batches.mean())
    bound, good = processes.bound(vae), _snapshot(vae)
    # tqdm's own switch, which its notebook bar does not look at.
    hidden = not progress or os.environ.get("TQDM_DISABLE", "0") not in ("", "0")
    bar = tqdm(
        total=epochs * batches.images,
        initial=len(history) * batches.images,
        unit=" images",
        unit_scale=True,
        disable=hidden or processes.rank > 0,
    )
    with (
        seeded(seed),
        bar,
        processes.interruptible(),
        fast_float32(device),
        Threads.of(device) as threads,
    ):
        try:
            for epoch in range(len(history) + 1, epochs + 1):
                # From these alone, so that an epoch does not depend on a break before.
                torch.manual_seed(_mixed("noise", seed, epoch, processes.rank))
                pairs = threads.steer(batches.epoch(_mixed("order", seed, epoch)))
                meter = Meter(epoch, epochs, batches, processes, bar)
                with mode(vae, training=True), meter.invalid_values():
                    train_epoch(
                        vae, bound, pairs, adam, lr, beta, networks, meter, good
                    )
                history.rows.append(meter.row() | _test_terms(vae, test, processes))
                if checkpoint:
                    checkpoint.write(vae, adam, history.rows)
        except KeyboardInterrupt:
            history.interrupted = True
            if meter and meter.images and len(history) < meter.epoch:
                history.rows.append(meter.row())
                with contextlib.suppress(KeyboardInterrupt):  # pressed twice: at once
                    history.rows[-1] |= _test_terms(vae, test, processes)
        except FloatingPointError as error:
            vae.load_state_dict(good)
            error.history = history
            raise
        except RuntimeError as error:
            error.history = history
            if not processes.has_lost_one(error):
                raise
            raise ConnectionError(
                f"Another process of this training died in epoch {len(history) + 1}. "
                "Start all of them again; with a checkpoint, fit goes on after the "
                "last whole epoch."
            ) from error
        except Exception as error:  # a full disk, a schedule, a model put together
            error.history = history
            raise
        finally:
            adam.zero_grad()
    return history


def train_epoch(vae, bound, pairs, adam, lr, beta, networks, meter, good):
    """One pass over random batches; good gets the weights it starts from."""
    for step, (x, size) in enumerate(pairs, start=1):
        done = (meter.epoch - 1 + (step - 1) / meter.steps) / meter.epochs
        adam.param_groups[0]["lr"] = _at("lr", lr, done)
        with networks:
            elbo = bound(x, beta=_at("beta", beta, done))
        adam.zero_grad()
        (-elbo.value.sum() / size).backward()  # the mean, over all processes
        meter.add(elbo, size)
        if meter.is_due(step):
            meter.look(step)  # raises when the loss is not finite
        if step == 1:  # these weights have just given a finite loss
            _has_all_weights(vae, elbo.value)
            good.update(_snapshot(vae))
        adam.step()
    meter.look(step, weights=list(vae.parameters()))


def _has_all_weights(vae: VAE, result: Tensor) -> None:
    """Raise when result depends on a weight that is not among the model's."""
    known = {id(p) for p in vae.parameters()}
    seen, stack = set(), [result.grad_fn]
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        stack += [following for following, _ in node.next_functions]
        weight = getattr(node, "variable", None)
        if weight is not None and id(weight) not in known:
            raise ValueError(
                f"The bound depends on a weight of shape {tuple(weight.shape)} that "
                "vae.parameters() does not give, so it would not be trained: write "
                "the encoder and decoder as nn.Module, with their layers in "
                "attributes, or freeze that weight with requires_grad_(False)."
            )


def _snapshot(vae) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in vae.state_dict().items()}


def _at(name: str, value: float | Schedule, done: float) -> float:
    """lr or beta when this fraction of training is done."""
    given = value(done) if callable(value) else value
    try:
        number = float(given)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or (name == "lr" and number <= 0):
        kind = "positive" if name == "lr" else "finite"
        raise ValueError(
            f"{name} must be a {kind} number, or a function that gives one for the "
            f"fraction of training done, such as those of vaelib.schedules; at "
            f"{done:.3f} it is {given!r}."
        )
    return number


def _mixed(*parts: str | int) -> int:
    """One seed from a purpose and numbers; neighbours give unrelated ones."""
    return random.Random(repr(parts)).getrandbits(63)


def _settings(vae, batches, epochs, lr, beta, seed, precision) -> dict:
    """What a training's result depends on, for its checkpoint."""

    def described(value):
        if not callable(value):
            return repr(value)
        name = getattr(value, "__qualname__", type(value).__qualname__)
        if name.endswith("<lambda>"):  # they all have this name
            values = ", ".join(f"{value(done):g}" for done in (0.0, 0.3, 0.7))
            return f"{name} with the values {values} at 0, 0.3 and 0.7"
        return name

    settings = {
        "model": vae.config,
        "images": batches.images,
        "pixels": batches.fingerprint(),
        "batch_size": batches.batch_size,
        "lr": described(lr),
        "beta": described(beta),
        "seed": seed,
        "precision": precision,
    }
    if callable(lr) or callable(beta):  # else more epochs may be asked for later
        settings["epochs"] = epochs
    return settings


@torch.no_grad()
def _start_at_mean(vae: VAE, mean: Tensor) -> None:
    """Let the decoder's logits begin at those of the mean image, whatever z is."""
    biases = [getattr(layer, "bias", None) for layer in _modules(vae.decoder)]
    bias = next((b for b in reversed(biases) if b is not None), None)
    channels = len(mean)
    if bias is not None and bias.numel() == channels:  # of a convolution
        mean = mean.reshape(channels, -1).mean(1)
    mean = mean.flatten()
    if bias is None or bias.shape != mean.shape:
        raise ValueError(
            "start_at_mean needs a decoder whose last layer has a bias for each pixel "
            "or each channel; leave it out for this one."
        )
    bias.copy_(mean.clamp(1e-3, 1 - 1e-3).logit())


def _modules(part) -> list:
    return list(part.modules()) if hasattr(part, "modules") else []


class Meter:
    """Running sums of the bound's terms over an epoch, kept on the device."""

    def __init__(self, epoch: int, epochs: int, batches: Batches, processes, bar):
        self.epoch, self.epochs, self.steps = epoch, epochs, len(batches)
        self.size, self.processes, self.bar = batches.images, processes, bar
        self.sums = torch.zeros(2, device=batches.device)  # reconstruction, kl
        self.images, self.beta = 0, 1.0
        self.every = CHECK_SELDOM
        if processes.world == 1:
            self.every = CHECK_EVERY.get(batches.device.type, CHECK_SELDOM)
        self.due = 1
        self.start = self.shown = time.perf_counter()
        bar.set_description(f"epoch {epoch}/{epochs}")

    def add(self, elbo: Elbo, size: float) -> None:
        terms = torch.stack([elbo.reconstruction.detach(), elbo.kl.detach()])
        new = terms.shape[1]
        # Together, so that an interrupt cannot come between the sum and its count.
        self.sums, self.images = self.sums + _summed(terms), self.images + new
        self.beta = elbo.beta
        self.bar.update(round(size * self.processes.world))

    def is_due(self, step: int) -> bool:
        return step >= self.due

    def look(self, step: int, weights=()) -> None:
        """Wait for the device, ask all processes, and show where training is.

        Raises FloatingPointError when the loss or one of the weights is not finite,
        and KeyboardInterrupt when another process was interrupted.
        """
        finite = [w.isfinite().all() for w in weights]
        broken = bool(finite) and not torch.stack(finite).all().item()
        now = time.perf_counter()
        *sums, images, seconds, broken, stop = self.processes.total(
            [*self.sums.tolist(), self.images, now - self.start, broken]
            + [self.processes.stop]
        )
        if broken or not all(map(math.isfinite, sums)):
            raise self.not_finite(step)
        if stop:
            raise KeyboardInterrupt
        # About once a second where steps are slow, so that Ctrl-C need not wait.
        pace = step * self.processes.world / max(seconds, 1e-9)
        self.due = step + max(1, min(self.every, int(pace)))
        if not self.bar.disable and now - self.shown > REFRESH_SECONDS:
            self.shown = now
            reconstruction, kl = (total / images for total in sums)
            self.bar.set_postfix_str(
                f"ELBO {reconstruction - kl:.1f}, "
                f"reconstruction {reconstruction:.1f}, KL {kl:.1f}",
                refresh=False,
            )

    @contextlib.contextmanager
    def invalid_values(self):
        """What torch's own check of a distribution's arguments says, in fit's words."""
        try:
            yield
        except ValueError as error:
            began = self.epoch > 1 or self.images  # else it never worked
            if began and "invalid values" in str(error):
                step = 1 + self.images * self.steps // self.size
                raise self.not_finite(step) from error
            raise

    def not_finite(self, step: int) -> FloatingPointError:
        return FloatingPointError(
            f"The loss stopped being finite in epoch {self.epoch}, at or shortly "
            f"before step {step} of {self.steps}. Try a learning rate ten times "
            "smaller, or look at the last layers for exploding values; the model "
            "is back where an epoch last began with a finite loss."
        )

    def row(self) -> dict:
        """Means over the images seen; epoch is a fraction when it was cut short."""
        *sums, images = self.processes.total([*self.sums.tolist(), self.images])
        reconstruction, kl = (total / images for total in sums)
        seconds = time.perf_counter() - self.start
        done = images / self.size
        return {
            "epoch": self.epoch if done == 1 else self.epoch - 1 + done,
            "elbo": reconstruction - kl,
            "reconstruction": reconstruction,
            "kl": kl,
            "beta": self.beta,
            "seconds": seconds,
            "images_per_second": images / seconds,
        }


def _summed(terms: Tensor) -> Tensor:
    """Over the batch, in single precision at least: float16 ends at 65,504."""
    return terms.sum(1, dtype=torch.promote_types(terms.dtype, torch.float32))


def evaluate(vae: VAE, x: Tensor, batch_size: int = 1000) -> dict[str, float]:
    """Mean elbo, reconstruction and kl over images x (N, C, H, W), in nats an image.

    One draw of z an image, in batches. The elbo is that of beta = 1.
    """
    checks.images(x, vae.shape)
    return _evaluate(vae, x, Processes(), checks.count("batch_size", batch_size))


def _test_terms(vae, test, processes) -> dict[str, float]:
    """What a row says of the test images, where there are any."""
    if test is None:
        return {}
    terms = _evaluate(vae, test, processes)
    return {f"test_{name}": value for name, value in terms.items()}


@torch.no_grad()
def _evaluate(vae, x, processes, batch_size: int = 1000) -> dict[str, float]:
    mine = x.tensor_split(processes.world)[processes.rank]
    sums = torch.zeros(2, device=vae.device)
    with mode(vae, training=False), fast_float32(vae.device):
        for batch in mine.split(batch_size):
            elbo = vae.elbo(vae.prepared(batch), validate=False)
            sums += _summed(torch.stack([elbo.reconstruction, elbo.kl]))
    totals = processes.total(sums.tolist())
    reconstruction, kl = (total / len(x) for total in totals)
    return {"elbo": reconstruction - kl, "reconstruction": reconstruction, "kl": kl}


def _images(data, vae: VAE) -> tuple:
    """Training and test images; test is None where there is none, else checked."""
    if hasattr(data, "train") and hasattr(data, "test"):
        checks.images(data.test.x, vae.shape)
        return data.train.x, data.test.x
    return getattr(data, "x", data), None
