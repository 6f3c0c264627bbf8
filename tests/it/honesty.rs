//! No test looks away: none returns early in silence, and what a test needs that a checkout alone
//! does not have is the reason of its `#[ignore]`, which `cargo test` prints.
//!
//! Read from the source. What a macro makes of its arguments (`proptest!`) is not seen.

use std::fs;
use std::path::{Path, PathBuf};

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Block, Expr, ExprCall, ExprClosure, ExprReturn, ItemFn, Lit, Macro, Meta};

/// Functions that fail without real files or an engine (`tests/common/needs.rs`).
const NEEDS: [&str; 3] = ["real_files", "python", "open_in_browser"];

/// A function that tests: it is a test itself, or asserts for one.
#[derive(Default)]
struct Body {
    /// Lines where it ends early: without a value, or with any.
    bare_returns: Vec<usize>,
    returns: Vec<usize>,
    asserts: bool,
    needs: bool,
}

impl Visit<'_> for Body {
    fn visit_expr_return(&mut self, found: &ExprReturn) {
        let line = found.span().start().line;
        self.returns.push(line);
        if found.expr.is_none() {
            self.bare_returns.push(line);
        }
        visit::visit_expr_return(self, found);
    }

    fn visit_expr_call(&mut self, call: &ExprCall) {
        if let Expr::Path(path) = &*call.func {
            let name = path.path.segments.last().unwrap().ident.to_string();
            self.needs |= NEEDS.contains(&name.as_str());
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_macro(&mut self, called: &Macro) {
        let name = called.path.segments.last().unwrap().ident.to_string();
        self.asserts |= name.starts_with("assert");
    }

    // What these return is not returned from the test.
    fn visit_expr_closure(&mut self, _: &ExprClosure) {}
    fn visit_item_fn(&mut self, _: &ItemFn) {}
}

/// What is wrong with a file.
struct Found {
    /// Whether the file holds tests and nothing else.
    only_tests: bool,
    tests: usize,
    wrong: Vec<(usize, &'static str)>,
}

impl Found {
    fn in_source(source: &str, only_tests: bool) -> Self {
        let mut found = Self { only_tests, tests: 0, wrong: Vec::new() };
        found.visit_file(&syn::parse_file(source).unwrap());
        found.wrong.sort();
        found
    }

    fn function(&mut self, attributes: &[Attribute], block: &Block) {
        let has = |name: &str| attributes.iter().find(|found| found.path().is_ident(name));
        let mut body = Body::default();
        body.visit_block(block);
        let early = match has("test") {
            Some(test) => {
                self.tests += 1;
                if body.needs && has("ignore").is_none() {
                    let line = test.span().start().line;
                    self.wrong.push((line, "needs what not everyone has, and is not #[ignore]"));
                }
                body.returns
            }
            None if self.only_tests && body.asserts => body.bare_returns,
            None => Vec::new(),
        };
        self.wrong.extend(early.into_iter().map(|line| (line, "returns early in silence")));
    }
}

impl Visit<'_> for Found {
    fn visit_item_fn(&mut self, item: &ItemFn) {
        self.function(&item.attrs, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_attribute(&mut self, attribute: &Attribute) {
        if attribute.path().is_ident("ignore") && !reason(attribute).starts_with("needs ") {
            let line = attribute.span().start().line;
            self.wrong.push((line, "is ignored without `= \"needs ...\"`"));
        }
    }
}

/// The reason of an `#[ignore = "..."]`; empty if there is none.
fn reason(ignore: &Attribute) -> String {
    let Meta::NameValue(pair) = &ignore.meta else { return String::new() };
    let Expr::Lit(value) = &pair.value else { return String::new() };
    let Lit::Str(text) = &value.lit else { return String::new() };
    text.value()
}

/// Rust files below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

#[test]
fn no_test_returns_early_or_is_ignored_without_what_it_needs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut wrong = Vec::new();
    let mut tests = 0;
    for path in ["tests", "src", "crates"].iter().flat_map(|name| sources(&root.join(name))) {
        let name = path.strip_prefix(root).unwrap();
        let only_tests = name.components().any(|part| part.as_os_str() == "tests");
        let found = Found::in_source(&fs::read_to_string(&path).unwrap(), only_tests);
        tests += found.tests;
        let told = |(line, what)| format!("{}:{line} {what}", name.display());
        wrong.extend(found.wrong.into_iter().map(told));
    }
    assert!(tests > 500, "{tests} tests were read");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn what_looks_away_is_found_with_its_line() {
    let planted = "\
        #[test]\n\
        fn a() {\n\
            let Some(x) = y() else { return };\n\
            let closure = || return;\n\
        }\n\
        #[test]\n\
        #[ignore]\n\
        fn b() { real_files(); }\n\
        #[test]\n\
        #[ignore = \"slow\"]\n\
        fn c() { match x { None => return Ok(()), Some(y) => y } }\n\
        #[test]\n\
        fn d() { needs::python(\"x\", &[]); }\n\
        fn helper() {\n\
            if x { return; }\n\
            assert!(y);\n\
        }\n\
        fn walker() { if x { return; } }\n\
        fn value() -> u8 { assert!(x); return 1; }\n";
    let lines = |only_tests| {
        let found = Found::in_source(planted, only_tests);
        found.wrong.into_iter().map(|(line, _)| line).collect::<Vec<_>>()
    };
    assert_eq!(lines(true), [3, 7, 10, 11, 12, 15]);
    assert_eq!(lines(false), [3, 7, 10, 11, 12], "helpers of a source file may return");
}
