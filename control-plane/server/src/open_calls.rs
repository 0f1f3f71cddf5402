//! One call on a connection of the public port: counted while it is open, and its body bounded.
//!
//! A body is read when its handler asks for it, after the caller is known wherever that is possible. It
//! takes its room from the caller's share ([`BodyRooms`]) before it is read, and it has to come: in time, and
//! at some speed.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{BoxError, Router, body::Body};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::{
    body::{Body as HttpBody, Frame, Incoming, SizeHint},
    service::Service,
};
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Duration, Instant, Sleep, sleep, timeout},
};

use crate::{
    body_room::{BodyRoom, BodyRooms},
    bounds::{
        BODY_DRAIN_BYTES_MAX, BODY_DRAIN_WAIT, BODY_EXCESS_BYTES_MAX, BODY_STRETCH, BODY_STRETCH_BYTES_MIN,
        BODY_WAIT, REFUSAL_WAIT_MAX, REFUSALS_WAITING_MAX, REQUEST_BODY_BYTES_MAX, STRANGER_BODY_BYTES_MAX,
    },
    call_origin::{CallOrigin, Caller},
    grpc::{CODE_KEY, is_grpc},
    peers::PeerPlace,
};

/// The open calls of one connection. Clones share the count.
#[derive(Clone)]
pub(crate) struct OpenCalls(Arc<Mutex<Count>>);

struct Count {
    open: usize,
    /// Calls that were refused and wait for their answer.
    refused: usize,
    /// When the last one ended, or the connection began.
    idle_since: Instant,
}

/// One open call, until its answer was taken.
struct OpenCall(OpenCalls);

impl OpenCalls {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Count {
            open: 0,
            refused: 0,
            idle_since: Instant::now(),
        })))
    }

    /// Lets a refused call wait for its answer. `false` when the connection should end with it.
    async fn hold_refusal(&self, refusal: Refusal, place: &PeerPlace) -> bool {
        {
            let mut count = self.0.lock();
            if count.refused >= REFUSALS_WAITING_MAX {
                return false;
            }
            count.refused += 1;
        }
        let _refused = Refused(self);
        let wait = match refusal {
            Refusal::Nobody => place.refusal_wait(Instant::now()),
            Refusal::TooMany => Some(REFUSAL_WAIT_MAX),
        };
        sleep(wait.unwrap_or(REFUSAL_WAIT_MAX)).await;
        wait.is_some()
    }

    /// When the connection will have been without a call for so long, if none begins.
    pub(crate) fn idle_until(&self, idle_max: Duration) -> Instant {
        let count = self.0.lock();
        match count.open {
            0 => count.idle_since + idle_max,
            _ => Instant::now() + idle_max,
        }
    }

    fn begin(&self) -> OpenCall {
        self.0.lock().open += 1;
        OpenCall(self.clone())
    }
}

/// Counts one that waits, also when its client goes away meanwhile.
struct Refused<'c>(&'c OpenCalls);

impl Drop for Refused<'_> {
    fn drop(&mut self) {
        self.0.0.lock().refused -= 1;
    }
}

/// Why a call was refused that its client may make again at once.
#[derive(Clone, Copy)]
enum Refusal {
    /// Nobody is known by what it presented.
    Nobody,
    /// There are too many like it.
    TooMany,
}

impl Refusal {
    /// `names_caller` says whether the call presented anything: a probe of our health is told at once.
    fn of(response: &Response<Body>, names_caller: bool) -> Option<Self> {
        const UNAUTHENTICATED: &str = "16";
        let (status, headers) = (response.status(), response.headers());
        let code = headers.get(CODE_KEY).and_then(|code| code.to_str().ok());
        let is_nobody = status == StatusCode::UNAUTHORIZED
            || headers
                .get("grpc-status")
                .is_some_and(|status| status == UNAUTHENTICATED);
        let is_too_many = matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        ) || matches!(code, Some("too_many_calls" | "overloaded"));
        match () {
            () if is_nobody => Some(Self::Nobody),
            () if is_too_many && names_caller => Some(Self::TooMany),
            () => None,
        }
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        let mut count = self.0.0.lock();
        count.open -= 1;
        count.idle_since = Instant::now();
    }
}

/// Runs a call; bodies take their room of `rooms`. `ends` is told when the connection should take no more.
pub(crate) async fn serve_call(
    router: Router,
    calls: OpenCalls,
    rooms: BodyRooms,
    place: Arc<PeerPlace>,
    ends: Arc<Notify>,
    mut request: Request<Incoming>,
) -> Response<Body> {
    let call = calls.begin();
    let is_http1 = request.version() < Version::HTTP_2;
    // Who waits for leave to send the body is not asked for it now.
    let may_drain = !request.headers().contains_key(header::EXPECT);
    let peer = place.peer();
    let origin = CallOrigin::new(peer);
    request.extensions_mut().insert(peer);
    request.extensions_mut().insert(origin.clone());
    let names_caller = [header::AUTHORIZATION, header::COOKIE]
        .iter()
        .any(|name| request.headers().contains_key(name));
    // What speaks gRPC may go on in its own time.
    let is_stream = is_grpc(request.headers());
    let (parts, body) = request.into_parts();
    let (request, unread) = match body.is_end_stream() {
        true => (Request::from_parts(parts, Body::empty()), None),
        false => {
            let body = RequestBody::new(body, rooms, origin, is_stream);
            let unread = body.clone();
            (Request::from_parts(parts, Body::new(body)), Some(unread))
        }
    };
    let Ok(mut response) = TowerToHyperService::new(router).call(request).await;
    if let Some(refusal) = Refusal::of(&response, names_caller)
        && !calls.hold_refusal(refusal, &place).await
    {
        if is_http1 {
            response
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        ends.notify_one();
    }
    // Where calls follow each other, the next one begins behind the body of this one.
    if let Some(body) = unread.filter(|_| is_http1)
        && !(may_drain && body.drain().await)
        && !body.has_ended()
    {
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response.map(|body| Body::new(ResponseBody { body, _call: call }))
}

/// A request's body, bounded in time and in memory. Clones read the same one.
struct RequestBody<B = Incoming>(Arc<Mutex<Reading<B>>>);

struct Reading<B> {
    body: B,
    ended: bool,
    origin: CallOrigin,
    deadline: Pin<Box<Sleep>>,
    /// `None` for streams.
    pace: Option<Pace>,
    rooms: BodyRooms,
    /// Held until the call has its answer.
    room: Room,
    read: usize,
    /// What comes is thrown away, and so takes no room.
    is_refused: bool,
}

enum Room {
    NotTaken,
    Waits(Pin<Box<dyn Future<Output = BodyRoom> + Send>>),
    Taken(#[allow(dead_code, reason = "dropped, it is given back")] BodyRoom),
}

/// So much in each stretch of time, or the end.
struct Pace {
    /// The end of this stretch; none began before the body has its room.
    stretch: Option<Pin<Box<Sleep>>>,
    came: usize,
}

impl<B> Clone for RequestBody<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<B> RequestBody<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    fn new(body: B, rooms: BodyRooms, origin: CallOrigin, is_stream: bool) -> Self {
        let pace = Pace {
            stretch: None,
            came: 0,
        };
        Self(Arc::new(Mutex::new(Reading {
            body,
            ended: false,
            origin,
            deadline: Box::pin(sleep(BODY_WAIT)),
            pace: (!is_stream).then_some(pace),
            rooms,
            room: Room::NotTaken,
            read: 0,
            is_refused: false,
        })))
    }

    fn has_ended(&self) -> bool {
        self.0.lock().ended
    }

    /// Reads what is left when it is little and comes soon; says whether the end was reached.
    async fn drain(&self) -> bool {
        if self.has_ended() {
            return true;
        }
        if self
            .size_hint()
            .upper()
            .is_none_or(|left| left > BODY_DRAIN_BYTES_MAX)
        {
            return false;
        }
        self.0.lock().is_refused = true;
        let mut body = self.clone();
        let rest =
            async { while let Some(Ok(_)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {} };
        timeout(BODY_DRAIN_WAIT, rest).await.is_ok() && self.has_ended()
    }
}

impl<B> Reading<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    /// The most that is read of a body by this caller. What its route takes may be less.
    fn bytes_max(&self) -> usize {
        match self.origin.caller() {
            Caller::Stranger(_) => STRANGER_BODY_BYTES_MAX,
            Caller::Organization(_) | Caller::Platform => REQUEST_BODY_BYTES_MAX,
        }
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match &mut self.room {
                Room::NotTaken => {
                    let announced = self.body.size_hint().upper().unwrap_or(u64::MAX);
                    let bytes = announced.min(self.bytes_max() as u64) as u32;
                    let take = self.rooms.clone().take(self.origin.caller(), bytes);
                    self.room = Room::Waits(Box::pin(take));
                }
                Room::Waits(take) => self.room = Room::Taken(ready!(take.as_mut().poll(cx))),
                Room::Taken(_) => return Poll::Ready(()),
            }
        }
    }

    fn is_too_slow(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(pace) = &mut self.pace else {
            return false;
        };
        loop {
            let stretch = pace.stretch.get_or_insert_with(|| Box::pin(sleep(BODY_STRETCH)));
            if stretch.as_mut().poll(cx).is_pending() {
                return false;
            }
            if pace.came < BODY_STRETCH_BYTES_MIN {
                return true;
            }
            pace.came = 0;
            pace.stretch = None;
        }
    }
}

impl<B> HttpBody for RequestBody<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut reading = self.0.lock();
        let reading = &mut *reading;
        if reading.ended {
            return Poll::Ready(None);
        }
        if reading.deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err("the body did not come in time".into())));
        }
        if !reading.is_refused {
            ready!(reading.poll_room(cx));
        }
        let frame = match Pin::new(&mut reading.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(None) => {
                reading.ended = true;
                return Poll::Ready(None);
            }
            Poll::Pending if reading.is_too_slow(cx) => {
                return Poll::Ready(Some(Err("the body came too slowly".into())));
            }
            Poll::Pending => return Poll::Pending,
        };
        reading.ended = reading.body.is_end_stream();
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        reading.read = reading.read.saturating_add(bytes);
        if let Some(pace) = &mut reading.pace {
            pace.came += bytes;
        }
        // A little more than the room: whose route takes less says so in its own words first.
        if !reading.is_refused && reading.read > reading.bytes_max() + BODY_EXCESS_BYTES_MAX {
            return Poll::Ready(Some(Err("the body is too large".into())));
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        let reading = self.0.lock();
        reading.ended || reading.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().body.size_hint()
    }
}

/// An answer's body; its call is open until the last of it was taken.
struct ResponseBody {
    body: Body,
    _call: OpenCall,
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use http_body_util::{BodyExt, StreamBody};
    use tokio::sync::mpsc;
    use tokio_stream::wrappers::ReceiverStream;
    use tollway_authz::{Actor, Principal};
    use tollway_model::{OrganizationId, Role};

    use super::*;
    use crate::peers::Peer;

    type Sent = Result<Frame<Bytes>, BoxError>;
    type Body = RequestBody<StreamBody<ReceiverStream<Sent>>>;

    fn origin(organization: Option<u64>) -> CallOrigin {
        let origin = CallOrigin::new(Peer::of([192, 0, 2, 1].into()));
        if let Some(organization) = organization {
            let home = Some(OrganizationId::new(organization, [0; 10]));
            let principal = Principal::new(Role::Developer, home, Actor::System("test")).unwrap();
            let mut extensions = http::Extensions::new();
            extensions.insert(origin.clone());
            CallOrigin::note(&extensions, &principal);
        }
        origin
    }

    fn body(rooms: &BodyRooms, organization: Option<u64>, is_stream: bool) -> (mpsc::Sender<Sent>, Body) {
        let (sender, sent) = mpsc::channel(64);
        let body = StreamBody::new(ReceiverStream::new(sent));
        (
            sender,
            RequestBody::new(body, rooms.clone(), origin(organization), is_stream),
        )
    }

    fn data(bytes: usize) -> Sent {
        Ok(Frame::data(vec![0; bytes].into()))
    }

    #[tokio::test]
    async fn bodies_that_stall_hold_up_their_own_organization_alone() {
        let rooms = BodyRooms::new();
        let mut stalled = Vec::new();
        for _ in 0..70 {
            let (sender, mut body) = body(&rooms, Some(1), false);
            sender.try_send(data(1_000)).unwrap();
            let began = body.frame().now_or_never();
            stalled.push((sender, body, began));
        }
        assert!(
            stalled.last().unwrap().2.is_none(),
            "the organization has no more room"
        );
        for organization in [Some(2), None] {
            let (sender, body) = body(&rooms, organization, false);
            sender.try_send(data(100)).unwrap();
            drop(sender);
            let read = body.collect().now_or_never().expect("it has room").unwrap();
            assert_eq!(read.to_bytes().len(), 100);
        }
    }

    #[tokio::test]
    async fn stream_of_a_stranger_brings_little_in_all_its_messages() {
        let (sender, mut body) = body(&BodyRooms::new(), None, true);
        let mut read = 0;
        loop {
            sender.try_send(data(1_000)).unwrap();
            match body.frame().now_or_never().unwrap().unwrap() {
                Ok(frame) => read += frame.into_data().unwrap().len(),
                Err(_) => break,
            }
        }
        assert!(read <= STRANGER_BODY_BYTES_MAX + BODY_EXCESS_BYTES_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn body_ends_when_it_stalls_and_a_slow_one_may_take_its_time() {
        let rooms = BodyRooms::new();
        let (sender, mut stalls) = body(&rooms, Some(1), false);
        sender.try_send(data(1_000_000)).unwrap();
        assert!(stalls.frame().await.unwrap().is_ok());
        let begin = Instant::now();
        // The first stretch brought enough.
        assert!(stalls.frame().await.unwrap().is_err());
        assert_eq!(begin.elapsed().as_secs(), 2 * BODY_STRETCH.as_secs());

        let (sender, mut slow) = body(&rooms, Some(1), false);
        for _ in 0..4 {
            sender.try_send(data(BODY_STRETCH_BYTES_MIN)).unwrap();
            assert!(slow.frame().await.unwrap().is_ok());
            tokio::time::advance(BODY_STRETCH).await;
            assert!(slow.frame().now_or_never().is_none());
        }
    }
}
