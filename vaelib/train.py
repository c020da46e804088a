"""Train a VAE from the command line, in one process or in several.

    python -m vaelib.train --epochs 10 --out model.safetensors
    torchrun --nproc-per-node=2 -m vaelib.train --epochs 10 --out model.safetensors

The second line trains one model in two processes, each on a GPU of its own or, without
GPUs, on the CPU. The batch size is that of all processes together, so the result is
the same, up to the noise of the draws. VAE.load("model.safetensors") gives the model.
With --checkpoint and --resume, the same command goes on after a break; given
--max-restarts=3 as well, torchrun starts it again by itself.
"""

import argparse
import contextlib
import os
import signal
import sys
import threading
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

import vaelib
from vaelib.likelihoods import LIKELIHOODS

WORLD, RANK, LOCAL_RANK = (
    int(os.environ.get(name, default))
    for name, default in (("WORLD_SIZE", 1), ("RANK", 0), ("LOCAL_RANK", 0))
)  # as torchrun sets them
INTERRUPTED = 130  # the exit status of a program that Ctrl-C has ended


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    try:
        with _processes(options) as device:
            return _train(options, device)
    except ConnectionError as error:
        reason = str(error.__cause__ or error).partition(". ")[0]
        _say_lost(options, f"another one has died ({reason}).")
        return 1
    except (ValueError, TypeError, OSError, FloatingPointError) as error:
        if RANK == 0:
            print(f"vaelib.train: {error}", file=sys.stderr)
        return 1


def _train(options, device) -> int:
    data, shape = _load(options.data)
    torch.manual_seed(options.seed)
    kind = {"latent_dim": options.latent_dim, "likelihood": options.likelihood}
    if options.conv is not None:
        vae = vaelib.VAE.conv(shape, options.conv or (32, 64), **kind)
    else:
        vae = vaelib.VAE.mlp(shape, options.hidden, **kind)
    recipe = dict(vaelib.FAST) if options.fast else {}
    for name in ("epochs", "batch_size", "lr", "beta", "checkpoint"):
        if getattr(options, name) is not None:
            recipe[name] = getattr(options, name)
    history = vaelib.fit(vae, data, seed=options.seed, device=device, **recipe)
    if RANK == 0:
        vae.save(options.out)
        print(history)
        print(f"The model is in {options.out}.")
        if history.interrupted and options.checkpoint:
            print("The same command with --resume goes on after the last whole epoch.")
    return INTERRUPTED if history.interrupted else 0


def _options(arguments):
    parser = argparse.ArgumentParser(
        prog="python -m vaelib.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--data", default="mnist", help="a name for vaelib.load, or an .npy file of "
        "8-bit images (N, C, H, W) or (N, H, W), which is streamed")  # fmt: skip
    add("--hidden", type=int, nargs="+", default=[400], help="widths, default 400")
    add("--conv", type=int, nargs="*", metavar="CHANNELS",
        help="a convolutional model, by default with 32 64 channels")  # fmt: skip
    add("--latent-dim", type=int, default=20)
    add("--likelihood", choices=LIKELIHOODS, default="bernoulli")
    add("--fast", action="store_true", help="the recipe vaelib.FAST")
    add("--epochs", type=int, help="default 10")
    add("--batch-size", type=int, help="of all processes together, default 128")
    add("--lr", type=float, help="Adam's learning rate, default 1e-3")
    add("--beta", type=float, help="the weight of the KL, default 1")
    add("--seed", type=int, default=0)
    add("--device", help="cuda, mps or cpu; by default the best one here")
    add("--out", default="model.safetensors", help="where the model is saved")
    add("--checkpoint", metavar="FILE", help="written after each epoch")
    add("--resume", action="store_true", help="go on from the checkpoint, if there is "
        "one")  # fmt: skip
    with contextlib.redirect_stderr(sys.stderr if RANK == 0 else None):
        options = parser.parse_args(arguments)
        if options.resume and not options.checkpoint:
            parser.error("--resume needs --checkpoint FILE, to know from which.")
        there = options.checkpoint and Path(options.checkpoint).exists()
        if there and not options.resume:
            parser.error(
                f"{options.checkpoint} is there already: add --resume to go on from "
                "it, or delete it to begin anew."
            )
        out = Path(options.out)
        if not out.parent.is_dir():
            parser.error(f"the folder of --out {out} does not exist.")
        if out.is_dir() or not os.access(out.parent, os.W_OK):
            parser.error(f"--out {out} cannot be written: name a file.")
        if options.checkpoint and Path(options.checkpoint).absolute() == out.absolute():
            parser.error("--out and --checkpoint must be two files.")
    return options


@contextlib.contextmanager
def _processes(options):
    """Join the processes that torchrun has started, and give each its device."""
    device = vaelib.device(options.device)
    if WORLD == 1:
        yield device
        return
    if device.type == "mps":
        device = torch.device("cpu")  # processes cannot exchange its tensors
    if device.type == "cuda":
        device = vaelib.device(f"cuda:{LOCAL_RANK}")
        torch.cuda.set_device(device)
    _speak_when_told_to_end(options)
    # torchrun's store remembers the addresses of processes it has started again.
    store, rank, world = next(dist.rendezvous("env://"))
    store = dist.PrefixStore(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"), store)
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=world)
    try:
        yield device
    finally:
        dist.destroy_process_group()


def _load(name: str):
    """The data, and the shape of an image."""
    if not name.endswith(".npy"):
        first = LOCAL_RANK == 0  # it downloads what is not there; the others wait
        if WORLD > 1 and not first:
            dist.barrier()
        with contextlib.redirect_stdout(sys.stdout if RANK == 0 else None):
            data = vaelib.load(name)
        if WORLD > 1 and first:
            dist.barrier()
        return data, data.shape
    try:
        images = np.load(name, mmap_mode="r")
    except (ValueError, EOFError) as error:  # numpy's sentences speak of pickles
        raise ValueError(
            f"{name} is no complete .npy file of numbers; write it with "
            "numpy.save(name, images)."
        ) from error
    images = images[:, None] if images.ndim == 3 else images
    if images.ndim != 4 or not (images.dtype == "uint8" or images.dtype.kind == "f"):
        raise ValueError(
            f"{name} must hold images (N, C, H, W) or (N, H, W), 8-bit or floats in "
            f"[0, 1], got {images.dtype} of shape {images.shape}."
        )
    if images.shape[3] in (1, 3, 4) and images.shape[1] > 4:
        raise ValueError(
            f"{name} holds images of shape {images.shape}, channels last; write it "
            "again with numpy.save(name, images.transpose(0, 3, 1, 2))."
        )
    return images, images.shape[1:]


def _speak_when_told_to_end(options) -> None:
    """torchrun ends the other processes when one has died: say so, and how to go on.

    In a thread, because the main one may be waiting for the process that died.
    """
    if not hasattr(signal, "sigwait"):
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])

    def wait():
        signal.sigwait([signal.SIGTERM])
        _say_lost(options, "told to end, as when another one has died.")
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


_said = threading.Lock()  # kept once it is taken: one of the two ways to learn of it


def _say_lost(options, what: str) -> None:
    remedy = "With --checkpoint FILE, the next training can be resumed."
    if options.checkpoint:
        remedy = "The same command with --resume goes on after the last whole epoch."
    if _said.acquire(blocking=False):
        line = f"vaelib.train, process {RANK} of {WORLD}: {what} {remedy}\n"
        sys.stderr.write(line)
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
