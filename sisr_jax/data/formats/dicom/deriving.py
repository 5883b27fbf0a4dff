"""DICOM: slices that were computed from others, as a series of their own.

A derived slice has new identifiers and says what it was made of and how (PS3.3,
C.7.6.1.1.2 and C.7.6.1.1.3); patient, study, position and scale are those of its
source. Only elements that are known are carried over: private ones, and what described
the pixels that are gone, are not.
"""

import math
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid
from pydicom.valuerep import format_number_as_ds

from sisr_jax.data.formats.dicom.groups import GROUP_ELEMENTS, numbers_in, words_of
from sisr_jax.data.formats.dicom.layout import LAYOUT_ELEMENTS, layout_of
from sisr_jax.data.formats.dicom.opening import check_elements, open_dicom
from sisr_jax.data.formats.dicom.values import VALUE_ELEMENTS, Rescale, transform_of
from sisr_jax.data.formats.headers import Derivation
from sisr_jax.errors import InputError

_PERSON = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientAge"),
    *("PatientSize", "PatientWeight", "IssuerOfPatientID", "ReferringPhysicianName"),
    *("AccessionNumber", "StudyID", "StudyDescription", "StudyDate", "StudyTime"),
    *("SeriesDate", "SeriesTime", "AcquisitionDate", "AcquisitionTime"),
    *("ContentDate", "ContentTime", "InstitutionName", "SeriesDescription"),
    *("PatientIdentityRemoved", "DeidentificationMethod"),
)
_IDENTIFIERS = ("StudyInstanceUID", "FrameOfReferenceUID")
_KEPT = (
    *("SpecificCharacterSet", "Modality", "SOPClassUID", "BodyPartExamined"),
    *("PatientPosition", "PositionReferenceIndicator", "ImagePositionPatient"),
    *("ImageOrientationPatient", "PixelSpacing", "SliceThickness", "SliceLocation"),
    *("SpacingBetweenSlices", "AcquisitionNumber", "InstanceNumber", "SeriesNumber"),
    *("KVP", "ConvolutionKernel", "Manufacturer", "ManufacturerModelName"),
    *("PhotometricInterpretation", "WindowCenter", "WindowWidth", "RescaleType"),
    *("LossyImageCompression", "LossyImageCompressionRatio"),
    "LossyImageCompressionMethod",
)
_NEEDED = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
# And how many numbers each has.
_GEOMETRY = {
    "PixelSpacing": 2,
    "ImagePositionPatient": 3,
    "ImageOrientationPatient": 6,
}
_ELEMENTS = (
    *(*_PERSON, *_IDENTIFIERS, *_KEPT, *_NEEDED, *LAYOUT_ELEMENTS, *GROUP_ELEMENTS),
    *(*VALUE_ELEMENTS, "ImageType"),
)
_MAX_TEXT = 64  # of a series description (value representation LO)
_MAX_DERIVATION = 1024  # ST


def check_derivable(path: Path) -> None:
    """Refuses a file of which no derived slice can be written.

    Raises:
        InputError: If it holds several frames, a damaged element, or no pixel spacing,
            position, orientation or identifiers.
    """
    with open_dicom(path, elements=_ELEMENTS) as opened:
        header = opened.header
        check_elements(path, header)
        frames = header.get("NumberOfFrames") or 1
        if frames != 1 or header.get("SharedFunctionalGroupsSequence"):
            raise InputError(
                f"{path}: enhanced or multi-frame DICOM, expected one slice: write "
                "another format"
            )
        for keyword in (*_NEEDED, *_GEOMETRY):
            if not header.get(keyword):
                raise InputError(
                    f"{path}: DICOM without {keyword}, which a derived slice needs: "
                    "write another format"
                )
        for keyword, count in _GEOMETRY.items():
            numbers = numbers_in(path, header, keyword) or []
            if len(numbers) != count or not all(map(math.isfinite, numbers)):
                raise InputError(
                    f"{path}: {keyword} = {numbers}, expected {count} numbers: write "
                    "another format"
                )


def write_derived(path: Path, image: np.ndarray, like: Path, about: Derivation) -> None:
    """Writes a slice that was computed from another.

    Stored values are 16-bit words in the scale of the source, or in whole units if that
    is coarser or cannot hold the image. Identifiers follow from those of the source and
    from all of what was done: the same slice written again is the same slice, and with
    other weights or settings another one.

    Args:
        path: File to write.
        image: float32 `[rows, columns]`, physical values.
        like: The slice that it was computed from.
        about: What was done.

    Raises:
        InputError: As `check_derivable`, or if a value does not fit 16 bits.
    """
    check_derivable(like)
    with open_dicom(like, elements=_ELEMENTS) as opened:
        source = opened.header
        check_elements(like, source)
        layout = layout_of(like, opened, modality=source.get("Modality") or "")
        rescale = transform_of(like, [source], dtype=layout.dtype)
    words, scale = _stored(like, image, rescale, layout.dtype)

    def new(uid: str) -> UID:
        return generate_uid(entropy_srcs=[str(uid), *map(str, about)])

    derived = Dataset()
    kept = _KEPT if about.anonymous else (*_PERSON, *_IDENTIFIERS, *_KEPT)
    for keyword in kept:
        if keyword in source:
            derived[keyword] = source[keyword]
    if about.anonymous:
        derived.PatientName = derived.PatientID = "ANONYMOUS"
        derived.PatientIdentityRemoved = "YES"
        derived.DeidentificationMethod = "known elements kept, see sisr_jax"
        for keyword in _IDENTIFIERS:
            if keyword in source:
                setattr(derived, keyword, new(source[keyword].value))
    derived.SOPInstanceUID = new(source.SOPInstanceUID)
    derived.SeriesInstanceUID = new(source.SeriesInstanceUID)
    kind = words_of(source.get("ImageType"))[2:] or ["OTHER"]
    derived.ImageType = ["DERIVED", "SECONDARY", *kind]
    before = "" if about.anonymous else str(source.get("SeriesDescription") or "")
    derived.SeriesDescription = f"{before} {about.method}".strip()[-_MAX_TEXT:]
    derived.DerivationDescription = about.text[:_MAX_DERIVATION]
    if not about.anonymous:
        reference = Dataset()
        reference.ReferencedSOPClassUID = source.SOPClassUID
        reference.ReferencedSOPInstanceUID = source.SOPInstanceUID
        derived.SourceImageSequence = Items([reference])
    derived.SamplesPerPixel = 1
    derived.Rows, derived.Columns = image.shape
    derived.BitsAllocated = derived.BitsStored = 16
    derived.HighBit = 15
    derived.PixelRepresentation = int(words.dtype.kind == "i")
    derived.RescaleSlope, derived.RescaleIntercept = map(format_number_as_ds, scale)
    derived.PixelData = words.astype(words.dtype.newbyteorder("<")).tobytes()
    derived["PixelData"].VR = "OW"
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = derived.SOPClassUID
    meta.MediaStorageSOPInstanceUID = derived.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    FileDataset(path, derived, preamble=bytes(128), file_meta=meta).save_as(
        path, enforce_file_format=True
    )


def _stored(
    path: Path, image: np.ndarray, rescale: object, dtype: np.dtype
) -> tuple[np.ndarray, Rescale]:
    scales = [(Rescale(), np.dtype(np.int16))]
    if isinstance(rescale, Rescale) and 0 < rescale.slope <= 1 and dtype.kind in "iu":
        # Of a source that left out the zero before the point, one digit less.
        scale = Rescale(*(float(format_number_as_ds(float(n))) for n in rescale))
        scales.insert(0, (scale, np.dtype(f"{dtype.kind}2")))
    for scale, kind in scales:
        values = np.rint((image.astype(np.float64) - scale.intercept) / scale.slope)
        limits = np.iinfo(kind)
        if limits.min <= values.min() and values.max() <= limits.max:
            return values.astype(kind), scale
    raise InputError(
        f"{path}: values {image.min():g} to {image.max():g} do not fit 16 bits"
    )
