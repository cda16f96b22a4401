"""Frame bytes → TCP segments: link layers, IPv4 and IPv6, fragments."""
