//! The configuration that both servers are started with: the same file, in the real server's language.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::tenancy::Tenancy;

/// Writes it into the server's folder, where the server is then to say its port; see [`port`].
pub(crate) fn prepare(folder: &Path, tenancy: &Tenancy) -> anyhow::Result<PathBuf> {
    let file = folder.join("server.conf");
    fs::write(&file, text(folder, tenancy))?;
    Ok(file)
}

fn text(folder: &Path, tenancy: &Tenancy) -> String {
    let mut text = format!(
        "listen: \"127.0.0.1:-1\"\n\
         ports_file_dir: \"{}\"\n\
         max_connections: 65536\n\
         operator: {}\n\
         resolver: MEMORY\n\
         resolver_preload: {{\n",
        folder.display(),
        tenancy.operator
    );
    for account in &tenancy.accounts {
        let _ = writeln!(text, "  {}: {}", account.key(), account.jwt);
    }
    text.push_str("}\n");
    text
}

/// The port, as soon as the server says it. `None` as long as it does not.
pub(crate) fn port(folder: &Path) -> anyhow::Result<Option<u16>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "ports") {
            continue;
        }
        // Half a file is what it looks like while it is being written.
        let Ok(ports) = serde_json::from_str::<serde_json::Value>(&fs::read_to_string(&path)?) else {
            return Ok(None);
        };
        let url = ports["nats"][0].as_str().unwrap_or_default();
        return Ok(url.rsplit(':').next().and_then(|port| port.parse().ok()));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenancy::Terms;

    #[test]
    fn port_is_read_from_the_file_that_a_server_leaves() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(port(folder.path()).unwrap(), None);
        let file = folder.path().join("server_17.ports");
        fs::write(&file, "{\"nats\":[\"nats://127.0.0.1:41").unwrap();
        assert_eq!(port(folder.path()).unwrap(), None);
        fs::write(&file, "{\"nats\":[\"nats://127.0.0.1:41234\"],\"monitoring\":[]}").unwrap();
        assert_eq!(port(folder.path()).unwrap(), Some(41_234));
    }

    #[test]
    fn configuration_names_every_account_with_its_document() {
        let tenancy = Tenancy::new(&[Terms::default(); 2]).unwrap();
        let text = text(Path::new("/somewhere"), &tenancy);
        for account in &tenancy.accounts {
            assert!(text.contains(&format!("{}: {}\n", account.key(), account.jwt)));
        }
    }
}
