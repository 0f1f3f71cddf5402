//! What a Python program sees of a server.

use tollway_tests::Script;

use crate::server::Server;

/// Starts `part` of client.py; none when Python is not there.
pub(crate) fn start(part: &str, server: &Server, variables: &[(&str, String)]) -> Option<Script> {
    let mut command = Script::python(part, "standalone/client.py")?;
    command.arg(part).env("NATS_URL", server.url());
    for (name, value) in variables {
        command.env(name, value);
    }
    Some(Script::start(command))
}

/// What it prints.
pub(crate) async fn sees(part: &str, server: &Server, variables: &[(&str, String)]) -> Option<Vec<String>> {
    Some(start(part, server, variables)?.finish().await)
}
