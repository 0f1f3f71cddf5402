//! One call on a connection of the public port: counted while it is open, and its body bounded.
//!
//! A body is read when its handler asks for it, after the caller is known wherever that is possible.
//! It has a deadline, and the bytes of all bodies that are being read together have a bound; a call
//! beyond it waits, without asking its client for more.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{BoxError, Router, body::Body};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, Version, header};
use hyper::{
    body::{Body as HttpBody, Frame, Incoming, SizeHint},
    service::Service,
};
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Duration, Instant, Sleep, sleep, timeout},
};
use tokio_util::sync::PollSemaphore;

use crate::bounds::{BODY_DRAIN_BYTES_MAX, BODY_DRAIN_WAIT, BODY_WAIT};

/// The open calls of one connection. Clones share the count.
#[derive(Clone)]
pub(crate) struct OpenCalls(Arc<Mutex<Count>>);

struct Count {
    open: usize,
    /// When the last one ended, or the connection began.
    idle_since: Instant,
}

/// One open call, until its answer was taken.
struct OpenCall(OpenCalls);

impl OpenCalls {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Count {
            open: 0,
            idle_since: Instant::now(),
        })))
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

impl Drop for OpenCall {
    fn drop(&mut self) {
        let mut count = self.0.0.lock();
        count.open -= 1;
        count.idle_since = Instant::now();
    }
}

/// Runs a call; `bodies` counts the bytes of bodies that may still be read.
pub(crate) async fn serve_call(
    router: Router,
    calls: OpenCalls,
    bodies: Arc<Semaphore>,
    request: Request<Incoming>,
) -> Response<Body> {
    let call = calls.begin();
    let is_http1 = request.version() < Version::HTTP_2;
    // Who waits for leave to send the body is not asked for it now.
    let may_drain = !request.headers().contains_key(header::EXPECT);
    let (parts, body) = request.into_parts();
    let (request, unread) = match body.is_end_stream() {
        true => (Request::from_parts(parts, Body::empty()), None),
        false => {
            let body = RequestBody::new(body, bodies);
            let unread = body.clone();
            (Request::from_parts(parts, Body::new(body)), Some(unread))
        }
    };
    let Ok(mut response) = TowerToHyperService::new(router).call(request).await;
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

/// A request's body, bounded in time, and in memory together with all others. Clones read the same one.
#[derive(Clone)]
struct RequestBody(Arc<Mutex<Reading>>);

struct Reading {
    body: Incoming,
    ended: bool,
    deadline: Pin<Box<Sleep>>,
    room: PollSemaphore,
    /// What was read and has no room yet.
    waiting: Option<Frame<Bytes>>,
    /// Room for what was read; given back when the call has its answer.
    held: Option<OwnedSemaphorePermit>,
}

impl RequestBody {
    fn new(body: Incoming, bodies: Arc<Semaphore>) -> Self {
        Self(Arc::new(Mutex::new(Reading {
            body,
            ended: false,
            deadline: Box::pin(sleep(BODY_WAIT)),
            room: PollSemaphore::new(bodies),
            waiting: None,
            held: None,
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
        let mut body = self.clone();
        let rest =
            async { while let Some(Ok(_)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {} };
        timeout(BODY_DRAIN_WAIT, rest).await.is_ok() && self.has_ended()
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut reading = self.0.lock();
        let reading = &mut *reading;
        if reading.deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err("the body did not come in time".into())));
        }
        if reading.waiting.is_none() && !reading.ended {
            match ready!(Pin::new(&mut reading.body).poll_frame(cx)) {
                Some(Ok(frame)) => reading.waiting = Some(frame),
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => reading.ended = true,
            }
        }
        let Some(frame) = &reading.waiting else {
            return Poll::Ready(None);
        };
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        if let Ok(bytes @ 1..) = u32::try_from(bytes) {
            let room =
                ready!(reading.room.poll_acquire_many(cx, bytes)).expect("the semaphore is never closed");
            match &mut reading.held {
                Some(held) => held.merge(room),
                None => reading.held = Some(room),
            }
        }
        reading.ended = reading.body.is_end_stream();
        Poll::Ready(reading.waiting.take().map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        let reading = self.0.lock();
        reading.waiting.is_none() && (reading.ended || reading.body.is_end_stream())
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
