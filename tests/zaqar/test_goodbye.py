"""A server says hello at each start, and nothing any more after Heat's goodbye."""

import redis

from support.follower import Follower

HELLO = "Asked Heat for the present snapshot"


def queues_of(cloud, project_id):
    """Return the names of a project's queues, from Zaqar's own store."""
    return redis.Redis(*cloud.redis_url).zrange(f"{project_id}.queues_set", 0, -1)


def test_a_hello_at_each_start_and_none_after_the_end(cloud, heat, site):
    server = Follower(heat, site, poll_longest=1)
    guest, played = server.guest, server.played
    server.connects()
    assert played.hello("start").generation is not None
    server.arrives(30)
    since = guest.log_size
    guest.stop()
    guest.start()
    guest.wait_log(rf"{HELLO} \(start\)", 30, since=since)
    assert played.hello("start").generation == played.generation
    server.connects(since=since)
    assert len(queues_of(cloud, heat.project.id)) == 2

    since = guest.log_size
    played.say_goodbye()
    played.delete_queues()
    guest.wait_log("is deleted: nothing is said to Heat any more", 5, since=since)
    # Nor after a restart, though it looks, and would connect again.
    server.rests()
    guest.stop()
    guest.start()
    guest.wait_log("subscribe to .* its server is being deleted", 30, since=since)
    server.polls()
    assert HELLO not in server.logged(since)
    assert queues_of(cloud, heat.project.id) == []


def test_a_goodbye_is_answered_while_a_hook_runs(heat, site):
    server = Follower(heat, site)
    server.connects()
    server.played.deploy("#!/bin/sh\ntouch $HOME/begun\nsleep 60\n")
    server.guest.wait_for(server.guest.path("root/begun").exists, 30, "the hook")
    server.played.say_goodbye()
    assert "hook ended" not in server.logged()
