"""Stream events → HTTP/1.x exchanges (RFC 9112). Not named ``http``: that would hide the standard library's."""
