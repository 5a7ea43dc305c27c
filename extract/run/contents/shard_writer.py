"""Shards are written by a thread of their own while the device measures the next one."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

Content = TypeVar("Content")


class ShardWriter(Generic[Content]):
    """Writes shards in the order in which they come, one at a time; the next one waits until the one before is written.

    When its block ends, however it ends, the shard that was given last is written: it was measured completely. A shard
    that cannot be written stops the run when the next one comes, or at the end of the block.

    Args:
        write: writes a shard, given its number and content; whether its bytes are those expected.
        other_bytes: told, in the thread of the caller, the number of a shard whose bytes are not.
    """

    def __init__(self, write: Callable[[int, Content], bool], other_bytes: Callable[[int], None]) -> None:
        self._write = write
        self._other_bytes = other_bytes
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pid-write")
        self._last: tuple[int, Future[bool]] | None = None

    def put(self, shard: int, content: Content) -> None:
        """Have a shard written, once the one before it is.

        Raises:
            PidError: the one before it could not be written.
        """
        self.wait()
        self._last = shard, self._thread.submit(self._write, shard, content)

    def wait(self) -> None:
        """Until all that was given is written.

        Raises:
            PidError: it could not be written.
        """
        if self._last is None:
            return
        shard, written = self._last
        same = written.result()
        self._last = None
        if not same:
            self._other_bytes(shard)

    def __enter__(self) -> "ShardWriter[Content]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.wait()
        finally:
            self._thread.shutdown()
