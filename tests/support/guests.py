"""Guests of one test that needs no Heat."""

from support.site import Site


class Guests(Site):
    """Guests without stacks; leaving it stops every agent, and tells what a failed one logged."""

    def __init__(self, directory):
        self._directory = directory
        self.guests = []
        self._stacks = []
