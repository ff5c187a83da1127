"""Approval keys: passkeys of people with which they sign approvals."""
