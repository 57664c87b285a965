//! Downloads, from a small Hub on this machine: no network is used.

use crate::build::{Raw, directory, le, refused, safetensors};
use faculty_core::{ErrorKind, Event, NamedTensors, Observer, Silent, hash_bytes};
use faculty_hub::{DatasetId, Environment, ModelRef, WeightFiles, resolve_dataset_file, resolve_with};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

const COMMIT: &str = "89abcdef0123456789abcdef0123456789abcdef";

#[derive(Default)]
struct Hub {
    files: BTreeMap<&'static str, Vec<u8>>,
    /// Sent in place of a file's own SHA-256.
    wrong_hash_of: Option<&'static str>,
    token: Option<&'static str>,
    requests: Mutex<Vec<String>>,
}

impl Hub {
    fn start(self) -> (String, Arc<Self>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let hub = Arc::new(self);
        let serving = hub.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = serving.answer(stream);
            }
        });
        (endpoint, hub)
    }

    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let request = lines.next().unwrap_or(Ok(String::new()))?;
        let mut start = 0usize;
        let mut last = None;
        let mut authorised = self.token.is_none();
        for line in lines {
            let line = line?;
            if line.is_empty() {
                break;
            }
            let Some((name, value)) = line.split_once(": ") else { continue };
            if name.eq_ignore_ascii_case("range") {
                let (from, to) = value.trim_start_matches("bytes=").split_once('-').unwrap();
                start = from.parse().unwrap();
                last = to.parse::<usize>().ok();
            }
            if name.eq_ignore_ascii_case("authorization") && self.token.is_some_and(|t| value == format!("Bearer {t}"))
            {
                authorised = true;
            }
        }
        let path = request.split(' ').nth(1).unwrap_or("").to_owned();
        self.requests.lock().unwrap().push(path.clone());
        let status = |stream: &mut TcpStream, line: &str, headers: &str, body: &[u8]| {
            let length = body.len();
            write!(stream, "HTTP/1.1 {line}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n")?;
            stream.write_all(body)
        };
        if !authorised {
            return status(&mut stream, "401 Unauthorized", "", b"");
        }
        if path == "/api/models/owner/name/revision/main" {
            let siblings: Vec<_> = self.files.keys().map(|name| serde_json::json!({"rfilename": name})).collect();
            let body = serde_json::json!({"sha": COMMIT, "siblings": siblings}).to_string();
            return status(&mut stream, "200 OK", "Content-Type: application/json\r\n", body.as_bytes());
        }
        let inside = path.strip_prefix("/datasets").unwrap_or(&path);
        let file = inside.strip_prefix(&format!("/owner/name/resolve/{COMMIT}/"));
        let Some((name, bytes)) = file.and_then(|file| self.files.get_key_value(file)) else {
            return status(&mut stream, "404 Not Found", "", b"");
        };
        let etag = match self.wrong_hash_of {
            Some(wrong) if wrong == *name => hash_bytes(b"something else"),
            _ => hash_bytes(bytes),
        };
        let end = last.map_or(bytes.len(), |last| (last + 1).min(bytes.len()));
        let headers = format!(
            "ETag: \"{etag}\"\r\nX-Repo-Commit: {COMMIT}\r\nContent-Range: bytes {start}-{}/{}\r\n",
            end.max(1) - 1,
            bytes.len()
        );
        status(&mut stream, "206 Partial Content", &headers, &bytes[start.min(end)..end])
    }
}

fn sharded() -> BTreeMap<&'static str, Vec<u8>> {
    BTreeMap::from([
        ("config.json", b"{\"model_type\": \"bert\"}".to_vec()),
        ("tokenizer.json", b"{}".to_vec()),
        (
            "model.safetensors.index.json",
            br#"{"weight_map": {"a": "m-1.safetensors", "b": "m-2.safetensors"}}"#.to_vec(),
        ),
        ("m-1.safetensors", safetensors(&[Raw("a", "F32", vec![1], le(&[1.0]))])),
        ("m-2.safetensors", safetensors(&[Raw("b", "F32", vec![30_000], le(&[0.5; 30_000]))])),
        ("pytorch_model.bin", b"PK\x03\x04".to_vec()),
    ])
}

/// The client asks a proxy for every address, this machine's included.
fn behind_a_proxy() -> bool {
    let set = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    if set {
        eprintln!("skipped: a proxy is set");
    }
    set
}

fn environment(cache: &Path, endpoint: &str) -> Environment {
    Environment {
        hf_home: Some(cache.to_path_buf()),
        hf_endpoint: Some(endpoint.to_owned()),
        hf_token: Some("hf_token".to_owned()),
        ..Environment::default()
    }
}

#[derive(Default)]
struct Counted(Mutex<(Vec<String>, u64)>);

impl Observer for Counted {
    fn on(&self, event: Event<'_>) {
        let mut seen = self.0.lock().unwrap();
        match event {
            Event::Start { stage, .. } => seen.0.push(stage.to_owned()),
            Event::Advance { units, .. } => seen.1 += units,
            _ => {}
        }
    }
}

#[test]
fn a_sharded_model_is_downloaded_once_and_then_found_offline() {
    if behind_a_proxy() {
        return;
    }
    let files = sharded();
    let (endpoint, hub) = Hub { files: files.clone(), token: Some("hf_token"), ..Hub::default() }.start();
    let cache = directory(&[]);
    let environment = environment(cache.path(), &endpoint);
    let reference = ModelRef::parse("owner/name").unwrap();
    let seen = Counted::default();
    let dir = resolve_with(&reference, &environment, &seen).unwrap();
    assert!(dir.ends_with(format!("hub/models--owner--name/snapshots/{COMMIT}")), "{}", dir.display());
    let weights = WeightFiles::open(&dir).unwrap();
    assert_eq!(weights.read("b").unwrap(), [0.5; 30_000]);
    assert!(!dir.join("pytorch_model.bin").exists(), "pickles are not even downloaded");
    let (stages, bytes) = &*seen.0.lock().unwrap();
    assert!(stages.contains(&"download owner/name: m-2.safetensors".to_owned()), "{stages:?}");
    assert_eq!(
        *bytes,
        files.iter().filter(|(name, _)| !name.ends_with(".bin")).map(|(_, b)| b.len() as u64).sum::<u64>()
    );

    let before = hub.requests.lock().unwrap().len();
    assert_eq!(resolve_with(&reference, &environment, &Silent).unwrap(), dir);
    let offline = Environment { hf_hub_offline: true, ..environment };
    assert_eq!(resolve_with(&reference, &offline, &Silent).unwrap(), dir);
    assert_eq!(hub.requests.lock().unwrap().len(), before, "a complete copy needs no network");
}

#[test]
fn a_damaged_download_is_deleted_and_never_used() {
    if behind_a_proxy() {
        return;
    }
    let (endpoint, _) = Hub { files: sharded(), wrong_hash_of: Some("m-2.safetensors"), ..Hub::default() }.start();
    let cache = directory(&[]);
    let environment = environment(cache.path(), &endpoint);
    let reference = ModelRef::parse("owner/name").unwrap();
    refused(resolve_with(&reference, &environment, &Silent), &["m-2.safetensors", "SHA-256", "promised"]);
    let offline = Environment { hf_hub_offline: true, ..environment };
    refused(resolve_with(&reference, &offline, &Silent), &["nor in the Hugging Face cache"]);
}

#[test]
fn refusals_of_the_hub_are_explained() {
    if behind_a_proxy() {
        return;
    }
    let cache = directory(&[]);
    let get = |endpoint: &str, text: &str| {
        resolve_with(&ModelRef::parse(text).unwrap(), &environment(cache.path(), endpoint), &Silent)
    };
    let (endpoint, _) = Hub { token: Some("another"), ..Hub::default() }.start();
    refused(get(&endpoint, "owner/name"), &["`owner/name`", "HF_TOKEN"]);
    let (endpoint, _) = Hub { files: sharded(), ..Hub::default() }.start();
    refused(get(&endpoint, "owner/other"), &["`owner/other`", "check the name and the revision"]);
    let pickle = BTreeMap::from([("config.json", b"{}".to_vec()), ("pytorch_model.bin", vec![0])]);
    let (endpoint, _) = Hub { files: pickle, ..Hub::default() }.start();
    refused(get(&endpoint, "owner/name"), &["no safetensors weights", "pickle is refused"]);
    let error = refused(get("http://127.0.0.1:9", "owner/name"), &["127.0.0.1:9", "check the network"]);
    assert_eq!(error.kind(), ErrorKind::Io);
}

#[test]
fn an_index_from_the_hub_cannot_name_files_elsewhere() {
    if behind_a_proxy() {
        return;
    }
    let files = BTreeMap::from([
        ("config.json", b"{}".to_vec()),
        ("model.safetensors.index.json", br#"{"weight_map": {"a": "../../x.safetensors"}}"#.to_vec()),
    ]);
    let (endpoint, _) = Hub { files, ..Hub::default() }.start();
    let cache = directory(&[]);
    let result = resolve_with(&ModelRef::parse("owner/name").unwrap(), &environment(cache.path(), &endpoint), &Silent);
    refused(result, &["index.json", "plain file name"]);
}

#[test]
fn a_file_of_a_data_set_is_downloaded_once_at_its_commit() {
    if behind_a_proxy() {
        return;
    }
    let rows = b"PAR1 some rows PAR1".to_vec();
    let files = BTreeMap::from([("data/train-00000.parquet", rows.clone())]);
    let (endpoint, hub) = Hub { files, token: Some("hf_token"), ..Hub::default() }.start();
    let cache = directory(&[]);
    let environment = environment(cache.path(), &endpoint);
    let id = DatasetId::parse("owner/name", COMMIT).unwrap();
    let path = resolve_dataset_file(&id, "data/train-00000.parquet", &environment, &Silent).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), rows);
    let place = format!("hub/datasets--owner--name/snapshots/{COMMIT}/data/train-00000.parquet");
    assert!(path.ends_with(&place), "{}", path.display());
    let requests = hub.requests.lock().unwrap().clone();
    assert!(
        requests.iter().all(|path| path.starts_with(&format!("/datasets/owner/name/resolve/{COMMIT}/"))),
        "{requests:?}"
    );

    assert_eq!(resolve_dataset_file(&id, "data/train-00000.parquet", &environment, &Silent).unwrap(), path);
    assert_eq!(hub.requests.lock().unwrap().len(), requests.len(), "what is in the cache needs no network");
    refused(resolve_dataset_file(&id, "data/test.parquet", &environment, &Silent), &["owner/name", "check the name"]);
}

#[test]
fn a_damaged_file_of_a_data_set_is_deleted() {
    if behind_a_proxy() {
        return;
    }
    let files = BTreeMap::from([("train.parquet", vec![1, 2, 3])]);
    let (endpoint, _) = Hub { files, wrong_hash_of: Some("train.parquet"), ..Hub::default() }.start();
    let cache = directory(&[]);
    let environment = environment(cache.path(), &endpoint);
    let id = DatasetId::parse("owner/name", COMMIT).unwrap();
    refused(resolve_dataset_file(&id, "train.parquet", &environment, &Silent), &["SHA-256", "promised"]);
    let offline = Environment { hf_hub_offline: true, ..environment };
    refused(resolve_dataset_file(&id, "train.parquet", &offline, &Silent), &["HF_HUB_OFFLINE"]);
}
