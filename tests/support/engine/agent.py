"""A server's agent as Heat sees it: it reads its queue, runs what it finds, and answers."""

import contextlib

from heat_zaqar_transport import queues, seals
from heat_zaqar_transport.posting import post_message
from heat_zaqar_transport.wire import (
    Ack,
    Goodbye,
    Hello,
    Result,
    SignedUrl,
    Snapshot,
    gather,
    parse_queue_url,
)
from heat_zaqar_transport.wire.errors import TransportError

TTL_S = 3600


def succeed(deployment):
    """Return the outputs of a hook that has nothing to complain of."""
    return {"deploy_stdout": f"did {deployment['name']}\n", "deploy_status_code": 0}


class Agent:
    """Attributes: what it has, and what it has heard.

    options: Its `[zaqar]` options: those of its boot configuration, then those that it is sent.
    answer: Called with each deployment that has not run, its inputs by name as `inputs`;
        returns the outputs, or None: not yet.
    snapshot: The newest one that it has read.
    runs: Ids of the configs that have run, in order.
    acks: Ids of the configs whose results Heat has acked.
    goodbye: Whether Heat has said goodbye.
    awake: Whether it looks, when time passes.
    """

    def __init__(self, options, answer=succeed):
        self.options = options
        self.answer = answer
        self.snapshot = None
        self.runs, self.acks = [], []
        self.goodbye = False
        self.awake = True

    @property
    def channel(self):
        return self.options["channel"]

    @property
    def queue_names(self):
        """Names of the metadata queue and of the signal queue."""
        urls = (self.options["metadata_url"], self.options["signal_url"])
        return tuple(parse_queue_url(url).queue for url in urls)

    @property
    def document(self):
        return self.snapshot.document

    def look(self):
        """Read the queue, run what has not run, and answer; another time if Zaqar is away."""
        with contextlib.suppress(TransportError):
            self._look()

    def _look(self):
        for message in self.read():
            match message:
                case Snapshot() as snapshot:
                    if self.snapshot is None or snapshot.generation > self.snapshot.generation:
                        self._take(snapshot)
                case Ack() if message.config_id not in self.acks:
                    self.acks.append(message.config_id)
                case Goodbye():
                    self.goodbye = True
        self._run()

    def read(self):
        """Return what lies in the metadata queue, and can be opened."""
        queue = queues.open_url(parse_queue_url(self.options["metadata_url"]))
        return [found.message for found in gather(queue.fetch(), self.seal).found]

    @property
    def seal(self):
        return seals.seal_of_text(self.options.get("seal_keys"))

    def hello(self, reason="start"):
        """Ask Heat for the present snapshot, as the agent does at each start."""
        generation = self.snapshot.generation if self.snapshot else None
        self.say(Hello(self.channel, reason, generation, self.options.get("credentials")))

    def say(self, message):
        self._post(self.options["signal_url"], self.seal, message)

    def result(self, config_id, outputs, attempt=1):
        """Send a result, whether there is such a deployment or not."""
        self.say(Result(self.channel, config_id, outputs, attempt))

    def _take(self, snapshot):
        self.snapshot = snapshot
        sent = snapshot.document.get("os-collect-config", {}).get("zaqar") or {}
        self.options = {**self.options, **sent}

    def _run(self):
        for each in (self.snapshot.document if self.snapshot else {}).get("deployments", ()):
            if each["id"] in self.runs:
                continue
            inputs = {one["name"]: one["value"] for one in each["inputs"]}
            outputs = self.answer({**each, "inputs": inputs})
            if outputs is not None:
                self.runs.append(each["id"])
                self._send(each["id"], inputs, outputs)

    def _send(self, config_id, inputs, outputs):
        if inputs["deploy_signal_transport"] != "ZAQAR_MESSAGE":
            return
        if "deploy_channel" in inputs:
            seal = seals.seal_of_text(inputs.get("deploy_seal_keys"))
            result = Result(inputs["deploy_channel"], config_id, outputs)
            self._post(inputs["deploy_signal_id"], seal, result)
        else:
            self.result(config_id, outputs)

    def _post(self, url, seal, message):
        post_message(queues.open_url(parse_queue_url(url)).post, message, TTL_S, seal)


def is_signed(url):
    return isinstance(parse_queue_url(url), SignedUrl)
