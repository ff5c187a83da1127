"""``ensign-verify BUNDLE [--key FINGERPRINT] [--json]``.

Exit status: 0 valid; 1 invalid, which includes whatever cannot be understood; 2 no such path, wrong use, or a
version of the format that this program does not know. Output is ASCII without control characters whatever
the bundle holds, and there is never a traceback.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ensign_ledger.canonical import encode
from ensign_ledger.note import NoteError, parse_fingerprint
from ensign_ledger.report import Outcome, Report, printable
from ensign_ledger.verify import verify_bundle


def main(argv: Sequence[str] | None = None, *, beside: str | None = None) -> int:
    """Run the program and return its exit status.

    ``beside`` is the folder of a verify.py that travels in a bundle: it is what is checked if no path is
    given, and the output then says that the verifier is the bundle's own.
    """
    arguments = _parser(beside).parse_args(argv)
    try:
        try:
            keys = [parse_fingerprint(text) for text in arguments.key]
        except NoteError as error:
            return _fail(f"--key: {error}", as_json=arguments.json)
        status = _verify(Path(arguments.bundle), keys, as_json=arguments.json, bundled=beside is not None)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # The reader of our output has gone (`| head`). Point stdout elsewhere so that Python's own flush at
        # exit stays silent; the verdict was not delivered, so this is no success.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser(beside: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ensign-verify" if beside is None else "verify.py",
        description="Check an Ensign evidence bundle offline: nothing missing, nothing changed, signed by whom.",
        epilog="Exit status: 0 valid, 1 invalid, 2 no such path or unknown version.",
    )
    parser.add_argument(
        "bundle",
        nargs=None if beside is None else "?",
        default=beside,
        help="the bundle: a zip file or the folder it was extracted to",
    )
    parser.add_argument(
        "--key",
        action="append",
        default=[],
        metavar="FINGERPRINT",
        help="SHA256:... of the log's key, learnt by another way than from this bundle; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser


def _verify(path: Path, keys: Sequence[str], *, as_json: bool, bundled: bool) -> int:
    try:
        report = verify_bundle(path, keys=keys)
    except (OSError, ValueError) as error:  # ValueError: a path with a null byte
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return _fail(f"cannot read {path}: {reason}", as_json=as_json)
    except Exception as error:
        # A defect of this program on some hostile bundle must neither pass for a verdict of "valid" nor show
        # an auditor a traceback: the bundle is not accepted.
        return _fail(
            f"this program failed on the bundle ({type(error).__name__}), which is not accepted",
            as_json=as_json,
            code=1,
        )
    if as_json:
        _print(report.to_json().decode())
        return report.exit_code
    for line in _lines(report, bundled=bundled):
        _print(line)
    return report.exit_code


def _lines(report: Report, *, bundled: bool) -> list[str]:
    if report.unsupported is not None:
        return [
            f"This bundle cannot be judged by this program: {report.unsupported}",
            "NOTHING WAS VERIFIED. Use the version of ensign-verify that belongs to it.",
        ]
    shown = {Outcome.VALID: "VALID", Outcome.INVALID: "INVALID", Outcome.NOT_CHECKED: "NOT CHECKED"}
    lines = [
        f"{check.id:2d}  {shown[check.outcome]:<11}  {check.title}: {printable(check.detail)}  [{check.clause}]"
        for check in report.checks
    ]
    if report.outcome(3) is Outcome.NOT_CHECKED:
        lines.append("key origin: NOT CHECKED")
    if bundled:
        lines.append("This verifier came with the bundle; ensign-verify from a copy of your own is stronger.")
    return [*lines, "", *_conclusion(report)]


def _conclusion(report: Report) -> list[str]:
    """Return the last sentences, for a reader who is no engineer."""
    failure = report.first_failure
    if failure is not None or not report.valid:
        reason = f" Check {failure.id} failed ({failure.title}): {printable(failure.detail)}." if failure else ""
        return [
            f"INVALID.{reason}",
            "Do not rely on this record: it was changed, is incomplete, or is not signed by the key you named.",
        ]
    start, end = report.start or 0, report.end or 0
    what = f"all {end - start} entries from number {start} on" if end > start else "that there were no entries"
    if report.outcome(3) is Outcome.NOT_CHECKED:
        return [
            f"VALID in itself: it shows {what} of the log {report.log}, and nothing was changed since it was signed.",
            "Who signed it was NOT checked: anybody can sign a record with a key of their own. Ask the",
            f"organisation for its key's fingerprint by another way, and run this again with --key. "
            f"Here it is {report.signed_by}.",
        ]
    return [
        f"VALID. This record shows {what} of the log {report.log};",
        "nothing is missing, added, moved or changed, and the key that signed it is the one you named.",
    ]


def _fail(message: str, *, as_json: bool = False, code: int = 2) -> int:
    if as_json:
        _print(encode({"verdict": "ERROR", "message": printable(message)}).decode())
    else:
        sys.stderr.write(f"ensign-verify: {printable(message)}\n")
    return code


def _print(line: str) -> None:
    sys.stdout.write(printable(line, limit=1 << 20) + "\n")


if __name__ == "__main__":
    sys.exit(main())
