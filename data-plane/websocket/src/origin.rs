//! Which pages may connect. A browser says which page wants to; other clients say nothing and may.

/// Where a page comes from: scheme, host and port, compared as browsers do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    secure: bool,
    host: String,
    port: u16,
}

impl Origin {
    /// Reads `http://host` or `https://host`, with or without a port.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        Self::of_authority(secure, authority)
    }

    /// What a request to this host comes to, when the page is its own.
    fn of_authority(secure: bool, authority: &str) -> Option<Self> {
        let bracket = authority.rfind(']').unwrap_or(0);
        let (host, port) = match authority[bracket..].rfind(':') {
            Some(colon) => (
                &authority[..bracket + colon],
                Some(&authority[bracket + colon + 1..]),
            ),
            None => (authority, None),
        };
        if host.is_empty() || host.contains(['@', '\\']) || host.chars().any(char::is_whitespace) {
            return None;
        }
        let port = match port {
            None | Some("") => {
                if secure {
                    443
                } else {
                    80
                }
            }
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
            Some(_) => return None,
        };
        Some(Self {
            secure,
            host: host.to_ascii_lowercase(),
            port,
        })
    }
}

/// Which origins may connect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OriginRules {
    /// Only pages of the server's own host.
    pub same: bool,
    /// Only these, unless there are none.
    pub allowed: Vec<Origin>,
}

impl OriginRules {
    /// Whether a page may connect to this host; `secure` says whether it did so over TLS.
    pub(crate) fn allow(&self, origin: &str, host: &str, secure: bool) -> bool {
        if !self.same && self.allowed.is_empty() {
            return true;
        }
        let Some(origin) = Origin::parse(origin) else {
            return false;
        };
        if self.same && Origin::of_authority(secure, host).as_ref() != Some(&origin) {
            return false;
        }
        self.allowed.is_empty() || self.allowed.contains(&origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answers of the stock server to the same origins, asked at `h.test:80` without TLS.
    #[test]
    fn pages_of_the_same_host_scheme_and_port_are_of_the_same_origin() {
        let rules = OriginRules {
            same: true,
            allowed: Vec::new(),
        };
        for (origin, allowed) in [
            ("http://h.test:80", true),
            ("http://h.test", true),
            ("https://h.test", false),
            ("https://h.test:80", false),
            ("http://evil", false),
            ("null", false),
            ("http://H.TEST", true),
            ("h.test", false),
            ("http://h.test:81", false),
            ("http://h.test@evil", false),
            ("http://h.test:8 0", false),
            ("http://h.test:+80", false),
        ] {
            assert_eq!(rules.allow(origin, "h.test:80", false), allowed, "{origin}");
        }
        assert!(rules.allow("https://[::1]", "[::1]", true));
        assert!(!rules.allow("https://[::1]", "[::1]:444", true));
    }

    #[test]
    fn listed_origins_are_allowed_and_no_others() {
        let rules = OriginRules {
            same: false,
            allowed: ["http://h.test", "https://h.test:80"]
                .iter()
                .filter_map(|text| Origin::parse(text))
                .collect(),
        };
        for (origin, allowed) in [
            ("http://h.test:80", true),
            ("http://H.TEST", true),
            ("https://h.test", false),
            ("https://h.test:80", true),
            ("http://h.test.evil", false),
            ("null", false),
        ] {
            assert_eq!(rules.allow(origin, "other", false), allowed, "{origin}");
        }
    }
}
