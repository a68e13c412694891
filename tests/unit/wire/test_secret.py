from heat_zaqar_transport.wire import Secret


def test_it_is_shown_nowhere():
    secret = Secret("s3cret")
    assert "s3cret" not in f"{secret} {secret!r} {[secret]} {(secret,)}"


def test_it_can_be_asked_for():
    assert Secret("s3cret").reveal() == "s3cret"


def test_equal_by_text():
    assert Secret("a") == Secret("a") != Secret("b")
    assert len({Secret("a"), Secret("a")}) == 1
    assert Secret("a") != "a"
