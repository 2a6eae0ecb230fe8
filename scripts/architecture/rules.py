"""The rules of the tree, each a function that gives what breaks it, one line each."""

import re
import subprocess

from rust import Crate, Source, cycles

# From the lowest layer to the highest: a module may import only from those before it.
LAYERS = [
    "error", "value", "membership", "ports", "segment", "state", "chunk", "destination", "config", "contact", "plan", "delivery",
    "ledger", "run", "trigger", "report", "steps", "sandbox", "adapters", "entry", "bin",
]  # fmt: skip
# Values in, values out: no AWS, no HTTP, no clock, no environment.
PURE = ["value", "membership", *LAYERS[LAYERS.index("segment") : LAYERS.index("report") + 1]]
OUTSIDE = re.compile(r"\b(?:reqwest|aws_sdk\w*|axum|lambda_runtime|std::(?:fs|env|net|process)|tokio|Instant::now|Timestamp::now|SystemTime)\b")
# Ending an earlier run is finish's work, whoever finds it unfinished; erasing and reconciling begin by ending it.
BETWEEN_STEPS = [("prepare", "finish"), ("reconcile", "prepare"), ("person", "finish")]

# What only one API says on the wire. Each destination's words may stand in its own folder and in the sandbox.
WIRE_WORDS = {
    "autopilot": ["_autopilot_list", "email_contact_map", "autopilotapikey", "contactlist", "api2.autopilothq"],
    "ortto": ["bol::p", "str::email", "get-by-ids", "skip_non_existing", "suppression_list_field_id", "api.ap3api"],
}

MOST_CODE_LINES = 300
MOST_NAME_LETTERS = 60

# What no native reader would say, and what to say in its place.
PHRASES = [
    (r"(?<!there )\bis\s+no\s+(?!longer\b|more\b)[a-z]+", "is not a …, unknown …"),
    (r"(?<!there )\bare\s+no\s+(?!longer\b|more\b)[a-z]+", "are not …"),
    (r"\bmade\s+again\b", "retried, called again"),
    (r"\btold\s+to\s+wait\b", "rate limited"),
    (r"\bwho\s+leaves\b", "people who leave …"),
    (r"\bnobody\s+leaves\b", "leavers are withheld"),
    (r"\bof\s+the\s+middle\b", "median"),
    (r"\bso\s+long\s+a\b", "how long a …"),
    (r"\btold\b(?!\.json)", "notified, reported, named, declared"),
    (r"\bwhoever\b", "people who …, the caller, the reader"),
    (r"\b(?:takes?|took)\s+note\b", "records"),
    (r"\bat\s+hand\b", "current, available"),
    (r"\bsuch\s+of\b", "those of"),
    (r"\bso\s+many\b", "this many, a number of"),
    (r"\bheed(?:s|ed|ing)?\b", "applies, honours"),
    (r"\bagain\s+and\s+again\b", "repeatedly, keeps …"),
    (r"\blest\b", "so that … not"),
    (r"\bnoes\b(?![.\"-])", "objections"),
]  # fmt: skip


def layer(file):
    return file.parts[0].removesuffix(".rs")


class Tree:
    """The repository as the rules look at it."""

    def __init__(self, root):
        self.root = root
        self.src = root / "src"

    def crate(self):
        if not hasattr(self, "_crate"):
            self._crate = Crate(self.src, "autopilot_export")
            self._edges = {(a.relative_to(self.src), b.relative_to(self.src)): where for (a, b), where in self._crate.edges().items()}
        return self._crate

    def edges(self):
        self.crate()
        return self._edges

    def rust_files(self):
        return sorted(self.src.rglob("*.rs"))

    def tracked(self, *patterns):
        listed = subprocess.run(["git", "ls-files", "-z", "--", *patterns], cwd=self.root, check=True, capture_output=True, text=True)
        files = [self.root / name for name in listed.stdout.split("\0") if name]
        return [file for file in files if file.is_file() and not file.is_relative_to(self.root / "scripts/architecture")]

    def name(self, file):
        return file.relative_to(self.root).as_posix()


def shown(edge, where):
    return f"src/{edge[0]}:{where[0][0]}: imports {where[0][1]} of src/{edge[1]}"


def outside_world(tree):
    """Path modules know no AWS, HTTP, clock or environment."""
    for module in tree.crate().modules.values():
        if layer(module.file.relative_to(tree.src)) in PURE:
            for match in OUTSIDE.finditer(module.source.code):
                yield f"{tree.name(module.file)}:{module.source.line(match.start())}: {match[0]} in a path module"


def no_cycles(tree):
    """There are no import cycles."""
    edges = tree.edges()
    for cycle in cycles(edges):
        yield f"{len(cycle)} files import each other: {', '.join(f'src/{file}' for file in sorted(cycle))}"
        for edge, where in sorted(edges.items()):
            if set(edge) <= cycle:
                yield f"  {shown(edge, where)}"


def between_siblings(edges):
    """Imports as their folder sees them: between the two files or folders beside each other in which they start and end."""
    found = {}
    for (importer, imported), where in sorted(edges.items()):
        depth = next(n for n, (a, b) in enumerate(zip(importer.parts, imported.parts), 1) if a != b)
        pair = tuple("/".join(file.parts[:depth]).removesuffix(".rs") for file in (importer, imported))
        found.setdefault(pair, []).append(((importer, imported), where))
    return found


def no_folder_cycles(tree):
    """There are no import cycles between the files and folders of one folder."""
    pairs = between_siblings(tree.edges())
    for cycle in cycles(pairs):
        yield f"{len(cycle)} of one folder import each other: {', '.join(f'src/{name}' for name in sorted(cycle))}"
        for pair, edges in sorted(pairs.items()):
            if set(pair) <= cycle:
                yield from (f"  {shown(*edge)}" for edge in edges)


def layers(tree):
    """A module imports only from those listed before it."""
    for edge, where in sorted(tree.edges().items()):
        importer, imported = map(layer, edge)
        if importer == "lib" or importer == imported:
            continue
        for unknown in {importer, imported} - {*LAYERS, "lib"}:
            yield f"src/{unknown}: a module that scripts/architecture/rules.py does not place in LAYERS"
        if {importer, imported} <= {*LAYERS} and LAYERS.index(imported) > LAYERS.index(importer):
            yield f"{shown(edge, where)}: {imported} is listed after {importer}"


def tests_look_down(tree):
    """Unit tests import, like the code beside them, only from modules listed before their own."""
    for file in tree.rust_files():
        own = layer(file.relative_to(tree.src))
        source = Source(file.read_text())
        for match in re.finditer(r"(?<![\w:])crate::(\w+)", source.with_tests):
            if {own, match[1]} <= {*LAYERS} and LAYERS.index(match[1]) > LAYERS.index(own):
                yield f"{tree.name(file)}:{source.line(match.start())}: {match[1]} is listed after {own}"


def steps_apart(tree):
    """The steps' folders import none of each other, but to end an earlier run."""
    folders = {path.name for path in (tree.src / "steps").iterdir() if path.is_dir()}
    for edge, where in sorted(tree.edges().items()):
        importer, imported = [file.parts[1] if len(file.parts) > 2 and file.parts[0] == "steps" else None for file in edge]
        if {importer, imported} <= folders and importer != imported and (importer, imported) not in BETWEEN_STEPS:
            yield f"{shown(edge, where)}: a step imports another"


def wire_words(tree):
    """An API's wire format stays in its destination and in the sandbox."""
    for file in tree.rust_files():
        path = file.relative_to(tree.src).as_posix()
        words = [
            word
            for api, words in WIRE_WORDS.items()
            if not path.startswith((f"destination/{api}/", "sandbox/"))
            for word in words
        ]  # fmt: skip
        for number, line in enumerate(file.read_text().splitlines(), 1):
            for word in words:
                if word in line:
                    yield f"{tree.name(file)}:{number}: {word}"


def small_files(tree):
    """No file has more than 300 code lines, tests apart."""
    for module in tree.crate().modules.values():
        lines = module.source.code_lines()
        if lines > MOST_CODE_LINES:
            yield f"{tree.name(module.file)}: {lines} code lines"


def prose(file):
    """What people read of a file: (line, text) for each comment, run of comments, string or page."""
    text = file.read_text()
    if file.suffix != ".rs":
        return [(1, re.sub(r"^[ \t]*(?:#|//)+", " ", text, flags=re.M))]
    source = Source(text)
    found = [(source.line(position), string) for position, string in source.strings]
    for position, comment in source.comments:
        line = source.line(position)
        said = re.sub(r"^//[/!]?", "", comment)
        if found and isinstance(found[-1], list) and found[-1][0] + found[-1][1].count("\n") + 1 == line:
            found[-1][1] += "\n" + said
        else:
            found.append([line, said])
    return found


def plain_english(tree):
    """None of the phrases that a native reader would not say."""
    pages = ["*.md", "infra", "scripts", "benches", "tests/**/*.rs", "tests/aws", "fuzz/**/*.rs", "examples", "events", "Makefile", ".ci", "Cargo.toml", "demo"]
    for file in [*tree.rust_files(), *tree.tracked(*pages)]:
        if file.suffix in (".lock", ".csv") or file.name == "package-lock.json" or file.name.startswith("CHANGE"):
            continue
        for line, text in prose(file):
            for phrase, instead in PHRASES:
                for match in re.finditer(phrase, text, re.I):
                    said = " ".join(match[0].split())
                    yield f'{tree.name(file)}:{line + text.count(chr(10), 0, match.start())}: "{said}"; say: {instead}'


def plain_names(tree):
    """Functions have names of at most 60 characters, without the phrases that a native reader would not say."""
    for file in {*tree.rust_files(), *tree.tracked("tests", "benches", "fuzz", "examples")}:
        if file.suffix != ".rs":
            continue
        for number, line in enumerate(file.read_text().splitlines(), 1):
            for name in re.findall(r"\bfn (\w+)", line):
                if len(name) > MOST_NAME_LETTERS:
                    yield f"{tree.name(file)}:{number}: {name} has {len(name)} characters"
                for phrase, instead in PHRASES:
                    if match := re.search(phrase, name.replace("_", " ")):
                        yield f'{tree.name(file)}:{number}: {name}: "{match[0]}"; say: {instead}'


def headings(file):
    """A page's headings."""
    page = re.sub(r"^```.*?^```", "", file.read_text() if file.is_file() else "", flags=re.S | re.M)
    return re.findall(r"^#+ +(.+?) *$", page, re.M)


def anchor(heading):
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)).strip().lower().replace(" ", "-")


def sources(tree):
    """Every section of our own documents that is cited is there."""
    docs = tree.root / "docs"
    sections = {heading.split()[0].rstrip(".") for heading in headings(docs / "AUTOPILOT_API.md")}
    promises = {match[1] for heading in headings(docs / "ARCHITECTURE.md") if (match := re.match(r"Promise (\d+)\b", heading))}
    cited = re.compile(r"AUTOPILOT_API(?:\.md)?`? *,? *(?:section )?(\d+(?:\.\d+)*)?((?:(?:,| and| to) *\d+(?:\.\d+)+)*)")
    for file in tree.tracked("src", "tests", "scripts", "infra", "benches", "fuzz", "examples", "Makefile", "Cargo.toml", "*.md"):
        if file.suffix in (".lock", ".csv", ".snap") or file.name == "package-lock.json":
            continue
        try:
            text = file.read_text()
        except UnicodeDecodeError:
            continue
        at = lambda match: f"{tree.name(file)}:{text.count(chr(10), 0, match.start()) + 1}"
        for match in cited.finditer(text):
            for section in [match[1], *re.findall(r"\d+(?:\.\d+)+", match[2])]:
                if section and section.rstrip(".") not in sections:
                    yield f"{at(match)}: docs/AUTOPILOT_API.md has no section {section}"
        for match in re.finditer(r"\b[Pp]romises? (\d+)(?: (?:to|and) (\d+))?", text):
            for number in filter(None, match.groups()):
                if number not in promises:
                    yield f"{at(match)}: docs/ARCHITECTURE.md has no promise {number}"
        for match in re.finditer(r"\bdocs/([A-Z_]+\.md)\b", text):
            if not (docs / match[1]).is_file():
                yield f"{at(match)}: docs/{match[1]} does not exist"
        for match in re.finditer(r"\b(DESIGN|INPUT|HOUSE|STYLE|AWS_FACTS|ORTTO_API|CUSTOMER_INSIGHTS)(?:\.md)? \d", text):
            if not (docs / f"{match[1]}.md").is_file():
                yield f"{at(match)}: {match[1]} is not a document of this repository"


def quotes(tree):
    """What is quoted of a promise is what ARCHITECTURE says, but for its case at the start; `...` leaves something out."""
    page = (tree.root / "docs/ARCHITECTURE.md").read_text() if (tree.root / "docs/ARCHITECTURE.md").is_file() else ""
    parts = re.split(r"^#+ +Promise (\d+): (.+)$|^## .*$", page, flags=re.M)
    said = {}
    for number, title, text in zip(parts[1::3], parts[2::3], parts[3::3]):
        if number:
            said[number] = plain(f"{title}. {text}")
    quoted = re.compile(r'\b[Pp]romises? (\d+)(?: and (\d+))?[^":.]*: "([^"]*)"(?:, and "([^"]*)")?')
    for file in tree.rust_files() + [file for file in tree.tracked("tests") if file.suffix == ".rs"]:
        for line, text in prose(file):
            text = " ".join(text.split())
            for match in quoted.finditer(text):
                where = " ".join(said.get(number, "") for number in filter(None, match.groups()[:2]))
                for quote in filter(None, match.groups()[2:]):
                    for part in quote.split("..."):
                        if plain(part).strip(" .") not in where:
                            yield f'{tree.name(file)}:{line}: promise {match[1]} does not say "{part.strip()}"'


def plain(text):
    return " ".join(text.split()).lower()


def links(tree):
    """Every link between our own pages leads somewhere."""
    for page in tree.tracked("*.md"):
        text = page.read_text()
        for match in re.finditer(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)", text):
            at = f"{tree.name(page)}:{text.count(chr(10), 0, match.start()) + 1}"
            target = (page.parent / match[1]).resolve() if match[1] else page
            if not target.exists():
                yield f"{at}: {match[1]} does not exist"
            elif match[2] and target.suffix == ".md" and match[2] not in map(anchor, headings(target)):
                yield f"{at}: {match[1]} has no heading #{match[2]}"


def places(tree):
    """Every path that a page gives exists, and defines the name beside it."""
    named = re.compile(r"`(\w+)`(?: \(|, )`(src/[\w/.-]+\.rs)`|`(src/[\w/.-]+\.rs)` \| `(\w+)`")
    for page in tree.tracked("*.md"):
        text = page.read_text()
        at = lambda match: f"{tree.name(page)}:{text.count(chr(10), 0, match.start()) + 1}"
        for match in re.finditer(r"`((?:src|tests|scripts|infra|benches|events|examples|demo|fuzz|docs)/[\w./-]*\w/?)`", text):
            if not (tree.root / match[1]).exists():
                yield f"{at(match)}: {match[1]} does not exist"
        for match in named.finditer(text):
            name, file = match[1] or match[4], tree.root / (match[2] or match[3])
            if file.is_file() and not re.search(rf"\b(?:fn|struct|enum|trait|type|const|static)\s+{name}\b", file.read_text()):
                yield f"{at(match)}: {tree.name(file)} does not define {name}"


def messages(tree):
    """Every message that OPERATIONS explains is one that the program prints."""
    page = tree.root / "docs/OPERATIONS.md"
    printed = " ".join(file.read_text() for file in [*tree.rust_files(), *tree.tracked("tests/snapshots")])
    printed = re.sub(r"\\\n\s*", "", printed).replace('\\"', '"')
    for row in re.finditer(r"^\| [^|]+ \| `([^`|]+)`", page.read_text() if page.is_file() else "", re.M):
        for part in row[1].split("..."):
            if part.strip() and part.strip() not in printed:
                yield f'{tree.name(page)}: "{part.strip()}" is not printed by the program'


RULES = [
    outside_world,
    sources,
    quotes,
    links,
    places,
    messages,
    no_cycles,
    no_folder_cycles,
    layers,
    tests_look_down,
    steps_apart,
    wire_words,
    plain_english,
    plain_names,
    small_files,
]
