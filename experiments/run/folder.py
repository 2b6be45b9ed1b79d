"""The folder of one run: what is in it, and writing there so that a kill never leaves half a file.

| file | content |
|---|---|
| config.json | experiment, command, settings |
| environment.json | versions, platform, devices, git commit |
| data.json | databases (facts of each: name, synthetic, fingerprint, counts, drops), part, unit, scored |
| au_init.json | folder and fingerprint of the detectors of --au-init |
| rows.csv | algorithm (the row's title), name, prior, variant, and a column for each swept setting |
| splits.csv | repeat, fold, client, subjects, num_train, num_validation, num_test, train_<class>..., test_<class>... |
| clients.csv | repeat, fold, client, num_subjects, num_examples, num_<part>..., and how much clients differ |
| metrics.csv | round, algorithm, repeat, fold, client, train_loss, scored, num_scored, loss, accuracy, uf1, uar |
| predictions.csv | algorithm, repeat, fold, client, clip, subject, label, predicted, p_<class>... |
| au_predictions.csv | algorithm, repeat, fold, client, clip, subject, label_, mask_ and probability_<AU>... |
| summary.csv, intervals.csv, differences.csv | scores of each row, with intervals; paired differences between rows |
| class_scores.csv, au_scores.csv, sweep.csv | scores of each class, of each AU, of each swept setting |
| gains.csv | UF1 of each row minus that of local-only training and of FedAvg, if lab shifts are swept |
| checkpoints/, finished/, priors.npz, networks/*.npz | arrays of the training; corrupt/ if some were damaged |
| figures/*.png, report.html | the page |
| trackers.json, tensorboard/, mlflow.json | of a run with trackers |

In rows of metrics.csv, fold and client "pooled" mean all parts of a repeat together. A federation has the fold "all", a
cross-validation the client "all".

Identities (client, subject, clip) and class names are text, also where they look like numbers.
"""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

ENVIRONMENT = ("python", "platform", "processor", "num_cpus", "devices", "packages", "git_commit")
"""Names in environment.json."""
TEXT_COLUMNS = (
    *("algorithm", "name", "prior", "variant", "client", "fold", "scored"),
    *("subject", "subjects", "clip", "label", "predicted", "kind"),
    *("graph", "emotion", "receiver", "sender"),
)


@dataclass(frozen=True)
class RunFolder:
    """Reads and writes the files of one run, by name."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints go; absolute, as orbax requires."""
        return (self.path / "checkpoints").resolve()

    def has(self, name: str) -> bool:
        """Whether the file is there."""
        return (self.path / name).is_file()

    def write_text(self, name: str, text: str) -> None:
        """Replace a text file in one step: a reader sees the old file or the new one, never a part."""
        self.write_bytes(name, text.encode())

    def write_bytes(self, name: str, content: bytes) -> None:
        """Replace a file in one step; its folder is made if it is missing.

        Raises:
            OSError: it cannot be written, for example as the disk is full; the old file, if any, is still there.
        """
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.unfinished")
        try:
            with unfinished.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            raise OSError(error.errno, error.strerror, str(path)) from None

    def write_json(self, name: str, value: Any) -> None:
        """Replace a JSON file in one step."""
        self.write_text(name, json.dumps(value, indent=2) + "\n")

    def write_table(self, name: str, table: "pd.DataFrame") -> None:
        """Replace a CSV file in one step."""
        self.write_text(name, as_csv(table))

    def read_json(self, name: str) -> Any:
        """Read a JSON file.

        Raises:
            ValueError: it is missing or not JSON; the sentence names it.
        """
        return self._read(name, lambda path: json.loads(path.read_text()))

    def read_facts(self, name: str, *facts: str) -> dict[str, Any]:
        """Read a JSON object.

        Args:
            name: of the file.
            facts: keys that it must have, besides others.

        Raises:
            ValueError: it is missing or not JSON, or lacks one of the keys; the sentence names it.
        """
        content = self.read_json(name)
        if missing := [fact for fact in facts if not isinstance(content, dict) or fact not in content]:
            raise ValueError(f"{self.path / name} does not say {missing[0]}; restore it, or run again.")
        return dict(content)

    def read_table(self, name: str) -> "pd.DataFrame":
        """Read a CSV file, identities and class names as text ("None" and "001" stay what they are).

        Raises:
            ValueError: it is missing or not CSV; the sentence names it.
        """
        return self._read(name, _read_csv)

    def _read(self, name: str, read: Callable[[Path], Any]) -> Any:
        path = self.path / name
        try:
            return read(path)
        except FileNotFoundError:
            raise ValueError(
                f"{self.path} is not a finished run folder: it has no {name}; give the folder of a run."
            ) from None
        except (OSError, ValueError) as error:
            raise ValueError(f"{path} cannot be read ({error}); restore it, or run again.") from None


def create(path: Path | str, *, resumable: bool = True) -> RunFolder:
    """Make the folder of a new run.

    Args:
        path: where.
        resumable: whether the command has ``--resume``, to be named if the folder is there already.

    Raises:
        FileExistsError: something is there already; nothing of it is touched.
        PermissionError: the folder cannot be made or written.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True)
    except FileExistsError:
        resume = ", or --resume this one" if resumable else ""
        raise FileExistsError(f"The run folder {path} exists already; choose another with --output{resume}.") from None
    except OSError as error:
        raise PermissionError(
            f"The run folder {path} cannot be written ({error.strerror}); choose another with --output."
        ) from None
    return RunFolder(path)


def existing(path: Path | str) -> RunFolder:
    """Open the folder of an earlier run.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    if not Path(path).is_dir():
        raise FileNotFoundError(f"There is no run folder {path}; give the folder that an earlier run wrote.")
    return RunFolder(Path(path))


def require_space(folder: RunFolder, num_bytes: float, what: str) -> None:
    """Refuse to write what the disk of a run would not hold.

    Args:
        folder: of the run.
        num_bytes: to be written.
        what: it is, in the plural: "two checkpoints".

    Raises:
        OSError: there is less room.
    """
    if (free := shutil.disk_usage(folder.path).free) < num_bytes:
        raise OSError(
            f"{folder.path}: {what} take {num_bytes / 1e6:.0f} MB, but {free / 1e6:.0f} MB are free there: make room, "
            "or give another place with --output"
        )


def as_csv(table: "pd.DataFrame") -> str:
    """A table as it is written; numbers have all their digits, NaN is an empty cell."""
    return table.to_csv(index=False, lineterminator="\n")


def _read_csv(path: Path) -> "pd.DataFrame":
    import pandas as pd

    columns = pd.read_csv(path, nrows=0).columns
    text: dict[Any, str] = {column: "str" for column in columns if column in TEXT_COLUMNS}
    return pd.read_csv(path, dtype=text, keep_default_na=False, na_values=[""])
