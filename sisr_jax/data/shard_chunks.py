"""What the records of a shard unpack to, without unpacking them.

A shard is a Riegeli file: chunks of packed records, each with a header that says how
long it is and what it unpacks to, in blocks of 64 KiB that start with a header of 24
bytes of their own (https://github.com/google/riegeli, "Riegeli/records file format").
The compiled reader checks hashes and lengths, but sets no bound: a shard of 128 KiB may
unpack to 512 MiB, in three copies. So the headers of the chunks are looked at first.
"""

import struct
from pathlib import Path
from typing import BinaryIO

from sisr_jax.errors import InputError

# A volume of 256 slices of 512 x 512, 16 bits each.
MAX_RECORD_BYTES = 2**27

_BLOCK, _BLOCK_HEADER = 2**16, 24
# Hash, length of the data, its hash, kind and number of records, unpacked length.
_HEADER = struct.Struct("<8xQ8xQQ")
# Signature, metadata, padding, records, transposed records.
_KINDS = b"smprt"


def check_shard(path: Path) -> None:
    """Refuses a shard with a record that unpacks to more than `MAX_RECORD_BYTES`.

    Raises:
        InputError: If there is such a record, or the file does not consist of chunks.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            begin = 0
            while begin < size:
                length, kind_and_records, unpacked = _read_header(file, begin)
                if kind_and_records & 0xFF not in _KINDS:
                    break
                if unpacked > MAX_RECORD_BYTES:
                    raise InputError(
                        f"{path}: a record of {unpacked} bytes, expected at most "
                        f"{MAX_RECORD_BYTES}"
                    )
                # A record takes at least one byte, if only of padding.
                end = _skip(begin, _HEADER.size + length)
                begin = max(end, begin + (kind_and_records >> 8))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except struct.error:
        begin = -1
    if begin != size:
        raise InputError(f"{path}: cut off, or not an array_record file")


def _read_header(file: BinaryIO, begin: int) -> tuple[int, int, int]:
    end = _skip(begin, _HEADER.size)
    file.seek(begin)
    data = file.read(end - begin)
    place = -begin % _BLOCK  # of the header of a block, if one is in between
    return _HEADER.unpack(data[:place] + data[place:][_BLOCK_HEADER:])


def _skip(position: int, count: int) -> int:
    """The end of `count` bytes of a chunk, between which headers of blocks stand."""
    room = -position % _BLOCK  # before the next one
    if count <= room:
        return position + count
    blocks = -(-(count - room) // (_BLOCK - _BLOCK_HEADER))
    return position + count + blocks * _BLOCK_HEADER
