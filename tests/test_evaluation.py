"""log_likelihood against an evidence that is known exactly."""

import pytest
import torch
from linear_gaussian import DiagonalEncoder, LinearGaussian

import vaelib
from vaelib import evaluation


@pytest.fixture
def model():
    return LinearGaussian()


def test_the_estimate_is_within_its_standard_error_of_the_evidence(model):
    vae, x = model.vae(DiagonalEncoder(model)), model.data(200)
    torch.manual_seed(0)
    estimate = vaelib.log_likelihood(vae, x, samples=2000)
    z = (estimate.value - model.log_evidence(x)) / estimate.standard_error
    # 200 z-scores of mean 0 and variance 1: both moments within 4 standard errors.
    assert abs(z.mean().item()) < 4 / 200**0.5
    assert abs(z.std().item() - 1) < 4 / (2 * 200) ** 0.5
    exact = model.log_evidence(x).mean().item()
    assert abs(estimate.mean - exact) < 4 * estimate.mean_standard_error


def test_the_exact_posterior_needs_no_luck(model):
    x = model.data(150)  # more than one batch
    estimate = vaelib.log_likelihood(model.vae(model.posterior), x, samples=10)
    torch.testing.assert_close(
        estimate.value.float(), model.log_evidence(x), rtol=1e-4, atol=1e-4
    )
    assert (estimate.standard_error < 1e-3).all()
    torch.testing.assert_close(
        estimate.effective_samples, torch.full((150,), 10.0).double(), rtol=1e-4, atol=0
    )


def test_chunks_change_nothing_but_memory(model, monkeypatch):
    vae, x = model.vae(DiagonalEncoder(model)), model.data(7)
    log_w = []
    weights = vae.log_weights

    def recorded(x, samples):
        log_w.append(weights(x, samples))
        return log_w[-1]

    monkeypatch.setattr(vae, "log_weights", recorded)
    monkeypatch.setattr(evaluation, "VALUES", 10 * x.numel())
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
    x = torch.rand(evaluation.BATCH + 20 if shape[1] < 100 else 9, *shape)
    codes = []
    decode = vae.decoder.forward

    def recorded(z):
        codes.append(z.shape[:-1].numel())
        return decode(z)

    vae.decoder.forward = recorded
    vaelib.log_likelihood(vae, x, samples=500 if shape[1] < 100 else 8)
    assert 0 < max(codes) <= evaluation.CODES
    assert max(codes) * x[0].numel() <= evaluation.VALUES


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
        vaelib.log_likelihood(vae, model.data(3), samples=1)
    with pytest.raises(ValueError, match="NaN"):
        vaelib.log_likelihood(vae, torch.full((3, 6), torch.nan))
