# SPDX-License-Identifier: Apache-2.0
"""heat-agents' own scripts, fetched at run time: they are no part of this project.

Its wheel holds no scripts at all, its sdist does.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.errors import NoReleasedAgent

VERSION = "13.0.0"
FETCH_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class ReleasedScripts:
    """The three scripts that an image gets of heat-agents.

    Attributes:
        directory: Where its sources lie.
    """

    directory: Path

    @property
    def runner(self) -> Path:
        """What os-refresh-config runs."""
        return self.directory / "heat-config/os-refresh-config/configure.d/55-heat-config"

    @property
    def notify(self) -> Path:
        """What sends a result."""
        return self.directory / "heat-config/bin/heat-config-notify"

    @property
    def script_hook(self) -> Path:
        """What runs a config of the group `script`."""
        return self.directory / "heat-config-script/install.d/hook-script.py"

    @property
    def complete(self) -> bool:
        """Whether all are there."""
        return all(path.is_file() for path in (self.runner, self.notify, self.script_hook))


def default_cache() -> Path:
    """Return where fetched sources are kept from one run to the next."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "heat-zaqar-bench"


def fetch(cache: Path) -> ReleasedScripts:
    """Return the released scripts, from the cache or else by pip.

    Args:
        cache: Directory to keep them in; made if it is missing.

    Raises:
        NoReleasedAgent: They are not there and pip cannot get them.
    """
    scripts = ReleasedScripts(cache / f"heat-agents-{VERSION}")
    if scripts.complete:
        return scripts
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as work:
            _unpack(_download(Path(work)), Path(work))
            shutil.rmtree(scripts.directory, ignore_errors=True)
            (Path(work) / "source").rename(scripts.directory)
    except (OSError, tarfile.TarError) as error:
        raise NoReleasedAgent(f"heat-agents {VERSION} cannot be unpacked: {error}") from error
    if not scripts.complete:
        raise NoReleasedAgent(f"heat-agents {VERSION} lacks scripts in {scripts.directory}")
    return scripts


def _download(directory: Path) -> Path:
    options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-binary", ":all:")
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(directory)]
    try:
        done = subprocess.run(
            [*command, f"heat-agents=={VERSION}"],
            capture_output=True,
            text=True,
            check=False,
            timeout=FETCH_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        raise NoReleasedAgent(f"pip took more than {FETCH_TIMEOUT_S:.0f} s") from None
    found = list(directory.glob("heat_agents-*.tar.gz"))
    if done.returncode or not found:
        told = done.stderr.strip().rpartition("\n")[2] or f"exit status {done.returncode}"
        raise NoReleasedAgent(f"pip cannot fetch heat-agents {VERSION}: {told}")
    return found[0]


def _unpack(archive: Path, directory: Path) -> None:
    """Unpack an sdist, without its outermost directory's name, into `source`."""
    unpacked = directory / "unpacked"
    with tarfile.open(archive) as sdist:
        sdist.extractall(unpacked, filter="data")
    (top,) = unpacked.iterdir()
    top.rename(directory / "source")
