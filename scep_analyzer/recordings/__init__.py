"""Inputs that hold HTTP exchanges and no packets: access logs, HAR files, Fiddler's archives.

Each kind has a reader that gives :class:`~scep_analyzer.model.exchanges.HttpExchange`, as the HTTP stage does; what comes after is the
same as for a capture. A number of a frame is the number of the line or entry. What such an input never has, :class:`Kind` says, so
that nothing absent is called missing.
"""
