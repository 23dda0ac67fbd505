"""compiled_sources.py BUILD: fails unless every CUDA source of the project is compiled in that build."""

import json
import re
import subprocess
import sys
from pathlib import Path

root = Path(__file__).resolve().parent.parent
sources = {root / name for name in subprocess.run(["git", "-C", root, "ls-files", "*.cu"], check=True, capture_output=True, text=True).stdout.split()}
commands = json.loads((Path(sys.argv[1]) / "compile_commands.json").read_text())
objects = {Path(c["directory"], c["file"]).resolve(): Path(c["directory"], re.search(r" -o (\S+)", c["command"]).group(1)) for c in commands}
missing = sorted(s for s in sources if s not in objects or not objects[s].exists())
for source in missing:
    print(f"{source.relative_to(root)} was not compiled")
print(f"{len(sources) - len(missing)} of {len(sources)} CUDA sources compiled")
sys.exit(1 if missing or not sources else 0)
