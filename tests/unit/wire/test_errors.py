import pytest

from heat_zaqar_transport.wire import errors


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (errors.WireFormatError("no header"), "no header"),
        (errors.UnknownVersion(2, 1), "wire format version 2 is not spoken here, only version 1"),
        (
            errors.TooLarge("snapshot", 300, 200),
            "the snapshot takes 300 bytes, and at most 200 bytes can be carried over Zaqar",
        ),
        (errors.NotConfigured("[zaqar] signal_url"), "option [zaqar] signal_url is not set"),
        (errors.StateError("/x", "No space left on device"), "/x: No space left on device"),
        (errors.HookFailed("no hook"), "no hook"),
        (errors.Unreachable("post to queue q", "refused"), "post to queue q: refused"),
    ],
)
def test_each_says_what_happened(error, text):
    assert str(error) == text
    assert isinstance(error, errors.HeatZaqarError)


@pytest.mark.parametrize(
    ("kind", "retriable"),
    [
        (errors.Unreachable, True),
        (errors.ServiceFailed, True),
        (errors.AccessRefused, False),
        (errors.RequestRefused, False),
    ],
)
def test_what_a_retry_can_help(kind, retriable):
    assert issubclass(kind, errors.TransportError)
    assert issubclass(kind, errors.Retriable) is retriable


def test_a_long_foreign_version_is_cut():
    assert len(str(errors.UnknownVersion("x" * 10_000, 1))) < 200
