from heat_zaqar_hooks.inputs import Inputs
from heat_zaqar_hooks.signals.silent import NoSignal


def test_nothing_is_sent():
    signal = NoSignal.from_inputs(Inputs("c1", {}), lambda: None)
    assert signal.transport == "NO_SIGNAL"
    assert signal.send({"a": 1}) is None
