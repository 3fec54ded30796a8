"""Edited pictures on a preview engine, from the order to the stored file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from PIL import Image

from generation.editing.preparing import Wish, prepare
from generation.engines.models import Engine
from generation.making import runner
from generation.masks import pixels
from generation.masks.models import Edit, Mask
from generation.ordering import orders
from generation.ordering.references import uses
from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask
from generation.recipes import registry
from stylestudio.images.decoding import BadPicture
from stylestudio.jobs.kinds import Status
from tests.generation.editing.conftest import MASKED, SIZE, of_noise, opened, order, picture
from tests.pixels import pixel

pytestmark = pytest.mark.django_db


def made(task: GenerationTask) -> GenerationTask:
    """The task after a worker has done what it can."""
    runner.work()
    return GenerationTask.everything.get(pk=task.pk)


def result(task: GenerationTask) -> Image.Image:
    """The first picture of a task, decoded."""
    assert task.status == Status.COMPLETED, task.error
    return opened(GeneratedImage.objects.get(task=task, index=0))


def changed(before: Image.Image, after: Image.Image) -> tuple[int, int, int, int]:
    """The smallest rectangle outside of which all pixels are equal."""
    differs = (np.asarray(before) != np.asarray(after)).any(axis=2)
    rows, columns = np.flatnonzero(differs.any(1)), np.flatnonzero(differs.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


# Two of different families by default: that the graphs of the others fit an engine is seen without running them.
QUICK = {"sdxl-lightning", "flux2-klein"}
RECIPES = [pytest.param(name, marks=() if name in QUICK else pytest.mark.heavy) for name in sorted(registry.shipped())]


@pytest.mark.parametrize("name", RECIPES)
def test_every_shipped_recipe_changes_only_what_is_masked(
    engine: Engine, ada: User, source: GeneratedImage, name: str
) -> None:
    task = made(orders.place(order(source, ada, name), ada))
    assert changed(opened(source), result(task)) == MASKED
    graph = EnginePrompt.objects.get(task=task).graph
    sent = {node["class_type"]: node["inputs"] for node in graph.values()}
    edit, reference = task.edit, task.reference
    assert reference is not None
    assert sent["LoadImageMask"]["image"] == f"stylestudio-{edit.sent_mask.sha256[:32]}.png"
    assert sent["LoadImage"]["image"] == f"stylestudio-{reference.sha256[:32]}.png"
    facts = task.snapshot["edit"]
    assert (task.snapshot["mode"], facts["mask"], facts["sent_mask"]) == (
        "image", edit.mask.sha256, edit.sent_mask.sha256,
    )  # fmt: skip
    assert (edit.source, facts["source"], facts["canvas"]) == (source, source.pk, [*SIZE])


def test_a_small_part_is_made_large_and_put_back_small(engine: Engine, ada: User) -> None:
    source = picture(ada, of_noise(size=(640, 480)))
    asked = order(source, ada, detail=True, mask=pixels.rectangle((640, 480), (100, 100, 140, 130), 4))
    assert asked.width * asked.height > 900_000 and asked.width > asked.height
    task = made(orders.place(asked, ada))
    left, top, right, bottom = changed(opened(source), result(task))
    assert 90 < left <= 100 and 90 < top <= 100 and 140 <= right < 150 and 130 <= bottom < 140
    assert (task.size_text, task.odd_sizes_text) == ("640 × 480", "")


def test_a_picture_grows_at_its_edges(engine: Engine, ada: User, source: GeneratedImage) -> None:
    margins = (16, 0, 32, 8)
    empty = Image.new("L", (SIZE[0] + 48, SIZE[1] + 8))
    task = made(orders.place(order(source, ada, margins=margins, mask=empty, denoise=1.0), ada))
    after = result(task)
    assert after.size == empty.size
    assert after.crop((16, 0, 16 + SIZE[0], SIZE[1])).tobytes() == opened(source).tobytes()
    assert len({pixel(after, place) for place in ((2, 2), (170, 50), (60, 100))}) == 1, "what the engine drew"


def test_a_cut_out_keeps_its_transparency(engine: Engine, ada: User) -> None:
    source = picture(ada, of_noise("RGBA"))
    after = result(made(orders.place(order(source, ada), ada)))
    assert after.mode == "RGBA"
    assert after.getchannel("A").tobytes() == opened(source).getchannel("A").tobytes()


def test_retry_variations_and_the_same_press_keep_source_and_mask(
    engine: Engine, ada: User, source: GeneratedImage
) -> None:
    first = orders.place(order(source, ada), ada)
    first.cancel()
    again = made(orders.retry(first, ada))
    assert (again.snapshot, again.edit.mask) == (first.snapshot, first.edit.mask)
    assert changed(opened(source), result(again)) == MASKED
    more = orders.vary(first, ada, None)
    assert more.snapshot["edit"] == first.snapshot["edit"] and more.edit.source == source
    assert orders.is_same(first, orders.order_of(first))
    assert not orders.is_same(first, order(source, ada, seed=first.seed, mask=pixels.rectangle(SIZE, (0, 0, 8, 8), 0)))
    assert Mask.objects.count() == 2, "each is stored once, and along cells of 8 pixels the engine gets it as drawn"


def test_of_a_picture_that_is_gone_nothing_is_made(engine: Engine, ada: User, source: GeneratedImage) -> None:
    task = orders.place(order(source, ada), ada)
    assert dict(uses([source.pk])) == {source.pk: "Is edited by a job that is not finished"}
    source.delete()
    task = made(task)
    assert task.status == Status.COMPLETED, "in the trash it is still there"
    source.file.delete(save=False)
    GeneratedImage.everything.filter(pk=source.pk).update(file="", emptied_at=source.created_at)
    with pytest.raises(ValidationError, match="gone for good"):
        orders.vary(task, ada, None)


def test_a_file_that_goes_while_the_engine_works_ends_the_job_in_words(
    engine: Engine, ada: User, source: GeneratedImage
) -> None:
    task = orders.place(order(source, ada, count=2), ada)
    source.file.storage.delete(str(source.file.name))
    task = made(task)
    assert (task.status, task.error_kind) == (Status.FAILED, "source_gone")
    assert "deleted for good" in task.explanation and not GeneratedImage.objects.filter(task=task).exists()
    assert task.fetchable, "if the file comes back"


def test_what_cannot_be_edited_is_refused_before_anything_is_stored(ada: User, source: GeneratedImage) -> None:
    recipe = registry.default()
    with pytest.raises(BadPicture, match="Nothing is marked"):
        prepare(Wish(source, Image.new("L", SIZE)), recipe, ada)
    with pytest.raises(BadPicture, match="up to 4096 pixels"):
        prepare(Wish(source, Image.new("L", (8320, 96)), (4096, 0, 4096, 0)), recipe, ada)
    source.delete()
    with pytest.raises(BadPicture, match="in the trash"):
        prepare(Wish(source, Image.new("L", SIZE, 255)), recipe, ada)
    source.restore()
    source = GeneratedImage.objects.get()  # without the open file
    source.file.storage.delete(str(source.file.name))
    with pytest.raises(BadPicture, match="missing"):
        prepare(Wish(source, Image.new("L", SIZE, 255)), recipe, ada)
    assert not Edit.objects.exists() and not Mask.objects.exists()


def test_a_recipe_without_a_graph_for_it_says_so(ada: User, source: GeneratedImage) -> None:
    asked = order(source, ada)
    document = dict(asked.recipe.document)
    assert "edit" in document["graphs"]
    plain = {mode: graph for mode, graph in asked.recipe.graphs.items() if mode != "edit"}
    [misfit] = orders.misfits(replace(asked.recipe, graphs=plain), "edit", ())
    assert (misfit.field, misfit.words) == (
        "recipe", "Lightning cannot change a part of a picture. Choose another recipe.",
    )  # fmt: skip
