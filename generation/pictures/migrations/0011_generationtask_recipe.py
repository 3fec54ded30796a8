from django.db import migrations, models

from stylestudio.database.in_place import AddConstantField


class Migration(migrations.Migration):
    dependencies = [
        ("pictures", "0010_trash"),
    ]

    operations = [
        AddConstantField(
            model_name="generationtask",
            name="recipe",
            field=models.CharField(db_default="sdxl-lightning", default="sdxl-lightning", max_length=64),
        ),
    ]
