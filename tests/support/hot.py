"""Templates that tests make: one server and deployments of scripts on it."""

VERSION = "2021-04-16"


def template(resources, outputs=None):
    return {
        "heat_template_version": VERSION,
        "resources": resources,
        "outputs": {name: {"value": value} for name, value in (outputs or {}).items()},
    }


def server(transport="ZAQAR_MESSAGE", **properties):
    return {
        "type": "OS::Heat::DeployedServer",
        "properties": {"software_config_transport": transport, **properties},
    }


def config(script, group="script", inputs=(), outputs=()):
    return {
        "type": "OS::Heat::SoftwareConfig",
        "properties": {
            "group": group,
            "config": script,
            "inputs": [{"name": name} for name in inputs],
            "outputs": [{"name": name} for name in outputs],
        },
    }


def deployment(config_name, server_name="server", transport="ZAQAR_MESSAGE", **properties):
    return {
        "type": "OS::Heat::SoftwareDeployment",
        "properties": {
            "config": {"get_resource": config_name},
            "server": {"get_resource": server_name},
            "signal_transport": transport,
            **properties,
        },
    }


def one_script(script, *, server_transport="ZAQAR_MESSAGE", signal="ZAQAR_MESSAGE", **properties):
    """One server, one config, one deployment, and its standard output as an output."""
    group = properties.pop("group", "script")
    return template(
        {
            "server": server(server_transport),
            "config": config(script, group, inputs=properties.get("input_values", ())),
            "deployment": deployment("config", transport=signal, **properties),
        },
        {"stdout": {"get_attr": ["deployment", "deploy_stdout"]}},
    )


def many_scripts(count, server_name="server"):
    """One server with many deployments, none waiting for another."""
    resources = {server_name: server(), "config": config("#!/bin/sh\necho did $n\n", inputs=["n"])}
    names = [f"deployment_{n}" for n in range(count)]
    for n, name in enumerate(names):
        resources[name] = deployment("config", server_name, input_values={"n": str(n)}, name=name)
    outputs = {name: {"get_attr": [name, "deploy_stdout"]} for name in names}
    return template(resources, outputs)


def alone(transport="ZAQAR_MESSAGE", *, metadata=None, **properties):
    """One server and nothing else, with metadata of the template's."""
    made = server(transport, **properties)
    if metadata is not None:
        made["metadata"] = metadata
    return template({"server": made})


def wishes(**options):
    """Metadata with options of the server's agent."""
    return {"os-collect-config": {"zaqar": options}}
