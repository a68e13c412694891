"""How Hypothesis draws in the unit tests: anew in each run, and never against the clock.

And what Heat runs on here, whichever test imports it first.
"""

from hypothesis import HealthCheck, settings
from oslo_service import backend

from support.fuzz import FACTOR

EXAMPLES = 50

# A busy machine is no failure, and neither is a draw that Hypothesis had to throw away. CI draws
# anew, too, which Hypothesis's own profile for CI does not; the blob replays what was found there.
settings.register_profile(
    "unit",
    max_examples=EXAMPLES * FACTOR,
    deadline=None,
    derandomize=False,
    print_blob=True,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
    ],
)
settings.load_profile("unit")

# As Heat's own test case chooses, which cannot be loaded after eventlet.
backend.register_backend_default_hook(lambda: backend.BackendType.THREADING)
