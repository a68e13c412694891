# SPDX-License-Identifier: Apache-2.0
"""What runs a server's deployments and answers Heat: runner, notify, script hook."""
