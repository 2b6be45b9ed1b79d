"""What the rows of a table are trained and tested on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from data.dataset import Dataset
from experiments.inputs.corpus import Corpus
from experiments.inputs.settings import RunSettings
from experiments.training.store import Rows
from fedpsyau_jax.splits import Split


@dataclass(frozen=True, eq=False)
class RunData:
    """Examples and splits of all rows of a run; of a sweep over classes or clients, of the rows of one value.

    Attributes:
      settings: of these rows.
      values: by option, the swept values that these data belong to, as text: ``{"classes": "3"}``.
      datasets: the databases.
      corpus: their examples with subjects and clips, joined.
      repeats: [repeats][splits].
      rows: the examples as the store has them.
    """

    settings: RunSettings
    values: Mapping[str, str]
    datasets: Sequence[Dataset]
    corpus: Dataset | Corpus
    repeats: list[list[Split]]
    rows: Rows

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the emotion classes; empty in a pretraining."""
        return self.corpus.class_names if isinstance(self.corpus, Dataset) else ()

    @property
    def dataset(self) -> Dataset:
        """The examples of a run that recognises emotions."""
        assert isinstance(self.corpus, Dataset)
        return self.corpus

    @property
    def title(self) -> str:
        """The swept values: ``classes 3``; empty if there are no others."""
        return ", ".join(f"{option} {value}" for option, value in self.values.items())


def once(loaded: Sequence[Sequence[Dataset]]) -> list[Dataset]:
    """The databases of several data, each dataset once."""
    return list({id(one): one for datasets in loaded for one in datasets}.values())
