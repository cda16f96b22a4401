"""One direction of an HTTP connection: bytes → messages, one after another, however they are cut.

The parser is a state machine whose state is the method that handles the next bytes. It never waits for a byte that a Gap has
taken: a hole inside a body is counted over, a hole inside a head ends the message there.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from scep_analyzer.http1.heads import (
    RequestHead,
    ResponseHead,
    read_request_head,
    read_response_head,
    starts_request,
    starts_response,
)
from scep_analyzer.model.exchanges import header
from scep_analyzer.model.limits import Limits
from scep_analyzer.model.streams import MOST_FRAMES, Data, Gap, Pieces

Head = RequestHead | ResponseHead


@dataclass(slots=True, eq=False, repr=False)
class Message:
    """A message that is being read. ``start`` and ``end`` are stream offsets."""

    head: Head
    start: int
    acknowledged: int | None
    time_ns: int | None
    end_ns: int | None = None
    frames: list[int] = field(default_factory=list)
    end: int = 0
    wanted: bool = False
    """Whether its target or type looks like SCEP, so that its body is kept."""
    kept: bool = False
    """Whether ``body`` is filled: it is wanted, or may turn out to be when its request comes."""
    body: bytearray = field(default_factory=bytearray)
    length: int = 0
    """Body bytes in the capture; those a hole took are not counted."""
    lost: bool = False
    """A hole lies in the body; ``body`` holds what comes before it."""
    overflow: bool = False
    """The body is longer than the limit; ``body`` holds its beginning."""
    complete: bool = False
    cut_by: str | None = None
    """What ended it early: gap (a hole in the capture), or how the connection closed."""
    sliced: list[int] = field(default_factory=list)
    """Frames whose end the snaplen took; the first few."""
    notes: list[tuple[str, str]] = field(default_factory=list)
    """Anomalies met while reading: (code, detail)."""


class Budget:
    """How many bytes of bodies all connections together may still keep."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left


Done = tuple[Message, ...]
"""The messages that a step has ended: none or one."""

Step = Callable[["MessageParser"], Done]
"""A state, as a function: a bound method would keep its parser alive until the garbage collector comes by."""


class Kind(NamedTuple):
    """What differs between reading requests and responses."""

    starts: Callable[[bytes], bool | None]
    read: Callable[..., Head | None]


REQUESTS = Kind(starts_request, read_request_head)
RESPONSES = Kind(starts_response, read_response_head)

# DER or BER of a SEQUENCE (0x30, then a long-form or indefinite length), or its base64.
CMS_STARTS = (b"\x30\x80", b"\x30\x81", b"\x30\x82", b"\x30\x83", b"MII", b"MIA")


_LONG = 1 << 40
_LONGEST_CHUNK_LINE = 4096
"""Bytes of the line that begins or ends a chunk; extensions are hardly ever seen there."""


class MessageParser:
    """Give it the events of one direction; it gives messages when they end.

    ``framing`` says how the body of a message with this head ends: ``none``, ``length`` (with the number of bytes),
    ``chunked``, ``close``, ``tunnel``; ``wanted`` whether its body is worth keeping, ``unasked`` whether what makes it so may
    still come.
    """

    def __init__(
        self,
        kind: Kind,
        framing: Callable[[Message], tuple[str, int]],
        wanted: Callable[[Message], bool],
        limits: Limits,
        unasked: Callable[[], bool] = lambda: False,
        budget: Budget | None = None,
    ) -> None:
        self.current: Message | None = None
        self.lost_start = False
        """A hole has swallowed where a message would start."""
        self.foreign = False
        """The bytes that came last were no HTTP, and no hole explains that."""
        self._holed = False
        self._kind, self._framing, self._wanted, self._limits = kind, framing, wanted, limits
        self._unasked = unasked
        self._budget = budget if budget is not None else Budget(limits.held_bytes)
        self._buffer = bytearray()
        self._spans: deque[tuple[int, Data]] = deque()
        self._searched = 0
        self._remaining = 0
        self._step: Step = MessageParser._read_start
        self._more = False

    @property
    def pending(self) -> bool:
        """Whether bytes wait that may begin something, too few to tell."""
        return bool(self._buffer)

    def feed(self, data: Data) -> Iterator[Message]:
        """Take bytes; give the messages they complete."""
        self._buffer += data.content
        self._spans.append((len(data.content), data))
        yield from self._steps()

    def feed_pieces(self, pieces: Pieces) -> Iterator[Message]:
        """Take bytes of which all pieces but the last end nothing, as :meth:`unending` has said."""
        self._buffer += pieces.content
        self._spans.extend([(len(each.content), each) for each in pieces.each])
        yield from self._steps()

    def unending(self) -> tuple[int, bytes | None]:
        """How many bytes may come that end no message and begin none, so that they may come at once as well.

        With the last bytes that came, where that holds only as long as no blank line comes: inside a head.
        """
        if self._step is MessageParser._read_head:
            return self._limits.header_bytes - len(self._buffer), bytes(self._buffer[-2:])
        message = self.current
        if message is None or not (message.length or message.lost or message.wanted):
            return 0, None  # the first bytes of a body tell whether it is SCEP's
        if self._step in (MessageParser._read_length, MessageParser._read_chunk):
            # What a head says may be more than any file and any of C's numbers.
            return min(self._remaining - 1, _LONG), None
        return (_LONG, None) if self._step is MessageParser._read_until_close else (0, None)

    def _steps(self) -> Iterator[Message]:
        self._more = True
        while self._more:
            self._more = False
            # Given at once: how the next answer is framed depends on what the one before answered.
            yield from self._step(self)

    def gap(self, gap: Gap) -> Done:
        """Count over missing bytes inside a body; elsewhere give up the message that is being read."""
        length = gap.length
        if self._step is MessageParser._read_length and length <= self._remaining:
            self._lose(gap)
            self._remaining -= length
            return self._finish_if_done()
        if self._step is MessageParser._read_chunk and length <= self._remaining:
            self._lose(gap)
            self._remaining -= length
            if not self._remaining:
                self._goto(MessageParser._read_chunk_end)
        elif self._step is MessageParser._read_until_close:
            self._lose(gap)
        else:
            between = self.current is None and self._step is MessageParser._read_start
            past_the_end = self._step in (MessageParser._read_length, MessageParser._read_chunk)
            self.lost_start = not self.foreign and (between or past_the_end)
            done = self._break_off("gap")
            self._holed = not self.foreign
            for message in done:
                _note_slice(message, gap)
            return done
        return ()

    def close(self, how: str) -> Done:
        """No more bytes come; ``how`` as in ``Closed``. Only a FIN makes a body that lasts until the close whole."""
        if self._step is MessageParser._read_until_close and how == "fin" and self.current is not None:
            return self._end(complete=not self.current.lost)
        return self._break_off(how)

    def _break_off(self, why: str) -> Done:
        done: Done = ()
        if self._step is MessageParser._read_head and self._buffer:
            head = self._kind.read(bytes(self._buffer), cut=True)
            if head is not None:
                self._begin(head, len(self._buffer))
        if self.current is not None:
            self.current.cut_by = self.current.cut_by or why
            done = self._end(complete=False)
        self._drop_buffer()
        self._goto(MessageParser._read_start)
        return done

    def _lose(self, gap: Gap) -> None:
        if self.current is not None:
            self.current.lost = True
            self.current.cut_by = "gap"
            _note_slice(self.current, gap)

    # -- bytes and the frames they came in ---------------------------------------------------------------------------

    def _take(self, size: int) -> bytes:
        """Consume bytes; their frames belong to the current message."""
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        while size > 0:
            length, data = self._spans.popleft()
            if length > size:
                self._spans.appendleft((length - size, data))
            if self.current is not None:
                self.current.end_ns = data.time_ns
                if not self.current.frames or self.current.frames[-1] != data.frame:
                    self.current.frames.append(data.frame)
                self.current.end = data.offset + len(data.content) - max(length - size, 0)
            size -= length
        return taken

    def _drop_buffer(self) -> None:
        self._buffer.clear()
        self._spans.clear()
        self._searched = 0

    def _goto(self, step: Step) -> Done:
        self._step = step
        self._more = bool(self._buffer)
        return ()

    # -- states ------------------------------------------------------------------------------------------------------

    def _read_start(self) -> Done:
        blank = len(self._buffer) - len(self._buffer.lstrip(b"\r\n"))
        if blank:  # RFC 9112, Section 2.2: ignore empty lines before a message
            self._take(blank)
        begins = self._kind.starts(bytes(self._buffer[:32]))
        if begins:
            self._searched = 0
            self.foreign = False
            self._goto(MessageParser._read_head)
        elif begins is False:
            self.foreign = not self._holed
            self._drop_buffer()
        return ()

    def _read_head(self) -> Done:
        line_end = self._buffer.find(b"\n", self._searched)
        searched, self._searched = self._searched, len(self._buffer)
        ends = []
        if line_end >= 0:
            marks = (b"\n\r\n", b"\n\n")
            found = [(self._buffer.find(mark, max(searched - 3, 0)), len(mark)) for mark in marks]
            ends = [at + length for at, length in found if at >= 0]
        if not ends:
            return self._give_up_head() if len(self._buffer) > self._limits.header_bytes else ()
        size = min(ends)
        head = self._kind.read(bytes(self._buffer[:size]), cut=False)
        if head is None:
            self._drop_buffer()
            return self._goto(MessageParser._read_start)
        message = self._begin(head, size)
        return self._begin_body(message)

    def _give_up_head(self) -> Done:
        head = self._kind.read(bytes(self._buffer), cut=True)
        if head is not None:
            message = self._begin(head, len(self._buffer))
            message.notes.append(("limit-header", f"no end of the header within {self._limits.header_bytes:,} bytes"))
        return self._break_off("limit")

    def _begin(self, head: Head, size: int) -> Message:
        first = self._spans[0][1]
        start = first.offset + len(first.content) - self._spans[0][0]
        self.current = Message(head=head, start=start, acknowledged=first.acknowledged, time_ns=first.time_ns)
        self.foreign = self._holed = False
        self.current.wanted = self._wanted(self.current)
        self.current.kept = self.current.wanted or self._unasked()
        self._take(size)
        return self.current

    def _begin_body(self, message: Message) -> Done:
        framing, length = self._framing(message)
        self._remaining = length
        if framing == "length" and length:
            return self._goto(MessageParser._read_length)
        if framing == "chunked":
            return self._goto(MessageParser._read_chunk_size)
        if framing == "close":
            return self._goto(MessageParser._read_until_close)
        return self._end(complete=True)

    def _read_length(self) -> Done:
        self._keep(self._take(min(self._remaining, len(self._buffer))))
        return self._finish_if_done()

    def _finish_if_done(self) -> Done:
        return () if self._remaining else self._end(complete=self.current is not None and not self.current.lost)

    def _read_until_close(self) -> Done:
        self._keep(self._take(len(self._buffer)))
        return ()

    def _read_chunk_size(self) -> Done:
        at = self._buffer.find(b"\n")
        if at < 0:
            return self._break_off("limit") if len(self._buffer) > _LONGEST_CHUNK_LINE else ()
        digits = self._take(at + 1).split(b";")[0].strip()
        try:
            self._remaining = int(digits, 16)
            if self._remaining < 0:
                raise ValueError
        except ValueError:
            if self.current is not None:
                self.current.notes.append(("chunk-size-bad", f"{digits[:20]!r} is no chunk size"))
            return self._break_off("framing")
        return self._goto(MessageParser._read_chunk if self._remaining else MessageParser._read_trailer)

    def _read_chunk(self) -> Done:
        taken = self._take(min(self._remaining, len(self._buffer)))
        self._remaining -= len(taken)
        self._keep(taken, counted=True)
        return () if self._remaining else self._goto(MessageParser._read_chunk_end)

    def _read_chunk_end(self) -> Done:
        at = self._buffer.find(b"\n")
        if at < 0:
            return self._break_off("limit") if len(self._buffer) > _LONGEST_CHUNK_LINE else ()
        self._take(at + 1)
        return self._goto(MessageParser._read_chunk_size)

    def _read_trailer(self) -> Done:
        at = self._buffer.find(b"\n")
        if at < 0:
            return self._break_off("limit") if len(self._buffer) > self._limits.header_bytes else ()
        if self._take(at + 1).strip():
            return self._goto(MessageParser._read_trailer)
        return self._end(complete=self.current is not None and not self.current.lost)

    def _keep(self, content: bytes, *, counted: bool = False) -> None:
        message = self.current
        if message is None:
            return
        if not message.length and not message.lost and not message.wanted:
            message.wanted = content.startswith(CMS_STARTS)
            message.kept |= message.wanted
        message.length += len(content)
        if not counted:
            self._remaining -= len(content)
        if message.kept and not message.lost:
            most = self._limits.body_bytes if message.wanted else self._limits.unasked_body_bytes
            keep_within(message, content, most, self._budget)

    def _end(self, *, complete: bool) -> Done:
        message, self.current = self.current, None
        self._goto(MessageParser._read_start)
        if message is None:
            return ()
        message.complete = complete
        return (message,)


def keep_within(message: Message, content: bytes, most: int, budget: Budget) -> None:
    """Add to a body what there is room for: in it, and in what all bodies may take."""
    room = max(min(most - len(message.body), budget.left), 0)
    if message.overflow:
        room = 0  # a hole must not lie in it
    message.body += content[:room]
    budget.left -= min(len(content), room)
    message.overflow |= len(content) > room


def _note_slice(message: Message, gap: Gap) -> None:
    """Note the frame that the snaplen cut, where that made the hole."""
    if gap.reason == "snaplen" and len(message.sliced) < MOST_FRAMES:
        message.sliced.append(gap.frame)


def content_length(message: Message) -> int | None:
    """The Content-Length, None where there is none that can be read; its anomalies are noted on the message."""
    headers = message.head.headers
    value = header(headers, "content-length")
    if value is None:
        value = header(headers, "content-lenght")  # a misspelling seen in the field: openxpki/openxpki#859
        if value is None:
            return None
        message.notes.append(("content-length-misspelled", "Content-Lenght is read as Content-Length"))
    first = value.split(",")[0].strip()
    if not first.isascii() or not first.isdigit():
        message.notes.append(("content-length-bad", f"Content-Length {value[:40]!r} is no number"))
        return None
    return int(first[:18])


def is_chunked(message: Message) -> bool:
    """Whether Transfer-Encoding ends in chunked (RFC 9112, Section 6.1)."""
    value = header(message.head.headers, "transfer-encoding")
    return value is not None and value.lower().split(",")[-1].strip() == "chunked"
