"""The page of experiments.attack --inversion: what was made of updates, beside what they were of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console

from data.dataset import Dataset
from experiments.pages import page, tables
from experiments.pages.figures import titled_figure
from experiments.results.inversion import FILE, READ, Attempt, matched
from experiments.run.folder import RunFolder

MOST_COLUMNS = 8
WINDOWS_ACROSS = 13
TITLES = {"psnr": "PSNR, dB", "ssim": "SSIM", "like": "likeness", "told": "person told", "au_f1": "AU F1"}


@dataclass(frozen=True)
class Inversions:
    """Everything that a folder says about the inversions."""

    config: dict[str, Any]
    environment: dict[str, Any]
    data: dict[str, Any]
    table: pd.DataFrame

    @property
    def synthetic(self) -> bool:
        """Whether the pictures are rendered."""
        return bool(self.data["synthetic"])


def read(folder: RunFolder) -> Inversions:
    """Read the results.

    Raises:
        ValueError: a file is missing or broken; the sentence names it.
    """
    config, environment, data = (folder.read_json(f"{name}.json") for name in ("config", "environment", "data"))
    return Inversions(config, environment, data, folder.read_table(FILE))


def write(folder: RunFolder, attempts: Sequence[Attempt], dataset: Dataset) -> Path:
    """Draw what was found and write the page; returns its path.

    Raises:
        ValueError: a file of the folder is missing or broken; the sentence names it.
    """
    found = read(folder)
    drawn: dict[str, Figure] = {}
    captions: dict[str, str] = {}
    for kind in dict.fromkeys((one.update, one.aggregated, one.noise) for one in attempts):
        own = [one for one in attempts if (one.update, one.aggregated, one.noise) == kind]
        name = f"pictures_{len(drawn)}"
        drawn[name] = pictures(own, dataset, tables.title(_in_words(*kind), synthetic=found.synthetic))
        captions[name] = _in_words(*kind)
    text = page.render(
        "inversion",
        page.write_figures(folder, drawn),
        title=tables.title("Pictures from updates", synthetic=found.synthetic),
        found=found,
        inversions=sheet(found.table),
        captions=captions,
        titled=lambda what: tables.title(what, synthetic=found.synthetic),
    )
    folder.write_text("report.html", text)
    return folder.path / "report.html"


def show(folder: RunFolder, page_path: Path, console: Console) -> None:
    """Print the table, and where the page is."""
    found = read(folder)
    heading = tables.title(f"Pictures from updates of {found.data['row']}", synthetic=found.synthetic)
    short = sheet(found.table)[["update", "pictures", *(f"{TITLES[name]} gain" for name in ("psnr", *READ))]]
    tables.print_table(console, short, heading)
    console.print(
        "PSNR gain: over the mean picture of other people. Other gains: over clips of other people with the same "
        "emotions in place of the originals. In square brackets: 95 % intervals, drawn by subject.",
        soft_wrap=True,
        highlight=False,
    )
    console.print(f"Page: {page_path}", soft_wrap=True, highlight=False)


def sheet(table: pd.DataFrame) -> pd.DataFrame:
    """The table as text: what was found, in parentheses what is expected without the update, and the gain over it."""
    return pd.DataFrame([_line(row) for row in table.to_dict("records")])


def _line(row: Mapping[Any, Any]) -> dict[str, str]:
    line = {
        "update": _in_words(row["update"], bool(row["aggregated"]), bool(row["noise"])),
        "pictures": str(row["pictures"]),
    }
    for name, title in TITLES.items():
        decimals = 1 if name == "psnr" else 2
        ends = ("", "_others", "_original") if name in READ else ("", "_guess")
        found, without, *original = (tables.number(float(row[f"{name}{end}"]), decimals) for end in ends)
        gain, low, high = (float(row[f"{name}_gain{end}"]) for end in ("", "_low", "_high"))
        line[title] = f"{found} ({without})" + "".join(f" / {own}" for own in original)
        line[f"{title} gain"] = tables.with_interval(gain, low, high, decimals)
    return line


def _in_words(update: str, aggregated: bool, noise: bool) -> str:
    return ", ".join([update, *(["secure aggregation"] if aggregated else []), *(["noise"] if noise else [])])


def pictures(attempts: Sequence[Attempt], dataset: Dataset, heading: str) -> Figure:
    """Originals above what was found, flow as colours; below them the windows, where these were found too."""
    pairs = [
        (example, one.flow[place], None if one.patches is None else one.patches[place])
        for one in attempts
        for place, example in enumerate(matched(one, dataset))
    ][:MOST_COLUMNS]
    flow, patches = np.asarray(dataset.examples.flow), np.asarray(dataset.examples.patches)
    rows = 2 if pairs[0][2] is None else 4
    figure = titled_figure(1.2 + 1.3 * len(pairs), 0.7 + 1.4 * rows, heading)
    panels = figure.subplots(rows, len(pairs), squeeze=False)
    for column, (example, found, windows) in enumerate(pairs):
        shown = [flow[example], found]
        if windows is not None:
            shown += [mosaic(patches[example]), mosaic(windows)]
        for axes, image in zip(panels[:, column], shown, strict=True):
            axes.imshow(np.clip(image, 0, 1))
            axes.set(xticks=[], yticks=[])
    for axes, label in zip(panels[:, 0], ("original", "found") * (rows // 2), strict=True):
        axes.set_ylabel(label, fontsize=9)
    return figure


def mosaic(windows: np.ndarray) -> np.ndarray:
    """The windows of all landmarks side by side, 13 in a row.

    >>> mosaic(np.zeros((65, 5, 5, 3))).shape
    (25, 65, 3)
    """
    rows = windows.reshape(-1, WINDOWS_ACROSS, *windows.shape[1:])
    return np.concatenate([np.concatenate(list(row), axis=1) for row in rows], axis=0)
