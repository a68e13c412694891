"""Boots a real Keystone, Zaqar and Heat, and all that they need, on loopback ports.

::

    with LocalCloud.start() as cloud:
        cloud.heat().stacks.create(...)

``python -m localcloud up`` does the same for a shell. ``LocalCloud.start(heat=False)`` boots
Keystone and Zaqar alone; ``LocalCloud.attach(scratch, wait_s=60)`` waits for what another process
boots.
"""

from localcloud.cloud import LocalCloud
from localcloud.errors import LocalCloudError, ServiceDied

__all__ = ["LocalCloud", "LocalCloudError", "ServiceDied"]
