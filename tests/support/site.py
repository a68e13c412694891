"""A stack with its servers: each server is a guest on which the real agent runs."""

import contextlib
import itertools
import secrets

from localcloud.guest import Guest
from support.stacks import Stack

_numbers = itertools.count(1)

# Of each server's log, to be shown when a test fails.
LOGGED_LINES = 60


class Site:
    """Stacks and guests of one test; leaving it stops every agent and deletes every stack."""

    def __init__(self, cloud, directory):
        self.cloud = cloud
        self.heat = cloud.heat()
        self._directory = directory
        self.guests = []
        self._stacks = []

    def stack(self, template, name=None, **parameters):
        """Start the creation of a stack."""
        stack = Stack(self.heat, name or f"test-{secrets.token_hex(4)}")
        self._stacks.append(stack)
        return stack.create(template, **parameters)

    def new_directory(self, name="server"):
        """Return a directory for a guest, not made yet."""
        return self._directory / f"{name}-{next(_numbers)}"

    def guest(self, collect_config=None, name="server", directory=None, **options):
        """Lay out a guest and give it its boot configuration; it is not started yet."""
        guest = Guest.create(directory or self.new_directory(name), name=name, **options)
        self.guests.append(guest)
        if collect_config is not None:
            guest.boot_config(collect_config)
        return guest

    def boot(self, stack, server="server", debug=False):
        """Boot a stack's server as an operator would: with what Heat says of it, and no more."""
        guest = self.guest(stack.collect_config(server), name=server)
        guest.start(debug=debug)
        return guest

    def __enter__(self):
        return self

    def ends_of_logs(self):
        """Return what each server has logged last, with a title."""
        return [(f"Log of {guest.root.name}", _end_of(guest.log)) for guest in self.guests]

    def __exit__(self, _kind, error, _traceback):
        if error is not None:
            for title, text in self.ends_of_logs():
                error.add_note(f"{title}:\n{text}")
        for guest in self.guests:
            guest.kill()
        for stack in self._stacks:
            # Without its agent a server cannot answer a deployment on DELETE, so
            # that a test that has one deletes its stack itself.
            with contextlib.suppress(Exception):
                stack.delete()


def _end_of(log):
    lines = log.read_text(errors="replace").splitlines() if log.exists() else ["(none)"]
    return "\n".join(lines[-LOGGED_LINES:])
