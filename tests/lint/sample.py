#!/usr/bin/env python3
"""Compiles and runs the sample that CONTRIBUTING.md opens with, so that what people copy is right.

    tests/lint/sample.py ROOT COMPILER [ARGUMENT ...]
"""

import os
import re
import subprocess
import sys
import tempfile


def main():
    root, compiler = os.path.abspath(sys.argv[1]), sys.argv[2:]
    with open(os.path.join(root, "CONTRIBUTING.md"), encoding="utf-8") as page:
        blocks = re.findall(r"^`(\S+)`\n\n```cpp\n(.*?)^```$", page.read(), re.M | re.S)
    if [os.path.splitext(name)[1] for name, _ in blocks] != [".hpp", ".cpp", ".cpp"]:
        print("CONTRIBUTING.md does not open with a header, a source and a test, but with %s" % [name for name, _ in blocks])
        return 1
    with tempfile.TemporaryDirectory() as folder:
        for name, text in blocks:
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as out:
                out.write(text)
        program = os.path.join(folder, "sample")
        subprocess.run(
            [*compiler, "-std=c++20", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-DDOCTEST_CONFIG_IMPLEMENT_WITH_MAIN",
             "-I" + os.path.join(folder, "src"), "-I" + os.path.join(root, "src"), os.path.join(folder, blocks[1][0]),
             os.path.join(folder, blocks[2][0]), "-o", program], check=True)
        return subprocess.call([program, "--no-intro"])


if __name__ == "__main__":
    sys.exit(main())
