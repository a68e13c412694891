"""All services of a cloud, one class each."""

from __future__ import annotations

from localcloud.plan import Plan
from localcloud.services.base import NoAnswer, Service
from localcloud.services.compute import COMPUTE_CLASSES
from localcloud.services.haproxy import HAProxy
from localcloud.services.heat import HeatAPI, HeatAPICFN, HeatEngine
from localcloud.services.keystone import Keystone
from localcloud.services.mariadb import MariaDB
from localcloud.services.memcached import Memcached
from localcloud.services.rabbitmq import RabbitMQ
from localcloud.services.redis import Redis
from localcloud.services.zaqar import Zaqar, ZaqarWebsocket

__all__ = ["HEAT_CLASSES", "ZAQAR_CLASSES", "NoAnswer", "Service", "make_services"]

ZAQAR_CLASSES: tuple[type[Service], ...] = (Redis, Memcached, Keystone, Zaqar, ZaqarWebsocket)
HEAT_CLASSES: tuple[type[Service], ...] = (MariaDB, RabbitMQ, HeatAPI, HeatAPICFN, HeatEngine)


def make_services(plan: Plan) -> dict[str, Service]:
    """Make one of each for a cloud, by name."""
    heat = HEAT_CLASSES if plan.heat else ()
    tls = (HAProxy,) if plan.tls else ()
    compute = () if plan.compute is None else COMPUTE_CLASSES
    return {kind.name: kind(plan) for kind in (*ZAQAR_CLASSES, *heat, *tls, *compute)}
