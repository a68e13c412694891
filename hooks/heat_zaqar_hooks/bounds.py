# SPDX-License-Identifier: Apache-2.0
"""How large a result may be, and what is left out of one that is larger. Pure.

Logs give way first, and from their beginning: the end is where the error is.
"""

import bisect
import json
from collections.abc import Mapping
from typing import Any

from heat_zaqar_hooks.results import FAILED_STATUS, STATUS, STDERR, STDOUT, Outputs, failed
from heat_zaqar_transport.wire.bounds import MAX_SMALL_NUMBER, check_outputs
from heat_zaqar_transport.wire.errors import WireFormatError

# What a result is cut to when it is there. Our own channel carries it, in several posts if
# need be.
MAX_RESULT_BYTES = 3 * 512 * 1024

# For the other transports. A Zaqar post takes 262144 bytes by default ([transport]
# max_messages_post_size); the rest is room for the message around the outputs.
MAX_SIGNAL_BYTES = 200 * 1024

# Kept free for the line that says how much was cut.
_NOTICE_BYTES = 64


def bounded(outputs: Mapping[str, Any], limit_bytes: int = MAX_SIGNAL_BYTES) -> Outputs:
    """Return outputs whose JSON takes at most `limit_bytes` bytes.

    `deploy_stdout` and `deploy_stderr` keep their tails, with a first line that says how
    much was cut. Where the other outputs alone are too large, or Heat would refuse them, the
    result is FAILED.

    Args:
        outputs: By name; not changed.
        limit_bytes: Of the outputs' JSON with every character beyond ASCII escaped;
            at least 1024.
    """
    try:
        check_outputs(outputs)
    except WireFormatError as exc:
        return bounded(_bare(outputs, f"the outputs cannot be sent: {exc}"), limit_bytes)
    if size_of(outputs) <= limit_bytes:
        return dict(outputs)
    logs = {key: text for key in (STDOUT, STDERR) if isinstance(text := outputs.get(key), str)}
    others = size_of({**outputs, **dict.fromkeys(logs, "")})
    if others + len(logs) * _NOTICE_BYTES <= limit_bytes:
        return {**outputs, **_tails(logs, limit_bytes - others)}
    reason = (
        f"the outputs take {others} bytes besides deploy_stdout and deploy_stderr, "
        f"and at most {limit_bytes} bytes can be sent"
    )
    return bounded(_bare(outputs, reason), limit_bytes)


def size_of(value: object) -> int:
    """Return how many bytes a value takes as JSON on its way."""
    return len(json.dumps(value))


def _bare(outputs: Mapping[str, Any], reason: str) -> Outputs:
    """Return a FAILED result with the logs, which are texts here, and no other outputs."""
    stdout, stderr = (
        text if isinstance(text := outputs.get(key), str) else "" for key in (STDOUT, STDERR)
    )
    given = outputs.get(STATUS)
    fits = isinstance(given, int) and 0 < abs(given) <= MAX_SMALL_NUMBER
    status = int(given) if given is not None and fits else FAILED_STATUS
    return failed(reason, stdout=stdout, stderr=stderr, status=status)


def _tails(logs: Mapping[str, str], room: int) -> dict[str, str]:
    """Cut texts to share `room` bytes; what the smaller does not need is the larger's."""
    tails: dict[str, str] = {}
    for done, name in enumerate(sorted(logs, key=lambda name: len(logs[name]))):
        tails[name] = _tail(logs[name], room // (len(logs) - done))
        room -= _escaped(tails[name])
    return tails


def _tail(text: str, room: int) -> str:
    if _escaped(text) <= room:
        return text
    candidate = text[-room:]
    starts = range(len(candidate) + 1)
    start = bisect.bisect_left(
        starts, True, key=lambda at: _escaped(candidate[at:]) <= room - _NOTICE_BYTES
    )
    kept = candidate[start:]
    return f"[{_bytes(text) - _bytes(kept)} bytes cut]\n{kept}"


def _escaped(text: str) -> int:
    return size_of(text) - 2  # without the quotes


def _bytes(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))
