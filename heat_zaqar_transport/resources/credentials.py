# SPDX-License-Identifier: Apache-2.0
"""The credentials of one server: the present ones, and those that it may still come with.

Its metadata names the present ones. Which ones the server has shown to have is another
matter: it may be off while they are renewed. So what Heat says is sealed with the key of the
credentials that the server told of last, and what the server says may be sealed with any.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from heat_zaqar_transport import seals
from heat_zaqar_transport.resources.channel import (
    CREDENTIALS,
    CREDENTIALS_KEY,
    TOLD_KEY,
    Credentials,
)
from heat_zaqar_transport.resources.wishes import COLLECTOR, SECTION
from heat_zaqar_transport.wire.sealing import NO_SEAL, Seal


@dataclass(frozen=True)
class KnownCredentials:
    """What resource data holds of them.

    Attributes:
        by_name: All of them.
        told: Name of those that the server told of last.
    """

    by_name: Mapping[str, Credentials]
    told: str | None

    @classmethod
    def of(cls, data: Mapping[str, str]) -> "KnownCredentials":
        """Read a resource's data."""
        known = [
            Credentials.parse(value)
            for key, value in data.items()
            if key.startswith(CREDENTIALS_KEY)
        ]
        return cls({each.name: each for each in known}, data.get(TOLD_KEY))

    @property
    def latest(self) -> Credentials | None:
        """Those that were made last; `None`: there are none."""
        return max(self.by_name.values(), key=lambda each: each.renew_at, default=None)

    @property
    def to_server(self) -> Seal:
        """What seals for the server, and opens nothing that it could not."""
        # Whatever has become of what it told: never in the clear.
        chosen = self.by_name.get(self.told or "") or self.latest
        return seals.seal_of(chosen.seal_keys[:1]) if chosen else NO_SEAL

    @property
    def from_server(self) -> Seal:
        """What opens whatever the server may have sealed."""
        return seals.seal_of(key for each in self.by_name.values() for key in each.seal_keys)

    def present(self, metadata: object) -> Credentials | None:
        """Return those that metadata names; `None`: it names none of these."""
        return self.by_name.get(str(_agent_options(metadata).get(CREDENTIALS)))

    def filled_in(self, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """Return metadata with the credentials that it names, where it has a place for them."""
        present = self.present(metadata)
        if present is None:
            return dict(metadata)
        places = _agent_options(metadata)
        values = {name: value for name, value in present.options().items() if name in places}
        section = {**metadata[SECTION], COLLECTOR: {**places, **values}}
        return {**metadata, SECTION: section}

    def expired(self, now: float, metadata: object) -> list[str]:
        """Name those that nobody can use any more.

        Args:
            now: Seconds since 1970.
            metadata: Names those that stay, and so do the ones that the server told of last.
        """
        present = self.present(metadata)
        kept = {self.told, present and present.name}
        return [
            each.name
            for each in self.by_name.values()
            if each.expires_at <= now and each.name not in kept
        ]


def naming(metadata: Mapping[str, Any], named: Credentials) -> dict[str, Any]:
    """Return metadata that names credentials, and holds none."""
    places = _agent_options(metadata)
    hidden = dict.fromkeys(name for name in named.options() if name in places)
    section = {**metadata[SECTION], COLLECTOR: {**places, **hidden, **named.naming()}}
    return {**metadata, SECTION: section}


def _agent_options(metadata: object) -> Mapping[str, Any]:
    section = metadata.get(SECTION) if isinstance(metadata, Mapping) else None
    options = section.get(COLLECTOR) if isinstance(section, Mapping) else None
    return options if isinstance(options, Mapping) else {}
