# SPDX-License-Identifier: Apache-2.0
"""Command line: ``python -m demo``."""

import argparse
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

from heatclient.exc import BaseException as HeatClientError
from heatclient.exc import HTTPException
from keystoneauth1.exceptions import ClientException
from redis import RedisError

from demo import picture
from demo.errors import DemoFailed
from demo.items import Note, Problem
from demo.play import SERVER, Play, check_nothing_runs
from demo.redact import Redactor
from demo.show import RichShow, Stage, for_stream
from localcloud.errors import LocalCloudError

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130
TRACEBACK_FILE = "demo-traceback.log"
# What a run can meet, as opposed to errors in the demo.
EXPECTED = (
    DemoFailed,
    LocalCloudError,
    HTTPException,
    HeatClientError,
    ClientException,
    RedisError,
    OSError,
)
_EPILOG = """\
exit status: 0 everything shown has truly happened; 1 something failed, and the last lines say
what, and where the logs are; 130 interrupted by Ctrl-C, everything stopped
"""


def main(argv: list[str] | None = None) -> int:
    """Run the demo.

    Args:
        argv: Arguments; default: those of the process.

    Returns:
        Exit status, see above.
    """
    arguments = parser().parse_args(argv)
    _use_the_machines_time_zone()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    shows = [for_stream(sys.stdout, as_json=arguments.json)]
    console = picture.recording() if arguments.svg else None
    if console is not None:
        shows.append(RichShow(console))
    scratch = _scratch()
    stage = Stage(shows, Redactor())
    status = perform(stage, scratch, lambda: Play(stage, scratch).run())
    if status == 0 and console is not None:
        picture.save(console, arguments.svg)
    _clear(stage, scratch, keep=arguments.keep or status == EXIT_FAILED)
    return status


def perform(stage: Stage, scratch: Path, play: Callable[[], None]) -> int:
    """Play, and put what comes of it into words and an exit status.

    Args:
        stage: Where things are shown.
        scratch: The run's directory.
        play: The play.
    """
    try:
        play()
    except KeyboardInterrupt:
        return _interrupted(stage, scratch)
    except BrokenPipeError:
        return _unread(scratch)
    except EXPECTED as error:
        # The rest, if any, is the end of a log.
        text = str(error).partition("\n")[0] or type(error).__name__
        stage.show(Problem(text, _logs(scratch)))
        return EXIT_FAILED
    except Exception as error:
        log = scratch / TRACEBACK_FILE
        log.write_text(stage.redactor.text(traceback.format_exc()))
        text = f"a mistake in the demo, {type(error).__name__}: see {log}"
        stage.show(Problem(text, _logs(scratch)))
        return EXIT_FAILED
    finally:
        stage.close()
    return 0


def _interrupted(stage: Stage, scratch: Path) -> int:
    try:
        check_nothing_runs(scratch)
    except DemoFailed as error:
        stage.show(Problem(f"interrupted; {error}"))
    else:
        stage.show(Note("interrupted; everything is stopped, nothing is left running"))
    return EXIT_INTERRUPTED


def _unread(scratch: Path) -> int:
    """Whoever read our output has gone; the interpreter must not flush into the pipe again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    print(f"demo: nobody reads the output, so it was stopped; logs: {scratch}", file=sys.stderr)
    return EXIT_FAILED


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    # Stopping takes a few seconds, which impatience must not cut short.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _use_the_machines_time_zone() -> None:
    """The services and the guest get no TZ, and their logs have local time."""
    os.environ.pop("TZ", None)
    time.tzset()


def _scratch() -> Path:
    scratch = Path(tempfile.mkdtemp(prefix="heat-zaqar-demo-"))
    # Services that run as another user have to pass to their own directories.
    scratch.chmod(0o711)
    return scratch


def _logs(scratch: Path) -> tuple[str, ...]:
    places = (scratch / "cloud" / "logs", scratch / SERVER / "var" / "log")
    return tuple(str(place) for place in places if place.is_dir())


def _clear(stage: Stage, scratch: Path, *, keep: bool) -> None:
    if keep and any(scratch.iterdir()):
        stage.show(Note(f"kept: {scratch}"))
    else:
        shutil.rmtree(scratch, ignore_errors=True)


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    described = argparse.ArgumentParser(
        prog="python -m demo",
        description="Boot a real Keystone, Zaqar and Heat on this machine, and show how a stack's "
        "configuration gets to a server over Zaqar, and its result back: create, update, delete.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    described.add_argument(
        "--json", action="store_true", help="print one JSON object a line, for machines"
    )
    described.add_argument(
        "--keep", action="store_true", help="leave the scratch directory, with all logs"
    )
    described.add_argument(
        "--svg", type=Path, metavar="FILE", help="also draw the run, as docs/demo.svg was drawn"
    )
    return described


if __name__ == "__main__":
    sys.exit(main())
