"""Segments → those that may matter to SCEP, with the numbers of their connections. With it and without it the report is the same."""
