"""What stands behind the client; may change with every version."""
