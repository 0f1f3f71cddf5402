//! Certificates of clients: asked for, pinned, and taken as who a client is.

use rcgen::DnType;
use tollway_accounts::Exchange;
use tollway_claims::{AccountClaims, KeyKind, Permissions, Signer};
use tollway_node::broker::{Authority, ConfiguredAccount, ListedProof, ListedUser, Nobody, UserList};
use tollway_node::transport::{ClientCertificates, TlsSettings};

use crate::client::{Client, dial, parse_info, read_line};
use crate::pki::{Issued, Pki, load};
use crate::support::{World, now, random};

#[tokio::test]
async fn a_client_that_has_to_show_a_certificate_gets_in_with_one_of_the_right_authority_only() {
    let (pki, strangers) = (Pki::new(), Pki::new());
    let tls = load(pki.asking(ClientCertificates::Required));
    let world = World::with(|settings| settings.tls = Some(tls)).await;
    let user = world.account().user();
    let info = parse_info(&read_line(&mut dial(world.address).await).await);
    assert_eq!(
        (&info["tls_verify"], &info["tls_required"]),
        (&true.into(), &true.into())
    );
    let mine = pki.issue(&[(DnType::CommonName, "me")], &[], &[]);
    let mut client = Client::upgraded(world.address, &pki.client(Some(&mine))).await;
    client.log_in(&user).await;
    let theirs = strangers.issue(&[(DnType::CommonName, "me")], &[], &[]);
    for shown in [None, Some(&theirs)] {
        let mut client = Client::upgraded(world.address, &pki.client(shown)).await;
        assert_eq!(
            client.rest().await,
            "",
            "TLS 1.3 tells the client after its own part"
        );
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_pinned_is_not_enough() {
    let pki = Pki::new();
    let issue = || pki.issue(&[(DnType::CommonName, "me")], &[], &[]);
    let (mine, other) = (issue(), issue());
    let tls = load(TlsSettings {
        pinned_certs: vec![mine.key_digest()],
        ..pki.asking(ClientCertificates::Required)
    });
    let world = World::with(|settings| settings.tls = Some(tls)).await;
    let user = world.account().user();
    let mut client = Client::upgraded(world.address, &pki.client(Some(&mine))).await;
    client.log_in(&user).await;
    let mut stranger = Client::upgraded(world.address, &pki.client(Some(&other))).await;
    assert_eq!(stranger.rest().await, "");
}

/// A world whose users are these names, without passwords, known by their certificates.
async fn mapped(pki: &Pki, names: &[&str], allow_plain: bool) -> World {
    let tls = load(TlsSettings {
        allow_plain,
        ..pki.asking(ClientCertificates::Mapped)
    });
    let world = World::with(|settings| settings.tls = Some(tls)).await;
    let account = Signer::generate(KeyKind::Account, random()).public();
    let listed = |name: &&str| ListedUser {
        proof: ListedProof::Password {
            name: (*name).to_owned(),
            password: String::new().into(),
        },
        account,
        permissions: Permissions::default(),
        connection_types: Vec::new(),
        proxy_required: false,
    };
    let users = UserList::new(names.iter().map(listed).collect(), Nobody::Refused, None);
    let claims = AccountClaims::new(account, account, "A", now());
    let accounts = vec![ConfiguredAccount {
        name: "A".into(),
        exchange: Exchange::compile(&claims, None).expect("it shares nothing"),
        claims,
    }];
    let authority = Authority::Users(users.expect("a list"));
    world.broker.configure(authority, accounts, now());
    world
}

/// What a client hears that shows this certificate and claims to be somebody else.
async fn heard(pki: &Pki, world: &World, shown: &Issued) -> String {
    let mut client = Client::upgraded(world.address, &pki.client(Some(shown))).await;
    client
        .send("CONNECT {\"verbose\":false,\"user\":\"admin\"}\r\nPING\r\n")
        .await;
    client.line().await
}

#[tokio::test]
async fn a_certificate_says_which_user_it_is_by_its_names_or_its_whole_subject() {
    let pki = Pki::new();
    let subject = [
        (DnType::OrganizationName, "Acme"),
        (DnType::OrganizationalUnitName, "dev"),
        (DnType::CommonName, "alice"),
    ];
    let alice = pki.issue(&subject, &["alice@acme.test"], &["alice.acme.test"]);
    for name in [
        "alice@acme.test",
        "alice.acme.test",
        "CN=alice,OU=dev,O=Acme",
        "O=Acme, OU=dev, CN=alice",
    ] {
        let world = mapped(&pki, &["admin", name], false).await;
        assert_eq!(heard(&pki, &world, &alice).await, "PONG", "{name}");
    }
}

/// A pattern of a name must not take the place of the name.
#[tokio::test]
async fn cve_2026_33248_a_certificate_that_fits_a_part_of_a_name_is_another_user() {
    let pki = Pki::new();
    let alice = [(DnType::OrganizationName, "Acme"), (DnType::CommonName, "alice")];
    let alice = pki.issue(&alice, &[], &[]);
    let sly = [
        (DnType::OrganizationName, "Acme"),
        (DnType::OrganizationalUnitName, "guests"),
        (DnType::CommonName, "alice"),
    ];
    let comma = [(DnType::CommonName, "alice,O=Acme")];
    for (shown, names) in [
        (&pki.issue(&sly, &[], &[]), &["admin", "CN=alice,O=Acme"][..]),
        (&pki.issue(&comma, &[], &[]), &["admin", "CN=alice,O=Acme"]),
        (&alice, &["admin", "CN=alice"]),
        (&alice, &["admin", "alice"]),
        (&alice, &["admin", "CN=*,O=Acme"]),
        (&alice, &["admin", "CN=alice,O=Acme", "O=Acme,CN=alice"]),
    ] {
        let world = mapped(&pki, names, false).await;
        let heard = heard(&pki, &world, shown).await;
        assert_eq!(heard, "-ERR 'Authorization Violation'", "{names:?}");
    }
}

#[tokio::test]
async fn where_certificates_say_who_clients_are_one_without_is_nobody() {
    let pki = Pki::new();
    let world = mapped(&pki, &["admin"], true).await;
    let mut plain = world.dial().await;
    plain.info().await;
    plain
        .send("CONNECT {\"verbose\":false,\"user\":\"admin\"}\r\nPING\r\n")
        .await;
    plain.expect_end("-ERR 'Authorization Violation'\r\n").await;
    assert_eq!(
        world.broker.stats().auth_failures.get("certificate_missing"),
        Some(&1)
    );
}
