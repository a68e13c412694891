# SPDX-License-Identifier: Apache-2.0
"""The module that os-collect-config takes for its `zaqar` collector.

os-collect-config asks a collector module for `name`, `opts` and `Collector`, makes a
new `Collector` for each look, and understands two errors: "not configured", passed over
quietly, and "not available", logged. Either drops our file out of what
os-refresh-config sees, so that both are kept for when there is nothing to give at all.
"""

import functools
import random
from typing import Any

from os_collect_config import exc as collect_errors
from os_collect_config import merger
from os_collect_config import zaqar as released
from oslo_config import cfg
from oslo_log import log as logging

from heat_zaqar_collector import loop, outbox, push, trust
from heat_zaqar_collector import settings as agent_settings
from heat_zaqar_collector.pace import Pace
from heat_zaqar_collector.source import Source, open_source
from heat_zaqar_collector.watch import Watch, ignore_acks
from heat_zaqar_transport.wire.errors import HeatZaqarError, NotConfigured

LOG = logging.getLogger(__name__)

name = released.name
opts = released.opts

_PATIENCE = loop.Patience(name)


class Collector:
    """Gives os-collect-config the present snapshot, when there is a new one.

    Args:
        watch: Where it comes from; `None`: what the configuration says.
    """

    def __init__(self, watch: Watch | None = None) -> None:
        self._watch = watch

    def collect(self) -> list[tuple[str, Any]]:
        """Return the metadata document, and what it holds for os-apply-config, by file name.

        The first call of a process returns at once, and each later one when there is a new
        snapshot, or after os-collect-config's `polling_interval`, so that its other
        collectors have their turn.

        Raises:
            SourceNotConfigured: This server has no `[zaqar]` options.
            SourceNotAvailable: There has never been a snapshot, or it could not be kept.
        """
        loop.heed_sighup()
        try:
            watch = self._watch or _configured_watch()
            snapshot = watch.next(_PATIENCE.seconds(cfg.CONF.polling_interval))
        except NotConfigured as exc:
            LOG.warning("Nothing is collected over Zaqar: %s", exc)
            raise collect_errors.ZaqarMetadataNotConfigured(str(exc)) from exc
        except HeatZaqarError as exc:
            LOG.error("Nothing is collected over Zaqar: %s", exc)
            raise collect_errors.ZaqarMetadataNotAvailable(str(exc)) from exc
        if snapshot is None:
            raise collect_errors.ZaqarMetadataNotAvailable("no snapshot has arrived yet")
        merged: list[tuple[str, Any]] = merger.merged_list_from_content(
            dict(snapshot.document), cfg.CONF.deployment_key, name
        )
        return merged


@functools.cache
def _configured_watch() -> Watch:
    """Open what is configured once: its connections and its token serve every look.

    The outbox begins to resend with it.

    os-collect-config starts itself anew when its configuration file changes.
    """
    conf = cfg.CONF
    settings = agent_settings.from_conf(conf)
    if settings.metadata_url is None and settings.keystone is None:
        missing = ", ".join(agent_settings.missing_keystone_options(conf))
        raise NotConfigured(
            "[zaqar] metadata_url", f"is not set, and neither are all Keystone options: {missing}"
        )
    trust.warn_if_insecure(settings.verify)
    source = open_source(settings)
    pushed = _push(settings, source)
    results = outbox.open_outbox(settings, source.farewell, pushed)
    if results is not None:
        results.start()
    return Watch(
        source=source,
        push=pushed,
        pace=Pace(random.random),
        longest_s=settings.poll_longest_s,
        interrupt=loop.restart_on_change(conf.config_file),
        note=results.note if results else ignore_acks,
    )


def _push(settings: agent_settings.Settings, source: Source) -> push.Push:
    try:
        return push.choose(settings, source)
    except NotConfigured as exc:
        LOG.error("No push, the queue is polled instead: %s", exc)
        return push.Push()
