"""The form "New pictures" and what stands around it: mix, chips, final prompt, readiness."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import QueryDict
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from generation.engines.models import Engine
from generation.ordering import forms, order_page, orders
from generation.ordering.forms import OrderForm
from generation.ordering.orders import Ingredient, Order
from generation.pictures.models import MOST_SEED, EnginePrompt, GeneratedImage
from generation.pictures.shapes import SHAPES, nearest
from generation.recipes import registry
from styles.models import BASE_SLUG, Style

pytestmark = pytest.mark.django_db

VALID: dict[str, Any] = {
    "mode": "text", "prompt": "a red house", "shape": "1024x1024", "count": "1", "seed": "", "steps": "4", "cfg": "1",
    "sampler": "euler", "scheduler": "sgm_uniform",
}  # fmt: skip
FILES = {"checkpoints": ["sd_xl_base_1.0.safetensors"], "loras": ["sdxl_lightning_4step_lora.safetensors"]}


def posted(**more: Any) -> QueryDict:
    """A form as a browser sends it."""
    data = QueryDict(mutable=True)
    for name, value in (VALID | more).items():
        data.setlist(name, [str(one) for one in value] if isinstance(value, list) else [value])
    return data


def style(name: str, triggers: str = "", **fields: Any) -> Style:
    """A style with version 1 published."""
    made = Style.objects.create(name=name, **fields)
    made.versions.update(lora_name=f"{made.slug}.safetensors", trigger_words=triggers, default_strength=0.8)
    return Style.objects.get(pk=made.pk)


def engine(**fields: Any) -> Engine:
    """A healthy engine that has the studio's files."""
    return Engine.objects.create(**{"address": "http://10.0.0.1:1", "health": Engine.Health.OK, **FILES} | fields)


def readiness(user: User, *mix: Ingredient, count: int = 4) -> order_page.Readiness:
    """For a plain order."""
    return order_page.readiness(user, registry.default(), mix, count, "1024x1024", 4, "text")


def ingredient(of: Style, weight: float = 0.8, off: frozenset[str] = frozenset()) -> Ingredient:
    """A style in a mix."""
    assert of.version is not None
    return Ingredient(of.version, weight, off)


# From the form to the order


def test_a_valid_form_is_an_order(ada: User) -> None:
    form = OrderForm(posted(shape="832x1216", seed="0", cfg="2.5", negative=" fog "), user=ada)
    assert form.is_valid(), form.errors
    order = form.order()
    assert (order.width, order.height, order.seed, order.cfg, order.negative) == (832, 1216, 0, 2.5, "fog")
    order.check()


def test_an_empty_seed_is_a_random_one(ada: User) -> None:
    form = OrderForm(posted(seed=""), user=ada)
    assert form.is_valid() and form.order().seed is None


def test_the_largest_seed_is_taken(ada: User) -> None:
    assert OrderForm(posted(seed=str(MOST_SEED)), user=ada).is_valid()
    assert not OrderForm(posted(seed=str(MOST_SEED + 1)), user=ada).is_valid()


@pytest.mark.parametrize("shape", [shape.value for shape in SHAPES])
def test_every_offered_shape_can_be_made(ada: User, shape: str) -> None:
    form = OrderForm(posted(shape=shape), user=ada)
    assert form.is_valid()
    form.order().check()


def test_an_order_fills_the_form_and_comes_back_as_it_was(ada: User) -> None:
    order = Order(
        prompt="a", negative="b", width=1216, height=832, count=3, seed=0, steps=7, cfg=2.5, sampler="lcm",
        scheduler="karras",
    )  # fmt: skip
    values = {
        name: "" if value is None else value for name, value in forms.initial_of(order, ada).items() if name != "mix"
    }
    form = OrderForm(posted(**values), user=ada)
    assert form.is_valid(), form.errors
    assert form.order() == order


def test_a_size_that_is_no_shape_becomes_the_nearest() -> None:
    assert nearest(1000, 500).name == "16:9"
    assert nearest(64, 64).name == "1:1"
    assert all(nearest(shape.width, shape.height) == shape for shape in SHAPES)


# The mix


def test_the_mix_keeps_its_order_and_new_styles_come_last(ada: User) -> None:
    one, two, three = style("Aa"), style("Bb"), style("Cc")
    data = posted(style=[one.pk, two.pk, three.pk], order=[three.pk, two.pk])
    assert [found.version.style for found in forms.picked(data, ada)] == [three, two, one]


def test_the_base_style_and_what_is_gone_add_nothing(ada: User) -> None:
    base = Style.objects.create(name="Base", slug=BASE_SLUG, is_base=True)
    gone, kept = style("Gone"), style("Kept")
    gone.delete()
    unpublished = style("Draft")
    unpublished.versions.update(state="draft")
    data = posted(style=[base.pk, gone.pk, kept.pk, unpublished.pk, 999, "x"])
    assert [found.version.style for found in forms.picked(data, ada)] == [kept]


def test_a_style_has_its_default_strength_until_a_weight_is_chosen(ada: User) -> None:
    ink = style("Ink")
    assert [one.weight for one in forms.picked(posted(style=[ink.pk]), ada)] == [0.8]
    assert [one.weight for one in forms.picked(posted(style=[ink.pk], **{f"weight-{ink.pk}": "0"}), ada)] == [0.0]
    assert [one.weight for one in forms.picked(posted(style=[ink.pk], **{f"weight-{ink.pk}": "7"}), ada)] == [2.0]


def test_phrases_are_switched_off_for_their_own_style(ada: User) -> None:
    ink, mist = style("Ink", "wash: fine, mist"), style("Mist", "mist")
    data = posted(style=[ink.pk, mist.pk], off=[f"{ink.pk}:mist", f"{ink.pk}:wash: fine", "x:mist", "mist"])
    assert {one.version.style: one.off for one in forms.picked(data, ada)} == {
        ink: frozenset({"mist", "wash: fine"}),
        mist: frozenset(),
    }


def test_sketch_styles_are_offered_while_the_preview_engine_serves(ada: User) -> None:
    sketch = style("Sketch", preview_only=True)
    real = style("Real")
    assert forms.offered(ada) == [real]
    preview = engine(source=Engine.Source.PREVIEW)
    assert forms.offered(ada) == [real, sketch]
    Engine.objects.filter(pk=preview.pk).update(health=Engine.Health.UNREACHABLE)
    assert forms.offered(ada) == [real, sketch], "it is away for a moment, and no other one makes pictures"
    engine(address="http://10.0.0.2:1")
    assert forms.offered(ada) == [real]
    assert forms.picked(posted(style=[sketch.pk]), ada) == []
    assert preview.is_preview


def test_a_sixth_style_is_refused_by_the_form(ada: User) -> None:
    form = OrderForm(posted(style=[style(f"Style {number}").pk for number in range(6)]), user=ada)
    assert not form.is_valid() and "at most 5" in str(form.non_field_errors())


def test_chips_show_what_is_missing_from_the_prompt_on_or_off(ada: User) -> None:
    ink = style("Ink", "ink wash, mist, red house")
    mix = [ingredient(ink, off=frozenset({"mist"}))]
    around = order_page.around(OrderForm(user=ada, initial={"prompt": "a red house", "mix": mix}))
    assert [(chip.pk, chip.phrase, chip.on) for chip in around["chips"]] == [
        (ink.pk, "ink wash", True),
        (ink.pk, "mist", False),
    ]
    assert around["final_parts"] == [("ink wash", True), ("a red house", False)]
    assert [row.pk for row in around["mix"]] == [ink.pk]
    assert {choice.pk for choice in around["styles"] if choice.checked} == {ink.pk}


# Readiness


def test_a_missing_checkpoint_and_a_missing_file_are_named(ada: User) -> None:
    engine(checkpoints=[])
    found = readiness(ada, ingredient(style("Ink")))
    texts = [problem.text for problem in found.problems]
    assert any("checkpoint sd_xl_base_1.0.safetensors" in text and "models/checkpoints" in text for text in texts)
    assert any("ink.safetensors" in text and "models/loras" in text for text in texts)
    assert len(texts) == 2 and all(problem.href for problem in found.problems)


def test_a_missing_lightning_file_is_named(ada: User) -> None:
    engine(loras=[])
    [problem] = readiness(ada).problems
    assert "sdxl_lightning_4step_lora.safetensors" in problem.text


def test_one_engine_that_has_everything_is_enough(ada: User) -> None:
    engine(loras=[])
    engine(address="http://10.0.0.2:1")
    assert readiness(ada).problems == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"health": "unreachable"}, "No engine answers now"),
        ({"paused": True}, "All engines are paused"),
        ({"active": False}, "No engine answers now"),
    ],
)
def test_without_an_engine_that_is_said(ada: User, fields: dict[str, Any], words: str) -> None:
    engine(**fields)
    found = readiness(ada)
    assert words in found.wait and found.problems == []


def test_what_will_happen_is_said_in_numbers(ada: User, bob: User) -> None:
    box = engine()
    assert readiness(ada, count=1).lines == ["1 picture"]
    done = orders.place(Order(prompt="a", count=4), bob)
    for index in range(3):
        now = timezone.now()
        prompt = EnginePrompt.objects.create(
            task=done, index=index, engine=box, worker="w", lease_until=now, state="done",
            started_at=now - timedelta(seconds=20), ended_at=now,
        )  # fmt: skip
        GeneratedImage.objects.create(
            task=done, index=index, prompt=prompt, engine=box, seed=1, width=64, height=64, size=1
        )
    lines = readiness(ada, count=4).lines
    assert lines[0] == "4 pictures · about 1 min"
    assert lines[-1] == "after 1 picture"


def test_sketches_are_announced_as_such(ada: User) -> None:
    engine(source=Engine.Source.PREVIEW)
    assert any("sketches, no GPU" in line for line in readiness(ada).lines)


@given(text=st.one_of(st.text(), st.floats().map(str), st.integers().map(str), st.none()))
def test_every_weight_is_in_range(text: str | None) -> None:
    weight = forms._weight(text, 0.8)
    assert 0.0 <= weight <= 2.0
