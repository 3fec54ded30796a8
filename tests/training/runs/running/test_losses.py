"""Losses: kept, smoothed, drawn."""

from __future__ import annotations

import re
import time

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.template.loader import render_to_string
from django.test import Client
from hypothesis import example, given
from hypothesis import strategies as st

from generation.engines.models import Engine
from tests.training.conftest import AddPicture
from tests.training.scripted import ask
from training.datasets.models import Dataset
from training.runs.models import LossBlock, TrainingJob
from training.runs.running import loss_curve, losses

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quiet")]


@pytest.fixture
def job(dataset: Dataset, add: AddPicture, ada: User, engine: Engine) -> TrainingJob:
    add("red hills")
    return ask(dataset, ada, steps=1000)


def kept(job: TrainingJob) -> list[tuple[int, float]]:
    steps, values = loss_curve.read(job)
    return [(int(step), round(float(value), 4)) for step, value in zip(steps, values, strict=True)]


def test_single_steps_become_one_block(job: TrainingJob) -> None:
    for step in range(1, 21):
        losses.append(job, step, [step / 10])
    assert kept(job) == [(step, step / 10) for step in range(1, 21)]
    assert LossBlock.objects.filter(job=job).count() == 1


def test_steps_that_are_done_again_replace_what_was(job: TrainingJob) -> None:
    losses.append(job, 1, [1.0, 2.0, 3.0, 4.0])
    losses.append(job, 3, [9.0])
    assert kept(job) == [(1, 1.0), (2, 2.0), (3, 9.0)]
    losses.forget(job, 2)
    assert kept(job) == [(1, 1.0)]


def test_losses_that_are_no_numbers_are_left_out(job: TrainingJob) -> None:
    losses.append(job, 1, [1.0, float("nan"), float("inf"), 2.0])
    assert kept(job) == [(1, 1.0), (4, 2.0)]


def test_a_resumed_training_shows_the_whole_way(job: TrainingJob, ada: User, tmp_path: object) -> None:
    from styles.models import StyleVersion
    from training.runs.models import Checkpoint
    from training.runs.placing import place_run

    losses.append(job, 1, [1.0, 2.0, 3.0])
    version = StyleVersion.objects.create(style=job.style, number=0)
    Checkpoint.objects.create(job=job, step=2, version=version)
    job.fail("internal")
    again = place_run.resume(job, ada)
    losses.append(again, 3, [7.0, 8.0])
    assert kept(again) == [(1, 1.0), (2, 2.0), (3, 7.0), (4, 8.0)]


@given(st.lists(st.floats(0, 10), min_size=1, max_size=60), st.integers(1, 70))
def test_smoothing_is_the_mean_of_the_last_values(values: list[float], window: int) -> None:
    smoothed = loss_curve.smooth(np.array(values), window)
    for at in range(len(values)):
        assert smoothed[at] == pytest.approx(np.mean(values[max(0, at - window + 1) : at + 1]))


def test_the_drawing_names_what_it_shows_and_has_a_table(job: TrainingJob) -> None:
    losses.append(job, 1, [1.0 - step / 2000 for step in range(400)])
    html = render_to_string("training/runs/_loss_chart.html", {"job": job, "chart": loss_curve.chart(job)})
    assert 'role="img"' in html
    assert "The smoothed loss went from 0.988 to 0.813" in html
    assert html.count("<tr>") == 1 + loss_curve.MOST_ROWS
    assert "<title>Step 398: loss 0.8017, smoothed 0.813" in html and '<th scope="row">400</th>' in html


def test_the_strips_that_show_values_cover_the_curve_and_end_at_its_axis(job: TrainingJob) -> None:
    losses.append(job, 1, [1.0 - step / 2000 for step in range(400)])
    chart = loss_curve.chart(job)
    assert chart is not None
    html = render_to_string("training/runs/_loss_chart.html", {"job": job, "chart": chart})
    strips = re.findall(r'<rect class="hover" x="[\d.]+" y="(\d+)"\s+width="[\d.]+" height="(\d+)"', html)
    [(top, height)] = {(int(top), int(height)) for top, height in strips}
    assert len(strips) == loss_curve.HOVERS
    assert top + height == chart.bottom, "the numbers of the axis stand below"
    places = [float(place) for place in re.findall(r" ([\d.]+)", chart.raw)]
    assert (min(places), max(places)) == (top, top + height)


def test_a_loss_that_never_changes_is_drawn(job: TrainingJob) -> None:
    losses.append(job, 1, [0.5] * 10)
    chart = loss_curve.chart(job)
    assert chart is not None
    assert "nan" not in chart.raw


def test_fifty_thousand_points_are_light_and_quick(
    client: Client, dataset: Dataset, add: AddPicture, ada: User, engine: Engine
) -> None:
    add("red hills")
    job = ask(dataset, ada, steps=50_000)
    numbers = np.random.default_rng(7).normal(0.1, 0.03, 50_000)
    for first in range(0, 50_000, losses.BLOCK):
        losses.append(job, first + 1, list(numbers[first : first + losses.BLOCK]))
    client.force_login(ada)
    client.get(job.get_absolute_url())
    begun = time.perf_counter()
    page = client.get(job.get_absolute_url())
    took = time.perf_counter() - begun
    assert 'class="calm w200"' in page.content.decode()
    assert len(page.content) < 200_000
    assert took < 0.5, f"{took:.3f} s; 0.1 s on a machine that does nothing else"


@example(1.0, 401.0, 2)
@given(st.floats(-5, 5), st.floats(0.001, 1000), st.integers(2, 8))
def test_axes_have_a_few_round_numbers_within_their_ends(low: float, width: float, about: int) -> None:
    numbers = loss_curve._round_numbers(low, low + width, about)
    assert 1 <= len(numbers) <= about + 1
    assert numbers[0] >= low - width / 1000
    assert numbers[-1] <= low + width * 1.001
    steps = np.diff(numbers)
    assert np.allclose(steps, steps[:1])
