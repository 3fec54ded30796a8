"""`manage.py generate`: order pictures from a terminal or a script, and wait for them."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from generation.ordering import orders
from generation.ordering.asked_pictures import command as asked_options
from generation.ordering.control_form import command as control_options
from generation.ordering.orders import Ingredient, Order
from generation.pictures.models import MOST_PICTURES, GeneratedImage, GenerationTask
from generation.pictures.prompts import Frame
from generation.recipes import registry
from generation.recipes.recipe import Recipe
from styles.models import Preset, Style
from stylestudio.edge import failures
from stylestudio.jobs.kinds import Status
from stylestudio.live import publisher, terminal
from stylestudio.live.terminal import NoWorker
from stylestudio.models import Worker
from stylestudio.people.command_users import NobodyFound, person_for_command
from stylestudio.processes import tasks

MOST = 1000  # pictures of one command
AHEAD = 3  # jobs that wait behind the one that is followed, so that engines go from one to the next without a pause


def size(text: str) -> tuple[int, int]:
    """Parse 1024x1024 or 1024×1024."""
    width, x, height = text.lower().replace("×", "x").partition("x")
    if not (x and width.isascii() and width.isdigit() and height.isascii() and height.isdigit()):
        raise argparse.ArgumentTypeError(_("%r is no size. Use one such as 1216x832.") % text)
    return int(width), int(height)


def known_recipe(text: str) -> str:
    """The name of a recipe that pictures can be made by now."""
    if text not in registry.shipped() and text not in (known := registry.current()):
        raise argparse.ArgumentTypeError(f"invalid choice: {text!r} (choose from {', '.join(known)})")
    return text


def weighted(text: str) -> tuple[str, float | None]:
    """Parse a style's short name with an optional weight, such as ink-mist:0.8."""
    slug, colon, weight = text.partition(":")
    try:
        return slug, float(weight) if colon else None
    except ValueError:
        raise argparse.ArgumentTypeError(_("%r is no weight. Use one such as 0.8.") % weight) from None


def setting(text: str) -> tuple[str, str]:
    """Parse a setting of a recipe, such as clip_skip=1."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(_("%r is no setting. Use one such as clip_skip=1.") % text)
    return name, value


class Command(BaseCommand):
    """Queue jobs, show their progress, save their pictures. Exit code 0 only if all were made."""

    help = (
        "Make pictures from a terminal or a script, with a progress bar, while the studio (or a worker) runs. The "
        "exit code is 0 only when all pictures came. Ctrl-C stops waiting (exit code 130), and the job goes on."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument("--prompt", required=True, metavar="TEXT", help="what should be in the picture")
        parser.add_argument(
            "--english",
            default="",
            metavar="TEXT",
            help="the prompt in English, which the model is given in its place; both stay with the picture",
        )
        parser.add_argument(
            "--style",
            action="append",
            type=weighted,
            default=[],
            metavar="SLUG[:WEIGHT]",
            help="a style by the short name in its address, with a weight, such as ink-mist:0.6; up to five times",
        )
        parser.add_argument(
            "--preset",
            metavar="NAME",
            help="a preset of the first style that has one of this name, without styles one of the base style; "
            "other options count more",
        )
        parser.add_argument(
            "--size", type=size, metavar="WIDTHxHEIGHT", help="multiples of 8 from 64 to 2048 (default: 1024x1024)"
        )
        parser.add_argument(
            "--count",
            type=int,
            default=1,
            metavar="N",
            help=f"how many pictures, 1 to {MOST} (default: %(default)s); more than {MOST_PICTURES} become several "
            "jobs, one after another",
        )
        parser.add_argument(
            "--seed",
            type=int,
            metavar="N",
            help="seed of the first picture; each further one has the next (default: a random one)",
        )
        parser.add_argument(
            "--recipe",
            type=known_recipe,
            default=registry.DEFAULT,
            metavar="NAME",
            help=f"how the pictures are made: {', '.join(registry.shipped())}, or a published one of the studio's own "
            "(default: %(default)s)",
        )
        parser.add_argument("--cut-out", action="store_true", help="cut each picture out as well, once it is made")
        parser.add_argument("--steps", type=int, metavar="N", help="sampling steps (default: those of the recipe)")
        parser.add_argument("--cfg", type=float, metavar="X", help="guidance (default: that of the recipe)")
        parser.add_argument(
            "--sampler", metavar="NAME", help="how noise becomes a picture (default: that of the recipe)"
        )
        parser.add_argument(
            "--scheduler", metavar="NAME", help="how the steps are spread (default: that of the recipe)"
        )
        parser.add_argument(
            "--negative", metavar="TEXT", help="what should not be in it; only heard with a cfg other than 1"
        )
        parser.add_argument(
            "--set",
            action="append",
            type=setting,
            default=[],
            metavar="NAME=VALUE",
            help="another setting of the recipe, such as clip_skip=1; as often as needed",
        )
        parser.add_argument("--reference", type=Path, metavar="FILE", help="start from a PNG, JPEG or WebP")
        asked_options.add_arguments(parser)
        control_options.add_arguments(parser)
        parser.add_argument(
            "--denoise",
            type=float,
            metavar="0..1",
            help="how much to change the reference (default: that of the recipe)",
        )
        parser.add_argument("--user", metavar="NAME", help="whose job it is (default: the first owner)")
        parser.add_argument(
            "--output", type=Path, metavar="DIR", help="save the pictures there, as JOB-NUMBER-SEED.png"
        )
        parser.add_argument(
            "--json", action="store_true", help="print messages for scripts, one a line, in place of the bar"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Queue, wait, save."""
        try:
            user = person_for_command(options["user"])
        except NobodyFound as error:
            raise CommandError(str(error)) from None
        if not Worker.objects.alive().exists():
            raise CommandError(_("No worker is alive. Start the studio with: python3 run.py"))
        publisher.publisher.hand_over = tasks.push_new
        waiting, placed = deque(_shares(_order(options, user))), deque[GenerationTask]()
        while waiting or placed:
            _place(waiting, placed, user)
            task = self._follow(placed, as_json=options["json"])
            placed.popleft()
            try:
                self._finish(task, options["output"], quiet=options["json"])
            except CommandError:
                self._say_what_goes_on(placed)
                raise

    def _follow(self, placed: Sequence[GenerationTask], *, as_json: bool) -> GenerationTask:
        """Print the progress of the first job until it ends. Raises CommandError."""
        try:
            return terminal.follow_job(placed[0], self.stdout, _bar, as_json=as_json)
        except NoWorker:
            raise CommandError(_("No worker is alive any more. Job %d waits until one is.") % placed[0].pk) from None
        except BrokenPipeError:  # the reader of our output has closed it; the jobs go on
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        except KeyboardInterrupt:
            self._say_what_goes_on(placed)
            sys.exit(130)

    def _say_what_goes_on(self, placed: Sequence[GenerationTask]) -> None:
        for task in placed:
            self.stderr.write(_("Job %d goes on. Cancel it in the studio if you do not want it.") % task.pk)

    def _finish(self, task: GenerationTask, folder: Path | None, *, quiet: bool) -> None:
        """Save the pictures of an ended job. Raises CommandError unless all came."""
        if folder:
            self._save(task, folder, quiet=quiet)
        if odd := task.odd_sizes_text:
            self.stderr.write(odd)
        if task.status != Status.COMPLETED:
            raise CommandError(terminal.plain_words(_why(task)))

    def _save(self, task: GenerationTask, folder: Path, *, quiet: bool) -> None:
        """Copy the finished pictures, of a failed job too."""
        for picture in task.pictures.order_by("index"):
            target = folder / f"{task.pk}-{picture.index + 1}-{picture.seed}{Path(str(picture.file.name)).suffix}"
            data = _read(picture)
            try:
                folder.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
            except OSError as error:
                raise CommandError(
                    _("The pictures are in the studio, but could not be written to %(folder)s: %(error)s")
                    % {"folder": folder, "error": error.strerror or error}
                ) from None
            if not quiet:
                self.stdout.write(str(target))


def _shares(order: Order) -> list[Order]:
    """The order in parts that one job may have, with seeds that go on from part to part. Raises CommandError."""
    if not 1 <= order.count <= MOST:
        raise CommandError(_("Choose 1 to %d pictures.") % MOST)
    first = secrets.randbelow(orders.RANDOM_SEEDS) if order.seed is None else order.seed
    shares = [
        replace(order, seed=first + done, count=min(MOST_PICTURES, order.count - done))
        for done in range(0, order.count, MOST_PICTURES)
    ]
    try:
        for share in shares:
            share.check()
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from None
    return shares


def _place(waiting: deque[Order], placed: deque[GenerationTask], user: User) -> None:
    """Place the next orders, unless enough jobs wait, or as many as a person may have. Raises CommandError."""
    while waiting and len(placed) <= AHEAD:
        try:
            placed.append(orders.place(waiting[0], user))
        except ValidationError as error:
            if placed:
                return  # there may be room when the first of them has ended
            raise CommandError(" ".join(error.messages)) from None
        waiting.popleft()


def _read(picture: GeneratedImage) -> bytes:
    try:
        with picture.file.open("rb") as source:
            return bytes(source.read())
    except OSError as error:
        raise CommandError(
            _("Picture %(number)d is made, but cannot be read in the studio: %(error)s")
            % {"number": picture.index + 1, "error": failures.plainly(error, picture.file.name)}
        ) from None


def _order(options: dict[str, Any], user: User) -> Order:
    mix = [one for one in (_ingredient(slug, weight) for slug, weight in options["style"]) if one]
    recipe = registry.named(options["recipe"])
    # Options given besides a preset override it. Its steps are those of the default recipe.
    usual = _preset(options["preset"], mix) if options["preset"] is not None else Preset()
    values = recipe.defaults
    if options["preset"] is not None:
        values["negative"] = usual.negative
        values |= {"steps": usual.steps} if recipe.name == registry.DEFAULT else {}
    values |= {name: options[name] for name in orders.COLUMNS if options[name] is not None}
    values |= dict(_set(recipe, options["set"]))
    width, height = options["size"] or (usual.width, usual.height)
    reference = asked_options.of_file(options["reference"], user) if options["reference"] else None
    given = control_options.given(options, reference, recipe, (width, height), user)
    return Order(
        prompt=options["prompt"],
        english=options["english"],
        recipe=recipe,
        **orders.told(values),
        width=width,
        height=height,
        count=options["count"],
        seed=options["seed"],
        reference=reference,
        given=replace(given, asked=asked_options.taken(options["picture"], recipe, user)),
        mix=tuple(mix),
        frame=Frame(usual.prefix, usual.suffix, usual.name),
        cut_out=options["cut_out"],
    )


def _set(recipe: Recipe, pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[str, Any]]:
    """The values of --set, as the recipe reads them. Raises CommandError."""
    for name, text in pairs:
        field = recipe.fields.get(name)
        if field is None:
            raise CommandError(_("%(recipe)s has no setting %(name)s.") % {"recipe": recipe.name, "name": name})
        if (value := field.read(text)) is None:
            raise CommandError(field.problem(text))
        yield name, value


def _preset(name: str, mix: Sequence[Ingredient]) -> Preset:
    """The preset of this name from the first style that has one; without styles, from the base style."""
    styles = [ingredient.version.style for ingredient in mix] or list(Style.objects.filter(is_base=True))
    found = {preset.style_id: preset for preset in Preset.objects.filter(style__in=styles, name=name)}
    for style in styles:
        if style.pk in found:
            return found[style.pk]
    titles = ", ".join(style.title for style in styles)
    raise CommandError(_("There is no preset called %(name)s for %(styles)s.") % {"name": name, "styles": titles})


def _ingredient(slug: str, weight: float | None) -> Ingredient | None:
    style = Style.objects.prefetch_related("versions").filter(slug=slug).first()
    if style is None or style.version is None:
        raise CommandError(_("There is no style called %s.") % slug)
    if style.is_base:
        return None
    return Ingredient(style.version, style.version.default_strength if weight is None else weight)


def _bar(task: GenerationTask, width: int = 30) -> str:
    full = width * task.progress // 100
    words = str(task.get_status_display())
    if task.status == Status.RUNNING and task.making is not None:
        words = _("step %(step)d of %(steps)d · picture %(picture)d of %(count)d") % {
            "step": task.step,
            "steps": task.steps,
            "picture": task.picture_number,
            "count": task.count,
        }
    return f"\r[{'#' * full}{'.' * (width - full)}] {task.progress:3d} % {words:<40}"


def _why(task: GenerationTask) -> str:
    made = ngettext("%(made)d of %(count)d picture came.", "%(made)d of %(count)d pictures came.", task.count) % {
        "made": task.saved,
        "count": task.count,
    }
    if task.status == Status.CANCELLED:
        return _("The job was cancelled.") + " " + made
    return " ".join(filter(None, [task.explanation, task.error, task.remedy, made]))
