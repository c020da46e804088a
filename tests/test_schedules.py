import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaelib.schedules import constant, cyclical, linear, one_cycle

fractions = st.floats(0, 1, exclude_max=True)


@given(fractions, st.floats(0, 10))
def test_constant(fraction, beta):
    assert constant(beta)(fraction) == beta


def test_linear_rises_then_stays():
    beta = linear(until=0.4, start=0.1, end=2.0)
    assert beta(0.0) == pytest.approx(0.1)
    assert beta(0.2) == pytest.approx(1.05)
    assert beta(0.4) == beta(0.99) == pytest.approx(2.0)


def test_one_cycle_rises_to_its_peak_and_falls():
    lr = one_cycle(peak=0.1, warm=0.25)
    assert lr(0.0) == pytest.approx(0.004)
    assert lr(0.125) == pytest.approx(0.052)  # half way up, between the two ends
    assert lr(0.25) == pytest.approx(0.1)
    assert lr(0.625) == pytest.approx(0.0505)
    assert lr(1.0) == pytest.approx(0.001)
    assert one_cycle(0.1, warm=1.0)(0.999) == pytest.approx(0.1, rel=1e-3)
    for wrong in ({"peak": 0.0}, {"peak": float("nan")}, {"peak": 1.0, "warm": 0.0}):
        with pytest.raises(ValueError, match="peak must be|warm must lie"):
            one_cycle(**wrong)


@given(fractions, st.integers(1, 8), st.floats(0.05, 1))
def test_cyclical_repeats_and_stays_within_its_range(fraction, cycles, ratio):
    beta = cyclical(cycles, ratio, end=3.0)
    assert 0 <= beta(fraction) <= 3.0
    position = fraction * cycles % 1
    assert beta(position / cycles) == pytest.approx(beta(fraction), abs=1e-4)


def test_cyclical_starts_each_cycle_at_zero():
    beta = cyclical(cycles=4, ratio=0.5)
    assert [beta(k / 4) for k in range(4)] == [0, 0, 0, 0]
    assert beta(0.25 + 0.125) == beta(0.25 + 0.2) == 1.0


@pytest.mark.parametrize("build", [lambda: linear(until=0), lambda: cyclical(ratio=2)])
def test_bad_fractions_are_answered_in_a_sentence(build):
    with pytest.raises(ValueError, match=r"must lie in \(0, 1\]"):
        build()


def test_they_are_there_once_vaelib_is_imported():
    code = "import vaelib; vaelib.schedules.linear(until=0.5)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_schedule_is_named_by_its_arguments():
    """By which a checkpoint tells one from another."""
    assert constant(1).__qualname__ != constant(50).__qualname__
    assert linear(0.3).__qualname__ == "linear(until=0.3, start=0, end=1)"
    assert cyclical(end=2).__qualname__ == "cyclical(cycles=4, ratio=0.5, end=2)"
