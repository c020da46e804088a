"""vaelib.load: known images, damaged files, and networks that are not there."""

import gzip
import os
import socket
import time
import traceback
import urllib.error
import zlib

import pytest
import torch
import torch.nn.functional as F

import vaelib.data
from vaelib.data import MNIST_FILES, Images, load

HAS_MNIST = bool(os.environ.get("VAELIB_DATA"))
real_mnist = pytest.mark.skipif(
    not HAS_MNIST, reason="needs MNIST: set VAELIB_DATA to the folder that holds it"
)
NO_SERVER = "http://127.0.0.1:9/"  # nobody listens: refused at once


@pytest.fixture(autouse=True)
def fresh(monkeypatch, tmp_path, request):
    """No memory of failures, an empty cache, and no way out to the network."""
    monkeypatch.setattr(vaelib.data, "_failure", None)
    monkeypatch.setattr(vaelib.data, "MIRRORS", [NO_SERVER])
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("VAELIB_OFFLINE", raising=False)
    if real_mnist.mark not in request.node.own_markers:
        monkeypatch.delenv("VAELIB_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "cache"))


@pytest.fixture
def tiny(monkeypatch):
    """Pretend that MNIST has 5 training and 3 test images; the files' contents."""
    contents, generator = {}, torch.Generator().manual_seed(0)
    for name, (shape, _) in MNIST_FILES.items():
        shape = (5 if name.startswith("train") else 3, *shape[1:])
        high = 256 if len(shape) == 3 else 10
        values = torch.randint(high, shape, generator=generator, dtype=torch.uint8)
        header = bytes([0, 0, 8, len(shape)])
        header += b"".join(n.to_bytes(4, "big") for n in shape)
        contents[name] = header + values.numpy().tobytes()
        known = (shape, zlib.crc32(contents[name]))
        monkeypatch.setitem(MNIST_FILES, name, known)
    return contents


@pytest.fixture
def raw(tmp_path, tiny):
    """A folder tmp_path/MNIST/raw that holds the tiny MNIST."""
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for name, content in tiny.items():
        (folder / name).write_bytes(content)
    return folder


def serve(monkeypatch, contents):
    """Answer downloads from these contents instead of from the network."""

    def fetch(url, timeout):
        return gzip.compress(contents[url.rsplit("/", 1)[1].removesuffix(".gz")])

    monkeypatch.setattr(vaelib.data, "_fetch", fetch)


# Reading


@pytest.mark.parametrize("compressed", [False, True])
def test_mnist_is_read_byte_by_byte(raw, tiny, tmp_path, compressed):
    if compressed:  # as torchvision's download leaves them
        for name, content in tiny.items():
            (raw / name).unlink()
            (raw / f"{name}.gz").write_bytes(gzip.compress(content))
    data = load("mnist", tmp_path)
    assert repr(data) == "mnist: 5 training and 3 test images of 1x28x28"
    assert data.shape == (1, 28, 28) and data.note == ""
    for images, split in ((data.train, "train"), (data.test, "t10k")):
        pixels = tiny[f"{split}-images-idx3-ubyte"][16:]
        assert images.x.flatten().mul(255).round().int().tolist() == list(pixels)
        assert images.y.tolist() == list(tiny[f"{split}-labels-idx1-ubyte"][8:])
        assert images.x.dtype == torch.float32 and images.y.dtype == torch.int64
        assert images.x.is_contiguous() and images.x.max() <= 1
        assert images.factors is None


def test_root_comes_before_the_variable_and_the_variable_before_the_cache(
    raw, tmp_path, monkeypatch, capsys
):
    cache = tmp_path / "cache" / "vaelib"
    cache.mkdir(parents=True)
    (tmp_path / "MNIST").rename(cache / "MNIST")
    assert load("mnist").name == "mnist"
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("VAELIB_DATA", str(tmp_path / "empty"))
    assert load("mnist", fallback="digits8").name == "digits8"
    assert load("mnist", cache).name == "mnist"


@real_mnist
def test_the_real_mnist_is_the_one_torchvision_reads():
    datasets = pytest.importorskip("torchvision.datasets")
    data = load("mnist")
    for train, images in ((True, data.train), (False, data.test)):
        theirs = datasets.MNIST(os.environ["VAELIB_DATA"], train=train)
        assert torch.equal(images.x[:, 0], theirs.data / 255)
        assert torch.equal(images.y, theirs.targets)


@real_mnist
def test_the_real_mnist_is_read_quickly():
    times = []
    for _ in range(3):
        start = time.perf_counter()
        load("mnist")
        times.append(time.perf_counter() - start)
    assert min(times) < 1.0


# Damage: an error that names the file and the remedy, never a fallback


def _truncated(content):
    return content[:-1]


def _too_long(content):
    return content + b"\0"


def _magic(content):
    return b"\0\0\x0d" + content[3:]


def _count(content):
    return content[:7] + bytes([content[7] + 1]) + content[8:]


def _changed(content):
    return content[:-1] + bytes([content[-1] ^ 0xFF])  # a label out of range, too


@pytest.mark.parametrize("name", MNIST_FILES)
@pytest.mark.parametrize(
    "damage, what",
    [
        (_truncated, "bytes instead of"),
        (_too_long, "bytes instead of"),
        (lambda content: b"", "0 bytes instead of"),
        (lambda content: b"<html>sign in</html>", "20 bytes instead of"),
        (_magic, "it begins with 00000d0"),
        (_count, "it begins with 0000080"),
        (_changed, "checksum"),
        (lambda content: gzip.compress(content)[:-9], "cannot be decompressed"),
        (lambda content: gzip.compress(content[:-1]), "bytes instead of"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong(raw, tmp_path, name, damage, what):
    (raw / name).write_bytes(damage((raw / name).read_bytes()))
    with pytest.raises(ValueError, match=what) as caught:
        load("mnist", tmp_path)
    assert str(raw / name) in str(caught.value)
    assert "Delete the folder" in str(caught.value)


def test_a_half_downloaded_gz_is_named(raw, tmp_path, tiny):
    name = "train-images-idx3-ubyte"
    (raw / name).unlink()
    (raw / f"{name}.gz").write_bytes(gzip.compress(tiny[name])[:1000])
    with pytest.raises(ValueError, match=f"{name}.gz is damaged"):
        load("mnist", tmp_path)


@pytest.mark.parametrize("name", MNIST_FILES)
def test_a_missing_file_is_named(raw, tmp_path, name):
    (raw / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"{name} is missing: delete"):
        load("mnist", tmp_path)


def test_a_root_that_does_not_exist_is_named(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="root names the folder .*nowhere"):
        load("mnist", tmp_path / "nowhere")
    monkeypatch.setenv("VAELIB_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match="VAELIB_DATA names .*nowhere"):
        load("mnist")


def test_a_root_one_or_two_folders_too_deep_is_told_which(raw, tmp_path):
    for deep in (raw, raw.parent):
        with pytest.raises(FileNotFoundError, match=f"use root={str(tmp_path)!r}"):
            load("mnist", deep)
    raw.rename(tmp_path / "raw")
    with pytest.raises(FileNotFoundError, match="move the files into .*MNIST/raw"):
        load("mnist", tmp_path)


def test_unknown_names_are_answered_with_the_known_ones():
    with pytest.raises(ValueError, match="'cifar'.* mnist, digits, digits8, shapes"):
        load("cifar")
    with pytest.raises(ValueError, match="'cifar'"):
        load("mnist", fallback="cifar")
    with pytest.raises(ValueError, match="need no download, got 'mnist'"):
        load("mnist", fallback="mnist")


# Downloading


def test_a_download_is_kept_for_the_next_time(tiny, tmp_path, monkeypatch, capsys):
    serve(monkeypatch, tiny)
    assert len(load("mnist").train) == 5
    assert "Downloading MNIST (11.6 MB)" in capsys.readouterr().err
    folder = tmp_path / "cache" / "vaelib" / "MNIST"
    assert [path.name for path in folder.iterdir()] == ["raw"]
    assert {p.name: p.read_bytes() for p in (folder / "raw").iterdir()} == tiny
    monkeypatch.setattr(vaelib.data, "_fetch", None)
    assert len(load("mnist").train) == 5


@pytest.mark.parametrize("error", [KeyboardInterrupt, ConnectionResetError("reset")])
def test_an_interrupted_download_leaves_nothing(tiny, tmp_path, monkeypatch, error):
    serve(monkeypatch, tiny)
    fetch = vaelib.data._fetch

    def interrupted(url, timeout):
        if "t10k-images" in url:
            raise error
        return fetch(url, timeout)

    monkeypatch.setattr(vaelib.data, "_fetch", interrupted)
    expected = KeyboardInterrupt if error is KeyboardInterrupt else ConnectionError
    with pytest.raises(expected):
        load("mnist", tmp_path, fallback=None)
    assert list((tmp_path / "MNIST").iterdir()) == []


def test_the_four_files_appear_in_one_step(tiny, tmp_path, monkeypatch):
    moved = []

    def refuse(path, target):
        moved.extend(file.name for file in path.iterdir())
        raise OSError("disk full")

    serve(monkeypatch, tiny)
    monkeypatch.setattr(vaelib.data.Path, "rename", refuse)
    with pytest.raises(ConnectionError, match="disk full"):
        load("mnist", tmp_path, fallback=None)
    assert sorted(moved) == sorted(MNIST_FILES)
    assert list((tmp_path / "MNIST").iterdir()) == []


def test_another_process_may_be_faster(tiny, tmp_path, monkeypatch):
    serve(monkeypatch, tiny)
    fetch = vaelib.data._fetch

    def overtaken(url, timeout):
        if "t10k-images" in url:
            (tmp_path / "MNIST" / "raw").mkdir()
            for name, content in tiny.items():
                (tmp_path / "MNIST" / "raw" / name).write_bytes(content)
        return fetch(url, timeout)

    monkeypatch.setattr(vaelib.data, "_fetch", overtaken)
    assert len(load("mnist", tmp_path).train) == 5
    assert [path.name for path in (tmp_path / "MNIST").iterdir()] == ["raw"]


def test_what_is_not_mnist_is_not_kept(tiny, tmp_path, monkeypatch):
    serve(monkeypatch, tiny | {"train-images-idx3-ubyte": b"<html>"})
    with pytest.raises(ConnectionError, match="not MNIST"):
        load("mnist", tmp_path, fallback=None)
    assert list((tmp_path / "MNIST").iterdir()) == []


def test_a_mirror_that_answers_is_found_among_those_that_do_not(tiny, monkeypatch):
    serve(monkeypatch, tiny)
    fetch = vaelib.data._fetch

    def one_works(url, timeout):
        if "//broken" in url:
            raise urllib.error.URLError("broken")
        if "//portal" in url:
            return b"<html>sign in</html>"
        return fetch(url, timeout)

    monkeypatch.setattr(vaelib.data, "_fetch", one_works)
    mirrors = ["http://broken/", "http://portal/", "http://works/"]
    monkeypatch.setattr(vaelib.data, "MIRRORS", mirrors)
    assert len(load("mnist").train) == 5


def test_the_size_of_the_download_is_that_of_the_four_files():
    assert vaelib.data.MNIST_DOWNLOAD_BYTES == 11_594_722


# Out of reach


def test_the_fallback_says_so_and_why(capsys):
    data = load()
    assert data.name == "digits" and data.shape == (1, 28, 28)
    printed = capsys.readouterr()
    assert "MNIST is out of reach (no network: Connection refused)" in printed.out
    assert "using the digits inside scikit-learn instead" in printed.out
    assert all(len(line) < 80 for line in printed.out.splitlines())
    assert printed.err == ""
    assert repr(data).endswith(
        "(MNIST is out of reach: no network: Connection refused)"
    )
    assert "\n" not in repr(data)


def test_without_a_fallback_it_raises():
    with pytest.raises(
        ConnectionError, match="no network.*VAELIB_DATA.*'digits'"
    ) as raised:
        load("mnist", fallback=None)
    shown = "".join(traceback.format_exception(raised.value))
    assert shown.count("Traceback") == 1  # the network's own errors stay out of it


def _silent_server():
    server = socket.create_server(("127.0.0.1", 0))  # accepts, and never answers
    return server, f"http://127.0.0.1:{server.getsockname()[1]}/"


def test_a_network_that_swallows_packets_costs_a_few_seconds_once(monkeypatch):
    assert vaelib.data.PATIENCE <= 5
    monkeypatch.setattr(vaelib.data, "PATIENCE", 0.5)
    server, mirror = _silent_server()
    with server:
        monkeypatch.setattr(vaelib.data, "MIRRORS", [mirror, mirror, NO_SERVER])
        start = time.perf_counter()
        with pytest.raises(ConnectionError, match="network does not answer"):
            load("mnist", fallback=None)
        assert 0.4 < time.perf_counter() - start < 3
    monkeypatch.setattr(vaelib.data, "_first_to_answer", pytest.fail)
    with pytest.raises(ConnectionError, match="network does not answer"):
        load("mnist", fallback=None)


def test_a_name_server_that_never_answers_has_the_same_limit(monkeypatch):
    monkeypatch.setattr(vaelib.data, "PATIENCE", 0.3)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args: time.sleep(4) or [])
    start = time.perf_counter()
    with pytest.raises(ConnectionError, match="network does not answer"):
        load("mnist", fallback=None)
    assert time.perf_counter() - start < 3


def test_a_failure_is_forgotten_after_a_minute(tiny, monkeypatch):
    with pytest.raises(ConnectionError):
        load("mnist", fallback=None)
    serve(monkeypatch, tiny)
    with pytest.raises(ConnectionError):
        load("mnist", fallback=None)
    then, reason = vaelib.data._failure
    monkeypatch.setattr(vaelib.data, "_failure", (then - 61, reason))
    assert len(load("mnist", fallback=None).train) == 5


def test_offline_does_not_try(tiny, monkeypatch):
    serve(monkeypatch, tiny)
    monkeypatch.setenv("VAELIB_OFFLINE", "1")
    with pytest.raises(ConnectionError, match="VAELIB_OFFLINE is set"):
        load("mnist", fallback=None)
    monkeypatch.setenv("VAELIB_OFFLINE", "0")
    assert load("mnist").name == "mnist"


def test_a_cache_that_cannot_be_written_is_named(tiny, tmp_path, monkeypatch):
    serve(monkeypatch, tiny)
    (tmp_path / "MNIST").write_text("a file where the folder should be")
    with pytest.raises(ConnectionError, match="MNIST"):
        load("mnist", tmp_path, fallback=None)


# Digits


@pytest.fixture(scope="module")
def digits():
    return load("digits")


@pytest.fixture(scope="module")
def digits8():
    return load("digits8")


@pytest.mark.parametrize("name", ["digits", "digits8", "shapes"])
def test_images_are_the_same_whatever_the_default_precision(name):
    usual = load(name)
    torch.set_default_dtype(torch.float64)
    try:
        data = load(name)
    finally:
        torch.set_default_dtype(torch.float32)
    assert data.train.x.dtype == torch.float32
    torch.testing.assert_close(data.train.x, usual.train.x, rtol=0, atol=1e-6)
    torch.testing.assert_close(data.test.x, usual.test.x, rtol=0, atol=1e-6)


def test_digits8_are_scikit_learns_split_in_two(digits8):
    from sklearn.datasets import load_digits

    theirs = load_digits()
    ours = torch.cat([digits8.train.x, digits8.test.x]).flatten(1) * 16
    labels = torch.cat([digits8.train.y, digits8.test.y])
    rows = {(*map(int, row), int(y)) for row, y in zip(ours, labels, strict=True)}
    assert rows == {
        (*map(int, row), int(y))
        for row, y in zip(theirs.data, theirs.target, strict=True)
    }
    assert repr(digits8) == "digits8: 1,437 training and 360 test images of 1x8x8"


def test_no_test_digit_is_a_training_digit(digits8):
    train = {row.numpy().tobytes() for row in digits8.train.x}
    test = {row.numpy().tobytes() for row in digits8.test.x}
    assert len(test) == 360 and not train & test


def test_the_split_is_stratified(digits8):
    assert (digits8.test.y.bincount() - 36).abs().max() <= 2


def test_digits_are_what_they_promise(digits, digits8):
    assert repr(digits) == "digits: 17,244 training and 360 test images of 1x28x28"
    for images in (digits.train, digits.test):
        assert images.x.dtype == torch.float32 and images.y.dtype == torch.int64
        assert images.x.is_contiguous()
        assert images.x.min() == 0 and images.x.max() == 1
    assert torch.equal(digits.test.y, digits8.test.y)
    assert torch.equal(digits.train.y, digits8.train.y.repeat(12))


def test_straight_digits_are_the_small_ones_enlarged(digits, digits8):
    # 8 pixels become 20 of 28: with margins of 2 pixels 12 become 30, less 1 a side.
    def enlarge(x):
        x = F.interpolate(F.pad(x, (2, 2, 2, 2)), size=30, mode="bicubic")
        return ((x[..., 1:-1, 1:-1] - 0.4) / 0.4).clamp(0, 1)

    torch.testing.assert_close(
        digits.test.x, enlarge(digits8.test.x), atol=1e-4, rtol=0
    )
    first = digits.train.x[: len(digits8.train)]
    torch.testing.assert_close(first, enlarge(digits8.train.x), atol=1e-4, rtol=0)


def test_variants_differ_but_stay_near(digits):
    variants = digits.train.x.reshape(12, 1437, 1, 28, 28)
    change = (variants[1:] - variants[0]).abs().mean((2, 3, 4))
    assert (change > 0).all() and change.mean() < 0.15
    ink = variants.sum((2, 3, 4)) / variants[0].sum((1, 2, 3))
    assert 0.6 < ink.min() and ink.max() < 1.5


def test_enlarging_moves_turns_and_stretches_as_named():
    x = torch.zeros(1, 1, 8, 8)
    x[..., 2:6, 2:6] = 1

    def enlarge(**given):
        names = ("turn", "stretch", "right", "down")
        values = {name: torch.tensor([float(given.get(name, 0))]) for name in names}
        return vaelib.data._enlarge(x, **values)[0, 0]

    plain = enlarge()
    torch.testing.assert_close(enlarge(right=2), plain.roll(2, 1), atol=1e-4, rtol=0)
    torch.testing.assert_close(enlarge(down=-3), plain.roll(-3, 0), atol=1e-4, rtol=0)
    torch.testing.assert_close(enlarge(turn=90), plain, atol=1e-4, rtol=0)
    ratio = (enlarge(stretch=0.2).sum() / plain.sum()).item()
    assert ratio == pytest.approx(1.44, rel=0.05)
    x[..., 2:6, 4:6] = 0  # a bar left of the middle goes up when turned clockwise
    assert enlarge(turn=90)[:14].sum() > 3 * enlarge(turn=90)[14:].sum()
    pair = enlarge(turn=90, right=2, down=-3)
    expected = enlarge(turn=90).roll((-3, 2), (0, 1))
    torch.testing.assert_close(pair, expected, atol=1e-4, rtol=0)


@real_mnist
def test_digits_look_like_mnist(digits):
    mnist = load("mnist").train.x[:10_000]
    x = digits.train.x
    assert x.mean().item() == pytest.approx(mnist.mean().item(), abs=0.01)
    empty, theirs = (x == 0).float().mean().item(), (mnist == 0).float().mean().item()
    assert empty == pytest.approx(theirs, abs=0.02)


@pytest.mark.parametrize("name", ["digits", "digits8", "shapes"])
def test_the_same_images_every_time_whatever_the_seed(name):
    torch.manual_seed(1)
    one = load(name)
    state = torch.manual_seed(2).get_state()
    two = load(name)
    assert torch.equal(torch.get_rng_state(), state)  # and leaves the seed alone
    for a, b in ((one.train, two.train), (one.test, two.test)):
        assert torch.equal(a.x, b.x) and torch.equal(a.y, b.y)


# Shapes


def test_shapes_come_with_the_factors_that_draw_them():
    data = load("shapes")
    assert repr(data) == "shapes: 14,000 training and 1,552 test images of 1x28x28"
    assert data.factor_names == ("shape", "scale", "orientation", "x", "y")
    for images in (data.train, data.test):
        assert images.factors.shape == (len(images), 5)
        part = images[3:500:7]
        drawn = vaelib.shapes.draw(part.factors)
        torch.testing.assert_close(drawn, part.x, atol=1e-5, rtol=0)
        assert torch.equal(images.y, images.factors[:, 0].long())
    together = torch.cat([data.train.factors, data.test.factors])
    assert torch.equal(together.unique(dim=0), vaelib.shapes.grid().unique(dim=0))


# Images


def test_indexing_gives_images():
    x = torch.arange(10.0).reshape(10, 1, 1, 1) / 10
    images = Images(x, torch.arange(10), torch.arange(20.0).reshape(10, 2))
    for index, expected in [
        (3, [3]),
        (-1, [9]),
        (torch.tensor(4), [4]),
        (slice(0, 10, 4), [0, 4, 8]),
        ([5, 2], [5, 2]),
        (torch.tensor([1, 0]), [1, 0]),
        (torch.arange(10) > 7, [8, 9]),
    ]:
        part = images[index]
        assert isinstance(part, Images) and part.y.tolist() == expected
        assert part.x.shape == (len(expected), 1, 1, 1) and part.x.is_contiguous()
        assert part.factors[:, 0].tolist() == [2 * i for i in expected]
    assert [len(image) for image in images] == [1] * 10
    assert repr(images) == "10 images of 1x1x1"
    with pytest.raises(IndexError):
        images[10]


def test_images_cannot_be_changed_by_assignment():
    images = Images(torch.zeros(1, 1, 2, 2), torch.zeros(1))
    with pytest.raises(AttributeError):
        images.x = None
