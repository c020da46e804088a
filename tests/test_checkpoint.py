"""A training that was cut off goes on as if nothing had happened."""

import os
import signal

import pytest
import torch

import vaelib
from vaelib.schedules import one_cycle


@pytest.fixture(scope="module")
def x():
    return vaelib.load("digits").train.x[:500]


def small():
    torch.manual_seed(0)
    return vaelib.VAE.mlp((1, 28, 28), hidden=(64,), latent_dim=2)


def weights(vae):
    return torch.cat([p.detach().cpu().flatten() for p in vae.parameters()])


def fit(vae, x, epochs=4, **options):
    options = {"batch_size": 100, "device": "cpu", "progress": False} | options
    return vaelib.fit(vae, x, epochs, **options)


def cut_off(monkeypatch, at):
    """Raise in a step, as a session that dies would."""
    steps = 0
    elbo = vaelib.VAE.elbo

    def dying(self, *args, **kwargs):
        nonlocal steps
        steps += 1
        if steps == at:
            os.kill(os.getpid(), signal.SIGINT)
        return elbo(self, *args, **kwargs)

    monkeypatch.setattr(vaelib.VAE, "elbo", dying)


def test_resumed_is_the_same_as_never_stopped(x, tmp_path, monkeypatch):
    path = tmp_path / "run.safetensors"
    options = {"lr": one_cycle(1e-2), "start_at_mean": True}
    whole = small()
    expected = fit(whole, x, **options)
    with monkeypatch.context() as patch:
        cut_off(patch, at=13)  # in the middle of epoch 3 of 5 steps
        broken = fit(small(), x, checkpoint=path, **options)
    assert broken.interrupted and broken["epoch"] == [1, 2, pytest.approx(2.4)]
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    torch.manual_seed(9)
    resumed = vaelib.VAE.mlp((1, 28, 28), hidden=(64,), latent_dim=2)
    history = fit(resumed, x, checkpoint=path, **options)
    assert torch.equal(weights(resumed), weights(whole))
    assert history["epoch"] == [1, 2, 3, 4] and not history.interrupted
    assert history["elbo"] == expected["elbo"]
    # A finished training is loaded, not repeated.
    loaded = small()
    assert repr(fit(loaded, x, checkpoint=path, **options)) == repr(history)
    assert torch.equal(weights(loaded), weights(whole))


def test_more_epochs_may_be_asked_for_where_nothing_depends_on_their_number(
    x, tmp_path
):
    path = tmp_path / "run.safetensors"
    fit(small(), x, 1, checkpoint=path)
    longer, whole = small(), small()
    assert len(fit(longer, x, 3, checkpoint=path)) == 3
    fit(whole, x, 3)
    assert torch.equal(weights(longer), weights(whole))
    with pytest.raises(ValueError, match="holds 3 epochs already"):
        fit(small(), x, 2, checkpoint=path)


def test_another_training_does_not_go_on_from_it(x, tmp_path):
    path = tmp_path / "run.safetensors"
    fit(small(), x, 1, checkpoint=path)
    for other, sentence in [
        ({"lr": 1e-2}, "of a training with lr=0.001, this one has lr=0.01"),
        ({"lr": one_cycle(1e-3)}, r"lr=one_cycle\(peak=0.001"),
        ({"beta": 2.0}, "beta=1.0, this one has beta=2.0"),
        ({"seed": 1}, "seed=0"),
        ({"batch_size": 99}, "batch_size=100"),
        ({"precision": "bfloat16"}, "precision=float32"),
        ({"start_at_mean": True}, "start_at_mean=False"),
    ]:
        with pytest.raises(ValueError, match=sentence):
            fit(small(), x, 1, checkpoint=path, **other)
    with pytest.raises(ValueError, match="images=500, this one has images=400"):
        fit(small(), x[:400], 1, checkpoint=path)
    other = vaelib.VAE.mlp((1, 28, 28), hidden=(32,), latent_dim=2)
    with pytest.raises(ValueError, match="model="):
        fit(other, x, 1, checkpoint=path)


def test_a_model_of_ones_own_can_be_resumed_and_is_told_apart(x, tmp_path):
    path = tmp_path / "run.safetensors"

    def own(width):
        built = vaelib.VAE.mlp((1, 28, 28), hidden=(width,), latent_dim=2)
        built.decoder.again = built.decoder.logits  # weights of two names
        return vaelib.VAE(built.encoder, built.decoder, built.prior)

    fit(own(16), x, 1, checkpoint=path)
    assert len(fit(own(16), x, 2, checkpoint=path)) == 2
    with pytest.raises(ValueError, match="those of another model"):
        fit(own(8), x, 2, checkpoint=path)


def test_what_is_no_checkpoint_is_left_alone(x, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("dear diary")
    with pytest.raises(ValueError, match="notes.txt is no checkpoint"):
        fit(small(), x, 1, checkpoint=path)
    assert path.read_text() == "dear diary"
    small().save(tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="is no checkpoint"):
        fit(small(), x, 1, checkpoint=tmp_path / "model.safetensors")
    for nowhere in (tmp_path, tmp_path / "no" / "run.safetensors"):
        with pytest.raises(FileNotFoundError, match="a folder that exists"):
            fit(small(), x, 1, checkpoint=nowhere)


def test_a_loss_that_explodes_leaves_the_last_good_checkpoint(x, tmp_path):
    path = tmp_path / "run.safetensors"

    def lr(done):
        return 1e-3 if done < 0.5 else 1e9

    vae = small()
    with pytest.raises(FloatingPointError):
        fit(vae, x, 4, lr=lr, checkpoint=path)
    resumed = small()
    with pytest.raises(FloatingPointError) as caught:
        fit(resumed, x, 4, lr=lr, checkpoint=path)
    assert len(caught.value.history) == 2
    assert torch.equal(weights(vae), weights(resumed))


def test_other_images_and_other_lambdas_are_told_apart(x, tmp_path):
    path = tmp_path / "run.safetensors"
    slope = 1e-3
    fit(small(), x, 2, lr=lambda done: slope * (2 - done), checkpoint=path)
    assert len(fit(small(), x, 2, lr=lambda done: 1e-3 * (2 - done), checkpoint=path))
    with pytest.raises(ValueError, match="values 0.002, 0.0017, 0.0013.*values 0.003"):
        fit(small(), x, 2, lr=lambda done: 1e-3 * (3 - done), checkpoint=path)
    with pytest.raises(ValueError, match="pixels="):
        fit(small(), 1 - x, 2, lr=lambda done: 1e-3 * (2 - done), checkpoint=path)


def test_a_checkpoint_that_is_refused_leaves_the_model_as_it_was(x, tmp_path):
    path = tmp_path / "run.safetensors"
    fit(small(), x, 1, checkpoint=path)
    vae = small()
    with pytest.raises(ValueError, match="start_at_mean"):
        fit(vae, x, 1, checkpoint=path, start_at_mean=True)
    assert torch.equal(weights(vae), weights(small()))
