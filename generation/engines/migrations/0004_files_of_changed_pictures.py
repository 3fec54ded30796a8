from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("engines", "0003_files_of_other_families"),
    ]

    operations = [
        migrations.AddField(
            model_name="engine",
            name="background_removal",
            field=models.JSONField(default=list, editable=False),
        ),
        migrations.AddField(
            model_name="engine",
            name="upscale_models",
            field=models.JSONField(default=list, editable=False),
        ),
    ]
