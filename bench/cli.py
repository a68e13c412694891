# SPDX-License-Identifier: Apache-2.0
"""The command line: arguments, what is printed, and the exit status."""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pymysql
from heatclient.exc import BaseException as HeatClientError
from heatclient.exc import HTTPException
from keystoneauth1.exceptions import ClientException
from rich.console import Console

from bench.arguments import parse
from bench.errors import BenchFailed, Stopped
from bench.lab import Run
from bench.progress import Show
from bench.report import Report, remarks, table
from bench.waiting import Clock
from localcloud import LocalCloud
from localcloud.errors import LocalCloudError

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130
TRACEBACK_FILE = "bench-traceback.log"
# What a run can meet, as opposed to errors in the bench.
EXPECTED = (
    BenchFailed,
    LocalCloudError,
    HTTPException,
    HeatClientError,
    ClientException,
    pymysql.Error,
    OSError,
)


def main(argv: list[str] | None = None) -> int:
    """Measure.

    Args:
        argv: Arguments; default: those of the process.

    Returns:
        Exit status: 0 everything wanted was measured; 1 not all of it, or something failed;
        2 wrong usage; 130 interrupted.
    """
    arguments = parse(argv)
    _use_the_machines_time_zone()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    report = Report(arguments.command, arguments.title, time.time())
    scratch = _scratch()
    status = perform(scratch, lambda: _measure(arguments, scratch, report))
    if status == 0 and not report.complete:
        status = EXIT_FAILED
    # Also what there is of a run that was not finished.
    if report.series and not _deliver(arguments, report):
        status = status or EXIT_FAILED
    _clear(scratch, keep=arguments.keep or status == EXIT_FAILED)
    return status


def perform(scratch: Path, measure: Callable[[], None]) -> int:
    """Measure, and put what goes wrong into a line and an exit status.

    Args:
        scratch: The run's directory, for a traceback.
        measure: What to do.
    """
    try:
        measure()
    except KeyboardInterrupt:
        _tell("interrupted; everything that was started is stopped")
        return EXIT_INTERRUPTED
    except Stopped:
        _tell("the time limit has come; what was measured until then follows")
        return EXIT_FAILED
    except EXPECTED as error:
        _tell(str(error) or type(error).__name__)
        return EXIT_FAILED
    except Exception as error:
        log = scratch / TRACEBACK_FILE
        log.write_text(traceback.format_exc())
        _tell(f"a mistake in the bench, {type(error).__name__}: see {log}")
        return EXIT_FAILED
    return 0


def _measure(arguments: argparse.Namespace, scratch: Path, report: Report) -> None:
    attached = None if arguments.cloud is None else LocalCloud.attach(arguments.cloud)
    run = Run(Show(sys.stderr), Clock(arguments.time_limit * 60), scratch, attached)
    arguments.measure(run, arguments, report)


def _deliver(arguments: argparse.Namespace, report: Report) -> bool:
    """Print and store what there is; say whether that succeeded."""
    text = json.dumps(report.as_json(), indent=1)
    try:
        if arguments.output is not None:
            arguments.output.write_text(text + "\n")
        if arguments.json:
            print(text, flush=True)
        else:
            _print(report)
    except BrokenPipeError:
        # Whoever read our output has gone; the interpreter must not flush into the pipe again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    except OSError as error:
        _tell(f"{arguments.output} cannot be written: {error.strerror}")
        return False
    return True


def _print(report: Report) -> None:
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 100)
    console.print(report.title[0].upper() + report.title[1:], markup=False)
    console.print()
    console.print(table(report))
    console.print()
    for remark in remarks(report):
        console.print(remark, markup=False)


def _tell(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    # Stopping takes a few seconds, which impatience must not cut short.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _use_the_machines_time_zone() -> None:
    """The services and the guests get no TZ, and their logs have local time."""
    os.environ.pop("TZ", None)
    time.tzset()


def _scratch() -> Path:
    scratch = Path(tempfile.mkdtemp(prefix="heat-zaqar-bench-"))
    # Services that run as another user have to pass to their own directories.
    scratch.chmod(0o711)
    return scratch


def _clear(scratch: Path, *, keep: bool) -> None:
    if keep and any(scratch.iterdir()):
        _tell(f"logs are kept in {scratch}")
    else:
        shutil.rmtree(scratch, ignore_errors=True)
