"""What is said over the supervisor's control socket.

One connection carries one request and one reply, each a line of JSON. A request is
``{"verb": ..., **arguments}``; a reply is ``{"ok": true, **results}`` or
``{"ok": false, "error": text}``.

| verb | arguments | reply, once |
|---|---|---|
| start | a ``Command``'s fields | the process has been started: ``pid`` |
| wait | ``name``, ``timeout_s`` | it has ended (``returncode``), or time is up (``null``) |
| stop | ``name``, ``grace_s`` | none of its processes is left: ``returncode`` |
| kill | ``name`` | the same, by SIGKILL at once; counts as a death |
| status | ``with_memory`` | ``services``: ``Status`` fields by name |
| shutdown | | at once; the supervisor then ends everything and itself |
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Command:
    """How to start one process.

    Attributes:
        name: the service's name; a second start under it needs the first to have ended.
        argv: program and arguments; no secrets, everybody can read them.
        log: file that output and errors are appended to.
        env: environment, on top of a minimal one (``PATH``, ``LANG``, ``HOME``).
        cwd: working directory.
        user: user to run as; ``None`` stays the same.
    """

    name: str
    argv: tuple[str, ...]
    log: Path
    cwd: Path
    env: dict[str, str] = field(default_factory=dict, repr=False)
    user: str | None = None

    def to_json(self) -> dict[str, object]:
        """Give the fields as JSON types."""
        return {**dataclasses.asdict(self), "log": str(self.log), "cwd": str(self.cwd)}


@dataclass(frozen=True)
class Status:
    """What has become of a service's main process.

    Attributes:
        pid: its process id.
        returncode: ``None`` while it runs; negative is a signal's number.
        asked: whether its end was asked for by ``stop``.
        memory_bytes: proportional memory of all of the service's processes; 0 when not asked for.
    """

    pid: int
    returncode: int | None
    asked: bool
    memory_bytes: int = 0

    @property
    def running(self) -> bool:
        """Whether the main process lives."""
        return self.returncode is None

    @property
    def died(self) -> bool:
        """Whether it has ended without having been asked to."""
        return self.returncode is not None and not self.asked
