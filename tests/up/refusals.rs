//! What cannot work is said in one sentence that says what to do, and nothing is left running.

use std::fs;
use std::net::TcpListener;
use std::process::Command;

use crate::installation::{Installation, output, text};

/// The sentence on stderr.
fn refused(installation: &Installation, command: Command) -> String {
    let output = output(command);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    let told = text(&output.stderr);
    assert!(told.starts_with("tollway: "), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    let left: Vec<String> = installation
        .processes()
        .into_iter()
        .filter(|line| line.contains("postgres") || line.contains("tollway-node"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
    told
}

#[test]
fn taken_port_is_named_with_the_flag_that_chooses_another() {
    let installation = Installation::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let port = taken.local_addr().unwrap().port();
    for flag in ["--api-port", "--fleet-port", "--metrics-port", "--nats-ports"] {
        let value = if flag == "--nats-ports" {
            format!("0,{port}")
        } else {
            port.to_string()
        };
        for background in [None, Some("--detach")] {
            let mut command = installation.command("up");
            for other in ["--api-port", "--fleet-port", "--metrics-port", "--nats-ports"] {
                let free = if other == "--nats-ports" { "0,0" } else { "0" };
                command.arg(other).arg(if other == flag { &value } else { free });
            }
            command.args(background);
            let told = refused(&installation, command);
            assert!(told.contains(&address) && told.contains(flag), "{told}");
        }
    }
}

#[tokio::test]
async fn second_up_in_the_same_folder_is_refused_and_the_first_goes_on() {
    let installation = Installation::new();
    installation.up();
    let facts = installation.facts().await;
    let output = output(installation.up_command(&[]));
    assert!(!output.status.success());
    let told = text(&output.stderr);
    assert!(
        told.contains(&facts["process"].to_string()) && told.contains("tollway down"),
        "{told}"
    );
    assert_eq!(installation.facts().await, facts);
    installation
        .api(reqwest::Method::GET, "/organizations", None)
        .await;
}

#[test]
fn missing_postgres_is_said_with_what_to_install() {
    let installation = Installation::new();
    let mut command = installation.up_command(&[]);
    command.env("TOLLWAY_POSTGRES_BIN", "/nonexistent");
    let told = refused(&installation, command);
    assert!(
        told.contains("install") && told.contains("DATABASE_URL"),
        "{told}"
    );
}

#[test]
fn missing_node_program_is_said_before_anything_is_started() {
    let installation = Installation::new();
    let told = refused(
        &installation,
        installation.up_command(&["--node-binary", "/nonexistent/node"]),
    );
    assert!(
        told.contains("/nonexistent/node") && told.contains("--node-binary"),
        "{told}"
    );
    assert!(!installation.folder().join("postgres").exists());
}

#[test]
fn node_that_does_not_start_is_shown_with_its_own_words() {
    let installation = Installation::new();
    let node = installation.beside().join("broken-node");
    fs::write(&node, "#!/bin/sh\necho 'broken-node: out of luck' >&2\nexit 1\n").unwrap();
    fs::set_permissions(&node, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let command = installation.up_command(&["--node-binary", node.to_str().unwrap()]);
    let told = refused(&installation, command);
    assert!(told.contains("cell-a") && told.contains("out of luck"), "{told}");
}

#[test]
fn database_that_does_not_answer_is_said_without_its_password() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let installation = Installation::with_database(&format!("postgres://u:s3cret@{nobody}/d"));
    let told = refused(&installation, installation.up_command(&[]));
    assert!(
        told.contains("DATABASE_URL") && !told.contains("s3cret"),
        "{told}"
    );
}

#[test]
fn down_where_nothing_runs_says_so() {
    let installation = Installation::new();
    let output = output(installation.command("down"));
    assert!(output.status.success());
    assert!(
        text(&output.stdout).contains("nothing runs"),
        "{}",
        text(&output.stdout)
    );
}

#[tokio::test]
async fn folder_stays_with_the_database_that_it_was_begun_with() {
    let database = tollway_datastore::testing::empty_database().await;
    let mut installation = Installation::with_database(database.url());
    installation.up();
    installation.down();
    let token = fs::read(installation.folder().join("control-plane/admin.token")).unwrap();

    // Forgotten: a private one would be made, and its token would take the place of the other's.
    installation.use_database(None);
    let told = refused(&installation, installation.up_command(&[]));
    assert!(
        told.contains("DATABASE_URL") && told.contains("--data-dir"),
        "{told}"
    );
    assert!(!installation.folder().join("postgres").exists());

    let other = tollway_datastore::testing::empty_database().await;
    installation.use_database(Some(other.url()));
    let told = refused(&installation, installation.up_command(&[]));
    assert!(told.contains("the database is empty"), "{told}");

    assert_eq!(
        fs::read(installation.folder().join("control-plane/admin.token")).unwrap(),
        token
    );
    installation.use_database(Some(database.url()));
    installation.up();
    installation
        .api(reqwest::Method::GET, "/organizations", None)
        .await;
}

#[tokio::test]
async fn folder_with_a_database_of_its_own_takes_no_other() {
    let mut installation = Installation::new();
    installation.up();
    installation.down();
    let database = tollway_datastore::testing::empty_database().await;
    installation.use_database(Some(database.url()));
    let told = refused(&installation, installation.up_command(&[]));
    assert!(told.contains("has a database of its own"), "{told}");
}
