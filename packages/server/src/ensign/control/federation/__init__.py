"""Identities of CI jobs: what a job's ID token is exchanged for, by whose rule, and why not."""
