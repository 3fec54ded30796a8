"""Tasks, what engines were asked for them, and their pictures."""

from __future__ import annotations

import hashlib
import json
import random
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from typing import Any

from tables import BATCH, EVENLY, LATELY, PEOPLE, Table, moments, project
from words import RARE, SOME, vocabulary, zipf

ENGINES = 8
EACH = 4  # pictures of a task
# With so few pictures what is seldom would not fill a page, which then says nothing of what a page takes: there it is
# frequent. Half of the tasks are of one style and have the words that are searched, a third of these without the last.
FEW, LIKE_MANY, LIKE_SOME = 10_000, f" red dragon castle 龙城堡 {' '.join(SOME)}", " red dragon 龙"
SIZES = (1024, 1024), (832, 1216), (1216, 832)


def fill(dice: random.Random, pictures: int, people: Sequence[int], versions: Sequence[int], prompts: int) -> None:
    """So many pictures of these people, with these versions and so many prompts."""
    from generation.engines.models import Engine
    from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask, TaskStyle
    from styles.models import Style, StyleVersion

    Engine.objects.bulk_create(
        Engine(address=f"http://127.0.0.1:{9_100 + each}", source=Engine.Source.ADMIN, health=Engine.Health.OK)
        for each in range(ENGINES)
    )
    engines = list(Engine.objects.values_list("pk", flat=True))
    number, is_few = -(-pictures // EACH), pictures < FEW
    frozen = _frozen("PROMPT", [1] * EACH)
    graph = json.dumps(_graph({**frozen, "seeds": ["SEED"]})).replace("None-0-000000000000", "PLACE")
    graph = graph.replace('"SEED"', "SEED")
    shared = _shared(frozen) if hasattr(EnginePrompt, "share") else {}  # or filled with the code of before
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

    def own_graph(task: int, index: int, prompt_id: str, seed: int, text: str) -> str:
        whole = graph.replace("PLACE", f"{task}-{index}-{prompt_id[:12]}").replace("SEED", str(seed))
        return whole.replace("PROMPT", text)

    ids = count(1)
    mixed = count(1)
    every = zip(range(1, number + 1), moments(number, LATELY if is_few else EVENLY), texts, strict=False)
    while some := list(islice(every, BATCH // EACH)):
        task_rows, prompt_rows, picture_rows, mix_rows = [], [], [], []
        for pk, moment, text in some:
            owner = _owner(pk, people) if is_few else people[min(int(dice.expovariate(0.2)), PEOPLE - 1)]
            seeds = [dice.randrange(2**32) for _each in range(EACH)]
            failed = pk % 40 == 0
            ended = moment + timedelta(seconds=20)
            text += _rare_words(pk, number)
            if versions and pk % 6 in (0, 2, 5) and is_few and project(pk) == 1:
                text += LIKE_SOME if pk % 6 == 2 else LIKE_MANY
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
                engine = engines[2 if is_few and each % 2 else each % ENGINES]
                at = moment + timedelta(seconds=4 * (index + 1))
                prompt_id = uuid.UUID(int=dice.getrandbits(128))
                prompt_rows.append(
                    {
                        "id": each,
                        "task_id": pk,
                        "index": index,
                        "prompt_id": prompt_id,
                        "engine_id": engine,
                        **(shared or {"graph": own_graph(pk, index, prompt_id.hex, seeds[index], text)}),
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
                        "has_alpha": pk % (4 if is_few else 20) == 3,
                    }
                )
        tasks.write(task_rows)
        mixes.write(mix_rows)
        attempts.write(prompt_rows)
        stored.write(picture_rows)


def _owner(task: int, people: Sequence[int]) -> int:
    """Where there are few: half are of the person who looks, a quarter and an eighth of those whose are sought."""
    sought = {0: people[2], 2: people[-2], 4: people[2]}
    return people[4] if task % 2 else sought.get(task % 8, people[task % PEOPLE])


def _checkpoint(task: int, tasks: int) -> str:
    """One in ten has the second one, one in 5,000 a rare one; where there are few, one in five."""
    if task % (5 if tasks < FEW // EACH else 5_000) == 2:
        return "rare.safetensors"
    return "second.safetensors" if task % 10 == 0 else "sd_xl_base_1.0.safetensors"


def _rare_words(task: int, tasks: int) -> str:
    """One task in 5,000 has each of them; where there are few, one in three."""
    every = 3 if tasks < FEW // EACH else 5_000
    return "".join(f" {word}" for place, word in enumerate(RARE) if task % every == place)


def _preset(task: int, tasks: int) -> dict[str, Any]:
    """One in seven has a preset, one in 5,000 a rare one; where there are few, one in three, all of them square."""
    if task % (3 if tasks < FEW // EACH else 5_000) == (0 if tasks < FEW // EACH else 3):
        return {"frame": {"preset": "Rare preset"}}
    return {"frame": {"preset": "Dense preset"}} if task % 7 == 1 else {}


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


def _shared(snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """What attempts at pictures of tasks with this snapshot store of their graphs: all differ in known values alone."""
    from generation.pictures import graphs
    from generation.pictures.models import EnginePrompt, GenerationTask

    task = GenerationTask(pk=1)
    task.snapshot = snapshot
    attempt = EnginePrompt(task=task, index=0, prompt_id=uuid.UUID(int=1))
    attempt.graph = graphs.build(task, 0, attempt.prompt_id)
    attempt.share()
    return {"pattern_id": attempt.pattern_id, "graph": json.dumps(attempt.own_values)}


def ask(people: Sequence[int]) -> None:
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
