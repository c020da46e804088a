"""Figures show the right pixels in the right places, and can be read in both themes."""

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

import vaelib
from vaelib import plots
from vaelib.training import History


@pytest.fixture(autouse=True)
def style():
    with plt.style.context("vaelib.style"):
        yield
    plt.close("all")


def tiny(latent_dim=2):
    torch.manual_seed(0)
    return vaelib.VAE.mlp((1, 6, 5), hidden=(8,), latent_dim=latent_dim)


def picture(figure):
    return np.asarray(figure.axes[0].images[0].get_array().filled(np.nan))


def test_tile_puts_images_in_reading_order():
    images = torch.rand(5, 1, 3, 2)
    tiled = plots.tile(images, columns=2)
    assert tiled.shape == (3 * 3 + 2, 2 * 2 + 1)
    torch.testing.assert_close(tiled[0:3, 0:2], images[0, 0])
    torch.testing.assert_close(tiled[0:3, 3:5], images[1, 0])
    torch.testing.assert_close(tiled[8:11, 0:2], images[4, 0])
    assert tiled[3].isnan().all() and tiled[:, 2].isnan().all()
    assert tiled[8:11, 3:5].isnan().all()


def test_tile_keeps_colour():
    assert plots.tile(torch.rand(4, 3, 2, 2), columns=4).shape == (2, 11, 3)


def test_tile_clips_so_that_a_picture_is_never_rescaled():
    tiled = plots.tile(torch.tensor([-0.5, 0.3, 1.7]).view(3, 1, 1, 1), 3, gap=0)
    torch.testing.assert_close(tiled, torch.tensor([[0.0, 0.3, 1.0]]))


def test_tile_refuses_what_are_not_images():
    with pytest.raises(ValueError, match=r"got \(4, 2, 3, 3\)"):
        plots.tile(torch.rand(4, 2, 3, 3), 2)
    with pytest.raises(ValueError, match="columns"):
        plots.tile(torch.rand(4, 1, 3, 3), 0)


def test_rows_are_named_at_their_middle():
    pictures = {name: torch.rand(2, 1, 3, 4) for name in "abc"}
    figure = plots.rows(pictures)
    ax = figure.axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b", "c"]
    np.testing.assert_allclose(ax.get_yticks(), [1, 5, 9])
    np.testing.assert_allclose(picture(figure)[4:7, 5:9], pictures["b"][1, 0])


def test_rows_must_match():
    with pytest.raises(ValueError, match="of one shape"):
        plots.rows({"a": torch.rand(2, 1, 3, 3), "b": torch.rand(3, 1, 3, 3)})
    with pytest.raises(ValueError, match="no row"):
        plots.rows({})


DRAWN = {
    "image_grid": lambda vae, x, **on: plots.image_grid(x, **on),
    "rows": lambda vae, x, **on: plots.rows({"data": x}, **on),
    "reconstructions": lambda vae, x, **on: plots.reconstructions(vae, x, **on),
    "samples": lambda vae, x, **on: plots.samples(vae, 4, **on),
    "manifold": lambda vae, x, **on: plots.manifold(vae, n=3, **on),
    "latent_scatter": lambda vae, x, **on: plots.latent_scatter(
        vae, x, torch.arange(4), **on
    ),
}


@pytest.mark.parametrize("name", DRAWN)
def test_what_needs_one_axis_is_drawn_where_it_is_told(name):
    figure, (left, right) = plt.subplots(1, 2)
    assert DRAWN[name](tiny(), torch.rand(4, 1, 6, 5), ax=right) is figure
    assert right.has_data() and not left.has_data()
    assert left.axison and left.get_ylabel() == ""
    assert plt.get_fignums() == [figure.number]


def test_reconstructions_stand_below_their_images():
    vae, x = tiny(), torch.rand(3, 1, 6, 5)
    drawn = picture(plots.reconstructions(vae, x))
    np.testing.assert_allclose(drawn[:6, 6:11], x[1, 0], rtol=1e-6)
    np.testing.assert_allclose(drawn[7:, 6:11], vae.reconstruct(x)[1, 0], rtol=1e-6)


def test_manifold_has_z1_to_the_right_and_z2_upwards():
    vae = tiny()
    drawn = picture(plots.manifold(vae, n=5, tail=0.1))
    low, high = torch.special.ndtri(torch.tensor([0.1, 0.9])).tolist()
    with torch.no_grad():
        corner = vae.decode(torch.tensor([high, low])).mean[0]
    np.testing.assert_allclose(drawn[-6:, -5:], corner, rtol=1e-5)


def test_manifold_needs_a_plane():
    with pytest.raises(ValueError, match="latent_dim=2, this one has 3"):
        plots.manifold(tiny(3))


def test_latent_scatter_shows_each_posterior_mean():
    vae, x, y = tiny(), torch.rand(30, 1, 6, 5), torch.arange(30) % 3
    ax = plots.latent_scatter(vae, x, y).axes[0]
    drawn = np.concatenate([c.get_offsets() for c in ax.collections])
    order = y.argsort(stable=True)
    expected = vae.encode(x).mean.detach()[order]
    np.testing.assert_allclose(drawn, expected, rtol=1e-5)
    assert [t.get_text() for t in ax.texts] == ["0", "1", "2"]


def test_latent_scatter_needs_a_label_for_each_image():
    with pytest.raises(ValueError, match="30, got 29"):
        plots.latent_scatter(tiny(), torch.rand(30, 1, 6, 5), torch.arange(29))


def test_samples_draws_as_many_as_asked():
    assert picture(plots.samples(tiny(), 6, columns=3)).shape == (2 * 7 - 1, 3 * 6 - 1)


def test_losses_draws_minus_the_bound_and_names_its_units():
    rows = [
        dict(epoch=e, elbo=-9.0 / e, reconstruction=-7.0 / e, kl=2.0 / e)
        for e in (1, 2)
    ]
    figure = History(rows).plot()
    assert list(figure.axes[0].lines[0].get_ydata()) == [9.0, 4.5]
    assert list(figure.axes[2].lines[0].get_ydata()) == [2.0, 1.0]
    assert figure.axes[0].get_ylabel() == "nats per image"


def luminance(colour):
    linear = [
        v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4
        for v in to_rgb(colour)
    ]
    return np.dot(linear, [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("page", ["#ffffff", "#121212", "#14181e"])
def test_the_palette_can_be_seen_on_both_pages(page):
    for colour in plt.rcParams["axes.prop_cycle"].by_key()["color"]:
        light, dark = sorted([luminance(colour), luminance(page)], reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 3, (colour, page)


def test_what_cannot_be_drawn_is_said():
    vae, x = tiny(), torch.rand(4, 1, 6, 5)
    for draw, sentence in [
        (lambda: plots.image_grid([1, 2]), "images must be a tensor, got list"),
        (lambda: plots.image_grid((x * 255).byte()), r"images.float\(\) / 255"),
        (lambda: plots.rows({"a": None}), "images must be a tensor, got NoneType"),
        (lambda: plots.samples(x), "vae must be a model.*got Tensor"),
        (lambda: plots.reconstructions(x, vae), "vae must be a model.*got Tensor"),
        (lambda: plots.losses(vae), "what vaelib.fit returns, got VAE"),
    ]:
        with pytest.raises(TypeError, match=sentence):
            draw()
    plots.image_grid(x > 0.5)
    for tail in (0, 0.5, -1):
        with pytest.raises(ValueError, match="tail must lie between 0 and 0.5"):
            plots.manifold(vae, tail=tail)
