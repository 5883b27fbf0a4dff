"""Exported programs: they compute what the network does, without the package."""

import hashlib
import importlib.util
import json
import pathlib
import subprocess
import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from etils import epath
from jax import export as jax_export
from networks import random_restorer

from sisr_jax import export
from sisr_jax.inference import exporting, load
from sisr_jax.inference.bundle import write_bundle
from sisr_jax.inference.exporting import export_images
from sisr_jax.tomography import ParallelBeam, ParallelBeamCT

if importlib.util.find_spec("flatbuffers") is None:
    pytest.skip("needs flatbuffers, which jax.export does", allow_module_level=True)


ABOUT = {"protocol": "physical-ct-x16-0a1b2c"}
# An artifact of version 0.1.0 (JAX 0.10.2) of a network of 2 channels, its input and
# its output: written by this file, `python tests/inference/test_exporting.py`.
FIXTURE = pathlib.Path(__file__).with_name("exported_first_version")
MESSAGE = "expected a geometry, --size=PIXELS and --views=NUMBER"


def images(*shape):
    return np.random.default_rng(3).random(shape, np.float32)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """Folders of bundles by the kind of their network, made when asked for."""
    folder, made = epath.Path(tmp_path_factory.mktemp("bundles")), {}

    def bundle(kind):
        if kind not in made:
            write_bundle(folder / kind, random_restorer(kind), ABOUT)
            made[kind] = folder / kind
        return made[kind]

    return bundle


def run(*arguments):
    return export.main([str(each) for each in arguments])


def read(path):
    content = path.read_bytes()
    about = json.loads(path.with_suffix(".json").read_text())
    assert about["sha256"] == hashlib.sha256(content).hexdigest()
    assert b".py" not in content  # nor the path of it, which may name its user
    return jax_export.deserialize(bytearray(content)), about


def test_a_network_of_images_of_any_size(bundles, tmp_path, capsys):
    path, folder = tmp_path / "a.stablehlo", bundles("srresnet")
    assert run(folder, path) == 0
    assert "differs by" in capsys.readouterr().out
    program, about = read(path)
    assert program.platforms == ("cpu", "cuda", "tpu")
    assert program.disabled_safety_checks == ()
    [given], [made] = about["inputs"], about["outputs"]
    assert given["name"] == "image"
    assert given["shape"] == made["shape"] == ["batch", "2*height", "2*width"]
    assert given["unit"].startswith("[-1000, 1000] HU as [0, 1], degraded as in train")
    assert about["platforms"] == ["cpu", "cuda", "tpu"]
    assert about["largest_difference"] < 1e-5
    restorer = load(folder)
    for shape in (1, 6, 4), (2, 8, 10):
        expected = restorer(jnp.asarray(images(*shape)))
        found = program.call(images(*shape))
        np.testing.assert_allclose(found, expected, atol=1e-5)
        assert found.std() > 0.01


def test_columns_of_one_size(bundles, tmp_path, capsys):
    path, folder = tmp_path / "a.stablehlo", bundles("columns")
    assert run(folder, path) == 2
    assert "expected --size=HEIGHT,WIDTH" in capsys.readouterr().err
    assert run(folder, path, "--size=32,8") == 0
    program, about = read(path)
    assert about["inputs"][0]["shape"] == ["batch", 32, 8]
    assert about["outputs"][0]["shape"] == ["batch", 32, 32]
    expected = load(folder)(images(2, 32, 8))
    np.testing.assert_allclose(program.call(images(2, 32, 8)), expected, atol=1e-5)


def test_a_network_of_measurements(bundles, tmp_path):
    path, folder = tmp_path / "a.stablehlo", bundles("unrolled")
    assert run(folder, path, "--size=16", "--views=8") == 0
    program, about = read(path)
    operator = ParallelBeamCT(ParallelBeam(16, 8))
    assert about["inputs"][0]["shape"] == ["batch", *operator.range_shape]
    assert [each["name"] for each in about["outputs"]] == ["image", "residual"]
    assert about["geometry"]["size"] == 16
    np.testing.assert_allclose(
        about["geometry"]["angles_rad"], np.arange(8) * np.pi / 8, atol=1e-12
    )
    y = operator(images(2, 16, 16))
    expected = load(folder)(measurement=y, operator=operator)
    image, residual = program.call(y)
    np.testing.assert_allclose(image, expected.image, atol=1e-5)
    np.testing.assert_allclose(residual, expected.residual, atol=1e-5)


def test_what_is_refused_is_one_line(bundles, tmp_path, capsys, monkeypatch):
    there = tmp_path / "there.stablehlo"
    there.write_bytes(b"kept")
    new, of_views, of_images = (
        tmp_path / "new.stablehlo",
        bundles("unrolled"),
        bundles("srresnet"),
    )
    monkeypatch.setattr(exporting, "_MAX_BYTES", 1000)
    # Nothing is planned that is too large.
    monkeypatch.setattr(exporting, "ParallelBeamCT", None)
    for arguments, message in (
        ([of_images, tmp_path / "a.onnx"], "expected a name that ends with .stablehlo"),
        ([of_images, there], "is there; --overwrite replaces it"),
        ([tmp_path / "none", new], "expected one of 'scan-line-ultra"),
        ([of_views, new], MESSAGE),
        (["scan-line-ultrasound", new], "of columns such networks are not exported"),
        ([of_views, new, "--views=8"], "needs --size=PIXELS, a square"),
        ([of_views, new, "--views=8", "--size=16,18"], "needs --size=PIXELS, a square"),
        ([of_views, new, "--views=9", "--size=16"], "9 views: these weights are for 8"),
        ([of_views, new, "--views=8", "--size=16"], "GB of matrices, expected at most"),
        ([of_images, new, "--size=0"], "size = 0x0: expected 1 to 16777216 pixels"),
        ([of_images, new, "--size=99999999998"], "expected 1 to 16777216 pixels in"),
        ([of_images, new, "--size=a"], "--size: 'a': expected HEIGHT,WIDTH or one"),
        ([of_images, new, "--size=2,2,2"], "'2,2,2': expected HEIGHT,WIDTH or one"),
        ([of_images], "the following arguments are required: OUT"),
        ([of_images, there / new.name], f"{there} is a file, expected a folder"),
        (
            [bundles("columns"), new, "--views=8", "--size=16"],
            "weights are for columns",
        ),
    ):
        assert run(*arguments) == 2, arguments
        error = capsys.readouterr().err
        assert error.startswith("sisr_jax.export: error: ")
        assert message in error, error
        assert error.count("\n") == 1
    assert there.read_bytes() == b"kept"
    assert [path.name for path in tmp_path.iterdir()] == ["there.stablehlo"]


def test_what_is_no_description_is_never_replaced(bundles, tmp_path, capsys):
    """A run, too, has a JSON file beside what it writes."""
    theirs = tmp_path / "config.json"
    for text in ('{"seed": 0}', "mine"):
        theirs.write_text(text)
        assert run("nowhere", tmp_path / "config.stablehlo", "--overwrite") == 2
        assert f"error: {theirs}: not " in capsys.readouterr().err
        assert theirs.read_text() == text
    assert list(tmp_path.iterdir()) == [theirs]
    path = tmp_path / "mine.stablehlo"
    for flags in ((), ("--overwrite",)):
        assert run(bundles("srresnet"), path, "--size=16", *flags) == 0


def test_a_folder_is_never_replaced(tmp_path, capsys):
    (tmp_path / "a.stablehlo").mkdir()
    assert run("nowhere", tmp_path / "a.stablehlo", "--overwrite") == 2
    assert "a.stablehlo: a folder, expected a file" in capsys.readouterr().err


def test_a_program_that_computes_something_else_is_not_kept(
    bundles, tmp_path, capsys, monkeypatch
):
    original = jax_export.deserialize

    def damaged(content):
        program = original(content)
        return types.SimpleNamespace(call=lambda image: program.call(image) + 2e-4)

    monkeypatch.setattr(exporting.export, "deserialize", damaged)
    assert run(bundles("srresnet"), tmp_path / "a.stablehlo") == 2
    assert "differs by 2.0e-04 from the network" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_help_tells_flags_and_an_example(capsys):
    with pytest.raises(SystemExit) as caught:
        run("--help")
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for word in ("--size", "--views", "--overwrite", "python -m sisr_jax.export runs/"):
        assert word in text


def test_an_artifact_of_the_first_version_computes_what_it_did():
    with np.load(FIXTURE.with_suffix(".npz"), allow_pickle=False) as stored:
        given, expected = stored["given"], stored["expected"]
    program, about = read(FIXTURE.with_suffix(".stablehlo"))
    assert about["sisr_jax"] == "0.1.0"
    np.testing.assert_allclose(program.call(given), expected, atol=1e-5)
    one = program.call(given[:1, :8, :4])
    assert one.shape == (1, 8, 4)


def test_it_runs_without_the_package():
    script = (
        "import sys, jax.export, numpy as np\n"
        f"content = open({str(FIXTURE.with_suffix('.stablehlo'))!r}, 'rb').read()\n"
        "program = jax.export.deserialize(bytearray(content))\n"
        "made = program.call(np.zeros((1, 4, 4), 'f4'))\n"
        "print(made.shape, 'sisr_jax' in sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "(1, 4, 4) False"


def _write_fixture():
    restorer = random_restorer("srresnet")
    restorer.card["name"] = "tiny"
    found = export_images(restorer, size=None)
    FIXTURE.with_suffix(".stablehlo").write_bytes(found.content)
    FIXTURE.with_suffix(".json").write_text(json.dumps(found.about, indent=2) + "\n")
    given = images(2, 8, 8)
    np.savez(FIXTURE.with_suffix(".npz"), given=given, expected=restorer(given))


if __name__ == "__main__":
    jax.config.update("jax_platforms", "cpu")
    _write_fixture()
