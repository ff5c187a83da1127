"""Pages of access: set-up, people, groups, service accounts, grants, tokens."""
