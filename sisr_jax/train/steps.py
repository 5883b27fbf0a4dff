"""The three training steps and the validation step, as pure functions.

Each step takes `(task, state, batch)` and returns `(state, metrics)`; `compile_step`
jits it with the state donated. What moves:

* `generator_step`: generator, its moving average, step; pixel loss.
* `discriminator_step`: discriminator, step; real against generated images.
* `adversarial_step`: the discriminator, then the generator against the updated
  discriminator (Goodfellow et al. 2014, algorithm 1, with the non-saturating
  generator loss; Ledig et al. 2017, section 2.2, with a pixel instead of a VGG
  content loss), moving average, step.

The generator runs forward once in an adversarial step: its output feeds both
losses, and the gradient returns through the same linearisation.

A step that computes a number that is not finite moves nothing but `step`, see
`train.safety`; an adversarial step moves both networks or neither.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from sisr_jax import losses
from sisr_jax.hosts.mesh import batch_sharding, replicated
from sisr_jax.metrics import psnr
from sisr_jax.train.optimizers import ScheduledOptimizer, update_count
from sisr_jax.train.safety import Metrics, is_saturated, skip_unless_finite
from sisr_jax.train.state import NetworkState, TrainState
from sisr_jax.train.task import Task, state_sharding
from sisr_jax.types import Batch, Example, Image

Step = Callable[[Task, TrainState, Batch], tuple[TrainState, Metrics]]


@skip_unless_finite
def generator_step(
    task: Task, state: TrainState, batch: Batch
) -> tuple[TrainState, Metrics]:
    """One update of the generator on the pixel loss."""
    example = task.training_example(state.key, batch)

    def loss_of(params: Any) -> tuple[jax.Array, tuple[Image, Any, Metrics]]:
        sr, batch_stats = _generate(task, params, state.generator, example)
        loss, parts = _image_loss(task, sr, example.hr)
        return loss, (sr, batch_stats, parts)

    gradient = jax.value_and_grad(loss_of, has_aux=True)
    (loss, (sr, batch_stats, parts)), grads = gradient(state.generator.params)
    metrics = {
        "loss/generator": loss,
        **parts,
        **_update_metrics(
            "generator", task.generator_optimizer, state.generator, grads
        ),
        "train/psnr": _batch_psnr(sr, example.hr),
    }
    return _move_generator(task, state, grads, batch_stats), metrics


@skip_unless_finite
def discriminator_step(
    task: Task, state: TrainState, batch: Batch
) -> tuple[TrainState, Metrics]:
    """One update of the discriminator against a generator at rest."""
    example = task.training_example(state.key, batch)
    sr = task.generator.apply(
        _variables(state.generator.params, state.generator),
        *example.inputs,
        train=False,
    )
    discriminator, metrics = _move_discriminator(
        task, state.discriminator, example.hr, sr
    )
    state = state.replace(step=state.step + 1, discriminator=discriminator)
    return state, {**metrics, "train/psnr": _batch_psnr(sr, example.hr)}


@skip_unless_finite
def adversarial_step(
    task: Task, state: TrainState, batch: Batch
) -> tuple[TrainState, Metrics]:
    """One update of the discriminator, then one of the generator."""
    example = task.training_example(state.key, batch)
    sr, pull_back, batch_stats = jax.vjp(
        lambda params: _generate(task, params, state.generator, example),
        state.generator.params,
        has_aux=True,
    )
    discriminator, metrics = _move_discriminator(
        task, state.discriminator, example.hr, sr
    )

    def loss_of(sr: Image) -> tuple[jax.Array, Metrics]:
        logits, _ = _discriminate(task, discriminator.params, discriminator, sr)
        loss, parts = _image_loss(task, sr, example.hr)
        adversarial = jnp.mean(_cross_entropy(logits, 1.0))
        total = loss + task.config.loss.adversarial_weight * adversarial
        return total, parts | {"loss/adversarial": adversarial}

    (loss, parts), sr_gradient = jax.value_and_grad(loss_of, has_aux=True)(sr)
    (grads,) = pull_back(sr_gradient)
    metrics = {
        "loss/generator": loss,
        **parts,
        **_update_metrics(
            "generator", task.generator_optimizer, state.generator, grads
        ),
        **metrics,
        "discriminator/saturated": is_saturated(
            task.config.safety,
            metrics["discriminator/real"],
            metrics["discriminator/generated"],
        ),
        "train/psnr": _batch_psnr(sr, example.hr),
    }
    state = state.replace(discriminator=discriminator)
    return _move_generator(task, state, grads, batch_stats), metrics


# By the names of the fields of `config.phases`.
STEPS: dict[str, Step] = {
    "generator": generator_step,
    "discriminator": discriminator_step,
    "adversarial": adversarial_step,
}


def compile_step(task: Task, name: str, mesh: Mesh) -> Step:
    """The jitted step of one phase: batch split along `data`, state donated."""
    whole, state = replicated(mesh), state_sharding(task, mesh)
    return jax.jit(
        STEPS[name],
        in_shardings=(whole, state, batch_sharding(mesh)),
        out_shardings=(state, whole),
        donate_argnums=1,
    )


def _variables(params: Any, network: NetworkState) -> dict[str, Any]:
    return {"params": params, "batch_stats": network.batch_stats}


def _generate(
    task: Task, params: Any, network: NetworkState, example: Example
) -> tuple[Image, Any]:
    sr, updated = task.generator.apply(
        _variables(params, network),
        *example.inputs,
        train=True,
        mutable=["batch_stats"],
    )
    return sr, updated.get("batch_stats", {})


def _discriminate(
    task: Task, params: Any, network: NetworkState, image: Image
) -> tuple[jax.Array, Any]:
    logits, updated = task.discriminator.apply(
        _variables(params, network), image, train=True, mutable=["batch_stats"]
    )
    return logits, updated.get("batch_stats", {})


def _image_loss(task: Task, sr: Image, hr: Image) -> tuple[jax.Array, Metrics]:
    """Pixel loss, that of the pictures, and terms, together and each for itself."""
    loss = task.config.loss
    pixel, degradation = losses.PIXEL_LOSSES[loss.pixel], task.degradation
    total = jnp.mean(pixel(sr, hr))
    parts = {"loss/pixel": total}
    if degradation.picture_weight:
        pictures = degradation.picture(sr), degradation.picture(hr)
        parts["loss/picture"] = jnp.mean(pixel(*pictures))
        total = total + degradation.picture_weight * parts["loss/picture"]
    for name, weight in loss.terms:
        parts[f"loss/{name}"] = losses.TERMS[name](sr, hr)
        total = total + weight * parts[f"loss/{name}"]
    return total, parts


def _cross_entropy(logits: jax.Array, label: float) -> jax.Array:
    return optax.sigmoid_binary_cross_entropy(logits, jnp.full_like(logits, label))


def _move_generator(
    task: Task, state: TrainState, grads: Any, batch_stats: Any
) -> TrainState:
    generator = _apply(task.generator_optimizer, state.generator, grads, batch_stats)
    count = update_count(generator.opt_state)
    # Short runs must not average over the initial weights: the decay grows with
    # the number of updates, as in the exponential moving average of TensorFlow.
    decay = jnp.minimum(task.config.ema_decay, (1.0 + count) / (10.0 + count))
    return state.replace(
        step=state.step + 1,
        generator=generator,
        generator_ema=optax.incremental_update(
            generator.params, state.generator_ema, 1.0 - decay
        ),
    )


def _move_discriminator(
    task: Task, network: NetworkState, hr: Image, sr: Image
) -> tuple[NetworkState, Metrics]:
    sr = jax.lax.stop_gradient(sr)

    def loss_of(params: Any) -> tuple[jax.Array, tuple[jax.Array, jax.Array, Any]]:
        real, batch_stats = _discriminate(task, params, network, hr)
        after_real = network.replace(batch_stats=batch_stats)
        fake, batch_stats = _discriminate(task, params, after_real, sr)
        loss = _cross_entropy(real, 1.0) + _cross_entropy(fake, 0.0)
        return jnp.mean(loss) / 2, (real, fake, batch_stats)

    gradient = jax.value_and_grad(loss_of, has_aux=True)
    (loss, (real, fake, batch_stats)), grads = gradient(network.params)
    optimizer = task.discriminator_optimizer
    metrics = {
        "loss/discriminator": loss,
        "discriminator/real": jnp.mean(jax.nn.sigmoid(real)),
        "discriminator/generated": jnp.mean(jax.nn.sigmoid(fake)),
        **_update_metrics("discriminator", optimizer, network, grads),
    }
    return _apply(optimizer, network, grads, batch_stats), metrics


def _apply(
    optimizer: ScheduledOptimizer, network: NetworkState, grads: Any, batch_stats: Any
) -> NetworkState:
    updates, opt_state = optimizer.update(grads, network.opt_state, network.params)
    params = optax.apply_updates(network.params, updates)
    return NetworkState(params=params, batch_stats=batch_stats, opt_state=opt_state)


def _update_metrics(
    name: str, optimizer: ScheduledOptimizer, network: NetworkState, grads: Any
) -> Metrics:
    return {
        f"grad_norm/{name}": optax.tree.norm(grads),
        f"learning_rate/{name}": optimizer.learning_rate(network.opt_state),
    }


def _batch_psnr(sr: Image, hr: Image) -> jax.Array:
    return jnp.mean(psnr(jnp.clip(sr, 0.0, 1.0), hr))
