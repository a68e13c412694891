import dataclasses
import stat

import pytest

from localcloud import packages, tls
from localcloud.cloud import LocalCloud
from localcloud.errors import LocalCloudError
from localcloud.plan import PORT_NAMES, TLS_PORT_NAMES, load_plan
from localcloud.services import make_services
from localcloud.services.haproxy import HAProxy


@pytest.fixture
def secure(plan):
    ports = {name: 20000 + index for index, name in enumerate(PORT_NAMES)}
    return dataclasses.replace(plan, ports=ports, tls=True)


def test_only_a_cloud_with_tls_has_it(plan, secure):
    assert "haproxy" in make_services(secure)
    assert "haproxy" not in make_services(plan)


def test_a_plan_with_tls_is_read_back(secure):
    secure.save()
    assert load_plan(secure.scratch) == secure


@pytest.mark.parametrize("name", TLS_PORT_NAMES)
def test_clients_and_services_have_the_same_port_at_two_addresses(secure, name):
    port = secure.ports[name]
    assert secure.url(name) == f"https://127.0.0.1:{port}"
    assert secure.backend(name) == f"127.0.0.2:{port}"


def test_what_only_services_speak_to_has_no_tls(secure):
    assert secure.url("redis", "redis").startswith("redis://127.0.0.1:")
    assert secure.backend("zaqar-notification") == secure.address("zaqar-notification")


def test_without_tls_services_listen_where_clients_ask(plan, secure):
    plain = dataclasses.replace(secure, tls=False)
    assert plain.backend("zaqar") == plain.address("zaqar")
    assert plain.url("zaqar-websocket", "ws").startswith("ws://")
    assert (plain.ca_file, plain.verify) == (None, True)
    assert secure.verify == str(secure.tls_dir / tls.CA_FILE)


def test_each_service_shows_the_good_certificate_at_first(secure):
    HAProxy(secure).configure()
    text = (secure.conf / "haproxy.cfg").read_text()
    for name in TLS_PORT_NAMES:
        shown = secure.tls_dir / "shown" / f"{name}.pem"
        assert shown.read_text() == (secure.tls_dir / "good.pem").read_text()
        assert stat.S_IMODE(shown.stat().st_mode) == 0o600
        assert f"bind {secure.address(name)} ssl crt {shown}\n" in text
        assert f"server plain {secure.backend(name)}\n" in text


def test_one_service_can_show_another_certificate(secure):
    proxy = HAProxy(secure)
    proxy.configure()
    proxy.show(tls.EXPIRED, "zaqar")
    shown = secure.tls_dir / "shown"
    assert (shown / "zaqar.pem").read_text() == (secure.tls_dir / "expired.pem").read_text()
    assert (shown / "keystone.pem").read_text() == (secure.tls_dir / "good.pem").read_text()


def test_its_package_is_installed_with_the_others():
    assert "haproxy" in packages.missing(lambda program: program != "haproxy")


def test_nova_and_tls_together_are_refused():
    with pytest.raises(LocalCloudError, match="Nova has Heat and no TLS"):
        LocalCloud.start(compute=True, tls=True)
