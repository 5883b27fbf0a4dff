"""Small image files that are valid, or of one kind that is not accepted."""

from pathlib import Path

import numpy as np
import pydicom
from PIL import Image
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid


def write_png(path: Path, values: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)
    return path


def write_dicom(path: Path, values: np.ndarray, **elements) -> Path:
    """A CT slice with slope 2 and intercept -1024, unless `elements` say else."""
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID
    dataset.PatientID = "P-SECRET"
    dataset.RescaleSlope, dataset.RescaleIntercept = 2, -1024
    photometric = "RGB" if values.ndim == 3 else "MONOCHROME2"
    dataset.set_pixel_data(values, photometric, 8 * values.itemsize)
    transfer_syntax = elements.pop("transfer_syntax", None)
    for keyword, value in elements.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    if transfer_syntax is not None:  # as if compressed: the codec is never reached
        dataset.file_meta.TransferSyntaxUID = transfer_syntax
        dataset.PixelData = pydicom.encaps.encapsulate([b"\0\0"])
        dataset["PixelData"].VR = "OB"
    dataset.save_as(path, enforce_file_format=True)
    return path


def ramp(shape=(16, 16), dtype=np.uint16, start=32000):
    return (start + np.arange(np.prod(shape))).reshape(shape).astype(dtype)
