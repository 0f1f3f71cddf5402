//! Every printed line works when it is pasted. The lines that install a client library or a package are
//! left out here, since they need a network: tests/fresh-machine pastes them too.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use tollway_tests::{Script, Tool};

use crate::installation::{Installation, output, text};

/// The printed lines that can be pasted: those that are indented by four blanks.
fn pasteable(printed: &str) -> Vec<&str> {
    printed
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .collect()
}

fn the_line<'a>(printed: &'a str, with: &[&str]) -> &'a str {
    let lines = pasteable(printed);
    let mut found = lines
        .iter()
        .filter(|line| with.iter().all(|part| line.contains(part)));
    let line = found
        .next()
        .unwrap_or_else(|| panic!("no line with {with:?} in:\n{printed}"));
    assert_eq!(found.next(), None, "two lines with {with:?}");
    line
}

/// A line in a shell, as pasted into a terminal that stands somewhere else.
fn pasted(line: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir("/");
    command
}

/// A subscriber's and a publisher's line, run as printed; the one must see what the other says.
async fn message_arrives(subscribe: Command, publish: Command, message: &str) {
    let mut subscriber = Script::start(subscribe.into());
    subscriber.says("listening on greetings.>").await;
    let printed = Script::start(publish.into()).finish().await;
    assert_eq!(printed, ["published to greetings.hello"]);
    subscriber.says(&format!("greetings.hello: {message}")).await;
}

#[tokio::test]
async fn printed_python_lines_publish_and_subscribe() {
    const TEST: &str = "printed_python_lines_publish_and_subscribe";
    let Some(python) = Tool::Python.find(TEST) else {
        return;
    };
    let installation = Installation::new();
    let printed = installation.up();
    the_line(&printed, &["-m venv", "pip install", "nats-py"]);
    // In place of the line that installs the library: the tests' own environment with it.
    let environment = python.parent().and_then(Path::parent).expect("VENV/bin/python");
    let demo = installation.folder().join("demo");
    std::os::unix::fs::symlink(environment, demo.join("python")).unwrap();
    let line = |program| pasted(the_line(&printed, &["bin/python ", program]));
    message_arrives(line("subscribe.py"), line("publish.py"), "Hello from Python").await;
}

/// Somebody mixes the accounts up: one line says so, and the program ends.
#[tokio::test]
async fn printed_programs_say_in_one_line_that_credentials_are_of_another_cell() {
    const TEST: &str = "printed_programs_say_in_one_line_that_credentials_are_of_another_cell";
    let (Some(python), Some(node), Some(packages)) = (
        Tool::Python.find(TEST),
        Tool::Node.find(TEST),
        Tool::NodeDir.find(TEST),
    ) else {
        return;
    };
    let installation = Installation::new();
    installation.up();
    let facts = installation.facts().await;
    let account = |at: usize, field: &str| facts["accounts"][at][field].as_str().unwrap().to_owned();
    let (url, creds) = (account(1, "nats_url"), account(0, "creds_file"));
    let demo = installation.folder().join("demo");
    std::os::unix::fs::symlink(packages.join("node_modules"), demo.join("node_modules")).unwrap();
    for (program, file) in [
        (&python, "publish.py"),
        (&python, "subscribe.py"),
        (&node, "publish.mjs"),
        (&node, "subscribe.mjs"),
    ] {
        let mut command = Command::new(program);
        command.arg(demo.join(file)).args([&url, &creds]);
        let said = output(command);
        let errors = text(&said.stderr);
        assert!(!said.status.success(), "{file}");
        assert!(
            errors.lines().count() == 1 && errors.contains("not connected to"),
            "{file}: {errors}"
        );
    }
}

#[tokio::test]
async fn printed_node_lines_publish_and_subscribe() {
    const TEST: &str = "printed_node_lines_publish_and_subscribe";
    let (Some(node), Some(packages)) = (Tool::Node.find(TEST), Tool::NodeDir.find(TEST)) else {
        return;
    };
    let installation = Installation::new();
    let printed = installation.up();
    the_line(&printed, &["npm install", "@nats-io/transport-node"]);
    let demo = installation.folder().join("demo");
    std::os::unix::fs::symlink(packages.join("node_modules"), demo.join("node_modules")).unwrap();
    let line = |program| {
        let mut command = pasted(the_line(&printed, &["node ", program]));
        command.env("PATH", path_beginning_with(&node));
        command
    };
    message_arrives(line("subscribe.mjs"), line("publish.mjs"), "Hello from Node").await;
}

/// PATH on which `node` is the tests' own.
fn path_beginning_with(program: &Path) -> OsString {
    let folder = program.parent().map(PathBuf::from);
    let rest = env::var_os("PATH").unwrap_or_default();
    env::join_paths(folder.into_iter().chain(env::split_paths(&rest))).unwrap()
}

#[tokio::test]
async fn printed_links_sign_in_and_the_printed_token_opens_the_api() {
    let installation = Installation::new();
    let printed = installation.up();

    let link = the_line(&printed, &["/sign-in?token="]);
    let another = output(pasted(the_line(&printed, &["sign-in-link"])));
    assert!(another.status.success(), "{}", text(&another.stderr));
    for link in [link, text(&another.stdout).trim()] {
        let page = reqwest::get(link).await.unwrap();
        assert!(page.status().is_success());
        assert!(page.text().await.unwrap().contains("Sign in"));
    }

    // The line's own words, without the program curl, which need not be there.
    let line = the_line(&printed, &["curl"]);
    let file = line
        .split("$(cat ")
        .nth(1)
        .and_then(|rest| rest.split(')').next())
        .unwrap();
    let url = line.rsplit(' ').next().unwrap();
    let token = fs::read_to_string(file).unwrap();
    let answer = reqwest::Client::new()
        .get(url)
        .bearer_auth(token.trim())
        .send()
        .await
        .unwrap();
    assert!(answer.text().await.unwrap().contains("\"demo\""));

    let down = output(pasted(the_line(&printed, &[" down --data-dir "])));
    assert!(down.status.success(), "{}", text(&down.stderr));
    assert_eq!(installation.processes(), Vec::<String>::new());
}

#[tokio::test]
async fn creds_files_and_nats_urls_that_are_printed_belong_together() {
    let installation = Installation::new();
    let printed = installation.up();
    let facts = installation.facts().await;
    for account in facts["accounts"].as_array().unwrap() {
        let url = account["nats_url"].as_str().unwrap();
        let creds = account["creds_file"].as_str().unwrap();
        assert!(
            printed
                .lines()
                .any(|line| line.contains(url) && line.ends_with(creds)),
            "{printed}"
        );
        let client = async_nats::ConnectOptions::with_credentials_file(creds)
            .await
            .unwrap()
            .connect(url)
            .await
            .unwrap();
        client.flush().await.unwrap();
    }
    // Credentials of one account are none in another's cell, which does not hold that account.
    let (orders, billing) = (&facts["accounts"][0], &facts["accounts"][1]);
    let refused = async_nats::ConnectOptions::with_credentials_file(orders["creds_file"].as_str().unwrap())
        .await
        .unwrap()
        .connect(billing["nats_url"].as_str().unwrap())
        .await;
    assert!(refused.is_err());
}
