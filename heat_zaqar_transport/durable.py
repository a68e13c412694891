# SPDX-License-Identifier: Apache-2.0
"""Files that survive a crash: whole or not at all, and on the disk when the call returns.

A file is written beside its target, synced, renamed over it, and the directory is
synced too; without the last step a power loss may undo the rename. Files are mode
0600, directories 0700: they hold configuration with its secrets.
"""

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from heat_zaqar_transport.wire.errors import StateError

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700


def make_directory(path: Path) -> None:
    """Create a directory, and its parents, unless it is there.

    Raises:
        StateError: It cannot be created.
    """
    try:
        path.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    except OSError as exc:
        raise StateError(path, exc.strerror) from exc


def write_json(path: Path, value: object) -> None:
    """Replace a file with the JSON of a value, durably and in one step.

    Raises:
        StateError: The disk is full, read-only or otherwise unwilling; the file that
            was there before is untouched.
    """
    write_bytes(path, json.dumps(value).encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file with other content, durably and in one step.

    Raises:
        StateError: As for `write_json`.
    """
    make_directory(path.parent)
    try:
        _replace(path, content)
    except OSError as exc:
        raise StateError(path, exc.strerror) from exc


def read_json(path: Path) -> Any:
    """Return the value of a JSON file; `None` when there is no such file.

    Raises:
        StateError: The file cannot be read, or is no JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise StateError(path, exc.strerror) from exc
    except (ValueError, RecursionError) as exc:
        raise StateError(path, f"not JSON: {exc}") from exc


def remove(path: Path) -> None:
    """Remove a file; one that is not there does not matter.

    Not synced: a file that a power loss brings back is removed again by the next try.

    Raises:
        StateError: It cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as exc:
        raise StateError(path, exc.strerror) from exc


def remove_litter(directory: Path) -> None:
    """Remove the files of writes that a crash cut short; nobody may be writing there.

    Raises:
        StateError: One cannot be removed, or the directory cannot be read.
    """
    try:
        # As _replace() names them.
        left = list(directory.glob(".*.json.*"))
    except OSError as exc:
        raise StateError(directory, exc.strerror) from exc
    for path in left:
        remove(path)


def _replace(path: Path, content: bytes) -> None:
    # mkstemp creates with mode 0600 and a name that no crashed run left behind.
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
    _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
