"""`ensign demo`: a believable organisation and a year of its changes, made through the real operations."""
