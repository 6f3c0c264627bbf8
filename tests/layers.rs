//! The modules of `src` stand on floors: each names only those that `lib.rs` lists before it.
//!
//! Read are all paths of code that a build has: in imports (grouped, re-exported, renamed), in
//! types and expressions, by `crate::`, `$crate::` or a chain of `super::`, and inside macros.
//! Code under `cfg(test)` may name anything.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, Macro, UseTree};

/// The modules of the crate rooted in `source/lib.rs`, from the ground up.
fn floors(source: &Path) -> Vec<String> {
    let modules = read(&source.join("lib.rs")).items.into_iter().filter_map(|item| match item {
        Item::Mod(module) if !is_test(&module.attrs) => Some(module.ident.to_string()),
        _ => None,
    });
    modules.collect()
}

/// Every place where a module names one that stands above it.
fn upward(source: &Path) -> Vec<String> {
    let floors = floors(source);
    let mut found = Vec::new();
    for (floor, module) in floors.iter().enumerate() {
        let path = vec![module.clone()];
        look_at(source, &source.join(format!("{module}.rs")), path, &floors[..=floor], &mut found);
    }
    found
}

fn read(file: &Path) -> syn::File {
    let text = fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    syn::parse_file(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

/// Looks at a file, whose module is `path`, and at the files of its modules.
fn look_at(
    source: &Path,
    file: &Path,
    path: Vec<String>,
    allowed: &[String],
    found: &mut Vec<String>,
) {
    let shown = file.strip_prefix(source).expect("it lies there").to_path_buf();
    let mut names = Names { shown, path, allowed, found, files: Vec::new() };
    names.visit_file(&read(file));
    let files = names.files;
    for path in files {
        let relative: PathBuf = path.iter().collect();
        let beside = source.join(relative.with_extension("rs"));
        let inside = source.join(relative).join("mod.rs");
        let file = if beside.exists() { beside } else { inside };
        look_at(source, &file, path, allowed, found);
    }
}

/// Walks the code of one file.
struct Names<'a> {
    shown: PathBuf,
    /// The module that the walk is in.
    path: Vec<String>,
    /// The top-level modules that may be named.
    allowed: &'a [String],
    found: &'a mut Vec<String>,
    /// Modules in files of their own.
    files: Vec<Vec<String>>,
}

impl Names<'_> {
    /// Takes note of a path that begins with `segments`, if it leads to a module above.
    fn named(&mut self, segments: &[String], line: usize) {
        let supers = segments.iter().take_while(|segment| *segment == "super").count();
        let root = match segments.first().map(String::as_str) {
            Some("crate") => &segments[1..],
            Some("self") if self.path.is_empty() => &segments[1..],
            Some("super") if supers == self.path.len() => &segments[supers..],
            _ => return,
        };
        let Some(module) = root.first() else { return };
        // What is no module, such as a macro, is whoever's it is: its own body is looked at.
        let is_module = |name: &String| name.starts_with(char::is_lowercase);
        if is_module(module) && !self.allowed.contains(module) {
            self.found.push(format!("{}:{line}: names {module}", self.shown.display()));
        }
    }

    fn tree(&mut self, tree: &UseTree, before: &mut Vec<String>) {
        let line = tree.span().start().line;
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.tree(&path.tree, before);
                before.pop();
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(tree, before)),
            UseTree::Name(name) => self.ending(before, &name.ident.to_string(), line),
            UseTree::Rename(name) => self.ending(before, &name.ident.to_string(), line),
            UseTree::Glob(_) => self.named(before, line),
        }
    }

    fn ending(&mut self, before: &[String], name: &str, line: usize) {
        let path: Vec<String> = before.iter().cloned().chain([name.to_owned()]).collect();
        self.named(&path, line);
    }

    /// Paths among the tokens of a macro.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(first) => {
                    let line = first.span().start().line;
                    let mut path = vec![first.to_string()];
                    while let [TokenTree::Punct(a), TokenTree::Punct(b), TokenTree::Ident(next), ..] =
                        &tokens[at + 1..]
                        && (a.as_char(), b.as_char()) == (':', ':')
                    {
                        path.push(next.to_string());
                        at += 3;
                    }
                    // The names of a group behind `crate::`.
                    if let [TokenTree::Punct(a), TokenTree::Punct(_), TokenTree::Group(group), ..] =
                        &tokens[at + 1..]
                        && a.as_char() == ':'
                    {
                        for token in group.stream() {
                            if let TokenTree::Ident(name) = token {
                                self.ending(&path, &name.to_string(), line);
                            }
                        }
                    }
                    self.named(&path, line);
                }
                _ => {}
            }
            at += 1;
        }
    }
}

impl<'ast> Visit<'ast> for Names<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        self.path.push(module.ident.to_string());
        match &module.content {
            Some((_, items)) => items.iter().for_each(|item| self.visit_item(item)),
            None => self.files.push(self.path.clone()),
        }
        self.path.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&item.tree, &mut Vec::new());
    }

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_attribute(&mut self, _: &'ast Attribute) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        self.named(&segments, path.span().start().line);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, invoked: &'ast Macro) {
        self.visit_path(&invoked.path);
        self.tokens(invoked.tokens.clone());
    }
}

/// Whether code is there under test alone.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else {
            return attribute.path().is_ident("test");
        };
        list.path.is_ident("cfg") && list.tokens.to_string().replace(' ', "").starts_with("test")
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_module_names_only_those_below_it() {
    let found = upward(&project().join("src"));
    assert!(found.is_empty(), "{} upward paths:\n{}", found.len(), found.join("\n"));
}

#[test]
fn the_architecture_page_has_the_floors_in_this_order() {
    let page = fs::read_to_string(project().join("ARCHITECTURE.md")).unwrap();
    let (_, after) = page.split_once("<!-- floors -->").expect("the page marks its list");
    let (list, _) = after.split_once("<!-- end of floors -->").expect("the list ends");
    let words = list.split('`').skip(1).step_by(2).map(str::to_owned);
    assert_eq!(words.collect::<Vec<_>>(), floors(&project().join("src")));
}

/// A crate of modules `low`, `middle` (a folder, with a module `inner`) and `high`, with `code` in
/// the module's file.
fn planted(file: &str, code: &str) -> Vec<String> {
    let source = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(source.path().join(name), text).unwrap();
    write("lib.rs", "pub mod low;\npub mod middle;\npub mod high;\n#[cfg(test)]\nmod fixture;\n");
    fs::create_dir(source.path().join("middle")).unwrap();
    for (name, text) in [
        ("low.rs", "pub fn low() {}\n"),
        ("middle.rs", "pub mod inner;\n"),
        ("middle/inner.rs", "use crate::low::low;\npub fn inner() { low() }\n"),
        ("high.rs", "pub use crate::{low, middle::inner};\npub struct High;\n"),
    ] {
        write(name, text);
    }
    if !code.is_empty() {
        let path = source.path().join(file);
        let text = fs::read_to_string(&path).unwrap() + code;
        fs::write(&path, text).unwrap();
    }
    upward(source.path())
}

#[test]
fn a_house_in_order_is_accepted() {
    assert_eq!(planted("high.rs", ""), [""; 0]);
    for tests_may in [
        "#[cfg(test)]\nmod tests { use crate::high::High; }\n",
        "#[cfg(test)]\nuse crate::high::High;\n",
        "#[test]\nfn f() { crate::high::High; }\n",
        "/// As [`crate::high::High`] has it.\npub fn documented() {}\n",
        "pub(crate) fn inside() {}\n",
    ] {
        assert_eq!(planted("low.rs", tests_may), [""; 0], "{tests_may}");
    }
}

#[test]
fn every_way_to_name_a_module_above_is_found_with_its_line() {
    for (file, code, line) in [
        ("low.rs", "use crate::high::High;\n", 2),
        ("low.rs", "use crate::{\n    high::High,\n};\n", 3),
        ("low.rs", "pub use crate::middle as renamed;\n", 2),
        ("low.rs", "use crate::high::*;\n", 2),
        ("low.rs", "use super::high::High;\n", 2),
        ("low.rs", "fn f() -> crate::high::High { todo() }\n", 2),
        ("low.rs", "fn f() {\n    let _ = crate::high::High;\n}\n", 3),
        ("low.rs", "mod inside {\n    use super::super::high::High;\n}\n", 3),
        ("low.rs", "macro_rules! m {\n    () => { $crate::high::High };\n}\n", 3),
        ("low.rs", "fn f() { println!(\"{}\", crate::high::NAME); }\n", 2),
        ("low.rs", "macro_rules! m { () => { use crate::{high, low}; } }\n", 2),
        ("middle/inner.rs", "use super::super::high::High;\n", 3),
        ("middle/inner.rs", "impl From<crate::high::High> for u8 {}\n", 3),
        ("middle.rs", "#[cfg(feature = \"x\")]\nuse crate::high::High;\n", 3),
    ] {
        let found = planted(file, code);
        let name = if code.contains("middle as") { "middle" } else { "high" };
        assert_eq!(found, [format!("{file}:{line}: names {name}")], "{code}");
    }
}
