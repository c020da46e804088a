"""Grade submissions from the command line.

    python -m vaelib.grade submissions/ --assignment week3.toml

Notebooks may lie in folders or archives, as Moodle or Canvas give them out. Each is run
in a sandbox (bubblewrap), and judged outside of it on inputs from a secret seed. The
grades, and a page of feedback for each student, go to graded/. Ctrl-C stops; the same
command goes on from there, and does again only what has changed.
"""

import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tqdm import tqdm

from vaelib.grading import assignment as assignments
from vaelib.grading import records, sandbox
from vaelib.grading.marking import mark
from vaelib.grading.submissions import find

INTERRUPTED = 130  # the exit status of a program that Ctrl-C has ended


def main(arguments: list[str] | None = None) -> int:
    options = read_options(arguments)
    try:
        return grade(options)
    except (ValueError, TypeError, OSError) as error:
        print(f"vaelib.grade: {error}", file=sys.stderr)
        return 1


def grade(options) -> int:
    asked = assignments.read(options.assignment)
    submissions = find(options.submissions)
    if not submissions:
        raise ValueError("there are no submissions in what you named.")
    missing = sandbox.available()
    if missing and not options.unsafe:
        raise ValueError(
            f"{missing} Without a sandbox a submission can read and delete your "
            "files; --unsafe runs them so all the same."
        )
    secret = assignments.secret(options.assignment)
    options.out.mkdir(parents=True, exist_ok=True)
    memory = options.out / ".remembered"
    done, stopped = {}, False
    sandbox.STOPPED.clear()
    pool = ThreadPoolExecutor(options.jobs)
    try:
        waiting = {
            pool.submit(mark, one, asked, secret, memory, options.unsafe): one
            for one in submissions
        }
        with tqdm(total=len(waiting), unit=" students", disable=None) as bar:
            for finished in as_completed(waiting):
                done[waiting[finished].student] = finished.result()
                bar.update()
    except KeyboardInterrupt:
        stopped = True
        pool.shutdown(wait=False, cancel_futures=True)
        sandbox.stop_all()
    pool.shutdown(cancel_futures=True)
    marked = [done[one.student] for one in submissions if one.student in done]
    share_notes(marked)
    records.keep(options.out, asked, marked)
    if stopped:
        print(
            f"Stopped after {len(marked)} of {len(submissions)}: the same command "
            "goes on from here.",
            file=sys.stderr,
        )
        return INTERRUPTED
    print(f"{len(marked)} submissions, {asked.title}: {options.out / 'grades.csv'}")
    return 0


def share_notes(marked) -> None:
    """Say where two students answer the variant of one."""
    first = {}
    for one in marked:
        for seed in sorted(set(one.seeds)):
            other = first.setdefault(seed, one.student)
            if other != one.student:
                one.notes.append(f"The same variant as {other}.")


def read_options(arguments):
    parser = argparse.ArgumentParser(prog="python -m vaelib.grade", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("submissions", nargs="+", type=Path)
    parser.add_argument("--assignment", type=Path, required=True, help="a TOML file")
    parser.add_argument("--out", type=Path, default=Path("graded"))
    parser.add_argument(
        "--jobs", type=positive, default=os.cpu_count(), help="sandboxes at a time"
    )
    parser.add_argument(
        "--unsafe", action="store_true", help="run submissions without a sandbox"
    )
    return parser.parse_args(arguments)


def positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a number of at least 1, got {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
