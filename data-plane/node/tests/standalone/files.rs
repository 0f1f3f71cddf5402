//! Files that others find a node by, its log, and signals.

use std::fs;
use std::time::Instant;

use rustix::process::Signal;

use crate::node::{Node, PATIENCE, output};

#[test]
fn the_pid_file_has_digits_only_and_the_ports_file_goes_at_the_end() {
    let mut node = Node::start("http: \"127.0.0.1:-1\"", &[]);
    let pid = node.pid();
    assert_eq!(
        fs::read_to_string(node.path("node.pid")).expect("it is there"),
        pid.to_string()
    );
    let ports = node.path(&format!("tollway-node_{pid}.ports"));
    let text = fs::read_to_string(&ports).expect("it is there");
    let ports_json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(ports_json["nats"][0], format!("nats://{}", node.clients));
    let monitoring = ports_json["monitoring"][0].as_str().expect("a URL");
    assert!(
        monitoring.starts_with("http://127.0.0.1:") && !monitoring.ends_with(":0"),
        "{monitoring}"
    );
    assert_eq!(node.stop(), Some(0));
    assert!(!ports.exists());
}

#[test]
fn lines_are_as_tools_expect_them() {
    let mut node = Node::start("debug: false", &["-T=false"]);
    let (pid, port) = (node.pid(), node.clients.port());
    for line in [
        format!("[{pid}] [INF] Starting tollway-node\n"),
        format!("[{pid}] [INF] Listening for client connections on 127.0.0.1:{port}\n"),
        format!("[{pid}] [INF] Server is ready\n"),
    ] {
        node.wait_for_log(&line, 1);
    }
    node.stop();
    assert!(
        node.log().ends_with(&format!("[{pid}] [INF] Server Exiting..\n")),
        "{}",
        node.log()
    );
}

#[test]
fn the_log_may_be_a_file_that_is_opened_again() {
    let mut node = Node::start("logfile: \"node.log\"", &[]);
    let log = node.path("node.log");
    let read = || fs::read_to_string(&log).unwrap_or_default();
    let wait_for = |text: &str| {
        let start = Instant::now();
        while !read().contains(text) {
            assert!(start.elapsed() < PATIENCE, "never logged {text:?}: {}", read());
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    };
    wait_for("Server is ready");
    assert!(
        read().starts_with(&format!("[{}] 20", node.pid())),
        "lines have the time"
    );
    fs::rename(&log, node.path("node.log.1")).expect("it is there");
    node.signal(Signal::USR1);
    wait_for("File log re-opened");
    assert!(!read().contains("Server is ready"));
    node.stop();
    wait_for("Server Exiting..");
    assert_eq!(node.log(), "", "nothing goes to stderr");
}

#[test]
fn another_process_tells_it_to_reload_and_to_end() {
    let mut node = Node::start("debug: false", &[]);
    let pid_file = node.folder().join("node.pid");
    let pid_file = pid_file.to_str().expect("a path");
    let told = output(&["--signal", &format!("reload={pid_file}")]);
    assert!(told.status.success(), "{told:?}");
    node.wait_for_log("Reloaded server configuration", 1);
    let told = output(&["-sl", &format!("term={}", node.pid())]);
    assert!(told.status.success(), "{told:?}");
    node.wait_for_log("Server Exiting..", 1);
    assert_eq!(node.stop_was_clean(), Some(0));
    for (signal, text) in [
        ("nope=1", "unknown signal"),
        ("reload=0", "neither the number of a process nor a file with one"),
        ("reload=-1", "neither the number of a process nor a file with one"),
        (
            "reload=/nowhere",
            "neither the number of a process nor a file with one",
        ),
    ] {
        let told = output(&["--signal", signal]);
        assert_eq!(told.status.code(), Some(1));
        assert!(
            String::from_utf8_lossy(&told.stderr).contains(text),
            "{signal}: {told:?}"
        );
    }
}

#[test]
fn a_node_that_leaves_lets_nobody_in_and_ends_when_the_last_client_is_gone() {
    let mut node = Node::start("debug: false", &[]);
    let mut client = node.dial();
    client.connect(serde_json::json!({}));
    client.introduced();
    node.signal(Signal::USR2);
    let line = client.until("\r\n");
    assert!(
        line.starts_with("INFO ") && line.contains("\"ldm\":true"),
        "{line}"
    );
    assert!(std::net::TcpStream::connect(node.clients).is_err());
    // The ones who are there are served as long as they stay.
    client.send("SUB a 1\r\nPUB a 2\r\nhi\r\n");
    assert_eq!(client.sync(), "MSG a 1 2\r\nhi\r\n");
    drop(client);
    assert_eq!(node.stop_was_clean(), Some(0));
    assert!(node.log().contains("Server Exiting.."));
}

#[test]
fn sizes_and_pings_of_the_file_count() {
    let node = Node::start("max_control_line: 64\nping_interval: \"1s\"\nping_max: 1", &[]);
    let mut client = node.dial();
    client.send(&format!("SUB {} 1\r\n", "a".repeat(80)));
    assert_eq!(client.rest(), "-ERR 'maximum control line exceeded'\r\n");
    let mut silent = node.dial();
    silent.connect(serde_json::json!({}));
    silent.introduced();
    assert_eq!(silent.rest(), "PING\r\n-ERR 'Stale Connection'\r\n");
}
