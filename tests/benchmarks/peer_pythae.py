"""Document 002's model in pythae, for bench_training: an epoch for each line it reads.

Runs in an environment of its own: pip install pythae torch.
"""

import contextlib
import io
import json
import logging
import sys
import tempfile

import numpy as np
import torch
from pythae.data.datasets import BaseDataset
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from torch import nn

logging.disable(logging.CRITICAL)


class Encoder(BaseEncoder):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(784, 400)
        self.mu, self.logvar = nn.Linear(400, 20), nn.Linear(400, 20)

    def forward(self, x):
        h = torch.relu(self.hidden(x.flatten(1)))
        return ModelOutput(embedding=self.mu(h), log_covariance=self.logvar(h))


class Decoder(BaseDecoder):
    def __init__(self):
        super().__init__()
        self.hidden, self.out = nn.Linear(20, 400), nn.Linear(400, 784)

    def forward(self, z):
        pixels = torch.sigmoid(self.out(torch.relu(self.hidden(z))))
        return ModelOutput(reconstruction=pixels.reshape(-1, 1, 28, 28))


def main():
    x = torch.from_numpy(np.load(sys.argv[1]))
    config = VAEConfig((1, 28, 28), latent_dim=20, reconstruction_loss="bce")
    model = VAE(config, encoder=Encoder(), decoder=Decoder())
    for _ in sys.stdin:
        with tempfile.TemporaryDirectory() as folder:
            settings = BaseTrainerConfig(
                output_dir=folder,
                num_epochs=1,
                learning_rate=1e-3,
                per_device_train_batch_size=128,
                optimizer_cls="Adam",
            )
            with contextlib.redirect_stdout(io.StringIO()):
                trainer = BaseTrainer(
                    model=model,
                    train_dataset=BaseDataset(x, torch.zeros(len(x))),
                    training_config=settings,
                )
                trainer.train()
        with torch.no_grad():
            loss = model({"data": x[:5000]}).loss
        print(json.dumps({"loss": loss.item()}), flush=True)


if __name__ == "__main__":
    main()
