"""Operations of migrations that leave a large table of SQLite where it is.

Django writes such a table anew for them, which takes minutes for a million rows.
"""

from __future__ import annotations

from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


class AddConstantField(migrations.AddField):
    """Adds a column whose rows all have its `db_default` at first. No row is written."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Add the column as other databases do; SQLite can, as long as it does not check foreign keys."""
        model = to_state.apps.get_model(app_label, self.model_name)
        with schema_editor.connection.cursor() as cursor:
            if schema_editor.connection.vendor == "sqlite":
                cursor.execute("PRAGMA foreign_keys")
                if not cursor.fetchone()[0]:
                    BaseDatabaseSchemaEditor.add_field(schema_editor, model, model._meta.get_field(self.name))
                    return
        super().database_forwards(app_label, schema_editor, from_state, to_state)


def drop_indexes(*names: str) -> migrations.RunSQL:
    """Drop indexes by name; those that are not there are passed over."""
    return migrations.RunSQL([f"DROP INDEX IF EXISTS {name}" for name in names], migrations.RunSQL.noop)
