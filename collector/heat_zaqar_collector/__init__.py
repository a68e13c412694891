# SPDX-License-Identifier: Apache-2.0
"""The os-collect-config collector that reads a server's metadata queue."""
