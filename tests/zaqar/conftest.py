"""What the tests of this tier have: queues, a played Heat, guests, and no Heat."""

import os
from pathlib import Path

import pytest

from localcloud import LocalCloud
from support.guests import Guests
from support.played_heat import PlayedHeat


@pytest.fixture
def heat(cloud):
    with PlayedHeat(cloud) as heat:
        yield heat


@pytest.fixture
def site(heat, tmp_path):
    """Guests, which end before what they talk through does."""
    with Guests(tmp_path) as site:
        yield site


@pytest.fixture(scope="session")
def own_cloud():
    """A cloud for tests that stop services or configure them anew: no other test uses it.

    They are in the group "own-zaqar", so that one worker runs them all. While you work on them,
    LOCALCLOUD_OWN=<the scratch directory of a cloud that runs> saves the boot.
    """
    running = os.environ.get("LOCALCLOUD_OWN")
    if running:
        yield LocalCloud.attach(Path(running))
        return
    with LocalCloud.start(heat=False) as cloud:
        yield cloud


@pytest.fixture(autouse=True)
def _every_own_service_lives(request):
    yield
    if "own_cloud" in request.fixturenames:
        request.getfixturevalue("own_cloud").check()
