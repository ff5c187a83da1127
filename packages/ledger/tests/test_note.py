"""Signed notes, checkpoints and key lists have one spelling, and only known keys count."""

import base64
from pathlib import Path

import pytest
from ensign_ledger.checkpoint import (
    Checkpoint,
    CheckpointError,
    LogKey,
    format_keys,
    parse_checkpoint,
    parse_keys,
)
from ensign_ledger.note import (
    NoteError,
    VerifierKey,
    parse_fingerprint,
    parse_note,
    parse_vkey,
    signers_of,
)
from ensign_ledger.sign import Signer
from hypothesis import given, settings
from hypothesis import strategies as st

# The example note and key of golang.org/x/mod/sumdb/note, an independent implementation.
PETER_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
SIGNER = Signer(name="log.example/ensign", seed=b"\x01" * 32)
OTHER = Signer(name="log.example/ensign", seed=b"\x02" * 32)
POINT = Checkpoint("log.example/ensign", 7, b"\x05" * 32)


def test_a_note_of_another_implementation_verifies() -> None:
    key = parse_vkey(PETER_VKEY)
    assert key.vkey == PETER_VKEY
    assert signers_of(parse_note(PETER_NOTE.encode()), [key]) == [key]


def test_a_checkpoint_is_the_three_lines_of_the_specification() -> None:
    data = SIGNER.sign_checkpoint(POINT)
    assert data.decode().startswith("log.example/ensign\n7\nBQUFBQ")
    read, note = parse_checkpoint(data)
    assert read == POINT
    assert note.encode() == data
    assert signers_of(note, [SIGNER.key]) == [SIGNER.key]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_changed_byte_of_a_checkpoint_passes(data: st.DataObject) -> None:
    good = SIGNER.sign_checkpoint(POINT)
    at = data.draw(st.integers(0, len(good) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda v: v != good[at]))
    bad = good[:at] + bytes([value]) + good[at + 1 :]
    with pytest.raises((CheckpointError, NoteError)):
        signers_of(parse_checkpoint(bad)[1], [SIGNER.key])


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d + b"\n",
        lambda d: d + b" ",
        lambda d: d[:-1],
        lambda d: d.replace(b"\n7\n", b"\n07\n"),
        lambda d: d.replace(b"\n7\n", b"\n+7\n"),
        lambda d: d.replace(b"\n7\n", b"\n7\r\n"),
        lambda d: d.replace(b"\n7\n", b"\n99999999999999999\n"),
        lambda d: d.replace(b"=\n\n", b"=\nextension\n\n"),
        lambda d: d.replace(b"=\n\n", b"\n\n"),
        lambda d: d.replace(b"BQU=\n\n", b"BQV=\n\n"),
        lambda d: b"\n\n" + d,
        lambda d: b"",
        lambda d: b"\xff" + d,
        lambda d: d.replace("— ".encode(), b"- "),
        lambda d: d + d.split(b"\n\n")[1] * 64,
    ],
)
def test_a_checkpoint_has_one_spelling(change: object) -> None:
    assert callable(change)
    bad = change(SIGNER.sign_checkpoint(POINT))
    with pytest.raises(CheckpointError):
        parse_checkpoint(bad)


def test_unknown_keys_are_ignored_and_a_failing_known_key_condemns_the_note() -> None:
    both = parse_note(OTHER.cosign(SIGNER.sign_checkpoint(POINT)))
    assert signers_of(both, [SIGNER.key, OTHER.key]) == [SIGNER.key, OTHER.key]
    assert signers_of(both, [OTHER.key]) == [OTHER.key]
    with pytest.raises(NoteError, match="no known key"):
        signers_of(both, [Signer(name="x", seed=bytes(32)).key])
    other = parse_note(OTHER.sign_checkpoint(Checkpoint(POINT.origin, 8, POINT.root)))
    forged = parse_note(SIGNER.sign_checkpoint(POINT) + other.signatures[0].line().encode())
    with pytest.raises(NoteError, match="does not verify"):
        signers_of(forged, [SIGNER.key, OTHER.key])


def test_fingerprints_are_read_in_base64_and_hex() -> None:
    fingerprint = SIGNER.key.fingerprint
    assert len(fingerprint) == len("SHA256:") + 43
    assert parse_fingerprint(fingerprint) == fingerprint
    assert parse_fingerprint(f" {fingerprint}= ") == fingerprint
    raw = base64.b64decode(fingerprint[7:] + "=")
    assert parse_fingerprint("sha256:" + raw.hex().upper()) == fingerprint
    for bad in ("", "SHA256:", "MD5:abc", fingerprint[:-1], "SHA256:" + "z" * 64, fingerprint + "A"):
        with pytest.raises(NoteError):
            parse_fingerprint(bad)


def test_keys_are_valid_by_tree_size() -> None:
    old, new = LogKey(SIGNER.key, 0, 100), LogKey(OTHER.key, 90)
    assert parse_keys(format_keys([old, new])) == [old, new]
    assert [old.covers(s) for s in (0, 100, 101)] == [True, True, False]
    assert [new.covers(s) for s in (89, 90, 10**9)] == [False, True, True]
    with pytest.raises(CheckpointError):
        LogKey(SIGNER.key, 5, 4)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        f"{SIGNER.key.vkey} 0 -",
        f"{SIGNER.key.vkey} 0 -\n\n",
        f"{SIGNER.key.vkey} 0\n",
        f"{SIGNER.key.vkey}  0 -\n",
        f"{SIGNER.key.vkey} 00 -\n",
        f"{SIGNER.key.vkey} 0 x\n",
        f"{SIGNER.key.vkey} 0 -\n{SIGNER.key.vkey} 1 -\n",
        f"x{SIGNER.key.vkey} 0 -\n",
        "\ud800",
    ],
)
def test_a_key_list_has_one_spelling(text: str) -> None:
    with pytest.raises(CheckpointError):
        parse_keys(text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u2003b", "a\nb", "\ud800"])
def test_key_names_obey_the_specification(name: str) -> None:
    with pytest.raises(NoteError):
        VerifierKey(name, bytes(32))


def test_a_private_key_is_saved_for_its_owner_only_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "log.key"
    SIGNER.save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert Signer.load(path).seed == SIGNER.seed
    assert Signer.load(path).key == SIGNER.key
    with pytest.raises(FileExistsError):
        OTHER.save(path)
    assert SIGNER.seed.hex() not in repr(SIGNER)
    for bad in ("", "PRIVATE+KEY+x", SIGNER.private_text().replace("ensign+", "other+")):
        with pytest.raises(NoteError):
            Signer.from_private_text(bad)


def test_generated_keys_differ() -> None:
    assert Signer.generate(name="a").seed != Signer.generate(name="a").seed
