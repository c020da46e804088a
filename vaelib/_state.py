"""What a computation may change for a while, and puts back whatever happens."""

import functools
import signal
import threading
from contextlib import contextmanager

import torch
from torch import nn

from vaelib import _checks as checks


@contextmanager
def mode(module: nn.Module, training: bool):
    """Training or evaluation mode for a while; each submodule gets back its own."""
    if not isinstance(module, nn.Module):  # explore takes whatever decodes
        yield
        return
    before = [(part, part.training) for part in module.modules()]
    module.train(training)
    try:
        yield
    finally:
        for part, was_training in before:
            part.training = was_training


def evaluating(function):
    """For functions that look at a model, their first argument, and do not train it.

    Inside, the model is in evaluation mode, and nothing asks for gradients.
    """

    @functools.wraps(function)
    def evaluated(vae, *arguments, **options):
        checks.model(vae)
        with torch.no_grad(), mode(vae, training=False):
            return function(vae, *arguments, **options)

    return evaluated


@contextmanager
def uninterrupted():
    """Let Ctrl-C wait until the end, where it then is KeyboardInterrupt.

    For what must not be left half done, such as an import that comes late: Python
    keeps modules that were imported in part, and nothing works with them.
    """
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT)
    if not (main and callable(before)):  # nobody listens to Ctrl-C here
        yield
        return
    pressed = []
    signal.signal(signal.SIGINT, lambda *_: pressed.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt


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
