"""What a change is: operations and their algebra, digests, and who may decide. Pure: no Django, no I/O, no clock."""
