"""Keystone's WSGI application, which makes its tables and its administrator at its first start.

``keystone-manage`` would spend two seconds on importing what the application imports, too. So a
child does its work after the common imports. It is a child since the application must not have
the options and the database connections that ``keystone-manage`` leaves in its process.

The administrator and Keystone's own endpoint are taken from the environment variables of
``keystone-manage bootstrap``, ``OS_BOOTSTRAP_...``.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

import keystone.conf  # type: ignore[import-untyped]
from keystone.cmd import cli  # type: ignore[import-untyped]

_DONE = Path("set-up")


def _set_up() -> None:
    """Run ``db_sync``, then ``bootstrap``."""
    for command in ("db_sync", "bootstrap"):
        file = os.environ["OS_KEYSTONE_CONFIG_FILES"]
        sys.argv = ["keystone-manage", "--config-file", file, command]
        cli.main(argv=sys.argv)
        # It takes options only before it has read a command line.
        keystone.conf.CONF.reset()
    _DONE.touch()


def _fork() -> int:
    """Set up in a child; returns its process id."""
    pid = os.fork()
    if pid == 0:
        try:
            _set_up()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return pid


_child = None if _DONE.exists() else _fork()

from keystone.wsgi.api import application  # type: ignore[import-untyped]  # noqa: E402

if _child is not None and os.waitpid(_child, 0)[1] != 0:
    sys.exit("keystone-manage has failed")

__all__ = ["application"]
