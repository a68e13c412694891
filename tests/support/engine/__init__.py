"""Heat's engine in this process, with our plugin: Heat's own code and database, no service.

`Engine` has what a test turns: `create` makes a stack, `zaqar`, `keystone`, `catalog` and `clock`
are what can fail. Nothing waits for real: whoever sleeps lets the agents look and the
notifications arrive.
"""

from support.engine.world import Engine, Stack

__all__ = ["Engine", "Stack"]
