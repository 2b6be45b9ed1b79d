"""Read clips of your own with trained networks: ``python -m experiments.predict RUN --clip PATH``.

RUN: finished runs of fed, mer or ablate that kept networks, or of pretrain (action units only); PATH: a video, a folder
of frames, or a folder of clips. Two pictures: ``--onset A --apex B``. docs/predict.md describes files and limits.
"""

from collections.abc import Sequence

from experiments.clips.options import Options, from_stored
from experiments.inputs.ranges import check_ranges
from experiments.run import lifecycle
from fedpsyau_jax.options import parsed


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit status.

    Raises:
      ValueError, OSError: the user's mistake, in one sentence.
    """
    options = parsed(Options, arguments, prog="python -m experiments.predict")
    check_ranges(options)
    new = options.resume is None
    if options.resume is not None:
        folder = lifecycle.resume(options.resume, with_settings=options != Options(resume=options.resume))
        options = from_stored(folder)
    from experiments.clips import session

    session.check(options)
    lifecycle.cache_compilations()
    if new:
        folder = lifecycle.start("predict", arguments, options.stored(), options.output)
    with lifecycle.remove_if_not_started(folder, new=new):
        return session.predict(options, folder)


if __name__ == "__main__":
    lifecycle.exit_with(main)
