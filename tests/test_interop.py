import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from fedpsyau_jax.interop import from_released, released_shapes, to_released
from fedpsyau_jax.interop.convert import template
from fedpsyau_jax.interop.table import ENTRIES, KERNEL, matrix_of_image
from fedpsyau_jax.models.conv import conv2d

FACE = "mer_feature_extractor.face_fc.0.weight"
EMOTION = "mer_feature_extractor.fc"


def state_dict(num_classes: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(num_classes)
    return {name: rng.random(shape, np.float32) for name, shape in released_shapes(num_classes).items()}


@pytest.fixture(scope="module")
def seven_classes() -> dict[str, np.ndarray]:
    return state_dict(7)


def test_the_table_names_each_of_our_arrays_and_each_released_one_once() -> None:
    ours = [entry.path for entry in ENTRIES]
    theirs = [name for entry in ENTRIES for name in entry.released]
    variables = template(7)
    assert sorted(ours) == sorted(flatten_dict({"params": variables.params, "batch_stats": variables.model_state}))
    assert len(set(theirs)) == len(theirs)


@pytest.mark.slow
@pytest.mark.parametrize("num_classes", [3, 7])
def test_there_and_back_is_the_identity(num_classes: int) -> None:
    released = state_dict(num_classes)
    ours = from_released(released)
    shapes = jax.tree.map(lambda leaf: leaf.shape, template(num_classes), is_leaf=lambda x: hasattr(x, "shape"))
    assert jax.tree.map(np.shape, ours) == shapes
    back = to_released(ours)
    assert back.keys() == released.keys()
    for name, array in released.items():
        np.testing.assert_array_equal(back[name], array, err_msg=name)


def test_precision_is_kept(seven_classes: dict[str, np.ndarray]) -> None:
    doubled = {name: array.astype(np.float64) for name, array in seven_classes.items()}
    assert {leaf.dtype for leaf in jax.tree.leaves(from_released(doubled))} == {np.dtype("float64")}


def test_a_matrix_reads_the_same_image_in_either_order() -> None:
    rng = np.random.default_rng(0)
    image, others = rng.random((4, 2, 3)), rng.random(5)  # channels, height, width
    weight = rng.random((6, image.size + others.size))
    layout = matrix_of_image(*image.shape, others=others.size)
    channels_last = np.append(image.transpose(1, 2, 0), others)
    np.testing.assert_allclose(channels_last @ layout.to_ours(weight), weight @ np.append(image, others))
    np.testing.assert_array_equal(layout.to_released(layout.to_ours(weight)), weight)


def test_a_kernel_correlates_as_it_does_there() -> None:
    rng = np.random.default_rng(0)
    image, kernel = rng.random((2, 5, 4)), rng.random((3, 2, 3, 2))  # (in, h, w); (out, in, h, w)
    windows = np.lib.stride_tricks.sliding_window_view(image, kernel.shape[2:], axis=(1, 2))
    there = np.einsum("ihwab,oiab->hwo", windows, kernel)
    pixels, weights = (jnp.asarray(a, jnp.float32) for a in (image.transpose(1, 2, 0)[None], KERNEL.to_ours(kernel)))
    here = conv2d(pixels, weights)[0]
    np.testing.assert_allclose(here, there, rtol=1e-5)


def test_arrays_that_the_released_module_never_uses_are_ignored(seven_classes: dict[str, np.ndarray]) -> None:
    spare = {
        "au_model.FeatureExtractor.bn1.num_batches_tracked": np.array(12),
        "au_model.transformer.encoder_layer.linear1.weight": np.zeros((2048, 75), np.float32),
    }
    with_spare, without = from_released(seven_classes | spare), from_released(seven_classes)
    assert jax.tree.all(jax.tree.map(np.array_equal, with_spare, without))


def test_every_misfit_is_named_at_once(seven_classes: dict[str, np.ndarray]) -> None:
    broken = dict(seven_classes)
    del broken["au_model.upper_gat.attention_1.W"], broken[f"{EMOTION}.bias"]
    broken["au_model.conv9.weight"] = broken["module.fc"] = np.zeros(3, np.float32)
    broken["au_model.predict_fc.3.bias"] = np.zeros(11, np.float32)
    broken["au_model.predict_fc.0.weight"] = np.zeros((300, 128), np.float32)
    broken[FACE] = np.zeros((1024, 3136), np.int8)
    with pytest.raises(ValueError, match="not a state dict of the released network") as raised:
        from_released(broken)
    message = str(raised.value)
    assert "\n" not in message
    assert f"2 missing: au_model.upper_gat.attention_1.W, {EMOTION}.bias;" in message
    assert "2 unknown: au_model.conv9.weight, module.fc;" in message
    assert "2 of a wrong shape:" in message
    assert "au_model.predict_fc.3.bias (11,), expected (12,)" in message
    assert "au_model.predict_fc.0.weight (300, 128), expected (128, 300)" in message
    assert "1 not of floating point" in message
    assert f"{FACE} int8" in message
    assert f"{EMOTION}.weight" not in message  # the number of classes is read off what there is


def test_layers_that_disagree_on_the_classes_are_refused(seven_classes: dict[str, np.ndarray]) -> None:
    broken = seven_classes | {f"{EMOTION}.bias": np.zeros(3, np.float32)}
    with pytest.raises(ValueError, match=r"fc\.weight \(7, 1792\), expected \(3, 1792\)"):
        from_released(broken)
