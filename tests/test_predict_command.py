"""experiments.predict and experiments.export from the command line, on a made-up run and filmed faces."""

import contextlib
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import jax
import numpy as np
import pandas as pd
import pytest
from explained_runs import DATASET, finished_run, on_random_data, random_weights, the_error
from filmed_clips import smile, write_clip

from experiments import export, predict
from experiments.clips import session
from experiments.clips.predictor import Predictor
from experiments.inputs.network_settings import NetworkSettings
from experiments.inputs.settings import FedSettings
from experiments.pages import clips as page
from experiments.run import mistakes
from fedpsyau_jax.interop import from_released
from fedpsyau_jax.vision.sample import Sample

pytestmark = pytest.mark.slow
SETTINGS = FedSettings(
    clients=2,
    repeats=1,
    algorithms=("local", "fedavg"),
    rounds=1,
    network=NetworkSettings(variant="no-transformer-no-gat"),
)
Command = Callable[..., int]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("predict")
    (place / "data" / DATASET.name).mkdir(parents=True)
    finished_run(place / "run", "fed", SETTINGS, random_weights)
    with on_random_data() as patched:
        made = Predictor(place / "run", data_dir=place / "data")
        patched.setattr(session, "Predictor", lambda *_, **__: made)  # its program compiles once for all tests
        yield place


@pytest.fixture(scope="module")
def clip(folder: Path) -> Path:
    """Frames 5 to 17 as pictures, beside landmarks as OpenFace writes them."""
    write_clip(folder / "clip", folder / "landmarks.csv", smile(), first=5)
    return folder / "clip"


@pytest.fixture
def command(folder: Path) -> Command:
    def run(*options: str) -> int:
        arguments = [str(folder / "run"), f"--data-dir={folder / 'data'}", f"--landmarks={folder / 'landmarks.csv'}"]
        return mistakes.exit_status(lambda: predict.main([*arguments, *options]))

    return run


def test_a_clip_becomes_tables_pictures_a_video_and_a_page(command: Command, clip: Path, tmp_path: Path):
    output = tmp_path / "out"
    assert command(f"--clip={clip}", "--fps=60", f"--output={output}") == 0
    frames = pd.read_csv(output / "frames.csv")
    assert frames["frame"].tolist() == list(range(5, 18))
    assert frames["timestamp"].tolist() == pytest.approx([n / 60 for n in range(13)], abs=1e-6)
    assert frames["success"].all()
    assert frames["strain"].iloc[0] == 0
    assert frames["strain"].iloc[6] > 5 * frames["strain"].iloc[1]
    assert set(frames["AU12_c"]) <= {0, 1}
    assert ((frames["AU12_p"] > 0.5) == (frames["AU12_c"] == 1)).all()
    (event,) = pd.read_csv(output / "events.csv").to_dict("records")
    assert (event["onset"], event["offset"]) == (5, 17)
    assert abs(event["apex"] - 11) <= 1
    assert sum(event[f"p_{name}"] for name in DATASET.class_names) == pytest.approx(1, abs=1e-3)
    picture = cv2.imread(str(output / "pictures" / "event_0001.png"))
    assert picture.shape[1] > 3 * picture.shape[0]
    video = cv2.VideoCapture(str(output / "annotated.mp4"))
    assert int(video.get(cv2.CAP_PROP_FRAME_COUNT)) == 13
    text = (output / "report.html").read_text()
    assert "on rendered faces: their reading of a real face is not to be relied on" in text
    assert "frames a second" in text
    assert text.count("data:image/png;base64") == 2


def test_json_is_printed_for_machines_and_apex_is_taken_as_given(command: Command, clip: Path, tmp_path: Path):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        options = (f"--clip={clip}", "--onset=6", "--apex=9", "--no-annotate", "--json")
        assert command(*options, f"--output={tmp_path / 'out'}") == 0
    found = json.loads(printed.getvalue())
    (event,) = found["clips"][0]["events"]
    assert (event["onset"], event["apex"]) == (6, 9)
    assert found["class_names"] == list(DATASET.class_names)
    assert found["clips"][0]["fps"] is None
    assert not (tmp_path / "out" / "annotated.mp4").exists()


def test_a_broken_clip_of_several_does_not_stop_the_others(command: Command, clip: Path, folder: Path, tmp_path: Path):
    both = tmp_path / "clips"
    for name in ("a", "b"):
        shutil.copytree(clip, both / name)
    broken = both / "b" / "img008.png"
    broken.write_bytes(broken.read_bytes()[:100])
    assert command(f"--clip={both}", "--no-annotate", f"--output={tmp_path / 'out'}") == 0
    table = pd.read_csv(tmp_path / "out" / "clips.csv")
    assert table["name"].tolist() == ["a", "b"]
    assert table["events"].tolist() == [1, 0]
    (said,) = json.loads((tmp_path / "out" / "clips" / "b" / "result.json").read_text())["abstained"]
    assert "img008.png: the picture is truncated; copy it again" in said


def no_face(picture: np.ndarray) -> None:
    """A landmarker that finds nothing."""
    del picture


def test_without_a_face_every_frame_says_so(folder: Path, clip: Path, tmp_path: Path):
    arguments = [str(folder / "run"), f"--data-dir={folder / 'data'}", f"--clip={clip}", "--no-annotate"]
    landmarker = f"--landmarker={__name__}:no_face"
    assert predict.main([*arguments, landmarker, "--kind=video", "--fps=30", f"--output={tmp_path / 'video'}"]) == 0
    frames = pd.read_csv(tmp_path / "video" / "frames.csv")
    assert len(frames) == 13
    assert not frames["success"].any()
    assert frames["strain"].isna().all()
    assert "no face is found in any frame" in (tmp_path / "video" / "report.html").read_text()
    assert predict.main([*arguments, landmarker, f"--output={tmp_path / 'clip'}"]) == 0
    found = page.read(session.RunFolder(tmp_path / "clip"))
    assert found.clips[0].result["abstained"] == ["no face is found in the onset, frame 5"]


def failing(picture: np.ndarray) -> None:
    """A landmarker with a mistake."""
    raise RuntimeError(f"no room for {picture.shape}")


def test_a_landmarker_that_fails_is_named_with_the_frame(
    folder: Path, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    arguments = [str(folder / "run"), f"--data-dir={folder / 'data'}", f"--clip={clip}", f"--output={tmp_path / 'out'}"]
    landmarker = f"{__name__}:failing"
    assert mistakes.exit_status(lambda: predict.main([*arguments, f"--landmarker={landmarker}"])) == 2
    assert f"--landmarker={landmarker}: it failed on frame 5 (RuntimeError: no room for (256, 256))" in the_error(
        capsys
    )


WRONG = {
    "nothing": ((), "say what to read: --clip PATH, or the two pictures --onset A --apex B"),
    "no clip": (("--clip=nowhere.mp4",), "--clip=nowhere.mp4: there is no such video or folder"),
    "two finders": (("--clip=.", "--landmarker=a:b"), "give --landmarks or --landmarker, not both"),
    "frame": (("--clip=CLIP", "--onset=a.png"), "--onset=a.png: with --clip it is the number of a frame"),
    "camera": (("--clip=CLIP", "--fps=1e9"), "--fps=1e+09: no more than 2000 frames a second can be read"),
    "square": (("--clip=CLIP", "--apex=²"), "--apex=²: with --clip it is the number of a frame"),
    "video": (("--clip=CLIP", "--kind=video", "--onset=6"), "--onset=6: it is of a short clip; leave it out, or"),
    "no frame": (("--clip=CLIP", "--onset=3"), "--onset=3: CLIP has no frame of this number"),
    "apex": (("--clip=CLIP", "--apex=5"), "--apex=5: CLIP has no frame of this number after the onset 5"),
    "fps": (("--clip=CLIP", "--kind=video"), "CLIP: give --fps, as nothing says how many frames a second it has"),
    "rate": (("--clip=CLIP", "--fps=0"), "--fps=0.0: it must be greater than 0, and finite"),
}


@pytest.mark.parametrize(("options", "said"), WRONG.values(), ids=WRONG)
def test_a_mistake_is_one_sentence(
    command: Command,
    clip: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    said: str,
):
    own = [option.replace("CLIP", str(clip)) for option in options]
    assert command(*own, f"--output={tmp_path / 'out'}") == 2
    assert said.replace("CLIP", str(clip)) in the_error(capsys)
    assert not (tmp_path / "out").exists()


def test_another_command_s_run_is_not_resumed(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert mistakes.exit_status(lambda: predict.main([f"--resume={folder / 'run'}"])) == 2
    assert f"{folder / 'run'} is a run of experiments.fed, not of experiments.predict" in the_error(capsys)


READ_ALONE = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("fedpsyau_jax", "experiments", "data", "flax", "jraph", "optax"):
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocked())
import json, numpy as np
from jax import export
program = export.deserialize(open(sys.argv[1] + "/network.stablehlo", "rb").read())
inputs = np.load(sys.argv[2])
outputs = [program.call(inputs["flow"][:count], inputs["patches"][:count]) for count in (1, 5)]
print(json.dumps([{name: np.asarray(value).tolist() for name, value in one.items()} for one in outputs]))
"""


def test_an_exported_program_runs_without_this_package(folder: Path, tmp_path: Path):
    arguments = [str(folder / "run"), f"--data-dir={folder / 'data'}", f"--output={tmp_path / 'export'}"]
    assert export.main(arguments) == 0
    flow, patches = DATASET.examples.flow[:5], DATASET.examples.patches[:5]
    np.savez(tmp_path / "inputs.npz", flow=flow, patches=patches)
    script = [sys.executable, "-c", READ_ALONE, str(tmp_path / "export"), str(tmp_path / "inputs.npz")]
    done = subprocess.run(script, capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert done.returncode == 0, done.stderr
    one, five = json.loads(done.stdout)
    samples = [Sample(*pair, np.zeros((65, 2), np.float32)) for pair in zip(flow, patches, strict=True)]
    expected = session.Predictor().probabilities(samples)
    for name, values in five.items():
        np.testing.assert_allclose(values, getattr(expected, name), atol=1e-3)
        np.testing.assert_allclose(one[name], np.asarray(values)[:, :1], atol=1e-3)
    facts = json.loads((tmp_path / "export" / "network.json").read_text())
    assert facts["platforms"] == ["cpu", "cuda"]
    assert facts["classes"] == list(DATASET.class_names)
    assert len(facts["networks"]) == np.shape(five["au"])[0]
    assert facts["licences"]["synthetic"].startswith("rendered")
    assert "not to be relied on" in (tmp_path / "export" / "MODEL_CARD.md").read_text()
    assert not (tmp_path / "export" / "released").exists()


def test_the_released_layout_has_full_networks_only(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    arguments = [str(folder / "run"), f"--data-dir={folder / 'data'}", f"--output={tmp_path / 'export'}"]
    assert mistakes.exit_status(lambda: export.main([*arguments, "--formats", "released"])) == 2
    assert "--formats released: the released code has the full network only" in the_error(capsys)
    assert not (tmp_path / "export").exists()


def test_full_networks_are_exported_in_the_released_layout(tmp_path: Path):
    (tmp_path / "data" / DATASET.name).mkdir(parents=True)
    full = FedSettings(clients=2, repeats=1, algorithms=("fedavg",), rounds=1)
    finished_run(tmp_path / "run", "fed", full, random_weights)
    with on_random_data():
        arguments = [str(tmp_path / "run"), f"--data-dir={tmp_path / 'data'}", "--formats", "released"]
        assert export.main(arguments) == 0
        member = Predictor(tmp_path / "run", data_dir=tmp_path / "data").ensemble.members[0]
    with np.load(tmp_path / "run" / "export" / "released" / "0.npz") as arrays:
        client = from_released(dict(arrays))
    for name, part in (("au", member.detector.client), ("dsi", member.classifier)):
        jax.tree.map(np.testing.assert_array_equal, client.params[name], part.params)
