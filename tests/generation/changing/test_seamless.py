"""Seamless pictures: the cross in the middle of the moved picture is made anew, and the figure says what came of it."""

from __future__ import annotations

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.test import Client
from PIL import Image

from generation.derivations.models import Derivation
from generation.derivations.steps import seams
from generation.engines.models import Engine
from generation.making import runner
from generation.ordering import orders
from generation.pictures.models import EnginePrompt, GenerationTask
from stylestudio.jobs.kinds import Status
from tests.generation.changing.conftest import Store
from tests.generation.changing.test_changes import opened
from tests.generation.derivations.conftest import stored
from tests.pages import page

pytestmark = pytest.mark.django_db


def ramp(mode: str = "RGB") -> Image.Image:
    """A picture whose edges do not meet: dark at the left and top, light at the right and bottom."""
    across, down = np.meshgrid(np.linspace(0, 120, 128), np.linspace(0, 120, 96))
    grey = (across + down).astype(np.uint8)
    return Image.merge("RGB", [Image.fromarray(grey)] * 3).convert(mode)


def test_the_mask_covers_the_seams_and_what_was_moved_comes_back() -> None:
    odd = Image.fromarray(np.random.default_rng(1).integers(0, 256, (41, 57, 4), np.uint8))
    assert seams.offset_back(seams.offset(odd)).tobytes() == odd.tobytes()
    mask = np.asarray(seams.cross(96, 60))
    assert (mask[:, 47:49] == 255).all() and (mask[29:31] == 255).all() and not mask[:20, :30].any()


def test_a_picture_is_made_seamless_by_an_edit_and_says_its_figure_before_and_after(
    engine: Engine, store: Store, her: Client, ada: User
) -> None:
    source = store(ramp(), prompt="a meadow")
    answer = her.post(f"/gallery/{source.pk}/seamless/", {})
    assert answer.status_code in (200, 302)
    runner.work()
    task = GenerationTask.everything.get(is_face=True)
    assert (task.status, task.prompt) == (Status.COMPLETED, "a meadow"), task.error
    classes = {node["class_type"] for node in EnginePrompt.objects.get(task=task).graph.values()}
    assert "SetLatentNoiseMask" in classes and task.snapshot["edit"]["source"] == source.pk
    known = Derivation.objects.select_related("picture").get()
    before, after = known.measures["seam_before"], known.measures["seam"]
    assert (known.source, known.title, known.remarks) == (source, "Made seamless", [])
    assert before > 50 and after < before / 4
    result, original = np.asarray(opened(known.picture).convert("RGB")), np.asarray(ramp())
    assert (result[30:66, 40:90] == original[30:66, 40:90]).all(), "what is not near an edge stays as it is"
    assert (result[:, 0] != original[:, 0]).any()
    said = page(her.get(known.picture.get_absolute_url()))
    assert f"Seam before: {before:.2f}, now: {after:.2f}" in said and 'class="repeats"' in said
    again = orders.vary(task, ada, None)
    assert (again.mode, again.recipe) == (source.task.mode, source.task.recipe), "variations are those of the source"


def test_a_tile_that_gets_no_better_says_so_and_a_small_picture_is_refused(
    engine: Engine, store: Store, her: Client
) -> None:
    flat = store(Image.new("RGB", (96, 96), (9, 9, 9)))
    her.post(f"/gallery/{flat.pk}/seamless/", {})
    runner.work()
    assert Derivation.objects.get().remarks == ["not_better"], "it had no seam"
    tiny = store(data=stored(ramp().resize((40, 40))))
    her.post(f"/gallery/{tiny.pk}/seamless/", {})
    assert GenerationTask.everything.filter(is_face=True).count() == 1
