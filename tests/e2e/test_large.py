"""Results far larger than one post of Zaqar's, and one that is larger than anything."""

from support import hot

MIB = 1024 * 1024

OUTPUT = """#!/bin/sh
head -c $bytes /dev/urandom | base64 > "$HOME/printed"
cat "$HOME/printed"
"""


def printing(size):
    return hot.one_script(OUTPUT, input_values={"bytes": str(size)})


def test_a_result_of_one_mib_arrives_whole_and_a_longer_one_keeps_its_end(site):
    stack = site.stack(printing(MIB * 3 // 4))
    guest = site.boot(stack)
    stack.wait("CREATE_COMPLETE")
    got = stack.outputs()["stdout"]
    assert len(got) > MIB
    assert got == guest.path("root/printed").read_text()

    stack.update(printing(3 * MIB))
    stack.wait("UPDATE_COMPLETE")
    all_of_it = guest.path("root/printed").read_text()
    notice, kept = stack.outputs()["stdout"].split("\n", 1)
    assert all_of_it.endswith(kept)
    assert len(kept) > MIB
    assert notice == f"[{len(all_of_it) - len(kept)} bytes cut]"
