"""Flag evaluation in one Python process: Ensign's and everybody else's, each from local data (bench/README.md)."""
