//! Files that pages load, embedded in the program.
//!
//! Their URLs carry a hash of their bytes, so a browser may keep them for
//! ever, and a new version of the program never meets an old style sheet.

use std::sync::LazyLock;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// A file that is part of the program.
#[derive(Debug)]
pub struct Asset {
    /// The last part of its path, without the hash.
    pub name: &'static str,
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// Its bytes.
    pub bytes: &'static [u8],
    path: String,
}

/// The style sheet of every page.
pub static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "console.css",
        "text/css; charset=utf-8",
        include_bytes!("../assets/console.css"),
    )
});

/// htmx 2.0.11, as published (licence beside it in `assets/`).
pub static HTMX: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "htmx.js",
        "text/javascript; charset=utf-8",
        include_bytes!("../assets/htmx-2.0.11.min.js"),
    )
});

/// The product's mark; also the icon in the browser's tab.
pub static LOGO: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("logo.svg", "image/svg+xml", include_bytes!("../assets/logo.svg")));

impl Asset {
    fn new(name: &'static str, content_type: &'static str, bytes: &'static [u8]) -> Asset {
        let digest = HEXLOWER.encode(&Sha256::digest(bytes));
        // Twelve digits tell versions of one file apart; this is no protection.
        let path = format!("/assets/{}-{name}", &digest[..12]);
        Asset {
            name,
            content_type,
            bytes,
            path,
        }
    }

    /// The path under which pages ask for this file, beginning with `/assets/`.
    pub fn url(&self) -> &str {
        &self.path
    }
}

/// The file that is served at `/assets/{file}`, if there is one.
pub fn find(file: &str) -> Option<&'static Asset> {
    [&STYLE, &HTMX, &LOGO]
        .into_iter()
        .map(|asset| &**asset)
        .find(|asset| asset.path.strip_prefix("/assets/") == Some(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asset_is_found_by_the_url_that_pages_print_and_by_nothing_else() {
        let file = STYLE.url().strip_prefix("/assets/").unwrap();
        assert!(find(file).is_some_and(|asset| asset.name == "console.css"));
        assert!(find("console.css").is_none());
        assert!(find("000000000000-console.css").is_none());
    }

    #[test]
    fn the_style_sheet_loads_nothing_from_elsewhere() {
        let css = std::str::from_utf8(STYLE.bytes).unwrap();
        assert!(!css.contains("url("), "the policy allows images of our own only");
        assert!(!css.contains("@import"));
    }
}
