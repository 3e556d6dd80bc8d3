//! The supply `upstream` against a server on the loopback: what is fetched, what is refused, and how that is said.

// All of this file is a test, its helpers too.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use flate2::write::GzEncoder;
use hab::artifacts::release::{ReleaseBuild, resolve, unpack};
use hab::artifacts::{Catalog, GO, built, pin_releases, program_file};
use hab::cache::{Cache, KeyBuilder};
use hab::digest::sha256;
use hab::download::{Downloads, Wanted, cached};
use hab::exec::apt::Limits;
use hab::kinds::Supply;
use hab::lock::{ReleaseFile, Releases};
use hab::progress::{Progress, Silent};
use tar::{EntryType, Header};

/// Limits that a test can wait for.
const SHORT: Limits =
    Limits { bytes: 1 << 20, silence: Duration::from_secs(1), time: Duration::from_secs(120), retries: 0 };

/// How a server answers.
#[derive(Debug, Clone)]
enum Answer {
    /// With these bytes, or with those after what is asked for.
    Bytes(Vec<u8>),
    /// With a status and no more.
    Status(&'static str),
    /// That it is at another path.
    Moved(&'static str),
    /// With the beginning of these bytes: so many, and then the end of the connection.
    Cut(Vec<u8>, usize),
    /// With a few bytes, and then with nothing for a long time.
    Stall,
    /// With a byte a tenth of a second.
    Drip,
    /// With bytes without end.
    Endless,
}

/// A server on the loopback, until the test ends.
struct Server {
    url: String,
    answers: Arc<Mutex<BTreeMap<String, Answer>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answers: Arc<Mutex<BTreeMap<String, Answer>>> = Arc::default();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (known, noted) = (Arc::clone(&answers), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (known, noted) = (Arc::clone(&known), Arc::clone(&noted));
                std::thread::spawn(move || {
                    let mut stream = BufReader::new(stream.unwrap());
                    while let Some((path, from)) = request(&mut stream) {
                        noted.lock().unwrap().push(from.map_or(path.clone(), |from| format!("{path} from {from}")));
                        let answer = known.lock().unwrap().get(&path).cloned();
                        let answer = answer.unwrap_or(Answer::Status("404 Not Found"));
                        // The client may have gone away.
                        if !reply(stream.get_mut(), answer, from).unwrap_or(false) {
                            break;
                        }
                    }
                });
            }
        });
        Self { url, answers, asked }
    }

    /// `HOST/PATH` of an address is answered so.
    fn has(&self, url: &str, answer: Answer) {
        let path = format!("/{}", url.strip_prefix("https://").unwrap());
        self.answers.lock().unwrap().insert(path, answer);
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// The path of the next request, and from which byte on it is wanted.
fn request(stream: &mut BufReader<TcpStream>) -> Option<(String, Option<usize>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let from = head.lines().find_map(|line| line.strip_prefix("Range: bytes=")?.strip_suffix('-')?.parse().ok());
    Some((head.split(' ').nth(1)?.to_owned(), from))
}

/// Answers; whether the connection can be used again.
fn reply(stream: &mut TcpStream, answer: Answer, from: Option<usize>) -> std::io::Result<bool> {
    let head = |status: &str, length: usize| format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n");
    match answer {
        Answer::Bytes(bytes) => {
            let start = from.unwrap_or(0).min(bytes.len());
            let mut head = head(if from.is_some() { "206 Partial Content" } else { "200 OK" }, bytes.len() - start);
            if from.is_some() {
                let _ = write!(head, "Content-Range: bytes {start}-{}/{}\r\n", bytes.len() - 1, bytes.len());
            }
            stream.write_all(format!("{head}\r\n").as_bytes())?;
            stream.write_all(&bytes[start..])?;
        }
        Answer::Status(status) => stream.write_all(format!("{}\r\n", head(status, 0)).as_bytes())?,
        Answer::Moved(to) => {
            stream.write_all(format!("{}Location: {to}\r\n\r\n", head("302 Found", 0)).as_bytes())?;
        }
        Answer::Cut(bytes, length) => {
            stream.write_all(format!("{}\r\n", head("200 OK", bytes.len())).as_bytes())?;
            stream.write_all(&bytes[..length])?;
            return Ok(false);
        }
        Answer::Stall => {
            stream.write_all(format!("{}\r\na few", head("200 OK", 1000)).as_bytes())?;
            std::thread::sleep(Duration::from_secs(600));
            return Ok(false);
        }
        Answer::Drip => {
            stream.write_all(format!("{}\r\n", head("200 OK", 1_000_000)).as_bytes())?;
            loop {
                stream.write_all(b"x")?;
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        Answer::Endless => {
            stream.write_all(format!("{}\r\n", head("200 OK", 1 << 40)).as_bytes())?;
            loop {
                stream.write_all(&[b'x'; 65536])?;
            }
        }
    }
    Ok(true)
}

/// A server, and a cache that is filled from it.
struct Lab {
    _dir: tempfile::TempDir,
    cache: Cache,
    server: Server,
}

const URL: &str = "https://example.org/v1/program";

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { cache: Cache::at(dir.path().join("cache")), _dir: dir, server: Server::new() }
    }

    fn downloads(&self, limits: Limits) -> Downloads<'_> {
        Downloads::with(&self.cache, Some(format!("{}/", self.server.url)), limits)
    }

    /// Fetches the file at [`URL`] with the digest of `bytes`: what is in it, or what is said.
    fn fetch(&self, bytes: &[u8], size: Option<u64>, limits: Limits) -> Result<Vec<u8>, String> {
        let progress: &dyn Progress = &Silent;
        let digest = sha256(bytes);
        let wanted = Wanted { url: URL, sha256: &digest, size };
        let fetched = self.downloads(limits).fetch(&wanted, &progress.step("test", None));
        let path = fetched.map_err(|error| format!("{error:#}"))?;
        assert_eq!(path, cached(&self.cache, &wanted).unwrap());
        Ok(std::fs::read(path).unwrap())
    }

    /// What is said when the server answers so, for a file that is wanted as `bytes`.
    fn refuses(&self, answer: Answer, limits: Limits) -> String {
        self.server.has(URL, answer);
        let said = self.fetch(b"wanted", None, limits).unwrap_err();
        assert!(said.contains(&format!("fetching {}/example.org/v1/program: ", self.server.url)), "{said}");
        said
    }

    /// The files of what is not whole yet.
    fn partial(&self) -> Vec<u64> {
        let Ok(found) = std::fs::read_dir(self.cache.root().join("partial")) else { return Vec::new() };
        found.map(|file| file.unwrap().metadata().unwrap().len()).collect()
    }
}

#[test]
fn a_file_is_fetched_once_and_through_a_redirect() {
    let lab = Lab::new();
    // As GitHub does; the signature must arrive as it was sent.
    lab.server.has(URL, Answer::Moved("/elsewhere?sig=a%2Fb%3D%2B&sv=2018"));
    let bytes = b"the program".to_vec();
    lab.server.has("https://elsewhere?sig=a%2Fb%3D%2B&sv=2018", Answer::Bytes(bytes.clone()));
    assert_eq!(lab.fetch(&bytes, Some(11), SHORT).unwrap(), bytes);
    let asked = lab.server.asked();
    assert_eq!(asked, ["/example.org/v1/program", "/elsewhere?sig=a%2Fb%3D%2B&sv=2018"]);
    assert_eq!(lab.fetch(&bytes, Some(11), SHORT).unwrap(), bytes);
    assert_eq!(lab.server.asked(), asked);
    assert!(lab.partial().is_empty());
}

#[test]
fn what_was_cut_off_goes_on_and_what_was_no_beginning_begins_again() {
    let lab = Lab::new();
    let bytes: Vec<u8> = (0..200_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    lab.server.has(URL, Answer::Cut(bytes.clone(), 70_000));
    let said = lab.fetch(&bytes, None, SHORT).unwrap_err();
    assert!(said.contains("Error reading from server"), "{said}");
    assert_eq!(lab.partial(), [70_000]);
    lab.server.has(URL, Answer::Bytes(bytes.clone()));
    assert_eq!(lab.fetch(&bytes, Some(200_000), SHORT).unwrap(), bytes);
    assert_eq!(lab.server.asked().last().unwrap(), "/example.org/v1/program from 70000");

    let other = [b"other".to_vec(), bytes].concat();
    let folder = lab.cache.root().join("partial");
    std::fs::write(folder.join(sha256(&other)), [b'?'; 5000]).unwrap();
    lab.server.has(URL, Answer::Bytes(other.clone()));
    assert_eq!(lab.fetch(&other, None, SHORT).unwrap(), other);
    assert_eq!(lab.server.asked().last().unwrap(), "/example.org/v1/program");
    assert!(lab.partial().is_empty());
}

#[test]
fn every_fault_of_a_server_is_said_with_what_to_do() {
    let lab = Lab::new();
    let said = lab.refuses(Answer::Bytes(b"something".to_vec()), SHORT);
    assert!(said.contains("another file than its publisher's list"), "{said}");
    let said = lab.refuses(Answer::Status("404 Not Found"), SHORT);
    assert!(said.contains("no such file") && said.contains("404"), "{said}");
    let said = lab.refuses(Answer::Status("429 Too Many Requests"), SHORT);
    assert!(said.contains("try again later") && said.contains("429"), "{said}");
    let said = lab.refuses(Answer::Status("500 Internal Server Error"), SHORT);
    assert!(said.contains("HAB_RELEASE_MIRROR names this mirror") && said.contains("500"), "{said}");
    let said = lab.refuses(Answer::Endless, SHORT);
    assert!(said.contains("larger than 1 MiB"), "{said}");
    // Nothing of all that is taken for a beginning.
    assert!(lab.partial().is_empty());
    lab.server.has(URL, Answer::Bytes(b"wanted".to_vec()));
    let said = lab.fetch(b"wanted", Some(7), SHORT).unwrap_err();
    assert!(said.contains("another size than the lock names"), "{said}");
    assert_eq!(lab.fetch(b"wanted", Some(6), SHORT).unwrap(), b"wanted");
}

#[test]
fn a_server_that_stalls_or_drips_is_left() {
    let lab = Lab::new();
    let start = Instant::now();
    let said = lab.refuses(Answer::Stall, SHORT);
    assert!(said.contains("timed out"), "{said}");
    let said = lab.refuses(Answer::Drip, Limits { time: Duration::from_secs(2), ..SHORT });
    assert!(said.contains("not there after 2 s; what came is kept"), "{said}");
    assert!(start.elapsed() < Duration::from_secs(100));
}

#[test]
fn a_server_that_the_machine_does_not_trust_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| dir.path().join(name));
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(&cert, own.cert.pem()).unwrap();
    std::fs::write(&key, own.signing_key.serialize_pem()).unwrap();
    let mut server = Command::new("openssl");
    server.args(["s_server", "-accept", "127.0.0.1:0", "-www", "-cert"]).arg(&cert).arg("-key").arg(&key);
    let mut server = server.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let address = lines.map(Result::unwrap).find_map(|line| line.strip_prefix("ACCEPT ").map(str::to_owned)).unwrap();
    let cache = Cache::at(dir.path().join("cache"));
    let downloads = Downloads::with(&cache, Some(format!("https://{address}")), SHORT);
    let said = format!("{:#}", downloads.text(URL).unwrap_err());
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(said.contains("the server can't be trusted") && said.contains("ertificate"), "{said}");
}

/// An ELF file that says it is a program for amd64, and no more.
fn program(text: &str) -> Vec<u8> {
    let mut bytes = std::fs::read("tests/fixtures/dynamic.elf").unwrap();
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// A gzipped tar of these members.
fn archive(members: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (name, kind, bytes) in members {
        let mut header = Header::new_gnu();
        // Not `set_path`, which refuses what a test is to have refused.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o755);
        header.set_size(bytes.len() as u64);
        if kind.is_symlink() {
            header.set_link_name("/bin/sh").unwrap();
        }
        header.set_cksum();
        tar.append(&header, *bytes).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

/// The catalog with nothing in it but etcd.
fn etcd_only() -> Catalog {
    let mut catalog = Catalog::of(Supply::Upstream, Supply::Upstream.kubernetes_versions()[0]).unwrap();
    catalog.releases.retain(|name, _| name == "etcd");
    catalog
}

/// Takes etcd's programs out of a file with these bytes: the digests, or what is said.
fn take(lab: &Lab, catalog: &Catalog, bytes: &[u8]) -> Result<BTreeMap<String, String>, String> {
    let published = catalog.published("etcd").unwrap().remove(0);
    lab.server.has(&published.url, Answer::Bytes(bytes.to_vec()));
    let progress: &dyn Progress = &Silent;
    let step = progress.step("test", None);
    let file = ReleaseFile { url: published.url, size: bytes.len() as u64, sha256: sha256(bytes) };
    let wanted = Wanted { url: &file.url, sha256: &file.sha256, size: Some(file.size) };
    lab.downloads(SHORT).fetch(&wanted, &step).unwrap();
    let files = BTreeMap::from([("etcd".to_owned(), vec![file.clone()])]);
    let lock = Releases { files, modules: BTreeMap::new(), debs: Vec::new(), built: None };
    let entry = tempfile::tempdir().unwrap();
    let build = ReleaseBuild { cache: &lab.cache, catalog, lock: &lock, name: "etcd" };
    build.build(entry.path()).map_err(|error| format!("{error:#}"))?;
    for name in ["etcd", "etcdctl", "etcdutl"] {
        let program = program_file(entry.path(), name).unwrap();
        assert_eq!(sha256(std::fs::read(&program.path).unwrap()), program.sha256);
    }
    Ok(built(entry.path()).unwrap().programs)
}

#[test]
fn programs_are_taken_out_of_an_archive_and_nothing_else_is() {
    let (lab, catalog) = (Lab::new(), etcd_only());
    let file = EntryType::Regular;
    let members: Vec<String> = {
        let published = catalog.published("etcd").unwrap().remove(0);
        ["etcd", "etcdctl", "etcdutl"].map(|name| published.programs[name].clone().unwrap()).to_vec()
    };
    let [one, two, three] = ["1", "2", "3"].map(program);
    let with = |name: &str, kind, bytes: &[u8]| {
        let readme = ("./README.md", file, &b"text"[..]);
        archive(&[readme, (&members[0], file, &one), (&members[1], file, &two), (name, kind, bytes)])
    };
    let good = take(&lab, &catalog, &with(&members[2], file, &three)).unwrap();
    let wanted = [("etcd", &one), ("etcdctl", &two), ("etcdutl", &three)];
    assert_eq!(good, wanted.map(|(name, bytes)| (name.to_owned(), sha256(bytes))).into());
    // As a tar of `.` has it.
    let dotted = take(&lab, &catalog, &with(&format!("./{}", members[2]), file, &three)).unwrap();
    assert_eq!(dotted, good);

    let said = |bytes: &[u8]| take(&lab, &catalog, bytes).unwrap_err();
    let missing = said(&with("etcd/etcdutl", file, &three));
    assert!(missing.contains(&format!("the archive has no {}", members[2])), "{missing}");
    assert!(missing.contains("taking etcd, etcdctl, etcdutl out of https://github.com/etcd-io/"), "{missing}");
    let climbing = said(&with(&format!("x/../{}", members[2]), file, &three));
    assert!(climbing.contains("the archive has no"), "{climbing}");
    let link = said(&with(&members[2], EntryType::Symlink, b""));
    assert!(link.contains("is no file in the archive but a Symlink"), "{link}");
    let script = said(&with(&members[2], file, b"#!/bin/sh\n"));
    assert!(script.contains("etcdutl of") && script.contains("is no program for amd64"), "{script}");
    let mut arm = three.clone();
    // e_machine (elf(5)): aarch64.
    arm[18] = 183;
    assert!(said(&with(&members[2], file, &arm)).contains("is no program for amd64"));
    let whole = with(&members[2], file, &three);
    assert!(said(&whole[..whole.len() / 2]).contains("gzip"));
    assert!(said(b"no archive").contains("gzip"));
}

#[test]
fn an_archive_is_unpacked_where_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(dir.path().join(name), bytes).unwrap();
        dir.path().join(name)
    };
    let to = dir.path().join("to");
    std::fs::create_dir(&to).unwrap();
    let good = archive(&[("go/bin/go", EntryType::Regular, b"go")]);
    unpack(&write("good", &good), &to).unwrap();
    assert_eq!(std::fs::read(to.join("go/bin/go")).unwrap(), b"go");
    let bad = archive(&[("../out", EntryType::Regular, b"bad")]);
    let said = format!("{:#}", unpack(&write("bad", &bad), &to).unwrap_err());
    assert!(said.contains("../out in the archive leads out of it"), "{said}");
    assert!(!dir.path().join("out").exists());
}

/// What a lock pins of what the server has, or what is said.
fn pinned(lab: &Lab, catalog: &Catalog) -> Result<Releases, String> {
    let progress: &dyn Progress = &Silent;
    let files = resolve(&lab.downloads(SHORT), catalog, &progress.step("test", None));
    let files = files.map_err(|error| format!("{error:#}"))?;
    Ok(pin_releases(catalog, Vec::new(), files).unwrap())
}

#[test]
fn a_lock_has_each_file_as_its_publisher_says_and_is_kept_to() {
    let lab = Lab::new();
    let catalog = Catalog::of(Supply::Upstream, Supply::Upstream.kubernetes_versions()[0]).unwrap();
    for name in catalog.releases.keys() {
        for published in catalog.published(name).unwrap() {
            let bytes = format!("the bytes of {}", published.url).into_bytes();
            let file = Path::new(&published.url).file_name().unwrap().to_str().unwrap();
            // Kubernetes and Go publish the bare digest, the others what sha256sum writes, etcd for all its files.
            let list = match name.as_str() {
                "kubernetes" | GO => sha256(&bytes),
                "etcd" => format!("{}  other.zip\n{}  {file}\n", sha256("other"), sha256(&bytes)),
                _ => format!("{}  {file}\n", sha256(&bytes)),
            };
            lab.server.has(&published.url, Answer::Bytes(bytes));
            lab.server.has(&published.sums, Answer::Bytes(list.into_bytes()));
        }
    }
    let lock = pinned(&lab, &catalog).unwrap();
    let count = |lock: &Releases| lock.files.values().map(Vec::len).sum::<usize>();
    // Six programs of Kubernetes, and an archive of each other.
    assert_eq!((lock.files.len(), count(&lock)), (6, 11));
    let etcd = &lock.files["etcd"][0];
    let bytes = format!("the bytes of {}", etcd.url);
    assert_eq!((etcd.size, &etcd.sha256), (bytes.len() as u64, &sha256(&bytes)));
    let asked = lab.server.asked();
    let distinct: std::collections::BTreeSet<&String> = asked.iter().collect();
    assert_eq!((asked.len(), distinct.len()), (22, 22), "each list and each file once: {asked:?}");
    // Again: the lists anew, no file.
    assert_eq!(pinned(&lab, &catalog).unwrap(), lock);
    assert_eq!(lab.server.asked().len(), 33);

    // Another cache; and etcd's publisher has put another file there since.
    let other = Lab { server: lab.server, ..Lab::new() };
    other.server.has(&etcd.url, Answer::Bytes(b"the bytes of somebody else, as it seems".to_vec()));
    let progress: &dyn Progress = &Silent;
    let wanted = Wanted { url: &etcd.url, sha256: &etcd.sha256, size: Some(etcd.size) };
    let said = other.downloads(SHORT).fetch(&wanted, &progress.step("test", None)).unwrap_err();
    assert!(format!("{said:#}").contains("another"), "{said:#}");
    let said = pinned(&other, &catalog).unwrap_err();
    assert!(said.contains("another file than its publisher's list"), "{said}");
    let sums = &catalog.published("etcd").unwrap()[0].sums;
    other.server.has(sums, Answer::Bytes(b"<html>".to_vec()));
    let said = pinned(&other, &catalog).unwrap_err();
    assert!(said.contains("SHA256SUMS") && said.contains("no SHA-256"), "{said}");
    other.server.has(sums, Answer::Endless);
    let said = pinned(&other, &catalog).unwrap_err();
    assert!(said.contains("list of digests") && said.contains("larger than 1 MiB"), "{said}");
    let key = |lock: &Releases| {
        let build = ReleaseBuild { cache: &other.cache, catalog: &catalog, lock, name: "etcd" };
        build.key(KeyBuilder::new()).unwrap().key()
    };
    let mut changed = lock.clone();
    changed.files.get_mut("etcd").unwrap()[0].sha256 = sha256("other");
    assert_eq!(key(&lock), key(&lock.clone()));
    assert_ne!(key(&lock), key(&changed));
}
