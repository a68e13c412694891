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

__all__ = ["SERVICE_CLASSES", "NoAnswer", "Service", "make_services"]

SERVICE_CLASSES: tuple[type[Service], ...] = (
    MariaDB,
    RabbitMQ,
    Redis,
    Memcached,
    Keystone,
    Zaqar,
    ZaqarWebsocket,
    HeatAPI,
    HeatAPICFN,
    HeatEngine,
)


def make_services(plan: Plan) -> dict[str, Service]:
    """Make one of each for a cloud, by name."""
    compute = () if plan.compute is None else COMPUTE_CLASSES
    tls = (HAProxy,) if plan.tls else ()
    return {kind.name: kind(plan) for kind in (*SERVICE_CLASSES, *tls, *compute)}
