"""Packaging that pyproject.toml cannot express: the plugin's copy under lib/heat."""

from setuptools import setup

# Heat looks for plugins in <prefix>/lib/heat by default (option plugin_dirs),
# so a system-wide install needs no configuration at all.
setup(data_files=[("lib/heat", ["heat_zaqar_transport/plugin/zaqar_transport.py"])])
