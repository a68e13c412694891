# SPDX-License-Identifier: Apache-2.0
"""One request that carries a result, where the URL or the headers are its own credential.

Such a URL is a secret, path and query alike, and so is the text of any error of
requests, which quotes it. Errors from here name the operation.

Only requests is loaded here: a program that sends one result and ends is faster so than
with a client library, whose loading takes longer than the request.
"""

import json
import ssl
from collections.abc import Mapping
from typing import Any

import requests

from heat_zaqar_hooks.signals.base import check_status, error_class
from heat_zaqar_transport.wire.errors import RequestRefused, Unreachable
from heat_zaqar_transport.wire.limits import phrase_of

# How much of a refusal is read. Zaqar's own are shorter by far.
REFUSAL_BYTES = 2000


def send_json(
    operation: str,
    verb: str,
    url: str,
    body: Mapping[str, Any],
    *,
    headers: Mapping[str, str] | None = None,
    timeout_s: float,
    verify: bool | str = True,
) -> None:
    """Send a JSON object; anything but a 2xx is an error, a redirection too.

    Args:
        operation: What is tried, for errors and the log; without secrets.
        verb: POST or PUT.
        url: Where to.
        body: What.
        headers: More of them.
        timeout_s: Seconds to wait for a connection, and again for the answer.
        verify: True: the CAs of requests; a path: that CA bundle; False: none, by an
            explicit choice.

    Raises:
        TransportError: It was not delivered. A refusal that names a limit of Zaqar is quoted
            so far.
    """
    try:
        # stream: a slow or endless body is not waited for.
        with requests.request(
            verb,
            url,
            data=json.dumps(dict(body)).encode(),
            headers={"Content-Type": "application/json", **(headers or {})},
            timeout=timeout_s,
            verify=verify,
            allow_redirects=False,
            stream=True,
        ) as answer:
            status, phrase = answer.status_code, _phrase(answer)
    except (requests.ConnectionError, requests.Timeout) as exc:
        raise Unreachable(operation, tls_problem(exc) or type(exc).__name__) from exc
    except requests.RequestException as exc:
        raise RequestRefused(operation, type(exc).__name__) from exc
    check_status(operation, status, phrase)


def tls_problem(exc: BaseException) -> str | None:
    """Return why a server's certificate was refused; `None`: something else was wrong.

    The error's own text names the URL, and OpenSSL's does not.
    """
    seen: BaseException | None = exc
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return f"certificate verify failed: {seen.verify_message}"
        seen = seen.__cause__ or seen.__context__
    return None


def _phrase(answer: requests.Response) -> str:
    """Return what a refusal says of a limit; '': nothing, or it is none."""
    status = answer.status_code
    if not 400 <= status < 500 or error_class(status) is not RequestRefused:
        return ""
    try:
        beginning: bytes = next(answer.iter_content(REFUSAL_BYTES), b"")
    except requests.RequestException:  # the status has arrived, and says enough
        return ""
    return phrase_of(beginning.decode(errors="replace"))
