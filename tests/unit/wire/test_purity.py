"""wire/ does no I/O: its imports are looked at, not trusted."""

import ast
from pathlib import Path

import pytest

import heat_zaqar_transport.wire

WIRE = Path(heat_zaqar_transport.wire.__file__).parent
ALLOWED = {
    "abc", "base64", "collections", "contextlib", "cryptography", "dataclasses", "enum",
    "functools", "hashlib", "heat_zaqar_transport", "json", "math", "re", "typing", "urllib",
    "zlib",
}  # fmt: skip
MODULES = sorted(WIRE.rglob("*.py"))


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_module_imports_nothing_that_does_io(path):
    for name in imports(path):
        assert name.split(".")[0] in ALLOWED, name
        if name.startswith("heat_zaqar_transport"):
            assert name.startswith("heat_zaqar_transport.wire"), name
        if name.startswith("urllib"):
            assert name == "urllib.parse"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_module_opens_nothing(path):
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    assert not [
        call for call in calls if getattr(call.func, "id", "") in {"open", "print", "input"}
    ]
