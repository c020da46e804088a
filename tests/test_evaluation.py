"""log_likelihood against an evidence that is known exactly."""

from functools import partial

import pytest
import torch

import vaelib
from vaelib import evaluation
from vaelib.linear_gaussian import LinearGaussian


@pytest.fixture
def model():
    torch.manual_seed(1)
    return LinearGaussian.random(6, 2, sigma=0.5).requires_grad_(False)


def wide(model):
    """The exact posterior mean, with a diagonal covariance that is too wide."""
    return partial(model.factorised, widen=1.3)


def test_the_estimate_is_within_its_standard_error_of_the_evidence(model):
    vae, x = model.vae(wide(model)), model.marginal().sample((200,))
    torch.manual_seed(0)
    estimate = vaelib.log_likelihood(vae, x, samples=2000)
    z = (estimate.value - model.log_evidence(x)) / estimate.standard_error
    # 200 z-scores of mean 0 and variance 1: both moments within 4 standard errors.
    assert abs(z.mean().item()) < 4 / 200**0.5
    assert abs(z.std().item() - 1) < 4 / (2 * 200) ** 0.5
    exact = model.log_evidence(x).mean().item()
    assert abs(estimate.mean - exact) < 4 * estimate.mean_standard_error


def test_the_exact_posterior_needs_no_luck(model):
    x = model.marginal().sample((150,))  # more than one batch
    estimate = vaelib.log_likelihood(model.vae(model.posterior), x, samples=10)
    torch.testing.assert_close(
        estimate.value.float(), model.log_evidence(x), rtol=1e-4, atol=1e-4
    )
    assert (estimate.standard_error < 1e-3).all()
    torch.testing.assert_close(
        estimate.effective_samples, torch.full((150,), 10.0).double(), rtol=1e-4, atol=0
    )


def test_chunks_change_nothing_but_memory(model, monkeypatch):
    vae, x = model.vae(wide(model)), model.marginal().sample((7,))
    log_w = []
    weights = vae.log_weights

    def recorded(x, samples):
        log_w.append(weights(x, samples))
        return log_w[-1]

    monkeypatch.setattr(vae, "log_weights", recorded)
    monkeypatch.setattr(evaluation, "VALUES", {"cpu": 70 * x[0].numel()})
    monkeypatch.setattr(evaluation, "TOGETHER", 10)
    estimate = vaelib.log_likelihood(vae, x, samples=95)
    assert max(len(part) for part in log_w) == 10
    every = torch.cat(log_w).double()
    assert every.shape == (95, 7)
    w = (every - every.max(0).values).exp()
    value = w.mean(0).log() + every.max(0).values
    error = w.std(0) / w.mean(0) / 95**0.5
    torch.testing.assert_close(estimate.value, value)
    torch.testing.assert_close(estimate.standard_error, error)
    effective = w.sum(0) ** 2 / (w**2).sum(0)
    torch.testing.assert_close(estimate.effective_samples, effective)


@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 2, 2), (3, 600, 700)])
def test_memory_is_bounded_whatever_samples_is(shape):
    vae = vaelib.VAE.mlp(shape, hidden=(8,), latent_dim=2)
    x = torch.rand(220 if shape[1] < 100 else 9, *shape)
    codes = []
    decode = vae.decoder.forward

    def recorded(z):
        codes.append(z.shape[:-1].numel())
        return decode(z)

    vae.decoder.forward = recorded
    vaelib.log_likelihood(vae, x, samples=500 if shape[1] < 100 else 8)
    assert 0 < max(codes) <= evaluation.CODES
    assert max(codes) * x[0].numel() <= evaluation.VALUES["cpu"]
    # Not so few at once either, or overhead would eat the time.
    allowed = min(evaluation.CODES, evaluation.VALUES["cpu"] // x[0].numel())
    assert max(codes) > 0.9 * allowed


def test_modes_are_put_back_whatever_happens(model, monkeypatch):
    vae = vaelib.VAE.mlp((1, 4, 4), hidden=(8,), latent_dim=2)
    vae.encoder.eval()  # frozen by its user
    x = torch.rand(3, 1, 4, 4)
    vaelib.log_likelihood(vae, x, samples=2)
    vaelib.evaluate(vae, x)
    assert vae.training and not vae.encoder.training

    def interrupt(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(vae, "log_weights", interrupt)
    with pytest.raises(KeyboardInterrupt):
        vaelib.log_likelihood(vae, x, samples=2)
    assert vae.training and not vae.encoder.training


def test_bad_arguments_are_answered_in_a_sentence(model):
    vae = model.vae(model.posterior)
    with pytest.raises(ValueError, match="samples must be a whole number"):
        vaelib.log_likelihood(vae, model.marginal().sample((3,)), samples=1)
    with pytest.raises(ValueError, match="NaN"):
        vaelib.log_likelihood(vae, torch.full((3, 6), torch.nan))


def test_bfloat16_moves_the_estimate_by_less_than_its_noise():
    digits = vaelib.load("digits")
    torch.manual_seed(0)
    vae = vaelib.VAE.mlp(digits.shape, hidden=(64,), latent_dim=5)
    vaelib.fit(vae, digits.train.x[:5000], 2, device="cpu", progress=False)
    estimates = []
    for precision in ("float32", "bfloat16"):
        torch.manual_seed(1)
        x = digits.test.x[:50]
        estimates.append(vaelib.log_likelihood(vae, x, 200, precision))
    exact, rounded = estimates
    assert not torch.equal(exact.value, rounded.value)
    assert abs(exact.mean - rounded.mean) < exact.mean_standard_error
    with pytest.raises(ValueError, match="one of float32, bfloat16, fastest"):
        vaelib.log_likelihood(vae, x, 2, precision="half")


def test_a_long_estimate_shows_its_progress(model, capsys, monkeypatch):
    vae, x = model.vae(model.posterior), model.marginal().sample((20,))
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    vaelib.log_likelihood(vae, x, samples=10)
    assert capsys.readouterr().err == ""  # too short to be shown
    monkeypatch.setattr(evaluation, "PATIENCE", 0)
    vaelib.log_likelihood(vae, x, samples=10)
    assert "200/200" in capsys.readouterr().err
    vaelib.log_likelihood(vae, x, samples=10, progress=False)
    assert capsys.readouterr().err == ""
