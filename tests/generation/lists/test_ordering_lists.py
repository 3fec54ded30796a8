"""A list from a pasted table to pictures: what it says before, how it is ordered, mended, made again."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from PIL import Image
from pytest_django import Settings

from generation.engines.models import Engine
from generation.lists import drafts, feeding
from generation.lists.models import ListRow, ListRun, OrderList, RowTask, WordList
from generation.lists.outcome import results, sheets
from generation.making import runner
from generation.ordering import orders
from generation.pictures.models import GeneratedImage, GenerationTask
from styles.models import Style
from stylestudio.jobs.kinds import Status
from tests.generation.browsing import signed_in

pytestmark = pytest.mark.django_db

TABLE = "name\tprompt\tseed\tstyle\tcount\nsword\tan iron sword\t7\tInk\t1\nshield\ta round shield\t8\t\t2\n"


def new(browser: Client, table: str = TABLE, **fields: Any) -> OrderList:
    """A draft as the form makes it."""
    sent = {"name": "Icons", "table": table, "recipe": "sdxl-lightning", "shape": "1:1", "visibility": "team"}
    answer = browser.post("/lists/new/", sent | fields)
    assert answer.status_code == 302, answer.content.decode()
    return OrderList.objects.get()


def make(until: int = 60) -> None:
    """What workers do."""
    for _turn in range(until):
        feeding.life.work()
        runner.work()
        if not ListRun.objects.active().exists():
            return
    raise AssertionError("The list does not end.")


def test_a_pasted_table_becomes_named_pictures(her: Client, engine: Engine, ink: Style) -> None:
    ink.versions.update(lora_name="sketch_ink.safetensors")
    found = new(her)
    page = her.get(f"/lists/{found.pk}/").content.decode()
    assert "2 jobs" in page and "3 pictures" in page and not GenerationTask.objects.exists()
    her.post(f"/lists/{found.pk}/order/")
    make()
    assert {(task.prompt, task.seed, task.count) for task in GenerationTask.objects.all()} == {
        ("an iron sword", 7, 1),
        ("a round shield", 8, 2),
    }
    assert [row.version.style for row in GenerationTask.objects.get(prompt="an iron sword").mix.all()] == [ink]
    page = her.get(f"/lists/{found.pk}/").content.decode()
    assert all(name in page for name in ("sword", "shield-1", "shield-2"))
    answer = her.post(f"/lists/{found.pk}/zip/", {"template": "{name}"})
    assert answer.status_code == 200 and 'filename="Icons.zip"' in answer.headers["Content-Disposition"]
    stored = dict(results.files(found, found.owner, "{name}", has_sidecars=False))
    assert sorted(stored) == ["shield-1.png", "shield-2.png", "sword.png"]
    run = ListRun.objects.get()
    assert (run.status, run.done, run.total, run.report["made"]) == (Status.COMPLETED, 3, 3, 3)


def test_every_bad_row_is_named_with_column_and_reason_and_nothing_is_made(her: Client, ink: Style) -> None:
    Style.objects.create(name="Secret").delete()
    table = (
        "name\tprompt\tseed\tstyle\tshape\tcount\tcfg\n"
        "ok\ta fox\t\tInk\t16:9\t2\t\n"
        "twin\ta fox\t\t\t\t\t\nTWIN\ta fox\t\t\t\t\t\n"
        "CON\ta fox\t1.2E+15\tInc\t7:7\t99\t99\n"
        "b\t\t-5\tNothing of that kind\t100x100\t0\tmuch\n"
        "c\t#REF!\t\tSecret\t\t\t\n"
    )
    found = new(her, table)
    plan = drafts.plan(found)
    wrong = {each.row.number: set(each.problems) for each in plan.bad}
    assert wrong == {
        3: {"name"},
        4: {"name"},
        5: {"name", "seed", "style", "shape", "count", "cfg"},
        6: {"seed", "style", "count", "cfg"},
        7: {"prompt", "style"},
    }
    reasons = {each.row.number: each.problems for each in plan.bad}
    assert "_CON" in reasons[5]["name"] and "Do you mean Ink?" in reasons[5]["style"] and "4" in reasons[3]["name"]
    hidden, absent = reasons[7]["style"], reasons[6]["style"]
    assert hidden.replace("Secret", "") == absent.replace("Nothing of that kind", "")  # nobody learns that it is there
    her.post(f"/lists/{found.pk}/order/")
    assert not ListRun.objects.exists() and not GenerationTask.objects.exists()
    her.post(f"/lists/{found.pk}/order/", {"leave_out": "1"})
    assert ListRun.objects.get().total == 2
    assert list(found.rows.filter(is_left_out=False).values_list("number", flat=True)) == [2]


def test_rows_are_mended_in_place(her: Client) -> None:
    found = new(her, "name\tprompt\tseed\na\ta fox\tseven\nb\tan owl\t8\n")
    page = her.get(f"/lists/{found.pk}/").content.decode()
    row = found.rows.get(position=0)
    assert f'name="cell-{row.pk}-seed"' in page and "seven" in page and "an owl" not in page
    her.post(f"/lists/{found.pk}/rows/", {f"cell-{row.pk}-seed": "7", "cell-9999-seed": "1", "cell-x-seed": "1"})
    assert not drafts.plan(found).bad and "Make 2 pictures" in her.get(f"/lists/{found.pk}/").content.decode()


def test_a_table_without_names_of_columns_asks_what_they_are(her: Client) -> None:
    found = new(her, "fox\ta red fox\t7\nowl\tan owl\t8")
    assert "Column B" in her.get(f"/lists/{found.pk}/").content.decode()
    refused = her.post(f"/lists/{found.pk}/columns/", {"column-0": "name"})
    assert refused.status_code == 422 and "which column has the prompts" in refused.content.decode()
    sent = {"column-0": "name", "column-1": "prompt", "column-2": "seed"}
    assert her.post(f"/lists/{found.pk}/columns/", sent).status_code == 302
    assert [row.cells["prompt"] for row in found.rows.all()] == ["a red fox", "an owl"]


def test_columns_that_are_not_known_are_named(her: Client) -> None:
    found = new(her, "prompt\tnotes\tprompt\na fox\tx\ty\n")
    assert found.remarks == ["These columns are not used: notes, prompt."]


def test_a_prompt_with_commas_of_its_own_is_not_cut_at_them_without_a_word(her: Client) -> None:
    found = new(her, 'name,prompt\naxe,an axe, game icon, plain ground\nbow,"a bow, game icon"\n')
    [bad] = drafts.plan(found).bad
    assert bad.told == [
        (
            "Prompt",
            "This row has more cells than there are columns. “game icon, plain ground” is left over: add it if it "
            "belongs here.",
        )
    ]
    assert drafts.plan(found).pictures == 1
    her.post(f"/lists/{found.pk}/rows/", {f"cell-{bad.row.pk}-prompt": "an axe, game icon, plain ground"})
    planned = drafts.plan(found)
    assert not planned.bad
    assert [each.order and each.order.prompt for each in planned.rows] == [
        "an axe, game icon, plain ground",
        "a bow, game icon",
    ]


def test_cells_below_no_name_are_named_and_not_used(her: Client) -> None:
    found = new(her, "name\tprompt\naxe\tan axe\tfor Ben\nbow\ta bow\n")
    assert found.remarks == ["1 row (row 2) has cells below no name, which are not used."]
    assert not drafts.plan(found).bad


def test_a_list_that_is_hidden_hides_its_work_and_says_that_pictures_stay(her: Client) -> None:
    found = new(her, "name\tprompt\na\ta fox\n")
    her.post(f"/lists/{found.pk}/order/")
    assert "Pictures that are ordered already stay" in her.get(f"/lists/{found.pk}/settings/").content.decode()
    her.post(f"/lists/{found.pk}/settings/", {"name": "Icons", "visibility": "private"})
    assert {run.visibility for run in ListRun.objects.filter(order_list=found)} == {"private"}


def test_a_table_without_prompts_says_so_once(her: Client) -> None:
    found = new(her, "name\tseed\nfox\t1\nowl\t2\n")
    assert found.remarks == [
        "No column of this table is called prompt. Paste it again with that name above the prompts."
    ]
    page = her.get(f"/lists/{found.pk}/").content.decode()
    assert found.remarks[0] in page and "Make 2 pictures" not in page


def test_too_many_pictures_are_refused_with_the_number_and_nothing_is_stored(her: Client, settings: Settings) -> None:
    for most, table, number in (
        (2000, "prompt\n" + "a fox\n" * 10_000, "10,000"),
        (100, "prompt\tcount\n" + "a fox\t16\n" * 7, "112"),
    ):
        settings.LIST_PICTURES = most
        sent = {"name": "Much", "table": table, "shape": "1:1", "visibility": "team"}
        answer = her.post("/lists/new/", sent)
        assert answer.status_code == 422 and f"asks for {number} pictures" in answer.content.decode()
        assert "a fox" in answer.content.decode()  # what was pasted is still there
    assert not OrderList.objects.exists() and not ListRow.objects.exists()


def test_rows_come_into_the_queue_a_few_at_a_time_and_each_once(her: Client, ada: User, settings: Settings) -> None:
    found = new(her, "prompt\n" + "".join(f"fox {number}\n" for number in range(50)))
    her.post(f"/lists/{found.pk}/order/")
    her.post(f"/lists/{found.pk}/order/")
    feeding.life.work()
    assert ListRun.objects.count() == 1 and GenerationTask.objects.count() == feeding.AT_ONCE
    settings.MAX_WAITING = 25
    for task in GenerationTask.objects.all()[:10]:
        task.cancel()
    for _ in range(3):
        orders.place(orders.Order(prompt="on its own"), ada)
    feeding.life.work()
    assert GenerationTask.objects.filter(prompt__startswith="fox").count() == 30
    for task in GenerationTask.objects.active():
        task.cancel()
    for _ in range(24):
        orders.place(orders.Order(prompt="on its own"), ada)
    feeding.life.work()
    assert GenerationTask.objects.filter(prompt__startswith="fox").count() == 31  # as many as one person may have


def test_a_row_that_was_stored_is_not_stored_again_after_a_crash(her: Client) -> None:
    found = new(her)
    her.post(f"/lists/{found.pk}/order/")
    feeding.life.work()
    before = set(GenerationTask.objects.values_list("pk", flat=True))
    RowTask.objects.all().delete()  # more than any crash could do: the two are stored together
    ListRun.objects.update(started_at=None)
    feeding.life.work()
    assert (
        set(GenerationTask.objects.values_list("pk", flat=True))
        == before
        == set(RowTask.objects.values_list("task", flat=True))
    )


def test_a_list_is_paused_goes_on_and_is_cancelled_as_a_whole(her: Client) -> None:
    found = new(her, "prompt\n" + "".join(f"fox {number}\n" for number in range(50)))
    her.post(f"/lists/{found.pk}/order/")
    feeding.life.work()
    her.post(f"/lists/{found.pk}/pause/")
    for task in GenerationTask.objects.all():
        task.cancel()
    feeding.life.work()
    assert GenerationTask.objects.count() == feeding.AT_ONCE
    assert "Paused" in her.get(f"/lists/{found.pk}/").content.decode()
    her.post(f"/lists/{found.pk}/pause/", {"on": "1"})
    feeding.life.work()
    assert GenerationTask.objects.count() == 2 * feeding.AT_ONCE
    her.post(f"/lists/{found.pk}/cancel/")
    feeding.life.work()
    assert not GenerationTask.objects.active().exists() and ListRun.objects.get().status == Status.CANCELLED
    assert GenerationTask.objects.count() == 2 * feeding.AT_ONCE


def test_failed_rows_are_made_again_alone_and_a_changed_row_alone(her: Client, engine: Engine) -> None:
    found = new(her, "name\tprompt\tseed\na\ta fox\t1\nb\tan owl\t2\n")
    her.post(f"/lists/{found.pk}/order/")
    feeding.life.work()
    GenerationTask.objects.get(prompt="an owl").fail("execution")
    make()
    assert ListRun.objects.get().report["made"] == 1
    assert "1 row has no picture" in her.get(f"/lists/{found.pk}/").content.decode()
    her.post(f"/lists/{found.pk}/retry/")
    make()
    run = ListRun.objects.first()
    assert run and (run.done, run.report["made"], run.report["failed"]) == (2, 2, 0)
    assert [task.prompt for task in GenerationTask.objects.order_by("pk")] == ["a fox", "an owl", "an owl"]
    row = found.rows.get(position=0)
    wrong = her.post(f"/lists/{found.pk}/rows/{row.pk}/", {f"cell-{row.pk}-name": "B"})
    assert wrong.status_code == 422 and "Row 3 has this name" in wrong.content.decode()
    her.post(f"/lists/{found.pk}/rows/{row.pk}/", {f"cell-{row.pk}-prompt": "a hare"})
    make()
    assert GenerationTask.objects.count() == 4
    shown = results.of_rows(found, list(found.rows.all()), found.owner)
    assert [each.task.prompt for each in shown if each.task] == ["a hare", "an owl"]
    assert GeneratedImage.objects.count() == 3  # the first fox stays in the gallery


def test_a_changed_row_leaves_those_alone_that_could_not_be_ordered_again(her: Client, ink: Style) -> None:
    found = new(her)
    her.post(f"/lists/{found.pk}/order/")
    feeding.life.work()
    ink.delete()
    row = found.rows.get(position=1)
    her.post(f"/lists/{found.pk}/rows/{row.pk}/", {f"cell-{row.pk}-prompt": "a square shield"})
    feeding.life.work()
    assert not found.rows.filter(is_left_out=True).exists() and RowTask.objects.filter(row__position=0).exists()
    assert GenerationTask.objects.filter(prompt="a square shield").exists()


def test_a_row_whose_style_was_deleted_meanwhile_is_named_and_the_others_are_made(her: Client, ink: Style) -> None:
    found = new(her)
    her.post(f"/lists/{found.pk}/order/")
    ink.delete()
    feeding.life.work()
    assert [task.prompt for task in GenerationTask.objects.all()] == ["a round shield"]
    page = her.get(f"/lists/{found.pk}/").content.decode()
    assert "1 row could not be ordered" in page and "Row 2: Style:" in page


def test_a_row_of_two_pictures_needs_two_names(her: Client) -> None:
    found = new(her, "name\tprompt\tcount\na\ta fox\t2\na-2\tan owl\t1\nA\tan ape\t1\n")
    assert {each.row.number for each in drafts.plan(found).bad} == {2, 3}  # a-1 and a-2, a-2; A is another name


def test_choices_follow_from_the_seed_and_stay_when_the_words_change(her: Client, curator: User) -> None:
    signed_in(curator).post("/lists/words/new/", {"name": "metals", "words": "iron\n# no word\n{old|new} copper\n"})
    table = "prompt\tseed\n" + "".join(f"a {{red|blue|green}} __metals__ sword\t{seed}\n" for seed in (1, 1, 2, 3, 4))
    found = new(her, table, chooses_words="on")
    made = [each.order.prompt for each in drafts.plan(found).rows if each.order]
    assert made[0] == made[1] and len(set(made)) > 2 and not any(set(prompt) & set("{}|_#") for prompt in made)
    her.post(f"/lists/{found.pk}/order/")
    WordList.objects.update(words="gold")
    feeding.life.work()
    assert [task.prompt for task in GenerationTask.objects.order_by("pk")] == made
    OrderList.objects.all().delete()
    plain = new(her, "prompt\na {red|blue} __metals__ sword\n")
    [only] = drafts.plan(plain).rows
    assert only.order and only.order.prompt == "a {red|blue} __metals__ sword"  # its switch is off


def test_a_grid_has_every_value_with_every_other_and_one_labelled_picture(her: Client, engine: Engine) -> None:
    sent = {
        "name": "Grid", "x": "steps", "x_values": "2, 4", "y": "prompt", "y_values": "a fox\n一只猫\nan owl",
        "z": "shape", "z_values": "1:1\n16:9", "seed": "7", "shape": "1:1", "visibility": "team",
    }  # fmt: skip
    her.post("/lists/grid/", sent)
    found = OrderList.objects.get()
    assert not drafts.plan(found).bad
    her.post(f"/lists/{found.pk}/order/")
    make()
    made = {(task.steps, task.prompt, task.width) for task in GenerationTask.objects.filter(seeds=[7])}
    assert len(made) == 12 == found.rows.count()
    page = her.get(f"/lists/{found.pk}/").content.decode()
    assert page.count("<table") == 2 and page.count("<img") == 12
    answer = her.get(f"/lists/{found.pk}/sheet/")
    sheet = Image.open(io.BytesIO(answer.content))
    assert sheet.width > 2 * 256 and sheet.height > 6 * 256
    assert sheets.undrawable(["一只猫"]) == (not any(Path(path).exists() for path in sheets.FONTS))
    refused = her.post("/lists/grid/", sent | {"y": "steps", "y_values": "3", "prompt": "a fox"})
    assert refused.status_code == 422 and "another setting" in refused.content.decode()
