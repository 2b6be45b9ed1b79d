"""What fast flow does to the AUs of frames.csv: ``python -m benchmarks.frame_flow RUN --clips 60``.

experiments.predict reads the apex by the flow of the run's data, TV-L1, and all other frames by dense inverse search,
which is much faster. Both read the same rendered clips (intensity .05 to .35, the usual head motion): how far the
probabilities differ, how many decisions at 0.5 do, and F1 against the AUs that were shown.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import tyro

from benchmarks.timing import machine
from experiments.clips.predictor import Predictor
from experiments.clips.reading import fast_settings
from experiments.run.mistakes import exit_status
from fedpsyau_jax.synthesis.emotions import draw_any_aus
from fedpsyau_jax.synthesis.filming import Conditions, Take, film
from fedpsyau_jax.synthesis.muscles import MOTION, Action
from fedpsyau_jax.synthesis.population import FEDERATED, portrait
from fedpsyau_jax.vision.sample import Settings, make_sample

INTENSITY = (0.05, 0.35)
PEOPLE = range(1, 11)
PRESENT = 0.5


@dataclass(frozen=True)
class Options:
    """Compare the flow of the frames with that of the apex.

    Attributes:
      run: Folder of a finished run with networks.
      clips: How many.
      data_dir: Folder of the run's databases.
    """

    run: tyro.conf.Positional[Path]
    clips: int = 60
    data_dir: Path | None = None


def filmed(seed: int) -> tuple[Take, np.ndarray]:
    """A clip of one of ten people, and the action units that it shows."""
    generator = np.random.default_rng([5, seed])
    shown = draw_any_aus(generator)
    actions = [Action(au, float(generator.uniform(*INTENSITY))) for au, on in zip(MOTION, shown, strict=True) if on]
    return film(portrait(FEDERATED, PEOPLE[seed % len(PEOPLE)]), actions, Conditions(), generator), np.array(shown)


def read(predictor: Predictor, takes: list[Take], settings: Settings) -> np.ndarray:
    """Mean probability of every action unit in each clip, [clips, aus]."""
    samples = []
    for take in takes:
        onset, apex = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (take.onset, take.apex))
        samples.append(make_sample(onset, apex, take.onset_landmarks, settings))
    return np.asarray(predictor.probabilities(samples).au.mean(axis=0))


def compared(exact: np.ndarray, fast: np.ndarray, shown: np.ndarray, names: tuple[str, ...]) -> pd.DataFrame:
    """A row for each action unit and one for all, from probabilities and truth, [clips, aus]."""
    decided, other = exact > PRESENT, fast > PRESENT
    columns = {"difference": np.abs(exact - fast), "decided otherwise": decided != other}
    table = pd.DataFrame({title: pd.Series(values.mean(axis=0), names) for title, values in columns.items()})
    for title, found in (("F1 as trained", decided), ("F1 fast", other)):
        table[title] = 2.0 * (found & shown).sum(axis=0) / np.maximum(1, found.sum(axis=0) + shown.sum(axis=0))
    table.loc["all"] = table.mean()
    return table


def show(options: Options) -> int:
    """Print the comparison."""
    print(machine())
    predictor = Predictor(options.run, data_dir=options.data_dir)
    takes, shown = zip(*map(filmed, range(options.clips)), strict=True)
    fast = fast_settings(predictor.settings)
    flows = [settings.description()["flow"] for settings in (predictor.settings, fast)]
    exact, other = (read(predictor, list(takes), settings) for settings in (predictor.settings, fast))
    print(f"{options.clips} synthetic clips, {len(predictor.ensemble.members)} networks; {flows[0]} and {flows[1]}")
    print(compared(exact, other, np.array(shown, bool), predictor.ensemble.au_names).round(3).to_string())
    return 0


def main(options: Options) -> int:
    """Run; 2 and one sentence on bad input."""
    return exit_status(lambda: show(options))


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options, prog="python -m benchmarks.frame_flow", description=__doc__)))
