"""Write the report of a run again: ``python -m experiments.report RUN``, for example after an update."""

from pathlib import Path

from jinja2 import UndefinedError
from tyro.conf import Positional

from experiments.pages import report
from experiments.run import commandline
from experiments.run import folder as run_folder
from fedpsyau_jax.options import parsed


def main(run_path: Positional[Path]) -> int:
    """Write the report of a run again.

    Args:
        run_path: folder that an experiment wrote.

    Raises:
        ValueError, OSError: it is none, or a file of it is missing or broken.
    """
    folder = run_folder.existing(run_path)
    try:
        print(report.write(folder))
    except (LookupError, TypeError, AttributeError, ArithmeticError, UndefinedError) as error:
        raise ValueError(
            f"{folder.path}: its files are not those of a finished run ({error}); restore them, or run again"
        ) from None
    return 0


if __name__ == "__main__":
    commandline.exit_with(lambda arguments: parsed(main, arguments, prog="python -m experiments.report"))
