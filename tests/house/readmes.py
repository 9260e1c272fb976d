"""Every top-level folder says what lives in it; the repository says how to begin."""
import house

FOLDERS = ["config", "device", "aggregation", "mesh", "bidding", "daemon", "tools", "tests"]
FILES = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE"]
BESIDE = {"docs", "packaging", "web", ".ci", "cmake", "bench"}
LINES_MAX = 40


def main():
    problems = [f"{name} is missing" for name in FILES if not (house.ROOT / name).is_file()]
    for folder in FOLDERS:
        readme = house.ROOT / folder / "README.md"
        if not readme.is_file():
            problems.append(f"{folder}/README.md is missing")
        elif len(readme.read_text(encoding="utf-8").splitlines()) > LINES_MAX:
            problems.append(f"{folder}/README.md is above {LINES_MAX} lines: a few are meant")
    known = set(FOLDERS) | BESIDE
    for folder in sorted({file.parts[0] for file in house.files() if len(file.parts) > 1} - known):
        problems.append(f"{folder}/ is a new top-level folder; the set is fixed")
    house.finish(problems, "READMEs")


if __name__ == "__main__":
    main()
