"""The clinic: each bug shows its symptom, each check names it, each cure is right."""

import math
import pickle
from functools import cache
from pathlib import Path

import nbformat
import pytest
import torch
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import binary_cross_entropy_with_logits

import vaelib
from vaelib import clinic
from vaelib.clinic import answers
from vaelib.exercises.exercise import sentence

PATIENTS = {one.bed: one for one in clinic.PATIENTS}
LOSSES = {bed: one for bed, one in PATIENTS.items() if one.probe is answers.ask}
each = pytest.mark.parametrize("one", PATIENTS.values(), ids=lambda one: one.bed)
each_loss = pytest.mark.parametrize("one", LOSSES.values(), ids=lambda one: one.bed)


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
        (value, slope), (due, due_slope) = both(one.reference, training)
        torch.testing.assert_close(value, due, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(slope, due_slope, rtol=1e-4, atol=1e-5)
    (value, slope), (due, due_slope) = both(one.broken, training=False)
    assert not math.isclose(value, due, rel_tol=1e-5) or (
        slope.shape != due_slope.shape or not torch.allclose(slope, due_slope)
    )


def test_the_mended_bound_is_the_librarys():
    log_w = torch.randn(6, 3)
    due = torch.logsumexp(log_w, 0) - math.log(6)
    torch.testing.assert_close(PATIENTS["L"].reference(log_w), due)
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
    assert not finding.ok and "slope 0 by autograd" in finding.text


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
    unchanged = clinic.check(one.bed, one.broken)
    assert unchanged.outcome == "not attempted" and unchanged.score == 0
    assert "still there" in unchanged.text
    assert clinic.check(one.bed, one.reference).passed
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
    assert len(one.hints) >= 2 and one.hints[0] in one.hint(1)
    assert one.diagnosis.endswith(".") and one.diagnosis[0].isupper()
    assert one.met
    assert one.diagnosis not in " ".join(repr(one).split())  # the chart does not tell
    assert "def " in one._repr_markdown_()
    assert clinic.patient(one.bed) is one
    assert f'clinic.patient("{one.bed}").hint()' in clinic.check(one.bed).more
    with pytest.raises(ValueError, match="hints"):
        one.hint(9)


@each
def test_an_answer_is_asked_in_one_place_and_judged_in_another(one):
    seed = 1
    given = pickle.loads(pickle.dumps(one.draw(seed)))
    probe = pickle.loads(pickle.dumps(one.probe))
    for answer, score in ((one.reference, one.points), (one.broken, 0)):
        out = probe(answer, given)
        assert all(type(tensor) is torch.Tensor for tensor in out.values())
        assert one.judge(out, seed).score == score


@each
def test_a_start_runs_as_it_stands(one):
    namespace = {"torch": torch, "math": math}
    exec(one.start, namespace)
    report = one.check(namespace[one.answer])
    assert report.outcome == "not attempted" and "still there" in report.text


def summed(loss):
    return lambda net, x: len(x) * loss(net, x)


def test_a_check_recognises_the_bug_of_another_bed():
    for answer in (PATIENTS["J"].broken, summed(PATIENTS["J"].broken)):
        report = clinic.check("A", answer)
        assert report.outcome == "not yet" and "bed J" in report.text


def test_a_check_takes_a_sum_over_the_batch_and_other_noise():
    def otherwise(net, x):
        mu, logvar = net.encode(x)
        eps = torch.randn(mu.shape[1], len(mu)).T
        z = mu + torch.exp(0.5 * logvar) * eps
        logits = net.decode(z)
        bce = binary_cross_entropy_with_logits(logits, x, reduction="sum")
        return bce + vaelib.kl_standard_normal(mu, logvar).sum()

    for answer in (otherwise, lambda net, x: otherwise(net, x) / len(x)):
        report = clinic.check("A", answer)
        assert report.passed and "average over the noise" in repr(report)
    report = clinic.check("G", summed(clinic.healthy))
    assert report.passed and "a sum over the batch" in " ".join(repr(report).split())
    assert "a sum over" not in repr(clinic.check("G", clinic.healthy))
    assert clinic.check("G", lambda net, x: -net.vae.elbo(x).value.mean()).passed
    assert not clinic.check("G", lambda net, x: -net.vae.elbo(x).value.max()).passed


def with_distributions(beta, kl):
    """The loss as torch.distributions has it, whose noise is another."""

    def loss(net, x):
        torch.randn(3)
        mu, logvar = net.encode(x)
        q, prior = Normal(mu, torch.exp(0.5 * logvar)), Normal(0.0, 1.0)
        z = q.rsample()
        logits = net.decode(z)
        bce = binary_cross_entropy_with_logits(logits, x, reduction="none")
        return (bce.flatten(1).sum(1) + beta * kl(q, prior, z).sum(1)).mean()

    return loss


def in_closed_form(q, prior, z):
    return kl_divergence(q, prior)


def at_the_draw(q, prior, z):
    return q.log_prob(z) - prior.log_prob(z)


def test_other_noise_is_as_right():
    assert clinic.check("B", with_distributions(1.0, in_closed_form)).passed


@pytest.mark.parametrize("beta", [0.99, 0.999, 1.001, 1.01])
def test_a_weight_near_one_is_seen_beside_the_coin(beta):
    loss = with_distributions(beta, in_closed_form)
    for answer in (loss, summed(loss)):
        assert clinic.check("B", answer).outcome == "not yet"
    assert clinic.examine(loss).failed == ["price"]


def test_a_kl_estimated_at_the_draw_is_right_on_average():
    right = with_distributions(1.0, at_the_draw)
    for answer in (right, summed(right)):
        report = clinic.check("B", answer)
        assert report.passed and "give or take" in repr(report)
    offset = clinic.examine(lambda net, x: right(net, x) + 1)
    assert {"ignorance", "price"} <= set(offset.failed)
    for beta in (-1.0, 0.9, 2.0):
        report = clinic.check("B", with_distributions(beta, at_the_draw))
        assert "FAIL  price" in repr(report)


@pytest.mark.parametrize("loud", [0, 100])
def test_other_noise_does_not_excuse_another_value(loud):
    def higher(net, x):
        more = 2 + loud * torch.randn(())
        return clinic.healthy(net, x) + (0 if isinstance(net, clinic.Phantom) else more)

    report = clinic.check("A", higher)
    failed = [found.text for found in report.findings if not found.ok]
    assert len(failed) == 1 and failed[0].startswith("average over the noise")


@pytest.mark.parametrize(
    "answer, words",
    [
        (3.0, "the function itself"),
        (lambda net, x: 3.0, "one number"),
        (lambda net, x: clinic.healthy(net, x).expand(2), "shape"),
        (lambda net, x: 1 / 0, "ZeroDivisionError"),
        (lambda net, x: clinic.healthy(net, x).detach(), "slope 0 by autograd"),
        (lambda net, x: 2 * -net.vae.elbo(x).value.mean(), "call `encode`"),
        (lambda net, x: -clinic.healthy(net, x), "a loss is minus the bound"),
        (lambda net, x: 2 * clinic.healthy(net, x), "FAIL  ignorance"),
    ],
)
def test_a_wrong_answer_gets_a_sentence(answer, words):
    report = clinic.check("A", answer)
    assert report.outcome == "not yet" and words in repr(report)
    assert max(map(len, repr(report).splitlines())) < 80


def test_an_unknown_bound_is_told_what_is_due():
    assert "should be" in repr(clinic.check("L", lambda log_w: log_w.amax(0)))
    assert "shape (5,)" in repr(clinic.check("L", lambda log_w: log_w.amax(1)))
    assert not clinic.check("L", lambda w: 8 * clinic.importance_weighted(w)).passed


def test_unknown_patients_and_silent_ones_are_refused():
    with pytest.raises(ValueError, match="the beds are A, B"):
        clinic.patient("Z")
    with pytest.raises(ValueError, match="needs a docstring"):
        clinic.Patient(bed="Z", broken=lambda net, x: x, hints=("h",), met=("m",))


def test_a_patient_is_admitted_in_a_few_lines():
    def doubled(net, x):
        """Twice the loss."""
        return 2 * clinic.healthy(net, x)

    new = clinic.Patient(bed="Z", broken=doubled, hints=("h",), met=("m",))
    clinic.PATIENTS.append(new)
    try:
        assert "still there" in clinic.check("Z", doubled).text
        assert clinic.check("Z", clinic.healthy).passed
        report = clinic.check("A", doubled)
        assert report.text == "This is the bug of bed Z. Twice the loss."
    finally:
        clinic.PATIENTS.remove(new)


# Symptoms, at a fraction of the chapter's budget.


LOUD = "ABCDE"  # these need a third of the steps to show what they have
# One process trains, so that the healthy are trained once, and torch.optim loaded once.
in_one_process = pytest.mark.xdist_group("ward")


@cache
def admitted(bed):
    data = vaelib.load("digits")
    loss = clinic.healthy if bed == "healthy" else PATIENTS[bed].broken
    x, test = data.train.x[: 1000 if bed in LOUD else 3000], data.test.x[:200]
    net, curve = clinic.train(loss, x)
    terms = vaelib.evaluate(net.vae, test.repeat(10, 1, 1, 1))  # the mean of ten draws
    says = clinic.report(loss, net, test)
    if bed == "healthy":
        flattered = clinic.report(PATIENTS["K"].broken, net, test)
        assert flattered < says - 0.5  # measured without noise
    return curve, says, -terms["elbo"], terms["kl"], clinic.swap(net, test)


@in_one_process
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


@in_one_process
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


@in_one_process
def test_the_healthy_are_well():
    curve, says, right, kl, swap = admitted("healthy")
    assert curve[0] == pytest.approx(784 * math.log(2), rel=0.03)
    assert abs(says - right) < 1.5 and kl > 5 and swap > 50


@in_one_process
def test_collapsed():
    for bed in "AE":
        _, _, right, kl, swap = admitted(bed)
        assert kl < 0.02 and abs(swap) < 0.1
        assert right > admitted("healthy")[2] + 25
    assert admitted("A")[0][0] == pytest.approx(math.log(2), rel=0.1)


@in_one_process
def test_running_away():
    for bed in "BD":
        assert min(admitted(bed)[0]) < -1e4


@in_one_process
def test_stuck_at_the_coin():
    assert min(admitted("C")[0]) > 500


@in_one_process
def test_crippled_or_unweighed():
    assert admitted("F")[1] > admitted("healthy")[1] + 5
    assert admitted("G")[3] > 2.5 * admitted("healthy")[3]


@in_one_process
def test_silent():
    healthy = admitted("healthy")
    for bed in "HJ":
        curve, says, right, kl, swap = admitted(bed)
        assert curve[-1] < 0.4 * curve[0] and kl > 5 and swap > 50
        assert abs(says - healthy[1]) < 15
    assert admitted("H")[2] - admitted("H")[1] > 1.5
    assert admitted("J")[1] - admitted("J")[2] > 0.5
    assert admitted("I")[1] < healthy[1] - 8  # too good
    assert admitted("I")[2] > admitted("I")[1] + 30


@in_one_process
def test_a_loss_that_is_not_finite_ends_the_training():
    x = torch.rand(400, *clinic.SHAPE)
    _, curve = clinic.train(lambda net, x: clinic.healthy(net, x) * math.nan, x)
    assert curve == []


def test_pictures_come_in_pairs():
    net = clinic.Net()
    x = torch.rand(3, *clinic.SHAPE)
    shown = clinic.pictures(clinic.healthy, net, x)
    assert shown.shape == (6, *clinic.SHAPE) and 0 <= shown.min() <= shown.max() <= 1
    others = clinic.pictures(clinic.healthy, net, 1 - x)
    same = [torch.equal(one, other) for one, other in zip(shown, others, strict=True)]
    assert same == 3 * [False] + 3 * [True]  # samples do not depend on the images


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
