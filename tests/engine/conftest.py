import pytest

from support.engine import Engine


@pytest.fixture
def heat(monkeypatch):
    """Heat's engine with our plugin, a database in memory, and doubles of Zaqar and Keystone."""
    engine = Engine(monkeypatch)
    try:
        yield engine
    finally:
        engine.close()
