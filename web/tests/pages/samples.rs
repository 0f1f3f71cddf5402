//! Pages with made-up contents, which the golden files and the escaping tests
//! are made of.

use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use tollway_web::form::{Choice, Field, NewAccountForm, NewUserForm};
use tollway_web::format::Moment;
use tollway_web::page::*;
use tollway_web::usage::{Usage, UsageDay};

pub(crate) const NOW: OffsetDateTime = datetime!(2026-11-21 09:30:05 UTC);

pub(crate) fn ago(duration: Duration) -> Moment {
    Moment {
        at: NOW - duration,
        now: NOW,
    }
}

pub(crate) fn shell(name: &str, role: &str) -> Shell {
    Shell::of(Viewer {
        name: name.into(),
        role: role.into(),
        csrf: "csrf-of-the-session".into(),
    })
}

/// Hours that rise and fall like a working day, of about `scale` messages.
pub(crate) fn day(scale: u64) -> UsageDay {
    const SHAPE: [u64; 24] = [
        58, 64, 61, 70, 72, 66, 75, 88, 92, 83, 60, 41, 30, 22, 14, 9, 7, 5, 6, 11, 24, 43, 61, 34,
    ];
    let hours = SHAPE.iter().enumerate().map(|(index, share)| {
        let messages_in = share * scale / 100;
        let usage = Usage {
            messages_in,
            bytes_in: messages_in * 173,
            messages_out: messages_in * 8 / 5,
            bytes_out: messages_in * 8 / 5 * 173,
            connections_opened: share / 9,
        };
        (NOW - Duration::hours(23 - index as i64), usage)
    });
    UsageDay::new(NOW, hours)
}

fn row(name: &str, cell: &str, state: AccountState, connections: u64, scale: u64) -> AccountRow {
    AccountRow {
        id: format!("acc_{:032x}", u128::from(connections) << 64 | u128::from(scale)),
        name: name.into(),
        cell: cell.into(),
        state,
        connections,
        day: day(scale),
    }
}

pub(crate) fn accounts_of_the_platform() -> AccountsPage {
    let refused = AccountState::Refused {
        code: "invalid_signature".into(),
        reason: "the document is not signed by the operator".into(),
    };
    let suspended = AccountState::Suspended {
        reason: "invoice 1182 is overdue".into(),
    };
    let organizations = vec![
        OrganizationGroup {
            id: "org_1".into(),
            name: "demo".into(),
            display_name: "Demo organization".into(),
            accounts: vec![
                row("orders", "cell-1", AccountState::Serving, 42, 1_840_000),
                row("telemetry", "cell-2", AccountState::Serving, 1_208, 96_400_000),
                row("telemetry-staging", "cell-2", AccountState::Applying, 3, 3_100),
            ],
            more: false,
        },
        OrganizationGroup {
            id: "org_2".into(),
            name: "harbour".into(),
            display_name: "Harbour Logistics".into(),
            accounts: vec![
                row("berths", "cell-1", AccountState::Serving, 17, 24_000),
                row("customs", "cell-1", suspended, 0, 0),
                row(
                    "consignments-of-the-northern-harbour-district-and-outer-piers-2",
                    "cell-2",
                    refused,
                    6,
                    880,
                ),
            ],
            more: true,
        },
        OrganizationGroup {
            id: "org_3".into(),
            name: "new".into(),
            display_name: "Newcomers".into(),
            accounts: vec![],
            more: false,
        },
    ];
    let cell = |name: &str, port, connected, revision, applied_revision| CellRow {
        name: name.into(),
        nodes: vec![CellNode {
            name: format!("{name}-node"),
            client_url: format!("nats://127.0.0.1:{port}"),
            connected,
        }],
        accounts: 3,
        refused: u64::from(!connected),
        revision,
        applied_revision,
    };
    AccountsPage {
        shell: shell("Platform", "platform admin"),
        may_create: true,
        live: AccountsLive {
            at: NOW,
            cursor: String::new(),
            next_cursor: "b3JnXw+/".into(),
            only: String::new(),
            organizations,
            cells: vec![
                cell("cell-1", 4222, true, 18, 18),
                cell("cell-2", 4223, false, 12, 11),
                CellRow {
                    nodes: vec![],
                    refused: 0,
                    ..cell("cell-3", 4224, true, 0, 0)
                },
            ],
            platform: true,
            may_create: true,
        },
    }
}

/// What someone without any right to change things sees.
pub(crate) fn accounts_of_a_viewer() -> AccountsPage {
    let platform = accounts_of_the_platform();
    let organizations = platform.live.organizations[..1].to_vec();
    AccountsPage {
        shell: shell("Demo organization", "viewer"),
        may_create: false,
        live: AccountsLive {
            organizations,
            cells: vec![],
            platform: false,
            may_create: false,
            ..platform.live
        },
    }
}

/// One organization of all that the platform sees.
pub(crate) fn accounts_of_one_organization() -> AccountsPage {
    let mut page = accounts_of_the_platform();
    page.live.organizations.drain(..1);
    page.live.organizations.truncate(1);
    page.live.cells.clear();
    page.live.next_cursor.clear();
    page.live.only = "org_2".into();
    page
}

pub(crate) fn no_organizations() -> AccountsPage {
    let mut page = accounts_of_the_platform();
    page.live.organizations.clear();
    page.live.cells.clear();
    page
}

fn head() -> AccountHead {
    AccountHead {
        id: "acc_019aa5d3c0de7b3f8d5e6a7b8c9d0e1f".into(),
        name: "orders".into(),
        organization: "Demo organization".into(),
        organization_id: "org_1".into(),
        public_key: "ADEMOZ3Q7K2V5M4XW6RJ2TQYB7N5L3CPEU6SFD4GHVKXAMZQ2RWT7YUI".into(),
        connections_max: 100,
        subscriptions_max: -1,
        payload_bytes_max: 1_048_576,
        version: 7,
        created: ago(Duration::days(3)),
    }
}

fn account_live(state: AccountState, day: UsageDay) -> AccountLive {
    AccountLive {
        at: NOW,
        id: head().id,
        state,
        rollout: Rollout {
            cell: "cell-1".into(),
            revision: 18,
            applied_revision: 18,
        },
        connections: 42,
        connections_max: 100,
        day,
    }
}

pub(crate) fn account() -> AccountPage {
    let user = |id: u8, name: &str, publish: &str, subscribe: &str| UserRow {
        id: format!("usr_{id:032x}"),
        name: name.into(),
        publish: publish.into(),
        subscribe: subscribe.into(),
        created: ago(Duration::hours(i64::from(id) * 7)),
    };
    AccountPage {
        shell: shell("Demo organization", "owner").with_notice(Some("The account serves its clients again.")),
        account: head(),
        live: account_live(AccountState::Serving, day(1_840_000)),
        users: vec![
            user(
                1,
                "checkout",
                "orders.placed, orders.cancelled",
                "orders.confirmed.>, _INBOX.>",
            ),
            user(2, "dashboard", "nothing", "everything"),
            user(
                9,
                "consignments-of-the-northern-harbour-district-and-outer-piers-2",
                "everything",
                "everything",
            ),
        ],
        more_users: false,
        new_user: Some(NewUserForm::default()),
        may_suspend: true,
        suspended: false,
    }
}

pub(crate) fn account_with_a_refused_form() -> AccountPage {
    let mut page = account();
    page.shell = shell("Demo organization", "developer");
    page.may_suspend = false;
    page.suspended = true;
    page.users.clear();
    page.live = account_live(
        AccountState::Suspended {
            reason: "invoice 1182 is overdue".into(),
        },
        UsageDay::new(NOW, []),
    );
    page.live.connections = 0;
    page.live.connections_max = -1;
    page.new_user = Some(NewUserForm {
        name: Field {
            value: "Check Out".into(),
            error: "use lower-case letters, digits and hyphens".into(),
        },
        publish_allow: Field {
            value: "orders..placed".into(),
            error: "orders..placed has an empty part between its dots".into(),
        },
        subscribe_allow: Field::with(""),
        allow_responses: false,
        error: String::new(),
    });
    page
}

pub(crate) fn user() -> UserPage {
    let account_id = head().id;
    let id = format!("usr_{:032x}", 1);
    let issuance = |id: u8, hours, state| IssuanceRow {
        id: format!("iss_{id:032x}"),
        public_key: format!("U{id}DEMOQ7K2V5M4XW6RJ2TQYB7N5L3CPEU6SFD4GHVKXAMZQ2RWT7YU"),
        issued: ago(Duration::hours(hours)),
        state,
    };
    UserPage {
        shell: shell("Demo organization", "owner")
            .with_notice(Some("The user is made. Issue credentials to connect a client.")),
        account_id: account_id.clone(),
        account_name: "orders".into(),
        id: id.clone(),
        name: "checkout".into(),
        publish_allow: vec!["orders.placed".into(), "orders.cancelled".into()],
        publish_deny: vec!["orders.placed.test".into()],
        subscribe_allow: vec!["orders.confirmed.>".into(), "_INBOX.>".into()],
        subscribe_deny: vec![],
        allow_responses: true,
        servers: vec!["nats://127.0.0.1:4222".into()],
        created: ago(Duration::hours(7)),
        error: String::new(),
        issuances: IssuanceTable {
            at: NOW,
            account_id,
            user_id: id,
            rows: vec![
                issuance(3, 0, IssuanceState::Good { expires: None }),
                issuance(
                    2,
                    30,
                    IssuanceState::at(NOW, Some(NOW + Duration::days(29)), None),
                ),
                issuance(1, 80, IssuanceState::at(NOW, Some(NOW - Duration::days(2)), None)),
                issuance(
                    0,
                    90,
                    IssuanceState::at(NOW, None, Some(NOW - Duration::minutes(12))),
                ),
            ],
            more: false,
            may_revoke: true,
        },
        may_issue: true,
        may_delete: true,
    }
}

pub(crate) fn user_for_a_viewer() -> UserPage {
    let mut page = user();
    page.shell = shell("Demo organization", "viewer");
    page.name = "consignments-of-the-northern-harbour-district-and-outer-piers-2".into();
    page.may_issue = false;
    page.may_delete = false;
    page.issuances.may_revoke = false;
    page.issuances.rows.clear();
    page.publish_allow.clear();
    page.publish_deny.clear();
    page.subscribe_allow.clear();
    page.allow_responses = false;
    page.servers.clear();
    page
}

pub(crate) fn new_account() -> NewAccountPage {
    let choice = |value: &str, label: &str| Choice {
        value: value.into(),
        label: label.into(),
    };
    NewAccountPage {
        shell: shell("Platform", "platform admin"),
        organizations: vec![
            choice("org_1", "Demo organization"),
            choice("org_2", "Harbour Logistics"),
        ],
        cells: vec![choice("cell-1", "cell-1"), choice("cell-2", "cell-2")],
        form: NewAccountForm {
            organization: Field::with("org_2"),
            name: Field {
                value: "berths".into(),
                error: "the organization has an account of that name".into(),
            },
            ..NewAccountForm::default()
        },
    }
}

/// Of somebody who belongs to one organization.
pub(crate) fn new_account_of_an_owner() -> NewAccountPage {
    let mut page = new_account();
    page.shell = shell("Harbour Logistics", "owner");
    page.organizations.remove(0);
    page.cells.clear();
    page.form = NewAccountForm::default();
    page
}

pub(crate) fn confirm() -> ConfirmPage {
    ConfirmPage {
        shell: shell("Demo organization", "owner"),
        question: "Suspend orders?".into(),
        consequences: vec![
            "Its 42 connections are cut off, in about a second.".into(),
            "The key is UCQZ4ELQI6YTWZLU7FM3BPIWKKDNDXT7LWCVNPWEDWVRTR6QB63R2YWV.".into(),
            "Clients that try to come back are refused.".into(),
            "Nothing is deleted: resume it and they come back by themselves.".into(),
        ],
        action: "/accounts/acc_019aa5d3c0de7b3f8d5e6a7b8c9d0e1f/suspend".into(),
        button: "Suspend the account".into(),
        danger: true,
        back: "/accounts/acc_019aa5d3c0de7b3f8d5e6a7b8c9d0e1f".into(),
        reason: Some(Field::default()),
    }
}

pub(crate) fn sign_in(token: &str, problem: &str) -> SignInPage {
    SignInPage {
        shell: Shell::anonymous(),
        token: token.into(),
        problem: problem.into(),
    }
}
