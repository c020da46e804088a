"""Live figures in a browser: the same numbers as PyTorch, and they move when touched.

The page is a small one, made by the mechanism that makes the book's: figures rendered
as they are during the build, then passed through the extension.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import vaelib
from vaebook import live as extension
from vaelib import figures
from vaelib.figures import live, networks

PAGE = """<!doctype html><html lang="en" data-theme="light"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>figures</title>
<link rel="icon" href="data:,">
<style>
  body { margin: 0; padding: 8px; font-family: sans-serif; }
  html[data-theme=dark] { --pst-color-text-base: #dfe4ea; background: #14181e;
    --pst-color-background: #14181e; }
</style>"""


def digits(n=300):
    return vaelib.load("digits").test[torch.arange(n)]


def untrained(builder="mlp", **options):
    """A model whose images depend on z although nothing was learned."""
    torch.manual_seed(0)
    make = getattr(vaelib.VAE, builder)
    vae = make((1, 28, 28), **options)
    with torch.no_grad():
        for weights in vae.decoder.parameters():
            if weights.ndim > 1:
                weights *= 3
    return vae


def film():
    vae = untrained(hidden=(32,), latent_dim=2)
    film = figures.Film(vae, digits(), frames=6)
    vaelib.fit(vae, digits().x, epochs=1, batch_size=10, beta=film, progress=False)
    figure = film.figure()
    figure.frame = 3  # so that it can move both ways
    return figure


def scales():
    family = {b: untrained(hidden=(16,), latent_dim=2) for b in (0.1, 1, 100)}
    figure = figures.loss_scales(family, digits())
    figure.reduction = "everything"  # sums do not depend on the number of pixels
    return figure


FIGURES = {
    "bayes": figures.bayes,
    "gaussian-kl": figures.gaussian_kl,
    "elbo-gap": figures.elbo_gap,
    "latent-plane": lambda: figures.latent_explorer(untrained(latent_dim=2), digits()),
    "reparameterization": figures.reparameterization,
    "interpolation": lambda: figures.interpolation(
        untrained("conv", channels=(8, 16), latent_dim=10), digits()
    ),
    "draw-digit": lambda: figures.draw_digit(untrained(latent_dim=2), digits()),
    "film": film,
    "loss-scales": scales,
    "latent-sliders": lambda: figures.latent_explorer(
        untrained("conv", channels=(8, 16), latent_dim=10), digits()
    ),
}


@pytest.fixture(scope="session")
def live_site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("live")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VAELIB_STATIC", "1")
        body = "".join(
            f'<section id="{name}">{make().to_html()}</section>'
            for name, make in FIGURES.items()
        )
    context = {"body": body, "pathto": lambda path, _: path}
    extension.move_blobs(SimpleNamespace(outdir=folder), "index", "", context, None)
    (folder / "index.html").write_text(PAGE + context["body"], encoding="utf-8")
    return folder


@dataclass
class Figure:
    """One figure on a page, and the ways to move it."""

    page: object
    name: str

    @property
    def root(self):
        return self.page.locator(f"#{self.name} .vf")

    def ready(self):
        self.page.locator(f"#{self.name}").scroll_into_view_if_needed()
        self.page.wait_for_selector(f"#{self.name} [data-mounted=yes]", timeout=20_000)
        self.settle()
        return self

    def settle(self):
        self.page.evaluate(
            "() => new Promise((f) => requestAnimationFrame(() => "
            "requestAnimationFrame(() => requestAnimationFrame(f))))"
        )

    def get(self, key):
        host = f"document.querySelector('#{self.name} .vf-host')"
        return self.page.evaluate(f"(key) => {host}.vaelibModel.get(key)", key)

    def drawn(self) -> str:
        """All that is drawn: the marks of the SVGs and the pixels of the images."""
        self.settle()
        return self.page.evaluate(
            """(name) => {
              const root = document.querySelector(`#${name} .vf`);
              const of = (selector, f) => [...root.querySelectorAll(selector)].map(f);
              return [...of("svg", (e) => e.outerHTML),
                ...of("canvas.vf-image", (e) => e.toDataURL())].join();
            }""",
            self.name,
        )

    def handle(self):
        """Where to take hold: a pad, else the first slider's thumb."""
        pad = self.root.locator(".vf-pad").first
        if pad.count():
            pad.scroll_into_view_if_needed()
            box = pad.bounding_box()
            return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        slider = self.root.locator("input[type=range]").first
        slider.scroll_into_view_if_needed()
        box = slider.bounding_box()
        at = slider.evaluate("e => (e.value - e.min) / (e.max - e.min)")
        return box["x"] + 9 + (box["width"] - 18) * at, box["y"] + box["height"] / 2

    def drag(self):
        x, y = self.handle()
        mouse = self.page.mouse
        mouse.move(x, y)
        mouse.down()
        mouse.move(x + 14, y - 8, steps=3)
        mouse.move(x + 80, y - 30, steps=4)
        mouse.up()

    def touch(self):
        x, y = self.handle()
        client = self.page.context.new_cdp_session(self.page)

        def send(kind, *points):
            client.send(
                "Input.dispatchTouchEvent",
                {"type": kind, "touchPoints": [{"x": a, "y": b} for a, b in points]},
            )

        send("touchStart", (x, y))
        for step in range(1, 6):
            send("touchMove", (x - 16 * step, y + 2 * step))
        send("touchEnd")

    def keys(self):
        target = self.root.locator(".vf-pad, input[type=range]").first
        target.focus()
        for key in ("ArrowRight", "ArrowRight", "ArrowUp"):
            self.page.keyboard.press(key)


@pytest.mark.parametrize("protocol", ["http", "file"])
def test_figures_move_by_mouse_finger_and_keys(visit, address, live_site, protocol):
    seen = visit(address(live_site, protocol) + "index.html", width=800)
    page = seen.page
    # Pictures that move by themselves would make every comparison true.
    page.emulate_media(reduced_motion="reduce")
    page.reload()
    for name in FIGURES:
        figure = Figure(page, name).ready()
        for move in (figure.drag, figure.touch, figure.keys):
            before = figure.drawn()
            assert before == figure.drawn(), f"{name} does not stand still"
            move()
            assert figure.drawn() != before, f"{name} does not move: {move.__name__}"
    assert not seen.problems


@pytest.mark.parametrize("width", [390, 800])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_figures_fit_and_are_labelled(visit, address, live_site, width, theme):
    seen = visit(address(live_site) + "index.html", width=width)
    page = seen.page
    page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    for name in FIGURES:
        Figure(page, name).ready()
        bad = page.evaluate(
            """(name) => {
              const root = document.querySelector(`#${name} .vf`);
              const named = (e) => e.getAttribute("aria-label") || e.closest("label")
                || e.getAttribute("aria-hidden") || e.closest("[role=slider]")
                || e.textContent.trim();
              const box = root.getBoundingClientRect();
              return [...root.querySelectorAll("input, button, canvas, svg, text, p")]
                .filter((e) => e.getClientRects().length)
                .flatMap((e) => [
                  e.matches("text, p") || named(e) ? null : `no name: ${e.outerHTML}`,
                  e.matches("text, p, input, button")
                    && e.textContent !== ""
                    && (e.getBoundingClientRect().right > box.right + 2
                      || e.getBoundingClientRect().left < box.left - 2)
                    ? `sticks out: ${e.outerHTML}` : null,
                ]).filter(Boolean).map((t) => t.slice(0, 160));
            }""",
            name,
        )
        assert not bad, f"{name}: {bad}"
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width
    assert not seen.problems


def test_what_the_reader_moves_is_the_state(visit, address, live_site):
    seen = visit(address(live_site) + "index.html", width=800)
    figure = Figure(seen.page, "bayes").ready()
    figure.root.get_by_role("button", name="a call", exact=False).first.click()
    assert figure.get("observations") == [1]
    assert "0.857" in figure.drawn()
    plane = Figure(seen.page, "latent-plane").ready()
    plane.root.locator(".vf-pad").focus()
    seen.page.keyboard.press("Shift+ArrowLeft")
    assert plane.get("z") == pytest.approx([-1.0, 0.0])
    plane.settle()
    assert plane.root.locator(".vf-pad").get_attribute("aria-valuetext") == (
        "z1 −1.00, z2 0.00"
    )
    plane.root.get_by_role("button", name="draw from").click()
    assert plane.get("z") != pytest.approx([-1.0, 0.0])


def test_figures_load_when_they_come_near(visit, address, live_site):
    seen = visit(address(live_site) + "index.html")
    asked = []
    seen.page.on("request", lambda request: asked.append(request.url))
    seen.page.set_viewport_size({"width": 1400, "height": 300})
    seen.page.reload()
    Figure(seen.page, "bayes").ready()
    early = len(asked)
    Figure(seen.page, list(FIGURES)[-1]).ready()
    assert early < len(asked)
    assert len(asked) == len(set(asked))  # nothing is sent twice


def test_with_reduced_motion_nothing_moves_by_itself(visit, address, live_site):
    seen = visit(address(live_site) + "index.html")
    seen.page.emulate_media(reduced_motion="reduce")
    seen.page.reload()
    figure = Figure(seen.page, "gaussian-kl").ready()
    before = figure.drawn()
    seen.page.wait_for_timeout(1200)
    assert figure.drawn() == before
    figure.root.get_by_role("button", name="draw again").click()
    assert figure.drawn() != before


def test_without_javascript_there_is_a_still_and_a_sentence(browser, live_site):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(live_site.as_uri() + "/index.html")
    for name in FIGURES:
        section = page.locator(f"#{name}")
        assert "JavaScript" in section.inner_text()
        assert section.locator("noscript svg, noscript img").first.is_visible()
    context.close()


# The same numbers in Python and in the page.


@pytest.fixture
def run(visit, address, live_site):
    """run(files, code, **values): what the function body gives, with the module M."""
    page = visit(address(live_site) + "index.html").page

    def evaluate(files, code, **values):
        text = "\n".join(live.part(name) for name in files)
        return page.evaluate(
            """async ([text, code, values]) => {
              const M = await import("data:text/javascript;charset=utf-8," +
                encodeURIComponent(text));
              const F = Object.getPrototypeOf(async function () {}).constructor;
              return await new F("M", "V", code)(M, JSON.parse(values));
            }""",
            [text, code, json.dumps(values)],
        )

    return evaluate


def test_the_divergence_agrees(run):
    generator = torch.Generator().manual_seed(0)
    pairs = torch.empty(200, 4, dtype=torch.float64)
    pairs.uniform_(-3, 3, generator=generator)
    mu_q, logvar_q, mu_p, logvar_p = pairs.unbind(1)
    expected = vaelib.kl_gaussian(
        mu_q[:, None],
        logvar_q.exp()[:, None, None],
        mu_p[:, None],
        logvar_p.exp()[:, None, None],
    )
    found = run(
        ["kit.js", "gaussian_kl.js"],
        "return V.pairs.map((p) => M.gaussianKl(...p))",
        pairs=pairs.tolist(),
    )
    torch.testing.assert_close(
        torch.tensor(found).double(), expected, rtol=1e-6, atol=1e-6
    )
    # The area under the integrand is the divergence: a grid wide enough for both.
    area = run(
        ["kit.js", "gaussian_kl.js"],
        """const xs = M.grid(-60, 60, 60001);
           return V.pairs.map((p) => xs.reduce((s, x) =>
             s + (M.integrand(x, ...p) || 0), 0) * 0.002)""",
        pairs=pairs[:20].tolist(),
    )
    torch.testing.assert_close(
        torch.tensor(area).double(), expected[:20], rtol=1e-5, atol=1e-5
    )


def test_bayes_rule_agrees(run):
    figure = figures.bayes(prior=0.3, likelihoods=(0.8, 0.25))
    figure.observations = [1, 0, 0, 1, 1]
    found = run(
        ["kit.js", "bayes.js"],
        "return M.beliefs(V.prior, V.likelihoods, V.observations)",
        prior=0.3,
        likelihoods=[0.8, 0.25],
        observations=figure.observations,
    )
    assert found == pytest.approx(figure.beliefs, abs=1e-6)


def test_the_elbo_and_its_gap_agree(run):
    for mean, width in [(0.6, 0.6), (-2.0, 1.5), (1.2, 0.2**0.5)]:
        figure = figures.elbo_gap(x=3.0, a=2.0, s=1.0, mean=mean, width=width)
        found = run(
            ["kit.js", "elbo_gap.js"],
            "return M.elboTerms(V, V.mean, V.log_width)",
            x=3.0,
            a=2.0,
            s=1.0,
            mean=figure.mean,
            log_width=figure.log_width,
        )
        for key in ("elbo", "gap", "evidence"):
            assert found[key] == pytest.approx(getattr(figure, key), abs=1e-6)


def rounded(vae):
    """The model with the weights that the page gets."""
    with torch.no_grad():
        for weights in vae.parameters():
            weights.copy_(weights.half().float())
    return vae


MODELS = {
    "mlp": lambda: untrained(latent_dim=2),
    "deep": lambda: untrained(hidden=(64, 33), latent_dim=5),
    "conv": lambda: untrained("conv", latent_dim=20),
    "conv-large-scale": lambda: untrained("conv", channels=(8, 12), latent_dim=3),
    "continuous": lambda: untrained(
        hidden=(32,), latent_dim=3, likelihood="continuous_bernoulli"
    ),
    "discretized": lambda: untrained(
        hidden=(32,), latent_dim=3, likelihood="discretized_logistic"
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_page_decodes_as_pytorch_does(run, name):
    # In double precision, where torch does not cut the continuous Bernoulli's logits.
    exact, vae = MODELS[name](), rounded(MODELS[name]()).double()
    description, weights = networks.pack_decoder(exact)
    z = 2 * torch.randn(
        25, networks.latent_dim(vae), generator=torch.Generator().manual_seed(3)
    )
    found = run(
        ["kit.js", "network.js"],
        """const view = new DataView(Uint8Array.from(V.weights).buffer);
           const decode = M.decoder(V.description, M.fromHalf(view));
           return V.z.map((z) => [...decode(z)])""",
        description=description,
        weights=list(weights),
        z=z.tolist(),
    )
    found = torch.tensor(found).reshape(25, 1, 28, 28)
    with torch.no_grad():
        expected = vae.decode(z).mean.float()
        torch.testing.assert_close(found, expected, rtol=0, atol=2e-5)
        # What 16 bits cost, against the weights as they were trained.
        assert (found - exact.double().decode(z).mean).abs().max() < 0.02
        assert found.std(0).max() > 0.05  # the comparison is of images that differ


@pytest.mark.parametrize(("name", "limit"), [("mlp", 1.0), ("conv", 16.0)])
def test_decoding_is_fast(run, name, limit):
    description, weights = networks.pack_decoder(MODELS[name]())
    milliseconds = run(
        ["kit.js", "network.js"],
        """const view = new DataView(Uint8Array.from(V.weights).buffer);
           const decode = M.decoder(V.description, M.fromHalf(view));
           const z = new Array(V.dims).fill(0);
           const times = [];
           for (let i = 0; i < 120; i++) {
             z[0] = i / 40;
             const start = performance.now();
             for (let k = 0; k < 3; k++) decode(z);
             times.push((performance.now() - start) / 3);
           }
           return times.sort((a, b) => a - b)[30]""",
        description=description,
        weights=list(weights),
        dims=20 if name == "conv" else 2,
    )
    assert milliseconds < limit


def test_gradients_of_the_reparameterisation_agree(run):
    epsilon = torch.randn(12, generator=torch.Generator().manual_seed(2)).double()
    mu = torch.tensor(-0.7, dtype=torch.float64, requires_grad=True)
    sigma = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
    loss = (0.5 * (mu + sigma * epsilon - 2) ** 2).mean()
    loss.backward()
    found = run(
        ["kit.js", "reparameterization.js"],
        "return M.pathwise(-0.7, 1.3, V.epsilon)",
        epsilon=epsilon.tolist(),
    )
    assert found["loss"] == pytest.approx(loss.item(), abs=1e-6)
    assert found["mu"] == pytest.approx(mu.grad.item(), abs=1e-6)
    assert found["sigma"] == pytest.approx(sigma.grad.item(), abs=1e-6)


def test_spherical_interpolation_agrees(run):
    generator = torch.Generator().manual_seed(4)
    a, b = 2 * torch.randn(2, 40, 6, generator=generator).double()
    # Codes along one line, and the origin, have no arc between them.
    special = torch.stack([2 * a[0], -3 * a[1], 0 * a[2], a[3]])
    ends = torch.cat([b, special, -a[4:5] + 1e-3 * b[4:5]])
    starts = torch.cat([a, a[:4], a[4:5]])
    t = [0.0, 0.2, 0.5, 0.9, 1.0]
    found = run(
        ["kit.js", "interpolation.js"],
        """return V.starts.map((a, i) =>
             V.t.map((t) => M.spherical(a, V.ends[i], t)))""",
        starts=starts.tolist(),
        ends=ends.tolist(),
        t=t,
    )
    expected = vaelib.slerp(
        starts[:, None], ends[:, None], torch.tensor(t, dtype=torch.float64)[:, None]
    )
    torch.testing.assert_close(
        torch.tensor(found, dtype=torch.float64), expected, rtol=0, atol=1e-8
    )


DRAWN = {
    "mlp": {"builder": "mlp", "latent_dim": 2},
    "conv": {"builder": "conv", "latent_dim": 4},
    "continuous": {"likelihood": "continuous_bernoulli", "latent_dim": 3},
    "gaussian": {"likelihood": "gaussian", "sigma": 0.3, "latent_dim": 3},
}


@pytest.mark.parametrize("name", DRAWN)
def test_the_terms_of_the_elbo_agree(run, name):
    exact, vae = untrained(**DRAWN[name]), rounded(untrained(**DRAWN[name])).double()
    x = digits(3).x.double()
    d = networks.latent_dim(vae)
    epsilon = torch.randn(4, 1, d, generator=torch.Generator().manual_seed(6)).double()
    encoder, encoder_weights = networks.pack_encoder(exact)
    decoder, decoder_weights = networks.pack_decoder(exact)
    found = run(
        ["kit.js", "network.js", "plane.js", "draw_digit.js"],
        """const half = (w) => M.fromHalf(new DataView(Uint8Array.from(w).buffer));
           const encode = M.network(V.encoder.layers, half(V.encoder_weights));
           const logits = M.network(V.decoder.layers, half(V.decoder_weights));
           return V.x.map((x) =>
             M.elbo(encode, logits, V.decoder.likelihood, x, V.draws))""",
        encoder=encoder,
        decoder=decoder,
        encoder_weights=list(encoder_weights),
        decoder_weights=list(decoder_weights),
        x=x.flatten(1).tolist(),
        draws=epsilon[:, 0].tolist(),
    )
    with torch.no_grad():
        q = vae.encode(x)
        z = q.mean + q.stddev * epsilon
        reconstruction = vae.decode(z).log_prob(x).mean(0)
        kl = vae.elbo(x).kl
    for i, terms in enumerate(found):
        assert terms["mu"] == pytest.approx(q.mean[i].tolist(), abs=1e-4)
        assert terms["kl"] == pytest.approx(kl[i].item(), rel=1e-4)
        assert terms["reconstruction"] == pytest.approx(
            reconstruction[i].item(), rel=1e-4
        )


def test_drawings_are_prepared_as_mnist_was(run):
    """Small and in a corner, or large: 20 pixels long, centre of mass in the middle."""
    tick = [[0.0, 0.5], [0.3, 1.0], [1.0, 0.0]]
    small = [[[0.7 + 0.2 * x, 0.1 + 0.2 * y] for x, y in tick]]
    found = run(
        ["kit.js", "network.js", "plane.js", "draw_digit.js"],
        "return V.drawings.map((strokes) => [...M.preprocess(strokes)])",
        drawings=[[tick], small, [[[0.2, 0.2]]], []],
    )
    large, small, dot, empty = torch.tensor(found).reshape(4, 28, 28)
    torch.testing.assert_close(large, small, atol=0.02, rtol=0)
    for image in (large, small, dot):
        assert 0 <= image.min() and 0.85 < image.max() <= 1
        at = torch.arange(28) + 0.5
        assert (image.sum(0) @ at / image.sum() - 14).abs() < 0.1
        assert (image.sum(1) @ at / image.sum() - 14).abs() < 0.1
    inked = (large > 0.1).nonzero()
    assert ((inked.max(0).values - inked.min(0).values + 1).max() - 20).abs() <= 1
    assert empty.sum() == 0


def test_a_drawing_reaches_the_state(visit, address, live_site):
    seen = visit(address(live_site) + "index.html", width=800)
    figure = Figure(seen.page, "draw-digit").ready()
    figure.root.get_by_role("button", name="clear").click()
    assert figure.get("strokes") == []
    figure.drag()
    assert len(figure.get("strokes")) == 1
    seen.page.wait_for_timeout(500)
    assert sum(figure.get("image")) > 10
    assert "ELBO" in figure.root.inner_text()


def playing(visit, address, live_site, condition):
    """The page and its film, which plays, and whose frame has come so far."""
    seen = visit(address(live_site) + "index.html", width=800)
    figure = Figure(seen.page, "film").ready()
    figure.root.get_by_role("button", name="play").click()
    frame = "document.querySelector('#film .vf-host').vaelibModel.get('frame')"
    seen.page.wait_for_function(f"() => {frame} {condition}", timeout=20_000)
    return seen, figure


def test_a_film_stops_where_the_reader_puts_it(visit, address, live_site):
    _, figure = playing(visit, address, live_site, ">= 2")
    figure.root.get_by_role("slider").press("Home")
    figure.root.get_by_role("button", name="play").wait_for(timeout=2000)
    assert figure.get("frame") == 0


def test_a_film_plays_to_its_end(visit, address, live_site):
    seen, figure = playing(visit, address, live_site, "=== 5")
    figure.root.get_by_role("button", name="play").wait_for(timeout=5000)
    assert not seen.problems


def test_the_implied_beta_agrees(run):
    figure = figures.loss_scales()
    figure.log_variance = -1.5
    for reduction in ("sum", "pixels", "everything"):
        figure.reduction = reduction
        found = run(
            ["kit.js", "network.js", "loss_scales.js"],
            "return M.impliedBeta(V)",
            reduction=reduction,
            pixels=784,
            latent=20,
            variance=10**-1.5,
        )
        assert found == pytest.approx(figure.beta, rel=1e-6)
