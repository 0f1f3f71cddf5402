//! What a certificate says about who shows it.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::x509::X509Name;

/// The certificate that a client showed and that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Names beside the subject, in the order in which users are looked for: mail addresses, DNS
    /// names, URIs.
    pub alternative_names: Vec<String>,
    subject: Subject,
    /// SHA-256 of the public key (SPKI).
    pub(super) key_digest: [u8; 32],
    /// SHA-256 of the whole certificate.
    pub(super) digest: [u8; 32],
}

/// The parts of a distinguished name: each is a set of attributes, (type, value).
type Part = BTreeSet<(String, String)>;

/// A distinguished name, without the order of its parts: texts name them in both directions.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Subject(Vec<Part>);

impl ClientCertificate {
    pub(super) fn read(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let (mut mails, mut hosts, mut uris) = (Vec::new(), Vec::new(), Vec::new());
        let extension = parsed.subject_alternative_name().ok()?;
        for name in extension.iter().flat_map(|names| &names.value.general_names) {
            match name {
                GeneralName::RFC822Name(mail) => mails.push((*mail).to_owned()),
                GeneralName::DNSName(host) => hosts.push((*host).to_owned()),
                GeneralName::URI(uri) => uris.push((*uri).to_owned()),
                _ => {}
            }
        }
        Some(Self {
            alternative_names: [mails, hosts, uris].concat(),
            subject: Subject::of(parsed.subject())?,
            key_digest: Sha256::digest(parsed.public_key().raw).into(),
            digest: Sha256::digest(certificate).into(),
        })
    }

    /// The subject as RFC 2253 writes it: the last part first.
    pub fn name(&self) -> String {
        let part = |part: &Part| {
            let attributes = part
                .iter()
                .map(|(kind, value)| format!("{kind}={}", escaped(value)));
            attributes.collect::<Vec<_>>().join("+")
        };
        self.subject
            .0
            .iter()
            .rev()
            .map(part)
            .collect::<Vec<_>>()
            .join(",")
    }

    /// Whether the subject is what this text says (`CN=alice,OU=dev,O=Acme`, in either direction).
    /// Every attribute has to be there, and no other: a name that fits a part is another name.
    pub fn subject_is(&self, text: &str) -> bool {
        Subject::parse(text).is_some_and(|wanted| wanted.sorted() == self.subject.sorted())
    }
}

impl Subject {
    /// None when there is a value that is no text: it cannot be named.
    fn of(name: &X509Name<'_>) -> Option<Self> {
        let parts = name.iter_rdn().map(|part| {
            let attributes = part.iter().map(|attribute| {
                let value = attribute.as_str().ok()?.to_owned();
                Some((
                    attribute_name(&attribute.attr_type().to_id_string()).to_owned(),
                    value,
                ))
            });
            attributes.collect::<Option<Part>>()
        });
        parts.collect::<Option<_>>().map(Self)
    }

    /// Reads the text of RFC 4514: parts between commas, attributes of a part between plus signs,
    /// and a backslash before what is meant as it stands.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = vec![Part::new()];
        let (mut kind, mut value) = (String::new(), None::<String>);
        let mut characters = text.chars();
        loop {
            let next = characters.next();
            match (next, &mut value) {
                (None | Some(',' | '+'), Some(found)) => {
                    let attribute = (attribute_name(kind.trim()).to_owned(), found.trim().to_owned());
                    parts.last_mut()?.insert(attribute);
                    (kind, value) = (String::new(), None);
                    match next {
                        None => return Some(Self(parts)),
                        Some(',') => parts.push(Part::new()),
                        _ => {}
                    }
                }
                (None | Some(',' | '+'), None) => return None,
                (Some('='), None) => value = Some(String::new()),
                (Some(character), None) => kind.push(character),
                (Some('\\'), Some(found)) => found.push(characters.next()?),
                (Some(character), Some(found)) => found.push(character),
            }
        }
    }

    fn sorted(&self) -> Vec<&Part> {
        let mut parts: Vec<_> = self.0.iter().collect();
        parts.sort();
        parts
    }
}

/// A value with a backslash before what would mean something else.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (place, character) in value.chars().enumerate() {
        let means_something = matches!(character, ',' | '+' | '"' | '\\' | '<' | '>' | ';');
        let at_the_edge = character == ' ' && (place == 0 || place == last) || character == '#' && place == 0;
        if means_something || at_the_edge {
            text.push('\\');
        }
        text.push(character);
    }
    text
}

/// The short name of an attribute, from that in capitals or its number.
fn attribute_name(text: &str) -> &str {
    const NAMES: [(&str, &str); 11] = [
        ("CN", "2.5.4.3"),
        ("SERIALNUMBER", "2.5.4.5"),
        ("C", "2.5.4.6"),
        ("L", "2.5.4.7"),
        ("ST", "2.5.4.8"),
        ("STREET", "2.5.4.9"),
        ("O", "2.5.4.10"),
        ("OU", "2.5.4.11"),
        ("POSTALCODE", "2.5.4.17"),
        ("DC", "0.9.2342.19200300.100.1.25"),
        ("UID", "0.9.2342.19200300.100.1.1"),
    ];
    let known = NAMES
        .iter()
        .find(|(name, number)| text.eq_ignore_ascii_case(name) || text == *number);
    known.map_or(text, |(name, _)| name)
}

/// When a certificate ends.
pub(super) fn ends(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let seconds = u64::try_from(parsed.validity().not_after.timestamp()).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// The host names that a certificate is for.
pub(super) fn dns_names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        return Vec::new();
    };
    let Ok(Some(names)) = parsed.subject_alternative_name() else {
        return Vec::new();
    };
    let hosts = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(host) => Some(host.to_ascii_lowercase()),
        _ => None,
    });
    hosts.collect()
}

/// Whether a name of a certificate, which may begin with a star for one label, is the wanted one.
pub(super) fn name_fits(name: &str, wanted: &str) -> bool {
    let wanted = wanted.to_ascii_lowercase();
    match name.strip_prefix("*.") {
        Some(domain) => wanted.split_once('.').is_some_and(|(_, rest)| rest == domain),
        None => name == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Option<Vec<Part>> {
        Subject::parse(text).map(|subject| subject.sorted().into_iter().cloned().collect())
    }

    #[test]
    fn names_are_the_same_in_both_directions_and_with_other_spaces() {
        let wanted = parts("CN=alice,OU=dev,O=Acme");
        assert!(wanted.is_some());
        assert_eq!(parts("O=Acme, ou=dev , CN= alice"), wanted);
        assert_eq!(parts("2.5.4.3=alice,OU=dev,O=Acme"), wanted);
        assert_ne!(parts("CN=alice,OU=dev"), wanted, "a part is another name");
        assert_ne!(parts("CN=alice+OU=dev,O=Acme"), wanted, "attributes of one part");
        assert_ne!(
            parts("CN=Alice,OU=dev,O=Acme"),
            wanted,
            "values as they are written"
        );
    }

    #[test]
    fn a_comma_in_a_value_does_not_begin_a_part() {
        assert_eq!(
            parts(r"CN=alice\,OU=admin"),
            Some(vec![Part::from([("CN".into(), "alice,OU=admin".into())])])
        );
        for wrong in ["", "CN", "CN=a,", "CN=a,,O=b", r"CN=a\"] {
            assert_eq!(parts(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_name_that_is_written_is_read_as_the_same() {
        for value in ["alice", " a ", "#a#", "a,b+c\"d\\e<f>g;h", "Zoë"] {
            let text = format!("CN={}", escaped(value));
            let read = Subject::parse(&text).map(|subject| subject.0);
            // Blanks around a value are dropped by who reads names of configurations.
            let wanted = Part::from([("CN".to_owned(), value.trim().to_owned())]);
            if value == value.trim() {
                assert_eq!(read, Some(vec![wanted]), "{text}");
            }
        }
        assert_eq!(escaped(" a "), "\\ a\\ ");
    }

    #[test]
    fn a_star_stands_for_one_label() {
        assert!(name_fits("*.a.test", "B.a.test") && name_fits("a.test", "A.test"));
        assert!(!name_fits("*.a.test", "a.test") && !name_fits("*.a.test", "c.b.a.test"));
    }
}
