"""Closed forms against quadrature, autograd and torch.distributions."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from torch.distributions import MultivariateNormal, Normal, kl_divergence

import vaelib

settings.register_profile("vaelib", deadline=None)
settings.load_profile("vaelib")

shapes = st.lists(st.integers(1, 5), min_size=0, max_size=3).map(tuple)
dtypes = st.sampled_from([torch.float32, torch.float64])


def random_gaussians(batch, d, generator, dtype=torch.float64):
    """A mean and a well-conditioned covariance for each index of the batch."""
    mean = torch.randn(*batch, d, generator=generator, dtype=dtype)
    root = torch.randn(*batch, d, d, generator=generator, dtype=dtype)
    return mean, root @ root.mT + torch.eye(d, dtype=dtype)


@pytest.mark.parametrize(
    "mu, logvar", [(0.0, 0.0), (1.5, -2.0), (-0.3, 1.2), (4.0, 3.0)]
)
def test_kl_standard_normal_equals_quadrature(mu, logvar):
    q = Normal(torch.tensor(mu).double(), torch.tensor(logvar / 2).double().exp())
    p = Normal(torch.zeros(()).double(), torch.ones(()).double())

    def integrand(z):
        z = torch.tensor(z, dtype=torch.float64)
        log_q = q.log_prob(z)
        return (log_q.exp() * (log_q - p.log_prob(z))).item()

    width = 12 * q.scale.item()
    expected, _ = quad(integrand, mu - width, mu + width)
    actual = vaelib.kl_standard_normal(torch.tensor(mu), torch.tensor(logvar)).item()
    assert actual == pytest.approx(expected, abs=1e-5)


@given(shapes, dtypes, st.integers(0, 2**31))
def test_kl_standard_normal_equals_torch(shape, dtype, seed):
    generator = torch.Generator().manual_seed(seed)
    mu = 3 * torch.randn(shape, generator=generator, dtype=dtype)
    logvar = 3 * torch.randn(shape, generator=generator, dtype=dtype)
    actual = vaelib.kl_standard_normal(mu, logvar)
    expected = kl_divergence(Normal(mu, (logvar / 2).exp()), Normal(0.0, 1.0))
    assert actual.shape == mu.shape and actual.dtype == dtype
    torch.testing.assert_close(actual, expected.to(dtype), rtol=1e-4, atol=1e-5)
    assert (actual >= 0).all()


def test_kl_standard_normal_keeps_its_digits_near_the_prior():
    logvar = torch.tensor(1e-3)
    exact = 0.5 * (np.expm1(np.float64(1e-3)) - 1e-3)
    actual = vaelib.kl_standard_normal(torch.zeros(()), logvar).item()
    assert actual == pytest.approx(exact, rel=1e-3)


@pytest.mark.parametrize("logvar", [-80.0, -10.0, 0.0, 10.0, 80.0])
def test_kl_standard_normal_and_its_gradient_are_finite_at_extremes(logvar):
    mu = torch.tensor(100.0, requires_grad=True)
    logvar = torch.tensor(logvar, requires_grad=True)
    kl = vaelib.kl_standard_normal(mu, logvar)
    kl.backward()
    assert kl.isfinite()
    assert mu.grad.item() == pytest.approx(100.0)
    expected = 0.5 * np.expm1(np.float64(logvar.item()))
    assert logvar.grad.item() == pytest.approx(expected, rel=1e-5)


@settings(max_examples=30)
@given(
    st.lists(st.integers(1, 3), max_size=2), st.integers(1, 5), st.integers(0, 2**31)
)
def test_kl_gaussian_equals_torch(batch, d, seed):
    generator = torch.Generator().manual_seed(seed)
    mu_q, cov_q = random_gaussians(batch, d, generator)
    mu_p, cov_p = random_gaussians(batch, d, generator)
    expected = kl_divergence(
        MultivariateNormal(mu_q, cov_q), MultivariateNormal(mu_p, cov_p)
    )
    actual = vaelib.kl_gaussian(mu_q, cov_q, mu_p, cov_p)
    torch.testing.assert_close(actual, expected, rtol=1e-8, atol=1e-8)


def test_kl_gaussian_of_a_diagonal_is_the_sum_of_kl_standard_normal():
    mu, logvar = torch.randn(7, 4).double(), torch.randn(7, 4).double()
    cov = torch.diag_embed(logvar.exp())
    eye = torch.eye(4).double()
    actual = vaelib.kl_gaussian(mu, cov, torch.zeros(4).double(), eye)
    expected = vaelib.kl_standard_normal(mu, logvar).sum(-1)
    torch.testing.assert_close(actual, expected)


def test_reparameterize_has_the_right_moments_and_gradients():
    torch.manual_seed(0)
    mu = torch.full((200_000,), 0.7, requires_grad=True)
    logvar = torch.full((200_000,), -0.5, requires_grad=True)
    z = vaelib.reparameterize(mu, logvar)
    sigma = np.exp(-0.25)
    assert z.mean().item() == pytest.approx(0.7, abs=4 * sigma / np.sqrt(200_000))
    assert z.std().item() == pytest.approx(sigma, rel=0.01)
    z.sum().backward()
    torch.testing.assert_close(mu.grad, torch.ones_like(mu))
    torch.testing.assert_close(logvar.grad, (0.5 * (z - mu)).detach())


def test_shapes_that_disagree_are_named():
    with pytest.raises(ValueError, match=r"same shape, got \(3,\) and \(2,\)"):
        vaelib.kl_standard_normal(torch.zeros(3), torch.zeros(2))
    with pytest.raises(ValueError, match="same shape"):
        vaelib.reparameterize(torch.zeros(3, 2), torch.zeros(3))


@pytest.mark.parametrize(
    "cov, sentence",
    [
        (torch.ones(2), r"shape \(..., 2, 2\)"),
        (torch.tensor([[1.0, 2.0], [2.0, 1.0]]), "positive definite"),
        (torch.tensor([[1.0, 0.9], [0.0, 1.0]]), "symmetric"),
        (torch.tensor([[1.0, torch.nan], [torch.nan, 1.0]]), "positive definite"),
    ],
)
def test_a_covariance_that_is_none_is_refused(cov, sentence):
    mu = torch.zeros(2)
    with pytest.raises(ValueError, match=sentence):
        vaelib.kl_gaussian(mu, cov, mu, torch.eye(2))
    with pytest.raises(ValueError, match="cov_p"):
        vaelib.kl_gaussian(mu, torch.eye(2), mu, cov)


def test_what_is_no_tensor_is_named():
    with pytest.raises(TypeError, match="mu must be a tensor, got list"):
        vaelib.kl_standard_normal([0.0], [0.0])
    with pytest.raises(TypeError, match="logvar must be a tensor, got ndarray"):
        vaelib.reparameterize(torch.zeros(2), np.zeros(2))
    with pytest.raises(TypeError, match="cov_q must be a tensor, got float"):
        vaelib.kl_gaussian(torch.zeros(2), 1.0, torch.zeros(2), torch.eye(2))


@pytest.mark.parametrize("scale", [1.0, 1e-6])
def test_symmetry_does_not_depend_on_units(scale):
    """A large variance in one direction must not hide what another one lacks."""
    units = torch.tensor([1e3, scale, scale])
    mu, cov = torch.zeros(3), torch.eye(3)
    cov[1, 2] = cov[2, 1] = 0.5
    cov = units[:, None] * cov * units
    vaelib.kl_gaussian(mu, cov, mu, cov)
    cov[1, 2] *= 0.5
    with pytest.raises(ValueError, match="symmetric"):
        vaelib.kl_gaussian(mu, cov, mu, torch.eye(3))
