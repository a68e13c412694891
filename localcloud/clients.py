"""Sessions of the cloud's users, for probes, tests and people."""

from __future__ import annotations

import hmac
from typing import Any

from keystoneauth1.identity import v3
from keystoneauth1.session import Session

from localcloud.errors import LocalCloudError
from localcloud.plan import REGION, Plan

# Each user works in the project of the same name.
USERS = ("demo", "admin")
# Begins the name of a user that `LocalCloud.for_project` makes.
EXTRA_USER = "demo-"


def session(plan: Plan, user: str) -> Session:
    """Make a session, which logs in with its first request.

    Args:
        plan: the cloud.
        user: ``demo``, ``admin``, or the name of one that ``for_project`` has made.

    Raises:
        LocalCloudError: there is no such user.
    """
    return Session(v3.Password(**credentials(plan, user)), verify=plan.verify)


def credentials(plan: Plan, user: str) -> dict[str, Any]:
    """Give the arguments of keystoneauth's ``v3.Password``."""
    return {
        "auth_url": f"{plan.url('keystone')}/v3",
        "username": user,
        "password": password(plan, user),
        "user_domain_id": "default",
        "project_name": user,
        "project_domain_id": "default",
    }


def password(plan: Plan, user: str) -> str:
    """Give a user's password; every process comes to the same one for a project's user."""
    if user in USERS:
        return plan.secrets[user]
    if user.startswith(EXTRA_USER):
        return hmac.new(plan.secrets["demo"].encode(), user.encode(), "sha256").hexdigest()
    raise LocalCloudError(f"no user {user}, there are {' and '.join(USERS)}")


def environment(plan: Plan, user: str) -> dict[str, str]:
    """Give the ``OS_*`` variables that openstack clients read."""
    return {
        "OS_AUTH_TYPE": "password",
        "OS_IDENTITY_API_VERSION": "3",
        "OS_REGION_NAME": REGION,
        "OS_INTERFACE": "public",
        **({"OS_CACERT": str(plan.ca_file)} if plan.ca_file else {}),
        **{f"OS_{name.upper()}": value for name, value in credentials(plan, user).items()},
    }


def heat_client(plan: Plan, user: str) -> Any:
    """Make a client of Heat's API, version 1.

    Args:
        plan: the cloud.
        user: ``demo`` or ``admin``.

    Raises:
        NotRunning: there is no Heat.
    """
    plan.url("heat-api")
    from heatclient import client  # slow to import, and seldom needed

    return client.Client("1", session=session(plan, user), region_name=REGION)
