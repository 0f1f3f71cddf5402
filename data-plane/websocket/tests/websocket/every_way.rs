//! Any bytes as what a client of a websocket sends. The seeded loop of the tests calls this, and so
//! does the fuzzer (`data-plane/fuzz`).

use tollway_websocket::bounds::{HELD_BYTES_MAX, INFLATER_BYTES};
use tollway_websocket::{CookieNames, OriginRules, ReceiverLimits, UpgradeSettings, read_request};

use crate::client::receive;

/// Takes the bytes for a request and for frames, in every way there is.
pub(crate) fn fuzz(bytes: &[u8]) {
    let settings = UpgradeSettings {
        compression: true,
        origins: OriginRules {
            same: true,
            allowed: Vec::new(),
        },
        cookies: CookieNames {
            jwt: Some("jwt".into()),
            ..CookieNames::default()
        },
        headers: Vec::new(),
    };
    match read_request(bytes, &settings, bytes.len().is_multiple_of(2)) {
        Ok(None) => {}
        Ok(Some(upgrade)) => assert!(upgrade.response(&settings).ends_with(b"\r\n\r\n")),
        Err(error) => assert!(error.response().starts_with(b"HTTP/1.1 4")),
    }
    for compression in [false, true] {
        for long_messages in [false, true] {
            let limits = ReceiverLimits {
                inflated_bytes_max: 5000,
                long_messages,
            };
            let whole = receive(compression, limits, 700, [bytes]);
            let bytewise = receive(compression, limits, 16_384, bytes.chunks(1));
            let most = HELD_BYTES_MAX + 125 + if long_messages { INFLATER_BYTES } else { 0 };
            for outcome in [&whole, &bytewise] {
                assert!(outcome.held_max <= most, "{}", outcome.held_max);
            }
            // The inflater looks ahead: it may see damage before or after there is too much.
            assert_eq!(whole.error.is_some(), bytewise.error.is_some());
            assert_eq!(whole.events, bytewise.events);
            if whole.error.is_none() {
                assert_eq!(whole.plain, bytewise.plain);
            }
        }
    }
}
