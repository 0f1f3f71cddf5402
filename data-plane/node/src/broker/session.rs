//! One client's conversation: what each operation does, and what time does.
//!
//! A session knows no socket. It is driven by [`super::connection`]: operations
//! come in with [`Session::handle`], orders and timeouts with the other
//! `handle_*`; answers go to the connection's outbound through the staging of
//! the turn, in the order of the operations.
//!
//! Here is what it consists of and what each operation does. The rest is by its occasion: `connect`
//! (coming in), `login`, `acknowledgement` and `subscribing` (what a client does that is in), `limits`,
//! `info` (what it is told), `turn` (sending, rations and pauses), `timeouts` and `pings`, `changes`
//! (reload, recheck, lame duck), `denying` and `telling` (events of what is refused, and of who comes
//! and goes).

mod acknowledgement;
mod changes;
mod connect;
mod denying;
mod info;
mod limits;
mod login;
mod pings;
mod subscribing;
mod telling;
mod timeouts;
mod turn;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use tollway_claims::PublicKey;
use tollway_wire::{ConnectOptions, DecoderSettings, Op, ProtocolError, encoder};

use self::login::Login;
use self::pings::Pings;
use super::bounds::SUBSCRIBE_STEPS;
use super::close_reason::CloseReason;
use super::introduction::Introduction;
use super::leaving::Leaving;
use super::login::Asked;
use super::outbound::Outbound;
use super::route::Published;
use super::shared::Shared;
use super::staging::Staging;
use crate::transport::Arrival;

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
    pings: Pings,
    /// When the PING was sent whose PONG comes next.
    pinged_at: Option<Instant>,
    /// [`Session::poll_timeout`] says something else than the driver knows.
    timeout_changed: bool,
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
            pings: Pings::new(now, settings.ping_interval),
            shared,
            outbound,
            introduction,
            arrival,
            options: ConnectOptions::default(),
            login: None,
            asked: None,
            leaving: None,
            told: None,
            pinged_at: None,
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

    /// A part of an operation arrived: the client is alive, even if the rest takes long.
    pub(crate) fn handle_part(&mut self) {
        self.pings.handle_activity();
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
        if !matches!(op, Op::Publish(_)) {
            login.publisher.settle_broadcast(staging);
        }
        match op {
            Op::Pong => self.pings.handle_pong(),
            Op::Ignored => {}
            _ => self.pings.handle_activity(),
        }
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
            Op::Pong => {
                if let Some(sent) = self.pinged_at.take() {
                    self.outbound.card.note_round_trip(sent);
                }
            }
            Op::Connect(_) | Op::Ignored => {}
        }
        DONE
    }

    /// What it listens to.
    pub(crate) fn subscriptions(&self) -> Option<&super::recheck::Subscriptions> {
        self.login.as_ref().map(|login| &login.subscriptions)
    }

    fn confirm(&self, staging: &mut Staging) {
        if self.options.verbose {
            staging.control(&self.outbound, encoder::ok);
        }
    }

    fn tell(&self, error: &ProtocolError, staging: &mut Staging) {
        staging.control(&self.outbound, |out| encoder::error(out, error));
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
