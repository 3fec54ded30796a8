"""Placing an order: once per press, checked, frozen, and taken up again exactly as it was."""

from __future__ import annotations

import hashlib
import io
import json
import secrets
import uuid
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.utils import timezone
from PIL import Image
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from generation.engines.models import Engine
from generation.ordering import orders
from generation.ordering.orders import Ingredient, Order
from generation.ordering.references import add_reference
from generation.pictures import snapshots
from generation.pictures.models import MOST_SEED, EnginePrompt, GeneratedImage, GenerationTask, Reference, TaskStyle
from styles.models import Style
from stylestudio.jobs.kinds import Status
from tests.conftest import Noted

pytestmark = pytest.mark.django_db


def ingredient(name: str, triggers: str = "", weight: float = 0.8, off: frozenset[str] = frozenset()) -> Ingredient:
    """A style as it stands in a mix."""
    style = Style.objects.create(name=name)
    style.versions.update(lora_name=f"{name.lower()}.safetensors", trigger_words=triggers)
    version = Style.objects.get(pk=style.pk).version
    assert version is not None
    return Ingredient(version, weight, off)


def reference(user: User) -> Reference:
    """A stored picture to start from."""
    stored = io.BytesIO()
    Image.new("RGB", (40, 24), "teal").save(stored, "PNG")
    stored.seek(0)
    return add_reference(stored, user)


def test_the_same_press_twice_makes_one_task(ada: User, bob: User) -> None:
    press = uuid.uuid4()
    first = orders.place(Order(prompt="a"), ada, request_id=press)
    again = orders.place(Order(prompt="changed meanwhile", mix=(ingredient("Ink"),)), ada, request_id=press)
    assert (again.pk, again.prompt) == (first.pk, "a")
    assert GenerationTask.objects.count() == 1 and not TaskStyle.objects.exists()
    assert orders.place(Order(prompt="a"), bob, request_id=press).owner == bob


def test_two_presses_make_two_tasks(ada: User) -> None:
    assert orders.place(Order(prompt="a"), ada).pk != orders.place(Order(prompt="a"), ada).pk


def test_zero_is_a_seed_and_every_picture_has_its_own(ada: User) -> None:
    task = orders.place(Order(prompt="a", seed=0, count=3), ada)
    task.refresh_from_db()
    assert task.seeds == task.snapshot["seeds"] == [0, 1, 2]


def test_no_seed_is_a_random_one_that_is_kept(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "randbelow", lambda most: most - 1)
    task = orders.place(Order(prompt="a", count=2), ada)
    task.refresh_from_db()
    assert task.seeds == task.snapshot["seeds"] == [2**32 - 1, 2**32]


def test_random_seeds_differ(ada: User) -> None:
    assert len({orders.place(Order(prompt="a"), ada).seed for _time in range(5)}) == 5


def test_the_largest_seed_fits_with_the_most_pictures(ada: User) -> None:
    task = orders.place(Order(prompt="a", seed=MOST_SEED, count=16), ada)
    task.refresh_from_db()
    assert task.seeds[-1] == MOST_SEED + 15 < 2**63


def test_the_final_prompt_is_what_will_be_sent(ada: User) -> None:
    mix = (ingredient("Ink", "ink wash, mist"), ingredient("Paper", "papercut, Mist"))
    task = orders.place(Order(prompt="  a bay in the mist  ", mix=mix), ada)
    assert task.prompt == "a bay in the mist"
    assert task.final_prompt == task.snapshot["final_prompt"] == "ink wash, papercut, a bay in the mist"


def test_the_snapshot_is_canonical_and_its_hash_is_its_own(ada: User) -> None:
    task = orders.place(Order(prompt="été, 雪", seed=4, mix=(ingredient("Ink", "墨"),)), ada)
    task.refresh_from_db()
    text = snapshots.as_json(task.snapshot)
    assert json.loads(text) == task.snapshot
    assert "雪" in text and ": " not in text
    assert task.snapshot_sha256 == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("with_reference", [False, True])
def test_taken_up_again_an_order_gives_the_same_snapshot(ada: User, with_reference: bool) -> None:
    order = Order(
        prompt="a red house",
        negative="",
        width=1216,
        height=832,
        count=3,
        seed=0,
        steps=7,
        cfg=2.5,
        sampler="lcm",
        scheduler="karras",
        denoise=0.35,
        reference=reference(ada) if with_reference else None,
        mix=(
            ingredient("Ink", "ink wash, mist", 0.0, frozenset({"mist"})),
            ingredient("Paper", "red house, papercut", 1.15),
        ),
    )
    first = orders.place(order, ada)
    taken_up = orders.order_of(GenerationTask.objects.get(pk=first.pk))
    again = orders.place(taken_up, ada)
    assert again.snapshot_sha256 == first.snapshot_sha256
    assert again.snapshot == first.snapshot
    assert [(row.weight, row.triggers) for row in again.mix.all()] == [(0.0, ["ink wash"]), (1.15, ["papercut"])]


def test_what_was_absent_stays_absent(ada: User) -> None:
    taken_up = orders.order_of(orders.place(Order(prompt="a", seed=1), ada))
    assert (taken_up.mix, taken_up.negative, taken_up.reference, taken_up.mode) == ((), "", None, "text")


def test_a_phrase_that_is_switched_off_stays_off(ada: User) -> None:
    task = orders.place(Order(prompt="a", mix=(ingredient("Ink", "one, two", off=frozenset({"one"})),)), ada)
    [row] = orders.order_of(task).mix
    assert (row.off, row.triggers) == (frozenset({"one"}), ["two"])
    assert task.final_prompt == "two, a"


def test_a_style_in_the_trash_is_not_taken_up_again(ada: User) -> None:
    gone, kept = ingredient("Gone", "gone style"), ingredient("Kept", "kept style")
    task = orders.place(Order(prompt="a", mix=(gone, kept)), ada)
    gone.version.style.delete()
    taken_up = orders.order_of(GenerationTask.objects.get(pk=task.pk))
    assert [row.version for row in taken_up.mix] == [kept.version]
    assert "Gone v1" in task.mix_text


def test_the_base_style_adds_nothing(ada: User) -> None:
    plain = orders.place(Order(prompt="a", seed=1), ada)
    assert (plain.snapshot["styles"], plain.final_prompt, plain.mix_text) == ([], "a", "Base style")


def test_files_come_from_the_first_style_that_names_one_else_from_the_studio(ada: User, settings: Settings) -> None:
    settings.CHECKPOINT, settings.LIGHTNING_LORA = "studio.safetensors", "studio_l.safetensors"
    assert Order(prompt="a").files() == {"checkpoint": "studio.safetensors", "accelerator": "studio_l.safetensors"}
    own = ingredient("Own")
    own.version.checkpoint, own.version.lightning = "own.safetensors", "own_l.safetensors"
    named = Order(prompt="a", mix=(ingredient("Plain"), own)).files()
    assert named == {"checkpoint": "own.safetensors", "accelerator": "own_l.safetensors"}


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("prompt", {"prompt": " \n"}),
        ("shape", {"width": 56}),
        ("shape", {"width": 2056}),
        ("shape", {"height": 0}),
        ("shape", {"height": 1020}),
        ("shape", {"width": -1024}),
        ("count", {"count": 0}),
        ("count", {"count": 17}),
        ("seed", {"seed": -1}),
        ("seed", {"seed": MOST_SEED + 1}),
        ("steps", {"steps": 0}),
        ("steps", {"steps": 51}),
        ("cfg", {"cfg": -0.1}),
        ("cfg", {"cfg": 20.1}),
        ("cfg", {"cfg": float("nan")}),
        ("cfg", {"cfg": float("inf")}),
        ("denoise", {"denoise": -0.1}),
        ("denoise", {"denoise": 1.1}),
        ("denoise", {"denoise": float("nan")}),
    ],
)
def test_what_is_out_of_range_is_refused_at_its_field(ada: User, field: str, changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        orders.place(replace(Order(prompt="a"), **changes), ada)
    assert list(refused.value.message_dict) == [field]
    assert not GenerationTask.objects.exists()


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ValidationError) as refused:
        Order(prompt="", width=7, count=0, seed=-1, steps=0, cfg=-1.0, denoise=2.0).check()
    assert set(refused.value.message_dict) == {"prompt", "shape", "count", "seed", "steps", "cfg", "denoise"}


@pytest.mark.parametrize(("width", "height"), [(64, 2048), (2048, 64), (72, 1000)])
def test_sizes_are_multiples_of_8_from_64_to_2048(ada: User, width: int, height: int) -> None:
    task = orders.place(Order(prompt="a", width=width, height=height), ada)
    task.refresh_from_db()
    assert (task.width, task.height) == (width, height)


@pytest.mark.parametrize("weight", [-0.01, 2.01, float("nan"), float("inf")])
def test_weights_go_from_0_to_2(ada: User, weight: float) -> None:
    with pytest.raises(ValidationError, match="Weights go from 0 to 2"):
        orders.place(Order(prompt="a", mix=(ingredient("Ink", weight=weight),)), ada)


def test_up_to_five_styles_and_each_once(ada: User) -> None:
    six = tuple(ingredient(f"Style {number}") for number in range(6))
    assert orders.place(Order(prompt="a", mix=six[:5]), ada).mix.count() == 5
    with pytest.raises(ValidationError, match="at most 5"):
        orders.place(Order(prompt="a", mix=six), ada)
    with pytest.raises(ValidationError, match="once"):
        orders.place(Order(prompt="a", mix=(six[0], six[0])), ada)


def some_made(task: GenerationTask, *indexes: int) -> None:
    """Pretend that these pictures came before the task failed."""
    engine = Engine.objects.create(address="http://127.0.0.1:1")
    for index in indexes:
        prompt = EnginePrompt.objects.create(
            task=task, index=index, engine=engine, worker="w", lease_until=timezone.now(), state="done"
        )
        GeneratedImage.objects.create(
            task=task, index=index, prompt=prompt, file="outputs/x.png", seed=task.seeds[index],
            width=64, height=64, size=1, sha256="0" * 64, engine=engine,
        )  # fmt: skip
    task.fail("execution")


def test_retry_asks_for_the_missing_pictures_with_their_seeds(ada: User, bob: User) -> None:
    mix = (ingredient("Ink", "one, two", 0.35, frozenset({"one"})),)
    task = orders.place(Order(prompt="a", count=4, seed=10, cfg=3.0, mix=mix, reference=reference(ada)), ada)
    some_made(task, 1, 3)
    again = orders.retry(task, bob)
    again.refresh_from_db()
    assert (again.seeds, again.count, again.owner, again.retry_of) == ([10, 12], 2, bob, task)
    assert (again.status, again.progress, again.error_kind, again.version) == (Status.QUEUED, 0, "", 1)
    assert again.started_at is None and again.ended_at is None
    assert {**again.snapshot, "seeds": None} == {**task.snapshot, "seeds": None}
    assert [(row.weight, row.triggers) for row in again.mix.all()] == [(0.35, ["two"])]
    assert again.request_id != task.request_id


def test_a_picture_in_the_trash_is_not_missing(ada: User) -> None:
    task = orders.place(Order(prompt="a", count=2, seed=10), ada)
    some_made(task, 0)
    task.pictures.get().delete()
    assert orders.retry(task, ada).seeds == [11]


def test_retry_twice_makes_the_missing_pictures_once(ada: User) -> None:
    task = orders.place(Order(prompt="a", count=2), ada)
    task.fail("execution")
    assert orders.retry(task, ada).pk == orders.retry(task, ada).pk


def test_a_retry_that_failed_can_be_retried(ada: User) -> None:
    task = orders.place(Order(prompt="a", count=2), ada)
    task.fail("execution")
    again = orders.retry(task, ada)
    again.fail("execution")
    assert orders.retry(task, ada).pk not in {task.pk, again.pk}


def test_nothing_to_retry_is_said(ada: User) -> None:
    running = orders.place(Order(prompt="a"), ada)
    with pytest.raises(ValidationError, match="nothing to make again"):
        orders.retry(running, ada)
    whole = orders.place(Order(prompt="a"), ada)
    some_made(whole, 0)
    with pytest.raises(ValidationError, match="nothing to make again"):
        orders.retry(whole, ada)


def test_the_workers_hear_of_it_after_the_commit(
    ada: User, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks, noted: Noted
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        task = orders.place(Order(prompt="a"), ada)
        assert noted.jobs == []
    assert [pk for pk, _what in noted.jobs] == [task.pk]
