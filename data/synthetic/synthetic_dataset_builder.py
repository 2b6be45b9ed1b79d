"""The synthetic database: pictures are filmed once, written as files, then treated as any other database."""

import dataclasses
import hashlib
from functools import partial
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from data.builder import MicroExpressionBuilder
from data.dfme.layout import LAYOUT
from data.parallel import in_processes
from data.survey import Choices, Survey, survey
from fedpsyau_jax.synthesis import challenge_layout
from fedpsyau_jax.synthesis.emotions import EMOTIONS
from fedpsyau_jax.synthesis.population import FEDERATED, PRETRAINING, Population, subject_numbers
from fedpsyau_jax.vision.sample import Settings


@dataclasses.dataclass(kw_only=True)
class SyntheticConfig(tfds.core.BuilderConfig):
    """A population to film, and how its pictures become samples."""

    population: Population = FEDERATED
    settings: Settings = dataclasses.field(default_factory=Settings)


class Builder(MicroExpressionBuilder):
    """Synthetic micro-expressions in the DFME challenge layout."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 (tfds reads class attributes)
    BUILDER_CONFIGS = [  # noqa: RUF012
        SyntheticConfig(name="federated", description="Seven emotions, 60 subjects.", population=FEDERATED),
        SyntheticConfig(
            name="pretraining",
            description="AUs drawn evenly, no emotion, 16 other subjects.",
            population=PRETRAINING,
        ),
    ]
    class_names = EMOTIONS
    synthetic = True

    def recipe(self) -> dict[str, Any]:
        """Also the population that is filmed."""
        return super().recipe() | {"population": repr(self.builder_config.population)}

    @property
    def settings(self) -> Settings:
        """The vision pipeline's choices of this configuration."""
        return self.builder_config.settings

    @property
    def picture_folder(self) -> Path:
        """Where the pictures of this population are, or will be: one folder for each way to film."""
        population = self.builder_config.population
        recipe = hashlib.sha256(f"{self.VERSION} {population!r}".encode()).hexdigest()[:12]
        return Path(self._data_dir_root) / "pictures" / self.name / f"{self.builder_config.name}-{recipe}"

    def film(self) -> Path:
        """Write all pictures that are not on disk yet, then the table."""
        root, population = self.picture_folder, self.builder_config.population
        table = root / challenge_layout.TABLE
        if not table.exists():
            root.mkdir(parents=True, exist_ok=True)
            subjects = subject_numbers(population)
            filmed = in_processes(partial(challenge_layout.write_subject, root, population), subjects, self.num_workers)
            for _ in self.progress(filmed, len(subjects), "synthetic faces"):
                pass
            challenge_layout.write_table(root, population)
        return table

    def clips_to_make(self, dl_manager: tfds.download.DownloadManager) -> Survey:
        """The pictures, filmed if need be."""
        del dl_manager
        table = self.film()
        return survey(LAYOUT, table.parent, "challenge", Choices(table=table)).usable()
