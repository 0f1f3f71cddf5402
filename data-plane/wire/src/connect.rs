//! What a client says about itself.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::error_text::ProtocolError;

/// The options of `CONNECT`.
///
/// Keys we do not know are ignored, and so is the case that a key is null. Some defaults are true:
/// see [`Default`](Self::default). The size is bounded by the control line's.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectOptions {
    /// Answer each operation with `+OK`.
    pub verbose: bool,
    /// Check the subjects of published messages.
    pub pedantic: bool,
    /// The client wants TLS.
    pub tls_required: bool,
    /// Deliver the client's own messages to its own subscriptions.
    pub echo: bool,
    /// The client understands headers.
    pub headers: bool,
    /// The client wants to be told when nobody is interested in a request.
    pub no_responders: bool,
    /// 0, or 1 for a client that understands a second `INFO`.
    pub protocol: i64,
    /// The client's name for itself. This and the next two are only shown, so they have no control
    /// characters: whoever reads a log with a terminal must not be told what to do by a client.
    pub name: Option<String>,
    /// The language of its library.
    pub lang: Option<String>,
    /// The version of its library.
    pub version: Option<String>,
    /// The user's token.
    pub jwt: Option<String>,
    /// The signature over the server's nonce.
    pub sig: Option<String>,
    /// The user's public key, for a user without a token.
    pub nkey: Option<String>,
    /// A user name.
    pub user: Option<String>,
    /// A password.
    pub pass: Option<String>,
    /// An opaque token.
    pub auth_token: Option<String>,
    /// A trusted proxy's signature over the nonce.
    pub proxy_sig: Option<String>,
    /// The account that the client asks for. No client may: see [`check`](Self::check).
    pub account: Option<String>,
    /// Whether the client asks for a new account. No client may either.
    pub new_account: bool,
}

impl Default for ConnectOptions {
    /// What holds for keys that are absent: `verbose`, `pedantic` and `echo` are on.
    fn default() -> Self {
        Self {
            verbose: true,
            pedantic: true,
            tls_required: false,
            echo: true,
            headers: false,
            no_responders: false,
            protocol: 0,
            name: None,
            lang: None,
            version: None,
            jwt: None,
            sig: None,
            nkey: None,
            user: None,
            pass: None,
            auth_token: None,
            proxy_sig: None,
            account: None,
            new_account: false,
        }
    }
}

impl ConnectOptions {
    /// Reads the JSON of a connection's first `CONNECT`.
    pub fn parse(json: &[u8]) -> Result<Self, InvalidConnect> {
        let mut options = Self::default();
        options.merge(json)?;
        Ok(options)
    }

    /// Reads the JSON of a further `CONNECT` on the same connection: what it does not mention stays
    /// as it was. Nothing changes if it is malformed.
    pub fn merge(&mut self, json: &[u8]) -> Result<(), InvalidConnect> {
        if has_control_in_text(json) {
            return Err(InvalidConnect::ControlCharacter);
        }
        let mentioned: Mentioned = serde_json::from_slice(json)?;
        mentioned.apply_to(self);
        Ok(())
    }

    /// What has to hold before the client is authenticated, as [`check_user`](Self::check_user) has to
    /// afterwards; otherwise it is told so and the connection is closed.
    pub fn check(&self) -> Result<(), ProtocolError> {
        if self.account.as_ref().is_some_and(|account| !account.is_empty()) || self.new_account {
            return Err(ProtocolError::AuthorizationViolation);
        }
        Ok(())
    }

    /// What has to hold of a client that is authenticated: nobody else is told.
    pub fn check_user(&self) -> Result<(), ProtocolError> {
        if !matches!(self.protocol, 0 | 1) {
            return Err(ProtocolError::InvalidClientProtocol);
        }
        if self.no_responders && !self.headers {
            return Err(ProtocolError::NoRespondersRequiresHeaders);
        }
        Ok(())
    }
}

/// What a `CONNECT` mentions. A key that is null counts as not mentioned. Like stock servers this
/// takes keys in any case, the last of several, and text that is not Unicode: clients in languages
/// that do not check their strings send such names.
#[derive(Default)]
struct Mentioned {
    verbose: Option<bool>,
    pedantic: Option<bool>,
    tls_required: Option<bool>,
    echo: Option<bool>,
    headers: Option<bool>,
    no_responders: Option<bool>,
    protocol: Option<i64>,
    name: Option<Text>,
    lang: Option<Text>,
    version: Option<Text>,
    jwt: Option<Text>,
    sig: Option<Text>,
    nkey: Option<Text>,
    user: Option<Text>,
    pass: Option<Text>,
    auth_token: Option<Text>,
    proxy_sig: Option<Text>,
    account: Option<Text>,
    new_account: Option<bool>,
}

impl<'de> Deserialize<'de> for Mentioned {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MentionedVisitor)
    }
}

struct MentionedVisitor;

impl<'de> Visitor<'de> for MentionedVisitor {
    type Value = Mentioned;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the options of CONNECT")
    }

    /// `null` mentions nothing.
    fn visit_unit<E>(self) -> Result<Mentioned, E> {
        Ok(Mentioned::default())
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Mentioned, M::Error> {
        /// Reads a value behind its key.
        fn read<'de, T: Deserialize<'de>, M: MapAccess<'de>>(
            map: &mut M,
            option: &mut Option<T>,
        ) -> Result<(), M::Error> {
            if let Some(value) = map.next_value::<Option<T>>()? {
                *option = Some(value);
            }
            Ok(())
        }
        let mut found = Mentioned::default();
        while let Some(key) = map.next_key::<Key>()? {
            match key.as_bytes() {
                b"verbose" => read(&mut map, &mut found.verbose)?,
                b"pedantic" => read(&mut map, &mut found.pedantic)?,
                b"tls_required" => read(&mut map, &mut found.tls_required)?,
                b"echo" => read(&mut map, &mut found.echo)?,
                b"headers" => read(&mut map, &mut found.headers)?,
                b"no_responders" => read(&mut map, &mut found.no_responders)?,
                b"protocol" => read(&mut map, &mut found.protocol)?,
                b"name" => read(&mut map, &mut found.name)?,
                b"lang" => read(&mut map, &mut found.lang)?,
                b"version" => read(&mut map, &mut found.version)?,
                b"jwt" => read(&mut map, &mut found.jwt)?,
                b"sig" => read(&mut map, &mut found.sig)?,
                b"nkey" => read(&mut map, &mut found.nkey)?,
                b"user" => read(&mut map, &mut found.user)?,
                b"pass" => read(&mut map, &mut found.pass)?,
                b"auth_token" => read(&mut map, &mut found.auth_token)?,
                b"proxy_sig" => read(&mut map, &mut found.proxy_sig)?,
                b"account" => read(&mut map, &mut found.account)?,
                b"new_account" => read(&mut map, &mut found.new_account)?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }
}

/// A key in small letters; of one that is longer than all we know, nothing.
struct Key {
    bytes: [u8; Key::BYTES_MAX],
    length: usize,
}

impl Key {
    const BYTES_MAX: usize = "no_responders".len();

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(KeyVisitor)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E>(self, found: &[u8]) -> Result<Key, E> {
        let mut bytes = [0; Key::BYTES_MAX];
        let mut length = 0;
        if let Some(room) = bytes.get_mut(..found.len()) {
            room.copy_from_slice(found);
            room.make_ascii_lowercase();
            length = found.len();
        }
        Ok(Key { bytes, length })
    }
}

/// Whether a control character stands in a string as it is. The parser would take it, because text
/// is read as bytes; JSON wants it escaped, and so do stock servers.
fn has_control_in_text(json: &[u8]) -> bool {
    let is_control = |byte: &u8| *byte < b' ';
    if !json.iter().any(is_control) {
        return false;
    }
    let (mut inside, mut escaped) = (false, false);
    for byte in json {
        match (inside, byte) {
            (true, byte) if is_control(byte) => return true,
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => inside = !inside,
            _ => {}
        }
    }
    false
}

/// Text in which whatever is not Unicode was replaced.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // As bytes, because those are not checked.
        deserializer.deserialize_bytes(TextVisitor)
    }
}

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Text, E> {
        // Nearly all is Unicode, and a token is long: that way is quicker.
        Ok(Text(match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => String::from_utf8_lossy(bytes).into_owned(),
        }))
    }
}

impl Mentioned {
    fn apply_to(self, options: &mut ConnectOptions) {
        fn set<T>(option: &mut T, mentioned: Option<T>) {
            if let Some(value) = mentioned {
                *option = value;
            }
        }
        fn set_some(option: &mut Option<String>, mentioned: Option<Text>) {
            if let Some(Text(text)) = mentioned {
                *option = Some(text);
            }
        }
        set(&mut options.verbose, self.verbose);
        set(&mut options.pedantic, self.pedantic);
        set(&mut options.tls_required, self.tls_required);
        set(&mut options.echo, self.echo);
        set(&mut options.headers, self.headers);
        set(&mut options.no_responders, self.no_responders);
        set(&mut options.protocol, self.protocol);
        let shown = |text: Option<Text>| match text {
            Some(Text(text)) if text.contains(char::is_control) => {
                Some(Text(text.replace(char::is_control, "\u{fffd}")))
            }
            text => text,
        };
        set_some(&mut options.name, shown(self.name));
        set_some(&mut options.lang, shown(self.lang));
        set_some(&mut options.version, shown(self.version));
        // Whoever reads it from a file may have sent the line end too.
        let jwt = self.jwt.map(|Text(mut jwt)| {
            jwt.truncate(jwt.trim_end_matches(['\r', '\n']).len());
            Text(jwt)
        });
        set_some(&mut options.jwt, jwt);
        set_some(&mut options.sig, self.sig);
        set_some(&mut options.nkey, self.nkey);
        set_some(&mut options.user, self.user);
        set_some(&mut options.pass, self.pass);
        set_some(&mut options.auth_token, self.auth_token);
        set_some(&mut options.proxy_sig, self.proxy_sig);
        set_some(&mut options.account, self.account);
        set(&mut options.new_account, self.new_account);
    }
}

/// Why what follows `CONNECT` cannot be read. The connection is closed without a word.
#[derive(Debug, thiserror::Error)]
pub enum InvalidConnect {
    /// It is no JSON, or a value has the wrong type.
    #[error("malformed JSON in CONNECT")]
    Json(#[from] serde_json::Error),
    /// A control character in a string is not escaped.
    #[error("a control character in the JSON of CONNECT")]
    ControlCharacter,
}

impl fmt::Debug for ConnectOptions {
    /// Without what authenticates: options end up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = |secret: &Option<String>| secret.as_ref().map(|_| "(hidden)");
        f.debug_struct("ConnectOptions")
            .field("verbose", &self.verbose)
            .field("pedantic", &self.pedantic)
            .field("tls_required", &self.tls_required)
            .field("echo", &self.echo)
            .field("headers", &self.headers)
            .field("no_responders", &self.no_responders)
            .field("protocol", &self.protocol)
            .field("name", &self.name)
            .field("lang", &self.lang)
            .field("version", &self.version)
            .field("jwt", &hidden(&self.jwt))
            .field("sig", &hidden(&self.sig))
            .field("nkey", &self.nkey)
            .field("user", &self.user)
            .field("pass", &hidden(&self.pass))
            .field("auth_token", &hidden(&self.auth_token))
            .field("proxy_sig", &hidden(&self.proxy_sig))
            .field("account", &self.account)
            .field("new_account", &self.new_account)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_keys_and_null_have_the_stock_defaults() {
        for json in [
            "{}",
            r#"{"verbose":null,"jwt":null,"protocol":null,"unknown":{"deep":[1]}}"#,
        ] {
            let options = ConnectOptions::parse(json.as_bytes()).unwrap();
            assert_eq!(options, ConnectOptions::default());
            assert!(options.verbose && options.pedantic && options.echo);
            assert!(!options.headers && !options.no_responders && !options.tls_required);
            assert_eq!(options.protocol, 0);
            assert_eq!(options.check(), Ok(()));
        }
    }

    #[test]
    fn what_a_client_library_sends_is_understood() {
        let options = ConnectOptions::parse(
            br#"{"verbose":false,"pedantic":false,"tls_required":false,"name":"orders","lang":"go",
                "version":"1.53.1","protocol":1,"echo":false,"headers":true,"no_responders":true,
                "jwt":"eyJ0","sig":"c2ln","nkey":"UUSER","user":"u","pass":"p","auth_token":"t"}"#,
        )
        .unwrap();
        let expected = ConnectOptions {
            verbose: false,
            pedantic: false,
            echo: false,
            headers: true,
            no_responders: true,
            protocol: 1,
            name: Some("orders".into()),
            lang: Some("go".into()),
            version: Some("1.53.1".into()),
            jwt: Some("eyJ0".into()),
            sig: Some("c2ln".into()),
            nkey: Some("UUSER".into()),
            user: Some("u".into()),
            pass: Some("p".into()),
            auth_token: Some("t".into()),
            ..ConnectOptions::default()
        };
        assert_eq!(options, expected);
        assert_eq!(options.check(), Ok(()));
    }

    #[test]
    fn json_is_read_as_stock_servers_read_it() {
        let read = |json: &[u8]| ConnectOptions::parse(json).unwrap();
        assert!(!read(br#"{"VERBOSE":false}"#).verbose, "keys in any case");
        assert!(
            !read(br#"{"verbose":true,"verbose":false}"#).verbose,
            "the last one"
        );
        assert!(
            !read(br#"{"verbose":false,"verbose":null}"#).verbose,
            "null mentions nothing"
        );
        let name = |json: &[u8]| read(json).name.unwrap();
        assert_eq!(name(b"{\"name\":\"a\xff\"}"), "a\u{fffd}");
        assert!(name(br#"{"name":"a\ud800"}"#).starts_with("a\u{fffd}"));
        assert_eq!(name(br#"{"name":"\u00e9"}"#), "\u{e9}");
        assert_eq!(read(b"null"), ConnectOptions::default());
        assert_eq!(
            read(br#"{"jwt":"e30.e30.e30\n"}"#).jwt.as_deref(),
            Some("e30.e30.e30")
        );
    }

    #[test]
    fn a_control_character_in_a_string_is_escaped_or_refused() {
        for byte in 0..b' ' {
            for (before, behind) in [
                ("{\"name\":\"a", "b\"}"),
                ("{\"other\":[\"\\\\\\\"", "\"]}"),
                ("{\"a", "\":1}"),
            ] {
                let json = [before.as_bytes(), &[byte], behind.as_bytes()].concat();
                assert!(ConnectOptions::parse(&json).is_err(), "{}", json.escape_ascii());
            }
        }
        let blanks = ConnectOptions::parse(b"{\t\"user\" :\t\"a\\\\\",\r\"pass\":\"\\u0001\"}").unwrap();
        // What proves something is taken as it is.
        assert_eq!(
            (blanks.user.as_deref(), blanks.pass.as_deref()),
            (Some("a\\"), Some("\u{1}"))
        );
    }

    #[test]
    fn what_is_shown_of_a_client_has_no_control_characters() {
        let json = br#"{"name":"a\u001b[2J\n","lang":"\u0000","version":"1\u0085\r2"}"#;
        let options = ConnectOptions::parse(json).unwrap();
        assert_eq!(options.name.as_deref(), Some("a\u{fffd}[2J\u{fffd}"));
        assert_eq!(options.lang.as_deref(), Some("\u{fffd}"));
        assert_eq!(options.version.as_deref(), Some("1\u{fffd}\u{fffd}2"));
    }

    #[test]
    fn a_further_connect_changes_only_what_it_mentions() {
        let mut options = ConnectOptions::parse(br#"{"verbose":false,"name":"a","headers":true}"#).unwrap();
        options.merge(br#"{"name":"b"}"#).unwrap();
        assert_eq!(
            (options.verbose, options.headers, options.name.as_deref()),
            (false, true, Some("b"))
        );

        let before = options.clone();
        options.merge(br#"{"name":"c","verbose":"yes"}"#).unwrap_err();
        assert_eq!(options, before);
    }

    #[test]
    fn malformed_json_is_refused() {
        for json in [
            "",
            "{",
            "[]x",
            "null!",
            "7",
            r#"{"verbose":1}"#,
            r#"{"user":{}}"#,
            "{}{}",
            "\u{0}",
        ] {
            assert!(ConnectOptions::parse(json.as_bytes()).is_err(), "{json}");
        }
        let deep = "[".repeat(4000);
        assert!(ConnectOptions::parse(format!("{{\"x\":{deep}").as_bytes()).is_err());
    }

    #[test]
    fn options_that_no_client_may_use_are_told_apart() {
        for json in [r#"{"account":"A"}"#, r#"{"new_account":true}"#] {
            let options = ConnectOptions::parse(json.as_bytes()).unwrap();
            assert_eq!(
                options.check(),
                Err(ProtocolError::AuthorizationViolation),
                "{json}"
            );
        }
        for json in [r#"{"protocol":2}"#, r#"{"protocol":-1}"#] {
            let options = ConnectOptions::parse(json.as_bytes()).unwrap();
            // Who is not let in hears of that alone.
            assert_eq!(options.check(), Ok(()), "{json}");
            assert_eq!(
                options.check_user(),
                Err(ProtocolError::InvalidClientProtocol),
                "{json}"
            );
        }
        let empty = ConnectOptions::parse(br#"{"account":"","new_account":false}"#).unwrap();
        assert_eq!((empty.check(), empty.check_user()), (Ok(()), Ok(())));
        let headless = ConnectOptions::parse(br#"{"no_responders":true}"#).unwrap();
        assert_eq!(headless.check(), Ok(()));
        assert_eq!(
            headless.check_user(),
            Err(ProtocolError::NoRespondersRequiresHeaders)
        );
    }

    #[test]
    fn secrets_do_not_reach_a_log() {
        let options = ConnectOptions::parse(
            br#"{"jwt":"SECRET","sig":"SECRET","pass":"SECRET","auth_token":"SECRET","proxy_sig":"SECRET","user":"bob"}"#,
        )
        .unwrap();
        let shown = format!("{options:?}");
        assert!(!shown.contains("SECRET") && shown.contains("bob"), "{shown}");
    }
}
