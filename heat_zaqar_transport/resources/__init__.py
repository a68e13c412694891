# SPDX-License-Identifier: Apache-2.0
"""Heat resource types whose servers are configured over Zaqar.

Each is a thin subclass of Heat's own type; plugin/zaqar_transport.py puts them in
their place. `owner` makes queues for a resource, `channel` is what it keeps of them,
`publish` sends a server its metadata, `receive` takes what a server sends.
"""
