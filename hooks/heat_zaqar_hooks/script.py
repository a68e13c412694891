# SPDX-License-Identifier: Apache-2.0
"""`heat-config-hook-script`: the hook of group `script`, as heat-agents' one behaves.

The config's text is run as a program. Inputs are environment variables; the value of
output NAME is what the script leaves in the file `$heat_outputs_path.NAME`. No input is
ever logged, and neither script nor outputs stay on the disk.
"""

import argparse
import contextlib
import errno
import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from heat_zaqar_hooks import configs, logs, results
from heat_zaqar_hooks.errors import UnusableConfig
from heat_zaqar_hooks.inputs import Inputs
from heat_zaqar_hooks.results import Outputs
from heat_zaqar_transport import durable
from heat_zaqar_transport.wire.errors import HookFailed, StateError

LOG = logging.getLogger(__name__)

WORKING_VARIABLE = "HEAT_SCRIPT_WORKING"
OUTPUTS_VARIABLE = "HEAT_SCRIPT_OUTPUTS"
DEFAULT_WORKING = "/var/lib/heat-config/heat-config-script"
DEFAULT_OUTPUTS = "/var/run/heat-config/heat-config-script"

OUTPUTS_PATH = "heat_outputs_path"
SCRIPT_MODE = 0o700
SHELL = "/bin/sh"

_EPILOG = """\
environment (with defaults):
  HEAT_SCRIPT_WORKING  where scripts are written and run
                       (/var/lib/heat-config/heat-config-script)
  HEAT_SCRIPT_OUTPUTS  where scripts leave their outputs
                       (/var/run/heat-config/heat-config-script)

exit status:
  0  there is a result on standard output, be it of a script that failed
  1  standard input is no config"""


@dataclass(frozen=True)
class ScriptPlaces:
    """Directories of the script hook; created with mode 0700 where they are missing.

    Attributes:
        working_dir: Where scripts are written and run.
        outputs_dir: Where scripts leave their outputs.
    """

    working_dir: Path
    outputs_dir: Path

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "ScriptPlaces":
        """Read the environment; a variable that is empty counts as not set."""
        return cls(
            Path(environ.get(WORKING_VARIABLE) or DEFAULT_WORKING),
            Path(environ.get(OUTPUTS_VARIABLE) or DEFAULT_OUTPUTS),
        )

    def clean(self, config_id: str) -> None:
        """Remove a script and its outputs, which a hook that was killed leaves behind."""
        _remove(self.working_dir / config_id, self.outputs_dir / config_id)


def run(document: Mapping[str, Any], places: ScriptPlaces, environ: Mapping[str, str]) -> Outputs:
    """Run a config's script and return its outputs; what cannot be run is a failed result.

    Args:
        document: The derived config.
        places: Directories.
        environ: What the script's environment starts from.
    """
    try:
        return _run(document, places, environ)
    except (HookFailed, StateError, UnusableConfig) as exc:
        return results.failed(str(exc))


def main(
    argv: Sequence[str] | None = None,
    stdin: TextIO | None = None,
    stdout: TextIO | None = None,
) -> int:
    """Read a config, run its script, print the result; return the exit status."""
    _parser().parse_args(argv)
    logs.configure()
    try:
        document = results.parse_outputs((stdin or sys.stdin).read())
        if document is None:
            LOG.error("standard input is no JSON object")
            return 1
        outputs = run(document, ScriptPlaces.from_environ(os.environ), os.environ)
    except Exception as exc:
        logs.unexpected(LOG, exc)
        return 1
    print(json.dumps(outputs), file=stdout or sys.stdout)
    return 0


def _run(document: Mapping[str, Any], places: ScriptPlaces, environ: Mapping[str, str]) -> Outputs:
    config_id, text = _id_and_text(document)
    prefix = places.outputs_dir / config_id
    environment = _environment(environ, Inputs.parse(document), prefix)
    with _files(places.working_dir / config_id, text, prefix) as script:
        done = _execute(script, environment)
        told = _collect(document, prefix)
    LOG.info("script %s %s", config_id, results.how_it_ended(done.returncode))
    return {**told, **_logs_and_status(done)}


def _id_and_text(document: Mapping[str, Any]) -> tuple[str, str]:
    config_id, text = document.get("id"), document.get("config")
    if not configs.is_id(config_id):
        raise HookFailed("the config's id is missing or unusable")
    if text is not None and not isinstance(text, str):
        raise HookFailed("the config is no text, so it is no script")
    return str(config_id), text or ""


def _environment(environ: Mapping[str, str], inputs: Inputs, prefix: Path) -> dict[bytes, bytes]:
    variables = {os.fsencode(name): os.fsencode(value) for name, value in environ.items()}
    variables |= dict(_variable(name, value) for name, value in inputs.items())
    variables[OUTPUTS_PATH.encode()] = os.fsencode(prefix)
    return variables


def _variable(name: str, value: object) -> tuple[bytes, bytes]:
    if not name or "=" in name or "\0" in name:
        raise HookFailed(f"input {name!r} cannot be the name of an environment variable")
    text = configs.as_text(value)
    if "\0" in text:
        raise HookFailed(f"the value of input {name} holds a NUL character")
    try:
        return name.encode(), text.encode()
    except UnicodeEncodeError as exc:
        raise HookFailed(f"input {name!a} holds half of a surrogate pair") from exc


@contextlib.contextmanager
def _files(script: Path, text: str, prefix: Path) -> Iterator[Path]:
    """Provide the script's file and a clean place for its outputs; leave nothing behind."""
    durable.make_directory(script.parent)
    durable.make_directory(prefix.parent)
    _remove(script, prefix)
    try:
        _write(script, text)
        yield script
    finally:
        _remove(script, prefix)


def _write(script: Path, text: str) -> None:
    # O_EXCL: never through a link that somebody put there.
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
    try:
        with os.fdopen(os.open(script, flags, SCRIPT_MODE), "wb") as file:
            file.write(text.encode(errors="surrogatepass"))
    except OSError as exc:
        raise StateError(script, exc.strerror) from exc


def _remove(script: Path, prefix: Path) -> None:
    with contextlib.suppress(OSError):
        script.unlink(missing_ok=True)
    for path in prefix.parent.glob(f"{prefix.name}.*"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                path.unlink()


def _execute(
    script: Path, environment: Mapping[bytes, bytes]
) -> subprocess.CompletedProcess[bytes]:
    try:
        return _start_as_a_shell_would(script, environment)
    except OSError as exc:
        asked_for = _interpreter(script) if exc.errno == errno.ENOENT else ""
        raise HookFailed(f"the script cannot be started: {exc.strerror}{asked_for}") from exc


def _interpreter(script: Path) -> str:
    """Quote the first line: a missing interpreter reads as a missing script otherwise."""
    first_line = script.read_bytes().partition(b"\n")[0].decode(errors="replace")
    return f" ({first_line})" if first_line.startswith("#!") else ""


def _start_as_a_shell_would(
    script: Path, environment: Mapping[bytes, bytes]
) -> subprocess.CompletedProcess[bytes]:
    try:
        return _start([script], script.parent, environment)
    except OSError as exc:
        if exc.errno != errno.ENOEXEC:
            raise
    # Its first line names no interpreter.
    return _start([SHELL, script], script.parent, environment)


def _start(
    command: Sequence[str | Path], directory: Path, environment: Mapping[bytes, bytes]
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )


def _collect(document: Mapping[str, Any], prefix: Path) -> Outputs:
    """Read the declared outputs that the script left; one that it did not leave is absent."""
    found: Outputs = {}
    for name in _output_names(document.get("outputs")):
        # ValueError: a NUL in the name.
        with contextlib.suppress(OSError, ValueError):
            content = Path(f"{prefix}.{name}").read_bytes()
            found[name] = content.decode(errors="replace")
    return found


def _output_names(outputs: object) -> list[str]:
    declared = outputs if isinstance(outputs, list) else []
    names = (item.get("name") for item in declared if isinstance(item, dict))
    return [name for name in names if isinstance(name, str)]


def _logs_and_status(done: subprocess.CompletedProcess[bytes]) -> Outputs:
    stdout, stderr = (log.decode(errors="replace") for log in (done.stdout, done.stderr))
    status = results.exit_status(done.returncode)
    if done.returncode < 0:
        reason = f"the script {results.how_it_ended(done.returncode)}"
        return results.failed(reason, stdout=stdout, stderr=stderr, status=status)
    return {results.STDOUT: stdout, results.STDERR: stderr, results.STATUS: status}


def _parser() -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog="heat-config-hook-script",
        description="Run the script of a config, read as JSON from standard input.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
