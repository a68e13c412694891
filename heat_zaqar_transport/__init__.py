# SPDX-License-Identifier: Apache-2.0
"""Heat software deployments over Zaqar: the engine's side, and what both sides share."""
