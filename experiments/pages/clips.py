"""The page of experiments.predict: one HTML file, images inside, made from the files of its folder alone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from experiments.pages import clip_figures, page
from experiments.run.folder import RunFolder

SHOWN_CLIPS, SHOWN_EVENTS = 40, 24
"""How many clips, and events of each, the page shows in full; the tables have all."""
PRESENT = 0.5
HEADINGS = {
    "name": "clip",
    "fps": "frames a second",
    "num_frames": "frames",
    "num_seen": "with the face",
    "most_faces": "faces at most",
    "read": "events read",
}
"""What the page calls columns of clips.csv."""
ROWS = 20_000


@dataclass(frozen=True)
class Clip:
    """A clip and its folder."""

    folder: RunFolder
    result: dict[str, Any]

    @property
    def events(self) -> list[dict[str, Any]]:
        """Records of its events."""
        return list(self.result["events"])


@dataclass(frozen=True)
class Found:
    """Everything that a folder says about what was read."""

    config: dict[str, Any]
    environment: dict[str, Any]
    data: dict[str, Any]
    clips: tuple[Clip, ...]

    @property
    def results(self) -> dict[str, Any]:
        """For machines: the networks, and what is said of every clip."""
        return {**self.data, "clips": [clip.result for clip in self.clips]}


def read(folder: RunFolder) -> Found:
    """Read what was found.

    Raises:
        ValueError: a file is missing or broken; the sentence names it.
    """
    config, environment, data = (folder.read_json(f"{name}.json") for name in ("config", "environment", "data"))
    inside = sorted((folder.path / "clips").iterdir()) if (folder.path / "clips").is_dir() else [folder.path]
    clips = [Clip(RunFolder(path), RunFolder(path).read_json("result.json")) for path in inside]
    return Found(config, environment, data, tuple(clips))


def write(folder: RunFolder) -> Path:
    """Draw the timelines and write the page and clips.csv; returns the path of the page."""
    found = read(folder)
    images: dict[str, bytes] = {}
    for number, clip in enumerate(found.clips[:SHOWN_CLIPS]):
        images |= {f"{number}_{name}": content for name, content in _images(clip)}
    folder.write_table("clips.csv", overview(found))
    folder.write_text("report.html", render(found, images))
    return folder.path / "report.html"


def show(folder: RunFolder, page_path: Path, console: Console) -> None:
    """Print what was found, what it may be relied on for, and where the page is."""
    found = read(folder)
    table = Table(box=box.SIMPLE)
    for name in ("clip", "onset", "apex", "emotion", "action units", "abstained"):
        table.add_column(name, overflow="fold")
    for clip in found.clips:
        for event in clip.events:
            table.add_row(clip.result["name"], str(event["onset"]), str(event["apex"]), *_cells(event))
        if not clip.events:
            why = "; ".join(clip.result["abstained"]) or "no event is found"
            table.add_row(clip.result["name"], "", "", "", "", why)
    console.print(table)
    for sentence in cautions(found):
        console.print(sentence, style="yellow", highlight=False, soft_wrap=True)
    console.print(f"Page: {page_path}", highlight=False, soft_wrap=True)


def cautions(found: Found) -> list[str]:
    """What the reading is not to be relied on for."""
    said = []
    if found.data["synthetic"]:
        said.append("The networks were trained on rendered faces: their reading of a real face is not to be relied on.")
    elif any("synthetic" in name for run in found.data["runs"] for name in run["detectors_pretrained_on"]):
        said.append("The AU detectors were trained on rendered faces: on a real face they are not to be relied on.")
    if len(found.data["networks"]) == 1:
        said.append("There is one network: nothing tells how much its answer depends on chance.")
    if any(clip.result["kind"] == "video" for clip in found.clips):
        rate = found.data["spotting"]
        said.append(
            f"Spotting is weak: on synthetic videos up to {rate['false_events']:g} events a minute are false and "
            f"{rate['found']:.0%} of the expressions are found; on real ones expect worse."
        )
    return said


def overview(found: Found) -> pd.DataFrame:
    """Content of clips.csv: one row for each clip."""
    rows = []
    for clip in found.clips:
        facts = {name: clip.result[name] for name in ("name", "kind", "fps", "num_frames", "num_seen", "most_faces")}
        read_ = [event for event in clip.events if not event["abstained"]]
        emotions = "; ".join(event["emotion"] or "" for event in read_)
        rows.append(facts | {"events": len(clip.events), "read": len(read_), "emotions": emotions.strip("; ")})
    return pd.DataFrame(rows)


def render(found: Found, images: Mapping[str, bytes]) -> str:
    """The page as HTML."""
    return page.render(
        "clips",
        images,
        title="Clips read by trained networks",
        found=found,
        cautions=cautions(found),
        overview=overview(found).fillna("").map(_short).rename(columns=HEADINGS),
        shown=list(enumerate(found.clips[:SHOWN_CLIPS])),
        shown_events=SHOWN_EVENTS,
        scores=score_table,
        domain=domain_table,
        label=label_of,
    )


def label_of(event: Mapping[str, Any]) -> str:
    """An event in one line."""
    if event["abstained"]:
        return f"event {event['event']}: not read"
    emotion, aus, _ = _cells(event)
    return f"event {event['event']}: {emotion}{': ' if emotion and aus else ''}{aus}"


def score_table(scores: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    """Probabilities of an event, the largest first."""
    rows = [
        {
            "": name,
            "probability": f"{score['mean']:.3f}",
            "sd": f"{score['spread']:.3f}",
            "range": f"{score['low']:.2f} to {score['high']:.2f}",
        }
        for name, score in sorted(scores.items(), key=lambda one: -one[1]["mean"])
    ]
    return pd.DataFrame(rows, columns=["", "probability", "sd", "range"])


def domain_table(measures: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """How far an event is from the training examples."""
    rows = [
        {
            "": one["name"],
            "this clip": _short(one["value"]),
            "usual in training": "unknown" if one["low"] is None else f"{_short(one['low'])} to {_short(one['high'])}",
            "training examples below": "" if one["below"] is None else f"{one['below']:.0%}",
            "verdict": "outside" if one["outside"] else "unknown" if None in (one["value"], one["low"]) else "inside",
        }
        for one in measures
    ]
    return pd.DataFrame(rows)


def _images(clip: Clip) -> Iterator[tuple[str, bytes]]:
    if clip.folder.has("frames.csv"):
        frames = clip.folder.path / "frames.csv"
        pieces = [clip_figures.thinned(rows, clip.result["num_frames"]) for rows in pd.read_csv(frames, chunksize=ROWS)]
        drawn = {"timeline": clip_figures.timeline(pd.concat(pieces, ignore_index=True), clip.result["name"])}
        yield from page.write_figures(clip.folder, drawn).items()
    for event in clip.events[:SHOWN_EVENTS]:
        path = clip.folder.path / "pictures" / f"event_{event['event']:04d}.png"
        if path.is_file():
            yield f"event_{event['event']}", path.read_bytes()


def _cells(event: Mapping[str, Any]) -> tuple[str, str, str]:
    """Emotion, action units, and why it is not read."""
    if event["abstained"]:
        return "", "", "; ".join(event["abstained"])
    emotion = event["emotion"]
    score = event["emotions"].get(emotion)
    present = [f"{name} {one['mean']:.2f}" for name, one in event["aus"].items() if one["mean"] > PRESENT]
    return f"{emotion} {score['mean']:.2f} ± {score['spread']:.2f}" if score else "", ", ".join(present), ""


def _short(value: Any) -> str:
    if value is None:
        return "unknown"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
