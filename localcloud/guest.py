# SPDX-License-Identifier: Apache-2.0
"""A directory that stands for a server, on which the real agent runs.

The files are the ones that the element heat-zaqar-agent puts into an image, laid out by the
element's own script, so that what is tried here is what an image holds. Everything the agent
reads and writes lies under the directory, with one exception that os-apply-config has no
option for: as root it appends to /var/log/os-apply-config.log.

What is set for one guest alone stands in a second configuration file: the first one,
os-collect-config.conf, is rendered from the server's metadata again and again.

A guest cannot reboot the machine: its reboot command leaves a line in a file, and its boot id
is a file of its own. `Guest.reboot` is what a machine would do then.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil

from localcloud.errors import LocalCloudError

ELEMENT = Path(__file__).parent.parent / "elements" / "heat-zaqar-agent"
LAYOUT_COMMAND = ELEMENT / "bin" / "heat-zaqar-agent-layout"
# Marks the processes of one guest, also those that have left their parents.
GUEST_VARIABLE = "HEAT_ZAQAR_GUEST"
STOP_TIMEOUT_S = 10.0
KILL_TIMEOUT_S = 10.0
RUN_ONCE_TIMEOUT_S = 300.0
POLL_S = 0.05
BOOT_ID = "etc/boot-id"
REBOOT_COMMAND = "usr/local/sbin/reboot"
REBOOTS_ASKED = "var/log/reboots"

LOCAL_CONF = """\
[DEFAULT]
min_polling_interval = {interval_s}
polling_interval = {interval_s}
cachedir = {root}/var/lib/os-collect-config
backup_cachedir = {root}/var/run/os-collect-config

[heat_local]
path = {root}/var/lib/heat-cfntools/cfn-init-data

[local]
path = {root}/var/lib/os-collect-config/local-data

[cfn]
heat_metadata_hint = {root}/var/lib/heat-cfntools/cfn-metadata-server

[zaqar]
state_dir = {root}/var/lib/heat-zaqar-transport
reboot_command = {root}/{reboot}
"""

REBOOT_SCRIPT = """\
#!/bin/sh
echo asked >> '{root}/{asked}'
"""


class GuestError(LocalCloudError):
    """A guest cannot be laid out, or does not do what was waited for."""


class Guest:
    """One server in a directory.

    Attributes:
        root: The directory, absolute.
        name: What it is called in errors.
        log: Standard output and error of the agent and of all that it runs.
    """

    def __init__(
        self, root: Path, *, name: str, venv: Path, environ: Mapping[str, str] | None = None
    ) -> None:
        self.root = root.resolve()
        self.name = name
        self.log = self.path("var/log/os-collect-config.log")
        self._venv = venv.absolute()
        self._environ = dict(environ or {})
        self._agent: subprocess.Popen[bytes] | None = None

    @classmethod
    def create(
        cls,
        directory: Path,
        *,
        name: str = "server",
        venv: Path = Path(sys.prefix),
        polling_interval_s: float = 1,
        environ: Mapping[str, str] | None = None,
    ) -> Guest:
        """Lay a guest out; a directory that holds one already keeps its state.

        Args:
            directory: Made if it is missing.
            name: For errors.
            venv: The virtual environment with heat-zaqar-transport[agent] in it.
            polling_interval_s: Pause between two collections, seconds. It goes before the
                interval that the metadata asks for.
            environ: Laid over the environment of the agent and its hooks.

        Raises:
            GuestError: The virtual environment lacks a command.
        """
        guest = cls(directory, name=name, venv=venv, environ=environ)
        directory.mkdir(parents=True, exist_ok=True)
        layout = subprocess.run(
            [LAYOUT_COMMAND, guest.root, guest._venv], capture_output=True, text=True, check=False
        )
        if layout.returncode:
            raise GuestError(f"{name} cannot be laid out: {layout.stderr.strip()}")
        for made in ("root", "tmp", "var/log", "var/lib/heat-config"):
            guest.path(made).mkdir(parents=True, exist_ok=True)
        local = LOCAL_CONF.format(
            root=guest.root, interval_s=polling_interval_s, reboot=REBOOT_COMMAND
        )
        guest.path("etc/os-collect-config-local.conf").write_text(local)
        guest._make_rebootable()
        return guest

    def _make_rebootable(self) -> None:
        command = self.path(REBOOT_COMMAND)
        command.parent.mkdir(parents=True, exist_ok=True)
        command.write_text(REBOOT_SCRIPT.format(root=self.root, asked=REBOOTS_ASKED))
        command.chmod(0o755)
        if not self.path(BOOT_ID).exists():
            self._renew_boot_id()

    def _renew_boot_id(self) -> None:
        self.path(BOOT_ID).write_text(f"{uuid.uuid4()}\n")

    def path(self, relative: str | Path) -> Path:
        """Return the path of one of the guest's files, such as "etc/os-collect-config.conf"."""
        return self.root / relative

    def boot_config(self, os_collect_config: Mapping[str, Any], **metadata: Any) -> None:
        """Store boot-time metadata where cloud-init stores it, mode 0600.

        Args:
            os_collect_config: What a server's attribute `os_collect_config` holds.
            metadata: Further keys of the document, such as `deployments`.
        """
        document = {**metadata, "os-collect-config": dict(os_collect_config)}
        target = self.path("var/lib/heat-cfntools/cfn-init-data")
        new = target.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text(json.dumps(document))
        new.replace(target)

    def environ(self) -> dict[str, str]:
        """Return the environment that the agent and its hooks run in."""
        hooks = self.path("usr/libexec/heat-config/hooks")
        own = {
            # Where the system looks, and last the virtual environment, so that
            # deployments find the system's python3.
            "PATH": f"{self.root}/usr/local/bin:{os.defpath}:/usr/sbin:/sbin:{self._venv}/bin",
            # The `local` collector fails in other locales; C makes Python use UTF-8.
            "LC_ALL": "C",
            "HOME": f"{self.root}/root",
            "TMPDIR": f"{self.root}/tmp",
            "OS_REFRESH_CONFIG_BASE_DIR": f"{self.root}/usr/libexec/os-refresh-config",
            "OS_CONFIG_APPLIER_TEMPLATES": f"{self.root}/usr/libexec/os-apply-config/templates",
            "OS_CONFIG_FILES_PATH": f"{self.root}/var/lib/os-collect-config/os_config_files.json",
            "OS_APPLY_CONFIG_OUTPUT": str(self.root),
            "HEAT_SHELL_CONFIG": f"{self.root}/var/run/heat-config/heat-config",
            "HEAT_CONFIG_HOOKS": str(hooks),
            "HEAT_CONFIG_DEPLOYED": f"{self.root}/var/lib/heat-config/deployed",
            "HEAT_SCRIPT_WORKING": f"{self.root}/var/lib/heat-config/heat-config-script",
            "HEAT_SCRIPT_OUTPUTS": f"{self.root}/var/run/heat-config/heat-config-script",
            "HEAT_ZAQAR_CONFIG": os.pathsep.join(str(path) for path in self._config_files()),
            "HEAT_ZAQAR_BOOT_ID_FILE": str(self.path(BOOT_ID)),
            GUEST_VARIABLE: str(self.root),
        }
        kept = ("PYTHONWARNINGS", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "no_proxy", "NO_PROXY")
        return {
            **{key: os.environ[key] for key in kept if key in os.environ},
            **own,
            **self._environ,
        }

    @property
    def running(self) -> bool:
        """Whether the agent lives."""
        return self._agent is not None and self._agent.poll() is None

    def start(self, debug: bool = False) -> None:
        """Start the agent; its log is continued.

        Args:
            debug: Log what os-collect-config and its libraries do in detail.

        Raises:
            GuestError: It runs already.
        """
        if self.running:
            raise GuestError(f"{self.name} runs already")
        with self.log.open("ab") as log:
            self._agent = subprocess.Popen(
                self._command(*(["--debug"] if debug else [])),
                cwd=self.root,
                env=self.environ(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def run_once(self) -> subprocess.CompletedProcess[str]:
        """Collect and apply once, whether anything has changed or not, and wait for the end."""
        return subprocess.run(
            self._command("--one-time", "--force"),
            cwd=self.root,
            env=self.environ(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN_ONCE_TIMEOUT_S,
            check=False,
        )

    def stop(self) -> None:
        """Stop the agent as an orderly shutdown does: SIGTERM, and SIGKILL after 10 s.

        Whatever the agent has left running is ended too. Does nothing when nothing runs.
        """
        processes = list(self._processes())
        _send(processes, signal.SIGTERM)
        _, left = psutil.wait_procs(processes, timeout=STOP_TIMEOUT_S)
        _send(left, signal.SIGKILL)
        self.kill()

    def kill(self) -> None:
        """Kill the agent and everything below it at once, as a power failure would.

        Raises:
            GuestError: A process outlives SIGKILL by 10 s.
        """
        deadline = time.monotonic() + KILL_TIMEOUT_S
        while processes := list(self._processes()):
            # Again until none is left: a process may have started another meanwhile.
            _send(processes, signal.SIGKILL)
            psutil.wait_procs(processes, timeout=1)
            if time.monotonic() > deadline:
                raise GuestError(f"{self.name}: cannot be killed: {processes}")
        if self._agent is not None:
            self._agent.wait(timeout=KILL_TIMEOUT_S)

    def reboot(self, debug: bool = False) -> None:
        """Lose all processes and what lay below /var/run, and start with a new boot id.

        Args:
            debug: As for `start`.
        """
        self.kill()
        run = self.path("var/run")
        shutil.rmtree(run)
        run.mkdir()
        self._renew_boot_id()
        self.start(debug)

    @property
    def reboots_asked(self) -> int:
        """How many times the agent has run the reboot command."""
        asked = self.path(REBOOTS_ASKED)
        return len(asked.read_text().splitlines()) if asked.exists() else 0

    def wait_log(self, regex: str, timeout_s: float, *, since: int = 0) -> re.Match[str]:
        """Wait until a line in the log matches.

        Args:
            regex: Searched for in the whole text, `^` and `$` matching at lines.
            timeout_s: Seconds.
            since: Offset in the log, bytes, to search from; see `log_size`.

        Raises:
            GuestError: It did not come in time, or the agent has ended.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            alive = self.running
            text = self._log_text(since)
            if match := re.search(regex, text, re.MULTILINE):
                return match
            if not alive:
                raise GuestError(f"{self.name} does not run. Its log ends:\n{text[-2000:]}")
            if time.monotonic() > deadline:
                what = f"{self.name}: no {regex!r} in its log within {timeout_s} s"
                raise GuestError(f"{what}. It ends:\n{text[-2000:]}")
            time.sleep(POLL_S)

    def wait_for(self, condition: Callable[[], object], timeout_s: float, what: str) -> None:
        """Wait until a condition holds.

        Args:
            condition: Called every 50 ms.
            timeout_s: Seconds.
            what: For the error: what is waited for.

        Raises:
            GuestError: It did not hold in time.
        """
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise GuestError(f"{self.name}: waited {timeout_s} s for {what}")
            time.sleep(POLL_S)

    @property
    def log_size(self) -> int:
        """The log's length now, bytes: where `wait_log` can begin."""
        return self.log.stat().st_size if self.log.exists() else 0

    def _log_text(self, since: int) -> str:
        if not self.log.exists():
            return ""
        with self.log.open("rb") as log:
            log.seek(since)
            return log.read().decode(errors="replace")

    def _config_files(self) -> list[Path]:
        return [
            self.path("etc/os-collect-config.conf"),
            self.path("etc/os-collect-config-local.conf"),
        ]

    def _command(self, *options: str) -> list[str]:
        # An absolute path: the agent starts itself anew by it.
        command = [str(self.path("usr/local/bin/os-collect-config-zaqar"))]
        for path in self._config_files():
            command += ["--config-file", str(path)]
        # Not from the metadata's `command`: os-refresh-config locks /var/run otherwise.
        refresh = ["os-refresh-config", "--lockfile", f"{self.root}/var/run/os-refresh-config.lock"]
        return [*command, "--command", shlex.join(refresh), *options]

    def _processes(self) -> Iterator[psutil.Process]:
        """Find the guest's living processes: by descent, and by their environment."""
        below: set[int] = set()
        if self.running and self._agent is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                agent = psutil.Process(self._agent.pid)
                below = {child.pid for child in (agent, *agent.children(recursive=True))}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                mine = process.pid in below or self._is_marked(process)
                if mine and process.status() != psutil.STATUS_ZOMBIE:
                    yield process

    def _is_marked(self, process: psutil.Process) -> bool:
        return process.environ().get(GUEST_VARIABLE) == str(self.root)


def _send(processes: list[psutil.Process], signal_number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal_number)
