//! What no route can make sense of is refused with a code, whatever it is.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    fixture::{Answer, Service},
    node::FakeNode,
    world::World,
};

#[tokio::test]
async fn bodies_that_are_not_what_the_route_takes_are_refused_with_the_place_named() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let accounts = format!("/v1/organizations/{}/accounts", world.organization);
    let post = |content_type: &'static str, body: Vec<u8>| {
        let request = service.request(Some(&world.owner), Method::POST, &accounts);
        Answer::of(request.header("content-type", content_type).body(body))
    };
    let json_cases: [(&[u8], &str); 8] = [
        (b"", ""),
        (b"{", ""),
        (b"\xff\xfe{}", ""),
        (b"{\"name\":\"\xff\"}", ""),
        (b"{\"name\":\"a\"} true", ""),
        (b"{\"name\":7}", "name"),
        (b"{\"name\":\"a\",\"nmae\":\"b\"}", "nmae"),
        (b"{\"name\":\"a\",\"limits\":{\"conections\":1}}", "limits"),
    ];
    for (body, field) in json_cases {
        let answer = post("application/json", body.to_vec()).await;
        assert_eq!(
            (answer.status, answer.code()),
            (StatusCode::BAD_REQUEST, "invalid_body"),
            "{answer:?}"
        );
        if !field.is_empty() {
            let named = answer.body["errors"][0]["field"].as_str().unwrap();
            assert!(named.starts_with(field), "{answer:?}");
        }
    }
    let answer = post("text/plain", b"{\"name\":\"a\"}".to_vec()).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (415, "unsupported_media_type")
    );
    let answer = post("application/json", vec![b' '; 1024 * 1024 + 1]).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (413, "body_too_large"));
    let node = FakeNode::enrol(&service, &world.cell).await;
    let _attached = node.attach(None).await;
    let answer = post(
        "application/json; charset=utf-8",
        b"{\"name\":\"with-charset\"}".to_vec(),
    )
    .await;
    assert_eq!(answer.status, StatusCode::CREATED);
}

#[tokio::test]
async fn values_that_are_not_allowed_are_all_named() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let (service, world) = (&service, &world);
    let call = |path: String, body: Value| async move {
        service.call(Some(&world.owner), Method::POST, &path, body).await
    };
    let accounts = format!("/v1/organizations/{}/accounts", world.organization);
    let limits = json!({ "connections": 0, "subscriptions": -2, "payload_bytes": i64::MAX });
    let answer = call(accounts.clone(), json!({ "name": "a", "limits": limits })).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (422, "validation_failed")
    );
    let fields: Vec<_> = answer.body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["field"].as_str().unwrap())
        .collect();
    assert_eq!(
        fields,
        [
            "limits.connections",
            "limits.subscriptions",
            "limits.payload_bytes"
        ]
    );

    let answer = call(accounts.clone(), json!({ "name": "Not A Name" })).await;
    assert_eq!(
        (answer.code(), &answer.body["errors"][0]["code"]),
        ("validation_failed", &json!("invalid_name"))
    );
    let answer = call(accounts, json!({ "name": "a", "cell": "nowhere" })).await;
    assert_eq!(
        (answer.code(), &answer.body["errors"][0]["field"]),
        ("validation_failed", &json!("cell"))
    );

    let users = format!("/v1/accounts/{}/users", world.account);
    let permissions = json!({ "publish_allow": ["fine.>", "a..b"] });
    let answer = call(users, json!({ "name": "a", "permissions": permissions })).await;
    assert_eq!(answer.body["errors"][0]["field"], "permissions.publish_allow[1]");

    let tokens = format!("/v1/organizations/{}/api-tokens", world.organization);
    let answer = call(tokens, json!({ "name": "a", "role": "platform_admin" })).await;
    assert_eq!(
        (answer.code(), &answer.body["errors"][0]["field"]),
        ("validation_failed", &json!("role"))
    );

    let request = format!("/v1/accounts/{}/request", world.account);
    for body in [
        json!({ "subject": "a.*" }),
        json!({ "subject": "" }),
        json!({ "subject": "a b" }),
    ] {
        let answer = call(request.clone(), body).await;
        assert_eq!(
            (answer.code(), &answer.body["errors"][0]["field"]),
            ("validation_failed", &json!("subject"))
        );
    }
    let answer = call(request, json!({ "subject": "a", "timeout_ms": 10_001 })).await;
    assert_eq!(answer.body["errors"][0]["field"], "timeout_ms");
}

#[tokio::test]
async fn permissions_whose_credentials_could_not_connect_are_refused_and_what_fits_is_issued() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let users = format!("/v1/accounts/{}/users", world.account);
    let create = async |name: String, filters: usize| {
        let filters: Vec<_> = (0..filters).map(|number| format!("{number:040}")).collect();
        let (publish, subscribe) = filters.split_at(filters.len() / 2);
        let permissions = json!({ "publish_allow": publish, "subscribe_deny": subscribe });
        let body = json!({ "name": name, "permissions": permissions });
        service.call(Some(&world.owner), Method::POST, &users, body).await
    };
    let answer = create("large".to_owned(), 80).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (422, "validation_failed")
    );
    let error = &answer.body["errors"][0];
    assert_eq!(
        (&error["field"], &error["code"]),
        (&json!("permissions"), &json!("too_large"))
    );

    // As many as are taken, with an end: what is handed out fits into CONNECT.
    let mut filters = 30;
    let user = loop {
        let answer = create(format!("u{filters}-{}", "x".repeat(55)), filters + 1).await;
        if answer.status != StatusCode::CREATED {
            break create(format!("v{filters}-{}", "x".repeat(55)), filters).await;
        }
        filters += 1;
    };
    let issuances = format!("{users}/{}/issuances", user.body["id"].as_str().unwrap());
    let body = json!({ "lifetime_seconds": 10 * 365 * 24 * 3600 });
    let issued = service
        .call(Some(&world.owner), Method::POST, &issuances, body)
        .await;
    let creds = issued.body["creds"].as_str().unwrap();
    let jwt = creds.lines().nth(1).unwrap();
    assert!(
        (2_900..=3_072).contains(&jwt.len()),
        "{} bytes with {filters} filters",
        jwt.len()
    );
}

#[tokio::test]
async fn queries_and_cursors_that_nobody_made_are_refused() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let other_list = service
        .call(
            Some(&world.owner),
            Method::GET,
            &format!("/v1/organizations/{}/api-tokens?limit=1", world.organization),
            Value::Null,
        )
        .await;
    let foreign_cursor = other_list.body["next_cursor"].as_str().unwrap().to_owned();
    let cases = [
        ("limit=0", "invalid_query"),
        ("limit=101", "invalid_query"),
        ("limit=-1", "invalid_query"),
        ("limit=many", "invalid_query"),
        ("page=2", "invalid_query"),
        ("cursor=forged", "invalid_cursor"),
        ("cursor=%F0%9F%98%80", "invalid_cursor"),
        (&format!("cursor={foreign_cursor}"), "invalid_cursor"),
    ];
    for (query, code) in cases {
        let path = format!("/v1/organizations/{}/accounts?{query}", world.organization);
        let answer = service
            .call(Some(&world.owner), Method::GET, &path, Value::Null)
            .await;
        assert_eq!((answer.status.as_u16(), answer.code()), (400, code), "{query}");
        let (name, _) = query.split_once('=').unwrap();
        assert_eq!(answer.body["errors"][0]["field"], name, "{answer:?}");
    }
    for query in [
        "from=yesterday",
        "from=2026-01-01T00:00:00Z&to=2026-03-01T00:00:00Z",
        "from=2026-01-01T01:00:00Z&to=2026-01-01T00:00:00Z",
    ] {
        let path = format!("/v1/accounts/{}/usage?{query}", world.account);
        let answer = service
            .call(Some(&world.owner), Method::GET, &path, Value::Null)
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (400, "invalid_query"),
            "{query}"
        );
        let fault = &answer.body["errors"][0];
        assert!(
            ["from", "to"].contains(&fault["field"].as_str().unwrap()),
            "{answer:?}"
        );
        assert!(
            fault["detail"].as_str().unwrap().starts_with("must be "),
            "{answer:?}"
        );
    }
    let path = format!("/v1/accounts/{}?wait=forever", world.account);
    let answer = service
        .call(Some(&world.owner), Method::DELETE, &path, Value::Null)
        .await;
    assert_eq!((answer.status.as_u16(), answer.code()), (400, "invalid_query"));
    assert_eq!(answer.body["detail"], "wait: must be `applied`");
    let path = format!(
        "/v1/accounts/{}/usage?from=2026-01-01T00:00:00+01:00",
        world.account
    );
    let answer = service
        .call(Some(&world.owner), Method::GET, &path, Value::Null)
        .await;
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("from: must be a time") && detail.contains("%2B"),
        "{detail}"
    );
}

#[tokio::test]
async fn numbers_that_are_none_are_refused_in_plain_words() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let path = format!("/v1/accounts/{}", world.account);
    for (value, found) in [
        ("1e20", "1e+20"),
        ("\"ten\"", "the text \"ten\""),
        ("[]", "a list"),
    ] {
        let request = service
            .request(Some(&world.owner), Method::PATCH, &path)
            .header("content-type", "application/json")
            .body(format!("{{\"limits\":{{\"connections\":{value}}}}}"));
        let answer = Answer::of(request).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (400, "invalid_body"));
        let fault = &answer.body["errors"][0];
        assert_eq!(fault["field"], "limits.connections", "{answer:?}");
        assert_eq!(
            fault["detail"],
            format!("must be a whole number of at most 64 bits, and is {found}")
        );
    }
}

#[tokio::test]
async fn who_may_not_is_told_who_may() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let organization = format!("/v1/organizations/{}", world.organization);
    let accounts = format!("{organization}/accounts");
    for (token, method, path, body, told) in [
        (
            &world.owner,
            Method::DELETE,
            &organization,
            Value::Null,
            "platform administrators",
        ),
        (
            &world.owner,
            Method::GET,
            &"/v1/cells".to_owned(),
            Value::Null,
            "platform administrators",
        ),
        (
            &world.viewer,
            Method::POST,
            &accounts,
            json!({ "name": "a" }),
            "owner or admin",
        ),
    ] {
        let answer = service.call(Some(token), method, path, body).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (403, "forbidden"));
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains(told), "{detail}");
        assert_eq!(
            detail.contains("ask an owner"),
            told.starts_with("owner"),
            "{detail}"
        );
    }
}

#[tokio::test]
async fn ids_that_are_none_name_nothing() {
    let service = Service::start().await;
    let world = World::make(&service).await;
    let paths = [
        "/v1/organizations/x".to_owned(),
        "/v1/organizations/%FF".to_owned(),
        "/v1/accounts/acc_00000000000000000000000000000000".to_owned(),
        format!("/v1/accounts/{}", world.account.to_uppercase()),
        format!("/v1/accounts/{}/users/{}", world.account, world.issuance),
        format!("/v1/accounts/{}/users/usr_{}", world.account, "f".repeat(32)),
        "/v1/cells/no-such-cell".to_owned(),
    ];
    for path in paths {
        let answer = service
            .call(Some(&world.admin), Method::GET, &path, Value::Null)
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (404, "not_found"),
            "{path}"
        );
    }
    let by_key = format!("/v1/accounts/{}", world.account_key);
    let answer = service
        .call(Some(&world.viewer), Method::GET, &by_key, Value::Null)
        .await;
    assert_eq!(answer.body["id"], world.account);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_told_so_in_the_callers_protocol() {
    let service = Service::start().await;
    for path in [
        "/v1",
        "/v2/organizations",
        "/tollway.v1.NoSuchService/Call",
        "/v1/organizations/a/b/c",
    ] {
        let answer = service.call(None, Method::GET, path, Value::Null).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (404, "route_not_found"),
            "{path}"
        );
        assert!(answer.headers.get("grpc-status").is_none());
    }
    let answer = service
        .call(None, Method::PUT, "/v1/organizations", Value::Null)
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (405, "method_not_allowed")
    );
    assert!(
        answer.headers["allow"].to_str().unwrap().contains("POST"),
        "{answer:?}"
    );

    let path = "/tollway.v1.AccountService/GetAccount";
    let answer = service.call(None, Method::POST, path, json!({})).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (415, "unsupported_media_type")
    );
    let unknown = service
        .request(None, Method::POST, "/tollway.v1.NoSuchService/Call")
        .header("content-type", "application/grpc")
        .send()
        .await
        .unwrap();
    assert_eq!(unknown.headers()["grpc-status"], "12");
}

#[tokio::test]
async fn odd_credentials_are_refused_as_none() {
    let service = Service::start().await;
    for header in [
        "",
        "Bearer",
        "Bearer ",
        "Basic dGx3Xw==",
        "Bearer tlw_",
        "bearer x y",
        "Bearer \u{e4}",
    ] {
        let request = service
            .request(None, Method::GET, "/v1/organizations")
            .header("authorization", header.as_bytes());
        let answer = Answer::of(request).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (401, "unauthorized"),
            "{header:?}"
        );
    }
    let request = service
        .request(None, Method::GET, "/v1/organizations")
        .header("authorization", format!("bearer {}", service.admin_token));
    assert_eq!(
        Answer::of(request).await.status,
        StatusCode::OK,
        "the scheme's case does not matter"
    );
}
