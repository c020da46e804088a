"""Where to compute."""

import torch


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
