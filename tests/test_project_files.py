"""The files by which others find, run, cite and report on the book."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import vaelib
from vaebook import repository

ROOT = Path(__file__).resolve().parents[1]
SCHEMAS = {
    ".github/workflows/pages.yml": "vendor.github-workflows",
    ".github/workflows/weekly.yml": "vendor.github-workflows",
    ".github/ISSUE_TEMPLATE/chapter.yml": "vendor.github-issue-forms",
    ".github/ISSUE_TEMPLATE/config.yml": "vendor.github-issue-config",
    "CITATION.cff": "vendor.citation-file-format",
}


def load(name: str):
    return yaml.safe_load((ROOT / name).read_text("utf-8"))


@pytest.mark.parametrize("name", SCHEMAS)
def test_file_is_as_its_readers_expect(name):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema"]
    done = subprocess.run(
        [*command, SCHEMAS[name], name], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_such_file_is_looked_at():
    there = {p.relative_to(ROOT).as_posix() for p in ROOT.glob(".github/**/*.yml")}
    assert there == {name for name in SCHEMAS if name.startswith(".github")}


def test_citation_and_changes_are_of_this_version():
    assert str(load("CITATION.cff")["version"]) == vaelib.__version__
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert f"## {vaelib.__version__}" in changes


def test_targets_that_workflows_and_pages_name_exist():
    """make TARGET, wherever it is written."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.M))
    places = [*ROOT.glob(".github/**/*.yml"), *ROOT.glob(".devcontainer/*.json")]
    places += [ROOT / name for name in ("README.md", "CONTRIBUTING.md", ".ci/run")]
    places += [ROOT / "book" / "running.md"]
    for place in places:
        text = place.read_text("utf-8")
        named = set(
            re.findall(r"^ *(?:- run: )?make ([a-z-]+)|[`\"]make ([a-z-]+)", text, re.M)
        )
        named = {a or b for a, b in named}
        assert named <= targets, (place.name, named - targets)


def test_issue_button_fills_in_the_form():
    form = ROOT / ".github" / "ISSUE_TEMPLATE" / repository.FORM
    fields = {part["id"]: part for part in load(form)["body"]}
    assert repository.FIELD in fields
    assert "vaelib.versions()" in fields["versions"]["attributes"]["description"]


def test_binder_and_codespace_install_what_the_chapters_need():
    asked = (ROOT / ".binder" / "requirements.txt").read_text("utf-8").splitlines()
    assert "." in asked  # the library itself, and with it what it needs
    everything = (ROOT / "requirements.txt").read_text("utf-8")
    for line in asked:
        if re.match(r"[a-z]", line):
            assert line in everything, f"{line} is not what requirements.txt asks for"
    minor = re.fullmatch(
        r"python-3\.(\d+)", (ROOT / ".binder/runtime.txt").read_text().strip()
    )
    assert 11 <= int(minor[1]) <= 13
    container = json.loads(
        (ROOT / ".devcontainer/devcontainer.json").read_text("utf-8")
    )
    assert container["postCreateCommand"] == "make environment"
