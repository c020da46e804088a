"""vaelib.shapes: areas, centres and symmetries that are known by hand."""

import math

import pytest
import torch

from vaelib import shapes

CENTRE = (0.5, 0.5)
# Of the outlines that fit the unit circle; the heart is a square of side 2h and two
# half discs of radius h.
HALF = 1 / (math.sqrt(2) * (1 + shapes.HEART_CENTRE))
AREA = (2.0, math.pi / 2, (4 + math.pi) * HALF**2)


def rows(*values):
    return torch.tensor(values, dtype=torch.float32)


@pytest.mark.parametrize("shape", range(3))
@pytest.mark.parametrize("angle", [0, 17, 45, 80])
@pytest.mark.parametrize("scale", [0.4, 0.7, 1.0])
def test_the_area_is_that_of_the_outline(shape, angle, scale):
    image = shapes.draw(rows([shape, scale, angle, 0.4, 0.7]), size=112)
    expected = AREA[shape] * (28 * scale) ** 2
    assert image.sum().item() == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("shape", range(3))
def test_the_area_grows_with_the_square_of_the_scale_at_28_pixels(shape):
    small, large = shapes.draw(rows([shape, 0.5, 20, *CENTRE], [shape, 1, 20, *CENTRE]))
    assert (large.sum() / small.sum()).item() == pytest.approx(4, rel=0.03)


@pytest.mark.parametrize("shape", range(3))
@pytest.mark.parametrize("angle", [0, 30, 80, 200])
@pytest.mark.parametrize("x, y", [(0, 0), (1, 0), (0.3, 0.9), (0.5, 0.5)])
def test_the_centre_of_mass_is_at_the_position(shape, angle, x, y):
    image = shapes.draw(rows([shape, 0.8, angle, x, y]))[0, 0]
    pixel = torch.arange(28) + 0.5
    across = (image.sum(0) * pixel).sum() / image.sum()
    down = (image.sum(1) * pixel).sum() / image.sum()
    assert across.item() == pytest.approx(7 + 14 * x, abs=0.1)
    assert down.item() == pytest.approx(7 + 14 * y, abs=0.1)


@pytest.mark.parametrize("shape", range(3))
def test_a_shape_repeats_after_its_period_and_not_before(shape):
    period = shapes.PERIOD[shape]
    base, half, whole = shapes.draw(
        rows(*([shape, 1, 10 + period * k, 0.4, 0.6] for k in (0, 0.5, 1)))
    )
    torch.testing.assert_close(whole, base, atol=1e-4, rtol=0)
    assert (half - base).abs().max() > 0.5


def test_orientation_turns_clockwise_and_the_heart_stands_upright():
    upright, turned = shapes.draw(rows([2, 1, 0, *CENTRE], [2, 1, 90, *CENTRE]))[:, 0]
    torch.testing.assert_close(turned, upright.rot90(-1), atol=1e-4, rtol=0)
    widths = (upright > 0.5).sum(1)
    assert widths[11] > 8 and widths[19] < 5  # lobes above, tip below


def test_a_square_upright_is_filled_pixel_by_pixel():
    # Half a side of 2 pixels and a half: 2 whole pixels and half of the third.
    scale = 2.5 / 7 / math.sqrt(0.5)
    image = shapes.draw(rows([0, scale, 0, *CENTRE]))[0, 0]
    ramp = torch.zeros(28)
    ramp[11:17] = torch.tensor([0.5, 1, 1, 1, 1, 0.5])
    torch.testing.assert_close(image[14], ramp, atol=1e-5, rtol=0)
    torch.testing.assert_close(image[:, 14], ramp, atol=1e-5, rtol=0)


def test_edges_are_smooth_and_small_changes_of_the_factors_change_images_little():
    near = shapes.draw(rows([1, 0.8, 33, 0.5, 0.5], [1, 0.8, 33, 0.5005, 0.5]))
    change = (near[1] - near[0]).abs()
    assert 0 < change.max() < 0.02  # 0.0005 of 14 pixels is 0.007 of a pixel
    assert ((near[0] > 0.05) & (near[0] < 0.95)).sum() > 10


@pytest.mark.parametrize("size", [16, 28, 64])
def test_no_combination_touches_the_border(size):
    factors = shapes.sample(500, torch.Generator().manual_seed(0), scale=1.0)
    factors[:200, 3:] = factors[:200, 3:].round()  # the corners
    images = shapes.draw(factors, size)
    assert images.shape == (500, 1, size, size)
    # The outline may touch the edge; half a pixel of blur is all that may be lost.
    expected = torch.tensor(AREA)[factors[:, 0].long()] * (size / 4) ** 2
    loss = 1 - images.sum((1, 2, 3)) / expected
    assert loss.abs().max() < 0.03


def test_every_image_of_the_grid_is_different():
    factors = shapes.grid()
    assert factors.shape == (15_552, 5)
    pixels = (shapes.draw(factors) * 255).round().to(torch.uint8).flatten(1).numpy()
    assert len({row.tobytes() for row in pixels}) == len(factors)


def test_an_image_depends_only_on_its_own_row():
    factors = shapes.sample(3000, torch.Generator().manual_seed(1))
    images = shapes.draw(factors)
    assert images.dtype == torch.float32 and images.is_contiguous()
    assert images.min() == 0 and images.max() == 1
    for i in (0, 7, 2999):
        torch.testing.assert_close(shapes.draw(factors[i : i + 1])[0], images[i])


def test_sample_holds_a_factor_fixed_and_leaves_the_others_alone():
    def draw_rows(**fixed):
        return shapes.sample(200, torch.Generator().manual_seed(3), **fixed)

    free, held = draw_rows(), draw_rows(scale=0.65)
    assert (held[:, 1] == 0.65).all()
    others = [0, 2, 3, 4]
    assert torch.equal(held[:, others], free[:, others])
    for column, values in zip(free.T, shapes.VALUES.values(), strict=True):
        assert torch.isin(column, values).all() and len(column.unique()) == len(values)


def test_sampling_does_not_change_the_values():
    before = {name: values.clone() for name, values in shapes.VALUES.items()}
    shapes.sample(10, shape=2, scale=0.1, orientation=5, x=0.9, y=0.9)
    assert all(torch.equal(before[n], v) for n, v in shapes.VALUES.items())


@pytest.mark.parametrize(
    "factors, sentence",
    [
        (torch.zeros(5), "factors must have shape .*factors\\[None\\]"),
        (torch.zeros(2, 4), "factors must have shape .*\\(2, 4\\)"),
        (rows([0, float("nan"), 0, 0, 0]), "must be finite"),
        (rows([0, 0, 0, 0, 0]), "scale above 0"),
        (rows([3, 1, 0, 0, 0]), "0 \\(square\\), 1 \\(ellipse\\) or 2 \\(heart\\)"),
        (rows([0.5, 1, 0, 0, 0]), "0.5"),
    ],
)
def test_bad_factors_get_their_sentence(factors, sentence):
    with pytest.raises(ValueError, match=sentence):
        shapes.draw(factors)


def test_an_unknown_factor_is_named():
    with pytest.raises(ValueError, match="got colour"):
        shapes.sample(3, colour=1)
