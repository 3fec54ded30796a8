#!/bin/sh
# On SQLite a partial index that Django 5.2.19 makes for Index(condition=Q(state__in=[...])) is not used by the query with
# the same condition: the index is written with literals, the query is sent with parameters, and SQLite (seen with 3.40.1)
# compares conditions before it knows what parameters are. The table is read from end to end, and explain() says so. The
# same statement with its values written into it uses the index, so trying it in a shell shows nothing. A condition that
# needs no value, such as Q(ended_at__isnull=True), is used from both.
# Exit code 0: it is so. Needs a network for pip.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check django==5.2.19
"$work/venv/bin/python" - <<'PYTHON'
import sqlite3

import django
from django.conf import settings

settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}})
django.setup()
from django.db import connection, models
from django.db.models import Q


class Job(models.Model):
    state = models.CharField(max_length=10)
    engine = models.IntegerField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        app_label = "jobs"
        indexes = [
            models.Index(fields=["engine"], condition=Q(state__in=["claimed", "posted"]), name="by_state"),
            models.Index(fields=["engine"], condition=Q(ended_at__isnull=True), name="by_time"),
        ]


with connection.schema_editor() as editor:
    editor.create_model(Job)
by_state = Job.objects.filter(state__in=["claimed", "posted"]).order_by()
by_time = Job.objects.filter(ended_at__isnull=True).order_by()
statement, values = by_state.query.sql_with_params()
with connection.cursor() as cursor:
    cursor.execute("EXPLAIN QUERY PLAN " + statement % tuple(f"'{value}'" for value in values))
    typed = cursor.fetchall()[0][3]
seen = {
    "with parameters": "by_state" in by_state.explain(),
    "with its values": "by_state" in typed,
    "without values": "by_time" in by_time.explain(),
}
print("SQLite", sqlite3.sqlite_version)
print("with parameters:", by_state.explain())
print("with its values:", typed)
print("without values: ", by_time.explain())
raise SystemExit(seen != {"with parameters": False, "with its values": True, "without values": True})
PYTHON
