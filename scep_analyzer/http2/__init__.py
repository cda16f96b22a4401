"""HTTP/2 (RFC 9113), as found inside TLS: stream events → HttpExchange, frames by hyperframe, header compression by hpack."""
