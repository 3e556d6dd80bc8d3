//! A server on the loopback that answers as it is told, faults included.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How a server answers.
#[derive(Debug, Clone)]
pub enum Answer {
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
pub struct Server {
    pub url: String,
    answers: Arc<Mutex<BTreeMap<String, Answer>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub fn new() -> Self {
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
    pub fn has(&self, url: &str, answer: Answer) {
        let path = format!("/{}", url.strip_prefix("https://").unwrap());
        self.answers.lock().unwrap().insert(path, answer);
    }

    pub fn asked(&self) -> Vec<String> {
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
            stream.write_all(format!("{}\r\n", head("200 OK", 5 << 20)).as_bytes())?;
            loop {
                stream.write_all(b"x")?;
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        Answer::Endless => {
            stream.write_all(format!("{}\r\n", head("200 OK", 1 << 40)).as_bytes())?;
            loop {
                stream.write_all(&[b'x'; 8192])?;
            }
        }
    }
    Ok(true)
}
