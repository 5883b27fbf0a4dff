"""Compilation for absent TPUs: names, what is read from programs, bad input."""

import importlib.util
import json
import pathlib
import subprocess
import sys
import time
import types
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from sisr_jax.aot import compilation
from sisr_jax.aot.chips import GIB, parse_topology
from sisr_jax.aot.measurement import measure
from sisr_jax.aot.operations import function_flops
from sisr_jax.aot.program import Program, Traffic
from sisr_jax.aot.report import as_text, as_values
from sisr_jax.errors import InputError
from sisr_jax.hosts.mesh import make_mesh, replicated
from sisr_jax.models.packing import PLAIN, Form, Packing, convolve_packed

ROOT = pathlib.Path(__file__).parents[1]
HAS_COMPILER = importlib.util.find_spec("libtpu") is not None

# As libtpu prints it, shortened: a loop of four turns around a fusion that has an
# estimate inside and out, an asynchronous gather and a sum inside a fusion.
TEXT = """\
HloModule jit_step, is_scheduled=true

FileNames
1 "/home/user/sisr_jax/models/blocks.py"
2 "/opt/flax/linen/linear.py"

FunctionNames
1 "step"
2 "conv"

FileLocations
1 {file_name_id=1 function_name_id=1 line=17 end_line=17 column=10 end_column=30}
2 {file_name_id=2 function_name_id=2 line=99 end_line=99 column=1 end_column=2}

StackFrames
1 {file_location_id=1 parent_frame_id=1}
2 {file_location_id=2 parent_frame_id=2}

%add (x: f32[], y: f32[]) -> f32[] {
  %x = f32[] parameter(0)
  %y = f32[] parameter(1)
  ROOT %sum = f32[]{:T(128)} add(%x, %y)
}

%fused (p: f32[8,128]) -> f32[8,128] {
  %p = f32[8,128]{1,0:T(8,128)} parameter(0)
  %all-reduce.1 = f32[8,128]{1,0:T(8,128)S(1)} all-reduce(%p), to_apply=%add
  ROOT %inner = f32[8,128]{1,0:T(8,128)} negate(%all-reduce.1), \
backend_config={"window_config":{"estimated_cycles":"7000"}}
}

%body (arg: (s32[], f32[8,128])) -> (s32[], f32[8,128]) {
  %arg = (s32[], f32[8,128]{1,0:T(8,128)}) parameter(0)
  %turned = f32[8,128]{1,0:T(8,128)} fusion(%arg), kind=kLoop, calls=%fused, \
metadata={op_name="jit(step)/conv" stack_frame_id=2}, \
backend_config={"window_config":{"estimated_cycles":"100"}}
  ROOT %next = (s32[], f32[8,128]{1,0:T(8,128)}) tuple(%arg, %turned)
}

%condition (arg.1: (s32[], f32[8,128])) -> pred[] {
  %limit = s32[]{:T(128)} constant(4)
  %arg.1 = (s32[], f32[8,128]{1,0:T(8,128)}) parameter(0)
  ROOT %below = pred[]{:T(512)} compare(%arg.1, %limit), direction=LT
}

ENTRY %main (a: f32[8,128]) -> f32[8,128] {
  %a = f32[8,128]{1,0:T(8,128)} parameter(0)
  %start = (f32[8,128]{1,0:T(8,128)}, /*index=1*/bf16[16,128]{1,0:T(8,128)}) \
all-gather-start(%a), dimensions={0}
  %loop = (s32[], f32[8,128]{1,0:T(8,128)}) while(%a), condition=%condition, \
body=%body
  ROOT %last = f32[8,128]{1,0:T(8,128)} copy(%loop), \
metadata={op_name="a" source_file="/x/y/z.py" source_line=3}, \
backend_config={"window_config":{"estimated_cycles":"30"}}
}
"""


@pytest.mark.parametrize(
    ("name", "num_chips", "host_bounds"),
    [
        ("v5e:1x1", 1, (1, 1, 1)),
        ("v5e:2x4", 8, (2, 2, 1)),
        ("v6e:16x16", 256, (2, 2, 1)),
        ("v4:1x1x1", 1, (1, 1, 1)),
        ("v5p:4x8x8", 256, (2, 2, 1)),
    ],
)
def test_topology_names_say_how_many_chips(name, num_chips, host_bounds):
    topology = parse_topology(name)
    assert str(topology) == name
    assert topology.num_chips == num_chips
    assert topology.host_bounds == host_bounds


@pytest.mark.parametrize(
    "name",
    [
        *("", "v5e", "v5e:", "v9:2x2", "v5e:2x2x1", "v4:2x2", "v5e:0x2", "v5e:3x5"),
        *("v5e:32x32", "v4:8x8x8", "v5e:2x-2", "v5e:2x2 ", "v5e:1x4"),
    ],
)
def test_unknown_topologies_are_refused_in_one_line(name):
    with pytest.raises(InputError, match=r"expected v5e:AxB") as error:
        parse_topology(name)
    assert repr(name) in str(error.value)
    assert "\n" not in str(error.value)


def test_devices_of_a_chip_share_its_rate_and_memory():
    v4, v5e = parse_topology("v4:2x2x1"), parse_topology("v5e:2x2")
    # Four units of 128 x 128 multiply-adds a cycle in either.
    for topology in (v4, v5e):
        units = topology.peak_flops_per_cycle / (2 * 128**2)
        assert units == pytest.approx(4, rel=0.01)
    # What the compiler says of programs that are too large.
    assert (v4.hbm_per_device, v5e.hbm_per_device) == (15.25 * GIB, 15.75 * GIB)
    assert v5e.hbm_bytes_per_cycle == pytest.approx(546)
    assert v4.hbm_bytes_per_cycle == pytest.approx(1228 / 1.05 / 2)


def test_sums_over_chips_take_what_their_links_take():
    def seconds(name):
        return parse_topology(name).all_reduce_seconds(1e9)

    assert seconds("v5e:1x1") == 0.0
    # Both rows of a square, by one link of 45 GB/s for each.
    assert seconds("v5e:2x2") == pytest.approx(2 * 0.75 / 90)
    assert seconds("v5e:2x4") == pytest.approx(2 * 0.875 / 90)
    # Sixteen in a row are a ring, with two links for each chip.
    assert seconds("v5e:16x16") == pytest.approx(2 * 255 / 256 / 180)
    assert seconds("v5p:4x4x4") == pytest.approx(2 * 63 / 64 / 540)


def test_loops_multiply_and_fusions_do_not_count_twice():
    program = Program(TEXT)
    assert program.cycles == 4 * 100 + 30
    assert program.unknown_loops == 0
    assert program.count("while") == 1
    assert program.count("gather") == 0


def test_a_stated_number_of_turns_wins_over_the_condition():
    stated = TEXT.replace("body=%body", 'body=%body, x={"known_trip_count":{"n":"5"}}')
    assert Program(stated).cycles == 5 * 100 + 30


def test_a_loop_without_a_known_end_counts_once_and_is_told():
    program = Program(TEXT.replace("direction=LT", "direction=NE"))
    assert program.cycles == 100 + 30
    assert program.unknown_loops == 1


def test_what_the_compiler_cannot_judge_has_no_estimate():
    program = Program(TEXT.replace('"30"', f'"{2**62}"'))
    assert program.cycles == 4 * 100


def test_cycles_of_a_folder_are_those_of_its_calls():
    # The innermost call is of another package.
    program = Program(TEXT)
    assert program.cycles_of("sisr_jax/models/") == 4 * 100
    assert program.cycles_of("sisr_jax/degradation/") == 0


def test_collectives_are_found_in_fusions_and_loops():
    assert Program(TEXT).collectives() == {
        "all-gather": Traffic(1, 2 * 16 * 128),
        "all-reduce": Traffic(4, 4 * 4 * 8 * 128),
    }


# A convolution in a loop of four turns, copies that go on meanwhile, a sum of rows.
CONVOLUTIONS = """\
HloModule jit_step, is_scheduled=true

%add (x: f32[], y: f32[]) -> f32[] {
  %x = f32[] parameter(0)
  %y = f32[] parameter(1)
  ROOT %sum = f32[] add(%x, %y)
}

%fused (p: bf16[8,64,64,16], k: bf16[3,3,16,32]) -> bf16[8,64,64,32] {
  %p = bf16[8,64,64,16]{3,0,2,1:T(8,128)(2,1)} parameter(0)
  %k = bf16[3,3,16,32]{3,2,1,0} parameter(1)
  ROOT %c = bf16[8,64,64,32]{3,0,2,1} convolution(%p, %k), \
window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f
}

%moved (q: f32[8,128]) -> f32[128,8] {
  %q = f32[8,128]{1,0} parameter(0)
  ROOT %t = f32[128,8]{1,0} transpose(%q), dimensions={1,0}
}

%body (arg: (s32[], bf16[8,64,64,16])) -> (s32[], bf16[8,64,64,16]) {
  %arg = (s32[], bf16[8,64,64,16]) parameter(0)
  %turned = bf16[8,64,64,32] fusion(%arg, %arg), kind=kOutput, calls=%fused, \
backend_config={"window_config":{"estimated_cycles":"100"}}
  ROOT %next = (s32[], bf16[8,64,64,16]) tuple(%arg, %turned)
}

%condition (arg.1: (s32[], bf16[8,64,64,16])) -> pred[] {
  %arg.1 = (s32[], bf16[8,64,64,16]) parameter(0)
  ROOT %below = pred[] constant(true)
}

ENTRY %main (a: f32[8,128]) -> f32[8] {
  %a = f32[8,128]{1,0} parameter(0)
  %loop = (s32[], bf16[8,64,64,16]) while(%a), condition=%condition, body=%body, \
backend_config={"known_trip_count":{"n":"4"}}
  %copy-start = (f32[8,128]{1,0:S(1)}, f32[8,128]{1,0}, u32[]) copy-start(%a)
  %slice-start = ((f32[8,128]{1,0}), f32[2,128]{1,0:S(1)}, u32[]) slice-start(%a)
  %moves = f32[128,8]{1,0} fusion(%a), kind=kLoop, calls=%moved, \
backend_config={"window_config":{"estimated_cycles":"20"}}
  %halves = f32[8,128]{1,0} multiply(%a, %a), \
backend_config={"window_config":{"estimated_cycles":"7"}}
  %product = f32[8,8]{1,0} dot(%a, %moves), lhs_contracting_dims={1}, \
rhs_contracting_dims={0}
  %up = bf16[8,64,64,16]{3,2,1,0} convolution(%b, %w), \
window={size=2x2 lhs_dilate=2x2}, dim_labels=b01f_01oi->b01f
  %batches = f32[2,680,32,256]{3,1,2,0} convolution(%m, %v), \
window={size=2x32 pad=0_0x31_31 lhs_dilate=2x1 rhs_reversal=0x1}, \
dim_labels=0bf1_01io->0b1f
  %m = f32[2,680,257,1]{1,2,3,0} parameter(3)
  %v = f32[2,32,257,256]{2,3,1,0} parameter(4)
  %b = bf16[8,32,32,32]{3,2,1,0} parameter(1)
  %w = bf16[2,2,16,32]{3,2,1,0} parameter(2)
  ROOT %rows = f32[8]{0} reduce(%a, %a), dimensions={1}, to_apply=%add, \
backend_config={"window_config":{"estimated_cycles":"3"}}
}
"""


def test_operations_are_counted_by_kind_and_in_every_turn():
    program = Program(CONVOLUTIONS)
    assert program.kinds() == {
        "convolution": 400,
        "copy": 20,
        "elementwise": 7,
        "reduction": 3,
        "collective": 0,
    }
    assert sum(program.kinds().values()) == program.cycles
    convolution = 2 * (8 * 64 * 64 * 32) * (3 * 3 * 16)
    # Of the zeros between the pixels of a transposed one nothing counts.
    upwards = 2 * (8 * 64 * 64 * 16) * (2 * 2 * 32) / 4
    # A product of two batches of matrices, written as a convolution.
    batches = 2 * (2 * 680 * 32 * 256) * 257
    assert program.flops == 4 * convolution + 2 * 8 * 8 * 128 + upwards + batches


def test_copies_count_what_they_move():
    assert Program(CONVOLUTIONS).copied_bytes == 4 * (8 * 128 + 2 * 128)


def test_operations_of_a_function_are_those_of_its_plain_form():
    image, kernel = jnp.zeros((2, 8, 8, 4)), jnp.zeros((3, 3, 4, 4))

    def function(image, kernel):
        def turn(carry, _):
            return convolve_packed(carry, kernel, Form(packing=PLAIN)), None

        images, _ = jax.lax.scan(turn, image, length=5)
        return jnp.tanh(images).sum()

    once = 2 * (2 * 8 * 8 * 4) * (3 * 3 * 4)
    assert function_flops(jax.jit(function).trace(image, kernel).jaxpr) == 5 * once
    gradient = jax.jit(jax.grad(function, (0, 1)))
    assert function_flops(gradient.trace(image, kernel).jaxpr) == 3 * 5 * once

    def packed(image, kernel):  # where a TPU multiplies zeros, too
        form = Form(packing=Packing(2, 2), into=Packing(2, 2))
        return convolve_packed(image, kernel, form)

    packed_image = jnp.zeros((2, 4, 4, 16))
    assert function_flops(jax.jit(packed).trace(packed_image, kernel).jaxpr) == once


def test_dearest_operations_name_the_line_of_the_package():
    first, second = Program(TEXT).dearest(10)
    assert (first.cycles, first.name, first.op_name) == (
        400,
        "turned",
        "jit(step)/conv",
    )
    assert first.source == "sisr_jax/models/blocks.py:17"
    assert second.source == "y/z.py:3"
    assert len(Program(TEXT).dearest(1)) == 1


def test_text_of_this_jax_is_understood():
    mesh = make_mesh(4)
    split = NamedSharding(mesh, PartitionSpec("data"))

    def total(x):
        _, sums = jax.lax.scan(lambda c, row: (c, row @ row.T), 0, x.reshape(3, 4, 8))
        return jnp.sum(sums)

    shape = jax.ShapeDtypeStruct((12, 8), jnp.float32, sharding=split)
    program = Program(jax.jit(total).lower(shape).compile().as_text())
    assert program.count("while") == 1
    assert program.unknown_loops == 0
    assert sum(each.num_bytes for each in program.collectives().values()) > 0


def test_a_program_too_large_is_reported_and_not_raised():
    def too_large():
        raise jax.errors.JaxRuntimeError(
            "RESOURCE_EXHAUSTED: XLA:TPU compile permanent error. Ran out of memory in "
            "memory space hbm. Used 20.13G of 15.75G hbm. Exceeded by 4.38G."
        )

    topology = parse_topology("v5e:1x1")
    measured = measure("generator", too_large, topology, 1)
    assert not measured.fits
    assert measured.problem == "Used 20.13G of 15.75G hbm"
    assert "DOES NOT FIT: Used 20.13G" in as_text(topology, [measured])
    assert as_values(topology, [measured])["fits"] is False


def test_other_errors_of_the_compiler_are_raised():
    def broken():
        raise jax.errors.JaxRuntimeError("INTERNAL: bug")

    with pytest.raises(jax.errors.JaxRuntimeError, match="bug"):
        measure("generator", broken, parse_topology("v5e:1x1"), 1)


def _processors(count):
    """Stand for the chips: all but the compiler's estimate is the same."""
    return lambda topology, *, model: make_mesh(count, model=model)


@pytest.mark.parametrize(
    ("config", "names"),
    [
        (
            {"name": "us_srgan", "phases__discriminator": 0, "phases__adversarial": 0},
            ["generator", "evaluation"],
        ),
        pytest.param(
            {"name": "ct_srgan"},
            ["generator", "discriminator", "adversarial", "evaluation"],
            marks=pytest.mark.slow,
        ),
    ],
)
def test_every_program_of_a_run_is_measured(config, names, load_config, monkeypatch):
    monkeypatch.setattr(compilation, "topology_mesh", _processors(4))
    topology = parse_topology("v5e:2x2")
    measured = compilation.measure_config(load_config(**config), topology)
    assert [each.name for each in measured] == names
    for each in measured:
        assert each.fits
        assert each.images == 1
        assert each.flops > 0
        assert each.function_flops > 0
        assert each.memory.needed > 0
        assert "all-reduce" in each.collectives
    # The whole state comes in and goes out in its place.
    step, evaluation = measured[0].memory, measured[-1].memory
    assert step.outputs < step.arguments / 2
    assert step.arguments > evaluation.arguments
    values = json.loads(json.dumps(as_values(topology, measured)))
    assert [each["name"] for each in values["programs"]] == names
    assert "generator: fits" in as_text(topology, measured)


def test_only_one_program_on_request(load_config, monkeypatch):
    monkeypatch.setattr(compilation, "topology_mesh", _processors(2))
    (measured,) = compilation.measure_config(
        load_config("us_srresnet"), parse_topology("v5e:2x2"), "evaluation"
    )
    assert measured.name == "evaluation"
    assert measured.images == 2


@pytest.mark.slow
def test_a_shared_head_is_compiled_as_shared(load_config, monkeypatch):
    monkeypatch.setattr(compilation, "topology_mesh", _processors(4))
    arguments = []
    for model in (1, 2):
        config = load_config("us_srgan", discriminator__head="dense", mesh__model=model)
        (measured,) = compilation.measure_config(
            config, parse_topology("v5e:2x2"), "generator"
        )
        assert measured.images == model  # of four, by the groups of devices
        arguments.append(measured.memory.arguments)
    whole, shared = arguments
    everywhere = replicated(make_mesh(1))
    state = compilation.abstract_state(compilation.build_task(config), everywhere)
    head = state.discriminator.params["Dense_0"]["kernel"]
    # Half of the weights and of both moments lie on the other device; there is one
    # image more, with its index.
    assert shared == whole - 3 * head.size * 4 // 2 + 32 * 32 * 4 + 4


def test_a_phase_that_the_run_does_not_have(load_config):
    with pytest.raises(InputError, match="the run has generator, evaluation"):
        compilation.measure_config(
            load_config("us_srresnet"), parse_topology("v5e:1x1"), "adversarial"
        )


def test_a_batch_that_cannot_be_split(load_config, monkeypatch):
    monkeypatch.setattr(compilation, "topology_mesh", _processors(3))
    with pytest.raises(InputError, match=r"config\.data\.batch_size = 4"):
        compilation.measure_config(load_config("us_srgan"), parse_topology("v5e:2x2"))


def test_a_missing_compiler_is_told_with_the_remedy(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'jax\[tpu\]'"):
        compilation.topology_devices(parse_topology("v5e:1x1"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--topology=v5e:3x3"], "topology 'v5e:3x3': expected"),
        pytest.param(
            ["--topology=v5e:2x2"],
            "the TPU compiler is missing",
            marks=pytest.mark.skipif(HAS_COMPILER, reason="the compiler is installed"),
        ),
    ],
)
def test_bad_input_on_the_command_line_is_one_line(flags, message):
    config = "--config=configs/us_srgan.py:quicktest"
    done = subprocess.run(
        [sys.executable, "-m", "sisr_jax.aot", config, *flags],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"sisr_jax: error: {message}")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.mark.skipif(not HAS_COMPILER, reason="needs the TPU compiler: the aot extra")
@pytest.mark.parametrize(
    ("name", "num_devices"),
    [("v5e:16x16", 256), ("v6e:2x4", 8), ("v5p:1x1x1", 1), ("v4:2x2x1", 8)],
)
def test_meshes_of_all_chips(name, num_devices):
    mesh = compilation.topology_mesh(parse_topology(name))
    assert dict(mesh.shape) == {"data": num_devices, "model": 1}


def test_only_one_thread_at_a_time_loads_the_compiler(monkeypatch):
    inside, most = [], []

    def describe(*names, **options):
        inside.append(names)
        most.append(len(inside))
        time.sleep(0.02)
        inside.pop()
        return types.SimpleNamespace(devices=[])

    monkeypatch.setattr(compilation, "check_compiler", lambda: None)
    monkeypatch.setattr(compilation.topologies, "get_topology_desc", describe)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(compilation.topology_devices, [parse_topology("v5e:1x1")] * 8))
    assert most == [1] * 8


@pytest.mark.slow
@pytest.mark.skipif(not HAS_COMPILER, reason="needs the TPU compiler: the aot extra")
def test_the_compiler_compiles_a_step_for_eight_chips(load_config):
    config = load_config("us_srgan", data__batch_size=8, evaluation__batch_size=8)
    (measured,) = compilation.measure_config(
        config, parse_topology("v5e:2x4"), "generator"
    )
    assert measured.fits
    assert measured.cycles > 0
    assert 0 < measured.peak_fraction < 1
    assert measured.collectives["all-reduce"].num_bytes > 0
    assert any(each.source.startswith("sisr_jax/") for each in measured.dearest)
