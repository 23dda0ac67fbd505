"""A new format is one row of one table: a row planted in a copy of the headers gives the format its name, text form, descriptor and literal."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

INCLUDE = Path(__file__).resolve().parents[2] / "include"
PLANTED = '  row(ue3m9, "planted", unsigned_format(finite_format(3, 9))) \\\n'
PROGRAM = """
#include "binade/literals.hpp"
#include "binade/number_limits.hpp"
using namespace binade::literals;
static_assert(binade::find_format("ue3m9") != nullptr && binade::find_format("ue3m9")->source == "planted");
static_assert(binade::find_format("ue3m9")->format == binade::formats::ue3m9 && binade::formats::ue3m9.width == 12);
static_assert(double(1.5_ue3m9 + 0x1p-3_ue3m9) == 1.625 && sizeof(1_ue3m9) == 2);
static_assert(std::numeric_limits<decltype(1_ue3m9)>::digits == 10);
"""


def compiler():
    found = next(filter(None, map(shutil.which, filter(None, [os.environ.get("CXX"), "g++-12", "g++", "clang++-16"]))), None)
    if found is None:
        pytest.skip("no C++ compiler on the PATH: install g++ or set CXX")
    return found


def compiles(folder, program):
    (folder / "program.cpp").write_text(program)
    return subprocess.run([compiler(), "-std=c++20", "-fsyntax-only", "-I", folder, folder / "program.cpp"], capture_output=True, text=True)


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(INCLUDE / "binade", tmp_path / "binade")
    return tmp_path


def test_a_row_planted_in_the_table_is_all_that_a_new_format_needs_in_the_headers(copy):
    table = copy / "binade" / "catalogue.hpp"
    first = "  row(e8m23, "
    text = table.read_text()
    assert text.count(first) == 1
    table.write_text(text.replace(first, PLANTED + first))
    result = compiles(copy, PROGRAM)
    assert result.returncode == 0, result.stderr


def test_without_the_row_nothing_knows_the_format(copy):
    assert compiles(copy, PROGRAM).returncode != 0
    assert compiles(copy, PROGRAM.replace("ue3m9", "ue4m3").replace('"planted"', '"NVIDIA PTX ISA, ue4m3"').partition("static_assert")[0]).returncode == 0


def test_no_name_of_the_table_stands_in_the_header_of_literals():
    names = re.findall(r"\brow\((\w+), \"", (INCLUDE / "binade" / "catalogue.hpp").read_text())
    code = re.sub(r"//[^\n]*", "", (INCLUDE / "binade" / "literals.hpp").read_text())
    assert len(names) >= 25 and not [name for name in names if re.search(rf"\b{name}\b", code)]
