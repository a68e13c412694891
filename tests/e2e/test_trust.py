"""What a server cannot do, and what no log shows."""

import re
import time

from heat_zaqar_transport import queues
from heat_zaqar_transport.wire import Result, SignedUrl, gather, serialize
from support import hot

PASSWORD = "correct-horse-battery-staple-4711"


def test_a_server_cannot_answer_for_another(site):
    """A forged result through one's own signal queue, even with the right config id."""
    template = hot.template(
        {
            "mine": hot.server(),
            "theirs": hot.server(),
            "config": hot.config("#!/bin/sh\necho honest\n"),
            "deployment": hot.deployment("config", "theirs"),
        },
        {"stdout": {"get_attr": ["deployment", "deploy_stdout"]}},
    )
    stack = site.stack(template)
    mine, theirs = (stack.collect_config(name)["zaqar"] for name in ("mine", "theirs"))

    def queued():
        found = gather(queues.open_signed(SignedUrl.parse(theirs["metadata_url"])).fetch()).found
        documents = [each.message.document for each in found]
        return [each["id"] for document in documents for each in document["deployments"]]

    deadline = time.monotonic() + 30
    while not queued() and time.monotonic() < deadline:
        time.sleep(0.2)
    (config_id,) = queued()
    out = queues.open_signed(SignedUrl.parse(mine["signal_url"]))
    for channel in (mine["channel"], theirs["channel"]):
        out.post(serialize(Result(channel, config_id, {"deploy_stdout": "forged\n"})), 300)
    time.sleep(5)
    assert stack.show().stack_status == "CREATE_IN_PROGRESS"
    reasons = [
        e.resource_status_reason for e in site.heat.events.list(stack.id, resource_name="mine")
    ]
    assert any(
        "refused a message from the server: the message names another channel" in each
        for each in reasons
    )

    site.boot(stack, "theirs")
    stack.wait("CREATE_COMPLETE")
    assert stack.outputs()["stdout"] == "honest\n"


def test_no_secret_in_any_log_at_any_level(cloud, site):
    """The values themselves are searched for, in every log of the whole run."""
    cloud.reconfigure("heat-engine", {"DEFAULT": {"debug": True}})
    sizes = {name: cloud.log(name).stat().st_size for name in cloud.services}
    try:
        script = "#!/bin/sh\necho $password\necho $password >&2\n"
        stack = site.stack(hot.one_script(script, input_values={"password": PASSWORD}))
        guest = site.boot(stack, debug=True)
        stack.wait("CREATE_COMPLETE")
        assert PASSWORD in stack.outputs()["stdout"]
        options = stack.collect_config("server")["zaqar"]
        stack.delete()
        stack.wait("DELETE_COMPLETE")
    finally:
        cloud.reconfigure("heat-engine", {})
    urls = [SignedUrl.parse(options[name]) for name in ("metadata_url", "signal_url")]
    secrets = [PASSWORD, options["password"], *(url.signature.reveal() for url in urls)]
    logs = {"guest": guest.log.read_bytes()}
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
    assert [name for name, log in logs.items() if re.search(rb"[?&]Signature=", log)] == []
