"""SIGKILL before each durable step of the runner and of the agent, however many there are.

The steps are learned by watching one deployment (support/kill_seam): nobody has to remember
a step that is added. Several servers share the work, since most of the time is Heat's.
"""

from concurrent.futures import ThreadPoolExecutor

from support.fault_proxy import wait_done
from support.rig import LONGEST_S, Rig, wait_until

LANES = 3


def at_each_step(site, process, kill):
    """Call `kill(rig, number)` for each step of a process; return (step, what it returned)."""

    def lane(first):
        rig = Rig(site, kill_points=True)
        steps = learned(rig, process)
        numbers = range(first, len(steps) + 1, LANES)
        return [
            (steps[number - 1], at_step(rig, process, number, steps, kill)) for number in numbers
        ]

    with ThreadPoolExecutor(LANES) as pool:
        lanes = list(pool.map(lane, range(1, LANES + 1)))
    return [each for lane in lanes for each in lane]


def learned(rig, process):
    rig.kill_points.forget()
    rig.update("unkilled")
    rig.settled()
    return rig.kill_points.steps(process)


def at_step(rig, process, number, steps, kill):
    rig.kill_points.arm(process, number)
    rig.start_update(f"killed-{number}")
    outcome = kill(rig, number)
    seen = rig.kill_points.steps(process)
    # It was that step, and no other that came to have its number.
    assert seen[number - 1] == f"{seen[number - 1].removesuffix(' KILLED')} KILLED"
    assert kind(seen[number - 1]) == kind(steps[number - 1])
    rig.settled()
    return outcome


def kind(step):
    """Return a step without the ids and random letters of its file."""
    verb, name, state = step.removesuffix(" KILLED").split(" ")
    return verb, "" if "-" in name or name.startswith(".") else name, state


def killed_with_the_hook_at_work(steps):
    """Tell whether `running` was on the disk, and the hook's result not yet."""
    states = [line.split(" ")[2] for line in steps[:-1] if line.startswith("replace")]
    return "running" in states and "finished" not in states


def the_runner_dies(rig, number):
    """See the update end as it must; return whether it was made."""
    shown = rig.stack.wait_end("UPDATE", LONGEST_S)
    step = rig.kill_points.steps("runner")[:number]
    if not killed_with_the_hook_at_work(step):
        assert shown.stack_status == "UPDATE_COMPLETE", step[-1]
        rig.completes()
        return True
    assert shown.stack_status == "UPDATE_FAILED", step[-1]
    assert "interrupted: the runner died while the hook was running" in shown.stack_status_reason
    assert rig.runs() <= 1
    # Heat replaces what has failed: so that the next one has the same steps again.
    rig.update(f"mended-{number}")
    return False


def test_the_runner_dies_before_each_of_its_steps(site):
    outcomes = at_each_step(site, "runner", the_runner_dies)
    assert {step.split(" ")[0] for step, _ in outcomes} >= {"fsync", "replace", "post", "posted"}
    # As many as lie between the two records, and no more.
    assert 3 <= [made for _, made in outcomes].count(False) <= 8


def the_agent_dies(rig, number):
    """Start it again, as systemd does, and see all come well."""
    wait_until(lambda: not rig.guest.running, LONGEST_S, "the kill")
    rig.guest.start()
    rig.completes()


def test_the_agent_dies_before_each_step_of_collecting_and_of_noting_an_ack(site):
    outcomes = at_each_step(site, "agent", the_agent_dies)
    assert any("acked" in step for step, _ in outcomes)
    assert any("snapshot.json" in step for step, _ in outcomes)


def test_the_agent_dies_before_and_after_it_resends_a_result_that_was_lost(site, proxy):
    rig = Rig(site, kill_points=True)
    for step, number in (("post", 1), ("posted", 2)):
        with proxy.rule("swallow", "POST", rig.signal_queue, 1) as lost:
            rig.start_update(f"killed at {step}")
            wait_done(lost, 1, LONGEST_S)
            rig.kill_points.arm("agent", number)
            the_agent_dies(rig, number)
            rig.settled()
        assert rig.kill_points.steps("agent")[number - 1].startswith(f"{step} ")
