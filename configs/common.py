"""Values shared by all configurations; a file in this folder states the rest."""

import ml_collections

ConfigDict = ml_collections.ConfigDict


def base() -> ConfigDict:
    """What CT and ultrasound, and every phase, have in common."""
    return ConfigDict(
        {
            "seed": 0,
            "compute_dtype": "float32",
            "ema_decay": 0.999,
            "discriminator": {
                "kind": "srgan",
                "width": 64,
                "norm": "group",
                "head": "pooled",
            },
            # The original weighed pixels 1000 : 1 against the discriminator.
            "loss": {"pixel": "l1", "terms": (), "adversarial_weight": 1e-3},
            "optimizer": {"generator": adam(), "discriminator": adam()},
            "phases": {"generator": 0, "discriminator": 0, "adversarial": 0},
            "init": {"generator": "", "discriminator": ""},
            "evaluation": {
                "every_steps": 1000,
                "batch_size": 8,
                "num_validation": 64,
                "metrics": (),
                "num_figure": 4,
                "equalise_figure": False,
            },
            "checkpoint": {"every_steps": 1000, "keep_last": 3},
            "log": {"every_steps": 50, "images_every_steps": 1000},
            "safety": {
                "max_skipped_in_a_row": 20,
                "saturated_real": 0.995,
                "saturated_generated": 0.005,
                "saturated_records": 5,
            },
            "mesh": {"model": 1},
        }
    )


def adam() -> dict[str, float | int | str]:
    """Adam at the rate of Ledig et al. (2017), decaying to nothing much."""
    return {
        "learning_rate": 1e-4,
        "schedule": "cosine",
        "every_steps": 100_000,
        "decay_rate": 0.1,
        "final_fraction": 0.01,
        "warmup_steps": 0,
        "beta1": 0.9,
        "beta2": 0.999,
        "clip_norm": 1.0,
    }


def ct() -> ConfigDict:
    """Sparse-view CT: 63 of 1000 views, filtered back-projection, 512 x 512."""
    config = base()
    config.data = {
        "source": "ct_phantoms",
        "path": "",
        "target": "image",
        "splits_csv": "",
        "split_by": "patient",
        "shape": (512, 512),
        "fit": "exact",
        "patch": (128, 128),
        "crops_per_image": 1,
        "window": (-1000.0, 1000.0),
        # 16-bit PNG in the convention of DeepLesion: value = HU + 32768.
        "png_rescale": (1.0, -32768.0),
        "num_phantoms": (2000, 64, 64),
        "batch_size": 8,
        "num_threads": 2,
    }
    config.augmentation = {
        "flip_horizontal": True,
        "flip_vertical": True,
        "rotate": True,
    }
    config.degradation = {
        "kind": "sparse_view_ct",
        "num_angles": 1000,
        "factor": 16,
        # Fewest and most of them, drawn for each image; none drawn here.
        "views": (0, 0),
        # Photons along a ray, likewise; (0, 0) is a scan without noise.
        "dose": {"photons": (0.0, 0.0), "electronic_noise": 0.0, "pixel_mm": 0.7},
        "filter_name": "ramp",
        "method": "matmul",
        "weights": "gaps",
    }
    config.generator = {
        "kind": "srresnet",
        "width": 64,
        "num_blocks": 5,
        # The original folded four times, into a quarter of the input's numbers.
        # Twice loses nothing and learns far faster.
        "num_shuffles": 2,
        "norm": "none",
        "global_skip": True,
    }
    return config


def cascade() -> ConfigDict:
    """Sparse-view CT, restored with the measurement at hand, from whole slices."""
    config = ct()
    config.data.patch = config.data.shape
    config.generator = {
        "kind": "cascade",
        "num_stages": 2,
        "shared": False,
        "num_steps": 8,
        "num_last_steps": 24,
        "widths": (32, 64, 128),
        "num_blocks": 1,
        "start_weights": (1.0, 5.0),
    }
    # Relative to the gradient of this pixel loss, which is a hundred times that of l1.
    config.loss.update(pixel="log_mse", adversarial_weight=0.1)
    config.optimizer.generator.learning_rate = 1e-3
    return config


def fan_cascade() -> ConfigDict:
    """Sparse-view CT with a clinical fan beam: 64 views of a whole turn of 1152.

    Distances and detectors as published for third-generation scanners: 736 of them on
    an arc around the source, a field of view of 0.5 m, 1152 views a turn.
    """
    config = cascade()
    config.degradation = {
        "kind": "sparse_view_fan_ct",
        "num_angles": 1152,
        "factor": 18,
        "source_to_origin_mm": 595.0,
        "source_to_detector_mm": 1085.6,
        "num_detectors": 736,
        "detector_pitch_mm": 1.2858,
        "detector": "arc",
        "detector_offset_mm": 0.0,
        "pixel_mm": 0.7,
        "dose": {"photons": (0.0, 0.0), "electronic_noise": 0.0},
        "filter_name": "ramp",
    }
    return config


def ultrasound() -> ConfigDict:
    """Ultrasound with every 16th column, 256 x 256 cut from larger frames."""
    config = base()
    config.data = {
        "source": "ultrasound_phantoms",
        "path": "",
        "target": "image",
        "splits_csv": "",
        "split_by": "patient",
        "shape": (256, 256),
        "fit": "crop",
        "patch": (96, 192),
        "crops_per_image": 1,
        "window": (0.0, 255.0),
        "png_rescale": (1.0, 0.0),
        "num_phantoms": (2000, 64, 64),
        "batch_size": 8,
        "num_threads": 2,
    }
    # Depth and the lateral axis are not alike: no vertical flips, no rotations.
    config.augmentation = {
        "flip_horizontal": True,
        "flip_vertical": False,
        "rotate": False,
    }
    config.degradation = {"kind": "lateral_decimation", "factor": 16, "offset": 0}
    config.generator = {
        "kind": "srresnet",
        "width": 64,
        "num_blocks": 5,
        "num_shuffles": 0,
        "norm": "none",
        "global_skip": True,
    }
    return config


def beams() -> ConfigDict:
    """Ultrasound in beam space: every 4th line of frames that the step simulates.

    256 lines of a curved array, 0.25 degrees apart, in a window of 60 dB.
    """
    config = ultrasound()
    config.data.update(source="echo_maps", window=(-60.0, 0.0), fit="exact")
    config.data.patch = config.data.shape
    config.data.batch_size = 4
    config.degradation = {
        "kind": "beam_decimation",
        "factor": 4,
        "offset": 0,
        # One of them for each image; frames come from elsewhere if there is none.
        "arrays": ("curved",),
        # The sector of such frames: first and last sample, first and last line.
        "radii_mm": (0.0, 0.0),
        "angles_deg": (0.0, 0.0),
        # Pictures are scored, and learned from, beside the beams.
        "pixel_mm": 0.25,
        "picture_weight": 1.0,
        # Or `iq`: complex samples, of simulated frames.
        "signal": "level",
        # Frames before and after, which simulated tissue moves between; 1: none.
        "cine": {"frames": 1, "interleave": 0, "motion_mm": 0.0},
    }
    config.generator = {
        "kind": "lateral",
        "widths": (48, 96, 160),
        "num_blocks": 1,
        "slopes": (),  # speckle has none
    }
    config.loss.update(pixel="log_mse", adversarial_weight=0.1)
    config.optimizer.generator.learning_rate = 1e-3
    return config


def with_variant(config: ConfigDict, variant: str) -> ConfigDict:
    """Applies the argument behind the colon of `--config=FILE.py:variant`.

    Args:
        config: A full configuration.
        variant: Empty, `demo` (minutes on a laptop) or `quicktest` (seconds;
            its numbers mean nothing); where the networks are SRResNet and its
            discriminator also `tpu` and `tpu-fast`, see `_wide`.

    Raises:
        ValueError: For any other variant.
    """
    if variant == "":
        return config
    wide = _WIDE if config.generator.kind == "srresnet" else {}
    if variant in wide:
        return _wide(config, **wide[variant])
    if variant == "demo":
        return _demo(config)
    if variant == "quicktest":
        return _quicktest(config)
    names = ", ".join(("demo", "quicktest", *wide))
    raise ValueError(f"config variant {variant!r}: expected one of {names}")


# Crops of each image of a step where that is large: those of CT share a degraded slice.
_WIDE_CROPS = {"sparse_view_ct": 4, "lateral_decimation": 1}

# Generator and discriminator that fill the matrix units of a TPU.
_WIDE = {
    "tpu": {
        "width": 256,
        "widths": (256, 512, 512, 512),
        "strides": (1, 2, 1, 2),
    },
    "tpu-fast": {
        "width": 128,
        "widths": (128, 256, 512, 512),
        "strides": (1, 2, 2, 2),
    },
}


def _wide(
    config: ConfigDict,
    *,
    width: int,
    widths: tuple[int, ...],
    strides: tuple[int, ...],
) -> ConfigDict:
    """Networks of blocks of 4 x 4 pixels, in bfloat16, 256 crops a step."""
    config.compute_dtype = "bfloat16"
    crops = _WIDE_CROPS[config.degradation.kind]
    config.data.update(batch_size=256 // crops, crops_per_image=crops)
    config.generator = {
        "kind": "wide_srresnet",
        "block": 4,
        "width": width,
        "num_blocks": 5,
        "norm": "none",
        "global_skip": True,
    }
    config.discriminator = {
        "kind": "wide",
        "block": 4,
        "widths": widths,
        "strides": strides,
        "norm": "group",
    }
    return config


# Small networks by their kind: for a demonstration, how that trains, and a quick test.
_DEMOS = {
    "srresnet": {"width": 32, "num_blocks": 3},
    "cascade": {"num_stages": 1, "num_last_steps": 8, "widths": (32, 64)},
    "lateral": {"widths": (32, 64)},
}
_DEMO_TRAINING = {
    "srresnet": {"batch": 8, "rate": 1e-3, "steps": (400, 40, 120)},
    # Many steps of few slices: each slice comes with all that total variation left.
    "cascade": {"batch": 2, "rate": 3e-3, "steps": (1500, 40, 80)},
    "lateral": {"batch": 4, "rate": 2e-3, "steps": (1000, 40, 80)},
}
_QUICKTESTS = {
    "srresnet": {"width": 8, "num_blocks": 1},
    "cascade": {"widths": (4, 8), "num_steps": 2, "num_last_steps": 2},
    "lateral": {"widths": (4, 8)},
}

# What is lost of a small image, by its side.
_SMALL = {
    # Twice as many views for each pixel of the side as 63 are for 512.
    "sparse_view_ct": lambda size: {"num_angles": size * 4, "factor": 16},
    # As many, in the same field of view: pixels and detectors become larger.
    "sparse_view_fan_ct": lambda size: {
        "num_angles": size * 9 // 2,
        "factor": 18,
        "num_detectors": size * 23 // 16,
        "detector_pitch_mm": 1.2858 * 512 / size,
        "pixel_mm": 0.7 * 512 / size,
    },
    "lateral_decimation": lambda size: {"factor": 4},
    "beam_decimation": lambda size: {"factor": 4, "pixel_mm": 0.5},
}


def _demo(config: ConfigDict) -> ConfigDict:
    _shrink(config, size=128, patch=64, width=16)
    config.generator.update(_DEMOS[config.generator.kind])
    training = _DEMO_TRAINING[config.generator.kind]
    config.data.num_phantoms = (256, 8, 16)
    config.data.batch_size = training["batch"]
    config.optimizer.generator.learning_rate = training["rate"]
    config.optimizer.discriminator.learning_rate = 1e-3
    _shorten(config, training["steps"])
    often = training["steps"][0] // 2
    config.evaluation.update(every_steps=often, batch_size=8, num_validation=8)
    config.checkpoint.every_steps = often
    config.log.update(every_steps=often // 20, images_every_steps=often)
    return config


def _quicktest(config: ConfigDict) -> ConfigDict:
    _shrink(config, size=32, patch=16, width=4)
    config.generator.update(_QUICKTESTS[config.generator.kind])
    config.data.num_phantoms = (8, 3, 3)
    config.data.batch_size = 4
    _shorten(config, (3, 2, 3))
    config.evaluation.update(every_steps=4, batch_size=4, num_validation=3)
    config.evaluation.num_figure = 2
    config.checkpoint.every_steps = 2
    config.log.update(every_steps=1, images_every_steps=4)
    return config


def _shrink(config: ConfigDict, *, size: int, patch: int, width: int) -> None:
    is_whole = config.data.patch == config.data.shape
    config.data.shape = (size, size)
    config.data.patch = config.data.shape if is_whole else (patch, patch)
    config.discriminator.width = width
    config.degradation.update(_SMALL[config.degradation.kind](size))


def _shorten(config: ConfigDict, num_steps: tuple[int, int, int]) -> None:
    phases = "generator", "discriminator", "adversarial"
    for phase, steps in zip(phases, num_steps, strict=True):
        if config.phases[phase]:
            config.phases[phase] = steps
