"""Train the clinic's network with any loss(net, x), and look at what it became."""

import os
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from tqdm.auto import tqdm

from vaelib import _checks as checks
from vaelib._state import mode, seeded
from vaelib.clinic.net import Net
from vaelib.devices import device as find_device


def train(loss, x: Tensor, epochs=4, batch_size=100, lr=3e-3, seed=0):
    """Train a new Net on images x with this loss. Returns the net, and loss by step.

    Every call with one seed starts from the same weights and sees the same batches.
    Stops early when the loss is no longer finite.
    """
    checks.count("epochs", epochs)
    device = find_device()
    curve = []
    with seeded(seed):
        net = Net(x.shape[1:]).to(device)
        x = x.to(device)
        adam = torch.optim.Adam(net.parameters(), lr=lr, fused=True)
        order = torch.Generator().manual_seed(seed)  # whatever noise the loss draws
        for _ in range(epochs):
            for batch in torch.randperm(len(x), generator=order).split(batch_size):
                value = loss(net, x[batch.to(device)])
                if not value.isfinite():
                    return net, curve
                adam.zero_grad()
                value.backward()
                adam.step()
                curve.append(value.item())
    return net, curve


def admit(losses: dict[str, Callable], x: Tensor, progress=True, **options) -> dict:
    """Train a Net with each loss: name -> (net, loss by step). Options as in train."""
    hidden = not progress or os.environ.get("TQDM_DISABLE", "0") not in ("", "0")
    with tqdm(losses.items(), unit="patient", disable=hidden) as bar:
        return {name: train(loss, x, **options) for name, loss in bar}


@torch.no_grad()
def report(loss, net, x: Tensor, batch_size=100, seed=0) -> float:
    """What this loss says of images x in evaluation mode, mean over the batches."""
    x = x.to(net.vae.device)
    with seeded(seed), mode(net, training=False):
        values = [loss(net, batch) for batch in x.split(batch_size)]
    return torch.stack(values).mean().item()


@torch.no_grad()
def pictures(loss, net, x: Tensor, seed=0) -> Tensor:
    """What a plot of the decoder's output shows: reconstructions, then samples.

    The reconstructions decode the very z that the loss draws for images x.
    """
    seen = []
    with seeded(seed):
        loss(_Recorder(net, seen), x.to(net.vae.device))
        z = torch.randn(len(x), seen[0].shape[1]).to(net.vae.device)
        return torch.sigmoid(net.decode(torch.cat([seen[0], z]))).cpu()


class _Recorder:
    """A net that writes down the codes it is asked to decode."""

    training = True

    def __init__(self, net, seen: list):
        self.encode, self.seen, self.net = net.encode, seen, net

    def decode(self, z):
        self.seen.append(z)
        return self.net.decode(z)


@torch.no_grad()
def swap(net, x: Tensor) -> float:
    """Nats an image lost when each image is decoded from its neighbour's code.

    Near zero, the decoder does not listen to the code.
    """
    x = x.to(net.vae.device)
    mu, _ = net.encode(x)
    own, other = (
        binary_cross_entropy_with_logits(net.decode(z), x, reduction="sum")
        for z in (mu, mu.roll(1, 0))
    )
    return (other - own).item() / len(x)
