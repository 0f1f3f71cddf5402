//! What is printed when everything runs: where it is, and lines to paste.

use std::path::Path;

use super::{
    Facts,
    demo_programs::{FILTER, SUBJECT},
    facts::AccountFacts,
    language_tools::LanguageTools,
    shell_word::shell_word,
};

/// The text, whole. Lines that are indented by four blanks can be pasted, each by itself.
pub(super) fn announcement(
    facts: &Facts,
    sign_in_link: &str,
    detached: bool,
    tools: &LanguageTools,
) -> String {
    let mut text = String::new();
    let mut line = |words: &str| {
        text.push_str(words);
        text.push('\n');
    };
    let data_dir = word(&facts.data_dir);
    let program = shell_word(&facts.program);
    if detached {
        line("Tollway runs in the background. This stops it, and keeps the data:");
        line(&format!("    {program} down --data-dir {data_dir}"));
    } else {
        line("Tollway runs. Ctrl-C stops it, and keeps the data.");
    }
    line("");
    line("Console, signed in as platform admin; the link works once, within 15 minutes:");
    line(&format!("    {sign_in_link}"));
    line("Another link:");
    line(&format!(
        "    {program} sign-in-link --data-dir {}",
        word(&facts.data_dir.join("control-plane"))
    ));
    line("");
    line(&format!(
        "API: {}, with the token in {}",
        facts.api_url,
        facts.api_token_file.display()
    ));
    if let Some(install) = &tools.curl {
        line(&format!("    {install}"));
    }
    line(&format!(
        "    curl -H \"Authorization: Bearer $(cat {})\" {}/organizations",
        word(&facts.api_token_file),
        facts.api_url
    ));
    line("");
    line("NATS:");
    for cell in &facts.cells {
        line(&format!("  {}  {}", cell.name, cell.nats_url));
    }
    line(&format!("Logs: {}", facts.logs_dir.display()));
    if !facts.accounts.is_empty() {
        line("");
        line("Accounts of the organization demo, and credentials of their user app:");
    }
    for account in &facts.accounts {
        line(&format!(
            "  {:<8} {} ({})  {}",
            account.name,
            account.nats_url,
            account.cell,
            account.creds_file.display()
        ));
    }
    if let Some(account) = facts.accounts.first() {
        try_it(&mut line, facts, account, tools);
    }
    text
}

fn try_it(line: &mut impl FnMut(&str), facts: &Facts, account: &AccountFacts, tools: &LanguageTools) {
    let demo = &facts.demo_dir;
    let at = format!("{} {}", account.nats_url, word(&account.creds_file));
    line("");
    line("Try it: a subscriber in one terminal, a publisher in another. Languages can be mixed.");
    line("");
    line("Python:");
    if let Some(install) = &tools.python {
        line(&format!("    {install}"));
    }
    let python = demo.join("python");
    line(&format!(
        "    python3 -m venv {} && {} install --quiet 'nats-py[nkeys]>=2.16,<3'",
        word(&python),
        word(&python.join("bin/pip")),
    ));
    for program in ["subscribe.py", "publish.py"] {
        line(&format!(
            "    {} {} {at}",
            word(&python.join("bin/python")),
            word(&demo.join(program))
        ));
    }
    line("");
    line("Node:");
    if let Some(install) = &tools.node {
        line(&format!("    {install}"));
    }
    line(&format!(
        "    npm install --silent --no-fund --no-audit --prefix {} @nats-io/transport-node@3",
        word(demo)
    ));
    for program in ["subscribe.mjs", "publish.mjs"] {
        line(&format!("    node {} {at}", word(&demo.join(program))));
    }
    line("");
    line("The nats command, if you have it:");
    let nats = format!(
        "nats --server {} --creds {}",
        account.nats_url,
        word(&account.creds_file)
    );
    line(&format!("    {nats} subscribe '{FILTER}'"));
    line(&format!(
        "    {nats} publish {SUBJECT} 'Hello from the nats command'"
    ));
}

fn word(path: &Path) -> String {
    shell_word(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::{super::facts::CellFacts, *};

    fn facts() -> Facts {
        let cells = [("cell-a", 4222), ("cell-b", 4223)];
        let accounts = [("orders", "cell-a", 4222), ("billing", "cell-b", 4223)];
        Facts {
            process: 1,
            program: "tollway".to_owned(),
            data_dir: "/var/lib/tollway".into(),
            console_url: "http://127.0.0.1:8600/".to_owned(),
            api_url: "http://127.0.0.1:8600/v1".to_owned(),
            api_token_file: "/var/lib/tollway/control-plane/admin.token".into(),
            metrics_url: "http://127.0.0.1:8602/metrics".to_owned(),
            fleet_address: "127.0.0.1:8601".to_owned(),
            cells: cells
                .map(|(name, port)| CellFacts {
                    name: name.to_owned(),
                    nats_url: format!("nats://127.0.0.1:{port}"),
                    metrics_url: String::new(),
                })
                .into(),
            organization: "org_1".to_owned(),
            accounts: accounts
                .map(|(name, cell, port)| AccountFacts {
                    name: name.to_owned(),
                    id: "acc_1".to_owned(),
                    public_key: "A".to_owned(),
                    cell: cell.to_owned(),
                    nats_url: format!("nats://127.0.0.1:{port}"),
                    creds_file: format!("/var/lib/tollway/demo/{name}.creds").into(),
                })
                .into(),
            demo_dir: "/var/lib/tollway/demo".into(),
            logs_dir: "/var/lib/tollway/logs".into(),
        }
    }

    const LINK: &str = "http://127.0.0.1:8600/sign-in?token=SECRET";

    #[test]
    fn text_is_the_golden_one() {
        let text = announcement(&facts(), LINK, false, &LanguageTools::default());
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/src/up/announcement.golden.txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(golden, &text).unwrap();
        }
        assert_eq!(text, std::fs::read_to_string(golden).unwrap());
    }

    #[test]
    fn missing_tools_are_installed_first_and_deleted_accounts_are_not_shown() {
        let tools = LanguageTools {
            curl: Some("apt-get install curl".to_owned()),
            python: Some("apt-get install python3-venv".to_owned()),
            node: None,
        };
        let text = announcement(&facts(), LINK, true, &tools);
        let install = text.find("apt-get install python3-venv").unwrap();
        assert!(install < text.find("-m venv").unwrap());
        assert!(text.find("apt-get install curl").unwrap() < text.find("curl -H").unwrap());
        assert!(text.contains("    tollway down --data-dir /var/lib/tollway\n"));

        let mut without = facts();
        without.accounts.clear();
        let text = announcement(&without, LINK, true, &tools);
        assert!(!text.contains("python") && text.contains("nats://127.0.0.1:4223"));
    }

    #[test]
    fn folders_with_blanks_are_quoted_where_they_are_pasted() {
        let mut facts = facts();
        facts.demo_dir = "/my data/demo".into();
        let text = announcement(&facts, LINK, false, &LanguageTools::default());
        assert!(
            text.contains("    node '/my data/demo/publish.mjs' nats://"),
            "{text}"
        );
    }
}
