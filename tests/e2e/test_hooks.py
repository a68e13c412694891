"""Hooks that are interrupted, hang, or ask for a reboot."""

import psutil

from support.rig import LONGEST_S, Rig, wait_until

SLEEPING = 'if [ "$word" = slow ]; then sleep 300 & echo $! > "$HOME/child"; sleep 300; fi'


def child_of(rig):
    return int(rig.guest.path("root/child").read_text())


def ended(pid):
    """Tell whether a process is gone, or dead and not yet buried."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_child(rig):
    path = rig.guest.path("root/child")
    rig.guest.wait_for(lambda: path.exists() and path.read_text().strip(), LONGEST_S, "the hook")


def test_a_hook_whose_runner_dies_is_ended_and_has_failed(site):
    rig = Rig(site, SLEEPING)
    rig.start_update("slow")
    wait_child(rig)
    (runner,) = [
        each
        for each in rig.guest._processes()
        if any(word.endswith("/heat-config-run") for word in each.cmdline()[:2])
    ]
    runner.kill()
    rig.fails("interrupted: the runner died while the hook was running")
    wait_until(lambda: ended(child_of(rig)), 10, "the end of the orphan")
    assert rig.runs("slow") == 1
    rig.update("after that")


def test_a_reboot_in_the_middle_of_a_hook(site):
    rig = Rig(site, SLEEPING)
    rig.start_update("slow")
    wait_child(rig)
    rig.guest.reboot()
    rig.fails("interrupted: the server was rebooted while the hook was running")
    assert rig.runs("slow") == 1
    rig.update("after that")


REBOOTING = """
if [ "$word" = reboot ] && [ "$HEAT_DEPLOY_ATTEMPT" = 1 ]; then exit 194; fi
echo "attempt $HEAT_DEPLOY_ATTEMPT" >> "$HOME/attempts"
"""


def test_a_hook_that_asks_for_a_reboot_is_run_again_after_it(site):
    rig = Rig(site, REBOOTING)
    rig.start_update("reboot")
    rig.guest.wait_for(lambda: rig.guest.reboots_asked, LONGEST_S, "the reboot command")
    assert rig.stack.show().stack_status == "UPDATE_IN_PROGRESS"
    rig.guest.reboot()
    rig.completes(runs=2)
    assert rig.guest.path("root/attempts").read_text().splitlines()[-1] == "attempt 2"
    rig.settled()
    assert rig.records()[0]["attempt"] == 2


def test_a_hook_that_takes_too_long_is_ended_with_all_that_it_started(site):
    rig = Rig(site, SLEEPING, inputs={"deploy_timeout": "3"})
    rig.start_update("slow")
    rig.fails("timed out after 3 s")
    wait_until(lambda: ended(child_of(rig)), 10, "the end of the hook's child")
    rig.update("after that")
