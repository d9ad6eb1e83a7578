//! Which test proves which rule of the standards: `tests/rules/*.tsv` list the rules, the tests name them, and
//! `tests/RULES.md` is made of both.
//!
//! A test names a rule in its own name (`dhcp_119_…`, `dhcp_173_to_176_…`), in its doc comment or inside its body
//! (`"DHCP-119: …"`). Every rule has a test, or a reason why it binds somebody else; every deviation has both.
//!
//! ```text
//! cargo test --test rules -- --nocapture     # prints the list and the totals
//! FRONTDESK_WRITE_RULES=1 cargo test --test rules     # writes tests/RULES.md anew
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use syn::spanned::Spanned as _;
use syn::visit::Visit;

/// The families in the order of the list, which is that of a frame's life.
const FAMILIES: [&str; 15] =
    ["IP", "DHCP", "RLY", "OPT", "PD", "REG", "RA", "ND", "ADR", "SEC", "TCP", "HTTP", "BIS", "DEV", "BUG"];

/// What a row of a rule says when it has no test, or when we deviate.
#[derive(Debug, PartialEq, Eq)]
enum Stand {
    /// It holds, and a test proves it.
    Holds,
    /// We do otherwise, for this reason; a test pins what we do.
    Deviation(String),
    /// It binds somebody else, for this reason.
    Elsewhere(String),
}

#[derive(Debug)]
struct Rule {
    name: String,
    source: String,
    says: String,
    stand: Stand,
}

struct Family {
    title: String,
    rules: Vec<Rule>,
}

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

fn families() -> Vec<Family> {
    FAMILIES.into_iter().map(family).collect()
}

fn family(name: &str) -> Family {
    let file = format!("tests/rules/{}.tsv", name.to_lowercase());
    let text = fs::read_to_string(root().join(&file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    let title = text.strip_prefix("# ").and_then(|text| text.split_once('.')).expect("a title").0.to_owned();
    let rows: Vec<&str> = text.lines().skip(1).collect();
    let rules = rows.iter().map(|row| rule(&file, row)).collect::<Vec<_>>();
    for (number, rule) in rules.iter().enumerate() {
        assert_eq!(
            rule.name,
            format!("{name}-{:03}", number + 1),
            "{file}: rows in order, none twice, none missing"
        );
    }
    Family { title, rules }
}

fn rule(file: &str, row: &str) -> Rule {
    let fields: Vec<&str> = row.split('\t').collect();
    let (name, source, says, stand) = match fields[..] {
        [name, source, says] => (name, source, says, Stand::Holds),
        [name, source, says, stand] => {
            let (word, reason) = stand.split_once(": ").unwrap_or_else(|| panic!("{file}: {row}: no reason"));
            assert!(reason.split(' ').count() >= 4, "{file}: {name}: {reason:?} is no reason");
            let stand = match word {
                "deviation" => Stand::Deviation(reason.to_owned()),
                "elsewhere" => Stand::Elsewhere(reason.to_owned()),
                other => panic!("{file}: {name}: {other:?} is neither deviation nor elsewhere"),
            };
            (name, source, says, stand)
        }
        _ => panic!("{file}: not three or four columns: {row}"),
    };
    Rule { name: name.to_owned(), source: source.to_owned(), says: says.to_owned(), stand }
}

/// The tests that name each rule.
fn tests() -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::<String, BTreeSet<String>>::new();
    for path in ["src", "tests"].iter().flat_map(|folder| sources(&root().join(folder))) {
        let text = fs::read_to_string(&path).expect("a source file");
        let program = path.strip_prefix(root()).expect("below the root").with_extension("");
        let program = program.to_str().expect("UTF-8").replace('/', "::");
        let program =
            program.strip_prefix("tests::").unwrap_or(&program).trim_end_matches("::mod").to_owned();
        for (test, body) in functions(&text) {
            for rule in named(&test, &body) {
                found.entry(rule).or_default().insert(format!("{program}::{test}"));
            }
        }
    }
    found
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of the repository") {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() && !path.ends_with("target") {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !path.ends_with("tests/rules.rs")
        {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Every test function of a source: its name, and its text from its doc comment to its last brace.
fn functions(text: &str) -> Vec<(String, String)> {
    struct Tests<'t> {
        lines: Vec<&'t str>,
        found: Vec<(String, String)>,
    }
    impl<'ast> Visit<'ast> for Tests<'_> {
        fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
            if function.attrs.iter().any(|attribute| attribute.path().is_ident("test")) {
                let lines = function.span().start().line - 1..function.span().end().line;
                self.found.push((function.sig.ident.to_string(), self.lines[lines].join("\n")));
            }
        }
        fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
            // Properties stand inside `proptest!`, whose content is functions but for their arguments.
            if item.mac.path.is_ident("proptest") {
                let lines = item.span().start().line - 1..item.span().end().line;
                let body = self.lines[lines].join("\n");
                for part in body.split("#[test]").skip(1) {
                    let name = part.split_once("fn ").and_then(|(_, rest)| rest.split_once('('));
                    self.found.push((name.expect("a property has a name").0.to_owned(), part.to_owned()));
                }
            }
        }
    }
    let file = syn::parse_file(text).expect("Rust");
    let mut tests = Tests { lines: text.lines().collect(), found: Vec::new() };
    tests.visit_file(&file);
    tests.found
}

/// The rules that a test names: `dhcp_173_to_176` in its name, `DHCP-119` and `DHCP-090 to DHCP-093` in its text.
fn named(name: &str, text: &str) -> BTreeSet<String> {
    let words = name.split('_').chain(text.split(|c: char| !c.is_ascii_alphanumeric()));
    let words: Vec<&str> = words.collect();
    let mut rules = BTreeSet::new();
    let number =
        |word: Option<&&str>| word.filter(|word| word.len() == 3).and_then(|word| word.parse::<u16>().ok());
    let mut at = 0;
    while let Some(word) = words.get(at) {
        at += 1;
        let Some(family) = FAMILIES.into_iter().find(|family| family.eq_ignore_ascii_case(word)) else {
            continue;
        };
        while let Some(first) = number(words.get(at)) {
            at += 1;
            rules.insert(format!("{family}-{first:03}"));
            let again = words.get(at + 1).is_some_and(|word| word.eq_ignore_ascii_case(family));
            let end = at + 1 + usize::from(again);
            match (words.get(at), number(words.get(end))) {
                (Some(&"to"), Some(end_of_range)) => {
                    rules.extend((first..=end_of_range).map(|n| format!("{family}-{n:03}")));
                    at = end + 1;
                }
                (Some(&"and"), Some(_)) => at = end,
                _ => break,
            }
        }
    }
    rules
}

/// How many rules of a family there are, hold, are deviations and are elsewhere.
fn totals(rules: &[Rule]) -> [usize; 4] {
    let count = |which: fn(&Stand) -> bool| rules.iter().filter(|rule| which(&rule.stand)).count();
    [
        rules.len(),
        count(|stand| *stand == Stand::Holds),
        count(|stand| matches!(stand, Stand::Deviation(_))),
        count(|stand| matches!(stand, Stand::Elsewhere(_))),
    ]
}

fn list(families: &[Family], tests: &BTreeMap<String, BTreeSet<String>>) -> String {
    let mut out = String::from(
        "# The rules, and what proves each\n\nMade by `FRONTDESK_WRITE_RULES=1 cargo test --test rules` of `tests/rules/*.tsv` and of the tests that name\na rule; a test fails while it is stale. A source that is no RFC is a choice of this project (\"house\") or what a\nplatform's guests are used to.\n\n| family | rules | hold | deviations | elsewhere |\n|---|---|---|---|---|\n",
    );
    let mut sum = [0; 4];
    for (name, family) in FAMILIES.iter().zip(families) {
        let totals = totals(&family.rules);
        sum.iter_mut().zip(totals).for_each(|(sum, total)| *sum += total);
        let [all, hold, deviations, elsewhere] = totals;
        writeln!(out, "| {name}: {} | {all} | {hold} | {deviations} | {elsewhere} |", family.title)
            .expect("memory");
    }
    let [all, hold, deviations, elsewhere] = sum;
    writeln!(out, "| all | {all} | {hold} | {deviations} | {elsewhere} |").expect("memory");
    for (name, family) in FAMILIES.iter().zip(families) {
        writeln!(out, "\n## {name}: {}\n\n| rule | source | says | proof |\n|---|---|---|---|", family.title)
            .expect("memory");
        for Rule { name, source, says, stand } in &family.rules {
            let none = BTreeSet::new();
            let tests = tests.get(name).unwrap_or(&none).iter().map(|test| format!("`{test}`"));
            let tests = tests.collect::<Vec<_>>().join(", ");
            let proof = match stand {
                Stand::Holds => tests,
                Stand::Deviation(why) => format!("**Deviation**: {why}. {tests}"),
                Stand::Elsewhere(why) => format!("Elsewhere: {why}. {tests}").trim_end().to_owned(),
            };
            writeln!(out, "| {name} | {source} | {says} | {proof} |").expect("memory");
        }
    }
    out
}

#[test]
fn every_rule_has_a_test_or_a_reason_and_every_deviation_both() {
    let (families, tests) = (families(), tests());
    let rules: Vec<&Rule> = families.iter().flat_map(|family| &family.rules).collect();
    let bare = |rule: &&&Rule| !matches!(rule.stand, Stand::Elsewhere(_)) && !tests.contains_key(&rule.name);
    let bare: Vec<&str> = rules.iter().filter(bare).map(|rule| rule.name.as_str()).collect();
    assert!(bare.is_empty(), "{} rules are named by no test: {}", bare.len(), bare.join(" "));
    let known: BTreeSet<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
    let unknown: Vec<_> = tests.iter().filter(|(rule, _)| !known.contains(rule.as_str())).collect();
    assert!(unknown.is_empty(), "tests name rules that are in no list: {unknown:?}");
}

#[test]
fn the_list_is_fresh_and_the_readme_has_its_totals() {
    let (families, tests) = (families(), tests());
    let fresh = list(&families, &tests);
    println!("{fresh}");
    let path = root().join("tests/RULES.md");
    if std::env::var_os("FRONTDESK_WRITE_RULES").is_some() {
        fs::write(&path, &fresh).expect("tests/RULES.md is writable");
    }
    let remedy = "write it anew with FRONTDESK_WRITE_RULES=1 cargo test --test rules";
    assert!(fs::read_to_string(&path).is_ok_and(|text| text == fresh), "tests/RULES.md is stale: {remedy}");
    let [mut all, mut hold, mut deviations, mut elsewhere] = [0; 4];
    for [a, h, d, e] in families.iter().map(|family| totals(&family.rules)) {
        (all, hold, deviations, elsewhere) = (all + a, hold + h, deviations + d, elsewhere + e);
    }
    let line = format!(
        "Of {all} rules, {hold} hold, {deviations} are deliberate deviations and {elsewhere} bind somebody else."
    );
    let readme = fs::read_to_string(root().join("README.md")).expect("a README");
    assert!(readme.contains(&line), "README.md does not say: {line}");
}

#[test]
fn a_test_names_rules_in_three_ways() {
    let set = |rules: &[&str]| rules.iter().map(|rule| (*rule).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(named("dhcp_173_to_175_solicit", ""), set(&["DHCP-173", "DHCP-174", "DHCP-175"]));
    assert_eq!(named("ra_048_ra_049_routes", ""), set(&["RA-048", "RA-049"]));
    assert_eq!(named("dhcp_189_and_193_renew", ""), set(&["DHCP-189", "DHCP-193"]));
    assert_eq!(
        named("x", "\"DHCP-090 to DHCP-092: old\", RLY-007"),
        set(&["DHCP-090", "DHCP-091", "DHCP-092", "RLY-007"])
    );
    assert_eq!(named("reg_registration_is_a_switch", "// RFC 9686 and IP 12"), set(&[]));
    let source =
        "/// RA-001.\n#[test]\nfn a() {}\nfn helper() { /* RA-002 */ }\n#[test]\nfn b() {\n // RA-003\n}\n";
    let found: Vec<_> = functions(source).iter().flat_map(|(name, body)| named(name, body)).collect();
    assert_eq!(found, ["RA-001", "RA-003"]);
}
