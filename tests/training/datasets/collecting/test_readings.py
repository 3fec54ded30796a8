"""What was read from names and encodings is said, can be changed, and nonsense becomes neither caption nor trigger."""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from struct import pack

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from tests.training.datasets.collecting.conftest import Files, packed, picture
from training.datasets.collecting import archives, folder_names, intake, reading_words, readings, sources
from training.datasets.collecting.folder_names import Why
from training.datasets.models import CaptionOperation, Dataset, WaitingCaption
from training.datasets.reading_models import ForeignText, Reading

pytestmark = pytest.mark.django_db

RUSSIAN = ["осенний лес у реки", "старый замок на холме", "ночной город под дождём"]
CHINESE = ["雾中的石桥和灯笼", "穿蓝色长裙的少女", "秋天的竹林小路"]


@pytest.fixture
def fresh(people: Callable[..., User]) -> Dataset:
    """Empty, without trigger words."""
    return Dataset.objects.create(name="Fresh", owner=people("eve"))


def with_captions(texts: list[str], encoding: str) -> Files:
    files: Files = {}
    for number, text in enumerate(texts):
        files[f"{number}.png"] = picture(number)
        files[f"{number}.txt"] = text.encode(encoding)
    return files


def brought(dataset: Dataset, files: Files, data: bytes = b"") -> intake.Tally:
    tally = intake.Tally()
    with archives.opened(io.BytesIO(data or packed(files))) as contents:
        intake.import_source(contents, dataset, dataset.owner, tally, lambda done: None)
    dataset.refresh_from_db()
    return tally


def foreign_zip(files: Files, encoding: str) -> bytes:
    """A zip as programs of other days write it: names as bytes, and no word on what they are."""
    names = {name.encode(encoding): data for name, data in files.items()}
    plain = {f"{number:0{len(raw)}}": raw for number, raw in enumerate(names)}
    data = packed({stand_in: names[raw] for stand_in, raw in plain.items()})
    for stand_in, raw in plain.items():
        data = data.replace(stand_in.encode(), raw)
    return data


def captions(dataset: Dataset) -> list[str]:
    return list(dataset.images.order_by("position").values_list("caption", flat=True))


def names(dataset: Dataset) -> list[str]:
    return list(dataset.images.order_by("position").values_list("source_name", flat=True))


@pytest.fixture
def owner(people: Callable[..., User]) -> User:
    """Whom commands act for."""
    return User.objects.create_superuser("olga", password="drawing-room-7")


# --- Captions


def test_a_set_in_an_old_encoding_is_read_said_changed_and_brought_back(fresh: Dataset, client: Client) -> None:
    assert brought(fresh, with_captions(RUSSIAN, "koi8_r")).captions == 3
    assert captions(fresh) == RUSSIAN
    [reading] = readings.open_readings(fresh)
    assert reading_words.headline(reading) == "3 caption files are not in UTF-8. They were read as KOI8-R (Russian)."
    client.force_login(fresh.owner)
    page = client.get(fresh.get_absolute_url()).content.decode()
    assert "KOI8-R" in page and RUSSIAN[0] in page
    kept = fresh.images.first()
    assert kept
    fresh.images.filter(pk=kept.pk).update(caption="written meanwhile")
    client.post(f"/datasets/readings/{reading.pk}/choose/", {"choice": "cp1251"})
    assert captions(fresh)[0] == "written meanwhile"
    assert captions(fresh)[1:] == [text.encode("koi8_r").decode("cp1251") for text in RUSSIAN[1:]]
    assert CaptionOperation.objects.get().parameters == {"encoding": "cp1251"}
    client.post(f"/datasets/readings/{reading.pk}/back/koi8_r/")
    assert captions(fresh) == ["written meanwhile", *RUSSIAN[1:]]
    client.post(f"/datasets/readings/{reading.pk}/settle/")
    assert readings.open_readings(fresh) == []


def test_what_nobody_can_be_sure_of_is_asked_and_taken_once_it_is_answered(fresh: Dataset, client: Client) -> None:
    tally = brought(fresh, {"1.png": picture(1), "1.txt": "林".encode("gbk"), "2.txt": "火".encode("gbk")})
    assert (tally.captions, tally.unread, captions(fresh)) == (0, 2, [""])
    [reading] = readings.open_readings(fresh)
    assert reading.is_asked
    client.force_login(fresh.owner)
    assert "could be read in several ways" in client.get(fresh.get_absolute_url()).content.decode()
    client.post(f"/datasets/readings/{reading.pk}/choose/", {"choice": "gb18030"})
    assert captions(fresh) == ["林"]
    assert WaitingCaption.objects.get().text == "火"
    client.post(f"/datasets/readings/{reading.pk}/back/unread/")
    assert captions(fresh) == [""] and not WaitingCaption.objects.exists()


def test_a_set_that_comes_in_pieces_is_guessed_as_a_whole(fresh: Dataset) -> None:
    brought(fresh, {"9.png": picture(9), "9.txt": "林".encode("gbk")})
    assert captions(fresh) == [""]
    brought(fresh, with_captions(CHINESE, "gbk"))
    assert captions(fresh) == ["林", *CHINESE]
    assert Reading.objects.count() == 1 and ForeignText.objects.count() == 4


def test_what_is_utf8_by_chance_is_asked_about_with_the_others(fresh: Dataset) -> None:
    """In GBK this is mountain and water; as UTF-8 it would be two letters of phonetics."""
    texts = ["狐狸", "山水"]
    tally = brought(fresh, with_captions(texts, "gbk"))
    assert (tally.captions, tally.unread, captions(fresh)) == (0, 2, ["", ""])
    [reading] = readings.open_readings(fresh)
    readings.choose(reading, "gb18030", fresh.owner)
    assert captions(fresh) == texts


def test_utf8_is_never_asked_about_even_beside_other_encodings(fresh: Dataset) -> None:
    brought(fresh, {"0.png": picture(0), "0.txt": "水墨".encode()})
    assert readings.open_readings(fresh) == [] and captions(fresh) == ["水墨"]
    tally = brought(fresh, {"1.txt": "水墨风格的山水和小屋".encode() + b"\xff"})
    assert tally.refused == [["1.txt", "This text is damaged: it is UTF-8 with wrong bytes in it."]]


def test_a_few_bytes_that_happen_to_be_utf8_are_read_like_the_rest_of_their_set(fresh: Dataset) -> None:
    """In GBK these are mountain and cat; as UTF-8 they would be a letter of phonetics and an è."""
    brought(fresh, with_captions([*CHINESE, "山", "猫", "x"], "gbk") | {"5.txt": "café, été".encode()})
    assert captions(fresh) == [*CHINESE, "山", "猫", "café, été"]
    assert ForeignText.objects.count() == 5


@pytest.mark.parametrize("before", [CHINESE, ["狐狸"]], ids=["sure", "asked"])
def test_a_text_that_is_utf8_by_chance_is_of_the_set_that_came_before(fresh: Dataset, before: list[str]) -> None:
    brought(fresh, with_captions(before, "gbk"))
    brought(fresh, {"9.png": picture(9), "9.txt": "山水".encode("gbk")})
    [reading] = readings.open_readings(fresh)
    if reading.is_asked:
        assert captions(fresh) == ["", ""]
        readings.choose(reading, "gb18030", fresh.owner)
    assert captions(fresh) == [*before, "山水"]
    assert readings.samples(reading)[1:], "the other encodings are still proposed"


def test_a_set_in_several_encodings_is_read_text_by_text_where_each_is_sure(fresh: Dataset) -> None:
    texts = [
        ("осенний лес у реки под дождём", "koi8_r"),
        ("雾中的石桥和灯笼，秋天的竹林", "gbk"),
        ("森の中の赤い家と猫", "cp932"),
    ]
    files: Files = {}
    for number, (text, encoding) in enumerate(texts):
        files |= {f"{number}.png": picture(number), f"{number}.txt": text.encode(encoding)}
    assert brought(fresh, files).captions == 3
    assert captions(fresh) == [text for text, _encoding in texts]
    assert {reading.choice for reading in readings.open_readings(fresh)} == {"koi8_r", "gb18030", "cp932"}


def test_a_table_in_an_old_encoding_is_read_too(fresh: Dataset) -> None:
    rows = "".join(f'{{"file_name": "{n}.png", "text": "{text}"}}\n' for n, text in enumerate(RUSSIAN))
    brought(fresh, {**{f"{n}.png": picture(n) for n in range(3)}, "metadata.jsonl": rows.encode("cp1251")})
    assert captions(fresh) == RUSSIAN


# --- Names in zip files


def test_names_in_an_old_encoding_are_read_and_trigger_words_with_them(fresh: Dataset) -> None:
    files = {f"8_水墨 山水/{name}.png": picture(n) for n, name in enumerate(["石桥", "竹林", "灯笼"])}
    files |= {"猫.png": picture(7)}
    brought(fresh, {}, foreign_zip(files, "gbk"))
    assert (fresh.trigger_words, fresh.repeats) == ("水墨 山水", 8)
    assert sorted(names(fresh)) == sorted(files)
    said = [reading_words.headline(reading) for reading in readings.open_readings(fresh)]
    assert said == [
        "4 file names are not in Unicode. They were read as GBK (simplified Chinese).",
        "Read from the folder name “8_水墨 山水”: 8 repeats, trigger words “水墨 山水”.",
    ]


def test_names_that_nobody_can_read_are_numbers_until_somebody_says_what_they_are(fresh: Dataset) -> None:
    files = {"3_林/1.png": picture(1), "3_林/1.txt": b"a fox"}
    brought(fresh, {}, foreign_zip(files, "gbk"))
    assert names(fresh) == ["\N{REPLACEMENT CHARACTER}1/1.png"] and captions(fresh) == ["a fox"]
    assert fresh.trigger_words == ""
    [reading] = readings.open_readings(fresh)
    readings.choose(reading, "gb18030", fresh.owner)
    fresh.refresh_from_db()
    assert names(fresh) == ["3_林/1.png"] and fresh.trigger_words == "林"
    readings.choose(Reading.objects.get(pk=reading.pk), "", fresh.owner)
    fresh.refresh_from_db()
    assert names(fresh) == ["\N{REPLACEMENT CHARACTER}1/1.png"] and fresh.trigger_words == ""


def test_the_name_in_unicode_that_some_programs_add_counts() -> None:
    file = io.BytesIO()
    name, raw = "水墨.png", b"water.png"
    info = zipfile.ZipInfo(raw.decode())
    info.extra = pack("<HHBL", 0x7075, 5 + len(name.encode()), 1, zlib.crc32(raw)) + name.encode()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(info, picture())
    with archives.opened(file) as contents:
        assert [member.name for member in contents.pictures] == [name]


# --- Folders


@pytest.mark.parametrize(
    ("folders", "why", "choice"),
    [
        (["12_inkwash"], Why.KOHYA, 0),
        (["12_inkwash", "4_Inkwash"], Why.KOHYA, 0),
        (["8_sea girl", "2_sea land"], Why.SEVERAL, None),
        (["1_Props", "2_Weapons", "3_Vehicles"], Why.SEVERAL, None),
        (["01_Props", "02_Weapons"], Why.NUMBERING, None),
        (["24_12_2023"], Why.NUMBERING, None),
        (["101_FUJI"], Why.CAMERA, None),
        (["100_0712"], Why.CAMERA, None),
        (["100_OHWX"], Why.MAYBE_CAMERA, None),
    ],
)
def test_numbers_of_folders_are_repeats_or_an_order_or_a_cameras(
    folders: list[str], why: Why, choice: int | None
) -> None:
    found = folder_names.read(f"set/{folder}/{n}.png" for folder in folders for n in range(3))
    assert found is not None and (found.why, found.choice) == (why, choice)


def test_a_camera_is_known_by_the_names_of_its_pictures() -> None:
    found = folder_names.read(f"100_OHWX/DSC0{n}.JPG" for n in range(1000, 1005))
    assert found is not None and found.why == Why.CAMERA


def test_regularisation_pictures_are_left_out_and_said(fresh: Dataset) -> None:
    files = {f"t/img/9_inkwash/{n}.png": picture(n) for n in range(2)}
    files |= {f"t/regularization/1_style/{n}.png": picture(9 + n) for n in range(5)}
    files["t/regularization/1_style/0.txt"] = b"style"
    tally = brought(fresh, files)
    assert (tally.added, tally.left_out, tally.waiting) == (2, 5, 0)
    assert (fresh.trigger_words, fresh.repeats) == ("inkwash", 9)
    [reading] = readings.open_readings(fresh)
    assert "5 regularisation pictures were left out" in reading_words.headline(reading)


@pytest.mark.parametrize("folder", ["1_reg", "reg_woman", "reg_1_woman", "正則化画像"])
def test_regularisation_pictures_are_known_by_the_class_in_their_folder_too(fresh: Dataset, folder: str) -> None:
    files = {"ink/0.png": picture(0)} | {f"{folder}/{n}.png": picture(n) for n in (1, 2)}
    assert brought(fresh, files).left_out == 2
    assert (fresh.trigger_words, names(fresh)) == ("", ["ink/0.png"])


@pytest.mark.parametrize("folder", ["regular", "Regular clothes", "region_1", "registers"])
def test_other_folders_that_begin_alike_are_kept(fresh: Dataset, folder: str) -> None:
    assert brought(fresh, {"ink/0.png": picture(0), f"{folder}/1.png": picture(1)}).added == 2


def test_regularisation_pictures_alone_are_meant(fresh: Dataset) -> None:
    assert brought(fresh, {f"reg/1_style/{n}.png": picture(n) for n in range(2)}).added == 2


def test_regularisation_pictures_of_a_drop_that_come_in_a_later_request_are_left_out(fresh: Dataset) -> None:
    brought(fresh, {"t/9_inkwash/1.png": picture(1)})
    assert brought(fresh, {"t/reg/1_style/2.png": picture(2)}).left_out == 1


def test_a_large_picture_that_comes_by_itself_is_left_out_like_small_ones() -> None:
    others = ["t/9_inkwash/1.png"]
    assert folder_names.is_left_out("t/reg/1_style/2.png", others)
    assert not folder_names.is_left_out("reg/1_style/2.png", others)
    assert not folder_names.is_left_out("t/9_inkwash/2.png", others)


def test_of_several_concepts_somebody_says_which_one_counts(fresh: Dataset, client: Client) -> None:
    files = {"8_sea girl/1.png": picture(1), "2_sea land/2.png": picture(2), "2_sea land/3.png": picture(3)}
    brought(fresh, files)
    assert (fresh.trigger_words, fresh.repeats) == ("", 10)
    [reading] = readings.open_readings(fresh)
    client.force_login(fresh.owner)
    page = client.get(fresh.get_absolute_url()).content.decode()
    assert "These folders may be several concepts" in page and "8_sea girl" in page
    client.post(f"/datasets/readings/{reading.pk}/choose/", {"choice": "0"})
    fresh.refresh_from_db()
    assert (fresh.trigger_words, fresh.repeats) == ("sea land", 2)
    client.post(f"/datasets/readings/{reading.pk}/back/unread/")
    fresh.refresh_from_db()
    assert (fresh.trigger_words, fresh.repeats) == ("", 10)


def test_a_folder_that_comes_later_does_not_count_and_that_is_said(fresh: Dataset) -> None:
    brought(fresh, {"8_sea girl/1.png": picture(1)})
    brought(fresh, {"2_sea land/2.png": picture(2), "2_sea land/3.png": picture(3)})
    assert (fresh.trigger_words, fresh.repeats) == ("sea girl", 8)
    [reading] = readings.open_readings(fresh)
    assert reading_words.headline(reading) == (
        "Read from the folder name “8_sea girl”: 8 repeats, trigger words “sea girl”. "
        "Only this folder counts, and not “2_sea land”."
    )


def test_trigger_words_that_somebody_typed_stay(fresh: Dataset) -> None:
    brought(fresh, {"8_sea girl/1.png": picture(1)})
    Dataset.objects.update(trigger_words="mine")
    [reading] = readings.open_readings(fresh)
    readings.choose(reading, readings.NONE, fresh.owner)
    fresh.refresh_from_db()
    assert (fresh.trigger_words, fresh.repeats) == ("mine", 10)


def test_others_cannot_choose(fresh: Dataset, client: Client, bob: User) -> None:
    brought(fresh, {"8_sea girl/1.png": picture(1)})
    [reading] = readings.open_readings(fresh)
    client.force_login(bob)
    assert client.post(f"/datasets/readings/{reading.pk}/choose/", {"choice": "none"}).status_code == 403
    client.force_login(fresh.owner)
    assert client.post(f"/datasets/readings/{reading.pk}/choose/", {"choice": "7"}).status_code == 404


# --- Names in other letters


def test_a_caption_in_other_letters_is_paired_where_nothing_else_fits(fresh: Dataset) -> None:
    files = {
        "A/Fox.PNG": picture(1),
        "A/fox.txt": b"a fox",
        "bb.png": picture(2),
        "BB.png": picture(3),
        "bB.txt": b"which?",
    }
    tally = brought(fresh, files)
    assert dict(fresh.images.values_list("source_name", "caption")) == {
        "A/Fox.PNG": "a fox",
        "bb.png": "",
        "BB.png": "",
    }
    assert tally.waiting == 1
    brought(fresh, {"SEA.JPG": picture(4)})
    brought(fresh, {"sea.txt": b"the sea"})
    assert fresh.images.get(source_name="SEA.JPG").caption == "the sea"
    brought(fresh, {"hill.txt": b"a hill"})
    brought(fresh, {"HILL.png": picture(5)})
    assert fresh.images.get(source_name="HILL.png").caption == "a hill"


# --- The command


def imported(tmp_path: Path, files: Files, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str, str]:
    for name, data in files.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(data)
    code = 0
    try:
        call_command("import_dataset", str(tmp_path / "in"), "--name", "In", *options)
    except SystemExit as end:
        code = int(str(end.code))
    return code, *capsys.readouterr()


def test_the_command_says_what_it_read(owner: User, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = imported(tmp_path, {**with_captions(RUSSIAN, "cp1251"), "9.txt": b"later"}, capsys)
    assert (code, err) == (0, "")
    assert "1 caption fits no picture by its name" in out
    assert "3 caption files are not in UTF-8. They were read as Windows-1251 (Cyrillic)." in out
    assert f"cp1251: {RUSSIAN[0]} | {RUSSIAN[1]}" in out


def test_the_command_asks_with_its_exit_code_and_takes_an_encoding(
    owner: User, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {"1.png": picture(1), "1.txt": "林".encode("gbk")}
    code, _out, err = imported(tmp_path, files, capsys)
    assert code == 1 and "Say it with --encoding" in err and "gb18030: 林" in err
    code, _out, err = imported(tmp_path, files, capsys, "--encoding", "GBK")
    assert (code, err) == (0, "")
    assert Dataset.objects.get(name="In").images.get().caption == "林"
    with pytest.raises(CommandError, match="not one of"):
        call_command("import_dataset", str(tmp_path), "--name", "In", "--encoding", "rot13")


def test_a_folder_with_names_of_another_system_is_read(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode("山水风景".encode("gbk"))
    folder.mkdir()
    (folder / os.fsdecode("石桥和灯笼.png".encode("gbk"))).write_bytes(picture())
    assert [member.name for member in sources.folder(tmp_path).pictures] == ["山水风景/石桥和灯笼.png"]
