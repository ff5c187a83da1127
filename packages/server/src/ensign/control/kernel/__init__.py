"""What every control app stands on: time, ids, errors, actors, transactions, keys."""
