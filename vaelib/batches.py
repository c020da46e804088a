"""Random batches of images that lie on the device, or stream from a file."""

import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from vaelib import _checks as checks
from vaelib.model import VAE
from vaelib.processes import Processes

# Streams: so many bytes of the file are shuffled together (two or three times as much
# is in memory), gathered from pieces that are long enough to be read at full speed.
CHUNK = 2**26
PIECE = 2**19


class Batches:
    """Each image once an epoch, in random batches of batch_size; the last is shorter.

    x is a tensor, or an array with shape and dtype that gives the images of a slice,
    (N, C, H, W): a numpy array, a memory-mapped file, a data set of h5py. Pixels are
    floats in [0, 1] or 8-bit, which are divided by 255, a batch at a time.

    What fits moves to the device once, and the order of its images is a fresh
    permutation each epoch. A tensor larger than half of the GPU's free memory, and
    anything that is not in memory, streams: pieces of neighbouring images come in
    random order, and those of one chunk are shuffled together. In a file sorted by
    class, neighbours of one class then still come within one chunk.
    """

    def __init__(self, x, batch_size: int, vae: VAE, processes: Processes):
        self.vae, self.batch_size, self.processes = vae, batch_size, processes
        self.device = vae.device
        x = _as_tensor(x)
        self.streams = not (isinstance(x, Tensor) and _fits(x, self.device))
        if isinstance(x, Tensor) and x.dtype != torch.uint8:
            checks.images(x, vae.shape)
        else:  # of a stream each chunk is looked at when it is read
            checks.images(self._pixels(_read(x, [0], 1)), vae.shape)
        if isinstance(x, Tensor) and x.dtype == torch.uint8:
            checks.bytes_are_grey(x)
        if not self.streams:
            x = x.to(self.device) if x.dtype == torch.uint8 else vae.prepared(x)
        self.x, self.images = x, x.shape[0]

    def __len__(self) -> int:
        return -(-self.images // self.batch_size)

    def epoch(self, seed: int):
        """Pairs of images (n, C, H, W) and the size of the batch they are from.

        Of several processes each gets its part of every batch, perhaps none; the size
        is then divided by their number, which is what DistributedDataParallel's mean
        over processes asks for.
        """
        generator = torch.Generator().manual_seed(seed)
        rest = None
        for chunk, is_last in self._chunks(generator):
            pool = chunk if rest is None else torch.cat([rest, chunk])
            order = torch.randperm(len(pool), generator=generator).to(self.device)
            *whole, left = order.split(self.batch_size)
            for batch in [*whole, left] if is_last else whole:
                mine = batch.tensor_split(self.processes.world)[self.processes.rank]
                images = self._pixels(pool.index_select(0, mine))
                yield images, len(batch) / self.processes.world
            rest = pool[left]

    def mean(self) -> Tensor:
        """The mean image, (C, H, W); of a stream, that of a chunk."""
        x = self.x
        if self.streams:
            x, _ = next(iter(self._chunks(torch.Generator().manual_seed(0))))
        mean = x.mean(0, dtype=torch.float32)
        return self.vae.prepared(mean / 255 if x.dtype == torch.uint8 else mean)

    def fingerprint(self) -> str:
        """The same for the same images, of which it looks at a few, as 8-bit grey."""
        some = range(0, self.images, max(1, self.images // 16))
        if self.streams:
            some = torch.cat([_read(self.x, [k], 1) for k in some])
        else:
            some = self.x[list(some)].cpu()
        if some.dtype != torch.uint8:
            some = (some.float() * 255).round().to(torch.uint8)
        return f"{zlib.crc32(some.numpy().tobytes()):08x}"

    def _pixels(self, x: Tensor) -> Tensor:
        values = self.vae.prepared(x)
        return values / 255 if x.dtype == torch.uint8 else values

    def _chunks(self, generator):
        """Pairs of a chunk on the device and whether it is the last."""
        if not self.streams:
            yield self.x, True
            return
        image = np.prod(self.x.shape[1:]) * self.x.dtype.itemsize
        size = max(1, int(PIECE // image))
        together = max(1, CHUNK // PIECE)
        starts = torch.arange(0, self.images, size)
        starts = starts[torch.randperm(len(starts), generator=generator)]
        groups = [group.tolist() for group in starts.split(together)]
        with ThreadPoolExecutor(1) as reader:  # reads ahead while the device computes
            ahead = reader.submit(self._chunk, groups[0], size)
            for following in [*groups[1:], None]:
                chunk = ahead.result()
                if following:
                    ahead = reader.submit(self._chunk, following, size)
                yield chunk.to(self.device, non_blocking=True), following is None

    def _chunk(self, starts: list[int], size: int) -> Tensor:
        chunk = _read(self.x, sorted(starts), size)
        if chunk.dtype == torch.uint8:
            checks.bytes_are_grey(chunk)
        else:
            checks.images(chunk, self.vae.shape)
        # From pinned memory the copy to a GPU runs beside the computation.
        return chunk.pin_memory() if self.device.type == "cuda" else chunk


def _as_tensor(x):
    """In-memory arrays as tensors; everything else as it is."""
    if isinstance(x, np.ndarray) and not isinstance(_owner(x), np.memmap):
        return torch.from_numpy(np.require(x, requirements=["C", "W"]))
    is_array = all(hasattr(x, name) for name in ("shape", "dtype", "__getitem__"))
    if not is_array:
        checks.images(x, None)  # raises: it asks for a tensor
    return x.detach() if isinstance(x, Tensor) else x


def _owner(x):
    """The array whose memory x looks at: a view of a memmap need not be one."""
    while isinstance(x, np.ndarray) and not isinstance(x, np.memmap):
        if not isinstance(x.base, np.ndarray):
            break
        x = x.base
    return x


def _fits(x: Tensor, device: torch.device) -> bool:
    if device.type != "cuda" or x.device == device:
        return True
    return x.nbytes < torch.cuda.mem_get_info(device)[0] / 2


def _read(x, starts: list[int], size: int) -> Tensor:
    """Copies of the pieces that start there, one after the other."""
    lengths = [min(size, x.shape[0] - start) for start in starts]
    first = np.asarray(x[starts[0] : starts[0] + lengths[0]])
    chunk = np.empty((sum(lengths), *first.shape[1:]), first.dtype)
    filled = 0
    for start, length in zip(starts, lengths, strict=True):
        chunk[filled : filled + length] = x[start : start + length]
        filled += length
    return torch.from_numpy(chunk)
