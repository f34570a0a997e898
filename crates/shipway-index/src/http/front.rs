//! What stands before the routes: identifiers, limits, counting, the access log, and warm pages and files.
//!
//! A page that is in memory, and a file that was given lately, is answered here, without a task or a lock that
//! waits: on SQLite at once, on PostgreSQL when the database has said what it changed last. Whatever is not
//! certain (a commit since, a token not seen yet, a form not built, another method) goes the way of the routes,
//! which decide by the same rules. It refuses to know what a page is made of.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::Router;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, RANGE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper_util::service::TowerToHyperService;
use shipway_dist::channel::ChannelName;
use shipway_dist::digest::Sha256;
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

use super::operations::{Route, route_of};
use super::pace::{drain, paced};
use super::send::FileBody;
use super::{App, answer, auth, negotiate, simple};
use crate::config::Limits;
use crate::connection::{self, Activity};
use crate::error::IndexError;
use crate::pages;
use crate::store::{Pulse, Stamp};
use crate::tokens::Identity;

/// The name of the field that carries the identifier of a request.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers the requests of one connection.
pub(crate) struct Front {
    app: App,
    routes: Routes,
    pulse: Pulse,
    peer: IpAddr,
    pub(crate) activity: Arc<Activity>,
}

/// The routes, and where they run.
#[derive(Clone)]
struct Routes {
    app: App,
    router: TowerToHyperService<Router>,
    /// What the routes do runs here, and not on the thread of the connection.
    runtime: Handle,
}

/// A body on its way out.
pub(crate) struct Sent {
    body: Content,
    request: connection::Request,
}

enum Content {
    /// All of it, until it was taken.
    Whole(Option<Bytes>),
    File(FileBody),
    Routed(axum::body::Body),
}

type Routed = Pin<Box<dyn Future<Output = Response<Sent>> + Send>>;

/// An answer that is there, or will be.
pub(crate) enum Answering {
    Ready(Option<Response<Sent>>),
    Routed(Routed),
}

/// What is noted of a request before it is answered.
struct Noted {
    began: Instant,
    route: Route,
    id: HeaderValue,
    log: Option<Logged>,
}

/// What only the access log needs.
struct Logged {
    method: Method,
    path: String,
    peer: IpAddr,
    field: Option<Sha256>,
}

impl Front {
    /// For a connection from `peer` that lives where `pulse` does; called on the runtime that the routes are to
    /// run on.
    pub(crate) fn new(app: App, router: Router, (peer, pulse): (IpAddr, Pulse)) -> Self {
        let (router, runtime) = (TowerToHyperService::new(router), Handle::current());
        let routes = Routes { app: app.clone(), router, runtime };
        Self { app, routes, pulse, peer, activity: Activity::new() }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.app.index.limits
    }

    fn note(&self, request: &Request<Incoming>, peer: IpAddr) -> Noted {
        let log = tracing::enabled!(target: "shipway_index::access", tracing::Level::INFO).then(|| Logged {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            peer,
            field: request.headers().get(AUTHORIZATION).map(|field| Sha256::of(field.as_bytes())),
        });
        Noted {
            began: Instant::now(),
            route: route_of(request.method(), request.uri().path()),
            id: identifier(&self.app, request.headers()),
            log,
        }
    }
}

impl hyper::service::Service<Request<Incoming>> for Front {
    type Response = Response<Sent>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Answering {
        let held = self.activity.request();
        let peer = self.app.proxies.client(self.peer, request.headers());
        let noted = self.note(&request, peer);
        if let Some(limits) = &self.app.limiter
            && !matches!(noted.route, Route::Operations)
            && let Err(error) = limits.admit(&who(&self.app, request.headers(), peer))
        {
            let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
            let response = answer::refusal(&error, request.method(), request.uri().path(), accept);
            let response = finish(&self.app, noted, sent(response, held));
            if request.is_end_stream() {
                return Answering::Ready(Some(response));
            }
            let mut body =
                Box::pin(paced(axum::body::Body::new(request.into_body()), &self.app.index.limits));
            return Answering::Routed(Box::pin(async move {
                drain(&mut body).await;
                response
            }));
        }
        if let Some(wanted) = Wanted::of(&request) {
            match self.pulse.now() {
                Some(stamp) => {
                    if let Some(response) = wanted.answer(&self.app, &stamp, request.headers()) {
                        let response = response.map(|body| Sent { body, request: held });
                        return Answering::Ready(Some(finish(&self.app, noted, response)));
                    }
                }
                None if wanted.may_be_known(&self.app) => {
                    return Answering::Routed(Box::pin(self.ask(request, noted, held)));
                }
                None => {}
            }
        }
        Answering::Routed(Box::pin(self.routes.answer(request, noted, held)))
    }
}

impl Front {
    /// Answers from memory when the database has said that nothing changed.
    fn ask(
        &self,
        request: Request<Incoming>,
        noted: Noted,
        held: connection::Request,
    ) -> impl Future<Output = Response<Sent>> + Send + use<> {
        let (app, routes, pulse) = (self.app.clone(), self.routes.clone(), self.pulse.clone());
        async move {
            // What the database does not answer, the routes say.
            if let Ok(stamp) = pulse.read().await
                && let Some(wanted) = Wanted::of(&request)
                && let Some(response) = wanted.answer(&app, &stamp, request.headers())
            {
                return finish(&app, noted, response.map(|body| Sent { body, request: held }));
            }
            routes.answer(request, noted, held).await
        }
    }
}

impl Routes {
    fn answer(
        &self,
        mut request: Request<Incoming>,
        noted: Noted,
        held: connection::Request,
    ) -> impl Future<Output = Response<Sent>> + Send + use<> {
        let app = self.app.clone();
        // What is logged on the way names it too.
        request.headers_mut().insert(REQUEST_ID, noted.id.clone());
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let accept = request.headers().get(ACCEPT).cloned();
        let answered = self.runtime.spawn(hyper::service::Service::call(&self.router, request));
        // When the client goes away, so does the task, as if it were polled here.
        let answered = AbortOnDropHandle::new(answered);
        async move {
            let response = match answered.await {
                Ok(Ok(response)) => response,
                Ok(Err(never)) => match never {},
                Err(source) => {
                    tracing::error!(id = ?noted.id, path = uri.path(), %source, "a request broke off");
                    let accept = accept.as_ref().and_then(|accept| accept.to_str().ok());
                    answer::refusal(&IndexError::Task { source }, &method, uri.path(), accept)
                }
            };
            finish(&app, noted, sent(response, held))
        }
    }
}

fn sent(response: Response<axum::body::Body>, request: connection::Request) -> Response<Sent> {
    response.map(|body| Sent { body: Content::Routed(body), request })
}

/// Who a limit counts: the holder of a token that was recognised, else the address.
fn who(app: &App, headers: &HeaderMap, peer: IpAddr) -> super::limits::Who {
    match auth::recognised(app, headers) {
        Some(Identity::Holder(grant)) => super::limits::Who::Holder(grant.name.clone()),
        Some(Identity::Anonymous) | None => super::limits::Who::at(peer),
    }
}

/// The client's own identifier where it is a short plain word, else a new one.
fn identifier(app: &App, headers: &HeaderMap) -> HeaderValue {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    match headers.get(&REQUEST_ID) {
        Some(own) if (1..=64).contains(&own.len()) && own.as_bytes().iter().all(plain) => own.clone(),
        _ => app.metrics.identifier(),
    }
}

/// Counts an answer, logs it, and names the request in it.
fn finish(app: &App, noted: Noted, mut response: Response<Sent>) -> Response<Sent> {
    let took = noted.began.elapsed();
    app.metrics.count(noted.route, response.status(), took);
    if let Some(log) = noted.log {
        let grant = log.field.and_then(|field| app.index.cache.grant(&field, app.index.clock.now()));
        tracing::info!(
            target: "shipway_index::access",
            id = noted.id.to_str().unwrap_or_default(),
            peer = %log.peer,
            token = grant.as_ref().map(|grant| grant.name.as_str()),
            method = %log.method,
            path = log.path,
            status = response.status().as_u16(),
            bytes = response.body().size_hint().exact(),
            duration_ms = took.as_secs_f64() * 1000.0,
            "answered {}",
            log.path
        );
    }
    response.headers_mut().insert(REQUEST_ID, noted.id);
    response
}

/// What may be in memory.
enum Wanted<'r> {
    /// The page of a project in a channel.
    Page { channel: &'r str, project: &'r str, form: (pages::Format, pages::Coding) },
    /// A whole file of the index itself.
    File { path: &'r str },
}

impl<'r> Wanted<'r> {
    fn of<B>(request: &'r Request<B>) -> Option<Self> {
        let (method, path, headers) = (request.method(), request.uri().path(), request.headers());
        if request.uri().query().is_some() {
            return None;
        }
        if path.starts_with("/files/") {
            let conditions = [RANGE, IF_RANGE, IF_NONE_MATCH, IF_MODIFIED_SINCE];
            let plain = *method == Method::GET && !conditions.iter().any(|field| headers.contains_key(field));
            return plain.then_some(Self::File { path });
        }
        let mut segments = path.strip_prefix('/')?.split('/');
        let (channel, simple, project) = (segments.next()?, segments.next()?, segments.next()?);
        let ends = segments.next() == Some("") && segments.next().is_none();
        if !ends || !matches!(simple, "simple" | "+simple") || !matches!(*method, Method::GET | Method::HEAD)
        {
            return None;
        }
        let mut accepts = headers.get_all(ACCEPT).iter();
        let accept = match (accepts.next(), accepts.next()) {
            (None, _) => None,
            (Some(one), None) => Some(one.to_str().ok()?),
            (Some(_), Some(_)) => return None,
        };
        let format = negotiate::format(accept, None)?;
        Some(Self::Page { channel, project, form: (format, simple::coding(headers)) })
    }

    /// Whether there will be an answer if nothing was committed.
    fn may_be_known(&self, app: &App) -> bool {
        match *self {
            Self::Page { channel, project, form } => app.index.cache.may_know((channel, project), form),
            Self::File { path } => app.index.cache.may_know_file(path),
        }
    }

    /// The answer, when it is in memory, nothing was committed before the stamp, and the reader is known.
    fn answer(&self, app: &App, stamp: &Stamp, headers: &HeaderMap) -> Option<Response<Content>> {
        let index = &app.index;
        match *self {
            Self::Page { channel, project, form } => {
                let (channels, body) = index.cache.known(stamp, (channel, project), form)?;
                let who = auth::recognised(app, headers)?;
                let held = channels.iter().any(|held| held.name.as_str() == channel);
                let may = held && who.may_read(Some(project), channel, index.anonymous_read);
                may.then(|| simple::send(&body, form, headers).map(|bytes| Content::Whole(Some(bytes))))
            }
            Self::File { path } => {
                let file = index.cache.known_file(stamp, path)?;
                let who = auth::recognised(app, headers)?;
                let may = |channel: &ChannelName| {
                    who.may_read(Some(&file.project), channel.as_str(), index.anonymous_read)
                };
                if !file.channels.iter().any(may) {
                    return None;
                }
                let body = match &file.content {
                    pages::Content::Memory(bytes) => Content::Whole(Some(bytes.clone())),
                    pages::Content::Blob(sha256) => {
                        let stands = |open: &std::fs::File| index.blobs.stands(sha256, open);
                        let open = app.files.opened_and_seen(sha256, stands)?;
                        Content::File(app.files.body(open, 0, file.size))
                    }
                };
                let mut response = Response::new(body);
                *response.headers_mut() = file.head.clone();
                Some(response)
            }
        }
    }
}

impl Future for Answering {
    type Output = Result<Response<Sent>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Ready(response) => match response.take() {
                Some(response) => Poll::Ready(Ok(response)),
                // Polled after its end, which no caller does.
                None => Poll::Pending,
            },
            Self::Routed(routed) => routed.as_mut().poll(context).map(Ok),
        }
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let sent = self.get_mut();
        match &mut sent.body {
            Content::Whole(bytes) => Poll::Ready(
                bytes.take().filter(|bytes| !bytes.is_empty()).map(|bytes| Ok(Frame::data(bytes))),
            ),
            Content::File(body) => {
                sent.request.asked();
                let frame = Pin::new(&mut *body).poll_frame(context).map_err(axum::Error::new);
                if matches!(frame, Poll::Ready(Some(Ok(_)))) && !body.is_end_stream() {
                    sent.request.gave();
                }
                frame
            }
            Content::Routed(body) => {
                sent.request.asked();
                let frame = Pin::new(body).poll_frame(context);
                if matches!(frame, Poll::Ready(Some(Ok(_)))) {
                    sent.request.gave();
                }
                frame
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            Content::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Content::File(body) => body.is_end_stream(),
            Content::Routed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Content::File(body) => body.size_hint(),
            Content::Routed(body) => body.size_hint(),
        }
    }
}
