"""Lines as they stood in the logs of a run."""

from datetime import datetime

import pytest

from demo.items import Kind
from demo.lines import Event, Mark, describe_status, parse_engine, parse_guest

CONTEXT = (
    "[None req-283fab40-fc40-4308-8679-59fd3559db60 3f038064b8c648d3a5201be11c90eaf1 "
    "bffc7476085244028742f70c160242fd - - default default]"
)
CHANNEL = "Channel hz-c-5d2fa1dce27296622d59ed64e684c68f"
STACK = 'Stack "hello" [08383f00-83dc-4fdb-b7ea-b82f85fced6c]'
RUN = (
    "INFO heat_zaqar_hooks.runner: deployment hello-config-dsjluokfjirf "
    "(a67b7124-6211-4a9b-9b06-f64f25cc994a):"
)


def at(clock: str) -> float:
    return datetime.fromisoformat(f"2026-11-21 {clock}").timestamp()


def engine(clock: str, module: str, text: str) -> str:
    return f"2026-11-21 {clock} 23313 INFO {module} {CONTEXT} {text}"


def test_a_posted_snapshot() -> None:
    line = engine(
        "00:45:48.729", "heat_zaqar_transport.resources.publish", f"{CHANNEL}: posted generation 4"
    )

    told = parse_engine(line)

    assert isinstance(told, Event)
    assert (told.kind, told.time, told.generation) == (Kind.POSTED, at("00:45:48.729"), 4)


@pytest.mark.parametrize(
    ("module", "text", "subject", "status"),
    [
        (
            "heat.engine.resource",
            f'creating SoftwareDeployment "deployment" {STACK}',
            "deployment",
            "CREATE_IN_PROGRESS",
        ),
        (
            "heat.engine.resource",
            'updating SoftwareDeployment "deployment" '
            f"[185a4a9f-8f8d-408f-9c72-1eff1b9bd300] {STACK}",
            "deployment",
            "UPDATE_IN_PROGRESS",
        ),
        (
            "heat.engine.resource",
            f'deleting DeployedServer "server" [7f42208c-6a36-44df-a91c-00920e2f9e1b] {STACK}',
            "server",
            "DELETE_IN_PROGRESS",
        ),
        (
            "heat.engine.stack",
            "Stack CREATE COMPLETE (hello): Stack CREATE completed successfully",
            "hello",
            "CREATE_COMPLETE",
        ),
        (
            "heat_zaqar_transport.resources.receive",
            f"{CHANNEL}: deployment 185a4a9f-8f8d-408f-9c72-1eff1b9bd300 succeeded",
            "",
            "SIGNAL_COMPLETE",
        ),
    ],
)
def test_the_time_of_a_status(module: str, text: str, subject: str, status: str) -> None:
    line = engine("00:45:53.322", module, text)

    assert parse_engine(line) == Mark(at("00:45:53.322"), subject, status)


@pytest.mark.parametrize(
    "line",
    [
        engine(
            "00:45:53.357",
            "heat_zaqar_transport.resources.receive",
            f"{CHANNEL}: the result was recorded before",
        ),
        engine("00:45:45.880", "heat.engine.service", "Creating stack hello"),
        engine("00:45:45.931", "heat.engine.resource", 'Validating SoftwareConfig "config"'),
        "    raise exception.Error(message)",
        "",
    ],
)
def test_other_lines_of_the_engine_tell_nothing(line: str) -> None:
    assert parse_engine(line) is None


def test_a_collected_snapshot() -> None:
    told = parse_guest(
        "2026-11-21 00:45:51.648 23440 INFO heat_zaqar_collector.source [-] Generation 4 of "
        "channel hz-c-5d2fa1dce27296622d59ed64e684c68f collected"
    )

    assert told == Event(at("00:45:51.648"), Kind.COLLECTED, "generation 4 collected", "", 4)


@pytest.mark.parametrize(
    ("line", "kind", "text"),
    [
        (f"2026-11-21 00:45:52,573 {RUN} hook script started", Kind.HOOK_STARTED, "script started"),
        (
            f"2026-11-21 00:45:52,573 {RUN} hook ended with status 0 after 0.1 s "
            "(its exit status 0, 111 bytes of outputs)",
            Kind.HOOK_ENDED,
            "ended with status 0 after 0.1 s",
        ),
        (
            f"2026-11-21 00:45:52,573 {RUN} result sent by ZAQAR_MESSAGE",
            Kind.SENT,
            "result posted to the signal queue",
        ),
    ],
)
def test_the_runners_lines(line: str, kind: Kind, text: str) -> None:
    assert parse_guest(line) == Event(at("00:45:52.573"), kind, text)


def test_a_hook_that_fails_is_bad_news() -> None:
    told = parse_guest(f"2026-11-21 00:45:52,573 {RUN} hook ended with status 1 after 0.1 s (...)")

    assert isinstance(told, Event)
    assert told.failed


@pytest.mark.parametrize(
    "line",
    [
        f"2026-11-21 00:45:52,573 {RUN} result sent by CFN_SIGNAL",
        f"2026-11-21 00:45:52,573 {RUN.replace('runner', 'notify')} something else",
        "2026-11-21 00:45:53.217 23440 INFO os-collect-config [-] Sleeping 1.00 seconds.",
        "dib-run-parts Sat Nov 21 00:45:51 UTC 2026 20-os-apply-config completed",
        "[2026-11-21 00:45:53,171] (os-refresh-config) [INFO] Completed phase configure",
    ],
)
def test_other_lines_of_the_guest_tell_nothing(line: str) -> None:
    assert parse_guest(line) is None


def test_a_signal_of_the_server_is_a_recorded_result() -> None:
    reason = "Signal: deployment 185a4a9f-8f8d-408f-9c72-1eff1b9bd300 succeeded"

    told = describe_status(5.0, "server", "SIGNAL_COMPLETE", reason)

    assert (told.kind, told.text, told.failed) == (
        Kind.RECORDED,
        "result recorded: succeeded",
        False,
    )


def test_a_recorded_failure_is_bad_news() -> None:
    reason = "Signal: deployment 185a4a9f failed (1)"

    assert describe_status(5.0, "server", "SIGNAL_COMPLETE", reason).failed


def test_another_signal_is_a_status() -> None:
    told = describe_status(5.0, "server", "SIGNAL_COMPLETE", "Signal: refused a message")

    assert (told.kind, told.text) == (Kind.STATUS, "server SIGNAL_COMPLETE")


def test_the_reason_is_told_of_failures_only() -> None:
    assert "because" not in describe_status(5.0, "config", "CREATE_COMPLETE", "because").text
    assert describe_status(5.0, "config", "CREATE_FAILED", "because").text.endswith(": because")
