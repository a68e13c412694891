# SPDX-License-Identifier: Apache-2.0
"""Transport names, and what AUTO stands for."""

from dataclasses import dataclass

AUTO = "AUTO"
ZAQAR_MESSAGE = "ZAQAR_MESSAGE"


@dataclass(frozen=True)
class Catalog:
    """Which of the services that carry deployments a cloud has."""

    messaging: bool
    object_store: bool
    cfn: bool


@dataclass(frozen=True)
class Preference:
    """The transports that AUTO chooses from, best first."""

    by_messaging: str
    by_object_store: str
    by_cfn: str
    otherwise: str

    def resolve(self, catalog: Catalog) -> str:
        """Return the best transport that the catalog allows."""
        if catalog.messaging:
            return self.by_messaging
        if catalog.object_store:
            return self.by_object_store
        return self.by_cfn if catalog.cfn else self.otherwise


SERVER = Preference(ZAQAR_MESSAGE, "POLL_TEMP_URL", "POLL_SERVER_CFN", "POLL_SERVER_HEAT")
SIGNAL = Preference(ZAQAR_MESSAGE, "TEMP_URL_SIGNAL", "CFN_SIGNAL", "HEAT_SIGNAL")
