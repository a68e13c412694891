import pytest

from demo.items import Outputs, Problem
from demo.redact import CREDENTIALS, Redactor, presentable, secrets_in

SIGNATURE = "6f0c9f5d3e2b4a1c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c"
TOKEN = "gAAAAABnT_" + "x" * 60


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"GET /v2/queues/q/messages?URL-Signature={SIGNATURE}&URL-TTL=1", SIGNATURE),
        (f'{{"signature": "{SIGNATURE}"}}', SIGNATURE),
        (f"a bare one {SIGNATURE} in a text", SIGNATURE),
        ("http://h/v1/signal/arn?Signature=abc%2Bdef%3D&x=1", "abc%2Bdef%3D"),
        ("arn?AWSAccessKeyId=1&Signature%3Dabcdef", "abcdef"),
        ("password: hunter22", "hunter22"),
        ('{"admin_password": "hunter22"}', "hunter22"),
        ("OS_PASSWORD='hunter22'", "hunter22"),
        (f"X-Auth-Token: {TOKEN}", TOKEN),
        (f"the token is {TOKEN}", TOKEN),
        ("Authorization: Bearer hunter22", "hunter22"),
        ("mysql+pymysql://heat:hunter22@127.0.0.1:1/heat", "hunter22"),
    ],
)
def test_what_looks_like_a_secret_goes(text: str, secret: str) -> None:
    assert secret not in Redactor().text(text)


def test_a_secret_that_was_told_goes_wherever_it_is() -> None:
    redactor = Redactor()
    redactor.learn(["correct horse"])

    assert redactor.text("it said correct horse!") == "it said ***!"


def test_short_words_stay() -> None:
    redactor = Redactor()
    redactor.learn(["zaqar", ""])

    assert redactor.text("from zaqar to heat") == "from zaqar to heat"


def test_harmless_texts_stay() -> None:
    text = "generation 4 of the server's metadata posted to its queue, a67b7124-6211-4a9b-9b06"

    assert Redactor().text(text) == text


def test_nothing_steers_the_terminal() -> None:
    assert Redactor().text("a\x1b[2Jb\rc\nd") == "a [2Jb c\nd"


def test_every_text_of_an_item() -> None:
    redactor = Redactor()
    redactor.learn([SIGNATURE])

    assert SIGNATURE not in redactor.item(Problem(f"x {SIGNATURE}")).text
    assert SIGNATURE not in redactor.item(Outputs({"a": SIGNATURE})).values["a"]


def test_secrets_are_found_at_any_depth() -> None:
    assert set(secrets_in({"a": ["x", {"b": "y"}], "c": 1, "d": None})) == {"x", "y"}


def test_credentials_are_never_presented() -> None:
    shown = presentable({"creds": "s3cret", "b": {"deep": "s3cret"}, "a": 0}, "creds")

    assert shown == {"a": "0", "b": CREDENTIALS, "creds": CREDENTIALS}
    assert list(shown)[-1] == "creds"
