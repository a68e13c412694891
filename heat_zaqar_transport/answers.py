# SPDX-License-Identifier: Apache-2.0
"""What a service's answer means when it is not what was asked for: one of our errors.

Errors of python-zaqarclient, keystoneauth and requests become `wire.errors.TransportError`'s
classes here and nowhere else.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping

import requests
from keystoneauth1 import exceptions as keystone_errors
from zaqarclient import errors as zaqar_errors

from heat_zaqar_transport.wire.bounds import quoted
from heat_zaqar_transport.wire.errors import (
    AccessRefused,
    RequestRefused,
    ServiceFailed,
    TransportError,
    Unreachable,
)

# Characters of an error's text that are told on.
_ERROR_CHARS = 1000

# What python-zaqarclient stumbles over when an answer is not what Zaqar's are.
_UNREADABLE = (
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
)

_STATUS_ACCESS = frozenset({401, 403, 404})
_STATUS_TOO_MANY = 429


class UnexpectedStatus(Exception):
    """A status that python-zaqarclient would take for success."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"HTTP {code}: {text:.200}")
        self.code = code


@contextlib.contextmanager
def translated(
    operation: str, special: Mapping[int, type[TransportError]] | None = None
) -> Iterator[None]:
    """Turn every error of zaqarclient, keystoneauth and requests into one of ours.

    Args:
        operation: What is tried, for the error's text.
        special: Other classes for some HTTP statuses.
    """
    try:
        yield
    except (zaqar_errors.ZaqarError, keystone_errors.HttpError, UnexpectedStatus) as exc:
        code = int(getattr(exc, "code", 0) or getattr(exc, "http_status", 0))
        raise _error_of(code, special or {})(operation, _one_line(exc)) from exc
    except (requests.JSONDecodeError, *_UNREADABLE) as exc:
        raise ServiceFailed(operation, f"unreadable answer ({type(exc).__name__})") from exc
    except (requests.RequestException, keystone_errors.ConnectionError) as exc:
        raise Unreachable(operation, _one_line(exc)) from exc
    except ValueError as exc:  # after requests', some of which are ValueErrors, too
        raise ServiceFailed(operation, f"unreadable answer ({type(exc).__name__})") from exc
    except keystone_errors.ClientException as exc:
        raise RequestRefused(operation, _one_line(exc)) from exc


def _error_of(
    code: int, special: Mapping[int, type[TransportError]]
) -> Callable[[str, str], TransportError]:
    if code in special:
        return special[code]
    if code in _STATUS_ACCESS:
        return AccessRefused
    if code == _STATUS_TOO_MANY or code >= 500:
        return ServiceFailed
    return RequestRefused


def _one_line(exc: Exception) -> str:
    return quoted(" ".join(str(exc).split()), _ERROR_CHARS)
