"""A result is kept by the server, and sent again, until Heat has acked it."""

import json

from heat_zaqar_transport.wire import Result, gather
from support.follower import Follower


def test_a_result_is_sent_again_until_heat_has_acked_it(heat, site):
    server = Follower(heat, site)
    guest, played = server.guest, server.played
    server.connects()
    config_id = played.deploy('#!/bin/sh\necho once >> "$HOME/runs"\necho done\n')

    def sent():
        found = gather(played.signals.fetch(), played.seal).found
        return [each.message for each in found if isinstance(each.message, Result)]

    # Nobody acks the first one: the second comes after 10 s.
    guest.wait_for(lambda: len(sent()) >= 2, 60, "the result, and the same again")
    assert {each.config_id for each in sent()} == {config_id}
    record = guest.path(f"var/lib/heat-zaqar-transport/deployments/{config_id}.json")
    assert json.loads(record.read_text())["outputs"]["deploy_stdout"] == "done\n"

    assert played.result(config_id)["deploy_stdout"] == "done\n"
    guest.wait_log(f"Heat has the result of config {config_id}", 60)
    acked = json.loads(record.read_text())
    assert (acked["state"], acked.get("outputs")) == ("acked", None)
    assert guest.path("root/runs").read_text() == "once\n"
