"""Pairs of pictures whose flow is measured in a second, by our TV-L1 and by OpenCV's."""

from collections.abc import Iterator
from time import perf_counter

from benchmarks.cases import Plan
from benchmarks.flow import Options, flows_by_jax, flows_by_opencv
from benchmarks.pairs import synthetic_faces
from benchmarks.records import Record, compared
from benchmarks.timing import interleaved
from fedpsyau_jax.vision.flow import compiled, pairs_at_once
from fedpsyau_jax.vision.tvl1 import OPENCV


def flow(plan: Plan) -> Iterator[Record]:
    """Synthetic faces as the data pipeline cuts them; seconds of a pair, and pairs a second beside them."""
    size, count = Options().size, plan.sizes.pairs
    pairs, group = synthetic_faces(count, size), pairs_at_once()
    start = perf_counter()
    program = compiled(OPENCV, (*([] if group is None else [group]), size, size))
    compiling = perf_counter() - start
    works = {
        "TV-L1 in JAX": lambda: flows_by_jax(pairs, program),
        "TV-L1 of OpenCV": lambda: flows_by_opencv(pairs),
    }
    times = interleaved(works, plan.turns, plan.budget)
    records = [
        Record(
            name, "s a pair", tuple((taken / count).tolist()), note=f"{count / min(taken):.1f} pairs a second at best"
        )
        for name, taken in times.items()
    ]
    yield from compared([records[0]._replace(compile_seconds=compiling), *records[1:]])
