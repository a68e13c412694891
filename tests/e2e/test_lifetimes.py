"""URLs, keys, passwords and snapshots run out: they are renewed while the server works, or is off.

The cloud is one of its own: credentials live for a minute and a half there, messages for a minute.
"""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from keystoneauth1 import exceptions as keystone_errors
from keystoneauth1.identity import v3
from keystoneauth1.session import Session

from heat_zaqar_transport.wire.errors import AccessRefused
from localcloud import LocalCloud
from support import hot
from support.ends import Ends
from support.site import Site

LIFETIME_S = 90
# Zaqar knows no shorter one.
MESSAGE_LIFETIME_S = 60

# What an agent reads first of all: the boot configuration.
BOOT_CONF = "[DEFAULT]\ncommand = os-refresh-config\ncollectors = heat_local\n"


pytestmark = pytest.mark.xdist_group("lifetimes")


@pytest.fixture(scope="module")
def cloud():
    with LocalCloud.start() as cloud:
        cloud.reconfigure("heat-engine", {"zaqar_transport": {"channel_lifetime": LIFETIME_S}})
        cloud.reconfigure("zaqar", {"transport": {"max_message_ttl": MESSAGE_LIFETIME_S}})
        yield cloud


@pytest.fixture(scope="module")
def lives(cloud, tmp_path_factory):
    """Four servers at the same time, as most of their lives is waiting; by name, their ends."""
    with ThreadPoolExecutor() as pool:
        yield {
            live: pool.submit(_lived, live, cloud, tmp_path_factory.mktemp(live.__name__))
            for live in (at_work, off_in_between, off_for_too_long, idle)
        }


def _lived(live, cloud, directory):
    """Live with a server that is deployed to, from its first credentials on."""
    with Site(cloud, directory) as site:
        stack = site.stack(echo("first"))
        guest = site.boot(stack)
        first = options_of(stack)
        stack.wait("CREATE_COMPLETE")
        live(site, stack, guest, first)


def test_a_server_at_work_never_notices(lives):
    lives[at_work].result()


def test_a_server_that_was_off_gets_in_with_the_old_ones_while_they_live(lives):
    lives[off_in_between].result()


def test_a_server_that_was_off_for_too_long_is_given_its_configuration_again(lives):
    lives[off_for_too_long].result()


def test_an_idle_server_has_its_snapshot_renewed_before_it_runs_out(lives):
    lives[idle].result()


def echo(word):
    script = '#!/bin/sh\necho "$word" >> "$HOME/runs"\necho "did $word"\n'
    return hot.one_script(script, input_values={"word": word})


def options_of(stack):
    return stack.collect_config("server")["zaqar"]


def wait_renewal(stack, before, timeout_s=LIFETIME_S):
    deadline = time.monotonic() + timeout_s
    while (now := options_of(stack))["credentials"] == before["credentials"]:
        assert time.monotonic() < deadline, f"not renewed within {timeout_s} s"
        time.sleep(0.2)
    return now


def named(ends):
    """Return which credentials the newest snapshot names, of those that these ends can open."""
    return ends.newest().document["os-collect-config"]["zaqar"]["credentials"]


def token(options):
    login = v3.Password(
        **{name: options[name] for name in ("auth_url", "user_id", "password", "project_id")}
    )
    return Session(auth=login).get_token()


def at_work(_site, stack, guest, first):
    second = wait_renewal(stack, first)
    assert "(credentials)" in guest.log.read_text()
    # They were made at 40 % of the lifetime before that.
    assert time.time() < first["renew_at"] + 0.1 * LIFETIME_S
    for name in ("metadata_url", "signal_url", "seal_keys", "password"):
        assert first[name] != second[name]
    # The agent has shown that it has them: Heat seals with the new key, and Keystone
    # knows the new password only.
    new_key = {**second, "seal_keys": second["seal_keys"].split(",")[0]}
    guest.wait_for(Ends(new_key).found, 20, "a snapshot that is sealed with the new key")
    assert token(second)
    with pytest.raises(keystone_errors.Unauthorized):
        token(first)
    # Beyond the life of the first ones, with a change each few seconds.
    count = 0
    while time.time() < first["renew_at"] + 0.8 * LIFETIME_S:
        count += 1
        stack.update(echo(f"word-{count}"))
        stack.wait("UPDATE_COMPLETE", 60)
        assert stack.outputs()["stdout"] == f"did word-{count}\n"
        time.sleep(3)
    runs = guest.path("root/runs").read_text().splitlines()
    assert runs == ["first", *(f"word-{n}" for n in range(1, count + 1))]
    # The first ones are of no use to anybody now.
    with pytest.raises(AccessRefused):
        Ends(first).metadata.fetch()


def off_in_between(site, stack, guest, first):
    guest.stop()
    time.sleep(max(0, first["renew_at"] + 1 - time.time()))
    # Heat renews them by itself when it has to do with the server.
    site.heat.actions.check(stack.id)
    second = wait_renewal(stack, first)
    # And goes on to seal with the key that the server has.
    guest.wait_for(lambda: named(Ends(first)) == second["credentials"], 20, "the publish")
    stack.update(echo("second"))
    time.sleep(2)
    assert time.time() < first["renew_at"] + LIFETIME_S / 2, "too late for the test"
    since = guest.log_size
    guest.start()
    stack.wait("UPDATE_COMPLETE", 60)
    assert stack.outputs()["stdout"] == "did second\n"
    assert "is not used" not in guest.log.read_text()[since:]
    conf = guest.path("etc/os-collect-config.conf")
    guest.wait_for(
        lambda: options_of(stack)["credentials"] in conf.read_text(), 20, "the present ones"
    )


def off_for_too_long(site, stack, guest, first):
    guest.stop()
    time.sleep(max(0, first["renew_at"] + LIFETIME_S * 0.6 + 1 - time.time()))
    stack.update(echo("second"))
    since = guest.log_size
    guest.start()
    guest.wait_log("Zaqar cannot be read, going on with what is held", 20, since=since)
    guest.stop()
    # What docs/security.md says.
    site.heat.resources.signal(stack.id, "server")
    wait_renewal(stack, first)
    guest.path("var/lib/heat-zaqar-transport/snapshot.json").unlink()
    guest.boot_config(stack.collect_config("server"))
    guest.path("etc/os-collect-config.conf").write_text(BOOT_CONF)
    guest.start()
    stack.wait("UPDATE_COMPLETE", 60)
    assert stack.outputs()["stdout"] == "did second\n"


def idle(_site, stack, guest, _first):
    until = time.monotonic() + MESSAGE_LIFETIME_S + 10
    while time.monotonic() < until:
        # Its key may be renewed meanwhile, and the snapshot be sealed with the new one.
        found = Ends(options_of(stack)).found()
        assert found, "the queue is without a snapshot"
        assert found[-1].carriers[0].ttl_s == MESSAGE_LIFETIME_S
        time.sleep(1)
    assert "(expiring)" in guest.log.read_text()
