"""Documents and results far larger than one post of Zaqar's, and what is larger than anything."""

import base64
import contextlib
import random

import pytest

from support import hot
from support.shell_text import as_script

MIB = 1024 * 1024


def noise(size, seed=1):
    """Return text that compression can do nothing for, but for its six bits a character."""
    return base64.encodebytes(random.Random(seed).randbytes(size * 3 // 4)).decode()[:size]


def deployments(config_bytes, count):
    """One after the other: Heat itself gives up when many such large ones meet.

    Heat waits for the last one alone.
    """
    resources = {
        "server": hot.server(),
        "config": hot.config(as_script(noise(config_bytes), 'echo "did $n"'), inputs=["n"]),
    }
    for n in range(count):
        signal = "ZAQAR_MESSAGE" if n == count - 1 else "NO_SIGNAL"
        one = hot.deployment("config", transport=signal, input_values={"n": str(n)}, name=f"d{n}")
        resources[f"deployment_{n}"] = one
        if n:
            one["depends_on"] = f"deployment_{n - 1}"
    stdout = {"get_attr": [f"deployment_{count - 1}", "deploy_stdout"]}
    return hot.template(resources, {"stdout": stdout})


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
