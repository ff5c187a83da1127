"""Django's SQLite backend with the hash functions that the ledger's triggers call.

A process without them (the sqlite3 shell, say) cannot write a governed row at all.
"""
