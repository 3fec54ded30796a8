"""Longer credentials, engines that let nobody in, and no token in any address."""

from django.db import migrations, models


def take_tokens_out(apps, schema_editor):
    """A query in an address was shown to everybody and never sent. From now on it is a secret of the engine."""
    Engine = apps.get_model("generation", "Engine")
    for engine in Engine.objects.filter(address__contains="?"):
        bare, _mark, query = engine.address.partition("?")
        query, _mark, moved = query.partition("#")
        bare = bare.rstrip("/")
        if engine.source == "admin":
            engine.credentials = f"{engine.credentials}?{query}"
        other = Engine.objects.filter(address=bare).exclude(pk=engine.pk).first()
        if moved:
            bare = f"{bare}#{engine.pk}"
        elif other and engine.active and not other.active:
            Engine.objects.filter(pk=other.pk).update(address=f"{bare}#{other.pk}")
        elif other:
            # Two rows of one engine: pictures name both, and one of them is enough to serve.
            bare, engine.active = f"{bare}#{engine.pk}", False
        engine.address = bare
        engine.save(update_fields=["address", "credentials", "active"])
    # What was done in the admin is kept by the words that an engine had then.
    done = apps.get_model("admin", "LogEntry").objects.filter(
        content_type__app_label="generation", content_type__model="engine", object_repr__contains="?"
    )
    for entry in done.filter(object_repr__contains="://"):
        entry.object_repr = entry.object_repr.partition("?")[0]
        entry.save(update_fields=["object_repr"])


class Migration(migrations.Migration):
    dependencies = [
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("generation", "0005_fetching"),
    ]

    operations = [
        migrations.AlterField(
            model_name="engine",
            name="credentials",
            field=models.CharField(
                blank=True,
                help_text="For a server behind basic authentication. Never shown",
                max_length=4000,
                verbose_name="user:password",
            ),
        ),
        migrations.AddField(
            model_name="engine",
            name="closed",
            field=models.BooleanField(default=False, editable=False),
        ),
        migrations.RunPython(take_tokens_out, migrations.RunPython.noop),
    ]
