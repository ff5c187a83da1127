"""What the tests of every package share: real databases, people, servers and browsers."""
