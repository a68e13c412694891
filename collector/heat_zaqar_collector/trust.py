# SPDX-License-Identifier: Apache-2.0
"""How the agent verifies TLS: always, unless `insecure` is spelled out.

One answer serves every request of the agent and of the hooks, HTTPS and websocket alike. In
this order: `insecure`; the file `ca_file`; the certificates that Heat has sent,
`ca_certificates`; the CAs that requests knows.
"""

import logging
import warnings
from pathlib import Path

from oslo_config import cfg
from urllib3.exceptions import InsecureRequestWarning

from heat_zaqar_transport import certificates, durable
from heat_zaqar_transport.wire.errors import NotConfigured, WireFormatError

LOG = logging.getLogger(__name__)

# In the state directory: what Heat has sent, for libraries that want a file.
FILE_NAME = "ca.pem"

OPTS = [
    cfg.StrOpt(
        "ca_certificates",
        help="CA certificates to verify Zaqar, its websocket server, Keystone and Heat with: PEM, "
        "in base64 without line breaks. ca_file goes before it.",
    ),
    cfg.BoolOpt(
        "insecure",
        default=False,
        help="Take any TLS certificate. Then whoever is between this server and Zaqar, Keystone "
        "or Heat can pretend to be them, and has what this server shows them: password, tokens, "
        "pre-signed URLs. Nothing else switches verification off: os-collect-config's "
        "ssl_certificate_validation is not heeded.",
    ),
]


def verify_of(group: cfg.ConfigOpts.GroupAttr, state_dir: Path) -> bool | str:
    """Return what requests takes as `verify`; certificates from Heat are written to a file.

    Args:
        group: The `[zaqar]` section.
        state_dir: Where that file belongs.

    Raises:
        NotConfigured: `ca_file` is not there, or `ca_certificates` are none.
        StateError: The certificates cannot be written.
    """
    if group.insecure:
        _silence_urllib3()
        return False
    if group.ca_file:
        return _existing(Path(group.ca_file))
    if group.ca_certificates:
        return _written(group.ca_certificates, state_dir / FILE_NAME)
    return True


def warn_if_insecure(verify: bool | str) -> None:
    """Say once, in the agent's log, what `insecure` means."""
    if verify is False:
        LOG.warning(
            "[zaqar] insecure is set: TLS certificates are not verified, and anybody on the way "
            "may pretend to be Zaqar, Keystone or Heat"
        )


def _existing(path: Path) -> str:
    if not path.exists():
        raise NotConfigured("[zaqar] ca_file", f"names {path}, which is not there")
    return str(path)


def _written(text: str, path: Path) -> str:
    try:
        pem = certificates.from_text(text).encode()
    except WireFormatError as exc:
        raise NotConfigured("[zaqar] ca_certificates", f"cannot be used: {exc}") from exc
    if not _holds(path, pem):
        durable.write_bytes(path, pem)
    return str(path)


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except OSError:  # not there yet; whatever else it is, writing tells
        return False


def _silence_urllib3() -> None:
    """Spare the log a warning a request; one of ours has been given."""
    warnings.filterwarnings("ignore", category=InsecureRequestWarning)
