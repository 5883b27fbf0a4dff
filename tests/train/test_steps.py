"""What each step moves, that it learns, and that devices do not matter."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from trees import same

from sisr_jax.hosts.mesh import make_mesh, replicated, to_devices
from sisr_jax.train.steps import STEPS, _batch_psnr, compile_step
from sisr_jax.train.task import fresh_state
from sisr_jax.types import Batch

CONFIGS = ("ct_srgan", "us_srgan")


def make_batch(config, seed=0):
    rng = np.random.default_rng(seed)
    height, width = config.data.shape
    rows, columns = np.mgrid[:height, :width] / height
    phase = rng.uniform(0, 6, (config.data.batch_size, 1, 1, 1))
    hr = 0.5 + 0.4 * np.sin(9 * rows + 14 * columns)[..., None] * np.cos(phase)
    return Batch(
        hr=hr.astype(np.float32),
        mask=np.ones(len(hr), bool),
        index=np.arange(len(hr), dtype=np.int32),
    )


# A constant rate that is large enough to see 20 steps learn.
PLAIN = (
    ("optimizer__generator__schedule", "constant"),
    ("optimizer__generator__learning_rate", 2e-3),
    ("optimizer__discriminator__schedule", "constant"),
    ("optimizer__discriminator__learning_rate", 2e-3),
    ("discriminator__norm", "none"),
)
BATCH_NORM = (("generator__norm", "batch"), ("discriminator__norm", "batch"))


def _one_step(steps, name, phase, changes):
    state = steps.state(name, changes)
    batch = make_batch(steps.task(name, changes).config)
    return state, *steps.step(name, phase, changes)(state, batch)


def _close(a, b, **tolerance):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, **tolerance)


@pytest.mark.parametrize(
    ("name", "phase"),
    [*(("ct_srgan", phase) for phase in STEPS), ("us_srgan", "adversarial")],
)
def test_step_moves_what_it_must_and_nothing_else(steps, name, phase):
    before, after, _ = _one_step(steps, name, phase, BATCH_NORM)
    moves_generator = phase != "discriminator"
    moves_discriminator = phase != "generator"
    for field in ("params", "batch_stats", "opt_state"):
        generator = (getattr(before.generator, field), getattr(after.generator, field))
        discriminator = (
            getattr(before.discriminator, field),
            getattr(after.discriminator, field),
        )
        assert same(*generator) != moves_generator, field
        assert same(*discriminator) != moves_discriminator, field
    assert same(before.generator_ema, after.generator_ema) != moves_generator
    assert jax.tree.structure(before) == jax.tree.structure(after)
    assert int(after.step) == 1
    assert jnp.array_equal(
        jax.random.key_data(before.key), jax.random.key_data(after.key)
    )


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize(
    ("phase", "loss"),
    [
        ("generator", "loss/pixel"),
        ("discriminator", "loss/discriminator"),
        ("adversarial", "loss/pixel"),
    ],
)
def test_loss_falls_on_one_batch(steps, name, phase, loss):
    state = steps.state(name, PLAIN)
    step = steps.step(name, phase, PLAIN)
    batch = make_batch(steps.task(name, PLAIN).config)
    history = []
    for _ in range(20):
        state, metrics = step(state, batch)
        history.append(float(metrics[loss]))
    assert history[-1] < 0.9 * history[0], history


def test_adversarial_step_starts_with_the_discriminator_step(steps):
    _, alone, _ = _one_step(steps, "ct_srgan", "discriminator", PLAIN)
    _, joint, _ = _one_step(steps, "ct_srgan", "adversarial", PLAIN)
    _close(alone.discriminator.params, joint.discriminator.params, atol=1e-6)


def test_generator_of_the_adversarial_step_meets_the_updated_discriminator(steps):
    """Its loss is the pixel loss plus the weighted one of the new discriminator."""
    before, after, metrics = _one_step(steps, "ct_srgan", "adversarial", PLAIN)
    task = steps.task("ct_srgan", PLAIN)
    example = jax.jit(task.training_example)(before.key, make_batch(task.config))
    sr = task.generator.apply(
        {"params": before.generator.params}, *example.inputs, train=True
    )
    expected = {}
    for name, network in (("old", before.discriminator), ("new", after.discriminator)):
        logits = task.discriminator.apply({"params": network.params}, sr, train=True)
        expected[name] = float(jnp.mean(jax.nn.softplus(-logits)))
    assert metrics["loss/adversarial"] == pytest.approx(expected["new"], rel=1e-4)
    assert abs(expected["new"] - expected["old"]) > 1e-3
    assert metrics["loss/pixel"] == pytest.approx(
        float(jnp.mean(jnp.abs(sr - example.hr))), rel=1e-4
    )
    weight = task.config.loss.adversarial_weight
    assert metrics["loss/generator"] == pytest.approx(
        float(metrics["loss/pixel"] + weight * metrics["loss/adversarial"]), rel=1e-5
    )


def test_discriminator_sees_the_real_images_and_then_the_generated(steps):
    """Its loss is the mean over both, its statistics follow both, in this order."""
    before, after, metrics = _one_step(steps, "ct_srgan", "discriminator", BATCH_NORM)
    task = steps.task("ct_srgan", BATCH_NORM)
    example = jax.jit(task.training_example)(before.key, make_batch(task.config))
    sr, _ = task.generator.apply(
        {
            "params": before.generator.params,
            "batch_stats": before.generator.batch_stats,
        },
        *example.inputs,
        train=True,
        mutable=["batch_stats"],
    )
    variables = {
        "params": before.discriminator.params,
        "batch_stats": before.discriminator.batch_stats,
    }
    losses = []
    for images, sign in ((example.hr, -1), (sr, 1)):
        logits, moved = task.discriminator.apply(
            variables, images, train=True, mutable=["batch_stats"]
        )
        losses.append(float(jnp.mean(jax.nn.softplus(sign * logits))))
        variables |= moved
    _close(after.discriminator.batch_stats, variables["batch_stats"], rtol=1e-4)
    assert float(metrics["loss/discriminator"]) == pytest.approx(
        sum(losses) / 2, rel=1e-4
    )


@pytest.mark.slow
def test_adversarial_weight_scales_its_gradient(steps):
    """Without it the generator follows pixels alone, with it it does not."""
    norms = {}
    for weight in (0.0, 1.0):
        changes = (*PLAIN, ("loss__adversarial_weight", weight))
        _, _, metrics = _one_step(steps, "ct_srgan", "adversarial", changes)
        norms[weight] = float(metrics["grad_norm/generator"])
    _, _, metrics = _one_step(steps, "ct_srgan", "generator", PLAIN)
    pixels = float(metrics["grad_norm/generator"])
    assert norms[0.0] == pytest.approx(pixels, rel=1e-4)
    assert abs(norms[1.0] - pixels) > 1e-3 * pixels


def test_average_follows_the_weights_with_a_growing_decay(steps):
    before, after, _ = _one_step(steps, "us_srgan", "generator", PLAIN)
    decay = 2 / 11  # (1 + n) / (10 + n) at the first update
    expected = jax.tree.map(
        lambda old, new: decay * old + (1 - decay) * new,
        before.generator_ema,
        after.generator.params,
    )
    _close(expected, after.generator_ema, atol=1e-7)


@pytest.mark.parametrize(
    ("name", "phase"),
    [
        ("ct_srgan", "generator"),
        pytest.param("ct_srgan", "adversarial", marks=pytest.mark.slow),
        pytest.param("us_srgan", "discriminator", marks=pytest.mark.slow),
        pytest.param("us_srgan", "adversarial", marks=pytest.mark.slow),
    ],
)
def test_devices_do_not_matter(steps, name, phase):
    """Four devices compute what one does, and gather no batch or weights."""
    task, results = steps.task(name, PLAIN), []
    for count in (1, 4):
        mesh = make_mesh(count)
        with jax.set_mesh(mesh):
            state = fresh_state(task, replicated(mesh))
            batch = to_devices(make_batch(task.config), mesh)
            step = compile_step(task, phase, mesh)
            placed = jax.device_put(task, replicated(mesh))
            step = step.lower(placed, state, batch).compile()
            assert "all-gather" not in step.as_text()
            assert ("all-reduce" in step.as_text()) == (count > 1)
            results.append(jax.device_get(step(placed, state, batch)[1]))
    for metric, value in results[0].items():
        np.testing.assert_allclose(results[1][metric], value, rtol=2e-4, err_msg=metric)


def test_state_is_donated(steps):
    task, mesh = steps.task("us_srgan", PLAIN), make_mesh(1)
    state = fresh_state(task, replicated(mesh))
    compile_step(task, "generator", mesh)(
        task, state, to_devices(make_batch(task.config), mesh)
    )
    for leaf in jax.tree.leaves(state.replace(key=None)):
        assert leaf.is_deleted()


def test_example_randomness_follows_its_index_not_its_row(steps):
    task, state = (f("ct_srgan", PLAIN) for f in (steps.task, steps.state))
    batch = make_batch(task.config)
    turned = Batch(*(leaf[::-1] for leaf in batch))
    examples = jax.jit(task.training_example)
    there, back = examples(state.key, batch), examples(state.key, turned)
    np.testing.assert_allclose(there.hr, back.hr[::-1], atol=1e-6)
    np.testing.assert_allclose(there.estimate, back.estimate[::-1], atol=1e-5)
    moved = examples(state.key, batch._replace(index=batch.index + 4))
    assert not np.allclose(there.hr, moved.hr)


WHOLE = (*PLAIN, ("data__patch", (32, 32)))


@pytest.fixture(scope="module")
def compilations():
    """Grows by each program that is compiled."""
    found = []

    def note(event, duration, **details):
        if event == "/jax/core/compile/backend_compile_duration":
            found.append(duration)

    jax.monitoring.register_event_duration_secs_listener(note)
    return found


def test_whole_images_are_learned_from_in_one_donated_program(steps, compilations):
    """On one device and on four, with the matrices as inputs of the program."""
    task, results = steps.task("ct_srgan", WHOLE), []
    matrices = {leaf.shape for leaf in jax.tree.leaves(task) if leaf.ndim > 1}
    assert matrices
    for count in (1, 4):
        mesh = make_mesh(count)
        with jax.set_mesh(mesh):
            state = fresh_state(task, replicated(mesh))
            batch = to_devices(make_batch(task.config), mesh)
            step = compile_step(task, "generator", mesh)
            constants = step.trace(task, state, batch).jaxpr.consts
            assert matrices.isdisjoint(each.shape for each in constants)
            placed = jax.device_put(task, replicated(mesh))
            after, metrics = step(placed, state, batch)
            assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state.generator))
            before = len(compilations)
            after, _ = step(placed, after, batch)
            step(placed, after, batch)
            assert len(compilations) == before > 0
            results.append(jax.device_get(metrics))
    for metric, value in results[0].items():
        np.testing.assert_allclose(results[1][metric], value, rtol=2e-4, err_msg=metric)


def test_terms_add_to_the_loss_by_their_weights(steps):
    changes = (*PLAIN, ("loss__terms", (("gradient_difference", 0.5),)))
    _, after, metrics = _one_step(steps, "us_srgan", "generator", changes)
    pixel, term = metrics["loss/pixel"], metrics["loss/gradient_difference"]
    assert term > 0
    assert metrics["loss/generator"] == pytest.approx(float(pixel + 0.5 * term))
    _, plain, _ = _one_step(steps, "us_srgan", "generator", PLAIN)
    assert not same(after.generator.params, plain.generator.params)


@pytest.mark.parametrize(
    "phase", ["generator", pytest.param("adversarial", marks=pytest.mark.slow)]
)
def test_bfloat16_computes_close_to_float32_with_float32_weights(steps, phase):
    _, _, exact = _one_step(steps, "ct_srgan", phase, PLAIN)
    changes = (*PLAIN, ("compute_dtype", "bfloat16"))
    _, after, rounded = _one_step(steps, "ct_srgan", phase, changes)
    leaves = jax.tree.leaves((after.generator, after.discriminator))
    assert {str(leaf.dtype) for leaf in leaves} == {"float32", "int32"}
    losses = [name for name in exact if name.startswith("loss/")]
    for name in losses:
        assert rounded[name] == pytest.approx(float(exact[name]), rel=0.05), name
    # The untrained generator is the identity, so only its gradient shows the type.
    assert rounded["grad_norm/generator"] != exact["grad_norm/generator"]


def test_psnr_of_a_batch_is_that_of_what_would_be_shown():
    hr = jnp.full((2, 4, 4, 1), 0.9)
    beyond = hr.at[0].set(3.0).at[1].set(-0.5)
    errors = np.array([1.0 - 0.9, 0.0 - 0.9])
    expected = np.mean(-10 * np.log10(errors**2))
    np.testing.assert_allclose(_batch_psnr(beyond, hr), expected, rtol=1e-4)
