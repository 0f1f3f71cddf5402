//! Whether an export lets an account have what it imports: by its subject, by name, by an activation.

use tollway_claims::{Activation, Export, Import, PublicKey, Shared};

use crate::exchange::{Exchange, Offer};
use crate::refusal::ImportRefusal;

/// What an import hears that no export contains.
pub(crate) fn not_exported(exporter: &Exchange, import: &Import) -> ImportRefusal {
    let exported = match import.kind.shared() {
        Shared::Stream => Shared::Service,
        Shared::Service => Shared::Stream,
    };
    match exporter
        .exports_of(exported, import.subject.as_filter())
        .is_empty()
    {
        true => ImportRefusal::NotExported,
        false => ImportRefusal::OtherKind { exported },
    }
}

/// Whether one export lets an account have what it imports.
pub(crate) fn check_access(
    offer: &Offer,
    exporter: &Exchange,
    import: &Import,
    importer: &Exchange,
    now: i64,
) -> Result<(), ImportRefusal> {
    let export = &offer.export;
    if let Some(position) = export.account_token_position {
        // The subject itself is the permission; an activation is not asked for beside it.
        let token = import
            .subject
            .as_filter()
            .tokens()
            .nth(position.get() as usize - 1);
        return match token == Some(importer.token().as_bytes()) {
            true => Ok(()),
            false => Err(ImportRefusal::AccountTokenPosition {
                position: position.get(),
                export: export.subject.clone(),
            }),
        };
    }
    if !export.token_required || offer.approved.contains(&importer.account()) {
        return Ok(());
    }
    match &import.activation {
        Some(activation) => check_activation(activation, export, exporter, import, &importer.account(), now),
        None => Err(ImportRefusal::ActivationMissing {
            export: export.subject.clone(),
        }),
    }
}

fn check_activation(
    activation: &Activation,
    export: &Export,
    exporter: &Exchange,
    import: &Import,
    importer: &PublicKey,
    now: i64,
) -> Result<(), ImportRefusal> {
    let claims = activation.claims();
    claims.check_import(
        importer,
        &import.account,
        import.kind.shared(),
        import.subject.as_filter(),
    )?;
    if !exporter.is_signer(&claims.issuer) {
        return Err(ImportRefusal::ActivationSigner {
            issuer: claims.issuer,
        });
    }
    if let Some(at) = claims.expires_at.filter(|&at| now >= at) {
        return Err(ImportRefusal::ActivationExpired { at });
    }
    if let Some(at) = claims.not_before.filter(|&at| now < at) {
        return Err(ImportRefusal::ActivationNotYetValid { at });
    }
    match export.revocations.is_revoked(importer, claims.issued_at) {
        true => Err(ImportRefusal::ActivationRevoked {
            export: export.subject.clone(),
        }),
        false => Ok(()),
    }
}
