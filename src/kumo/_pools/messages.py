"""Messages between a process pool and its processes: how they are pickled, framed, sent and read.

A message is a head, the sizes of its buffers, the pickled object and the buffers. The head has the
message's number, and a mark: of a task the threads that it may use, of an answer whether it has
failed. Buffers are the memory that pickle's protocol 5 hands out, such as a large array's. It is
written without a copy in the pickle and read without one, and large `bytes` are written so too.

Everything else is pickled as loky does it, by its reducers and by cloudpickle. Its pickler is
kept from one object to the next, since making one costs four times as much as most objects do.
"""

from __future__ import annotations

import copyreg
import os
import pickle
import struct
import sys
from contextlib import suppress
from importlib import import_module
from types import SimpleNamespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection
    from typing import Any

_HEAD = struct.Struct("<BHHQ")  # number, mark, how many buffers, bytes of the pickled object
_SIZE = struct.Struct("<Q")  # bytes of a buffer
_CHUNK = 64 * 1024  # read at once; a buffer is sent apart from this size on
_MAX_BUFFERS = 1000  # the rest is pickled with the object
_JOINED = 16 * 1024  # up to this size a copy costs less than another write
_PLAIN = {type(None), bool, int, float}  # all picklers write them alike, and so the fastest does


class Parcel:
    """A pickled object, as parts to write, and their *size*."""

    __slots__ = ("body", "buffers", "parts", "size")

    def __init__(self, parts: list[Any], buffers: list[memoryview]) -> None:
        self.body = len(parts[0]) if len(parts) == 1 else sum(map(len, parts))
        self.size = _HEAD.size + self.body
        self.buffers = buffers
        if buffers:
            sizes = [_SIZE.pack(len(buffer)) for buffer in buffers]
            parts = [*sizes, *parts, *buffers]
            self.size += _SIZE.size * len(sizes) + sum(map(len, buffers))
        self.parts = parts

    def addressed(self, number: int, mark: int) -> list[Any]:
        """Return the parts of the message with that number and mark."""
        return [_HEAD.pack(number, mark, len(self.buffers), self.body), *self.parts]


class Packer:
    """Pickles objects, for one thread."""

    def __init__(self) -> None:
        self.parts: list[Any] = []
        self.buffers: list[memoryview] = []
        self.key: object = None
        self.pickler: Any = None
        self.reduction = import_module("loky.backend.reduction")

    def pack(self, what: object) -> Parcel:
        """Return *what*, pickled. Raise what pickling raises."""
        if type(what) in _PLAIN:
            return Parcel([pickle.dumps(what, 5)], [])
        reduction = self.reduction
        # Modules register reducers when they are imported, and programs choose loky's pickler.
        own = getattr(reduction, "_dispatch_table", ())
        key = (reduction.get_loky_pickler(), len(own), len(copyreg.dispatch_table))
        if key != self.key:
            self.pickler, self.key = self._make(key[0]), key
        pickler = self.pickler
        try:
            pickler.dump(what)
            return Parcel(self.parts[:], self.buffers[:])
        finally:
            # The next object must not refer to this one, and nothing may keep this one alive.
            self.parts.clear()
            self.buffers.clear()
            pickler.clear_memo()
            if hasattr(pickler, "globals_ref"):
                pickler.globals_ref = {}

    def _make(self, kind: Any) -> Any:
        file = SimpleNamespace(write=self.parts.append)
        pickler = kind(file, protocol=5)
        if isinstance(pickler, pickle.Pickler):  # loky passes no callback on, so begin once more
            pickle.Pickler.__init__(pickler, file, 5, buffer_callback=self._is_small)
        return pickler

    def _is_small(self, buffer: pickle.PickleBuffer) -> bool:
        """Keep *buffer* for itself if it is large; `True` if pickle should copy it."""
        with suppress(BufferError):  # it is not in one piece
            memory = buffer.raw()
            # The reader gets a `bytearray`, which anybody may write to.
            if memory.nbytes >= _CHUNK and not memory.readonly and len(self.buffers) < _MAX_BUFFERS:
                self.buffers.append(memory)
                return False
        return True


class Message:
    """A message that has been read: a number, a mark, and the pickled object."""

    __slots__ = ("body", "buffers", "mark", "number")

    def __init__(
        self, number: int, mark: int, body: bytes | memoryview, buffers: list[bytearray]
    ) -> None:
        self.number, self.mark, self.body, self.buffers = number, mark, body, buffers


def unpack(message: Message) -> Any:
    """Return the object that *message* brings. Raise what unpickling raises."""
    return pickle.loads(message.body, buffers=message.buffers)


class Inbox:
    """Messages as they come from a connection."""

    def __init__(self, source: Connection) -> None:
        self.source = source
        self.data = b""
        self.at = 0

    def has_more(self) -> bool:
        """Whether at least a part of another message has been read."""
        return self.at < len(self.data)

    def next(self) -> Message:
        """Return the next message; wait for it. Raise `EOFError` if there is none any more."""
        return self.next_read() or self.next_in_parts()

    def next_read(self) -> Message | None:
        """Return the next message if it has been read whole, without buffers."""
        begin = self.at + _HEAD.size
        if begin > len(self.data):
            return None
        number, mark, count, size = _HEAD.unpack_from(self.data, self.at)
        end = begin + size
        if count or end > len(self.data):
            return None
        self.at = end
        return Message(number, mark, self.data[begin:end], [])

    def next_in_parts(self) -> Message:
        """Return the next message, of which some is still to be read."""
        number, mark, count, size = _HEAD.unpack(self.take(_HEAD.size))
        sizes = [_SIZE.unpack(self.take(_SIZE.size))[0] for _ in range(count)]
        body = self.take(size)
        return Message(number, mark, body, [self.take_own(n) for n in sizes])

    def take(self, size: int) -> bytes | memoryview:
        """Return the next *size* bytes."""
        if len(self.data) - self.at < size:
            if size > _CHUNK:
                return memoryview(self.take_own(size))
            while len(self.data) - self.at < size:
                self.data = self.data[self.at :] + self.read()
                self.at = 0
        begin, self.at = self.at, self.at + size
        return self.data[begin : self.at]

    def take_own(self, size: int) -> bytearray:
        """Return the next *size* bytes, in a separate `bytearray`."""
        own = bytearray(size)
        with memoryview(own) as rest:
            there = self.data[self.at : self.at + size]
            rest[: len(there)] = there
            self.at += len(there)
            done = len(there)
            while done < size:
                done += self.read_into(rest[done:])
        return own

    if sys.platform == "win32":

        def read(self) -> bytes:
            """Return a message. Raise `EOFError` at the end, which an empty one is."""
            if data := self.source.recv_bytes():
                return data
            raise EOFError

        def read_into(self, memory: memoryview) -> int:
            """Read the next bytes into *memory*; return how many. Raise `EOFError` at the end."""
            raise AssertionError("a message has come whole")

    else:

        def read(self) -> bytes:
            """Return some bytes. Raise `EOFError` at the end."""
            data = os.read(self.source.fileno(), _CHUNK)
            if not data:
                raise EOFError
            return data

        def read_into(self, memory: memoryview) -> int:
            """Read the next bytes into *memory*; return how many. Raise `EOFError` at the end."""
            count = os.readv(self.source.fileno(), [memory])
            if not count:
                raise EOFError
            return count


if sys.platform == "win32":

    def write(target: Connection, parts: list[Any]) -> None:
        """Write one message, or several."""
        target.send_bytes(b"".join(parts))

else:

    def write(target: Connection, parts: list[Any]) -> None:
        """Write one message, or several."""
        descriptor = target.fileno()
        for piece in [b"".join(parts)] if sum(map(len, parts)) <= _JOINED else _pieces(parts):
            done = os.write(descriptor, piece)
            if done < len(piece):
                with memoryview(piece) as view:
                    while done < len(view):
                        done += os.write(descriptor, view[done:])

    def _pieces(parts: list[Any]) -> Iterator[Any]:
        """Yield *parts*, and those that are small in one with their neighbours."""
        small: list[Any] = []
        size = 0
        for part in parts:
            if small and size + len(part) > _JOINED:
                yield b"".join(small)
                small.clear()
                size = 0
            if len(part) > _JOINED:
                yield part
            else:
                small.append(part)
                size += len(part)
        yield b"".join(small)
