"""Grading: `python -m vaelib.grade`.

A submission is untrusted from its first byte to its last. It is opened, parsed and run
inside a sandbox only; what comes out are named tensors and a sentence, and these are
judged outside, against inputs that were drawn from a secret seed.

- `assignment.py`   which exercises, how many points, which limits: a TOML file
- `submissions.py`  find notebooks in the folders and archives of learning platforms
- `sandbox.py`      run `worker.py` where it can reach nothing, and stop it in time
- `worker.py`       inside: one process a question
- `slices.py`       inside: the statements of a notebook that an answer depends on
- `marking.py`      judge what came out; remember it, so that a second run is quick
- `records.py`      grades.csv, feedback, Gradescope's results.json, what people read
"""
