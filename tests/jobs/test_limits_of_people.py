"""What one person may have waiting and running at a time: pictures and trainings, by page and by command."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from generation.engines.models import Engine
from generation.ordering import orders
from generation.ordering.orders import Order
from generation.pictures.models import GenerationTask
from styles.models import Style
from stylestudio.jobs import kinds
from stylestudio.models import Worker
from tests.training.conftest import add, dataset, quiet  # noqa: F401 - fixtures
from tests.training.conftest import engine as training_engine  # noqa: F401
from tests.training.runs.test_training_pages import form
from tests.training.scripted import Scripted, ask
from training.datasets.models import Dataset
from training.runs import known_trainers
from training.runs.models import TrainingJob
from training.runs.placing import place_run
from training.runs.running import holds

pytestmark = pytest.mark.django_db

FORM = {
    "mode": "text", "prompt": "a red house", "shape": "1024x1024", "count": "1", "steps": "4", "cfg": "1",
    "sampler": "euler", "scheduler": "sgm_uniform",
}  # fmt: skip
HTMX = {"HX-Request": "true"}
MOST = "2 jobs of yours are waiting, which is the most for one person here."


@pytest.fixture(autouse=True)
def limits(settings: Settings) -> None:
    """Two waiting, one running."""
    settings.MAX_WAITING, settings.MAX_RUNNING = 2, 1


@pytest.fixture
def filled(dataset: Dataset, add: Callable[..., object], training_engine: Engine, quiet: None) -> Dataset:  # noqa: F811
    """A dataset with pictures, and an engine that trains."""
    add("red hills")
    add("blue hills")
    known_trainers.register(Scripted(lambda course: None))
    return dataset


def place(user: User) -> GenerationTask:
    """An order."""
    return orders.place(Order(prompt="a red house", width=64, height=64), user)


@pytest.mark.parametrize("headers", [HTMX, {}], ids=["htmx", "plain"])
def test_at_the_limit_the_form_says_how_many_wait_and_loses_nothing(
    ada: User, bob: User, headers: dict[str, str]
) -> None:
    client = Client()
    client.force_login(ada)
    for _time in range(2):
        assert client.post("/generate", FORM, headers=headers).status_code in {200, 302}
    refused = client.post("/generate", FORM | {"negative": "no fog"}, headers=headers)
    html = refused.content.decode()
    assert refused.status_code == 422
    assert MOST in html and "Queue page" in html
    assert "a red house" in html and "no fog" in html
    assert GenerationTask.objects.count() == 2
    place(bob)  # the limit is one person's
    GenerationTask.objects.filter(owner=ada).earliest("pk").start("w")
    assert client.post("/generate", FORM, headers=headers).status_code in {200, 302}


def test_the_same_press_again_is_answered_with_its_job_also_at_the_limit(ada: User) -> None:
    press = uuid.uuid4()
    place(ada)
    last = orders.place(Order(prompt="last"), ada, request_id=press)
    assert orders.place(Order(prompt="last"), ada, request_id=press) == last


def test_a_retry_at_the_limit_says_why_in_the_corner(ada: User) -> None:
    failed = place(ada)
    failed.fail("execution")
    place(ada)
    place(ada)
    client = Client()
    client.force_login(ada)
    html = client.post(f"/jobs/{failed.pk}/retry/", headers=HTMX).content.decode()
    assert MOST in html and 'id="toast"' in html and failed.root_id in html
    assert GenerationTask.objects.filter(retry_of=failed).count() == 0


def test_trainings_and_pictures_wait_under_one_limit(ada: User, filled: Dataset) -> None:
    ask(filled, ada)
    place(ada)
    with pytest.raises(ValidationError, match=MOST):
        ask(filled, ada)
    with pytest.raises(ValidationError, match=MOST):
        place(ada)
    assert (TrainingJob.objects.count(), GenerationTask.objects.count()) == (1, 1)


def test_a_refused_training_makes_no_style_and_no_version_of_the_dataset(ada: User, filled: Dataset) -> None:
    place(ada)
    place(ada)
    before = Style.everything.count()
    with pytest.raises(ValidationError, match=MOST):
        ask(filled, ada)
    assert Style.everything.count() == before and filled.snapshots.count() == 0


def test_the_training_page_says_it_and_keeps_what_was_typed(ada: User, filled: Dataset) -> None:
    place(ada)
    place(ada)
    client = Client()
    client.force_login(ada)
    answer = client.post("/training/new/", form(filled, style_name="Gouache of mine"))
    assert answer.status_code == 422
    assert MOST in answer.content.decode() and "Gouache of mine" in answer.content.decode()


def test_resuming_at_the_limit_is_refused_in_words(ada: User, filled: Dataset) -> None:
    job = ask(filled, ada)
    job.cancel()
    place(ada)
    place(ada)
    with pytest.raises(ValidationError, match=MOST):
        place_run.resume(job, ada)


def test_what_the_program_makes_by_itself_is_neither_counted_nor_refused(ada: User) -> None:
    for number in range(3):
        orders.place(Order(prompt=f"a preview {number}"), ada, is_face=True)
    place(ada)
    place(ada)
    orders.place(Order(prompt="one more preview"), ada, is_face=True)
    with pytest.raises(ValidationError, match=MOST):
        place(ada)


def test_the_commands_say_it_too(ada: User, filled: Dataset) -> None:
    place(ada)
    place(ada)
    Worker.objects.create(name="w", started_at=timezone.now(), heartbeat_at=timezone.now())
    with pytest.raises(CommandError, match=MOST):
        call_command("generate", prompt="x", user="ada")
    with pytest.raises(CommandError, match=MOST):
        call_command("train", dataset=filled.slug, style="New one", preset="quick", user="ada")


def test_of_one_persons_trainings_no_more_run_than_allowed(ada: User, bob: User, filled: Dataset) -> None:
    Engine.objects.create(**{
        name: getattr(Engine.objects.get(), name) for name in ("health", "checkpoints", "node_classes", "source")
    }, address="http://127.0.0.1:8")  # fmt: skip
    one, two = ask(filled, ada), ask(filled, ada)
    assert holds.claim("w") == one
    assert holds.claim("w") is None
    two.refresh_from_db()
    assert two.is_held_back
    his = ask(filled, bob)
    assert holds.claim("w") == his
    one.refresh_from_db()
    one.complete()
    holds.let_go(one)
    assert holds.claim("w") == two


def test_a_training_that_runs_does_not_keep_its_owner_from_pictures(ada: User, filled: Dataset) -> None:
    job = ask(filled, ada)
    assert holds.claim("w") == job
    assert kinds.may_run(place(ada))


@pytest.mark.django_db(transaction=True)
def test_several_requests_at_once_do_not_pass_the_limit(ada: User) -> None:
    ready = threading.Barrier(4)
    refused: list[ValidationError] = []

    def press() -> None:
        ready.wait()
        try:
            place(ada)
        except ValidationError as error:
            refused.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=press) for _one in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (GenerationTask.objects.count(), len(refused)) == (2, 2)
