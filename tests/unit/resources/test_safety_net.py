import itertools

from heat_zaqar_transport.resources.safety_net import SafetyNet


def looks(seconds, first_s=10.0, longest_s=1800.0):
    """Ask once a second, as a waiting deployment does; return when the answer was yes."""
    now = [0.0]
    net = SafetyNet(first_s, longest_s, lambda: now[0])
    found = []
    for second in range(1, seconds + 1):
        now[0] = float(second)
        if net.due():
            found.append(second)
    return found


def test_intervals_double():
    assert looks(200) == [10, 30, 70, 150]


def test_none_in_the_first_ten_seconds_and_fewer_than_ten_in_an_hour():
    assert looks(9) == []
    assert 0 < len(looks(3600)) < 10


def test_the_longest_interval_is_kept():
    found = looks(400, first_s=10, longest_s=40)
    assert {later - earlier for earlier, later in itertools.pairwise(found[2:])} == {40}


def test_a_late_question_does_not_cause_a_burst():
    now = [0.0]
    net = SafetyNet(10.0, 1800.0, lambda: now[0])
    now[0] = 1000.0
    assert net.due()
    assert not net.due()
