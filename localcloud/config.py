"""Configuration files: ini text for oslo.config, and key-value text for the stores.

Files are written with mode 0600, since nearly all of them hold a password.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

Value = str | int | float | bool | Sequence[str]
Sections = Mapping[str, Mapping[str, Value]]

_PRIVATE = 0o600


def render_ini(sections: Sections) -> str:
    """Render sections for oslo.config.

    A list becomes a comma-separated value. A ``$`` is doubled, because oslo.config would put the
    option of that name in its place.

    Args:
        sections: options by section; section ``DEFAULT`` first, if there is one.

    Raises:
        ValueError: a value has a line break, which an ini file cannot hold.
    """
    blocks = []
    for section, options in sections.items():
        lines = [f"{name} = {_text(value).replace('$', '$$')}" for name, value in options.items()]
        blocks.append("\n".join([f"[{section}]", *lines]) + "\n")
    return "\n".join(blocks)


def render_pairs(options: Mapping[str, Value], separator: str) -> str:
    """Render one option a line, as Redis (separator a blank) and RabbitMQ (``=``) read it.

    Args:
        options: values by option.
        separator: what stands between an option and its value.
    """
    return "".join(f"{name}{separator}{_text(value)}\n" for name, value in options.items())


def merge(base: Sections, overrides: Sections) -> dict[str, dict[str, Value]]:
    """Lay overrides over a base, option by option; neither of them is changed.

    An override of `None` leaves the option out.
    """
    merged = {section: dict(options) for section, options in base.items()}
    for section, options in overrides.items():
        merged.setdefault(section, {}).update(options)
    return {
        section: {name: value for name, value in options.items() if value is not None}
        for section, options in merged.items()
    }


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, in one step.

    A reader sees the old file or the new one, never half of it.

    Args:
        path: the file; a missing directory for it is made, as private.
        text: its whole content.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    draft.replace(path)


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value) if isinstance(value, str | int | float) else ",".join(value)
    if "\n" in text or "\r" in text:
        raise ValueError(f"an option's value cannot have a line break: {text!r}")
    return text
