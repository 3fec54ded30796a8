"""Engines remember the outputs and inputs of the node classes that our graphs are wired from."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("generation", "0006_engine_secrets")]

    operations = [
        migrations.AddField(
            model_name="engine",
            name="node_infos",
            field=models.JSONField(default=dict, editable=False),
        ),
    ]
