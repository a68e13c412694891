import pytest

from heat_zaqar_transport.wire import Secret, SignedUrl
from heat_zaqar_transport.wire.errors import WireFormatError

URL = SignedUrl(
    endpoint="https://zaqar.example.org:8888/messaging",
    queue="hz-m-0123",
    project_id="p1",
    paths=("/v2/queues/hz-m-0123/claims", "/v2/queues/hz-m-0123/messages"),
    methods=("DELETE", "GET"),
    expires="2036-01-01T00:00:00",
    signature=Secret("5ig/n+a=ture&"),
)
TEXT = (
    "https://zaqar.example.org:8888/messaging/v2/queues/hz-m-0123?project=p1"
    "&paths=/v2/queues/hz-m-0123/claims,/v2/queues/hz-m-0123/messages&methods=DELETE,GET"
    "&expires=2036-01-01T00:00:00&signature=5ig/n%2Ba%3Dture%26"
)


def test_the_text_is_fixed():
    assert URL.serialize() == TEXT


def test_the_text_is_read():
    assert SignedUrl.parse(TEXT) == URL


def test_no_dollar_sign_that_oslo_config_would_replace():
    assert "$" not in SignedUrl.parse(TEXT.replace("5ig", "$ig")).serialize()


def test_another_endpoint():
    assert URL.at("http://other/").serialize() == TEXT.replace(
        "https://zaqar.example.org:8888/messaging", "http://other"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "not a pre-signed URL"),
        ("ftp://host/v2/queues/q?project=p", "not a pre-signed URL"),
        ("https:///v2/queues/q?project=p", "not a pre-signed URL"),
        ("https://host/v1/queues/q?project=p", "not a pre-signed URL"),
        ("https://host/v2/queues/?project=p", "not a pre-signed URL"),
        ("https://host/v2/queues/q?project=p&methods=GET", "no paths, expires, signature"),
        (TEXT.replace("project=p1", "project="), "no project"),
        ("https://[host/v2/queues/q", "not a pre-signed URL"),
    ],
)
def test_a_broken_text_says_what_is_missing(text, told):
    with pytest.raises(WireFormatError, match=told):
        SignedUrl.parse(text)


def test_the_signature_is_not_shown():
    assert "5ig" not in repr(URL)
    assert "5ig" not in str(URL)
