# SPDX-License-Identifier: Apache-2.0
"""The agent's options: os-collect-config's `[zaqar]` section, and what we add to it.

One section serves the collector and the hooks, so that a server's channel is written
down once. The Keystone options are os-collect-config's own and keep their meaning.
"""

import math
import os
import re
from dataclasses import dataclass
from pathlib import Path

from oslo_config import cfg

from heat_zaqar_collector import trust
from heat_zaqar_transport import seals
from heat_zaqar_transport.wire import QueueUrl, Secret, parse_queue_url
from heat_zaqar_transport.wire.errors import NotConfigured, WireFormatError
from heat_zaqar_transport.wire.sealing import NO_SEAL, Seal

GROUP = "zaqar"
CONFIG_FILE_VARIABLE = "HEAT_ZAQAR_CONFIG"
DEFAULT_CONFIG_FILE = Path("/etc/os-collect-config.conf")

# The options of os-collect-config that are read here. Loading its own module for them takes
# a quarter of a second, which each deployment would wait for.
RELEASED_OPTS = [
    cfg.StrOpt("auth_url"),
    cfg.StrOpt("user_id"),
    cfg.StrOpt("password", secret=True),
    cfg.StrOpt("project_id"),
    cfg.StrOpt("queue_id"),
    cfg.StrOpt("region_name"),
    cfg.StrOpt("ca_file"),
]

ADDED_OPTS = [
    cfg.StrOpt(
        "channel",
        help="Name of the channel between this server and Heat. Not set: Heat runs without the "
        "heat-zaqar-transport plugin, and the queue is read with Keystone credentials.",
    ),
    cfg.StrOpt(
        "metadata_url",
        secret=True,
        help="Pre-signed URL of the metadata queue (GET messages).",
    ),
    cfg.StrOpt(
        "signal_url",
        secret=True,
        help="Pre-signed URL of the signal queue (POST messages).",
    ),
    cfg.StrOpt(
        "seal_keys",
        secret=True,
        help="Keys that the channel's messages are sealed with, with commas between them: the "
        "first seals, each of them opens. Not set: nothing is sealed.",
    ),
    cfg.StrOpt(
        "credentials",
        help="Heat's name of the present URLs, keys and password, by which this server tells "
        "that it has them.",
    ),
    cfg.FloatOpt(
        "renew_at",
        help="When to ask Heat for new ones, in seconds since 1970 (UTC). Not set: never.",
    ),
    cfg.StrOpt(
        "push",
        default="auto",
        choices=["auto", "websocket", "webhook", "poll"],
        help="How this server hears of changes. websocket: a connection to Zaqar's websocket "
        "server, which needs websocket_url and the Keystone options. webhook: Zaqar calls this "
        "server, which needs webhook_listen and webhook_path. poll: nobody tells. auto: "
        "websocket where its options are set, else poll.",
    ),
    cfg.StrOpt(
        "websocket_url",
        help="Zaqar's websocket server, ws:// or wss://.",
    ),
    cfg.StrOpt(
        "webhook_listen",
        help="ADDRESS:PORT to listen on for Zaqar's calls.",
    ),
    cfg.StrOpt(
        "webhook_path",
        secret=True,
        help="Path that Zaqar calls, with its slash. Whoever knows it can have this server look.",
    ),
    cfg.FloatOpt(
        "poll_longest",
        default=30,
        min=1,
        help="Longest pause between two looks into the queue while nobody tells of changes, in "
        "seconds. After a change the pauses begin with half a second.",
    ),
    cfg.StrOpt(
        "state_dir",
        default="/var/lib/heat-zaqar-transport",
        help="Directory of the agent's durable state: the last good snapshot, deployments and "
        "their results. Mode 0700.",
    ),
    cfg.IntOpt(
        "signal_ttl",
        default=86400,
        min=60,
        help="Seconds that a posted result may wait in the signal queue for Heat. Zaqar's "
        "max_message_ttl is the upper limit (1209600 unless the operator changed it).",
    ),
    cfg.FloatOpt(
        "timeout",
        default=30,
        min=1,
        help="Seconds to wait for an answer of Zaqar or Keystone before giving up a request.",
    ),
    cfg.FloatOpt(
        "deploy_timeout",
        default=14400,
        min=0,
        help="Seconds that a deployment's hook may run before it is ended and the deployment "
        "has failed; 0: no limit. A deployment's input deploy_timeout goes before it.",
    ),
    cfg.StrOpt(
        "reboot_command",
        default="systemctl reboot",
        help="Command that reboots this server when a deployment's hook asks for it (exit status "
        "194). Empty: nothing is run, and the hook or somebody else reboots.",
    ),
    *trust.OPTS,
]


@dataclass(frozen=True)
class KeystoneCredentials:
    """What the released os-collect-config reads a queue with.

    Attributes:
        region_name: `None`: whichever region the catalog names first.
    """

    auth_url: str
    user_id: str
    password: Secret
    project_id: str
    queue_id: str
    region_name: str | None = None


@dataclass(frozen=True)
class Settings:
    """The agent's configuration as values.

    Attributes:
        channel: `None` for a Heat without the plugin.
        metadata_url: `None`: read with `keystone` instead.
        signal_url: `None`: this server has no signal queue of its own.
        seal: What the messages of both queues are sealed with.
        credentials: Heat's name of the URLs, keys and password; `None`: it gave none.
        renew_at: When to ask for new ones, in seconds since 1970; `None`: never.
        keystone: `None`: no Keystone credentials, or not all of them.
        push: auto, websocket, webhook or poll.
        websocket_url: `None`: there is no websocket server.
        webhook_listen: `None`: Zaqar does not call this server.
        webhook_path: `None`: the same.
        poll_longest_s: Longest pause between two polls, seconds.
        state_dir: Directory of the durable state.
        signal_ttl_s: TTL of posted results, seconds.
        timeout_s: Per HTTP request, seconds.
        verify: True to verify TLS with the CAs that requests knows (those of certifi,
            or $REQUESTS_CA_BUNDLE), or the path of a CA bundle. False: `insecure` is
            spelled out, and nothing is verified.
        deploy_timeout_s: How long a hook may run, seconds; 0: no limit.
        reboot_command: Reboots the server; empty: nothing does. Only a configuration has
            the default that does reboot, so that none of our tests can.
    """

    channel: str | None
    metadata_url: QueueUrl | None
    signal_url: QueueUrl | None
    keystone: KeystoneCredentials | None
    push: str
    websocket_url: str | None
    webhook_listen: str | None
    webhook_path: Secret | None
    poll_longest_s: float
    state_dir: Path
    signal_ttl_s: int
    timeout_s: float
    verify: bool | str
    deploy_timeout_s: float = 14400.0
    reboot_command: str = ""
    seal: Seal = NO_SEAL
    credentials: str | None = None
    renew_at: float | None = None


def config_files() -> list[Path]:
    """Return the agent's configuration files, of which a later one wins.

    They are $HEAT_ZAQAR_CONFIG, paths with ":" between them as in PATH, or, where that is
    unset or empty, /etc/os-collect-config.conf.
    """
    paths = os.environ.get(CONFIG_FILE_VARIABLE, "").split(os.pathsep)
    return [Path(path) for path in paths if path] or [DEFAULT_CONFIG_FILE]


def register(conf: cfg.ConfigOpts) -> None:
    """Add our options to the `[zaqar]` section of a configuration.

    They are no command line options: a pre-signed URL there would show in a process list.
    """
    conf.register_opts(ADDED_OPTS, group=GROUP)


def load(*paths: Path) -> Settings:
    """Read the settings from the agent's configuration files, for a short-lived process.

    Args:
        paths: A later one wins. None given: those of `config_files()`.

    Raises:
        NotConfigured: A file is missing, or an option in it cannot be used.
        StateError: CA certificates cannot be written into the state directory.
    """
    files = [str(path) for path in paths or config_files()]
    conf = cfg.ConfigOpts()
    conf.register_opts(RELEASED_OPTS, group=GROUP)
    conf.register_opts(ADDED_OPTS, group=GROUP)
    try:
        conf(args=[], project="os-collect-config", default_config_files=files)
        return from_conf(conf)
    except cfg.ConfigFilesNotFoundError as exc:
        missing = ", ".join(exc.config_files)
        raise NotConfigured("[zaqar]", f"cannot be read: there is no file {missing}") from exc
    except UnicodeDecodeError:
        # Without its cause, which holds the file's text.
        raise NotConfigured("[zaqar]", "cannot be read: a file is no UTF-8 text") from None
    except (cfg.ConfigFileParseError, cfg.ConfigFileValueError) as exc:
        raise NotConfigured("[zaqar]", f"cannot be read: {without_content(exc)}") from None


def without_content(exc: Exception) -> str:
    """Tell what is wrong with a configuration file without quoting a line of it.

    oslo.config quotes the line that it could not parse, which may hold a password.
    """
    if not isinstance(exc, cfg.ConfigFileParseError):
        return str(exc)
    line = re.search(rf"at {re.escape(exc.config_file)}:(\d+)", str(exc))
    where = f", line {line[1]}" if line else ""
    return f"{exc.config_file}{where} is neither a section nor an option with a value"


def from_conf(conf: cfg.ConfigOpts) -> Settings:
    """Turn a parsed configuration into values.

    Raises:
        NotConfigured: A pre-signed URL, a key or a CA certificate is not one, a number of
            seconds is none, or a value names an option that there is not.
        StateError: CA certificates cannot be written into the state directory.
    """
    try:
        return _settings(conf[GROUP])
    except (cfg.NoSuchOptError, cfg.TemplateSubstitutionError):
        # Without the name, which may be the half of a password.
        problem = "cannot be used: a value names an option with $; a $ of its own is written $$"
        raise NotConfigured(f"[{GROUP}]", problem) from None


def _settings(group: cfg.ConfigOpts.GroupAttr) -> Settings:
    return Settings(
        channel=group.channel or None,
        metadata_url=_queue_url("metadata_url", group.metadata_url),
        signal_url=_queue_url("signal_url", group.signal_url),
        keystone=_keystone(group),
        push=group.push,
        websocket_url=group.websocket_url or None,
        webhook_listen=group.webhook_listen or None,
        webhook_path=Secret(group.webhook_path) if group.webhook_path else None,
        poll_longest_s=_seconds(group, "poll_longest"),
        state_dir=Path(group.state_dir),
        signal_ttl_s=int(_seconds(group, "signal_ttl")),
        timeout_s=_seconds(group, "timeout"),
        verify=trust.verify_of(group, Path(group.state_dir)),
        deploy_timeout_s=_seconds(group, "deploy_timeout"),
        reboot_command=group.reboot_command,
        seal=_seal(group.seal_keys),
        credentials=group.credentials or None,
        renew_at=None if group.renew_at is None else _seconds(group, "renew_at"),
    )


def missing_keystone_options(conf: cfg.ConfigOpts) -> list[str]:
    """Name the Keystone options that are not set, for an error that says what to do."""
    return [name for name in _KEYSTONE if not conf[GROUP][name]]


_KEYSTONE = ("auth_url", "user_id", "password", "project_id", "queue_id")


def _keystone(group: cfg.ConfigOpts.GroupAttr) -> KeystoneCredentials | None:
    if not all(group[name] for name in _KEYSTONE):
        return None
    return KeystoneCredentials(
        auth_url=group.auth_url,
        user_id=group.user_id,
        password=Secret(group.password),
        project_id=group.project_id,
        queue_id=group.queue_id,
        region_name=group.region_name or None,
    )


def _seconds(group: cfg.ConfigOpts.GroupAttr, name: str) -> float:
    """Return a number of seconds; oslo.config lets nothing, "nan" and "inf" pass."""
    value = group[name]
    if value is None or not math.isfinite(value):
        raise NotConfigured(f"[{GROUP}] {name}", "is no number of seconds")
    return float(value)


def _seal(keys: str | None) -> Seal:
    try:
        return seals.seal_of_text(keys)
    except WireFormatError as exc:
        raise NotConfigured(f"[{GROUP}] seal_keys", f"cannot be used: {exc}") from exc


def _queue_url(name: str, text: str | None) -> QueueUrl | None:
    if not text:
        return None
    try:
        return parse_queue_url(text)
    except WireFormatError as exc:
        raise NotConfigured(f"[{GROUP}] {name}", f"cannot be used: {exc}") from exc
