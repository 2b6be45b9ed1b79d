"""The networks of runs leave little behind when they are read."""

import jax

from experiments.clips.memory import release


def test_programs_that_prepared_a_run_are_forgotten():
    double = jax.jit(lambda x: 2 * x)
    double(1.0)
    assert double._cache_size() == 1
    release()
    assert double._cache_size() == 0
    assert double(2.0) == 4
