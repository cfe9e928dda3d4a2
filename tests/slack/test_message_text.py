"""The order ids in a message's text: those that are meant, and in doubt fewer."""

import html
import re

import pytest
from hypothesis import given, strategies as st

from bot.domain.ids import EXAMPLE, ORDER_ID, is_order_id
from bot.slack.message_text import order_ids

PATTERN = re.compile(ORDER_ID)
PAGE = "https://console.test/orders/{order_id}"


@pytest.mark.parametrize(
    "text, found",
    [
        ("", []),
        ("please cancel it", []),
        ("ord_1", ["ord_1"]),
        ("ord_1, ord_2; ord_3 and ord_4.", ["ord_1", "ord_2", "ord_3", "ord_4"]),
        ("ord_1,ord_2", ["ord_1", "ord_2"]),
        ("(ord_1) “ord_2” 'ord_3' *ord_4* _ord_5_ ~ord_6~ #ord_7", [f"ord_{number}" for number in range(1, 8)]),
        ("_*ord_1*_ and *_ord_2_*", ["ord_1", "ord_2"]),
        ("`ord_1` ```\nord_2\nord_3 is paid```", ["ord_1", "ord_2", "ord_3"]),
        ("&gt; ord_1\n&gt; ord_2 &amp; ord_3", ["ord_1", "ord_2", "ord_3"]),
        ("ord_2 ord_1 ord_2", ["ord_2", "ord_1"]),
        ("• ord_1\n• ord_2\u200b\n1. ord_3", ["ord_1", "ord_2", "ord_3"]),
        ("<https://console.test/orders/ord_1|ord_1>", ["ord_1"]),
        ("<https://console.test/orders/ord_1>", []),
        ("<@U0ANN1|ord_1> <#C01|ord_2> <!subteam^S01|ord_3> <mailto:ord_4@x.test|ord_4@x.test> :ord_5:", []),
        ("2026-11-23 at 10:30, 4 x 25.00, order 17, ord_x", []),
        ("ord/1 ord_1/2 ord_ä1", []),
        ("ord_" + "1" * 300, []),
    ],
)
def test_ids_of_the_shape_of_the_default_example(text: str, found: list[str]) -> None:
    """What begins like ord_1001 and has a digit is an order, wherever it stands, but in mentions and addresses."""
    assert list(order_ids(text, PATTERN, EXAMPLE)) == found


@pytest.mark.parametrize(
    "example, text, found",
    [
        ("ORD-77", "ORD-1 ORD-A2 ord-3 INV-4", ["ORD-1", "ORD-A2"]),
        ("A17", "A1 A200 B17 A17B Apple2", ["A1", "A200"]),
        ("10017", "10018 9 20261123 10019, +49 30 12345", ["10018", "10019", "12345"]),
        ("3f2a1b4c-0000-1111", "aaaa1111-bbbb-2222 2026-11-23 a-1", ["aaaa1111-bbbb-2222"]),
        ("7-a", "8-b 2026-1", ["8-b"]),
    ],
)
def test_ids_of_the_shape_of_an_example_that_is_set(example: str, text: str, found: list[str]) -> None:
    """A beginning of letters, a number of digits, or signs in the same places tell an order from other words."""
    assert list(order_ids(text, PATTERN, example)) == found


@pytest.mark.parametrize("example", [None, EXAMPLE])
@pytest.mark.parametrize(
    "text, found",
    [
        ("`10017` and gpt-4", ["10017"]),
        ("```10017\n10018\nnot this 10019```", ["10017", "10018"]),
        ("<https://x.test/1|INV-17> and gpt-4", ["INV-17"]),
        ("<https://x.test/1|see INV-17> or INV-18", ["INV-17", "INV-18"]),
        ("INV-17 twice, 10017 times", ["INV-17"]),
        ("call 10017 on 2026-11-23", []),
    ],
)
def test_ids_without_a_shape(example: str | None, text: str, found: list[str]) -> None:
    """What is set apart as code or as a link goes before words that only look like ids."""
    assert list(order_ids(text, PATTERN, example)) == found


def test_an_example_that_is_set_rules_out_what_has_another_shape() -> None:
    """Its operator has said what an order ID looks like."""
    assert order_ids("`INV-17` and gpt-4", PATTERN, "ORD-1") == ()


@pytest.mark.parametrize("example", [None, EXAMPLE, "ORD-1"])
def test_the_address_of_an_orders_page_leads_to_its_id(example: str | None) -> None:
    """The setting ORDER_URL says which addresses are those of orders; all others say nothing."""
    text = (
        "<https://console.test/orders/Z%2D9|this one>, <https://console.test/orders/Z-9>, <https://x.test/orders/Z-8>"
    )
    assert order_ids(text, PATTERN, example, PAGE) == ("Z-9",)
    assert (
        order_ids("<https://console.test/orders/Z-9/items> <https://console.test/orders/>", PATTERN, None, PAGE) == ()
    )


def test_every_id_fits_the_pattern_of_the_settings() -> None:
    """The shape is not enough."""
    assert order_ids("ord_12 ord_1x ord_345", re.compile(r"ord_\d+"), EXAMPLE) == ("ord_12", "ord_345")


def test_ids_are_found_up_to_slacks_longest_message() -> None:
    """Two hundred are found as well as two; what the form has room for is the form's."""
    assert len(order_ids(" ".join(f"ord_{number}" for number in range(200)), PATTERN, EXAMPLE)) == 200
    assert order_ids("x" * 40_000 + " ord_1", PATTERN, EXAMPLE) == ()


@pytest.mark.parametrize("text", ["<" * 40_000, "`" * 40_000, ":a" * 20_000, "<https://x|" * 3_000, "```" * 13_000])
def test_no_text_holds_up_everybody(text: str) -> None:
    """Half a mark, written very often, is looked through once."""
    assert order_ids(text, PATTERN, None, PAGE) == ()


@given(st.text(max_size=300), st.sampled_from([None, EXAMPLE, "A17", "10017"]))
def test_any_text_is_read(text: str, example: str | None) -> None:
    """Whatever people write, what is found fits, has a digit, and was in the text."""
    for found in order_ids(text, PATTERN, example, PAGE):
        assert is_order_id(PATTERN, found)
        assert re.search(r"\d", found)
        assert found in html.unescape(text)
