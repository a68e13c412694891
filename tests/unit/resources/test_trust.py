"""What heat.conf says of TLS, as options of the agent."""

import pytest
from oslo_config import cfg

from heat_zaqar_transport import certificates
from heat_zaqar_transport.resources import options, owner, trust
from heat_zaqar_transport.wire.errors import NotConfigured
from support import tls_server


@pytest.fixture
def directory(tmp_path):
    return tls_server.certificates(tmp_path)


@pytest.fixture
def conf():
    def set_option(name, value, group=options.GROUP):
        cfg.CONF.set_override(name, value, group=group)
        overridden.append((name, group))

    overridden = []
    yield set_option
    for name, group in overridden:
        cfg.CONF.clear_override(name, group=group)


def test_by_default_servers_are_told_nothing_and_so_verify():
    assert trust.agent_options() == {}


def test_the_content_of_the_file_is_sent(conf, directory):
    conf("servers_ca_file", str(directory / "ca.pem"))
    sent = trust.agent_options()
    assert list(sent) == ["ca_certificates"]
    assert certificates.from_text(sent["ca_certificates"]) == (directory / "ca.pem").read_text()


def test_another_file_is_read_without_a_restart(conf, directory):
    conf("servers_ca_file", str(directory / "ca.pem"))
    before = trust.agent_options()
    tls_server.certificates(directory)
    assert trust.agent_options() != before


def test_insecure_is_sent_when_it_is_spelled_out(conf):
    conf("servers_insecure", True)
    assert trust.agent_options() == {"insecure": True}


def test_a_missing_file_is_an_error_that_names_the_option(conf, tmp_path):
    conf("servers_ca_file", str(tmp_path / "none.pem"))
    with pytest.raises(NotConfigured) as caught:
        trust.agent_options()
    assert str(caught.value) == (
        "option [zaqar_transport] servers_ca_file cannot be read on the engine's host: "
        f"{tmp_path}/none.pem: No such file or directory"
    )


def test_a_file_without_a_certificate_is_an_error_that_quotes_nothing(conf, tmp_path):
    (tmp_path / "key.pem").write_text("-----BEGIN PRIVATE KEY-----\nhunter2\n")
    conf("servers_ca_file", str(tmp_path / "key.pem"))
    with pytest.raises(NotConfigured, match=r"ca_file cannot be used: .*key\.pem") as caught:
        trust.agent_options()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("ca_file", "insecure", "verify"),
    [(None, None, True), ("/ca.pem", None, "/ca.pem"), ("/ca.pem", True, False)],
)
def test_engines_verify_as_heats_own_section_says(conf, ca_file, insecure, verify):
    conf("ca_file", ca_file, group="clients_zaqar")
    conf("insecure", insecure, group="clients_zaqar")
    assert owner.engine_verify() == verify


def test_engines_take_the_ca_of_all_clients(conf):
    conf("ca_file", "/all.pem", group="clients")
    assert owner.engine_verify() == "/all.pem"
