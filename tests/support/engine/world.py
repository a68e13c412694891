"""The engine, and stacks as its API sees them."""

import sys
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

from heat.tests import common  # isort: skip  # first: it chooses oslo.service's backend
from heat.common import context as heat_context
from heat.db import models
from heat.engine import resources, scheduler, service, worker
from heat.engine import stack as heat_stack
from heat.objects import event as event_objects
from heat.rpc.client import EngineClient
from heat.rpc.worker_client import WorkerClient
from heat.tests import utils
from oslo_config import cfg
from oslo_db import options as db_options
from oslo_messaging.rpc import dispatcher

from heat_zaqar_transport.plugin_dir import PLUGIN_DIR
from heat_zaqar_transport.posting import Poster
from heat_zaqar_transport.resources import deployment, options, owner, publish, safety_net, turns
from support.engine.agent import Agent, Poller, succeed
from support.engine.clock import Clock, Lock
from support.engine.keystone import AUTH_URL, Catalog, Keystone
from support.engine.zaqar import Zaqar
from support.stacks import TEMPLATES

PROJECT = "callers-project"
SERVER_TYPES = ("OS::Heat::DeployedServer", "OS::Nova::Server")
HEAT_FILES = Path(sys.prefix) / "etc" / "heat"


def load_plugin():
    """Have Heat load its types, and ours by `plugin_dirs` as an operator would."""
    cfg.CONF.set_default("environment_dir", str(HEAT_FILES / "environment.d"))
    cfg.CONF.set_default("template_dir", str(HEAT_FILES / "templates"))
    cfg.CONF.set_default("plugin_dirs", [str(PLUGIN_DIR)])
    # A database in memory is gone with its connection, which would end when a test turns the time.
    db_options.set_defaults(cfg.CONF)
    cfg.CONF.set_default("connection_recycle_time", -1, group="database")
    # SQLite gives the number of a deleted row to the next one, which MariaDB never does: Heat
    # then deletes the wrong row by the number that a resource remembers.
    for table in models.BASE.metadata.tables.values():
        if len(table.primary_key) == 1 and table.autoincrement_column is not None:
            table.dialect_options["sqlite"]["autoincrement"] = True
    resources.global_env()


class HeatCase(common.HeatTestCase):
    """Heat's own test case, for its database, messaging and configuration."""

    def runTest(self):  # noqa: N802
        """Make it a test case; nobody runs it."""


class Threads(service.ThreadGroupManager):
    """Heat's threads as tasks of the clock."""

    def __init__(self, clock):
        super().__init__()
        self._clock = clock

    def start(self, stack_id, func, *args, **kwargs):
        return self._clock.spawn(func, *args, **kwargs)

    def stop(self, stack_id, graceful=False):
        """Nothing of ours can be stopped from outside, and neither can Heat's threads."""


class Turn(turns.Turn):
    """A turn that greenlets wait for."""

    def __init__(self):
        super().__init__(_lock=Lock())


class Engine:
    """Heat's engine and worker services, as heat-api and the message broker call them.

    Attributes:
        clock, zaqar, keystone, catalog: What a test turns.
        answer: How agents answer deployments, see `Agent.answer`. A test replaces it.
        boots: Whether each server with a channel is booted by itself.
        agents: By channel.
        pollers: By server id: agents of servers without a channel.
        called: What Zaqar has called beside Heat: URL and body.
        refused: Notifications that heat-api-cfn or the engine has refused, with the reason.
    """

    def __init__(self, monkeypatch):
        load_plugin()
        self._case = HeatCase()
        self._case.setUp()
        self._monkeypatch = monkeypatch
        self.clock = Clock(self._meanwhile)
        self.keystone, self.catalog = Keystone(), Catalog()
        self.zaqar = Zaqar(self.clock, self.keystone)
        self.answer, self.boots = succeed, True
        self.agents, self.called, self.refused = {}, [], []
        self.pollers = {}
        self._stacks, self._tasks = [], []
        self._patch()
        self._service = service.EngineService("host", "topic")
        self._service.engine_id = "engine"
        self._service.thread_group_mgr = threads = Threads(self.clock)
        self._worker = worker.WorkerService("host", "topic", "engine", threads)
        self._service.worker_service = self._worker

    def close(self):
        self._case.doCleanups()

    def _patch(self):
        set_ = self._monkeypatch.setattr
        self.keystone.create_trust_context = self.context
        self.keystone.regenerate_trust_context = self.context
        self._case.stub_keystoneclient(self.keystone)
        self._case.patchobject(
            heat_context.RequestContext, "_create_auth_plugin", return_value=self.catalog
        )
        self.zaqar.patch(self._monkeypatch)
        set_(EngineClient, "call", lambda _, context, msg, *rest, **kw: self._ask(context, msg))
        set_(EngineClient, "cast", lambda _, context, msg, *rest, **kw: self._ask(context, msg))
        set_(WorkerClient, "cast", lambda _, context, msg, *rest, **kw: self._work(context, msg))
        # What a process of the engine remembers, and how its threads wait for each other.
        set_(publish, "_POSTER", Poster())
        set_(deployment, "NOTIFIER", safety_net.Notifier())
        set_(deployment, "LOOKS", safety_net.Looks(self.clock.monotonic))
        set_(turns, "Turn", Turn)
        owner._warn_once.cache_clear()
        self.clock.patch(self._monkeypatch)
        scheduler.ENABLE_SLEEP = True  # by our clock; Heat's own clean-up restores it
        cfg.CONF.set_override("convergence_engine", True)

    def _ask(self, context, msg):
        """Ask the engine, as over the message broker."""
        method, kwargs = msg
        try:
            return getattr(self._service, method)(context, **kwargs)
        except dispatcher.ExpectedException as expected:
            raise expected.exc_info[1] from None

    def _work(self, context, msg):
        """Give the worker something to do, as over the message broker."""
        method, kwargs = msg
        self._tasks.append(self.clock.spawn(getattr(self._worker, method), context, **kwargs))

    def ask(self, method, **arguments):
        """Call the engine as heat-api does; return its answer.

        Raises:
            Exception: What heat-api would tell the user.
        """
        task = self.clock.spawn(getattr(EngineClient(), method), self.context(), **arguments)
        while not task.done:
            self.clock.run(1)
        if task.error:
            raise task.error
        return task.value

    def option(self, group=options.GROUP, **values):
        """Set options of heat.conf, by default of `[zaqar_transport]`."""
        for name, value in values.items():
            cfg.CONF.set_override(name, value, group=group)
            self._case.addCleanup(cfg.CONF.clear_override, name, group=group)

    def patch(self, owner, name, value):
        """Replace something until the test ends, such as a client of Heat's."""
        self._monkeypatch.setattr(owner, name, value)

    def context(self):
        """Return the context of a user's call."""
        made = utils.dummy_context(tenant_id=PROJECT, region_name="RegionOne")
        made.auth_url = AUTH_URL
        return made

    def create(self, template, name="stack", *, wait=True, rollback=False, **parameters):
        """Create a stack.

        Args:
            template: A dictionary, see `support.hot`, or the name of one below templates/.
            name: The stack's.
            wait: Whether to wait for the end.
            rollback: Whether a failure is rolled back.
            parameters: The template's.
        """
        stack = Stack(self, name, rollback)
        self._stacks.append(stack)
        return stack._create(template, parameters, wait)

    def agent(self, stack, server="server"):
        """Return the agent of a stack's server, booted if it was not yet."""
        return self.boot(stack.collect_config(server)["zaqar"])

    def boot(self, zaqar_options):
        """Return the agent of a channel, booted if it was not yet."""
        channel = zaqar_options["channel"]
        if channel not in self.agents:
            # Whoever replaces `answer` later means the agents that are there, too.
            answer = lambda deployment: self.answer(deployment)  # noqa: E731
            self.agents[channel] = Agent(dict(zaqar_options), answer)
        return self.agents[channel]

    def poll(self, server_id):
        """Return the agent of a server without a channel, known to Heat or not."""
        ask = lambda: self._service.metadata_software_deployments(  # noqa: E731
            self.context(), server_id=server_id
        )
        answer = lambda deployment: self.answer(deployment)  # noqa: E731
        return self.pollers.setdefault(server_id, Poller(ask, answer))

    def call(self, url, body):
        """Call a pre-signed URL of heat-api-cfn as a server does."""
        self.clock.spawn(self._deliver, url, body)
        self.clock.run(1)

    def turn(self, seconds=1):
        """Let time pass."""
        self.clock.run(seconds)

    def settle(self):
        """Let time pass until the engine has nothing more to do."""
        self.clock.run()
        broken = [task.error for task in self._tasks if task.error]
        assert not broken, broken

    def _meanwhile(self):
        if self.boots:
            self._boot_all()
        for agent in (*self.agents.values(), *self.pollers.values()):
            if agent.awake:
                agent.look()
        for url, told in self.zaqar.take_notifications():
            if "/signal/" in url:
                self.clock.spawn(self._deliver, url, told)
            else:
                self.called.append((url, told))

    def _boot_all(self):
        booted = {agent.queue_names[0] for agent in self.agents.values()}
        # Reading all stacks is dear, and mostly there is nobody new.
        if set(self.zaqar.names("hz-m")) <= booted:
            return
        for stack in self._stacks:
            for zaqar_options in stack._channels():
                self.boot(zaqar_options)

    def _deliver(self, url, told):
        """Call Heat, as Zaqar's notifier calls heat-api-cfn."""
        parts = urlsplit(url)
        (access,) = parse_qs(parts.query)["AWSAccessKeyId"]
        try:
            self.keystone.check_key_pair(access)
            tail = unquote(parts.path).partition(":stacks/")[2]
            name, stack_id, _, resource_name = tail.split("/")
            identity = {"tenant": PROJECT, "stack_name": name, "stack_id": stack_id, "path": ""}
            EngineClient().resource_signal(
                self.context(), identity, resource_name, told, sync_call=True
            )
        except Exception as exc:  # whatever it is, it is the answer that the notifier gets
            self.refused.append((told, exc))


class Stack:
    """A stack, by its id, as heat-api sees it. Each look reads the database."""

    def __init__(self, engine, name, rollback):
        self.engine, self.name, self.id = engine, name, None
        self._rollback = rollback
        self._template, self._parameters = None, {}

    # What a user does with it. Each of them waits for the end, unless it is told not to.

    def _create(self, template, parameters, wait):
        self._template, self._parameters = template, parameters
        identity = self.engine.ask("create_stack", stack_name=self.name, **self._request())
        self.id = identity["stack_id"]
        return self._settled(wait)

    def update(self, template=None, *, wait=True, rollback=None, **parameters):
        """Update: to another template, or with other parameters."""
        self._template = template or self._template
        self._parameters = {**self._parameters, **parameters}
        self._rollback = self._rollback if rollback is None else rollback
        self.engine.ask("update_stack", stack_identity=self.identity, **self._request())
        return self._settled(wait)

    def delete(self, *, wait=True):
        self.engine.ask("delete_stack", stack_identity=self.identity, cast=False)
        return self._settled(wait)

    def check(self, *, wait=True):
        self.engine.ask("stack_check", stack_identity=self.identity)
        return self._settled(wait)

    def suspend(self, *, wait=True):
        self.engine.ask("stack_suspend", stack_identity=self.identity)
        return self._settled(wait)

    def resume(self, *, wait=True):
        self.engine.ask("stack_resume", stack_identity=self.identity)
        return self._settled(wait)

    def signal(self, resource_name, details=None):
        """Signal a resource, and wait for what comes of it."""
        self.engine.ask(
            "resource_signal", stack_identity=self.identity, resource_name=resource_name,
            details=details, sync_call=True,
        )  # fmt: skip
        return self._settled(True)

    def cancel(self, *, rollback=True, wait=True):
        """Cancel a running update."""
        self.engine.ask(
            "stack_cancel_update", stack_identity=self.identity, cancel_with_rollback=rollback
        )
        return self._settled(wait)

    def mark_unhealthy(self, resource_name):
        """Have Heat believe that a resource is broken: the next update replaces it."""
        self.engine.ask(
            "resource_mark_unhealthy", stack_identity=self.identity, resource_name=resource_name,
            mark_unhealthy=True,
        )  # fmt: skip
        return self._settled(True)

    def _request(self):
        template = self._template
        if isinstance(template, str):
            template = yaml.safe_load((TEMPLATES / f"{template}.yaml").read_text())
        return {
            "template": template,
            "params": {"parameters": self._parameters},
            "files": {},
            "args": {"disable_rollback": not self._rollback, "timeout_mins": 5},
        }

    def _settled(self, wait):
        if wait:
            self.engine.settle()
        return self

    # What Heat says of it.

    @property
    def identity(self):
        return {"tenant": PROJECT, "stack_name": self.name, "stack_id": self.id, "path": ""}

    def load(self):
        """Return Heat's own stack, read from the database."""
        return heat_stack.Stack.load(self.engine.context(), self.id, show_deleted=True)

    @property
    def state(self):
        """Such as "CREATE_COMPLETE"."""
        return "_".join(self.load().state)

    @property
    def reason(self):
        return self.load().status_reason

    def resource(self, name):
        """Return what heat-api shows of a resource."""
        return self.engine.ask(
            "describe_stack_resource",
            stack_identity=self.identity,
            resource_name=name,
            with_attr=None,
        )

    def collect_config(self, server="server"):
        """Return the server's `os_collect_config`."""
        stack = self.load()  # its resources do not keep it alive
        return stack[server].FnGetAtt("os_collect_config")

    def metadata(self, name="server"):
        """Return a resource's metadata, as Heat stores and shows them."""
        stack = self.load()
        return stack[name].metadata_get(refresh=True)

    def server_id(self, server="server"):
        """Return what Heat's API knows a server by."""
        return self.resource(server)["physical_resource_id"]

    def deployments(self, server="server"):
        """Return a server's deployments as Heat's API lists them, their inputs by name."""
        listed = self.engine.ask("metadata_software_deployments", server_id=self.server_id(server))
        return [
            {**each, "inputs": {one["name"]: one["value"] for one in each["inputs"]}}
            for each in listed
        ]

    def outputs(self):
        (shown,) = self.engine.ask("show_stack", stack_identity=self.identity)
        return {each["output_key"]: each["output_value"] for each in shown["outputs"]}

    def events(self, name):
        """Return the reasons of a resource's events, oldest first."""
        rows = event_objects.Event.get_all_by_stack(self.engine.context(), self.id)
        rows = sorted(rows, key=lambda row: row.id)
        return [row.resource_status_reason for row in rows if row.resource_name == name]

    def _channels(self):
        """Return the `[zaqar]` options of all servers that have a channel."""
        if self.id is None:
            return
        stack = self.load()
        for each in stack.iter_resources(nested_depth=5):
            if each.type() in SERVER_TYPES and each.id and each.action != "DELETE":
                zaqar = (each.FnGetAtt("os_collect_config") or {}).get("zaqar") or {}
                if zaqar.get("metadata_url"):
                    yield zaqar
