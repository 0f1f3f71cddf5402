//! The parts, played by libraries of other languages.

use serde_json::json;
use tollway_tests::{Creds, Node, Script, System, in_time};

use crate::{forgery, library::Library, one_tenant::one_tenant, part};

/// A test for each part that a library plays, unless its language is not on this machine.
macro_rules! tests_with {
    ($library:expr; $($name:ident = $part:ident;)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                if $library.is_here() {
                    super::$part($library).await;
                }
            }
        )*
    };
}

/// A module of tests for each library.
macro_rules! plays_the_parts {
    ($($module:ident = $library:ident;)*) => {
        $(
            mod $module {
                use crate::library::Library;

                tests_with! {
                    Library::$library;
                    does_what_programs_do_every_day = everyday;
                    is_told_what_it_may_not_do_and_goes_on = permissions;
                    sees_nothing_of_another_account_on_the_same_node = isolation_on_one_node;
                    sees_nothing_of_another_account_in_another_cell = isolation_across_cells;
                    reports_why_creds_are_refused = refused;
                    reports_that_the_account_has_no_connection_left = limited;
                    is_cut_off_when_its_creds_are_revoked = cut_by_revocation;
                    is_cut_off_when_its_creds_expire = cut_by_expiry;
                    comes_back_to_a_node_that_was_killed_while_the_control_plane_is_away = comes_back;
                }
            }
        )*
    };
}

plays_the_parts! {
    nats_py = Python;
    nats_js = Node;
    old_nats_js = OldNode;
}

async fn everyday(library: Library) {
    let (system, node, tenant) = one_tenant().await;
    let script = library.plays("everyday", &system, &node, &tenant.creds);
    assert_eq!(Script::start(script).finish().await, part::EVERYDAY);
}

async fn permissions(library: Library) {
    let (system, node, tenant) = one_tenant().await;
    let user = system
        .api()
        .user_with(
            &tenant.account,
            "restricted",
            json!({ "publish_allow": ["orders.>"], "subscribe_allow": ["orders.>"] }),
        )
        .await;
    let creds = system.api().issue(&user).await;
    let script = library.plays("permissions", &system, &node, &creds);
    assert_eq!(Script::start(script).finish().await, library.permission_texts());
}

async fn isolation_on_one_node(library: Library) {
    let system = System::start().await;
    let node = system.start_node("cell-a").await;
    isolation(library, &system, &node, &node).await;
}

async fn isolation_across_cells(library: Library) {
    let system = System::start().await;
    let (node, other) = (
        system.start_node("cell-a").await,
        system.start_node("cell-b").await,
    );
    isolation(library, &system, &node, &other).await;
}

async fn isolation(library: Library, system: &System, node: &Node, other_node: &Node) {
    let tenant = system.api().tenant(node.cell()).await;
    let other = system.api().tenant(other_node.cell()).await;
    let mut script = library.plays("isolation", system, node, &tenant.creds);
    script
        .env("OTHER_URL", other_node.url())
        .env("OTHER_CREDS", &other.creds.path);
    assert_eq!(Script::start(script).finish().await, ["isolated"]);
}

async fn refused(library: Library) {
    let (system, node, tenant) = one_tenant().await;
    let said = async |creds: &Creds| {
        let script = library.plays("refused", &system, &node, creds);
        Script::start(script).finish().await
    };
    assert_eq!(said(&tenant.creds).await, ["connected"]);

    let restricted = system
        .api()
        .user_with(
            &tenant.account,
            "restricted",
            json!({ "publish_allow": ["orders.>"] }),
        )
        .await;
    let granted = system.api().issue(&restricted).await;
    for (kind, text) in forgery::of_every_kind(&tenant.account, &granted) {
        let forged = Creds {
            path: system.api().save("forged", &text),
            text,
            ..granted.clone()
        };
        assert_eq!(said(&forged).await, [library.refusal()], "{kind}");
    }

    let short = system
        .api()
        .issue_with(&tenant.user, json!({ "lifetime_seconds": 1 }))
        .await;
    in_time("the creds expire", async {
        while said(&short).await == ["connected"] {}
    })
    .await;
    assert_eq!(said(&short).await, [library.refusal()], "expired");

    system.api().revoke(&tenant.creds).await;
    assert_eq!(said(&tenant.creds).await, [library.refusal()], "revoked");
    // The user's other creds are as good as before.
    let fresh = system.api().issue(&tenant.user).await;
    assert_eq!(said(&fresh).await, ["connected"]);
}

async fn limited(library: Library) {
    let (system, node, tenant) = one_tenant().await;
    let only = library.plays("steady", &system, &node, &tenant.creds);
    let mut only = Script::start(only);
    only.says("connected").await;

    system
        .api()
        .limits(&tenant.account, json!({ "connections": 1 }))
        .await;
    let refused = library.plays("refused", &system, &node, &tenant.creds);
    let answer = Script::start(refused).finish().await;
    assert_eq!(answer, [library.no_connection_left()]);
    only.tell("still here").await;
    only.says("still here").await;
    only.finish().await;
}

async fn cut_by_revocation(library: Library) {
    let (system, node, tenant) = one_tenant().await;
    let spared = system.api().issue(&tenant.user).await;
    let script = library.plays("cut", &system, &node, &tenant.creds);
    let other = library.plays("steady", &system, &node, &spared);
    let (mut script, mut other) = (Script::start(script), Script::start(other));
    script.says("connected").await;
    other.says("connected").await;

    system.api().revoke(&tenant.creds).await;
    assert_eq!(script.finish().await, library.revocation_texts());
    // Another issuance of the same user is not touched.
    other.tell("still here").await;
    other.says("still here").await;
    other.finish().await;
}

async fn cut_by_expiry(library: Library) {
    let (system, node, tenant) = one_tenant().await;
    // As short as this machine is fast: a script needs its time to start.
    for lifetime in (1..7).map(|power| 1 << power) {
        let short = json!({ "lifetime_seconds": lifetime });
        let short = system.api().issue_with(&tenant.user, short).await;
        let script = library.plays("cut", &system, &node, &short);
        let mut script = Script::start(script);
        if script.line().await == "connected" {
            assert_eq!(script.finish().await, library.expiry_texts());
            return;
        }
    }
    panic!("creds of a minute are too old before a client has connected");
}

async fn comes_back(library: Library) {
    let (mut system, mut node, tenant) = one_tenant().await;
    let script = library.plays("steady", &system, &node, &tenant.creds);
    let mut script = Script::start(script);
    script.says("connected").await;
    system.control_plane.kill();
    script.tell("the control plane is away").await;
    script.says("the control plane is away").await;

    node.kill();
    node.start().await;
    script.says("reconnected").await;
    script.tell("the node is back").await;
    script.says("the node is back").await;
    script.finish().await;
}
