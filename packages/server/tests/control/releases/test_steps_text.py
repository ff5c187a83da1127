"""Claims: steps that people write are read as they meant them, or named where they cannot be; a new plan begins above
what the strategy reaches already.
"""

from __future__ import annotations

import pytest
from ensign.control.kernel.errors import Invalid
from ensign.control.releases import steps_text


@pytest.mark.parametrize("share", range(101))
def test_what_a_new_plan_begins_with_may_stand_and_does_not_fall(share: int) -> None:
    first, *_, last = steps_text.read(steps_text.usual(share))
    assert first.percent >= share or share == 100
    assert last.percent == 100


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "A plan must be 2 to 20 steps."),
        ("5 % for 1 h", "A plan must be 2 to 20 steps."),
        ("50 % for 1 h\n25 %", "A step must be more than 50."),
        ("abc", "Line 1: write a share"),
        ("5 % for 1 h\n1000 %", "Line 2: write a share"),
    ],
)
def test_what_cannot_stand_is_named_in_a_sentence(text: str, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        steps_text.read(text)
    assert refused.value.fields["steps"].startswith(said)
