"""What a training needs to go on after its process has ended: one safetensors file."""

import json
import os
import tempfile
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from vaelib.model import VAE
from vaelib.processes import Processes


class Checkpoint:
    """A file with the model's weights, Adam's state and the history's rows.

    settings are those on which the result depends, by the names of fit's arguments.
    Nothing in the file is code, so that reading one cannot run any.
    """

    def __init__(self, path, settings: dict, epochs: int, processes: Processes):
        self.path, self.epochs, self.processes = Path(path), epochs, processes
        self.settings = json.loads(json.dumps(settings))  # as they come back
        if self.path.is_dir() or not self.path.parent.is_dir():
            raise FileNotFoundError(
                f"checkpoint must be a file in a folder that exists, got {path}; "
                "create the folder before training."
            )

    def read(self, vae: VAE, adam: torch.optim.Adam) -> list[dict]:
        """Put vae and adam where they were, and give the rows; none without a file."""
        exists = self.path.exists()
        if self.processes.total([float(exists)])[0] not in (0, self.processes.world):
            raise FileNotFoundError(
                f"Not every process sees the checkpoint {self.path}; name a file on a "
                "disk that all machines share."
            )
        if not exists:
            return []
        try:
            with safetensors.safe_open(self.path, framework="pt") as file:
                found = json.loads((file.metadata() or {})["vaelib-checkpoint"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}
        except (safetensors.SafetensorError, KeyError, ValueError) as error:
            raise ValueError(
                f"{self.path} is no checkpoint of vaelib.fit; name another file, or "
                "delete it to begin anew."
            ) from error
        self._compare(found["settings"], len(found["rows"]))
        model, moments = _split(tensors, "model."), _split(tensors, "adam.")
        shapes = {name: value.shape for name, value in vae.state_dict().items()}
        if {name: value.shape for name, value in model.items()} != shapes:
            raise ValueError(
                f"The weights in {self.path} are those of another model; build the "
                "same one, or delete the file to begin anew."
            )
        vae.load_state_dict(model)
        state = {}
        for name, value in moments.items():
            index, moment = name.split(".")
            state.setdefault(int(index), {})[moment] = value
        groups = adam.state_dict()["param_groups"]
        adam.load_state_dict({"state": state, "param_groups": groups})
        return found["rows"]

    def write(self, vae: VAE, adam: torch.optim.Adam, rows: list[dict]) -> None:
        """In the file's place at once: whoever reads it sees the last one or this."""
        if self.processes.rank == 0:
            self._write(vae, adam, rows)
        self.processes.total([0.0])  # so that nobody reads before it is written

    def _write(self, vae, adam, rows) -> None:
        tensors = {f"model.{name}": value for name, value in vae.state_dict().items()}
        for index, state in adam.state_dict()["state"].items():
            for moment, value in state.items():
                tensors[f"adam.{index}.{moment}"] = value
        tensors = {name: _alone(value) for name, value in tensors.items()}
        found = json.dumps({"settings": self.settings, "rows": rows})
        with tempfile.TemporaryDirectory(dir=self.path.parent, prefix=".") as folder:
            partial = Path(folder) / self.path.name
            safetensors.torch.save_file(tensors, partial, {"vaelib-checkpoint": found})
            os.replace(partial, self.path)

    def _compare(self, before: dict, epochs: int) -> None:
        for name, value in self.settings.items():
            if before.get(name) != value:
                raise ValueError(
                    f"The checkpoint {self.path} is of a training with "
                    f"{name}={before.get(name)}, this one has {name}={value}; train "
                    "with the same, or delete the file to begin anew."
                )
        if epochs > self.epochs:
            raise ValueError(
                f"The checkpoint {self.path} holds {epochs} epochs already, more than "
                f"epochs={self.epochs}; delete the file to begin anew."
            )


def _split(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


def _alone(value: Tensor) -> Tensor:
    """On the CPU, with memory of its own: weights may be shared between layers."""
    return value.detach().cpu().clone(memory_format=torch.contiguous_format)
