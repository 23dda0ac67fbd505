"""Builds the manual as a site: the pages of docs/ and one made from the program's own catalogue.  Use ./dev docs."""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def table(rows):
    """The rows' plain values as a Markdown table, one column per key."""
    columns = [key for key in rows[0] if all(not isinstance(row.get(key), (dict, list)) for row in rows)]
    lines = ["| " + " | ".join(column.replace("_", " ") for column in columns) + " |", "| " + " | ".join("---" for _ in columns) + " |"]
    for row in rows:
        cells = ("" if row.get(column) is None else str(row[column]) for column in columns)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def formats_page(program):
    """docs/formats.md: what `binade formats --json` says about every named format and quantizer."""
    document = json.loads(subprocess.run([program, "formats", "--json"], check=True, capture_output=True, text=True).stdout)
    return (
        "# Formats\n\nEvery named format, as `binade formats --json` gives it; `binade formats NAME` says more about one.\n\n"
        f"{table(document['formats'])}\n\n## Named quantizers\n\n{table(document['quantizers'])}\n"
    )


def main():
    parser = argparse.ArgumentParser(prog="./dev docs")
    parser.add_argument("--program", required=True)
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pages = Path(folder) / "docs"
        shutil.copytree(ROOT / "docs", pages)
        (pages / "formats.md").write_text(formats_page(arguments.program))
        settings = Path(folder) / "mkdocs.yml"
        settings.write_text((ROOT / "tools/docs/mkdocs.yml").read_text() + f"docs_dir: {pages}\nsite_dir: {arguments.out}\n")
        result = subprocess.run([sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--config-file", settings])
    if result.returncode == 0:
        print(f"The manual: {arguments.out}/index.html")
    return result.returncode


if __name__ == "__main__":
    sys.exit(main())
