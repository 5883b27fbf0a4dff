"""Scans in DICOM-CT-PD of balls and cylinders, to the manual of the format.

Its coordinates: seen from the table `x` is to the right, `y` up and `z` away. The
focal spot is at `x = -rho sin phi`, `y = rho cos phi`. With the detector below, column
1 is on the left and row 1 farthest away.
"""

import dataclasses
from pathlib import Path

import numpy as np
import pydicom
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

TURN = 2 * np.pi
MODULES = {
    0x70290010: "DetectorSystemArrangementModule",
    0x70310010: "DetectorDynamicsModule",
    0x70330010: "SourceDynamicsModule",
    0x70390010: "PreprocessingFlagsModule",
    0x70410010: "WaterAttenuationModule",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scanner:
    """A small one; its rows are 15 mm at the axis."""

    rho: float = 200.0
    distance: float = 400.0
    rows: int = 12
    columns: int = 84
    row_pitch: float = 2.5
    column_pitch: float = 2.7
    central_column: float = 42.25
    central_row: float = 6.5
    per_turn: int = 120
    start: float = 0.7
    turns: float = 1.5
    feed: float = 10.0
    first_z: float = -7.5
    shifts: tuple[tuple[float, float, float], ...] = ((0.0, 0.0, 0.0),)

    def count(self) -> int:
        return round(self.per_turn * self.turns)

    def view(self, k: int) -> tuple[float, float, tuple[float, float, float]]:
        """Angle, height and shifts (angle, height, radius) of view `k`."""
        turned = TURN * k / self.per_turn
        height = self.first_z + self.feed * k / self.per_turn
        return self.start + turned, height, self.shifts[k % len(self.shifts)]

    def rays(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The focal spot, and each element, `[rows, columns, 3]`."""
        phi, z, (d_phi, d_z, d_rho) = self.view(k)
        rho, turned = self.rho + d_rho, phi + d_phi
        spot = np.array([-rho * np.sin(turned), rho * np.cos(turned), z + d_z])
        columns = np.arange(1, self.columns + 1) - self.central_column
        fan = columns * self.column_pitch / self.distance
        x, y = self.distance * np.sin(fan), self.rho - self.distance * np.cos(fan)
        rows = np.arange(1, self.rows + 1) - self.central_row
        elements = np.empty((self.rows, self.columns, 3))
        elements[..., 0] = x * np.cos(phi) - y * np.sin(phi)
        elements[..., 1] = x * np.sin(phi) + y * np.cos(phi)
        elements[..., 2] = (z - rows * self.row_pitch)[:, None]
        return spot, elements


def integrals(spot, elements, balls=(), cylinders=()):
    """Of `(x, y, z, radius, value)` and of `(x, y, radius, value)` along z, exactly."""
    way = elements - spot
    length = np.linalg.norm(way, axis=-1)
    total = np.zeros(length.shape)
    for *centre, radius, value in balls:
        off = np.linalg.norm(np.cross(np.array(centre) - spot, way), axis=-1) / length
        total += 2 * value * np.sqrt(np.maximum(radius**2 - off**2, 0))
    flat = np.hypot(way[..., 0], way[..., 1])
    for x, y, radius, value in cylinders:
        to = np.array([x, y]) - spot[:2]
        off = (to[0] * way[..., 1] - to[1] * way[..., 0]) / flat
        chord = 2 * np.sqrt(np.maximum(radius**2 - off**2, 0))
        total += value * chord * length / flat
    return total


def write_view(path, scanner, k, pixels, *, implicit=False, by_column=True, **changes):
    """One file; `changes` replace elements by keyword or by tag as `x70291010`."""
    phi, z, (d_phi, d_z, d_rho) = scanner.view(k)
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = (
        pydicom.uid.ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    )
    data.file_meta.MediaStorageSOPClassUID = CTImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    data.SOPClassUID = CTImageStorage
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID
    data.Modality, data.PatientID, data.PatientPosition = "CT", "P-SECRET", "HFS"
    data.InstanceNumber = k + 1
    data.RescaleSlope, data.RescaleIntercept = "1e-4", "-0.5"
    words = np.rint((pixels + 0.5) / 1e-4).astype(np.uint16)
    words = words.T if by_column else words
    data.Rows, data.Columns = words.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation = 15, 0
    data.PixelData = np.ascontiguousarray(words).tobytes()
    private = {
        **{tag: ("LO", name) for tag, name in MODULES.items()},
        0x70291002: ("FL", scanner.column_pitch),
        0x70291006: ("FL", scanner.row_pitch),
        0x7029100B: ("CS", "CYLINDRICAL"),
        0x70291010: ("US", scanner.rows),
        0x70291011: ("US", scanner.columns),
        0x70311001: ("FL", phi),
        0x70311002: ("FL", z),
        0x70311003: ("FL", scanner.rho),
        0x70311031: ("FL", scanner.distance),
        0x70311033: ("FL", [scanner.central_column, scanner.central_row]),
        0x7033100B: ("FL", d_phi),
        0x7033100C: ("FL", d_z),
        0x7033100D: ("FL", d_rho),
        0x7033100E: ("CS", "FFSNONE"),
        0x70331013: ("US", abs(scanner.per_turn)),
        0x70331061: ("US", 1),
        0x70391009: ("CS", "YES"),
        0x70411001: ("DS", "0.0192"),
    }
    for tag, (kind, value) in private.items():
        data.add_new(tag, kind, value)
    for name, value in changes.items():
        tag = int(name[1:], 16) if name[0] == "x" else pydicom.tag.Tag(name)
        if value is None:
            del data[tag]
        elif isinstance(value, tuple):
            data.add_new(tag, *value)
        else:
            data[tag].value = value
    data.save_as(path, enforce_file_format=True)
    return path


def write_scan(folder: Path, scanner: Scanner, *, balls=(), cylinders=(), **changes):
    """A folder whose names are not in the order of the views."""
    folder.mkdir()
    for k in range(scanner.count()):
        pixels = integrals(*scanner.rays(k), balls, cylinders)
        name = f"{(k * 7919) % 10007:05d}.dcm"
        write_view(folder / name, scanner, k, pixels, **changes)
    return folder
