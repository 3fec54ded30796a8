"""Both columns are new and empty: adding them changes no row, and the indexes hold what is on engines alone."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("engines", "0001_initial"),
        ("pictures", "0005_patterns"),
        ("styles", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="engineprompt",
            name="slot",
            field=models.SmallIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="generationtask",
            name="seat",
            field=models.SmallIntegerField(editable=False, null=True),
        ),
        migrations.AddConstraint(
            model_name="engineprompt",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ["claimed", "posted"])),
                fields=("engine", "slot"),
                name="engineprompt_slot_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="generationtask",
            constraint=models.UniqueConstraint(
                condition=models.Q(("seat__isnull", False)),
                fields=("owner", "is_face", "seat"),
                name="generationtask_seat_once",
            ),
        ),
    ]
