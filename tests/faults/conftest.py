import pytest

from support.fault_proxy import FaultProxy
from support.site import Site


@pytest.fixture(scope="module")
def proxy(cloud):
    """The way to Zaqar of all stacks that a test creates."""
    with FaultProxy(cloud) as proxy, proxy.in_catalog():
        yield proxy


@pytest.fixture
def site(cloud, proxy, tmp_path):
    with Site(cloud, tmp_path) as site:
        yield site
