from heat_zaqar_hooks.errors import UnusableConfig
from heat_zaqar_transport.wire.errors import HeatZaqarError


def test_it_names_the_config_and_the_problem():
    error = UnusableConfig("c1", "input deploy_signal_id is missing")
    assert str(error) == "config c1: input deploy_signal_id is missing"
    assert isinstance(error, HeatZaqarError)
