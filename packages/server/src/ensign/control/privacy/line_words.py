"""What lines of the data map say alike."""

from __future__ import annotations

from typing import Final

ID_ONLY: Final = "holds pseudonymous ids only; they name nobody once the person is erased"
FOR_EVER: Final = "for good: the log vouches for it"
TEXTS: Final = "an erasure takes the person's name and address out of the present text; earlier versions are forgotten"
BY_HAND: Final = "an erasure lists the objects whose text still names the person, for somebody to change"
INSTALLED: Final = "as long as the installation"
STAFF: Final = "people who use Ensign"
UNUSED: Final = "nothing: Ensign does not use this table"
