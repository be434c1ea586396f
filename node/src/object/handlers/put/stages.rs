//! The stages of a PUT by a proxy that wants more than one body stored: metadata after it, and a word before it counts.

use crate::http::{Headers, Interim, Response};
use crate::object::footers;
use crate::object::mime::MimeReader;
use crate::object::placement::says_yes;
use crate::object::upload::Source;
use bytes::Bytes;

/// What a proxy wants beyond one body: metadata after it, and a word before it counts.
pub(super) struct Stages {
    /// Set where the body is MIME documents.
    boundary: Option<Bytes>,
    has_footer: bool,
    pub(super) has_commit: bool,
}

impl Stages {
    pub(super) fn of(headers: &Headers) -> Result<Self, Response> {
        let has_footer = says_yes(headers, "X-Backend-Obj-Metadata-Footer");
        let has_commit = says_yes(headers, "X-Backend-Obj-Multiphase-Commit");
        if !has_footer && !has_commit {
            return Ok(Self { boundary: None, has_footer, has_commit });
        }
        let boundary = headers.get("X-Backend-Obj-Multipart-Mime-Boundary").filter(|b| !b.is_empty());
        let boundary = boundary.ok_or_else(|| Response::html(400, "no MIME boundary"))?;
        Ok(Self { boundary: Some(Bytes::copy_from_slice(boundary)), has_footer, has_commit })
    }

    /// Tells the proxy, with the leave to go on, what this server understands.
    pub(super) async fn announce(&self, interim: Option<&dyn Interim>) -> Result<(), Response> {
        let (Some(interim), true) = (interim, self.boundary.is_some()) else { return Ok(()) };
        let mut headers = Headers::new();
        if self.has_commit {
            headers.set("X-Obj-Multiphase-Commit", "yes");
        }
        if self.has_footer {
            headers.set("X-Obj-Metadata-Footer", "yes");
        }
        interim.send(100, headers).await.map_err(|_| Response::standard(499))
    }

    /// Where the object's bytes are in `body`.
    pub(super) async fn source(&self, body: crate::http::Body) -> Result<Source, Response> {
        let Some(boundary) = &self.boundary else { return Ok(Source::Plain(body)) };
        let mut parts = MimeReader::new(body, boundary);
        match parts.next_part().await.map_err(footers::answer)? {
            Some(_) => Ok(Source::Mime(Box::new(parts))),
            None => Err(Response::html(400, "couldn't find object MIME doc")),
        }
    }

    pub(super) async fn read_footers(&self, source: &mut Source) -> Result<Headers, Response> {
        match source {
            Source::Mime(parts) if self.has_footer => footers::read(parts).await,
            _ => Ok(Headers::new()),
        }
    }

    /// Says that the object is stored, waits for the proxy's word, and reads what is left of the body.
    pub(super) async fn confirm(
        &self,
        interim: Option<&dyn Interim>,
        source: &mut Source,
    ) -> Result<(), Response> {
        let Source::Mime(parts) = source else { return Ok(()) };
        if self.has_commit {
            if let Some(interim) = interim {
                self.announce(Some(interim)).await?;
                // Swift ends the body before it waits, and begins another one when it is told to go on
                if parts.is_at_end_of_body().await.map_err(footers::answer)?
                    && let Some(more) = interim.next_body()
                {
                    parts.go_on_with(more);
                }
            }
            let head = parts.next_part().await.map_err(footers::answer)?;
            let head = head.ok_or_else(|| Response::html(400, "couldn't find PUT commit MIME doc"))?;
            if head.get("X-Document") != Some(b"put commit") {
                return Err(Response::standard(500));
            }
        }
        Ok(())
    }

    /// Reads what is left of the body.
    pub(super) async fn drain(&self, source: &mut Source) -> Result<(), Response> {
        let Source::Mime(parts) = source else { return Ok(()) };
        while parts.next_part().await.map_err(footers::answer)?.is_some() {}
        Ok(())
    }
}
