"""What it takes to make game assets of pictures, beside the bare calls of the libraries in the same run.

    .venv/bin/python tests/benchmarks/assets.py

prints JSON: how many times the processor time of the same calls of Pillow and numpy a step takes on a picture of one
megapixel; a job of 300 pictures with the preset Icon beside as many threads that only decode, cut, pad and write them,
and how busy both kept the cores; packing 2,048 frames beside the packer alone, and how much of the sheet stayed empty;
whether the same input gave the same bytes; and the load of the machine. Nothing is kept.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from math import isqrt
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import rectpack
from PIL import Image, ImageColor, ImageDraw, ImageFilter

ROOT = Path(__file__).parent.parent.parent
STEP_SIDE, TRIES, LONG_ENOUGH = 1024, 7, 100  # pixels; tries; milliseconds of one
PICTURES, SIDE = 300, 512
FRAMES = 2048
CORES = os.cpu_count() or 1


def icon(side: int, seed: int) -> Image.Image:
    """A round thing with grain and soft edges on clear ground, off the middle."""
    random = np.random.default_rng(seed)
    patches = Image.fromarray(random.integers(0, 256, (12, 12, 3), dtype=np.uint8))
    grain = Image.fromarray(random.normal(128, 9, (side, side, 3)).clip(0, 255).astype(np.uint8))
    shape = Image.new("L", (side, side))
    left, top = side // 8 + seed % 7, side // 6
    ImageDraw.Draw(shape).ellipse((left, top, left + side * 5 // 8, top + side * 5 // 8), 255)
    image = Image.blend(patches.resize((side, side), Image.Resampling.BICUBIC), grain, 0.3)
    image.putalpha(shape.filter(ImageFilter.GaussianBlur(side / 200)))
    return image


# --- Steps: the same calls, without what the studio does around them


def bare_trim(image: Image.Image) -> Image.Image:
    """Margin 16."""
    cut = image.crop(image.getchannel("A").getbbox())
    ground = Image.new("RGBA", (cut.width + 32, cut.height + 32))
    ground.paste(cut, (16, 16))
    return ground


def bare_pad(image: Image.Image) -> Image.Image:
    """To a square."""
    side = max(image.size)
    ground = Image.new("RGBA", (side, side))
    ground.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return ground


def bare_resize(image: Image.Image) -> Image.Image:
    """By a half."""
    return image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)


def bare_palette(image: Image.Image) -> Image.Image:
    """To 16 colours, as far as it shows."""
    pixels = np.array(image)
    shows = pixels[..., 3] > 0
    row = Image.fromarray(pixels[shows][:, :3].reshape(1, -1, 3))
    fewer = row.quantize(16, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).convert("RGB")
    pixels[shows, :3] = np.asarray(fewer).reshape(-1, 3)
    pixels[~shows] = 0
    return Image.fromarray(pixels)


def bare_outline(image: Image.Image) -> Image.Image:
    """A round line of 4 pixels."""
    width = 4
    grown = Image.new("RGBA", (image.width + 2 * width, image.height + 2 * width))
    grown.paste(image, (width, width))
    alpha = np.asarray(grown.getchannel("A"))
    padded, wide = np.pad(alpha, width), np.zeros_like(alpha)
    for down in range(-width, width + 1):
        reach = isqrt(width * width - down * down)
        for right in range(-reach, reach + 1):
            top, left = width + down, width + right
            np.maximum(wide, padded[top : top + alpha.shape[0], left : left + alpha.shape[1]], out=wide)
    line = Image.new("RGBA", grown.size, ImageColor.getrgb("#000000"))
    line.putalpha(Image.fromarray(wide))
    return Image.alpha_composite(line, grown)


BARE: Mapping[str, tuple[dict[str, Any], Callable[[Image.Image], Image.Image]]] = {
    "trim": ({"margin": 16}, bare_trim),
    "pad": ({"to": "square"}, bare_pad),
    "resize": ({"factor": "0.5"}, bare_resize),
    "palette": ({"colours": 16}, bare_palette),
    "outline": ({"width": 4}, bare_outline),
}


def processor_ms(do: Callable[[], object], times: int = 1) -> float:
    """Milliseconds of this thread for each of so many calls."""
    began = time.thread_time()
    for _each in range(times):
        do()
    return (time.thread_time() - began) * 1000 / times


def compared(ours: Callable[[], object], bare: Callable[[], object]) -> dict[str, float]:
    """Milliseconds of ours, and the ratio to the bare calls: the middle one of some tries, each with both by turns.

    On a busy machine the same call takes twice as long at one time as at another.
    """
    times = max(1, round(LONG_ENOUGH / processor_ms(bare)))
    found = []
    for number in range(TRIES):
        turns = [(True, ours), (False, bare)]
        took = {who: processor_ms(do, times) for who, do in (turns if number % 2 else turns[::-1])}
        found.append((took[True], took[True] / took[False]))
    return {"ms": round(min(ms for ms, _ratio in found), 2), "ratio": round(median(ratio for _ms, ratio in found), 3)}


def steps() -> dict[str, dict[str, float]]:
    """Each step beside its bare calls."""
    from generation.derivations.steps import catalogue

    image = icon(STEP_SIDE, 1).crop((0, 0, STEP_SIDE, STEP_SIDE - 40))
    found = {}
    for name, (values, bare) in BARE.items():
        plan = [{"step": name, **values}]
        assert catalogue.apply(image, plan).tobytes() == bare(image).tobytes(), name
        found[name] = compared(partial(catalogue.apply, image, plan), partial(bare, image))
    return found


# --- A job


def bare_icon(source: Path, target: Path) -> None:
    """What the preset Icon comes to, as a script would do it."""
    with Image.open(source) as opened:
        image = bare_pad(bare_trim(opened.convert("RGBA")))
    image.save(target, "PNG", optimize=True)


def busy(do: Callable[[], object]) -> tuple[float, float]:
    """Seconds of processor time of all threads, and seconds that passed."""
    began, worked = time.perf_counter(), time.process_time()
    do()
    return time.process_time() - worked, time.perf_counter() - began


def job(folder: Path) -> dict[str, float]:
    """300 pictures by a worker, rows and all, beside as many threads that only call the libraries."""
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    pictures = list(stored())
    sources = [Path(each.file.path) for each in pictures]
    targets = [folder / f"{number}.png" for number in range(PICTURES)]
    half = PICTURES // 2
    with ThreadPoolExecutor(CORES) as pool:

        def alone(some: slice) -> tuple[float, float]:
            return busy(lambda: list(pool.map(bare_icon, sources[some], targets[some])))

        # Half before and half after the job: what else the machine does comes and goes.
        before = alone(slice(half))
        ours = busy(lambda: finished([each.pk for each in pictures]))
        after = alone(slice(half, None))
    worked, passed = before[0] + after[0], before[1] + after[1]
    return {
        "pictures": PICTURES,
        "cpu_ms_per_picture": round(ours[0] / PICTURES * 1000, 1),
        "ratio": round(ours[0] / worked, 2),
        "cores_busy": round(ours[0] / ours[1] / CORES, 2),
        "cores_busy_bare": round(worked / passed / CORES, 2),
        # On a machine with nothing else to do the bare calls keep the cores busy all the time.
        "busy_ratio": round(ours[0] / ours[1] * passed / worked, 2),
    }


def stored() -> Iterator[Any]:
    """Pictures that an engine made, as rows and files."""
    from django.contrib.auth.models import User
    from django.core.files.base import ContentFile
    from django.utils import timezone

    from generation.engines.models import Engine
    from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask
    from stylestudio.jobs.kinds import Status

    ada = User.objects.create_superuser("ada")
    engine = Engine.objects.create(address="http://127.0.0.1:9")
    now = timezone.now()
    for number in range(PICTURES):
        task = GenerationTask.objects.create(
            owner=ada, prompt="a coin", final_prompt="a coin", width=SIDE, height=SIDE, count=1, seeds=[number],
            checkpoint="base.safetensors", lightning="l.safetensors", ended_at=now, status=Status.COMPLETED,
            own_values={"workflow": {"name": "w", "sha256": "a"}},
        )  # fmt: skip
        prompt = EnginePrompt.objects.create(
            task=task, index=0, engine=engine, worker="w", lease_until=now, state="done", own_values={}
        )
        file = BytesIO()
        icon(SIDE, number).save(file, "PNG")
        picture = GeneratedImage(
            task=task, index=0, prompt=prompt, seed=number, width=SIDE, height=SIDE, size=file.tell(), has_alpha=True,
            sha256=hashlib.sha256(file.getvalue()).hexdigest(), engine=engine,
        )  # fmt: skip
        picture.file.save(f"{number}.png", ContentFile(file.getvalue()), save=False)
        picture.save()
        yield picture


def finished(pictures: Sequence[int]) -> None:
    """Order the job, and do it as a worker does."""
    from django.contrib.auth.models import User

    from generation.derivations import actions, presets
    from generation.derivations.models import Derivation
    from generation.selecting import bulk_jobs, orders
    from generation.selecting.selection import Selection

    ada = User.objects.get()
    preset = presets.find(ada, "icon")
    assert preset
    orders.place(ada, actions.FINISH, Selection(tuple(pictures)), {"name": "Icon", "plan": preset.plan})
    bulk_jobs.life.work()
    assert Derivation.objects.count() == len(pictures)


# --- Sheets


def frames() -> list[tuple[int, int]]:
    """Sizes of icons, from 20 to 120 pixels on a side."""
    random = np.random.default_rng(7)
    return [(int(wide), int(high)) for wide, high in random.integers(20, 121, (FRAMES, 2))]


def bare_pack(sizes: Sequence[tuple[int, int]], side: int) -> object:
    """The packer alone, on a sheet of the same width."""
    packer = rectpack.newPacker(
        mode=rectpack.PackingMode.Offline, bin_algo=rectpack.PackingBin.BFF, pack_algo=rectpack.SkylineBlWm,
        sort_algo=rectpack.SORT_NONE, rotation=False,
    )  # fmt: skip
    packer.add_bin(side, 10**6)
    for number, size in enumerate(sorted(sizes, key=lambda each: (-max(each), -each[0] * each[1]))):
        packer.add_rect(*size, rid=number)
    packer.pack()
    return packer


def sheets() -> dict[str, Any]:
    """Packing beside the packer alone, and what stays empty of the sheet."""
    from generation.derivations.sheets.packing import pack
    from generation.derivations.sheets.pieces import Piece
    from generation.derivations.sheets.wishes import Layout

    sizes = frames()
    random = np.random.default_rng(8)
    pieces = [
        Piece(
            f"{number:04}", Image.fromarray(random.integers(0, 256, (high, wide, 4), dtype=np.uint8)), 0, 0, wide, high
        )
        for number, (wide, high) in enumerate(sizes)
    ]
    layout = Layout(most_side=8192)
    [page] = pack(pieces, layout)
    gapped = [(wide + layout.padding, high + layout.padding) for wide, high in sizes]
    empty = 1 - sum(wide * high for wide, high in sizes) / (page.width * page.height)
    figures = compared(partial(pack, pieces, layout), partial(bare_pack, gapped, page.width))
    return {"frames": FRAMES, **figures, "empty": round(empty, 3)}


def is_same() -> bool:
    """Whether the same input gives the same bytes, also on a sheet whose frames come in another order."""
    from generation.derivations import finishing, presets
    from generation.derivations.sheets.making import make
    from generation.derivations.sheets.pieces import Frame
    from generation.derivations.sheets.wishes import Wish

    file = BytesIO()
    icon(SIDE, 3).save(file, "PNG")
    plans = [each.plan for each in presets.SHIPPED]
    once, again = ([finishing.finish(file.getvalue(), plan).data for plan in plans] for _each in range(2))
    some = [Frame(f"walk_{number:02}", icon(64, number)) for number in range(40)]
    return once == again and make(some, Wish()).files == make(some[::-1], Wish()).files


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(STYLESTUDIO_DATA=f"{folder}/data", DJANGO_SETTINGS_MODULE="stylestudio.settings")
        import django

        django.setup()
        begun = os.getloadavg()[0]
        figures = {"steps": steps(), "sheet": sheets(), "same_bytes": is_same(), "job": job(Path(folder))}
        print(
            json.dumps({**figures, "cores": CORES, "load": [round(begun, 1), round(os.getloadavg()[0], 1)]}, indent=2)
        )


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
