from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("generation", "0007_engine_node_infos")]

    operations = [
        migrations.AddField(
            model_name="engine",
            name="devices",
            field=models.JSONField(default=list, editable=False),
        ),
    ]
