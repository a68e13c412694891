"""A server that was rebuilt, when its queue was flushed meanwhile, gets the present."""

from support import hot
from support.ends import Ends
from support.intruder import open_as_intruder


def test_an_emptied_queue_is_filled_again_for_a_rebuilt_server(cloud, site):
    stack = site.stack(hot.one_script("#!/bin/sh\necho yes\n"))
    guest = site.boot(stack)
    stack.wait("CREATE_COMPLETE")
    guest.stop()
    options = stack.collect_config("server")["zaqar"]
    ends = Ends(options)
    queue = open_as_intruder(cloud, ends.metadata_url)
    queue.delete(message.id for message in queue.fetch())
    rebuilt = site.guest({"collectors": ["zaqar", "local"], "zaqar": options}, "rebuilt")
    rebuilt.start()
    rebuilt.wait_log(r"Asked Heat for the present snapshot \(empty queue\)", 60)
    rebuilt.wait_log("hook ended with status 0", 60)
    # What it answers is no news to Heat, and acked all the same.
    rebuilt.wait_log("Heat has the result of config", 60)
    assert stack.show().stack_status == "CREATE_COMPLETE"
