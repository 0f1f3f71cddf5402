//! However it ends, nothing is left running, and nothing is lost.

use std::fs;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tollway_tests::eventually;

use crate::installation::{Installation, text};

fn signal(process: u32, signal: Signal) {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, signal).unwrap();
}

async fn ended(mut child: Child) -> std::process::ExitStatus {
    eventually("it ends", async || child.try_wait().unwrap()).await
}

#[tokio::test]
async fn ctrl_c_stops_nodes_before_the_control_plane_and_postgres_last() {
    let installation = Installation::new();
    let mut command = installation.up_command(&[]);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    installation.facts().await;
    assert_eq!(
        installation
            .processes()
            .iter()
            .filter(|line| line.contains("tollway-node"))
            .count(),
        2
    );
    signal(child.id(), Signal::INT);
    let output = tokio::task::spawn_blocking(|| child.wait_with_output())
        .await
        .unwrap()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).ends_with("stopping\nstopped; the data stay\n"));
    assert_eq!(installation.processes(), Vec::<String>::new());

    // Nodes said goodbye while the control plane still listened, and Postgres ended in order.
    let log =
        |name: &str| fs::read_to_string(installation.folder().join(format!("logs/{name}.log"))).unwrap();
    for cell in ["cell-a", "cell-b"] {
        assert!(log(cell).contains("stopping"), "{}", log(cell));
        assert!(!log(cell).contains("ERROR"), "{}", log(cell));
    }
    let own = log("control-plane");
    assert!(own.contains("the control plane stops"), "{own}");
    assert!(!own.contains("ERROR"), "{own}");
    let postgres = log("postgres");
    assert!(postgres.contains("received fast shutdown request"), "{postgres}");
    assert!(postgres.contains("database system is shut down"), "{postgres}");
}

#[tokio::test]
async fn killed_up_takes_its_children_with_it_and_the_next_one_starts() {
    let installation = Installation::new();
    let mut child = installation
        .up_command(&[])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    installation.facts().await;
    child.kill().unwrap();
    ended(child).await;
    eventually("its children end", async || {
        installation.processes().is_empty().then_some(())
    })
    .await;
    fs::remove_file(installation.folder().join("up.json")).unwrap();
    installation.up();
    installation.facts().await;
}

#[tokio::test]
async fn killed_node_and_killed_postgres_are_started_again() {
    let installation = Installation::new();
    installation.up();
    let facts = installation.facts().await;
    let orders = &facts["accounts"][0];
    let connect = async || {
        async_nats::ConnectOptions::with_credentials_file(orders["creds_file"].as_str().unwrap())
            .await
            .unwrap()
            .connect(orders["nats_url"].as_str().unwrap())
            .await
            .ok()
    };
    assert!(connect().await.is_some());
    for program in ["tollway-node --data-dir", "postgres -D"] {
        let before = process_of(&installation, program);
        signal(before, Signal::KILL);
        let after = eventually("it runs again", async || {
            let now = find_process(&installation, program)?;
            (now != before).then_some(now)
        })
        .await;
        assert_ne!(before, after);
    }
    eventually("clients get in again, at the same port", connect).await;
    eventually("the API works again", async || {
        let token = fs::read_to_string(facts["api_token_file"].as_str().unwrap()).unwrap();
        let answer = reqwest::Client::new()
            .get(format!("{}/organizations", facts["api_url"].as_str().unwrap()))
            .bearer_auth(token.trim())
            .send()
            .await
            .ok()?;
        answer.status().is_success().then_some(())
    })
    .await;
}

fn process_of(installation: &Installation, program: &str) -> u32 {
    find_process(installation, program).unwrap_or_else(|| panic!("{program} does not run"))
}

/// The first cell's node, or Postgres' first process.
fn find_process(installation: &Installation, program: &str) -> Option<u32> {
    let folder = installation.folder().to_string_lossy().into_owned();
    let wanted = |line: &str| line.contains(program) && line.contains(&folder) && !line.contains("cell-b");
    fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let id: u32 = entry.file_name().to_str()?.parse().ok()?;
        let line = text(&fs::read(entry.path().join("cmdline")).ok()?).replace('\0', " ");
        wanted(&line).then_some(id)
    })
}
