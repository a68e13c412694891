"""What no log shows, and nobody finds in a store."""

import re

import pytest

from heat_zaqar_transport.wire import SignedUrl
from support import hot
from support.store import everything_in

PASSWORD = "correct-horse-battery-staple-4711"


@pytest.mark.xdist_group("serial")
def test_no_secret_in_any_log_at_any_level_nor_in_zaqars_store(cloud, site):
    """The values themselves are searched for, in every log of the whole run, and in Redis."""
    cloud.reconfigure("heat-engine", {"DEFAULT": {"debug": True}})
    sizes = {name: cloud.log(name).stat().st_size for name in cloud.services}
    try:
        script = "#!/bin/sh\necho $password\necho $password >&2\n"
        stack = site.stack(hot.one_script(script, input_values={"password": PASSWORD}))
        guest = site.boot(stack, debug=True)
        stack.wait("CREATE_COMPLETE")
        assert PASSWORD in stack.outputs()["stdout"]
        options = stack.collect_config("server")["zaqar"]
        stored = everything_in(cloud.redis_url)
        stack.delete()
        stack.wait("DELETE_COMPLETE")
    finally:
        cloud.reconfigure("heat-engine", {})
    urls = [SignedUrl.parse(options[name]) for name in ("metadata_url", "signal_url")]
    secrets = [PASSWORD, options["password"], *(url.signature.reveal() for url in urls)]
    secrets += options["seal_keys"].split(",")
    logs = {"guest": guest.log.read_bytes(), "redis": stored}
    assert options["channel"].encode() in stored
    for name, size in sizes.items():
        logs[name] = cloud.log(name).read_bytes()[size:]
    assert len(logs["guest"]) > 1000
    assert len(logs["heat-engine"]) > 1000
    shown = [
        (name, secret) for name, log in logs.items() for secret in secrets if secret.encode() in log
    ]
    assert shown == []
    # Keystone's tokens, as they begin; the agent has shown one to the websocket server.
    assert b"Connected to Zaqar's websocket server" in logs["guest"]
    assert b"gAAAA" not in logs["guest"]
    # The CFN signal URL, which Zaqar's notifier calls, carries a signature of Heat's.
    del logs["redis"]  # where Zaqar keeps whom to call
    assert [name for name, log in logs.items() if re.search(rb"[?&]Signature=", log)] == []
