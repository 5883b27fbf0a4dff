"""Organs of the procedural CT slices: a chest or an abdomen inside the body wall."""

import numpy as np

from sisr_jax.data.phantoms.drawing import Canvas, Ellipse


def paint_chest(
    rng: np.random.Generator,
    canvas: Canvas,
    image: np.ndarray,
    cavity: Ellipse,
    coarse: np.ndarray,
) -> None:
    """Paints mediastinal fat, lungs, heart, aorta and an airway, in place.

    Args:
        rng: Draws sizes, places and densities.
        canvas: Where the pixels are.
        image: `[size, size]` in HU, changed.
        cavity: Inner outline of the body wall.
        coarse: Texture of unit variance for the lung tissue.
    """
    blood = rng.uniform(40, 220)
    canvas.paint(image, cavity.scaled(0.9), -95 + 6 * coarse)
    parenchyma = rng.uniform(-880, -800) + 35 * coarse
    for side in (-1, 1):
        x, y = cavity.point(0.5 * rng.uniform(0.9, 1.1), 0 if side > 0 else np.pi)
        lung = Ellipse(
            x,
            y,
            cavity.a * rng.uniform(0.36, 0.42),
            cavity.b * rng.uniform(0.75, 0.9),
            side * rng.uniform(0.0, 0.2),
        )
        canvas.paint(image, lung, parenchyma)
        _paint_lung_vessels(rng, canvas, image, lung, side)
        _paint_lesions(rng, canvas, image, lung, (-100, 60), 2)
    heart = Ellipse(
        cavity.x + 0.1 * cavity.a,
        cavity.y - cavity.b * rng.uniform(0.1, 0.3),
        cavity.a * rng.uniform(0.2, 0.34),
        cavity.b * rng.uniform(0.25, 0.42),
        rng.uniform(0.2, 0.9),
    )
    canvas.paint(image, heart, rng.uniform(35, 60))
    for chamber in (0.3, 2.2, 4.2):
        x, y = heart.point(0.45, chamber + rng.uniform(-0.4, 0.4))
        half = heart.a * rng.uniform(0.25, 0.42)
        canvas.paint(image, Ellipse(x, y, half, half * 1.3, chamber), blood, edge=2)
    aorta = cavity.b * rng.uniform(0.08, 0.13)
    x, y = cavity.point(0.45, np.pi / 2 - 0.25)
    canvas.paint(image, Ellipse(x, y, aorta, aorta), blood + rng.uniform(-10, 30))
    x, y = cavity.point(0.12, rng.uniform(0, np.pi))
    airway = cavity.b * rng.uniform(0.05, 0.09)
    canvas.paint(image, Ellipse(x, y, airway * 1.35, airway * 1.35), 40.0)
    canvas.paint(image, Ellipse(x, y, airway, airway), -1000.0)


def _paint_lung_vessels(
    rng: np.random.Generator,
    canvas: Canvas,
    image: np.ndarray,
    lung: Ellipse,
    side: int,
) -> None:
    # Vessels start at the hilum, on the side of the heart, and thin outwards.
    hilum = lung.point(0.6, np.pi if side > 0 else 0.0)
    for _ in range(rng.integers(18, 30)):
        x, y = lung.point(np.sqrt(rng.uniform(0, 0.85)), rng.uniform(0, 2 * np.pi))
        away = np.hypot(x - hilum[0], y - hilum[1])
        radius = 0.018 * np.exp(-3 * away) * rng.uniform(0.5, 1.2) + 0.002
        across = rng.random() < 0.5  # cut across: round; along: a streak
        length = radius if across else radius * rng.uniform(4, 12)
        direction = np.arctan2(y - hilum[1], x - hilum[0]) + rng.uniform(-0.4, 0.4)
        canvas.paint(
            image, Ellipse(x, y, length, radius, direction), rng.uniform(-50, 60)
        )


def paint_abdomen(
    rng: np.random.Generator,
    canvas: Canvas,
    image: np.ndarray,
    cavity: Ellipse,
    fine: np.ndarray,
) -> None:
    """Paints visceral fat, bowel, liver, spleen, kidneys and two vessels, in place.

    Args:
        rng: Draws sizes, places, densities and the contrast phase.
        canvas: Where the pixels are.
        image: `[size, size]` in HU, changed.
        cavity: Inner outline of the body wall.
        fine: Texture of unit variance for fat and organs.
    """
    contrast = rng.uniform(0, 1)  # 0: native scan, 1: portal venous phase
    canvas.paint(image, cavity, -100 + 10 * fine)
    _paint_bowel(rng, canvas, image, cavity)
    mirror = rng.choice([-1, 1])
    liver_hu = 55 + 55 * contrast
    organs = (  # place, half axes, HU
        (-0.5, -0.2, 0.46, 0.62, liver_hu),
        (0.68, 0.05, 0.2, 0.36, liver_hu + rng.uniform(-10, 15)),
    )
    for x, y, a, b, hu in organs:
        organ = Ellipse(
            cavity.x + mirror * x * cavity.a * rng.uniform(0.92, 1.05),
            cavity.y + y * cavity.b * rng.uniform(0.8, 1.2),
            cavity.a * a * rng.uniform(0.8, 1.1),
            cavity.b * b * rng.uniform(0.8, 1.1),
            mirror * rng.uniform(-0.3, 0.5),
        )
        canvas.paint(image, organ, hu + 9 * fine)
        for _ in range(rng.integers(4, 10)):
            vessel = rng.uniform(0.006, 0.02)
            px, py = organ.point(rng.uniform(0, 0.8), rng.uniform(0, 2 * np.pi))
            stretched = Ellipse(
                px, py, vessel * rng.uniform(1, 6), vessel, rng.uniform(0, np.pi)
            )
            canvas.paint(image, stretched, hu + 15 + 60 * contrast)
        _paint_lesions(rng, canvas, image, organ, (hu - 60, hu + 40), 3)
    for side in (-1, 1):
        _paint_kidney(rng, canvas, image, cavity, side, 35 + 150 * contrast)
    for x, hu in ((-0.12, 40 + 120 * contrast), (0.06, 45 + 180 * contrast)):
        radius = cavity.b * rng.uniform(0.07, 0.11)
        vessel = Ellipse(
            cavity.x + x * cavity.a, cavity.y + 0.4 * cavity.b, radius, radius
        )
        canvas.paint(image, vessel, hu)


def _paint_kidney(
    rng: np.random.Generator,
    canvas: Canvas,
    image: np.ndarray,
    cavity: Ellipse,
    side: int,
    hu: float,
) -> None:
    kidney = Ellipse(
        cavity.x + side * cavity.a * rng.uniform(0.42, 0.52),
        cavity.y + cavity.b * rng.uniform(0.4, 0.55),
        cavity.a * rng.uniform(0.11, 0.16),
        cavity.b * rng.uniform(0.18, 0.26),
        side * rng.uniform(0.2, 0.7),
    )
    canvas.paint(image, kidney, hu)
    canvas.paint(image, kidney.scaled(0.6), 0.6 * hu + 10, edge=2)
    canvas.paint(image, kidney.scaled(0.25), rng.uniform(-80, 10))


def _paint_bowel(
    rng: np.random.Generator, canvas: Canvas, image: np.ndarray, cavity: Ellipse
) -> None:
    for _ in range(rng.integers(8, 16)):
        x, y = cavity.point(rng.uniform(0.1, 0.75), rng.uniform(-np.pi, 0.3))
        a = cavity.b * rng.uniform(0.08, 0.18)
        loop = Ellipse(x, y, a, a * rng.uniform(0.6, 1.0), rng.uniform(0, np.pi))
        canvas.paint(image, loop, rng.uniform(30, 70))
        content = rng.choice([-950.0, 5.0, 20.0, 150.0], p=[0.25, 0.3, 0.35, 0.1])
        canvas.paint(image, loop.scaled(rng.uniform(0.6, 0.85)), content)


def _paint_lesions(
    rng: np.random.Generator,
    canvas: Canvas,
    image: np.ndarray,
    organ: Ellipse,
    hu: tuple[float, float],
    most: int,
) -> None:
    for _ in range(rng.integers(0, most + 1)):
        x, y = organ.point(rng.uniform(0, 0.8), rng.uniform(0, 2 * np.pi))
        a = rng.uniform(0.01, 0.06)
        lesion = Ellipse(x, y, a, a * rng.uniform(0.6, 1), rng.uniform(0, np.pi))
        canvas.paint(image, lesion, rng.uniform(*hu), edge=rng.uniform(1, 4))
        if rng.random() < 0.2:
            canvas.paint(image, lesion.scaled(0.25), rng.uniform(200, 900))
