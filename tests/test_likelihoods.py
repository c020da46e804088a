"""Every likelihood is normalised, and equals torch's where torch has it."""

import math

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from vaelib.likelihoods import (
    LIKELIHOODS,
    ExactContinuousBernoulli,
    bernoulli_log_prob,
    likelihood,
)

LOGITS = torch.tensor([-6.0, -1.3, 0.0, 0.02, 2.5, 7.0], dtype=torch.float64)


def pixelwise(name, logits, **options):
    """The distribution of single pixels, before the sum over the image."""
    return likelihood(name, **options).double()(logits.reshape(-1, 1, 1, 1)).base_dist


def at(distribution, values):
    """log p of each value (columns) under each pixel's distribution (rows)."""
    values = torch.as_tensor(values, dtype=torch.float64)
    return distribution.log_prob(values[:, None, None, None, None])[..., 0, 0, 0].T


def test_bernoulli_is_minus_the_cross_entropy():
    x = torch.rand(3, 1, 4, 4)
    logits = torch.randn(3, 1, 4, 4)
    expected = binary_cross_entropy_with_logits(logits, x, reduction="none")
    actual = likelihood("bernoulli")(logits).log_prob(x)
    torch.testing.assert_close(actual, -expected.sum((1, 2, 3)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["bernoulli", "continuous_bernoulli"])
def test_the_cross_entropy_is_torchs_at_extremes(name, dtype):
    """Also its gradient, also at a logit of zero."""
    edge = torch.tensor([0, 1e-6, 0.5, 5, 16.5, 20, 90, 104, 1e4], dtype=dtype)
    logits = torch.cat([-edge, edge]).reshape(-1, 1, 1, 1).requires_grad_()
    x = torch.tensor([0, 0.3, 1], dtype=dtype).reshape(-1, 1, 1, 1, 1)
    pixels = likelihood(name)(logits).base_dist
    actual = pixels.log_prob(x)
    if name == "continuous_bernoulli":
        actual = actual - pixels._cont_bern_log_norm()
    logits_64 = logits.detach().double().requires_grad_()
    shape = (3, *logits.shape)
    expected = -binary_cross_entropy_with_logits(
        logits_64.expand(shape), x.double().expand(shape), reduction="none"
    )
    exact = {"rtol": 2e-7, "atol": 2e-7} if dtype == torch.float32 else {}
    torch.testing.assert_close(actual.double(), expected, **exact)
    (slope,) = torch.autograd.grad(actual.sum(), logits)
    (expected_slope,) = torch.autograd.grad(expected.sum(), logits_64)
    exact = {"rtol": 1e-6, "atol": 1e-6} if dtype == torch.float32 else {}
    torch.testing.assert_close(slope.double(), expected_slope, **exact)


def test_derivatives_of_the_cross_entropy():
    """Its hand-written ones, of both arguments, both orders and in both directions."""
    logits = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    x = torch.rand(4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        bernoulli_log_prob, (logits, x), check_forward_ad=True, check_batched_grad=True
    )
    assert torch.autograd.gradgradcheck(bernoulli_log_prob, (logits, x))
    row, x = logits.detach()[0], x.detach()
    curvature = torch.func.hessian(lambda row: bernoulli_log_prob(row, x).sum())(row)
    s = row.sigmoid()
    torch.testing.assert_close(curvature, torch.diag(-s * (1 - s)))


def test_bernoulli_sums_to_one():
    log_p = at(pixelwise("bernoulli", LOGITS), [0.0, 1.0])
    torch.testing.assert_close(log_p.logsumexp(1), torch.zeros_like(LOGITS))


def test_continuous_bernoulli_integrates_to_one():
    nodes = torch.linspace(0, 1, 20_001, dtype=torch.float64)
    density = at(pixelwise("continuous_bernoulli", LOGITS), nodes).exp()
    integral = torch.trapezoid(density, nodes)
    torch.testing.assert_close(integral, torch.ones_like(LOGITS), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("logit", [-80.0, -40.0, -20.0, -0.05, 0.05, 20.0, 80.0])
def test_continuous_bernoulli_keeps_its_constant_in_single_precision(logit):
    pixels = likelihood("continuous_bernoulli")(torch.full((1, 1, 1), logit)).base_dist
    nodes = torch.linspace(0, 1, 100_001).reshape(-1, 1, 1, 1)
    density = pixels.log_prob(nodes).exp().double().flatten()
    nodes = nodes.double().flatten()
    assert torch.trapezoid(density, nodes).item() == pytest.approx(1, abs=1e-3)
    mean = torch.trapezoid(nodes * density, nodes).item()
    assert pixels.mean.item() == pytest.approx(mean, abs=1e-4)
    torch.manual_seed(0)
    draws = pixels.sample((20_000,)).flatten()
    error = draws.std().item() / 20_000**0.5
    assert draws.mean().item() == pytest.approx(mean, abs=5 * error + 1e-6)


def test_continuous_bernoulli_is_torchs_where_torchs_is_exact():
    x = torch.rand(6, 1, 1, 1, dtype=torch.float64)
    ours = pixelwise("continuous_bernoulli", LOGITS)
    theirs = torch.distributions.ContinuousBernoulli(logits=LOGITS.reshape(6, 1, 1, 1))
    torch.testing.assert_close(ours.log_prob(x), theirs.log_prob(x), rtol=1e-7, atol=0)
    torch.testing.assert_close(ours.mean, theirs.mean, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "logit", [-300, -40, -3, -0.51, -0.49, -0.11, -2e-3, 0, 5e-4, 0.09, 0.6, 20, 99]
)
def test_moments_of_the_continuous_bernoulli(logit, dtype):
    pixel = ExactContinuousBernoulli(logits=torch.tensor(logit, dtype=dtype))
    x = torch.linspace(0, 1, 200_001, dtype=torch.float64)
    exact = torch.exp(x * logit - max(logit, 0))
    exact = exact / torch.trapezoid(exact, x)
    mean = torch.trapezoid(x * exact, x)
    expected = {
        "mean": mean,
        "variance": torch.trapezoid((x - mean).square() * exact, x),
        "entropy": torch.trapezoid(torch.special.entr(exact), x),
    }
    for name, value in expected.items():
        found = getattr(pixel, name)
        found = (found() if callable(found) else found).double()
        torch.testing.assert_close(
            found, value, rtol=2e-5, atol=3e-7 * (1 + abs(logit))
        )
    below = torch.cumulative_trapezoid(exact, x)[999::1000]
    at = x[1000::1000].to(dtype)
    torch.testing.assert_close(pixel.cdf(at).double(), below, rtol=1e-4, atol=1e-6)
    outside = pixel.cdf(torch.tensor([-1.0, 0.0, 1.0, 2.0])).tolist()
    assert outside == pytest.approx([0, 0, 1, 1], abs=1e-6)
    inside = (below > 0.01) & (below < 0.99)
    there_and_back = pixel.icdf(pixel.cdf(at[inside]))
    torch.testing.assert_close(there_and_back, at[inside], rtol=1e-4, atol=1e-5)
    ends = pixel.icdf(torch.tensor([0.0, 1.0], dtype=dtype))
    torch.testing.assert_close(ends, torch.tensor([0.0, 1.0], dtype=dtype))


@pytest.mark.parametrize("name", ["mean", "variance", "entropy", "cdf", "icdf"])
def test_gradients_of_the_continuous_bernoulli(name):
    logits = torch.tensor([-9.0, -0.4, -5e-4, 0.3, 2.0, 30.0], dtype=torch.float64)
    arguments = {"cdf": (torch.tensor(0.3),), "icdf": (torch.tensor(0.3),)}

    def function(logits):
        found = getattr(ExactContinuousBernoulli(logits=logits), name)
        return found(*arguments.get(name, ())) if callable(found) else found

    assert torch.autograd.gradcheck(function, logits.requires_grad_())


def test_bernoulli_on_grey_pixels_does_not():
    nodes = torch.linspace(0, 1, 20_001, dtype=torch.float64)
    density = at(pixelwise("bernoulli", LOGITS), nodes).exp()
    integral = torch.trapezoid(density, nodes)
    assert ((integral - 1).abs() > 0.05).all()


@pytest.mark.parametrize("sigma", [0.1, 1.0, 3.0])
def test_gaussian_integrates_to_one_and_is_the_squared_error(sigma):
    nodes = torch.linspace(-12 * sigma, 1 + 12 * sigma, 20_001, dtype=torch.float64)
    density = at(pixelwise("gaussian", LOGITS, sigma=sigma), nodes).exp()
    integral = torch.trapezoid(density, nodes)
    torch.testing.assert_close(integral, torch.ones_like(LOGITS))

    x, logits = torch.rand(2, 1, 5, 5), torch.randn(2, 1, 5, 5)
    error = mse_loss(logits.sigmoid(), x, reduction="none").sum((1, 2, 3))
    constant = 25 * (math.log(sigma) + 0.5 * math.log(2 * math.pi))
    actual = likelihood("gaussian", sigma=sigma)(logits).log_prob(x)
    torch.testing.assert_close(actual, -error / (2 * sigma**2) - constant)


def test_learned_sigma_finds_the_root_mean_square_error():
    torch.manual_seed(0)
    x = torch.sigmoid(torch.zeros(64, 1, 8, 8)) + 0.2 * torch.randn(64, 1, 8, 8)
    model = likelihood("gaussian", sigma=1.0, learn_sigma=True)
    assert not list(likelihood("gaussian").parameters())
    adam = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(300):
        adam.zero_grad()
        (-model(torch.zeros_like(x)).log_prob(x).mean()).backward()
        adam.step()
    error = (x - 0.5).square().mean().sqrt().item()
    assert model.log_sigma.exp().item() == pytest.approx(error, rel=1e-3)


@pytest.mark.parametrize("scale", [1e-3, 0.02, 0.3, 5.0])
def test_discretized_logistic_sums_to_one(scale):
    levels = torch.arange(256, dtype=torch.float64) / 255
    log_p = at(pixelwise("discretized_logistic", LOGITS, scale=scale), levels)
    assert log_p.isfinite().all()
    total = log_p.logsumexp(1)
    torch.testing.assert_close(total, torch.zeros_like(LOGITS), rtol=0, atol=1e-9)


def test_discretized_logistic_mean_is_the_sum_over_its_levels():
    levels = torch.arange(256, dtype=torch.float64) / 255
    pixels = pixelwise("discretized_logistic", LOGITS, scale=0.2)
    expected = (at(pixels, levels).exp() * levels).sum(1)
    torch.testing.assert_close(pixels.mean.flatten(), expected)


def test_discretized_logistic_samples_are_levels_with_their_probabilities():
    torch.manual_seed(0)
    pixels = pixelwise("discretized_logistic", LOGITS[1:2], scale=0.01)
    draws = pixels.sample((100_000,)).flatten()
    level = (draws * 255).round()
    torch.testing.assert_close(draws, level / 255, rtol=0, atol=1e-6)
    top = level.mode().values
    expected = at(pixels, (top / 255)[None]).exp().item()
    share = (level == top).double().mean().item()
    assert share == pytest.approx(expected, abs=4 * math.sqrt(expected / 100_000))


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_the_event_is_the_whole_image(name):
    distribution = likelihood(name)(torch.randn(5, 2, 3, 4, 4))
    assert distribution.batch_shape == (5, 2)
    assert distribution.event_shape == (3, 4, 4)
    assert distribution.log_prob(torch.rand(2, 3, 4, 4)).shape == (5, 2)
    assert distribution.mean.shape == (5, 2, 3, 4, 4)
    assert 0 <= distribution.mean.min() and distribution.mean.max() <= 1
    assert distribution.sample((2,)).shape == (2, 5, 2, 3, 4, 4)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_extreme_logits_give_finite_values_and_gradients(name):
    logits = torch.tensor([-80.0, 80.0]).reshape(2, 1, 1, 1).requires_grad_()
    x = torch.tensor([1.0, 0.0]).reshape(2, 1, 1, 1)
    log_p = likelihood(name)(logits).log_prob(x)
    log_p.sum().backward()
    assert log_p.isfinite().all() and logits.grad.isfinite().all()


def test_bad_names_and_options_are_answered_in_a_sentence():
    with pytest.raises(ValueError, match="one of bernoulli, .* got 'beta'"):
        likelihood("beta")
    with pytest.raises(TypeError, match="does not take these options"):
        likelihood("bernoulli", sigma=1.0)
    with pytest.raises(ValueError, match="sigma must be a positive number"):
        likelihood("gaussian", sigma=0.0)
