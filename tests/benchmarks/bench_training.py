"""What training costs: document 002's loop, a plain loop, vaelib.fit and a peer.

    make bench            or  python -m tests.benchmarks.bench_training --rounds 3

The same model (784-400-20), batch 128 and Adam 1e-3 in each. The loops take turns,
epoch by epoch, in one process, so that whatever else the machine does hits them alike:
read the ratios, not the seconds. Then each trains until it has the test loss that
document 002's loop has after ten epochs; each starts once in a fresh process, for the
time to the first step and the peak memory; and log p(x) is estimated. --write puts the
tables into the book.
"""

import argparse
import datetime
import json
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn, optim
from torch.nn import functional as F
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

import vaelib
from vaelib.data import data_folder

BATCH = 128
EPOCHS = 10  # of document 002
# Multiplications and additions of an epoch: forward, and backward for the weights and
# for all inputs but the images themselves.
WEIGHTS = [784 * 400, 400 * 20, 400 * 20, 20 * 400, 400 * 784]
FLOP = 60_000 * 2 * (3 * sum(WEIGHTS) - WEIGHTS[0])
PAGE = Path(__file__).parents[2] / "book" / "speed.md"
MARKS = ("<!-- written by make bench -->", "<!-- until here -->")


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

    return epoch, lambda x: document_loss(model, x)


@torch.no_grad()
def document_loss(model, x):
    """Of document 002's model, in nats an image."""
    x = x.flatten(1).to(next(model.parameters()).device)
    mu, logvar = model.encode(x)
    logits = model.logits(model.reparameterize(mu, logvar))
    loss = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
    loss = loss + 0.5 * (mu.square() + logvar.exp() - logvar - 1).sum()
    return loss.item() / len(x)


def plain_loop(device):
    """The best short loop by hand: data resident, logits, fused Adam, nothing else."""
    x = mnist().train.x.flatten(1).to(device)
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

    return epoch, lambda x: document_loss(model, x)


def library(device, **options):
    vae, x = vaelib.VAE.mlp((1, 28, 28)), mnist().train.x
    options = options | {"epochs": 1, "device": device, "progress": False}

    def epoch():
        # Adam and schedules start anew each round: the cost is the same, the loss a
        # little higher.
        return -vaelib.fit(vae, x, **options)["elbo"][-1]

    return epoch, lambda x: -vaelib.evaluate(vae, x)["elbo"]


def recipe(device):
    return library(device, **vaelib.FAST)


def pythae(python, images):
    """The peer library, in a process of its own environment that answers each line."""
    script = str(Path(__file__).with_name("peer_pythae.py"))
    process = subprocess.Popen(
        [python, script, images],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )

    def epoch():
        process.stdin.write("epoch\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{python} {script} stopped; run it to see why.")
        return json.loads(answer)["loss"]

    return epoch, None


LOOPS = {
    "document 002": document_002,
    "plain loop": plain_loop,
    "vaelib.fit": library,
    "vaelib.FAST": recipe,
}


def mnist():
    return vaelib.load("mnist", fallback=None)


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


def epochs(loops, rounds):
    """Seconds of each loop's epochs, taken in turn; the first round is a warm-up."""
    seconds = {name: [] for name in loops}
    for round_ in range(rounds + 1):
        for name, (epoch, _) in loops.items():
            start = time.perf_counter()
            loss = epoch()
            taken = time.perf_counter() - start
            if round_:
                seconds[name].append(taken)
            say(f"round {round_}  {name:<13} {taken:6.2f} s  loss {loss:.1f}")
    return seconds


def to_the_loss(device, seeds):
    """Rows (name, epochs, seconds, test loss) of trainings, medians over seeds."""
    runs = {"document 002": [], "vaelib.fit": [], "vaelib.FAST": []}
    test = mnist().test.x
    for seed in range(seeds):
        torch.manual_seed(seed)
        epoch, evaluate = document_002(device)
        start = time.perf_counter()
        for _ in range(EPOCHS):
            epoch()
        taken = time.perf_counter() - start
        runs["document 002"].append((EPOCHS, taken, evaluate(test)))
        for name, options in [("vaelib.fit", {}), ("vaelib.FAST", vaelib.FAST)]:
            torch.manual_seed(seed)
            vae, train = vaelib.VAE.mlp((1, 28, 28)), mnist().train.x
            start = time.perf_counter()
            history = vaelib.fit(
                vae, train, **options, seed=seed, device=device, progress=False
            )
            taken = time.perf_counter() - start
            loss = -vaelib.evaluate(vae, test)["elbo"]
            runs[name].append((len(history), taken, loss))
        for name, rows in runs.items():
            say(
                "seed {}  {:<13} {:2} epochs  {:6.2f} s  {:.2f}".format(
                    seed, name, *rows[-1]
                )
            )
    return [
        (name, *map(statistics.median, zip(*rows, strict=True)))
        for name, rows in runs.items()
    ]


def likelihood_rates(device, images=200, samples=1000):
    """Importance samples a second of vaelib.log_likelihood, for each precision."""
    vae, x = vaelib.VAE.mlp((1, 28, 28)).to(device), mnist().test.x
    rates = {}
    for precision in ("float32", "fastest"):
        for n in (20, images):  # the first is a warm-up
            start = time.perf_counter()
            vaelib.log_likelihood(vae, x[:n], samples, precision, progress=False)
            rates[precision] = n * samples / (time.perf_counter() - start)
        say(f"log-likelihood  {precision:<10} {rates[precision]:,.0f} samples/s")
    return rates


def start(name, device):
    """In a fresh process: seconds to the first step, data included, and peak MB."""
    seen = []
    register_optimizer_step_post_hook(lambda *_: seen.append(time.perf_counter()))
    begin = time.perf_counter()
    epoch, _ = LOOPS[name](vaelib.device(device))
    epoch()
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"first step": seen[0] - begin, "peak": megabytes}))


def starts(device):
    found = {}
    for name in LOOPS:
        command = [sys.executable, "-m", "tests.benchmarks.bench_training"]
        command += ["--start", name, "--device", str(device)]
        output = subprocess.run(command, check=True, capture_output=True, text=True)
        found[name] = json.loads(output.stdout)
    return found


def say(line):
    print(line, file=sys.stderr, flush=True)


def table(head, rows):
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def report(seconds, rate, trainings, likelihoods, started, device):
    """The page's tables, as Markdown."""
    median = {name: statistics.median(taken) for name, taken in seconds.items()}
    floor = FLOP / rate
    rows = []
    for name, taken in seconds.items():
        begun = started.get(name)
        rows.append(
            [
                name,
                f"{median[name]:.2f} ({min(taken):.2f}–{max(taken):.2f})",
                f"{60_000 / median[name]:,.0f}",
                f"{median['document 002'] / median[name]:.1f}",
                f"{floor / median[name]:.0%}",
                f"{begun['first step']:.1f} s" if begun else "",
                f"{begun['peak']:,.0f} MB" if begun else "",
            ]
        )
    head = ["loop", "seconds an epoch", "images/s", "times faster", "of the floor"]
    first = table([*head, "first step", "peak memory"], rows)
    reference = trainings[0][2]
    second = table(
        ["training", "epochs", "seconds", "test loss, nats", "times faster"],
        [
            [name, int(n), f"{taken:.1f}", f"{loss:.2f}", f"{reference / taken:.1f}"]
            for name, n, taken, loss in trainings
        ],
    )
    whole = 10_000 * 5000  # images, and samples of each: the test set, as papers do it
    third = table(
        ["log p(x), precision", "samples/s", "10,000 images, 5,000 samples each"],
        [
            [name, f"{speed:,.0f}", f"{whole / speed / 60:.1f} min"]
            for name, speed in likelihoods.items()
        ],
    )
    machine = (
        f"{datetime.date.today():%d %B %Y}, {platform.machine()}, {device}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}, Python "
        f"{platform.python_version()}. Matrix products alone: {FLOP / 1e9:.0f} GFLOP "
        f"an epoch, {floor:.2f} s at the {rate / 1e9:.0f} GFLOP/s measured in the run."
    )
    return "\n\n".join([machine, first, second, third])


def write(text):
    """Between the marks of the book's page."""
    page = PAGE.read_text()
    before, rest = page.split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    PAGE.write_text(f"{before}{MARKS[0]}\n\n{text}\n\n{MARKS[1]}{after}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="epochs of each loop")
    parser.add_argument("--seeds", type=int, default=3, help="whole trainings of each")
    parser.add_argument("--device", default=None)
    parser.add_argument("--pythae", help="a Python in whose environment pythae is")
    parser.add_argument("--write", action="store_true", help="into the book")
    parser.add_argument("--start", choices=LOOPS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.start:
        return start(arguments.start, arguments.device)
    device = vaelib.device(arguments.device)
    # First: a process begins with the peak memory of the one that starts it.
    started = starts(device)
    torch.manual_seed(0)
    loops = {name: make(device) for name, make in LOOPS.items()}
    with tempfile.TemporaryDirectory() as folder:
        if arguments.pythae:
            images = f"{folder}/images.npy"
            np.save(images, mnist().train.x.numpy())
            loops["pythae"] = pythae(arguments.pythae, images)
        seconds = epochs(loops, arguments.rounds)
    text = report(
        seconds,
        matmul_rate(device),
        to_the_loss(device, arguments.seeds),
        likelihood_rates(device),
        started,
        device,
    )
    print(text)
    if arguments.write:
        write(text)


if __name__ == "__main__":
    main()
