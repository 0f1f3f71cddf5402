//! One client's conversation: what each operation does, and what time does.
//!
//! A session knows no socket. It is driven by [`super::connection`]: operations
//! come in with [`Session::handle`], orders and timeouts with the other
//! `handle_*`; answers go to the connection's outbound through the staging of
//! the turn, in the order of the operations.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use time::OffsetDateTime;
use tollway_accounts::AccountLimits;
use tollway_claims::{
    ConnectionFacts, ConnectionType, DecidingRule, Decision, Limit, Proof, PublicKey, SignedUser,
};
use tollway_subject::FilterBuf;
use tollway_wire::{ConnectOptions, DecodeError, DecoderSettings, Info, Message, Op, ProtocolError, encoder};

use super::account::NoRoom;
use super::bounds::{ACKNOWLEDGEMENT_BYTES_MAX, LEAVE_STEPS_MAX, LOGIN_STEPS, SUBSCRIBE_STEPS};
use super::card::Holder;
use super::client::Client;
use super::close_reason::CloseReason;
use super::denials::{
    self, Denial, Denied, DeniedClient, DeniedUser, EVENT_PREFIX, shortened, shortened_bytes,
};
use super::introduction::Introduction;
use super::leaving::Leaving;
use super::login::{Asked, Attempt, LogIn, LoginError, log_in};
use super::meters::Tally;
use super::outbound::Outbound;
use super::recheck::{Recheck, Subscriptions};
use super::refusals::Refusal;
use super::route::{Published, Publisher, RESERVED_SUBJECTS, metered_bytes};
use super::shared::{Shared, unix_now};
use super::staging::Staging;
use super::subscription::Subscription;
use super::throttle::{Ration, Throttle};
use crate::transport::{Arrival, Mapping};

/// The state of one conversation.
pub(crate) struct Session {
    shared: Arc<Shared>,
    outbound: Arc<Outbound>,
    introduction: Introduction,
    /// How the client came, when that was not by a plain socket.
    arrival: Option<Box<Arrival>>,
    options: ConnectOptions,
    /// Until when a client must have authenticated.
    authenticate_by: Instant,
    login: Option<Login>,
    /// A login that goes on when a password was checked.
    asked: Option<Box<Asked>>,
    /// The login before, while its subscriptions end.
    leaving: Option<Leaving>,
    /// What the client was told about the login before.
    told: Option<(PublicKey, u32)>,
    ping_at: Instant,
    /// Something arrived since the last time it was looked at.
    heard: bool,
    pings_unanswered: u32,
    /// [`Session::poll_timeout`] says something else than the driver knows.
    timeout_changed: bool,
}

/// What there is once a client has authenticated.
struct Login {
    client: Arc<Client>,
    publisher: Publisher,
    /// Holds every live subscription, and for a while some that are over.
    subscriptions: Subscriptions,
    /// Those that are looked at again and not yet back among the others.
    recheck: Recheck,
    limits: Limits,
    /// The rates that it has to keep, if there are any.
    throttle: Option<Box<Throttle>>,
    /// The INFO after the first PONG was sent: from then on changes are told.
    introduced: bool,
}

/// What the user, the account and the server grant together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limits {
    /// All that the account is granted: clients hear of changes that do not show here too.
    account: AccountLimits,
    payload_bytes: u32,
    subscriptions: Limit,
    /// Seconds since 1970, and what the client hears then.
    user_ends: Option<i64>,
    account_ends: Option<i64>,
}

/// Go on, or end the connection.
pub(crate) type Flow = ControlFlow<CloseReason>;

/// How far an operation is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    Done,
    /// The turn is over before the operation is: hand it in again in the next one.
    Unfinished,
}

const DONE: ControlFlow<CloseReason, Progress> = ControlFlow::Continue(Progress::Done);

/// Where acknowledgements of stored messages go.
const ACKNOWLEDGEMENT_PREFIX: &[u8] = b"$JS.ACK.";

/// The queue group that stock servers keep for themselves.
const SYSTEM_QUEUE: &[u8] = b"_sys_";

/// The longest that a session sleeps before it looks at the calendar again:
/// the wall clock may be set meanwhile.
const CALENDAR_LOOK: Duration = Duration::from_secs(3600);

impl Session {
    pub(crate) fn new(
        shared: Arc<Shared>,
        outbound: Arc<Outbound>,
        introduction: Introduction,
        arrival: Option<Box<Arrival>>,
    ) -> Self {
        let now = Instant::now();
        let settings = &shared.settings;
        let of_websockets = settings
            .websocket
            .as_ref()
            .and_then(|settings| settings.auth_timeout);
        let over_websocket = arrival.as_ref().is_some_and(|arrival| arrival.upgrade.is_some());
        let auth_timeout = of_websockets.filter(|_| over_websocket);
        Self {
            authenticate_by: now + auth_timeout.unwrap_or(settings.auth_timeout),
            ping_at: now + settings.ping_interval,
            shared,
            outbound,
            introduction,
            arrival,
            options: ConnectOptions::default(),
            login: None,
            asked: None,
            leaving: None,
            told: None,
            heard: false,
            pings_unanswered: 0,
            timeout_changed: false,
        }
    }

    /// What the decoder accepts from a client that has not authenticated.
    pub(crate) fn decoder_settings(&self) -> DecoderSettings {
        DecoderSettings {
            max_control_line: self.shared.settings.max_control_line as u32,
            max_payload: u32::try_from(self.shared.settings.max_payload).unwrap_or(u32::MAX),
            connect_first: self.shared.greeting().auth_required,
            ..DecoderSettings::default()
        }
    }

    /// Which account's turn this is, for the length of turns; 0 before login.
    pub(crate) fn account_number(&self) -> u64 {
        self.login.as_ref().map_or(0, |login| login.client.account.number)
    }

    /// The first INFO, which the client answers with CONNECT. False when it had that in the clear.
    pub(crate) fn greeting(&self, out: &mut Vec<u8>) -> bool {
        if self.arrival.as_ref().is_some_and(|arrival| arrival.greeted) {
            return false;
        }
        out.extend(self.introduction.greeting(&self.shared, self.arrival.as_deref()));
        true
    }

    fn connection_type(&self) -> ConnectionType {
        match &self.arrival {
            Some(arrival) if arrival.upgrade.is_some() => ConnectionType::Websocket,
            _ => ConnectionType::Standard,
        }
    }

    /// Bytes arrived: the client is alive.
    pub(crate) fn handle_bytes(&mut self) {
        self.heard = true;
    }

    /// Does what the client asks.
    pub(crate) fn handle(
        &mut self,
        op: Op<'_>,
        decoder: &mut DecoderSettings,
        staging: &mut Staging,
    ) -> ControlFlow<CloseReason, Progress> {
        if let Op::Connect(json) = op {
            return self.connect(json, decoder, staging);
        }
        if self.login.is_none() {
            // Who need not authenticate may begin at once, as somebody who shows nothing.
            self.enter(decoder)?;
        }
        let Some(login) = &mut self.login else {
            return ControlFlow::Break(CloseReason::Told(ProtocolError::AuthorizationViolation));
        };
        match op {
            Op::Publish(message) => match login.publish(&message, staging) {
                Ok(Published::Delivered(_)) => {}
                Ok(Published::Unfinished) => return ControlFlow::Continue(Progress::Unfinished),
                Err((kind, refused)) => {
                    self.deny(kind, &refused, None);
                    self.tell(&refused, staging);
                }
            },
            Op::Subscribe { filter, queue, sid } => {
                staging.spend(SUBSCRIBE_STEPS);
                let tokens_max = self.shared.settings.max_subscription_tokens;
                match login.subscribe(filter, queue, sid, tokens_max, staging) {
                    Ok(()) => self.confirm(staging),
                    Err((kind, refused)) => {
                        if let Some(kind) = kind {
                            self.deny(kind, &refused, Some((filter, queue)));
                        }
                        self.tell(&refused, staging);
                    }
                }
            }
            Op::Unsubscribe { sid, max } => {
                staging.spend(SUBSCRIBE_STEPS);
                login.unsubscribe(sid, max.map(|max| u64::from(max.get())));
                self.confirm(staging);
            }
            Op::Ping => {
                staging.control(&self.outbound, encoder::pong);
                self.introduce(staging);
            }
            Op::Pong => self.pings_unanswered = 0,
            Op::Connect(_) | Op::Ignored => {}
        }
        DONE
    }

    /// The end of a turn: everything staged goes out and is counted.
    pub(crate) fn flush(&mut self, staging: &mut Staging) {
        match &mut self.login {
            Some(login) => {
                let accepted = login.publisher.flush(staging);
                if let Some(throttle) = &mut login.throttle {
                    throttle.take(accepted, staging.take_delivered());
                }
            }
            None => {
                let rest = staging.flush(None, None);
                debug_assert!(rest.is_none(), "only the client itself can be told something");
            }
        }
    }

    /// How much the next turn may do, if there are rates.
    pub(crate) fn ration(&self) -> Option<Ration> {
        let throttle = self.login.as_ref()?.throttle.as_ref()?;
        Some(throttle.ration())
    }

    /// A turn is over, which did an operation to its end or not. Gives how long nothing is read.
    pub(crate) fn pace(&mut self, progress: bool) -> Option<Duration> {
        let throttle = self.login.as_mut()?.throttle.as_mut()?;
        throttle.handle_turn_end(progress)
    }

    /// The time that nothing was read is over. Gives how long that goes on.
    pub(crate) fn handle_pause_end(&mut self) -> Option<Duration> {
        let throttle = self.login.as_mut()?.throttle.as_mut()?;
        throttle.handle_pause_end()
    }

    /// Limits may have changed in a pause. Gives how long that still lasts.
    pub(crate) fn handle_change_in_pause(&mut self) -> Option<Duration> {
        let throttle = self.login.as_mut()?.throttle.as_mut()?;
        throttle.handle_change()
    }

    /// Whether [`Session::go_on_flushing`] is to be called before anything is read.
    pub(crate) fn is_flushing(&self) -> bool {
        self.login
            .as_ref()
            .is_some_and(|login| login.publisher.is_flushing())
    }

    /// Sends to some more of the receivers of the last turn.
    pub(crate) fn go_on_flushing(&mut self, staging: &mut Staging) {
        if let Some(login) = &mut self.login {
            login.publisher.go_on_flushing(staging);
            if let Some(throttle) = &mut login.throttle {
                throttle.take(Tally::default(), staging.take_delivered());
            }
        }
    }

    /// Bytes that wait to be sent by this client's own task.
    pub(crate) fn outgoing_bytes(&self) -> usize {
        self.login
            .as_ref()
            .map_or(0, |login| login.publisher.outgoing_bytes())
    }

    /// The end of a turn: what it added must not be more than the account may make the node hold.
    pub(crate) fn make_room(&self, staging: &mut Staging) {
        for account in staging.take_crowded() {
            self.shared.make_room(&account);
        }
        if let Some(login) = &self.login
            && login.client.account.memory.is_over()
        {
            self.shared.make_room(&login.client.account);
        }
    }

    /// The account's document changed: limits, permissions and the end may be others.
    pub(crate) fn handle_reload(&mut self, decoder: &mut DecoderSettings, out: &mut Vec<u8>) -> Flow {
        let Some(login) = &mut self.login else {
            return ControlFlow::Continue(());
        };
        login.publisher.adopt();
        let limits = Limits::of(&self.shared, &login.client);
        let changed = limits.granted() != login.limits.granted();
        login.limits = limits;
        login.rethrottle();
        decoder.max_payload = limits.payload_bytes;
        login.recheck.begin(&login.client, &mut login.subscriptions);
        let tell = changed && login.introduced;
        let flow = self.go_on_rechecking(out);
        if tell && flow.is_continue() {
            self.push_info(out);
        }
        flow
    }

    /// Whether it has to authenticate, and has not yet.
    pub(crate) fn is_stranger(&self) -> bool {
        self.login.is_none() && self.shared.greeting().auth_required
    }

    /// Whether [`Session::go_on_rechecking`] is to be called before anything is read.
    pub(crate) fn is_rechecking(&self) -> bool {
        self.login.as_ref().is_some_and(|login| !login.recheck.is_over())
    }

    /// Looks at some more of the subscriptions that the user may not have any more.
    pub(crate) fn go_on_rechecking(&mut self, out: &mut Vec<u8>) -> Flow {
        let Some(login) = &mut self.login else {
            return ControlFlow::Continue(());
        };
        login.recheck.go_on(&login.client, &mut login.subscriptions, out);
        let count = login.client.subscriptions.load(Relaxed);
        if login.recheck.is_over() && !login.limits.subscriptions.allows(count) {
            return ControlFlow::Break(CloseReason::Told(ProtocolError::MaximumSubscriptionsExceeded));
        }
        ControlFlow::Continue(())
    }

    /// The node is about to stop, or wants to be rid of this client: if it understands that, it looks
    /// for another node.
    pub(crate) fn handle_lame_duck(&self, out: &mut Vec<u8>) {
        if self.login.is_some() && self.options.protocol >= 1 {
            let mut info = self.info();
            info.lame_duck_mode = true;
            encoder::info(out, &info);
        }
    }

    /// When [`Session::handle_timeout`] must be called next.
    pub(crate) fn poll_timeout(&self) -> Instant {
        let Some(login) = &self.login else {
            return if self.shared.greeting().auth_required {
                self.authenticate_by
            } else {
                self.ping_at
            };
        };
        match login.limits.ends() {
            Some(end) => self.ping_at.min(Instant::now() + until(end)),
            None => self.ping_at,
        }
    }

    /// Whether an operation changed what [`Session::poll_timeout`] says.
    pub(crate) fn take_timeout_changed(&mut self) -> bool {
        std::mem::take(&mut self.timeout_changed)
    }

    /// Time passed: credentials end, silent clients are pinged, dead ones given up.
    pub(crate) fn handle_timeout(&mut self, now: Instant, out: &mut Vec<u8>) -> Flow {
        let Some(login) = &self.login else {
            if !self.shared.greeting().auth_required {
                return self.ping_when_silent(now, out);
            }
            if now < self.authenticate_by {
                return ControlFlow::Continue(());
            }
            return ControlFlow::Break(CloseReason::Told(ProtocolError::AuthenticationTimeout));
        };
        let today = unix_now();
        if login.limits.user_ends.is_some_and(|end| end <= today) {
            return ControlFlow::Break(CloseReason::Told(ProtocolError::UserAuthenticationExpired));
        }
        if login.limits.account_ends.is_some_and(|end| end <= today) {
            return ControlFlow::Break(CloseReason::Told(ProtocolError::AccountAuthenticationExpired));
        }
        self.ping_when_silent(now, out)
    }

    fn ping_when_silent(&mut self, now: Instant, out: &mut Vec<u8>) -> Flow {
        if now < self.ping_at {
            return ControlFlow::Continue(());
        }
        self.ping_at = now + self.shared.settings.ping_interval;
        if std::mem::take(&mut self.heard) {
            self.pings_unanswered = 0;
        } else if self.pings_unanswered >= self.shared.settings.pings_unanswered_max {
            return ControlFlow::Break(CloseReason::Stale);
        } else {
            self.pings_unanswered += 1;
            encoder::ping(out);
        }
        ControlFlow::Continue(())
    }

    /// Counts a client that never authenticated, when that is why it ends, and says when it does
    /// not speak the protocol.
    pub(crate) fn note_end(&self, reason: &CloseReason) {
        if reason.is_protocol_error() {
            let account = self.login.as_ref().map(|login| login.client.account.key);
            let refusals = &self.shared.refusals;
            refusals.record_fault(self.introduction.client_ip, account, &reason.text());
        }
        match reason {
            CloseReason::Protocol(DecodeError::PayloadExceeded { limit, .. }) => {
                let rule = format!("limit payload {limit}");
                self.deny_with(Denied::PublishPayload, rule, reason.text());
            }
            CloseReason::AccountMemory => {
                let rule = format!("limit account memory {}", self.shared.settings.account_memory_max);
                self.deny_with(Denied::ReceiveMemory, rule, reason.text());
            }
            _ => {}
        }
        let rule = match reason {
            CloseReason::Told(ProtocolError::AuthenticationTimeout) => "timeout",
            CloseReason::Protocol(DecodeError::ConnectExpected) => "connect_expected",
            _ => return,
        };
        self.refuse(&Refusal {
            rule,
            reason: reason.text(),
            account: None,
        });
    }

    fn connect(
        &mut self,
        json: &[u8],
        decoder: &mut DecoderSettings,
        staging: &mut Staging,
    ) -> ControlFlow<CloseReason, Progress> {
        if self.options.merge(json).is_err() {
            return ControlFlow::Break(CloseReason::MalformedConnect);
        }
        if let Some(arrival) = &self.arrival {
            arrival.show_cookies(&mut self.options);
        }
        if let Some(login) = &self.login {
            self.told = login.told();
            // What was staged belongs to the account that is left now.
            self.flush(staging);
            while self.is_flushing() {
                self.go_on_flushing(staging);
            }
            self.leaving = self.leave();
            self.authenticate_by = Instant::now() + self.shared.settings.auth_timeout;
        }
        while let Some(leaving) = &mut self.leaving {
            if staging.is_spent() {
                return ControlFlow::Continue(Progress::Unfinished);
            }
            staging.spend(LEAVE_STEPS_MAX);
            if leaving.go_on() {
                self.leaving = None;
            }
        }
        staging.spend(LOGIN_STEPS);
        if let Err(error) = self.options.check() {
            if error == ProtocolError::AuthorizationViolation {
                let reason = "CONNECT asks for an account, which no client may".to_owned();
                self.refuse(&Refusal {
                    rule: "account_requested",
                    reason,
                    account: None,
                });
            }
            return ControlFlow::Break(CloseReason::Told(error));
        }
        if self.enter(decoder)? == Progress::Unfinished {
            return ControlFlow::Continue(Progress::Unfinished);
        }
        if let Err(error) = self.options.check_user() {
            return ControlFlow::Break(CloseReason::Told(error));
        }
        if self.login.as_ref().is_some_and(|login| login.throttle.is_some()) {
            // How much it may do is to be looked up first.
            staging.end_turn();
        }
        self.confirm(staging);
        DONE
    }

    /// Logs the client in with what it said, if need be after its password was checked.
    fn enter(&mut self, decoder: &mut DecoderSettings) -> ControlFlow<CloseReason, Progress> {
        let client = match self.log_in() {
            Ok(LogIn::In(client)) => client,
            Ok(LogIn::Asked(asked)) => {
                self.asked = Some(Box::new(asked));
                return ControlFlow::Continue(Progress::Unfinished);
            }
            Err(error) => {
                self.refuse(&error.refusal());
                self.deny_login(&error);
                return ControlFlow::Break(CloseReason::Told(error.told()));
            }
        };
        // The credentials are not needed any more, and an idle connection should be small.
        self.options.jwt = None;
        self.options.sig = None;
        self.options.pass = None;
        self.options.auth_token = None;
        self.outbound.card.hand_to(Holder {
            client: Arc::downgrade(&client),
            name: self.options.name.clone(),
            lang: self.options.lang.clone(),
            version: self.options.version.clone(),
        });
        self.outbound.belong_to(&client.account);
        let limits = Limits::of(&self.shared, &client);
        decoder.headers = client.headers;
        decoder.max_payload = limits.payload_bytes;
        self.ping_at = Instant::now() + self.shared.settings.ping_interval;
        self.timeout_changed = true;
        self.login = Some(Login {
            publisher: Publisher::new(client.clone()),
            throttle: Throttle::at_login(&client),
            client,
            subscriptions: Subscriptions::new(),
            recheck: Recheck::default(),
            limits,
            introduced: false,
        });
        DONE
    }

    /// Whether nothing can be done before a password was checked.
    pub(crate) fn is_waiting(&self) -> bool {
        self.asked.as_ref().is_some_and(|asked| !asked.is_answered())
    }

    fn log_in(&mut self) -> Result<LogIn, LoginError> {
        let asked = self.asked.take().map(|asked| *asked);
        let facts = ConnectionFacts {
            proof: Proof::Nonce {
                nonce: self.introduction.nonce.as_bytes(),
                signature: self.options.sig.as_deref(),
            },
            client_ip: Some(self.introduction.client_ip),
            connection_type: self.connection_type(),
            now: unix_now(),
        };
        let attempt = Attempt {
            options: &self.options,
            facts,
            nonce: &self.introduction.nonce,
            mapping: self
                .arrival
                .as_ref()
                .map_or(Mapping::No, |arrival| arrival.mapping()),
            outbound: &self.outbound,
        };
        log_in(&self.shared, &attempt, asked)
    }

    /// Tells a client, once, which account it is in and what it may send there.
    fn introduce(&mut self, staging: &mut Staging) {
        let Some(login) = &mut self.login else { return };
        if login.introduced || self.options.protocol < 1 {
            return;
        }
        login.introduced = true;
        if self.told == login.told() {
            return;
        }
        staging.control(&self.outbound.clone(), |out| self.push_info(out));
    }

    fn push_info(&self, out: &mut Vec<u8>) {
        encoder::info(out, &self.info());
    }

    fn info(&self) -> Info {
        let mut info = self.introduction.info(&self.shared, self.arrival.as_deref());
        if let Some(login) = &self.login {
            info.max_payload = login.limits.payload_bytes;
            info.connect_info = true;
            info.remote_account = Some(login.client.account.label.to_string());
            if let Some(authority) = &*self.shared.authority.load() {
                info.account_is_system = authority.system_account() == Some(login.client.account.key);
                info.auth_required = authority.knows_users();
            }
        }
        info
    }

    fn confirm(&self, staging: &mut Staging) {
        if self.options.verbose {
            staging.control(&self.outbound, encoder::ok);
        }
    }

    fn tell(&self, error: &ProtocolError, staging: &mut Staging) {
        staging.control(&self.outbound, |out| encoder::error(out, error));
    }

    /// Counts what a client of an account is refused, and tells the account why.
    fn deny(&self, kind: Denied, refused: &ProtocolError, subscribes: Option<(&[u8], Option<&[u8]>)>) {
        let Some(login) = &self.login else { return };
        denials::deny(&self.shared, &login.client.account, kind, || {
            let subject = match (refused, subscribes) {
                (_, Some((filter, _))) => Some(filter),
                (ProtocolError::PublishViolation { subject }, None) => Some(&subject[..]),
                (ProtocolError::PublishReplyViolation { reply }, None) => Some(&reply[..]),
                _ => None,
            };
            let queue = subscribes.and_then(|(_, queue)| queue);
            Denial {
                subject: subject.map(shortened_bytes),
                queue: queue.map(shortened_bytes),
                ..self.denial(login.rule(kind, refused, &self.shared), None)
            }
        });
    }

    /// The same, when the connection ends for it.
    fn deny_with(&self, kind: Denied, rule: String, reason: String) {
        if let Some(login) = &self.login {
            let describe = || self.denial(rule, Some(reason));
            denials::deny(&self.shared, &login.client.account, kind, describe);
        }
    }

    /// The same, of who was not let in, if it named an account that is served here.
    fn deny_login(&self, error: &LoginError) {
        let refusal = error.refusal();
        let Some(account) = refusal.account.and_then(|key| self.shared.account(&key)) else {
            return;
        };
        let kind = match error {
            LoginError::Refused(_) => Denied::ConnectAuthorization,
            LoginError::TooManyConnections(_) => Denied::ConnectConnections,
            LoginError::UserTooManyConnections(_) => Denied::ConnectUserConnections,
        };
        denials::deny(&self.shared, &account, kind, || {
            let served = account.served();
            // It was read before, and is read again only for what is told.
            let shown = self
                .options
                .jwt
                .as_deref()
                .and_then(|jwt| SignedUser::decode(jwt).ok());
            let of_issuer = |user: &SignedUser| served.claims().user_share(&user.claims().issuer);
            let connections = shown.as_ref().and_then(|user| of_issuer(user).connections);
            let rule = match (kind, connections) {
                (Denied::ConnectConnections, _) => {
                    format!("limit account connections {}", number(served.limits.connections))
                }
                (Denied::ConnectUserConnections, Some(limit)) => {
                    format!("limit user connections {}", number(limit))
                }
                _ => refusal.rule.to_owned(),
            };
            let user = match &shown {
                Some(user) => DeniedUser {
                    name: Some(shortened(&user.claims().name)),
                    key: Some(user.claims().subject.to_string()),
                    id: user.claims().user.clone(),
                },
                None => DeniedUser {
                    name: self.options.user.as_deref().map(shortened),
                    key: self.options.nkey.as_deref().map(shortened),
                    id: None,
                },
            };
            Denial {
                user,
                ..self.denial(rule, Some(shortened(&refusal.reason)))
            }
        });
    }

    fn denial(&self, rule: String, reason: Option<String>) -> Denial {
        let said = |text: &Option<String>| text.as_deref().map(shortened);
        Denial {
            at: OffsetDateTime::now_utc(),
            subject: None,
            queue: None,
            rule,
            reason,
            user: self
                .login
                .as_ref()
                .map_or_else(DeniedUser::default, |login| (&*login.client.user()).into()),
            client: DeniedClient {
                id: self.introduction.client_id,
                ip: self.introduction.client_ip,
                name: said(&self.options.name),
                lang: said(&self.options.lang),
                version: said(&self.options.version),
            },
        }
    }

    fn refuse(&self, refusal: &Refusal) {
        self.shared
            .refusals
            .record(&self.shared.counters, Some(self.introduction.client_ip), refusal);
    }

    /// Takes the client out of its account. Its subscriptions end as the value that this gives goes
    /// on, or is dropped.
    pub(crate) fn leave(&mut self) -> Option<Leaving> {
        let login = self.login.take()?;
        login.client.account.leave(&login.client);
        let account = login.client.account.clone();
        Some(Leaving::new(account, login.subscriptions, login.recheck))
    }
}

/// However a connection ends, also by our own mistake: nobody may go on
/// delivering to it.
impl Drop for Session {
    fn drop(&mut self) {
        drop(self.leave());
    }
}

impl Login {
    /// What the INFO after the first PONG said, if it was sent.
    fn told(&self) -> Option<(PublicKey, u32)> {
        let said = (self.client.account.key, self.limits.payload_bytes);
        self.introduced.then_some(said)
    }

    /// Routes one message, unless too much is owed to a rate.
    fn publish(
        &mut self,
        message: &Message<'_>,
        staging: &mut Staging,
    ) -> Result<Published, (Denied, ProtocolError)> {
        let denied = |error| (Denied::PublishPermission, error);
        let Some(throttle) = &mut self.throttle else {
            return self.publisher.publish(message, staging).map_err(denied);
        };
        let bytes = metered_bytes(message);
        let exempt =
            message.subject.starts_with(ACKNOWLEDGEMENT_PREFIX) && bytes <= ACKNOWLEDGEMENT_BYTES_MAX;
        let begins = !self.publisher.is_underway();
        if begins && !exempt && throttle.is_refusing() {
            let subject = message.subject.to_vec();
            return Err((Denied::PublishRate, ProtocolError::PublishViolation { subject }));
        }
        let published = self.publisher.publish(message, staging).map_err(denied)?;
        if begins && exempt {
            throttle.exempt(bytes);
        }
        if !exempt && published != Published::Unfinished {
            staging.spend_message();
        }
        Ok(published)
    }

    /// What decided that something is refused.
    fn rule(&self, kind: Denied, refused: &ProtocolError, shared: &Shared) -> String {
        let user = self.client.user();
        let deciding = |list: &str, decision: Decision<'_>| match decision {
            Decision::Denied(DecidingRule::Deny(rule)) => format!("{list}.deny {rule}"),
            Decision::Denied(DecidingRule::NotAllowed) => format!("not in {list}.allow"),
            Decision::Denied(DecidingRule::InvalidQueue) => "invalid queue".to_owned(),
            // The permissions allow it: it is nobody's to use.
            Decision::Allowed => "reserved".to_owned(),
        };
        match (kind, refused) {
            (Denied::PublishRate, _) => self
                .throttle
                .as_ref()
                .map_or_else(String::new, |throttle| throttle.rule()),
            (_, ProtocolError::PublishViolation { subject }) => {
                let reserved = subject.starts_with(EVENT_PREFIX)
                    || RESERVED_SUBJECTS.iter().any(|prefix| subject.starts_with(prefix));
                match reserved {
                    true => "reserved".to_owned(),
                    false => deciding("pub", user.permissions.may_publish(subject)),
                }
            }
            (_, ProtocolError::PublishReplyViolation { .. }) => "reserved reply".to_owned(),
            (_, ProtocolError::SubscriptionViolation { filter, queue, .. }) => {
                let filter = FilterBuf::new(filter).expect("it was one when it was refused");
                deciding(
                    "sub",
                    user.permissions
                        .may_subscribe(filter.as_filter(), queue.as_deref()),
                )
            }
            (Denied::SubscribeTokens, _) => {
                format!(
                    "limit subscription tokens {}",
                    shared.settings.max_subscription_tokens
                )
            }
            (Denied::SubscribeMemory, _) => {
                format!("limit account memory {}", shared.settings.account_memory_max)
            }
            _ => {
                let own = self.client.subscriptions.load(Relaxed) + 1;
                let total = self.client.account.served().limits.subscriptions;
                match self.limits.subscriptions.allows(own) {
                    false => format!(
                        "limit connection subscriptions {}",
                        number(self.limits.subscriptions)
                    ),
                    true => format!("limit account subscriptions {}", number(total)),
                }
            }
        }
    }

    /// The rates, or whom they concern, may be others.
    fn rethrottle(&mut self) {
        let before = self.throttle.take();
        self.throttle = Throttle::of(&self.client);
        if let (Some(throttle), Some(mut before)) = (&mut self.throttle, before) {
            throttle.adopt(&mut before);
        }
    }

    fn subscribe(
        &mut self,
        filter: &[u8],
        queue: Option<&[u8]>,
        sid: &[u8],
        tokens_max: usize,
        staging: &mut Staging,
    ) -> Result<(), (Option<Denied>, ProtocolError)> {
        let filter = FilterBuf::new(filter).map_err(|_| (None, ProtocolError::InvalidSubject))?;
        let tokens = filter.as_filter().tokens().count();
        staging.spend(tokens);
        if tokens > tokens_max {
            let filter = filter.as_bytes().to_vec();
            let refused = ProtocolError::SubscriptionTooManyTokens { filter };
            return Err((Some(Denied::SubscribeTokens), refused));
        }
        let user = self.client.user();
        let allowed = user
            .permissions
            .may_subscribe(filter.as_filter(), queue)
            .is_allowed();
        if !allowed || queue == Some(SYSTEM_QUEUE) {
            let (filter, queue) = (filter.as_bytes().to_vec(), queue.map(<[u8]>::to_vec));
            let refused = ProtocolError::SubscriptionViolation {
                filter,
                queue,
                sid: None,
            };
            return Err((Some(Denied::SubscribePermission), refused));
        }
        self.forget_finished();
        if self
            .subscriptions
            .get(sid)
            .is_some_and(|subscription| !subscription.is_over())
        {
            // Stock servers keep the first one without a word.
            return Ok(());
        }
        let filtered = user.permissions.needs_delivery_filter(filter.as_filter(), queue);
        let subscription = Arc::new(Subscription::new(
            filter,
            sid.into(),
            queue.map(Into::into),
            self.client.clone(),
            filtered,
        ));
        let account = &self.client.account;
        if let Err(no_room) = account.subscribe(&subscription, self.limits.subscriptions) {
            let kind = match no_room {
                NoRoom::Limit => Denied::SubscribeSubscriptions,
                NoRoom::Memory => Denied::SubscribeMemory,
            };
            return Err((Some(kind), ProtocolError::MaximumSubscriptionsExceeded));
        }
        self.subscriptions.insert(sid.into(), subscription);
        Ok(())
    }

    /// Ends a subscription, at once or after so many deliveries since its start.
    fn unsubscribe(&mut self, sid: &[u8], max: Option<u64>) {
        let Some(subscription) = self.subscriptions.get(sid) else {
            return;
        };
        if max.is_some_and(|max| !subscription.end_after(max)) {
            return;
        }
        self.client.account.unsubscribe(subscription);
        self.subscriptions.remove(sid);
    }

    /// Forgets subscriptions that had their last delivery. Publishers end those
    /// and cannot reach this table; half of it at most is dead.
    fn forget_finished(&mut self) {
        let finished = self.client.finished.load(Relaxed) as usize;
        if finished > 16 && finished > self.subscriptions.len() / 2 {
            self.client.finished.store(0, Relaxed);
            self.subscriptions
                .retain(|_, subscription| !subscription.is_over());
        }
    }
}

impl Limits {
    fn of(shared: &Shared, client: &Client) -> Self {
        let served = client.account.served();
        let user = client.user();
        let server = shared.settings.max_payload as u64;
        let payload_bytes = served.limits.payload_bytes_effective(user.limits.payload, server);
        Self {
            account: served.limits,
            payload_bytes: u32::try_from(payload_bytes).unwrap_or(u32::MAX),
            subscriptions: user
                .limits
                .subscriptions
                .min(served.claims().limits.subscriptions),
            user_ends: user.expires_at,
            account_ends: served.claims().expires_at,
        }
    }

    /// What clients hear of when it changes.
    fn granted(&self) -> (AccountLimits, u32, Limit) {
        (self.account, self.payload_bytes, self.subscriptions)
    }

    fn ends(&self) -> Option<i64> {
        [self.user_ends, self.account_ends].into_iter().flatten().min()
    }
}

/// A limit that was reached.
fn number(limit: Limit) -> i64 {
    limit.as_i64()
}

/// How long to sleep until a point of the calendar.
fn until(unix: i64) -> Duration {
    let since_1970 = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let end = Duration::from_secs(u64::try_from(unix).unwrap_or(0));
    end.saturating_sub(since_1970).min(CALENDAR_LOOK)
}
