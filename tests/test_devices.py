"""Where to compute, and how much."""

from contextlib import contextmanager, nullcontext

import pytest
import torch

import vaelib
from vaelib import devices

CPU = torch.device("cpu")


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


@pytest.fixture
def switch(monkeypatch):
    """oneDNN is faster and exact here; and torch's setting is put back."""
    monkeypatch.setattr(devices, "_medium_pays", lambda: True)
    yield torch.get_float32_matmul_precision
    torch.set_float32_matmul_precision("highest")


def test_products_are_switched_for_a_while(switch):
    with devices.fast_float32(CPU):
        assert switch() == "medium"
    assert switch() == "highest"
    with pytest.raises(KeyboardInterrupt), devices.fast_float32(CPU):
        raise KeyboardInterrupt
    assert switch() == "highest"


def test_products_are_left_to_who_has_chosen(switch, monkeypatch):
    with devices.fast_float32(torch.device("cuda")):
        assert switch() == "highest"
    torch.set_float32_matmul_precision("high")
    with devices.fast_float32(CPU):
        assert switch() == "high"
    torch.set_float32_matmul_precision("highest")
    if hasattr(torch.backends.mkldnn, "matmul"):  # torch's newer switches
        monkeypatch.setattr(torch.backends.mkldnn.matmul, "fp32_precision", "bf16")
        with devices.fast_float32(CPU):
            assert torch.backends.mkldnn.matmul.fp32_precision == "bf16"


def test_training_and_evaluation_leave_the_switch_as_it_was(switch):
    found = []
    vae = vaelib.VAE.mlp((1, 2, 2), hidden=(4,), latent_dim=2)
    vae.decoder.register_forward_pre_hook(lambda *_: found.append(switch()))
    x = torch.rand(4, 1, 2, 2)
    vaelib.fit(vae, x, 1, device="cpu", progress=False)
    vaelib.evaluate(vae, x)
    vaelib.log_likelihood(vae, x, 2, progress=False)
    assert found == ["medium"] * 3
    assert switch() == "highest"


@pytest.mark.parametrize("faster", [True, False])
@pytest.mark.parametrize("rounds", [True, False])
def test_the_switch_must_pay_and_cost_no_digit(rounds, faster, monkeypatch):
    """A processor that does round to bfloat16 is found out."""

    @contextmanager
    def medium():
        with monkeypatch.context() as patch:
            patch.setattr(
                torch.Tensor,
                "__matmul__",
                lambda a, b: torch.mm(a.bfloat16(), b.bfloat16()).float(),
            )
            yield

    monkeypatch.setattr(devices, "_medium", medium if rounds else nullcontext)
    monkeypatch.setattr(devices, "_is_faster", lambda new, old: faster)
    found = devices._medium_pays.__wrapped__()
    assert found is (faster and not rounds)


def test_float32_is_float32_with_this_processor():
    """The real probe, and the products that it lets through."""
    generator = torch.Generator().manual_seed(1)
    a, b = torch.rand(64, 300, generator=generator), torch.rand(300, 80)
    with devices.fast_float32(CPU):
        product = a @ b
    exact = a.double() @ b.double()
    torch.testing.assert_close(product.double(), exact, rtol=3e-6, atol=0)
