"""Runs every check of ./dev lint and says at the end which ones failed.  Use ./dev lint, which sets up what this needs."""

import argparse
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import source_checks

ROOT = Path(__file__).resolve().parent.parent
CXX = (".hpp", ".cpp", ".cu", ".cuh")
TEXT_SKIPPED = (".png", ".pdf", ".npy", ".safetensors", ".db")
# Without a base to compare with (a fresh clone of main), clang-tidy looks at what the newest commit touched, and at no more than this.
FILES_WITHOUT_BASE = 12


def git(*arguments):
    return subprocess.run(["git", "-C", ROOT, *arguments], check=True, capture_output=True, text=True).stdout


def sources():
    """Tracked files and new ones that git does not ignore."""
    names = git("ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0")
    return sorted(name for name in set(names) if name and (ROOT / name).is_file())


def run(command, **options):
    result = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    return result.returncode, result.stdout


def check_format(files, arguments):
    tool = Path(sys.executable).parent / "clang-format"
    files = [f for f in files if f.endswith(CXX)]
    code, output = run([tool, "-i"] + files) if arguments.fix else run([tool, "--dry-run", "-Werror"] + files)
    wrong = sorted(set(re.findall(r"^([^:\n]+):\d+:\d+: error: code should be clang-formatted", output, re.MULTILINE)))
    if wrong:
        print(f"{len(wrong)} of {len(files)} files are not formatted (./dev lint --fix formats them):", *wrong, sep="\n  ")
    elif code:
        print(output)
    return code == 0


def check_shell(files, arguments):
    scripts = [f for f in files if f.endswith(".sh") or (ROOT / f).read_bytes()[:20].startswith((b"#!/usr/bin/env bash", b"#!/bin/sh"))]
    code, output = run([shutil.which("shellcheck"), "-x", *scripts])
    print(output, end="")
    return code == 0


def report(findings):
    for finding in findings:
        print(finding)
    return not findings


def product(files):
    return {f: (ROOT / f).read_text() for f in files if f.endswith(CXX) and f.startswith(("include/", "src/", "cuda/"))}


def check_format_names(files, arguments):
    texts = product(files)
    names, aliases = source_checks.catalogue_names(texts.values()), source_checks.alias_names(texts.values())
    if not names or not aliases:
        print("no catalogue was found: this check would pass for want of names to look for")
        return False
    found = [finding for f, text in texts.items() for finding in source_checks.format_names_in_branches(f, text, names, aliases)]
    for f in files:
        if f.startswith("python/") and f.endswith(".py"):
            found += source_checks.python_format_names_in_branches(f, (ROOT / f).read_text(), names, aliases)
    return report(found)


def check_libm(files, arguments):
    return report([finding for f, text in product(files).items() for finding in source_checks.libm_calls(f, text)])


def check_docstrings(files, arguments):
    headers = [f for f in files if f.startswith("include/") and f.endswith(".hpp")]
    texts = {f: (ROOT / f).read_text() for f in headers}
    if not any(source_checks.public_declarations(text) for text in texts.values()):
        print("no public declaration was found: this check would pass for want of anything to look at")
        return False
    return report([finding for f, text in texts.items() for finding in source_checks.undocumented(f, text)])


def check_hosts(files, arguments):
    findings = []
    for f in files:
        # The check and its tests hold examples of what they look for.
        if f.endswith(TEXT_SKIPPED) or f in ("tools/source_checks.py", "tests/lint/test_source_checks.py"):
            continue
        try:
            findings += source_checks.outside_hosts(f, (ROOT / f).read_text())
        except UnicodeDecodeError:
            continue
    return report(findings)


def check_headers_alone(files, arguments):
    return compiles("headers_alone", arguments)


def check_long_tests(files, arguments):
    return compiles("long_tests_compile", arguments)


def compiles(target, arguments):
    """Builds a target of the release build; prints what the compiler says against it."""
    code, output = run(["ninja", "-C", arguments.build, "-k", "0", "-j", str(arguments.jobs), target])
    if code:
        print("\n".join(line for line in output.splitlines() if re.search(r"error|FAILED|note:", line)))
    return code == 0


def changed_files(base):
    """Files changed since `base`, and how the set was chosen."""
    if not base:
        for candidate in ("@{upstream}", "origin/main"):
            found = subprocess.run(["git", "-C", ROOT, "merge-base", "HEAD", candidate], capture_output=True, text=True)
            if found.returncode == 0 and found.stdout.strip() != git("rev-parse", "HEAD").strip():
                base = found.stdout.strip()
                break
    limit = None
    why = f"since {base}"
    if not base:
        commits = git("rev-list", "--max-count=2", "--first-parent", "HEAD").split()
        base, limit, why = commits[-1], FILES_WITHOUT_BASE, "in the newest commit (no base to compare with)"
    changed = git("diff", "--name-only", "--diff-filter=d", base).split() + git("ls-files", "--others", "--exclude-standard").split()
    return set(changed), limit, why


def check_tidy(files, arguments):
    changed, limit, why = changed_files(arguments.base)
    commands = json.loads((Path(arguments.build) / "compile_commands.json").read_text())
    units = {}  # changed file -> what to compile: the file itself, or the source that includes a header alone
    for entry in commands:
        compiled = Path(entry["directory"], entry["file"]).resolve()
        if compiled.suffix == ".cu":
            continue  # clang 16 knows CUDA up to 11.8
        if compiled.is_relative_to(ROOT) and str(compiled.relative_to(ROOT)) in changed:
            units[str(compiled.relative_to(ROOT))] = compiled
        elif compiled.parent.name == "headers" and compiled.is_relative_to(Path(arguments.build).resolve()):
            header = Path(re.match(r'#include "([^"]+)"', compiled.read_text()).group(1))
            if str(header.relative_to(ROOT)) in changed:
                units[str(header.relative_to(ROOT))] = compiled
    left_out = sum(name.endswith(".cu") for name in changed)
    total = len(units)
    if limit is not None:
        # Product before tests, and from there a choice that each commit makes anew, so that in time everything is looked at.
        head = git("rev-parse", "HEAD").strip()
        order = sorted(units, key=lambda f: (f.startswith("tests/"), hashlib.sha256((head + f).encode()).hexdigest()))
        units = {f: units[f] for f in order[:limit]}
    print(f"clang-tidy on {len(units)} of {total} files changed {why}" + (f"; not on {left_out} .cu files" if left_out else ""))

    # The program inside the wheel: the wheel's own way in imports pkg_resources, which newer setuptools no longer have.
    tool = Path(importlib.util.find_spec("clang_tidy").origin).parent / "data/bin/clang-tidy"

    def tidy(unit):
        return run([tool, "-p", arguments.build, "--quiet", "--extra-arg=-Wno-unknown-warning-option", str(unit)])

    good = True
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for name, (code, output) in zip(units, pool.map(tidy, units.values())):
            if code:
                good = False
                print(name, re.sub(r"^\d+ warnings? .*generated.*\n", "", output, flags=re.MULTILINE), sep="\n")
    return good


CHECKS = {
    "formatting (clang-format)": check_format,
    "shell scripts (shellcheck)": check_shell,
    "no format name in a branch": check_format_names,
    "no libm in the product": check_libm,
    "docstrings of public declarations": check_docstrings,
    "no outside host": check_hosts,
    "every header compiles alone": check_headers_alone,
    "tests that take long compile": check_long_tests,
    "clang-tidy": check_tidy,
}


def main():
    parser = argparse.ArgumentParser(prog="./dev lint")
    parser.add_argument("--fix", action="store_true", help="format instead of checking the formatting")
    parser.add_argument("--base", default=os.environ.get("BINADE_LINT_BASE"), metavar="REF", help="clang-tidy looks at files changed since REF")
    parser.add_argument("--build", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help=argparse.SUPPRESS)
    parser.add_argument("--only", metavar="WORD", help="only the checks whose name contains WORD")
    arguments = parser.parse_args()
    files = sources()
    failed = []
    for name, check in CHECKS.items():
        if arguments.only and arguments.only not in name:
            continue
        print(f"-- {name}", flush=True)
        start = time.monotonic()
        good = check(files, arguments)
        print(f"   {'ok' if good else 'FAILED'} ({time.monotonic() - start:.1f} s)", flush=True)
        if not good:
            failed.append(name)
    if failed:
        print("lint: failed:", ", ".join(failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
