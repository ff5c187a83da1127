"""What an auditor reads and takes away: the log, the changes of a period, bundles that verify offline."""
