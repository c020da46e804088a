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
START = 120  # seconds that PyTorch may take to load
ROOM = 64 << 20  # bytes of files in memory
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
    test = subprocess.run([*command(Path("/")), "true"], capture_output=True, text=True)
    if test.returncode != 0:
        return f"bubblewrap cannot make a sandbox here: {test.stderr.strip()}"
    return ""


def command(package: Path) -> list[str]:
    """bubblewrap, and what of this machine can be seen."""
    prefixes = {Path(p).resolve() for p in (sys.prefix, sys.base_prefix)}
    prefixes |= {Path(sys.prefix), Path(sys.executable).resolve().parents[1]}
    visible = [*SYSTEM, *SETTINGS, *sorted(str(p) for p in prefixes if p != Path("/"))]
    asked = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session"]
    asked += ["--clearenv", "--cap-drop", "ALL", "--proc", "/proc", "--dev", "/dev"]
    for folder in ("/tmp", "/dev/shm"):
        asked += ["--size", str(ROOM), "--tmpfs", folder]
    for place in visible:
        if Path(place).is_symlink() and place in SYSTEM:
            asked += ["--symlink", os.readlink(place), place]
        elif Path(place).exists():
            asked += ["--ro-bind", place, place]
    if package != Path("/"):
        asked += ["--ro-bind", str(package), str(package)]
        asked += without_solutions(package)
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


def without_solutions(package: Path) -> list[str]:
    """The modules of the exercises are empty files inside, and so are their caches."""
    folder = package / "exercises"
    hidden = []
    for module in sorted(folder.glob("chapter_*.py")):
        hidden += ["--ro-bind", "/dev/null", str(module)]
    for cache in folder.glob("__pycache__"):
        hidden += ["--tmpfs", str(cache)]
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
            "memory": memory,
        }
        got, why = once(job, unsafe)
        outcomes += got
        if len(got) < len(rest):
            outcomes.append(Outcome("failed", why))
    return outcomes


def once(job: dict, unsafe: bool) -> tuple[list[Outcome], str]:
    """Outcomes of one sandbox, and why there are no more."""
    package = Path(vaelib.__file__).resolve().parent
    start = [] if unsafe else command(package)
    start += [sys.executable, "-P", "-m", "vaelib.grading.worker"]
    buffer = io.BytesIO()
    torch.save(job, buffer)
    questions = job["questions"]
    deadline = time.monotonic() + START + len(questions) * (job["seconds"] + 1)
    process = subprocess.Popen(
        start,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(package.parent)} if unsafe else None,
    )
    RUNNING.add(process)
    stopped: list[str] = []
    guard = threading.Thread(
        target=watch, args=(process, deadline, job["memory"], stopped), daemon=True
    )
    guard.start()
    threading.Thread(target=feed, args=(process, buffer.getvalue())).start()
    outcomes = []
    try:
        for frame in frames(process.stdout):
            if frame[0].get("number") == len(outcomes):
                outcomes.append(read(*frame))
            if len(outcomes) == len(questions):
                break
    finally:
        stop(process)
        process.stdout.close()
        RUNNING.discard(process)
    if STOPPED.is_set():
        raise Stopped
    why = stopped[0] if stopped else "It ended the process that was to run it."
    return outcomes, why


def feed(process: subprocess.Popen, data: bytes) -> None:
    try:
        with process.stdin as stream:
            stream.write(data)
    except OSError:
        pass  # it has ended already


def frames(stream):
    """The (header, payload) pairs that a worker writes, as far as they make sense."""
    while True:
        line = stream.readline(65536)
        try:
            header = json.loads(line)
            size = int(header["size"])
            if not 0 <= size <= ROOM:
                return
        except (ValueError, TypeError, KeyError, RecursionError):
            return
        payload = stream.read(size)
        if len(payload) < size:
            return
        yield header, payload


def read(header: dict, payload: bytes) -> Outcome:
    """An outcome, of which nothing is believed but its form."""
    seed = header.get("seed")
    tensors = None
    text = str(header.get("text", ""))
    status = str(header.get("status"))
    if payload:
        try:
            tensors = load(payload)
        except Exception as error:
            status, text = "failed", f"What it returns cannot be read: {error}"[:300]
    seed = seed if isinstance(seed, int) and not isinstance(seed, bool) else None
    return Outcome(status, text, seed, tensors)


def watch(process, deadline: float, memory: int, stopped: list[str]) -> None:
    """Stop a sandbox that takes too long, or whose processes together take too much."""
    bound = 2 * memory + (2 << 30)
    while process.poll() is None:
        if time.monotonic() > deadline:
            stopped.append("It was stopped because it took too long.")
        elif used(process.pid) > bound:
            stopped.append("It needs more memory than a question may use.")
        if stopped:
            stop(process)
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
