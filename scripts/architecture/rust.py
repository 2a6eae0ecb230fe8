"""The modules of a crate and what they import, read from its source without a compiler.

A name counts for the file that defines it: re-exports are followed. What only tests compile is left out. `pub use` alone is
not an import: it says where others find a name, unless the file uses that name itself.
"""

import pathlib
import re

LEXEMES = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)
      | (?<![A-Za-z0-9_])(?P<raw>[bc]?r(?P<hashes>\#*)".*?"(?P=hashes))
      | (?P<string>[bc]?"(?:\\.|[^"\\])*")
      | (?P<char>b?'(?:\\(?:x[0-9a-fA-F]{2}|u\{[^}]*\}|.)|[^\\'\n])')""",
    re.S | re.X,
)
TEST_ONLY = re.compile(r"#\[(?:cfg\((?:all\()?test\b|(?:\w+::)*test\b)")
USE = re.compile(r"(?<!\w)(pub(?:\([^)]*\))?\s+)?use\s+([^;]+);")
PATH = re.compile(r"(?<![\w:.])([A-Za-z_]\w*)((?:::[A-Za-z_]\w*)+)")
# `const fn yes` is an item called `yes`.
ITEM = re.compile(r"\b(?:struct|enum|trait|union|type|fn|const|static|macro_rules!)\s+(?!(?:async|unsafe|extern|fn)\b)(?:mut\s+)?([A-Za-z_]\w*)")
MODULE = re.compile(r"\bmod\s+([A-Za-z_]\w*)\s*;")
PATH_IN_STRING = re.compile(r'"((?:crate|super|self)(?:::\w+)+)"')


def blank(text):
    """The same number of characters and lines, all of them space."""
    return re.sub(r"[^\n]", " ", text)


class Source:
    """One file: its code without comments, strings and tests, and its comments and strings by themselves."""

    def __init__(self, text):
        self.text = text
        self.comments, self.strings = [], []
        bare = LEXEMES.sub(self._set_aside, text)
        self.tests = test_ranges(bare)
        self.code = self.with_tests = bare
        for start, end in self.tests:
            self.code = self.code[:start] + blank(self.code[start:end]) + self.code[end:]

    def _set_aside(self, match):
        kind = self.comments if match["comment"] else self.strings
        kind.append((match.start(), match[0]))
        return blank(match[0])

    def line(self, position):
        return self.text.count("\n", 0, position) + 1

    def in_tests(self, position):
        return any(start <= position < end for start, end in self.tests)

    def code_lines(self):
        """How many lines hold code, tests and comments left out."""
        lines = {number for number, line in enumerate(self.code.splitlines(), 1) if line.strip()}
        for position, string in self.strings:
            if not self.in_tests(position):
                lines.update(range(self.line(position), self.line(position + len(string)) + 1))
        return len(lines)


def test_ranges(code):
    """Where the items are that only tests compile."""
    ranges, at = [], 0
    while match := TEST_ONLY.search(code, at):
        at = end_of_item(code, match.start())
        ranges.append((match.start(), at))
    return ranges


def end_of_item(code, at):
    """The end of the item that starts there, with its attributes: a semicolon, or the brace that closes it."""
    depth = 0
    for position in range(at, len(code)):
        one = code[position]
        if one in "([{":
            depth += 1
        elif one in ")]}":
            depth -= 1
            if one == "}" and depth == 0:
                return position + 1
        elif one == ";" and depth == 0:
            return position + 1
    return len(code)


def top_level(code):
    """The code outside all braces."""
    out, depth = [], 0
    for one in code:
        depth -= one == "}"
        out.append(one if depth == 0 or one == "\n" else " ")
        depth += one == "{"
    return "".join(out)


def leaves(tree):
    """The paths of a `use` tree, each as a list of names, with the name that it gets; `*` for all."""
    tree = tree.strip()
    prefix, brace, rest = tree.partition("{")
    if not brace:
        path, _, alias = tree.partition(" as ")
        names = [name.strip().removeprefix("r#") for name in path.split("::") if name.strip()]
        if names and names[-1] == "self":
            names.pop()
        return [(names, alias.strip() or (names[-1] if names else ""))]
    head = [name.strip() for name in prefix.split("::") if name.strip()]
    return [(head + names, alias or (head[-1] if head else "")) for part in split(rest[: rest.rindex("}")]) for names, alias in leaves(part)]


def split(text):
    """Parts between the commas outside braces."""
    parts, depth, start = [], 0, 0
    for position, one in enumerate(text):
        depth += (one == "{") - (one == "}")
        if one == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    return [part for part in [*parts, text[start:]] if part.strip()]


class Module:
    def __init__(self, path, file, source):
        self.path, self.file, self.source = path, file, source
        self.items = set(ITEM.findall(top_level(source.code)))
        self.uses, self.globs, self.imports = {}, [], []
        self.hidden = []  # private globs: which names they bring is not known, so the module counts as a whole


class Crate:
    """All modules that are compiled outside tests, from `lib.rs`, and the programs in `bin/`."""

    def __init__(self, folder, name):
        self.folder, self.name = pathlib.Path(folder), name
        self.modules = {}
        self._walk((), self.folder / "lib.rs", self.folder)
        for program in sorted(self.folder.glob("bin/*.rs")):
            self.modules[("bin", program.stem)] = Module(("bin", program.stem), program, Source(program.read_text()))
        for module in self.modules.values():
            self._read_uses(module)

    def _walk(self, path, file, folder):
        module = self.modules[path] = Module(path, file, Source(file.read_text()))
        for name in MODULE.findall(module.source.code):
            inner = next((one for one in (folder / f"{name}.rs", folder / name / "mod.rs") if one.exists()), None)
            if inner:
                self._walk((*path, name), inner, folder / name)

    def _read_uses(self, module):
        for match in USE.finditer(module.source.code):
            for names, alias in leaves(match[2]):
                path = self.absolute(module, names)
                if path is None:
                    continue
                if alias == "*":
                    module.globs.append(path[:-1])
                    if not match[1]:
                        module.hidden.append((match.start(), path[:-1]))
                else:
                    module.imports.append((match.start(), path, alias, bool(match[1])))
                    if alias != "_":
                        module.uses[alias] = path

    def absolute(self, module, names):
        """A path from the crate's root; None for what belongs to another crate."""
        if not names:
            return None
        first, rest = names[0], tuple(names[1:])
        if first == "crate" or (first == self.name and module.path[:1] == ("bin",)):
            return rest
        if first == "self":
            return module.path + rest
        if first == "super":
            parent = module.path[:-1]
            while rest[:1] == ("super",):
                parent, rest = parent[:-1], rest[1:]
            return parent + rest
        if (*module.path, first) in self.modules:
            return (*module.path, first, *rest)
        if first in module.uses:
            return module.uses[first] + rest
        return None

    def defining(self, path, seen=frozenset()):
        """The file that defines what a path names; None for a module as such, and for what is not found."""
        if path in seen:
            return None
        module = self.modules[()]
        for number, name in enumerate(path):
            last = number == len(path) - 1
            inner = self.modules.get((*module.path, name))
            if inner and not last:
                module = inner
                continue
            if name in module.items:
                return module.file
            if name in module.uses and module.uses[name] != path[: number + 1]:
                return self.defining(module.uses[name] + path[number + 1 :], seen | {path})
            for glob in module.globs:
                if found := self.defining(glob + path[number:], seen | {path}):
                    return found
            return None
        return None

    def edges(self):
        """Imports between files: (from, to) -> [(line, name)]."""
        found = {}
        for module in self.modules.values():
            for position, path in self._used(module):
                target = self.defining(path)
                if target and target != module.file:
                    line = module.source.line(position)
                    found.setdefault((module.file, target), []).append((line, "::".join(path)))
            for position, path in module.hidden:
                if path in self.modules and self.modules[path].file != module.file:
                    line = module.source.line(position)
                    found.setdefault((module.file, self.modules[path].file), []).append((line, "::".join((*path, "*"))))
        return found

    def _used(self, module):
        code = module.source.code
        body = USE.sub(lambda match: blank(match[0]), code)
        words = set(re.findall(r"\w+", MODULE.sub("", body)))
        for position, path, alias, is_public in module.imports:
            if not is_public or alias in words:
                yield position, path
        for match in PATH.finditer(body):
            path = self.absolute(module, [match[1], *match[2].split("::")[1:]])
            if path is not None:
                yield match.start(), path
        for position, string in module.source.strings:
            if (match := PATH_IN_STRING.fullmatch(string)) and not module.source.in_tests(position):
                yield position, self.absolute(module, match[1].split("::"))


def cycles(edges):
    """The sets of files that import each other, largest first (Tarjan)."""
    graph = {}
    for start, end in edges:
        graph.setdefault(start, []).append(end)
        graph.setdefault(end, [])
    order, low, stack, on_stack, found = {}, {}, [], set(), []

    def visit(root):
        todo = [(root, iter(graph[root]))]
        order[root] = low[root] = len(order)
        stack.append(root)
        on_stack.add(root)
        while todo:
            node, rest = todo[-1]
            for end in rest:
                if end not in order:
                    order[end] = low[end] = len(order)
                    stack.append(end)
                    on_stack.add(end)
                    todo.append((end, iter(graph[end])))
                    break
                if end in on_stack:
                    low[node] = min(low[node], order[end])
            else:
                todo.pop()
                if todo:
                    low[todo[-1][0]] = min(low[todo[-1][0]], low[node])
                if low[node] == order[node]:
                    cycle = set()
                    while node not in cycle:
                        one = stack.pop()
                        on_stack.discard(one)
                        cycle.add(one)
                    if len(cycle) > 1:
                        found.append(cycle)

    for node in sorted(graph):
        if node not in order:
            visit(node)
    return sorted(found, key=len, reverse=True)
