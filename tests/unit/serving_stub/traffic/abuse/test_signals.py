"""The stated thresholds beside what is counted, for each shape and the honest one that comes nearest."""

from __future__ import annotations

import statistics
from collections import Counter

from serving_stub.traffic.abuse.event import EventRow
from tests.unit.serving_stub.traffic.abuse.sets import first_hour, sign_ups, whole_set
from tests.unit.serving_stub.traffic.abuse.signals import (
    distinct,
    gap_cv,
    groups_of,
    is_hosting,
    num_hand_offs,
    num_near_after_refusal,
    p95_of_hours,
    requests,
    share,
    templates,
    tokens,
)


def largest_template(rows: list[EventRow]) -> list[EventRow]:
    """The requests of the template that most have in common."""
    return max(templates(rows).values(), key=len)


def test_a1_is_one_account_with_many_products_behind_servers() -> None:
    """One account within an hour: 40 conversations, 20 system prompts, half from hosting; unknown client."""
    rows = first_hour("A1")
    assert (distinct(rows, "account"), distinct(rows, "ip_prefix")) == (1, 3)
    assert 75 <= distinct(rows, "conversation") <= 105
    assert distinct(rows, "system_prompt_hash") >= 20
    assert share(rows, is_hosting) == 1.0
    assert {row.client_known for row in rows} == {"unknown"}


def test_a_power_user_has_the_conversations_and_no_products() -> None:
    """TABS: 40 conversations too, but no system prompt of his own, one home, the known client."""
    rows = first_hour("TABS")
    assert distinct(rows, "conversation") >= 40
    assert (distinct(rows, "system_prompt_hash"), distinct(rows, "ip_prefix")) == (0, 1)
    assert {row.client_known for row in rows} == {"known"}


def test_a_character_chat_has_products_and_names_its_users() -> None:
    """CHARACTERS: the counts of A1 all hold, and the client is known and names 100 end users."""
    rows = first_hour("CHARACTERS")
    assert distinct(rows, "conversation") >= 40
    assert distinct(rows, "system_prompt_hash") >= 20
    assert {row.client_known for row in rows} == {"known"}
    assert distinct(rows, "safety_identifier") >= 100


def test_a1b_is_the_same_from_homes() -> None:
    """40 conversations, 20 system prompts, 10 prefixes, none of hosting, an imitated client."""
    rows = first_hour("A1b")
    assert distinct(rows, "conversation") >= 40
    assert distinct(rows, "system_prompt_hash") >= 20
    assert distinct(rows, "ip_prefix") >= 10
    assert share(rows, is_hosting) == 0.0
    assert {row.client_known for row in rows} == {"spoofed"}


def test_a2_hands_bodies_from_owner_to_owner() -> None:
    """One client and prefix: 5 owners, 10 hand-offs of one body within 30 seconds, 20 system prompts."""
    rows = first_hour("A2")
    assert (distinct(rows, "client_fp"), distinct(rows, "ip_prefix"), distinct(rows, "org")) == (1, 1, 14)
    assert num_hand_offs(rows) >= 40
    assert distinct(rows, "system_prompt_hash") >= 20


def test_owners_who_bring_their_keys_hand_nothing_off() -> None:
    """BYOK: owners, products and 429s as in A2; the same body comes again under the same key."""
    rows = first_hour("BYOK")
    assert (distinct(rows, "client_fp"), distinct(rows, "ip_prefix")) == (1, 1)
    assert distinct(rows, "org") >= 35
    assert distinct(rows, "system_prompt_hash") >= 20
    assert sum(row.status == 429 for row in rows) >= 20
    assert num_hand_offs(rows) == 0


def test_a3_is_a_key_that_is_suddenly_everywhere() -> None:
    """15 prefixes, 6 networks, 4 countries, 4 clients, five times the p95 of its own week."""
    rows = first_hour("A3")
    assert distinct(rows, "key_hash") == 1
    assert (distinct(rows, "ip_prefix"), distinct(rows, "country"), distinct(rows, "client_fp")) == (40, 10, 5)
    assert distinct(rows, "asn") >= 30
    usual = p95_of_hours(requests(whole_set("A3")), rows[0].ts)
    assert usual == 12
    assert len(rows) >= 5 * usual


def test_a_remote_team_stays_below_in_every_count() -> None:
    """B6: twelve prefixes, three countries, three clients, and no more than in other weeks."""
    rows = first_hour("B6")
    assert (distinct(rows, "ip_prefix"), distinct(rows, "country"), distinct(rows, "client_fp")) == (12, 3, 3)
    assert len(rows) < 2 * p95_of_hours(requests(whole_set("B6")), rows[0].ts)


def test_a_build_farm_has_prefixes_and_one_network() -> None:
    """B4 has 60 prefixes but one network and client; CLOUDS six networks and four countries but one client."""
    farm, clouds = first_hour("B4"), first_hour("CLOUDS")
    assert (distinct(farm, "ip_prefix"), distinct(farm, "asn"), distinct(farm, "client_fp")) == (60, 1, 1)
    assert (distinct(farm, "request_hash"), len(farm)) == (20, 1920)
    assert (distinct(clouds, "asn"), distinct(clouds, "country"), distinct(clouds, "client_fp")) == (6, 4, 1)


def test_a4_tries_keys_with_the_shortest_prompt() -> None:
    """15 keys within ten minutes, 60 % unknown, a median prompt of at most 20 tokens."""
    rows = first_hour("A4", length_s=300.0)
    assert distinct(rows, "key_hash") == 60
    assert share(rows, lambda row: row.status == 401) == 0.8
    assert statistics.median(row.prompt_tokens for row in rows if row.prompt_tokens is not None) == 9


def test_a5_floods_and_shares_nothing() -> None:
    """300,000 tokens in five minutes, none of its prompts cached, a new organisation."""
    rows = first_hour("A5", length_s=300.0)
    assert tokens(rows) >= 300_000
    assert sum(row.cached_tokens or 0 for row in rows) == 0
    assert {row.completion_tokens == row.max_tokens for row in rows} == {True}
    assert rows[0].account_age < 86_400


def test_a_nightly_batch_floods_as_every_night_and_is_cached() -> None:
    """B7: as many tokens in five minutes, on the batch endpoint, nine of ten cached, seven nights alike."""
    rows = requests(whole_set("B7"))
    nights = Counter(int((row.ts - rows[0].ts + 3600) // 86_400) for row in rows)
    assert nights == dict.fromkeys(range(8), 400)
    assert tokens([row for row in rows if row.ts - rows[0].ts < 300]) >= 250_000
    assert sum(row.cached_tokens or 0 for row in rows) / sum(row.prompt_tokens or 0 for row in rows) == 0.92
    assert {row.endpoint for row in rows} == {"batch"}


def test_an_announced_load_test_floods_within_its_window() -> None:
    """B8: 1,200 requests of 1,000 tokens in ten minutes."""
    rows = first_hour("B8")
    assert (len(rows), {row.prompt_tokens for row in rows}) == (1200, {1000})
    assert rows[-1].ts - rows[0].ts <= 600


def test_a6_is_one_template_from_fresh_accounts() -> None:
    """200 requests in an hour of 5 organisations, 10 an account, half from hosting, a median age of 14 days."""
    rows = first_hour("A6")
    assert len(largest_template(rows)) >= 240
    assert (len(rows), distinct(rows, "org")) == (280, 14)
    assert set(Counter(row.account for row in rows).values()) == {20}
    assert share(rows, is_hosting) >= 0.5
    assert statistics.median(row.account_age for row in rows) <= 14 * 86_400


def test_a_viral_prompt_comes_once_from_each() -> None:
    """B10: 900 requests of one text, one a person, none from hosting, accounts of all ages."""
    rows = first_hour("B10")
    assert (len(rows), distinct(rows, "simhash"), distinct(rows, "account")) == (900, 1, 900)
    assert share(rows, is_hosting) == 0.0
    assert statistics.median(row.account_age for row in rows) >= 300 * 86_400


def test_a7_is_one_template_on_few_cards_like_clockwork() -> None:
    """30 accounts in six hours, 10 requests each, 5 accounts a card, gaps with a CV of at most 0.8."""
    rows = first_hour("A7", length_s=6 * 3600.0)
    assert largest_template(rows) == rows
    accounts = groups_of(rows, lambda row: row.account)
    assert len(accounts) == 70
    assert min(map(len, accounts.values())) >= 25
    cards = Counter(own[0].signup.payment_fp for own in accounts.values() if own[0].signup is not None)
    assert set(cards.values()) == {10}
    assert max(map(gap_cv, accounts.values())) <= 0.8
    hourly = Counter((row.account, int((row.ts - rows[0].ts) // 3600)) for row in rows)
    assert 5 <= statistics.median(hourly.values()) <= 7


def test_a8_rewords_after_refusals() -> None:
    """Within a quarter of an hour 6 refusals and 4 near-duplicates, none of them identical, soon after one."""
    rows = first_hour("A8", length_s=900.0)
    assert (len(rows), distinct(rows, "account"), distinct(rows, "request_hash")) == (12, 1, 12)
    assert sum(row.refused for row in rows) == 9
    assert num_near_after_refusal(rows) >= 8


def test_a_retrying_telephone_rewords_nothing() -> None:
    """B2: the same body again and again over five prefixes of one network, without a refusal."""
    rows = first_hour("B2")
    assert (distinct(rows, "ip_prefix"), distinct(rows, "asn"), distinct(rows, "request_hash")) == (5, 1, 12)
    assert len(rows) >= 36
    assert (sum(row.refused for row in rows), num_near_after_refusal(rows)) == (0, 0)


def test_a_novelist_is_seldom_refused_and_asks_something_else_then() -> None:
    """B9: two refusals in two hours, no rewording."""
    rows = requests(whole_set("B9"))
    assert (len(rows), sum(row.refused for row in rows), num_near_after_refusal(rows)) == (30, 2, 0)


def test_a9_is_one_skeleton_that_is_often_refused() -> None:
    """10 accounts within an hour, 30 % refused."""
    rows = first_hour("A9")
    assert largest_template(rows) == rows
    assert (len(rows), distinct(rows, "account")) == (100, 25)
    assert share(rows, lambda row: row.refused) >= 0.3


def test_a_classroom_is_one_template_that_is_hardly_refused() -> None:
    """B1: 36 accounts, one text, an education network, the known client, at most one in twenty refused."""
    rows = first_hour("B1")
    assert (len(largest_template(rows)), len(rows), distinct(rows, "account")) == (144, 144, 36)
    assert {(row.asn_type, row.client_known) for row in rows} == {("education", "known")}
    assert share(rows, lambda row: row.refused) <= 0.05


def test_a10_signs_up_with_few_devices_and_cards() -> None:
    """Within forty minutes 30 sign-ups over 6 prefixes, 10 and more sharing two traits, half from hosting."""
    rows = sign_ups("A10")
    assert (len(rows), len({row.ip_prefix for row in rows})) == (30, 6)
    assert rows[-1].ts - rows[0].ts <= 2400
    assert Counter((row.signup.device_fp, row.signup.mail_pattern) for row in rows).most_common(1)[0][1] == 15
    assert share(rows, is_hosting) >= 0.5


def test_honest_crowds_share_one_trait() -> None:
    """B1 has a school's mail, CONFERENCE a coupon, B3 the common kinds of mail; each has a device of his own."""
    for shape_id, num_sign_ups, num_cards in (("B1", 36, 0), ("CONFERENCE", 45, 1), ("B3", 1500, None)):
        rows = sign_ups(shape_id)
        cards = {row.signup.payment_fp for row in rows} - {None}
        assert (len(rows), len({row.signup.device_fp for row in rows})) == (num_sign_ups, num_sign_ups)
        assert num_cards is None or len(cards) == num_cards
        assert share(rows, is_hosting) == 0.0


def test_a_launch_is_many_modest_people() -> None:
    """B3: nobody asks more than a few times, and no prefix holds more than a twentieth."""
    rows = requests(whole_set("B3"))
    assert max(Counter(row.account for row in rows).values()) <= 3
    assert max(Counter(row.ip_prefix for row in rows).values()) <= 0.05 * len(rows)


def test_a_product_has_one_owner_and_two_system_prompts() -> None:
    """B5: 400 end users by name, three keys, two prefixes."""
    rows = requests(whole_set("B5"))
    assert (distinct(rows, "org"), distinct(rows, "key_hash"), distinct(rows, "ip_prefix")) == (1, 3, 2)
    assert (distinct(rows, "system_prompt_hash"), distinct(rows, "safety_identifier")) == (2, 400)
    assert distinct(rows, "conversation") == len(rows)
