"""The form "New pictures" is sent: what comes back, what is said of mistakes, and what nonsense does."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from generation.pictures.models import EnginePrompt, GenerationTask, Reference
from styles.models import Style
from tests.generation.browsing import HTMX, VALID, adas_ticket, address, picture_of, place, signed_in, upload
from tests.pages import page

pytestmark = pytest.mark.django_db


def test_generate_answers_htmx_with_the_card_and_a_new_request_id(her: Client, ada: User, ink: Style) -> None:
    press = str(uuid.uuid4())
    data = VALID | {"request_id": press, "style": [ink.pk], f"weight-{ink.pk}": "0.35", "off": f"{ink.pk}:mist"}
    response = her.post(address("generate"), data, headers=HTMX)
    html = response.content.decode()
    task = GenerationTask.objects.get()
    assert response.status_code == 200
    assert html.strip().startswith("<article") and f'id="{task.root_id}"' in html
    renewed = re.search(r'id="request-id" value="([^"]+)"', html)
    assert renewed and uuid.UUID(renewed[1]) != uuid.UUID(press)
    assert (task.owner, task.request_id, task.seeds, task.width, task.height) == (
        ada,
        uuid.UUID(press),
        [0, 1],
        1216,
        832,
    )
    assert task.final_prompt == "ink wash, a red house"
    assert [(row.version.style, row.weight) for row in task.mix.all()] == [(ink, 0.35)]


def test_generate_without_htmx_leads_to_the_job(her: Client) -> None:
    response = her.post(address("generate"), VALID)
    task = GenerationTask.objects.get()
    assert (response.status_code, response.headers["Location"]) == (302, address("job", task.pk))
    assert "a red house" in her.get(response.headers["Location"]).content.decode()


@pytest.mark.parametrize("headers", [HTMX, {}])
def test_a_double_press_makes_one_job(her: Client, headers: dict[str, str]) -> None:
    data = VALID | {"request_id": str(uuid.uuid4())}
    first, second = (her.post(address("generate"), data, headers=headers) for _time in range(2))
    assert GenerationTask.objects.count() == 1
    assert first.status_code == second.status_code
    if headers:
        assert [set(re.findall(r'id="job-generation-\d+"', r.content.decode())) for r in (first, second)] == [
            {f'id="{GenerationTask.objects.get().root_id}"'}
        ] * 2


def test_a_form_without_a_request_id_still_works(her: Client) -> None:
    assert her.post(address("generate"), VALID | {"request_id": ""}, headers=HTMX).status_code == 200
    assert GenerationTask.objects.count() == 1


WRONG: list[tuple[str, Any]] = [
    ("prompt", ""), ("prompt", "   "), ("prompt", "x" * 5000), ("prompt", "a\0b"),
    ("negative", "x" * 5000), ("negative", "\0"),
    ("seed", "-1"), ("seed", str(10**30)), ("seed", "9" * 5000), ("seed", "abc"), ("seed", "1.5"), ("seed", "NaN"),
    ("count", "0"), ("count", "17"), ("count", "-1"), ("count", str(10**30)), ("count", "²"), ("count", ""),
    ("steps", "0"), ("steps", "51"), ("steps", "9" * 400), ("steps", "four"),
    ("cfg", "-1"), ("cfg", "NaN"), ("cfg", "inf"), ("cfg", "1e400"), ("cfg", "21"),
    ("shape", "1x1"), ("shape", ""), ("shape", "x"), ("shape", "9" * 400 + "x8"), ("shape", "1024x1024\0"),
    ("sampler", "' OR 1=1"), ("scheduler", "<b>"), ("mode", "video"), ("mode", ""),
    ("request_id", "not a uuid"), ("request_id", "9" * 5000),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value"), WRONG, ids=lambda value: repr(value)[:20])
def test_a_wrong_value_is_said_and_nothing_is_lost(her: Client, ink: Style, field: str, value: str) -> None:
    mix = {"style": [ink.pk], f"weight-{ink.pk}": "0.35", "off": f"{ink.pk}:mist"}
    response = her.post(address("generate"), VALID | {"negative": "no fog"} | mix | {field: value}, headers=HTMX)
    html = response.content.decode()
    assert response.status_code == 422
    assert not GenerationTask.objects.exists()
    assert response.headers["HX-Retarget"] == "#compose-form" and response.headers["HX-Reswap"] == "outerHTML"
    assert html.strip().startswith("<form")
    assert "Not ready yet" in html
    if field != "prompt":
        assert ">a red house</textarea>" in html
    if field != "negative":
        assert ">no fog</textarea>" in html
    if field != "shape":
        assert re.search(r'id="shape-1216x832"[^>]*\schecked', html)
    assert re.search(rf'name="weight-{ink.pk}"[^>]*\svalue="0.35"', html)
    assert f'name="off" value="{ink.pk}:mist"' in html


def test_without_htmx_the_whole_page_says_what_is_wrong(her: Client, ink: Style) -> None:
    mix = {"style": [ink.pk], f"weight-{ink.pk}": "0.35"}
    response = her.post(address("generate"), VALID | mix | {"seed": "-1", "cfg": "NaN"})
    html = response.content.decode()
    assert response.status_code == 422 and "<!doctype html>" in html
    assert 'id="seed-error"' in html and 'id="cfg-error"' in html
    assert ">a red house</textarea>" in html and re.search(r'name="seed"[^>]*\svalue="-1"', html)
    assert re.search(rf'id="style-{ink.pk}"[^>]*\schecked', html)
    assert re.search(rf'name="weight-{ink.pk}"[^>]*\svalue="0.35"', html)
    assert not GenerationTask.objects.exists()


def test_six_styles_are_too_many_and_all_are_kept(her: Client) -> None:
    styles = [Style.objects.create(name=f"Style {number}") for number in range(6)]
    response = her.post(address("generate"), VALID | {"style": [style.pk for style in styles]}, headers=HTMX)
    html = response.content.decode()
    assert response.status_code == 422 and "at most 5" in html
    assert all(f'id="weight-{style.pk}"' in html for style in styles)


ODD: list[dict[str, Any]] = [
    {"style": ["abc", "-1", "²", str(10**30), "9" * 5000, ""]},
    {"off": ["", ":", "no colon", "1:", "²:x", "x" * 5000]},
    {"order": ["abc", "9" * 5000, "²"]},
    {"weight-": "1", "weight-abc": "1", "weight-" + "9" * 40: "1"},
    {"reference_id": "²"},
    {"reference_id": str(10**30)},
    {"reference_id": "9" * 5000},
    {"reference_id": "abc\0"},
    {"denoise": "NaN"},
    {"denoise": "-inf"},
    {"drop": "x", "add": "\0", "without": "²", "dice": "1"},
    {"count": "9" * 400, "steps": "9" * 400, "shape": "9" * 400 + "x" + "9" * 400},
    {"count": "9" * 400},
    {"count": str(-(10**400))},
    {"mode": "image"},
    {"mode": "image", "reference_id": "²"},
    {"prompt": "\ud800".encode("utf-8", "surrogatepass")},
    {"prompt": ["one", "two"], "seed": ["1", "2"]},
    {"user": "1", "mix": "x", "initial": "x", "data": "x"},
]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:30])
def test_odd_values_break_nothing(her: Client, ada: User, odd: dict[str, Any]) -> None:
    for _number in range(3):  # with enough history there are estimates, which reckon with what was typed
        prompt = picture_of(place(ada, width=1216, height=832)).prompt
        EnginePrompt.objects.filter(pk=prompt.pk).update(started_at=prompt.claimed_at, ended_at=timezone.now())
    for name, headers in (("compose", HTMX), ("compose", {}), ("generate", HTMX), ("generate", {})):
        assert her.post(address(name), VALID | odd, headers=headers).status_code in {200, 302, 422}


@pytest.mark.parametrize("weight", ["NaN", "inf", "-inf", "1e400", "", "abc", "-1", "99", "²"])
def test_a_weight_that_makes_no_sense_stays_in_range(her: Client, ink: Style, weight: str) -> None:
    her.post(address("generate"), VALID | {"style": [ink.pk], f"weight-{ink.pk}": weight}, headers=HTMX)
    assert 0.0 <= GenerationTask.objects.get().mix.get().weight <= 2.0


def test_compose_answers_htmx_with_what_follows_from_the_form(her: Client, ink: Style) -> None:
    html = page(her.post(address("compose"), VALID | {"style": [ink.pk]}, headers=HTMX))
    for part in ("trigger-chips", "final-prompt", "mix", "readiness"):
        assert re.search(rf'id="{part}"[^>]*\shx-swap-oob=', html)
    assert "<mark>ink wash</mark>,<mark>mist</mark>, a red house" in html
    assert not GenerationTask.objects.exists()


def test_compose_without_htmx_is_the_studio_with_everything_typed(her: Client, ink: Style) -> None:
    data = VALID | {"style": [ink.pk], f"weight-{ink.pk}": "1.25", "negative": "no fog", "seed": "77", "count": "8"}
    html = her.post(address("compose"), data).content.decode()
    assert "<!doctype html>" in html
    assert ">a red house</textarea>" in html and ">no fog</textarea>" in html
    assert re.search(rf'name="weight-{ink.pk}"[^>]*\svalue="1.25"', html)
    assert re.search(r'name="seed"[^>]*\svalue="77"', html)
    assert re.search(r'id="count-8"[^>]*\schecked', html)
    assert re.search(rf'id="style-{ink.pk}"[^>]*\schecked', html)
    assert "This field" not in html and "Say what should be" not in html


@pytest.mark.parametrize("headers", [HTMX, {}], ids=["htmx", "plain"])
def test_the_buttons_of_the_form_do_what_they_say(her: Client, ink: Style, headers: dict[str, str]) -> None:
    data = VALID | {"style": [ink.pk]}

    def press(**more: Any) -> str:
        return her.post(address("compose"), data | more, headers=headers).content.decode()

    off = press(drop=f"{ink.pk}:mist")
    assert f'name="off" value="{ink.pk}:mist"' in off and "<mark>mist</mark>" not in off
    on = press(off=f"{ink.pk}:mist", add=f"{ink.pk}:mist")
    assert 'name="off"' not in on and "<mark>mist</mark>" in on
    assert f'id="weight-{ink.pk}"' not in press(without=str(ink.pk))
    if not headers:
        seeds = {re.findall(r'name="seed"[^>]*\svalue="(\d+)"', press(dice="1"))[0] for _time in range(3)}
        assert len(seeds) == 3


def test_without_javascript_a_chosen_file_is_kept_and_can_be_removed(her: Client) -> None:
    html = her.post(address("compose"), VALID | {"mode": "image", "reference": upload()}).content.decode()
    Reference.objects.get()
    assert f'name="reference_id" value="{adas_ticket()}"' in html
    kept = her.post(address("compose"), VALID | {"mode": "image", "reference_id": adas_ticket()}).content.decode()
    assert f'name="reference_id" value="{adas_ticket()}"' in kept
    removed = her.post(
        address("compose"), VALID | {"mode": "image", "reference_id": adas_ticket(), "clear_reference": "1"}
    ).content.decode()
    assert 'name="reference_id"' not in removed


TEXT = st.one_of(
    st.text(max_size=30),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(["", "text", "image", "1024x1024", "NaN", "1:ink wash", "²", "\0", "9" * 5000, "on", "euler"]),
)
FIELDS = st.sampled_from(
    [*VALID, "style", "off", "order", "weight-1", "weight-2", "denoise", "reference_id", "request_id", "negative",
     "drop", "add", "remove", "dice", "clear_reference", "reference"]
)  # fmt: skip


class AnythingAtAll(TestCase):
    """Whatever is posted, the answer is one of ours."""

    def setUp(self) -> None:
        self.client = signed_in(User.objects.create_user("ada"))
        style = Style.objects.create(name="Ink")
        style.versions.update(trigger_words="ink wash, mist")

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        data=st.dictionaries(FIELDS, st.lists(TEXT, max_size=3), max_size=8),
        valid=st.booleans(),
        name=st.sampled_from(["compose", "generate"]),
        htmx=st.booleans(),
    )
    def test_posting_anything_never_breaks(
        self, data: dict[str, list[str]], valid: bool, name: str, htmx: bool
    ) -> None:
        sent = {key: [text.encode("utf-8", "surrogatepass") for text in texts] for key, texts in data.items()}
        response = self.client.post(
            address(name), {**(VALID if valid else {}), **sent}, headers={"hx-request": "true"} if htmx else {}
        )
        assert response.status_code in {200, 302, 422}, response.status_code
