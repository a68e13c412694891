# SPDX-License-Identifier: Apache-2.0
"""What can go wrong in the demo itself; the cloud and the guest have errors of their own."""


class DemoFailed(Exception):
    """Something that should have happened did not, or something else did.

    The text is one sentence for the person who watches; it may still hold a secret, and is
    redacted where it is shown.
    """
