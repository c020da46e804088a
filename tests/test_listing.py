import pytest

import vaelib


def test_source_is_the_librarys_own():
    shown = vaelib.source(vaelib.kl_standard_normal)
    assert "0.5 * (mu.square() + torch.expm1(logvar) - logvar)" in repr(shown)
    assert shown._repr_markdown_().startswith("```python\ndef kl_standard_normal")


def test_docstrings_can_be_left_out():
    whole = repr(vaelib.source(vaelib.VAE))
    short = repr(vaelib.source(vaelib.VAE, docstring=False))
    assert '"""' in whole and '"""' not in short
    compile(short, "vae", "exec")
    namespace = {}
    code = repr(vaelib.source(vaelib.kl_standard_normal, docstring=False))
    exec("import torch; from torch import Tensor; _same_shape = print", namespace)
    exec(code, namespace)
    zero = vaelib.load("digits8").test.x.new_zeros(2)
    assert namespace["kl_standard_normal"](zero, zero).tolist() == [0, 0]


@pytest.mark.parametrize("thing", [3, len])
def test_what_has_no_source_is_said_in_a_sentence(thing):
    with pytest.raises(TypeError, match="function, class or module written in Python"):
        vaelib.source(thing)
