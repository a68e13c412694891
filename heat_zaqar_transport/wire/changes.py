# SPDX-License-Identifier: Apache-2.0
"""Snapshots told by what has changed since an earlier one, so that bytes grow with the document.

A server's document grows by one deployment at a time, and each time it is published.
While an earlier snapshot is in the queue, its *base*, a change names it and holds the
deployments that the base has not; those that it has are told by their places in it.
A reader puts the two together, and the digest says whether that came out right. Source:
docs/wire-format.md, "Changes".
"""

from collections.abc import Mapping
from typing import Any

from heat_zaqar_transport.wire.canonical import canonical_json
from heat_zaqar_transport.wire.errors import WireFormatError
from heat_zaqar_transport.wire.messages import Base, Change, Snapshot

# Key of the metadata document: Heat's list of derived configs.
DEPLOYMENTS = "deployments"


def change_since(base: Snapshot, snapshot: Snapshot) -> Change | None:
    """Tell a snapshot by what is other than in its base; `None`: it cannot be.

    Args:
        base: An earlier snapshot of the same channel, or another copy of the same one.
        snapshot: What is to be told.
    """
    deployments = _list_of(snapshot.document)
    # Numbers are none of Heat's, and would be taken for places.
    if deployments is None or any(isinstance(each, int) for each in deployments):
        return None
    places = {canonical_json(each): at for at, each in enumerate(_list_of(base.document) or [])}
    return Change(
        channel=snapshot.channel,
        generation=snapshot.generation,
        digest=snapshot.digest,
        base=Base(base.generation, base.digest),
        rest={key: value for key, value in snapshot.document.items() if key != DEPLOYMENTS},
        deployments=tuple(places.get(canonical_json(each), each) for each in deployments),
    )


def applied(change: Change, base: Snapshot, limit_bytes: int) -> Snapshot:
    """Return the snapshot that a change tells of.

    Args:
        change: The change.
        base: What it names as its base.
        limit_bytes: What its deployments may come to, as canonical JSON: a place takes two
            bytes, and may be named a million times.

    Raises:
        WireFormatError: It does not fit the base, or something else comes out than was told.
    """
    known = _list_of(base.document) or []
    sizes = [len(canonical_json(each)) for each in known]
    try:
        if sum(sizes[each] for each in change.deployments if isinstance(each, int)) > limit_bytes:
            raise WireFormatError(f"what a change tells of is larger than {limit_bytes} bytes")
        deployments = [
            known[each] if isinstance(each, int) else each for each in change.deployments
        ]
    except IndexError as exc:
        raise WireFormatError("a change names a deployment that its base has not") from exc
    document = {**change.rest, DEPLOYMENTS: deployments}
    snapshot = Snapshot(change.channel, change.generation, document)
    if snapshot.digest != change.digest:
        raise WireFormatError(
            f"the change of generation {change.generation} is damaged: its digest does not fit"
        )
    return snapshot


def _list_of(document: Mapping[str, Any]) -> list[Any] | None:
    found = document.get(DEPLOYMENTS)
    return found if isinstance(found, list) else None
