"""What transparent pictures lie on: proposed so that none disappears, chosen, frozen, and the same for all who read."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from django.contrib.auth.models import User
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from stylestudio.images import grounds
from tests.training.datasets.collecting.test_take import scene
from tests.training.datasets.icons import INK, TEAL, Colour, icon, png
from training.datasets.captions.captioners import answers
from training.datasets.collecting import intake, sources
from training.datasets.crops import backgrounds
from training.datasets.models import Dataset, DatasetImage
from training.datasets.versions import layouts, snapshots
from training.runs.models import TrainingJob
from training.runs.running.checkpoints import training_pictures
from training.trainers.comfyui.dataset import encoded, items
from training.trainers.kohya import pictures as kohya

pytestmark = pytest.mark.django_db


def drop(dataset: Dataset, folder: Path, *pictures: Image.Image) -> Dataset:
    folder.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures):
        (folder / f"{number}.png").write_bytes(png(picture))
    intake.import_source(sources.folder(folder), dataset, dataset.owner, intake.Tally(), lambda done: None)
    return dataset


def contrast(data: bytes) -> float:
    """How much is to be seen in a file: 0 for a picture of one colour."""
    with Image.open(BytesIO(data)) as image:
        assert image.mode == "RGB"
        return float(np.asarray(image.convert("L"), float).std())


def exported(dataset: Dataset, manifest: snapshots.Manifest | None = None) -> list[bytes]:
    files = layouts.files(dataset, manifest or snapshots.present(dataset))
    return [data for name, data in files if name.endswith(".png")]


def ghost() -> Image.Image:
    """White, with two small dark eyes."""
    picture = Image.new("RGBA", (200, 200), (0, 0, 0, 0))
    pen = ImageDraw.Draw(picture)
    pen.ellipse((20, 20, 180, 180), (255, 255, 255, 255))
    pen.ellipse((70, 80, 82, 92), (0, 0, 0, 255))
    pen.ellipse((118, 80, 130, 92), (0, 0, 0, 255))
    return picture


def glow() -> Image.Image:
    """Light that fades out, nowhere opaque."""
    picture = Image.new("RGBA", (200, 200), (255, 255, 255, 0))
    picture.putalpha(Image.radial_gradient("L").resize((200, 200)).point(lambda level: (255 - level) // 2))
    return picture


@pytest.mark.parametrize(
    ("pictures", "ground"),
    [
        ([icon(number) for number in range(4)], "#000000"),
        ([icon(number, INK) for number in range(4)], "#ffffff"),
        ([icon(number, TEAL) for number in range(4)], "#ffffff"),
        ([icon(1), icon(2, INK)], "#808080"),
        ([icon(1, TEAL), icon(2)], "#000000"),
        ([ghost()], "#000000"),
        ([glow()], "#000000"),
        ([icon(1, (250, 250, 250)).convert("LA")], "#000000"),
        ([scene()], "#ffffff"),
    ],
    ids=["light", "dark", "coloured", "light and dark", "light and coloured", "ghost", "glow", "grey", "opaque"],
)
def test_the_ground_is_proposed_from_what_is_there(
    dataset: Dataset, tmp_path: Path, pictures: list[Image.Image], ground: str
) -> None:
    found = backgrounds.ground(drop(dataset, tmp_path, *pictures))
    assert (found.colour, found.chosen, list(found.hidden)) == (ground, "", [])


colour = st.tuples(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))


@settings(max_examples=40)
@given(st.lists(colour, min_size=1, max_size=12))
def test_whatever_the_colours_of_icons_are_the_proposal_hides_none_of_them(colours: list[Colour]) -> None:
    pictures = [grounds.colours(icon(number, each, 64)) for number, each in enumerate(colours)]
    proposed = grounds.propose(pictures)
    assert all(grounds.seen(picture, proposed) >= grounds.HIDDEN for picture in pictures)


def test_where_no_colour_shows_every_picture_as_few_as_possible_are_hidden_and_named() -> None:
    lattice = [(red, green, blue) for red in (0, 128, 255) for green in (0, 128, 255) for blue in (0, 128, 255)]
    pictures = [grounds.colours(icon(number, each, 64)) for number, each in enumerate([*lattice, (0, 0, 0)])]
    ground = backgrounds.Ground("", [backgrounds.TransparentPicture(pk, "", each) for pk, each in enumerate(pictures)])
    assert len(ground.hidden) == 1


def test_pictures_that_are_left_out_or_lie_on_a_colour_of_their_own_do_not_count(
    dataset: Dataset, tmp_path: Path
) -> None:
    drop(dataset, tmp_path, icon(1, INK), icon(2), icon(3))
    dataset.images.filter(source_name="1.png").update(included=False)
    dataset.images.filter(source_name="2.png").update(background="#102030")
    found = backgrounds.ground(dataset)
    assert found.colour == "#ffffff"
    assert [each.own for each in found.own] == ["#102030"]


def test_pictures_from_before_there_was_a_choice_are_looked_at_once(dataset: Dataset, tmp_path: Path) -> None:
    drop(dataset, tmp_path, icon(1), icon(2))
    dataset.images.update(colours=None)
    assert backgrounds.ground(dataset).colour == "#000000"
    assert not dataset.images.filter(colours__isnull=True).exists()


def job(dataset: Dataset, user: User) -> TrainingJob:
    snapshot, _new = snapshots.freeze(dataset, user)
    return TrainingJob(snapshot=snapshot, config={"resolution": 256}, trigger_words="iconstyle")


def test_export_both_trainers_and_captioners_see_light_icons(dataset: Dataset, tmp_path: Path, ada: User) -> None:
    drop(dataset, tmp_path, *(icon(number) for number in range(3)))
    found = exported(dataset)
    frozen = training_pictures(job(dataset, ada))
    found += [kohya.cut(picture) for picture in frozen]
    found += [encoded(item) for item in items(frozen, mixed=True, stand_in="")[0]]
    assert len(found) == 9
    assert min(contrast(data) for data in found) > 40
    for image in dataset.images.all():
        with Image.open(BytesIO(answers._small(image))) as small:
            assert np.asarray(small.convert("L"), float).std() > 40


def test_the_ground_is_frozen_and_part_of_the_hash(dataset: Dataset, tmp_path: Path, ada: User) -> None:
    drop(dataset, tmp_path, icon(1), icon(2))
    first = snapshots.freeze(dataset, ada)[0]
    assert snapshots.read(first).settings["ground"] == "#000000"
    dataset.ground = "#123456"
    dataset.save()
    second, is_new = snapshots.freeze(dataset, ada)
    assert is_new and second.sha256 != first.sha256
    before, after = snapshots.read(first), snapshots.read(second)
    assert snapshots.compare(before, after).settings == (("ground", "#000000", "#123456"),)
    assert exported(dataset, before) != exported(dataset, after)
    snapshots.restore(first, ada)
    dataset.refresh_from_db()
    assert snapshots.present(dataset).sha256 == first.sha256


def test_versions_from_before_there_was_a_choice_stay_on_white(dataset: Dataset, tmp_path: Path, ada: User) -> None:
    drop(dataset, tmp_path, icon(1), icon(2))
    dataset.ground = grounds.WHITE
    old = snapshots.freeze(dataset, ada)[0]
    assert '"ground"' not in old.manifest, "that is how they look"
    dataset.ground = ""
    assert snapshots.read(old).sha256 == old.sha256
    assert all(contrast(data) < 10 for data in exported(dataset, snapshots.read(old)))
    training = TrainingJob(snapshot=old, config={"resolution": 256}, trigger_words="")
    assert {picture.background for picture in training_pictures(training)} == {grounds.WHITE}
    assert snapshots.freeze(dataset, ada)[1], "what it lies on now is another version"


def test_a_version_without_transparent_pictures_has_the_hash_that_it_always_had(
    dataset: Dataset, tmp_path: Path, ada: User
) -> None:
    drop(dataset, tmp_path, scene())
    version = snapshots.freeze(dataset, ada)[0]
    assert '"ground"' not in version.manifest
    Dataset.objects.update(ground="#ff0000")
    snapshots.restore(version, ada)
    dataset.refresh_from_db()
    assert dataset.ground == "", "nothing lay on a ground, so what comes next is proposed one"


def test_small_pictures_are_shown_on_what_they_can_be_seen_on(dataset: Dataset, tmp_path: Path) -> None:
    drop(dataset, tmp_path, icon(1), icon(2, INK), scene())
    assert [image.behind for image in dataset.images.all()] == ["clear dark", "clear light", ""]
    assert DatasetImage(has_alpha=True).behind == "clear"


def test_light_icons_do_not_all_have_the_same_perceptual_hash(dataset: Dataset, tmp_path: Path) -> None:
    drop(dataset, tmp_path, *(icon(number) for number in range(8)))
    assert len(set(dataset.images.values_list("perceptual_hash", flat=True))) == 8
