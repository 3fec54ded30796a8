"""The list of datasets, the form, the trash."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from tests.training.conftest import AddPicture
from training.datasets.models import Dataset

pytestmark = pytest.mark.django_db


def test_without_datasets_the_page_says_what_one_is(client: Client, ada: User) -> None:
    client.force_login(ada)
    page = client.get("/datasets/").content.decode()
    assert "Collect what a style is made of" in page
    assert "/datasets/new/" in page


def test_a_dataset_is_made_edited_deleted_and_brought_back(client: Client, ada: User) -> None:
    client.force_login(ada)
    form = {"name": "Gouache studies", "trigger_words": "  gouache   field ", "template": "{trigger}, {caption}",
            "resolution": 1024, "repeats": 10}  # fmt: skip
    answer = client.post("/datasets/new/", form)
    assert answer["Location"] == "/datasets/gouache-studies/"
    dataset = Dataset.objects.get()
    assert (dataset.trigger_words, dataset.owner) == ("gouache field", ada)
    client.post("/datasets/gouache-studies/edit/", {**form, "name": "Other"})
    dataset.refresh_from_db()
    assert (dataset.name, dataset.slug) == ("Other", "gouache-studies")
    answer = client.post("/datasets/gouache-studies/delete/", follow=True)
    assert "/datasets/gouache-studies/restore/" in answer.content.decode()
    assert client.get("/datasets/gouache-studies/").status_code == 410
    client.post("/datasets/gouache-studies/restore/")
    assert client.get("/datasets/gouache-studies/").status_code == 200


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "", "required"),
        ("template", "{trigger}", "needs {caption}"),
        ("template", "{caption} {x}", "Leave out other braces"),
        ("resolution", "1000", "multiple of step size 64"),
        ("repeats", "0", "greater than or equal to 1"),
    ],
)
def test_a_mistake_in_the_form_is_said_and_loses_nothing(
    client: Client, ada: User, field: str, value: str, words: str
) -> None:
    client.force_login(ada)
    form = {"name": "Gouache", "description": "kept words", "template": "{caption}", "resolution": 1024, "repeats": 10}
    answer = client.post("/datasets/new/", {**form, field: value})
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert "kept words" in answer.content.decode()
    assert not Dataset.objects.exists()


@pytest.mark.parametrize("name", ["new", "jobs", "pictures", "!!!", "水墨 画", "a" * 80])
def test_every_name_gets_a_page_of_its_own(client: Client, ada: User, name: str) -> None:
    client.force_login(ada)
    one, two = (Dataset.objects.create(name=name, owner=ada) for _ in range(2))
    assert one.slug != two.slug
    for dataset in (one, two):
        assert name in client.get(dataset.get_absolute_url()).content.decode()


def test_the_list_counts_pictures_and_finds_by_words(
    client: Client, dataset: Dataset, add: AddPicture, ada: User
) -> None:
    for number in range(8):
        add("hills" if number else "")
    Dataset.objects.create(name="Ink", owner=ada)
    client.force_login(ada)
    page = client.get("/datasets/").content.decode()
    assert "8 pictures" in page
    assert "1 without caption" in page
    assert page.count("thumbnails/") == 6
    found = client.get("/datasets/?q=gouachefield").content.decode()
    assert "Gouache studies" in found
    assert ">Ink<" not in found
    assert "No dataset matches" in client.get("/datasets/?q=nowhere").content.decode()


def test_the_list_asks_the_database_as_often_for_many_as_for_few(
    client: Client, ada: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client.force_login(ada)
    for number in range(30):
        Dataset.objects.create(name=f"Set {number}", owner=ada)
    client.get("/datasets/")
    with django_assert_max_num_queries(12):
        client.get("/datasets/")


def test_others_look_but_do_not_change(client: Client, dataset: Dataset, bob: User, curator: User) -> None:
    client.force_login(bob)
    assert client.get(dataset.get_absolute_url()).status_code == 200
    assert client.get(f"/datasets/{dataset.slug}/edit/").status_code == 403
    assert client.post(f"/datasets/{dataset.slug}/delete/").status_code == 403
    client.force_login(curator)
    assert client.get(f"/datasets/{dataset.slug}/edit/").status_code == 200


@pytest.mark.parametrize(
    ("template", "trigger", "caption", "read"),
    [
        ("{trigger}, {caption}", "inkmist", "a fox", "inkmist, a fox"),
        ("{trigger}, {caption}", "", "a fox", "a fox"),
        ("{trigger}, {caption}", "inkmist", "", "inkmist"),
        ("{caption} in the style of {trigger}", "inkmist", "a fox", "a fox in the style of inkmist"),
        ("{caption}", "inkmist", "a fox, snow", "a fox, snow"),
        ("{trigger}, {caption}", "{caption}", "x", "{caption}, x"),
    ],
)
def test_the_trigger_is_put_around_captions_where_they_leave(
    template: str, trigger: str, caption: str, read: str
) -> None:
    assert Dataset(template=template, trigger_words=trigger).compose(caption) == read


def test_many_datasets_come_page_by_page_with_the_words_kept(client: Client, ada: User) -> None:
    for number in range(30):
        Dataset.objects.create(owner=ada, name=f"Set {number}")
    Dataset.objects.create(owner=ada, name="Other")
    client.force_login(ada)

    def names(address: str) -> tuple[list[str], list[tuple[str, str]]]:
        html = client.get(address).content.decode()
        return re.findall(r'<b class="cut">(.*?)</b>', html), re.findall(r'rel="(prev|next)" href="(.*?)"', html)

    first, links = names("/datasets/?q=set")
    assert first == [f"Set {number}" for number in range(29, 5, -1)]
    assert links == [("next", "?q=set&amp;page=2")]
    rest, links = names("/datasets/?q=set&page=2")
    assert rest == [f"Set {number}" for number in range(5, -1, -1)]
    assert links == [("prev", "?q=set&amp;page=1")]
    assert names("/datasets/?q=set&page=99")[0] == rest
    assert names("/datasets/?q=set&page=nonsense")[0] == first
    assert names("/datasets/?q=other") == (["Other"], [])
