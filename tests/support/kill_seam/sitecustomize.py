"""Kills a process of a guest at a durable step of its own.

Python loads this at its start when the directory is on PYTHONPATH. In the runner and in the
agent, and only while HEAT_ZAQAR_FAULTS names a directory, each durable step is written down
there before it is made: a file synced, renamed over another or deleted, a message posted. A
file `kill-<process>` there holds the number of the step, counted from now, that shall not be
made any more.
"""

import os
import sys

PROCESSES = {"heat-config-run": "runner", "os-collect-config-zaqar": "agent"}


def _process():
    # As a script's first line has it: the interpreter, the script.
    names = [os.path.basename(each) for each in sys.orig_argv[:2]]
    return next((PROCESSES[name] for name in names if name in PROCESSES), None)


class Seam:
    def __init__(self, directory, process):
        import threading

        self._log = os.path.join(directory, f"steps-{process}")
        self._kill = os.path.join(directory, f"kill-{process}")
        self._watched = tuple(os.environ["HEAT_ZAQAR_FAULTS_WATCH"].split(os.pathsep))
        self._lock = threading.Lock()

    def install(self):
        self._wrap(os, "fsync", lambda fd: os.readlink(f"/proc/self/fd/{fd}"))
        for name in ("replace", "rename"):
            self._wrap(os, name, lambda source, target: (target, source))
        for name in ("unlink", "remove"):
            self._wrap(os, name, lambda path: path)
        self._wrap_posts()

    def _wrap(self, module, name, path_of):
        original = getattr(module, name)

        def wrapped(*args, **options):
            try:
                path = path_of(*args[:2] if name in ("replace", "rename") else args[:1])
            except OSError:
                return original(*args, **options)
            target, source = path if isinstance(path, tuple) else (path, None)
            if os.fspath(target).startswith(self._watched):
                self._step(name, _basename(target), _state(source))
            return original(*args, **options)

        setattr(module, name, wrapped)

    def _wrap_posts(self):
        import requests

        original = requests.Session.send

        def send(session, request, **options):
            if request.method != "POST" or "/messages" not in request.url:
                return original(session, request, **options)
            self._step("post", "-", "")
            answer = original(session, request, **options)
            self._step("posted", str(answer.status_code), "")
            return answer

        requests.Session.send = send

    def _step(self, kind, name, state):
        with self._lock:
            killed = self._due()
            line = " ".join([kind, name, state, *(["KILLED"] if killed else [])])
            with open(self._log, "a") as log:
                log.write(line + "\n")
            if killed:
                os.kill(os.getpid(), 9)

    def _due(self):
        try:
            with open(self._kill) as file:
                left = int(file.read()) - 1
        except (OSError, ValueError):
            return False
        if left <= 0:
            _UNLINK(self._kill)
            return True
        with open(self._kill, "w") as file:
            file.write(str(left))
        return False


def _basename(path):
    return os.path.basename(os.fspath(path))


def _state(source):
    """Return the state that a record, about to be renamed into its place, tells of."""
    import json

    try:
        with open(source) as file:
            return json.load(file).get("state", "")
    except (OSError, ValueError, TypeError, AttributeError):
        return ""


_UNLINK = os.unlink

if _process() and os.environ.get("HEAT_ZAQAR_FAULTS"):
    Seam(os.environ["HEAT_ZAQAR_FAULTS"], _process()).install()
