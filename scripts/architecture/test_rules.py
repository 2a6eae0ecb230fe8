"""The reader of Rust and the rules, on crates of a few lines."""

import pathlib
import subprocess
import tempfile
import unittest

import rules
import rust


class OfATree(unittest.TestCase):
    def tree(self, **files):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        root = pathlib.Path(folder.name)
        for name, text in files.items():
            file = root / name.replace("__", "/")
            file = file.with_name(file.name.replace("_md", ".md").replace("_rs", ".rs"))
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        subprocess.run(["git", "init", "-q", root], check=True)
        subprocess.run(["git", "-C", root, "add", "-A"], check=True)
        return rules.Tree(root)

    def test_a_cycle_is_found_through_a_re_export(self):
        tree = self.tree(
            src__lib_rs="mod value; mod state;",
            src__value__mod_rs="mod one; pub use one::One;",
            src__value__one_rs="use crate::state::Kept; pub struct One(Kept);",
            src__state_rs="use crate::value::{self, One}; pub struct Kept; fn f(_: One) {}",
        )
        self.assertIn("2 files", next(rules.no_cycles(tree)))
        self.assertEqual(len(list(rules.layers(tree))), 1)

    def test_a_cycle_of_folders_without_one_of_files_is_found(self):
        tree = self.tree(
            src__lib_rs="mod segment;",
            src__segment__mod_rs="mod model; mod drops;",
            src__segment__model_rs="use super::drops::times::time; pub struct Model; fn f() { time() }",
            src__segment__drops__mod_rs="pub mod times; mod settled;",
            src__segment__drops__times_rs="pub fn time() {}",
            src__segment__drops__settled_rs="use crate::segment::model::Model; fn f(_: Model) {}",
        )
        self.assertEqual(list(rules.no_cycles(tree)), [])
        self.assertEqual(next(rules.no_folder_cycles(tree)), "2 of one folder import each other: src/segment/drops, src/segment/model")

    def test_a_unit_test_that_imports_from_above_is_named(self):
        tree = self.tree(
            src__lib_rs="mod value; mod state;",
            src__value_rs="#[cfg(test)]\nmod tests { use crate::state::Kept; }",
            src__state_rs="use crate::value; pub struct Kept;",
        )
        self.assertEqual(list(rules.tests_look_down(tree)), ["src/value.rs:2: state is listed after value"])

    def test_tests_comments_and_re_exports_are_not_imports(self):
        calm = self.tree(
            src__lib_rs="mod value; mod state;",
            src__value_rs="pub struct One; // crate::state::Kept\n#[cfg(test)]\nmod tests { use crate::state::Kept; }",
            src__state_rs="pub use crate::value::One; pub struct Kept(&'static str);",
        )
        self.assertEqual(calm.edges(), {})

    def test_paths_inside_code_are_imports(self):
        tree = self.tree(src__lib_rs="mod value; mod state;", src__value_rs="pub fn one() {}", src__state_rs="fn f() { crate::value::one() }")
        self.assertEqual([where for where in tree.edges().values()], [[(1, "value::one")]])

    def test_a_function_with_modifiers_is_an_item(self):
        tree = self.tree(
            src__lib_rs="mod one; mod two;",
            src__one_rs='use crate::two::B; pub const fn yes() -> B { B } pub async unsafe fn no() {} pub const unsafe extern "C" fn c() {}',
            src__two_rs="use crate::one::{c, no, yes}; pub struct B; fn f() { yes(); no(); c() }",
        )
        self.assertIn("2 files", next(rules.no_cycles(tree)))
        self.assertEqual(tree.crate().modules[("one",)].items, {"yes", "no", "c"})

    def test_a_misquoted_promise_is_named(self):
        page = "### Promise 2: nothing is lost\n\nStop the program\nat any step.\n\n### Promise 9: guards\n\n## Next\n"
        tree = self.tree(
            docs__ARCHITECTURE_md=page,
            src__a_rs='//! Promise 2: "Nothing is lost. Stop the\n//! program ... any step."',
            src__b_rs='//! Promise 2: "Nothing is lost, ever."',
        )
        self.assertEqual(list(rules.quotes(tree)), ['src/b.rs:1: promise 2 does not say "Nothing is lost, ever."'])

    def test_a_step_that_imports_another_is_named(self):
        tree = self.tree(
            src__lib_rs="mod steps;",
            src__steps__mod_rs="mod open; mod finish;",
            src__steps__open__mod_rs="use super::finish::end; fn f() { end() }",
            src__steps__finish__mod_rs="pub fn end() {}",
        )
        self.assertEqual(len(list(rules.steps_apart(tree))), 1)

    def test_wire_words_are_allowed_in_their_folders_only(self):
        tree = self.tree(src__lib_rs='const A: &str = "contactlist";', src__sandbox_rs="", src__sandbox__a_rs="// contactlist")
        self.assertEqual(list(rules.wire_words(tree)), ["src/lib.rs:1: contactlist"])

    def test_phrases_are_found_across_lines_of_comments_and_strings(self):
        tree = self.tree(src__lib_rs='// The key is\n// no key.\nconst A: &str = "there is no such export";\nfn is() {}\n', README_md="A call is made\nagain.")
        found = [line.split(";")[0] for line in rules.plain_english(tree)]
        self.assertEqual(found, ['src/lib.rs:1: "is no key"', 'README.md:1: "made again"'])

    def test_names_of_functions_are_short_and_plain(self):
        tree = self.tree(src__lib_rs="fn a_file_that_is_no_object() {}\nfn there_is_no_drop() {}\nfn " + 61 * "a" + "() {}")
        self.assertEqual([line.split(":")[1] for line in rules.plain_names(tree)], ["1", "3"])

    def test_code_lines_leave_out_tests_comments_and_blanks(self):
        source = rust.Source('fn a() {\n\n    // why\n    "x\ny";\n}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n')
        self.assertEqual(source.code_lines(), 4)

    def test_a_section_that_is_not_there_is_named(self):
        tree = self.tree(
            src__lib_rs="// Source: AUTOPILOT_API 1.4 and 1.9. Promise 2, promise 3.",
            docs__AUTOPILOT_API_md="## 1.4 Bulk",
            docs__ARCHITECTURE_md="### Promise 2: nothing is lost\n[gone](nowhere.md) [there](#promise-2-nothing-is-lost) [not](#promise-3)",
        )
        self.assertEqual(len(list(rules.sources(tree))), 2)
        self.assertEqual(len(list(rules.links(tree))), 2)

    def test_a_path_or_name_that_is_gone_is_named(self):
        tree = self.tree(src__a_rs="fn one() {}", README_md="`src/a.rs` | `one` `two` (`src/a.rs`) `src/b.rs` `src/`")
        self.assertEqual(list(rules.places(tree)), ["README.md:1: src/b.rs does not exist", "README.md:1: src/a.rs does not define two"])

    def test_a_message_that_nobody_prints_is_named(self):
        tree = self.tree(src__a_rs='"the drop has no column \\"{name}\\""', docs__OPERATIONS_md='| a | `the drop has no column "` |\n| b | `is gone` |')
        self.assertEqual(len(list(rules.messages(tree))), 1)

    def test_the_outside_world_is_refused_in_path_modules(self):
        tree = self.tree(src__lib_rs="mod plan; mod entry;", src__plan_rs="fn f() { std::env::var(); }", src__entry_rs="use std::env;")
        self.assertEqual(list(rules.outside_world(tree)), ["src/plan.rs:1: std::env in a path module"])


if __name__ == "__main__":
    unittest.main()
