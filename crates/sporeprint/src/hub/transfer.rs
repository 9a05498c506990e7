//! Asking the hub and receiving bytes.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use serde_json::Value;
use ureq::http::Response;
use ureq::{Agent, Body};

use super::cache::Cache;
use super::{Hub, HubError, HubReference};
use crate::progress::Observer;

/// Bytes read at a time.
const CHUNK: usize = 1 << 18;
/// Bytes of one step of progress.
const STEP: u64 = 1 << 20;
/// Bytes of the largest listing of files that is read.
const LISTING: u64 = 64 << 20;

/// What a repository holds.
pub(super) struct Listing {
    pub(super) commit: String,
    pub(super) files: Vec<String>,
}

/// One fetch: the hub, the name asked for, and who watches.
pub(super) struct Transfer<'a> {
    hub: &'a Hub,
    reference: &'a HubReference,
    observer: &'a dyn Observer,
    agent: Agent,
}

impl<'a> Transfer<'a> {
    pub(super) fn new(hub: &'a Hub, reference: &'a HubReference, observer: &'a dyn Observer) -> Self {
        // Redirects are followed here: what the hub says of a file stands in the first answer.
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(Duration::from_secs(20)))
            .timeout_recv_response(Some(Duration::from_secs(60)))
            .user_agent(concat!("sporeprint/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        Self { hub, reference, observer, agent }
    }

    /// The files of the revision.
    pub(super) fn listing(&self) -> Result<Listing, HubError> {
        let HubReference { repository, revision, .. } = self.reference;
        let address = format!("{}/api/models/{repository}/revision/{revision}", self.hub.endpoint);
        let (answer, _) = self.get(&address, &format!("repository {repository}"))?;
        let mut text = String::new();
        let read = answer.into_body().into_reader().take(LISTING).read_to_string(&mut text);
        read.map_err(|error| self.no_network(&error))?;
        let value: Value = serde_json::from_str(&text).map_err(|error| self.answer(error.to_string()))?;
        let commit = value["sha"].as_str().filter(|sha| is_hex(sha, 40)).map(str::to_owned);
        let commit = commit.ok_or_else(|| self.answer("no commit in the listing".to_owned()))?;
        let siblings = value["siblings"].as_array().into_iter().flatten();
        let files = siblings.filter_map(|file| Some(file["rfilename"].as_str()?.to_owned())).collect();
        Ok(Listing { commit, files })
    }

    /// Downloads one file of a commit into the cache, checked before it gets its name.
    pub(super) fn download(&self, cache: &Cache, commit: &str, file: &str) -> Result<PathBuf, HubError> {
        let address = format!("{}/{}/resolve/{commit}/{file}", self.hub.endpoint, self.reference.repository);
        let (answer, announced) = self.get(&address, file)?;
        let Announced { digest, size } = announced;
        let digest = digest.ok_or_else(|| self.answer(format!("no digest for {file}")))?;
        let blob = cache.blob(&digest);
        if !blob.is_file() {
            if let Some(folder) = blob.parent() {
                fs::create_dir_all(folder)?;
            }
            let temporary = cache.incomplete(&digest);
            let kept =
                self.receive(answer, file, &digest, size, &temporary).and_then(|()| Ok(fs::rename(&temporary, &blob)?));
            if kept.is_err() {
                // What matters is the first error.
                let _ = fs::remove_file(&temporary);
            }
            kept?;
        }
        Ok(cache.link(commit, file, &digest)?)
    }

    fn receive(
        &self,
        answer: Response<Body>,
        file: &str,
        digest: &str,
        size: Option<u64>,
        temporary: &Path,
    ) -> Result<(), HubError> {
        let mut check = Check::new(digest, size);
        let mut out = fs::File::create(temporary)?;
        let mut body = answer.into_body().into_reader();
        let mut chunk = vec![0; CHUNK];
        let mut n_bytes = 0;
        self.observer.begin(&format!("downloading {file} (MB)"), size.unwrap_or(0).div_ceil(STEP));
        loop {
            if self.observer.interrupted() {
                return Err(HubError::Interrupted { reference: Box::new(self.reference.clone()) });
            }
            let n = body.read(&mut chunk).map_err(|error| self.no_network(&error))?;
            if n == 0 {
                break;
            }
            n_bytes += n as u64;
            if size.is_some_and(|size| n_bytes > size) {
                break;
            }
            check.update(&chunk[..n]);
            out.write_all(&chunk[..n])?;
            self.observer.advance(n_bytes / STEP, "");
        }
        self.observer.end();
        out.sync_all()?;
        let corrupt = |what, found: String, expected: String| {
            Err(HubError::Corrupt {
                reference: Box::new(self.reference.clone()),
                file: file.to_owned(),
                what,
                found,
                expected,
            })
        };
        if let Some(size) = size.filter(|size| *size != n_bytes) {
            return corrupt("its size", format!("{n_bytes} bytes"), format!("{size}"));
        }
        match check.finish() {
            Some(found) if found != digest => corrupt("its checksum", found, digest.to_owned()),
            _ => Ok(()),
        }
    }

    /// Follows redirects by hand; what the hub itself says of the file counts, and only the hub gets the token.
    fn get(&self, address: &str, what: &str) -> Result<(Response<Body>, Announced), HubError> {
        let mut address = address.to_owned();
        let mut announced = Announced::default();
        for _ in 0..8 {
            let mut request = self.agent.get(&address);
            let own = address.strip_prefix(&self.hub.endpoint).is_some_and(|rest| rest.starts_with('/'));
            if let Some(token) = self.hub.token.as_ref().filter(|_| own) {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            let answer = request.call().map_err(|error| self.no_network(&error))?;
            let status = answer.status().as_u16();
            if own {
                announced.read(&answer, (200..=299).contains(&status));
            }
            let (reference, endpoint) = (Box::new(self.reference.clone()), self.hub.endpoint.clone());
            let what = what.to_owned();
            match status {
                200..=299 => return Ok((answer, announced)),
                300..=399 => {
                    let target = header(&answer, "location").unwrap_or_default();
                    address = if target.starts_with('/') { format!("{endpoint}{target}") } else { target };
                }
                401 | 403 => return Err(HubError::Forbidden { reference, endpoint, status }),
                404 => return Err(HubError::NotFound { reference, endpoint, what }),
                _ => return Err(HubError::Status { reference, endpoint, what, status }),
            }
        }
        Err(self.answer("redirects without end".to_owned()))
    }

    fn no_network(&self, error: &dyn std::fmt::Display) -> HubError {
        let (reference, endpoint) = (Box::new(self.reference.clone()), self.hub.endpoint.clone());
        HubError::NoNetwork { reference, endpoint, reason: error.to_string() }
    }

    fn answer(&self, reason: String) -> HubError {
        HubError::Answer { reference: Box::new(self.reference.clone()), endpoint: self.hub.endpoint.clone(), reason }
    }
}

/// What the hub says of a file: SHA-256 of a large one, git's own digest of a small one; and its size.
#[derive(Debug, Default)]
struct Announced {
    digest: Option<String>,
    size: Option<u64>,
}

impl Announced {
    fn read(&mut self, answer: &Response<Body>, final_answer: bool) {
        let tag = header(answer, "x-linked-etag").or_else(|| header(answer, "etag").filter(|_| final_answer));
        let tag = tag.map(|tag| tag.trim_start_matches("W/").trim_matches('"').to_owned());
        // It becomes the name of a file.
        let safe = |tag: &String| {
            tag.len() >= 8 && tag.len() <= 128 && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        self.digest = self.digest.take().or(tag.filter(safe));
        let size =
            header(answer, "x-linked-size").or_else(|| header(answer, "content-length").filter(|_| final_answer));
        self.size = self.size.or(size.and_then(|size| size.parse().ok()));
    }
}

fn header(answer: &Response<Body>, name: &str) -> Option<String> {
    answer.headers().get(name)?.to_str().ok().map(str::to_owned)
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// A digest in the making; nothing where the hub's is of no known kind.
struct Check(Option<Context>);

impl Check {
    fn new(digest: &str, size: Option<u64>) -> Self {
        if is_hex(digest, 64) {
            return Self(Some(Context::new(&SHA256)));
        }
        let Some(size) = size.filter(|_| is_hex(digest, 40)) else { return Self(None) };
        let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
        context.update(format!("blob {size}\0").as_bytes());
        Self(Some(context))
    }

    fn update(&mut self, bytes: &[u8]) {
        self.0.iter_mut().for_each(|context| context.update(bytes));
    }

    fn finish(self) -> Option<String> {
        let digest = self.0?.finish();
        Some(digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}
