"""The ledger in the database: entries, the governed rows tied to them, and the proof that neither was altered."""
