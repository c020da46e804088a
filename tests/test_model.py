"""The bounds against exact evidence; shapes, files and bad input."""

import json
import stat
from functools import partial

import numpy as np
import pytest
import safetensors.torch
import torch
from torch.distributions import (
    Independent,
    MultivariateNormal,
    Normal,
    kl_divergence,
)

import vaelib
from vaelib import plots
from vaelib.likelihoods import LIKELIHOODS
from vaelib.linear_gaussian import LinearGaussian


@pytest.fixture
def model():
    torch.manual_seed(1)
    return LinearGaussian.random(6, 2, sigma=0.5).requires_grad_(False)


def wide(model):
    """The exact posterior mean, with a diagonal covariance that is too wide."""
    return partial(model.factorised, widen=1.3)


def test_with_the_exact_posterior_every_weight_is_the_evidence(model):
    vae, x = model.vae(model.posterior), model.marginal().sample((20,))
    exact = model.log_evidence(x)
    log_w = vae.log_weights(x, samples=3)
    assert log_w.shape == (3, 20)
    torch.testing.assert_close(log_w, exact.expand(3, 20), rtol=1e-4, atol=1e-4)


def test_elbo_plus_gap_is_the_evidence(model):
    vae, x = model.vae(wide(model)), model.marginal().sample((4,))
    torch.manual_seed(0)
    bounds = torch.stack([vae.elbo(x).value for _ in range(4000)])
    q = vae.encode(x)
    gap = kl_divergence(
        MultivariateNormal(q.mean, torch.diag_embed(q.variance)), model.posterior(x)
    )
    error = bounds.std(0) / len(bounds) ** 0.5
    assert (gap > 0.01).all()
    difference = bounds.mean(0) + gap - model.log_evidence(x)
    assert (difference.abs() < 5 * error).all()


def test_elbo_below_importance_weighted_below_evidence_and_converging(model):
    vae, x = model.vae(wide(model)), model.marginal().sample((30,))
    exact = model.log_evidence(x).mean().item()
    torch.manual_seed(0)
    gaps = []
    for k in (1, 4, 16, 64, 256):
        log_w = vae.log_weights(x, samples=k * 400).reshape(400, k, 30)
        bound = log_w.logsumexp(1) - torch.tensor(k).log()
        gaps.append(exact - bound.mean().item())
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[0] > 0.05 and abs(gaps[-1]) < 0.01


def test_closed_form_and_sampled_kl_have_one_expectation(model):
    vae, x = model.vae(wide(model)), model.marginal().sample((3,))
    torch.manual_seed(0)
    elbo = torch.stack([vae.elbo(x).value for _ in range(5000)])
    weights = vae.log_weights(x, samples=5000)
    error = (elbo.var(0) + weights.var(0)).sqrt() / 5000**0.5
    assert ((elbo.mean(0) - weights.mean(0)).abs() < 5 * error).all()


def test_a_posterior_without_dimensions_of_its_own_has_only_a_total_kl(model):
    vae, x = model.vae(model.posterior), model.marginal().sample((5,))
    elbo = vae.elbo(x)
    assert elbo.kl_per_dim is None
    expected = kl_divergence(
        model.posterior(x), MultivariateNormal(torch.zeros(2), torch.eye(2))
    )
    assert elbo.kl.shape == (5,)
    torch.manual_seed(0)
    draws = torch.stack([vae.elbo(x).kl for _ in range(3000)])
    error = draws.std(0) / 3000**0.5 + 1e-5
    assert ((draws.mean(0) - expected).abs() < 5 * error).all()


@pytest.mark.parametrize("builder", [vaelib.VAE.mlp, vaelib.VAE.conv])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 12, 8)])
@pytest.mark.parametrize("name", LIKELIHOODS)
def test_builders_give_the_promised_shapes(builder, shape, name):
    vae, x = builder(shape, latent_dim=3, likelihood=name), torch.rand(5, *shape)
    assert vae.encode(x).batch_shape == (5,)
    assert vae.encode(x).event_shape == (3,)
    assert vae.decode(torch.zeros(2, 5, 3)).mean.shape == (2, 5, *shape)
    assert vae.decode(torch.zeros(3)).mean.shape == shape
    assert vae.sample(4).shape == (4, *shape)
    assert vae.reconstruct(x).shape == x.shape
    elbo = vae.elbo(x, beta=2.0)
    assert elbo.reconstruction.shape == elbo.kl.shape == (5,)
    assert elbo.kl_per_dim.shape == (5, 3)
    torch.testing.assert_close(elbo.kl_per_dim.sum(-1), elbo.kl)
    torch.testing.assert_close(elbo.value, elbo.reconstruction - 2 * elbo.kl)
    elbo.value.sum().backward()
    for name, parameter in vae.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


def test_the_default_is_the_model_of_document_002():
    vae = vaelib.VAE.mlp((1, 28, 28))
    count = 784 * 400 + 400 + 2 * (400 * 20 + 20) + 20 * 400 + 400 + 400 * 784 + 784
    assert sum(p.numel() for p in vae.parameters()) == count


def test_elbo_uses_the_chapters_closed_form():
    vae, x = vaelib.VAE.mlp((1, 4, 4), latent_dim=3), torch.rand(6, 1, 4, 4)
    q = vae.encode(x)
    expected = vaelib.kl_standard_normal(q.mean, q.variance.log())
    torch.testing.assert_close(vae.elbo(x).kl_per_dim, expected)


@pytest.mark.parametrize(
    "vae",
    [
        vaelib.VAE.mlp((1, 8, 8), hidden=(9, 7), latent_dim=2),
        vaelib.VAE.mlp((1, 8, 8), likelihood="gaussian", sigma=0.2, learn_sigma=True),
        vaelib.VAE.conv((3, 8, 8), channels=(4,), likelihood="discretized_logistic"),
    ],
    ids=["mlp", "learned sigma", "conv"],
)
def test_save_and_load_round_trip(vae, tmp_path):
    path = tmp_path / "model.safetensors"
    vae.save(path)
    vae.save(path)  # over an old file
    again = vaelib.VAE.load(path)
    assert [f.name for f in tmp_path.iterdir()] == ["model.safetensors"]
    assert again.config == vae.config
    x = torch.rand(4, *vae.shape)
    torch.testing.assert_close(again.reconstruct(x), vae.reconstruct(x))
    for name, value in vae.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value)


def test_a_save_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    vae = vaelib.VAE.mlp((1, 4, 4), hidden=(5,), latent_dim=2)
    vae.save(path)
    before = path.read_bytes()

    assert stat.S_IMODE(path.stat().st_mode) & 0o444  # others may read it, by umask

    def disk_full(weights, filename, metadata):
        with open(filename, "wb") as file:
            file.write(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(safetensors.torch, "save_file", disk_full)
    with pytest.raises(OSError, match="no space"):
        vae.save(path)
    assert path.read_bytes() == before
    assert [f.name for f in tmp_path.iterdir()] == ["model.safetensors"]


def test_files_that_are_none_are_answered_in_a_sentence(tmp_path):
    vae = vaelib.VAE.mlp((1, 4, 4), hidden=(5,), latent_dim=2)
    with pytest.raises(FileNotFoundError, match="There is no file"):
        vaelib.VAE.load(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match="does not exist; create it"):
        vae.save(tmp_path / "no" / "folder.safetensors")
    path = tmp_path / "model.safetensors"
    vae.save(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match="not a complete safetensors file"):
        vaelib.VAE.load(path)
    safetensors.torch.save_file({"w": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match="no vaelib configuration"):
        vaelib.VAE.load(path)
    safetensors.torch.save_file(
        {"w": torch.zeros(2)}, path, {"format": "vaelib", "config": '{"builder": "vq"}'}
    )
    with pytest.raises(ValueError, match="do not fit its configuration"):
        vaelib.VAE.load(path)
    with pytest.raises(IsADirectoryError, match="is a folder"):
        vae.save(tmp_path)
    vae.decoder.logits.append(torch.nn.Linear(16, 16))
    with pytest.raises(ValueError, match="changed since it was built"):
        vae.save(path)
    hand_made = LinearGaussian.random(6, 2).vae(lambda x: None)
    with pytest.raises(ValueError, match="put together by hand"):
        hand_made.save(path)


def test_a_config_is_plain_json():
    config = vaelib.VAE.conv((1, 8, 8), channels=(4, 8)).config
    assert json.loads(json.dumps(config))["channels"] == [4, 8]


@pytest.mark.parametrize(
    "x, error, sentence",
    [
        (torch.rand(2, 784), ValueError, r"shape \(N, 1, 28, 28\), got \(2, 784\)"),
        (torch.rand(2, 28, 28), ValueError, r"x.reshape\(-1, 1, 28, 28\)"),
        (torch.rand(2, 28, 28, 1), ValueError, "permute"),
        (torch.rand(9, 1, 8, 8), ValueError, "resize the images"),
        (torch.rand(0, 1, 28, 28), ValueError, "no images"),
        (torch.full((2, 1, 28, 28), 255), TypeError, "float"),
        (torch.full((2, 1, 28, 28), 255.0), ValueError, r"\[0, 1\].*255"),
        (torch.full((2, 1, 28, 28), -0.5), ValueError, "standardise"),
        (torch.full((2, 1, 28, 28), torch.nan), ValueError, "NaN"),
        (torch.full((2, 1, 28, 28), torch.inf), ValueError, "infinite"),
        ([[0.0]], TypeError, "must be a tensor, got list"),
    ],
)
def test_bad_images_are_answered_in_a_sentence(x, error, sentence):
    vae = vaelib.VAE.mlp((1, 28, 28))
    for method in (vae.encode, vae.elbo, vae.log_weights, vae.reconstruct):
        with pytest.raises(error, match=sentence):
            method(x)


@pytest.mark.parametrize(
    "build, sentence",
    [
        (lambda: vaelib.VAE.mlp((28, 28)), "channels, height, width"),
        (lambda: vaelib.VAE.mlp(28), "channels, height, width"),
        (lambda: vaelib.VAE.mlp((1, 28, 28), hidden=()), "hidden must be a list"),
        (lambda: vaelib.VAE.mlp((1, 28, 28), hidden=400), "hidden must be a list"),
        (lambda: vaelib.VAE.mlp((1, 28, 28), latent_dim=0), "latent_dim must be"),
        (lambda: vaelib.VAE.conv((1, 28, 28), channels=(8, 8, 8)), "multiples of 8"),
        (lambda: vaelib.VAE.mlp((1, 8, 8), likelihood="mse"), "one of bernoulli"),
    ],
)
def test_bad_architectures_are_answered_in_a_sentence(build, sentence):
    with pytest.raises(ValueError, match=sentence):
        build()


def test_a_distribution_in_place_of_a_prior_is_explained():
    prior = torch.distributions.Normal(0, 1)
    with pytest.raises(TypeError, match="vaelib.StandardNormal"):
        vaelib.VAE(lambda x: x, lambda z: z, prior)


@pytest.mark.parametrize("forgotten", ["encoder", "decoder"])
def test_a_forgotten_independent_is_explained(forgotten):
    def normal(x, name):
        q = Normal(x, torch.ones_like(x))
        return q if name == forgotten else Independent(q, 1)

    vae = vaelib.VAE(
        encoder=lambda x: normal(x, "encoder"),
        decoder=lambda z: normal(z, "decoder"),
        prior=lambda: normal(torch.zeros(4), "encoder"),
    )
    for bound in (vae.elbo, vae.log_weights):
        with pytest.raises(ValueError, match="Independent"):
            bound(torch.rand(4, 4))


def test_a_code_of_another_length_is_explained():
    vae = vaelib.VAE.mlp((1, 4, 4), latent_dim=2)
    with pytest.raises(ValueError, match=r"shape \(..., 2\).* got \(3,\)"):
        vae.decode(torch.zeros(3))
    with pytest.raises(TypeError, match="z must be a tensor, got list"):
        vae.decode([0.0, 0.0])


def test_loading_leaves_random_numbers_and_precision_alone(tmp_path):
    vae = vaelib.VAE.mlp((1, 4, 4), hidden=(5,), latent_dim=2).double()
    for weight in vae.parameters():
        weight.data += 1e-12  # which float32 would lose
    vae.save(tmp_path / "model")
    state = torch.get_rng_state()
    again = vaelib.VAE.load(tmp_path / "model")
    assert torch.equal(state, torch.get_rng_state())
    for weight, loaded in zip(vae.parameters(), again.parameters(), strict=True):
        assert torch.equal(weight, loaded)


def normal(mean, axes=1):
    return Independent(Normal(mean, torch.ones_like(mean)), axes)


WRONG_PARTS = {
    "encoder over the batch, too": dict(encoder=lambda x: normal(x, 2)),
    "codes of another size": dict(encoder=lambda x: normal(x[:, :1])),
    "a prior of one code in a row": dict(prior=lambda: normal(torch.zeros(1, 4), 2)),
    "three images for one": dict(decoder=lambda z: normal(z.repeat_interleave(3, -1))),
    "a pixel for all": dict(decoder=lambda z: normal(z[..., :1])),
    "decoder over the batch, too": dict(decoder=lambda z: normal(z, z.dim())),
}


@pytest.mark.parametrize("parts", WRONG_PARTS.values(), ids=WRONG_PARTS)
def test_distributions_that_would_broadcast_are_refused(parts):
    right = dict(encoder=normal, decoder=normal, prior=lambda: normal(torch.zeros(4)))
    x = torch.rand(3, 4)
    assert vaelib.VAE(**right).elbo(x).value.shape == (3,)
    vae = vaelib.VAE(**(right | parts))
    for bound in (vae.elbo, vae.log_weights):
        with pytest.raises(ValueError, match="one distribution an image"):
            bound(x)


def test_an_encoder_that_returns_numbers_is_told_how_to_make_a_distribution():
    vae = vaelib.VAE(lambda x: (x, x), normal, lambda: normal(torch.zeros(4)))
    with pytest.raises(TypeError, match="encoder must return .* got tuple; .*logvar"):
        vae.elbo(torch.rand(3, 4))


def test_labels_are_no_beta():
    vae, x = vaelib.VAE.mlp((1, 4, 4)), torch.rand(3, 1, 4, 4)
    with pytest.raises(ValueError, match="beta must be a number, got Tensor"):
        _ = vae.elbo(x, torch.tensor([3, 1, 4])).value
    assert vae.elbo(x, torch.tensor(2.0)).value.shape == (3,)


def test_pictures_are_those_of_evaluation_mode():
    vae = vaelib.VAE.mlp((1, 4, 4))
    vae.encoder.features.append(torch.nn.BatchNorm1d(400))
    vae.train()
    before = {name: value.clone() for name, value in vae.state_dict().items()}
    x = torch.rand(3, 1, 4, 4)
    torch.testing.assert_close(vae.reconstruct(x)[:1], vae.reconstruct(x[:1]))
    assert vae.sample(1).shape == (1, 1, 4, 4)
    vaelib.active_units(vae, x)
    plots.latent_scatter(vae, x, torch.zeros(3))
    assert vae.training
    for name, value in vae.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_a_model_whose_parts_were_exchanged_is_not_saved_as_if_they_were_not(tmp_path):
    vae = vaelib.VAE.mlp((1, 4, 4))
    vae.decoder.likelihood = vaelib.likelihoods.likelihood("continuous_bernoulli")
    with pytest.raises(ValueError, match="has been changed since it was built"):
        vae.save(tmp_path / "model.safetensors")


def test_sizes_may_come_from_numpy(tmp_path):
    sizes = np.array([4, 3])
    vae = vaelib.VAE.mlp((1, *sizes), hidden=[*sizes], latent_dim=sizes[1])
    vae.save(tmp_path / "model.safetensors")
    again = vaelib.VAE.load(tmp_path / "model.safetensors")
    assert again.config == vae.config and type(vae.config["latent_dim"]) is int


def test_a_checkpoint_is_not_taken_for_a_model(tmp_path):
    path, x = tmp_path / "run.safetensors", torch.rand(8, 1, 4, 4)
    vae = vaelib.VAE.mlp((1, 4, 4), hidden=(4,))
    vaelib.fit(vae, x, epochs=1, progress=False, checkpoint=path)
    with pytest.raises(ValueError, match="is a checkpoint of vaelib.fit"):
        vaelib.VAE.load(path)


def test_a_call_of_the_model_is_told_what_to_call():
    vae = vaelib.VAE.mlp((1, 4, 4))
    with pytest.raises(NotImplementedError, match=r"vae.reconstruct\(x\)"):
        vae(torch.rand(3, 1, 4, 4))


def test_pixels_a_little_outside_are_told_to_be_cut_off():
    vae, x = vaelib.VAE.mlp((1, 4, 4)), torch.rand(3, 1, 4, 4)
    x[0, 0, 0, 0] = 1.0000001
    with pytest.raises(ValueError, match=r"x.clamp\(0, 1\)"):
        vae.elbo(x)
