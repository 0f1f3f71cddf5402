//! Whole files, as people have them. The first line of each answer is the digest that nats-server 2.15.1
//! printed for the file (`nats-server -t -c FILE`, with a certificate as cert.pem and key.pem beside it, and
//! the variables below), or `refused` where it refused the file; the other lines are what a person is told.

use tollway_conf::ServerConfig;

use crate::around::Around;

/// Every file, for tests that need texts.
pub(crate) const TEXTS: &[&str] = &[
    include_str!("golden/simple.conf"),
    include_str!("golden/tenants.conf"),
    include_str!("golden/edge.conf"),
    include_str!("golden/chart.conf"),
    include_str!("golden/old.conf"),
    include_str!("golden/old-users.conf"),
    include_str!("golden/operator.conf"),
    include_str!("golden/wrong.conf"),
    include_str!("golden/yaml.conf"),
];

fn around() -> Around {
    Around::default()
        .file("/etc/old-users.conf", include_str!("golden/old-users.conf"))
        .variable("SERVER_NAME", "edge-1")
        .variable("BROWSER_PASSWORD", "b")
        .variable("LEAF_PASSWORD", "\"l e a f\"")
        .variable("SYS_PASSWORD", "5ecret")
}

fn answer(text: &str) -> String {
    let refused = |why: String| format!("refused\n{why}\n");
    let answer = match around().parse(text) {
        Err(error) => refused(error.to_string()),
        Ok(tree) => match ServerConfig::from_tree(&tree) {
            Err(problems) => refused(problems.to_string()),
            Ok(config) => {
                let notices: String = config
                    .notices
                    .iter()
                    .map(|notice| format!("{notice}\n"))
                    .collect();
                format!("{}\n{notices}", config.digest)
            }
        },
    };
    answer.replace("/etc/", "").replace("nats.conf:", "")
}

#[track_caller]
fn assert_answer(text: &str, expected: &str) {
    let answer = answer(text);
    assert!(
        answer == expected,
        "\n--- expected\n{expected}\n--- answer\n{answer}"
    );
}

#[test]
fn a_server_for_a_team() {
    assert_answer(
        include_str!("golden/simple.conf"),
        include_str!("golden/simple.txt"),
    );
}

#[test]
fn tenants_that_share_a_service() {
    assert_answer(
        include_str!("golden/tenants.conf"),
        include_str!("golden/tenants.txt"),
    );
}

#[test]
fn a_server_at_the_edge_with_variables_of_the_environment() {
    assert_answer(include_str!("golden/edge.conf"), include_str!("golden/edge.txt"));
}

#[test]
fn json_with_variables_as_charts_write_it() {
    assert_answer(
        include_str!("golden/chart.conf"),
        include_str!("golden/chart.txt"),
    );
}

#[test]
fn a_file_from_the_time_of_single_users_with_an_include() {
    assert_answer(include_str!("golden/old.conf"), include_str!("golden/old.txt"));
}

#[test]
fn accounts_of_an_operator_in_memory() {
    assert_answer(
        include_str!("golden/operator.conf"),
        include_str!("golden/operator.txt"),
    );
}

#[test]
fn a_file_with_many_problems_tells_all_of_them() {
    assert_answer(
        include_str!("golden/wrong.conf"),
        include_str!("golden/wrong.txt"),
    );
}

#[test]
fn yaml_is_refused_where_it_differs() {
    assert_answer(include_str!("golden/yaml.conf"), include_str!("golden/yaml.txt"));
}
