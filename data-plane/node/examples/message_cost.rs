//! What a message costs the broker in processor time: compare two builds of it on one machine.
//!
//! ```text
//! cargo build --profile quick -p tollway-node --example message_cost
//! target/quick/examples/message_cost
//! ```
//!
//! It starts the broker in a process of its own, sends with blocking sockets, and reads the
//! process's time on processors from `/proc`. Copy the program away before the change, and run
//! both by turns: the machine's speed drifts more than a percent between minutes.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    reason = "a program for one's own terminal"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tokio_util::sync::CancellationToken;
use tollway_claims::{
    AccountClaims, AccountDocument, KeyKind, Limit, OperatorClaims, Signer, StatementClaims, TollwayClaim,
    TollwayLimits, Trust, UserClaims,
};
use tollway_node::broker::{Broker, BrokerSettings, listener, runtime};

fn main() {
    if std::env::args().nth(1).as_deref() == Some("serve") {
        return serve();
    }
    let mut server = Command::new(std::env::current_exe().unwrap())
        .arg("serve")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    let place = Place {
        port: words[0].parse().unwrap(),
        jwt: words[1].to_owned(),
        process: server.id(),
    };
    let rounds = std::env::args()
        .nth(1)
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(3);
    for _ in 0..rounds {
        // Name, publishers, receivers, payload bytes, messages per publisher.
        place.measure("pub 16", 1, 0, 16, 6_000_000);
        place.measure("1:1 128", 1, 1, 128, 2_000_000);
        place.measure("1:10 16", 1, 10, 16, 600_000);
        place.measure("4:4 128", 4, 1, 128, 500_000);
        place.measure("1:100 16", 1, 100, 16, 60_000);
        place.request_reply(20_000);
    }
    server.kill().unwrap();
    server.wait().unwrap();
}

struct Place {
    port: u16,
    jwt: String,
    process: u32,
}

impl Place {
    fn client(&self) -> TcpStream {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        socket.set_nodelay(true).unwrap();
        let connect = format!(
            "CONNECT {{\"verbose\":false,\"protocol\":0,\"jwt\":\"{}\"}}\r\nPING\r\n",
            self.jwt
        );
        socket.write_all(connect.as_bytes()).unwrap();
        until_pong(&mut socket);
        socket
    }

    /// Nanoseconds that all threads of the broker spent on processors.
    fn cpu(&self) -> u64 {
        std::fs::read_dir(format!("/proc/{}/task", self.process))
            .unwrap()
            .map(|task| std::fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap())
            .map(|stat| stat.split(' ').next().unwrap().parse::<u64>().unwrap())
            .sum()
    }

    /// Each publisher has a subject and `receivers` of its own.
    fn measure(&self, name: &str, publishers: usize, receivers: usize, payload: usize, messages: usize) {
        let mut threads = Vec::new();
        let readers: Vec<_> = (0..publishers * receivers)
            .map(|number| {
                let mut socket = self.client();
                write!(socket, "SUB m.{} 1\r\nPING\r\n", number % publishers).unwrap();
                until_pong(&mut socket);
                let head = format!("MSG m.0 1 {payload}\r\n").len() + payload + 2;
                std::thread::spawn(move || {
                    let mut left = head * messages;
                    let mut into = vec![0; 256 * 1024];
                    while left > 0 {
                        left -= socket.read(&mut into).unwrap();
                    }
                })
            })
            .collect();
        let sockets: Vec<_> = (0..publishers).map(|_| self.client()).collect();
        let (cpu, start) = (self.cpu(), Instant::now());
        for (number, mut socket) in sockets.into_iter().enumerate() {
            threads.push(std::thread::spawn(move || {
                let body = "x".repeat(payload);
                let message = format!("PUB m.{number} {payload}\r\n{body}\r\n");
                let batch = (64 * 1024 / message.len()).max(1);
                let many = message.repeat(batch);
                let mut left = messages;
                while left > 0 {
                    let now = left.min(batch);
                    socket.write_all(&many.as_bytes()[..now * message.len()]).unwrap();
                    left -= now;
                }
                socket.write_all(b"PING\r\n").unwrap();
                until_pong(&mut socket);
            }));
        }
        threads
            .into_iter()
            .chain(readers)
            .for_each(|thread| thread.join().unwrap());
        self.report(name, publishers * messages, cpu, start);
    }

    fn request_reply(&self, messages: usize) {
        let mut responder = self.client();
        responder.write_all(b"SUB ask 1\r\nPING\r\n").unwrap();
        until_pong(&mut responder);
        let responder = std::thread::spawn(move || {
            let mut lines = BufReader::new(responder.try_clone().unwrap());
            let mut line = String::new();
            for _ in 0..messages {
                for _ in 0..2 {
                    line.clear();
                    lines.read_line(&mut line).unwrap();
                }
                responder.write_all(b"PUB inbox 2\r\nok\r\n").unwrap();
            }
        });
        let mut requester = self.client();
        requester.write_all(b"SUB inbox 1\r\nPING\r\n").unwrap();
        until_pong(&mut requester);
        let (cpu, start) = (self.cpu(), Instant::now());
        let mut lines = BufReader::new(requester.try_clone().unwrap());
        let mut line = String::new();
        for _ in 0..messages {
            requester.write_all(b"PUB ask inbox 2\r\nhi\r\n").unwrap();
            for _ in 0..2 {
                line.clear();
                lines.read_line(&mut line).unwrap();
            }
        }
        self.report("request", messages, cpu, start);
        responder.join().unwrap();
    }

    fn report(&self, name: &str, messages: usize, cpu: u64, start: Instant) {
        let spent = (self.cpu() - cpu) as f64 / messages as f64;
        let rate = messages as f64 / start.elapsed().as_secs_f64();
        println!("{name:10} {spent:8.0} ns/message {rate:10.0} messages/s");
    }
}

fn until_pong(socket: &mut TcpStream) {
    let mut last = [0; 6];
    let mut byte = [0];
    while last != *b"PONG\r\n" {
        socket.read_exact(&mut byte).unwrap();
        last.rotate_left(1);
        last[5] = byte[0];
    }
}

fn serve() {
    let random = || {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).unwrap();
        bytes
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    let operator = Signer::generate(KeyKind::Operator, random());
    let account = Signer::generate(KeyKind::Account, random());
    let user = Signer::generate(KeyKind::User, random());
    let server = Signer::generate(KeyKind::Server, random());
    let broker = Broker::new(BrokerSettings::new("node", server.public().to_string()));
    let jwt = OperatorClaims::new(operator.public(), "test", now)
        .encode(&operator)
        .unwrap();
    broker.trust_set(Trust::from_operator_jwt(&jwt).unwrap(), now);
    let mut claims = AccountClaims::new(operator.public(), account.public(), "account", now);
    let limits = TollwayLimits {
        connections: Limit::Unlimited,
        subscriptions: Limit::Unlimited,
    };
    claims.tollway = Some(TollwayClaim::new(1, limits));
    let statement = StatementClaims {
        issuer: operator.public(),
        subject: account.public(),
        issued_at: now,
        version: claims.version().unwrap(),
        suspended: None,
    };
    broker
        .account_apply(AccountDocument { claims, statement }, now)
        .unwrap();
    let mut claims = UserClaims::new(account.public(), user.public(), "user", now);
    // No signature over the nonce: the load generator is about messages.
    claims.limits.bearer_token = true;
    let jwt = claims.encode(&account).unwrap();
    runtime().unwrap().block_on(async {
        let listener = listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        println!("{} {jwt}", listener.local_addr().unwrap().port());
        let broker = broker.clone();
        tokio::spawn(async move { broker.serve(listener, CancellationToken::new()).await })
            .await
            .unwrap();
    });
}
