"""What a computation may change for a while, and puts back whatever happens."""

from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def mode(module: nn.Module, training: bool):
    """Training or evaluation mode for a while; each submodule gets back its own."""
    before = [(part, part.training) for part in module.modules()]
    module.train(training)
    try:
        yield
    finally:
        for part, was_training in before:
            part.training = was_training


@contextmanager
def seeded(seed: int):
    """Random numbers from this seed for a while, on every device."""
    cpu = torch.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else None
    mps = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None
    torch.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(cpu)
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)
        if mps is not None:
            torch.mps.set_rng_state(mps)
