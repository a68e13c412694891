import pytest

from heat_zaqar_hooks.inputs import Inputs
from heat_zaqar_hooks.signals.base import check_status, has_own_queue
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


def test_words_that_are_safe_to_quote_are_quoted():
    with pytest.raises(RequestRefused, match=r"^signal: HTTP status 400: too long$"):
        check_status("signal", 400, "too long")


@pytest.mark.parametrize(
    ("values", "own"),
    [
        ({"deploy_queue_id": "q", "deploy_signal_id": "u"}, True),
        ({"deploy_queue_id": "q"}, False),
        ({"deploy_signal_id": "u"}, False),
        ({}, False),
    ],
)
def test_a_deployments_own_queue_takes_both_of_its_inputs(values, own):
    assert has_own_queue(Inputs("c1", values)) is own
