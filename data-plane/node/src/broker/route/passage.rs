//! A message that is renamed by its account, or goes to other accounts.
//!
//! ```text
//! rename ── may it? ── own subscribers ─┬─ each importer of the stream ── its subscribers
//!                                       └─ each service asked ── the exporter's subscribers
//!                                              └─ services that the exporter asks in turn …
//! published to _R_.… : an answer ── own subscribers ── the open request ── who asked
//! ```
//!
//! Each account is delivered to as the publisher's own is: with the same code, in steps of the
//! publisher's turn. What is looked up is remembered for the next message with the same subject.
//! Queue groups are of one account: a group of an importer is another one than that of the
//! exporter with the same name, so that an importer cannot take messages away from the exporter's
//! own workers.

use std::ops::ControlFlow;
use std::sync::{Arc, Weak};
use std::time::Instant;

use tollway_accounts::ServiceRoute;
use tollway_claims::ResponseType;
use tollway_wire::{Message, ProtocolError};

use super::{Memo, Published, Publisher, Reach, Underway, may_go_on, metered_bytes};
use crate::broker::account::Account;
use crate::broker::bounds::{
    CROSSING_BODY_KEEP_MAX, CROSSING_STEPS, MEMO_KEEP_MAX, REQUEST_HOPS_MAX, REQUEST_SERVICES_MAX,
};
use crate::broker::crossing::{Crossing, is_answer, stays};
use crate::broker::latency::{self, Measured, Outcome};
use crate::broker::open_requests::{ANSWER_SUBJECT_BYTES, Answered, OpenRequest, Token};
use crate::broker::request_info::{self, RequestInfo};
use crate::broker::staging::Staging;

/// One message on its way, and where the one before went.
#[derive(Default)]
pub(super) struct Passage {
    stage: Stage,
    /// What was in force when the message underway began.
    crossing: Option<Arc<Crossing>>,
    /// As the account calls it.
    subject: Vec<u8>,
    /// The account drops it on purpose.
    lost: bool,
    /// Its own subscribers, and who is told that nobody is there.
    home: Underway,
    delivered: usize,
    legs: Vec<Leg>,
    /// What `legs` were found by; none when they are good for one message only.
    found_by: Option<(Vec<u8>, Weak<Crossing>)>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// No message is underway.
    #[default]
    Idle,
    Home,
    /// The leg with this number.
    Abroad(usize),
    /// Looking for the subscription on which the requester hears that nobody is there.
    Asking,
}

/// What a message does in one other account.
struct Leg {
    memo: Memo,
    /// What it is called there.
    subject: Vec<u8>,
    request: Option<Request>,
    /// Of the message underway, once the leg has begun.
    underway: Option<Underway>,
    /// Its reply subject there, when it is not the publisher's own.
    back: Option<Token>,
    /// It is not granted any more.
    withdrawn: bool,
    /// The header that says who asks, once it was made.
    who: Vec<u8>,
    body: Vec<u8>,
    header_len: usize,
    delivered: usize,
}

/// How a request goes from one account to the next.
struct Request {
    route: Arc<ServiceRoute>,
    /// The leg by which it came to the account that asks; none when a client of that published it.
    from: Option<usize>,
    /// What the exporter had in force when the leg was found.
    crossing: Weak<Crossing>,
    /// The exporter asks others in turn.
    leads_on: bool,
}

impl Publisher {
    /// The account's generation is another: what it renames and shares may be too.
    #[inline(never)]
    pub(super) fn look_across(&mut self, generation: u64) {
        if self.is_passing() {
            // It goes on as it began.
            return;
        }
        self.crossing_generation = generation;
        let crossing = self.client.account.crossing();
        if !is_same(&self.crossing, &crossing) {
            self.crosses = !crossing.is_empty();
            self.crossing = Arc::downgrade(&crossing);
            self.passage = None;
        }
    }

    /// Routes one message of an account that renames or shares, or goes on with it.
    #[inline(never)]
    pub(super) fn pass(
        &mut self,
        message: &Message<'_>,
        staging: &mut Staging,
    ) -> Result<Published, ProtocolError> {
        let mut passage = self.passage.take().unwrap_or_default();
        let crossing = passage.crossing.take().or_else(|| self.crossing.upgrade());
        // When it was replaced in this moment, the new one is as good.
        let crossing = crossing.unwrap_or_else(|| self.client.account.crossing());
        let outcome = self.pass_on(&mut passage, &crossing, message, staging);
        if passage.stage != Stage::Idle {
            passage.crossing = Some(crossing);
        }
        self.passage = Some(passage);
        outcome
    }

    /// Between turns little is kept for the next message.
    pub(super) fn tidy_passage(&mut self) {
        if let Some(passage) = &mut self.passage
            && passage.stage == Stage::Idle
        {
            let receivers: usize = passage.legs.iter().map(|leg| leg.memo.len()).sum();
            if passage.legs.len() + receivers > MEMO_KEEP_MAX {
                passage.forget_legs();
            }
        }
    }

    pub(super) fn is_passing(&self) -> bool {
        let passage = self.passage.as_ref();
        passage.is_some_and(|passage| passage.stage != Stage::Idle)
    }

    fn pass_on(
        &mut self,
        passage: &mut Passage,
        crossing: &Arc<Crossing>,
        message: &Message<'_>,
        staging: &mut Staging,
    ) -> Result<Published, ProtocolError> {
        if passage.stage == Stage::Idle {
            self.begin(passage, crossing, message, staging)?;
            passage.stage = Stage::Home;
        }
        let subject = std::mem::take(&mut passage.subject);
        let flow = self.go_across(passage, crossing, &renamed(message, &subject), staging);
        passage.subject = subject;
        if flow.is_break() {
            return Ok(Published::Unfinished);
        }
        if !passage.home.by_rules {
            self.memo.generation = 0;
        }
        passage.stage = Stage::Idle;
        Ok(Published::Delivered(passage.delivered))
    }

    /// Renames a message and decides about it.
    fn begin(
        &mut self,
        passage: &mut Passage,
        crossing: &Crossing,
        message: &Message<'_>,
        staging: &mut Staging,
    ) -> Result<(), ProtocolError> {
        passage.lost = !crossing.rename(message.subject, staging.random(), &mut passage.subject);
        // Billed is what the client sent.
        let bytes = metered_bytes(message);
        let (by_rules, broad) = self.accept(&renamed(message, &passage.subject), bytes, staging)?;
        staging.spend(CROSSING_STEPS);
        passage.delivered = 0;
        passage.home = Underway {
            by_rules,
            broad,
            ..Underway::default()
        };
        Ok(())
    }

    fn go_across(
        &mut self,
        passage: &mut Passage,
        crossing: &Arc<Crossing>,
        message: &Message<'_>,
        staging: &mut Staging,
    ) -> ControlFlow<()> {
        if passage.stage == Stage::Home {
            if !passage.lost {
                self.deliver_rest(&mut passage.home, message, staging)?;
                passage.delivered = passage.home.delivered;
                self.find_legs(passage, crossing, message, staging);
                passage.stage = Stage::Abroad(0);
            } else {
                passage.stage = Stage::Asking;
            }
        }
        while let Stage::Abroad(number) = passage.stage {
            if number == passage.legs.len() {
                self.settle(passage, crossing);
                passage.stage = Stage::Asking;
                break;
            }
            may_go_on(staging)?;
            if passage.legs[number].underway.is_none() {
                staging.spend(CROSSING_STEPS);
                self.begin_leg(&mut passage.legs, number, crossing, message, staging);
            }
            self.deliver_leg(&mut passage.legs[number], message, staging)?;
            passage.stage = Stage::Abroad(number + 1);
        }
        if passage.delivered == 0 && self.client.no_responders && message.reply.is_some() {
            self.tell_no_responders(&mut passage.home, message, staging)?;
        }
        ControlFlow::Continue(())
    }

    /// Finds out where else a message goes, unless that is known from the one before.
    fn find_legs(
        &self,
        passage: &mut Passage,
        crossing: &Arc<Crossing>,
        message: &Message<'_>,
        staging: &mut Staging,
    ) {
        if is_answer(message.subject) {
            passage.forget_legs();
            passage.legs.extend(self.answer_leg(crossing.clone(), message));
            return;
        }
        let known = passage
            .found_by
            .as_ref()
            .is_some_and(|(subject, found_by)| subject == message.subject && is_same(found_by, crossing));
        if known && passage.legs.iter().all(Leg::is_current) {
            return;
        }
        passage.forget_legs();
        for target in crossing.streams(message.subject) {
            let memo = Memo::new(target.importer, Reach::Stream);
            passage.legs.push(Leg::new(memo, target.subject, None));
        }
        let first_request = passage.legs.len();
        ask(&mut passage.legs, crossing, None, message.subject);
        // Each exporter may ask others; what those ask comes behind.
        let mut hop_ends = passage.legs.len();
        let mut hops = 1;
        let mut number = first_request;
        while number < passage.legs.len() {
            if number == hop_ends {
                hops += 1;
                hop_ends = passage.legs.len();
            }
            if hops >= REQUEST_HOPS_MAX {
                break;
            }
            if passage.legs.len() - first_request < REQUEST_SERVICES_MAX {
                let request = passage.legs[number].request.as_ref();
                // What is gone in this moment is found again by the next message.
                let crossing = request.and_then(|request| request.crossing.upgrade());
                let subject = std::mem::take(&mut passage.legs[number].subject);
                if let Some(crossing) = crossing {
                    let before = passage.legs.len();
                    ask(&mut passage.legs, &crossing, Some(number), &subject);
                    let leads_on = passage.legs.len() > before;
                    if let Some(request) = &mut passage.legs[number].request {
                        request.leads_on = leads_on;
                    }
                }
                passage.legs[number].subject = subject;
            }
            number += 1;
        }
        staging.spend(passage.legs.len());
        passage.found_by = Some((message.subject.to_vec(), Arc::downgrade(crossing)));
    }

    /// The account that asked for this answer, however many accounts it has to pass on the way.
    fn answer_leg(&self, mut crossing: Arc<Crossing>, message: &Message<'_>) -> Option<Leg> {
        let now = Instant::now();
        let mut answerer = self.client.account.clone();
        let mut subject: Box<[u8]> = message.subject.into();
        // What this answer asks back, for the account that has it at the time.
        let mut back = message.reply.map(Box::<[u8]>::from);
        let mut token = None;
        for _ in 0..REQUEST_HOPS_MAX {
            let Some(of_request) = Token::of_subject(&subject) else {
                if stays(&subject) {
                    // Who asked named a subject that it may not publish to.
                    return None;
                }
                // A subject of the account that asked: this is where it goes.
                let memo = Memo::new(answerer, Reach::Answer);
                let mut leg = Leg::new(memo, subject.into_vec(), None);
                leg.back = token;
                return Some(leg);
            };
            let asker = crossing.partner(of_request.tag)?.clone();
            let Answered { reply, measured } =
                asker
                    .requests
                    .answer(of_request, answerer.number, message.body().is_empty(), now)?;
            if let (Some(measured), Some(desk)) = (measured, crossing.desk()) {
                desk.tell(*measured, &Outcome::Answered(self.responder(&answerer)));
            }
            if let Some(reply) = back.take() {
                let request = OpenRequest {
                    reply,
                    answerer: asker.number,
                    response: ResponseType::Singleton,
                    threshold: tollway_accounts::RESPONSE_THRESHOLD_DEFAULT,
                    route: None,
                    measured: None,
                };
                token = open(&answerer, request, Some(&crossing), now);
                back = token.map(|token| Box::from(token.subject()));
            }
            subject = reply;
            crossing = asker.crossing();
            answerer = asker;
        }
        None
    }

    /// Who answers, as the answering account is told.
    fn responder(&self, account: &Account) -> RequestInfo {
        match account.number == self.client.account.number {
            true => self.client.info(true),
            false => RequestInfo::of_account(account),
        }
    }

    /// Finds the receivers of a leg, and gives a request its way back.
    fn begin_leg(
        &mut self,
        legs: &mut [Leg],
        number: usize,
        crossing: &Arc<Crossing>,
        message: &Message<'_>,
        staging: &mut Staging,
    ) {
        let (before, rest) = legs.split_at_mut(number);
        let leg = &mut rest[0];
        leg.delivered = 0;
        let mut underway = Underway::default();
        if leg.memo.generation != leg.memo.account.generation()
            && let Some(walk) = leg.memo.fill(&leg.subject, staging)
        {
            let here = Message::new(&leg.subject, None, &[]);
            std::mem::swap(&mut self.memo, &mut leg.memo);
            underway.broad = Some(self.broaden(walk, &here, staging));
            std::mem::swap(&mut self.memo, &mut leg.memo);
        }
        leg.withdrawn = false;
        let Some(request) = &leg.request else {
            leg.underway = Some(underway);
            return;
        };
        if leg.memo.generation != 0 && !is_same(&request.crossing, &leg.memo.account.crossing()) {
            // It changed since the leg was found: the next message has to look again.
            leg.memo.generation = 0;
        }
        let asker = match request.from {
            Some(from) => before[from].memo.account.clone(),
            None => self.client.account.clone(),
        };
        let reply: Option<Box<[u8]>> = match request.from {
            Some(from) => before[from].back.map(|token| Box::from(token.subject())),
            None => message.reply.map(Box::from),
        };
        leg.back = None;
        let nobody = leg.memo.len() == 0 && underway.broad.is_none() && !request.leads_on;
        leg.withdrawn = request.from.is_some_and(|from| before[from].withdrawn);
        if leg.withdrawn || (nobody && request.route.latency.is_none()) {
            leg.underway = Some(underway);
            return;
        }
        let info = || match request.from {
            Some(_) => RequestInfo::of_account(&asker),
            None => self.client.info(request.route.share),
        };
        let measured = request.route.latency.as_ref().and_then(|latency| {
            let chance = staging.random_below(100);
            let headers = latency::sample(latency.sampling, message, chance)?;
            let exporter = leg.memo.account.clone();
            Some(Measured::begin(
                exporter,
                latency.results.clone(),
                info(),
                headers,
            ))
        });
        if leg.who.is_empty() {
            leg.who = info().header();
        }
        leg.header_len = request_info::write(&leg.who, message, &mut leg.body);
        match (reply, measured) {
            (Some(reply), measured) => {
                let open_request = OpenRequest {
                    reply,
                    answerer: leg.memo.account.number,
                    response: request.route.response,
                    threshold: request.route.response_threshold,
                    route: Some(request.route.clone()),
                    measured: measured.map(Box::new),
                };
                let of_asker = request.from.map(|from| before[from].request.as_ref());
                let of_asker = of_asker.map(|request| request.and_then(|request| request.crossing.upgrade()));
                let decided_by = match &of_asker {
                    Some(of_asker) => of_asker.as_ref(),
                    None => Some(crossing),
                };
                leg.back = open(&asker, open_request, decided_by, Instant::now());
                leg.withdrawn = leg.back.is_none();
            }
            (None, Some(measured)) => {
                if let Some(desk) = crossing.desk() {
                    desk.tell(measured, &Outcome::NoReply);
                }
            }
            (None, None) => {}
        }
        leg.underway = Some(underway);
    }

    /// Delivers in one other account, as at home.
    fn deliver_leg(
        &mut self,
        leg: &mut Leg,
        message: &Message<'_>,
        staging: &mut Staging,
    ) -> ControlFlow<()> {
        let Some(mut underway) = leg.underway.take() else {
            return ControlFlow::Continue(());
        };
        if leg.withdrawn {
            return ControlFlow::Continue(());
        }
        let back: Option<[u8; ANSWER_SUBJECT_BYTES]> = leg.back.map(Token::subject);
        let reply = match leg.memo.reach {
            Reach::Home | Reach::Stream => message.reply,
            // Reply subjects of one account mean nothing in another.
            Reach::Request | Reach::Answer => back.as_ref().map(|back| &back[..]),
        };
        let here = match leg.request {
            Some(_) => Message::with_headers(&leg.subject, reply, &leg.body, leg.header_len),
            None => Message::with_headers(&leg.subject, reply, message.body(), message.header_len()),
        };
        let here = here.expect("the body begins with the headers");
        std::mem::swap(&mut self.memo, &mut leg.memo);
        let flow = self.deliver_rest(&mut underway, &here, staging);
        std::mem::swap(&mut self.memo, &mut leg.memo);
        leg.delivered = underway.delivered;
        if flow.is_break() {
            leg.underway = Some(underway);
        }
        flow
    }

    /// All legs are done: requests that nobody received are closed.
    fn settle(&self, passage: &mut Passage, crossing: &Crossing) {
        for number in (0..passage.legs.len()).rev() {
            let leg = &mut passage.legs[number];
            let delivered = leg.delivered;
            if leg.body.capacity() > CROSSING_BODY_KEEP_MAX {
                leg.body = Vec::new();
            }
            let Some(request) = &leg.request else {
                passage.delivered += delivered;
                continue;
            };
            let (from, back) = (request.from, leg.back.take());
            let asker = match from {
                Some(from) => &passage.legs[from].memo.account,
                None => &self.client.account,
            };
            if delivered == 0
                && let Some(back) = back
                && let Some(measured) = asker.requests.withdraw(back)
                && let Some(desk) = crossing.desk()
            {
                desk.tell(*measured, &Outcome::NoResponders);
            }
            match from {
                Some(from) => passage.legs[from].delivered += delivered,
                None => passage.delivered += delivered,
            }
        }
    }
}

impl Passage {
    fn forget_legs(&mut self) {
        self.legs.clear();
        self.found_by = None;
    }
}

impl Leg {
    fn new(memo: Memo, subject: Vec<u8>, request: Option<Request>) -> Self {
        Self {
            memo,
            subject,
            request,
            underway: None,
            back: None,
            withdrawn: false,
            who: Vec::new(),
            body: Vec::new(),
            header_len: 0,
            delivered: 0,
        }
    }

    /// Whether the next message goes the same way. Subscribers are looked at when the leg begins.
    fn is_current(&self) -> bool {
        match &self.request {
            None => true,
            // A change of what the exporter asks in turn changes its generation too.
            Some(request) => {
                self.memo.generation == self.memo.account.generation()
                    || is_same(&request.crossing, &self.memo.account.crossing())
            }
        }
    }
}

/// Adds the services that an account asks when somebody publishes to this subject in it.
fn ask(legs: &mut Vec<Leg>, crossing: &Crossing, from: Option<usize>, subject: &[u8]) {
    let mut targets = Vec::new();
    crossing.services(subject, &mut |target| targets.push(target));
    for target in targets.into_iter().take(REQUEST_SERVICES_MAX) {
        let request = Request {
            route: target.route,
            from,
            crossing: Arc::downgrade(&target.exporter.crossing()),
            leads_on: false,
        };
        let memo = Memo::new(target.exporter, Reach::Request);
        legs.push(Leg::new(memo, target.subject, Some(request)));
    }
}

/// Opens a request of an account, and has somebody come by when nobody answers it.
fn open(
    asker: &Arc<Account>,
    request: OpenRequest,
    decided_by: Option<&Arc<Crossing>>,
    now: Instant,
) -> Option<Token> {
    let opened = asker.requests.open(request, decided_by, now)?;
    if opened.watch
        && let Some(desk) = asker.crossing().desk()
    {
        desk.watch(asker.clone());
    }
    Some(opened.token)
}

/// Whether this was taken from that. As long as there is a weak one, no other gets its address.
fn is_same(weak: &Weak<Crossing>, crossing: &Arc<Crossing>) -> bool {
    std::ptr::eq(weak.as_ptr(), Arc::as_ptr(crossing))
}

/// The message as its account calls it.
fn renamed<'m>(message: &Message<'m>, subject: &'m [u8]) -> Message<'m> {
    Message::with_headers(subject, message.reply, message.body(), message.header_len())
        .expect("the sizes are those of a message")
}
