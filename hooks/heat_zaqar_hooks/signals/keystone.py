# SPDX-License-Identifier: Apache-2.0
"""HEAT_SIGNAL and ZAQAR_SIGNAL: the deployment's own Keystone user tells Heat or Zaqar."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from keystoneauth1 import exceptions
from keystoneauth1.identity import v3
from keystoneauth1.session import Session

from heat_zaqar_collector.settings import Settings
from heat_zaqar_hooks.bounds import MAX_SIGNAL_BYTES
from heat_zaqar_hooks.inputs import Inputs
from heat_zaqar_hooks.signals.base import (
    DEFAULT_TIMEOUT_S,
    Agent,
    check_status,
    error_class,
    verify_of,
)
from heat_zaqar_hooks.signals.http import tls_problem
from heat_zaqar_transport import queues
from heat_zaqar_transport.wire.errors import RequestRefused, Unreachable

_SERVICE = "orchestration"


class HeatSignal:
    """The resource signal of Heat's API."""

    transport: ClassVar[str] = "HEAT_SIGNAL"
    limit_bytes: ClassVar[int] = MAX_SIGNAL_BYTES

    def __init__(self, session: Session, path: str, region_name: str | None) -> None:
        """Take what to signal.

        Args:
            session: Of the deployment's user.
            path: Of the resource's signal, below Heat's endpoint.
            region_name: Of that endpoint; `None`: the catalog's first.
        """
        self._session = session
        self._path = path
        self._region_name = region_name

    @classmethod
    def from_inputs(cls, inputs: Inputs, agent: Agent, attempt: int = 1) -> "HeatSignal":
        """Read the credentials and which resource to signal.

        Raises:
            UnusableConfig: One of them is missing.
        """
        # Heat's "stack id" here is NAME/UUID, two steps of the path.
        stack = quote(inputs.text("deploy_stack_id"), safe="/")
        resource = quote(inputs.text("deploy_resource_name"), safe="")
        path = f"/stacks/{stack}/resources/{resource}/signal"
        session = open_session(inputs, timeout_s=DEFAULT_TIMEOUT_S, verify=verify_of(agent))
        return cls(session, path, inputs.optional_text("deploy_region_name"))

    def send(self, outputs: Mapping[str, Any]) -> None:
        """Deliver the outputs."""
        operation = f"signal Heat's {self._path}"
        with _translated(operation):
            url = f"{self._endpoint(operation)}{self._path}"
            # log=False: keystoneauth would log the outputs at DEBUG.
            answer = self._session.post(
                url, json=dict(outputs), raise_exc=False, redirect=False, log=False
            )
        check_status(operation, answer.status_code)

    def _endpoint(self, operation: str) -> str:
        found = None
        with contextlib.suppress(exceptions.CatalogException):
            found = self._session.get_endpoint(
                service_type=_SERVICE, interface="public", region_name=self._region_name
            )
        if not found:
            raise RequestRefused(operation, "Keystone's catalog has no orchestration endpoint")
        return str(found).rstrip("/")


class ZaqarSignal:
    """The bare outputs as a message, for a Heat that reads the deployment's queue itself."""

    transport: ClassVar[str] = "ZAQAR_SIGNAL"
    limit_bytes: ClassVar[int] = MAX_SIGNAL_BYTES

    def __init__(
        self, session: Session, queue: str, region_name: str | None, settings: Settings
    ) -> None:
        """Take where to post to.

        Args:
            session: Of the deployment's user.
            queue: The queue's name.
            region_name: Of Zaqar's endpoint; `None`: the catalog's first.
            settings: Say TTL, timeout and CA bundle.
        """
        self._session = session
        self._queue = queue
        self._region_name = region_name
        self._settings = settings

    @classmethod
    def from_inputs(cls, inputs: Inputs, agent: Agent, attempt: int = 1) -> "ZaqarSignal":
        """Read the credentials and the queue.

        Raises:
            UnusableConfig: One of them is missing.
            NotConfigured: The agent's settings cannot be read.
        """
        settings = agent()
        session = open_session(inputs, timeout_s=settings.timeout_s, verify=settings.verify)
        queue = inputs.text("deploy_queue_id")
        return cls(session, queue, inputs.optional_text("deploy_region_name"), settings)

    def send(self, outputs: Mapping[str, Any]) -> None:
        """Deliver the outputs."""
        queue = queues.open_with_keystone(
            self._session,
            self._queue,
            region_name=self._region_name,
            timeout_s=self._settings.timeout_s,
            verify=self._settings.verify,
        )
        queue.post(dict(outputs), self._settings.signal_ttl_s)


def open_session(inputs: Inputs, *, timeout_s: float, verify: bool | str) -> Session:
    """Return a session of the deployment's own user; makes no request yet.

    Args:
        inputs: With `deploy_auth_url` (of API v3, as Heat sends it), `deploy_user_id`,
            `deploy_password` and `deploy_project_id`.
        timeout_s: Seconds to wait for each answer.
        verify: True: the CAs of requests; a path: that CA bundle; False: none, by an
            explicit choice.

    Raises:
        UnusableConfig: An input is missing.
    """
    auth = v3.Password(
        auth_url=inputs.text("deploy_auth_url"),
        user_id=inputs.text("deploy_user_id"),
        password=inputs.text("deploy_password"),
        project_id=inputs.text("deploy_project_id"),
    )
    return Session(auth=auth, timeout=timeout_s, verify=verify)


@contextlib.contextmanager
def _translated(operation: str) -> Iterator[None]:
    """Turn keystoneauth's errors into ours, by type: their texts may quote an answer."""
    try:
        yield
    except exceptions.HttpError as exc:
        raise error_class(exc.http_status)(operation, f"HTTP status {exc.http_status}") from exc
    except exceptions.ConnectionError as exc:
        raise Unreachable(operation, tls_problem(exc) or type(exc).__name__) from exc
    except exceptions.ClientException as exc:
        raise RequestRefused(operation, type(exc).__name__) from exc
