"""Serves one WSGI application with gunicorn; run as ``python -m localcloud.wsgi``.

OpenStack's WSGI modules read their configuration when they are imported, from ``sys.argv``: it is
set to what follows ``--`` on the command line. The application is loaded once, before gunicorn
forks: on a small machine importing it in each worker would double the time to start.

The access log leaves query strings out, since signed URLs carry their signature there.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from typing import Any

from gunicorn.app.base import BaseApplication

# Longer than any client of ours keeps an idle connection: it must not send into one that is being
# closed.
_KEEPALIVE_S = 120
_REQUEST_TIMEOUT_S = 120
_STOP_GRACE_S = 2
# Time, method, path, status, who asked (user agent, and Zaqar's Client-ID), and the bytes of
# the request's body, "-" where there is none.
_ACCESS_FORMAT = '%(t)s %(m)s %(U)s %(s)s "%(a)s" %({client-id}i)s %({content-length}i)s'


class Server(BaseApplication):
    """gunicorn with options from here instead of from a file.

    Args:
        module: module that makes the application when imported.
        attribute: the application's name in it.
        argv: what the module shall find in ``sys.argv``.
        options: gunicorn's settings by name.
    """

    def __init__(
        self, module: str, attribute: str, argv: list[str], options: dict[str, Any]
    ) -> None:
        self._module = module
        self._attribute = attribute
        self._argv = argv
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        """Set gunicorn's options."""
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Import the application."""
        sys.argv = self._argv
        return getattr(importlib.import_module(self._module), self._attribute)


def options_for(
    name: str, bind: str, workers: int, threads: int, access_log: str
) -> dict[str, Any]:
    """Give gunicorn's settings.

    Args:
        name: the service's name.
        bind: ``host:port`` to listen on.
        workers: how many worker processes.
        threads: how many requests each of them serves at a time.
        access_log: file that gets a line for each request.
    """
    return {
        "bind": bind,
        "workers": workers,
        "worker_class": "gthread",
        "threads": threads,
        "preload_app": True,
        "keepalive": _KEEPALIVE_S,
        "timeout": _REQUEST_TIMEOUT_S,
        "graceful_timeout": _STOP_GRACE_S,
        "proc_name": name,
        "accesslog": access_log,
        "access_log_format": _ACCESS_FORMAT,
        "control_socket_disable": True,
        # A CFN signal URL, and a listing with many ids, are longer than gunicorn's 4094 bytes.
        "limit_request_line": 0,
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Serve one WSGI application with gunicorn.")
    parser.add_argument("--name", required=True, help="the service's name")
    parser.add_argument("--application", required=True, help="module:attribute of the application")
    parser.add_argument("--bind", required=True, help="host:port to listen on")
    parser.add_argument("--workers", type=int, default=2, help="worker processes (default: 2)")
    parser.add_argument("--threads", type=int, default=8, help="threads per worker (default: 8)")
    parser.add_argument("--access-log", required=True, help="file for a line a request")
    parser.add_argument("argv", nargs="*", help="arguments that the application shall find")
    return parser.parse_args()


def main() -> None:
    """Serve until SIGTERM."""
    arguments = _arguments()
    module, _, attribute = arguments.application.partition(":")
    options = options_for(
        arguments.name,
        arguments.bind,
        arguments.workers,
        arguments.threads,
        arguments.access_log,
    )
    Server(module, attribute, [arguments.name, *arguments.argv], options).run()


if __name__ == "__main__":
    main()
