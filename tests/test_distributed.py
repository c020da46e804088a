"""Two processes that train one model: the same result, and a common end.

Most scenarios run in pairs of forked processes, which this file starts when it is run
as a program: a fork need not import torch again. The last one is a real torchrun.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file

import vaelib
from vaelib import train, training

WORLD = 2
pytestmark = pytest.mark.skipif(
    not (hasattr(os, "fork") and dist.is_available() and dist.is_gloo_available()),
    reason="needs fork and gloo",
)


def images(n):
    """Each has one white column."""
    column = torch.randint(8, (n,), generator=torch.Generator().manual_seed(0))
    return torch.eye(8)[column].reshape(n, 1, 1, 8).repeat(1, 1, 8, 1)


def model(build=vaelib.VAE.mlp, widths=(32,)):
    torch.manual_seed(0)
    return build((1, 8, 8), widths, latent_dim=2)


def exact(build, widths):
    """In double precision and with the mean for each draw, nothing is left to chance.

    129 images: in the last batch there is one, and the second process has none.
    """
    rsample = torch.distributions.Normal.rsample
    torch.distributions.Normal.rsample = lambda self, shape=(): self.loc.expand(
        *shape, *self.loc.shape
    )
    try:
        vae = model(build, widths).double()
        data = vaelib.Dataset(
            "test", *(vaelib.Images(images(n), None) for n in (129, 7))
        )
        return vae, vaelib.fit(vae, data, 3, 64, device="cpu", progress=False)
    finally:
        torch.distributions.Normal.rsample = rsample


def trained(lr=1e-3, **options):
    vae = model()
    return vae, vaelib.fit(vae, images(200), 4, 50, lr, device="cpu", **options)


SEEDS = set()  # of this process's noise


def looking(lr):
    """With a look after each step, which is otherwise taken every second or so."""
    training.CHECK_SELDOM = 1
    return trained(lr)


def in_process(rank, at, act):
    """A learning rate that acts in one process when training has come so far."""

    def lr(done):
        SEEDS.add(torch.initial_seed())
        if dist.is_initialized() and dist.get_rank() == rank and done == at:
            act()
        return 1e-2

    lr.__qualname__ = "lr"
    return lr


DIE = in_process(1, 0.5, lambda: os._exit(9))
INTERRUPT = in_process(1, 0.3125, lambda: os.kill(os.getpid(), signal.SIGINT))
CALM = in_process(1, 2.0, None)

SCENARIOS = {
    "mlp": lambda folder: exact(vaelib.VAE.mlp, (32,)),
    "conv": lambda folder: exact(vaelib.VAE.conv, (4, 8)),
    "whole": lambda folder: trained(CALM),
    "dead": lambda folder: trained(DIE, checkpoint=folder / "run.safetensors"),
    "resumed": lambda folder: trained(CALM, checkpoint=folder / "run.safetensors"),
    "interrupted": lambda folder: looking(INTERRUPT),
    "exploded": lambda folder: trained(1e9, progress=False),
}


def work(name, rank, folder):
    """One process of a scenario: leaves its model and its history in the folder."""
    os.environ.pop("TQDM_DISABLE", None)
    with open(folder / f"{name}{rank}.err", "w") as sys.stderr:
        store = f"file://{folder}/{name}.store"
        dist.init_process_group("gloo", store, rank=rank, world_size=WORLD)
        found = {}
        try:
            vae, history = SCENARIOS[name](folder)
            vae.save(folder / f"{name}{rank}.safetensors")
            found = {"rows": history.rows, "interrupted": history.interrupted}
            found["seeds"] = sorted(SEEDS)
        except Exception as error:
            found = {"error": f"{type(error).__name__}: {error}"}
        (folder / f"{name}{rank}.json").write_text(json.dumps(found))


def run_all(folder):
    import torch._dynamo  # noqa: F401  which DistributedDataParallel imports, slowly

    for name in SCENARIOS:
        children = []
        for rank in range(WORLD):
            if not (child := os.fork()):
                try:
                    work(name, rank, folder)
                finally:
                    os._exit(0)
            children.append(child)
        for child in children:
            os.waitpid(child, 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("distributed")
    command = [sys.executable, __file__, str(folder)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, timeout=120, env=environment)
    return folder


@pytest.fixture
def found(folder):
    def read(name, rank):
        path = folder / f"{name}{rank}.json"
        return json.loads(path.read_text()) if path.exists() else None

    return read


@pytest.fixture
def weights(folder):
    def read(name, rank):
        found = load_file(folder / f"{name}{rank}.safetensors")
        return torch.cat([found[key].flatten() for key in sorted(found)])

    return read


@pytest.mark.parametrize(
    "name, build, widths",
    [("mlp", vaelib.VAE.mlp, (32,)), ("conv", vaelib.VAE.conv, (4, 8))],
)
def test_two_processes_compute_what_one_does(found, weights, name, build, widths):
    vae, history = exact(build, widths)
    state = vae.state_dict()
    alone = torch.cat([state[key].flatten() for key in sorted(state)])
    for rank in range(WORLD):
        torch.testing.assert_close(weights(name, rank), alone, rtol=0, atol=1e-8)
        for row, expected in zip(found(name, rank)["rows"], history.rows, strict=True):
            assert row.keys() == expected.keys()
            for column in expected.keys() - {"seconds", "images_per_second"}:
                assert row[column] == pytest.approx(expected[column], rel=1e-6)


def test_with_noise_the_bound_is_that_of_one_process(found, weights):
    _, history = trained(CALM, progress=False)
    assert torch.equal(weights("whole", 0), weights("whole", 1))
    rows = found("whole", 0)["rows"]
    assert [row["elbo"] for row in rows] == pytest.approx(history["elbo"], abs=1.5)
    assert rows[0]["elbo"] < rows[-1]["elbo"] - 5


def test_each_process_and_epoch_draws_noise_of_its_own(found):
    seeds = [found("whole", rank)["seeds"] for rank in range(WORLD)]
    assert [len(each) for each in seeds] == [4, 4]
    assert not set(seeds[0]) & set(seeds[1])


def test_there_is_one_progress_bar(folder):
    assert "epoch 4/4" in (folder / "whole0.err").read_text()
    assert (folder / "whole1.err").read_text() == ""


def test_a_death_is_told_and_the_rest_goes_on_from_the_checkpoint(found, weights):
    assert found("dead", 1) is None
    assert found("dead", 0)["error"] == (
        "ConnectionError: Another process of this training died in epoch 3. Start all "
        "of them again; with a checkpoint, fit goes on after the last whole epoch."
    )
    for rank in range(WORLD):
        assert torch.equal(weights("resumed", rank), weights("whole", rank))
        assert len(found("resumed", rank)["rows"]) == 4


def test_ctrl_c_in_one_ends_all_at_the_same_step(found, weights):
    for rank in range(WORLD):
        history = found("interrupted", rank)
        assert history["interrupted"]
        # In step 2 of 4 of the second epoch; 50 of the 200 images are a step.
        assert [row["epoch"] for row in history["rows"]] == [1, 1.5]
    assert torch.equal(weights("interrupted", 0), weights("interrupted", 1))


def test_an_explosion_is_an_error_in_all(found):
    for rank in range(WORLD):
        assert (
            "FloatingPointError: The loss stopped" in found("exploded", rank)["error"]
        )


def arguments(folder, data, out):
    return (
        f"--data {data} --epochs 4 --hidden 32 --latent-dim 2 --device cpu --resume "
        f"--checkpoint {folder}/{out}.run --out {folder}/{out}.safetensors"
    ).split()


def test_torchrun_mends_a_killed_worker_and_gives_the_usual_result(tmp_path):
    digits = vaelib.load("digits")
    np.save(tmp_path / "x.npy", (digits.train.x * 255).round().byte()[:6000].numpy())
    assert train.main(arguments(tmp_path, tmp_path / "x.npy", "one")) == 0
    run = "-m torch.distributed.run --nproc-per-node=2 --max-restarts=1 -m vaelib.train"
    command = [sys.executable, *run.split()]
    launcher = subprocess.Popen(
        command + arguments(tmp_path, tmp_path / "x.npy", "two"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    wait_for(tmp_path / "two.run", launcher)
    os.kill(worker(launcher.pid, rank=1), signal.SIGKILL)
    out, err = launcher.communicate(timeout=120)
    assert launcher.returncode == 0, err
    assert "vaelib.train, process 0 of 2: " in err
    assert "The same command with --resume goes on" in err
    assert out.count("The model is in") == 1
    elbos = [
        vaelib.evaluate(
            vaelib.VAE.load(tmp_path / f"{name}.safetensors"), digits.test.x
        )["elbo"]
        for name in ("one", "two")
    ]
    assert elbos[0] == pytest.approx(elbos[1], abs=4.0)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def wait_for(path, launcher):
    while not path.exists():
        assert launcher.poll() is None, launcher.stderr.read()
        time.sleep(0.01)


def worker(launcher, rank):
    """The process id of one of torchrun's workers."""
    if not Path("/proc").is_dir():
        pytest.skip("finds the worker in /proc")
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            variables = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if parent == launcher and f"RANK={rank}".encode() in variables:
            return int(folder.name)
    raise AssertionError("torchrun has no such worker")


def test_the_command_line_answers_in_a_sentence(tmp_path, capsys):
    (tmp_path / "run").write_text("")
    for given, sentence in [
        (["--resume"], "--resume needs --checkpoint FILE"),
        (["--checkpoint", f"{tmp_path}/run"], "is there already: add --resume"),
        (["--out", f"{tmp_path}/no/x.safetensors"], "does not exist"),
        (["--out", f"{tmp_path}"], "name a file"),
        (
            ["--out", f"{tmp_path}/x", "--checkpoint", f"{tmp_path}/x"],
            "must be two files",
        ),
    ]:
        with pytest.raises(SystemExit):
            train.main(given)
        assert sentence in capsys.readouterr().err
    out = ["--out", f"{tmp_path}/x.safetensors"]

    def npy(name, array):
        path = tmp_path / f"{name}.npy"
        path.write_bytes(b"")
        if array is not None:
            np.save(path, array)
        return str(path)

    for given, sentence in [
        (["--data", "faces"], "vaelib.train: no data set is called 'faces'"),
        (["--data", "digits8", "--epochs", "0"], "epochs must be a whole number"),
        (["--data", f"{tmp_path}/no.npy"], "No such file"),
        (["--device", "tpu"], "device must be"),
        (["--data", npy("empty", None)], "empty.npy is no complete .npy file"),
        (
            ["--data", npy("ints", np.zeros((2, 4, 4), int))],
            "8-bit or floats in [0, 1]",
        ),
        (["--data", npy("flat", np.zeros((2, 4)))], "images (N, C, H, W) or (N, H, W)"),
        (
            ["--data", npy("last", np.zeros((2, 8, 8, 3), np.uint8))],
            "channels last; write it again with numpy.save",
        ),
    ]:
        assert train.main(given + out) == 1
        assert sentence in capsys.readouterr().err


if __name__ == "__main__":
    run_all(Path(sys.argv[1]))
