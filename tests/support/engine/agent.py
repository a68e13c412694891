"""A server's agent as Heat sees it: it reads its queue, runs what it finds, and answers."""

import contextlib

from heat_zaqar_transport import queues, seals
from heat_zaqar_transport.posting import post_message
from heat_zaqar_transport.wire import (
    Ack,
    Goodbye,
    Hello,
    KeystoneUrl,
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
    queue_names: Of the metadata queue and of the signal queue.
    answer: Called with each deployment that has not run, its inputs by name as `inputs`;
        returns the outputs, or None: not yet.
    snapshot: The newest one that it has read.
    runs: Ids of the configs that have run, in order.
    acks: Ids of the configs whose results Heat has acked.
    goodbye: Whether Heat has said goodbye.
    awake: Whether it looks, when time passes.
    pushed: Whether Zaqar tells it of messages: then it answers a goodbye.
    """

    def __init__(self, options, answer=succeed):
        self.options = options
        self.answer = answer
        self.snapshot = None
        self.runs, self.acks = [], []
        self.goodbye = False
        self.awake = True
        self.pushed = options.get("push") == "webhook"
        urls = (options["metadata_url"], options["signal_url"])
        self.queue_names = tuple(parse_queue_url(url).queue for url in urls)

    @property
    def channel(self):
        return self.options["channel"]

    @property
    def document(self):
        return self.snapshot.document

    def look(self):
        """Read the queue, run what has not run, and answer; another time if Zaqar is away."""
        if not self.options.get("metadata_url"):
            return  # Heat has told it to forget the channel
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
                case Goodbye() if not self.goodbye:
                    self.goodbye = True
                    if self.pushed:
                        self.say(Goodbye(self.channel))
        self._run(self.snapshot.document.get("deployments", ()) if self.snapshot else ())

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

    def post(self, body, ttl_s=TTL_S):
        """Post any body to the signal queue, as it is."""
        queues.open_url(parse_queue_url(self.options["signal_url"])).post(body, ttl_s)

    def result(self, config_id, outputs, attempt=1):
        """Send a result, whether there is such a deployment or not."""
        self.say(Result(self.channel, config_id, outputs, attempt))

    def _take(self, snapshot):
        self.snapshot = snapshot
        sent = snapshot.document.get("os-collect-config", {}).get("zaqar") or {}
        self.options = {**self.options, **sent}

    def _run(self, deployments):
        for each in deployments:
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
            seal = seal_of_inputs(inputs)
            result = Result(inputs["deploy_channel"], config_id, outputs)
            self._post(inputs["deploy_signal_id"], seal, result)
        else:
            self.result(config_id, outputs)

    def _post(self, url, seal, message):
        post_message(queues.open_url(parse_queue_url(url)).post, message, TTL_S, seal)


class Poller(Agent):
    """The agent of a server without a channel, which asks Heat for its deployments.

    Args:
        ask: Returns the server's deployments, as Heat's API lists them for a server id.
        answer: See `Agent`.
    """

    def __init__(self, ask, answer=succeed):
        self._ask, self.answer = ask, answer
        self.runs, self.awake = [], True

    def look(self):
        with contextlib.suppress(TransportError):
            self._run(self._ask())


def seal_of_inputs(inputs):
    """Return what a deployment with a queue of its own seals its result with."""
    return seals.seal_of_text(inputs.get("deploy_seal_keys"))


def is_signed(url):
    return isinstance(parse_queue_url(url), SignedUrl)


def secrets_of(options):
    """Return the texts in an agent's options that nobody else may read."""
    urls = [parse_queue_url(options[name]) for name in ("metadata_url", "signal_url")]
    texts = [url.signature.reveal() for url in urls if isinstance(url, SignedUrl)]
    texts += [url.password.reveal() for url in urls if isinstance(url, KeystoneUrl)]
    texts += (options.get("seal_keys") or "").split(",")
    return {text for text in [*texts, options.get("password")] if text}
