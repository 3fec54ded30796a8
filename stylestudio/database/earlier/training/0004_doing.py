from django.db import migrations, models


class Migration(migrations.Migration):
    """What a training does before its next step, as facts. Words that a worker left there are not kept."""

    dependencies = [("training", "0003_waiting_captions")]

    operations = [
        migrations.RemoveField("trainingjob", "preparing"),
        migrations.AddField("trainingjob", "preparing", models.JSONField(blank=True, default=list, editable=False)),
    ]
