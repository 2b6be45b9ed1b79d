"""The synthetic database: pictures are filmed once, written as files, then treated as any other database."""

import dataclasses
import hashlib
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from data.annotations import Annotation
from data.builder import MicroExpressionBuilder
from data.dfme.layout import LAYOUT
from data.parallel import in_processes
from data.survey import Choices, Survey, survey
from fedpsyau_jax.synthesis import challenge_layout
from fedpsyau_jax.synthesis.emotions import EMOTIONS
from fedpsyau_jax.synthesis.labs import Lab, Labs, labs_named, labs_of
from fedpsyau_jax.synthesis.population import FEDERATED, PRETRAINING, Population, subject_name, subject_numbers
from fedpsyau_jax.synthesis.site import USUAL
from fedpsyau_jax.vision.sample import Settings


@dataclasses.dataclass(kw_only=True)
class SyntheticConfig(tfds.core.BuilderConfig):
    """A population to film, in one place or by several labs, and how its pictures become samples."""

    population: Population = FEDERATED
    labs: Labs | None = None
    settings: Settings = dataclasses.field(default_factory=Settings)


def labs_config(labs: Labs) -> SyntheticConfig:
    """The configuration of some labs, made when it is asked for."""
    description = f"{labs.num_labs} labs of {labs.population.num_subjects} subjects that differ by {labs.shift}."
    return SyntheticConfig(name=labs.name, description=description, population=labs.population, labs=labs)


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

    def __init__(self, *, config: str | SyntheticConfig | None = None, **options: Any) -> None:
        """Set up the builder; ``config`` may also name labs, such as ``labs-3-0.5``."""
        if isinstance(config, str) and config.startswith("labs-"):
            config = labs_config(labs_named(config))
        super().__init__(config=config, **options)

    def recipe(self) -> dict[str, Any]:
        """Also who is filmed, and how."""
        return super().recipe() | {"population": self.who_and_how}

    @property
    def places(self) -> tuple[Lab, ...]:
        """The labs; without labs, the one place where everybody is filmed."""
        config = self.builder_config
        return labs_of(config.labs) if config.labs else (Lab(str(self.name), config.population, USUAL),)

    @property
    def who_and_how(self) -> str:
        """Everything that the pictures and the table depend on."""
        config = self.builder_config
        return repr(self.places if config.labs else config.population)

    @cached_property
    def lab_of_subject(self) -> dict[str, Lab]:
        """Who is filmed where."""
        return {subject_name(one): lab for lab in self.places for one in subject_numbers(lab.population)}

    def site_of(self, annotation: Annotation) -> str:
        """The lab."""
        return self.lab_of_subject[annotation.subject].name

    def labelled_in(self, annotation: Annotation) -> frozenset[int]:
        """The AUs that the lab's annotators look for."""
        unknown = self.lab_of_subject[annotation.subject].site.annotators.never_scored
        return self.labelled_action_units - frozenset(unknown)

    @property
    def settings(self) -> Settings:
        """The vision pipeline's choices of this configuration."""
        return self.builder_config.settings

    @property
    def picture_folder(self) -> Path:
        """Where the pictures of this population are, or will be: one folder for each way to film."""
        recipe = hashlib.sha256(f"{self.VERSION} {self.who_and_how}".encode()).hexdigest()[:12]
        return Path(self._data_dir_root) / "pictures" / self.name / f"{self.builder_config.name}-{recipe}"

    def film(self) -> Path:
        """Write all pictures that are not on disk yet, then the table."""
        root, places = self.picture_folder, self.places
        table = root / challenge_layout.TABLE
        if not table.exists():
            root.mkdir(parents=True, exist_ok=True)
            subjects = [(lab, subject) for lab in places for subject in subject_numbers(lab.population)]
            filmed = in_processes(partial(film_subject, root), subjects, self.num_workers)
            for _ in self.progress(filmed, len(subjects), "synthetic faces"):
                pass
            challenge_layout.write_table(root, [(lab.population, lab.site) for lab in places])
        return table

    def clips_to_make(self, dl_manager: tfds.download.DownloadManager) -> Survey:
        """The pictures, filmed if need be."""
        del dl_manager
        table = self.film()
        return survey(LAYOUT, table.parent, "challenge", Choices(table=table)).usable()


def film_subject(root: Path, who: tuple[Lab, int]) -> int:
    """Film a subject in a lab; returns how many clips were filmed."""
    lab, subject = who
    return challenge_layout.write_subject(root, lab.population, subject, lab.site)
