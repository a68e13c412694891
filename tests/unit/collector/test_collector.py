import pytest
from os_collect_config import collect, exc
from oslo_config import cfg

from heat_zaqar_collector import collector
from heat_zaqar_transport.wire import Snapshot
from heat_zaqar_transport.wire.errors import NotConfigured, Unreachable


class Given:
    def __init__(self, answer):
        self.answer = answer

    def collect(self):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture(autouse=True)
def deployment_key(monkeypatch):
    monkeypatch.setattr(collector, "cfg", type("C", (), {"CONF": cfg.ConfigOpts()}))
    collector.cfg.CONF.register_opts(collect.opts)
    collector.cfg.CONF([])


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
