from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("generation", "0006_engine_secrets")]

    operations = [
        migrations.AddField(
            model_name="engine",
            name="devices",
            field=models.JSONField(default=list, editable=False),
        ),
    ]
