"""Depth and pose read from a picture by an engine: seen before anything is queued, kept once, frozen with the order."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.test import Client
from PIL import Image, ImageDraw

from generation.controls.facts import DEPTH, POSE
from generation.controls.models import GivenPicture
from generation.engines.models import Engine
from generation.making import runner
from generation.ordering import orders
from generation.ordering.control_form import readings
from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask
from generation.recipes import reading, registry
from generation.recipes.reading import BadRecipe
from generation.selecting import sidecars
from stylestudio.jobs.kinds import Status
from stylestudio.preview_engine.nodes.readings import depth, drawn, pose
from tests.generation.browsing import HTMX, address, signed_in
from tests.generation.controls.test_holding import asked, ticket
from tests.pages import page

pytestmark = pytest.mark.django_db


def somebody(size: tuple[int, int] = (160, 240)) -> Image.Image:
    """A figure that stands in front of a plain ground."""
    image = Image.new("RGB", size, (60, 120, 180))
    middle, high = size[0] // 2, size[1]
    ImageDraw.Draw(image).rounded_rectangle((middle - 25, high // 8, middle + 25, high * 7 // 8), 20, (200, 60, 30))
    return image


def form(user: User, kind: str, image: Image.Image | None = None, **more: Any) -> dict[str, Any]:
    """A form that holds a form read from a picture."""
    return asked(user, control=kind, control_id=ticket(user, image or somebody()), control_read="1", **more)


def composed(client: Client, sent: dict[str, Any], **more: str) -> str:
    """What the page then says of the control picture."""
    html = page(client.post(address("compose"), {**sent, **more}, headers=HTMX))
    return " ".join(html.split('id="control-seen"')[1].split('id="control-strength')[0].split())


@pytest.mark.parametrize("kind", [DEPTH, POSE])
def test_it_is_read_by_a_job_then_shown_then_ordered(engine: Engine, her: Client, ada: User, kind: str) -> None:
    sent = form(ada, kind)
    before = composed(her, sent, control_read="")
    assert f"Read the {kind} from this picture" in before and "Taken as it is" in before
    waits = composed(her, sent, read_control="1")
    assert 'hx-trigger="every 1s"' in waits and "control/picture" not in waits
    job = GenerationTask.everything.get()
    assert (job.is_face, job.visibility, job.recipe) == (True, "private", kind)
    assert job.title == f"{kind.title()} read from a picture"
    runner.work()
    done = composed(her, sent)
    assert "Read by an engine" in done and "control_read=True" in done and "Take the picture as it is" in done
    shown = her.get(done.split('src="')[1].split('"')[0].replace("&amp;", "&")).content
    assert GenerationTask.everything.count() == 1, "nothing is queued by looking"
    assert her.post(address("generate"), sent, headers=HTMX).status_code == 200
    runner.work()
    made = GenerationTask.objects.get()
    assert made.status == Status.COMPLETED, made.error
    control = made.snapshot["control"]
    assert control["read"] == {"recipe": registry.readers()[kind].facts, "files": job.snapshot["files"]}
    rows = {row.role: row.picture for row in GivenPicture.objects.filter(task=made)}
    assert rows["source"] == job.reference, "the source is the picture that was given, and not what was read"
    with rows["control"].file.open("rb") as file:
        assert file.read() == shown, "what was seen is what the engine gets"
    assert set(GeneratedImage.objects.all()) == {*made.pictures.all()}, "what is read is on no wall"
    assert "Read by an engine with" in page(her.get(made.pictures.get().get_absolute_url()))
    assert orders.vary(made, ada, None).snapshot["control"] == control
    html = page(her.get(address("studio"), {"task": made.pk}))
    assert "control_read=True" in html and 'name="control_read" value="1"' in html


def test_of_the_same_picture_there_is_one_reading_however_often_it_is_asked_for(
    engine: Engine, her: Client, ada: User, bob: User
) -> None:
    sent = form(ada, DEPTH)
    for _press in range(3):
        composed(her, sent, read_control="1")
    assert GenerationTask.everything.count() == 1
    runner.work()
    composed(her, sent, read_control="1")
    assert GenerationTask.everything.count() == 1, "nor once it is there"
    source = GenerationTask.everything.get().reference
    assert source
    assert readings.of(source, DEPTH, ada).picture and not readings.of(source, POSE, ada).task
    assert readings.of(source, DEPTH, bob) == readings.Reading(), "another person sees nothing of it"
    composed(signed_in(bob), {**asked(bob), "control": DEPTH, "control_id": sent["control_id"]}, read_control="1")
    assert GenerationTask.everything.count() == 1, "a ticket is of its person"


def test_how_far_it_is_is_asked_until_it_ends_and_what_was_cancelled_is_read_again(
    engine: Engine, her: Client, ada: User
) -> None:
    sent = form(ada, DEPTH)
    composed(her, sent, read_control="1")
    news = {"of": sent["control_id"], "kind": DEPTH}
    answer = her.get(address("control-reading"), news)
    assert "every 1s" in page(answer) and "HX-Trigger" not in answer.headers
    first = GenerationTask.everything.get()
    refused = her.post(address("generate"), sent, headers=HTMX)
    assert refused.status_code == 422 and "An engine is still reading this picture" in refused.content.decode()
    assert first.cancel()
    answer = her.get(address("control-reading"), news)
    assert "every 1s" not in page(answer) and "renew" in answer.headers["HX-Trigger"]
    refused = her.post(address("generate"), sent, headers=HTMX)
    assert "Read the depth from this picture first" in refused.content.decode()
    composed(her, sent, read_control="1")
    second = GenerationTask.everything.latest("pk")
    assert second != first and second.snapshot == first.snapshot
    runner.work()
    assert first.reference and readings.of(first.reference, DEPTH, ada).picture
    for bad in ({"of": "1", "kind": DEPTH}, {"of": sent["control_id"], "kind": "canny"}, {}):
        assert her.get(address("control-reading"), bad).status_code == 404


def test_what_engines_lack_is_said_with_where_people_get_it(engine: Engine, her: Client, ada: User) -> None:
    Engine.objects.update(geometry_estimation=[])
    words = composed(her, form(ada, DEPTH), read_control="1")
    assert "No engine can read the depth from a picture" in words and "models/geometry_estimation" in words
    assert "huggingface.co/Comfy-Org/Depth-Anything-3" in words and "Read the depth from this picture" not in words
    assert not GenerationTask.everything.exists()
    Engine.objects.update(node_classes=["KSampler"])
    assert "No engine can read the pose from a picture" in composed(her, form(ada, POSE))


def test_without_javascript_the_page_comes_back_with_the_job_and_the_form(
    engine: Engine, her: Client, ada: User
) -> None:
    file = io.BytesIO()
    somebody().save(file, "PNG")
    file.seek(0)
    file.name = "source.png"
    sent = {**form(ada, DEPTH), "control_id": "", "control_file": file, "prompt": "a knight", "read_control": "1"}
    html = page(her.post(address("compose"), sent))
    assert GenerationTask.everything.get().recipe == "depth"
    assert "a knight" in html and 'name="control_read" value="1"' in html


def test_nobody_in_a_picture_is_an_empty_pose_and_holds_nothing(engine: Engine, her: Client, ada: User) -> None:
    sent = form(ada, POSE, Image.linear_gradient("L").convert("RGB"))
    composed(her, sent, read_control="1")
    runner.work()
    assert "Nobody was found in this picture" in composed(her, sent)
    assert her.post(address("generate"), sent, headers=HTMX).status_code == 422
    assert not GenerationTask.objects.exists()


def test_a_reading_waits_for_an_engine_that_is_away_and_is_made_once(engine: Engine, her: Client, ada: User) -> None:
    composed(her, form(ada, DEPTH), read_control="1")
    job = GenerationTask.everything.get()
    Engine.objects.update(health=Engine.Health.UNREACHABLE)
    runner.work()
    job.refresh_from_db()
    assert job.status == Status.QUEUED
    Engine.objects.update(health=Engine.Health.OK)
    runner.work()
    job.refresh_from_db()
    assert job.status == Status.COMPLETED and EnginePrompt.objects.filter(task=job).count() == 1


def test_the_pages_of_a_reading_and_of_its_picture_are_like_those_of_others(
    engine: Engine, her: Client, ada: User, bob: User
) -> None:
    composed(her, form(ada, DEPTH), read_control="1")
    job = GenerationTask.everything.get()
    assert "Depth read from a picture" in page(her.get(job.get_absolute_url()))
    runner.work()
    picture = GeneratedImage.with_previews.get()
    for address_ in (job.get_absolute_url(), picture.get_absolute_url(), "/queue"):
        assert her.get(address_, follow=True).status_code == 200, address_
    assert "Depth read from a picture" in page(her.get(picture.get_absolute_url()))
    assert picture.get_absolute_url() in page(her.get(address("gallery"), {"previews": "1"}))
    assert her.get(address("studio"), {"task": job.pk}).status_code == 200
    assert her.post(address("variations", picture.pk)).status_code != 500
    assert signed_in(bob).get(picture.get_absolute_url()).status_code == 404
    assert sidecars.settings(picture, [])["made_of"]["reading"] == DEPTH
    GeneratedImage.everything.discard([picture.pk])
    assert job.reference and readings.of(job.reference, DEPTH, ada).picture == picture, (
        "what is in the trash is still there"
    )
    GeneratedImage.everything.filter(pk=picture.pk).update(emptied_at=picture.created_at)
    assert readings.of(job.reference, DEPTH, ada).picture is None, "what was deleted for good is read again"
    assert readings.order(job.reference, DEPTH, ada) != job


def test_the_preview_engines_depth_is_nearer_in_front_and_its_pose_stands_where_somebody_stands() -> None:
    near = np.asarray(depth(somebody())).astype(int)
    assert near[120, 80] > near[120, 10] + 40, "who is in front is nearer than the ground beside"
    assert near[230, 10] > near[10, 10] + 40, "the ground comes nearer downwards"
    bones = np.asarray(drawn(pose(somebody()), 4)).max(axis=2) > 0
    assert bones[:, 50:111].sum() == bones.sum() > 0
    assert not np.asarray(drawn(pose(Image.new("RGB", (64, 64), "teal")), 4)).any()


def test_what_reads_a_picture_has_one_graph_and_makes_no_pictures_of_orders() -> None:
    document = json.loads(json.dumps(registry.readers()[DEPTH].document))
    document["graphs"]["text"] = document["graphs"]["image"]
    document["recipe"]["graphs"]["text"] = "text.json"
    with pytest.raises(BadRecipe, match=r"depth, which only a recipe with the graph image alone can have|lacks"):
        reading.read(document)
    assert set(registry.readers()) == {DEPTH, POSE} and not registry.readers().keys() & registry.shipped().keys()
