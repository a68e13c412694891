"""How the agent verifies TLS; each case through a configuration file, as agents read it."""

import base64
import logging
import stat
import warnings

import pytest
from os_collect_config import zaqar
from oslo_config import cfg
from urllib3.exceptions import InsecureRequestWarning

from heat_zaqar_collector import settings, trust
from heat_zaqar_transport import certificates
from heat_zaqar_transport.wire.errors import NotConfigured, StateError
from support import tls_server


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tls_server.certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def text(directory):
    return certificates.to_text((directory / "ca.pem").read_bytes())


@pytest.fixture
def state_dir(tmp_path):
    return tmp_path / "state"


@pytest.fixture
def load(tmp_path, state_dir):
    def loaded(**options):
        path = tmp_path / "agent.conf"
        lines = [f"{name} = {value}" for name, value in {"state_dir": state_dir, **options}.items()]
        path.write_text("\n".join(["[zaqar]", *lines, ""]))
        return settings.load(path)

    return loaded


@pytest.fixture(autouse=True)
def _keep_warning_filters():
    with warnings.catch_warnings():
        yield


def test_without_any_option_it_verifies(load, state_dir):
    assert load().verify is True
    assert not state_dir.exists()


@pytest.mark.parametrize("value", ["", "ssl_certificate_validation = false\n"])
def test_the_released_option_has_no_effect(tmp_path, value):
    """In the agent it is registered, and its default is false."""
    path = tmp_path / "agent.conf"
    path.write_text(f"[zaqar]\n{value}")
    conf = cfg.ConfigOpts()
    conf.register_opts(zaqar.opts, group="zaqar")
    settings.register(conf)
    conf(args=[], default_config_files=[str(path)])
    assert conf.zaqar.ssl_certificate_validation is False
    assert settings.from_conf(conf).verify is True


@pytest.mark.parametrize("value", ["", "false", "0"])
def test_insecure_has_to_be_spelled_out(load, value):
    assert load(insecure=value or "false").verify is True


def test_insecure_goes_before_all_else(load, text):
    assert load(insecure="true", ca_file="/etc/passwd", ca_certificates=text).verify is False


def test_the_certificates_of_heat_are_in_a_private_file(load, text, directory, state_dir):
    verify = load(ca_certificates=text).verify
    written = state_dir / "ca.pem"
    assert verify == str(written)
    assert written.read_bytes() == (directory / "ca.pem").read_bytes()
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert stat.S_IMODE(state_dir.stat().st_mode) == 0o700


def test_the_file_is_written_when_it_differs_and_only_then(load, text, state_dir):
    load(ca_certificates=text)
    written = state_dir / "ca.pem"
    first = written.stat().st_ino
    load(ca_certificates=text)
    assert written.stat().st_ino == first
    written.write_text("of yesterday")
    load(ca_certificates=text)
    assert written.read_text().startswith("-----BEGIN CERTIFICATE-----")


def test_a_file_of_the_servers_own_goes_before_what_heat_has_sent(load, text, directory, state_dir):
    mine = str(directory / "ca.pem")
    assert load(ca_file=mine, ca_certificates=text).verify == mine
    assert not state_dir.exists()


def test_a_file_that_is_not_there_is_named(load, tmp_path):
    with pytest.raises(NotConfigured, match=rf"\[zaqar\] ca_file names {tmp_path}/none.pem, which"):
        load(ca_file=tmp_path / "none.pem")


@pytest.mark.parametrize("value", ["hunter2!", base64.b64encode(b"hunter2").decode()])
def test_what_is_no_certificate_is_refused_and_not_quoted(load, value, state_dir):
    with pytest.raises(NotConfigured, match=r"option \[zaqar\] ca_certificates cannot") as caught:
        load(ca_certificates=value)
    assert value not in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert not state_dir.exists()


def test_a_state_directory_that_cannot_be_made_is_told(load, text, state_dir):
    state_dir.write_text("in the way")
    with pytest.raises(StateError):
        load(ca_certificates=text)


def test_insecure_is_warned_of_by_us_and_not_by_urllib3(load, caplog):
    warnings.simplefilter("always")
    with caplog.at_level(logging.WARNING):
        trust.warn_if_insecure(load(insecure="true").verify)
    (record,) = caplog.records
    assert "insecure" in record.getMessage()
    with warnings.catch_warnings(record=True) as shown:
        warnings.warn("unverified", InsecureRequestWarning, stacklevel=1)
    assert shown == []


@pytest.mark.parametrize("verify", [True, "/ca.pem"])
def test_there_is_no_warning_otherwise(verify, caplog):
    trust.warn_if_insecure(verify)
    assert caplog.records == []
