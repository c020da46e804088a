"""The appendix on documents 000 to 004: its cross-references, and its formulas."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
import torch
from torch.distributions import Normal, kl_divergence

import vaelib

ROOT = Path(__file__).parents[1]
ERRATA = (ROOT / "book" / "errata.md").read_text(encoding="utf-8")
CONCORDANCE = (ROOT / "book" / "concordance.md").read_text(encoding="utf-8")
DOCUMENTS = ("000", "001", "002", "003", "004")

VERDICTS = {"wrong", "missing condition", "imprecise", "typo", "notation"}
# How a row of the concordance says that an erratum applies.
APPLIES = {"wrong", "holds with a condition", "imprecise", "misprint"}
APPLIES |= {"holds, in other letters"}

HEADING = re.compile(
    r"^\((erratum-[\w-]+)\)=\n### (\d+)\. (.+)\n\n\*\*([\w ]+)\.\*\* ", re.M
)
REFERENCE = re.compile(r"\{ref\}`(?:erratum )?(\d+) <(erratum-[\w-]+)>`")


def errata():
    """anchor -> (number, verdict, text of the section)"""
    heads = list(HEADING.finditer(ERRATA))
    ends = [head.start() for head in heads[1:]] + [len(ERRATA)]
    return {
        head[1]: (int(head[2]), head[4].lower(), ERRATA[head.end() : end])
        for head, end in zip(heads, ends, strict=True)
    }


def rows():
    """(document, place, what it says, verdict) for each row of the concordance."""
    found = []
    for part in re.split(r"^\(concordance-(?=\d{3}\))", CONCORDANCE, flags=re.M)[1:]:
        table = re.search(r"```\{list-table\}\n(.*?)\n```", part, re.S)[1]
        for row in re.split(r"^\* - ", table, flags=re.M)[2:]:  # 1 is the header
            place, says, verdict = re.split(r"\n  - ", row)
            found.append((part[:3], place, says, verdict))
    return found


def pages():
    for path in sorted((ROOT / "book").glob("*.md")):
        yield path.name, path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        yield path.name, "\n".join("".join(cell["source"]) for cell in cells)


def test_errata_are_numbered_in_order_and_judged():
    found = errata()
    assert len(found) == ERRATA.count("\n(erratum-") == ERRATA.count("\n### ")
    assert [number for number, _, _ in found.values()] == [*range(1, len(found) + 1)]
    assert {verdict for _, verdict, _ in found.values()} <= VERDICTS


def test_the_index_agrees_with_the_sections():
    index = re.findall(
        r"^\| \{ref\}`(\d+) <([\w-]+)>` \| ([\w ]+) \| .+ \| .+ \|$", ERRATA, re.M
    )
    sections = [
        (str(n), anchor, verdict) for anchor, (n, verdict, _) in errata().items()
    ]
    assert [(number, anchor, verdict) for number, anchor, verdict in index] == sections


def test_every_erratum_runs_a_counter_example_with_a_number_one_can_see():
    for anchor, (_, verdict, text) in errata().items():
        if anchor == "erratum-slips":  # misprints, with nothing to compute
            assert verdict == "typo" and "```" not in text
            continue
        code = "\n".join(
            re.findall(r"```\{code-cell\} ipython3\n(.*?)\n```", text, re.S)
        )
        assert re.search(r"^ *assert |assert_close\(", code, re.M), anchor
        assert "print(" in code, anchor


def test_every_document_is_in_the_concordance():
    count = Counter(document for document, *_ in rows())
    assert set(count) == set(DOCUMENTS)
    assert sum(count.values()) == int(
        re.search(r"order: (\d+) entries", CONCORDANCE)[1]
    )
    assert min(count.values()) >= 15
    assert len(rows()) == len({row[:3] for row in rows()}), "a row stands twice"


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row[0]} {row[1]}")
def test_a_row_that_does_not_simply_hold_points_to_its_erratum(row):
    verdict, _, chapter = row[3].rpartition("\n\n")
    known = errata()
    references = REFERENCE.findall(verdict)
    assert all(known[anchor][0] == int(number) for number, anchor in references)
    judgements = re.findall(r"\*\*([^*]+)\*\*", verdict)
    if judgements:
        assert set(judgements) <= APPLIES
        assert len(references) >= len(judgements)
    else:
        assert verdict.startswith("holds")
    assert re.match(r" *Chapters? ", chapter)


def test_every_erratum_is_referred_to_by_a_row():
    used = {anchor for row in rows() for _, anchor in REFERENCE.findall(row[3])}
    assert used == set(errata())


def test_references_to_errata_anywhere_in_the_book_carry_the_right_number():
    known = {anchor: number for anchor, (number, _, _) in errata().items()}
    for name, text in pages():
        for number, anchor in REFERENCE.findall(text):
            assert known.get(anchor) == int(number), f"{name}: {number} <{anchor}>"


def test_chapters_are_linked_once_they_exist():
    for number, target in re.findall(r"\[(\d+)\]\(\.\./(notebooks/\S+)\)", CONCORDANCE):
        assert Path(target).name.startswith(f"{int(number):02d}_")
    for number in set(re.findall(r"(\d+) \(planned\)", CONCORDANCE)):
        there = list((ROOT / "notebooks").glob(f"{int(number):02d}_*.ipynb"))
        assert not there, (
            f"book/concordance.md calls chapter {number} planned, but "
            f"{there[0].name} exists: turn the mention into a link."
        )


# The one-line divergences of the documents, as printed, against the library.

MU, LOGVAR = torch.randn(2, 64, 5, generator=torch.Generator().manual_seed(0)).double()
KL = vaelib.kl_standard_normal(MU, LOGVAR)


def test_the_documents_code_is_the_divergence():
    mu, logvar, log_var = MU, LOGVAR, LOGVAR
    by_000 = 0.5 * torch.sum(mu.pow(2) + logvar.exp() - logvar - 1)
    by_001_and_002 = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    by_003 = 0.5 * torch.sum(mu**2 + torch.exp(log_var) - log_var - 1, dim=1).mean()
    torch.testing.assert_close(by_000, KL.sum())
    torch.testing.assert_close(by_001_and_002, KL.sum())
    torch.testing.assert_close(by_003, KL.sum(1).mean())
    q, p = Normal(MU, (LOGVAR / 2).exp()), Normal(torch.zeros_like(MU), 1.0)
    torch.testing.assert_close(KL, kl_divergence(q, p))


def test_the_formula_that_002_prints_is_minus_the_divergence():
    printed = 0.5 * (1 + LOGVAR - LOGVAR.exp() - MU**2)
    torch.testing.assert_close(printed, -KL)
    assert (printed < 0).all()
