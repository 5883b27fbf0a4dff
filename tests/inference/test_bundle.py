"""Bundles: what is written is read, and what is not right is refused in one line."""

import dataclasses
import functools
import hashlib
import json
import math

import jax
import numpy as np
import pytest
from etils import epath
from networks import KINDS, OF_IMAGES, config_of, measured, random_restorer

from sisr_jax.errors import InputError, StorageError
from sisr_jax.inference import bundle, load
from sisr_jax.inference.bundle import write_bundle

ABOUT = {"protocol": "physical-ct-x16-0a1b2c", "step": 3}


@pytest.mark.parametrize("kind", KINDS)
def test_a_bundle_is_the_network(kind, tmp_path):
    restorer, folder = random_restorer(kind), epath.Path(tmp_path / "my net")
    write_bundle(folder, restorer, ABOUT)
    found = load(folder)
    assert found.config == restorer.config
    for one, other in zip(
        *map(jax.tree.leaves, (found.variables, restorer.variables)), strict=True
    ):
        np.testing.assert_array_equal(one, other)  # with all bits
    assert found.card["name"] == "my net"
    assert found.card["step"] == 3
    measurement, estimate = measured(restorer.config)
    result = found(measurement=measurement.values, operator=measurement.operator)
    expected = jax.jit(functools.partial(restorer.network.apply, train=False))(
        restorer.variables, estimate[..., None], *measurement
    )
    np.testing.assert_allclose(result.image, np.clip(expected[..., 0], 0, 1), atol=1e-5)
    assert result.image.std() > 1e-3
    if kind in OF_IMAGES:  # they are given the first estimate of their training
        np.testing.assert_allclose(found(estimate), result.image, atol=1e-5)
    else:
        with pytest.raises(ValueError, match="looks at the measurement"):
            found(estimate)


def test_nothing_of_one_machine_is_told(tmp_path):
    restorer = random_restorer("unet")
    config = restorer.config
    data = dataclasses.replace(
        config.data, source="folder", path="/secret/images", splits_csv="/secret/s.csv"
    )
    init = dataclasses.replace(config.init, generator="/secret/run")
    config = dataclasses.replace(config, data=data, init=init)
    restorer = dataclasses.replace(restorer, config=config)
    write_bundle(epath.Path(tmp_path / "b"), restorer, ABOUT)
    for path in (tmp_path / "b").iterdir():
        assert b"secret" not in path.read_bytes()
    load(tmp_path / "b")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = epath.Path(tmp_path_factory.mktemp("made")) / "b"
    write_bundle(folder, random_restorer("unet"), ABOUT)
    return folder


@pytest.fixture
def copy(made, tmp_path):
    folder = epath.Path(tmp_path) / "b"
    folder.mkdir()
    for path in made.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def flip(folder):
    path = folder / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


def cut(folder):
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-4])


def forge(folder):
    """Weights of another network, with a card that says so."""
    content = (folder / "weights.safetensors").read_bytes().replace(b"bias", b"mean")
    (folder / "weights.safetensors").write_bytes(content)
    card(sha256=hashlib.sha256(content).hexdigest())(folder)


def without(name):
    return lambda folder: (folder / name).unlink()


def card(**changes):
    def change(folder):
        path = folder / "card.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def network(**changes):
    """Another network in card and configuration."""

    def change(folder):
        values = json.loads((folder / "config.json").read_text())
        values["generator"] |= changes
        (folder / "config.json").write_text(json.dumps(values))
        card(config=values)(folder)

    return change


def only_config(folder):
    values = json.loads((folder / "config.json").read_text())
    values["data"]["window"] = [0.0, 1.0]
    (folder / "config.json").write_text(json.dumps(values))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (flip, "weights .*weights.safetensors: not the file that its card is of"),
        (cut, "not the file that its card is of"),
        (forge, "weights.safetensors: '.*bias' is missing"),
        (without("card.json"), "reading card.json failed: No such file"),
        (without("config.json"), "reading config.json failed: No such file"),
        (without("weights.safetensors"), "weights.safetensors failed: No such file"),
        (only_config, "config.json: another than in card.json"),
        (card(config={}), "config.json: another than in card.json"),
        (card(config=[]), r"card.json: config is \[\], expected an object"),
        (card(sisr_jax="99.0.0"), "made by sisr_jax '99.0.0', newer than this one"),
        (card(sisr_jax="0.99.1"), "newer than this one"),
        (card(sisr_jax=None), "sisr_jax is None, expected a version"),
        (card(sha256="x"), "sha256 is 'x', expected like"),
        (card(protocol=3), "protocol is 3, expected like"),
        (card(views=[5, 2]), r"views is \[5, 2\], expected the fewest and the most"),
        (card(views=["a", 2]), "views is"),
        (card(factors=[16, 2]), r"factors is \[16, 2\], expected the fewest and the"),
        (card(scores={"a": 1}), "scores is .*, expected a list"),
        (card(scores=[{"residual": "low"}]), "residual is 'low', expected a number"),
        (card(scores=[{"residual": math.nan}]), "residual is nan, expected a number"),
        (card(scores=[{"residual": -1}]), "residual is -1, expected a number from 0"),
        (card(scores=[{"residual": 10**400}]), "residual is 1000.*, expected a number"),
        (network(widths=[4, 6]), r"is float32 of shape .*: expected float32"),
        # More than there is memory.
        (network(widths=[4096, 4096]), "is float32 of shape .*: expected float32"),
        (network(num_blocks=2), "is missing"),
        (network(kind="cat"), "config.json: not of this version: .*generator.kind"),
    ],
)
def test_what_is_not_right_is_refused_in_one_line(copy, spoil, message):
    load(copy)
    spoil(copy)
    with pytest.raises(InputError, match=message) as caught:
        load(copy)
    assert str(copy) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_bundle_of_an_earlier_version_loads(copy):
    card(sisr_jax="0.0.9")(copy)
    load(copy)


def test_what_is_there_is_replaced_when_asked_for(copy):
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    restorer = random_restorer("srresnet")
    with pytest.raises(InputError, match="is there; --overwrite replaces it"):
        write_bundle(copy, restorer, ABOUT)
    assert before == {path.name: path.read_bytes() for path in copy.iterdir()}
    write_bundle(copy, restorer, ABOUT, overwrite=True)
    assert load(copy).config == restorer.config
    (copy / "mine.txt").write_text("kept")
    with pytest.raises(InputError, match=r"holds 'mine\.txt', expected a new folder"):
        write_bundle(copy, restorer, ABOUT, overwrite=True)
    assert (copy / "mine.txt").exists()
    with pytest.raises(InputError, match="a file, expected a folder"):
        write_bundle(copy / "mine.txt", restorer, ABOUT, overwrite=True)


def test_a_failure_leaves_what_was_there(copy, monkeypatch, tmp_path):
    before = {path.name: path.read_bytes() for path in copy.iterdir()}

    def fail(path, values):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bundle, "write_object", fail)
    for folder in (copy, epath.Path(tmp_path / "new")):
        with pytest.raises(StorageError, match="No space left"):
            write_bundle(folder, random_restorer("unet"), ABOUT, overwrite=True)
    assert before == {path.name: path.read_bytes() for path in copy.iterdir()}
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_on_a_disk_and_in_a_bucket(folder):
    restorer = random_restorer("unet")
    write_bundle(folder, restorer, ABOUT)
    assert load(folder).config == restorer.config
    with pytest.raises(InputError, match="is there"):
        write_bundle(folder, restorer, ABOUT)
    write_bundle(folder, restorer, {**ABOUT, "step": 4}, overwrite=True)
    assert load(folder).card["step"] == 4


def test_any_kind_says_what_it_sees():
    for kind in KINDS:
        sees = config_of(kind).generator.sees
        assert ("measurement" not in sees) == (kind in OF_IMAGES)


@pytest.mark.parametrize(
    "spacing", [[0.5], [0.5, 0.4], [0, 1], [0.5, 1e9], ["a", "b"], [True, 1], 0.5, {}]
)
def test_spacings_of_a_card_that_are_none(tmp_path, spacing):
    folder = epath.Path(tmp_path / "b")
    write_bundle(folder, random_restorer("unet"), {**ABOUT, "spacing_mm": [0.5, 1]})
    assert load(folder).card["spacing_mm"] == [0.5, 1]
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, "spacing_mm": spacing}))
    with pytest.raises(InputError, match="spacing_mm is ") as caught:
        load(folder)
    assert "\n" not in str(caught.value)
