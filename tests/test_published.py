"""Published figures, on MNIST itself: slow (half a minute) and worth it."""

import pytest
import torch

import vaelib
from vaelib.data import data_folder


def has_mnist():
    return (data_folder() / "MNIST" / "raw").is_dir()


@pytest.mark.skipif(not has_mnist(), reason="MNIST is not on this machine: VAELIB_DATA")
def test_document_002s_model_reaches_the_published_losses():
    # Four public logs and our own runs: first epoch 126.8 to 127.5, tenth 105.3 to
    # 105.8 nats per test image.
    data = vaelib.load("mnist", fallback=None)
    torch.manual_seed(0)
    vae = vaelib.VAE.mlp(data.shape)
    history = vaelib.fit(vae, data, epochs=10, progress=False)
    assert -history["test_elbo"][0] == pytest.approx(127.1, abs=1.2)
    assert -history["test_elbo"][-1] == pytest.approx(105.55, abs=0.75)
    assert -history["elbo"][-1] == pytest.approx(106.15, abs=0.75)
