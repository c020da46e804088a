"""Images to train on: MNIST, and two data sets that need no download."""

import gzip
import http.client
import math
import os
import queue
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from vaelib import shapes


@dataclass(frozen=True, repr=False, eq=False)
class Images:
    """Images x, float32 in [0, 1], (N, C, H, W), with labels y, int64, (N,).

    `factors`, (N, F), holds the true generative factors where they are known.
    Indexing like a tensor's first axis gives Images again.
    """

    x: Tensor
    y: Tensor
    factors: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index) -> "Images":
        if self.y[index].dim() == 0:
            index = [int(index)]  # one image is still a batch
        factors = None if self.factors is None else self.factors[index]
        return Images(self.x[index].contiguous(), self.y[index], factors)

    def __repr__(self) -> str:
        return f"{len(self):,} images of {_times(self.x.shape[1:])}"


@dataclass(frozen=True, repr=False, eq=False)
class Dataset:
    """Training and test images. `note` says why a data set stands in for another."""

    name: str
    train: Images
    test: Images
    factor_names: tuple[str, ...] = ()
    note: str = ""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        return tuple(self.train.x.shape[1:])

    def __repr__(self) -> str:
        return (
            f"{self.name}: {len(self.train):,} training and {len(self.test):,} test "
            f"images of {_times(self.shape)}" + (f" ({self.note})" if self.note else "")
        )


def load(
    name: str = "mnist",
    root: str | os.PathLike | None = None,
    fallback: str | None = "digits",
) -> Dataset:
    """Load a data set by name; the same images every time.

    - "mnist": 70,000 handwritten digits, 28x28, from root/MNIST/raw (torchvision's
      layout). root is the argument, else $VAELIB_DATA, else a cache folder, into
      which MNIST is downloaded (11.6 MB) when it is not there.
    - "digits": the 1,797 smaller digits inside scikit-learn, made to look like MNIST:
      17,244 training images (each digit in twelve variants) and 360 test images.
    - "digits8": the same digits as they are, 8x8.
    - "shapes": squares, ellipses and hearts with known factors (`vaelib.shapes`).

    When MNIST can be neither found nor downloaded, `fallback` is loaded instead and a
    printed line says so; with fallback=None that raises ConnectionError. Setting
    VAELIB_OFFLINE=1 skips the attempt to download.

    Raises ValueError for an unknown name or a damaged file, FileNotFoundError when
    root does not exist or holds only a part of MNIST.
    """
    if name not in LOADERS and name != "mnist":
        raise ValueError(
            f"no data set is called {name!r}: choose one of mnist, "
            f"{', '.join(LOADERS)}."
        )
    if fallback is not None and fallback not in LOADERS:
        raise ValueError(
            f"fallback must be None or one of {', '.join(LOADERS)}, which need no "
            f"download, got {fallback!r}."
        )
    if name != "mnist":
        return LOADERS[name]()
    try:
        return _mnist(root)
    except OutOfReach as reason:
        if fallback is None:
            raise ConnectionError(
                f"MNIST is out of reach ({reason}): connect to the network, set "
                "VAELIB_DATA to a folder that holds MNIST/raw, or load 'digits'."
            ) from None  # the sentence says it; the chain behind it is pages long
        print(
            f"MNIST is out of reach ({reason}):\n"
            f"using {STAND_INS[fallback]} instead. Numbers will differ from MNIST's.\n"
            "To use MNIST, connect to the network, or set VAELIB_DATA to its folder."
        )
        note = f"MNIST is out of reach: {reason}"
        return replace(LOADERS[fallback](), note=note)


# MNIST. Each file: the shape of its array and the CRC-32 of its bytes.

MNIST_FILES = {
    "train-images-idx3-ubyte": ((60_000, 28, 28), 0xE9F4D8B3),
    "train-labels-idx1-ubyte": ((60_000,), 0xE0CB4AD2),
    "t10k-images-idx3-ubyte": ((10_000, 28, 28), 0x91373BDF),
    "t10k-labels-idx1-ubyte": ((10_000,), 0x4AB9EFF9),
}
MNIST_DOWNLOAD_BYTES = 9_912_422 + 28_881 + 1_648_877 + 4_542  # the four .gz files
MIRRORS = [
    "https://ossci-datasets.s3.amazonaws.com/mnist/",  # PyTorch's, as in torchvision
    "https://storage.googleapis.com/cvdf-datasets/mnist/",  # TensorFlow's
]
PATIENCE = 4.0  # seconds until a mirror must have answered
_failure = None  # (time, reason) of the last download that failed in this process


class OutOfReach(Exception):
    """MNIST is not on this machine and cannot be downloaded; says why."""


def _mnist(root: str | os.PathLike | None) -> Dataset:
    folder = data_folder(root) / "MNIST" / "raw"
    paths = {name: _find(folder, name) for name in MNIST_FILES}
    if not any(paths.values()):
        _refuse_the_folder_itself(folder.parent.parent)
        _download(folder)
        paths = {name: folder / name for name in MNIST_FILES}
    if missing := [name for name, path in paths.items() if path is None]:
        raise FileNotFoundError(
            f"{folder} holds only a part of MNIST, the file {missing[0]} is missing: "
            "delete the folder and load again, which downloads MNIST anew."
        )
    x_train, y_train, x_test, y_test = [_read(path) for path in paths.values()]
    return Dataset("mnist", _as_images(x_train, y_train), _as_images(x_test, y_test))


def data_folder(root: str | os.PathLike | None = None) -> Path:
    """Where MNIST is looked for: root, else $VAELIB_DATA, else a cache folder."""
    given = root or os.environ.get("VAELIB_DATA")
    if not given:
        local = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME"
        return Path(os.environ.get(local) or Path.home() / ".cache") / "vaelib"
    folder = Path(given).expanduser().absolute()
    if not folder.is_dir():
        which = "root" if root else "the environment variable VAELIB_DATA"
        raise FileNotFoundError(
            f"{which} names the folder {folder}, which does not exist: create it, or "
            "leave it out to use the cache folder."
        )
    return folder


def _refuse_the_folder_itself(root: Path) -> None:
    """Raise when MNIST lies in root, or in root/raw, instead of root/MNIST/raw."""
    for folder in (root, root / "raw"):
        if any(_find(folder, name) for name in MNIST_FILES):
            inside = folder.name == "raw" and folder.parent.name == "MNIST"
            remedy = f"root={str(folder.parent.parent)!r}"
            if not inside:
                remedy = f"move the files into {root / 'MNIST' / 'raw'}"
            raise FileNotFoundError(
                f"MNIST's files lie in {folder} itself, and are looked for in "
                f"root/MNIST/raw: use {remedy}."
            )


def _find(folder: Path, name: str) -> Path | None:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.exists():
            return path
    return None


def _read(path: Path) -> Tensor:
    name = path.name.removesuffix(".gz")
    shape, _ = MNIST_FILES[name]
    try:
        content = _checked(name, path.read_bytes())
    except ValueError as error:
        raise ValueError(
            f"{path} is damaged: {error}. Delete the folder {path.parent} and load "
            "again, which downloads MNIST anew."
        ) from None
    values = torch.frombuffer(bytearray(content), dtype=torch.uint8)
    return values[-math.prod(shape) :].reshape(shape)


def _checked(name: str, content: bytes) -> bytes:
    """The content of one of MNIST's files, decompressed; ValueError when damaged.

    The idx format: two zero bytes, the type (8 for unsigned bytes), the number of
    axes, the length of each as four bytes, the most significant first, the values.
    """
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"it cannot be decompressed ({error})") from error
    shape, checksum = MNIST_FILES[name]
    header = b"".join(n.to_bytes(4, "big") for n in (0x800 + len(shape), *shape))
    size = len(header) + math.prod(shape)
    if len(content) != size:
        raise ValueError(f"it holds {len(content):,} bytes instead of {size:,}")
    if not content.startswith(header):
        found = content[: len(header)].hex(" ", 4)
        raise ValueError(f"it begins with {found} instead of {header.hex(' ', 4)}")
    if zlib.crc32(content) != checksum:
        raise ValueError("its checksum is not the one of MNIST's file")
    return content


def _as_images(pixels: Tensor, labels: Tensor) -> Images:
    return Images(pixels.unsqueeze(1).float().div_(255), labels.long())


def _download(folder: Path) -> None:
    """Put MNIST's four files into the folder, all of them or none."""
    global _failure
    if os.environ.get("VAELIB_OFFLINE", "0") not in ("", "0"):
        raise OutOfReach("VAELIB_OFFLINE is set")
    if _failure and time.monotonic() - _failure[0] < 60:
        raise OutOfReach(_failure[1])  # do not wait again so soon
    try:
        mirror = _first_to_answer(MIRRORS)
        megabytes = f"{MNIST_DOWNLOAD_BYTES / 1e6:.1f} MB"
        print(f"Downloading MNIST ({megabytes}), once.", file=sys.stderr)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".") as temporary:
            complete = Path(temporary) / "raw"
            complete.mkdir()
            for name in MNIST_FILES:
                content = _fetch(f"{mirror}{name}.gz", timeout=10)
                (complete / name).write_bytes(_checked(name, content))
            try:
                complete.rename(folder)
            except OSError:
                if not any(folder.glob("*")):  # else another process was faster
                    raise
    except (OSError, ValueError, http.client.HTTPException) as error:
        _failure = (time.monotonic(), _in_words(error))
        raise OutOfReach(_failure[1]) from error


def _in_words(error: Exception) -> str:
    cause = getattr(error, "reason", error)  # what urllib has wrapped
    if isinstance(cause, TimeoutError):
        return "the network does not answer"
    if isinstance(error, ValueError):
        return f"what the server sent is not MNIST, {error}"
    if type(error) is urllib.error.URLError:
        return f"no network: {getattr(cause, 'strerror', None) or cause}"
    return str(error) or type(error).__name__


def _first_to_answer(mirrors: list[str]) -> str:
    """Ask all mirrors at once for the smallest file; raise when none has sent it.

    In threads, because looking up a host's address has no time limit of its own.
    """
    answers = queue.Queue()
    smallest = "t10k-labels-idx1-ubyte"

    def ask(mirror):
        try:
            _checked(smallest, _fetch(f"{mirror}{smallest}.gz", timeout=PATIENCE))
            answers.put((mirror, None))
        except (OSError, ValueError, http.client.HTTPException) as error:
            answers.put((None, error))

    for mirror in mirrors:
        threading.Thread(target=ask, args=(mirror,), daemon=True).start()
    end = time.monotonic() + PATIENCE
    error = None
    for _ in mirrors:
        try:
            mirror, error = answers.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            raise TimeoutError from None
        if mirror:
            return mirror
    raise error


def _fetch(url: str, timeout: float) -> bytes:
    with urllib.request.urlopen(url, timeout=timeout) as response:
        return response.read()


# Digits. scikit-learn's are 8x8 with values 0 to 16.

COPIES = 12  # variants of each training digit, the first one straight


def _digits8() -> Dataset:
    from sklearn.datasets import load_digits  # takes a second, so only when needed
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    train, test = train_test_split(
        range(len(digits.target)), test_size=360, stratify=digits.target, random_state=0
    )
    x = torch.from_numpy(digits.images).float().unsqueeze(1) / 16
    images = Images(x, torch.from_numpy(digits.target).long())
    return Dataset("digits8", images[train], images[test])


def _digits() -> Dataset:
    """Each test digit enlarged; each training digit enlarged in twelve variants."""
    small = _digits8()
    generator = torch.Generator().manual_seed(0)
    n = COPIES * len(small.train)

    def uniform(low, high):
        values = torch.empty(n, dtype=torch.float32)
        values.uniform_(low, high, generator=generator)
        values[: len(small.train)] = 0  # the first of the variants is straight
        return values

    x = _enlarge(
        small.train.x.repeat(COPIES, 1, 1, 1),
        turn=uniform(-12, 12),
        stretch=uniform(-0.1, 0.1),
        right=uniform(-2, 2),
        down=uniform(-2, 2),
    )
    zero = torch.zeros(len(small.test), dtype=torch.float32)
    x_test = _enlarge(small.test.x, turn=zero, stretch=zero, right=zero, down=zero)
    return Dataset(
        "digits",
        Images(x, small.train.y.repeat(COPIES)),
        Images(x_test, small.test.y),
    )


def _enlarge(x: Tensor, turn: Tensor, stretch: Tensor, right: Tensor, down: Tensor):
    """8x8 to 28x28, turned (degrees), stretched (0: not at all), moved (pixels).

    As in MNIST the digit fills the middle 20 pixels. Bicubic enlargement blurs;
    stretching the contrast makes ink white and paper black again.
    """
    angle = torch.deg2rad(turn)
    zoom = 28 / 20 / (1 + stretch)
    cos, sin = zoom * angle.cos(), zoom * angle.sin()
    right, down = right / 14, down / 14  # grid_sample's image runs from -1 to 1
    matrix = torch.stack(
        [
            torch.stack([cos, sin, -cos * right - sin * down], 1),
            torch.stack([-sin, cos, sin * right - cos * down], 1),
        ],
        1,
    )
    grid = F.affine_grid(matrix, [len(x), 1, 28, 28], align_corners=False)
    x = F.grid_sample(x, grid, mode="bicubic", align_corners=False)
    return ((x - 0.4) / 0.4).clamp(0, 1)


def _shapes() -> Dataset:
    factors = shapes.grid()
    generator = torch.Generator().manual_seed(0)
    factors = factors[torch.randperm(len(factors), generator=generator)]
    images = Images(shapes.draw(factors), factors[:, 0].long(), factors)
    return Dataset("shapes", images[:-1552], images[-1552:], shapes.FACTORS)


LOADERS = {"digits": _digits, "digits8": _digits8, "shapes": _shapes}
STAND_INS = {
    "digits": "the digits inside scikit-learn",
    "digits8": "the 8x8 digits inside scikit-learn",
    "shapes": "shapes drawn in memory",
}


def _times(shape) -> str:
    return "x".join(str(n) for n in shape)
