"""The gallery: order, pages, filters, who sees and who may delete."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from generation.engines.models import Engine
from generation.gallery import query
from generation.gallery.query import Filters
from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask, TaskStyle
from styles.models import Style
from stylestudio.jobs.kinds import Status
from stylestudio.people.visibility import Visibility
from tests.pages import page

pytestmark = pytest.mark.django_db

Shoot = Callable[..., list[GeneratedImage]]
NOON = timezone.now().replace(hour=12, minute=0, second=0, microsecond=0)


@pytest.fixture
def shoot(ada: User) -> Shoot:
    """Make a finished task and its pictures: shoot(count=2, prompt="fox", style=ink, at=NOON)."""
    engine, _new = Engine.objects.get_or_create(address="http://127.0.0.1:9")

    def make(count: int = 1, **given: Any) -> list[GeneratedImage]:
        at, style = given.pop("at", NOON), given.pop("style", None)
        prompt = given.pop("prompt", "a fox")
        task = GenerationTask.objects.create(
            owner=ada, prompt=prompt, final_prompt=given.pop("final_prompt", prompt), width=1216, height=832,
            count=count,
            seeds=list(range(7, 7 + count)), checkpoint="base.safetensors", lightning="l.safetensors", ended_at=at,
            own_values={"workflow": {"name": "txt2img", "sha256": "ab" * 32}}, status=Status.COMPLETED, **given,
        )  # fmt: skip
        if style:
            TaskStyle.objects.create(
                task=task, version=style.version, position=0, weight=0.8, triggers=style.version.triggers
            )
        pictures = []
        for index in range(count):
            prompt_row = EnginePrompt.objects.create(
                task=task,
                index=index,
                engine=engine,
                worker="w",
                lease_until=at,
                state="done",
                started_at=at,
                ended_at=at,
            )
            picture = GeneratedImage(
                task=task, index=index, prompt=prompt_row, seed=7 + index, width=1216, height=832, size=2048,
                sha256="cd" * 32, engine=engine, created_at=at,
            )  # fmt: skip
            picture.file.save(f"{task.pk}-{index}.png", ContentFile(b"png"), save=True)
            pictures.append(picture)
        return pictures

    return make


@pytest.fixture
def ink() -> Style:
    style = Style.objects.create(name="Ink & mist")
    style.versions.update(trigger_words="inkmist style")
    return style


def walk(user: User, size: int, filters: Filters | None = None) -> list[int]:
    """All pictures, page by page."""
    seen: list[int] = []
    before = ""
    while True:
        page = query.page(query.pictures(user, filters or Filters()), before, size)
        seen += [picture.pk for day in page.days for picture in day.pictures]
        if not page.more:
            return seen
        before = page.more


def test_pages_hold_every_picture_once_also_when_times_are_equal(shoot: Shoot, ada: User) -> None:
    for number in range(4):
        shoot(5, at=NOON - timedelta(days=number // 2))
    expected = list(GeneratedImage.objects.order_by("-created_at", "-pk").values_list("pk", flat=True))
    assert walk(ada, size=3) == expected
    assert walk(ada, size=20) == expected


def test_pictures_that_arrive_meanwhile_neither_repeat_nor_hide_others(shoot: Shoot, ada: User) -> None:
    shoot(4, at=NOON)
    first = query.page(query.pictures(ada, Filters()), size=2)
    shoot(3, at=NOON + timedelta(minutes=1))
    second = query.page(query.pictures(ada, Filters()), first.more, size=2)
    shown = [picture.pk for page in (first, second) for day in page.days for picture in day.pictures]
    assert shown == list(GeneratedImage.objects.filter(created_at=NOON).order_by("-pk").values_list("pk", flat=True))


def test_a_page_counts_nothing_and_skips_nothing(
    shoot: Shoot, ada: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    shoot(4)
    with django_assert_num_queries(1) as asked:
        page = query.page(query.pictures(ada, Filters()), size=2)
        gallery_alts = [picture.alt for day in page.days for picture in day.pictures]
    assert gallery_alts == ["a fox", "a fox"]
    assert "COUNT" not in asked.captured_queries[0]["sql"]
    assert "OFFSET" not in asked.captured_queries[0]["sql"]


def test_day_headings_stand_only_where_the_day_changes(shoot: Shoot, ada: User) -> None:
    shoot(3, at=timezone.now())
    shoot(1, at=timezone.now() - timedelta(days=1))
    shoot(1, at=timezone.now() - timedelta(days=400))
    first = query.page(query.pictures(ada, Filters()), size=2)
    rest = query.page(query.pictures(ada, Filters()), first.more, size=5)
    assert [day.heading for day in first.days] == ["Today"]
    assert [day.heading for day in rest.days[:2]] == ["", "Yesterday"]
    assert str((timezone.now() - timedelta(days=400)).year) in rest.days[2].heading


@pytest.mark.parametrize(
    "key", ["nonsense", "2026-01-01T00:00:00~5", "2026-01-01T00:00:00+00:00~x", "~", "2026~9" + "9" * 30]
)
def test_a_nonsense_key_is_a_page_that_does_not_exist(client: Client, ada: User, key: str) -> None:
    client.force_login(ada)
    assert client.get(reverse("generation:gallery"), {"before": key}).status_code == 404
    assert client.get(reverse("generation:gallery-page"), {"before": key}).status_code == 404


def test_filters_by_style_and_words(shoot: Shoot, ada: User, ink: Style) -> None:
    [inked] = shoot(1, prompt="a fox", final_prompt="inkmist style, a fox", style=ink)
    [plain] = shoot(1, prompt="a red Castle")

    def found(**given: Any) -> list[int]:
        return walk(ada, 10, Filters(**given))

    assert found(style=ink.slug) == [inked.pk]
    assert found(style="base") == [plain.pk]
    assert found(style="no-such-style") == []
    assert found(words="castle RED") == [plain.pk]
    assert found(words="inkmist") == [inked.pk]
    assert found(words="fox", style="base") == []


def test_filters_stay_in_every_address() -> None:
    filters = Filters.read(QueryDict("style=ink-mist&q=red+fox&before=x"))
    assert filters == Filters(style="ink-mist", words="red fox")
    assert filters.query(before="2026~1") == "q=red+fox&style=ink-mist&before=2026~1"
    assert not Filters.read(QueryDict("style=&q=+")).any


def test_the_wall_links_to_its_next_page_with_and_without_script(
    client: Client, ada: User, shoot: Shoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        shoot(16)
    client.force_login(ada)
    page = client.get(reverse("generation:gallery"), {"q": "fox"})
    html = page.content.decode()
    assert html.count('<figure class="tile') == query.PAGE
    more = page.context["more_query"].replace("&", "&amp;")
    assert f'hx-get="/gallery/page/?{more}"' in html
    assert f'href="/gallery/?{more}">Load more</a>' in html
    rest = client.get(reverse("generation:gallery-page") + "?" + page.context["more_query"]).content.decode()
    assert rest.count('<figure class="tile') == 20
    assert "Load more" not in rest
    assert "<html" not in rest


def test_an_empty_gallery_teaches_and_an_empty_search_offers_a_way_back(
    client: Client, ada: User, shoot: Shoot
) -> None:
    client.force_login(ada)
    empty = client.get(reverse("generation:gallery")).content.decode()
    assert "Make your first picture" in empty
    assert reverse("generation:gallery-counts") not in empty  # there are no filters to put numbers into
    shoot(1)
    page = client.get(reverse("generation:gallery"), {"q": "zebra"}).content.decode()
    assert "No pictures match" in page
    assert "Clear filters" in page
    assert 'id="q"' in page and reverse("generation:gallery-counts") in page


def test_a_private_picture_is_a_404_for_others_and_the_owners_own_to_see(
    client: Client, ada: User, bob: User, shoot: Shoot
) -> None:
    [picture] = shoot(1, visibility=Visibility.PRIVATE)
    client.force_login(bob)
    assert client.get(picture.get_absolute_url()).status_code == 404
    assert client.post(reverse("generation:picture-delete", args=[picture.pk])).status_code == 404
    assert walk(bob, 10) == []
    client.force_login(ada)
    assert client.get(picture.get_absolute_url()).status_code == 200
    assert walk(ada, 10) == [picture.pk]


def test_the_picture_page_says_everything_that_made_it(client: Client, ada: User, shoot: Shoot, ink: Style) -> None:
    first, second, third = shoot(3, prompt="a fox", final_prompt="inkmist style, a fox", style=ink)
    client.force_login(ada)
    response = client.get(second.get_absolute_url())
    html = page(response)
    for fact in (
        "1216 × 832, 3:2",
        "v1 at 0.80",
        "euler",
        "sgm_uniform",
        "base.safetensors",
        "2.0 kB",
        "cdcdcdcd…cdcdcd",
    ):
        assert fact in html
    assert "<mark>inkmist style</mark>, a fox" in html
    assert f'href="/?picture={second.pk}"' in html
    assert f'href="/?reference={second.pk}"' in html
    assert 'data-copy="a fox"' in html
    assert f'href="{second.file.url}?download=a-fox-8"' in html
    assert f'href="{first.get_absolute_url()}" rel="prev"' in html
    assert f'href="{third.get_absolute_url()}" rel="next"' in html


def test_the_film_goes_on_to_the_jobs_before_and_after(shoot: Shoot, ada: User) -> None:
    old_one, old_two = shoot(2)
    gone, middle = shoot(2)
    gone.delete()
    [new] = shoot(1)
    assert query.film(middle, ada).previous == new
    assert query.film(middle, ada).next == old_one
    assert query.film(new, ada).previous is None
    assert query.film(old_one, ada).previous == middle
    assert query.film(old_two, ada).next is None


def test_only_its_maker_or_a_curator_deletes_a_picture(
    client: Client, ada: User, bob: User, curator: User, shoot: Shoot
) -> None:
    mine, also_mine = shoot(2)
    client.force_login(bob)
    assert client.post(reverse("generation:picture-delete", args=[mine.pk])).status_code == 403
    assert "Delete" not in client.get(mine.get_absolute_url()).content.decode()
    assert GeneratedImage.objects.count() == 2
    client.force_login(ada)
    assert client.get(reverse("generation:picture-delete", args=[mine.pk])).status_code == 405
    assert client.post(reverse("generation:picture-delete", args=[mine.pk])).status_code == 302
    client.force_login(curator)
    client.post(reverse("generation:picture-delete", args=[also_mine.pk]))
    assert GeneratedImage.objects.count() == 0


def test_a_deleted_picture_comes_back_with_undo_and_open_pages_hear_of_it(
    client: Client, ada: User, bob: User, shoot: Shoot
) -> None:
    [picture] = shoot(1)
    version = picture.task.version
    client.force_login(ada)
    page = client.post(reverse("generation:picture-delete", args=[picture.pk]), follow=True).content.decode()
    undo = reverse("generation:picture-restore", args=[picture.pk])
    assert f'action="{undo}"' in page
    assert client.get(picture.get_absolute_url()).status_code == 410
    client.force_login(bob)
    assert client.post(undo).status_code == 403
    client.force_login(ada)
    assert client.post(undo, follow=True).status_code == 200
    assert client.get(picture.get_absolute_url()).status_code == 200
    picture.task.refresh_from_db()
    assert picture.task.version == version + 2


def test_the_newest_pictures_of_a_style_are_a_fragment_of_their_own(
    client: Client, ada: User, shoot: Shoot, ink: Style
) -> None:
    shoot(14, style=ink)
    shoot(2)
    client.force_login(ada)
    html = client.get(reverse("generation:gallery-page"), {"strip": "1", "style": ink.slug}).content.decode()
    assert html.count('<figure class="tile') == query.STRIP
    assert "Load more" not in html


def test_the_admin_shows_pictures_and_jobs_but_changes_nothing(
    client: Client, curator: User, shoot: Shoot, ink: Style
) -> None:
    [picture] = shoot(1, style=ink)
    client.force_login(curator)
    for model, pk in (
        ("generatedimage", picture.pk),
        ("generationtask", picture.task_id),
        ("engineprompt", picture.prompt_id),
    ):
        changelist = client.get(reverse(f"admin:pictures_{model}_changelist"), {"q": "fox"})
        assert changelist.status_code == 200
        assert changelist.context["cl"].result_count == 1
        assert client.get(reverse(f"admin:pictures_{model}_change", args=[pk])).status_code == 200
        assert client.post(reverse(f"admin:pictures_{model}_delete", args=[pk]), {"post": "yes"}).status_code == 403
        assert client.post(reverse(f"admin:pictures_{model}_change", args=[pk]), {"prompt": "x"}).status_code == 403
    assert GeneratedImage.objects.count() == 1


def test_an_engines_credentials_go_in_and_never_come_out(client: Client, curator: User) -> None:
    client.force_login(curator)
    address = reverse("admin:engines_engine_add")
    client.post(address, {"name": "Big", "address": "http://ada:secret-word@10.0.0.9:8188/"})
    engine = Engine.objects.get(name="Big")
    assert (engine.address, engine.credentials) == ("http://10.0.0.9:8188", "ada:secret-word")
    change = reverse("admin:engines_engine_change", args=[engine.pk])
    assert "secret-word" not in client.get(change).content.decode()
    client.post(change, {"name": "Bigger", "address": engine.address, "credentials": "", "paused": "on"})
    engine.refresh_from_db()
    assert (engine.name, engine.paused, engine.credentials) == ("Bigger", True, "ada:secret-word")
    client.post(change, {"name": "Bigger", "address": engine.address, "forget": "on"})
    engine.refresh_from_db()
    assert engine.credentials == ""


@pytest.mark.parametrize(
    "address", ["10.0.0.9:8188", "ftp://10.0.0.9", "http://", "http://host:99999", "javascript:alert(1)"]
)
def test_a_nonsense_engine_address_is_refused(client: Client, curator: User, address: str) -> None:
    client.force_login(curator)
    response = client.post(reverse("admin:engines_engine_add"), {"name": "Big", "address": address})
    assert "Use an address such as" in response.content.decode()
    assert not Engine.objects.exists()


def test_the_environments_engines_are_paused_but_not_deleted(client: Client, curator: User) -> None:
    engine = Engine.objects.create(address="http://10.0.0.8:8188", source=Engine.Source.ENVIRONMENT)
    client.force_login(curator)
    assert client.post(reverse("admin:engines_engine_delete", args=[engine.pk]), {"post": "yes"}).status_code == 403
    client.post(
        reverse("admin:engines_engine_changelist"),
        {"action": "delete_selected", "_selected_action": [engine.pk], "post": "yes"},
    )
    change = reverse("admin:engines_engine_change", args=[engine.pk])
    client.post(change, {"name": "", "address": "http://elsewhere:1", "paused": "on"})
    engine.refresh_from_db()
    assert (engine.address, engine.paused) == ("http://10.0.0.8:8188", True)


def test_what_appears_over_tiles_is_kept_by_browsers_until_it_changes(her: Client, ada: User) -> None:
    found = re.search(r'hx-get="(/gallery/tile-acts/[^"]+)"', her.get("/gallery/?q=x").content.decode())
    assert found
    answer, another = her.get(found[1]), her.get("/gallery/tile-acts/?like=another")
    assert b"/variations/" in answer.content
    # Django keeps the parts as a set, whose order differs from process to process.
    assert set(answer.headers["Cache-Control"].split(", ")) == {"max-age=86400", "private"}
    assert set(another.headers["Cache-Control"].split(", ")) == {"max-age=0", "private"}
    her.cookies["django_language"] = "zh-hans"
    assert found[1] not in her.get("/gallery/?q=x").content.decode()


def test_a_picture_of_many_styles_asks_as_much_as_one_of_one(shoot: Shoot, ada: User, client: Client) -> None:
    styles = [Style.objects.create(name=f"Ink {number}") for number in range(3)]
    [one], [many] = shoot(style=styles[0]), shoot(style=styles[0])
    for place, style in enumerate(styles[1:], 1):
        TaskStyle.objects.create(task=many.task, version=style.versions.get(), position=place, weight=0.8)
    client.force_login(ada)
    asked = []
    for picture in (one, one, many):  # the first one asks what is asked once
        with CaptureQueriesContext(connection) as questions:
            assert client.get(picture.get_absolute_url()).status_code == 200
        asked.append(len(questions))
    assert asked[2] == asked[1]


def test_the_film_strip_runs_as_the_arrows_do(shoot: Shoot, ada: User, client: Client) -> None:
    first, second, third = shoot(3)
    client.force_login(ada)
    for address, order in (("", [first, second, third]), ("?wall=1", [third, second, first])):
        film = client.get(second.get_absolute_url() + address).context["film"]
        assert film.pictures == order and (film.previous, film.next) == (order[0], order[2])
