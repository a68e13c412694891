import pytest

from localcloud.errors import (
    CatalogFailed,
    LocalCloudError,
    NotReady,
    ServiceDied,
    describe_exit,
    tail,
)


@pytest.mark.parametrize(
    ("returncode", "text"), [(0, "exit status 0"), (3, "exit status 3"), (-9, "signal SIGKILL")]
)
def test_ends_in_words(returncode, text):
    assert describe_exit(returncode) == text


def test_a_tail_is_the_last_lines(tmp_path):
    log = tmp_path / "log"
    log.write_text("".join(f"{n}\n" for n in range(100000)))
    assert tail(log, 2) == "99998\n99999"


def test_a_tail_of_what_is_not_there_or_not_text(tmp_path):
    assert tail(tmp_path / "none") == ""
    (tmp_path / "log").write_bytes(b"\xff\n")
    assert tail(tmp_path / "log") == "\ufffd"


def test_a_death_keeps_the_logs_end_when_the_log_is_gone(tmp_path):
    log = tmp_path / "zaqar.log"
    log.write_text("boom\n")
    death = ServiceDied("zaqar", 1, log)
    log.unlink()
    assert str(death) == f"zaqar died with exit status 1, log: {log}\nboom"
    assert (death.service, death.returncode, death.log) == ("zaqar", 1, log)


@pytest.mark.parametrize(
    "text", ["[Errno 98] Address already in use", "{error,eaddrinuse}", "Connection in use: (x)"]
)
def test_a_taken_port_is_named_as_the_cause(tmp_path, text):
    log = tmp_path / "log"
    log.write_text(text)
    assert "(its port was taken)" in str(ServiceDied("x", 1, log))


def test_every_error_is_a_local_cloud_error_and_names_its_log(tmp_path):
    log = tmp_path / "log"
    for error in (NotReady("x", 1.0, "no", log), CatalogFailed("403", log)):
        assert isinstance(error, LocalCloudError)
        assert str(log) in str(error)
