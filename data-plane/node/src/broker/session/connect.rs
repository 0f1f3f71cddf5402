//! How a client comes in: CONNECT, again too, and who begins without it.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use tollway_claims::{ConnectionFacts, ConnectionType, Proof};
use tollway_wire::{DecoderSettings, ProtocolError};

use super::limits::Limits;
use super::login::Login;
use super::{DONE, Progress, Session};
use crate::broker::bounds::{LEAVE_STEPS_MAX, LOGIN_STEPS};
use crate::broker::card::Holder;
use crate::broker::close_reason::CloseReason;
use crate::broker::login::{Attempt, LogIn, LoginError, log_in};
use crate::broker::recheck::{Recheck, Subscriptions};
use crate::broker::refusals::Refusal;
use crate::broker::route::Publisher;
use crate::broker::shared::unix_now;
use crate::broker::staging::Staging;
use crate::broker::throttle::Throttle;
use crate::transport::Mapping;

impl Session {
    pub(super) fn connect(
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
            self.leaving = self.leave_for(&CloseReason::ClientClosed);
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
    pub(super) fn enter(&mut self, decoder: &mut DecoderSettings) -> ControlFlow<CloseReason, Progress> {
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
        if self.told.is_none() {
            // CONNECT is what a client answers INFO with.
            let card = &self.outbound.card;
            card.note_round_trip(card.began());
        }
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
        self.outbound.lane_set(&client);
        let limits = Limits::of(&self.shared, &client);
        decoder.headers = client.headers;
        decoder.max_payload = limits.payload_bytes;
        self.pings
            .begin_again(Instant::now(), self.shared.settings.ping_interval);
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
        self.tell_connected();
        DONE
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
            client_ip: self.introduction.client_ip,
            outbound: &self.outbound,
        };
        log_in(&self.shared, &attempt, asked)
    }

    pub(super) fn connection_type(&self) -> ConnectionType {
        match &self.arrival {
            Some(arrival) if arrival.upgrade.is_some() => ConnectionType::Websocket,
            _ => ConnectionType::Standard,
        }
    }

    /// Whether nothing can be done before a password was checked.
    pub(crate) fn is_waiting(&self) -> bool {
        self.asked.as_ref().is_some_and(|asked| !asked.is_answered())
    }

    /// Whether it has to say who it is, or at least anything, and has not yet.
    pub(crate) fn is_stranger(&self) -> bool {
        self.login.is_none() && self.shared.greeting().limited
    }
}
