"""Procedural axial CT slices in Hounsfield units.

Anatomy-like, not anatomical: a body with a fat rim and a muscle wall, either a
chest (lungs with vessels, heart, airways) or an abdomen (liver, spleen, kidneys,
bowel), a spine and ribs of cortical and spongy bone, lesions, tissue texture and
a little scanner noise. Sizes, places and densities are random, so no two slices
share an outline. HU ranges follow the usual radiological tables (air -1000, lung
-850, fat -100, water 0, muscle 50, contrast-filled vessels 100-250, bone
300-1200).
"""

import numpy as np

from sisr_jax.data.phantoms.ct_organs import paint_abdomen, paint_chest
from sisr_jax.data.phantoms.drawing import Canvas, Ellipse, texture
from sisr_jax.errors import InputError

AIR_HU = -1000.0


def ct_phantom(seed: int, index: int, size: int) -> np.ndarray:
    """Draws one random axial slice.

    Args:
        seed: Seed of the collection, at least 0.
        index: Which image of the collection, at least 0; the image is a function
            of (seed, index, size) alone.
        size: Height and width in pixels, at least 16.

    Returns:
        float32 `[size, size]` in HU, between -1024 and about 1500.

    Raises:
        InputError: If `size` is too small.

    Examples:
        >>> from sisr_jax.data import ct_phantom
        >>> hu = ct_phantom(seed=0, index=3, size=32)
        >>> hu.shape, bool(hu.min() >= -1024), bool((hu == ct_phantom(0, 3, 32)).all())
        ((32, 32), True, True)
    """
    if size < 16:
        raise InputError(f"size = {size}: a CT phantom needs at least 16 pixels")
    rng = np.random.default_rng([seed, index])
    canvas = Canvas(rng, shape=(size, size), warp=rng.uniform(0.01, 0.03))
    image = np.full((size, size), AIR_HU, np.float32)
    # One texture for soft tissue and one, coarser and stronger, for lung and bone.
    fine = texture(rng, shape=image.shape, low=0.03, high=0.3)
    coarse = texture(rng, shape=image.shape, low=0.01, high=0.12)

    body = _paint_body(rng, canvas, image, fine)
    cavity = body.scaled(rng.uniform(0.78, 0.86))
    if rng.random() < 0.5:
        paint_chest(rng, canvas, image, cavity, coarse)
    else:
        paint_abdomen(rng, canvas, image, cavity, fine)
    _paint_bones(rng, canvas, image, cavity, coarse)
    if rng.random() < 0.6:
        _paint_table(canvas, image, body)
    image += texture(rng, shape=image.shape, low=0.1, high=0.35) * np.float32(
        rng.uniform(3, 12)
    )
    return np.maximum(image, np.float32(-1024))


def _paint_body(
    rng: np.random.Generator, canvas: Canvas, image: np.ndarray, fine: np.ndarray
) -> Ellipse:
    """Skin, fat rim and muscle; returns the outline of the muscle wall."""
    a = rng.uniform(0.66, 0.9)
    skin = Ellipse(
        rng.uniform(-0.04, 0.04),
        rng.uniform(-0.06, 0.02),
        a,
        a * rng.uniform(0.6, 0.8),
        rng.uniform(-0.08, 0.08),
    )
    canvas.paint(image, skin, 20.0)
    fat = skin.scaled(0.985)
    canvas.paint(image, fat, -105 + 8 * fine)
    wall = skin.scaled(rng.uniform(0.84, 0.96))
    canvas.paint(image, wall, rng.uniform(45, 65) + 10 * fine)
    return wall


def _paint_bones(
    rng: np.random.Generator,
    canvas: Canvas,
    image: np.ndarray,
    cavity: Ellipse,
    coarse: np.ndarray,
) -> None:
    cortical = rng.uniform(500, 1100)
    spongy = rng.uniform(120, 320) + 60 * coarse
    size = cavity.b * rng.uniform(0.18, 0.23)
    x, y = cavity.point(rng.uniform(0.64, 0.72), np.pi / 2)
    canal_y = y + size * 1.2
    for side in (-1, 1):  # transverse processes, then the arch around the canal
        process = Ellipse(x + side * size, canal_y, size * 0.8, size * 0.16, side * 0.4)
        canvas.paint(image, process, cortical * 0.8)
    arch = Ellipse(x, canal_y + size * 0.6, size * 0.15, size * 0.45)
    canvas.paint(image, arch, cortical * 0.9)
    canvas.paint(image, Ellipse(x, canal_y, size * 0.62, size * 0.5), cortical)
    canvas.paint(image, Ellipse(x, canal_y, size * 0.42, size * 0.34), 25.0)
    vertebra = Ellipse(x, y, size * 1.15, size * 0.9)
    canvas.paint(image, vertebra, cortical)
    canvas.paint(image, vertebra.scaled(0.88), spongy)
    for angle in np.linspace(0.3, np.pi - 0.3, rng.integers(5, 9)):
        for side in (-1, 1):
            if rng.random() < 0.15:
                continue
            turn = np.pi / 2 + side * (angle + rng.uniform(-0.1, 0.1))
            _paint_rib(rng, canvas, image, cavity, turn, cortical)


def _paint_rib(
    rng: np.random.Generator,
    canvas: Canvas,
    image: np.ndarray,
    cavity: Ellipse,
    turn: float,
    cortical: float,
) -> None:
    x, y = cavity.point(1.03, turn)
    ahead = cavity.point(1.03, turn + 0.05)
    along = np.arctan2(ahead[1] - y, ahead[0] - x)
    length = rng.uniform(0.03, 0.11)
    rib = Ellipse(x, y, length, rng.uniform(0.018, 0.026), along)
    canvas.paint(image, rib, cortical * rng.uniform(0.8, 1.1))
    marrow = Ellipse(x, y, length * 0.85, rib.b * 0.6, along)
    canvas.paint(image, marrow, rng.uniform(100, 350))


def _paint_table(canvas: Canvas, image: np.ndarray, body: Ellipse) -> None:
    # The couch is a shallow shell under the patient: a thin arc of a wide ellipse.
    top = body.y + body.b * 1.2
    if top > 0.98:
        return
    outer = Ellipse(body.x, top - 0.6, 1.1, 0.62)
    rows = canvas.window(outer)
    shell = canvas.coverage(outer, rows) - canvas.coverage(outer.scaled(0.975), rows)
    view = image[rows]
    below = (canvas.y[rows] > top - 0.12) & (view < AIR_HU + 60)
    view += shell * below * np.float32(750)
