import re

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    """What transparent pictures lie on. Of pictures that are there their colours are noted when somebody asks."""

    dependencies = [("training", "0005_paces_and_left_out")]

    operations = [
        migrations.AddField(
            "dataset",
            "ground",
            models.CharField(
                blank=True,
                default="",
                editable=False,
                max_length=7,
                validators=[django.core.validators.RegexValidator(re.compile("#[0-9a-f]{6}\\Z"))],
                verbose_name="ground",
            ),
            preserve_default=False,
        ),
        migrations.AddField("datasetimage", "colours", models.JSONField(editable=False, null=True)),
    ]
