"""Make a dataset from the user's own copy of a database: ``python -m data.prepare casme3 --manual-dir DIR``.

Checks the whole copy first and lists all that is wrong with it; builds on all cores, going on where a build that
was killed stopped; ends with a summary and a contact sheet to look at.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import tyro
from rich.console import Console
from rich.table import Table

from data.apex import APEX_POLICIES
from data.building import builder_of, built, quiet_tfds
from data.contact_sheet import varied_clips, write_contact_sheet
from data.emotion_numbers import parse_numbers
from data.programs import cache_compilations
from data.summary import census, contents, drops, notes, seen
from data.survey import Choices
from data.telling import Lines
from fedpsyau_jax.options import parsed
from fedpsyau_jax.vision.crop import SQUARES
from fedpsyau_jax.vision.detection import landmarker_named
from fedpsyau_jax.vision.flow import Flow, JaxTVL1, tvl1
from fedpsyau_jax.vision.sample import Settings
from fedpsyau_jax.vision.scaling import FixedRange, Scaling, min_max
from fedpsyau_jax.vision.stabilise import as_filmed, without_head_motion

if TYPE_CHECKING:
    from data.builder import MicroExpressionBuilder
    from data.copy_builder import CopyBuilder

FLOWS: dict[str, Flow] = {"jax": JaxTVL1(), "opencv": tvl1}
SCALINGS: dict[str, Scaling] = {"fixed": FixedRange(), "minmax": min_max}
_SHEET_CLIPS = 10


@dataclass(frozen=True)
class Options:
    """Make a dataset of your own copy of a database; docs/databases.md says how each should lie."""

    database: tyro.conf.Positional[Literal["casme3", "dfme", "casme2", "samm", "smic", "mmew", "disfa", "ckplus"]]
    """Which database."""
    manual_dir: Path
    """The folder of your copy."""
    config: str | None = None
    """Configuration; dfme has all, A, B, C and challenge, casme3 part_a and part_c, smic hs, cropped, raw and e_hs."""
    data_dir: Path | None = None
    """Where datasets are kept; by default TFDS_DATA_DIR, else ~/tensorflow_datasets."""
    table: Path | None = None
    """Annotation table, if it is not to be looked for in the copy."""
    landmarks: Path | None = None
    """Folder of landmark files that mirrors the copy's folders: .txt, .pts, OpenFace's or mediapipe's .csv or .json."""
    landmarker: str | None = None
    """Your own `module:function` from a grey picture to 68 points (x, y), where there is no such file; else dlib's."""
    apex: Literal["drop", "midpoint", "spot"] | None = None
    """Rows that give no apex, or the onset as apex; by default midpoint for smic, which marks none, else drop."""
    emotions: tuple[str, ...] = ()
    """What numbers in the column of emotions mean: 1=negative 2=positive 3=surprise."""
    scaling: Literal["fixed", "minmax"] = "fixed"
    """Flow to picture: one range for all samples, or each stretched to its own as usually published."""
    crop: Literal["landmarks", "eyes", "wide"] = "landmarks"
    """Square of the face: round its landmarks, brows to chin, or placed by the eyes alone, as usual or wide."""
    flow: Literal["jax", "opencv"] = "jax"
    """TV-L1 by JAX, on an accelerator if it has one, or the same steps by OpenCV, several times as slow."""
    keep_head_motion: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Leave the head's motion in the flow."""
    skip_broken: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Drop clips whose files are missing or broken, rather than stop."""
    dry_run: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Check the copy and stop."""
    num_workers: int | None = None
    """Processes; by default one a core."""
    contact_sheet: Path | None = None
    """PNG to write; by default contact_sheet.png in the dataset's folder."""


def prepare(options: Options, console: Console) -> None:
    """Check, build, summarise.

    Raises:
        ValueError: the copy is not as it should be; every problem on a line.
        OSError: a file cannot be read or written, or a package is missing.
    """
    if options.num_workers is not None and options.num_workers < 1:
        raise ValueError(f"--num-workers is {options.num_workers}: it must be 1 or more")
    make_builder = chosen_builder(options)
    with quiet_tfds():
        builder = cast("CopyBuilder", make_builder())
    found = builder.survey()
    recorded = {"copy_sha256": found.digest()} | builder.how.finders()
    if found.tables:
        show(console, f"{builder.layout.title}: {options.manual_dir}", census(found, options.database))
        show(console, "Mended or not understood", notes(found))
        show(console, "Dropped", drops(found, (row._asdict() for row in found.dropped)))
    found.usable()
    if options.dry_run:
        console.print("The copy can be built; nothing was (--dry-run).")
        return
    if options.flow == "jax":
        cache_compilations()
    check_writable(builder.work_folder.parents[1])
    builder = cast("CopyBuilder", built(partial(make_builder, found=found), recorded))
    folder, dropped = Path(builder.data_dir), builder.info.metadata["dropped"]
    show(console, f"Made: {folder}", contents(builder))
    show(console, "Seen in the pictures", seen(found, builder.info.metadata["notes"]))
    show(console, "Dropped", drops(found, dropped))
    console.print(f"Each of these rows: {folder / 'metadata.json'}", soft_wrap=True)
    sheet = options.contact_sheet or folder / "contact_sheet.png"
    lost = {row["clip"] for row in dropped}
    shown = varied_clips([clip for clip in found.clips if clip.annotation.clip not in lost], _SHEET_CLIPS)
    write_contact_sheet(sheet, shown, builder.how)
    console.print(f"Look at it: {sheet}", soft_wrap=True)


def chosen_builder(options: Options) -> "Callable[..., MicroExpressionBuilder]":
    """The database's builder with the options that concern it.

    Raises:
        ValueError: no such configuration or landmarker.
    """
    stabilise = as_filmed if options.keep_head_motion else without_head_motion
    return builder_of(
        options.database,
        options.config,
        options.data_dir,
        num_workers=options.num_workers,
        manual_dir=options.manual_dir,
        choices=Choices(
            APEX_POLICIES[options.apex] if options.apex else None,
            options.table,
            options.landmarks,
            skip_broken=options.skip_broken,
            emotions=parse_numbers(options.emotions) if options.emotions else None,
        ),
        landmarker=landmarker_named(options.landmarker) if options.landmarker else None,
        vision=Settings(SQUARES[options.crop], stabilise, FLOWS[options.flow], scaling=SCALINGS[options.scaling]),
    )


def with_home(options: Options) -> Options:
    """The options with ``~`` in their paths spelt out, which shells do not do everywhere."""
    paths = {name: value.expanduser() for name, value in vars(options).items() if isinstance(value, Path)}
    return replace(options, **cast(dict[str, Any], paths))


def check_writable(folder: Path) -> None:
    """Make the folder where data are kept, if need be.

    Raises:
        OSError: nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(f"{folder}: cannot be written ({error.strerror}); name a data folder with --data-dir") from error


def show(console: Console, title: str, lines: Lines) -> None:
    """Print lines of (name, value) as a table; nothing if there are none."""
    if not lines:
        return
    table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for name, value in lines:
        table.add_row(name, value)
    console.print(table, "")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 2 and one message on bad input."""
    try:
        options = parsed(Options, arguments, prog="python -m data.prepare", description=Options.__doc__)
        prepare(with_home(options), Console())
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped; the finished samples are kept, run the same command to go on.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
