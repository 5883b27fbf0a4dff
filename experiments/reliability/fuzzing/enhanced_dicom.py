"""Enhanced CT, whose frames describe themselves in functional groups."""

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedCTImageStorage

from experiments.reliability.fuzzing.images import write_dicom


def rescale_group(slope, intercept, kind="HU"):
    item = Dataset()
    item.RescaleSlope, item.RescaleIntercept, item.RescaleType = slope, intercept, kind
    group = Dataset()
    group.PixelValueTransformationSequence = Sequence([item])
    return group


def place_group(z):
    item = Dataset()
    item.ImagePositionPatient = [0, 0, z]
    group = Dataset()
    group.PlanePositionSequence = Sequence([item])
    return group


def write_enhanced(path, frames, *, shared=(), own=(), **elements):
    """An enhanced CT of some frames `[frames, height, width]` without a rescale."""
    write_dicom(path, frames[0], Modality="CT", SOPClassUID=EnhancedCTImageStorage)
    dataset = pydicom.dcmread(path)
    del dataset.RescaleSlope, dataset.RescaleIntercept
    dataset.NumberOfFrames = len(frames)
    dataset.PixelData = np.stack(frames).tobytes()
    if shared:
        dataset.SharedFunctionalGroupsSequence = Sequence([merge(shared)])
    if own:
        dataset.PerFrameFunctionalGroupsSequence = Sequence([merge(g) for g in own])
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path)
    return path


def merge(groups):
    merged = Dataset()
    for group in groups:
        merged.update(group)
    return merged
