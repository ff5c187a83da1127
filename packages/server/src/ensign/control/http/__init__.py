"""What stands round every request of the control plane: its id, its log line, its failure page."""
