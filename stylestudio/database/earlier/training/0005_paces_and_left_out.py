from django.db import migrations, models


class Migration(migrations.Migration):
    """How long the parts of a training take, when it ends, and which pictures it goes without."""

    dependencies = [("training", "0004_doing")]

    operations = [
        migrations.AddField("trainingjob", "timed", models.PositiveIntegerField(default=0, editable=False)),
        migrations.AddField("trainingjob", "paces", models.JSONField(blank=True, default=dict, editable=False)),
        migrations.AddField("trainingjob", "ends_at", models.DateTimeField(editable=False, null=True)),
        migrations.AddField("trainingjob", "left_out", models.JSONField(blank=True, default=list, editable=False)),
    ]
