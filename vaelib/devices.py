"""Where to compute, and in which precision."""

import functools
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

import torch

PRECISIONS = ("float32", "bfloat16", "fastest")

Amount = TypeVar("Amount")


def device(name: str | torch.device | None = None) -> torch.device:
    """The best device here (CUDA, else Apple's MPS, else CPU), or the one asked for.

    Raises ValueError when the device asked for is not there.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name is None:
        return torch.device(next(kind for kind, there in available.items() if there))
    try:
        wanted = torch.device(name)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"device must be 'cuda', 'mps' or 'cpu', got {name!r}."
        ) from error
    missing = not available.get(wanted.type, False)
    if wanted.type == "cuda" and not missing:
        missing = (wanted.index or 0) >= torch.cuda.device_count()
    if missing:
        best = next(kind for kind, there in available.items() if there)
        raise ValueError(
            f"device {str(name)!r} is not available on this machine; leave device out "
            f"to use {best!r}."
        )
    return wanted


def budget(*, cpu: Amount, gpu: Amount) -> Amount:
    """How much to do: `gpu` where there is a GPU (CUDA or MPS), else `cpu`.

    A chapter takes seconds on a CPU and may do more on a GPU: more images, more draws.
    The environment variable VAELIB_BUDGET, "cpu" or "gpu", overrules what is there.
    Raises ValueError when it says anything else.
    """
    here = "cpu" if device().type == "cpu" else "gpu"
    chosen = os.environ.get("VAELIB_BUDGET") or here
    if chosen not in ("cpu", "gpu"):
        raise ValueError(
            "The environment variable VAELIB_BUDGET must be 'cpu' or 'gpu', got "
            f"{chosen!r}; unset it to go by the device, which is {here!r} here."
        )
    return {"cpu": cpu, "gpu": gpu}[chosen]


def autocast(precision: str, device: torch.device) -> AbstractContextManager:
    """A context in which networks multiply in this precision.

    "float32" changes nothing. "bfloat16" rounds the factors of matrix products to 8
    significant bits; weights, sums and everything after the networks stay as they
    are. "fastest" is bfloat16 on a CPU that multiplies it faster, else float32: small
    models on a GPU wait for launches, not for arithmetic.
    """
    if precision not in PRECISIONS:
        raise ValueError(
            f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}."
        )
    lower = precision == "bfloat16" or (
        precision == "fastest" and device.type == "cpu" and _bfloat16_is_faster()
    )
    return torch.autocast(device.type, torch.bfloat16) if lower else nullcontext()


@contextmanager
def fast_float32(device: torch.device) -> Iterator[None]:
    """A context in which a CPU makes float32 products as fast as PyTorch can.

    PyTorch lets MKL multiply, and carries oneDNN too, which on processors with AVX-512
    that are not Intel's is about twice as fast. Its one public switch to oneDNN is
    torch.set_float32_matmul_precision("medium"), which permits rounding to bfloat16.
    Few processors make use of that. Here the switch is set only where a product shows
    that it is faster and still exact to float32, and where nobody else has set it.
    """
    if device.type == "cpu" and _setting() == "highest" and _medium_pays():
        with _medium():
            yield
    else:
        yield


def _setting() -> str:
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:  # set already, through torch.backends, where this cannot tell
        return "unknown"


@contextmanager
def _medium() -> Iterator[None]:
    torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision("highest")


@functools.cache
def _medium_pays() -> bool:
    """Whether it is faster on this CPU, and exact; asked once a process."""
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.rand(512, 512, generator=generator) for _ in range(2))
    exact = a.double() @ b.double()

    def medium():
        with _medium():
            return a @ b

    def error(product):
        return (product - exact).abs().max()

    # Sums in another order change it by a factor of two or three, bfloat16 by 10^3.
    if error(medium()) > 10 * error(a @ b):
        return False
    return _is_faster(medium, lambda: a @ b)


@functools.cache
def _bfloat16_is_faster() -> bool:
    """Whether this CPU multiplies bfloat16 clearly faster; asked once a process."""
    a = torch.ones(512, 512)
    b = a.bfloat16()
    return _is_faster(lambda: b @ b, lambda: a @ a)


def _is_faster(new: Callable, old: Callable, repeats: int = 9) -> bool:
    """Whether the best of some runs is clearly faster; they take turns."""
    best = [math.inf, math.inf]
    for _ in range(repeats):
        for i, product in enumerate((new, old)):
            start = time.perf_counter()
            product()
            best[i] = min(best[i], time.perf_counter() - start)
    return best[0] * 1.3 < best[1]
