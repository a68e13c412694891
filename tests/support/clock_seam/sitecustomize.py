"""Steps the clock of a guest's Python programs by what a file says, in seconds.

Python loads this at its start when the directory is on PYTHONPATH; HEAT_ZAQAR_CLOCK_STEP names
the file. The monotonic clock is left alone, as by a real step. (libfaketime 0.9.10 does not do:
under it time.sleep() fails with EINVAL, and threads starve on Python's own lock.)
"""

import datetime
import os
import time
from pathlib import Path

_FILE = Path(os.environ["HEAT_ZAQAR_CLOCK_STEP"])
_TIME_NS = time.time_ns


def _time_ns():
    return _TIME_NS() + int(_FILE.read_text()) * 10**9


def _time():
    return _time_ns() / 1e9


class _Datetime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(_time(), tz)

    @classmethod
    def utcnow(cls):
        return cls.now(datetime.UTC).replace(tzinfo=None)


time.time, time.time_ns, datetime.datetime = _time, _time_ns, _Datetime
