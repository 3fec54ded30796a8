"""The pages of trainings: who may do what, mistakes that lose nothing, and what each page shows."""

from __future__ import annotations

import asyncio
import re
import zipfile
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.test import Client

from generation.engines.models import Engine
from generation.pictures.models import GenerationTask
from styles.models import State, Style
from stylestudio.jobs.kinds import Status
from tests.pages import downloaded, tight
from tests.training.conftest import AddPicture
from tests.training.scripted import Scripted, ask, resize
from training.datasets.models import Dataset
from training.runs import known_trainers, parameters, tasks
from training.runs.models import Checkpoint, LogBlock, TrainingJob
from training.runs.placing import place_run
from training.runs.placing.forms import MOST_CARDS
from training.runs.running import checkpoints, holds, runner

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quiet")]

HTMX = {"HX-Request": "true"}
BLANK = {"style": "new", "style_name": "Gouache", "trainer": "comfyui", "preset": "quick", "probe": ["a hill", ""]}


def as_(user: User) -> Client:
    """Their browser."""
    client = Client()
    client.force_login(user)
    return client


def form(dataset: Dataset, **changes: Any) -> dict[str, Any]:
    """What the page sends: the settings of the preset, with changes."""
    shown = {"shown": f"quick comfyui {dataset.pk}", "dataset": dataset.pk}
    settings = {
        "steps": 8, "segments": 2, "rank": 4, "learning_rate": 0.0005, "batch_size": 1, "accumulation": 1,
        "resolution": 256, "loss_function": "MSE", "dtype": "bf16", "optimizer": "AdamW",
    }  # fmt: skip
    return {**BLANK, **shown, **{f"set-{name}": value for name, value in settings.items()}, **changes}


# Asking.


def test_the_form_starts_a_training(filled: Dataset, ada: User) -> None:
    answer = as_(ada).post("/training/new/", form(filled, seed="5", trigger_words="  soft   paint "))
    job = TrainingJob.objects.get()
    assert answer["Location"] == f"/training/{job.pk}/"
    assert (job.steps, job.seed, job.trigger_words, job.style.name) == (8, 5, "soft paint", "Gouache")
    assert (job.config["rank"], job.config["segments"]) == (4, 2)
    assert [prompt for prompt, _seed in job.probes] == ["a hill"]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("set-rank", "1000", "Rank: A number from"),
        ("set-rank", "x", "Rank: A number from"),
        ("set-steps", "3", "Steps: A number from 4 to"),
        ("set-segments", "8", "Each segment needs at least 2 steps."),
        ("set-resolution", "300", "The resolution is a multiple of 64."),
        ("set-dtype", "fp99", "Choose one of"),
        ("style_name", "", "Say what the new style is called."),
        ("dataset", "", "Choose a dataset"),
        ("seed", "-1", "greater than or equal to 0"),
    ],
)
def test_a_mistake_is_said_and_nothing_that_was_typed_is_lost(
    filled: Dataset, ada: User, name: str, value: str, words: str
) -> None:
    told = {**form(filled, trigger_words="kept words", **{"set-learning_rate": "0.000123"}), name: value}
    if name == "dataset":
        told["shown"] = "quick comfyui "
    answer = as_(ada).post("/training/new/", told)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert words in page
    assert tight(page).count(" autofocus") == 1 + tight(as_(ada).get("/training/new/").content.decode()).count(
        " autofocus"
    )
    assert 'value="kept words"' in page
    assert 'value="0.000123"' in page
    assert 'value="a hill"' in page
    assert not TrainingJob.objects.exists()


def test_training_the_same_dataset_again_proposes_a_new_version(filled: Dataset, ada: User) -> None:
    as_(ada).post("/training/new/", form(filled))
    style = TrainingJob.objects.get().style
    page = as_(ada).get("/training/new/", {"dataset": filled.slug}).content.decode()
    assert f'<option value="{style.slug}" selected>' in page
    answer = as_(ada).post("/training/new/", form(filled, style_name="gouache"))
    assert answer.status_code == 422
    assert "Gouache exists. Choose it under “Save as” for a new version" in answer.content.decode()
    assert as_(ada).post("/training/new/", form(filled, style=style.slug)).status_code == 302
    assert Style.objects.filter(name__iexact="gouache").count() == 1


def test_only_the_newest_datasets_are_shown_with_pictures_and_the_others_are_chosen_by_name(
    filled: Dataset, ada: User
) -> None:
    Dataset.objects.bulk_create(Dataset(name=f"Shore {n}", slug=f"shore-{n}", owner=ada) for n in range(MOST_CARDS))
    page = as_(ada).get("/training/new/").content.decode()
    assert page.count("choice with-pic") == MOST_CARDS
    shown, older = page.split("1 older dataset")
    assert f"<b>{filled.name}</b>" not in shown and f"<b>{filled.name}</b>" in older
    assert as_(ada).post("/training/new/", form(filled)).status_code == 302
    page = as_(ada).get("/training/new/", {"dataset": filled.slug}).content.decode()
    assert "older dataset" not in page
    assert page.index(f"<b>{filled.name}</b>") < page.index("<b>Shore "), "the chosen one comes first"
    assert re.search(rf'value="{filled.pk}"[^>]* checked', page)


def test_without_an_engine_nothing_starts_and_the_page_says_why(filled: Dataset, ada: User) -> None:
    class Blocked(Scripted):
        def obstacles(self, config: Any) -> list[str]:
            return ["No engine answers."]

    known_trainers.register(Blocked(lambda course: None))
    answer = as_(ada).post("/training/new/", form(filled))
    assert answer.status_code == 422
    assert re.search(r"autofocus>No engine answers\.", tight(answer.content.decode()))
    assert not TrainingJob.objects.exists()


def test_the_plan_tells_the_numbers_of_what_is_typed(filled: Dataset, ada: User) -> None:
    answer = as_(ada).post("/training/plan/", form(filled, **{"set-steps": 40, "set-segments": 4}))
    text = " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())
    assert "40 steps" in text
    assert "3, seen about 13 times each" in text
    assert "4, one every 10 steps" in text
    assert "1 picture has no caption" in text
    assert 'id="settings"' not in answer.content.decode(), "what is typed is not replaced"
    assert not TrainingJob.objects.exists()


def test_the_plan_tells_of_a_value_out_of_range_and_counts_with_that_of_the_preset(filled: Dataset, ada: User) -> None:
    answer = as_(ada).post("/training/plan/", form(filled, **{"set-steps": 3, "set-segments": 5}))
    page = answer.content.decode()
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "Not ready yet" in text and "Steps: A number from 4 to" in text
    assert 'href="#set-steps"' in page and "autofocus" not in page, "who types keeps the focus"
    steps = parameters.preset_values("quick", "comfyui", 3)["steps"]
    assert f"{steps} steps" in text and f"5, one every {steps // 5} steps" in text


def test_another_preset_replaces_the_settings(filled: Dataset, ada: User) -> None:
    answer = as_(ada).post("/training/plan/", form(filled, preset="balanced"))
    page = tight(answer.content.decode())
    assert 'id="settings" hx-swap-oob="true"' in page
    assert re.search(r'name="set-rank" value="16"', page)
    assert "800 steps" in page, "few pictures need fewer steps"


def test_a_new_run_takes_over_the_settings_of_another(job: TrainingJob, bob: User) -> None:
    TrainingJob.objects.update(config={**job.config, "rank": 7}, trigger_words="their words", base="other.safetensors")
    page = tight(as_(bob).get(f"/training/new/?from={job.pk}").content.decode())
    assert re.search(r'name="set-rank" value="7"', page)
    assert re.search(r'name="set-steps" value="8"', page)
    assert 'value="their words"' in page
    assert 'value="other.safetensors"' in page


@pytest.mark.parametrize("query", ["from=999", "from=x", "from=-1"])
def test_settings_of_nothing_are_a_page_that_is_not_there(filled: Dataset, ada: User, query: str) -> None:
    assert as_(ada).get(f"/training/new/?{query}").status_code == 404


# Rights.


def test_everybody_sees_every_page(done: TrainingJob, bob: User) -> None:
    checkpoint = done.checkpoints.first()
    assert checkpoint
    places = ["", "config/", "log/", "epochs/"]
    client = as_(bob)
    for address in ["/training/", *(f"/training/{done.pk}/{place}" for place in places)]:
        page = client.get(address)
        assert page.status_code == 200
        assert done.title in page.content.decode()
    html = client.get(f"/training/checkpoints/{checkpoint.pk}/").content.decode()
    assert "Checkpoint at step 4" in html
    assert "Use this checkpoint" not in html


ACTS = ["{job}/stop/", "{job}/resume/", "{job}/sample/", "{job}/epochs/"]
ACTS += [f"checkpoints/{{checkpoint}}/{act}/" for act in ("use", "star", "delete")]


@pytest.mark.parametrize("act", ACTS)
def test_only_its_owner_and_curators_change_a_training(
    done: TrainingJob, bob: User, curator: User, ada: User, act: str
) -> None:
    checkpoint = done.checkpoints.first()
    assert checkpoint
    address = "/training/" + act.format(job=done.pk, checkpoint=checkpoint.pk)
    before = (TrainingJob.objects.count(), GenerationTask.everything.count())
    assert as_(bob).post(address).status_code == 403
    checkpoint.refresh_from_db()
    assert (checkpoint.starred, checkpoint.deleted_at, checkpoints.used(checkpoint)) == (False, None, False)
    assert (TrainingJob.objects.count(), GenerationTask.everything.count()) == before
    for user in (ada, curator):
        assert as_(user).post(address).status_code == 302
    assert as_(ada).get(address).status_code == (200 if act.endswith("epochs/") else 405)


def test_a_private_training_is_not_there_for_others(done: TrainingJob, bob: User) -> None:
    TrainingJob.objects.update(visibility="private")
    checkpoint = done.checkpoints.first()
    assert checkpoint
    client = as_(bob)
    assert client.get(f"/training/{done.pk}/").status_code == 404
    assert client.get(f"/training/checkpoints/{checkpoint.pk}/").status_code == 404
    assert client.post(f"/training/{done.pk}/stop/").status_code == 404
    assert client.post(f"/training/checkpoints/{checkpoint.pk}/use/").status_code == 404
    assert client.get(f"/training/new/?from={done.pk}").status_code == 404
    assert done.title not in client.get("/training/").content.decode()


# Acts.


def test_stop_ends_what_waits(job: TrainingJob, ada: User) -> None:
    answer = as_(ada).post(f"/training/{job.pk}/stop/", headers=HTMX)
    assert answer["HX-Redirect"] == f"/training/{job.pk}/"
    job.refresh_from_db()
    assert job.status == Status.CANCELLED
    page = as_(ada).post(f"/training/{job.pk}/stop/", follow=True).content.decode()
    assert "It had ended already." in page


@pytest.mark.parametrize(("wish", "kept"), [("", TrainingJob.Stop.KEEP), ("force", TrainingJob.Stop.FORCE)])
def test_stop_asks_what_runs_to_end(job: TrainingJob, ada: User, wish: str, kept: str) -> None:
    holds.claim("worker")
    as_(ada).post(f"/training/{job.pk}/stop/", {"wish": wish})
    job.refresh_from_db()
    assert (job.status, job.stop) == (Status.RUNNING, kept)


def test_resume_is_a_new_training_and_what_is_done_has_nothing_to_resume(job: TrainingJob, ada: User) -> None:
    runner.stop(job, TrainingJob.Stop.KEEP)
    answer = as_(ada).post(f"/training/{job.pk}/resume/", headers=HTMX)
    again = TrainingJob.objects.get(retry_of=job)
    assert answer["HX-Redirect"] == f"/training/{again.pk}/"
    page = as_(ada).post(f"/training/{again.pk}/resume/", follow=True).content.decode()
    assert "There is nothing to resume" in page
    assert TrainingJob.objects.count() == 2


def test_a_checkpoint_becomes_a_version_with_one_press(done: TrainingJob, ada: User) -> None:
    checkpoint = done.checkpoints.last()
    assert checkpoint
    client = as_(ada)
    answer = client.post(f"/training/checkpoints/{checkpoint.pk}/use/", headers=HTMX)
    assert answer["HX-Redirect"] == done.style.get_absolute_url()
    version = done.style.versions.get()
    assert (version.number, version.state, version.step) == (1, State.PUBLISHED, 8)
    page = client.get(done.style.get_absolute_url()).content.decode()
    assert "Gouache v1 is ready." in page


def test_a_style_of_somebody_else_gets_no_version_without_a_curator(
    done: TrainingJob, ada: User, bob: User, curator: User
) -> None:
    Style.objects.filter(pk=done.style_id).update(owner=bob)
    checkpoint = done.checkpoints.last()
    assert checkpoint
    address = f"/training/checkpoints/{checkpoint.pk}/use/"
    assert as_(ada).post(address).status_code == 403
    checkpoint.refresh_from_db()
    assert not checkpoints.used(checkpoint)
    assert as_(curator).post(address).status_code == 302
    assert done.style.versions.get().step == 8


def test_a_checkpoint_can_be_kept_as_a_draft(done: TrainingJob, ada: User) -> None:
    checkpoint = done.checkpoints.last()
    assert checkpoint
    as_(ada).post(f"/training/checkpoints/{checkpoint.pk}/use/", {"draft": "1"})
    assert done.style.versions.get().state == State.DRAFT


def test_a_star_protects_a_file_and_without_it_the_file_can_go(done: TrainingJob, ada: User) -> None:
    client = as_(ada)
    checkpoint = done.checkpoints.first()
    assert checkpoint
    name = str(checkpoint.version.file.name)
    address = f"/training/checkpoints/{checkpoint.pk}"
    client.post(f"{address}/star/")
    assert "This checkpoint is protected" in client.post(f"{address}/delete/", follow=True).content.decode()
    assert default_storage.exists(name)
    client.post(f"{address}/star/")
    client.post(f"{address}/delete/")
    assert not default_storage.exists(name)
    checkpoint.refresh_from_db()
    assert checkpoint.deleted_at
    page = client.post(f"{address}/use/", follow=True).content.decode()
    assert "The file of this checkpoint was deleted." in page
    assert Checkpoint.objects.count() == 2, "its step stays in the list"


def test_samples_are_asked_for_by_hand(done: TrainingJob, ada: User) -> None:
    TrainingJob.objects.update(probes=[["a hill", 1]])
    page = as_(ada).post(f"/training/{done.pk}/sample/", follow=True).content.decode()
    assert "The samples are made now." in page
    assert set(done.samples.values_list("checkpoint__step", flat=True)) == {None, 8}


def test_the_report_asks_for_every_checkpoint_at_every_strength(done: TrainingJob, ada: User) -> None:
    TrainingJob.objects.update(probes=[["a hill", 1]])
    assert "Make 7 pictures" in as_(ada).get(f"/training/{done.pk}/epochs/").content.decode()
    as_(ada).post(f"/training/{done.pk}/epochs/")
    tasks.ask_for_report.call_local(done.pk, ada.pk)
    assert done.samples.count() == 1 + 2 * 3
    page = as_(ada).get(f"/training/{done.pk}/epochs/?prompt=5").content.decode()
    assert "pictures are still to come" in page


# What pages show.


def test_a_run_shows_its_curve_its_checkpoints_and_its_end(done: TrainingJob, ada: User) -> None:
    page = as_(ada).get(f"/training/{done.pk}/").content.decode()
    assert "The training is done." in page
    assert "The smoothed loss went from 0.094 to 0.094." in page, "both are the mean of the eight steps"
    assert "Checkpoint at step 8" in page
    for checkpoint in done.checkpoints.all():
        assert f"/training/checkpoints/{checkpoint.pk}/" in page


def test_a_failure_is_explained_with_what_was_said(job: TrainingJob, ada: User) -> None:
    job.start("worker")
    job.fail("out_of_memory", detail="CUDA <out> of memory")
    page = as_(ada).get(f"/training/{job.pk}/").content.decode()
    assert "Lower the batch size" in page
    assert "CUDA &lt;out&gt; of memory" in page
    assert "Resume from step 0" in page


def test_a_run_stopped_before_its_first_checkpoint_does_not_say_that_any_are_kept(job: TrainingJob, ada: User) -> None:
    job.start("worker")
    job.advance(step=3)
    job.cancel()
    page = as_(ada).get(f"/training/{job.pk}/").content.decode()
    assert "It had no checkpoint yet." in page and "All checkpoints are kept." not in page


def test_light_icons_are_seen_among_the_datasets_to_train_on(filled: Dataset, ada: User) -> None:
    filled.images.update(has_alpha=True, colours=[[240, 240, 240, 255]])
    behind = filled.images.earliest("position").behind
    assert behind.startswith("clear") and f'<img class="{behind}"' in as_(ada).get("/training/new/").content.decode()


def test_what_a_training_left_on_a_real_engine_is_told_when_it_has_ended(done: TrainingJob, ada: User) -> None:
    told = "output/loras/stylestudio_training"
    engine = Engine.objects.create(name="Forge", address="http://10.0.0.9:8188", source=Engine.Source.ADMIN)
    TrainingJob.objects.filter(pk=done.pk).update(engine=engine, state={"folder": "train/stylestudio_ab12", "sent": 4})
    page = as_(ada).get(done.get_absolute_url()).content.decode()
    assert "input/train/stylestudio_ab12/" in page and told not in page
    TrainingJob.objects.filter(pk=done.pk).update(state={"folder": "train/stylestudio_ab12", "file": "x.safetensors"})
    assert f"{told}{done.pk}_*.safetensors" in as_(ada).get(done.get_absolute_url()).content.decode()
    Engine.objects.filter(pk=engine.pk).update(source=Engine.Source.PREVIEW)
    assert "Left on the engine" not in as_(ada).get(done.get_absolute_url()).content.decode()


def test_two_configurations_are_compared_with_what_differs_first(done: TrainingJob, filled: Dataset, ada: User) -> None:
    other = ask(filled, ada, steps=12, style=done.style, seed=done.seed)
    page = tight(as_(ada).get(f"/training/{done.pk}/config/?with={other.pk}").content.decode())
    table = page.partition("Configuration</caption>")[2].partition("</table>")[0]
    rows = re.findall(r'<tr( class="dim")?><th scope="row"[^>]*>([^<]+)</th>(.*?)</tr>', table)
    differing = {label: re.findall(r"<(?:ins|del)>([^<]*)", cells) for dim, label, cells in rows if not dim}
    assert differing == {"Steps": ["8", "12"]}
    assert [bool(dim) for dim, _label, _cells in rows] == sorted(bool(dim) for dim, _label, _cells in rows)
    assert len(rows) > 10
    alone = as_(ada).get(f"/training/{done.pk}/config/").content.decode()
    assert "<ins>" not in alone
    assert as_(ada).get(f"/training/{done.pk}/config/?with=999").status_code == 404


def test_the_log_shows_its_end_and_downloads_whole(done: TrainingJob, ada: User) -> None:
    LogBlock.objects.create(job=done, text="<b>loud</b>")
    page = as_(ada).get(f"/training/{done.pk}/log/").content.decode()
    assert "said at 4" in page
    assert "&lt;b&gt;loud" in page
    answer = as_(ada).get(f"/training/{done.pk}/log/?all=1")
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert f'filename="training-{done.pk}.log"' in answer["Content-Disposition"]
    lines = answer.content.decode().splitlines()
    assert [lines.index("said at 4") < lines.index("said at 8"), lines[-1]] == [True, "<b>loud</b>"]


def test_older_runs_stand_on_the_next_page(filled: Dataset, ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.runs.views.PAGE", 2)
    jobs = [ask(filled, ada, style=f"Style {number}") for number in range(3)]
    first = as_(ada).get("/training/").content.decode()
    assert jobs[2].title in first
    assert jobs[0].title not in first
    [before] = re.findall(r'href="\?before=(\d+)"', first)
    assert jobs[0].title in as_(ada).get(f"/training/?before={before}").content.decode()


def test_without_trainings_the_page_says_what_one_is(ada: User) -> None:
    assert "Teach it a style of your own" in as_(ada).get("/training/").content.decode()


async def alist(pieces: AsyncIterator[bytes]) -> list[bytes]:
    """What comes in, in order."""
    return [piece async for piece in pieces]


def test_a_run_with_sd_scripts_leaves_with_pictures_captions_and_the_command(
    dataset: Dataset, add: AddPicture, ada: User
) -> None:
    filled = dataset
    for caption in ("red hills", "blue hills"):
        add(caption, width=192, height=128)
    values = parameters.preset_values("quick", "kohya")
    plan = place_run.Plan(dataset=filled, style="Elsewhere", trainer="kohya", preset="quick", values=values)
    job = place_run.start(plan, ada)
    client = as_(ada)
    assert f"/training/{job.pk}/export/" in client.get(f"/training/{job.pk}/config/").content.decode()
    answer = client.get(f"/training/{job.pk}/export/")
    data = asyncio.run(downloaded(answer))
    with zipfile.ZipFile(BytesIO(data)) as archive:
        names = archive.namelist()
        assert {"train.sh", "READ ME.txt"} <= set(names)
        pictures = [name for name in names if name.endswith(".png")]
        assert len(pictures) == filled.images.included().count()
        captions = [archive.read(name).decode() for name in names if name.endswith(".txt") and "/" in name]
        assert all(text.startswith(filled.trigger_words) for text in captions)


def test_only_runs_with_sd_scripts_are_exported_so(job: TrainingJob, ada: User) -> None:
    assert as_(ada).get(f"/training/{job.pk}/export/").status_code == 404


def test_a_picture_that_no_bucket_holds_is_named_and_nothing_leaves(filled: Dataset, ada: User) -> None:
    values = parameters.preset_values("quick", "kohya")
    plan = place_run.Plan(dataset=filled, style="Elsewhere", trainer="kohya", preset="quick", values=values)
    job = place_run.start(plan, ada)
    resize(job, 1, 64, 48)
    answer = as_(ada).get(f"/training/{job.pk}/export/", follow=True)
    assert "Picture 0001 is 64x48 pixels: no bucket is that small." in answer.content.decode()
