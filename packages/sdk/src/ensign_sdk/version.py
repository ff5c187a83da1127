"""The version, spelt out: asking the package's metadata for it would take longer than the rest of the import."""

VERSION = "0.1.0"
SDK = f"ensign-python:{VERSION}"
SPEC = "6.1.0"
"""The version of the Unleash client specification that the engine follows."""
