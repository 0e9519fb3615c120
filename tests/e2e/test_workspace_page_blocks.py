"""Block Kit on the page: each block and element is shown as Slack shows it, and what is chosen reaches the bot."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from tests.support.browser import chromium
from tests.support.waiting import until
from tests.support.workspace_bot import Payload, actions, button, mrkdwn, option, plain, seen

pytestmark = pytest.mark.e2e

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c02"
    "0000000b4944415478da6364f80f00010501012718e3660000000049454e44ae426082"
)
OPTIONS = [option("One"), option("Two"), option("Three")]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium."""
    async with chromium() as started:
        yield started


async def test_text_blocks(browser: Browser) -> None:
    """Header, section with fields and accessory, context, divider: in their places, text only."""
    blocks: list[Payload] = [
        {"type": "header", "block_id": "head", "text": plain("KV cache :fire: on eu-1")},
        {
            "type": "section",
            "block_id": "sec",
            "text": mrkdwn("*bold* _italic_ ~gone~ `code`\n> quoted\n• item\n```a\n  b```"),
            "fields": [mrkdwn("*Severity*\ncritical"), plain("*plain*")],
            "accessory": button("Why", "why"),
        },
        {"type": "divider", "block_id": "line"},
        {"type": "context", "block_id": "con", "elements": [mrkdwn("INC-1"), plain("said :coffee:")]},
    ]
    async with seen(browser) as (bot, page, _):
        await bot.post("fallback", blocks=blocks)
        card = page.locator("#channel .card")
        await expect(card.locator("h2.header .emoji")).to_have_text("🔥")
        for tag, text in (("b", "bold"), ("i", "italic"), ("s", "gone"), ("code", "code")):
            await expect(card.locator(f"[data-block-id=sec] .body > p {tag}").first).to_have_text(text)
        await expect(card.locator("blockquote")).to_have_text("quoted")
        await expect(card.locator("pre")).to_have_text("a\n  b")
        await expect(card.locator(".fields p").nth(1)).to_have_text("*plain*")
        await expect(card.locator(".context .emoji")).to_have_text("☕")
        await expect(card.locator("hr.block")).to_have_count(1)
        await card.get_by_role("button", name="Why").click()
        await until(lambda: bot.pressed() == [("U0ONCALL", "why")])
        assert bot.presses[0]["actions"][0]["value"] == "v-1"


async def test_an_empty_line_below_a_list_is_one_line(browser: Browser) -> None:
    """What stands below a list is as far from it as below any other line."""
    async with seen(browser) as (bot, page, _):
        await bot.post("fallback", blocks=[{"type": "section", "text": mrkdwn("• item\n\nbelow *it*")}])
        await bot.post("fallback", blocks=[{"type": "section", "text": mrkdwn("a line\n\nbelow *it*")}])
        bold = page.locator("#channel .card b")
        await expect(bold).to_have_count(2)
        tops = await page.locator("#channel .card").evaluate_all(
            "cards => cards.map((card) => card.querySelector('b').getBoundingClientRect().top"
            " - card.querySelector('.section').getBoundingClientRect().top)"
        )
        assert abs(tops[0] - tops[1]) < 8, tops


async def test_mentions_dates_and_links(browser: Browser) -> None:
    """References are shown by name, those that call the reader stand out, and dates are in the reader's own time."""
    text = (
        "<@U0ONCALL> <@U0COMMANDER> <#C0OPS> <!subteam^S0ONCALL|@oncall> <!here> <!channel> :+1::skin-tone-3: :no_such:"
        " <!date^1700000000^{date_num} {time_secs}^https://example.org/at|then> <https://example.org|site>"
        " <mailto:a@example.org|mail> https://example.org/bare. a &lt;b&gt; &amp;lt;"
    )
    async with seen(browser) as (bot, page, _):
        await bot.post(text)
        shown = page.locator("#channel .text")
        await expect(shown.locator(".mention.me")).to_have_text(["@on-call engineer", "@oncall", "@here", "@channel"])
        await expect(shown.locator(".mention").nth(1)).to_have_text("@incident commander")
        await expect(shown.locator(".emoji")).to_have_text("👍")
        await expect(shown).to_contain_text(":no_such:")
        await expect(shown.locator("time")).to_have_text("2023-11-14 22:13:20")
        hrefs = await shown.locator("a").evaluate_all("found => found.map(a => a.getAttribute('href'))")
        assert hrefs == [
            "https://example.org/at", "https://example.org", "mailto:a@example.org", "https://example.org/bare",
        ]  # fmt: skip
        await expect(shown).to_contain_text("a <b> &lt;")
        await shown.get_by_role("button", name="#ops").click()
        await expect(page.locator("#channel-name")).to_have_text("# ops")


async def test_rich_text_markdown_and_tables(browser: Browser) -> None:
    """Rich text keeps its styles and nested lists, Markdown its headings, lists and tables, a table its alignment."""
    bold: Payload = {"type": "text", "text": "changed", "style": {"bold": True, "strike": True}}
    inline: list[Payload] = [
        bold,
        {"type": "user", "user_id": "U0COMMANDER"},
        {"type": "usergroup", "usergroup_id": "S0ONCALL"},
        {"type": "channel", "channel_id": "C0OPS"},
        {"type": "emoji", "name": "rotating_light"},
        {"type": "broadcast", "range": "here"},
        {"type": "link", "url": "https://example.org", "text": "site"},
        {"type": "date", "timestamp": 1700000000, "format": "{date_num}", "fallback": "then"},
    ]

    def listed(style: str, indent: int, text: str) -> Payload:
        item = {"type": "rich_text_section", "elements": [{"type": "text", "text": text}]}
        return {"type": "rich_text_list", "style": style, "indent": indent, "elements": [item]}

    rich: Payload = {
        "type": "rich_text",
        "elements": [
            {"type": "rich_text_section", "elements": inline},
            listed("bullet", 0, "outer"),
            listed("ordered", 1, "inner"),
            {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "x = 1"}]},
            {"type": "rich_text_quote", "elements": [{"type": "text", "text": "as agreed"}]},
        ],
    }
    rows = [[{"type": "raw_text", "text": text} for text in row] for row in (("cluster", "KV"), ("eu-1", "97 %"))]
    table: Payload = {"type": "table", "column_settings": [{}, {"align": "right"}], "rows": rows}
    source = (
        "## Why\n**full** and *long*\n\n- one\n  1. deep\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n```\ncode\n```\n> said"
    )
    async with seen(browser) as (bot, page, _):
        await bot.post("rich", blocks=[rich, table, {"type": "markdown", "text": source}])
        shown = page.locator("#channel .rich-text")
        await expect(shown.locator("s > b")).to_have_text("changed")
        await expect(shown).to_contain_text("@incident commander@oncall#ops🚨@heresite2023-11-14")
        await expect(shown.locator("ul.depth0 li")).to_have_text("outer")
        await expect(shown.locator("ol.depth1[type=a] li")).to_have_text("inner")
        await expect(shown.locator("pre")).to_have_text("x = 1")
        await expect(shown.locator("blockquote")).to_have_text("as agreed")
        await expect(page.locator(".block.table td.right")).to_have_text("97 %")
        written = page.locator("#channel .markdown")
        await expect(written.locator("h3")).to_have_text("Why")
        await expect(written.locator("p b")).to_have_text("full")
        await expect(written.locator("ul > li > ol > li")).to_have_text("deep")
        await expect(written.locator("td.right")).to_have_text("2")
        await expect(written.locator("pre")).to_have_text("code")


async def test_pictures_files_and_videos(browser: Browser) -> None:
    """An uploaded picture is shown from the workspace and enlarged by a press; other files and videos are links."""
    async with seen(browser) as (bot, page, _):
        given = await bot.client.files_upload_v2(
            content=PNG, filename="chart.png", title="KV cache", alt_txt="It rises to 97 %", channel="C0INCIDENTS"
        )
        await bot.client.files_upload_v2(
            content="a,b\n", filename="night.csv", title="The night", channel="C0INCIDENTS"
        )
        file_id = given["file"]["id"]
        image: Payload = {
            "type": "image",
            "slack_file": {"id": file_id},
            "alt_text": "Chart",
            "title": plain("Last hour"),
        }
        video: Payload = {
            "type": "video", "title": plain("Drill"), "title_url": "https://example.org/v", "alt_text": "A drill",
            "video_url": "https://example.org/embed", "thumbnail_url": "https://example.org/t.png",
        }  # fmt: skip
        await bot.post("pictures", blocks=[image])
        alone = page.locator(".files img[alt='It rises to 97 %']")
        await expect(alone).to_be_visible()
        assert await alone.evaluate("image => image.naturalWidth") == 1
        await expect(page.locator("a.file")).to_contain_text("The night")
        chart = page.locator(".card figure")
        await expect(chart.locator("figcaption")).to_have_text("Last hour")
        await chart.get_by_role("button", name="Enlarge: Chart").click()
        await expect(page.locator("#lightbox img[alt=Chart]")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.locator("#lightbox")).to_be_hidden()
    asked: list[str] = []
    async with seen(browser) as (bot, page, _):
        page.on("request", lambda request: asked.append(request.url))
        await bot.post(
            "x",
            blocks=[
                video,
                {**{k: image[k] for k in ("type", "alt_text", "title")}, "image_url": "https://example.org/i.png"},
            ],
        )
        await expect(page.locator(".video a").first).to_have_attribute("href", "https://example.org/v")
        await expect(page.locator("figure a")).to_have_attribute("href", "https://example.org/i.png")
        await expect(page.locator("figure .no-picture")).to_have_attribute("aria-label", "Chart")
    assert not [url for url in asked if "example.org" in url]


async def test_what_the_page_does_not_know_stands_there(browser: Browser) -> None:
    """An unknown block, and an unknown element, are named instead of left out."""
    blocks: list[Payload] = [{"type": "carousel"}, actions({"type": "wheel", "action_id": "w"})]
    async with seen(browser) as (_, page, workspace):
        channel = workspace.state.channel("incidents")
        workspace.state.post(channel, {"text": "x", "blocks": blocks}, user_id="U0OPSBOT")
        await expect(page.locator("#channel .unknown")).to_have_text(
            ["(a carousel block, which this page does not show)", "(a wheel element, which this page does not show)"]
        )


async def test_buttons_and_menus_that_ask_first(browser: Browser) -> None:
    """Styles, labels for screen readers, links; a question is put before anything is told to the bot."""
    ask = {
        "title": plain("Sure?"),
        "text": mrkdwn("*Nothing* is undone."),
        "confirm": plain("Do it"),
        "deny": plain("No"),
    }
    menu = {"type": "overflow", "action_id": "more", "options": [option("Hold"), option("Resolve")], "confirm": ask}
    blocks = [
        actions(
            button("Approve", "approve", style="primary", accessibility_label="Approve the resize"),
            button("Object", "object", style="danger", confirm={**ask, "style": "danger"}),
            button("Graph", "graph", url="https://example.org/graph"),
            menu,
        )
    ]
    async with seen(browser) as (bot, page, _):
        await page.context.route("https://example.org/**", lambda route: route.fulfill(body="graph"))
        await bot.post("buttons", blocks=blocks)
        card = page.locator("#channel .card")
        await expect(card.locator("button.primary")).to_have_attribute("aria-label", "Approve the resize")
        await card.get_by_role("button", name="Object").click()
        await expect(page.locator("#confirm p b")).to_have_text("Nothing")
        await page.locator("#confirm").get_by_role("button", name="No").click()
        await card.get_by_role("button", name="Object").click()
        await page.locator("#confirm").get_by_role("button", name="Do it").click()
        await until(lambda: bot.pressed() == [("U0ONCALL", "object")])
        async with page.context.expect_page() as opened:
            await card.get_by_role("button", name="Graph").click()
        assert (await opened.value).url == "https://example.org/graph"
        await page.bring_to_front()
        await card.locator("summary").click()
        await expect(card.get_by_role("button", name="Resolve")).to_be_visible()
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Enter")
        await page.locator("#confirm").get_by_role("button", name="Do it").click()
        await until(lambda: len(bot.presses) == 3)
        assert bot.presses[2]["actions"][0]["selected_option"]["value"] == "resolve"


SELECTS: list[tuple[Payload, str, list[str], dict[str, Any]]] = [
    ({"type": "static_select", "options": OPTIONS}, "two", ["Two"], {"selected_option": option("Two")}),
    (
        {"type": "static_select", "option_groups": [{"label": plain("Europe"), "options": OPTIONS}]},
        "thr",
        ["Three"],
        {"selected_option": option("Three")},
    ),
    ({"type": "users_select"}, "commander", ["incident commander"], {"selected_user": "U0COMMANDER"}),
    ({"type": "channels_select"}, "ops-u", ["ops-utilisation"], {"selected_channel": "C0UTILISATION"}),
    ({"type": "conversations_select"}, "incidents", ["incidents"], {"selected_conversation": "C0INCIDENTS"}),
    ({"type": "multi_static_select", "options": OPTIONS}, "", ["One", "Three"], {"selected_options": OPTIONS[::2]}),
    (
        {"type": "multi_users_select"},
        "engineer",
        ["on-call engineer", "second engineer"],
        {"selected_users": ["U0ONCALL", "U0SECOND"]},
    ),
    ({"type": "multi_channels_select"}, "ops", ["#ops"], {"selected_channels": ["C0OPS"]}),
    ({"type": "multi_conversations_select"}, "general", ["general"], {"selected_conversations": ["C0GENERAL"]}),
]


@pytest.mark.parametrize(("element", "typed", "chosen", "value"), SELECTS, ids=lambda one: str(one)[:40])
async def test_selects(browser: Browser, element: Payload, typed: str, chosen: list[str], value: Payload) -> None:
    """A press opens a list, typing narrows it, and what is chosen is told once, with Slack's own names."""
    async with seen(browser) as (bot, page, _):
        await bot.post("choose", blocks=[actions({**element, "action_id": "pick"})])
        field = page.locator("#channel .select-field")
        await field.click()
        await page.locator(".select-list .search").fill(typed)
        for name in chosen:
            await page.locator(".select-list").get_by_role("option", name=name).first.click()
        if element["type"].startswith("multi"):
            await page.keyboard.press("Escape")
        await until(lambda: len(bot.presses) == 1)
        action = bot.presses[0]["actions"][0]
        assert {name: action[name] for name in value} == value
        assert bot.presses[0]["state"]["values"]["act"]["pick"] == {"type": element["type"], **value}
        for name in chosen:
            await expect(field).to_contain_text(name.removeprefix("#"))


async def test_an_external_select_asks_the_bot(browser: Browser) -> None:
    """The bot is asked once enough is typed; its groups are shown, and the keys choose."""
    groups = [{"label": plain("Runbooks"), "options": [option("Relieve"), option("Drain")]}]
    async with seen(browser) as (bot, page, _):
        bot.options = {"option_groups": groups}
        element = {"type": "external_select", "action_id": "pick", "min_query_length": 2}
        await bot.post("choose", blocks=[actions(element)])
        await page.locator("#channel .select-field").click()
        await page.keyboard.type("d")
        await expect(page.locator(".select-list .note")).to_have_text("Type 2 or more letters")
        await page.keyboard.type("r")
        await expect(page.locator(".select-list .group")).to_have_text("Runbooks")
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Enter")
        await until(lambda: len(bot.presses) == 1)
        assert bot.asked == ["dr"]
        assert bot.presses[0]["actions"][0]["selected_option"]["value"] == "drain"


async def test_dates_boxes_and_text_in_a_message(browser: Browser) -> None:
    """Pickers, check boxes, radio buttons and a text that is told on Enter: each with Slack's own names."""
    elements: list[Payload] = [
        {"type": "datepicker", "action_id": "day"},
        {"type": "timepicker", "action_id": "time"},
        {"type": "datetimepicker", "action_id": "until"},
        {"type": "checkboxes", "action_id": "boxes", "options": OPTIONS, "initial_options": OPTIONS[:1]},
        {"type": "radio_buttons", "action_id": "radio", "options": OPTIONS},
    ]
    said: Payload = {
        "type": "input", "block_id": "said", "dispatch_action": True, "label": plain("Why"),
        "element": {"type": "plain_text_input", "action_id": "why"},
    }  # fmt: skip
    async with seen(browser) as (bot, page, _):
        await bot.post("choose", blocks=[actions(*elements), said])
        card = page.locator("#channel .card")
        await card.locator("input[type=date]").fill("2026-11-28")
        await card.locator("input[type=time]").fill("04:00")
        await card.locator("input[type=datetime-local]").fill("2026-11-28T04:30")
        await card.get_by_role("checkbox", name="Three").check()
        await card.get_by_role("radio", name="Two").check()
        await card.get_by_label("Why").fill("queue")
        await page.keyboard.press("Enter")
        await until(lambda: len(bot.presses) == 6)
        told = {body["actions"][0]["action_id"]: body["actions"][0] for body in bot.presses}
        assert told["day"]["selected_date"] == "2026-11-28"
        assert told["time"]["selected_time"] == "04:00"
        assert told["until"]["selected_date_time"] == 1795840200
        assert [one["value"] for one in told["boxes"]["selected_options"]] == ["one", "three"]
        assert told["radio"]["selected_option"]["value"] == "two"
        assert told["why"]["value"] == "queue"
        values = bot.presses[-1]["state"]["values"]
        assert set(values["act"]) == {"day", "time", "until", "boxes", "radio"}


async def test_an_open_menu_is_not_taken_away(browser: Browser) -> None:
    """While a menu stands open its message waits with the bot's edit, and shows it once the menu is closed."""
    menu: Payload = {"type": "overflow", "action_id": "more", "options": [option("Hold"), option("Resolve")]}

    def blocks(text: str) -> list[Payload]:
        return [{"type": "section", "text": mrkdwn(text), "accessory": menu}]

    async with seen(browser) as (bot, page, _):
        ts = await bot.post("first", blocks=blocks("first"))
        await page.locator("#channel summary").click()
        await bot.client.chat_update(channel="C0INCIDENTS", ts=ts, text="second", blocks=blocks("second"))
        await bot.post("later")
        await expect(page.locator("#channel article")).to_have_count(2)
        await expect(page.locator("#channel .section")).to_contain_text("first")
        await expect(page.get_by_role("button", name="Hold")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.locator("#channel .section")).to_contain_text("second")


async def test_what_is_chosen_survives_an_edit(browser: Browser) -> None:
    """While the bot edits its message, a half-written field keeps its text, its focus and its caret."""
    element: Payload = {"type": "plain_text_input", "action_id": "why"}
    said: Payload = {"type": "input", "block_id": "said", "label": plain("Why"), "element": element}
    async with seen(browser) as (bot, page, _):
        ts = await bot.post("first", blocks=[{"type": "section", "text": mrkdwn("first")}, said])
        await page.locator("#channel .card input").fill("half a sent")
        await bot.client.chat_update(
            channel="C0INCIDENTS", ts=ts, text="second", blocks=[{"type": "section", "text": mrkdwn("second")}, said]
        )
        await expect(page.locator("#channel .card .section")).to_have_text("second")
        await page.keyboard.type("ence")
        await expect(page.locator("#channel .card input")).to_have_value("half a sentence")
