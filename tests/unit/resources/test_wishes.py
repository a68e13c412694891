"""What templates say to the agent: valid, and as they come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heat_zaqar_transport import certificates
from heat_zaqar_transport.resources.channel import Webhook
from heat_zaqar_transport.resources.wishes import WAYS, Unfit, Wishes
from support import tls_server
from support.fuzz import odd_values
from support.strategies import texts


def template(options):
    return {"os-collect-config": {"zaqar": options}}


def wishes(**options):
    return Wishes.of(template(options))


def webhook(**options):
    return wishes(push="webhook", **{"webhook_listen": "0.0.0.0:8779", **options})


# Which way


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {},
        {"os-collect-config": None},
        {"os-collect-config": {}},
        {"os-collect-config": {"command": "true"}},
        template(None),
        template({}),
        template({"push": None}),
        template({"push": ""}),
        {"zaqar": {"push": "poll"}, "push": "poll"},
    ],
    ids=repr,
)
def test_nothing_said_is_auto(metadata):
    said = Wishes.of(metadata)
    assert (said.push, said.websocket, said.webhook) == ("auto", True, False)


@pytest.mark.parametrize(
    ("way", "websocket", "called"),
    [
        ("auto", True, False),
        ("websocket", True, False),
        ("webhook", False, True),
        ("poll", False, False),
    ],
)
def test_each_way_is_heeded(way, websocket, called):
    said = wishes(push=way, webhook_listen="0.0.0.0:8779")
    assert (said.push, said.websocket, said.webhook) == (way, websocket, called)


@pytest.mark.parametrize(
    "push",
    ["Webhook", "web socket", "poll ", 1, 1.5, True, ["poll"], {"poll": True}, "x" * 10_000],
    ids=lambda value: repr(value)[:20],
)
def test_another_way_is_unfit_and_the_ways_are_named(push):
    with pytest.raises(Unfit, match="auto, websocket, webhook, poll") as caught:
        wishes(push=push)
    assert len(str(caught.value)) < 120


@pytest.mark.parametrize("push", [False, 0, [], {}], ids=repr)
def test_a_way_that_yaml_has_read_as_something_else_is_unfit(push):
    """`push: off` is false to YAML; the agent would not start with `push = false`."""
    with pytest.raises(Unfit, match="push"):
        wishes(push=push)


# Listening


@pytest.mark.parametrize(
    "listen", ["0.0.0.0:1", "192.0.2.7:65535", "[::]:8779", "[2001:db8::7]:8779", "*:80", "host:80"]
)
def test_an_address_and_port_to_listen_on_is_fit(listen):
    assert webhook(webhook_listen=listen).webhook


UNFIT_LISTEN = [
    None,
    "",
    "8779",
    8779,
    ":8779",
    "0.0.0.0",
    "0.0.0.0:",
    "0.0.0.0:0",
    "0.0.0.0:65536",
    "0.0.0.0:999999",
    "0.0.0.0:-1",
    "0.0.0.0:http",
    "0.0.0.0:80\n",
    "0.0.0.0 :80",
    "0.0.0.0:8 0",
    True,
    ["0.0.0.0:80"],
    {"0.0.0.0": 80},
]


@pytest.mark.parametrize("listen", UNFIT_LISTEN, ids=repr)
def test_anything_else_to_listen_on_is_unfit(listen):
    with pytest.raises(Unfit, match="webhook_listen must be ADDRESS:PORT"):
        webhook(webhook_listen=listen)


def test_a_digit_of_another_script_is_unfit():
    with pytest.raises(Unfit):
        webhook(webhook_listen="0.0.0.0:\u0663\u0663\u0663")


@pytest.mark.parametrize("listen", UNFIT_LISTEN, ids=repr)
@pytest.mark.parametrize("push", ["auto", "websocket", "poll"])
def test_where_nobody_calls_it_does_not_matter(push, listen):
    assert wishes(push=push, webhook_listen=listen, webhook_url=[]).push == push


# Being called


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("192.0.2.7", "http://192.0.2.7:8779"),
        ("2001:db8::7", "http://[2001:db8::7]:8779"),
    ],
)
def test_without_a_url_the_servers_address_is_called(address, url):
    said = webhook()
    assert said.webhook_base is None
    assert said.webhook_base_at(address) == url


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://192.0.2.7:8779", "http://192.0.2.7:8779"),
        ("https://host.example", "https://host.example"),
        ("https://host.example:443/", "https://host.example:443"),
        ("http://[2001:db8::7]:8779", "http://[2001:db8::7]:8779"),
    ],
)
def test_the_url_that_is_named_is_called(url, base):
    assert webhook(webhook_url=url).webhook_base == base


@pytest.mark.parametrize(
    "url",
    [
        "host",
        "host:80",
        "//host:80",
        "ftp://host",
        "ws://host",
        "http:host",
        "http://",
        "http:///",
        "http://:80",
        "http://host:0",
        "http://host:65536",
        "http://host:http",
        "http://host/path",
        "http://host?query",
        "http://host#fragment",
        "http://[::1",
        "http://\u2100.example",
        7,
        True,
        ["http://host"],
        {"http://host": 1},
    ],
    ids=repr,
)
def test_what_is_no_url_without_a_path_is_unfit(url):
    with pytest.raises(Unfit, match="webhook_url must be"):
        webhook(webhook_url=url)


@pytest.mark.parametrize(
    "url",
    [
        "http://host:80?",
        "http://host:80#",
        " http://host:80",
        "http://ho st:80",
        "http://ho\nst:80",
        "http://host ",
    ],
    ids=repr,
)
def test_what_would_not_be_a_url_with_a_path_behind_it_is_unfit(url):
    with pytest.raises(Unfit, match="webhook_url must be"):
        webhook(webhook_url=url)


# For the agent


def test_the_agent_gets_its_options_and_not_the_one_for_heat_alone():
    said = webhook(webhook_url="http://host:80", poll_longest=7, timeout=5)
    assert said.for_agent() == {
        "push": "webhook",
        "webhook_listen": "0.0.0.0:8779",
        "poll_longest": 7,
        "timeout": 5,
    }


def test_the_template_is_left_as_it_is():
    metadata = template({"push": "poll", "webhook_url": "http://host"})
    Wishes.of(metadata).for_agent()["push"] = "auto"
    assert metadata == template({"push": "poll", "webhook_url": "http://host"})


# A template author's mistakes


@pytest.mark.parametrize("odd", [[1], ["zaqar"], "text", 1, True, 1.5, [], ""], ids=repr)
@pytest.mark.parametrize("depth", ["metadata", "section", "options"])
def test_an_odd_type_is_no_traceback(depth, odd):
    metadata = {"metadata": odd, "section": {"os-collect-config": odd}, "options": template(odd)}
    try:
        said = Wishes.of(metadata[depth])
    except Unfit:
        return
    assert said.push == "auto"
    assert said.for_agent() == {}


@given(
    push=odd_values | st.sampled_from(WAYS),
    listen=odd_values | st.just("0.0.0.0:80"),
    url=odd_values | texts.map(lambda text: f"http://{text}"),
)
def test_whatever_the_options_are_they_are_met_or_unfit(push, listen, url):
    try:
        said = wishes(push=push, webhook_listen=listen, webhook_url=url)
    except Unfit:
        return
    assert said.push in WAYS
    if said.webhook:
        assert said.webhook_base_at("192.0.2.7").startswith("http://192.0.2.7:")


# TLS


def test_certificates_that_the_agent_could_not_use_are_refused_before_it_has_them():
    with pytest.raises(Unfit, match="ca_certificates cannot be used: it is not in base64"):
        wishes(ca_certificates="hunter2!")


def test_certificates_that_it_can_use_are_sent(tmp_path):
    directory = tls_server.certificates(tmp_path)
    text = certificates.to_text((directory / "ca.pem").read_bytes())
    assert wishes(ca_certificates=text).for_agent() == {"ca_certificates": text}


# What is kept of a webhook


@pytest.mark.parametrize("kept", [Webhook("/hz-w-1"), Webhook("/hz-w-1", "http://host:80/hz-w-1")])
def test_what_is_kept_of_a_webhook_comes_back(kept):
    assert Webhook.parse(kept.serialize()) == kept
