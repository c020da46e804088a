"""Several processes that train one model, each on its part of every batch.

torchrun starts them; each calls torch.distributed.init_process_group and then
vaelib.fit, as `python -m vaelib.train` does.
"""

import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from vaelib.model import VAE, Elbo


class Bound(nn.Module):
    """vae.elbo as a module, which is what DistributedDataParallel wraps."""

    def __init__(self, vae: VAE):
        super().__init__()
        self.vae = vae

    def forward(self, x: Tensor, beta: float) -> Elbo:
        if len(x):
            return self.vae.elbo(x, beta=beta, validate=False)
        # No image came to this process, but its gradient, zero, is waited for; and a
        # network may need an image.
        one = x.new_zeros(1, *x.shape[1:])
        elbo = self.vae.elbo(one, beta=beta, validate=False)
        return elbo._replace(reconstruction=elbo.reconstruction[:0], kl=elbo.kl[:0])


@dataclass
class Processes:
    """Which of how many this one is, and what they tell each other."""

    rank: int = 0
    world: int = 1
    device: torch.device | str = "cpu"
    stop: bool = False  # someone pressed Ctrl-C

    @classmethod
    def here(cls, device: torch.device) -> "Processes":
        if not (dist.is_available() and dist.is_initialized()):
            return cls()
        return cls(dist.get_rank(), dist.get_world_size(), device)

    def bound(self, vae: VAE) -> nn.Module:
        """The bound whose backward() gives every process the mean of all gradients."""
        if self.world == 1:
            return Bound(vae)
        return DistributedDataParallel(Bound(vae))

    def total(self, values: list[float]) -> list[float]:
        """Each value summed over the processes."""
        if self.world == 1:
            return values
        sums = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(sums)
        return sums.tolist()

    @contextmanager
    def interruptible(self):
        """Let Ctrl-C wait until all of them look, so that all stop at one step."""
        if self.world == 1 or threading.current_thread() != threading.main_thread():
            yield
            return

        def remember(number, frame):
            self.stop = True
            signal.signal(signal.SIGINT, before)  # a second Ctrl-C does not wait

        before = signal.signal(signal.SIGINT, remember)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def has_lost_one(self, error: Exception) -> bool:
        """Whether an error means that another process is not there any more."""
        signs = ("peer", "gloo", "nccl")
        text = str(error).lower()
        return self.world > 1 and (
            isinstance(error, dist.DistBackendError)
            or any(sign in text for sign in signs)
        )
