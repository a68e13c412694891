"""Access that no server has: signed with Zaqar's own key, to put rubbish where none can get."""

from dataclasses import replace

from zaqar.common.urls import create_signed_url

from heat_zaqar_transport import queues
from heat_zaqar_transport.wire import Secret


def open_as_intruder(cloud, url):
    """Open the queue of a server's pre-signed URL for reading, writing and deleting."""
    methods = ["DELETE", "GET", "POST"]
    signed = create_signed_url(
        cloud.plan.secrets["zaqar_signing_key"],
        list(url.paths),
        project=url.project_id,
        methods=methods,
    )
    return queues.open_signed(
        replace(
            url,
            methods=tuple(methods),
            expires=signed["expires"],
            signature=Secret(signed["signature"]),
        )
    )


def post_anything(queue, *bodies):
    """Post in one request what our own code would never post, such as a list."""
    queue._queue.post([{"body": body, "ttl": 300} for body in bodies])
