# SPDX-License-Identifier: Apache-2.0
"""How servers verify TLS: what heat.conf says of it, as options of the server's agent.

None of it is a secret, so it stands in Heat's metadata as it is.
"""

from pathlib import Path
from typing import Any

from heat_zaqar_transport import certificates
from heat_zaqar_transport.resources import options
from heat_zaqar_transport.resources.wishes import CA_CERTIFICATES
from heat_zaqar_transport.wire.errors import NotConfigured, WireFormatError

INSECURE = "insecure"

_CA_FILE_OPTION = f"[{options.GROUP}] servers_ca_file"


def agent_options() -> dict[str, Any]:
    """Return the agent's options; none for a server that verifies with the CAs it knows.

    Raises:
        NotConfigured: There is a CA file, and it cannot be used.
    """
    found: dict[str, Any] = {}
    if path := options.get().servers_ca_file:
        found[CA_CERTIFICATES] = _certificates(Path(path))
    if options.get().servers_insecure:
        found[INSECURE] = True
    return found


def _certificates(path: Path) -> str:
    try:
        return certificates.to_text(path.read_bytes())
    except OSError as exc:
        problem = f"cannot be read on the engine's host: {path}: {exc.strerror}"
        raise NotConfigured(_CA_FILE_OPTION, problem) from exc
    except WireFormatError as exc:
        raise NotConfigured(_CA_FILE_OPTION, f"cannot be used: {path}: {exc}") from exc
