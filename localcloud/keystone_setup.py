"""Makes Keystone's tables and administrator without importing Keystone twice.

Two runs of ``keystone-manage`` would spend two seconds each on imports.
The administrator's password is taken from the environment variable ``OS_BOOTSTRAP_PASSWORD``.
"""

from __future__ import annotations

import argparse
import sys

import keystone.conf  # type: ignore[import-untyped]
from keystone.cmd import cli  # type: ignore[import-untyped]


def main() -> None:
    """Run ``db_sync``, then ``bootstrap``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("config_file", help="keystone.conf")
    parser.add_argument("url", help="Keystone's address, without /v3")
    parser.add_argument("region", help="region of its endpoint")
    arguments = parser.parse_args()
    # Without /v3: heat-api-cfn appends it to the catalog's address.
    endpoint = ["--bootstrap-region-id", arguments.region]
    for interface in ("public", "internal", "admin"):
        endpoint += [f"--bootstrap-{interface}-url", arguments.url]
    for command in (["db_sync"], ["bootstrap", *endpoint]):
        sys.argv = ["keystone-manage", "--config-file", arguments.config_file, *command]
        cli.main(argv=sys.argv)
        # It takes options only before it has read a command line.
        keystone.conf.CONF.reset()


if __name__ == "__main__":
    main()
