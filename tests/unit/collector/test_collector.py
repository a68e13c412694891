import signal

import pytest
from os_collect_config import cache, collect, exc
from oslo_config import cfg

from heat_zaqar_collector import collector, loop, outbox, settings
from heat_zaqar_collector.push import Push
from heat_zaqar_collector.watch import ignore_acks
from heat_zaqar_transport.wire import Secret, SignedUrl, Snapshot
from heat_zaqar_transport.wire.errors import NotConfigured, Unreachable


class Given:
    """A watch that answers with what the test gives it."""

    def __init__(self, answer):
        self.answer = answer
        self.asked = []

    def next(self, at_most_s):
        self.asked.append(at_most_s)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture(autouse=True)
def conf(monkeypatch, tmp_path):
    """os-collect-config's options, and nothing of this process's left changed."""
    conf = cfg.ConfigOpts()
    conf.register_opts(collect.opts)
    conf(["--config-file", "/dev/null"])
    conf.set_override("cachedir", str(tmp_path))
    for module in (collector, cache):
        monkeypatch.setattr(module, "cfg", type("C", (), {"CONF": conf}))
    monkeypatch.setattr(collector, "_PATIENCE", loop.Patience(collector.name))
    before = signal.getsignal(signal.SIGHUP)
    yield conf
    signal.signal(signal.SIGHUP, before)


def test_the_document_and_its_os_apply_config_parts():
    document = {
        "os-collect-config": {"a": "b"},
        "deployments": [
            {"name": "data", "group": "os-apply-config", "config": {"k": "v"}},
            {"name": "run", "group": "script", "config": "true"},
        ],
    }
    found = collector.Collector(Given(Snapshot("c", 1, document))).collect()
    assert found == [("zaqar", document), ("data", {"k": "v"})]


def test_never_a_snapshot_is_not_available():
    with pytest.raises(exc.SourceNotAvailable):
        collector.Collector(Given(None)).collect()


def test_our_errors_are_told_in_os_collect_configs_words():
    with pytest.raises(exc.SourceNotAvailable, match="refused"):
        collector.Collector(Given(Unreachable("find Zaqar", "refused"))).collect()
    with pytest.raises(exc.SourceNotConfigured, match="metadata_url"):
        collector.Collector(Given(NotConfigured("[zaqar] metadata_url"))).collect()


def test_the_wait_is_as_long_as_the_polling_interval(conf):
    conf.set_override("polling_interval", 17.5)
    given = Given(Snapshot("c", 1, {}))
    collector.Collector(given).collect()
    assert given.asked == [17.5]


def test_after_a_command_that_failed_the_wait_is_short(tmp_path):
    given = Given(Snapshot("c", 1, {}))
    collector.Collector(given).collect()
    (tmp_path / "zaqar.json").write_text("{}")
    collector.Collector(given).collect()
    collector.Collector(given).collect()
    assert given.asked == [30.0, 1.0, 2.0]


def test_sighup_starts_the_agent_anew_also_after_its_first_command():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    collector.Collector(Given(Snapshot("c", 1, {}))).collect()
    assert signal.getsignal(signal.SIGHUP) is collect.reexec_self


# What is configured


def signed(queue, method):
    return SignedUrl(
        endpoint="http://127.0.0.1:9",
        queue=queue,
        project_id="p1",
        paths=(f"/v2/queues/{queue}/messages",),
        methods=(method,),
        expires="2036-01-01T00:00:00",
        signature=Secret("5ignature"),
    )


@pytest.fixture
def started(monkeypatch):
    """Outboxes that were started, though no thread is."""
    found = []
    monkeypatch.setattr(outbox.Outbox, "start", lambda made: found.append(made))
    collector._configured_watch.cache_clear()
    yield found
    collector._configured_watch.cache_clear()


def configure(monkeypatch, tmp_path, signal_url):
    agent = settings.Settings(
        channel="c",
        metadata_url=signed("hz-m-1", "GET"),
        signal_url=signal_url,
        keystone=None,
        push="poll",
        websocket_url=None,
        webhook_listen=None,
        webhook_path=None,
        poll_longest_s=30.0,
        state_dir=tmp_path,
        signal_ttl_s=60,
        timeout_s=7.5,
        verify=True,
    )
    monkeypatch.setattr(collector.agent_settings, "from_conf", lambda conf: agent)


def test_the_first_collection_starts_the_outbox_and_no_other_does(
    conf, monkeypatch, tmp_path, started
):
    conf.set_override("polling_interval", 0)
    configure(monkeypatch, tmp_path, signed("hz-s-1", "POST"))
    monkeypatch.setattr(Push, "start", lambda push: None)
    for _ in range(3):
        with pytest.raises(exc.SourceNotAvailable):
            collector.Collector().collect()  # nobody listens on port 9
    assert len(started) == 1
    assert collector._configured_watch().note == started[0].note
    assert started[0]._farewell is collector._configured_watch().source.farewell


def test_without_a_signal_queue_there_is_no_outbox(monkeypatch, tmp_path, started):
    configure(monkeypatch, tmp_path, None)
    watch = collector._configured_watch()
    assert started == []
    assert watch.note is ignore_acks
    assert watch.source.greeter is None
