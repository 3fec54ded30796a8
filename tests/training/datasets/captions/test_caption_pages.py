"""The pages of captions: the grid and its filters, saving, changing many, proposals, the page of one picture."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from tests.pages import Answer, tight
from tests.training.conftest import AddPicture
from training.datasets.models import MOST_PICTURES, CaptionChange, CaptionOperation, Dataset, DatasetImage, DatasetJob

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def as_ada(client: Client, ada: User) -> Client:
    """Signed in as who made the dataset."""
    client.force_login(ada)
    return client


def shown(client: Client, dataset: Dataset, query: str = "") -> list[int]:
    """Numbers of the pictures on the page."""
    answer = client.get(f"{dataset.get_absolute_url()}?{query}")
    assert answer.status_code == 200
    return [int(number) for number in re.findall(r'aria-label="Picture (\d+)"', answer.content.decode())]


def saved(client: Client, image: DatasetImage, text: str, version: int = 1, **more: Any) -> Answer:
    return client.post(reverse("training:caption", args=[image.pk]), {"caption": text, "version": version}, **more)


# --- The grid


def test_cards_show_caption_size_tags_tokens_and_what_the_trainer_reads(
    as_ada: Client, dataset: Dataset, add: AddPicture
) -> None:
    add("hills, <dusk>", width=640, height=480)
    page = as_ada.get(dataset.get_absolute_url()).content.decode()
    assert "hills, &lt;dusk&gt;</textarea>" in page
    assert "640 × 480" in page
    assert "2 tags" in page
    assert re.search(r"\d+/77 tokens", page)
    assert "gouachefield painting, hills, &lt;dusk&gt;</span>" in page


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", [1, 2, 3, 4, 5]),
        ("tag=hills", [1, 2]),
        ("tag=HILLS&tag=dusk", [1]),
        ("tag=hill", []),
        ("only=empty", [3]),
        ("only=excluded", [4]),
        ("only=proposal", [2]),
        ("only=long", [5]),
        ("only=nonsense", [1, 2, 3, 4, 5]),
        ("q=mill", [4]),
        ("q=HILLS+dusk", [1]),
        ("q=nothing", []),
        ("tag=hills&only=proposal", [2]),
    ],
)
def test_every_filter_is_in_the_address(
    as_ada: Client, dataset: Dataset, add: AddPicture, query: str, numbers: list[int]
) -> None:
    add("hills, dusk")
    add("hills", proposal="hills, night")
    add("")
    add("river", included=False, source_name="old mill.png")
    add(", ".join(f"thing number {number}" for number in range(40)))
    assert shown(as_ada, dataset, query) == numbers


def test_links_from_elsewhere_name_pictures(as_ada: Client, dataset: Dataset, add: AddPicture) -> None:
    images = [add(), add(), add()]
    assert shown(as_ada, dataset, f"pictures={images[2].pk},{images[0].pk},x,{10**30}") == [1, 3]


def test_what_the_health_check_flags_is_a_filter(
    as_ada: Client, dataset: Dataset, add: AddPicture, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [add(), add()]
    monkeypatch.setattr("training.datasets.health.report.flagged", lambda dataset: {images[1].pk})
    assert shown(as_ada, dataset, "only=flagged") == [2]


def test_pages_of_48_follow_each_other_and_keep_the_filters(as_ada: Client, dataset: Dataset, add: AddPicture) -> None:
    for number in range(100):
        add("hills" if number % 2 else "hills, dusk")
    assert shown(as_ada, dataset) == [*range(1, 49)]
    first = tight(as_ada.get(f"{dataset.get_absolute_url()}?tag=dusk").content.decode())
    [more] = re.findall(r'hx-get="(/datasets/[^"]*/captions/\?[^"]*)" hx-trigger="revealed"', first)
    # Filters hold although one of the first page does not fit them any more.
    DatasetImage.objects.filter(dataset=dataset, position=0).update(caption="hills")
    last = as_ada.get(more.replace("&amp;", "&")).content.decode()
    assert re.findall(r'aria-label="Picture (\d+)"', last) == ["97", "99"]
    assert "revealed" not in last
    assert 'data-arrivals="dataset-' in last


def test_what_arrives_comes_behind_what_is_shown(as_ada: Client, dataset: Dataset, add: AddPicture) -> None:
    page = tight(as_ada.get(dataset.get_absolute_url()).content.decode())
    [arrivals] = re.findall(r'data-arrivals="[^"]*" hx-get="([^"]*/captions/[^"]*)"', page)
    add("hills")
    first = tight(as_ada.get(arrivals.replace("&amp;", "&")).content.decode())
    assert 'aria-label="Picture 1"' in first
    [arrivals] = re.findall(r'data-arrivals="[^"]*" hx-get="([^"]*/captions/[^"]*)"', first)
    add("dusk")
    second = as_ada.get(arrivals.replace("&amp;", "&")).content.decode()
    assert re.findall(r'aria-label="Picture (\d+)"', second) == ["2"]


def test_tags_and_tools_come_with_the_first_pictures(as_ada: Client, dataset: Dataset, add: AddPicture) -> None:
    page = tight(as_ada.get(dataset.get_absolute_url()).content.decode())
    assert "data-save-captions" not in page and "Find a tag" not in page
    [arrivals] = re.findall(r'data-arrivals="[^"]*" hx-get="([^"]*/captions/[^"]*)"', page)
    image = add("hills, dusk")
    first = tight(as_ada.get(arrivals.replace("&amp;", "&")).content.decode())
    for place in ("tags", "captions-save", "captions-tools", "captions-filters", "bulk-place", "export-place"):
        assert re.search(f'id="{place}"[^>]* hx-swap-oob="true"', first) and f'id="{place}"' in page
    assert "data-save-captions" in first and 'value="dusk"' in first
    # Later ones, and captions, have the list of tags fetched again.
    [arrivals] = re.findall(r'data-arrivals="[^"]*" hx-get="([^"]*/captions/[^"]*)"', first)
    later = as_ada.get(arrivals.replace("&amp;", "&"))
    assert later["HX-Trigger"] == "captions-changed" and "hx-swap-oob" not in later.content.decode()
    saved = as_ada.post(
        f"/datasets/pictures/{image.pk}/caption/", {"caption": "lake", "version": image.caption_version},
        headers={"HX-Request": "true"},
    )  # fmt: skip
    assert saved["HX-Trigger"] == "captions-changed"


def test_a_page_that_cannot_be_is_not_found(as_ada: Client, dataset: Dataset) -> None:
    for after in ("x", "1", "1-", "-1-2", f"1-{10**20}"):
        assert as_ada.get(f"{dataset.get_absolute_url()}?after={after}").status_code == 404


def test_tags_come_with_counts_and_are_found_by_typing(as_ada: Client, dataset: Dataset, add: AddPicture) -> None:
    for caption in ("hills, dusk", "Hills", "dusk, hills", "red roof"):
        add(caption)
    page = as_ada.get(dataset.get_absolute_url()).content.decode()
    assert re.findall(r'name="tag" value="([^"]*)"[^<]*>[^<]*<span>(\d+)', page) == [
        ("hills", "3"),
        ("dusk", "2"),
        ("red roof", "1"),
    ]
    found = as_ada.get(reverse("training:tags", args=[dataset.slug]) + "?find=ROOF&tag=dusk").content.decode()
    assert re.findall(r'name="tag" value="([^"]*)"', found) == ["dusk", "red roof"]


def test_the_page_asks_the_database_as_often_for_many_pictures_as_for_few(
    as_ada: Client, dataset: Dataset, add: AddPicture, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(60):
        add(f"hills, number {number}", proposal="dusk" if number % 2 else "")
    as_ada.get(dataset.get_absolute_url())
    with django_assert_max_num_queries(14):
        as_ada.get(dataset.get_absolute_url())


@pytest.mark.heavy
def test_the_page_of_two_thousand_pictures_opens_in_a_moment(as_ada: Client, dataset: Dataset, ada: User) -> None:
    DatasetImage.objects.bulk_create(
        DatasetImage(
            dataset=dataset, file="a.png", thumbnail="a.png", width=1024, height=1024, byte_size=1, format="PNG",
            sha256=hashlib.sha256(str(number).encode()).hexdigest(), position=number, source_name="a.png", added_by=ada,
            caption=", ".join(f"thing number {number * step % 700}" for step in range(1, 9)),
        )
        for number in range(MOST_PICTURES)
    )  # fmt: skip
    as_ada.get(dataset.get_absolute_url())
    spent = []
    for query in ("", "tag=thing+number+7", "only=long", "q=number+12"):
        begun = time.process_time()
        assert as_ada.get(f"{dataset.get_absolute_url()}?{query}").status_code == 200
        spent.append(time.process_time() - begun)
    print("seconds of CPU:", [round(seconds, 3) for seconds in spent])
    assert max(spent) < 0.3


# --- Saving


def test_saving_answers_the_foot_with_the_new_version(as_ada: Client, add: AddPicture) -> None:
    image = add("hills")
    answer = saved(as_ada, image, "hills, dusk", headers=HTMX)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert f'id="foot-{image.pk}"' in page
    assert 'name="version" value="2"' in page
    assert "<textarea" not in page
    image.refresh_from_db()
    assert image.caption == "hills, dusk"


def test_a_newer_text_comes_back_beside_ones_own_and_nothing_is_lost(as_ada: Client, add: AddPicture) -> None:
    image = add("hills")
    saved(as_ada, image, "theirs")
    answer = saved(as_ada, image, "mine", headers=HTMX)
    assert answer.status_code == 422
    assert "theirs" in answer.content.decode()
    assert 'name="version" value="2"' in answer.content.decode()
    image.refresh_from_db()
    assert image.caption == "theirs"
    plain = saved(as_ada, image, "mine")
    assert plain.status_code == 422
    assert "mine</textarea>" in plain.content.decode()
    assert "theirs" in plain.content.decode()
    assert saved(as_ada, image, "mine", 2, headers=HTMX).status_code == 200


def test_their_text_can_be_taken(as_ada: Client, add: AddPicture) -> None:
    image = add("theirs")
    address = reverse("training:caption", args=[image.pk])
    answer = as_ada.post(address, {"caption": "mine", "version": "0", "theirs": "1"}, headers=HTMX)
    assert answer["HX-Retarget"] == f"#image-{image.pk}"
    assert "theirs</textarea>" in answer.content.decode()


@pytest.mark.parametrize("version", ["", "x", "-1", "²", "9" * 40])
def test_nonsense_as_a_version_overwrites_nothing(as_ada: Client, add: AddPicture, version: str) -> None:
    image = add("hills")
    address = reverse("training:caption", args=[image.pk])
    assert as_ada.post(address, {"caption": "x", "version": version}, headers=HTMX).status_code == 422


def test_without_javascript_saving_leads_back_to_the_card_with_the_filters(
    as_ada: Client, dataset: Dataset, add: AddPicture
) -> None:
    image = add("hills")
    address = reverse("training:caption", args=[image.pk]) + "?tag=hills&only=empty"
    answer = as_ada.post(address, {"caption": "dusk", "version": "1"})
    assert answer["Location"] == f"{dataset.get_absolute_url()}?only=empty&tag=hills#image-{image.pk}"


def test_a_caption_that_is_too_long_is_said_in_place(as_ada: Client, add: AddPicture) -> None:
    answer = saved(as_ada, add("hills"), "x" * 4001, headers=HTMX)
    assert answer.status_code == 422
    assert "at most 4,000" in answer.content.decode()


# --- Who may


ADDRESSES: list[Callable[[Dataset, DatasetImage], str]] = [
    lambda dataset, image: reverse("training:caption", args=[image.pk]),
    lambda dataset, image: reverse("training:include", args=[image.pk]),
    lambda dataset, image: reverse("training:rate", args=[image.pk]),
    lambda dataset, image: reverse("training:image-remove", args=[image.pk]),
    lambda dataset, image: reverse("training:proposal", args=[image.pk]),
    lambda dataset, image: reverse("training:bulk", args=[dataset.slug]),
    lambda dataset, image: reverse("training:bulk-preview", args=[dataset.slug]),
    lambda dataset, image: reverse("training:proposals-answer", args=[dataset.slug]),
    lambda dataset, image: reverse("training:propose", args=[dataset.slug]),
    lambda dataset, image: reverse("training:undo", args=[dataset.slug, 1]),
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_others_of_the_team_look_and_change_nothing(
    client: Client, bob: User, dataset: Dataset, add: AddPicture, address: Callable[[Dataset, DatasetImage], str]
) -> None:
    image = add("hills", proposal="dusk")
    client.force_login(bob)
    assert shown(client, dataset) == [1]
    assert client.post(address(dataset, image), {"answer": "accept", "caption": "x", "version": 1}).status_code == 403
    image.refresh_from_db()
    assert (image.caption, image.proposal, image.deleted_at) == ("hills", "dusk", None)


def test_others_see_no_button_that_changes_anything(
    client: Client, bob: User, dataset: Dataset, add: AddPicture
) -> None:
    image = add("hills", proposal="dusk")
    client.force_login(bob)
    for address in (dataset.get_absolute_url(), image.get_absolute_url()):
        page = client.get(address).content.decode()
        assert "readonly" in page
        assert not re.search(r"<button[^>]*>[^<]*(<svg.*?</svg>)?\s*(Accept|Edit many|Remove)", page)


def test_pictures_of_private_datasets_are_not_there_for_others(
    client: Client, bob: User, dataset: Dataset, add: AddPicture
) -> None:
    image = add("hills")
    Dataset.objects.update(visibility="private")
    client.force_login(bob)
    assert client.get(image.get_absolute_url()).status_code == 404
    assert saved(client, image, "x").status_code == 404
    assert client.get(reverse("training:captions", args=[dataset.slug])).status_code == 404


# --- Single pictures


def test_a_picture_is_left_out_and_taken_in_again(as_ada: Client, add: AddPicture) -> None:
    image = add("hills")
    address = reverse("training:include", args=[image.pk])
    page = as_ada.post(address, {"included": "0"}, headers=HTMX).content.decode()
    assert "Left out" in page
    image.refresh_from_db()
    assert not image.included
    as_ada.post(address, {"included": "1"})
    image.refresh_from_db()
    assert image.included


def test_a_removed_picture_comes_back_by_undo(as_ada: Client, dataset: Dataset, add: AddPicture) -> None:
    image = add("hills")
    answer = as_ada.post(reverse("training:image-remove", args=[image.pk]), headers=HTMX)
    undo = reverse("training:image-restore", args=[image.pk])
    assert undo in answer.content.decode()
    assert shown(as_ada, dataset) == []
    as_ada.post(undo)
    assert shown(as_ada, dataset) == [1]
    assert as_ada.post(undo).status_code == 404


def test_a_removed_picture_that_was_added_again_stays_removed(
    as_ada: Client, dataset: Dataset, add: AddPicture
) -> None:
    image = add("hills")
    as_ada.post(reverse("training:image-remove", args=[image.pk]))
    add("dusk", sha256=image.sha256)
    as_ada.post(reverse("training:image-restore", args=[image.pk]))
    assert [row.caption for row in dataset.images.all()] == ["dusk"]


def test_pictures_that_share_a_place_are_neighbours_all_the_same(as_ada: Client, add: AddPicture) -> None:
    first, second, third = (add(text, position=5) for text in ("hills", "dusk", "mill"))
    page = as_ada.get(second.get_absolute_url()).content.decode()
    assert f'href="{first.get_absolute_url()}"' in page
    assert f'href="{third.get_absolute_url()}"' in page


def test_the_page_of_a_picture_has_its_history_and_puts_old_texts_back(as_ada: Client, add: AddPicture) -> None:
    image = add("hills")
    saved(as_ada, image, "hills, dusk")
    page = as_ada.get(image.get_absolute_url()).content.decode()
    assert "<ins>, dusk</ins>" in page
    change = CaptionChange.objects.get()
    as_ada.post(reverse("training:put-back", args=[image.pk, change.pk]))
    image.refresh_from_db()
    assert image.caption == "hills"


def test_stars_are_given_and_taken_away(as_ada: Client, add: AddPicture) -> None:
    image = add("hills")
    address = reverse("training:rate", args=[image.pk])
    for stars, kept in (("4", 4), ("2", 2), ("2", None)):
        as_ada.post(address, {"rating": stars})
        image.refresh_from_db()
        assert image.rating == kept
    assert as_ada.post(address, {"rating": "6"}).status_code == 404


# --- Many

RENAME = {"group": "replace", "how_replace": "rename_tag", "find": "cottage", "replacement": "white cottage"}


def test_the_preview_says_how_many_change_and_shows_the_words(
    as_ada: Client, dataset: Dataset, add: AddPicture
) -> None:
    for caption in ("cottage, hills", "hills", "dusk, cottage"):
        add(caption)
    page = as_ada.post(reverse("training:bulk-preview", args=[dataset.slug]), RENAME).content.decode()
    assert "2 of 3 change" in page
    assert "Change 2 captions" in page
    assert "<ins>white</ins>" in page
    assert dataset.images.filter(caption__contains="white").count() == 0


def test_a_change_acts_on_what_is_selected_or_else_on_what_the_filters_show(
    as_ada: Client, dataset: Dataset, add: AddPicture
) -> None:
    images = [add("cottage, hills"), add("cottage"), add("cottage, hills")]
    address = reverse("training:bulk-preview", args=[dataset.slug])
    assert "2 of 2 change" in as_ada.post(address + "?tag=hills", RENAME).content.decode()
    chosen = {**RENAME, "selected": [images[1].pk, "x"]}
    assert "1 of 1 change" in as_ada.post(address + "?tag=hills", chosen).content.decode()


def test_a_change_is_applied_and_undone_with_the_toast(as_ada: Client, dataset: Dataset, add: AddPicture) -> None:
    image = add("cottage, hills")
    add("hills")
    answer = as_ada.post(reverse("training:bulk", args=[dataset.slug]) + "?tag=hills", RENAME, follow=True)
    page = answer.content.decode()
    undo = reverse("training:undo", args=[dataset.slug, CaptionOperation.objects.get().pk])
    assert answer.redirect_chain[-1][0] == f"{dataset.get_absolute_url()}?tag=hills"
    assert "Changed 1 caption" in page
    assert undo in page
    image.refresh_from_db()
    assert image.caption == "white cottage, hills"
    assert "1 caption is as before." in as_ada.post(undo, follow=True).content.decode()
    image.refresh_from_db()
    assert image.caption == "cottage, hills"
    assert "undone before" in as_ada.post(undo, follow=True).content.decode()


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"group": "replace", "how_replace": "replace", "find": ""}, "Enter the text to find."),
        ({"group": "replace", "how_replace": "replace_pattern", "find": "("}, "cannot be read"),
        ({"group": "nonsense"}, "Select a valid choice"),
        ({"group": "add", "how_add": "lower"}, "Select a valid choice"),
        ({"group": "replace", "how_replace": "replace", "find": "a", "replacement": "b" * 500}, "would have more than"),
    ],
)
def test_a_change_that_cannot_be_done_says_why_and_changes_nothing(
    as_ada: Client, dataset: Dataset, add: AddPicture, sent: dict[str, str], words: str
) -> None:
    add("a" * 100)
    for name in ("training:bulk-preview", "training:bulk"):
        assert words in as_ada.post(reverse(name, args=[dataset.slug]), sent).content.decode()
    assert dataset.images.get().caption == "a" * 100


def test_without_javascript_the_dialog_is_a_page_with_a_preview(
    as_ada: Client, dataset: Dataset, add: AddPicture
) -> None:
    image = add("cottage")
    address = reverse("training:bulk", args=[dataset.slug])
    assert "all" not in as_ada.get(address).content.decode().split("This acts on")[1][:15]
    page = as_ada.post(address, {**RENAME, "look": "1", "selected": [image.pk]}).content.decode()
    assert "1 of 1 change" in page
    assert f'name="selected" value="{image.pk}"' in page
    assert 'value="white cottage"' in page


def test_the_answer_to_a_look_says_whether_the_change_can_be_done(as_ada: Client, dataset: Dataset, add: Any) -> None:
    add("cottage")
    address = reverse("training:bulk", args=[dataset.slug])
    assert as_ada.post(address, {**RENAME, "look": "1"}).status_code == 200
    assert as_ada.post(address, {**RENAME, "look": "1", "group": "nonsense"}).status_code == 422


# --- Proposals


def test_a_proposal_is_accepted_or_dismissed_on_its_card(as_ada: Client, add: AddPicture) -> None:
    image, other = add("hills", proposal="hills, dusk"), add("", proposal="night")
    page = as_ada.post(
        reverse("training:proposal", args=[image.pk]), {"answer": "accept"}, headers=HTMX
    ).content.decode()
    assert "hills, dusk</textarea>" in page
    assert "Accept" not in page
    as_ada.post(reverse("training:proposal", args=[other.pk]), {"answer": "dismiss"})
    other.refresh_from_db()
    assert (other.caption, other.proposal) == ("", "")


def test_all_proposals_are_accepted_with_undo_or_dismissed(as_ada: Client, dataset: Dataset, add: AddPicture) -> None:
    add("", proposal="night")
    add("hills", proposal="dusk")
    assert "2 captions are proposed" in as_ada.get(dataset.get_absolute_url()).content.decode()
    address = reverse("training:proposals-answer", args=[dataset.slug])
    assert "Changed 2 captions" in as_ada.post(address, {"answer": "accept"}, follow=True).content.decode()
    as_ada.post(reverse("training:undo", args=[dataset.slug, CaptionOperation.objects.get().pk]))
    page = as_ada.post(address, {"answer": "dismiss"}, follow=True).content.decode()
    assert "2 proposals are dismissed" in page
    assert "are proposed" not in page


def test_captions_are_proposed_for_pictures_without_one(as_ada: Client, dataset: Dataset, add: AddPicture) -> None:
    add("hills")
    empty = add("")
    address = reverse("training:propose", args=[dataset.slug])
    page = as_ada.get(address).content.decode()
    assert "1 without a caption" in page
    assert "No engine answers now." in page
    assert as_ada.post(address, {"who": "notes", "scope": "empty"}).status_code == 302
    job = DatasetJob.objects.get()
    assert job.parameters == {"captioner": "notes", "pictures": [empty.pk]}


@pytest.mark.parametrize(
    "sent", [{}, {"who": "nobody", "scope": "shown"}, {"who": "workflow:colours_and_size", "scope": "shown"}]
)
def test_who_cannot_propose_now_is_refused(
    as_ada: Client, dataset: Dataset, add: AddPicture, sent: dict[str, str]
) -> None:
    add("")
    answer = as_ada.post(reverse("training:propose", args=[dataset.slug]), sent)
    assert answer.status_code == 422
    assert not DatasetJob.objects.exists()
