"""Argon2id at a cost for tests: the real one takes a tenth of a second, on purpose, for each of thousands of sign-ins.

Servers in processes of their own hash at the real cost.
"""

from __future__ import annotations

from django.contrib.auth.hashers import Argon2PasswordHasher


class QuickArgon2(Argon2PasswordHasher):
    """The same algorithm over 64 KiB in one pass."""

    time_cost = 1
    memory_cost = 64
    parallelism = 1
