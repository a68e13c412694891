import threading

from heat_zaqar_transport.resources.turns import Turns


def test_one_at_a_time_and_what_one_did_is_known_to_the_next():
    turns, order, inside = Turns(), [], threading.Event()

    def second():
        with turns.of("a") as turn:
            order.append(turn.done)

    thread = threading.Thread(target=second)
    with turns.of("a") as turn:
        thread.start()
        while turn._waiting < 2:
            inside.wait(0.001)
        order.append("first")
        turn.done = 7
    thread.join()
    assert order == ["first", 7]


def test_names_do_not_wait_for_each_other():
    turns = Turns()
    with turns.of("a"), turns.of("b"):
        pass


def test_nothing_is_remembered_once_nobody_waits():
    turns = Turns()
    with turns.of("a") as turn:
        turn.done = 7
    with turns.of("a") as turn:
        assert turn.done is None
