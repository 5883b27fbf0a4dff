"""What the values of a configuration must obey, alone and together."""

from sisr_jax.config.checks import check
from sisr_jax.config.networks import SIDE_INFORMATION
from sisr_jax.config.sections import Config


def check_rules(config: Config) -> None:
    """Checks every rule that types alone do not say.

    Raises:
        ConfigError: Naming the key, its value and what was expected.
    """
    names = [name for name, _ in config.loss.terms]
    check(
        len(set(names)) == len(names),
        "loss.terms",
        config.loss.terms,
        "each name once",
    )
    config.data.check()
    config.generator.check(config.data, config.degradation)
    config.discriminator.check(config.data)
    config.degradation.check(config.data)
    more = config.degradation.side_information
    check(
        not more or SIDE_INFORMATION in config.generator.sees,
        "generator.kind",
        config.generator.kind,
        f"a network that sees the {more} of this degradation",
    )
    check(
        config.mesh.model == 1 or config.discriminator.head == "dense",
        "mesh.model",
        config.mesh.model,
        "1, as nothing but discriminator.head = 'dense' is split",
    )
    shape = config.data.shape
    check(
        not config.augmentation.rotate or shape[0] == shape[1],
        "augmentation.rotate",
        True,
        f"a square data.shape to rotate, not {shape}",
    )
