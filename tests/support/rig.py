"""One server with one deployment that is updated again and again, one word at a time."""

import json
import time

from heat_zaqar_transport.wire import SignedUrl
from support import hot
from support.kill_points import STATE_DIR, KillPoints

# Longer than whatever a fault may cost: retries, the safety net's second look.
LONGEST_S = 45
POLL_S = 0.05


def script(middle=""):
    """Return a script that notes each of its runs, and tells its word."""
    return f'#!/bin/sh\necho "$word" >> "$HOME/runs"\n{middle}\necho "did $word"\n'


class Rig:
    """A stack and its guest.

    Args:
        site: Where they belong to.
        middle: Lines of the deployment's script, between the note of the run and the output.
        agent: The server's `[zaqar]` options, as a template names them.
        local: More of them, that only the guest's own file holds.
        guest: What `Guest.create` takes.
        kill_points: Whether the guest's processes can be killed at their steps.
    """

    def __init__(
        self, site, middle="", *, agent=None, local=None, kill_points=False, inputs=(), **guest
    ):
        self.site, self.cloud = site, site.cloud
        self._script, self._inputs = script(middle), dict(inputs)
        self._agent = agent or {}
        self.word = "first"
        self.stack = site.stack(self.template("first"))
        directory = site.new_directory()
        self.kill_points = KillPoints(directory.with_name(f"{directory.name}-steps"))
        environ = dict(guest.pop("environ", {}))
        if kill_points:
            environ |= self.kill_points.environ(directory)
        config = self.stack.collect_config("server")
        self.options = config["zaqar"]
        self.guest = site.guest(config, directory=directory, environ=environ, **guest)
        self.set_local(**(local or {}))
        self.guest.start()
        self.stack.wait("CREATE_COMPLETE")
        self.settled()

    def set_local(self, **options):
        """Lay options over the `[zaqar]` section that Heat gives; before the agent's start."""
        with self.guest.path("etc/os-collect-config-local.conf").open("a") as conf:
            conf.writelines(f"{name} = {value}\n" for name, value in options.items())

    def template(self, word, **inputs):
        whole = hot.one_script(self._script, input_values={"word": word, **self._inputs, **inputs})
        if self._agent:
            metadata = {"os-collect-config": {"zaqar": self._agent}}
            whole["resources"]["server"]["metadata"] = metadata
        return whole

    @property
    def metadata_queue(self):
        return self._queue("metadata_url")

    @property
    def signal_queue(self):
        return self._queue("signal_url")

    def _queue(self, option):
        """Return a pattern of the path of the queue's messages."""
        return rf"/queues/{SignedUrl.parse(self.options[option]).queue}/messages"

    def start_update(self, word, **inputs):
        self.word = word
        self.stack.update(self.template(word, **inputs))

    def update(self, word, timeout_s=LONGEST_S, **inputs):
        """Update, and see the right output, made by one run of the hook."""
        self.start_update(word, **inputs)
        self.completes(timeout_s)

    def completes(self, timeout_s=LONGEST_S, runs=1):
        self.stack.wait("UPDATE_COMPLETE", timeout_s)
        assert self.stack.outputs()["stdout"] == f"did {self.word}\n"
        assert self.runs() == runs

    def fails(self, reason, timeout_s=LONGEST_S):
        shown = self.stack.wait("UPDATE_FAILED", timeout_s)
        assert reason in shown.stack_status_reason

    def runs(self, word=None):
        """Count the runs of the hook for a word; default: the last one."""
        path = self.guest.path("root/runs")
        return path.read_text().splitlines().count(word or self.word) if path.exists() else 0

    def wait_run(self, timeout_s=LONGEST_S):
        """Wait until the hook has begun."""
        self.guest.wait_for(self.runs, timeout_s, f"the hook to run for {self.word}")

    def records(self):
        """Return the records of the server's deployments."""
        found = []
        for path in self.guest.path(f"{STATE_DIR}/deployments").glob("*.json"):
            try:
                found.append(json.loads(path.read_text()))
            except (OSError, ValueError):
                continue
        return found

    def settled(self, timeout_s=LONGEST_S):
        """Wait until the server has heard that Heat has each result, and nothing runs there."""
        self.guest.wait_for(self._is_settled, timeout_s, "the server to come to rest")

    def _is_settled(self):
        records = self.records()
        return (
            len(records) == 1
            and records[0]["state"] == "acked"
            and not self.running("os-refresh-config")
        )

    def running(self, name):
        """Tell whether the guest runs a program of that name."""
        for process in self.guest._processes():
            if any(word.endswith(f"/{name}") for word in process.cmdline()[:2]):
                return True
        return False


def wait_until(condition, timeout_s, what):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout_s} s for {what}"
        time.sleep(POLL_S)
