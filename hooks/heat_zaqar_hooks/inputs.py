# SPDX-License-Identifier: Apache-2.0
"""The input values of a derived config. They hold passwords and signed URLs: never log one."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from heat_zaqar_hooks.errors import UnusableConfig


class Inputs:
    """Input values by name.

    Attributes:
        which: The config's id, for errors; "without id" for a document that has none.
    """

    def __init__(self, which: str, values: Mapping[str, Any]) -> None:
        self.which = which
        self._values = values

    def __repr__(self) -> str:
        return f"Inputs({self.which!r}, {len(self._values)} values)"

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> "Inputs":
        """Read the `inputs` of a config document: a list of objects with name and value.

        Raises:
            UnusableConfig: They are anything else.
        """
        named = document.get("id")
        which = named if isinstance(named, str) and named else "without id"
        inputs = document.get("inputs") or []
        if not isinstance(inputs, list) or not all(map(_is_input, inputs)):
            raise UnusableConfig(which, "its inputs are no list of objects with a name each")
        return cls(which, {item["name"]: item.get("value") for item in inputs})

    def items(self) -> Iterable[tuple[str, Any]]:
        """Return names and values."""
        return self._values.items()

    def get(self, name: str) -> Any:
        """Return a value; `None`: there is no such input, or it is null."""
        return self._values.get(name)

    def optional_text(self, name: str) -> str | None:
        """Return a text; `None`: there is no such input, or it is null or empty.

        Raises:
            UnusableConfig: It is something else than a text.
        """
        value = self._values.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise UnusableConfig(self.which, f"input {name} is no text")
        return value

    def text(self, name: str) -> str:
        """Return a text that must be there.

        Raises:
            UnusableConfig: It is missing, empty, or no text.
        """
        value = self.optional_text(name)
        if value is None:
            raise UnusableConfig(self.which, f"input {name} is missing")
        return value

    def seconds(self, name: str) -> float | None:
        """Return a number of seconds, given as a number or a text; `None`: it is not given.

        Raises:
            UnusableConfig: It is anything else, or not more than 0.
        """
        value = self._values.get(name)
        if value is None or value == "":
            return None
        number = _number(value)
        if not (math.isfinite(number) and number > 0):
            raise UnusableConfig(self.which, f"input {name} is no number of seconds above 0")
        return number


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def _is_input(item: object) -> bool:
    return isinstance(item, dict) and isinstance(item.get("name"), str)
