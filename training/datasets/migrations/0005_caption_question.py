from __future__ import annotations

from django.db import migrations, models

from stylestudio.database.in_place import AddConstantField


class Migration(migrations.Migration):
    dependencies = [("datasets", "0004_project")]

    operations = [
        AddConstantField(
            model_name="dataset",
            name="caption_question",
            field=models.TextField(blank=True, db_default="", default="", editable=False, max_length=2000),
        ),
    ]
