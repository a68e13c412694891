"""Two real clouds side by side, and that nothing of one is left whatever ends it."""

import contextlib
import copy
import ipaddress
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue

import psutil
import pytest
import requests
import websocket
from heatclient.exc import HTTPNotFound

from localcloud import LocalCloud, LocalCloudError, ServiceDied
from localcloud.plan import REPO_ROOT

READY_LIMIT_S = 40
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
                "signal_transport": "NO_SIGNAL",
            },
        },
    },
}


def processes_of(scratch):
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


def tree_of(pid):
    owner = psutil.Process(pid)
    return [owner, *owner.children(recursive=True)]


def assert_gone(scratch, known, timeout_s=STOP_LIMIT_S):
    _, alive = psutil.wait_procs(known, timeout=timeout_s)
    assert not alive
    assert not processes_of(scratch)
    assert not scratch.exists()


@pytest.fixture(scope="module")
def second(cloud):
    """A cloud beside the session's one, for what would disturb other tests; Heat as released."""
    with LocalCloud.start(plugin_dirs=()) as second:
        yield second


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


def test_the_second_cloud_is_ready_in_time_and_shares_nothing(cloud, second):
    assert second.seconds_to_ready < READY_LIMIT_S
    assert not set(cloud.plan.ports.values()) & set(second.plan.ports.values())
    assert not set(cloud.plan.secrets.values()) & set(second.plan.secrets.values())


def test_every_service_runs_and_has_its_log(second):
    assert sorted(second.status()) == sorted(second.services)
    assert all(status.running for status in second.status().values())
    for service in second.services:
        assert second.log(service).exists()


def test_servers_listen_on_loopback_only(second):
    pids = {process.pid for process in processes_of(second.scratch)}
    listening = [c for c in psutil.net_connections("inet") if c.status == psutil.CONN_LISTEN]
    ours = [c.laddr for c in listening if c.pid in pids]
    assert {address.port for address in ours} >= set(second.plan.ports.values())
    # epmd adds ::1 by itself.
    assert all(ipaddress.ip_address(address.ip).is_loopback for address in ours)


def test_no_secret_stands_in_a_command_line(second):
    commands = " ".join(" ".join(p.cmdline()) for p in processes_of(second.scratch))
    assert str(second.scratch) in commands
    assert not [name for name, secret in second.plan.secrets.items() if secret in commands]


def test_files_with_secrets_are_private(second):
    for path in second.scratch.rglob("*"):
        if path.is_file() and "data" not in path.parts and "mnesia" not in path.parts:
            text = path.read_text(errors="replace")
            if any(secret in text for secret in second.plan.secrets.values()):
                assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize(
    ("service_type", "attribute"),
    [
        ("orchestration", "heat_url"),
        ("cloudformation", "cfn_url"),
        ("messaging", "zaqar_url"),
        ("messaging-websocket", "websocket_url"),
    ],
)
def test_the_catalog_leads_to_the_services(second, service_type, attribute):
    endpoint = second.demo_session().get_endpoint(
        service_type=service_type, interface="public", region_name="RegionOne"
    )
    assert endpoint.startswith(getattr(second, attribute))


def test_the_catalogs_identity_has_no_version(second):
    """heat-api-cfn appends /v3 to it."""
    auth = second.demo_session().auth.get_access(second.demo_session())
    assert auth.service_catalog.url_for(service_type="identity") == second.auth_url[: -len("/v3")]


def test_the_demo_user_is_no_administrator(second):
    session = second.demo_session()
    assert set(session.auth.get_access(session).role_names) == {"member", "reader"}
    admin = second.admin_session()
    assert "admin" in admin.auth.get_access(admin).role_names


def test_the_environment_is_what_clients_read(second):
    command = [sys.executable, "-m", "openstack.config.loader"]
    done = subprocess.run(
        command, env={**os.environ, **second.environment()}, capture_output=True, text=True
    )
    assert second.auth_url in done.stdout


def test_a_stack_of_stock_types_comes_and_goes(second):
    heat = second.heat()
    stack_id = heat.stacks.create(stack_name="stock", template=TEMPLATE)["stack"]["id"]
    finish(heat, stack_id, "CREATE_COMPLETE")
    heat.stacks.delete(stack_id)
    finish(heat, stack_id, "DELETE_COMPLETE")


def test_a_signal_to_the_cfn_api_completes_a_deployment(second):
    """The way of every signal: Keystone checks the signature, the engine records the result."""
    heat = second.heat()
    template = copy.deepcopy(TEMPLATE)
    template["resources"]["deployment"]["properties"]["signal_transport"] = "CFN_SIGNAL"
    stack_id = heat.stacks.create(stack_name="signal", template=template)["stack"]["id"]
    url = signal_url(heat, stack_id)
    assert url.startswith(second.cfn_url)
    answer = requests.post(url, json={"deploy_status_code": 0}, timeout=10)
    assert answer.status_code == requests.codes.ok
    finish(heat, stack_id, "CREATE_COMPLETE")
    logs = "".join(second.log(name).read_text() for name in ("heat-api-cfn", "keystone"))
    assert "Signature=" not in logs
    heat.stacks.delete(stack_id)
    finish(heat, stack_id, "DELETE_COMPLETE")


@pytest.fixture
def signed(second):
    """A new queue's address, and headers that give access to its messages."""
    url = f"{second.zaqar_url}/v2/queues/{uuid.uuid4().hex}"
    client = {"Client-ID": str(uuid.uuid4())}
    wish = {"paths": ["messages"], "methods": ["GET", "POST"]}
    share = second.demo_session().post(f"{url}/share", json=wish, headers=client).json()
    return url, {
        **client,
        "URL-Signature": share["signature"],
        "URL-Expires": share["expires"],
        "URL-Methods": ",".join(share["methods"]),
        "URL-Paths": ",".join(share["paths"]),
        "X-Project-ID": share["project"],
    }


def post(signed, body):
    url, headers = signed
    messages = {"messages": [{"body": body, "ttl": 300}]}
    answer = requests.post(f"{url}/messages", json=messages, headers=headers, timeout=10)
    assert answer.status_code == requests.codes.created


def test_a_signed_url_posts_and_reads_without_a_token(signed):
    post(signed, {"n": 1})
    url, headers = signed
    answer = requests.get(f"{url}/messages?echo=true", headers=headers, timeout=10)
    assert [message["body"] for message in answer.json()["messages"]] == [{"n": 1}]


def test_a_subscription_calls_its_webhook(second, signed):
    received = Queue()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            length = int(self.headers["Content-Length"])
            received.put(json.loads(self.rfile.read(length)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_arguments):
            pass

    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        subscriber = f"http://127.0.0.1:{server.server_port}/"
        second.demo_session().post(
            f"{signed[0]}/subscriptions",
            json={"subscriber": subscriber, "ttl": 300, "options": {}},
            headers={"Client-ID": str(uuid.uuid4())},
        )
        post(signed, {"n": 2})
        assert received.get(timeout=10)["body"] == {"n": 2}
        server.shutdown()


def test_a_websocket_subscriber_is_pushed_to(second, signed):
    session = second.demo_session()
    headers = {
        "Client-ID": str(uuid.uuid4()),
        "X-Auth-Token": session.get_token(),
        "X-Project-ID": session.get_project_id(),
    }
    connection = websocket.create_connection(second.websocket_url, timeout=10)

    def ask(action, **body):
        connection.send(json.dumps({"action": action, "headers": headers, "body": body}))
        return json.loads(connection.recv())["headers"]["status"]

    assert ask("authenticate") == 200
    assert ask("subscription_create", queue_name=signed[0].rpartition("/")[2], ttl=300) == 201
    post(signed, {"n": 3})
    assert json.loads(connection.recv())["body"] == {"n": 3}
    connection.close()


def test_a_killed_service_is_named_with_the_end_of_its_log(second):
    second.kill_service("zaqar-websocket")
    with pytest.raises(ServiceDied) as caught:
        second.check()
    text = str(caught.value)
    assert text.startswith("zaqar-websocket died with signal SIGKILL, log: ")
    assert second.log("zaqar-websocket").read_text().splitlines()[-1] in text
    second.start_service("zaqar-websocket")
    second.check()


@pytest.mark.parametrize("service", ["rabbitmq", "heat-engine", "zaqar", "redis"])
def test_a_stopped_service_is_no_death_and_comes_back(second, service):
    second.stop_service(service)
    second.check()
    assert not second.status()[service].running
    second.start_service(service)
    second.check()


def test_a_stack_can_be_made_after_all_that(second):
    test_a_stack_of_stock_types_comes_and_goes(second)


def test_a_service_is_reconfigured_and_restored(second, signed):
    second.reconfigure("zaqar", {"transport": {"max_messages_post_size": 1000}})
    with pytest.raises(AssertionError):
        post(signed, "x" * 2000)
    second.reconfigure("zaqar", {})
    post(signed, "x" * 2000)


def test_a_configuration_that_does_not_work_is_reported(second):
    with pytest.raises(ServiceDied, match="heat-engine died with exit status") as caught:
        second.reconfigure("heat-engine", {"DEFAULT": {"num_engine_workers": "many"}})
    assert "num_engine_workers" in str(caught.value)
    second.reconfigure("heat-engine", {})


def test_stores_take_no_overrides(second):
    with pytest.raises(LocalCloudError, match="redis cannot be reconfigured"):
        second.reconfigure("redis", {"x": {"y": 1}})


def test_another_process_can_attach(second):
    attached = LocalCloud.attach(second.scratch)
    assert attached.auth_url == second.auth_url
    with attached:
        attached.heat().stacks.list()
    # It does not own the cloud, so leaving it stops nothing.
    second.check()


def test_stop_leaves_nothing():
    cloud = LocalCloud.start(plugin_dirs=())
    known = processes_of(cloud.scratch)
    assert len(known) > len(cloud.services)
    began = time.monotonic()
    cloud.stop()
    assert time.monotonic() - began < STOP_LIMIT_S
    assert_gone(cloud.scratch, known, timeout_s=0)
    cloud.stop()


@pytest.fixture
def up(tmp_path):
    """Run ``localcloud up`` and give the process and what it says about itself."""
    command = [sys.executable, "-m", "localcloud", "up", "--json", "--no-plugin"]
    with (tmp_path / "errors").open("w") as errors:
        process = subprocess.Popen(
            command, cwd=REPO_ROOT, stdout=subprocess.PIPE, stderr=errors, text=True
        )
    line = process.stdout.readline()
    assert line, (tmp_path / "errors").read_text()
    yield process, json.loads(line)
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_no_end_of_the_owner_leaves_anything(up, number):
    process, facts = up
    scratch = Path(facts["scratch"])
    known = [*tree_of(process.pid)[1:], *processes_of(scratch)]
    process.send_signal(number)
    expected = -signal.SIGKILL if number == signal.SIGKILL else 0
    assert process.wait(STOP_LIMIT_S) == expected
    assert_gone(scratch, known)
