//! Against a hub of this test's own on 127.0.0.1.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::*;
use crate::progress::Silent;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const WEIGHTS: &str = "weights!";
/// `printf weights! | sha256sum`
const SHA256: &str = "fa47a1dc2eaad8414f129b768e1bc3ab746de3ee7d73d82c9356a9ca2ad772f4";

type Pages = BTreeMap<String, (u16, Vec<(&'static str, String)>, Vec<u8>)>;

/// A server that answers with pages written down before, and remembers what it was asked.
struct Server {
    endpoint: String,
    asked: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    port: u16,
}

impl Server {
    fn start(pages: impl Fn(&str) -> Pages) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let endpoint = format!("http://127.0.0.1:{port}");
        let (pages, asked, stop) =
            (pages(&endpoint), Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (seen, stopped) = (Arc::clone(&asked), Arc::clone(&stop));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                answer(stream.expect("a connection"), &pages, &seen);
            }
        });
        Self { endpoint, asked, stop, port }
    }

    fn hub(&self, cache: &Path) -> Hub {
        Hub { endpoint: self.endpoint.clone(), cache: cache.to_owned(), token: None, offline: false }
    }

    fn n_asked(&self) -> usize {
        self.asked.lock().expect("not poisoned").len()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn answer(stream: TcpStream, pages: &Pages, asked: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(&stream).lines();
    let mut request = lines.next().and_then(Result::ok).unwrap_or_default();
    let mut token = String::new();
    for line in lines.by_ref().map_while(Result::ok).take_while(|line| !line.is_empty()) {
        if line.to_ascii_lowercase().starts_with("authorization:") {
            token = format!(" {line}");
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    request += &token;
    asked.lock().expect("not poisoned").push(request);
    let (status, headers, body) = pages.get(&path).cloned().unwrap_or((404, Vec::new(), Vec::new()));
    let mut head = format!("HTTP/1.1 {status} x\r\nconnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "content-length") {
        head += &format!("content-length: {}\r\n", body.len());
    }
    headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
    let mut stream = &stream;
    let _ = stream.write_all(format!("{head}\r\n").as_bytes()).and_then(|()| stream.write_all(&body));
}

fn listing(files: &[&str]) -> Vec<u8> {
    let siblings: Vec<_> = files.iter().map(|file| serde_json::json!({ "rfilename": file })).collect();
    serde_json::json!({ "sha": COMMIT, "siblings": siblings }).to_string().into_bytes()
}

/// A repository with weights on another server, as large files are, and settings with git's digest.
fn usual(endpoint: &str, weights: &[u8]) -> Pages {
    let linked = vec![
        ("location", format!("{endpoint}/elsewhere/1")),
        ("x-linked-etag", format!("\"{SHA256}\"")),
        ("x-linked-size", WEIGHTS.len().to_string()),
    ];
    // `printf '{}' | git hash-object --stdin`
    let settings = vec![("etag", "\"9e26dfeeb6e641a33dae4961196235bdb965b21b\"".to_owned())];
    BTreeMap::from([
        (
            "/api/models/some/repo/revision/main".to_owned(),
            (200, vec![], listing(&["model.safetensors", "config.json"])),
        ),
        (format!("/some/repo/resolve/{COMMIT}/model.safetensors"), (302, linked, vec![])),
        ("/elsewhere/1".to_owned(), (200, vec![("etag", "\"of-the-other-server\"".to_owned())], weights.to_vec())),
        (format!("/some/repo/resolve/{COMMIT}/config.json"), (200, settings, b"{}".to_vec())),
    ])
}

fn reference(text: &str) -> HubReference {
    text.parse().expect("a name")
}

/// Files under a folder, temporary ones too.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            found.extend(files(&entry.path()))
        } else {
            found.push(entry.path().display().to_string())
        }
    }
    found
}

#[test]
fn a_model_is_downloaded_once_with_its_companions_and_then_needs_no_network() {
    let cache = tempfile::tempdir().expect("a folder");
    let server = Server::start(|endpoint| usual(endpoint, WEIGHTS.as_bytes()));
    let hub = Hub { token: Some("secret".to_owned()), ..server.hub(cache.path()) };
    let path = hub.fetch(&reference("hf:some/repo"), &Silent).expect("downloaded");
    assert_eq!(fs_err::read_to_string(&path).expect("weights"), WEIGHTS);
    assert_eq!(fs_err::read_to_string(path.with_file_name("config.json")).expect("settings"), "{}");
    let snapshot = cache.path().join("models--some--repo/snapshots").join(COMMIT);
    assert_eq!(path, snapshot.join("model.safetensors"));
    let asked = server.asked.lock().expect("not poisoned").clone();
    let with_token = |request: &&String| request.to_ascii_lowercase().contains("bearer secret");
    assert!(asked.iter().filter(|r| !r.contains("/elsewhere/")).all(|r| with_token(&r)), "{asked:?}");

    let n_before = server.n_asked();
    let offline = Hub { offline: true, endpoint: "http://127.0.0.1:1".to_owned(), ..hub };
    assert_eq!(offline.fetch(&reference("hf:some/repo"), &Silent).expect("cached"), path);
    assert_eq!(
        offline.fetch(&reference("hf:some/repo/config.json"), &Silent).expect("cached"),
        path.with_file_name("config.json")
    );
    assert_eq!(server.n_asked(), n_before);
}

#[test]
fn bytes_that_are_not_those_announced_are_not_kept() {
    for (weights, what) in [("weights?", "its checksum"), ("weights!!", "its size"), ("weight", "its size")] {
        let cache = tempfile::tempdir().expect("a folder");
        let server = Server::start(|endpoint| usual(endpoint, weights.as_bytes()));
        let error = server.hub(cache.path()).fetch(&reference("hf:some/repo"), &Silent).expect_err("wrong bytes");
        assert!(error.to_string().contains(what) && error.to_string().contains("model.safetensors"), "{error}");
        let kept = files(cache.path());
        assert!(kept.iter().all(|file| file.ends_with("config.json") || file.ends_with("965b21b")), "{kept:?}");
    }
}

#[test]
fn a_connection_that_breaks_leaves_nothing_half_written() {
    let cache = tempfile::tempdir().expect("a folder");
    let server = Server::start(|endpoint| {
        let mut pages = usual(endpoint, b"weig");
        let (_, headers, _) = pages.get_mut("/elsewhere/1").expect("the page");
        headers.push(("content-length", "8".to_owned()));
        pages
    });
    let error = server.hub(cache.path()).fetch(&reference("hf:some/repo"), &Silent).expect_err("broken off");
    assert!(error.to_string().contains("hf:some/repo"), "{error}");
    assert!(!files(cache.path()).iter().any(|file| file.contains("incomplete") || file.ends_with("model.safetensors")));
}

#[test]
fn no_network_and_no_model_are_said_in_words() {
    let cache = tempfile::tempdir().expect("a folder");
    let gone = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let hub = |endpoint: String, offline| Hub { endpoint, cache: cache.path().to_owned(), token: None, offline };
    let fetch = |hub: Hub, name: &str| hub.fetch(&reference(name), &Silent).expect_err("nothing there").to_string();
    let error = fetch(hub(format!("http://{gone}"), false), "hf:some/repo");
    assert!(error.contains("no connection to") && error.contains("hint: connect once"), "{error}");
    let error = fetch(hub(format!("http://{gone}"), true), "hf:some/repo");
    assert!(error.contains("HF_HUB_OFFLINE"), "{error}");
    let server = Server::start(|endpoint| usual(endpoint, b""));
    let error = fetch(server.hub(cache.path()), "hf:no/such");
    assert!(error.contains("has no repository no/such"), "{error}");
    let error = fetch(server.hub(cache.path()), "hf:some/repo/other.safetensors");
    assert!(error.contains("has no other.safetensors"), "{error}");
    assert_eq!(files(cache.path()).iter().filter(|file| file.contains("other")).count(), 0);
}

#[test]
fn a_repository_with_several_weights_asks_which() {
    let cache = tempfile::tempdir().expect("a folder");
    let server = Server::start(|_| {
        let page = (200, vec![], listing(&["a.safetensors", "b.safetensors", "README.md"]));
        BTreeMap::from([("/api/models/some/repo/revision/v2".to_owned(), page)])
    });
    let error = server.hub(cache.path()).fetch(&reference("hf:some/repo@v2"), &Silent).expect_err("two files");
    assert!(error.to_string().contains("a.safetensors, b.safetensors"), "{error}");
}

#[test]
fn a_private_model_and_a_stop_are_said_in_words() {
    let cache = tempfile::tempdir().expect("a folder");
    let server =
        Server::start(|_| BTreeMap::from([("/api/models/some/repo/revision/main".to_owned(), (401, vec![], vec![]))]));
    let error = server.hub(cache.path()).fetch(&reference("hf:some/repo"), &Silent).expect_err("private");
    assert!(error.to_string().contains("HF_TOKEN"), "{error}");

    /// Asks to stop at the second file.
    struct Impatient(AtomicUsize);
    impl Observer for Impatient {
        fn begin(&self, _what: &str, _total: u64) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        fn advance(&self, _done: u64, _detail: &str) {}
        fn end(&self) {}
        fn note(&self, _text: &str) {}
        fn interrupted(&self) -> bool {
            self.0.load(Ordering::Relaxed) >= 2
        }
    }
    let server = Server::start(|endpoint| usual(endpoint, WEIGHTS.as_bytes()));
    let watch = Impatient(AtomicUsize::new(0));
    let error = server.hub(cache.path()).fetch(&reference("hf:some/repo"), &watch).expect_err("stopped");
    assert!(matches!(error, HubError::Interrupted { .. }), "{error}");
    assert!(!files(cache.path()).iter().any(|file| file.contains("incomplete")));
}

#[test]
fn names_are_read_and_paths_out_of_the_cache_are_refused() {
    let full = reference("hf:owner/repo@v1.0/sub/model.safetensors");
    assert_eq!((&*full.repository, &*full.revision), ("owner/repo", "v1.0"));
    assert_eq!(full.file.as_deref(), Some("sub/model.safetensors"));
    assert_eq!(full.to_string(), "hf:owner/repo@v1.0/sub/model.safetensors");
    assert_eq!(reference("hf:owner/repo").to_string(), "hf:owner/repo");
    for wrong in ["hf:", "hf:repo", "hf:../x", "hf:a/b/../c", "hf:a/b@../c", "hf:a/b//c", "hf:a/b?c", "a/b"] {
        let error = wrong.parse::<HubReference>().expect_err(wrong).to_string();
        assert!(error.contains("hf:OWNER/REPO"), "{error}");
    }
}
