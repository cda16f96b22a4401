"""SCEP in Wireshark: the Lua plugin and where it belongs, the profile, and the overlay with our findings."""
