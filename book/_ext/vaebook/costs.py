"""The line under a chapter's title: what the page cost to run, and on what.

Everything in it comes from the run that built the page.
"""

import os
from pathlib import Path

from docutils import nodes
from sphinx.transforms import SphinxTransform

from vaebook.execution import has_budget, loads_mnist


def sentence(
    seconds: float,
    device: str,
    cores: int,
    data: str | None,
    memory: dict | None = None,
) -> str:
    """ "This page ran in 41 s on 2 CPU cores, in 0.7 GB of memory, with MNIST." """
    where = f"{cores} CPU core{'s' if cores > 1 else ''}" if device == "cpu" else device
    where = {"mps": "an Apple GPU"}.get(where, where)
    text = f"This page ran in {duration(seconds)} on {where}"
    on_card = device not in ("cpu", "mps")
    used = (memory or {}).get("card" if on_card else "held")
    if used:
        text += f", in {used / 1e9:.1f} GB of {'its ' if on_card else ''}memory,"
    if data == "mnist":
        text += " with MNIST (a download of 12 MB, once)"
    return text.rstrip(",") + "."


def budgeted(budget: str | None) -> str | None:
    """Which of a chapter's two speeds the page shows."""
    return {
        "cpu": "Its trainings are those for a CPU; on a GPU some are longer.",
        "gpu": "Its trainings are those for a GPU; on a CPU some are shorter.",
    }.get(budget)


def fallback(data: str | None) -> str | None:
    """What a reader must know when the page was built on other images."""
    if data in (None, "mnist"):
        return None
    return (
        f"MNIST could not be had, so it shows the built-in {data} instead: its numbers "
        "and images differ from those of a run on MNIST."
    )


def duration(seconds: float) -> str:
    if seconds < 1:
        return "under a second"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes"


def cores() -> int:
    """The CPU cores that a kernel of this build may use."""
    if os.environ.get("OMP_NUM_THREADS", "").isdigit():
        return int(os.environ["OMP_NUM_THREADS"])
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class CostLine(SphinxTransform):
    default_priority = 600

    def apply(self, **kwargs):
        ran = getattr(self.env, "nb_metadata", {}).get(self.env.docname, {})
        seconds = (ran.get("exec_data") or {}).get("runtime")
        title = next(iter(self.document.findall(nodes.title)), None)
        if seconds is None or title is None:
            return
        facts = self.config.vaebook_facts
        path = Path(self.env.doc2path(self.env.docname))
        data = facts.get("data") if loads_mnist(path) else None
        # Imported here: the table is made of what this module offers.
        from vaebook.timings import peak_memory

        folder = Path(self.config.nb_execution_cache_path) / "seconds"
        memory = peak_memory(path, folder)
        text = sentence(seconds, facts.get("device") or "cpu", cores(), data, memory)
        pace = budgeted(facts.get("budget")) if has_budget(path) else None
        text = " ".join(filter(None, [text, pace]))
        line = nodes.paragraph("", text, classes=["vb-cost"])
        if fallback(data):
            line += nodes.Text(" ")
            line += nodes.strong("", fallback(data))
        title.parent.insert(title.parent.index(title) + 1, line)


def setup(app):
    app.add_transform(CostLine)
