"""The known-answer model against dense algebra, quadrature, sampling and training."""

import itertools
import math

import pytest
import torch
from torch.distributions import MultivariateNormal, kl_divergence

import vaelib
from vaelib.linear_gaussian import LinearEncoder, LinearGaussian


@pytest.fixture(autouse=True)
def double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def model():
    model = LinearGaussian.random(dim=5, latent_dim=3, sigma=0.7, seed=1)
    model.mu.data = torch.linspace(-1, 1, 5)
    return model.requires_grad_(False)


@pytest.fixture
def x(model):
    torch.manual_seed(2)
    return model.marginal().sample((40,))


def a_rotation(d, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(d, d, generator=generator))[0]


def dense(model):
    noise = model.sigma**2 * torch.eye(len(model.mu))
    return MultivariateNormal(model.mu, model.W @ model.W.T + noise)


def prior(d):
    return MultivariateNormal(torch.zeros(d), torch.eye(d))


def test_log_evidence_is_that_of_the_dense_gaussian(model, x):
    torch.testing.assert_close(model.log_evidence(x), dense(model).log_prob(x))


def test_log_evidence_is_the_integral_over_the_code():
    model = LinearGaussian(torch.tensor([[2.0], [-1.0]]), torch.ones(2), 0.5)
    x, z = torch.tensor([[3.0, -0.2]]), torch.linspace(-9, 9, 4001)[:, None]
    joint = model(z).log_prob(x) + prior(1).log_prob(z)
    integral = torch.trapezoid(joint.exp(), z[:, 0]).log()
    torch.testing.assert_close(model.log_evidence(x)[0], integral)


def test_bayes_rule_holds_at_every_code(model, x):
    z = torch.randn(40, 3)
    joint = model(z).log_prob(x) + prior(3).log_prob(z)
    product = model.log_evidence(x) + model.posterior(x).log_prob(z)
    torch.testing.assert_close(joint, product)


def test_draws_have_the_mean_and_covariance_of_the_marginal(model):
    torch.manual_seed(0)
    x = model(prior(3).sample((200_000,))).sample()
    torch.testing.assert_close(x.mean(0), model.mu, atol=0.03, rtol=0)
    torch.testing.assert_close(
        x.T.cov(), dense(model).covariance_matrix, atol=0.08, rtol=0
    )


def test_single_precision_keeps_the_evidence_of_784_pixels():
    model = LinearGaussian.random(784, 20, sigma=0.1, scale=0.3, seed=0)
    x = model.marginal().sample((20,))
    exact = dense(model).log_prob(x)
    single = model.float().log_evidence(x.float())
    torch.testing.assert_close(single.double(), exact, atol=0.02, rtol=0)


def test_the_factorised_gaussian_is_the_nearest(model, x):
    def gap(q):
        covariance = torch.diag_embed(q.variance)
        p = model.posterior(x)
        return vaelib.kl_gaussian(q.mean, covariance, p.mean, p.covariance_matrix)

    best = model.factorised(x)
    precision = model.precision
    formula = 0.5 * (precision.diagonal().log().sum() - precision.logdet())
    torch.testing.assert_close(gap(best), formula.expand(40))
    mean = best.mean.clone().requires_grad_()
    logvar = best.variance.log().clone().requires_grad_()
    moved = vaelib.networks.diagonal_normal(mean, logvar)
    gradients = torch.autograd.grad(gap(moved).sum(), [mean, logvar])
    for gradient in gradients:  # the divergence is convex: a zero is its minimum
        torch.testing.assert_close(gradient, torch.zeros_like(gradient))
    assert (gap(model.factorised(x, widen=1.2)) > gap(best)).all()
    wide = model.factorised(x, widen=1.2)
    torch.testing.assert_close(wide.stddev, 1.2 * best.stddev)


def test_maximum_likelihood_is_a_maximum_and_has_the_closed_form(x):
    model = LinearGaussian.maximum_likelihood(x, latent_dim=2)
    value = model.log_evidence(x).mean()
    gradients = torch.autograd.grad(value, list(model.parameters()))
    for gradient in gradients:
        torch.testing.assert_close(gradient, torch.zeros_like(gradient))
    kept, left = torch.linalg.eigvalsh(x.T.cov(correction=0)).flip(0).split([2, 3])
    formula = -0.5 * (
        5 * math.log(2 * math.pi) + kept.log().sum() + 3 * left.mean().log() + 5
    )
    torch.testing.assert_close(value.detach(), formula)
    torch.manual_seed(0)
    for _ in range(100):
        other = LinearGaussian.maximum_likelihood(x, latent_dim=2)
        for parameter in other.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
        assert other.log_evidence(x).mean() < value


def test_no_other_choice_of_eigenvectors_is_better():
    """Keeping any other pair is a stationary point, and a lower one."""
    torch.manual_seed(0)
    x = torch.randn(300, 6) * torch.tensor([6.0, 5.0, 4.0, 1.0, 0.5, 0.2]).sqrt()
    best = LinearGaussian.maximum_likelihood(x, 2).log_evidence(x).mean().item()
    values, vectors = torch.linalg.eigh(x.T.cov(correction=0))  # in rising order
    reached = {}
    for pair in itertools.combinations(range(6), 2):
        noise = values[[j for j in range(6) if j not in pair]].mean()
        kept = values[list(pair)]
        if (kept > noise).all():
            W = vectors[:, pair] * (kept - noise).sqrt()
            model = LinearGaussian(W, x.mean(0), noise.sqrt())
            value = model.log_evidence(x).mean()
            for gradient in torch.autograd.grad(value, list(model.parameters())):
                torch.testing.assert_close(gradient, torch.zeros_like(gradient))
            reached[pair] = value.item()
    assert reached.pop((4, 5)) == pytest.approx(best)
    assert len(reached) >= 2 and max(reached.values()) < best - 0.01


def test_a_rotation_leaves_the_evidence_and_moves_the_factorised_gap(x):
    model = LinearGaussian.maximum_likelihood(x, 3).requires_grad_(False)
    turned = model.rotated(a_rotation(3))
    torch.testing.assert_close(turned.log_evidence(x), model.log_evidence(x))

    def gap(m):
        return 0.5 * (m.precision.diagonal().log().sum() - m.precision.logdet())

    assert gap(model).abs() < 1e-10 and gap(turned) > 0.01
    with pytest.raises(ValueError, match="orthogonal matrix of shape"):
        model.rotated(2 * torch.eye(3))


@pytest.mark.parametrize("full", [False, True], ids=["diagonal", "full"])
def test_the_linear_encoder_can_be_the_exact_posterior(x, full):
    model = LinearGaussian.maximum_likelihood(x, 2).requires_grad_(False)
    if full:
        model = model.rotated(a_rotation(2)).requires_grad_(False)
    encoder = LinearEncoder(5, 2, full=full)
    weight = model.posterior_mean(torch.eye(5) + model.mu).T
    encoder.mean.weight.data = weight
    encoder.mean.bias.data = -weight @ model.mu
    root = torch.linalg.cholesky(model.precision.inverse())
    encoder.logvar.data = 2 * root.diagonal().log()
    if full:
        encoder.lower.data = root
    q, p = encoder(x), model.posterior(x)
    torch.testing.assert_close(q.mean, p.mean)
    vae = vaelib.VAE(encoder, model, vaelib.StandardNormal(2).double())
    log_w = vae.log_weights(x, samples=10)
    torch.testing.assert_close(log_w, model.log_evidence(x).expand(10, 40))


def test_an_untrained_encoder_is_the_prior(x):
    for full in (False, True):
        q = LinearEncoder(5, 3, full=full)(x)
        torch.testing.assert_close(q.mean, torch.zeros(40, 3))
        torch.testing.assert_close(q.variance, torch.ones(40, 3))


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("full", [False, True], ids=["diagonal", "full"])
def test_training_reaches_the_maximum_likelihood_of_pca(full, seed):
    """Within 0.1 nat, from a random start, by the bound alone."""
    x = vaelib.load("digits8").train.x.flatten(1).double()
    exact = LinearGaussian.maximum_likelihood(x, 3)
    optimum = exact.log_evidence(x).mean().item()
    model = LinearGaussian.random(64, 3, sigma=0.3, scale=0.1, seed=seed)
    encoder = LinearEncoder(64, 3, full=full)
    vae = vaelib.VAE(encoder, model, vaelib.StandardNormal(3)).double()
    for lr in (3e-2, 3e-3, 3e-4):
        vaelib.fit(vae, x, epochs=100, batch_size=512, lr=lr, seed=seed, progress=False)
    with torch.no_grad():
        q, p = vae.encode(x), model.posterior(x)
        if not full:
            q = MultivariateNormal(q.mean, torch.diag_embed(q.variance))
        evidence = model.log_evidence(x).mean().item()
        elbo = evidence - kl_divergence(q, p).mean().item()
    assert optimum - 0.1 < elbo < evidence <= optimum + 1e-9


def test_bad_arguments_are_answered_in_a_sentence(x):
    fit = LinearGaussian.maximum_likelihood
    with pytest.raises(ValueError, match="latent_dim must be less than the 5"):
        fit(x, 5)
    with pytest.raises(ValueError, match="pass x.flatten"):
        fit(torch.rand(4, 1, 2, 2), 2)
    with pytest.raises(ValueError, match="at least two rows"):
        fit(x[:1], 2)
    with pytest.raises(ValueError, match="NaN"):
        fit(torch.full((4, 3), torch.nan), 2)
    with pytest.raises(ValueError, match="no maximum"):
        fit(torch.randn(50, 2) @ torch.randn(2, 6), 2)
    with pytest.raises(ValueError, match="no maximum"):
        fit(torch.ones(4, 3), 1)
    with pytest.raises(ValueError, match="W must have shape"):
        LinearGaussian(torch.zeros(4, 2), torch.zeros(3), 1.0)
    with pytest.raises(ValueError, match="sigma must be a positive number"):
        LinearGaussian(torch.zeros(4, 2), torch.zeros(4), 0.0)
