"""The two passes over the shards of a run, by one process or several: the noise statistics, then the files."""

from typing import Final

from pid_lvlm.data.command.shown import count
from pid_lvlm.data.names import shard_file
from pid_lvlm.extract.conditions.noise import Arrays, NoiseStats
from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.measure.embeddings import SiteMoments, group_moments, statistics
from pid_lvlm.extract.run.contents.run_folder import RunFolder
from pid_lvlm.extract.run.contents.shard_writer import ShardWriter
from pid_lvlm.extract.run.progress import Reporter, Work, run_passes
from pid_lvlm.extract.run.sharing.processes import Processes
from pid_lvlm.extract.run.sharing.work import Advance, ShardWork

OTHER_BYTES: Final = (
    "was measured again and is not bit-identical; another machine, --batch-size or number of threads rounds differently"
)


def noise_stats(work: ShardWork, folder: RunFolder, reporter: Reporter, processes: Processes | None) -> NoiseStats:
    """Statistics of the replacement noise, read from the folder, or measured now and written there."""
    stats = folder.noise_stats([site.name for site in work.adapter.sites])
    if stats is not None:
        return stats
    share = work.share
    total = len(share.items)
    pairs = 0 if share.crossed is None else share.crossed.pairs
    left = run_passes(total, len(share.conditions), pairs)
    try:
        with reporter.task(f"{folder.name}: noise statistics", total, left=left) as advance:
            stats = statistics(_moments(work, processes, advance))
    except ModelError:  # an image that the processor rejects
        folder.discard_if_bare()
        raise
    folder.write_noise_stats(stats)
    return stats


def _moments(work: ShardWork, processes: Processes | None, advance: Advance) -> list[SiteMoments]:
    """Moments of each shard, in order, since the order determines how sums round."""
    share = work.share
    shards = range(-(-len(share.items) // share.shard_size))
    if processes is None or not processes.alive:
        items = [share.shard(shard) for shard in shards]
        return group_moments(work.adapter, items, work.batching, advance, work.kept)
    found: dict[int, SiteMoments] = {}

    def own(shard: int, turn: Advance) -> SiteMoments:
        return work.moments(shard, _both(advance, turn))

    def keep(shard: int, moments: SiteMoments, mine: bool) -> None:
        found[shard] = moments
        if not mine:
            advance(len(share.rows(shard)))

    processes.each(share, shards, None, own, keep)
    return [found[shard] for shard in shards]


def write_shards(
    work: ShardWork, stats: NoiseStats, folder: RunFolder, reporter: Reporter, processes: Processes | None
) -> int:
    """Measure and write the missing shards; returns the number of samples measured."""
    share = work.share
    missing = [shard for shard in range(folder.manifest.num_shards) if shard not in folder.found.kept]
    total = sum(len(share.rows(shard)) for shard in missing)
    conditions = len(share.conditions)
    works = [Work(f"{folder.name}: {conditions} conditions", total, passes=conditions)]
    others = 0 if share.crossed is None else share.crossed.pairs - 1
    if others:
        works.append(Work(f"{folder.name}: crossed pairs", total * others, unit="pairs"))

    def other_bytes(shard: int) -> None:
        reporter.note(f"{folder.name}: `{shard_file(shard)}` {OTHER_BYTES}")

    with reporter.tasks(works) as (advance, *more), ShardWriter(folder.write_shard, other_bytes) as files:
        advance_pairs = more[0] if more else _ignore
        if processes is None or not processes.alive:
            measurement = work.measurement(stats)
            measured = measurement.shards([share.shard(shard) for shard in missing], work.batching, advance)
            for shard, arrays in zip(missing, measured, strict=True):
                files.wait()  # otherwise processes that prepare the pairs could be forked in the middle of a write
                files.put(shard, arrays | work.pairs(shard, arrays, measurement, advance_pairs))
            return total
        if len(missing) < processes.count:
            reporter.note(
                f"{folder.name}: {count(len(missing), 'file')} to measure, fewer than --processes; a smaller "
                "--shard-size would use all of them"
            )

        def own(shard: int, turn: Advance) -> Arrays:
            return work.arrays(shard, stats, _both(advance, turn), _both(advance_pairs, turn))

        def keep(shard: int, arrays: Arrays, mine: bool) -> None:
            files.put(shard, arrays)
            if not mine:
                advance(rows := len(share.rows(shard)))
                advance_pairs(rows * others)

        processes.each(share, missing, stats, own, keep)
    return total


def _both(one: Advance, other: Advance) -> Advance:
    def advance(done: int) -> None:
        one(done)
        other(done)

    return advance


def _ignore(_done: int) -> None:
    """For runs without crossed pairs."""
