"""Captioners: what each proposes, and that a proposal is never written over a caption."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.utils import timezone
from PIL import Image, PngImagePlugin
from pytest_django import Settings

from generation.engines.models import Engine
from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask
from stylestudio.jobs.kinds import Status
from tests.training.conftest import AddPicture
from training.datasets import dataset_jobs
from training.datasets.captions import captioners
from training.datasets.captions.captioners.notes import FromNotes
from training.datasets.captions.captioners.workflow import FromWorkflow
from training.datasets.models import Dataset, DatasetImage, DatasetJob

pytestmark = pytest.mark.django_db
EXAMPLE = "workflow:colours_and_size"


def said(image: DatasetImage) -> str:
    [proposal] = FromNotes().propose([image], "", lambda: None)
    return proposal.text


def store(image: DatasetImage, data: bytes) -> DatasetImage:
    image.file.save("with-notes", ContentFile(data))
    return image


def png(**notes: str) -> bytes:
    texts, out = PngImagePlugin.PngInfo(), BytesIO()
    for key, text in notes.items():
        texts.add_text(key, text)
    Image.new("RGB", (8, 8)).save(out, "PNG", pnginfo=texts)
    return out.getvalue()


def jpeg(description: str) -> bytes:
    exif, out = Image.Exif(), BytesIO()
    exif[270] = description
    Image.new("RGB", (8, 8)).save(out, "JPEG", exif=exif)
    return out.getvalue()


def test_the_name_of_the_file_is_proposed_without_its_numbering(add: AddPicture) -> None:
    assert said(add(source_name="012_red-roof.png")) == "red roof"
    assert said(add(source_name="IMG_0042.JPG")) == ""


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (png(Description="an old mill at dusk"), "an old mill at dusk"),
        (png(parameters="mill, dusk\nNegative prompt: blurry\nSteps: 20"), "mill, dusk"),
        (jpeg("an old mill"), "an old mill"),
        (png(prompt='{"1": {}}', Comment='{"a": 1}'), "fallback name"),
        (b"no picture at all", "fallback name"),
    ],
)
def test_notes_inside_the_file_come_before_its_name(add: AddPicture, data: bytes, words: str) -> None:
    assert said(store(add(source_name="fallback name.png"), data)) == words


def test_a_picture_of_the_gallery_is_proposed_its_prompt(add: AddPicture, ada: User) -> None:
    task = GenerationTask.objects.create(
        owner=ada, prompt="a fox in the snow", width=512, height=512, count=1, seeds=[7], checkpoint="base.safetensors",
        lightning="l.safetensors", own_values={}, status=Status.COMPLETED, ended_at=timezone.now(),
    )  # fmt: skip
    engine = Engine.objects.create(address="http://127.0.0.1:1")
    prompt = EnginePrompt.objects.create(
        task=task, index=0, engine=engine, worker="w", lease_until=timezone.now(), state=EnginePrompt.State.DONE
    )
    picture = GeneratedImage.objects.create(
        task=task, index=0, prompt=prompt, engine=engine, seed=7, width=8, height=8, size=1, sha256="ab" * 32
    )
    assert said(add(source_name="fallback name.png", picture=picture)) == "a fox in the snow"


def ordered(dataset: Dataset, user: User, name: str, images: list[DatasetImage]) -> DatasetJob:
    job = captioners.order_proposals(dataset, user, captioners.known()[name], [image.pk for image in images])
    dataset_jobs.life.work()
    job.refresh_from_db()
    return job


def test_proposals_wait_beside_the_captions(dataset: Dataset, add: AddPicture, ada: User) -> None:
    images = [add("hills", source_name="old mill.png"), add("old mill", source_name="old mill.png"), add()]
    job = ordered(dataset, ada, "notes", images)
    assert (job.status, job.done, job.report["proposed"]) == (Status.COMPLETED, 3, 1)
    assert list(dataset.images.values_list("caption", "proposal", "proposed_by")) == [
        ("hills", "old mill", "notes"),
        ("old mill", "", ""),
        ("", "", ""),
    ]


def test_an_attempt_after_a_crash_goes_on_where_the_first_one_was(dataset: Dataset, add: AddPicture, ada: User) -> None:
    images = [add(source_name=f"mill {name}.png") for name in ("one", "two", "three")]
    job = captioners.order_proposals(dataset, ada, captioners.known()["notes"], [image.pk for image in images])
    DatasetJob.objects.filter(pk=job.pk).update(done=2, report={"proposed": 2})
    dataset_jobs.life.work()
    job.refresh_from_db()
    assert (job.done, job.report["proposed"]) == (3, 3)
    assert list(dataset.images.order_by("pk").values_list("proposal", flat=True)) == ["", "", "mill three"]


def test_a_picture_that_was_removed_meanwhile_is_passed_over(dataset: Dataset, add: AddPicture, ada: User) -> None:
    images = [add(source_name="mill one.png"), add(source_name="mill two.png")]
    DatasetImage.objects.filter(pk=images[0].pk).delete()
    job = ordered(dataset, ada, "notes", images)
    assert (job.status, job.done, job.report["proposed"]) == (Status.COMPLETED, 2, 1)


def test_a_captioner_that_is_gone_fails_with_a_sentence(dataset: Dataset, add: AddPicture, ada: User) -> None:
    parameters = {"captioner": "workflow:gone", "pictures": [add().pk]}
    job = dataset_jobs.order(dataset, ada, DatasetJob.Work.CAPTION, parameters=parameters, total=1)
    dataset_jobs.life.work()
    job.refresh_from_db()
    assert (job.status, job.error_kind) == (Status.FAILED, "engine")
    assert "not there" in job.error_detail


def test_the_example_workflow_tells_colours_and_size_on_the_preview_engine(
    dataset: Dataset, add: AddPicture, ada: User, engine: Engine
) -> None:
    image = store(add(), colour((20, 40, 200)))
    other = store(add(), colour((255, 255, 255, 0)))
    job = ordered(dataset, ada, EXAMPLE, [image, other])
    assert (job.status, job.error_detail) == (Status.COMPLETED, "")
    proposals = list(dataset.images.values_list("proposal", "proposed_by"))
    assert proposals == [("blue, 96 × 64 pixels", EXAMPLE), ("white, 96 × 64 pixels", EXAMPLE)]


def colour(value: tuple[int, ...]) -> bytes:
    out = BytesIO()
    Image.new("RGBA" if len(value) == 4 else "RGB", (96, 64), value).save(out, "PNG")
    return out.getvalue()


def test_one_broken_picture_is_named_and_the_rest_goes_on(
    dataset: Dataset, add: AddPicture, ada: User, engine: Engine
) -> None:
    broken, good = store(add(source_name="broken.png"), b"nothing"), store(add(), colour((20, 40, 200)))
    job = ordered(dataset, ada, EXAMPLE, [broken, good])
    assert (job.status, job.report["proposed"]) == (Status.COMPLETED, 1)
    [[name, reason]] = job.report["refused"]
    assert name == "broken.png"
    assert reason


def test_pictures_that_are_no_longer_named_are_still_counted(
    dataset: Dataset, add: AddPicture, ada: User, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.datasets.captions.captioners.propose.MOST_REFUSED", 1)
    images = [store(add(), data) for data in (b"nothing", colour((20, 40, 200)), b"nothing")]
    job = ordered(dataset, ada, EXAMPLE, images)
    assert (len(job.report["refused"]), job.refused_count) == (1, 2)


def test_without_an_engine_the_workflow_says_so() -> None:
    assert captioners.known()[EXAMPLE].trouble() == "No engine answers now."


@pytest.fixture
def own(settings: Settings, tmp_path: Path) -> Callable[..., FromWorkflow]:
    """Put a workflow into the operator's folder: own("my_captions", nodes)."""
    settings.CAPTIONERS_DIR = tmp_path / "captioners"
    settings.CAPTIONERS_DIR.mkdir()

    def put(stem: str, nodes: object) -> FromWorkflow:
        path = settings.CAPTIONERS_DIR / f"{stem}.json"
        path.write_text(json.dumps(nodes))
        return FromWorkflow(path)

    return put


NODES: dict[str, Any] = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "{{image}}"}},
    "2": {"class_type": "DescribeColours", "inputs": {"image": ["1", 0]}},
    "3": {"class_type": "PreviewAny", "inputs": {"source": "something else"}},
    "4": {"class_type": "PreviewAny", "inputs": {"source": ["2", 0]}, "_meta": {"title": "Caption"}},
}


def test_a_workflow_of_the_operator_is_offered_by_its_name_and_its_node_titled_caption_counts(
    own: Callable[..., FromWorkflow], dataset: Dataset, add: AddPicture, ada: User, engine: Engine
) -> None:
    own("my_captions", NODES)
    captioner = captioners.known()["workflow:my_captions"]
    assert (captioner.label, captioner.trouble()) == ("My captions", "")
    ordered(dataset, ada, captioner.name, [store(add(), colour((20, 40, 200)))])
    assert dataset.images.get().proposal == "blue, 96 × 64 pixels"


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ({}, "cannot be used"),
        ({"1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}}}, "needs {{image}}"),
        ({**NODES, "2": {"class_type": "FlorenceOfTomorrow", "inputs": {"image": ["1", 0]}}}, "has the nodes"),
    ],
)
def test_a_workflow_that_cannot_run_says_why(
    own: Callable[..., FromWorkflow], engine: Engine, nodes: object, words: str
) -> None:
    assert words in own("mine", nodes).trouble()
