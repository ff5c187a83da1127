"""What progression decides: pure, without Django, without a clock."""
