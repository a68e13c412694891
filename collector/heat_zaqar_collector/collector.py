# SPDX-License-Identifier: Apache-2.0
"""The module that os-collect-config takes for its `zaqar` collector.

os-collect-config asks a collector module for `name`, `opts` and `Collector`, makes a
new `Collector` for each look, and understands two errors: "not configured", passed over
quietly, and "not available", logged. Either drops our file out of what
os-refresh-config sees, so that both are kept for when there is nothing to give at all.
"""

import functools
from typing import Any

from os_collect_config import exc as collect_errors
from os_collect_config import merger
from os_collect_config import zaqar as released
from oslo_config import cfg
from oslo_log import log as logging

from heat_zaqar_collector import settings as agent_settings
from heat_zaqar_collector.source import Source, open_source
from heat_zaqar_transport.wire.errors import HeatZaqarError, NotConfigured

LOG = logging.getLogger(__name__)

name = released.name
opts = released.opts


class Collector:
    """Gives os-collect-config the present snapshot.

    Args:
        source: Where it comes from; `None`: what the configuration says.
    """

    def __init__(self, source: Source | None = None) -> None:
        self._source = source

    def collect(self) -> list[tuple[str, Any]]:
        """Return the metadata document, and what it holds for os-apply-config, by file name.

        Raises:
            SourceNotConfigured: This server has no `[zaqar]` options.
            SourceNotAvailable: There has never been a snapshot, or it could not be kept.
        """
        try:
            snapshot = (self._source or _configured_source()).collect()
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
def _configured_source() -> Source:
    """Open the configured source once: its connection and its token serve every look.

    os-collect-config starts itself anew when its configuration file changes.
    """
    conf = cfg.CONF
    settings = agent_settings.from_conf(conf)
    if settings.metadata_url is None and settings.keystone is None:
        missing = ", ".join(agent_settings.missing_keystone_options(conf))
        raise NotConfigured(
            "[zaqar] metadata_url", f"is not set, and neither are all Keystone options: {missing}"
        )
    return open_source(settings)
