"""Sign-ups as the door's account feed takes them."""

from __future__ import annotations

import httpx
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from serving_stub.frontdoor.account_feed import AccountFeed as DoorsFeed
from serving_stub.frontdoor.event import SignupEvent
from serving_stub.traffic.account_feed import AccountFeed, SignUp
from serving_stub.traffic.client_profile import BROWSER
from serving_stub.traffic.network import network
from serving_stub.traffic.persona import Persona
from serving_stub.traffic.tally import Tally

PLACE = network("hosting", 3, "US")
WHO = Persona("acme", "one", None, BROWSER, PLACE, PLACE.address(1), "US")
SIGN_UP = SignUp(1.0, WHO, "A10", "card-1", "device-1", "word####@freemail")


async def told(answer: Response | None = None) -> tuple[Tally, list[SignupEvent], list[str | None]]:
    """What is counted, what the door logs, and which authorization came, when one sign-up is posted."""
    logged: list[SignupEvent] = []
    authorizations: list[str | None] = []
    feed = DoorsFeed(logged.append)

    async def events(request: Request) -> Response:
        authorizations.append(request.headers.get("authorization"))
        return answer or JSONResponse(feed.tell((await request.json())["events"]).model_dump())

    app = Starlette(routes=[Route("/events", events, methods=["POST"])])
    tally = Tally()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server") as http:
        await AccountFeed(http, SecretStr("feed-token"), lambda: 1_790_000_000.0).post(SIGN_UP, tally)
    return tally, logged, authorizations


async def test_the_doors_feed_takes_it() -> None:
    """Every trait arrives, with the client and the time at which it was told."""
    tally, (event,), authorizations = await told()
    assert (tally.sign_ups, tally.sign_ups_failed) == (1, 0)
    assert (event.org, event.account, event.ts, event.client_fp) == ("acme", "one", 1_790_000_000.0, "web-2026.11")
    assert event.signup.payment_fp == "card-1"
    assert event.signup.device_fp == "device-1"
    assert event.signup.mail_pattern == "word####@freemail"
    assert authorizations == ["Bearer feed-token"]


@pytest.mark.parametrize(
    "answer",
    [Response("{}", 403), JSONResponse({"accepted": 0, "rejected": ["events[0].ts: wrong"]}), Response("rubbish")],
    ids=["refused", "rejected", "rubbish"],
)
async def test_what_was_not_taken_is_counted(answer: Response) -> None:
    """A sign-up that the door did not keep is a failed one."""
    tally, _, _ = await told(answer)
    assert (tally.sign_ups, tally.sign_ups_failed) == (0, 1)
