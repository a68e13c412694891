# SPDX-License-Identifier: Apache-2.0
"""Measures how long deployments take: on their way to a server, and back.

``python -m bench latency|push|signal`` boots real services on this machine, as the end-to-end
tests do, and puts our agent beside os-collect-config and heat-agents as released.
"""
