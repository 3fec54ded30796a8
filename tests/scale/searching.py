"""Run as a process of its own beside others: `python -m tests.scale.searching DO [seed]`. Prints one JSON object.

`order`: tasks whose prompts have the same new words in another order for each seed, as people would at once, in
transactions of several. `years`: a database as after years, smaller. `find`: searches, each compared with plain Python.
`plans`: what is asked for a search, explained.
"""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path
from typing import Any

import django

WORDS = [*(f"word{each}" for each in range(40)), *"龙城堡麒麟", "100%", "a_b", "É", "ｄｒａｇｏｎ"]


def order(seed: int) -> dict[str, Any]:
    """Orders that add the same words and documents as other processes do at the same time."""
    from django.contrib.auth.models import User
    from django.db import transaction

    from generation.ordering import orders
    from generation.ordering.orders import Order

    user = User.objects.get_or_create(username=f"person {seed}")[0]
    for number in range(20):
        words = [f"{word}x{number}" for word in WORDS]
        prompts = [" ".join(words), " ".join(reversed(words))]
        random.Random(seed).shuffle(prompts)
        with transaction.atomic():
            for prompt in prompts:
                orders.place(Order(prompt=prompt, width=64, height=64), user)
    return {}


def years(_seed: int) -> dict[str, Any]:
    """Some thousand pictures."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks" / "filling"))
    import years as benchmark  # started by path there

    benchmark.fill(6_000)
    return {}


def find(seed: int) -> dict[str, Any]:
    """Searches for words of the prompts and for parts of them, on first and further pages."""
    from django.contrib.auth.models import User

    from generation.gallery import query
    from generation.gallery.query import Filters
    from generation.pictures.models import GeneratedImage
    from stylestudio.people.projects import DEFAULT
    from stylestudio.text.search_words import fold

    dice, owner = random.Random(seed), User.objects.get(username="owner")
    rows = GeneratedImage.objects.filter(project=DEFAULT).newest_first().values_list("pk", "task__final_prompt")
    texts = [(pk, fold(prompt)) for pk, prompt in rows]
    wrong, hits = [], 0
    for _each in range(40):
        text = dice.choice(texts)[1]
        begin = dice.randrange(len(text))
        words = " ".join([text[begin : begin + dice.randint(1, 9)].strip() or "a", *dice.choices(["d", "龙", ""])])
        folded = [fold(word) for word in words.split()]
        right = [pk for pk, text in texts if all(word in text for word in folded)]
        found, before = [], ""
        for _page in range(3):
            page = query.page(query.pictures(owner, Filters(words=words)), before)
            found += [picture.pk for day in page.days for picture in day.pictures]
            before = page.more
            if not before:
                break
        hits += len(found)
        if found != right[: len(found)] or (not before and len(found) != len(right)):
            wrong.append(words)
    return {"wrong": wrong, "hits": hits}


def plans(_seed: int) -> dict[str, Any]:
    """The tables that statements of a search scan from end to end, even if that is made to look expensive."""
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from generation.gallery import query
    from generation.gallery.query import Filters

    owner = User.objects.get(username="owner")
    scanned: dict[str, str] = {}
    for words in ("dragon", "basilisk", "obsidian", "龙 城堡", "rago", "nothing"):
        with CaptureQueriesContext(connection) as asked:
            query.page(query.pictures(owner, Filters(words=words)))
        for each in asked.captured_queries:
            with connection.cursor() as cursor:
                cursor.execute("SET enable_seqscan = off")  # a few rows are best read whole
                cursor.execute("EXPLAIN (FORMAT JSON) " + each["sql"].replace("%", "%%"), [])
                (plan,) = cursor.fetchone()[0]
            for table in _scans(plan["Plan"]):
                scanned[table] = each["sql"]
    return scanned


def _scans(plan: dict[str, Any]) -> list[str]:
    here = [plan["Relation Name"]] if plan["Node Type"] == "Seq Scan" else []
    return here + [table for each in plan.get("Plans", []) for table in _scans(each)]


def main() -> None:
    """Do what the arguments say."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stylestudio.settings")
    django.setup()
    acts = {"order": order, "years": years, "find": find, "plans": plans}
    print(json.dumps(acts[sys.argv[1]](int(sys.argv[2]) if len(sys.argv) > 2 else 0)))


if __name__ == "__main__":
    main()
