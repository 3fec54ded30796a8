"""A wall shows exactly what its filters ask for, in its order, whichever way it is found: compared with a slow way that
goes through everything, on random pictures.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import QueryDict
from django.utils import timezone

from generation.engines.models import Engine
from generation.gallery import bar, counting, query, searching, walking
from generation.gallery.filters import Filters
from generation.pictures.models import (
    EnginePrompt,
    FactProgress,
    GeneratedImage,
    GenerationTask,
    PictureCount,
    SearchEntry,
    SearchKind,
    SearchName,
    SearchStyle,
    TaskStyle,
    search_index,
    style_counts,
)
from generation.pictures.upkeep import facts
from styles.models import Style, StyleVersion
from stylestudio.people.visibility import Visibility

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
WAYS: dict[str, dict[str, Any]] = {
    "sorted": {},
    "along the rarest": {"FEW": 0},
    "along the rarest, given up soon": {"FEW": 0, "WALK": 3, "MOST_DOCUMENTS": 0},
    "by documents": {"FEW": 0, "RECENT": 1},
}
SIZES = ((64, 64), (64, 96), (96, 64))
CHOICES: dict[str, Sequence[Any]] = {
    "words": ("", "fox", "red fox", '"red fox"', "fox OR wolf", "-fox", "-red wolf", "seed:5005", "5005", "x-5005.png",
              "by:ada", "-by:ada", "style:ink", "-style:ink", "style:base", "shape:portrait", "after:2026-03-12",
              "before:2026-03", "on:2026-03-11", "file:holiday", "holiday", "-holiday", "checkpoint:rare", "version:2",
              "engine:9 wolf", "preset:Cold", "by:nobody", "style:nothing", "seed:x"),
    "style": ("", "ink", "mist", "base", "no-such"),
    "version": ("", "1", "2"),
    "by": ("", "me", "ada", "bob", "nobody"),
    "since": ("", "2026-03-11"),
    "until": ("", "2026-03-11"),
    "shape": ("", "square", "portrait", "landscape"),
    "checkpoint": ("", "rare.safetensors", "none"),
    "preset": ("", "Cold"),
    "average": ("", "3"),
    "clear": (False, True),
    "previews": (False, True),
    "sort": ("", "oldest", "best"),
}  # fmt: skip


@dataclass
class Studio:
    """Random pictures of two people, and a slow way to find some."""

    people: list[User]
    rated: dict[int, int]
    rows: dict[User, list[GeneratedImage]] = field(default_factory=dict)

    def visible(self, person: User) -> list[GeneratedImage]:
        """What the person may see, read once: from the first question on nothing changes."""
        if person not in self.rows:
            rows = GeneratedImage.with_previews.visible_to(person).select_related("task__owner", "engine")
            self.rows[person] = list(rows.prefetch_related("task__mix__version__style"))
        return self.rows[person]

    def slow(self, person: User, filters: Filters) -> list[int]:
        """The keys of what is asked for, in order."""
        found = [row for row in self.visible(person) if self.matches(person, row, filters)]
        key = {
            "": lambda row: (-row.created_at.timestamp(), -row.pk),
            "oldest": lambda row: (row.created_at.timestamp(), row.pk),
            "best": lambda row: (-self.rated.get(row.pk, 0), -row.created_at.timestamp(), -row.pk),
        }[filters.sort]
        return [row.pk for row in sorted(found, key=key)]

    def matches(self, person: User, row: GeneratedImage, filters: Filters) -> bool:
        """Whether a picture is asked for."""
        task = row.task
        versions = [(mix.version.style.slug, mix.version.number) for mix in task.mix.all()]
        day = timezone.localdate(row.created_at).isoformat()
        shape = {0: "square", 1: "landscape", -1: "portrait"}[(row.width > row.height) - (row.width < row.height)]
        wanted = [
            filters.previews or not task.is_face,
            not filters.by or task.owner.username == (person.username if filters.by == "me" else filters.by),
            not filters.since or day >= filters.since,
            not filters.until or day <= filters.until,
            not filters.shape or shape == filters.shape,
            not filters.checkpoint or task.checkpoint == filters.checkpoint,
            not filters.preset or task.frame.preset == filters.preset,
            not filters.average or self.rated.get(row.pk, 0) >= 100 * int(filters.average),
            not filters.clear or row.has_alpha,
            self.style_matches(versions, filters),
            self.words_match(row, task, versions, day, shape, filters.words),
        ]
        return all(wanted)

    def style_matches(self, versions: list[tuple[str, int]], filters: Filters) -> bool:
        """Whether the style and version are asked for."""
        if filters.style == "base":
            return not versions
        if not filters.style:
            return True
        number = int(filters.version) if filters.version else None
        return any(slug == filters.style and number in (None, of) for slug, of in versions)

    def words_match(
        self, row: GeneratedImage, task: Any, versions: list[tuple[str, int]], day: str, shape: str, words: str
    ) -> bool:
        """Whether the search is met: each of `CHOICES["words"]` spelled out."""
        said, named = task.final_prompt, row.name
        slugs = {slug for slug, _number in versions}
        found: dict[str, bool] = {
            "": True,
            "fox": "fox" in said, "red fox": "red" in said and "fox" in said, '"red fox"': "red fox" in said,
            "fox OR wolf": "fox" in said or "wolf" in said, "-fox": "fox" not in said,
            "-red wolf": "red" not in said and "wolf" in said,
            "seed:5005": row.seed == 5005, "5005": row.seed == 5005 or "5005" in said, "x-5005.png": row.seed == 5005,
            "by:ada": task.owner.username == "ada", "-by:ada": task.owner.username != "ada",
            "style:ink": "ink" in slugs, "-style:ink": "ink" not in slugs, "style:base": not slugs,
            "shape:portrait": shape == "portrait", "after:2026-03-12": day >= "2026-03-12",
            "before:2026-03": day < "2026-03-01", "on:2026-03-11": day == "2026-03-11",
            "file:holiday": "holiday" in named, "holiday": "holiday" in named or "holiday" in said,
            "-holiday": "holiday" not in named and "holiday" not in said, "checkpoint:rare": "rare" in task.checkpoint,
            "version:2": any(number == 2 for _slug, number in versions),
            "engine:9 wolf": "9" in str(row.engine) and "wolf" in said, "preset:Cold": task.frame.preset == "Cold",
            "by:nobody": False, "style:nothing": False, "seed:x": False,
        }  # fmt: skip
        return found[words]


def made(people: list[User], number: int = 40) -> Studio:
    """A studio of so many jobs."""
    dice = random.Random(11)
    engines = [Engine.objects.create(address=f"http://127.0.0.1:{port}") for port in (19, 28)]
    versions = []
    for name in ("Ink", "Mist"):
        style = Style.objects.create(name=name, slug=name.lower())
        have = set(style.versions.values_list("number", flat=True))
        StyleVersion.objects.bulk_create(StyleVersion(style=style, number=n) for n in (1, 2) if n not in have)
        versions += list(style.versions.all())
    studio = Studio(people, {})
    for each in range(number):
        words = dice.sample(["red", "fox", "wolf", "blue", "holiday", "5005"], 2)
        snapshot = {"frame": {"preset": "Cold", "prefix": "x"}} if dice.random() < 0.3 else {}
        task = GenerationTask.objects.create(
            owner=dice.choice(people), prompt="p", final_prompt=" ".join(words), width=64, height=64, count=2,
            seeds=[1, 2], checkpoint=dice.choice(["base.safetensors"] * 3 + ["rare.safetensors"]), lightning="l",
            own_values=snapshot, status="completed", ended_at=NOON, is_face=dice.random() < 0.15,
            visibility=dice.choice([Visibility.TEAM] * 3 + [Visibility.PRIVATE]),
        )  # fmt: skip
        for place, version in enumerate(dice.sample(versions, dice.choice([0, 0, 1, 2]))):
            TaskStyle.objects.create(task=task, version=version, position=place, weight=0.8)
        for index in range(2):
            at = NOON + timedelta(hours=dice.randrange(80))  # some at the same moment
            prompt = EnginePrompt.objects.create(
                task=task, index=index, engine=engines[0], worker="w", lease_until=at, state="done", ended_at=at
            )
            width, height = dice.choice(SIZES)
            picture = GeneratedImage.everything.create(
                task=task, index=index, prompt=prompt, seed=5000 + each % 9, width=width, height=height, size=1,
                sha256="0" * 64, engine=dice.choice(engines), created_at=at, file=f"outputs/{prompt.pk}.png",
                has_alpha=dice.random() < 0.2, name="my holiday.png" if dice.random() < 0.2 else "",
            )  # fmt: skip
            if dice.random() < 0.4:
                studio.rated[picture.pk] = 100 * dice.randrange(1, 6)
                search_index.rate(picture.pk, studio.rated[picture.pk] / 100)
        style_counts.add(task, 2)  # as whatever stores pictures does
    for row in dice.sample(list(GeneratedImage.with_previews.all()), 10):
        row.delete()
        studio.rated.pop(row.pk, None)
    return studio


@pytest.fixture
def studio(ada: User, bob: User) -> Studio:
    return made([ada, bob])


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in WAYS[request.param].items():
        monkeypatch.setattr(walking if hasattr(walking, name) else searching, name, value)
    return str(request.param)


def asked(together: int = 40) -> Iterator[Filters]:
    """Each filter alone, then so many at random together."""
    for name, values in CHOICES.items():
        for value in values:
            yield replace(Filters(), **{name: value})
    dice = random.Random(5)
    for _each in range(together):
        names = dice.sample(list(CHOICES), 3)
        yield replace(Filters(), **{name: dice.choice(CHOICES[name]) for name in names})


def paged(person: User, filters: Filters, size: int) -> list[int]:
    """The keys of a wall, page by page."""
    found: list[int] = []
    before = ""
    while True:
        page = query.page(query.pictures(person, filters), before, size)
        found += [picture.pk for day in page.days for picture in day.pictures]
        before = page.more
        if not before:
            return found


@pytest.mark.parametrize("together", [20, pytest.param(400, marks=pytest.mark.heavy)])
def test_a_wall_shows_what_the_slow_way_finds(studio: Studio, way: str, together: int) -> None:
    turn = list(WAYS).index(way)
    for number, filters in enumerate(asked(together)):
        if together < 100 and (number + turn) % 2:
            continue  # by default each is asked in two ways, for another person in each
        for person in studio.people if together > 100 else [studio.people[(number + turn // 2) % 2]]:
            right = studio.slow(person, filters)
            assert paged(person, filters, 17) == right, filters
            found = query.pictures(person, filters)
            assert [key for some in found.keys(None) for key in some] == right, filters
            assert sorted(key for some in found.keys_in_no_order(10_000) for key in some) == sorted(right), filters
            if len(right) > 4:
                middle = GeneratedImage.everything.get(pk=right[3])
                film = query.film(middle, person, found.near(query.place_of(found, middle)))
                assert film.previous and film.next, filters
                assert (film.previous.pk, film.next.pk) == (right[2], right[4]), filters


def test_numbers_of_filters_are_those_of_the_walls_they_lead_to(studio: Studio) -> None:
    ada, _bob = studio.people
    styles = list(Style.objects.values_list("pk", flat=True))
    for filters in (Filters(), Filters(words="fox"), Filters(shape="square"), Filters(by="bob")):
        counts = counting.counted(query.pictures(ada, filters), styles)
        assert counts.total == len(studio.slow(ada, filters)) and not counts.is_more
        for person in studio.people if not filters.by else ():
            left = studio.slow(ada, replace(filters, by=person.username))
            assert counts.by["owner"].get(person.pk, 0) == len(left)
        for style in Style.objects.filter(is_base=False):
            left = studio.slow(ada, replace(filters, style=style.slug))
            assert counts.by["style"].get(style.pk, 0) == len(left)


def test_a_checkpoint_is_one_whatever_program_wrote_its_name(studio: Studio) -> None:
    ada, _bob = studio.people
    filters = Filters(checkpoint="rare.safetensors")
    right = studio.slow(ada, filters)
    name = SearchName.objects.create(kind=SearchName.Kind.CHECKPOINT, name="SDXL\\Rare")
    kind = SearchKind.objects.values("engine", "shape", "has_alpha", "is_base").first()
    assert kind is not None
    taken_over = SearchKind.objects.create(checkpoint=name.pk, **kind)
    SearchEntry.objects.filter(pk=right[0]).update(kind=taken_over.pk)
    for asked_for in (filters, Filters(checkpoint="SDXL\\Rare"), Filters(words="checkpoint:rare")):
        assert paged(ada, asked_for, 50) == right
        counts = counting.counted(query.pictures(ada, asked_for), [])
        [menu] = [menu for menu in bar.bar(ada, asked_for, counts).further if menu.name == "checkpoint"]
        named = [(choice.is_chosen, choice.number) for choice in menu.choices if "are" in choice.label]
        assert named == [(asked_for.checkpoint != "", len(right))]


def test_all_that_the_filter_shows_is_frozen_at_a_key(studio: Studio) -> None:
    ada, _bob = studio.people
    every = studio.slow(ada, Filters(words="fox"))
    limit = sorted(every)[len(every) // 2]
    keys = [key for some in query.pictures(ada, Filters(words="fox")).keys(limit, most=5) for key in some]
    assert keys == [key for key in every if key <= limit][:5]
    assert query.pictures(ada, Filters(words="fox")).count(3) == 4


def test_facts_of_older_entries_are_filled_in_and_the_trash_leaves(studio: Studio) -> None:
    ada, _bob = studio.people
    known = dict(SearchEntry.objects.values_list("pk", "kind"))
    SearchEntry.objects.update(owner=None, is_private=None, is_face=None, kind=None, preset=None, seed=None, named=None)
    SearchStyle.objects.all().delete()
    first = GeneratedImage.objects.filter(deleted_at=None).first()
    assert first is not None
    GeneratedImage.everything.filter(pk=first.pk).update(deleted_at=NOON)  # as before entries went with their pictures
    facts.start_over()
    assert paged(ada, Filters(by="ada"), 50) == []
    while not facts.is_done():
        facts._fill_batch(9)
        assert paged(ada, Filters(words="fox"), 50) == studio.slow(ada, Filters(words="fox"))
    assert {key: kind for key, kind in known.items() if key != first.pk} == dict(
        SearchEntry.objects.values_list("pk", "kind")
    )
    for filters in islice(asked(), 60):
        assert paged(ada, filters, 50) == studio.slow(ada, filters), filters
    assert facts.known_since() is None and FactProgress.objects.get().is_done


def test_an_entry_goes_into_the_trash_with_its_picture_and_comes_back(studio: Studio) -> None:
    picture = GeneratedImage.objects.filter(task__mix__isnull=False).first()
    assert picture is not None
    total = sum(PictureCount.objects.values_list("pictures", flat=True))
    styles = SearchStyle.objects.filter(picture=picture.pk).count()
    picture.delete()
    assert not SearchEntry.objects.filter(pk=picture.pk).exists()
    assert not SearchStyle.objects.filter(picture=picture.pk).exists()
    assert sum(PictureCount.objects.values_list("pictures", flat=True)) == total - 1
    picture.restore()
    assert SearchEntry.objects.filter(pk=picture.pk, owner__isnull=False).exists()
    assert SearchStyle.objects.filter(picture=picture.pk).count() == styles > 0


@pytest.mark.parametrize(
    "address",
    ["q=%00&style=%00", "from=2026-99-99&to=x", "engine=-1&version=1e9", "sort=worst&size=xl", "average=6&shape=round",
     "days=31&clear=2", "by=" + "x" * 400, "q=" + "a%20" * 300, "engine=99999999999999999999",
     "q=seed:99999999999999999999"],
)  # fmt: skip
def test_an_address_that_means_nothing_is_no_error(address: str, ada: User) -> None:
    filters = Filters.read(QueryDict(address))
    assert query.pictures(ada, filters).newest(5) == []
    assert Filters.read(QueryDict(filters.query())) == filters
