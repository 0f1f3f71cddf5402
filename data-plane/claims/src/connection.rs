//! From where, how and when a user may connect.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::json::object;

/// How a client is connected, in the words of `allowed_connection_types`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectionType {
    /// The plain NATS client protocol, with or without TLS.
    Standard,
    /// The client protocol in a websocket.
    Websocket,
    /// Another server as a leaf node.
    Leafnode,
    /// A leaf node in a websocket.
    LeafnodeWs,
    /// MQTT.
    Mqtt,
    /// MQTT in a websocket.
    MqttWs,
    /// A client inside the server's own process.
    InProcess,
}

impl ConnectionType {
    const ALL: [Self; 7] = [
        Self::Standard,
        Self::Websocket,
        Self::Leafnode,
        Self::LeafnodeWs,
        Self::Mqtt,
        Self::MqttWs,
        Self::InProcess,
    ];

    /// The word in a claim.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD",
            Self::Websocket => "WEBSOCKET",
            Self::Leafnode => "LEAFNODE",
            Self::LeafnodeWs => "LEAFNODE_WS",
            Self::Mqtt => "MQTT",
            Self::MqttWs => "MQTT_WS",
            Self::InProcess => "IN_PROCESS",
        }
    }

    /// Whether a claim's list lets this type in. An empty list lets every type
    /// in; words nobody knows do not, not even when nothing else is listed.
    pub fn is_allowed_by(self, list: &[String]) -> bool {
        list.is_empty() || list.iter().any(|word| word.eq_ignore_ascii_case(self.as_str()))
    }
}

impl fmt::Display for ConnectionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ConnectionType {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(word))
            .ok_or(())
    }
}

/// A network: `10.0.0.0/8`, `2001:db8::/32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

/// A text that is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no network: write an address and a prefix length, such as 10.0.0.0/8")]
pub struct InvalidCidr {
    /// The text, cut to a readable length.
    pub text: String,
}

impl Cidr {
    /// Whether the address lies in the network. An IPv4 address that arrives
    /// on an IPv6 socket (`::ffff:1.2.3.4`) counts as the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => same_prefix(
                network.to_bits().into(),
                address.to_bits().into(),
                32,
                self.prefix,
            ),
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                same_prefix(network.to_bits(), address.to_bits(), 128, self.prefix)
            }
            _ => false,
        }
    }
}

fn same_prefix(a: u128, b: u128, width: u32, prefix: u8) -> bool {
    let below = width - u32::from(prefix);
    // A prefix of zero compares nothing, and shifting by the whole width would overflow.
    (a ^ b).checked_shr(below).unwrap_or(0) == 0
}

impl FromStr for Cidr {
    type Err = InvalidCidr;

    fn from_str(text: &str) -> Result<Self, InvalidCidr> {
        let invalid = || InvalidCidr {
            text: text.chars().take(64).collect(),
        };
        let (address, prefix) = text.split_once('/').ok_or_else(invalid)?;
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        if prefix.is_empty() || !prefix.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(invalid());
        }
        let prefix: u8 = prefix.parse().map_err(|_| invalid())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        if prefix > width {
            return Err(invalid());
        }
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl Serialize for Cidr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A list of networks: an array of texts, or one text with commas, as older tools write it.
pub(crate) fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Cidr>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Raw {
        Array(Vec<String>),
        Text(String),
    }
    let parse = |text: &str| text.trim().parse().map_err(serde::de::Error::custom);
    match Option::<Raw>::deserialize(deserializer)? {
        None => Ok(Vec::new()),
        Some(Raw::Array(texts)) => texts.iter().map(|text| parse(text)).collect(),
        Some(Raw::Text(text)) if text.is_empty() => Ok(Vec::new()),
        Some(Raw::Text(text)) => text.split(',').map(parse).collect(),
    }
}

/// A part of every day: from `start` up to, not including, `end`. It goes over
/// midnight when `end` is before `start`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimeWindow {
    start: u32,
    end: u32,
}

/// A text that is no time of day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no time of day: write hours, minutes and seconds, such as 08:30:00")]
pub struct InvalidTimeWindow {
    /// The text, cut to a readable length.
    pub text: String,
}

impl TimeWindow {
    /// A window between two times of day, both `HH:MM:SS`.
    pub fn new(start: &str, end: &str) -> Result<Self, InvalidTimeWindow> {
        Ok(Self {
            start: seconds_of_day(start)?,
            end: seconds_of_day(end)?,
        })
    }

    /// When the window that `now` lies in ends, or `None` when `now` lies
    /// outside. Both are seconds since 1970; times of day are those of the zone.
    /// Where clocks jump over a time, it is as long after the jump as it would have been.
    pub fn end_at(&self, now: i64, zone: &TimeZone) -> Option<i64> {
        let today = Timestamp::from_second(now).ok()?.to_zoned(zone.clone()).date();
        let over_midnight = self.end < self.start;
        // Over midnight, it may have begun yesterday.
        let begun = [Some(today), today.yesterday().ok().filter(|_| over_midnight)];
        begun.into_iter().flatten().find_map(|day| {
            let last = if over_midnight { day.tomorrow().ok()? } else { day };
            let (start, end) = (instant(day, self.start, zone)?, instant(last, self.end, zone)?);
            (start <= now && now < end).then_some(end)
        })
    }
}

/// When a day's clocks show so many seconds after midnight.
fn instant(day: Date, seconds: u32, zone: &TimeZone) -> Option<i64> {
    let part = |of: u32| i8::try_from(of).ok();
    let time = day.at(
        part(seconds / 3600)?,
        part(seconds / 60 % 60)?,
        part(seconds % 60)?,
        0,
    );
    Some(zone.to_zoned(time).ok()?.timestamp().as_second())
}

/// The zone of this name in the database of time zones that is built in; UTC when the name is empty.
pub(crate) fn time_zone(name: &str) -> Option<TimeZone> {
    match name {
        "" => Some(TimeZone::UTC),
        name => TimeZone::get(name).ok(),
    }
}

fn seconds_of_day(text: &str) -> Result<u32, InvalidTimeWindow> {
    let invalid = || InvalidTimeWindow {
        text: text.chars().take(64).collect(),
    };
    let mut parts = text.split(':').map(|part| match part.as_bytes() {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => {
            Some(u32::from(tens - b'0') * 10 + u32::from(ones - b'0'))
        }
        _ => None,
    });
    let mut next = |below| {
        parts
            .next()
            .flatten()
            .filter(|&number| number < below)
            .ok_or_else(invalid)
    };
    let seconds = next(24)? * 3600 + next(60)? * 60 + next(60)?;
    if parts.next().is_some() {
        return Err(invalid());
    }
    Ok(seconds)
}

#[derive(Serialize, Deserialize)]
struct RawTimeWindow {
    start: String,
    end: String,
}

impl Serialize for TimeWindow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = |time: u32| format!("{:02}:{:02}:{:02}", time / 3600, time / 60 % 60, time % 60);
        RawTimeWindow {
            start: text(self.start),
            end: text(self.end),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for TimeWindow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw: RawTimeWindow = object(deserializer)?;
        Self::new(&raw.start, &raw.end).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_their_addresses() {
        for (network, address, inside) in [
            ("0.0.0.0/0", "255.255.255.255", true),
            ("10.0.0.0/8", "10.255.255.255", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.1.2.3/8", "10.9.9.9", true), // bits below the prefix do not count
            ("10.1.2.3/32", "10.1.2.3", true),
            ("10.1.2.3/32", "10.1.2.2", false),
            ("::/0", "ffff::", true),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::1/128", "::1", true),
        ] {
            let network: Cidr = network.parse().unwrap();
            assert_eq!(
                network.contains(address.parse().unwrap()),
                inside,
                "{network} {address}"
            );
        }
        for text in [
            "",
            "/",
            "10.0.0.0",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "::/129",
            "::/999",
            "a/8",
        ] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
    }

    #[test]
    fn windows_end_when_their_day_says() {
        let window = |start, end| TimeWindow::new(start, end).unwrap();
        let at = |hours: i64, minutes: i64| hours * 3600 + minutes * 60;
        for (window, now, end) in [
            (window("08:00:00", "09:00:00"), at(8, 0), Some(at(9, 0))),
            (window("08:00:00", "09:00:00"), at(9, 0), None),
            (
                window("08:00:00", "09:00:00"),
                at(24 + 8, 30),
                Some(at(24 + 9, 0)),
            ),
            (window("22:00:00", "02:00:00"), at(23, 0), Some(at(26, 0))),
            (window("22:00:00", "02:00:00"), at(1, 0), Some(at(2, 0))),
            (window("22:00:00", "02:00:00"), at(12, 0), None),
            (window("00:00:00", "00:00:00"), at(0, 0), None), // empty, as in stock servers
            (window("22:00:00", "02:00:00"), at(-1, 0), Some(at(2, 0))), // before 1970
        ] {
            assert_eq!(window.end_at(now, &TimeZone::UTC), end, "{window:?} {now}");
        }
        for text in [
            "",
            "8:00:00",
            "08:00",
            "24:00:00",
            "08:60:00",
            "08:00:60",
            "08:00:00:00",
            "+8:00:00",
            "ab:cd:ef",
        ] {
            assert!(TimeWindow::new(text, "09:00:00").is_err(), "{text}");
        }
    }

    #[test]
    fn windows_follow_the_clocks_of_their_zone() {
        let second = |text: &str| text.parse::<Timestamp>().unwrap().as_second();
        let zone = time_zone("Europe/Berlin").unwrap();
        for (start, end, now, expected) in [
            // Winter and summer.
            (
                "08:00:00",
                "09:00:00",
                "2026-01-10T07:30:00Z",
                Some("2026-01-10T08:00:00Z"),
            ),
            (
                "08:00:00",
                "09:00:00",
                "2026-07-10T06:30:00Z",
                Some("2026-07-10T07:00:00Z"),
            ),
            ("08:00:00", "09:00:00", "2026-07-10T07:30:00Z", None),
            // The local day is another one than that of UTC.
            (
                "23:00:00",
                "01:00:00",
                "2026-07-10T22:30:00Z",
                Some("2026-07-10T23:00:00Z"),
            ),
            (
                "00:00:00",
                "01:00:00",
                "2026-07-10T22:30:00Z",
                Some("2026-07-10T23:00:00Z"),
            ),
            // The night that is an hour shorter, and the one that is longer.
            (
                "22:00:00",
                "06:00:00",
                "2026-03-29T02:30:00Z",
                Some("2026-03-29T04:00:00Z"),
            ),
            (
                "22:00:00",
                "06:00:00",
                "2026-10-25T02:30:00Z",
                Some("2026-10-25T05:00:00Z"),
            ),
            // Clocks go from 2:00 to 3:00: 2:30 is 3:30.
            (
                "02:30:00",
                "04:00:00",
                "2026-03-29T01:45:00Z",
                Some("2026-03-29T02:00:00Z"),
            ),
            ("02:30:00", "04:00:00", "2026-03-29T01:15:00Z", None),
        ] {
            let window = TimeWindow::new(start, end).unwrap();
            assert_eq!(
                window.end_at(second(now), &zone),
                expected.map(second),
                "{start} {end} {now}"
            );
        }
        assert_eq!(
            TimeWindow::new("00:00:00", "01:00:00")
                .unwrap()
                .end_at(i64::MAX, &zone),
            None
        );
        for name in [
            "Mars/Olympus",
            "../../etc/passwd",
            "Europe/Berlin\0",
            "/etc/localtime",
        ] {
            assert!(time_zone(name).is_none(), "{name}");
        }
    }

    #[test]
    fn words_of_connection_types_are_read_back() {
        for kind in ConnectionType::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert_eq!("TELNET".parse::<ConnectionType>(), Err(()));
    }
}
