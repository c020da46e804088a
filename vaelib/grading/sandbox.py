"""Run the worker where it can reach nothing: no network, no home, no course files.

bubblewrap gives it a file system of its own, in which there are the system's programs,
this Python with its packages, and vaelib without the solutions; all of it can be read
only. A folder for temporary files is in memory, bounded, and gone afterwards. Each
submission has a sandbox of its own.
"""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load
from torch import Tensor

import vaelib

SYSTEM = ("/usr", "/bin", "/lib", "/lib64", "/sbin")
SETTINGS = ("/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts", "/etc/localtime")
PARTS = ("bin", "lib", "lib64", "pyvenv.cfg")
# The modules of vaelib.exercises that ask answers.
ASKING = ("__init__.py", "exercise.py", "probes.py", "questions.py", "report.py")
OUTSIDE = {"PATH": "/usr/bin:/bin"}  # bubblewrap's own environment can be read inside
START = 120  # seconds that PyTorch may take to load
ROOM = 64 << 20  # bytes of files in memory
LONGEST = 20_000  # letters of an answer to an open question
PATIENCE = 3  # times its processor time that a question may take in all
POLL = 0.1  # seconds between looks at the memory


RUNNING: set[subprocess.Popen] = set()
STOPPED = threading.Event()


class Stopped(Exception):
    """Somebody has asked for an end to all of it."""


@dataclass(frozen=True)
class Outcome:
    """What a question's process said: a status of `worker`, and what belongs to it."""

    status: str
    text: str = ""
    seed: int | None = None
    tensors: dict[str, Tensor] | None = None


def available() -> str:
    """Empty when submissions can be run in a sandbox here; else why they cannot."""
    if shutil.which("bwrap") is None:
        return (
            "Submissions are run in a sandbox by bubblewrap, which is missing here: "
            "install it (apt install bubblewrap, dnf install bubblewrap; on Windows "
            "in WSL, on a Mac in a Linux container)."
        )
    test = subprocess.run(
        [*command(), "true"], capture_output=True, text=True, env=OUTSIDE
    )
    if test.returncode != 0:
        return (
            f"bubblewrap cannot make a sandbox here: {test.stderr.strip()}. It has to "
            "be version 0.8 or newer, and you have to be allowed user namespaces, "
            "which Ubuntu and some containers forbid: see the page for instructors."
        )
    return ""


def command() -> list[str]:
    """bubblewrap, and what of this machine can be seen."""
    package = Path(vaelib.__file__).resolve().parent
    # A namespace of its own for users, and none inside it, so that even the root of a
    # container can change nothing of the kernel's settings.
    asked = [shutil.which("bwrap") or "bwrap"]  # wherever it is installed
    asked += ["--unshare-all", "--unshare-user", "--disable-userns"]
    asked += ["--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL"]
    asked += ["--proc", "/proc", "--dev", "/dev"]
    for folder in ("/tmp", "/dev/shm"):
        asked += ["--size", str(ROOM), "--tmpfs", folder]
    for place in (*SYSTEM, *SETTINGS, *of_python()):
        if Path(place).is_symlink() and place in SYSTEM:
            asked += ["--symlink", os.readlink(place), place]
        elif Path(place).exists():
            asked += ["--ro-bind", place, place]
    asked += ["--ro-bind", str(package), str(package)]
    asked += without_solutions(package)
    for place in ("/proc", "/dev", "/"):
        asked += ["--remount-ro", place]
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": "/tmp",
        "PYTHONPATH": str(package.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "MPLBACKEND": "Agg",
        "TQDM_DISABLE": "1",
        "VAELIB_OFFLINE": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "LANG": "C.UTF-8",
    }
    for name, value in environment.items():
        asked += ["--setenv", name, value]
    return [*asked, "--chdir", "/tmp", "--"]


def of_python() -> list[str]:
    """What Python needs of the folders it lies in; a course may be there too."""
    folders = {Path(p) for p in (sys.prefix, sys.base_prefix)}
    folders |= {folder.resolve() for folder in folders}
    folders.add(Path(sys.executable).resolve().parents[1])
    return [str(folder / part) for folder in sorted(folders) for part in PARTS]


def without_solutions(package: Path) -> list[str]:
    """Of the exercises only what asks an answer; of other copies of vaelib nothing."""
    hidden = ["--size", str(ROOM), "--tmpfs", str(package / "exercises")]
    for name in ASKING:
        module = str(package / "exercises" / name)
        hidden += ["--ro-bind", module, module]
    hidden += ["--remount-ro", str(package / "exercises")]
    for part in of_python():
        for other in Path(part).glob("python*/site-packages/vaelib"):
            if other.resolve() != package:
                hidden += ["--size", "4096", "--tmpfs", str(other)]
                hidden += ["--remount-ro", str(other)]
    return hidden


def run(
    notebook: bytes,
    questions: list[dict],
    seconds: float = 20,
    memory: int = 2 << 30,
    unsafe: bool = False,
) -> list[Outcome]:
    """Ask a notebook some questions; an Outcome for each.

    A question is {name, answer, probe: (module, function) or None, given}. Where one
    takes the sandbox down with it, the rest are asked in a new one.
    """
    outcomes: list[Outcome] = []
    while len(outcomes) < len(questions):
        rest = questions[len(outcomes) :]
        job = {
            "notebook": notebook,
            "questions": rest,
            "seconds": seconds,
            "patience": PATIENCE * seconds,
            "memory": memory,
            "longest": LONGEST,
        }
        got, why = once(job, unsafe)
        outcomes += got
        if len(got) < len(rest):
            outcomes.append(Outcome("failed", why))
    return outcomes


def once(job: dict, unsafe: bool) -> tuple[list[Outcome], str]:
    """Outcomes of one sandbox, and why there are no more."""
    package = Path(vaelib.__file__).resolve().parent
    start = [] if unsafe else command()
    start += [sys.executable, "-P", "-m", "vaelib.grading.worker"]
    buffer = io.BytesIO()
    torch.save(job, buffer)
    process = subprocess.Popen(
        start,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(package.parent)} if unsafe else OUTSIDE,
    )
    RUNNING.add(process)
    if STOPPED.is_set():
        stop(process)
    guard = Guard(process, job["memory"])
    guard.start()
    threading.Thread(target=feed, args=(process, buffer.getvalue())).start()
    outcomes = []
    try:
        for header, payload in frames(process.stdout):
            guard.allow(job["patience"] + 5)
            if header.get("number") == len(outcomes):
                outcomes.append(read(header, payload))
            if len(outcomes) == len(job["questions"]):
                break
    finally:
        stop(process)
        process.stdout.close()
        RUNNING.discard(process)
    if STOPPED.is_set():
        raise Stopped
    return outcomes, guard.why or "It ended the process that was to run it."


def feed(process: subprocess.Popen, data: bytes) -> None:
    try:
        with process.stdin as stream:
            stream.write(data)
    except OSError:
        pass  # it has ended already


def frames(stream):
    """The (header, payload) pairs that a worker writes, as far as they make sense."""
    while True:
        line = stream.readline(4 * LONGEST)
        try:
            header = json.loads(line)
            size = header["size"]
            if type(size) is not int or not 0 <= size <= ROOM:
                return
        except (ValueError, TypeError, KeyError, RecursionError):
            return
        payload = stream.read(size)
        if len(payload) < size:
            return
        yield header, payload


def read(header: dict, payload: bytes) -> Outcome:
    """An outcome, of which nothing is believed but its form."""
    status, text = str(header.get("status"))[:20], legible(header.get("text", ""))
    seed = header.get("seed")
    seed = seed if type(seed) is int and 0 <= seed < 2**63 else None
    tensors = None
    if payload:
        try:
            tensors = load(payload)
        except Exception as error:
            status, text = "failed", f"What it returns cannot be read: {error}"[:300]
        else:
            odd = [n for n in tensors if len(n) > 200 or not n.isprintable()]
            if odd or len(tensors) > 500:
                status, text = "failed", "It returns other things than asked for."
                tensors = None
    return Outcome(status, text, seed, tensors)


def legible(text) -> str:
    """A text as it may stand in a table and on a page: no control characters."""
    text = str(text)[:LONGEST].encode("utf-8", "replace").decode()
    return "".join(c if c.isprintable() or c in "\n\t" else "?" for c in text)


class Guard(threading.Thread):
    """Stops a sandbox that takes too long, or whose processes take too much."""

    def __init__(self, process: subprocess.Popen, memory: int):
        super().__init__(daemon=True)
        self.process, self.bound, self.why = process, 2 * memory + (2 << 30), ""
        self.allow(START)

    def allow(self, seconds: float) -> None:
        """From now on, this long."""
        self.deadline = time.monotonic() + seconds

    def run(self) -> None:
        while self.process.poll() is None:
            if time.monotonic() > self.deadline:
                self.why = "It was stopped because it took too long."
            elif used(self.process.pid) > self.bound:
                self.why = "It needs more memory than a question may use."
            if self.why:
                stop(self.process)
                return
            time.sleep(POLL)


def used(pid: int) -> int:
    """Bytes of memory that are a process's own, or its descendants'."""
    total, queue = 0, [pid]
    while queue:
        here = queue.pop()
        try:
            status = Path(f"/proc/{here}/status").read_text()
            children = Path(f"/proc/{here}/task/{here}/children").read_text()
        except OSError:
            continue
        for line in status.splitlines():
            if line.startswith(("RssAnon:", "RssShmem:")):
                total += int(line.split()[1]) << 10
        queue += map(int, children.split())
    return total


def stop(process: subprocess.Popen) -> None:
    """End a sandbox with all that is in it."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def stop_all() -> None:
    """End every sandbox; those who wait for one get Stopped."""
    STOPPED.set()
    for process in list(RUNNING):
        stop(process)
