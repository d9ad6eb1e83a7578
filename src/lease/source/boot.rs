//! Reads boot files: one for all, or by architecture and class (RFC 5970).

use super::fields::{Fields, Path, Refusal};
use super::node::{Node, Value};
use super::options::short_text;
use super::values;
use crate::lease::problem::Findings;

/// What is written about boot files; `None` each when it is not.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Boot {
    /// For clients that no entry of `files` is for.
    pub(crate) url: Option<String>,
    /// Parameters of `url`.
    pub(crate) params: Option<Vec<String>>,
    pub(crate) files: Option<Vec<BootFile>>,
}

/// A boot file for some clients.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct BootFile {
    /// Any when empty.
    pub(crate) architectures: Vec<u16>,
    /// Any when empty.
    pub(crate) user_class: String,
    /// The beginning of one; any when empty.
    pub(crate) vendor_class: String,
    pub(crate) url: String,
    pub(crate) params: Vec<String>,
}

/// Names of the IANA registry of processor architecture types (RFC 5970 §6), those that boot with DHCPv6.
const ARCHITECTURES: [(&str, u16); 15] = [
    ("x86-bios", 0),
    ("x86-uefi", 6),
    ("x64-uefi", 7),
    ("arm32-uefi", 10),
    ("arm64-uefi", 11),
    ("x86-uefi-http", 15),
    ("x64-uefi-http", 16),
    ("arm32-uefi-http", 18),
    ("arm64-uefi-http", 19),
    ("x86-bios-http", 20),
    ("riscv32-uefi", 25),
    ("riscv32-uefi-http", 26),
    ("riscv64-uefi", 27),
    ("riscv64-uefi-http", 28),
    ("riscv128-uefi", 29),
];

/// Boot files of one network or port: every architecture with every class in use, and more than answers are tried with.
const MAX_BOOT_FILES: usize = 64;

pub(super) fn read(fields: &Fields<'_, '_, '_>, out: &mut Findings) -> Boot {
    let mut count = 0_usize;
    let files = fields.tables("boot_files", out, |node, path, out| {
        count += 1;
        if count == MAX_BOOT_FILES + 1 {
            let remedy = format!("keep at most {MAX_BOOT_FILES}");
            out.error(path.field(), "is one too many", count, remedy);
        }
        file(node, path, out)
    });
    Boot {
        url: fields.take("boot_file_url", out, values::uri),
        params: fields.list("boot_file_params", out, short_text),
        files,
    }
}

fn file(node: &Node<'_>, path: &Path<'_>, out: &mut Findings) -> Option<BootFile> {
    let known = ["architectures", "user_class", "vendor_class", "url", "params"];
    let fields = Fields::open(node, node.at, path, &known, out)?;
    let file = BootFile {
        architectures: fields.list("architectures", out, architecture).unwrap_or_default(),
        user_class: fields.take("user_class", out, short_text).unwrap_or_default(),
        vendor_class: fields.take("vendor_class", out, short_text).unwrap_or_default(),
        url: fields.require("url", "write the URL of the boot file", out, values::uri)?,
        params: fields.list("params", out, short_text).unwrap_or_default(),
    };
    if file.architectures.len() > usize::from(u8::MAX) {
        let remedy = "keep at most 255";
        out.error(path.key("architectures").field(), "too many entries", file.architectures.len(), remedy);
    }
    // A list whose entries could not be read is a list all the same.
    let listed = fields.entry("architectures").and_then(|entry| entry.node.item(0));
    if listed.is_none() && file.user_class.is_empty() && file.vendor_class.is_empty() {
        let remedy = "write architectures, user_class or vendor_class, or use boot_file_url";
        out.error(path.field(), "is for every client", &file.url, remedy);
    }
    Some(file)
}

fn architecture(node: &Node<'_>) -> Result<u16, Refusal> {
    let Value::Text(text) = &node.value else {
        return values::integer(0..=65535)(node).map(|code| u16::try_from(code).unwrap_or(u16::MAX));
    };
    let found = ARCHITECTURES.iter().find(|(name, _)| *name == text.as_ref());
    found.map(|(_, code)| *code).ok_or_else(|| {
        let names: Vec<&str> = ARCHITECTURES.iter().map(|(name, _)| *name).collect();
        Refusal::new("is no architecture", format!("write its number, or one of {}", names.join(", ")))
    })
}
