"""Capture files → packets: file kinds by magic, compression, several files as one."""
