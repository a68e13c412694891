"""What Nova hands to a server: the user data that Heat has made, as cloud-init reads it."""

import base64
import email
import json

MICROVERSION = {"OpenStack-API-Version": "compute 2.96"}


def server_in_nova(cloud, server_id):
    """Ask Nova, as admin, for a server; None when there is none."""
    url = f"{cloud.plan.url('nova-api')}/v2.1/servers/{server_id}"
    answer = cloud.admin_session().get(url, headers=MICROVERSION, raise_exc=False)
    return None if answer.status_code == 404 else answer.json()["server"]


def parts(server):
    """Return the user data's parts by file name."""
    text = base64.b64decode(server["OS-EXT-SRV-ATTR:user_data"]).decode()
    return {
        part.get_filename(): part.get_payload(decode=True).decode()
        for part in email.message_from_string(text).walk()
        if part.get_filename()
    }


def boot_metadata(server):
    """Return the metadata that the server finds at boot, which cloud-init puts into a file."""
    return json.loads(parts(server)["cfn-init-data"])
