"""Inside the sandbox: run what each answer needs, and hand out named tensors.

PyTorch is loaded once; then each question has a process of its own, which ends with it.
A process that runs a stranger's code can say anything it likes. So nothing here is
trusted by those who read it: the tensors are judged outside.
"""

import ast
import io
import json
import linecache
import math
import os
import re
import resource
import select
import signal
import sys
import time
import traceback
from importlib import import_module
from pathlib import Path

import torch
from safetensors.torch import save

from vaelib.exercises.probes import explain
from vaelib.grading.slices import Program, Unreadable, code_cells, program

LARGEST = 16 << 20  # bytes of an answer's tensors
TOO_LONG = signal.SIGXCPU
GIVEN, BLANK, MISSING, FAILED = "given", "blank", "missing", "failed"


def main() -> None:
    """Read a job from standard input; write a frame for each question."""
    out = os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (1, 2):
        os.dup2(nowhere, number)
    job = torch.load(io.BytesIO(sys.stdin.buffer.read()), weights_only=False)
    torch.set_num_threads(1)
    for module in {q["probe"][0] for q in job["questions"] if q["probe"]}:
        import_module(module)
    send(out, {"status": "ready"})
    for number, question in enumerate(job["questions"]):
        header, payload = in_a_process(job, question, out)
        send(out, {"number": number, **header}, payload)


def send(out: int, header: dict, payload: bytes = b"") -> None:
    """A line of JSON, and then as many bytes as it says."""
    line = json.dumps({**header, "size": len(payload)}, ensure_ascii=False) + "\n"
    with os.fdopen(os.dup(out), "wb") as stream:
        stream.write(line.encode("utf-8", "replace") + payload)


def in_a_process(job: dict, question: dict, out: int) -> tuple[dict, bytes]:
    """Answer a question in a process that cannot take longer, or more, than allowed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            os.close(out)
            os.setsid()
            limit(job["seconds"], job["memory"])
            header, payload = answer(job, question)
            send(writer, header, payload)
        finally:
            os._exit(0)
    os.close(writer)
    data, in_time = read(reader, time.monotonic() + job["patience"])
    os.close(reader)
    for target in everybody(child):
        try:
            os.kill(target, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
    _, status = os.waitpid(child, 0)
    if not in_time or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == TOO_LONG):
        return failure(f"It was stopped after {job['seconds']:g} seconds."), b""
    try:
        line, _, payload = data.partition(b"\n")
        return json.loads(line), payload
    except ValueError:
        return failure(f"The process ended without an answer ({ending(status)})."), b""


def everybody(child: int) -> list[int]:
    """Whom to stop after a question: in a sandbox, all others that are in it."""
    if Path("/proc/1/comm").read_text().strip() == "bwrap":
        return [-1]
    return [-child, child]


def ending(status: int) -> str:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number == signal.SIGKILL:
            return "killed, perhaps for want of memory"
        return f"signal {signal.Signals(number).name}"
    return f"exit status {os.WEXITSTATUS(status)}"


def read(reader: int, deadline: float) -> tuple[bytes, bool]:
    """What a process writes until it closes its end; False when it takes too long."""
    data = b""
    while len(data) <= LARGEST + 65536:
        ready, _, _ = select.select([reader], [], [], deadline - time.monotonic())
        if not ready or time.monotonic() > deadline:
            return data, False
        chunk = os.read(reader, 1 << 20)
        if not chunk:
            return data, True
        data += chunk
    return b"", True


def limit(seconds: float, memory: int) -> None:
    """No more processor time, memory, files or processes than a question needs.

    The kernel does not count the processes of root: it is by their memory and time that
    these are stopped.
    """
    whole = math.ceil(seconds)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    space = pages * resource.getpagesize() + memory
    resource.setrlimit(resource.RLIMIT_CPU, (whole, whole + 1))
    resource.setrlimit(resource.RLIMIT_AS, (space, space))
    resource.setrlimit(resource.RLIMIT_FSIZE, (16 << 20, 16 << 20))
    resource.setrlimit(resource.RLIMIT_NPROC, (64, 64))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def answer(job: dict, question: dict) -> tuple[dict, bytes]:
    """What the answer to a question gives, as tensors; or why it gives none."""
    try:
        cells = code_cells(job["notebook"])
        everything = question.get("everything", False)
        found = program(cells, question["name"], question["answer"], everything)
        if found is None:
            text = f"There is no `{question['answer']}` in the notebook."
            return {"status": MISSING, "text": text}, b""
        about = {"seed": found.seed}
        if found.blank:
            return {"status": BLANK, **about}, b""
        held = run(found, cells)
        if question["probe"] is None:
            return {"status": GIVEN, "text": str(held)[: job["longest"]], **about}, b""
        module, name = question["probe"]
        tensors = getattr(import_module(module), name)(held, question["given"])
        payload = save({k: v.detach().cpu().clone() for k, v in tensors.items()})
        if len(payload) > LARGEST:
            return failure("It returns far larger tensors than asked for."), b""
        return {"status": GIVEN, **about}, payload
    except Unreadable as error:
        return failure(str(error)), b""
    except BaseException as error:
        return because(error), b""


def run(found: Program, cells: list[str]) -> object:
    """Run a program; what its answer's name holds at the end."""
    namespace = {"__name__": "__main__", "display": lambda *shown, **options: None}
    namespace["get_ipython"] = lambda: Shell(namespace)
    for number, cell in enumerate(cells, 1):  # for tracebacks, and inspect.getsource
        lines = cell.splitlines(keepends=True)
        place = f"<code cell {number}>"
        linecache.cache[place] = (len(cell), None, lines, place)
    first = None
    for statement in found.statements:
        module = ast.Module([statement.node], [])
        place = f"<code cell {statement.cell + 1}>"
        try:
            exec(compile(module, place, "exec"), namespace)
        except Exception as error:
            first = first or error
    if found.answer not in namespace:
        raise first or NameError(f"name {found.answer!r} is not defined")
    return namespace[found.answer]


class Shell:
    """What Jupyter's own commands find: none of them does anything but %time."""

    def __init__(self, namespace: dict):
        self.namespace = namespace

    def run_line_magic(self, name, line, *rest):
        if name in ("time", "timeit"):
            exec(line, self.namespace)

    def __getattr__(self, name):
        return lambda *given, **options: None


def failure(text: str) -> dict:
    return {"status": FAILED, "text": text[:600]}


def because(error: BaseException) -> dict:
    """What to say of an error."""
    text = explain(error, in_notebook)
    if text is None:
        return {"status": BLANK}
    if isinstance(error, MemoryError) or re.search("allocate|out of memory", text):
        text = "It needs more memory than a question may use."
    if "vaelib.exercises.chapter_" in text or "there is no exercise" in text:
        text = "It asks for the solution, which is not there when answers are graded."
    return failure(text)


def in_notebook(frame: traceback.FrameSummary) -> str:
    """Where in the notebook a frame of a traceback is; empty if elsewhere."""
    if not frame.filename.startswith("<code cell"):
        return ""
    return f"line {frame.lineno} of {frame.filename[1:-1]}"


if __name__ == "__main__":
    main()
