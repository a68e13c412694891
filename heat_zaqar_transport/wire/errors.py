# SPDX-License-Identifier: Apache-2.0
"""Every error this project raises on purpose.

::

    HeatZaqarError
    ├── WireFormatError         a body that is not what docs/wire-format.md says
    │   └── UnknownVersion      a format version this code does not speak
    ├── TooLarge                a message that no number of posts may carry; names both sizes
    ├── NotConfigured           an option that is missing or unusable; names it
    ├── StateError              the local state directory cannot be read or written
    ├── HookFailed              a deployment's hook could not give a result
    └── TransportError          a service could not be reached, or said no
        ├── Unreachable         no answer: refused, reset, timed out     (Retriable)
        ├── ServiceFailed       the service answered 5xx or 429          (Retriable)
        ├── AccessRefused       401, 403 or 404: wrong or expired credentials, no such queue
        └── RequestRefused      any other 4xx: asking again will not help

`Retriable` is a mixin: a retry loop catches just that.
"""


class HeatZaqarError(Exception):
    """Root of the project's own errors."""


class Retriable(HeatZaqarError):
    """Mixin of errors after which the same request may well succeed later."""


class WireFormatError(HeatZaqarError):
    """A body breaks the wire format.

    Attributes:
        problem: What is wrong, in words that name the field but quote no content.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return self.problem


class UnknownVersion(WireFormatError):
    """A message is of a format version that this code does not speak.

    Attributes:
        found: The version in the message (any JSON value: it is the sender's word).
        spoken: The version spoken here.
    """

    def __init__(self, found: object, spoken: int) -> None:
        super().__init__(
            f"wire format version {found!r:.40} is not spoken here, only version {spoken}"
        )
        self.found = found
        self.spoken = spoken


class TooLarge(HeatZaqarError):
    """A message is larger than what can be carried.

    Attributes:
        kind: What: a snapshot, or a result.
        found_bytes: Its size.
        limit_bytes: What can be carried.
    """

    def __init__(self, kind: str, found_bytes: int, limit_bytes: int) -> None:
        super().__init__(kind, found_bytes, limit_bytes)
        self.kind = kind
        self.found_bytes = found_bytes
        self.limit_bytes = limit_bytes

    def __str__(self) -> str:
        return (
            f"the {self.kind} takes {self.found_bytes} bytes, "
            f"and at most {self.limit_bytes} bytes can be carried over Zaqar"
        )


class NotConfigured(HeatZaqarError):
    """An option is missing, or has a value that cannot be used.

    Attributes:
        option: The option's name with its section, such as `[zaqar] signal_url`.
        problem: What is wrong with it, and what to do.
    """

    def __init__(self, option: str, problem: str = "is not set") -> None:
        super().__init__(option, problem)
        self.option = option
        self.problem = problem

    def __str__(self) -> str:
        return f"option {self.option} {self.problem}"


class StateError(HeatZaqarError):
    """The local state directory cannot be read or written (full, read-only, damaged).

    Attributes:
        path: The file or directory.
        problem: The operating system's reason.
    """

    def __init__(self, path: object, problem: object) -> None:
        super().__init__(path, problem)
        self.path = path
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


class HookFailed(HeatZaqarError):
    """A deployment's hook gave no usable result.

    Attributes:
        reason: One sentence that a template author reads in the stack's status reason.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class TransportError(HeatZaqarError):
    """A service could not be reached, or refused.

    Attributes:
        operation: What was tried, such as `post to queue hz-m-...`.
        problem: What came back, without credentials.
    """

    def __init__(self, operation: str, problem: str) -> None:
        super().__init__(operation, problem)
        self.operation = operation
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.operation}: {self.problem}"


class Unreachable(Retriable, TransportError):
    """No answer: connection refused or reset, name not found, timed out."""


class ServiceFailed(Retriable, TransportError):
    """The service answered with a 5xx or with 429."""


class AccessRefused(TransportError):
    """The service answered 401, 403 or 404.

    Zaqar answers 404, not 403, to a signature that does not fit the queue.
    """


class RequestRefused(TransportError):
    """The service answered with another 4xx; the same request will fail again."""
