"""What is in Keystone and Zaqar because of one stack, asked of Keystone and of Zaqar's store."""

import time

import redis


def leftovers(cloud, stack):
    """Count a stack's queues, subscriptions, users and key pairs.

    The first call must be made while the stack lives: it learns which project Heat made for
    the stack's users, and who they are.
    """
    if not hasattr(stack, "user_project"):
        # Heat names the project after the stack, cut to 64 characters.
        (stack.user_project,) = [
            each["id"]
            for each in _listed(cloud, "projects")
            if each["name"].endswith(stack.id[:31])
        ]
        stack.user_ids = {
            each["id"]
            for each in _listed(cloud, "users")
            if each.get("default_project_id") == stack.user_project
        }
    store = redis.Redis(*cloud.redis_url)
    subscriptions = store.scan_iter(f"{stack.user_project}.*.subscriptions")
    return {
        "projects": sum(each["id"] == stack.user_project for each in _listed(cloud, "projects")),
        "users": sum(each["id"] in stack.user_ids for each in _listed(cloud, "users")),
        "key_pairs": sum(
            each["user_id"] in stack.user_ids for each in _listed(cloud, "credentials")
        ),
        "queues": store.zcard(f"{stack.user_project}.queues_set"),
        "subscriptions": sum(store.zcard(key) for key in subscriptions),
    }


def assert_nothing_left(cloud, stack):
    """Heat removes a stack's project and users a moment after it calls the stack deleted."""
    assert_left(cloud, stack, dict.fromkeys(leftovers(cloud, stack), 0))


def assert_left(cloud, stack, expected, timeout_s=15):
    """Agents connect, and so subscribe, in their own time."""
    deadline = time.monotonic() + timeout_s
    while (left := leftovers(cloud, stack)) != expected:
        assert time.monotonic() < deadline, left
        time.sleep(0.5)


def _listed(cloud, kind):
    return cloud.admin_session().get(f"{cloud.auth_url}/{kind}").json()[kind]
