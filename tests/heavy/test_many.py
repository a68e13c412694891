"""Many deployments of one server: HEAT_ZAQAR_SCALE says how many, 60 by default."""

import json
import os

from heat_zaqar_transport.wire import SignedUrl
from support import hot
from support.ends import Ends
from support.requests_seen import RequestLog
from support.shell_text import pieces

# On one server, each of 4 KiB. The released software fails with the 51st.
MANY = int(os.environ.get("HEAT_ZAQAR_SCALE", "60"))
TEXTS = pieces(MANY)
# Seconds that each of them may take Heat.
EACH_S = 5


def many_of_shell_text(word):
    """Half of them in the stack itself, a quarter in each of two nested ones."""
    half, quarter = MANY // 2, MANY // 4
    resources = {"server": hot.server(), "config": hot.config(SAYING, inputs=["word", "text"])}
    resources |= saying(word, range(half))
    nested = {
        "first.yaml": range(half, half + quarter),
        "second.yaml": range(half + quarter, MANY),
    }
    given = {name: {"get_resource": name} for name in ("server", "config")}
    for number, name in enumerate(nested):
        resources[f"nested_{number}"] = {"type": name, "properties": given}
    files = {
        name: {
            **hot.template(saying(word, numbers, "get_param")),
            "parameters": {key: {"type": "string"} for key in given},
        }
        for name, numbers in nested.items()
    }
    outputs = {f"of_{n}": {"get_attr": [f"deployment_{n}", "deploy_stdout"]} for n in range(half)}
    return hot.template(resources, outputs), files


SAYING = '#!/bin/sh\necho "$word $(printf %s "$text" | wc -c)"\n'


def saying(word, numbers, how="get_resource"):
    made = {}
    for n in numbers:
        values = {"word": word, "text": TEXTS[n]}
        made[f"deployment_{n}"] = hot.deployment("config", input_values=values, name=f"d{n}")
        made[f"deployment_{n}"]["properties"] |= {
            "config": {how: "config"},
            "server": {how: "server"},
        }
    return made


def test_many_deployments_of_one_server_cost_bytes_as_the_document_and_not_as_its_square(
    cloud, site
):
    log = RequestLog(cloud)
    template, files = many_of_shell_text("made")
    stack = site.stack(template, files=files, timeout_mins=30)
    guest = site.boot(stack)
    stack.wait("CREATE_COMPLETE", MANY * EACH_S)
    options = stack.collect_config("server")["zaqar"]
    document = Ends(options).newest().document
    assert len(document["deployments"]) == MANY
    path = f"{SignedUrl.parse(options['metadata_url']).queue}/messages"
    posted = sum(each.size for each in log.seen(method="POST", path=path))
    wholes = MANY * len(json.dumps(document))
    print(f"{MANY} deployments: posted {posted} bytes, {posted / wholes:.1%} of {wholes}")
    assert posted < wholes / 10

    template, files = many_of_shell_text("changed")
    stack.update(template, files=files)
    stack.wait("UPDATE_COMPLETE", MANY * EACH_S)
    sizes = [len(text.encode()) for text in TEXTS]
    assert stack.outputs() == {f"of_{n}": f"changed {sizes[n]}\n" for n in range(MANY // 2)}
    assert len(Ends(options).newest().document["deployments"]) == MANY
    for n in range(MANY):
        guest.wait_log(rf"deployment d{n} .*: hook ended with status 0", 1)

    stack.delete()
    stack.wait("DELETE_COMPLETE", MANY * EACH_S)
