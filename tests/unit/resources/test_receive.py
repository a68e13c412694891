from heat_zaqar_transport.resources.receive import unwrapped


def test_the_notifiers_envelope_is_taken_off():
    assert unwrapped({"body": {"a": 1}, "ttl": 60, "queue_name": "q"}) == {"a": 1}
    assert unwrapped(None) is None
    assert unwrapped({"deploy_stdout": "x"}) is None
