//! Downloads: whole, cut off, and with every fault of a server.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hab::cache::Cache;
use hab::digest::sha256;
use hab::download::{Downloads, Size, Wanted};
use hab::progress::{Progress, Silent};

use crate::lab::{Heard, Lab, PACE, SHORT, UNKNOWN, URL};
use crate::server::Answer;

#[test]
fn a_file_is_fetched_once_and_through_a_redirect() {
    let lab = Lab::new();
    // As GitHub does; the signature must arrive as it was sent.
    lab.server.has(URL, Answer::Moved("/elsewhere?sig=a%2Fb%3D%2B&sv=2018"));
    let bytes = b"the program".to_vec();
    lab.server.has("https://elsewhere?sig=a%2Fb%3D%2B&sv=2018", Answer::Bytes(bytes.clone()));
    assert_eq!(lab.fetch(&bytes, Size::Exactly(11), PACE).unwrap(), bytes);
    let asked = lab.server.asked();
    assert_eq!(asked, ["/example.org/v1/program", "/elsewhere?sig=a%2Fb%3D%2B&sv=2018"]);
    assert_eq!(lab.fetch(&bytes, Size::Exactly(11), PACE).unwrap(), bytes);
    assert_eq!(lab.server.asked(), asked);
    assert!(lab.partial().is_empty());
}

#[test]
fn what_was_cut_off_goes_on_and_what_was_no_beginning_begins_again() {
    let lab = Lab::new();
    let bytes: Vec<u8> = (0..200_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    lab.server.has(URL, Answer::Cut(bytes.clone(), 70_000));
    let said = lab.fetch(&bytes, UNKNOWN, PACE).unwrap_err();
    assert!(said.contains("Error reading from server"), "{said}");
    assert_eq!(lab.partial(), [70_000]);
    lab.server.has(URL, Answer::Bytes(bytes.clone()));
    assert_eq!(lab.fetch(&bytes, Size::Exactly(200_000), PACE).unwrap(), bytes);
    assert_eq!(lab.server.asked().last().unwrap(), "/example.org/v1/program from 70000");

    let other = [b"other".to_vec(), bytes].concat();
    let folder = lab.cache.root().join("partial");
    std::fs::write(folder.join(sha256(&other)), [b'?'; 5000]).unwrap();
    lab.server.has(URL, Answer::Bytes(other.clone()));
    assert_eq!(lab.fetch(&other, UNKNOWN, PACE).unwrap(), other);
    assert_eq!(lab.server.asked().last().unwrap(), "/example.org/v1/program");
    assert!(lab.partial().is_empty());
}

#[test]
fn every_fault_of_a_server_is_said_with_what_to_do() {
    let lab = Lab::new();
    let said = lab.refuses(Answer::Bytes(b"something".to_vec()), PACE);
    assert!(said.contains("another file than its publisher's list"), "{said}");
    let said = lab.refuses(Answer::Status("404 Not Found"), PACE);
    assert!(said.contains("no such file") && said.contains("404"), "{said}");
    let before = lab.server.asked().len();
    let said = lab.refuses(Answer::Status("429 Too Many Requests"), PACE);
    assert_eq!(lab.server.asked().len(), before + 1, "who is asked too much is not asked again");
    assert!(said.contains("try again later") && said.contains("429"), "{said}");
    let said = lab.refuses(Answer::Status("500 Internal Server Error"), PACE);
    assert!(said.contains("HAB_RELEASE_MIRROR names this mirror") && said.contains("500"), "{said}");
    let said = lab.refuses(Answer::Endless, PACE);
    assert!(said.contains("more than 1048576 bytes, so it is not what it should be"), "{said}");
    // Nothing of all that is taken for a beginning.
    assert!(lab.partial().is_empty());
    lab.server.has(URL, Answer::Bytes(b"wanted".to_vec()));
    let said = lab.fetch(b"wanted", Size::Exactly(7), PACE).unwrap_err();
    assert!(said.contains("another size than the lock names"), "{said}");
    assert_eq!(lab.fetch(b"wanted", Size::Exactly(6), PACE).unwrap(), b"wanted");
}

#[test]
fn a_server_that_stalls_or_drips_is_left() {
    let lab = Lab::new();
    let start = Instant::now();
    for answer in [Answer::Stall, Answer::Drip] {
        let said = lab.refuses(answer, SHORT);
        assert!(said.contains("fewer than 1 KiB came in 5 s; run hab again, and it goes on from there"), "{said}");
        assert!(matches!(lab.partial()[..], [1..1024]), "what came is kept: {:?}", lab.partial());
    }
    assert!(start.elapsed() < Duration::from_secs(100));

    // Meanwhile it is said how much of it is there.
    let heard = Heard::default();
    let progress: &dyn Progress = &heard;
    let digest = sha256("another");
    let wanted = Wanted { url: URL, sha256: &digest, size: Size::Exactly(5 << 20) };
    lab.downloads(SHORT).fetch(&wanted, &progress.step("test", None)).unwrap_err();
    let heard = heard.0.into_inner().unwrap();
    assert!(heard.len() > 1 && heard.iter().all(|said| said == "fetching program: 0 of 5 MiB"), "{heard:?}");
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
    let downloads = Downloads::with(&cache, "MIRROR", Some(format!("https://{address}")), PACE);
    let progress: &dyn Progress = &Silent;
    let said = format!("{:#}", downloads.document(URL, &progress.step("test", None)).unwrap_err());
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(said.contains("the server can't be trusted") && said.contains("ertificate"), "{said}");
}
