"""The virtual environment of Nova and of what it needs, made when it is first asked for.

It is apart from Heat's: Nova, Neutron and Glance bring 150 distributions that nothing else uses.

The constraints name all of them, so pip need not find out what belongs together; it only checks
that. Nor does it compile them: a cloud imports a part of them, and Python compiles that part then.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import fasteners  # type: ignore[import-untyped]  # ships no type information

from localcloud.errors import LocalCloudError
from localcloud.plan import REPO_ROOT

VARIABLE = "LOCALCLOUD_COMPUTE_VENV"
_REQUIREMENTS = REPO_ROOT / "requirements-compute.txt"
_CONSTRAINTS = REPO_ROOT / "constraints-compute.txt"
_LAST_LINES = 5


def ensure() -> Path:
    """See to it that the environment is there, as the two files of this checkout say.

    Returns:
        Its directory: ``$LOCALCLOUD_COMPUTE_VENV``, or ``.venv-compute`` in the checkout.

    Raises:
        LocalCloudError: pip could not make it.
    """
    venv = Path(os.environ.get(VARIABLE) or REPO_ROOT / ".venv-compute").absolute()
    wanted = _REQUIREMENTS.read_bytes() + _CONSTRAINTS.read_bytes()
    stamp = venv / f".ready-{hashlib.sha256(wanted).hexdigest()[:16]}"
    # Another process may be making it.
    with fasteners.InterProcessLock(venv.with_name(f"{venv.name}.lock")):
        if not stamp.exists():
            _make(venv)
            stamp.touch()
    return venv


def _make(venv: Path) -> None:
    _run(sys.executable, "-m", "venv", "--clear", "--without-pip", str(venv))
    pip = (sys.executable, "-m", "pip", "--python", str(venv / "bin" / "python"))
    _run(
        *pip, "install", "--quiet", "--no-deps", "--no-compile", "--requirement", str(_CONSTRAINTS)
    )
    _run(*pip, "check")


def _run(*command: str) -> None:
    # Without this checkout in Python's path, which `pip check` would take for installed.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, env=env, cwd="/", capture_output=True, text=True, check=False)
    if done.returncode != 0:
        told = (done.stdout + done.stderr).splitlines()
        last = "\n".join(told[-_LAST_LINES:])
        raise LocalCloudError(f"{' '.join(command)} failed:\n{last}")


if __name__ == "__main__":
    ensure()
