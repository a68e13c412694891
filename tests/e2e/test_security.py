"""With one server's whole configuration in hand, what can be done to another of its stack.

All but the last test are acts of one attack on one stack, in this order.
"""

import json

import pytest
import requests
from keystoneauth1.exceptions import Unauthorized
from keystoneauth1.identity import v3
from keystoneauth1.session import Session
from websockets.sync.client import connect

from heat_zaqar_transport import queues
from heat_zaqar_transport.posting import post_message
from heat_zaqar_transport.wire import Result, SignedUrl, Snapshot, serialize
from support import hot
from support.ends import TTL_S, Ends
from support.intruder import post_anything
from support.rig import wait_until
from support.site import Site

pytestmark = pytest.mark.xdist_group("security")

SECRET = "their-own-secret-4711"
THEIRS = '#!/bin/sh\necho "$secret" > "$HOME/secret"\necho honest\n'
MINE = "#!/bin/sh\necho mine\n"


def two_servers():
    deployments = {
        "my_deployment": hot.deployment("my_config", "mine"),
        "their_deployment": hot.deployment(
            "their_config", "theirs", input_values={"secret": SECRET}
        ),
    }
    made = {
        "mine": hot.server(),
        "theirs": hot.server(),
        "my_config": hot.config(MINE),
        "their_config": hot.config(THEIRS, inputs=["secret"]),
    }
    return hot.template(
        made | deployments, {"theirs": {"get_attr": ["their_deployment", "deploy_stdout"]}}
    )


class Attacker:
    """Whoever has got hold of one server: all of its options, and what can be found with them."""

    def __init__(self, options):
        self.options = options
        self.ends = Ends(options)
        url = self.ends.metadata_url
        self.endpoint, self.project_id = url.endpoint, url.project_id
        login = v3.Password(
            auth_url=options["auth_url"],
            user_id=options["user_id"],
            password=options["password"],
            project_id=options["project_id"],
        )
        self.token = Session(auth=login).get_token()

    def queue_names(self):
        headers = {"X-Auth-Token": self.token, "Client-ID": "a" * 32}
        answer = requests.get(f"{self.endpoint}/v2/queues?limit=20", headers=headers, timeout=10)
        return [each["name"] for each in answer.json()["queues"]]

    def open(self, name):
        """Open another server's queue with the stack user's token."""
        return queues.open_with_token(self.endpoint, self.token, self.project_id, name)

    def over_websocket(self, action, body):
        """Ask Zaqar's websocket server, which takes the signature of one's own queue for all."""
        option = "signal_url" if action == "message_post" else "metadata_url"
        url = SignedUrl.parse(self.options[option])
        headers = {
            "Client-ID": "b" * 32,
            **url.headers(),
            "URL-Methods": list(url.methods),
            "URL-Paths": list(url.paths),
        }
        with connect(self.options["websocket_url"]) as connection:
            connection.send(json.dumps({"action": action, "headers": headers, "body": body}))
            answer = json.loads(connection.recv(timeout=10))
        assert answer["headers"]["status"] in (200, 201), answer
        return answer["body"]


class Attack:
    """A stack of two servers, and an attacker with the configuration of "mine"."""

    def __init__(self, site):
        self.site = site
        self.stack = site.stack(two_servers())
        self.attacker = Attacker(self.stack.collect_config("mine")["zaqar"])
        self.their_config = self.stack.collect_config("theirs")
        self.theirs = Ends(self.their_config["zaqar"])
        wait_until(self._published, 60, "their deployment to be published")
        # Kept for later, as anybody can who reads along.
        queue = self.attacker.open(self.theirs.metadata_url.queue)
        (self.first_snapshot,) = [each.body for each in queue.fetch() if "sealed" in each.body]
        self._guests = {}

    def guest(self, server):
        """Return a server that is booted when it is first asked for."""
        if server not in self._guests:
            self._guests[server] = self.site.boot(self.stack, server)
        return self._guests[server]

    def wait_refusal(self, server, words, timeout_s=20):
        wait_until(lambda: words in self._refusals(server), timeout_s, f"an event of {words!r}")

    def _published(self):
        return any(each.message.document["deployments"] for each in self.theirs.found())

    def _refusals(self, server):
        events = self.site.heat.events.list(self.stack.id, resource_name=server)
        reasons = [each.resource_status_reason for each in events]
        return "".join(each for each in reasons if "refused a message from the server" in each)


@pytest.fixture(scope="module")
def attack(cloud, tmp_path_factory):
    with Site(cloud, tmp_path_factory.mktemp("attack")) as site:
        yield Attack(site)


def their_run(theirs):
    (deployment,) = theirs.newest().document["deployments"]
    return deployment["id"]


def test_their_queues_are_found_and_nothing_in_them_can_be_read(attack):
    attacker, theirs = attack.attacker, attack.theirs
    names = attacker.queue_names()
    assert theirs.metadata_url.queue in names  # the token of the stack user reaches that far
    read = json.dumps([each.body for each in attacker.open(theirs.metadata_url.queue).fetch()])
    read += json.dumps(
        attacker.over_websocket("message_list", {"queue_name": theirs.metadata_url.queue})
    )
    assert read.count(theirs.channel) >= 2  # both ways lead to the snapshot
    for secret in (SECRET, THEIRS, their_run(theirs), "os-collect-config"):
        assert secret not in read
    # A signature fits one queue over the REST API.
    forged = SignedUrl.parse(attacker.options["metadata_url"]).serialize()
    forged = forged.replace(attacker.ends.metadata_url.queue, theirs.metadata_url.queue)
    with pytest.raises(Exception, match="404"):
        queues.open_signed(SignedUrl.parse(forged)).fetch()


def test_no_result_can_be_forged_for_them(attack):
    stack, attacker, theirs = attack.stack, attack.attacker, attack.theirs
    run, mine = their_run(theirs), attacker.ends
    signal_name = SignedUrl.parse(attack.their_config["zaqar"]["signal_url"]).queue
    outputs = {"deploy_stdout": "forged\n", "deploy_status_code": 0}

    # In their queue: in the clear, and sealed with the key that the attacker has.
    signals = attacker.open(signal_name)
    post_message(signals.post, Result(theirs.channel, run, outputs), TTL_S)
    attack.wait_refusal("theirs", "is not sealed")
    post_message(signals.post, Result(theirs.channel, run, outputs), TTL_S, mine.seal)
    attack.wait_refusal("theirs", "cannot be opened")
    over = {
        "queue_name": signal_name,
        "messages": [{"ttl": TTL_S, "body": {"forged": "over the websocket"}}],
    }
    attacker.over_websocket("message_post", over)
    # In one's own queue, for their channel, and for their deployment.
    mine.say(Result(theirs.channel, run, outputs))
    attack.wait_refusal("mine", "names another channel")
    mine.say(Result(mine.channel, run, outputs))
    attack.wait_refusal("mine", "is not this server's")
    assert stack.resource("their_deployment").resource_status == "CREATE_IN_PROGRESS"

    attack.guest("theirs")
    stack.wait_resource("their_deployment", "CREATE_COMPLETE")
    assert stack.outputs()["theirs"] == "honest\n"


def test_what_was_posted_once_is_no_use_to_anybody_later(attack):
    """Their first snapshot to me, and to them again, also as if it were the newest."""
    stack, attacker, theirs = attack.stack, attack.attacker, attack.theirs
    mine = attacker.ends
    my_queue = attacker.open(mine.metadata_url.queue)
    their_queue = attacker.open(theirs.metadata_url.queue)
    guests = {name: attack.guest(name) for name in ("mine", "theirs")}
    stack.wait("CREATE_COMPLETE")
    since = guests["mine"].log_size
    my_queue.post(attack.first_snapshot, TTL_S)
    guests["mine"].wait_log("is not used: the message cannot be opened", 40, since=since)
    relabelled = {**attack.first_snapshot["heat-zaqar"], "channel": mine.channel}
    my_queue.post({**attack.first_snapshot, "heat-zaqar": relabelled}, TTL_S)

    generation = theirs.newest().generation
    stack.update(two_servers_changed())
    stack.wait("UPDATE_COMPLETE")
    since = guests["theirs"].log_size
    their_queue.post(attack.first_snapshot, TTL_S)
    newer = {**attack.first_snapshot["heat-zaqar"], "generation": generation + 100}
    their_queue.post({**attack.first_snapshot, "heat-zaqar": newer}, TTL_S)
    guests["theirs"].wait_log("is not used: the message cannot be opened", 40, since=since)
    held = guests["theirs"].path("var/lib/heat-zaqar-transport/snapshot.json").read_text()
    assert json.loads(held)["heat-zaqar"]["generation"] > generation
    assert guests["theirs"].path("root/secret").read_text() == f"{SECRET}-changed\n"
    assert stack.outputs()["theirs"] == "honest\n"


def two_servers_changed():
    template = two_servers()
    changed = template["resources"]["their_deployment"]["properties"]["input_values"]
    changed["secret"] = f"{SECRET}-changed"
    return template


def test_what_an_attacker_posts_to_them_costs_them_nothing(attack):
    attacker, theirs = attack.attacker, attack.theirs
    guest = attack.guest("theirs")
    queue = attacker.open(theirs.metadata_url.queue)
    since = guest.log_size
    empty = serialize(Snapshot(theirs.channel, 10**6, {"os-collect-config": {}, "deployments": []}))
    # In one request: Heat clears away all that lies there as soon as the first one is refused.
    post_anything(queue, empty, attacker.ends.seal.seal(empty))
    attacker.over_websocket(
        "message_post",
        {
            "queue_name": theirs.metadata_url.queue,
            "messages": [{"ttl": TTL_S, "body": {"deployments": []}}],
        },
    )
    guest.wait_log("is not used: the message is not sealed", 40, since=since)
    guest.wait_log("is not used: the message cannot be opened", 40, since=since)
    # Heat clears it away, and puts back what the attacker deletes.
    guest.wait_for(lambda: len(theirs.found()) == len(not_acks(queue)), 60, "a clean queue")
    queue.delete([each.id for each in queue.fetch()])
    guest.wait_for(theirs.found, 60, "the snapshot that the attacker has deleted")


def not_acks(queue):
    return [each for each in queue.fetch() if '"type": "ack"' not in json.dumps(each.body)]


def test_what_was_taken_from_a_lost_server_opens_nothing_once_it_is_replaced(site):
    """As docs/security.md says: mark it unhealthy, and update the stack."""
    stack = site.stack(hot.one_script(MINE))
    taken = stack.collect_config("server")["zaqar"]
    site.boot(stack)
    stack.wait("CREATE_COMPLETE")
    site.heat.resources.mark_unhealthy(stack.id, "server", True, "lost")
    stack.update()
    site.guest(replacement(stack, taken["channel"])).start()
    stack.wait("UPDATE_COMPLETE")

    heir = Attacker(stack.collect_config("server")["zaqar"])
    gone = {SignedUrl.parse(taken[name]).queue for name in ("metadata_url", "signal_url")}
    assert heir.ends.metadata_url.queue in heir.queue_names()
    assert not gone & set(heir.queue_names())
    assert Ends(taken).found() == []
    with pytest.raises(Unauthorized):
        Attacker(taken)


def replacement(stack, channel):
    """Return the configuration of the server that has replaced the one of a channel."""

    def is_another():
        return stack.collect_config("server")["zaqar"]["channel"] != channel

    wait_until(is_another, 60, f"what replaces {channel}")
    return stack.collect_config("server")
