"""The functions, triggers and grants on PostgreSQL.

Two roles: the owner migrates, the application serves. The application may only insert entries and documents and
insert or update governed rows; the functions run as the owner (SECURITY DEFINER) and do the rest. Triggers are
ENABLE ALWAYS, so replica mode does not silence them; a superuser still can, which only outside anchors catch.
Errors carry SQLSTATE 23000, so that they surface as IntegrityError.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ensign.control.audit.models import Governed

#: Written by triggers only.
DERIVED = frozenset({"ledger_head", "ledger_touch", "ledger_redaction", "ledger_pending", "ledger_never"})

# pg_temp last: left out, it would be searched first, and a temporary table could stand in for the ledger's.
_HEADER = "LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp"

_BODIES: dict[str, str] = {
    "ensign_refuse": """
BEGIN
  RAISE EXCEPTION 'ensign: % is never changed by %', TG_TABLE_NAME, TG_OP USING ERRCODE = '23000';
END""",
    "ensign_from_trigger_only": """
BEGIN
  IF pg_trigger_depth() < 2 THEN
    RAISE EXCEPTION 'ensign: % is written by the ledger only', TG_TABLE_NAME USING ERRCODE = '23000';
  END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  RETURN NEW;
END""",
    "ensign_entry_insert": """
DECLARE
  head ledger_head%ROWTYPE;
  entry jsonb := NEW.body::jsonb;
BEGIN
  SELECT * INTO head FROM ledger_head WHERE id = 1 FOR UPDATE;
  IF head.size IS DISTINCT FROM NEW.seq OR (entry->>'seq')::bigint IS DISTINCT FROM NEW.seq THEN
    RAISE EXCEPTION 'ensign: entries are numbered without gaps' USING ERRCODE = '23000';
  END IF;
  IF entry->>'log' IS DISTINCT FROM head.origin THEN
    RAISE EXCEPTION 'ensign: the entry is of another log' USING ERRCODE = '23000';
  END IF;
  IF COALESCE(entry->>'ts', '') COLLATE "C" < head.last_ts COLLATE "C" THEN
    RAISE EXCEPTION 'ensign: time runs backwards' USING ERRCODE = '23000';
  END IF;
  IF NEW.leaf_hash IS DISTINCT FROM encode(sha256('\\x00'::bytea || convert_to(NEW.body, 'UTF8')), 'hex') THEN
    RAISE EXCEPTION 'ensign: the leaf hash is not that of the entry' USING ERRCODE = '23000';
  END IF;
  UPDATE ledger_head SET size = NEW.seq + 1, last_ts = entry->>'ts' WHERE id = 1;
  RETURN NEW;
END""",
    "ensign_entry_inserted": """
DECLARE
  touch jsonb;
  entry jsonb := NEW.body::jsonb;
  previous ledger_touch%ROWTYPE;
BEGIN
  FOR touch IN SELECT value FROM jsonb_array_elements(COALESCE(entry->'touch', '[]'::jsonb)) LOOP
    SELECT * INTO previous FROM ledger_touch WHERE object = touch->>'object' ORDER BY version DESC LIMIT 1;
    IF (touch->>'version')::bigint IS DISTINCT FROM COALESCE(previous.version, 0) + 1 THEN
      RAISE EXCEPTION 'ensign: versions count up by one' USING ERRCODE = '23000';
    END IF;
    IF touch->>'before' IS DISTINCT FROM previous.after THEN
      RAISE EXCEPTION 'ensign: the state before is another one' USING ERRCODE = '23000';
    END IF;
    INSERT INTO ledger_touch (seq, object, version, before, after) VALUES
      (NEW.seq, touch->>'object', (touch->>'version')::bigint, touch->>'before', touch->>'after');
    INSERT INTO ledger_pending (object, version, seq, after, leftover_id) VALUES
      (touch->>'object', (touch->>'version')::bigint, NEW.seq, touch->>'after', 1);
  END LOOP;
  INSERT INTO ledger_redaction (digest, seq)
    SELECT value, NEW.seq FROM jsonb_array_elements_text(COALESCE(entry->'redacts', '[]'::jsonb));
  RETURN NULL;
END""",
    "ensign_head_insert": """
BEGIN
  IF NEW.id <> 1 OR NEW.size <> 0 OR EXISTS (SELECT 1 FROM ledger_head) THEN
    RAISE EXCEPTION 'ensign: there is one head' USING ERRCODE = '23000';
  END IF;
  RETURN NEW;
END""",
    "ensign_document_insert": """
BEGIN
  IF NEW.content IS NULL OR NEW.digest IS DISTINCT FROM encode(sha256(convert_to(NEW.content, 'UTF8')), 'hex') THEN
    RAISE EXCEPTION 'ensign: a document is kept under its digest' USING ERRCODE = '23000';
  END IF;
  RETURN NEW;
END""",
    "ensign_document_update": """
BEGIN
  IF NEW.digest <> OLD.digest OR NEW.content IS NOT NULL
     OR NOT EXISTS (SELECT 1 FROM ledger_redaction WHERE digest = OLD.digest) THEN
    RAISE EXCEPTION 'ensign: a document is only ever redacted, by an entry' USING ERRCODE = '23000';
  END IF;
  RETURN NEW;
END""",
    "ensign_checkpoint_insert": """
BEGIN
  IF NEW.size > (SELECT size FROM ledger_head WHERE id = 1) THEN
    RAISE EXCEPTION 'ensign: a checkpoint is not ahead of the ledger' USING ERRCODE = '23000';
  END IF;
  RETURN NEW;
END""",
    # TG_ARGV: object type, whether versions are kept as documents
    "ensign_governed": """
DECLARE
  digest text := encode(sha256(convert_to(NEW.content, 'UTF8')), 'hex');
BEGIN
  IF TG_OP = 'INSERT' AND NEW.version <> 1 THEN
    RAISE EXCEPTION 'ensign: %: a new row has version 1', TG_TABLE_NAME USING ERRCODE = '23000';
  END IF;
  IF TG_OP = 'UPDATE' THEN
    IF NEW.id IS DISTINCT FROM OLD.id OR NEW.version <> OLD.version + 1 THEN
      RAISE EXCEPTION 'ensign: %: versions count up by one and ids stay', TG_TABLE_NAME USING ERRCODE = '23000';
    END IF;
  END IF;
  DELETE FROM ledger_pending WHERE object = TG_ARGV[0] || ':' || NEW.id AND version = NEW.version
    AND seq = NEW.ledger_seq AND after = digest;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'ensign: %: no ledger entry vouches for this state', TG_TABLE_NAME USING ERRCODE = '23000';
  END IF;
  IF TG_ARGV[1] = 'history' THEN
    INSERT INTO ledger_document (digest, content) VALUES (digest, NEW.content);
  END IF;
  RETURN NEW;
END""",
}

_LOCK_HEAD = """
CREATE OR REPLACE FUNCTION ensign_lock_head() RETURNS TABLE (size bigint, last_ts varchar, origin varchar)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$ SELECT h.size, h.last_ts, h.origin FROM ledger_head AS h WHERE h.id = 1 FOR UPDATE $$"""


def functions() -> dict[str, str]:
    """Name -> CREATE OR REPLACE FUNCTION statement."""
    made = {
        name: f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger {_HEADER} AS $ensign${body}$ensign$"
        for name, body in _BODIES.items()
    }
    return {**made, "ensign_lock_head": _LOCK_HEAD}


def bodies() -> Mapping[str, str]:
    """Name -> source of each trigger function, to compare with what the database holds."""
    return _BODIES


def triggers(governed: Mapping[str, type[Governed]], insert_only: Iterable[str]) -> dict[tuple[str, str], str]:
    """(table, name) -> the part of CREATE TRIGGER after the name and before EXECUTE's function call, joined."""
    made: dict[tuple[str, str], str] = {}

    def add(table: str, name: str, when: str, function: str, *, level: str = "ROW", arguments: str = "") -> None:
        made[table, name] = f'{when} ON "{table}" FOR EACH {level} EXECUTE FUNCTION {function}({arguments})'

    def refuse(table: str, *events: str) -> None:
        add(table, "ensign_refuse", f"BEFORE {' OR '.join(events)}", "ensign_refuse")

    add("ledger_entry", "ensign_insert", "BEFORE INSERT", "ensign_entry_insert")
    add("ledger_entry", "ensign_inserted", "AFTER INSERT", "ensign_entry_inserted")
    add("ledger_head", "ensign_insert", "BEFORE INSERT", "ensign_head_insert")
    add("ledger_head", "ensign_update", "BEFORE UPDATE", "ensign_from_trigger_only")
    refuse("ledger_head", "DELETE")
    refuse("ledger_never", "INSERT", "UPDATE", "DELETE")
    add("ledger_pending", "ensign_write", "BEFORE INSERT OR DELETE", "ensign_from_trigger_only")
    refuse("ledger_pending", "UPDATE")
    add("ledger_document", "ensign_insert", "BEFORE INSERT", "ensign_document_insert")
    add("ledger_document", "ensign_update", "BEFORE UPDATE", "ensign_document_update")
    refuse("ledger_document", "DELETE")
    add("ledger_checkpoint", "ensign_insert", "BEFORE INSERT", "ensign_checkpoint_insert")
    for table in ("ledger_touch", "ledger_redaction"):
        add(table, "ensign_insert", "BEFORE INSERT", "ensign_from_trigger_only")
    guarded = {"ledger_head", "ledger_never", "ledger_pending", "ledger_document", *insert_only}
    for table in insert_only:
        refuse(table, "UPDATE", "DELETE")
    for kind, model in governed.items():
        table, history = model._meta.db_table, "history" if model.keeps_history else "plain"
        add(
            table,
            "ensign_write",
            "BEFORE INSERT OR UPDATE",
            "ensign_governed",
            arguments=f"'{kind}', '{history}'",
        )
        refuse(table, "DELETE")
        guarded.add(table)
    for table in sorted(guarded):
        add(table, "ensign_truncate", "BEFORE TRUNCATE", "ensign_refuse", level="STATEMENT")
    return made


def privileges(
    *, governed: Iterable[str], insert_only: Iterable[str], exempt: Iterable[str]
) -> dict[str, tuple[str, ...]]:
    """Table -> what the application role may do with it, which is exactly what serving needs."""
    needed: dict[str, tuple[str, ...]] = {}
    for table in governed:
        needed[table] = ("SELECT", "INSERT", "UPDATE (version, ledger_seq, content)")
    for table in insert_only:
        needed[table] = ("SELECT",) if table in DERIVED else ("SELECT", "INSERT")
    for table in exempt:
        if table in DERIVED or table == "django_migrations":
            needed[table] = ("SELECT",)
        elif table == "ledger_document":
            needed[table] = ("SELECT", "INSERT", "UPDATE (content)")
        else:
            needed[table] = ("SELECT", "INSERT", "UPDATE", "DELETE")
    return needed


def grants(
    role: str,
    *,
    governed: Iterable[str],
    insert_only: Iterable[str],
    exempt: Iterable[str],
    sequences: Iterable[str],
) -> list[str]:
    """Statements that give the application role exactly what serving needs."""
    made = [
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        f'REVOKE ALL ON ALL TABLES IN SCHEMA public FROM "{role}"',
        f'GRANT USAGE ON SCHEMA public TO "{role}"',
    ]
    needed = privileges(governed=governed, insert_only=insert_only, exempt=exempt)
    made += [f'GRANT {", ".join(these)} ON "{table}" TO "{role}"' for table, these in needed.items()]
    made += [f'GRANT USAGE, SELECT ON SEQUENCE "{sequence}" TO "{role}"' for sequence in sequences]
    made.append(f'GRANT EXECUTE ON FUNCTION ensign_lock_head() TO "{role}"')
    return made
