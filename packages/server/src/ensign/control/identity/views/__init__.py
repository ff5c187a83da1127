"""Pages of identity: signing in, links, one's own account."""
