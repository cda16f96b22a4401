"""Every limit in one place. Reaching one is an Anomaly (code ``limit-…``), never silence."""

from typing import NamedTuple

KIB = 1024
MIB = 1024 * 1024


class Bounds(NamedTuple):
    """What one thing may be: a record, a block, a certificate, a message, a file of keys.

    They are no part of :class:`Limits`, which a run is given: these decide whether bytes are a packet or a certificate at all. With
    other values the same capture would have other frame numbers and other findings, so they are the same for every run.
    """

    record_bytes: int = 256 * KIB
    """One packet record. Wireshark refuses longer ones too, so frame numbers agree."""

    block_bytes: int = 64 * MIB
    """One pcapng block that is not a packet (names, secrets, custom blocks)."""

    comments: int = 1_000
    """Comments of a pcapng file that are kept."""

    certificate_bytes: int = 128 * KIB
    """One certificate, CRLs apart. With today's keys one has 1 to 3 KiB, with SLH-DSA (FIPS 205) about 60 KiB."""

    elements: int = 5_000
    """ASN.1 elements of one certificate or request. The largest in the field, with hundreds of names, have about a thousand."""

    oid_bytes: int = 127
    """One OBJECT IDENTIFIER. The longest in use (Microsoft's templates) have about 40; writing one in dots takes time that grows
    with the square of its length. No more than 127: what is longer is told by the form of its length."""

    certificates_each: int = 256
    """Certificates of one message or set that are read. A CA with all its RAs and predecessors has about ten."""

    signature_checks: int = 64
    """Signatures checked in one set of certificates, or tried for one message: each costs up to two milliseconds."""

    key_bytes: int = 8 * KIB
    """A public key that signatures are checked with; RSA of 16,384 bits, the most that OpenSSL takes, has 2 KiB."""

    modulus_bits: int = 16_384
    """Its RSA modulus. OpenSSL's OPENSSL_RSA_MAX_MODULUS_BITS."""

    exponent_bits: int = 64
    """Its RSA exponent. OpenSSL's OPENSSL_RSA_MAX_PUBEXP_BITS; the time of a check grows with it."""

    envelope_openings: int = 32
    """Private-key operations tried for one envelope. An envelope of SCEP has one recipient, and few keys are given."""

    interfaces: int = 16_384
    """Interfaces of one section of a pcapng file. A packet of a further one is counted and cannot be read."""

    planned_interfaces: int = 64
    """Those of them whose packets are stepped over in the tight pass: what prepares that takes 9 KiB each."""

    link_types: int = 64
    """Link types of one file that are named."""

    description_bytes: int = 64 * KIB
    """A block that describes a section, an interface or its statistics; what follows is stepped over."""

    comment_bytes: int = 4_096
    """One comment."""

    secrets_bytes: int = 8 * MIB
    """TLS secrets inside one capture file. A connection needs about 200 bytes."""

    xz_memory_bytes: int = 66 * MIB
    """What an xz stream may make its reader remember: the 64 MiB of ``xz -9``, the most of its presets, and its tables."""

    zstd_window_bytes: int = 128 * MIB
    """The same for zstd: ``--long=27``, as much as ``zstd -d`` takes without being asked; its usual levels need 8 MiB."""

    key_file_bytes: int = 1 * MIB
    """A private key's file, or its password's."""

    key_log_bytes: int = 64 * MIB
    """A key log's file."""

    log_line_bytes: int = 128 * KIB
    """One line of an access log. Web servers take request lines of 8 to 64 KiB."""

    recording_bytes: int = 32 * MIB
    """A HAR file, which Python's JSON reader holds as a whole, in about six times its size; or one session of a Fiddler archive."""

    recording_entries: int = 100_000
    """Entries of a HAR file or sessions of an archive. Browsers and proxies begin to crawl at a tenth of that."""

    archive_bytes: int = 2048 * MIB
    """What an archive may unpack to, in all its files: they are written to the temporary folder."""

    archive_files: int = 1_000
    """Files of an archive that are read."""

    spool_bytes: int = 4 * MIB
    """Messages that `show` and `extract` keep in memory; further ones go to a temporary file."""

    kept_bytes: int = 32 * MIB
    """Packets that a Python program gives once, kept in memory for a second pass over them; more goes to a temporary file."""

    paste_bytes: int = 8 * MIB
    """What `decode` reads. The longest messages have 100 KiB; in a hex dump a message takes four to five times its bytes."""


BOUNDS = Bounds()


class Limits(NamedTuple):
    """How much each stage of a run may hold; every stage is given them. Sizes in bytes, counts in items, times in nanoseconds.

    The numbers are far above what SCEP needs and low enough for a laptop: the longest
    GET request seen in the field is about 16 KiB, the longest reply (a GetCACert chain) about 12 KiB.
    """

    fragment_bytes: int = 4 * MIB
    """IP fragments waiting for the rest of their datagrams, over all datagrams."""

    fragment_age_ns: int = 30 * 1_000_000_000
    """How long a fragment waits, in capture time (RFC 8200, Section 4.5 says 60 s; hosts use 30 s)."""

    connections: int = 48_000
    """Directions of TCP connections remembered; beyond it the longest idle ones are forgotten. About a kilobyte each."""

    followed_connections: int = 8_192
    """TCP connections whose bytes are put in order at a time; beyond it the longest idle one is closed."""

    endpoints: int = 50_000
    """Servers and paths of HTTP requests that were left out and may yet turn out to be SCEP's."""

    looked_into_twice: int = 20_000
    """Packets of a capture in which TLS handshakes are looked for though every enrollment succeeded: a tenth of a second."""

    handshakes: int = 1_000
    """TLS handshakes looked into."""

    handshake_segments: int = 64
    """Segments of a TLS connection that are looked at for its handshake: 64 KiB and more."""

    notices: int = 20_000
    """Name lookups remembered, and ICMP errors."""

    out_of_order_bytes: int = 1 * MIB
    """Bytes of one direction that wait for a hole before them to be filled."""

    out_of_order_segments: int = 4_096
    """The same in segments: a flood of tiny ones must not cost more than its bytes. A full window is about 1,000."""

    all_out_of_order_bytes: int = 32 * MIB
    """The same over all connections together."""

    hole_age_ns: int = 3 * 1_000_000_000
    """A hole that the receiver has acknowledged is given up after this much capture time."""

    header_bytes: int = 64 * KIB
    """Request or status line and header fields of one HTTP message."""

    body_bytes: int = 4 * MIB
    """HTTP body kept (also after decompression); the rest is counted, not kept."""

    unasked_body_bytes: int = 64 * KIB
    """The same for a response whose request was not seen yet, and may make it SCEP's."""

    pipelined_requests: int = 256
    """Requests of one connection that wait for their answers."""

    undecided_exchanges: int = 1_000
    """HTTP exchanges remembered, without bodies, in case their path turns out to be SCEP's."""

    undecided_bytes: int = 8 * MIB
    """Their targets and header fields."""

    held_items: int = 500
    """What a run is given is held until the end of a file that has no more of it: exchanges that turn out to be SCEP's in a second look
    at the file come last, and take their place in time. A few megabytes."""

    reordered_exchanges: int = 1_000
    """Finished exchanges that wait for an earlier request to be answered, in streamed output."""

    open_transactions: int = 10_000
    """SCEP transactions followed at a time, in streamed output."""

    exchanges_each: int = 5_000
    """Exchanges of one transaction; beyond it the next one begins. A client that polls every minute needs three days for them."""

    transaction_idle_ns: int = 86_400 * 1_000_000_000
    """Without a message for this long (capture time), a transaction is reported and released. Clients that wait for
    manual approval poll every few minutes to hours."""

    settled_ns: int = 5 * 1_000_000_000
    """A finished transaction is kept this long (capture time) while its connections are open: of what becomes of them rules tell."""

    joined_ns: int = 250_000_000
    """And this long at least after its last response, for its other leg through a proxy to join: clocks of capture points differ."""

    quiet_ns: int = 86_400 * 1_000_000_000
    """The same as ``transaction_idle_ns`` for one that neither was answered for good nor is pending."""

    codings: int = 4
    """Content codings of one HTTP message that are decoded. More than one is hardly ever seen."""

    inflated_times: int = 32
    """How many times its own size a compressed body may unpack to, ``unasked_body_bytes`` at least. DER hardly shrinks; a web page
    to a tenth; zlib's most is a thousand times, and unpacking that would cost a hundred times what reading does."""

    held_bytes: int = 16 * MIB
    """Bodies of HTTP messages that are not whole yet or wait for their turn, over all connections; the same for requests that the
    sieve holds until it knows whether they matter. Bodies of SCEP have 1 to 12 KiB."""

    open_bytes: int = 24 * MIB
    """What the exchanges of all open transactions take, as far as it can be told: about 6,000 of them."""

    endpoint_bytes: int = 16 * MIB
    """Servers and paths of requests that were left out; as many as ``endpoints`` where paths have a hundred characters."""

    notice_bytes: int = 16 * MIB
    """DNS messages, the room that Python needs for each included; as many as ``notices`` where each is asked and answered twice."""

    dns_bytes: int = 4_096
    """One DNS message kept; its beginning tells. EDNS(0) messages over UDP have no more (RFC 6891, Section 6.2.5)."""

    streams: int = 1_000
    """Streams of one HTTP/2 connection that are open at a time; servers allow 100 to 250 (RFC 9113, Section 5.1.2)."""

    beside: int = 20_000
    """Failed connections, administration pages and the like that are kept for the rules, of each kind."""

    findings_each: int = 1_000
    """Findings of one rule listed."""

    anomalies_each: int = 1_000
    """Anomalies of one code listed; the rest is counted."""


LIMITS = Limits()

AT_ONCE = LIMITS._replace(reordered_exchanges=0, held_items=0)
"""Exchanges leave when they end, whatever was asked before and still waits: for eyes, not for order."""

LIVE = AT_ONCE._replace(settled_ns=1_000_000_000, joined_ns=1_000_000_000, quiet_ns=20 * 1_000_000_000)
"""While packets come: who watches wants the verdict soon, and clients that try again do so within seconds."""
