# SPDX-License-Identifier: Apache-2.0
"""Derived configs: the list that os-apply-config renders, and what one entry of it says.

A derived config's id names one run: Heat makes a new one for each action of a deployment.
"""

import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from heat_zaqar_hooks.errors import UnusableConfig
from heat_zaqar_hooks.inputs import Inputs
from heat_zaqar_transport.wire.bounds import check_depth, quoted
from heat_zaqar_transport.wire.errors import HookFailed, StateError, WireFormatError

LIST_MODE = 0o600

# The group of OS::Heat::SoftwareComponent, whose config holds one config for each action.
COMPONENT = "component"
INPUT_ACTION = "deploy_action"

# Ids become file names. Heat's are UUIDs; a dot or a slash would reach other files.
_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


@dataclass(frozen=True)
class Config:
    """One derived config.

    Attributes:
        id: Names the run, and files.
        name: The deployment's name for people; may be empty.
        group: Which hook runs it; `None`: none was given.
        document: All of it, as the hook reads it.
        inputs: Its input values by name.
    """

    id: str
    name: str
    group: str | None
    document: Mapping[str, Any] = field(repr=False)
    inputs: Inputs = field(repr=False)

    @property
    def label(self) -> str:
        """What log lines call it."""
        return label(self.name, self.id)


def label(name: str, config_id: str) -> str:
    """Return what log lines call a deployment: one line, whatever its name holds."""
    return f"deployment {quoted(' '.join(name.split())) or 'without name'} ({config_id})"


def is_id(value: object) -> bool:
    """Tell whether a value can name a run and its files."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def fetch(path: Path) -> list[dict[str, Any]]:
    """Read the list of derived configs, and close the file to others than its owner.

    Raises:
        StateError: The file is missing, unreadable, or no JSON array of objects.
    """
    try:
        with path.open("rb") as file:
            _narrow(file.fileno())
            entries = json.load(file)
    except OSError as exc:
        raise StateError(path, exc.strerror) from exc
    except (ValueError, RecursionError) as exc:
        raise StateError(path, f"not JSON: {exc}") from exc
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise StateError(path, "is no JSON array of objects")
    return entries


def parse(entry: Mapping[str, Any], position: int) -> Config:
    """Read one entry of the list.

    Args:
        entry: The entry.
        position: Its place in the list, from 1, to name it when it has no usable id.

    Raises:
        UnusableConfig: It has no usable id, or a field is of the wrong type.
    """
    config_id = entry.get("id")
    if not is_id(config_id):
        raise UnusableConfig(f"number {position} of the list", "its id is missing or unusable")
    _refuse_deep(entry, str(config_id))
    document = {**entry, "inputs": [_with_text(item) for item in _input_list(entry)]}
    return Config(
        id=str(config_id),
        name=_text(document, "name") or "",
        group=_text(document, "group"),
        document=document,
        inputs=Inputs.parse(document),
    )


def chosen(config: Config) -> Config:
    """Return what to run: a component's config for the action at hand, any other as it is.

    Raises:
        HookFailed: The component has nothing for this action, or no tool for what it has.
    """
    if config.group != COMPONENT:
        return config
    action = config.inputs.get(INPUT_ACTION)
    for candidate in _candidates(config.document.get("config")):
        if action in candidate["actions"]:
            return _part(config, candidate)
    raise HookFailed(f"the component has no config for action {action!r:.40}")


def _refuse_deep(entry: Mapping[str, Any], config_id: str) -> None:
    try:
        check_depth(entry)
    except WireFormatError as exc:
        raise UnusableConfig(config_id, f"it is {exc}") from exc


def _part(config: Config, candidate: Mapping[str, Any]) -> Config:
    group = candidate.get("tool")
    if not isinstance(group, str) or not group:
        raise HookFailed("the component's config for this action names no tool")
    document = {**config.document, "config": candidate.get("config"), "group": group}
    return replace(config, group=group, document=document)


def _candidates(config: object) -> list[dict[str, Any]]:
    found = config.get("configs") if isinstance(config, dict) else None
    return [
        item
        for item in (found if isinstance(found, list) else [])
        if isinstance(item, dict) and isinstance(item.get("actions"), list)
    ]


def _narrow(descriptor: int) -> None:
    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    if mode & ~LIST_MODE:
        os.fchmod(descriptor, LIST_MODE)


def _input_list(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    Inputs.parse(entry)  # refuses whatever is no list of objects
    return entry.get("inputs") or []


def _with_text(item: dict[str, Any]) -> dict[str, Any]:
    """Make a text of a String input's value: Heat passes a number on as it came (bug 1333992)."""
    value = item.get("value")
    if item.get("type") != "String" or isinstance(value, str):
        return item
    return {**item, "value": as_text(value)}


def as_text(value: object) -> str:
    """Return a value as the text a script sees: null is empty, objects and arrays are JSON."""
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


def _text(document: Mapping[str, Any], key: str) -> str | None:
    value = document.get(key)
    if value is not None and not isinstance(value, str):
        raise UnusableConfig(str(document.get("id")), f"its {key} is no text")
    return value
