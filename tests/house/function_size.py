"""A function fits on a screen: 70 lines at the most, from its name to its closing brace."""
import ast
import re

import house

LINES_MAX = 70
COMMENT_OR_LITERAL = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"([^(\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|'
    r"(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])*'",
    re.DOTALL)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n\\]|\\\n|\\.)*", re.MULTILINE)
SCOPE = re.compile(r"\b(namespace|class|struct|union|enum|extern)\b")


def blank(match):
    return re.sub(r"[^\n]", " ", match.group(0))


def opens_function(head):
    """`head` is what stands between the last statement or block and an opening brace."""
    head = re.sub(r"\btemplate\s*<[^{}]*?>\s*(?=\b)", "", head)
    return "(" in head and not SCOPE.match(head.strip()) and "=" not in head.split("(")[0]


def functions(source):
    """(name, first line, lines) of every function at namespace or class level."""
    code = DIRECTIVE.sub(blank, COMMENT_OR_LITERAL.sub(blank, source))
    stack, head_at = [], 0
    for match in re.finditer(r"[{};]", code):
        at = match.start()
        if match.group() == "{":
            head = code[head_at:at]
            inside = any(kind == "function" for kind, *_ in stack)
            is_function = not inside and opens_function(head)
            start = head_at + len(head) - len(head.lstrip())
            stack.append(("function" if is_function else "scope", head.strip(), start))
        elif match.group() == "}" and stack:
            kind, head, start = stack.pop()
            if kind == "function":
                lines = code.count("\n", start, at) + 1
                yield " ".join(head.split())[:60], code.count("\n", 0, start) + 1, lines
        head_at = at + 1


def python_functions(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.lineno, node.end_lineno - node.lineno + 1


def main():
    problems, count = [], 0
    for file in house.files(".h", ".cc", ".py"):
        find = python_functions if file.suffix == ".py" else functions
        for name, line, lines in find(house.text(file)):
            count += 1
            if lines > LINES_MAX:
                problems.append(f"{file}:{line}: {lines} lines: {name}")
    if count == 0:
        problems.append("found no function at all: this check is broken")
    house.finish(problems, f"size of {count} functions")


if __name__ == "__main__":
    main()
