"""DICOM: opening a file, how its pixels lie, and what they mean."""
