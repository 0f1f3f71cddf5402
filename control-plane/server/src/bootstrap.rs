//! The first start of an installation: operator, platform, authority, first token.
//!
//! Everything is made in one transaction under a lock, so that any number of
//! control planes may start at once: one makes it, the others find it made. Later
//! starts only open what is there.

use std::path::PathBuf;

use serde_json::json;
use time::OffsetDateTime;
use tollway_authz::{Action, Scope};
use tollway_claims::{EncodeError, KeyKind, OperatorClaims, Signer};
use tollway_datastore::{
    AccountSeeds, CertificateAuthorityRecord, Datastore, DatastoreError, NewApiToken, NewAuditEvent,
    NewOrganization, NewSystemAccount, OperatorRecord, OrganizationInsertError, SystemTx, WrappedDataKey,
};
use tollway_model::{
    AccountId, ApiTokenId, AuditEventId, CertificateAuthorityId, Name, OperatorId, Organization,
    OrganizationId, Role,
};
use uuid::Uuid;

use crate::{
    app::OperatorKeys,
    authn::API_TOKEN_PREFIX,
    clock,
    data_folder::{DataFolder, DataFolderError},
    pki::{Authority, AuthorityError, NewAuthority},
    secrets::{
        CallerSecrets, DataKey, KekError, KekSource, KeyEncryptionKey, OpenError, random_array, secret_hash,
    },
};

const OPERATOR_NAME: &str = "tollway";
const PLATFORM_NAME: &str = "platform";
const SYSTEM_ACCOUNT_NAME: &str = "system";
const FIRST_TOKEN_NAME: &str = "first start";

/// What a process needs of the installation, opened.
pub(crate) struct Installation {
    pub(crate) operator: OperatorKeys,
    pub(crate) authority: Authority,
    pub(crate) kek: KeyEncryptionKey,
}

/// The installation cannot be made or opened.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The database did not do its part.
    #[error("failed to read or make the installation")]
    Datastore(#[from] DatastoreError),
    /// Another organization has the platform's name: the database belongs to something else.
    #[error("failed to make the platform's organization")]
    Platform(#[from] OrganizationInsertError),
    /// The process has another key-encryption key than the one that sealed the database.
    #[error(
        "the database is sealed with the key-encryption key {expected}, but this process has {found}: start with the kek file of the first start, or with TOLLWAY_KEK"
    )]
    OtherKek {
        /// Id of the key that sealed it.
        expected: String,
        /// Id of the key we have.
        found: String,
    },
    /// The process has no key-encryption key, and the database is sealed with one.
    #[error(
        "the database is sealed with the key-encryption key {expected}, and there is no key file {}: start with the --data-dir or --kek-file of the first start, or with TOLLWAY_KEK", file.display()
    )]
    NoKek {
        /// Id of the key that sealed it.
        expected: String,
        /// Where the key should be.
        file: PathBuf,
    },
    /// The folder, with its key and token, was made for another database.
    #[error(
        "the data folder {} belongs to the installation of the operator {operator}, and {found}: start with the database of that installation, or choose another folder with --data-dir", folder.display()
    )]
    OtherInstallation {
        /// Whose it is.
        folder: PathBuf,
        /// The operator of its installation.
        operator: String,
        /// What the database is instead.
        found: String,
    },
    /// The key-encryption key cannot be read or made.
    #[error(transparent)]
    Kek(#[from] KekError),
    /// A sealed value does not open.
    #[error("failed to open {what}")]
    Open {
        /// Which one.
        what: &'static str,
        /// What is wrong.
        #[source]
        source: OpenError,
    },
    /// Half of the installation is missing: the database was changed by hand.
    #[error("the database has no {0}: restore it from a backup")]
    Missing(&'static str),
    /// A seed that opened is none.
    #[error("failed to read the operator's signing seed")]
    Seed(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The operator JWT cannot be signed.
    #[error("failed to sign the operator JWT")]
    Sign(#[from] EncodeError),
    /// The authority cannot be made or read.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The first token cannot be written out.
    #[error(transparent)]
    Folder(#[from] DataFolderError),
}

/// Makes what is missing, and opens what is there.
pub(crate) async fn bootstrap(
    datastore: &Datastore,
    kek: KekSource,
    folder: &DataFolder,
) -> Result<Installation, BootstrapError> {
    let now = clock::now();
    let own = folder.read_installation()?;
    let mut tx = datastore.begin_system(&Scope::system("bootstrap")).await?;
    tx.bootstrap_lock().await?;
    let installation = match tx.organization_platform_get().await? {
        Some(platform) => {
            if let (Some(own), Some(record)) = (&own, tx.operator_get().await?)
                && *own != record.public_key.as_str()
            {
                let found = format!("the database to that of {}", record.public_key);
                return Err(other_installation(folder, own, found));
            }
            open(&mut tx, kek, &platform).await?
        }
        // Made here, it would replace the token of the other one.
        None => match &own {
            Some(own) => {
                return Err(other_installation(
                    folder,
                    own,
                    "the database is empty".to_owned(),
                ));
            }
            None => make(&mut tx, kek.load_or_create()?, now).await?,
        },
    };
    if !tx.platform_api_token_exists().await? {
        make_first_token(&mut tx, &installation.kek, folder, now).await?;
        tracing::info!(file = %folder.admin_token_file().display(), "the first API token is in this file");
    } else if !folder.has_admin_token() {
        tracing::info!(
            file = %folder.admin_token_file().display(),
            "the first API token was written by another process, or has been moved; it is not in this data folder"
        );
    }
    let operator = tx
        .operator_get()
        .await?
        .ok_or(BootstrapError::Missing("operator"))?;
    tx.commit().await?;
    if own.is_none() {
        // Only now: an installation that was not committed is made again.
        folder.write_installation(operator.public_key.as_str())?;
    }
    Ok(installation)
}

fn other_installation(folder: &DataFolder, own: &str, found: String) -> BootstrapError {
    BootstrapError::OtherInstallation {
        folder: folder.path().to_owned(),
        operator: own.to_owned(),
        found,
    }
}

async fn make(
    tx: &mut SystemTx,
    kek: KeyEncryptionKey,
    now: OffsetDateTime,
) -> Result<Installation, BootstrapError> {
    let unix_ms = clock::unix_ms(now);
    let platform_id = OrganizationId::new(unix_ms, random_array());
    let name: Name = PLATFORM_NAME.parse().expect("the platform's name is a name");
    let display_name = (&name).into();
    let platform = NewOrganization {
        id: platform_id,
        name,
        display_name,
        is_platform: true,
        created_at: now,
    };
    tx.organization_insert(&platform).await?;
    let data_key = DataKey::generate(platform_id.uuid());
    let wrapped = WrappedDataKey {
        kek_id: kek.id().to_owned(),
        wrapped: kek.wrap(platform_id.uuid(), &data_key),
    };
    tx.data_key_insert(platform_id, &wrapped, now).await?;

    let account_key = || Signer::generate(KeyKind::Account, random_array());
    let (system, system_signing) = (account_key(), account_key());
    let seal = |signer: &Signer| data_key.seal(&signer.public().to_string(), signer.seed().as_bytes());
    tx.system_account_insert(&NewSystemAccount {
        id: AccountId::new(unix_ms, random_array()),
        organization_id: platform_id,
        name: SYSTEM_ACCOUNT_NAME
            .parse()
            .expect("the system account's name is a name"),
        public_key: system
            .public()
            .to_string()
            .parse()
            .expect("an account signer has an account key"),
        signing_public_key: system_signing
            .public()
            .to_string()
            .parse()
            .expect("an account signer has an account key"),
        seeds: AccountSeeds {
            identity: seal(&system),
            signing: seal(&system_signing),
        },
        created_at: now,
    })
    .await?;

    let operator_key = || Signer::generate(KeyKind::Operator, random_array());
    let (identity, signing) = (operator_key(), operator_key());
    let mut claims = OperatorClaims::new(identity.public(), OPERATOR_NAME, now.unix_timestamp());
    claims.signing_keys = vec![signing.public()];
    claims.system_account = Some(system.public());
    let jwt = claims.encode(&identity)?;
    tx.operator_insert(&OperatorRecord {
        id: OperatorId::new(unix_ms, random_array()),
        name: OPERATOR_NAME.to_owned(),
        public_key: identity
            .public()
            .to_string()
            .parse()
            .expect("an operator signer has an operator key"),
        signing_public_key: signing
            .public()
            .to_string()
            .parse()
            .expect("an operator signer has an operator key"),
        identity_seed: seal(&identity),
        signing_seed: seal(&signing),
        jwt: jwt.clone(),
        created_at: now,
    })
    .await?;

    let new = NewAuthority::generate(now)?;
    let authority = Authority::load(&new.certificate, &new.private_key)?;
    tx.certificate_authority_insert(&CertificateAuthorityRecord {
        id: CertificateAuthorityId::new(unix_ms, random_array()),
        private_key: data_key.seal(&authority.fingerprint(), &new.private_key),
        certificate: new.certificate,
        created_at: now,
    })
    .await?;
    let detail = json!({ "operator": identity.public().to_string(), "authority": authority.fingerprint() });
    tx.audit_append(None, &event("installation", detail, now)).await?;
    tracing::info!(operator = %identity.public(), "the installation was made");
    Ok(Installation {
        operator: OperatorKeys { jwt, signer: signing },
        authority,
        kek,
    })
}

async fn open(
    tx: &mut SystemTx,
    kek: KekSource,
    platform: &Organization,
) -> Result<Installation, BootstrapError> {
    let organization: Uuid = platform.id.uuid();
    let wrapped = tx
        .data_key_get(platform.id)
        .await?
        .ok_or(BootstrapError::Missing("platform data key"))?;
    // Not made here: a fresh key would open nothing, and whoever finds its file would take it for the one.
    let kek = match kek.load()? {
        Ok(kek) => kek,
        Err(file) => {
            return Err(BootstrapError::NoKek {
                expected: wrapped.kek_id,
                file,
            });
        }
    };
    if wrapped.kek_id != kek.id() {
        return Err(BootstrapError::OtherKek {
            expected: wrapped.kek_id,
            found: kek.id().to_owned(),
        });
    }
    let opened = |what| move |source| BootstrapError::Open { what, source };
    let data_key = kek
        .unwrap(organization, &wrapped.wrapped)
        .map_err(opened("the platform's data key"))?;

    let record = tx
        .operator_get()
        .await?
        .ok_or(BootstrapError::Missing("operator"))?;
    let seed = data_key
        .open(record.signing_public_key.as_str(), &record.signing_seed)
        .map_err(opened("the operator's signing seed"))?;
    let seed = std::str::from_utf8(&seed).map_err(|error| BootstrapError::Seed(error.into()))?;
    let signer = Signer::from_seed(seed).map_err(|error| BootstrapError::Seed(error.into()))?;

    let stored = tx
        .certificate_authority_get()
        .await?
        .ok_or(BootstrapError::Missing("certificate authority"))?;
    let fingerprint = Authority::fingerprint_of(&stored.certificate);
    let key = data_key
        .open(&fingerprint, &stored.private_key)
        .map_err(opened("the authority's key"))?;
    let authority = Authority::load(&stored.certificate, &key)?;
    Ok(Installation {
        operator: OperatorKeys {
            jwt: record.jwt,
            signer,
        },
        authority,
        kek,
    })
}

/// Makes the token with which the first person calls the API.
async fn make_first_token(
    tx: &mut SystemTx,
    kek: &KeyEncryptionKey,
    folder: &DataFolder,
    now: OffsetDateTime,
) -> Result<(), BootstrapError> {
    let secret = CallerSecrets::new(kek).make(API_TOKEN_PREFIX);
    let token = NewApiToken {
        id: ApiTokenId::new(clock::unix_ms(now), random_array()),
        role: Role::PlatformAdmin,
        name: FIRST_TOKEN_NAME
            .parse()
            .expect("the first token's name is a label"),
        secret_hash: secret_hash(&secret),
        created_at: now,
        expires_at: None,
    };
    tx.platform_api_token_insert(&token).await?;
    tx.audit_append(
        None,
        &event(&token.id.to_string(), json!({ "token": FIRST_TOKEN_NAME }), now),
    )
    .await?;
    // Before the commit: a token that is stored but was never written out would lock everybody out,
    // while a file whose token was not stored is written again at the next start.
    folder.write_admin_token(&secret)?;
    Ok(())
}

fn event(target: &str, detail: serde_json::Value, now: OffsetDateTime) -> NewAuditEvent {
    NewAuditEvent {
        id: AuditEventId::new(clock::unix_ms(now), random_array()),
        action: Action::SystemRun,
        target: target.to_owned(),
        detail,
        request_id: String::new(),
        at: now,
    }
}
