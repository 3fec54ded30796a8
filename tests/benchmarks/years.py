"""Fills a new studio with what a team leaves there in three years, in minutes, on SQLite or PostgreSQL.

    STYLESTUDIO_DATA=FOLDER python tests/benchmarks/years.py [--pictures 1000000]

Rows are made of one template row per table, in which only what differs is replaced: a million pictures come in about as
many seconds as the ORM would need for ten thousand. There are no files behind them.

Four pictures a task; 40,000 prompts, used as often as words are (Zipf), a third of them Chinese; one task in three with
one or two of 60 styles of five versions each; three shapes, two checkpoints and a rare one, presets, some private and
some transparent, one picture in thirteen rated; one in fifty a preview of a style, one in forty failed; 25 people, half
of whom clear what is done; 36 months; five projects of unequal size; 200 datasets of 40 pictures; 2,000 trainings with
losses; what people kept (`kept.py`); 20 open tasks and two prompts on each engine. All scaled down with the pictures
but for people, engines and what is open; a page of styles, datasets or trainings is full in a small studio too.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import sys
import uuid
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib import import_module
from importlib.util import find_spec
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.db.models import Model

PEOPLE = 25
ENGINES = 8
EACH = 4  # pictures of a task
BATCH = 20_000  # rows
LATIN = """
a red house dragon knight silver river garden old lantern quiet harbour winter forest golden crown small potion iron
sword mossy stone tower glass bottle paper boat wolf moon castle market street icon button frame banner
"""
CHINESE = "红色 房子 龙 骑士 银色 河流 花园 灯笼 港口 冬天 森林 金色 王冠 药水 铁剑 石头 高塔 纸船 月亮 城堡 市场 图标"
SOME = ("basilisk", "凤凰")  # words of one prompt in 100, of more where few prompts would not fill a page
RARE = ("obsidian", "麒麟")  # words of one prompt in 10,000
# Where too few pictures would fill a page of one style, or of two words, every third task is such a one.
FEW, LIKE_MANY = 10_000, f" dragon castle 龙城堡 {' '.join(SOME)}"


SIZES = (1024, 1024), (832, 1216), (1216, 832)
PROJECTS = (60, 25, 10, 4, 1)  # percent of the rows in each of them


class Table:
    """Writes rows of one model that differ from a template in some columns."""

    def __init__(self, model: type[Model], **same: Any) -> None:
        from django.db import connection

        self.connection = connection
        self.fields = list(model._meta.concrete_fields)
        self.name = model._meta.db_table
        row = model(**same)
        self.template = [self._stored(field, field.pre_save(row, add=True)) for field in self.fields]
        # Some columns keep the name that their field had.
        self.place = {field.attname: number for number, field in enumerate(self.fields)}
        self.place |= {str(field.column): number for number, field in enumerate(self.fields)}

    def _stored(self, field: Any, value: Any) -> Any:
        return field.get_db_prep_save(value, self.connection)

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """One row for each mapping of attribute names to values; times may be `datetime`, JSON must be text."""
        names = ", ".join(f'"{field.column}"' for field in self.fields)
        places = ", ".join(["%s"] * len(self.fields))
        statement = f'INSERT INTO "{self.name}" ({names}) VALUES ({places})'
        made = iter(rows)
        while some := list(islice(made, BATCH)):
            with self.connection.cursor() as cursor:
                cursor.executemany(statement, [self._row(each) for each in some])

    def _row(self, values: Mapping[str, Any]) -> list[Any]:
        row = list(self.template)
        for name, value in values.items():
            if name not in self.place:
                continue  # filled with the code of before
            at = self.place[name]
            row[at] = self._stored(self.fields[at], value) if isinstance(value, datetime | uuid.UUID) else value
        return row


def vocabulary(dice: random.Random, number: int) -> list[str]:
    """So many prompts, a third of them Chinese; "dragon" and 龙 stand in about one of ten."""
    latin, chinese = LATIN.split(), CHINESE.split()
    made = []
    for each in range(number):
        words, joint = (chinese, "") if each % 3 == 0 else (latin, " ")
        made.append(joint.join(dice.choices(words, k=dice.randint(4, 12))) + f"{joint}{each}")
    for word, first in zip(SOME, (1, 51), strict=True):
        for each in range(first % number, number, min(100, max(1, number // 8))):
            made[each] += f" {word}"
    for word, each in zip(RARE, (1, 3), strict=True):
        made[number // 2 + each] += f" {word}"
    return made


def zipf(dice: random.Random, prompts: Sequence[str]) -> Iterator[str]:
    """The prompts, each as often as its rank allows."""
    weights = array("d", (1 / (rank + 1) ** 0.8 for rank in range(len(prompts))))
    while True:
        yield from dice.choices(prompts, weights, k=10_000)


def moments(number: int, months: float = 36.0) -> Iterator[datetime]:
    """So many moments, evenly over the past months, oldest first."""
    now = datetime.now(UTC)
    length = timedelta(days=30.4 * months)
    for each in range(number):
        yield now - length * (1 - (each + 1) / (number + 1))


def project(number: int) -> int:
    """The project of a row with this number."""
    place = number * 37 % 100
    return 1 + sum(place >= sum(PROJECTS[: each + 1]) for each in range(len(PROJECTS) - 1))


def fill(pictures: int, seed: int = 7) -> None:
    """Fill the database of the settings, which must be new. Raises IntegrityError for one that has rows."""
    from django.db import transaction

    dice = random.Random(seed)
    share = min(1.0, pictures / 1_000_000)
    with transaction.atomic():
        people = _people()
        _projects()
        versions = _styles(60, people)
        _made(dice, pictures, people, versions, max(50, round(40_000 * share)))
        _continue_sequences()  # what is open comes through the ORM
        _asked(people)
        _trained(dice, max(40, round(200 * share)), max(60, round(2_000 * share)), people, versions)
        if find_spec("generation.keeping"):  # or filled with the code of before
            import_module(f"{__package__}.kept" if __package__ else "kept").fill(Table, dice, people, share)
    _index()
    _share()
    _settle()


def _people() -> list[int]:
    from django.contrib.auth.models import User

    User.objects.create_superuser("owner", password="owner")
    User.objects.bulk_create(User(username=f"person-{number}") for number in range(PEOPLE - 1))
    return list(User.objects.order_by("pk").values_list("pk", flat=True))


def _projects() -> None:
    from stylestudio import models

    if kind := getattr(models, "Project", None):  # or filled with the code of before
        kind.objects.bulk_create(kind(name=f"Project {each}") for each in range(2, len(PROJECTS) + 1))


def _in_project(number: int, model: Any) -> dict[str, int]:
    return {"project_id": project(number)} if hasattr(model, "project") else {}


def _styles(number: int, people: Sequence[int]) -> list[int]:
    """Styles with five versions each, the fourth one published; the versions."""
    from styles.models import State, Style, StyleVersion

    Style.objects.bulk_create(
        Style(name=f"Style {each}", slug=f"style-{each}", owner_id=people[each % PEOPLE], **_in_project(each, Style))
        for each in range(number)
    )
    for style in Style.objects.filter(is_base=False):
        StyleVersion.objects.bulk_create(
            StyleVersion(
                style=style,
                number=each,
                state=State.PUBLISHED if each == 4 else State.ARCHIVED,
                lora_name=f"style_{style.pk}_v{each}.safetensors",
                trigger_words=f"{style.slug} painting",
                family="sdxl",
            )
            for each in range(1, 6)
        )
    return list(StyleVersion.objects.filter(style__is_base=False).order_by("pk").values_list("pk", flat=True))


def _frozen(text: str, seeds: Sequence[int]) -> dict[str, Any]:
    """As `orders` freezes an order for these pictures without a style."""
    from generation.ordering.orders import Order, snapshot

    return {**snapshot(Order(prompt=text, count=len(seeds), seed=0)), "seeds": list(seeds)}


def _graph(snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """The graph of the first picture of a task with this snapshot."""
    from generation.pictures import graphs
    from generation.pictures.models import GenerationTask

    task = GenerationTask()
    task.snapshot = snapshot
    return dict(graphs.build(task, 0, uuid.UUID(int=0)))


def _made(dice: random.Random, pictures: int, people: Sequence[int], versions: Sequence[int], prompts: int) -> None:
    from generation.engines.models import Engine
    from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask, TaskStyle
    from styles.models import Style, StyleVersion

    Engine.objects.bulk_create(
        Engine(address=f"http://127.0.0.1:{9_100 + each}", source=Engine.Source.ADMIN, health=Engine.Health.OK)
        for each in range(ENGINES)
    )
    engines = list(Engine.objects.values_list("pk", flat=True))
    number = -(-pictures // EACH)
    frozen = _frozen("PROMPT", [1] * EACH)
    graph = json.dumps(_graph({**frozen, "seeds": ["SEED"]})).replace("None-0-000000000000", "PLACE")
    graph = graph.replace('"SEED"', "SEED")
    same = {"snapshot_sha256": "0" * 64, "checkpoint": "sd_xl_base_1.0.safetensors", "lightning": "lightning"}
    tasks = Table(GenerationTask, **same, width=1024, height=1024, seeds=[], snapshot={}, count=EACH)
    attempts = Table(
        EnginePrompt,
        worker="w",
        state="done",
        progress=100,
        graph={},
        lease_until=datetime.now(UTC),
    )
    stored = Table(GeneratedImage, width=1024, height=1024, size=1_400_000, file="outputs/x.png", engine_version="0.33")
    mixes = Table(TaskStyle, weight=0.8, triggers=[])
    texts = zipf(dice, vocabulary(dice, prompts))
    of_project: dict[int, list[int]] = {}
    for place, style in enumerate(Style.objects.filter(is_base=False).order_by("pk")):
        rows = StyleVersion.objects.filter(style=style).values_list("pk", flat=True)
        of_project.setdefault(project(place), []).extend(rows)
    searched = StyleVersion.objects.filter(style__slug="style-1").values_list("pk", flat=True).first()
    ids = count(1)
    mixed = count(1)
    every = zip(range(1, number + 1), moments(number), texts, strict=False)
    while some := list(islice(every, BATCH // EACH)):
        task_rows, prompt_rows, picture_rows, mix_rows = [], [], [], []
        for pk, moment, text in some:
            owner = people[min(int(dice.expovariate(0.2)), PEOPLE - 1)]
            seeds = [dice.randrange(2**32) for _each in range(EACH)]
            failed = pk % 40 == 0
            ended = moment + timedelta(seconds=20)
            if versions and pk % 3 == 0 and pictures < FEW and project(pk) == 1:
                text += LIKE_MANY
                mix_rows.append({"id": next(mixed), "task_id": pk, "version_id": searched, "position": 0})
            elif versions and pk % 3 == 0:
                chosen = dice.sample(of_project.get(project(pk), versions), 1 + pk % 2)
                mix_rows += [
                    {"id": next(mixed), "task_id": pk, "version_id": version, "position": place}
                    for place, version in enumerate(chosen)
                ]
            task_rows.append(
                {
                    "id": pk,
                    "owner_id": owner,
                    "request_id": uuid.UUID(int=dice.getrandbits(128)),
                    "status": "failed" if failed else "completed",
                    "progress": 100,
                    "error_kind": "out_of_memory" if failed else "",
                    "queued_at": moment,
                    "started_at": moment,
                    "ended_at": ended,
                    "updated_at": ended,
                    "prompt": text,
                    "final_prompt": text,
                    "seeds": json.dumps(seeds),
                    "snapshot": json.dumps(
                        {**frozen, **_preset(pk, number), "prompt": text, "final_prompt": text, "seeds": seeds}
                    ),
                    "checkpoint": _checkpoint(pk, number),
                    "visibility": "private" if pk % 25 == 3 else "team",
                    "width": SIZES[pk % 3][0],
                    "height": SIZES[pk % 3][1],
                    "snapshot_sha256": hashlib.sha256(str(pk).encode()).hexdigest(),
                    "is_face": pk % 50 == 0,
                    "project_id": project(pk),
                    "cleared_at": ended if owner % 2 else None,
                }
            )
            for index in range(2 if failed else EACH):
                each = next(ids)
                engine = engines[each % ENGINES]
                at = moment + timedelta(seconds=4 * (index + 1))
                prompt_id = uuid.UUID(int=dice.getrandbits(128))
                own = graph.replace("PLACE", f"{pk}-{index}-{prompt_id.hex[:12]}").replace("SEED", str(seeds[index]))
                prompt_rows.append(
                    {
                        "id": each,
                        "task_id": pk,
                        "index": index,
                        "prompt_id": prompt_id,
                        "engine_id": engine,
                        "graph": own.replace("PROMPT", text),
                        "claimed_at": moment,
                        "posted_at": moment,
                        "started_at": moment,
                        "ended_at": at,
                    }
                )
                digest = hashlib.sha256(f"picture {each}".encode()).hexdigest()
                picture_rows.append(
                    {
                        "id": each,
                        "task_id": pk,
                        "index": index,
                        "prompt_id": each,
                        "engine_id": engine,
                        "file": f"outputs/{at:%Y/%m}/{digest[:24]}.png",
                        "thumbnail": f"outputs/thumbnails/{at:%Y/%m}/{digest[:24]}.webp",
                        "seed": seeds[index],
                        "sha256": digest,
                        "pixel_sha256": digest[::-1],
                        "project_id": project(pk),
                        "created_at": at,
                        "width": SIZES[pk % 3][0],
                        "height": SIZES[pk % 3][1],
                        "has_alpha": pk % 20 == 7,
                    }
                )
        tasks.write(task_rows)
        mixes.write(mix_rows)
        attempts.write(prompt_rows)
        stored.write(picture_rows)


def _checkpoint(task: int, tasks: int) -> str:
    """One in ten has the second one, one in 5,000 a rare one, and at least some have."""
    if task % min(5_000, max(20, tasks // 5)) == 12:
        return "rare.safetensors"
    return "second.safetensors" if task % 10 == 0 else "sd_xl_base_1.0.safetensors"


def _preset(task: int, tasks: int) -> dict[str, Any]:
    """One in seven has a preset, one in 5,000 a rare one."""
    if task % min(5_000, max(20, tasks // 5)) == 11:
        return {"frame": {"preset": "Rare preset"}}
    return {"frame": {"preset": "Dense preset"}} if task % 7 == 1 else {}


def _asked(people: Sequence[int]) -> None:
    """What is open when somebody looks."""
    from django.utils import timezone

    from generation.engines.models import Engine
    from generation.pictures.models import EnginePrompt, GenerationTask

    now = timezone.now()
    tasks = [
        GenerationTask(
            owner_id=people[place % len(people)], prompt=f"waiting {place}", final_prompt=f"waiting {place}",
            width=1024, height=1024, count=EACH, seeds=[1] * EACH, checkpoint="sd_xl_base_1.0.safetensors",
            lightning="lightning", queued_at=now,
            status="running" if place < 2 * ENGINES // EACH else "queued", worker="w",
        )
        for place in range(20)
    ]  # fmt: skip
    for task in tasks:
        task.snapshot = _frozen(task.prompt, [1] * EACH)
    GenerationTask.objects.bulk_create(tasks)
    EnginePrompt.objects.bulk_create(
        EnginePrompt(
            task=tasks[number // EACH], index=number % EACH, engine=engine, worker="w", lease_until=now, claimed_at=now,
            state=EnginePrompt.State.POSTED, posted_at=now, started_at=now if place == 0 else None,
        )
        for number, (engine, place) in enumerate((engine, place) for engine in Engine.objects.all() for place in (0, 1))
    )  # fmt: skip


def _trained(dice: random.Random, sets: int, runs: int, people: Sequence[int], versions: Sequence[int]) -> None:
    from generation.pictures.models import GeneratedImage
    from training.datasets.models import Dataset, DatasetImage, DatasetSnapshot
    from training.runs.models import LossBlock, TrainingJob

    Dataset.objects.bulk_create(
        Dataset(
            name=f"Dataset {each}", slug=f"dataset-{each}", owner_id=people[each % PEOPLE], **_in_project(each, Dataset)
        )
        for each in range(sets)
    )
    datasets = list(Dataset.objects.order_by("pk").values_list("pk", flat=True))
    pictures = list(GeneratedImage.objects.order_by("pk").values_list("pk", flat=True)[: 40 * sets])
    images = Table(
        DatasetImage,
        file="uploads/datasets/x.png",
        thumbnail="uploads/datasets/x.webp",
        width=1024,
        height=1024,
        byte_size=10**6,
        format="PNG",
        added_by_id=people[0],
    )
    images.write(
        {
            "dataset_id": dataset,
            "id": 40 * number + each + 1,
            "position": each + 1,
            "sha256": hashlib.sha256(f"{dataset} {each}".encode()).hexdigest(),
            "perceptual_hash": f"{dice.getrandbits(64):016x}",
            "caption": " ".join(dice.choices(LATIN.split(), k=10)),
            "source_name": f"{each}.png",
            "picture_id": pictures[(40 * number + each) % len(pictures)] if each % 4 == 0 else None,
        }
        for number, dataset in enumerate(datasets)
        for each in range(40)
    )
    DatasetSnapshot.objects.bulk_create(
        DatasetSnapshot(
            dataset_id=dataset, number=1, manifest="{}", sha256="0" * 64, picture_count=40, owner_id=people[0]
        )
        for dataset in datasets
    )
    frozen = list(DatasetSnapshot.objects.order_by("pk").values_list("pk", flat=True))
    from styles.models import StyleVersion

    styles = dict(StyleVersion.objects.values_list("pk", "style_id"))
    trainings = Table(
        TrainingJob,
        style_id=0,
        snapshot_id=0,
        config={},
        config_sha256="0" * 64,
        seed=1,
        base="sd_xl_base_1.0.safetensors",
        steps=2000,
        step=2000,
        seconds=2000.0,
        timed=2000,
    )
    trainings.write(
        {
            "id": each + 1,
            "owner_id": people[each % PEOPLE],
            "request_id": uuid.UUID(int=dice.getrandbits(128)),
            "status": "completed",
            "progress": 100,
            "name": f"Training {each}",
            "style_id": styles[versions[each % len(versions)]],
            "snapshot_id": frozen[each % len(frozen)],
            "project_id": project(each),
            "queued_at": moment,
            "started_at": moment,
            "ended_at": moment + timedelta(hours=1),
            "updated_at": moment + timedelta(hours=1),
        }
        for each, moment in enumerate(moments(runs))
    )
    values = array("f", (0.1 for _step in range(2000))).tobytes()
    losses = Table(LossBlock, first_step=1, values=values)
    losses.write({"id": each + 1, "job_id": each + 1} for each in range(runs))


def _index() -> None:
    """Index the pictures for searches, as workers do."""
    if not find_spec("generation.pictures.upkeep"):
        return  # filled with the code of before
    from generation.pictures.upkeep import indexing

    indexing.start_over()
    while indexing.index_slice(60):
        pass
    _rate()


def _rate() -> None:
    """The averages of one picture in thirteen."""
    from django.db.models import F

    from generation.pictures import models

    if hasattr(models, "SearchStyle"):  # or filled with the code of before
        entries = models.SearchEntry.objects.annotate(place=F("picture") % 13).filter(place=1)
        entries.update(rating=100 + 50 * (F("picture") % 9))


def _share() -> None:
    """Store once what graphs have in common, as workers do."""
    if not find_spec("generation.pictures.upkeep"):
        return  # filled with the code of before
    from generation.pictures.upkeep import sharing

    while sharing.share_slice(60):
        pass


def _continue_sequences() -> None:
    """Sequences go on behind what was written."""
    from django.apps import apps
    from django.core.management.color import no_style
    from django.db import connection

    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), list(apps.get_models())):
            cursor.execute(statement)


def _settle() -> None:
    """Sequences go on behind what was written, and the planner knows the tables."""
    from django.db import connection

    _continue_sequences()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def migrated() -> None:
    """Set up Django for the database of the settings, and migrate it."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stylestudio.settings")
    sys.path.insert(0, str(Path.cwd()))
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def main() -> None:
    """Migrate the database of the settings and fill it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=1_000_000)
    options = parser.parse_args()
    migrated()
    fill(options.pictures)


if __name__ == "__main__":
    main()
