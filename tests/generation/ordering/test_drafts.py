"""The form remembers what a person wrote, and what an address names goes into that."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import QueryDict
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from generation.ordering import drafts
from generation.ordering.models import Draft
from generation.pictures.models import GenerationTask, Reference
from styles.models import Preset, Style
from tests.generation.browsing import HTMX, VALID, adas_ticket, address, as_posted, picture_of, place, signed_in, upload

pytestmark = pytest.mark.django_db

WRITTEN = VALID | {"prompt": "a blue teapot", "count": "1", "shape": "1344x768"}


def change(client: Client, **data: Any) -> None:
    """Change the form, as a page tells the studio."""
    assert client.post(address("compose"), WRITTEN | data, headers=HTMX).status_code == 200


def shown(client: Client, **query: Any) -> dict[str, list[str]]:
    """What the form holds on a page that is loaded now."""
    return as_posted(client.get("/", query).content.decode())


def test_what_was_written_is_there_again_also_in_another_session(her: Client, ada: User, bob: User, ink: Style) -> None:
    change(her, style=[ink.pk], **{f"weight-{ink.pk}": "0.43"}, off=[f"{ink.pk}:mist"])
    for client in (her, signed_in(ada)):
        form = shown(client)
        assert form["prompt"] == ["a blue teapot"] and form["count"] == ["1"] and form["shape"] == ["1344x768"]
        assert form["style"] == [str(ink.pk)] and form[f"weight-{ink.pk}"] == ["0.43"] and "off" in form
    assert shown(signed_in(bob))["prompt"] == [""]


def test_generate_is_remembered_too_with_and_without_a_script(her: Client) -> None:
    her.post(address("generate"), WRITTEN)
    assert shown(her)["prompt"] == ["a blue teapot"]
    her.post(address("generate"), WRITTEN | {"prompt": "another"}, headers=HTMX)
    assert shown(her)["prompt"] == ["another"]
    her.post(address("generate"), WRITTEN | {"prompt": "refused", "steps": "99"}, headers=HTMX)
    assert shown(her)["steps"] == ["99"]


def test_a_picture_that_was_sent_as_a_file_is_kept_and_the_file_is_not(her: Client) -> None:
    her.post(address("compose"), WRITTEN | {"mode": "image", "reference": upload(), "request_id": "x"})
    [draft] = Draft.objects.all()
    assert draft.fields["reference_id"] == [adas_ticket()]
    assert not {"reference", "request_id", "csrfmiddlewaretoken"} & draft.fields.keys()


def test_a_page_that_only_follows_the_queue_does_not_overwrite_a_newer_form(her: Client) -> None:
    change(her)
    change(her, prompt="of an older page", renew="1")
    assert shown(her)["prompt"] == ["a blue teapot"]


def test_remembering_is_one_statement_and_reading_one_more(
    her: Client, ada: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    data = QueryDict(mutable=True)
    data.update({"prompt": "a"})
    with django_assert_num_queries(1):
        drafts.keep(data, ada)
    with django_assert_num_queries(1):
        assert Draft.objects.get().fields == {"prompt": ["a"]}


def test_a_page_that_is_left_tells_what_was_typed_last(her: Client) -> None:
    assert her.post(address("draft"), WRITTEN).status_code == 204
    assert shown(her)["prompt"] == ["a blue teapot"]


def test_a_style_that_is_gone_is_left_out_and_said_and_so_is_nothing_else(her: Client, ink: Style) -> None:
    change(her, style=[ink.pk], reference_id="999", preset="gone", before="words")
    ink.delete()
    html = her.get("/").content.decode()
    assert "Ink is not offered now and was left out." in html
    form = as_posted(html)
    assert "style" not in form and "reference_id" not in form and form["before"] == ["words"]
    change(her, style=[999], reference_id="9" * 30, shape="1x1", count="many")
    assert her.get("/").status_code == 200


@given(
    names=st.dictionaries(
        st.sampled_from(["prompt", "style", "off", "order", "weight-1", "weight-x", "other", "reference_id", "shape"]),
        st.lists(st.text(max_size=20), max_size=80),
    )
)
def test_whatever_is_posted_what_is_kept_is_bounded(names: dict[str, list[str]]) -> None:
    data = QueryDict(mutable=True)
    for name, values in names.items():
        data.setlist(name, values)
    kept = drafts.fields_of(data)
    assert "other" not in kept and "weight-x" not in kept
    assert all(len(values) <= drafts.MOST_VALUES for values in kept.values())
    data["prompt"] = "x" * 100_000
    assert len(drafts.fields_of(data)["prompt"][0]) == drafts.LONGEST


# Emptying


@pytest.mark.parametrize("headers", [HTMX, {}], ids=["htmx", "plain"])
def test_the_form_is_emptied_and_comes_back_with_undo(her: Client, ink: Style, headers: dict[str, str]) -> None:
    change(her, style=[ink.pk])
    html = her.post(
        address("draft-clear"), WRITTEN | {"style": [ink.pk]}, headers=headers, follow=True
    ).content.decode()
    assert address("draft-restore") in html and "The form is empty." in html
    assert shown(her)["prompt"] == [""] and "style" not in shown(her)
    her.post(address("draft-restore"), headers=headers)
    assert shown(her)["prompt"] == ["a blue teapot"] and shown(her)["style"] == [str(ink.pk)]
    her.post(address("draft-restore"), headers=headers)
    assert shown(her)["prompt"] == ["a blue teapot"]


def test_undo_leaves_a_form_alone_that_has_a_new_prompt(her: Client) -> None:
    her.post(address("draft-clear"), WRITTEN)
    change(her, prompt="", count="2")
    change(her, prompt="something new")
    html = her.post(address("draft-restore"), follow=True).content.decode()
    assert "stays as it is" in html and shown(her)["prompt"] == ["something new"]


# Merging


def test_a_style_of_the_address_becomes_the_mix_and_the_rest_stays(her: Client, ink: Style) -> None:
    other = Style.objects.create(name="Other")
    other.versions.update(lora_name="o.safetensors")
    change(her, style=[other.pk])
    form = shown(her, style=ink.slug)
    assert form["style"] == [str(ink.pk)] and form["prompt"] == ["a blue teapot"] and form["shape"] == ["1344x768"]
    assert shown(her, style="nowhere")["style"] == [str(other.pk)]


def test_a_reference_of_the_address_keeps_prompt_and_styles(her: Client, ada: User, ink: Style) -> None:
    change(her, style=[ink.pk])
    form = shown(her, reference=picture_of(place(ada)).pk)
    assert form["mode"] == ["image"] and form["reference_id"] == [adas_ticket()]
    assert form["prompt"] == ["a blue teapot"] and form["style"] == [str(ink.pk)]


def test_a_preset_and_a_prompt_of_the_address_replace_their_part(her: Client, ink: Style) -> None:
    change(her, style=[ink.pk])
    preset = Preset.objects.create(style=ink, name="Icon", prefix="icon of", width=640, height=1000, steps=6)
    form = shown(her, preset=preset.pk, prompt="a coin")
    assert form["prompt"] == ["a coin"] and form["before"] == ["icon of"] and form["style"] == [str(ink.pk)]
    assert (form["shape"], form["width"], form["height"]) == (["custom"], ["640"], ["1000"])


def test_settings_that_are_used_again_replace_all(her: Client, ada: User, ink: Style) -> None:
    change(her, style=[ink.pk], mode="image", reference_id="1", negative="fog", before="words")
    form = shown(her, task=place(ada, prompt="a fox", width=1000, height=640).pk)
    assert form["prompt"] == ["a fox"] and "style" not in form and form["mode"] == ["text"]
    assert form["negative"] == [""] and form["before"] == [""]
    assert (form["shape"], form["width"], form["height"]) == (["custom"], ["1000"], ["640"])


def test_a_picture_becomes_the_reference_without_leaving_the_page(her: Client, ada: User, bob: User) -> None:
    picture = picture_of(place(ada))
    html = her.post(address("reference-from", picture.pk), headers=HTMX).content.decode()
    assert f'name="reference_id" value="{adas_ticket()}"' in html and 'id="reference"' in html
    picture.file.delete(save=False)
    type(picture).objects.update(file="outputs/gone.png")
    answer = her.post(address("reference-from", picture.pk), headers=HTMX)
    assert answer.status_code == 422 and "file of this picture is missing" in answer.content.decode()
    GenerationTask.objects.update(visibility="private")
    assert signed_in(bob).post(address("reference-from", picture.pk)).status_code == 404


# A size of one's own


@pytest.mark.parametrize(("width", "height"), [("64", "64"), ("2048", "2048"), ("1000", "648"), (" 640 ", "640")])
def test_a_size_of_ones_own_is_ordered(her: Client, width: str, height: str) -> None:
    data = VALID | {"shape": "custom", "width": width, "height": height}
    assert her.post(address("generate"), data).status_code == 302
    task = GenerationTask.objects.get()
    assert (task.width, task.height) == (int(width), int(height))


@pytest.mark.parametrize("width", ["", "63", "1001", "2056", "wide", "-8", "1e3", "64.5", "²", "9" * 40])
def test_a_size_that_cannot_be_made_is_said_at_the_field(her: Client, width: str) -> None:
    data = VALID | {"shape": "custom", "width": width, "height": "640"}
    answer = her.post(address("generate"), data, headers=HTMX)
    html = answer.content.decode()
    assert answer.status_code == 422 and 'id="width-error"' in html and 'id="height-error"' not in html
    assert "multiple of 8 from 64 to 2048" in html
    # It is not in the way of a shape.
    assert her.post(address("generate"), data | {"shape": "1024x1024"}, headers=HTMX).status_code == 200


def test_sides_are_swapped_and_the_shape_of_the_reference_is_taken_without_a_script(her: Client) -> None:
    data = VALID | {"shape": "custom", "width": "640", "height": "1000"}
    html = her.post(address("compose"), data | {"swap": "1"}).content.decode()
    assert re.search(r'name="width"[^>]*\svalue="1000"', html) and re.search(r'name="height"[^>]*\svalue="640"', html)
    her.post(address("reference"), {"reference": upload()}, headers=HTMX)
    Reference.objects.update(width=3000, height=2000)
    Reference.objects.get()
    html = her.post(address("compose"), data | {"own_shape": "1", "reference_id": adas_ticket()}).content.decode()
    assert as_posted(html)["width"] == ["1256"] and as_posted(html)["height"] == ["840"]


def test_a_preset_is_saved_with_a_size_of_its_own(her: Client, ink: Style) -> None:
    data = VALID | {"shape": "custom", "width": "640", "height": "1000", "style": [ink.pk], "preset_name": "Tall"}
    her.post(address("save-preset"), data)
    assert Preset.objects.get().shape == "640x1000"
    answer = her.post(address("save-preset"), data | {"preset_name": "Odd", "width": "641"}, headers=HTMX)
    assert answer.status_code == 422 and "multiples of 8" in answer.content.decode()
    assert Preset.objects.count() == 1


def test_a_draft_has_no_character_that_databases_refuse() -> None:
    assert drafts.fields_of(QueryDict("prompt=a%00fox"))["prompt"] == ["afox"]
