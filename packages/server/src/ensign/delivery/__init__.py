"""The delivery plane: published rulesets from memory, over raw ASGI. It knows no Django (docs/reference/planes.md)."""
