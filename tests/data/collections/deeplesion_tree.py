import csv
from pathlib import Path

import numpy as np
from PIL import Image

COLUMNS = (
    "File_name,Patient_index,Study_index,Series_ID,Key_slice_index,"
    "Measurement_coordinates,Bounding_boxes,Lesion_diameters_Pixel_,"
    "Normalized_lesion_location,Coarse_lesion_type,Possibly_noisy,Slice_range,"
    "Spacing_mm_px_,Image_size,DICOM_windows,Patient_gender,Patient_age,Train_Val_Test"
).split(",")


def row(folder, key, split, **changes):
    """A row as published: lists of numbers in one quoted cell."""
    patient, study, series = folder.split("_")
    values = {
        "File_name": f"{folder}_{key:03d}.png",
        "Patient_index": int(patient),
        "Study_index": int(study),
        "Series_ID": int(series),
        "Key_slice_index": key,
        "Measurement_coordinates": "233, 95, 234, 105, 226, 102, 238, 97",
        "Bounding_boxes": "226.2, 90.2, 241.4, 111",
        "Lesion_diameters_Pixel_": "10.4, 6.5",
        "Normalized_lesion_location": "0.44, 0.28, 0.46",
        "Coarse_lesion_type": 3,
        "Possibly_noisy": 0,
        "Slice_range": f"{key - 4}, {key + 4}",
        "Spacing_mm_px_": "0.75, 0.75, 5",
        "Image_size": "512, 512",
        "DICOM_windows": "-175, 275",
        "Patient_gender": "F",
        "Patient_age": "62",
        "Train_Val_Test": split,
    }
    return values | changes


def pixels(folder, index):
    """A 16-bit slice that says which one it is; values above 2**15 are positive HU."""
    image = np.full((512, 512), 31768, np.uint16)  # -1000 HU
    image[100:400, 100:400] = 32768 + np.arange(300, dtype=np.uint16)
    image[0, :2] = int(folder.split("_")[0]), index
    return image


def write_table(root: Path, rows):
    root.mkdir(parents=True, exist_ok=True)
    with (root / "DL_info.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def write_slices(root: Path, folder, indices):
    for i in indices:
        path = root / "Images_png" / folder / f"{i:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(folder, i)).save(path, compress_level=1)
