"""What sd-scripts is told, without sd-scripts. Whether it accepts that is in test_real.py."""

from __future__ import annotations

import tomllib
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from stylestudio.media.storage import StoreUnreachable
from tests.training.trainers.kohya.conftest import SETTINGS, Picture, picture
from training.trainers.kohya import command, config, pictures, presets


def plan(**more: Any) -> config.Plan:
    values = {**SETTINGS, **more.pop("settings", {})}
    facts = {
        "base": "/models/base.safetensors", "seed": 7, "trigger": "gouachefield", "pictures": "dataset/10_gouachefield",
        "repeats": 10, **more,
    }  # fmt: skip
    return config.Plan(settings=values, **facts)


def told(**more: Any) -> dict[str, Any]:
    return config.training_settings(plan(**more))


def test_it_honours_the_settings_that_are_shown_for_it() -> None:
    assert set(presets.SETTINGS) <= config.SETTINGS


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from("abc"), st.text() | st.integers() | st.booleans() | st.lists(st.text())))
def test_any_text_survives_toml(values: dict[str, Any]) -> None:
    assert tomllib.loads(config.toml({**values, "t": {"u": [{"v": values}]}})) == {
        **values,
        "t": {"u": [{"v": values}]},
    }


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_number_survives_toml(value: float) -> None:
    assert tomllib.loads(config.toml({"value": value}))["value"] == value


def test_buckets_are_on_and_nothing_is_enlarged() -> None:
    (dataset,) = config.dataset_settings(plan(settings={"resolution": 1024}))["datasets"]
    assert dataset["enable_bucket"]
    assert dataset["bucket_no_upscale"]
    assert (dataset["min_bucket_reso"], dataset["max_bucket_reso"], dataset["bucket_reso_steps"]) == (512, 2048, 64)
    assert dataset["subsets"][0]["num_repeats"] == 10


def test_captions_are_dropped_only_where_they_are_not_encoded_once() -> None:
    with_dropout = plan(settings={"caption_dropout": 0.05})
    assert config.dataset_settings(with_dropout)["datasets"][0]["subsets"][0]["caption_dropout_rate"] == 0.05
    assert "cache_text_encoder_outputs" not in config.training_settings(with_dropout)
    without = plan(settings={"caption_dropout": 0.0})
    assert "caption_dropout_rate" not in config.dataset_settings(without)["datasets"][0]["subsets"][0]
    assert config.training_settings(without)["cache_text_encoder_outputs"] is True


def test_only_the_unet_learns_and_fp16_keeps_the_vae_exact() -> None:
    assert told()["network_train_unet_only"] is True
    assert "no_half_vae" not in told()
    assert told(settings={"dtype": "fp16"})["no_half_vae"] is True
    assert told(settings={"dtype": "fp32"})["mixed_precision"] == "no"


def test_what_is_off_is_left_out() -> None:
    off = told(settings={"noise_offset": 0.0, "min_snr_gamma": 0.0})
    assert "noise_offset" not in off
    assert "min_snr_gamma" not in off


@pytest.mark.parametrize(("steps", "count", "every"), [(1500, 10, 150), (600, 4, 150), (10, 50, 1), (7, 3, 3)])
def test_checkpoints_are_spread_evenly(steps: int, count: int, every: int) -> None:
    assert told(settings={"steps": steps, "save_count": count})["save_every_n_steps"] == every


def test_a_resumed_training_does_what_is_left_on_the_schedule_of_the_whole() -> None:
    rest = told(first_step=8, state="/data/state", settings={"scheduler": "cosine"})
    assert rest["max_train_steps"] == 4
    assert (rest["resume"], rest["initial_step"]) == ("/data/state", 0)
    assert rest["lr_scheduler_args"] == ["num_warmup_steps=3", "num_training_steps=12"]


def test_from_weights_alone_the_schedule_is_that_of_the_rest() -> None:
    rest = told(first_step=10, weights="/data/start.safetensors", settings={"scheduler": "cosine", "warmup": 0.5})
    assert rest["network_weights"] == "/data/start.safetensors"
    assert "resume" not in rest
    assert (rest["lr_scheduler"], rest["lr_warmup_steps"], rest["max_train_steps"]) == ("cosine", 2, 2)


@pytest.mark.parametrize(
    ("trigger", "name"),
    [
        ("gouachefield painting", "dataset/10_gouachefield painting"),
        ("../../etc/passwd", "dataset/10_etc passwd"),
        ("水彩 风格", "dataset/10_水彩 风格"),
        ("", "dataset/10_style"),
    ],
)
def test_the_folder_is_called_as_other_programs_want_it(trigger: str, name: str) -> None:
    assert pictures.folder_name(10, trigger) == name


def test_pictures_are_cut_flattened_and_captioned(tmp_path: Path) -> None:
    class Clear(Picture):
        def open(self) -> bytes:
            image = Image.new("RGBA", (128, 64), (0, 0, 0, 0))
            image.paste((250, 0, 0, 255), (96, 0, 128, 64))
            file = BytesIO()
            image.save(file, "PNG")
            return file.getvalue()

    one = Clear("0001", "", "red\nhills  of\tclay", 128, 64, (64, 64), (64.0, 0.0, 128.0, 64.0), "#0000ff")
    pictures.lay_out(tmp_path / "10_x", [one, picture(2, "")], lambda done: None)
    with Image.open(tmp_path / "10_x" / "0001.png") as made:
        assert (made.size, made.mode) == ((64, 64), "RGB")
        assert made.getpixel((2, 30)) == (0, 0, 255), "transparent parts lie on the background"
        assert made.getpixel((62, 30)) == (250, 0, 0)
    assert (tmp_path / "10_x" / "0001.txt").read_text() == "red hills of clay\n"
    assert (tmp_path / "10_x" / "0002.txt").read_text() == "\n", "an empty file would be refused"


def test_what_is_laid_out_is_not_made_again(tmp_path: Path) -> None:
    pictures.lay_out(tmp_path, [picture(1)], lambda done: None)
    before = (tmp_path / "0001.png").stat().st_mtime_ns
    pictures.lay_out(tmp_path, [picture(1, "changed")], lambda done: None)
    assert (tmp_path / "0001.png").stat().st_mtime_ns == before
    assert (tmp_path / "0001.txt").read_text() == "changed\n"


def test_an_export_holds_everything_and_no_path_of_this_machine(tmp_path: Path) -> None:
    files = dict(command.exported_files(plan(base="/secret/models/base.safetensors"), [picture(1), picture(2)]))
    assert set(files) == {
        "READ ME.txt", "config.toml", "dataset.toml", "train.sh", "dataset/10_gouachefield/0001.png",
        "dataset/10_gouachefield/0001.txt", "dataset/10_gouachefield/0002.png", "dataset/10_gouachefield/0002.txt",
    }  # fmt: skip
    texts = [data.decode() for name, data in files.items() if not name.endswith(".png")]
    assert not any("secret" in text for text in texts)
    script = next(text for text in texts if text.startswith("#!/bin/sh"))
    assert "--pretrained_model_name_or_path" in script


@pytest.mark.parametrize("data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_a_broken_picture_is_named_and_refused(data: bytes, tmp_path: Path) -> None:
    class Broken(Picture):
        def open(self) -> bytes:
            return data

    one = Broken("0001", "", "", 128, 64, (64, 64), (64.0, 0.0, 128.0, 64.0), "")
    with pytest.raises(OSError, match="0001"):
        pictures.lay_out(tmp_path, [one], lambda done: None)
    assert not list(tmp_path.glob("*.png"))
    files = dict(command.exported_files(plan(), [one, picture(2)]))
    assert [name for name in files if name.endswith((".png", "1.txt"))] == ["dataset/10_gouachefield/0002.png"]
    assert files["READ ME.txt"].decode().startswith("Pictures that could not be read are not here:\n\n0001: ")


def test_a_bucket_that_does_not_answer_ends_an_export_and_leaves_no_picture_out() -> None:
    class Away(Picture):
        def open(self) -> bytes:
            raise StoreUnreachable("The bucket b could not be used")

    one = Away("0001", "", "", 128, 64, (64, 64), (64.0, 0.0, 128.0, 64.0), "")
    with pytest.raises(StoreUnreachable):
        dict(command.exported_files(plan(), [one, picture(2)]))
