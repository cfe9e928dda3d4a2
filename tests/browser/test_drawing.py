"""Block Kit and mrkdwn as the page draws them."""

from typing import Any

import pytest
from playwright.async_api import expect

from bot.sandbox.blockkit import problems_with_blocks
from bot.sandbox.playground.playground import Playground
from bot.sandbox.stage import PAYMENTS
from bot.sandbox.workspace import Posted
from tests.browser.conftest import Visit
from tests.browser.test_screens import violations

pytestmark = pytest.mark.asyncio(loop_scope="session")

DRAW = """async (text) => {
  const { mrkdwn } = await import('/static/mrkdwn.js');
  const names = {
    me: 'U0ANN', people: new Map([['U0ANN', 'ann'], ['U0BEN', 'ben']]), channels: new Map([['C0PAYMENTS', 'payments']]),
    to: (channel, ts) => `#ann/${channel}` + (ts ? `/m/${ts}` : ''),
  };
  const place = document.createElement('div');
  place.append(...mrkdwn(text, names));
  return place.innerHTML.replaceAll('<div class="text">', '').replaceAll('</div>', '');
}"""

AWAY = 'target="_blank" rel="noopener noreferrer"'
CASES = {
    "a &lt;b&gt; &amp;amp; &quot;": "a &lt;b&gt; &amp;amp; &amp;quot;",
    "*bold* _it_ ~gone~ `a *b* &lt;`": "<strong>bold</strong> <em>it</em> <s>gone</s> <code>a *b* &lt;</code>",
    "*bold _and it_*": "<strong>bold <em>and it</em></strong>",
    "ord_1_a 2*3*4 * no * a_b_ *_~": "ord_1_a 2*3*4 * no * a_b_ *_~",
    "<@U0BEN> and <@U0ANN|ann> and <@U0ZED>": '<span class="mention">@ben</span> and '
    '<span class="mention mine">@ann</span> and <span class="mention">@U0ZED</span>',
    "<#C0PAYMENTS|old> <!here> <!subteam^S1|@leads>": '<a class="mention" href="#ann/C0PAYMENTS">#payments</a> '
    '<span class="mention">@here</span> <span class="mention">@leads</span>',
    "<https://a.example/?x=1&amp;y|a *b*>": f'<a href="https://a.example/?x=1&amp;y" {AWAY}>a *b*</a>',
    "<mailto:a@b.example>": f'<a href="mailto:a@b.example" {AWAY}>mailto:a@b.example</a>',
    "<javascript:alert(1)|go>": "<span>go</span>",
    "<https://local.slack.com/archives/C0PAYMENTS/p1795000000123456|card>": '<a href="#ann/C0PAYMENTS/m/'
    '1795000000.123456">card</a>',
    "on <!date^1392734382^{date_num} {time_secs}|then>": 'on <time title="Tuesday, February 18, 2014 3:39:42 PM">'
    "02/18/2014 3:39:42 PM</time>",
    "<!date^1392734382^{date_short} {nothing}|then>": '<time title="Tuesday, February 18, 2014 3:39:42 PM">'
    "Feb 18, 2014 {nothing}</time>",
    "<!date^soon^{date}|a &lt; b>": '<time title="">A &lt; b</time>',
    "&gt; one\n&gt; *two*\nthree": "<blockquote>one\n<strong>two</strong></blockquote>three",
    "• one\n• two\n1. first\n2. second": "<ul><li>one</li><li>two</li></ul><ol><li>first</li><li>second</li></ol>",
    "before\n```\n*as* &lt;is&gt;\n```\nafter": "before<pre>*as* &lt;is&gt;</pre>after",
    "<img src=x onerror=alert(1)>": "<span>img src=x onerror=alert(1)</span>",
}


async def test_mrkdwn_is_drawn_as_slack_draws_it(visit: Visit) -> None:
    """Escapes, styles, mentions, links, dates, quotes, lists and code are drawn; everything else stays text."""
    page = (await visit("ann", locale="en-US")).page
    assert {text: await page.evaluate(DRAW, text) for text in CASES} == CASES


def words(text: str, **style: bool) -> dict[str, Any]:
    """Return a rich text element of words."""
    return {"type": "text", "text": text, "style": style}


BLOCKS: list[dict[str, Any]] = [
    {"type": "header", "text": {"type": "plain_text", "text": "A *header*"}},
    {
        "type": "section",
        "text": {"type": "mrkdwn", "text": "*bold*"},
        "fields": [{"type": "mrkdwn", "text": "_left_"}, {"type": "plain_text", "text": "*right*"}],
    },
    {"type": "divider"},
    {"type": "context", "elements": [{"type": "mrkdwn", "text": "`small`"}]},
    {
        "type": "rich_text",
        "elements": [
            {
                "type": "rich_text_section",
                "elements": [
                    words("<b>&amp; *as is*\n", bold=True, italic=True),
                    words("gone", strike=True),
                    words("code", code=True),
                    words("under", underline=True),
                    {"type": "user", "user_id": "U0BEN"},
                    {"type": "channel", "channel_id": PAYMENTS},
                    {"type": "usergroup", "usergroup_id": "S0LEADS"},
                    {"type": "broadcast", "range": "here"},
                    {"type": "emoji", "name": "tada"},
                    {"type": "link", "url": "https://a.example/", "text": "away"},
                    {"type": "date", "timestamp": 1392734382, "format": "{date_long}", "fallback": "then"},
                ],
            },
            {"type": "rich_text_quote", "elements": [words("quoted")]},
            {"type": "rich_text_preformatted", "elements": [words("a  b\n c")]},
        ],
    },
    {
        "type": "actions",
        "elements": [
            {"type": "button", "action_id": "old", "text": {"type": "plain_text", "text": "Old"}, "style": "danger"}
        ],
    },
]


async def test_every_block_is_drawn(visit: Visit, playground: Playground) -> None:
    """Each block and rich text that the local Slack accepts is drawn, and an unknown button gets an answer."""
    assert problems_with_blocks(BLOCKS) == []
    space = playground.slack.space
    space.post(Posted(PAYMENTS, space.next_ts(), "all", BLOCKS, space.bot_user_id))
    ann = await visit("ann", locale="en-US")
    row = ann.page.locator("#messages .message")
    await expect(row.locator("h3")).to_have_text("A *header*")
    await expect(row.locator(".section strong")).to_have_text("bold")
    await expect(row.locator(".fields > div")).to_have_text(["left", "*right*"])
    await expect(row.locator("hr")).to_have_count(1)
    await expect(row.locator(".context code")).to_have_text("small")
    await expect(row.locator("em strong")).to_have_text("<b>&amp; *as is*\n")
    await expect(row.locator("s")).to_have_text("gone")
    await expect(row.locator("u")).to_have_text("under")
    await expect(row.locator(".mention")).to_have_text(["@ben", "#payments", "@S0LEADS", "@here"])
    await expect(row).to_contain_text(":tada:")
    await expect(row.get_by_role("link", name="away")).to_have_attribute("href", "https://a.example/")
    await expect(row.locator(".block time")).to_have_text("Tuesday, February 18, 2014")
    await expect(row.locator("blockquote")).to_have_text("quoted")
    assert await row.locator("pre").text_content() == "a  b\n c"
    assert await violations(ann, "every block") == []
    await ann.button("Old").click()
    await expect(ann.message("This button is no longer in use.")).to_be_visible()
