"""Clouds side by side, what they are made of, and that nothing is left whatever ends them.

What disturbs nobody is looked for in the cloud of the whole run. Three more clouds are started by
the command line, two of them without Heat, and each is ended in another way.
"""

import contextlib
import ipaddress
import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import requests
from heatclient.exc import HTTPNotFound
from keystoneauth1.exceptions import EndpointNotFound

from localcloud import LocalCloud, LocalCloudError, ServiceDied
from localcloud.errors import BootFailed, NotRunning
from localcloud.plan import REPO_ROOT

pytestmark = pytest.mark.xdist_group("localcloud")

BOOT_LIMIT_S = 240
STOP_LIMIT_S = 10
STACK_LIMIT_S = 60

TEMPLATE = {
    "heat_template_version": "2021-04-16",
    "resources": {
        "word": {"type": "OS::Heat::RandomString"},
        "server": {"type": "OS::Heat::DeployedServer", "properties": {"name": "server"}},
        "config": {
            "type": "OS::Heat::SoftwareConfig",
            "properties": {"group": "script", "config": "#!/bin/sh\n"},
        },
        "deployment": {
            "type": "OS::Heat::SoftwareDeployment",
            "properties": {
                "config": {"get_resource": "config"},
                "server": {"get_resource": "server"},
                "signal_transport": "CFN_SIGNAL",
            },
        },
    },
}


def lives(process):
    """Tell whether a process lives; an orphan that has ended may wait long for its reaper."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def processes_with(scratch):
    """Find every process that has a cloud's directory in its command, directory or environment."""
    found = []
    for process in psutil.process_iter():
        try:
            traces = [*process.cmdline(), process.cwd(), *process.environ().values()]
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if process.pid != os.getpid() and any(str(scratch) in trace for trace in traces):
            found.append(process)
    return found


def processes_of(cloud):
    """List the processes of a cloud: its supervisor and all that it has started or adopted."""
    (supervisor,) = {psutil.Process(each.pid).parent() for each in cloud.status().values()}
    return [supervisor, *supervisor.children(recursive=True)]


def assert_gone(scratch, known, timeout_s=STOP_LIMIT_S):
    deadline = time.monotonic() + timeout_s
    while any(lives(process) for process in known):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not processes_with(scratch)
    assert not scratch.exists()


@contextlib.contextmanager
def up(*options):
    """Run ``localcloud up``; gives the process, and the cloud's directory, not there yet."""
    command = [sys.executable, "-m", "localcloud", "up", "--json", *options]
    with tempfile.TemporaryDirectory(prefix="up-") as parent, tempfile.TemporaryFile("w+") as told:
        Path(parent).chmod(0o711)
        scratch = Path(parent) / "cloud"
        process = subprocess.Popen(
            [*command, "--scratch", str(scratch)], cwd=REPO_ROOT, stdout=told, stderr=told
        )
        try:
            yield process, scratch
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def small():
    """A cloud without Heat, for what would disturb other tests: its owner, and the cloud."""
    with up("--no-heat") as (process, scratch):
        yield process, LocalCloud.attach(scratch, wait_s=BOOT_LIMIT_S)


@pytest.fixture
def bare(small):
    return small[1]


@pytest.fixture(scope="module")
def second():
    """One more whole cloud, with Heat as released: its owner, and the cloud."""
    with up("--no-plugin") as (process, scratch):
        yield process, LocalCloud.attach(scratch, wait_s=BOOT_LIMIT_S)


def test_every_service_runs_and_has_its_log(cloud):
    assert sorted(cloud.status()) == sorted(cloud.services)
    assert {"rabbitmq", "heat-engine", "zaqar-websocket"} < set(cloud.services)
    assert all(status.running for status in cloud.status().values())
    for service in cloud.services:
        assert cloud.log(service).exists()


def test_servers_listen_on_loopback_only(cloud):
    pids = {process.pid for process in processes_of(cloud)}
    listening = [c for c in psutil.net_connections("inet") if c.status == psutil.CONN_LISTEN]
    ours = [c.laddr for c in listening if c.pid in pids]
    assert {address.port for address in ours} >= set(cloud.plan.ports.values())
    # epmd adds ::1 by itself.
    assert all(ipaddress.ip_address(address.ip).is_loopback for address in ours)


def test_no_secret_stands_in_a_command_line(cloud):
    commands = " ".join(" ".join(process.cmdline()) for process in processes_of(cloud))
    assert str(cloud.scratch) in commands
    assert not [name for name, secret in cloud.plan.secrets.items() if secret in commands]


def test_files_with_secrets_are_private(cloud):
    found = set()
    for path in cloud.scratch.rglob("*"):
        if path.is_file() and "data" not in path.parts and "mnesia" not in path.parts:
            with contextlib.suppress(FileNotFoundError):  # a store has put another in its place
                text = path.read_text(errors="replace")
                if any(secret in text for secret in cloud.plan.secrets.values()):
                    assert path.stat().st_mode & 0o077 == 0, path
                    found.add(path.name)
    assert {"keystone.conf", "heat-engine.conf", "zaqar.conf", "openrc", "state.json"} <= found


@pytest.mark.parametrize(
    ("service_type", "attribute"),
    [
        ("orchestration", "heat_url"),
        ("cloudformation", "cfn_url"),
        ("messaging", "zaqar_url"),
        ("messaging-websocket", "websocket_url"),
    ],
)
def test_the_catalog_leads_to_the_services(cloud, service_type, attribute):
    endpoint = cloud.demo_session().get_endpoint(
        service_type=service_type, interface="public", region_name="RegionOne"
    )
    assert endpoint.startswith(getattr(cloud, attribute))


def test_the_catalogs_identity_has_no_version(cloud):
    """heat-api-cfn appends /v3 to it."""
    auth = cloud.demo_session().auth.get_access(cloud.demo_session())
    assert auth.service_catalog.url_for(service_type="identity") == cloud.auth_url[: -len("/v3")]


def test_the_environment_is_what_clients_read(cloud):
    command = [sys.executable, "-m", "openstack.config.loader"]
    done = subprocess.run(
        command, env={**os.environ, **cloud.environment()}, capture_output=True, text=True
    )
    assert cloud.auth_url in done.stdout


def test_clouds_share_nothing(cloud, bare):
    assert not set(cloud.plan.ports.values()) & set(bare.plan.ports.values())
    assert not set(cloud.plan.secrets.values()) & set(bare.plan.secrets.values())


def roles_in_project(session):
    access = session.auth.get_access(session)
    return access.project_name, set(access.role_names)


def test_the_demo_user_is_no_administrator(bare):
    assert roles_in_project(bare.demo_session()) == ("demo", {"member", "reader"})
    project, roles = roles_in_project(bare.admin_session())
    assert project == "admin"
    assert "admin" in roles


def test_those_who_ask_at_once_for_a_project_get_the_same_one(bare):
    """As several test runs with one cloud would; each has a session with Keystone of its own."""

    def ids(_number):
        session = bare.for_project("p").demo_session()
        return session.get_project_id(), session.get_user_id(), *roles_in_project(session)[1]

    with ThreadPoolExecutor(6) as pool:
        found = {frozenset(each) for each in pool.map(ids, range(6))}
    assert len(found) == 1
    assert {"member", "reader"} < found.pop()
    views = [bare, bare.for_project("p"), bare.for_project("q")]
    assert len({view.demo_session().get_project_id() for view in views}) == 3
    assert bare.for_project("q").environment()["OS_PROJECT_NAME"] == "demo-q"


def test_without_heat_the_catalog_has_no_orchestration(bare):
    session = bare.demo_session()
    assert session.get_endpoint(service_type="messaging") == bare.zaqar_url
    with pytest.raises(EndpointNotFound):
        session.get_endpoint(service_type="orchestration")


def test_a_killed_service_is_named_with_the_end_of_its_log(bare):
    bare.kill_service("zaqar-websocket")
    with pytest.raises(ServiceDied) as caught:
        bare.check()
    text = str(caught.value)
    assert text.startswith("zaqar-websocket died with signal SIGKILL, log: ")
    assert bare.log("zaqar-websocket").read_text().splitlines()[-1] in text


def test_a_configuration_that_does_not_work_is_reported(bare):
    """The service that was killed is started with it, and then with the usual one."""
    option = "notification_port"
    with pytest.raises(ServiceDied, match="zaqar-websocket died with exit status") as caught:
        bare.reconfigure("zaqar-websocket", {"drivers:transport:websocket": {option: "many"}})
    assert option in str(caught.value)
    bare.reconfigure("zaqar-websocket", {})
    bare.check()


def assert_comes_back(cloud, service):
    cloud.stop_service(service)
    cloud.check()
    assert not cloud.status()[service].running
    cloud.start_service(service)
    cloud.check()


def test_a_stopped_service_is_no_death_and_comes_back(bare):
    assert_comes_back(bare, "redis")


def lifetime_s(cloud):
    access = cloud.demo_session().auth.get_access(cloud.demo_session())
    return round((access.expires - access.issued).total_seconds())


def test_a_service_is_reconfigured_and_restored(bare):
    """This one makes its tables and users at its first start only."""
    usual = lifetime_s(bare)
    bare.reconfigure("keystone", {"token": {"expiration": usual // 2}})
    assert lifetime_s(bare) == usual // 2
    bare.reconfigure("keystone", {})
    assert lifetime_s(bare) == usual


def test_stores_take_no_overrides(bare):
    with pytest.raises(LocalCloudError, match="redis cannot be reconfigured"):
        bare.reconfigure("redis", {"x": {"y": 1}})


def test_who_attaches_owns_nothing(bare):
    with LocalCloud.attach(bare.scratch, wait_s=0) as attached:
        assert attached.seconds_to_ready > 0
        attached.demo_session().get_token()
    bare.check()


def test_the_broker_comes_back(second):
    assert_comes_back(second[1], "rabbitmq")


def finish(heat, stack_id, status):
    """Wait until a stack's operation has ended, as it should."""
    deadline = time.monotonic() + STACK_LIMIT_S
    while time.monotonic() < deadline:
        stack = heat.stacks.get(stack_id)
        if stack.stack_status.endswith(("COMPLETE", "FAILED")):
            assert stack.stack_status == status, stack.stack_status_reason
            return
        time.sleep(0.2)
    raise AssertionError(f"the stack did not reach {status}")


def signal_url(heat, stack_id):
    """Wait until the server's metadata has the deployment; return where to signal to."""
    deadline = time.monotonic() + STACK_LIMIT_S
    while time.monotonic() < deadline:
        with contextlib.suppress(HTTPNotFound):
            server = heat.resources.get(stack_id, "server").physical_resource_id
            for config in heat.software_deployments.metadata(server_id=server):
                inputs = {item["name"]: item["value"] for item in config["inputs"]}
                return inputs["deploy_signal_id"]
        time.sleep(0.2)
    raise AssertionError("the deployment never reached the server")


def test_then_a_stack_of_stock_types_comes_and_goes(second):
    """With a signal to the CFN API: Keystone checks the signature, the engine has the result."""
    other = second[1]
    heat = other.heat()
    stack_id = heat.stacks.create(stack_name="stock", template=TEMPLATE)["stack"]["id"]
    url = signal_url(heat, stack_id)
    assert url.startswith(other.cfn_url)
    answer = requests.post(url, json={"deploy_status_code": 0}, timeout=10)
    assert answer.status_code == requests.codes.ok
    finish(heat, stack_id, "CREATE_COMPLETE")
    heat.stacks.delete(stack_id)
    finish(heat, stack_id, "DELETE_COMPLETE")
    other.check()


def end(process, cloud, number, status):
    """Send a signal to the owner of a cloud; nothing may be left of that cloud."""
    known = processes_of(cloud)
    process.send_signal(number)
    assert process.wait(STOP_LIMIT_S) == status
    # Who is told to end waits until all the others have ended.
    assert_gone(cloud.scratch, known, STOP_LIMIT_S if number == signal.SIGKILL else 0)
    cloud.stop()


def test_sigkill_of_the_owner_leaves_nothing(second):
    """Not even the daemon that leaves its parents."""
    process, cloud = second
    names = [each.name() for each in processes_of(cloud)]
    assert "epmd" in names
    assert len(names) > len(cloud.services)
    end(process, cloud, signal.SIGKILL, -signal.SIGKILL)


def test_ctrl_c_leaves_nothing(small):
    end(*small, signal.SIGINT, 0)


def test_sigterm_while_it_boots_leaves_nothing_but_the_reason():
    with up("--no-heat") as (process, scratch):
        end(process, booting(scratch, "keystone"), signal.SIGTERM, 130)
        with pytest.raises(BootFailed, match="KeyboardInterrupt"):
            LocalCloud.attach(scratch, wait_s=BOOT_LIMIT_S)


def booting(scratch, service):
    """Wait until a cloud has begun to boot a service; that takes seconds from then on."""
    deadline = time.monotonic() + BOOT_LIMIT_S
    while time.monotonic() < deadline:
        with contextlib.suppress(NotRunning):
            cloud = LocalCloud.attach(scratch)
            if service in cloud.status():
                return cloud
        time.sleep(0.05)
    raise AssertionError(f"{service} was never started")
