from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('publishing', '0002_reach'),
    ]

    operations = [
        migrations.CreateModel(
            name='Proof',
            fields=[
                ('ruleset', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('ledger_seq', models.BigIntegerField()),
                ('serial', models.BigIntegerField()),
                ('document', models.TextField()),
            ],
            options={
                'db_table': 'publishing_proof',
            },
        ),
    ]
