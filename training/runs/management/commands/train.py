"""`manage.py train`: train a style on a dataset, from a terminal or a script."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from django.conf import settings as conf
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from styles.models import Style
from stylestudio.jobs.kinds import Status
from stylestudio.live import publisher, terminal
from stylestudio.live.terminal import NoWorker
from stylestudio.people.command_users import NobodyFound, person_for_command
from stylestudio.templatetags.studio import about
from training.datasets.models import Dataset
from training.runs import known_trainers, parameters
from training.runs.models import TrainingJob
from training.runs.placing import place_run, unfit

WIDTH = 24  # characters of the bar


class Command(BaseCommand):
    """Queue a run; with --wait follow it. Its best checkpoint becomes the style's published version."""

    help = (
        "Train a style from a dataset. The style is made if it does not exist. When the run completes, its best "
        "checkpoint (a starred one, else the last) becomes the published version of the style. Pictures that cannot "
        "be trained on (too narrow for any bucket, unreadable, or without a file) are named and nothing starts, "
        "unless they are left out."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument(
            "--dataset", required=True, metavar="SLUG", help="short name of the dataset, as in its address"
        )
        parser.add_argument("--style", required=True, metavar="NAME", help="name or short name of the style")
        parser.add_argument(
            "--preset",
            choices=list(parameters.PRESETS),
            default=parameters.DEFAULT_PRESET,
            help="how thorough (default: %(default)s)",
        )
        parser.add_argument(
            "--trainer",
            choices=[trainer.name for trainer in known_trainers.known()],
            default=known_trainers.usual().name,
            help="with what (default: %(default)s)",
        )
        parser.add_argument("--steps", type=int, metavar="N", help="how many steps (default: as the preset says)")
        parser.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="change one setting of the training; may be repeated",
        )
        parser.add_argument("--seed", type=int, metavar="N", help="seed of the training (default: a random one)")
        parser.add_argument(
            "--base",
            default="",
            metavar="FILE",
            help="base checkpoint, as the engines list it (default: that of the studio)",
        )
        parser.add_argument(
            "--leave-out", action="store_true", help="train without the pictures that cannot be trained on"
        )
        parser.add_argument("--user", metavar="NAME", help="who trains (default: the first owner)")
        parser.add_argument("--wait", action="store_true", help="follow the run; exit code 0 when it completed")
        parser.add_argument("--json", action="store_true", help="print one JSON message a line")

    def handle(self, *args: Any, **options: Any) -> None:
        """Queue the run, and wait for it if requested."""
        try:
            user = person_for_command(options["user"])
        except NobodyFound as error:
            raise CommandError(str(error)) from None
        dataset = Dataset.objects.filter(slug=options["dataset"]).first()
        if dataset is None:
            raise CommandError(_("There is no dataset with the short name %s.") % options["dataset"])
        try:
            job = self._ask(dataset, user, options)
        except ValidationError as error:
            raise CommandError(terminal.plain_words(_told(error))) from None
        publisher.publisher.flush()
        if options["wait"]:
            self._wait(job, as_json=options["json"])
        elif options["json"]:
            self.stdout.write(json.dumps(publisher.facts(job)))
        else:
            self.stdout.write(_("Run %d waits. Watch it under Training.") % job.pk)

    def _ask(self, dataset: Dataset, user: User, options: dict[str, Any]) -> TrainingJob:
        trainer = options["trainer"]
        if trainer not in known_trainers.choices():
            raise CommandError(" ".join(known_trainers.named(trainer).obstacles({})))
        values = parameters.preset_values(options["preset"], trainer, dataset.images.included().count())
        values |= dict(_pair(text, values) for text in options["set"])
        if options["steps"] is not None:
            values["steps"] = options["steps"]
            # A short run has at most as many segments as pairs of steps.
            if "segments" in values:
                values["segments"] = max(1, min(int(values["segments"]), options["steps"] // 2))
        clean = parameters.clean(trainer, values)
        for obstacle in known_trainers.named(trainer).obstacles({**clean, "base": options["base"] or conf.CHECKPOINT}):
            self.stderr.write(terminal.plain_words(obstacle))
        left_out = self._left_out(dataset, clean["resolution"], wanted=options["leave_out"])
        name = options["style"]
        style = Style.objects.filter(name=name, is_base=False).first() or Style.objects.filter(slug=name).first()
        return place_run.start(
            place_run.Plan(
                dataset=dataset,
                style=style or name,
                trainer=trainer,
                preset=options["preset"],
                values=values,
                seed=options["seed"],
                base=options["base"],
                publish_best=True,
                left_out=left_out,
            ),
            user,
        )

    def _left_out(self, dataset: Dataset, resolution: int, *, wanted: bool) -> list[int]:
        """The pictures that cannot be trained on; reports their names. Raises CommandError unless they are `wanted`
        out.
        """
        found = unfit.find(dataset, resolution)
        said = [terminal.plain_words(sentence) for sentence in unfit.sentences(found, resolution)]
        if found and not wanted:
            raise CommandError(" ".join([*said, _("Add --leave-out to train without what cannot be trained on.")]))
        for sentence in said:
            self.stderr.write(_("Left out: %s") % sentence)
        return [each.image for each in found]

    def _wait(self, job: TrainingJob, *, as_json: bool) -> None:
        try:
            job = terminal.follow_job(job, self.stdout, _bar, as_json=as_json)
        except NoWorker:
            raise CommandError(_("No worker is alive. Run %d waits until one is.") % job.pk) from None
        except BrokenPipeError:  # the reader of our output has closed it; the run goes on
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        except KeyboardInterrupt:
            self.stderr.write(_("Run %d goes on. Stop it in the studio if you do not want it.") % job.pk)
            sys.exit(130)
        if job.status != Status.COMPLETED:
            why = job.explanation if job.status == Status.FAILED else _("The run was stopped.")
            raise CommandError(terminal.plain_words(why))
        version = job.style.versions.filter(of_training__job=job).first()
        if version is None:
            raise CommandError(_("Run %d completed, but none of its checkpoints could be published.") % job.pk)
        if not as_json:
            self.stdout.write(_("%s is published.") % version)


def _told(error: ValidationError) -> str:
    """Every message, with the name of its setting."""
    if not hasattr(error, "error_dict"):
        return " ".join(error.messages)
    told = error.message_dict
    return " ".join(f"{name}: {message}" for name, messages in told.items() for message in messages)


def _pair(text: str, known: dict[str, Any]) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or name not in known:
        names = ", ".join(sorted(known))
        raise CommandError(
            _("%(text)r is no setting. Use NAME=VALUE with one of: %(names)s.") % {"text": text, "names": names}
        )
    return name, value


def _bar(job: TrainingJob) -> str:
    filled = "#" * (WIDTH * job.progress // 100)
    left = job.left_shown
    rest = ", " + _("%s left") % about(left) if left and job.is_active else ""
    return f"\r[{filled:<{WIDTH}}] {job.progress:3d} %  {job.step}/{job.steps} {job.get_status_display()}{rest}   "
