# SPDX-License-Identifier: Apache-2.0
"""What one Zaqar takes, and learning it from a refusal.

Zaqar has no request that tells its limits; it names them when it refuses. The operator
sets them ([transport] max_messages_post_size and max_message_ttl), so nothing is assumed
for longer than until the first refusal.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from heat_zaqar_transport.wire.errors import WireFormatError

# Zaqar's defaults.
POST_BYTES = 262144
LONGEST_TTL_S = 1209600

# What a request holds besides the body: {"messages": [{"ttl": ..., "body": ...}]}.
_WRAPPING_BYTES = 100

# Source: zaqar/transport/validation.py, messages of the errors 400.
_PHRASE = re.compile(
    r"Message collection size is too large\. (?:Max size|The max size for current queue is)"
    r" (?P<bytes>\d{1,12})"
    r"|The TTL for a message may not exceed (?P<ttl>\d{1,12}) seconds"
)


@dataclass(frozen=True)
class Limits:
    """What a Zaqar takes, as far as it is known.

    Attributes:
        post_bytes: Largest request that posts messages.
        longest_ttl_s: Longest life of a message, in seconds.
    """

    post_bytes: int = POST_BYTES
    longest_ttl_s: int = LONGEST_TTL_S

    @property
    def body_bytes(self) -> int:
        """Largest JSON of one message's body that such a request carries."""
        return self.post_bytes - _WRAPPING_BYTES

    def learned(self, refusal: str) -> "Limits | None":
        """Return narrower limits if a refusal names one; `None`: it is about something else.

        Args:
            refusal: What Zaqar said.
        """
        found = _PHRASE.search(refusal)
        if found is None:
            return None
        if found["bytes"]:
            learned = replace(self, post_bytes=min(int(found["bytes"]), self.post_bytes))
        else:
            learned = replace(self, longest_ttl_s=min(int(found["ttl"]), self.longest_ttl_s))
        return learned if learned != self else None


def phrase_of(refusal: str) -> str:
    """Return the words of a refusal that name a limit, and nothing else of it; '': none do."""
    found = _PHRASE.search(refusal)
    return found[0] if found else ""


def size_of(body: Mapping[str, Any]) -> int:
    """Return the bytes that a body takes in a request, as python-zaqarclient writes it.

    Raises:
        WireFormatError: It cannot be told in JSON.
    """
    try:
        return len(json.dumps(dict(body), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as exc:
        raise WireFormatError(f"not expressible in JSON: {exc}") from exc
