# SPDX-License-Identifier: Apache-2.0
"""NO_SIGNAL: Heat does not wait for an answer."""

from collections.abc import Mapping
from typing import Any, ClassVar

from heat_zaqar_hooks.bounds import MAX_SIGNAL_BYTES
from heat_zaqar_hooks.inputs import Inputs
from heat_zaqar_hooks.signals.base import Agent


class NoSignal:
    """Sends nothing, which counts as sent."""

    transport: ClassVar[str] = "NO_SIGNAL"
    limit_bytes: ClassVar[int] = MAX_SIGNAL_BYTES

    @classmethod
    def from_inputs(cls, inputs: Inputs, agent: Agent, attempt: int = 1) -> "NoSignal":
        """Need nothing of them."""
        return cls()

    def send(self, outputs: Mapping[str, Any]) -> None:
        """Do nothing."""
