"""Convolution as one matrix product: fast with a client axis and inside ``lax.scan``, on every backend.

A convolution inside a loop is several times slower on XLA:CPU than outside, and one whose kernel is vmapped over
clients becomes a grouped convolution. A matrix product has neither problem. The output image is divided into
tiles; every tile reads one window of the input, and a banded matrix of shifted copies of the kernel maps each window to
its tile. A 1 x 1 tile is im2col; a tile as large as the image is the dense Toeplitz product; sizes in between trade
multiplications by zero for less memory traffic and a wider matrix product.
"""

import itertools
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from fedpsyau_jax.types import Array, Float

kaiming_normal = nn.initializers.variance_scaling(2.0, "fan_in", "normal")
small_uniform = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
"""PyTorch's default for matrices: a layer starts small compared with its residual."""

MIN_COLUMNS = 64
"""Matrix products with fewer output columns use the CPU's registers poorly (measured by benchmarks/conv.py)."""
MANY_IMAGES = 512
"""With at least this many small images, the memory traffic saved outweighs a wide banded matrix (likewise)."""

Tile = tuple[int, int]


def tile_for(num_images: int, height: int, width: int, kernel_height: int, features: int) -> Tile:
    """The smallest tile that divides the output image and gives the product enough columns.

    Args:
      num_images: Images convolved at once.
      height: Rows of the output image.
      width: Columns of the output image.
      kernel_height: Rows of the kernel; a 1 x 1 kernel gains nothing from a taller tile.
      features: Channels of the output image.

    Returns:
      Rows and columns of a tile. Tiles of small images have one row, because zeros would dominate taller ones. Many
      small images are divided into whole rows, or not at all, so that padding them needs no copy.

    >>> tile_for(32, 28, 28, 5, 6), tile_for(32, 14, 14, 3, 16), tile_for(32, 5, 5, 3, 64), tile_for(32, 28, 28, 1, 6)
    ((4, 4), (2, 2), (1, 1), (1, 14))
    >>> tile_for(2080, 5, 5, 3, 64), tile_for(2080, 5, 5, 3, 3)
    ((1, 5), (5, 5))
    """
    tall = kernel_height > 1 and height >= 14
    if num_images >= MANY_IMAGES and kernel_height > 1 and not tall:
        return (1, width) if width * features >= MIN_COLUMNS else (height, width)
    rows = [d for d in range(1, height + 1) if height % d == 0] if tall else [1]
    columns = [d for d in range(1, width + 1) if width % d == 0]
    tiles = [(r, c) for r, c in itertools.product(rows, columns) if not tall or r == c]
    wide_enough = [(r, c) for r, c in tiles if r * c * features >= MIN_COLUMNS]
    return min(wide_enough, default=max(tiles))


def _shifts(size: int, tile: int, border: int) -> np.ndarray:
    """shifts[p, w, t] = 1 if place p of the kernel is over pixel w of the window for pixel t of the tile."""
    places, pixels = np.arange(size)[:, None], np.arange(tile)
    window = np.arange(border, size + tile - 1 - border)
    return np.asarray(window[None, :, None] == (places + pixels)[:, None], np.float32)


def banded(
    kernel: Float[Array, "kh kw inputs outputs"], tile: Tile, border: tuple[int, int] = (0, 0)
) -> Float[Array, "window columns"]:
    """The matrix that maps an input window to an output tile: the kernel, shifted to each pixel of the tile.

    Args:
      kernel: Spatial extent, input channels, output channels.
      tile: Rows and columns of a tile.
      border: Rows above and below, and columns left and right, that the window omits because they are zero.
    """
    height, width, inputs, outputs = kernel.shape
    if tile == (1, 1) and border == (0, 0):
        return kernel.reshape(height * width * inputs, outputs)
    down, right = (_shifts(*sizes) for sizes in zip((height, width), tile, border, strict=True))
    places = jnp.asarray(np.einsum("pwt,qxs->wxtspq", down, right).reshape(-1, height * width), kernel.dtype)
    window = down.shape[1], right.shape[1]
    placed = (places @ kernel.reshape(height * width, -1)).reshape(*window, *tile, inputs, outputs)
    return placed.transpose(0, 1, 4, 2, 3, 5).reshape(-1, tile[0] * tile[1] * outputs)


def windows(
    image: Float[Array, "batch height width inputs"], tile: Tile, overlap: tuple[int, int]
) -> Float[Array, "batch rows columns window"]:
    """Extract the windows that the output tiles read: a tile plus ``overlap`` pixels below and to the right."""
    batch, height, width, inputs = image.shape
    (tile_height, tile_width), (below, right) = tile, overlap
    rows, columns = (height - below) // tile_height, (width - right) // tile_width
    strips = jnp.stack(
        [image[:, :, j * tile_width : (j + 1) * tile_width + right] for j in range(columns)], axis=2
    ).reshape(batch, height, columns, (tile_width + right) * inputs)
    if tile_height + below == 1:
        return strips
    span = (rows - 1) * tile_height + 1
    stacked = jnp.stack([strips[:, a : a + span : tile_height] for a in range(tile_height + below)], axis=3)
    return stacked.reshape(batch, rows, columns, -1)


def to_tiles(image: Float[Array, "batch height width c"], tile: Tile) -> Float[Array, "batch rows columns tc"]:
    """Divide an image into disjoint tiles, each flattened to a vector."""
    batch, height, width, features = image.shape
    rows, columns = height // tile[0], width // tile[1]
    if tile[0] == 1:
        return image.reshape(batch, rows, columns, -1)
    tiles = image.reshape(batch, rows, tile[0], columns, tile[1], features)
    return tiles.transpose(0, 1, 3, 2, 4, 5).reshape(batch, rows, columns, -1)


def from_tiles(tiles: Float[Array, "batch rows columns tc"], tile: Tile) -> Float[Array, "batch height width c"]:
    """Reassemble an image from its tiles: the inverse of `to_tiles`."""
    batch, rows, columns, size = tiles.shape
    features = size // (tile[0] * tile[1])
    shape = batch, rows * tile[0], columns * tile[1], features
    if tile[0] == 1:
        return tiles.reshape(shape)
    return tiles.reshape(batch, rows, columns, *tile, features).transpose(0, 1, 3, 2, 4, 5).reshape(shape)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def conv2d(
    image: Float[Array, "batch height width inputs"],
    kernel: Float[Array, "kh kw inputs outputs"],
    padding: int = 0,
) -> Float[Array, "batch out_height out_width outputs"]:
    """Cross-correlate images with a kernel at stride 1, zero-padded, as one matrix product.

    Its gradients are matrix products too: that of the image is the convolution with the mirrored kernel, which uses
    a gather instead of the scatter of a transposed window.

    Args:
      image: Channels-last images.
      kernel: Spatial extent, input channels, output channels.
      padding: Zeros added at each of the four borders; a negative number crops.

    Returns:
      The output images, ``height + 2 padding - kh + 1`` pixels high.
    """
    tile, border, cut = _tile_and_windows(image, kernel, padding)
    return from_tiles(cut @ banded(kernel, tile, border), tile)


def _tile_and_windows(image: Array, kernel: Array, padding: int) -> tuple[Tile, tuple[int, int], Array]:
    """Tile, border that the matrix omits, and windows; a tile as long as the image needs no padding."""
    kernel_height, kernel_width, _, features = kernel.shape
    height, width = (image.shape[1 + axis] + 2 * padding - kernel.shape[axis] + 1 for axis in (0, 1))
    tile = tile_for(image.shape[0], height, width, kernel_height, features)
    above, left = (max(padding, 0) * (own == whole) for own, whole in zip(tile, (height, width), strict=True))
    none, down, right = (0, 0, 0), (padding - above,) * 2 + (0,), (padding - left,) * 2 + (0,)
    padded = jax.lax.pad(image, jnp.zeros((), image.dtype), (none, down, right, none))
    return tile, (above, left), windows(padded, tile, (kernel_height - 1 - 2 * above, kernel_width - 1 - 2 * left))


def _conv2d_forward(image: Array, kernel: Array, padding: int) -> tuple[Array, tuple[Array, Array]]:
    return conv2d(image, kernel, padding), (image, kernel)


def _conv2d_backward(padding: int, saved: tuple[Array, Array], error: Array) -> tuple[Array, Array]:
    image, kernel = saved
    mirrored = kernel[::-1, ::-1].swapaxes(2, 3)
    image_gradient = conv2d(error, mirrored, kernel.shape[0] - 1 - padding)
    tile, border, cut = _tile_and_windows(image, kernel, padding)
    banded_gradient = jnp.einsum("brcf,brcw->fw", to_tiles(error, tile), cut)  # transposes the smaller factor
    _, transpose = jax.vjp(partial(banded, tile=tile, border=border), kernel)
    return image_gradient, *transpose(banded_gradient.T)


conv2d.defvjp(_conv2d_forward, _conv2d_backward)


class Conv(nn.Module):
    """A square convolution at stride 1 with bias."""

    features: int
    size: int
    padding: int = 0

    @nn.compact
    def __call__(self, image: Float[Array, "batch h w inputs"]) -> Float[Array, "batch h2 w2 features"]:
        """Convolve channels-last images."""
        kernel = self.param("kernel", kaiming_normal, (self.size, self.size, image.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        return conv2d(image, kernel, self.padding) + bias
