"""An HTTP exchange → what it means in SCEP (RFC 8894)."""
