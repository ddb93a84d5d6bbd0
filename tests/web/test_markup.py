"""HTML as values: text is escaped because it is text."""

from __future__ import annotations

import pytest

from verdigris.web.markup import Html, element, joined, path


def test_text_and_attributes_are_escaped() -> None:
    made = element("p", "a < b & c", title="say \"x\" & 'y'")
    assert made == '<p title="say &quot;x&quot; &amp; &#x27;y&#x27;">a &lt; b &amp; c</p>'


def test_elements_inside_of_elements_stay_what_they_are() -> None:
    assert element("p", element("b", "x"), [None, "y"]) == "<p><b>x</b>y</p>"


def test_what_is_put_together_from_html_by_hand_is_text_again() -> None:
    assert joined(element("b", "x") + "<i>") == "&lt;b&gt;x&lt;/b&gt;&lt;i&gt;"
    assert type(element("b", "x") + "<i>") is not Html


def test_attributes_are_true_absent_or_have_a_value() -> None:
    made = element("input", required=True, hidden=False, id=None, class_="x", aria_label="y", tabindex=0)
    assert made == '<input required class="x" aria-label="y" tabindex="0">'


@pytest.mark.parametrize("bad", ["javascript:alert(1)", "//elsewhere.example", "https://elsewhere.example", "x", ""])
def test_an_address_is_one_of_ours(bad: str) -> None:
    with pytest.raises(ValueError, match="is no address of this page"):
        element("a", "x", href=bad)


@pytest.mark.parametrize("bad", ["style", "onclick"])
def test_what_the_policy_forbids_cannot_be_written(bad: str) -> None:
    with pytest.raises(ValueError, match="forbids it"):
        element("p", **{bad: "x"})


def test_a_path_quotes_what_it_is_made_of() -> None:
    assert path("models", "a/b", "c?d", x="e&f") == "/models/a%2Fb/c%3Fd?x=e%26f"
