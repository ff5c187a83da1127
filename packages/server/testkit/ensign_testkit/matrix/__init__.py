"""Every route x every role x every place: the table of who may call what, the world it is tried in, and the trying."""
