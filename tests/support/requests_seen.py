"""What was asked of Zaqar's REST API, by its access log."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Seen:
    """One request: its method, its path, its status, and the bytes of its body."""

    method: str
    path: str
    status: int
    size: int


class RequestLog:
    """Requests from now on."""

    def __init__(self, cloud):
        self._log = cloud.logs / "zaqar-access.log"
        self._start = self._log.stat().st_size

    def seen(self, *, method, path):
        """Return the requests with this method whose path has this in it."""
        found = [_parsed(line) for line in self._text().splitlines()]
        return [each for each in found if each.method == method and path in each.path]

    def _text(self):
        with self._log.open() as log:
            log.seek(self._start)
            return log.read()


def _parsed(line):
    method, path, status, *_, size = line.split("] ", 1)[1].split(" ")
    return Seen(method, path, int(status), int(size) if size.isdigit() else 0)
