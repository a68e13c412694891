"""What one cloud is made of before anything runs: directory, ports, passwords, options.

The plan is written to ``<scratch>/state.json`` (mode 0600), so that another process can attach.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pwd
import secrets
import stat
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from localcloud.config import write_private
from localcloud.errors import BadScratch, NotRunning, ScratchInUse
from localcloud.ports import BACKEND_HOST, HOST

REPO_ROOT = Path(__file__).resolve().parent.parent
REGION = "RegionOne"
STATE_FILE = "state.json"
STATE_VERSION = 1

ZAQAR_PORT_NAMES = (
    "redis",
    "memcached",
    "keystone",
    "zaqar",
    "zaqar-websocket",
    "zaqar-notification",
)
HEAT_PORT_NAMES = (
    "mariadb",
    "rabbitmq",
    "rabbitmq-distribution",
    "epmd",
    "heat-api",
    "heat-api-cfn",
)
PORT_NAMES = (*ZAQAR_PORT_NAMES, *HEAT_PORT_NAMES)
# Those of them that are behind TLS, in a cloud with TLS.
TLS_PORT_NAMES = ("keystone", "zaqar", "zaqar-websocket", "heat-api", "heat-api-cfn")
COMPUTE_PORT_NAMES = ("placement", "glance", "neutron", "nova-api")
_SECRET_NAMES = (
    "admin",
    "demo",
    "heat",
    "zaqar",
    "heat_domain_admin",
    "mariadb_root",
    "mariadb_keystone",
    "mariadb_heat",
    "rabbitmq",
    "erlang_cookie",
    "zaqar_signing_key",
)
COMPUTE_USERS = ("placement", "glance", "neutron", "nova")
COMPUTE_DATABASES = (*COMPUTE_USERS, "nova_api", "nova_cell0")
# The kernel takes 107 bytes as a Unix socket's path; MariaDB's is the longest one here.
_MAX_SCRATCH_LENGTH = 80


@dataclass(frozen=True)
class Plan:
    """Everything that a service needs to know to configure itself.

    Attributes:
        scratch: the cloud's directory.
        ports: port by name, see ``PORT_NAMES``.
        secrets: password by name; never shown.
        plugin_dirs: where heat-engine looks for plugins.
        debug: whether services log at DEBUG instead of INFO.
        keep: whether the directory outlives the cloud.
        compute: the virtual environment of Nova and what it needs; ``None``: a cloud without them.
        tls: whether clients speak TLS to the services of ``TLS_PORT_NAMES``.
        heat: whether there is Heat, with MariaDB and RabbitMQ, which only Heat and Nova need.
    """

    scratch: Path
    ports: dict[str, int]
    secrets: dict[str, str] = field(repr=False)
    plugin_dirs: tuple[Path, ...]
    debug: bool
    keep: bool
    compute: Path | None = None
    tls: bool = False
    heat: bool = True

    @property
    def logs(self) -> Path:
        """Directory of all log files."""
        return self.scratch / "logs"

    @property
    def conf(self) -> Path:
        """Directory of the configuration files."""
        return self.scratch / "conf"

    @property
    def control_socket(self) -> Path:
        """Where the supervisor listens."""
        return self.scratch / "supervisor.sock"

    @property
    def tls_dir(self) -> Path:
        """Directory of the certificates."""
        return self.scratch / "tls"

    @property
    def ca_file(self) -> Path | None:
        """The CA that clients verify with; ``None``: there is no TLS."""
        return self.tls_dir / "ca.pem" if self.tls else None

    @property
    def verify(self) -> bool | str:
        """The same, as requests and keystoneauth take it."""
        return str(self.ca_file) if self.ca_file else True

    @property
    def without(self) -> str:
        """Say, as a part of an error's text, what was left out of this cloud on purpose."""
        return "" if self.heat else " in a cloud that was started without Heat,"

    @property
    def tls_names(self) -> tuple[str, ...]:
        """Names of the ports that are behind TLS."""
        return tuple(name for name in TLS_PORT_NAMES if self.tls and name in self.ports)

    def address(self, name: str) -> str:
        """Give ``host:port`` of a named port, as clients use it.

        Raises:
            NotRunning: this cloud has no such service.
        """
        if name not in self.ports:
            raise NotRunning(f"there is no {name}{self.without} in {self.scratch}")
        return f"{HOST}:{self.ports[name]}"

    def backend_host(self, name: str) -> str:
        """Give the address on which the service of a named port itself listens."""
        return BACKEND_HOST if name in self.tls_names else HOST

    def backend(self, name: str) -> str:
        """Give the ``host:port`` on which the service itself listens."""
        return f"{self.backend_host(name)}:{self.ports[name]}"

    def url(self, name: str, scheme: str = "http") -> str:
        """Give the address of a named port as a URL without a path.

        Args:
            name: of the port.
            scheme: ``http`` or ``ws``; where there is TLS, ``https`` or ``wss`` takes its place.
        """
        return f"{scheme}{'s' if name in self.tls_names else ''}://{self.address(name)}"

    def save(self) -> None:
        """Write the state file."""
        state = {"version": STATE_VERSION, **dataclasses.asdict(self)}
        text = json.dumps(state, indent=1, default=os.fspath)
        write_private(self.scratch / STATE_FILE, text)


def load_plan(scratch: Path) -> Plan:
    """Read a running cloud's state file.

    Args:
        scratch: the cloud's directory.

    Raises:
        NotRunning: there is no (readable) state file of this version.
    """
    path = scratch / STATE_FILE
    try:
        state = json.loads(path.read_text())
    except FileNotFoundError:
        raise NotRunning(f"no local cloud in {scratch}") from None
    except (OSError, ValueError) as error:
        raise NotRunning(f"cannot read {path}: {error}") from error
    version = state.pop("version", None)
    if version != STATE_VERSION:
        raise NotRunning(f"{path} is of version {version}, this is version {STATE_VERSION}")
    state["scratch"] = Path(state["scratch"])
    state["plugin_dirs"] = tuple(Path(item) for item in state["plugin_dirs"])
    state["compute"] = state["compute"] and Path(state["compute"])
    return Plan(**state)


def new_secrets() -> dict[str, str]:
    """Make fresh passwords. Heat's encryption key must be of exactly 32 characters."""
    compute = (*COMPUTE_USERS, *(f"mariadb_{name}" for name in COMPUTE_DATABASES))
    made = {name: secrets.token_hex(16) for name in (*_SECRET_NAMES, *compute)}
    return {**made, "heat_encryption_key": secrets.token_hex(16)}


def default_plugin_dirs() -> tuple[Path, ...]:
    """Give this checkout's Heat plugin directory, or nothing when it is not there."""
    plugin = REPO_ROOT / "heat_zaqar_transport" / "plugin"
    return (plugin,) if plugin.is_dir() else ()


def prepare_scratch(scratch: Path | None, user: str | None = None) -> Path:
    """Make the cloud's directory.

    Args:
        scratch: a directory that is empty or does not exist yet; ``None`` makes a temporary one.
        user: whom a service will run as, and who has to get into the directory.

    Raises:
        ScratchInUse: there is something in it.
        BadScratch: it cannot be used for another reason.
    """
    if scratch is None:
        scratch = Path(tempfile.mkdtemp(prefix="localcloud-"))
    scratch = scratch.absolute()
    if len(os.fsencode(scratch)) > _MAX_SCRATCH_LENGTH:
        raise BadScratch(
            f"{scratch}: longer than {_MAX_SCRATCH_LENGTH} bytes, too long for sockets"
        )
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        if any(scratch.iterdir()):
            raise ScratchInUse(f"{scratch} is not empty")
        # Services may run as other users, who have to get at their own directory.
        scratch.chmod(0o711)
        closed = first_closed(scratch, user) if user else None
        if closed:
            scratch.rmdir()
            raise BadScratch(
                f"{scratch}: a service runs as user {user}, who may not enter {closed}; "
                f"choose another directory, such as one in /tmp, or run chmod o+x {closed}"
            )
        for name in ("logs", "conf", "run"):
            (scratch / name).mkdir()
    except OSError as error:
        raise BadScratch(f"cannot use {scratch}: {error.strerror}") from error
    return scratch


def first_closed(path: Path, user: str) -> Path | None:
    """Find the directory on the way to a path that a user may not enter."""
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        return None  # the service that runs as this user says so
    for directory in reversed(path.parents):
        status = directory.stat()
        bit = stat.S_IXOTH
        if status.st_uid == entry.pw_uid:
            bit = stat.S_IXUSR
        elif status.st_gid == entry.pw_gid:
            bit = stat.S_IXGRP
        if not status.st_mode & bit:
            return directory
    return None
