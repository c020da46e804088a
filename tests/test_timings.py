"""The table of what the chapters' cells cost, from the runs that the kernels noted."""

import hashlib
import json
import os

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from vaebook.timings import cell_seconds


def noted(*pairs):
    hashed = [(hashlib.sha256(code.encode()).hexdigest(), s) for code, s in pairs]
    return json.dumps(hashed)


def test_the_newest_run_of_the_same_code_is_told_by_cell(tmp_path):
    cells = [
        new_code_cell("import torch", id="setup"),
        new_markdown_cell("text"),
        new_code_cell("", id="empty"),
        new_code_cell("train()", id="train"),
    ]
    notebook, runs = tmp_path / "a.ipynb", tmp_path / "runs"
    nbformat.write(new_notebook(cells=cells), notebook)
    runs.mkdir()
    assert cell_seconds(notebook, runs) == []
    for age, (name, code, seconds) in enumerate(
        [("1", "train()", 5.0), ("2", "train()", 4.0), ("3", "train(2)", 3.0)]
    ):
        path = runs / f"{name}.json"
        path.write_text(noted(("import torch", 1.0), (code, seconds)))
        os.utime(path, (age, age))
    assert cell_seconds(notebook, runs) == [("setup", 1.0), ("train", 4.0)]
