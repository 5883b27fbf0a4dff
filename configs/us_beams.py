"""Missing scan lines in beam space, on frames that a simulator draws in the step.

    python -m sisr_jax.main --config=configs/us_beams.py --workdir=DIR

No data is needed: anatomy is drawn on the host, speckle on the device, anew for every
image of every step. More arrays at once are without pictures:

        --config.degradation.arrays="('curved','linear')" \
        --config.degradation.pixel_mm=0 --config.degradation.picture_weight=0

Recorded beams are frames in dB, with the sector that they were taken from:

        --config.data.source=folder --config.data.path=FOLDER \
        --config.degradation.arrays="()" --config.degradation.radii_mm="(60,160)" \
        --config.degradation.angles_deg="(-32,32)"

What else is measured of simulated frames, the network may see beside the lines as they
are shown: their IQ, or the lines of the frames before and after:

        --config.degradation.signal=iq

        --config.degradation.cine.frames=3 --config.degradation.cine.interleave=1 \
        --config.degradation.cine.motion_mm=0.1

Variants: `:demo` (minutes on two CPU cores), `:quicktest` (seconds).
"""

from configs import common


def get_config(variant: str = "") -> common.ConfigDict:
    """The configuration, or one of its variants."""
    config = common.beams()
    config.phases.generator = 50_000
    config.phases.discriminator = 1_000
    config.phases.adversarial = 20_000
    return common.with_variant(config, variant)
