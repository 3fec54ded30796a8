"""Every address of Studio and jobs: who may, by which method, what comes back, and what nonsense does."""

from __future__ import annotations

import io
import re
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from PIL import Image

from generation.engines.models import Engine
from generation.ordering import orders
from generation.ordering.orders import Ingredient, Order
from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask, Reference
from generation.urls import urlpatterns
from styles.models import Style
from stylestudio.jobs.kinds import Status, Visibility
from tests.pages import page, tight

pytestmark = pytest.mark.django_db

HTMX = {"HTTP_HX_REQUEST": "true"}
VALID = {
    "mode": "text",
    "prompt": "a red house",
    "shape": "1216x832",
    "count": "2",
    "seed": "0",
    "steps": "4",
    "cfg": "1",
    "sampler": "euler",
    "scheduler": "sgm_uniform",
}
GET_ONLY = {
    "studio", "live", "job", "job-card", "gallery", "gallery-page", "picture", "version-faces", "face",
    "version-engines",
}  # fmt: skip
POST_ONLY = {
    "generate", "compose", "save-preset", "reference", "clear", "cancel-waiting", "cancel", "move-to-front", "retry",
    "retry-smaller", "fetch-again", "engine-pause", "engine-resume", "engine-ask", "picture-delete", "picture-restore",
    "picture-cover", "face-ask", "strength", "safe-range",
}  # fmt: skip
WITH_NUMBER = {
    "job", "job-card", "cancel", "move-to-front", "retry", "retry-smaller", "fetch-again", "picture", "picture-delete",
    "picture-restore", "picture-cover",
}  # fmt: skip
WITH_ENGINE = {"engine-pause", "engine-resume", "engine-ask"}
WITH_VERSION = {"version-faces", "strength", "safe-range"}
WITH_PURPOSE = {"face", "face-ask"}


def png(width: int = 40, height: int = 24) -> bytes:
    """A small picture."""
    stored = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(stored, "PNG")
    return stored.getvalue()


def upload(data: bytes | None = None, name: str = "start.png") -> SimpleUploadedFile:
    """A file as a browser sends it."""
    return SimpleUploadedFile(name, png() if data is None else data, "image/png")


def address(name: str, pk: int = 1) -> str:
    """The address of a view."""
    if name == "version-engines":
        return reverse("generation:version-engines", args=["ink", 1])
    if name in WITH_PURPOSE:
        return reverse(f"generation:{name}", args=[pk, "sheet"])
    return reverse(f"generation:{name}", args=[pk] if name in WITH_NUMBER | WITH_ENGINE | WITH_VERSION else [])


def signed_in(user: User) -> Client:
    """A browser that would show a server error as an answer."""
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


@pytest.fixture
def her(ada: User) -> Client:
    """Ada's browser."""
    return signed_in(ada)


@pytest.fixture
def ink() -> Style:
    """A style with two trigger phrases."""
    style = Style.objects.create(name="Ink")
    style.versions.update(lora_name="ink.safetensors", trigger_words="ink wash, mist", default_strength=0.8)
    return style


def place(user: User, **changes: Any) -> GenerationTask:
    """A waiting task."""
    return orders.place(Order(**{"prompt": "a fox", "count": 2, "seed": 5} | changes), user)


def picture_of(task: GenerationTask, index: int = 0) -> GeneratedImage:
    """A stored picture."""
    engine, _new = Engine.objects.get_or_create(address="http://127.0.0.1:1")
    prompt = EnginePrompt.objects.create(
        task=task, index=index, engine=engine, worker="w", lease_until=timezone.now(), state="done"
    )
    picture = GeneratedImage(
        task=task, index=index, prompt=prompt, seed=task.seeds[index], width=40, height=24, size=1,
        sha256="0" * 64, engine=engine,
    )  # fmt: skip
    picture.file.save("x.png", io.BytesIO(png()))
    return picture


# Methods, people


def test_every_address_is_in_this_table() -> None:
    assert {pattern.name for pattern in urlpatterns} == GET_ONLY | POST_ONLY | {
        "found-loras"
    }  # which takes both, see test_found


@pytest.mark.parametrize("name", sorted(GET_ONLY | POST_ONLY))
def test_other_methods_are_refused(her: Client, ada: User, name: str) -> None:
    task = place(ada)
    picture_of(task)
    allowed = "get" if name in GET_ONLY else "post"
    for method in {"get", "post", "put", "delete", "patch"} - {allowed}:
        assert getattr(her, method)(address(name, task.pk)).status_code == 405
    assert GenerationTask.objects.count() == 1


@pytest.mark.parametrize("name", sorted(GET_ONLY | POST_ONLY))
def test_strangers_are_sent_to_the_door(client: Client, ada: User, name: str) -> None:
    task = place(ada)
    picture = picture_of(task)
    method = client.get if name in GET_ONLY else client.post
    response = method(address(name, task.pk))
    assert response.status_code == 302
    assert response.headers["Location"].startswith(reverse("sign-in"))
    htmx = method(address(name, task.pk), **HTMX)
    assert htmx.headers["HX-Redirect"].startswith(reverse("sign-in")) and not htmx.content
    task.refresh_from_db()
    assert task.status == Status.QUEUED and GenerationTask.objects.count() == 1
    assert GeneratedImage.objects.filter(pk=picture.pk).exists()


def test_a_form_without_its_token_is_refused(ada: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(ada)
    assert client.post(address("generate"), VALID).status_code == 403
    assert not GenerationTask.objects.exists()


@pytest.mark.parametrize("name", ["cancel", "retry", "retry-smaller"])
def test_somebody_elses_job_is_not_yours_to_change(ada: User, bob: User, curator: User, name: str) -> None:
    task = place(ada)
    if name != "cancel":
        task.fail("out_of_memory")
    for headers in ({}, HTMX):
        response = signed_in(bob).post(address(name, task.pk), **headers)
        assert response.status_code == 403
        assert "Traceback" not in response.content.decode()
    task.refresh_from_db()
    assert (task.status, GenerationTask.objects.count()) == ("queued" if name == "cancel" else "failed", 1)
    assert signed_in(curator).post(address(name, task.pk), **HTMX).status_code == 200
    task.refresh_from_db()
    assert (task.status, GenerationTask.objects.count()) == (("cancelled", 1) if name == "cancel" else ("failed", 2))


def test_only_curators_move_a_job_to_the_front(her: Client, ada: User, bob: User, curator: User) -> None:
    place(bob)
    task = place(ada)
    for client in (her, signed_in(bob)):  # not even one's own: it goes before other people's
        for headers in ({}, HTMX):
            assert client.post(address("move-to-front", task.pk), **headers).status_code == 403
    task.refresh_from_db()
    assert task.priority == 0
    assert signed_in(curator).post(address("move-to-front", task.pk), **HTMX).status_code == 200
    task.refresh_from_db()
    assert task.priority == 1


def test_somebody_elses_picture_is_not_yours_to_delete(ada: User, bob: User, curator: User) -> None:
    picture = picture_of(place(ada))
    assert signed_in(bob).post(address("picture-delete", picture.pk)).status_code == 403
    assert GeneratedImage.objects.filter(pk=picture.pk).exists()
    assert signed_in(curator).post(address("picture-delete", picture.pk)).status_code == 302
    assert not GeneratedImage.objects.filter(pk=picture.pk).exists()
    assert signed_in(bob).post(address("picture-restore", picture.pk)).status_code == 403
    assert not GeneratedImage.objects.filter(pk=picture.pk).exists()


@pytest.mark.parametrize("name", sorted(WITH_NUMBER))
def test_what_is_private_or_absent_is_not_found(ada: User, bob: User, curator: User, name: str) -> None:
    task = place(ada, seed=5)
    picture = picture_of(task)
    GenerationTask.objects.update(visibility=Visibility.PRIVATE)
    number = picture.pk if name.startswith("picture") else task.pk
    for user in (bob, curator):
        client = signed_in(user)
        method = client.get if name in GET_ONLY else client.post
        for pk in (number, number + 1000, 10**15):
            assert method(address(name, pk)).status_code == 404
    task.refresh_from_db()
    assert task.status == Status.QUEUED


@pytest.mark.parametrize("name", sorted(WITH_NUMBER))
def test_a_number_that_no_row_can_have_is_not_found(her: Client, name: str) -> None:
    method = her.get if name in GET_ONLY else her.post
    assert method(address(name, 10**30)).status_code == 404


def test_a_private_job_and_its_pictures_are_in_no_list_of_others(ada: User, bob: User) -> None:
    picture_of(place(ada, prompt="a surprise"))
    GenerationTask.objects.update(visibility=Visibility.PRIVATE)
    client = signed_in(bob)
    for name in ("studio", "live", "gallery", "gallery-page"):
        assert "a surprise" not in client.get(address(name), {"who": "all"}).content.decode()
    assert "a surprise" in signed_in(ada).get(address("studio"), {"who": "all"}).content.decode()


# Generate


def test_generate_answers_htmx_with_the_card_and_a_new_request_id(her: Client, ada: User, ink: Style) -> None:
    press = str(uuid.uuid4())
    data = VALID | {"request_id": press, "style": [ink.pk], f"weight-{ink.pk}": "0.35", "off": f"{ink.pk}:mist"}
    response = her.post(address("generate"), data, **HTMX)
    html = response.content.decode()
    task = GenerationTask.objects.get()
    assert response.status_code == 200
    assert html.strip().startswith("<article") and f'id="{task.root_id}"' in html
    renewed = re.search(r'id="request-id" value="([^"]+)"', html)
    assert renewed and uuid.UUID(renewed[1]) != uuid.UUID(press)
    assert (task.owner, task.request_id, task.seeds, task.width, task.height) == (
        ada,
        uuid.UUID(press),
        [0, 1],
        1216,
        832,
    )
    assert task.final_prompt == "ink wash, a red house"
    assert [(row.version.style, row.weight) for row in task.mix.all()] == [(ink, 0.35)]


def test_generate_without_htmx_leads_to_the_job(her: Client) -> None:
    response = her.post(address("generate"), VALID)
    task = GenerationTask.objects.get()
    assert (response.status_code, response.headers["Location"]) == (302, address("job", task.pk))
    assert "a red house" in her.get(response.headers["Location"]).content.decode()


@pytest.mark.parametrize("headers", [HTMX, {}])
def test_a_double_press_makes_one_job(her: Client, headers: dict[str, str]) -> None:
    data = VALID | {"request_id": str(uuid.uuid4())}
    first, second = (her.post(address("generate"), data, **headers) for _time in range(2))
    assert GenerationTask.objects.count() == 1
    assert first.status_code == second.status_code
    if headers:
        assert [set(re.findall(r'id="job-generation-\d+"', r.content.decode())) for r in (first, second)] == [
            {f'id="{GenerationTask.objects.get().root_id}"'}
        ] * 2


def test_a_form_without_a_request_id_still_works(her: Client) -> None:
    assert her.post(address("generate"), VALID | {"request_id": ""}, **HTMX).status_code == 200
    assert GenerationTask.objects.count() == 1


WRONG: list[tuple[str, Any]] = [
    ("prompt", ""), ("prompt", "   "), ("prompt", "x" * 5000), ("prompt", "a\0b"),
    ("negative", "x" * 5000), ("negative", "\0"),
    ("seed", "-1"), ("seed", str(10**30)), ("seed", "9" * 5000), ("seed", "abc"), ("seed", "1.5"), ("seed", "NaN"),
    ("count", "0"), ("count", "17"), ("count", "-1"), ("count", str(10**30)), ("count", "²"), ("count", ""),
    ("steps", "0"), ("steps", "51"), ("steps", "9" * 400), ("steps", "four"),
    ("cfg", "-1"), ("cfg", "NaN"), ("cfg", "inf"), ("cfg", "1e400"), ("cfg", "21"),
    ("shape", "1x1"), ("shape", ""), ("shape", "x"), ("shape", "9" * 400 + "x8"), ("shape", "1024x1024\0"),
    ("sampler", "' OR 1=1"), ("scheduler", "<b>"), ("mode", "video"), ("mode", ""),
    ("request_id", "not a uuid"), ("request_id", "9" * 5000),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value"), WRONG, ids=lambda value: repr(value)[:20])
def test_a_wrong_value_is_said_and_nothing_is_lost(her: Client, ink: Style, field: str, value: str) -> None:
    mix = {"style": [ink.pk], f"weight-{ink.pk}": "0.35", "off": f"{ink.pk}:mist"}
    response = her.post(address("generate"), VALID | {"negative": "no fog"} | mix | {field: value}, **HTMX)
    html = response.content.decode()
    assert response.status_code == 422
    assert not GenerationTask.objects.exists()
    assert response.headers["HX-Retarget"] == "#compose-form" and response.headers["HX-Reswap"] == "outerHTML"
    assert html.strip().startswith("<form")
    assert "Not ready yet" in html
    if field != "prompt":
        assert ">a red house</textarea>" in html
    if field != "negative":
        assert ">no fog</textarea>" in html
    if field != "shape":
        assert re.search(r'id="shape-1216x832"[^>]*\schecked', html)
    assert re.search(rf'name="weight-{ink.pk}"[^>]*\svalue="0.35"', html)
    assert f'name="off" value="{ink.pk}:mist"' in html


def test_without_htmx_the_whole_page_says_what_is_wrong(her: Client, ink: Style) -> None:
    mix = {"style": [ink.pk], f"weight-{ink.pk}": "0.35"}
    response = her.post(address("generate"), VALID | mix | {"seed": "-1", "cfg": "NaN"})
    html = response.content.decode()
    assert response.status_code == 422 and "<!doctype html>" in html
    assert 'id="seed-error"' in html and 'id="cfg-error"' in html
    assert ">a red house</textarea>" in html and re.search(r'name="seed"[^>]*\svalue="-1"', html)
    assert re.search(rf'id="style-{ink.pk}"[^>]*\schecked', html)
    assert re.search(rf'name="weight-{ink.pk}"[^>]*\svalue="0.35"', html)
    assert not GenerationTask.objects.exists()


def test_six_styles_are_too_many_and_all_are_kept(her: Client) -> None:
    styles = [Style.objects.create(name=f"Style {number}") for number in range(6)]
    response = her.post(address("generate"), VALID | {"style": [style.pk for style in styles]}, **HTMX)
    html = response.content.decode()
    assert response.status_code == 422 and "at most 5" in html
    assert all(f'id="weight-{style.pk}"' in html for style in styles)


ODD: list[dict[str, Any]] = [
    {"style": ["abc", "-1", "²", str(10**30), "9" * 5000, ""]},
    {"off": ["", ":", "no colon", "1:", "²:x", "x" * 5000]},
    {"order": ["abc", "9" * 5000, "²"]},
    {"weight-": "1", "weight-abc": "1", "weight-" + "9" * 40: "1"},
    {"reference_id": "²"},
    {"reference_id": str(10**30)},
    {"reference_id": "9" * 5000},
    {"reference_id": "abc\0"},
    {"denoise": "NaN"},
    {"denoise": "-inf"},
    {"drop": "x", "add": "\0", "remove": "²", "dice": "1"},
    {"count": "9" * 400, "steps": "9" * 400, "shape": "9" * 400 + "x" + "9" * 400},
    {"count": "9" * 400},
    {"count": str(-(10**400))},
    {"mode": "image"},
    {"mode": "image", "reference_id": "²"},
    {"prompt": "\ud800".encode("utf-8", "surrogatepass")},
    {"prompt": ["one", "two"], "seed": ["1", "2"]},
    {"user": "1", "mix": "x", "initial": "x", "data": "x"},
]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:30])
def test_odd_values_break_nothing(her: Client, ada: User, odd: dict[str, Any]) -> None:
    for _number in range(3):  # with enough history there are estimates, which reckon with what was typed
        prompt = picture_of(place(ada, width=1216, height=832)).prompt
        EnginePrompt.objects.filter(pk=prompt.pk).update(started_at=prompt.claimed_at, ended_at=timezone.now())
    for name, headers in (("compose", HTMX), ("compose", {}), ("generate", HTMX), ("generate", {})):
        assert her.post(address(name), VALID | odd, **headers).status_code in {200, 302, 422}


@pytest.mark.parametrize("weight", ["NaN", "inf", "-inf", "1e400", "", "abc", "-1", "99", "²"])
def test_a_weight_that_makes_no_sense_stays_in_range(her: Client, ink: Style, weight: str) -> None:
    her.post(address("generate"), VALID | {"style": [ink.pk], f"weight-{ink.pk}": weight}, **HTMX)
    assert 0.0 <= GenerationTask.objects.get().mix.get().weight <= 2.0


# Compose


def test_compose_answers_htmx_with_what_follows_from_the_form(her: Client, ink: Style) -> None:
    html = page(her.post(address("compose"), VALID | {"style": [ink.pk]}, **HTMX))
    for part in ("trigger-chips", "final-prompt", "mix", "readiness"):
        assert re.search(rf'id="{part}"[^>]*\shx-swap-oob=', html)
    assert "<mark>ink wash</mark>,<mark>mist</mark>, a red house" in html
    assert not GenerationTask.objects.exists()


def test_compose_without_htmx_is_the_studio_with_everything_typed(her: Client, ink: Style) -> None:
    data = VALID | {"style": [ink.pk], f"weight-{ink.pk}": "1.25", "negative": "no fog", "seed": "77", "count": "8"}
    html = her.post(address("compose"), data).content.decode()
    assert "<!doctype html>" in html
    assert ">a red house</textarea>" in html and ">no fog</textarea>" in html
    assert re.search(rf'name="weight-{ink.pk}"[^>]*\svalue="1.25"', html)
    assert re.search(r'name="seed"[^>]*\svalue="77"', html)
    assert re.search(r'id="count-8"[^>]*\schecked', html)
    assert re.search(rf'id="style-{ink.pk}"[^>]*\schecked', html)
    assert "This field" not in html and "Say what should be" not in html


@pytest.mark.parametrize("headers", [HTMX, {}], ids=["htmx", "plain"])
def test_the_buttons_of_the_form_do_what_they_say(her: Client, ink: Style, headers: dict[str, str]) -> None:
    data = VALID | {"style": [ink.pk]}

    def press(**more: Any) -> str:
        return her.post(address("compose"), data | more, **headers).content.decode()

    off = press(drop=f"{ink.pk}:mist")
    assert f'name="off" value="{ink.pk}:mist"' in off and "<mark>mist</mark>" not in off
    on = press(off=f"{ink.pk}:mist", add=f"{ink.pk}:mist")
    assert 'name="off"' not in on and "<mark>mist</mark>" in on
    assert f'id="weight-{ink.pk}"' not in press(remove=str(ink.pk))
    if not headers:
        seeds = {re.search(r'name="seed"[^>]*\svalue="(\d+)"', press(dice="1"))[1] for _time in range(3)}  # type: ignore[index]
        assert len(seeds) == 3


def test_without_javascript_a_chosen_file_is_kept_and_can_be_removed(her: Client) -> None:
    html = her.post(address("compose"), VALID | {"mode": "image", "reference": upload()}).content.decode()
    stored = Reference.objects.get()
    assert f'name="reference_id" value="{stored.pk}"' in html
    kept = her.post(address("compose"), VALID | {"mode": "image", "reference_id": stored.pk}).content.decode()
    assert f'name="reference_id" value="{stored.pk}"' in kept
    removed = her.post(
        address("compose"), VALID | {"mode": "image", "reference_id": stored.pk, "clear_reference": "1"}
    ).content.decode()
    assert 'name="reference_id"' not in removed


# References


def test_a_good_reference_is_stored_once_and_shown(her: Client) -> None:
    for _time in range(2):
        response = her.post(address("reference"), {"reference": upload()}, **HTMX)
        assert response.status_code == 200
        html = response.content.decode()
        assert html.strip().startswith("<div") and 'id="reference"' in html
        assert f'name="reference_id" value="{Reference.objects.get().pk}"' in html
    stored = Reference.objects.get()
    assert (stored.width, stored.height) == (40, 24)
    assert stored.file.storage.exists(stored.file.name)


BAD = {
    "empty": b"",
    "text": b"not a picture",
    "html": b"<svg onload=alert(1)>",
    "cut": png()[:-20],
    "gif": b"GIF89a\x01\x00\x01\x00\x00\x00\x00;",
    "bomb": b"",
    "large": b"\x89PNG\r\n\x1a\n" + b"\0" * (10 * 2**20 + 1),
}
_bomb = io.BytesIO()
Image.new("1", (7000, 7000)).save(_bomb, "PNG")
BAD["bomb"] = _bomb.getvalue()


@pytest.mark.parametrize("kind", sorted(BAD))
def test_a_bad_reference_is_refused_in_words_and_leaves_nothing(her: Client, media: Path, kind: str) -> None:
    response = her.post(address("reference"), {"reference": upload(BAD[kind])}, **HTMX)
    html = response.content.decode()
    if kind == "empty":  # browsers send an empty file where none was chosen
        assert response.status_code in {200, 422}
    else:
        assert response.status_code == 422
        assert 'role="alert"' in html and html.strip().startswith("<div")
    assert not Reference.objects.exists()
    assert [file for file in media.rglob("*") if file.is_file()] == []


@pytest.mark.parametrize("kind", ["text", "cut", "bomb"])
def test_a_bad_reference_with_the_form_is_refused_too(her: Client, media: Path, kind: str) -> None:
    data = VALID | {"mode": "image", "reference": upload(BAD[kind])}
    response = her.post(address("generate"), data, **HTMX)
    assert response.status_code == 422
    assert ">a red house</textarea>" in response.content.decode()
    assert not Reference.objects.exists() and not GenerationTask.objects.exists()
    assert [file for file in media.rglob("*") if file.is_file()] == []


@pytest.mark.parametrize("name", ["../../evil.png", "\ud800.png", "x" * 300 + ".png", "a\0b.png", ".png", "CON", "x"])
def test_the_name_of_a_file_means_nothing(her: Client, media: Path, name: str) -> None:
    boundary = "-----paper"
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="reference"; filename="'.encode()
        + name.encode("utf-8", "surrogatepass")
        + b'"\r\nContent-Type: image/png\r\n\r\n'
        + png()
        + f"\r\n--{boundary}--\r\n".encode()
    )
    response = her.post(address("reference"), body, content_type=f"multipart/form-data; boundary={boundary}", **HTMX)
    assert response.status_code in {200, 422}
    for file in media.rglob("*"):
        assert file.is_dir() or re.fullmatch(r"[0-9a-f]{32}\.png", file.name)
    assert not list(media.parent.glob("evil*"))


def test_removing_a_reference_answers_with_the_drop_zone(her: Client) -> None:
    html = her.post(address("reference"), {"clear_reference": "1"}, **HTMX).content.decode()
    assert 'id="reference"' in html and 'name="reference_id"' not in html


def test_image_to_image_needs_a_picture_and_takes_the_stored_one(her: Client) -> None:
    refused = her.post(address("generate"), VALID | {"mode": "image"}, **HTMX)
    assert refused.status_code == 422 and "Choose a picture to start from." in refused.content.decode()
    her.post(address("reference"), {"reference": upload()}, **HTMX)
    stored = Reference.objects.get()
    her.post(address("generate"), VALID | {"mode": "image", "reference_id": stored.pk, "denoise": "0.35"}, **HTMX)
    task = GenerationTask.objects.get()
    assert (task.mode, task.reference, task.denoise) == ("image", stored, 0.35)


def test_text_to_image_takes_no_reference_along(her: Client) -> None:
    her.post(address("reference"), {"reference": upload()}, **HTMX)
    her.post(address("generate"), VALID | {"reference_id": Reference.objects.get().pk}, **HTMX)
    assert GenerationTask.objects.get().reference is None


# Jobs


def test_cancel_answers_with_the_card_the_row_or_the_page(her: Client, ada: User) -> None:
    card = her.post(address("cancel", place(ada).pk), **HTMX)
    assert "is-cancelled" in card.content.decode() and "<article" in card.content.decode()
    row = her.post(address("cancel", (task := place(ada)).pk), HTTP_HX_TARGET=f"row-generation-{task.pk}", **HTMX)
    assert row.content.decode().strip().startswith("<tr")
    plain = her.post(address("cancel", (task := place(ada)).pk))
    assert (plain.status_code, plain.headers["Location"]) == (302, address("job", task.pk))


def test_cancel_touches_no_other_job(her: Client, ada: User) -> None:
    first, second = place(ada), place(ada)
    first.start("w")
    her.post(address("cancel", second.pk), **HTMX)
    her.post(address("cancel", second.pk), **HTMX)
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, second.status) == (Status.RUNNING, Status.CANCELLED)


def test_a_job_that_ended_is_not_cancelled(her: Client, ada: User) -> None:
    task = place(ada)
    task.start("w")
    task.complete()
    assert "is-done" in her.post(address("cancel", task.pk), **HTMX).content.decode()


def test_moving_to_the_front_is_shown_everywhere(
    curator: User, ada: User, bob: User, noted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, task = place(bob), place(ada)
    noted.jobs.clear()
    target = {"HTTP_HX_TARGET": f"row-generation-{task.pk}"}
    row = signed_in(curator).post(address("move-to-front", task.pk), **target, **HTMX).content.decode()
    assert row.strip().startswith("<tr") and 'data-priority="1"' in row
    pushed = {(pk, "whole" if what.get("whole") else what.get("part")) for pk, what in noted.jobs}
    places = "generation/_job_progress.html"
    assert pushed == {(task.pk, "whole"), (first.pk, places), (task.pk, places)}
    plain = signed_in(curator).post(address("move-to-front", task.pk))
    assert plain.headers["Location"] == address("job", task.pk)


def test_a_job_that_ended_is_not_moved(curator: User, ada: User, noted: Any) -> None:
    task = place(ada)
    task.cancel()
    noted.jobs.clear()
    assert signed_in(curator).post(address("move-to-front", task.pk), **HTMX).status_code == 200
    task.refresh_from_db()
    assert (task.priority, noted.jobs) == (0, [])


def test_all_my_waiting_jobs_are_cancelled_and_nothing_else(
    her: Client, ada: User, bob: User, noted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[bool] = []
    monkeypatch.setattr("stylestudio.live.publisher.counts_changed", lambda: counted.append(True))
    running, done, theirs = place(ada), place(ada), place(bob)
    running.start("w")
    done.cancel()
    ended = GenerationTask.objects.get(pk=done.pk).ended_at
    waiting = [place(ada), place(ada)]
    noted.jobs.clear()
    counted.clear()
    html = her.post(address("cancel-waiting"), **HTMX).content.decode()
    assert "2 waiting jobs are cancelled." in html and 'id="toast"' in html
    status = dict(GenerationTask.objects.values_list("pk", "status"))
    assert [status[task.pk] for task in (running, done, theirs)] == ["running", "cancelled", "queued"]
    assert [status[task.pk] for task in waiting] == ["cancelled", "cancelled"]
    assert GenerationTask.objects.get(pk=done.pk).ended_at == ended
    assert {pk for pk, what in noted.jobs if what.get("whole")} == {task.pk for task in waiting}
    assert theirs.pk in {pk for pk, what in noted.jobs if what.get("part")} and counted == [True]


def test_cancelling_what_waits_answers_a_plain_form_with_the_queue_page(her: Client, ada: User) -> None:
    place(ada)
    response = her.post(address("cancel-waiting"), follow=True)
    assert response.redirect_chain == [(reverse("queue"), 302)]
    assert "1 waiting job is cancelled." in response.content.decode()
    again = her.post(address("cancel-waiting"), follow=True)
    assert "No job of yours is waiting." in again.content.decode()


def test_a_job_that_begins_meanwhile_is_not_withdrawn(ada: User) -> None:
    task = place(ada)
    GenerationTask.objects.get(pk=task.pk).start("w")
    assert task.status == Status.QUEUED
    assert not task.withdraw() and task.status == Status.RUNNING


def test_what_ran_out_of_memory_is_tried_again_smaller(her: Client, ada: User) -> None:
    task = place(ada, width=1024, height=1024, count=4)
    picture_of(task, 1)
    task.start("w")
    task.fail("out_of_memory")
    html = her.get(address("job", task.pk)).content.decode()
    assert re.search(r">\s*Retry at 792 × 792\s*</button>", html)
    response = her.post(address("retry-smaller", task.pk), HTTP_HX_CURRENT_URL="http://testserver/", **HTMX)
    again = GenerationTask.objects.get(retry_of=task)
    assert f'id="{again.root_id}"' in response.content.decode() and response.headers["HX-Retarget"] == "#jobs"
    assert (again.width, again.height, again.seeds) == (792, 792, [5, 7, 8])
    plain = her.post(address("retry-smaller", task.pk))
    assert plain.headers["Location"] == address("job", again.pk)


@pytest.mark.parametrize(("kind", "side"), [("out_of_memory", 512), ("execution", 1024)])
def test_retry_smaller_is_offered_where_it_helps(her: Client, ada: User, kind: str, side: int) -> None:
    task = place(ada, width=side, height=side)
    task.fail(kind)
    assert "Retry at" not in her.get(address("job", task.pk)).content.decode()
    assert "Retry smaller" not in her.get(reverse("queue")).content.decode()


# What the engine refused


@pytest.mark.parametrize(
    "field", ["prompt", "negative", "shape", "count", "seed", "steps", "cfg", "denoise", "style", "reference"]
)
def test_what_the_engine_refused_is_said_at_its_field(her: Client, ada: User, field: str) -> None:
    task = place(ada)
    task.fail("invalid", "Value <50> is too big.", error_field=field)
    assert f"?task={task.pk}" in her.get(address("job", task.pk)).content.decode()
    html = her.get("/", {"task": task.pk}).content.decode()
    [error] = re.findall(rf'<(?:span|p) class="error" id="{field}-error".*?</(?:span|p)>', html, re.DOTALL)
    assert "Value &lt;50&gt; is too big." in error
    assert re.search(rf'<a class="link" href="#{field}">Value &lt;50&gt; is too big.</a>', html)
    if field != "style":  # the mix is no control
        [control] = re.findall(rf'<[^>]*\saria-describedby="[^"]*\b{field}-error"[^>]*>', html)
        assert 'aria-invalid="true"' in control


def test_a_form_that_was_explained_may_be_sent_as_it_is(her: Client, ada: User) -> None:
    task = place(ada, count=4, width=1024, height=1024)
    task.fail("invalid", "Too big.", error_field="steps")
    html = her.get("/", {"task": task.pk}).content.decode()
    assert her.post(address("generate"), as_posted(html), **HTMX).status_code == 200
    assert GenerationTask.objects.latest("pk").snapshot == task.snapshot


@pytest.mark.parametrize("field", ["", "nonsense"])
def test_an_explanation_without_a_field_is_on_the_card_alone(her: Client, ada: User, field: str) -> None:
    task = place(ada)
    task.fail("invalid", "No such node.", "the operator's own detail", error_field=field)
    card = her.get(address("job-card", task.pk)).content.decode()
    assert "No such node." in card.partition("<details")[0] and "operator&#x27;s own" in card.partition("<details")[2]
    html = her.get("/", {"task": task.pk}).content.decode()
    assert 'aria-invalid="true"' not in html and "No such node." not in html.partition('id="live"')[0]


def test_a_missing_file_is_named_with_the_engine_that_lacks_it(her: Client, ada: User) -> None:
    task = place(ada)
    box = Engine.objects.create(address="http://10.0.0.1:1", name="Big <box>")
    for index, state in ((1, "cancelled"), (0, "failed")):
        EnginePrompt.objects.create(
            task=task, index=index, engine=box, worker="w", lease_until=timezone.now(), state=state,
            ended_at=timezone.now(),
        )  # fmt: skip
    task.fail("missing_file", "The engine does not have the LoRA ink.safetensors.", error_field="style")
    html = page(her.get(address("job-card", task.pk)))
    assert "Big &lt;box&gt;: The engine does not have the LoRA ink.safetensors." in html


# Engines


@pytest.mark.parametrize("name", sorted(WITH_ENGINE))
def test_engines_are_the_curators(her: Client, curator: User, name: str) -> None:
    engine = Engine.objects.create(address="http://10.0.0.1:1", health="stuck", checked_at=timezone.now())
    before = Engine.objects.values().get()
    for headers in ({}, HTMX):
        assert her.post(address(name, engine.pk), **headers).status_code == 403
    assert Engine.objects.values().get() == before
    hers = signed_in(curator)
    assert hers.post(address(name, engine.pk), **HTMX).status_code == 200
    assert Engine.objects.values().get() != before
    assert hers.post(address(name, engine.pk)).headers["Location"].startswith(reverse("queue"))
    for pk in (engine.pk + 1000, 10**15, 10**30):
        assert hers.post(address(name, pk), **HTMX).status_code == 404


def test_an_engine_is_paused_and_used_again(curator: User) -> None:
    engine = Engine.objects.create(address="http://10.0.0.1:1", health="ok")
    client = signed_in(curator)
    paused = client.post(address("engine-pause", engine.pk), **HTMX).content.decode()
    assert f'id="engine-{engine.pk}"' in paused and "Paused" in paused and "Use again" in paused
    assert Engine.objects.get().paused
    resumed = client.post(address("engine-resume", engine.pk), **HTMX).content.decode()
    assert "Ready" in resumed and ">" in resumed and not Engine.objects.get().paused
    assert re.search(r"Pause\s*</button>", resumed) and "Use again" not in resumed


@pytest.mark.parametrize("where", ["studio", "queue", "plain"])
def test_retry_shows_the_new_job_where_the_person_is(her: Client, ada: User, where: str) -> None:
    task = place(ada)
    task.fail("execution")
    if where == "plain":
        response = her.post(address("retry", task.pk))
        again = GenerationTask.objects.get(retry_of=task)
        assert response.headers["Location"] == address("job", again.pk)
        return
    page = f"http://testserver{reverse('queue') if where == 'queue' else '/?who=all'}"
    response = her.post(address("retry", task.pk), HTTP_HX_CURRENT_URL=page, **HTMX)
    again = GenerationTask.objects.get(retry_of=task)
    if where == "studio":
        assert (response.headers["HX-Retarget"], response.headers["HX-Reswap"]) == ("#jobs", "afterbegin")
        assert f'id="{again.root_id}"' in response.content.decode()
    else:
        assert response.headers["HX-Redirect"] == address("job", again.pk)


def test_a_double_retry_makes_one_job(her: Client, ada: User) -> None:
    task = place(ada)
    task.fail("execution")
    for _time in range(2):
        assert her.post(address("retry", task.pk), **HTMX).status_code == 200
    assert GenerationTask.objects.filter(retry_of=task).count() == 1


@pytest.mark.parametrize("headers", [HTMX, {}], ids=["htmx", "plain"])
def test_retry_of_a_running_job_makes_nothing(her: Client, ada: User, headers: dict[str, str]) -> None:
    task = place(ada)
    assert her.post(address("retry", task.pk), **headers).status_code in {200, 302}
    assert GenerationTask.objects.count() == 1


def test_clear_takes_only_my_finished_jobs(her: Client, ada: User, bob: User) -> None:
    finished, waiting, theirs = place(ada), place(ada), place(bob)
    for task in (finished, theirs):
        task.cancel()
    html = her.post(address("clear") + "?who=all", **HTMX).content.decode()
    assert f'id="{finished.root_id}"' not in html
    assert f'id="{waiting.root_id}"' in html and f'id="{theirs.root_id}"' in html
    assert set(GenerationTask.objects.exclude(cleared_at=None)) == {finished}
    assert her.post(address("clear")).headers["Location"] == "/"
    assert f'id="{finished.root_id}"' not in her.get("/").content.decode()
    assert her.get(address("job", finished.pk)).status_code == 200


def test_the_column_shows_mine_or_everyones(her: Client, ada: User, bob: User) -> None:
    own, theirs = place(ada), place(bob)
    for who, seen in (("mine", {own}), ("all", {own, theirs}), ("x", {own}), ("", {own}), ("\0", {own})):
        for name in ("studio", "live"):
            html = her.get(address(name), {"who": who}).content.decode()
            assert {task for task in (own, theirs) if f'id="{task.root_id}"' in html} == seen
            assert f"watch={'all' if len(seen) > 1 else 'mine'}" in html


# Prefill


def test_the_form_is_filled_from_a_picture_with_its_own_seed(her: Client, ada: User, ink: Style) -> None:
    version = ink.version
    assert version is not None
    mix = (Ingredient(version, 0.35, frozenset({"mist"})),)
    task = place(ada, count=2, seed=7, negative="no fog", steps=9, cfg=2.5, sampler="lcm", mix=mix)
    html = her.get("/", {"picture": picture_of(task, 1).pk}).content.decode()
    assert ">a fox</textarea>" in html and ">no fog</textarea>" in html
    assert re.search(r'name="seed"[^>]*\svalue="8"', html)
    assert re.search(r'id="count-1"[^>]*\schecked', html)
    assert re.search(r'name="steps"[^>]*\svalue="9"', html)
    assert re.search(rf'name="weight-{ink.pk}"[^>]*\svalue="0.35"', html)
    assert f'name="off" value="{ink.pk}:mist"' in html
    assert "<option selected>lcm</option>" in html


def test_the_form_is_filled_from_a_job_and_gives_the_same_snapshot(her: Client, ada: User, ink: Style) -> None:
    version = ink.version
    assert version is not None
    mix = (Ingredient(version, 0.35, frozenset({"mist"})),)
    task = place(ada, count=4, seed=0, width=832, height=1216, mix=mix)
    html = her.get("/", {"task": task.pk}).content.decode()
    again = her.post(address("generate"), as_posted(html), **HTMX)
    assert again.status_code == 200
    newest = GenerationTask.objects.latest("pk")
    assert newest.pk != task.pk
    assert newest.snapshot == task.snapshot
    assert newest.snapshot_sha256 == task.snapshot_sha256


def test_an_image_job_is_taken_up_with_its_reference(her: Client, ada: User) -> None:
    her.post(address("reference"), {"reference": upload()}, **HTMX)
    task = place(ada, count=1, width=1024, height=1024, reference=Reference.objects.get(), denoise=0.35)
    html = her.get("/", {"task": task.pk}).content.decode()
    her.post(address("generate"), as_posted(html), **HTMX)
    newest = GenerationTask.objects.latest("pk")
    assert newest.pk != task.pk and newest.snapshot_sha256 == task.snapshot_sha256


def as_posted(html: str) -> dict[str, list[str]]:
    """What a browser would send for the form as it stands in a page."""
    html = tight(html)
    data: dict[str, list[str]] = {}

    def add(name: str, value: str) -> None:
        data.setdefault(name, []).append(value)

    form = re.search(r'<form class="compose".*?</form>', html, re.DOTALL)
    assert form
    outside = re.findall(r'<input[^>]*\sform="compose-form"[^>]*>', html)
    for tag in [*re.findall(r"<input[^>]*>", form[0]), *outside]:
        name, kind = re.search(r' name="([^"]+)"', tag), re.search(r' type="(\w+)"', tag)
        value = re.search(r' value="([^"]*)"', tag)
        chosen = " checked" in tag or (kind[1] if kind else "text") not in {"radio", "checkbox", "file"}
        if name and chosen and name[1] != "reference":
            add(name[1], value[1] if value else "")
    for name, text in re.findall(r'<textarea[^>]*\sname="(\w+)"[^>]*>(.*?)</textarea>', form[0], re.DOTALL):
        add(name, text)
    for name, options in re.findall(r'<select[^>]*\sname="(\w+)"[^>]*>(.*?)</select>', form[0], re.DOTALL):
        add(name, re.findall(r"<option selected>(.*?)</option>", options)[0])
    return data


def test_a_picture_becomes_the_reference(her: Client, ada: User) -> None:
    html = her.get("/", {"reference": picture_of(place(ada)).pk}).content.decode()
    assert f'name="reference_id" value="{Reference.objects.get().pk}"' in html
    assert re.search(r'id="mode-image"[^>]*\schecked', html)


def test_a_picture_whose_file_is_gone_is_said(her: Client, ada: User) -> None:
    picture = picture_of(place(ada))
    picture.file.delete(save=False)
    GeneratedImage.objects.update(file="outputs/gone.png")
    response = her.get("/", {"reference": picture.pk})
    assert response.status_code == 200 and "file of this picture is missing" in response.content.decode()


def test_a_style_and_a_prompt_from_the_address(her: Client, ink: Style) -> None:
    html = her.get("/", {"style": ink.slug, "prompt": "from a link <b>"}).content.decode()
    assert re.search(rf'id="style-{ink.pk}"[^>]*\schecked', html)
    assert re.search(rf'name="weight-{ink.pk}"[^>]*\svalue="0.80"', html)
    assert ">from a link &lt;b&gt;</textarea>" in html
    ink.delete()
    assert her.get("/", {"style": ink.slug}).status_code == 200
    assert "no style of this name" in her.get("/", {"style": "nowhere"}).content.decode()


@pytest.mark.parametrize("key", ["picture", "task", "reference"])
@pytest.mark.parametrize("value", ["abc", "0", "-1", "²", "9" * 30, "1\0", "1e3", "999"])
def test_a_link_to_nothing_is_not_found(her: Client, key: str, value: str) -> None:
    assert her.get("/", {key: value}).status_code == 404


@pytest.mark.parametrize("key", ["picture", "task", "reference"])
def test_a_link_to_what_is_private_is_not_found(ada: User, bob: User, key: str) -> None:
    task = place(ada)
    number = task.pk if key == "task" else picture_of(task).pk
    GenerationTask.objects.update(visibility=Visibility.PRIVATE)
    assert signed_in(bob).get("/", {key: number}).status_code == 404


@pytest.mark.parametrize(
    "query", [{"style": "\0"}, {"prompt": "x" * 6000}, {"prompt": "\0"}, {"who": ["a", "b"]}, {"picture": ""}]
)
def test_other_nonsense_in_the_address_is_ignored(her: Client, query: dict[str, Any]) -> None:
    assert her.get("/", query).status_code == 200


# Anything at all

TEXT = st.one_of(
    st.text(max_size=30),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(["", "text", "image", "1024x1024", "NaN", "1:ink wash", "²", "\0", "9" * 5000, "on", "euler"]),
)
FIELDS = st.sampled_from(
    [*VALID, "style", "off", "order", "weight-1", "weight-2", "denoise", "reference_id", "request_id", "negative",
     "drop", "add", "remove", "dice", "clear_reference", "reference"]
)  # fmt: skip


class AnythingAtAll(TestCase):
    """Whatever is posted, the answer is one of ours."""

    def setUp(self) -> None:
        self.client = signed_in(User.objects.create_user("ada"))
        style = Style.objects.create(name="Ink")
        style.versions.update(trigger_words="ink wash, mist")

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        data=st.dictionaries(FIELDS, st.lists(TEXT, max_size=3), max_size=8),
        valid=st.booleans(),
        name=st.sampled_from(["compose", "generate"]),
        htmx=st.booleans(),
    )
    def test_posting_anything_never_breaks(
        self, data: dict[str, list[str]], valid: bool, name: str, htmx: bool
    ) -> None:
        sent = {key: [text.encode("utf-8", "surrogatepass") for text in texts] for key, texts in data.items()}
        response = self.client.post(
            address(name), {**(VALID if valid else {}), **sent}, headers={"hx-request": "true"} if htmx else {}
        )
        assert response.status_code in {200, 302, 422}, response.status_code
