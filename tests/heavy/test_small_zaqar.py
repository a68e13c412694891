"""A Zaqar whose operator lets it take little."""

import contextlib

from support.large import deployments


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
