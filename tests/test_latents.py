"""Roads between codes, the aggregate posterior, active units: known answers."""

import math

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

import vaelib
from vaelib.networks import StandardNormal, diagonal_normal


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 7, 5, generator=generator, dtype=torch.float64)
    return a / a.norm(dim=1, keepdim=True), b / b.norm(dim=1, keepdim=True)


def test_slerp_keeps_the_length_and_turns_evenly(pair):
    a, b = 3 * pair[0], 3 * pair[1]
    omega = ((a * b).sum(1) / 9).acos()
    for t in (0.0, 0.3, 0.5, 1.0):
        z = vaelib.slerp(a, b, t)
        torch.testing.assert_close(z.norm(dim=1), torch.full((7,), 3.0).double())
        torch.testing.assert_close(
            ((a * z).sum(1) / 9).clamp(-1, 1).acos(), t * omega, atol=1e-6, rtol=0
        )


def test_slerp_begins_and_ends_at_the_codes_whatever_their_lengths(pair):
    a, b = 2 * pair[0], 5 * pair[1]
    torch.testing.assert_close(vaelib.slerp(a, b, 0.0), a)
    torch.testing.assert_close(vaelib.slerp(a, b, 1.0), b)


def test_slerp_is_a_quarter_turn_on_the_axes():
    z = vaelib.slerp(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), 0.5)
    torch.testing.assert_close(z, torch.full((2,), 0.5**0.5))


@pytest.mark.parametrize("factor", [2.0, 1.0, -1.0, 0.0])
def test_slerp_is_straight_where_there_is_no_arc(factor):
    a = torch.tensor([1.0, 2.0, -1.0])
    z = vaelib.slerp(a, factor * a, torch.tensor(0.25))
    torch.testing.assert_close(z, (0.75 + 0.25 * factor) * a)


def test_slerp_takes_many_stops_between_two_codes():
    a, b = torch.randn(2, 20)
    t = torch.linspace(0, 1, 9)[:, None]
    road = vaelib.slerp(a, b, t)
    assert road.shape == (9, 20)
    torch.testing.assert_close(road[3], vaelib.slerp(a, b, 3 / 8))


def test_slerp_refuses_what_are_not_codes_of_one_space():
    with pytest.raises(ValueError, match="3 and 4 dimensions"):
        vaelib.slerp(torch.zeros(3), torch.zeros(4), 0.5)
    with pytest.raises(TypeError, match="b must be a tensor"):
        vaelib.slerp(torch.zeros(3), [1, 2, 3], 0.5)
    with pytest.raises(TypeError, match="floating-point"):
        vaelib.slerp(torch.ones(3, dtype=torch.long), torch.ones(3), 0.5)


def posteriors(n, d, spread=1.0):
    generator = torch.Generator().manual_seed(1)
    mu, logvar = torch.randn(2, n, d, generator=generator)
    return diagonal_normal(3 * mu, spread * logvar - 3)


def test_log_aggregate_is_the_mixture_of_torch():
    q = posteriors(40, 3)
    parts = Independent(Normal(q.mean.double(), q.stddev.double()), 1)
    mixture = MixtureSameFamily(Categorical(torch.ones(40)), parts)
    z = torch.cat([q.sample(), 4 * torch.randn(20, 3)]).reshape(2, 30, 3)
    found = vaelib.log_aggregate(q, z)
    assert found.shape == (2, 30) and found.dtype == torch.float64
    torch.testing.assert_close(found, mixture.log_prob(z.double()))


def test_log_aggregate_of_one_image_is_its_posterior_even_when_narrow():
    q = diagonal_normal(torch.full((1, 20), 4.0), torch.full((1, 20), -12.0))
    z = q.sample()
    torch.testing.assert_close(
        vaelib.log_aggregate(q, z).float(), q.log_prob(z), rtol=1e-4, atol=1e-3
    )


def test_log_aggregate_integrates_to_one():
    q = posteriors(10, 2, spread=0.2)
    axis = torch.linspace(-14, 14, 1200, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    mass = vaelib.log_aggregate(q, grid).exp().sum() * (axis[1] - axis[0]) ** 2
    assert math.isclose(mass, 1, rel_tol=1e-6)


def test_log_aggregate_refuses_other_distributions_and_shapes():
    q = posteriors(5, 3)
    with pytest.raises(TypeError, match="diagonal Gaussians"):
        vaelib.log_aggregate(Normal(torch.zeros(5), 1.0), torch.zeros(3))
    with pytest.raises(ValueError, match=r"\(5, 3\) and \(7, 2\)"):
        vaelib.log_aggregate(q, torch.zeros(7, 2))


class TwoMove(torch.nn.Module):
    """Posterior means of a known spread: 1, 0.2, 0.05 and 0."""

    spreads = torch.tensor([1.0, 0.2, 0.05, 0.0])

    def forward(self, x):
        brightness = x.mean((1, 2, 3))
        brightness = (brightness - brightness.mean()) / brightness.std()
        return diagonal_normal(brightness[:, None] * self.spreads, torch.zeros(4))


def test_active_units_are_those_whose_mean_moves():
    vae = vaelib.VAE(TwoMove(), lambda z: None, StandardNormal(4))
    x = torch.rand(50, 1, 4, 4)
    assert vaelib.active_units(vae, x).tolist() == [True, True, False, False]
    assert vaelib.active_units(vae, x, threshold=0.001).sum() == 3
    assert vaelib.active_units(vae, x, threshold=0.5).sum() == 1


def test_active_units_refuses_one_image_and_thresholds_below_zero():
    vae = vaelib.VAE(TwoMove(), lambda z: None, StandardNormal(4))
    with pytest.raises(ValueError, match="two images at least"):
        vaelib.active_units(vae, torch.rand(1, 1, 4, 4))
    with pytest.raises(ValueError, match="threshold"):
        vaelib.active_units(vae, torch.rand(9, 1, 4, 4), threshold=0)


def test_slerp_refuses_a_list_of_stops_in_the_place_of_dimensions():
    a, b, stops = torch.randn(9), torch.randn(9), torch.linspace(0, 1, 9)
    with pytest.raises(ValueError, match=r"t\[:, None\] walks"):
        vaelib.slerp(a, b, stops)
    assert vaelib.slerp(a, b, stops[:, None]).shape == (9, 9)
