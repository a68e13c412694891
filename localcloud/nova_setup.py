"""Makes Nova's tables and its one cell without importing Nova four times.

It runs in the virtual environment of Nova, and calls what ``nova-manage`` calls, whose own entry
point can be run only once in a process. The address of cell0's database is taken from the
environment variable ``NOVA_CELL0_URL``: it has a password in it.
"""

from __future__ import annotations

import os
import sys

from nova import config, objects  # type: ignore[import-not-found]
from nova.cmd import manage  # type: ignore[import-not-found]


def main() -> None:
    """Do what takes four runs of ``nova-manage``; the first argument is nova.conf."""
    config.parse_args(["nova-manage", "--config-file", sys.argv[1]])
    objects.register_all()
    cells = manage.CellV2Commands()
    statuses = (
        manage.ApiDbCommands().sync(),
        cells.map_cell0(os.environ["NOVA_CELL0_URL"]),
        manage.DbCommands().sync(),
        cells.create_cell(name="cell1"),
    )
    if any(statuses):
        sys.exit(f"nova-manage's commands ended with {statuses}")


if __name__ == "__main__":
    main()
