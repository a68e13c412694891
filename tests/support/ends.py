"""The two queues of a server, as one sees them who has its whole configuration."""

from heat_zaqar_transport import queues, seals
from heat_zaqar_transport.posting import post_message
from heat_zaqar_transport.wire import SignedUrl, Snapshot, gather

TTL_S = 300


class Ends:
    """What a server's `[zaqar]` options open.

    Args:
        options: The options, as `os_collect_config` holds them.
        verify: For TLS.
    """

    def __init__(self, options, verify=True):
        self.channel = options["channel"]
        self.seal = seals.seal_of_text(options.get("seal_keys"))
        self.metadata_url = SignedUrl.parse(options["metadata_url"])
        self.metadata = queues.open_signed(self.metadata_url, verify=verify)
        self.signals = queues.open_signed(SignedUrl.parse(options["signal_url"]), verify=verify)

    def found(self):
        """Return the snapshots in the metadata queue, with what carries them."""
        whole = gather(self.metadata.fetch(), self.seal).found
        return [each for each in whole if isinstance(each.message, Snapshot)]

    def newest(self):
        return max((each.message for each in self.found()), key=lambda each: each.generation)

    def say(self, message):
        """Post a message to the signal queue as the server's agent does."""
        post_message(self.signals.post, message, TTL_S, self.seal)
