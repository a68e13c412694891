# SPDX-License-Identifier: Apache-2.0
"""From what a hook left behind to the outputs that Heat gets. Pure; every run has a result.

Heat takes a deployment for failed when `deploy_status_code` is not 0, and the stack's
reason shows the end of `deploy_stderr`: so the line that says most comes last there.
"""

import json
import math
import signal
from collections.abc import Mapping
from typing import Any

from heat_zaqar_hooks.hooks import HookRun

# Heat's own outputs (heat/rpc/api.py, SOFTWARE_DEPLOYMENT_OUTPUTS).
STDOUT = "deploy_stdout"
STDERR = "deploy_stderr"
STATUS = "deploy_status_code"

# Status of a deployment that failed without an exit status to tell.
FAILED_STATUS = 1
# What timeout(1) returns for a program that it ended.
TIMED_OUT_STATUS = 124
# What a hook ends with to be run again after a reboot, as scripts of AWS Systems Manager do.
REBOOT_STATUS = 194
# What a shell adds to the number of the signal that ended a program.
SIGNAL_BASE = 128

Outputs = dict[str, Any]


def succeeded(note: str) -> Outputs:
    """Return the outputs of a run that needed no hook; `note` says why."""
    return {STDOUT: note, STDERR: "", STATUS: 0}


def failed(
    reason: str, *, stdout: str = "", stderr: str = "", status: int = FAILED_STATUS
) -> Outputs:
    """Return the outputs of a FAILED run.

    Args:
        reason: One sentence; the last line of `deploy_stderr`, as its tail is what people see.
        stdout: What the hook printed, if it ran.
        stderr: Likewise.
        status: Not 0.
    """
    lines = [stderr.rstrip("\n"), reason] if stderr.strip() else [reason]
    return {STDOUT: stdout, STDERR: "\n".join(lines), STATUS: status}


def from_run(hook: str, run: HookRun) -> Outputs:
    """Return the outputs of a hook's run: what it told, completed and never taken at face value.

    Args:
        hook: The hook's name, for a reason.
        run: What it left behind.
    """
    if run.timed_out_s is not None:
        reason = f"timed out after {run.timed_out_s:.10g} s"
        return failed(reason, stdout=run.stdout, stderr=run.stderr, status=TIMED_OUT_STATUS)
    told = parse_outputs(run.stdout)
    if told is None and run.returncode == 0:
        reason = f"hook {hook} gave no JSON object on its standard output"
        return failed(reason, stdout=run.stdout, stderr=run.stderr)
    outputs = _completed({STDOUT: run.stdout} if told is None else told, run)
    status = exit_status(run.returncode)
    # An exit status that is not 0 is a failure even if the JSON says nothing of one.
    outputs[STATUS] = _number(outputs.get(STATUS)) or status
    stderr = str(outputs[STDERR])
    if status and (run.returncode < 0 or not stderr.strip()):
        reason = f"hook {hook} {how_it_ended(run.returncode)}"
        outputs[STDERR] = failed(reason, stderr=stderr)[STDERR]
    return outputs


def parse_outputs(text: str) -> Outputs | None:
    """Read a hook's standard output; `None`: it is no JSON object.

    The last line alone will do: heat-agents' docker-cmd hook prints its containers'
    output first.
    """
    last = text.rstrip().rpartition("\n")[2]
    return next((found for found in map(_json_object, (text, last)) if found is not None), None)


def exit_status(returncode: int) -> int:
    """Return the status a shell would show: 128 + N for a program that signal N ended."""
    return SIGNAL_BASE - returncode if returncode < 0 else returncode


def how_it_ended(returncode: int) -> str:
    """Say how a program ended, to follow its name in a sentence."""
    if returncode >= 0:
        return f"ended with exit status {returncode}"
    try:
        return f"was ended by signal {-returncode} ({signal.Signals(-returncode).name})"
    except ValueError:
        return f"was ended by signal {-returncode}"


def _completed(told: Mapping[str, Any], run: HookRun) -> Outputs:
    """Fill in what the hook left out; some of heat-agents' hooks say null for nothing."""
    said = {key: value for key, value in told.items() if value is not None or key not in _OWN}
    return {STDOUT: "", STDERR: run.stderr, **said}


_OWN = (STDOUT, STDERR, STATUS)


def _number(status: object) -> int:
    """Return a status as a number: absent is 0; what cannot be read counts as failed."""
    if not status:
        return 0
    if isinstance(status, int | float):
        return int(status) or FAILED_STATUS
    try:
        return int(str(status))
    except ValueError:
        return FAILED_STATUS


def _json_object(text: str) -> Outputs | None:
    try:
        value = json.loads(text, parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _finite(text: str) -> float:
    # NaN, Infinity, 1e999: Python reads and writes them, Heat and Zaqar do not.
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("not a finite number")
    return number
