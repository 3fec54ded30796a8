"""Pictures whose form is held, on a preview engine: from the form to the stored file, and again."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.management.base import CommandError
from django.http import QueryDict
from django.test import Client
from PIL import Image, ImageDraw

from generation.controls.models import GivenPicture
from generation.engines.models import Engine
from generation.making import runner
from generation.ordering import orders, references
from generation.ordering.forms import OrderForm
from generation.ordering.management.commands import generate
from generation.ordering.management.commands.generate import Command
from generation.ordering.orders import Order
from generation.ordering.references import uses
from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask, Reference
from generation.selecting import sidecars
from stylestudio.jobs.kinds import Status
from stylestudio.people.visibility import Visibility
from tests.generation.browsing import HTMX, VALID, address, png, upload
from tests.generation.editing.conftest import opened, picture, stored

pytestmark = pytest.mark.django_db
SIZE = {"shape": "custom", "width": "128", "height": "64", "count": "1"}
FILE = "diffusion_pytorch_model_promax.safetensors"


def house(size: tuple[int, int] = (256, 128)) -> Image.Image:
    """Dark lines on paper."""
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).rectangle((size[0] // 4, size[1] // 4, size[0] * 3 // 4, size[1] * 3 // 4), None, "black", 6)
    return image


def ticket(user: User, image: Image.Image | None = None) -> str:
    """What the form of this person calls a picture whose form is held."""
    return references.ticket(references.add_reference(io.BytesIO(stored(image or house())), user).pk, user)


def asked(user: User, **more: Any) -> dict[str, Any]:
    """A form that holds edges."""
    return {**VALID, **SIZE, "control": "canny", "control_id": ticket(user), **more}


def task() -> GenerationTask:
    """The one task, after a worker has done what it can."""
    runner.work()
    return GenerationTask.everything.get()


@pytest.mark.parametrize(("kind", "type_"), [("lines", "hed/pidi/scribble/ted"), ("pose", "openpose")])
def test_the_form_of_a_picture_is_held(engine: Engine, her: Client, ada: User, kind: str, type_: str) -> None:
    more = {"control_strength": "0.7", "control_start": "10", "control_end": "90"}
    assert her.post(address("generate"), asked(ada, control=kind, **more), headers=HTMX).status_code == 200
    made = task()
    assert made.status == Status.COMPLETED, made.error
    graph = EnginePrompt.objects.get(task=made).graph
    nodes = {node["class_type"]: node["inputs"] for node in graph.values()}
    held = nodes["ControlNetApplyAdvanced"]
    assert [held[name] for name in ("strength", "start_percent", "end_percent")] == [0.7, 0.1, 0.9]
    assert (nodes["SetUnionControlNetType"]["type"], nodes["ControlNetLoader"]["control_net_name"]) == (type_, FILE)
    facts = made.snapshot["control"]
    assert nodes["LoadImage"]["image"] == f"stylestudio-{facts['picture'][:32]}.png"
    rows = {row.role: row.picture.sha256 for row in GivenPicture.objects.filter(task=made)}
    assert rows == {"control": facts["picture"], "source": facts["source"]}
    assert (facts["file"], facts["kind"], made.mode) == (FILE, kind, "text")
    control = Reference.objects.get(sha256=facts["picture"])
    assert (control.width, control.height) == (128, 64)


def test_the_sketch_shows_the_lines(engine: Engine, her: Client, ada: User) -> None:
    her.post(address("generate"), asked(ada, control_strength="1"))
    made = task()
    after = np.asarray(opened(GeneratedImage.objects.get(task=made)).convert("L")).astype(int)
    with Reference.objects.get(sha256=made.snapshot["control"]["picture"]).file.open("rb") as file:
        lines = np.asarray(Image.open(file).convert("L")) > 127
    assert lines.any()
    assert abs(after[lines].mean() - after[~lines].mean()) > 20


def test_retry_variations_and_settings_keep_what_was_given(engine: Engine, her: Client, ada: User) -> None:
    her.post(address("generate"), asked(ada, control_low="0.1", control_high="0.2", control_fit="pad"))
    first = GenerationTask.objects.get()
    first.cancel()
    again = orders.retry(first, ada)
    assert again.snapshot == first.snapshot
    assert again.given.count() == 2
    more = orders.vary(first, ada, None)
    assert more.snapshot["control"] == first.snapshot["control"]
    assert orders.is_same(first, orders.order_of(first))
    page = her.get(address("studio"), {"task": first.pk}).content.decode()
    assert f"{address('control-picture')}?control=canny&amp;control_low=0.1&amp;control_high=0.2" in page
    runner.work()
    assert {each.status for each in GenerationTask.everything.filter(pk__in=(again.pk, more.pk))} == {Status.COMPLETED}


def test_a_preview_comes_before_anything_is_queued(her: Client, ada: User) -> None:
    html = her.post(address("compose"), asked(ada), headers=HTMX).content.decode()
    seen = html.split('id="control-seen"')[1]
    url = seen.split('src="')[1].split('"')[0].replace("&amp;", "&")
    response = her.get(url)
    assert response.headers["Content-Type"] == "image/png" and "private" in response.headers["Cache-Control"]
    image = Image.open(io.BytesIO(response.content))
    assert image.size == (128, 64) and np.asarray(image).max() == 255
    assert not GenerationTask.everything.exists()
    assert Reference.objects.count() == 1, "what is only looked at is not stored"
    her.post(address("generate"), asked(ada))
    kept = GivenPicture.objects.get(role="control").picture
    with kept.file.open("rb") as file:
        assert file.read() == response.content, "what was seen is what the engine gets"


def test_it_is_said_when_dark_lines_are_inverted_and_when_nothing_would_be_held(her: Client, ada: User) -> None:
    html = her.post(address("compose"), asked(ada, control="lines"), headers=HTMX).content.decode()
    assert "Dark lines on a light ground: inverted" in html
    plain = ticket(ada, Image.new("RGB", (64, 64), "teal"))
    html = her.post(address("compose"), asked(ada, control_id=plain), headers=HTMX).content.decode()
    assert "No edges are found" in html
    response = her.post(address("generate"), asked(ada, control_id=plain), headers=HTMX)
    assert response.status_code == 422 and "No edges are found" in response.content.decode()
    assert not GenerationTask.everything.exists()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"control_id": ""}, "Choose the picture whose form is held."),
        ({"control_strength": "7"}, "less than or equal to 2"),
        ({"control_strength": "nan"}, "number"),
        ({"control_low": "0"}, "greater than or equal to 0.01"),
        ({"control_start": "60", "control_end": "40"}, "The end comes after the start."),
        ({"control": "tile"}, "Select a valid choice"),
        ({"recipe": "qwen-image", "fields_of": "qwen-image"}, "Qwen-Image has no model that holds a form"),
    ],
)
def test_mistakes_are_said_at_their_fields(ada: User, more: dict[str, str], words: str) -> None:
    data = QueryDict(mutable=True)
    data.update(asked(ada, **more))
    form = OrderForm(data, user=ada)
    assert not form.is_valid()
    assert words in str(form.errors)


def sixteen_bits() -> bytes:
    ramp = np.linspace(0, 65535, 64 * 64, dtype=np.uint16).reshape(64, 64)
    return stored(Image.fromarray(ramp))


def transparent() -> bytes:
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    ImageDraw.Draw(image).ellipse((16, 16, 48, 48), "red")
    return stored(image)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (png()[:60], "broken or not complete"),
        (b"no picture", "not a PNG, JPEG or WebP"),
        (stored(Image.new("1", (7000, 6000))), "more than 40 megapixels"),
        (png(1, 1), ""),
        (sixteen_bits(), ""),
        (transparent(), ""),
    ],
    ids=["broken", "text", "huge", "tiny", "16 bit", "transparent"],
)
def test_odd_files_are_taken_or_refused_in_words(her: Client, data: bytes, words: str) -> None:
    response = her.post(address("control"), {"control_file": upload(data)}, headers=HTMX)
    html = response.content.decode()
    assert response.status_code == (422 if words else 200)
    assert words in html and ('name="control_id"' in html) is not bool(words)


def test_the_silhouette_of_a_cut_out_has_edges(engine: Engine, her: Client) -> None:
    form = VALID | SIZE | {"control": "canny", "control_file": upload(transparent())}
    assert her.post(address("generate"), form).status_code == 302
    assert GivenPicture.objects.filter(role="control").count() == 1


def test_nobody_holds_the_form_of_a_picture_that_they_may_not_see(her: Client, ada: User, bob: User) -> None:
    private = picture(bob, house())
    GenerationTask.everything.filter(pk=private.task_id).update(visibility=Visibility.PRIVATE)
    assert her.get(address("studio"), {"control": private.pk}).status_code == 404
    theirs = ticket(bob)
    response = her.post(address("generate"), asked(ada, control_id=theirs), headers=HTMX)
    assert response.status_code == 422 and "Choose the picture whose form is held." in response.content.decode()
    query = {"control": "canny", "of": theirs, "width": "64", "height": "64"}
    assert her.get(address("control-picture"), query).status_code == 404


@pytest.mark.parametrize("more", [{"width": "9999"}, {"width": "x"}, {"control_low": "9"}, {"of": "1"}])
def test_an_address_that_nobody_made_has_no_picture(her: Client, ada: User, more: dict[str, str]) -> None:
    query = {"control": "canny", "of": ticket(ada), "width": "64", "height": "64", **more}
    assert her.get(address("control-picture"), query).status_code == 404


def test_a_picture_of_the_gallery_begins_the_form(her: Client, ada: User) -> None:
    mine = picture(ada, house())
    html = her.get(address("studio"), {"control": mine.pk}).content.decode()
    assert (
        'id="control-canny" checked' in html.replace("  ", " ") or "checked" in html.split('id="control-canny"')[1][:40]
    )
    her.post(address("generate"), asked(ada))
    assert dict(uses([mine.pk])) == {mine.pk: "Holds the form of a job that is not finished"}


def test_without_scripts_the_reference_becomes_what_holds_the_form(her: Client, ada: User) -> None:
    data = asked(ada, control_id="", reference_id=ticket(ada), mode="image", hold_reference="1")
    html = her.post(address("compose"), data).content.decode()
    assert f"{address('control-picture')}?control=canny" in html


def test_what_an_engine_lacks_is_said_with_where_people_get_it(engine: Engine, her: Client, ada: User) -> None:
    Engine.objects.update(controlnet=[], node_classes=[n for n in engine.node_classes if "Union" not in n])
    html = her.post(address("compose"), asked(ada), headers=HTMX).content.decode()
    assert FILE in html and "models/controlnet" in html and "huggingface.co/xinsir/controlnet-union-sdxl-1.0" in html
    assert "lacks SetUnionControlNetType, which hold the form" in html
    html = her.post(address("compose"), asked(ada, control="off"), headers=HTMX).content.decode()
    assert FILE not in html, "nobody needs it for other pictures"


def test_a_reference_is_fitted_as_somebody_chooses(engine: Engine, her: Client, ada: User) -> None:
    image = Image.new("RGB", (300, 100), "blue")
    image.paste("red", (0, 0, 60, 100))
    form = VALID | SIZE | {"mode": "image", "reference_id": ticket(ada, image), "width": "64", "denoise": "0.05"}
    her.post(address("generate"), form | {"fit": "cut", "fit_x": "0"})
    first = task()
    fitted = GivenPicture.objects.get(task=first, role="fitted").picture
    assert first.snapshot["fit"] == {"way": "cut", "focus": [0, 50], "sent": fitted.sha256}
    assert first.reference and first.snapshot["reference"] == first.reference.sha256 != fitted.sha256
    red, _green, blue = np.asarray(opened(GeneratedImage.objects.get(task=first)).convert("RGB"))[32, 8]
    assert red > blue, "the left end stayed"
    assert orders.order_of(first).given.fit.x == 0
    html = her.get(address("studio"), {"task": first.pk}).content.decode()
    assert f"{address('control-picture')}?fit=cut&amp;fit_x=0" in html


def test_by_default_the_engine_cuts_in_the_middle_as_it_always_did(her: Client, ada: User) -> None:
    her.post(address("generate"), VALID | SIZE | {"mode": "image", "reference_id": ticket(ada)})
    assert "fit" not in GenerationTask.objects.get().snapshot
    assert not GivenPicture.objects.exists()


def ordered(user: User, *options: str) -> Order:
    """The order of a command line."""
    parser = Command().create_parser("manage.py", "generate")
    return generate._order(vars(parser.parse_args(["--prompt", "a red house", *options])), user)


def test_the_command_holds_a_form_and_fits_a_reference(ada: User, tmp_path: Path) -> None:
    file = tmp_path / "house.png"
    house().save(file)
    more = [
        "--control",
        str(file),
        "--control-kind",
        "lines",
        "--control-set",
        "strength=0.6",
        "--control-set",
        "end=80",
    ]
    order = ordered(ada, "--size", "128x64", *more, "--reference", str(file), "--fit", "cut:10,90")
    control = order.given.control
    assert control and (control.way.kind, control.hold.strength, control.hold.end) == ("lines", 0.6, 0.8)
    assert (order.given.fit.x, order.given.fit.y, order.given.sent != "") == (10, 90, True)
    with pytest.raises(CommandError, match="less than or equal to 2"):
        ordered(ada, "--control", str(file), "--control-set", "strength=9")
    with pytest.raises(CommandError, match="has no model that holds a form"):
        ordered(ada, "--control", str(file), "--recipe", "chroma")
    for wrong in (["--fit", "cut:10"], ["--fit", "pad:1,1"], ["--control-set", "strength"], ["--control-set", "a=1"]):
        with pytest.raises(CommandError):
            ordered(ada, *wrong)


def test_the_page_the_comparison_and_the_file_beside_a_picture_say_what_held_its_form(
    engine: Engine, her: Client, ada: User
) -> None:
    her.post(address("generate"), asked(ada, count="2"))
    made = task()
    first, second = GeneratedImage.objects.filter(task=made).order_by("index")
    html = her.get(address("picture", first.pk)).content.decode()
    assert "Form held by" in html and html.count("/uploads/references/") >= 4, "two pictures, each a link"
    assert made.snapshot["control"] == sidecars.settings(first, [])["control"]
    html = her.get(address("compare"), {"ids": f"{first.pk},{second.pk}"}).content.decode()
    assert "Edges · 0.80" in html
