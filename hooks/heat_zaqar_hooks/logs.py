# SPDX-License-Identifier: Apache-2.0
"""Logging of the hooks' programs: to standard error, which os-collect-config keeps.

What our modules log names things and counts bytes. Other people's libraries are less
careful: at DEBUG, urllib3 logs the path of a signed URL, and at WARNING all of it.
"""

import logging
import traceback

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

_CARELESS = ("urllib3", "requests", "keystoneauth", "zaqarclient")


def configure(level: int = logging.INFO) -> None:
    """Log to standard error, unless logging has been set up already.

    Args:
        level: Of our own messages; libraries that handle secrets log errors only.
    """
    logging.basicConfig(format=FORMAT, level=level)
    for name in _CARELESS:
        logging.getLogger(name).setLevel(logging.ERROR)


def unexpected(log: logging.Logger, exc: Exception) -> None:
    """Log an error that nobody foresaw: its type and place, as its text may hold a secret."""
    places = traceback.extract_tb(exc.__traceback__)
    trail = " <- ".join(f"{place.filename}:{place.lineno}" for place in reversed(places))
    log.error("unexpected %s at %s", type(exc).__name__, trail)
