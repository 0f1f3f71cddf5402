//! A broker with an operator of its own, and clients that speak raw bytes.

use std::net::SocketAddr;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tollway_claims::{
    AccountClaims, AccountDocument, KeyKind, OperatorClaims, PublicKey, Signer, StatementClaims,
    TollwayClaim, TollwayLimits, Trust, UserClaims, encode_signature,
};
use tollway_node::broker::{Broker, BrokerSettings, LiveCounts, listener};

/// Longer than anything takes here, shorter than anybody waits for a hung test.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("a random source");
    bytes
}

pub(crate) fn now() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970")
        .as_secs() as i64
}

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// A task that panics takes only its connection with it, so a test would not
/// notice. Here every panic counts.
fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.fetch_add(1, Ordering::SeqCst);
            report(panic);
        }));
    });
}

/// A broker that serves, and the operator it trusts.
pub(crate) struct World {
    pub(crate) broker: Broker,
    pub(crate) address: SocketAddr,
    /// Where websockets are served, when they are.
    #[allow(dead_code, reason = "for the tests of transports")]
    pub(crate) websocket: Option<SocketAddr>,
    pub(crate) operator: Signer,
    pub(crate) stop: CancellationToken,
    pub(crate) serving: JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(
                PANICS.load(Ordering::SeqCst),
                0,
                "nothing panics, whatever clients do"
            );
        }
    }
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(adjust: impl FnOnce(&mut BrokerSettings)) -> Self {
        count_panics();
        let server = Signer::generate(KeyKind::Server, random());
        let mut settings = BrokerSettings::new("node-1", server.public().to_string());
        adjust(&mut settings);
        let free = || listener::bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let websocket = settings.websocket.is_some().then(free);
        let websocket_address = websocket
            .as_ref()
            .map(|listener| listener.local_addr().expect("bound"));
        let broker = Broker::new(settings);
        let operator = Signer::generate(KeyKind::Operator, random());
        let jwt = OperatorClaims::new(operator.public(), "test", now())
            .encode(&operator)
            .expect("encodes");
        broker.trust_set(Trust::from_operator_jwt(&jwt).expect("self-signed"), now());
        let listener = free();
        let address = listener.local_addr().expect("bound");
        let stop = CancellationToken::new();
        let serving = tokio::spawn({
            let (broker, stop) = (broker.clone(), stop.clone());
            async move { broker.serve_with(listener, websocket, stop).await }
        });
        Self {
            broker,
            address,
            websocket: websocket_address,
            operator,
            stop,
            serving,
        }
    }

    /// A new account without limits, already in force.
    pub(crate) fn account(&self) -> Account {
        let signer = Signer::generate(KeyKind::Account, random());
        let mut claims = AccountClaims::new(self.operator.public(), signer.public(), "account", now());
        let limits = TollwayLimits {
            connections: tollway_claims::Limit::Unlimited,
            subscriptions: tollway_claims::Limit::Unlimited,
        };
        claims.tollway = Some(TollwayClaim::new(1, limits));
        let account = Account {
            signer,
            claims,
            suspended: None,
        };
        self.apply(&account);
        account
    }

    /// Signs and verifies the account's document as it stands and puts it in force.
    pub(crate) fn apply(&self, account: &Account) {
        self.broker
            .account_apply(self.document(account), now())
            .expect("what the account shares makes sense");
    }

    pub(crate) fn document(&self, account: &Account) -> AccountDocument {
        let statement = StatementClaims {
            issuer: self.operator.public(),
            subject: account.key(),
            issued_at: now(),
            version: account.claims.version().expect("test accounts have a version"),
            suspended: account.suspended.clone(),
        };
        AccountDocument {
            claims: account.claims.clone(),
            statement,
        }
    }

    /// A socket that has read nothing yet.
    pub(crate) async fn dial(&self) -> Raw {
        let socket = TcpStream::connect(self.address)
            .await
            .expect("the broker listens");
        socket.set_nodelay(true).expect("a TCP option");
        Raw {
            socket,
            arrived: Vec::new(),
            nonce: String::new(),
        }
    }

    /// A socket that has read the first INFO.
    pub(crate) async fn greeted(&self) -> Raw {
        let mut raw = self.dial().await;
        let info = raw.info().await;
        raw.nonce = info["nonce"]
            .as_str()
            .expect("the first INFO has a nonce")
            .to_owned();
        raw
    }

    /// A client that is logged in, quiet and understands everything.
    pub(crate) async fn client(&self, user: &User) -> Raw {
        self.client_with(user, serde_json::json!({})).await
    }

    pub(crate) async fn client_with(&self, user: &User, options: serde_json::Value) -> Raw {
        let mut raw = self.greeted().await;
        raw.connect(user, options).await;
        raw.send("PING\r\n").await;
        raw.expect("PONG\r\n").await;
        let info = raw.info().await;
        assert_eq!(info["connect_info"], true);
        raw
    }

    pub(crate) fn live(&self, account: &Account) -> LiveCounts {
        let mut live = LiveCounts::default();
        self.broker.live_visit(&mut |key, counts| {
            if key == account.key() {
                live = counts;
            }
        });
        live
    }

    pub(crate) fn meters(&self, account: &Account) -> tollway_accounts::MeterTotals {
        let mut found = tollway_accounts::MeterTotals::ZERO;
        self.broker.meters_visit(&mut |key, totals| {
            if key == account.key() {
                found = totals;
            }
        });
        found
    }
}

/// Waits for a state, never for a time.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub(crate) struct Account {
    pub(crate) signer: Signer,
    pub(crate) claims: AccountClaims,
    pub(crate) suspended: Option<String>,
}

impl Account {
    pub(crate) fn key(&self) -> PublicKey {
        self.signer.public()
    }

    /// A user without limits.
    pub(crate) fn user(&self) -> User {
        self.user_with(|_| {})
    }

    pub(crate) fn user_with(&self, adjust: impl FnOnce(&mut UserClaims)) -> User {
        self.user_signed_by(&self.signer, adjust)
    }

    pub(crate) fn user_signed_by(&self, issuer: &Signer, adjust: impl FnOnce(&mut UserClaims)) -> User {
        let signer = Signer::generate(KeyKind::User, random());
        let mut claims = UserClaims::new(issuer.public(), signer.public(), "user", now());
        if issuer.public() != self.key() {
            claims.issuer_account = Some(self.key());
        }
        adjust(&mut claims);
        let jwt = claims.encode(issuer).expect("encodes");
        User { signer, jwt }
    }

    pub(crate) fn limits(&mut self) -> &mut TollwayLimits {
        &mut self
            .claims
            .tollway
            .as_mut()
            .expect("test accounts have the claim")
            .limits
    }
}

pub(crate) struct User {
    pub(crate) signer: Signer,
    pub(crate) jwt: String,
}

/// A connection that shows every byte.
pub(crate) struct Raw {
    pub(crate) socket: TcpStream,
    arrived: Vec<u8>,
    pub(crate) nonce: String,
}

impl Raw {
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket
            .write_all(bytes.as_ref())
            .await
            .expect("the broker reads");
    }

    /// Whether the broker took all of this, however long that took.
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.socket.write_all(bytes.as_ref()).await.is_ok()
    }

    /// Sends what the broker may already refuse to read.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = tokio::time::timeout(PATIENCE, self.socket.write_all(bytes.as_ref())).await;
    }

    /// CONNECT with JWT and signature, and the options of a modern, quiet client.
    pub(crate) async fn connect(&mut self, user: &User, options: serde_json::Value) {
        let line = self.connect_line(user, options);
        self.send(line).await;
    }

    pub(crate) fn connect_line(&self, user: &User, options: serde_json::Value) -> String {
        let mut all = serde_json::json!({
            "verbose": false, "pedantic": false, "echo": true, "headers": true, "no_responders": true,
            "protocol": 1, "lang": "raw", "version": "1",
            "jwt": user.jwt, "sig": encode_signature(&user.signer.sign(self.nonce.as_bytes())),
        });
        for (key, value) in options.as_object().expect("options are an object") {
            all[key] = value.clone();
        }
        format!("CONNECT {all}\r\n")
    }

    async fn more(&mut self) -> bool {
        self.arrived.reserve(64 * 1024);
        let read = tokio::time::timeout(PATIENCE, self.socket.read_buf(&mut self.arrived)).await;
        let read = read.unwrap_or_else(|_| panic!("nothing more arrived; so far: {:?}", self.so_far()));
        read.is_ok_and(|count| count > 0)
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.arrived[..self.arrived.len().min(400)]).into_owned()
    }

    /// Exactly these bytes come next.
    pub(crate) async fn expect(&mut self, wanted: impl AsRef<[u8]>) {
        let wanted = wanted.as_ref();
        while self.arrived.len() < wanted.len() && wanted.starts_with(&self.arrived) {
            if !self.more().await {
                break;
            }
        }
        let got = &self.arrived[..self.arrived.len().min(wanted.len())];
        assert!(
            got == wanted,
            "wanted {:?}\n   got {:?}",
            String::from_utf8_lossy(&wanted[..wanted.len().min(400)]),
            self.so_far()
        );
        self.arrived.drain(..wanted.len());
    }

    /// So many bytes, whatever they are.
    pub(crate) async fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.arrived.len() < count {
            assert!(self.more().await, "the connection ended: {:?}", self.so_far());
        }
        self.arrived.drain(..count).collect()
    }

    pub(crate) async fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.arrived.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.arrived.drain(..end + 2).collect();
                return String::from_utf8_lossy(&line[..end]).into_owned();
            }
            assert!(
                self.more().await,
                "the connection ended; so far: {:?}",
                self.so_far()
            );
        }
    }

    /// The next line, or none when the connection ended before it.
    pub(crate) async fn try_line(&mut self) -> Option<String> {
        while !self.arrived.windows(2).any(|pair| pair == b"\r\n") {
            if !self.more().await {
                return None;
            }
        }
        Some(self.line().await)
    }

    pub(crate) async fn info(&mut self) -> serde_json::Value {
        let line = self.line().await;
        let json = line
            .strip_prefix("INFO ")
            .unwrap_or_else(|| panic!("no INFO: {line}"));
        assert!(
            json.ends_with(' '),
            "a blank before the line end, as stock servers have it"
        );
        serde_json::from_str(json).expect("INFO is JSON")
    }

    /// Nothing but these bytes comes, and then the connection ends.
    pub(crate) async fn expect_end(&mut self, wanted: impl AsRef<[u8]>) {
        while self.more().await {}
        assert_eq!(self.so_far(), String::from_utf8_lossy(wanted.as_ref()));
    }

    /// Everything that comes until the connection ends.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.arrived)
    }

    /// Everything the client said so far was done, and nothing else had arrived.
    pub(crate) async fn sync(&mut self) {
        self.send("PING\r\n").await;
        self.expect("PONG\r\n").await;
    }
}
