"""Heat as a server sees it, played without Heat: what is behind the server's two queues.

The channel is made as `resources/server.py` makes it, and messages go the way of
`resources/publish.py`, by the same code below the two. Nothing happens by itself: a test says when
Heat publishes, when it reads what the server has said, and when it says goodbye.
"""

import contextlib
import time
import uuid

from keystoneauth1.exceptions import Conflict

from bench import fleet
from heat_zaqar_transport import queues, seals
from heat_zaqar_transport.posting import Poster
from heat_zaqar_transport.queues import PUSH_OPTIONS
from heat_zaqar_transport.resources import channel as channels
from heat_zaqar_transport.resources.wishes import COLLECTOR, SECTION, Wishes
from heat_zaqar_transport.wire import Ack, Goodbye, Hello, Result, Snapshot, gather, upkeep
from heat_zaqar_transport.wire.parts import is_plain

# Half of it is over after the longest test: before that an agent has no reason to say hello.
SNAPSHOT_TTL_S = 7200
SHORT_TTL_S = 300
LIFETIME_S = 86400
LOOK_S = 0.1


class PlayedHeat:
    """Heat with one stack: a project, with a stack user for each server that needs one.

    As a context manager it deletes all that it has made in Zaqar and in Keystone.

    Args:
        cloud: Keystone and Zaqar.
        websocket: Whether Heat finds a websocket server in the catalog.
    """

    def __init__(self, cloud, websocket=True):
        self.cloud = cloud
        self.websocket_url = cloud.websocket_url if websocket else None
        ensure_role(cloud)
        self.project = fleet.Project(cloud)
        self._servers = []

    def server(self, **agent):
        """Create a server: its channel, and the first snapshot in it.

        Args:
            agent: The agent's options, as a template has them in `os-collect-config: zaqar:`.
        """
        wishes = Wishes.of({SECTION: {COLLECTOR: agent}})
        server = PlayedServer(self, wishes)
        self._servers.append(server)
        server.publish()
        if wishes.webhook:
            url = f"{wishes.webhook_base}{server.options['webhook_path']}"
            server.metadata.subscribe(url, LIFETIME_S, PUSH_OPTIONS)
        return server

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in self._servers:
            server.delete_queues()
        admin, keystone = self.cloud.admin_session(), self.cloud.auth_url
        scope = f"{keystone}/role_assignments?scope.project.id={self.project.id}"
        for each in admin.get(scope).json()["role_assignments"]:
            admin.delete(f"{keystone}/users/{each['user']['id']}")
        admin.delete(f"{keystone}/projects/{self.project.id}")


def ensure_role(cloud):
    """Have Keystone know the role of stack users, which nobody has made where there is no Heat."""
    with contextlib.suppress(Conflict):
        role = {"role": {"name": fleet.ROLE}}
        cloud.admin_session().post(f"{cloud.auth_url}/roles", json=role)


class PlayedServer:
    """Heat's side of one server.

    Attributes:
        channel: Its name.
        queue_names: Those of the metadata queue and of the signal queue.
        options: The agent's, as the server's attribute `os_collect_config` holds them.
        config: That attribute.
        document: The server's metadata; the next `publish` posts it.
        generation: Of the snapshot that was published last.
        metadata: The metadata queue, by the engine's signed URL: Keystone may be away.
        signals: The signal queue, likewise.
        results: The outputs of each run that the server has told, by the id of its config.
    """

    def __init__(self, heat, wishes):
        self._heat = heat
        self._poster = Poster()
        self.channel = channels.new_name("hz-c")
        self.queue_names = (channels.new_name("hz-m"), channels.new_name("hz-s"))
        owned = [heat.project.open_queue(name) for name in self.queue_names]
        paths, methods = channels.ENGINE_PATHS, channels.ENGINE_METHODS
        self.metadata, self.signals = (
            queues.open_signed(queue.sign(paths, methods, LIFETIME_S)) for queue in owned
        )
        self._credentials = _credentials(*owned)
        self.seal = seals.seal_of(self._credentials.seal_keys)
        self.options = self._agent_options(wishes)
        self.config = {"collectors": [COLLECTOR, "local"], COLLECTOR: self.options}
        self.document = {SECTION: self.config, "deployments": []}
        self.generation = 0
        self.results = {}
        self._deleting = False

    def _agent_options(self, wishes):
        options = {
            **wishes.for_agent(),
            "channel": self.channel,
            **self._credentials.options(),
            channels.CREDENTIALS: self._credentials.name,
            channels.RENEW_AT: self._credentials.renew_at,
        }
        if wishes.websocket and self._heat.websocket_url:
            options |= {"websocket_url": self._heat.websocket_url, **self._stack_user()}
        if wishes.webhook:
            options["webhook_path"] = f"/{channels.new_name('hz-w')}"
        return options

    def _stack_user(self):
        user_id, password = self._heat.project.new_user()
        return {
            "user_id": user_id,
            "password": password,
            "auth_url": self._heat.cloud.auth_url,
            "project_id": self._heat.project.id,
            "queue_id": self.queue_names[0],
        }

    # Heat to server.

    def publish(self):
        """Post the document as the next generation; return when, in seconds of the epoch."""
        self.generation += 1
        return self.restore()

    def change(self, **keys):
        """Publish a change: these keys of the document, or any at all."""
        self.document = {**self.document, "change": self.generation + 1, **keys}
        return self.publish()

    def deploy(self, script, **inputs):
        """Publish one deployment in place of the one before; return the id of its config."""
        inputs = {"deploy_signal_transport": "ZAQAR_MESSAGE", **inputs}
        derived = {
            "id": str(uuid.uuid4()),
            "name": "deployment",
            "group": "script",
            "config": script,
            "options": {},
            "inputs": [
                {"name": name, "type": "String", "value": value} for name, value in inputs.items()
            ],
            "outputs": [],
        }
        self.change(deployments=[derived])
        return derived["id"]

    def restore(self):
        """Bring the queue up to the present snapshot, as the answer to a hello does."""
        snapshot = Snapshot(self.channel, self.generation, self.document)
        plain = is_plain(snapshot)
        todo = upkeep(snapshot, self.metadata.fetch(), plain=plain, seal=self.seal)
        if todo.post:
            post, ttl_s = self.metadata.post, SNAPSHOT_TTL_S
            self._poster.post(post, snapshot, ttl_s, self.seal, base=todo.base)
        posted_at = time.time()
        self.metadata.delete(todo.delete)
        return posted_at

    def say_goodbye(self, within_s=10):
        """Tell the server that its queues are about to be deleted; one that is pushed answers."""
        self._deleting = True
        goodbye = Goodbye(self.channel)
        self._poster.post(self.metadata.post, goodbye, SHORT_TTL_S, self.seal)
        self._hear_until(lambda said: goodbye in said, within_s, "answer to the goodbye")

    def delete_queues(self):
        """Delete both queues and their subscriptions."""
        for name in self.queue_names:
            self._heat.project.open_queue(name).destroy()

    # Server to Heat.

    def hear(self):
        """Take what lies in the signal queue: ack results, answer hellos; return all of it."""
        gathered = gather(self.signals.fetch(), self.seal)
        assert not gathered.rejected, gathered.rejected
        said = [each.message for each in gathered.found]
        for message in said:
            if isinstance(message, Result):
                self.results[message.config_id] = message.outputs
                ack = Ack(self.channel, message.config_id, message.attempt)
                self._poster.post(self.metadata.post, ack, SHORT_TTL_S, self.seal)
            elif isinstance(message, Hello) and not self._deleting:
                self.restore()
        self.signals.delete(part.id for each in gathered.found for part in each.carriers)
        return said

    def result(self, config_id, within_s=30):
        """Wait for a run's result, answering all that the server says; return its outputs."""
        self._hear_until(lambda _: config_id in self.results, within_s, f"result {config_id}")
        return self.results[config_id]

    def hello(self, reason, within_s=30):
        """Wait for a hello with a reason, answering all that the server says; return it."""

        def hellos(said):
            return [each for each in said if isinstance(each, Hello) and each.reason == reason]

        return self._hear_until(hellos, within_s, f"hello ({reason})")[0]

    def _hear_until(self, wanted, within_s, what):
        deadline = time.monotonic() + within_s
        while not (found := wanted(self.hear())):
            assert time.monotonic() < deadline, f"no {what} within {within_s} s"
            time.sleep(LOOK_S)
        return found


def _credentials(metadata, signals):
    """Have Zaqar sign what the server may do, and nothing more."""
    now = int(time.time())
    paths = channels.SERVER_PATHS
    return channels.Credentials(
        name=channels.new_name("hz-k"),
        metadata_url=metadata.sign(paths, channels.SERVER_METADATA_METHODS, LIFETIME_S),
        signal_url=signals.sign(paths, channels.SERVER_SIGNAL_METHODS, LIFETIME_S),
        seal_keys=(seals.new_key(),),
        password=None,
        renew_at=now + LIFETIME_S // 2,
        expires_at=now + LIFETIME_S,
    )
