"""Writes shards in a separate thread while the device measures the next one."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

Content = TypeVar("Content")


class ShardWriter(Generic[Content]):
    """Writes shards in order of arrival, one at a time; each waits until the previous one is written.

    However its block ends, the last shard is still written: it was measured completely. A failure to write a shard
    stops the run when the next one arrives, or at the end of the block.

    Args:
        write: writes a shard, given its index and content; returns whether its bytes are as expected.
        other_bytes: called, in the caller's thread, with the index of a shard whose bytes are not.
    """

    def __init__(self, write: Callable[[int, Content], bool], other_bytes: Callable[[int], None]) -> None:
        self._write = write
        self._other_bytes = other_bytes
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pid-write")
        self._last: tuple[int, Future[bool]] | None = None

    def put(self, shard: int, content: Content) -> None:
        """Queue a shard for writing, once the previous one is written.

        Raises:
            PidError: the previous one could not be written.
        """
        self.wait()
        self._last = shard, self._thread.submit(self._write, shard, content)

    def wait(self) -> None:
        """Wait until everything is written.

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
