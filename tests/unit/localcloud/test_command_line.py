import os

import pytest

from localcloud import packages
from localcloud.__main__ import main
from localcloud.boot_state import BootState


def refused(capsys, *argv):
    """Run a command that has to fail, and return the one line that it says."""
    assert main(list(argv)) == 1
    output = capsys.readouterr()
    assert output.out == ""
    (line,) = output.err.splitlines()
    return line


@pytest.mark.parametrize("command", ["status", "down"])
def test_no_cloud_there(capsys, tmp_path, command):
    line = refused(capsys, command, "--scratch", str(tmp_path))
    assert line == f"localcloud: no local cloud in {tmp_path}"


def test_a_cloud_that_is_gone(capsys, plan):
    """Its directory was kept, its processes have ended."""
    plan.save()
    assert "no supervisor answers" in refused(capsys, "status", "--scratch", str(plan.scratch))


def test_a_cloud_that_boots_is_not_ready(capsys, plan, supervisor):
    plan.save()
    BootState(os.getpid(), ("heat-engine",)).save(plan.scratch)
    assert main(["status", "--scratch", str(plan.scratch)]) == 1
    assert capsys.readouterr().err == "localcloud: not ready, it waits for heat-engine\n"
    line = refused(capsys, "status", "--scratch", str(plan.scratch), "--wait", "0")
    assert line.endswith("is not ready after 0 s: it waits for heat-engine")


def test_a_cloud_is_ready_while_all_of_its_services_run(capsys, plan, supervisor, make_command):
    plan.save()
    BootState(os.getpid(), (), 1.0).save(plan.scratch)
    status = ["status", "--scratch", str(plan.scratch), "--wait", "0"]
    supervisor.start(make_command("redis", "sleep", "60"))
    assert main(status) == 0
    assert "redis" in capsys.readouterr().out
    supervisor.kill("redis")
    assert main(status) == 1


def test_a_directory_in_use(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(packages, "ensure", lambda: ())
    (tmp_path / "x").write_text("")
    assert "is not empty" in refused(capsys, "up", "--scratch", str(tmp_path))


def test_missing_packages_without_root(capsys, monkeypatch):
    def ensure():
        raise packages.PackagesMissing(("memcached",))

    monkeypatch.setattr(packages, "ensure", ensure)
    assert "apt-get install memcached" in refused(capsys, "install")
    assert "apt-get install memcached" in refused(capsys, "up")


def test_install_says_what_it_did(capsys, monkeypatch):
    monkeypatch.setattr(packages, "ensure", lambda: ("memcached",))
    assert main(["install"]) == 0
    assert capsys.readouterr().out == "installed: memcached\n"


@pytest.mark.parametrize("argv", [[], ["up"], ["status"], ["down"], ["install"]])
def test_help_is_everywhere(capsys, argv):
    with pytest.raises(SystemExit) as caught:
        main([*argv, "--help"])
    assert caught.value.code == 0
    assert "usage: python -m localcloud" in capsys.readouterr().out


@pytest.mark.parametrize("argv", [[], ["dance"], ["status"], ["up", "--plugin-dir", "/no/such"]])
def test_wrong_usage(capsys, argv):
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2
