# SPDX-License-Identifier: Apache-2.0
"""What is taken from the other side, at most: sizes, depth, and the text that is quoted of it.

What arrives is hostile until it is read. A bound here is looked at before what it protects:
the size of a text before it is unpacked or parsed, the depth of a value before anything
walks it by recursion (Python's `json` writes, compares and prints that way, and so does Heat).
The walks here go level by level. Source: docs/wire-format.md, "Limits".
"""

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from heat_zaqar_transport.wire.errors import WireFormatError

# Levels of objects and arrays within each other in a body, a document or an output.
MAX_DEPTH = 64

# Largest document of a snapshot, as canonical JSON: only Heat makes those.
MAX_WHOLE_BYTES = 16 * 1024 * 1024
# Largest content of a result likewise. The agent's are of 1.5 MiB at most.
MAX_RESULT_WHOLE_BYTES = 2 * 1024 * 1024

# Names of channels, configs, credentials and outputs, and the reason of a hello, in characters.
MAX_NAME_CHARS = 255
# A SHA-256 in hex.
MAX_DIGEST_CHARS = 64
# Outputs of one result.
MAX_OUTPUTS = 1024
# A status code that is told as a text; those of programs have three digits.
MAX_STATUS_CHARS = 32

# Largest generation: a signed number of 64 bits.
MAX_GENERATION = 2**63 - 1
# Largest attempt and status code: a signed number of 32 bits.
MAX_SMALL_NUMBER = 2**31 - 1

# What a value counts for besides its characters: about what it takes in memory.
_VALUE_BYTES = 64


def check_depth(value: object, most: int = MAX_DEPTH) -> None:
    """Look how deep objects and arrays lie within each other.

    Raises:
        WireFormatError: Deeper than `most` levels.
    """
    level = _containers([value])
    for _ in range(most):
        if not level:
            return
        level = _containers(below for each in level for below in _members(each))
    if level:
        raise WireFormatError(f"nested more than {most} levels deep")


def weight_of(value: object) -> int:
    """Return about how many bytes a value takes in memory, however deep it is."""
    weight = 0
    level = [value]
    while level:
        weight += len(level) * _VALUE_BYTES + sum(map(_characters, level))
        level = [below for each in _containers(level) for below in _members(each)]
    return weight


def parsed_json(text: bytes) -> object:
    """Return the value of a JSON text whose size is within bounds.

    Raises:
        WireFormatError: It is no JSON, or too deep.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise WireFormatError("the text holds no JSON, or too deep a one") from exc
    check_depth(value, MAX_DEPTH + 1)  # a change has its document one level deeper
    return value


def check_outputs(outputs: Mapping[str, Any]) -> None:
    """Look at a result's outputs: Heat stores them, and puts some of them into sentences.

    Args:
        outputs: By name.

    Raises:
        WireFormatError: They are too many or too deep, a name is too long, a number is not
            finite, or the status code is neither a small number nor a short text.
    """
    check_depth([[outputs]])  # as they lie in a body
    if len(outputs) > MAX_OUTPUTS:
        raise WireFormatError(f"there are more than {MAX_OUTPUTS} outputs")
    if any(len(name) > MAX_NAME_CHARS for name in outputs):
        raise WireFormatError(f"an output's name is over {MAX_NAME_CHARS} characters")
    _check_status(outputs.get("deploy_status_code"))
    level: list[Any] = list(outputs.values())
    while level:
        if any(isinstance(each, float) and not math.isfinite(each) for each in level):
            raise WireFormatError("an output holds what is no finite number")
        level = [below for each in _containers(level) for below in _members(each)]


def storable(value: Any) -> Any:
    """Return a value with the characters replaced that a database cannot hold.

    Those are NUL, which PostgreSQL refuses, and half of a pair of surrogates, which is no
    UTF-8. JSON can tell both.

    Args:
        value: Of bounded depth.
    """
    if isinstance(value, str):
        return _storable_text(value)
    if isinstance(value, list):
        return [storable(each) for each in value]
    if isinstance(value, dict):
        return {_storable_text(key): storable(each) for key, each in value.items()}
    return value


def quoted(text: str, most: int = MAX_NAME_CHARS, keep: str = "") -> str:
    """Return a text for a log line or an event: bounded, and without control characters.

    Args:
        text: What somebody else said.
        most: Characters of it; of a longer one the beginning.
        keep: Control characters that may stay.
    """
    shown = "".join(
        each if each.isprintable() or each in keep else " " for each in text[: most + 1]
    )
    return shown if len(shown) <= most else f"{shown[: most - 3]}..."


def _check_status(status: object) -> None:
    match status:
        case None | bool():
            return
        case int() if abs(status) <= MAX_SMALL_NUMBER:
            return
        case str() if len(status) <= MAX_STATUS_CHARS and status.isprintable():
            return
    raise WireFormatError("the status code is neither a small whole number nor a short text")


def _storable_text(text: str) -> str:
    if text.isprintable():
        return text
    # An encoder's "replace" is "?", a decoder's is U+FFFD.
    return (
        text.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    )


def _containers(values: Iterable[Any]) -> list[Any]:
    return [each for each in values if isinstance(each, dict | list)]


def _members(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def _characters(value: object) -> int:
    if isinstance(value, str):
        return len(value)
    return sum(map(len, value)) if isinstance(value, dict) else 0
