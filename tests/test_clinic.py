"""The clinic: each bug shows its symptom, each check names it, each cure is right."""

import math
from functools import cache
from pathlib import Path

import nbformat
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

import vaelib
from vaelib import clinic
from vaelib.clinic.patients import sentence

PATIENTS = {one.bed: one for one in clinic.PATIENTS}
LOSSES = {bed: one for bed, one in PATIENTS.items() if one.kind == "loss"}
each = pytest.mark.parametrize("one", PATIENTS.values(), ids=lambda one: one.name)
each_loss = pytest.mark.parametrize("one", LOSSES.values(), ids=lambda one: one.name)


# The healthy, and the mended, against the library's own bound.


def both(loss, training=True, n=12):
    """Value and all gradients of a loss and of minus vaelib's ELBO, at one noise."""
    torch.manual_seed(0)
    net = clinic.Net().train(training)
    x = torch.rand(n, *clinic.SHAPE)
    out = []
    for function in (loss, lambda net, x: -net.vae.elbo(x).value.mean()):
        torch.manual_seed(1)
        value = function(net, x)
        slopes = torch.autograd.grad(value, list(net.parameters()), allow_unused=True)
        flat = [torch.zeros(1) if s is None else s.flatten() for s in slopes]
        out.append((value.detach(), torch.cat(flat)))
    return out


@each_loss
def test_mended_is_the_bound_and_broken_is_not(one):
    for training in (True, False):
        (value, slope), (due, due_slope) = both(one.mended, training)
        torch.testing.assert_close(value, due, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(slope, due_slope, rtol=1e-4, atol=1e-5)
    (value, slope), (due, due_slope) = both(one.broken, training=False)
    assert not math.isclose(value, due, rel_tol=1e-5) or (
        slope.shape != due_slope.shape or not torch.allclose(slope, due_slope)
    )


def test_the_mended_bound_is_the_librarys():
    log_w = torch.randn(6, 3)
    due = torch.logsumexp(log_w, 0) - math.log(6)
    torch.testing.assert_close(PATIENTS["L"].mended(log_w), due)
    assert (PATIENTS["L"].broken(log_w) < log_w.mean(0)).all()  # looser than K = 1
    assert (due > log_w.mean(0)).all()


# The examinations.

FAILS = {
    "A": ["ignorance", "copy", "price"],
    "B": ["price"],
    "C": ["ignorance", "copy", "price"],
    "D": ["copy"],
    "E": ["slope"],
    "F": ["ignorance", "copy", "price", "noise"],
    "G": ["price"],
    "H": ["noise"],
    "I": ["noise"],
    "J": ["price"],
    "K": ["noise"],
}


@each_loss
def test_each_bug_fails_its_examinations_and_no_other(one):
    assert clinic.examine(one.broken).failed == FAILS[one.bed]


def test_the_healthy_pass_all_in_every_reduction_over_the_batch():
    assert clinic.examine(clinic.healthy).failed == []
    summed = clinic.examine(lambda net, x: len(x) * clinic.healthy(net, x))
    assert summed.failed == []
    tripled = clinic.examine(lambda net, x: 3 * clinic.healthy(net, x))
    assert tripled.failed == ["ignorance", "copy", "price"]


def test_a_loss_without_gradient_fails_in_a_sentence():
    finding = clinic.slope(lambda net, x: clinic.healthy(net, x).detach())
    assert not finding.ok and "no gradient" in finding.text


def test_examinations_leave_the_random_state_alone():
    torch.manual_seed(3)
    due = torch.rand(2)
    torch.manual_seed(3)
    clinic.examine(clinic.healthy)
    assert torch.equal(torch.rand(2), due)


def test_an_examination_reads_well_in_a_terminal_and_a_notebook():
    examination = clinic.examine(PATIENTS["H"].broken)
    assert "FAIL noise" in repr(examination)
    assert max(map(len, repr(examination).splitlines())) < 80
    assert examination._repr_markdown_().count("**fails**") == 1


# The checks.


@each
def test_a_check_names_the_bug_and_passes_the_cure(one):
    unchanged = clinic.check(one.name, one.broken)
    assert unchanged.outcome == "not yet"
    assert unchanged.text == f"Unchanged. {one.diagnosis}"
    assert clinic.check(one.bed, one.mended).passed
    assert clinic.check(one.bed).outcome == "not attempted"
    assert clinic.check(one.bed, lambda *_: None).outcome == "not attempted"
    for half_cure in one.mistakes:
        report = clinic.check(one.bed, half_cure)
        assert (report.outcome, report.text) == ("not yet", sentence(half_cure))
    for cure in one.alternatives:
        report = clinic.check(one.bed, cure)
        assert (report.outcome, report.text) == ("passed", sentence(cure))


@each
def test_a_patient_is_complete(one):
    assert len(one.hints) >= 2 and one.hint(1) == one.hints[0]
    assert one.diagnosis.endswith(".") and one.diagnosis[0].isupper()
    assert one.met
    assert one.broken.__doc__ not in repr(one)  # the chart does not tell
    assert "def " in one._repr_markdown_()
    assert clinic.patient(one.bed) is clinic.patient(one.name) is one
    with pytest.raises(ValueError, match="hints"):
        one.hint(9)


def test_a_check_recognises_the_bug_of_another_bed():
    report = clinic.check("A", PATIENTS["J"].broken)
    assert report.outcome == "not yet" and "bed J" in report.text


def test_a_check_takes_a_sum_over_the_batch_and_other_noise():
    def otherwise(net, x):
        mu, logvar = net.encode(x)
        eps = torch.randn(mu.shape[1], len(mu)).T
        z = mu + torch.exp(0.5 * logvar) * eps
        logits = net.decode(z)
        bce = binary_cross_entropy_with_logits(logits, x, reduction="sum")
        return bce + vaelib.kl_standard_normal(mu, logvar).sum()

    report = clinic.check("A", otherwise)
    assert report.passed and "other noise" in report.text
    summed = clinic.check("G", lambda net, x: len(x) * clinic.healthy(net, x))
    assert summed.passed


@pytest.mark.parametrize(
    "answer, words",
    [
        (3.0, "the function itself"),
        (lambda net, x: 3.0, "one number"),
        (lambda net, x: clinic.healthy(net, x).expand(2), "shape"),
        (lambda net, x: 1 / 0, "ZeroDivisionError"),
        (lambda net, x: clinic.healthy(net, x).detach(), "RuntimeError"),
        (lambda net, x: -clinic.healthy(net, x), "a loss is minus the bound"),
        (lambda net, x: 2 * clinic.healthy(net, x), "examination ignorance"),
    ],
)
def test_a_wrong_answer_gets_a_sentence(answer, words):
    report = clinic.check("A", answer)
    assert report.outcome == "not yet" and words in report.text
    assert max(map(len, repr(report).splitlines())) < 80


def test_an_unknown_bound_is_told_what_is_due():
    report = clinic.check("L", lambda log_w: log_w.amax(0))
    assert "first bound should be" in report.text
    naive = clinic.check("L", lambda log_w: log_w.amax(1))
    assert "a number a sample" in naive.text


def test_unknown_patients_and_silent_ones_are_refused():
    with pytest.raises(ValueError, match="the beds are A, B"):
        clinic.patient("Z")
    with pytest.raises(ValueError, match="needs a docstring"):
        clinic.Patient(
            bed="Z", name="z", broken=lambda net, x: x, hints=("h",), met=("m",)
        )


def test_a_patient_is_admitted_in_a_few_lines():
    def doubled(net, x):
        """Twice the loss."""
        return 2 * clinic.healthy(net, x)

    new = clinic.Patient(bed="Z", name="z", broken=doubled, hints=("h",), met=("m",))
    clinic.PATIENTS.append(new)
    try:
        assert clinic.check("Z", doubled).text == "Unchanged. Twice the loss."
        assert clinic.check("Z", clinic.healthy).passed
        assert "bed Z" in clinic.check("A", doubled).text
    finally:
        clinic.PATIENTS.remove(new)


# Symptoms, at a fraction of the chapter's budget.


LOUD = "ABCDE"  # these need a third of the steps to show what they have


@cache
def admitted(bed):
    data = vaelib.load("digits")
    loss = clinic.healthy if bed == "healthy" else PATIENTS[bed].broken
    x, test = data.train.x[: 1000 if bed in LOUD else 3000], data.test.x[:200]
    net, curve = clinic.train(loss, x)
    terms = vaelib.evaluate(net.vae, test)
    says = clinic.report(loss, net, test)
    if bed == "healthy":
        flattered = clinic.report(PATIENTS["K"].broken, net, test)
        assert flattered < says - 0.5  # measured without noise
    return curve, says, -terms["elbo"], terms["kl"], clinic.swap(net, test)


def test_the_batches_do_not_depend_on_the_noise_a_loss_draws():
    x = torch.rand(200, *clinic.SHAPE, generator=torch.Generator().manual_seed(0))

    def seen_by(draws):
        seen = []

        def loss(net, x):
            torch.rand(draws)
            seen.append(x)
            return clinic.healthy(net, x)

        clinic.train(loss, x, epochs=2)
        return torch.cat(seen)

    assert torch.equal(seen_by(0), seen_by(1000))


def test_training_is_reproducible_from_the_seed():
    x = torch.rand(200, *clinic.SHAPE, generator=torch.Generator().manual_seed(0))
    first, curve = clinic.train(clinic.healthy, x, epochs=1)
    _, again = clinic.train(clinic.healthy, x, epochs=1)
    _, other = clinic.train(clinic.healthy, x, epochs=1, seed=1)
    assert curve == again != other
    assert clinic.report(clinic.healthy, first, x) == clinic.report(
        clinic.healthy, first, x
    )
    assert first.training
    clinic.report(clinic.healthy, first.eval(), x)
    assert not first.training  # as it was


def test_the_healthy_are_well():
    curve, says, right, kl, swap = admitted("healthy")
    assert curve[0] == pytest.approx(784 * math.log(2), rel=0.03)
    assert abs(says - right) < 1.5 and kl > 5 and swap > 50


def test_collapsed():
    for bed in "AE":
        _, _, right, kl, swap = admitted(bed)
        assert kl < 0.02 and abs(swap) < 0.1
        assert right > admitted("healthy")[2] + 25
    assert admitted("A")[0][0] == pytest.approx(math.log(2), rel=0.1)


def test_running_away():
    for bed in "BD":
        assert min(admitted(bed)[0]) < -1e4


def test_stuck_at_the_coin():
    assert min(admitted("C")[0]) > 500


def test_crippled_or_unweighed():
    assert admitted("F")[1] > admitted("healthy")[1] + 5
    assert admitted("G")[3] > 2.5 * admitted("healthy")[3]


def test_silent():
    healthy = admitted("healthy")
    for bed in "HJ":
        curve, says, right, kl, swap = admitted(bed)
        assert curve[-1] < 0.4 * curve[0] and kl > 5 and swap > 50
        assert abs(says - healthy[1]) < 15
    assert admitted("H")[2] - admitted("H")[1] > 2
    assert admitted("J")[1] - admitted("J")[2] > 0.5
    assert admitted("I")[1] < healthy[1] - 8  # too good
    assert admitted("I")[2] > admitted("I")[1] + 30


def test_a_loss_that_is_not_finite_ends_the_training():
    x = torch.rand(400, *clinic.SHAPE)
    _, curve = clinic.train(lambda net, x: clinic.healthy(net, x) * math.nan, x)
    assert curve == []


def test_pictures_come_in_pairs():
    net = clinic.Net()
    x = torch.rand(3, *clinic.SHAPE)
    shown = clinic.pictures(clinic.healthy, net, x)
    assert shown.shape == (6, *clinic.SHAPE) and 0 <= shown.min() <= shown.max() <= 1


# The chapter.


def test_the_chapter_shows_every_patient_and_cites_where_it_was_met():
    path = Path(__file__).parents[1] / "notebooks" / "12_broken_vaes.ipynb"
    cells = nbformat.read(path, as_version=4).cells
    text = "\n".join(cell.source for cell in cells)
    for one in clinic.PATIENTS:
        assert f'clinic.patient("{one.bed}")' in text
        assert f"### Bed {one.bed}" in text
        for place in one.met:
            where, number = place.rsplit("#", 1) if "#" in place else (place, "")
            if number:
                assert f"github.com/{where}/issues/{number})" in text or (
                    f"github.com/{where}/pull/{number})" in text
                ), place
            else:
                assert where.split(",")[0].removeprefix("document ") in text
