# SPDX-License-Identifier: Apache-2.0
"""Heat's own property schemas, with more transports allowed and nothing else changed."""

import copy
from collections.abc import Iterable, Mapping

from heat.engine import constraints, properties

SERVER_HELP = (
    " With heat-zaqar-transport ZAQAR_MESSAGE gives the server two queues of its own, reached by "
    "pre-signed URLs, and AUTO chooses the best transport that the cloud has."
)
SIGNAL_HELP = (
    " ZAQAR_MESSAGE lets the server answer through its signal queue, without any credential in "
    "the deployment, and AUTO chooses the best transport that the cloud has."
)


def with_values(
    schema: Mapping[str, properties.Schema], name: str, values: Iterable[str], help_text: str
) -> dict[str, properties.Schema]:
    """Return a copy of a properties schema whose one property allows more values.

    Args:
        schema: Heat's schema; it is not changed.
        name: The property.
        values: Added after Heat's own allowed values.
        help_text: Added to the property's description.
    """
    changed = copy.copy(schema[name])
    changed.description = f"{changed.description}{help_text}"
    changed.constraints = [_widened(each, values) for each in changed.constraints]
    return {**schema, name: changed}


def _widened(constraint: constraints.Constraint, values: Iterable[str]) -> constraints.Constraint:
    if not isinstance(constraint, constraints.AllowedValues):
        return constraint
    allowed = [*constraint.allowed, *values]
    return constraints.AllowedValues(list(dict.fromkeys(allowed)), constraint.description)
