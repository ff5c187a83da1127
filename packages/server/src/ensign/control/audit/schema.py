"""Installing and checking what ties rows to entries in the database.

Django's SQLite table rebuild silently drops a table's triggers; so every migration run drops all of them first and
installs the whole set afterwards, and the server refuses to start when the database holds anything else.
"""

from __future__ import annotations

from django.db import connection

from ensign.control.audit import schema_postgresql, schema_sqlite
from ensign.control.audit.registry import exempt_tables, governed_models, insert_only_tables
from ensign.control.kernel.errors import Unavailable

_OURS = "ensign\\_%"


def drop() -> None:
    """Remove all of Ensign's triggers, before migrations alter the tables. Owner only."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            for name in _installed_sqlite():
                cursor.execute(f'DROP TRIGGER "{name}"')
        else:
            for table, name in _installed_postgresql():
                cursor.execute(f'DROP TRIGGER "{name}" ON "{table}"')


def install(*, application_role: str | None = None) -> None:
    """Create every trigger anew (and, on PostgreSQL, functions and the application role's grants). Owner only."""
    governed, insert_only = governed_models(), list(insert_only_tables())
    drop()
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            for statement in schema_sqlite.triggers(governed, insert_only).values():
                cursor.execute(statement)
            return
        for statement in schema_postgresql.functions().values():
            cursor.execute(statement)
        for (table, name), rest in schema_postgresql.triggers(governed, insert_only).items():
            before, _, after = rest.partition(" ON ")
            cursor.execute(f'CREATE TRIGGER "{name}" {before} ON {after}')
            cursor.execute(f'ALTER TABLE "{table}" ENABLE ALWAYS TRIGGER "{name}"')
        if application_role is not None:
            cursor.execute("SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'")
            for statement in schema_postgresql.grants(
                application_role,
                **_tables(),
                sequences=[row[0] for row in cursor.fetchall()],
            ):
                cursor.execute(statement)


def _tables() -> dict[str, list[str]]:
    """Every table by how it stands to the ledger, as privileges go by it."""
    present = set(connection.introspection.table_names())
    return {
        "governed": [model._meta.db_table for model in governed_models().values()],
        "insert_only": list(insert_only_tables()),
        "exempt": [table for table in exempt_tables() if table in present],
    }


def lacking() -> list[str]:
    """Privileges that serving needs and the present role has not, such as ``INSERT on ledger_entry``."""
    if connection.vendor == "sqlite":
        return []
    needed = schema_postgresql.privileges(**_tables())
    pairs = [(table, privilege.partition(" ")[0]) for table, these in needed.items() for privilege in these]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT need.privilege || ' on ' || need.name FROM unnest(%s::text[], %s::text[]) AS need(name, privilege)"
            " WHERE NOT CASE need.privilege WHEN 'DELETE' THEN has_table_privilege(need.name, 'DELETE')"
            " ELSE has_any_column_privilege(need.name, need.privilege) END",
            [[table for table, _ in pairs], [privilege for _, privilege in pairs]],
        )
        return [str(row[0]) for row in cursor.fetchall()]


def problems() -> list[str]:
    """What differs between the triggers that must exist and those that do. Empty means intact."""
    governed, insert_only = governed_models(), list(insert_only_tables())
    if connection.vendor == "sqlite":
        expected: dict[str, str] = schema_sqlite.triggers(governed, insert_only)
        found = _installed_sqlite()
        return [
            f"trigger {name} is {'missing' if name not in found else 'altered'}"
            for name, statement in expected.items()
            if found.get(name) != statement
        ] + [f"trigger {name} is unknown" for name in found if name not in expected]
    wanted = schema_postgresql.triggers(governed, insert_only)
    present = _installed_postgresql()
    report = [f"trigger {name} on {table} is missing" for table, name in wanted if (table, name) not in present]
    report += [f"trigger {name} on {table} is unknown" for table, name in present if (table, name) not in wanted]
    report += [f"trigger {name} on {table} is disabled" for (table, name), on in present.items() if on != "A"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT proname, prosrc FROM pg_proc WHERE proname LIKE %s", [_OURS])
        sources = dict(cursor.fetchall())
    report += [
        f"function {name} is altered" for name, body in schema_postgresql.bodies().items() if sources.get(name) != body
    ]
    return report


def check() -> None:
    """Fail closed when the database lacks a trigger, or holds one that differs, or when this role may not serve.

    :raises Unavailable: naming what is wrong.
    """
    missing = lacking()
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise Unavailable(
            f"The database role lacks privileges that serving needs: {', '.join(missing[:5])}{more}.",
            remedy="Run `ensign migrate` with DATABASE_OWNER_URL set to the owner of the tables; it grants them.",
        )
    found = problems()
    if found:
        raise Unavailable(
            "The database does not hold what ties rows to the ledger: " + "; ".join(found[:5]) + ".",
            remedy="Find out who changed the schema; then run `ensign migrate` and `ensign ledger verify`.",
        )


def _installed_sqlite() -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'ensign\\_%' ESCAPE '\\'"
        )
        return dict(cursor.fetchall())


def _installed_postgresql() -> dict[tuple[str, str], str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, t.tgname, t.tgenabled::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
            " WHERE NOT t.tgisinternal AND t.tgname LIKE %s",
            [_OURS],
        )
        return {(table, name): enabled for table, name, enabled in cursor.fetchall()}
