"""What people paste instead of a capture: messages in any form, found wherever they are in it.

Each form has a reader (:mod:`scep_analyzer.pasted.readers` is the table). A reader gives pieces: a place in the input, the bytes
that it stands for, and what is to become of them. Bytes that may hold a message in another form go through the table again:
a hex dump of an HTTP request whose URL has the message in base64 is three readers, one after another.
"""
