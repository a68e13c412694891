# SPDX-License-Identifier: Apache-2.0
"""What can be said about the templates without a Heat that runs."""

from pathlib import Path
from typing import Any

import pytest
from heat.common import (
    config,  # noqa: F401  registers the options that the parser reads
    context,
    environment_format,
    template_format,
)
from heat.engine import environment, resource, resources, stack
from heat.engine import template as heat_template

from support.engine.world import load_plugin

TEMPLATES = Path(__file__).parents[3] / "templates"
PATHS = sorted(TEMPLATES.glob("*.yaml"))
ENVIRONMENTS = sorted((TEMPLATES / "environments").glob("*.yaml"))
SERVER_TRANSPORTS = {
    *("POLL_SERVER_CFN", "POLL_SERVER_HEAT", "POLL_TEMP_URL", "ZAQAR_MESSAGE", "AUTO"),
}
SIGNAL_TRANSPORTS = {
    *("CFN_SIGNAL", "TEMP_URL_SIGNAL", "HEAT_SIGNAL", "NO_SIGNAL"),
    *("ZAQAR_SIGNAL", "ZAQAR_MESSAGE", "AUTO"),
}

each_template = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
each_environment = pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)


def load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = template_format.parse(path.read_text())
    return loaded


def arguments(tree: Any, name: str) -> list[Any]:
    """List the arguments of an intrinsic function, wherever in the template it is called."""
    if isinstance(tree, dict):
        here = [tree[name]] if set(tree) == {name} else []
        return here + [found for value in tree.values() for found in arguments(value, name)]
    if isinstance(tree, list):
        return [found for value in tree for found in arguments(value, name)]
    return []


@pytest.fixture(scope="module", autouse=True)
def heat_types() -> environment.ResourceRegistry:
    """Load Heat's resource types, and the plugin's."""
    load_plugin()
    return resources.global_env().registry


def parsed(path: Path, **parameters: str) -> stack.Stack:
    """Make a stack of a template, in a cloud that does not exist."""
    nowhere = context.RequestContext(
        project_id="p", user_id="u", auth_url="http://127.0.0.1:1/v3", is_admin=False
    )
    # Built-in types do not know ZAQAR_MESSAGE as a signal.
    chosen = environment.Environment(
        {"parameters": {"signal_transport": "CFN_SIGNAL"} | parameters}
    )
    template = heat_template.Template(load(path), env=chosen)
    return stack.Stack(nowhere, "s", template, convergence=True)


def test_all_are_there() -> None:
    assert [path.stem for path in PATHS] == [
        *("group", "hello-world", "lifecycle", "nova-server", "structured"),
    ]
    assert [path.stem for path in ENVIRONMENTS] == ["auto", "polling-cfn", "polling-heat", "zaqar"]


@pytest.mark.parametrize(
    "path", [path for path in PATHS if path.stem != "nova-server"], ids=lambda path: path.stem
)
def test_heat_validates_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The one question that Heat has to ask a cloud for these.
    available = classmethod(lambda cls, context: (True, None))
    monkeypatch.setattr(resource.Resource, "is_service_available", available)

    parsed(path).validate(validate_res_tmpl_only=True)


@pytest.mark.parametrize(("key_name", "expected"), [("", None), ("mine", "mine")])
def test_heat_parses_the_nova_server(key_name: str, expected: str | None) -> None:
    # To validate it Heat asks Glance, Nova and Neutron.
    path = TEMPLATES / "nova-server.yaml"
    names = {"image": "i", "flavor": "f", "network": "n", "key_name": key_name}

    server = parsed(path, **names)["server"]

    written = load(path)["resources"]["server"]["properties"]
    assert set(written) <= set(server.properties_schema)
    assert server.properties["key_name"] == expected
    assert server.properties["user_data_format"] == "SOFTWARE_CONFIG"


@each_template
def test_every_parameter_is_used_and_described(path: Path) -> None:
    template = load(path)

    assert set(arguments(template, "get_param")) == set(template["parameters"])
    assert all(parameter["description"] for parameter in template["parameters"].values())


@each_template
def test_every_output_is_described_and_credentials_are_marked(path: Path) -> None:
    for output in load(path)["outputs"].values():
        secret = any("os_collect_config" in args for args in arguments(output, "get_attr"))
        assert output["description"]
        assert output["description"].startswith("CREDENTIALS ") == secret


@each_template
def test_references_name_resources_and_declared_outputs(path: Path) -> None:
    template = load(path)
    outputs = [
        output["name"]
        for definition in template["resources"].values()
        for output in definition["properties"].get("outputs", [])
    ]
    fixed = {f"deploy_{name}" for name in ("stdout", "stderr", "status_code")}
    fixed |= {f"{name}s" for name in fixed} | {"os_collect_config", "addresses"}

    assert set(arguments(template, "get_resource")) <= set(template["resources"])
    for owner, attribute in arguments(template, "get_attr"):
        assert owner in template["resources"]
        assert attribute in fixed.union(outputs)


@each_template
def test_both_transports_can_be_chosen(path: Path) -> None:
    parameters = load(path)["parameters"]

    for name, allowed in (
        ("server_transport", SERVER_TRANSPORTS),
        ("signal_transport", SIGNAL_TRANSPORTS),
    ):
        assert parameters[name]["default"] == "ZAQAR_MESSAGE"
        assert set(parameters[name]["constraints"][0]["allowed_values"]) == allowed


@each_environment
def test_an_environment_sets_both_transports(path: Path) -> None:
    defaults = environment_format.parse(path.read_text())["parameter_defaults"]

    assert set(defaults) == {"server_transport", "signal_transport"}
    assert defaults["server_transport"] in SERVER_TRANSPORTS
    assert defaults["signal_transport"] in SIGNAL_TRANSPORTS
