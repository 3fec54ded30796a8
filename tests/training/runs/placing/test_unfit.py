"""Pictures that cannot be trained on keep a training from beginning, by page and by command, or are left out."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.test import Client

from generation.engines.models import Engine
from stylestudio.jobs.kinds import Status
from tests.pages import tight
from tests.training.conftest import AddPicture
from tests.training.scripted import Scripted, train
from training.datasets.health import stored
from training.datasets.models import Dataset, DatasetImage, DatasetSnapshot
from training.runs import known_trainers, parameters
from training.runs.models import TrainingJob
from training.runs.placing import place_run, unfit
from training.runs.running import checkpoints
from training.runs.trainer import Course, TrainerFailed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quiet")]

Break = Callable[[DatasetImage], None]


def remove(image: DatasetImage) -> None:
    """Its file goes."""
    default_storage.delete(str(image.file.name))


def shorten(image: DatasetImage) -> None:
    """Half of its file is left."""
    with default_storage.open(str(image.file.name), "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")


def note_as_broken(image: DatasetImage) -> None:
    """The health check could not read it."""
    measured = {"version": stored.VERSION, "broken": True, "twins": []}
    DatasetImage.objects.filter(pk=image.pk).update(measures=measured)


def narrow(image: DatasetImage) -> None:
    """It was too narrow from the beginning."""
    DatasetImage.objects.filter(pk=image.pk).update(width=900, height=40)


BROKEN: list[tuple[Break, str]] = [
    (remove, "The file of grove.png is gone."),
    (shorten, "grove.png cannot be read."),
    (note_as_broken, "grove.png cannot be read."),
    (narrow, "grove.png (900 × 40) fits no bucket at 512 px: a side would have less than 64 px."),
]


@pytest.fixture
def filled(dataset: Dataset, add: AddPicture, engine: Engine, people: Callable[..., User]) -> Dataset:
    """Two good pictures, a third one called grove.png, and an engine that could train."""
    people("olga", owner=True)
    for caption in ("red hills", "blue hills"):
        add(caption)
    add("a grove", source_name="grove.png")
    known_trainers.register(Scripted(lambda course: None))
    return dataset


def grove(dataset: Dataset) -> DatasetImage:
    return dataset.images.get(source_name="grove.png")


def plan(dataset: Dataset, trainer: str = "comfyui", **more: Any) -> place_run.Plan:
    values = {**parameters.preset_values("quick", trainer), "steps": 8, "resolution": 512}
    values |= {"segments": 2} if trainer == "comfyui" else {"save_count": 2}
    return place_run.Plan(dataset=dataset, style="Gouache", trainer=trainer, preset="quick", values=values, **more)


def train_command(*arguments: str) -> str:
    """What it printed."""
    out = io.StringIO()
    told = ["--dataset", "gouache-studies", "--style", "Night", "--preset", "quick", "--steps", "8"]
    call_command("train", *told, "--set", "resolution=512", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def form(dataset: Dataset, **changes: Any) -> dict[str, Any]:
    """What the page sends."""
    values = plan(dataset).values
    shown = {"shown": f"quick comfyui {dataset.pk}", "dataset": dataset.pk, "style": "new", "style_name": "Gouache"}
    return {"trainer": "comfyui", "preset": "quick", **shown, **{f"set-{n}": v for n, v in values.items()}, **changes}


def as_(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize("trainer", ["comfyui", "kohya"])
@pytest.mark.parametrize(("damage", "words"), BROKEN)
def test_no_trainer_begins_with_a_picture_that_it_could_not_use(
    filled: Dataset, ada: User, trainer: str, damage: Break, words: str
) -> None:
    damage(grove(filled))
    with pytest.raises(ValidationError) as refused:
        place_run.start(plan(filled, trainer), ada)
    assert refused.value.messages[0].startswith(words)
    assert "Leave it out of this training" in refused.value.messages[0]
    assert (TrainingJob.objects.count(), DatasetSnapshot.objects.count()) == (0, 0)


@pytest.mark.parametrize("trainer", ["comfyui", "kohya"])
@pytest.mark.parametrize(("damage", "words"), BROKEN)
def test_by_choice_it_begins_without_the_picture_and_remembers_that(
    filled: Dataset, ada: User, trainer: str, damage: Break, words: str
) -> None:
    damage(grove(filled))
    job = place_run.start(plan(filled, trainer, left_out=[grove(filled).pk]), ada)
    assert job.left_out == [grove(filled).pk]
    assert [each.caption for each in checkpoints.training_pictures(job)] == [
        "gouachefield painting, red hills",
        "gouachefield painting, blue hills",
    ]
    assert grove(filled).included, "the dataset is what it was"
    assert "grove.png" in as_(ada).get(f"/training/{job.pk}/config/").content.decode()
    job.cancel()
    again = place_run.resume(TrainingJob.objects.get(pk=job.pk), ada)
    assert again.left_out == job.left_out


def test_only_what_cannot_be_used_is_left_out(filled: Dataset, ada: User) -> None:
    every = list(filled.images.values_list("pk", flat=True))
    assert place_run.start(plan(filled, left_out=every), ada).left_out == []


def test_a_picture_that_was_left_out_of_the_dataset_stands_in_no_way(filled: Dataset, ada: User) -> None:
    remove(grove(filled))
    filled.images.filter(pk=grove(filled).pk).update(included=False)
    assert place_run.start(plan(filled), ada).left_out == []


def test_a_training_that_would_go_without_all_its_pictures_is_refused(filled: Dataset, ada: User) -> None:
    filled.images.update(width=60, height=60)
    every = list(filled.images.values_list("pk", flat=True))
    with pytest.raises(ValidationError, match="No picture of this dataset can be trained on"):
        place_run.start(plan(filled, left_out=every), ada)
    page = as_(ada).post("/training/plan/", form(filled, leave_out=" ".join(map(str, every)))).content.decode()
    assert "No picture of this dataset can be trained on." in page and "Not ready yet" in page


def test_whether_a_shape_can_be_used_depends_on_the_resolution_that_is_asked_for(filled: Dataset, ada: User) -> None:
    filled.images.filter(pk=grove(filled).pk).update(width=3000, height=150)
    assert unfit.find(filled, 1024) == []
    assert [each.name for each in unfit.find(filled, 256)] == ["grove.png"]


def test_many_pictures_are_not_all_named(filled: Dataset) -> None:
    for number in range(4):
        DatasetImage.objects.filter(pk=filled.images.order_by("pk")[number % 3].pk).update(height=40)
    found = [unfit.Unfit(n, f"{n}.png", 9, 9, unfit.Reason.GONE) for n in range(5)]
    assert unfit.sentences(found, 512) == ["The files of 0.png, 1.png, 2.png and 2 others are gone."]
    assert len(unfit.find(filled, 512)) == 3


# On the page.


@pytest.mark.parametrize(("damage", "words"), BROKEN)
def test_the_page_names_the_picture_and_does_not_start(filled: Dataset, ada: User, damage: Break, words: str) -> None:
    damage(grove(filled))
    answer = as_(ada).post("/training/new/", form(filled))
    page = tight(answer.content.decode())
    assert answer.status_code == 422
    assert re.search(rf'href="/datasets/{filled.slug}/health/" autofocus>{re.escape(words)}', page)
    assert "Train without 1 picture" in page
    assert not TrainingJob.objects.exists()


def test_ticking_the_box_makes_it_ready_and_starts_it_without_the_picture(filled: Dataset, ada: User) -> None:
    narrow(grove(filled))
    client = as_(ada)
    page = client.post("/training/plan/", form(filled)).content.decode()
    [key] = re.findall(r'name="leave_out" value="([^"]+)"', page)
    page = client.post("/training/plan/", form(filled, leave_out=key)).content.decode()
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "Ready to start" in text and "Left out: grove.png (900 × 40)" in text and "2, seen about" in text
    assert re.search(r'name="leave_out" value="[^"]+"[^>]*\schecked', page)
    client.post("/training/new/", form(filled, leave_out=key))
    assert TrainingJob.objects.get().left_out == [grove(filled).pk]


def test_a_picture_that_breaks_after_the_box_was_ticked_is_asked_about_anew(filled: Dataset, ada: User) -> None:
    narrow(grove(filled))
    remove(filled.images.earliest("pk"))
    answer = as_(ada).post("/training/new/", form(filled, leave_out=str(grove(filled).pk)))
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "The file of picture 1.png is gone." in page
    assert "fits no bucket" not in page, "that one was decided on"
    assert not re.search(r'name="leave_out"[^>]*\schecked', page)


@pytest.mark.parametrize("nonsense", ["x", "-1", "9" * 40, "1 or 2"])
def test_nonsense_in_the_box_leaves_nothing_out(filled: Dataset, ada: User, nonsense: str) -> None:
    assert as_(ada).post("/training/new/", form(filled, leave_out=nonsense)).status_code == 302
    assert TrainingJob.objects.get().left_out == []


# By the command.


@pytest.mark.parametrize(("damage", "words"), BROKEN)
def test_the_command_names_the_picture_and_does_not_start(filled: Dataset, damage: Break, words: str) -> None:
    damage(grove(filled))
    with pytest.raises(CommandError, match=re.escape(words)) as refused:
        train_command()
    assert "--leave-out" in str(refused.value)
    assert not TrainingJob.objects.exists()


def test_the_command_leaves_the_picture_out_where_it_is_told_to(filled: Dataset) -> None:
    narrow(grove(filled))
    assert "Left out: grove.png (900 × 40) fits no bucket at 512 px" in train_command("--leave-out")
    assert TrainingJob.objects.get().left_out == [grove(filled).pk]


# What fails all the same.


def test_a_training_that_fails_because_of_a_picture_names_it(filled: Dataset, ada: User) -> None:
    def act(course: Course) -> None:
        raise TrainerFailed("bad_pictures", "0003: broken", picture=course.pictures[2].source)

    job = place_run.start(plan(filled), ada)
    train(act)
    job.refresh_from_db()
    assert (job.status, job.error_kind, job.error) == (Status.FAILED, "bad_pictures", "grove.png")
    assert job.explanation.startswith("The trainer could not use the picture grove.png.")
    assert "grove.png" in as_(ada).get(f"/training/{job.pk}/").content.decode()
    assert "grove.png" in "".join(block.text for block in job.log.all())


def test_where_nobody_knows_which_picture_it_was_the_sentence_does_not_name_one(filled: Dataset, ada: User) -> None:
    def act(course: Course) -> None:
        raise TrainerFailed("bad_pictures", "cannot identify image file")

    job = place_run.start(plan(filled), ada)
    train(act)
    job.refresh_from_db()
    assert job.explanation.startswith("A picture of the dataset could not be read by the trainer.")
