# SPDX-License-Identifier: Apache-2.0
"""Hooks: programs that apply a config of one group. heat-agents' contract, so its hooks run.

The hook gets the config as JSON on standard input, gives a JSON object of outputs on
standard output, and inherits the environment. Its standard error is for people. It leads
a process group of its own, so that what it has started can be ended with it.
"""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from heat_zaqar_hooks import processes
from heat_zaqar_transport.wire.errors import HookFailed

ATTEMPT_VARIABLE = "HEAT_DEPLOY_ATTEMPT"

# Seconds that a hook has between SIGTERM and SIGKILL when its time is over.
GRACE_S = 10.0
# Seconds to wait after SIGKILL for the end of its output. A program that left the process
# group may hold the pipes open for as long as it likes.
LAST_OUTPUT_S = 2.0

# select() cannot wait for longer than some weeks in one go.
_SLICE_S = 86400.0

# Told the process id and the kernel's start time of a hook; `None`: there is no /proc.
Started = Callable[[int, str | None], None]


@dataclass(frozen=True)
class HookRun:
    """What a hook left behind.

    Attributes:
        returncode: Exit status; negative: minus the number of the signal that ended it.
        stdout: Decoded as UTF-8, bytes that are none replaced.
        stderr: Likewise.
        duration_s: Seconds from its start to its end.
        timed_out_s: The limit that it exceeded, seconds; `None`: it ended by itself.
    """

    returncode: int
    stdout: str = field(repr=False)
    stderr: str = field(repr=False)
    duration_s: float
    timed_out_s: float | None = None


def find(group: str, directories: Iterable[Path]) -> Path | None:
    """Return the first hook for a group; `None`: there is none.

    Args:
        group: Its letters, digits, '-' and '_' are the file name looked for.
        directories: Where to look; need not exist.
    """
    name = "".join(char for char in group if char.isalnum() or char in "-_")
    paths = (directory / name for directory in directories)
    return next((path for path in paths if _exists(path)), None) if name else None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # such as a name too long for a file
        return False


def run(
    path: Path,
    document: Mapping[str, Any],
    *,
    attempt: int = 1,
    limit_s: float | None = None,
    started: Started = lambda pid, start_time: None,
    grace_s: float = GRACE_S,
) -> HookRun:
    """Run a hook to its end, or to the end of its time.

    Args:
        path: The program.
        document: The config, given to it as JSON.
        attempt: Given to it as $HEAT_DEPLOY_ATTEMPT.
        limit_s: Seconds after which its process group is ended; `None`: no limit. Without
            one, a program that it leaves behind with its output open is waited for.
        started: Called when it runs and has not been given its config. If that fails,
            it never gets it.
        grace_s: Seconds between SIGTERM and SIGKILL when its time is over.

    Raises:
        HookFailed: It cannot be started: not executable, no interpreter, no program.
    """
    content = json.dumps(document).encode()
    began = time.monotonic()
    with _started(path, attempt) as process:
        started(process.pid, processes.start_time(process.pid))
        try:
            stdout, stderr = _talk(process, content, limit_s)
            exceeded_s = None
        except subprocess.TimeoutExpired:
            stdout, stderr = _end(process, grace_s)
            exceeded_s = limit_s
    return HookRun(
        # Still none after SIGKILL: it hangs in the kernel.
        returncode=-signal.SIGKILL if process.returncode is None else process.returncode,
        stdout=stdout.decode(errors="replace"),
        stderr=stderr.decode(errors="replace"),
        duration_s=time.monotonic() - began,
        timed_out_s=exceeded_s,
    )


@contextlib.contextmanager
def _started(path: Path, attempt: int) -> Iterator[subprocess.Popen[bytes]]:
    """Start a hook; whatever happens, its group does not outlive an error.

    Not as a context of Popen's own, which waits for the end without limit.
    """
    try:
        process = subprocess.Popen(
            [path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, ATTEMPT_VARIABLE: str(attempt)},
            start_new_session=True,
        )
    except OSError as exc:
        raise HookFailed(f"hook {path} cannot be started: {exc.strerror}") from exc
    try:
        yield process
    finally:
        if process.poll() is None:
            processes.send_signal(process.pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(LAST_OUTPUT_S)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()


def _talk(
    process: subprocess.Popen[bytes], content: bytes | None, limit_s: float | None
) -> tuple[bytes, bytes]:
    """Give a hook its config and return its output, as Popen.communicate() does."""
    while limit_s is not None and limit_s > _SLICE_S:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.communicate(content, _SLICE_S)
        content = None  # what is left of it is remembered
        limit_s -= _SLICE_S
    return process.communicate(content, limit_s)


def _end(process: subprocess.Popen[bytes], grace_s: float) -> tuple[bytes, bytes]:
    """End a hook's process group, and return what it has printed."""
    processes.send_signal(process.pid, signal.SIGTERM)
    output = None
    with contextlib.suppress(subprocess.TimeoutExpired):
        output = process.communicate(timeout=grace_s)
    # What has closed the pipes may still be there.
    processes.send_signal(process.pid, signal.SIGKILL)
    if output:
        return output
    try:
        return process.communicate(timeout=LAST_OUTPUT_S)
    except subprocess.TimeoutExpired as exc:
        process.poll()
        return exc.stdout or b"", exc.stderr or b""
