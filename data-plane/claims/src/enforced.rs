//! Which parts of an account's document a server acts on.

use std::fmt;

use crate::account::AccountClaims;
use crate::export::ExportKind;
use crate::rate::UserShare;

/// A part of an account's document that not every server acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// `exports`.
    Exports,
    /// `service_latency` of an export.
    ServiceLatency,
    /// `imports`.
    Imports,
    /// `mappings`.
    Mappings,
    /// Rates at which single users receive, in our own claim.
    UserRatesOut,
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exports => "exports",
            Self::ServiceLatency => "service latency",
            Self::Imports => "imports",
            Self::Mappings => "mappings",
            Self::UserRatesOut => "rates at which single users receive",
        })
    }
}

/// What a server acts on. A document with anything else is refused, because
/// its tenant would rely on something that does not happen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Enforced {
    /// Imports of other accounts are served from this account's exports.
    pub exports: bool,
    /// Response times of exported services are measured and told.
    pub service_latency: bool,
    /// Imported streams arrive, and requests to imported services leave.
    pub imports: bool,
    /// Published messages are renamed.
    pub mappings: bool,
    /// Single users receive no more than their rates allow.
    pub user_rates_out: bool,
}

impl Enforced {
    /// None of it: what [`crate::Trust`] begins with.
    pub const NONE: Self = Self {
        exports: false,
        service_latency: false,
        imports: false,
        mappings: false,
        user_rates_out: false,
    };

    /// All of it.
    pub const ALL: Self = Self {
        exports: true,
        service_latency: true,
        imports: true,
        mappings: true,
        user_rates_out: true,
    };
}

impl AccountClaims {
    /// The first part of this document that such a server would not act on.
    pub fn not_enforced(&self, enforced: Enforced) -> Option<Feature> {
        let measured = self
            .exports
            .iter()
            .any(|export| matches!(&export.kind, ExportKind::Service(service) if service.latency.is_some()));
        let limits_receiving = |share: &UserShare| {
            let rates = [share.rates.messages_out, share.rates.bytes_out];
            rates.iter().flatten().any(|limit| limit.get().is_some())
        };
        let shares = self
            .tollway
            .iter()
            .flat_map(|claim| claim.signing_keys.values().chain([&claim.users]));
        let limited = shares.into_iter().any(limits_receiving);
        [
            (Feature::Exports, enforced.exports, !self.exports.is_empty()),
            (Feature::ServiceLatency, enforced.service_latency, measured),
            (Feature::Imports, enforced.imports, !self.imports.is_empty()),
            (Feature::Mappings, enforced.mappings, !self.mappings.is_empty()),
            (Feature::UserRatesOut, enforced.user_rates_out, limited),
        ]
        .into_iter()
        .find(|&(_, enforced, present)| present && !enforced)
        .map(|(feature, _, _)| feature)
    }
}
