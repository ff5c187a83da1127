"""Claims: every table of the database is governed, insert-only or exempt with a reason that an auditor can read, and
each declaration names a table that exists; what is declared is what the database enforces.
"""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection, transaction
from ensign.control.audit import schema
from ensign.control.audit.registry import exempt_tables, governed_models, insert_only_tables

#: Kept by PostgreSQL or SQLite for themselves.
OWN = {"sqlite_sequence"}


def governed() -> set[str]:
    return {model._meta.db_table for model in governed_models().values()}


def test_every_table_is_governed_or_insert_only_or_exempt_with_a_reason(db: str) -> None:
    tables = set(connection.introspection.table_names()) - OWN
    declared = governed() | set(insert_only_tables()) | set(exempt_tables())
    assert tables - declared == set(), "declare these with audit.registry.exempt or insert_only, or govern them"
    assert declared - tables == set(), "these are declared, but do not exist"


def test_no_table_is_declared_in_two_ways() -> None:
    assert not governed() & (set(insert_only_tables()) | set(exempt_tables()))
    assert not set(insert_only_tables()) & set(exempt_tables())


def test_every_reason_is_a_reason() -> None:
    for table, reason in {**insert_only_tables(), **exempt_tables()}.items():
        assert len(reason) >= 10, table


def refused(statement: str) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    except DatabaseError:
        return True
    return False


@pytest.mark.parametrize("verb", ["UPDATE {} SET {} = {}", "DELETE FROM {}"])
def test_what_is_declared_insert_only_or_governed_has_triggers_that_say_so(db: str, verb: str) -> None:
    """By the triggers' own list: a table that was declared after the database was made is missed by nobody."""
    assert schema.problems() == []
    names = installed()
    for table in governed() | set(insert_only_tables()):
        assert any(table in name for name in names), table
    for table in insert_only_tables():
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT count(*) FROM "{table}"')
            filled = cursor.fetchone()[0] > 0
            column = connection.introspection.get_table_description(cursor, table)[0].name
        if filled:
            assert refused(verb.format(f'"{table}"', f'"{column}"', f'"{column}"')), table


def installed() -> list[str]:
    query: dict[str, str] = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
        "postgresql": "SELECT c.relname FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid WHERE NOT tgisinternal",
    }
    with connection.cursor() as cursor:
        cursor.execute(query[connection.vendor])
        return [str(row[0]) for row in cursor.fetchall()]


def test_a_table_that_nobody_declared_would_be_found(db: str) -> None:
    if connection.vendor == "postgresql":
        # The application role cannot even make one.
        assert refused("CREATE TABLE shadow_flags (id integer)")
        return
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE shadow_flags (id integer)")
    with pytest.raises(AssertionError, match="shadow_flags"):
        test_every_table_is_governed_or_insert_only_or_exempt_with_a_reason(db)
