"""Reads what `binade vectors` writes, from docs/vectors.md alone: nothing of the project is used."""

import dataclasses
import hashlib
import json
import struct
from pathlib import Path

import numpy

KINDS = {1: "decode", 2: "binary32", 3: "binary64"}
INPUT_TYPES = {"binary32": "<f4", "binary64": "<f8"}


@dataclasses.dataclass
class Vectors:
    format: str
    kind: str
    code_bytes: int
    inputs: numpy.ndarray  # codes of a decode table, else the bits of the inputs
    columns: dict  # text -> (noise bits, array of (rows, 2^noise bits))


class DamagedError(Exception):
    pass


def read_file(data):
    """One file's bytes."""
    magic, layout, kind, rows, columns, code_bytes, text_bytes, zero, inputs_at = struct.unpack_from("<8sIIQIIIIQ", data)
    if magic != b"BINADEVC" or layout != 1 or zero != 0:
        raise DamagedError(f"no vectors of layout 1: {magic!r}, {layout}, {zero}")
    kind = KINDS[kind]

    def padded(size):
        return -(-size // 8) * 8

    def text(at, size):
        if any(data[at + size : at + padded(size)]):
            raise DamagedError("padding is not zero")
        return data[at : at + size].decode("ascii")

    def numbers(at, count, size):
        if at % 8 or at + count * size > len(data):
            raise DamagedError("an array does not lie within the file")
        return numpy.frombuffer(data, dtype=f"<u{size}", count=count, offset=at)

    name, at, found, end = text(48, text_bytes), 48 + padded(text_bytes), {}, inputs_at
    input_bytes = {"decode": code_bytes, "binary32": 4, "binary64": 8}[kind]
    for _ in range(columns):
        length, noise_bits, data_at = struct.unpack_from("<IIQ", data, at)
        size = 8 if kind == "decode" else code_bytes
        found[text(at + 16, length)] = noise_bits, numbers(data_at, rows << noise_bits, size).reshape(rows, 1 << noise_bits)
        at += 16 + padded(length)
        end = data_at + padded((rows << noise_bits) * size)
    if at != inputs_at or end != len(data) or len(found) != columns:
        raise DamagedError("the file is longer or shorter than its header says")
    return Vectors(name, kind, code_bytes, numbers(inputs_at, rows, input_bytes), found)


def read_folder(folder):
    """Every file that the manifest lists, checked against it."""
    folder = Path(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    if manifest["layout"] != 1:
        raise DamagedError(f"layout {manifest['layout']}")
    files = []
    for entry in manifest["files"]:
        data = (folder / entry["name"]).read_bytes()
        if len(data) != entry["bytes"] or hashlib.sha256(data).hexdigest() != entry["sha256"]:
            raise DamagedError(f"{entry['name']} is not the file of the manifest")
        vectors = read_file(data)
        if (vectors.format, vectors.kind, len(vectors.inputs), len(vectors.columns)) != (
            entry["format"],
            entry["kind"],
            entry["rows"],
            entry["columns"],
        ):
            raise DamagedError(f"{entry['name']} is described otherwise in the manifest")
        files.append(vectors)
    return files
