# SPDX-License-Identifier: Apache-2.0
"""The command `os-collect-config-zaqar`: os-collect-config with our collector in it.

os-collect-config's table of collectors is a fixed dictionary with no way to add to it, so
that its `zaqar` entry is replaced before its own `main` runs. Every option and every
other collector is as released.
"""

import json
import sys
from pathlib import Path

from os_collect_config import collect, version
from oslo_config import cfg
from oslo_log import log as logging

from heat_zaqar_collector import collector, settings
from heat_zaqar_transport.wire.errors import NotConfigured, StateError

LOG = logging.getLogger(__name__)


def main() -> int:
    """Run os-collect-config; its options, its arguments, its exit status."""
    collect.COLLECTORS[collector.name] = collector
    settings.register(cfg.CONF)
    try:
        _prepare()
        return int(collect.main(sys.argv) or 0)
    except (json.JSONDecodeError, UnicodeDecodeError) as exc:
        LOG.error("os-collect-config cannot read its cache: %s", exc)
        _drop_damaged_marks(Path(cfg.CONF.cachedir))
    except (OSError, ValueError, cfg.Error) as exc:
        # A cache directory that is full or read-only; an option or argument in error.
        LOG.error("os-collect-config cannot go on: %s", settings.without_content(exc))
    return 1


def _prepare() -> None:
    """Set up logging, and no pause where our collector itself waits for changes.

    os-collect-config 14 sets logging up unless there are handlers, to spare its unit tests;
    but oslo.log now adds one while options are registered, so that it never does, and INFO
    is lost.
    """
    collect.setup_conf()
    cfg.CONF(
        args=sys.argv[1:],
        prog="os-collect-config",
        version=version.version_info.version_string(),
    )
    # Standard output is for --print.
    cfg.CONF.set_default("use_stderr", True)
    logging.setup(cfg.CONF, "os-collect-config")
    waits = _waits()
    # Options can be registered, which os-collect-config does next, only before parsing.
    cfg.CONF.reset()
    if waits:
        # Its pauses are this one, doubled each time.
        cfg.CONF.set_override("min_polling_interval", 0)


def _waits() -> bool:
    """Tell whether our collector is used, and has a queue that it can wait for."""
    if collector.name not in cfg.CONF.collectors:
        return False
    try:
        agent = settings.from_conf(cfg.CONF)
    except (NotConfigured, StateError):
        return False  # told when it collects
    return agent.metadata_url is not None or agent.keystone is not None


def _drop_damaged_marks(cache: Path) -> None:
    """Delete marks of "applied already" that a full disk or a power loss has cut short.

    os-collect-config would stumble over them at every start. Without its mark a document
    counts as changed, and is applied once more.
    """
    for mark in cache.glob("*.json.last"):
        try:
            json.loads(mark.read_bytes())
        except ValueError:
            LOG.warning("Deleting %s, which is no JSON", mark)
            mark.unlink()
