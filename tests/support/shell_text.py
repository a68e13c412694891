"""Ordinary shell text, to measure with: what this system's own scripts are made of."""

from pathlib import Path

PLACES = ("/usr/bin", "/usr/sbin", "/etc/init.d", "/var/lib/dpkg/info")
SHELLS = (b"#!/bin/sh", b"#! /bin/sh", b"#!/bin/bash", b"#! /bin/bash", b"#!/usr/bin/bash")


def pieces(count, size=4096):
    """Return different texts, each a comment of a script that only says its name."""
    text = "".join(_scripts())
    assert len(text) >= count * size, f"only {len(text)} bytes of shell scripts on this system"
    return [text[start : start + size] for start in range(0, count * size, size)]


def _scripts():
    for place in PLACES:
        for path in sorted(Path(place).iterdir()):
            if path.is_file() and (content := path.read_bytes()).startswith(SHELLS):
                yield content.decode(errors="ignore")


def as_script(text, command):
    """Return a script that holds a text and runs a command alone."""
    assert "\nEND OF TEXT\n" not in text
    return f"#!/bin/sh\n: <<'END OF TEXT'\n{text}\nEND OF TEXT\n{command}\n"
