"""The token's life: on the keeper's clock, whatever the server's time of day."""

import datetime
import json

import pytest
import requests
from keystoneauth1 import exceptions as keystone_errors
from keystoneauth1.identity import v3
from keystoneauth1.session import Session
from requests.adapters import BaseAdapter

from heat_zaqar_collector.tokens import MARGIN_S, TokenKeeper
from heat_zaqar_transport.wire import Secret
from heat_zaqar_transport.wire.errors import (
    AccessRefused,
    RequestRefused,
    ServiceFailed,
    TransportError,
    Unreachable,
)

HOUR_S = 3600


class Keystone(BaseAdapter):
    """Answers `POST /v3/auth/tokens` in the place of a network.

    Attributes:
        lifetime_s: Of each token.
        today: What it believes to be the time of day.
        failure: Answered, or raised, instead of a token.
    """

    def __init__(self):
        super().__init__()
        self.lifetime_s = HOUR_S
        self.today = datetime.datetime.now(datetime.UTC)
        self.failure = None
        self.given = 0
        self.asked = []

    def send(self, request, **_):
        self.asked.append((request.method, request.path_url))
        if isinstance(self.failure, Exception):
            raise self.failure
        answer = requests.Response()
        answer.request, answer.url = request, request.url
        if self.failure is None:
            self.given += 1
            answer.status_code, text = 201, json.dumps({"token": self._token()})
        else:
            answer.status_code, text = self.failure
        answer.headers["X-Subject-Token"] = f"token-{self.given}"
        answer.headers["Content-Type"] = "application/json"
        answer._content = text.encode()
        return answer

    def close(self):
        pass

    def _token(self):
        ends = self.today + datetime.timedelta(seconds=self.lifetime_s)
        return {
            "issued_at": self.today.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "expires_at": ends.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "methods": ["password"],
            "user": {"id": "u", "name": "u", "domain": {"id": "d", "name": "d"}},
        }


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def keystone():
    return Keystone()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def keeper(keystone, clock):
    http = requests.Session()
    http.mount("http://", keystone)
    auth = v3.Password(
        auth_url="http://keystone/v3", user_id="u", password="s3cret", project_id="p"
    )
    return TokenKeeper(auth, Session(auth=auth, session=http), clock)


def text(keeper):
    return keeper.current().secret.reveal()


def test_a_token_is_got_and_does_not_show(keeper, keystone):
    token = keeper.current()
    assert token.secret == Secret("token-1")
    assert "token-1" not in repr(token)
    assert keystone.asked == [("POST", "/v3/auth/tokens")]


def test_it_is_kept_until_two_minutes_before_its_end(keeper, clock):
    renew_at = keeper.current().renew_at
    assert renew_at == 1000 + HOUR_S - MARGIN_S == 1000 + HOUR_S - 120
    clock.now = renew_at - 0.001
    assert text(keeper) == "token-1"
    clock.now = renew_at
    assert text(keeper) == "token-2"
    assert keeper.current().renew_at == renew_at + HOUR_S - MARGIN_S


def test_a_short_lived_one_is_kept_for_three_quarters_of_its_life(keeper, keystone, clock):
    keystone.lifetime_s = 40
    assert keeper.current().renew_at == 1030
    clock.now = 1029.9
    assert text(keeper) == "token-1"
    clock.now = 1030
    assert text(keeper) == "token-2"


def test_one_that_was_refused_is_got_anew(keeper):
    keeper.current()
    keeper.forget()
    assert text(keeper) == "token-2"
    assert text(keeper) == "token-2"


@pytest.mark.parametrize("years", [-30, -1, 1, 30])
def test_a_server_whose_time_of_day_is_wrong_keeps_its_token_all_the_same(
    keeper, keystone, clock, years
):
    """Keystone's time is another one than ours, which is the same thing."""
    keystone.today += datetime.timedelta(days=365 * years)
    assert keeper.current().renew_at == 1000 + HOUR_S - MARGIN_S
    clock.now += 1000
    assert text(keeper) == "token-1"


def test_the_time_that_keystone_took_is_on_the_tokens_account(keeper, keystone, clock):
    answer = keystone.send

    def slow(request, **kwargs):
        clock.now += 25
        return answer(request, **kwargs)

    keystone.send = slow
    assert keeper.current().renew_at == 1000 + HOUR_S - MARGIN_S


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        ((401, "{}"), AccessRefused),
        ((403, "{}"), AccessRefused),
        ((404, "{}"), AccessRefused),
        ((400, "{}"), RequestRefused),
        ((429, "{}"), ServiceFailed),
        ((500, "{}"), ServiceFailed),
        ((503, "<html>"), ServiceFailed),
        ((201, "<html>"), TransportError),
        ((201, "{}"), TransportError),
        ((201, '{"token": {}}'), TransportError),
        ((201, '{"token": {"issued_at": "now", "expires_at": "soon"}}'), TransportError),
        (requests.ConnectionError("refused"), Unreachable),
        (requests.Timeout("too slow"), Unreachable),
        (keystone_errors.UnknownConnectionError("no", None), Unreachable),
    ],
    ids=str,
)
def test_every_failure_of_keystone_is_one_of_our_errors(keeper, keystone, failure, error):
    keystone.failure = failure
    with pytest.raises(error) as caught:
        keeper.current()
    assert "get a token from Keystone" in str(caught.value)
    assert "s3cret" not in str(caught.value)
    keystone.failure = None
    assert text(keeper) == "token-1"


def test_a_token_that_cannot_be_renewed_is_not_given_out_at_its_end(keeper, keystone, clock):
    clock.now = keeper.current().renew_at
    keystone.failure = (503, "")
    with pytest.raises(ServiceFailed):
        keeper.current()
