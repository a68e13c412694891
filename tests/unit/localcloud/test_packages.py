import stat

import pytest

from localcloud import packages
from localcloud.errors import LocalCloudError, PackagesMissing


def test_nothing_is_missing_when_every_program_is_there():
    assert packages.missing(lambda _program: True) == ()


def test_a_package_is_missing_when_one_of_its_programs_is():
    found = packages.missing(lambda program: program != "mariadb-install-db")
    assert found == ("mariadb-server",)


def test_everything_missing_names_all_packages():
    names = packages.missing(lambda _program: False)
    assert names == ("mariadb-server", "redis-server", "memcached", "rabbitmq-server", "haproxy")


def test_programs_are_found_where_a_users_path_does_not_lead(monkeypatch, tmp_path):
    program = tmp_path / "server"
    program.write_text("")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(packages, "_SEARCH_PATH", str(tmp_path))
    assert packages.has_program("server")
    assert not packages.has_program("another")


def test_not_root_gets_one_line_that_names_what_to_install():
    with pytest.raises(PackagesMissing) as caught:
        packages.ensure(find_missing=lambda: ("redis-server", "memcached"), is_root=False)
    text = str(caught.value)
    assert "apt-get install redis-server memcached" in text
    assert "\n" not in text
    assert caught.value.packages == ("redis-server", "memcached")


def test_root_installs_just_what_is_missing():
    answers = iter([("memcached",), ()])
    installed = []
    names = packages.ensure(
        find_missing=lambda: next(answers), is_root=True, install=installed.append
    )
    assert installed == [("memcached",)]
    assert names == ("memcached",)


def test_nothing_missing_needs_no_root():
    assert packages.ensure(find_missing=lambda: (), is_root=False) == ()


def test_an_installation_that_brings_nothing_is_an_error():
    with pytest.raises(LocalCloudError, match="memcached: installed, but without"):
        packages.ensure(
            find_missing=lambda: ("memcached",), is_root=True, install=lambda _names: None
        )


def test_a_policy_forbids_starts_meanwhile_and_is_gone_afterwards(tmp_path):
    policy = tmp_path / "policy-rc.d"
    with packages.no_service_starts(policy):
        assert "exit 101" in policy.read_text()
        assert stat.S_IMODE(policy.stat().st_mode) & stat.S_IXUSR
    assert not policy.exists()


def test_a_policy_is_gone_after_a_failure_too(tmp_path):
    policy = tmp_path / "policy-rc.d"
    with pytest.raises(RuntimeError), packages.no_service_starts(policy):
        raise RuntimeError
    assert not policy.exists()


def test_somebody_elses_policy_stays(tmp_path):
    policy = tmp_path / "policy-rc.d"
    policy.write_text("theirs")
    with packages.no_service_starts(policy):
        assert policy.read_text() == "theirs"
    assert policy.read_text() == "theirs"


@pytest.fixture
def apt_get(tmp_path, monkeypatch):
    """An apt-get that writes down how it was called."""
    program = tmp_path / "apt-get"
    calls = tmp_path / "calls"
    calls.write_text("")
    program.write_text(f'#!/bin/sh\necho "$DEBIAN_FRONTEND $*" >> {calls}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(packages, "_POLICY_FILE", tmp_path / "policy-rc.d")
    return program, calls


def test_apt_get_updates_and_installs_without_questions(apt_get):
    _, calls = apt_get
    packages.apt_install(("redis-server",))
    assert calls.read_text().splitlines() == [
        "noninteractive --quiet update",
        "noninteractive --quiet install --yes --no-install-recommends redis-server",
    ]


def test_a_failing_apt_get_is_quoted(apt_get):
    program, _ = apt_get
    program.write_text("#!/bin/sh\necho no network\nexit 100\n")
    with pytest.raises(LocalCloudError, match=r"apt-get --quiet update failed:\nno network"):
        packages.apt_install(("redis-server",))
