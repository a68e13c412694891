"""What a queue lists of more than anybody may list: the double in memory and real Zaqar alike."""

import pytest

from heat_zaqar_transport import queues
from heat_zaqar_transport.listing import MIB, Window
from heat_zaqar_transport.resources.channel import ENGINE_METHODS, ENGINE_PATHS, new_name
from heat_zaqar_transport.testing import MemoryQueue


@pytest.fixture(params=["memory", "zaqar"])
def queue(request):
    if request.param == "memory":
        return MemoryQueue()
    session = request.getfixturevalue("cloud").demo_session()
    owner = queues.open_with_keystone(session, new_name("test"), region_name="RegionOne")
    return queues.open_signed(owner.sign(ENGINE_PATHS, ENGINE_METHODS, 600))


def numbers(messages):
    return [message.body["n"] for message in messages]


@pytest.mark.parametrize(
    ("window", "listed"),
    [
        (Window(30, MIB, newest=False, read=1000), range(30)),
        (Window(30, MIB, newest=True, read=1000), range(15, 45)),
        (Window(30, MIB, newest=True, read=40), range(10, 40)),
        (Window(1000, MIB, newest=False, read=25), range(25)),
        (Window(1000, MIB, newest=True, read=1000), range(45)),
    ],
)
def test_so_many_are_listed_from_that_end(queue, window, listed):
    for n in range(45):
        queue.post({"n": n}, 60)
    queue.window = window
    assert numbers(queue.fetch()) == list(listed)


@pytest.mark.parametrize(("newest", "listed"), [(False, [0, 1]), (True, [2, 3])])
def test_so_many_bytes_are_listed_from_that_end(queue, newest, listed):
    for n in range(4):
        queue.post({"n": n, "text": "x" * 100_000}, 60)
    queue.window = Window(1000, 210_000, newest=newest, read=1000)
    assert numbers(queue.fetch()) == listed


@pytest.mark.parametrize("newest", [False, True])
def test_one_message_is_listed_however_much_it_weighs(queue, newest):
    queue.window = Window(1000, 1000, newest=newest, read=1000)
    queue.post({"n": 0, "text": "x" * 100_000}, 60)
    assert numbers(queue.fetch()) == [0]


def test_what_lies_behind_is_listed_when_the_first_are_gone(queue):
    for n in range(45):
        queue.post({"n": n}, 60)
    queue.window = Window(40, MIB, newest=False, read=40)
    queue.delete([each.id for each in queue.fetch()])
    assert numbers(queue.fetch()) == list(range(40, 45))


def test_a_peek_is_a_page_whatever_the_window(queue):
    for n in range(25):
        queue.post({"n": n}, 60)
    queue.window = Window(2, MIB, newest=True, read=1000)
    assert numbers(queue.peek()) == list(range(20))
