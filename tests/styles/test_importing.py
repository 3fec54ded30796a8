"""Bringing LoRA files in, by the page and by the command."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from generation.previews.models import Face, Probe
from styles import cards, importing, lora
from styles.import_models import LoraImport
from styles.models import State, Style, StyleVersion
from stylestudio.preview_engine.painter.measures import swatch
from stylestudio.preview_engine.training import sketch_files
from stylestudio.preview_engine.training.learning import Recipe, Training
from tests.pages import Answer
from tests.preview_engine.pictures import in_palette
from tests.styles.bringing import GOOD, TOLD, picture, send, weights, zipped
from tests.styles.lora.files import packed, peft

pytestmark = pytest.mark.django_db


def brought(desk: Client, data: bytes | None = None, name: str = "watercolour_v2.safetensors") -> LoraImport:
    """A file that waits for a word."""
    send(desk, weights() if data is None else data, name)
    return LoraImport.objects.latest("pk")


def values(row: LoraImport, **changes: str) -> dict[str, str]:
    """The form as it is proposed, sent back."""
    wish = importing.proposal(row)
    return {
        "name": wish.name, "kind": wish.kind, "style": str(wish.style.pk) if wish.style else "",
        "trigger_words": wish.trigger_words, "default_strength": str(wish.default_strength),
        "licence": wish.licence or "mine", "publish": "on", "together": "on",
    } | changes  # fmt: skip


def test_what_is_found_in_a_file_is_shown_before_anything_becomes_of_it(desk: Client) -> None:
    row = brought(desk)
    html = desk.get(row.get_absolute_url()).content.decode()
    for words in (
        "watercolour_v2.safetensors", 'value="Watercolour"', 'value="wtrclr painting"', 'value="0.8"', "CC-BY-4.0",
        "LoRA in the layout of kohya", "rank 4, alpha 8", "trained on sd_xl_base_1.0.safetensors",
    ):  # fmt: skip
        assert words in html, words
    assert "/secret/place" not in html
    assert not Style.objects.exists()


def test_confirming_makes_a_style_with_everything_that_is_known(desk: Client, curator: User) -> None:
    row = brought(desk)
    page = desk.post(row.get_absolute_url(), values(row, name="Aquarelle"), follow=True)
    assert page.status_code == 200 and "Aquarelle v1 is ready." in page.content.decode()
    version = StyleVersion.objects.get()
    assert (version.style.name, version.style.owner, version.state) == ("Aquarelle", curator, State.PUBLISHED)
    assert (version.rank, version.alpha, version.family, version.source) == (4, 8.0, "sdxl", "imported")
    assert (version.triggers, version.default_strength) == (["wtrclr painting"], 0.8)
    assert version.trained_on == "sd_xl_base_1.0.safetensors"
    assert version.file.read() == weights()
    assert version.lora_name == f"stylestudio_aquarelle_v1_{version.sha256[:8]}.safetensors"
    assert not LoraImport.objects.exists()


def test_previews_are_made_after_an_import(
    desk: Client, curator: User, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    Probe.objects.create(prompt="a path", seed=5, position=1)
    row = brought(desk)
    with django_capture_on_commit_callbacks(execute=True):
        desk.post(row.get_absolute_url(), values(row))
    found = Face.objects.select_related("task__owner")
    assert len(found) >= 1 and {face.version for face in found} == {StyleVersion.objects.get()}
    assert {face.task.owner for face in found} == {curator}


def test_the_licence_or_source_has_to_be_said(desk: Client) -> None:
    row = brought(desk, weights({}))
    page = desk.post(row.get_absolute_url(), values(row, licence=""))
    assert page.status_code == 422 and "Say where it came from" in page.content.decode()
    assert LoraImport.objects.exists() and not Style.objects.exists()


def test_a_file_may_become_the_next_version_of_a_style(desk: Client) -> None:
    style = Style.objects.create(name="Ink")
    row = brought(desk)
    desk.post(row.get_absolute_url(), values(row, style=str(style.pk)))
    assert dict(style.versions.values_list("number", "state")) == {1: "archived", 2: "published"}
    row = brought(desk, weights(rank=8))
    sent = values(row, style=str(style.pk))
    del sent["publish"]
    desk.post(row.get_absolute_url(), sent)
    assert style.versions.get(number=3).state == State.DRAFT


def test_a_new_style_that_is_not_to_be_published_is_a_draft(desk: Client) -> None:
    row = brought(desk)
    sent = values(row)
    del sent["publish"]
    desk.post(row.get_absolute_url(), sent)
    assert StyleVersion.objects.get().state == State.DRAFT


def test_the_same_file_twice_is_noticed(desk: Client) -> None:
    row = brought(desk)
    desk.post(row.get_absolute_url(), values(row))
    page = send(desk, weights())
    assert page.status_code == 422 and "This file is already here: it is Watercolour v1." in page.content.decode()
    again = brought(desk, weights(TOLD | {"note": "edited"}))
    html = desk.get(again.get_absolute_url()).content.decode()
    assert "The same weights are already here, with other metadata: Watercolour v1." in html
    assert importing.proposal(again).style == Style.objects.get()


def test_epochs_of_one_run_become_versions_of_one_style_and_the_last_is_published(desk: Client) -> None:
    run = TOLD | {"ss_session_id": "77"}
    for epoch in (2, 1):
        brought(desk, weights(run | {"ss_epoch": str(epoch)}, rank=epoch), f"w-{epoch}.safetensors")
    row = brought(desk, weights(run, rank=3), "w.safetensors")
    assert "Import all 3 files" in desk.get(row.get_absolute_url()).content.decode()
    desk.post(row.get_absolute_url(), values(row))
    style = Style.objects.get()
    found = list(style.versions.order_by("number").values_list("epoch", "state"))
    assert found == [(1, "draft"), (2, "draft"), (None, "published")]
    late = brought(desk, weights(run | {"ss_epoch": "4"}, rank=5), "w-4.safetensors")
    assert importing.proposal(late).style == style


def test_the_dialog_asks_for_the_forms_when_it_is_opened(desk: Client, ada: User, client: Client) -> None:
    row = brought(desk)
    styles = desk.get(reverse("styles:styles")).content.decode()
    assert f'hx-get="{reverse("styles:import-forms")}"' in styles and row.name not in styles
    assert f'id="import-{row.pk}"' in desk.get(reverse("styles:import-forms")).content.decode()
    client.force_login(ada)
    assert client.get(reverse("styles:import-forms")).status_code == 403


def test_many_files_that_wait_cost_a_few_questions_each(
    desk: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for epoch in range(6):
        brought(desk, weights(TOLD | {"ss_session_id": "77", "ss_epoch": str(epoch)}, rank=epoch + 1))
    with django_assert_max_num_queries(45):
        desk.get(reverse("styles:import-forms"))


def test_one_of_several_epochs_can_be_taken_alone(desk: Client) -> None:
    for epoch in (1, 2):
        row = brought(desk, weights(TOLD | {"ss_session_id": "77", "ss_epoch": str(epoch)}, rank=epoch))
    sent = values(row)
    del sent["together"]
    desk.post(row.get_absolute_url(), sent)
    assert StyleVersion.objects.get().epoch == 2 and LoraImport.objects.count() == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"PK\x03\x04" + b"0" * 99, "zip"),
        (b"\x80\x02}q\x00." * 9, "pickle"),
        (weights()[:-7], "cut off"),
    ],
    ids=["empty", "zip", "pickle", "truncated"],
)
def test_what_is_no_lora_is_refused_in_words_and_leaves_nothing(
    desk: Client, media: Path, data: bytes, words: str
) -> None:
    page = send(desk, data)
    assert page.status_code == 422
    assert 'role="alert"' in page.content.decode()
    assert not LoraImport.objects.exists() and not [path for path in media.rglob("*") if path.is_file()]


def test_a_lora_for_another_model_is_refused_with_its_name(desk: Client) -> None:
    block = "lora_unet_input_blocks_1_1_transformer_blocks_0_attn2_to_k"
    data = packed({f"{block}.lora_down.weight": [4, 1024], f"{block}.lora_up.weight": [320, 4]})
    assert "Stable Diffusion 2" in send(desk, data).content.decode()


def of_z_image(module: str = "attention.to_q") -> bytes:
    """A LoRA as ai-toolkit writes it for Z-Image."""
    return packed(peft(f"diffusion_model.layers.0.{module}", 3840, 3840))


def unsaid() -> bytes:
    """A LoRA that may be for Flux.1 or for Qwen-Image."""
    return packed(peft("transformer.transformer_blocks.7.attn.to_k", 3072, 3072))


def test_a_lora_of_another_family_becomes_a_style_for_that_model(desk: Client) -> None:
    row = brought(desk, of_z_image(), "glow.safetensors")
    html = desk.get(row.get_absolute_url()).content.decode()
    assert "for Z-Image" in html and "changes the model" in html
    desk.post(row.get_absolute_url(), values(row, licence="mine"))
    style = Style.objects.get()
    assert (style.family, style.family_title, style.versions.get().family) == ("z-image", "Z-Image", "z-image")


def test_a_lora_that_does_not_tell_its_model_says_how_to_choose_it(desk: Client) -> None:
    row = brought(desk, unsaid(), "lost.safetensors")
    assert "It does not tell for which model it was made." in desk.get(row.get_absolute_url()).content.decode()
    desk.post(row.get_absolute_url(), values(row))
    assert Style.objects.get().family == "unknown"


def test_versions_of_a_style_are_for_one_model(desk: Client, curator: User) -> None:
    style = Style.objects.create(name="Ink", owner=curator)
    row = brought(desk, of_z_image(), "glow.safetensors")
    page = desk.post(row.get_absolute_url(), values(row, style=str(style.pk)))
    assert page.status_code == 422 and "This LoRA is for Z-Image, and Ink is for SDXL." in page.content.decode()
    assert style.versions.count() == 1
    with pytest.raises(importing.NotTaken, match="Make another style of it"):
        importing.confirm(row, replace(importing.proposal(row), style=style), curator)
    Style.objects.filter(pk=style.pk).update(family="unknown")
    desk.post(row.get_absolute_url(), values(row, style=str(style.pk)))
    style.refresh_from_db()
    assert (style.family, style.versions.count()) == ("z-image", 2), "the file tells what was not known"
    silent = brought(desk, unsaid(), "lost.safetensors")
    desk.post(silent.get_absolute_url(), values(silent, style=str(style.pk)))
    style.refresh_from_db()
    assert (style.family, style.versions.count()) == ("z-image", 3), "a file that does not tell takes its word"


def test_a_file_can_be_thrown_away_again(
    desk: Client, media: Path, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    row = brought(desk)
    with django_capture_on_commit_callbacks(execute=True):
        desk.post(reverse("styles:import-discard", args=[row.pk]))
    assert not LoraImport.objects.exists() and not [path for path in media.rglob("*") if path.is_file()]


def uploaded(desk: Client, data: bytes, name: str) -> Answer:
    """The answer to a file that came in parts."""
    begun = desk.post(reverse("upload-start"), {"purpose": "lora", "name": name, "size": len(data)}).json()
    desk.put(f"{begun['parts']}?offset=0", data, content_type="application/octet-stream")
    return desk.post(begun["finish"])


def test_files_and_cards_come_in_parts_too(desk: Client, curator: User, media: Path) -> None:
    form = uploaded(desk, weights(), "watercolour_v2.safetensors").content.decode()
    row = LoraImport.objects.get()
    assert f'id="import-{row.pk}"' in form and row.file.read() == weights()
    card = zipped(card_json=GOOD, a_safetensors=weights({}, rank=8)).getvalue()
    answer = uploaded(desk, card, "x.zip")
    assert answer.json() == {"location": StyleVersion.objects.get().style.get_absolute_url()}
    for name, data in (("bad.zip", b"PK nonsense"), ("bad.safetensors", b"PK nonsense")):
        refused = uploaded(desk, data, name)
        assert refused.status_code == 422 and refused.json()["error"]


def test_a_large_card_holds_up_no_other_writer(
    desk: Client, media: Path, monkeypatch: pytest.MonkeyPatch, transactional_db: None
) -> None:
    """All that takes long is done before the transaction that finishes the upload."""
    inside: list[bool] = []
    for module, name in ((cards, "_weights"), (lora, "inspect")):
        slow = getattr(module, name)

        def noted(*args: Any, slow: Any = slow, **more: Any) -> Any:
            inside.append(connection.in_atomic_block)
            return slow(*args, **more)

        monkeypatch.setattr(module, name, noted)
    uploaded(desk, zipped(card_json=GOOD, a_safetensors=weights()).getvalue(), "x.zip")
    uploaded(desk, weights(rank=8), "y.safetensors")
    assert inside == [False, False, False]


def test_what_nobody_confirms_is_thrown_away_after_a_week(desk: Client) -> None:
    row = brought(desk)
    importing.discard_forgotten()
    assert LoraImport.objects.exists()
    LoraImport.objects.update(created_at=row.created_at - importing.FORGOTTEN)
    importing.discard_forgotten()
    assert not LoraImport.objects.exists()


@pytest.mark.parametrize("name", ["importer", "import", "import-discard"])
def test_only_curators_import_and_each_sees_their_own(client: Client, ada: User, desk: Client, name: str) -> None:
    row = brought(desk)
    address = reverse(f"styles:{name}", args=[] if name == "importer" else [row.pk])
    client.force_login(ada)
    assert client.post(address).status_code == 403
    other = User.objects.create_user("cleo", is_staff=True)
    client.force_login(other)
    assert client.post(address).status_code == (422 if name == "importer" else 404)
    assert LoraImport.objects.exists()


def test_the_command_imports_with_what_lies_beside_a_file(
    owner: User, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "soft.safetensors"
    path.write_bytes(weights({}))
    (tmp_path / "soft.json").write_text(json.dumps({"activation text": "soft wash", "preferred weight": 0.7}))
    (tmp_path / "soft.preview.png").write_bytes(picture())
    call_command("import_lora", str(path))
    version = StyleVersion.objects.get()
    assert (version.style.name, version.triggers, version.default_strength) == ("soft", ["soft wash"], 0.7)
    assert version.style.cover and version.style.owner == owner
    assert "soft v1 (Published)" in capsys.readouterr().out


def test_the_command_groups_epochs_and_goes_on_after_a_refusal(
    owner: User, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for epoch in (1, 2):
        data = weights(TOLD | {"ss_session_id": "9", "ss_epoch": str(epoch)}, rank=epoch)
        (tmp_path / f"w-{epoch}.safetensors").write_bytes(data)
    (tmp_path / "bad.safetensors").write_bytes(b"")
    files = [str(tmp_path / name) for name in ("bad.safetensors", "w-2.safetensors", "w-1.safetensors", "gone.sft")]
    with pytest.raises(SystemExit) as ended:
        call_command("import_lora", *files, "--style", "Wash")
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 2 and "bad.safetensors: This file is empty" in said and "gone.sft: No such file" in said
    assert list(StyleVersion.objects.order_by("number").values_list("style__name", "epoch", "state")) == [
        ("Wash", 1, "draft"),
        ("Wash", 2, "published"),
    ]


def a_sketch() -> bytes:
    """A LoRA that the preview engine trained."""
    training = Training([swatch(picture) for picture in in_palette(2)], Recipe(rank=4))
    training.step()
    return sketch_files.packed(training.learned())


def test_what_the_preview_engine_trained_becomes_a_style_for_previews_only(desk: Client) -> None:
    row = brought(desk, a_sketch(), "moss.safetensors")
    desk.post(reverse("styles:import", args=[row.pk]), values(row, name="Moss"))
    version = StyleVersion.objects.get(style__name="Moss")
    assert version.style.preview_only
    assert (version.family, version.rank, version.alpha) == ("sketch", 4, 1.0)


def test_sketches_and_real_loras_do_not_mix_in_one_style(desk: Client, curator: User) -> None:
    desk.post(reverse("styles:import", args=[(real := brought(desk)).pk]), values(real, name="Real"))
    style = Style.objects.get(name="Real")
    row = brought(desk, a_sketch(), "moss.safetensors")
    answer = desk.post(reverse("styles:import", args=[row.pk]), values(row, style=str(style.pk)))
    assert answer.status_code == 422, "it cannot be chosen"
    with pytest.raises(importing.NotTaken, match="a style of its own"):
        importing.confirm(row, importing.Wish("", style=style), curator)
    assert style.versions.filter(family="sketch").count() == 0
