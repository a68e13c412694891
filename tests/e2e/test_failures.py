"""Hooks that fail: a FAILED stack that says why, and never a wait. And what mends it."""

import time

from support import hot

# Far below the stack's timeout of five minutes: nobody waited for that.
AT_ONCE_S = 60

# A script or the name of a hook that nobody has, and what the stack's reason says.
CASES = {
    "exit-status": (
        "#!/bin/sh\necho fine so far\necho 'the disk is made of cheese' >&2\nexit 7\n",
        "script",
        ["non-zero status code: 7", "the disk is made of cheese"],
    ),
    "missing-hook": ("x", "no-such-tool", ["no-such-tool"]),
    "no-json": ("x", "prints-no-json", ["no JSON"]),
}


def test_each_stack_fails_at_once_and_says_why(site):
    stacks = {
        case: site.stack(hot.one_script(script, group=group))
        for case, (script, group, _) in CASES.items()
    }
    for stack in stacks.values():
        guest = site.guest(stack.collect_config("server"))
        hook = guest.path("usr/libexec/heat-config/hooks/prints-no-json")
        hook.write_text("#!/bin/sh\ncat > /dev/null\necho this is prose\n")
        hook.chmod(0o755)
        guest.start()
    began = time.monotonic()
    reasons = {
        case: stack.wait("CREATE_FAILED", AT_ONCE_S).stack_status_reason
        for case, stack in stacks.items()
    }
    assert time.monotonic() - began < AT_ONCE_S
    for case, (_, _, told) in CASES.items():
        assert [words for words in told if words not in reasons[case]] == []


def test_one_failure_keeps_no_other_from_running_and_an_update_mends_the_stack(site):
    template = hot.many_scripts(3)
    bad = dict(template["resources"])
    bad["bad_config"] = hot.config("#!/bin/sh\nexit 1\n")
    bad["a_bad_one"] = hot.deployment("bad_config", name="a")
    stack = site.stack(hot.template(bad))
    guest = site.boot(stack)
    # Heat gives up the whole stack with its first failure; the server does its work.
    stack.wait("CREATE_FAILED", AT_ONCE_S)
    for n in range(3):
        guest.wait_log(rf"deployment deployment_{n} .*: hook ended with status 0", AT_ONCE_S)
    stack.update(template)
    stack.wait("UPDATE_COMPLETE")
    assert stack.outputs() == {f"deployment_{n}": f"did {n}\n" for n in range(3)}
