"""Sliders on the live kernel: explore any model, also those a web page cannot run."""

import asyncio
import os

import torch

from vaelib._state import evaluating, seeded

SLIDERS = 8  # more than fit beside a picture
SMALLEST = 224  # CSS pixels that the picture measures at least


@evaluating
def explore(vae, images=None, sliders: int = SLIDERS, delay: float = 0.03):
    """Move z with sliders and see the mean of p(x|z), decoded by the model itself.

    Works for every model with `decode` and `prior`, on any device; the live figures of
    `vaelib.figures` need no kernel but know VAE.mlp and VAE.conv only. images
    (`data.test`) put the most active dimensions first, by the KL that each carries.
    While a slider moves, decoding waits until it has rested for `delay` seconds.

    Returns a widget: `.z` is the code shown, shape (d,), and may be set. While the
    book's pages are built there is no kernel to ask, and pictures come back instead.
    """
    if sliders < 1:
        raise ValueError(f"sliders must be at least 1, got {sliders}.")
    shape = tuple(vae.prior().event_shape)
    if len(shape) != 1:
        raise ValueError(
            f"explore needs codes that are vectors, this prior has {shape}."
        )
    if os.environ.get("VAELIB_STATIC") == "1":
        return _pictures(vae)
    try:
        import ipywidgets
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "explore needs the package ipywidgets: install it with pip install "
            "ipywidgets, then restart the kernel."
        ) from error
    return _explorer(ipywidgets, vae, _order(vae, images, shape[0])[:sliders], delay)


def _explorer(widgets, vae, order, delay):
    class Explorer(widgets.HBox):
        """A picture and sliders that move it."""

        def __init__(self):
            self._z = torch.zeros(vae.prior().event_shape[0])
            self._waiting, self._setting = None, False
            self._image = widgets.Image(format="png", width=SMALLEST)
            self._image.layout.object_fit = "contain"
            self._sliders = {
                k: widgets.FloatSlider(
                    min=-3,
                    max=3,
                    step=0.05,
                    description=f"z{k + 1}",
                    continuous_update=True,
                )
                for k in order
            }
            for k, slider in self._sliders.items():
                slider.observe(
                    lambda change, k=k: self._move(k, change["new"]), "value"
                )
            draw = widgets.Button(description="draw from p(z)")
            draw.on_click(lambda _: self._draw())
            rows = [*self._sliders.values(), draw]
            super().__init__([self._image, widgets.VBox(rows)])
            self._show()

        @property
        def z(self) -> torch.Tensor:
            return self._z.clone()

        @z.setter
        def z(self, value) -> None:
            value = torch.as_tensor(value, dtype=torch.float32).detach().cpu()
            if value.shape != self._z.shape:
                expected, got = tuple(self._z.shape), tuple(value.shape)
                raise ValueError(f"z must have shape {expected}, got {got}.")
            self._setting = True
            try:
                for k, slider in self._sliders.items():
                    slider.value = value[k].item()
            finally:
                self._setting = False
            self._z = value.clone()
            self._later()

        def _move(self, k, value):
            if self._setting:  # by Python, not by the reader: z has it unrounded
                return
            self._z[k] = value
            self._later()

        @torch.no_grad()
        def _draw(self):
            self.z = vae.prior().sample()

        def _later(self):
            """Decode once the slider rests: events that came meanwhile count as one."""
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                return self._show()
            if self._waiting is not None:
                self._waiting.cancel()
            self._waiting = loop.call_later(delay, self._show)

        def _show(self):
            self._waiting = None
            self._image.value = _png(
                vae, self._z.unsqueeze(0), columns=1, smallest=SMALLEST
            )

    return Explorer()


def _order(vae, images, d: int) -> list[int]:
    """Latent dimensions, the one with the largest KL first."""
    if images is None:
        return list(range(d))
    with seeded(0):
        kl = vae.elbo(getattr(images, "x", images)[:1000]).kl_per_dim
    if kl is None:
        return list(range(d))
    return kl.mean(0).argsort(descending=True).tolist()


@evaluating
def _png(vae, z, columns: int, smallest: int = 0) -> bytes:
    from vaelib.figures.stills import png

    mean = vae.decode(z).mean.float().cpu()
    zoom = max(1, round(smallest / mean.shape[-1]))
    mean = mean.repeat_interleave(zoom, 2).repeat_interleave(zoom, 3)
    return png(mean, columns)


def _pictures(vae):
    from IPython.display import HTML

    from vaelib.figures import stills

    generator = torch.Generator().manual_seed(0)
    z = torch.randn(24, vae.prior().event_shape[0], generator=generator)
    images = vae.decode(z).mean.float().cpu()
    picture = stills.images(
        images, 8, "Images decoded at 24 codes drawn from the prior."
    )
    return HTML(
        f"{picture}<p>Run this notebook to get sliders here: they ask the model "
        "itself, so they need a kernel.</p>"
    )
