import numpy as np
import pytest
from ct_pd_files import TURN, Scanner, integrals, write_scan, write_view
from image_files import cut, ramp, write_dicom

from sisr_jax.data.formats.dicom.projection import check_projection, read_projection
from sisr_jax.data.scans import read_ct_pd, read_slice, read_views
from sisr_jax.errors import InputError
from sisr_jax.tomography import FanBeamCT

SIZE, PIXEL = 80, 1.25
BODY = (-4.0, 6.0, 36.0, 0.02)
BALL = (14.0, -6.0, 0.5, 9.0, 0.03)
SPOTS = ((0.0, 0.0, 0.0), (3e-4, -0.5, 1.0))
SCANNERS = {
    "helix": Scanner(),
    "down and clockwise": Scanner(first_z=8.5, per_turn=-120, turns=-1.5),
    "axial": Scanner(feed=0.0, first_z=0.5, turns=1.0),
    "flying focal spot": Scanner(shifts=SPOTS),
}


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    return {
        name: read_ct_pd(
            write_scan(folder / name, scanner, balls=[BALL], cylinders=[BODY])
        )
        for name, scanner in SCANNERS.items()
    }


def image_of(scan, height_mm, **numbers):
    made = read_slice(scan, height_mm=height_mm, size=SIZE, pixel_mm=PIXEL, **numbers)
    assert made.sinogram.dtype == np.float32
    return np.asarray(FanBeamCT(made.fan).fbp(made.sinogram))


def grid():
    place = (np.arange(SIZE) - (SIZE - 1) / 2) * PIXEL
    return place[None], -place[:, None]


def near(x, y, radius):
    across, up = grid()
    return (across - x) ** 2 + (up - y) ** 2 < radius**2


@pytest.mark.parametrize("name", SCANNERS)
def test_slice_of_a_scan(scans, name):
    """A ball in a cylinder: values per mm, and where the ball is."""
    image = image_of(scans[name], BALL[2])
    x, y, _, radius, value = BALL
    body = near(*BODY[:2], 33) & ~near(x, y, radius + 3)
    assert image[body].mean() == pytest.approx(0.02, rel=0.01)
    assert image[near(x, y, radius - 3)].mean() == pytest.approx(0.05, rel=0.02)
    outside = near(0, 0, 46) & ~near(*BODY[:2], 39)
    assert np.abs(image[outside].mean()) < 5e-4
    excess = np.where(near(x, y, radius + 3), image - 0.02, 0)
    across, up = grid()
    assert (excess * across).sum() / excess.sum() == pytest.approx(x, abs=0.2)
    assert (excess * up).sum() / excess.sum() == pytest.approx(y, abs=0.2)
    assert (excess.sum() * PIXEL**2) ** 0.5 == pytest.approx(
        (np.pi * radius**2 * value) ** 0.5, rel=0.02
    )


def test_short_arc_and_other_heights(scans):
    """Away from its middle the ball is smaller."""
    x, y, z, radius, value = BALL
    for height in (z - 2, z + 2):
        image = image_of(scans["helix"], height, arc=1.3 * np.pi)
        excess = np.where(near(x, y, radius + 3), image - 0.02, 0).sum() * PIXEL**2
        true = np.pi * (radius**2 - (height - z) ** 2) * value
        assert excess == pytest.approx(true, rel=0.01)


def test_reads_a_scan(scans):
    scan, scanner = scans["helix"], SCANNERS["helix"]
    assert scan.water_per_mm == pytest.approx(0.0192)
    assert scan.patient_position == "HFS"
    angles = scanner.start + TURN * np.arange(180) / 120
    np.testing.assert_allclose(scan.views.angles, angles, atol=1e-6)
    np.testing.assert_allclose(scan.views.heights_mm[[0, 120]], [-7.5, 2.5])
    views = read_views(scan, [7, 3])
    assert views.dtype == np.float32
    for view, k in zip(views, (7, 3), strict=True):
        exact = integrals(*scanner.rays(k), [BALL], [BODY])
        np.testing.assert_allclose(view[::-1], exact, atol=6e-5)  # half a step


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("by_column", [False, True])
def test_ways_to_store_a_view(tmp_path, by_column, implicit):
    scanner = Scanner()
    exact = integrals(*scanner.rays(5), [BALL], [BODY])
    ways = {"by_column": by_column, "implicit": implicit}
    path = write_view(tmp_path / "a.dcm", scanner, 5, exact, **ways)
    np.testing.assert_allclose(read_projection(path), exact, atol=6e-5)
    header = check_projection(path)
    assert (header.number, header.rows, header.columns) == (6, 12, 84)
    assert (header.central_column, header.central_row) == (42.25, 6.5)
    assert header.water == pytest.approx(0.0192)


def one_view(path, scanner=None, k=0, **changes):
    scanner = scanner or Scanner()
    pixels = np.zeros((scanner.rows, scanner.columns))
    return write_view(path, scanner, k, pixels, **changes)


PRIVATE = (
    *("x70291002", "x70291006", "x7029100B", "x70291010", "x70291011", "x70311001"),
    *("x70311002", "x70311003", "x70311031", "x70311033", "x7033100B", "x7033100C"),
    "x7033100D",
)
WRONG = {
    "zero pitch": ({"x70291002": 0.0}, r"\(7029,1002\) = 0: expected"),
    "not a number": ({"x70311001": float("nan")}, r"\(7031,1001\) = nan"),
    "too far": ({"x70311003": float("inf")}, r"\(7031,1003\) = inf"),
    "one of two": ({"x70311033": 42.25}, r"1 values of DetectorCentralElement \(7031"),
    "two of one": ({"x70311002": [1.0, 2.0]}, r"2 values of .*\(7031,1002\)"),
    "wide shift": ({"x7033100B": 1.0}, r"\(7033,100B\) = 1: expected -0.1 to 0.1"),
    "flat": ({"x7029100B": "FLAT"}, r"\(7029,100B\) = FLAT: expected CYLINDRICAL"),
    "no logarithm": ({"x70391009": "NO"}, r"\(7039,1009\) = NO: expected YES"),
    "two spectra": ({"x70331061": 2}, r"\(7033,1061\) = 2: expected 1"),
    "water": ({"x70411001": "19.2"}, r"\(7041,1001\) = 19.2: expected 0.001 to 1"),
    "text": ({"x70311001": ("LO", "left")}, r"\(7031,1001\) holds no numbers"),
    "odd bytes": ({"x70311001": ("UN", b"123")}, r"\(7031,1001\) holds no numbers"),
    "bytes": ({"x7029100B": ("UN", b"\xff\xff")}, r"\(7029,100B\) holds no word"),
    "no order": ({"InstanceNumber": None}, r"no InstanceNumber \(0020,0013\)"),
    "no rescale": ({"RescaleSlope": None}, "only one of rescale slope"),
    "other pixels": ({"x70291011": 83}, "84x12 pixels, expected one of the detector's"),
    "two frames": (
        {"NumberOfFrames": ("IS", "2"), "PixelData": ("OW", bytes(2 * 2016))},
        "2 frames of",
    ),
}


@pytest.mark.parametrize("element", PRIVATE)
def test_missing_element(tmp_path, element):
    path = one_view(tmp_path / "a.dcm", **{element: None})
    tag = rf"\({element[1:5]},{element[5:]}\)"
    with pytest.raises(InputError, match=rf"a\.dcm: [^\n]*{tag}[^\n]*$"):
        check_projection(path)


@pytest.mark.parametrize(("changes", "message"), WRONG.values(), ids=WRONG)
def test_wrong_element(tmp_path, changes, message):
    path = one_view(tmp_path / "a.dcm", **changes)
    with pytest.raises(InputError, match=rf"a\.dcm: [^\n]*{message}[^\n]*$"):
        check_projection(path)


def test_what_is_no_scan(tmp_path):
    with pytest.raises(InputError, match="no files, expected the views"):
        read_ct_pd(tmp_path)
    with pytest.raises(InputError, match=r"gone: folder cannot be read"):
        read_ct_pd(tmp_path / "gone")
    write_dicom(tmp_path / "slice.dcm", ramp())
    with pytest.raises(
        InputError, match=r"slice\.dcm: 0 values of NumberofDetectorRows \(7029,1010\)"
    ):
        read_ct_pd(tmp_path)
    (tmp_path / "slice.dcm").write_bytes(b"hello world")
    with pytest.raises(InputError, match=r"slice\.dcm: not a DICOM file"):
        read_ct_pd(tmp_path)


def test_cut_off_view(tmp_path):
    path = cut(one_view(tmp_path / "a.dcm"), 0.9)
    with pytest.raises(InputError, match=r"a\.dcm: truncated DICOM"):
        read_ct_pd(tmp_path)
    assert path.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"InstanceNumber": 1}, r"b\.dcm: InstanceNumber 1 as .*a\.dcm"),
        ({"x70311031": 401.0}, r"b\.dcm: distance = 401.0, in .*a\.dcm 400.0"),
        ({"PatientPosition": "FFS"}, r"b\.dcm: position = FFS, in .*a\.dcm HFS"),
    ],
)
def test_views_of_two_scans(tmp_path, changes, message):
    one_view(tmp_path / "a.dcm")
    one_view(tmp_path / "b.dcm", k=1, **changes)
    with pytest.raises(InputError, match=message):
        read_ct_pd(tmp_path)


def test_slice_that_the_scan_has_not(scans):
    scan = scans["helix"]
    with pytest.raises(InputError, match=r"helix: height_mm = 5: its arc of 120 views"):
        image_of(scan, 5.0)
    with pytest.raises(InputError, match=r"helix: arc = 3 rad: expected half a turn"):
        image_of(scan, 0.0, arc=3.0)
    with pytest.raises(InputError, match=r"axial: height_mm = 20: rays .* miss"):
        image_of(scans["axial"], 20.0)
    with pytest.raises(InputError, match=r"helix: source_to_origin_mm = 200.0"):
        read_slice(scan, height_mm=0.0, size=512, pixel_mm=1.0)


def test_file_that_changes_after_its_header_was_read(tmp_path):
    path = one_view(tmp_path / "a.dcm")
    scan = read_ct_pd(tmp_path)
    other = Scanner(columns=40, central_column=20.0)
    write_view(path, other, 0, np.zeros((12, 40)))
    with pytest.raises(InputError, match=r"a\.dcm: changed since"):
        read_views(scan, [0])
