"""The preview sheet of a version, composed of four pictures made on a real (preview) engine."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from generation.engines.models import Engine
from generation.making import runner
from generation.ordering import orders
from generation.ordering.orders import Order
from generation.pictures.models import GenerationTask
from generation.previews import asking, contact_sheets, following, panels, tasks, wishes
from generation.previews.models import Face, Probe
from styles.kinds.of_kind import Kind
from styles.models import Style, StyleVersion
from stylestudio.preview_engine.server import PreviewThread
from stylestudio.preview_engine.troubles import FailNode, OutOfMemory
from stylestudio.processes import workers
from tests.generation.previews.shown import EFFECT, SHEET, address, again, made, near, opened, signed_in, work
from tests.pages import tight
from tests.pixels import pixel

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("small")]


def test_a_sheet_is_composed_of_four_finished_probes(engine: Engine, version: StyleVersion, curator: User) -> None:
    ordered = asking.order_sheet(version, curator)
    assert [task.prompt for task in ordered] == [probe.prompt for probe in Probe.objects.all()]
    assert {(task.owner, task.count, task.is_face) for task in ordered} == {(curator, 1, True)}
    assert [(row.version, row.weight) for task in ordered for row in task.mix.all()] == [(version, 0.75)] * 4
    assert panels.panel(version, SHEET).making and not again(version).sheet
    work()
    version = again(version)
    sheet = opened(version.sheet)
    assert sheet.size == (4 * 384, 288) and re.fullmatch(r"[0-9a-f]{32}\.webp", Path(str(version.sheet.name)).name)
    for number, task in enumerate(ordered):
        drawn = pixel(opened(task.pictures(manager="with_previews").get().file), (40, 30))
        assert near(pixel(sheet, (384 * number + 192, 144)), drawn)
    shown = panels.panel(version, SHEET)
    assert shown.whole and not shown.making and not shown.stale


def test_the_old_file_goes_when_a_new_sheet_is_there(engine: Engine, version: StyleVersion, curator: User) -> None:
    made(version, curator)
    old = Path(again(version).sheet.path)
    before = set(Face.objects.values_list("task", flat=True))
    made(version, curator)
    assert not old.exists() and Path(again(version).sheet.path).exists()
    assert set(Face.objects.values_list("task", flat=True)) > before, "nothing was missing, so all were made anew"
    assert GenerationTask.everything.filter(is_face=True).count() == 8


def test_one_probe_that_fails_leaves_the_rest_and_is_made_at_the_next_press(
    engine: Engine, preview: PreviewThread, version: StyleVersion, curator: User
) -> None:
    preview.troubles.add(FailNode(class_type="VAEDecode", times=1))
    shown = made(version, curator)
    assert [cell.state for cell in shown.cells].count("gone") == 1 and len(shown.gone) == 1
    gone = shown.gone[0].face
    sheet = opened(again(version).sheet)
    assert [pixel(sheet, (384 * number + 192, 144))[3] for number in range(4)] == [
        0 if number == gone.position else 255 for number in range(4)
    ]
    html = signed_in(curator).get(address("face", version, "sheet")).content.decode()
    assert "1 of 4 previews was not made." in html and gone.task.get_absolute_url() in html
    ordered = asking.order_previews(again(version), curator, SHEET)
    assert len([task for task in ordered if task.is_active]) == 1, "the three that are there are shared"
    work()
    assert panels.panel(again(version), SHEET).whole
    assert pixel(opened(again(version).sheet), (384 * gone.position + 192, 144))[3] == 255


def test_a_retry_takes_the_place_of_what_failed(
    engine: Engine, preview: PreviewThread, version: StyleVersion, curator: User
) -> None:
    preview.troubles.add(OutOfMemory(class_type="KSampler", times=1))
    gone = made(version, curator).gone[0].face
    retried = orders.retry(gone.task, curator)
    assert orders.retry(gone.task, curator) == retried and retried.is_face and retried.faces.count() == 1
    assert panels.panel(again(version), SHEET).making
    work()
    assert panels.panel(again(version), SHEET).whole


def test_a_late_retry_does_not_take_the_place_of_what_was_asked_later(
    engine: Engine, preview: PreviewThread, version: StyleVersion, curator: User
) -> None:
    preview.troubles.add(OutOfMemory(class_type="KSampler", times=1))
    gone = made(version, curator).gone[0].face
    version.style.versions.update(default_strength=0.5)
    newer = made(version, curator)
    orders.retry(gone.task, curator)
    work()
    assert [cell.face for cell in panels.panel(again(version), SHEET).cells] == [cell.face for cell in newer.cells]


def test_when_nothing_was_made_the_old_sheet_stays(
    engine: Engine, preview: PreviewThread, version: StyleVersion, curator: User
) -> None:
    made(version, curator)
    old = again(version).sheet.name
    preview.troubles.add(FailNode(class_type="VAEDecode", times=4))
    shown = made(version, curator)
    assert len(shown.gone) == 4 and again(version).sheet.name == old


def test_a_cancelled_preview_is_not_waited_for(engine: Engine, version: StyleVersion, curator: User) -> None:
    first, *_rest = asking.order_sheet(version, curator)
    signed_in(curator).post(reverse("generation:cancel", args=[first.pk]))
    work()
    shown = panels.panel(again(version), SHEET)
    assert [cell.state for cell in shown.cells] == ["gone", "done", "done", "done"] and again(version).sheet


def test_pressing_twice_makes_four_pictures(version: StyleVersion, curator: User) -> None:
    first, second = (asking.order_previews(version, curator, SHEET) for _press in range(2))
    assert first == second and GenerationTask.everything.count() == 4


def test_the_base_style_has_a_sheet_without_any_style(engine: Engine, probes: list[Probe], curator: User) -> None:
    base = Style.objects.create(slug="base", name="Base style", is_base=True, kind=Kind.OTHER).versions.get()
    assert made(base, curator).whole and again(base).sheet
    assert not any(task.mix.exists() for task in GenerationTask.everything.all())


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
    monkeypatch.setattr(wishes, "SIZE", (1152, 896))
    preview.troubles.add(OutOfMemory(class_type="KSampler", times=1))
    gone = made(version, curator).gone[0].face
    orders.retry_smaller(gone.task, curator)
    work()
    assert panels.panel(again(version), SHEET).whole


def test_the_end_of_a_picture_puts_one_message_into_the_queue_and_only_for_faces(
    engine: Engine, version: StyleVersion, curator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    monkeypatch.setattr(tasks, "finish_previews_soon", sent.append)
    orders.place(Order(prompt="a fox", width=64, height=64, seed=1), curator)
    ordered = asking.order_previews(version, curator, EFFECT)
    runner.work()
    assert sorted(sent) == sorted(task.pk for task in ordered)


def test_what_a_lost_message_left_undone_follows_with_the_sweep(
    engine: Engine, version: StyleVersion, curator: User
) -> None:
    asking.order_previews(version, curator, SHEET)
    runner.work()
    assert not again(version).sheet and panels.panel(version, SHEET).making
    workers.run_sweeps(guarded=False)
    assert again(version).sheet and not panels.panel(again(version), SHEET).making


def test_two_workers_that_compose_at_once_leave_one_file(
    engine: Engine, version: StyleVersion, curator: User, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking.order_previews(version, curator, SHEET)
    runner.work()
    compose = contact_sheets.side_by_side

    def meanwhile(panels: Any) -> bytes:
        monkeypatch.setattr(contact_sheets, "side_by_side", compose)
        assert following.finish_purpose(again(version), SHEET)
        return compose(panels)

    monkeypatch.setattr(contact_sheets, "side_by_side", meanwhile)
    following.finish_purpose(again(version), SHEET)
    assert [path.name for path in media.rglob("sheets/**/*.webp")] == [Path(str(again(version).sheet.name)).name]
