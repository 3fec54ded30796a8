"""A file in a folder is one file, although engines on Windows list it with backslashes and others with slashes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from generation.engines import diagnostics, listings, roster, unclaimed_loras
from generation.engines.models import Engine
from generation.making import runner
from generation.making.claim import claim, look_for_orphans
from generation.ordering import availability, orders
from generation.ordering.orders import Ingredient, Order
from generation.ordering.style_wishes import base_checkpoints
from generation.pictures import graphs
from generation.pictures.models import EnginePrompt, GenerationTask
from generation.previews import asking, panels, style_admin, wishes
from styles.forms import StyleForm
from styles.models import Style, StyleVersion
from stylestudio.comfy.errors import MissingFile
from stylestudio.jobs.kinds import Status
from stylestudio.preview_engine.options import Options
from stylestudio.preview_engine.server import PreviewThread

pytestmark = pytest.mark.django_db

BASE, FAST = "SDXL/sd_xl_base_1.0.safetensors", "SDXL/sdxl_lightning_4step_lora.safetensors"
INK = "team/new/ink.safetensors"
BOTH = pytest.mark.parametrize("spell", [str, lambda name: name.replace("/", "\\")], ids=["slashes", "backslashes"])
seeds = itertools.count(9000, 20)


def windows(name: str) -> str:
    """The name as an engine on Windows lists it."""
    return name.replace("/", "\\")


@pytest.fixture(scope="module")
def on_windows() -> Iterator[PreviewThread]:
    """An engine that lists its files as one on Windows does, and takes them in that spelling alone."""
    loras = (windows(FAST), windows(INK))
    with PreviewThread(Options(painter="flat", checkpoints=(windows(BASE),), loras=loras)) as engine:
        yield engine


@pytest.fixture
def engine(on_windows: PreviewThread) -> Iterator[Engine]:
    """Its row, probed."""
    on_windows.troubles.clear()
    row = Engine.objects.create(address=on_windows.url, source=Engine.Source.ADMIN)
    assert roster.probe(row)
    roster.pool.memory.forget_inputs()
    yield row
    roster.pool.close()


Spell = Callable[[str], str]


@pytest.fixture(params=[str, windows], ids=["set-with-slashes", "set-with-backslashes"])
def spelled(request: pytest.FixtureRequest, settings: Settings) -> Spell:
    """The studio's own files, as whoever set it up spelled them."""
    settings.CHECKPOINT, settings.LIGHTNING_LORA = request.param(BASE), request.param(FAST)
    spell: Spell = request.param
    return spell


def style(name: str, file: str, **fields: Any) -> StyleVersion:
    """The first version of a style."""
    Style.objects.create(name=name).versions.update(lora_name=file, **fields)
    return StyleVersion.objects.select_related("style").get(style__name=name)


def row(number: int, **fields: Any) -> Engine:
    """An engine that is well."""
    given = {"health": Engine.Health.OK, "engine_version": "0.33.0", "name": f"Engine {number}"} | fields
    return Engine.objects.create(address=f"http://10.0.0.{number}:1", **given)


def place(user: User, **changes: Any) -> GenerationTask:
    """A small order with a seed of its own."""
    asked: dict[str, Any] = {"prompt": "a fox", "width": 64, "height": 64, "seed": next(seeds)} | changes
    return orders.place(Order(**asked), user)


def test_pictures_are_made_on_an_engine_on_windows_whatever_the_studio_was_told(
    engine: Engine, spelled: Spell, ada: User, on_windows: PreviewThread
) -> None:
    version = style("Ink", spelled(INK))
    task = place(ada, mix=[Ingredient(version, 0.8)])
    runner.work()
    task.refresh_from_db()
    assert task.status == Status.COMPLETED, task.error_detail
    assert availability.outlook(graphs.files(task)) == availability.Outlook()


def test_an_engine_on_windows_and_one_on_linux_share_work(spelled: Spell, ada: User) -> None:
    linux = row(1, checkpoints=[BASE], loras=[FAST, INK])
    other = row(2, checkpoints=[windows(BASE)], loras=[windows(FAST), windows(INK)])
    place(ada, count=4, mix=[Ingredient(style("Ink", spelled(INK)), 0.8)])
    look_for_orphans()
    claims = [claim(f"worker {number}") for number in range(4)]
    assert {claimed.prompt.engine_id for claimed in claims if claimed} == {linux.pk, other.pk}
    assert claim("worker 5") is None, "both are full"


def test_what_was_made_with_one_spelling_is_in_memory_for_the_other(
    spelled: Spell, ada: User, settings: Settings
) -> None:
    first = graphs.warmth(place(ada))
    settings.CHECKPOINT, settings.LIGHTNING_LORA = BASE, FAST
    assert graphs.warmth(place(ada)) == first


@BOTH
def test_an_engine_has_a_file_in_either_spelling(spell: Spell) -> None:
    engine = row(1, checkpoints=[windows(BASE)], loras=[INK])
    assert listings.has_all(engine, [("checkpoints", spell(BASE)), ("loras", spell(INK))])
    assert not listings.has_all(engine, [("loras", spell("other/ink.safetensors"))])


def test_what_engines_list_is_kept_in_one_spelling(engine: Engine) -> None:
    assert engine.checkpoints == [BASE] and engine.loras == [FAST, INK]
    listings.note_lora(engine, windows(INK))
    listings.note_lora(engine, windows("team/new.safetensors"))
    engine.refresh_from_db()
    assert engine.loras == [FAST, INK, "team/new.safetensors"]
    listings.forget_file(engine, "loras", windows(INK))
    engine.refresh_from_db()
    assert engine.loras == [FAST, "team/new.safetensors"]


def test_a_file_that_an_engine_on_windows_lost_is_a_missing_file_and_no_strange_one(
    engine: Engine, spelled: Spell, ada: User
) -> None:
    gone = "team/gone.safetensors"
    Engine.objects.update(loras=[FAST, gone])
    task = place(ada, mix=[Ingredient(style("Gone", spelled(gone)), 0.8)])
    runner.work()
    task.refresh_from_db()
    assert (task.status, task.error_kind) == (Status.FAILED, "missing_file")
    engine.refresh_from_db()
    assert engine.loras == [FAST]


def test_an_engines_own_spelling_of_a_missing_file_is_told_as_ours() -> None:
    error = MissingFile("loras", windows(INK))
    assert (error.name, str(error)) == (INK, f"The engine does not have the LoRA {INK}.")


def test_doctor_finds_the_files_in_either_spelling(
    on_windows: PreviewThread, spelled: Spell, settings: Settings
) -> None:
    settings.COMFYUI_URLS = [on_windows.url]
    assert [finding.state for finding in diagnostics.look_at_engines() if not finding.well] == []


@BOTH
def test_a_missing_file_is_told_once_and_in_one_spelling(spell: Spell) -> None:
    row(1, checkpoints=[windows(BASE)])
    said = availability.outlook([("checkpoints", spell(BASE)), ("loras", spell(INK))]).problems
    assert said == [f"Engine 1 does not have the file {INK}. Put it into models/loras there."]


def test_a_lora_of_both_engines_is_found_once_and_used_by_a_style_in_either_spelling(
    ada: User, curator: User, spelled: Spell, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    having = [row(1, loras=[INK, FAST]), row(2, loras=[windows(INK), windows(FAST)])]
    assert [(one.name, one.engines) for one in unclaimed_loras.unused()] == [(INK, having)]
    monkeypatch.setattr(roster, "probe", lambda engine: True)
    call_command("scan_loras", spelled("team/new/*"))
    assert capsys.readouterr().out == f"{INK}  (Engine 1, Engine 2)\n"
    [version], refused = unclaimed_loras.make_styles([spelled(INK)], curator)
    assert (version.lora_name, refused, unclaimed_loras.unused()) == (INK, [], [])
    StyleVersion.objects.filter(pk=version.pk).update(lora_name=windows(INK))
    assert unclaimed_loras.unused() == []


def test_files_of_one_name_in_two_folders_are_told_apart_everywhere(client: Client, curator: User) -> None:
    names = ["a/ink.safetensors", "b/c/ink.safetensors", "b/mist.safetensors", "ink.safetensors"]
    row(1, loras=[windows(name) for name in names], checkpoints=["a\\base.safetensors", "b\\base.safetensors"])
    row(2, loras=names)
    client.force_login(curator)
    page = client.get(reverse("generation:found-loras")).content.decode()
    files = client.get(reverse("queue")).content.decode()
    form = StyleForm().known_files
    found_page = client.get(reverse("generation:found-loras"), {"q": "B\\C\\ink"}).content.decode()
    assert [name for name in names if f'value="{name}"' in found_page] == ["b/c/ink.safetensors"]
    for name in names:
        assert page.count(f'value="{name}"') == 1 and f"<li>{name}</li>" in files, name
    assert form == {"checkpoints": ["a/base.safetensors", "b/base.safetensors"], "loras": names}
    made, _refused = unclaimed_loras.make_styles(names, curator)
    assert [version.style.name for version in made] == ["ink (a)", "ink (b/c)", "mist", "ink"]


def test_a_style_is_stored_with_slashes_and_another_spelling_is_no_other_file(
    client: Client, ada: User, curator: User
) -> None:
    version = style("Ink", windows(INK))
    place(ada, mix=[Ingredient(version, 0.8)])
    client.force_login(curator)
    fields = {"name": "Ink", "kind": "illustration", "default_strength": "0.5", "lora_name": windows(INK)}
    fields |= {"checkpoint": windows(BASE), "lightning": windows(FAST)}
    assert client.post(reverse("styles:edit", args=[version.style.slug]), fields).status_code == 302
    [kept] = StyleVersion.objects.filter(style=version.style)
    assert (kept.lora_name, kept.checkpoint, kept.lightning) == (INK, BASE, FAST)


def test_the_admin_filters_versions_by_what_engines_have_in_either_spelling(admin_user: User, client: Client) -> None:
    row(1, loras=[windows(INK)])
    version, other = style("Ink", INK), style("Other", "other\\ink.safetensors")
    client.force_login(admin_user)
    address = reverse("admin:styles_styleversion_changelist")
    for value, expected in (("all", [version]), ("missing", [other])):
        listed = client.get(address, {style_admin.MissingFilter.parameter_name: value}).context["cl"].result_list
        assert list(listed) == expected


def test_previews_do_not_go_out_of_date_by_another_spelling(ada: User, settings: Settings) -> None:
    wishes.create_probes_once()
    settings.CHECKPOINT, settings.LIGHTNING_LORA = windows(BASE), windows(FAST)
    version = style("Ink", windows(INK), trigger_words="ink")
    asking.order_previews(version, ada, wishes.Purpose.SHEET)
    GenerationTask.objects.update(checkpoint=windows(BASE))
    for task in GenerationTask.objects.all():  # as an earlier release stored them
        snapshot = task.snapshot | {"checkpoint": windows(BASE), "lightning": windows(FAST)}
        snapshot["styles"] = [{**told, "lora": windows(INK)} for told in snapshot["styles"]]
        GenerationTask.objects.filter(pk=task.pk).update(pattern=None, own_values=snapshot)
    settings.CHECKPOINT, settings.LIGHTNING_LORA = BASE, FAST
    StyleVersion.objects.update(lora_name=INK)
    version.refresh_from_db()
    assert not panels.panel(version, wishes.Purpose.SHEET).stale


def test_a_style_that_names_the_studios_own_checkpoint_brings_none_along(spelled: Spell) -> None:
    version = style("Ink", INK, checkpoint=BASE)
    assert base_checkpoints.chosen([Ingredient(version, 1.0)]) == ""


def test_a_waiting_prompt_names_files_in_one_spelling(spelled: Spell, ada: User) -> None:
    row(1, checkpoints=[windows(BASE)], loras=[windows(FAST)])
    task = place(ada)
    assert (task.checkpoint, task.lightning) == (BASE, FAST)
    look_for_orphans()
    assert claim("worker") and EnginePrompt.objects.get().task == task
