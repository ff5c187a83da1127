from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('projects', '0002_token_use'),
    ]

    operations = [
        migrations.CreateModel(
            name='TokenRules',
            fields=[
                ('id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('version', models.BigIntegerField()),
                ('ledger_seq', models.BigIntegerField()),
                ('content', models.TextField()),
            ],
            options={
                'db_table': 'projects_client_token_rules',
            },
        ),
    ]
