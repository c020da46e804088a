"""fit on real images: what it reaches, what it leaves behind, how it fails."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import torch

import vaelib
from vaelib import training
from vaelib.schedules import linear

# Four seeds gave -98.1 to -100.9.
DIGITS_TEST_ELBO_AFTER_4_EPOCHS = -104.0


@pytest.fixture(scope="module")
def digits():
    return vaelib.load("digits")


def small(latent_dim=2):
    torch.manual_seed(0)
    return vaelib.VAE.mlp((1, 28, 28), hidden=(64,), latent_dim=latent_dim)


def few(digits, n=1000):
    return digits.train.x[:n]


def weights(vae):
    return torch.cat([p.detach().cpu().flatten() for p in vae.parameters()])


def test_fit_learns_real_digits(digits):
    torch.manual_seed(0)
    vae = vaelib.VAE.mlp(digits.shape)
    before = vaelib.evaluate(vae, digits.test.x)
    history = vaelib.fit(vae, digits, epochs=4, progress=False)
    assert len(history) == 4 and history["epoch"] == [1, 2, 3, 4]
    assert before["elbo"] < -500
    assert history["test_elbo"] == sorted(history["test_elbo"])
    assert history["test_elbo"][-1] > DIGITS_TEST_ELBO_AFTER_4_EPOCHS
    for row in history.rows:
        assert row["elbo"] == pytest.approx(row["reconstruction"] - row["kl"])
        assert row["kl"] > 5 and row["seconds"] > 0


def test_same_seed_same_result_and_the_global_state_is_left_alone(digits):
    vaes, states = [], []
    for seed in (3, 3, 4):
        vae = small()
        state = torch.get_rng_state()
        vaelib.fit(vae, few(digits), 1, seed=seed, device="cpu", progress=False)
        states.append(torch.equal(state, torch.get_rng_state()))
        vaes.append(weights(vae))
    assert torch.equal(vaes[0], vaes[1])
    assert not torch.equal(vaes[0], vaes[2])
    assert all(states)


def test_beta_weighs_the_kl_and_follows_its_schedule(digits):
    kl = {}
    for beta in (0.1, 1.0, 10.0):
        history = vaelib.fit(small(), few(digits), 8, beta=beta, progress=False)
        kl[beta] = history["kl"][-1]
    assert kl[0.1] > kl[1.0] > kl[10.0]
    asked = []

    def schedule(fraction):
        asked.append(fraction)
        return linear(until=0.5)(fraction)

    history = vaelib.fit(
        small(), few(digits), 4, batch_size=100, beta=schedule, progress=False
    )
    assert asked == pytest.approx([step / 40 for step in range(40)])
    assert history["beta"] == pytest.approx([0.45, 0.95, 1.0, 1.0])


def test_it_learns_every_likelihood(digits):
    for name in ("continuous_bernoulli", "gaussian", "discretized_logistic"):
        torch.manual_seed(0)
        vae = vaelib.VAE.mlp((1, 28, 28), (64,), 2, likelihood=name)
        history = vaelib.fit(vae, few(digits), 5, progress=False)
        assert history["elbo"] == sorted(history["elbo"]), name


def test_an_interrupted_fit_returns_its_history_and_a_usable_model(digits):
    def beta(done):  # asked for before each step
        if done >= 0.5:
            raise KeyboardInterrupt
        return 1.0

    vae = small()
    history = vaelib.fit(vae, few(digits), 3, batch_size=100, beta=beta, progress=False)
    assert history.interrupted and "interrupted" in repr(history)
    assert history["epoch"] == [1, pytest.approx(1.5)]
    assert vae.reconstruct(few(digits, 3)).isfinite().all()
    assert history.plot().axes


def test_a_part_of_an_epoch_is_tested_too(digits, monkeypatch):
    """What reads the history after a training reads that of a stopped one as well."""

    def beta(done):
        if done >= 0.1:
            raise KeyboardInterrupt
        return 1.0

    options = {"batch_size": 100, "beta": beta, "progress": False}
    vae = small()
    history = vaelib.fit(vae, digits, 3, **options)
    assert len(history) == 1 and 0 < history["epoch"][0] < 1
    expected = vaelib.evaluate(vae, digits.test.x)["elbo"]
    assert history["test_elbo"] == [pytest.approx(expected, abs=1.0)]

    def pressed_again(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "_evaluate", pressed_again)
    assert "test_elbo" not in vaelib.fit(small(), digits, 3, **options).rows[0]


def test_a_real_ctrl_c_stops_a_real_fit(digits):
    press = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))

    def beta(done):
        if done == 0:  # not before training has begun
            press.start()
        return 1.0

    vae = small()
    start = time.perf_counter()
    history = vaelib.fit(vae, digits, epochs=10_000, beta=beta, progress=False)
    assert history.interrupted and time.perf_counter() - start < 20
    assert weights(vae).isfinite().all()


def test_a_loss_that_explodes_says_where_and_leaves_the_epochs_start(digits):
    vae = small()
    start = weights(vae)
    sentence = r"epoch 1, at or .* step \d+ of 10.*learning"
    with pytest.raises(FloatingPointError, match=sentence):
        vaelib.fit(vae, few(digits), 3, batch_size=100, lr=1e6, progress=False)
    assert torch.equal(weights(vae), start)


def test_the_last_step_of_all_is_checked_too(digits):
    vae = small()
    start = weights(vae)
    with pytest.raises(FloatingPointError) as caught:
        vaelib.fit(vae, few(digits), 1, batch_size=1000, lr=1e38, progress=False)
    assert len(caught.value.history) == 0
    assert torch.equal(weights(vae), start)


def test_data_in_double_precision_are_converted(digits):
    x = few(digits, 100).double().requires_grad_()
    history = vaelib.fit(small(), x, 1, progress=False)
    assert len(history) == 1 and x.grad is None
    assert vaelib.evaluate(small(), x.detach())["kl"] > 0


def test_images_without_a_test_set_will_do(digits):
    history = vaelib.fit(small(), digits.test, 1, progress=False)
    assert "test_elbo" not in history.rows[0]


def test_an_explosion_is_caught_without_looking_at_every_step(digits, monkeypatch):
    monkeypatch.setattr(training, "CHECK_EVERY", {})
    vae = small()
    start = weights(vae)
    with pytest.raises(FloatingPointError, match="step 10 of 10"):
        vaelib.fit(vae, few(digits), 3, batch_size=100, lr=1e6, progress=False)
    assert torch.equal(weights(vae), start)


@pytest.fixture
def looks(monkeypatch):
    """The steps at which fit looks, where it does not at each, as on a GPU."""
    monkeypatch.setattr(training, "CHECK_EVERY", {})
    steps, look = [], training.Meter.look

    def counted(self, step, weights=()):
        steps.append(step)
        look(self, step, weights)

    monkeypatch.setattr(training.Meter, "look", counted)
    return steps


def test_a_gpu_is_waited_for_every_fiftieth_step_only(looks):
    """Where nothing waits, looks are rare; the bar takes what they have read."""
    vae = vaelib.VAE.mlp((1, 2, 2), hidden=(2,), latent_dim=1)
    vaelib.fit(vae, torch.rand(600, 1, 2, 2), 1, batch_size=1, device="cpu")
    assert looks[0] == 1 and looks[-1] == 600
    assert 10 < len(looks) < 30  # 12 or so after the first steps have warmed up


def test_a_slow_training_looks_about_once_a_second(looks, monkeypatch):
    clock = iter(range(1000))
    monkeypatch.setattr(training.time, "perf_counter", lambda: 0.5 * next(clock))
    vaelib.fit(small(), torch.rand(6, 1, 28, 28), 1, batch_size=1, progress=False)
    assert looks[:3] == [1, 3, 6]


def test_the_bar_shows_the_terms(digits, capsys, monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    monkeypatch.setattr(training, "REFRESH_SECONDS", 0.0)
    vaelib.fit(small(), few(digits), 1)
    shown = capsys.readouterr().err
    for word in ("epoch 1/1", "ELBO -", "reconstruction -", "KL ", "images/s"):
        assert word in shown


def test_no_bar_when_not_wanted(digits, capsys):
    vaelib.fit(small(), few(digits), 1, progress=False)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "arguments, error, sentence",
    [
        (dict(epochs=0), ValueError, "epochs must be a whole number"),
        (dict(batch_size=0.5), ValueError, "batch_size must be a whole number"),
        (dict(lr=-1), ValueError, "lr must be a positive number"),
        (dict(lr="fast"), ValueError, "lr must be a positive number"),
        (dict(seed=None), ValueError, "seed must be a whole number"),
        (dict(beta=float("nan")), ValueError, "beta must be a finite number"),
        (dict(beta=lambda done: None), ValueError, "beta must be a finite"),
        (dict(beta="a"), ValueError, "beta must be a finite number"),
        (dict(device="tpu7"), ValueError, "device must be 'cuda', 'mps' or 'cpu'"),
        (dict(device="meta"), ValueError, "not available on this machine"),
        (dict(data=[1, 2]), TypeError, "x must be a tensor, got list"),
        (dict(data=torch.rand(3, 28, 28)), ValueError, r"shape \(N, 1, 28, 28\)"),
        (dict(data=torch.full((3, 1, 28, 28), 2.0)), ValueError, r"\[0, 1\]"),
        (dict(data=torch.full((3, 1, 28, 28), torch.nan)), ValueError, "NaN"),
    ],
)
def test_bad_arguments_are_answered_in_a_sentence(arguments, error, sentence):
    arguments = {"data": torch.rand(3, 1, 28, 28), "progress": False} | arguments
    with pytest.raises(error, match=sentence):
        vaelib.fit(small(), **arguments)


def test_the_fast_recipe_learns_more_in_as_many_epochs(digits):
    torch.manual_seed(0)
    vae = vaelib.VAE.mlp(digits.shape)
    history = vaelib.fit(vae, digits, **vaelib.FAST, device="cpu", progress=False)
    assert len(history) == 4
    # Seeds gave -89.5 to -90.8.
    assert history["test_elbo"][-1] > DIGITS_TEST_ELBO_AFTER_4_EPOCHS + 10


def test_the_learning_rate_follows_its_schedule(digits):
    asked = []

    def schedule(fraction):
        asked.append(fraction)
        return 1e-3 if fraction < 0.5 else 1e-12

    vae = small()
    vaelib.fit(vae, few(digits), 1, batch_size=100, lr=schedule, progress=False)
    assert asked == pytest.approx([step / 10 for step in range(10)])
    half, whole = small(), weights(vae)
    moved = (whole - weights(half)).abs().max()
    vaelib.fit(half, few(digits), 2, batch_size=100, lr=schedule, progress=False)
    assert moved > 1e-3
    with pytest.raises(ValueError, match="lr must be a positive number.*at 0.000"):
        vaelib.fit(vae, few(digits), 1, lr=lambda fraction: -1.0, progress=False)


def test_bfloat16_is_for_the_networks_alone(digits):
    """The bound and the weights stay in float32, and the bound is nearly the same."""
    x = few(digits)
    found = {}
    for precision in vaelib.devices.PRECISIONS[:2]:
        vae = small()
        with vaelib.devices.autocast(precision, torch.device("cpu")):
            torch.manual_seed(1)
            elbo = vae.elbo(x)
        assert {t.dtype for t in elbo[:3]} == {torch.float32}
        found[precision] = elbo
        history = vaelib.fit(vae, x, 3, precision=precision, progress=False)
        found[precision + " trained"] = history["elbo"][-1]
        assert weights(vae).dtype == torch.float32
    exact, rounded = found["float32"], found["bfloat16"]
    assert not torch.equal(exact.value, rounded.value)
    torch.testing.assert_close(rounded.value, exact.value, rtol=2e-3, atol=0)
    assert found["bfloat16 trained"] == pytest.approx(
        found["float32 trained"], rel=0.01
    )
    with pytest.raises(ValueError, match="one of float32, bfloat16, fastest"):
        vaelib.fit(small(), x, 1, precision="float8", progress=False)


@pytest.mark.parametrize("build", [vaelib.VAE.mlp, vaelib.VAE.conv])
def test_start_at_mean_begins_at_the_mean_image(digits, build):
    vae, x = build(digits.shape, latent_dim=2), few(digits)
    vaelib.fit(vae, x, 1, lr=1e-12, start_at_mean=True, progress=False)
    mean = x.mean(0)
    if build == vaelib.VAE.conv:  # one bias for the whole channel
        mean = mean.mean().expand_as(mean)
    found = vae.sample(200).mean(0)
    start = build(digits.shape, latent_dim=2).sample(200).mean(0)
    assert (found - mean).abs().mean() < 0.1 * (start - mean).abs().mean()


def test_start_at_mean_needs_a_bias_for_each_pixel(digits):
    built = small()
    vae = vaelib.VAE(built.encoder, lambda z: built.decoder(z), built.prior)
    with pytest.raises(ValueError, match="a bias for each pixel or each channel"):
        vaelib.fit(vae, few(digits), 1, start_at_mean=True, progress=False)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu_is_said_in_a_sentence():
    with pytest.raises(ValueError, match="'cuda' is not available .* to use"):
        vaelib.fit(small(), torch.rand(3, 1, 28, 28), device="cuda", progress=False)


def test_history_names_its_columns():
    history = training.History([{"epoch": 1, "elbo": -2.0}])
    assert history["elbo"] == [-2.0]
    with pytest.raises(KeyError, match="there are: epoch, elbo"):
        history["loss"]
    assert repr(training.History()) == "History of no epoch"
    assert list(history) == history.rows
    with pytest.raises(ValueError, match="no epoch yet"):
        training.History().plot()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_on_a_gpu_the_same_model_learns_the_same(digits):
    elbos = []
    for device in ("cpu", "cuda"):
        torch.manual_seed(0)
        vae = vaelib.VAE.mlp(digits.shape)
        history = vaelib.fit(vae, digits, epochs=3, device=device, progress=False)
        assert vae.device.type == device
        elbos.append(history["test_elbo"][-1])
    assert elbos[0] == pytest.approx(elbos[1], abs=3.0)


FIRST_FIT = """
import os, signal, sys, threading, time
import torch, vaelib

vae, x = vaelib.VAE.mlp((1, 4, 4), hidden=(4,)), torch.rand(64, 1, 4, 4)
before = len(sys.modules)


def press():
    while len(sys.modules) < before + 300:  # of about 900
        time.sleep(0.0005)
    os.kill(os.getpid(), signal.SIGINT)


signal.signal(signal.SIGINT, signal.default_int_handler)
threading.Thread(target=press, daemon=True).start()
history = vaelib.fit(vae, x, epochs=1, progress=False)
if len(sys.modules) < before + 300:
    sys.exit()  # a torch that imports nothing so late
assert history.interrupted and len(history) == 0
assert len(vaelib.fit(vae, x, epochs=1, progress=False)) == 1
"""


def test_ctrl_c_while_the_first_optimizer_is_imported():
    """Modules imported in part would stay, and no training would start any more."""
    done = subprocess.run(
        [sys.executable, "-c", FIRST_FIT], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_whatever_goes_wrong_leaves_the_history():
    vae, x = vaelib.VAE.mlp((1, 4, 4), hidden=(4,)), torch.rand(8, 1, 4, 4)
    with pytest.raises(ValueError, match="lr must be") as raised:
        rate = lambda done: 1e-3 if done < 0.5 else 0  # noqa: E731
        vaelib.fit(vae, x, epochs=2, lr=rate, progress=False)
    assert len(raised.value.history) == 1

    def out_of_memory(done):
        if done >= 0.5:
            raise RuntimeError("out of memory")
        return 1.0

    with pytest.raises(RuntimeError, match="out of memory") as raised:
        vaelib.fit(vae, x, epochs=2, beta=out_of_memory, progress=False)
    assert len(raised.value.history) == 1


def test_half_precision_is_summed_in_single():
    vae, x = vaelib.VAE.mlp((1, 28, 28), hidden=(4,)), torch.rand(1000, 1, 28, 28)
    expected = vaelib.evaluate(vae, x)["elbo"]
    assert vaelib.evaluate(vae.half(), x)["elbo"] == pytest.approx(expected, rel=0.02)


def test_weights_that_would_not_be_trained_are_named():
    """Layers that a plain function holds are not the model's."""
    parts = vaelib.VAE.mlp((1, 4, 4), hidden=(4,), latent_dim=2)
    x = torch.rand(8, 1, 4, 4)
    vae = vaelib.VAE(lambda x: parts.encoder(x), parts.decoder, parts.prior)
    with pytest.raises(ValueError, match="would not be trained: write the encoder"):
        vaelib.fit(vae, x, 1, progress=False)
    parts.encoder.requires_grad_(False)
    assert len(vaelib.fit(vae, x, 1, progress=False)) == 1
    parts.requires_grad_(False)
    with pytest.raises(ValueError, match=r"nothing to train.*vae.requires_grad_\(\)"):
        vaelib.fit(vae, x, 1, progress=False)


def test_an_explosion_that_torch_notices_first_is_told_alike():
    class Encoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.mu = torch.nn.Linear(16, 2)

        def forward(self, x):  # with torch's own check of the arguments
            normal = torch.distributions.Normal(self.mu(x.flatten(1)), 1.0)
            return torch.distributions.Independent(normal, 1)

    parts = vaelib.VAE.mlp((1, 4, 4), hidden=(4,), latent_dim=2)
    vae, x = vaelib.VAE(Encoder(), parts.decoder, parts.prior), torch.rand(8, 1, 4, 4)

    def explode(done):
        if done >= 0.5:
            with torch.no_grad():
                vae.encoder.mu.weight.fill_(torch.nan)
        return 1.0

    with pytest.raises(FloatingPointError, match="in epoch 2") as raised:
        vaelib.fit(vae, x, 2, batch_size=4, beta=explode, progress=False)
    assert len(raised.value.history) == 1 and weights(vae).isfinite().all()


def test_a_model_comes_first(digits):
    with pytest.raises(TypeError, match="vae must be a model.* first; got Dataset"):
        vaelib.fit(digits, small())


def test_a_history_may_have_more_columns_later():
    history = vaelib.History([{"epoch": 1, "elbo": 1.0}, {"epoch": 2, "test_elbo": 2}])
    assert history["test_elbo"][1] == 2 and "test_elbo" in repr(history)
