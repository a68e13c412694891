import signal

import pytest
from os_collect_config import cache, collect, exc
from oslo_config import cfg

from heat_zaqar_collector import collector, loop
from heat_zaqar_transport.wire import Snapshot
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
