"""What of the deployment classes needs no Heat; the rest is tested end to end."""

import threading
from types import SimpleNamespace

from heat_zaqar_transport.resources.deployment import ChannelDeployment


def deployment(server, channel="a channel"):
    return SimpleNamespace(
        SERVER="server", properties={"server": server}, _server_channel=lambda: channel
    )


def is_free(other):
    """Tell whether another deployment gets its turn now."""
    got = threading.Event()

    def take():
        with ChannelDeployment._turn(other):
            got.set()

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    thread.join(0.2)
    return got.is_set()


def test_deployments_of_one_server_take_turns():
    with ChannelDeployment._turn(deployment("s1")):
        assert not is_free(deployment("s1"))
        assert is_free(deployment("s2"))
    assert is_free(deployment("s1"))


def test_a_server_without_a_channel_has_no_turns():
    with ChannelDeployment._turn(deployment("s3", None)):
        assert is_free(deployment("s3", None))
