"""Where to compute, and in which precision."""

import functools
import os
import time
from contextlib import AbstractContextManager, nullcontext
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


@functools.cache
def _bfloat16_is_faster(size: int = 512, repeats: int = 9) -> bool:
    """Whether this CPU multiplies bfloat16 clearly faster; asked once a process."""
    best = {}
    for dtype in (torch.float32, torch.bfloat16):
        a = torch.ones(size, size, dtype=dtype)
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            a @ a
            times.append(time.perf_counter() - start)
        best[dtype] = min(times)
    return best[torch.bfloat16] * 1.3 < best[torch.float32]
