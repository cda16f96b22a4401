"""CMS (RFC 5652) and X.509 (RFC 5280) facts, whatever protocol carries them. The only package that speaks asn1crypto."""
