//! Certificates for one test, as files.

use std::fs;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, SanType,
};

pub(crate) struct Pki(tempfile::TempDir);

impl Pki {
    /// An authority (ca.pem), a server for localhost (server.pem, server.key), and a client
    /// (client.pem, client.key) with the subject `O=Acme,CN=app` and the address `app@acme.test`.
    pub(crate) fn new() -> Self {
        let pki = Self(tempfile::tempdir().expect("a folder"));
        let key = || KeyPair::generate().expect("a key");
        let mut authority = CertificateParams::new(Vec::new()).expect("no names");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, "authority");
        let authority = CertifiedIssuer::self_signed(authority, key()).expect("signs itself");
        pki.write("ca.pem", &authority.pem());

        let mut server = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let mut client = CertificateParams::new(Vec::new()).expect("no names");
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        client.distinguished_name = DistinguishedName::new();
        client.distinguished_name.push(DnType::OrganizationName, "Acme");
        client.distinguished_name.push(DnType::CommonName, "app");
        let mail = "app@acme.test".try_into().expect("ASCII");
        client.subject_alt_names = vec![SanType::Rfc822Name(mail)];
        for (name, params) in [("server", server), ("client", client)] {
            let key = key();
            let certificate = params.signed_by(&key, &authority).expect("signs");
            pki.write(&format!("{name}.pem"), &certificate.pem());
            pki.write(&format!("{name}.key"), &key.serialize_pem());
        }
        pki
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).expect("a file");
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// The lines of a block `tls` that name the server's files.
    pub(crate) fn server_files(&self) -> String {
        let (cert, key) = (self.file("server.pem"), self.file("server.key"));
        format!("cert_file: \"{cert}\"\nkey_file: \"{key}\"")
    }
}
