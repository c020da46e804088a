"""The clinic of chapter 12: losses with one real bug each, and the tests that find it.

A loss here is a function loss(net, x) -> scalar, as one writes it in a training loop:
net.encode(x) gives mu and logvar, net.decode(z) gives logits. `healthy` is a right one.
A patient is a copy of it with one mistake that was met in published code.

- `net.py`, `ward.py`: the network, the right loss; train with any loss, and look.
- `examinations.py`: five tests of a loss that need no data and no training.
- `beds.py`, `half_cures.py`, `records.py`: the broken losses, the answers to expect,
  and the record of each patient.
- `answers.py`: ask a loss, and judge what it gave.
- `patients.py`: each patient is an exercise of `vaelib.exercises`.

To add a patient: write the broken function, with a docstring that names the mistake,
and append a Patient to PATIENTS. From then on it can be checked, and its bug is
recognised in the answers to all others.
"""

from vaelib.clinic.beds import importance_weighted
from vaelib.clinic.examinations import (
    EXAMINATIONS,
    Examination,
    Phantom,
    copy,
    examine,
    ignorance,
    noise,
    price,
    slope,
)
from vaelib.clinic.net import SHAPE, Net, healthy
from vaelib.clinic.patients import Patient, check, patient
from vaelib.clinic.records import PATIENTS
from vaelib.clinic.ward import admit, pictures, report, swap, train

__all__ = [
    "EXAMINATIONS",
    "PATIENTS",
    "SHAPE",
    "Examination",
    "Net",
    "Patient",
    "Phantom",
    "admit",
    "check",
    "copy",
    "examine",
    "healthy",
    "ignorance",
    "importance_weighted",
    "noise",
    "patient",
    "pictures",
    "price",
    "report",
    "slope",
    "swap",
    "train",
]
