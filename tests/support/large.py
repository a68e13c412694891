"""Templates whose metadata is large."""

import base64
import random

from support import hot
from support.shell_text import as_script


def noise(size, seed=1):
    """Return text that compression can do nothing for, but for its six bits a character."""
    return base64.encodebytes(random.Random(seed).randbytes(size * 3 // 4)).decode()[:size]


def deployments(config_bytes, count):
    """One after the other: Heat itself gives up when many such large ones meet.

    Heat waits for the last one alone.
    """
    resources = {
        "server": hot.server(),
        "config": hot.config(as_script(noise(config_bytes), 'echo "did $n"'), inputs=["n"]),
    }
    for n in range(count):
        signal = "ZAQAR_MESSAGE" if n == count - 1 else "NO_SIGNAL"
        one = hot.deployment("config", transport=signal, input_values={"n": str(n)}, name=f"d{n}")
        resources[f"deployment_{n}"] = one
        if n:
            one["depends_on"] = f"deployment_{n - 1}"
    stdout = {"get_attr": [f"deployment_{count - 1}", "deploy_stdout"]}
    return hot.template(resources, {"stdout": stdout})
