import pytest

from heat_zaqar_transport.wire import KeystoneUrl, Secret, SignedUrl, parse_queue_url
from heat_zaqar_transport.wire.errors import WireFormatError

URL = KeystoneUrl(
    endpoint="https://zaqar.example.org:8888",
    queue="hz-m-0123",
    project_id="p1",
    auth_url="https://keystone.example.org/v3",
    user_id="u1",
    password=Secret("p&ss w$rd="),
)
TEXT = (
    "https://zaqar.example.org:8888/v2/queues/hz-m-0123?project=p1"
    "&auth_url=https://keystone.example.org/v3&user_id=u1&password=p%26ss+w%24rd%3D"
)
SIGNED = "https://zaqar/v2/queues/q?project=p&paths=/v2/queues/q/messages&methods=GET&expires=2036"


def test_the_text_is_fixed_and_read():
    assert URL.serialize() == TEXT
    assert parse_queue_url(TEXT) == URL


def test_a_signed_url_is_read_too():
    text = f"{SIGNED}&signature=s"
    assert parse_queue_url(text) == SignedUrl.parse(text)


def test_another_endpoint():
    assert URL.at("http://other") == parse_queue_url(
        TEXT.replace("https://zaqar.example.org:8888", "http://other")
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (TEXT.replace("user_id=u1", "user_id="), "no user_id in its query"),
        (TEXT.partition("&password")[0], "no password in its query"),
        (SIGNED, "no signature in its query"),
        ("https://zaqar/v1/x", "not a pre-signed URL"),
    ],
)
def test_a_broken_text_says_what_is_missing(text, told):
    with pytest.raises(WireFormatError, match=told):
        parse_queue_url(text)


def test_the_password_is_not_shown():
    assert "p&ss" not in repr(URL) + str(URL)
