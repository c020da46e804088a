"""Live figures without a browser: what Python packs, computes and refuses."""

import asyncio
import base64
import html
import json
import math
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import traitlets
from torch import nn

import vaelib
from vaebook import live as extension
from vaelib import figures
from vaelib.data import Images
from vaelib.figures import live, networks

SHAPE = (1, 8, 8)


def some_images(n=40, shape=SHAPE):
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(n, *shape, generator=generator)
    return Images(x, torch.arange(n) % 10)


def small_vae(latent_dim=2):
    torch.manual_seed(0)
    return vaelib.VAE.mlp(SHAPE, hidden=(16,), latent_dim=latent_dim)


def small_film():
    vae = small_vae()
    film = figures.Film(vae, some_images(), epochs=2, frames=4)
    vaelib.fit(vae, some_images().x, epochs=2, batch_size=2, beta=film, progress=False)
    return film.figure()


def small_family():
    return {beta: small_vae() for beta in (10.0, 0.1, 1)}


MAKERS = {
    "loss_scales": figures.loss_scales,
    "loss_scales_family": lambda: figures.loss_scales(small_family(), some_images()),
    "film": small_film,
    "bayes": figures.bayes,
    "gaussian_kl": figures.gaussian_kl,
    "elbo_gap": figures.elbo_gap,
    "latent_explorer": lambda: figures.latent_explorer(small_vae(), some_images()),
    "reparameterization": figures.reparameterization,
    "interpolation": lambda: figures.interpolation(small_vae(3), some_images()),
    "draw_digit": lambda: figures.draw_digit(
        vaelib.VAE.mlp((1, 28, 28), hidden=(8,), latent_dim=2),
        some_images(shape=(1, 28, 28)),
    ),
    "latent_explorer_3": lambda: figures.latent_explorer(small_vae(3), some_images()),
}


@pytest.fixture
def static(monkeypatch):
    monkeypatch.setenv("VAELIB_STATIC", "1")


@pytest.fixture
def comms(monkeypatch):
    """The connections that widgets open while the test runs."""
    import comm

    opened = []

    def create(*arguments, **options):
        opened.append(options.get("target_name"))
        return comm.base_comm.BaseComm(*arguments, **options)

    monkeypatch.setattr(comm.base_comm.BaseComm, "publish_msg", lambda *a, **k: None)
    monkeypatch.setattr(comm, "create_comm", create)
    return opened


@pytest.mark.parametrize("name", MAKERS)
def test_a_static_figure_is_html_and_opens_no_connection(name, static, comms):
    bundle = MAKERS[name]()._repr_mimebundle_()
    assert not comms
    assert set(bundle) == {"text/html", "text/plain"}
    page = bundle["text/html"]
    noscript = re.search(r"<noscript>(.*?)</noscript>", page, re.S)[1]
    assert ("<svg" in noscript or "<img" in noscript) and "JavaScript" in noscript
    addresses = set(re.findall(r"https?://[^\s\"'<>\\]+", page))
    assert addresses <= {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("name", MAKERS)
def test_with_a_kernel_a_figure_is_a_widget(name, comms, monkeypatch):
    monkeypatch.delenv("VAELIB_STATIC", raising=False)
    figure = MAKERS[name]()
    bundle = figure._repr_mimebundle_()
    bundle = bundle[0] if isinstance(bundle, tuple) else bundle
    assert "jupyter.widget" in comms
    assert "application/vnd.jupyter.widget-view+json" in bundle
    plain = bundle["text/plain"]
    assert "Jupyter widgets" in plain and "JupyterLab" in plain


def test_only_one_copy_of_weights_and_modules_reaches_the_site(static, tmp_path):
    vae = small_vae()
    body = "".join(
        figures.latent_explorer(vae, some_images()).to_html() for _ in range(3)
    )
    context = {"body": body, "pathto": lambda path, _: f"../{path}"}
    extension.move_blobs(SimpleNamespace(outdir=tmp_path), "a", "", context, None)
    page = context["body"]
    assert len(page) < len(body) / 3
    sources = re.findall(r'data-live-blob="\w+" data-src="([^"]+)"', page)
    assert len(sources) == len(set(sources))
    files = {path.name for path in (tmp_path / "_static" / "live").iterdir()}
    assert files == {path.split("/")[-1] for path in sources} | {"boot.js"}
    assert page.count("boot.js") == 1
    text = (tmp_path / "_static/live" / sources[0].split("/")[-1]).read_text()
    name, content = re.fullmatch(r'vaelibLive.blobs\["(\w+)"\]=(.*);\n', text).groups()
    assert name in sources[0] and isinstance(json.loads(content), str)


def test_pages_without_figures_are_left_alone(tmp_path):
    context = {"body": "<p>text</p>"}
    extension.move_blobs(SimpleNamespace(outdir=tmp_path), "a", "", context, None)
    assert context == {"body": "<p>text</p>"} and not list(tmp_path.iterdir())


def test_the_library_does_not_need_anywidget():
    code = (
        "import sys; sys.modules['anywidget'] = None\n"
        "import vaelib\n"
        "try:\n    from vaelib import figures\n"
        "except ModuleNotFoundError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "pip install anywidget" in done.stdout


def test_importing_the_library_does_not_import_widgets():
    code = "import sys, vaelib; print('anywidget' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


def test_modules_import_nothing_and_name_no_host():
    for path in live.STATIC.iterdir():
        text = path.read_text()
        if path.suffix == ".js":
            assert not re.search(r"^\s*import[\s{*]", text, re.M), path.name
        assert set(re.findall(r"https?://[^\s\"']+", text)) <= {
            "http://www.w3.org/2000/svg"
        }, path.name


# The numbers that the figures' Python side reports.


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_the_kl_figure_agrees_with_the_library(direction):
    figure = figures.gaussian_kl(q=(-1.3, 0.4), p=(0.7, -1.1))
    figure.direction = direction
    pairs = [figure.q, figure.p][:: 1 if direction == "forward" else -1]
    tensors = [
        torch.tensor(v, dtype=torch.float64).reshape(1, *[1] * n)
        for mu, logvar in pairs
        for v, n in [(mu, 1), (math.exp(logvar), 2)]
    ]
    assert figure.kl == pytest.approx(vaelib.kl_gaussian(*tensors).item(), abs=1e-12)


def test_the_elbo_and_its_gap_add_up_to_the_evidence():
    figure = figures.elbo_gap(x=1.7, a=-1.2, s=0.8, mean=-0.4, width=0.5)
    assert figure.elbo + figure.gap == pytest.approx(figure.evidence, abs=1e-12)
    z = torch.linspace(-12, 12, 20001, dtype=torch.float64)
    normal = torch.distributions.Normal
    joint = normal(0.0, 1.0).log_prob(z) + normal(-1.2 * z, 0.8).log_prob(
        torch.tensor(1.7, dtype=torch.float64)
    )
    assert figure.evidence == pytest.approx(
        torch.trapezoid(joint.exp(), z).log().item(), abs=1e-9
    )
    q = normal(-0.4, 0.5).log_prob(z)
    bound = torch.trapezoid(q.exp() * (joint - q), z).item()
    assert figure.elbo == pytest.approx(bound, abs=1e-6)


def test_beliefs_follow_bayes_rule():
    figure = figures.bayes()
    figure.observations = [1, 1, 0]
    odds = [1.0, 6.0, 36.0, 36 * 0.4 / 0.9]
    expected = [o / (1 + o) for o in odds]
    assert figure.beliefs == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("reduction", ["sum", "pixels", "everything"])
def test_the_implied_beta_is_that_of_the_gradients(reduction):
    """The loss as people write it has the beta-ELBO's gradients, up to a factor."""
    figure = figures.loss_scales()
    figure.reduction, figure.log_pixels, figure.latent = reduction, math.log10(100), 5
    figure.log_variance = math.log10(0.02)
    error = torch.rand(100, requires_grad=True, dtype=torch.float64)
    kl = torch.rand(5, requires_grad=True, dtype=torch.float64)
    reduce = {
        "sum": lambda: (error**2).sum() + kl.sum(),
        "pixels": lambda: (error**2).mean() + kl.sum(),
        "everything": lambda: (error**2).mean() + kl.mean(),
    }
    reduce[reduction]().backward()
    factor = error.grad / (error.detach() / 0.02)  # of -log p, a Gaussian's
    beta = kl.grad[0] / factor[0]
    assert figure.beta == pytest.approx(beta.item(), rel=1e-9)


# What is packed.


def test_halves_come_back_as_they_went():
    values = torch.tensor([0.0, 1.0, -2.5, 65504.0, 6e-8, 1 / 3])
    back = np.frombuffer(networks.half_bytes(values), dtype="<f2")
    np.testing.assert_array_equal(back, values.numpy().astype("<f2"))


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e6])
def test_weights_that_do_not_fit_are_refused(bad):
    with pytest.raises(ValueError, match="16 bits"):
        networks.half_bytes(torch.tensor([1.0, bad]))


def test_the_most_active_dimensions_come_first():
    vae = small_vae(4)
    with torch.no_grad():
        vae.encoder.mu.weight[2] *= 50
    images = some_images()
    figure = figures.latent_explorer(vae, images)
    kl = vae.elbo(images.x).kl_per_dim.mean(0)
    assert figure.order == kl.argsort(descending=True).tolist()
    assert figure.order[0] == 2


def test_a_figure_leaves_the_notebooks_random_numbers_alone():
    vae, images = small_vae(4), some_images()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    figures.latent_explorer(vae, images)
    torch.testing.assert_close(torch.rand(3), expected)


def test_a_film_looks_on_and_changes_nothing():
    images = some_images()
    trained = {}
    for name in ("alone", "filmed"):
        vae = small_vae()
        film = figures.Film(vae, images, epochs=2, frames=5, beta=0.5)
        beta = film if name == "filmed" else 0.5
        vaelib.fit(vae, images.x, epochs=2, batch_size=2, beta=beta, progress=False)
        trained[name] = vae.state_dict()
    torch.testing.assert_close(trained["filmed"], trained["alone"], rtol=0, atol=0)
    figure = film.figure()
    assert figure.moments[0]["epoch"] == 0 and figure.moments[-1]["epoch"] == 2
    assert len(figure.moments) == 5
    points = np.frombuffer(figure.points, dtype="<f2").reshape(5, 40, 2)
    with torch.no_grad():
        codes = vae.encode(images.x).mean.numpy()
    np.testing.assert_allclose(points[-1], codes, atol=2e-3)
    assert np.abs(points[0] - points[-1]).max() > 0.05


def test_a_film_of_an_interrupted_training_says_when_it_ended():
    vae, images, steps = small_vae(), some_images(), 0

    def beta(done):
        nonlocal steps
        steps += 1
        if steps > 60:
            raise KeyboardInterrupt
        return 1.0

    film = figures.Film(vae, images, epochs=10, frames=5, beta=beta)
    history = vaelib.fit(vae, images.x, 10, batch_size=2, beta=film, progress=False)
    assert history.interrupted and len(images) == 40
    assert film.figure().moments[-1]["epoch"] == pytest.approx(3, abs=0.06)


def test_figures_show_evaluation_mode(comms, monkeypatch):
    monkeypatch.delenv("VAELIB_STATIC", raising=False)
    vae, images = small_vae(), some_images()
    vae.encoder.features.append(nn.BatchNorm1d(16))
    vae.train()
    before = {name: value.clone() for name, value in vae.state_dict().items()}
    figures.latent_explorer(vae, images)
    figures.interpolation(vae, images)
    figures.loss_scales({1.0: vae}, images)
    film = figures.Film(vae, images)
    film(0.0)
    film.figure()
    vaelib.explore(vae, images)
    assert vae.training
    for name, value in vae.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_wrong_types_are_named():
    vae, images = small_vae(), some_images()
    data = SimpleNamespace(train=images, test=images)
    for make, sentence in [
        (lambda: figures.latent_explorer(images, vae), "vae must be a model"),
        (lambda: figures.latent_explorer(vae, images.x), "vaelib.Images.*got Tensor"),
        (lambda: figures.interpolation(vae, data), "such as data.test; got Simple"),
        (lambda: figures.loss_scales({1.0: vae}), "vaelib.Images.*got NoneType"),
        (lambda: figures.Film(images, vae), "vae must be a model"),
        (lambda: vaelib.explore(images), "vae must be a model"),
    ]:
        with pytest.raises(TypeError, match=sentence):
            make()


def test_interpolation_offers_one_image_of_each_class():
    images = some_images(40)
    images = Images(images.x, images.y.flip(0))
    figure = figures.interpolation(small_vae(3), images)
    pixels = np.frombuffer(figure.pixels, dtype=np.uint8).reshape(10, 64)
    first = [images.y.tolist().index(k) for k in range(10)]
    expected = (images.x[first].reshape(10, 64) * 255).round().numpy().astype(np.uint8)
    np.testing.assert_array_equal(pixels, expected)


def test_strange_decoders_are_sent_to_explore():
    vae = small_vae()
    vae.decoder.logits.append(nn.LayerNorm(64))
    with pytest.raises(TypeError, match="LayerNorm.*vaelib.explore"):
        figures.latent_explorer(vae)
    vae = vaelib.VAE(vae.encoder, lambda z: z, vae.prior)
    with pytest.raises(TypeError, match="vaelib.explore"):
        figures.latent_explorer(vae)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(2, 2, 3, groups=2),
        nn.Conv2d(2, 2, (3, 1)),
        nn.Conv2d(2, 2, 3, dilation=2),
        nn.Conv2d(2, 2, 3, bias=False),
        nn.Conv2d(2, 2, 3, padding="same"),
        nn.ConvTranspose2d(2, 2, 3, stride=2, output_padding=1),
    ],
)
def test_convolutions_that_the_page_cannot_compute_are_refused(layer):
    with pytest.raises(TypeError, match="square kernels"):
        networks.describe(layer, (2, 8, 8))


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: figures.bayes(prior=1.0), "prior"),
        (lambda: figures.bayes(likelihoods=(0.5, 0.0)), "likelihoods"),
        (lambda: figures.gaussian_kl(q=(0, 4)), "q must"),
        (lambda: figures.elbo_gap(s=0), "s must"),
        (lambda: figures.reparameterization(sigma=0), "sigma"),
        (lambda: figures.draw_digit(small_vae()), "(1, 28, 28)"),
        (lambda: figures.loss_scales({0.0: small_vae()}, some_images()), "positive"),
        (lambda: figures.Film(small_vae(3), some_images()), "latent_dim=2"),
        (lambda: figures.Film(small_vae(), some_images()).figure(), "schedule"),
        (lambda: figures.interpolation(small_vae(), some_images(1)), "images"),
        (lambda: figures.elbo_gap(width=3), "width"),
        (
            lambda: figures.latent_explorer(small_vae(), some_images(), names=["a"]),
            "names",
        ),
    ],
)
def test_bad_input_is_one_sentence_that_names_the_argument(make, word):
    with pytest.raises(ValueError, match=word):
        make()


# Questions.


def asked(text="Is 0 < <i>q</i>?", right=1, why="Because <sup>2</sup>."):
    from vaelib.exercises import Choice, Question

    choices = [
        Choice(f"choice <i>z</i><sub>{k}</sub>", f"{why} sentence {k}", k == right)
        for k in range(3)
    ]
    return Question(text, tuple(choices))


HOSTILE = '<img src=x onerror="a()"> <i onclick=b()> <script>d()</script> & <b>e'


def test_a_quiz_is_html_without_a_kernel(static, comms):
    quiz = figures.Quiz([asked(), asked(right=0)])
    bundle = quiz._repr_mimebundle_()
    assert not comms and set(bundle) == {"text/html", "text/plain"}
    page = bundle["text/html"]
    assert "<noscript>" in page and not re.search(r"https?://(?!www.w3.org)", page)
    host = re.search(r'data-live-figure="([^"]*)"', page)[1]
    state = json.loads(html.unescape(host))["state"]
    assert state["chosen"] == [[], []]
    one = state["questions"][0]
    assert one["text"] == ["Is 0\xa0<\xa0", ["i", ["q"]], "?"]
    assert one["choices"][1] == ["choice ", ["i", ["z"]], ["sub", ["1"]]]
    key = json.loads(base64.b64decode(one["key"]))
    assert [right for right, _ in key] == [False, True, False]
    assert key[1][1] == ["Because ", ["sup", ["2"]], ". sentence 1"]


def test_the_answers_of_a_quiz_are_not_in_plain_sight(static):
    page = figures.Quiz([asked()]).to_html()
    assert "choice" in page and "sentence" not in page.split("data-live-blob")[0]
    assert "sentence 1" in html.unescape(page)  # yet they are in the still


def test_no_text_of_a_quiz_brings_an_element_into_the_page():
    quiz = figures.Quiz([asked(HOSTILE, why=f"{HOSTILE}<sup>2</sup>")])
    assert quiz.questions[0]["text"] == [HOSTILE]  # letters, all of it
    tags = re.findall(r"<(\w+)([^>]*)>", quiz.still())
    assert {tag for tag, _ in tags} <= {"div", "ol", "li", "p", "b", "i", "sub", "sup"}
    assert not any(re.search(r"\bon\w+=", attributes) for _, attributes in tags)
    assert html.unescape(quiz.still()).count(HOSTILE) == 2


def test_a_relation_of_a_quiz_stays_on_one_line():
    from vaelib.figures.quiz import parts

    assert parts("with <i>z</i> = 0 or so") == [
        "with ",
        ["i", ["z"]],
        "\xa0=\xa00 or so",
    ]


def test_a_quiz_on_paper_has_the_answers_after_the_questions():
    quiz = figures.Quiz([asked(), asked("Second?", right=2)])
    text = html.unescape(re.sub("<[^>]*>", "", quiz.still()))
    assert text.index("Second?") < text.index("Answers") < text.index("sentence")
    answers = text[text.index("Answers") :]
    assert re.findall(r"([a-c]) Because 2\. sentence (\d)", answers) == [
        ("b", "1"),
        ("c", "2"),
    ]


def test_a_quiz_reads_well_in_a_terminal():
    question = asked("The σ<sup>2</sup> of <code>logvar</code>, " + 12 * "a word ")
    lines = repr(figures.Quiz([question, asked()])).split("\n")
    assert max(map(len, lines)) <= 76 and not re.search("<[a-z/]", "".join(lines))
    assert lines[2].startswith("1. The σ^2 of `logvar`, a word")
    assert lines[3].startswith("   word")
    assert lines[4:7] == [f"   {c}) choice z_{k}" for k, c in enumerate("abc")]
    assert lines[8] == "2. Is 0 < q?" and "JupyterLab" in lines[-1]


def test_python_knows_what_was_chosen_in_a_quiz(comms, monkeypatch):
    monkeypatch.delenv("VAELIB_STATIC", raising=False)
    quiz = figures.Quiz([asked(), asked(right=0), asked()])
    assert "jupyter.widget" in comms and quiz.right_at_once == 0
    quiz.chosen = [[1], [2, 0], []]
    assert quiz.right_at_once == 1
    for bad in ([[1]], [[3], [], []]):
        with pytest.raises(traitlets.TraitError, match="chosen must"):
            quiz.chosen = bad
    assert quiz.chosen == [[1], [2, 0], []]


@pytest.mark.parametrize(
    ("questions", "words"),
    [
        ([], "at least one question"),
        ([asked("<i>q")], "<i> is not closed"),
        ([asked("<i><sub>q</i></sub>")], "</i> closes what is not open"),
    ],
)
def test_a_quiz_says_what_is_wrong_with_it(questions, words):
    with pytest.raises(ValueError, match=words):
        figures.Quiz(questions)


# Sliders on the live kernel.


def shown(explorer) -> np.ndarray:
    import io

    from matplotlib import image

    return image.imread(io.BytesIO(explorer._image.value))[..., 0]


def expected_picture(vae, z) -> np.ndarray:
    with torch.no_grad():
        picture = vae.decode(z.unsqueeze(0)).mean[0, 0].numpy()
    return picture.repeat(28, 0).repeat(28, 1)


def no_loop():
    raise RuntimeError("no running event loop")


def test_explore_decodes_through_the_model_itself(comms, monkeypatch):
    monkeypatch.delenv("VAELIB_STATIC", raising=False)
    monkeypatch.setattr(asyncio, "get_running_loop", no_loop)  # decode at once
    vae = small_vae(4)
    vae.decoder.logits.append(nn.LayerNorm(64))  # what the page's engine does not know
    explorer = vaelib.explore(vae, some_images(), sliders=3)
    kl = vae.elbo(some_images().x).kl_per_dim.mean(0)
    assert list(explorer._sliders) == kl.argsort(descending=True)[:3].tolist()
    k, slider = next(iter(explorer._sliders.items()))
    slider.value = 2.0
    assert explorer.z.tolist() == [2.0 if i == k else 0.0 for i in range(4)]
    np.testing.assert_allclose(
        shown(explorer), expected_picture(vae, explorer.z), atol=1 / 255
    )
    z = torch.tensor([0.123, -1.0, 5.0, 0.5])
    explorer.z = z
    torch.testing.assert_close(explorer.z, z)
    np.testing.assert_allclose(shown(explorer), expected_picture(vae, z), atol=1 / 255)
    explorer.children[1].children[-1].click()
    assert not torch.equal(explorer.z, z)


def test_explore_decodes_once_for_a_burst_of_events(comms, monkeypatch):
    monkeypatch.delenv("VAELIB_STATIC", raising=False)
    vae = small_vae()
    explorer = vaelib.explore(vae)
    decoded = []
    decode = vae.decode
    monkeypatch.setattr(vae, "decode", lambda z: decoded.append(z.clone()) or decode(z))

    async def drag():
        for value in (0.5, 1.0, 1.5):
            explorer._sliders[0].value = value
        assert not decoded
        await asyncio.sleep(0.2)

    # A thread of its own: the browser tests leave a loop running in this one.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, drag()).result()
    assert len(decoded) == 1 and decoded[0][0, 0] == 1.5


def test_explore_shows_pictures_while_the_book_is_built(static, comms):
    page = vaelib.explore(small_vae())._repr_html_()
    assert not comms and "<img" in page and "kernel" in page


def test_explore_says_what_it_cannot_show():
    with pytest.raises(ValueError, match="sliders"):
        vaelib.explore(small_vae(), sliders=0)
    explorer = vaelib.explore(small_vae())
    with pytest.raises(ValueError, match="z must have shape"):
        explorer.z = torch.zeros(3)
