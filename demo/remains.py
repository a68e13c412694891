# SPDX-License-Identifier: Apache-2.0
"""What is in Keystone and in Zaqar's store, and which processes run: is anything left?

The cloud is the demo's own. So everything that is there after a stack and was not there
before it is the stack's, whatever it is called.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import redis

from localcloud import LocalCloud

# One thing: its sort, and what tells it from others of its sort.
Thing = tuple[str, str]


@dataclass(frozen=True)
class Holdings:
    """What is there."""

    things: frozenset[Thing]

    def __sub__(self, other: "Holdings") -> "Holdings":
        """Return what is here and not there."""
        return Holdings(self.things - other.things)

    def __str__(self) -> str:
        sorts = [sort for sort, _ in self.things]
        counts = ((sorts.count(sort), sort) for sort in sorted(set(sorts)))
        return ", ".join(f"{n} {sort}{'s' * (n > 1)}" for n, sort in counts) or "nothing"

    def sorts(self) -> set[str]:
        """Return the sorts of things there are."""
        return {sort for sort, _ in self.things}


def fetch(cloud: LocalCloud) -> Holdings:
    """Ask Keystone, as admin, and Zaqar's store."""
    return Holdings(frozenset([*_in_keystone(cloud), *_in_zaqar(redis.Redis(*cloud.redis_url))]))


def processes(scratch: Path) -> list[str]:
    """Name the living processes that were started for a scratch directory."""
    return [each.name() for each in psutil.process_iter() if _belongs(each, str(scratch))]


def _in_keystone(cloud: LocalCloud) -> Iterator[Thing]:
    session = cloud.admin_session()
    for sort, kind in (("user", "users"), ("key pair", "credentials"), ("project", "projects")):
        for each in session.get(f"{cloud.auth_url}/{kind}").json()[kind]:
            yield sort, each["id"]


def _in_zaqar(store: Any) -> Iterator[Thing]:
    for sort, pattern in (("queue", "*queues_set"), ("subscription", "*.subscriptions")):
        for key in store.scan_iter(pattern):
            for member in store.zrange(key, 0, -1):
                yield sort, f"{key!r} {member!r}"


def _belongs(process: psutil.Process, scratch: str) -> bool:
    with contextlib.suppress(psutil.Error):
        if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
            return False
        return any(scratch in text for text in (*process.cmdline(), *process.environ().values()))
    return False
