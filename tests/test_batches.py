"""Batches hold each image once; files stream through a bounded memory."""

import subprocess
import sys

import numpy as np
import pytest
import torch

import vaelib
from vaelib import batches as module
from vaelib.batches import Batches
from vaelib.processes import Processes


def small():
    torch.manual_seed(0)
    return vaelib.VAE.mlp((1, 4, 4), hidden=(8,), latent_dim=2)


def numbered(n):
    """8-bit images that can be told apart."""
    x = np.zeros((n, 1, 4, 4), np.uint8)
    x[:, 0, 0, 0], x[:, 0, 0, 1] = np.arange(n) % 256, np.arange(n) // 256
    return x


def numbers(x):
    pixels = (x * 255).round().long().flatten(1)
    return (pixels[:, 0] + 256 * pixels[:, 1]).tolist()


@pytest.fixture
def file(tmp_path):
    """A memory-mapped file of 1000 images, in pieces of 20 and chunks of 300."""
    np.save(tmp_path / "images.npy", numbered(1000))
    return np.load(tmp_path / "images.npy", mmap_mode="r")


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(module, "PIECE", 20 * 16)
    monkeypatch.setattr(module, "CHUNK", 300 * 16)


def kinds(file):
    return {
        "file": file,
        "view of a file": np.asarray(file),  # no memmap itself
        "array": np.array(file),
        "read-only array": np.frombuffer(file.tobytes(), np.uint8).reshape(file.shape),
        "8-bit tensor": torch.from_numpy(np.array(file)),
        "tensor": torch.from_numpy(np.array(file)).float() / 255,
        "float file": np.memmap.astype(file, np.float32) / 255,
    }


def test_each_image_comes_once_in_full_batches_and_a_new_order(file):
    for name, x in kinds(file).items():
        batches = Batches(x, 64, small(), Processes())
        assert batches.streams == (name in ("file", "view of a file")), name
        assert len(batches) == 16
        orders = []
        for seed in (0, 0, 1):
            pairs = list(batches.epoch(seed))
            assert [len(x) for x, _ in pairs] == [64] * 15 + [40]
            assert [size for _, size in pairs] == [64] * 15 + [40]
            assert all(x.dtype == torch.float32 for x, _ in pairs)
            orders.append([i for x, _ in pairs for i in numbers(x)])
            assert sorted(orders[-1]) == list(range(1000)), name
        assert orders[0] == orders[1] != orders[2]
        assert orders[0] != sorted(orders[0])


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_the_batches_of_one(file, streams, world):
    x = file if streams else torch.from_numpy(np.array(file))
    x = x[:961]  # the last batch holds one image
    alone = list(Batches(x, 64, small(), Processes()).epoch(5))
    each = [
        list(Batches(x, 64, small(), Processes(rank, world)).epoch(5))
        for rank in range(world)
    ]
    for (whole, size), *parts in zip(alone, *each, strict=True):
        assert torch.equal(torch.cat([part for part, _ in parts]), whole)
        assert all(share == size / world for _, share in parts)
    assert [len(pairs[-1][0]) for pairs in each] == [1] + [0] * (world - 1)


def test_a_stream_mixes_pieces_from_everywhere(file):
    """In a file sorted by class, no batch should hold only neighbours."""
    pairs = Batches(file, 64, small(), Processes()).epoch(0)
    spreads = [np.std(numbers(x)) for x, _ in pairs]
    assert min(spreads) > 0.5 * np.std(np.arange(1000))


def test_the_mean_image_is_that_of_the_data_or_of_a_chunk(file):
    exact = torch.from_numpy(np.array(file)).float().mean(0) / 255
    for name in ("array", "tensor"):
        x = kinds(file)[name]
        torch.testing.assert_close(
            Batches(x, 64, small(), Processes()).mean(), exact, rtol=1e-4, atol=0
        )
    mean = Batches(file, 64, small(), Processes()).mean()
    assert (mean - exact).abs().max() < 0.1


def test_a_file_teaches_as_much_as_a_tensor(tmp_path):
    digits = vaelib.load("digits")
    pixels = (digits.train.x * 255).round().to(torch.uint8)
    order = digits.train.y.argsort()  # the hardest order: sorted by class
    np.save(tmp_path / "digits.npy", pixels[order].numpy())
    found = {}
    for name, x in {
        "tensor": pixels,
        "file": np.load(tmp_path / "digits.npy", mmap_mode="r"),
    }.items():
        torch.manual_seed(0)
        vae = vaelib.VAE.mlp(digits.shape, hidden=(64,), latent_dim=5)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "PIECE", 50 * 784)
            patch.setattr(module, "CHUNK", 4000 * 784)  # five chunks
            recipe = dict(vaelib.FAST, epochs=3, precision="float32")
            vaelib.fit(vae, x, device="cpu", progress=False, **recipe)
        found[name] = vaelib.evaluate(vae, digits.test.x)["elbo"]
    # Three seeds of either gave -117.1 to -118.4.
    assert found["tensor"] > -119.5 and found["file"] > -119.5


MEMORY = """
import sys
from pathlib import Path
import numpy as np
import torch
import vaelib
from vaelib import batches

batches.CHUNK = 2**22
x = np.load(sys.argv[1], mmap_mode="r")
vae = vaelib.VAE.mlp(x.shape[1:], hidden=(8,), latent_dim=2)
used = []

def lr(done):  # called before each step
    status = dict(
        line.split(":") for line in Path("/proc/self/status").read_text().splitlines()
    )
    used.append(int(status["RssAnon"].split()[0]) // 1024)
    return 1e-3

vaelib.fit(vae, x[:2000], 1, 64, lr=lr, device="cpu", progress=False)
start = used[-1]
vaelib.fit(vae, x, 1, 64, lr=lr, device="cpu", progress=False)
print(max(used) - start)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_bounded_by_the_chunks_not_by_the_file(tmp_path):
    """128 MB of 8-bit images in chunks of 4 MB, of which a few are in memory."""
    x = np.lib.format.open_memmap(
        tmp_path / "x.npy", "w+", np.uint8, (2**15, 1, 64, 64)
    )
    x[:] = np.random.default_rng(0).integers(0, 256, x.shape, np.uint8)
    x.flush()
    command = [sys.executable, "-c", MEMORY, str(tmp_path / "x.npy")]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(run.stdout) < 64  # MB; as a tensor it would be 128, in floats 512


@pytest.mark.parametrize(
    "x, error, sentence",
    [
        (numbered(5)[:, 0], ValueError, r"shape \(N, 1, 4, 4\)"),
        (numbered(5).astype(np.int64), TypeError, "floating-point"),
        (numbered(5).astype(np.float32), ValueError, r"must lie in \[0, 1\]"),
        (numbered(5)[:0], ValueError, "no images"),
        ("mnist", TypeError, "must be a tensor, got str"),
    ],
)
def test_bad_images_are_answered_in_a_sentence(x, error, sentence):
    with pytest.raises(error, match=sentence):
        vaelib.fit(small(), x, 1, progress=False)


def test_a_file_of_floats_is_looked_at_chunk_by_chunk(tmp_path):
    x = (numbered(1000) / 255).astype(np.float32)
    x[777] = np.nan
    np.save(tmp_path / "x.npy", x)
    file = np.load(tmp_path / "x.npy", mmap_mode="r")
    with pytest.raises(ValueError, match="NaN"):
        vaelib.fit(small(), file, 1, progress=False)


def test_bytes_that_are_black_or_white_are_not_taken_for_grey():
    vae = vaelib.VAE.mlp((1, 4, 4), hidden=(4,))
    black_or_white = (torch.rand(8, 1, 4, 4) > 0.5).byte()
    with pytest.raises(ValueError, match=r"nothing above 1; give x.float\(\)"):
        vaelib.fit(vae, black_or_white, epochs=1, progress=False)
    with pytest.raises(TypeError, match=r"use x.float\(\)\."):
        vae.elbo(black_or_white)


def test_bytes_that_are_all_black_are_images(tmp_path):
    vaelib.fit(small(), np.zeros((8, 1, 4, 4), np.uint8), 1, progress=False)


def test_a_fingerprint_knows_images_however_they_come(file):
    def fingerprint(x):
        return Batches(x, 64, small(), Processes()).fingerprint()

    (known,) = {fingerprint(x) for x in kinds(file).values()}
    other = np.array(file)
    other[0, 0, 0, 0] ^= 1
    assert fingerprint(other) != known
