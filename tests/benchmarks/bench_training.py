"""What an epoch costs: document 002's loop, a plain loop, and vaelib.fit.

    make bench                 or  python tests/benchmarks/bench_training.py --rounds 3

The same model (784-400-20), batch 128, Adam 1e-3 in each; the three take turns, epoch
by epoch, in one process, so that whatever else the machine does hits them alike. Read
the ratio, not the seconds.
"""

import argparse
import platform
import statistics
import time

import torch
from torch import nn, optim
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

import vaelib
from vaelib.data import data_folder

BATCH = 128
# Multiplications and additions of an epoch: forward, and backward for the weights and
# for all inputs but the images themselves.
WEIGHTS = [784 * 400, 400 * 20, 400 * 20, 20 * 400, 400 * 784]
FLOP = 60_000 * 2 * (3 * sum(WEIGHTS) - WEIGHTS[0])


class Document002(nn.Module):
    """The model as document 002 prints it."""

    def __init__(self, input_dim=784, hidden_dim=400, latent_dim=20):
        super().__init__()
        self.fc1 = nn.Linear(input_dim, hidden_dim)
        self.fc_mu = nn.Linear(hidden_dim, latent_dim)
        self.fc_logvar = nn.Linear(hidden_dim, latent_dim)
        self.fc2 = nn.Linear(latent_dim, hidden_dim)
        self.fc3 = nn.Linear(hidden_dim, input_dim)

    def encode(self, x):
        h = F.relu(self.fc1(x))
        return self.fc_mu(h), self.fc_logvar(h)

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        return mu + torch.randn_like(std) * std

    def logits(self, z):
        return self.fc3(F.relu(self.fc2(z)))

    def forward(self, x):
        mu, logvar = self.encode(x.view(-1, 784))
        z = self.reparameterize(mu, logvar)
        return torch.sigmoid(self.logits(z)), mu, logvar


def document_002(device):
    """Its loop: DataLoader, ToTensor, and .item() after each batch."""
    root = data_folder()
    pictures = datasets.MNIST(root, train=True, transform=transforms.ToTensor())
    loader = DataLoader(dataset=pictures, batch_size=BATCH, shuffle=True)
    model = Document002().to(device)
    optimizer = optim.Adam(model.parameters(), lr=1e-3)

    def epoch():
        model.train()
        train_loss = 0
        for data, _ in loader:
            data = data.to(device)
            optimizer.zero_grad()
            recon, mu, logvar = model(data)
            bce = F.binary_cross_entropy(recon, data.view(-1, 784), reduction="sum")
            kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
            loss = bce + kld
            loss.backward()
            train_loss += loss.item()
            optimizer.step()
        return train_loss / len(pictures)

    return epoch


def plain_loop(x, device):
    """The best short loop by hand: data resident, logits, fused Adam, nothing else."""
    x = x.flatten(1).to(device)
    model = Document002().to(device)
    optimizer = optim.Adam(model.parameters(), lr=1e-3, fused=True)

    def epoch():
        total = torch.zeros((), device=device)
        for batch in torch.randperm(len(x), device=device).split(BATCH):
            image = x[batch]
            mu, logvar = model.encode(image)
            logits = model.logits(model.reparameterize(mu, logvar))
            loss = F.binary_cross_entropy_with_logits(logits, image, reduction="sum")
            loss = loss + 0.5 * (mu.square() + logvar.exp() - logvar - 1).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach()
        return total.item() / len(x)

    return epoch


def library(x, device):
    vae = vaelib.VAE.mlp((1, 28, 28))

    def epoch():
        # Adam starts anew each round: the cost is the same, the loss a little higher.
        history = vaelib.fit(vae, x, epochs=1, device=device, progress=False)
        return -history["elbo"][-1]

    return epoch


def matmul_rate(device, repeats=500):
    """FLOP a second of the largest matrix product of a step."""
    a, b = torch.randn(BATCH, 784, device=device), torch.randn(784, 400, device=device)
    for timed in (False, True):
        start = time.perf_counter()
        for _ in range(repeats):
            product = a @ b
        product.sum().item()  # waits for a GPU
        if timed:
            return 2 * a.numel() * 400 * repeats / (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="epochs of each loop")
    parser.add_argument("--device", default=None)
    arguments = parser.parse_args()
    device = vaelib.device(arguments.device)
    x = vaelib.load("mnist", fallback=None).train.x
    torch.manual_seed(0)
    loops = {
        "document 002": document_002(device),
        "plain loop": plain_loop(x, device),
        "vaelib.fit": library(x, device),
    }
    seconds = {name: [] for name in loops}
    for round_ in range(arguments.rounds + 1):  # the first is a warm-up
        for name, epoch in loops.items():
            start = time.perf_counter()
            loss = epoch()
            taken = time.perf_counter() - start
            if round_:
                seconds[name].append(taken)
            print(f"round {round_}  {name:<13} {taken:6.2f} s  loss {loss:.1f}")
    reference = statistics.median(seconds["document 002"])
    print(
        f"\n{platform.machine()}, {torch.get_num_threads()} threads, {device}, "
        f"torch {torch.__version__}, Python {platform.python_version()}"
    )
    rate = matmul_rate(device)
    print(
        f"matrix products alone: {FLOP / 1e9:.0f} GFLOP an epoch, {FLOP / rate:.2f} s "
        f"at the {rate / 1e9:.0f} GFLOP/s measured here"
    )
    print(f"{'':<14}{'s/epoch':>8}{'spread':>16}{'images/s':>10}{'ratio':>7}")
    for name, taken in seconds.items():
        median = statistics.median(taken)
        print(
            f"{name:<14}{median:>8.2f}{min(taken):>8.2f} to {max(taken):<4.2f}"
            f"{len(x) / median:>10,.0f}{reference / median:>7.1f}"
        )


if __name__ == "__main__":
    main()
