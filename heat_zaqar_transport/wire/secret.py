# SPDX-License-Identifier: Apache-2.0
"""Values that must not be shown: they say so themselves."""

REDACTED = "***"


class Secret:
    """A text whose `repr` and `str` are redacted.

    The one way to its content is `reveal()`, so that each place where a secret
    leaves the program can be found by its name.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({REDACTED})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)
