import itertools

from heat_zaqar_transport.resources.safety_net import OVERDUE_S, Looks, Notifier, SafetyNet


def looks(seconds, first_s=10.0, longest_s=1800.0, silent=False):
    """Ask once a second, as a waiting deployment does; return when the answer was yes."""
    now = [0.0]
    net = SafetyNet(first_s, longest_s, lambda: now[0], Notifier(silent))
    found = []
    for second in range(1, seconds + 1):
        now[0] = float(second)
        if net.due():
            found.append(second)
    return found


def test_each_look_comes_after_twice_the_waiting():
    assert looks(200) == [10, 20, 40, 80, 160]


def test_none_in_the_first_ten_seconds_and_fewer_than_ten_in_an_hour():
    assert looks(9) == []
    assert 0 < len(looks(3600)) < 10


def test_the_longest_interval_is_kept():
    found = looks(400, first_s=10, longest_s=40)
    assert {later - earlier for earlier, later in itertools.pairwise(found[2:])} == {40}


def test_a_late_question_does_not_cause_a_burst():
    now = [0.0]
    net = SafetyNet(10.0, 1800.0, lambda: now[0], Notifier())
    now[0] = 1000.0
    assert net.due()
    assert not net.due()


def test_with_a_silent_notifier_no_interval_grows():
    assert looks(60, silent=True) == [10, 20, 30, 40, 50, 60]


def test_what_one_deployment_finds_shortens_the_intervals_of_the_others():
    now, notifier = [0.0], Notifier()
    waiting, finder = (SafetyNet(10.0, 1800.0, lambda: now[0], notifier) for _ in range(2))
    for now[0] in (10.0, 20.0, 40.0, 80.0):
        assert waiting.due()
    now[0] = 100.0
    assert not waiting.due()
    finder.looked([0, OVERDUE_S])
    assert waiting.due()


def test_a_fresh_message_proves_nothing():
    notifier = Notifier()
    SafetyNet(10.0, 1800.0, lambda: 0.0, notifier).looked([OVERDUE_S - 1])
    assert not notifier.silent


def test_the_notifier_is_relied_on_again_when_it_has_told_of_something():
    notifier = Notifier(silent=True)
    finder = SafetyNet(10.0, 1800.0, lambda: 0.0, notifier)
    finder.looked([0, OVERDUE_S])
    finder.completed()
    assert notifier.silent
    SafetyNet(10.0, 1800.0, lambda: 0.0, notifier).completed()
    assert not notifier.silent


def test_a_find_of_ones_own_that_is_fresh_changes_nothing():
    notifier = Notifier(silent=True)
    finder = SafetyNet(10.0, 1800.0, lambda: 0.0, notifier)
    finder.looked([0])
    finder.completed()
    assert notifier.silent


def test_one_look_serves_all_deployments_of_a_server_for_a_while():
    now = [100.0]
    looks = Looks(lambda: now[0])
    assert looks.due("one", 5)
    now[0] = 104.0
    assert not looks.due("one", 5)
    assert looks.due("another", 5)
    now[0] = 105.0
    assert looks.due("one", 5)
    now[0] = 200.0
    looks.due("a third", 5)
    assert set(looks._looked_at) == {"a third"}
