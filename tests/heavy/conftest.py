import pytest

from support.site import Site


@pytest.fixture
def site(cloud, tmp_path):
    with Site(cloud, tmp_path) as site:
        yield site
