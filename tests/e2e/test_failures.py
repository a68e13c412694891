"""Hooks that fail in every way there is: a FAILED stack that says why, and never a wait."""

import time

import pytest

from support import hot

# Far below the stack's timeout of five minutes: nobody waited for that.
AT_ONCE_S = 60

CASES = {
    "exit status": (
        "#!/bin/sh\necho fine so far\necho 'the disk is made of cheese' >&2\nexit 7\n",
        "script",
        ["non-zero status code: 7", "the disk is made of cheese"],
    ),
    "missing hook": ("x", "no-such-tool", ["no-such-tool"]),
    "no JSON": ("x", "prints-no-json", ["no JSON"]),
    "killed": ("#!/bin/sh\nkill -9 $$\n", "script", ["non-zero status code: 137"]),
    "no interpreter": ("#!/no/such/interpreter\n", "script", ["/no/such/interpreter"]),
}


@pytest.mark.parametrize("case", CASES)
def test_the_stack_fails_at_once_and_says_why(site, case):
    script, group, told = CASES[case]
    stack = site.stack(hot.one_script(script, group=group))
    guest = site.guest(stack.collect_config("server"))
    hook = guest.path("usr/libexec/heat-config/hooks/prints-no-json")
    hook.write_text("#!/bin/sh\ncat > /dev/null\necho this is prose\n")
    hook.chmod(0o755)
    guest.start()
    began = time.monotonic()
    shown = stack.wait("CREATE_FAILED", AT_ONCE_S)
    assert time.monotonic() - began < AT_ONCE_S
    for words in told:
        assert words in shown.stack_status_reason


def test_one_failure_does_not_keep_the_others_from_running(site):
    resources = hot.many_scripts(3)["resources"]
    resources["bad_config"] = hot.config("#!/bin/sh\nexit 1\n")
    resources["a_bad_one"] = hot.deployment("bad_config", name="a")
    stack = site.stack(hot.template(resources))
    guest = site.boot(stack)
    # Heat gives up the whole stack with its first failure; the server does its work.
    stack.wait("CREATE_FAILED", AT_ONCE_S)
    for name in (name for name in resources if name.startswith("deployment_")):
        guest.wait_log(rf"deployment {name} .*: hook ended with status 0", AT_ONCE_S)


def test_an_update_after_a_failure_mends_the_stack(site):
    stack = site.stack(hot.one_script("#!/bin/sh\nexit 3\n"))
    site.boot(stack)
    stack.wait("CREATE_FAILED", AT_ONCE_S)
    stack.update(hot.one_script("#!/bin/sh\necho mended\n"))
    stack.wait("UPDATE_COMPLETE")
    assert stack.outputs()["stdout"] == "mended\n"
