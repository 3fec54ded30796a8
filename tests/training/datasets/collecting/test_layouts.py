"""A dataset leaves as trainers read it, and comes back the same."""

from __future__ import annotations

import io
import json
import struct
import zlib
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from PIL import Image, ImageCms

from tests.training.datasets.collecting.conftest import Files, packed, picture
from training.datasets.collecting import intake, sources
from training.datasets.crops.plan import frame
from training.datasets.models import Dataset, DatasetImage, DatasetJob
from training.datasets.versions import layouts, snapshots

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(people: object) -> User:
    """Whom commands act for."""
    return User.objects.create_superuser("olga", password="drawing-room-7")


def filled(dataset: Dataset, folder: Path, files: Files) -> Dataset:
    for name, data in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    intake.import_source(sources.folder(folder), dataset, dataset.owner, intake.Tally(), lambda done: None)
    return dataset


def exported(dataset: Dataset, layout: str = layouts.KOHYA) -> Files:
    return dict(layouts.files(dataset, snapshots.present(dataset), layout))


def test_kohyas_layout_has_the_files_as_they_were_sent_with_the_captions_that_the_template_makes(
    dataset: Dataset, tmp_path: Path
) -> None:
    files = {"Red hills.png": picture(1), "b.jpg": picture(2, kind="JPEG"), "c.webp": picture(3, kind="WEBP")}
    filled(dataset, tmp_path, {**files, "b.txt": b"two hills\nand a cottage"})
    dataset.images.filter(source_name="c.webp").update(included=False)
    folder = "10_gouachefield painting"
    assert exported(dataset) == {
        f"{folder}/0001-b.jpg": files["b.jpg"],
        f"{folder}/0001-b.txt": b"gouachefield painting, two hills and a cottage",
        f"{folder}/0002-red-hills.png": files["Red hills.png"],
        f"{folder}/0002-red-hills.txt": b"gouachefield painting",
    }


def test_a_table_has_the_caption_with_and_without_the_template(dataset: Dataset, tmp_path: Path) -> None:
    filled(dataset, tmp_path, {"1.png": picture(1), "1.txt": "hügel 木".encode()})
    found = exported(dataset, layouts.TABLE)
    assert json.loads(found["metadata.jsonl"]) == {
        "file_name": "images/0001-1.png",
        "text": "gouachefield painting, hügel 木",
        "caption": "hügel 木",
    }
    assert set(found) == {"images/0001-1.png", "metadata.jsonl"}


def test_formats_that_trainers_pass_over_become_png(dataset: Dataset, tmp_path: Path) -> None:
    kinds = {"a.avif": "AVIF", "b.gif": "GIF", "c.tif": "TIFF", "d.bmp": "BMP"}
    filled(dataset, tmp_path, {name: picture(at, kind=kind) for at, (name, kind) in enumerate(kinds.items())})
    pictures = {Path(name).name: data for name, data in exported(dataset).items() if not name.endswith(".txt")}
    assert list(pictures) == ["0001-a.png", "0002-b.png", "0003-c.png", "0004-d.bmp"]
    for data in pictures.values():
        assert Image.open(io.BytesIO(data)).size == (48, 32)


def test_a_webp_with_a_profile_leaves_for_kohya_as_png_because_its_size_is_misread_there(
    dataset: Dataset, tmp_path: Path
) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    extended, plain = picture(1, kind="WEBP", icc_profile=profile), picture(2, kind="WEBP")
    assert extended[12:16] == b"VP8X"
    filled(dataset, tmp_path, {"a.webp": extended, "b.webp": plain})
    found = {Path(name).name: data for name, data in exported(dataset).items() if not name.endswith(".txt")}
    assert list(found) == ["0001-a.png", "0002-b.webp"]
    assert Image.open(io.BytesIO(found["0001-a.png"])).size == (48, 32)
    assert found["0002-b.webp"] == plain
    assert exported(dataset, layouts.TABLE)["images/0001-a.webp"] == extended


@pytest.mark.parametrize("layout", layouts.LAYOUTS)
def test_a_png_whose_packed_text_stops_other_programs_leaves_without_it(
    dataset: Dataset, tmp_path: Path, layout: str
) -> None:
    """sd-scripts opens pictures with Pillow, which refuses one for a packed text of a megabyte."""
    plain = picture(1)
    body = b"workflow\0\0" + zlib.compress(b"x" * 2**20)
    text = struct.pack(">I", len(body)) + b"zTXt" + body + struct.pack(">I", zlib.crc32(b"zTXt" + body))
    at = plain.index(b"IDAT") - 4
    filled(dataset, tmp_path, {"a.png": plain[:at] + text + plain[at:], "b.png": picture(2)})
    first, second = (data for name, data in exported(dataset, layout).items() if name.endswith(".png"))
    assert second == picture(2)
    assert b"zTXt" not in first
    assert Image.open(io.BytesIO(first)).tobytes() == Image.open(io.BytesIO(plain)).tobytes()


def test_transparent_parts_are_laid_on_the_chosen_colour(dataset: Dataset, tmp_path: Path) -> None:
    clear = io.BytesIO()
    Image.new("RGBA", (32, 32), (200, 0, 0, 0)).save(clear, "PNG")
    filled(dataset, tmp_path, {"1.png": clear.getvalue()})

    def corner() -> object:
        (data,) = (data for name, data in exported(dataset).items() if name.endswith(".png"))
        flat = Image.open(io.BytesIO(data))
        assert flat.mode == "RGB"
        return flat.getpixel((3, 3))

    assert corner() == (255, 255, 255)
    dataset.images.update(background="#102030")
    assert corner() == (16, 32, 48)


def test_a_moved_crop_is_cut_here_so_that_no_trainer_cuts_it_elsewhere(dataset: Dataset, tmp_path: Path) -> None:
    wide = Image.linear_gradient("L").rotate(90).resize((640, 300)).convert("RGB")
    file = io.BytesIO()
    wide.save(file, "PNG")
    filled(dataset, tmp_path, {"1.png": file.getvalue()})
    Dataset.objects.update(resolution=256)
    dataset.refresh_from_db()
    assert exported(dataset)["10_gouachefield painting/0001-1.png"] == file.getvalue()
    ends = []
    for place in (0.0, 1.0):
        dataset.images.update(crop_x=place, crop_y=place)
        cut = Image.open(io.BytesIO(exported(dataset)["10_gouachefield painting/0001-1.png"]))
        assert cut.size == frame((640, 300), 256).bucket
        assert frame(cut.size, 256).resized == cut.size
        ends.append((cut.getpixel((0, 5)), cut.getpixel((cut.width - 1, 5))))
    assert ends[0] != ends[1]


def test_a_long_trigger_in_any_script_becomes_a_folder_that_can_be_written(dataset: Dataset, tmp_path: Path) -> None:
    filled(dataset, tmp_path, {"1.png": picture(1)})
    Dataset.objects.update(trigger_words="水" * 200)
    dataset.refresh_from_db()
    assert layouts.write(exported(dataset).items(), tmp_path / "out") == 2
    (folder,) = (tmp_path / "out").iterdir()
    assert folder.name == f"10_{'水' * 79}"


def test_a_frozen_version_leaves_as_it_was(dataset: Dataset, tmp_path: Path, ada: User) -> None:
    filled(dataset, tmp_path, {"1.png": picture(1), "1.txt": b"before"})
    snapshot, _new = snapshots.freeze(dataset, ada)
    dataset.images.update(caption="after")
    dataset.images.all().delete()
    Dataset.objects.update(trigger_words="other", template="{caption} by {trigger}")
    found = dict(layouts.files(dataset, snapshots.read(snapshot)))
    assert found["10_gouachefield painting/0001-1.txt"] == b"gouachefield painting, before"


def test_names_that_no_file_system_takes_become_names_that_all_take(dataset: Dataset, tmp_path: Path) -> None:
    Dataset.objects.update(trigger_words='a/b:c*"d"?.')
    dataset.refresh_from_db()
    files = {
        "CON ...[x]{y}'.png": picture(1),
        "红 山.png": picture(2),
        "!!!.png": picture(3),
        f"{'x' * 90}.png": picture(4),
    }
    filled(dataset, tmp_path, files)
    names = [name for name in exported(dataset) if name.endswith(".png")]
    assert {name.split("/")[0] for name in names} == {"10_a b c d"}
    assert sorted(Path(name).name for name in names) == [
        "0001-picture.png", "0002-con-xy.png", f"0003-{'x' * 60}.png", "0004-红-山.png",
    ]  # fmt: skip


@pytest.mark.parametrize("layout", layouts.LAYOUTS)
def test_out_and_in_again_is_the_same(dataset: Dataset, tmp_path: Path, owner: User, layout: str) -> None:
    files = {f"{at}.{kind.lower()}": picture(at, kind=kind) for at, kind in enumerate(["PNG", "JPEG", "WEBP", "BMP"])}
    words = {"0.txt": b"red hills, dusk", "1.txt": b"gouachefield, not quite the trigger", "3.txt": "木, 山".encode()}
    filled(dataset, tmp_path / "first", {**files, **words})
    call_command("export_dataset", dataset.slug, "--output", str(tmp_path / "out"), "--layout", layout)
    call_command("import_dataset", str(tmp_path / "out"), "--name", "Again")
    again = Dataset.objects.get(name="Again")
    fields = ("sha256", "caption", "width", "height", "format", "perceptual_hash")
    assert list(again.images.values_list(*fields)) == list(dataset.images.values_list(*fields))
    if layout == layouts.KOHYA:
        assert (again.trigger_words, again.repeats) == (dataset.trigger_words, dataset.repeats)
        assert list(exported(again)) == list(exported(dataset))
    call_command("import_dataset", str(tmp_path / "out"), "--name", "Again")
    assert again.images.count() == 4
    assert DatasetJob.objects.filter(dataset=again, work=DatasetJob.Work.CHECK).count() == 1


def test_a_zip_is_imported_by_command_and_what_is_refused_is_one_line_each(
    owner: User, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "set.zip"
    target.write_bytes(
        packed({"3_ink/1.png": picture(1), "3_ink/1.txt": b"ink, hills", "bad.png": b"x", "a.exe": b"x"})
    )
    with pytest.raises(SystemExit) as end:
        call_command("import_dataset", str(target), "--name", "Ink")
    assert end.value.code == 1
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "ink: 1 added, 0 known, 1 captions",
        "Read from the folder name “3_ink”: 3 repeats, trigger words “ink”.",
    ]
    lines = err.strip().splitlines()
    assert [line.split(": ")[0] for line in lines] == ["a.exe", "bad.png"]
    image = DatasetImage.objects.get()
    assert (image.caption, image.added_by, image.dataset.trigger_words, image.dataset.repeats) == (
        "hills",
        owner,
        "ink",
        3,
    )


def test_links_in_a_folder_are_not_followed(owner: User, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secret, place = tmp_path / "secret.png", tmp_path / "set"
    secret.write_bytes(picture(1))
    place.mkdir()
    (place / "link.png").symlink_to(secret)
    (place / "more").symlink_to(tmp_path)
    with pytest.raises(SystemExit):
        call_command("import_dataset", str(place), "--name", "Links")
    assert "link.png: Links are not followed." in capsys.readouterr().err
    assert not DatasetImage.objects.exists()


def test_commands_refuse_with_one_sentence(owner: User, dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "no.zip").write_bytes(b"not a zip")
    for path, words in ((tmp_path / "nothing", "No such file"), (tmp_path / "no.zip", "no zip file")):
        with pytest.raises(CommandError, match=words):
            call_command("import_dataset", str(path), "--name", "X")
    assert not Dataset.objects.filter(name="X").exists()
    with pytest.raises(CommandError, match="no dataset nobody"):
        call_command("export_dataset", "nobody", "--output", str(tmp_path / "out"))
    with pytest.raises(CommandError, match="is not empty"):
        call_command("export_dataset", dataset.slug, "--output", str(tmp_path))
    with pytest.raises(CommandError, match="no version 3"):
        call_command("export_dataset", dataset.slug, "--output", str(tmp_path / "out"), "--frozen", "3")
    with pytest.raises(CommandError, match="no account called zoe"):
        call_command("import_dataset", str(tmp_path), "--name", "X", "--user", "zoe")


def lose(image: DatasetImage) -> None:
    image.file.storage.delete(str(image.file.name))


def test_a_missing_file_is_named_before_a_byte_of_the_zip_leaves(
    dataset: Dataset, tmp_path: Path, owner: User, client: Client
) -> None:
    filled(dataset, tmp_path, {"red.png": picture(1), "blue.png": picture(2), "left out.png": picture(3)})
    lose(dataset.images.get(source_name="red.png"))
    lose(dataset.images.get(source_name="left out.png"))
    dataset.images.filter(source_name="left out.png").update(included=False)
    client.force_login(owner)
    for layout in layouts.LAYOUTS:
        response = client.get(reverse("training:export", args=[dataset.slug]), {"layout": layout})
        assert response.status_code == 409
        page = response.content.decode()
        assert "1 file is missing in the studio: red.png (uploads/datasets/" in page
        assert "left out" not in page
        assert f'href="{dataset.get_absolute_url()}"' in page
    dataset.images.filter(source_name="red.png").update(included=False)
    response = client.get(reverse("training:export", args=[dataset.slug]))
    assert response.status_code == 200


def test_the_command_names_the_missing_file_and_writes_nothing(dataset: Dataset, tmp_path: Path) -> None:
    filled(dataset, tmp_path / "in", {"red.png": picture(1), "blue.png": picture(2)})
    lose(dataset.images.get(source_name="red.png"))
    with pytest.raises(CommandError, match=r"red\.png \(uploads/.* Nothing was written") as refusal:
        call_command("export_dataset", dataset.slug, "--output", str(tmp_path / "out"))
    assert str(tmp_path) not in str(refusal.value)
    assert not (tmp_path / "out").exists()


def test_a_target_that_takes_no_file_is_named_itself(dataset: Dataset, tmp_path: Path) -> None:
    filled(dataset, tmp_path / "in", {"red.png": picture(1)})
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(CommandError, match=f"{tmp_path}/file/out.*Not a directory"):
        call_command("export_dataset", dataset.slug, "--output", str(tmp_path / "file" / "out"))


def test_an_import_that_finds_no_room_names_the_media_folder_and_not_the_source(
    owner: User, tmp_path: Path, media: Path
) -> None:
    (tmp_path / "pics").mkdir()
    (tmp_path / "pics" / "a.png").write_bytes(picture(1))
    media.mkdir(exist_ok=True)
    (media / "incoming").write_text("no folder")
    with pytest.raises(CommandError, match=f"^{media}") as refusal:
        call_command("import_dataset", str(tmp_path / "pics"), "--name", "X")
    assert "pics" not in str(refusal.value).replace(str(media), "")
    with pytest.raises(CommandError, match=r"none\.zip: No such file"):
        call_command("import_dataset", str(tmp_path / "none.zip"), "--name", "X")
