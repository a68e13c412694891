import pytest

from heat_zaqar_hooks.signals.base import check_status
from heat_zaqar_transport.wire.errors import (
    AccessRefused,
    RequestRefused,
    Retriable,
    ServiceFailed,
    TransportError,
)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_success_is_2xx(status):
    check_status("signal", status)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (301, RequestRefused),
        (400, RequestRefused),
        (401, AccessRefused),
        (403, AccessRefused),
        (404, AccessRefused),
        (413, RequestRefused),
        (429, ServiceFailed),
        (500, ServiceFailed),
        (503, ServiceFailed),
    ],
)
def test_anything_else_is_an_error(status, error):
    with pytest.raises(TransportError, match=f"^signal: HTTP status {status}$") as caught:
        check_status("signal", status)
    assert type(caught.value) is error
    assert isinstance(caught.value, Retriable) == (status in (429, 500, 503))
