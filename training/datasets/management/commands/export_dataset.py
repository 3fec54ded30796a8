"""`manage.py export_dataset`: write a dataset as a folder for trainers."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from stylestudio.edge import failures
from stylestudio.edge.downloads import FilesMissing
from stylestudio.images.decoding import BadPicture
from training.datasets.models import Dataset
from training.datasets.versions import layouts, snapshots


class Command(BaseCommand):
    """Pictures left out of training are left out of the export."""

    help = (
        "Write a dataset, or a frozen version of it, as a folder for trainers. Pictures that are left out of training "
        "are left out here."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument("slug", metavar="SLUG", help="short name of the dataset, as in its address")
        parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="a folder that is empty or new")
        parser.add_argument(
            "--layout",
            choices=layouts.LAYOUTS,
            default=layouts.KOHYA,
            help="for whom: kohya is a folder N_trigger with a text file beside each picture, jsonl a folder "
            "of pictures with a metadata.jsonl (default: %(default)s)",
        )
        parser.add_argument(
            "--frozen", type=int, metavar="N", help="version N, as it was frozen (default: as it is now)"
        )

    def handle(self, *args: Any, slug: str, output: Path, layout: str, frozen: int | None, **options: Any) -> None:
        """Write the files and report how many."""
        dataset = Dataset.objects.filter(slug=slug).first()
        if dataset is None:
            raise CommandError(_("There is no dataset %s.") % slug)
        try:
            if output.is_dir() and any(output.iterdir()):
                raise CommandError(_("%s is not empty.") % output)
            manifest = snapshots.present(dataset) if frozen is None else _frozen(dataset, frozen)
            count = layouts.write(layouts.files(dataset, manifest, layout), output)
        except FilesMissing as missing:
            raise CommandError(_("%s Nothing was written.") % missing) from None
        except (OSError, BadPicture) as error:
            reason = failures.plainly(error, output) if isinstance(error, OSError) else error
            raise CommandError(
                _("%(reason)s. What is in %(output)s is not whole.") % {"reason": reason, "output": output}
            ) from None
        self.stdout.write(_("%(count)d files written to %(output)s") % {"count": count, "output": output})


def _frozen(dataset: Dataset, number: int) -> snapshots.Manifest:
    found = dataset.snapshots.filter(number=number).first()
    if found is None:
        raise CommandError(_("%(dataset)s has no version %(number)d.") % {"dataset": dataset, "number": number})
    return snapshots.read(found)
