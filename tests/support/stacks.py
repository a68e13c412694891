"""Stacks on a local cloud, as an operator handles them: through Heat's API only."""

import time
from pathlib import Path

import yaml
from heatclient.exc import HTTPNotFound

TEMPLATES = Path(__file__).parents[2] / "templates"
POLL_S = 0.25


class Stack:
    """One stack, and the guests that its servers run as."""

    def __init__(self, heat, name):
        self.heat = heat
        self.name = name
        self.id = None
        self.updated_before = None

    def create(self, template, files=None, timeout_mins=5, **parameters):
        """Start the creation; `template` is a name under templates/, or a dictionary.

        Args:
            template: What to make.
            files: Templates that it names, by name.
            timeout_mins: Of the creation, and of each update.
            parameters: Of the template.
        """
        text = (TEMPLATES / f"{template}.yaml").read_text() if isinstance(template, str) else None
        self.template = text or yaml.safe_dump(template)
        self.timeout_mins = timeout_mins
        answer = self.heat.stacks.create(
            stack_name=self.name,
            template=self.template,
            files=_dumped(files),
            parameters=parameters,
            timeout_mins=timeout_mins,
        )
        self.id = answer["stack"]["id"]
        return self

    def update(self, template=None, files=None, **parameters):
        self.template = yaml.safe_dump(template) if template else self.template
        # Heat tells the time of an update in whole seconds; the next one must show another.
        time.sleep(1)
        self.updated_before = self.show().updated_time
        self.heat.stacks.update(
            self.id,
            template=self.template,
            files=_dumped(files),
            parameters=parameters,
            existing=True,
            timeout_mins=self.timeout_mins,
        )

    def delete(self):
        self.heat.stacks.delete(self.id)

    def show(self):
        # Heat takes seconds for the outputs of a large stack, and this is asked again and again.
        return self.heat.stacks.get(self.id, resolve_outputs=False)

    def wait(self, status, timeout_s=120):
        """Wait for a status such as CREATE_COMPLETE; another end of the same action fails."""
        action = status.split("_")[0]
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                shown = self.show()
            except HTTPNotFound:
                if status == "DELETE_COMPLETE":
                    return None
                raise
            # Heat accepts an update before the stack's status says so.
            begun = action != "UPDATE" or shown.updated_time != self.updated_before
            if begun and shown.stack_status == status:
                return shown
            ended = begun and shown.stack_status in (f"{action}_COMPLETE", f"{action}_FAILED")
            late = time.monotonic() > deadline
            if ended or late:
                raise AssertionError(
                    f"{self.name} is {shown.stack_status}, not {status}"
                    f"{f' after {timeout_s} s' if late else ''}: {shown.stack_status_reason}"
                )
            time.sleep(POLL_S)

    def wait_end(self, action, timeout_s=120):
        """Wait until an action has ended, well or not."""
        deadline = time.monotonic() + timeout_s
        while True:
            shown = self.show()
            begun = action != "UPDATE" or shown.updated_time != self.updated_before
            if begun and shown.stack_status in (f"{action}_COMPLETE", f"{action}_FAILED"):
                return shown
            assert time.monotonic() < deadline, f"{self.name} is {shown.stack_status}"
            time.sleep(POLL_S)

    def wait_resource(self, name, status, timeout_s=120):
        """Wait for a resource's status; a failure of it fails at once."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            try:
                shown = self.resource(name)
            except HTTPNotFound:  # Heat has accepted the stack and not yet stored its resources.
                time.sleep(POLL_S)
                continue
            if shown.resource_status == status:
                return shown
            assert not shown.resource_status.endswith("FAILED"), shown.resource_status_reason
            time.sleep(POLL_S)
        raise AssertionError(f"{name} is not {status} after {timeout_s} s")

    def resource(self, name):
        return self.heat.resources.get(self.id, name)

    def collect_config(self, server, timeout_s=60):
        """Return the server's `os_collect_config`, as soon as it is whole.

        What the template says to the agent is there before Heat has added its part.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            try:
                config = self.resource(server).attributes.get("os_collect_config")
            except HTTPNotFound:
                config = None
            if config and "collectors" in config:
                return config
            time.sleep(POLL_S)
        shown = self.show()
        raise AssertionError(f"{server} has no os_collect_config: {shown.stack_status_reason}")

    def outputs(self):
        shown = self.heat.stacks.get(self.id)
        return {each["output_key"]: each.get("output_value") for each in shown.outputs}


def _dumped(files):
    return {name: yaml.safe_dump(template) for name, template in (files or {}).items()}
