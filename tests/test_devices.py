"""Where to compute, and how much."""

import pytest
import torch

import vaelib


@pytest.fixture(params=["cpu", "cuda", "mps"])
def best(request, monkeypatch):
    """Let this be the best device there is."""
    for kind, module in {"cuda": torch.cuda, "mps": torch.backends.mps}.items():
        monkeypatch.setattr(module, "is_available", lambda k=kind: request.param == k)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: request.param == "cuda")
    monkeypatch.delenv("VAELIB_BUDGET", raising=False)
    return request.param


def test_the_best_device_is_taken(best):
    assert vaelib.device().type == best
    assert vaelib.device("cpu").type == "cpu"
    assert vaelib.device(best).type == best


def test_a_device_that_is_not_there_is_named(best):
    missing = {"cpu", "cuda", "mps"} - {best, "cpu"}
    for name in missing:
        with pytest.raises(ValueError, match=f"'{name}'.*out to use '{best}'"):
            vaelib.device(name)
    if best == "cuda":
        with pytest.raises(ValueError, match="cuda:1.*not available"):
            vaelib.device("cuda:1")
    with pytest.raises(ValueError, match="must be 'cuda', 'mps' or 'cpu', got 'gpu'"):
        vaelib.device("gpu")


def test_budget_goes_by_the_device_unless_told(best, monkeypatch):
    assert vaelib.budget(cpu=4, gpu=20) == (4 if best == "cpu" else 20)
    monkeypatch.setenv("VAELIB_BUDGET", "cpu")
    assert vaelib.budget(cpu=4, gpu=20) == 4
    monkeypatch.setenv("VAELIB_BUDGET", "gpu")
    assert vaelib.budget(cpu=4, gpu=20) == 20
    monkeypatch.setenv("VAELIB_BUDGET", "")
    assert vaelib.budget(cpu=4, gpu=20) == (4 if best == "cpu" else 20)
    monkeypatch.setenv("VAELIB_BUDGET", "large")
    with pytest.raises(ValueError, match="'cpu' or 'gpu', got 'large'; unset it"):
        vaelib.budget(cpu=4, gpu=20)
