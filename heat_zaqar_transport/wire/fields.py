# SPDX-License-Identifier: Apache-2.0
"""Reading JSON values that are hostile until they are read: each with the type it must have.

Errors name fields and types, never values.
"""

from collections.abc import Mapping
from typing import Any, TypeGuard

from heat_zaqar_transport.wire.bounds import MAX_GENERATION, MAX_NAME_CHARS
from heat_zaqar_transport.wire.errors import WireFormatError


class Fields:
    """The fields of one JSON object, each read with the type it must have."""

    def __init__(self, where: str, value: object) -> None:
        if not isinstance(value, dict):
            raise WireFormatError(f"the {where} must be a JSON object, not {kind_of(value)}")
        self._where = where
        self._values = value

    @property
    def values(self) -> Mapping[str, Any]:
        """The object itself."""
        return self._values

    def get(self, key: str) -> object:
        """Return a value, whatever it is; `None`: there is none."""
        return self._values.get(key)

    def text(self, key: str) -> str:
        """Return a text that is not empty."""
        value = self._values.get(key)
        if not isinstance(value, str) or not value:
            raise self.wrong(key, "a text that is not empty")
        return value

    def name(self, key: str, most: int = MAX_NAME_CHARS) -> str:
        """Return a text that is not empty, and no longer than so many characters."""
        value = self.text(key)
        if len(value) > most:
            raise self.wrong(key, f"a text of at most {most} characters")
        return value

    def whole_number(self, key: str, least: int = 0, most: int = MAX_GENERATION) -> int:
        """Return a whole number within bounds."""
        value = self._values.get(key)
        if not is_whole(value) or not least <= value <= most:
            raise self.wrong(key, f"a whole number from {least} to {most}")
        return value

    def mapping(self, key: str) -> Mapping[str, Any]:
        """Return an object."""
        value = self._values.get(key)
        if not isinstance(value, dict):
            raise self.wrong(key, "a JSON object")
        return value

    def array(self, key: str) -> list[Any]:
        """Return an array."""
        value = self._values.get(key)
        if not isinstance(value, list):
            raise self.wrong(key, "a JSON array")
        return value

    def wrong(self, key: str, wanted: str) -> WireFormatError:
        """Return the error for a field that is not what it must be."""
        found = "missing" if key not in self._values else kind_of(self._values[key])
        return WireFormatError(f"{self._where} field {key!r} must be {wanted}, it is {found}")


def is_whole(value: object) -> TypeGuard[int]:
    """Tell whether a value is a whole number."""
    # bool is an int to isinstance.
    return isinstance(value, int) and not isinstance(value, bool)


def kind_of(value: object) -> str:
    """Name a value's JSON type: errors tell types, never contents."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a text" if value else "an empty text"
        case list():
            return "an array"
        case dict():
            return "an object"
        case _:
            return type(value).__name__
