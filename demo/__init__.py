# SPDX-License-Identifier: Apache-2.0
"""A stack from its template to a server and back, on real services, step by step.

The layers: `lines`, `merge`, `redact` and `summary` are pure; `trail`, `stack` and
`remains` ask the running services; `play` is the order of things; `show` and `picture`
are what a person sees.
"""
