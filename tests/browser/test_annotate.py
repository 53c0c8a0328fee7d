"""The labelling desk in a real browser, against the real server: keys, bursts, undo, two people, a killed server."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from core import jobs
from core.jobs import supervise
from core.labels import scheme as schemes
from core.labels.nouns import Answer, AnswerState, Scheme, Source
from core.records import Dataset
from core.store import labels as label_rows
from core.store import schemes as scheme_rows
from core.workspace import Workspace
from tests import homes
from tests.browser.conftest import Server
from tests.browser.steps import choose, open_page, settle

pytestmark = pytest.mark.browser

NASTY = "<img src=x onerror=alert(1)> **bold**\n\nשלום 👩‍👩‍👧 $x^2$"
BURST = """keys => {
  for (const key of keys) document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, composed: true }));
}"""


@dataclass
class Pool:
    """A data set with its labels, and what the store knows of it."""

    ws: Workspace
    server: Server
    dataset: Dataset
    scheme: Scheme
    texts: list[str]

    def person(self, name: str) -> str:
        return label_rows.annotator(self.ws.db, name).id

    def answers(self, name: str | None = None) -> dict[int, Answer]:
        """The standing answers by row, of one person or of everyone (then each row has one)."""
        who = self.person(name) if name else None
        found = [answer for _, answer in label_rows.answers(self.ws.db, self.dataset.id, annotator_id=who)]
        standing = [answer for answer in found if answer.state != AnswerState.CLEARED]
        assert len({answer.row for answer in standing}) == len(standing)
        return {answer.row: answer for answer in standing}

    def names(self, name: str | None = None) -> dict[str, str]:
        """Text -> the name of its label."""
        given = self.answers(name)
        known = {label.id: label.name for label in self.scheme.labels}
        return {self.texts[row]: ",".join(known[one] for one in given[row].labels) for row in given}

    def open(self, page: Page, name: str = "Ann") -> Page:
        page.on("pageerror", lambda error: pytest.fail(f"the page raised {error}"))
        open_page(page, self.server.url, f"annotate?data={self.dataset.id}&who={self.person(name)}")
        expect(shown(page)).not_to_have_text("")
        return page


@pytest.fixture(autouse=True)
def patience() -> Iterator[None]:
    """A machine may be busy: nothing here measures time."""
    expect.set_options(timeout=30_000)
    yield
    expect.set_options(timeout=5_000)


@pytest.fixture
def bring(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Pool]]:
    """Puts texts and labels into the running server's home. `assist` False: somebody stopped the model there."""
    ws = homes.open_home(server.home)
    monkeypatch.setattr(supervise, "_spawn", homes.NoWorker)

    def pool(
        name: str,
        texts: Sequence[str] | int,
        labels: Sequence[str],
        several: bool = False,
        assist: bool = False,
    ) -> Pool:
        rows = [f"{name} text {n}" for n in range(texts)] if isinstance(texts, int) else list(texts)
        dataset = homes.add_rows(ws, [(text, None) for text in rows], name)
        made = schemes.from_names(dataset.id, labels, author="Ann", several=several)
        made = scheme_rows.add(ws.db, made)
        if not assist:
            jobs.request_stop(ws, jobs.submit_assist(ws, dataset.id).id)
        return Pool(ws, server, dataset, made, rows)

    yield pool
    ws.close()


def shown(page: Page) -> Locator:
    return page.locator(".desk .one .text")


def saved(page: Page) -> None:
    expect(page.locator(".desk .saving")).to_have_text("All saved")


def said(page: Page) -> Locator:
    return page.locator(".desk .said .words")


def in_order(page: Page) -> None:
    choose(page, "desk_strategy", "In order")
    expect(page.locator(".desk .place").first).to_have_text("Text 1")


# ------------------------------------------------------------------------------------ keys


def test_thirty_texts_are_labelled_by_keyboard_alone(bring: Callable[..., Pool], page: Page) -> None:
    pool = bring("thirty", 40, ["Alpha", "Beta", "Gamma"])
    pool.open(page)
    expected = {}
    for _ in range(30):
        text = str(shown(page).text_content())
        key = int(text.rsplit(" ", 1)[1]) % 3
        expected[text] = ["Alpha", "Beta", "Gamma"][key]
        page.keyboard.press(str(key + 1))
        expect(shown(page)).not_to_have_text(text)
    saved(page)
    assert pool.names("Ann") == expected
    assert len(expected) == 30
    expect(page.locator(".desk .progress .done")).to_have_text("30 of 40 texts")
    counts = page.locator(".desk .label .count").all_text_contents()
    assert [int(count or 0) for count in counts] == [
        list(expected.values()).count(name) for name in ("Alpha", "Beta", "Gamma")
    ]
    assert {answer.key for answer in pool.answers("Ann").values()} <= {"1", "2", "3"}


def test_nine_keys_at_once_give_nine_right_labels(bring: Callable[..., Pool], page: Page) -> None:
    names = [f"L{n}" for n in range(1, 10)]
    pool = bring("burst", 120, names)
    pool.open(page)
    in_order(page)
    page.evaluate(BURST, list("192837465"))
    expect(page.locator(".desk .place").first).to_have_text("Text 10")
    page.keyboard.type("987654321")
    expect(page.locator(".desk .place").first).to_have_text("Text 19")
    saved(page)
    expected = {pool.texts[n]: f"L{key}" for n, key in enumerate("192837465987654321")}
    assert pool.names("Ann") == expected


def test_an_answer_is_undone_changed_and_taken_back_after_a_reload(
    bring: Callable[..., Pool], page: Page
) -> None:
    pool = bring("undo", 30, ["Alpha", "Beta"])
    pool.open(page)
    in_order(page)
    page.keyboard.type("11")
    page.keyboard.press("Backspace")
    expect(shown(page)).to_have_text("undo text 1")
    page.keyboard.type("22s")
    expect(said(page)).to_have_text("Skipped")
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    expect(shown(page)).to_have_text("undo text 0")
    expect(page.locator(".desk .one .chip")).to_have_text("Alpha")
    page.keyboard.press("2")
    expect(said(page)).to_have_text("Changed to Beta")
    expect(shown(page)).to_have_text("undo text 4")
    saved(page)
    assert pool.names("Ann") == {
        "undo text 0": "Beta",
        "undo text 1": "Beta",
        "undo text 2": "Beta",
        "undo text 3": "",
    }
    page.reload()
    settle(page)
    expect(shown(page)).not_to_have_text("")
    page.wait_for_timeout(300)
    page.keyboard.press("Backspace")
    expect(said(page)).to_have_text("The last answer is taken back.")
    saved(page)
    assert set(pool.names("Ann")) == {"undo text 1", "undo text 2", "undo text 3"}


def test_flag_and_note_of_a_text_without_an_answer_outlive_a_reload(
    bring: Callable[..., Pool], page: Page
) -> None:
    pool = bring("noted", 30, ["Alpha", "Beta"])
    pool.open(page)
    in_order(page)
    page.keyboard.type("fn")
    page.keyboard.type("ask Bob")
    page.keyboard.press("Enter")
    expect(said(page)).to_have_text("Note kept.")
    saved(page)
    assert pool.answers("Ann") == {}
    page.reload()
    settle(page)
    in_order(page)
    expect(page.locator(".desk .note").first).to_have_text("Note: ask Bob")
    expect(page.locator(".desk .badge.flag")).to_be_visible()
    expect(page.locator(".desk .progress .done")).to_have_text("0 of 30 texts")
    page.keyboard.press("1")
    saved(page)
    assert (pool.answers("Ann")[0].note, pool.answers("Ann")[0].flagged) == ("ask Bob", True)


def test_of_77_labels_one_is_found_by_two_letters(bring: Callable[..., Pool], page: Page) -> None:
    names = [
        f"{a}_{b}"
        for a in ("card", "cash", "top_up", "refund", "transfer", "exchange", "verify")
        for b in "abcdefghijk"
    ]
    pool = bring("many", 20, names)
    pool.open(page)
    first = str(shown(page).text_content())
    page.keyboard.type("re")
    page.keyboard.press("Enter")
    expect(said(page)).to_have_text("Labelled refund_a")
    second = str(shown(page).text_content())
    page.keyboard.type("/vk")
    page.keyboard.press("Enter")
    expect(said(page)).to_have_text("Labelled verify_k")
    saved(page)
    assert pool.names("Ann") == {first: "refund_a", second: "verify_k"}


def test_with_several_labels_keys_toggle_and_enter_gives_them(bring: Callable[..., Pool], page: Page) -> None:
    pool = bring("several", 20, ["Anger", "Joy", "Fear"], several=True)
    pool.open(page)
    texts = []
    for keys in ("132", "0"):
        texts.append(str(shown(page).text_content()))
        page.keyboard.type(keys)
        if keys != "0":
            page.keyboard.press("3")
            page.keyboard.press("Enter")
        expect(shown(page)).not_to_have_text(texts[-1])
    saved(page)
    assert pool.names("Ann") == {texts[0]: "Anger,Joy", texts[1]: ""}


# ------------------------------------------------------------------------------------ what is on the desk


def test_a_text_is_shown_to_the_letter_and_fits_a_phone(bring: Callable[..., Pool], browser: Browser) -> None:
    pool = bring("nasty", [NASTY, *(f"other {n}" for n in range(9))], ["Alpha <b>", "Beta"])
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = pool.open(context.new_page())
    in_order(page)
    assert shown(page).text_content() == NASTY
    expect(page.locator(".desk img")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    boxes = [one.bounding_box() for one in page.locator(".desk button:visible").all()]
    assert boxes
    assert all(box and box["height"] >= 44 and box["width"] >= 40 for box in boxes)
    page.get_by_role("button", name=re.compile("^Alpha <b>, key 1")).tap()
    expect(shown(page)).to_have_text("other 0")
    saved(page)
    context.close()
    assert pool.answers("Ann")[0].key == "click"


def test_identical_texts_get_the_label_together_and_lose_it_together(
    bring: Callable[..., Pool], page: Page
) -> None:
    pool = bring(
        "twins", ["same", *(f"twins text {n}" for n in range(12)), "same", "same"], ["Alpha", "Beta"]
    )
    pool.open(page)
    in_order(page)
    page.keyboard.press("2")
    expect(said(page)).to_have_text("Labelled Beta · also given to 2 identical texts")
    saved(page)
    assert {row: answer.source for row, answer in pool.answers("Ann").items()} == {
        0: Source.ALONE,
        13: Source.SPREAD,
        14: Source.SPREAD,
    }
    page.keyboard.press("Backspace")
    expect(shown(page)).to_have_text("same")
    expect(page.locator(".desk .progress .done")).to_have_text("0 of 15 texts")
    saved(page)
    assert pool.answers("Ann") == {}


def test_one_key_labels_what_is_selected_in_the_list(bring: Callable[..., Pool], page: Page) -> None:
    pool = bring("list", 120, ["Alpha", "Beta"])
    pool.open(page)
    in_order(page)
    page.locator(".st-key-desk_mode").get_by_text("List").click()
    items = page.locator(".desk .list .item")
    expect(items).to_have_count(30)
    items.nth(1).click()
    items.nth(4).click(modifiers=["Shift"])
    page.keyboard.press("2")
    expect(said(page)).to_have_text("Labelled Beta: 4 texts")
    saved(page)
    assert set(pool.answers("Ann")) == {1, 2, 3, 4}
    assert {answer.source for answer in pool.answers("Ann").values()} == {Source.BULK}
    page.keyboard.press("Backspace")
    expect(said(page)).to_have_text("Taken back: 4 texts.")
    page.get_by_role("button", name="Select all shown").click()
    page.keyboard.press("1")
    expect(page.locator(".desk .list .item .place").first).to_have_text("Text 31")
    saved(page)
    assert pool.names("Ann") == dict.fromkeys(pool.texts[:30], "Alpha")


def test_a_suggestion_is_accepted_with_enter_and_logged(bring: Callable[..., Pool], page: Page) -> None:
    pool = bring("suggested", 30, ["Alpha", "Beta"], assist=True)
    pool.open(page)
    offer = page.locator(".desk .accept")
    for _ in range(8):
        if offer.is_visible():
            break
        page.keyboard.press("s")  # evaluation texts have none, and before the first model no text has one
        page.wait_for_timeout(3000)
    expect(offer).to_be_visible()
    text, name = shown(page).text_content(), offer.locator(".name").text_content()
    page.keyboard.press("Enter")
    expect(said(page)).to_have_text(f"Labelled {name}")
    saved(page)
    answer = pool.answers("Ann")[pool.texts.index(str(text))]
    assert (answer.source, answer.key) == (Source.ACCEPTED, "Enter")
    assert answer.suggestion is not None
    assert tuple(answer.suggestion["labels"]) == answer.labels
    assert 0 < answer.suggestion["probability"] <= 1


# ------------------------------------------------------------------------------------ several people, a dead server


def test_two_people_never_get_the_same_text(bring: Callable[..., Pool], page: Page, browser: Browser) -> None:
    pool = bring("two", 44, ["Alpha", "Beta"])
    other = browser.new_context()
    desks = {"Ann": pool.open(page, "Ann"), "Bob": pool.open(other.new_page(), "Bob")}
    for turn in range(22):
        for name, desk in desks.items():
            if desk.locator(".desk .empty").is_visible():
                continue
            text = str(shown(desk).text_content())
            desk.keyboard.press("12"[turn % 2])
            expect(said(desk)).to_have_text(re.compile("^Labelled"))
            expect(shown(desk).or_(desk.locator(".desk .empty")).first).not_to_have_text(text)
            assert name
    for desk in desks.values():
        saved(desk)
    given = {name: set(pool.answers(name)) for name in desks}
    other.close()
    assert not given["Ann"] & given["Bob"]
    assert min(len(rows) for rows in given.values()) >= 15
    assert len(pool.answers()) == len(given["Ann"]) + len(given["Bob"])


def test_a_killed_server_loses_nothing_and_the_page_says_so(
    bring: Callable[..., Pool], server: Server, browser: Browser
) -> None:
    pool = bring("killed", 40, ["Alpha", "Beta"])
    context = browser.new_context()
    page = pool.open(context.new_page())
    page.keyboard.type("12")
    saved(page)
    kill(server)
    page.keyboard.type("121")
    expect(page.locator(".desk .saving")).to_have_text("3 not saved yet, trying again")
    expect(page.locator(".desk .fault")).to_contain_text("The server does not answer.")
    assert len(pool.answers("Ann")) == 2
    server.start()
    saved(page)
    expect(page.locator(".desk .fault")).to_be_hidden()
    assert len(pool.answers("Ann")) == 5
    settle(page)
    text = last_words(context, page, server)
    server.start()
    page = pool.open(context.new_page())
    saved(page)
    assert pool.names("Ann")[text] == "Beta"
    assert len(pool.answers("Ann")) == 6
    context.close()


def last_words(context: BrowserContext, page: Page, server: Server) -> str:
    """Labels one more text of a server that is dead, and closes the tab. Returns the text."""
    text = str(shown(page).text_content())
    kill(server)
    page.keyboard.press("2")
    expect(page.locator(".desk .saving")).to_have_text("1 not saved yet, trying again")
    page.close()
    assert not context.pages
    return text


def kill(server: Server) -> None:
    assert server.process is not None
    server.process.kill()
    server.process.wait()
    server.process = None
