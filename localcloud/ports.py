"""Loopback ports for one cloud, chosen so that nobody else takes them.

Three things could take a port between the choice and the service's bind:

* the kernel, for an outgoing connection: the ports lie outside its ephemeral range;
* another cloud: a cloud owns a whole block, marked by an abstract Unix socket that the kernel drops
  with its last owner, so that no stale mark can stay behind;
* any other server: every port of the block is tried once before the block is taken.

What is left is a server that starts on such a port within the next seconds. Then the service that
cannot bind dies, and :class:`localcloud.errors.ServiceDied` says that its port was taken.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from localcloud.errors import NoFreePorts

HOST = "127.0.0.1"
# Where a service listens that has its port on HOST taken by what ends TLS before it.
BACKEND_HOST = "127.0.0.2"
BLOCK_SIZE = 16
_FIRST_PORT = 15000
_LAST_PORT = 65535
_TRIES = 200
_EPHEMERAL_RANGE_FILE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_EPHEMERAL_RANGE_DEFAULT = (32768, 60999)


@dataclass(frozen=True)
class PortBlock:
    """Ports by name, and the socket that marks the block as taken while it is open."""

    ports: dict[str, int]
    mark: socket.socket


def reserve(names: Sequence[str], rng: random.Random | None = None) -> PortBlock:
    """Take a block of free ports.

    Args:
        names: what the ports are for; at most ``BLOCK_SIZE`` of them.
        rng: source of the order in which blocks are tried; a fresh one by default.

    Returns:
        The ports. Whoever keeps a copy of ``mark`` open keeps the block.

    Raises:
        NoFreePorts: none of the blocks that were tried is free.
    """
    if len(names) > BLOCK_SIZE:
        raise ValueError(f"{len(names)} ports do not fit into a block of {BLOCK_SIZE}")
    blocks = list(_blocks(ephemeral_range()))
    (rng or random.Random()).shuffle(blocks)
    for first in blocks[:_TRIES]:
        mark = _mark(first)
        if mark is None:
            continue
        if all(is_free(port) for port in range(first, first + len(names))):
            return PortBlock({name: first + i for i, name in enumerate(names)}, mark)
        mark.close()
    raise NoFreePorts(f"no {len(names)} free ports in a row on {HOST}")


def ephemeral_range() -> tuple[int, int]:
    """Read which ports the kernel gives to outgoing connections (first, last)."""
    try:
        first, last = _EPHEMERAL_RANGE_FILE.read_text().split()
    except (OSError, ValueError):
        return _EPHEMERAL_RANGE_DEFAULT
    return int(first), int(last)


def is_free(port: int) -> bool:
    """Tell whether a server could bind a port of 127.0.0.1 now."""
    with socket.socket() as probe:
        # As servers do: connections in TIME_WAIT do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _blocks(ephemeral: tuple[int, int]) -> Iterator[int]:
    """Yield the first port of every block outside the ephemeral range."""
    outside = [
        first
        for first in range(_FIRST_PORT, _LAST_PORT - BLOCK_SIZE, BLOCK_SIZE)
        if first + BLOCK_SIZE <= ephemeral[0] or first > ephemeral[1]
    ]
    # A machine whose kernel uses everything still gets ports, at a small risk.
    yield from outside or range(_FIRST_PORT, _LAST_PORT - BLOCK_SIZE, BLOCK_SIZE)


def _mark(first: int) -> socket.socket | None:
    """Claim a block machine-wide; ``None`` when another cloud has it."""
    mark = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        mark.bind(f"\0localcloud-ports-{first}")
    except OSError:
        mark.close()
        return None
    return mark
