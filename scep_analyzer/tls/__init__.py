"""TLS handshakes in the clear: what they tell without keys. Decryption is tshark's (engines)."""
