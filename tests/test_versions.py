"""vaelib.versions() says what a report needs."""

import platform
from importlib import import_module, metadata

import torch

import vaelib

# The function has the module's name, and hides it.
module = import_module("vaelib.versions")


def test_versions_names_what_matters(capsys):
    assert vaelib.versions() is None
    said = capsys.readouterr().out
    for line in (
        f"vaelib {vaelib.__version__}",
        f"python {platform.python_version()}",
        f"torch {metadata.version('torch')}",
        f"anywidget {metadata.version('anywidget')}",
        f"ipykernel {metadata.version('ipykernel')}",
    ):
        assert line in [" ".join(row.split()) for row in said.splitlines()]
    assert "device" in said and platform.system() in said


def test_versions_work_in_a_copy_that_was_never_installed(monkeypatch):
    def absent(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(module, "requirements", lambda: absent("vaelib"))
    monkeypatch.setattr(module, "NOTEBOOK", ("no-such-package",))
    lines = module._found()
    assert lines["torch"] == metadata.version("torch")
    assert "no-such-package" not in lines


def test_versions_name_the_card(monkeypatch):
    monkeypatch.setattr(module, "device", lambda: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda where: "A card")
    assert module._found()["device"].startswith("A card, CUDA")
