# SPDX-License-Identifier: Apache-2.0
"""The one error that only the hooks know; the others are in `heat_zaqar_transport.wire.errors`."""

from heat_zaqar_transport.wire.bounds import quoted
from heat_zaqar_transport.wire.errors import HeatZaqarError


class UnusableConfig(HeatZaqarError):
    """A derived config, or one of its inputs, is not what Heat sends.

    Attributes:
        which: The config's id, or its place in the list when it has none.
        problem: What is wrong, in words that name a field but quote no value.
    """

    def __init__(self, which: str, problem: str) -> None:
        super().__init__(which, problem)
        self.which = which
        self.problem = problem

    def __str__(self) -> str:
        return f"config {quoted(self.which)}: {self.problem}"
