import pytest

from localcloud import packages
from localcloud.__main__ import main


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
