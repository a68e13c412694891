# SPDX-License-Identifier: Apache-2.0
"""The elements' scripts under linters, and their templates under os-apply-config's own code."""

import io
import json
import os
import runpy
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from os_apply_config import apply_config, config_exception
from os_collect_config import cfn, collect, heat, request, zaqar
from oslo_config import cfg

from heat_zaqar_collector import settings
from heat_zaqar_transport import certificates, seals
from heat_zaqar_transport.wire import Ack, serialize
from support import tls_server

ROOT = Path(__file__).parents[3]
ELEMENTS = ROOT / "elements"
AGENT = ELEMENTS / "heat-zaqar-agent"
VENV_BIN = Path(sys.executable).parent
SHIMS = [
    *(AGENT / "os-refresh-config" / "configure.d").iterdir(),
    *(AGENT / "heat-config-hooks").iterdir(),
]
SHELL_SCRIPTS = sorted(
    path
    for path in ELEMENTS.rglob("*")
    if path.is_file() and path.read_bytes().startswith((b"#!/bin/sh", b"#!/bin/bash"))
)
Apply = Callable[[Path, Path], str | None]
UNIT = AGENT / "init-scripts" / "systemd" / "os-collect-config.service"

# Each would be damaged by HTML escaping, by a template, or by oslo.config.
HARD_VALUES = {
    "html": "a&b<c>\"d'e",
    "percent": "100%",
    "equals": "a=b==",
    "colon": "a:b",
    "dollar": "pa$auth_url",
    "dollars": "$$a$$$",
    "braces": "${password}",
    "backslash-dollar": r"a\$b\\$c",
    "backslashes": r"\a\\b\n",
    "mustache": "{{password}} {{#zaqar}}",
    "double quotes": '"quoted"',
    "single quotes": "'quoted'",
    "one quote": '"',
    "unbalanced": "'a\"",
    "blanks": "  a b\t",
    "hash": "#a;b",
    "bracket": "[zaqar]",
    "unicode": "pässwörd-密码-😀",
    "looks like null": "None",
}
BODY = serialize(Ack("hz-c-1", "c1"))
URL = (
    "http://192.0.2.7:8888/v2/queues/q-1/messages?paths=/v2/queues/q-1/messages"
    "&methods=GET&expires=2027-01-01T00:00:00&signature=0a%3D&project=p"
)


def run(*command: str | Path, **kwargs: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, **kwargs)


def program(name: str) -> str:
    """Find a program of the system; a missing one fails the test."""
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is not installed: tools/setup.sh installs it")
    return found


class TemplateHere:
    """Stands for `subprocess.Popen` in os-apply-config: the template runs in this process."""

    def __init__(self, command: list[str], **_: Any) -> None:
        (self._path,) = command
        self.returncode = 0

    def communicate(self, text: bytes) -> tuple[bytes, bytes]:
        stdin = io.TextIOWrapper(io.BytesIO(text), encoding="utf-8")
        stdout = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
        stderr = b""
        with mock.patch.multiple(sys, stdin=stdin, stdout=stdout):
            try:
                runpy.run_path(self._path, run_name="__main__")
            except SystemExit as exc:
                self.returncode, stderr = 1, str(exc).encode()
        return stdout.buffer.getvalue(), stderr

    def wait(self) -> None:
        pass


def here(source: Path, root: Path) -> str | None:
    """Have os-apply-config's own code do it in this process; return what it complains of."""
    played = SimpleNamespace(Popen=TemplateHere, PIPE=subprocess.PIPE)
    templates, nothing = str(AGENT / "os-apply-config"), str(root / "none")
    with mock.patch.object(apply_config, "subprocess", played):
        try:
            apply_config.install_config([str(source)], templates, str(root), False, None, [nothing])
        except config_exception.ConfigException as exc:
            return str(exc)
    return None


def by_command(source: Path, root: Path) -> str | None:
    """Start the command, which starts the templates; return what it complains of."""
    result = run(
        VENV_BIN / "os-apply-config",
        *("--templates", AGENT / "os-apply-config"),
        *("--output", root),
        *("--metadata", source),
        *("--fallback-metadata", root / "none"),
    )
    assert result.returncode in (0, 1), result.stderr
    return result.stderr if result.returncode else None


# For what may be another thing in processes of their own: texts, modes, exit statuses.
both_ways = pytest.mark.parametrize("apply", [here, by_command])


class Applied:
    """What os-apply-config has made of metadata, in a directory.

    Attributes:
        complaint: Why it has not; `None`: it has.
    """

    def __init__(self, root: Path, metadata: dict[str, Any], apply: Apply = here) -> None:
        source = root.with_suffix(".json")
        source.write_text(json.dumps(metadata))
        self.complaint = apply(source, root)
        self.conf = root / "etc" / "os-collect-config.conf"
        self.deployments = root / "var" / "run" / "heat-config" / "heat-config"

    def options(self) -> cfg.ConfigOpts:
        """Read the file as the agent does."""
        conf = cfg.ConfigOpts()
        conf.register_opts(collect.opts)
        for module in (zaqar, heat, cfn, request):
            conf.register_opts(module.opts, group=module.name)
        conf.register_opts(settings.ADDED_OPTS, group="zaqar")
        conf(args=[], default_config_files=[str(self.conf)])
        return conf


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def occ(**values: Any) -> dict[str, Any]:
    return {"os-collect-config": values}


# Scripts


@pytest.mark.parametrize("script", SHELL_SCRIPTS, ids=lambda path: str(path.relative_to(ELEMENTS)))
def test_shellcheck(script: Path) -> None:
    result = run(program("shellcheck"), script)

    assert result.returncode == 0, result.stdout


def test_dib_lint(tmp_path: Path) -> None:
    program("file")
    # dib-lint wants flake8, which does not start where neutron-lib's plugin is installed
    # without its own requirement. These two are what flake8 runs.
    flake8 = tmp_path / "flake8"
    flake8.write_text('#!/bin/sh\npython -m pycodestyle "$@" && exec python -m pyflakes "$@"\n')
    flake8.chmod(0o755)
    environ = {
        **os.environ,
        "PATH": f"{tmp_path}:{VENV_BIN}:{os.environ['PATH']}",
        "ELEMENTS_DIR": "elements",
        "LIB_DIR": "elements",
    }

    result = run(VENV_BIN / "dib-lint", cwd=ROOT, env=environ)

    assert result.returncode == 0, result.stdout + result.stderr
    assert "PASS" in result.stdout


@pytest.mark.parametrize("shim", SHIMS, ids=lambda path: path.name)
def test_installed_scripts_are_shims(shim: Path) -> None:
    assert len(shim.read_text().splitlines()) <= 15
    assert os.access(shim, os.X_OK)


def test_the_unit_is_valid(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    # The command is not installed here: any other stands in for it.
    unit.write_text(UNIT.read_text().replace("/usr/local/bin/os-collect-config-zaqar", "/bin/true"))

    result = run(program("systemd-analyze"), "verify", unit)

    assert (result.returncode, result.stderr) == (0, "")


# os-collect-config.conf


@pytest.mark.parametrize("value", HARD_VALUES.values(), ids=HARD_VALUES)
def test_values_arrive_unchanged(root: Path, value: str) -> None:
    applied = Applied(root, occ(zaqar={"password": value, "auth_url": "http://192.0.2.7/v3"}))

    assert applied.options().zaqar.password == value
    assert applied.options().zaqar.auth_url == "http://192.0.2.7/v3"


def test_signed_urls_arrive_unchanged(root: Path) -> None:
    applied = Applied(root, occ(zaqar={"metadata_url": URL, "signal_url": URL}))

    assert applied.options().zaqar.metadata_url == URL
    assert applied.options().zaqar.signal_url == URL


def test_what_heat_names_and_dates_arrives_as_the_agent_reads_it(root: Path) -> None:
    keys = [seals.new_key() for _ in range(2)]
    values = {"seal_keys": seals.text_of(keys), "credentials": "hz-k-1", "renew_at": 1795666532}

    loaded = settings.load(Applied(root, occ(zaqar=values)).conf)

    assert (loaded.credentials, loaded.renew_at) == ("hz-k-1", 1795666532.0)
    for key in keys:
        assert loaded.seal.unseal(seals.seal_of([key]).seal(BODY)) == BODY


def ca_certificates(tmp_path: Path) -> str:
    directory = tls_server.certificates(tmp_path / "tls")
    return certificates.to_text((directory / "ca.pem").read_bytes())


def test_every_option_of_ours_is_rendered(root: Path, tmp_path: Path) -> None:
    typed = {"signal_ttl": 61, "timeout": 62.5, "poll_longest": 63.5, "push": "webhook"}
    typed |= {"deploy_timeout": 64.5, "renew_at": 65.5}
    typed |= {"insecure": True, "ca_certificates": ca_certificates(tmp_path)}
    names = [option.dest for option in settings.ADDED_OPTS]
    values = {name: typed.get(name, f"value-of-{name}") for name in names}

    rendered = Applied(root, occ(zaqar=values)).options().zaqar

    assert {name: rendered[name] for name in names} == values


def test_options_of_tls_are_rendered_as_the_agent_reads_them(root: Path, tmp_path: Path) -> None:
    text = ca_certificates(tmp_path)

    rendered = Applied(root, occ(zaqar={"insecure": True, "ca_certificates": text})).options()

    assert rendered.zaqar.insecure is True
    assert rendered.zaqar.ca_certificates == text


@both_ways
def test_what_heat_sends_for_each_transport(root: Path, apply: Apply) -> None:
    login = {"auth_url": "http://192.0.2.7:5000/v3", "user_id": "u", "password": "p"}
    login |= {"project_id": "pr", "region_name": HARD_VALUES["unicode"]}
    metadata = occ(
        collectors=["ec2", "zaqar", "local"],
        polling_interval=5,
        splay=7,
        cachedir="/srv/cache",
        zaqar={**login, "queue_id": "q", "use_websockets": True},
        heat={**login, "stack_id": "s/1", "resource_name": "server"},
        cfn={
            "metadata_url": "http://192.0.2.7:8000/v1/",
            "access_key_id": "a",
            "secret_access_key": "s",
            "stack_name": "st",
            "path": "server.Metadata",
        },
        request={"metadata_url": URL},
    )

    conf = Applied(root, metadata, apply).options()

    assert conf.collectors == ["ec2", "zaqar", "local"]
    assert (conf.command, conf.polling_interval) == ("os-refresh-config", 5.0)
    assert (conf.cachedir, conf.splay) == ("/srv/cache", 7.0)
    assert (conf.zaqar.queue_id, conf.zaqar.use_websockets) == ("q", True)
    assert conf.zaqar.region_name == HARD_VALUES["unicode"]
    assert (conf.heat.stack_id, conf.heat.user_id) == ("s/1", "u")
    assert (conf.cfn.path, conf.cfn.secret_access_key) == (["server.Metadata"], "s")
    assert conf.request.metadata_url == URL


def test_a_transport_that_heat_has_set_to_nulls_leaves_no_line(root: Path) -> None:
    applied = Applied(
        root,
        # A key of an outer object never stands in for a missing one of an inner one.
        {"timeout": 3, **occ(password="x", zaqar={"password": None}, heat={"user_id": "u"})},
    )

    assert "zaqar" not in applied.conf.read_text()
    assert "password" not in applied.conf.read_text()
    assert applied.options().heat.user_id == "u"


def test_before_the_first_metadata_only_local_sources_are_read(root: Path) -> None:
    conf = Applied(root, {}).options()

    assert conf.collectors == ["heat_local", "local"]
    assert conf.command == "os-refresh-config"


def test_without_collectors_those_that_are_configured_are_read(root: Path) -> None:
    conf = Applied(root, occ(cfn={"stack_name": "s"}, zaqar={"channel": None})).options()

    assert conf.collectors == ["heat_local", "cfn", "local"]


def test_a_command_of_the_metadata_goes_first(root: Path) -> None:
    conf = Applied(root, occ(command="/bin/run $HOME")).options()

    assert conf.command == "/bin/run $HOME"


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"zaqar": {"password": "a\n[DEFAULT]\ncommand = x"}}, "password contains a line break"),
        ({"zaqar": {"signal_ttl": "soon"}}, "signal_ttl is not a number"),
        ({"zaqar": {"poll_longest": "often"}}, "poll_longest is not a number"),
        ({"zaqar": {"deploy_timeout": "long"}}, "deploy_timeout is not a number"),
        ({"zaqar": {"renew_at": "soon"}}, "renew_at is not a number"),
        ({"zaqar": {"seal_keys": ["a", {}]}}, "seal_keys is neither text nor a number"),
        ({"zaqar": {"password": {"a": "b"}}}, "password is neither text nor a number"),
        ({"zaqar": "hello"}, "os-collect-config.zaqar is not an object"),
    ],
)
def test_what_cannot_be_written_leaves_the_present_file(
    root: Path, values: dict[str, Any], complaint: str
) -> None:
    check_refused(root, values, complaint, here)


def test_the_command_says_so_and_fails(root: Path) -> None:
    check_refused(root, {"zaqar": {"renew_at": "soon"}}, "renew_at is not", by_command)


def check_refused(root: Path, values: dict[str, Any], complaint: str, apply: Apply) -> None:
    """See that values are complained of, and that the files stay as they were."""
    applied = Applied(root, {})
    before = applied.conf.read_text()

    said = Applied(root, {**occ(**values), "deployments": [{"id": "1"}]}, apply).complaint

    assert said is not None
    assert complaint in said
    assert "command = x" not in said
    assert applied.conf.read_text() == before
    assert json.loads(applied.deployments.read_text()) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("push", "sometimes"),
        ("push", False),
        ("insecure", "perhaps"),
        ("ca_certificates", "hunter2!"),
        ("ca_certificates", "aHVudGVyMg=="),
        ("ca_certificates", "w6TDtsO8"),
        ("poll_longest", 0.5),
        ("timeout", 0),
        ("deploy_timeout", -1),
    ],
)
def test_what_the_agent_would_not_start_with_leaves_the_present_file(
    root: Path, name: str, value: Any
) -> None:
    applied = Applied(root, {})

    Applied(root, occ(zaqar={"channel": "c", name: value}))

    # Whatever is in place now, the agent can be started with it.
    settings.load(applied.conf)


# heat-config


@both_ways
def test_deployments_arrive_exactly(root: Path, apply: Apply) -> None:
    deployments = [
        {
            "id": "c1",
            "config": {"a": [1, 2.5, None, True], "b": {"c": "<&>\"'\n{{x}} $y ü 😀"}},
            "inputs": [{"name": "n", "value": value} for value in HARD_VALUES.values()],
        },
        {"id": "c2", "config": '#!/bin/sh\necho "it\'s $done"\n', "inputs": []},
    ]

    applied = Applied(root, {"deployments": deployments}, apply)

    assert json.loads(applied.deployments.read_text()) == deployments


@pytest.mark.parametrize("metadata", [{}, {"deployments": []}, {"deployments": None}])
def test_no_deployments_are_an_empty_list(root: Path, metadata: dict[str, Any]) -> None:
    assert Applied(root, metadata).deployments.read_text() == "[]"


@both_ways
@pytest.mark.parametrize("present", [None, 0o644])
def test_both_files_are_private(root: Path, present: int | None, apply: Apply) -> None:
    applied = Applied(root, {})
    for path in (applied.conf, applied.deployments):
        path.chmod(present) if present else path.unlink()

    Applied(root, {}, apply)

    modes = [stat.S_IMODE(path.stat().st_mode) for path in (applied.conf, applied.deployments)]
    assert modes == [0o600, 0o600]


# Image build


def test_boot_time_metadata_lies_beneath_what_collectors_deliver(tmp_path: Path) -> None:
    boot = tmp_path / "var" / "lib" / "heat-cfntools" / "cfn-init-data"
    boot.parent.mkdir(parents=True)
    boot.write_text(json.dumps(occ(collectors=["zaqar"], zaqar={"channel": "c", "timeout": 9})))
    collected = tmp_path / "zaqar.json"
    collected.write_text(json.dumps(occ(zaqar={"timeout": None})))
    environ = {
        "PATH": f"{VENV_BIN}:/usr/bin:/bin",
        "OS_APPLY_CONFIG_OUTPUT": str(tmp_path),
        "OS_CONFIG_APPLIER_TEMPLATES": str(AGENT / "os-apply-config"),
        "OS_CONFIG_FILES": str(collected),
    }

    result = run(AGENT / "os-refresh-config" / "configure.d" / "20-os-apply-config", env=environ)

    assert result.returncode == 0, result.stderr
    rendered = (tmp_path / "etc" / "os-collect-config.conf").read_text()
    assert "[zaqar]\nchannel = c\n" in rendered
    assert "timeout" not in rendered


def test_a_virtual_environment_without_the_agent_is_refused(tmp_path: Path) -> None:
    result = run(AGENT / "bin" / "heat-zaqar-agent-layout", tmp_path / "root", tmp_path)

    assert result.returncode == 1
    assert f"{tmp_path} lacks the command dib-run-parts" in result.stderr


class Build:
    """The element's hooks as diskimage-builder runs them: copied into one directory."""

    def __init__(self, tmp_path: Path, source: str | Path | None) -> None:
        self.hooks = tmp_path / "hooks"
        shutil.copytree(AGENT, self.hooks)
        self.venv = tmp_path / "venv"
        self.root = tmp_path / "image"
        self.asked = tmp_path / "asked"
        stubs = tmp_path / "stubs"
        (self.venv / "bin").mkdir(parents=True)
        stubs.mkdir()
        self._stub(stubs / "python3", f'[ "$1 $2" = "-m venv" ] || exec {sys.executable} "$@"')
        self._stub(self.venv / "bin" / "pip", f'echo "$@" > {self.asked}; ls "${{3%[*}}" || true')
        for command in VENV_BIN.glob("*config*"):
            (self.venv / "bin" / command.name).symlink_to(command)
        (self.venv / "bin" / "dib-run-parts").symlink_to(VENV_BIN / "dib-run-parts")
        self.environ = {
            "PATH": f"{stubs}:{os.environ['PATH']}",
            "TMP_HOOKS_PATH": str(self.hooks),
            "DIB_HEAT_ZAQAR_AGENT_VENV": str(self.venv),
            "DIB_HEAT_ZAQAR_AGENT_ROOT": str(self.root),
        }
        if source:
            self.environ["DIB_HEAT_ZAQAR_AGENT_SOURCE"] = str(source)

    @staticmethod
    def _stub(path: Path, body: str) -> None:
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def run(self) -> subprocess.CompletedProcess[str]:
        script = " && ".join(
            [
                f". {self.hooks}/environment.d/10-heat-zaqar-agent",
                f"{self.hooks}/extra-data.d/20-heat-zaqar-agent",
                f"{self.hooks}/install.d/50-heat-zaqar-agent",
            ]
        )
        return run("bash", "-euc", script, env=self.environ)


def test_the_default_source_is_the_distribution(tmp_path: Path) -> None:
    build = Build(tmp_path, None)

    result = build.run()

    assert result.returncode == 0, result.stderr
    assert build.asked.read_text().split()[-1] == "heat-zaqar-transport[agent]"
    first = build.root / "etc" / "os-collect-config.conf"
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    assert "collectors = heat_local" in first.read_text()
    assert os.access(build.root / "usr/local/bin/os-collect-config-zaqar", os.X_OK)


def test_a_wheel_is_carried_into_the_image(tmp_path: Path) -> None:
    wheel = tmp_path / "heat_zaqar_transport-1.0-py3-none-any.whl"
    wheel.write_bytes(b"wheel")
    build = Build(tmp_path, wheel)

    build.run()

    assert build.asked.read_text().endswith(f"/{wheel.name}[agent]\n")


def test_a_source_tree_is_carried_without_its_history(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name in (".git/config", ".venv/big", "setup.py"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).touch()
    build = Build(tmp_path, source)

    result = build.run()

    assert build.asked.read_text().endswith("/tree[agent]\n")
    assert result.stdout.splitlines()[0] == "setup.py"
    carried = build.hooks / "heat-zaqar-agent-source" / "tree"
    assert [path.name for path in carried.iterdir()] == ["setup.py"]
