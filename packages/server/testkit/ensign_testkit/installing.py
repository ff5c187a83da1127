"""A database for a real installation: made as docs/howto/production.md says, on a PostgreSQL of the tests' own."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from ensign_testkit.postgres import APPLICATION, OWNER, Cluster

_serial = itertools.count()


@dataclass(frozen=True)
class Place:
    """An empty database of the owner's, and the environment of whoever serves or migrates it."""

    cluster: Cluster
    name: str

    @property
    def serving(self) -> dict[str, str]:
        """The environment of `ensign serve`: the application's role, which owns nothing."""
        return {"DATABASE_URL": self.cluster.url(APPLICATION, self.name)}

    @property
    def migrating(self) -> dict[str, str]:
        """That of `ensign migrate` and `ensign restore`."""
        return {**self.serving, "DATABASE_OWNER_URL": self.cluster.url(OWNER, self.name)}

    @property
    def alone(self) -> dict[str, str]:
        """Everything as the owner."""
        return {"DATABASE_URL": self.cluster.url(OWNER, self.name)}


def place(cluster: Cluster) -> Place:
    """Make an empty database, by the statements of the production guide."""
    name = f"ensign_installation_{next(_serial)}"
    with cluster.admin() as connection:
        connection.execute(f"CREATE DATABASE {name} OWNER {OWNER}".encode())
    with cluster.admin(name) as connection:
        connection.execute(f"ALTER SCHEMA public OWNER TO {OWNER}".encode())
        connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    return Place(cluster, name)
