"""Tags of captions that people are offered while they write a prompt.

Captions of a dataset are counted when it was changed since. A question counts a few datasets at most, the last changed
ones first, and those that come after it the others: however many there are, nobody waits for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from threading import Lock

from django.contrib.auth.models import User

from training.datasets.captions import tags
from training.datasets.captions.tags import TagCount
from training.datasets.models import Dataset, DatasetImage

MOST_DATASETS = 200  # the last changed ones that a person may see
MOST_TAGS = 200  # the most frequent ones of a dataset
AT_ONCE = 2  # datasets that are counted while somebody waits

_counted: dict[int, tuple[datetime, list[TagCount]]] = {}  # by dataset: when it was last changed, and its tags
_lock = Lock()


def caption_words(person: User) -> Iterator[tuple[str, int]]:
    """Tags with the number of captions that have them, of each dataset that `person` may see."""
    newest = Dataset.objects.visible_to(person).order_by("-updated_at", "-pk")
    left = AT_ONCE
    for pk, changed in newest.values_list("pk", "updated_at")[:MOST_DATASETS]:
        known = _counted.get(pk)
        if (known is None or known[0] != changed) and left:
            left -= 1
            known = _count(pk, changed, person)
        for counted in known[1] if known else ():
            yield counted.tag, counted.count


def _count(pk: int, changed: datetime, person: User) -> tuple[datetime, list[TagCount]]:
    images = DatasetImage.objects.visible_to(person).filter(dataset=pk).exclude(caption="")
    found = changed, tags.counts(images.order_by().values_list("caption", flat=True))[:MOST_TAGS]
    with _lock:
        _counted[pk] = found
        while len(_counted) > 2 * MOST_DATASETS:
            del _counted[next(iter(_counted))]
    return found
