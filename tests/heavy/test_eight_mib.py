"""A document of 8 MiB, far larger than one post of Zaqar's."""

import json

from heat_zaqar_transport.wire import SignedUrl
from support.ends import Ends
from support.large import deployments
from support.requests_seen import RequestLog

MIB = 1024 * 1024
POST_BYTES = 262144


def test_a_server_with_eight_mib_of_metadata(cloud, site):
    count = 19
    log = RequestLog(cloud)
    stack = site.stack(deployments(450_000, count))
    guest = site.boot(stack)
    stack.wait("CREATE_COMPLETE", 240)
    assert stack.outputs()["stdout"] == f"did {count - 1}\n"
    for n in range(count):
        guest.wait_log(rf"deployment d{n} .*: hook ended with status 0", 60)
    options = stack.collect_config("server")["zaqar"]
    document = Ends(options).newest().document
    assert len(json.dumps(document)) > 8 * MIB
    assert len(document["deployments"]) == count
    held = json.loads(guest.path("var/lib/heat-zaqar-transport/snapshot.json").read_text())
    assert held["deployments"] == document["deployments"]
    name = SignedUrl.parse(options["metadata_url"]).queue
    posts = log.seen(method="POST", path=f"{name}/messages")
    assert all(each.status == 201 and each.size <= POST_BYTES for each in posts)
