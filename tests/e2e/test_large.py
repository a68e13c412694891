"""Documents and results far larger than one post of Zaqar's, and what is larger than anything."""

import contextlib

import pytest

from support import hot
from support.large import deployments

MIB = 1024 * 1024


OUTPUT = """#!/bin/sh
head -c $bytes /dev/urandom | base64 > "$HOME/printed"
cat "$HOME/printed"
"""


@pytest.fixture(scope="module")
def printing(cloud, tmp_path_factory):
    from support.site import Site

    with Site(cloud, tmp_path_factory.mktemp("printing")) as site:
        stack = site.stack(hot.one_script(OUTPUT, input_values={"bytes": "1"}))
        guest = site.boot(stack)
        stack.wait("CREATE_COMPLETE")
        yield stack, guest


def printed(printing, size):
    """Have the script print some bytes; return what Heat has of it, and all of it."""
    stack, guest = printing
    stack.update(hot.one_script(OUTPUT, input_values={"bytes": str(size)}))
    stack.wait("UPDATE_COMPLETE", 60)
    return stack.outputs()["stdout"], guest.path("root/printed").read_text()


def test_a_result_of_one_mib_arrives_whole(printing):
    got, all_of_it = printed(printing, MIB * 3 // 4)
    assert len(got) > MIB
    assert got == all_of_it


def test_a_result_beyond_the_limit_keeps_its_end_and_says_what_is_missing(printing):
    got, all_of_it = printed(printing, 3 * MIB)
    notice, kept = got.split("\n", 1)
    assert all_of_it.endswith(kept)
    assert len(kept) > MIB
    assert notice == f"[{len(all_of_it) - len(kept)} bytes cut]"


@contextlib.contextmanager
def zaqar_with(cloud, **options):
    cloud.reconfigure("zaqar", {"transport": options})
    try:
        yield
    finally:
        cloud.reconfigure("zaqar", {})


def test_a_zaqar_that_takes_little_is_served_in_small_parts_or_told_of_by_both_sizes(cloud, site):
    with zaqar_with(cloud, max_messages_post_size=4096):
        stack = site.stack(deployments(300_000, 1))
        site.boot(stack)
        stack.wait("CREATE_COMPLETE")
        stack.update(deployments(450_000, 5))
        shown = stack.wait("UPDATE_FAILED")
    assert "the snapshot takes" in shown.stack_status_reason
    assert "can be carried over Zaqar" in shown.stack_status_reason
    # With a Zaqar that takes more the same stack can be had.
    stack.update(deployments(450_000, 5))
    stack.wait("UPDATE_COMPLETE")
