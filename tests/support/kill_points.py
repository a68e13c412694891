"""A guest whose agent and runner can be killed at each durable step (see kill_seam)."""

import os
from pathlib import Path

SEAM = Path(__file__).parent / "kill_seam"
STATE_DIR = "var/lib/heat-zaqar-transport"
DEPLOYED_DIR = "var/lib/heat-config/deployed"


class KillPoints:
    """The steps of one guest's processes: "runner" and "agent".

    Args:
        directory: For the seam's files; made.
    """

    def __init__(self, directory):
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory

    def environ(self, root):
        """Return the environment for a guest that is to be laid out in a directory."""
        watched = [str(root.resolve() / each) for each in (STATE_DIR, DEPLOYED_DIR)]
        return {
            "PYTHONPATH": str(SEAM),
            "HEAT_ZAQAR_FAULTS": str(self._directory),
            "HEAT_ZAQAR_FAULTS_WATCH": os.pathsep.join(watched),
        }

    def forget(self):
        """Begin to count anew."""
        for each in self._directory.iterdir():
            each.unlink()

    def arm(self, process, step):
        """Kill a process before its n-th step from now, the first is 1."""
        self.forget()
        new = self._directory / "new"
        new.write_text(str(step))
        new.rename(self._directory / f"kill-{process}")

    def armed(self, process):
        return (self._directory / f"kill-{process}").exists()

    def steps(self, process):
        """Return the steps since the count began, as "kind name state"."""
        log = self._directory / f"steps-{process}"
        return log.read_text().splitlines() if log.exists() else []
