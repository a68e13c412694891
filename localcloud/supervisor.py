"""The process that owns all processes of one cloud, so that none can be left behind.

It is a child subreaper: a daemon that leaves its parents becomes this process's child, and is
found. It ends everything, and then itself, when

* its standard input closes or its owner's process ends: so it does after SIGKILL of the owner;
* it is told to (verb ``shutdown``), or gets SIGTERM.

Were it killed itself, the kernel would kill its direct children: ``processes.die_with_parent``.

Run as ``python -m localcloud.supervisor``; :mod:`localcloud.supervisor_client` does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from localcloud import processes
from localcloud.protocol import Command, Status

_LOG = logging.getLogger("localcloud.supervisor")
_POLL_S = 0.05
# Data that is thrown away needs no orderly end; a store stopped first makes its clients retry.
_SHUTDOWN_GRACE_S = 0.5
_KILL_WAIT_S = 10.0
_LINE_LIMIT = 1024 * 1024

Request = dict[str, Any]
Reply = dict[str, Any]


class Refused(Exception):
    """A request that cannot be carried out; its text is the reply."""


class Child:
    """One started main process and what is known of it."""

    def __init__(self, command: Command, process: subprocess.Popen[bytes]) -> None:
        self.command = command
        self.process = process
        self.pid = process.pid
        self.returncode: int | None = None
        self.asked = False
        self.ended = asyncio.Event()

    def reaped(self, returncode: int) -> None:
        """Note that the process has ended and has been waited for."""
        self.returncode = returncode
        # Popen must not wait for this pid again: it may be another process's by then.
        self.process.returncode = returncode
        self.ended.set()

    def status(self, *, with_memory: bool) -> Status:
        """Describe it; the memory of all of its processes takes some milliseconds to find."""
        memory = 0
        if with_memory:
            memory = processes.memory_bytes(processes.members(self.command.name, self.pid))
        return Status(self.pid, self.returncode, self.asked, memory)


class Supervisor:
    """Starts, watches and ends processes; everything runs on one event loop."""

    def __init__(self) -> None:
        self.children: dict[str, Child] = {}
        self.closing = asyncio.Event()

    def reap(self) -> bool:
        """Wait for every child that has ended, adopted orphans included.

        Returns:
            Whether there are children left.
        """
        by_pid = {child.pid: child for child in self.children.values() if not child.ended.is_set()}
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid in by_pid:
                by_pid[pid].reaped(os.waitstatus_to_exitcode(status))
                _LOG.info("%s (pid %d) ended: %d", by_pid[pid].command.name, pid, status)

    def child(self, name: str) -> Child:
        """Find a child by its service's name, or refuse."""
        try:
            return self.children[name]
        except KeyError:
            raise Refused(f"{name} was never started") from None

    async def start(self, request: Request) -> Reply:
        """Start a process in a session of its own."""
        command = command_from(request)
        known = self.children.get(command.name)
        if known is not None and known.returncode is None:
            raise Refused(f"{command.name} runs already")
        if self.closing.is_set():
            raise Refused("shutting down")
        try:
            child = Child(command, spawn(command))
        except (OSError, LookupError, subprocess.SubprocessError) as error:
            raise Refused(f"cannot start {command.argv[0]}: {error}") from error
        self.children[command.name] = child
        _LOG.info("%s started as pid %d", command.name, child.pid)
        return {"pid": child.pid}

    async def wait(self, request: Request) -> Reply:
        """Wait until a process has ended, or time is up."""
        child = self.child(request["name"])
        if self.closing.is_set():
            raise Refused("shutting down")
        try:
            await asyncio.wait_for(child.ended.wait(), request["timeout_s"])
        except TimeoutError:
            return {"returncode": None}
        return {"returncode": child.returncode}

    async def stop(self, request: Request) -> Reply:
        """End a service: SIGTERM to its main process, SIGKILL to what is left after the grace."""
        child = self.child(request["name"])
        child.asked = True
        if child.returncode is None:
            os.kill(child.pid, signal.SIGTERM)
            await self._gone(child, request["grace_s"])
        await self._kill_members(child)
        return {"returncode": child.returncode}

    async def kill(self, request: Request) -> Reply:
        """End all processes of a service at once, as a crash would."""
        child = self.child(request["name"])
        await self._kill_members(child)
        return {"returncode": child.returncode}

    async def status(self, request: Request) -> Reply:
        """Describe all that was ever started."""
        with_memory = bool(request["with_memory"])
        return {
            "services": {
                name: vars(child.status(with_memory=with_memory))
                for name, child in self.children.items()
            }
        }

    async def shutdown(self, _request: Request) -> Reply:
        """Begin the end of everything."""
        self.closing.set()
        return {}

    async def end_everything(self) -> None:
        """Stop all children together, then kill whatever descends from this process."""
        living = [child for child in self.children.values() if child.returncode is None]
        for child in living:
            child.asked = True
            os.kill(child.pid, signal.SIGTERM)
        waits = [asyncio.create_task(child.ended.wait()) for child in living]
        if waits:
            await asyncio.wait(waits, timeout=_SHUTDOWN_GRACE_S)
        await _until_none(self._kill_everything, _KILL_WAIT_S)

    def _kill_everything(self) -> bool:
        left = processes.descendants()
        processes.send(left, signal.SIGKILL)
        # Zombies count too: they would be left to whoever adopts them.
        return not self.reap() and not left

    async def _kill_members(self, child: Child) -> None:
        def kill_all() -> bool:
            self.reap()
            left = processes.members(child.command.name, child.pid)
            processes.send(left, signal.SIGKILL)
            return not left and child.ended.is_set()

        await _until_none(kill_all, _KILL_WAIT_S)

    async def _gone(self, child: Child, timeout_s: float) -> None:
        def gone() -> bool:
            return child.ended.is_set() and not processes.members(child.command.name, child.pid)

        await _until_none(gone, timeout_s)


async def _until_none(done: Callable[[], bool], timeout_s: float) -> None:
    """Call a check until it is content or time is up."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    while not done() and loop.time() < deadline:
        await asyncio.sleep(_POLL_S)


def command_from(request: Request) -> Command:
    """Read a command out of a ``start`` request."""
    fields = {name: value for name, value in request.items() if name != "verb"}
    fields["argv"] = tuple(fields["argv"])
    return Command(**{**fields, "log": Path(fields["log"]), "cwd": Path(fields["cwd"])})


def spawn(command: Command) -> subprocess.Popen[bytes]:
    """Start a command, its output going to its log.

    Raises:
        OSError: the program, the directory or the log cannot be used.
        LookupError: the user does not exist.
    """
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "HOME": str(command.cwd),
        processes.SERVICE_VARIABLE: command.name,
        **command.env,
    }
    as_user: dict[str, Any] = {}
    if command.user is not None:
        as_user = {"user": command.user, "group": command.user, "extra_groups": []}
    with command.log.open("ab") as log:
        return subprocess.Popen(
            command.argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=command.cwd,
            env=environment,
            start_new_session=True,
            preexec_fn=processes.die_with_parent,
            **as_user,
        )


class ControlSocket:
    """Reads requests from connections and lets a supervisor answer them."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._verbs: dict[str, Callable[[Request], Awaitable[Reply]]] = {
            "start": supervisor.start,
            "wait": supervisor.wait,
            "stop": supervisor.stop,
            "kill": supervisor.kill,
            "status": supervisor.status,
            "shutdown": supervisor.shutdown,
        }

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        try:
            line = await reader.readline()
            if line:
                reply = await self.answer(json.loads(line))
                writer.write(json.dumps(reply).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError) as error:
            _LOG.warning("a client went away or sent nonsense: %s", error)
        finally:
            writer.close()

    async def answer(self, request: Request) -> Reply:
        """Carry out one request."""
        verb = self._verbs.get(request.get("verb", ""))
        if verb is None:
            return {"ok": False, "error": f"unknown verb {request.get('verb')!r}"}
        try:
            return {"ok": True, **await verb(request)}
        except Refused as refusal:
            return {"ok": False, "error": str(refusal)}


def _watch_owner(supervisor: Supervisor, owner_pid: int) -> None:
    """Close when the owner's end of standard input closes, or when the owner is no more.

    Both, because a process that the owner forked may hold a copy of the pipe's other end.
    """
    loop = asyncio.get_running_loop()

    def closed() -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            loop.remove_reader(sys.stdin.fileno())
            supervisor.closing.set()

    loop.add_reader(sys.stdin.fileno(), closed)
    try:
        pidfd = os.pidfd_open(owner_pid)
    except ProcessLookupError:
        supervisor.closing.set()
        return

    def ended() -> None:
        loop.remove_reader(pidfd)
        supervisor.closing.set()

    loop.add_reader(pidfd, ended)


async def _run(control: Path, owner_pid: int) -> None:
    supervisor = Supervisor()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGCHLD, supervisor.reap)
    loop.add_signal_handler(signal.SIGTERM, supervisor.closing.set)
    # The owner decides what Ctrl-C means.
    loop.add_signal_handler(signal.SIGINT, lambda: None)
    _watch_owner(supervisor, owner_pid)
    serve = ControlSocket(supervisor).serve
    server = await asyncio.start_unix_server(serve, control, limit=_LINE_LIMIT)
    _LOG.info("ready, owner is pid %d", owner_pid)
    print("ready", flush=True)
    await supervisor.closing.wait()
    _LOG.info("ending everything")
    await supervisor.end_everything()
    server.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--control", type=Path, required=True, help="path of the control socket")
    parser.add_argument("--owner", type=int, required=True, help="process id of the owner")
    parser.add_argument("--log", type=Path, required=True, help="log file")
    parser.add_argument("--remove", type=Path, help="directory to delete at the end")
    return parser.parse_args()


def main() -> None:
    """Run until there is no owner any more."""
    arguments = _arguments()
    logging.basicConfig(
        filename=arguments.log, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    os.umask(0o077)
    processes.become_subreaper()
    try:
        asyncio.run(_run(arguments.control, arguments.owner))
    finally:
        if arguments.remove is not None:
            shutil.rmtree(arguments.remove, ignore_errors=True)


if __name__ == "__main__":
    main()
