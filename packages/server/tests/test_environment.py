"""Claims about reading settings: strictly, and a typing error names its variable."""

from __future__ import annotations

import pytest
from ensign.environment import public_keys
from ensign_testkit.signing import signer

ONE, TWO = (signer(seed).key.vkey for seed in (1, 2))


@pytest.mark.parametrize(
    ("text", "keys"), [("", ()), (ONE, (ONE,)), (f"{ONE},{TWO}", (ONE, TWO)), (f" {ONE}\n {TWO} ", (ONE, TWO))]
)
def test_public_keys(monkeypatch: pytest.MonkeyPatch, text: str, keys: tuple[str, ...]) -> None:
    monkeypatch.setenv("ENSIGN_RULESET_KEYS", text)
    assert public_keys("ENSIGN_RULESET_KEYS") == keys


@pytest.mark.parametrize("text", ["x", ONE[:-1], ONE.replace("+", "-"), f"{ONE} x"])
def test_what_is_no_public_key_is_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("ENSIGN_RULESET_KEYS", text)
    with pytest.raises(ValueError, match="ENSIGN_RULESET_KEYS holds"):
        public_keys("ENSIGN_RULESET_KEYS")
