"""Grade submissions from the command line.

    python -m vaelib.grade submissions.zip --assignment week3.toml

Notebooks may lie in folders or archives, as Moodle or Canvas give them out. Each is run
in a sandbox (bubblewrap), and judged outside of it on inputs from a secret seed. The
grades, and a page of feedback for each student, go to graded/week3/. Ctrl-C stops; the
same command goes on from there, and does again only what has changed.
"""

import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tqdm import tqdm

from vaelib.grading import assignment as assignments
from vaelib.grading import records, sandbox
from vaelib.grading.marking import Marked, failed, mark, remembered
from vaelib.grading.submissions import find

INTERRUPTED = 130  # the exit status of a program that Ctrl-C has ended


def main(arguments: list[str] | None = None) -> int:
    options = read_options(arguments)
    try:
        return grade(options)
    except (ValueError, TypeError, OSError) as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:  # before the first sandbox; or a second Ctrl-C
        sandbox.stop_all()
        say("stopped: the same command goes on from here.")
        return INTERRUPTED


def grade(options) -> int:
    """Do what the command line asks for; the exit status."""
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
    out = options.out or Path("graded") / options.assignment.stem
    secret = assignments.secret(options.assignment)
    out.mkdir(parents=True, exist_ok=True)
    records.readings(out / records.READ)  # what is wrong in it is said now, not later
    given = asked, secret, out / ".remembered"
    errors, stopped = mark_all(submissions, options.jobs, *given, options.unsafe)
    known = [
        failed(one, asked, errors[n]) if n in errors else remembered(one, *given)
        for n, one in enumerate(submissions)
    ]
    marked = [one for one in known if one is not None]
    share_notes(marked)
    gone = records.keep(out, asked, marked)
    if gone:
        say(f"{out / 'feedback'} has pages of others, from before: {', '.join(gone)}.")
    if stopped:
        say(
            f"stopped after {len(marked)} of {len(submissions)}: the same command "
            "goes on from here."
        )
        return INTERRUPTED
    print(f"{len(marked)} submissions, {asked.title}: {out / 'grades.csv'}")
    troubled = [one for one in marked if one.trouble]
    if troubled:
        say(f"nothing to grade from {len(troubled)} of them: see the notes.")
    if len(troubled) == len(marked):
        say(f"is this what you meant to grade? {marked[0].trouble}")
        return 1
    return 0


def mark_all(submissions, jobs: int, *given) -> tuple[dict[int, BaseException], bool]:
    """Mark submissions, each of which is remembered; the errors, by position, of those
    on which the grader itself failed, and whether Ctrl-C has stopped it.
    """
    errors: dict[int, BaseException] = {}
    sandbox.STOPPED.clear()
    pool = ThreadPoolExecutor(jobs)
    try:
        waiting = {
            pool.submit(mark, one, *given): n for n, one in enumerate(submissions)
        }
        for done in tqdm(
            as_completed(waiting), total=len(waiting), unit="student", disable=None
        ):
            if done.exception():
                errors[waiting[done]] = done.exception()
    except KeyboardInterrupt:
        pool.shutdown(wait=False, cancel_futures=True)
        sandbox.stop_all()
    pool.shutdown()
    return errors, sandbox.STOPPED.is_set()


def say(text: str) -> None:
    print(f"vaelib.grade: {text}", file=sys.stderr)


def share_notes(marked: list[Marked]) -> None:
    """Say where several students answer one variant, to each of them."""
    having: dict[int, list[Marked]] = {}
    for one in marked:
        for seed in set(one.seeds):
            having.setdefault(seed, []).append(one)
    for several in having.values():
        for one in several:
            others = [other.student for other in several if other is not one]
            if others:
                one.private.append(f"The same variant as {', '.join(others)}.")


def read_options(arguments):
    parser = argparse.ArgumentParser(prog="python -m vaelib.grade", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("submissions", nargs="+", type=Path)
    parser.add_argument("--assignment", type=Path, required=True, help="a TOML file")
    parser.add_argument(
        "--out", type=Path, help="a folder; by default graded/, and the TOML's name"
    )
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
