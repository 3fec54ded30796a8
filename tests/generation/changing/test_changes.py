"""Cut out and scaled up by an engine: from the press to a derivation, once, with its chain."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.test import Client
from PIL import Image, ImageCms

from generation.changing import placing, wanting
from generation.changing.models import PictureChange
from generation.derivations.models import Derivation
from generation.engines.models import Engine
from generation.making import runner
from generation.ordering import orders
from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask
from generation.recipes import registry
from generation.selecting import bulk_jobs
from generation.selecting import orders as bulk_orders
from stylestudio.jobs.kinds import Status
from tests.generation.changing.conftest import FRONT, Change, Store, disc, work
from tests.generation.derivations.conftest import icon, stored
from tests.pages import page

pytestmark = pytest.mark.django_db


def opened(picture: GeneratedImage) -> Image.Image:
    with picture.file.open("rb") as file, Image.open(BytesIO(file.read())) as image:
        image.load()
        return image


def only() -> GeneratedImage:
    return Derivation.objects.select_related("picture__task").get().picture


def test_a_cut_out_is_a_derivation_with_its_settings_hashes_and_job(
    engine: Engine, store: Store, change: Change, ada: User
) -> None:
    source = store(disc(), prompt="a red disc")
    job = change("cut-out", source)
    assert (job.status, job.report["changed"], job.said) == (Status.COMPLETED, 1, "1 picture is cut out.")
    made = only()
    assert (made.size_text, made.has_alpha, made.is_odd_size) == ("96 × 96", True, False)
    pixels = np.asarray(opened(made))
    assert tuple(pixels[48, 48]) == (*FRONT, 255) and not pixels[0, 0].any()
    shown = pixels[pixels[..., 3] > 0]
    assert not (shown[:, 1] > 120).any(), "no green at the edge"
    known, task = made.derivation, made.task
    assert (known.source, known.change, known.title) == (source, "cut-out", "Cut out")
    assert known.settings["files"] == {"model": "birefnet.safetensors"} and known.remarks == []
    assert (task.is_face, task.recipe, task.owner, task.prompt) == (True, "cut-out", ada, "a red disc")
    sent = EnginePrompt.objects.get(task=task).graph
    assert [node["class_type"] for node in sent.values()][1:4] == [
        "LoadBackgroundRemovalModel", "RemoveBackground", "MaskToImage",
    ]  # fmt: skip
    assert opened(source).tobytes() == disc().tobytes(), "the original stays as it is"
    assert set(GeneratedImage.objects.all()) == {source}, "it is folded under its source"


@pytest.mark.parametrize("factor", [2, 4])
def test_a_larger_picture_keeps_transparency_and_profile(
    engine: Engine, store: Store, change: Change, factor: int
) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    source = store(data=stored(icon(), icc_profile=profile))
    change(f"scale-up-x{factor}", source)
    made = only()
    result = opened(made)
    assert result.size == (60 * factor, 60 * factor) and result.info["icc_profile"] == profile
    pixels = np.asarray(result.convert("RGBA"))
    assert tuple(pixels[35 * factor, 25 * factor]) == (200, 30, 30, 255) and pixels[0, 0, 3] == 0
    solid = pixels[pixels[..., 3] == 255]
    assert not (solid[:, 1] > 90).any(), "the hidden green of what was clear bleeds nowhere"
    assert made.derivation.title == f"Scale up ×{factor}"


def test_a_model_of_another_factor_is_told(engine: Engine, store: Store, change: Change, settings: object) -> None:
    settings.RECIPE_FILES = ["scale-up-x2.model=RealESRGAN_x4plus.safetensors"]  # type: ignore[attr-defined]
    change("scale-up-x2", store(disc()))
    assert (opened(only()).size, only().derivation.remarks) == ((192, 192), ["reduced"])
    settings.RECIPE_FILES = ["scale-up-x4.model=RealESRGAN_x2plus.pth"]  # type: ignore[attr-defined]
    change("scale-up-x4", store(disc()))
    newest = Derivation.objects.select_related("picture").order_by("picture").last()
    assert newest and (opened(newest.picture).size, newest.remarks) == ((384, 384), ["stretched"])


def test_many_are_one_job_that_ends_with_its_last_picture_and_is_taken_back_as_one(
    engine: Engine, store: Store, change: Change, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placing, "AT_ONCE", 2)
    sources = [store(disc()) for _number in range(3)]
    job = change("cut-out", *sources, works=False)
    bulk_jobs.life.work()
    placing.place_wanted()
    job.refresh_from_db()
    assert (job.status, job.look, job.done, job.total) == (Status.QUEUED, "running", 0, 3)
    assert GenerationTask.everything.active().count() == 2, "the queue stays short"
    assert dict(wanting.uses([each.pk for each in sources])).keys() == {each.pk for each in sources}
    work()
    job.refresh_from_db()
    assert (job.status, job.done, job.changed, job.can_undo) == (Status.COMPLETED, 3, 3, True)
    back = bulk_orders.undo(ada, job)
    bulk_jobs.life.work()
    back.refresh_from_db()
    assert (back.status, back.changed, back.said) == (Status.COMPLETED, 3, "3 cut-outs are in the trash.")
    assert change("cut-out", *sources).changed == 3, "they come back from the trash"
    made = EnginePrompt.objects.filter(task__is_face=True)
    assert made.count() == 3 and Derivation.objects.count() == 3, "and are not made again"
    assert change("cut-out", *sources).report["left"] == {"same": 3}


def test_a_cancelled_job_takes_its_jobs_along(engine: Engine, store: Store, change: Change) -> None:
    job = change("cut-out", store(disc()), store(disc()), works=False)
    bulk_jobs.life.work()
    placing.place_wanted()
    job.refresh_from_db()
    assert bulk_jobs.life.cancel(job)
    assert not GenerationTask.everything.active().exists()
    work()
    assert not Derivation.objects.exists()


def test_whatever_dies_between_two_steps_nothing_is_lost_or_doubled(
    engine: Engine, store: Store, change: Change
) -> None:
    source = store(disc())
    job = change("cut-out", source, works=False)
    bulk_jobs.life.work()
    wish = PictureChange.objects.get()
    placing.place(wish)
    task = GenerationTask.everything.get(picture_change=wish)
    PictureChange.objects.update(task=None)  # as if the worker had died before the link was stored
    placing.place(wish)
    assert PictureChange.objects.get().task == task, "the same wish makes the same job"
    runner.work()
    task.refresh_from_db()
    assert task.status == Status.COMPLETED
    work()
    job.refresh_from_db()
    assert (job.changed, Derivation.objects.count()) == (1, 1)


def test_a_job_made_again_is_the_one_that_was_wanted(engine: Engine, store: Store, change: Change, ada: User) -> None:
    change("cut-out", store(disc()), works=False)
    bulk_jobs.life.work()
    placing.place_wanted()
    task = GenerationTask.everything.get(picture_change__isnull=False)
    task.cancel()
    again = orders.retry(task, ada)
    assert (again.snapshot, again.picture_change.recipe) == (task.snapshot, "cut-out")
    work()
    assert only().task == again


def test_settings_and_variations_of_a_cut_out_are_those_of_its_source(
    engine: Engine, store: Store, change: Change, ada: User
) -> None:
    source = store(disc(), prompt="a red disc")
    change("cut-out", source)
    assert orders.order_of(only().task) == orders.order_of(source.task)
    assert orders.vary(only().task, ada, None).recipe == source.task.recipe


def test_what_engines_lack_is_said_with_folder_and_source_and_nothing_is_ordered(
    engine: Engine, store: Store, her: Client
) -> None:
    source = store(disc())
    Engine.objects.update(background_removal=[], upscale_models=[])
    said = page(her.get(source.get_absolute_url()))
    assert "models/background_removal" in said and "huggingface.co/Comfy-Org/BiRefNet" in said
    assert "models/upscale_models" in said and "plain resampling" in said
    sent = {"work": "cut-out", "asked": "1", "pictures": str(source.pk)}
    answer = her.post("/gallery/selection/", sent)
    assert answer.status_code == 422 and "birefnet.safetensors" in answer.content.decode()
    assert not PictureChange.objects.exists()
    Engine.objects.update(node_classes=[name for name in engine.node_classes if name != "RemoveBackground"])
    assert "does not know the node RemoveBackground" in page(her.get(source.get_absolute_url()))


def test_pictures_that_cannot_be_changed_are_left_with_the_reason(engine: Engine, store: Store, change: Change) -> None:
    broken, missing, huge = store(data=b"no picture"), store(disc()), store(disc())
    missing.file.storage.delete(str(missing.file.name))
    GeneratedImage.everything.filter(pk=huge.pk).update(width=5000, height=5000)
    job = change("scale-up-x4", broken, missing, huge)
    assert job.status == Status.COMPLETED
    assert job.report["left"] | {"same": 0} == {"too_large": 1, "broken": 1, "missing": 1, "same": 0}


def test_the_page_of_a_cut_out_shows_four_grounds_and_its_chain(
    engine: Engine, store: Store, change: Change, her: Client
) -> None:
    source = store(disc())
    change("cut-out", source)
    said = page(her.get(only().get_absolute_url()))
    assert 'class="grounds clear"' in said and said.count('name="ground"') == 4
    assert f'href="{source.get_absolute_url()}"' in said and "Cut out" in said
    assert "Scale up ×2" in page(her.get(source.get_absolute_url()))


def test_an_order_for_a_transparent_ground_cuts_each_picture_out_once_it_is_made(
    engine: Engine, her: Client, ada: User
) -> None:
    sent = {"prompt": "a red disc", "recipe": "sdxl-lightning", "shape": "1024x1024", "count": "2", "mode": "text"}
    usual = {name: str(value) for name, value in registry.default().defaults.items()}
    assert her.post("/generate", {**usual, **sent, "cut_out": "on"}).status_code in (200, 302)
    task = GenerationTask.objects.get()
    assert task.snapshot["cut_out"] is True and orders.order_of(task).cut_out
    assert "cut_out" not in orders.snapshot(orders.Order(prompt="a", seed=1)), "other orders hash as before"
    runner.work()
    assert PictureChange.objects.count() == 2
    work()
    made = Derivation.objects.select_related("source__task")
    assert [each.source.task == task for each in made if each.source] == [True, True]
    assert not her.get(f"/?job={task.pk}").context["form"].fields["cut_out"].required
