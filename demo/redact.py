# SPDX-License-Identifier: Apache-2.0
"""Keeps secrets off the screen. Pure.

The second line of defence: what the demo shows is made from known patterns. This catches
the texts that others write: Heat's reasons, errors, a script's outputs.
"""

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from demo.items import Item

HIDDEN = "***"
CREDENTIALS = "(credentials, not shown)"
# Shorter ones would hide harmless words; no secret of a local cloud is that short.
_SHORTEST = 8

_NAMES = r"[\w-]*(?:signature|password|passwd|secret|token|access.?key|seal.?key|authorization)"
_PATTERNS = (
    # name=value and "name": "value", also percent-encoded, and HTTP headers.
    re.compile(rf"(?i)(\b{_NAMES}[\"']?(?:%3d|\s*[=:])\s*(?:bearer\s+)?[\"']?)[^\s\"'&,;}}]+"),
    re.compile(r"()gAAAA[\w=-]{20,}"),  # a Keystone token
    re.compile(r"()\b[0-9a-fA-F]{64}\b"),  # the signature of a pre-signed URL
    re.compile(r"(\w+://)[^/\s:@]+:[^/\s@]+(?=@)"),  # user:password@
)
_UNPRINTABLE = re.compile(r"[^\S\n ]|[\x00-\x09\x0b-\x1f\x7f-\x9f]")

Shown = TypeVar("Shown", bound=Item)


class Redactor:
    """Takes out secrets, the ones it was told and whatever looks like one."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def learn(self, secrets: Iterable[str]) -> None:
        """Be told secrets; short ones are ignored."""
        self._known |= {secret for secret in secrets if len(secret) >= _SHORTEST}

    def text(self, text: str) -> str:
        """Return a text without secrets and without characters that steer a terminal."""
        for secret in sorted(self._known, key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        for pattern in _PATTERNS:
            text = pattern.sub(rf"\g<1>{HIDDEN}", text)
        return _UNPRINTABLE.sub(" ", text)

    def item(self, item: Shown) -> Shown:
        """Return an item with every text in it redacted."""
        fields = {each.name: getattr(item, each.name) for each in dataclasses.fields(item)}
        changed = {name: self._value(value) for name, value in fields.items()}
        return dataclasses.replace(item, **changed)

    def _value(self, value: Any) -> Any:
        if type(value) is str:
            return self.text(value)
        if isinstance(value, Mapping):
            return {key: self._value(each) for key, each in value.items()}
        return value


def secrets_in(document: object) -> Iterable[str]:
    """Return every text in a document, however deep: of credentials, all is secret."""
    if isinstance(document, str):
        yield document
    elif isinstance(document, Mapping):
        for value in document.values():
            yield from secrets_in(value)
    elif isinstance(document, list):
        for value in document:
            yield from secrets_in(value)


def presentable(outputs: Mapping[str, object], credentials: str) -> dict[str, str]:
    """Make a stack's outputs fit to be shown.

    Args:
        outputs: By name.
        credentials: The name of the one that holds credentials, which comes last; nothing of
            it is shown, nor of any other that is not a single value.
    """
    ordered = sorted(outputs.items(), key=lambda each: (each[0] == credentials, each[0]))
    return {
        name: CREDENTIALS if name == credentials or isinstance(value, dict | list) else str(value)
        for name, value in ordered
    }
