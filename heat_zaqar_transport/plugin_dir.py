# SPDX-License-Identifier: Apache-2.0
"""The command `heat-zaqar-plugin-dir`: what to add to Heat's `plugin_dirs`."""

import argparse
from pathlib import Path

import heat_zaqar_transport

PLUGIN_DIR = Path(heat_zaqar_transport.__file__).parent / "plugin"


def main() -> int:
    """Print the directory of the plugin module."""
    argparse.ArgumentParser(
        prog="heat-zaqar-plugin-dir",
        description="Print the directory to add to plugin_dirs in heat.conf. A system-wide "
        "install needs this only where its lib/heat is not in plugin_dirs already.",
    ).parse_args()
    print(PLUGIN_DIR)
    return 0
