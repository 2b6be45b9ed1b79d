"""Write the report of a run again: ``python -m experiments.report RUN``, for example after an update."""

from pathlib import Path

from tyro.conf import Positional

from experiments.run.folder import existing
from experiments.run.lifecycle import exit_with
from fedpsyau_jax.options import parsed


def main(run_folder: Positional[Path]) -> int:
    """Write the report of a run again.

    Args:
        run_folder: folder that an experiment wrote.

    Raises:
        ValueError, OSError: it is not a run folder, or one of its files is missing or damaged.
    """
    folder = existing(run_folder)
    from jinja2 import UndefinedError

    from experiments.pages import report

    try:
        print(report.write(folder))
    except (LookupError, TypeError, AttributeError, ArithmeticError, UndefinedError) as error:
        raise ValueError(
            f"{folder.path}: its files are not those of a finished run ({error}); restore them, or run again"
        ) from None
    return 0


if __name__ == "__main__":
    exit_with(lambda arguments: parsed(main, arguments, prog="python -m experiments.report"))
