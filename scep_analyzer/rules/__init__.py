"""Diagnosis: one rule is one function, and its docstring is its page. The list of all rules is ``catalogue``."""
