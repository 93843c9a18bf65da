"""Counts instructions: runs a part of the benchmark under ``valgrind --tool=callgrind``.

Instructions do not depend on what else the machine does, so two runs differ by a percent, where
times differ by ten.  The process tells callgrind itself when to begin and to note a count, by the
sequence of instructions that valgrind recognises (``VALGRIND_DO_CLIENT_REQUEST`` of its manual,
section "The Client Request mechanism"); on a real processor it does nothing.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

_TOOL: Final = (ord("C") << 24) | (ord("T") << 16)
_ZERO: Final = _TOOL + 1
_DUMP_AT: Final = _TOOL + 3
_START: Final = _TOOL + 4

_MACHINE_CODE: Final = bytes.fromhex(
    "4889f8"  # mov rax, rdi         the request and its arguments
    "4889f2"  # mov rdx, rsi         the answer where nobody listens
    "48c1c703 48c1c70d 48c1c73d 48c1c733"  # rol rdi, 3 13 61 51: all the way round
    "4887db"  # xchg rbx, rbx        here valgrind looks at rax and answers in rdx
    "4889d0"  # mov rax, rdx
    "c3"  # ret
)
_DUMP: Final = re.compile(r"^desc: Trigger: Client Request: (.*)$", re.MULTILINE)
_TOTAL: Final = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)

DELIVERY: Final = ", delivered"
"""Ends the label of what the delivery of a side's spans took."""

WORKER: Final = "benchmarks.counting"
"""The module that is run under valgrind."""


def absence() -> str | None:
    """Why instructions cannot be counted here, in a sentence; ``None`` if they can."""
    if platform.machine() not in {"x86_64", "AMD64"}:
        return f"Instructions are counted on x86-64 only, and this is {platform.machine()}."
    if shutil.which("valgrind") is None:
        return "valgrind is not installed: no instructions were counted, and times alone are weak."
    return None


class Counter:
    """Talks to the callgrind around this process, if there is one."""

    def __init__(self) -> None:
        access = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
        self._code = mmap.mmap(-1, mmap.PAGESIZE, prot=access)
        self._code.write(_MACHINE_CODE)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._code))
        self._call = ctypes.CFUNCTYPE(ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong)(address)

    def _request(self, number: int, argument: int = 0) -> None:
        arguments = (ctypes.c_ulong * 6)(number, argument)
        self._call(ctypes.addressof(arguments), 0)

    def start(self) -> None:
        """Begin to count: until now the process ran several times faster."""
        self._request(_START)

    def zero(self) -> None:
        """Forget what was counted."""
        self._request(_ZERO)

    def note(self, label: str) -> None:
        """Write down what was counted since :meth:`zero`."""
        text = ctypes.create_string_buffer(label.encode())
        self._request(_DUMP_AT, ctypes.addressof(text))


def run(*arguments: str) -> dict[str, list[int]]:
    """Run the worker under callgrind.

    Args:
        arguments: The worker's.

    Returns:
        The counts that it noted, by label, in order.
    """
    with tempfile.TemporaryDirectory(prefix="flowspan-bench-") as folder:
        output = Path(folder, "counts")
        command = [
            *("valgrind", "--tool=callgrind", "--instr-atstart=no", "--quiet"),
            f"--callgrind-out-file={output}",
            *(sys.executable, "-m", WORKER, *arguments),
        ]
        environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONMALLOC": "pymalloc"}
        done = subprocess.run(  # noqa: S603 - our own interpreter
            command, check=False, env=environment, capture_output=True, text=True
        )
        if done.returncode:
            raise SystemExit(f"valgrind failed on {WORKER}:\n{done.stderr[-2000:]}")
        return _read(Path(folder))


def _read(folder: Path) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    dumps = sorted(folder.glob("counts.*"), key=lambda path: int(path.suffix[1:]))
    for path in dumps:
        text = path.read_text(errors="replace")
        named, total = _DUMP.search(text), _TOTAL.search(text)
        if named is not None and total is not None:
            found.setdefault(named[1], []).append(int(total[1]))
    return found


def label(work: str, side: str) -> str:
    """A label that says what was counted."""
    return f"{work} | {side}"
