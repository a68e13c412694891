import random
import socket

import pytest

from localcloud import ports
from localcloud.errors import NoFreePorts


def test_ports_are_named_distinct_and_outside_the_ephemeral_range():
    block = ports.reserve(["a", "b", "c"])
    with block.mark:
        first, last = ports.ephemeral_range()
        assert list(block.ports) == ["a", "b", "c"]
        assert len(set(block.ports.values())) == 3
        assert all(not first <= port <= last for port in block.ports.values())


def test_a_block_is_not_given_twice_while_its_mark_is_open():
    """Two clouds that would choose alike still get different ports."""
    one = ports.reserve(["a"], random.Random(7))
    two = ports.reserve(["a"], random.Random(7))
    with one.mark, two.mark:
        assert one.ports != two.ports


def test_a_block_is_free_again_when_its_mark_is_closed():
    one = ports.reserve(["a"], random.Random(7))
    one.mark.close()
    two = ports.reserve(["a"], random.Random(7))
    two.mark.close()
    assert one.ports == two.ports


def test_a_block_with_a_port_in_use_is_passed_over():
    one = ports.reserve(["a", "b"], random.Random(11))
    one.mark.close()
    with socket.socket() as other:
        other.bind((ports.HOST, one.ports["b"]))
        other.listen()
        two = ports.reserve(["a", "b"], random.Random(11))
        two.mark.close()
    assert one.ports != two.ports


def test_no_free_block_is_an_error(monkeypatch):
    monkeypatch.setattr(ports, "is_free", lambda _port: False)
    with pytest.raises(NoFreePorts, match="no 2 free ports"):
        ports.reserve(["a", "b"])


def test_a_kernel_that_uses_every_port_leaves_some_to_us(monkeypatch):
    monkeypatch.setattr(ports, "ephemeral_range", lambda: (1024, 65535))
    ports.reserve(["a"]).mark.close()


def test_more_names_than_a_block_holds_is_a_programming_error():
    with pytest.raises(ValueError, match="do not fit"):
        ports.reserve([str(i) for i in range(ports.BLOCK_SIZE + 1)])


@pytest.mark.parametrize("text", ["", "nonsense", "1"])
def test_an_unreadable_range_is_the_kernels_default(tmp_path, monkeypatch, text):
    file = tmp_path / "range"
    file.write_text(text)
    monkeypatch.setattr(ports, "_EPHEMERAL_RANGE_FILE", file)
    assert ports.ephemeral_range() == (32768, 60999)
