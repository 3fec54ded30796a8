"""What versions look like: sheets, comparisons, strength strips, covers; made on a real (preview) engine."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from generation.engines.models import Engine
from generation.gallery import query
from generation.making import runner
from generation.ordering import orders
from generation.ordering.orders import Ingredient, Order
from generation.pictures import graphs
from generation.pictures.models import GeneratedImage, GenerationTask
from generation.previews import contact_sheets, faces
from generation.previews.models import Face, Probe
from styles.models import Effect, Kind, Style, StyleVersion
from styles.refusals import VersionInUse
from stylestudio.jobs.kinds import Status
from stylestudio.preview_engine.server import PreviewThread
from stylestudio.preview_engine.troubles import FailNode, OutOfMemory
from stylestudio.processes import workers
from tests.pages import page, tight

pytestmark = pytest.mark.django_db

HTMX = {"HTTP_HX_REQUEST": "true"}
SHEET, EFFECT, STRENGTHS = faces.Purpose.SHEET, faces.Purpose.EFFECT, faces.Purpose.STRENGTHS


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of a size that is made at once."""
    monkeypatch.setattr(faces, "SIZE", (96, 64))


@pytest.fixture
def probes(db: None) -> list[Probe]:
    """The first four."""
    faces.create_probes_once()
    return list(Probe.objects.all())


@pytest.fixture
def version(probes: list[Probe]) -> StyleVersion:
    """A version with a file that the engine has."""
    return make_version("Ink & mist")


def make_version(name: str, **changes: Any) -> StyleVersion:
    """The first version of a new style."""
    values = {"lora_name": "sketch_ink.safetensors", "trigger_words": "inkmist style", "default_strength": 0.75}
    Style.objects.create(name=name).versions.update(**values | changes)
    return StyleVersion.objects.select_related("style").get(style__name=name)


def again(version: StyleVersion) -> StyleVersion:
    """The version as it is stored now."""
    return StyleVersion.objects.select_related("style").get(pk=version.pk)


def work() -> None:
    """What workers do with all that is in the queue."""
    runner.work()
    for pk in GenerationTask.objects.filter(is_face=True).values_list("pk", flat=True):
        faces.follow(pk)


def made(version: StyleVersion, user: User, purpose: str = SHEET) -> faces.Panel:
    """Ask for it, let it be made, and look."""
    faces.ask(again(version), user, purpose)
    work()
    return faces.panel(again(version), purpose)


def opened(field: Any) -> Image.Image:
    """The picture in a file field."""
    with field.open("rb") as handle:
        return Image.open(io.BytesIO(handle.read())).convert("RGBA")


def near(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether two colours are the same but for the loss of WebP."""
    return all(abs(a - b) < 12 for a, b in zip(one[:3], other[:3], strict=True))


def signed_in(user: User) -> Client:
    """A browser."""
    client = Client()
    client.force_login(user)
    return client


def address(name: str, version: StyleVersion, *rest: str) -> str:
    """An address of a version's faces."""
    return reverse(f"generation:{name}", args=[version.pk, *rest])


# Probes


def test_four_probes_are_there_from_the_first_start_and_deleted_ones_stay_away(probes: list[Probe]) -> None:
    assert [probe.position for probe in probes] == [1, 2, 3, 4] and all(not probe.kind for probe in probes)
    probes[0].delete()
    faces.create_probes_once()
    assert Probe.objects.count() == 3
    Probe.objects.all().delete()
    faces.create_probes_once()
    assert Probe.objects.count() == 0


def test_probes_of_the_styles_type_come_first_and_few_are_asked_again(probes: list[Probe]) -> None:
    style = Style(kind=Kind.UI)
    Probe.objects.create(prompt="a blue gem", seed=5, kind=Kind.UI, position=9)
    Probe.objects.create(prompt="a portal", seed=6, kind=Kind.VFX)
    assert [prompt for prompt, _seed in faces.scenes(style)] == ["a blue gem", *(probe.prompt for probe in probes[:3])]
    Probe.objects.filter(kind="").update(active=False)
    assert faces.scenes(style) == [("a blue gem", 5), ("a blue gem", 6), ("a blue gem", 7), ("a blue gem", 8)]
    Probe.objects.all().delete()
    with pytest.raises(ValidationError):
        faces.scenes(style)


def test_curators_edit_probes_in_the_admin(curator: User, ada: User, probes: list[Probe]) -> None:
    place = reverse("admin:previews_probe_changelist")
    assert signed_in(ada).get(place).status_code == 302
    client = signed_in(curator)
    assert "Select probe prompt" in client.get(place).content.decode()
    fields = {"prompt": "a fox", "seed": "3", "position": "5", "kind": "", "active": "on"}
    assert client.post(reverse("admin:previews_probe_add"), fields).status_code == 302
    assert Probe.objects.filter(prompt="a fox", seed=3).exists()
    delete = {"action": "delete_selected", "_selected_action": [probes[0].pk], "post": "yes"}
    assert client.post(place, delete).status_code == 302
    assert not Probe.objects.filter(pk=probes[0].pk).exists()


# The preview sheet


def test_a_sheet_is_composed_of_four_finished_probes(engine: Engine, version: StyleVersion, curator: User) -> None:
    ordered = faces.ask_for_sheet(version, curator)
    assert [task.prompt for task in ordered] == [probe.prompt for probe in Probe.objects.all()]
    assert {(task.owner, task.count, task.is_face) for task in ordered} == {(curator, 1, True)}
    assert [(row.version, row.weight) for task in ordered for row in task.mix.all()] == [(version, 0.75)] * 4
    assert faces.panel(version, SHEET).making and not again(version).sheet
    work()
    version = again(version)
    sheet = opened(version.sheet)
    assert sheet.size == (4 * 384, 288) and re.fullmatch(r"[0-9a-f]{32}\.webp", Path(version.sheet.name).name)
    for number, task in enumerate(ordered):
        drawn = opened(task.pictures.get().file).getpixel((40, 30))
        assert near(sheet.getpixel((384 * number + 192, 144)), drawn)
    shown = faces.panel(version, SHEET)
    assert shown.whole and not shown.making and not shown.stale


def test_the_old_file_goes_when_a_new_sheet_is_there(engine: Engine, version: StyleVersion, curator: User) -> None:
    made(version, curator)
    old = Path(again(version).sheet.path)
    before = set(Face.objects.values_list("task", flat=True))
    made(version, curator)
    assert not old.exists() and Path(again(version).sheet.path).exists()
    assert set(Face.objects.values_list("task", flat=True)) > before, "nothing was missing, so all were made anew"
    assert GenerationTask.objects.filter(is_face=True).count() == 8


def test_one_probe_that_fails_leaves_the_rest_and_is_made_at_the_next_press(
    engine: Engine, preview: PreviewThread, version: StyleVersion, curator: User
) -> None:
    preview.troubles.add(FailNode(class_type="VAEDecode", times=1))
    shown = made(version, curator)
    assert [cell.state for cell in shown.cells].count("gone") == 1 and len(shown.gone) == 1
    gone = shown.gone[0].face
    sheet = opened(again(version).sheet)
    assert [sheet.getpixel((384 * number + 192, 144))[3] for number in range(4)] == [
        0 if number == gone.position else 255 for number in range(4)
    ]
    html = signed_in(curator).get(address("face", version, "sheet")).content.decode()
    assert "1 of 4 previews was not made." in html and gone.task.get_absolute_url() in html
    ordered = faces.ask(again(version), curator, SHEET)
    assert len([task for task in ordered if task.is_active]) == 1, "the three that are there are shared"
    work()
    assert faces.panel(again(version), SHEET).whole
    assert opened(again(version).sheet).getpixel((384 * gone.position + 192, 144))[3] == 255


def test_a_retry_takes_the_place_of_what_failed(
    engine: Engine, preview: PreviewThread, version: StyleVersion, curator: User
) -> None:
    preview.troubles.add(OutOfMemory(class_type="KSampler", times=1))
    gone = made(version, curator).gone[0].face
    retried = orders.retry(gone.task, curator)
    assert orders.retry(gone.task, curator) == retried and retried.is_face and retried.faces.count() == 1
    assert faces.panel(again(version), SHEET).making
    work()
    assert faces.panel(again(version), SHEET).whole


def test_a_late_retry_does_not_take_the_place_of_what_was_asked_later(
    engine: Engine, preview: PreviewThread, version: StyleVersion, curator: User
) -> None:
    preview.troubles.add(OutOfMemory(class_type="KSampler", times=1))
    gone = made(version, curator).gone[0].face
    version.style.versions.update(default_strength=0.5)
    newer = made(version, curator)
    orders.retry(gone.task, curator)
    work()
    assert [cell.face for cell in faces.panel(again(version), SHEET).cells] == [cell.face for cell in newer.cells]


def test_when_nothing_was_made_the_old_sheet_stays(
    engine: Engine, preview: PreviewThread, version: StyleVersion, curator: User
) -> None:
    made(version, curator)
    old = again(version).sheet.name
    preview.troubles.add(FailNode(class_type="VAEDecode", times=4))
    shown = made(version, curator)
    assert len(shown.gone) == 4 and again(version).sheet.name == old


def test_a_cancelled_preview_is_not_waited_for(engine: Engine, version: StyleVersion, curator: User) -> None:
    first, *_rest = faces.ask_for_sheet(version, curator)
    signed_in(curator).post(reverse("generation:cancel", args=[first.pk]))
    work()
    shown = faces.panel(again(version), SHEET)
    assert [cell.state for cell in shown.cells] == ["gone", "done", "done", "done"] and again(version).sheet


def test_pressing_twice_makes_four_pictures(version: StyleVersion, curator: User) -> None:
    first, second = (faces.ask(version, curator, SHEET) for _press in range(2))
    assert first == second and GenerationTask.objects.count() == 4


def test_the_base_style_has_a_sheet_without_any_style(engine: Engine, probes: list[Probe], curator: User) -> None:
    base = Style.objects.create(slug="base", name="Base style", is_base=True, kind=Kind.OTHER).versions.get()
    assert made(base, curator).whole and again(base).sheet
    assert not any(task.mix.exists() for task in GenerationTask.objects.all())


@pytest.mark.parametrize(
    "change",
    [
        lambda version: StyleVersion.objects.filter(pk=version.pk).update(default_strength=0.5),
        lambda version: StyleVersion.objects.filter(pk=version.pk).update(trigger_words="other words"),
        lambda version: StyleVersion.objects.filter(pk=version.pk).update(lora_name="sketch_gouache.safetensors"),
        lambda version: Probe.objects.filter(position=2).update(prompt="a lighthouse"),
        lambda version: Probe.objects.filter(position=2).update(seed=99),
        lambda version: Probe.objects.filter(position=2).update(active=False),
    ],
    ids=["strength", "triggers", "file", "prompt", "seed", "probe"],
)
def test_previews_are_out_of_date_when_what_made_them_changed(
    engine: Engine, version: StyleVersion, curator: User, change: Callable[[StyleVersion], object]
) -> None:
    made(version, curator)
    client = signed_in(curator)
    assert "out of date" not in client.get(address("face", version, "sheet")).content.decode()
    change(version)
    html = client.get(address("face", version, "sheet")).content.decode()
    assert "Previews are out of date." in html and ">Make previews<" in tight(re.sub(r"<svg.*?</svg>", "", html))
    made(version, curator)
    assert "out of date" not in client.get(address("face", version, "sheet")).content.decode()


def test_a_smaller_retry_is_not_out_of_date(
    engine: Engine, preview: PreviewThread, version: StyleVersion, curator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faces, "SIZE", (1152, 896))
    preview.troubles.add(OutOfMemory(class_type="KSampler", times=1))
    gone = made(version, curator).gone[0].face
    orders.retry_smaller(gone.task, curator)
    work()
    assert faces.panel(again(version), SHEET).whole


# What follows when a task ends


def test_the_end_of_a_picture_puts_one_message_into_the_queue_and_only_for_faces(
    engine: Engine, version: StyleVersion, curator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    monkeypatch.setattr(faces, "follow_soon", sent.append)
    orders.place(Order(prompt="a fox", width=64, height=64, seed=1), curator)
    ordered = faces.ask(version, curator, EFFECT)
    runner.work()
    assert sorted(sent) == sorted(task.pk for task in ordered)


def test_what_a_lost_message_left_undone_follows_with_the_sweep(
    engine: Engine, version: StyleVersion, curator: User
) -> None:
    faces.ask(version, curator, SHEET)
    runner.work()
    assert not again(version).sheet and faces.panel(version, SHEET).making
    for tidy in workers.sweeps:
        tidy()
    assert again(version).sheet and not faces.panel(again(version), SHEET).making


def test_two_workers_that_compose_at_once_leave_one_file(
    engine: Engine, version: StyleVersion, curator: User, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces.ask(version, curator, SHEET)
    runner.work()
    compose = contact_sheets.side_by_side

    def meanwhile(panels: Any) -> bytes:
        monkeypatch.setattr(contact_sheets, "side_by_side", compose)
        assert faces.settle(again(version), SHEET)
        return compose(panels)

    monkeypatch.setattr(contact_sheets, "side_by_side", meanwhile)
    faces.settle(again(version), SHEET)
    assert [path.name for path in media.rglob("sheets/**/*.webp")] == [Path(again(version).sheet.name).name]


# Where preview pictures are shown


def test_previews_are_in_the_queue_but_not_in_the_gallery_and_the_live_column(
    engine: Engine, version: StyleVersion, curator: User, bob: User
) -> None:
    [picture] = [cell.picture for cell in made(version, curator).cells][:1]
    assert picture
    filters = query.Filters(style=version.style.slug)
    assert query.page(query.pictures(bob, filters)).empty
    asked = query.Filters(style=version.style.slug, previews=True)
    assert query.pictures(bob, asked).count() == 4 and asked.query() == "style=ink-mist&previews=1"
    client = signed_in(bob)
    prompt = "castle by the sea, sunset"
    for name, asked_for in (("studio", {"who": "all"}), ("live", {"who": "all"}), ("gallery", {})):
        assert prompt not in client.get(reverse(f"generation:{name}"), asked_for).content.decode()
    assert prompt in client.get(reverse("generation:gallery"), {"previews": "1"}).content.decode()
    assert client.get(picture.get_absolute_url()).status_code == 200
    assert "0 pictures" in client.get(version.style.get_absolute_url()).content.decode()
    faces.ask(version, curator, SHEET)
    assert prompt in client.get(reverse("queue")).content.decode()


def test_arrows_on_a_persons_picture_skip_previews(engine: Engine, version: StyleVersion, curator: User) -> None:
    def shot() -> GeneratedImage:
        task = orders.place(Order(prompt="a fox", width=64, height=64), curator)
        runner.work()
        return task.pictures.get()

    first = shot()
    made(version, curator)
    second = shot()
    assert query.film(second, curator).next == first and query.film(first, curator).previous == second


def test_leaving_previews_out_costs_the_gallery_nothing(ada: User) -> None:
    plans = [query.pictures(ada, query.Filters(previews=previews))[:61].explain() for previews in (True, False)]
    ways = [re.sub(r"(?m)^[\d ]+", "", plan) for plan in plans]
    assert ways[0] == ways[1]


# Does it do anything?


def test_a_style_that_changes_the_picture_has_a_visible_effect(
    engine: Engine, version: StyleVersion, curator: User
) -> None:
    shown = made(version, curator, EFFECT)
    version = again(version)
    assert (version.effect, [cell.face.strength for cell in shown.cells]) == (Effect.VISIBLE, [0.0, 0.75])
    assert version.difference and version.difference > faces.NOTHING
    without, styled = (cell.face.task.snapshot for cell in shown.cells)
    assert (without["styles"], without["seeds"]) == ([], styled["seeds"])
    assert without["final_prompt"] == styled["final_prompt"] == "inkmist style, meadow path with two cottages, morning"
    html = page(signed_in(curator).get(address("face", version, "effect")))
    assert 'aria-label="Show more of the picture without the style"' in html and ">Visible<" in html
    assert all(str(cell.picture.file.url) in html for cell in shown.cells if cell.picture)


def test_a_style_that_changes_nothing_is_marked_with_the_likely_cause(
    engine: Engine, probes: list[Probe], curator: User
) -> None:
    nothing = make_version("Nothing", lora_name="", trigger_words="")
    made(nothing, curator, EFFECT)
    nothing = again(nothing)
    assert (nothing.effect, nothing.difference) == (Effect.NONE, 0.0)
    html = signed_in(curator).get(address("face", nothing, "effect")).content.decode()
    assert "It has no file, and no trigger words of its own were put into the prompt." in html
    page = signed_in(curator).get(nothing.style.get_absolute_url()).content.decode()
    assert "No visible effect" in page


def test_a_file_that_is_not_applied_is_found_out_whatever_its_trigger_words_do(
    engine: Engine, probes: list[Probe], curator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphs, "loras", lambda task: [])  # the engine takes the file, and none of its layers fit
    version = make_version("For another model", family="sd1")
    made(version, curator, EFFECT)
    assert again(version).effect == Effect.NONE
    html = signed_in(curator).get(address("face", version, "effect")).content.decode()
    assert "Its file was made for another family of models (Stable Diffusion 1.x)." in html


def test_a_style_without_a_file_is_compared_by_its_trigger_words(
    engine: Engine, probes: list[Probe], curator: User
) -> None:
    words = make_version("Words", lora_name="")
    made(words, curator, EFFECT)
    assert again(words).effect == Effect.VISIBLE


@pytest.mark.parametrize(
    ("fields", "style", "words"),
    [
        ({}, {"lora": "", "triggers": ["ink"]}, "only trigger words"),
        ({}, {"lora": "", "triggers": []}, "no trigger words of its own were put into the prompt"),
        ({}, {"weight": 0.0}, "strength is 0"),
        ({"family": "sd1"}, {}, "another family of models (Stable Diffusion 1.x)"),
        ({"family": "sdxl", "trained_on": "ponyDiffusionV6XL.safetensors"}, {}, "trained on ponyDiffusionV6XL"),
        ({"family": "sdxl", "trained_on": "models/sd_xl_base_1.0.safetensors"}, {}, "may not have applied"),
        ({"trained_on": "stabilityai/stable-diffusion-xl-base-1.0"}, {}, "may not have applied"),
        ({}, {}, "may not have applied"),
    ],
)
def test_each_likely_cause_has_its_words(fields: dict[str, str], style: dict[str, Any], words: str) -> None:
    used = {"lora": "ink.safetensors", "triggers": [], "weight": 0.8} | style
    snapshot = {"styles": [used], "checkpoint": "sd_xl_base_1.0.safetensors"}
    assert words in faces.cause(StyleVersion(**fields), snapshot)


def test_the_picture_without_is_made_once_for_all_versions(
    engine: Engine, version: StyleVersion, curator: User, ada: User
) -> None:
    other = make_version("Gouache", lora_name="sketch_gouache.safetensors")
    base = made(version, curator, EFFECT).cells[0].face.task
    shown = made(other, ada, EFFECT)
    assert shown.cells[0].face.task == base and GenerationTask.objects.count() == 3
    assert again(other).effect == Effect.VISIBLE
    made(version, curator, EFFECT)
    assert GenerationTask.objects.filter(is_face=True).exclude(mix__isnull=False).get() == base


def test_it_is_made_again_where_its_inputs_differ_or_it_is_gone(
    engine: Engine, version: StyleVersion, curator: User
) -> None:
    base = made(version, curator, EFFECT).cells[0].face.task
    other = make_version("Other model", checkpoint="another.safetensors")
    assert faces.ask(other, curator, EFFECT)[0].checkpoint == "another.safetensors"
    picture = base.pictures.get()
    picture.file.storage.delete(picture.file.name)
    third = make_version("Third")
    assert faces.ask(third, curator, EFFECT)[0] != base


def test_a_sketch_is_not_compared_with_a_picture(engine: Engine, version: StyleVersion, curator: User) -> None:
    made(version, curator, EFFECT)
    StyleVersion.objects.update(effect="", difference=None)
    sketches = Engine.objects.create(address="http://127.0.0.1:1", source=Engine.Source.PREVIEW)
    Face.objects.update(settled=False)
    GeneratedImage.objects.filter(task__mix=None).update(engine=sketches)
    work()
    assert again(version).effect == ""
    assert "different kinds of engines" in signed_in(curator).get(address("face", version, "effect")).content.decode()
    other = make_version("Other")
    assert faces.ask(other, curator, EFFECT)[0].is_active, "a sketch is not shared while a real engine serves"


def test_the_difference_is_a_mean_over_all_pixels() -> None:
    black, white = Image.new("RGB", (40, 20)), Image.new("RGB", (40, 20), "white")
    half = black.copy()
    half.paste((255, 255, 255), (0, 0, 20, 20))
    assert contact_sheets.difference(black, black.copy()) == 0.0 and contact_sheets.difference(black, white) == 1.0
    assert abs(contact_sheets.difference(black, half) - 0.5) < 0.01
    clear = Image.new("RGBA", (40, 20), (0, 0, 0, 0))
    assert abs(contact_sheets.difference(black, clear) - 0.5) < 0.01, "what is transparent is not black"


# The strength strip


def test_the_strip_has_seven_strengths_and_shares_what_is_there(
    engine: Engine, version: StyleVersion, curator: User
) -> None:
    effect = made(version, curator, EFFECT)
    shown = made(version, curator, STRENGTHS)
    assert [cell.face.strength for cell in shown.cells] == [0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5]
    assert shown.cells[0].face.task == effect.cells[0].face.task, "strength 0 is the picture without"
    assert shown.cells[3].face.task == effect.cells[1].face.task, "so is what was made at the default strength"
    assert GenerationTask.objects.count() == 7
    assert [cell.is_default for cell in shown.cells] == [False, False, False, True, False, False, False]
    assert len({task.seed for task in GenerationTask.objects.all()}) == 1


def test_a_cell_of_the_strip_sets_the_default_strength(engine: Engine, version: StyleVersion, curator: User) -> None:
    made(version, curator)
    made(version, curator, STRENGTHS)
    client = signed_in(curator)
    html = client.get(address("face", version, "strengths")).content.decode()
    assert 'aria-label="Use 0.50 as default strength"' in html and 'aria-label="Use 0.75 as' not in html
    response = client.post(address("strength", version), {"strength": "0.50"}, **HTMX)
    assert response.headers["HX-Refresh"] == "true" and again(version).default_strength == 0.5
    html = client.get(address("face", version, "strengths")).content.decode()
    assert 'aria-label="Use 0.75 as default strength"' in html and 'aria-label="Use 0.50 as' not in html
    assert faces.panel(again(version), SHEET).stale and not faces.panel(again(version), STRENGTHS).stale
    page = client.post(address("strength", version), {"strength": "1"}, follow=True).content.decode()
    assert "1.00 is the default strength of Ink &amp; mist v1." in page


@pytest.mark.parametrize("value", ["", "x", "-0.1", "2.1", "NaN", "inf", "9" * 400])
def test_a_strength_that_is_none_is_refused(version: StyleVersion, curator: User, value: str) -> None:
    page = signed_in(curator).post(address("strength", version), {"strength": value}, follow=True).content.decode()
    assert "Strength goes from 0 to 2." in page and again(version).default_strength == 0.75


def test_the_safe_range_is_saved_and_emptied(version: StyleVersion, curator: User) -> None:
    client = signed_in(curator)
    page = client.post(address("safe-range", version), {"safe_from": "0.6", "safe_to": "1"}, follow=True)
    assert "safe from 0.60 to 1.00" in page.content.decode()
    assert (again(version).safe_from, again(version).safe_to) == (0.6, 1.0)
    client.post(address("safe-range", version), {"safe_from": "", "safe_to": ""})
    assert (again(version).safe_from, again(version).safe_to) == (None, None)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        ("1", "0.5", "ends before it begins"), ("0.5", "", "both ends"), ("", "0.5", "both ends"),
        ("-1", "1", "from 0 to 2"), ("0", "2.5", "from 0 to 2"), ("x", "1", "from 0 to 2"), ("0", "NaN", "from 0 to 2"),
    ],
)  # fmt: skip
def test_a_range_that_is_none_is_refused_and_nothing_is_lost(
    version: StyleVersion, curator: User, low: str, high: str, words: str
) -> None:
    response = signed_in(curator).post(address("safe-range", version), {"safe_from": low, "safe_to": high})
    html = page(response)
    assert response.status_code == 422 and words in html and again(version).safe_from is None
    assert f'name="safe_from" type="number" min="0" max="2" step="0.05" value="{low}"' in html


# The cover


def test_a_picture_becomes_the_cover_of_its_style(
    engine: Engine, version: StyleVersion, curator: User, ada: User, media: Path
) -> None:
    other = make_version("Other").style
    order = Order(prompt="a fox", width=2048, height=1024, seed=4, mix=(Ingredient(version, 0.75),))
    task = orders.place(order, ada)
    runner.work()
    picture = task.pictures.get()
    client = signed_in(curator)
    place = reverse("generation:picture-cover", args=[picture.pk])
    assert "Use as cover" in client.get(picture.get_absolute_url()).content.decode()
    assert "Use as cover" not in signed_in(ada).get(picture.get_absolute_url()).content.decode()
    page = client.post(place, {"style": version.style_id}, follow=True).content.decode()
    assert "The picture is the cover of Ink &amp; mist." in page
    cover = Style.objects.get(pk=version.style_id).cover
    assert opened(cover).size == (1024, 512) and cover.name.endswith(".webp")
    assert client.post(place, {"style": version.style_id}, **HTMX).headers["HX-Refresh"] == "true"
    assert not Path(cover.path).exists() and len(list(media.rglob("covers/**/*.webp"))) == 1
    for wrong in (other.pk, Style.objects.create(slug="base", name="Base", is_base=True).pk):
        assert "was not made with this style" in client.post(place, {"style": wrong}, follow=True).content.decode()
    for nonsense in ("", "x", "999"):
        assert client.post(place, {"style": nonsense}).status_code == 404
    picture.file.storage.delete(picture.file.name)
    assert "missing" in client.post(place, {"style": version.style_id}, follow=True).content.decode()
    assert Style.objects.get(pk=version.style_id).cover, "the old cover stays"


def test_pictures_on_the_style_page_can_be_its_cover(version: StyleVersion, curator: User) -> None:
    query = {"strip": "1", "style": version.style.slug}
    task = orders.place(Order(prompt="a fox", mix=(Ingredient(version, 0.75),)), curator)
    engine = Engine.objects.create(address="http://127.0.0.1:1")
    prompt = task.prompts.create(index=0, engine=engine, worker="w", lease_until=timezone.now(), state="done")
    picture = GeneratedImage(
        task=task, index=0, prompt=prompt, seed=1, width=4, height=4, size=1, sha256="0" * 64, engine=engine
    )
    picture.file.save("x.png", ContentFile(b"x"))
    html = signed_in(curator).get(reverse("generation:gallery-page"), query).content.decode()
    assert f'hx-vals=\'{{"style": "{version.style_id}"}}\'' in html
    wall = signed_in(curator).get(reverse("generation:gallery-page")).content.decode()
    assert "Use as cover" not in wall


# Pages and rights


def test_everybody_looks_and_only_curators_ask(version: StyleVersion, ada: User, curator: User) -> None:
    hers, client = signed_in(ada), signed_in(curator)
    for purpose in faces.Purpose.values:
        assert hers.get(address("face", version, purpose)).status_code == 200
        assert hers.post(address("face-ask", version, purpose)).status_code == 403
    for name in ("strength", "safe-range"):
        assert hers.post(address(name, version), {"strength": "1"}).status_code == 403
    assert hers.get(address("version-faces", version)).status_code == 200
    assert not GenerationTask.objects.exists() and again(version).default_strength == 0.75
    assert "Previews are being made" in client.post(address("face-ask", version, "sheet"), **HTMX).content.decode()
    assert client.post(address("face-ask", version, "effect")).headers["Location"] == address("version-faces", version)
    assert GenerationTask.objects.count() == 5, "the first probe's picture with the style is shared"


def test_what_is_no_version_or_no_part_is_not_found(version: StyleVersion, curator: User) -> None:
    client = signed_in(curator)
    base = Style.objects.create(slug="base", name="Base style", is_base=True).versions.get()
    assert client.get(address("version-faces", base)).status_code == 200
    for pk, purpose in ((version.pk, "nose"), (10**15, "sheet"), (base.pk, "effect"), (base.pk, "strengths")):
        assert client.get(reverse("generation:face", args=[pk, purpose])).status_code == 404
        assert client.post(reverse("generation:face-ask", args=[pk, purpose])).status_code == 404
    version.style.delete()
    assert client.get(address("face", version, "sheet")).status_code == 404


def test_without_probes_the_button_says_what_to_do(version: StyleVersion, curator: User) -> None:
    Probe.objects.all().delete()
    client = signed_in(curator)
    page = client.post(address("face-ask", version, "sheet"), follow=True).content.decode()
    assert "There are no probe prompts in use." in page and not GenerationTask.objects.exists()


def test_without_script_everything_is_on_a_page_of_its_own(
    engine: Engine, version: StyleVersion, curator: User, ada: User
) -> None:
    client = signed_in(curator)
    assert address("version-faces", version) in client.get(version.style.get_absolute_url()).content.decode()
    for purpose in faces.Purpose.values:
        client.post(address("face-ask", version, purpose))
    assert 'http-equiv="refresh"' in client.get(address("version-faces", version)).content.decode()
    work()
    html = client.get(address("version-faces", version)).content.decode()
    assert 'http-equiv="refresh"' not in html and 'name="strength" value="1.25"' in html
    hers = signed_in(ada).get(address("version-faces", version)).content.decode()
    assert "<form" not in hers.partition("<main")[2].partition("</main>")[0]


def test_a_part_is_shown_with_few_questions(
    engine: Engine, version: StyleVersion, curator: User, django_assert_max_num_queries: Any
) -> None:
    made(version, curator, STRENGTHS)
    with django_assert_max_num_queries(8):
        assert faces.panel(again(version), STRENGTHS).whole


def test_every_state_of_a_task_is_told_in_the_strip(version: StyleVersion, curator: User) -> None:
    ordered = faces.ask(version, curator, STRENGTHS)
    ordered[1].start("w")
    ordered[2].cancel()
    states = [cell.state for cell in faces.panel(version, STRENGTHS).cells]
    assert states == ["wait", "making", "gone", "wait", "wait", "wait", "wait"]
    html = signed_in(curator).get(address("face", version, "strengths")).content.decode()
    assert "Not made" in html and "The strip is being made" in html
    GenerationTask.objects.update(status=Status.CANCELLED, ended_at=timezone.now())
    faces.follow(ordered[1].pk)
    html = signed_in(curator).get(address("face", version, "strengths")).content.decode()
    assert "7 of 7 pictures were not made." in html


# Removing a version


def stored_files(media: Path) -> set[Path]:
    """All files of pictures, thumbnails and sheets."""
    return {path for path in (media / "outputs").rglob("*") if path.is_file()}


@pytest.mark.django_db(transaction=True)
def test_a_version_that_only_previews_used_is_removed_with_them(
    engine: Engine, version: StyleVersion, curator: User, media: Path
) -> None:
    for purpose in (SHEET, EFFECT):
        made(version, curator, purpose)
    mine = GenerationTask.objects.filter(mix__version=version)
    shown = {Path(picture.file.path) for picture in GeneratedImage.objects.filter(task__in=mine)}
    shown.add(Path(again(version).sheet.path))
    before = stored_files(media)
    assert len(shown) == 5 and shown <= before
    GeneratedImage.objects.filter(task__in=mine)[0].delete()  # in the trash
    version.style.new_version().publish()
    page = signed_in(curator)
    purge = reverse("styles:purge", args=[version.style.slug, 1])
    assert purge in page.get(version.style.get_absolute_url()).content.decode()
    assert "Version 1 is removed." in page.post(purge, follow=True).content.decode()
    assert not StyleVersion.objects.filter(pk=version.pk).exists() and not mine.exists()
    assert before - stored_files(media) >= shown
    [without] = GenerationTask.objects.filter(is_face=True)
    assert without.pictures.get().file.storage.exists(str(without.pictures.get().file.name)), "others may share it"


def test_a_version_is_not_removed_while_its_previews_are_made(
    engine: Engine, version: StyleVersion, curator: User
) -> None:
    ordered = faces.ask_for_sheet(version, curator)
    version.style.new_version().publish()
    with pytest.raises(ValidationError, match="still being made"):
        again(version).purge()
    for task in ordered:
        task.cancel()
    again(version).purge()
    assert not GenerationTask.objects.filter(is_face=True).exists()


def test_a_picture_keeps_the_version_and_then_its_previews_stay_too(
    engine: Engine, version: StyleVersion, curator: User, ada: User
) -> None:
    made(version, curator)
    version.style.new_version().publish()
    orders.place(Order(prompt="a fox", mix=[Ingredient(version, 1.0)]), ada).cancel()
    with pytest.raises(VersionInUse):
        again(version).purge()
    assert (
        reverse("styles:purge", args=[version.style.slug, 1])
        not in signed_in(curator).get(version.style.get_absolute_url()).content.decode()
    )
    assert faces.panel(again(version), SHEET).whole


def test_who_uses_a_version_while_it_is_removed_keeps_it(
    engine: Engine, version: StyleVersion, curator: User, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(version, curator)
    version.style.new_version().publish()
    orders.place(Order(prompt="a fox", mix=[Ingredient(version, 1.0)]), ada).cancel()
    monkeypatch.setattr(StyleVersion, "is_kept", False)  # both looked before
    with pytest.raises(VersionInUse):
        again(version).purge()
    assert faces.panel(again(version), SHEET).whole
