"""Reading what sd-scripts prints and logs. The texts are as it prints them."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.trainers.kohya.stand_in import record, write_lora
from training.trainers.kohya import checkpoint_files, output
from training.trainers.kohya.loss_log import Losses

PRINTED = (
    "  0%|          | 0/4 [00:00<?, ?it/s]\r 25%|██▌       | 1/4 [00:55<02:47, 55.91s/it]\r"
    "running training / 学習開始\n"
    "  num batches per epoch / 1epochのバッチ数: 12\n"
    "  gradient accumulation steps / 勾配を合計するステップ数 = 2\n"
    "steps:   0%|          | 0/20 [00:00<?, ?it/s]\n"
    "epoch 1/4\n\n"
    "\rsteps:   5%|▌         | 1/20 [01:55<36:25, 115.05s/it]"
    "\rsteps:   5%|▌         | 1/20 [01:55<36:25, 115.05s/it, avr_loss=1.11]"
    "\rsteps:  10%|█         | 2/20 [03:40<33:03, 110.19s/it, Average key norm=0.01, Keys Scaled=0, avr_loss=0.0123]"
    "\rsteps:  15%|█▌        | 3/20 [03:50<33:03,  1.10it/s, avr_loss=nan]\n"
    "saving checkpoint: output/style-step00000005.safetensors\n"
)
NAMES = st.sampled_from(
    ("steps: 5%|#| 1/20 [a]", "\r", "\n", "avr_loss=", "num batches per epoch: 3\n", "é", "\x1b[1m")
)


def test_bars_steps_and_lines_are_told_apart() -> None:
    events, length = output.read(PRINTED.encode())
    assert length == len(PRINTED.encode())
    assert [event for event in events if isinstance(event, output.Bar)] == [output.Bar(0, 4), output.Bar(1, 4)]
    steps = [event for event in events if isinstance(event, output.Step)]
    assert steps[:4] == [
        output.Step(0, 20, None), output.Step(1, 20, None), output.Step(1, 20, 1.11), output.Step(2, 20, 0.0123)
    ]  # fmt: skip
    assert steps[4].loss is not None
    assert math.isnan(steps[4].loss)
    assert [event.count for event in events if isinstance(event, output.Batches)] == [12]
    lines = [event.text for event in events if isinstance(event, output.Line)]
    assert lines[0] == "running training / 学習開始"
    assert lines[-1].startswith("saving checkpoint")


@given(st.lists(st.integers(0, len(PRINTED.encode())), max_size=6))
def test_it_reads_the_same_in_whatever_pieces_it_comes(cuts: list[int]) -> None:
    data = PRINTED.encode()
    whole, _length = output.read(data)
    pieces: list[output.Event] = []
    at = 0
    for cut in [*sorted(cuts), len(data)]:
        events, length = output.read(data[at:cut])
        pieces += events
        at += length
    assert repr(pieces) == repr(whole)


@given(st.lists(NAMES).map("".join).map(str.encode) | st.binary())
def test_any_bytes_are_read_to_their_last_line(data: bytes) -> None:
    _events, length = output.read(data)
    assert data[length:].count(b"\n") == 0
    assert output.read(data, final=True)[1] == len(data)


@pytest.mark.parametrize(
    ("text", "code", "kind"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB.", 1, "out_of_memory"),
        ("torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB", 1, "out_of_memory"),
        (
            "RuntimeError: [enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: can't allocate memory",
            1,
            "out_of_memory",
        ),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'dataset.toml'", 1, "no_file"),
        ("config.toml not found.", 1, "no_file"),
        ("sdxl_train_network.py: error: unrecognized arguments: --colour", 2, "bad_options"),
        ("sdxl_train_network.py: error: argument --loss_type: invalid choice: 'l3'", 2, "bad_options"),
        ("ImportError: No bitsandbytes / bitsandbytesがインストールされていないようです", 1, "no_package"),
        ("ModuleNotFoundError: No module named 'accelerate'", 1, "no_package"),
        ("RuntimeError: NaN detected in latents: dataset/10_x/0001.png", 1, "black_pictures"),
        ("OSError: [Errno 28] No space left on device", 1, "storage"),
        ("PIL.UnidentifiedImageError: cannot identify image file 'dataset/10_x/0001.png'", 1, "bad_pictures"),
        ("OSError: Can't load tokenizer for 'openai/clip-vit-large-patch14'.", 1, "no_tokenizer"),
        ("subprocess.CalledProcessError: Command '[...]' died with <Signals.SIGKILL: 9>.", 1, "killed"),
        ("RuntimeError: mat1 and mat2 shapes cannot be multiplied", 1, "trainer"),
        ("No data found. Please verify arguments (train_data_dir must be the parent of folders)", 0, "trainer"),
    ],
)
def test_the_cause_of_a_failure_is_found(text: str, code: int, kind: str) -> None:
    launcher = "subprocess.CalledProcessError: Command '['python']' returned non-zero exit status 1."
    said = [text] if kind == "killed" else ["loading model", text, *([launcher] if code else [])]
    found, detail = output.cause(said, code)
    assert found == kind
    assert detail == "It was killed from outside (status 1)." if kind == "killed" else text in detail


def test_a_trainer_that_said_nothing_has_a_reason_too() -> None:
    assert output.cause([], 127) == ("trainer", "It said nothing. (status 127)")


def events_file(folder: Path, *records: bytes) -> Path:
    file = folder / "20260101" / "network_train" / "events.out.tfevents.1.here"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"".join(records))
    return file


def test_losses_are_read_on_and_half_written_records_wait(tmp_path: Path) -> None:
    second = record(2, {"loss/average": 3.0, "loss/current": 0.5})
    file = events_file(tmp_path, record(0, {"x": 1.0}), record(1, {"loss/current": 0.25}), second[:20])
    losses = Losses(tmp_path)
    assert losses.new() == [0.25]
    with file.open("ab") as more:
        more.write(second[20:])
    assert losses.new() == [0.5]
    assert losses.new() == []
    assert losses.step == 2


@given(st.binary(max_size=300))
def test_a_damaged_log_is_no_error(data: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        framed = struct.pack("<Q", len(data)) + bytes(4) + data + bytes(4)
        events_file(Path(name), framed, record(1, {"loss/current": 0.25}), data)
        assert 0.25 in Losses(Path(name)).new()


def test_only_whole_files_are_checkpoints(tmp_path: Path) -> None:
    write_lora(tmp_path / "style-step00000004.safetensors", 4)
    write_lora(tmp_path / "style-step00000008.safetensors", 8)
    half = tmp_path / "style-step00000008.safetensors"
    half.write_bytes(half.read_bytes()[:-1])
    write_lora(tmp_path / "style.safetensors", 12)
    (tmp_path / "style-step00000010.safetensors").write_bytes(b"")
    assert [one.step for one in checkpoint_files.saved(tmp_path, 12)] == [4, 12]


def test_the_last_file_and_that_of_its_step_are_one_checkpoint(tmp_path: Path) -> None:
    write_lora(tmp_path / "style-step00000012.safetensors", 12)
    write_lora(tmp_path / "style.safetensors", 12)
    (one,) = checkpoint_files.saved(tmp_path, 12)
    assert one.file.name == "style-step00000012.safetensors"


@given(st.binary(max_size=200))
def test_any_bytes_are_whole_or_not(data: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "style.safetensors"
        file.write_bytes(data)
        assert checkpoint_files.is_whole(file) in (True, False)
