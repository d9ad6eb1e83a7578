//! The house rules that no compiler checks: who may use whom, what stays out of the pure rooms, how long a file is.
//!
//! Sources are read as tokens, with comments and literals taken out, so a rule is broken by code and not by prose.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms from left to right; a module may use itself and what has a higher number. Equal numbers are neighbours
/// that do not know each other.
const ROOMS: [(&str, u8); 10] = [
    ("main", 0),
    ("cli", 1),
    ("daemon", 2),
    ("io", 3),
    ("engine", 4),
    ("answer", 5),
    ("metadata", 5),
    ("lease", 6),
    ("wire", 7),
    ("types", 8),
];

/// Rooms where the same input must give the same output: no clock, no chance, no system.
const PURE: [&str; 6] = ["types", "wire", "lease", "answer", "metadata", "engine"];

/// What reaches a clock, entropy, a file, a socket, a thread or the environment.
const IMPURE: [&str; 19] = [
    "SystemTime",
    "Instant::now",
    "std::fs",
    "std::io::stdin",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::os::unix",
    "std::os::fd",
    "std::process",
    "std::thread",
    "std::env",
    "tokio",
    "rand",
    "getrandom",
    "libc",
    "socket2",
    "rtnetlink",
    "tempfile",
];

/// Uses of the impure that are allowed, each with its reason.
const ALLOWED: [(&str, &str); 1] = [
    // A million ports are compiled on all cores; the result does not depend on how many there are.
    ("lease", "std::thread"),
];

/// Lines of the longest file: what can be read in one sitting.
const MAX_LINES: usize = 500;

#[test]
fn every_module_uses_only_modules_to_its_right() {
    assert_clean(&check(&["src"], layering));
}

#[test]
fn the_pure_rooms_know_no_clock_no_chance_and_no_system() {
    assert_clean(&check(&["src"], purity));
}

#[test]
fn unsafe_lives_in_io_only() {
    assert_clean(&check(&["src"], unsafety));
}

#[test]
fn no_file_is_longer_than_can_be_read_in_one_sitting() {
    assert_clean(&check(&["src", "tests", "benches"], length));
}

#[test]
fn nothing_is_left_undone_or_switched_off() {
    assert_clean(&check(&["src", "tests", "benches"], unfinished));
}

#[test]
fn no_text_names_a_path_of_the_machine_it_was_written_on() {
    let mut findings = Vec::new();
    for path in files(&root()) {
        let hidden_data =
            path.starts_with("target") || path.starts_with(".git") || path.ends_with("Cargo.lock");
        if let (false, Ok(text)) = (hidden_data, fs::read_to_string(root().join(&path))) {
            findings.extend(machine_path(&path, &text));
        }
    }
    assert_clean(&findings);
}

/// Each rule finds what it is there to find, and leaves alone what it is not.
#[test]
fn every_rule_catches_an_offender() {
    let cases: [(Rule, &str, &str, bool); 27] = [
        (layering, "src/wire/frame.rs", "use crate::types::MacAddr;", false),
        (layering, "src/wire/frame.rs", "use crate::{lease::LeaseTable, types::MacAddr};", true),
        (layering, "src/wire/frame.rs", "fn f() { crate::answer::answer(); }", true),
        (layering, "src/wire/frame.rs", "/// See [`answer`](crate::answer).\nfn f() {}", false),
        (layering, "src/answer/mod.rs", "use crate::metadata::Guest;", true),
        (layering, "src/answer/dhcp6/mod.rs", "use super::super::super::engine::Engine;", true),
        (layering, "src/answer/dhcp6/mod.rs", "use super::guard::Asker;", false),
        (layering, "src/io/mod.rs", "use crate::engine::{self, Engine};", false),
        (layering, "src/attic/mod.rs", "", true),
        (purity, "src/answer/mod.rs", "let now = std::time::Instant::now();", true),
        (purity, "src/engine/mod.rs", "use std::{sync::Arc, fs::File};", true),
        (purity, "src/engine/mod.rs", "use std::net::{Ipv6Addr, UdpSocket};", true),
        (purity, "src/wire/mod.rs", "use std::net::Ipv6Addr; // not std::fs", false),
        (purity, "src/types/mod.rs", "use rand::Rng;", true),
        (purity, "src/types/mod.rs", "let operand = 1;", false),
        (purity, "src/lease/compile.rs", "std::thread::scope(|s| {});", false),
        (purity, "src/answer/mod.rs", "std::thread::scope(|s| {});", true),
        (purity, "src/io/clock.rs", "let now = std::time::Instant::now();", false),
        (unsafety, "src/wire/mod.rs", "let x = unsafe { *p };", true),
        (unsafety, "src/wire/mod.rs", "#![deny(unsafe_code)] const S: &str = \"unsafe\";", false),
        (unsafety, "src/io/ring.rs", "let x = unsafe { *p };", false),
        (unfinished, "src/cli/run.rs", "fn f() { todo!() }", true),
        (unfinished, "tests/x.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() {}", true),
        (unfinished, "src/cli/run.rs", "// todo!\nfn ignore() { let s = r#\"dbg!\"#; }", false),
        (machine_path, "README.md", concat!("see /ho", "me/somebody/notes"), true),
        (machine_path, "README.md", concat!("-o /tm", "p"), true),
        (machine_path, "README.md", "src/tmp/x, and/or, /run/frontdesk, https://example.com/work", false),
    ];
    for (rule, path, text, caught) in cases {
        let findings = rule(Path::new(path), text);
        assert_eq!(!findings.is_empty(), caught, "{path}: {text}: {findings:?}");
    }
    assert!(length(Path::new("src/x.rs"), &"\n".repeat(MAX_LINES)).is_empty());
    assert!(!length(Path::new("src/x.rs"), &"\n".repeat(MAX_LINES + 1)).is_empty());
}

type Rule = fn(&Path, &str) -> Vec<String>;

fn layering(path: &Path, text: &str) -> Vec<String> {
    let modules = modules(path);
    let Some(room) = modules.first().filter(|name| **name != "lib") else { return Vec::new() };
    let Some(own) = rank(room) else {
        return vec![format!("{}: the room `{room}` is not in the order", path.display())];
    };
    let mut findings = Vec::new();
    for used in paths(text) {
        let target = match used.split_first() {
            Some((first, rest)) if first == "crate" => rest.first(),
            // As many `super`s as the module is deep lead to the root of the crate.
            Some((first, _)) if first == "super" => {
                let up = used.iter().take_while(|segment| *segment == "super").count();
                if up >= modules.len() { used.get(up) } else { None }
            }
            _ => None,
        };
        let Some((target, rank)) = target.and_then(|t| rank(t).map(|rank| (t, rank))) else { continue };
        if target != room && rank <= own {
            findings.push(format!("{}: `{room}` must not use `{}`", path.display(), used.join("::")));
        }
    }
    findings
}

fn purity(path: &Path, text: &str) -> Vec<String> {
    let modules = modules(path);
    let Some(room) = modules.first().filter(|room| PURE.contains(&room.as_str())) else { return Vec::new() };
    let mut findings = Vec::new();
    for used in paths(text) {
        for word in IMPURE {
            let wanted: Vec<&str> = word.split("::").collect();
            // A crate or `std::…` begins the path; a type may be anywhere in it.
            let begins = used.len() >= wanted.len() && used.iter().zip(&wanted).all(|(a, b)| a == b);
            let is_type = word.starts_with(char::is_uppercase);
            let found = begins || is_type && used.windows(wanted.len()).any(|part| part == wanted);
            if found && !ALLOWED.contains(&(room.as_str(), word)) {
                findings.push(format!(
                    "{}: `{}` does not belong in `{room}`",
                    path.display(),
                    used.join("::")
                ));
            }
        }
    }
    findings
}

fn unsafety(path: &Path, text: &str) -> Vec<String> {
    if path.starts_with("src/io") {
        return Vec::new();
    }
    let count = tokens(text).iter().filter(|token| *token == "unsafe").count();
    (0..count).map(|_| format!("{}: `unsafe` outside src/io", path.display())).collect()
}

fn length(path: &Path, text: &str) -> Vec<String> {
    let lines = text.lines().count();
    let long = (lines > MAX_LINES).then(|| format!("{}: {lines} lines, at most {MAX_LINES}", path.display()));
    long.into_iter().collect()
}

fn unfinished(path: &Path, text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let marks = tokens.windows(2).filter(|pair| {
        let call = ["todo", "unimplemented", "dbg"].contains(&pair[0].as_str()) && pair[1] == "!";
        call || pair[0] == "[" && pair[1] == "ignore"
    });
    marks.map(|pair| format!("{}: `{}{}`", path.display(), pair[0], pair[1])).collect()
}

fn machine_path(path: &Path, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for folder in ["home", "tmp", "work", "root", "Users"] {
            for (at, _) in line.match_indices(&format!("/{folder}")) {
                let before = line[..at]
                    .chars()
                    .next_back()
                    .is_none_or(|c| !c.is_alphanumeric() && !"./_-*}~".contains(c));
                let after = line[at + 1 + folder.len()..].chars().next();
                if before && after.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '-') {
                    findings.push(format!(
                        "{}:{number}: a path of some machine: {}",
                        path.display(),
                        line.trim()
                    ));
                }
            }
        }
    }
    findings
}

fn rank(room: &str) -> Option<u8> {
    ROOMS.iter().find(|(name, _)| *name == room).map(|(_, rank)| *rank)
}

/// The module path of a source file: `src/answer/dhcp6/mod.rs` → `answer`, `dhcp6`.
fn modules(path: &Path) -> Vec<String> {
    let inside = path.strip_prefix("src").unwrap_or(path).with_extension("");
    let names = inside.iter().map(|name| name.to_string_lossy().into_owned());
    names.filter(|name| name != "mod").collect()
}

/// Every path of the code, those of `use` groups written out: `use a::{b, c::d}` → `a`, `a::b`, `a::c::d`.
fn paths(text: &str) -> Vec<Vec<String>> {
    let tokens = tokens(text);
    let (mut found, mut prefixes, mut path) = (Vec::new(), Vec::new(), Vec::<String>::new());
    let mut joined = false;
    for token in &tokens {
        let is_name = token.starts_with(|c: char| c.is_alphabetic() || c == '_');
        match token.as_str() {
            "::" => joined = true,
            "{" if joined => {
                prefixes.push(path.clone());
                joined = false;
            }
            "}" if !prefixes.is_empty() => {
                found.push(std::mem::take(&mut path));
                prefixes.pop();
                joined = false;
            }
            name if is_name && joined => {
                path.push(name.to_owned());
                joined = false;
            }
            other => {
                found.push(std::mem::replace(&mut path, prefixes.last().cloned().unwrap_or_default()));
                path.extend(is_name.then(|| other.to_owned()));
                joined = false;
            }
        }
    }
    found.push(path);
    found.retain(|path| path.len() > 1 || path.first().is_some_and(|name| IMPURE.contains(&name.as_str())));
    found
}

/// Names, `::` and single signs; comments, text, character literals and lifetimes are left out.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = literal(rest) {
            length
        } else if first.is_alphanumeric() || first == '_' {
            let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            tokens.push(rest[..length].to_owned());
            length
        } else if rest.starts_with("::") {
            tokens.push("::".to_owned());
            2
        } else {
            tokens.extend((!first.is_whitespace()).then(|| first.to_string()));
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

/// Length of the text, character literal or lifetime that the code begins with.
fn literal(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix('b').unwrap_or(rest);
    let skipped = rest.len() - body.len();
    if let Some(raw) = body.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let close = format!("\"{}", "#".repeat(hashes));
            let start = 1 + hashes + 1;
            let end = body[start..].find(&close).map_or(body.len(), |at| start + at + close.len());
            return Some(skipped + end);
        }
        return None;
    }
    let quote = body.chars().next().filter(|c| *c == '"' || *c == '\'')?;
    if quote == '\'' && !body[1..].starts_with('\\') && body[1..].chars().nth(1) != Some('\'') {
        return Some(skipped + 1); // a lifetime: its name is a token of its own
    }
    let mut escaped = false;
    let end = body[1..].find(|c: char| {
        let closes = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        closes
    });
    Some(skipped + end.map_or(body.len(), |at| at + 2))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder, relative to the root.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() && name != "target" && name != ".git" {
            found.extend(files(&path));
        } else if path.is_file() {
            found.extend(path.strip_prefix(root()).map(Path::to_path_buf));
        }
    }
    found.sort();
    found
}

fn check(folders: &[&str], rule: Rule) -> Vec<String> {
    let sources = folders.iter().flat_map(|folder| files(&root().join(folder)));
    let sources: Vec<PathBuf> = sources.filter(|path| path.extension().is_some_and(|e| e == "rs")).collect();
    assert!(sources.len() > folders.len(), "no sources found below {folders:?}");
    let read = |path: &PathBuf| fs::read_to_string(root().join(path)).expect("a source file is text");
    sources.iter().flat_map(|path| rule(path, &read(path))).collect()
}

fn assert_clean(findings: &[String]) {
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}
