//! Boot file, its parameters and the class of HTTP boot: one decision for each client, told in up to three options.

use super::{Block, Selector, TooLarge};
use crate::lease::options::{OPTION_UNASKED, Origin};
use crate::lease::source::{Boot, BootFile, strings};
use crate::wire::dhcp6::code;

/// UEFI firmware takes an answer for one of HTTP boot only if it has this vendor class, under the enterprise number that
/// firmware itself uses (UEFI 2.10 §24.7.2; EDK II compares the class, DHCP-162).
const HTTP_CLASS: &str = "HTTPClient";
const HTTP_ENTERPRISE: u32 = 343;

/// A port that names a boot file of its own has nothing of the network's; one that only has parameters has them in place
/// of the network's.
pub(super) fn put(out: &mut Block, shared: &Boot, own: Option<&Boot>) -> Result<(), TooLarge> {
    let replaces = own.is_some_and(|own| own.url.is_some() || own.files.is_some());
    let (boot, from) =
        if replaces { (own.unwrap_or(shared), Origin::Port) } else { (shared, Origin::Network) };
    let params = own.and_then(|own| own.params.as_ref()).map(|params| (params, Origin::Port));
    let params = params.or_else(|| boot.params.as_ref().map(|params| (params, from)));
    let files = sorted(boot.files.as_deref().unwrap_or(&[]));
    let (any_params, any_http) = (
        files.iter().any(|file| !file.params.is_empty()),
        boot.url.iter().chain(files.iter().map(|file| &file.url)).any(|url| is_http(url)),
    );
    for file in files {
        let all = Selector {
            architectures: &file.architectures,
            user_class: &file.user_class,
            vendor_class: &file.vendor_class,
        };
        out.put_if(all, OPTION_UNASKED, from, code::BOOTFILE_URL, Some(file.url.as_bytes()))?;
        if any_params || params.is_some() {
            let value = strings(&file.params);
            out.put_if(all, 0, from, code::BOOTFILE_PARAM, Some(&*value).filter(|v| !v.is_empty()))?;
        }
        if any_http {
            let class = http_class(&file.vendor_class).filter(|_| is_http(&file.url));
            let some = Selector { vendor_class: class.unwrap_or(&file.vendor_class), ..all };
            let value = class.map(|_| http_value());
            out.put_if(some, OPTION_UNASKED, from, code::VENDOR_CLASS, value.as_deref())?;
        }
    }
    let Some(url) = &boot.url else { return Ok(()) };
    out.put(OPTION_UNASKED, from, code::BOOTFILE_URL, url.as_bytes())?;
    if let Some((params, from)) = params.filter(|(params, _)| !params.is_empty()) {
        out.put(0, from, code::BOOTFILE_PARAM, &strings(params))?;
    }
    if is_http(url) {
        let http = Selector { architectures: &[], user_class: "", vendor_class: HTTP_CLASS };
        out.put_if(http, OPTION_UNASKED, from, code::VENDOR_CLASS, Some(&http_value()))?;
    }
    Ok(())
}

/// The most specific first (see `lease::options`).
fn sorted(files: &[BootFile]) -> Vec<&BootFile> {
    let mut files: Vec<&BootFile> = files.iter().collect();
    files.sort_by_key(|file| {
        let (user, architectures) = (!file.user_class.is_empty(), !file.architectures.is_empty());
        std::cmp::Reverse((user, file.vendor_class.len(), architectures))
    });
    files
}

fn is_http(url: &str) -> bool {
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}

/// The class that a client must have to be one of HTTP boot and one of `class`; `None` when it cannot be both.
fn http_class(class: &str) -> Option<&str> {
    if HTTP_CLASS.starts_with(class) {
        return Some(HTTP_CLASS);
    }
    Some(class).filter(|class| class.starts_with(HTTP_CLASS))
}

fn http_value() -> Vec<u8> {
    [&HTTP_ENTERPRISE.to_be_bytes()[..], &strings(&[HTTP_CLASS.to_owned()])].concat()
}
