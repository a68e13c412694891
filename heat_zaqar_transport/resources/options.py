# SPDX-License-Identifier: Apache-2.0
"""The operator's options: section `[zaqar_transport]` of heat.conf."""

from oslo_config import cfg

from heat_zaqar_transport.wire.parts import PLAIN_BYTES

GROUP = "zaqar_transport"

# Zaqar's default for [transport] max_message_ttl, in seconds: 14 days.
_ZAQAR_MAX_MESSAGE_TTL = 1209600

_YEAR_S = 365 * 86400

# Seconds that an engine's own pre-signed URLs, which never leave Heat's encrypted data, and
# Zaqar's subscriptions are good for. They are renewed with a server's credentials; but a
# server may be off for years, and its stack be updated all the same.
ENGINE_LIFETIME_S = 10 * _YEAR_S

# Values of server_credentials.
WEBSOCKET, ALWAYS, NEVER = "websocket", "always", "never"

OPTS = [
    cfg.IntOpt(
        "snapshot_ttl",
        default=_ZAQAR_MAX_MESSAGE_TTL,
        min=60,
        help="Seconds that a server's metadata stays in its queue; the server has it renewed "
        "before half of them are over. Where Zaqar's max_message_ttl is less, that counts.",
    ),
    cfg.IntOpt(
        "plain_snapshot_bytes",
        default=PLAIN_BYTES,
        min=0,
        help="Metadata of up to this size in bytes is posted as it is, larger metadata "
        "compressed. os-collect-config as released reads uncompressed metadata only: for "
        "servers that run it, 262144.",
    ),
    cfg.BoolOpt(
        "seal",
        default=True,
        help="Whether what passes through Zaqar is sealed with a key of each server, so that "
        "nobody else can read or forge it. os-collect-config as released can read unsealed "
        "metadata only. A server keeps what it was created with.",
    ),
    cfg.IntOpt(
        "channel_lifetime",
        default=_YEAR_S,
        min=10,
        help="Seconds that a server's pre-signed URLs and seal key are good for. They are "
        "renewed, and the password with them, before half of that is over; a server that is "
        "off for longer must be given its configuration again.",
    ),
    cfg.StrOpt(
        "server_credentials",
        default=WEBSOCKET,
        choices=[WEBSOCKET, ALWAYS, NEVER],
        help="Which servers get Keystone credentials: a user and password of their own in the "
        "stack's domain project, that reach every queue of the stack, where pre-signed URLs "
        "reach one each. websocket: those that are pushed over Zaqar's websocket server, where "
        "the catalog has one (messaging-websocket). always: all, for os-collect-config as "
        "released. never: none; servers poll by pre-signed URL.",
    ),
    cfg.StrOpt(
        "servers_ca_file",
        help="Path, on the engine's host, of a PEM file with the CA certificates that servers "
        "verify Zaqar, its websocket server, Keystone and Heat with. They reach a server with "
        "its configuration, in place of the CAs that it would trust by itself. At most 16384 "
        "bytes. Not set: a server uses the CAs that it knows.",
    ),
    cfg.BoolOpt(
        "servers_insecure",
        default=False,
        help="Servers take any TLS certificate. Then whoever is between a server and Zaqar, "
        "Keystone or Heat can pretend to be them, reads the server's password, tokens and "
        "pre-signed URLs, and with seal = false also has it run whatever they like, as root.",
    ),
    cfg.FloatOpt(
        "timeout",
        default=10,
        min=1,
        help="Seconds that an engine waits for an answer of Zaqar.",
    ),
    cfg.FloatOpt(
        "safety_net_first",
        default=10,
        min=1,
        help="Seconds that a deployment waits for Zaqar's notification before it looks into the "
        "signal queue itself; each further look waits twice as long.",
    ),
    cfg.FloatOpt(
        "safety_net_longest",
        default=1800,
        min=1,
        help="Longest time between two such looks, in seconds.",
    ),
]

cfg.CONF.register_opts(OPTS, group=GROUP)


def get() -> cfg.ConfigOpts.GroupAttr:
    """Return the section's values."""
    return cfg.CONF[GROUP]


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Tell oslo-config-generator what there is."""
    return [(GROUP, OPTS)]
