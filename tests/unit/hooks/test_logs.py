import logging

from heat_zaqar_hooks import logs


def test_libraries_that_log_secrets_are_silenced():
    logs.configure(logging.DEBUG)
    for name in ("urllib3.connectionpool", "keystoneauth.session", "zaqarclient.transport.http"):
        assert not logging.getLogger(name).isEnabledFor(logging.WARNING)


def test_an_unexpected_error_is_logged_by_type_and_place_only(caplog):
    try:
        int("hunter2")
    except ValueError as exc:
        logs.unexpected(logging.getLogger("here"), exc)
    assert "unexpected ValueError at " in caplog.text
    assert "test_logs.py:" in caplog.text
    assert "hunter2" not in caplog.text
