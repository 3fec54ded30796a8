"""The guides of docs/ as pages of the studio: complete, linked, safe, and to each what concerns them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import reverse
from hypothesis import given, settings
from hypothesis import strategies as st

from stylestudio.guides import chapters, reading
from tests.pages import page

ELEMENTS = {
    *("p", "h1", "h2", "h3", "h4", "h5", "h6", "a", "img", "em", "strong", "code", "pre", "blockquote", "hr", "br"),
    *("ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td"),
}
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def owner(db: None) -> User:
    return User.objects.create_superuser("eve")


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def names(user: User) -> list[str]:
    """All chapters in the table of contents."""
    return [name for guide in chapters.contents(user) for name in (guide.name, *(each for each, _ in guide.chapters))]


def test_the_table_of_contents_has_every_page_of_the_guides(owner: User) -> None:
    files = {
        path.relative_to(DOCS).as_posix().removesuffix(".md").removesuffix("/index") for path in DOCS.rglob("*.md")
    }
    shown = {file for file in files if file.partition("/")[0] in chapters.FOR_ALL + chapters.FOR_OWNERS}
    assert sorted(names(owner)) == sorted(shown)


def test_every_link_and_picture_of_every_chapter_is_there(owner: User) -> None:
    client = signed_in(owner)
    texts = {name: chapters.chapter(name, owner) for name in names(owner)}
    ids = {
        reverse("help-chapter", args=[name]): re.findall(r' id="([^"]+)"', text.html)
        for name, text in texts.items()
        if text
    }
    for name, text in texts.items():
        assert text and text.title and "style=" not in text.html
        here = reverse("help-chapter", args=[name])
        for address in re.findall(r'<a href="([^"]+)"', text.html):
            path, _hash, anchor = address.partition("#")
            assert path.startswith("http") or ((path or here) in ids and anchor in ["", *ids[path or here]]), (
                name,
                address,
            )
        for picture in re.findall(r'<img src="/static/([^"]+)"', text.html):
            assert finders.find(re.sub(r"\.[0-9a-f]{12}\.", ".", picture)), (name, picture)
        assert text.title in page(client.get(here))


@pytest.mark.django_db
def test_how_a_studio_is_run_is_shown_to_owners_alone(ada: User, owner: User) -> None:
    member = signed_in(ada)
    assert "For operators" not in page(member.get(reverse("help")))
    assert "For operators" in page(signed_in(owner).get(reverse("help")))
    for name in ("operators", "operators/data", "reference/settings"):
        assert member.get(reverse("help-chapter", args=[name])).status_code == 404
        assert signed_in(owner).get(reverse("help-chapter", args=[name])).status_code == 200
    text = chapters.chapter("curators/people", ada)
    assert text and "/help/operators" not in text.html


@pytest.mark.parametrize("name", ["inside", "inside/live", "decisions/huey", "index", "artists/nothing", "pictures"])
def test_other_documents_are_no_chapters(owner: User, name: str) -> None:
    assert signed_in(owner).get(f"/help/{name}/").status_code == 404


@pytest.mark.parametrize(
    "path", ["../README", "artists/../../README", "artists//gallery", "artists/gallery/more", "%2e%2e/x"]
)
def test_an_address_never_leads_out_of_the_guides(owner: User, path: str) -> None:
    assert signed_in(owner).get(f"/help/{path}/").status_code == 404


def test_the_menu_leads_to_the_chapter_about_the_page(owner: User) -> None:
    client = signed_in(owner)
    assert 'href="/help/artists/gallery/"' in page(client.get(reverse("generation:gallery")))
    assert 'href="/help/curators/training/"' in page(client.get(reverse("training:trainings")))
    assert 'href="/help/"' in page(client.get(reverse("account")))
    known = {name.partition("/")[0] for name in chapters.ABOUT.values()}
    assert known <= set(chapters.FOR_ALL)
    assert all(chapters.chapter(name, owner) for name in chapters.ABOUT.values())


def test_in_another_language_it_is_said_that_the_guides_are_in_english(owner: User) -> None:
    client = signed_in(owner)
    assert "The guides are in English" not in page(client.get(reverse("help")))
    chinese = page(client.get(reverse("help"), headers={"accept-language": "zh-hans"}))
    assert "英文" in chinese


@settings(max_examples=60)
@given(st.text(alphabet=st.sampled_from(list("<>[]()!&\"'`#|-\n abc:/javascript")), max_size=80))
def test_nothing_in_a_document_becomes_an_element_that_acts(source: str) -> None:
    html = reading.read(source, lambda target: f"/x/{len(target)}").html
    assert not re.search(
        r"<(?!/?(?:p|h[1-6]|a|img|em|strong|code|pre|ul|ol|li|table|thead|tbody|tr|th|td|blockquote|hr|br)\b)", html
    )
    assert not re.search(r"<[^>]*\s(?:on\w+|style)=", html)
    assert not re.search(r'(?:href|src)="(?!/)', html)
